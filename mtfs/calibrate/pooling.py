"""Several experts pooled into one distribution."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from scipy import special

from mtfs.assumptions import Assumption
from mtfs.calibrate.elicitation import Elicited, ElicitedDriver, Family, elicit
from mtfs.calibrate.implied import Implied, equal_slices, implied_by, quantiles_of
from mtfs.calibrate.texts import rounded
from mtfs.distributions import Distribution
from mtfs.drivers import Driver
from mtfs.vocabulary import SCORE_LIMIT, Array, MtfsError, PlanWarning, require_count

Method: TypeAlias = Literal["linear", "quantiles"]
_HALVINGS = 60
_LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)  # that a family is fitted to
_APART = 20.0  # times: one expert's figures in percent beside another's in fractions
_SLICES = 4000  # of equal probability, for the s.d. of averaged quantiles
# Experts' distributions are read between knots 1/256 of a score apart: a straight line between them
# is within 2e-6 of the spread of a curve as bent as a lognormal's.
_SCORES = np.arange(-SCORE_LIMIT, SCORE_LIMIT + 1 / 512, 1 / 256)


@dataclass(frozen=True)
class Pool:
    """The distribution of several, by one method or the other."""

    parts: tuple[Distribution, ...]
    weights: tuple[float, ...]
    method: Method

    @property
    def mean(self) -> float:
        """The weighted mean of the experts' means, by either method."""
        return math.fsum(w * part.mean for w, part in zip(self.weights, self.parts, strict=True))

    @property
    def sd(self) -> float:
        """The standard deviation; by the linear pool it also holds what experts differ by."""
        if self.method == "linear":
            squares = math.fsum(
                w * (part.sd**2 + (part.mean - self.mean) ** 2)
                for w, part in zip(self.weights, self.parts, strict=True)
            )
            return math.sqrt(squares)
        return float(equal_slices(self, _SLICES).std())

    @property
    def median(self) -> float:
        """Half the probability lies below it."""
        return float(self.value(np.zeros(1))[0])

    @property
    def mode(self) -> float:
        """Of a pool there may be several; the middle of the densest twentieth."""
        edges = quantiles_of(self, (np.arange(1, 40) / 40).tolist())
        widths = edges[2:] - edges[:-2]
        return float(edges[1:-1][int(np.argmin(widths))])

    def value(self, z: Array) -> Array:
        """Turn scores into values."""
        each = np.array([part.value(z) for part in self.parts])
        weights = np.array(self.weights)
        if self.method == "quantiles":
            return np.asarray(np.tensordot(weights, each, axes=1))
        low, high = (
            each.min(axis=0),
            each.max(axis=0),
        )  # the pool's quantile lies between the experts'
        tail = special.ndtr(-np.abs(z))  # both tails keep their digits
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            scores = np.array([np.interp(middle, knots, _SCORES) for knots in self._knots])
            beyond = np.tensordot(weights, special.ndtr(np.where(z < 0, scores, -scores)), axes=1)
            under = np.where(z < 0, beyond < tail, beyond > tail)
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        return np.asarray((low + high) / 2)

    @cached_property
    def _knots(self) -> tuple[Array, ...]:
        return tuple(part.value(_SCORES) for part in self.parts)


@dataclass(frozen=True)
class Pooled:
    """What experts say together, and what that implies."""

    distribution: Pool
    method: Method
    weights: tuple[float, ...]
    implied: Implied
    experts: tuple[Implied, ...]

    @property
    def source(self) -> str:
        """How it was made, for the plan's register."""
        how = "linear opinion pool" if self.method == "linear" else "average of quantiles"
        weights = ", ".join(f"{weight:.3g}" for weight in self.weights)
        return f"{how} of {len(self.weights)} experts, weights {weights}; {self.implied}"

    def as_driver(
        self,
        name: str,
        *,
        persistence: float,
        family: Family | None = None,
        bounds: tuple[float, float] | None = None,
        n_values: int = 50,
        source: str | None = None,
        planned: Assumption | None = None,
    ) -> ElicitedDriver:
        """Make a plan's driver, the same in every year.

        Parameters
        ----------
        name, persistence, source, planned
            As for :meth:`Elicited.as_driver`; a driver of values cannot be a random walk.
        family, bounds
            A family fitted to the pool's P5 to P95, which loses two humps where experts disagree;
            unless given, ``n_values`` values of one chance each.
        n_values
            The means of as many slices of equal probability: the mean stays, and the s.d. is lower
            by a percent at 50, by four where a tail is long.
        """
        said = self.source if source is None else f"{source}. {self.source}"
        if family is not None:
            view = self.fitted(family, bounds=bounds)
            return view.as_driver(name, persistence=persistence, source=said, planned=planned)
        require_count(n_values, "n_values", least=10)
        sd = self.distribution.sd
        values = [rounded(x, sd, 4) for x in equal_slices(self.distribution, n_values).tolist()]
        return ElicitedDriver(
            Driver(
                name=name,
                shape="empirical",
                values=tuple(values),
                persistence=persistence,
                planned=planned,
                source=said,
            )
        )

    def fitted(self, family: Family, *, bounds: tuple[float, float] | None = None) -> Elicited:
        """Fit a family to the pool's P5, P10, P25, P50, P75, P90 and P95."""
        held = quantiles_of(self.distribution, list(_LEVELS)).tolist()
        return elicit(dict(zip(_LEVELS, held, strict=True)), family=family, bounds=bounds)


