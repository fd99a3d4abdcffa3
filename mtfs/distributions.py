"""One uncertain number: frozen values with ``value(z)``, the quantile at a standard normal score.

A distribution turns scores into values and draws nothing itself. Normal and lognormal are
arithmetic; shapes without a closed form use a cached cubic table of ``value(z)`` built from the
exact quantile function (docs, "The same numbers again").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from scipy import special

from mtfs.vocabulary import SCORE_LIMIT, Array, MtfsError, require_share

if TYPE_CHECKING:
    from collections.abc import Sequence

_NORMAL = NormalDist()
MOST_EVENTS = 1000  # a year: more are not rare, and a normal will do
_CELLS = 544  # cells of a table, 1/32 of a score wide: cubic error below 1e-8 of the spread
_LAST = math.nextafter(_CELLS, 0.0)  # the last place within the last cell
StatedAs = Literal["mean", "median", "mode"]


class Distribution(Protocol):
    """What every distribution can say of itself; all in the units of the value."""

    @property
    def mean(self) -> float: ...  # noqa: D102 - the name says it
    @property
    def sd(self) -> float: ...  # noqa: D102
    @property
    def median(self) -> float: ...  # noqa: D102
    @property
    def mode(self) -> float: ...  # noqa: D102
    def value(self, z: Array) -> Array:
        """Turn standard normal scores of any shape into values."""
        ...


def quantile_score(q: float) -> float:
    """Give the standard normal score below which a share ``q`` lies."""
    return _NORMAL.inv_cdf(q)


@dataclass(frozen=True)
class Normal:
    """A normal distribution with ``mean`` and ``sd`` (not negative)."""

    mean: float
    sd: float

    @property
    def median(self) -> float:
        """Half the draws lie below it."""
        return self.mean

    @property
    def mode(self) -> float:
        """The likeliest value."""
        return self.mean

    def value(self, z: Array) -> Array:
        """Turn scores into values."""
        return self.mean + self.sd * z


@dataclass(frozen=True)
class Lognormal:
    """``shift + scale * exp(sigma * z)``: the logarithm of what lies above ``shift`` is normal.

    ``scale`` and ``sigma`` bear one sign, so that values rise with scores; a negative pair
    skews to the left.
    """

    scale: float
    sigma: float
    shift: float = 0.0

    @property
    def mean(self) -> float:
        """The expected value."""
        return self.shift + self.scale * math.exp(self.sigma**2 / 2)

    @property
    def sd(self) -> float:
        """The standard deviation."""
        return abs(self.scale) * math.exp(self.sigma**2 / 2) * math.sqrt(math.expm1(self.sigma**2))

    @property
    def median(self) -> float:
        """Half the draws lie below it."""
        return self.shift + self.scale

    @property
    def mode(self) -> float:
        """The likeliest value."""
        return self.shift + self.scale * math.exp(-(self.sigma**2))

    def value(self, z: Array) -> Array:
        """Turn scores into values."""
        return self.shift + self.scale * np.exp(self.sigma * z)

    @classmethod
    def from_sd(cls, stated: float, sd: float, stated_as: StatedAs) -> Lognormal:
        """Find the lognormal of a stated centre (above 0) and standard deviation.

        With ``x = exp(sigma**2)`` and ``c = (sd / stated)**2`` the variance gives ``x - 1 = c``
        for a mean, ``x**2 - x = c`` for a median and ``x**4 - x**3 = c`` for a mode.
        """
        if stated <= 0:
            msg = f"a lognormal lies above 0; found a centre of {stated:g}"
            raise MtfsError(msg)
        c = (sd / stated) ** 2
        if stated_as == "mean":
            x = 1 + c
        elif stated_as == "median":
            x = (1 + math.sqrt(1 + 4 * c)) / 2
        else:
            roots = np.roots([1, -1, 0, 0, -c])
            x = max(float(root.real) for root in roots if abs(root.imag) < 1e-9)  # noqa: PLR2004 - a real root
        median = stated / {"mean": math.sqrt(x), "median": 1.0, "mode": 1 / x}[stated_as]
        return cls(median, math.sqrt(math.log(x)))


@dataclass(frozen=True)
class Tabled:
    """A distribution whose ``value`` is read from a table of its exact quantile function."""

    def value(self, z: Array) -> Array:
        """Turn scores into values; within about 1e-8 of the spread of the exact quantile."""
        return read_table(table_of(self), z)

    def _lower(self, p: Array) -> Array:
        """Give the value below which a share ``p`` (at most a half) lies."""
        raise NotImplementedError

    def _upper(self, p: Array) -> Array:
        """Give the value above which a share ``p`` (at most a half) lies."""
        raise NotImplementedError

    def quantiles(self, z: Array) -> Array:
        """Give the exact values at scores; both tails keep their digits."""
        tail = np.asarray(special.ndtr(-np.abs(z)), dtype=np.float64)
        return np.where(z < 0, self._lower(tail), self._upper(tail))

    @property
    def median(self) -> float:
        """Half the draws lie below it."""
        return float(self.quantiles(np.zeros(1))[0])


@dataclass(frozen=True)
class StudentT(Tabled):
    """Student's t with ``df`` degrees of freedom (above 2), of a given ``mean`` and ``sd``."""

    mean: float
    sd: float
    df: float

    @property
    def mode(self) -> float:
        """The likeliest value."""
        return self.mean

    def _lower(self, p: Array) -> Array:
        scale = self.sd * math.sqrt((self.df - 2) / self.df)
        return np.asarray(self.mean + scale * special.stdtrit(self.df, p), dtype=np.float64)

    def _upper(self, p: Array) -> Array:
        return 2 * self.mean - self._lower(p)


