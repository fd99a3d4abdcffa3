"""Events: what happens in a draw or does not, such as ``gap 2028/29 > 100m``, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
import xarray as xr

from mtfs.assumptions import LARGEST
from mtfs.schema import MINIMUM, VARIABLES, require_projection
from mtfs.vocabulary import MtfsError, listing, suggest, year_start

if TYPE_CHECKING:
    from collections.abc import Iterable

Relation: TypeAlias = Literal["<=", "<", ">=", ">"]
EVERY, ANY = "every year", "any year"
FUND, RESERVES = "fund", "reserves"
QUANTITIES = tuple(name for name, v in VARIABLES.items() if v.totals and v.item is None)
"""the variables an event or a target may name, beside ``reserves`` and a fund"""

EVENTS = f"""An event is one of
  gap 2028/29 <= 0                          a quantity in a year
  unfunded > 0, any year                    in one year at least; or 'every year'
  reserves 2028/29 >= 20m                   usable funds together
  reserves >= minimum, every year           each fund that has a minimum
  fund 'general fund' 2028/29 >= minimum    one fund; or money
Quantities: {", ".join(QUANTITIES)}, {RESERVES}, fund 'its name'.
Money is GBP: 0, 250000, 10k, 10m, GBP -2.5m; below 1,000 it needs its unit: GBP 500."""
"""how an event is written, as errors show it"""
POUNDS = 1000  # a sum below it without a unit is more likely millions: a published 64 is 64m


@dataclass(frozen=True)
class Quantity:
    """What an event or a target is about: a variable of a projection, ``reserves`` or a fund."""

    name: str
    fund: str | None = None
    """the fund, where ``name`` is ``fund``"""

    def __post_init__(self) -> None:
        if (self.fund is not None) != (self.name == FUND):
            msg = "a fund's name goes with the quantity 'fund', which needs it: fund 'general fund'"
            raise MtfsError(msg)
        names = (*QUANTITIES, RESERVES, FUND)
        if self.name not in names:
            near = suggest(self.name.replace(" ", "_"), names)
            msg = f"there is no quantity '{self.name}'.{near}\n{EVENTS}"
            raise MtfsError(msg)

    def values(self, ds: xr.Dataset) -> xr.DataArray:
        """Give it in every draw and year, GBP; ``reserves`` is the sum of usable funds."""
        if self.name in QUANTITIES:
            return _held(ds, self.name)[self.name]
        balances = _balances(ds)
        if self.fund is not None:
            return balances.sel(
                fund=require_known(self.fund, balances["fund"].values, "fund"), drop=True
            )
        usable = ds["usable"].to_numpy().astype(bool)
        if not usable.any():
            msg = "no fund of the plan may meet a shortfall, so 'reserves' would be nothing"
            raise MtfsError(msg)
        return balances.isel(fund=np.flatnonzero(usable)).sum("fund", skipna=False)

    def headroom(self, ds: xr.Dataset) -> xr.DataArray:
        """Give GBP above the minimum in every draw and year; of ``reserves``, the least headroom.

        Only a fund whose minimum is above 0 in some year has one.
        """
        balances = _balances(ds)
        least = ds[MINIMUM]
        having = [str(name) for name in balances["fund"].values if (least.sel(fund=name) > 0).any()]
        if self.fund is not None:
            require_known(self.fund, balances["fund"].values, "fund")
        wanted = having if self.fund is None else [name for name in having if name == self.fund]
        if not wanted:
            who = "no fund of the plan" if self.fund is None else f"fund '{self.fund}'"
            other = f"; one has {listing(having)}" if having and self.fund is not None else ""
            msg = f"{who} has {'a' if self.fund is None else 'no'} minimum{other}. Give 'minimum' "
            msg += "or 'minimum_share' of the fund in the plan, or write money in its place"
            raise MtfsError(msg)
        with xr.set_options(arithmetic_join="exact"):
            return (balances.sel(fund=wanted) - least.sel(fund=wanted)).min("fund", skipna=False)

    def __str__(self) -> str:
        if self.fund is None:
            return self.name
        quoted = self.fund.replace("'", "''")
        return f"{FUND} '{quoted}'"


@dataclass(frozen=True)
class Event:
    """What happens in a draw or does not, such as ``gap 2028/29 > 100m``."""

    quantity: Quantity
    relation: Relation
    bound: float | Literal["minimum"]
    """GBP, or the fund's minimum; with ``reserves``, that of every fund that has one"""
    when: str
    """a year, ``every year`` or ``any year``"""

    def __post_init__(self) -> None:
        require_relation(self.relation)
        if self.when not in {EVERY, ANY}:
            year_start(self.when)
        if isinstance(self.bound, str):
            if self.bound != "minimum" or self.quantity.name not in {RESERVES, FUND}:
                msg = (
                    f"'{self.quantity}' is compared with '{self.bound}'; expected money such as "
                    "10m; 'minimum' goes with reserves or a fund"
                )
                raise MtfsError(msg)
        else:
            require_money(self.bound)

    def margins(self, ds: xr.Dataset) -> xr.DataArray:
        """Give how far each year lies within the event, GBP; negative where it does not happen.

        Parameters
        ----------
        ds
            A projection; its totals are enough.

        Returns
        -------
        xarray.DataArray
            Dimensions ``(draw, year)``, the years it is about: distance from the bound.

        Raises
        ------
        MtfsError
            When the projection holds no such year or fund, or the fund has no minimum.
        """
        if isinstance(self.bound, str):
            above = self.quantity.headroom(ds)
        else:
            above = self.quantity.values(ds) - self.bound
        if self.when not in {EVERY, ANY}:
            above = above.sel(year=[require_known(self.when, ds["year"].values, "year")])
        inside = above if self.relation in {">=", ">"} else -above
        return (
            inside.transpose("draw", "year")
            .rename("margin")
            .assign_attrs(units="GBP", long_name=f"distance within: {self}")
        )

    def margin(self, ds: xr.Dataset) -> xr.DataArray:
        """Give how far each draw lies within the event, GBP: positive where it happens.

        Over several years it is the least of them for ``every year`` and the greatest for ``any
        year``. It is continuous in the projection's amounts. Dimension ``draw``.
        """
        margins = self.margins(ds)
        over = margins.max if self.when == ANY else margins.min
        return over("year", keep_attrs=True, skipna=False)

    def happens(self, ds: xr.Dataset) -> xr.DataArray:
        """Say of each draw whether it happens; dimension ``draw``."""
        return self.within(self.margin(ds))

    def within(self, margin: xr.DataArray) -> xr.DataArray:
        """Say of each margin whether the event happens."""
        # x - y has the sign of x compared with y in IEEE arithmetic: no draw is lost to rounding
        found = margin >= 0 if self.relation in {"<=", ">="} else margin > 0
        return found.rename("happens").assign_attrs(long_name=str(self))

    def __str__(self) -> str:
        bound = self.bound if isinstance(self.bound, str) else money(self.bound)
        if self.when in {EVERY, ANY}:
            return f"{self.quantity} {self.relation} {bound}, {self.when}"
        return f"{self.quantity} {self.when} {self.relation} {bound}"


