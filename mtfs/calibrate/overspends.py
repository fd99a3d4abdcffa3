"""A council's own budgets and outturns, shrunk to what many councils' say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mtfs.assumptions import ByYear
from mtfs.calibrate.predictive import Persistence, averaged, conditioned, persistence_of
from mtfs.calibrate.series import Series, alike
from mtfs.calibrate.texts import OfDriver
from mtfs.distributions import quantile_score
from mtfs.drift import DriftEvidence, drift_driver, drift_evidence
from mtfs.drivers import Driver, Interval
from mtfs.vocabulary import (
    MAX_HORIZON,
    Array,
    MtfsError,
    require_count,
    year_label,
    year_labels,
    year_start,
)

# The national spread counts as this many years of a council's own. Where councils' variances differ
# by an inverse chi-square of v degrees, deviations are Student's t of v degrees, whose standard
# deviation is 1.29 times the robust one for v = 4, 1.20 for 5 and 1.53 for 3. In the evidence that
# ships (sd over spread) it is 1.40 and 1.10 for children, 1.20 and 1.28 for adults.
PRIOR_YEARS = 4
_PROB = 0.8
_DIGITS = 5
_GRID = np.exp(np.linspace(math.log(0.2), math.log(5.0), 81))  # spreads, over the national one
_FAR = 5.0  # times the other of a year: another unit, or what a budget was exceeded by
_LONGEST_WAIT = MAX_HORIZON  # years between the last known and a plan's first


@dataclass(frozen=True)
class FittedOverspend(OfDriver):
    """A drift driver of one council, and what it rests on."""

    driver: Driver
    record: pd.DataFrame
    """by ``year``: ``budget``, ``outturn`` and ``drift``, outturn over budget less 1"""
    own: float
    """median of drift by the record alone: the mean of its logarithms"""
    national: float
    """of the evidence"""
    weight: float
    """of the record in the level of drift; the rest is the evidence's"""
    spread: float
    """s.d. of a year's logarithm round the council's level"""
    predictive: pd.DataFrame
    """by ``year``: ``median`` of drift, ``mean`` and ``sd`` of its logarithm"""


def fit_overspend(
    budget: Series,
    outturn: Series,
    *,
    service: str | DriftEvidence,
    source: str,
    name: str | None = None,
    first_year: str | None = None,
    horizon: int = 4,
    planned: float = 0.0,
) -> FittedOverspend:
    """Learn a driver of outturn over budget from a council's own record and the national evidence.

    The logarithm of outturn over budget is a level of the council's own plus a deviation that
    lasts as the evidence says. The level lies round the evidence's centre, as uncertain as its
    years' medians lie apart; the spread round the evidence's, which counts as four years.

    Parameters
    ----------
    budget, outturn
        By financial year, the same years, above 0; years may be missing.
    service
        ``"children"`` or ``"adults"``, for which evidence ships, or evidence made by
        :func:`mtfs.budget_drift`.
    source
        Where the figures come from.
    name
        What to call the driver; as :func:`mtfs.drift_driver` does, unless given.
    first_year, horizon
        The plan's years; the first is the year after the record's last unless given.
    planned
        What the council's own table assumes: that the year ends on budget.

    Returns
    -------
    FittedOverspend
        Its driver goes into a line's ``drift``; one plus it is lognormal. It never stands on top of
        drivers of people and prices, which say the same.

    Raises
    ------
    MtfsError
        When years differ, a figure is missing, not above 0 or far from the other of its year, the
        evidence has one year only, or the plan begins before the record ends.

    Examples
    --------
    >>> import pandas as pd
    >>> years = ["2022/23", "2023/24", "2024/25"]
    >>> budget, outturn = pd.Series([100, 110, 120], years), pd.Series([105, 113, 126], years)
    >>> found = fit_overspend(budget, outturn, service="adults", source="invented")
    >>> round(found.own, 3), round(found.national, 3), round(found.weight, 2)
    (0.042, 0.018, 0.29)
    """
    evidence = drift_evidence(service) if isinstance(service, str) else service
    given: Any = evidence
    if not isinstance(given, DriftEvidence):
        msg = (
            f"service is {service!r}; expected 'children', 'adults', or evidence made by "
            "mtfs.budget_drift"
        )
        raise MtfsError(msg)
    years, drift, record = _record(budget, outturn)
    last = year_start(years[-1])
    first = year_label(last + 1) if first_year is None else first_year
    wait = year_start(first) - last - 1
    require_count(horizon, "horizon")
    if horizon > MAX_HORIZON or not 0 <= wait <= _LONGEST_WAIT:
        msg = (
            f"the plan has {horizon} years from {first}, the record ends in {years[-1]}; expected "
            f"at most {MAX_HORIZON} years from {year_label(last + 1)} to "
            f"{year_label(last + 1 + _LONGEST_WAIT)}"
        )
        raise MtfsError(msg)
    centre, level_sd = math.log1p(evidence.centre), _level_sd(evidence)
    keeps = evidence.persistence
    starts = np.arange(year_start(years[0]), last + 1 + wait + horizon)
    lag = np.abs(np.subtract.outer(starts, starts))
    known = np.full(last + 1 - int(starts[0]), np.nan)
    known[[year_start(year) - int(starts[0]) for year in years]] = drift
    priors = _GRID**-PRIOR_YEARS * np.exp(-PRIOR_YEARS / (2 * _GRID**2))
    parts = []
    levels = []
    for times in _GRID:
        own = (times * evidence.spread) ** 2 * keeps**lag
        parts.append(conditioned(known, np.full(len(starts), centre), own + level_sd**2))
        held = np.flatnonzero(np.isfinite(known))
        precise = np.linalg.solve(own[np.ix_(held, held)], np.ones(len(held))).sum()
        levels.append(precise / (precise + level_sd**-2))
    said = averaged(parts, priors.tolist())
    mean, cov = said.mean[wait:], said.cov[wait:, wait:]
    logs = np.array([part.evidence for part in parts]) + np.log(priors)
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    weight = float(weights @ np.array(levels))
    spread = float(weights @ (_GRID * evidence.spread))
    plan_years = year_labels(first, horizon)
    driver = _driver(
        plan_years,
        mean,
        np.sqrt(np.diag(cov)),
        evidence,
        persistence=persistence_of(cov),
        name=name or f"{evidence.service} drift",
        planned=planned,
        source=(
            f"{source}; {years[0]} to {years[-1]}, {len(years)} years, mean "
            f"{math.expm1(drift.mean()):+.1%}, counting {weight:.0%} beside the evidence of many "
            f"councils ({evidence.centre:+.1%}): {evidence.source}"
        ),
    )
    return FittedOverspend(
        driver=driver,
        record=record,
        own=math.expm1(drift.mean()),
        national=evidence.centre,
        weight=weight,
        spread=spread,
        predictive=pd.DataFrame(
            {"median": np.expm1(mean), "mean": mean, "sd": np.sqrt(np.diag(cov))},
            index=pd.Index(plan_years, name="year"),
        ),
    )