@dataclass(frozen=True)
class Beta(Tabled):
    """A beta distribution stretched over ``low`` to ``high``; ``a`` and ``b`` are above 0."""

    a: float
    b: float
    low: float = 0.0
    high: float = 1.0

    @property
    def mean(self) -> float:
        """The expected value."""
        return self.low + (self.high - self.low) * self.a / (self.a + self.b)

    @property
    def sd(self) -> float:
        """The standard deviation."""
        n = self.a + self.b
        return (self.high - self.low) * math.sqrt(self.a * self.b / (n * n * (n + 1)))

    @property
    def mode(self) -> float:
        """The likeliest value; an end of the range where the density has no inner peak."""
        if self.a <= 1 or self.b <= 1:
            return self.low if self.a < self.b else self.high
        return self.low + (self.high - self.low) * (self.a - 1) / (self.a + self.b - 2)

    def _lower(self, p: Array) -> Array:
        return self.low + (self.high - self.low) * special.betaincinv(self.a, self.b, p)

    def _upper(self, p: Array) -> Array:
        return self.high - (self.high - self.low) * special.betaincinv(self.b, self.a, p)

    @classmethod
    def from_mean(cls, mean: float, sd: float, low: float = 0.0, high: float = 1.0) -> Beta:
        """Find the beta of a mean and standard deviation on a range, by moments."""
        m, s = (mean - low) / (high - low), sd / (high - low)
        if not 0 < m < 1 or s * s >= m * (1 - m):
            msg = (
                f"no beta on {low:g} to {high:g} has mean {mean:g} and sd {sd:g}; the mean "
                "must lie "
                "inside, and the sd below sqrt((mean - low) * (high - mean))"
            )
            raise MtfsError(msg)
        n = m * (1 - m) / (s * s) - 1
        return cls(m * n, (1 - m) * n, low, high)

    @classmethod
    def pert(cls, low: float, mode: float, high: float) -> Beta:
        """Make the PERT distribution: a beta whose mean is (low + 4 mode + high) / 6.

        Source: Malcolm, Roseboom, Clark and Fazar (1959), Operations Research 7(5).
        """
        width = high - low
        return cls(1 + 4 * (mode - low) / width, 1 + 4 * (high - mode) / width, low, high)


@dataclass(frozen=True)
class Triangular:
    """A triangular distribution from ``low`` to ``high`` with its peak at ``mode``."""

    low: float
    mode: float
    high: float

    @property
    def mean(self) -> float:
        """The expected value."""
        return (self.low + self.mode + self.high) / 3

    @property
    def sd(self) -> float:
        """The standard deviation."""
        a, c, b = self.low, self.mode, self.high
        return math.sqrt((a * a + b * b + c * c - a * b - a * c - b * c) / 18)

    @property
    def median(self) -> float:
        """Half the draws lie below it."""
        return float(self.value(np.zeros(1))[0])

    def value(self, z: Array) -> Array:
        """Turn scores into values by the closed form; both tails keep their digits."""
        width, left, right = self.high - self.low, self.mode - self.low, self.high - self.mode
        below, above = special.ndtr(z), special.ndtr(-z)
        rising = self.low + np.sqrt(below * (width * left))
        falling = self.high - np.sqrt(above * (width * right))
        return np.where(below * width < left, rising, falling)


