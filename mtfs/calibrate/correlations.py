"""Correlations between drivers from their joint history, shrunk as far as so few years ask for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from mtfs.calibrate.series import labelled
from mtfs.calibrate.texts import Section, plan_text
from mtfs.drivers import Pair
from mtfs.sampling import lower_factor
from mtfs.vocabulary import Array, MtfsError, listing, year_start

Missing: TypeAlias = Literal["refuse", "drop"]
LEAST = 5  # years: below, the variance of a correlation has hardly a degree of freedom
_DIGITS = 3  # of a correlation as written
_SAME = 1 - 1e-9  # a correlation that says the two series are one


@dataclass(frozen=True)
class FittedCorrelations:
    """Correlations of drivers, and what they rest on."""

    pairs: tuple[Pair, ...]
    """as a plan's ``correlations`` hold them"""
    table: pd.DataFrame
    """by pair (``one``, ``other``): ``sample``, its standard error ``se``, ``value`` (shrunk, as
    written), ``years`` (effective: fewer where both series persist)"""
    intensity: float
    """share by which every correlation was shrunk towards 0"""
    years: tuple[str, ...]
    """those that were used"""
    effective_years: float
    """mean over the pairs"""
    source: str

    def sections(self) -> tuple[Section, ...]:
        """Give it by the plan's keys."""
        return (Section("correlations", self.pairs, self.source),)

    def text(self) -> str:
        """Write it as a plan holds it; the source is a comment, as correlations have no field."""
        return plan_text(self)


def fit_correlations(
    frame: pd.DataFrame, *, source: str, missing: Missing = "refuse"
) -> FittedCorrelations:
    """Learn how drivers go together from their joint history, shrunk towards 0.

    Parameters
    ----------
    frame
        One column a driver, named as in the plan, one row a financial year: rates, growths, or by
        how much forecasts missed; not levels, whose trends correlate by themselves.
    source
        Where the data come from.
    missing
        ``"refuse"``: a year in which a driver is not known is an error; ``"drop"``: only years in
        which all are known count. Correlations pair by pair from different years need not fit
        together, and are not made.

    Returns
    -------
    FittedCorrelations
        Pearson's correlations times ``1 - intensity``, always positive definite. The intensity is
        the sum of the correlations' variances over the sum of their squares, at most 1 (Schäfer
        and Strimmer 2005, Statistical Applications in Genetics and Molecular Biology 4(1), 32:
        target D). Variances are theirs, times years over effective years,
        ``n (1 - a b) / (1 + a b)`` for lag-one autocorrelations ``a`` and ``b`` (Bartlett 1935,
        JRSS 98), at most ``n``.

    Raises
    ------
    MtfsError
        When there are fewer than two drivers or five years, a value is missing, a driver does not
        vary, two are the same, or years are not financial years in a row.

    Examples
    --------
    >>> import pandas as pd
    >>> years = ["2019/20", "2020/21", "2021/22", "2022/23", "2023/24", "2024/25"]
    >>> held = pd.DataFrame({"cpi": [1, 2, 1, 4, 3, 1], "nlw": [2, 2, 1, 5, 4, 1]}, years)
    >>> found = fit_correlations(held / 100, source="invented")
    >>> found.pairs[0].between, round(found.table["sample"].item(), 2), found.pairs[0].value
    (('cpi', 'nlw'), 0.96, 0.781)
    """
    years, values = _joint(frame, missing)
    names = [str(name) for name in frame.columns]
    n = len(years)
    around = values - values.mean(axis=0)
    spread = around.std(axis=0, ddof=1)
    for name, one in zip(names, spread, strict=True):
        if one < 1e-12:  # noqa: PLR2004 - rounding
            msg = f"'{name}' is the same in every year; leave it out"
            raise MtfsError(msg)
    scaled = around / spread
    sample = scaled.T @ scaled / (n - 1)
    _require_apart(sample, names)
    effective = _effective_years(years, scaled)
    products = scaled[:, :, None] * scaled[:, None, :]
    scatter = ((products - products.mean(axis=0)) ** 2).sum(axis=0)
    variance = n / (n - 1) ** 3 * scatter * n / effective
    off = ~np.eye(len(names), dtype=bool)
    intensity = float(min(1.0, variance[off].sum() / max((sample[off] ** 2).sum(), 1e-300)))
    kept = np.round((1 - intensity) * sample, _DIGITS) + 0.0  # no -0.0
    np.fill_diagonal(kept, 1.0)
    places = list(combinations(range(len(names)), 2))
    table = pd.DataFrame(
        [
            {
                "one": names[i],
                "other": names[j],
                "sample": sample[i, j],
                "se": _se(sample[i, j], effective[i, j]),
                "value": kept[i, j],
                "years": effective[i, j],
            }
            for i, j in places
        ]
    ).set_index(["one", "other"])
    lower_factor(kept)  # shrunk, it is positive definite
    mean_years = float(table["years"].mean())
    return FittedCorrelations(
        pairs=tuple(Pair(between=(names[i], names[j]), value=float(kept[i, j])) for i, j in places),
        table=table,
        intensity=intensity,
        years=years,
        effective_years=mean_years,
        source=(
            f"{source}; {years[0]} to {years[-1]}, {n} years, worth {mean_years:.1f}; shrunk "
            f"towards 0 by {intensity:.0%} (Schäfer and Strimmer 2005); standard errors "
            f"{table['se'].min():.2f} to {table['se'].max():.2f}"
        ),
    )


