"""Returns of budget and outturn: how far they lie apart, and how far that repeats.

A table of revenue account budgets and outturns becomes a :class:`mtfs.drift.DriftEvidence`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mtfs.drift import SOURCE, DriftEvidence, Estimate, LeftOut, YearDrift
from mtfs.vocabulary import Array, MtfsError, listing, require_share, suggest, year_label

if TYPE_CHECKING:
    from collections.abc import Sequence

# A deviation this large is a return gone wrong (Slough's children 2021/22: -93%), not a drift; so
# is an outturn that changes in a year by as large a factor (Thurrock's adults 2024/25: -48%).
FAR = 0.6
_COLUMNS = ("area", "la_code", "year", "basis", "measure", "value")
_FEWEST = 4  # councils: a correlation's standard error needs more than three
_TO_SD = 1.482602218505602  # median absolute deviation -> s.d. of a normal: 1 / 0.67449
_YEARS_TO_REPEAT = 2
_GROUPS = (
    100  # of areas, left out one after another: a delete-a-group jackknife (Kott 2001, JOS 17)
)
_ROUNDING = 1e-9  # growth that differs by less is the same


def budget_drift(
    returns: pd.DataFrame,
    measure: str,
    *,
    service: str | None = None,
    years: Sequence[int] | None = None,
    far: float = FAR,
    source: str = SOURCE,
) -> DriftEvidence:
    """Measure how far outturns of a service ended from budget, and how far that repeats.

    Parameters
    ----------
    returns
        Long form, one row a figure: ``area`` (a council, unbroken over reorganisations),
        ``la_code`` (rows of one area are added up), ``year`` (the calendar year in which the
        financial year ends), ``basis`` (``budget`` or ``outturn``), ``measure`` and ``value``
        (money, above 0 for an area).
    measure
        Which figures to use, such as ``csc_net_current``.
    service
        What to call the service; unless given, ``measure``.
    years
        Years with budgets; unless given, every year for which the table holds any.
    far
        Deviations of at least this share of the budget are left out, and listed; so are, from the
        shares that stand next year, outturns that changed by a factor of 1 + ``far`` or more.
    source
        Where the returns come from.

    Returns
    -------
    DriftEvidence
        With ``v = outturn / budget - 1`` of each council. ``spread`` is 1.4826 x the median
        absolute deviation of ``log(1 + v)``. ``recurrent`` is the slope of
        ``log(next outturn / budget)`` on ``log(1 + v)``, Huber's estimator: logarithms keep the
        next year's growth out of the slope. ``instrumented`` is one plus the slope of next year's
        growth of outturn on ``log(1 + v)``, instrumented by this year's growth, with White's
        standard error. Both are None with fewer than four councils, and the second also where all
        outturns grew alike. ``between`` is a moment estimate after Hildreth and Houck (1968, Some
        Estimators for a Linear Model with Random Coefficients, JASA 63): the regression of the
        squared residuals of the slopes on the squared distances of ``log(1 + v)`` from its median
        and a constant a year, both as far as a residual holds them, all years together, each over
        its residuals' variance (robust). Its standard error is the jackknife's, which leaves out
        one area after another, above 100 areas one hundredth of them. None where the distances or
        residuals do not differ, or with fewer than five councils. ``repeat`` is Spearman's, its
        standard error after Bonett and Wright (2000).

    Raises
    ------
    MtfsError
        When columns are missing, figures are there twice, not finite, or not above 0, a year is
        missing, or fewer than four councils have both budget and outturn.

    Examples
    --------
    >>> held = [("a", 100, 110), ("b", 50, 51), ("c", 80, 84), ("d", 60, 72)]
    >>> rows = [(n, n, 2024, basis, "care", float(v)) for n, b, o in held
    ...         for basis, v in (("budget", b), ("outturn", o))]
    >>> columns = ["area", "la_code", "year", "basis", "measure", "value"]
    >>> found = budget_drift(pd.DataFrame(rows, columns=columns), "care")
    >>> round(found.years[0].median.value, 3), round(found.years[0].aggregate, 3)
    (0.075, 0.093)
    """
    name = service or measure
    require_share(far, "far", open_ends=True)
    table = _table(returns, measure)
    budgeted = sorted(int(year) for year in table["budget"].columns)
    wanted = budgeted if years is None else sorted(set(years))
    for year in wanted:
        _require_year(table, year, measure)
    left_out: list[LeftOut] = []
    kept = {year: _logs(table, year, far, left_out) for year in wanted}
    for year, logs in kept.items():
        _require_councils(len(logs), year_label(year - 1), measure)
    first, last = kept[wanted[0]], kept[wanted[-1]]
    both = first.index.intersection(last.index)
    repeats = len(wanted) >= _YEARS_TO_REPEAT
    if repeats:
        _require_councils(len(both), "both years", measure)
    measured = [_year(table, year, logs, far, left_out) for year, logs in kept.items()]
    return DriftEvidence(
        service=name,
        years=tuple(drift for drift, _ in measured),
        between=_between([slope for _, slope in measured if slope is not None]),
        repeat=_rank_correlation(first[both], last[both]) if repeats else None,
        years_apart=wanted[-1] - wanted[0],
        left_out=tuple(left_out),
        source=source,
    )


def drift_correlation(
    returns: pd.DataFrame, measures: tuple[str, str], *, years: Sequence[int], far: float = FAR
) -> tuple[Estimate, ...]:
    """Measure how far two services' deviations go together: by year, and pooled last.

    Parameters
    ----------
    returns
        As :func:`budget_drift` takes them.
    measures
        The two services' measures.
    years
        Years with budgets.
    far
        Deviations of at least this share of the budget are left out.

    Returns
    -------
    tuple of Estimate
        Spearman's rank correlation over councils in each year, then their mean; the councils are
        mostly the same, so its standard error is that of one year.
    """
    require_share(far, "far", open_ends=True)
    tables = [_table(returns, measure) for measure in measures]
    found = []
    for year in years:
        for table, measure in zip(tables, measures, strict=True):
            _require_year(table, year, measure)
        one, other = (_logs(table, year, far, []) for table in tables)
        both = one.index.intersection(other.index)
        _require_councils(len(both), year_label(year - 1), " and ".join(measures))
        found.append(_rank_correlation(one[both], other[both]))
    pooled = math.fsum(each.value for each in found) / len(found)
    least = min(each.councils for each in found)
    return (*found, Estimate(pooled, _correlation_error(pooled, least), least))


def _table(returns: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Check the returns and add up each area: rows areas, columns (basis, year)."""
    missing = [column for column in _COLUMNS if column not in returns.columns]
    if missing:
        msg = (
            f"the returns lack {listing(missing)}; expected the columns {', '.join(_COLUMNS)} "
            f"and found {listing(map(str, returns.columns))}"
        )
        raise MtfsError(msg)
    rows = returns.loc[returns["measure"] == measure, list(_COLUMNS)]
    if rows.empty:
        known = sorted({str(each) for each in returns["measure"]})
        msg = (
            f"the returns hold no measure '{measure}'.{suggest(measure, known)} They hold: "
            f"{listing(known)}."
        )
        raise MtfsError(msg)
    bases = {str(each) for each in rows["basis"]}
    if bases != {"budget", "outturn"}:
        msg = f"{measure}: found basis {listing(bases)}; expected both 'budget' and 'outturn'"
        raise MtfsError(msg)
    if not pd.api.types.is_integer_dtype(rows["year"]):
        msg = f"{measure}: years are {rows['year'].dtype}; expected whole numbers such as 2024"
        raise MtfsError(msg)
    if rows[["area", "la_code"]].isna().to_numpy().any():
        msg = f"{measure}: rows lack 'area' or 'la_code'; say whose figures they are"
        raise MtfsError(msg)
    key = ["area", "la_code", "year", "basis"]
    _refuse(rows, rows.duplicated(key), measure, "given twice; keep one row for each")
    values = pd.to_numeric(rows["value"], errors="coerce")
    _refuse(rows, ~np.isfinite(values), measure, "not a finite number; leave the row out")
    total = rows.assign(value=values).groupby(["area", "year", "basis"], as_index=False)
    summed = total.agg(
        value=("value", "sum"), codes=("la_code", lambda c: "+".join(sorted(map(str, c))))
    )
    _refuse(
        summed,
        summed["value"] <= 0,
        measure,
        "0 or less, of which no share can be taken; correct the rows or leave the council out",
    )
    apart = summed.groupby(["area", "year"])["codes"].transform("nunique") > 1
    _refuse(
        summed,
        apart,
        measure,
        "of other 'la_code's than its budget or outturn: add up the same councils, or leave it out",
    )
    return summed.pivot_table(
        index="area", columns=["basis", "year"], values="value", aggfunc="sum"
    )


