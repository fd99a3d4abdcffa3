"""Every child in every draw: histories in continuous time, by independent clocks for every event.

In each step every child has one clock for leaving care and one for each placement it may move to;
the first to ring happens. Clocks start afresh in a new placement, on a birthday that leads to
another age band and where another band of time in care begins, so that rates and person-time are
exact. A clock is a hash of the child's key, the step and the event: a change of one rate moves that
clock and no other.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtri

from mtfs.flows.inversion import Ints, chosen, poisson, quantile
from mtfs.flows.model import birthdays
from mtfs.flows.states import YEAR_DAYS
from mtfs.flows.tallies import Book, Cap, Tally
from mtfs.flows.uniforms import Keys, keyed, mixed, uniforms, word

if TYPE_CHECKING:
    from mtfs.flows.levers import Resolved
    from mtfs.flows.model import FlowModel
    from mtfs.flows.steps import Steps
    from mtfs.vocabulary import Array

LANES = 8  # clocks that one hash of 64 bits serves, with 8 bits each
_TICKS = 256  # values of a lane
_EXIT = 0  # the lane of leaving care; lane 1 + p leads to placement p
_CHILD, _ENTRANT, _ENTRIES, _MONTH, _PLACED, _AGED, _CAME, _SENT = (
    word(each)
    for each in ("child", "entrant", "entries", "month", "placed", "aged", "came", "sent")
)
_DRIFTS = {name: word(f"drift of {name}") for name in ("entries", "exits")}
_FINE, _AGAIN = 1 << 20, 1 << 21  # words apart from those of steps and lanes
_TIDY = 6  # steps between sweeps of those who left


class Histories:
    """The children of some draws, step by step.

    Parameters
    ----------
    model
        Who is in care, and what is known of rates and entries.
    levers
        What they are multiplied by, and limits on places, in these draws.
    keys
        One key a draw.
    """

    def __init__(self, model: FlowModel, levers: Resolved, steps: Steps, keys: Keys) -> None:
        self.model, self.levers, self.steps, self.keys = model, levers, steps, keys
        self.n_draws = len(keys)
        ages, placements, durations = model.grouping.shape
        self._shape = (len(model.groups), ages, placements, durations)
        self._n_cells = int(np.prod(self._shape))
        self._n_states = self._n_cells // durations
        self._n_lanes = 1 + placements
        self._ends = np.append(np.array(model.grouping.durations[1:]) * YEAR_DAYS, np.inf)
        self._rates, self._arrivals = model.rates.draw(keys), model.arrivals.draw(keys)
        self._hazards: Array = np.zeros(0)
        self._thresholds: list[Keys] = []
        self._caps = [Cap(lever, model, steps) for lever in levers.capacities]
        self._homes = [
            (
                model.grouping.placement_names.index(home.placement),
                home.in_effect(steps) * home.places * home.occupancy,
            )
            for home in levers.homes
        ]

    @cached_property
    def _drift(self) -> dict[str, Array]:
        """What levels are multiplied by as they wander, shape (year, draw), mean 1.

        A level learnt as the mean of a random walk over a window of W years has wandered by a
        variance of W / 3 (times that of a year's step) by the window's end.
        """
        drift = self.model.drift
        window = ((self.model.as_of - self.model.start).days + 1) / YEAR_DAYS
        years = np.arange(len(self.steps.years))[:, None]
        spread = np.where(years == 0, window / 3 + 0.5, 1.0) ** 0.5
        entries, exits = (ndtri(uniforms(self.keys, stream, years)) for stream in _DRIFTS.values())
        exits = drift.correlation * entries + (1 - drift.correlation**2) ** 0.5 * exits
        found = {}
        for name, scores in (("entries", entries), ("exits", exits)):
            steps = spread * getattr(drift, name)
            found[name] = np.exp(np.cumsum(steps * scores - steps**2 / 2, axis=0))
        return found

    def run(self, out: Tally) -> None:
        """Go through all steps, counting into ``out``."""
        self._settle_in()
        before = -1
        for step, year in enumerate(self.steps.year):
            if year != before or self.levers.changed(step):
                self._set_rates(step)
            before = year
            self._step(step, out)
            if step % _TIDY == _TIDY - 1:
                self._tidy()
            if step + 1 == self.steps.count or self.steps.year[step + 1] != year:
                out.closing[:, year] = self._stock
                self._count_homes(step, self._stock, out.homes_closing[:, year], 1.0)
        days = np.bincount(self.steps.year, self.steps.lengths)[:, None]
        out.average[...] /= days
        out.homes[...] /= days

    # Who is there

    def _settle_in(self) -> None:
        """Put the children of the census into every draw."""
        census, n_draws = self.model.census, self.n_draws
        count = census.count
        group, placement = np.array(census.group, int), np.array(census.placement, int)
        self._birthdays = birthdays(self.model)
        age = (self._birthdays < 0).sum(axis=1)
        care = -np.array(census.care_days, float)
        duration = self._band(-care)
        cell = self._cell(group, age, placement, duration)
        draw = np.repeat(np.arange(n_draws), count)
        who = np.tile(np.arange(count), n_draws)
        self._size = max(2 * n_draws * count, 1024)
        self._key: Keys = np.zeros(self._size, np.uint64)
        self._row = np.full(self._size, self._gone)
        self._change, self._born, self._care = np.full((3, self._size), np.inf)
        self._who = np.zeros(self._size, np.intp)
        self._n = 0
        self._append(
            keyed(self.keys[draw], _CHILD, who),
            draw * self._n_cells + np.tile(cell, n_draws),
            np.tile(-np.array(census.age_days, float), n_draws),
            np.tile(care, n_draws),
            who,
        )
        state = np.bincount(cell // self._shape[3], minlength=self._n_states).astype(float)
        self._stock = np.repeat(state[:, None], n_draws, axis=1)

    @property
    def _gone(self) -> int:
        """The row of those who are not in care: no clock of theirs ever rings."""
        return self.n_draws * self._n_cells

    def _append(self, key: Keys, row: Ints, born: Array, care: Array, who: Ints) -> None:
        """Add people, with the times at which something about them changes."""
        start, self._n = self._n, self._n + len(key)
        if self._n > self._size:
            self._size = 2 * self._n
            for name in ("_key", "_row", "_change", "_born", "_care", "_who"):
                held = getattr(self, name)
                setattr(self, name, np.resize(held, self._size))
        new = slice(start, self._n)
        self._key[new], self._row[new], self._who[new] = key, row, who
        self._born[new], self._care[new] = born, care
        people = np.arange(start, self._n)
        self._change[new] = self._next_change(people)

    def _birthday(self, people: Ints, band: Ints | int) -> Array:
        """Give when people leave an age band, in days."""
        years = np.array(self.model.grouping.ages[1:], float)
        about = self._born[people] + years[band] * YEAR_DAYS
        who = self._who[people]
        if not len(self._birthdays):
            return about
        return np.where(who >= 0, self._birthdays[np.maximum(who, 0), band], about)

    def _next_change(self, people: Ints) -> Array:
        """Give when people's age band or band of time in care changes next."""
        _, age, _, duration = np.unravel_index(self._row[people] % self._n_cells, self._shape)
        change: Array = np.minimum(
            self._birthday(people, age), self._care[people] + self._ends[duration]
        )
        return change

    def _band(self, days: Array) -> Ints:
        """Give the band of time in care."""
        return np.searchsorted(self._ends[:-1], days, side="right")

    def _cell(self, group: Ints, age: Ints, placement: Ints, duration: Ints) -> Ints:
        return np.ravel_multi_index((group, age, placement, duration), self._shape)

    def _tidy(self) -> None:
        """Forget those who left."""
        stay = np.flatnonzero(self._row[: self._n] != self._gone)
        for name in ("_key", "_row", "_change", "_born", "_care", "_who"):
            held = getattr(self, name)
            held[: len(stay)] = held[stay]
        self._n = len(stay)

    # What may happen

    def _set_rates(self, step: int) -> None:
        """Set every clock's rate a day, and how high a lane may stand for its clock to ring."""
        drift = self._drift["exits"][self.steps.year[step]]
        exits = self._rates.exits[..., None, :] * self.levers.exits(step)[..., None, :]
        held = np.empty((*self._shape, self._n_lanes, self.n_draws))
        held[..., :1, :] = exits.reshape(*exits.shape[:4], 1, -1) * drift
        held[..., 1:, :] = self._rates.moves * self.levers.moves(step)
        held /= YEAR_DAYS
        hazards = np.zeros((self._gone + 1, self._n_lanes))
        hazards[:-1] = np.moveaxis(held, -1, 0).reshape(-1, self._n_lanes)
        self._hazards = hazards
        # A superset for the longest step. A clock that rings with more than 255/256 in a step is
        # left to ring with that.
        chance = -np.expm1(-hazards * self.steps.lengths.max())
        n_words = -(-self._n_lanes // LANES)
        lanes = np.zeros((len(hazards), n_words * LANES), np.uint8)
        lanes[:, : self._n_lanes] = np.minimum(np.ceil(chance * _TICKS), _TICKS - 1)
        self._thresholds = list(np.ascontiguousarray(lanes.view(np.uint64).T))

    def _step(self, step: int, out: Tally) -> None:
        """Let one step pass."""
        low, high = self.steps.edges[step : step + 2]
        year = self.steps.year[step]
        book = Book(self._n_states, self._shape[2], self.n_draws, high)
        self._grow_older(self._due(low), book)  # birthdays on its first day
        for cap in self._caps:
            cap.begin(step, self._stock + book.change, self._shape[2])
        until = np.nextafter(high, low)  # who has a birthday on 1 April is there on 31 March
        people, lane, time = self._first_rings(step, low, high)
        moved, then = self._happen(people, lane, time, step, book)
        waits = self._change[: self._n] <= until
        waits[moved] = False
        older = np.flatnonzero(waits)
        new, came = self._enter(step, low, high, book)
        again = 0
        while len(moved) + len(older) + len(new):
            again += 1
            older, at = self._grow_older(older, book)
            people, now = np.concatenate([moved, older, new]), np.concatenate([then, at, came])
            rings, lane, time = self._rings(people, now, high, (step, _AGAIN + again))
            older = people[~rings]
            older = older[self._change[older] <= until]
            moved, then = self._happen(people[rings], lane, time, step, book)
            new, came = new[:0], came[:0]
        out.adults_by_step[step] = book.adults.sum(axis=0)
        out.adults[:, year] += book.adults
        out.entries[:, year] += book.entries
        out.exits[:, year] += book.exits
        out.moves[..., year, :] += book.moves
        person_days = self._stock * (high - low) + book.person_days
        out.average[:, year] += person_days
        self._stock = self._stock + book.change
        self._count_homes(step, person_days / (high - low), out.homes[:, year], high - low)

    def _first_rings(self, step: int, low: float, high: float) -> tuple[Ints, Ints, Array]:
        """Find who of those there at the beginning has a clock that rings, which and when."""
        n = self._n
        rows = self._row[:n]
        pairs = []
        for number, thresholds in enumerate(self._thresholds):
            lanes = mixed(self._key[:n] + _mark(step, number)).view(np.uint8)
            hit = lanes < thresholds.take(rows).view(np.uint8)
            some = np.flatnonzero(hit.view(np.uint64) != 0)
            who, lane = np.divmod(np.flatnonzero(hit.reshape(n, LANES)[some]), LANES)
            person = some[who]
            ticks = lanes.reshape(n, LANES)[person, lane]
            pairs.append((person, lane + number * LANES, ticks))
        person, lane, ticks = (np.concatenate(each) for each in zip(*pairs, strict=True))
        fine = uniforms(self._key[person], step, _FINE + lane)
        time = low - np.log1p(-(ticks + fine) / _TICKS) / self._hazards[rows[person], lane]
        keep = np.flatnonzero(time < np.minimum(high, self._change[person]))
        first = keep[_earliest(person[keep], time[keep])]
        return person[first], lane[first], time[first]

    def _rings(
        self, people: Ints, now: Array, high: float, words: tuple[int, int]
    ) -> tuple[NDArray[np.bool_], Ints, Array]:
        """Find whose clock rings before anything else changes: a mask, which and when."""
        hazards = self._hazards[self._row[people]]
        chance = uniforms(self._key[people][:, None], *words, np.arange(self._n_lanes))
        # A superset of those whose clock rings by then: exp(-x) is 1 - x at least.
        hit = chance > 1 - hazards * (high - now)[:, None]
        who, lane = np.divmod(np.flatnonzero(hit), self._n_lanes)
        time = now[who] - np.log(chance[who, lane]) / hazards[who, lane]
        keep = np.flatnonzero(time < np.minimum(high, self._change[people[who]]))
        first = keep[_earliest(who[keep], time[keep])]
        rings = np.zeros(len(people), bool)
        rings[who[first]] = True
        return rings, lane[first], time[first]

    def _happen(
        self, people: Ints, lane: Ints, time: Array, step: int, book: Book
    ) -> tuple[Ints, Array]:
        """Let events happen; give who moved, and when."""
        draw, cell = np.divmod(self._row[people], self._n_cells)
        state = cell // self._shape[3]
        origin = state % self._shape[2]
        for cap in self._caps:
            cap.free(draw, origin)
        leaves = lane == _EXIT
        book.leave(state[leaves], draw[leaves], time[leaves])
        self._leave(people[leaves])
        goes = ~leaves
        people, time, draw, state, origin = (
            each[goes] for each in (people, time, draw, state, origin)
        )
        where = self._placed(people, draw, lane[goes] - 1, time, step)
        self._row[people] += (where - origin) * self._shape[3]
        book.move(state, origin, where, draw, time)
        return people, time

    def _leave(self, people: Ints) -> None:
        self._row[people] = self._gone
        self._change[people] = np.inf

    def _placed(self, people: Ints, draw: Ints, where: Ints, time: Array, step: int) -> Ints:
        """Place those who come, as far as limits on places allow."""
        for cap in self._caps:
            chance = uniforms(self._key[people], step, _SENT) if len(people) else np.zeros(0)
            where = cap.place(draw, where, time, chance)
        return where

    def _enter(self, step: int, low: float, high: float, book: Book) -> tuple[Ints, Array]:
        """Let children enter care in a step; give who, and when."""
        arrivals, groups_ages = self._arrivals, self._shape[:2]
        level = (
            arrivals.level
            * self.levers.entries(step)
            * self._drift["entries"][self.steps.year[step]]
        )
        expected = level * ((high - low) / YEAR_DAYS * arrivals.season[self.steps.month[step]])
        expected = np.broadcast_to(expected, (*groups_ages, self.n_draws)).reshape(-1, self.n_draws)
        if arrivals.dispersion > 0:
            shape = 1 / arrivals.dispersion
            chance = uniforms(self.keys, _MONTH, int(self.steps.months_on[step]))
            expected = expected * (gammaincinv(shape, chance) / shape)
        streams = np.arange(len(expected))[:, None]
        counts = poisson(expected, uniforms(self.keys, _ENTRIES, streams, step))
        which = np.repeat(np.arange(len(counts)), counts)
        stream, draw = np.divmod(which, self.n_draws)
        ordinal = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
        key = keyed(self.keys[draw], _ENTRANT, stream, step, ordinal)
        group, age = np.divmod(stream, groups_ages[1])
        came = low + uniforms(key, _CAME) * (high - low)
        years = quantile(arrivals.ages[group, age], uniforms(key, _AGED))
        shares = np.broadcast_to(arrivals.placements, (*self._shape[:3], self.n_draws))[
            group, age, :, draw
        ]
        where = chosen(shares, uniforms(key, _PLACED))
        people = np.arange(self._n, self._n + len(key))
        cell = self._cell(group, age, where, np.zeros(len(key), int))
        self._append(
            key, draw * self._n_cells + cell, came - years * YEAR_DAYS, came, np.full(len(key), -1)
        )
        placed = self._placed(people, draw, where, came, step)
        self._row[people] += (placed - where) * self._shape[3]
        book.enter((cell // self._shape[3]) + placed - where, draw, came)
        return people, came

    def _due(self, until: float) -> Ints:
        """Find whose age band or band of time in care changes by then."""
        return np.flatnonzero(self._change[: self._n] <= until)

    def _grow_older(self, people: Ints, book: Book) -> tuple[Ints, Array]:
        """Let the next birthday or band of time in care of some come; whoever turns 18 leaves.

        Gives those who stay, and when it came.
        """
        at = self._change[people]
        draw, cell = np.divmod(self._row[people], self._n_cells)
        group, age, placement, duration = np.unravel_index(cell, self._shape)
        older = self._birthday(people, age) <= at
        longer = self._care[people] + self._ends[duration] <= at
        adult = older & (age == self._shape[1] - 1)
        state = cell // self._shape[3]
        book.grow_up(state[adult], draw[adult], at[adult])
        self._leave(people[adult])
        older = older & ~adult
        book.age(state[older], draw[older], at[older])
        people, at, draw, group, age, placement, duration = (
            each[~adult]
            for each in (people, at, draw, group, age + older, placement, duration + longer)
        )
        self._row[people] = draw * self._n_cells + self._cell(group, age, placement, duration)
        self._change[people] = self._next_change(people)
        return people, at

    def _count_homes(self, step: int, stock: Array, out: Array, weight: float) -> None:
        """Add the children in new homes: as many as have a place there, of those placed so."""
        placements = self._shape[2]
        there = stock.reshape(-1, placements, self.n_draws).sum(axis=0)
        for number, (placement, places) in enumerate(self._homes):
            inside = np.minimum(there[placement], places[step])
            out[number] += inside * weight
            there[placement] -= inside


def _earliest(person: Ints, time: Array) -> Ints:
    """Find where everyone's earliest time is, in the order of people."""
    order = np.arange(len(person))
    if (person[1:] < person[:-1]).any():
        order = np.argsort(person, kind="stable")
        person, time = person[order], time[order]
    again = person[1:] == person[:-1]
    # Few have more than one time, and sorting is dear: only theirs are sorted.
    several = np.flatnonzero(np.append(again, False) | np.append(False, again))
    order[several] = order[several[np.lexsort((time[several], person[several]))]]
    first: Ints = order[np.append(True, ~again)[: len(person)]]
    return first


def _mark(step: int, number: int) -> Keys:
    """Give what is added to a child's key for the lanes of a step."""
    return keyed(np.array(word("lanes"), np.uint64), step, number)
