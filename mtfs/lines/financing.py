"""Capital financing (MRP and interest) and income on balances."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from mtfs.assumptions import Assumption, Name, Number, Pounds, PoundsAssumption, ShareAssumption
from mtfs.lines.anatomy import Anatomy, Factor, from_base
from mtfs.lines.base import Line
from mtfs.paths import Paths
from mtfs.vocabulary import Array


class CapitalLine(Line):
    """Capital financing: MRP and interest on old debt and on what the programme borrows.

    MRP on new borrowing starts the year after, in equal instalments over the asset life (the asset
    life method of the statutory guidance on MRP); interest is paid on the opening balance and on
    half of the year's borrowing.
    """

    kind: Literal["capital"] = "capital"
    programme: PoundsAssumption = 0.0
    """GBP of capital spend planned by year"""
    financed: ShareAssumption = 0.0
    """share of it met by grants, receipts and revenue"""
    slippage: ShareAssumption = 0.0
    """share of a year's planned spend that is made in the next year"""
    asset_life: Annotated[Number, Field(gt=0)] = 25.0
    """years over which new borrowing is repaid"""
    rate: Assumption = 0.0
    """interest on new borrowing, a fraction a year"""
    mrp: PoundsAssumption = 0.0
    """GBP of MRP on the debt there is"""
    interest: PoundsAssumption = 0.0
    """GBP of interest on the debt there is"""
    base: Pounds = 0.0
    """GBP of MRP and interest in the base year"""

    components: ClassVar[tuple[str, ...]] = ("financing",)
    share_fields: ClassVar[tuple[str, ...]] = ("financed", "slippage")

    def base_cost(self, planned: Paths) -> float:  # noqa: ARG002 - the base is stated
        """Give the base, GBP."""
        return self.base

    def cost(self, paths: Paths) -> Array:
        """Give MRP and interest, GBP; what slips borrows, repays and pays interest a year later."""
        instalment, interest = self._on_new_debt(paths)
        return paths.value(self.mrp) + paths.value(self.interest) + instalment + interest

    def _on_new_debt(self, paths: Paths) -> tuple[Array, Array]:
        """Give MRP and interest on what the programme borrows, GBP."""
        spend = np.array(paths.value(self.programme), copy=True)
        if not paths.planned and self.slippage != 0:
            slipped = spend * paths.value(self.slippage)
            spend = spend - slipped
            spend[1:] += slipped[:-1]
        borrowed = spend * (1 - paths.value(self.financed))
        instalment, opening = repayments(borrowed, self.asset_life)
        return instalment, (opening + borrowed / 2) * paths.value(self.rate)

    def anatomy(self, paths: Paths) -> Anatomy:
        """Show MRP and interest, on old debt and new; the base year's are stated as one sum."""
        instalment, interest = self._on_new_debt(paths)
        old = paths.value(self.mrp) + paths.value(self.interest)
        stated = (("mrp", self.mrp), ("interest", self.interest))
        borrows = tuple((name, getattr(self, name)) for name in ("programme", *self.share_fields))
        parts = (
            ("MRP and interest on old debt", self.base, old, stated),
            ("MRP on new debt", 0.0, instalment, borrows),
            ("interest on new debt", 0.0, interest, (*borrows, ("rate", self.rate))),
        )
        return Anatomy(
            tuple(
                Factor(name, "GBP", from_base(base, values), "financing", fields)
                for name, base, values, fields in parts
            ),
            "sum",
        )


def repayments(borrowed: Array, life: float) -> tuple[Array, Array]:
    """Give what is repaid in each year and the debt at its start, shapes as ``borrowed``, GBP.

    Equal instalments start the year after borrowing and end when all is repaid.
    """
    repaid = np.zeros_like(borrowed)
    for year in range(len(borrowed) - 1):
        paid = np.minimum(np.arange(len(borrowed) - year), life) / life  # share of it, by year
        repaid[year + 1 :] += borrowed[year] * np.diff(paid)[:, None]
    opening = np.cumsum(borrowed, axis=0) - borrowed - np.cumsum(repaid, axis=0) + repaid
    return repaid, opening


class BalancesLine(Line):
    """Income on balances: the rate times other cash and the funds' opening balances of the year.

    The funds count at their planned balances, so that the gap does not depend on the closure
    policy; what a draw loses or gains because its balances differ is met by reserves
    (``reserve_interest``).
    """

    kind: Literal["balances"] = "balances"
    rate: Assumption
    """return a year, a fraction"""
    cash: PoundsAssumption = 0.0
    """GBP of other cash invested, by year"""
    funds: tuple[Name, ...] = ()
    """funds of the reserves that are invested"""
    base: Pounds = 0.0
    """GBP of income in the base year"""

    components: ClassVar[tuple[str, ...]] = ("financing",)

    def base_cost(self, planned: Paths) -> float:  # noqa: ARG002 - the base is stated
        """Give the base, GBP: income is negative cost."""
        return -self.base

    def cost(self, paths: Paths) -> Array:
        """Give the income as negative cost, GBP."""
        invested = paths.value(self.cash) + sum(paths.opening_balance(fund) for fund in self.funds)
        return -invested * paths.value(self.rate)

    def anatomy(self, paths: Paths) -> Anatomy:
        """Show the income as negative cost."""
        fields = (("rate", self.rate), ("cash", self.cash))
        return Anatomy.of_one(
            "income on balances",
            "financing",
            base=-self.base,
            values=self.cost(paths),
            fields=fields,
        )