def money(value: float) -> str:
    """Write GBP as targets do, without loss: ``10m``, ``-250k``, ``GBP 12.34``.

    Examples
    --------
    >>> money(-2.5e6), money(0.0), money(1234.5)
    ('-2.5m', '0', '1.2345k')
    """
    exact = Decimal(repr(value + 0.0))  # which turns -0 into 0
    for scale, unit in ((6, "m"), (3, "k")):
        if abs(exact) >= 10**scale:
            return plain_number(exact.scaleb(-scale)) + unit
    return plain_number(exact) if exact == 0 else f"GBP {plain_number(exact)}"


def plain_number(number: Decimal) -> str:
    """Write a number without an exponent and without zeros that say nothing."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _held(ds: xr.Dataset, name: str) -> xr.Dataset:
    return ds if name in ds else require_projection(ds, name)


def _balances(ds: xr.Dataset) -> xr.DataArray:
    if "reserve" not in ds:
        require_projection(ds)
        msg = "the plan holds no reserves, so nothing can be said of a fund or of reserves"
        raise MtfsError(msg)
    return ds["reserve"]


def require_known(name: str, held: Iterable[object], what: str) -> str:
    """Return ``name`` when it is one of the labels held; ``what`` says what they are."""
    names = [str(each) for each in held]
    if name not in names:
        msg = f"the plan has no {what} '{name}'.{suggest(name, names)} It has: {listing(names)}."
        raise MtfsError(msg)
    return name


def require_relation(relation: Relation) -> Relation:
    """Return ``relation`` when it is one."""
    if relation not in get_args(Relation):
        msg = f"found relation {relation!r}; expected {listing(get_args(Relation))}"
        raise MtfsError(msg)
    return relation


def require_money(value: float) -> float:
    """Return GBP when they are no more than a plan may hold."""
    if not -LARGEST <= value <= LARGEST:
        msg = f"found GBP {value:g}; expected money between -{LARGEST:g} and {LARGEST:g}"
        raise MtfsError(msg)
    return value
