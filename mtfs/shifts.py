"""What a sensitivity table shifts: a driver, a stated assumption or a saving, and by how much."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
from pydantic import Field, model_validator

from mtfs.assumptions import ByYear, Declared, Noted, Number, Profile, YearLabel, fixed_values
from mtfs.changes import locate, value_at
from mtfs.checks import assumption_fields
from mtfs.lines import CareLine, CouncilTax, Deliverable, Grant, OtherFunding, SavingsTarget
from mtfs.plan import Plan
from mtfs.vocabulary import Array, MtfsError, listing, suggest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtfs.drivers import Driver

Kind: TypeAlias = Literal["points", "people", "people a year", "money", "other"]

# The steps of the tables that councils publish: Gateshead's MTFS 2026/27 to 2030/31, section 5
# (percentage points of pay, council tax and grants); sums and people are rounded to read easily.
POINT = 0.01
PEOPLE = 10
MONEY = 1e6
PERCENT = 0.01

_ADDED = "people_added"
_PEOPLE = frozenset({"people", "people_by_year", "entries"})
_MONEY = frozenset(
    re.findall(
        r"\w+",
        """
        amount amounts base base_gap base_income baseline cash changes contributions declared
        deficits impact income interest levels minimum mrp opening pay planned planned_use programme
        rates section_31 spend tariff top_up
        """,
    )
)
_GROWTH = frozenset(
    re.findall(
        r"\w+",
        """
        award asc_precept core_increase drift growth index mix_growth multiplier new_growth
        people_growth prevalence_growth price_growth price_index rate tax_base_growth volume_growth
        """,
    )
)
_SHARES = frozenset(
    re.findall(
        r"\w+",
        """
        agency agency_premium base_national_insurance base_pension client_income collection effect
        financed joint_funding levy national_insurance pension phase_in referendum_limit safety_net
        slippage turnover vacancies
        """,
    )
)


def kind_of_field(field: str) -> Kind:
    """Say in what a field of a plan's parts is stated."""
    if field == _ADDED:
        return "people a year"
    if field in _PEOPLE:
        return "people"
    if field in _MONEY:
        return "money"
    return "points" if field in _GROWTH | _SHARES else "other"


