"""Flows whose rates are known, for tests: small enough to be worked out by theory or by hand."""

from dataclasses import replace
from datetime import date

import numpy as np

from mtfs.flows.known import KnownArrivals, KnownRates
from mtfs.flows.levers import Resolved
from mtfs.flows.model import Census, Drift, FlowModel
from mtfs.flows.simulation import tally
from mtfs.flows.states import Grouping, Placement, Table
from mtfs.flows.steps import Steps
from mtfs.flows.uniforms import keyed

AS_OF = date(2026, 3, 31)
FIRST = "2026/27"


def children(count, *, placement=0, age_days=10, care_days=0, group=0):
    """Give so many children alike, or with lists of what differs, as columns of a census."""
    columns = (group, placement, age_days, care_days)
    return np.stack([np.broadcast_to(column, count) for column in columns])


def flow(
    *,
    names=("foster",),
    from_age=(),
    ages=(0, 18),
    durations=(0.0,),
    groups=("other",),
    people=(),
    exits=0.0,
    moves=0.0,
    entries=0.0,
    shares=None,
    entry_ages=None,
    season=(1.0,) * 12,
    dispersion=0.0,
    drift=None,
    start=date(2023, 4, 1),
    as_of=AS_OF,
    leavers=(),
    population=(),
):
    """Make a flow; rates, entries and shares are broadcast to their shapes.

    Moves to where a child is already, or to where it is too young to be, are left out. Children
    enter care at even ages within each band unless ``entry_ages`` gives quantiles.
    """
    grouping = Grouping(
        placements=tuple(
            Placement(name=name, codes=(f"X{n}",), from_age=dict(from_age).get(name, 0))
            for n, name in enumerate(names)
        ),
        ages=ages,
        durations=durations,
    )
    cells = (len(groups), *grouping.shape)
    possible = (1 - np.eye(len(names)))[:, None] * grouping.allowed[:, None, None, :]
    found = np.concatenate([np.empty((4, 0)), *people], axis=1).astype(int).tolist()
    if shares is None:
        shares = grouping.allowed / grouping.allowed.sum(axis=1, keepdims=True)
    if entry_ages is None:
        entry_ages = np.stack([ages[:-1], ages[1:]], axis=1)
    return FlowModel(
        grouping=grouping,
        groups=groups,
        council="Anyshire",
        start=start,
        as_of=as_of,
        census=Census(
            **{
                name: tuple(column)
                for name, column in zip(
                    ("group", "placement", "age_days", "care_days"), found, strict=True
                )
            }
        ),
        rates=KnownRates(
            exits=Table.of(np.broadcast_to(exits, cells)),
            moves=Table.of(np.broadcast_to(moves, (*cells, len(names))) * possible),
        ),
        arrivals=KnownArrivals(
            level=Table.of(np.broadcast_to(entries, cells[:2])),
            placements=Table.of(np.broadcast_to(shares, cells[:3])),
            season=season,
            dispersion=dispersion,
            ages=Table.of(np.broadcast_to(entry_ages, (*cells[:2], np.shape(entry_ages)[-1]))),
        ),
        drift=drift or Drift(),
        average=Table.of(np.zeros(cells[:3])),
        leavers=leavers,
        population=population,
    )


def resolved(model, levers, steps, years):
    """Resolve levers whose effects are numbers."""

    def value(effect):
        return np.full((len(years), 1), float(effect))

    return Resolved.of(levers, model, steps, value=value, years=years)


def keys_of(n_draws, number=0):
    """Give one key a draw; another ``number`` gives others."""
    return keyed(np.arange(n_draws, dtype=np.uint64), 1_000 + number)


def counted(model, *, levers=(), last_year=FIRST, n_draws=200, number=0, step="month"):
    """Simulate a flow to the end of a year; give the tally and the steps."""
    steps = Steps.between(model.as_of, last_year, step)
    found = resolved(model, levers, steps, steps.years)
    return tally(model, found, steps, keys_of(n_draws, number)), steps


def counted_by_step(model, *, levers=(), last_year=FIRST, n_draws=50, step="month"):
    """Simulate a flow; give a tally whose "years" are single steps, and the steps."""
    steps = Steps.between(model.as_of, last_year, step)
    found = resolved(model, levers, steps, steps.years)
    single = replace(steps, year=np.arange(steps.count), years=(FIRST,) * steps.count)
    return tally(model, found, single, keys_of(n_draws)), steps


def z_of(draws, mean):
    """Give how many standard errors the mean of draws, the last dimension, is from ``mean``."""
    draws = np.asarray(draws, float)
    error = draws.std(axis=-1, ddof=1) / np.sqrt(draws.shape[-1])
    return (draws.mean(axis=-1) - mean) / np.where(error > 0, error, np.inf)
