"""A plan's shocks as points of independent scores, and the nearest at which an event happens."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from mtfs.design_point import STEP, along_rays, approach
from mtfs.distributions import quantile_score
from mtfs.events import ANY
from mtfs.lines import Grant, RiskLine
from mtfs.projection import project
from mtfs.vocabulary import Array

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from mtfs.events import Event
    from mtfs.plan import Plan
    from mtfs.sampling import ShockSpec

STARTS = 8  # points from which the nearest is looked for, of as many discrete states as there are
EACH = 256  # breaching draws of a state that are brought nearer before starts are chosen
_RANKS_STEP = 0.1  # of the normal score of a rank: dozens of ten thousand draws lie in it
_STEPPED = frozenset({"discrete", "empirical", "poisson"})  # shapes whose values are steps


class Search:
    """The scores of a plan as points, and the event as a measure of them.

    Near scores of a flow or cohort give no near people: what is drawn of them is a hash of the
    score. A point has how far towards the event their people lie instead, as a normal score: their
    rank among the draws, everything else at its median.

    Parameters
    ----------
    plan, event
        What is stressed, and by what.
    scores
        Of all shocks, as drawn.
    """

    def __init__(self, plan: Plan, event: Event, scores: Mapping[str, Array]) -> None:
        self._plan, self._event = plan, event
        self._ranked: dict[str, tuple[Array, Array]] = {}  # normal scores of ranks, and streams'
        self.specs: Sequence[ShockSpec] = plan.shocks()
        horizon, self._places, start = plan.horizon, {}, 0
        for spec in self.specs:
            stop = start + (1 if spec.once else horizon)
            self._places[spec.name] = slice(start, stop)
            start = stop
        self._steps = {name: np.array(cuts) for name, cuts in thresholds(plan).items()}
        stepped = [
            driver.shock_name
            for driver in plan.drivers
            if driver.uncertain and driver.shape in _STEPPED
        ]
        self._stepped = np.zeros(start, dtype=bool)
        for name in self._steps:
            self._stepped[self._places[name]] = True
        self.free = ~self._stepped  # which scores may move
        people = [spec.name for each in plan.people_sources() for spec in each.shocks()]
        for name in stepped:
            self.free[self._places[name]] = False
        self._held = [place for name in stepped for place in range(start)[self._places[name]]]
        self._wide = np.full(start, STEP)
        for name in people:
            self._wide[self._places[name]] = _RANKS_STEP
            self._ranked[name] = self._rank(name, scores[name])

    def _rank(self, name: str, drawn: Array) -> tuple[Array, Array]:
        """Order the scores of people by how far towards the event they alone lead."""
        points = np.zeros((len(self.free), len(drawn)))
        points[self._places[name]] = drawn
        order = np.argsort(self.measure(points)[0].min(axis=0), kind="stable")
        return special.ndtri((np.arange(len(order)) + 0.5) / len(order)), drawn[order]

    def flat(self, scores: Mapping[str, Array]) -> Array:
        """Put the scores of all shocks one above the other, shape (score, draw)."""
        rows = []
        for spec in self.specs:
            row = scores[spec.name]
            if spec.name in self._ranked:
                ranks, streams = self._ranked[spec.name]
                by_stream = np.argsort(streams)
                row = ranks[by_stream[np.searchsorted(streams[by_stream], row)]]
            rows.append(np.atleast_2d(row))
        return np.vstack(rows)

    def scores(self, points: Array) -> dict[str, Array]:
        """Give points of shape (score, draw) as scores by shock, as a projection takes them."""
        found = {
            spec.name: points[self._places[spec.name].start]
            if spec.once
            else points[self._places[spec.name]]
            for spec in self.specs
        }
        for name, (ranks, streams) in self._ranked.items():
            after = np.searchsorted(ranks, found[name]).clip(1, len(ranks) - 1)
            nearer = found[name] - ranks[after - 1] < ranks[after] - found[name]
            found[name] = np.where(found[name] == 0, 0.0, streams[after - nearer])
        return found

    def rows(self, points: Array) -> dict[str, Array]:
        """Give points of shape (score, draw) by shock as they are, shape (year or 1, draw)."""
        return {spec.name: points[self._places[spec.name]] for spec in self.specs}

    def measure(self, points: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Say how far within the event points are, GBP, and whether it happens.

        An event of every year has a part for each; of any year, the year that is farthest within.
        """
        ds = project(self._plan, self.scores(points), keep="totals")
        margins = self._event.margins(ds).to_numpy().T
        if self._event.when == ANY:
            margins = margins.max(axis=0, keepdims=True)
        return margins, self._event.happens(ds).to_numpy()

    def nearest(self, draws: Array, happens: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Find the nearest point at which the event happens.

        Parameters
        ----------
        draws
            Scores of shape (score, draw).
        happens
            In which draws the event does, shape (draw,).

        Returns
        -------
        tuple
            Its scores, and the distance reached from each start, rising.
        """
        states, least = self._states(draws)
        known = []
        for state in self._likeliest(states, least, happens):
            here = np.flatnonzero(happens & (states == state))
            lengths = np.linalg.norm(draws[:, here], axis=0)
            known.append(here[np.argsort(lengths, kind="stable")[:EACH]])
        chosen = np.concatenate(known)
        points = np.where(self._stepped[:, None], least[:, chosen], draws[:, chosen])
        still = self.measure(points)[1]  # rounding alone could make it differ
        points = np.where(still, points, draws[:, chosen])
        points = along_rays(self.measure, points, points, self.free)
        starts = points[:, self._choose(points, states[chosen])]
        for place in self._held:
            only = np.zeros(len(starts), dtype=bool)
            only[place] = True
            starts = along_rays(self.measure, starts, starts, only)
        points = approach(self.measure, starts, self.free, steps=self._wide)
        distances = np.linalg.norm(points, axis=0)
        return self._surely(points[:, distances.argmin()]), np.sort(distances)

    def _states(self, draws: Array) -> tuple[NDArray[np.intp], Array]:
        """Give the number of each draw's state, and the scores of that state nearest to 0."""
        least = np.zeros_like(draws)
        state = np.zeros((len(self._steps), draws.shape[1]), dtype=np.intp)
        for number, (name, cuts) in enumerate(self._steps.items()):
            row = self._places[name].start
            edges = np.concatenate([[-np.inf], cuts, [np.inf]])
            state[number] = np.searchsorted(cuts, draws[row], side="right")
            low, high = edges[state[number]], edges[state[number] + 1]  # a state starts at its cut
            least[row] = np.clip(0.0, low, np.nextafter(high, -np.inf))
        if not self._steps:
            return np.zeros(draws.shape[1], dtype=np.intp), least
        return np.unique(state, axis=1, return_inverse=True)[1], least

    @staticmethod
    def _likeliest(states: NDArray[np.intp], least: Array, happens: NDArray[np.bool_]) -> list[int]:
        """List the states in which the event should lie nearest, were it linear in the rest."""
        found = {}
        for state in np.unique(states[happens]):
            here = states == state
            share = happens[here].mean()
            rest = max(-float(special.ndtri(share)), 0.0)
            held = float(np.linalg.norm(least[:, np.argmax(here)]))
            found[int(state)] = math.hypot(held, rest)
        return sorted(found, key=lambda state: found[state])[:STARTS]

    def _choose(self, points: Array, states: NDArray[np.intp]) -> NDArray[np.intp]:
        """Choose starts: the nearest of each state, then the second nearest and so on."""
        order = np.argsort(np.linalg.norm(points, axis=0), kind="stable")
        turns: dict[int, int] = {}
        rank = []
        for place in order:
            turns[states[place]] = turns.get(states[place], -1) + 1
            rank.append(turns[states[place]])
        return order[np.argsort(rank, kind="stable")][:STARTS]

    def _surely(self, point: Array) -> Array:
        """Move a point on the border of the event away from rounding."""
        more = 1.0
        while not self.measure(np.where(self.free, point * more, point)[:, None])[1][0]:
            more += 1e-9
        return np.where(self.free, point * more, point)


def thresholds(plan: Plan) -> dict[str, list[float]]:
    """List the scores at which what happens or not changes, by stream."""
    chances: dict[str, list[float]] = {}
    for driver in plan.drivers:
        for event in driver.events:
            chances[f"{driver.shock_name}.{event.name}"] = [event.probability]
    for line in plan.lines:
        if isinstance(line, RiskLine):
            chances[f"{line.name}.happens"] = [line.probability]
    for scheme in plan.schemes():
        terms = scheme.terms
        chances[f"{terms.scheme}.start"] = [terms.starts]
        delays = [delay.probability for delay in terms.delays]
        chances[f"{terms.scheme}.delay"] = np.cumsum(delays).tolist()
    for source in plan.funding:
        if isinstance(source, Grant):
            chances[f"{source.name}.continues"] = [source.continues]
    for item in plan.memorandum:
        if item.override is not None:
            chances[f"{item.name}.override"] = [item.override.probability]
    drawn = {spec.name for spec in plan.shocks()}
    return {
        name: [quantile_score(chance) for chance in each if 0 < chance < 1]
        for name, each in chances.items()
        if name in drawn
    }
