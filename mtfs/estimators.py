"""Shares of a variance by input: which runs they are made of, and what the runs say.

Inputs are standard normal scores in rows, shape (row, draw). Every row belongs to one player, an
input or a group of inputs whose share is wanted. A model turns scores into outcomes, shape
(outcome, draw). Nothing here knows what a plan is.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mtfs.vocabulary import Array

Model: TypeAlias = Callable[[Array], Array]
"""turns scores, shape (row, draw), into outcomes, shape (outcome, draw)"""
Places: TypeAlias = NDArray[np.intp]
Indices: TypeAlias = Callable[[Mapping[str, Array]], Mapping[str, Array]]
"""turns means over draws, shape (resample, ...), into what is estimated"""

_ROOM = 65_536  # draws a run of the model takes at a time: many blocks, to be shared by threads
_PART = 4_096  # draws of which all runs are worked out before the next
_ROUND = 64  # resamples at a time: their weights are one matrix


@dataclass(frozen=True)
class Tie:
    """Rows that a lower triangular factor L makes dependent: the inputs are L times the scores."""

    rows: Places
    factor: Array

    def redrawn(self, start: Array, end: Array, kept: NDArray[np.bool_]) -> Array:
        """Redraw inputs given those that are kept: the same for every draw.

        Parameters
        ----------
        start
            The scores of its rows, shape (row, draw).
        end
            Independent scores, from which inputs are redrawn.
        kept
            Which inputs stay as they are, shape (row,).

        Returns
        -------
        Array
            Scores whose kept inputs are those of ``start`` and whose others have their
            distribution given these. Inputs depend on scores along their own rows of L and on
            nothing across them: along the rows of those kept, ``start`` takes the place of ``end``.
        """
        if kept.all():
            return start
        along = np.linalg.qr(self.factor[kept].T)[0]
        found: Array = end + along @ (along.T @ (start - end))
        return found

    def redrawn_in_turn(self, start: Array, end: Array, turn: Places) -> Array:
        """Redraw inputs one after the other given those not yet redrawn, in an order by draw.

        Parameters
        ----------
        start, end
            As for :meth:`redrawn`.
        turn
            When each input is redrawn, shape (row, draw); the last are kept longest.

        Returns
        -------
        Array
            Scores by number of inputs kept, shape (row, kept, draw). The triangular factor of the
            inputs in the order of a draw is that of :meth:`redrawn`, one row at a time.
        """
        order = np.argsort(-turn, axis=0, kind="stable").T  # (draw, row), longest kept first
        along = np.linalg.qr(np.swapaxes(self.factor[order], -1, -2))[0]  # (draw, row, kept)
        apart = (start - end).T[:, None, :] @ along  # (draw, 1, kept)
        found = np.empty((len(self.rows), len(self.rows) + 1, end.shape[1]))
        found[:, 0] = 0.0
        np.cumsum(np.moveaxis(along * apart, 0, -1), axis=1, out=found[:, 1:])
        found += end[:, None]
        found[:, -1] = start
        return found


@dataclass(frozen=True)
class Inputs:
    """Which player each row belongs to, and the ties that join rows of different players."""

    owner: Places
    ties: tuple[Tie, ...] = ()

    @property
    def n_players(self) -> int:
        """How many players there are."""
        return int(self.owner.max()) + 1


@dataclass(frozen=True)
class Runs:
    """What two independent samples give, shape (outcome, draw), and what comes of both.

    ``mixed`` is shape (player, outcome, draw): for Sobol indices the outcome of the first sample
    with one player's scores of the second; for Shapley effects each player's part of half the
    squared difference of the two.
    """

    first: Array
    second: Array
    mixed: Array


def swapped_runs(model: Model, inputs: Inputs, first: Array, second: Array) -> Runs:
    """Run the first sample with each player's scores of the second in turn.

    Parameters
    ----------
    model, inputs
        What is run; its ties do not join different players.
    first, second
        Two independent samples of scores, shape (row, draw).
    """

    def part(a: Array, b: Array) -> Runs:
        def swapped(player: int) -> Array:
            return np.where((inputs.owner == player)[:, None], b, a)

        ends = _run(model, (a, b).__getitem__, 2, a.shape[1])
        return Runs(ends[0], ends[1], _run(model, swapped, inputs.n_players, a.shape[1]))

    return _in_parts(part, first, second)


def subset_runs(model: Model, inputs: Inputs, first: Array, second: Array) -> Runs:
    """Redraw every subset of the players given the others: exact over all orders.

    Parameters
    ----------
    model, inputs
        What is run; 2 ** (number of players) runs.
    first, second
        Two independent samples of scores, shape (row, draw).
    """
    d = inputs.n_players
    redrawn = np.array(list(itertools.product((False, True), repeat=d)))
    weights = np.array([1 / (d * math.comb(d - 1, size)) for size in range(d)])
    sizes = redrawn.sum(axis=1)
    without = [np.flatnonzero(~redrawn[:, player]) for player in range(d)]

    def part(a: Array, b: Array) -> Runs:
        def scores(subset: int) -> Array:
            kept = ~redrawn[subset][inputs.owner]
            z = np.where(kept[:, None], a, b)
            for tie in inputs.ties:
                z[tie.rows] = tie.redrawn(a[tie.rows], b[tie.rows], kept[tie.rows])
            return z

        found = _run(model, scores, len(redrawn), a.shape[1])
        half = (found - found[0]) ** 2 / 2
        parts = [  # subsets with a player come 2 ** (players after it) later than without
            np.tensordot(weights[sizes[rest]], half[rest + 2 ** (d - 1 - player)] - half[rest], 1)
            for player, rest in enumerate(without)
        ]
        return Runs(found[0], found[-1], np.stack(parts))

    return _in_parts(part, first, second)


def walk_runs(model: Model, inputs: Inputs, first: Array, second: Array, turn: Places) -> Runs:
    """Redraw the players one by one given those to come, in an order of its own in every draw.

    Each draw goes from the first sample to the second in its order and back in the reverse order,
    so that orders come in antithetic pairs. Where no tie joins two players the way back passes the
    same points, and costs nothing.

    Parameters
    ----------
    model, inputs
        What is run; once a player and draw, or twice where there are ties.
    first, second
        Two independent samples of scores, shape (row, draw).
    turn
        When each player is redrawn, shape (player, draw): an independent random order in every
        draw.
    """
    last = inputs.n_players - 1

    def part(a: Array, b: Array, order: Places) -> Runs:
        ends = _run(model, (a, b).__getitem__, 2, a.shape[1])
        there = _walk(model, inputs, (a, b), order, ends)
        back = (
            _walk(model, inputs, (b, a), last - order, ends[::-1]) if inputs.ties else there[::-1]
        )
        return Runs(ends[0], ends[1], (_parts(there, order) + _parts(back, last - order)) / 2)

    return _in_parts(part, first, second, turn)


def _walk(
    model: Model, inputs: Inputs, scores: tuple[Array, Array], turn: Places, ends: Array
) -> Array:
    """Give the outcomes on the way from one sample to the other, shape (step, outcome, draw)."""
    start, end = scores
    of_rows = turn[inputs.owner]
    ties = [
        tie.redrawn_in_turn(start[tie.rows], end[tie.rows], of_rows[tie.rows])
        for tie in inputs.ties
    ]

    def after(step: int) -> Array:
        kept = of_rows > step
        z = np.where(kept, start, end)
        for tie, by_kept in zip(inputs.ties, ties, strict=True):
            n_kept = kept[tie.rows].sum(axis=0)
            z[tie.rows] = np.take_along_axis(by_kept, n_kept[None, None], axis=1)[:, 0]
        return z

    between = _run(model, after, inputs.n_players - 1, start.shape[1])
    return np.concatenate([ends[:1], between.reshape(-1, *ends.shape[1:]), ends[1:]])


def _parts(walk: Array, turn: Places) -> Array:
    """Give every player what half the squared distance from the start grows by at its step."""
    steps = np.diff((walk - walk[0]) ** 2 / 2, axis=0)
    return np.take_along_axis(steps, turn[:, None], axis=0)


def _in_parts(part: Callable[..., Runs], *samples: NDArray[Any]) -> Runs:
    """Do some draws after others, so that what lies between takes little memory."""
    n = samples[0].shape[1]
    found = [
        part(*(sample[:, start : start + _PART] for sample in samples))
        for start in range(0, n, _PART)
    ]
    return Runs(
        np.concatenate([each.first for each in found], axis=-1),
        np.concatenate([each.second for each in found], axis=-1),
        np.concatenate([each.mixed for each in found], axis=-1),
    )


def _run(model: Model, scores: Callable[[int], Array], n_runs: int, n_draws: int) -> Array:
    """Run the model on several sets of scores at a time; shape (run, outcome, draw)."""
    at_once = max(1, _ROOM // n_draws)
    found = []
    for start in range(0, n_runs, at_once):
        sets = [scores(run) for run in range(start, min(start + at_once, n_runs))]
        outcomes = model(np.concatenate(sets, axis=1))
        found.append(outcomes.reshape(len(outcomes), len(sets), n_draws).swapaxes(0, 1))
    return np.concatenate(found) if found else np.empty((0, 0, n_draws))


@dataclass(frozen=True)
class Resampling:
    """How often draws are drawn again for the bootstrap, by whom, and the intervals wanted."""

    n_resamples: int
    prob: float
    """probability of the intervals"""
    generator: np.random.Generator


@dataclass(frozen=True)
class Estimate:
    """A number, its standard error and its bootstrap interval (percentiles), shapes alike."""

    value: Array
    se: Array
    low: Array
    high: Array


def sobol_indices(runs: Runs, resampling: Resampling) -> dict[str, Estimate]:
    """Estimate first-order and total Sobol indices.

    Parameters
    ----------
    runs
        From :func:`swapped_runs`.
    resampling
        The bootstrap over draws.

    Returns
    -------
    dict
        ``first_order`` and ``total``, shape (player, outcome), and ``variance``, shape (outcome,).
        The first-order estimator is that of Saltelli et al. (2010, Computer Physics Communications
        181, table 2 b), the total one Jansen's (table 2 f), on outcomes less their mean.
        Nan where an outcome does not vary.
    """
    a, b = _centred(runs)
    step = runs.mixed - runs.first
    sums = {"step": step, "crossed": b * step, "squared": step**2 / 2} | _moments(a, b)

    def indices(means: Mapping[str, Array]) -> dict[str, Array]:
        mean, variance = means["mean"], _variance(means)
        return {
            "first_order": (means["crossed"] - mean[:, None] * means["step"]) / variance[:, None],
            "total": means["squared"] / variance[:, None],
            "variance": variance,
        }

    return _estimates(sums, indices, resampling)


def shapley_effects(runs: Runs, resampling: Resampling) -> dict[str, Estimate]:
    """Estimate Shapley effects.

    Parameters
    ----------
    runs
        From :func:`subset_runs` or :func:`walk_runs`.
    resampling
        The bootstrap over draws, and so over the orders of a walk.

    Returns
    -------
    dict
        ``shapley``, shape (player, outcome), which sums to one over players, and ``variance``,
        shape (outcome,). What a set of players adds is the mean variance left when all others are
        known (Song, Nelson and Staum 2016, SIAM/ASA Journal on Uncertainty Quantification 4), which
        gives the effects of Owen (2014, same journal 2). One order a draw is Goda's (2021,
        Reliability Engineering & System Safety 213), here for dependent inputs too. Nan where an
        outcome does not vary.
    """

    def indices(means: Mapping[str, Array]) -> dict[str, Array]:
        parts = means["parts"]
        return {
            "shapley": parts / parts.sum(axis=1, keepdims=True),
            "variance": _variance(means),
        }

    return _estimates({"parts": runs.mixed} | _moments(*_centred(runs)), indices, resampling)


def _centred(runs: Runs) -> tuple[Array, Array]:
    """Give both samples' outcomes less their common mean; exactly 0 where nothing varies."""
    both = np.stack([runs.first, runs.second])
    still = both.min(axis=(0, 2)) == both.max(axis=(0, 2))
    middle = np.where(still, both[0, :, 0], both.mean(axis=(0, 2)))[:, None]
    return both[0] - middle, both[1] - middle


