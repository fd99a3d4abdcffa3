"""How a council's levels of starts and ceases wander: a filter, and what many councils say of it.

Of every year the logarithm of starts is seen, and that of ceases over the average stock. Each is a
level that wanders, plus noise that does not last, plus the noise of counts. Starts and ceases do
not go their own ways for long: where starts are more than keep the stock, or it has just grown,
thresholds, places and time in care bring the two together again. So the levels are pulled by the
*balance*, the logarithm of starts over the ceases that the year's closing stock makes one expect.
It is a vector error correction (Engle and Granger, "Co-integration and error correction",
Econometrica 55, 1987) seen through noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from mtfs.assumptions import Declared, Number
from mtfs.vocabulary import Array, MtfsError, listing, suggest

Spread = Annotated[float, Field(ge=0, le=2)]
Correlation = Annotated[float, Field(gt=-1, lt=1)]
Cluster = Annotated[float, Field(ge=1, le=20)]
Pull = Annotated[float, Field(ge=-1, le=1)]

# Gauss-Hermite nodes and weights for a standard normal: a council's own multiples of the spreads.
_NODES = np.array([-2.8569700139, -1.3556261800, 0.0, 1.3556261800, 2.8569700139])
_WEIGHTS = np.array([0.0112574113, 0.2220759220, 0.5333333333, 0.2220759220, 0.0112574113])
FIRST_SD = 1.0  # of a level before its first year is seen: far more than councils differ
EVEN_YEARS = 10  # years whose mean growth is as uncertain as the growth to come is beforehand
_REACH = 3.0  # prior s.d. that the search goes from the centre; there the prior costs 4.5


class TotalsPrior(Declared):
    """What many councils say of how starts and ceases wander; see :data:`PRIOR`.

    Spreads are standard deviations of logarithms. Each council has its own multiple of them, apart
    for starts and ceases, of which its own years say more the more they are.
    """

    starts_step: Spread
    """of a year's step of the level of starts"""
    ceases_step: Spread
    """of a year's step of the level of ceases over average stock"""
    step_correlation: Correlation
    starts_noise: Spread
    """of what does not last from one year to the next"""
    ceases_noise: Spread
    noise_correlation: Correlation
    starts_cluster: Cluster
    """variance of a year's count over its mean, were there no other noise: brothers and sisters
    come together; 1 is Poisson"""
    ceases_cluster: Cluster
    starts_pull: Pull
    """how much of the balance the next year's starts lose"""
    ceases_pull: Pull
    """how much of it the next year's ceases gain"""
    balance: Number
    """where the balance is pulled to: 0 keeps the stock, above 0 it grows"""
    starts_multiple: Spread
    """of the logarithm of the council's own multiple of its spreads of starts"""
    ceases_multiple: Spread
    source: str | None = None

    @property
    def step(self) -> Array:
        """Covariance of a year's steps of the two levels, shape (2, 2)."""
        return _covariance(self.starts_step, self.ceases_step, self.step_correlation)

    @property
    def noise(self) -> Array:
        """Covariance of the noise of a year, shape (2, 2)."""
        return _covariance(self.starts_noise, self.ceases_noise, self.noise_correlation)

    @property
    def cluster(self) -> Array:
        """Variance over mean of both counts, shape (2,)."""
        return np.array([self.starts_cluster, self.ceases_cluster])

    @property
    def pull(self) -> Array:
        """What a balance of 1 adds to the next year's levels, shape (2,)."""
        return np.array([-self.starts_pull, self.ceases_pull])


def _covariance(first: float, second: float, correlation: float) -> Array:
    both = correlation * first * second
    return np.array([[first**2, both], [both, second**2]])


@dataclass(frozen=True)
class Seen:
    """Yearly figures of one or more councils, as arrays; NaN where a year's flows are not known."""

    starts: Array
    """shape (year, council)"""
    ceases: Array
    """same shape"""
    average: Array
    """average stock of the year, same shape"""
    closing: Array
    """stock at the year's end, same shape"""

    @classmethod
    def together(cls, councils: Sequence[Seen]) -> Seen:
        """Put councils side by side that end in the same year; flows some lack are NaN."""
        years = max(len(each.starts) for each in councils)

        def joined(name: str) -> Array:
            rows = []
            for each in councils:
                part = getattr(each, name)
                first = part[0] if name == "closing" else np.full(part.shape[1], np.nan)
                rows.append(np.vstack([np.tile(first, (years - len(part), 1)), part]))
            return np.hstack(rows)

        return cls(joined("starts"), joined("ceases"), joined("average"), joined("closing"))

    def logarithms(self, cluster: Array) -> Array:
        """Give the logarithms of starts and of ceases over average stock, without their bias.

        Adding half the ratio of variance to mean takes off the bias of the logarithm of a count.

        Returns
        -------
        Array
            Shape (year, council, 2).
        """
        both = np.stack([self.starts, self.ceases], -1) + cluster / 2
        both[..., 1] /= self.average
        found: Array = np.log(both)
        return found

    def count_variances(self) -> Array:
        """Give 1 over the counts, averaged with the years beside them; same shape."""
        counts = np.stack([self.starts, self.ceases], -1)
        padded = np.concatenate([counts[:1] * np.nan, counts, counts[:1] * np.nan])
        known = np.isfinite(padded)
        total, number = (
            each[:-2] + each[1:-1] + each[2:]
            for each in (np.where(known, padded, 0.0), known.astype(float))
        )
        found: Array = 1 / np.maximum(total / np.maximum(number, 1), 0.5)
        return found


