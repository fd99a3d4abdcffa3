"""Funding: council tax and its collection fund, business rates, grants and other sources."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from mtfs.assumptions import (
    Assumption,
    Declared,
    GrowthAssumption,
    Name,
    Noted,
    Number,
    Pounds,
    PoundsAssumption,
    Share,
    ShareAssumption,
    YearLabel,
)
from mtfs.distributions import quantile_score
from mtfs.lines.anatomy import GRANTS, Anatomy, Factor, from_base, may_move
from mtfs.lines.base import Amounts
from mtfs.paths import Calendar, Paths, compounded
from mtfs.sampling import ShockSpec
from mtfs.vocabulary import Array

TAX_BASE = "council tax base"
COLLECTION = "council tax collection"
RATES = "business rates"


class Source(Noted):
    """A source of funding."""

    share_fields: ClassVar[tuple[str, ...]] = ()

    def shocks(self) -> tuple[ShockSpec, ...]:
        """List the streams the source needs of its own."""
        return ()

    def faults(self, calendar: Calendar) -> list[str]:  # noqa: ARG002 - subclasses need the years
        """Name what does not fit the plan's years."""
        return []

    def income_names(self) -> tuple[str, ...]:
        """List the rows of income it gives."""
        return (self.name,)

    def incomes(self, paths: Paths) -> tuple[Array, ...]:
        """Give the income of each row, GBP; shape (year, draw), or (year, 1) where certain."""
        raise NotImplementedError

    def anatomies(self, paths: Paths) -> tuple[Anatomy, ...]:
        """Show how the income of each row is made, from the base year on, and what moves it."""
        raise NotImplementedError


class CollectionFund(Declared):
    """How council tax collected above or below budget comes back: one-off, ``lag`` years later."""

    lag: Literal[1, 2] = 1
    """years after which the balance of a year is paid over"""
    share: Share = 1.0
    """this council's share of the difference; 1 where Band D is its own"""
    declared: Assumption = 0.0
    """GBP of balances already declared, by year, any sign (surplus positive)"""


