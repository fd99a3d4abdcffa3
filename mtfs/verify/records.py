"""A council's own past plans against what happened.

Two bases stay apart. On the basis of *revision*, a plan is held against the last plan made for the
same year before that year began, its budget. On the basis of *outturn* it is held against what the
year came to. Revisions never say how far outturns end from a plan, nor the reverse.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal, get_args

import pandas as pd
from pydantic import AfterValidator, BeforeValidator, Field

from mtfs.assumptions import Declared, Number, Pounds, YearLabel, pairs
from mtfs.vocabulary import MtfsError, listing, suggest, year_start

Basis = Literal["revision", "outturn"]
Adverse = Literal["above", "below"]
_MADE = re.compile(r"(\d{4})-(\d{2})(?:-\d{2})?")
_APRIL = 4
_MONTHS = 12
# January to March: budgets are set by 11 March (Local Government Finance Act 1992, section 32).
_BUDGET_MONTHS = 3
_PERCENT = 20.0  # times: a rate in percent beside one as a fraction; no pay award turns out so
_MILLIONS = 1000.0  # times: money in thousands or millions beside pounds
_NOTHING = 1e-6  # of a figure that is 0 but for rounding


def _check_made(text: str) -> str:
    match = _MADE.fullmatch(text)
    if match is None or not 1 <= int(match[2]) <= _MONTHS:
        msg = f"found {text!r}; expected the month in which the plan was made, such as '2025-02'"
        raise ValueError(msg)
    return text


def _month(made: str) -> int:
    return int(made[:4]) * _MONTHS + int(made[5:7]) - 1


def _began(year: str) -> int:
    return year_start(year) * _MONTHS + _APRIL - 1


def require_made(made: str | None, records: Sequence[TrackRecord]) -> None:
    """Check when today's plan was made: records of revisions need it, others have no use for it."""
    revised = [record for record in records if record.basis == "revision"]
    if made is None and revised:
        msg = (
            f"the record of {revised[0].quantity} is of revisions: say when today's plan was made, "
            "such as made='2026-02', since a year whose budget is set is not revised any more"
        )
        raise MtfsError(msg)
    if made is None:
        return
    if not revised:
        msg = f"the record of {records[0].quantity} is of outturns; made= goes with revisions"
        raise MtfsError(msg)
    try:
        _check_made(made)
    except (TypeError, ValueError) as error:
        msg = f"made: {error}"
        raise MtfsError(msg) from None


def budgeted(years: Iterable[str], made: str | None, record: TrackRecord) -> tuple[str, ...]:
    """Give the years that no revision is to come of: whose budget a plan made then is, or later."""
    if record.basis == "outturn" or made is None:
        return ()
    return tuple(year for year in years if _began(year) - _month(made) <= _BUDGET_MONTHS)


def require_todays_unit(quantity: str, used: Iterable[Miss], planned: Iterable[float]) -> None:
    """Refuse a record in another unit than today's plan."""
    words = ("what past years came to", "what today's plan states")
    require_one_unit(quantity, [miss.came for miss in used], planned, words)


def require_one_unit(
    quantity: str, past: Iterable[float], others: Iterable[float], what: tuple[str, str]
) -> None:
    """Refuse fractions beside percentages, and past millions beside pounds, by their medians."""
    one, other = (
        statistics.median([abs(x) for x in each if abs(x) > _NOTHING] or [0.0])
        for each in (past, others)
    )
    low, high = min(one, other), max(one, other)
    percent = 0 < low < 1 <= high < _MILLIONS and high > _PERCENT * low
    if percent or 0 < one * _MILLIONS < other:
        msg = (
            f"{quantity}: {what[0]} is about {one:.4g} and {what[1]} about {other:.4g}; expected "
            "one unit: money in GBP (64e6, not 64), rates as fractions (0.02, not 2)"
        )
        raise MtfsError(msg)