def _joint(frame: object, missing: Missing) -> tuple[tuple[str, ...], Array]:
    if not isinstance(frame, pd.DataFrame):
        msg = (
            f"found a {type(frame).__name__}; expected a pandas.DataFrame, a column a driver and a "
            "row a financial year"
        )
        raise MtfsError(msg)
    if missing not in {"refuse", "drop"}:
        msg = f"missing is {missing!r}; expected 'refuse' or 'drop'"
        raise MtfsError(msg)
    names = [str(name) for name in frame.columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        msg = f"{listing(twice)}: two columns bear one name"
        raise MtfsError(msg)
    if len(names) < 2:  # noqa: PLR2004 - a pair
        msg = f"found {len(names)} columns; expected at least two drivers"
        raise MtfsError(msg)
    years: tuple[str, ...] = ()
    columns = []
    for place, name in enumerate(names):
        years, values = labelled(frame.iloc[:, place], name)
        columns.append(values)
    held = np.column_stack(columns)
    if np.isinf(held).any():
        year, column = np.argwhere(np.isinf(held))[0]
        msg = f"{names[column]}, {years[year]}: infinite; expected a number"
        raise MtfsError(msg)
    whole = ~np.isnan(held).any(axis=1)
    if missing == "refuse" and not whole.all():
        year, column = np.argwhere(np.isnan(held))[0]
        msg = (
            f"{names[column]}, {years[year]}: missing; fill it in, or use only years that all "
            "drivers have: missing='drop'"
        )
        raise MtfsError(msg)
    if whole.sum() < LEAST:
        msg = (
            f"all drivers are known in {whole.sum()} years; expected at least {LEAST}. State the "
            "correlations of so short a history by judgement"
        )
        raise MtfsError(msg)
    return tuple(years[row] for row in np.flatnonzero(whole)), held[whole]


def _effective_years(years: tuple[str, ...], scaled: Array) -> Array:
    """Give how many independent years each pair's history is worth, shape (driver, driver)."""
    starts = np.array([year_start(year) for year in years])
    follows = np.diff(starts) == 1
    n = len(years)
    lagged = (scaled[1:][follows] * scaled[:-1][follows]).sum(axis=0) / max(int(follows.sum()), 1)
    both = np.clip(np.outer(lagged, lagged), 0.0, None)  # never worth more years than there are
    return np.asarray(n * (1 - both) / (1 + both))


def _se(correlation: float, years: float) -> float:
    """Give the standard error of Pearson's correlation, for normal variables."""
    return (1 - correlation**2) / math.sqrt(max(years - 1, 1.0))


def _require_apart(sample: Array, names: list[str]) -> None:
    for i, j in combinations(range(len(names)), 2):
        if abs(sample[i, j]) > _SAME:
            msg = f"'{names[i]}' and '{names[j]}' are one series; use one driver for both"
            raise MtfsError(msg)