@dataclass(frozen=True)
class Discrete:
    """States with probabilities (which sum to one); lower scores give the states first declared."""

    values: tuple[float, ...]
    probabilities: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The expected value."""
        return math.fsum(p * v for p, v in zip(self.probabilities, self.values, strict=True))

    @property
    def sd(self) -> float:
        """The standard deviation."""
        pairs = zip(self.probabilities, self.values, strict=True)
        return math.sqrt(math.fsum(p * (v - self.mean) ** 2 for p, v in pairs))

    @property
    def median(self) -> float:
        """At least half the draws lie at or below it, by size of the values."""
        total = 0.0
        for value, p in sorted(zip(self.values, self.probabilities, strict=True)):
            total += p
            if total >= 0.5 - 1e-12:
                return value
        return max(self.values)

    @property
    def mode(self) -> float:
        """The likeliest state; the first declared of equals."""
        return self.values[int(np.argmax(self.probabilities))]

    def value(self, z: Array) -> Array:
        """Turn scores into states."""
        return np.take(np.asarray(self.values), self.state(z))

    def state(self, z: Array) -> np.ndarray:
        """Turn scores into the places of states in the declaration."""
        return np.searchsorted(_thresholds(self.probabilities), z, side="right")

    @classmethod
    def empirical(cls, values: Sequence[float]) -> Discrete:
        """Make the distribution that gives every value of a history the same chance."""
        held = tuple(sorted(float(value) for value in values))
        return cls(held, (1 / len(held),) * len(held))

    @classmethod
    def poisson(cls, mean: float) -> Discrete:
        """Make the Poisson of a mean number, cut where no score of a draw can reach."""
        if not 0 <= mean <= MOST_EVENTS:
            msg = f"a Poisson has a mean number from 0 to {MOST_EVENTS}; found {mean:g}"
            raise MtfsError(msg)
        most = int(mean + 10 * math.sqrt(mean) + 60)  # beyond SCORE_LIMIT standard deviations
        below = special.pdtr(np.arange(most + 1), mean)
        chances = np.diff(below, prepend=0.0)
        return cls(tuple(float(n) for n in range(most + 1)), tuple(chances.tolist()))


@lru_cache(maxsize=256)
def _thresholds(probabilities: tuple[float, ...]) -> Array:
    edges = np.cumsum(probabilities)[:-1]
    return np.asarray(special.ndtri(np.minimum(edges, 1.0)))


@lru_cache(maxsize=256)
def table_of(shape: Tabled) -> Array:
    """Build the coefficients (4, cell) of cubics that meet the exact quantiles and their slopes."""
    step = 2 * SCORE_LIMIT / _CELLS
    knots = np.arange(-2, _CELLS + 3, dtype=np.float64) * step - SCORE_LIMIT
    y = shape.quantiles(knots)
    slope = (y[:-4] - 8 * y[1:-3] + 8 * y[3:-1] - y[4:]) / 12  # five-point derivative, per cell
    y = y[2:-2]
    rise = np.diff(y)
    return np.stack(
        [
            y[:-1],
            slope[:-1],
            3 * rise - 2 * slope[:-1] - slope[1:],
            slope[:-1] + slope[1:] - 2 * rise,
        ]
    )


def read_table(table: Array, z: Array) -> Array:
    """Read a table of cubics at scores ``z`` of any shape; beyond the score limit, at its ends.

    Scores within the limit may add up to one beyond it, where 1e-17 of a distribution lies.
    """
    position = z + SCORE_LIMIT
    position *= _CELLS / (2 * SCORE_LIMIT)
    np.clip(position, 0.0, _LAST, out=position)
    cell = position.astype(np.intp)
    position -= cell
    out: Array = table[3].take(cell)
    step = np.empty_like(out)
    for order in (2, 1, 0):
        out *= position
        # cells are all there; to check them numpy would copy the output
        out += table[order].take(cell, out=step, mode="clip")
    return out


def require_interval(low: float, high: float, prob: float) -> None:
    """Check an interval: ordered ends and a probability strictly between 0 and 1."""
    require_share(prob, "prob", open_ends=True)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        msg = f"an interval runs from low to high; found {low:g} to {high:g}"
        raise MtfsError(msg)


def interval(
    low: float,
    high: float,
    *,
    prob: float,
    shape: Literal["normal", "lognormal", "student_t", "beta"] = "normal",
    central: float | None = None,
    df: float = 4.0,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Distribution:
    """Find the distribution whose central interval of probability ``prob`` is ``low`` to ``high``.

    Parameters
    ----------
    low, high
        The ends: a share ``(1 - prob) / 2`` of the draws lies beyond each.
    prob
        The probability of the interval, strictly between 0 and 1.
    shape
        The family.
    central
        The median. A lognormal with a stated median is shifted to pass through all three; the other
        families are fixed by the interval and must agree with it.
    df
        Degrees of freedom of a Student t, above 2.
    bounds
        The range of a beta.

    Returns
    -------
    Distribution
        Its quantiles at ``(1 - prob) / 2`` and ``(1 + prob) / 2`` are ``low`` and ``high``.

    Raises
    ------
    MtfsError
        When no distribution of the family has that interval.

    Examples
    --------
    >>> round(interval(0.02, 0.06, prob=0.8).mean, 3)
    0.04
    >>> round(interval(100, 400, prob=0.8, shape="lognormal").median)
    200
    """
    require_interval(low, high, prob)
    z = quantile_score((1 + prob) / 2)
    middle = (low + high) / 2
    if shape == "lognormal":
        return _lognormal_interval(low, high, z, central)
    if shape == "beta":
        found: Distribution = _beta_interval(low, high, prob, bounds)
    elif shape == "student_t":
        t = float(special.stdtrit(df, (1 + prob) / 2))
        found = StudentT(middle, (high - low) / 2 / t * math.sqrt(df / (df - 2)), df)
    else:
        found = Normal(middle, (high - low) / 2 / z)
    if central is not None and abs(found.median - central) > 1e-6 * (high - low):
        msg = (
            f"a {shape} with interval {low:g} to {high:g} has median {found.median:g}, not "
            f"{central:g}; "
            "leave the centre out, or use shape lognormal, which can lean to one side"
        )
        raise MtfsError(msg)
    return found


def _lognormal_interval(low: float, high: float, z: float, central: float | None) -> Distribution:
    if central is None:
        if low <= 0:
            msg = (
                f"a lognormal lies above 0; found an interval from {low:g}. State a centre to "
                "shift it"
            )
            raise MtfsError(msg)
        return Lognormal(math.sqrt(low * high), math.log(high / low) / (2 * z))
    if not low < central < high:
        msg = f"the centre {central:g} lies outside the interval {low:g} to {high:g}"
        raise MtfsError(msg)
    lean = low + high - 2 * central
    if abs(lean) < 1e-9 * (high - low):  # the lognormal's limit as it loses its lean
        return Normal(central, (high - low) / (2 * z))
    shift = (low * high - central**2) / lean
    return Lognormal(central - shift, math.log((high - shift) / (central - shift)) / z, shift)


def _beta_interval(low: float, high: float, prob: float, bounds: tuple[float, float]) -> Beta:
    from scipy.optimize import root  # noqa: PLC0415 - costs more than the rest of the import, rarely needed

    floor, ceiling = bounds
    if not floor <= low < high <= ceiling:
        msg = f"the interval {low:g} to {high:g} lies outside the bounds {floor:g} to {ceiling:g}"
        raise MtfsError(msg)
    width = ceiling - floor
    ends = np.array([low - floor, high - floor]) / width
    tails = np.array([(1 - prob) / 2, (1 + prob) / 2])

    def miss(logs: Array) -> Array:
        a, b = np.exp(logs).tolist()
        return np.asarray(special.betainc(a, b, ends) - tails)

    m, s = ends.mean(), np.diff(ends)[0] / (2 * quantile_score((1 + prob) / 2))
    n = max(m * (1 - m) / s**2 - 1, 0.5)
    answer = root(miss, np.log([m * n, (1 - m) * n]), tol=1e-12)
    if np.abs(miss(answer.x)).max() > 1e-8:  # noqa: PLR2004 - of a probability
        msg = (
            f"no beta on {floor:g} to {ceiling:g} has the interval {low:g} to {high:g} at {prob:g}"
        )
        raise MtfsError(msg)
    a, b = np.exp(answer.x)
    return Beta(float(a), float(b), floor, ceiling)
