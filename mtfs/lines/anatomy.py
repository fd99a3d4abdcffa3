"""How a number is made: named factors, what moves each, and what of a yearly step each mover did.

A step of a product is split by Shapley values over its components: each one's mean effect over all
orders in which they could have moved. Parts add up exactly, none is left as an interaction, and it
holds with factors at nothing or below it and with floors, where logarithmic means do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, TypeAlias

import numpy as np

from mtfs.assumptions import Assumption
from mtfs.vocabulary import Array

# Components that several kinds of line share.
FULL_YEAR = "full-year effects"
GRANTS = "grants"
RESERVES = "reserves"

Combine: TypeAlias = Callable[[Mapping[str, Array]], Array]
"""what makes the number of its factors, by name; by elements, so that one year can be worked out"""


@dataclass(frozen=True)
class Factor:
    """One named factor of a number, in the base year and in every year of the plan."""

    name: str
    unit: str
    """such as ``people`` or ``GBP a week``; empty for an index or a share"""
    values: Array
    """shape (1 + year, draw), or (1 + year, 1) where certain; the base year first"""
    moved_by: str | Mapping[str, Array] | None = None
    """the component that moves it, or several with what each adds in a year, shape (year, draw);
    none where it stands still"""
    fields: tuple[tuple[str, Assumption], ...] = ()
    """the assumptions it is made of, by field"""
    parts: Mapping[str, Array] = field(default_factory=dict)
    """what it is worked out from, for whoever wants to know; shapes as ``values``"""

    @property
    def movers(self) -> tuple[str, ...]:
        """The components that move it."""
        if self.moved_by is None:
            return ()
        return (self.moved_by,) if isinstance(self.moved_by, str) else tuple(self.moved_by)

    def step(self, component: str) -> Array:
        """Give what one component adds to it in each year, shape (year, draw)."""
        if isinstance(self.moved_by, Mapping):
            return self.moved_by[component]
        change: Array = np.diff(self.values, axis=0)
        return change


@dataclass(frozen=True)
class Anatomy:
    """How one number is made of its factors, and how its yearly steps fall on components."""

    factors: tuple[Factor, ...]
    made: Literal["product", "sum"] | Combine = "product"
    formula: str | None = None
    """how a number that is neither a product nor a sum is made, in words"""
    entry: str | None = None
    """where the line has no base year: the component that brings it in, as it stands at the first
    factors, before any of its steps"""

    @classmethod
    def of_one(
        cls,
        name: str,
        component: str,
        *,
        base: float,
        values: Array,
        fields: tuple[tuple[str, Assumption], ...] = (),
    ) -> Anatomy:
        """Make the anatomy of a sum of money that one component moves as a whole."""
        return cls((Factor(name, "GBP", from_base(base, values), component, fields),))

    @property
    def components(self) -> tuple[str, ...]:
        """The components that move it, in the order of its factors."""
        return tuple(dict.fromkeys(name for factor in self.factors for name in factor.movers))

    def number(self) -> Array:
        """Give the number itself, shape (1 + year, draw), the base year first."""
        return self._combined({factor.name: factor.values for factor in self.factors})

    @property
    def base(self) -> Array:
        """What it is in the base year, shape (draw,) or (1,); nothing where it has none."""
        if self.entry is not None:
            return np.zeros(1)
        base: Array = self._combined({each.name: each.values[:1] for each in self.factors})[0]
        return base

    def levels(self) -> dict[str, Array]:
        """Give what each component has moved it by since the base year, shape (year, draw).

        Yearly steps are split one by one and added up, so that rows of years add up to levels.
        """
        if len(self.components) == 1:
            number = self.number()
            start = 0.0 if self.entry else number[0]
            return {self.components[0]: number[1:] - start}
        return {name: _added_up(step) for name, step in self.steps().items()}

    def steps(self) -> dict[str, Array]:
        """Split every yearly step by component, shape (year, draw).

        Returns
        -------
        dict
            By component, in GBP of the number; they sum to its change over the year before.
        """
        if self.made == "sum":
            found = self._of_sum()
        elif self._is_plain_product():
            found = self._of_product()
        else:
            found = self._of_coalitions()
        if self.entry is not None:
            number = self.number()
            first = np.concatenate([number[:1], np.zeros_like(number[1:-1])])
            found[self.entry] = found[self.entry] + first
        return found

    def _combined(self, values: Mapping[str, Array]) -> Array:
        if callable(self.made):
            made: Array = self.made(values)
            return made
        parts = list(values.values())
        found = parts[0]
        for part in parts[1:]:
            found = found + part if self.made == "sum" else found * part
        return found

    def _of_sum(self) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for factor in self.factors:
            for name in factor.movers:
                step = factor.step(name)
                found[name] = found[name] + step if name in found else step
        return found

    def _is_plain_product(self) -> bool:
        """Whether each component moves whole factors, or a part of one factor and nothing else."""
        split = [f for f in self.factors if isinstance(f.moved_by, Mapping)]
        alone = all(
            other is factor or not set(factor.movers) & set(other.movers)
            for factor in split
            for other in self.factors
        )
        return self.made == "product" and alone

    def _of_product(self) -> dict[str, Array]:
        still: Array = np.ones(1)
        whole: dict[str, Array] = {}
        split: list[Factor] = []
        for factor in self.factors:
            if factor.moved_by is None:
                still = still * factor.values[0]
            elif isinstance(factor.moved_by, str):
                name = factor.moved_by
                whole[name] = whole[name] * factor.values if name in whole else factor.values
            else:
                split.append(factor)
        values = [*whole.values(), *(factor.values for factor in split)]
        others = [still * each for each in mean_of_others(values)]
        found = {
            name: np.diff(each, axis=0) * rest
            for (name, each), rest in zip(whole.items(), others, strict=False)
        }
        for factor, rest in zip(split, others[len(whole) :], strict=True):
            found |= {name: factor.step(name) * rest for name in factor.movers}
        return {name: found[name] for name in self.components}

    def _of_coalitions(self) -> dict[str, Array]:
        steps = {
            name: {each.name: each.step(name) for each in self.factors if name in each.movers}
            for name in self.components
        }
        n = len(steps)
        found: dict[str, Array] = {name: np.zeros((1, 1)) for name in steps}
        for mask in range(2**n):
            moved = {name for bit, name in enumerate(steps) if mask >> bit & 1}
            number = self._combined(
                {each.name: _when_moved(each, steps, moved) for each in self.factors}
            )
            for name in steps:
                joins = len(moved) - (name in moved)  # those who moved before it
                share = math.factorial(joins) * math.factorial(n - joins - 1) / math.factorial(n)
                found[name] = found[name] + (share if name in moved else -share) * number
        return found


def _added_up(steps: Array) -> Array:
    """Add up years, by rows: numpy's cumsum down a column is several times slower."""
    levels = steps.copy()
    for year in range(1, len(levels)):
        levels[year] += levels[year - 1]
    return levels


