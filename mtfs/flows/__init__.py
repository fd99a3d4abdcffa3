"""People moving between kinds of care: returns read, rates learnt, every child simulated.

Names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtfs.flows.episodes import Episodes
    from mtfs.flows.fitting import fit, fit_occurrences, rate_table
    from mtfs.flows.groupings import STANDARD
    from mtfs.flows.levers import (
        CapacityLever,
        EntryLever,
        ExitLever,
        HomeLever,
        MoveLever,
        Overflow,
        Places,
    )
    from mtfs.flows.model import DRIFT, Drift, FlowModel
    from mtfs.flows.occurrences import Occurrences, count_occurrences
    from mtfs.flows.simulation import expected_people, simulate
    from mtfs.flows.sources import Flow
    from mtfs.flows.states import Grouping, Placement

_HOMES = {
    "CapacityLever": "mtfs.flows.levers",
    "DRIFT": "mtfs.flows.model",
    "Drift": "mtfs.flows.model",
    "EntryLever": "mtfs.flows.levers",
    "Episodes": "mtfs.flows.episodes",
    "ExitLever": "mtfs.flows.levers",
    "Flow": "mtfs.flows.sources",
    "FlowModel": "mtfs.flows.model",
    "Grouping": "mtfs.flows.states",
    "HomeLever": "mtfs.flows.levers",
    "MoveLever": "mtfs.flows.levers",
    "Occurrences": "mtfs.flows.occurrences",
    "Overflow": "mtfs.flows.levers",
    "Placement": "mtfs.flows.states",
    "Places": "mtfs.flows.levers",
    "STANDARD": "mtfs.flows.groupings",
    "count_occurrences": "mtfs.flows.occurrences",
    "expected_people": "mtfs.flows.simulation",
    "fit": "mtfs.flows.fitting",
    "fit_occurrences": "mtfs.flows.fitting",
    "rate_table": "mtfs.flows.fitting",
    "simulate": "mtfs.flows.simulation",
}

__all__ = [
    "DRIFT",
    "STANDARD",
    "CapacityLever",
    "Drift",
    "EntryLever",
    "Episodes",
    "ExitLever",
    "Flow",
    "FlowModel",
    "Grouping",
    "HomeLever",
    "MoveLever",
    "Occurrences",
    "Overflow",
    "Placement",
    "Places",
    "count_occurrences",
    "expected_people",
    "fit",
    "fit_occurrences",
    "rate_table",
    "simulate",
]


def __getattr__(name: str) -> Any:
    """Load a name from its module when it is first used."""
    if name not in _HOMES:
        msg = f"module 'mtfs.flows' has no attribute {name!r}"
        raise AttributeError(msg)
    found = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
