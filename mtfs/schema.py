"""The Dataset a projection returns: its variables, dimensions, units and attributes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import xarray as xr
from xarray.indexes import PandasIndex

from mtfs.vocabulary import Array, MtfsError, listing, suggest, year_start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Keep = Literal["all", "totals", "components"]
WIDENS = "positive widens the gap"
CLOSES = "positive closes the gap"
BALANCE = "positive is money held"
DEFICIT = "positive is a deficit"
NONE = "not money"


@dataclass(frozen=True)
class Variable:
    """One variable: the dimension before (draw, year), if any, and what it says of itself."""

    item: str | None
    long_name: str
    sign: str = WIDENS
    units: str = "GBP"
    totals: bool = False
    """whether ``keep="totals"`` holds it"""
    draws: bool = True
    planned: bool = True
    """whether it has a ``planned_`` twin without draws"""
    parts: bool = False
    """whether only ``keep="components"`` holds it"""

    def kept(self, keep: Keep) -> bool:
        """Whether a projection of ``keep`` holds it."""
        return self.totals or (keep != "totals" and (keep == "components" or not self.parts))


VARIABLES: dict[str, Variable] = {
    "gap_before_savings": Variable(None, "gap before savings", totals=True),
    "gap": Variable(None, "gap after identified savings", totals=True),
    "annual_gap": Variable(None, "yearly step of the gap", totals=True),
    "gap_after_one_offs": Variable(None, "gap after savings and one-off sources", totals=True),
    "requirement": Variable(None, "budget requirement, net of savings", totals=True),
    "funding": Variable(None, "funding", CLOSES, totals=True),
    "shortfall": Variable(None, "gap after one-offs less closure delivered", totals=True),
    "unfunded": Variable(None, "shortfall that no reserve could meet", totals=True),
    "reserve": Variable("fund", "closing balance of reserves", BALANCE, totals=True),
    "cost": Variable("line", "net cost"),
    "pressure": Variable("cause", "gross growth since the base year, before savings and funding"),
    "growth": Variable("part", "growth since the base year of each part of a line", parts=True),
    "contribution": Variable(
        "step", "contribution to the gap since the base year, by component", parts=True
    ),
    "saving_delivered": Variable("scheme", "savings delivered", CLOSES),
    "saving_late": Variable("scheme", "savings planned and not yet delivered", planned=False),
    "saving_lost": Variable("scheme", "savings planned that will not be delivered", planned=False),
    "income": Variable("source", "funding by source", CLOSES),
    "one_off": Variable("one_off_source", "one-off sources used", CLOSES),
    "memorandum": Variable("balance", "closing balance outside the gap", DEFICIT),
    "people": Variable("care_line", "year-average people", NONE, "people"),
    "path": Variable("driver", "path of the driver", NONE, "the driver's own"),
    "contingency_spent": Variable(
        "contingency", "contingency used on overspends it covers", NONE, planned=False
    ),
    "reserve_interest": Variable(
        None, "interest lost because balances are below plan", planned=False
    ),
}
MINIMUM = "reserve_minimum"
BASE = "base_cost"
BASE_BUDGET = "base_budget"


def planned_name(name: str) -> str:
    """Name the twin of a variable in the council's own table."""
    return f"planned_{name}"


def allocate(
    labels: Mapping[str, Sequence[str]], horizon: int, n_draws: int, keep: Keep
) -> dict[str, Array]:
    """Make the arrays of a projection, uninitialised, shape (item, year, draw) or (year, draw).

    They are parts of one allocation, which the system can back with large pages: the first touch of
    many small ones costs more than the arithmetic.
    """
    shapes = {
        name: (horizon, n_draws)
        if (item := VARIABLES[name].item) is None
        else (len(labels[item]), horizon, n_draws)
        for name in kept(labels, keep)
    }
    room = np.empty(sum(math.prod(shape) for shape in shapes.values()))
    arrays, start = {}, 0
    for name, shape in shapes.items():
        stop = start + math.prod(shape)
        arrays[name] = room[start:stop].reshape(shape)
        start = stop
    return arrays


def kept(labels: Mapping[str, Sequence[str]], keep: Keep) -> list[str]:
    """List the variables a projection holds: those asked for whose dimension has any labels."""
    return [
        name
        for name, variable in VARIABLES.items()
        if variable.kept(keep)
        and (variable.item is None or labels.get(variable.item))
        and (name != "reserve_interest" or labels["invested"])
    ]