@dataclass(frozen=True)
class Filtered:
    """What is known of the latest levels, for some multiples of the spreads."""

    multiples: Array
    """of starts and ceases, shape (cell, 2)"""
    chances: Array
    """posterior probability of each cell, shape (cell, council)"""
    mean: Array
    """level of starts and of ceases, shape (cell, council, 2)"""
    covariance: Array
    """shape (cell, council, 2, 2)"""
    evidence: Array
    """logarithm of the marginal likelihood, shape (council,)"""


def levels_of(seen: Seen, prior: TotalsPrior) -> Filtered:
    """Filter the levels to the end of the last year (Kalman), for a grid of multiples.

    The closing stock is taken as known. A year whose flows are not known moves nothing but time.
    """
    multiples, weights = _grid(prior)
    scale = (multiples[:, :, None] * multiples[:, None, :])[:, None]
    steps, noise = prior.step * scale, prior.noise * scale
    looks, counted = seen.logarithms(prior.cluster), seen.count_variances() * prior.cluster
    moves, given = moves_of(prior)
    councils = looks.shape[1]
    mean: Array = np.tile(_first_known(looks), (len(scale), 1, 1))
    covariance: Array = np.tile(FIRST_SD**2 * np.eye(2), (len(scale), councils, 1, 1))
    likelihood = np.zeros((len(scale), councils))
    for year, look in enumerate(looks):
        if year:
            mean = mean @ moves.T + given(seen.closing[year - 1])
            covariance = moves @ covariance @ moves.T + steps
        known = np.isfinite(look).all(axis=-1, keepdims=True)
        around = covariance + noise
        around[..., [0, 1], [0, 1]] += counted[year]
        surprise = np.where(known, look - mean, 0.0)
        inverse, determinant = _inverted(around)
        gain = covariance @ inverse * known[..., None]
        far = np.einsum("cni,cnij,cnj->cn", surprise, inverse, surprise)
        likelihood -= known[:, 0] * (far / 2 + np.log(determinant) / 2 + np.log(2 * np.pi))
        mean = mean + np.einsum("cnij,cnj->cni", gain, surprise)
        covariance = covariance - gain @ covariance
    joint = likelihood + np.log(weights)[:, None]
    top = joint.max(axis=0)
    chances = np.exp(joint - top)
    total = chances.sum(axis=0)
    return Filtered(multiples, chances / total, mean, covariance, top + np.log(total))


def moves_of(prior: TotalsPrior) -> tuple[Array, Callable[[Array], Array]]:
    """Give how the levels of one year make those expected of the next.

    Returns
    -------
    tuple
        A matrix by which to multiply them, shape (2, 2), and what the closing stock adds, which is
        of the shape of the stock and two more.
    """

    def given(closing: Array) -> Array:
        # Nobody in care has no logarithm; such a council is taken to hold one.
        level = np.log(np.maximum(closing, 1.0)) + prior.balance
        found: Array = -level[..., None] * prior.pull
        return found

    return np.eye(2) + prior.pull[:, None] * np.array([1.0, -1.0]), given


def _first_known(looks: Array) -> Array:
    """Give each council's first known year, 0 where there is none, shape (council, 2)."""
    known = np.isfinite(looks[..., 0] + looks[..., 1])
    first = looks[known.argmax(axis=0), np.arange(looks.shape[1])]
    return np.where(known.any(axis=0, keepdims=True).T, first, 0.0)


def _grid(prior: TotalsPrior) -> tuple[Array, Array]:
    """Give the multiples of starts and ceases, shape (cell, 2), and their prior weights."""
    spreads = np.array([prior.starts_multiple, prior.ceases_multiple])
    nodes = [_NODES if spread else np.zeros(1) for spread in spreads]
    weights = [_WEIGHTS if spread else np.ones(1) for spread in spreads]
    cells = np.stack(np.meshgrid(*nodes, indexing="ij"), -1).reshape(-1, 2)
    return np.exp(cells * spreads), np.outer(*weights).ravel()


def _inverted(matrix: Array) -> tuple[Array, Array]:
    """Invert symmetric matrices of two rows; give their determinants too."""
    one, two, both = matrix[..., 0, 0], matrix[..., 1, 1], matrix[..., 0, 1]
    determinant = one * two - both**2
    found = np.empty_like(matrix)
    found[..., 0, 0], found[..., 1, 1] = two / determinant, one / determinant
    found[..., 0, 1] = found[..., 1, 0] = -both / determinant
    return found, determinant


