"""Plots of coverage, skill and the PIT."""

import numpy as np
import pytest
import xarray as xr

import mtfs
from mtfs import MtfsError, plot
from mtfs.verify import national_drift, pit_table, score_table
from mtfs.vocabulary import year_labels

pytest.importorskip("matplotlib").use("Agg")


@pytest.fixture(scope="module")
def ds():
    steps = np.random.default_rng(2).normal(0.03, 0.1, (8, 14))
    coords = {"council": list("abcdefgh"), "year": list(year_labels("2005/06", 14))}
    rows = xr.DataArray(100 * np.exp(steps.cumsum(axis=1)), coords)
    origins = list(year_labels("2011/12", 6))
    return mtfs.backtest(rows, national_drift, origins=origins, horizon=2, n_draws=50, seed=1)


def closed(axes):
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the backend is chosen

    plt.close(axes.figure)
    return axes


def words(axes):
    return [text.get_text().replace("\n", " ") for text in axes.texts]


def test_coverage_has_points_for_each_forecaster_and_probability(ds):
    table = score_table(ds, by="lead", n_boot=50)
    axes = closed(plot.coverage(table))
    drawn = [line.get_ydata() for line in axes.lines if len(line.get_xdata()) == 2]
    wanted = table["coverage_80"].xs("naive", level="forecaster").tolist()
    assert any(np.array_equal(each, wanted) for each in drawn)
    assert len(axes.containers) == 9
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    names = ["national drift", "naive", "drift"]
    assert legend == [*names, "95% interval", "80% interval", "50% interval"]
    assert words(axes) == [f"{prob}% promised" for prob in (50, 80, 95)] + [table.attrs["note"]]
    assert axes.get_xlabel() == "years ahead"
    assert axes.get_ylabel() == "outcomes that the intervals held\n(bars: bootstrap, 95%)"


def test_one_forecaster_leaves_the_markers_a_column_of_their_own(ds):
    axes = closed(plot.coverage(score_table(ds.sel(forecaster=["naive"]), by="lead", n_boot=20)))
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["naive", " ", " ", "95% interval", "80% interval", "50% interval"]


def test_rows_that_rest_on_fewer_forecasts_are_announced(ds):
    late = ds.assign(status=ds["status"].copy())
    late["status"][{"origin": -1, "lead": -1}] = "after the history"
    axes = closed(plot.coverage(score_table(late, by="lead", n_boot=20)))
    assert axes.get_xlabel() == "years ahead (the more, the fewer origins)"
    axes = closed(plot.skill(score_table(late, by="origin", n_boot=20)))
    assert axes.get_xlabel() == "last year known (late ones: only few years ahead)"


def test_a_table_without_a_note_leaves_no_line_below(ds):
    table = score_table(ds, by="lead", n_boot=20)
    table.attrs["note"] = ""
    assert words(closed(plot.skill(table))) == []


def test_skill_leaves_out_the_reference_itself(ds):
    table = score_table(ds, by="origin", n_boot=50)
    axes = closed(plot.skill(table, "drift"))
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["national drift", "naive"]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(ds["origin"].to_numpy())
    assert axes.get_ylabel() == "skill against drift, above 0 better\n(bars: bootstrap, 95%)"
    assert words(axes) == [table.attrs["note"]]
    assert "councils only" in table.attrs["note"]


def test_a_forecaster_has_one_colour_in_all_plots(ds):
    table = score_table(ds, by="lead", n_boot=20)
    held, skill = closed(plot.coverage(table)), closed(plot.skill(table, "naive"))
    assert held.containers[2][0].get_color() == skill.containers[1][0].get_color()  # drift's


def test_a_pit_is_a_bar_for_each_bin(ds):
    table = pit_table(ds, bins=4, n_boot=50)
    axes = closed(plot.pit(table, "drift"))
    assert [bar.get_height() for bar in axes.patches] == table.loc["drift", "share"].tolist()
    assert axes.get_title() == "drift"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["even: honest"]
    (said,) = words(axes)
    assert said.startswith("Last bar: outcomes above the forecast's P75. First bar: below its P25.")


def test_plots_are_drawn_where_asked(ds):
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the backend is chosen

    _, axes = plt.subplots()
    assert closed(plot.pit(pit_table(ds, n_boot=20), "naive", ax=axes)) is axes


def test_other_tables_are_refused(ds):
    table = score_table(ds, n_boot=20)
    for draw in (plot.coverage, plot.skill):
        with pytest.raises(MtfsError, match="or by='origin'"):
            draw(table)
    with pytest.raises(MtfsError, match="no skill against 'best'; it has: drift, naive"):
        plot.skill(score_table(ds, by="lead", n_boot=20), "best")
    with pytest.raises(MtfsError, match=r"from mtfs.verify.pit_table\(\)"):
        plot.pit(table, "naive")
    with pytest.raises(MtfsError, match="no forecaster 'best'; it has: drift, naive, national"):
        plot.pit(pit_table(ds, n_boot=20), "best")
