"""Published figures placed in a plan's own distribution, such as a council's worst case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import xarray as xr

from mtfs.measures import Unit, in_unit, share_of_draws
from mtfs.plan import Plan
from mtfs.projection import draws_meant, plan_meant, project_gap
from mtfs.scenarios import Scenario
from mtfs.schema import planned_name, require_draws, require_projection, require_year
from mtfs.vocabulary import MtfsError, year_start

Published: TypeAlias = float | Mapping[str, Any] | Plan | Scenario
LEAST = 1_000  # GBP: councils publish gaps to a thousand or more; below it a figure is in millions


def place_published(
    plan: Plan | Mapping[str, Any] | xr.Dataset,
    published: Mapping[str, Published],
    *,
    variable: str = "gap",
    year: str | None = None,
    n_draws: int | None = None,
    seed: int | None = None,
    unit: Unit = "GBP m",
) -> pd.DataFrame:
    """Say where published figures lie in the distribution of a plan.

    Parameters
    ----------
    plan
        The plan, or a projection of it.
    published
        By name, such as ``worst case``: GBP of one year, GBP by year (``{"2028/29": 80.8e6}``), a
        plan, a scenario of this plan or changes to it by dotted path, whose own planned table is
        meant then.
    variable
        What is published: a variable with dimensions ``(draw, year)``.
    year
        The year of figures without one, the last unless given. Of plans and scenarios it is the
        only year shown; all are where it is not given.
    n_draws, seed
        As for :func:`mtfs.project_gap`; a projection brings its own draws.
    unit
        Unit of the money shown.

    Returns
    -------
    pandas.DataFrame
        A row a name and year: ``published`` in ``unit``, and ``percentile``, the share of draws
        that are no higher, from 0 to 1, with its standard error ``percentile_se``. 0.3 says that
        the draws exceed the figure in seven cases of ten. The distribution is that of the plan: a
        figure that stands on another policy, such as another rise of council tax, is to be placed
        in a plan with that policy.

    Raises
    ------
    MtfsError
        When a figure has another year than the plan, is not in GBP, or there is none.

    Examples
    --------
    >>> roads = {"kind": "budget", "name": "roads", "base": 2e6}
    >>> plan = {"council": "A", "first_year": "2026/27", "lines": [roads]}
    >>> cases = {"best": 1.8e6, "worst": 2.2e6}
    >>> place_published(plan, cases, n_draws=4, seed=1)["percentile"].tolist()
    [0.0, 1.0]
    """
    if not isinstance(published, Mapping) or not published:
        msg = "there is nothing to place; give figures by name: {'worst case': 80.8e6}"
        raise MtfsError(msg)
    base = plan_meant(plan)
    if isinstance(plan, xr.Dataset) and n_draws is None and seed is None:
        ds = require_projection(plan, variable)
    else:
        n_draws, seed = draws_meant(plan, n_draws, seed)
        ds = project_gap(base, n_draws=n_draws, seed=seed)
    found = require_draws(ds, variable)[variable]
    if set(found.dims) != {"draw", "year"}:
        msg = f"'{variable}' has dimensions {', '.join(map(str, found.dims))}; expected draw, year"
        raise MtfsError(msg)
    if year is not None:
        require_year(ds, year)
    rows = [
        (name, label, amount)
        for name, value in published.items()
        for label, amount in _by_year(name, value, ds, base, variable=variable, year=year).items()
    ]
    names, labels, amounts = (list(column) for column in zip(*rows, strict=True))
    held = found.sel(year=xr.DataArray(labels, dims="row")).transpose("draw", "row")
    share = share_of_draws(held <= xr.DataArray(amounts, dims="row"), "share no higher")
    table = pd.DataFrame(
        {
            "published": np.array(amounts) / in_unit(unit),
            "percentile": share.to_numpy(),
            "percentile_se": share["standard_error"].to_numpy(),
        },
        index=pd.MultiIndex.from_arrays([names, labels], names=["name", "year"]),
    )
    table.attrs = {"unit": unit, "variable": variable, "council": base.council}
    return table


def _by_year(
    name: str, value: object, ds: xr.Dataset, base: Plan, *, variable: str, year: str | None
) -> dict[str, float]:
    """Give a published figure by year."""
    if isinstance(value, Mapping) and any(str(key)[:1].isdigit() for key in value):  # no path does
        figures = {str(key): each for key, each in value.items()}
        for label in figures:
            year_start(label)
            require_year(ds, label)
        shown = {label: each for label, each in figures.items() if year in {None, label}}
        if not shown:
            msg = f"'{name}' has no figure for {year}; it has {', '.join(figures)}"
            raise MtfsError(msg)
        return {label: _pounds(name, each) for label, each in shown.items()}
    if isinstance(value, Plan | Scenario | Mapping):
        other = _plan(name, value, base)
        planned = project_gap(other, n_draws=1, seed=0)[planned_name(variable)]
        shown_years = other.years if year is None else (year,)
        return {label: float(planned.sel(year=label)) for label in shown_years}
    return {require_year(ds, year): _pounds(name, value)}


def _plan(name: str, value: Plan | Scenario | Mapping[str, Any], base: Plan) -> Plan:
    """Make the plan whose own table is meant."""
    if isinstance(value, Mapping):
        value = Scenario(name=name, changes=value)
    other = value if isinstance(value, Plan) else value.applied(base)
    if (other.council, other.years) != (base.council, base.years):
        msg = (
            f"'{name}' is a plan of {other.council}, {other.years[0]} to {other.years[-1]}, and it "
            f"is to be placed in one of {base.council}, {base.years[0]} to {base.years[-1]}; both "
            "must be the same"
        )
        raise MtfsError(msg)
    return other


def _pounds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        msg = f"'{name}' is {value!r}; expected GBP, such as 80.8e6"
        raise MtfsError(msg)
    amount = float(value)
    if not np.isfinite(amount):
        msg = f"'{name}' is {amount:g}; expected GBP, a finite number such as 80.8e6"
        raise MtfsError(msg)
    if 0 < abs(amount) < LEAST:
        msg = f"'{name}' is {amount:g}; expected GBP: for {amount:g} million write {amount:g}e6"
        raise MtfsError(msg)
    return amount
