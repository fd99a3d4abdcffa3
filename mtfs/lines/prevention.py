"""Prevention: money now, fewer people in care later. A cut is the same line with the other sign."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from mtfs.assumptions import (
    Assumption,
    Declared,
    GrowthAssumption,
    Name,
    Pounds,
    Share,
    ShareAssumption,
    fixed_values,
    stated_numbers,
)
from mtfs.drivers import Driver
from mtfs.lines.anatomy import Anatomy, Factor, from_base
from mtfs.lines.base import Line
from mtfs.lines.care import CareLine
from mtfs.paths import Calendar, Paths
from mtfs.vocabulary import Array, MtfsError, Path, Problem, listing, suggest

CAUSE = "prevention"
RARE = 1e-4  # a rate of leaving at which a series to first order is closer than the quotient
LEAST = 0.01  # times `effect_at`: less is more likely a slip in its unit
MONTHS = 12  # entries a year over people: a stay of a month, shorter than any of care
TIMES = 2  # as many entries after a cut: more than any council's early help can be thought to hold
MOST = 20  # times `effect_at`: an effect so far from where it was stated says nothing


class Instead(Declared):
    """Where some of those who are not in a care line because of prevention are instead."""

    line: Name
    """the care line they are in"""
    share: Annotated[Share, Field(gt=0)]
    """share of them who are there; the rest need no care that the plan pays for"""


class PreventionLine(Line):
    """Spending that keeps people out of a care line, or brings them out of it sooner.

    ``effect`` is the share of entries that ``effect_at`` pounds a year avoid once they work in full
    (or the share of people a year they step down). Each further ``effect_at`` avoids the same share
    of what is left, so that never more entries are avoided than there are, lines that reduce the
    same care line do not count one person twice, and a cut undoes what the same sum did.
    """

    kind: Literal["prevention"] = "prevention"
    base: Pounds = 0.0
    """GBP spent on it in the base year"""
    spend: Assumption
    """GBP a year above the base year's, at its prices, by year; a cut is negative"""
    growth: GrowthAssumption = 0.0
    """growth a year of the prices it pays"""
    reduces: Name
    """the care line whose people it lowers"""
    through: Literal["entries", "step_downs"] = "entries"
    """whether fewer enter, or more leave sooner, such as to a less costly placement"""
    effect: ShareAssumption
    """share of entries avoided (or of people stepped down) a year, from 0 to below 1"""
    effect_at: Annotated[Pounds, Field(gt=0)]
    """GBP a year, at the base year's prices, for which the effect is stated"""
    lag: Annotated[int, Field(strict=True, ge=0, le=20)]
    """whole years before a year's money begins to work"""
    ramp: Annotated[int, Field(strict=True, ge=1, le=20)]
    """years until steady money works in full, in equal steps; 1 is in full at once"""
    decay: Share
    """share of the effect that is lost each year once the money has stopped"""
    instead: tuple[Instead, ...] = ()
    """where the people are who are not in the care line"""

    components: ClassVar[tuple[str, ...]] = (CAUSE,)
    share_fields: ClassVar[tuple[str, ...]] = ("effect",)

    @model_validator(mode="after")
    def _no_more_than_there_are(self) -> Self:
        held = max(stated_numbers(self.effect), default=0.0)
        if held >= 1:
            what = "entries" if self.through == "entries" else "people"
            msg = f"'effect' is {held:g}: it would be all the {what} there are; expected below 1"
            raise ValueError(msg)
        names = [one.line for one in self.instead]
        if twice := {name for name in names if names.count(name) > 1}:
            msg = f"'instead' names {listing(twice)} twice; give it one share"
            raise ValueError(msg)
        shares = math.fsum(one.share for one in self.instead)
        if shares > 1:
            msg = f"the shares under 'instead' sum to {shares:g}; expected at most 1"
            raise ValueError(msg)
        return self

    def faults(self, calendar: Calendar) -> list[str]:
        """Name spending that cannot be: a cut of more than there is, or beyond any effect known."""
        try:
            spend = np.array([0.0]) if isinstance(self.spend, str) else self._fixed(calendar)
        except ValueError:  # the years do not match, which is said elsewhere
            return []
        found = []
        if spend.min() < -self.base:
            found.append(f"cuts {-spend.min():,.0f} from a base of {self.base:,.0f}")
        if abs(spend).max() > MOST * self.effect_at:
            found.append(
                f"spends {abs(spend).max() / self.effect_at:,.0f} times 'effect_at'; an effect is "
                f"no guide beyond {MOST} times what it was stated for"
            )
        return found

    def _fixed(self, calendar: Calendar) -> Array:
        return fixed_values(self.spend, calendar.years)

    def causes(self) -> tuple[str, ...]:
        """List the cause of its own growth, and that of the people it keeps out of care."""
        return tuple(dict.fromkeys((self.cause or CAUSE, CAUSE)))

    def base_cost(self, planned: Paths) -> float:  # noqa: ARG002 - the base is stated
        """Give the base, GBP."""
        return self.base

    def cost(self, paths: Paths) -> Array:
        """Give the spending, GBP."""
        return (self.base + paths.value(self.spend)) * paths.index(self.growth)

    def anatomy(self, paths: Paths) -> Anatomy:
        """Show what is spent x the index of its prices."""
        spent = from_base(self.base, self.base + paths.value(self.spend))
        index = from_base(1.0, paths.index(self.growth))
        name = "prevention spending"
        return Anatomy(
            (
                Factor("spending", "GBP", spent, name, (("spend", self.spend),)),
                Factor("index", "", index, name, (("growth", self.growth),)),
            )
        )

    def strength(self, paths: Paths) -> Array:
        """Give how strongly it works, 1 being ``effect_at`` in full; negative after a cut."""
        times = paths.value(self.spend) / self.effect_at
        lagged = np.zeros_like(times)
        lagged[self.lag :] = times[: max(len(times) - self.lag, 0)]
        more, less = np.maximum(lagged, 0.0), np.maximum(-lagged, 0.0)
        return self._worked_up(more) - self._worked_up(less)

    def _worked_up(self, times: Array) -> Array:
        """Build up over ``ramp`` years while there is money for it, and fade when there is less."""
        ramped = np.zeros_like(times)
        for late in range(min(self.ramp, len(times))):
            ramped[late:] += times[: len(times) - late] / self.ramp
        strength = np.empty_like(times)
        before = np.zeros_like(times[0])
        for year, wanted in enumerate(times):
            faded = wanted + (before - wanted) * (1 - self.decay)
            built = np.maximum(before, np.minimum(wanted, ramped[year]))
            strength[year] = before = np.where(wanted < before, faded, built)
        return strength

    def log_kept(self, paths: Paths) -> Array:
        """Give the logarithm of the share of entries (or people) that is left, (year, draw)."""
        return self.strength(paths) * np.log1p(-paths.value(self.effect))


