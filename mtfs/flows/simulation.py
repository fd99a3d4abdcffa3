"""Simulate a flow: the distribution of children in care by placement and age, year by year."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from mtfs.assumptions import fixed_values
from mtfs.flows.expectation import expected
from mtfs.flows.histories import Histories
from mtfs.flows.inversion import Ints
from mtfs.flows.levers import AnyLever, Resolved, lever_problems
from mtfs.flows.model import FlowModel
from mtfs.flows.states import YEAR_DAYS
from mtfs.flows.steps import Step, Steps
from mtfs.flows.tallies import Tally
from mtfs.flows.uniforms import Keys, draw_keys
from mtfs.sampling import RandomScores, ShockSpec, draw_scores, fresh_seed, require_seed
from mtfs.vocabulary import (
    VERSION,
    Array,
    MtfsError,
    PlanError,
    Problem,
    require_count,
    year_labels,
    year_start,
)

CHUNK = 512  # draws a thread takes at a time: longer arrays wait less for the interpreter's lock
N_DRAWS = 1_000  # unless said otherwise: the standard error of P90 is then about 0.05 of the s.d.
LEAVER_AGES = (18, 21, 25)  # support to 21, and to 25 on request: Children and Social Work Act 2017


def simulate(
    model: FlowModel,
    *,
    first_year: str,
    horizon: int = 4,
    levers: Sequence[AnyLever] = (),
    n_draws: int = N_DRAWS,
    seed: int | None = None,
    step: Step = "month",
    name: str = "children",
) -> xr.Dataset:
    """Simulate every child in care in every draw.

    Parameters
    ----------
    model
        What :func:`mtfs.flows.fit` gives.
    first_year
        The first financial year of the result, such as ``"2026/27"``; the flow is simulated from
        the day after ``model.as_of`` on.
    horizon
        Years.
    levers
        What services do: :class:`EntryLever` and its like.
    n_draws
        Joint outcomes.
    seed
        From 0 to 2**53 - 1; a fresh one is drawn and recorded unless given.
    step
        ``"month"`` or ``"week"``: how often rates follow age and time in care.
    name
        The flow's: a plan's flow of that name has the same draws.

    Returns
    -------
    xarray.Dataset
        People, not money. ``people`` is the year's average and ``people_year_end`` the number on 31
        March, both ``(group, age, placement, draw, year)``; ``entries``, ``exits`` (before 18) and
        ``turned_18`` are counts in the year of the same dimensions, by the state entered or left;
        ``moves`` is ``(origin, destination, draw, year)``; ``care_leavers`` is the year's
        average of those who turned 18 in care, ``(leaver_age, draw, year)``. A new home is a
        placement of its own.

    Raises
    ------
    PlanError
        When a lever names a state the flow does not hold, or gives fewer places than children.
    MtfsError
        When the years do not follow the model, or another argument is wrong.
    """
    steps, resolved, wanted = _prepared(model, levers, first_year, horizon, step)
    seed = fresh_seed() if seed is None else require_seed(seed)
    scores = RandomScores(seed, require_count(n_draws, "n_draws"))
    shock = shock_of(name)
    keys = draw_keys(draw_scores([shock], scores, 1)[shock.name], name)

    attrs = {"seed": seed, "n_draws": n_draws, "step": step, "mtfs_version": VERSION}
    found = tally(model, resolved, steps, keys)
    return _assemble(model, resolved, steps, found, wanted=wanted, attrs=attrs)


def expected_people(
    model: FlowModel,
    *,
    first_year: str,
    horizon: int = 4,
    levers: Sequence[AnyLever] = (),
    step: Step = "month",
) -> xr.Dataset:
    """Give the expected number of children in care: one path, at the mean of what is known.

    It is the council's own table where a plan uses the flow. Levels do not wander in it.

    Parameters
    ----------
    model, first_year, horizon, levers, step
        As for :func:`simulate`.

    Returns
    -------
    xarray.Dataset
        ``people`` and ``people_year_end`` as :func:`simulate` gives them, without draws:
        ``(group, age, placement, year)``.

    Raises
    ------
    PlanError, MtfsError
        As :func:`simulate`.
    """
    steps, resolved, wanted = _prepared(model, levers, first_year, horizon, step)
    found = expected(model, resolved, steps)
    states = {
        "people": (found.average, found.homes, "expected average children in the year"),
        "people_year_end": (found.closing, found.homes_closing, "expected children on 31 March"),
    }
    variables = {
        name: (
            ("group", "age", "placement", "year"),
            by_state(model, resolved, counted[..., None], inside[..., None])[..., wanted, 0],
            {"units": "children", "long_name": text},
        )
        for name, (counted, inside, text) in states.items()
    }
    return xr.Dataset(
        variables, _coords(model, resolved, steps, wanted), {"as_of": str(model.as_of)}
    )


def _prepared(
    model: FlowModel, levers: Sequence[AnyLever], first_year: str, horizon: int, step: Step
) -> tuple[Steps, Resolved, Ints]:
    """Check what is asked for; give the steps, the levers as numbers and the years wanted."""
    given: object = model
    if not isinstance(given, FlowModel):
        msg = f"model is {given!r:.60}; expected what mtfs.flows.fit or mtfs.io.load_flow gives"
        raise MtfsError(msg)
    years = year_labels(first_year, require_count(horizon, "horizon"))
    if wrong := list(lever_problems(levers, model)):
        raise PlanError([Problem((), each) for each in wrong], "the levers")
    steps = Steps.between(model.as_of, years[-1], step)
    wanted = steps.require_whole(years)

    def value(assumption: Any) -> Array:
        if isinstance(assumption, str):
            msg = f"'{assumption}' is a driver of a plan; here effects are numbers"
            raise MtfsError(msg)
        return fixed_values(assumption, years)[:, None]

    return steps, Resolved.of(levers, model, steps, value=value, years=years), wanted


def shock_of(name: str) -> ShockSpec:
    """Give the stream of scores that a flow's draws are made of: one score a draw."""
    return ShockSpec(f"{name}: people", "council", once=True, costly=True)


