"""Checks between the parts of a plan: names that exist, years that match, what can be joint."""

from __future__ import annotations

import contextlib
import typing
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import Discriminator, TypeAdapter, ValidationError

from mtfs.assumptions import Declared, Noted, assumption_form, fixed_values
from mtfs.dependence import dependence
from mtfs.drivers import BOUNDED, CommonFactor, Driver, Pair, event_effect
from mtfs.flows.cohort_states import CohortStates
from mtfs.flows.sources import Flow
from mtfs.lines import (
    LINE_KINDS,
    SOURCE_KINDS,
    BalancesLine,
    BudgetLine,
    CareLine,
    ContingencyLine,
    CouncilTax,
    Deliverable,
    Grant,
    Line,
    PreventionLine,
    Saving,
    SavingsTarget,
    Source,
    fewer_than_none,
    people_changes,
    prevention_problems,
    unlikely_prevention,
)
from mtfs.lines.savings import COMMON, Delivery
from mtfs.overlaps import drift_overlaps
from mtfs.paths import Calendar, Paths, PeopleChange, in_order, planned_rows
from mtfs.problems import kind_names, number_as_text
from mtfs.reserves import CLOSURE, Memorandum, OneOff, Reserves
from mtfs.sourcing import sourcing_problems
from mtfs.vocabulary import (
    MAX_HORIZON,
    Array,
    MtfsError,
    Path,
    PlanError,
    Problem,
    listing,
    suggest,
)

_GROWTHS = {"growth", "award", "core_increase", "asc_precept", "drift"}
_REFERENCES: tuple[tuple[type[Noted], str, str], ...] = (
    (BalancesLine, "funds", "funds"),
    (Grant, "ring_fenced_to", "lines"),
    (Grant, "rest_to", "funds"),
    (OneOff, "fund", "funds"),
    (Saving, "needs", "savings"),
    (Saving, "manages", "lines"),
    (SavingsTarget, "schemes", "savings"),
)
_LISTS = (
    "drivers",
    "correlations",
    "flows",
    "cohorts",
    "lines",
    "savings",
    "savings_targets",
    "funding",
    "one_offs",
    "memorandum",
)
_ROUNDING = 1e-9
# Growth a year, or its standard deviation, above which a figure is more likely a slip.
_STEEP = 0.5


T = typing.TypeVar("T")


@dataclass
class Draft:
    """The parts of a plan by their place, those that are wrong in themselves left out."""

    calendar: Calendar | None
    parts: dict[Path, Any]
    names: dict[str, list[str]] = field(default_factory=dict)
    """every name given in a list, wrong parts included"""
    wrong: dict[Path, Declared] = field(default_factory=dict)
    """parts that are wrong in themselves, unchecked: only the names they use are looked at"""

    @classmethod
    def of(cls, plan: Any) -> Draft:
        """Take a plan apart."""
        parts: dict[Path, Any] = {}
        names: dict[str, list[str]] = {}
        for group in _LISTS:
            for n, part in enumerate(getattr(plan, group)):
                parts[group, n] = part
                if isinstance(part, Noted):
                    names.setdefault(group, []).append(part.name)
        parts["reserves",] = plan.reserves
        names["funds"] = [fund.name for fund in plan.reserves.funds]
        return cls(Calendar.from_first(plan.first_year, plan.horizon), parts, names)

    @classmethod
    def salvage(cls, data: Mapping[Any, Any], kinds: Mapping[str, TypeAdapter[Any]]) -> Draft:
        """Keep the parts of a mapping that are right in themselves."""
        first, horizon = data.get("first_year"), data.get("horizon", 4)
        calendar = None
        if isinstance(first, str) and horizon in range(1, MAX_HORIZON + 1):
            with contextlib.suppress(MtfsError):
                calendar = Calendar.from_first(first, int(horizon))
        draft = cls(calendar, {})
        for group, kind in kinds.items():
            held = data.get(group, ())
            if group == "reserves":
                funds = held.get("funds", ()) if isinstance(held, Mapping) else ()
                draft.names["funds"] = [name for name in map(_name, _list(funds)) if name]
                draft.keep(("reserves",), held or {}, kind)
                continue
            for n, item in enumerate(_list(held)):
                draft.keep((group, n), item, kind)
                if name := _name(item):
                    draft.names.setdefault(group, []).append(name)
        return draft

    def keep(self, path: Path, item: object, kind: TypeAdapter[Any]) -> None:
        """Keep a part that is right in itself; of another, what can be asked of it."""
        try:
            self.parts[path] = kind.validate_python(item)
        except (ValidationError, PlanError):
            model = _model_of(path[0], item)
            if model is not None and isinstance(item, Mapping):
                given = {str(key): value for key, value in item.items()}
                self.wrong[path] = model.model_construct(**given)

    def each(self, kind: type[T]) -> list[tuple[Path, T]]:
        """List the parts of a kind with their places."""
        return [(path, part) for path, part in self.parts.items() if isinstance(part, kind)]

    @cached_property
    def misfits(self) -> list[Problem]:
        """What does not fit the years, and drivers that fit but have no distribution in one."""
        if self.calendar is None:
            return []
        found = list(_years(self, self.calendar))
        wrong = {problem.path[:2] for problem in found}
        return found + [p for p in _each_driver(self, self.calendar) if p.path[:2] not in wrong]

    @property
    def reserves(self) -> Reserves | None:
        """The reserves, where they are right in themselves."""
        found = self.parts.get(("reserves",))
        return found if isinstance(found, Reserves) else None