class Shift(Declared):
    """One row of a sensitivity table: what is shifted, by how much, and in which years.

    Examples
    --------
    >>> Shift(path="cpi", by=0.01).said("points")
    '+1 percentage point'
    >>> Shift(path="savings.reviews", delay=1).said("other")
    '1 year late'
    """

    called: ClassVar[str] = "the shift"

    path: str | tuple[str, ...]
    """a driver's name, or a dotted path of the plan as in :meth:`Plan.with_changes`; several are
    shifted together"""
    by: Number | None = None
    """what is added, in the units of what it is added to: 0.01 is a percentage point"""
    share: Annotated[float, Field(strict=True, gt=-1, allow_inf_nan=False)] | None = None
    """what is added, as a share of what is there: -0.1 is a tenth less"""
    delay: Annotated[int, Field(strict=True, ge=1, le=9)] | None = None
    """savings: whole years by which they come later"""
    years: tuple[YearLabel, ...] | None = None
    """the years shifted, all unless given"""
    label: Annotated[str, Field(min_length=1)] | None = None
    """name of the row, the path unless given"""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [each for each in (self.by, self.share, self.delay) if each is not None]
        if len(given) != 1:
            msg = "give one of 'by' (what is added), 'share' (a share of it) or 'delay' (years)"
            raise ValueError(msg)
        if given[0] == 0:
            msg = "a shift by 0 moves nothing; give how much is added, such as 0.01"
            raise ValueError(msg)
        if not self.paths or len(set(self.paths)) < len(self.paths):
            msg = "'path' names nothing, or one thing twice"
            raise ValueError(msg)
        if self.years is not None and (not self.years or self.delay is not None):
            msg = "'years' names the years in which a sum or share is added, at least one"
            raise ValueError(msg)
        return self

    @property
    def paths(self) -> tuple[str, ...]:
        """Everything it shifts."""
        return (self.path,) if isinstance(self.path, str) else self.path

    @property
    def row(self) -> str:
        """Name of its row."""
        return self.label or " + ".join(self.paths)

    def said(self, kind: Kind) -> str:
        """Say in words what it does, to something stated in ``kind``."""
        when = f" in {', '.join(self.years)}" if self.years else ""
        if self.delay is not None:
            return f"{self.delay} year{'s' * (self.delay > 1)} late"
        if self.share is not None:
            return f"{100 * self.share:+.10g}%{when}"
        by = self.by or 0.0
        if kind == "points":
            points = f"{100 * by:+.10g}"
            return f"{points} percentage point{'s' * (points[1:] != '1')}{when}"
        if kind == "money":
            size = abs(by)
            sum_ = f"{size / 1e6:.10g}m" if size >= MONEY else f"{size:,.10g}"
            return f"{'+' if by > 0 else '-'}GBP {sum_}{when}"
        if kind == "other":
            return f"{by:+.10g}{when}"
        of = "person" + kind.removeprefix("people") if abs(by) == 1 else kind
        return f"{by:+.10g} {of}{when}"

    def of_drivers(self, plan: Plan) -> list[str]:
        """List the drivers it shifts."""
        held = {driver.name for driver in plan.drivers}
        return [path for path in self.paths if path in held]

    def added_to(self, values: Array, years: Sequence[str]) -> Array:
        """Add it to values by year, shape (year, draw)."""
        added = values * self.share if self.share is not None else (self.by or 0.0)
        return values + self._here(years)[:, None] * added

    def _here(self, years: Sequence[str]) -> Array:
        for year in self.years or ():
            if year not in years:
                msg = (
                    f"{self.row}: '{year}' is not a year of the plan, which runs from {years[0]} "
                    f"to {years[-1]}"
                )
                raise MtfsError(msg)
        return np.array([self.years is None or year in self.years for year in years], float)


def kind_of(plan: Plan, shift: Shift) -> Kind:
    """Say in what the first thing a shift moves is stated; a driver, by what follows it."""
    path = shift.paths[0]
    drivers = {driver.name for driver in plan.drivers}
    if path in drivers:
        return driver_kind(plan, path) or "other"
    steps = locate(plan, path).names
    if steps[0] == "drivers" and len(steps) > 1:
        return driver_kind(plan, steps[1]) or "other"
    return kind_of_field(steps[-1])


def driver_kind(plan: Plan, name: str) -> Kind | None:
    """Say in what a driver is stated, by the first field that follows it; None where none does."""
    follows = [name]
    for each in follows:  # mixes of it, and mixes of those
        follows += [
            driver.name
            for driver in plan.drivers
            if driver.name not in follows and each in {part.driver for part in driver.mix}
        ]
    for each in follows:
        for field, followed, _ in driver_uses(plan):
            if followed == each:
                return kind_of_field(field)
    return None


def driver_uses(plan: Plan) -> Iterator[tuple[str, str, bool]]:
    """List the fields that follow drivers: field, driver, and whether it has to be from 0 to 1."""
    parts: tuple[Declared, ...] = (
        *plan.people_sources(),
        *plan.lines,
        *plan.funding,
        *plan.savings,
        *plan.savings_targets,
        *plan.one_offs,
        plan.reserves,
        *plan.memorandum,
    )
    for part in parts:
        for where, value in assumption_fields(part):
            if isinstance(value, str):
                yield str(where[-1]), value, where[-1] in getattr(part, "share_fields", ())


def shifted(plan: Plan, shift: Shift) -> Plan:
    """Make the plan in which all is shifted that a shift names, drivers apart.

    Raises
    ------
    MtfsError
        When a path does not exist, holds no number, or the new plan cannot be used.
    """
    drivers = shift.of_drivers(plan)
    shift.added_to(np.zeros((plan.horizon, 1)), plan.years)
    changes = {
        path: _moved(_held(plan, path), shift, path, plan.years)
        for path in shift.paths
        if path not in drivers
    }
    return _changed(plan, shift, changes)


