"""Drivers learnt from history.

Names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtfs.calibrate.panel import forecast_panel
    from mtfs.calibrate.priors import ENGLAND, GrowthPrior

_HOMES = {
    "ENGLAND": "mtfs.calibrate.priors",
    "GrowthPrior": "mtfs.calibrate.priors",
    "forecast_panel": "mtfs.calibrate.panel",
}

__all__ = ["ENGLAND", "GrowthPrior", "forecast_panel"]


def __getattr__(name: str) -> Any:
    """Load a name from its module when it is first used."""
    if name not in _HOMES:
        msg = f"module 'mtfs.calibrate' has no attribute {name!r}"
        raise AttributeError(msg)
    found = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
