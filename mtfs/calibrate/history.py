"""A panel's history, checked: every council and year at hand, declared missing, or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr

from mtfs.vocabulary import Array, MtfsError, listing, suggest, year_label, year_start

LEAST_YEARS = 2
_SHOWN = 6  # places that one message lists


@dataclass(frozen=True)
class History:
    """Levels by council and year, in order of councils' names, and the growth that may be used."""

    councils: tuple[str, ...]
    years: tuple[str, ...]
    levels: Array
    """shape (council, year); NaN where not known"""
    growth: Array
    """of the years after the first, shape (council, year); NaN where not known or across a break"""


def read_history(
    history: xr.DataArray,
    *,
    missing: Mapping[str, Sequence[str]],
    breaks: Mapping[str, Sequence[str]],
) -> History:
    """Check a history and give it in order of councils' names.

    Parameters
    ----------
    history
        Dimensions ``(council, year)``, in either order; levels above 0.
    missing
        By council, the years without a figure.
    breaks
        By council, the years whose figure does not compare with the year before.

    Returns
    -------
    History
        In order of councils' names, so that the order they came in moves nothing.

    Raises
    ------
    MtfsError
        When anything is wrong; the message names councils and years.
    """
    if not isinstance(history, xr.DataArray):
        raise MtfsError(
            f"found a {type(history).__name__} as the history; expected an xarray.DataArray with "
            "dimensions (council, year)"
        )
    if set(history.dims) != {"council", "year"}:
        raise MtfsError(
            f"the history has dimensions ({', '.join(map(str, history.dims))}); expected (council, "
            "year); of one council alone, history.expand_dims(council=['its name'])"
        )
    years = tuple(_labels(history, "year"))
    councils = _labels(history, "council")
    _require_years(years)
    _require_once(councils)
    if history.dtype.kind not in "fiu":
        raise MtfsError(f"the history holds {history.dtype}; expected numbers")
    levels = history.transpose("council", "year").to_numpy().astype(np.float64)
    order = sorted(range(len(councils)), key=councils.__getitem__)
    councils, levels = [councils[row] for row in order], levels[order]
    if not councils:
        raise MtfsError("the history has no council; give at least one")
    _require_positive(levels, councils, years)
    _require_known(levels, councils, years, _places(missing, "missing", councils, years))
    across = _places(breaks, "breaks", councils, years)
    growth = np.diff(np.log(levels), axis=1)
    for council, year in across:
        row, column = councils.index(council), years.index(year)
        first = int(np.isfinite(levels[row]).argmax())
        if column <= first:
            raise MtfsError(
                f"breaks: council '{council}' breaks in {year}, and its history starts in "
                f"{years[first]}; a break is the first year on the new basis, after that"
            )
        growth[row, column - 1] = np.nan
    if not np.isfinite(growth).any():
        raise MtfsError(
            f"the history holds no two years in a row without a break ({listing(councils)}, "
            f"{years[0]} to {years[-1]}); give at least one growth to learn from"
        )
    return History(tuple(councils), years, levels, growth)


def _labels(array: xr.DataArray, name: str) -> list[str]:
    """Give a dimension's labels, which must be text."""
    if name not in array.coords:
        raise MtfsError(f"the history's dimension '{name}' has no labels; name every {name}")
    labels = list(array[name].to_numpy().tolist())
    for label in labels:
        if not isinstance(label, str) or not label:
            hint = ""
            if name == "year" and isinstance(label, int) and not isinstance(label, bool):
                hint = f"; the year ending March {label} is '{year_label(label - 1)}'"
            raise MtfsError(
                f"found {name} {label!r} in the history; expected text"
                + (" such as '2024/25'" if name == "year" else "")
                + hint
            )
    return labels