@dataclass(frozen=True)
class PeopleChange:
    """What prevention makes of the people of one care line."""

    line: CareLine
    by: tuple[PreventionLine, ...] = ()
    comes: tuple[tuple[PeopleChange, int, float], ...] = ()
    """who is here instead: the other line, the place of the prevention in it, and the share"""

    def __call__(self, paths: Paths, own: Array) -> Array:
        """Turn people without prevention into people with it, year-average."""
        held = own * self.left(paths)[-1] if self.by else own
        people = held
        for other, place, share in self.comes:
            people = people + share * other.kept_out(paths, place)
        if ((people < 0) & (held >= 0)).any():
            names = dict.fromkeys(other.by[place].name for other, place, _ in self.comes)
            msg = (
                f"'{self.line.name}' would hold {people.min():,.1f} people: a cut of "
                f"{listing(names)} takes more people out of it than it has; lower the share under "
                "'instead'"
            )
            raise MtfsError(msg)
        return people

    def kept_out(self, paths: Paths, place: int) -> Array:
        """Give the year-average people whom one prevention line keeps out.

        Lines that reduce the same care line are counted in the order in which they are declared.
        """
        left = self.left(paths)
        before: Array | float = left[place - 1] if place else 1.0
        return self.line.own_people(paths) * (before - left[place])

    def left(self, paths: Paths) -> list[Array]:
        """Give the share of people left by the first prevention line, by the first two ..."""
        return paths.block_derived((self.line.name, "left"), lambda: self._left(paths))

    def _left(self, paths: Paths) -> list[Array]:
        turnover = self.line.turnover
        entries, step_downs = np.zeros((2, paths.horizon, 1))
        found = []
        for line in self.by:
            if line.through == "entries":
                entries = entries + line.log_kept(paths)
            else:
                step_downs = step_downs - line.log_kept(paths)
            found.append(remaining(turnover, np.exp(entries), step_downs))
        return found