def _refuse(rows: pd.DataFrame, wrong: pd.Series[bool], measure: str, why: str) -> None:
    if wrong.any():
        named = [
            f"{r.area} {r.year} {r.basis}"
            for r in rows[wrong].drop_duplicates(["area", "year", "basis"]).itertuples()
        ]
        msg = f"{measure}: figures of {listing(named)} are {why}"
        raise MtfsError(msg)


def _require_year(table: pd.DataFrame, year: int, measure: str) -> None:
    for basis in ("budget", "outturn"):
        held = table[basis].columns
        if year not in held:
            msg = (
                f"{measure}: no {basis} of the year ending March {year}; the returns hold "
                f"{basis}s of {listing(map(str, held))}"
            )
            raise MtfsError(msg)


def _require_councils(found: int, year: str, measure: str) -> None:
    if found < _FEWEST:
        msg = (
            f"{measure}: {found} councils have budget and outturn in {year}; expected at least "
            f"{_FEWEST}"
        )
        raise MtfsError(msg)


def _logs(table: pd.DataFrame, year: int, far: float, left_out: list[LeftOut]) -> pd.Series[float]:
    """Give log(outturn / budget) by area, and note the areas that are left out."""
    budget, outturn = table["budget", year], table["outturn", year]
    ratio = outturn / budget
    reasons = {
        "no budget": budget.isna() & outturn.notna(),
        "no outturn": outturn.isna() & budget.notna(),
        "neither budget nor outturn": outturn.isna() & budget.isna(),
    }
    for reason, where in reasons.items():
        left_out += [
            LeftOut(str(area), year_label(year - 1), reason) for area in table.index[where]
        ]
    wild = (ratio - 1).abs() >= far
    left_out += [
        LeftOut(
            str(area),
            year_label(year - 1),
            f"ended {ratio[area] - 1:+.0%} from budget, beyond {far:.0%}",
        )
        for area in table.index[wild]
    ]
    return ratio[ratio.notna() & ~wild].map(math.log)


