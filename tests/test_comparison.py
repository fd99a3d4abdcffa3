"""Plans side by side: by hand, on shared draws, and what each wrong call is answered with."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from councils import BUDGET, YEARS, council
from hypothesis import given
from strategies import plans

import mtfs
from mtfs import MtfsError, PlanError, Scenario, Scenarios
from mtfs.comparison import SAME

N = 400
CPI = {"name": "cpi", "central": 0.02, "sd": 0.02, "persistence": 0.5}
PARKS = {"kind": "budget", "name": "parks", "base": 100.0, "growth": "demand"}
DEMAND = {"name": "demand", "central": 0.01, "sd": 0.05, "persistence": 0.5}
GENERAL = {"name": "general", "opening": 5000.0, "general": True, "minimum": 100.0}
SPARE = {"name": "spare", "opening": 300.0}
GRANT = {"kind": "grant", "name": "grant", "amount": 600.0}


def plan(**parts):
    held = {"lines": [BUDGET | {"growth": "cpi"}], "drivers": [CPI], "funding": [GRANT]}
    reserves = {"funds": [GENERAL], "surplus_to": "general", "closure": {"policy": "none"}}
    return council(**held | {"reserves": reserves} | parts)


def compared(**named):
    return mtfs.compare(n_draws=N, seed=3, **named)


def sure(ds):
    """Leave out what tells when and how long."""
    return ds.assign_attrs(created="", seconds=0.0)


# By hand


def test_what_differs_is_worked_out_by_hand():
    flat = council(lines=[BUDGET], funding=[GRANT])
    ds = mtfs.compare(
        baseline=flat,
        cut={"lines.roads.base": 900.0},
        n_draws=3,
        seed=1,
    )
    assert ds["gap"].dims == ("scenario", "draw", "year")
    assert ds["gap"].sel(scenario="cut").to_numpy().tolist() == [[300.0] * 4] * 3
    less = mtfs.differences(ds)
    assert less.sel(scenario="cut").to_numpy().tolist() == [[-100.0] * 4] * 3
    assert less.attrs["units"] == "GBP"
    table = mtfs.comparison_table(ds, unit="GBP")
    row = table.loc["cut"]
    assert (row["plan"], row["mean"], row["difference_plan"]) == (300.0, 300.0, -100.0)
    assert (row["difference_mean"], row["difference_P90"]) == (-100.0, -100.0)
    assert (row["better"], row["same"]) == (1.0, 0.0)
    assert table.attrs == {
        "unit": "GBP", "variable": "gap", "year": YEARS[-1], "against": "baseline",
    }  # fmt: skip


def test_the_table_is_what_the_draws_say():
    ds = compared(baseline=plan(), parks={"lines": [PARKS | {"growth": "cpi"}]})
    table = mtfs.comparison_table(ds, year=YEARS[1], unit="GBP")
    gap = ds["gap"].sel(year=YEARS[1])
    less = (gap.sel(scenario="parks") - gap.sel(scenario="baseline")).to_numpy()
    row = table.loc["parks"]
    assert row["difference_mean"] == pytest.approx(less.mean())
    assert row["difference_mean_se"] == pytest.approx(less.std(ddof=1) / np.sqrt(N))
    assert row["difference_P10"] == pytest.approx(np.quantile(less, 0.1))
    assert row["mean"] == pytest.approx(gap.sel(scenario="parks").mean().item())
    assert row["better"] == (less < -SAME).mean()
    assert table.loc["baseline", ["better", "same", "difference_mean"]].tolist() == [0.0, 1.0, 0.0]
    million = mtfs.comparison_table(ds, year=YEARS[1])
    assert million.loc["parks", "mean"] == pytest.approx(row["mean"] / 1e6)
    assert million.loc["parks", "better"] == row["better"]


def test_draws_that_agree_to_half_a_penny_are_neither_better_nor_worse():
    ds = compared(baseline=plan(), near={"base_gap": 0.004}, far={"base_gap": 0.006})
    table = mtfs.comparison_table(ds)
    assert table.loc["near", ["better", "same"]].tolist() == [0.0, 1.0]
    assert table.loc["far", ["better", "same"]].tolist() == [0.0, 0.0]


def test_more_reserves_and_funding_are_better_and_a_lower_gap_is():
    ds = compared(baseline=plan(), more={"funding.grant.amount": 700.0})
    for variable in ("reserve", "funding", "gap", "gap_after_one_offs", "shortfall"):
        table = mtfs.comparison_table(ds, variable=variable)
        assert table.loc["more", "better"] == 1.0, variable
    back = mtfs.comparison_table(ds, against="more")
    assert back.loc["baseline", "better"] == 0.0
    assert back.loc["more", "same"] == 1.0


def test_a_chance_has_its_standard_error():
    fine = {"kind": "risk", "name": "fine", "probability": 0.3, "impact": 50.0, "year": YEARS[3]}
    ds = compared(baseline=plan(), risk={"lines": [BUDGET | {"growth": "cpi"}, fine]})
    row = mtfs.comparison_table(ds).loc["risk"]
    share = row["same"]
    assert abs(share - 0.7) <= 4 * np.sqrt(0.3 * 0.7 / N)
    assert row["same_se"] == pytest.approx(np.sqrt(share * (1 - share) / N))


# Shared draws


def test_a_plan_differs_from_itself_by_nothing_in_every_draw():
    ds = compared(baseline=plan(), again=plan(), unchanged={}, named=Scenario(name="x"))
    for variable in ("gap", "funding", "reserve", "unfunded"):
        assert (mtfs.differences(ds, variable=variable) == 0).all()


@given(plans())
@pytest.mark.filterwarnings("ignore::mtfs.PlanWarning")
def test_changes_to_the_same_values_make_no_difference(plan):
    same = {"base_gap": plan.base_gap}
    same |= {f"lines.{line.name}": line for line in plan.lines}
    same |= {f"funding.{source.name}": source for source in plan.funding}
    same |= {f"drivers.{driver.name}.rationale": "as before" for driver in plan.drivers}
    ds = mtfs.compare(baseline=plan, same=same, n_draws=16, seed=1)
    found = ds.drop_vars(["plan", "plan_digest"])
    one, two = (found.sel(scenario=name, drop=True) for name in ("baseline", "same"))
    xr.testing.assert_identical(one, two)


def test_a_scenario_that_adds_a_driver_leaves_all_other_draws_alone():
    add = {"drivers": [DEMAND], "lines": [PARKS]}
    ds = compared(baseline=plan(), parks=Scenario(name="parks", add=add))
    less = mtfs.differences(ds).sel(scenario="parks")
    alone = mtfs.project_gap(
        council(lines=[PARKS], drivers=[DEMAND]), n_draws=N, seed=3, keep="totals"
    )
    np.testing.assert_allclose(less, alone["gap"], atol=1e-9)
    assert less.std("draw").min() > 0


def test_each_scenario_is_its_own_projection_whatever_stands_beside_it():
    plans = {"low": plan(base_gap=-50.0), "base": plan(), "high": plan(base_gap=50.0)}
    forth, back = (mtfs.compare(given, n_draws=N, seed=3)
                   for given in (plans, dict(reversed(plans.items()))))  # fmt: skip
    assert (forth.attrs["baseline"], back.attrs["baseline"]) == ("low", "high")
    for name, each in plans.items():
        own = mtfs.project_gap(each, n_draws=N, seed=3, keep="totals")
        for ds in (forth, back):
            taken = mtfs.one_scenario(ds, name)
            xr.testing.assert_identical(taken.drop_attrs(), own.drop_attrs())
            assert mtfs.plan_of(taken) == each
            pd.testing.assert_frame_equal(taken.mtfs.summary(), own.mtfs.summary())


def test_a_projection_as_the_baseline_gives_its_plan_its_draws_and_its_seed():
    ds = mtfs.project_gap(plan(), n_draws=50, seed=9)
    found = mtfs.compare(baseline=ds, other=mtfs.project_gap(plan(base_gap=1.0), n_draws=3, seed=4))
    assert (found.attrs["seed"], found.attrs["n_draws"]) == (9, 50)
    np.testing.assert_array_equal(found["gap"].sel(scenario="baseline"), ds["gap"])
    np.testing.assert_allclose(mtfs.differences(found).sel(scenario="other"), 1.0)
    given = mtfs.project(plan(), mtfs.scores_of(plan(), n_draws=5, seed=1))
    with pytest.raises(MtfsError, match="made from given scores, which it does not hold"):
        mtfs.compare(baseline=given, other={})


def test_sharing_the_draws_narrows_the_difference_a_hundredfold():
    # a 2% cut of one price in the plan of Nottinghamshire: 0.66 million against 77
    base = mtfs.load_example("nottinghamshire_2024")
    price = "lines.children's residential care.weekly_cost"
    cut = {price: 0.98 * base.lines[0].weekly_cost}
    ds = mtfs.compare(baseline=base, cut=cut, n_draws=2000, seed=1)
    paired = mtfs.differences(ds).sel(scenario="cut").isel(year=-1)
    other = mtfs.project_gap(base.with_changes(cut), n_draws=2000, seed=2, keep="totals")["gap"]
    apart = other.isel(year=-1) - ds["gap"].sel(scenario="baseline").isel(year=-1)
    assert paired.std() * 30 < apart.std()
    assert abs(apart.mean() - paired.mean()) < 4 * apart.std() / np.sqrt(2000)


# Funds


def test_a_fund_that_a_scenario_lacks_holds_nothing_and_says_so():
    with_spare = plan().with_changes({"reserves.funds": [SPARE, GENERAL]})
    bare = plan().with_changes({"reserves.funds": [], "reserves.surplus_to": None})
    ds = compared(baseline=plan(), spare=with_spare, bare=bare)
    assert ds["fund"].to_numpy().tolist() == ["general", "spare"]
    assert ds["held"].to_numpy().tolist() == [[True, False], [True, True], [False, False]]
    assert ds["general"].to_numpy().tolist() == [[True, False], [True, False], [False, False]]
    assert (ds["reserve"].where(~ds["held"], 0.0) == 0).all()
    own = mtfs.project_gap(with_spare, n_draws=N, seed=3, keep="totals")
    np.testing.assert_array_equal(
        ds["reserve"].sel(scenario="spare"), own["reserve"].sel(fund=["general", "spare"])
    )
    assert ds["reserve_minimum"].sel(fund="general").to_numpy().tolist() == [
        [100.0] * 4, [100.0] * 4, [0.0] * 4,
    ]  # fmt: skip
    taken = mtfs.one_scenario(ds, "bare")
    own = mtfs.project_gap(bare, n_draws=N, seed=3, keep="totals")
    xr.testing.assert_identical(taken.drop_attrs(), own.drop_attrs())
    assert mtfs.one_scenario(ds, "baseline")["fund"].to_numpy().tolist() == ["general"]


def test_reserves_are_compared_as_a_whole_or_fund_by_fund():
    ds = compared(baseline=plan(), spare={"reserves.funds": [GENERAL, SPARE]})
    whole = mtfs.differences(ds, variable="reserve").sel(scenario="spare").isel(year=0)
    one = mtfs.differences(ds.sel(fund="spare"), variable="reserve").sel(scenario="spare")
    assert whole.dims == ("draw",)
    np.testing.assert_allclose(whole, one.isel(year=0), atol=1e-9)


def test_plans_without_reserves_are_compared_without_them():
    ds = mtfs.compare(baseline=council(lines=[BUDGET]), other={"base_gap": 1.0}, n_draws=2, seed=1)
    assert "fund" not in ds.dims
    assert "reserve" not in ds
    assert mtfs.one_scenario(ds, "other")["gap"].dims == ("draw", "year")


# Files, measures and NetCDF


def test_scenarios_of_a_file_are_compared_under_their_names():
    held = Scenarios(scenarios=[{"name": "a b", "changes": {"base_gap": 7.0}}])
    ds = mtfs.compare(held, baseline=plan(), more={"base_gap": 9.0}, n_draws=4, seed=1)
    assert ds["scenario"].to_numpy().tolist() == ["baseline", "a b", "more"]
    np.testing.assert_allclose(mtfs.differences(ds).sel(scenario="a b"), 7.0)
    again = mtfs.compare(held.scenarios, baseline=plan(), n_draws=4, seed=1)
    np.testing.assert_array_equal(again["gap"], ds["gap"].isel(scenario=slice(2)))


def test_quantiles_and_chances_are_given_by_scenario():
    ds = compared(baseline=plan(), worse={"base_gap": 40.0})
    found = mtfs.quantiles(ds, [0.5])
    assert found.dims == ("quantile", "scenario", "year")
    chance = ds.mtfs.probability("gap", above=440.0)
    for name in ("baseline", "worse"):
        own = mtfs.one_scenario(ds, name)
        np.testing.assert_array_equal(found.sel(scenario=name), mtfs.quantiles(own, [0.5]))
        np.testing.assert_array_equal(chance.sel(scenario=name), mtfs.probability(own, above=440.0))
    for refused in (mtfs.summary, mtfs.reserve_risk):
        with pytest.raises(MtfsError):
            refused(ds)
    with pytest.raises(MtfsError, match=r"several plans.*mtfs\.one_scenario"):
        mtfs.plan_of(ds)


def test_a_comparison_survives_netcdf(tmp_path):
    ds = compared(baseline=plan(), worse={"base_gap": 40.0})
    ds.to_netcdf(tmp_path / "c.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "c.nc", engine="h5netcdf") as found:
        xr.testing.assert_equal(found.load(), ds)
        assert mtfs.plan_of(mtfs.one_scenario(found, "worse")).base_gap == 40.0


# What is wrong


def longer(**change):
    return plan().model_dump(exclude_none=True) | change


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({}, "nothing to compare"),
        ({"a": {"base_gap": 1.0}}, "the baseline, 'a', is not a plan"),
        ({"baseline": Scenario(name="x"), "a": plan()}, "the baseline, 'baseline', is not a plan"),
        ({"a": plan(), "b": longer(horizon=3)},
         "'a' and 'b' differ in years: 2026/27 to 2029/30 and 2026/27 to 2028/29"),
        ({"a": plan(), "b": longer(council="Otherton")},
         "'a' and 'b' differ in council: Anyshire and Otherton"),
        ({"a": plan(), "b": {"price_base": "2025/26"}}, "differ in price base"),
        ({"a": plan(), "b": 3.0}, "'b' is a float; expected a plan, a scenario, or changes"),
        ({"a": plan(), "n_draws": 0}, "n_draws is 0"),
    ],
    ids=range(8),
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(named, says):
    with pytest.raises(MtfsError, match=says):
        mtfs.compare(**named)


def test_every_problem_of_every_scenario_is_listed():
    with pytest.raises(PlanError, match="what is compared has 2 problems") as caught:
        compared(baseline=plan(), one={"lines.rods.base": 1.0}, two={"base_gp": 1.0})
    text = str(caught.value)
    assert "scenario 'one', changes: 'lines.rods.base'" in text
    assert "Did you mean 'base_gap'" in text


def test_what_is_given_by_position_is_checked():
    held = Scenarios(scenarios=[{"name": "a"}], levers=[{"name": "b", "remove": ["lines.x"]}])
    with pytest.raises(PlanError, match=r"scenario 'b', remove: 'lines\.x' does not exist"):
        mtfs.compare(held, baseline=plan())
    with pytest.raises(MtfsError, match=r"no scenarios: mtfs\.compare_grid takes them"):
        mtfs.compare(Scenarios(levers=[{"name": "b"}]), baseline=plan())
    with pytest.raises(MtfsError, match="a is given twice"):
        mtfs.compare({"a": {}}, a={}, baseline=plan())
    with pytest.raises(MtfsError, match="found a plan without a name"):
        mtfs.compare(plan())
    with pytest.raises(MtfsError, match=r"found 2 by position; .* compare\(baseline=plan, other"):
        mtfs.compare(plan(), {"a": {}})
    with pytest.raises(MtfsError, match="found a scenario without a name"):
        mtfs.compare(Scenario(name="x"), baseline=plan())
    with pytest.raises(MtfsError, match="found a int; expected scenarios"):
        mtfs.compare(3, baseline=plan())
    with pytest.raises(MtfsError, match="x: two scenarios of one name"):
        mtfs.compare([Scenario(name="x")] * 2, baseline=plan())


def test_what_is_asked_of_a_comparison_is_checked():
    ds = compared(baseline=plan(), early_help={})
    with pytest.raises(MtfsError, match="Did you mean 'early_help'"):
        mtfs.one_scenario(ds, "early help")
    with pytest.raises(MtfsError, match="no scenario is called 'x'"):
        mtfs.differences(ds, against="x")
    with pytest.raises(MtfsError, match=r"expected a Dataset from mtfs\.compare"):
        mtfs.comparison_table(mtfs.project_gap(plan(), n_draws=1))
    with pytest.raises(MtfsError, match=r"expected a Dataset from mtfs\.compare"):
        mtfs.differences("gap")
    with pytest.raises(MtfsError, match=r"holds no gpa\. Did you mean 'gap'"):
        mtfs.differences(ds, variable="gpa")
    with pytest.raises(MtfsError, match="'planned_gap' has no draws"):
        mtfs.differences(ds, variable="planned_gap")
    with pytest.raises(MtfsError, match="'2030/31' is not a year of the plan"):
        mtfs.comparison_table(ds, year="2030/31")


# Grids

CUT = {"lines.roads.base": 950.0}
SCALED = Scenario(name="indexed", changes={"lines.roads.growth": 0.0})
STATES = {"as planned": {}, "dear": {"drivers.cpi.central": 0.08}}


def grid(**options):
    levers = {"nothing": {}, "cut": CUT, "freeze": SCALED}
    return mtfs.compare_grid(plan(), levers=levers, states=STATES, n_draws=N, seed=3, **options)


def test_every_lever_meets_every_state_on_the_same_draws():
    ds = grid()
    assert ds["gap"].dims == ("lever", "state", "draw", "year")
    assert dict(ds.sizes) == {"lever": 3, "state": 2, "draw": N, "year": 4, "fund": 1}
    both = plan().with_changes(CUT | STATES["dear"])
    own = mtfs.project_gap(both, n_draws=N, seed=3, keep="totals")
    np.testing.assert_array_equal(ds["gap"].sel(lever="cut", state="dear"), own["gap"])
    assert mtfs.Plan.model_validate_json(
        ds["plan"].sel(lever="cut", state="dear").item()
    ) == both  # fmt: skip


def test_regret_and_the_best_lever_are_what_a_slow_loop_finds():
    ds = grid()
    table = mtfs.grid_table(ds, unit="GBP")
    gap = ds["gap"].isel(year=-1)
    for state in ("as planned", "dear"):
        here = {
            name: gap.sel(lever=name, state=state).to_numpy() for name in ds["lever"].to_numpy()
        }
        best = min(here, key=lambda name: here[name].mean())
        least = np.min(list(here.values()), axis=0)
        for name, draws in here.items():
            row = table.loc[(state, name)]
            apart = draws - here[best]
            assert row["regret"] == pytest.approx(apart.mean(), abs=1e-9)
            assert row["regret_se"] == pytest.approx(apart.std(ddof=1) / np.sqrt(N), abs=1e-9)
            assert row["best"] == (draws <= least + SAME).mean()
            assert row["mean"] == pytest.approx(draws.mean())
    assert (table["regret"] >= 0).all()
    worst = table["regret"].groupby("lever").max()
    assert worst["freeze"] == 0
    assert table.loc[("dear", "nothing"), "regret"] > table.loc[("as planned", "nothing"), "regret"]


def test_of_funding_the_lever_that_brings_most_has_no_regret():
    levers = {"less": {"funding.grant.amount": 500.0}, "as it is": {}}
    ds = mtfs.compare_grid(plan(), levers=levers, states={"one": {}}, n_draws=2, seed=1)
    table = mtfs.grid_table(ds, variable="funding", unit="GBP")
    assert table["regret"].tolist() == [100.0, 0.0]
    assert table["best"].tolist() == [0.0, 1.0]


def test_names_may_hold_commas_and_still_be_told_apart():
    levers, states = {"a": {}, "a, b": CUT}, {"b, c": STATES["dear"], "c": {}}
    ds = mtfs.compare_grid(plan(), levers=levers, states=states, n_draws=3, seed=1)
    for lever, state in (("a", "b, c"), ("a, b", "c")):
        both = plan().with_changes(levers[lever] | states[state])
        own = mtfs.project_gap(both, n_draws=3, seed=1, keep="totals")
        np.testing.assert_array_equal(ds["gap"].sel(lever=lever, state=state), own["gap"])


def test_levers_that_tie_are_all_best():
    ds = mtfs.compare_grid(plan(), levers={"a": {}, "b": {}}, states=STATES, n_draws=5, seed=1)
    table = mtfs.grid_table(ds)
    assert (table["best"] == 1).all()
    assert (table["regret"] == 0).all()
    reserves = mtfs.grid_table(grid(), variable="reserve")
    assert reserves.loc[("dear", "freeze"), "regret"] == 0
    assert (reserves["regret"] >= 0).all()


def test_a_grid_of_a_file_is_one_of_its_levers_and_states():
    held = Scenarios(
        levers=[{"name": "nothing"}, {"name": "cut", "changes": CUT}],
        states=[{"name": name, "changes": changes} for name, changes in STATES.items()],
    )
    ds = mtfs.compare_grid(plan(), held, n_draws=N, seed=3)
    xr.testing.assert_identical(ds["gap"], grid()["gap"].sel(lever=["nothing", "cut"]))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"levers": {"a": {"drivers.cpi": CPI}}, "states": STATES},
         r"'a' and scenario 'dear' both change 'drivers.cpi' and 'drivers.cpi.central'"),
        ({"levers": {"a": {}}}, "there are no states"),
        ({"levers": {"a": plan()}, "states": STATES}, "'a' is a plan; levers are changes"),
        ({"levers": {"a": {"base_gp": 1.0}}, "states": STATES}, "Did you mean 'base_gap'"),
        ({"levers": {"a": {"horizon": 3}}, "states": {"b": {}}}, "differ in years"),
        (
            {"levers": Scenarios(levers=[{"name": "a"}]), "states": STATES},
            r"a file's levers are taken together: compare_grid\(plan, scenarios\)",
        ),
        ({"scenarios": Scenarios(levers=[{"name": "a"}]), "levers": {}}, "not both"),
        ({"scenarios": Scenarios(levers=[{"name": "a"}])}, "there are no states"),
        ({"scenarios": Scenarios(council="B", levers=[{"name": "a"}])}, "are of 'B'"),
        ({"scenarios": [Scenario(name="a")]}, r"found a list; expected what mtfs\.load_scenarios"),
        ({"scenarios": {"a": {}}}, "found a dict; .* or give 'levers' and 'states'"),
    ],
    ids=range(11),
)  # fmt: skip
def test_a_grid_that_cannot_be_is_refused(options, says):
    with pytest.raises(MtfsError, match=says):
        mtfs.compare_grid(plan(), **options)


def test_what_is_asked_of_a_grid_is_checked():
    with pytest.raises(MtfsError, match="expected a plan or a projection"):
        mtfs.compare_grid({"base_gap": 1.0}, levers={"a": {}}, states={"b": {}})
    with pytest.raises(MtfsError, match=r"expected a Dataset from mtfs\.compare_grid"):
        mtfs.grid_table(compared(baseline=plan()))
    with pytest.raises(MtfsError, match=r"expected a Dataset from mtfs\.compare\("):
        mtfs.differences(grid())


def test_every_problem_of_levers_and_states_is_listed():
    wrong = {"a": {"base_gp": 1.0}}
    with pytest.raises(PlanError, match="what is compared has 2 problems"):
        mtfs.compare_grid(plan(), levers=wrong, states=wrong)


def test_one_draw_has_no_standard_error():
    ds = mtfs.compare_grid(plan(), levers={"a": {}}, states={"b": {}}, n_draws=1, seed=1)
    assert np.isnan(mtfs.grid_table(ds)["regret_se"]).all()


def test_the_scenarios_that_ship_make_a_grid():
    ds = mtfs.compare_grid(
        mtfs.load_example("nottinghamshire_2024"),
        mtfs.load_example_scenarios("nottinghamshire_2024"),
        n_draws=500,
        seed=1,
    )
    regret = mtfs.grid_table(ds)["regret"]
    # money for early help keeps more away where homes are dearer
    left_out = regret.xs("greatest rise of council tax", level="lever")
    assert left_out["dearer homes for children"] > left_out["settlement as planned"] > 0
