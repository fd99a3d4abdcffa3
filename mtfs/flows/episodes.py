"""Episodes of care, made consistent by stated rules: what every row became is counted.

The rules, in this order:

1. Short breaks (legal status V3 or V4) are no continuous care and are left out.
2. Episodes that end before they begin are left out. Of rows that are the same in every respect one
   is kept.
3. Of rows of one child that begin on the same day the one of the latest return counts: an episode
   open in one return is closed in a later one. Within a return one that is closed replaces the
   open one of the same placement, and else the one that ends last counts, which an open one does.
   Episodes that end on the day they begin are left out.
4. Where returns differ about a date of birth, the latest counts. Episodes of children without one
   are left out, of children born after they begin, and of those who are 18 by then.
5. An episode that is open, or ends after the child's next one begins, ends where the next begins.
   So does one that ends the day before, unless the next begins a period of care.
6. An episode that is open in a return, of a child of whom the council's next return knows nothing,
   ends with the year of its return: the child is in care on the last day of that year.
7. An episode that goes on beyond the eighteenth birthday ends on it, and so does the last of a
   child who leaves care in the week before: it leaves because it turns 18.

A period of care begins with an episode whose reason (RNE) is S, or after a day out of care. A child
is in care on the days from the beginning of an episode to the day before its end. It is an
unaccompanied asylum-seeking child throughout a period that begins before that status ceases (DUC).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mtfs.flows.states import ADULT
from mtfs.vocabulary import MtfsError

SHORT_BREAKS = ("V3", "V4")
_NEARLY = 7  # days: how near leaving care and turning 18 are recorded
_SHOWN = 3  # examples of what was left out or changed
_DAY = pd.Timedelta(days=1)
_CHILD = ["council", "child"]


@dataclass(frozen=True)
class Episodes:
    """Episodes of care of one or more councils."""

    table: pd.DataFrame
    """a row for every episode, by council, child and time: ``council``, ``child``, ``start``,
    ``end`` (missing while open), ``care_start`` (of the period of care), ``began`` (whether the
    return says that the period begins there; where not, time in care is at least what it says),
    ``place`` and ``provider`` (codes), ``born``, ``uasc``, ``last`` (whether the child leaves care
    with it), and the ``file`` and ``line`` it comes from"""
    report: pd.DataFrame
    """what was left out or changed: ``reason``, ``rows``, ``left_out``, ``examples`` of lines. Rows
    left out and those of ``table`` are all rows there were"""
    spans: pd.DataFrame
    """the days the returns speak of, ``first`` and ``latest``, by council"""

    @property
    def councils(self) -> list[str]:
        """The councils there are."""
        return sorted(self.table["council"].unique())

    @property
    def first(self) -> pd.Timestamp:
        """The first day that the returns of any council speak of."""
        return pd.Timestamp(self.spans["first"].min())

    @property
    def latest(self) -> pd.Timestamp:
        """The last day."""
        return pd.Timestamp(self.spans["latest"].max())

    def __repr__(self) -> str:
        children = self.table.groupby(_CHILD, observed=True).ngroups
        return (
            f"<Episodes {len(self.table):,} of {children:,} children, "
            f"{self.first:%Y-%m-%d} to {self.latest:%Y-%m-%d}; "
            f"{self.report['rows'].sum():,} rows left out or changed>"
        )


def birthday(born: pd.Series, years: int) -> pd.Series:
    """Give a birthday; someone born on 29 February has it on 1 March in common years.

    Examples
    --------
    >>> import pandas as pd
    >>> birthday(pd.Series(pd.to_datetime(["2008-02-29"])), 18)[0]
    Timestamp('2026-03-01 00:00:00')
    """
    month = born.to_numpy().astype("datetime64[M]")
    day = born.to_numpy().astype("datetime64[D]") - month.astype("datetime64[D]")
    found = (month + np.timedelta64(12 * years, "M")).astype("datetime64[D]") + day
    return pd.Series(found.astype("datetime64[ns]"), index=born.index)


class _Report:
    """What was left out or changed, by reason."""

    def __init__(self) -> None:
        self._rows: list[dict[str, object]] = []

    def note(self, rows: pd.DataFrame, reason: str, *, left_out: bool = False) -> None:
        """Note some rows."""
        if len(rows):
            shown = rows.sort_values(["file", "line"]).head(_SHOWN)
            places = shown["file"].astype(str) + ", line " + shown["line"].astype(str)
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
        ``status`` (LS), ``reason`` (RNE), ``born``, ``born_was`` (another date of birth in an
        earlier return; missing if none), ``uasc``, ``uasc_until`` (DUC; missing if none), ``file``,
        ``line``, and ``year_start`` and ``year_end``, the first and last day its return speaks of.

    Raises
    ------
    MtfsError
        When nothing is left.
    """
    report = _Report()
    days = rows.groupby("council", observed=True)
    spans = pd.DataFrame({"first": days["year_start"].min(), "latest": days["year_end"].max()})
    # children by number, which sorts and compares faster than their names
    child = rows.groupby(_CHILD, observed=True).ngroup()
    kept = rows.assign(who=child, latest=days["year_end"].transform("max"), then=_next(rows))
    kept = kept.sort_values(["who", "start", "year_end", "end", "line"])  # open ones last

    def leave_out(which: Callable[[pd.DataFrame], pd.Series], reason: str) -> None:
        nonlocal kept
        out = which(kept)
        report.note(kept[out], reason, left_out=True)
        kept = kept[~out]

    key = ["who", "start"]
    same = [*key, "year_end", "end", "place", "provider", "status", "reason"]
    leave_out(lambda x: x["status"].isin(SHORT_BREAKS), "a short break (V3 or V4)")
    leave_out(lambda x: x["end"] < x["start"], "ends before it begins")
    # what begins a period does so though an episode of no day was noted before it
    begins = kept["reason"].eq("S").groupby([kept[name] for name in [*key, "year_end"]])
    kept = kept.assign(begins=begins.transform("max") if len(kept) else False)
    leave_out(lambda x: x.duplicated(same), "the same as another row of its return")
    leave_out(_closed_elsewhere, "open, and closed in another row of its return")
    leave_out(
        lambda x: x.duplicated([*key, "year_end"], keep="last"),
        "begins on the day another episode of the child does, which ends later",
    )
    leave_out(lambda x: x.duplicated(key, keep="last"), "given again in a later return")
    leave_out(lambda x: x["end"] == x["start"], "ends on the day it begins")
    leave_out(lambda x: x["born"].isna(), "no date of birth")
    report.note(
        kept[kept["born_was"].notna()], "another date of birth in an earlier return: the latest"
    )
    leave_out(lambda x: x["born"] > x["start"], "the child is born after it begins")
    leave_out(lambda x: birthday(x["born"], ADULT) <= x["start"], "the child is 18 by then")
    if kept.empty:
        msg = "no episode of care is left; left out were: " + "; ".join(
            f"{row.rows} ({row.reason})" for row in report.table().itertuples()
        )
        raise MtfsError(msg)
    kept = _ended(kept.reset_index(drop=True), report)
    return Episodes(_periods(kept, report), report.table(), spans)


