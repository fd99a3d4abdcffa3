"""The expected flow: one deterministic path at the mean rates, for the council's own table.

It follows the chances of every child over placements by matrix exponentials, with the same steps,
bands and levers as the simulation; entries count in full, by their expected number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mtfs.flows.inversion import Ints, quantile
from mtfs.flows.model import birthdays
from mtfs.flows.states import YEAR_DAYS
from mtfs.vocabulary import Array

if TYPE_CHECKING:
    from mtfs.flows.known import Arrivals
    from mtfs.flows.levers import CapacityLever, Resolved
    from mtfs.flows.model import FlowModel
    from mtfs.flows.steps import Steps

_TERMS = 17  # of Taylor's series: 0.5**17 / 17! is less than rounding
_AGES = 10  # ages at entry that stand for a band's entrants, each with as many of them
_MOMENTS = (0.5 - 0.5 / 3**0.5, 0.5 + 0.5 / 3**0.5)  # of entry in a step: Gauss-Legendre's two


@dataclass(frozen=True)
class Expected:
    """Expected numbers of children; ``state`` runs over group, age and placement."""

    average: Array
    """shape (state, year)"""
    closing: Array
    """at the year's end, shape (state, year)"""
    homes: Array
    """average children in each new home, shape (home, year)"""
    homes_closing: Array


def expected(model: FlowModel, levers: Resolved, steps: Steps) -> Expected:
    """Follow the expected numbers of children step by step.

    Where places are limited, as many as expect to find one find one; in draws some find none
    earlier, so the limit binds a little less here than on average there.
    """
    return _Walk(model, levers, steps).run()


