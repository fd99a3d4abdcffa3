"""Checks between the parts of a plan: names that exist, years that match, correlations that can be."""

from __future__ import annotations

import typing
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import Discriminator, TypeAdapter, ValidationError

from mtfs.assumptions import Declared, Noted, assumption_form, fixed_values
from mtfs.dependence import dependence
from mtfs.drivers import CommonFactor, Driver, Pair, event_effect
from mtfs.lines import BalancesLine, ContingencyLine, CouncilTax, Grant, Line, Saving, Source
from mtfs.lines.savings import Delivery
from mtfs.paths import Calendar, in_order
from mtfs.problems import number_as_text
from mtfs.reserves import Memorandum, OneOff, Reserves
from mtfs.vocabulary import MtfsError, Path, PlanError, Problem, listing, suggest

_BOUNDED = {"triangular", "pert", "beta", "discrete", "empirical"}
_GROWTHS = {"growth", "award", "core_increase", "asc_precept", "multiplier"}
_STEEP = 0.5  # growth a year above which a figure is more likely a slip than a forecast


T = typing.TypeVar("T")


@dataclass
class Draft:
    """The parts of a plan by their place, those that are wrong in themselves left out."""

    calendar: Calendar | None
    parts: dict[Path, Any]
    names: dict[str, list[str]] = field(default_factory=dict)
    """every name given in a list, wrong parts included"""

    @classmethod
    def of(cls, plan: Any) -> Draft:
        """Take a plan apart."""
        parts: dict[Path, Any] = {}
        names: dict[str, list[str]] = {}
        lists = ("drivers", "correlations", "lines", "savings", "funding", "one_offs", "memorandum")
        for group in lists:
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
        try:
            calendar = Calendar.from_first(data.get("first_year"), data.get("horizon", 4))  # type: ignore[arg-type]
        except (MtfsError, TypeError):
            calendar = None
        parts: dict[Path, Any] = {}
        names: dict[str, list[str]] = {}
        for group, kind in kinds.items():
            held = data.get(group, ())
            if group == "reserves":
                funds = held.get("funds", ()) if isinstance(held, Mapping) else ()
                names["funds"] = [f["name"] for f in funds if isinstance(f, Mapping) and "name" in f]
                _keep(parts, ("reserves",), held or {}, kind)
                continue
            for n, item in enumerate(held if isinstance(held, Sequence) else ()):
                _keep(parts, (group, n), item, kind)
                name = item.get("name") if isinstance(item, Mapping) else getattr(item, "name", None)
                if isinstance(name, str):
                    names.setdefault(group, []).append(name)
        return cls(calendar, parts, names)

    def each(self, kind: type[T]) -> list[tuple[Path, T]]:
        """List the parts of a kind with their places."""
        return [(path, part) for path, part in self.parts.items() if isinstance(part, kind)]

    @property
    def reserves(self) -> Reserves | None:
        """The reserves, where they are right in themselves."""
        found = self.parts.get(("reserves",))
        return found if isinstance(found, Reserves) else None


def _keep(parts: dict[Path, Any], path: Path, item: object, kind: TypeAdapter[Any]) -> None:
    try:
        parts[path] = kind.validate_python(item)
    except (ValidationError, PlanError):
        return


def reference_problems(draft: Draft) -> list[Problem]:
    """List what is wrong between the parts of a plan."""
    found = [*_duplicates(draft), *_unknown_names(draft), *_steps_into_lines(draft)]
    if draft.calendar is None:
        return found
    found += _years_and_drivers(draft, draft.calendar)
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
                yield Problem((*path, "name"), f"the name '{name}' is used {times} times in {group}; names are unique")
    shocks = Counter(d.shock_name for _, d in draft.each(Driver) if d.uncertain)
    for path, driver in draft.each(Driver):
        if driver.uncertain and shocks[driver.shock_name] > 1 and driver.shock is not None:
            yield Problem((*path, "shock"), f"two drivers draw from the stream '{driver.shock}'")


