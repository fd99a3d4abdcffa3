"""One yearly series to a plan's driver, by the model that would have forecast it best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from mtfs.assumptions import Assumption
from mtfs.calibrate.candidates import (
    DEFAULT,
    LABELS,
    LEAST,
    MODELS,
    Model,
    Score,
    chosen_of,
    predict,
    score_candidates,
)
from mtfs.calibrate.predictive import (
    Persistence,
    Predictive,
    driver_total_sd,
    persistence_of,
)
from mtfs.calibrate.series import CALLED, Rates, Series, Values, rates_of
from mtfs.calibrate.texts import OfDriver, by_year
from mtfs.drivers import Driver
from mtfs.vocabulary import (
    MAX_HORIZON,
    MtfsError,
    listing,
    require_count,
    suggest,
    year_label,
    year_labels,
    year_start,
)

_LONGEST_WAIT = MAX_HORIZON  # years between the last known and a plan's first: as far as plans go
_SCORED = {"crps": "CRPS", "log": "log score"}


@dataclass(frozen=True)
class FittedDriver(OfDriver):
    """A driver learnt from one series, and what it rests on."""

    driver: Driver
    model: Model
    scores: pd.DataFrame
    """by candidate, as :func:`mtfs.calibrate.candidates.score_candidates` gives them; empty where
    the model was named"""
    predictive: pd.DataFrame
    """by ``year``: ``mean`` and ``sd`` of the fitted model"""
    total_sd: float
    """s.d. of the sum over the years of the fitted model"""
    driver_total_sd: float
    """and of the driver, whose persistence is chosen to meet it"""
    window: tuple[str, str]
    known: int
    """years"""


def fit_driver(
    series: Series,
    *,
    name: str,
    values: Values,
    source: str,
    first_year: str | None = None,
    horizon: int = 4,
    model: Model | None = None,
    score: Score = "crps",
    gaps: Sequence[str] = (),
    breaks: Sequence[str] = (),
    planned: Assumption | None = None,
    scope: Literal["council", "national"] = "council",
) -> FittedDriver:
    """Learn a driver from one yearly series.

    Five models stand for election: a constant mean, AR(1), a local level, a random walk and
    exponential smoothing with a damped trend. Each forecasts from every past origin with what was
    known then, and is scored on the mean rate to each lead, since a plan adds rates up. The AR(1)
    is taken unless another beats it by more than two standard errors of the difference, over twice
    as many origins as leads: it holds the constant mean, and a few origins cannot rule persistence
    out, nor a trend in. Mean, variance and the model's own parameters are all uncertain, and widen
    the spread as far as so few years leave them so; the driver is a Student's t.

    Parameters
    ----------
    series
        One value a financial year (``"2024/25"``), in a row; a pandas Series, or a DataArray with
        dimension ``year``.
    name
        What to call the driver.
    values
        ``"rates"``: the values are the driver's, such as CPI growth as a fraction; ``"levels"``:
        the driver is their yearly growth, ``x[t] / x[t-1] - 1``.
    source
        Where the data come from.
    first_year, horizon
        The plan's years. The first is the year after the last of the series unless given; the
        years between are forecast too and not kept.
    model
        The model, where it is not to be chosen: ``"mean"``, ``"ar1"``, ``"local_level"``,
        ``"random_walk"`` or ``"damped_trend"``.
    score
        What chooses: ``"crps"`` (needs ``mtfs[verify]``) or ``"log"``.
    gaps, breaks
        Years that are missing; of levels, years that count something else than the year before.
    planned
        What the council's own table assumes, where that is something else.
    scope
        ``"national"`` where every council is to have the same draws.

    Returns
    -------
    FittedDriver
        The driver's mean and standard deviation in every year are those of the model's prediction.
        Its persistence is that with which the sum over the years has the s.d. the model gives it,
        uncertainty of the parameters included, from 0 to 1: what swings back is taken as 0.

    Raises
    ------
    MtfsError
        When the series is not as it should be, holds fewer than five known rates, or too few to
        choose between models; when a name is unknown or the plan begins before the series ends.

    Examples
    --------
    >>> import pandas as pd
    >>> rates = pd.Series([0.01, 0.03, 0.02, 0.01, 0.03], ["2020/21", "2021/22", "2022/23",
    ...                   "2023/24", "2024/25"])
    >>> found = fit_driver(rates, name="cpi", values="rates", source="invented", model="mean")
    >>> found.driver.central, found.driver.df, found.driver.sd  # 0.01 sqrt(1 + 1/5) sqrt(4/2)
    (0.02, 4.0, 0.01549)
    """
    rates = rates_of(series, name, values=values, gaps=gaps, breaks=breaks)
    _require_enough(rates, name)
    years, wait = _years(rates, name, first_year, horizon)
    if model is not None and model not in MODELS:
        near = suggest(model, MODELS)
        msg = f"{name}: model is {model!r}; expected one of {listing(MODELS)}.{near}"
        raise MtfsError(msg)
    if score not in _SCORED:
        msg = f"{name}: score is {score!r}; expected 'crps' or 'log'"
        raise MtfsError(msg)
    leads = range(wait + 1, wait + horizon + 1)
    scores = pd.DataFrame()
    chosen = model
    if chosen is None:
        try:
            scores = score_candidates(rates.rate, leads, MODELS, score)
        except MtfsError as error:
            msg = f"{name}: {error}"
            raise MtfsError(msg) from None
        chosen = chosen_of(scores)
    said = predict(chosen, rates.rate, wait + horizon)
    kept = Predictive(said.mean[wait:], said.cov[wait:, wait:], said.df, said.evidence)
    persistence = persistence_of(kept.cov)
    method = _method(rates, CALLED[values], chosen, scores=scores, score=score, leads=leads)
    made = _driver(
        kept,
        years,
        persistence,
        name=name,
        source=f"{source}; {method}",
        planned=planned,
        scope=scope,
    )
    return FittedDriver(
        driver=made,
        model=chosen,
        scores=scores,
        predictive=pd.DataFrame(
            {"mean": kept.mean, "sd": kept.sd}, index=pd.Index(years, name="year")
        ),
        total_sd=kept.total_sd,
        driver_total_sd=driver_total_sd(kept.sd, persistence),
        window=(rates.years[0], rates.years[-1]),
        known=rates.known,
    )


def _driver(
    said: Predictive,
    years: Sequence[str],
    persistence: Persistence,
    *,
    name: str,
    source: str,
    planned: Assumption | None,
    scope: Literal["council", "national"],
) -> Driver:
    """Write a prediction as a driver, a random walk's spread as that of its first year."""
    walk = np.sqrt(np.arange(1, len(years) + 1)) if persistence == "random_walk" else 1.0
    least = float(said.sd.min())
    return Driver(
        name=name,
        central=by_year(said.mean, years, least),
        planned=planned,
        sd=by_year(said.sd / walk, years, least),
        shape="student_t",
        df=float(said.df),
        persistence=persistence,
        scope=scope,
        source=source,
    )


