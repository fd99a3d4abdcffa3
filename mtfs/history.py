"""History by council and year: published levels, checked before anything learns from them.

A history is an ``xarray.DataArray`` of levels above 0 with dimensions ``council`` and ``year``, the
years financial years in a row. Before a council's first known year it is missing: the council
opens late. Years missing later have to be declared as gaps, and a change of definition as a break.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mtfs.vocabulary import Array, MtfsError, listing, suggest, year_label, year_start

YearsOf: TypeAlias = Mapping[str, Sequence[str]]
"""years of councils, such as ``{"Rutland": ["2012/13"]}``"""

LEAST = 2  # years: one growth
_SHOWN = 6  # places that a message names
_DIMS = ("council", "year")


@dataclass(frozen=True)
class History:
    """Levels that can be learnt from."""

    levels: Array
    """shape (council, year), above 0; missing where not known"""
    councils: tuple[str, ...]
    years: tuple[str, ...]
    breaks: NDArray[np.bool_]
    """where a level cannot be compared with those of years before, shape (council, year)"""

    @classmethod
    def of(
        cls,
        history: xr.DataArray,
        *,
        gaps: YearsOf | None = None,
        breaks: YearsOf | None = None,
    ) -> History:
        """Check a history.

        Parameters
        ----------
        history
            Levels above 0, dimensions ``council`` and ``year`` (``"2024/25"``) in any order.
        gaps
            Years that are missing, by council, other than those before a council's first.
        breaks
            Years by council whose level counts something else than the year before's: growth from
            before to after is not used.

        Raises
        ------
        MtfsError
            When dimensions or labels are not as they should be, councils or years come twice, a
            year lies out of the row, there are fewer than two years, a level is 0, below 0 or
            infinite, a council has fewer than two levels, a missing year is no declared gap or a
            declared one is not missing, or a break lies outside the council's years: with council
            and year.

        Examples
        --------
        >>> import xarray as xr
        >>> held = xr.DataArray(
        ...     [[100.0, 110.0, 121.0]],
        ...     {"council": ["Anyshire"], "year": ["2022/23", "2023/24", "2024/25"]},
        ... )
        >>> History.of(held).growth.round(4).tolist()
        [[0.0953, 0.0953]]
        """
        levels, councils, years = _labelled(history)
        missing = _marked(gaps or {}, councils, years, "gaps")
        broken = _marked(breaks or {}, councils, years, "breaks")
        _require_levels(levels, councils, years)
        _require_declared(levels, missing, councils, years)
        known = ~np.isnan(levels)
        if (few := known.sum(axis=1) < LEAST).any():
            rows = np.flatnonzero(few)
            msg = (
                f"{listing(councils[row] for row in rows)}: fewer than {LEAST} levels are known; "
                "leave such a council out"
            )
            raise MtfsError(msg)
        first = known.argmax(axis=1)
        early = broken & (np.arange(len(years)) <= first[:, None])
        if early.any():
            place = next(_places(early, councils, years))
            msg = (
                f"breaks: {place} is not after the council's first known year, so no growth "
                "crosses it"
            )
            raise MtfsError(msg)
        return cls(levels, councils, years, broken)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where a level is known, shape (council, year)."""
        return ~np.isnan(self.levels)

    @property
    def growth(self) -> Array:
        """Growth of the logarithm into each year but the first, shape (council, year - 1).

        Missing where either level is, and across a break.
        """
        found: Array = np.diff(np.log(self.levels), axis=1)
        return np.where(self.breaks[:, 1:], np.nan, found)

    @property
    def start(self) -> int:
        """The calendar year in which the first year starts."""
        return year_start(self.years[0])

    def until(self, year: str) -> History:
        """Give what was known at the end of a year, of councils of two levels, that year's too."""
        stop = self.years.index(year) + 1
        rows = (self.known[:, :stop].sum(axis=1) >= LEAST) & self.known[:, stop - 1]
        return History(
            self.levels[rows, :stop],
            tuple(name for name, kept in zip(self.councils, rows, strict=True) if kept),
            self.years[:stop],
            self.breaks[rows, :stop],
        )

    def as_array(self) -> xr.DataArray:
        """Give the levels with their labels."""
        return xr.DataArray(
            self.levels, {"council": list(self.councils), "year": list(self.years)}, _DIMS
        )

    def marked(self, which: NDArray[np.bool_]) -> dict[str, list[str]]:
        """List the years that are marked, by council."""
        return {
            name: [year for year, on in zip(self.years, row, strict=True) if on]
            for name, row in zip(self.councils, which, strict=True)
            if row.any()
        }

    @property
    def gaps(self) -> dict[str, list[str]]:
        """Years missing after a council's first known one, by council."""
        after = np.arange(len(self.years)) > self.known.argmax(axis=1)[:, None]
        return self.marked(~self.known & after)


def missing_years(history: xr.DataArray) -> dict[str, list[str]]:
    """List the years in which a level is missing after a council's first known one.

    To be looked at, and then declared as gaps: why a figure is missing may matter.

    Parameters
    ----------
    history
        Levels, dimensions ``council`` and ``year``.

    Returns
    -------
    dict
        Years by council; councils of which nothing is missing are left out.

    Raises
    ------
    MtfsError
        When dimensions or labels are not as they should be.

    Examples
    --------
    >>> years = ["2021/22", "2022/23", "2023/24"]
    >>> coords = {"council": ["Aston", "Barford"], "year": years}
    >>> missing_years(xr.DataArray([[1.0, np.nan, 2.0], [np.nan, 1.0, 2.0]], coords))
    {'Aston': ['2022/23']}
    """
    levels, councils, years = _labelled(history)
    return History(levels, councils, years, np.zeros(levels.shape, bool)).gaps


