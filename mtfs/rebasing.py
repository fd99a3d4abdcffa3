"""The next plan's base from this year's outturn: ``rebase(plan, monitoring)``.

A plan's base is this year's budget. What stands next year beyond it is, for each variance,

    recurrent share x (amount less one-off + full-year effect) - growth already planned for it,

and nothing keeps the sum above 0: where an overspend does not come back, the growth that the plan
holds for it is not needed.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from mtfs.belief import CORRELATION, PRIOR, learnt
from mtfs.drift import drift_evidence
from mtfs.engine import engine_of
from mtfs.lines import CareLine
from mtfs.measures import Unit, in_unit
from mtfs.monitoring import Monitoring
from mtfs.plan import Plan
from mtfs.variances import RecurrentShare, Variance
from mtfs.vocabulary import PlanError, listing, suggest, year_label, year_start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def rebase(plan: Plan | Mapping[str, Any], monitoring: Monitoring | Mapping[str, Any]) -> Plan:
    """Rebase a plan on a year's outturn: add what comes back, less what is already planned.

    Parameters
    ----------
    plan
        A plan of the same council whose first year is the year after the monitoring's, made on this
        year's budget; a mapping with a plan's keys will do.
    monitoring
        A document with ``variances``.

    Returns
    -------
    Plan
        The plan with up to three change lines a variance, of its cause and service: "rebased:
        <name>, recurrent", "..., full-year effect" and "..., already planned"; and a driver for
        every uncertain recurrent share, which keeps one draw for all years. One-offs are not added.
        The planned figures hold mean shares. Where a service's outturn is not known yet, a line
        "rebased: <service>: outturn not known yet" holds how far it may end from the latest
        forecast, as :func:`mtfs.forecast_outturn` has it and as far as such variances come back:
        nothing in the planned figures.

    Raises
    ------
    PlanError
        When the years do not follow, the document holds no variances, a line, driver or
        ``plan_service`` does not exist (the nearest is suggested), a line that provides for one
        does not say what it cost in the base year, the plan was rebased with one before, or a
        service has neither an outturn nor the budget that says how sure its forecast is.

    Notes
    -----
    Growth already planned for a cause is the planned cost of the line in the first year less its
    cost in the base year, both before ring-fenced grants and tied funds, times the share put in for
    it. It is taken off in cash in every year; the sums added grow with ``index`` where there is
    one, from the prices of the year monitored. The recurrent share is of what stands at the year's
    end, the full-year effect included. The words ``children`` and ``adults`` take the mean, the
    standard deviation of one council's share and the bounds of
    :attr:`mtfs.drift.DriftEvidence.recurrent`.

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
    plan, held = _both(plan, monitoring)
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
    open_drivers, open_lines, pairs = _not_known_yet(held)
    return plan.with_changes(
        {
            "drivers": [*dump["drivers"], *drivers.values(), *open_drivers],
            "correlations": [*dump["correlations"], *pairs],
            "lines": [*dump["lines"], *lines, *open_lines],
        }
    )


def rebase_table(
    plan: Plan | Mapping[str, Any],
    monitoring: Monitoring | Mapping[str, Any],
    *,
    unit: Unit = "GBP m",
) -> pd.DataFrame:
    """Tabulate what :func:`rebase` adds to a plan, variance by variance.

    Parameters
    ----------
    plan, monitoring
        As for :func:`rebase`.
    unit
        Unit of the money shown.

    Returns
    -------
    pandas.DataFrame
        A row a variance, and ``total``: ``service``, ``outturn`` (the variance), ``one_off``,
        ``share`` (its mean), ``recurrent`` and ``full_year_effect`` (what of each comes back, on
        average), ``already_planned`` (negative) and ``added``, their sum; at the prices of the year
        monitored.
    """
    plan, held = _both(plan, monitoring)
    _require_fit(plan, held)
    growth = _planned_growth(plan)
    rows = {}
    for variance in held.variances:
        parts = _Parts(held, variance)
        share = parts.mean_share()
        recurrent, effect = share * variance.lasting, share * variance.full_year
        planned = -parts.planned(growth)
        rows[variance.name] = {
            "service": variance.service,
            "outturn": variance.amount,
            "one_off": variance.amount - variance.lasting,
            "share": share,
            "recurrent": recurrent,
            "full_year_effect": effect,
            "already_planned": planned,
            "added": recurrent + effect + planned,
        }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("variance")
    money = [name for name in table.columns if name not in {"service", "share"}]
    table[money] /= in_unit(unit)
    table.loc["total"] = {"service": "", "share": math.nan, **table[money].sum().to_dict()}
    table.attrs = {"unit": unit}
    return table


