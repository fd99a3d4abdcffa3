"""What every cohort is: a named number of people by age band and setting, and who uses what."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Annotated, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator
from scipy.special import gammaincinv, ndtri

from mtfs.assumptions import (
    Assumption,
    Count,
    Declared,
    Name,
    Noted,
    Number,
    Share,
    ShareAssumption,
    YearLabel,
    fixed_values,
    form,
    pairs,
)
from mtfs.flows.counts import Counted
from mtfs.flows.keeping import KEPT
from mtfs.flows.levers import Value
from mtfs.flows.populations import age_range, plain_age
from mtfs.flows.simulation import shock_of
from mtfs.flows.uniforms import Keys, draw_keys, uniforms, word
from mtfs.sampling import ShockSpec
from mtfs.vocabulary import Array, MtfsError, Path, listing, suggest, year_label, year_start

PER = 1_000.0  # people that a prevalence is stated of
EXACT = 1e-6  # how far shares may be from 1 in sum: rounding of what is typed


def _names_form(value: object) -> str:
    return "form:number" if form(value) == "form:number" else "form:names"


AgeLabel = Annotated[str, BeforeValidator(str), AfterValidator(plain_age)]
CountBySetting = Annotated[tuple[tuple[Name, Count], ...], BeforeValidator(pairs)]
ShareBySetting = Annotated[tuple[tuple[Name, Share], ...], BeforeValidator(pairs)]
ShareOrBySetting = Annotated[
    Annotated[Share, Tag("form:number")] | Annotated[ShareBySetting, Tag("form:names")],
    Discriminator(_names_form),
]
Pairs: TypeAlias = tuple[tuple[str, float], ...]


class CohortPeople(Declared):
    """The people of a cohort in some of its states; unless given, all of a kind."""

    cohort: Name
    settings: tuple[Name, ...] | None = Field(None, min_length=1)
    ages: tuple[AgeLabel, ...] | None = Field(None, min_length=1)
    """age bands, such as "65 and over" """
    service: Name | None = None
    """only those who use a service, such as transport"""

    @property
    def source(self) -> str:
        """The name of the cohort."""
        return self.cohort


class Wander(Declared):
    """How a level departs from its stated growth: the steps of its logarithm, year by year.

    In a draw a year's step is stated growth, plus an error of the growth that holds for all years,
    plus a step of its own. With ``learnt_from`` n steps, s.d. and error of the growth are drawn
    from what n normal steps tell of them (sd**2 (n-1)/chi-square, and s.d./sqrt(n)), so that a
    year's step is a Student t of n - 1 degrees of freedom.
    """

    sd: Annotated[Number, Field(ge=0, le=1)]
    """of a year's step of the logarithm: about 0.03 for 3%"""
    persistence: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    """correlation of a year's step with the next; the steps' s.d. is ``sd`` in every year"""
    learnt_from: Annotated[int, Field(strict=True, ge=4)] | None = None
    """how many yearly steps growth and s.d. were learnt from; unless given, both are known"""

    def factors(self, keys: Keys, years: int) -> Array:
        """Draw what the level is multiplied by in each year, shape (year, draw).

        Parameters
        ----------
        keys
            One a draw.
        years
            How many years there are.
        """
        sd = np.full(len(keys), self.sd)
        drift = np.zeros(len(keys))
        if self.learnt_from is not None:
            degrees = self.learnt_from - 1
            chance = uniforms(keys, word("s.d. of the level"))
            sd = self.sd * np.sqrt(degrees / (2 * gammaincinv(degrees / 2, chance)))
            drift = sd / np.sqrt(self.learnt_from) * ndtri(uniforms(keys, word("growth")))
        steps = ndtri(uniforms(keys[None, :], word("level"), np.arange(years)[:, None]))
        fresh = np.sqrt(1 - self.persistence**2)
        for year in range(1, years):
            steps[year] = self.persistence * steps[year - 1] + fresh * steps[year]
        return np.asarray(np.exp(np.cumsum(drift + sd * steps, axis=0)))


