"""Reading the SSDA903 return: episodes of children in care, in either CSV layout."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from mtfs.flows.episodes import Episodes, make_episodes
from mtfs.vocabulary import MtfsError, listing

if TYPE_CHECKING:
    from os import PathLike

_EPISODES = ("CHILD", "DECOM", "DEC", "RNE", "LS", "PLACE", "PLACE_PROVIDER")
_HEADER = ("CHILD", "DOB")
_UASC = ("CHILD", "DUC")
_NAMED = {"episodes": _EPISODES, "header": _HEADER, "uasc": _UASC}
_COUNCIL = ("COUNCIL", "LA", "LA_NAME", "LA_CODE", "LOCAL_AUTHORITY")
_DATES = ("DECOM", "DEC", "DOB", "DUC")
_READ = {*_EPISODES, *_HEADER, *_UASC, *_COUNCIL, "UASC", "YEAR"}
_OF_A_HEADER = {"ETHNIC", "UPN", "MOTHER"}
_ISO, _DAY_FIRST = "%Y-%m-%d", "%d/%m/%Y"
_LOOKS = {
    _ISO: r"\d{4}-\d{1,2}-\d{1,2}(?:[ T]00:00(?::00)?)?",
    _DAY_FIRST: r"\d{1,2}/\d{1,2}/\d{4}",
}
_YES, _NO = ("1", "Y", "YES", "T", "TRUE"), ("", "0", "N", "NO", "F", "FALSE")
_LABEL = re.compile(r"(?<!\d)((?:19|20)\d{2})(?:[-_/ ]((?:20)?\d{2}))?(?!\d)")
_YEARS = (1900, 2199)  # others are misspelt
_MOST = 3  # wrong lines that are shown
_DAY, _YEAR = pd.Timedelta(days=1), pd.DateOffset(years=1)


@dataclass(frozen=True)
class _File:
    """One CSV file, its columns in capitals, and what it holds."""

    path: Path
    rows: pd.DataFrame
    kind: str
    way: str
    """how its dates are written"""
    council: str = ""
    """whose it is, where it has no column that says so"""

    @property
    def names_council(self) -> bool:
        return any(name in self.rows.columns for name in _COUNCIL)


def load_episodes(
    path: str | PathLike[str],
    *,
    council: str = "the council",
    as_of: str | date | None = None,
) -> Episodes:
    """Read SSDA903 returns and make their episodes of care consistent.

    Which file is which is told by its columns; those of no use here are passed over. Episodes have
    CHILD, DECOM, DEC, RNE, LS, PLACE and PLACE_PROVIDER. A header has CHILD and DOB; these may
    stand in the episodes' file. Unaccompanied asylum-seeking children are those of a file with DUC
    (the date the status ceased, blank while it has not), those with a DUC in another file, and
    those whom a column UASC says so of. Dates are dd/mm/yyyy or ISO, one way in each file. A column
    COUNCIL, LA, LA_NAME, LA_CODE or LOCAL_AUTHORITY names the council.

    The year of a return stands in the name of its file or folder, or in a column YEAR. A single
    year may be the one a return begins or ends in: the dates on which episodes end show which, for
    all returns alike.

    Parameters
    ----------
    path
        A folder of returns (``2020-episodes.csv``, ``2020-header.csv``, ``2020-uasc.csv`` and so
        on, or a folder a year), or one CSV file of episodes; a header and list of UASC whose names
        differ from it in that word alone are read with it.
    council
        Its name, where the files have no such column.
    as_of
        The day up to which the last return knows what happened: 31 March of its year unless given;
        where no year is named, the latest date among the episodes.

    Returns
    -------
    Episodes
        With a report of every row that was left out or changed, by reason: see
        :mod:`mtfs.flows.episodes` for the rules.

    Raises
    ------
    MtfsError
        When a file is no such return, a column is missing, a date cannot be read or lies after the
        year of its return, or a year is missing between others: with file and line.
    """
    source = Path(path)
    if not source.exists():
        msg = f"{source}: there is no such file or folder"
        raise MtfsError(msg)
    files = [_read(each) for each in _files(source)]
    if not any(each.kind == "episodes" for each in files):
        msg = (
            f"{source}: holds no episodes of care: no CSV file has the columns {listing(_EPISODES)}"
        )
        raise MtfsError(msg)
    files = _of_councils([each for each in files if each.kind != "other"], council)
    episodes = [each for each in files if each.kind == "episodes"]
    rows = pd.concat([_episode_rows(each) for each in episodes], ignore_index=True)
    if rows.empty:
        msg = f"{source}: no episode stands under the columns {listing(_EPISODES)}"
        raise MtfsError(msg)
    rows = _dated(rows, None if as_of is None else _day(as_of))
    return make_episodes(_with_uasc(_with_birth(rows, files), files))


def _day(text: str | date) -> pd.Timestamp:
    try:
        return pd.Timestamp(date.fromisoformat(text) if isinstance(text, str) else text)
    except ValueError:
        msg = f"'as_of' is '{text}'; expected a day such as 2026-03-31"
        raise MtfsError(msg) from None


def _files(source: Path) -> list[Path]:
    if source.is_file():
        beside = re.sub("episodes?", "*", source.name, flags=re.IGNORECASE)
        others = source.parent.glob(beside) if beside != source.name else ()
        wanted = re.compile(r"header|uasc", re.IGNORECASE)
        return [source, *(sorted(each for each in others if wanted.search(each.name)))]
    return sorted(each for each in source.rglob("*") if each.suffix.lower() == ".csv")


def _read(path: Path) -> _File:
    """Read one file and tell what it holds."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = csv.reader(StringIO(text), strict=True)
        held = [name.strip().upper() for name in next(lines, [])]
        kind = _kind(path, set(held))
        if kind == "other" and held:
            return _File(path, pd.DataFrame(), kind, _ISO)
        _require_even(path, held, lines)
        # no line is skipped, so that lines can be told from positions
        rows = pd.read_csv(StringIO(text), dtype=str, na_filter=False, skip_blank_lines=False)
    except (UnicodeDecodeError, csv.Error, pd.errors.EmptyDataError) as error:
        msg = f"{path}: is not a CSV file in UTF-8: {str(error).strip()}; save it as 'CSV UTF-8'"
        raise MtfsError(msg) from None
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror or error}"
        raise MtfsError(msg) from None
    rows = rows.set_axis(held, axis=1).loc[:, [name in _READ for name in held]]
    rows = pd.DataFrame({name: _distinct(rows[name], "strip") for name in rows.columns})
    rows = rows[(rows != "").any(axis=1)]
    return _File(path, rows, kind, _way(path, rows))


