"""How honest the intervals of children in care are, on published totals of 80 councils.

Run ``python benchmarks/coverage_of_totals.py looked_after_children.csv``, with a file of DfE totals
by ``area``, ``year``, ``measure`` and ``value``; unless given, the one beside the project. It needs
``scoringrules`` (``pip install 'mtfs[bench]'``) for the CRPS and takes some minutes.

Every origin stands at a 31 March and knows nothing later: the prior is learnt from all councils'
years up to it, the levels from the council's own. Beside the model stand three others: *naive*
(last stock; a lognormal whose spread is the root mean square of all councils' past errors at that
lead), *past* (last stock, times the quantiles of those errors themselves, so with their mean) and
*drift* (the council's mean growth of three years goes on; spread as naive's). What the model is was
chosen on origins up to 2016 and outcomes up to 2017; origins from 2017 on judge.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import ndtri

from mtfs.flows.totals import fit_totals, fit_totals_prior, simulate_totals
from mtfs.vocabulary import year_label

try:
    import scoringrules
except ImportError:  # an extra: pip install 'mtfs[bench]'
    scoringrules = None

DATA = Path(__file__).parents[2] / "shared" / "data" / "looked_after_children.csv"
MEASURES = {"cla_31march": "stock", "cla_started": "starts", "cla_ceased": "ceases"}
SIMPLE = ("naive", "past", "drift")
LEADS = 4
N_DRAWS = 1000
CHOOSING = (2011, 2016)  # origins, 31 March; outcomes up to 2017
JUDGING = (2017, 2024)
GROWTH_YEARS = 3
BOOTSTRAPS = 2000
BLOCK = 2  # origins


def panel(path: Path) -> pd.DataFrame:
    """Read stock, starts and ceases by area and year; codes of one area are summed."""
    long = pd.read_csv(path, dtype={"area": str})
    long = long[long["measure"].isin(list(MEASURES))]
    wide = long.pivot_table(
        index=["area", "year"],
        columns="measure",
        values="value",
        aggfunc=lambda values: values.sum(skipna=False),
    )
    return wide.rename(columns=MEASURES)


def by_area(held: pd.DataFrame, name: str) -> pd.DataFrame:
    """Give one figure with a row a year and a column an area."""
    return held.reset_index().pivot_table(index="year", columns="area", values=name, dropna=False)


def histories(held: pd.DataFrame, origin: int) -> dict[str, pd.DataFrame]:
    """Give every council's years up to an origin; a council without the last stock is left out."""
    found = {}
    for area, years in held.groupby(level="area"):
        one = years.droplevel("area").loc[:origin]
        if origin not in one.index or np.isnan(one.loc[origin, "stock"]):
            continue
        if one["stock"].isna().any():
            one = one.loc[one.index[one["stock"].isna()].max() + 1 :]
        if one.iloc[1:].notna().all(axis=1).any():  # some year's starts and ceases are known
            found[area] = one.set_index(pd.Index([year_label(year - 1) for year in one.index]))
    return found


def simple(held: pd.DataFrame, origin: int, name: str) -> dict[str, np.ndarray]:
    """Forecast by one of the three simple ways, shape (lead, draw); NaN without past errors."""
    stock = np.log(by_area(held, "stock").loc[:origin])
    growth = stock.diff(GROWTH_YEARS) / GROWTH_YEARS if name == "drift" else stock * 0
    chances = (np.arange(N_DRAWS) + 0.5) / N_DRAWS
    errors = np.full((LEADS, N_DRAWS), np.nan)
    for lead in range(1, LEADS + 1):
        past = (stock.shift(-lead) - stock - lead * growth).to_numpy()
        past = past[np.isfinite(past)]
        if past.size and name == "past":
            errors[lead - 1] = np.quantile(past, chances)
        elif past.size:
            errors[lead - 1] = np.sqrt(np.mean(past**2)) * ndtri(chances)
    leads = np.arange(1, LEADS + 1)[:, None]
    last = {area: (stock[area].iloc[-1], growth[area].iloc[-1]) for area in stock}
    return {area: np.exp(now + leads * rise + errors) for area, (now, rise) in last.items()}


