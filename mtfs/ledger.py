"""The ledger of pressures: what grows, by cause and by service, before any saving or funding."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr

from mtfs.measures import Unit, annual, figures, in_unit, total
from mtfs.schema import planned_name, require_projection, require_year
from mtfs.vocabulary import Array, MtfsError, listing, suggest

By = Literal["cause", "service", "line"]
Convention = Literal["cumulative", "annual", "total"]
_BESIDE: dict[str, str] = {"cause": "part_cause", "service": "part_service", "line": "part_line"}


def pressures(
    ds: xr.Dataset,
    *,
    by: By = "cause",
    convention: Convention = "cumulative",
    service: str | None = None,
) -> xr.DataArray:
    """Give the growth of spending since the base year, before any saving or funding.

    Parameters
    ----------
    ds
        A projection. By service or line, or of one service, it has to hold the parts of growth:
        ``project_gap(plan, keep="components")``.
    by
        What the growth is summed by: its cause, the service that holds it, or the line.
    convention
        ``"cumulative"``, the growth standing in each year (whose last year is the sum of the yearly
        steps); ``"annual"``, the step over the year before; ``"total"``, the sum over the years of
        what stands in each, the cash it costs over the horizon.
    service
        Only this service's growth.

    Returns
    -------
    xarray.DataArray
        Dimensions ``(by, draw, year)``, without ``year`` for a total; GBP, positive widens the gap.
        A pressure is neither a gap nor an overspend: nothing has been saved or funded yet.

    Raises
    ------
    MtfsError
        When the projection does not hold what is asked for, or there is no such service.

    Examples
    --------
    >>> from mtfs import project_gap
    >>> line = {"kind": "change", "name": "growth", "cause": "demography", "changes": [2, 3]}
    >>> plan = {"council": "A", "first_year": "2026/27", "horizon": 2, "lines": [line]}
    >>> pressures(project_gap(plan, n_draws=1), convention="annual").values.tolist()
    [[[2.0, 3.0]]]
    """
    return _stated(_grown(ds, by, service, planned=False), convention)


def planned_pressures(
    ds: xr.Dataset,
    *,
    by: By = "cause",
    convention: Convention = "cumulative",
    service: str | None = None,
) -> xr.DataArray:
    """Give what the council's own table holds of :func:`pressures`; no draws."""
    return _stated(_grown(ds, by, service, planned=True), convention)


def pressure_table(
    ds: xr.Dataset,
    *,
    by: By = "cause",
    convention: Convention = "cumulative",
    service: str | None = None,
    year: str | None = None,
    unit: Unit = "GBP m",
) -> pd.DataFrame:
    """Tabulate the ledger of pressures for one year, or in total.

    Parameters
    ----------
    ds, by, convention, service
        As for :func:`pressures`.
    year
        The year shown, the last unless given; a total has none.
    unit
        Unit of the money shown.

    Returns
    -------
    pandas.DataFrame
        A row a cause (service, line) and a last row ``total``; columns ``plan``, ``mean``,
        ``P10``, ``P50``, ``P90``, each but the plan with its standard error (``mean_se`` ...).
        Means add up to the total's; quantiles do not.

    Raises
    ------
    MtfsError
        As :func:`pressures`, and when the year is not one of the plan's.
    """
    grown = pressures(ds, by=by, convention=convention, service=service)
    planned = planned_pressures(ds, by=by, convention=convention, service=service)
    if convention != "total":
        shown = require_year(ds, year)
        grown, planned = grown.sel(year=shown), planned.sel(year=shown)
    elif year is not None:
        msg = "a total is over all years; leave 'year' out"
        raise MtfsError(msg)
    names = grown[by].to_numpy().tolist()
    if "total" in names:
        msg = f"a {by} is called 'total', as the last row of the table is; rename it"
        raise MtfsError(msg)
    plan, draws = (_with_total(each.to_numpy()) for each in (planned, grown))
    columns = {"plan": plan / in_unit(unit)} | figures(draws, 1, unit)
    table = pd.DataFrame(columns, index=pd.Index([*names, "total"], name=by))
    table.attrs = {"unit": unit, "convention": convention}
    return table


def _with_total(rows: Array) -> Array:
    return np.concatenate([rows, rows.sum(axis=0, keepdims=True)])


def _grown(ds: xr.Dataset, by: By, service: str | None, *, planned: bool) -> xr.DataArray:
    if by not in _BESIDE:
        msg = f"by is {by!r}; expected {', '.join(map(repr, _BESIDE))}"
        raise MtfsError(msg)
    if by == "cause" and service is None:
        name = planned_name("pressure") if planned else "pressure"
        return require_projection(ds, name)[name]
    if "growth" not in require_projection(ds):
        msg = (
            "the projection does not hold the parts of growth, which a ledger by service or line "
            "needs: run it with keep='components'"
        )
        raise MtfsError(msg)
    grown = ds[planned_name("growth") if planned else "growth"]
    if service is not None:
        services = sorted(set(grown["part_service"].to_numpy().tolist()))
        if service not in services:
            msg = (
                f"no line's service is '{service}'.{suggest(service, services)} There is: "
                f"{listing(services)}."
            )
            raise MtfsError(msg)
        grown = grown.isel(part=np.flatnonzero(grown["part_service"].to_numpy() == service))
    labels = grown[_BESIDE[by]].to_numpy()
    names = list(dict.fromkeys(labels.tolist()))
    values = grown.to_numpy()
    sums = np.stack([values[labels == each].sum(axis=0) for each in names])
    kept = {key: c for key, c in grown.coords.items() if "part" not in c.dims}
    said = grown.attrs | {"long_name": f"growth since the base year, by {by}"}
    return xr.DataArray(sums, dims=(by, *grown.dims[1:]), coords={**kept, by: names}, attrs=said)


def _stated(level: xr.DataArray, convention: Convention) -> xr.DataArray:
    if convention not in (ways := get_args(Convention)):
        msg = f"convention is {convention!r}; expected {', '.join(map(repr, ways))}"
        raise MtfsError(msg)
    if convention != "cumulative":
        level = annual(level) if convention == "annual" else total(level)
    return level.rename("pressure")
