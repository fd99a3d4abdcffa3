"""In-year monitoring: budget, forecasts by month and outturn of one council in one year.

A variance is what a service is forecast to spend in the year over its budget: positive is an
overspend. A month that no document gives is ``illustrative``; a sum is as weak as its weakest part.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from mtfs.assumptions import Declared, Money, Name, Pounds, YearLabel, form
from mtfs.problems import place
from mtfs.variances import Variance
from mtfs.vocabulary import MtfsError, Path, PlanError, Problem, listing, suggest, year_start
from mtfs.waterfall import MONTHS, Basis, Period, Step, Waterfall, out_by, pounds, weakest

if TYPE_CHECKING:
    import pandas as pd

# GBP by which each figure of a sum may be rounded unless the document says more: half a pound.
ROUNDING = 0.5
TOTAL = "total"
"""the row of tables under the services"""
MOST_OVER = 10  # times a net budget: a variance beyond it is more likely in another unit
Budget = Annotated[Pounds, Field(gt=0)]


class Figure(Declared):
    """A variance and where it comes from."""

    variance: Money
    """GBP over budget at the year's end; negative is an underspend"""
    basis: Basis = "published"
    """``derived`` is worked out from published figures, ``illustrative`` is made up to show"""
    source: str | None = None


class Forecast(Figure):
    """What a month's report expected of the year's outturn."""

    period: Period
    """the month whose figures it rests on: 1 is April, 12 March"""


class Service(Declared):
    """A service: its budget, what each month expected of its outturn, and the outturn."""

    name: Name
    budget: Budget | None = None
    """GBP of net budget for the year, above 0; a forecast of the outturn needs it"""
    budget_basis: Basis = "published"
    source: str | None = None
    """where the budget comes from"""
    scope: Literal["service", "council"] = "service"
    """``council`` for a document that gives the whole council as one figure"""
    plan_service: str | None = None
    """what a plan calls the service, where that is another name"""
    forecasts: tuple[Forecast, ...] = ()
    outturn: Figure | None = None

    def at(self, period: int) -> Forecast | None:
        """Give the forecast of one month."""
        return next((each for each in self.forecasts if each.period == period), None)

    def latest(self, period: int = MONTHS) -> Forecast | None:
        """Give the latest forecast at or before a month."""
        return next((each for each in self.forecasts[::-1] if each.period <= period), None)


class Total(Declared):
    """What the document states for the whole council: its services must sum to it."""

    period: Annotated[
        Annotated[Period, Tag("form:number")] | Annotated[Literal["outturn"], Tag("form:word")],
        Discriminator(form),
    ]
    """a month, or ``outturn``"""
    variance: Money


class PastYear(Declared):
    """What a service of an earlier year was forecast to spend over budget, and what it did."""

    year: YearLabel
    service: str
    period: Period
    budget: Budget
    forecast: Money
    """GBP of variance forecast in that month"""
    outturn: Money
    """GBP of variance at the year's end"""
    source: str | None = None


