"""Growth of many councils at once: a model of what is national and what is a council's own.

A council's growth is ``g[i, t] = n[t] + c[i, t] b + d[i] + r[i, t]``. The nation's part ``n`` is a
drift that wanders, plus a shock of the year, both with fat tails (Student's t); ``c`` are
covariates' growths and ``b`` their coefficients; ``d`` is a council's own drift, almost nothing;
``r`` is its own growth, of which a share ``phi`` comes again next year. What is new in ``r`` has
Student's t distribution with scale ``s[i] sqrt(v (1 - w + w N0 / N[i, t]))``: variance falls with
size ``N`` as a count's does, and councils differ in their own multiple ``s`` beyond size.

The posterior of all of it is drawn by Gibbs sampling: Student's t as a normal whose variance is
itself drawn (Geweke, "Bayesian treatment of the independent Student-t linear model", Journal of
Applied Econometrics 8, 1993), national growth and coefficients in one block, and scales by
Metropolis steps with what they act on integrated out wherever that is a normal.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, lgamma, log, log1p
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mtfs.calibrate.priors import GrowthPrior
from mtfs.vocabulary import Array

Factor: TypeAlias = NDArray[np.floating[Any]]

SWEEPS = 750  # kept; a draw rests on one of them
WARM_UP = 150  # thrown away; proposals learn their width in them
_TUNE_EVERY = 25
_LEAST, _MOST = -0.7, 0.8  # persistence: beyond, growth would hardly be a growth


@dataclass(frozen=True)
class GrowthData:
    """A panel's growth: what is known of it, what councils' sizes were, what else grew."""

    growth: Array
    """differences of logarithms, shape (council, year); NaN where not known or not to be used"""
    size: Array
    """the level a year's growth starts from, shape (council, year); any number where not known"""
    covariates: Array
    """growths of covariates, shape (covariate, council, year)"""


@dataclass(frozen=True)
class GrowthPosterior:
    """Draws of everything that is not known, the first dimension of each being the sweep."""

    national: Array
    """national growth of every year, shape (sweep, year)"""
    drift: Array
    """national drift of the last year"""
    shock: Array
    wander: Array
    coefficients: Array
    """shape (sweep, covariate)"""
    own_drift: Array
    """shape (sweep, council)"""
    own_drift_spread: Array
    own_scale: Array
    """square root of each council's multiple of the variance, shape (sweep, council)"""
    residual: Array
    """a council's own growth of the last year, 0 where not known, shape (sweep, council)"""
    persistence: Array
    spread: Array
    size_share: Array
    """of the variance at the median size, that falls with size"""
    tails: Array
    likeness: Array
    median_size: float
    national_tails: float
    accepted: dict[str, float]
    """share of proposals taken, by what was proposed"""


def fit_growth(
    data: GrowthData,
    prior: GrowthPrior,
    rng: np.random.Generator,
    *,
    sweeps: int = SWEEPS,
    warm_up: int = WARM_UP,
) -> GrowthPosterior:
    """Draw the posterior of a panel's growth.

    Parameters
    ----------
    data
        What is known. At least one growth.
    prior
        What is believed before.
    rng
        The only source of randomness.
    sweeps, warm_up
        Sweeps kept and thrown away.

    Returns
    -------
    GrowthPosterior
        One row a kept sweep.
    """
    chain = _Chain(data, prior, rng)
    kept: list[dict[str, Any]] = []
    for sweep in range(warm_up + sweeps):
        chain.sweep()
        if sweep >= warm_up:
            kept.append(chain.state())
        elif (sweep + 1) % _TUNE_EVERY == 0:
            chain.tune()
        if sweep == warm_up - 1:
            chain.forget()
    columns = {name: np.array([each[name] for each in kept]) for name in kept[0]}
    return GrowthPosterior(
        **columns,
        median_size=chain.median_size,
        national_tails=prior.national_tails,
        accepted=chain.rates(),
    )


def _lognormal(value: float, median: float, spread: float) -> float:
    """Give the log density of ``value``, itself a logarithm."""
    return -0.5 * ((value - log(median)) / spread) ** 2


