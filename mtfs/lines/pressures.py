"""Changes with a cause, risks, and contingency."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, Tag, model_validator

from mtfs.assumptions import Assumption, Name, PoundsAssumption, Share, YearLabel, form
from mtfs.distributions import quantile_score
from mtfs.lines.anatomy import Anatomy, Factor, from_base
from mtfs.lines.base import Amounts, Line
from mtfs.paths import Calendar, Paths
from mtfs.sampling import ShockSpec
from mtfs.vocabulary import Array


class ChangeLine(Amounts, Line):
    """A pressure, growth, correction or other change, with its cause, of any sign."""

    kind: Literal["change"] = "change"
    cause: str
    """why, such as demography, inflation or policy"""

    def faults(self, calendar: Calendar) -> list[str]:
        """Name what does not fit the plan's years."""
        return self.amount_faults(calendar)

    def cost(self, paths: Paths) -> Array:
        """Give the sum standing in each year, GBP."""
        return self.amounts(paths)

    def anatomy(self, paths: Paths) -> Anatomy:
        """Show the sum stated x index x multiplier."""
        return self.made_of(paths, self.cause)


class RiskLine(Line):
    """A risk: with a probability it happens once and costs its impact from ``year`` on.

    The council's table holds ``planned`` for it, which is usually nothing.
    """

    kind: Literal["risk"] = "risk"
    probability: Annotated[Share, Field(gt=0)]
    impact: Assumption
    """GBP a year when it happens; a driver where its size is uncertain"""
    year: YearLabel
    """the first year it costs"""
    lasts: Annotated[int, Field(strict=True, ge=1)] | None = None
    """years it costs; unless given, to the end of the plan"""
    planned: PoundsAssumption = 0.0
    """GBP held for it in the council's own table, by year"""

    components: ClassVar[tuple[str, ...]] = ("risks",)

    def faults(self, calendar: Calendar) -> list[str]:
        """Name what does not fit the plan's years."""
        years = calendar.years
        if self.year not in years:
            return [f"'year' is {self.year}; the plan's years are {years[0]} to {years[-1]}"]
        return []

    def shocks(self) -> tuple[ShockSpec, ...]:
        """List its stream: whether it happens."""
        return (
            (ShockSpec(f"{self.name}.happens", "council", once=True),)
            if self.probability < 1
            else ()
        )

    def cost(self, paths: Paths) -> Array:
        """Give the cost, GBP."""
        if paths.planned:
            return paths.value(self.planned)
        impact = paths.value(self.impact) * self._there(paths)
        return impact if self.probability == 1 else impact * self._happens(paths)

    def _there(self, paths: Paths) -> NDArray[np.bool_]:
        """Say in which years it costs when it happens, shape (year, 1)."""
        first = paths.calendar.years.index(self.year)
        lead = np.arange(paths.horizon)[:, None]
        there = lead >= first
        if self.lasts is not None:
            there &= lead < first + self.lasts
        return there

    def _happens(self, paths: Paths) -> NDArray[np.bool_]:
        score = paths.score(f"{self.name}.happens")
        return np.asarray(score < quantile_score(self.probability))

    def anatomy(self, paths: Paths) -> Anatomy:
        """Show its impact in the years in which it costs, if it happens."""
        held: tuple[tuple[str, Assumption], ...] = (("planned", self.planned),)
        name, values = "held in the plan", paths.value(self.planned)
        if not paths.planned:
            held = (("impact", self.impact),)
            name, values = "impact", paths.value(self.impact) * self._there(paths)
        factors = [Factor(name, "GBP", from_base(0.0, values), "risks", held)]
        if not paths.planned and self.probability < 1:
            happens = self._happens(paths) * np.ones((paths.horizon, 1))
            factors.append(Factor("happens", "", from_base(0.0, happens), "risks"))
        return Anatomy(tuple(factors))


class ContingencyLine(Line):
    """Contingency: counts in full in the council's table, and in a draw only as it is spent.

    It is spent first on the adverse variance of what it covers. That variance already stands in the
    cost of those lines, so in a draw the contingency itself costs nothing; ``contingency_spent``
    says how much of it was used.
    """

    kind: Literal["contingency"] = "contingency"
    amount: PoundsAssumption
    """GBP by year"""
    base: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = 0.0
    """GBP in the base year"""
    covers: Annotated[
        Annotated[tuple[Name, ...], Tag("form:list")] | Annotated[Literal["all"], Tag("form:word")],
        Discriminator(form),
    ]
    """the lines whose overspend it meets"""

    components: ClassVar[tuple[str, ...]] = ("contingency",)

    @model_validator(mode="after")
    def _covers_something(self) -> Self:
        if not self.covers:
            msg = "'covers' is empty; name the lines it covers, or write 'all'"
            raise ValueError(msg)
        return self

    def base_cost(self, planned: Paths) -> float:  # noqa: ARG002 - the base is stated
        """Give the base, GBP."""
        return self.base

    def cost(self, paths: Paths) -> Array:
        """Give the amount planned; nothing in a draw, where it is spent through what it covers."""
        return paths.value(self.amount) if paths.planned else paths.value(0.0)
