"""Pay: the pay bill, its awards and on-costs, vacancies and agency staff."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from mtfs.assumptions import (
    Assumption,
    Count,
    GrowthAssumption,
    Money,
    Pounds,
    PoundsAssumption,
    ShareAssumption,
)
from mtfs.lines.anatomy import Anatomy, Factor, from_base, may_move, steady
from mtfs.lines.base import Line
from mtfs.paths import Paths
from mtfs.vocabulary import Array

_MOVED = {
    "pension": "on-costs",
    "national_insurance": "on-costs",
    "threshold": "on-costs",
    "vacancies": "staffing",
    "agency": "staffing",
    "agency_premium": "staffing",
    "turnover": "staffing",
}
_WORDS = (
    "(pay x (1 + pension) + (pay - threshold x posts) x national insurance) x (1 - vacancies) x "
    "(1 + agency x agency premium) + turnover x posts x cost of a leaver"
)


def _pay_bill(factors: Mapping[str, Array]) -> Array:
    """Make the cost of the pay bill; factors that are nothing are left out."""
    nothing = np.zeros((1, 1))

    def of(name: str) -> Array:
        return factors.get(name, nothing)

    pay, due = factors["pay"], of("threshold") * of("posts")
    insured = np.maximum(pay - due, 0.0) if "threshold" in factors else pay
    bill = pay * (1 + of("pension")) + insured * of("national insurance")
    staffed = (1 - of("vacancies")) * (1 + of("agency") * of("agency premium"))
    return bill * staffed + of("turnover") * of("posts") * of("cost of a leaver")


class PayLine(Line):
    """A pay bill: pay x (1 + pension) + national insurance, less vacancies, plus agency premium.

    ``pay`` is basic pay of the whole establishment in the base year. An award in flat cash adds GBP
    a full-time post to the pay before the year's percentage award.
    """

    kind: Literal["pay"] = "pay"
    pay: Pounds
    """GBP of pay in the base year, all posts filled, before on-costs"""
    award: GrowthAssumption = 0.0
    """pay award and drift, a fraction a year"""
    flat_award: Assumption = 0.0
    """GBP a year for each full-time post, added to pay in each year (needs posts)"""
    posts: Count | None = None
    """full-time equivalent posts in the establishment"""
    pension: ShareAssumption = 0.0
    """employer pension contributions as a share of pay, by year; a triennial step is a list"""
    base_pension: ShareAssumption | None = None
    """the same in the base year, where it differs from the first year's"""
    national_insurance: ShareAssumption = 0.0
    """employer rate on pay above the threshold, by year"""
    base_national_insurance: ShareAssumption | None = None
    """the same in the base year, where it differs"""
    threshold: PoundsAssumption = 0.0
    """GBP of pay a post on which no national insurance is due, by year (needs posts)"""
    base_threshold: PoundsAssumption | None = None
    """the same in the base year, where it differs"""
    vacancies: ShareAssumption = 0.0
    """vacancy factor: share of the establishment's cost not spent because posts stand empty"""
    agency: ShareAssumption = 0.0
    """share of the filled establishment that agency staff fill"""
    agency_premium: Assumption = 0.0
    """what agency staff cost above employees with on-costs, as a fraction of it"""
    turnover: ShareAssumption = 0.0
    """share of the posts that fall vacant in a year (needs posts)"""
    leaver_cost: Pounds = 0.0
    """GBP a leaver of recruiting, induction and cover, in the base year; it grows with pay"""

    components: ClassVar[tuple[str, ...]] = ("pay",)
    share_fields: ClassVar[tuple[str, ...]] = (
        "pension",
        "national_insurance",
        "vacancies",
        "agency",
        "turnover",
    )

    @model_validator(mode="after")
    def _posts_where_needed(self) -> Self:
        if self.posts is None and (
            self.flat_award != 0 or self.threshold != 0 or self.turnover != 0
        ):
            msg = (
                "'flat_award', 'threshold' and 'turnover' are by the post; give 'posts' (full-time "
                "equivalents)"
            )
            raise ValueError(msg)
        if (self.turnover != 0) != (self.leaver_cost != 0):
            msg = "'turnover' (share of posts) and 'leaver_cost' (GBP a leaver) go together"
            raise ValueError(msg)
        return self

    def base_cost(self, planned: Paths) -> float:
        """Give the cost of the base year's pay bill, GBP."""

        def first(assumption: Assumption, base: Assumption | None) -> float:
            return float(planned.value(assumption if base is None else base)[0, 0])

        insured = self.pay - first(self.threshold, self.base_threshold) * (self.posts or 0.0)
        bill = self.pay * (1 + first(self.pension, self.base_pension)) + max(insured, 0.0) * first(
            self.national_insurance, self.base_national_insurance
        )
        agency = first(self.agency, None) * first(self.agency_premium, None)
        leavers = first(self.turnover, None) * (self.posts or 0.0)
        return bill * (1 - first(self.vacancies, None)) * (1 + agency) + leavers * self.leaver_cost

    def cost(self, paths: Paths) -> Array:
        """Give the cost of the pay bill, GBP."""
        pay = self._pay(paths)
        staffed = 1 + paths.value(self.agency) * paths.value(self.agency_premium)
        staffed = staffed * (1 - paths.value(self.vacancies))
        insurance = paths.value(self.national_insurance)
        on_costs = 1 + paths.value(self.pension)
        if self.threshold == 0:  # rates are usually certain, and so one product in all
            cost = pay * ((on_costs + insurance) * staffed)
        else:
            insured = np.maximum(pay - paths.value(self.threshold) * (self.posts or 0.0), 0.0)
            cost = pay * (on_costs * staffed) + insured * (insurance * staffed)
        return cost if self.turnover == 0 else cost + self._leavers(paths, pay)

    def anatomy(self, paths: Paths) -> Anatomy:
        """Show pay, its on-costs and how it is staffed; each of the three moves as a whole."""
        award = (("award", self.award), ("flat_award", self.flat_award))
        fields = tuple(each for each in award if each[1] != 0)
        pay = self._pay(paths)
        factors = [Factor("pay", "GBP", from_base(self.pay, pay), "pay", fields)]
        in_base_year = {
            "pension": self.base_pension,
            "national_insurance": self.base_national_insurance,
            "threshold": self.base_threshold,
        }
        for name, component in _MOVED.items():
            held: Assumption = getattr(self, name)
            base = in_base_year.get(name)
            if held != 0 or base is not None:
                first = paths.planned_paths.value(held if base is None else base)[0]
                values = from_base(first, paths.value(held))
                unit = "GBP a post" if name == "threshold" else ""
                words = name.replace("_", " ")
                moved = component if base is not None or may_move(held) else None
                factors.append(Factor(words, unit, values, moved, ((name, held),)))
        if self.posts:
            factors.append(Factor("posts", "posts", steady(self.posts, paths.horizon)))
        if self.turnover != 0:
            cost = from_base(self.leaver_cost, self._a_leaver(pay))
            factors.append(Factor("cost of a leaver", "GBP", cost, "pay"))
        return Anatomy(tuple(factors), _pay_bill, _WORDS)

    def _a_leaver(self, pay: Array) -> Array:
        return (
            self.leaver_cost * pay / self.pay if self.pay else np.full(pay.shape, self.leaver_cost)
        )

    def _leavers(self, paths: Paths, pay: Array) -> Array:
        return paths.value(self.turnover) * (self.posts or 0.0) * self._a_leaver(pay)

    def _pay(self, paths: Paths) -> Array:
        if self.flat_award == 0:
            return self.pay * paths.index(self.award)
        flat = paths.value(self.flat_award) * (self.posts or 0.0)
        rate = 1 + paths.value(self.award)
        flat, rate = np.broadcast_arrays(flat, rate)
        pay = np.empty(rate.shape)
        standing: Array | Money = self.pay
        for year in range(len(pay)):
            pay[year] = (standing + flat[year]) * rate[year]
            standing = pay[year]
        return pay
