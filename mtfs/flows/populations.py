"""Populations by age: what bands are called, sums over bands, averages of financial years."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import xarray as xr

from mtfs.vocabulary import MtfsError, listing, year_label

if TYPE_CHECKING:
    from mtfs.vocabulary import Array

# The first age of a band, and the first beyond it; None where the band is open.
Range: TypeAlias = tuple[int, int | None]

# A mid-year population is of 30 June, a financial year's average of about 30 September: 92 of 365
# days on to the next mid-year.
QUARTER = 92 / 365
ALL_AGES = "all ages"

_JOINT = r"\s*(?:-|\u2013|to|_)\s*"
_FORMS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"(\d+)(?:\.0+)?", "one"),
        (rf"(\d+){_JOINT}(\d+)", "closed"),
        (r"(\d+)\s*(?:and|&)\s*(\d+)", "closed"),
        (r"(\d+)\s*(?:\+|plus|(?:and|&|or)\s*(?:over|older|above))", "open"),
        (r"(?:under|<)\s*(\d+)", "under"),
        (r"all(?:\s*ages)?|total|all_ages", "all"),
    )
)


def age_range(label: str | float) -> Range:
    """Read the label of an age band.

    Parameters
    ----------
    label
        A single year of age ("7", 7 or 7.0) or a band ("5 to 9", "16 and 17", "0-4", "under 5",
        "65 and over", "90+", "all ages").

    Returns
    -------
    tuple
        The first age of the band and the first beyond it, None where it is open.

    Raises
    ------
    MtfsError
        When it is none of these, or ends before it begins.

    Examples
    --------
    >>> age_range("18 to 64"), age_range("90+"), age_range("7")
    ((18, 65), (90, None), (7, 8))
    """
    text = re.sub(r"^ages?d?[\s_]+|\s+years?(?: old)?$", "", str(label).strip().lower())
    for pattern, kind in _FORMS:
        match = pattern.fullmatch(text)
        if match is None:
            continue
        numbers = [int(each) for each in match.groups()]
        if kind == "all":
            return 0, None
        if kind == "under":
            numbers = [0, numbers[0] - 1]
        if kind == "open":
            return numbers[0], None
        if numbers[-1] < numbers[0]:
            break
        return numbers[0], numbers[-1] + 1
    msg = f"found age {label!r}; expected such as '7', '5 to 9', 'under 5' or '65 and over'"
    raise MtfsError(msg)


def age_label(band: Range) -> str:
    """Write an age band as the library does.

    Examples
    --------
    >>> age_label((18, 65)), age_label((16, 18)), age_label((90, None)), age_label((7, 8))
    ('18 to 64', '16 and 17', '90 and over', '7')
    """
    low, high = band
    if high is None:
        return f"{low} and over" if low else ALL_AGES
    if high - low == 1:
        return str(low)
    joint = "and" if high - low == 2 else "to"  # noqa: PLR2004 - two years of age
    return f"{low} {joint} {high - 1}"


def plain_age(label: str | float) -> str:
    """Write the label of an age band in the library's own way."""
    return age_label(age_range(label))


def by_age_band(population: xr.DataArray, bands: Iterable[str]) -> xr.DataArray:
    """Add a population up to age bands.

    Parameters
    ----------
    population
        Dimension ``age`` with labels as :func:`mtfs.io.load_population` gives them.
    bands
        Such as ``["18 to 64", "65 and over"]``; they may overlap.

    Returns
    -------
    xarray.DataArray
        The same with ``age`` the bands, in the order given.

    Raises
    ------
    MtfsError
        When the ages of a band are not all there, or not there apart from others; names them.

    Examples
    --------
    >>> people = xr.DataArray([5.0, 7.0, 9.0], {"age": ["0", "1", "2 and over"]}, dims="age")
    >>> by_age_band(people, ["under 2", "1 and over"]).values.tolist()
    [12.0, 16.0]
    """
    held = sorted((age_range(label), place) for place, label in enumerate(_ages(population)))
    rows, names = [], []
    for band in bands:
        wanted = age_range(band)
        names.append(age_label(wanted))
        rows.append(population.isel(age=_tiles(held, wanted)).sum("age", skipna=False))
    if not rows:
        msg = "no age bands are given; give some, such as ['18 to 64', '65 and over']"
        raise MtfsError(msg)
    dims = population.dims
    found = xr.concat(rows, xr.Variable("age", names), coords="minimal", compat="override")
    return found.transpose(*dims).assign_attrs(population.attrs)


