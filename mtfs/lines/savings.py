"""Savings: what was planned, what arrives, what arrives late and what is lost."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache, partial
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from mtfs.assumptions import Declared, Name, Noted, PoundsAssumption, Share, form
from mtfs.distributions import Beta, quantile_score, read_table, table_of
from mtfs.paths import Paths
from mtfs.sampling import ShockSpec
from mtfs.vocabulary import Array

COMMON = "savings.common"
CORPORATE = "corporate"
ROUNDING = 1e-9  # how far shares that make a whole may sum from 1

# A share delivered above it is a percentage; from 1 to it a plan may mean what it says.
MOST_DELIVERED = 2.0

# How far schemes fail together. No estimate is published; 0.2 to 0.4 is a judgement (three years of
# one council, Brighton & Hove 2022/23 to 2024/25, are too few to tell it from 0). State your own.
COMMON_FACTOR = 0.3

# Share of an in-year shortfall that arrives in the next year. Gwynedd delivered 81% in the year
# (October 2023) and 94% in the end (2015/16 to 2022/23): (0.94 - 0.81) / (1 - 0.81) = 0.68.
SLIPPED = 0.68


class Delivery(Declared):
    """A distribution of the share of a saving delivered in its year: a beta from 0 to 1."""

    mean: Annotated[Share, Field(gt=0, lt=1)]
    sd: Annotated[float, Field(strict=True, gt=0, lt=0.5)]

    @model_validator(mode="after")
    def _is_a_beta(self) -> Self:
        Beta.from_mean(self.mean, self.sd)
        return self

    @property
    def distribution(self) -> Beta:
        """The beta of this mean and standard deviation."""
        return _beta(self.mean, self.sd)


_beta = cache(Beta.from_mean)

# Means follow Bristol's budget-time provisions of 2017/18 (green 1.00, amber 0.64, red 0.35); green
# is lowered to 0.90 since Brighton & Hove delivered 0.82 of all schemes over 17 directorate-years
# (2022/23 to 2024/25). Spreads and "unidentified" are judgements. One council's provisions are weak
# evidence: give your own council's record where there is one.
_RAG = {
    "green": (0.90, 0.065),
    "amber": (0.65, 0.144),
    "red": (0.35, 0.144),
    "unidentified": (0.25, 0.144),
}

# What a council delivered of a year's whole programme: Brighton & Hove, 17 directorate-years
# 2022/23 to 2024/25, gross of in-year pressures: mean 0.82, standard deviation 0.16 (unweighted).
PROGRAMME = (0.82, 0.16)


@cache
def rag_delivery(rag: str) -> Delivery:
    """Give the delivery that a RAG rating stands for unless the plan states its own."""
    mean, sd = _RAG[rag]
    return Delivery(mean=mean, sd=sd)


class Delay(Declared):
    """A chance that a scheme starts ``years`` late."""

    years: Annotated[int, Field(strict=True, ge=1, le=9)]
    probability: Annotated[Share, Field(gt=0)]


class ServiceShare(Declared):
    """What one service counts of a scheme that several share."""

    service: Annotated[str, Field(min_length=1)]
    share: Annotated[Share, Field(gt=0)]
    """share of the scheme; the shares of all its services sum to 1"""


def _delivered(value: float) -> float:
    if value > MOST_DELIVERED:
        hint = f": write {value:g}% as {value / 100:g}" if value <= 100 * MOST_DELIVERED else ""
        msg = f"delivers {value:g} times what was planned; expected a share{hint}"
        raise ValueError(msg)
    return value


class Deliverable(Noted):
    """Planned savings and how they arrive: what a scheme and a target have in common."""

    service: str = CORPORATE
    levels: PoundsAssumption
    """GBP planned to be saved in each year, as levels"""
    rag: Literal["green", "amber", "red", "unidentified"] | None = None
    delivery: (
        Annotated[
            Annotated[
                float,
                Field(strict=True, ge=0, allow_inf_nan=False),
                AfterValidator(_delivered),
                Tag("form:number"),
            ]
            | Annotated[Delivery, Tag("form:mapping")],
            Discriminator(form),
        ]
        | None
    ) = None
    """share delivered in its year, a number or a distribution, in place of the RAG default"""
    starts: Annotated[Share, Field(gt=0)] = 1.0
    """chance that the scheme starts at all"""
    delays: tuple[Delay, ...] = ()
    slipped: Share = SLIPPED
    """share of the year's shortfall that arrives later; the rest is lost"""
    run_off: Annotated[tuple[Share, ...], Field(min_length=1)] = (1.0,)
    """how what slipped arrives: its shares one year later, two years later ...; they sum to 1"""
    shared_by: tuple[ServiceShare, ...] = ()
    """the services that share it, instead of ``service``: one delivery, split for reporting"""

    @model_validator(mode="after")
    def _says_delivery(self) -> Self:
        if (self.rag is None) == (self.delivery is None):
            msg = "say how much of it is expected to arrive: give either 'rag' or 'delivery'"
            raise ValueError(msg)
        if math.fsum(delay.probability for delay in self.delays) > 1:
            msg = "the probabilities of delays sum to more than 1"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> Self:
        whole = math.fsum(self.run_off)
        if abs(whole - 1) > ROUNDING:
            msg = (
                f"the shares of 'run_off' sum to {whole:.10g}; expected 1: together they are all "
                "that slipped (what never arrives is left out by 'slipped')"
            )
            raise ValueError(msg)
        if not self.shared_by:
            return self
        if self.service != CORPORATE:
            msg = "give either 'service' or 'shared_by', the services that share it"
            raise ValueError(msg)
        names = [part.service for part in self.shared_by]
        if twice := [name for name in names if names.count(name) > 1]:
            msg = f"'shared_by' names '{twice[0]}' twice; add its shares together"
            raise ValueError(msg)
        whole = math.fsum(part.share for part in self.shared_by)
        if abs(whole - 1) > ROUNDING:
            msg = f"the shares of 'shared_by' sum to {whole:.10g}; expected 1"
            raise ValueError(msg)
        return self

    @property
    def scheme(self) -> str:
        """Its name among the schemes of a projection, and that of its draws."""
        return self.name

    @property
    def outcome(self) -> Delivery | float:
        """The share delivered in its year: a distribution, or a number where it is certain."""
        if self.delivery is not None:
            return self.delivery
        return rag_delivery(self.rag or "unidentified")

    @property
    def split(self) -> tuple[tuple[str, float], ...]:
        """The services that count it, each with its share."""
        if self.shared_by:
            return tuple((part.service, part.share) for part in self.shared_by)
        return ((self.service, 1.0),)

    def shocks(self) -> tuple[ShockSpec, ...]:
        """List its streams; one delivery shock a scheme, not one a year."""
        wanted = {
            "delivery": isinstance(self.outcome, Delivery),
            "start": self.starts < 1,
            "delay": bool(self.delays),
        }
        return tuple(
            ShockSpec(f"{self.scheme}.{what}", "council", once=True)
            for what, held in wanted.items()
            if held
        )

    def counted(self, paths: Paths) -> Array:
        """Give what the plan counts of its levels, GBP, shape (year, 1) where certain."""
        return paths.value(self.levels)

    def arrived(self, levels: Array, paths: Paths, common: float) -> Array:
        """Give what arrives of ``levels``, GBP, by its own delivery.

        Parameters
        ----------
        levels
            GBP planned, shape (year, 1) or (year, draw).
        paths
            The block's paths and scores.
        common
            Correlation of the delivery scores of different schemes.
        """
        arrived = self._arrived(levels, self._share(paths, common), paths)
        return arrived * self._started(paths) if self.starts < 1 else arrived

    def lost(self, levels: Array, paths: Paths, common: float) -> Array:
        """Give what is lost of ``levels``, GBP, by its own delivery."""
        lost = (1 - self._share(paths, common)) * ((1 - self.slipped) * levels)
        return np.where(self._started(paths), lost, levels) if self.starts < 1 else lost

    def _share(self, paths: Paths, common: float) -> Array:
        return paths.block_derived(
            (self.scheme, "share"),
            lambda: delivered_share(self.outcome, self.scheme, paths, common),
        )

    def _started(self, paths: Paths) -> NDArray[np.bool_]:
        return paths.score(f"{self.scheme}.start") < quantile_score(self.starts)

    def _arrived(self, planned: Array, share: Array, paths: Paths) -> Array:
        arrive = partial(arriving, planned, share, self.slipped, run_off=self.run_off)
        if not self.delays:
            return arrive()
        total, late = np.zeros(()), np.zeros((), dtype=bool)
        for years, happens in self._delayed(paths):
            total = total + arrive(late=years) * happens
            late = late | happens
        return np.asarray(total + arrive() * ~late)

    def _delayed(self, paths: Paths) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """Give each delay's years, and in which draws it comes about, shape (draw,)."""
        score = paths.score(f"{self.scheme}.delay")
        chance, below = 0.0, np.zeros(score.shape, dtype=bool)
        for delay in self.delays:
            chance += delay.probability
            within = score < quantile_score(chance) if chance < 1 else np.ones_like(below)
            yield delay.years, within & ~below
            below = within

    def terms_drawn(self, paths: Paths, common: float) -> dict[str, Array]:
        """Give what a draw says of how it arrives, shape (draw,) or (1,)."""
        found = {
            "share delivered in its year": self._share(paths, common),
            "share of the rest that comes later": np.array([self.slipped]),
        }
        if self.starts < 1:
            found["starts"] = self._started(paths).astype(np.float64)
        if self.delays:
            delayed = self._delayed(paths)
            found["years late"] = np.asarray(sum(years * happens for years, happens in delayed))
        return found


