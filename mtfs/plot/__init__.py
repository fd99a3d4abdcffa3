"""Pictures. A plot takes data and Axes and gives Axes; it computes nothing."""

from __future__ import annotations

from mtfs.plot.adequacy import survival
from mtfs.plot.fans import fan
from mtfs.plot.stress import deviations

__all__ = ["deviations", "fan", "survival"]