class Monitoring(Declared):
    """One council's budget monitoring of one year, checked whole.

    Raises :class:`mtfs.PlanError`, which lists every problem, when figures do not add up (and by
    how much) or name what the document does not hold.
    """

    called: ClassVar[str] = "the monitoring"
    loader: ClassVar[str | None] = "mtfs.load_monitoring"

    council: Annotated[str, Field(min_length=1)]
    year: YearLabel
    title: str | None = None
    source: str | None = None
    rounding: Pounds = ROUNDING
    """GBP: half a unit of the last digit published; a sum may miss by so much for each figure"""
    services: tuple[Service, ...]
    waterfalls: tuple[Waterfall, ...] = ()
    totals: tuple[Total, ...] = ()
    history: tuple[PastYear, ...] = ()
    """the council's own earlier forecasts and outturns"""
    variances: tuple[Variance, ...] = ()
    """the outturn by cause, for the next plan's base"""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        found = [
            *self._repeated(),
            *self._unknown_services(),
            *self._disordered(),
            *self._history_faults(),
            *self._beyond_budgets(),
        ]
        if not found:
            found = [
                *self._waterfall_faults(),
                *self._secured_twice(),
                *self._total_faults(),
                *self._variance_faults(),
            ]
        if found:
            raise PlanError([Problem(p.path, p.message, place(p.path, self)) for p in found])
        return self

    def service(self, name: str) -> Service:
        """Give a service by name."""
        found = next((each for each in self.services if each.name == name), None)
        if found is None:
            names = [each.name for each in self.services]
            msg = f"there is no service '{name}'.{suggest(name, names)} There is: {listing(names)}."
            raise MtfsError(msg)
        return found

    def support(self, period: int) -> float:
        """Sum the support, GBP, from givers that are not in the document, in a month.

        Support lowers the overspend of the service that has it and raises that of the one that
        gives it. Where the giver is a service of the document its own variance holds the gift.
        Where it is not, a total over the services would hold one side only, so it adds this back.
        Support once given stands until a later waterfall of the service says otherwise.
        """
        return math.fsum(step.amount for step in self._from_outside(period))

    def outside_support(self, service: str, period: int) -> list[Step]:
        """List the steps of outside support that a service's variance holds in a month."""
        falls = [f for f in self.waterfalls if f.service == service and f.period <= period]
        latest = max(falls, key=lambda fall: fall.period, default=None)
        steps = latest.steps if latest is not None else ()
        return [step for step in steps if step.kind == "support" and step.giver is None]

    def _from_outside(self, period: int) -> list[Step]:
        return [step for each in self.services for step in self.outside_support(each.name, period)]

    def total_at(self, period: int | Literal["outturn"]) -> Figure:
        """Sum the services' variances in a month or at outturn, outside support added back.

        Raises
        ------
        MtfsError
            When a service has no figure for it.
        """
        figures: list[Figure] = []
        for each in self.services:
            figure = each.outturn if period == "outturn" else each.at(period)
            if figure is None:
                when = "outturn" if period == "outturn" else f"forecast at period {period}"
                raise MtfsError(f"'{each.name}' has no {when}, so the services have no total")
            figures.append(figure)
        steps = self._from_outside(MONTHS if period == "outturn" else period)
        return Figure(
            variance=math.fsum([f.variance for f in figures] + [s.amount for s in steps]),
            basis=weakest([f.basis for f in figures] + [s.basis for s in steps]),
        )

    def table(self) -> pd.DataFrame:
        """Tabulate every figure by service and month.

        Returns
        -------
        pandas.DataFrame
            A row a service and month (``period`` 1 to 12, or ``outturn``), then rows ``total`` for
            the months that every service has; columns ``service``, ``period``, ``variance`` (GBP)
            and ``basis``. A total with an illustrative part is illustrative.
        """
        import pandas as pd  # noqa: PLC0415 - loading a document should not load pandas

        rows: list[tuple[str, str, float, str]] = []
        for each in self.services:
            rows += [(each.name, str(f.period), f.variance, f.basis) for f in each.forecasts]
            if each.outturn is not None:
                rows.append((each.name, "outturn", each.outturn.variance, each.outturn.basis))
        periods: list[int | Literal["outturn"]] = [*range(1, MONTHS + 1), "outturn"]
        for period in periods:
            try:
                total = self.total_at(period)
            except MtfsError:
                continue
            rows.append((TOTAL, str(period), total.variance, total.basis))
        return pd.DataFrame(rows, columns=["service", "period", "variance", "basis"])

    def to_json(self) -> str:
        """Write the document as canonical JSON, in declared order."""
        return self.model_dump_json(exclude_none=True)

    def __repr__(self) -> str:
        return (
            f"<Monitoring {self.council} {self.year}: {len(self.services)} services, "
            f"{sum(len(each.forecasts) for each in self.services)} forecasts, "
            f"{len(self.waterfalls)} waterfalls, {len(self.variances)} variances>"
        )

    __str__ = __repr__

    def _repeated(self) -> Iterator[Problem]:
        groups: list[tuple[str, list[object]]] = [
            ("services", [each.name for each in self.services]),
            ("waterfalls", [each.name for each in self.waterfalls]),
            (
                "waterfalls",
                [(each.service or "the council", each.period) for each in self.waterfalls],
            ),
            ("totals", [each.period for each in self.totals]),
            ("history", [(each.service, each.year, each.period) for each in self.history]),
            ("variances", [each.name for each in self.variances]),
        ]
        for group, keys in groups:
            for key, times in Counter(keys).items():
                if times > 1:
                    second = [n for n, held in enumerate(keys) if held == key][1]
                    what = ", ".join(map(str, key)) if isinstance(key, tuple) else key
                    yield Problem((group, second), f"'{what}' stands {times} times in {group}")

    def _unknown_services(self) -> Iterator[Problem]:
        names = [each.name for each in self.services]
        used: list[tuple[Path, str | None]] = [
            *((("waterfalls", n, "service"), w.service) for n, w in enumerate(self.waterfalls)),
            *((("history", n, "service"), past.service) for n, past in enumerate(self.history)),
            *((("variances", n, "service"), v.service) for n, v in enumerate(self.variances)),
            *(
                (("waterfalls", n, "steps", m, "giver"), step.giver)
                for n, waterfall in enumerate(self.waterfalls)
                for m, step in enumerate(waterfall.steps)
            ),
        ]
        for path, name in used:
            if name is not None and name not in names:
                near = suggest(name, names)
                text = f"there is no service '{name}'.{near} There is: {listing(names)}."
                yield Problem(path, text)
        if TOTAL in names:
            text = f"a service is called '{TOTAL}', as the last row of tables is; rename it"
            yield Problem(("services", names.index(TOTAL), "name"), text)
        for n, each in enumerate(self.services):
            if each.scope == "council" and len(names) > 1:
                text = "scope council is for a document whose only figure is the whole council"
                yield Problem(("services", n, "scope"), text)

    def _disordered(self) -> Iterator[Problem]:
        if not self.services:
            yield Problem(("services",), "'services' is empty; give at least one")
        for n, each in enumerate(self.services):
            periods = [forecast.period for forecast in each.forecasts]
            for m in range(1, len(periods)):
                path: Path = ("services", n, "forecasts", m, "period")
                if periods[m] == periods[m - 1]:
                    yield Problem(path, f"'{each.name}' has two forecasts at period {periods[m]}")
                elif periods[m] < periods[m - 1]:
                    text = f"period {periods[m]} stands after {periods[m - 1]}; give them in order"
                    yield Problem(path, text)
            if not each.forecasts and each.outturn is None:
                text = f"'{each.name}' has neither forecasts nor an outturn"
                yield Problem(("services", n), text)

    def _history_faults(self) -> Iterator[Problem]:
        for n, past in enumerate(self.history):
            if year_start(past.year) >= year_start(self.year):
                text = f"history is of years before {self.year}; found {past.year}"
                yield Problem(("history", n, "year"), text)
        for (name, year), outturns in self._outturns().items():
            if len(outturns) > 1:
                text = f"'{name}' has more than one outturn of {year}: " + ", ".join(
                    f"{value:,.0f}" for value in sorted(outturns)
                )
                yield Problem(("history",), text)

    def _beyond_budgets(self) -> Iterator[Problem]:
        """Find variances many times the budget they are of.

        A net budget may be small where income nearly pays for a service, so once is not too much.
        """
        held: list[tuple[Path, float, float | None]] = [
            *(
                (("services", n, "forecasts", m, "variance"), forecast.variance, each.budget)
                for n, each in enumerate(self.services)
                for m, forecast in enumerate(each.forecasts)
            ),
            *(
                (("services", n, "outturn", "variance"), each.outturn.variance, each.budget)
                for n, each in enumerate(self.services)
                if each.outturn is not None
            ),
            *(
                (("history", n, "forecast"), p.forecast, p.budget)
                for n, p in enumerate(self.history)
            ),
            *((("history", n, "outturn"), p.outturn, p.budget) for n, p in enumerate(self.history)),
        ]
        for path, variance, budget in held:
            if budget is not None and abs(variance) > MOST_OVER * budget:
                text = (
                    f"a variance of {pounds(variance)} is more than {MOST_OVER} times the budget "
                    f"of {pounds(budget)}: one is in another unit, or it is spend and not spend "
                    "over budget; give both in GBP"
                )
                yield Problem(path, text)

    def _outturns(self) -> dict[tuple[str, str], set[float]]:
        found: dict[tuple[str, str], set[float]] = {}
        for past in self.history:
            found.setdefault((past.service, past.year), set()).add(past.outturn)
        return found

    def _waterfall_faults(self) -> Iterator[Problem]:
        for n, fall in enumerate(self.waterfalls):
            path: Path = ("waterfalls", n)
            wrong = [problem.at(path) for problem in fall.faults(self.rounding)]
            yield from wrong
            if wrong:
                continue
            if fall.service is None:
                if not all(each.at(fall.period) for each in self.services):
                    continue
                stated, what = self.total_at(fall.period).variance, "is what the services sum to"
            else:
                forecast = self.service(fall.service).at(fall.period)
                if forecast is None:
                    text = f"'{fall.service}' has no forecast at period {fall.period}; give it"
                    yield Problem((*path, "period"), text)
                    continue
                stated, what = forecast.variance, "is the service's forecast"
            parts = len(self.services) if fall.service is None else 1
            misses = [
                out_by(stated, expected, (parts + 1) * self.rounding, what)
                for expected in dict.fromkeys((fall.net, fall.net - fall.assumed))
            ]
            if all(misses):
                yield Problem((*path, "net"), f"the net is {misses[0]}")

    def _secured_twice(self) -> Iterator[Problem]:
        """Find a step that a service and the council both have still to secure in one month."""
        own = {
            (fall.period, step.name): fall.name
            for fall in self.waterfalls
            for step in fall.waiting
            if fall.service is not None and not step.counted
        }
        for n, fall in enumerate(self.waterfalls):
            for m, step in enumerate(fall.steps):
                twice = own.get((fall.period, step.name))
                if fall.service is None and step in fall.waiting and not step.counted and twice:
                    text = (
                        f"'{step.name}' is to be secured in '{twice}' too, and would come off the "
                        "total twice: write 'counted: true' in one of them, or rename it"
                    )
                    yield Problem(("waterfalls", n, "steps", m), text)

    def _total_faults(self) -> Iterator[Problem]:
        for n, total in enumerate(self.totals):
            path: Path = ("totals", n)
            try:
                found = self.total_at(total.period).variance
            except MtfsError as error:
                yield Problem(path, str(error))
                continue
            tolerance = (len(self.services) + 1) * self.rounding
            if said := out_by(total.variance, found, tolerance):
                back = self.support(MONTHS if total.period == "outturn" else total.period)
                held = f", support of {pounds(back)} from outside added back," if back else ""
                yield Problem((*path, "variance"), f"the services{held} sum to {said}")

    def _variance_faults(self) -> Iterator[Problem]:
        for each in self.services:
            own = [v.amount for v in self.variances if v.service == each.name]
            figure = each.outturn or each.latest()
            if not own or figure is None:
                continue
            tolerance = (len(own) + 1) * self.rounding
            says = "is its outturn" if each.outturn else "is its latest forecast"
            if said := out_by(figure.variance, math.fsum(own), tolerance, says):
                text = f"the variances of '{each.name}' sum to {said}"
                yield Problem(("variances",), text)
        shares: dict[str, list[float]] = {}
        for variance in self.variances:
            for given in variance.provided:
                shares.setdefault(given.line, []).append(given.share)
        for line, held in shares.items():
            if math.fsum(held) > 1 + 1e-9:
                text = (
                    f"shares of the growth of '{line}' sum to {math.fsum(held):g}; more than 1 "
                    "counts growth twice"
                )
                yield Problem(("variances",), text)