class _Chain:
    """Where the sampler stands. Unknowns are attributes; each method renews some given the rest."""

    def __init__(self, data: GrowthData, prior: GrowthPrior, rng: np.random.Generator) -> None:
        self.prior, self.rng = prior, rng
        seen = np.isfinite(data.growth)
        self.raw = np.where(seen, data.growth, 0.0)
        self.seen = seen.astype(float)
        self.follows = np.zeros_like(self.seen)  # the year before is known too
        self.follows[:, 1:] = self.seen[:, 1:] * self.seen[:, :-1]
        self.n_seen, self.total = self.seen.sum(1), float(seen.sum())
        councils, years = data.growth.shape
        self.years = np.arange(years)
        self.median_size = float(np.exp(np.median(np.log(data.size[seen]))))
        self.smaller = np.where(seen, self.median_size / np.where(seen, data.size, 1.0), 1.0)
        self.covariates = data.covariates * self.seen
        self.known = len(data.covariates)

        self.coefficients = np.full(self.known, prior.coefficient)
        self.growth = self.less_covariates()
        centre = np.median(self.growth[seen])
        self.national = np.array(
            [
                np.median(self.growth[seen[:, year], year]) if seen[:, year].any() else centre
                for year in self.years
            ]
        )
        self.drift = self.national.copy()
        self.shock_weight, self.wander_weight = np.ones(years), np.ones(years)
        self.own_drift, self.own_variance = np.zeros(councils), np.ones(councils)
        self.persistence = 0.0
        # logarithm of the scale, logit of the share that falls with size, log degrees less 2
        self.shape = np.array([log(prior.spread), -1.0, log(prior.tails - 2)])
        self.likeness = log(prior.likeness)
        self.own_spread = log(prior.own_drift)
        self.moves = np.log([prior.wander, prior.shock])
        # Everything that the national block is about: growth of every year, then coefficients.
        self.expected = np.full(years + self.known, prior.coefficient)
        self.expected[:years] = prior.drift
        self.steps = {"shape": 1.0, "likeness": 0.3, "scale": 0.05, "own drift": 0.5, "moves": 0.5}
        self.forget()

    def sweep(self) -> None:
        """Renew everything once."""
        self.renew_shape()
        self.renew_weights()
        self.renew_persistence()
        self.renew_own_drift()
        self.renew_nation()
        self.renew_drift()

    def state(self) -> dict[str, Array | float]:
        """Give what is kept, by its name in :class:`GrowthPosterior`."""
        spread, share, tails = self.shape.tolist()
        residual = (self.growth - self.national)[:, -1] - self.own_drift
        return {  # every array here is made anew by the sweep that comes, none is written into
            "national": self.national,
            "drift": float(self.drift[-1]),
            "shock": exp(self.moves[1]),
            "wander": exp(self.moves[0]),
            "coefficients": self.coefficients,
            "own_drift": self.own_drift,
            "own_drift_spread": exp(self.own_spread),
            "own_scale": np.sqrt(self.own_variance),
            "residual": residual * self.seen[:, -1],
            "persistence": self.persistence,
            "spread": exp(spread),
            "size_share": 1 / (1 + exp(-share)),
            "tails": 2 + exp(tails),
            "likeness": exp(self.likeness),
        }

    def less_covariates(self) -> Array:
        """Take from growth what covariates explain."""
        explained = np.tensordot(self.coefficients, self.covariates, 1)
        found: Array = (self.raw - explained) * self.seen
        return found

    def whitened(self, what: Array) -> Array:
        """Take from each year what comes again of the year before."""
        found: Array = what.copy()
        found[..., 1:] -= self.persistence * self.follows[:, 1:] * what[..., :-1]
        return found

    def accept(self, what: str, gain: float) -> bool:
        """Say whether a proposal is taken, and count it."""
        taken = bool(log(1.0 - self.rng.random()) < gain)
        self.tried[what] += 1
        self.taken[what] += taken
        return taken

    def forget(self) -> None:
        """Count proposals anew."""
        self.tried = dict.fromkeys(self.steps, 0)
        self.taken = dict.fromkeys(self.steps, 0)

    def rates(self) -> dict[str, float]:
        """Give the share of proposals taken."""
        return {name: self.taken[name] / max(tried, 1) for name, tried in self.tried.items()}

    def tune(self) -> None:
        """Widen the proposals that are nearly always taken, narrow those that hardly ever are."""
        for name, rate in self.rates().items():
            if rate > 0.5:  # noqa: PLR2004 - between a fifth and a half is good
                self.steps[name] *= 1.4
            elif rate < 0.2:  # noqa: PLR2004
                self.steps[name] *= 0.6
        self.forget()

    def variance(self, shape: Array) -> Array:
        """Give the variance at multiple 1, shape (council, year)."""
        share = 1 / (1 + exp(-shape[1]))
        found: Array = exp(2 * shape[0]) * (1 - share + share * self.smaller)
        return found

    def renew_shape(self) -> None:
        """Renew spread, its share that falls with size, and tails: the normal's weights are out."""
        self.fresh = self.whitened(self.growth - self.national - self.own_drift[:, None])
        self.fresh *= self.seen
        squares = self.fresh**2 / self.own_variance[:, None]
        current = self.shape_density(self.shape, squares)
        for _ in range(2):
            step = self.steps["shape"] * np.array([0.03, 0.4, 0.25])
            proposal = self.shape + step * self.rng.standard_normal(3)
            found = self.shape_density(proposal, squares)
            if self.accept("shape", found - current):
                self.shape, current = proposal, found

    def shape_density(self, shape: Array, squares: Array) -> float:
        """Give the log density of spread, share and tails given multiples, up to a constant."""
        prior, tails = self.prior, 2 + exp(shape[2])
        variance = self.variance(shape)
        fit: float = self.total * (lgamma((tails + 1) / 2) - lgamma(tails / 2) - 0.5 * log(tails))
        fit -= 0.5 * float((np.log(variance) * self.seen).sum())
        fit -= (tails + 1) / 2 * float(np.log1p(squares / (variance * tails)).sum())
        fit += _lognormal(shape[0], prior.spread, prior.spread_range)
        fit += _lognormal(shape[2], prior.tails - 2, prior.tails_range)
        away = abs(float(shape[1]))
        return fit - away - 2 * log1p(exp(-away))  # the share is uniform

    def renew_weights(self) -> None:
        """Renew the normal's weights, councils' own multiples and how alike these are."""
        rng, tails = self.rng, 2 + exp(self.shape[2])
        variance = self.variance(self.shape)
        squares = self.fresh**2 / variance
        weights = rng.standard_gamma((tails + 1) / 2, size=squares.shape)
        weights *= 2 / (tails + squares / self.own_variance[:, None])
        likeness = exp(self.likeness)
        rate = (likeness + (self.seen * weights * squares).sum(1)) / 2
        self.own_variance = rate / rng.standard_gamma((likeness + self.n_seen) / 2)
        proposal = self.likeness + self.steps["likeness"] * rng.standard_normal()
        if self.accept(
            "likeness", self.likeness_density(proposal) - self.likeness_density(self.likeness)
        ):
            self.likeness = proposal
        # The pool's scale and the multiples may trade a factor without a trace in the data.
        step = self.steps["scale"] * rng.standard_normal()
        if self.accept("scale", self.scale_density(step) - self.scale_density(0.0)):
            self.shape = self.shape + np.array([step, 0.0, 0.0])
            self.own_variance = self.own_variance * exp(-2 * step)
        self.precision = (
            self.seen * weights / (self.variance(self.shape) * self.own_variance[:, None])
        )

    def likeness_density(self, value: float) -> float:
        """Give the log density of the multiples' degrees of freedom, up to a constant."""
        half, own = exp(value) / 2, self.own_variance
        fit: float = len(own) * (half * log(half) - lgamma(half))
        fit -= half * float(np.log(own).sum() + (1 / own).sum())
        return fit + _lognormal(value, self.prior.likeness, self.prior.likeness_range)

    def scale_density(self, step: float) -> float:
        """Give the log density of a factor that the pool's scale takes from the multiples."""
        half = exp(self.likeness) / 2
        fit = 2 * half * step * len(self.own_variance)
        fit -= half * exp(2 * step) * float((1 / self.own_variance).sum())
        return fit + _lognormal(self.shape[0] + step, self.prior.spread, self.prior.spread_range)

    def renew_persistence(self) -> None:
        """Renew the share of own growth that comes again."""
        own = (self.growth - self.national - self.own_drift[:, None]) * self.seen
        before, weight = own[:, :-1], (self.precision * self.follows)[:, 1:]
        belief = 1 / self.prior.persistence_sd**2
        precision = float((weight * before**2).sum()) + belief
        mean = float((weight * before * own[:, 1:]).sum()) + belief * self.prior.persistence
        found = mean / precision + self.rng.standard_normal() / precision**0.5
        if _LEAST < found < _MOST:
            self.persistence = found

    def renew_own_drift(self) -> None:
        """Renew councils' own drifts, and how far these spread with them integrated out."""
        left = self.whitened((self.growth - self.national) * self.seen)
        once = 1 - self.persistence * self.follows
        precision = (self.precision * once**2).sum(1)
        pull = (self.precision * once * left).sum(1)

        def density(value: float) -> float:
            squared = exp(2 * value)
            fit = -0.5 * float(np.log1p(squared * precision).sum())
            fit += 0.5 * float((pull**2 / (precision + 1 / squared)).sum())
            return fit - 0.5 * (exp(value) / self.prior.own_drift) ** 2 + value

        proposal = self.own_spread + self.steps["own drift"] * self.rng.standard_normal()
        if self.accept("own drift", density(proposal) - density(self.own_spread)):
            self.own_spread = proposal
        precision = precision + exp(-2 * self.own_spread)
        noise = self.rng.standard_normal(len(precision))
        self.own_drift = pull / precision + noise / np.sqrt(precision)

    def covariance(self, moves: Array, *, drift_only: bool = False) -> Array:
        """Give the prior covariance of national growth (or of its drift), shape (year, year)."""
        grown = np.cumsum(1 / self.wander_weight) - 1 / self.wander_weight[0]
        found: Array = exp(2 * moves[0]) * grown[np.minimum.outer(self.years, self.years)]
        found += self.prior.drift_sd**2
        if not drift_only:
            found[self.years, self.years] += exp(2 * moves[1]) / self.shock_weight
        return found

    def seen_of_nation(self) -> tuple[Array, Array]:
        """Give precision and pull that the panel has on national growth and coefficients."""
        years, weight = self.years, self.precision
        size = len(years) + self.known
        again = self.persistence * self.follows
        left = self.whitened((self.raw - self.own_drift[:, None]) * self.seen)
        precision, pull = np.zeros((size, size)), np.empty(size)
        precision[years, years] = weight.sum(0)
        both = (weight * again).sum(0)[1:]
        precision[years[:-1], years[:-1]] += (weight * again**2).sum(0)[1:]
        precision[years[1:], years[:-1]] = precision[years[:-1], years[1:]] = -both
        pull[: len(years)] = self.unwhitened(weight * left, again)
        if self.known:
            moved = self.whitened(self.covariates)
            cross = self.unwhitened(weight * moved, again)
            n = len(years)
            precision[n:, :n], precision[:n, n:] = cross, cross.T
            precision[n:, n:] = np.einsum("kit,it,lit->kl", moved, weight, moved)
            pull[n:] = (weight * left * moved).sum((1, 2))
        return precision, pull

    @staticmethod
    def unwhitened(what: Array, again: Array) -> Array:
        """Sum over councils what each year's national growth meets: its own year and the next."""
        found: Array = what.sum(-2)
        found[..., :-1] -= (what * again).sum(-2)[..., 1:]
        return found

    def nation_density(
        self, moves: Array, precision: Array, pull: Array
    ) -> tuple[float, tuple[Factor, Factor, Factor]]:
        """Give the log density of wander and shock, national growth integrated out."""
        years, size = len(self.years), len(pull)
        prior = np.diag(np.full(size, self.prior.coefficient_sd**2))
        prior[:years, :years] = self.covariance(moves)
        factor = np.linalg.cholesky(prior)
        inner = factor.T @ precision @ factor
        inner[np.arange(size), np.arange(size)] += 1.0
        root = np.linalg.cholesky(inner)
        centred = np.linalg.solve(root, factor.T @ (pull - precision @ self.expected))
        fit = 0.5 * float(centred @ centred) - float(np.log(root.diagonal()).sum())
        fit += _lognormal(moves[0], self.prior.wander, self.prior.wander_range)
        fit += _lognormal(moves[1], self.prior.shock, self.prior.shock_range)
        return fit, (factor, root, centred)

    def renew_nation(self) -> None:
        """Renew wander, shock, national growth of all years and coefficients."""
        precision, pull = self.seen_of_nation()
        current, parts = self.nation_density(self.moves, precision, pull)
        for _ in range(2):
            proposal = self.moves + self.steps["moves"] * self.rng.standard_normal(2)
            found, others = self.nation_density(proposal, precision, pull)
            if self.accept("moves", found - current):
                self.moves, current, parts = proposal, found, others
        factor, root, centred = parts
        noise = self.rng.standard_normal(len(pull))
        block = self.expected + factor @ np.linalg.solve(root.T, centred + noise)
        self.national, self.coefficients = np.split(block, [len(self.years)])
        if self.known:
            self.growth = self.less_covariates()

    def renew_drift(self) -> None:
        """Renew the path of the national drift, and which years were out of the ordinary."""
        rng, prior, years = self.rng, self.prior, len(self.years)
        wander, shock = np.exp(self.moves)
        # A path is drawn with its growth, then corrected by how far that misses the growth at hand
        # (Durbin and Koopman, "A simple and efficient simulation smoother", Biometrika 89, 2002).
        steps = wander * rng.standard_normal(years) / np.sqrt(self.wander_weight)
        steps[0] = prior.drift + prior.drift_sd * rng.standard_normal()
        path = np.cumsum(steps)
        growth = path + shock * rng.standard_normal(years) / np.sqrt(self.shock_weight)
        miss = np.linalg.solve(self.covariance(self.moves), self.national - growth)
        self.drift = path + self.covariance(self.moves, drift_only=True) @ miss
        tails = prior.national_tails
        moved = np.diff(self.drift, prepend=self.drift[0])  # the first has no year before
        self.wander_weight = self.weights_of(moved / wander, tails)
        self.shock_weight = self.weights_of((self.national - self.drift) / shock, tails)

    def weights_of(self, scaled: Array, tails: float) -> Array:
        """Draw the normal's weights behind values of Student's t distribution."""
        found: Array = self.rng.standard_gamma((tails + 1) / 2, size=len(scaled))
        found *= 2 / (tails + scaled**2)
        return found


