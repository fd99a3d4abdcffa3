"""Variances by cause: which of a year's overspends come back in the next, and how much of each."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from mtfs.assumptions import Declared, Money, Name, Share, form
from mtfs.distributions import Beta
from mtfs.drift import MOST_RECURRENT
from mtfs.vocabulary import MtfsError

_LONGEST = 50  # characters of a variance's name: the lines of a rebased plan add words to it


class Provided(Declared):
    """Growth that a plan already holds for the cause of a variance."""

    line: str
    """a line of the plan"""
    share: Annotated[Share, Field(gt=0)] = 1.0
    """of its growth in the first year over the base, the share put in for this cause"""


class RecurrentShare(Declared):
    """How much of a variance stands next year: a beta from ``low`` to ``high``."""

    mean: Annotated[float, Field(strict=True, gt=0, lt=MOST_RECURRENT)]
    sd: Annotated[float, Field(strict=True, gt=0, lt=MOST_RECURRENT / 2)]
    low: Annotated[float, Field(strict=True, ge=0, lt=MOST_RECURRENT)] = 0.0
    high: Annotated[float, Field(strict=True, gt=0, le=MOST_RECURRENT)] = 1.0
    """above 1 only where the overspend may grow by itself"""
    source: str | None = None

    @model_validator(mode="after")
    def _is_a_beta(self) -> Self:
        if not self.low < self.high:
            msg = f"'low' is {self.low:g} and 'high' {self.high:g}; expected low below high"
            raise ValueError(msg)
        try:
            Beta.from_mean(self.mean, self.sd, self.low, self.high)
        except MtfsError as error:
            msg = f"{error}. 'low' and 'high' give the range, 0 to 1 unless stated"
            raise ValueError(msg) from None
        return self


class Variance(Declared):
    """A part of a service's variance with one cause, and how much of it comes back next year."""

    name: Annotated[Name, Field(max_length=_LONGEST)]
    service: str
    cause: Annotated[str, Field(min_length=1)]
    amount: Money
    """GBP over budget at outturn, any sign; a service's variances sum to its own"""
    one_off: Money = 0.0
    """GBP of it that does not come back, of the same sign and no larger"""
    recurrence: Literal["recurrent", "one_off"] = "recurrent"
    """``one_off`` for the whole"""
    recurrent_share: (
        Annotated[
            Annotated[
                float,
                Field(strict=True, ge=0, le=MOST_RECURRENT, allow_inf_nan=False),
                Tag("form:number"),
            ]
            | Annotated[RecurrentShare, Tag("form:mapping")]
            | Annotated[Literal["children", "adults"], Tag("form:word")],
            Discriminator(form),
        ]
        | None
    ) = None
    """of the rest, the share that stands next year; a word takes the record of councils' returns"""
    full_year_effect: Money | None = None
    """GBP more in a full year at the year-end rate than in this year; 0 where there is none"""
    run_rate: Money | None = None
    """GBP a year over budget at the year-end rate, one-offs apart, in its place"""
    provided: tuple[Provided, ...] = ()
    index: Name | None = None
    """a driver of growth in the plan, from this year's prices; without it the sum is cash"""
    source: str | None = None

    @property
    def lasting(self) -> float:
        """GBP of this year's variance that is not one-off."""
        return 0.0 if self.recurrence == "one_off" else self.amount - self.one_off

    @property
    def full_year(self) -> float:
        """GBP by which a full year at the year-end rate exceeds the recurrent part of this year."""
        if self.run_rate is not None:
            return self.run_rate - self.lasting
        return self.full_year_effect or 0.0

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        for broken, message in self._rules():
            if broken:
                raise ValueError(message)
        return self

    def _rules(self) -> list[tuple[bool, str]]:
        gone = self.recurrence == "one_off"
        effects = (self.full_year_effect is not None) + (self.run_rate is not None)
        by_word = isinstance(self.recurrent_share, str)
        return [
            (
                self.one_off != 0 and (gone or self.one_off * self.amount <= 0),
                (
                    "'one_off' is the part of 'amount' that does not come back, of the same sign; "
                    "where the whole is one-off write recurrence: one_off alone"
                ),
            ),
            (
                abs(self.one_off) > abs(self.amount),
                f"'one_off' is {self.one_off:,.0f}, more than the amount {self.amount:,.0f}",
            ),
            (
                gone and bool(effects or self.recurrent_share is not None or self.provided),
                (
                    "a one-off leaves nothing behind: no 'recurrent_share', 'full_year_effect', "
                    "'run_rate' or 'provided'"
                ),
            ),
            (
                not gone and self.recurrent_share is None,
                (
                    "'recurrent_share' is missing: say how much comes back, a number, {mean, sd}, "
                    "children or adults; or recurrence: one_off"
                ),
            ),
            (
                by_word and effects > 0,
                (
                    "the share of 'children' or 'adults' compares a whole year with the next, so "
                    "that full-year effects are in it already; leave out 'full_year_effect' and "
                    "'run_rate', or state the share as a number or {mean, sd}"
                ),
            ),
            (
                not gone and not by_word and effects != 1,
                "give either 'full_year_effect' (0 where there is none) or 'run_rate'",
            ),
        ]
