"""How fast SSDA903 returns are read and counted: 100,000 invented episodes, measured in turns.

Run ``python benchmarks/episodes.py``. The yardstick is pandas reading the two files as text.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from speed import in_turns  # beside this file

from mtfs.flows import count_occurrences
from mtfs.io import load_episodes

EPISODES, CHILDREN, YEARS = 100_000, 30_000, 5
ROUNDS = 7


def write(folder: Path) -> None:
    """Write a return of one year, with more episodes than any council has."""
    rng = np.random.default_rng(0)
    last = np.datetime64("2021-03-31")
    start = last - rng.integers(0, YEARS * 365, EPISODES)
    end = start + rng.integers(10, 300, EPISODES)
    write_day = "%d/%m/%Y"
    episodes = pd.DataFrame(
        {
            "CHILD": rng.integers(0, CHILDREN, EPISODES),
            "DECOM": pd.Series(start).dt.strftime(write_day),
            "RNE": rng.choice(list("SPLTBU"), EPISODES),
            "LS": rng.choice(["C1", "C2", "V2"], EPISODES),
            "CIN": "N1",
            "PLACE": rng.choice(["U4", "U6", "U1", "K2", "H5", "P1"], EPISODES),
            "PLACE_PROVIDER": rng.choice(["PR1", "PR4"], EPISODES),
            "DEC": pd.Series(end).dt.strftime(write_day).where(end <= last, ""),
            "REC": "X1",
            "REASON_PLACE_CHANGE": "CARPL",
            "HOME_POST": "AB1 2CD",
            "PL_POST": "AB1 2CD",
            "URN": "1234567",
        }
    )
    episodes.to_csv(folder / "2021-episodes.csv", index=False)
    born = last - rng.integers(YEARS * 365, 18 * 365, CHILDREN)
    header = {"CHILD": range(CHILDREN), "SEX": 1, "DOB": pd.Series(born).dt.strftime(write_day)}
    pd.DataFrame(header).to_csv(folder / "2021-header.csv", index=False)


def main() -> None:
    """Print seconds of the yardstick, and the ratios to it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder)
        found = load_episodes(folder)
        in_turns(
            {
                "pandas.read_csv": lambda: [
                    pd.read_csv(each, dtype=str) for each in folder.glob("*.csv")
                ],
                "load_episodes": lambda: load_episodes(folder),
                "count_occurrences": lambda: count_occurrences(
                    found, start="2020-04-01", end="2021-03-31"
                ),
            },
            ROUNDS,
            f"{EPISODES:,} episodes of {CHILDREN:,} children",
        )


if __name__ == "__main__":
    main()