def _labelled(history: object) -> tuple[Array, tuple[str, ...], tuple[str, ...]]:
    """Give the levels and their labels."""
    ordered = _with_dimensions(history)
    councils, years = (tuple(map(str, ordered[dim].values)) for dim in _DIMS)
    if ordered["year"].dtype.kind in "iu":
        first = int(ordered["year"].values[0])
        msg = (
            f"the history's years are whole numbers, such as {first}; expected financial years: "
            f"that ending on 31 March {first} is '{year_label(first - 1)}'"
        )
        raise MtfsError(msg)
    for dim, labels in (("council", councils), ("year", years)):
        if twice := sorted({label for label in labels if labels.count(label) > 1}):
            msg = f"{listing(twice)}: given twice among the history's {dim} labels"
            raise MtfsError(msg)
    if len(years) < LEAST or not councils:
        msg = (
            f"the history holds {len(councils)} councils and {len(years)} years; expected a "
            f"council and at least {LEAST} years"
        )
        raise MtfsError(msg)
    require_in_a_row(years, "the history's year")
    return ordered.to_numpy().astype(float), councils, years


def require_in_a_row(years: Sequence[str], what: str) -> None:
    """Check that financial years follow each other; ``what`` begins the message."""
    for before, after in pairwise(year_start(year) for year in years):
        if after != before + 1:
            msg = (
                f"{what} {year_label(after)} stands after {year_label(before)}; expected "
                f"{year_label(before + 1)}: years in a row, with missing ones as NaN"
            )
            raise MtfsError(msg)


def _with_dimensions(history: object) -> xr.DataArray:
    if not isinstance(history, xr.DataArray):
        msg = (
            f"found a {type(history).__name__}; expected an xarray.DataArray of levels with "
            "dimensions council and year, such as mtfs.io.load_history gives"
        )
        raise MtfsError(msg)
    if set(history.dims) != set(_DIMS):
        hint = (
            "; for one council use history.expand_dims(council=['Anyshire'])"
            if history.dims == ("year",)
            else ""
        )
        msg = f"the history has dimensions {history.dims}; expected council and year{hint}"
        raise MtfsError(msg)
    for dim in _DIMS:
        if dim not in history.coords:
            msg = f"the history has no labels of its dimension '{dim}'; give it as a coordinate"
            raise MtfsError(msg)
    if history.dtype.kind not in "iuf":
        msg = f"the history holds values of type {history.dtype}; expected numbers"
        raise MtfsError(msg)
    return history.transpose(*_DIMS)


def _marked(
    stated: object, councils: Sequence[str], years: Sequence[str], what: str
) -> NDArray[np.bool_]:
    """Mark the years that are stated by council."""
    if not isinstance(stated, Mapping):
        msg = (
            f"{what} is a {type(stated).__name__}; expected years by council, such as "
            f"{{'{councils[0]}': ['{years[-1]}']}}"
        )
        raise MtfsError(msg)
    marks = np.zeros((len(councils), len(years)), bool)
    for label, named in stated.items():
        council = str(label)
        if council not in councils:
            msg = f"{what}: '{council}' is not in the history.{suggest(council, councils)}"
            raise MtfsError(msg)
        if isinstance(named, str) or not isinstance(named, Iterable):
            such = named if isinstance(named, str) else years[-1]
            msg = f"{what}, {council}: found {named!r}; expected a list of years, ['{such}']"
            raise MtfsError(msg)
        for year in named:
            if year not in years:
                year_start(year)
                msg = (
                    f"{what}, {council}: {year} lies outside the history, {years[0]} to {years[-1]}"
                )
                raise MtfsError(msg)
            marks[councils.index(council), years.index(year)] = True
    return marks


def _places(
    which: NDArray[np.bool_], councils: Sequence[str], years: Sequence[str]
) -> Iterator[str]:
    for row, column in np.argwhere(which):
        yield f"{councils[row]}, {years[column]}"


def _listed(which: NDArray[np.bool_], councils: Sequence[str], years: Sequence[str]) -> str:
    held = list(_places(which, councils, years))
    more = f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else ""
    return "; ".join(held[:_SHOWN]) + more


def _require_levels(levels: Array, councils: Sequence[str], years: Sequence[str]) -> None:
    wrong = ~np.isnan(levels) & ~((levels > 0) & np.isfinite(levels))
    if wrong.any():
        found = levels[wrong][0]
        msg = (
            f"{_listed(wrong, councils, years)}: the level is {found:g}; expected levels above 0, "
            "as growth is of logarithms. Where it is not known, write NaN and declare a gap"
        )
        raise MtfsError(msg)


def _require_declared(
    levels: Array, declared: NDArray[np.bool_], councils: Sequence[str], years: Sequence[str]
) -> None:
    missing = np.isnan(levels)
    if nothing := [name for name, row in zip(councils, missing, strict=True) if row.all()]:
        msg = f"{listing(nothing)}: no level is known; leave such a council out"
        raise MtfsError(msg)
    after = np.arange(len(years)) > (~missing).argmax(axis=1)[:, None]
    untold = missing & after & ~declared
    if untold.any():
        places = _listed(untold, councils, years)
        council, year = next(_places(untold, councils, years)).rsplit(", ", 1)
        msg = (
            f"{places}: the level is missing; if it is not known, declare it: "
            f"gaps={{'{council}': ['{year}']}}"
        )
        raise MtfsError(msg)
    if (held := declared & ~missing).any():
        msg = (
            f"gaps: {_listed(held, councils, years)}: declared missing, and a level is there; "
            "take it out of one of the two"
        )
        raise MtfsError(msg)
