"""What is counted while children's histories unfold: stocks, events and places taken."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from mtfs.flows.inversion import Ints, chosen

if TYPE_CHECKING:
    from mtfs.flows.levers import CapacityLever
    from mtfs.flows.model import FlowModel
    from mtfs.flows.steps import Steps
    from mtfs.vocabulary import Array


@dataclass(frozen=True)
class Tally:
    """What is counted in some draws; ``state`` runs over group, age and placement."""

    average: Array
    """average number of children, shape (state, year, draw)"""
    closing: Array
    """children at the year's end, same shape"""
    entries: Array
    """by the state entered, same shape"""
    exits: Array
    """before 18, by the state left, same shape"""
    adults: Array
    """on turning 18, by the state left, same shape"""
    moves: Array
    """shape (placement, destination, year, draw)"""
    adults_by_step: Array
    """children turning 18, shape (step, draw)"""
    homes: Array
    """average children in each new home, shape (home, year, draw)"""
    homes_closing: Array
    """same at the year's end"""

    @classmethod
    def empty(cls, model: FlowModel, steps: Steps, n_draws: int, n_homes: int) -> Tally:
        """Make room for some draws, all zero."""
        ages, placements, _ = model.grouping.shape
        years = (len(steps.years), n_draws)
        state = (len(model.groups) * ages * placements, *years)
        shapes = {
            "moves": (placements, placements, *years),
            "adults_by_step": (steps.count, n_draws),
            "homes": (n_homes, *years),
            "homes_closing": (n_homes, *years),
        }
        return cls(**{each.name: np.zeros(shapes.get(each.name, state)) for each in fields(cls)})

    def part(self, draws: slice) -> Tally:
        """Give the part of some draws, to be written to."""
        return Tally(**{each.name: getattr(self, each.name)[..., draws] for each in fields(self)})


class Book:
    """What happened in one step, by state and draw."""

    def __init__(self, n_states: int, n_placements: int, n_draws: int, high: float) -> None:
        self._size, self._high = (n_states, n_draws), high
        self._n_placements = n_placements
        zeros = np.zeros(self._size)
        self.entries, self.exits, self.adults = zeros, zeros, zeros
        self.moves = np.zeros((n_placements, n_placements, n_draws))
        self._change: Array = np.zeros(self._size)
        self._days: Array = np.zeros(self._size)

    @property
    def change(self) -> Array:
        """What the step adds to the stock."""
        return self._change

    @property
    def person_days(self) -> Array:
        """Person-days to be added to those of the stock at the beginning."""
        return self._days

    def leave(self, state: Ints, draw: Ints, time: Array) -> None:
        """Note who left care before 18."""
        self.exits = self.exits - self._add(state, draw, time, -1.0)

    def grow_up(self, state: Ints, draw: Ints, time: Array) -> None:
        """Note who turned 18."""
        self.adults = self.adults - self._add(state, draw, time, -1.0)

    def enter(self, state: Ints, draw: Ints, time: Array) -> None:
        """Note who entered care."""
        self.entries = self.entries + self._add(state, draw, time, 1.0)

    def move(self, state: Ints, origin: Ints, where: Ints, draw: Ints, time: Array) -> None:
        """Note who moved between placements."""
        went = origin != where
        state, origin, where, draw, time = (
            each[went] for each in (state, origin, where, draw, time)
        )
        self._add(state, draw, time, -1.0)
        self._add(state + where - origin, draw, time, 1.0)
        shape = self.moves.shape
        place = np.ravel_multi_index((origin, where, draw), shape)
        self.moves += np.bincount(place, minlength=self.moves.size).reshape(shape)

    def age(self, state: Ints, draw: Ints, time: Array) -> None:
        """Note whose birthday led to the next age band."""
        self._add(state, draw, time, -1.0)
        self._add(state + self._n_placements, draw, time, 1.0)

    def _add(self, state: Ints, draw: Ints, time: Array, sign: float) -> Array:
        """Count people by state and draw, and their days until the step's end."""
        place = np.ravel_multi_index((state, draw), self._size)
        size = self._size[0] * self._size[1]
        count = sign * np.bincount(place, minlength=size).astype(np.float64).reshape(self._size)
        days = np.bincount(place, self._high - time, minlength=size).reshape(self._size)
        self._change = self._change + count
        self._days = self._days + sign * days
        return count


class Cap:
    """A limit on places in some draws."""

    def __init__(self, lever: CapacityLever, model: FlowModel, steps: Steps) -> None:
        names = model.grouping.placement_names
        self._placement = names.index(lever.placement)
        self._places = lever.places_at(steps)
        self._to = np.array([names.index(each.placement) for each in lever.overflow])
        self._shares = np.array([each.share for each in lever.overflow])
        self._from = np.array([names.index(name) for name in lever.takes_from], np.intp)
        self._free: Array = np.zeros(0)

    def begin(self, step: int, stock: Array, n_placements: int) -> None:
        """Begin a step with as many places as those who are there leave, maybe fewer than none."""
        there = stock.reshape(-1, n_placements, stock.shape[1]).sum(axis=0)[self._placement]
        self._free = self._places[step] - there

    def free(self, draw: Ints, placement: Ints) -> None:
        """Free the places of those who go."""
        gone = draw[placement == self._placement]
        self._free = self._free + np.bincount(gone, minlength=len(self._free))

    def place(self, draw: Ints, where: Ints, time: Array, chance: Array) -> Ints:
        """Place those who come, first come first served; give where each goes."""
        wants = (where == self._placement) | np.isin(where, self._from)
        some = np.flatnonzero(wants)
        some = some[np.lexsort((time[some], draw[some]))]
        sorted_draws = draw[some]
        rank = np.arange(len(some)) - np.searchsorted(sorted_draws, sorted_draws)
        fits = rank < self._free[sorted_draws]
        found = where.copy()
        found[some[fits]] = self._placement
        full = some[~fits & (where[some] == self._placement)]
        found[full] = self._to[chosen(np.tile(self._shares, (len(full), 1)), chance[full])]
        taken = np.bincount(sorted_draws[fits], minlength=len(self._free))
        self._free = self._free - taken
        return found