def modelled(held: pd.DataFrame, origin: int, fixed: dict[str, float]) -> dict[str, np.ndarray]:
    """Forecast with the package, knowing nothing after the origin, shape (lead, draw)."""
    known = histories(held, origin)
    prior = fit_totals_prior(known, held=fixed)
    found = {}
    for number, (area, history) in enumerate(known.items()):
        model = fit_totals(history, prior=prior)
        ds = simulate_totals(model, horizon=LEADS, n_draws=N_DRAWS, seed=number)
        found[area] = ds["people_year_end"].to_numpy().T
    return found


def judged(held: pd.DataFrame, origin: int, forecasts: dict[str, np.ndarray], last: int) -> list:
    """Score one origin's forecasts: a row a council and lead."""
    rows = []
    for area, draws in forecasts.items():
        for lead in range(1, LEADS + 1):
            if origin + lead > last or (area, origin + lead) not in held.index:
                continue
            came = held.loc[(area, origin + lead), "stock"]
            now = held.loc[(area, origin), "stock"]
            if np.isnan(came) or np.isnan(draws[lead - 1]).any():
                continue
            at = (np.mean(draws[lead - 1] < came) + np.mean(draws[lead - 1] <= came)) / 2
            rows.append(
                {
                    "origin": origin,
                    "lead": lead,
                    "area": area,
                    "stock": now,
                    "at": at,
                    "crps": 100 * scoringrules.crps_ensemble(came, draws[lead - 1]) / now,
                    "off": 100 * (came - np.median(draws[lead - 1])) / now,
                }
            )
    return rows


def within(at: pd.Series, share: float) -> pd.Series:
    """Whether outcomes lie within the central interval that should hold a share of them."""
    return (at - 0.5).abs() <= share / 2