def _record(budget: Series, outturn: Series) -> tuple[tuple[str, ...], Array, pd.DataFrame]:
    years, found = alike(
        {"budget": budget, "outturn": outturn},
        "an amount above 0. Leave out of both a year that is not known",
    )
    if not years:
        msg = "no year was given; without a record use mtfs.drift_driver"
        raise MtfsError(msg)
    planned, spent = found["budget"], found["outturn"]
    for year, plan, came in zip(years, planned, spent, strict=True):
        if not 1 / _FAR < came / plan < _FAR:
            msg = (
                f"{year}: an outturn of {came:g} beside a budget of {plan:g}, {came / plan:.3g} "
                "times as much; expected both in one unit, and all of the outturn, not what it is "
                "over by"
            )
            raise MtfsError(msg)
    table = pd.DataFrame(
        {"budget": planned, "outturn": spent, "drift": spent / planned - 1},
        index=pd.Index(years, name="year"),
    )
    return years, np.log(spent / planned), table


def _level_sd(evidence: DriftEvidence) -> float:
    """Give how uncertain the level is: the s.d. of the medians of the evidence's years."""
    medians = [math.log1p(year.median.value) for year in evidence.years]
    found = float(np.std(medians, ddof=1)) if len(medians) > 1 else 0.0
    if found <= 0:
        msg = (
            f"the evidence of {evidence.service} does not say how far its level moves from year to "
            "year; expected two years with different medians"
        )
        raise MtfsError(msg)
    return found


def _driver(
    years: Sequence[str],
    mean: Array,
    sd: Array,
    evidence: DriftEvidence,
    *,
    persistence: Persistence,
    name: str,
    planned: float,
    source: str,
) -> Driver:
    reach = quantile_score((1 + _PROB) / 2) * sd
    low, central, high = (np.expm1(mean + way * reach).round(_DIGITS) for way in (-1, 0, 1))
    return Driver(
        name=name,
        central=ByYear(by_year=tuple(zip(years, central.tolist(), strict=True))),
        planned=planned,
        interval=tuple(
            Interval(low=a, high=b, prob=_PROB)
            for a, b in zip(low.tolist(), high.tolist(), strict=True)
        ),
        shape="lognormal",
        persistence=persistence,
        source=source,
        rationale=_rationale(evidence),
    )


def _rationale(evidence: DriftEvidence) -> str:
    known = evidence in (drift_evidence("children"), drift_evidence("adults"))
    said = drift_driver(evidence.service).rationale if known else None
    return said or "Outturn over budget of many councils, and of this one"