def remaining(turnover: float, entering: Array, stepped_down: Array) -> Array:
    """Give the year-average people over what they would be without prevention.

    With entries ``turnover`` times the people there, the ratio r of people to what they would be
    follows ``dr/dt = turnover * entering - leaving * r`` from r = 1 at the end of the base year;
    each year is solved exactly. Where fewer step down than before, people leave at ``turnover *
    exp(stepped_down / turnover)``: never below 0, and to first order as stated.

    Parameters
    ----------
    turnover
        Entries a year over people in the base year.
    entering
        Share of entries that still come, shape (year, draw).
    stepped_down
        Rate a year at which more leave, shape (year, draw); negative where fewer do.

    Returns
    -------
    Array
        Shape (year, draw); 1 without prevention.
    """
    fewer = np.minimum(stepped_down, 0.0)
    leaving = turnover * np.exp(fewer / turnover) + np.maximum(stepped_down, 0.0)
    there, arriving = _averages(leaving)
    entering, leaving, there, arriving = np.broadcast_arrays(
        turnover * entering, leaving, there, arriving
    )
    average = np.empty(leaving.shape)
    ratio = np.ones(leaving.shape[1:])
    for year in range(len(average)):
        average[year] = ratio * there[year] + entering[year] * arriving[year]
        ratio = ratio * np.exp(-leaving[year]) + entering[year] * there[year]
    return average


def _averages(leaving: Array) -> tuple[Array, Array]:
    """Give the mean through a year of people there at its start, and of one who enters evenly."""
    rare = leaving < RARE
    rate = np.where(rare, 1.0, leaving)
    there = np.where(rare, 1 - leaving / 2, -np.expm1(-rate) / rate)
    return there, np.where(rare, 0.5 - leaving / 6, (1 - there) / rate)


def people_changes(lines: Sequence[Line]) -> dict[str, PeopleChange]:
    """Find what prevention makes of the people of every care line it touches, by name."""
    care = {line.name: line for line in lines if isinstance(line, CareLine)}
    preventions = [line for line in lines if isinstance(line, PreventionLine)]
    by: dict[str, tuple[PreventionLine, ...]] = {}
    for line in preventions:
        by[line.reduces] = (*by.get(line.reduces, ()), line)
    reduced = {name: PeopleChange(care[name], held) for name, held in by.items()}
    comes: dict[str, list[tuple[PeopleChange, int, float]]] = {}
    for name, change in reduced.items():
        for place, line in enumerate(by[name]):
            for one in line.instead:
                comes.setdefault(one.line, []).append((change, place, one.share))
    return {
        name: PeopleChange(care[name], by.get(name, ()), tuple(comes.get(name, ())))
        for name in dict.fromkeys([*by, *comes])
    }