def _list(held: object) -> Sequence[Any]:
    return held if isinstance(held, Sequence) and not isinstance(held, str) else ()


def _name(item: object) -> str | None:
    name = item.get("name") if isinstance(item, Mapping) else getattr(item, "name", None)
    return name if isinstance(name, str) else None


def _model_of(group: object, item: object) -> type[Declared] | None:
    """Find the model an item was meant to be."""
    kinds: dict[object, tuple[type[Declared], ...]] = {
        "lines": LINE_KINDS,
        "funding": SOURCE_KINDS,
        "savings": (Saving,),
        "savings_targets": (SavingsTarget,),
        "one_offs": (OneOff,),
        "memorandum": (Memorandum,),
    }
    kind = item.get("kind") if isinstance(item, Mapping) else None
    models = kinds.get(group, ())
    return next((m for m in models if len(models) == 1 or kind in kind_names(m)), None)


def reference_problems(draft: Draft) -> list[Problem]:
    """List what is wrong between the parts of a plan."""
    found = [*_duplicates(draft), *_unknown_names(draft), *_references(draft)]
    if draft.calendar is None:
        return found
    found += draft.misfits
    if not found:
        found += _joint(draft, draft.calendar)
    if not (draft.names.get("lines") or draft.names.get("funding")):
        found.append(Problem((), "the plan holds no lines and no funding; give at least one"))
    return found


def _duplicates(draft: Draft) -> Iterator[Problem]:
    for group, names in draft.names.items():
        for name, times in Counter(names).items():
            if times > 1:
                number = [n for n, held in enumerate(names) if held == name][1]
                path: Path = ("reserves", "funds", number) if group == "funds" else (group, number)
                yield Problem(
                    (*path, "name"),
                    f"the name '{name}' is used {times} times in {group}; names are unique",
                )
    for path, grant in draft.each(Grant):
        netted = grant.side == "requirement" and grant.ring_fenced_to is None
        if netted and grant.name in draft.names.get("lines", ()):
            yield Problem(
                (*path, "name"),
                f"a line is called '{grant.name}' too; both are rows of the requirement",
            )
    yield from _shared_streams(draft)


def _shared_streams(draft: Draft) -> Iterator[Problem]:
    """Find parts that would draw the same numbers without saying that they go together."""
    drawers = {("council", COMMON): "savings_correlation"}
    for path, part in draft.parts.items():
        source = part.closure if isinstance(part, Reserves) else part
        for spec in getattr(source, "shocks", tuple)():
            drawer = f"{path[0]} '{getattr(part, 'name', CLOSURE)}'"
            other = drawers.setdefault((spec.scope, spec.name), drawer)
            if other != drawer:
                yield Problem(
                    path,
                    f"draws from the stream '{spec.name}', as {other} does: use another name "
                    "or 'shock'",
                )


def taken_beyond_none(draft: Draft) -> list[Problem]:
    """List care lines that hold fewer people than none, as planned, because prevention is cut.

    Needs a plan that is otherwise right.
    """
    changes = people_changes([line for _, line in draft.each(Line)])
    if not changes or draft.calendar is None:
        return []
    planned = planned_paths(draft, draft.calendar, changes)
    return list(fewer_than_none(dict(draft.each(Line)), planned))


def planned_paths(
    draft: Draft, calendar: Calendar, changes: Mapping[str, PeopleChange] | None = None
) -> Paths:
    """Give the planned paths of a plan that is otherwise right, its people changed or not."""
    rows = planned_rows([driver for _, driver in draft.each(Driver)], calendar.years)
    sources: Any = {source.name: source for source in sources_of(draft).values()}
    return Paths(calendar, rows, {}, {}, people_changes=changes, sources=sources)