def _require_years(years: Sequence[str]) -> None:
    """Check that years are financial years, each the one after the last."""
    starts = [year_start(year) for year in years]
    if len(years) < LEAST_YEARS:
        raise MtfsError(
            f"the history holds {len(years)} year ({listing(years)}); growth needs at least "
            f"{LEAST_YEARS}"
        )
    for before, after in pairwise(starts):
        if after == before:
            raise MtfsError(f"the history holds the year {year_label(after)} twice; give it once")
        if after < before:
            raise MtfsError(
                f"the history's years are not in order: {year_label(after)} follows "
                f"{year_label(before)}; sort them, history.sortby('year')"
            )
        if after != before + 1:
            raise MtfsError(
                f"the history has no year {year_label(before + 1)}, between {year_label(before)} "
                f"and {year_label(after)}; add it, as NaN and declared in 'missing' where not known"
            )


def _require_once(councils: Sequence[str]) -> None:
    """Check that no council is there twice."""
    twice = {name for name in councils if councils.count(name) > 1}
    if twice:
        raise MtfsError(
            f"the history holds councils more than once: {listing(twice)}; sum or choose first"
        )


def _require_positive(levels: Array, councils: Sequence[str], years: Sequence[str]) -> None:
    """Check that every figure at hand has a logarithm."""
    wrong = np.argwhere(~np.isnan(levels) & ~((levels > 0) & np.isfinite(levels)))
    if len(wrong):
        found = ", ".join(
            f"{levels[row, column]:g} for council '{councils[row]}' in {years[column]}"
            for row, column in wrong[:_SHOWN]
        )
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise MtfsError(
            f"the history holds {found}{more}; expected figures above 0: growth is of logarithms. "
            "Make it NaN and declare it in 'missing' where it is not a figure"
        )


def _require_known(
    levels: Array, councils: Sequence[str], years: Sequence[str], declared: set[tuple[str, str]]
) -> None:
    """Check that holes are declared, and that nothing declared is at hand."""
    unknown: list[tuple[str, str]] = []
    for row, council in enumerate(councils):
        known = np.flatnonzero(~np.isnan(levels[row]))
        if len(known) < LEAST_YEARS:
            raise MtfsError(
                f"council '{council}' has {len(known)} year of history; expected at least "
                f"{LEAST_YEARS}: leave it out, or give more of its years"
            )
        if known[-1] != len(years) - 1:
            raise MtfsError(
                f"council '{council}' has no figure in {years[-1]}, the year that the forecast "
                f"starts from (its last is of {years[known[-1]]}); leave it out, or end the "
                "history earlier"
            )
        # Before its first figure a council need not have been there: that is no hole.
        unknown += [
            (council, years[column])
            for column in range(known[0], len(years))
            if np.isnan(levels[row, column])
        ]
    if undeclared := [place for place in unknown if place not in declared]:
        found = ", ".join(f"council '{council}' in {year}" for council, year in undeclared[:_SHOWN])
        more = f" and {len(undeclared) - _SHOWN} more" if len(undeclared) > _SHOWN else ""
        council, year = undeclared[0]
        raise MtfsError(
            f"the history has no figure for {found}{more}; declare what is not known, "
            f"missing={{'{council}': ['{year}']}}"
        )
    for council, year in sorted(declared):
        value = levels[list(councils).index(council), years.index(year)]
        if not np.isnan(value):
            raise MtfsError(
                f"missing: council '{council}' has the figure {value:g} in {year}; make it NaN, or "
                "do not declare it"
            )


def _places(
    declared: Mapping[str, Sequence[str]], name: str, councils: Sequence[str], years: Sequence[str]
) -> set[tuple[str, str]]:
    """Read councils and years from what is declared by council."""
    if not isinstance(declared, Mapping):
        raise MtfsError(
            f"'{name}' is a {type(declared).__name__}; expected years by council, such as "
            f"{{'{councils[0]}': ['{years[-1]}']}}"
        )
    places = set()
    for council, of_council in declared.items():
        if council not in councils:
            raise MtfsError(
                f"{name}: the history does not hold council {council!r}."
                f"{suggest(str(council), councils)} It holds {listing(councils)}"
            )
        for year in [of_council] if isinstance(of_council, str) else of_council:
            if year not in years:
                raise MtfsError(
                    f"{name}: council '{council}' has year {year!r}, outside the history "
                    f"({years[0]} to {years[-1]})"
                )
            places.add((council, year))
    return places
