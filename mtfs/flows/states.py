"""The states of children in care: age bands, placements and bands of time in care, all as data."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from mtfs.assumptions import Count, Declared, Name, Number, YearLabel, pairs
from mtfs.vocabulary import Array

ADULT = 18  # a child leaves care on the eighteenth birthday
YEAR_DAYS = 365.25  # days in a year of age or of exposure
OTHER, UASC = "other", "UASC"  # unaccompanied asylum-seeking children flow apart from all others


ByYears = Annotated[
    tuple[tuple[YearLabel, Count], ...], BeforeValidator(pairs), Field(min_length=1)
]
"""numbers by financial year, as a mapping"""
AgeName = Annotated[str, BeforeValidator(lambda x: str(x) if type(x) is int else x)]
"""the label of an age band; a single year of age may be written as a number"""


class Table(Declared):
    """An array as a frozen value: its shape, and its numbers with the last dimension fastest."""

    shape: tuple[Annotated[int, Field(strict=True, ge=0)], ...]
    values: tuple[Number, ...]

    @model_validator(mode="after")
    def _fills_its_shape(self) -> Self:
        if len(self.values) != int(np.prod(self.shape)):
            msg = f"holds {len(self.values)} numbers; its shape {self.shape} needs "
            raise ValueError(f"{msg}{int(np.prod(self.shape))}")
        return self

    @classmethod
    def of(cls, array: Array | Sequence[object] | float) -> Self:
        """Freeze an array."""
        held = np.asarray(array, np.float64)
        return cls(shape=held.shape, values=tuple(held.ravel().tolist()))

    @property
    def array(self) -> Array:
        """The array, which cannot be written to."""
        found = np.array(self.values, np.float64).reshape(self.shape)
        found.flags.writeable = False
        return found

    # Not pydantic's, which would compare the cached arrays too.
    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Table) and self.shape == other.shape and self.values == other.values
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.values))


class Placement(Declared):
    """A kind of placement: which codes of the SSDA903 return belong to it."""

    name: Name
    codes: tuple[str, ...] = Field(min_length=1)
    """placement types (PLACE), such as U4 or K2"""
    providers: tuple[str, ...] = ()
    """placement providers (PLACE_PROVIDER), such as PR1 for own provision; unless given, any"""
    from_age: Annotated[int, Field(strict=True, ge=0, lt=ADULT)] = 0
    """years of age below which nobody is placed there; 16 for supported accommodation"""


class Grouping(Declared):
    """How children in care are grouped. The standard grouping is :data:`STANDARD`.

    ``ages`` and ``durations`` are the edges of the bands. The first placement that holds a code and
    its provider takes it.
    """

    placements: tuple[Placement, ...] = Field(min_length=1)
    ages: tuple[Annotated[int, Field(strict=True, ge=0, le=ADULT)], ...] = (0, 1, 5, 10, 16, ADULT)
    """years; from 0 to 18"""
    durations: tuple[Annotated[float, Field(ge=0)], ...] = (0.0, 0.5, 1.0, 2.0, 5.0)
    """years in care at which a band begins; the last has no end"""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for name in ("ages", "durations"):
            edges = getattr(self, name)
            if any(low >= high for low, high in pairwise(edges)) or edges[0] != 0:
                raise ValueError(f"'{name}' begins at 0 and rises; found {list(edges)}")
        if self.ages[-1] != ADULT:
            raise ValueError(f"'ages' ends at {ADULT}, when children leave care")
        names = self.placement_names
        if len(set(names)) < len(names):
            raise ValueError("two placements bear one name")
        for each in self.placements:
            if each.from_age not in self.ages:
                msg = f"placement '{each.name}' is for {each.from_age} and over, which is not an "
                raise ValueError(f"{msg}edge of the age bands {list(self.ages)}")
        return self

    @property
    def placement_names(self) -> tuple[str, ...]:
        """The labels of the placements."""
        return tuple(each.name for each in self.placements)

    @property
    def age_names(self) -> tuple[str, ...]:
        """The labels of the age bands, such as "10 to 15"."""
        return tuple(_band(low, high) for low, high in pairwise(self.ages))

    @property
    def duration_names(self) -> tuple[str, ...]:
        """The labels of the bands of time in care, in years."""
        ends = [f"{low:g} to {high:g} years" for low, high in pairwise(self.durations)]
        return (*ends, f"{self.durations[-1]:g} years and over")

    @property
    def shape(self) -> tuple[int, int, int]:
        """How many age bands, placements and bands of time in care there are."""
        return len(self.ages) - 1, len(self.placements), len(self.durations)

    @property
    def allowed(self) -> Array:
        """Which placements are for which ages: 1 or 0, shape (age, placement)."""
        lows = np.array(self.ages[:-1])[:, None]
        return (lows >= np.array([p.from_age for p in self.placements])).astype(np.float64)


def _band(low: int, high: int) -> str:
    if high - low == 1:
        return str(low)
    joint = "and" if high - low == 2 else "to"  # noqa: PLR2004 - two years of age
    return f"{low} {joint} {high - 1}"