def _when_moved(factor: Factor, steps: Mapping[str, Mapping[str, Array]], moved: set[str]) -> Array:
    """Give a factor in each year when only some components have moved since the year before."""
    held = [name for name in factor.movers if name in moved]
    if len(held) == len(factor.movers):
        return factor.values[1:]
    value = factor.values[:-1]
    for name in held:
        value = value + steps[name][factor.name]
    return value


def mean_of_others(values: Sequence[Array]) -> list[Array]:
    """Give what a step of each factor of a product counts by: its Shapley weight.

    The Shapley value of a product is its step times the mean of the product of the others, all
    moving together from the year before to the year (Owen 1972, Multilinear extensions of games).
    Of n factors that is the integral of a polynomial of degree n - 1, for which Gauss-Legendre
    quadrature on n / 2 points is exact.

    Parameters
    ----------
    values
        Factors, shape (1 + year, draw) or (1 + year, 1).

    Returns
    -------
    list of Array
        Shape (year, draw); times each factor's own step they sum to the step of the product.

    Examples
    --------
    >>> people, price = np.array([[100.0], [110.0]]), np.array([[10.0], [12.0]])
    >>> [float(each[0, 0]) for each in mean_of_others([people, price])]
    [11.0, 105.0]
    """
    found: list[Array] = [np.zeros((1, 1)) for _ in values]
    moves = [(each[:-1], np.diff(each, axis=0)) for each in values]
    for node, weight in _quadrature(-(-len(values) // 2)):
        there = [start + node * step for start, step in moves]
        after: list[Array] = [np.ones((1, 1)) for _ in values]
        for place in range(len(values) - 1, 0, -1):
            after[place - 1] = after[place] * there[place]
        before: Array = np.full((1, 1), weight)
        for place, each in enumerate(there):
            found[place] = found[place] + before * after[place]
            before = before * each
    return found


@cache
def _quadrature(n_points: int) -> tuple[tuple[float, float], ...]:
    """Give points and weights on 0 to 1."""
    points, weights = np.polynomial.legendre.leggauss(n_points)
    return tuple(zip(((points + 1) / 2).tolist(), (weights / 2).tolist(), strict=True))


def may_move(*assumptions: Assumption) -> bool:
    """Say whether any of some assumptions is more than one number for all years."""
    return not all(isinstance(each, int | float) for each in assumptions)


def from_base(base: float | Array, values: Array) -> Array:
    """Put the base year before the years of the plan, shape (1 + year, draw)."""
    start = np.broadcast_to(base, values.shape[1:])
    return np.concatenate([start[None], values])


def steady(value: float, horizon: int) -> Array:
    """Give a number that is the same in every year, shape (1 + year, 1)."""
    return np.full((1 + horizon, 1), value)
