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


def test_a_fan_says_which_quantiles_it_shades():
    axes = plot.fan(BANDS.assign_coords(quantile=[0.025, 0.5, 0.975]))
    said = [text.get_text() for text in axes.get_legend().get_texts()]
    assert said == ["2.5% to 97.5%", "median"]


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
    assert [line.get_ydata().tolist() for line in curves] == CURVES.to_numpy().tolist()
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


def goal(bounds=(0.0, 0.05)):
    tax = {"kind": "council_tax", "name": "tax", "base_income": 100e6}
    needs = {"kind": "budget", "name": "needs", "base": 103e6}
    plan = {"council": "Anyshire", "first_year": "2026/27", "horizon": 1, "lines": [needs]}
    saving = {"name": "lean", "levels": 1e6, "delivery": 1.0}
    plan = mtfs.Plan.model_validate(plan | {"funding": [tax], "savings": [saving]})
    target = "E(gap 2026/27) <= 0"
    options = {"n_draws": 2, "seed": 1}
    rise = mtfs.Lever("funding.tax.core_increase", bounds)
    saved = mtfs.Lever("savings.lean.levels", (0.0, 2.0), "scale", label="saving, times planned")
    found = mtfs.goal_seek(plan, lever=rise, target=target, **options)
    table = mtfs.frontier(plan, levers=(rise, saved), target=target, n_points=3, **options)
    return found.curve, table


def test_a_goal_curve_shows_the_target_the_plan_and_the_answer():
    axes = plot.goal_curve(goal()[0])
    curve, target, *_ = axes.lines
    assert curve.get_ydata()[0] == pytest.approx(
        2.0
    )  # GBP m: 103 less a saving of 1 and 100 of tax
    assert set(target.get_ydata()) == {0.0}
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["E(gap 2026/27) <= 0", "the plan", "answer, 0.02"]
    assert axes.get_xlabel() == "funding.tax.core_increase"
    assert axes.get_ylabel() == "E(gap 2026/27), GBP m"
    missed = plot.goal_curve(goal((0.0, 0.01))[0], ax=plt.subplots()[1])
    labels = [text.get_text() for text in missed.get_legend().get_texts()]
    assert labels[-1] == "nearest; not met"


def test_a_frontier_plot_shows_where_the_target_cannot_be_met():
    axes = plot.frontier(goal((0.0, 0.01))[1])
    curve = axes.lines[0].get_ydata()
    assert np.isnan(curve[:2]).all()  # twice the saving and a rise of 0.5% leave 0.5m
    assert curve[2] == pytest.approx(2.0, abs=1e-3)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["E(gap 2026/27) <= 0", "not met, even here", "the plan"]
    assert axes.get_ylabel() == "saving, times planned"


def test_plots_of_goals_want_their_tables():
    for draw in (plot.goal_curve, plot.frontier):
        with pytest.raises(mtfs.MtfsError, match=r"expected a table with .*; found x"):
            draw(pd.DataFrame({"x": [1.0]}))


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


SIDE = xr.DataArray(
    np.array([[[1.0, 2.0], [2.0, 3.0]], [[3.0, 5.0], [4.0, 6.0]], [[6.0, 9.0], [7.0, 9.5]]]) * 1e6,
    dims=("quantile", "scenario", "year"),
    coords={
        "quantile": [0.1, 0.5, 0.9],
        "scenario": ["as planned", "early help"],
        "year": ["2026/27", "2027/28"],
    },
    attrs={"units": "GBP", "long_name": "gap"},
)


def heights(container):
    return [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in container]


def test_intervals_stand_side_by_side_in_millions():
    planned = SIDE.sel(quantile=0.5, drop=True) + 0.5e6
    axes = plot.intervals(SIDE.transpose("year", "scenario", "quantile"), planned=planned)
    first, second = axes.containers
    assert heights(first) == [(1.0, 6.0), (2.0, 9.0)]
    assert heights(second) == [(2.0, 7.0), (3.0, 9.5)]
    assert first[0].get_x() + first[0].get_width() <= second[0].get_x()
    assert axes.lines[1].get_ydata().tolist() == [3.5, 5.5]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "plan",
        "as planned",
        "early help",
    ]
    assert axes.get_ylabel() == "gap, GBP m"


def test_published_figures_are_drawn_across_the_scenarios_of_their_year():
    rows = pd.MultiIndex.from_tuples([("worst", "2027/28"), ("best", "2026/27")])
    table = pd.DataFrame({"published": [8e3, 2.5e3]}, index=rows)
    table.attrs = {"unit": "GBP k"}
    axes = plot.intervals(SIDE, published=table)
    said = {text.get_text(): text.xy for text in axes.texts}
    assert said.keys() == {"worst: 8", "best: 2.5"}
    assert said["worst: 8"][0] > 1 > said["best: 2.5"][0]
    table.index = pd.MultiIndex.from_tuples([("worst", "2030/31"), ("best", "2026/27")])
    with pytest.raises(mtfs.MtfsError, match="published for 2030/31; the bands hold 2026/27"):
        plot.intervals(SIDE, published=table)


