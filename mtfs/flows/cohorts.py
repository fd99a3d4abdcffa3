"""Cohorts of adults: population by age x prevalence x share by setting, and chance around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from mtfs.assumptions import Assumption, Declared, GrowthAssumption, Name, Number, ShareAssumption
from mtfs.flows.cohort_states import (
    EXACT,
    PER,
    AgeLabel,
    CohortStates,
    ShareBySetting,
    ShareOrBySetting,
    Wander,
)
from mtfs.flows.counts import Ageing, Chances, Counted, Counts, rounded, uneven
from mtfs.flows.levers import Value
from mtfs.flows.populations import age_range
from mtfs.flows.states import ByYears
from mtfs.flows.uniforms import Keys
from mtfs.vocabulary import Array, MtfsError, Path, year_label, year_start

_FEW = 0.1  # of 1,000: one in ten thousand, fewer than any kind of long-term care has


class PrevalenceBand(Declared):
    """The people of one age band: how many there are, how many of them are supported, and where."""

    age: AgeLabel
    """such as "18 to 64" or "65 and over" """
    population: ByYears
    """year-average population by financial year, from the base year on"""
    prevalence: Annotated[Number, Field(ge=0, le=PER)]
    """people supported, of 1,000 of the population, in the base year"""
    prevalence_growth: GrowthAssumption = 0.0
    """growth a year of the prevalence"""
    shares: ShareBySetting
    """share of the people by setting in the base year; they sum to 1"""
    attrition: ShareOrBySetting
    """share of the people in a setting who are no longer there a year later, whatever the reason;
    one for all or by setting"""


class SettingShift(Declared):
    """People of one setting who are in another instead, more of them each year."""

    origin: Name
    destination: Name
    share: ShareAssumption
    """of those who would be in the origin, each year anew: with 0.1 a tenth goes in the first year,
    and a tenth of the rest in the second"""
    ages: tuple[AgeLabel, ...] = ()
    """unless given, all"""


class Cohort(CohortStates):
    """People supported, as population x prevalence x share by setting.

    The expected number is just that in every year. Chance in counts surrounds it: of a year's
    people a binomial number stays, and new ones come, Poisson or more spread, with the mean that
    keeps the expected number at population x prevalence x share: expected people less those of the
    year before who stay. Where prevalence falls faster than people leave, no number of new ones
    does: the stated path is then refused, and in a draw nobody comes and more leave.
    """

    kind: Literal["prevalence"] = "prevalence"
    bands: tuple[PrevalenceBand, ...] = Field(min_length=1)
    shifts: tuple[SettingShift, ...] = ()
    wander: Wander | None = None
    """how all prevalences together depart from their stated growth"""
    dispersion: Annotated[Number, Field(ge=0, le=4)] = 0.0
    """variance of the gamma factor, of mean 1, that all new people of a year share: their number
    has the variance m + dispersion m**2"""

    @model_validator(mode="after")
    def _bands_hang_together(self) -> Self:
        for band in self.bands:
            where = f"age band '{band.age}'"
            self._require_settings(band.shares, f"{where}, shares")
            total = sum(share for _, share in band.shares)
            if abs(total - 1) > EXACT:
                msg = f"{where}: the shares by setting sum to {total:.6g}; expected 1"
                raise ValueError(msg)
            if isinstance(band.attrition, tuple):
                self._require_settings(band.attrition, f"{where}, attrition")
            self._require_population(band.age, band.population)
        for shift in self.shifts:
            self._require_setting(shift.origin)
            self._require_setting(shift.destination)
            if shift.origin == shift.destination:
                msg = f"a shift goes from '{shift.origin}' to itself"
                raise ValueError(msg)
            for age in shift.ages:
                self._require_age(age)
        return self

    @property
    def ages(self) -> tuple[str, ...]:
        """The labels of the age bands."""
        return tuple(band.age for band in self.bands)

    def last_year(self) -> str:
        """Give the last year for which every band has a population."""
        return year_label(
            min(max(year_start(year) for year, _ in band.population) for band in self.bands)
        )

    def faults(self, years: Sequence[str]) -> Iterator[str]:
        """Say what does not fit a plan's years."""
        found = list(super().faults(years))
        yield from found
        followed = self._assumptions()
        if found or any(isinstance(each, str) for each in followed):
            return
        value = self.stated(years)
        try:
            for each in followed:
                value(each)
        except MtfsError:  # not a value a year: said of its field, and where the value is used
            return
        try:
            expected = self._expected(years, value)[..., 0]
        except MtfsError as error:
            yield str(error)
        else:
            yield from self._too_fast(expected, years)

    def _assumptions(self) -> list[Assumption]:
        return [
            *(band.prevalence_growth for band in self.bands),
            *(shift.share for shift in self.shifts),
        ]

    def doubts(self) -> Iterator[tuple[Path, str]]:
        """Say where a prevalence can hardly be meant: a share of all, perhaps."""
        for number, band in enumerate(self.bands):
            if 0 < band.prevalence < _FEW:
                people, share = dict(band.population)[self.base_year], band.prevalence / PER
                text = (
                    f"{band.prevalence:g} of 1,000 are {share * people:,.0f} of {people:,.0f} "
                    f"people; write {band.prevalence:.1%} as {band.prevalence * PER:g}"
                )
                yield ("bands", number, "prevalence"), text

    def _too_fast(self, expected: Array, years: Sequence[str]) -> Iterator[str]:
        """Say where the stated path falls faster than people leave."""
        before = np.concatenate([self._base()[..., None], expected[..., :-1]], axis=2)
        attrition = self._attrition()
        places = np.argwhere(expected < before * (1 - attrition[..., None]) * (1 - EXACT))
        if len(places):
            age, setting, year = places[0].tolist()
            fall = 1 - expected[age, setting, year] / before[age, setting, year]
            more = (
                f", and so in {len(places) - 1} other states and years" if places[1:].size else ""
            )
            yield (
                f"{self.ages[age]}, {self.settings[setting]}: people fall by {fall:.1%} in "
                f"{years[year]}, and {attrition[age, setting]:.1%} leave in a year{more}: there "
                "would have to be fewer new ones than none. State a higher attrition or a slower "
                "fall"
            )

    def _base(self) -> Array:
        people = [dict(b.population)[self.base_year] * b.prevalence / PER for b in self.bands]
        return np.array(people)[:, None] * self._base_shares()

    def _base_shares(self) -> Array:
        return np.array([[dict(b.shares)[s] for s in self.settings] for b in self.bands])

    def _attrition(self) -> Array:
        """Give attrition by age and setting."""
        rows = []
        for band in self.bands:
            if isinstance(band.attrition, tuple):
                held = dict(band.attrition)
                rows.append([held[setting] for setting in self.settings])
            else:
                rows.append([band.attrition] * len(self.settings))
        return np.array(rows)

    def _expected(self, years: Sequence[str], value: Value) -> Array:
        indices = []
        for band in self.bands:
            population = np.array([dict(band.population)[year] for year in years])
            growth = np.cumprod(1 + value(band.prevalence_growth), axis=0)
            indices.append(population[:, None] * band.prevalence / PER * growth)
        width = max(each.shape[1] for each in indices)
        people = np.stack([np.broadcast_to(each, (len(years), width)) for each in indices])
        return people[:, None] * self._shares(years, value)

    def _shares(self, years: Sequence[str], value: Value) -> Array:
        """Give shares by setting, shape (age, setting, year, draw or 1)."""
        now = self._base_shares()[..., None]
        if not self.shifts:
            return np.broadcast_to(now[:, :, None], (*now.shape[:2], len(years), 1))
        moving = [value(shift.share) for shift in self.shifts]
        found = []
        for year in range(len(years)):
            going: Array = np.zeros((1, 1, 1))
            for shift, share in zip(self.shifts, moving, strict=True):
                of_age = [not shift.ages or age in shift.ages for age in self.ages]
                origin = self.settings.index(shift.origin)
                destination = self.settings.index(shift.destination)
                part = np.array(of_age, float)[:, None] * now[:, origin] * share[year]
                step = np.zeros((*now.shape[:2], part.shape[1]))
                step[:, origin], step[:, destination] = -part, part
                going = going + step
            now = now + going
            if (now < -EXACT).any():
                place = np.argwhere(now < -EXACT)[0]
                msg = (
                    f"cohort '{self.name}', shifts: in {years[year]} more than all people of "
                    f"'{self.settings[place[1]]}' would be elsewhere; expected shares from 0 to 1, "
                    "and at most 1 together from one setting"
                )
                raise MtfsError(msg)
            found.append(now)
        width = max(each.shape[2] for each in found)
        return np.stack([np.broadcast_to(e, (*e.shape[:2], width)) for e in found], axis=2)

    def counted(self, keys: Keys, years: Sequence[str], value: Value) -> Counted:
        """Count people in some draws; what is counted in the middle of a year is its average.

        Parameters
        ----------
        keys
            One a draw.
        years, value
            As for :meth:`expected`.
        """
        expected = self._expected(years, value)
        if self.wander is not None:
            expected = expected * self.wander.factors(keys, len(years))
        base = self._base()[..., None]
        chances, arrivals, hastened = [], [], []
        staying = 1 - self._attrition()[..., None]
        before: Array = base
        for year in range(len(years)):
            after = expected[:, :, year]
            kept = np.minimum(
                staying,
                np.divide(after, before, out=np.ones_like(after + before), where=before > 0),
            )
            hastened.append(
                np.broadcast_to(kept < staying * (1 - EXACT), (*kept.shape[:2], len(keys)))
            )
            chances.append(Chances.of_staying(kept))
            coming = np.maximum(after - kept * before, 0.0)  # below 0 by rounding only
            arrivals.append(coming * uneven(keys, self.dispersion, year))
            before = after
        start = rounded(base.reshape(-1, 1), keys, self.labels).reshape(*base.shape[:2], -1)
        ageing = Ageing(tuple(age_range(age) for age in self.ages))
        counts = Counts(self.labels, ageing, tuple(chances), steps=1)
        found = counts.run(start, np.stack(arrivals), keys)
        return replace(found, average=found.closing, hastened=np.stack(hastened, axis=2))
