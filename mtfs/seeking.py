"""The search of a lever's values for those that meet a target, all on the same draws."""

from __future__ import annotations

import itertools
import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mtfs.projection import project_gap
from mtfs.targets import Chance, Target
from mtfs.vocabulary import MtfsError, PlanWarning

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mtfs.levers import LeverOf
    from mtfs.plan import Plan
    from mtfs.vocabulary import Array

Shape = Literal["rises", "falls", "flat", "neither"]
_LEAST = 1e-12  # keeps the sign of a headroom of 0 while looking for where it changes
_ROUNDING = 1e-9  # relative: a statistic that falls by less has not fallen
_STEPS = 60  # more than a bisection from a bound to the last bit of a float takes


@dataclass(frozen=True)
class Tried:
    """One value of a lever and what the plan then gives."""

    value: float
    statistic: float = math.nan
    error: float = math.nan
    headroom: float = -math.inf
    """how far the statistic is on the right side of the target"""
    met: bool = False
    closeness: float = 0.0
    """GBP; tells apart values that come equally near: the mean margin of a chance's event"""
    refused: str | None = None
    """why the plan cannot hold the value"""

    def clears(self, shift: float) -> bool:
        """Whether it meets the target moved by ``shift``, a stricter one where that is positive."""
        if self.refused is not None:
            return False
        return self.met if shift == 0 else self.headroom >= shift


@dataclass(frozen=True)
class Answer:
    """Where a search ended."""

    tried: Tried
    low: float
    high: float
    intervals: tuple[tuple[float, float], ...]