def assumption_fields(part: Declared, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """List the assumptions a part holds, those of parts inside it too, with their places."""
    for name, info in type(part).model_fields.items():
        value = getattr(part, name)
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
    held = [*metadata, *(m for part in typing.get_args(annotation) for m in getattr(part, "__metadata__", ()))]
    return any(isinstance(m, Discriminator) and m.discriminator is assumption_form for m in held)


def _unknown(path: Path, what: str, name: str, names: Sequence[str]) -> Problem:
    text = number_as_text(name) if what == "driver" else None
    if text is not None:
        return Problem(path, text)
    return Problem(
        path,
        f"uses {what} '{name}', which the plan does not hold.{suggest(name, names)} It holds: {listing(names)}.",
    )


def _unknown_names(draft: Draft) -> Iterator[Problem]:
    drivers = draft.names.get("drivers", [])
    by_name = {driver.name: driver for _, driver in draft.each(Driver)}
    for path, part in draft.parts.items():
        for where, value in assumption_fields(part, path):
            if isinstance(value, str) and not isinstance(part, Driver):
                if value not in drivers:
                    yield _unknown(where, "driver", value, drivers)
                elif where[-1] in getattr(part, "share_fields", ()) and (fault := _unbounded(by_name.get(value))):
                    yield Problem(where, fault)
    for path, driver in draft.each(Driver):
        for n, one in enumerate(driver.mix):
            if one.driver not in drivers:
                yield _unknown((*path, "mix", n, "driver"), "driver", one.driver, drivers)
    for path, pair in draft.each(Pair):
        for n, name in enumerate(pair.between):
            yield from _correlated(name, (*path, "between", n), drivers, by_name)
    for path, factor in draft.each(CommonFactor):
        for n, one in enumerate(factor.loadings):
            yield from _correlated(one.driver, (*path, "loadings", n, "driver"), drivers, by_name)


def _unbounded(driver: Driver | None) -> str | None:
    if driver is None or driver.mix or not driver.uncertain or driver.shape in _BOUNDED:
        return None
    return (
        f"is a share, but driver '{driver.name}' has shape {driver.shape}, which does not stay between "
        "0 and 1; use beta, pert, triangular, discrete or empirical"
    )


def _correlated(name: str, path: Path, drivers: Sequence[str], held: Mapping[str, Driver]) -> Iterator[Problem]:
    if name not in drivers:
        yield _unknown(path, "driver", name, drivers)
    elif name in held and held[name].mix:
        yield Problem(path, f"driver '{name}' is a mix; correlate the drivers it is made of")
    elif name in held and not held[name].uncertain:
        yield Problem(path, f"driver '{name}' has no spread, so nothing can be correlated with it")


def _steps_into_lines(draft: Draft) -> Iterator[Problem]:
    """Check the names by which parts other than drivers refer to each other."""
    lines, funds = draft.names.get("lines", []), draft.names.get("funds", [])
    covered: dict[str, str] = {}
    for path, line in draft.each(ContingencyLine):
        names = [n for n in lines if n != line.name] if line.covers == "all" else line.covers
        for name in names:
            if name not in lines:
                yield _unknown((*path, "covers"), "line", name, lines)
            elif name in covered:
                other = covered[name]
                yield Problem(
                    (*path, "covers"),
                    f"'{name}' is already covered by '{other}': the same variance would be paid for twice",
                )
            covered[name] = line.name
    for path, balances in draft.each(BalancesLine):
        for name in balances.funds:
            if name not in funds:
                yield _unknown((*path, "funds"), "fund", name, funds)
    for path, grant in draft.each(Grant):
        if grant.ring_fenced_to is not None and grant.ring_fenced_to not in lines:
            yield _unknown((*path, "ring_fenced_to"), "line", grant.ring_fenced_to, lines)
        if grant.rest_to is not None and grant.rest_to not in funds:
            yield _unknown((*path, "rest_to"), "fund", grant.rest_to, funds)
    for path, source in draft.each(OneOff):
        if source.fund is not None and source.fund not in funds:
            yield _unknown((*path, "fund"), "fund", source.fund, funds)
    if draft.reserves is not None:
        yield from _fund_names(draft.reserves, lines, funds)


def _fund_names(reserves: Reserves, lines: Sequence[str], funds: Sequence[str]) -> Iterator[Problem]:
    if reserves.surplus_to is not None and reserves.surplus_to not in funds:
        yield _unknown(("reserves", "surplus_to"), "fund", reserves.surplus_to, funds)
    if reserves.funds and reserves.surplus_to is None:
        yield Problem(("reserves", "surplus_to"), f"say which fund takes a surplus: one of {listing(funds)}")
    for n, fund in enumerate(reserves.funds):
        if fund.tied_to is not None and fund.tied_to not in lines:
            yield _unknown(("reserves", "funds", n, "tied_to"), "line", fund.tied_to, lines)
        if fund.name == reserves.surplus_to and fund.tied_to is not None:
            yield Problem(("reserves", "surplus_to"), f"'{fund.name}' is tied to a line; a surplus needs another fund")
    if sum(fund.general for fund in reserves.funds) > 1:
        yield Problem(("reserves", "funds"), "two funds say they are the general fund; there is one")


def _years_and_drivers(draft: Draft, calendar: Calendar) -> Iterator[Problem]:
    years = calendar.years
    for path, part in draft.parts.items():
        for where, value in assumption_fields(part, path):
            if isinstance(value, str):
                continue
            try:
                fixed_values(value, years)
            except ValueError as error:
                yield Problem(where, str(error))
        if isinstance(part, Line | Source):
            yield from (Problem(path, fault) for fault in part.faults(calendar))
    for path, driver in draft.each(Driver):
        try:
            driver.planned_values(years)
            driver.distributions(years)
            for event in driver.events:
                event_effect(event, years)
        except ValueError as error:
            yield Problem(path, str(error))
    for path, item in draft.each(Memorandum):
        if item.override is not None and item.override.year not in years:
            yield Problem(
                (*path, "override", "year"),
                f"is {item.override.year}; the plan's years are {years[0]} to {years[-1]}",
            )


def _joint(draft: Draft, calendar: Calendar) -> Iterator[Problem]:
    """Check what needs all drivers to be right: mixes in order, correlations that can be."""
    drivers = [driver for _, driver in draft.each(Driver)]
    try:
        in_order(drivers)
    except MtfsError as error:
        yield Problem(("drivers",), str(error))
        return
    held = {driver.name: driver for driver in drivers}
    for path, driver in draft.each(Driver):
        for n, one in enumerate(driver.mix):
            if one.driver in held and len(held[one.driver].previous) < one.lag:
                yield Problem(
                    (*path, "mix", n, "lag"),
                    f"reads '{one.driver}' {one.lag} years before, but 'previous' of '{one.driver}' holds "
                    f"{len(held[one.driver].previous)} values; give its known values of the years before the first",
                )
    try:
        joined = [item for _, item in draft.each(Pair)] + [item for _, item in draft.each(CommonFactor)]
        dependence(drivers, joined, calendar.years)
    except MtfsError as error:
        yield Problem(("correlations",), str(error))


def implausible(draft: Draft) -> list[Problem]:
    """List what can be used but is more likely a slip."""
    calendar = draft.calendar
    if calendar is None:
        return []
    by_name = {driver.name: driver for _, driver in draft.each(Driver)}

    def values(assumption: Any) -> np.ndarray:
        if isinstance(assumption, str):
            driver = by_name.get(assumption)
            if driver is None or driver.mix:
                return np.zeros(calendar.horizon)
            return driver.planned_values(calendar.years)
        return fixed_values(assumption, calendar.years)

    if any(True for _ in _years_and_drivers(draft, calendar)):
        return []  # first things first
    found: list[Problem] = []

    for path, part in draft.parts.items():
        if not isinstance(part, Line | Source):
            continue
        for where, value in assumption_fields(part, path):
            word = str(where[-1])
            if (word in _GROWTHS or word.endswith("_growth")) and word != "multiplier":
                steep = values(value).max()
                if steep > _STEEP:
                    found.append(Problem(where, f"grows by {steep:.0%} in a year; write 5% as 0.05"))
    for path, tax in draft.each(CouncilTax):
        if tax.referendum_limit is not None:
            rise = values(tax.core_increase) + values(tax.asc_precept)
            over = rise - values(tax.referendum_limit) > 1e-9  # noqa: PLR2004 - rounding
            for year in np.array(calendar.years)[over]:
                at = float(rise[calendar.years.index(str(year))])
                found.append(Problem(path, f"a rise of {at:.2%} in {year} is above the referendum limit"))
    for path, saving in draft.each(Saving):
        if not isinstance(saving.outcome, Delivery) and saving.outcome > 1:
            found.append(Problem((*path, "delivery"), f"delivers {saving.outcome:.0%} of what was planned"))
    return found
