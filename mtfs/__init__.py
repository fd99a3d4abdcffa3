"""mtfs: a council's medium-term financial strategy as a distribution.

``import mtfs`` registers ``ds.mtfs`` and is otherwise light: each name below is loaded when it is
first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mtfs import accessor as _accessor  # noqa: F401 - registers ds.mtfs
from mtfs.vocabulary import VERSION, MtfsError, PlanError, PlanWarning

if TYPE_CHECKING:
    from mtfs.adequacy import adequacy_table, reserve_adequacy
    from mtfs.appraisal import payback
    from mtfs.distributions import interval
    from mtfs.drift import DriftEvidence, drift_driver, drift_evidence
    from mtfs.events import Event
    from mtfs.io import (
        load_example,
        load_example_monitoring,
        load_gap,
        load_monitoring,
        load_plan,
        plan_of,
        save_gap,
        save_plan,
    )
    from mtfs.ledger import planned_pressures, pressure_table, pressures
    from mtfs.measures import (
        annual,
        probability,
        quantiles,
        reserve_risk,
        savings_by_service,
        summary,
        total,
    )
    from mtfs.monitoring import Monitoring
    from mtfs.outturn import forecast_outturn, outturn_table
    from mtfs.plan import Plan
    from mtfs.projection import project, project_gap, scores_of
    from mtfs.rebasing import rebase, rebase_table
    from mtfs.returns import budget_drift, drift_correlation
    from mtfs.risks import risk_register
    from mtfs.robustness import section_25
    from mtfs.stress import reverse_stress, stress_table, stress_words
    from mtfs.targets import Target, parse_event, parse_target

__version__ = VERSION

_HOMES = {
    "DriftEvidence": "mtfs.drift",
    "Event": "mtfs.events",
    "Monitoring": "mtfs.monitoring",
    "Plan": "mtfs.plan",
    "Target": "mtfs.targets",
    "adequacy_table": "mtfs.adequacy",
    "annual": "mtfs.measures",
    "budget_drift": "mtfs.returns",
    "drift_correlation": "mtfs.returns",
    "drift_driver": "mtfs.drift",
    "drift_evidence": "mtfs.drift",
    "forecast_outturn": "mtfs.outturn",
    "interval": "mtfs.distributions",
    "load_example": "mtfs.io",
    "load_example_monitoring": "mtfs.io",
    "load_gap": "mtfs.io",
    "load_monitoring": "mtfs.io",
    "load_plan": "mtfs.io",
    "outturn_table": "mtfs.outturn",
    "parse_event": "mtfs.targets",
    "parse_target": "mtfs.targets",
    "payback": "mtfs.appraisal",
    "plan_of": "mtfs.io",
    "planned_pressures": "mtfs.ledger",
    "pressure_table": "mtfs.ledger",
    "pressures": "mtfs.ledger",
    "probability": "mtfs.measures",
    "project": "mtfs.projection",
    "project_gap": "mtfs.projection",
    "quantiles": "mtfs.measures",
    "rebase": "mtfs.rebasing",
    "rebase_table": "mtfs.rebasing",
    "reserve_adequacy": "mtfs.adequacy",
    "reserve_risk": "mtfs.measures",
    "reverse_stress": "mtfs.stress",
    "risk_register": "mtfs.risks",
    "save_gap": "mtfs.io",
    "save_plan": "mtfs.io",
    "savings_by_service": "mtfs.measures",
    "scores_of": "mtfs.projection",
    "section_25": "mtfs.robustness",
    "stress_table": "mtfs.stress",
    "stress_words": "mtfs.stress",
    "summary": "mtfs.measures",
    "total": "mtfs.measures",
}

__all__ = [
    "DriftEvidence",
    "Event",
    "Monitoring",
    "MtfsError",
    "Plan",
    "PlanError",
    "PlanWarning",
    "Target",
    "__version__",
    "adequacy_table",
    "annual",
    "budget_drift",
    "drift_correlation",
    "drift_driver",
    "drift_evidence",
    "forecast_outturn",
    "interval",
    "load_example",
    "load_example_monitoring",
    "load_gap",
    "load_monitoring",
    "load_plan",
    "outturn_table",
    "parse_event",
    "parse_target",
    "payback",
    "plan_of",
    "planned_pressures",
    "pressure_table",
    "pressures",
    "probability",
    "project",
    "project_gap",
    "quantiles",
    "rebase",
    "rebase_table",
    "reserve_adequacy",
    "reserve_risk",
    "reverse_stress",
    "risk_register",
    "save_gap",
    "save_plan",
    "savings_by_service",
    "scores_of",
    "section_25",
    "stress_table",
    "stress_words",
    "summary",
    "total",
]


def __getattr__(name: str) -> Any:
    """Load a name from its module when it is first used."""
    if name not in _HOMES:
        msg = f"module 'mtfs' has no attribute {name!r}"
        raise AttributeError(msg)
    found = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
