"""Scenarios: named sets of changes to a plan, small enough to read beside each other.

A scenario says only what differs. Its paths are those of :meth:`mtfs.Plan.with_changes`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, Field, model_validator

from mtfs.assumptions import Declared, Noted
from mtfs.changes import Edited, edit, locate
from mtfs.drivers import Correlation, Driver
from mtfs.lines import AnyLine, AnySource, Saving, SavingsTarget
from mtfs.plan import Plan, find_problems
from mtfs.problems import place, shown
from mtfs.reserves import Fund, Memorandum, OneOff
from mtfs.vocabulary import MtfsError, PlanError, Problem, listing, suggest


def _plain(value: Any) -> Any:
    """Turn a value of a plan into what YAML would hold, apart from what it was given as."""
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_none=True)
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


class NewParts(Declared):
    """Whole new parts of a plan, by the list that they are added to."""

    drivers: tuple[Driver, ...] = ()
    correlations: tuple[Correlation, ...] = ()
    lines: tuple[AnyLine, ...] = ()
    savings: tuple[Saving, ...] = ()
    savings_targets: tuple[SavingsTarget, ...] = ()
    funding: tuple[AnySource, ...] = ()
    one_offs: tuple[OneOff, ...] = ()
    funds: tuple[Fund, ...] = ()
    """added to the funds of ``reserves``: last among those that meet a shortfall"""
    memorandum: tuple[Memorandum, ...] = ()

    def by_list(self) -> dict[str, list[dict[str, Any]]]:
        """Give the parts as a plan's dump holds them, by the dotted path of their list."""
        held = self.model_dump(exclude_none=True)
        return {"reserves.funds" if key == "funds" else key: list(held[key]) for key in held}


class Scenario(Noted):
    """A named set of changes to a plan: what a policy does, or how the world might turn out."""

    called: ClassVar[str] = "the scenario"

    description: str | None = None
    changes: Annotated[Mapping[str, Any], BeforeValidator(_plain)] = Field(default_factory=dict)
    """new values by dotted path, such as ``lines.home care.weekly_cost: 340``"""
    add: NewParts = Field(default_factory=NewParts)
    """whole new parts, by list"""
    remove: tuple[str, ...] = ()
    """dotted paths of parts that go, such as ``lines.family hubs``"""

    def applied(self, plan: Plan) -> Plan:
        """Make the plan that differs from ``plan`` by this scenario, and check it.

        Raises
        ------
        PlanError
            When a path does not exist (the nearest name is suggested), one lies within another, or
            the plan that comes of it is wrong; lists every problem.

        Examples
        --------
        >>> roads = {"kind": "budget", "name": "roads", "base": 1e6}
        >>> plan = Plan(council="A", first_year="2026/27", lines=[roads])
        >>> Scenario(name="cut", changes={"lines.roads.base": 8e5}).applied(plan).lines[0].base
        800000.0
        """
        edited = self._edited(plan)
        try:
            return Plan.model_validate(edited.data)
        except PlanError as error:
            problems = find_problems(edited.data)[0] or error.problems
        found = []
        for problem in problems:
            origin = edited.origin(problem.path)
            at = place(origin, self) if origin else problem.where or "as a whole"
            found.append(Problem(origin or (), problem.message, f"{self}, {at}"))
        raise PlanError(found, str(self))

    def _edited(self, plan: Plan) -> Edited:
        try:
            return edit(plan, self.changes, add=self.add.by_list(), remove=self.remove)
        except PlanError as error:
            found = [Problem(p.path, p.message, f"{self}, {p.path[0]}") for p in error.problems]
            raise PlanError(found, str(self)) from None

    def combined(self, other: Scenario, plan: Plan) -> Scenario:
        """Make the scenario that does what this one and another do to ``plan``.

        Raises
        ------
        PlanError
            When both touch the same place: which of them holds is not for the library to say.
        """
        mine, theirs = self._touched(plan), other._touched(plan)
        for path, steps in mine.items():
            for other_path, other_steps in theirs.items():
                shorter = min(len(steps), len(other_steps))
                if steps[:shorter] == other_steps[:shorter]:
                    where = f"'{path}'" + (f" and '{other_path}'" if path != other_path else "")
                    raise PlanError(
                        f"{self} and {other} both change {where}, so that what both do together "
                        "is not said; give one scenario that says it"
                    )
        parts = {
            name: (*getattr(self.add, name), *getattr(other.add, name))
            for name in NewParts.model_fields
        }
        return Scenario(
            name=f"{self.name}, {other.name}"[:80],
            changes={**self.changes, **other.changes},
            add=NewParts(**parts),
            remove=(*self.remove, *other.remove),
        )

    def _touched(self, plan: Plan) -> dict[str, tuple[str, ...]]:
        """List the places the scenario changes, adds and removes, by dotted path."""
        self._edited(plan)  # says what is wrong with the scenario itself
        found = {path: locate(plan, path).names for path in (*self.changes, *self.remove)}
        for path, parts in self.add.by_list().items():
            named = (part["name"] for part in parts if "name" in part)
            found |= {f"{path}.{name}": (*path.split("."), name) for name in named}
        return found

    def __str__(self) -> str:
        return f"scenario '{self.name}'"

    def __repr__(self) -> str:
        added = sum(map(len, self.add.by_list().values()))
        return (
            f"<Scenario {self.name}: {len(self.changes)} changes, {added} parts added, "
            f"{len(self.remove)} removed>"
        )


