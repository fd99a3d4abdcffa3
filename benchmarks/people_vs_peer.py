"""Beside the peer, cs-demand-model 0.5.1: expected children, speed and width, on invented returns.

Run ``python benchmarks/people_vs_peer.py --data FOLDER --peer-python PYTHON``. The folder holds
SSDA903 returns, and in ``peer_output`` what the peer computed from them; unless given, it is the
one beside the project. ``PYTHON`` is that of an environment which holds the peer (Python 3.10 or
3.11; ``pip install cs-demand-model==0.5.1``); without it nothing is timed.

1. Expected children after 365 days, by age and placement, and what each difference in method is
   worth: one changed at a time, in the order shown, each on top of those before.
2. Seconds of the peer's one path of a year and of our 1,000 draws of four years, in turns.
3. The width of both beside exact theory.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from speed import seconds  # beside this file

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "flows"))

from flow_models import children, flow
from peer_definition import LEFT, PLACES, peer_spells, published, rows_of, stock_on
from peer_steps import DAYS, GROUPING, Stage, cut_at_birthdays, spells_of, stages

from mtfs.flows import FlowModel, fit, simulate
from mtfs.flows.model import Census
from mtfs.flows.states import YEAR_DAYS, Table
from mtfs.io import load_episodes

DATA = Path(__file__).parents[2] / "shared" / "data" / "ssda903"
WINDOWS = {"2019-07-01": 365, "2018-04-01": 1460}
"""first days of the windows the peer was given, and the days of its path"""
LAST = pd.Timestamp("2020-03-31")
SHOWN = slice(2, 5)  # nobody in the returns is under 5 by then
CHILDREN, ENTRIES, YEARS, N_DRAWS = 800, 320, 4, 1_000
HAZARD, IN_CARE = 0.002, 500

# The path alone: what reads and counts is timed apart.
_PEER = """
import sys, time, warnings
from datetime import date
warnings.simplefilter("ignore")
import cs_demand_model as peer
from cs_demand_model.config import Config
from cs_demand_model.datastore import fs_datastore
began = time.perf_counter()
config = Config()
held = peer.DemandModellingDataContainer(fs_datastore(sys.argv[1]), config)
stats = peer.PopulationStats(held.enriched_view, config)
model = peer.ModelPredictor.from_model(stats, date(2018, 4, 1), date(2020, 3, 31))
ready = time.perf_counter()
model.predict(365)
path = time.perf_counter()
model.predict(4, 90)
print(ready - began, path - ready, time.perf_counter() - path)
"""
_TIMED = {
    "path": "the peer: 1 path of 1 year of 214 children, 365 steps of a day",
    "coarse": "the peer: the same in 4 steps of 90 days, as its web page does unless told",
    "ours": f"mtfs: {N_DRAWS:,} draws of {YEARS} years of {CHILDREN} children, steps of a month",
    "ready": "the peer: reading and counting before it",
    "ours ready": "mtfs: reading and fitting before it",
}


def people(data: Path) -> None:
    """Print expected children beside the peer's, and the differences by cause."""
    rows, episodes = rows_of(data), load_episodes(data)
    for start, days in WINDOWS.items():
        first = pd.Timestamp(start)
        path = data / "peer_output" / f"prediction_{start}_{LAST:%Y-%m-%d}_{days}d.csv"
        theirs = published(path, DAYS)[-1][:, :LEFT]
        steps = stages(rows, episodes, first, LAST)
        if np.abs(steps[0].stock - theirs).max() > 1e-9:
            msg = f"{path}: is not what the peer's definition gives"
            raise ValueError(msg)
        print(f"\nRates of {start} to {LAST:%Y-%m-%d}: expected children {DAYS} days later")
        print(_beside(theirs, steps[-1].stock).to_string(float_format="{:.1f}".format))
        print(_causes(steps).to_string(float_format="{:+.2f}".format))
        model = fit(episodes, start=first, end=LAST, grouping=GROUPING, unknown_to=PLACES[-1])
        drawn = simulate(model, first_year="2020/21", horizon=1, n_draws=4 * N_DRAWS, seed=1)
        total = drawn["people_year_end"].sum(["group", "age", "placement"])
        low, high = total.quantile([0.1, 0.9]).to_numpy()
        print(f"  drawn: mean {total.mean().item():.1f}, 80% from {low:.0f} to {high:.0f}")
    came = LAST + pd.Timedelta(days=DAYS)
    counts = (peer_spells(rows), cut_at_birthdays(spells_of(episodes.table)))
    theirs, ours = (stock_on(each, came).sum() for each in counts)
    print(f"\nThe returns of {came:%Y-%m-%d}: {theirs:.0f} as the peer counts, {ours:.0f} as we do")


def _beside(theirs: np.ndarray, ours: np.ndarray) -> pd.DataFrame:
    """Put two stocks of shape (age, placement) side by side."""
    both = [_with_sums(each) for each in (theirs, ours)]
    return pd.concat(both, axis=1, keys=["the peer", "mtfs"])


