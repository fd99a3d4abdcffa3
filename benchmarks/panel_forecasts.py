"""How good forecasts of many councils are: five series of England, every origin, leads 1 to 4.

Run ``python benchmarks/panel_forecasts.py [folder]``, with a folder of the catalogued histories;
unless given, the one beside the project. It needs ``pip install 'mtfs[bench]'`` and takes about
ten minutes on one core, nearly all of them the peers'; ``--quick`` leaves the three automatic ones
out.

Scores are of logarithms of levels. A forecast at an origin knows the years up to it, and nothing
later. An origin has at least five years behind it; a council is scored where its last five are
known. Every method forecasts the same councils.

- *naive*: last level, a random walk whose spread is the root mean square of growth, the council's
  own or that of all; *drift*: the mean growth of the council goes on, uncertain as a mean is; its
  spread own or pooled. *AutoARIMA*, *AutoETS*, *AutoTheta*: statsforecast, each council's unbroken
  last years in logarithms; 100 evenly spaced quantiles that it gives, as 100 equal draws, so that
  each keeps its own shape. AutoETS refuses series below seven years: there its ``Naive`` stands in.
- *national drift*: mean growth of all councils in the last four years, the pooled standard
  deviation of all growth so far, a random walk. The bar.
- *panel*: ``mtfs.forecast_panel`` as it ships. *panel, CPI*: the same, and for money the price
  index as a covariate: the September before the year starts, as uprating goes by; beyond what was
  known on 31 March of the origin inflation returns to 2%, half of it a year, with an error.

What the model is and its prior were chosen on looked-after children, EHC plans and children's net
spend, outcomes up to March 2019. Origins from 2019 on, and all of adults' net spend and weekly
cost, judge. How fast the national drift wanders was chosen again on the same outcomes once the
first choice had been judged (see ``mtfs.calibrate.ENGLAND``): the judges had been seen. The price
index is not so clean: before 2019 prices hardly moved, so nothing there can tell its lag. A year's
lag is how councils uprate fees; it was fixed before it was scored, once, but by one who had seen
national growth up to 2025. Read *panel* as the honest row, *panel, CPI* as what such knowledge is
worth.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import scoringrules
import xarray as xr
from scipy.special import ndtri

import mtfs
from mtfs.vocabulary import year_label, year_labels

DATA = Path(__file__).parents[2] / "shared" / "data"
SERIES = {
    "looked-after": ("looked_after_children.csv", "cla_31march"),
    "EHC plans": ("education_health_care_plans.csv", "ehcp_or_statement_total"),
    "children's": ("revenue_outturn.csv", "csc_net_current"),
    "adults'": ("revenue_outturn.csv", "asc_net_current"),
    "weekly cost": ("unit_costs.csv", "LACFinance"),
}
MONEY = ("children's", "adults'", "weekly cost")
CHOSE = ("looked-after", "EHC plans", "children's")
CHOSEN_TO = 2019  # outcomes, year ending March
LEAST_YEARS, LEADS, DRIFT_YEARS = 5, 4, 4
N_DRAWS, SEED = 1000, 6
AUTOMATIC = ("AutoARIMA", "AutoETS", "AutoTheta")
UNIVARIATE = ("naive own", "naive pooled", "drift own", "drift pooled", *AUTOMATIC)
BAR = "national drift"
BOOTSTRAPS = 2000
FAILED = 0.6

Forecast = Callable[[pd.DataFrame, int, str], np.ndarray]


def histories(folder: Path) -> dict[str, pd.DataFrame]:
    """Read levels by area and year (ending March); codes of one area are summed."""
    found = {}
    for name, (file, measure) in SERIES.items():
        held = pd.read_csv(folder / file, dtype={"area": str})
        held = held[held["measure"] == measure]
        if "basis" in held:
            held = held[held["basis"] == "outturn"]
        sums = held.groupby(["area", "year"])["value"].agg(lambda each: each.sum(skipna=False))
        wide = sums.unstack("year")
        wide = wide.reindex(columns=range(wide.columns.min(), wide.columns.max() + 1))
        found[name] = wide.where(wide > 0)
    return found


def gaussian(mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Give evenly spaced quantiles of normals in place of draws, shape (..., 200)."""
    points = ndtri((np.arange(200) + 0.5) / 200)
    return mean[..., None] + sd[..., None] * points


def growth(logs: pd.DataFrame) -> np.ndarray:
    return np.diff(logs.to_numpy(), axis=1)


