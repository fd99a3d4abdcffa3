"""Contracts and ordinary budgets (base x index), levies, and fees and charges."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from mtfs.assumptions import (
    Assumption,
    Growth,
    GrowthAssumption,
    Number,
    Pounds,
    ShareAssumption,
    stated_numbers,
)
from mtfs.lines.anatomy import FULL_YEAR, Anatomy, Factor, from_base, steady
from mtfs.lines.base import Line
from mtfs.paths import Paths, compounded
from mtfs.vocabulary import Array

CONTRACTS = "contracts"
APRIL = 1  # months of the financial year count from April


class BudgetLine(Line):
    """Spend that follows an index: a contract, an ordinary budget, or a levy or precept paid."""

    kind: Literal["budget", "contract", "levy"] = "budget"
    base: Pounds
    """GBP in the base year"""
    growth: GrowthAssumption = 0.0
    """the index: growth of prices a year"""
    volume_growth: GrowthAssumption = 0.0
    """growth of what is bought, apart from prices"""
    review_month: Annotated[int, Field(strict=True, ge=1, le=12)] = APRIL
    """month (1 = April) from which a year's uplift is paid; the rest comes next year"""
    cap: Growth | None = None
    """the contract's greatest uplift a year"""
    collar: Growth | None = None
    """the contract's least uplift a year"""
    phase_in: ShareAssumption = 1.0
    """share of the contract in force, by year"""
    drift: Assumption = 0.0
    """outturn over budget, as a share of the cost (0.05 ends 5% above it); usually a driver made by
    drift_driver, and never on top of drivers of prices or people that say the same"""

    components: ClassVar[tuple[str, ...]] = ("volume", "price", "drift")
    share_fields: ClassVar[tuple[str, ...]] = ("phase_in",)

    @model_validator(mode="after")
    def _collar_below_cap(self) -> Self:
        if self.cap is not None and self.collar is not None and self.collar > self.cap:
            msg = f"the collar {self.collar:g} lies above the cap {self.cap:g}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _drift_leaves_something(self) -> Self:
        least = min(stated_numbers(self.drift), default=0.0)
        if least <= -1:
            msg = (
                f"a drift of {least:g} leaves nothing of the cost; expected a share of it above "
                "-1, such as 0.05 for an outturn 5% above budget"
            )
            raise ValueError(msg)
        return self

    def causes(self) -> tuple[str, ...]:
        """List the causes its growth is booked under."""
        if self.cause:
            return (self.cause,)
        held = {"volume": self._grows, "price": True, "drift": self._drifts}
        return tuple(component for component in self.components if held[component])

    @property
    def _drifts(self) -> bool:
        return self.drift != 0

    @property
    def _grows(self) -> bool:
        return self.volume_growth != 0 or self.phase_in != 1

    def base_cost(self, planned: Paths) -> float:  # noqa: ARG002 - the base is stated
        """Give the base, GBP."""
        return self.base

    def cost(self, paths: Paths) -> Array:
        """Give the cost, GBP."""
        if not self._drifts:
            return self._on_budget(paths)
        on_budget = paths.block_derived((self.name, "on budget"), lambda: self._on_budget(paths))
        return on_budget * (1 + paths.value(self.drift))

    def _on_budget(self, paths: Paths) -> Array:
        """Give the cost before drift, GBP."""
        price = self._price(paths)
        return self._at_base_price(paths) * price if self._grows else self.base * price

    def _index(self, paths: Paths) -> Array:
        """Compound the uplift of each year, within cap and collar."""
        if self.cap is None and self.collar is None:
            return paths.index(self.growth)
        return compounded(np.clip(paths.value(self.growth), self.collar, self.cap))

    def _price(self, paths: Paths) -> Array:
        index = self._index(paths)
        if self.review_month == APRIL:
            return index
        late = (self.review_month - 1) / 12
        paid = (1 - late) * index
        paid[1:] += late * index[:-1]
        paid[0] += late
        return paid

    def _at_base_price(self, paths: Paths) -> Array:
        return paths.block_derived(
            (self.name, "volume"),
            lambda: paths.index(self.volume_growth) * (self.base * paths.value(self.phase_in)),
        )

    def anatomy(self, paths: Paths) -> Anatomy:
        """Show base x index x volume x share in force x outturn over budget."""
        factors = [Factor("base", "GBP", steady(self.base, paths.horizon)), self._paid(paths)]
        if self.volume_growth != 0:
            index = from_base(1.0, paths.index(self.volume_growth))
            held = (("volume_growth", self.volume_growth),)
            factors.append(Factor("volume", "", index, "volume", held))
        if self.phase_in != 1:
            in_force = from_base(1.0, paths.value(self.phase_in))
            held = (("phase_in", self.phase_in),)
            factors.append(Factor("share in force", "", in_force, "volume", held))
        if self._drifts:
            over = from_base(1.0, 1 + paths.value(self.drift))
            factors.append(Factor("drift", "", over, "drift", (("drift", self.drift),)))
        return Anatomy(tuple(factors))

    def _paid(self, paths: Paths) -> Factor:
        """Give the index paid, and what of it was agreed in the year before."""
        paid, index = (from_base(1.0, each(paths)) for each in (self._price, self._index))
        held = (("growth", self.growth),)
        if self.review_month == APRIL:
            return Factor("index", "", paid, CONTRACTS, held)
        late = np.zeros((paths.horizon, index.shape[1]))
        late[1:] = (self.review_month - 1) / 12 * np.diff(index[:-1], axis=0)
        moved = {CONTRACTS: np.diff(paid, axis=0) - late, FULL_YEAR: late}
        return Factor("index", "", paid, moved, held, {"index, once paid all year": index})

    def parts(self, paths: Paths, cost: Array, base: float) -> dict[str, Array]:
        """Split growth into volume at old prices, price at the new volume, and drift on both."""
        if self._drifts:
            on_budget = paths.block_derived(
                (self.name, "on budget"), lambda: self._on_budget(paths)
            )
            return self._grown(paths, on_budget, base) | {"drift": cost - on_budget}
        return self._grown(paths, cost, base)

    def _grown(self, paths: Paths, cost: Array, base: float) -> dict[str, Array]:
        if not self._grows:
            return {"price": cost - base}
        volume = self._at_base_price(paths)
        return {"volume": volume - base, "price": cost - volume}


