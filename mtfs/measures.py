"""Reading a projection: summary, quantiles, chances, and the conventions of a gap.

Every mean, quantile and chance comes with its Monte Carlo standard error: how far it would move
with other draws. It says nothing of whether the plan's assumptions are right.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import xarray as xr

from mtfs.schema import MINIMUM, planned_name, require_draws, require_projection
from mtfs.vocabulary import Array, MtfsError, require_share

if TYPE_CHECKING:
    from collections.abc import Sequence

Unit = Literal["GBP", "GBP k", "GBP m"]
_SCALE: dict[str, float] = {"GBP": 1.0, "GBP k": 1e3, "GBP m": 1e6}


def in_unit(unit: Unit) -> float:
    """Give GBP in one unit of money shown."""
    if unit not in _SCALE:
        msg = f"unit is {unit!r}; expected {', '.join(_SCALE)}"
        raise MtfsError(msg)
    return _SCALE[unit]


def annual(level: xr.DataArray) -> xr.DataArray:
    """State a level as yearly steps: the first year's level, then the change over the year before.

    Parameters
    ----------
    level
        Anything with dimension ``year``, such as ``ds["gap"]``.

    Returns
    -------
    xarray.DataArray
        The same dimensions and units; its sum over the years is the last level.

    Examples
    --------
    >>> gap = xr.DataArray([6.0, 33.0, 60.0, 83.0], dims="year")
    >>> annual(gap).values
    array([ 6., 27., 27., 23.])
    """
    _require_year(level)
    before = level.shift(year=1, fill_value=0.0)
    return (level - before).assign_attrs(
        level.attrs | {"long_name": f"yearly step of {level.attrs.get('long_name', level.name)}"}
    )


def total(level: xr.DataArray) -> xr.DataArray:
    """State a level as the cash needed over all years if nothing recurrent is ever done.

    Parameters
    ----------
    level
        Anything with dimension ``year``.

    Returns
    -------
    xarray.DataArray
        Without ``year``: the sum of the levels. Rarely what a council means by its gap.

    Examples
    --------
    >>> float(total(xr.DataArray([6.0, 33.0, 60.0, 83.0], dims="year")))
    182.0
    """
    _require_year(level)
    return level.sum("year", skipna=False).assign_attrs(
        level.attrs
        | {"long_name": f"sum over the years of {level.attrs.get('long_name', level.name)}"}
    )


def _require_year(level: object) -> None:
    if not isinstance(level, xr.DataArray):
        what = "a Dataset" if isinstance(level, xr.Dataset) else f"a {type(level).__name__}"
        msg = f"found {what}; expected one variable of a projection, such as ds['gap']"
        raise MtfsError(msg)
    if "year" not in level.dims:
        msg = f"expected a dimension 'year'; found {', '.join(map(str, level.dims)) or 'none'}"
        raise MtfsError(msg)


def _variable(ds: xr.Dataset, name: str) -> xr.DataArray:
    found = require_draws(ds, name)[name]
    if "draw" not in found.dims:
        msg = f"'{name}' has no draws, so it has no distribution"
        raise MtfsError(msg)
    return found


def quantiles(
    ds: xr.Dataset, q: Sequence[float] = (0.1, 0.5, 0.9), *, variable: str = "gap"
) -> xr.DataArray:
    """Give quantiles of a variable over the draws.

    Parameters
    ----------
    ds
        A projection.
    q
        Shares of the draws that lie below, each from 0 to 1.
    variable
        Any variable with draws.

    Returns
    -------
    xarray.DataArray
        Dimensions ``(quantile, ...)`` less ``draw``, in the variable's units, with the coordinate
        ``standard_error`` of the same shape: half the width of the one-sigma interval between order
        statistics (Conover 1999, Practical Nonparametric Statistics, section 3.2); nan for one
        draw.

    Raises
    ------
    MtfsError
        When a share is not from 0 to 1, or there is no such variable.
    """
    for share in q:
        require_share(share, "q")
    found = _variable(ds, variable)
    shares = np.asarray(q, dtype=np.float64)
    values, error = quantiles_of(found.to_numpy(), shares, found.get_axis_num("draw"))
    dims = ("quantile", *(dim for dim in found.dims if dim != "draw"))
    coords = {name: c for name, c in found.coords.items() if "draw" not in c.dims}
    return xr.DataArray(
        values,
        dims=dims,
        coords={**coords, "quantile": shares, "standard_error": (dims, error)},
        name=variable,
        attrs=found.attrs,
    )


def quantiles_of(draws: Array, shares: Array, axis: int) -> tuple[Array, Array]:
    """Give quantiles of draws along an axis, and their standard errors (see :func:`quantiles`)."""
    n = draws.shape[axis]
    sigma = np.sqrt(shares * (1 - shares) / n)
    levels = np.concatenate([shares, np.clip(shares - sigma, 0, 1), np.clip(shares + sigma, 0, 1)])
    values, low, high = np.split(np.quantile(draws, levels, axis=axis), 3)
    return values, (high - low) / 2 if n > 1 else np.full_like(values, np.nan)


def probability(
    ds: xr.Dataset,
    variable: str = "gap",
    *,
    above: float | xr.DataArray | None = None,
    below: float | xr.DataArray | None = None,
) -> xr.DataArray:
    """Give the chance that a variable lies above, below or between bounds.

    Parameters
    ----------
    ds
        A projection.
    variable
        Any variable with draws.
    above, below
        Bounds in its units, numbers or arrays with the variable's other labels; at least one.
        Neither bound counts as beyond itself.

    Returns
    -------
    xarray.DataArray
        The variable's dimensions less ``draw``: shares of the draws, with ``standard_error``
        beside.

    Raises
    ------
    MtfsError
        When no bound is given.
    """
    found = _variable(ds, variable)
    if above is None and below is None:
        msg = "give 'above', 'below' or both, in the units of the variable"
        raise MtfsError(msg)
    with xr.set_options(arithmetic_join="exact"):
        beyond = xr.ones_like(found, dtype=bool)
        if above is not None:
            beyond = beyond & (found > above)
        if below is not None:
            beyond = beyond & (found < below)
    return share_of_draws(beyond, f"chance about {found.attrs.get('long_name', variable)}")


def share_of_draws(happens: xr.DataArray, long_name: str) -> xr.DataArray:
    """Give the share of draws in which something happens, with its ``standard_error`` beside."""
    share = happens.mean("draw")
    error = np.sqrt(share.to_numpy() * (1 - share.to_numpy()) / happens.sizes["draw"])
    share = share.assign_coords(standard_error=(share.dims, error))
    return share.assign_attrs(units="share of draws", long_name=long_name)


def summary(ds: xr.Dataset, *, variable: str = "gap", unit: Unit = "GBP m") -> pd.DataFrame:
    """Tabulate a variable year by year: plan, mean, quantiles, chance that the plan is enough.

    Parameters
    ----------
    ds
        A projection.
    variable
        A variable with dimensions ``(draw, year)``.
    unit
        Unit of the money shown.

    Returns
    -------
    pandas.DataFrame
        A row a year; columns ``plan``, ``mean``, ``P10``, ``P50``, ``P90``, each but the plan with
        its standard error (``mean_se`` ...) in ``unit``, and ``plan_enough`` with
        ``plan_enough_se``, the share of draws in which the variable is no more than planned.
    """
    found = _variable(ds, variable)
    if set(found.dims) != {"draw", "year"}:
        msg = (
            f"'{variable}' has dimensions {', '.join(map(str, found.dims))}; expected draw and year"
        )
        raise MtfsError(msg)
    columns: dict[str, Array] = {}
    planned = planned_name(variable)
    if planned in ds:
        columns["plan"] = ds[planned].to_numpy() / in_unit(unit)
    columns |= figures(found.to_numpy(), found.get_axis_num("draw"), unit)
    if planned in ds:
        enough = share_of_draws(found <= ds[planned], "chance that the plan is enough")
        columns["plan_enough"] = enough.to_numpy()
        columns["plan_enough_se"] = enough["standard_error"].to_numpy()
    table = pd.DataFrame(columns, index=pd.Index(ds["year"].to_numpy(), name="year"))
    table.attrs = {"unit": unit, "variable": variable}
    return table


def figures(draws: Array, axis: int, unit: Unit) -> dict[str, Array]:
    """Give what every table shows of draws: mean, P10, P50 and P90, each with its ``_se``.

    Parameters
    ----------
    draws
        GBP, draws along ``axis``.
    axis
        The axis of the draws.
    unit
        Unit of the money shown.

    Returns
    -------
    dict
        By column, in ``unit``, of the shape of ``draws`` less ``axis``; standard errors are nan for
        one draw.
    """
    scale, n = in_unit(unit), draws.shape[axis]
    mean = draws.mean(axis=axis)
    spread = draws.std(axis=axis, ddof=1) if n > 1 else np.full_like(mean, np.nan)
    found = {"mean": mean / scale, "mean_se": spread / np.sqrt(n) / scale}
    values, errors = quantiles_of(draws, np.array([0.1, 0.5, 0.9]), axis)
    for name, value, error in zip(("P10", "P50", "P90"), values, errors, strict=True):
        found |= {name: value / scale, f"{name}_se": error / scale}
    return found


def savings_by_service(ds: xr.Dataset, variable: str = "saving_delivered") -> xr.DataArray:
    """Add up savings by the service that counts them; shared schemes by their shares.

    Parameters
    ----------
    ds
        A projection.
    variable
        ``saving_delivered``, ``saving_late``, ``saving_lost`` or ``planned_saving_delivered``.

    Returns
    -------
    xarray.DataArray
        Dimensions ``(service, draw, year)``, GBP, or ``(service, year)`` for what is planned;
        services in the order in which the plan names them. Sums over services are sums over
        schemes.

    Raises
    ------
    MtfsError
        When there is no such variable, or it is not one of savings.
    """
    from mtfs.lines import Saving, SavingsTarget  # noqa: PLC0415 - keeps `import mtfs` light

    found = require_projection(ds, variable)[variable]
    if "scheme" not in found.dims:
        msg = (
            f"'{variable}' has dimensions {', '.join(map(str, found.dims))}; expected scheme among "
            "them, as 'saving_delivered' has"
        )
        raise MtfsError(msg)
    plan = json.loads(ds.attrs["plan"])
    parts = [
        *map(Saving.model_validate, plan["savings"]),
        *map(SavingsTarget.model_validate, plan.get("savings_targets", ())),
    ]
    splits = {part.scheme: part.split for part in parts}
    shown = [str(name) for name in found["scheme"].to_numpy()]
    services = list(dict.fromkeys(service for name in shown for service, _ in splits[name]))
    dims = tuple(dim for dim in found.dims if dim != "scheme")
    total = np.zeros((len(services), *(found.sizes[dim] for dim in dims)))
    for name, part in zip(shown, found.transpose("scheme", *dims).to_numpy(), strict=True):
        for service, share in splits[name]:
            total[services.index(service)] += part if share == 1 else share * part
    coords = {name: c for name, c in found.coords.items() if "scheme" not in c.dims}
    return xr.DataArray(
        total,
        dims=("service", *dims),
        coords={**coords, "service": services},
        name=variable,
        attrs=found.attrs | {"long_name": f"{found.attrs.get('long_name', variable)}, by service"},
    )


def reserve_risk(ds: xr.Dataset) -> pd.DataFrame:
    """Tabulate the risks to reserves, under the closure policy the projection was made with.

    Returns
    -------
    pandas.DataFrame
        A row a year, shares of draws, each with its standard error (``_se``): ``exhausted``, the
        shortfall to date exceeds usable reserves (some of it was met by none), and, where the plan
        says which fund is the general fund and gives its minimum, ``below_minimum``, its closing
        balance lies below that.

    Raises
    ------
    MtfsError
        When the plan holds no reserves.
    """
    require_projection(ds, "unfunded")
    if "reserve" not in ds:
        msg = "the plan holds no reserves, so nothing can be said of their risks"
        raise MtfsError(msg)
    chances = {
        "exhausted": share_of_draws(
            ds["unfunded"].cumsum("year") > 0, "shortfall to date exceeds usable reserves"
        )
    }
    general = ds["general"].to_numpy().astype(bool)
    if general.any():
        fund = ds["reserve"].isel(fund=int(np.argmax(general)), drop=True)
        least = ds[MINIMUM].isel(fund=int(np.argmax(general)), drop=True)
        if (least > 0).any():
            chances["below_minimum"] = share_of_draws(
                fund < least, "general fund below its minimum"
            )
    columns = {}
    for name, share in chances.items():
        columns[name] = share.to_numpy()
        columns[f"{name}_se"] = share["standard_error"].to_numpy()
    table = pd.DataFrame(columns, index=pd.Index(ds["year"].to_numpy(), name="year"))
    table.attrs = {"closure": ds.attrs["closure"]}
    return table