class Service(Declared):
    """Something a share of the people use, such as transport."""

    name: Name
    shares: Annotated[tuple[tuple[Name, ShareAssumption], ...], BeforeValidator(pairs)] = Field(
        min_length=1
    )
    """share of the people of a setting, by setting: every one, 0 where nobody does"""
    base_shares: ShareBySetting | None = None
    """in the base year; unless given, those of the first year"""
    ages: tuple[AgeLabel, ...] = ()
    """the age bands whose people may use it; unless given, all"""


class CohortStates(Noted):
    """People by age band and setting.

    A cohort is one factor among a plan's shocks. A score of exactly 0, its median, stands for no
    surprise: the expected path.
    """

    base_year: YearLabel
    """the year before the first"""
    settings: tuple[Name, ...] = Field(min_length=1)
    services: tuple[Service, ...] = ()

    called: ClassVar[str] = "the cohort"
    followed: ClassVar[bool] = False
    """whether people are followed through the year, to its end and into the next age band"""

    @model_validator(mode="after")
    def _states_hang_together(self) -> Self:
        _require_once(self.settings, "settings")
        _require_once(self.ages, "age bands")
        _require_once([*self.settings, *(each.name for each in self.services)], "states")
        ranges = sorted(age_range(label) for label in self.ages)
        for (low, high), (after, _) in pairwise(ranges):
            if high is None or high > after:
                msg = f"age bands overlap: one begins at {after}, another from {low} is not over"
                raise ValueError(msg)
        for each in self.services:
            where = f"service '{each.name}', shares"
            self._require_settings(each.shares, where)
            if each.base_shares is not None:
                self._require_settings(each.base_shares, f"service '{each.name}', base_shares")
            for age in each.ages:
                self._require_age(age)
        return self

    @property
    @abstractmethod
    def ages(self) -> tuple[str, ...]:
        """The labels of the age bands."""

    @abstractmethod
    def _base(self) -> Array:
        """Give the average people of the base year, shape (age, setting)."""

    @abstractmethod
    def _expected(self, years: Sequence[str], value: Value) -> Array:
        """Give expected average people, shape (age, setting, year, draw or 1)."""

    @abstractmethod
    def counted(self, keys: Keys, years: Sequence[str], value: Value) -> Counted:
        """Count people in some draws."""

    @abstractmethod
    def _assumptions(self) -> list[Assumption]:
        """List what the counts follow."""

    @abstractmethod
    def last_year(self) -> str:
        """Give the last year it has what it needs for."""

    @property
    def labels(self) -> tuple[tuple[str, str], ...]:
        """Age and setting of every state, the setting fastest."""
        return tuple((age, setting) for age in self.ages for setting in self.settings)

    def shocks(self) -> tuple[ShockSpec, ...]:
        """List its one stream."""
        return (shock_of(self.name),)

    def faults(self, years: Sequence[str]) -> Iterator[str]:
        """Say what does not fit a plan's years."""
        after = year_label(year_start(self.base_year) + 1)
        if years[0] != after:
            yield f"'base_year' is {self.base_year}: its first year is {after}, not {years[0]}"
        elif year_start(years[-1]) > year_start(self.last_year()):
            yield (
                f"its populations go to {self.last_year()}; the last year is {years[-1]}: give "
                "the population of every year"
            )

    def doubts(self) -> Iterator[tuple[Path, str]]:
        """Say what can hardly be meant, with its field."""
        yield from ()

    def unknown(self, people: CohortPeople) -> Iterator[tuple[str, str]]:
        """Name the states that are asked for and not there, with the field that asks."""
        services = [each.name for each in self.services]
        for field, asked, known in [
            ("settings", people.settings, self.settings),
            ("ages", people.ages, self.ages),
            ("service", (people.service,) if people.service else (), services),
        ]:
            for name in asked or ():
                if name not in known:
                    held = ", ".join(known) or "none"
                    near = suggest(name, known)
                    yield field, f"cohort '{self.name}' has no '{name}'.{near} It has: {held}"

    def states(self) -> list[str]:
        """List what a line each may count: its settings and services."""
        return [*self.settings, *(each.name for each in self.services)]

    def alone(self, state: str) -> CohortPeople:
        """Ask for everyone in one of :meth:`states`."""
        if state in self.settings:
            return CohortPeople(cohort=self.name, settings=(state,))
        return CohortPeople(cohort=self.name, service=state)

    def select(self, people: CohortPeople) -> NDArray[np.bool_]:
        """Mark the states that are asked for, shape (state,); users of services come last."""
        ages = np.array([not people.ages or age in people.ages for age in self.ages])
        settings = np.array([not people.settings or s in people.settings for s in self.settings])
        chosen = (ages[:, None] & settings).ravel()
        wanted = [None, *(each.name for each in self.services)]
        return np.concatenate([chosen & (name == people.service) for name in wanted])

    def base(self, years: Sequence[str] | None = None, planned: Value | None = None) -> Array:
        """Give the average people of the base year, and who used services; shape (state,).

        Parameters
        ----------
        years, planned
            The plan's years, and an assumption as planned: needed where services are paid for
            whose share names a driver, or is not given for the base year.
        """
        people = self._base()
        found = [people]
        for each in self.services:
            held = dict(each.base_shares or each.shares)
            shares = [
                self._first(each, setting, held[setting], years, planned)
                for setting in self.settings
            ]
            found.append(people * self._using(each, np.array(shares)))
        return np.concatenate([each.ravel() for each in found])

    def _first(
        self,
        service: Service,
        setting: str,
        share: ShareAssumption,
        years: Sequence[str] | None,
        planned: Value | None,
    ) -> float:
        """Give an assumption in the first year."""
        if isinstance(share, float | int):
            return float(share)
        value = planned or (self.stated(years) if years else None)
        if value is None:
            msg = (
                f"cohort '{self.name}', service '{service.name}', {setting}: the share differs "
                "from year to year: give 'base_shares', or the years"
            )
            raise MtfsError(msg)
        return float(value(share)[0, 0])

    def expected(
        self, years: Sequence[str], value: Value | None = None, planned: Value | None = None
    ) -> Array:
        """Give the expected average people, shape (state, year, draw), or (state, year, 1).

        States are as in ``labels``; then come the users of each service, in the same order.

        Parameters
        ----------
        years
            Those that follow the base year.
        value
            Gives an assumption by (year, draw) or (year, 1); needed where one names a driver.
        planned
            Not needed: as cohorts follow drivers draw by draw, ``value`` is enough.
        """
        del planned
        self._require_years(years)
        value = value or self.stated(years)
        return self._with_users(self._expected(years, value), value)

    def draw(
        self,
        scores: Array,
        years: Sequence[str],
        value: Value | None = None,
        planned: Value | None = None,
    ) -> Array:
        """Draw the average people, shape (state, year, draw), states as :meth:`expected` has them.

        Parameters
        ----------
        scores
            One standard normal score a draw, shape (draw,).
        years, value, planned
            As for :meth:`expected`.
        """
        del planned
        self._require_years(years)
        whole = value or self.stated(years)
        drawn = np.flatnonzero(scores != 0)

        def part(assumption: Assumption) -> Array:
            held = whole(assumption)
            return held if held.shape[1] == 1 else held[:, drawn]

        people = np.empty((len(self.ages), len(self.settings), len(years), len(scores)))
        if len(drawn) < len(scores):
            people[...] = self._expected(years, whole)
        if len(drawn):
            people[..., drawn] = self._drawn(scores[drawn], years, part)
        return self._with_users(people, whole)

    def _drawn(self, scores: Array, years: Sequence[str], value: Value) -> Array:
        """Count average people in some draws, or give what is kept of them."""
        found = hashlib.blake2b(self._canonical, digest_size=16)
        found.update("\0".join(years).encode())
        for each in (scores, *map(value, self._assumptions())):
            found.update(str(each.shape).encode() + each.tobytes())
        return KEPT.once(
            ("counted", found.digest()),
            lambda: self.counted(draw_keys(scores, self.name), years, value).average,
        )

    @cached_property
    def _canonical(self) -> bytes:
        """All of it that counts follow, as JSON."""
        return self.model_dump_json(exclude={"services"}).encode()

    def users(self, people: Array, value: Value) -> Array:
        """Give who uses each service, shape (service, age, setting, year, draw).

        Parameters
        ----------
        people
            Shape (age, setting, year, draw).
        value
            Gives an assumption by (year, draw) or (year, 1).
        """
        found = []
        for each in self.services:
            shares = dict(each.shares)
            by_setting = [
                np.broadcast_to(value(shares[s]), people.shape[2:]) for s in self.settings
            ]
            found.append(people * self._using(each, np.stack(by_setting)))
        return np.stack(found) if found else np.zeros((0, *people.shape))

    def _with_users(self, people: Array, value: Value) -> Array:
        """Append who uses each service, and make one row a state."""
        found = np.concatenate([people[None], self.users(people, value)])
        return found.reshape(-1, *people.shape[2:])

    def _using(self, service: Service, shares: Array) -> Array:
        """Give shares by age and setting of those by setting."""
        of_age = np.array([not service.ages or age in service.ages for age in self.ages], float)
        return of_age.reshape(-1, *(1,) * shares.ndim) * shares

    def stated(
        self, years: Sequence[str], drivers: Mapping[str, float | Sequence[float]] | None = None
    ) -> Value:
        """Give what gives an assumption's values by year, shape (year, 1).

        Parameters
        ----------
        years
            Those that follow the base year.
        drivers
            Values of the drivers that are named, one for all years or one a year.
        """
        held = dict(drivers or {})

        def value(assumption: Assumption) -> Array:
            if isinstance(assumption, str):
                if assumption not in held:
                    near = suggest(assumption, held)
                    msg = (
                        f"cohort '{self.name}' follows driver '{assumption}': give its values, "
                        f"drivers={{'{assumption}': ...}}, or use the cohort in a plan that holds "
                        f"it.{near}"
                    )
                    raise MtfsError(msg)
                assumption = held[assumption]
            try:
                return fixed_values(assumption, years)[:, None]
            except ValueError as error:
                msg = f"cohort '{self.name}': {error}"
                raise MtfsError(msg) from None

        return value

    def _require_years(self, years: Sequence[str]) -> None:
        for fault in self.faults(years):
            msg = f"cohort '{self.name}': {fault}"
            raise MtfsError(msg)

    def _require_settings(self, named: Sequence[tuple[str, object]], where: str) -> None:
        """Check that every setting is there once, and no other."""
        names = [name for name, _ in named]
        _require_once(names, where)
        for name in names:
            if name not in self.settings:
                near = suggest(name, self.settings)
                msg = f"{where} names setting '{name}', which the cohort does not have.{near} It "
                raise ValueError(f"{msg}has: {', '.join(self.settings)}")
        if missing := [name for name in self.settings if name not in names]:
            msg = f"{where} leaves out {listing(missing)}: give every setting, 0 where there is "
            raise ValueError(f"{msg}none")

    def _require_population(self, age: str, population: Pairs) -> None:
        """Check that an age band's population is there from the base year on, every year once."""
        years = [year for year, _ in population]
        first = year_start(self.base_year)
        needed = [year_label(year) for year in range(first, max(map(year_start, years)) + 1)]
        missing = [year for year in needed or [self.base_year] if year not in years]
        if missing or len(set(years)) < len(years):
            what = f"has no {listing(missing)}" if missing else "holds a year twice"
            msg = f"age band '{age}': the population {what}; expected every year once, from the "
            raise ValueError(f"{msg}base year {self.base_year} on")

    def _require_setting(self, name: str) -> None:
        if name not in self.settings:
            msg = f"there is no setting '{name}'.{suggest(name, self.settings)} There is: "
            raise ValueError(msg + ", ".join(self.settings))

    def _require_age(self, age: str) -> None:
        if age not in self.ages:
            msg = f"there is no age band '{age}'.{suggest(age, self.ages)} There is: "
            raise ValueError(msg + ", ".join(self.ages))


def _require_once(names: Sequence[str], where: str) -> None:
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        msg = f"{where}: {listing(twice)} is there twice"
        raise ValueError(msg)
