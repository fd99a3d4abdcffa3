"""The steps of a simulation: the times at which rates may change, from a day on to a year's end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mtfs.vocabulary import Array, MtfsError, year_labels, year_start

Step: TypeAlias = Literal["month", "week"]
_WEEKS = 52  # in which a financial year is cut evenly
_APRIL = 4


@dataclass(frozen=True)
class Steps:
    """Steps of a month or a week, in days since the flow starts (the day after ``as_of``)."""

    as_of: date
    years: tuple[str, ...]
    """every financial year that is gone through, the first maybe in part"""
    edges: Array
    """shape (step + 1,), days"""
    year: NDArray[np.intp]
    """number of each step's year, shape (step,)"""
    month: NDArray[np.intp]
    """calendar month of each step's middle, 0 for January, shape (step,)"""
    months_on: NDArray[np.intp]
    """calendar months since the year 0 at each step's middle, shape (step,)"""

    @classmethod
    def between(cls, as_of: date, last_year: str, step: Step = "month") -> Steps:
        """Cut the time from the day after ``as_of`` to the end of ``last_year``.

        Parameters
        ----------
        as_of
            The day before the first.
        last_year
            A financial year such as ``"2029/30"``.
        step
            ``"month"``: calendar months. ``"week"``: a fifty-second of a financial year.

        Raises
        ------
        MtfsError
            When the last year is over by then, or ``step`` is another word.
        """
        if step not in {"month", "week"}:
            msg = f"step is {step!r}; expected 'month' or 'week'"
            raise MtfsError(msg)
        first = as_of + timedelta(days=1)
        begins = first.year if first.month >= _APRIL else first.year - 1
        n_years = year_start(last_year) - begins + 1
        if n_years < 1:
            msg = f"the flow starts after {as_of}, when {last_year} is over"
            raise MtfsError(msg)
        marks: list[date] = []
        for start in range(begins, begins + n_years):
            opening, close = date(start, _APRIL, 1), date(start + 1, _APRIL, 1)
            if step == "month":
                marks += [date(start + (m > 12), (m - 1) % 12 + 1, 1) for m in range(4, 16)]  # noqa: PLR2004 - months
            else:
                days = (close - opening).days
                marks += [opening + timedelta(days=days * n // _WEEKS) for n in range(_WEEKS)]
        marks.append(date(begins + n_years, _APRIL, 1))
        held = [first, *(mark for mark in marks if mark > first)]
        edges = np.array([(mark - first).days for mark in held], np.float64)
        middles = [low + (high - low) / 2 for low, high in pairwise(held)]
        labels = year_labels(f"{begins}/{(begins + 1) % 100:02d}", n_years)
        return cls(
            as_of,
            labels,
            edges,
            np.array([(m.year if m.month >= _APRIL else m.year - 1) - begins for m in middles]),
            np.array([m.month - 1 for m in middles]),
            np.array([12 * m.year + m.month - 1 for m in middles]),
        )

    @property
    def count(self) -> int:
        """How many steps there are."""
        return len(self.year)

    @property
    def lengths(self) -> Array:
        """Days in each step, shape (step,)."""
        return np.diff(self.edges)

    def year_edges(self) -> list[tuple[float, float]]:
        """Give the first and last day of every year, or of what there is of it."""
        first = np.searchsorted(self.year, np.arange(len(self.years) + 1))
        return [(float(low), float(high)) for low, high in pairwise(self.edges[first])]

    def since(self, day: date) -> float:
        """Give a day's beginning in days since the flow starts."""
        return float((day - self.as_of).days - 1)

    def require_whole(self, years: tuple[str, ...]) -> NDArray[np.intp]:
        """Give the numbers of years wanted, all of which must be gone through from their first day.

        Raises
        ------
        MtfsError
            When one begins before the flow starts.
        """
        first = self.as_of + timedelta(days=1)
        whole = self.years if (first.month, first.day) == (_APRIL, 1) else self.years[1:]
        if missing := [year for year in years if year not in whole]:
            msg = (
                f"{', '.join(missing)} begins before the flow starts, on {first}: fit it on "
                f"episodes up to 31 March before the first year planned, or plan from {whole[0]} on"
                if whole
                else f"no whole year follows {as_of_text(self.as_of)}"
            )
            raise MtfsError(msg)
        return np.array([self.years.index(year) for year in years])


def as_of_text(day: date) -> str:
    """Write a day as a reader would."""
    return f"{day.day} {day:%B %Y}"
