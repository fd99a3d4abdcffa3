"""Reserves: one-off sources, the closure of planned gaps, and the funds that meet what is left.

A do-nothing gap does not fall on reserves as it stands, since a council must balance every year.
The closure policy says what is done about it; only the ``shortfall`` that is left reaches funds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import Discriminator, Field, Tag, model_validator

from mtfs.assumptions import (
    Assumption,
    Declared,
    Money,
    Name,
    Noted,
    Number,
    Pounds,
    PoundsAssumption,
    Share,
    YearLabel,
    form,
)
from mtfs.distributions import quantile_score
from mtfs.lines.financing import BalancesLine, repayments
from mtfs.lines.savings import PROGRAMME, SLIPPED, Delivery, arriving, delivered_share
from mtfs.paths import Calendar, Paths
from mtfs.sampling import ShockSpec
from mtfs.vocabulary import Array

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CLOSURE = "closure"


class Fund(Noted):
    """A usable reserve: the general fund balance or an earmarked reserve."""

    opening: Pounds
    """GBP at the start of the first year"""
    contributions: PoundsAssumption = 0.0
    """GBP paid in by year; a contribution is cost"""
    minimum: PoundsAssumption | None = None
    """GBP below which it should not fall, by year; reported, not enforced"""
    minimum_share: Share | None = None
    """the same as a share of the planned requirement of the year"""
    general: bool = Field(default=False, strict=True)
    """whether it is the general fund balance"""
    meets_shortfall: bool = Field(default=True, strict=True)
    """whether it may be used for any shortfall; false for money held for one purpose"""
    tied_to: Name | None = None
    """the one line it may be used for; what is used nets off that line"""
    planned_use: PoundsAssumption = 0.0
    """tied: GBP used for that line by year"""

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if self.minimum is not None and self.minimum_share is not None:
            msg = "give the minimum in GBP ('minimum') or as 'minimum_share' of the requirement"
            raise ValueError(msg)
        if self.tied_to is None and self.planned_use != 0:
            msg = "'planned_use' goes with 'tied_to'; to support the budget use 'one_offs'"
            raise ValueError(msg)
        return self

    @property
    def absorbs(self) -> bool:
        """Whether a shortfall may fall on it."""
        return self.meets_shortfall and self.tied_to is None


class OneOff(Noted):
    """A one-off source: a planned use of reserves, exceptional financial support, or receipts.

    It lowers the gap after one-offs in its year and raises the annual step of the next by the same.
    """

    kind: Literal["reserve", "efs", "receipt"]
    amounts: PoundsAssumption
    """GBP by year"""
    fund: Name | None = None
    """reserve: the fund it is drawn from; a draw uses no more than the fund then holds"""
    repay_years: Annotated[Number, Field(gt=0)] | None = None
    """EFS: years over which MRP repays it, starting the year after"""
    rate: Assumption = 0.0
    """EFS: interest a year on what is not repaid, starting the year after"""

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if (self.kind == "reserve") != (self.fund is not None):
            msg = "'fund' goes with kind 'reserve', which needs it"
            raise ValueError(msg)
        if (self.kind == "efs") != (self.repay_years is not None):
            msg = "'repay_years' goes with kind 'efs', which needs it: EFS leaves MRP and interest"
            raise ValueError(msg)
        return self

    def cost(self, paths: Paths) -> Array:
        """Give the MRP and interest that EFS leaves, GBP."""
        instalment, opening = repayments(paths.value(self.amounts), self.repay_years or np.inf)
        return instalment + opening * paths.value(self.rate)


class Closure(Declared):
    """How planned gaps are closed, for reserves and their risks only.

    ``plan``: each year's planned gap is closed recurrently by savings not yet identified, delivered
    with a risk of their own. ``respond``: last year's shortfall as well, from the year after, less
    what slipped and is still to come.
    ``none``: nothing is done, and every gap falls on reserves.
    """

    policy: Literal["plan", "respond", "none"] = "plan"
    delivery: Annotated[
        Annotated[Share, Tag("form:number")] | Annotated[Delivery, Tag("form:mapping")],
        Discriminator(form),
    ] = Field(default_factory=lambda: Delivery(mean=PROGRAMME[0], sd=PROGRAMME[1]))
    """share of a year's closure delivered in that year: Brighton & Hove's record unless given"""
    slipped: Share = SLIPPED
    """share of the rest that arrives a year later"""

    def shocks(self) -> tuple[ShockSpec, ...]:
        """List its stream: how much of the closure is delivered."""
        drawn = self.policy != "none" and isinstance(self.delivery, Delivery)
        return (ShockSpec(f"{CLOSURE}.delivery", "council", once=True),) if drawn else ()


class Reserves(Declared):
    """Funds, in the order in which they meet a shortfall, and the closure policy."""

    funds: tuple[Fund, ...] = ()
    surplus_to: Name | None = None
    """the fund that takes a surplus"""
    closure: Closure = Field(default_factory=Closure)


class Override(Declared):
    """The end of a statutory override: from ``year`` on the balance falls on reserves."""

    year: YearLabel
    probability: Share
    share: Share = 1.0
    """share of the balance, and of later years' deficits, that falls on reserves"""


