"""Pictures. A plot takes data and Axes and gives Axes; it computes nothing."""

from __future__ import annotations

from mtfs.plot.fans import fan
from mtfs.plot.waterfalls import waterfall

__all__ = ["fan", "waterfall"]
