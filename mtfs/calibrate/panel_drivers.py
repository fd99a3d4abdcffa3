"""One council's part of a panel's forecast, as a driver of its plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import stdtrit

from mtfs.assumptions import Assumption
from mtfs.calibrate.predictive import driver_total_sd
from mtfs.calibrate.texts import OfDriver, by_year
from mtfs.drivers import Driver
from mtfs.sampling import RandomScores, draw_scores
from mtfs.vocabulary import (
    Array,
    MtfsError,
    listing,
    suggest,
    year_label,
    year_labels,
    year_start,
)

PROB = 0.8  # of the intervals that the driver's are as wide as
_WIDER = 0.9  # of those that tell how fat its tails are
_LEAST_DF, _MOST_DF = 2.1, 100.0  # of a Student's t; above, it is as good as normal


@dataclass(frozen=True)
class PanelDriver(OfDriver):
    """A driver of growth from a panel's forecast, and how near it comes to it."""

    driver: Driver
    growth: pd.DataFrame
    """by ``year``: ``mean``, ``P10`` and ``P90`` of the forecast's growth"""
    level: pd.DataFrame
    """P10, P50 and P90 of the last year's level over that of the year before the first: of the
    ``forecast`` and, by :attr:`persistence`, of the ``driver``"""

    @property
    def persistence(self) -> float:
        """Which gives growth over all years together the spread that the forecast gives it."""
        return float(self.driver.persistence or 0.0)


def panel_driver(
    levels: xr.DataArray,
    *,
    council: str,
    name: str,
    first_year: str | None = None,
    planned: Assumption | None = None,
) -> PanelDriver:
    """Make a driver of growth of one council's part of a panel's forecast.

    The driver has the forecast's mean growth in every year, an 80% interval as wide as the
    forecast's, tails as fat (Student's t, by how much wider the 90% intervals are), and the
    persistence with which the sum over the years is as wide.

    Parameters
    ----------
    levels
        From :func:`mtfs.forecast_panel`.
    council
        Which one's.
    name
        What to call the driver: a plan's lines follow it by that name.
    first_year
        The plan's, where it comes later than the forecast's first: growth before it is left out,
        as the plan's base year holds it.
    planned
        What the council's own table assumes, where that is something else.

    Returns
    -------
    PanelDriver
        Its ``text()`` goes into a plan. Ties between councils are not in it.

    Raises
    ------
    MtfsError
        When ``levels`` is no panel's forecast, or a part of one, or does not hold the council or
        the year.

    Examples
    --------
    >>> import mtfs
    >>> history = xr.DataArray(
    ...     [[100.0, 103, 106, 109.3]],
    ...     {"council": ["Hove"], "year": ["2021/22", "2022/23", "2023/24", "2024/25"]},
    ...     name="children in care",
    ... )
    >>> levels = mtfs.forecast_panel(history, n_draws=500, seed=1)
    >>> found = panel_driver(levels, council="Hove", name="children")
    >>> found.driver.shape, len(found.growth), 0 < found.persistence < 1
    ('student_t', 4, True)
    """
    growth = _growth(levels, council)
    years = [str(year) for year in levels["year"].to_numpy()]
    if first_year is not None:
        if first_year not in years:
            msg = (
                f"first_year is '{first_year}'; the forecast runs from {years[0]} to {years[-1]}: "
                "give forecast_panel a horizon that reaches to the end of the plan"
            )
            raise MtfsError(msg)
        before = years.index(first_year)
        growth, years = growth[before:], years[before:]
    whole = np.prod(1 + growth, axis=0)
    tail = (1 - PROB) / 2
    low, high = np.quantile(growth, [tail, 1 - tail], axis=1)
    half = (high - low) / 2
    together = np.diff(np.quantile(growth.sum(axis=0), [tail, 1 - tail]))[0] / 2
    persistence = _persistence(half, together)
    df = _df(growth)
    sd = half / abs(float(stdtrit(df, tail))) / np.sqrt((df - 2) / df)
    least, mean = float(sd.min()), growth.mean(axis=1)
    driver = Driver(
        name=name,
        central=by_year(mean, years, least),
        planned=planned,
        sd=by_year(sd, years, least),
        shape="student_t",
        df=df,
        persistence=persistence,
        source=_source(levels, council),
    )
    table = pd.DataFrame(
        {"mean": mean, "P10": low, "P90": high}, index=pd.Index(years, name="year")
    )
    return PanelDriver(driver, table, _level(whole, driver, years, int(levels.attrs["seed"])))


