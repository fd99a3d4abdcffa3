"""Reading history by council and year from a long CSV file."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr

from mtfs.vocabulary import MtfsError, PlanWarning, listing, suggest, year_label, year_start

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

YearIs = Literal["label", "ending", "starting"]
_WHOLE = re.compile(r"((?:19|20)\d{2})(?:\.0+)?")
_THOUSANDS = r"-?\d{1,3}(,\d{3})+(\.\d+)?"
_LEAP = 3.0  # times: beyond what children in care, plans or spend of England's councils ever did
_SHOWN = 3  # lines that a message names


def load_history(
    path: str | PathLike[str],
    *,
    measure: str | None = None,
    year_is: YearIs = "label",
    council: str = "council",
    year: str = "year",
    value: str = "value",
    measures: str = "measure",
    where: Mapping[str, str] | None = None,
    add_up: str | None = None,
    missing: Sequence[str] = (),
) -> xr.DataArray:
    """Read one measure of many councils and years from a long CSV file.

    The file has a row for every council and year, and where it holds several measures a column that
    names them.

    Parameters
    ----------
    path
        The file; ``.gz`` and ``.zip`` will do.
    measure
        Which measure is read; it may be left out where the file has no column of measures, or one
        measure.
    year_is
        How the year is written: ``"label"`` is "2024/25", ``"ending"`` the calendar year in which
        the financial year ends (2025: the year to 31 March 2025, or a count in January 2025),
        ``"starting"`` the one in which it starts.
    council, year, value, measures
        Names of the columns.
    where
        Rows that are read, by column, such as ``{"basis": "outturn"}``.
    add_up
        A column whose rows are summed within council and year, such as the codes of councils before
        and after they merged. Unless given, two rows of one council and year are an error. The sum
        is missing where a part is missing, or has rows before and after that year and none in it.
    missing
        What is written where a figure is not published, such as ``("c", "x")``; an empty cell
        always is.

    Returns
    -------
    xarray.DataArray
        Dimensions ``(council, year)``, councils in order and the years in a row, "2024/25"; missing
        where the file has no figure. Its name is the measure.

    Raises
    ------
    MtfsError
        When a column is missing, no row is of the measure, a value is no number or a year no year
        (with the line), or a council and year come twice.
    """
    if year_is not in get_args(YearIs):
        msg = f"year_is is {year_is!r}; expected {', '.join(get_args(YearIs))}"
        raise MtfsError(msg)
    rows: Any = where or {}
    if not isinstance(rows, Mapping):
        msg = f"where is {where!r}; expected words by column, such as {{'basis': 'outturn'}}"
        raise MtfsError(msg)
    table = _read(path)
    table = _of_measure(table, measure, measures, path)
    for column, wanted in rows.items():
        table = _chosen(table, column, wanted, path)
    _require_columns(table, [council, year, value, *([add_up] if add_up else [])], path)
    names = _filled(table, council, path)
    tidy = pd.DataFrame(
        {
            "council": names,
            "year": _starts(table[year], year_is, path),
            "value": _numbers(table[value], missing, path),
            "part": table[add_up] if add_up else names,
        }
    )
    _require_once(tidy, add_up, path, table, {council, year, value})
    levels = _summed(tidy) if add_up else tidy.set_index(["council", "year"])["value"]
    years = range(tidy["year"].min(), tidy["year"].max() + 1)
    councils = sorted(set(tidy["council"]))
    every = pd.MultiIndex.from_product([councils, years], names=["council", "year"])
    wide = levels.reindex(every).to_numpy(float).reshape(len(councils), len(years))
    kinds = list(table["unit"].unique()) if "unit" in table.columns else []
    if len(kinds) > 1:
        msg = (
            f"{path}: column 'unit' holds {listing(kinds)}; choose one with "
            f"where={{'unit': '{kinds[0]}'}}"
        )
        raise MtfsError(msg)
    found = xr.DataArray(
        wide,
        {"council": councils, "year": [year_label(each) for each in years]},
        ("council", "year"),
        name=measure or _only(table, measures) or value,
        attrs={"units": str(kinds[0])} if len(kinds) == 1 else {},
    )
    if found.isnull().all():  # noqa: PD003 - xarray's
        msg = f"{path}: no row read has a number in column '{value}'"
        raise MtfsError(msg)
    _warn_of_leaps(found, path)
    return found


def _warn_of_leaps(levels: xr.DataArray, path: str | PathLike[str]) -> None:
    """Point out levels that are many times those of the year before, or a small part of them."""
    before, after = levels.to_numpy()[:, :-1], levels.to_numpy()[:, 1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        steep = np.maximum(after / before, before / after)
    places = np.argwhere((steep > _LEAP) & np.isfinite(steep))
    if not len(places):
        return
    councils, years = levels["council"].to_numpy(), levels["year"].to_numpy()[1:]
    said = [
        f"{councils[at]}, {years[then]}: {after[at, then]:,g} after {before[at, then]:,g}"
        for at, then in places[:_SHOWN].tolist()
    ]
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    warnings.warn(
        f"{path}: {'; '.join(said)}{more}. A slip, another unit, or a break to be declared?",
        PlanWarning,
        stacklevel=3,
    )


def _read(path: str | PathLike[str]) -> pd.DataFrame:
    given: Any = path
    if not isinstance(given, str | os.PathLike):
        msg = f"found a {type(given).__name__}; expected the path of a CSV file"
        raise MtfsError(msg)
    try:
        table = pd.read_csv(
            path,
            header=None,  # so that a row of more cells than the header has is seen
            index_col=False,
            dtype=str,
            encoding="utf-8-sig",
            skipinitialspace=True,
            keep_default_na=False,
            skip_blank_lines=False,
        )
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror or error}"
        raise MtfsError(msg) from None
    except pd.errors.ParserError as error:
        found = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        msg = f"{path}: a row has more cells than the header: {found}"
        raise MtfsError(msg) from None
    except (UnicodeDecodeError, pd.errors.EmptyDataError) as error:
        msg = f"{path}: is no CSV file: {error}. A workbook has to be saved as CSV first"
        raise MtfsError(msg) from None
    table = table.fillna("").apply(lambda column: column.str.strip())
    table.index = table.index + 1  # lines of the file
    nameless = (table.iloc[0] == "").to_numpy()
    if (stray := (table.loc[:, nameless] != "").any(axis=1)).any():
        msg = f"{path}, {_lines(stray)}: holds more cells than the header has names"
        raise MtfsError(msg)
    table = table.loc[:, ~nameless]
    table.columns = pd.Index(table.iloc[0])
    if not table.columns.is_unique:
        twice = listing(sorted(set(table.columns[table.columns.duplicated()])))
        msg = f"{path}, line 1: has two columns {twice}; rename one"
        raise MtfsError(msg)
    held: pd.DataFrame = table.loc[(table != "").any(axis=1)].iloc[1:]
    if held.empty:
        msg = f"{path}: holds no rows"
        raise MtfsError(msg)
    return held


def _require_columns(table: pd.DataFrame, wanted: Sequence[str], path: str | PathLike[str]) -> None:
    for name in wanted:
        if name not in table.columns:
            msg = (
                f"{path}: has no column '{name}'.{suggest(name, table.columns)} Its columns are: "
                f"{listing(table.columns)}. Say which holds what with council=, year=, value=, "
                f"measures= and add_up={_WIDE if _wide(table.columns) else ''}"
            )
            raise MtfsError(msg)


_WIDE = (
    ". It seems to have a column for every year; expected a row for every council and year: "
    "pandas' melt makes them"
)


def _wide(columns: pd.Index[str]) -> bool:
    """Whether columns are years."""
    return sum(bool(re.match(r"(19|20)\d{2}\b", str(name))) for name in columns) > 1


def _chosen(
    table: pd.DataFrame, column: str, wanted: str, path: str | PathLike[str]
) -> pd.DataFrame:
    """Keep the rows that hold one word in a column."""
    _require_columns(table, [column], path)
    found = table[table[column] == wanted]
    if found.empty:
        held = table[column].unique()
        msg = (
            f"{path}: column '{column}' holds no '{wanted}'.{suggest(wanted, held)} It holds: "
            f"{listing(held)}"
        )
        raise MtfsError(msg)
    return found


def _of_measure(
    table: pd.DataFrame, measure: str | None, measures: str, path: str | PathLike[str]
) -> pd.DataFrame:
    if measure is not None:
        return _chosen(table, measures, measure, path)
    if measures in table.columns and len(table[measures].unique()) > 1:
        msg = (
            f"{path}: holds {len(table[measures].unique())} measures; choose with measure=...: "
            f"{listing(table[measures].unique())}"
        )
        raise MtfsError(msg)
    return table


def _only(table: pd.DataFrame, measures: str) -> str | None:
    return str(table[measures].iloc[0]) if measures in table.columns else None


def _filled(table: pd.DataFrame, column: str, path: str | PathLike[str]) -> pd.Series:
    if (empty := table[column] == "").any():
        msg = f"{path}, {_lines(empty)}: column '{column}' is empty; expected a name or code"
        raise MtfsError(msg)
    return table[column]


def _lines(wrong: pd.Series) -> str:
    held = [str(line) for line in wrong.index[wrong]]
    more = f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else ""
    return f"line{'s' if len(held) > 1 else ''} {', '.join(held[:_SHOWN])}{more}"


def _starts(given: pd.Series, year_is: YearIs, path: str | PathLike[str]) -> pd.Series:
    """Give the calendar year in which each row's financial year starts."""
    found = {}
    for text in given.unique():
        line = given.index[given == text][0]
        whole = _WHOLE.fullmatch(text)
        if year_is == "label":
            try:
                found[text] = year_start(text)
            except MtfsError as error:
                hint = (
                    "; where the column holds calendar years, say whether the financial year ends "
                    "or starts in them: year_is='ending' or 'starting'"
                    if whole
                    else ""
                )
                msg = f"{path}, line {line}: {error}{hint}"
                raise MtfsError(msg) from None
        elif whole is None:
            msg = f"{path}, line {line}: found year {text!r}; expected a calendar year such as 2025"
            raise MtfsError(msg)
        else:
            found[text] = int(whole[1]) - (year_is == "ending")
    return given.map(found)