class CouncilTax(Source):
    """Council tax: tax base x collection rate x Band D.

    Both increases apply to the whole Band D of the year before. With a collection fund the income
    of a year is what was budgeted: last year's actual base grown as planned, the planned collection
    rate, the year's Band D; actual less budgeted arrives ``lag`` years later. Without one, the
    year's own base and collection are its income.
    """

    kind: Literal["council_tax"] = "council_tax"
    band_d: Pounds | None = None
    """GBP, this council's own Band D in the base year"""
    tax_base: Pounds | None = None
    """Band D equivalents in the base year; net of losses unless collection is given"""
    base_income: Pounds | None = None
    """GBP collected in the base year, where Band D and tax base are not known"""
    tax_base_growth: GrowthAssumption = 0.0
    collection: ShareAssumption = 1.0
    """share of what is due that is collected, by year; 1 where the tax base is net of losses"""
    core_increase: GrowthAssumption = 0.0
    """core rise of Band D each year, a fraction of the whole Band D"""
    asc_precept: GrowthAssumption = 0.0
    """adult social care precept: a further rise, a fraction of the whole Band D"""
    referendum_limit: GrowthAssumption | None = None
    """greatest rise a year without a referendum, both parts together; reported, not enforced"""
    collection_fund: CollectionFund | None = None

    share_fields: ClassVar[tuple[str, ...]] = ("collection",)

    @model_validator(mode="after")
    def _base_one_way(self) -> Self:
        parts = (self.band_d is not None) + (self.tax_base is not None)
        if parts not in {0, 2} or (parts == 2) == (self.base_income is not None):  # noqa: PLR2004 - both
            msg = "give 'band_d' and 'tax_base', or 'base_income' (GBP raised in the base year)"
            raise ValueError(msg)
        if self.base_income is not None and self.collection != 1:
            msg = "'base_income' is what was collected; 'collection' goes with band_d and tax_base"
            raise ValueError(msg)
        return self

    @property
    def raised(self) -> float:
        """GBP due in the base year, all of it collected."""
        if self.base_income is not None:
            return self.base_income
        return (self.band_d or 0.0) * (self.tax_base or 0.0)

    def income_names(self) -> tuple[str, ...]:
        """List council tax and, where there is one, its collection fund."""
        return (
            (self.name, f"{self.name}: collection fund") if self.collection_fund else (self.name,)
        )

    def increase(self, paths: Paths) -> Array:
        """Give the rise of Band D in each year, a fraction."""
        return paths.value(self.core_increase) + paths.value(self.asc_precept)

    def incomes(self, paths: Paths) -> tuple[Array, ...]:
        """Give council tax and its collection fund, GBP."""
        band_d = compounded(self.increase(paths)) * self.raised
        base = paths.index(self.tax_base_growth)
        actual = base * paths.value(self.collection)
        actual = actual * band_d
        fund = self.collection_fund
        if fund is None:
            return (actual,)
        declared = paths.value(fund.declared)
        if paths.planned:
            return actual, declared
        planned = paths.planned_paths
        growth = 1.0 + planned.value(self.tax_base_growth)
        budgeted = np.empty(actual.shape)
        budgeted[...] = growth * planned.value(self.collection) * band_d
        budgeted[1:] *= base[:-1]  # the last base known when the year's budget was set
        balance = np.empty(np.broadcast_shapes(actual.shape, declared.shape))
        balance[...] = declared
        back = actual[: -fund.lag] - budgeted[: -fund.lag]
        balance[fund.lag :] += back if fund.share == 1 else fund.share * back
        return budgeted, balance

    def anatomies(self, paths: Paths) -> tuple[Anatomy, ...]:
        """Show tax base x collection x Band D, as budgeted where there is a collection fund.

        In the base year as much is collected as is planned for the first. A collection fund's
        balances are one-off and start from nothing.
        """
        planned = paths.planned_paths
        base = paths.index(self.tax_base_growth)
        collection = paths.value(self.collection)
        if self.collection_fund is not None and not paths.planned:
            before = from_base(1.0, base[:-1])
            base = before * (1.0 + planned.value(self.tax_base_growth))
            collection = planned.value(self.collection)
        collected = from_base(planned.value(self.collection)[0], collection)
        band_d = from_base(1.0, compounded(self.increase(paths)))
        tax_base, rate = self.tax_base or 0.0, self.band_d or 0.0
        unit, each = "Band D equivalents", "GBP"
        if self.base_income is not None:
            tax_base, rate, unit, each = self.base_income, 1.0, "GBP at the base year's rate", ""
        rises = (("core_increase", self.core_increase), ("asc_precept", self.asc_precept))
        fields = tuple(rise for rise in rises if rise[1] != 0)
        growth = ("tax_base_growth", self.tax_base_growth)
        moved = COLLECTION if may_move(self.collection) else None
        factors = [Factor("tax base", unit, from_base(1.0, base) * tax_base, TAX_BASE, (growth,))]
        if self.collection != 1:
            held = (("collection", self.collection),)
            factors.append(Factor("collection", "", collected, moved, held))
        factors.append(Factor("Band D", each, band_d * rate, "council tax rate", fields))
        own = Anatomy(tuple(factors))
        if self.collection_fund is None:
            return (own,)
        balance = self.incomes(paths)[1]
        declared = (("declared", self.collection_fund.declared),)
        fund = Anatomy.of_one("balance", COLLECTION, base=0.0, values=balance, fields=declared)
        return own, fund