def assumption_fields(part: Declared, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """List the assumptions a part holds, those of parts inside it too, with their places."""
    for name, info in type(part).model_fields.items():
        value = getattr(part, name, None)
        where = (*path, name)
        if _is_assumption(info.annotation, info.metadata):
            if value is not None:
                yield where, value
        elif isinstance(value, Declared):
            yield from assumption_fields(value, where)
        elif isinstance(value, tuple):
            for n, item in enumerate(value):
                if isinstance(item, Declared):
                    yield from assumption_fields(item, (*where, n))


def _is_assumption(annotation: Any, metadata: Sequence[Any]) -> bool:
    held = [
        *metadata,
        *(m for part in typing.get_args(annotation) for m in getattr(part, "__metadata__", ())),
    ]
    return any(isinstance(m, Discriminator) and m.discriminator is assumption_form for m in held)


def _unknown(path: Path, what: str, name: str, names: Sequence[str]) -> Problem:
    text = number_as_text(name) if what == "driver" else None
    if text is not None:
        return Problem(path, text)
    return Problem(
        path,
        f"uses {what} '{name}', which the plan does not hold.{suggest(name, names)} "
        f"It holds: {listing(names)}.",
    )


def _unknown_names(draft: Draft) -> Iterator[Problem]:
    drivers = draft.names.get("drivers", [])
    by_name = {driver.name: driver for _, driver in draft.each(Driver)}
    for path, part in {**draft.parts, **draft.wrong}.items():
        if isinstance(part, Driver):
            continue
        for where, value in assumption_fields(part, path):
            if not isinstance(value, str):
                continue
            if value not in drivers:
                yield _unknown(where, "driver", value, drivers)
            elif value in by_name:
                yield from _out_of_range(part, by_name[value], by_name, where)
    for where, name in _driver_names(draft):
        if name not in drivers:
            yield _unknown(where, "driver", name, drivers)
        elif where[0] == "correlations" and name in by_name:
            yield from _uncorrelated(by_name[name], where)


def _driver_names(draft: Draft) -> Iterator[tuple[Path, str]]:
    """List the drivers that mixes and correlations name, with their places."""
    for path, driver in draft.each(Driver):
        yield from (((*path, "mix", n, "driver"), one.driver) for n, one in enumerate(driver.mix))
    for path, pair in draft.each(Pair):
        yield from (((*path, "between", n), name) for n, name in enumerate(pair.between))
    for path, factor in draft.each(CommonFactor):
        yield from (
            ((*path, "loadings", n, "driver"), one.driver) for n, one in enumerate(factor.loadings)
        )


def _out_of_range(
    part: Declared, driver: Driver, drivers: Mapping[str, Driver], where: Path
) -> Iterator[Problem]:
    """Find a driver that goes where the field that names it cannot."""
    if where[-1] in getattr(part, "share_fields", ()):
        yield from _unbounded(driver, drivers, where)
    elif where[-1] == "drift":
        yield from _leaving_nothing(driver, where)


def _unbounded(driver: Driver, drivers: Mapping[str, Driver], where: Path) -> Iterator[Problem]:
    if driver.uncertain and driver.shape not in BOUNDED:
        yield Problem(
            where,
            f"is a share, but driver '{driver.name}' has shape {driver.shape}, which does not stay "
            "between 0 and 1; use beta, pert, triangular, discrete or empirical",
        )
        return
    limits = driver.limits(drivers)
    outside = [value for value in (*driver.stated(), *limits) if not 0 <= value <= 1]
    if driver.mix and outside:
        yield Problem(
            where,
            f"is a share, but driver '{driver.name}', a mix, may lie from {limits[0]:g} to "
            f"{limits[1]:g}; expected 0 to 1: mix drivers that have bounds",
        )
    elif outside:
        word = "holds" if outside[0] in driver.stated() else "reaches"
        yield Problem(
            where, f"is a share, but driver '{driver.name}' {word} {outside[0]:g}; expected 0 to 1"
        )


def _leaving_nothing(driver: Driver, where: Path) -> Iterator[Problem]:
    least = min(driver.stated(), default=0.0)
    if least <= -1:
        yield Problem(
            where,
            f"is a share of the cost, but driver '{driver.name}' holds {least:g}, which leaves "
            "nothing of it; expected shares above -1",
        )


def _uncorrelated(driver: Driver, where: Path) -> Iterator[Problem]:
    if driver.mix:
        yield Problem(
            where, f"driver '{driver.name}' is a mix; correlate the drivers it is made of"
        )
    elif not driver.uncertain:
        yield Problem(
            where, f"driver '{driver.name}' has no spread, so nothing can be correlated with it"
        )


def _references(draft: Draft) -> Iterator[Problem]:
    """Check the names by which parts other than drivers refer to each other."""
    for kind, field_name, group in _REFERENCES:
        names = draft.names.get(group, [])
        for path, part in draft.each(kind):
            value = getattr(part, field_name)
            for name in (value,) if isinstance(value, str) else value or ():
                if name not in names:
                    yield _unknown((*path, field_name), group.removesuffix("s"), name, names)
    tied = {fund.name: fund.tied_to for fund in (draft.reserves.funds if draft.reserves else ())}
    for path, source in draft.each(OneOff):
        if source.fund is not None and tied.get(source.fund) is not None:
            yield Problem(
                (*path, "fund"),
                f"'{source.fund}' is tied to '{tied[source.fund]}' and cannot support the budget; "
                "use its 'planned_use'",
            )
    yield from _covered_twice(draft)
    drivers = [driver for _, driver in draft.each(Driver)]
    by_name = {driver.name: driver for driver in drivers}
    lines = dict(draft.each(Line))
    if draft.calendar is not None:
        yield from sourcing_problems(lines, sources_of(draft), draft.names, draft.calendar.years)
    yield from prevention_problems(lines, draft.names.get("lines", ()), by_name)
    yield from drift_overlaps(drivers, draft.each(CareLine), draft.each(BudgetLine))
    if draft.reserves is not None:
        yield from _fund_names(draft.reserves, draft.names)


def sources_of(draft: Draft) -> dict[Path, Flow | CohortStates]:
    """List flows and cohorts with their places."""
    return {**dict(draft.each(Flow)), **dict(draft.each(CohortStates))}  # type: ignore[type-abstract]


def _covered_twice(draft: Draft) -> Iterator[Problem]:
    lines = draft.names.get("lines", [])
    covered: dict[str, str] = {}
    for path, line in draft.each(ContingencyLine):
        names = [n for n in lines if n != line.name] if line.covers == "all" else line.covers
        for name in names:
            if name in covered:
                yield Problem(
                    (*path, "covers"),
                    f"'{name}' is already covered by '{covered[name]}': the same variance would be "
                    "paid for twice",
                )
            elif line.covers != "all" and name not in lines:
                yield _unknown((*path, "covers"), "line", name, lines)
            covered[name] = line.name


def _fund_names(reserves: Reserves, names: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    lines, funds = names.get("lines", []), names.get("funds", [])
    place: Path = ("reserves", "surplus_to")
    if reserves.surplus_to is not None and reserves.surplus_to not in funds:
        yield _unknown(place, "fund", reserves.surplus_to, funds)
    if reserves.funds and reserves.surplus_to is None:
        yield Problem(place, f"say which fund takes a surplus: one of {listing(funds)}")
    for n, fund in enumerate(reserves.funds):
        if fund.tied_to is not None and fund.tied_to not in lines:
            yield _unknown(("reserves", "funds", n, "tied_to"), "line", fund.tied_to, lines)
        if fund.name == reserves.surplus_to and fund.tied_to is not None:
            yield Problem(place, f"'{fund.name}' is tied to a line; a surplus needs another fund")
    if sum(fund.general for fund in reserves.funds) > 1:
        yield Problem(
            ("reserves", "funds"), "two funds say they are the general fund; there is one"
        )


def _years(draft: Draft, calendar: Calendar) -> Iterator[Problem]:
    """Check that values and years given fit the plan's years."""
    years = calendar.years
    for path, part in draft.parts.items():
        for where, value in assumption_fields(part, path):
            try:
                _ = None if isinstance(value, str) else fixed_values(value, years)
            except ValueError as error:
                yield Problem(where, str(error))
        if isinstance(part, Line | Source):
            yield from (Problem(path, fault) for fault in part.faults(calendar))
    for path, item in draft.each(Memorandum):
        if item.override is not None and item.override.year not in years:
            yield Problem(
                (*path, "override", "year"),
                f"is {item.override.year}; the plan's years are {years[0]} to {years[-1]}",
            )


def _each_driver(draft: Draft, calendar: Calendar) -> Iterator[Problem]:
    """Check that every driver has a distribution in every year."""
    for path, driver in draft.each(Driver):
        try:
            driver.planned_values(calendar.years)
            driver.distributions(calendar.years)
            for event in driver.events:
                event_effect(event, calendar.years)
        except ValueError as error:
            yield Problem(path, str(error))


def _joint(draft: Draft, calendar: Calendar) -> Iterator[Problem]:
    """Check what needs all drivers to be right: mixes in order, correlations that can be."""
    drivers = [driver for _, driver in draft.each(Driver)]
    try:
        in_order(drivers)
    except MtfsError as error:
        yield Problem(("drivers",), str(error))
        return
    yield from _lags(draft)
    try:
        joined = [part for part in draft.parts.values() if isinstance(part, Pair | CommonFactor)]
        dependence(drivers, joined, calendar.years)
    except MtfsError as error:
        yield Problem(("correlations",), str(error))


def _lags(draft: Draft) -> Iterator[Problem]:
    known = {driver.name: len(driver.previous) for _, driver in draft.each(Driver)}
    for path, driver in draft.each(Driver):
        for n, one in enumerate(driver.mix):
            if known.get(one.driver, one.lag) < one.lag:
                yield Problem(
                    (*path, "mix", n, "lag"),
                    f"reads '{one.driver}' {one.lag} years before, but its 'previous' holds "
                    f"{known[one.driver]} values; give what it was in the years before the first",
                )


def implausible(draft: Draft) -> list[Problem]:
    """List what can be used but is more likely a slip; nothing while there are plain errors."""
    calendar = draft.calendar
    if calendar is None or draft.misfits:
        return []
    planned = {
        driver.name: driver.planned_values(calendar.years)
        for _, driver in draft.each(Driver)
        if not driver.mix
    }

    def values(assumption: Any) -> Array:
        if isinstance(assumption, str):
            return planned.get(assumption, np.zeros(calendar.horizon))
        return fixed_values(assumption, calendar.years)

    return [
        *_steep(draft, values),
        *_wide(draft, calendar),
        *_above_limit(draft, calendar, values),
        *_too_good(draft),
        *unlikely_prevention(dict(draft.each(Line))),
        *_lowered_twice(draft),
        *(
            Problem((*path, *where), text)
            for path, part in draft.parts.items()
            if isinstance(part, CohortStates)
            for where, text in part.doubts()
        ),
    ]


Values = Callable[[Any], Array]


def _growth_fields(draft: Draft) -> Iterator[tuple[Path, Any]]:
    for path, part in draft.parts.items():
        if not isinstance(part, Line | Source | CohortStates):
            continue
        for where, value in assumption_fields(part, path):
            word = str(where[-1])
            if word in _GROWTHS or word.endswith("_growth"):
                yield where, value


def _steep(draft: Draft, values: Values) -> Iterator[Problem]:
    for where, value in _growth_fields(draft):
        steep = values(value).max()
        if steep > _STEEP:
            yield Problem(where, f"grows by {steep:.0%} in a year; write 5% as 0.05")


def _wide(draft: Draft, calendar: Calendar) -> Iterator[Problem]:
    """Find growth that follows a driver whose stated spread is more likely a slip."""
    stated = {d.name: d.sd for _, d in draft.each(Driver) if d.sd is not None}
    for where, name in _growth_fields(draft):
        if not isinstance(name, str) or name not in stated:
            continue
        wide = fixed_values(stated[name], calendar.years).max()
        if wide > _STEEP:
            yield Problem(where, f"'{name}' spreads by {wide:.0%} a year; write 2 points as 0.02")


def _above_limit(draft: Draft, calendar: Calendar, values: Values) -> Iterator[Problem]:
    for path, tax in draft.each(CouncilTax):
        if tax.referendum_limit is None:
            continue
        rises = values(tax.core_increase) + values(tax.asc_precept)
        limits = values(tax.referendum_limit)
        for year, rise, limit in zip(calendar.years, rises, limits, strict=True):
            if rise > limit + _ROUNDING:
                yield Problem(
                    path,
                    f"a rise of {rise:.2%} in {year} is above the referendum limit {limit:.2%}",
                )


def _lowered_twice(draft: Draft) -> Iterator[Problem]:
    by = {line.reduces: line.name for _, line in draft.each(PreventionLine)}
    for path, saving in draft.each(Saving):
        if saving.manages in by and not saving.already_in_demand:
            yield Problem(
                (*path, "already_in_demand"),
                f"is 0, but '{by[saving.manages]}' lowers the people of '{saving.manages}' too: "
                "are some of them counted twice?",
            )


def _too_good(draft: Draft) -> Iterator[Problem]:
    for path, saving in draft.each(Deliverable):
        if not isinstance(saving.outcome, Delivery) and saving.outcome > 1:
            yield Problem((*path, "delivery"), f"delivers {saving.outcome:.0%} of what was planned")
