"""A council's own past plans against what happened.

Two bases stay apart. On the basis of *revision*, a plan is held against the last plan made for the
same year before that year began, its budget. On the basis of *outturn* it is held against what the
year came to. Revisions never say how far outturns end from a plan, nor the reverse.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal, get_args

import pandas as pd
from pydantic import AfterValidator, BeforeValidator, Field

from mtfs.assumptions import Declared, Number, Pounds, YearLabel
from mtfs.vocabulary import MtfsError, listing, suggest, year_start

Basis = Literal["revision", "outturn"]
Adverse = Literal["above", "below"]
_MADE = re.compile(r"(\d{4})-(\d{2})(?:-\d{2})?")
_APRIL = 4
_MONTHS = 12
# January to March: budgets are set by 11 March (Local Government Finance Act 1992, section 32).
_BUDGET_MONTHS = 3


def _check_made(text: str) -> str:
    match = _MADE.fullmatch(text)
    if match is None or not 1 <= int(match[2]) <= _MONTHS:
        msg = f"found {text!r}; expected the month in which the plan was made, such as '2025-02'"
        raise ValueError(msg)
    return text


def _pairs(value: object) -> object:
    return tuple(value.items()) if isinstance(value, Mapping) else value


class PastPlan(Declared):
    """What one plan said of one quantity, year by year."""

    made: Annotated[str, AfterValidator(_check_made)]
    """the month in which it was made, such as ``2025-02``"""
    values: Annotated[
        tuple[tuple[YearLabel, Number], ...], BeforeValidator(_pairs), Field(min_length=1)
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
        return int(self.made[:4]) * _MONTHS + int(self.made[5:7]) - 1

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
        When plans share no year, were made in the same month, take different things as decided, or
        state their net budgets only in part, or the outturn does not go with the basis.

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
    for label in outturn or {}:
        year_start(label)
    misses = _against_outturn(held, outturn) if outturn else _against_later(held)
    if not misses:
        years = listing(year for plan in held for year in plan.by_year)
        other = f"the outturn, which holds {listing(outturn)}" if outturn else "a later plan"
        msg = (
            f"{quantity}: no plan's year is also in {other}; the {len(held)} plans hold {years}"
            + (suggest(next(iter(outturn)), held[0].by_year) if outturn and held else "")
        )
        raise MtfsError(msg)
    return TrackRecord(
        quantity,
        basis,
        adverse,
        held[0].policy,
        tuple(misses),
        tuple(dict.fromkeys(plan.source for plan in held if plan.source)),
    )


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
            start = year_start(year)
            began = start * _MONTHS + _APRIL - 1
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
            ended = (year_start(year) + 1) * _MONTHS + _APRIL - 1
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
