"""Levers: one number of a plan, or one assumption, and how a goal seek may move it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mtfs.assumptions import Declared, fixed_values
from mtfs.changes import locate, value_at
from mtfs.checks import assumption_fields
from mtfs.vocabulary import MtfsError, listing, suggest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtfs.plan import Plan
    from mtfs.vocabulary import Array

How = Literal["set", "add", "scale"]


@dataclass(frozen=True)
class Lever:
    """What of a plan may be moved, how and how far.

    Examples
    --------
    >>> Lever("funding.council tax.core_increase", (0.0, 0.0299), years=("2026/27",))
    Lever(funding.council tax.core_increase set in 2026/27, 0 to 0.0299)
    """

    path: str
    """a dotted path as for :meth:`mtfs.Plan.with_changes`, to a number or an assumption"""
    bounds: tuple[float, float]
    """least and greatest value, both tried"""
    how: How = "set"
    """``set`` the plan's values to the lever's, ``add`` it to them, or ``scale`` them by it"""
    years: Sequence[str] | None = None
    """the years whose values it moves; all of them unless given"""
    label: str | None = None
    """what tables and pictures call it"""

    def __post_init__(self) -> None:
        if not isinstance(self.path, str) or not self.path:
            msg = f"found lever {self.path!r}; expected a path such as 'lines.home_care.base'"
            raise MtfsError(msg)
        if self.how not in get_args(How):
            near = suggest(str(self.how), get_args(How))
            msg = f"how is {self.how!r}; expected {' or '.join(map(repr, get_args(How)))}.{near}"
            raise MtfsError(msg)
        object.__setattr__(self, "bounds", _bounds(self.bounds, self.path))
        if self.years is not None:
            given: Any = (self.years,) if isinstance(self.years, str) else self.years
            years = tuple(given) if isinstance(given, Iterable) else (given,)
            if any(not isinstance(year, str) for year in years):
                msg = f"years of '{self.path}' are {given!r}; expected labels such as ['2026/27']"
                raise MtfsError(msg)
            if not years or len(set(years)) < len(years):
                msg = f"years of '{self.path}' are {years!r}; expected each year once, at least one"
                raise MtfsError(msg)
            object.__setattr__(self, "years", years)

    @property
    def name(self) -> str:
        """What it is called: its label, or its path and years."""
        years = f", {', '.join(self.years)}" if self.years else ""
        return self.label or f"{self.path}{years}"

    @property
    def neutral(self) -> float | None:
        """The value that changes nothing, where that does not depend on the plan."""
        return {"set": None, "add": 0.0, "scale": 1.0}[self.how]

    def of(self, plan: Plan) -> LeverOf:
        """Find it in a plan.

        Raises
        ------
        MtfsError
            When the plan has no such path, year, or no number there.
        """
        if self.path in {driver.name for driver in plan.drivers} - type(plan).model_fields.keys():
            msg = (
                f"'{self.path}' is a driver, which has more than one number: move one of them, "
                f"such as 'drivers.{self.path}.central'"
            )
            raise MtfsError(msg)
        place = locate(plan, self.path).path
        held = value_at(plan, place)
        by_year = _by_year(value_at(plan, place[:-1]), str(place[-1]), held)
        if not by_year and self.years is not None:
            msg = f"'{self.path}' is one number for all years; leave out 'years'"
            raise MtfsError(msg)
        if not by_year and (isinstance(held, bool) or not isinstance(held, float)):
            raise MtfsError(_no_number(self.path, held))
        if isinstance(held, str):
            msg = (
                f"'{self.path}' follows driver '{held}', so it is not one number a year: move the "
                f"driver, such as 'drivers.{held}.central'"
            )
            raise MtfsError(msg)
        for year in self.years or ():
            if year not in plan.years:
                near = suggest(year, plan.years)
                msg = f"'{self.path}' is to move in '{year}', which is no year of the plan.{near}"
                msg += f" It has: {', '.join(plan.years)}."
                raise MtfsError(msg)
        values = fixed_values(held, plan.years) if by_year else np.array([held])
        moved = np.array([self.years is None or year in self.years for year in plan.years])
        scalar = isinstance(held, float) and self.years is None
        if scalar:
            values, moved = values[:1], moved[:1]
        return LeverOf(self, plan, values, moved, scalar)

    def __repr__(self) -> str:
        low, high = self.bounds
        years = ", ".join(self.years) if self.years else "all years"
        return f"Lever({self.path} {self.how} in {years}, {low:g} to {high:g})"


@dataclass(frozen=True, eq=False)
class LeverOf:
    """A lever found in a plan."""

    lever: Lever
    plan: Plan
    held: Array
    """what the plan holds there, one value a year or one in all"""
    moved: NDArray[np.bool_]
    """which of them it moves"""
    scalar: bool
    """whether the plan holds one number there and the lever leaves it one"""

    @property
    def current(self) -> float:
        """The lever's value in the plan; for ``set``, the average of the values it would move."""
        neutral = self.lever.neutral
        return float(self.held[self.moved].mean()) if neutral is None else neutral

    @property
    def single(self) -> bool:
        """Whether the plan as it is is the plan at the lever's current value."""
        return self.lever.how != "set" or len(set(self.held[self.moved].tolist())) == 1

    def plan_at(self, value: float) -> Plan:
        """Make the plan in which the lever stands at ``value``.

        Raises
        ------
        PlanError
            When the plan cannot hold it.
        """
        change = {
            "set": np.full_like(self.held, value),
            "add": self.held + value,
            "scale": self.held * value,
        }
        values = np.where(self.moved, change[self.lever.how], self.held).tolist()
        return self.plan.with_changes({self.lever.path: values[0] if self.scalar else values})


