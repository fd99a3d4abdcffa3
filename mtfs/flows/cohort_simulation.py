"""Simulate a cohort by itself, without a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from mtfs.flows.cohort_states import CohortStates
from mtfs.flows.simulation import N_DRAWS, shock_of
from mtfs.flows.uniforms import draw_keys
from mtfs.sampling import RandomScores, draw_scores, fresh_seed, require_seed
from mtfs.vocabulary import (
    VERSION,
    Array,
    MtfsError,
    require_count,
    year_label,
    year_labels,
    year_start,
)


def simulate_cohort(
    cohort: CohortStates,
    *,
    horizon: int = 4,
    n_draws: int = N_DRAWS,
    seed: int | None = None,
    drivers: Mapping[str, float | Sequence[float]] | None = None,
) -> xr.Dataset:
    """Simulate the people of a cohort in the years after its base year.

    Parameters
    ----------
    cohort
        A :class:`Cohort` or a :class:`FlowCohort`. In a plan one of the same name has the same
        draws.
    horizon
        Years.
    n_draws
        Joint outcomes.
    seed
        From 0 to 2**53 - 1; a fresh one is drawn and recorded unless given.
    drivers
        Values of the drivers that the cohort names, one for all years or one a year.

    Returns
    -------
    xarray.Dataset
        People, not money; ``(age, setting, draw, year)``: ``people`` (the year's average), ``new``
        and ``left`` (counts), and ``planned_people`` ``(age, setting, year)``, the expected path
        without chance. A :class:`Cohort` is counted in the middle of the year: ``people`` = those
        of the year before - ``left`` + ``new``, and ``hastened`` ``(age, setting, year)`` is the
        share of the draws in which more left than is stated. A :class:`FlowCohort` has also
        ``people_year_end`` and ``aged_out``; the year's ``new`` less ``left`` less ``aged_out`` is
        the change of all people from one year's end to the next. Where there are services,
        ``users`` is ``(service, draw, year)``.

    Raises
    ------
    MtfsError
        When the populations end too early, prevalence falls faster than people leave, or a driver
        is named and not given.
    """
    first = year_label(year_start(cohort.base_year) + 1)
    years = year_labels(first, require_count(horizon, "horizon"))
    if faults := list(cohort.faults(years)):
        msg = f"cohort '{cohort.name}': {faults[0]}"
        raise MtfsError(msg)
    seed = fresh_seed() if seed is None else require_seed(seed)
    scores = RandomScores(seed, require_count(n_draws, "n_draws"))
    shock = shock_of(cohort.name)
    drawn = draw_scores([shock], scores, 1)[shock.name]

    value = cohort.stated(years, drivers)
    found = cohort.counted(draw_keys(drawn, cohort.name), years, value)
    shape = (len(cohort.ages), len(cohort.settings), len(years))
    n_people = len(cohort.labels)
    planned = cohort.expected(years, value)[:n_people, :, 0].reshape(shape)
    flows: dict[str, tuple[Array, str]] = {
        "people": (found.average, "people on average in the year"),
        "new": (found.new, "new people in the year"),
        "left": (found.left, "people who left in the year"),
    }
    if cohort.followed:
        flows["people_year_end"] = (found.closing, "people on 31 March")
        flows["aged_out"] = (found.aged_out, "people who outgrew the last age band")
    table = {"planned_people": (planned, "expected people on average in the year")}
    if found.hastened is not None:
        share = found.hastened.mean(axis=-1)
        table["hastened"] = (share, "share of draws in which more left than is stated")
    variables = {
        name: xr.Variable(
            ("age", "setting", "draw", "year"),
            np.moveaxis(values, 2, 3),
            {"units": "people", "long_name": long_name},
        )
        for name, (values, long_name) in flows.items()
    } | {
        name: xr.Variable(
            ("age", "setting", "year"),
            values,
            {"units": "1" if name == "hastened" else "people", "long_name": long_name},
        )
        for name, (values, long_name) in table.items()
    }
    coords = {
        "age": list(cohort.ages),
        "setting": list(cohort.settings),
        "draw": np.arange(len(drawn)),
        "year": list(years),
    }
    if cohort.services:
        coords["service"] = [each.name for each in cohort.services]
        users = cohort.users(found.average, value).sum(axis=(1, 2))
        variables["users"] = xr.Variable(
            ("service", "draw", "year"),
            np.moveaxis(users, 1, 2),
            {"units": "people", "long_name": "users on average in the year"},
        )
    attrs = {
        "title": f"{cohort.name}: people by age and setting",
        "seed": seed,
        "n_draws": len(drawn),
        "mtfs_version": VERSION,
    }
    return xr.Dataset(variables, coords, attrs)