def pool_experts(
    experts: Sequence[Elicited],
    *,
    weights: Sequence[float] | None = None,
    method: Method = "linear",
) -> Pooled:
    """Pool several experts' distributions into one.

    Parameters
    ----------
    experts
        What :func:`elicit` made of each, of the same quantity in the same units.
    weights
        Of each, 0 or above; they are scaled to sum to 1. Alike unless given.
    method
        ``"linear"``: the weighted mean of probabilities (the linear opinion pool, Stone 1961,
        Annals of Mathematical Statistics 32), which keeps what experts disagree by as spread;
        ``"quantiles"``: the weighted mean of values at each level, which is narrower (Lichtendahl,
        Grushka-Cockayne and Winkler 2013, Management Science 59(7)). The default is linear, since
        ranges stated for budgets are too narrow as it is.

    Returns
    -------
    Pooled
        Both methods have the same mean.

    Raises
    ------
    MtfsError
        When there is no expert, or weights are not one an expert, below 0 or all 0.

    Examples
    --------
    >>> views = [elicit(interval=each, prob=0.8, family="normal") for each in ((1, 3), (3, 5))]
    >>> wide, narrow = pool_experts(views), pool_experts(views, method="quantiles")
    >>> round(wide.implied.mean, 6), round(narrow.implied.mean, 6)
    (3.0, 3.0)
    >>> round(wide.implied.sd, 3), round(narrow.implied.sd, 3)  # sqrt(0.78**2 + 1**2), and 0.78
    (1.268, 0.78)
    """
    given: Any = experts
    if isinstance(given, Elicited) or not isinstance(given, Sequence) or not given:
        msg = (
            "no list of experts was given; expected results of mtfs.calibrate.elicit, [one, other]"
        )
        raise MtfsError(msg)
    for place, expert in enumerate(experts, 1):
        _require_elicited(expert, place)
    if method not in {"linear", "quantiles"}:
        msg = f"method is {method!r}; expected 'linear' or 'quantiles'"
        raise MtfsError(msg)
    try:
        held = np.ones(len(experts)) if weights is None else np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        msg = f"weights are {weights!r}; expected one number an expert"
        raise MtfsError(msg) from None
    if held.shape != (len(experts),):
        msg = f"found {held.size} weights of {len(experts)} experts; expected one each"
        raise MtfsError(msg)
    if not (np.isfinite(held).all() and (held >= 0).all() and held.sum() > 0):
        msg = f"weights are {held.tolist()}; expected numbers of 0 or above, and not all 0"
        raise MtfsError(msg)
    sizes = [max(abs(each.implied.p5), abs(each.implied.p95)) for each in experts]
    if max(sizes) > _APART * min(sizes):
        low, high = experts[int(np.argmin(sizes))].implied, experts[int(np.argmax(sizes))].implied
        warnings.warn(
            f"one expert has P5 to P95 from {low.p5:g} to {low.p95:g}, another from {high.p5:g} to "
            f"{high.p95:g}: are both in one unit, fractions or percent?",
            PlanWarning,
            stacklevel=2,
        )
    shares = tuple((held / held.sum()).tolist())
    pool = Pool(tuple(expert.distribution for expert in experts), shares, method)
    return Pooled(
        distribution=pool,
        method=method,
        weights=shares,
        implied=implied_by(pool),
        experts=tuple(expert.implied for expert in experts),
    )


def _require_elicited(expert: object, place: int) -> None:
    if not isinstance(expert, Elicited):
        found = type(expert).__name__
        msg = f"expert {place} is a {found}; expected what mtfs.calibrate.elicit gives"
        raise MtfsError(msg)
