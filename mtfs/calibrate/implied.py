"""What a distribution implies, read back to those who stated it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from mtfs.distributions import Distribution, quantile_score
from mtfs.vocabulary import SCORE_LIMIT, Array

_HALVINGS = 60  # of 17 scores: to the last digits of a score
_SLICES = 2000  # of equal probability, by whose middles moments are taken where none are stated


@dataclass(frozen=True)
class Implied:
    """What follows from a distribution, in the units of its value."""

    mean: float
    sd: float
    p5: float
    median: float
    p95: float
    below_zero: float
    """chance of a value below 0"""

    def __str__(self) -> str:
        return (
            f"mean {self.mean:.4g}, s.d. {self.sd:.4g}, P5 {self.p5:.4g}, median "
            f"{self.median:.4g}, P95 {self.p95:.4g}, chance below zero {self.below_zero:.1%}"
        )


def implied_by(distribution: Distribution) -> Implied:
    """Read back what a distribution says.

    Examples
    --------
    >>> from mtfs.distributions import Normal
    >>> found = implied_by(Normal(0.02, 0.01))
    >>> round(found.p95, 4), round(found.below_zero, 4)  # 0.02 + 1.645 x 0.01; two s.d. below
    (0.0364, 0.0228)
    """
    low, middle, high = quantiles_of(distribution, [0.05, 0.5, 0.95]).tolist()
    return Implied(
        mean=distribution.mean,
        sd=distribution.sd,
        p5=low,
        median=middle,
        p95=high,
        below_zero=float(below(distribution, np.zeros(1))[0]),
    )


def quantiles_of(distribution: Distribution, levels: Array | list[float]) -> Array:
    """Give the values below which shares ``levels`` lie."""
    return distribution.value(np.array([quantile_score(float(q)) for q in levels]))


def below(distribution: Distribution, values: Array) -> Array:
    """Give the probability of lying below each of ``values``, by halving scores."""
    low = np.full(values.shape, -SCORE_LIMIT)
    high = np.full(values.shape, SCORE_LIMIT)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        under = distribution.value(middle) < values
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return np.asarray(special.ndtr((low + high) / 2), dtype=np.float64)


def equal_slices(distribution: Distribution, n: int) -> Array:
    """Give the means of ``n`` slices of equal probability, shape (slice,), lowest first."""
    each = max(_SLICES // n, 1)
    middles = (np.arange(n * each) + 0.5) / (n * each)
    return np.asarray(quantiles_of(distribution, middles).reshape(n, each).mean(axis=1))
