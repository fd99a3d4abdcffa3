"""Reading populations by age: ONS projections and estimates as they are published."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from mtfs.flows.populations import ALL_AGES, Range, age_label, age_range
from mtfs.vocabulary import MtfsError, listing, suggest

if TYPE_CHECKING:
    from os import PathLike

_AREA_CODES = ("area_code", "la_code", "lad_code", "ladcode", "geography_code", "code", "area")
_AREA_NAMES = ("area_name", "la_name", "lad_name", "laname", "geography_name", "geography", "name")
_AGES = ("age", "age_group", "age_band", "single_year_of_age", "measure")
_YEARS = ("year", "mid_year", "date", "time", "calendar_year")
_VALUES = ("value", "v", "v4_0", "obs_value", "population", "persons", "count")
_SEXES = ("sex", "gender")
_PERSONS = {"persons", "person", "all", "all persons", "total", "both", "both sexes", "people", "t"}
_MALES = {"males", "male", "m", "men", "1"}
_FEMALES = {"females", "female", "f", "women", "2"}
_YEAR = re.compile(r"(?:population[_ ])?((?:19|20)\d{2})(?:\.0+)?")
_LAST_AGE = 90  # ONS's single years end with 90 and over, written 90 in some files
_ROUNDING = 0.01  # persons may differ from males and females by so much: each is rounded


def load_population(
    path: str | PathLike[str],
    *,
    area: str | Sequence[str] | None = None,
    ages: Iterable[str] | None = None,
    years: Iterable[int] | None = None,
) -> xr.DataArray:
    """Read mid-year populations by age from a CSV file.

    Long files have a row for every area, age and year: columns such as ``la_code``, ``age``,
    ``year``, ``value``, and maybe ``sex``. Wide files have a column for every year: ``AREA_CODE``,
    ``AREA_NAME``, ``COMPONENT``, ``SEX``, ``AGE_GROUP``, ``2018``, ``2019`` and so on. Ages may be
    single years or bands ("0", "0.0", "90+", "90 and over", "5-9"). A last single year of 90 stands
    for 90 and over, as in ONS's files. A row of all ages is left out where there are others.

    Parameters
    ----------
    path
        The file; ``.gz`` and ``.zip`` will do.
    area
        Code or name; several are added up. It may be left out where the file holds one.
    ages
        The ages that are needed, as the file has them; unless given, all.
    years
        The years that are needed; unless given, all.

    Returns
    -------
    xarray.DataArray
        Persons at 30 June, ``(age, year)``: ``age`` labels such as "7" or "90 and over" in order,
        ``year`` calendar years. :func:`mtfs.flows.by_age_band` adds it up and
        :func:`mtfs.flows.financial_years` averages it over financial years.

    Raises
    ------
    MtfsError
        When the columns are not of such a file, there are several areas and none is chosen, an age
        or a year is missing, or people would be counted twice.
    """
    table = _read(path)
    columns = _columns(table, path)
    table = _of_component(table, columns, path)
    table = _of_area(table, columns, area, path)
    tidy = _long(table, columns, path)
    tidy = _of_ages(tidy, ages, path)
    tidy = _of_years(tidy, years, path)
    tidy = _of_persons(tidy, path)
    return _array(tidy, path, area)


def _read(path: str | PathLike[str]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, encoding="utf-8-sig", skipinitialspace=True)
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror or error}"
        raise MtfsError(msg) from None
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        msg = f"{path}: is no CSV file of a population: {error}"
        raise MtfsError(msg) from None
    table.columns = [str(name).strip() for name in table.columns]
    if table.empty:
        msg = f"{path}: holds no rows"
        raise MtfsError(msg)
    return table


def _columns(table: pd.DataFrame, path: str | PathLike[str]) -> dict[str, str]:
    """Find which column is what."""
    plain = {re.sub(r"[\s\-]+", "_", name.lower()): name for name in table.columns}
    found: dict[str, str] = {}
    for what, names in [
        ("code", _AREA_CODES),
        ("name", _AREA_NAMES),
        ("age", _AGES),
        ("year", _YEARS),
        ("value", _VALUES),
        ("sex", _SEXES),
        ("component", ("component",)),
    ]:
        held = [plain[name] for name in names if name in plain]
        if held:
            found[what] = held[0]
    wide = [name for name in table.columns if _YEAR.fullmatch(name)]
    needed = ["age"] if wide else ["age", "year", "value"]
    if missing := [what for what in needed if what not in found]:
        wanted = {"age": _AGES, "year": _YEARS, "value": _VALUES}
        msg = (
            f"{path}: has no column for {' or '.join(missing)} (such as "
            f"{', '.join(wanted[what][0] for what in missing)}) and "
            f"{'columns' if wide else 'no columns'} called by years. Its columns are: "
            f"{listing(table.columns)}. Expected a row for every age and year, or a column for "
            "every year"
        )
        raise MtfsError(msg)
    if wide:
        found.pop("year", None)
        found.pop("value", None)
    return found


def _of_component(
    table: pd.DataFrame, columns: dict[str, str], path: str | PathLike[str]
) -> pd.DataFrame:
    """Keep the population where births, deaths and others stand beside it."""
    if "component" not in columns:
        return table
    component = table[columns["component"]].str.strip().str.lower()
    found = table[component.str.startswith("population", na=False)]
    if found.empty:
        held = component.dropna().unique()
        msg = f"{path}: column '{columns['component']}' holds no population, but {listing(held)}"
        raise MtfsError(msg)
    return found


def _of_area(
    table: pd.DataFrame,
    columns: dict[str, str],
    area: str | Sequence[str] | None,
    path: str | PathLike[str],
) -> pd.DataFrame:
    """Keep the rows of the areas asked for."""
    held = [columns[what] for what in ("code", "name") if what in columns]
    if not held:
        if area is not None:
            msg = f"{path}: has no column of areas; leave 'area' out"
            raise MtfsError(msg)
        return table
    if area is None:
        known = table[held].drop_duplicates()
        if len(known) > 1:
            some = listing(" ".join(map(str, row)) for row in known.to_numpy())
            msg = f"{path}: holds {len(known)} areas; choose with area=...: {some}"
            raise MtfsError(msg)
        return table
    wanted = [area] if isinstance(area, str) else list(area)
    names = [str(each) for column in held for each in table[column].dropna().unique()]
    chosen = pd.Series(data=False, index=table.index)
    for each in wanted:
        here = (table[held] == each).any(axis=1)
        if not here.any():
            msg = f"{path}: holds no area '{each}'.{suggest(each, names)} It holds: "
            raise MtfsError(msg + listing(table[held[0]].dropna().unique()))
        if (chosen & here).any():
            msg = f"area '{each}' is asked for twice"
            raise MtfsError(msg)
        chosen |= here
    return table[chosen]


def _long(table: pd.DataFrame, columns: dict[str, str], path: str | PathLike[str]) -> pd.DataFrame:
    """Give area, age, year, sex and value, a row each."""
    place = columns.get("code", columns.get("name"))
    tidy = pd.DataFrame(
        {
            "row": table.index + 2,
            "area": table[place] if place else "",
            "age": _labels(table[columns["age"]], path),
            "sex": _sexes(table, columns, path),
        }
    )
    if "year" in columns:
        tidy["year"], tidy["value"] = table[columns["year"]], table[columns["value"]]
    else:
        wide = {name: m[1] for name in table.columns if (m := _YEAR.fullmatch(name))}
        values = table[list(wide)].rename(columns=wide)
        tidy = pd.concat([tidy, values], axis=1).melt(
            ["row", "area", "age", "sex"], var_name="year", value_name="value"
        )
    tidy["year"] = _whole_years(tidy, path)
    found = pd.to_numeric(tidy["value"].str.replace(",", ""), errors="coerce")
    if wrong := list(tidy.index[found.isna() | (found < 0)]):
        row = tidy.loc[wrong[0]]
        shown = "no number of" if pd.isna(row["value"]) else repr(row["value"])
        msg = (
            f"{path}, line {row['row']}: found {shown} people of age '{row['age']}' in "
            f"{row['year']}, one of {len(wrong)} such values; expected a number, at least 0"
        )
        raise MtfsError(msg)
    tidy["value"] = found
    return tidy


def _labels(given: pd.Series, path: str | PathLike[str]) -> pd.Series:
    """Read ages, and write them in the library's own way."""
    ranges: dict[str, Range] = {}
    for label in given.fillna("").unique():
        try:
            ranges[label] = age_range(re.sub(r"^pop_", "", label.strip().lower()))
        except MtfsError as error:
            row = given.index[given.fillna("") == label][0] + 2
            msg = f"{path}, line {row}: {error}"
            raise MtfsError(msg) from None
    singles = [low for low, high in ranges.values() if high == low + 1]
    if max(singles, default=0) == _LAST_AGE and (_LAST_AGE, None) not in ranges.values():
        ranges = {
            label: (_LAST_AGE, None) if band == (_LAST_AGE, _LAST_AGE + 1) else band
            for label, band in ranges.items()
        }
    return given.fillna("").map({label: age_label(band) for label, band in ranges.items()})


