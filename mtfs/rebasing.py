"""The next plan's base from this year's outturn: ``rebase(plan, monitoring)``.

A plan's base is this year's budget. What stands next year beyond it is, for each variance,

    recurrent share x (amount less one-off) + full-year effect - growth already planned for it,

and nothing keeps the sum above 0: where an overspend does not come back, the growth that the plan
holds for it is not needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mtfs.engine import engine_of
from mtfs.lines import CareLine
from mtfs.monitoring import Monitoring
from mtfs.plan import Plan
from mtfs.variances import MOST_RECURRENT, RecurrentShare, Variance
from mtfs.vocabulary import PlanError, listing, suggest, year_label, year_start

if TYPE_CHECKING:
    from collections.abc import Mapping

# How much of a year's variance stands in the next, over councils in England: the slope of the next
# year's outturn on this year's, both over this year's budget and in logarithms, and the same
# instrumented by the year's growth of outturn, as noise in budgets draws a slope towards one.
# Children 0.87 (standard error 0.08, 2021/22) and 1.05 (0.08, 2023/24), instrumented 0.85 (0.14)
# and 0.89 (0.25); adults 0.68 (0.07) and 0.81 (0.06), instrumented 0.64 (0.14) and 0.89 (0.37).
# Each is pooled over the years by precision. The mean lies halfway between the two; the sd holds
# the larger standard error and half the way. A slope compares whole years, so full-year effects are
# in it.
RECURRENT = {"children": (0.91, 0.13), "adults": (0.71, 0.14)}
_EVIDENCE = (
    "Revenue outturn and budget returns of councils in England, 2021/22 and 2023/24: slopes of the "
    "next year's outturn on this year's, both over budget"
)


def rebase(plan: Plan, monitoring: Monitoring | Mapping[str, Any]) -> Plan:
    """Rebase a plan on a year's outturn: add what comes back, less what is already planned.

    Parameters
    ----------
    plan
        A plan whose first year is the year after the monitoring's, made on this year's budget.
    monitoring
        A document with ``variances``.

    Returns
    -------
    Plan
        The plan with up to three change lines a variance, of its cause and service: "rebased:
        <name>, recurrent", "..., full-year effect" and "..., already planned"; and a driver for
        every uncertain recurrent share, which keeps one draw for all years. One-offs are not added.
        The planned figures hold mean shares.

    Raises
    ------
    PlanError
        When the years do not follow, the document holds no variances, a line, driver or
        ``plan_service`` does not exist (the nearest is suggested), a line that provides for one
        does not say what it cost in the base year, or the plan was rebased with one before.

    Notes
    -----
    Growth already planned for a cause is the planned cost of the line in the first year less its
    cost in the base year, both before ring-fenced grants and tied funds, times the share put in for
    it. It is taken off in cash in every year; the sums added grow with ``index`` where there is
    one, from the prices of the year monitored.
    Full-year effects are what the year-end rate costs: they stand whatever share recurs.

    Examples
    --------
    >>> plan = {"council": "A", "first_year": "2026/27", "lines": [
    ...     {"kind": "change", "name": "growth", "cause": "people", "levels": 3e6}]}
    >>> year = {"council": "A", "year": "2025/26",
    ...     "services": [{"name": "care", "outturn": {"variance": 5e6}}],
    ...     "variances": [{"name": "people", "service": "care", "cause": "people", "amount": 5e6,
    ...         "one_off": 1e6, "recurrent_share": 1.0, "full_year_effect": 0.5e6,
    ...         "provided": [{"line": "growth"}]}]}
    >>> from mtfs import project_gap
    >>> rebased = rebase(Plan.model_validate(plan), year)  # 4 + 0.5 - 3 beside the growth of 3
    >>> float(project_gap(rebased, n_draws=1, seed=1)["planned_gap"][0])
    4500000.0
    """
    held = (
        monitoring if isinstance(monitoring, Monitoring) else Monitoring.model_validate(monitoring)
    )
    _require_fit(plan, held)
    growth = _planned_growth(plan)
    drivers: dict[str, dict[str, Any]] = {}
    lines: list[dict[str, Any]] = []
    for variance in held.variances:
        parts = _Parts(held, variance)
        if (driver := parts.driver()) is not None:
            drivers[driver["name"]] = driver
        lines += parts.lines(growth)
    dump = plan.model_dump(exclude_none=True)
    return plan.with_changes(
        {
            "drivers": [*dump["drivers"], *drivers.values()],
            "lines": [*dump["lines"], *lines],
        }
    )


def _require_fit(plan: Plan, held: Monitoring) -> None:
    follows = year_label(year_start(held.year) + 1)
    if plan.first_year != follows:
        raise PlanError(
            f"the plan starts in {plan.first_year} and the monitoring is of {held.year}; expected "
            f"a plan that starts in {follows}, whose base is the year monitored"
        )
    if not held.variances:
        raise PlanError(
            f"the monitoring of {held.council} {held.year} holds no 'variances': say by cause how "
            "much of each service's outturn comes back"
        )
    names = [line.name for line in plan.lines]
    streams = [driver.name for driver in plan.drivers]
    baseless = {
        line.name for line in plan.lines if isinstance(line, CareLine) and line.people is None
    }
    services = list(dict.fromkeys(line.service for line in plan.lines))
    for variance in held.variances:
        called = held.service(variance.service).plan_service
        if called is not None and called not in services:
            raise PlanError(
                f"service '{variance.service}' is said to be '{called}', of which the plan has no "
                f"line.{suggest(called, services)} It has: {listing(services)}."
            )
        before = [name for name in names if name.startswith(f"rebased: {variance.name}, ")]
        if before:
            raise PlanError(
                f"the plan holds '{before[0]}' already: it was rebased with '{variance.name}' "
                "before; rebase the plan as it was"
            )
        if variance.index is not None and variance.index not in streams:
            raise PlanError(
                f"variance '{variance.name}' grows with '{variance.index}', which is no driver of "
                f"the plan.{suggest(variance.index, streams)} It has: {listing(streams)}."
            )
        for given in variance.provided:
            if given.line not in names:
                raise PlanError(
                    f"variance '{variance.name}' is provided for by '{given.line}', which is no "
                    f"line of the plan.{suggest(given.line, names)} It has: {listing(names)}."
                )
            if given.line in baseless:
                raise PlanError(
                    f"variance '{variance.name}' is provided for by '{given.line}', which holds "
                    "people by year and does not say what it cost in the base year, so its growth "
                    "is not known: give it 'people' (in the base year) and 'people_growth' or "
                    "'people_added'"
                )


def _planned_growth(plan: Plan) -> dict[str, float]:
    """Give each line's planned growth in the first year over the base, before grants, GBP."""
    engine = engine_of(plan)
    growth = dict.fromkeys((line.name for line in plan.lines), 0.0)
    _, names = engine.aside["part_line"]
    for name, part in zip(names, engine.planned_store.arrays.get("growth", ()), strict=True):
        if name in growth:  # others are rows that other parts of the plan imply
            growth[str(name)] += float(part[0, 0])
    return growth


