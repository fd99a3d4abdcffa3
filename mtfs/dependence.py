"""Correlations between drivers: from pairs and common factors to triangular factors by year."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mtfs.drivers import CommonFactor, Driver, Pair
from mtfs.sampling import NotPositiveDefiniteError, lower_factor
from mtfs.vocabulary import Array, MtfsError

Smooth: TypeAlias = Mapping[str, tuple[Array, Array]]
"""by driver, the weights of last year's score and of this year's"""


@dataclass(frozen=True)
class Group:
    """Drivers connected by correlation, in declared order, and one factor a year (year, n, n)."""

    names: tuple[str, ...]
    factors: Array


def dependence(
    drivers: Sequence[Driver], correlations: Sequence[Pair | CommonFactor], years: Sequence[str]
) -> list[Group]:
    """Find the connected groups of drivers and the factors that realise their correlations.

    A stated correlation holds between the two drivers' scores in every year. Where two drivers
    forget at different rates, this year's new shocks must be correlated more strongly than the
    paths: for weights ``old`` and ``new`` of :meth:`Driver.smoothing` the correlation of the new
    shocks is ``r (1 - old_a old_b) / (new_a new_b)``.

    Raises
    ------
    MtfsError
        When no joint distribution has the stated correlations; names the nearest valid ones.
    """
    stated = _stated(correlations)
    horizon = len(years)
    smooth = {d.name: d.smoothing(horizon) for d in drivers}
    groups = []
    for names in _connected([d.name for d in drivers], stated):
        n = len(names)
        wanted = np.eye(n)
        for i, a in enumerate(names):
            for j, b in enumerate(names):
                wanted[i, j] = stated.get(frozenset((a, b)), 0.0) if i != j else 1.0
        try:
            lower_factor(wanted)
        except NotPositiveDefiniteError:
            raise MtfsError(_impossible(names, wanted, smooth, horizon)) from None
        factors = _factors(names, wanted, smooth, horizon)
        if factors is None:
            raise MtfsError(_too_fast(names, wanted, smooth, horizon))
        groups.append(Group(names, factors))
    return groups


def _stated(correlations: Sequence[Pair | CommonFactor]) -> dict[frozenset[str], float]:
    stated: dict[frozenset[str], float] = {}

    def add(a: str, b: str, value: float) -> None:
        pair = frozenset((a, b))
        if len(pair) == 1:
            msg = f"driver '{a}' is paired with itself"
            raise MtfsError(msg)
        if pair in stated:
            msg = f"the correlation of '{a}' and '{b}' is stated twice; keep one"
            raise MtfsError(msg)
        stated[pair] = value

    for item in correlations:
        if isinstance(item, Pair):
            add(*item.between, item.value)
            continue
        for place, one in enumerate(item.loadings):
            for two in item.loadings[:place]:
                add(two.driver, one.driver, one.loading * two.loading)
    return stated


def _connected(names: Sequence[str], stated: dict[frozenset[str], float]) -> list[tuple[str, ...]]:
    """Group names joined by a stated correlation, each group in declared order."""
    group = {name: {name} for pair in stated for name in pair}
    for a, b in (tuple(pair) for pair in stated):
        if group[a] is not group[b]:
            group[a] |= group[b]
            for name in group[b]:
                group[name] = group[a]
    found: list[tuple[str, ...]] = []
    seen: set[str] = set()
    for name in names:
        if name in group and name not in seen:
            found.append(tuple(other for other in names if other in group[name]))
            seen |= group[name]
    return found


def _factors(names: Sequence[str], wanted: Array, smooth: Smooth, horizon: int) -> Array | None:
    """Factor the correlations of every year's new shocks, or give None where they cannot be had."""
    old = np.array([smooth[name][0] for name in names])
    new = np.array([smooth[name][1] for name in names])
    factors = np.empty((horizon, len(names), len(names)))
    for year in range(horizon):
        keeps = np.outer(new[:, year], new[:, year])
        forgets = 1 - np.outer(old[:, year], old[:, year])
        if ((keeps == 0) & (forgets > 0) & (wanted != 0)).any():
            return None
        ratio = np.divide(forgets, keeps, out=np.ones_like(keeps), where=keeps > 0)
        shocks = wanted * ratio
        np.fill_diagonal(shocks, 1.0)
        try:
            factors[year] = lower_factor(shocks)
        except NotPositiveDefiniteError:
            return None
    return factors


def _impossible(names: Sequence[str], wanted: Array, smooth: Smooth, horizon: int) -> str:
    from statsmodels.stats.correlation_tools import corr_nearest  # noqa: PLC0415 - to explain
    from statsmodels.tools.sm_exceptions import IterationLimitWarning  # noqa: PLC0415

    with warnings.catch_warnings():  # it may stop a little short of the nearest, which will do
        warnings.simplefilter("ignore", IterationLimitWarning)
        near = np.asarray(corr_nearest(wanted, threshold=1e-3 * len(names), n_fact=100))
    return (
        f"the correlations of {', '.join(names)} contradict each other (their matrix is not "
        "positive definite). The nearest valid ones: "
        + _changes(names, wanted, _strongest(names, near, smooth, horizon))
    )


def _too_fast(names: Sequence[str], wanted: Array, smooth: Smooth, horizon: int) -> str:
    return (
        f"the correlations of {', '.join(names)} cannot hold in every year, since the drivers' "
        "shocks last for different times. Give them more similar 'persistence', or correlations "
        "no stronger than: " + _changes(names, wanted, _strongest(names, wanted, smooth, horizon))
    )


def _strongest(names: Sequence[str], wanted: Array, smooth: Smooth, horizon: int) -> Array:
    """Weaken correlations alike until they hold in every year; written with three digits."""

    def weakened(share: float) -> Array:
        matrix = np.trunc(wanted * share * 1000) / 1000
        np.fill_diagonal(matrix, 1.0)
        return matrix

    low, high = 0.0, 1.0
    if _factors(names, weakened(high), smooth, horizon) is not None:
        return weakened(high)
    for _ in range(20):
        middle = (low + high) / 2
        held = _factors(names, weakened(middle), smooth, horizon) is not None
        low, high = (middle, high) if held else (low, middle)
    return weakened(low)


def _changes(names: Sequence[str], wanted: Array, found: Array) -> str:
    """Say which correlations would have to change, and to what."""
    return "; ".join(
        f"{names[j]} and {names[i]} {wanted[i, j]:g} -> {found[i, j]:g}"
        for i in range(len(names))
        for j in range(i)
        if wanted[i, j] != found[i, j]
    )
