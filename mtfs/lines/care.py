"""Care: people x weekly cost x weeks, less what clients and partners pay."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

import numpy as np
from pydantic import Discriminator, Field, Tag, model_validator

from mtfs.assumptions import (
    Assumption,
    Count,
    CountAssumption,
    Declared,
    GrowthAssumption,
    Number,
    Pounds,
    PoundsAssumption,
    Share,
    ShareAssumption,
    form,
    stated_numbers,
)
from mtfs.flows.cohort_states import CohortPeople
from mtfs.flows.sources import FlowPeople
from mtfs.lines.anatomy import FULL_YEAR, Anatomy, Factor, from_base, may_move, steady
from mtfs.lines.base import Line
from mtfs.paths import Calendar, Paths
from mtfs.sampling import ShockSpec
from mtfs.vocabulary import Array

PARTNERS = "client and partner income"
FEW = 5  # below so many people a lognormal of the mean is off, and people are summed one by one


def people_form(value: object) -> str:
    """Tell pydantic which form people have: a number, or those of a flow or a cohort."""
    if form(value) != "form:mapping":
        return form(value)
    cohort = "cohort" in value if isinstance(value, Mapping) else isinstance(value, CohortPeople)
    return "form:cohort" if cohort else "form:flow"


SourcedPeople: TypeAlias = FlowPeople | CohortPeople
AnyPeople = Annotated[
    Annotated[Count, Tag("form:number")]
    | Annotated[FlowPeople, Tag("form:flow")]
    | Annotated[CohortPeople, Tag("form:cohort")],
    Discriminator(people_form),
]


class Dispersion(Declared):
    """How far individual weekly costs spread, and how many people stay from one year to the next.

    The mean cost of N people is drawn as a lognormal of coefficient of variation ``cv / sqrt(N)``,
    and as the same people stay, its score is an AR(1) with ``stay``. Below five people each one is
    drawn.
    """

    cv: Annotated[float, Field(strict=True, gt=0, le=5)]
    """coefficient of variation of individual weekly costs; a lognormal of sigma 0.75 has 0.87"""
    stay: Share
    """share of this year's people who are there next year"""