def _next(rows: pd.DataFrame) -> pd.Series:
    """Give the last day that the council's next return speaks of; missing if there is none."""
    returns = rows[["council", "year_end"]].drop_duplicates().sort_values("year_end")
    then = returns.assign(then=returns.groupby("council", observed=True)["year_end"].shift(-1))
    found = rows[["council", "year_end"]].merge(then, how="left", validate="many_to_one")
    return found["then"].set_axis(rows.index)


def _closed_elsewhere(rows: pd.DataFrame) -> pd.Series:
    """Say which are open while the same placement is closed in another row of the return."""
    placement = ["who", "start", "year_end", "place", "provider"]
    spans = rows[placement].assign(ends=rows["end"] > rows["start"])
    # a provider may be missing, and missing ones are the same
    twice = spans.duplicated(placement, keep=False)
    ends = spans[twice].groupby(placement, dropna=False, observed=True)["ends"].transform("any")
    return rows["end"].isna() & ends.reindex(rows.index, fill_value=False)


def _ended(rows: pd.DataFrame, report: _Report) -> pd.DataFrame:
    """End episodes where the next begins, with their return's year, or at 18."""
    final = ~rows.duplicated("who", keep="last")
    follows = rows["start"].shift(-1).mask(final)
    linked = ~rows["begins"].shift(-1, fill_value=True)
    end = rows["end"].copy()
    # nor is its child in the next return if that has neither the episode nor one that begins then
    gone = end.isna() & rows["then"].notna() & ~(follows <= rows["then"])
    report.note(rows[gone], "open, of a child the next return does not know: ended with its year")
    end = end.where(~gone, rows["year_end"] + _DAY)
    for which, what in [
        (end.isna() & follows.notna(), "open, and ended where the child's next begins"),
        (end > follows, "ends after the child's next begins, and was cut there"),
        (
            linked & (end + _DAY == follows),
            "ends the day before the child's next begins, and was joined to it",
        ),
    ]:
        report.note(rows[which], what)
        end = end.where(~which, follows)
    adult = birthday(rows["born"], ADULT)
    over = (end > adult) | (end.isna() & (adult <= rows["latest"]))
    report.note(rows[over], "goes on beyond the 18th birthday, and was cut there")
    end = end.where(~over, adult)
    nearly = final & (end < adult) & (end >= adult - _NEARLY * _DAY)
    report.note(rows[nearly], "ends in the week before the 18th birthday: on it")
    return rows.assign(end=end.where(~nearly, adult))


def _periods(rows: pd.DataFrame, report: _Report) -> pd.DataFrame:
    """Say where each period of care begins, and with which episode the child leaves."""
    first = ~rows.duplicated("who")
    gap = ~first & (rows["end"].shift() != rows["start"])
    begins = first | gap | rows["begins"]
    report.note(
        rows[first & ~rows["begins"]],
        "the first known of its child, and begins no period: time in care counts from it",
    )
    report.note(
        rows[gap & ~rows["begins"]],
        "begins no period, and follows days out of care: time in care counts from it",
    )
    care_start = rows["start"].where(begins).ffill()
    unaccompanied = rows["uasc"] & ~(rows["uasc_until"] <= care_start)
    report.note(rows[rows["uasc"] & ~unaccompanied], "begins after the child's UASC status ceased")
    last = begins.shift(-1, fill_value=True) & rows["end"].notna()
    columns = [*_CHILD, "start", "end", "place", "provider", "born", "file", "line"]
    return rows[columns].assign(
        uasc=unaccompanied,
        care_start=care_start,
        began=rows["begins"].where(begins).ffill().astype(bool),
        last=last,
    )