def prevention_problems(
    lines: Mapping[Path, Line], names: Sequence[str], drivers: Mapping[str, Driver]
) -> Iterator[Problem]:
    """List what is wrong between prevention lines, the care lines they name and their drivers.

    Parameters
    ----------
    lines
        The lines that are right in themselves, by their place in the plan.
    names
        The names of all lines, also of those that are wrong.
    drivers
        The drivers that are right in themselves, by name.
    """
    held = {line.name: line for line in lines.values()}
    care = [name for name, line in held.items() if isinstance(line, CareLine)]
    for path, line in lines.items():
        if not isinstance(line, PreventionLine):
            continue
        named = [("reduces", line.reduces), *(("instead", one.line) for one in line.instead)]
        for field, name in named:
            if name not in care and (name in held or name not in names):
                found = "is not a care line" if name in held else "does not exist"
                yield Problem(
                    (*path, field),
                    f"'{name}' {found}; expected a line of people at a weekly cost."
                    f"{suggest(name, care)} There is: {listing(care)}.",
                )
        if any(one.line == line.reduces for one in line.instead):
            yield Problem((*path, "instead"), f"'{line.reduces}' is the line it reduces")
        reduced = held.get(line.reduces)
        if isinstance(reduced, CareLine) and reduced.entries is None:
            yield Problem(
                (*path, "reduces"),
                f"'{line.reduces}' does not say how many people enter it: give it 'entries', the "
                "people who enter a year in the base year",
            )
        if isinstance(line.effect, str) and line.effect in drivers:
            driver = drivers[line.effect]
            yield from _all_there_are((*path, "effect"), driver, driver.limits(drivers)[1])
        if isinstance(line.spend, str) and line.spend in drivers:
            driver = drivers[line.spend]
            yield from _spends_too_far((*path, "spend"), line, driver, driver.limits(drivers))


def unlikely_prevention(lines: Mapping[Path, Line]) -> Iterator[Problem]:
    """List what can be used but is more likely a slip, such as in one figure's unit."""
    for path, line in lines.items():
        if isinstance(line, CareLine) and line.turnover > MONTHS:
            days = 365 / line.turnover
            yield Problem(
                (*path, "entries"),
                f"{line.entries:,.0f} people enter a year where {line.people:,.0f} are, who would "
                f"stay {days:.0f} days on average; expected people a year into this line",
            )
        if isinstance(line, PreventionLine):
            yield from _unlikely_spend((*path, "spend"), line)


def _unlikely_spend(path: Path, line: PreventionLine) -> Iterator[Problem]:
    spend = stated_numbers(line.spend)
    most = max(map(abs, spend), default=0.0)
    if 0 < most < LEAST * line.effect_at:
        yield Problem(
            path,
            f"is at most {most:,.0f} where 'effect_at' is {line.effect_at:,.0f}, so that nothing "
            "comes of it; are both in GBP?",
        )
    cut, effect = min(spend, default=0.0), max(stated_numbers(line.effect), default=0.0)
    times = (1 - effect) ** (cut / line.effect_at)
    if times > TIMES and line.through == "entries":
        yield Problem(
            path,
            f"a cut of {-cut:,.0f} multiplies the entries of '{line.reduces}' by {times:,.1f} in "
            "the end: an effect stated for more money than is spent now says little of a cut",
        )


def _all_there_are(path: Path, driver: Driver, most: float) -> Iterator[Problem]:
    """Check that a driver keeps an effect below 1; that it stays from 0 to 1 is checked for all."""
    if most == 1:
        yield Problem(
            path, f"driver '{driver.name}' reaches 1: all the entries there are; expected below 1"
        )


def _spends_too_far(
    path: Path, line: PreventionLine, driver: Driver, limits: tuple[float, float]
) -> Iterator[Problem]:
    """Check that a driver keeps spending above nothing, and as near as an effect is a guide."""
    least, most = limits
    if least == -math.inf:
        yield Problem(
            path,
            f"nothing keeps driver '{driver.name}' from cutting more than the base of "
            f"{line.base:,.0f}; use beta, pert, triangular, discrete or empirical",
        )
    elif least < -line.base:
        yield Problem(
            path,
            f"driver '{driver.name}' cuts {-least:,.0f} from a base of {line.base:,.0f}",
        )
    elif math.inf > max(most, -least) > MOST * line.effect_at:
        yield Problem(
            path,
            f"driver '{driver.name}' spends {max(most, -least) / line.effect_at:,.0f} times "
            f"'effect_at'; an effect is no guide beyond {MOST} times what it was stated for",
        )


def fewer_than_none(lines: Mapping[Path, Line], planned: Paths) -> Iterator[Problem]:
    """List care lines that a cut of prevention leaves with fewer people than none, as planned."""
    for path, line in lines.items():
        try:
            line.average_people(planned)
        except MtfsError as error:
            yield Problem(path, str(error))


__all__ = [
    "Instead",
    "PeopleChange",
    "PreventionLine",
    "fewer_than_none",
    "people_changes",
    "prevention_problems",
    "unlikely_prevention",
]