class PastPlan(Declared):
    """What one plan said of one quantity, year by year."""

    made: Annotated[str, AfterValidator(_check_made)]
    """the month in which it was made, such as ``2025-02``"""
    values: Annotated[
        tuple[tuple[YearLabel, Number], ...], BeforeValidator(pairs), Field(min_length=1)
    ]
    """a mapping by financial year: levels of a gap in GBP, or fractions such as a pay award"""
    policy: str = ""
    """what it takes as decided, such as "before a decision on council tax\""""
    net_budget: Annotated[Pounds, Field(gt=0)] | None = None
    """GBP, of the year in which it was made: what errors in money are shares of"""
    source: str | None = None

    @property
    def by_year(self) -> dict[str, float]:
        """The values by year."""
        return dict(self.values)

    @property
    def month(self) -> int:
        """Months since the year 0."""
        return _month(self.made)

    @property
    def made_in(self) -> int:
        """The calendar year in which the financial year starts that it was made in."""
        year, month = int(self.made[:4]), int(self.made[5:7])
        return year if month >= _APRIL else year - 1


@dataclass(frozen=True)
class Miss:
    """By how much one plan missed one year."""

    made: str
    year: str
    lead: int
    """years ahead: 1 is the year after the one in which the plan was made"""
    planned: float
    came: float
    """what it was held against"""
    settled: bool
    """whether that is the last word: the budget of the year, or its outturn"""
    start: int
    """month in which the plan was made"""
    end: int
    """month in which what it is held against was known"""
    net_budget: float | None = None

    @property
    def error(self) -> float:
        """What came less what was planned."""
        return self.came - self.planned


@dataclass(frozen=True)
class TrackRecord:
    """Misses of a council's past plans for one quantity, on one basis."""

    quantity: str
    basis: Basis
    adverse: Adverse
    """which way an error hurts: ``above`` for a cost or gap, ``below`` for an income"""
    policy: str
    misses: tuple[Miss, ...]
    """of every plan, year by year"""
    sources: tuple[str, ...] = field(default=())

    @property
    def states_net_budgets(self) -> bool:
        """Whether the past plans state their net budgets."""
        return any(miss.net_budget is not None for miss in self.misses)

    @cached_property
    def settled(self) -> tuple[Miss, ...]:
        """Misses of which the last word is known, the earliest plan's for each year and lead.

        Plans made later in the same year have part of the news already, and are no further evidence
        of how far a plan is off that many years ahead.
        """
        return _earliest(miss for miss in self.misses if miss.settled)

    @cached_property
    def open(self) -> tuple[Miss, ...]:
        """The same of years that later plans may still revise."""
        return _earliest(miss for miss in self.misses if not miss.settled)

    def table(self) -> pd.DataFrame:
        """List every miss.

        Returns
        -------
        pandas.DataFrame
            By ``made`` and ``year``: ``lead``, ``planned``, ``came``, ``error`` (what came less
            what was planned), ``months`` between the plan and what it is held against, ``settled``.
        """
        rows = [
            {
                "made": miss.made,
                "year": miss.year,
                "lead": miss.lead,
                "planned": miss.planned,
                "came": miss.came,
                "error": miss.error,
                "months": miss.end - miss.start,
                "settled": miss.settled,
            }
            for miss in self.misses
        ]
        table = pd.DataFrame(rows).set_index(["made", "year"])
        table.attrs = {"quantity": self.quantity, "basis": self.basis, "policy": self.policy}
        return table

    def by_lead(self, *, open_years: bool = False) -> pd.DataFrame:
        """Average the errors by years ahead.

        Parameters
        ----------
        open_years
            Whether years count that later plans may still revise.

        Returns
        -------
        pandas.DataFrame
            By ``lead``: ``errors`` (how many), ``independent`` (plans that share no time: see
            :func:`independent_plans`), ``mean``, ``root_mean_square``, ``adverse`` (the share of
            errors that hurt).
        """
        used = self.used(open_years=open_years)
        sign = 1 if self.adverse == "above" else -1
        rows = []
        for lead in sorted({miss.lead for miss in used}):
            here = [miss for miss in used if miss.lead == lead]
            errors = pd.Series([miss.error for miss in here])
            rows.append(
                {
                    "lead": lead,
                    "errors": len(here),
                    "independent": independent_plans(here),
                    "mean": errors.mean(),
                    "root_mean_square": (errors**2).mean() ** 0.5,
                    "adverse": float((sign * errors > 0).mean()),
                }
            )
        return pd.DataFrame(rows).set_index("lead")

    def used(self, *, open_years: bool = False) -> tuple[Miss, ...]:
        """Give the misses that can be learnt from.

        Raises
        ------
        MtfsError
            When there are none.
        """
        found = (*self.settled, *self.open) if open_years else self.settled
        if not found:
            msg = (
                f"the record of {self.quantity} holds {len(self.open)} errors of years that later "
                "plans may still revise, and none that is settled; wait for a budget, or count "
                "them with open_years=True"
            )
            raise MtfsError(msg)
        return found

    def __repr__(self) -> str:
        shown = self.table().to_string(float_format=lambda value: f"{value:,.4g}")
        return f"<{self.quantity}, basis {self.basis}>\n{shown}"


