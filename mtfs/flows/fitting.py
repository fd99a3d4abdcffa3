"""Fit a flow to episodes of care, and show people what was fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mtfs.flows.arrivals import fit_arrivals
from mtfs.flows.groupings import STANDARD
from mtfs.flows.model import DRIFT, Census, ChildPopulation, Drift, FlowModel
from mtfs.flows.occurrences import count_occurrences
from mtfs.flows.rates import FittedRates, fit_rates
from mtfs.flows.states import Table
from mtfs.flows.uniforms import keyed, word
from mtfs.vocabulary import Array, MtfsError, require_share

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from mtfs.flows.episodes import Episodes
    from mtfs.flows.occurrences import Occurrences
    from mtfs.flows.states import Grouping

# A quarter of a year: below it hardly a council sees all kinds of events. A judgement.
LEAST_DAYS = 90
_DRAWS = 2_000  # of a table: its 80% limits are then sure to 3% of a standard deviation


def fit(
    episodes: Episodes,
    *,
    start: str | date,
    end: str | date,
    grouping: Grouping = STANDARD,
    council: str | None = None,
    unknown_to: str | None = None,
    drift: Drift | None = DRIFT,
    population: Mapping[str, Mapping[str, float]] | None = None,
) -> FlowModel:
    """Learn a flow of children through care from the episodes of a window.

    Rates are events over person-time, by age, placement and time in care; those of sparse cells
    lean on their margins, and none is 0. What is not known of them is part of the flow.

    Parameters
    ----------
    episodes
        From :func:`mtfs.io.load_episodes`.
    start, end
        The first and last day of the window; three years or more are better than one. End on 31
        March before the first year planned.
    grouping
        How placements, ages and times in care are grouped.
    council
        Which one's, where the episodes are of several.
    unknown_to
        The placement that codes outside the grouping count as; without it they are an error.
    drift
        How far levels wander from year to year: what is usual among councils unless given; None
        for levels that stay.
    population
        Children living in the area by age band and financial year (averages), from the window's
        first year to the last that will be simulated: entries of an age band are then proportional
        to it, those of UASC are not. :func:`mtfs.flows.population_table` makes it of a projection.

    Raises
    ------
    MtfsError
        When the window is not within the returns, is shorter than 90 days, or holds nothing to
        learn from; when codes are unknown, or a council is not named.
    PlanError
        When a population is of no age band of the grouping, or lacks a year of the window.
    """
    occurrences = count_occurrences(
        episodes, start=start, end=end, grouping=grouping, council=council, unknown_to=unknown_to
    )
    name = council or episodes.councils[0]
    return fit_occurrences(occurrences, council=name, drift=drift, population=population)


def fit_occurrences(
    occurrences: Occurrences,
    *,
    council: str | None = None,
    drift: Drift | None = None,
    population: Mapping[str, Mapping[str, float]] | None = None,
) -> FlowModel:
    """Fit a flow to counted events and exposure.

    Parameters
    ----------
    occurrences
        From :func:`mtfs.flows.count_occurrences`.
    council
        Whose children they are.
    drift
        How far levels wander from year to year; not at all unless given.
    population
        As for :func:`fit`.

    Raises
    ------
    MtfsError
        When the window is shorter than 90 days or there is nothing to learn from.
    """
    _require_enough(occurrences)
    people = occurrences.people
    names = ("group", "placement", "age_days", "care_days")
    days = (occurrences.end - occurrences.start).days + 1
    return FlowModel(
        grouping=occurrences.grouping,
        groups=occurrences.groups,
        council=council,
        start=occurrences.start.date(),
        as_of=occurrences.end.date(),
        census=Census(**{name: tuple(people[name].astype(int).tolist()) for name in names}),
        rates=fit_rates(occurrences),
        arrivals=fit_arrivals(occurrences),
        drift=drift or Drift(),
        average=Table.of(np.round(occurrences.average, 6)),
        population=tuple(
            ChildPopulation(age=age, people=people) for age, people in (population or {}).items()
        ),
        leavers=occurrences.leavers,
        source=(
            f"{len(occurrences.entries):,} entries, {occurrences.exits.sum():,.0f} exits before 18 "
            f"and {occurrences.moves.sum():,.0f} moves in {days:,} days"
        ),
    )


def _require_enough(occurrences: Occurrences) -> None:
    """Check that there is something to learn each rate from."""
    start, end = occurrences.start, occurrences.end
    window = f"the window from {start:%d %B %Y} to {end:%d %B %Y}"
    days = (end - start).days + 1
    if days < LEAST_DAYS:
        msg = f"{window} has {days} days; rates need {LEAST_DAYS} or more, and better three years"
        raise MtfsError(msg)
    if not occurrences.exposure.sum() > 0:
        msg = f"in {window} nobody is in care; choose dates that the episodes cover"
        raise MtfsError(msg)
    counts = {"entry": len(occurrences.entries), "exit before 18": occurrences.exits.sum()}
    if len(occurrences.grouping.placements) > 1:
        counts["move between placements"] = occurrences.moves.sum()
    for name, count in counts.items():
        if not count:
            msg = f"in {window} there is no {name}, so its rate cannot be learnt"
            raise MtfsError(f"{msg}; choose a longer window, or dates that the episodes cover")
    allowed = occurrences.grouping.allowed
    forbidden = (occurrences.exposure.sum(axis=(0, 3)) * (1 - allowed)).sum(axis=0)
    if forbidden.any():
        placement = occurrences.grouping.placements[int(forbidden.argmax())]
        msg = f"{forbidden.max():.2f} person-years are in '{placement.name}' below its 'from_age'"
        raise MtfsError(f"{msg} of {placement.from_age}; correct the episodes, or lower it")


def rate_table(model: FlowModel, *, prob: float = 0.8) -> pd.DataFrame:
    """Show fitted rates by placement and age, with their intervals.

    Parameters
    ----------
    model
        A fitted flow.
    prob
        Probability of the intervals, between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        Rows by ``placement`` and ``age``. ``person_years``, ``exits`` and ``moves`` are what was
        seen in the window. ``exits_a_year`` and ``moves_a_year`` are posterior means for a child in
        care there, over groups and times in care as in the window (evenly where nobody was there);
        ``..._low`` and ``..._high`` are the ends of the central interval.

    Raises
    ------
    MtfsError
        When the rates of the model are not fitted.
    """
    tail = (1 - require_share(prob, "prob", open_ends=True)) / 2
    rates = model.rates
    if not isinstance(rates, FittedRates):
        msg = "the rates of this flow are taken as known; there is nothing fitted to show"
        raise MtfsError(msg)
    drawn = rates.draw(keyed(np.arange(_DRAWS).astype(np.uint64), word("rate table")))
    over = rates.exits.exposure.array
    seen = over.sum(axis=(0, 3), keepdims=True)
    even = 1 / (over.shape[0] * over.shape[3])
    weights = np.divide(over, seen, out=np.full(over.shape, even), where=seen > 0)[..., None]
    columns: dict[str, Array] = {"person_years": over.sum(axis=(0, 3))}
    events = {"exits": (rates.exits, drawn.exits), "moves": (rates.moves, drawn.moves.sum(axis=4))}
    for name, (posterior, found) in events.items():
        rate = (found * weights).sum(axis=(0, 3))
        low, high = np.quantile(rate, [tail, 1 - tail], axis=-1)
        columns |= {
            name: posterior.counts.array.sum(axis=(0, 3)),
            f"{name}_a_year": rate.mean(axis=-1),
            f"{name}_low": low,
            f"{name}_high": high,
        }
    grouping = model.grouping
    index = pd.MultiIndex.from_product(
        [grouping.placement_names, grouping.age_names], names=["placement", "age"]
    )
    table = pd.DataFrame({name: each.T.ravel() for name, each in columns.items()}, index=index)
    return table[grouping.allowed.T.ravel() > 0]
