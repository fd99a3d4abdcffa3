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


CURVES = xr.DataArray(
    np.array([[0.2, 0.9, 1.0], [0.6, 1.0, 1.0]]),
    dims=("closure", "balance"),
    coords={"closure": ["none", "respond"], "balance": [0.0, 10e6, 20e6]},
)


def test_survival_has_a_line_a_policy_and_a_dot_where_the_level_is_met():
    needed = xr.DataArray([15e6, 8e6], dims="closure", coords={"closure": ["none", "respond"]})
    axes = plot.survival(CURVES, opening=12e6, needed=needed, level=0.95)
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [dot.get_xdata()[0] for dot in dots] == [15, 8]
    assert [dot.get_ydata()[0] for dot in dots] == [0.95, 0.95]
    curves = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert [line.get_ydata().tolist() for line in curves] == CURVES.values.tolist()
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["closure: none, 95% needs 15m", "closure: respond, 95% needs 8m"]


def test_survival_may_be_curves_alone_on_given_axes():
    axes = plt.figure().subplots()
    assert plot.survival(CURVES, ax=axes) is axes
    assert len(axes.lines) == 2


def test_curves_and_dots_that_say_too_little_are_refused():
    with pytest.raises(mtfs.MtfsError, match="dimensions closure and balance"):
        plot.survival(CURVES.isel(closure=0))
    with pytest.raises(mtfs.MtfsError, match="'level'"):
        plot.survival(CURVES, needed=CURVES["closure"])


AWAY = xr.DataArray(
    [0.1, -2.0, 1.0], dims="driver", coords={"driver": ["cpi", "grants", "children"]}
)


def test_deviations_put_the_farthest_driver_on_top_with_its_dot():
    axes = plot.deviations(AWAY, breach=AWAY * 2, most=2)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["children", "grants"]
    assert [bar.get_width() for bar in axes.patches] == [1.0, -2.0]
    assert axes.lines[0].get_xdata().tolist() == [2.0, -4.0]
    given = plt.figure().subplots()
    assert plot.deviations(AWAY, ax=given) is given


def test_deviations_of_several_years_are_refused():
    with pytest.raises(mtfs.MtfsError, match="choose a year, or the span"):
        plot.deviations(AWAY.expand_dims(year=["2026/27"]))
