"""Bars of variance shares."""

import pandas as pd
import pytest

import mtfs
from mtfs import MtfsError, plot

pytest.importorskip("matplotlib").use("Agg")


def table(*names):
    columns = {}
    for name in names:
        columns |= {
            name: [0.6, -0.01],
            f"{name}_se": [0.02, 0.01],
            f"{name}_low": [0.55, -0.03],
            f"{name}_high": [0.66, 0.01],
        }
    found = pd.DataFrame(columns, index=["pay", "cpi"])
    found.attrs = {"variable": "gap", "year": "2028/29", "prob": 0.95}
    return found


def closed(axes):
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the backend is chosen

    plt.close(axes.figure)
    return axes


def test_bars_are_as_long_as_shares_with_the_first_row_on_top():
    axes = closed(plot.variance_bars(table("shapley")))
    assert [bar.get_width() for bar in axes.patches] == [0.6, -0.01]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["pay", "cpi"]
    assert axes.yaxis_inverted()
    assert axes.get_xlabel() == "share of the variance of the gap in 2028/29, 95% intervals"
    whiskers = axes.collections[0].get_segments()
    assert [(round(a[0], 9), round(b[0], 9)) for a, b in whiskers] == [(0.55, 0.66), (-0.03, 0.01)]


def test_sobol_indices_are_two_bars_a_row():
    axes = closed(plot.variance_bars(table("total", "first_order")))
    assert len(axes.patches) == 4
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["with its interactions (total)", "alone (first order)"]


def test_bars_are_drawn_where_asked():
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the backend is chosen

    _, axes = plt.subplots()
    assert closed(plot.variance_bars(table("shapley").head(1), ax=axes)) is axes


def test_a_table_of_something_else_is_refused():
    other = mtfs.summary(mtfs.project_gap(mtfs.load_example("gateshead_2025"), n_draws=10, seed=1))
    with pytest.raises(MtfsError, match=r"needs a table from mtfs.variance_table"):
        plot.variance_bars(other)
    with pytest.raises(MtfsError, match="at least one row"):
        plot.variance_bars(table("shapley").head(0))