class Saving(Deliverable):
    """A savings scheme, as planned and as it may turn out.

    ``levels`` are planned savings standing in each year. A draw delivers a share of each step in
    its year; of the rest, ``slipped`` arrives in the years after, by ``run_off``, and the remainder
    is lost. Delays move the whole scheme. A scheme that ``needs`` others arrives only as far as
    those have arrived. Delivered, late and lost sum to what was planned, in every draw and year;
    late is negative in a year in which a one-off saving arrives that was planned earlier.
    """

    needs: tuple[Name, ...] = ()
    """schemes without which it saves nothing: it arrives as far as the least of them has"""
    manages: Name | None = None
    """the care line whose people it keeps fewer (demand management)"""
    already_in_demand: Share | None = None
    """share of ``levels`` that the people path of that line already holds and that is therefore not
    counted again; goes with ``manages``"""

    @model_validator(mode="after")
    def _counts_demand_once(self) -> Self:
        if self.manages is not None and self.already_in_demand is None:
            msg = (
                f"the people path of '{self.manages}' may already hold fewer people because of "
                "this scheme, and the saving would be counted twice; say in 'already_in_demand' "
                "what share of it the path holds: 0 if none"
            )
            raise ValueError(msg)
        if self.manages is None and self.already_in_demand is not None:
            msg = (
                "'already_in_demand' goes with 'manages', the care line whose people path holds "
                "that share of the saving; name it"
            )
            raise ValueError(msg)
        return self

    def counted(self, paths: Paths) -> Array:
        """Give its levels less what a people path already holds, GBP."""
        levels = paths.value(self.levels)
        return (1 - self.already_in_demand) * levels if self.already_in_demand else levels


