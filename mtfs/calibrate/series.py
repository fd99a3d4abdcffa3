"""One figure a year, checked before anything learns from it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
import xarray as xr

from mtfs.history import LEAST, History, require_in_a_row
from mtfs.vocabulary import Array, MtfsError, PlanWarning, listing, year_label, year_start

Series: TypeAlias = "pd.Series[float] | xr.DataArray"
Values: TypeAlias = Literal["rates", "levels"]
CALLED: dict[Values, str] = {"rates": "yearly rates", "levels": "yearly growths"}


@dataclass(frozen=True)
class Rates:
    """Rates by year, in a row, missing where not known."""

    years: tuple[str, ...]
    rate: Array

    @property
    def known(self) -> int:
        """How many years are known."""
        return int(np.isfinite(self.rate).sum())


def rates_of(
    series: Series,
    name: str,
    *,
    values: Values,
    gaps: Sequence[str] = (),
    breaks: Sequence[str] = (),
) -> Rates:
    """Check a series, and give its yearly rates: as they are, or the growth of levels.

    Parameters
    ----------
    series
        One value a financial year, the years in a row and missing ones as NaN.
    name
        What errors call it.
    values
        ``"rates"``: the values are wanted; ``"levels"``: their growth, ``x[t] / x[t-1] - 1``.
    gaps
        Years that are missing.
    breaks
        Of levels: years that count something else than the year before.

    Raises
    ------
    MtfsError
        When a label is no financial year, years come twice or not in a row, a value is missing and
        no declared gap or infinite, or a level not above 0.
    """
    if not isinstance(values, str) or values not in CALLED:
        msg = f"{name}: values is {values!r}; expected 'rates' (such as CPI growth) or 'levels'"
        raise MtfsError(msg)
    for stated, what in ((gaps, "gaps"), (breaks, "breaks")):
        given: object = stated
        if isinstance(given, str) or not isinstance(given, Sequence):
            such = given if isinstance(given, str) else "2020/21"
            msg = f"{name}: {what} is {given!r}; expected a list of years, ['{such}']"
            raise MtfsError(msg)
    years, found = labelled(series, name)
    require_in_a_row(years, f"{name}:")
    _require_known(years, found, gaps, name)
    if values == "levels":
        _require_growth(found, name)
        array = xr.DataArray(found[None, :], {"council": [name], "year": list(years)})
        history = History.of(
            array,
            gaps={name: list(gaps)} if gaps else None,
            breaks={name: list(breaks)} if breaks else None,
        )
        return _trimmed(Rates(history.years[1:], np.expm1(history.growth[0])))
    if breaks:
        msg = f"{name}: 'breaks' go with values='levels'; of rates leave the year out as a gap"
        raise MtfsError(msg)
    if (most := float(np.nanmax(np.abs(found), initial=0.0))) > 1:
        warnings.warn(
            f"{name}: rates up to {most:g}: as growth that is {most:.0%} a year. Write 5% as 0.05, "
            "or, where these are levels, say values='levels'",
            PlanWarning,
            stacklevel=3,
        )
    return _trimmed(Rates(years, found))


def labelled(series: object, name: str) -> tuple[tuple[str, ...], Array]:
    """Give the financial years of a series and its numbers, each year once, in order."""
    if isinstance(series, xr.DataArray):
        if series.dims != ("year",):
            msg = f"{name}: found dimensions {series.dims}; expected one, 'year'"
            raise MtfsError(msg)
        series = series.to_series()
    if not isinstance(series, pd.Series):
        msg = (
            f"{name}: found a {type(series).__name__}; expected a pandas.Series or an "
            "xarray.DataArray indexed by financial year, such as '2024/25'"
        )
        raise MtfsError(msg)
    if series.dtype.kind not in "iuf":
        msg = f"{name}: holds values of type {series.dtype}; expected numbers"
        raise MtfsError(msg)
    starts = []
    for label in series.index:
        try:
            starts.append(year_start(label))
        except MtfsError as error:
            msg = f"{name}: {error}"
            raise MtfsError(msg) from None
    years = [str(label) for label in series.index]
    if twice := sorted({year for year in years if years.count(year) > 1}):
        msg = f"{name}: {listing(twice)} given twice"
        raise MtfsError(msg)
    for before, after in pairwise(starts):
        if after < before:
            msg = f"{name}: {year_label(after)} stands after {year_label(before)}; sort the years"
            raise MtfsError(msg)
    return tuple(years), np.asarray(series, dtype=np.float64)


def alike(series: Mapping[str, Series], expected: str) -> tuple[tuple[str, ...], dict[str, Array]]:
    """Give the years that several series share, and their values, all above 0.

    Parameters
    ----------
    series
        By the name that errors call them.
    expected
        What a value has to be, in words.
    """
    first = next(iter(series))
    years: tuple[str, ...] = ()
    found: dict[str, Array] = {}
    for name, each in series.items():
        labels, found[name] = labelled(each, name)
        if name != first and labels != years:
            odd = sorted(set(labels) ^ set(years))
            msg = f"{name} and {first} have different years, such as {odd[0]}; expected the same"
            raise MtfsError(msg)
        years = labels
    for name, values in found.items():
        for year, value in zip(years, values, strict=True):
            if not 0 < value < np.inf:
                msg = f"{name}, {year}: {value:g}; expected {expected}"
                raise MtfsError(msg)
    return years, found


def _require_known(years: Sequence[str], values: Array, gaps: Sequence[str], name: str) -> None:
    if outside := [year for year in gaps if year not in years]:
        msg = f"{name}: the gap {outside[0]} lies outside {years[0]} to {years[-1]}"
        raise MtfsError(msg)
    for year, value in zip(years, values, strict=True):
        if np.isnan(value) and year not in gaps:
            msg = f"{name}, {year}: missing; if it is not known, declare it: gaps=['{year}']"
            raise MtfsError(msg)
        if np.isinf(value):
            msg = f"{name}, {year}: {value:g}; expected a finite number"
            raise MtfsError(msg)
        if not np.isnan(value) and year in gaps:
            msg = f"{name}, {year}: declared a gap, and a value is there; take out one of the two"
            raise MtfsError(msg)


def _require_growth(levels: Array, name: str) -> None:
    if np.isfinite(levels).sum() < LEAST:
        msg = f"{name}: fewer than {LEAST} levels are known; expected a growth at least"
        raise MtfsError(msg)


def _trimmed(rates: Rates) -> Rates:
    """Leave out unknown years at either end."""
    known = np.flatnonzero(np.isfinite(rates.rate))
    if not len(known):
        return Rates((), np.empty(0))
    within = slice(known[0], known[-1] + 1)
    return Rates(rates.years[within], rates.rate[within])