def _require_even(path: Path, held: Sequence[str], lines: Iterable[list[str]]) -> None:
    """Refuse two columns of one name, and lines of other lengths."""
    for name in sorted(_READ):
        if held.count(name) > 1:
            msg = f"{path}: has {held.count(name)} columns named {name}; expected one"
            raise MtfsError(msg)
    for line, fields in enumerate(lines, start=2):
        if fields and len(fields) != len(held):
            msg = f"{path}, line {line}: has {len(fields)} fields, and the file {len(held)} columns"
            raise MtfsError(msg)


def _distinct(text: pd.Series, change: Literal["strip", "upper"]) -> pd.Series:
    """Change texts, those that come again and again once."""
    codes, single = pd.factorize(text)
    changed = getattr(pd.Series(single, dtype=str).str, change)().to_numpy(object)
    return pd.Series(changed[codes], index=text.index)


def _kind(path: Path, held: set[str]) -> str:
    """Tell what a file holds by its columns; what it is called is not passed over."""
    kind = "other"
    if "DECOM" in held:
        kind = "episodes"
    elif "DUC" in held and not held & _OF_A_HEADER:
        kind = "uasc"
    elif "DOB" in held:
        kind = "header"
    if kind != "other":
        _require(path, held, _NAMED[kind])
    name = path.name.lower()
    called = [] if "missing" in name else [each for each in _NAMED if each.rstrip("s") in name]
    if len(called) == 1 and called[0] != kind:  # a column may be misspelt
        _require(path, held, _NAMED[called[0]])
    return kind


