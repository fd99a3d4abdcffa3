"""Episodes of care, made consistent by stated rules: what every row became is counted.

The rules, in this order:

1. Short breaks (legal status V3 or V4) are no continuous care and are left out.
2. Of rows that are the same in every respect one is kept.
3. Of rows of one child that begin on the same day the one of the latest return counts, and within a
   return the one that ends last: an episode open in one return is closed in a later one.
4. Episodes that end before they begin are left out, and those that end on the day they begin.
5. Episodes of children without a date of birth are left out, of children born after they begin, and
   of those who are 18 by then.
6. An episode that is open, or ends after the child's next one begins, ends where the next begins.
7. An episode that is open in a return, of a child of whom later returns know nothing, ends with the
   year of its return.
8. An episode that goes on beyond the eighteenth birthday ends on it, and so does the last of a
   child who leaves care in the week before: it leaves because it turns 18.

A period of care begins with an episode whose reason (RNE) is S, or after a day out of care. A child
is in care on the days from the beginning of an episode to the day before its end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mtfs.flows.states import ADULT
from mtfs.vocabulary import MtfsError

SHORT_BREAKS = ("V3", "V4")
COLUMNS = ("council", "child", "start", "end", "place", "provider", "status", "reason", "born")
_NEARLY = 7  # days: how near leaving care and turning 18 are recorded
_SHOWN = 3  # examples of what was left out or changed


@dataclass(frozen=True)
class Episodes:
    """Episodes of care of one or more councils."""

    table: pd.DataFrame
    """a row for every episode, by council, child and time: ``council``, ``child``, ``start``,
    ``end`` (missing while open), ``care_start`` (of the period of care), ``place`` and ``provider``
    (codes), ``born``, ``uasc``, ``last`` (whether the child leaves care with it)"""
    report: pd.DataFrame
    """what was left out or changed: ``reason``, ``rows``, ``left_out``, ``examples`` of lines"""
    first: pd.Timestamp
    """the first day the returns speak of"""
    latest: pd.Timestamp
    """the last day"""

    @property
    def councils(self) -> list[str]:
        """The councils there are."""
        return sorted(self.table["council"].unique())

    def __repr__(self) -> str:
        children = self.table.groupby(["council", "child"], observed=True).ngroups
        return (
            f"<Episodes {len(self.table):,} of {children:,} children, "
            f"{self.first:%Y-%m-%d} to {self.latest:%Y-%m-%d}; "
            f"{self.report['rows'].sum():,} rows left out or changed>"
        )


def birthday(born: pd.Series, years: int) -> pd.Series:
    """Give a birthday; someone born on 29 February has it on 1 March in common years."""
    month = born.to_numpy().astype("datetime64[M]")
    day = born.to_numpy().astype("datetime64[D]") - month.astype("datetime64[D]")
    found = (month + np.timedelta64(12 * years, "M")).astype("datetime64[D]") + day
    return pd.Series(found.astype("datetime64[ns]"), index=born.index)


class _Report:
    """What was left out or changed, by reason."""

    def __init__(self) -> None:
        self._rows: list[dict[str, object]] = []

    def note(self, rows: pd.DataFrame, reason: str, *, left_out: bool) -> None:
        """Note some rows."""
        if len(rows):
            places = (rows["file"].astype(str) + ", line " + rows["line"].astype(str)).head(_SHOWN)
            self._rows.append(
                {
                    "reason": reason,
                    "rows": len(rows),
                    "left_out": left_out,
                    "examples": "; ".join(places),
                }
            )

    def table(self) -> pd.DataFrame:
        """Give the report."""
        return pd.DataFrame(self._rows, columns=["reason", "rows", "left_out", "examples"])


def make_episodes(rows: pd.DataFrame) -> Episodes:
    """Make rows of one or more returns consistent.

    Parameters
    ----------
    rows
        ``council``, ``child``, ``start``, ``end`` (missing while open), ``place``, ``provider``,
        ``status`` (LS), ``reason`` (RNE), ``born``, ``uasc``, ``file``, ``line``, and
        ``year_end``, the last day of the return's year.

    Raises
    ------
    MtfsError
        When nothing is left.
    """
    report = _Report()
    first, latest = rows["start"].min(), rows["year_end"].max()
    kept = rows.sort_values(["council", "child", "start", "year_end", "end"], na_position="last")

    def leave_out(which: Callable[[pd.DataFrame], pd.Series], reason: str) -> None:
        nonlocal kept
        out = which(kept)
        report.note(kept[out], reason, left_out=True)
        kept = kept[~out]

    same = ["council", "child", "start", "end", "place", "provider", "status", "reason"]
    leave_out(lambda x: x["status"].isin(SHORT_BREAKS), "a short break (V3 or V4)")
    leave_out(lambda x: x.duplicated([*same, "year_end"]), "the same as another row of its return")
    key = ["council", "child", "start"]
    leave_out(
        lambda x: x.duplicated([*key, "year_end"], keep="last"),
        "begins on the day another episode of the child does, which ends later",
    )
    leave_out(lambda x: x.duplicated(key, keep="last"), "given again in a later return")
    leave_out(lambda x: x["end"] < x["start"], "ends before it begins")
    leave_out(lambda x: x["end"] == x["start"], "ends on the day it begins")
    leave_out(lambda x: x["born"].isna(), "no date of birth")
    leave_out(lambda x: x["born"] > x["start"], "the child is born after it begins")
    leave_out(lambda x: birthday(x["born"], ADULT) <= x["start"], "the child is 18 by then")
    if kept.empty:
        msg = "no episode of care is left; left out were: " + "; ".join(
            f"{row.rows} ({row.reason})" for row in report.table().itertuples()
        )
        raise MtfsError(msg)
    kept = _ended(kept.reset_index(drop=True), report, latest)
    return Episodes(_periods(kept, report), report.table(), first, latest)


def _ended(rows: pd.DataFrame, report: _Report, latest: pd.Timestamp) -> pd.DataFrame:
    """End episodes where the next begins, with their return's year, or at 18."""
    child = [rows["council"], rows["child"]]
    follows = rows.groupby(child, sort=False, observed=True)["start"].shift(-1)
    end = rows["end"].copy()
    for which, what in [
        (end.isna() & follows.notna(), "open, and ended where the child's next begins"),
        (end > follows, "ends after the child's next begins, and was cut there"),
    ]:
        report.note(rows[which], what, left_out=False)
        end = end.where(~which, follows)
    gone = end.isna() & (rows["year_end"] < latest)
    report.note(
        rows[gone],
        "open, of a child later returns do not know: ended with its year",
        left_out=False,
    )
    end = end.where(~gone, rows["year_end"] + pd.Timedelta(days=1))
    adult = birthday(rows["born"], ADULT)
    over = (end > adult) | (end.isna() & (adult <= latest))
    report.note(rows[over], "goes on beyond the 18th birthday, and was cut there", left_out=False)
    end = end.where(~over, adult)
    final = ~rows.duplicated(["council", "child"], keep="last")
    nearly = final & (end < adult) & (end >= adult - pd.Timedelta(days=_NEARLY))
    report.note(rows[nearly], "ends in the week before the 18th birthday: on it", left_out=False)
    return rows.assign(end=end.where(~nearly, adult))


def _periods(rows: pd.DataFrame, report: _Report) -> pd.DataFrame:
    """Say where each period of care begins, and with which episode the child leaves."""
    child = [rows["council"], rows["child"]]
    before = rows.groupby(child, sort=False, observed=True)["end"].shift(1)
    first = ~rows.duplicated(["council", "child"])
    begins = first | (before != rows["start"]) | (rows["reason"] == "S")
    report.note(
        rows[first & (rows["reason"] != "S")],
        "the first known of its child, and begins no period: time in care counts from it",
        left_out=False,
    )
    care_start = rows["start"].where(begins).ffill()
    last = begins.shift(-1, fill_value=True) & rows["end"].notna()
    columns = ["council", "child", "start", "end", "place", "provider", "born", "uasc"]
    return rows[[*columns, "file", "line"]].assign(care_start=care_start, last=last)