def _neighbour(
    table: pd.DataFrame,
    year: int,
    step: int,
    councils: pd.Index[str],
    *,
    far: float,
    left_out: list[LeftOut],
) -> pd.Series[float] | None:
    """Give log outturn of a neighbouring year, where there is any, and note who is left out."""
    if ("outturn", year + step) not in table.columns:
        return None
    outturn = table["outturn", year + step][councils]
    label = year_label(year + step - 1)
    reason = f"no outturn of {label}, for the share that stands next year"
    left_out += [
        LeftOut(str(area), year_label(year - 1), reason) for area in councils[outturn.isna()]
    ]
    times = outturn / table["outturn", year][councils]
    wild = times.map(math.log).abs() >= math.log1p(far)
    left_out += [
        LeftOut(
            str(area),
            year_label(year - 1),
            (
                f"outturn of {label} is {times[area]:.2f} times that of {year_label(year - 1)}, "
                f"beyond a factor of {1 + far:g}"
            ),
        )
        for area in councils[wild]
    ]
    return outturn[~wild].dropna().map(math.log)


@dataclass(frozen=True)
class _Slope:
    """A year's slope of the next outturn on the deviation, with what it leaves unexplained."""

    estimate: Estimate
    x: pd.Series[float]
    y: pd.Series[float]
    residual: Array
    scale: float
    """robust standard deviation of the residuals"""

    def without(self, areas: Sequence[str]) -> _Slope | None:
        """Fit it again without some areas; None where too few are left."""
        kept = ~self.x.index.isin(areas)
        return self if kept.all() else _huber_slope(self.x[kept], self.y[kept])

    def rows(self) -> tuple[Array, Array, Array]:
        """Give squared residuals, and how far each holds squared distances and a constant.

        A residual is ``M u`` of the errors u, so that its square is expected to be
        ``sum_j M_ij**2 var(u_j)``; all over the residuals' variance.
        """
        x = self.x.to_numpy()
        basis, _ = np.linalg.qr(np.column_stack([np.ones_like(x), x]))  # M = 1 - basis basis'
        leverage = np.sum(basis**2, axis=1)

        def held(by: Array) -> Array:
            others = np.sum((basis @ (basis.T @ (by[:, None] * basis))) * basis, axis=1)
            found: Array = ((1 - 2 * leverage) * by + others) / self.scale**2
            return found

        away = (x - np.median(x)) ** 2
        return (self.residual / self.scale) ** 2, held(away), held(np.ones_like(x))


