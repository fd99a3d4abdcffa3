"""Evidence of drift: how far outturns ended from budgets, and how far that repeats.

Made from revenue account budget (RA) and outturn (RO) returns of many councils. It is evidence and
a prior for services of which nothing else in a plan says how far they may drift: never on top of
drivers of people and prices, which say the same (docs, "How far outturns end from budget").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mtfs.distributions import quantile_score
from mtfs.drivers import Driver, Interval
from mtfs.vocabulary import MtfsError, listing, suggest

SOURCE = (
    "Revenue account budget (RA) and outturn (RO) returns, Ministry of Housing, Communities and "
    "Local Government, 2021/22 and 2023/24, OGL v3; half of England's upper-tier councils"
)
# A share of an overspend that stands next year may exceed 1 where the overspend grows. A judgement:
# about two standard deviations of a council's share above children's mean.
MOST_RECURRENT = 1.5
_PROB = 0.8  # of the interval by which a driver states its spread


@dataclass(frozen=True)
class Estimate:
    """An estimate, its standard error, and from how many councils it comes."""

    value: float
    se: float
    councils: int


@dataclass(frozen=True)
class YearDrift:
    """One year's deviations of outturn from budget, as shares of the budget."""

    year: str
    councils: int
    mean: float
    """of the councils, each counting once"""
    median: Estimate
    sd: float
    """standard deviation between councils"""
    spread: float
    """robust standard deviation between councils of log(outturn / budget)"""
    aggregate: float
    """all outturns together over all budgets together, less one"""
    above: float
    """share of the councils that ended above budget"""
    recurrent: Estimate | None
    """share of a deviation that stands in the next year's outturn: a slope, biased towards one"""
    instrumented: Estimate | None
    """the same without the budget's own noise: instrumented by the year's growth of outturn"""


@dataclass(frozen=True)
class LeftOut:
    """A council that a year's figures do without, and why."""

    area: str
    year: str
    reason: str


@dataclass(frozen=True)
class DriftEvidence:
    """How far a service's outturns ended from budget, year by year, and how far that repeats."""

    service: str
    years: tuple[YearDrift, ...]
    between: Estimate | None
    """variance between councils of the share that stands; below 0 by chance where it is small"""
    repeat: Estimate | None
    """rank correlation between the councils' deviations in the first and in the last year"""
    years_apart: int
    left_out: tuple[LeftOut, ...]
    source: str

    @property
    def centre(self) -> float:
        """The lowest of the years' medians: returns overstate the level, so the least of it."""
        return min(year.median.value for year in self.years)

    @property
    def spread(self) -> float:
        """The root mean square of the years' spreads between councils, in logs."""
        return math.sqrt(math.fsum(year.spread**2 for year in self.years) / len(self.years))

    @property
    def persistence(self) -> float:
        """What a deviation keeps from one year to the next: ``repeat ** (1 / years_apart)``."""
        if self.repeat is None:
            msg = f"{self.service}: one year says nothing of how far a deviation repeats; give two"
            raise MtfsError(msg)
        return float(max(self.repeat.value, 0.0) ** (1 / self.years_apart))

    @property
    def recurrent(self) -> RecurrentEvidence:
        """The share of an overspend that stands in the next year's outturn.

        Its mean lies halfway between the two estimates, each pooled over years by precision: noise
        in budgets draws the slope towards one, noise in outturns draws the instrumented share down.
        ``mean_sd`` holds the larger standard error and half the way between them.
        """
        slope, other = (self._pooled(name) for name in ("recurrent", "instrumented"))
        if self.between is None:
            msg = (
                f"{self.service}: the returns do not say by how much the share that stands next "
                "year differs between councils; give more councils"
            )
            raise MtfsError(msg)
        return RecurrentEvidence(
            service=self.service,
            mean=(slope.value + other.value) / 2,
            mean_sd=math.hypot(max(slope.se, other.se), (slope.value - other.value) / 2),
            between=math.sqrt(max(self.between.value, 0.0)),
        )

    def _pooled(self, name: str) -> Estimate:
        held: list[Estimate] = [e for y in self.years if (e := getattr(y, name)) is not None]
        if not held:
            msg = (
                f"{self.service}: no year with a budget has outturns of the years before and after "
                "it, which a recurrent share needs"
            )
            raise MtfsError(msg)
        weights = np.array([1 / each.se**2 for each in held])
        mean = float(np.average([each.value for each in held], weights=weights))
        least = min(each.councils for each in held)
        return Estimate(mean, float(weights.sum() ** -0.5), least)


@dataclass(frozen=True)
class RecurrentEvidence:
    """The share of an overspend that stands in the next year, for a distribution with bounds."""

    service: str
    mean: float
    """over councils"""
    mean_sd: float
    """how well the mean is known"""
    between: float
    """standard deviation between councils; 0 where the estimate of its square is negative"""
    bounds: tuple[float, float] = (0.0, MOST_RECURRENT)

    @property
    def sd(self) -> float:
        """Of one council's share: what is not known of the mean, and how councils differ."""
        return math.hypot(self.mean_sd, self.between)