def _ages(population: xr.DataArray) -> list[str]:
    if "age" not in population.dims:
        msg = f"the population has dimensions {population.dims}; expected one called 'age'"
        raise MtfsError(msg)
    return [str(label) for label in population["age"].values]


def _tiles(held: Sequence[tuple[Range, int]], wanted: Range) -> list[int]:
    """Find the held bands that make up a wanted one exactly."""
    low, high = wanted
    end = np.inf if high is None else high
    inside = [
        (band, place)
        for band, place in held
        if band[0] >= low and (np.inf if band[1] is None else band[1]) <= end
    ]
    at: float = low
    places = []
    for (first, beyond), place in inside:
        if first != at:
            break
        places.append(place)
        at = np.inf if beyond is None else beyond
    if at == end:
        return places
    missing = f"from {at:g} on" if high is None else f"{age_label((int(at), high))}"
    names = [age_label(band) for band, _ in held]
    msg = (
        f"the band '{age_label(wanted)}' needs ages that the population does not hold apart: "
        f"{missing}. It holds: {', '.join(names[:3])} ... {names[-1]}."
    )
    raise MtfsError(msg)


def financial_years(population: xr.DataArray) -> xr.DataArray:
    """Turn mid-year populations into averages of financial years.

    The average of 2026/27 is about the population on 30 September 2026: the mid-year number of 30
    June 2026 and 92/365 of the way to that of 30 June 2027, in a straight line. So the last
    mid-year gives no financial year of its own.

    Parameters
    ----------
    population
        Dimension ``year``: consecutive calendar years.

    Returns
    -------
    xarray.DataArray
        The same with ``year`` the financial years, one fewer.

    Raises
    ------
    MtfsError
        When years are missing in between, or there is only one.

    Examples
    --------
    >>> people = xr.DataArray([1000.0, 1365.0], {"year": [2026, 2027]}, dims="year")
    >>> financial_years(people).values.tolist(), financial_years(people)["year"].item()
    ([1092.0], '2026/27')
    """
    years = [int(year) for year in population["year"].values]
    if len(years) < 2:  # noqa: PLR2004 - a line needs two points
        msg = f"the population holds {listing(map(str, years))} only; a financial year's average "
        raise MtfsError(f"{msg}lies between two mid-years: give the next one too")
    missing = sorted(set(range(min(years), max(years) + 1)) - set(years))
    if missing or years != sorted(years):
        what = f"without {listing(map(str, missing))}" if missing else "not in order"
        msg = f"the population's years {years[0]} to {years[-1]} are {what}; expected every year"
        raise MtfsError(msg)
    now = population.isel(year=slice(None, -1))
    after = population.isel(year=slice(1, None)).assign_coords(year=now["year"])
    found: xr.DataArray = now + QUARTER * (after - now)
    found = found.assign_coords(year=[year_label(year) for year in years[:-1]])
    return found.assign_attrs({**population.attrs, "reference": "average of the financial year"})


def population_table(population: xr.DataArray, bands: Iterable[str]) -> dict[str, dict[str, float]]:
    """Give financial-year averages by age band as a cohort's ``population`` holds them.

    Parameters
    ----------
    population
        Mid-year populations, ``(age, year)``, as :func:`mtfs.io.load_population` gives them.
    bands
        Such as ``["18 to 64", "65 and over"]``.

    Returns
    -------
    dict
        For every band the population by financial year, to a tenth of a person.

    Raises
    ------
    MtfsError
        As :func:`by_age_band` and :func:`financial_years`.
    """
    averages = by_age_band(financial_years(population), bands).transpose("age", "year")
    years = [str(year) for year in averages["year"].values]
    values: Array = averages.values
    return {
        str(band): dict(zip(years, np.round(row, 1).tolist(), strict=True))
        for band, row in zip(averages["age"].values, values, strict=True)
    }
