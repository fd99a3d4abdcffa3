"""Two plans of one council, an earlier and a later, on shared shocks and on each other's drivers.

Of the financial years that both plan, the drivers of either can be put into the lines of either:
driver by driver, a mix worked out again from the parts that have been switched and those that have
not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mtfs.paths import in_order
from mtfs.vocabulary import MtfsError, year_start

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mtfs.drivers import Driver
    from mtfs.plan import Plan
    from mtfs.sampling import Scores, ShockSpec
    from mtfs.vocabulary import Array


@dataclass(frozen=True)
class SharedYears:
    """The financial years that two plans share."""

    rolled: int
    """years by which the later plan starts after the earlier one"""
    shared: int
    """years that both hold"""

    @classmethod
    def of(cls, old: Plan, new: Plan) -> SharedYears:
        """Find the years that two plans share.

        Raises
        ------
        MtfsError
            When they are of different councils or prices, share no year, or the new plan starts
            before the old one.
        """
        for what in ("council", "price_base"):
            one, other = getattr(old, what), getattr(new, what)
            if one.casefold() != other.casefold():
                words = {"council": "of", "price_base": "in prices"}[what]
                msg = (
                    f"the old plan is {words} '{one}' and the new one {words} '{other}'; expected "
                    "two plans of one council in the same prices: where they are the same, write "
                    "them alike"
                )
                raise MtfsError(msg)
        rolled = year_start(new.first_year) - year_start(old.first_year)
        spans = [f"{plan.years[0]} to {plan.years[-1]}" for plan in (old, new)]
        if rolled < 0:
            msg = (
                f"the old plan runs from {spans[0]} and the new one from {spans[1]}: give the one "
                "that starts earlier first"
            )
            raise MtfsError(msg)
        shared = min(old.horizon - rolled, new.horizon)
        if shared < 1:
            msg = (
                f"the old plan runs from {spans[0]} and the new one from {spans[1]}: they share no "
                "year, so there is nothing to compare"
            )
            raise MtfsError(msg)
        return cls(rolled, shared)

    @property
    def in_old(self) -> slice:
        """Where they are among the old plan's years."""
        return slice(self.rolled, self.rolled + self.shared)

    @property
    def in_new(self) -> slice:
        """Where they are among the new plan's years."""
        return slice(0, self.shared)


class EarlierScores:
    """Scores of an earlier plan: of each financial year those that a later plan has for it.

    The years before the later plan's first have scores that it does not use.

    Parameters
    ----------
    scores
        Those of the later plan.
    years
        The years that the two share.
    old, new
        How many years each plan holds.
    """

    def __init__(self, scores: Scores, years: SharedYears, old: int, new: int) -> None:
        self.n_draws = scores.n_draws
        self._scores = scores
        self._rolled = years.rolled
        self._rows = max(old - years.rolled, new) + years.rolled

    def fill(self, spec: ShockSpec, block: int, out: Array) -> None:
        """Write one block of one shock's scores, shape (row, BLOCK)."""
        if spec.once or not self._rolled:
            self._scores.fill(spec, block, out)
            return
        drawn = np.empty((self._rows, out.shape[1]))
        self._scores.fill(spec, block, drawn)
        out[: self._rolled] = drawn[-self._rolled :]
        out[self._rolled :] = drawn[: len(out) - self._rolled]


@dataclass(frozen=True)
class Vintage:
    """One plan's drivers: what is each one's own, and each one's path; shape (year, draw)."""

    plan: Plan
    own: Mapping[str, Array]
    rows: Mapping[str, Array]

    @cached_property
    def drivers(self) -> dict[str, Driver]:
        """The drivers, by name."""
        return {driver.name: driver for driver in self.plan.drivers}

    def known(self, name: str, before: int, first: int) -> Array | None:
        """Give a driver's value ``before`` years before the plan's year ``first``, where known."""
        year = first - before
        if year >= 0:
            found: Array = self.rows[name][year]
            return found
        previous = self.drivers[name].previous
        return np.array(previous[year]) if -year <= len(previous) else None


class Switch:
    """The paths of two plans' drivers when some drivers have been switched from old to new.

    A driver is switched as a whole: its own, its weights and lags, and its known past. One that
    only one plan holds stays as it is there.
    """

    def __init__(self, old: Vintage, new: Vintage, years: SharedYears) -> None:
        self._old = old
        self._new = new
        self._years = years
        self.players = [name for name in new.drivers if name in old.drivers]
        self._names = list(dict.fromkeys([*new.drivers, *old.drivers]))

    def rows(self, switched: Collection[str]) -> tuple[dict[str, Array], dict[str, Array]]:
        """Give every driver's path in the old plan's years, and in the new plan's.

        Raises
        ------
        MtfsError
            When a mix and its part have changed places, so that a switch of one alone goes round.
        """
        shared: dict[str, Array] = {}
        held = [self._holder(name, switched).drivers[name] for name in self._names]
        try:
            ordered = in_order(held)
        except MtfsError as error:
            msg = f"between the two plans {error}; give the mix of one plan another name"
            raise MtfsError(msg) from None
        for driver in ordered:
            shared[driver.name] = self._path(driver, switched, shared)
        return (
            _put(self._old.rows, shared, self._years.in_old),
            _put(self._new.rows, shared, self._years.in_new),
        )

    def _holder(self, name: str, switched: Collection[str]) -> Vintage:
        """Give the plan whose declaration of a driver holds."""
        if name in self._old.drivers and (name not in switched or name not in self._new.drivers):
            return self._old
        return self._new

    def _path(
        self, driver: Driver, switched: Collection[str], shared: Mapping[str, Array]
    ) -> Array:
        """Give one driver's path in the shared years, its parts being known."""
        holder = self._holder(driver.name, switched)
        years = self._years.in_old if holder is self._old else self._years.in_new
        own = holder.own[driver.name][years]
        if not driver.mix:
            return own
        pasts = [
            [self._past(part.driver, part.lag - year, switched) for year in range(part.lag)]
            for part in driver.mix
        ]
        widths = [np.shape(value)[-1:] for past in pasts for value in past]
        shapes = [shared[part.driver].shape[-1:] for part in driver.mix]
        width = np.broadcast_shapes(own.shape[-1:], *widths, *shapes)
        path = np.array(np.broadcast_to(own, (len(own), *width)))
        for part, past in zip(driver.mix, pasts, strict=True):
            for year in range(len(path)):
                before = past[year] if year < part.lag else shared[part.driver][year - part.lag]
                path[year] += part.weight * before
        return path

    def _past(self, name: str, before: int, switched: Collection[str]) -> Array:
        """Give a driver's value ``before`` years before the shared ones.

        A plan may know less of it than a mix of the other reads; then the other's knowledge stands.
        """
        holders = (self._holder(name, switched), self._new, self._old)
        values = (
            holder.known(name, before, self._years.rolled if holder is self._old else 0)
            for holder in holders
            if name in holder.drivers
        )
        return next(value for value in values if value is not None)


def _put(rows: Mapping[str, Array], shared: Mapping[str, Array], years: slice) -> dict[str, Array]:
    """Put paths of the shared years into those of a whole plan."""
    found = {}
    for name, row in rows.items():
        part = shared[name]
        if (part == row[years]).all():
            found[name] = row  # the same array, so that nothing is run again for it
            continue
        whole = np.array(np.broadcast_to(row, np.broadcast_shapes(row.shape, (1, part.shape[-1]))))
        whole[years] = part
        found[name] = whole
    return found