class SavingsTarget(Deliverable):
    """A savings target that several schemes share.

    What its schemes do not cover yet is a scheme of its own, called "<name>, not yet identified",
    which arrives as ``rag`` or ``delivery``, ``starts``, ``delays`` and ``slipped`` say. Schemes
    that together plan more than the target (over-programming) leave nothing of it.
    """

    schemes: tuple[Name, ...] = ()
    """the schemes that count towards it; a scheme counts towards one target only"""

    @property
    def scheme(self) -> str:
        """What the part of it without a scheme is called among the schemes of a projection."""
        return f"{self.name}, not yet identified"


def delivered_share(outcome: Delivery | float, name: str, paths: Paths, common: float) -> Array:
    """Give the share delivered in its year, shape (draw,) or (1,)."""
    if not isinstance(outcome, Delivery):
        return np.array([outcome])
    score = math.sqrt(1 - common) * paths.score(f"{name}.delivery")
    if common > 0:
        score += math.sqrt(common) * paths.score(COMMON)
    return read_table(table_of(outcome.distribution), score)


def arriving(
    planned: Array,
    share: Array,
    slipped: float,
    late: int = 0,
    *,
    run_off: tuple[float, ...] = (1.0,),
) -> Array:
    """Give what arrives: ``share`` of each step at once, ``slipped`` of the rest by ``run_off``.

    Parameters
    ----------
    planned
        Levels planned, GBP, shape (year, 1) or (year, draw).
    share
        Share of each step delivered in its year.
    slipped
        Share of the rest that arrives later.
    late
        Whole years by which everything is delayed.
    run_off
        Shares of what slipped that arrive one year later, two years later and so on; sum to 1.
    """
    now, later = _shifted(planned, late), slipped * _slipping(planned, late, run_off)
    arrived = share * (now - later)
    arrived += later
    return arrived


def _slipping(levels: Array, late: int, run_off: tuple[float, ...]) -> Array:
    """Give the levels as they would stand if every step came by ``run_off``, ``late`` years on."""
    if len(run_off) == 1:
        return _shifted(levels, late + 1)
    parts = (part * _shifted(levels, late + n) for n, part in enumerate(run_off, 1))
    return np.asarray(sum(parts))


def _shifted(levels: Array, years: int) -> Array:
    if not years:
        return levels
    moved = np.zeros_like(levels)
    moved[years:] = levels[:-years]
    return moved
