"""Pay: the pay bill, its awards and on-costs, vacancies and agency staff."""

from __future__ import annotations

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
from mtfs.lines.base import Line
from mtfs.paths import Paths
from mtfs.vocabulary import Array


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

    def _leavers(self, paths: Paths, pay: Array) -> Array:
        a_leaver = self.leaver_cost * pay / self.pay if self.pay else self.leaver_cost
        return paths.value(self.turnover) * (self.posts or 0.0) * a_leaver

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