def _sexes(
    table: pd.DataFrame, columns: dict[str, str], path: str | PathLike[str]
) -> pd.Series | str:
    if "sex" not in columns:
        return "persons"
    given = table[columns["sex"]].str.strip().str.lower()
    kinds = {"persons": _PERSONS, "males": _MALES, "females": _FEMALES}
    names = {word: kind for kind, words in kinds.items() for word in words}
    unknown = sorted(set(given.dropna()) - set(names)) + (["nothing"] if given.isna().any() else [])
    if unknown:
        msg = (
            f"{path}: column '{columns['sex']}' holds {listing(unknown)}; expected persons, males "
            "and females"
        )
        raise MtfsError(msg)
    return given.map(names)


def _whole_years(tidy: pd.DataFrame, path: str | PathLike[str]) -> pd.Series:
    matched = tidy["year"].astype(str).str.strip().str.extract(r"^((?:19|20)\d{2})(?:\.0+)?$")[0]
    if matched.isna().any():
        row = tidy.loc[matched.isna()].iloc[0]
        msg = f"{path}, line {row['row']}: found year {row['year']!r}; expected such as 2026"
        raise MtfsError(msg)
    return matched.astype(int)


def _of_ages(
    tidy: pd.DataFrame, ages: Iterable[str] | None, path: str | PathLike[str]
) -> pd.DataFrame:
    """Keep the ages asked for, or all that do not overlap."""
    held = sorted(set(tidy["age"]), key=_order)
    if ages is not None:
        wanted = [age_label(age_range(label)) for label in ages]
        if missing := [label for label in wanted if label not in held]:
            msg = f"{path}: lacks ages {listing(missing)}. It holds: {_span(held)}"
            raise MtfsError(msg)
        return tidy[tidy["age"].isin(wanted)]
    if len(held) > 1:
        tidy = tidy[tidy["age"] != ALL_AGES]
        held = [label for label in held if label != ALL_AGES]
    for before, label in pairwise(held):
        _, end = age_range(before)
        if end is None or age_range(label)[0] < end:
            msg = (
                f"{path}: ages '{before}' and '{label}' overlap, and people would be counted "
                f"twice: choose with ages=[...]. It holds: {', '.join(held)}"
            )
            raise MtfsError(msg)
    return tidy


