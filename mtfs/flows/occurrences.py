"""Events and the time people were exposed to them, counted from episodes of care."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mtfs.flows.episodes import Episodes, birthday
from mtfs.flows.groupings import STANDARD
from mtfs.flows.inversion import Ints
from mtfs.flows.states import OTHER, UASC, YEAR_DAYS
from mtfs.vocabulary import Array, MtfsError, listing, suggest

if TYPE_CHECKING:
    from datetime import date

    from mtfs.flows.states import Grouping

Mask: TypeAlias = NDArray[np.bool_]

_YEAR = 365  # days of the last year that is averaged
_LEAVERS_TO = 25  # years of age up to which care leavers may have support
_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Occurrences:
    """What happened in a window, by group, age band, placement and band of time in care.

    Ageing, time in care and the edges of the window are exact to the day: a child counts in a cell
    for the days it was there.
    """

    grouping: Grouping
    groups: tuple[str, ...]
    """``("other",)``, or ``("other", "UASC")`` where there are unaccompanied children"""
    start: pd.Timestamp
    """the first day of the window"""
    end: pd.Timestamp
    """its last day, which is included"""
    exposure: Array
    """person-years, shape (group, age, placement, duration)"""
    exits: Array
    """children who left care before turning 18, same shape"""
    moves: Array
    """moves between placements, shape (group, age, placement, duration, destination)"""
    entries: pd.DataFrame
    """a row for every start of a period of care in the window, in order of time:

    ``date``, ``group`` and ``age`` and ``placement`` (numbers of their labels), ``years`` (age in
    years, a float)
    """
    people: pd.DataFrame
    """a row for every child in care at the end of the window:

    ``group``, ``placement`` (numbers of their labels), ``age_days``, ``care_days`` (whole days
    since the period of care began)
    """
    leavers: tuple[int, ...]
    """ages in days, at the end of the window, of those who turned 18 in care and are under 25"""
    average: Array
    """average number of children over the last 365 days of the window, or all of it if it is
    shorter, shape (group, age, placement)"""
    turned_adult: int
    """children who left on turning 18, within the window"""

    young: int = 0
    """episodes in placements the child was too young for: until it is old enough they count as
    "other" """


def count_occurrences(
    episodes: Episodes,
    *,
    start: str | date,
    end: str | date,
    grouping: Grouping = STANDARD,
    council: str | None = None,
    unknown_to: str | None = None,
) -> Occurrences:
    """Count events and exposure in a window, exact to the day.

    A child is in care on the days from the beginning of an episode to the day before its end, and
    counts on each in the cell of that day. A move or an exit belongs to the cell of the day before;
    but a move on the birthday that allows it, as at 16 to supported accommodation, to the age of
    its day. Moves between placements of one group are none. So the children in care at the end of
    the day before the window, plus entries, less exits and those who turn 18, are those at its end.

    Parameters
    ----------
    episodes
        From :func:`mtfs.io.load_episodes`.
    start, end
        The first and last day of the window, such as ``"2018-04-01"`` and ``"2021-03-31"``.
    grouping
        How placements, ages and times in care are grouped.
    council
        Which one's, where there are several.
    unknown_to
        The placement that codes outside the grouping count as, such as ``"other"``; without it they
        are an error.

    Raises
    ------
    MtfsError
        When the window is empty or outside the returns, codes are unknown, or a council is not
        named.
    """
    given: object = episodes
    if not isinstance(given, Episodes):
        msg = f"episodes is {given!r:.60}; expected what mtfs.io.load_episodes gives"
        raise MtfsError(msg)
    first, last = _day(start, "start"), _day(end, "end")
    table = _of_council(episodes, council)
    _require_window(episodes.spans.loc[table["council"].iloc[0]], first, last)
    table = table.assign(place=_placements(table, grouping, unknown_to))
    table, young = _old_enough(table, grouping)
    table = _joined(table)
    groups = (OTHER, UASC) if table["uasc"].any() else (OTHER,)
    counter = _Counter(table, grouping, groups, first, last)
    return Occurrences(
        grouping=grouping,
        groups=groups,
        start=first,
        end=last,
        exposure=counter.days(first, last + _DAY) / YEAR_DAYS,
        exits=counter.exits(),
        moves=counter.moves(),
        entries=counter.entries(),
        people=counter.people(),
        leavers=counter.leavers(),
        average=counter.average(),
        turned_adult=counter.turned_adult(),
        young=young,
    )


def _day(given: str | date, name: str) -> pd.Timestamp:
    form = "%Y-%m-%d" if isinstance(given, str) else None  # 1/4/2019 is 4 January to some
    found = pd.to_datetime(given, errors="coerce", format=form)
    if pd.isna(found) or found != found.normalize():
        msg = f"'{name}' is {given!r}; expected a day such as '2021-03-31'"
        raise MtfsError(msg)
    return pd.Timestamp(found)


def _require_window(span: pd.Series, first: pd.Timestamp, last: pd.Timestamp) -> None:
    if last < first:
        msg = f"the window ends on {last:%Y-%m-%d}, before it starts on {first:%Y-%m-%d}"
        raise MtfsError(msg)
    if first < span["first"] or last > span["latest"]:
        msg = (
            f"the window from {first:%Y-%m-%d} to {last:%Y-%m-%d} is not within the returns, which "
            f"speak of {span['first']:%Y-%m-%d} to {span['latest']:%Y-%m-%d}"
        )
        raise MtfsError(msg)


def _of_council(episodes: Episodes, council: str | None) -> pd.DataFrame:
    known = episodes.councils
    if council is None:
        if len(known) > 1:
            msg = f"the episodes are of several councils; name one of {listing(known)}"
            raise MtfsError(msg)
        return episodes.table
    if council not in known:
        msg = f"no episode is of council '{council}'.{suggest(council, known)} There is: "
        raise MtfsError(msg + listing(known))
    return episodes.table[episodes.table["council"] == council]


def _placements(table: pd.DataFrame, grouping: Grouping, unknown_to: str | None) -> pd.Series:
    """Give each episode the number of its placement."""
    names = grouping.placement_names
    if unknown_to is not None and unknown_to not in names:
        msg = f"'unknown_to' is '{unknown_to}'.{suggest(unknown_to, names)} There is: "
        raise MtfsError(msg + listing(names))
    number = pd.Series(-1, index=table.index)
    for at, placement in enumerate(grouping.placements):
        fits = (number < 0) & table["place"].isin(placement.codes)
        if placement.providers:
            fits &= table["provider"].isin(placement.providers)
        number[fits] = at
    unknown = number < 0
    if not unknown.any():
        return number
    if unknown_to is not None:
        return number.where(~unknown, names.index(unknown_to))
    held = table.loc[unknown, ["place", "provider"]].astype(str).agg(" with provider ".join, axis=1)
    codes = [f"{code} ({count})" for code, count in held.value_counts().items()]
    row = table[unknown].iloc[0]
    msg = (
        f"{row['file']}, line {row['line']}: the grouping holds no placement for {listing(codes)}; "
        "add the codes to it, or say where they count with unknown_to='other'"
    )
    raise MtfsError(msg)


def _old_enough(table: pd.DataFrame, grouping: Grouping) -> tuple[pd.DataFrame, int]:
    """Cut episodes in placements for older children on the birthday that allows them."""
    young = 0
    for at, placement in enumerate(grouping.placements):
        if not placement.from_age:
            continue
        allowed = birthday(table["born"], placement.from_age)
        early = (table["place"] == at) & (table["start"] < allowed)
        if not early.any():
            continue
        if OTHER not in grouping.placement_names:
            row = table[early].iloc[0]
            msg = (
                f"{row['file']}, line {row['line']}: a child under {placement.from_age} is in "
                f"'{placement.name}', and the grouping has no '{OTHER}' to count it in until then"
            )
            raise MtfsError(msg)
        young += int(early.sum())
        before = table[early].assign(place=grouping.placement_names.index(OTHER))
        later = early & ~(table["end"] <= allowed)
        before = before.assign(
            end=before["end"].where(~later[early], allowed[early]),
            last=before["last"] & ~later[early],
        )
        rest = table[later].assign(start=allowed[later])
        table = pd.concat([table[~early], before, rest])
    return table.sort_values(["council", "child", "start"]).reset_index(drop=True), young


def _joined(table: pd.DataFrame) -> pd.DataFrame:
    """Join what follows in one placement and one period of care."""
    same = ["council", "child", "care_start", "place"]
    new = (table[same] != table[same].shift()).any(axis=1)
    run = new.cumsum()
    found = table[new].copy()
    final = table[~run.duplicated(keep="last")]
    found["end"], found["last"] = final["end"].to_numpy(), final["last"].to_numpy()
    return found.reset_index(drop=True)


class _Counter:
    """One council's spells in placements, counted in a window."""

    def __init__(
        self,
        spells: pd.DataFrame,
        grouping: Grouping,
        groups: tuple[str, ...],
        first: pd.Timestamp,
        last: pd.Timestamp,
    ) -> None:
        self._spells, self._grouping = spells, grouping
        self._first, self._last = first, last
        self._shape = (len(groups), *grouping.shape)
        self._group = spells["uasc"].to_numpy().astype(np.intp)
        self._place = spells["place"].to_numpy().astype(np.intp)
        self._start = _days(spells["start"])
        self._end = np.where(spells["end"].isna(), np.inf, _days(spells["end"]))
        self._born, self._care = _days(spells["born"]), _days(spells["care_start"])
        self._birthdays = np.stack([_days(birthday(spells["born"], a)) for a in grouping.ages], 1)
        edges = np.array([*grouping.durations, np.inf]) * YEAR_DAYS
        self._care_edges = self._care[:, None] + edges
        self._adult = spells["last"].to_numpy() & (self._end == self._birthdays[:, -1])

    def days(self, begins: pd.Timestamp, ends: pd.Timestamp) -> Array:
        """Give person-days from one day up to another, shape (group, age, placement, duration)."""
        low, high = (_days(pd.Series([each]))[0] for each in (begins, ends))
        found = np.zeros(self._shape)
        for age, duration in np.ndindex(self._shape[1], self._shape[3]):
            begin = np.maximum.reduce(
                [
                    self._start,
                    self._birthdays[:, age],
                    np.ceil(self._care_edges[:, duration]),
                    np.full(len(self._start), low),
                ]
            )
            end = np.minimum.reduce(
                [
                    self._end,
                    self._birthdays[:, age + 1],
                    np.ceil(self._care_edges[:, duration + 1]),
                    np.full(len(self._start), high),
                ]
            )
            np.add.at(
                found[:, age, :, duration], (self._group, self._place), np.maximum(end - begin, 0.0)
            )
        return found

    def exits(self) -> Array:
        """Count those who left care before 18, by the cell of the day before."""
        which = self._left() & ~self._adult
        found = np.zeros(self._shape)
        np.add.at(found, self._cells(which, self._end - 1), 1.0)
        return found

    def turned_adult(self) -> int:
        """Count those who left care on turning 18."""
        return int((self._left() & self._adult).sum())

    def moves(self) -> Array:
        """Count moves by the cell of the day before, and where they went."""
        which = ~self._spells["last"].to_numpy() & self._within(self._end)
        found = np.zeros((*self._shape, self._shape[2]))
        to = np.append(self._place[1:], 0)[which]
        group, age, place, duration = self._cells(which, self._end - 1)
        age += self._grouping.allowed[age, to] == 0  # the birthday that allows it
        np.add.at(found, (group, age, place, duration, to), 1.0)
        return found

    def entries(self) -> pd.DataFrame:
        """List starts of periods of care."""
        which = (self._start == self._care) & self._within(self._start)
        group, age, place, _ = self._cells(which, self._start)
        years = (self._start - self._born)[which] / YEAR_DAYS
        low, high = (np.array(self._grouping.ages)[age + up] for up in (0, 1))
        found = pd.DataFrame(
            {
                "date": self._spells["start"].to_numpy()[which],
                "group": group,
                "age": age,
                "placement": place,
                # a birthday is up to half a day from so many mean years
                "years": np.clip(years, low, np.nextafter(high, 0.0)),
            }
        )
        return found.sort_values("date", ignore_index=True)

    def people(self) -> pd.DataFrame:
        """List who is in care at the end of the window."""
        last = _days(pd.Series([self._last]))[0]
        there = (self._start <= last) & (self._end > last)
        return pd.DataFrame(
            {
                "group": self._group[there],
                "placement": self._place[there],
                "age_days": (last - self._born)[there].astype(int),
                "care_days": (last - self._care)[there].astype(int),
            }
        )

    def leavers(self) -> tuple[int, ...]:
        """Give the ages in days of those who turned 18 in care and are under 25."""
        last = _days(pd.Series([self._last]))[0]
        under = _days(birthday(self._spells["born"], _LEAVERS_TO)) > last
        which = self._adult & (self._end <= last) & under
        return tuple(sorted((last - self._born)[which].astype(int).tolist()))

    def average(self) -> Array:
        """Average the children in care over the last year of the window."""
        begins = max(self._first, self._last - (_YEAR - 1) * _DAY)
        length = (self._last - begins).days + 1
        average: Array = self.days(begins, self._last + _DAY).sum(axis=3) / length
        return average

    def _within(self, day: Array) -> Mask:
        low, high = (_days(pd.Series([each]))[0] for each in (self._first, self._last))
        return np.asarray((day >= low) & (day <= high))

    def _left(self) -> Mask:
        return np.asarray(self._spells["last"].to_numpy() & self._within(self._end))

    def _cells(self, which: Mask, day: Array) -> tuple[Ints, Ints, Ints, Ints]:
        """Give the cells of some spells on a day of each."""
        at = day[which]
        age = (self._birthdays[which] <= at[:, None]).sum(axis=1) - 1
        duration = (np.ceil(self._care_edges[which]) <= at[:, None]).sum(axis=1) - 1
        return self._group[which], age, self._place[which], duration


def _days(dates: pd.Series) -> Array:
    """Give days since 1970."""
    return dates.to_numpy().astype("datetime64[D]").astype(np.float64)