PRIOR = TotalsPrior(
    starts_step=0.128,
    ceases_step=0.081,
    step_correlation=0.23,
    starts_noise=0.027,
    ceases_noise=0.023,
    noise_correlation=0.68,
    starts_cluster=1.66,
    ceases_cluster=1.48,
    starts_pull=0.287,
    ceases_pull=0.175,
    balance=0.045,
    starts_multiple=0.19,
    ceases_multiple=0.24,
    source="Department for Education, Children looked after in England including adoptions, "
    "2005/06 to 2024/25, OGL v3; 79 of England's upper-tier councils; by fit_totals_prior",
)
"""What England's councils say; ``benchmarks/coverage_of_totals.py`` makes it again."""

# The scale on which each parameter is searched for, and a weak prior there: centre and s.d. They
# keep the search off the edges where there are few years, and say little beside 80 councils.
_SEARCH: dict[str, tuple[str, float, float]] = {
    "starts_step": ("log", -2.3, 0.7),
    "ceases_step": ("log", -2.3, 0.7),
    "step_correlation": ("atanh", 0.0, 1.0),
    "starts_noise": ("log", -2.8, 1.0),
    "ceases_noise": ("log", -2.8, 1.0),
    "noise_correlation": ("atanh", 0.0, 1.0),
    "starts_cluster": ("over 1", -1.0, 1.0),
    "ceases_cluster": ("over 1", -1.0, 1.0),
    "starts_pull": ("atanh", 0.0, 0.5),
    "ceases_pull": ("atanh", 0.0, 0.5),
    "balance": ("plain", 0.0, 0.05),
    "starts_multiple": ("log", -1.2, 0.6),
    "ceases_multiple": ("log", -1.2, 0.6),
}
_FROM: dict[str, Callable[[float], float]] = {
    "log": np.exp,
    "atanh": np.tanh,
    "over 1": lambda x: 1 + np.exp(x),
    "plain": float,
}


def prior_of(
    seen: Seen, *, held: Mapping[str, float] | None = None, source: str | None = None
) -> TotalsPrior:
    """Learn from many councils how starts and ceases wander, by marginal likelihood.

    Parameters
    ----------
    seen
        The same years of all councils.
    held
        Fields of :class:`TotalsPrior` that are not searched for, and their values.
    source
        Where the figures come from.

    Returns
    -------
    TotalsPrior
        At the highest posterior density. Councils count as if they were apart from each other; what
        all share in a year is part of the steps and noise of each.

    Raises
    ------
    MtfsError
        When a held field is unknown, or no year of any council is known.
    """
    fixed = dict(held or {})
    for name in fixed.keys() - _SEARCH.keys():
        msg = f"'{name}' is not a parameter.{suggest(name, _SEARCH)} There is: {listing(_SEARCH)}."
        raise MtfsError(msg)
    if not np.isfinite(seen.logarithms(np.ones(2))).all(-1).any():
        raise MtfsError("no year has starts, ceases and the stock before and after it")
    start = {name: centre for name, (_, centre, _) in _SEARCH.items() if name not in fixed}
    found = _searched(seen, start, fixed)
    if "balance" in found:
        # All councils share the years, so their growth is no better known than one series of them.
        # England's stock grew by 1.9% a year in 1994-2024 (DfE), s.d. 1.7% and autocorrelation 0.5,
        # so the mean of ten years has a standard error of 0.9%. Against no growth, give or take as
        # much, the years known weigh thus:
        years = len(seen.closing)
        fixed["balance"] = found.pop("balance") * years / (years + EVEN_YEARS)
        found = _searched(seen, found, fixed)
    return _made(found, fixed, source)


def _made(
    point: Mapping[str, float], fixed: Mapping[str, float], source: str | None
) -> TotalsPrior:
    values = {name: float(_FROM[_SEARCH[name][0]](x)) for name, x in point.items()}
    return TotalsPrior.model_validate({**values, **fixed, "source": source})


def _searched(
    seen: Seen, start: Mapping[str, float], fixed: Mapping[str, float]
) -> dict[str, float]:
    """Find the parameters, on the scale on which they are searched for."""
    from scipy.optimize import minimize  # noqa: PLC0415 - keeps import light

    names = list(start)
    centres, spreads = (np.array([_SEARCH[name][at] for name in names]) for at in (1, 2))

    def cost(point: Array) -> float:
        prior = _made(dict(zip(names, point.tolist(), strict=True)), fixed, None)
        fit = levels_of(seen, prior).evidence.sum()
        return float((((point - centres) / spreads) ** 2).sum() / 2 - fit)

    bounds = list(zip(centres - _REACH * spreads, centres + _REACH * spreads, strict=True))
    found = minimize(cost, np.array(list(start.values())), method="L-BFGS-B", bounds=bounds)
    return dict(zip(names, found.x.tolist(), strict=True))
