"""Numbers of people in large states, step by step: who leaves, moves, comes and grows older.

People are not told apart, so time in a state does not count. All that happens is drawn by inversion
of uniforms keyed by state, event and step: two scenarios differ only where their rates do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from mtfs.flows.expectation import transitions
from mtfs.flows.inversion import Ints, any_poisson, binomial
from mtfs.flows.populations import Range
from mtfs.flows.uniforms import Keys, keyed, uniforms, word
from mtfs.vocabulary import Array


@dataclass(frozen=True)
class Chances:
    """What becomes of people within a step, in some draws.

    Shares of those in a state who are in another of the same age at the end of the step; the rest
    of 1 has left. Shape (age, setting, setting at the end, draw), or with one draw.
    """

    there: Array
    """of those who are there when it begins"""
    newcomers: Array
    """of those who come in its course, evenly"""

    @classmethod
    def of_rates(cls, exits: Array, moves: Array, years: float) -> Chances:
        """Turn rates into chances, with all that may happen in a step, and in any order.

        Parameters
        ----------
        exits
            A year, shape (age, setting, draw).
        moves
            A year, shape (age, setting, destination, draw).
        years
            The length of a step.

        Examples
        --------
        >>> found = Chances.of_rates(np.full((1, 1, 1), 0.25), np.zeros((1, 1, 1, 1)), 1.0)
        >>> round(float(found.there.item()), 4)  # exp(-0.25)
        0.7788
        """
        rates = np.moveaxis(moves, -1, 0).copy()  # (draw, age, setting, destination)
        settings = np.arange(rates.shape[-1])
        rates[..., settings, settings] = 0.0
        leaving = rates.sum(axis=-1) + np.moveaxis(exits, -1, 0)
        rates[..., settings, settings] = -leaving
        there, during = transitions(rates, years)
        return cls(np.moveaxis(there, 0, -1), np.moveaxis(during, 0, -1) / years)

    @classmethod
    def of_staying(cls, share: Array) -> Chances:
        """Take shares who stay, (age, setting, draw), where nobody moves and all who come stay."""
        settings = np.arange(share.shape[1])
        there = np.zeros((*share.shape[:2], len(settings), share.shape[2]))
        there[:, settings, settings] = share
        newcomers = np.zeros((*share.shape[:2], len(settings), 1))
        newcomers[:, settings, settings] = 1.0
        return cls(there, newcomers)


@dataclass(frozen=True)
class Ageing:
    """How people grow older from one age band to the next."""

    bands: tuple[Range, ...]
    """they follow each other; those who outgrow the last one leave"""
    month: int | None = None
    """months after 1 April, 0 to 11, at whose beginning all of a single year of age move up; the
    people of wider bands move up all the time, at a rate of 1 over the width"""

    def sudden(self) -> NDArray[np.bool_]:
        """Mark the bands all of whose people move up at once, shape (age,)."""
        single = [high is not None and high - low == 1 for low, high in self.bands]
        return np.array(single) & (self.month is not None)

    def gradual(self, years: float) -> Array:
        """Give the share of each band's people who move up in a step, shape (age,)."""
        rates = [0.0 if high is None else 1 / (high - low) for low, high in self.bands]
        if self.month is None:
            return np.zeros(len(rates))
        return np.where(self.sudden(), 0.0, -np.expm1(-np.array(rates) * years))


@dataclass(frozen=True)
class Counted:
    """What was counted, shapes (age, setting, year, draw); or expected, with one draw."""

    average: Array
    """people on average in the year: of each step's beginning and end"""
    closing: Array
    """people at the year's end"""
    new: Array
    """by the state they come to"""
    left: Array
    """by the state they were in when the step began, or came to"""
    aged_out: Array
    """who outgrew the last band, by the state they were in"""
    hastened: Array | None = None
    """where more had to leave than is stated, because the expected number fell so fast"""


class Dice:
    """Uniforms for every state, event and step; without keys, expected numbers."""

    def __init__(self, keys: Keys | None, states: Sequence[tuple[str, str]]) -> None:
        self._keys = keys
        self._words = np.array([word("\0".join(state)) for state in states], np.uint64)
        self._events: dict[str, Keys] = {}

    def part(self, number: Array, share: Array, event: str, step: int, rows: Ints) -> Array:
        """Give how many of a number something happens to.

        Parameters
        ----------
        number, share
            Shape (row, draw).
        event, step
            What happens, and when.
        rows
            The states, shape (row,).
        """
        if self._keys is None:
            return number * share
        some = (number > 0) & (share > 0)
        chance = uniforms(self._keyed(event)[rows][some], step)
        found = np.zeros_like(number)
        found[some] = binomial(number[some], np.broadcast_to(share, number.shape)[some], chance)
        return found

    def coming(self, mean: Array, step: int) -> Array:
        """Give how many come to each state, shape (state, draw)."""
        if self._keys is None:
            return mean
        return any_poisson(mean, uniforms(self._keyed("new"), step))

    def _keyed(self, event: str) -> Keys:
        """Give the keys of an event in every state, shape (state, draw)."""
        if self._keys is None:
            return np.zeros((len(self._words), 0), np.uint64)
        if event not in self._events:
            self._events[event] = keyed(self._keys[None, :], self._words[:, None], word(event))
        return self._events[event]


def rounded(number: Array, keys: Keys, states: Sequence[tuple[str, str]]) -> Array:
    """Round numbers of people up or down by chance, so that their mean stays.

    Parameters
    ----------
    number
        Shape (state, 1) or (state, draw).
    keys
        Shape (draw,).
    states
        Age and setting of each.
    """
    words = np.array([word("\0".join(state)) for state in states], np.uint64)
    chance = uniforms(keys[None, :], words[:, None], word("start"))
    whole = np.floor(number)
    found: Array = whole + (chance < number - whole)
    return found


