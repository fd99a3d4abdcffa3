"""Pictures take data and give Axes."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mtfs
from mtfs import plot

mpl.use("Agg")

BANDS = xr.DataArray(
    np.array([[1.0, 2.0], [3.0, 5.0], [6.0, 9.0]]) * 1e6,
    dims=("quantile", "year"),
    coords={"quantile": [0.1, 0.5, 0.9], "year": ["2026/27", "2027/28"]},
    attrs={"units": "GBP", "long_name": "gap"},
)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_a_fan_shades_each_pair_and_draws_the_median_in_millions():
    axes = plot.fan(BANDS, planned=xr.DataArray([2e6, 3e6], dims="year"))
    assert len(axes.collections) == 1
    median, plan = axes.lines[0], axes.lines[1]
    assert median.get_ydata().tolist() == [3.0, 5.0]
    assert plan.get_ydata().tolist() == [2.0, 3.0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["2026/27", "2027/28"]
    assert axes.get_ylabel() == "gap, GBP m"


def test_a_fan_draws_on_the_axes_it_is_given():
    axes = plt.figure().subplots()
    assert plot.fan(BANDS.transpose("year", "quantile"), ax=axes) is axes


def test_what_is_not_money_keeps_its_units():
    axes = plot.fan((BANDS / 1e6).assign_attrs(units="people", long_name="people"))
    assert axes.lines[0].get_ydata().tolist() == [3.0, 5.0]
    assert axes.get_ylabel() == "people, people"


@pytest.mark.parametrize(
    ("bands", "message"),
    [
        (BANDS.isel(quantile=[0, 1]), "in pairs"),
        (BANDS.isel(quantile=[2, 1, 0]), "rising"),
        (BANDS.isel(year=0), "dimensions quantile and year"),
    ],
)
def test_bands_that_make_no_fan_are_refused(bands, message):
    with pytest.raises(mtfs.MtfsError, match=message):
        plot.fan(bands)


def test_the_accessor_draws_the_gap_with_the_plan():
    plan = {
        "council": "Smallshire",
        "first_year": "2026/27",
        "drivers": [{"name": "p", "central": 0.05, "sd": 0.02, "persistence": 0.5}],
        "lines": [{"kind": "budget", "name": "roads", "base": 20e6, "growth": "p"}],
    }
    ds = mtfs.project_gap(plan, n_draws=200, seed=1)
    axes = ds.mtfs.plot.fan()
    assert axes.get_title() == "Smallshire"
    assert "plan" in [text.get_text() for text in axes.get_legend().get_texts()]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), ds["gap"].median("draw") / 1e6)


SWINGS = pd.DataFrame(
    {"base": 50.0, "low": [40.0, 48.0, 51.0], "high": [62.0, 51.0, 53.0]},
    index=["pay", "cpi", "savings"],
)


def test_a_tornado_draws_bars_round_the_base_from_the_top():
    axes = plot.tornado(SWINGS)
    below, above = axes.containers
    assert [bar.get_width() for bar in below] == [10.0, 2.0, 0.0]
    assert [bar.get_x() for bar in below] == [40.0, 48.0, 50.0]
    assert [bar.get_width() for bar in above] == [12.0, 1.0, 2.0]  # savings: from 51, not the base
    assert [bar.get_x() for bar in above] == [50.0, 50.0, 51.0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["pay", "cpi", "savings"]
    top, bottom = axes.get_ylim()
    assert top > bottom  # the first row is the topmost
    assert [text.get_text() for text in axes.texts] == [
        "-10.0",
        "-2.0",
        "+1.0",
        "+12.0",
        "+1.0",
        "+3.0",
    ]


def test_a_tornado_without_rows_or_columns_is_refused():
    with pytest.raises(mtfs.MtfsError, match="low is missing"):
        plot.tornado(SWINGS.drop(columns="low"))
    with pytest.raises(mtfs.MtfsError, match="at least one row"):
        plot.tornado(SWINGS.iloc[:0])


def test_the_accessor_draws_a_tornado_of_the_year_asked_for():
    plan = {
        "council": "Smallshire",
        "first_year": "2026/27",
        "drivers": [{"name": "p", "central": 0.05, "sd": 0.02, "persistence": 0.5}],
        "lines": [{"kind": "budget", "name": "roads", "base": 20e6, "growth": "p"}],
    }
    ds = mtfs.project_gap(plan, n_draws=200, seed=1)
    axes = ds.mtfs.plot.tornado(year="2027/28", prob=0.5)
    assert axes.get_title() == "Smallshire"
    assert axes.get_xlabel() == "gap 2027/28, GBP m: each alone from P25 to P75, round 22.1"
    (table,) = [ds.mtfs.tornado(year="2027/28", prob=0.5)]
    assert axes.containers[1][0].get_width() == pytest.approx(table["high"].iloc[0] - 22.05)
