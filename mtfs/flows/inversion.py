"""Uniforms turned into counts, choices and values by inversion."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mtfs.vocabulary import Array

Ints: TypeAlias = NDArray[np.intp]

_SMALLEST = 1e-17  # of a probability: beside the chance nearest to 1


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