def delayed(plan: Plan, shift: Shift) -> Plan:
    """Make the plan in which the schemes that a shift names start later, in every draw."""
    changes = {
        f"{path}.delays": _later(terms, shift.delay or 0)
        for path, terms in late_schemes(plan, shift).items()
    }
    return _changed(plan, shift, changes)


def late_schemes(plan: Plan, shift: Shift) -> dict[str, Deliverable]:
    """Give the savings and targets that a delay moves, by path."""
    known = {f"savings.{each.name}": each for each in plan.savings} | {
        f"savings_targets.{each.name}": each for each in plan.savings_targets
    }
    for path in shift.paths:
        if path not in known:
            msg = (
                f"'{path}' is no saving of the plan, and a delay goes with one."
                f"{suggest(path, known)} There is: {listing(known)}."
            )
            raise MtfsError(msg)
    return {path: known[path] for path in shift.paths}


def _later(terms: Deliverable, years: int) -> list[dict[str, float]]:
    """Give delays by so many years more; what was on time comes so late, and stays last."""
    found = [
        {"years": each.years + years, "probability": each.probability} for each in terms.delays
    ]
    on_time = 1.0 - math.fsum(each.probability for each in terms.delays)
    return [*found, {"years": years, "probability": on_time}] if on_time > 0 else found


def _changed(plan: Plan, shift: Shift, changes: Mapping[str, object]) -> Plan:
    if not changes:
        return plan
    try:
        other = plan.with_changes(changes)
    except MtfsError as error:
        msg = f"'{shift.row}' cannot be shifted so: {error}"
        raise MtfsError(msg) from error
    if other.years != plan.years:
        msg = f"'{shift.row}' changes the plan's years, and there is nothing to compare"
        raise MtfsError(msg)
    return other


def _held(plan: Plan, path: str) -> Any:
    """Give what stands at a dotted path."""
    if not any(path == name or path.startswith(f"{name}.") for name in Plan.model_fields):
        raise MtfsError(_unknown(plan, path))
    return value_at(plan, locate(plan, path).path)


def _unknown(plan: Plan, path: str) -> str:
    drivers = [driver.name for driver in plan.drivers]
    return (
        f"'{path}' is neither a driver nor a path of the plan."
        f"{suggest(path, [*drivers, *Plan.model_fields])} Its drivers: {listing(drivers)}; a path "
        "is such as 'funding.council tax.core_increase'."
    )


def _moved(value: Any, shift: Shift, path: str, years: Sequence[str]) -> float | tuple[float, ...]:
    """Add a shift to what stands at a path."""
    if isinstance(value, str):
        msg = f"'{path}' is {value!r}: where that is a driver, shift the driver"
        raise MtfsError(msg)
    numbers = value if isinstance(value, tuple) else (value,)
    if not isinstance(value, ByYear | Profile) and not all(
        isinstance(x, int | float) and not isinstance(x, bool) for x in numbers
    ):
        below = listing(type(value).model_fields) if isinstance(value, Declared) else "no number"
        msg = f"'{path}' cannot be shifted: it holds {below}; name a field that holds numbers"
        raise MtfsError(msg)
    if isinstance(value, int | float) and shift.years is None:
        return float(shift.added_to(np.full((1, 1), float(value)), years[:1])[0, 0])
    try:
        values = fixed_values(value, years)
    except ValueError as error:
        msg = f"'{path}' cannot be shifted by year: it {error}"
        raise MtfsError(msg) from error
    return tuple(shift.added_to(values[:, None], years)[:, 0].tolist())


