"""Were the intervals honest: backtests, scores, and a council's own past plans.

Nothing here shares a formula with :mod:`mtfs.calibrate`. Names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtfs.lazy import loader

if TYPE_CHECKING:
    from mtfs.verify.backtesting import backtest
    from mtfs.verify.plan_bias import optimism, optimism_words
    from mtfs.verify.recalibration import Recalibration, recalibrate
    from mtfs.verify.records import PastPlan, TrackRecord, track_record
    from mtfs.verify.references import drift, naive, national_drift
    from mtfs.verify.tables import failure_table, pit_table, score_table, status_table

_HOMES = {
    "PastPlan": "mtfs.verify.records",
    "Recalibration": "mtfs.verify.recalibration",
    "TrackRecord": "mtfs.verify.records",
    "backtest": "mtfs.verify.backtesting",
    "drift": "mtfs.verify.references",
    "failure_table": "mtfs.verify.tables",
    "naive": "mtfs.verify.references",
    "national_drift": "mtfs.verify.references",
    "optimism": "mtfs.verify.plan_bias",
    "optimism_words": "mtfs.verify.plan_bias",
    "pit_table": "mtfs.verify.tables",
    "recalibrate": "mtfs.verify.recalibration",
    "score_table": "mtfs.verify.tables",
    "status_table": "mtfs.verify.tables",
    "track_record": "mtfs.verify.records",
}

__all__ = [
    "PastPlan",
    "Recalibration",
    "TrackRecord",
    "backtest",
    "drift",
    "failure_table",
    "naive",
    "national_drift",
    "optimism",
    "optimism_words",
    "pit_table",
    "recalibrate",
    "score_table",
    "status_table",
    "track_record",
]


__getattr__ = loader(__name__, _HOMES)


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