def _require(path: Path, held: set[str], needed: Iterable[str]) -> None:
    if missing := [name for name in needed if name not in held]:
        msg = (
            f"{path}: lacks the columns {listing(missing)}; an SSDA903 file of its kind has "
            f"{listing(needed)}, and this one {listing(held)}"
        )
        raise MtfsError(msg)


def _way(path: Path, rows: pd.DataFrame) -> str:
    """Tell how a file's dates are written: in one way."""
    lines: dict[str, int] = {}
    for name in _DATES:
        if name in rows.columns:
            text = rows[name].drop_duplicates()
            for way, pattern in _LOOKS.items():
                if len(found := text[text.str.fullmatch(pattern)]):
                    lines[way] = min(lines.get(way, int(found.index[0])), int(found.index[0]))
    if len(lines) > 1:
        msg = (
            f"{path}: dates are written in two ways, yyyy-mm-dd on line {lines[_ISO] + 2} and "
            f"dd/mm/yyyy on line {lines[_DAY_FIRST] + 2}; write them in one"
        )
        raise MtfsError(msg)
    return next(iter(lines), _ISO)


def _of_councils(files: list[_File], council: str) -> list[_File]:
    """Say whose the files are that name no council: the one that others name, or ``council``."""
    named = {name for each in files if each.names_council for name in _councils(each).unique()}
    if len(named) > 1 and (without := [each for each in files if not each.names_council]):
        msg = (
            f"{without[0].path}: has no column for the council, and other files are of several: "
            f"{listing(named)}; expected one of {listing(_COUNCIL)}"
        )
        raise MtfsError(msg)
    return [replace(each, council=next(iter(named), council)) for each in files]


def _councils(file: _File) -> pd.Series:
    named = [name for name in _COUNCIL if name in file.rows.columns]
    if not named:
        return pd.Series(file.council, index=file.rows.index)
    found = file.rows[named[0]]
    _refuse(file, found == "", f"column '{named[0]}' names no council")
    return found


def _refuse(file: _File, wrong: pd.Series, what: str) -> None:
    """Answer wrong rows with their lines."""
    if wrong.any():
        raise MtfsError(f"{file.path}, {_lines(wrong[wrong].index + 2)}: {what}")


def _lines(numbers: Iterable[int]) -> str:
    held = [str(number) for number in numbers]
    more = f" and {len(held) - _MOST:,} more" if len(held) > _MOST else ""
    return f"line {', '.join(held[:_MOST])}{more}"


def _dates(file: _File, column: str, *, needed: bool = False) -> pd.Series:
    """Read one column of dates."""
    text = file.rows[column]
    if needed:
        _refuse(file, text == "", f"column '{column}' is empty; expected a date")
    codes, single = pd.factorize(text)  # dates come again and again
    held = pd.Series(single, dtype=str)
    plain = held.where(held.str.fullmatch(_LOOKS[file.way]) & (held != ""))
    if file.way == _ISO:
        plain = plain.str.slice(0, 10)
    read = pd.to_datetime(plain, format=file.way, errors="coerce")
    days = read.where(read.dt.year.between(*_YEARS)).to_numpy("datetime64[ns]")
    found = pd.Series(days[codes], index=text.index)
    wrong = (text != "") & found.isna()
    if wrong.any():
        example = text[wrong].iloc[0]
        _refuse(
            file, wrong, f"column '{column}' holds '{example}'; expected dd/mm/yyyy or yyyy-mm-dd"
        )
    return found


def _labels(file: _File) -> pd.DataFrame:
    """Give the year of each row's return, and whether it is sure to be the one it ends in.

    ``2019-20`` ends in 2020; a single year may be either. 0 where there is none.
    """
    if "YEAR" in file.rows.columns:
        text = file.rows["YEAR"]
        read = {each: _year(each) for each in text.unique()}
        _refuse(file, text.map(lambda each: read[each][0] == 0), "column 'YEAR' holds no year")
        found = [read[each] for each in text]
    else:
        named = [_year(file.path.name), _year(file.path.parent.name)]
        found = [next((each for each in named if each[0]), (0, False))] * len(file.rows)
    return pd.DataFrame(found, columns=["label", "sure"], index=file.rows.index)


def _year(text: str) -> tuple[int, bool]:
    for match in _LABEL.finditer(text):
        year = int(match[1])
        both = match[2] is not None and int(match[2]) % 100 == (year + 1) % 100
        return (year + 1, True) if both else (year, False)
    return 0, False