class Scenarios(Declared):
    """A file of scenarios: for side by side, or policies (levers) against states of the world."""

    called: ClassVar[str] = "the file of scenarios"
    loader: ClassVar[str | None] = "mtfs.load_scenarios"

    council: str | None = None
    """whose plan they are changes of; another council's is refused"""
    title: str | None = None
    source: str | None = None
    scenarios: tuple[Scenario, ...] = ()
    levers: tuple[Scenario, ...] = ()
    """what the council may do; one without changes stands for doing nothing more"""
    states: tuple[Scenario, ...] = ()
    """how the world may turn out"""

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        held = list(self._all())
        if not held:
            msg = "holds no scenario; expected 'scenarios', 'levers' or 'states', a list of them"
            raise PlanError(msg)
        times = Counter(each.name for _, _, each in held)
        found = [
            Problem((group, number), f"'{each.name}' is a name used before; rename it")
            for group, number, each in held
            if times[each.name] > 1
        ]
        if found:
            raise PlanError(found[1:])
        return self

    def __getitem__(self, name: str) -> Scenario:
        """Give one scenario, lever or state by its name."""
        held = [each for _, _, each in self._all()]
        for each in held:
            if each.name == name:
                return each
        names = [each.name for each in held]
        msg = f"no scenario is called {shown(name)}.{suggest(str(name), names)} "
        raise MtfsError(msg + f"There is: {listing(names)}.")

    def problems(self, plan: Plan) -> list[Problem]:
        """List everything wrong with all of them as changes of ``plan``; nothing if all can be."""
        if self.council is not None and self.council != plan.council:
            text = f"the scenarios are of '{self.council}' and the plan is of '{plan.council}'"
            return [Problem(("council",), text)]
        found = []
        for group, number, each in self._all():
            try:
                each.applied(plan)
            except PlanError as error:
                found += [problem.at((group, number)) for problem in error.problems]
        return found

    def _all(self) -> Iterator[tuple[str, int, Scenario]]:
        for group in ("scenarios", "levers", "states"):
            for number, each in enumerate(getattr(self, group)):
                yield group, number, each

    def __repr__(self) -> str:
        groups = ("scenarios", "levers", "states")
        held = (f"{group} {[each.name for each in getattr(self, group)]}" for group in groups)
        return f"<Scenarios of {self.council or 'any council'}: {'; '.join(held)}>"

    __str__ = __repr__


__all__ = ["NewParts", "Scenario", "Scenarios"]