@dataclass
class _People:
    """Children, or all whom one stands for: expected numbers by placement, and their days."""

    number: Array
    """shape (person, placement)"""
    group: Ints
    age: Ints
    birthdays: Array
    """when each age band ends, days, shape (person, band)"""
    care: Array
    """when care began, days"""

    def joined(self, other: _People) -> _People:
        """Add other people."""
        return _People(
            *(
                np.concatenate([getattr(self, name), getattr(other, name)])
                for name in self.__dataclass_fields__
            )
        )

    def kept(self, which: NDArray[np.bool_]) -> _People:
        """Keep some."""
        return _People(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


class _Walk:
    def __init__(self, model: FlowModel, levers: Resolved, steps: Steps) -> None:
        self.model, self.levers, self.steps = model, levers, steps
        ages, placements, durations = model.grouping.shape
        self._shape = (len(model.groups), ages, placements, durations)
        self._rates, self._arrivals = model.rates.mean(), model.arrivals.mean()
        self._care_edges = np.array(model.grouping.durations[1:]) * YEAR_DAYS
        self._caps = [_Places(lever, model, steps) for lever in levers.capacities]

    def run(self) -> Expected:
        """Go through all steps."""
        n_groups, ages, placements, _ = self._shape
        steps, n_years = self.steps, len(self.steps.years)
        average = np.zeros((n_groups, ages, placements, n_years))
        closing = np.zeros_like(average)
        homes = np.zeros((len(self.levers.homes), n_years))
        homes_closing = np.zeros_like(homes)
        people = self._census()
        for step, year in enumerate(steps.year):
            days, people = self._step(step, people)
            average[..., year] += days
            length = steps.lengths[step]
            homes[:, year] += self._in_homes(step, days / length) * length
            stock = np.zeros((n_groups, ages, placements))
            np.add.at(stock, (people.group, people.age), people.number)
            closing[..., year] = stock
            homes_closing[:, year] = self._in_homes(step, stock)
        whole = np.bincount(steps.year, steps.lengths)
        flat = (n_groups * ages * placements, n_years)
        return Expected(
            (average / whole).reshape(flat), closing.reshape(flat), homes / whole, homes_closing
        )

    def _census(self) -> _People:
        census = self.model.census
        ends = birthdays(self.model)
        care = -np.array(census.care_days, float)
        return _People(
            np.eye(self._shape[2])[np.array(census.placement, int)],
            np.array(census.group, int),
            (ends < 0).sum(axis=1),
            ends,
            care,
        )

    def _band(self, days: Array) -> Ints:
        return np.asarray(np.searchsorted(self._care_edges, days, side="right"), np.intp)

    def _step(self, step: int, people: _People) -> tuple[Array, _People]:
        """Let one step pass; give person-days by state, and who is there then."""
        low, high = self.steps.edges[step : step + 2]
        people = self._aged(people, low)
        exits, moves = self._rates_in(step)
        entrants, shares = self._entering(step, low, high)
        for cap in self._caps:
            cells = self._cells(people, (low + high) / 2)
            found = (exits, moves), (entrants, shares, high - low)
            moves, shares = cap.limit(step, people.number, cells, *found)
        rates = moves.swapaxes(2, 3).copy()  # (group, age, duration, placement, destination)
        placements = np.arange(self._shape[2])
        rates[..., placements, placements] -= (exits + moves.sum(axis=-1)).swapaxes(2, 3)
        ahead, during = transitions(rates, high - low)
        days = np.zeros(self._shape[:3])
        later, lived = self._through(people, ahead, during, (low + high) / 2)
        people = self._grown(people, later, lived, rates=rates, between=(low, high), days=days)
        for moment in _MOMENTS:
            rest = (1 - moment) * (high - low)
            ahead, during = transitions(rates, rest)
            new = self._entrants(entrants, shares, low + moment * (high - low))
            later, lived = self._through(new, ahead, during, high - rest / 2)
            people = people.joined(
                self._grown(new, later, lived, rates=rates, between=(high - rest, high), days=days)
            )
        return days, people

    def _aged(self, people: _People, day: float) -> _People:
        """Let birthdays on a step's first day pass, before its rates are looked up."""
        at = np.arange(len(people.age))
        people = replace(people, age=people.age + (people.birthdays[at, people.age] <= day))
        return people.kept(people.age < self._shape[1])

    def _rates_in(self, step: int) -> tuple[Array, Array]:
        """Give exits and moves a day in a step, in the middle of what levers do."""
        exits = self._rates.exits[..., None, :] * self.levers.exits(step)[..., None, :]
        exits = exits[..., 0, :].mean(axis=-1)
        moves = (self._rates.moves * self.levers.moves(step)).mean(axis=-1)
        return exits / YEAR_DAYS, np.broadcast_to(moves, (*self._shape, self._shape[2])) / YEAR_DAYS

    def _entering(self, step: int, low: float, high: float) -> tuple[Array, Array]:
        """Give expected entries by group and age, and their shares by placement."""
        arrivals: Arrivals = self._arrivals
        level = (arrivals.level * self.levers.entries(step)).mean(axis=-1)
        number = level * ((high - low) / YEAR_DAYS * arrivals.season[self.steps.month[step]])
        return np.broadcast_to(number, self._shape[:2]), arrivals.placements.mean(axis=-1)

    def _entrants(self, number: Array, shares: Array, came: float) -> _People:
        """Make those who enter at one of a step's moments, some ages standing for all."""
        n_groups, ages, placements, _ = self._shape
        group, age, point = (each.ravel() for each in np.indices((n_groups, ages, _AGES)))
        years = quantile(self._arrivals.ages[group, age], (point + 0.5) / _AGES)
        born = came - years * YEAR_DAYS
        ends = born[:, None] + np.array(self.model.grouping.ages[1:]) * YEAR_DAYS
        each = (number[..., None] * shares)[group, age] / (_AGES * len(_MOMENTS))
        return _People(
            each.reshape(-1, placements),
            group,
            age,
            ends,
            np.full(len(group), came),
        )

    def _through(
        self, people: _People, ahead: Array, during: Array, middle: float
    ) -> tuple[Array, Array]:
        """Take people through a time; give where they are then, and the days they spent where."""
        cell = np.ravel_multi_index(self._cells(people, middle), ahead.shape[:3])
        size = ahead.shape[-1]
        later, lived = np.empty_like(people.number), np.empty_like(people.number)
        flat_ahead, flat_during = ahead.reshape(-1, size, size), during.reshape(-1, size, size)
        for number in np.unique(cell):
            here = cell == number
            later[here] = people.number[here] @ flat_ahead[number]
            lived[here] = people.number[here] @ flat_during[number]
        return later, lived

    def _cells(self, people: _People, middle: float) -> tuple[Ints, Ints, Ints]:
        """Give group, age and time in care, which decide rates in a step.

        Time in care is that of the step's middle: of those for whom it changes within the step half
        are ahead of it and half behind.
        """
        return people.group, people.age, self._band(middle - people.care)

    def _grown(
        self,
        people: _People,
        later: Array,
        lived: Array,
        *,
        rates: Array,
        between: tuple[float, float],
        days: Array,
    ) -> _People:
        """Let birthdays pass; book person-days; leave out who turned 18.

        A birthday cuts a step in two, with the rates of each age in its part.
        """
        low, high = between
        birthday = people.birthdays[np.arange(len(people.age)), people.age]
        older = birthday < high
        last = people.age == self._shape[1] - 1
        group, age, duration = (each[older] for each in self._cells(people, (low + high) / 2))
        share = ((birthday[older] - low) / (high - low))[:, None]
        here = people.number[older]
        until, before = self._lived(here, rates[group, age, duration], share, high - low)
        next_age = np.minimum(age + 1, self._shape[1] - 1)  # of those who turn 18 nothing follows
        then, after = self._lived(until, rates[group, next_age, duration], 1 - share, high - low)
        lived, later = lived.copy(), later.copy()
        lived[older], later[older] = before, then
        np.add.at(days, (people.group, people.age), lived)
        goes_on = ~last[older]
        np.add.at(days, (group[goes_on], age[goes_on] + 1), after[goes_on])
        adult = older & last
        grown = _People(
            later,
            people.group,
            people.age + (older & ~last),
            people.birthdays,
            people.care,
        )
        return grown.kept(~adult)

    def _lived(self, number: Array, rates: Array, share: Array, days: float) -> tuple[Array, Array]:
        """Take people through a share of some days: where they are then, and the days spent."""
        ahead, during = transitions(rates * share[..., None], days)
        then = np.einsum("np,npq->nq", number, ahead)
        return then, share * np.einsum("np,npq->nq", number, during)

    def _in_homes(self, step: int, stock: Array) -> Array:
        """Give the children in each new home, of a stock by group, age and placement."""
        names = self.model.grouping.placement_names
        there = stock.sum(axis=(0, 1))
        found = []
        for home in self.levers.homes:
            places = home.in_effect(self.steps)[step] * home.places * home.occupancy
            number = names.index(home.placement)
            inside = min(there[number], places)
            there[number] -= inside
            found.append(inside)
        return np.array(found)


class _Places:
    """A limit on places, and where those go for whom there is none."""

    def __init__(self, lever: CapacityLever, model: FlowModel, steps: Steps) -> None:
        names: Sequence[str] = model.grouping.placement_names
        self._here = names.index(lever.placement)
        self._places = lever.places_at(steps)
        self._overflow = np.zeros(len(names))
        for each in lever.overflow:
            self._overflow[names.index(each.placement)] += each.share
        self._from = [names.index(name) for name in lever.takes_from]

    def limit(
        self,
        step: int,
        there: Array,
        cells: tuple[Ints, Ints, Ints],
        rates: tuple[Array, Array],
        entering: tuple[Array, Array, float],
    ) -> tuple[Array, Array]:
        """Send on who finds no place, take in who does; give moves and entry shares."""
        exits, moves = rates
        number, shares, length = entering
        here = self._here
        group, age, duration = cells
        cell = (group, age, slice(None), duration)
        come = np.einsum("np,npq->q", there, moves[cell]) * length
        come += np.einsum("ga,gaq->q", number, shares)
        out = (exits + moves.sum(axis=-1))[cell][:, here]
        gone = (there[:, here] * out).sum() * length
        free = max(self._places[step] - there[:, here].sum() + gone, 0.0)
        wanted = come[here] + come[self._from].sum()
        fits = min(1.0, free / wanted) if wanted > 0 else 1.0  # first come, first served
        return self._sent(moves, fits), self._sent(shares, fits)

    def _sent(self, flows: Array, fits: float) -> Array:
        """Send flows by destination, shape (..., destination), to where they end up."""
        found = flows.copy()
        here = flows[..., self._here]
        found[..., self._here] = fits * here
        found += (1 - fits) * here[..., None] * self._overflow
        for other in self._from:
            moved = fits * flows[..., other]
            found[..., other] -= moved
            found[..., self._here] += moved
        return found


def transitions(rates: Array, days: float) -> tuple[Array, Array]:
    """Give chances of being elsewhere after some days, and the days spent there on the way.

    Parameters
    ----------
    rates
        A day, shape (..., placement, placement); the diagonal is less all that leave.
    days
        The time that passes.

    Returns
    -------
    tuple
        The matrix exponential of ``rates * days``, and its integral from 0 to ``days`` (Van Loan,
        "Computing integrals involving the matrix exponential", IEEE Trans. Automatic Control,
        1978), shapes as ``rates``.

    Examples
    --------
    >>> ahead, during = transitions(np.array([[-0.002]]), 365.0)
    >>> round(float(ahead[0, 0]), 4), round(float(during[0, 0]), 1)
    (0.4819, 259.0)
    """
    size = rates.shape[-1]
    block = np.zeros((*rates.shape[:-2], 2 * size, 2 * size))
    block[..., :size, :size] = rates * days
    block[..., :size, size:] = np.eye(size) * days
    largest = np.abs(block[..., :size, :size]).sum(axis=-1).max(initial=0.0)
    halvings = max(0, math.ceil(math.log2(max(largest, 1e-9))) + 1)
    block /= 2.0**halvings
    # Taylor's series of matrices whose rates are a half at most, all at once: scipy's expm takes
    # them one by one, each on all threads of its library, a thousand times slower when they wait.
    found = np.eye(2 * size) + block
    term = block
    for power in range(2, _TERMS):
        term = term @ block / power
        found = found + term
    for _ in range(halvings):
        found = found @ found
    return found[..., :size, :size], found[..., :size, size:]
