"""Cohorts that flow: people by age and setting, new ones, leavers, moves and birthdays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from scipy.special import gammaincinv, ndtri

from mtfs.assumptions import (
    Assumption,
    Count,
    Declared,
    GrowthAssumption,
    Name,
    Number,
    form,
    pairs,
)
from mtfs.distributions import interval, require_interval
from mtfs.flows.cohort_states import (
    AgeLabel,
    CohortStates,
    CountBySetting,
    Wander,
)
from mtfs.flows.counts import Ageing, Chances, Counted, Counts, rounded, uneven
from mtfs.flows.levers import Value
from mtfs.flows.populations import age_range
from mtfs.flows.states import YEAR_DAYS, ByYears
from mtfs.flows.uniforms import Keys, uniforms, word
from mtfs.vocabulary import MAX_HORIZON, Array, Path, year_label, year_start

STEPS = {"month": 12, "quarter": 4, "year": 1}
_FAST = 4.0  # a year: people who stay three months on average need no plan of years
BIRTHDAYS = {"1 April": 0, "1 September": 5}  # months after 1 April


class Observed(Declared):
    """A rate as events over the time in which they could happen.

    Its posterior is a gamma of shape ``events + 1/2`` and rate ``exposure``, from Jeffreys' prior
    of a Poisson rate, which leaves no rate at exactly 0.
    """

    events: Count
    exposure: Annotated[Number, Field(gt=0)]
    """person-years; for new people years"""

    @property
    def mean(self) -> float:
        """The posterior's mean."""
        return (self.events + 0.5) / self.exposure

    def quantile(self, chance: Array) -> Array:
        """Give the posterior's quantiles."""
        return np.asarray(gammaincinv(self.events + 0.5, chance) / self.exposure)


class Stated(Declared):
    """A rate as an interval: the lognormal that has it."""

    interval: tuple[Annotated[Number, Field(gt=0)], Annotated[Number, Field(gt=0)]]
    prob: Annotated[Number, Field(gt=0, lt=1)]
    """the probability of the interval"""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        require_interval(*self.interval, self.prob)
        return self

    @property
    def mean(self) -> float:
        """The lognormal's mean."""
        return interval(*self.interval, prob=self.prob, shape="lognormal").mean

    def quantile(self, chance: Array) -> Array:
        """Give the lognormal's quantiles."""
        law = interval(*self.interval, prob=self.prob, shape="lognormal")
        return law.value(np.asarray(ndtri(chance)))


def _rate_form(value: object) -> str:
    if form(value) == "form:number":
        return "form:number"
    held = value if isinstance(value, Mapping) else getattr(type(value), "model_fields", ())
    return "form:interval" if "interval" in held else "form:events"


AnyRate = Annotated[
    Annotated[Count, Tag("form:number")]
    | Annotated[Observed, Tag("form:events")]
    | Annotated[Stated, Tag("form:interval")],
    Discriminator(_rate_form),
]
"""a number a year, events over exposure, or an interval"""
RateBySetting = Annotated[tuple[tuple[Name, AnyRate], ...], BeforeValidator(pairs)]


def rate(stated: float | Observed | Stated, keys: Keys | None, name: str) -> Array:
    """Draw a rate, shape (draw,); without keys its mean, shape (1,)."""
    if isinstance(stated, Observed | Stated):
        if keys is None:
            return np.array([stated.mean])
        return stated.quantile(uniforms(keys, word(f"rate {name}")))
    return np.array([float(stated)])


class FlowBand(Declared):
    """The people of one age band: how many there are in each setting, and how many come a year."""

    age: AgeLabel
    """a single year of age, all of whose people move up on the birthday, or a band, whose people
    move up all the time at a rate of 1 over its width; an open one ("65 and over") keeps them"""
    people: CountBySetting
    """at the end of the base year, by setting"""
    average: CountBySetting | None = None
    """on average in the base year, by setting; unless given, ``people``"""
    new: RateBySetting
    """new people a year at the level of the base year, by setting"""
    population: ByYears | None = None
    """year-average population by financial year, from the base year on: new people keep their
    proportion to it; unless given, their number does not follow a population"""


class Leaving(Declared):
    """How fast people leave, other than by outgrowing the last age band."""

    rate: AnyRate
    """a year, of those who are there"""
    settings: tuple[Name, ...] = ()
    """unless given, all"""
    ages: tuple[AgeLabel, ...] = ()
    """unless given, all"""


