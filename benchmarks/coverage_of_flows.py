"""How often intervals of fitted flows hold what came: four years of stock, on simulated histories.

Run ``python benchmarks/coverage_of_flows.py``. Each history has rates of its own, known to nobody:
three years of it are fitted, four more are forecast and compared with what the same children, and
those who came after, did. Drift is nil, in truth and forecast. Nothing of the package made the
histories.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "flows"))

from care_histories import PLACEMENTS, histories_of, truth

from mtfs.flows.fitting import fit_occurrences
from mtfs.flows.simulation import simulate

N_DRAWS = 400


def places(children: int, step: str, seeds: range) -> tuple[np.ndarray, np.ndarray]:
    """Give the share of draws below what came: totals by year, and the last year by placement."""
    totals, last = [], []
    for seed in seeds:
        history = histories_of(truth(children, seed=seed), 1, seed=500 + seed, after=4)[0]
        model = fit_occurrences(history.occurrences)
        ds = simulate(model, first_year="2026/27", n_draws=N_DRAWS, seed=1, step=step)
        stock = ds["people_year_end"].sum(["group", "age"]).transpose("year", "placement", "draw")
        chance = np.random.default_rng(seed).uniform(size=len(PLACEMENTS))
        drawn = stock.sum("placement").to_numpy()
        totals.append(_place(drawn, history.later.sum(axis=1), chance[:4]))
        last.append(_place(stock.to_numpy()[3], history.later[3], chance))
    return np.array(totals), np.array(last)


def _place(drawn: np.ndarray, came: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Whole numbers tie: a tie is split at random, so that an honest forecast is even."""
    below = (drawn < came[:, None]).mean(axis=1)
    return below + chance * (drawn == came[:, None]).mean(axis=1)


def main() -> None:
    """Print coverage by council size, with standard errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", choices=("month", "week"), default="month")
    parser.add_argument("--histories", type=int, default=60)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--children", type=int, nargs="*", default=[100, 400, 1000])
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.histories)
    error = {prob: np.sqrt(prob * (1 - prob) / len(seeds)) for prob in (0.8, 0.95)}
    print(f"{len(seeds)} histories a size, {N_DRAWS} draws, steps of a {given.step}")
    for children in given.children:
        totals, last = places(children, given.step, seeds)
        for what, found in [("total, years 1 to 4", totals), ("year 4 by placement", last)]:
            print(f"{children:5d} children, {what}")
            for prob, each in error.items():
                inside = (np.abs(found - 0.5) < prob / 2).mean(axis=0)
                print(f"  {prob:.0%}: {' '.join(f'{x:4.0%}' for x in inside)}  (+/- {each:.1%})")
            print(f"  mean place: {' '.join(f'{x:.2f}' for x in found.mean(axis=0))}")


if __name__ == "__main__":
    main()