def _with_sums(stock: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame(stock, list(GROUPING.age_names), list(PLACES)).iloc[SHOWN]
    rest = stock[: SHOWN.start].sum(axis=0)
    table = pd.concat([pd.DataFrame([rest], ["under 5"], list(PLACES)), table])
    table["all"] = table.sum(axis=1)
    table.loc["all"] = table.sum()
    return table


def _causes(steps: list[Stage]) -> pd.DataFrame:
    """Give what each change is worth, with sums that are ours less theirs."""
    found = {}
    for before, after in pairwise(steps):
        change = _with_sums(after.stock - before.stock)
        found[after.change] = [
            change.loc["all", "all"],
            *change.loc["all"][:-1],
            *change["all"][:-1],
        ]
    columns = ["all", *PLACES, "under 5", *GROUPING.age_names[SHOWN]]
    table = pd.DataFrame.from_dict(found, orient="index", columns=columns)
    table.loc["mtfs less the peer"] = table.sum()
    return table


def of_size(data: Path) -> FlowModel:
    """Fit the returns and make them a council's of 800 children, with 320 entries a year."""
    window = {"start": "2018-04-01", "end": LAST, "unknown_to": "other"}
    model = fit(load_episodes(data), **window)
    at = np.arange(CHILDREN) % model.census.count
    census = {name: tuple(np.array(held)[at].tolist()) for name, held in model.census if held}
    counts = model.arrivals.counts.array
    counts = Table.of(counts * (ENTRIES * model.arrivals.years / counts.sum()))
    arrivals = model.arrivals.model_copy(update={"counts": counts})
    return model.model_copy(update={"census": Census(**census), "arrivals": arrivals})


def speed(data: Path, peer_python: str, rounds: int) -> None:
    """Time the peer's path and our draws in turns."""
    model = of_size(data)
    took: dict[str, list[float]] = {name: [] for name in _TIMED}
    with tempfile.TemporaryDirectory() as folder:
        for path in data.glob("*.csv"):  # the peer takes every folder's name for a year
            (Path(folder) / path.name).symlink_to(path.resolve())

        def draw() -> None:
            simulate(model, first_year="2020/21", horizon=YEARS, n_draws=N_DRAWS, seed=1)

        draw()
        for _ in range(rounds):
            command = [peer_python, "-c", _PEER, folder]
            # the Python that whoever runs this names
            done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
            for name, word in zip(("ready", "path", "coarse"), done.stdout.split(), strict=True):
                took[name].append(float(word))
            took["ours"].append(seconds(draw))
            took["ours ready"].append(seconds(lambda: of_size(data)))
    print(f"\nSeconds in turns, median of {rounds} rounds (least to most)")
    for name, what in _TIMED.items():
        each = took[name]
        print(f"  {statistics.median(each):7.2f}  ({min(each):.2f} to {max(each):.2f})  {what}")
    for name in ("path", "coarse"):
        ratios = [a / b for a, b in zip(took[name], took["ours"], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(
            f"  {name}: {middle:.3f} times as long as our draws ({low:.3f} to {high:.3f}); "
            f"a draw-year {middle * N_DRAWS * YEARS:,.0f} times"
        )


def theory() -> None:
    """Print standard deviations: exact, ours, and those of the peer's hosted successor."""
    model = flow(
        people=[children(IN_CARE)],
        exits=HAZARD * YEAR_DAYS,
        entries=YEAR_DAYS,
        entry_ages=np.array([[0.0, 0.01]]),
    )
    drawn = simulate(model, first_year="2026/27", n_draws=10 * N_DRAWS, seed=1)
    ours = drawn["people_year_end"].sum(["group", "age", "placement"]).std("draw", ddof=1)
    print(
        f"\n{IN_CARE} in care, exit hazard {HAZARD} a day, one entry a day: standard deviation of"
    )
    print("  years   days   exact    mtfs   +/-   added day by day   times too wide")
    for year, days in ((1, 365), (2, 731), (4, 1461)):
        stay = np.exp(-HAZARD * days)
        # those who are left are binomial, those who came and stayed are Poisson
        exact = np.sqrt(IN_CARE * stay * (1 - stay) + (1 - stay) / HAZARD)
        # every day's entries and exits, as though no exit of today made one of tomorrow less likely
        band = np.sqrt(days * (1 + HAZARD * IN_CARE))
        mine = ours.isel(year=year - 1).item()
        error = mine / np.sqrt(2 * 10 * N_DRAWS)
        print(
            f"  {year:5d} {days:6d} {exact:7.2f} {mine:7.2f} {error:5.2f} {band:18.1f} "
            f"{band / exact:16.2f}"
        )


def main() -> None:
    """Print all three."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="the returns")
    parser.add_argument("--peer-python", help="a Python that has cs-demand-model 0.5.1")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    if not (asked.data / "peer_output").is_dir():
        parser.error(f"{asked.data}: holds no folder 'peer_output'; name one that does with --data")
    people(asked.data)
    if asked.peer_python:
        speed(asked.data, asked.peer_python, asked.rounds)
    else:
        print("\nWithout --peer-python nothing is timed")
    theory()


if __name__ == "__main__":
    main()
