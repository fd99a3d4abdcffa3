"""What a linear model with normal noise says of years to come, its parameters being uncertain.

The mean (or other regression coefficients) and the variance are integrated out exactly; what is
left, such as the persistence of an AR(1), is averaged over a grid by its likelihood. With ten to
twenty years this uncertainty is a large part of the spread; plugging in estimates leaves it out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy.special import logsumexp

from mtfs.vocabulary import Array

_EXACT = 1e-20  # of the sum of squares: what is left is rounding, and its logarithm without meaning
Persistence: TypeAlias = float | Literal["random_walk"]


@dataclass(frozen=True)
class Predictive:
    """Joint distribution of the years to come."""

    mean: Array
    """shape (year,)"""
    cov: Array
    """covariance, shape (year, year)"""
    df: float
    """degrees of freedom of Student's t; infinite where it is normal"""
    evidence: float
    """logarithm of the likelihood with the parameters integrated out, up to a constant"""

    @property
    def sd(self) -> Array:
        """Standard deviation of each year."""
        return np.sqrt(np.diag(self.cov))

    @property
    def total_sd(self) -> float:
        """Standard deviation of the sum over the years."""
        return math.sqrt(self.cov.sum())


def regressed(known: Array, design: Array, shape: Array) -> Predictive:
    """Predict the years after the last of ``known`` by generalised least squares.

    Parameters
    ----------
    known
        Values by year, NaN where missing, shape (past,).
    design
        Regressors of the mean, all years, shape (past + ahead, coefficient).
    shape
        Covariance of the noise of all years up to a factor, shape (past + ahead, past + ahead).

    Returns
    -------
    Predictive
        A multivariate t, for a flat prior on coefficients and 1 / variance on the variance
        (Zellner 1971, An Introduction to Bayesian Inference in Econometrics, ch. 3). ``evidence``
        is the restricted likelihood with the variance integrated out. There have to be at least 3
        more known values than coefficients.
    """
    past = len(known)
    held = np.flatnonzero(np.isfinite(known))
    ahead = np.arange(past, len(shape))
    root = np.linalg.cholesky(shape[np.ix_(held, held)])
    white = np.linalg.solve(
        root, np.column_stack([known[held], design[held], shape[np.ix_(held, ahead)]])
    )
    n_coefficients = design.shape[1]
    y, x, cross = white[:, 0], white[:, 1 : 1 + n_coefficients], white[:, 1 + n_coefficients :]
    precision = x.T @ x
    coefficients = np.linalg.solve(precision, x.T @ y)
    left = y - x @ coefficients
    df = len(held) - n_coefficients
    squares = max(float(left @ left), _EXACT * float(y @ y))
    fresh = design[ahead] - cross.T @ x
    scale = (
        shape[np.ix_(ahead, ahead)] - cross.T @ cross + fresh @ np.linalg.solve(precision, fresh.T)
    )
    evidence = (
        -np.log(np.diag(root)).sum()
        - np.linalg.slogdet(precision)[1] / 2
        - df / 2 * math.log(squares)
    )
    mean = design[ahead] @ coefficients + cross.T @ left
    return Predictive(mean, scale * (squares / (df - 2)), df, float(evidence))


def conditioned(known: Array, mean: Array, cov: Array) -> Predictive:
    """Predict the years after the last of ``known`` from a normal distribution of all years.

    Parameters
    ----------
    known
        Values by year, NaN where missing, shape (past,).
    mean, cov
        Of all years, shapes (past + ahead,) and (past + ahead, past + ahead).
    """
    held = np.flatnonzero(np.isfinite(known))
    ahead = np.arange(len(known), len(cov))
    root = np.linalg.cholesky(cov[np.ix_(held, held)])
    left = np.linalg.solve(root, known[held] - mean[held])
    cross = np.linalg.solve(root, cov[np.ix_(held, ahead)])
    return Predictive(
        mean[ahead] + cross.T @ left,
        cov[np.ix_(ahead, ahead)] - cross.T @ cross,
        math.inf,
        float(-np.log(np.diag(root)).sum() - left @ left / 2),
    )


def averaged(predictives: Sequence[Predictive], priors: Sequence[float]) -> Predictive:
    """Average predictions over a grid of parameters, by likelihood times prior.

    Returns
    -------
    Predictive
        The mixture's mean and covariance, and the degrees of freedom that the parts share.
    """
    logs = np.array([each.evidence for each in predictives]) + np.log(priors)
    whole = float(logsumexp(logs))
    weights = np.exp(logs - whole)
    means = np.array([each.mean for each in predictives])
    mean = weights @ means
    apart = means - mean
    cov = np.einsum("i,ijk->jk", weights, np.array([each.cov for each in predictives]))
    cov += np.einsum("i,ij,ik->jk", weights, apart, apart)
    return Predictive(mean, cov, predictives[0].df, whole)


def persistence_of(cov: Array) -> Persistence:
    """Find the persistence by which a driver's paths come nearest to a joint distribution.

    A driver has the spread of every year as stated, and one persistence. The AR(1) is taken whose
    sum over the years has the s.d. that the distribution gives it, as totals over years are what
    persistence decides; from 0 to 1, which is all that a driver knows. Where a random walk's
    covariances are nearer than that AR(1)'s, it is a random walk.

    Parameters
    ----------
    cov
        Shape (year, year).

    Examples
    --------
    >>> import numpy as np
    >>> persistence_of(np.array([[1.0, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 1.0]]))
    0.5
    >>> persistence_of(np.minimum.outer([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]))
    'random_walk'
    """
    from scipy.optimize import brentq  # noqa: PLC0415 - keeps import light

    years = np.arange(1, len(cov) + 1)
    spread = np.outer(np.sqrt(np.diag(cov)), np.sqrt(np.diag(cov)))
    lag = np.abs(np.subtract.outer(years, years))

    def miss(rho: float) -> float:
        return float((spread * rho**lag).sum() - cov.sum())

    if len(cov) == 1 or miss(0.0) >= 0:
        return 0.0
    rho = 1.0 if miss(1.0) <= 0 else round(float(brentq(miss, 0.0, 1.0)), 3)
    walk = np.sqrt(np.minimum.outer(years, years) / np.maximum.outer(years, years))
    nearer = np.abs(spread * walk - cov).sum() < np.abs(spread * rho**lag - cov).sum()
    return "random_walk" if nearer else rho


def driver_total_sd(sd: Array, persistence: Persistence) -> float:
    """Give the s.d. of the sum over the years of a driver with these spreads."""
    years = np.arange(1, len(sd) + 1)
    if persistence == "random_walk":
        like = np.sqrt(np.minimum.outer(years, years) / np.maximum.outer(years, years))
    else:
        like = float(persistence) ** np.abs(np.subtract.outer(years, years))
    return math.sqrt(sd @ like @ sd)
