"""Rates of many sparse cells: what margins say of all, and what each cell says of itself.

Events of a cell c are Poisson with mean T[c] * rate[c], T being its exposure. Rates scatter about
their margins as a gamma distribution of shape a (the strength), so that events are negative
binomial (Lawless, "Negative binomial and mixed Poisson regression", Canadian Journal of Statistics
15, 1987)::

    rate[c] ~ Gamma(shape a, mean m[c]),    log m[c] = sum of the effects of its margins

Effects have normal priors of mean 0. Their posterior is taken as normal, with the curvature at its
mode (Laplace) and events negative binomial: it allows for the scatter of cells. Given the effects a
cell's rate is Gamma(n + a, T + a / m): events count in full where there are many and margins rule
where there are few. Both stages together are the joint posterior, so nothing is counted twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator
from scipy.special import gammaln, ndtri

from mtfs.assumptions import Declared
from mtfs.flows.states import Table
from mtfs.flows.uniforms import Keys, keyed, uniforms
from mtfs.vocabulary import Array

_EFFECT, _CELL = 0, 1  # what a normal is for: the first word after the key
# The scatter of cells, 1 / sqrt(a), lies between a twentieth, which no council's events could tell
# from nothing, and 2, where margins say next to nothing.
_SCATTER = (0.05, 2.0)
# Rate of the gamma prior of the scatter, whose shape is 2: a weak prior of mean a half, so that
# cells are thought to lie within a factor of e or so of what their margins say. A judgement.
_PULL = 4.0
_DIGITS = 5  # significant digits of covariances: far more than data of a council hold
# Newton's steps, of which it takes about five; it is there when within a thousandth of a standard
# error of the mode.
_STEPS, _CLOSE = 100, 1e-6


class Margin(Declared):
    """Effects on the logarithm of a rate: one for every label of some dimensions together."""

    axes: tuple[Annotated[int, Field(strict=True, ge=0)], ...]
    """numbers of the dimensions; none for an effect that all cells share"""
    sd: Annotated[float, Field(gt=0)]
    """standard deviation of the prior"""

    def size(self, shape: tuple[int, ...]) -> int:
        """Count the effects, for cells of a shape."""
        return math.prod(shape[axis] for axis in self.axes)


class CellRates(Declared):
    """The posterior of the rates of cells, after the module's model."""

    margins: tuple[Margin, ...]
    effects: Table
    """mean of the posterior, margin after margin, shape (effect,)"""
    factor: Table
    """lower triangular factor of the effects' covariance, row after row, without its zeros"""
    strength: Annotated[float, Field(gt=0)]
    """shape of the gamma distribution of rates about their margins: how many events of its own
    weigh as much in a cell as its margins do"""
    counts: Table
    """events of each cell"""
    exposure: Table
    """what they are counted over, in the cell's own unit, such as person-years; same shape"""

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        shape = self.counts.shape
        if self.exposure.shape != shape:
            msg = f"'exposure' has shape {self.exposure.shape}; 'counts' has {shape}"
            raise ValueError(msg)
        if any(axis >= len(shape) for margin in self.margins for axis in margin.axes):
            raise ValueError(f"a margin is of a dimension that the cells do not have: {shape}")
        size = sum(margin.size(shape) for margin in self.margins)
        for name, wanted in [("effects", (size,)), ("factor", (size * (size + 1) // 2,))]:
            if (found := getattr(self, name).shape) != wanted:
                msg = f"'{name}' has shape {found}; the margins make it {wanted}"
                raise ValueError(msg)
        return self

    def draw(self, keys: Keys) -> Array:
        """Draw the rates of every cell.

        Parameters
        ----------
        keys
            One a draw, for these rates alone, shape (draw,).

        Returns
        -------
        Array
            Above 0, shape (..., draw), the dimensions of the cells first. A draw depends on its key
            alone.
        """
        residual = _normals(keys, _CELL, len(self.counts.values)).reshape(*self.counts.shape, -1)
        shape = self.counts.array[..., None] + self.strength
        log_variance = np.log1p(1 / shape)
        residual *= np.sqrt(log_variance)
        residual -= log_variance / 2
        rates: Array = np.exp(residual, out=residual)
        rates *= shape
        prior = self._log_margins(self._draw_effects(keys))
        np.exp(np.negative(prior, out=prior), out=prior)
        prior *= self.strength
        prior += self.exposure.array[..., None]
        rates /= prior
        return rates

    def mean(self) -> Array:
        """Give the mean of the posterior of every cell, by quadrature over its margins."""
        design = _design(self.counts.shape, self.margins)
        centre = (design @ self.effects.array).reshape(self.counts.shape)
        sd = np.sqrt(((design @ self._factor) ** 2).sum(axis=1)).reshape(self.counts.shape)
        nodes, weights = np.polynomial.hermite_e.hermegauss(31)
        log_margins = centre[..., None] + sd[..., None] * nodes
        rates = (self.counts.array + self.strength)[..., None] / (
            self.exposure.array[..., None] + self.strength * np.exp(-log_margins)
        )
        found: Array = rates @ (weights / weights.sum())
        return found

    @property
    def _factor(self) -> Array:
        size = len(self.effects.values)
        found = np.zeros((size, size))
        found[np.tril_indices(size)] = self.factor.array
        return found

    def _draw_effects(self, keys: Keys) -> Array:
        scores = _normals(keys, _EFFECT, len(self.effects.values))
        found, factor = np.repeat(self.effects.array[:, None], len(keys), axis=1), self._factor
        # Column by column, never by BLAS: a draw must not depend on its neighbours' number.
        for column, row in enumerate(scores):
            found[column:] += factor[column:, column, None] * row
        return found

    def _log_margins(self, effects: Array) -> Array:
        shape = self.counts.shape
        found = np.zeros((*shape, effects.shape[-1]))
        start = 0
        for margin in self.margins:
            sizes = [size if axis in margin.axes else 1 for axis, size in enumerate(shape)]
            end = start + math.prod(sizes)
            found += effects[start:end].reshape(*sizes, -1)
            start = end
        return found


def _normals(keys: Keys, what: int, count: int) -> Array:
    found = uniforms(keyed(keys, what), np.arange(count)[:, None])
    normals: Array = ndtri(found, out=found)
    return normals


def _design(shape: tuple[int, ...], margins: tuple[Margin, ...]) -> Array:
    """Say which effects each cell has: 1 or 0, shape (cell, effect)."""
    places = np.indices(shape).reshape(len(shape), -1)
    parts = []
    for margin in margins:
        sizes = [shape[axis] for axis in margin.axes]
        number = np.zeros(places.shape[1], np.intp)
        for axis, size in zip(margin.axes, sizes, strict=True):
            number = number * size + places[axis]
        parts.append(np.eye(margin.size(shape))[number])
    return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class _Posterior:
    """Effects given the strength: normal, after Laplace."""

    mode: Array
    centre: Array
    precision: Array
    evidence: float
    """log of the marginal likelihood, less what no strength changes"""


@dataclass(frozen=True)
class _Regression:
    """Events of the cells that were seen, and the priors of the effects."""

    events: Array
    over: Array
    design: Array
    """shape (cell, effect)"""
    prior: Array
    """precisions, shape (effect,)"""
    start: Array

    def posterior(self, strength: float) -> _Posterior:
        """Find the mode of the effects by Newton's method; their log posterior is concave.

        The centre is the mean, which the skewness of the likelihood sets off the mode: by
        -V X' (k h) / 2 with V the covariance, h the variances of the cells' margins and k the third
        derivatives of minus the log likelihood (Lindley, "Approximate Bayesian methods",
        Trabajos de Estadistica 31, 1980). At the mode, every effect would add half an event.
        """
        effects, reached = self.start, self._log_posterior(self.start, strength)
        for _ in range(_STEPS):
            weight, slope, _ = self._derivatives(effects, strength)
            precision = (self.design.T * weight) @ self.design + np.diag(self.prior)
            step = np.linalg.solve(precision, slope)
            if slope @ step < _CLOSE:
                break
            while (further := self._log_posterior(effects + step, strength)) < reached:
                step = step / 2
            effects, reached = effects + step, further
        weight, _, third = self._derivatives(effects, strength)
        precision = (self.design.T * weight) @ self.design + np.diag(self.prior)
        spread = ((self.design @ np.linalg.inv(precision)) * self.design).sum(axis=1)
        shift = np.linalg.solve(precision, self.design.T @ (third * spread)) / 2
        constant = gammaln(self.events + strength) - gammaln(strength) + strength * np.log(strength)
        volume = np.log(self.prior).sum() - np.linalg.slogdet(precision)[1]
        evidence = reached + float(constant.sum()) + float(volume) / 2
        return _Posterior(effects, effects - shift, precision, evidence)

    def _log_posterior(self, effects: Array, strength: float) -> float:
        margins = self.design @ effects
        chance = self.events * margins - (self.events + strength) * np.log(
            strength + self.over * np.exp(margins)
        )
        return float(chance.sum() - self.prior @ effects**2 / 2)

    def _derivatives(self, effects: Array, strength: float) -> tuple[Array, Array, Array]:
        expected = self.over * np.exp(self.design @ effects)
        share = expected / (strength + expected)
        weight = (self.events + strength) * share * (1 - share)
        slope = self.design.T @ (self.events - (self.events + strength) * share)
        return weight, slope - self.prior * effects, weight * (1 - 2 * share)


def fit_cells(counts: Array, exposure: Array, *, margins: tuple[Margin, ...]) -> CellRates:
    """Fit the posterior of the rates of cells to events and exposure.

    The strength is the mode of its marginal likelihood, with a gamma prior of shape 2 on the
    scatter 1 / sqrt(strength), which keeps it off 0 (Chung, Rabe-Hesketh, Dorie, Gelman and Liu, "A
    nondegenerate penalized likelihood estimator for variance parameters in multilevel models",
    Psychometrika 78, 2013).

    Parameters
    ----------
    counts
        Events, any shape.
    exposure
        What they are counted over, same shape; 0 where nothing was seen.
    margins
        The margins cells share. Dimensions are in rising order within each.

    Examples
    --------
    Thirty events in ten years, and a cell of which nothing is known but its margin:

    >>> found = fit_cells(np.array([30.0, 0.0]), np.array([10.0, 0.0]),
    ...                   margins=(Margin(axes=(), sd=3.0),))
    >>> found.mean().round(1)
    array([3. , 3.1])
    """
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 - keeps import light

    seen = exposure.ravel() > 0
    sizes = [margin.size(counts.shape) for margin in margins]
    events, over = counts.ravel()[seen], exposure.ravel()[seen]
    level = np.log((events.sum() + 1) / (over.sum() + 1))  # only where Newton's method starts
    regression = _Regression(
        events=events,
        over=over,
        design=_design(counts.shape, margins)[seen],
        prior=np.repeat([margin.sd**-2 for margin in margins], sizes),
        start=np.repeat([level] + [0.0] * (len(sizes) - 1), sizes),
    )

    low, high = np.log(_SCATTER)
    middle = regression.posterior(float(np.exp(-low - high)))
    regression = replace(regression, start=middle.mode)

    def loss(log_scatter: float) -> float:
        scatter = float(np.exp(log_scatter))
        return -regression.posterior(scatter**-2).evidence - log_scatter + _PULL * scatter

    best = float(minimize_scalar(loss, bounds=(low, high), options={"xatol": 0.01}).x)
    strength = float(np.exp(-2 * best))
    found = regression.posterior(strength)
    # With P = L L', the covariance is the product of inverse L' with its transpose; QR makes of it
    # the lower triangular factor.
    root = np.linalg.inv(np.linalg.cholesky(found.precision))
    factor = np.linalg.qr(root)[1].T
    factor *= np.sign(np.diag(factor))
    return CellRates(
        margins=margins,
        effects=Table.of(_rounded(found.centre)),
        factor=Table.of(_rounded(factor[np.tril_indices(len(factor))])),
        strength=float(_rounded(np.array(strength))),
        counts=Table.of(counts),
        exposure=Table.of(np.round(exposure, 6)),
    )


def _rounded(array: Array) -> Array:
    """Keep some significant digits, so that a fitted model is small when written."""
    with np.errstate(divide="ignore"):
        size = np.where(array == 0, 0, np.floor(np.log10(np.abs(array))))
    found: Array = np.round(array * 10.0 ** (_DIGITS - 1 - size)) / 10.0 ** (_DIGITS - 1 - size)
    return found
