"""A fitted flow: who is in care now, and what is known of entries, exits and moves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cached_property
from typing import Annotated, Literal, Self, TypeAlias

import numpy as np
from pydantic import Field, model_validator

from mtfs.assumptions import Declared
from mtfs.flows.arrivals import FittedArrivals
from mtfs.flows.known import KnownArrivals, KnownRates
from mtfs.flows.rates import FittedRates
from mtfs.flows.states import ADULT, OTHER, AgeName, ByYears, Grouping, Table
from mtfs.vocabulary import Array, MtfsError, listing, suggest, year_label, year_start

_ROUNDING = 1e-6  # of shares that were written with some digits
_MONTHS, _APRIL = 12, 4
_DAY = 1 / 365  # a birthday may be a day off the age in years of 365.25 days

Days: TypeAlias = Annotated[int, Field(strict=True, ge=0)]


class Drift(Declared):
    """How far the levels of entry and exit rates wander: s.d. of a year's step of the logarithm.

    What a few years of one council cannot show, and what makes four-year bands honest.
    """

    entries: Annotated[float, Field(ge=0, le=1)] = 0.0
    exits: Annotated[float, Field(ge=0, le=1)] = 0.0
    correlation: Annotated[float, Field(gt=-1, lt=1)] = 0.0
    """of the two steps: where more children come, more go soon after"""


# Marginal likelihood of a random walk under Poisson counts and noise that does not last; half of
# what the variance of changes over three years has over that of one gives 0.120 and 0.085
# (benchmarks/coverage_of_totals.py prints both). Standard errors by leaving out councils, and by
# leaving out years: 0.008 and 0.006 for entries, 0.009 and 0.011 for exits. Of it the councils' own
# part is 0.101 and 0.067; what all share is 0.06 and 0.05. Steps of entries and of exits correlate
# by 0.48 (0.10): drawn apart, they make the stock of four years spread by a third too much. Exits
# of totals include turning 18 and follow entries within the year.
DRIFT = Drift(entries=0.117, exits=0.086, correlation=0.48)
"""How far levels wander in England's councils, for want of a longer history of one's own."""
DRIFT_SOURCE = (
    "Department for Education, Children looked after in England including adoptions, 2006/07 to "
    "2024/25, OGL v3; 80 of England's upper-tier councils"
)


class ChildPopulation(Declared):
    """How many children of an age band live in the area: averages of financial years."""

    age: AgeName
    people: ByYears
    """from the first year of the window to the last that is simulated"""

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        years = [year for year, _ in self.people]
        if len(set(years)) < len(years) or min(number for _, number in self.people) <= 0:
            msg = f"population of '{self.age}': expected every year once, and numbers above 0"
            raise ValueError(msg)
        return self


class Census(Declared):
    """Who is in care on the last day of the window: one number of each list for every child."""

    group: tuple[Days, ...] = ()
    """the number of the group"""
    placement: tuple[Days, ...] = ()
    """the number of the placement"""
    age_days: tuple[Days, ...] = ()
    care_days: tuple[Days, ...] = ()
    """days since the period of care began"""

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        lengths = {len(self.group), len(self.placement), len(self.age_days), len(self.care_days)}
        if len(lengths) > 1:
            msg = f"lists of different lengths: {sorted(lengths)}"
            raise ValueError(msg)
        return self

    @property
    def count(self) -> int:
        """How many children there are."""
        return len(self.group)


class FlowModel(Declared):
    """A flow of children through care, ready to be simulated from the day after ``as_of`` on.

    :func:`mtfs.flows.fit` learns it from episodes. It holds no names or identifiers, yet ages and
    placements of single children, so it stays within the council.
    """

    grouping: Grouping
    groups: tuple[Literal["other", "UASC"], ...] = ("other",)
    council: str | None = None
    start: date
    """the first day of the window it was learnt from"""
    as_of: date
    """the last day of the window"""
    census: Census
    rates: Annotated[KnownRates | FittedRates, Field(discriminator="kind")]
    arrivals: Annotated[KnownArrivals | FittedArrivals, Field(discriminator="kind")]
    drift: Drift = Drift()
    average: Table
    """average number of children over the last year, shape (group, age, placement)"""
    population: tuple[ChildPopulation, ...] = ()
    """entries of these age bands are proportional to it, those of UASC are not"""
    leavers: tuple[Days, ...] = ()
    """ages in days of those who turned 18 in care and are under 25"""
    source: str | None = None
    """files, window and method, in words"""

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        ages, placements, durations = self.grouping.shape
        cells = (len(self.groups), ages, placements, durations)
        rates, arrivals = self.rates.mean(), self.arrivals.mean()
        for name, found, wanted in [
            ("average", self.average.shape, cells[:3]),
            ("rates.exits", rates.exits.shape[:-1], cells),
            ("rates.moves", rates.moves.shape[:-1], (*cells, placements)),
            ("arrivals.level", arrivals.level.shape[:-1], cells[:2]),
            ("arrivals.placements", arrivals.placements.shape[:-1], cells[:3]),
            ("arrivals.ages", arrivals.ages.shape[:2], cells[:2]),
        ]:
            if found != wanted:
                msg = f"'{name}' has shape {found}; the grouping makes it {wanted}"
                raise ValueError(msg)
        for name, limit in [("group", len(self.groups)), ("placement", placements)]:
            held = getattr(self.census, name)
            if held and max(held) >= limit:
                msg = f"'census.{name}' holds {max(held)}; the last number is {limit - 1}"
                raise ValueError(msg)
        if (birthdays(self)[:, -1] < 0).any():
            oldest = max(self.census.age_days)
            msg = f"'census.age_days' holds {oldest}, which is {ADULT} or over on {self.as_of}"
            raise ValueError(msg)
        faults = [
            *self._impossible(),
            *self._impossible_entrants(),
            *self._too_young(),
            *self._population_faults(),
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _impossible(self) -> Iterator[str]:
        """Say which rates and shares cannot be."""
        rates, arrivals = self.rates.mean(), self.arrivals.mean()
        allowed = self.grouping.allowed
        for name, held in [
            ("rates.exits", rates.exits),
            ("rates.moves", rates.moves),
            ("arrivals.level", arrivals.level),
            ("arrivals.placements", arrivals.placements),
            ("arrivals.season", arrivals.season),
        ]:
            if held.min(initial=0) < 0:
                yield f"'{name}' holds {held.min():g}; expected none below 0"
        there = rates.moves.sum(axis=(0, 3, 5))  # (age, placement, destination)
        if (np.diagonal(there, axis1=1, axis2=2) > 0).any():
            yield "'rates.moves' holds moves from a placement to itself"
        entrants = arrivals.placements.sum(axis=(0, 3))
        for name, held in [("rates.moves", there.sum(axis=1)), ("arrivals.placements", entrants)]:
            if (held * (1 - allowed) > 0).any():
                yield f"'{name}' leads children below its 'from_age' to a placement"

    def _impossible_entrants(self) -> Iterator[str]:
        """Say which numbers of those who enter care cannot be."""
        arrivals = self.arrivals.mean()
        total = arrivals.placements.sum(axis=2)
        if np.abs(total - 1).max() > _ROUNDING:
            furthest = total.ravel()[np.abs(total - 1).argmax()]
            yield f"'arrivals.placements' sums to {furthest:g} over placements; expected 1"
        if len(arrivals.season) != _MONTHS or abs(arrivals.season.mean() - 1) > _ROUNDING:
            yield "'arrivals.season' is not twelve numbers of mean 1"
        ages = arrivals.ages
        edges = np.array(self.grouping.ages, float)[:, None]
        least, most = edges[:-1] - _DAY, edges[1:] + _DAY
        if ages.shape[2] < 2 or (np.diff(ages) < 0).any():  # noqa: PLR2004 - a line has two ends
            yield "'arrivals.ages' is not two quantiles or more, each at least the one before"
        elif ((ages < least) | (ages > most)).any():
            yield "'arrivals.ages' holds ages outside of their band"

    def _too_young(self) -> Iterator[str]:
        """Say which children are too young for where they are."""
        age = (birthdays(self) < 0).sum(axis=1)
        young = self.grouping.allowed[age, np.array(self.census.placement, int)] == 0
        if young.any():
            number = self.census.placement[int(young.argmax())]
            placement = self.grouping.placements[number]
            yield (
                f"'census' holds {young.sum()} children in '{placement.name}' who are younger than "
                f"its 'from_age', {placement.from_age}"
            )

    def _population_faults(self) -> Iterator[str]:
        """Say which populations are of no age band, of one twice, or not of the whole window."""
        named = [each.age for each in self.population]
        for age in dict.fromkeys(named):
            if age not in self.grouping.age_names:
                near = suggest(age, self.grouping.age_names)
                yield (
                    f"'population' has no use for '{age}'.{near} Age bands are: "
                    f"{', '.join(self.grouping.age_names)}"
                )
            if named.count(age) > 1:
                yield f"'population' holds '{age}' twice"
        for each in self.population:
            if missing := self._window().keys() - dict(each.people).keys():
                yield (
                    f"the population of '{each.age}' has no {listing(missing)}; entries of the "
                    f"window, {self.start} to {self.as_of}, are compared with it"
                )

    def _window(self) -> dict[str, int]:
        """Count the days of the window in each financial year."""
        first, last = (day.year - (day.month < _APRIL) for day in (self.start, self.as_of))
        found = {}
        for year in range(first, last + 1):
            opening = max(self.start, date(year, _APRIL, 1))
            close = min(self.as_of, date(year + 1, _APRIL - 1, 31))
            found[year_label(year)] = (close - opening).days + 1
        return found

    def by_population(self, years: Sequence[str]) -> Array:
        """Give child populations as multiples of the window's averages.

        Entries a day of a child in the window are the same as entries a day over the average
        number of children in it.

        Parameters
        ----------
        years
            Financial years.

        Returns
        -------
        Array
            Shape (group, age, year); 1 where entries do not follow a population.

        Raises
        ------
        MtfsError
            When a population does not reach so far.
        """
        found = np.ones((len(self.groups), len(self.grouping.age_names), len(years)))
        window = self._window()
        for each in self.population:
            people = dict(each.people)
            if missing := [year for year in years if year not in people]:
                msg = (
                    f"the population of '{each.age}' has no {listing(missing)}; expected every "
                    f"year to {max(years, key=year_start)}"
                )
                raise MtfsError(msg)
            average = sum(people[y] * days for y, days in window.items()) / sum(window.values())
            row = self.grouping.age_names.index(each.age)
            found[self.groups.index(OTHER), row] = [people[year] / average for year in years]
        return found

    def to_json(self) -> str:
        """Write the model as canonical JSON, in declared order."""
        return self.model_dump_json(exclude_none=True)

    @cached_property
    def digest(self) -> str:
        """A hash of the canonical JSON; equal models have equal digests."""
        return hashlib.blake2b(self.to_json().encode(), digest_size=16).hexdigest()

    def __repr__(self) -> str:
        stock = np.bincount(
            np.array(self.census.placement, int), minlength=len(self.grouping.placements)
        )
        who = ", ".join(
            f"{n} {name}" for n, name in zip(stock, self.grouping.placement_names, strict=True)
        )
        entries = self.arrivals.mean().level.sum()
        return (
            f"<FlowModel {self.council or 'of a council'}, {self.start} to {self.as_of}: "
            f"{self.census.count} in care at the end ({who}), {entries:,.0f} entries a year>"
        )

    __str__ = __repr__


def birthdays(model: FlowModel) -> Array:
    """Give when each child of the census leaves each age band, in days, shape (child, band).

    Exact to the calendar; someone born on 29 February has birthdays on 1 March in common years.
    """
    as_of = np.datetime64(model.as_of, "D")
    born = as_of - np.array(model.census.age_days, "timedelta64[D]")
    month = born.astype("datetime64[M]")
    day = born - month.astype("datetime64[D]")
    found = [
        (month + np.timedelta64(12 * years, "M")).astype("datetime64[D]") + day
        for years in model.grouping.ages[1:]
    ]
    first = as_of + np.timedelta64(1, "D")
    return np.stack([(each - first).astype(float) for each in found], axis=1)