def uneven(keys: Keys, dispersion: float, step: int) -> Array:
    """Draw the gamma factor, of mean 1 and variance ``dispersion``, that all who come share.

    Their number has then the variance m + dispersion m**2. Shape (draw,).
    """
    if dispersion == 0:
        return np.ones(len(keys))
    shape = 1 / dispersion
    return np.asarray(gammaincinv(shape, uniforms(keys, word("uneven"), step)) / shape)


@dataclass(frozen=True)
class Counts:
    """A flow of numbers, ready to be counted."""

    states: tuple[tuple[str, str], ...]
    """age and setting of each state, the setting fastest"""
    ageing: Ageing
    chances: tuple[Chances, ...]
    """one for all years, or one a year"""
    steps: int
    """in a year"""

    def run(self, start: Array, arrivals: Array, keys: Keys | None = None) -> Counted:
        """Count people through the years.

        Parameters
        ----------
        start
            Whole numbers at the beginning of the first year, shape (age, setting, draw).
        arrivals
            Expected newcomers in each year, shape (year, age, setting, draw).
        keys
            One a draw. Unless given, expected numbers are counted instead of drawn ones.

        Returns
        -------
        Counted
            In every state and draw closing = opening + new - left - aged out + net moves, and
            nothing is ever below 0.
        """
        dice = Dice(keys, self.states)
        n_years, ages, settings, _ = arrivals.shape
        n_draws = max(
            start.shape[-1], arrivals.shape[-1], *(c.there.shape[-1] for c in self.chances)
        )
        if keys is not None:
            n_draws = len(keys)
        shape = (ages, settings, n_years, n_draws)
        out = Counted(*(np.zeros(shape) for _ in range(5)))
        stock = np.array(np.broadcast_to(start, (ages, settings, n_draws)), np.float64)
        for step in range(n_years * self.steps):
            year, within = divmod(step, self.steps)
            chances = self.chances[year if len(self.chances) > 1 else 0]
            coming = arrivals[year] / self.steps
            if self._birthdays(within):
                stock, old = self._move_up(stock, self.ageing.sudden().astype(float), dice, None)
                out.aged_out[:, :, year] += old
            before = stock
            new = dice.coming(
                np.broadcast_to(coming, stock.shape).reshape(-1, n_draws), step
            ).reshape(stock.shape)
            stock, gone = self._follow(stock, chances.there, dice, "", step)
            fresh, lost = self._follow(new, chances.newcomers, dice, "new, ", step)
            stock = stock + fresh
            gradual = self.ageing.gradual(1 / self.steps)
            if gradual.any():
                stock, old = self._move_up(stock, gradual, dice, step)
                out.aged_out[:, :, year] += old
            out.new[:, :, year] += new
            out.left[:, :, year] += gone + lost
            out.average[:, :, year] += (before + stock) / (2 * self.steps)
            if within == self.steps - 1:
                out.closing[:, :, year] = stock
        return out

    def _birthdays(self, within: int) -> bool:
        """Whether all of a single year of age move up as a step begins."""
        month = self.ageing.month
        return month is not None and within == month * self.steps // 12

    def _follow(
        self, number: Array, shares: Array, dice: Dice, prefix: str, step: int
    ) -> tuple[Array, Array]:
        """Follow people through a step: those there at its end, and those who left."""
        ages, settings, draws = number.shape
        flat = number.reshape(-1, draws)
        chance = np.moveaxis(shares, 2, 0).reshape(settings, ages * settings, -1)
        kept = np.minimum(chance.sum(axis=0), 1.0)  # sums to 1 but for rounding
        rows = np.flatnonzero((kept < 1).any(axis=1))
        left = np.zeros_like(flat)
        left[rows] = dice.part(flat[rows], 1 - kept[rows], f"{prefix}leave", step, rows)
        staying = flat - left
        found = np.zeros_like(flat)
        rest = kept.copy()
        names = [setting for _, setting in self.states[:settings]]
        here = np.tile(np.arange(settings), ages)
        for to, name in enumerate(names):
            rows = np.flatnonzero((chance[to] > 0).any(axis=1) & (here != to))
            if not len(rows):
                continue
            share = np.divide(
                chance[to, rows], rest[rows], out=np.zeros_like(rest[rows]), where=rest[rows] > 0
            )
            movers = dice.part(
                staying[rows], np.minimum(share, 1.0), f"{prefix}move to {name}", step, rows
            )
            staying[rows] -= movers
            rest[rows] -= chance[to, rows]
            moved = np.zeros_like(flat)
            moved[rows] = movers
            found[to::settings] += moved.reshape(number.shape).sum(axis=1)
        return (found + staying).reshape(number.shape), left.reshape(number.shape)

    def _move_up(
        self, stock: Array, share: Array, dice: Dice, step: int | None
    ) -> tuple[Array, Array]:
        """Move people up one band; give the stock and those who outgrew the last."""
        settings, draws = stock.shape[1:]
        movers = stock * share[:, None, None]
        if step is not None:
            rows = np.flatnonzero(np.repeat(share, settings) > 0)
            flat = stock.reshape(-1, draws)
            part = np.repeat(share, settings)[rows, None]
            movers = np.zeros_like(flat)
            movers[rows] = dice.part(flat[rows], part, "grow older", step, rows)
            movers = movers.reshape(stock.shape)
        found = stock - movers
        found[1:] += movers[:-1]
        old = np.zeros_like(stock)
        old[-1] = movers[-1]
        return found, old