class Search:
    """Values of a lever tried on one set of draws.

    Parameters
    ----------
    lever
        The lever in its plan.
    target
        What is to be met.
    n_draws, seed
        As for :func:`mtfs.project_gap`; the same for every value, so that two differ by the lever
        alone.
    tolerance
        How near to where the target is just met a value has to be.
    """

    def __init__(
        self, lever: LeverOf, target: Target, *, n_draws: int, seed: int, tolerance: float
    ) -> None:
        self.lever, self.target = lever, target
        self.n_draws, self.seed, self.tolerance = n_draws, seed, tolerance
        self.moves = False
        """whether any value changed what the target is about, in any draw"""
        self._tried: dict[float, Tried] = {}
        self._first: Array | None = None
        self.before = self._project(lever.plan, lever.current)
        """the plan as it is"""
        if lever.single:
            self._tried[self.before.value] = self.before

    @property
    def points(self) -> list[Tried]:
        """What was tried within the bounds, by value."""
        low, high = self.lever.lever.bounds
        return [self._tried[value] for value in sorted(self._tried) if low <= value <= high]

    def at(self, value: float) -> Tried:
        """Try a value."""
        found = self._tried.get(value)
        if found is None:
            found = self._tried[value] = self._try(value)
        return found

    def _try(self, value: float) -> Tried:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PlanWarning)  # said once, of the answer
                plan = self.lever.plan_at(value)
            return self._project(plan, value)
        except MtfsError as error:
            return Tried(value, refused=str(error))

    def _project(self, plan: Plan, value: float) -> Tried:
        ds = project_gap(plan, n_draws=self.n_draws, seed=self.seed, keep="totals")
        target = self.target
        draws = target.statistic.of(ds)
        statistic, error = target.statistic.measure(draws)
        values = draws.to_numpy()
        if self._first is None:
            self._first = values
        self.moves = self.moves or not np.array_equal(values, self._first)
        closeness = 0.0
        if isinstance(target.statistic, Chance):
            closeness = float(values.mean()) * (1 if target.wants_more else -1)
        headroom, met = target.headroom(statistic), target.met(statistic)
        return Tried(value, statistic, error, headroom, met, closeness)

    def scan(self, values: Iterable[float]) -> None:
        """Try values, then go between neighbours of which one meets the target and one does not."""
        for value in values:
            self.at(value)
        grid = self.points
        if not any(point.met for point in grid):
            self._climb(grid)
            grid = self.points
        for left, right in itertools.pairwise(grid):
            if left.met != right.met:
                self._cross(*((left, right) if right.met else (right, left)), 0.0)

    def scan_ends(self) -> None:
        """Try both bounds."""
        for value in self.lever.lever.bounds:
            self.at(value)

    def _climb(self, grid: list[Tried]) -> None:
        """Look between the neighbours of the best value for one that is better still."""
        from scipy.optimize import minimize_scalar  # noqa: PLC0415 - keeps import light

        best = grid.index(max(grid, key=_nearness))
        peak = grid[max(best - 1, 0) : best + 2]
        if len(peak) < 3 or any(each.refused for each in peak):  # noqa: PLR2004 - it and two neighbours
            return
        # a chance of nothing at all three says nothing: go by the distance from its event
        level = len({each.headroom for each in peak}) == 1

        def short(value: float) -> float:
            found = self.at(float(value))
            return -(found.closeness if level else found.headroom)

        minimize_scalar(
            short,
            bounds=(peak[0].value, peak[-1].value),
            method="bounded",
            options={"xatol": self.tolerance, "maxiter": _STEPS},
        )

    def _cross(self, outside: Tried, inside: Tried, shift: float) -> Tried:
        """Find the value nearest ``outside`` that still clears the target moved by ``shift``."""
        from scipy.optimize import brentq  # noqa: PLC0415 - keeps import light

        if abs(inside.value - outside.value) <= self.tolerance:
            return inside

        def signed(value: float) -> float:
            found = self.at(value)
            if found.refused is not None:
                return -1.0
            room = found.headroom - shift  # never 0: the root is where the sign changes
            return max(room, _LEAST) if found.clears(shift) else min(room, -_LEAST)

        step = self.tolerance / 2
        root = float(brentq(signed, outside.value, inside.value, xtol=step, maxiter=10 * _STEPS))
        step += 4 * np.finfo(float).eps * abs(root)
        further = root + math.copysign(min(step, abs(inside.value - root)), inside.value - root)
        for value in (root, further):
            if self.at(value).clears(shift):
                return self.at(value)
        return inside

    @property
    def shape(self) -> Shape:
        """How the statistic moves as the lever goes up."""
        held = np.array([point.statistic for point in self.points if point.refused is None])
        steps = np.diff(held)
        slack = _ROUNDING * np.abs(held).max(initial=0.0)
        if (np.abs(steps) <= slack).all():
            return "flat"
        if (steps >= -slack).all():
            return "rises"
        return "falls" if (steps <= slack).all() else "neither"

    def intervals(self) -> tuple[tuple[float, float], ...]:
        """List where the target is met, within the tolerance."""
        found: list[tuple[float, float]] = []
        last: Tried | None = None
        for point in self.points:
            if point.met:
                start = found.pop()[0] if last is not None and last.met else point.value
                found.append((start, point.value))
            last = point
        return tuple(found)

    def answer(self) -> Answer:
        """Give the value nearest to the plan's own that meets the target, and its error.

        Where none does, the one that comes nearest to meeting it.
        """
        intervals, current = self.intervals(), self.lever.current
        if not intervals:
            points = [point for point in self.points if point.refused is None]
            return Answer(max(points, key=_nearness), math.nan, math.nan, ())
        ends = [self.at(end) for pair in intervals for end in pair]
        ends += [point for point in self.points if point.value == current and point.met]
        nearest = min(ends, key=lambda point: abs(point.value - current))
        return Answer(nearest, *self._error(nearest), self.intervals())

    def _error(self, answer: Tried) -> tuple[float, float]:
        """Solve again at the target moved by its standard error either way.

        The chance's own error is 0 where it is 0 or 1, so that of the next value outside counts
        too.
        """
        toward = float(np.sign(self.lever.current - answer.value))
        outside = [p for p in self._from(answer, toward) if not p.met and p.refused is None][:1]
        error = max([answer.error, *(point.error for point in outside)])
        if math.isnan(error):
            return math.nan, math.nan
        laxer = self._laxer(answer, toward, error)
        ways = [-toward] if toward else [-1.0, 1.0]
        stricter = [found for way in ways if (found := self._stricter(answer, way, error))]
        if stricter:
            far = min(stricter, key=lambda point: abs(point.value - answer.value)).value
            return min(laxer, far), max(laxer, far)
        around = {way: [p.headroom for p in self._from(answer, way)[:1]] for way in ways}
        up = max(ways, key=lambda way: max(around[way], default=-math.inf)) > 0
        return (laxer, math.nan) if up else (math.nan, laxer)

    def _from(self, point: Tried, way: float) -> list[Tried]:
        """List what was tried beyond a point, the nearest first."""
        beyond = [p for p in self.points if (p.value - point.value) * way > 0]
        return beyond if way > 0 else beyond[::-1]

    def _laxer(self, answer: Tried, toward: float, error: float) -> float:
        """Go towards the plan's own value as long as a laxer target is met."""
        inside = answer
        for point in self._from(answer, toward):
            if (point.value - self.lever.current) * toward > 0:
                break
            if not point.clears(-error):
                return self._cross(point, inside, -error).value
            inside = point
        return inside.value

    def _stricter(self, answer: Tried, way: float, error: float) -> Tried | None:
        """Go into the values that meet the target until a stricter one is met."""
        if answer.clears(error):
            return answer
        outside = answer
        for point in self._from(answer, way):
            if not point.met:
                return None
            if point.clears(error):
                return self._cross(outside, point, error)
            outside = point
        return None


def _nearness(point: Tried) -> tuple[bool, float, float]:
    return (point.refused is None, point.headroom, point.closeness)
