"""People moving between kinds of care: returns read, rates learnt, every child simulated.

Names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtfs.lazy import loader

if TYPE_CHECKING:
    from mtfs.flows.cohort_simulation import simulate_cohort
    from mtfs.flows.cohort_states import CohortPeople, Wander
    from mtfs.flows.cohorts import Cohort
    from mtfs.flows.episodes import Episodes
    from mtfs.flows.fitting import fit, fit_occurrences, rate_table
    from mtfs.flows.flow_cohorts import FlowCohort
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
    from mtfs.flows.populations import by_age_band, financial_years, population_table
    from mtfs.flows.prevalence import fit_prevalence
    from mtfs.flows.simulation import expected_people, simulate
    from mtfs.flows.sources import Flow
    from mtfs.flows.states import Grouping, Placement
    from mtfs.flows.totals import TotalsModel, fit_totals, fit_totals_prior, simulate_totals

_HOMES = {
    "CapacityLever": "mtfs.flows.levers",
    "Cohort": "mtfs.flows.cohorts",
    "CohortPeople": "mtfs.flows.cohort_states",
    "DRIFT": "mtfs.flows.model",
    "Drift": "mtfs.flows.model",
    "EntryLever": "mtfs.flows.levers",
    "Episodes": "mtfs.flows.episodes",
    "ExitLever": "mtfs.flows.levers",
    "Flow": "mtfs.flows.sources",
    "FlowCohort": "mtfs.flows.flow_cohorts",
    "FlowModel": "mtfs.flows.model",
    "Grouping": "mtfs.flows.states",
    "HomeLever": "mtfs.flows.levers",
    "MoveLever": "mtfs.flows.levers",
    "Occurrences": "mtfs.flows.occurrences",
    "Overflow": "mtfs.flows.levers",
    "Placement": "mtfs.flows.states",
    "Places": "mtfs.flows.levers",
    "STANDARD": "mtfs.flows.groupings",
    "TotalsModel": "mtfs.flows.totals",
    "Wander": "mtfs.flows.cohort_states",
    "by_age_band": "mtfs.flows.populations",
    "count_occurrences": "mtfs.flows.occurrences",
    "expected_people": "mtfs.flows.simulation",
    "financial_years": "mtfs.flows.populations",
    "fit": "mtfs.flows.fitting",
    "fit_occurrences": "mtfs.flows.fitting",
    "fit_prevalence": "mtfs.flows.prevalence",
    "fit_totals": "mtfs.flows.totals",
    "fit_totals_prior": "mtfs.flows.totals",
    "population_table": "mtfs.flows.populations",
    "rate_table": "mtfs.flows.fitting",
    "simulate": "mtfs.flows.simulation",
    "simulate_cohort": "mtfs.flows.cohort_simulation",
    "simulate_totals": "mtfs.flows.totals",
}

__all__ = [
    "DRIFT",
    "STANDARD",
    "CapacityLever",
    "Cohort",
    "CohortPeople",
    "Drift",
    "EntryLever",
    "Episodes",
    "ExitLever",
    "Flow",
    "FlowCohort",
    "FlowModel",
    "Grouping",
    "HomeLever",
    "MoveLever",
    "Occurrences",
    "Overflow",
    "Placement",
    "Places",
    "TotalsModel",
    "Wander",
    "by_age_band",
    "count_occurrences",
    "expected_people",
    "financial_years",
    "fit",
    "fit_occurrences",
    "fit_prevalence",
    "fit_totals",
    "fit_totals_prior",
    "population_table",
    "rate_table",
    "simulate",
    "simulate_cohort",
    "simulate_totals",
]


__getattr__ = loader(__name__, _HOMES)


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
