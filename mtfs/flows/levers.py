"""What services do about children in care: levers on entries, exits, moves and places, by date."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Annotated, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, model_validator

from mtfs.assumptions import Count, Declared, EffectAssumption, Name, Noted, Share
from mtfs.flows.model import FlowModel
from mtfs.flows.states import AgeName
from mtfs.flows.steps import Steps
from mtfs.vocabulary import Array, MtfsError, listing, suggest

MONTH_DAYS = 365.25 / 12
_ROUNDING = 1e-9
_DAY = Field(strict=False)

# resolves an assumption over a plan's years: shape (year, draw) or (year, 1)
Value: TypeAlias = Callable[[EffectAssumption], Array]


class Timed(Noted):
    """Something that comes into effect on a day, at once or evenly over some months."""

    starts: Annotated[date, _DAY]
    """the first day of its effect, such as 2026-09-01"""
    ramp_months: Annotated[float, Field(ge=0, le=120)] = 0.0
    """months until it is in full effect"""
    ends: Annotated[date, _DAY] | None = None
    """the first day without it"""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.ends is not None and self.ends <= self.starts:
            msg = f"'ends' is {self.ends}; expected a day after 'starts', {self.starts}"
            raise ValueError(msg)
        return self

    def in_effect(self, steps: Steps) -> Array:
        """Give the share that is in effect on average in each step, shape (step,)."""
        begins = steps.since(self.starts)
        ends = np.inf if self.ends is None else steps.since(self.ends)
        low, high = steps.edges[:-1], steps.edges[1:]
        ramp = self.ramp_months * MONTH_DAYS

        def until(day: Array) -> Array:  # integral of the share from the beginning to a day
            there = np.clip(np.minimum(day, ends) - begins, 0.0, None)
            if ramp == 0:
                return there
            rising = np.minimum(there, ramp)
            return rising**2 / (2 * ramp) + (there - rising)

        share: Array = (until(high) - until(low)) / (high - low)
        return share


class RateLever(Timed):
    """A lever that multiplies rates by one plus ``effect``."""

    ages: tuple[AgeName, ...] = ()
    """age bands, such as "10 to 15"; unless given, all"""
    groups: tuple[Literal["other", "UASC"], ...] = ()
    """unless given, all"""
    effect: EffectAssumption
    """change of the rate once in full effect: -0.2 is a fifth fewer, -1 none; may name a driver"""


class EntryLever(RateLever):
    """Fewer or more entries to care, such as prevention for young children."""

    kind: Literal["entries"] = "entries"


class ExitLever(RateLever):
    """More or fewer children who leave care before 18, such as reunification."""

    kind: Literal["exits"] = "exits"
    placements: tuple[Name, ...] = ()
    """unless given, all"""


class MoveLever(RateLever):
    """More or fewer moves between two placements, such as step-down to fostering."""

    kind: Literal["moves"] = "moves"
    from_placement: Name
    to_placement: Name

    @model_validator(mode="after")
    def _somewhere_else(self) -> Self:
        if self.from_placement == self.to_placement:
            msg = f"'from_placement' and 'to_placement' are both '{self.to_placement}'"
            raise ValueError(msg)
        return self


class Places(Declared):
    """More places, or fewer, from a day on."""

    on: Annotated[date, _DAY]
    added: Annotated[float, Field(strict=True, ge=-1e5, le=1e5)]
    """places, negative where carers leave"""


class Overflow(Declared):
    """Where a share of those go for whom there is no place."""

    placement: Name
    share: Share


class CapacityLever(Noted):
    """A limit on places, such as those of in-house foster carers, and where the overflow goes.

    Nobody who is there has to go; those who come find a place or do not. With ``takes_from``,
    children bound for those placements come here instead as long as a place is free: that is what
    recruiting carers does.
    """

    kind: Literal["capacity"] = "capacity"
    placement: Name
    places: Count
    """places from the first day on, at least as many as children there; part of one is none"""
    changes: tuple[Places, ...] = ()
    overflow: tuple[Overflow, ...] = Field(min_length=1)
    """shares sum to one"""
    takes_from: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = sum(each.share for each in self.overflow)
        if abs(total - 1) > _ROUNDING:
            msg = f"the shares of 'overflow' sum to {total:g}; expected 1"
            raise ValueError(msg)
        if self.placement in (named := [*(e.placement for e in self.overflow), *self.takes_from]):
            msg = f"'{self.placement}' cannot overflow to, or take from, itself; found {named}"
            raise ValueError(msg)
        return self

    def places_at(self, steps: Steps) -> Array:
        """Give the places there are from the beginning of each step, shape (step,)."""
        there = np.full(steps.count, self.places)
        for change in self.changes:
            there[steps.edges[:-1] >= steps.since(change.on)] += change.added
        places: Array = np.floor(there)
        return places


class HomeLever(Timed):
    """A new home of the council's own, with places and an opening date (``starts``).

    It takes children who would be in ``placement`` otherwise, as far as its places go: who needs
    care does not change, what it costs does. Its name is a placement of its own in the result.
    """

    kind: Literal["home"] = "home"
    placement: Name
    places: Count
    occupancy: Share = 1.0
    """share of its places that is filled once in full effect"""


AnyLever: TypeAlias = Annotated[
    EntryLever | ExitLever | MoveLever | CapacityLever | HomeLever, Discriminator("kind")
]


def lever_problems(levers: Sequence[AnyLever], model: FlowModel) -> Iterator[str]:
    """Say what is wrong with levers on this flow: states it does not hold, places too few."""
    names = [lever.name for lever in levers]
    if twice := {name for name in names if names.count(name) > 1}:
        yield f"{listing(twice)}: two levers bear one name"
    capped = [lever.placement for lever in levers if isinstance(lever, CapacityLever)]
    for name in sorted({name for name in capped if capped.count(name) > 1}):
        yield f"'{name}' has two limits on its places; put 'changes' of places into one of them"
    for lever in levers:
        found = list(_unknown(lever, model))
        if isinstance(lever, HomeLever) and lever.name in model.grouping.placement_names:
            found.append("bears the name of a placement; a new home is a placement of its own")
        if isinstance(lever, CapacityLever) and not found:
            found += _about_places(lever, model, capped)
        yield from (f"lever '{lever.name}': {each}" for each in found)


def _unknown(lever: AnyLever, model: FlowModel) -> Iterator[str]:
    """Name states that the flow does not hold."""
    for known, wanted, what in [
        (model.grouping.placement_names, _placements_of(lever), "placement"),
        (model.grouping.age_names, getattr(lever, "ages", ()), "age band"),
        (model.groups, getattr(lever, "groups", ()), "group"),
    ]:
        for name in wanted:
            if name not in known:
                near = suggest(name, known)
                yield f"the flow has no {what} '{name}'.{near} It has: {', '.join(known)}"


def _about_places(lever: CapacityLever, model: FlowModel, capped: Sequence[str]) -> Iterator[str]:
    """Say where a limit on places cannot be kept to."""
    stock = model.census.placement.count(model.grouping.placement_names.index(lever.placement))
    if lever.places < stock:
        yield (
            f"'places' is {lever.places:g}, and {stock} children are in '{lever.placement}' on "
            f"{model.as_of}; expected at least as many places"
        )
    first = model.as_of + timedelta(days=1)
    places = lever.places
    for change in sorted(lever.changes, key=lambda change: change.on):
        if change.on < first:
            yield f"'changes' holds {change.on}, before the flow starts on {first}"
        places += change.added
        if places < 0:
            yield f"'changes' leaves fewer than no places on {change.on}: {places:g}"
    for each in lever.overflow:
        if each.placement in capped:
            yield f"it overflows to '{each.placement}', which has a limit of its own"
        yield from _too_young(lever.placement, each.placement, model)
    for name in lever.takes_from:
        if name in capped:
            yield f"it takes from '{name}', which has a limit of its own"
        yield from _too_young(name, lever.placement, model)


def _too_young(here: str, there: str, model: FlowModel) -> Iterator[str]:
    """Say when children may be moved to where they are too young to be."""
    from_age = {each.name: each.from_age for each in model.grouping.placements}
    if from_age[there] > from_age[here]:
        age = from_age[there]
        yield f"it moves children from '{here}' to '{there}', which is for {age} and over"


def _placements_of(lever: AnyLever) -> tuple[str, ...]:
    if isinstance(lever, MoveLever):
        return (lever.from_placement, lever.to_placement)
    if isinstance(lever, CapacityLever):
        others = (each.placement for each in lever.overflow)
        return (lever.placement, *others, *lever.takes_from)
    if isinstance(lever, HomeLever):
        return (lever.placement,)
    return lever.placements if isinstance(lever, ExitLever) else ()


@dataclass(frozen=True)
class Multiplier:
    """What one lever multiplies rates by, and where."""

    lever: EntryLever | ExitLever | MoveLever
    factor: Array
    """shape (step, draw), or (step, 1)"""
    mask: Array
    """1 for the cells it acts on, shape (group, age, placement, destination)"""


@dataclass(frozen=True)
class Resolved:
    """Levers on one flow as numbers: what rates are multiplied by in each step, and places."""

    population: Array
    """what entries are multiplied by as the child population changes, (group, age, step)"""
    multipliers: tuple[Multiplier, ...] = ()
    capacities: tuple[CapacityLever, ...] = ()
    homes: tuple[HomeLever, ...] = ()

    @classmethod
    def of(
        cls,
        levers: Sequence[AnyLever],
        model: FlowModel,
        steps: Steps,
        *,
        value: Value,
        years: Sequence[str],
    ) -> Resolved:
        """Resolve levers that :func:`lever_problems` found right for the flow.

        Parameters
        ----------
        value
            Gives an assumption over ``years``, shape (year, draw) or (year, 1).
        years
            The plan's years; before the first of them its value holds.

        Raises
        ------
        MtfsError
            When an effect has no value for a year, or one that leaves less than no rate; when a
            child population does not reach to the last year.
        """
        first = steps.years.index(years[0])
        plan_year = np.clip(steps.year - first, 0, len(years) - 1)
        multipliers = []
        for lever in levers:
            if isinstance(lever, EntryLever | ExitLever | MoveLever):
                try:
                    effect = value(lever.effect)
                except ValueError as error:
                    msg = f"lever '{lever.name}', 'effect': {error}"
                    raise MtfsError(msg) from None
                if (effect < -1).any():
                    msg = (
                        f"lever '{lever.name}': the effect of a draw is {effect.min():.3g}, less "
                        "than no rate at all; choose a shape with bounds for its driver"
                    )
                    raise MtfsError(msg)
                moved = lever.in_effect(steps)[:, None] * effect[plan_year]
                multipliers.append(Multiplier(lever, 1.0 + moved, _mask(lever, model)))
        return cls(
            model.by_population(steps.years)[..., steps.year],
            tuple(multipliers),
            tuple(lever for lever in levers if isinstance(lever, CapacityLever)),
            tuple(lever for lever in levers if isinstance(lever, HomeLever)),
        )

    def part(self, draws: slice | NDArray[np.intp]) -> Resolved:
        """Give the levers of some draws."""
        cut = (
            each if each.factor.shape[1] == 1 else replace(each, factor=each.factor[:, draws])
            for each in self.multipliers
        )
        return replace(self, multipliers=tuple(cut))

    def changed(self, step: int) -> bool:
        """Whether what exits and moves are multiplied by changes with this step."""
        return step == 0 or any(
            (each.factor[step] != each.factor[step - 1]).any()
            for each in self.multipliers
            if not isinstance(each.lever, EntryLever)
        )

    def entries(self, step: int) -> Array:
        """Give what entries are multiplied by, shape (group, age, draw or 1)."""
        out = self.population[..., step, None]
        for each in self.multipliers:
            if isinstance(each.lever, EntryLever):
                out = out * _where(each.mask[:, :, 0, 0, None], each.factor[step])
        return out

    def exits(self, step: int) -> Array:
        """Give what exits are multiplied by, shape (group, age, placement, 1, draw or 1)."""
        out: Array = np.ones((1, 1, 1, 1, 1))
        for each in self.multipliers:
            if isinstance(each.lever, ExitLever):
                out = out * _where(each.mask[:, :, :, 0, None, None], each.factor[step])
        return out

    def moves(self, step: int) -> Array:
        """Give what moves are multiplied by, (group, age, placement, 1, destination, draw or 1)."""
        out: Array = np.ones((1,) * 6)
        for each in self.multipliers:
            if isinstance(each.lever, MoveLever):
                out = out * _where(each.mask[:, :, :, None, :, None], each.factor[step])
        return out


def _mask(lever: EntryLever | ExitLever | MoveLever, model: FlowModel) -> Array:
    """Mark the cells a lever acts on, shape (group, age, placement, destination)."""
    placements = model.grouping.placement_names
    origins = lever.placements if isinstance(lever, ExitLever) else ()
    ends: tuple[str, ...] = ()
    if isinstance(lever, MoveLever):
        origins, ends = (lever.from_placement,), (lever.to_placement,)
    chosen = [
        np.array([not wanted or name in wanted for name in known], float)
        for known, wanted in [
            (model.groups, lever.groups),
            (model.grouping.age_names, lever.ages),
            (placements, origins),
            (placements, ends),
        ]
    ]
    marked: Array = np.einsum("g,a,p,q->gapq", *chosen)
    return marked


def _where(mask: Array, factor: Array) -> Array:
    """Give ``factor`` where the mask is 1, and 1 elsewhere."""
    return 1.0 + mask * (factor - 1.0)
