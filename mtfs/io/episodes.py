"""Reading the SSDA903 return: episodes of children in care, in either CSV layout."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from mtfs.flows.episodes import Episodes, make_episodes
from mtfs.vocabulary import MtfsError, listing

if TYPE_CHECKING:
    from os import PathLike

_EPISODES = ("CHILD", "DECOM", "DEC", "RNE", "LS", "PLACE", "PLACE_PROVIDER")
_HEADER = ("CHILD", "DOB")
_UASC = ("CHILD", "DUC")
_COUNCIL = ("COUNCIL", "LA", "LA_NAME", "LA_CODE", "LOCAL_AUTHORITY")
_ISO, _DAY_FIRST = "%Y-%m-%d", "%d/%m/%Y"
_LOOKS = {
    _ISO: r"\d{4}-\d{1,2}-\d{1,2}(?:[ T]00:00(?::00)?)?",
    _DAY_FIRST: r"\d{1,2}/\d{1,2}/\d{4}",
}
_MOST = 3  # wrong lines that are shown


@dataclass(frozen=True)
class _File:
    """One CSV file, its columns in capitals, and what it holds."""

    path: Path
    rows: pd.DataFrame
    kind: str


def load_episodes(path: str | PathLike[str], *, council: str = "the council") -> Episodes:
    """Read SSDA903 returns and make their episodes of care consistent.

    Parameters
    ----------
    path
        A folder of returns (``2020-episodes.csv``, ``2020-header.csv``, ``2020-uasc.csv`` and so
        on, or a folder a year), or one CSV file of episodes. Which file is which is told by its
        columns. Episodes have CHILD, DECOM, DEC, RNE, LS, PLACE and PLACE_PROVIDER; the header
        CHILD and DOB (which may stand in the episodes' file); unaccompanied asylum-seeking children
        are those listed with a DUC. Dates are dd/mm/yyyy or ISO, one way in each file. A column
        COUNCIL, LA, LA_NAME, LA_CODE or LOCAL_AUTHORITY names the council.
    council
        Its name, where the files have no such column.

    Returns
    -------
    Episodes
        With a report of every row that was left out or changed, by reason: see
        :mod:`mtfs.flows.episodes` for the rules.

    Raises
    ------
    MtfsError
        When a file is no such return, a column is missing, or a date cannot be read or lies in the
        future: with file and line.
    """
    source = Path(path)
    if not source.exists():
        msg = f"{source}: there is no such file or folder"
        raise MtfsError(msg)
    files = [_read(each) for each in _files(source)]
    episodes = [each for each in files if each.kind == "episodes"]
    if not episodes:
        msg = (
            f"{source}: holds no episodes of care: no CSV file has the columns {listing(_EPISODES)}"
        )
        raise MtfsError(msg)
    rows = pd.concat([_episode_rows(each, council) for each in episodes], ignore_index=True)
    return make_episodes(_with_children(rows, files, council))


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
        rows = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        msg = f"{path}: is not a CSV file in UTF-8: {error}"
        raise MtfsError(msg) from None
    rows.columns = [str(name).strip().upper() for name in rows.columns]
    held = set(rows.columns)
    kind = "other"
    if "DECOM" in held:
        kind = "episodes"
        _require(path, held, _EPISODES)
    elif "DUC" in held:
        kind = "uasc"
        _require(path, held, _UASC)
    elif "DOB" in held:
        kind = "header"
        _require(path, held, _HEADER)
    return _File(path, rows.apply(lambda column: column.str.strip()), kind)


def _require(path: Path, held: set[str], needed: Iterable[str]) -> None:
    if missing := [name for name in needed if name not in held]:
        msg = (
            f"{path}: lacks the columns {listing(missing)}; an SSDA903 file of its kind has "
            f"{listing(needed)}, and this one {listing(held)}"
        )
        raise MtfsError(msg)


def _councils(file: _File, council: str) -> pd.Series:
    named = [name for name in _COUNCIL if name in file.rows.columns]
    if not named:
        return pd.Series(council, index=file.rows.index)
    found = file.rows[named[0]]
    _refuse(file, found == "", f"column '{named[0]}' names no council")
    return found


def _refuse(file: _File, wrong: pd.Series, what: str) -> None:
    """Answer wrong rows with their lines."""
    if wrong.any():
        lines = [str(number + 2) for number in wrong[wrong].index]
        more = f" and {len(lines) - _MOST:,} more" if len(lines) > _MOST else ""
        msg = f"{file.path}, line {', '.join(lines[:_MOST])}{more}: {what}"
        raise MtfsError(msg)


def _dates(file: _File, column: str, *, needed: bool) -> pd.Series:
    """Read one column of dates, all written in one way and none in the future."""
    text = file.rows[column]
    given = text != ""
    if needed:
        _refuse(file, ~given, f"column '{column}' is empty; expected a date")
    ways = {way: text.str.fullmatch(pattern) & given for way, pattern in _LOOKS.items()}
    used = [way for way, fits in ways.items() if fits.any()]
    if len(used) > 1:
        few = min(used, key=lambda way: int(ways[way].sum()))
        _refuse(
            file, ways[few], f"column '{column}' holds dates in two ways, yyyy-mm-dd and dd/mm/yyyy"
        )
    way = used[0] if used else _ISO
    plain = text.str.slice(0, 10) if way == _ISO else text
    found = pd.to_datetime(plain.where(given), format=way, errors="coerce")
    wrong = given & found.isna()
    if wrong.any():
        example = text[wrong].iloc[0]
        _refuse(
            file, wrong, f"column '{column}' holds '{example}'; expected dd/mm/yyyy or yyyy-mm-dd"
        )
    late = found > pd.Timestamp(date.today())  # noqa: DTZ011 - dates of returns have no zone
    if late.any():
        _refuse(file, late, f"column '{column}' holds {text[late].iloc[0]}, which is in the future")
    return found


def _episode_rows(file: _File, council: str) -> pd.DataFrame:
    rows = file.rows
    _refuse(file, rows["CHILD"] == "", "column 'CHILD' is empty")
    start = _dates(file, "DECOM", needed=True)
    close = pd.Timestamp(start.max().year, 3, 31)
    year_end = close if start.max() <= close else close + pd.DateOffset(years=1)
    found = pd.DataFrame(
        {
            "council": _councils(file, council),
            "child": rows["CHILD"],
            "start": start,
            "end": _dates(file, "DEC", needed=False),
            "place": rows["PLACE"].str.upper(),
            "provider": rows["PLACE_PROVIDER"].str.upper(),
            "status": rows["LS"].str.upper(),
            "reason": rows["RNE"].str.upper(),
            "file": file.path.name,
            "line": rows.index + 2,
            "year_end": year_end,
        }
    )
    if "DOB" in rows.columns:
        found["born"] = _dates(file, "DOB", needed=False)
    return found


def _with_children(rows: pd.DataFrame, files: list[_File], council: str) -> pd.DataFrame:
    """Add dates of birth, and who is an unaccompanied asylum-seeking child."""
    key = ["council", "child"]
    headers = [
        pd.DataFrame(
            {
                "council": _councils(each, council),
                "child": each.rows["CHILD"],
                "born": _dates(each, "DOB", needed=False),
                "file": each.path.name,
                "line": each.rows.index + 2,
            }
        )
        for each in files
        if each.kind == "header"
    ]
    if headers:
        born = pd.concat(headers).dropna(subset="born").drop_duplicates([*key, "born"])
        twice = born[born.duplicated(key, keep=False)].sort_values(key)
        if len(twice):
            one, other = (row for _, row in twice.head(2).iterrows())
            msg = (
                f"{other['file']}, line {other['line']}: child {other['child']} was born on "
                f"{other['born']:%d/%m/%Y}, but on {one['born']:%d/%m/%Y} in {one['file']}, line "
                f"{one['line']}; expected one date of birth"
            )
            raise MtfsError(msg)
        rows = rows.drop(columns="born", errors="ignore")
        rows = rows.merge(born[[*key, "born"]], on=key, how="left")
    elif "born" not in rows.columns:
        msg = (
            "no file gives dates of birth: expected a header with the columns CHILD and DOB beside "
            "the episodes"
        )
        raise MtfsError(msg)
    listed = [
        pd.DataFrame({"council": _councils(each, council), "child": each.rows["CHILD"]})[
            each.rows["DUC"] != ""
        ]
        for each in files
        if "DUC" in each.rows.columns
    ]
    if not listed:
        return rows.assign(uasc=False)
    unaccompanied = pd.MultiIndex.from_frame(pd.concat(listed))
    return rows.assign(uasc=pd.MultiIndex.from_frame(rows[key]).isin(unaccompanied))