class Moving(Declared):
    """How fast people move from one setting to another."""

    origin: Name
    destination: Name
    rate: AnyRate
    """a year, of those in the origin"""
    ages: tuple[AgeLabel, ...] = ()
    """unless given, all"""


class FlowCohort(CohortStates):
    """People by age and setting whose new ones, leavers, moves and birthdays are known.

    For pupils with an education, health and care plan, say. Numbers are counted, not persons: how
    long someone has been there does not matter.
    """

    kind: Literal["flow"] = "flow"
    bands: tuple[FlowBand, ...] = Field(min_length=1)
    """in order of age, one after the other; those who outgrow the last one leave"""
    leaving: tuple[Leaving, ...]
    """one for every state"""
    moves: tuple[Moving, ...] = ()
    new_growth: GrowthAssumption = 0.0
    """growth a year of the number of new people, over what a population makes of it"""
    wander: Wander | None = None
    """how the number of new people departs from its stated growth"""
    dispersion: Annotated[Number, Field(ge=0, le=4)] = 0.0
    """variance of the gamma factor, of mean 1, that all new people of a year share: their number
    has the variance m + dispersion m**2"""
    birthday: Literal["1 April", "1 September"] = "1 September"
    """when a single year of age moves up: the academic year's, for pupils, unless given"""
    step: Literal["month", "quarter", "year"] = "month"
    followed: ClassVar[bool] = True

    @model_validator(mode="after")
    def _flow_hangs_together(self) -> Self:
        ranges = [age_range(age) for age in self.ages]
        for (_, high), (low, _) in pairwise(ranges):
            if high != low:
                msg = f"age bands follow each other; after the one to {high} comes one from {low}"
                raise ValueError(msg)
        single = any(high is not None and high - low == 1 for low, high in ranges)
        if single and BIRTHDAYS[self.birthday] * STEPS[self.step] % 12:
            msg = f"'birthday' {self.birthday} falls within a {self.step}: let 'step' be month"
            raise ValueError(msg)
        for band in self.bands:
            where = f"age band '{band.age}'"
            self._require_settings(band.people, f"{where}, people")
            self._require_settings(band.new, f"{where}, new")
            if band.average is not None:
                self._require_settings(band.average, f"{where}, average")
            if band.population is not None:
                self._require_population(band.age, band.population)
        self._require_rules()
        return self

    def _require_rules(self) -> None:
        """Check that rates are of states that exist, each given once."""
        held: dict[tuple[str, ...], int] = {}
        for rule in self.leaving:
            for age, setting in self._covered(rule.ages, rule.settings):
                held[age, setting] = held.get((age, setting), 0) + 1
        wrong = [state for state in self.labels if held.get(state, 0) != 1]
        if wrong:
            age, setting = wrong[0]
            found = "none" if not held.get(wrong[0]) else f"{held[wrong[0]]}"
            msg = f"'leaving' gives {found} for {age} in {setting}, one of {len(wrong)} such states"
            raise ValueError(f"{msg}; expected one rate for every age and setting")
        routes: set[tuple[str, ...]] = set()
        for move in self.moves:
            if move.origin == move.destination:
                msg = f"a move goes from '{move.origin}' to itself"
                raise ValueError(msg)
            self._covered((), (move.origin, move.destination))
            for age, _ in self._covered(move.ages, (move.origin,)):
                if (age, move.origin, move.destination) in routes:
                    msg = f"'moves' gives two rates for {age} from {move.origin} to "
                    raise ValueError(msg + move.destination)
                routes.add((age, move.origin, move.destination))

    def _covered(self, ages: Sequence[str], settings: Sequence[str]) -> list[tuple[str, str]]:
        """List the states of some ages and settings, which exist."""
        for age in ages:
            self._require_age(age)
        for setting in settings:
            self._require_setting(setting)
        return [
            (age, setting) for age in (ages or self.ages) for setting in (settings or self.settings)
        ]

    @property
    def ages(self) -> tuple[str, ...]:
        """The labels of the age bands."""
        return tuple(band.age for band in self.bands)

    def last_year(self) -> str:
        """Give the last year for which every band has the population it follows."""
        held = [b.population for b in self.bands if b.population is not None]
        latest = [max(year_start(year) for year, _ in each) for each in held]
        return year_label(min(latest, default=year_start(self.base_year) + MAX_HORIZON))

    def _assumptions(self) -> list[Assumption]:
        return [self.new_growth]

    def doubts(self) -> Iterator[tuple[Path, str]]:
        """Say where a rate can hardly be meant: a percentage, perhaps."""
        held = [
            *((("leaving", n, "rate"), rule.rate) for n, rule in enumerate(self.leaving)),
            *((("moves", n, "rate"), rule.rate) for n, rule in enumerate(self.moves)),
        ]
        for where, stated in held:
            yearly = stated.mean if isinstance(stated, Observed | Stated) else stated
            if yearly > _FAST:
                text = (
                    f"at {yearly:.3g} a year people stay {YEAR_DAYS / yearly:.0f} days on average; "
                    f"write {yearly:.3g}% a year as {yearly / 100:.3g}"
                )
                yield where, text

    def _by_setting(self, held: Sequence[tuple[Any, ...]]) -> Array:
        return np.array([[dict(row)[setting] for setting in self.settings] for row in held])

    def _base(self) -> Array:
        held = [b.people if b.average is None else b.average for b in self.bands]
        return self._by_setting(held)

    def _expected(self, years: Sequence[str], value: Value) -> Array:
        counts, arrivals = self._flow(years, value, None)
        start = self._by_setting([b.people for b in self.bands])
        return counts.run(start[..., None], arrivals).average

    def counted(self, keys: Keys, years: Sequence[str], value: Value) -> Counted:
        """Count people in some draws.

        Parameters
        ----------
        keys
            One a draw.
        years, value
            As for :meth:`expected`.
        """
        counts, arrivals = self._flow(years, value, keys)
        level = np.stack([uneven(keys, self.dispersion, year) for year in range(len(years))])
        if self.wander is not None:
            level = level * self.wander.factors(keys, len(years))
        start = self._by_setting([b.people for b in self.bands])
        start = rounded(start.reshape(-1, 1), keys, self.labels).reshape(*start.shape, -1)
        return counts.run(start, arrivals * level[:, None, None], keys)

    def _flow(self, years: Sequence[str], value: Value, keys: Keys | None) -> tuple[Counts, Array]:
        """Give rates and expected new people, shape (year, age, setting, draw); or their means."""
        where = {name: number for number, name in enumerate(self.settings)}
        rows = {name: number for number, name in enumerate(self.ages)}
        wide = 1 if keys is None else len(keys)
        shape = (len(rows), len(where))
        exits, moves = np.zeros((*shape, wide)), np.zeros((*shape, len(where), wide))
        for rule in self.leaving:
            covered = self._covered(rule.ages, rule.settings)
            found = rate(rule.rate, keys, "leave " + "\0".join(map("\0".join, covered)))
            for age, setting in covered:
                exits[rows[age], where[setting]] = found
        for move in self.moves:
            covered = self._covered(move.ages, (move.origin,))
            name = f"move to {move.destination} " + "\0".join(map("\0".join, covered))
            found = rate(move.rate, keys, name)
            for age, origin in covered:
                moves[rows[age], where[origin], where[move.destination]] = found
        stated = [*(rule.rate for rule in self.leaving), *(move.rate for move in self.moves)]
        if all(isinstance(each, float) for each in stated):
            exits, moves = exits[..., :1], moves[..., :1]
        new = np.zeros((*shape, wide))
        for band in self.bands:
            for setting, yearly in band.new:
                name = f"new {band.age}\0{setting}"
                new[rows[band.age], where[setting]] = rate(yearly, keys, name)
        growth = np.cumprod(1 + value(self.new_growth), axis=0)  # (year, draw)
        level = np.stack([self._population_index(band, years) for band in self.bands], axis=1)
        steps = STEPS[self.step]
        ageing = Ageing(tuple(age_range(age) for age in self.ages), BIRTHDAYS[self.birthday])
        counts = Counts(self.labels, ageing, (Chances.of_rates(exits, moves, 1 / steps),), steps)
        return counts, new * level[..., None, None] * growth[:, None, None, :]

    def _population_index(self, band: FlowBand, years: Sequence[str]) -> Array:
        """Give a band's population over that of the base year, shape (year,)."""
        if band.population is None:
            return np.ones(len(years))
        held = dict(band.population)
        if held[self.base_year] == 0:
            return np.zeros(len(years))
        return np.array([held[year] for year in years]) / held[self.base_year]
