"""Pictures take data and give Axes."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
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