def _episode_rows(file: _File) -> pd.DataFrame:
    rows = file.rows
    _refuse(file, rows["CHILD"] == "", "column 'CHILD' is empty")
    return pd.DataFrame(
        {
            "council": _councils(file),
            "child": rows["CHILD"],
            "start": _dates(file, "DECOM", needed=True),
            "end": _dates(file, "DEC"),
            "place": _distinct(rows["PLACE"], "upper"),
            "provider": _distinct(rows["PLACE_PROVIDER"], "upper"),
            "status": _distinct(rows["LS"], "upper"),
            "reason": _distinct(rows["RNE"], "upper"),
            "file": file.path.name,
            "line": rows.index + 2,
            **_labels(file),
        }
    )


def _dated(rows: pd.DataFrame, as_of: pd.Timestamp | None) -> pd.DataFrame:
    """Give each row the first and the last day of its return, and refuse dates beyond it."""
    unnamed = rows["label"] == 0
    if unnamed.any() and not unnamed.all():
        held, other = rows[unnamed].iloc[0], rows[~unnamed].iloc[0]
        msg = (
            f"{held['file']}: names no year, and {other['file']} does; name the year of every "
            "return in its file or folder, such as 2020-episodes.csv"
        )
        raise MtfsError(msg)
    if unnamed.all():
        today = pd.Timestamp(date.today())  # noqa: DTZ011 - dates of returns have no zone
        limit = today if as_of is None else as_of
        _refuse_late(rows.assign(year_end=limit), "today" if as_of is None else "'as_of'")
        known = rows[["start", "end"]].max().max() if as_of is None else as_of
        begins = rows["end"].min() if rows["end"].notna().any() else rows["start"].min()
        return rows.assign(year_start=begins, year_end=known)
    ends = rows["label"] + (~rows["sure"]).astype(int) * _begins_in_label(rows[~rows["sure"]])
    year_end = pd.to_datetime(ends.astype(str) + "-03-31", format=_ISO)
    rows = rows.assign(year_start=year_end - _YEAR + _DAY, year_end=year_end)
    if as_of is not None:
        latest = year_end.max()
        if not latest - _YEAR < as_of <= latest:
            msg = (
                f"'as_of' is {as_of:%Y-%m-%d}; the last return is of the year to {latest:%Y-%m-%d}"
            )
            raise MtfsError(msg)
        rows = rows.assign(year_end=year_end.where(year_end < latest, as_of))
    _refuse_late(rows, "the last day of its return")
    _refuse_missing_years(rows)
    today = pd.Timestamp(date.today())  # noqa: DTZ011 - dates of returns have no zone
    if (latest := rows["year_end"].max()) > today:
        ahead = rows.loc[rows["year_end"] == latest, "file"].iloc[0]
        msg = (
            f"{ahead}: its return is of the time to {latest:%Y-%m-%d}, which is in the future; say "
            "up to which day it knows what happened with as_of="
        )
        raise MtfsError(msg)
    return rows


def _begins_in_label(rows: pd.DataFrame) -> int:
    """Tell whether single years are those that returns begin in (1) or end in (0).

    A return holds episodes of which some part lies in its year, so it is its year that they end
    in.
    """
    for name in ("end", "start"):
        known = rows[name].notna()
        after = rows.loc[known, name] - _DAY  # the year's last day out of care is 1 April
        year = after.dt.year + (after.dt.month > 3)  # noqa: PLR2004 - March ends the year
        ahead = year - rows.loc[known, "label"]
        if (counts := ((ahead == 0).sum(), (ahead == 1).sum())) != (0, 0):
            return int(counts[1] > counts[0])
    return 0


def _refuse_late(rows: pd.DataFrame, limit: str) -> None:
    """Refuse dates after the return's last day; an end the day after leaves the child in care."""
    for name, column, grace in [("start", "DECOM", 0), ("end", "DEC", 1)]:
        late = rows[rows[name] > rows["year_end"] + grace * _DAY]
        if len(late):
            one = late.iloc[0]
            lines = _lines(late.loc[late["file"] == one["file"], "line"])
            msg = (
                f"{one['file']}, {lines}: column '{column}' holds {one[name]:%Y-%m-%d}, which is "
                f"in the future: after {limit}, {one['year_end']:%Y-%m-%d}"
            )
            raise MtfsError(msg)