def tally(model: FlowModel, levers: Resolved, steps: Steps, keys: Keys) -> Tally:
    """Count what happens in every draw, some draws at a time on every core."""
    out = Tally.empty(model, steps, len(keys), len(levers.homes))
    parts = [slice(at, min(at + CHUNK, len(keys))) for at in range(0, len(keys), CHUNK)]

    def work(draws: slice) -> None:
        Histories(model, levers.part(draws), steps, keys[draws]).run(out.part(draws))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(work, parts))
    return out


def by_state(model: FlowModel, levers: Resolved, people: Array, homes: Array) -> Array:
    """Give new homes placements of their own, after the others.

    Parameters
    ----------
    people
        Shape (state, year, draw).
    homes
        Children in each new home, shape (home, year, draw).

    Returns
    -------
    Array
        Shape (group, age, placement and home, year, draw); the same sum. Who is in a home has the
        ages of those in the placement it takes from.
    """
    ages, placements, _ = model.grouping.shape
    rest = people.reshape(len(model.groups), ages, placements, *people.shape[1:]).copy()
    found = [rest]
    for lever, inside in zip(levers.homes, homes, strict=True):
        number = model.grouping.placement_names.index(lever.placement)
        there = rest[:, :, number].sum(axis=(0, 1))
        share = np.divide(inside, there, out=np.zeros_like(inside), where=there > 0)
        moved = rest[:, :, number] * share
        rest[:, :, number] -= moved
        found.append(moved[:, :, None])
    return np.concatenate(found, axis=2)


def care_leavers(model: FlowModel, steps: Steps, adults: Array) -> Array:
    """Average those who turned 18 in care over each year, by age.

    Parameters
    ----------
    adults
        Children turning 18 in each step, shape (step, draw); they count from its middle on.

    Returns
    -------
    Array
        Shape (age band of ``LEAVER_AGES``, year, draw).
    """
    middles = (steps.edges[:-1] + steps.edges[1:]) / 2
    birthdays = LEAVER_AGES[0] * YEAR_DAYS - np.array(model.leavers, float)
    turned = np.concatenate([middles, birthdays])
    known = np.ones((len(model.leavers), adults.shape[1]))
    people = np.concatenate([adults, known])
    found = []
    for low, high in pairwise(LEAVER_AGES):
        begins = turned + (low - LEAVER_AGES[0]) * YEAR_DAYS
        ends = turned + (high - LEAVER_AGES[0]) * YEAR_DAYS
        rows = []
        for opening, close in steps.year_edges():
            share = np.clip(np.minimum(ends, close) - np.maximum(begins, opening), 0, None)
            rows.append(share / (close - opening) @ people)
        found.append(rows)
    return np.array(found)


def _assemble(
    model: FlowModel,
    levers: Resolved,
    steps: Steps,
    found: Tally,
    *,
    wanted: Ints,
    attrs: Mapping[str, str | int],
) -> xr.Dataset:
    """Name what was counted."""
    homes = np.zeros_like(found.homes)
    states = {
        "people": (found.average, found.homes, "average children in the year"),
        "people_year_end": (found.closing, found.homes_closing, "children on 31 March"),
        "entries": (found.entries, homes, "children who entered care in the year"),
        "exits": (found.exits, homes, "children who left care in the year, before 18"),
        "turned_18": (found.adults, homes, "children who left care on turning 18"),
    }
    variables: dict[str, Any] = {
        name: (
            ("group", "age", "placement", "draw", "year"),
            by_state(model, levers, counted, inside)[..., wanted, :].swapaxes(-1, -2),
            {"units": "children", "long_name": text},
        )
        for name, (counted, inside, text) in states.items()
    }
    variables["moves"] = (
        ("origin", "destination", "draw", "year"),
        found.moves[..., wanted, :].swapaxes(-1, -2),
        {"units": "moves", "long_name": "moves between placements in the year"},
    )
    variables["care_leavers"] = (
        ("leaver_age", "draw", "year"),
        care_leavers(model, steps, found.adults_by_step)[:, wanted].swapaxes(-1, -2),
        {"units": "people", "long_name": "average care leavers in the year"},
    )
    title = f"{model.council or 'the council'}: children in care"
    coords = _coords(model, levers, steps, wanted) | {
        "origin": list(model.grouping.placement_names),
        "destination": list(model.grouping.placement_names),
        "leaver_age": [f"{low} to {high - 1}" for low, high in pairwise(LEAVER_AGES)],
    }
    return xr.Dataset(variables, coords, {"title": title, "as_of": str(model.as_of), **attrs})


def _coords(model: FlowModel, levers: Resolved, steps: Steps, wanted: Ints) -> dict[str, Any]:
    """Give the labels of states and years."""
    years = [steps.years[number] for number in wanted]
    starts = np.array([f"{year_start(year)}-04-01" for year in years], "datetime64[ns]")
    return {
        "group": list(model.groups),
        "age": list(model.grouping.age_names),
        "placement": [*model.grouping.placement_names, *(home.name for home in levers.homes)],
        "year": years,
        "year_start": ("year", starts),
        "lead": ("year", np.arange(1, len(years) + 1)),
    }
