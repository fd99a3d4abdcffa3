"""One council end to end: its numbers move only in a commit that says why.

Regenerate with ``python tests/test_golden.py``.
"""

from pathlib import Path

import numpy as np

import mtfs

GOLDEN = Path(__file__).parent / "golden" / "leicestershire_2024.csv"
QUANTILES = (0.1, 0.5, 0.9)
VARIABLES = ("gap_before_savings", "gap", "gap_after_one_offs", "shortfall", "unfunded")


def table():
    """Give plan, mean and quantiles of each stage by year, in GBP."""
    ds = mtfs.project_gap(mtfs.load_example("leicestershire_2024"), n_draws=4096, seed=2024)
    rows = []
    for name in VARIABLES:
        bands = mtfs.quantiles(ds, QUANTILES, variable=name).values
        stated = [ds[f"planned_{name}"].values, ds[name].mean("draw").values, *bands]
        rows += [
            (name, str(year), *column)
            for year, column in zip(ds["year"].values, np.transpose(stated), strict=True)
        ]
    return rows


def write():
    """Write the table down."""
    lines = ["variable,year,plan,mean," + ",".join(f"P{100 * q:.0f}" for q in QUANTILES)]
    lines += [",".join([*row[:2], *(f"{x:.3f}" for x in row[2:])]) for row in table()]
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_leicestershires_numbers_are_those_written_down():
    kept = [line.split(",") for line in GOLDEN.read_text(encoding="utf-8").splitlines()[1:]]
    for wanted, found in zip(kept, table(), strict=True):
        assert wanted[:2] == list(found[:2])
        np.testing.assert_allclose(np.array(found[2:]), np.array(wanted[2:], float), atol=0.01)


if __name__ == "__main__":
    write()