def _both(
    plan: Plan | Mapping[str, Any], monitoring: Monitoring | Mapping[str, Any]
) -> tuple[Plan, Monitoring]:
    """Check a plan and a document that may be given as mappings."""
    return (
        plan if isinstance(plan, Plan) else Plan.model_validate(plan),
        monitoring if isinstance(monitoring, Monitoring) else Monitoring.model_validate(monitoring),
    )


def _not_known_yet(
    held: Monitoring,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Give what the outturn may still differ by from the latest forecast, as it comes back.

    Of each service without an outturn: a driver of the error, as a share of its budget, nothing in
    the council's own table; a line of what of it stands next year; and how services correlate.
    """
    drivers, lines = [], []
    for service in held.services:
        own = [variance for variance in held.variances if variance.service == service.name]
        latest = service.latest()
        if service.outturn is not None or latest is None or not own:
            continue
        if service.budget is None:
            raise PlanError(
                f"'{service.name}' has no outturn yet, and how far it may end from the forecast is "
                "stated as a share of its 'budget': give GBP of net budget, or the outturn"
            )
        share = latest.variance / service.budget
        ends = learnt(held.history, service, latest.period).outturn(share, latest.period)
        name = f"{service.name}: outturn not known yet"
        drivers.append(
            {
                "name": name,
                "central": ends.mean - share,
                "planned": 0.0,
                "stated_as": "mean",
                "sd": ends.sd,
                "shape": "student_t",
                "df": ends.df,
                "persistence": 1.0,
                "source": f"Error of a forecast at period {latest.period}: {PRIOR}",
            }
        )
        lines.append(
            {
                "kind": "change",
                "name": f"rebased: {name}",
                "service": service.plan_service or service.name,
                "cause": "outturn not known yet",
                "levels": service.budget * _comes_back(held, own),
                "multiplier": name,
                "source": f"Monitoring of {held.council}, {held.year}",
            }
        )
    pairs = [
        {"between": [one["name"], other["name"]], "value": CORRELATION}
        for one, other in itertools.combinations(drivers, 2)
    ]
    return drivers, lines, pairs


def _comes_back(held: Monitoring, variances: Sequence[Variance]) -> float:
    """Give the share of an error that stands next year: that of its service's variances, by size.

    Each counts by its size without sign, so that variances that offset each other do not make a
    share of their sum.
    """
    sizes = [abs(variance.amount) for variance in variances]
    if not math.fsum(sizes):
        return 0.0
    shares = []
    for variance in variances:
        mean = _Parts(held, variance).mean_share()
        shares.append(mean * variance.lasting / variance.amount if variance.amount else 0.0)
    stands = math.fsum(size * share for size, share in zip(sizes, shares, strict=True))
    return stands / math.fsum(sizes)


def _require_fit(plan: Plan, held: Monitoring) -> None:
    """Check that the plan follows the year monitored, and holds what the variances name."""
    one, other = plan.council.casefold(), held.council.casefold()
    follows = year_label(year_start(held.year) + 1)
    if one not in other and other not in one:  # "Anyshire" and "Anyshire County Council" are one
        raise PlanError(
            f"the plan is of '{plan.council}' and the monitoring of '{held.council}'; where they "
            "are one council give both the same name"
        )
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
    _require_names(plan, held)


def _require_names(plan: Plan, held: Monitoring) -> None:
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
        evidence = drift_evidence(share)
        record = evidence.recurrent
        low, high = record.bounds
        return RecurrentShare(
            mean=record.mean, sd=record.sd, low=low, high=high, source=evidence.source
        )

    def mean_share(self) -> float:
        """Give the mean of the recurrent share."""
        share = self.share()
        return share.mean if isinstance(share, RecurrentShare) else share

    def planned(self, growth: Mapping[str, float]) -> float:
        """Give the growth already planned for it, GBP."""
        return math.fsum(given.share * growth[given.line] for given in self.variance.provided)

    def driver(self) -> dict[str, Any] | None:
        """Make the driver of an uncertain share; those that rest on one record share one draw."""
        share = self.share()
        if not isinstance(share, RecurrentShare):
            return None
        if self.variance.lasting == 0 and self.variance.full_year == 0:
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
        moves: dict[str, str] = {} if variance.index is None else {"index": variance.index}
        stands = 1.0
        if isinstance(share, RecurrentShare):
            moves |= {"multiplier": self.stream()}
        else:
            stands = share
        parts = [
            ("recurrent", stands * variance.lasting, moves),
            ("full-year effect", stands * variance.full_year, moves),
            ("already planned", -self.planned(growth), {}),
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
