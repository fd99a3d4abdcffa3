"""Uniforms turned into counts, choices and values by inversion."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from mtfs.vocabulary import Array

Ints: TypeAlias = NDArray[np.intp]

_SMALLEST = 1e-17  # of a probability: beside the chance nearest to 1
_FEW = 20  # expected events up to which going up from 0 is fast enough
_SURE = 1 - 1e-13  # a chance nearer to 1 is lost in the rounding of sums
_WORTH = 0.7  # of the cases still going up, below which the others are put aside
_USUAL = 3.0  # standard normal scores within which the expansion below is good
_NEAR = 0.05  # of an event: two and a half times the expansion's largest error there


def quantile(knots: Array, chance: Array) -> Array:
    """Give a value between even quantiles, shape (person, quantile) and (person,)."""
    place = chance * (knots.shape[1] - 1)
    low = np.minimum(place.astype(np.intp), knots.shape[1] - 2)
    people = np.arange(len(chance))
    below, above = knots[people, low], knots[people, low + 1]
    found: Array = below + (place - low) * (above - below)
    return found


def chosen(shares: Array, chance: Array) -> Ints:
    """Choose one by shares that sum to one, shape (person, choice), for a chance each."""
    edges = np.cumsum(shares, axis=1)[:, :-1]
    return np.asarray((chance[:, None] >= edges).sum(axis=1), np.intp)


def poisson(mean: Array, chance: Array) -> Ints:
    """Give the Poisson quantile of each chance, by going up from 0.

    Parameters
    ----------
    mean
        Not negative, up to some hundreds, of any shape.
    chance
        Strictly between 0 and 1, same shape.

    Returns
    -------
    array
        Counts, flattened.

    Examples
    --------
    >>> poisson(np.array([0.0, 1.0, 1.0]), np.array([0.9, 0.3, 0.9])).tolist()
    [0, 0, 2]
    """
    mean, chance = mean.ravel(), chance.ravel()
    found = np.zeros(mean.size, np.intp)
    here, count = np.arange(mean.size), 0
    term = np.exp(-mean)
    total = term
    while (above := (chance > total) & ((count < mean) | (term > _SMALLEST))).any():
        here = here[above]
        mean, chance, term, total = (each[above] for each in (mean, chance, term, total))
        count += 1
        found[here] = count
        term = term * mean / count
        total = total + term
    return found


def any_poisson(mean: Array, chance: Array) -> Array:
    """Give the Poisson quantile of each chance, whatever the mean.

    Parameters
    ----------
    mean
        Not negative; broadcasts with ``chance``.
    chance
        Strictly between 0 and 1.

    Returns
    -------
    array
        Whole numbers, of the shape the two broadcast to.

    Examples
    --------
    >>> any_poisson(np.array([1.0, 1000.0]), np.array([0.9, 0.5])).tolist()
    [2.0, 1000.0]
    """
    mean, chance = np.broadcast_arrays(mean, chance)
    found = np.zeros(mean.size)
    large = mean.ravel() > _FEW
    few, many = np.flatnonzero(~large), np.flatnonzero(large)
    found[few] = poisson(mean.ravel()[few], chance.ravel()[few])
    if len(many):
        from scipy.stats import poisson as law  # noqa: PLC0415 - keeps import light

        m, u = mean.ravel()[many], chance.ravel()[many]
        counts, doubtful = _expanded(m, m, 1.0, 1.0, u)
        counts[doubtful] = law.ppf(u[doubtful], m[doubtful])
        found[many] = counts
    return found.reshape(mean.shape)


def binomial(number: Array, share: Array, chance: Array) -> Array:
    """Give the binomial quantile of each chance: how many of ``number`` it happens to.

    Where few are expected the distribution is gone up from 0, or from all of them downwards where
    few are spared; elsewhere scipy inverts it.

    Parameters
    ----------
    number
        Whole numbers, not negative; the three broadcast with each other.
    share
        From 0 to 1.
    chance
        Strictly between 0 and 1.

    Returns
    -------
    array
        Whole numbers from 0 to ``number``.

    Examples
    --------
    >>> binomial(np.array([2.0, 2.0, 900.0]), np.array(0.5), np.array([0.2, 0.8, 0.5])).tolist()
    [0.0, 2.0, 450.0]
    """
    number, share, chance = np.broadcast_arrays(number, share, chance)
    found = np.zeros(number.size)
    some = np.flatnonzero((number > 0) & (share > 0))
    n, p, u = (each.ravel()[some] for each in (number, share, chance))
    spared = p > 0.5  # noqa: PLR2004 - the rarer of the two is counted
    rare = np.where(spared, 1 - p, p)
    many = n * rare > _FEW
    counts = np.empty(len(some))
    few = ~many
    counts[few] = _few_of(n[few], rare[few], np.where(spared[few], 1 - u[few], u[few]))
    counts[few] = np.where(spared[few], n[few] - counts[few], counts[few])
    if many.any():
        from scipy.stats import binom  # noqa: PLC0415 - keeps import light

        n, p, u = n[many], p[many], u[many]
        variance = n * p * (1 - p)
        large, doubtful = _expanded(n * p, variance, 1 - 2 * p, 1 - 6 * p * (1 - p), u)
        large[doubtful] = binom.ppf(u[doubtful], n[doubtful], p[doubtful])
        counts[many] = large
    found[some] = counts
    return found.reshape(number.shape)


def _expanded(
    mean: Array, variance: Array, third: Array | float, fourth: Array | float, chance: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """Give quantiles of counts by an expansion, and mark those that may be off by one.

    Cornish and Fisher's expansion to the second order, for counts: half an event and the lattice's
    own term are taken off (Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.49).
    With 20 events and more it is off by at most 0.02 of an event for scores within 3.

    Parameters
    ----------
    mean, variance
        Of the counts, shape (case,).
    third, fourth
        Third and fourth cumulants over the variance.
    chance
        Shape (case,).
    """
    z = ndtri(chance)
    sd = np.sqrt(variance)
    skewness, kurtosis = third / sd, fourth / variance
    score = z + (z**2 - 1) * skewness / 6 + (z**3 - 3 * z) * kurtosis / 24
    score -= (2 * z**3 - 5 * z) * skewness**2 / 36
    place = mean + sd * score - 0.5 - z / (24 * sd)
    doubtful = (np.abs(z) > _USUAL) | (np.abs(place - np.rint(place)) < _NEAR)
    return np.ceil(place), doubtful


def _few_of(number: Array, share: Array, chance: Array) -> Array:
    """Give binomial quantiles by going up from 0; shape (case,)."""
    found = np.zeros(len(number))
    here: Ints = np.arange(len(number))
    local: Array = np.zeros(len(number))
    count = 0
    odds = share / (1 - share)
    term = np.exp(number * np.log1p(-share))
    rest = np.minimum(chance, _SURE) - term
    while n_ahead := np.count_nonzero(ahead := rest > 0):
        local += ahead
        if n_ahead < _WORTH * len(here):
            found[here] = local
            going = np.flatnonzero(ahead)
            here = here.take(going)
            local, number, odds, term, rest = (
                each.take(going) for each in (local, number, odds, term, rest)
            )
        term *= (number - count) / (count + 1) * odds
        rest -= term
        count += 1
    found[here] = local
    return found