class Memorandum(Noted):
    """A balance outside the gap, such as the DSG deficit; only interest on it is inside."""

    opening: Money
    """GBP of deficit at the start of the first year (a surplus is negative)"""
    deficits: Assumption
    """GBP added to the deficit in each year, any sign"""
    rate: Assumption = 0.0
    """interest a year on the opening deficit of the year, a cost inside the gap"""
    override: Override | None = None

    def shocks(self) -> tuple[ShockSpec, ...]:
        """List its stream: whether the override ends."""
        drawn = self.override is not None and 0 < self.override.probability < 1
        return (ShockSpec(f"{self.name}.override", "council", once=True),) if drawn else ()

    def balances(self, paths: Paths) -> tuple[Array, Array]:
        """Give the closing balance and what falls on reserves in each year, GBP."""
        deficits = paths.value(self.deficits)
        balance = self.opening + np.cumsum(deficits, axis=0)
        override = self.override
        if override is None or override.probability == 0:
            return balance, np.zeros((paths.horizon, 1))
        first = paths.calendar.years.index(override.year)
        falls = np.zeros_like(balance)
        falls[first] = override.share * np.maximum(balance[first], 0.0)
        falls[first + 1 :] = override.share * deficits[first + 1 :]
        if override.probability < 1:
            ends = (
                np.zeros(1, dtype=bool)
                if paths.planned
                else paths.score(f"{self.name}.override") < quantile_score(override.probability)
            )
            falls = falls * ends
        return balance - np.cumsum(falls, axis=0), falls

    def interest(self, paths: Paths) -> Array:
        """Give interest on the opening deficit of each year, GBP."""
        closing, _ = paths.block_derived((self.name, "balances"), lambda: self.balances(paths))
        opening = np.empty_like(closing)
        opening[0] = self.opening
        opening[1:] = closing[:-1]
        return np.maximum(opening, 0.0) * paths.value(self.rate)


@dataclass(frozen=True)
class ReserveOutcome:
    """Where to write what a block of draws does to reserves, shape (fund or source, year, draw)."""

    gap_after_one_offs: Array
    shortfall: Array
    unfunded: Array
    closing: Array | None
    """closing balances of funds, where there are any"""
    one_off: Array | None
    """one-off sources used, where they are wanted"""
    interest: Array | None
    """interest lost, where it is wanted"""


