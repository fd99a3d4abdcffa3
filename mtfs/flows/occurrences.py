"""Events and the time people were exposed to them, counted from episodes of care."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtfs.vocabulary import Array

if TYPE_CHECKING:
    import pandas as pd

    from mtfs.flows.states import Grouping


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