@dataclass(frozen=True)
class _Parts:
    """One variance, as the parts of a plan that it becomes."""

    held: Monitoring
    variance: Variance

    def share(self) -> RecurrentShare | float:
        """Give the recurrent share: a distribution, or a number where it is certain."""
        share = self.variance.recurrent_share
        if not isinstance(share, str):
            return 0.0 if share is None else share
        mean, sd = RECURRENT[share]
        return RecurrentShare(mean=mean, sd=sd, high=MOST_RECURRENT, source=_EVIDENCE)

    def driver(self) -> dict[str, Any] | None:
        """Make the driver of an uncertain share; those that rest on one record share one draw."""
        share = self.share()
        if not isinstance(share, RecurrentShare) or self.variance.lasting == 0:
            return None
        return {
            "name": self.stream(),
            "central": share.mean,
            "stated_as": "mean",
            "sd": share.sd,
            "shape": "beta",
            "bounds": [share.low, share.high],
            "persistence": 1.0,
            "source": share.source or self.source(),
        }

    def stream(self) -> str:
        """Name the driver."""
        share = self.variance.recurrent_share
        if isinstance(share, str):
            return f"recurrent share by the returns: {share}"
        return f"recurrent share: {self.variance.name}"

    def source(self) -> str:
        """Say where the sums come from."""
        where = self.variance.source or self.held.source or self.held.title
        return f"Monitoring of {self.held.council}, {self.held.year}" + (
            f": {where}" if where else ""
        )

    def lines(self, growth: Mapping[str, float]) -> list[dict[str, Any]]:
        """Make the change lines, those of nothing left out."""
        variance, share = self.variance, self.share()
        planned = math.fsum(given.share * growth[given.line] for given in variance.provided)
        index = {} if variance.index is None else {"index": variance.index}
        recurrent, moved = variance.lasting, {"multiplier": self.stream()}
        if not isinstance(share, RecurrentShare):
            recurrent, moved = variance.lasting * share, {}
        parts = [
            ("recurrent", recurrent, index | moved),
            ("full-year effect", variance.full_year, index),
            ("already planned", -planned, {}),
        ]
        service = self.held.service(variance.service)
        return [
            {
                "kind": "change",
                "name": f"rebased: {variance.name}, {words}",
                "service": service.plan_service or service.name,
                "cause": variance.cause,
                "levels": amount,
                "source": self.source(),
                **more,
            }
            for words, amount, more in parts
            if amount != 0
        ]
