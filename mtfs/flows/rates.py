"""Rates of exit and of moves, learnt from events over the time people were exposed to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from pydantic import model_validator

from mtfs.assumptions import Declared
from mtfs.flows.estimation import CellRates, Margin, fit_cells
from mtfs.flows.known import Rates
from mtfs.flows.states import Table
from mtfs.flows.uniforms import Keys, keyed, word
from mtfs.vocabulary import Array

if TYPE_CHECKING:
    from mtfs.flows.occurrences import Occurrences

_EXITS, _MOVES, _WHERE = (word(f"rates.{name}") for name in ("exits", "moves", "destinations"))

# Standard deviations of effects on the logarithm of a rate: weak priors, in the manner of Gelman,
# Jakulin, Pittau and Su ("A weakly informative default prior distribution for logistic and other
# regression models", Annals of Applied Statistics 2, 2008). Levels are free within a factor of 400
# of one a year either way (two standard deviations); labels of a margin differ from each other by
# a factor of e or so, and by more where the data say so.
_LEVEL = Margin(axes=(), sd=3.0)
_GROUP, _AGE, _PLACEMENT, _DURATION = (Margin(axes=(axis,), sd=1.0) for axis in range(4))
_OF_CELLS = (_LEVEL, _GROUP, _AGE, _PLACEMENT, _DURATION)
_OF_DESTINATIONS = (
    Margin(axes=(2,), sd=2.0),
    Margin(axes=(0, 2), sd=1.0),
    Margin(axes=(1, 2), sd=1.0),
)


class FittedRates(Declared):
    """Rates of exit and of moves as a posterior, which is drawn.

    Exits and moves have rates by group, age band, placement and time in care. Where a move goes
    depends on the age band and the placement it leaves.
    """

    kind: Literal["fitted"] = "fitted"
    exits: CellRates
    """a person-year, cells (group, age, placement, duration)"""
    moves: CellRates
    """out of a placement, likewise"""
    destinations: CellRates
    """a move, cells (age, placement, destination): shares before they are made to sum to 1"""
    possible: Table
    """1 where a move may go, 0 to the same placement and to one that is not for the age; shape
    (age, placement, destination)"""

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        cells = self.exits.counts.shape
        where = self.possible.shape
        if len(cells) != 4 or where != (*cells[1:3], cells[2]):  # noqa: PLR2004 - its dimensions
            msg = f"'exits' has shape {cells} and 'possible' {where}, which do not go together"
            raise ValueError(msg)
        for name, wanted in [("moves", cells), ("destinations", where)]:
            if (found := getattr(self, name).counts.shape) != wanted:
                msg = f"'{name}' has shape {found}; expected {wanted}"
                raise ValueError(msg)
        return self

    def draw(self, keys: Keys) -> Rates:
        """Draw the rates of every key: each depends on its own key alone.

        Parameters
        ----------
        keys
            Shape (draw,).
        """
        return self._rates(
            self.exits.draw(keyed(keys, _EXITS)),
            self.moves.draw(keyed(keys, _MOVES)),
            self.destinations.draw(keyed(keys, _WHERE)),
        )

    def mean(self) -> Rates:
        """Give the means of the posterior, with one draw; destinations at theirs before summing."""
        parts = (self.exits, self.moves, self.destinations)
        return self._rates(*(part.mean()[..., None] for part in parts))

    def _rates(self, exits: Array, moves: Array, destinations: Array) -> Rates:
        weights = destinations * self.possible.array[..., None]
        total = weights.sum(axis=2, keepdims=True)
        shares = np.divide(weights, total, out=weights, where=total > 0)
        return Rates(exits, moves[:, :, :, :, None] * shares[None, :, :, None])

    def __repr__(self) -> str:
        return (
            f"<FittedRates: {self.exits.counts.array.sum():,.0f} exits and "
            f"{self.moves.counts.array.sum():,.0f} moves in "
            f"{self.exits.exposure.array.sum():,.0f} person-years>"
        )

    __str__ = __repr__


def fit_rates(occurrences: Occurrences) -> FittedRates:
    """Fit rates of exit and of moves to events over person-time.

    Events of each cell are Poisson over its person-time. Cells scatter about what their group, age
    band, placement and time in care say, by as much as the data show; sparse ones lie near it
    (:mod:`mtfs.flows.estimation`). No rate is 0 but those of moves that may not be: to the same
    placement, or to one that is not for the age.

    Parameters
    ----------
    occurrences
        From :func:`mtfs.flows.count_occurrences`.
    """
    moves = occurrences.moves
    by_age = moves.sum(axis=(0, 3))
    allowed = occurrences.grouping.allowed
    possible = np.repeat(allowed[:, None, :], allowed.shape[1], axis=1)
    possible *= 1 - np.eye(allowed.shape[1])
    return FittedRates(
        exits=fit_cells(occurrences.exits, occurrences.exposure, margins=_OF_CELLS),
        moves=fit_cells(moves.sum(axis=-1), occurrences.exposure, margins=_OF_CELLS),
        destinations=fit_cells(
            by_age, possible * by_age.sum(axis=-1, keepdims=True), margins=_OF_DESTINATIONS
        ),
        possible=Table.of(possible),
    )