class CareLine(Line):
    """Care or any service of people at a weekly cost.

    Net cost = people x weekly cost x weeks x (1 - client income - joint funding) less weekly income
    (never more than the spend). Growth in people, price and mix is kept apart.
    """

    kind: Literal["care", "temporary_accommodation"] = "care"
    people: AnyPeople | None = None
    """people in the base year: its average, or its closing number with people_at: year_end; or
    those of a flow or cohort in every year: ``{flow: children, placements: [residential]}``"""
    people_at: Literal["year_average", "year_end"] = "year_average"
    people_growth: GrowthAssumption = 0.0
    """growth a year of that number"""
    people_added: Assumption = 0.0
    """people added each year (a change over the year before), any sign"""
    arrival: Share = 0.5
    """year_end: share of a year's growth that costs in that year; a half where it comes evenly"""
    people_by_year: CountAssumption | None = None
    """year-average people in each year, instead of people and growth"""
    entries: Annotated[Count, Field(gt=0)] | None = None
    """people who enter a year in the base year: needed where prevention lowers the line's people"""
    weekly_cost: Pounds
    """GBP a person a week in the base year"""
    price_growth: GrowthAssumption = 0.0
    mix_growth: GrowthAssumption = 0.0
    """growth a year of the cost of a place from needs and kinds of place, not from prices"""
    weeks: Annotated[Number, Field(gt=0, le=53)] | None = None
    """weeks paid a year; unless given, 365/7 or 366/7 by the financial year"""
    client_income: ShareAssumption = 0.0
    """share of the cost that clients pay"""
    joint_funding: ShareAssumption = 0.0
    """share of the cost that partners such as the ICB pay"""
    weekly_income: PoundsAssumption = 0.0
    """GBP a person a week of other income, such as housing benefit subsidy, by year"""
    dispersion: Dispersion | None = None

    components: ClassVar[tuple[str, ...]] = ("people", "mix", "price", "prevention")
    share_fields: ClassVar[tuple[str, ...]] = ("client_income", "joint_funding")

    @model_validator(mode="after")
    def _people_one_way(self) -> Self:
        if (self.people is None) == (self.people_by_year is None):
            msg = "give either 'people' (in the base year, then growing) or 'people_by_year'"
            raise ValueError(msg)
        if self.people_by_year is not None and (self.people_growth != 0 or self.people_added != 0):
            msg = "'people_by_year' holds the people of every year; growth does not go with it"
            raise ValueError(msg)
        if self.sourced is not None:
            self._require_source_alone()
        if self.entries is not None and not self.people:
            msg = "'entries' are over the people in the base year; give 'people', above 0"
            raise ValueError(msg)
        fixed = [s for s in (self.client_income, self.joint_funding) if isinstance(s, int | float)]
        if sum(fixed) > 1:
            msg = (
                f"clients and partners pay {sum(fixed):g} of the cost; expected at most 1 together"
            )
            raise ValueError(msg)
        return self

    def _require_source_alone(self) -> None:
        """Check that nothing else moves the people of a flow or cohort."""
        others = {
            "people_growth": self.people_growth != 0,
            "people_added": self.people_added != 0,
            "people_at": self.people_at != "year_average",
            "entries": self.entries is not None,
        }
        if moved := [name for name, given in others.items() if given]:
            msg = (
                f"'{moved[0]}' does not go with people of a flow or cohort, who move by themselves"
            )
            raise ValueError(msg)

    @property
    def sourced(self) -> SourcedPeople | None:
        """Whose people they are, where they are those of a flow or a cohort."""
        return self.people if isinstance(self.people, FlowPeople | CohortPeople) else None

    @property
    def few(self) -> bool:
        """Whether people are drawn one by one: where there may be few of them."""
        if self.people is None:
            known = stated_numbers(self.people_by_year)
        else:
            known = (self.people,) if isinstance(self.people, float | int) else (0.0,)
        return self.dispersion is not None and min(known, default=FEW) < FEW

    def base_people(self, paths: Paths) -> float | None:
        """Give the people of the base year; none where the line states the years' only."""
        if isinstance(self.people, FlowPeople | CohortPeople):
            return paths.base_people_of(self.people)
        return self.people

    def faults(self, calendar: Calendar) -> list[str]:
        """Name years with fewer people than none, where no driver moves them."""
        moves = (self.people_growth, self.people_added, self.people_by_year)
        if self.sourced is not None or any(isinstance(each, str) for each in moves):
            return []
        try:
            people = self.own_people(Paths(calendar, {}, {}, {}))
        except ValueError:  # the years do not match, which is said elsewhere
            return []
        return [f"people fall below 0, to {people.min():g}"] if people.min() < 0 else []

    def shocks(self) -> tuple[ShockSpec, ...]:
        """List the streams of individual costs: one of the mean, or one a person and the rest."""
        if self.dispersion is None:
            return ()
        own: tuple[ShockSpec, ...] = (ShockSpec(f"{self.name}.dispersion", "council"),)
        if self.few:
            own += tuple(ShockSpec(f"{self.name}.person {n + 1}", "council") for n in range(FEW))
        return own

    def causes(self) -> tuple[str, ...]:
        """List the causes its growth is booked under."""
        if self.cause:
            return (self.cause,)
        return ("people", "mix", "price") if self._mixes else ("people", "price")

    @property
    def _mixes(self) -> bool:
        """Whether the cost of a place moves for other reasons than prices."""
        return self.mix_growth != 0 or self.dispersion is not None

    def base_cost(self, planned: Paths) -> float:
        """Give the net cost of the base year's people, GBP, with the first year's shares."""
        people = self.base_people(planned)
        if people is None:
            return 0.0
        place_weeks = people * (self.weeks or planned.calendar.base_weeks)
        kept = 1.0 - sum(
            float(planned.value(x)[0, 0]) for x in (self.client_income, self.joint_funding)
        )
        net = place_weeks * self.weekly_cost * kept
        return net - min(place_weeks * float(planned.value(self.weekly_income)[0, 0]), net)

    @property
    def turnover(self) -> float:
        """Entries a year over people, in the base year; 0 where entries are not stated."""
        stated = self.people if isinstance(self.people, float | int) else 0.0
        return (self.entries or 0.0) / stated if stated else 0.0

    def average_people(self, paths: Paths) -> Array:
        """Give year-average people, as prevention leaves them."""
        return paths.block_derived(
            (self.name, "people"), lambda: paths.changed_people(self.name, self.own_people(paths))
        )

    def own_people(self, paths: Paths) -> Array:
        """Give year-average people without what prevention makes of them."""
        return paths.block_derived((self.name, "own people"), lambda: self._people(paths))

    def _people(self, paths: Paths) -> Array:
        if self.people is None:
            return paths.value(self.people_by_year if self.people_by_year is not None else 0.0)
        if isinstance(self.people, FlowPeople | CohortPeople):
            return paths.people_of(self.people)
        stock = self._stock(paths, self.people)
        if self.people_at == "year_end":
            average = self.arrival * stock
            average[0] += (1 - self.arrival) * self.people
            average[1:] += (1 - self.arrival) * stock[:-1]
            return average
        return stock

    def _stock(self, paths: Paths, start: float) -> Array:
        """Give the number that grows, from ``start`` in the base year."""
        stock = start * paths.index(self.people_growth)
        if self.people_added != 0:
            stock = stock + np.cumsum(paths.value(self.people_added), axis=0)
        return stock

    def cost(self, paths: Paths) -> Array:
        """Give the net cost, GBP."""
        return self._net(paths, self._price(paths))

    def anatomy(self, paths: Paths) -> Anatomy:
        """Show people x weekly cost x weeks, less what clients and partners pay.

        A line without people in the base year comes in with the first year's people at the base
        year's prices, all of which is growth in people.
        """
        factors = [
            self._people_factor(paths),
            Factor("weekly cost", "GBP a week", steady(self.weekly_cost, paths.horizon)),
        ]
        for name, growth in (("price", self.price_growth), ("mix", self.mix_growth)):
            if growth != 0:
                index = from_base(1.0, paths.index(growth))
                factors.append(Factor(name, "", index, name, ((f"{name}_growth", growth),)))
        if self.dispersion is not None:
            certain = paths.planned
            spread = (
                np.ones((paths.horizon, 1)) if certain else self._spread(paths, self.dispersion)
            )
            factors.append(Factor("chance", "", from_base(1.0, spread), "chance"))
        if self.client_income != 0 or self.joint_funding != 0:
            factors.append(self._kept_factor(paths))
        weeks = steady(self.weeks or 0.0, paths.horizon)
        if self.weeks is None:
            weeks = from_base(paths.calendar.base_weeks, paths.calendar.weeks)
        factors.append(Factor("weeks", "weeks", weeks, "weeks" if self.weeks is None else None))
        entry = "people" if self.people is None else None
        if self.weekly_income == 0:
            return Anatomy(tuple(factors), entry=entry)
        income = _by_year(paths, self.weekly_income)
        fields = (("weekly_income", self.weekly_income),)
        moves = PARTNERS if may_move(self.weekly_income) else None
        factors.append(Factor("weekly income", "GBP a week", income, moves, fields))
        rest = [each.name for each in factors if each.name not in _OF_PLACES]
        words = (
            f"people x weeks x ({' x '.join(rest[:-1])} - weekly income), never below 0, since "
            "income is never more than the spend"
        )
        return Anatomy(tuple(factors), _less_weekly_income, words, entry)

    def _people_factor(self, paths: Paths) -> Factor:
        """Give the people, and what of each year's growth is last year's or prevention's."""
        average = self.average_people(paths)
        if self.people is None:
            by_year = (("people_by_year", self.people_by_year or 0.0),)
            return Factor("people", "people", from_base(average[0], average), "people", by_year)
        base = self.base_people(paths) or 0.0
        people = from_base(base, average)
        stock = self.own_people(paths) if self.sourced else self._stock(paths, base)
        stock = from_base(base, stock)
        moved = {"people": np.diff(people, axis=0)}
        parts = {"people, before who comes when": stock}
        if self.people_at == "year_end" and self.arrival < 1:
            late = np.zeros((paths.horizon, stock.shape[1]))
            late[1:] = (1 - self.arrival) * np.diff(stock[:-1], axis=0)
            moved[FULL_YEAR] = late
        if paths.changes_people(self.name):
            kept_out = from_base(0.0, average - self.own_people(paths))
            moved["prevention"] = np.diff(kept_out, axis=0)
            parts["people, because of prevention"] = kept_out
        for name, step in moved.items():
            if name != "people":
                moved["people"] = moved["people"] - step
        held = (("people_growth", self.people_growth), ("people_added", self.people_added))
        fields = tuple(each for each in held if each[1] != 0)
        only = len(moved) == 1
        return Factor(
            "people", "people", people, "people" if only else moved, fields, {} if only else parts
        )

    def _kept_factor(self, paths: Paths) -> Factor:
        """Give the share of the cost that neither clients nor partners pay."""
        held = (("client_income", self.client_income), ("joint_funding", self.joint_funding))
        fields = tuple(each for each in held if each[1] != 0)
        kept: Array = np.ones((1, 1))
        for _, rate in fields:
            kept = kept - _by_year(paths, rate)
        moves = may_move(self.client_income, self.joint_funding)
        return Factor("share the council pays", "", kept, PARTNERS if moves else None, fields)

    def _price(self, paths: Paths) -> Array:
        price = paths.index(self.price_growth)
        if self.mix_growth != 0:
            price = price * paths.index(self.mix_growth)
        if self.dispersion is not None and not paths.planned:
            price = price * self._spread(paths, self.dispersion)
        return price

    def _net(self, paths: Paths, price: Array | None = None) -> Array:
        """Give the net cost at a weekly cost of ``price`` times the base year's, or just that."""
        spend = paths.block_derived(
            (self.name, "spend"), lambda: self._at_base_price(paths, self.average_people(paths))
        )
        net = spend if price is None else spend * price
        if self.weekly_income != 0:
            net = self._less_income(paths, net, self.average_people(paths))
        return net

    def _less_income(self, paths: Paths, net: Array, people: Array) -> Array:
        income = paths.value(self.weekly_income) * self._weeks(paths) * people
        return net - np.minimum(income, net)

    def _at_base_price(self, paths: Paths, people: Array) -> Array:
        """Give the cost less clients' and partners' shares at the base year's weekly cost."""
        kept: Array | float = self.weekly_cost
        for rate in (self.client_income, self.joint_funding):
            if rate != 0:
                kept = kept - self.weekly_cost * paths.value(rate)
        return people * (kept * self._weeks(paths))

    def _weeks(self, paths: Paths) -> Array | float:
        return paths.calendar.weeks if self.weeks is None else self.weeks

    def parts(self, paths: Paths, cost: Array, base: float) -> dict[str, Array]:
        """Split growth: people at the base year's price, then price, then mix.

        Councils report volume at old prices and price at new volume. Chance in individual costs is
        booked with mix. People whom prevention keeps out, or brings in, stand apart from others.
        """
        at_old_price = self._net(paths)
        parts = {"people": at_old_price - base}
        if paths.changes_people(self.name):
            without = self._at_base_price(paths, self.own_people(paths))
            if self.weekly_income != 0:
                without = self._less_income(paths, without, self.own_people(paths))
            parts = {"people": without - base, "prevention": at_old_price - without}
        if self._mixes:
            price = paths.index(self.price_growth)
            at_old_mix = self._net(paths, price)
            parts["price"] = at_old_mix - at_old_price
            parts["mix"] = cost - at_old_mix
        else:
            parts["price"] = cost - at_old_price
        return parts

    def _spread(self, paths: Paths, dispersion: Dispersion) -> Array:
        """Give the mean of individual costs over what is expected, which is 1 on average."""
        people = np.maximum(
            self.average_people(paths), 1e-9
        )  # an empty line costs nothing whatever its mean
        mean_score = _stayed(paths.score(f"{self.name}.dispersion"), dispersion.stay)
        if not self.few:
            return _mean_cost(people, mean_score, dispersion.cv)
        sigma2 = math.log1p(dispersion.cv**2)
        total = np.zeros(np.broadcast_shapes(people.shape, mean_score.shape))
        for n in range(FEW):
            one = _stayed(paths.score(f"{self.name}.person {n + 1}"), dispersion.stay)
            there = np.clip(people - n, 0.0, 1.0)  # the last one is there for part of the year
            total += there * np.exp(math.sqrt(sigma2) * one - sigma2 / 2)
        others = np.maximum(people - FEW, 0.0)
        if others.any():
            total += others * _mean_cost(np.maximum(others, 1.0), mean_score, dispersion.cv)
        return total / people