def table(scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Give coverage, CRPS and the mean error, by some columns."""
    scores = scores.assign(**{f"{p:.0%}": within(scores["at"], p) for p in (0.5, 0.8, 0.95)})
    scores = scores.assign(below=scores["at"] < 0.1, above=scores["at"] > 0.9)
    return scores.groupby(by)[["50%", "80%", "95%", "below", "above", "crps", "off"]].mean()


def bootstrapped(scores: pd.DataFrame, lead: int, share: float = 0.8) -> tuple[float, float]:
    """Bracket coverage at one lead by resampling blocks of origins that follow each other."""
    one = scores[scores["lead"] == lead]
    inside = within(one["at"], share).groupby(one["origin"]).mean().to_numpy()
    rng, size = np.random.default_rng(1), len(inside)
    firsts = rng.integers(0, size, (BOOTSTRAPS, -(-size // BLOCK)))
    picked = (firsts[:, :, None] + np.arange(BLOCK)) % size
    means = inside[picked.reshape(BOOTSTRAPS, -1)[:, :size]].mean(axis=1)
    return tuple(np.quantile(means, [0.05, 0.95]))


def scored(
    held: pd.DataFrame, origins: tuple[int, int], last: int, fixed: dict[str, float]
) -> dict[str, pd.DataFrame]:
    """Score the model and the two beside it over some origins."""
    rows: dict[str, list] = {name: [] for name in ("model", *SIMPLE)}
    for origin in range(origins[0], origins[1] + 1):
        rows["model"] += judged(held, origin, modelled(held, origin, fixed), last)
        for name in SIMPLE:
            rows[name] += judged(held, origin, simple(held, origin, name), last)
        print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    return {name: pd.DataFrame(each) for name, each in rows.items()}


def wandering(held: pd.DataFrame) -> pd.DataFrame:
    """Estimate by moments how far the levels of starts and exits wander, with standard errors.

    Half of what the variance of a change over three years has over that of one: noise that does not
    last, and that of counts, is in both and falls out. Standard errors leave out a tenth of the
    councils, or three years, in turn.
    """
    stock = by_area(held, "stock")
    average = (stock + stock.shift()) / 2
    unexplained = stock - stock.shift() - by_area(held, "starts") + by_area(held, "ceases")
    starts = by_area(held, "starts") + unexplained.clip(lower=0)
    ceases = by_area(held, "ceases") - unexplained.clip(upper=0)
    looks = {"starts": np.log(starts + 0.5), "exits": np.log((ceases + 0.5) / average)}
    counts = {"starts": starts, "exits": ceases}

    def estimates(areas: np.ndarray, years: np.ndarray) -> np.ndarray:
        def spread(one: str, other: str, *, own: bool, lead: int) -> float:
            changes = []
            for name in (one, other):
                change = looks[name].diff(lead).loc[years, areas]
                changes.append(change.sub(change.mean(axis=1), axis=0) if own else change)
            product = (changes[0] * changes[1]).to_numpy()
            if (
                one == other
            ):  # counts' own noise, which is not the same at both leads where they grow
                noise = (1 / counts[one] + 1 / counts[one].shift(lead)).loc[years, areas]
                product = product - noise.to_numpy()
            size = len(areas)
            return float(np.nanmean(product)) * (size / (size - 1) if own else 1)

        found = []
        for own in (False, True):
            starts_, exits_, both = (
                (spread(*pair, own=own, lead=3) - spread(*pair, own=own, lead=1)) / 2
                for pair in (("starts",) * 2, ("exits",) * 2, ("starts", "exits"))
            )
            found += [starts_**0.5, exits_**0.5, both / (starts_ * exits_) ** 0.5]
        return np.array(found)

    areas, years = stock.columns.to_numpy(), stock.index.to_numpy()[4:]
    parts = np.random.default_rng(1).permutation(len(areas)) % 10
    blocks = np.arange(len(years)) // 3
    by_areas = np.array([estimates(areas[parts != k], years) for k in range(10)])
    by_years = np.array([estimates(areas, years[blocks != k]) for k in range(blocks.max() + 1)])
    return pd.DataFrame(
        {
            "estimate": estimates(areas, years),
            "se_councils": by_areas.std(axis=0) * (len(by_areas) - 1) ** 0.5,
            "se_years": by_years.std(axis=0) * (len(by_years) - 1) ** 0.5,
        },
        index=[
            f"{what}{part}"
            for part in ("", ", own part")
            for what in ("starts", "exits", "correlation")
        ],
    )


def main() -> None:
    """Print how far levels wander, the prior, and how honest intervals are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "data", nargs="?", type=Path, default=DATA, help="looked_after_children.csv"
    )
    data = parser.parse_args().data
    if not data.exists():
        sys.exit(f"{data}: there is no such file; give the path of DfE's totals")
    if scoringrules is None:
        sys.exit("the CRPS needs scoringrules: pip install 'mtfs[bench]'")
    held = panel(data)
    print("How far a year's level wanders from the last (s.d. of logarithms), by moments")
    print(wandering(held).round(3).to_string())
    plain = {
        "starts_cluster": 1.0, "ceases_cluster": 1.0, "starts_pull": 0.0, "ceases_pull": 0.0,
        "balance": 0.0, "starts_multiple": 0.0, "ceases_multiple": 0.0,
    }  # fmt: skip
    known = histories(held, int(held.index.get_level_values("year").max()))
    print("\nThe same by marginal likelihood, without pull")
    print(repr(fit_totals_prior(known, held=plain)))
    print("\nThe prior of all years")
    print(repr(fit_totals_prior(known)))
    last = int(held.index.get_level_values("year").max())
    for title, origins, end in (
        ("Choosing", CHOOSING, CHOOSING[1] + 1),
        ("Judging", JUDGING, last),
    ):
        print(f"\n{title}: origins at 31 March {origins[0]} to {origins[1]}, outcomes to {end}")
        scores = scored(held, origins, end, {})
        for name, each in scores.items():
            print(f"\n{name}, by lead (CRPS and error: % of the stock at the origin)")
            found = table(each, ["lead"])
            found["80% between"] = [
                "{:.2f} to {:.2f}".format(*bootstrapped(each, lead)) for lead in found.index
            ]
            print(found.round(3).to_string())
        model = scores["model"]
        for name in SIMPLE:
            both = model.merge(scores[name], on=["origin", "lead", "area"])
            ratio = both["crps_x"].mean() / both["crps_y"].mean()
            print(f"CRPS over that of {name}, where both are: {ratio:.3f}")
        print("\nmodel, by origin and lead: share within 80%, and mean error")
        shown = model.assign(inside=within(model["at"], 0.8)).pivot_table(
            index="origin", columns="lead", values=["inside", "off"]
        )
        print(shown.round(3).to_string())
        sizes = pd.cut(model["stock"], [0, 100, 300, 500, 1000, 10_000])
        print("\nmodel, by stock at the origin")
        print(table(model.assign(size=sizes.astype(str)), ["size"]).round(3).to_string())


if __name__ == "__main__":
    main()
