"""The nearest point to the origin at which something happens: the design point of reliability.

With scores that are independent and standard normal, the point of an event that is nearest to the
origin is the likeliest (Hasofer and Lind 1974, "Exact and invariant second-moment code format",
Journal of the Engineering Mechanics Division 100).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mtfs.vocabulary import SCORE_LIMIT, Array

if TYPE_CHECKING:
    from collections.abc import Callable

Measure: TypeAlias = "Callable[[Array], tuple[Array, NDArray[np.bool_]]]"
"""gives, at points of shape (score, point), how far within each part of the event each is, shape
(part, point), positive in all parts where it happens; and whether it happens, shape (point,)"""
STEP = 1e-3  # of a score, for differences: their error is its square, a millionth
LEVELS = 4  # of a search along a ray, each 1/32 of the one before: a millionth of the way
RAYS = 8  # the step proposed, its half, its quarter ...
ITERATIONS = 60  # a handful is usual
SETTLED = 1e-6  # of the distance: less is no gain
_CUTS = np.arange(1, 33) / 32
_LIMIT = SCORE_LIMIT - STEP  # no score may be larger


def approach(
    measure: Measure, starts: Array, free: NDArray[np.bool_], *, steps: float | Array = STEP
) -> Array:
    """Move points at which an event happens as near to the origin as they can come.

    Each step aims where the event would be nearest if all its parts were linear (Rackwitz and
    Fiessler 1978, "Structural reliability under combined random load sequences", Computers and
    Structures 9), and goes along the ray there, or a part of the way, to the first point at which
    the event happens. So no step leaves the event or goes farther away, also where the event is not
    smooth.

    Parameters
    ----------
    measure
        What the event is. It is asked about many points at once.
    starts
        Points at which it happens, shape (score, start).
    free
        Which scores may move, shape (score,).
    steps
        Of a score, for differences; one for all or shape (score,). An event that has steps itself
        along a score needs a wide one.

    Returns
    -------
    Array
        Shape (score, start): points at which it happens, none farther than its start. Each is the
        nearest in its neighbourhood where the event is smooth there.

    Examples
    --------
    >>> def sum_above_two(points):
    ...     margin = points.sum(axis=0) - 2
    ...     return margin[None], margin >= 0
    >>> start = np.array([[3.0], [0.5]])
    >>> approach(sum_above_two, start, np.array([True, True])).round(3).ravel().tolist()
    [1.0, 1.0]
    """
    points = along_rays(measure, starts, starts, free)
    wide = np.broadcast_to(steps, len(points))
    still = 0
    for _ in range(ITERATIONS):
        before = np.linalg.norm(points, axis=0)
        points = _step(measure, points, free, wide)
        gained = before - np.linalg.norm(points, axis=0)
        still = still + 1 if (gained <= SETTLED * before).all() else 0
        if still == 2:  # noqa: PLR2004 - once more than one poor step
            break
    return points


def _step(measure: Measure, points: Array, free: NDArray[np.bool_], steps: Array) -> Array:
    """Move every point once; one that would gain nothing stays."""
    d, n = points.shape
    margins, slopes = _gradients(measure, points, free, steps)
    target = points.copy()
    for number in range(n):
        slope = slopes[:, :, number]
        wanted = slope @ points[:, number] - margins[:, number]
        found = _nearest_within(slope, wanted)
        if found is not None:
            target[free, number] = found[free]
    part = 0.5 ** np.arange(RAYS)
    towards = points[:, :, None] + (target - points)[:, :, None] * part
    within = np.repeat(points, RAYS, axis=1)
    found = along_rays(measure, towards.reshape(d, -1), within, free).reshape(d, n, RAYS)
    best = np.linalg.norm(found, axis=0).argmin(axis=1)
    return np.take_along_axis(found, best[None, :, None], axis=2)[:, :, 0]


def _gradients(
    measure: Measure, points: Array, free: NDArray[np.bool_], steps: Array
) -> tuple[Array, Array]:
    """Give the margins at every point and their slopes in every free score, by differences."""
    d, n = points.shape
    moved = np.flatnonzero(free)
    shifts = np.zeros((d, 2 * len(moved) + 1))
    shifts[moved, np.arange(len(moved))] = steps[moved]
    shifts[moved, len(moved) + np.arange(len(moved))] = -steps[moved]
    asked = np.clip(points[:, :, None] + shifts[:, None, :], -_LIMIT, _LIMIT)
    found = measure(asked.reshape(d, -1))[0]
    margins = found.reshape(len(found), n, -1)
    up, down = margins[..., : len(moved)], margins[..., len(moved) : -1]
    slopes = np.zeros((len(found), d, n))
    slopes[:, moved] = np.moveaxis((up - down) / (2 * steps[moved]), 1, 2)
    return margins[..., -1], slopes


def _nearest_within(slopes: Array, wanted: Array) -> Array | None:
    """Find the point nearest to the origin at which ``slopes @ point >= wanted``, if there is one.

    Least distance programming by non-negative least squares (Lawson and Hanson 1974, Solving Least
    Squares Problems, chapter 23).
    """
    from scipy.optimize import nnls  # noqa: PLC0415 - keeps import light

    size = np.linalg.norm(slopes, axis=1)
    if not (size > 0).any():
        return None
    rows, ends = slopes[size > 0] / size[size > 0, None], wanted[size > 0] / size[size > 0]
    left = np.vstack([rows.T, ends])
    right = np.zeros(len(left))
    right[-1] = 1.0
    rest = left @ nnls(left, right)[0] - right
    if not rest[-1] < 0:
        return None
    found: Array = -rest[:-1] / rest[-1]
    return found


def along_rays(measure: Measure, towards: Array, within: Array, free: NDArray[np.bool_]) -> Array:
    """Find on each ray the first point at which the event happens, no farther than a known one.

    Parameters
    ----------
    measure
        What the event is.
    towards
        Where each ray of free scores leads from 0, shape (score, ray); the others stay.
    within
        Points at which the event happens, of the same other scores, shape (score, ray).
    free
        Which scores may move, shape (score,).

    Returns
    -------
    Array
        Shape (score, ray): the first such point on the ray within the distance of the known one;
        the known one where there is none.
    """
    d, n = towards.shape
    rays = np.where(free[:, None], towards, 0.0)
    length = np.linalg.norm(rays, axis=0)
    rays = np.divide(rays, length, out=np.zeros_like(rays), where=length > 0)
    held = np.where(free[:, None], 0.0, within)
    most = np.linalg.norm(np.where(free[:, None], within, 0.0), axis=0)
    peak = np.abs(rays).max(axis=0, initial=0.0)
    far = np.minimum(most, np.divide(_LIMIT, peak, out=most.copy(), where=peak > 0))
    at_origin = measure(held)[1]
    near, first, row = np.zeros(n), np.where(at_origin, 0.0, np.inf), np.arange(n)
    for _ in range(LEVELS):
        tried = near[:, None] + (far - near)[:, None] * _CUTS
        asked = held[:, :, None] + rays[:, :, None] * tried[None]
        happens = measure(asked.reshape(d, -1))[1].reshape(n, -1)
        place = happens.argmax(axis=1)
        hit = happens.any(axis=1) & ~at_origin
        first = np.where(hit, tried[row, place], first)
        near = np.where(hit & (place > 0), tried[row, np.maximum(place - 1, 0)], near)
        far = np.where(hit, tried[row, place], far)
    found = held + rays * np.where(np.isfinite(first), first, 0.0)
    better = np.isfinite(first) & (first <= most)
    return np.where(better, found, within)