class BusinessRates(Source):
    """Retained business rates: local share, tariff or top-up, levy, safety net, section 31.

    Rates start at ``rates`` and follow the multiplier and real growth; ``baseline`` follows the
    multiplier alone. Growth above baseline pays ``levy``; income cannot fall below ``safety_net``
    of the baseline funding level (baseline + top-up - tariff). In a reset year rates and baseline
    start again from ``reset_to`` times the baseline.
    """

    kind: Literal["business_rates"] = "business_rates"
    rates: Pounds
    """GBP, this council's share of rates in the base year"""
    baseline: Pounds
    """GBP, its business rates baseline in the base year"""
    multiplier: GrowthAssumption = 0.0
    """uprating of the multiplier, and of tariff and top-up, usually CPI a year later"""
    growth: GrowthAssumption = 0.0
    """real growth of rates collected, appeals and reliefs included"""
    tariff: Pounds = 0.0
    """GBP paid over in the base year"""
    top_up: Pounds = 0.0
    """GBP received in the base year"""
    section_31: PoundsAssumption = 0.0
    """GBP of grants for reliefs and capped multipliers, by year"""
    base_section_31: Pounds | None = None
    """the same in the base year, where it differs from the first year's"""
    levy: ShareAssumption = 0.0
    """share of growth above baseline paid over"""
    safety_net: ShareAssumption = 0.0
    """least income as a share of the baseline funding level (0.925 in the scheme of 2013)"""
    reset: YearLabel | None = None
    """year in which growth above baseline is taken away"""
    reset_to: Annotated[Number, Field(gt=0)] = 1.0
    """rates in the reset year as a multiple of the baseline"""

    share_fields: ClassVar[tuple[str, ...]] = ("levy", "safety_net")

    def faults(self, calendar: Calendar) -> list[str]:
        """Name what does not fit the plan's years."""
        years = calendar.years
        if self.reset is not None and self.reset not in years:
            return [f"'reset' is {self.reset}; the plan's years are {years[0]} to {years[-1]}"]
        return []

    def incomes(self, paths: Paths) -> tuple[Array, ...]:
        """Give retained rates with section 31, GBP."""
        retained = self._kept_rates(paths)
        return (retained + paths.value(self.section_31) if self.section_31 != 0 else retained,)

    def _kept_rates(self, paths: Paths) -> Array:
        """Give what is left of rates, GBP."""
        levy, safety_net = paths.value(self.levy), paths.value(self.safety_net)
        return self._retained(
            self._collected(paths), paths.index(self.multiplier), levy, safety_net
        )

    def _collected(self, paths: Paths) -> Array:
        """Give the council's share of rates before tariff, levy and safety net, GBP."""
        index = paths.index(self.multiplier)
        real = paths.index(self.growth)
        rates = self.rates * index * real
        if self.reset is not None:
            first = paths.calendar.years.index(self.reset)
            rates, since = np.broadcast_arrays(rates, real)
            rates = rates.copy()
            rates[first:] = self.reset_to * self.baseline * index[first:]
            rates[first:] *= since[first:] / since[first]
        return rates

    def _retained(self, rates: Array, index: Array, levy: Array, safety_net: Array) -> Array:
        """Give what is left of rates after tariff or top-up, levy and safety net, GBP."""
        top_up = self.top_up - self.tariff
        retained = rates + top_up * index
        if self.levy != 0:
            retained = retained - levy * np.maximum(rates - self.baseline * index, 0.0)
        floor = safety_net * (self.baseline + top_up)
        return np.maximum(retained, index * floor)

    def anatomies(self, paths: Paths) -> tuple[Anatomy, ...]:
        """Show retained rates and section 31; levy and safety net of the first year as planned."""
        planned = paths.planned_paths
        levy, safety_net = (planned.value(each)[0] for each in (self.levy, self.safety_net))
        one = np.ones(1)
        kept = from_base(
            self._retained(self.rates * one, one, levy, safety_net), self._kept_rates(paths)
        )
        moves = ((name, getattr(self, name)) for name in ("multiplier", "growth", "levy"))
        fields = tuple(each for each in moves if each[1] != 0)
        base = self.base_section_31
        given = planned.value(self.section_31 if base is None else base)[0]
        reliefs = from_base(given, paths.value(self.section_31))
        stated = (("section_31", self.section_31),)
        index = from_base(1.0, paths.index(self.multiplier))
        parts = {
            "share of rates": from_base(self.rates, self._collected(paths)),
            "baseline": self.baseline * index,
            "top-up less tariff": (self.top_up - self.tariff) * index,
        }
        factors = (
            Factor("rates retained", "GBP", kept, RATES, fields, parts),
            Factor("section 31 grants", "GBP", reliefs, RATES, stated),
        )
        return (Anatomy(factors, "sum"),)