def _bounds(bounds: object, path: str) -> tuple[float, float]:
    """Give bounds as two finite numbers, the lower first."""
    found = tuple(bounds) if isinstance(bounds, tuple | list | np.ndarray) else ()
    numbers = [
        float(each)
        for each in found
        if isinstance(each, int | float | np.number) and not isinstance(each, bool)
    ]
    if len(numbers) != 2 or len(found) != 2 or not all(map(math.isfinite, numbers)):  # noqa: PLR2004 - a pair
        msg = f"bounds of '{path}' are {bounds!r}; expected two finite numbers such as (0.0, 0.05)"
        raise MtfsError(msg)
    if numbers[0] >= numbers[1]:
        msg = (
            f"bounds of '{path}' are {numbers[0]:g} and {numbers[1]:g}; expected the lower one "
            "first, below the other"
        )
        raise MtfsError(msg)
    return numbers[0], numbers[1]


def _by_year(holder: Any, field: str, held: Any) -> bool:
    """Whether a field holds one number a year, in any of the forms of an assumption."""
    if not isinstance(holder, Declared):
        return False
    if field == "changes":
        return held is not None
    return (field,) in {where for where, _ in assumption_fields(holder)}


def _no_number(path: str, held: object) -> str:
    """Say why what stands at a path is no lever."""
    if isinstance(held, Declared):
        fields = [
            name
            for name, value in ((name, getattr(held, name)) for name in type(held).model_fields)
            if isinstance(value, float) or _by_year(held, name, value)
        ]
        return f"'{path}' is a part of the plan; name one number of it: {listing(fields, 30)}"
    if isinstance(held, int) and not isinstance(held, bool):
        return (
            f"'{path}' is {held}, a whole number: it cannot move by degrees. Try each value, with "
            "Plan.with_changes"
        )
    if held is None:
        return f"'{path}' is not stated in the plan: state it there first"
    what = "a list that is not one number a year" if isinstance(held, tuple) else repr(held)
    return f"'{path}' is {what}; expected a number, or one number a year"
