"""Entries into care, learnt from the starts of periods of care: how many, when, who and where."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field, model_validator
from scipy.special import fdtrc, gammaln, ndtri

from mtfs.assumptions import Declared, Number
from mtfs.flows.estimation import CellRates, Margin, fit_cells
from mtfs.flows.known import Arrivals
from mtfs.flows.states import YEAR_DAYS, Table
from mtfs.flows.uniforms import Keys, keyed, uniforms, word
from mtfs.vocabulary import Array

if TYPE_CHECKING:
    from mtfs.flows.occurrences import Occurrences

_COUNTS, _SHARED, _WHERE = (word(f"arrivals.{name}") for name in ("level", "shared", "placements"))
MONTHS = 12
# Jeffreys' prior of a Poisson level, half an event, shared evenly between the bands (Perks, "Some
# observations on inverse probability", Journal of the Institute of Actuaries 73, 1947): no band is
# 0, and all together are half an entry off their count however many bands there are.
_PRIOR = 0.5
# Standard deviation of the prior of the month's factor where months differ by more than chance: a
# judgement, wide. Poisson entries have the same weight as all such.
_MONTH_SD = 0.3
# Chance of finding seasons where there are none.
_SEASON_LEVEL = 0.01
_QUANTILES = 11
# Ages spread over a band that weigh beside those seen: a band with no entry has an even spread.
_EVEN_AGES = 5
# As for destinations of moves (mtfs.flows.rates): labels differ by a factor of e or so, or by more.
_OF_PLACEMENTS = (
    Margin(axes=(2,), sd=2.0),
    Margin(axes=(0, 2), sd=1.0),
    Margin(axes=(1, 2), sd=1.0),
)


class FittedArrivals(Declared):
    """Entries as a posterior, which is drawn: their level, and where children are first placed."""

    kind: Literal["fitted"] = "fitted"
    counts: Table
    """entries in the window, shape (group, age)"""
    years: Annotated[float, Field(gt=0)]
    """length of the window, each day weighing as its season does"""
    months: Annotated[float, Field(gt=0)]
    """how many equal months would make its mean month as sure"""
    placements: CellRates
    """an entry, cells (group, age, placement): shares before they are made to sum to 1"""
    possible: Table
    """1 where the placement is for the age, else 0, shape (group, age, placement)"""
    season: tuple[Number, ...] = Field(default=(1.0,) * MONTHS, min_length=12, max_length=12)
    """entries in each calendar month over the average month, January first"""
    dispersion: Annotated[float, Field(ge=0)] = 0.0
    """variance of the factor, of mean 1, that all entries of a month share"""
    ages: Table
    """quantiles of the age at entry within each band, years, shape (group, age, quantile)"""

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        cells = self.possible.shape
        for name, found, wanted in [
            ("placements", self.placements.counts.shape, cells),
            ("counts", self.counts.shape, cells[:2]),
            ("ages", self.ages.shape[:2], cells[:2]),
        ]:
            if found != wanted:
                msg = f"'{name}' has shape {found}; 'possible' makes it {wanted}"
                raise ValueError(msg)
        return self

    def draw(self, keys: Keys) -> Arrivals:
        """Draw levels and shares of every key: each depends on its own key alone.

        A band's level is a gamma distribution (drawn as a lognormal of the same mean and variance)
        of its count; what all months share makes all levels more uncertain together.

        Parameters
        ----------
        keys
            Shape (draw,).
        """
        shape = self.counts.array[..., None] + _PRIOR / len(self.counts.values)
        bands = np.arange(len(self.counts.values)).reshape(*self.counts.shape, 1)
        level = shape / self.years * _around_one(1 / shape, keyed(keys, _COUNTS), bands)
        shared = _around_one(np.array(self.dispersion / self.months), keyed(keys, _SHARED), 0)
        return self._arrivals(level * shared, self.placements.draw(keyed(keys, _WHERE)))

    def mean(self) -> Arrivals:
        """Give the means of the posterior, with one draw; shares at theirs before summing."""
        shape = self.counts.array[..., None] + _PRIOR / len(self.counts.values)
        return self._arrivals(shape / self.years, self.placements.mean()[..., None])

    def _arrivals(self, level: Array, placements: Array) -> Arrivals:
        weights = placements * self.possible.array[..., None]
        shares = weights / weights.sum(axis=2, keepdims=True)
        return Arrivals(level, shares, np.array(self.season), self.dispersion, self.ages.array)

    def __repr__(self) -> str:
        count = self.counts.array.sum()
        seasons = "seasons" if len(set(self.season)) > 1 else "no seasons"
        return (
            f"<FittedArrivals: {count:,.0f} entries, {count / self.years:,.0f} a year, {seasons}, "
            f"months vary by {math.sqrt(self.dispersion):.0%} beyond chance>"
        )

    __str__ = __repr__


def fit_arrivals(occurrences: Occurrences) -> FittedArrivals:
    """Fit entries into care to the starts of periods of care in a window.

    Levels are gamma by group and age band. First placements are shrunk to what their group and age
    band say. Seasons are there when an F test of the twelve calendar months, allowing for
    overdispersion, finds them at 1% (McCullagh and Nelder, "Generalized Linear Models", 2nd ed.
    1989, sections 4.5 and 6.2), and then shrink towards none by the share of their spread that is
    chance. ``dispersion`` is that of :func:`dispersion_of`.

    Parameters
    ----------
    occurrences
        From :func:`mtfs.flows.count_occurrences`.
    """
    grouping, groups = occurrences.grouping, len(occurrences.groups)
    shape = (groups, *grouping.shape[:2])
    entries = occurrences.entries
    placed = np.zeros(shape)
    np.add.at(placed, tuple(entries[name].to_numpy() for name in ("group", "age", "placement")), 1)
    counts = placed.sum(axis=-1)
    possible = np.broadcast_to(grouping.allowed, shape)
    months = months_of(occurrences)
    season = season_of(months)
    weight = (months["days"] * season[months["month"]]).sum() / YEAR_DAYS
    expected = (months["days"] * season[months["month"]]).to_numpy() / YEAR_DAYS / weight
    return FittedArrivals(
        counts=Table.of(counts),
        years=float(weight),
        months=float(1 / (expected**2).sum()),
        placements=fit_cells(placed, possible * counts[..., None], margins=_OF_PLACEMENTS),
        possible=Table.of(possible),
        season=tuple(season.tolist()),
        dispersion=dispersion_of(months["entries"].to_numpy(float), expected * counts.sum()),
        ages=Table.of(np.round(_ages(occurrences), 4)),
    )


def months_of(occurrences: Occurrences) -> pd.DataFrame:
    """Count entries by calendar month of the window.

    Returns
    -------
    pandas.DataFrame
        A row a month: ``month`` (0 for January), ``days`` of it in the window, ``entries``.
    """
    days = pd.date_range(occurrences.start, occurrences.end).to_period("M")
    found = pd.DataFrame({"days": days.value_counts().sort_index()})
    came = pd.DatetimeIndex(occurrences.entries["date"]).to_period("M").value_counts()
    found["entries"] = came.reindex(found.index, fill_value=0)
    return found.assign(month=pd.PeriodIndex(found.index).month - 1)


def season_of(months: pd.DataFrame) -> Array:
    """Estimate entries of each calendar month over the average month; all 1 unless data show more.

    Parameters
    ----------
    months
        From :func:`months_of`.

    Returns
    -------
    Array
        Shape (12,), January first, of mean 1. Seasons need two whole years.

    Examples
    --------
    >>> even = pd.DataFrame({"month": [*range(12)] * 2, "days": 30, "entries": 10})
    >>> season_of(even)
    array([1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.])
    """
    none = np.ones(MONTHS)
    entries, days = months["entries"].to_numpy(float), months["days"].to_numpy(float)
    month = months["month"].to_numpy()
    seen = np.bincount(month, minlength=MONTHS)
    over = np.bincount(month, days, minlength=MONTHS)
    totals = np.bincount(month, entries, minlength=MONTHS)
    if seen.min() < 2 or totals.min() == 0:  # noqa: PLR2004 - a month has to be seen twice
        return none
    level = entries.sum() / days.sum()
    factors = totals / over / level
    fitted = days * level * factors[month]
    spread, chance = MONTHS - 1, len(months) - MONTHS
    # Never below 1: what varies less than Poisson does so by luck.
    scale = max(1.0, float(((entries - fitted) ** 2 / fitted).sum() / chance))
    deviance = 2 * float((totals * np.log(factors)).sum())
    statistic = deviance / spread / scale
    if fdtrc(spread, chance, statistic) > _SEASON_LEVEL:
        return none
    factors = 1 + (factors - 1) * (1 - 1 / statistic)
    found: Array = np.round(factors / factors.mean(), 4)
    return found


def dispersion_of(entries: Array, expected: Array) -> float:
    """Estimate the variance of the factor that all entries of a month share.

    A month's entries are negative binomial, of variance m + dispersion * m**2. It is 0 where the
    months vary no more than Poisson. Else it is the mean of its posterior, Poisson having half of
    the prior weight: so forecasts have the variance that history makes likely, and a history that
    may be chance counts as far as it may not be. Expectations are taken as known but for their
    total.

    Parameters
    ----------
    entries
        Of every month.
    expected
        Likewise, with the same sum.

    Examples
    --------
    >>> dispersion_of(np.array([10.0, 9.0, 11.0, 10.0]), np.full(4, 10.0))
    0.0
    >>> dispersion_of(np.array([5.0, 15.0, 4.0, 16.0] * 9), np.full(36, 10.0)) > 0.15
    True
    """
    if len(entries) < 2 or ((entries - expected) ** 2 / expected).sum() <= len(entries) - 1:  # noqa: PLR2004 - one month varies with none
        return 0.0
    sd = np.linspace(0, 4 * _MONTH_SD, 201)[1:]
    size = sd[:, None] ** -2
    chance = (
        gammaln(entries + size)
        - gammaln(size)
        + size * np.log(size)
        + entries * np.log(expected)
        - (entries + size) * np.log(expected + size)
    ).sum(axis=1)
    poisson = float((entries * np.log(expected) - expected).sum())
    prior = np.exp(-((sd / _MONTH_SD) ** 2) / 2)
    # One common level is fitted in each case: with it goes the root of its variance.
    width = np.sqrt((expected.sum() + sd**2 * (expected**2).sum()) / expected.sum())
    weights = np.exp(chance - poisson) * width * prior / prior.sum()
    return float(np.round((weights * sd**2).sum() / (1 + weights.sum()), 6))


def _ages(occurrences: Occurrences) -> Array:
    """Give even quantiles of the age at entry, with a few ages spread evenly over every band."""
    edges, entries = occurrences.grouping.ages, occurrences.entries
    steps = np.linspace(0, 1, _QUANTILES)
    found = np.empty((len(occurrences.groups), len(edges) - 1, _QUANTILES))
    for group, age in np.ndindex(found.shape[:2]):
        low, high = edges[age], edges[age + 1]
        seen = entries.loc[(entries["group"] == group) & (entries["age"] == age), "years"]
        even = low + (high - low) * (np.arange(_EVEN_AGES) + 0.5) / _EVEN_AGES
        found[group, age] = np.quantile(np.concatenate([seen.to_numpy(float), even]), steps)
    return found


def _around_one(variance: Array, keys: Keys, *words: int | np.ndarray) -> Array:
    """Draw lognormals of mean 1."""
    log_variance = np.log1p(variance)
    found: Array = np.exp(np.sqrt(log_variance) * ndtri(uniforms(keys, *words)) - log_variance / 2)
    return found