class Grant(Source):
    """A grant: RSG, social care grant and the like.

    After ``ends`` a draw goes on paying it with probability ``continues``; the council's own table
    says whether it counts on that.
    """

    kind: Literal["grant", "rsg"] = "grant"
    amount: PoundsAssumption
    """GBP in the base year, growing with growth; or by year, where growth is left out"""
    growth: GrowthAssumption | None = None
    """indexation a year since the base year"""
    base: Pounds | None = None
    """GBP in the base year, where the amount is by year and differs from the first year's; 0 for a
    new grant"""
    ends: YearLabel | None = None
    """the last year for which it is certain"""
    continues: Share = 0.0
    """chance that it goes on after that, to the end of the plan"""
    planned_to_continue: bool = Field(default=False, strict=True)
    """whether the council's own table assumes that it goes on"""
    side: Literal["funding", "requirement"] = "funding"
    """requirement: the grant nets off the requirement instead of counting as funding"""
    ring_fenced_to: Name | None = None
    """the line it must be spent on; it nets off that line, never more than its cost"""
    rest_to: Name | None = None
    """the fund that takes what a ring-fenced grant leaves unspent"""

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if self.ends is None and (self.continues or self.planned_to_continue):
            msg = "'continues' and 'planned_to_continue' go with 'ends', the last certain year"
            raise ValueError(msg)
        if (self.ring_fenced_to is None) != (self.rest_to is None):
            msg = "a ring-fenced grant needs both 'ring_fenced_to' (a line) and 'rest_to' (a fund)"
            raise ValueError(msg)
        if self.base is not None and self.growth is not None:
            msg = "with 'growth', 'amount' is the base year's; 'base' goes with amounts by year"
            raise ValueError(msg)
        return self

    def faults(self, calendar: Calendar) -> list[str]:
        """Name what does not fit the plan's years."""
        years = calendar.years
        if self.ends is not None and self.ends >= years[-1]:
            return [f"'ends' is {self.ends}; it matters only before the last year, {years[-1]}"]
        return []

    def shocks(self) -> tuple[ShockSpec, ...]:
        """List its stream: whether it goes on."""
        uncertain = 0 < self.continues < 1
        return (ShockSpec(f"{self.name}.continues", "council", once=True),) if uncertain else ()

    def incomes(self, paths: Paths) -> tuple[Array, ...]:
        """Give the grant, GBP."""
        amount = paths.value(self.amount)
        if self.growth is not None:
            amount = amount * paths.index(self.growth)
        return (amount if self.ends is None else amount * self._paid(paths),)

    def _paid(self, paths: Paths) -> NDArray[np.bool_]:
        """Say in which years it is paid, shape (year, draw) or (year, 1)."""
        if self.ends is None:
            return np.ones((paths.horizon, 1), dtype=bool)
        certain = np.array([[year <= self.ends] for year in paths.calendar.years])
        if paths.planned:
            goes_on: NDArray[np.bool_] = np.array([self.planned_to_continue])
        elif 0 < self.continues < 1:
            score = paths.score(f"{self.name}.continues")
            goes_on = np.asarray(score < quantile_score(self.continues))
        else:
            goes_on = np.array([self.continues == 1])
        return certain | goes_on

    def anatomies(self, paths: Paths) -> tuple[Anatomy, ...]:
        """Show the amount x its index, where it is paid."""
        amount = paths.value(self.amount)
        first = paths.planned_paths.value(self.amount)[0]
        values = from_base(first if self.base is None else self.base, amount)
        factors = [Factor("amount", "GBP", values, GRANTS, (("amount", self.amount),))]
        if self.growth is not None:
            index = from_base(1.0, paths.index(self.growth))
            factors.append(Factor("index", "", index, GRANTS, (("growth", self.growth),)))
        if self.ends is not None:
            factors.append(
                Factor("paid", "", from_base(1.0, self._paid(paths).astype(np.float64)), GRANTS)
            )
        return (Anatomy(tuple(factors)),)


class OtherFunding(Amounts, Source):
    """Any other funding, by levels or yearly changes from a base; changes take any sign."""

    kind: Literal["other"] = "other"
    base: Number = 0.0
    """GBP in the base year, from which changes start (index and multiplier apply to both); with
    levels, where it differs from the first year's: 0 is then taken as not stated"""

    @model_validator(mode="after")
    def _base_goes_with_changes(self) -> Self:
        if self.base and self.recurrence != "recurrent":
            msg = "'base' goes with 'levels', or with recurrent 'changes', which start from it"
            raise ValueError(msg)
        return self

    def faults(self, calendar: Calendar) -> list[str]:
        """Name what does not fit the plan's years."""
        return self.amount_faults(calendar)

    def incomes(self, paths: Paths) -> tuple[Array, ...]:
        """Give the income, GBP."""
        return (self.amounts(paths, self.base if self.levels is None else 0.0),)

    def anatomies(self, paths: Paths) -> tuple[Anatomy, ...]:
        """Show the sum stated x index x multiplier; changes start from the base, levels do not."""
        base = self.base
        if self.levels is not None and not base:
            base = float(paths.planned_paths.value(self.levels)[0, 0])
        return (self.made_of(paths, "other funding", base),)
