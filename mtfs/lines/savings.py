"""Savings: what was planned, what arrives, what arrives late and what is lost."""

from __future__ import annotations

import math
from functools import cache
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, Tag, model_validator

from mtfs.assumptions import Declared, Noted, PoundsAssumption, Share, form
from mtfs.distributions import Beta, quantile_score, read_table, table_of
from mtfs.paths import Paths
from mtfs.sampling import ShockSpec
from mtfs.vocabulary import Array

COMMON = "savings.common"

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


class Saving(Noted):
    """A savings scheme, as planned and as it may turn out.

    ``levels`` are planned savings standing in each year. A draw delivers a share of each step in
    its year; of the rest, ``slipped`` arrives the year after and the remainder is lost. Delays
    move the whole scheme. Delivered, late and lost sum to what was planned, in every draw and year;
    late is negative in a year in which a one-off saving arrives that was planned earlier.
    """

    service: str = "corporate"
    levels: PoundsAssumption
    """GBP planned to be saved in each year, as levels"""
    rag: Literal["green", "amber", "red", "unidentified"] | None = None
    delivery: (
        Annotated[
            Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False), Tag("form:number")]
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
    """share of the year's shortfall that arrives a year later; the rest is lost"""

    @model_validator(mode="after")
    def _says_delivery(self) -> Self:
        if (self.rag is None) == (self.delivery is None):
            msg = "say how much of it is expected to arrive: give either 'rag' or 'delivery'"
            raise ValueError(msg)
        if math.fsum(delay.probability for delay in self.delays) > 1:
            msg = "the probabilities of delays sum to more than 1"
            raise ValueError(msg)
        return self

    @property
    def outcome(self) -> Delivery | float:
        """The share delivered in its year: a distribution, or a number where it is certain."""
        if self.delivery is not None:
            return self.delivery
        return rag_delivery(self.rag or "unidentified")

    def shocks(self) -> tuple[ShockSpec, ...]:
        """List its streams; one delivery shock a scheme, not one a year."""
        wanted = {
            "delivery": isinstance(self.outcome, Delivery),
            "start": self.starts < 1,
            "delay": bool(self.delays),
        }
        return tuple(
            ShockSpec(f"{self.name}.{what}", "council", once=True)
            for what, held in wanted.items()
            if held
        )

    def planned(self, paths: Paths) -> Array:
        """Give planned savings, GBP, shape (year, 1)."""
        return paths.value(self.levels)

    def delivered(self, paths: Paths, common: float) -> tuple[Array, Array, Array]:
        """Give savings delivered, late and lost, GBP; they sum to what was planned.

        Parameters
        ----------
        paths
            The block's paths and scores.
        common
            Correlation of the delivery scores of different schemes.
        """
        planned = self.planned(paths)
        if paths.planned:
            nothing = np.zeros_like(planned)
            return planned, nothing, nothing
        share = self._share(paths, common)
        arrived = self.arrived(paths, common)
        lost = (1 - share) * ((1 - self.slipped) * planned)
        if self.starts < 1:
            lost = np.where(self._started(paths), lost, planned)
        return arrived, planned - arrived - lost, lost

    def arrived(self, paths: Paths, common: float) -> Array:
        """Give savings delivered alone, as :meth:`delivered` does."""
        planned = self.planned(paths)
        if paths.planned:
            return planned
        arrived = self._arrived(planned, self._share(paths, common), paths)
        return arrived * self._started(paths) if self.starts < 1 else arrived

    def _share(self, paths: Paths, common: float) -> Array:
        return paths.block_derived(
            (self.name, "share"), lambda: delivered_share(self.outcome, self.name, paths, common)
        )

    def _started(self, paths: Paths) -> NDArray[np.bool_]:
        return paths.score(f"{self.name}.start") < quantile_score(self.starts)

    def _arrived(self, planned: Array, share: Array, paths: Paths) -> Array:
        if not self.delays:
            return arriving(planned, share, self.slipped)
        score = paths.score(f"{self.name}.delay")
        chance, total, below = 0.0, np.zeros(()), np.zeros(score.shape, dtype=bool)
        for delay in self.delays:
            chance += delay.probability
            within = score < quantile_score(chance) if chance < 1 else np.ones_like(below)
            total = total + arriving(planned, share, self.slipped, delay.years) * (within & ~below)
            below = within
        return np.asarray(total + arriving(planned, share, self.slipped) * ~below)


def delivered_share(outcome: Delivery | float, name: str, paths: Paths, common: float) -> Array:
    """Give the share delivered in its year, shape (draw,) or (1,)."""
    if not isinstance(outcome, Delivery):
        return np.array([outcome])
    score = math.sqrt(1 - common) * paths.score(f"{name}.delivery")
    if common > 0:
        score += math.sqrt(common) * paths.score(COMMON)
    return read_table(table_of(outcome.distribution), score)


def arriving(planned: Array, share: Array, slipped: float, late: int = 0) -> Array:
    """Give what arrives: ``share`` of each step at once, ``slipped`` of the rest a year on."""
    now, a_year_on = _shifted(planned, late), slipped * _shifted(planned, late + 1)
    arrived = share * (now - a_year_on)
    arrived += a_year_on
    return arrived


def _shifted(levels: Array, years: int) -> Array:
    if not years:
        return levels
    moved = np.zeros_like(levels)
    moved[years:] = levels[:-years]
    return moved