def _by_year(paths: Paths, assumption: Assumption) -> Array:
    """Give an assumption by year; in the base year what is planned for the first stands in."""
    return from_base(paths.planned_paths.value(assumption)[0], paths.value(assumption))


_OF_PLACES = ("people", "weeks")


def _less_weekly_income(factors: Mapping[str, Array]) -> Array:
    """Make the net cost of what people cost a week, less income a person a week."""
    weekly: Array = np.ones(1)
    for name, values in factors.items():
        if name not in (*_OF_PLACES, "weekly income"):
            weekly = weekly * values
    place_weeks = factors["people"] * factors["weeks"]
    return np.maximum(place_weeks * (weekly - factors["weekly income"]), 0.0)


def _mean_cost(people: Array, score: Array, cv: float) -> Array:
    """Draw the mean cost of ``people`` over its expectation, of variation cv / sqrt(people)."""
    sigma2 = cv * cv / people
    sigma2 += 1.0
    np.log(sigma2, out=sigma2)
    out = np.sqrt(sigma2) * score
    sigma2 *= 0.5
    out -= sigma2
    return np.exp(out, out=out)


def _stayed(scores: Array, stay: float) -> Array:
    """Carry last year's people into this year: an AR(1) of scores, shape (year, draw)."""
    path = np.empty_like(scores)
    path[0] = scores[0]
    for year in range(1, len(path)):
        np.multiply(scores[year], math.sqrt(1 - stay**2), out=path[year])
        path[year] += stay * path[year - 1]
    return path
