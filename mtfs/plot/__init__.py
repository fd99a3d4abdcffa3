"""Pictures. A plot takes data and Axes and gives Axes; it computes nothing."""

from __future__ import annotations

from mtfs.plot.adequacy import survival
from mtfs.plot.backtests import coverage, pit, skill
from mtfs.plot.fans import fan
from mtfs.plot.frontiers import frontier, goal_curve
from mtfs.plot.scenarios import intervals
from mtfs.plot.shares import variance_bars
from mtfs.plot.stress import deviations
from mtfs.plot.tornados import tornado
from mtfs.plot.waterfalls import waterfall

__all__ = [
    "coverage",
    "deviations",
    "fan",
    "frontier",
    "goal_curve",
    "intervals",
    "pit",
    "skill",
    "survival",
    "tornado",
    "variance_bars",
    "waterfall",
]