def student(
    rng: np.random.Generator, weights: np.random.Generator, degrees: Array, shape: tuple[int, int]
) -> Array:
    """Draw from Student's t distribution, ``degrees`` broadcast to ``shape``.

    Row by row, and each generator for one thing only: the first rows of many are the few.
    """
    found: Array = rng.standard_normal(shape)
    gammas = weights.standard_gamma(np.broadcast_to(degrees / 2, shape))
    found /= np.sqrt(gammas * 2 / degrees)
    return found


@dataclass(frozen=True)
class NationalPaths:
    """What all councils share in every draw."""

    rows: NDArray[np.intp]
    """the sweep that each draw rests on"""
    growth: Array
    """shape (year, draw)"""


def national_paths(
    posterior: GrowthPosterior, rows: NDArray[np.intp], horizon: int, rng: np.random.Generator
) -> NationalPaths:
    """Draw national growth of the years to come, without covariates."""
    shape = (horizon, len(rows))
    degrees = np.array(posterior.national_tails)
    moves = np.cumsum(posterior.wander[rows] * student(rng, rng, degrees, shape), 0)
    shocks = posterior.shock[rows] * student(rng, rng, degrees, shape)
    return NationalPaths(rows, posterior.drift[rows] + moves + shocks)


def council_paths(
    posterior: GrowthPosterior,
    nation: NationalPaths,
    *,
    council: int,
    size: float,
    explained: Array,
    rng: np.random.Generator,
    weights: np.random.Generator,
) -> Array:
    """Draw the logarithms of one council's levels over its last, shape (year, draw).

    Parameters
    ----------
    posterior, nation
        From :func:`fit_growth` and :func:`national_paths`.
    council
        Its row.
    size
        Its last level.
    explained
        Growth that covariates bring, shape (year, draw).
    rng, weights
        The council's own: of normals, and of the weights that make their tails fat.
    """
    rows = nation.rows
    degrees = posterior.tails[rows, None]
    own = student(rng, weights, degrees, nation.growth.T.shape).T
    share = posterior.size_share[rows]
    # The size stays that of the start: followed, a council that shrank would swing ever more.
    own *= np.sqrt(1 - share + share * posterior.median_size / size)
    own *= posterior.spread[rows] * posterior.own_scale[rows, council]
    residual = posterior.residual[rows, council]
    for year in range(len(own)):
        residual = posterior.persistence[rows] * residual + own[year]
        own[year] = residual
    found: Array = np.cumsum(
        own + nation.growth + explained + posterior.own_drift[rows, council], 0
    )
    return found