class FeesLine(Line):
    """Fees and charges: income that nets off the requirement, falling in volume as prices rise."""

    kind: Literal["fees"] = "fees"
    income: Pounds
    """GBP in the base year"""
    price_growth: GrowthAssumption = 0.0
    elasticity: Annotated[Number, Field(le=0)] = 0.0
    """volume follows (prices over price_index) to this power: -0.3 loses 0.3% for each 1%"""
    price_index: GrowthAssumption = 0.0
    """growth of prices at which volume would hold, usually CPI"""
    volume_growth: GrowthAssumption = 0.0

    components: ClassVar[tuple[str, ...]] = ("volume", "price")

    def base_cost(self, planned: Paths) -> float:  # noqa: ARG002 - the base is stated
        """Give the base, GBP: income is negative cost."""
        return -self.income

    def cost(self, paths: Paths) -> Array:
        """Give the cost, GBP: income is negative cost."""
        return self._at_base_price(paths) * paths.index(self.price_growth)

    def _at_base_price(self, paths: Paths) -> Array:
        return paths.block_derived(
            (self.name, "volume"), lambda: -self.income * self._volume(paths)
        )

    def _volume(self, paths: Paths) -> Array:
        volume = paths.index(self.volume_growth)
        if self.elasticity != 0 and self.price_growth != self.price_index:
            relative = paths.index(self.price_growth) / paths.index(self.price_index)
            volume = volume * relative**self.elasticity
        return volume

    def anatomy(self, paths: Paths) -> Anatomy:
        """Show income in the base year x volume x price; income is negative cost."""
        price = from_base(1.0, paths.index(self.price_growth))
        held = {
            "volume_growth": self.volume_growth,
            "price_growth": self.price_growth if self.elasticity else 0.0,
            "price_index": self.price_index if self.elasticity else 0.0,
        }
        fields = tuple((name, each) for name, each in held.items() if each != 0)
        return Anatomy(
            (
                Factor("income", "GBP", steady(-self.income, paths.horizon)),
                Factor("volume", "", from_base(1.0, self._volume(paths)), "fee volumes", fields),
                Factor("price", "", price, "fees", (("price_growth", self.price_growth),)),
            )
        )

    def parts(self, paths: Paths, cost: Array, base: float) -> dict[str, Array]:
        """Split growth into volume at old prices and price at the new volume."""
        volume = self._at_base_price(paths)
        return {"volume": volume - base, "price": cost - volume}