DRIFT: tuple[DriftEvidence, ...] = (
    DriftEvidence(
        service="children",
        years=(
            YearDrift(
                year="2021/22",
                councils=79,
                mean=0.0999,
                median=Estimate(0.0869, 0.0139, 79),
                sd=0.1269,
                spread=0.0908,
                aggregate=0.0953,
                above=0.7975,
                recurrent=Estimate(0.8697, 0.0825, 78),
                instrumented=Estimate(0.8466, 0.1413, 78),
            ),
            YearDrift(
                year="2023/24",
                councils=76,
                mean=0.1832,
                median=Estimate(0.1857, 0.0170, 76),
                sd=0.1099,
                spread=0.1000,
                aggregate=0.1776,
                above=0.9737,
                recurrent=Estimate(1.0508, 0.0791, 76),
                instrumented=Estimate(0.8948, 0.2526, 76),
            ),
        ),
        between=Estimate(0.0771, 0.0558, 78),
        repeat=Estimate(0.3272, 0.1073, 76),
        years_apart=2,
        left_out=(
            LeftOut("871", "2021/22", "ended -93% from budget, beyond 60%"),
            LeftOut("312", "2023/24", "no budget"),
            LeftOut("871", "2023/24", "no budget"),
            LeftOut("G_CUMBRIA", "2023/24", "no budget"),
            LeftOut("330", "2023/24", "no outturn"),
            LeftOut("330", "2021/22", "no outturn of 2022/23, for the share that stands next year"),
        ),
        source=SOURCE,
    ),
    DriftEvidence(
        service="adults",
        years=(
            YearDrift(
                year="2021/22",
                councils=80,
                mean=0.0209,
                median=Estimate(0.0176, 0.0117, 80),
                sd=0.0984,
                spread=0.0817,
                aggregate=0.0220,
                above=0.6375,
                recurrent=Estimate(0.6754, 0.0722, 79),
                instrumented=Estimate(0.6351, 0.1402, 78),
            ),
            YearDrift(
                year="2023/24",
                councils=76,
                mean=0.0598,
                median=Estimate(0.0552, 0.0096, 76),
                sd=0.0807,
                spread=0.0632,
                aggregate=0.0468,
                above=0.8026,
                recurrent=Estimate(0.7785, 0.0582, 75),
                instrumented=Estimate(0.5519, 0.1377, 75),
            ),
        ),
        between=Estimate(0.0266, 0.0512, 79),
        repeat=Estimate(0.0526, 0.1168, 76),
        years_apart=2,
        left_out=(
            LeftOut("312", "2023/24", "no budget"),
            LeftOut("871", "2023/24", "no budget"),
            LeftOut("G_CUMBRIA", "2023/24", "no budget"),
            LeftOut("330", "2023/24", "no outturn"),
            LeftOut("330", "2021/22", "no outturn of 2022/23, for the share that stands next year"),
            LeftOut("871", "2021/22", "no outturn of 2020/21, for the share that stands next year"),
            LeftOut(
                "883",
                "2023/24",
                "outturn of 2024/25 is 0.52 times that of 2023/24, beyond a factor of 1.6",
            ),
        ),
        source=SOURCE,
    ),
)
"""What ships, made by :func:`mtfs.budget_drift` from the returns; areas by their codes there."""
CORRELATION = Estimate(0.2952, 0.1091, 76)
"""Rank correlation of children's and adults' deviations: 0.28 and 0.31 in the two years, pooled."""
RECURRENT: tuple[RecurrentEvidence, ...] = tuple(evidence.recurrent for evidence in DRIFT)
"""Shares of an overspend that stand in the next year's outturn, by service."""


def drift_evidence(service: str) -> DriftEvidence:
    """Give the evidence that ships for a service: ``children`` or ``adults``.

    Raises
    ------
    MtfsError
        When nothing ships for it.

    Examples
    --------
    >>> [round(year.median.value, 3) for year in drift_evidence("children").years]
    [0.087, 0.186]
    """
    for found in DRIFT:
        if found.service == service:
            return found
    names = [found.service for found in DRIFT]
    msg = (
        f"no evidence ships for service '{service}'.{suggest(service, names)} It does for: "
        f"{listing(names)}."
    )
    raise MtfsError(msg)


def drift_driver(service: str, *, planned: float = 0.0, central: float | None = None) -> Driver:
    """Make a driver of a service's outturn over its budget, as a share, from what ships.

    Parameters
    ----------
    service
        ``children`` or ``adults``.
    planned
        What the council's own table assumes: that the year ends on budget.
    central
        The median; unless given, the lower of the two years' medians. Give the council's own record
        where there is one: the returns overstate how far outturns end above budget.

    Returns
    -------
    Driver
        One plus it is lognormal, with the spread of councils within a year (the 80% interval), so
        that no outturn falls below 0. A deviation keeps the square root of ``repeat`` from one year
        to the next, as the years of the returns lie two years apart.

    Examples
    --------
    >>> driver = drift_driver("adults")
    >>> driver.name, driver.planned, round(driver.central, 3)
    ('adults drift', 0.0, 0.018)
    """
    evidence = drift_evidence(service)
    centre = evidence.centre if central is None else central
    if not centre > -1:
        msg = f"central is {centre:g}; expected a share of the budget above -1, such as 0.05"
        raise MtfsError(msg)
    reach = quantile_score((1 + _PROB) / 2) * evidence.spread
    low, high = (math.expm1(math.log1p(centre) + way * reach) for way in (-1, 1))
    return Driver(
        name=f"{service} drift",
        central=centre,
        planned=planned,
        interval=Interval(low=low, high=high, prob=_PROB),
        shape="lognormal",
        persistence=evidence.persistence,
        source=evidence.source,
        rationale=(
            "Outturn over budget of many councils, a prior for drift only: the returns class "
            "budgets and outturns apart, which widens the spread and lifts the level"
        ),
    )