def _numbers(given: pd.Series, missing: Sequence[str], path: str | PathLike[str]) -> pd.Series:
    """Read the values; what is not published is missing."""
    absent = given.isin(["", *missing])
    thousands = given.str.fullmatch(_THOUSANDS)
    plain = given.where(~thousands, given.str.replace(",", ""))
    found = pd.to_numeric(plain, errors="coerce").where(~absent)
    wrong = ~absent & ~np.isfinite(found)
    if wrong.any():
        line = wrong.index[wrong][0]
        hint = (
            "Write digits only: no sign of a currency, unit, percentage or decimal comma"
            if re.search(r"\d", given[line])
            else f"Where it means that nothing is published, say so: missing=({given[line]!r},)"
        )
        msg = (
            f"{path}, {_lines(wrong)}: found {given[line]!r} as a value; expected a number such as "
            f"1500, 1,500 or 0.5. {hint}"
        )
        raise MtfsError(msg)
    return found


def _require_once(
    tidy: pd.DataFrame,
    add_up: str | None,
    path: str | PathLike[str],
    table: pd.DataFrame,
    known: set[str],
) -> None:
    twice = tidy.duplicated(["council", "year", "part"], keep=False)
    if twice.any():
        row = tidy[twice].iloc[0]
        same = twice & (tidy[["council", "year", "part"]] == row[["council", "year", "part"]]).all(
            axis=1
        )
        apart = [
            name
            for name in table.columns[table.loc[same].nunique().to_numpy() > 1]
            if name not in known
        ]
        hint = (
            f"their '{add_up}' is the same too; keep one row each"
            if add_up
            else "keep one row each"
            + (
                f". They differ in {listing(apart)}: choose with where={{...}}, or, where they are "
                "counts or money of parts of one council, sum them with add_up="
                if apart
                else ""
            )
        )
        others = int(twice.sum() - same.sum())
        msg = (
            f"{path}, {_lines(same)}: council '{row['council']}' has year "
            f"{year_label(int(row['year']))} more than once"
            + (f", as have {others} other rows" if others else "")
            + f"; {hint}"
        )
        raise MtfsError(msg)


def _summed(tidy: pd.DataFrame) -> pd.Series:
    """Add up the parts of each council and year."""
    total = tidy.groupby(["council", "year"])["value"].agg(lambda held: held.sum(skipna=False))
    spans = tidy.groupby(["council", "part"])["year"].agg(["min", "max"])
    present = set(map(tuple, tidy[["council", "part", "year"]].to_numpy()))
    for (name, part), (first, last) in zip(spans.index, spans.to_numpy(), strict=True):
        for each in range(first, last + 1):
            if (name, part, each) not in present and (name, each) in total.index:
                total[name, each] = np.nan
    return total