def _moments(a: Array, b: Array) -> dict[str, Array]:
    return {"mean": (a + b) / 2, "square": (a**2 + b**2) / 2}


def _variance(means: Mapping[str, Array]) -> Array:
    return means["square"] - means["mean"] ** 2


def _estimates(
    sums: Mapping[str, Array], indices: Indices, resampling: Resampling
) -> dict[str, Estimate]:
    """Estimate from means over draws, and again from means over resampled draws."""
    n = next(iter(sums.values())).shape[-1]
    flat = np.concatenate([each.reshape(-1, n) for each in sums.values()])
    shapes = [each.shape[:-1] for each in sums.values()]
    cuts = np.cumsum([math.prod(shape) for shape in shapes])[:-1]

    def estimated(weights: Array) -> Mapping[str, Array]:
        pieces = np.split(weights @ flat.T, cuts, axis=1)
        named = zip(sums, pieces, shapes, strict=True)
        with np.errstate(invalid="ignore", divide="ignore"):  # 0 / 0 where nothing varies
            return indices({name: piece.reshape(-1, *shape) for name, piece, shape in named})

    value = estimated(np.full((1, n), 1 / n))
    again = [estimated(weights) for weights in _weights(n, resampling)]
    tails = [(1 - resampling.prob) / 2, (1 + resampling.prob) / 2]
    found = {}
    for name, one in value.items():
        many = np.concatenate([each[name] for each in again])
        low, high = np.quantile(many, tails, axis=0)
        found[name] = Estimate(one[0], many.std(axis=0, ddof=1), low, high)
    return found


def _weights(n: int, resampling: Resampling) -> Iterator[Array]:
    """Give the weights of draws in resamples, shape (resample, draw), some at a time."""
    for start in range(0, resampling.n_resamples, _ROUND):
        rows = min(_ROUND, resampling.n_resamples - start)
        drawn = resampling.generator.integers(0, n, (rows, n)) + n * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
        yield counts / n
