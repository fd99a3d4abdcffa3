"""How fast it is: ratios measured in turns in one run, so that a slow machine slows both sides.

Run ``make bench``, or ``python benchmarks/speed.py``. The yardstick is numpy drawing as many
standard normals as the plan has driver scores (20 drivers x 4 years x draws) on one thread, memory
included. Every table gives the median ratio and its quartiles. Nothing here is a test: a busy
machine gives wider quartiles, and threads lose more by it than the yardstick does.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import yaml

import mtfs
from mtfs.engine import engine_of

try:
    import squiggle  # beside this file
except ImportError:  # squigglepy is an extra: pip install 'mtfs[bench]'
    squiggle = None

HERE = Path(__file__).parent
PLAN = HERE / "plan.yaml"
SCORES_A_DRAW = 20 * 4

# Peak memory of one projection: in a process of its own, above what its imports took. Linux says
# what a program's own peak is; getrusage would count its parent's too.
_MEMORY = """
import re, sys, mtfs
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
plan = mtfs.load_plan(sys.argv[1])
mtfs.project_gap(plan, n_draws=1, seed=1)
before = peak()
ds = mtfs.project_gap(plan, n_draws=int(sys.argv[2]), seed=1, keep=sys.argv[3])
print(peak() - before, ds.nbytes)
"""


def seconds(call: Callable[[], object]) -> float:
    """Time one call; what it returns is freed after the clock has stopped."""
    began = time.perf_counter()
    held = call()
    took = time.perf_counter() - began
    del held
    return took


def in_turns(cases: Mapping[str, Callable[[], object]], rounds: int, unit: str) -> None:
    """Time the cases in turns and print each as a ratio to the first."""
    for call in cases.values():
        call()  # the first time fills caches of tables and files
    took: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, call in cases.items():
            took[name].append(seconds(call))
    first, *others = cases
    print(
        f"\n{unit}: {first} takes {1e3 * statistics.median(took[first]):.1f} ms ({rounds} rounds)"
    )
    for name in others:
        ratios = [a / b for a, b in zip(took[name], took[first], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"  {name:<44} {middle:6.2f}   ({low:.2f} to {high:.2f})")


def engine(rounds: int) -> None:
    """Projections over the yardstick, and over squigglepy where it is installed."""
    plan = mtfs.load_plan(PLAN)
    raw = yaml.safe_load(PLAN.read_text())
    for n in (10_000, 100_000):

        def run(keep: str = "all", threads: int | None = None, n: int = n) -> object:
            return mtfs.project_gap(plan, n_draws=n, seed=1, keep=keep, n_threads=threads)

        def first_run(n: int = n) -> object:
            engine_of.cache_clear()
            return mtfs.project_gap(plan, n_draws=n, seed=1)

        cases = {
            f"numpy drawing {SCORES_A_DRAW * n:,} normals": lambda n=n: np.random.default_rng(
                0
            ).standard_normal(SCORES_A_DRAW * n),
            "project_gap, keep='totals'": lambda run=run: run("totals"),
            "project_gap, keep='all'": run,
            "project_gap, keep='all', a plan not run before": first_run,
            "project_gap, keep='all', one thread": lambda run=run: run("all", 1),
        }
        many = rounds * 5 if n == 10_000 else rounds
        in_turns(cases, many, f"{n:,} draws")
        if squiggle is not None:
            slow = {
                "project_gap, keep='all'": run,
                "squigglepy, the gap alone": lambda n=n: squiggle.gap(raw, n),
            }
            in_turns(slow, rounds, f"{n:,} draws against squigglepy (which leaves much out)")
    if squiggle is None:
        print("\nsquigglepy is not installed: pip install 'mtfs[bench]' to compare with it")


def memory() -> None:
    """Peak memory over the Dataset returned."""
    print("\nPeak memory above that of the imports")
    for n, keep in ((10_000, "all"), (100_000, "totals"), (100_000, "all")):
        answer = _python("-c", _MEMORY, str(PLAN), str(n), keep)
        peak, size = (int(word) / 1e6 for word in answer.split())
        most = 1.3 * size + 100
        print(
            f"  {n:>7,} draws, keep={keep!r:<9} {peak:6.0f} MB for a Dataset of {size:.0f} MB "
            f"(1.3 times that and 100 MB: {most:.0f})"
        )


def commands(rounds: int) -> None:
    """Imports and the command line, each a process of its own."""
    in_turns(
        {
            "import xarray": lambda: _python("-c", "import xarray"),
            "import mtfs": lambda: _python("-c", "import mtfs"),
            "import mtfs, and its first projection function": lambda: _python(
                "-c", "import mtfs; mtfs.project_gap"
            ),
        },
        rounds,
        "Imports",
    )
    plan_name = "leicestershire_2024"
    plan = mtfs.load_example(plan_name)
    with tempfile.TemporaryDirectory() as folder:
        asked = ("--draws", "10000", "--seed", "2024", "--output", f"{folder}/gap.nc")
        in_turns(
            {
                "import xarray, scipy.stats, pydantic, then the projection": lambda: (
                    _python("-c", "import xarray, scipy.stats, pydantic"),
                    mtfs.project_gap(plan, n_draws=10_000, seed=2024),
                ),
                f"mtfs run {plan_name}": lambda: _mtfs("run", plan_name, *asked),
            },
            rounds,
            "Command line",
        )


def _mtfs(*words: str) -> str:
    command = Path(sys.executable).parent / "mtfs"
    return subprocess.run([command, *words], check=True, capture_output=True, text=True).stdout  # noqa: S603


def _python(*words: str) -> str:
    done = subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True)  # noqa: S603
    return done.stdout


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="rounds of turns, default 15")
    rounds = max(parser.parse_args().rounds, 2)
    if sys.platform == "linux":
        memory()
    commands(rounds)
    engine(rounds)


if __name__ == "__main__":
    main()