def _method(
    rates: Rates,
    kind: str,
    chosen: Model,
    *,
    scores: pd.DataFrame,
    score: Score,
    leads: Sequence[int],
) -> str:
    window = f"{rates.years[0]} to {rates.years[-1]}, {rates.known} {kind}"
    if scores.empty:
        return f"{window}; {LABELS[chosen]}, not chosen by score"
    others = ", ".join(
        f"{LABELS[model]} {scores['score'][model]:.4g}"
        for model in scores.drop(chosen).sort_values("score").index
    )
    why = "which none clearly beats" if chosen == DEFAULT else "which clearly beats AR(1)"
    return (
        f"{window}; {LABELS[chosen]}, {why}: mean {_SCORED[score]} {scores['score'][chosen]:.4g} "
        f"of the mean rate to leads {leads[0]} to {leads[-1]} from {scores['origins'][chosen]:.0f} "
        f"origins; {others}"
    )


def _require_enough(rates: Rates, name: str) -> None:
    if rates.known < LEAST:
        msg = (
            f"{name}: holds {rates.known} known rates; expected at least {LEAST}. Where there are "
            "so few, ask experts: mtfs.calibrate.elicit"
        )
        raise MtfsError(msg)
    if np.nanmax(rates.rate) - np.nanmin(rates.rate) < 1e-12:  # noqa: PLR2004 - rounding
        msg = (
            f"{name}: every year's rate is {np.nanmax(rates.rate):g}, which says nothing of "
            "how far it may move"
        )
        raise MtfsError(msg)


def _years(
    rates: Rates, name: str, first_year: str | None, horizon: int
) -> tuple[tuple[str, ...], int]:
    """Give the plan's years, and how many lie between the last known one and the first."""
    require_count(horizon, "horizon")
    if horizon > MAX_HORIZON:
        msg = f"horizon is {horizon}; expected at most {MAX_HORIZON} years"
        raise MtfsError(msg)
    after = year_start(rates.years[-1]) + 1
    first = year_label(after) if first_year is None else first_year
    wait = year_start(first) - after
    if not 0 <= wait <= _LONGEST_WAIT:
        msg = (
            f"{name}: first_year is {first}; the last known year is {rates.years[-1]}: expected "
            f"{year_label(after)} to {year_label(after + _LONGEST_WAIT)}"
        )
        raise MtfsError(msg)
    return year_labels(first, horizon), wait
