"""The plan: everything a council assumes about its medium term, frozen and checked."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self, TypeAlias

import numpy as np
from pydantic import Field, TypeAdapter, model_validator

from mtfs.assumptions import Declared, Money, Note, Noted, Share, YearLabel, require_fields
from mtfs.changes import edit
from mtfs.checks import Draft, implausible, reference_problems, taken_beyond_none
from mtfs.drivers import Correlation, Driver
from mtfs.flows.sources import AnyCohort, Flow
from mtfs.idle import unused
from mtfs.lines import (
    AnyLine,
    AnySource,
    Grant,
    Line,
    Saving,
    SavingsTarget,
    Scheme,
    schemes_of,
)
from mtfs.lines.anatomy import Anatomy
from mtfs.lines.savings import COMMON, COMMON_FACTOR, Delivery
from mtfs.paths import Calendar, Paths
from mtfs.problems import place
from mtfs.reserves import CLOSURE, Memorandum, OneOff, Reserves
from mtfs.sampling import ShockSpec
from mtfs.savings_checks import counted_beyond_cost, savings_problems
from mtfs.vocabulary import MAX_HORIZON, Array, PlanError, PlanWarning, Problem, listing

Changes: TypeAlias = Mapping[str, object]


class Plan(Declared):
    """A council's medium-term financial strategy and how uncertain each part of it is.

    A plan cannot be edited: :meth:`with_changes` makes another. Raises :class:`mtfs.PlanError`,
    which lists every problem at once, when something in it is wrong.
    """

    loader: ClassVar[str | None] = "mtfs.load_plan"

    council: Annotated[str, Field(min_length=1)]
    first_year: YearLabel
    """the first year planned; the base year is the one before"""
    horizon: Annotated[int, Field(strict=True, ge=1, le=MAX_HORIZON)] = 4
    """years planned"""
    title: str | None = None
    source: str | None = None
    notes: tuple[Note, ...] = ()
    """where the plan's own fields come from, such as ``base_gap`` or ``reserves`` (closure)"""
    price_base: str = "nominal"
    """prices the money is in; nominal unless stated"""
    base_gap: Money = 0.0
    """GBP of last year's gap that was met one-off and so stands again in every year"""
    drivers: tuple[Driver, ...] = ()
    correlations: tuple[Correlation, ...] = ()
    flows: tuple[Flow, ...] = ()
    """children moving between kinds of care, whom care lines count"""
    cohorts: tuple[AnyCohort, ...] = ()
    """adults or pupils by age and setting, from population and prevalence or flows"""
    lines: tuple[AnyLine, ...] = ()
    savings: tuple[Saving, ...] = ()
    savings_correlation: Share = COMMON_FACTOR
    """correlation of the delivery of different schemes, closure included"""
    savings_targets: tuple[SavingsTarget, ...] = ()
    """targets shared by several schemes; what those do not cover is a scheme of its own"""
    funding: tuple[AnySource, ...] = ()
    one_offs: tuple[OneOff, ...] = ()
    reserves: Reserves = Field(default_factory=Reserves)
    memorandum: tuple[Memorandum, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        require_fields(self, self.notes)
        draft = Draft.of(self)
        found = [*reference_problems(draft), *savings_problems(draft)]
        if found := (found or [*counted_beyond_cost(draft), *taken_beyond_none(draft)]):
            raise PlanError([Problem(p.path, p.message, place(p.path, self)) for p in found])
        names = [row.name for row in [*self.rows(), *self.requirement_grants()]]
        if twice := {name for name in names if names.count(name) > 1}:
            raise PlanError(
                f"{listing(twice)}: a line bears the name of a row that another part of the plan "
                "implies; rename the line"
            )
        for problem in implausible(draft):
            text = Problem(problem.path, problem.message, place(problem.path, self))
            warnings.warn(str(text), PlanWarning, stacklevel=2)
        return self

    @property
    def calendar(self) -> Calendar:
        """The years of the plan."""
        return Calendar.from_first(self.first_year, self.horizon)

    @property
    def years(self) -> tuple[str, ...]:
        """The labels of the years."""
        return self.calendar.years

    def rows(self) -> list[Line | DerivedLine]:
        """List every row of the requirement: declared lines, then those that other parts imply."""
        implied = [
            *(
                [DerivedLine("base gap", "base_gap", "base gap", self._base_gap)]
                if self.base_gap
                else []
            ),
            *(
                DerivedLine(
                    f"contribution to {fund.name}",
                    "contribution",
                    "reserves",
                    _value(fund.contributions),
                )
                for fund in self.reserves.funds
                if fund.contributions != 0
            ),
            *(
                DerivedLine(
                    f"{source.name}: MRP and interest", "financing", "financing", source.cost
                )
                for source in self.one_offs
                if source.kind == "efs"
            ),
            *(
                DerivedLine(f"{item.name}: interest", "financing", "financing", item.interest)
                for item in self.memorandum
                if item.rate != 0
            ),
        ]
        return [*self.lines, *implied]

    def requirement_grants(self) -> list[Grant]:
        """List general grants that net off the requirement."""
        return [g for g in self._grants() if g.side == "requirement" and g.ring_fenced_to is None]

    def ring_fenced_grants(self) -> list[Grant]:
        """List grants that net off one line."""
        return [g for g in self._grants() if g.ring_fenced_to is not None]

    def _grants(self) -> Iterator[Grant]:
        return (source for source in self.funding if isinstance(source, Grant))

    def sources(self) -> list[AnySource]:
        """List what counts as funding."""
        netted = {grant.name for grant in self.requirement_grants() + self.ring_fenced_grants()}
        return [source for source in self.funding if source.name not in netted]

    def people_sources(self) -> tuple[Flow | AnyCohort, ...]:
        """List what care lines may count the people of."""
        return (*self.flows, *self.cohorts)

    def schemes(self) -> tuple[Scheme, ...]:
        """List declared schemes, then what each savings target lacks after those it names."""
        return schemes_of(self.savings, self.savings_targets, self.calendar)

    def _base_gap(self, paths: Paths) -> Array:
        return np.full((paths.horizon, 1), self.base_gap)

    def shocks(self) -> tuple[ShockSpec, ...]:
        """List every stream of draws the plan needs."""
        schemes = [scheme.terms for scheme in self.schemes()]
        own = [
            *(spec for driver in self.drivers for spec in driver.shocks()),
            *(spec for source in self.people_sources() for spec in source.shocks()),
            *(spec for line in self.lines for spec in line.shocks()),
            *(spec for scheme in schemes for spec in scheme.shocks()),
            *(spec for source in self.funding for spec in source.shocks()),
            *(spec for item in self.memorandum for spec in item.shocks()),
            *self.reserves.closure.shocks(),
        ]
        delivers = any(isinstance(scheme.outcome, Delivery) for scheme in schemes)
        closes = any(spec.name.startswith(f"{CLOSURE}.") for spec in own)
        if self.savings_correlation > 0 and (delivers or closes):
            own.append(ShockSpec(COMMON, "council", once=True))
        return tuple(own)

    def to_json(self) -> str:
        """Write the plan as canonical JSON, in declared order, with the defaults it was made of."""
        return self.model_dump_json(exclude_none=True)

    @property
    def digest(self) -> str:
        """A hash of the canonical JSON; equal plans have equal digests."""
        return digest_of(self.to_json())

    def with_changes(self, changes: Changes) -> Plan:
        """Make a plan that differs from this one, and check it.

        Parameters
        ----------
        changes
            New values by dotted path; parts of a list go by name, such as
            ``{"reserves.closure.policy": "none", "lines.home_care.weekly_cost": 340.0}``. A name
            may hold dots: of several that fit, the longest is meant.

        Raises
        ------
        PlanError
            When a path does not exist (the nearest name is suggested), when one path lies within
            another, or when the new plan is wrong.

        Examples
        --------
        >>> levy = {"kind": "levy", "name": "flood levy", "base": 1e6}
        >>> plan = Plan(council="A", first_year="2026/27", lines=[levy])
        >>> plan.with_changes({"lines.flood levy.base": 2e6}).lines[0].base
        2000000.0
        """
        return Plan.model_validate(edit(self, changes).data)

    def register(self) -> list[dict[str, str]]:
        """List the assumption register: what carries a source, an owner or a rationale."""
        parts: list[Noted] = [
            *self.drivers,
            *self.flows,
            *(lever for flow in self.flows for lever in flow.levers),
            *self.cohorts,
            *self.lines,
            *self.savings,
            *self.savings_targets,
            *self.funding,
            *self.one_offs,
            *self.reserves.funds,
            *self.memorandum,
        ]
        said: list[tuple[str, str, Note | Noted]] = [("plan", n.field, n) for n in self.notes]
        for part in parts:
            said += [(part.name, "", part), *((part.name, n.field, n) for n in part.notes)]
        found = []
        for name, field, note in said:
            entry = {key: getattr(note, key) or "" for key in ("source", "owner", "rationale")}
            if any(entry.values()):
                found.append({"name": name, "field": field, **entry})
        return found

    def __repr__(self) -> str:
        last = self.years[-1]
        return (
            f"<Plan {self.council} {self.first_year} to {last}: {len(self.drivers)} drivers, "
            f"{len(self.lines)} lines, {len(self.savings)} savings, "
            f"{len(self.funding)} funding sources, {len(self.reserves.funds)} funds>"
        )

    __str__ = __repr__


def digest_of(canonical: str) -> str:
    """Hash a plan's canonical JSON."""
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class DerivedLine:
    """A row of the requirement that another part of the plan implies."""

    name: str
    kind: str
    component: str
    make: Callable[[Paths], Array]
    service: str = "corporate"
    share: float = 1.0

    def causes(self) -> tuple[str, ...]:
        """List the cause its growth is booked under."""
        return (self.component,)

    def base_cost(self, planned: Paths) -> float:  # noqa: ARG002 - as a line's
        """Give the net cost in the base year: nothing."""
        return 0.0

    def cost(self, paths: Paths) -> Array:
        """Give the cost, GBP, shape (year, draw) or (year, 1)."""
        return self.make(paths)

    def anatomy(self, paths: Paths) -> Anatomy:
        """Show the cost, all of which is growth since the base year."""
        return Anatomy.of_one(self.component, self.component, base=0.0, values=self.cost(paths))

    def parts(self, paths: Paths, cost: Array, base: float) -> dict[str, Array]:  # noqa: ARG002 - as a line's
        """Give all growth as one component."""
        return {self.component: cost}


def _value(assumption: Any) -> Callable[[Paths], Array]:
    return lambda paths: paths.value(assumption)


_LISTS: dict[str, TypeAdapter[Any]] = {}


def find_problems(data: object) -> tuple[list[Problem], list[Problem]]:
    """List everything wrong with a plan given as a mapping, and everything implausible.

    Parts that are wrong in themselves do not hide what is wrong between the others.

    Returns
    -------
    tuple
        Problems (empty when the plan can be used) and warnings.
    """
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always", PlanWarning)
        try:
            plan = Plan.model_validate(data)
        except PlanError as error:
            problems = list(error.problems)
        else:
            draft = Draft.of(plan)
            return [], [_placed(p, data) for p in [*implausible(draft), *unused(draft)]]
        if not isinstance(data, Mapping):
            return problems, []
        draft = Draft.salvage(data, _part_types())
        known = {p.path for p in problems}
        between = [*reference_problems(draft), *savings_problems(draft)]
        found = [_placed(p, data) for p in between if p.path not in known]
        return problems + found, [_placed(p, data) for p in implausible(draft)]


def _placed(problem: Problem, data: object) -> Problem:
    return Problem(problem.path, problem.message, place(problem.path, data))


def _part_types() -> dict[str, TypeAdapter[Any]]:
    if not _LISTS:
        _LISTS.update(
            drivers=TypeAdapter(Driver),
            flows=TypeAdapter(Flow),
            cohorts=TypeAdapter(AnyCohort),
            correlations=TypeAdapter(Correlation),
            lines=TypeAdapter(AnyLine),
            savings=TypeAdapter(Saving),
            savings_targets=TypeAdapter(SavingsTarget),
            funding=TypeAdapter(AnySource),
            one_offs=TypeAdapter(OneOff),
            memorandum=TypeAdapter(Memorandum),
            reserves=TypeAdapter(Reserves),
        )
    return _LISTS


__all__ = ["Changes", "DerivedLine", "Plan", "digest_of", "find_problems"]