@pytest.mark.parametrize(
    ("bands", "message"),
    [
        (SIDE.isel(quantile=[0, 2]), "in pairs round 0.5"),
        (SIDE.isel(quantile=[2, 1, 0]), "rising"),
        (BANDS, "dimensions quantile, scenario and year"),
    ],
)
def test_bands_that_make_no_intervals_are_refused(bands, message):
    with pytest.raises(mtfs.MtfsError, match=message):
        plot.intervals(bands)


def test_a_comparison_is_drawn_as_it_comes():
    plan = {
        "council": "Smallshire",
        "first_year": "2026/27",
        "drivers": [{"name": "p", "central": 0.05, "sd": 0.02, "persistence": 0.5}],
        "lines": [{"kind": "budget", "name": "roads", "base": 20e6, "growth": "p"}],
    }
    ds = mtfs.compare(baseline=plan, cut={"lines.roads.base": 18e6}, n_draws=50, seed=1)
    placed = mtfs.place_published(plan, {"worst case": 25e6}, n_draws=50, seed=1)
    axes = plot.intervals(
        mtfs.quantiles(ds, (0.05, 0.1, 0.5, 0.9, 0.95)),
        planned=ds["planned_gap"],
        published=placed,
    )
    assert len(axes.containers) == 4  # two pairs of two scenarios


STEPS = pd.DataFrame(
    {
        "plan": [0.0, 5.0, -1.0, 4.0],
        "mean": [0.0, 6.0, -2.0, 4.0],
        "P10": [0.0, 2.0, -3.0, 1.0],
        "P90": [0.0, 9.0, -1.0, 8.0],
    },
    index=["base budget", "a step with a long name that has to be read", "savings", "gap"],
)
STEPS.attrs = {"unit": "GBP m", "council": "Anyshire", "year": "2027/28"}


def test_a_waterfall_starts_each_bar_where_the_last_one_ended():
    axes = plot.waterfall(STEPS)
    bars = {round(bar.get_y() + bar.get_height() / 2): bar for bar in axes.patches}
    ends = [(bars[row].get_x(), bars[row].get_width()) for row in range(4)]
    assert ends == [(0, 0), (0, 6), (6, -2), (0, 4)]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == STEPS.index.tolist()
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the base stands on top
    assert axes.get_xlabel() == "GBP m"
    assert axes.get_title(loc="left") == "Anyshire, 2027/28"


def test_a_waterfalls_whiskers_are_each_steps_own_interval():
    axes = plot.waterfall(STEPS)
    (whiskers,) = [c for c in axes.collections if c.get_label() == "P10 to P90"]
    spans = [(path.vertices[0, 0], path.vertices[1, 0]) for path in whiskers.get_paths()]
    assert spans == [(0, 0), (2, 9), (3, 5), (1, 8)]
    (own,) = [each for each in axes.lines if each.get_label() == "plan"]
    assert own.get_xdata().tolist() == [0, 5, 5, 4]


def test_a_waterfall_tells_what_widens_from_what_closes_and_says_how_much():
    axes = plot.waterfall(STEPS, ax=plt.figure().subplots())
    colours = {
        round(bar.get_y() + bar.get_height() / 2): bar.get_facecolor() for bar in axes.patches
    }
    assert len({colours[1], colours[2], colours[3]}) == 3
    assert [text.get_text() for text in axes.texts] == ["0.0", "+6.0", "-2.0", "4.0"]
    low, high = axes.get_xlim()
    assert low < 0
    assert high > 9


def test_a_waterfall_of_no_bridge_says_what_it_needs():
    with pytest.raises(mtfs.MtfsError, match=r"expected a table from mtfs.bridge_table\(\)"):
        plot.waterfall(STEPS.drop(columns="P90"))
    with pytest.raises(mtfs.MtfsError, match="found 1 rows"):
        plot.waterfall(STEPS.iloc[:1])


def test_the_door_draws_a_year_of_a_projection():
    ds = mtfs.project_gap(mtfs.load_example("gateshead_2025"), n_draws=16, seed=1)
    axes = ds.mtfs.plot.waterfall(year="2026/27", by="item", start="plan")
    assert axes.get_yticklabels()[0].get_text() == "plan"
    assert axes.get_title(loc="left").endswith("2026/27")
