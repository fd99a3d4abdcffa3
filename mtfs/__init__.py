"""mtfs: a council's medium-term financial strategy as a distribution.

``import mtfs`` registers ``ds.mtfs`` and is otherwise light: each name below is loaded when it is
first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mtfs import accessor as _accessor  # noqa: F401 - registers ds.mtfs
from mtfs.lazy import loader
from mtfs.vocabulary import VERSION, MtfsError, PlanError, PlanWarning

if TYPE_CHECKING:
    from mtfs.adequacy import adequacy_table, reserve_adequacy
    from mtfs.appraisal import payback
    from mtfs.attribution import bridge_table
    from mtfs.attribution_by_driver import driver_reach
    from mtfs.bridges import bridge
    from mtfs.calibrate.panel import forecast_panel
    from mtfs.comparison import (
        compare,
        compare_grid,
        comparison_table,
        differences,
        grid_table,
        one_scenario,
    )
    from mtfs.distributions import interval
    from mtfs.drift import DriftEvidence, drift_driver, drift_evidence
    from mtfs.events import Event
    from mtfs.explanation import Explanation, explain
    from mtfs.goals import GoalSeek, frontier, goal_seek
    from mtfs.headcounts import people_table
    from mtfs.history import missing_years
    from mtfs.importance import variance_shares, variance_table
    from mtfs.io import (
        load_example,
        load_example_monitoring,
        load_example_scenarios,
        load_gap,
        load_history,
        load_monitoring,
        load_plan,
        load_scenarios,
        plan_of,
        save_gap,
        save_plan,
    )
    from mtfs.ledger import planned_pressures, pressure_table, pressures
    from mtfs.levers import Lever
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
    from mtfs.published import place_published
    from mtfs.rebasing import rebase, rebase_table
    from mtfs.returns import budget_drift, drift_correlation
    from mtfs.risks import risk_register
    from mtfs.robustness import section_25
    from mtfs.scenarios import Scenario, Scenarios
    from mtfs.sensitivity import sensitivity_table, tornado
    from mtfs.shifts import Shift, usual_shifts
    from mtfs.stress import reverse_stress, stress_table, stress_words
    from mtfs.targets import Target, parse_event, parse_target
    from mtfs.verify import backtest

__version__ = VERSION

_ROOMS = ("calibrate", "flows", "io", "plot", "verify")  # used by name, such as mtfs.plot.fan

_HOMES = {
    "DriftEvidence": "mtfs.drift",
    "Event": "mtfs.events",
    "GoalSeek": "mtfs.goals",
    "Lever": "mtfs.levers",
    "Explanation": "mtfs.explanation",
    "Monitoring": "mtfs.monitoring",
    "Plan": "mtfs.plan",
    "Scenario": "mtfs.scenarios",
    "Scenarios": "mtfs.scenarios",
    "Shift": "mtfs.shifts",
    "Target": "mtfs.targets",
    "adequacy_table": "mtfs.adequacy",
    "annual": "mtfs.measures",
    "backtest": "mtfs.verify",
    "bridge": "mtfs.bridges",
    "bridge_table": "mtfs.attribution",
    "budget_drift": "mtfs.returns",
    "compare": "mtfs.comparison",
    "compare_grid": "mtfs.comparison",
    "comparison_table": "mtfs.comparison",
    "differences": "mtfs.comparison",
    "drift_correlation": "mtfs.returns",
    "drift_driver": "mtfs.drift",
    "drift_evidence": "mtfs.drift",
    "driver_reach": "mtfs.attribution_by_driver",
    "explain": "mtfs.explanation",
    "forecast_outturn": "mtfs.outturn",
    "forecast_panel": "mtfs.calibrate.panel",
    "frontier": "mtfs.goals",
    "goal_seek": "mtfs.goals",
    "grid_table": "mtfs.comparison",
    "interval": "mtfs.distributions",
    "load_example": "mtfs.io",
    "load_example_monitoring": "mtfs.io",
    "load_example_scenarios": "mtfs.io",
    "load_gap": "mtfs.io",
    "load_history": "mtfs.io",
    "load_monitoring": "mtfs.io",
    "load_plan": "mtfs.io",
    "load_scenarios": "mtfs.io",
    "missing_years": "mtfs.history",
    "one_scenario": "mtfs.comparison",
    "outturn_table": "mtfs.outturn",
    "parse_event": "mtfs.targets",
    "parse_target": "mtfs.targets",
    "payback": "mtfs.appraisal",
    "people_table": "mtfs.headcounts",
    "place_published": "mtfs.published",
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
    "sensitivity_table": "mtfs.sensitivity",
    "summary": "mtfs.measures",
    "tornado": "mtfs.sensitivity",
    "total": "mtfs.measures",
    "usual_shifts": "mtfs.shifts",
    "variance_shares": "mtfs.importance",
    "variance_table": "mtfs.importance",
}

__all__ = [
    "DriftEvidence",
    "Event",
    "Explanation",
    "GoalSeek",
    "Lever",
    "Monitoring",
    "MtfsError",
    "Plan",
    "PlanError",
    "PlanWarning",
    "Scenario",
    "Scenarios",
    "Shift",
    "Target",
    "__version__",
    "adequacy_table",
    "annual",
    "backtest",
    "bridge",
    "bridge_table",
    "budget_drift",
    "compare",
    "compare_grid",
    "comparison_table",
    "differences",
    "drift_correlation",
    "drift_driver",
    "drift_evidence",
    "driver_reach",
    "explain",
    "forecast_outturn",
    "forecast_panel",
    "frontier",
    "goal_seek",
    "grid_table",
    "interval",
    "load_example",
    "load_example_monitoring",
    "load_example_scenarios",
    "load_gap",
    "load_history",
    "load_monitoring",
    "load_plan",
    "load_scenarios",
    "missing_years",
    "one_scenario",
    "outturn_table",
    "parse_event",
    "parse_target",
    "payback",
    "people_table",
    "place_published",
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
    "sensitivity_table",
    "stress_table",
    "stress_words",
    "summary",
    "tornado",
    "total",
    "usual_shifts",
    "variance_shares",
    "variance_table",
]


_load = loader(__name__, _HOMES)


def __getattr__(name: str) -> Any:
    """Load a name from its module when it is first used."""
    if name in _ROOMS:
        return importlib.import_module(f"mtfs.{name}")
    return _load(name)


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