def _refuse_missing_years(rows: pd.DataFrame) -> None:
    for council, years in rows.groupby("council")["year_end"]:
        held = sorted({each.year for each in years.drop_duplicates()})
        missing = sorted(set(range(held[0], held[-1])) - set(held))
        if missing:
            msg = (
                f"{council}: there are returns of the years to March {held[0]} and {held[-1]}, and "
                f"none of {', '.join(map(str, missing))}; what happened then is not known: load "
                "returns of years that follow each other"
            )
            raise MtfsError(msg)


def _with_birth(rows: pd.DataFrame, files: list[_File]) -> pd.DataFrame:
    """Add dates of birth: the latest return's, and another of an earlier one."""
    key = ["council", "child"]
    holding = [each for each in files if "DOB" in each.rows.columns and each.kind != "uasc"]
    if not holding:
        msg = (
            "no file gives dates of birth: expected a header with the columns CHILD and DOB beside "
            "the episodes"
        )
        raise MtfsError(msg)
    births = pd.concat([_births(each) for each in holding])
    births = births.drop_duplicates([*key, "label", "born"]).sort_values([*key, "label"])
    twice = births[births.duplicated([*key, "label"], keep=False)]
    if len(twice):
        one, other = (row for _, row in twice.head(2).iterrows())
        msg = (
            f"{other['file']}, line {other['line']}: child {other['child']} was born on "
            f"{other['born']:%d/%m/%Y}, but on {one['born']:%d/%m/%Y} in {one['file']}, line "
            f"{one['line']}; expected one date of birth"
        )
        raise MtfsError(msg)
    latest = births.drop_duplicates(key, keep="last").set_index(key)["born"]
    at = pd.MultiIndex.from_frame(rows[key])
    rows = rows.assign(born=latest.reindex(at).to_numpy())
    births["latest"] = latest.reindex(pd.MultiIndex.from_frame(births[key])).to_numpy()
    was = births[births["born"] != births["latest"]].drop_duplicates(key, keep="last")
    return rows.assign(born_was=was.set_index(key)["born"].reindex(at).to_numpy())


def _births(file: _File) -> pd.DataFrame:
    found = pd.DataFrame(
        {
            "council": _councils(file),
            "child": file.rows["CHILD"],
            "born": _dates(file, "DOB"),
            "file": file.path.name,
            "line": file.rows.index + 2,
            "label": _labels(file)["label"],
        }
    )
    return found.dropna(subset="born")


def _with_uasc(rows: pd.DataFrame, files: list[_File]) -> pd.DataFrame:
    """Add who is an unaccompanied asylum-seeking child, and when that ceased."""
    key = ["council", "child"]
    listed = [_unaccompanied(each) for each in files if {"DUC", "UASC"} & set(each.rows.columns)]
    if not listed:
        return rows.assign(uasc=False, uasc_until=np.datetime64("NaT", "ns"))
    until = pd.concat(listed).groupby(key)["until"].max()
    at = pd.MultiIndex.from_frame(rows[key])
    return rows.assign(uasc=at.isin(until.index), uasc_until=until.reindex(at).to_numpy())


def _unaccompanied(file: _File) -> pd.DataFrame:
    """List a file's unaccompanied asylum-seeking children."""
    rows = file.rows
    none = pd.Series(np.datetime64("NaT", "ns"), index=rows.index)
    until = _dates(file, "DUC") if "DUC" in rows.columns else none
    which = pd.Series(file.kind == "uasc", index=rows.index) | until.notna()
    if "UASC" in rows.columns:
        said = rows["UASC"].str.upper()
        unknown = ~said.isin((*_YES, *_NO))
        example = rows.loc[unknown, "UASC"].head(1).to_list()
        _refuse(file, unknown, f"column 'UASC' holds {example}; expected 1 or 0, Y or N")
        which = said.isin(_YES)
    found = pd.DataFrame({"council": _councils(file), "child": rows["CHILD"], "until": until})
    return found[which]