def _order(label: str) -> tuple[int, float]:
    low, high = age_range(label)
    return low, float("inf") if high is None else high


def _span(held: Sequence[str]) -> str:
    few = 6  # more are not read
    return ", ".join(held) if len(held) <= few else f"{', '.join(held[:3])} ... {held[-1]}"


def _of_years(
    tidy: pd.DataFrame, years: Iterable[int] | None, path: str | PathLike[str]
) -> pd.DataFrame:
    if years is None:
        return tidy
    wanted, held = list(years), set(tidy["year"])
    if missing := [str(year) for year in wanted if year not in held]:
        msg = f"{path}: lacks years {listing(missing)}. It holds {min(held)} to {max(held)}"
        raise MtfsError(msg)
    return tidy[tidy["year"].isin(wanted)]


def _of_persons(tidy: pd.DataFrame, path: str | PathLike[str]) -> pd.DataFrame:
    """Take persons, or males and females together; never both."""
    cell = ["area", "age", "year"]
    twice = tidy.duplicated([*cell, "sex"], keep=False)
    if twice.any():
        row = tidy[twice].iloc[0]
        same = tidy[(tidy[[*cell, "sex"]] == row[[*cell, "sex"]]).all(axis=1)]
        found = " and ".join(
            f"{value:g} in line {n}" for value, n in same[["value", "row"]].to_numpy()
        )
        msg = (
            f"{path}: age '{row['age']}' in {row['year']} is there more than once ({found}), as "
            f"are {int(twice.sum()) - len(same)} other rows: two estimates, or all persons and "
            "each sex, would be counted together. Keep one row each, or give the file a column "
            "'sex'; years=[...] leaves years out"
        )
        raise MtfsError(msg)
    kinds = set(tidy["sex"])
    if kinds == {"persons"}:
        return tidy
    if kinds in ({"males"}, {"females"}):
        msg = f"{path}: holds {kinds.pop()} only; expected persons, or males and females"
        raise MtfsError(msg)
    wide = tidy.pivot_table(values="value", index=cell, columns="sex", aggfunc="sum")
    holes = wide.isna().any(axis=1)
    if holes.any():
        age, year = _first(wide, holes)
        lacking = listing(wide.columns[wide[holes].iloc[0].isna()])
        msg = f"{path}: age '{age}' in {year} lacks {lacking}; expected every sex in every row"
        raise MtfsError(msg)
    both = wide["males"] + wide["females"] if {"males", "females"} <= kinds else None
    if "persons" not in kinds and both is not None:
        return both.rename("value").reset_index()
    if both is not None and _apart(wide["persons"], both).any():
        age, year = _first(wide, _apart(wide["persons"], both))
        msg = f"{path}: persons of age '{age}' in {year} are not males and females together"
        raise MtfsError(msg)
    return wide["persons"].rename("value").reset_index()