def _between(slopes: Sequence[_Slope]) -> Estimate | None:
    """Estimate the variance between councils of the share that stands next year."""
    areas = sorted({str(area) for slope in slopes for area in slope.x.index})
    value = _moment(slopes)
    groups = min(len(areas), _GROUPS)
    without = [
        _moment([slope.without(areas[first::groups]) for slope in slopes])
        for first in range(groups)
    ]
    held = [each for each in without if each is not None]
    if value is None or len(held) < groups:
        return None
    return Estimate(value, math.sqrt((groups - 1) * float(np.var(held))), len(areas))


def _moment(slopes: Sequence[_Slope | None]) -> float | None:
    """Regress squared residuals on squared distances, with a constant for every year."""
    held = [slope for slope in slopes if slope is not None and slope.scale > _ROUNDING]
    if not held or len(held) < len(slopes):
        return None
    squares, away, constant = map(
        np.concatenate, zip(*(slope.rows() for slope in held), strict=True)
    )
    year = np.repeat(np.arange(len(held)), [len(slope.x) for slope in held])
    by_year = constant[:, None] * (year[:, None] == np.arange(len(held)))
    design = np.column_stack([away, by_year])
    found, _, rank, _ = np.linalg.lstsq(design, squares)
    return float(found[0]) if rank == design.shape[1] else None


def _year(
    table: pd.DataFrame, year: int, logs: pd.Series[float], far: float, left_out: list[LeftOut]
) -> tuple[YearDrift, _Slope | None]:
    v = np.expm1(logs)
    budget, outturn = table["budget", year][logs.index], table["outturn", year][logs.index]
    spread = _TO_SD * float((logs - logs.median()).abs().median())
    if spread == 0:
        msg = (
            f"{year_label(year - 1)}: half of the councils or more ended equally far from budget; "
            "there is no spread to measure. Are outturns filled in from budgets?"
        )
        raise MtfsError(msg)
    n = len(logs)
    median = float(np.expm1(logs.median()))
    # the standard error of a normal's median: sqrt(pi / 2) of the mean's
    error = math.sqrt(math.pi / 2 / n) * spread * (1 + median)
    now = outturn.map(math.log)
    after, before = (
        _neighbour(table, year, step, logs.index, far=far, left_out=left_out) for step in (1, -1)
    )
    slope = instrumented = None
    if after is not None:
        slope = _huber_slope(logs, (after - budget.map(math.log)).dropna())
        if before is not None:
            instrumented = _instrumented(logs, (after - now).dropna(), (now - before).dropna())
    drift = YearDrift(
        year=year_label(year - 1),
        councils=n,
        mean=float(v.mean()),
        median=Estimate(median, error, n),
        sd=float(v.std()),
        spread=spread,
        aggregate=float(outturn.sum() / budget.sum() - 1),
        above=float((v > 0).mean()),
        recurrent=None if slope is None else slope.estimate,
        instrumented=instrumented,
    )
    return drift, slope


def _huber_slope(x: pd.Series[float], y: pd.Series[float]) -> _Slope | None:
    import statsmodels.api as sm  # noqa: PLC0415 - takes a second, and only returns need it

    both = x.index.intersection(y.index)
    if len(both) < _FEWEST:
        return None
    fit = sm.RLM(y[both].to_numpy(), sm.add_constant(x[both].to_numpy())).fit()
    estimate = Estimate(float(fit.params[1]), float(fit.bse[1]), len(both))
    return _Slope(estimate, x[both], y[both], np.asarray(fit.resid), float(fit.scale))


def _instrumented(
    x: pd.Series[float], growth: pd.Series[float], instrument: pd.Series[float]
) -> Estimate | None:
    both = x.index.intersection(growth.index).intersection(instrument.index)
    if len(both) < _FEWEST or np.ptp(instrument[both]) < _ROUNDING:
        return None
    v, g, z = (each[both].to_numpy() - each[both].mean() for each in (x, growth, instrument))
    slope = float(z @ g / (z @ v))
    error = float(np.sqrt(np.sum((z * (g - slope * v)) ** 2)) / abs(z @ v))
    return Estimate(1 + slope, error, len(both))


def _rank_correlation(one: pd.Series[float], other: pd.Series[float]) -> Estimate:
    r = float(np.corrcoef(one.rank(), other.rank())[0, 1])
    return Estimate(r, _correlation_error(r, len(one)), len(one))


def _correlation_error(r: float, n: int) -> float:
    """Give the standard error of Spearman's correlation (Bonett and Wright 2000)."""
    return (1 - r * r) * math.sqrt((1 + r * r / 2) / (n - 3))