def assemble(
    arrays: Mapping[str, Array],
    planned: Mapping[str, Array],
    minimum: Array,
    base: Array | None,
    *,
    base_budget: float | None,
    labels: Mapping[str, Sequence[str]],
    aside: Mapping[str, tuple[str, Sequence[object]]],
    years: Sequence[str],
    attrs: Mapping[str, str | int | float],
) -> xr.Dataset:
    """Put the arrays of a projection into one labelled Dataset, without copying them.

    Parameters
    ----------
    arrays
        Shape (item, year, draw) or (year, draw), by variable.
    planned
        The same for the council's own table, with one draw.
    minimum
        Minimum level of each fund, shape (fund, year), GBP; 0 where none is stated.
    base
        Net cost of each line in the base year, shape (line,), GBP; none where lines are not kept.
    base_budget
        Requirement less funding in the base year, GBP; none where contributions are not kept.
    labels
        Names along every dimension.
    aside
        Coordinates beside a dimension: name to (dimension, values).
    years
        The plan's years.
    attrs
        Attributes of the Dataset.

    Returns
    -------
    xarray.Dataset
        Dimensions ``(item, draw, year)``; DESIGN's table of variables.
    """
    price_base = str(attrs["price_base"])
    data: dict[str, xr.Variable] = {}
    dims: tuple[str, ...]
    for name, array in arrays.items():
        variable = VARIABLES[name]
        dims = (variable.item, "draw", "year") if variable.item else ("draw", "year")
        said = _attrs(variable, variable.long_name, price_base)
        data[name] = xr.Variable(dims, array.swapaxes(-1, -2), said)
    for name, array in planned.items():
        variable = VARIABLES[name]
        dims = (variable.item, "year") if variable.item else ("year",)
        said = _attrs(variable, f"planned {variable.long_name}", price_base)
        data[planned_name(name)] = xr.Variable(dims, array[..., 0], said)
    if labels["fund"]:
        said = _attrs(Variable(None, "", BALANCE), "minimum level of reserves", price_base)
        data[MINIMUM] = xr.Variable(("fund", "year"), minimum, said)
    if base is not None:
        long_name = "net cost in the base year, before ring-fenced grants and tied funds"
        data[BASE] = xr.Variable("line", base, _attrs(VARIABLES["cost"], long_name, price_base))
    if base_budget is not None:
        said = _attrs(VARIABLES["gap"], "requirement less funding in the base year", price_base)
        data[BASE_BUDGET] = xr.Variable((), base_budget, said)
    used = {str(dim) for variable in data.values() for dim in variable.dims}
    names: dict[str, pd.Index] = {
        "draw": pd.RangeIndex(arrays["gap"].shape[-1]),
        "year": pd.Index(years),
    }
    names |= {dim: pd.Index(list(items)) for dim, items in labels.items() if dim in used}
    coords: dict[str, xr.Variable] = {}
    indexes: dict[str, PandasIndex] = {}
    for dim, index in names.items():
        indexes[dim] = PandasIndex(
            index, dim, coord_dtype=None if dim == "draw" else np.array(index, str).dtype
        )
        coords |= indexes[dim].create_variables()
    coords["year"].attrs["long_name"] = "financial year, 1 April to 31 March"
    starts = np.array([f"{year_start(y)}-04-01" for y in years], "datetime64[ns]")
    coords["year_start"] = xr.Variable("year", starts)
    coords["lead"] = xr.Variable("year", np.arange(1, len(years) + 1))
    for name, (dim, values) in aside.items():
        if dim in used:
            coords[name] = xr.Variable(dim, np.array(list(values)))
    return xr.Dataset(data, coords=xr.Coordinates(coords, indexes), attrs=dict(attrs))


def _attrs(variable: Variable, long_name: str, price_base: str) -> dict[str, str]:
    said = {"units": variable.units, "long_name": long_name, "sign": variable.sign}
    return said | ({"price_base": price_base} if variable.units == "GBP" else {})


def require_projection(ds: xr.Dataset, *wanted: str) -> xr.Dataset:
    """Return ``ds`` when it is a projection that holds the named variables.

    Raises
    ------
    MtfsError
        When it is not; says which variables are missing and what would hold them.
    """
    if isinstance(ds, xr.Dataset) and "plan" in ds.coords:
        msg = (
            "found a comparison of several plans; expected a projection of one: take it out with "
            "mtfs.one_scenario(ds, name)"
        )
        raise MtfsError(msg)
    return require_draws(ds, *wanted)


def require_draws(ds: xr.Dataset, *wanted: str) -> xr.Dataset:
    """Return ``ds`` when it is a projection, or several side by side, with the named variables.

    Raises
    ------
    MtfsError
        As :func:`require_projection`.
    """
    if not isinstance(ds, xr.Dataset) or not {"plan", "gap"} <= {*ds.attrs, *ds.variables}:
        msg = "expected a Dataset from mtfs.project_gap(), with 'gap' and the plan in its attrs"
        raise MtfsError(msg)
    if missing := [name for name in wanted if name not in ds]:
        names = [str(name) for name in ds.data_vars]
        fuller = set(missing) <= VARIABLES.keys() and not {"cost", "income"} & {*names}
        short = " Run it with keep='all'." if fuller and "plan" in ds.attrs else ""
        msg = (
            f"the projection holds no {listing(missing)}.{suggest(missing[0], names)} "
            f"It holds {listing(names, 40)}.{short}"
        )
        raise MtfsError(msg)
    return ds


def require_axes(ds: xr.Dataset, *dims: str) -> xr.Dataset:
    """Return ``ds`` when it still has its draws and years, or those named of them."""
    if lost := [dim for dim in dims or ("draw", "year") if dim not in ds.dims]:
        msg = (
            f"the result has lost its dimension '{lost[0]}'; take a part of it with a list, as in "
            f"ds.isel({lost[0]}=[0])"
        )
        raise MtfsError(msg)
    return ds


def require_year(ds: xr.Dataset, year: str | None) -> str:
    """Return ``year`` when a result holds it; its last year where none is given."""
    years = [str(label) for label in ds["year"].to_numpy()]
    shown = years[-1] if year is None else year
    if shown not in years:
        msg = f"'{shown}' is not a year of the plan, which runs from {years[0]} to {years[-1]}"
        raise MtfsError(msg)
    return shown
