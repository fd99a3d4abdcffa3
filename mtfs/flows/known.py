"""Rates and entries in some draws, and those that are taken as known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from mtfs.assumptions import Declared, Number
from mtfs.flows.states import Table
from mtfs.flows.uniforms import Keys
from mtfs.vocabulary import Array


@dataclass(frozen=True)
class Rates:
    """Rates of exit and of moves, a year of exposure, in some draws."""

    exits: Array
    """shape (group, age, placement, duration, draw)"""
    moves: Array
    """shape (group, age, placement, duration, destination, draw); 0 to the same placement and to
    those that are not for the age"""


@dataclass(frozen=True)
class Arrivals:
    """How children enter care, in some draws."""

    level: Array
    """entries a year, shape (group, age, draw)"""
    placements: Array
    """shares of the first placement, shape (group, age, placement, draw); they sum to 1"""
    season: Array
    """entries in each calendar month over the average month, January first, shape (12,)"""
    dispersion: float
    """variance of the gamma factor, of mean 1, that all entries of a month share: a month's entries
    have the variance m + dispersion m**2"""
    ages: Array
    """quantiles of the age at entry within each band, at even steps from 0 to 1, years, shape
    (group, age, quantile)"""


class KnownRates(Declared):
    """Rates that are taken as known: a matrix of transitions from elsewhere, or a test."""

    kind: Literal["known"] = "known"
    exits: Table
    """a year, shape (group, age, placement, duration)"""
    moves: Table
    """a year, shape (group, age, placement, duration, destination)"""

    def draw(self, keys: Keys) -> Rates:
        """Give the same rates in every draw."""
        del keys
        return self.mean()

    def mean(self) -> Rates:
        """Give the rates, with one draw."""
        return Rates(self.exits.array[..., None], self.moves.array[..., None])


class KnownArrivals(Declared):
    """Entries whose level is taken as known; they are Poisson unless ``dispersion`` is given."""

    kind: Literal["known"] = "known"
    level: Table
    """entries a year, shape (group, age)"""
    placements: Table
    """shares, shape (group, age, placement)"""
    season: tuple[Number, ...] = (1.0,) * 12
    dispersion: Annotated[float, Field(ge=0)] = 0.0
    ages: Table
    """quantiles of the age at entry, years, shape (group, age, quantile)"""

    def draw(self, keys: Keys) -> Arrivals:
        """Give the same levels in every draw."""
        del keys
        return self.mean()

    def mean(self) -> Arrivals:
        """Give the levels, with one draw."""
        return Arrivals(
            self.level.array[..., None],
            self.placements.array[..., None],
            np.array(self.season),
            self.dispersion,
            self.ages.array,
        )