def _apart(persons: pd.Series, both: pd.Series) -> pd.Series:
    """Mark where persons are not males and females together, but for rounding."""
    found: pd.Series = (persons - both).abs() > 2 + _ROUNDING * both
    return found


def _first(wide: pd.DataFrame, wrong: pd.Series) -> tuple[str, int]:
    """Give age and year of the first wrong row."""
    row = wide[wrong].reset_index().iloc[0]
    return str(row["age"]), int(row["year"])


def _array(
    tidy: pd.DataFrame, path: str | PathLike[str], area: str | Sequence[str] | None
) -> xr.DataArray:
    """Add areas up and name the dimensions; a hole is an error."""
    by_area = tidy.pivot_table(values="value", index="age", columns=["area", "year"], aggfunc="sum")
    every = pd.MultiIndex.from_product(
        [sorted(set(tidy["area"])), sorted(set(tidy["year"]))], names=["area", "year"]
    )
    by_area = by_area.reindex(columns=every).loc[sorted(by_area.index, key=_order)]
    holes = by_area.isna().to_numpy()
    if holes.any():
        row, column = next(zip(*holes.nonzero(), strict=True))
        place, year = every[column]
        msg = (
            f"{path}: lacks age '{by_area.index[row]}' in {year} for {place or 'its area'}, one of "
            f"{int(holes.sum())} holes; expected every age in every year: choose with ages=[...] "
            "or years=[...]"
        )
        raise MtfsError(msg)
    table = by_area.T.groupby(level="year").sum().T
    wanted = [area] if isinstance(area, str) else area
    return xr.DataArray(
        table.to_numpy(float),
        coords={"age": [str(label) for label in table.index], "year": table.columns.to_numpy(int)},
        dims=("age", "year"),
        name="population",
        attrs={
            "units": "people",
            "long_name": "population",
            "reference": "mid-year, 30 June",
            "area": ", ".join(wanted or sorted(set(map(str, tidy["area"])))),
        },
    )