def _growth(levels: object, council: str) -> Array:
    """Give growth, shape (year, draw)."""
    if not isinstance(levels, xr.DataArray):
        msg = f"found a {type(levels).__name__}; expected what mtfs.forecast_panel gives"
        raise MtfsError(msg)
    if not {"latest", "council"} <= {*levels.coords} or "window" not in levels.attrs:
        msg = (
            "found a DataArray without the coordinate 'latest' or the attribute 'window'; expected "
            "what mtfs.forecast_panel gives, or some councils of it"
        )
        raise MtfsError(msg)
    if "council" not in levels.dims:
        msg = f"the forecast has no dimension 'council'; keep it: levels.sel(council=['{council}'])"
        raise MtfsError(msg)
    held = [str(each) for each in levels["council"].to_numpy()]
    if str(council) not in held:
        msg = f"the forecast holds no council '{council}'.{suggest(str(council), held)} It holds: "
        raise MtfsError(msg + listing(held))
    least = 2  # draws, for a spread
    if "draw" not in levels.dims or levels.sizes["draw"] < least:
        msg = "the forecast holds fewer than two draws, which say nothing of how far it may be off"
        raise MtfsError(msg)
    years = tuple(str(each) for each in levels["year"].to_numpy())
    after = year_label(year_start(str(levels.attrs["window"]).rpartition(" ")[2]) + 1)
    if not years or years != year_labels(after, len(years)):
        msg = (
            f"the forecast holds {listing(years) or 'no year'}; expected all its years from "
            f"{after} on, since growth is from year to year: choose with first_year"
        )
        raise MtfsError(msg)
    own = levels.isel(council=held.index(str(council))).transpose("year", "draw")
    path = np.vstack([np.full(own.sizes["draw"], own["latest"].item()), own.to_numpy()])
    return np.asarray(path[1:] / path[:-1] - 1)


def _persistence(half: Array, together: float) -> float:
    """Find the persistence by which spreads of years add up to that of their sum, 0 to 1."""
    from scipy.optimize import brentq  # noqa: PLC0415 - keeps import light

    def miss(rho: float) -> float:
        return driver_total_sd(half, rho) - together

    if len(half) == 1 or miss(0.0) >= 0:
        return 0.0
    return 1.0 if miss(1.0) <= 0 else round(float(brentq(miss, 0.0, 1.0)), 3)


def _df(growth: Array) -> float:
    """Find the Student's t whose 90% interval is as much wider than its 80% interval."""
    from scipy.optimize import brentq  # noqa: PLC0415 - keeps import light

    tails = [(1 - PROB) / 2, (1 - _WIDER) / 2]
    ends = np.quantile(growth, [tails[0], 1 - tails[0], tails[1], 1 - tails[1]], axis=1)
    wider = float(((ends[3] - ends[2]) / (ends[1] - ends[0])).mean())

    def miss(log_df: float) -> float:
        inner, outer = stdtrit(np.exp(log_df), tails)
        return float(outer / inner - wider)

    low, high = np.log([_LEAST_DF, _MOST_DF])
    if miss(low) <= 0:
        return _LEAST_DF
    return _MOST_DF if miss(high) >= 0 else round(float(np.exp(brentq(miss, low, high))), 1)


def _level(whole: Array, driver: Driver, years: Sequence[str], seed: int) -> pd.DataFrame:
    """Hold the level that the driver leads to against the forecast's."""
    drawn = draw_scores(driver.shocks(), RandomScores(seed, len(whole)), len(years))
    fresh = drawn[driver.shock_name]
    old, new = driver.smoothing(len(years))
    score, level = np.zeros(len(whole)), np.ones(len(whole))
    for year, distribution in enumerate(driver.distributions(years)):
        score = old[year] * score + new[year] * fresh[year]
        level *= 1 + distribution.value(score)
    points = (0.1, 0.5, 0.9)
    return pd.DataFrame(
        [np.quantile(each, points) for each in (whole, level)],
        index=pd.Index(["forecast", "driver"], name="of"),
        columns=[f"P{100 * point:.0f}" for point in points],
    )


def _source(levels: xr.DataArray, council: str) -> str:
    """Say what the driver rests on."""
    said = levels.attrs
    what = said.get("source") or levels.name or "a history"
    return (
        f"{what}, {council}: {said['window']}, {said['n_councils']} councils; growth by "
        f"forecast_panel, {said['n_draws']} draws, seed {said['seed']}"
    )