def simple(which: str) -> Forecast:
    """Make a naive or drift forecast with own or pooled spread."""
    kind, spread = which.split()

    def forecast(logs: pd.DataFrame, _origin: int, _series: str) -> np.ndarray:
        past, lead = growth(logs), np.arange(1, LEADS + 1)
        count = np.isfinite(past).sum(1)[:, None]
        mean = np.nanmean(past, 1)[:, None] if kind == "drift" else np.zeros_like(count, float)
        freedom = count - (kind == "drift")
        squares = np.nansum((past - mean) ** 2, 1)[:, None]
        variance = squares / freedom if spread == "own" else squares.sum() / freedom.sum()
        of_mean = lead**2 / count if kind == "drift" else 0
        sd = np.sqrt(variance * (lead + of_mean))
        return gaussian(logs.to_numpy()[:, -1:] + mean * lead, sd)

    return forecast


def national_drift(logs: pd.DataFrame, _origin: int, _series: str) -> np.ndarray:
    past, lead = growth(logs), np.arange(1, LEADS + 1)
    mean = np.nanmean(past[:, -DRIFT_YEARS:])
    sd = np.nanstd(past) * np.sqrt(lead)
    return gaussian(logs.to_numpy()[:, -1:] + mean * lead, np.broadcast_to(sd, (len(logs), LEADS)))