def track_record(
    plans: Sequence[PastPlan | Mapping[str, object]],
    *,
    quantity: str,
    basis: Basis,
    outturn: Mapping[str, float] | None = None,
    adverse: Adverse = "above",
) -> TrackRecord:
    """Hold a council's past plans for one quantity against what happened.

    Parameters
    ----------
    plans
        Two or more (one will do with ``basis="outturn"``), in any order, with the years that each
        was about. Years in which a plan says nothing new may be left out.
    quantity
        What it is: ``"gap"``, or the name of a driver such as ``"pay award"``.
    basis
        ``"revision"``: against the last plan made before the year began, which is its budget when
        made from January to March. Otherwise the year is not settled: later plans may revise it.
        ``"outturn"``: against ``outturn``.
    outturn
        What the years came to, by year; with ``basis="outturn"`` only.
    adverse
        Which way an error hurts: ``"above"`` for a cost or a gap, ``"below"`` for an income such as
        council tax.

    Returns
    -------
    TrackRecord
        With a table of every error, what came less what was planned.

    Raises
    ------
    MtfsError
        When plans share no year, were made in the same month, take different things as decided,
        state their net budgets only in part, or are in another unit than what came, or the outturn
        does not go with the basis or is no number.

    Examples
    --------
    >>> made = [
    ...     PastPlan(made="2023-02", values={"2024/25": 10e6}),
    ...     PastPlan(made="2024-02", values={"2024/25": 14e6}),
    ... ]
    >>> track_record(made, quantity="gap", basis="revision").by_lead()["mean"]
    lead
    2    4000000.0
    Name: mean, dtype: float64
    """
    for value, name, known in ((basis, "basis", Basis), (adverse, "adverse", Adverse)):
        if value not in get_args(known):
            msg = f"{name} is {value!r}; expected {' or '.join(get_args(known))}"
            raise MtfsError(msg)
    if (basis == "outturn") != bool(outturn):
        msg = (
            f"{quantity}: basis is '{basis}' and "
            + ("no outturn is given" if not outturn else "an outturn is given")
            + ": plans are held against later plans (basis='revision'), or against outturn={year: "
            "value} (basis='outturn'), and the two are never mixed"
        )
        raise MtfsError(msg)
    held = sorted(
        (p if isinstance(p, PastPlan) else PastPlan.model_validate(p) for p in plans),
        key=lambda plan: plan.month,
    )
    _require_alike(held, quantity)
    _require_numbers(outturn or {}, quantity)
    misses = _against_outturn(held, outturn) if outturn else _against_later(held)
    if not misses:
        years = listing(year for plan in held for year in plan.by_year)
        other = f"the outturn, which holds {listing(outturn)}" if outturn else "a later plan"
        msg = (
            f"{quantity}: no plan's year is also in {other}; the {len(held)} plans hold {years}"
            + (suggest(next(iter(outturn)), held[0].by_year) if outturn and held else "")
        )
        raise MtfsError(msg)
    planned, came = ([getattr(miss, each) for miss in misses] for each in ("planned", "came"))
    words = ("what was planned", "what came")
    require_one_unit(quantity, planned, came, words)
    require_one_unit(quantity, came, planned, words[::-1])
    return TrackRecord(
        quantity,
        basis,
        adverse,
        held[0].policy,
        tuple(misses),
        tuple(dict.fromkeys(plan.source for plan in held if plan.source)),
    )