def usual_shifts(plan: Plan) -> list[Shift]:
    """List the shifts of the table that councils publish, up and down, worked out from a plan.

    Parameters
    ----------
    plan
        The plan.

    Returns
    -------
    list of Shift
        Every driver that something follows and that holds something of its own (mixes follow their
        parts): a percentage point, 10 people or GBP 1m, by what follows it. Growth and interest
        stated as numbers, that of cohorts too: a percentage point. The core rise of council tax
        where it is stated as numbers: a percentage point. Grants and other funding stated by
        amount: 1%. Care lines: 10 people in the base year, or one where it holds no more than ten.
        Schemes: a year's delay, each and all together.
    """
    return [
        *_driver_shifts(plan),
        *_growth_shifts(plan),
        *_funding_shifts(plan),
        *_people_shifts(plan),
        *_delays(plan),
    ]


def _both_ways(path: str, by: float) -> list[Shift]:
    return [Shift(path=path, by=by), Shift(path=path, by=-by)]


def _by_percent(path: str) -> list[Shift]:
    return [Shift(path=path, share=PERCENT), Shift(path=path, share=-PERCENT)]


def _driver_shifts(plan: Plan) -> Iterator[Shift]:
    steps: dict[Kind, float] = {
        "points": POINT,
        "people": PEOPLE,
        "people a year": PEOPLE,
        "money": MONEY,
    }
    for driver in plan.drivers:
        kind = driver_kind(plan, driver.name)
        if kind is None or not _has_own(driver):
            continue
        if kind in steps:
            yield from _both_ways(driver.name, steps[kind])
        else:  # prices of a post or a week, of any size
            yield from _by_percent(driver.name)


def _has_own(driver: Driver) -> bool:
    """Whether a driver holds anything that its parts do not."""
    return not driver.mix or bool(driver.central is not None or driver.uncertain or driver.events)


def _growth_shifts(plan: Plan) -> Iterator[Shift]:
    held: tuple[tuple[str, tuple[Noted, ...]], ...] = (
        ("cohorts", plan.cohorts),
        ("lines", plan.lines),
        ("funding", plan.funding),
    )
    for group, parts in held:
        for part in parts:
            for where, value in assumption_fields(part):
                field = ".".join(map(str, where))
                deep = len(where) > 1 and group != "cohorts"
                if deep or isinstance(value, str) or where[-1] not in _GROWTH:
                    continue
                rise = isinstance(part, CouncilTax) and field == "core_increase"
                if rise or (field != "asc_precept" and fixed_values(value, plan.years).any()):
                    yield from _both_ways(f"{group}.{part.name}.{field}", POINT)


def _funding_shifts(plan: Plan) -> Iterator[Shift]:
    for source in plan.funding:
        amount: Any = None
        if isinstance(source, Grant) and source.growth is None:
            field, amount = "amount", source.amount
        elif isinstance(source, OtherFunding) and source.index is None:
            field = "levels"
            amount = None if isinstance(source.multiplier, str) else source.levels
        if amount is None or isinstance(amount, str) or not fixed_values(amount, plan.years).any():
            continue
        yield from _by_percent(f"funding.{source.name}.{field}")


def _people_shifts(plan: Plan) -> Iterator[Shift]:
    for line in plan.lines:
        if not isinstance(line, CareLine):
            continue
        field = "people_by_year" if line.people is None else "people"
        people: Any = getattr(line, field)
        if isinstance(people, str) or line.sourced is not None:
            continue  # its driver has a row; a flow's people move by its levers
        least = float(fixed_values(people, plan.years).min())
        step = PEOPLE if least > PEOPLE else 1
        path = f"lines.{line.name}.{field}"
        yield from _both_ways(path, step) if least >= step else [Shift(path=path, by=step)]


def _delays(plan: Plan) -> list[Shift]:
    paths = [
        f"{'savings_targets' if isinstance(each.terms, SavingsTarget) else 'savings'}"
        f".{each.terms.name}"
        for each in plan.schemes()
    ]
    found = [Shift(path=path, delay=1) for path in paths]
    if len(paths) > 1:
        found.append(Shift(path=tuple(paths), delay=1, label="all savings"))
    return found
