"""What every line of the requirement has in common, and sums given by year."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from mtfs.assumptions import Assumption, Declared, GrowthAssumption, Money, Noted, Share, YearLabel
from mtfs.lines.anatomy import FULL_YEAR, Anatomy, Factor, from_base
from mtfs.paths import Calendar, Paths
from mtfs.vocabulary import Array

if TYPE_CHECKING:
    from mtfs.sampling import ShockSpec


class Line(Noted):
    """A line of the requirement. Subclasses say what it is and how it costs."""

    service: str = "corporate"
    """the directorate that holds it"""
    cause: str | None = None
    """why it grows; unless given, each component of its growth bears its own name"""
    share: Share = 1.0
    """this council's share of the cost of a jointly run service"""

    components: ClassVar[tuple[str, ...]] = ("growth",)
    """what its growth is made of"""
    share_fields: ClassVar[tuple[str, ...]] = ()
    """fields whose assumption is a share, which a driver must keep from 0 to 1"""

    def shocks(self) -> tuple[ShockSpec, ...]:
        """List the streams the line needs of its own."""
        return ()

    def faults(self, calendar: Calendar) -> list[str]:  # noqa: ARG002 - subclasses need the years
        """Name what does not fit the plan's years."""
        return []

    def base_cost(self, planned: Paths) -> float:  # noqa: ARG002 - care lines read what is planned
        """Give the net cost in the base year, GBP, before ``share``."""
        return 0.0

    def cost(self, paths: Paths) -> Array:
        """Give the net cost, GBP, before ``share``; (year, draw), or (year, 1) where certain."""
        raise NotImplementedError

    def parts(self, paths: Paths, cost: Array, base: float) -> dict[str, Array]:  # noqa: ARG002
        """Split growth since the base year by component; it sums to ``cost`` less ``base``."""
        return {self.components[0]: cost - base if base else cost}

    def anatomy(self, paths: Paths) -> Anatomy:
        """Show how the net cost is made, before ``share``, and what moves it."""
        base = self.base_cost(paths.planned_paths)
        return Anatomy.of_one("cost", self.components[0], base=base, values=self.cost(paths))

    def average_people(self, paths: Paths) -> Array | None:  # noqa: ARG002 - care lines do
        """Give the year-average people, where the line has any."""
        return None

    def causes(self) -> tuple[str, ...]:
        """List the causes its growth is booked under."""
        return (self.cause,) if self.cause else self.components


class Amounts(Declared):
    """Sums by year: yearly ``changes`` or ``levels``, each recurrent, one-off or temporary.

    A recurrent change stays for ever; a one-off is there in its year only and so reverses in the
    next; a temporary one ends after ``until``.
    """

    changes: tuple[Money, ...] | None = None
    """GBP of change in each year over the year before, any sign"""
    levels: Assumption | None = None
    """GBP standing in each year, any sign"""
    recurrence: Literal["recurrent", "one_off", "temporary"] = "recurrent"
    until: YearLabel | None = None
    """temporary: the last year it is there"""
    part_year: Annotated[Share, Field(gt=0)] = 1.0
    """share of a year's change felt in that year; the full-year remainder arrives in the next"""
    index: GrowthAssumption | None = None
    """growth of prices since the base year, for sums in its prices; without it they are cash"""
    multiplier: Assumption | None = None
    """what the sum turns out to be, as a multiple of what is stated: usually a driver around 1"""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.changes is None) == (self.levels is None):
            msg = "give either 'changes' (over the year before) or 'levels' (standing in the year)"
            raise ValueError(msg)
        if (self.recurrence == "temporary") != (self.until is not None):
            msg = "'until' (the last year) goes with recurrence 'temporary', which needs it"
            raise ValueError(msg)
        if self.levels is not None and (self.part_year != 1 or self.recurrence != "recurrent"):
            msg = "levels stand as they are; 'recurrence' and 'part_year' go with 'changes'"
            raise ValueError(msg)
        if self.recurrence == "one_off" and self.part_year != 1:
            msg = (
                "a one-off has no full-year remainder; give the sum of the year without 'part_year'"
            )
            raise ValueError(msg)
        return self

    def amount_faults(self, calendar: Calendar) -> list[str]:
        """Name what does not fit the plan's years."""
        years = calendar.years
        if self.changes is not None and len(self.changes) != len(years):
            msg = (
                f"'changes' holds {len(self.changes)} values; expected one for each of the "
                f"{len(years)} years {years[0]} to {years[-1]}"
            )
            return [msg]
        if self.until is not None and self.until not in years:
            return [f"'until' is {self.until}; the plan's years are {years[0]} to {years[-1]}"]
        return []

    def amounts(self, paths: Paths, base: float = 0.0) -> Array:
        """Give the sum standing in each year, GBP, changes starting from ``base``."""
        stated = (
            paths.value(self.levels)
            if self.levels is not None
            else paths.derived(self, 0.0, lambda: self._standing(paths.calendar.years))
        )
        if base:
            stated = stated + base
        if self.index is not None:
            stated = stated * paths.index(self.index)
        return stated if self.multiplier is None else stated * paths.value(self.multiplier)

    def made_of(self, paths: Paths, cause: str, base: float | None = None) -> Anatomy:
        """Show how :meth:`amounts` is made, and what moves it.

        A one-off comes and goes as such; the end of a temporary sum is its cause's.

        Parameters
        ----------
        paths
            The block's paths.
        cause
            The component that moves it, apart from one-offs and full-year effects.
        base
            GBP from which changes start, where they do.
        """
        name = "one-offs" if self.recurrence == "one_off" else cause
        stated = (
            paths.value(self.levels)
            if self.levels is not None
            else self._standing(paths.calendar.years) + (base or 0.0)
        )
        values = from_base(base or 0.0, stated)
        moved: str | dict[str, Array] = name
        if self.part_year != 1 and cause != FULL_YEAR:
            late = self._full_year_effects(paths.calendar.years)
            moved = {name: np.diff(values, axis=0) - late, FULL_YEAR: late}
        held = (("levels", self.levels),) if self.levels is not None else ()
        factors = [Factor("sum stated", "GBP", values, moved, held)]
        if self.index is not None:
            index = from_base(1.0, paths.index(self.index))
            factors.append(Factor("index", "", index, name, (("index", self.index),)))
        if self.multiplier is not None:
            times = from_base(1.0, paths.value(self.multiplier))
            field = (("multiplier", self.multiplier),)
            factors.append(Factor("multiplier", "", times, name, field))
        return Anatomy(tuple(factors))

    def _full_year_effects(self, years: Sequence[str]) -> Array:
        """Give what of a year's change arrives only in the next, GBP, where it then stands."""
        late = (1 - self.part_year) * np.array([0.0, *(self.changes or ())])[:-1]
        if self.until is not None:
            late = np.where([year <= self.until for year in years], late, 0.0)
        return late[:, None]

    def _standing(self, years: Sequence[str]) -> Array:
        changes = np.array(self.changes)
        if self.recurrence == "one_off":
            return changes[:, None]
        standing = np.cumsum(changes) - (1 - self.part_year) * changes
        if self.until is not None:
            standing = np.where([year <= self.until for year in years], standing, 0.0)
        return standing[:, None]