def automatic(logs: pd.DataFrame) -> dict[str, np.ndarray]:
    """Forecast with statsforecast; shapes (council, lead, quantile)."""
    from statsforecast import StatsForecast  # noqa: PLC0415 - an extra, slow to load
    from statsforecast.models import AutoARIMA, AutoETS, AutoTheta, Naive  # noqa: PLC0415

    parts = []
    for area, row in logs.iterrows():
        broken = row.index[row.isna()]
        years = row.loc[broken.max() + 1 :] if len(broken) else row
        parts.append(pd.DataFrame({"unique_id": area, "ds": years.index, "y": years.to_numpy()}))
    models = [AutoARIMA(season_length=1), AutoETS(season_length=1), AutoTheta(season_length=1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        engine = StatsForecast(models=models, freq=1, n_jobs=1, fallback_model=Naive())
        found = engine.forecast(df=pd.concat(parts), h=LEADS, level=list(range(1, 100, 2)))
    found = found.set_index("unique_id").loc[logs.index]
    return {
        name: found[
            [f"{name}-lo-{level}" for level in range(99, 0, -2)]
            + [f"{name}-hi-{level}" for level in range(1, 100, 2)]
        ]
        .to_numpy()
        .reshape(len(logs), LEADS, -1)
        for name in AUTOMATIC
    }


def panel(cpi: pd.Series | None) -> Forecast:
    """Make the forecast of this library, with prices as a covariate of money where given."""

    def forecast(logs: pd.DataFrame, origin: int, series: str) -> np.ndarray:
        years = [year_label(year - 1) for year in logs.columns]
        levels = np.exp(logs.to_numpy())
        first = np.isfinite(levels).argmax(1)
        gaps = {
            area: [years[column] for column in range(first[row], len(years)) if hole[column]]
            for row, (area, hole) in enumerate(zip(logs.index, np.isnan(levels), strict=True))
        }
        history = xr.DataArray(
            levels, {"council": list(logs.index), "year": years}, ("council", "year")
        )
        covariates = {}
        if cpi is not None and series in MONEY:
            covariates["CPI"] = prices(cpi, list(logs.columns), origin)
        found = mtfs.forecast_panel(
            history,
            horizon=LEADS,
            n_draws=N_DRAWS,
            seed=SEED,
            gaps=gaps,
            covariates=covariates,
        )
        return np.log(found.transpose("council", "year", "draw").to_numpy())

    return forecast


def prices(cpi: pd.Series, past: list[int], origin: int) -> xr.DataArray:
    """Give the index that each year is uprated by: last September's, in draws beyond the origin."""
    yearly = np.log(cpi).diff(12)
    known = [yearly[f"{year - 2} SEP"] for year in past[1:]] + [yearly[f"{origin - 1} SEP"]]
    rng = np.random.default_rng(SEED)
    apart = yearly[f"{origin} MAR"] - 0.02
    # Errors of half a year, then of years: s.d. 1 and 1.5 points, half of them lasting.
    error, ahead = np.zeros(N_DRAWS), []
    for step, sd in enumerate((0.01, 0.015, 0.015)):
        error = 0.5 * error + sd * rng.standard_normal(N_DRAWS)
        ahead.append(0.02 + apart * 0.5 ** (step + 0.5) + error)
    growths = np.concatenate([np.tile(np.array(known)[:, None], N_DRAWS), np.array(ahead)])
    index = np.exp(np.cumsum(np.vstack([np.zeros(N_DRAWS), growths]), 0))
    labels = year_labels(year_label(past[0] - 1), len(index))
    return xr.DataArray(index, {"year": list(labels)}, ("year", "draw"))


def monthly_index(folder: Path) -> pd.Series:
    held = pd.read_csv(folder / "uk_cpi_index.csv", header=None, skiprows=1, names=["at", "index"])
    held = held[held["at"].astype(str).str.fullmatch(r"\d{4} [A-Z]{3}")]
    return held.set_index("at")["index"].astype(float)


def scored(draws: np.ndarray, came: pd.DataFrame, **labels: object) -> list[pd.DataFrame]:
    """Score one origin's forecasts, shape (council, lead, draw), where the outcome is known."""
    parts = []
    for lead, (_, outcome) in enumerate(came.items(), 1):
        seen = outcome.notna().to_numpy()
        values, drawn = outcome.to_numpy()[seen], draws[seen, lead - 1]
        low95, low80, middle, high80, high95 = np.quantile(drawn, [0.025, 0.1, 0.5, 0.9, 0.975], 1)
        parts.append(
            pd.DataFrame(
                {
                    "council": came.index[seen],
                    "crps": scoringrules.crps_ensemble(values, drawn, estimator="qd"),
                    "in80": (values >= low80) & (values <= high80),
                    "in95": (values >= low95) & (values <= high95),
                    "miss": values - middle,
                }
            ).assign(lead=lead, **labels)
        )
    return parts


def run(folder: Path, *, quick: bool) -> pd.DataFrame:
    """Score every method at every origin; one row a council, lead, origin, series and method."""
    methods: dict[str, Forecast] = {name: simple(name) for name in UNIVARIATE[:4]}
    methods[BAR] = national_drift
    methods["panel"] = panel(None)
    methods["panel, CPI"] = panel(monthly_index(folder))
    parts: list[pd.DataFrame] = []
    for series, levels in histories(folder).items():
        logs = np.log(levels)
        for origin in logs.columns[LEAST_YEARS - 1 : -1]:
            past = logs.loc[:, :origin]
            past = past[past.iloc[:, -LEAST_YEARS:].notna().all(axis=1)]
            came = logs.loc[past.index, origin + 1 : origin + LEADS]
            drawn = {name: method(past, origin, series) for name, method in methods.items()}
            if not quick:
                drawn |= automatic(past)
            for name, draws in drawn.items():
                parts += scored(draws, came, series=series, origin=origin, method=name)
    return pd.concat(parts, ignore_index=True)


def by_series(scores: pd.DataFrame) -> pd.DataFrame:
    """Give mean CRPS in hundredths of a logarithm, method by series."""
    table = scores.groupby(["method", "series"])["crps"].mean().unstack() * 100
    table = table[[name for name in SERIES if name in table]]
    order = [name for name in (*UNIVARIATE, BAR, "panel", "panel, CPI") if name in table.index]
    return table.loc[order]


def skill(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """Give 1 - CRPS / CRPS of the bar, and of the best univariate, by series."""
    best = table.loc[[name for name in UNIVARIATE if name in table.index]].min()
    rows = {BAR: 1 - table.loc[method] / table.loc[BAR], "best": 1 - table.loc[method] / best}
    return pd.DataFrame(rows).T


def resampled(scores: pd.DataFrame, method: str) -> dict[str, np.ndarray]:
    """Resample blocks of years to forecast from, and councils; all series have the same of both.

    Gives coverage at 80 and 95% and skill against the bar, averaged over the series that a sample
    has forecasts of, shapes (sample,).
    """
    rng = np.random.default_rng(0)
    held = scores[scores["method"].isin([method, BAR])]
    sums = held.groupby(["series", "method", "origin", "council"])[["crps", "in80", "in95"]].sum()
    sums["count"] = held.groupby(["series", "method", "origin", "council"]).size()
    cube = sums.to_xarray().fillna(0).transpose("series", "method", "origin", "council")
    n_origins, n_councils = cube.sizes["origin"], cube.sizes["council"]
    block = min(LEADS, n_origins)
    starts = rng.integers(0, n_origins, (BOOTSTRAPS, -(-n_origins // block)))
    picks = (starts[:, :, None] + np.arange(block)) % n_origins
    picks = picks.reshape(BOOTSTRAPS, -1)[:, :n_origins]
    times = np.apply_along_axis(np.bincount, 1, picks, minlength=n_origins)
    councils = rng.multinomial(n_councils, np.full(n_councils, 1 / n_councils), BOOTSTRAPS)

    def total(what: str, of: str) -> np.ndarray:
        values = cube[what].sel({"method": of}).to_numpy()
        return np.array([((times @ each) * councils).sum(1) for each in values])

    with np.errstate(invalid="ignore"):  # a series without a forecast in a sample
        count = total("count", method)
        found = {name: total(name, method) / count for name in ("in80", "in95")}
        found["skill"] = 1 - total("crps", method) / total("crps", BAR)
    return {name: np.nanmean(each, 0) for name, each in found.items()}


def report(scores: pd.DataFrame, title: str) -> None:
    """Print the scores of some origins."""
    table = by_series(scores)
    print(f"\n== {title}\n\nmean CRPS, hundredths of a logarithm")
    print(table.assign(mean=table.mean(axis=1)).round(2).to_string())
    best = table.loc[[name for name in UNIVARIATE if name in table.index]].idxmin()
    print("best univariate:", "; ".join(f"{series}: {name}" for series, name in best.items()))
    for name in (BAR, "panel", "panel, CPI"):
        found = skill(table, name)
        found["mean"] = found.mean(axis=1)
        print(f"\n{name}: skill against national drift, and the best univariate")
        print((found * 100).round(1).to_string())
        cover = scores[scores["method"] == name].groupby("series")[["in80", "in95"]].mean()
        cover = cover.loc[list(table.columns)].T
        cover["mean"] = cover.mean(axis=1)
        print((cover * 100).round(1).to_string())
        drawn = resampled(scores, name)
        for what, values in drawn.items():
            low, high = np.quantile(values, [0.025, 0.975]) * 100
            print(f"  {what}, mean of series, 95% bootstrap interval: {low:.1f} to {high:.1f}")


def details(scores: pd.DataFrame) -> None:
    """Print CRPS by series, lead and origin, and where every method failed."""
    shown = [BAR, "panel", "panel, CPI"]
    some = scores[scores["method"].isin(shown)]
    means = some.groupby(["series", "origin", "method", "lead"])["crps"].mean() * 100
    print("\n== CRPS by series, origin (31 March) and lead, hundredths of a logarithm")
    print(means.unstack(["method", "lead"])[shown].loc[list(SERIES)].round(1).to_string())
    cover = scores.groupby(["method", "series", "lead"])[["in80", "in95"]].mean().loc[shown]
    print("\n== Coverage by lead, %")
    print((cover.unstack("lead") * 100).round(0).to_string())
    held = scores.groupby(["series", "origin", "lead", "method"])["in80"].mean().unstack()
    failed = held[held[shown].max(axis=1) < FAILED]
    miss = scores[scores["method"] == "panel, CPI"].groupby(["series", "origin", "lead"])["miss"]
    print(f"\n== Where none of the three held {FAILED:.0%} of councils in its 80% interval")
    print("share held, %; the widest of all methods; how far the middle of 'panel, CPI' missed, %")
    table = (failed[shown] * 100).round(0)
    table["any method"] = (failed.max(axis=1) * 100).round(0)
    table["median miss"] = (miss.median().reindex(failed.index) * 100).round(1)
    print(table.to_string())


def main() -> None:
    """Print everything."""
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("folder", nargs="?", type=Path, default=DATA)
    reader.add_argument("--quick", action="store_true", help="leave the automatic peers out")
    reader.add_argument("--save", type=Path, help="write every score to this CSV")
    given = reader.parse_args()
    scores = run(given.folder, quick=given.quick)
    if given.save:
        scores.to_csv(given.save, index=False)
    outcome = scores["origin"] + scores["lead"]
    report(scores, "All origins")
    chose = scores["series"].isin(CHOSE) & (outcome <= CHOSEN_TO)
    for title, rows in [
        ("Origins that judge: 2019 and later", scores["origin"] >= CHOSEN_TO),
        (f"What chose: {', '.join(CHOSE)}; outcomes to March {CHOSEN_TO}", chose),
    ]:
        report(scores[rows], title)
    details(scores)


if __name__ == "__main__":
    main()