def _require_numbers(outturn: Mapping[str, float], quantity: str) -> None:
    for label, value in outturn.items():
        year_start(label)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            msg = f"{quantity}, {label}: the outturn is {value!r}; expected a number, or no entry"
            raise MtfsError(msg)


def _require_alike(plans: Sequence[PastPlan], quantity: str) -> None:
    policies = sorted({plan.policy for plan in plans})
    if len(policies) > 1:
        msg = (
            f"{quantity}: plans take different things as decided: "
            + "; ".join(f"'{policy}'" for policy in policies)
            + ". What a decision moves is no error: make a record of each"
        )
        raise MtfsError(msg)
    for before, after in pairwise(plans):
        if before.month == after.month:
            msg = (
                f"{quantity}: two plans were made in {after.made[:7]}; keep the later, or put "
                "their years into one"
            )
            raise MtfsError(msg)
    stated = [plan.made for plan in plans if plan.net_budget is not None]
    if stated and len(stated) < len(plans):
        lacking = listing(plan.made for plan in plans if plan.net_budget is None)
        msg = f"{quantity}: {lacking}: no net_budget, which other plans state; state all or none"
        raise MtfsError(msg)


def _against_later(plans: Sequence[PastPlan]) -> list[Miss]:
    """Hold every plan against the last one made before each year began."""
    found = []
    for place, plan in enumerate(plans):
        for year, planned in plan.by_year.items():
            began = _began(year)
            later = [
                other
                for other in plans[place + 1 :]
                if year in other.by_year and other.month < began
            ]
            if not later or plan.month >= began:
                continue
            last = later[-1]
            settled = began - last.month <= _BUDGET_MONTHS
            found.append(
                _miss(plan, year, planned, came=last.by_year[year], settled=settled, end=last.month)
            )
    return found


def _against_outturn(plans: Sequence[PastPlan], outturn: Mapping[str, float]) -> list[Miss]:
    found = []
    for plan in plans:
        for year, planned in plan.by_year.items():
            ended = _began(year) + _MONTHS
            if year not in outturn or plan.month >= ended:
                continue
            found.append(
                _miss(plan, year, planned, came=float(outturn[year]), settled=True, end=ended)
            )
    return found


def _miss(
    plan: PastPlan, year: str, planned: float, *, came: float, settled: bool, end: int
) -> Miss:
    return Miss(
        made=plan.made,
        year=year,
        lead=year_start(year) - plan.made_in,
        planned=planned,
        came=came,
        settled=settled,
        start=plan.month,
        end=end,
        net_budget=plan.net_budget,
    )


def _earliest(misses: Iterable[Miss]) -> tuple[Miss, ...]:
    found: dict[tuple[str, int], Miss] = {}
    for miss in sorted(misses, key=lambda each: each.start):
        found.setdefault((miss.year, miss.lead), miss)
    return tuple(found.values())


def scale_of(miss: Miss, net_budget: float | None, variable: str) -> float:
    """Give what an error is multiplied by to be one of today's, by net budgets where stated."""
    if (miss.net_budget is None) != (net_budget is None):
        found = (
            "the past plans state net budgets, and net_budget= is not given"
            if net_budget is None
            else "net_budget= is given, and the past plans state none"
        )
        msg = f"the record of {variable}: {found}; state both or neither"
        raise MtfsError(msg)
    if net_budget is None or miss.net_budget is None:
        return 1.0
    if not net_budget > 0:
        msg = f"net_budget is {net_budget!r}; expected GBP above 0"
        raise MtfsError(msg)
    return net_budget / miss.net_budget


def independent_plans(misses: Sequence[Miss]) -> int:
    """Count plans that share no time: each is held against something known before the next.

    Two errors whose time from plan to answer overlaps share the news of that time, and are hardly
    more evidence than one. The most intervals that do not overlap are found by taking, again and
    again, the one that ends first.

    Examples
    --------
    >>> def miss(start, end):
    ...     return Miss("2020-01", "2021/22", 1, 0.0, 1.0, True, start, end)
    >>> independent_plans([miss(0, 12), miss(6, 18), miss(12, 24)])
    2
    """
    count, free = 0, -1
    for miss in sorted(misses, key=lambda each: each.end):
        if miss.start >= free:
            count, free = count + 1, miss.end
    return count