@dataclass(frozen=True)
class ReserveStage:
    """Reserves of a checked plan, ready to run the years in order."""

    reserves: Reserves
    one_offs: tuple[OneOff, ...]
    balances: tuple[BalancesLine, ...]
    common: float
    planned_closure: Array
    """GBP of closure planned in each year, as a level, shape (year, 1)"""
    planned_opening: dict[str, Array]

    def run(  # noqa: C901 - one year: pay in, draw one-offs, close, meet what is left
        self,
        gap: Array,
        paths: Paths,
        *,
        paid_in: Mapping[str, Array],
        tied: Mapping[str, Array],
        falls: Array,
        out: ReserveOutcome,
    ) -> None:
        """Run one block.

        Parameters
        ----------
        gap
            Gap after savings and before one-offs, shape (year, draw), GBP.
        paths
            The block's paths.
        paid_in
            What ring-fenced grants left unspent, by fund, GBP.
        tied
            Closing balances of the funds that one line alone uses, GBP.
        falls
            What memorandum balances drop on reserves, shape (year, draw) or (year, 1).
        out
            Where to write.
        """
        funds = self.reserves.funds
        place = {fund.name: n for n, fund in enumerate(funds)}
        horizon, n = gap.shape
        closure, still_to_come = self._closure(paths)
        responds = self.reserves.closure.policy == "respond"
        closing = np.empty((0, horizon, n)) if out.closing is None else out.closing
        invested = any(line.funds for line in self.balances)
        lost = out.interest if invested and out.interest is not None else np.empty((horizon, n))
        before: Sequence[Array] | Array = [np.full(n, fund.opening) for fund in funds]
        contributions = [paths.value(fund.contributions) for fund in funds]
        taking = [paths.value(source.amounts) for source in self.one_offs]
        response: Array | float = 0.0
        for year in range(horizon):
            if invested:
                lost[year] = 0.0
                if year:
                    self._interest_lost(paths, before, place, year, lost[year])
            held = closing[:, year]
            for number, fund in enumerate(funds):
                if fund.name in tied:
                    held[number] = tied[fund.name][year]
                    continue
                np.add(before[number], contributions[number][year], out=held[number])
                if fund.name in paid_in:
                    held[number] += paid_in[fund.name][year]
            left = out.gap_after_one_offs[year]
            left[...] = gap[year]
            for number, source in enumerate(self.one_offs):
                taken = taking[number][year]
                if source.fund is not None:
                    taken = np.minimum(held[place[source.fund]], taken)
                    held[place[source.fund]] -= taken
                if out.one_off is not None:
                    out.one_off[number, year] = taken
                left -= taken
            shortfall = np.subtract(left, closure[year] + response, out=out.shortfall[year])
            call = shortfall + falls[year]
            if invested:
                call += lost[year]
            self._absorb(call, held, place, out.unfunded[year])
            if responds:  # to what will not come by itself next year
                lasting = np.maximum(shortfall - still_to_come[year], 0.0)
                response = response + self._delivered(paths) * lasting
            before = held

    def _absorb(self, call: Array, held: Array, place: dict[str, int], left: Array) -> None:
        """Meet a call fund by fund, in order, and put a surplus into its fund; leave the rest."""
        np.maximum(call, 0.0, out=left)
        if self.reserves.surplus_to is not None:
            held[place[self.reserves.surplus_to]] += left - call
        for number, fund in enumerate(self.reserves.funds):
            if fund.absorbs:
                taken = np.minimum(held[number], left)
                held[number] -= taken
                left -= taken

    def _delivered(self, paths: Paths) -> Array:
        if paths.planned:
            return np.ones(1)
        return paths.block_derived(
            CLOSURE,
            lambda: delivered_share(self.reserves.closure.delivery, CLOSURE, paths, self.common),
        )

    def _closure(self, paths: Paths) -> tuple[Array, Array]:
        """Give the closure delivered, as a level, and what of it slipped into the next year.

        A planned easing is taken in full.
        """
        steps = np.diff(self.planned_closure, axis=0, prepend=0.0)
        if not steps.any() or paths.planned:
            return self.planned_closure, np.zeros_like(steps)
        slipped, share = self.reserves.closure.slipped, self._delivered(paths)
        rising = np.cumsum(np.maximum(steps, 0.0), axis=0)
        easing = np.cumsum(np.minimum(steps, 0.0), axis=0)
        closed = arriving(rising, share, slipped)
        late = (1 - share) * slipped * np.maximum(steps, 0.0)
        return closed + easing if easing.any() else closed, late

    def _interest_lost(
        self,
        paths: Paths,
        held: Sequence[Array] | Array,
        place: dict[str, int],
        year: int,
        out: Array,
    ) -> None:
        for line in self.balances:
            for fund in line.funds:
                below = self.planned_opening[fund][year] - held[place[fund]]
                out += below * paths.value(line.rate)[year] * line.share


def planned_openings(
    reserves: Reserves, one_offs: Sequence[OneOff], planned: Paths, calendar: Calendar
) -> dict[str, Array]:
    """Give every fund's opening balance in each year as planned, whatever the closure policy.

    Returns
    -------
    dict
        Shape (year, 1), GBP: opening, plus contributions, less planned uses as far as it goes.
    """
    found = {}
    for fund in reserves.funds:
        opening = np.empty((len(calendar.years), 1))
        held = fund.opening
        uses = [planned.value(fund.planned_use)] + [
            planned.value(source.amounts) for source in one_offs if source.fund == fund.name
        ]
        for year in range(len(opening)):
            opening[year] = held
            held += float(planned.value(fund.contributions)[year, 0])
            for use in uses:
                held -= min(float(use[year, 0]), held)
        found[fund.name] = opening
    return found
