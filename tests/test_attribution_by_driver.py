"""Who moved the gap, driver by driver."""

import itertools

import numpy as np
import pytest
import xarray as xr
from councils import council
from hypothesis import given
from hypothesis import strategies as st
from strategies import plans

import mtfs
from mtfs import bridge
from mtfs.attribution_by_driver import BY_CHANCE, FIXED, driver_bridge, driver_reach
from mtfs.standing import unmoved

STAGES = st.sampled_from(["gap_before_savings", "gap", "gap_after_one_offs"])
STARTS = st.sampled_from(["base", "plan"])
PEOPLE, COSTS, SAVINGS, FUNDING = BY_CHANCE.values()

CPI = {"name": "cpi", "central": 0.02, "sd": 0.01, "persistence": 0.5, "previous": [0.04]}
VOLUME = {"name": "volume", "central": 0.05, "sd": 0.02, "persistence": 0.0}
WASTE = {"kind": "contract", "name": "waste", "base": 100.0, "growth": "cpi"}


def scale_of(ds):
    return max(1.0, *(float(abs(ds[name]).max()) for name in ("start", "end")))


def step(ds, name, variable="planned_contribution"):
    return ds[variable].sel(step=name).values.tolist()


# By hand


def test_two_drivers_of_a_product_each_bear_half_of_what_they_do_together():
    plan = council(drivers=[CPI, VOLUME], lines=[WASTE | {"volume_growth": "volume"}])
    ds = driver_bridge(plan, n_draws=2, seed=1)
    # alone 2% and 5% of 100, together 7.1
    assert step(ds, "cpi")[0] == pytest.approx(2 + 0.05)
    assert step(ds, "volume")[0] == pytest.approx(5 + 0.05)
    assert step(ds, FIXED) == [0, 0, 0, 0]
    assert ds["planned_start"].values == pytest.approx(100)
    assert ds["planned_end"].values[0] == pytest.approx(107.1)


def test_in_a_draw_each_bears_what_its_own_path_did():
    plan = council(drivers=[CPI, VOLUME], lines=[WASTE | {"volume_growth": "volume"}])
    ds = driver_bridge(plan, n_draws=3, seed=1)
    path = mtfs.project_gap(plan, n_draws=3, seed=1)["path"].isel(year=0)
    cpi, volume = path.sel(driver="cpi"), path.sel(driver="volume")
    found = ds["contribution"].isel(year=0)
    assert found.sel(step="cpi").values == pytest.approx((100 * cpi * (1 + volume / 2)).values)
    assert found.sel(step="volume").values == pytest.approx((100 * volume * (1 + cpi / 2)).values)


def test_inflation_reaches_pay_contracts_grants_and_through_a_mix_care_fees():
    fees = {"name": "fees", "mix": [{"driver": "cpi", "weight": 0.5, "lag": 1}], "central": 0.01}
    award = {"name": "award", "mix": [{"driver": "cpi", "weight": 1.0}]}
    plan = council(
        drivers=[CPI, fees, award],
        lines=[
            WASTE,
            {"kind": "contract", "name": "care fees", "base": 200.0, "growth": "fees"},
            {"kind": "pay", "name": "staff", "pay": 300.0, "award": "award"},
        ],
        funding=[{"kind": "grant", "name": "RSG", "amount": 50.0, "growth": "cpi"}],
    )
    ds = driver_bridge(plan, n_draws=2, seed=1)
    assert ds["step"].values.tolist() == [FIXED, "cpi", "fees"]  # the award is cpi alone
    # care fees follow half of last year's 4%, between 0 and 1% of their own
    assert step(ds, "cpi")[0] == pytest.approx(2 + 200 * 0.02 + 300 * 0.02 - 50 * 0.02)
    assert step(ds, "fees")[0] == pytest.approx(200 * 0.01)

    certain = plan.with_changes(
        {"drivers.cpi": {"name": "cpi", "central": 0.02} | {"previous": [0.04]}}
    )
    reach = driver_reach(certain, n_draws=2, seed=1)["contribution"].sel(step="cpi")
    assert reach.isel(year=0).values == pytest.approx([2, 4, 6, -1])
    assert reach["item_kind"].values.tolist() == ["line", "line", "line", "funding"]


def test_the_known_past_of_a_mix_that_another_reads_late_is_its_own():
    award = {"name": "award", "mix": [{"driver": "cpi", "weight": 1.0}], "previous": [0.06]}
    fees = {"name": "fees", "mix": [{"driver": "award", "weight": 0.5, "lag": 1}]}
    line = {"kind": "contract", "name": "care fees", "base": 200.0, "growth": "fees"}
    ds = driver_bridge(council(drivers=[CPI, award, fees], lines=[line]), n_draws=2, seed=1)
    assert ds["step"].values.tolist() == [FIXED, "cpi", "award"]
    assert step(ds, "award")[0] == pytest.approx(200 * 0.5 * 0.06)
    assert step(ds, "cpi")[:2] == pytest.approx([0, 200 * 0.5 * 0.02 * (1 + 0.03 / 2)])


def test_a_tax_base_that_was_budgeted_is_its_drivers_where_there_is_a_collection_fund():
    tax = {"kind": "council_tax", "name": "tax", "base_income": 100.0} | {
        "tax_base_growth": "homes",
        "collection_fund": {"lag": 1},
    }
    homes = {"name": "homes", "central": 0.01, "sd": 0.002, "persistence": 0.5}
    plan = council(drivers=[homes], funding=[tax])
    ds = driver_bridge(plan, n_draws=4, seed=1)
    first = ds["contribution"].isel(year=0)
    actual = -100 * mtfs.project_gap(plan, n_draws=4, seed=1)["path"].isel(year=0, driver=0)
    # what comes before collection is known, then what is budgeted once it is: the mean of both
    assert first.sel(step="homes").values == pytest.approx(((actual - 1) / 2).values)
    assert first.sel(step=FUNDING).values == pytest.approx(((-1 - actual) / 2).values)
    assert step(ds, "homes")[0] == pytest.approx(-1.0)


def test_growth_that_was_budgeted_and_does_not_come_is_shared_with_collection():
    tax = {"kind": "council_tax", "name": "tax", "base_income": 100.0} | {
        "tax_base_growth": "homes",
        "collection_fund": {"lag": 1},
    }
    homes = {"name": "homes", "central": 0.0, "planned": 0.01}
    ds = driver_bridge(council(drivers=[homes], funding=[tax]), n_draws=1, seed=1)
    first = ds["contribution"].isel(draw=0, year=0)
    assert first.sel(step="homes") == pytest.approx(-0.5)
    assert first.sel(step=FUNDING) == pytest.approx(-0.5)


def test_a_multiple_stands_at_one_and_a_share_at_its_first_planned_value():
    drivers = [
        {"name": "realised", "central": 1.5},
        {"name": "vacancies", "central": [0.10, 0.20, 0.30, 0.40]},
    ]
    lines = [
        {
            "kind": "change",
            "name": "growth",
            "cause": "demography",
            "levels": 10.0,
            "multiplier": "realised",
        },
        {"kind": "pay", "name": "staff", "pay": 100.0, "vacancies": "vacancies"},
    ]
    plan = council(drivers=drivers, lines=lines)
    assert unmoved(plan) == {"realised": "once", "vacancies": "first"}
    ds = driver_bridge(plan, n_draws=1, seed=1)
    assert ds["planned_start"].values == pytest.approx(90)
    assert step(ds, FIXED) == pytest.approx([10] * 4)
    assert ds["contribution"].sel(step=FIXED, draw=0).values == pytest.approx(10)
    assert step(ds, "realised") == pytest.approx([5] * 4)
    assert step(ds, "vacancies") == pytest.approx([0, -10, -20, -30])


def test_one_driver_of_many_uses_stands_as_the_share_among_them_needs():
    plan = council(
        drivers=[{"name": "rate", "central": 0.04}],
        lines=[WASTE | {"growth": "rate"}, {"kind": "balances", "name": "income", "rate": "rate"}],
    )
    assert unmoved(plan) == {"rate": "first"}


def test_a_mix_stands_where_its_own_use_asks_whatever_else_its_parts_do():
    # borrowing follows cpi, which as a growth stands at 0 and as a part of a rate at 2%
    rate = {"name": "rate", "mix": [{"driver": "cpi", "weight": 1.0}], "central": 0.03}
    cpi = {"name": "cpi", "central": [0.02, 0.03, 0.02, 0.02]}
    capital = {"kind": "capital", "name": "debt", "programme": 0.0, "rate": "rate"}
    lines = [WASTE, capital, {"kind": "balances", "name": "income", "rate": "rate", "cash": 1000.0}]
    ds = driver_bridge(council(drivers=[cpi, rate], lines=lines), n_draws=1, seed=1)
    assert step(ds, FIXED)[1] == pytest.approx(-1000 * 0.05)  # interest at the first year's rate
    assert step(ds, "cpi")[:2] == pytest.approx([2, 100 * (1.02 * 1.03 - 1) - 1000 * 0.01])
    assert step(ds, "rate") == [0, 0, 0, 0]


def test_what_happens_by_chance_has_rows_of_its_own():
    plan = council(
        lines=[
            {"kind": "contract", "name": "waste", "base": 100.0},
            {"kind": "risk", "name": "flood", "probability": 1.0, "impact": 8.0, "year": "2027/28"},
            {"kind": "contingency", "name": "held", "amount": 5.0, "covers": ["waste"]},
        ],
        savings=[{"name": "reviews", "levels": 10.0, "delivery": 0.5, "slipped": 0.0}],
        funding=[
            {"kind": "grant", "name": "winter", "amount": 4.0, "ends": "2026/27", "continues": 1.0},
            {
                "kind": "grant",
                "name": "summer",
                "amount": 3.0,
                "ends": "2026/27",
                "continues": 1.0,
                "side": "requirement",
            },
        ],
    )
    for start in ("base", "plan"):
        ds = driver_bridge(plan, n_draws=1, seed=1, start=start)
        drawn = ds["contribution"].isel(draw=0)
        assert drawn.sel(step=COSTS).values == pytest.approx([-5, 3, 3, 3])
        assert drawn.sel(step=SAVINGS).values == pytest.approx([5] * 4)
        assert drawn.sel(step=FUNDING).values == pytest.approx([0, -7, -7, -7])
        assert not ds["planned_contribution"].sel(step=[COSTS, SAVINGS, FUNDING]).any()


def test_a_plan_without_chance_has_no_rows_of_it():
    ds = driver_bridge(council(drivers=[CPI], lines=[WASTE]), n_draws=2, seed=1, start="plan")
    assert ds["step"].values.tolist() == ["cpi"]
    assert ds["item_kind"].values.tolist() == ["driver"]


# Invariants


@given(plans(), STARTS, STAGES)
def test_steps_sum_to_the_gap_of_every_draw_and_year(plan, start, variable):
    ds = driver_bridge(plan, start=start, variable=variable, n_draws=8, seed=3)
    whole = mtfs.project_gap(plan, n_draws=8, seed=3)
    scale = max(scale_of(ds), float(abs(whole["requirement"]).max()))
    with xr.set_options(arithmetic_join="exact"):
        for prefix in ("", "planned_"):
            sums = ds[f"{prefix}start"] + ds[f"{prefix}contribution"].sum("step")
            assert float(abs(sums - ds[f"{prefix}end"]).max()) <= 1e-9 * scale
            assert (
                float(abs(ds[f"{prefix}end"] - whole[f"{prefix}{variable}"]).max()) <= 1e-9 * scale
            )
    if start == "plan":
        planned = whole[f"planned_{variable}"]
        assert float(abs(ds["start"] - planned).max()) <= 1e-9 * scale


@given(plans(), STARTS, STAGES, st.sampled_from(["cumulative", "annual"]))
def test_both_views_lead_from_the_same_start_to_the_same_end(plan, start, variable, convention):
    how = {"start": start, "variable": variable, "convention": convention}
    by_driver = driver_bridge(plan, n_draws=4, seed=3, **how)
    by_component = bridge(plan, n_draws=4, seed=3, **how)
    requirement = mtfs.project_gap(plan, n_draws=4, seed=3)["requirement"]
    scale = max(scale_of(by_driver), float(abs(requirement).max()))
    said = ("view", "split", "title")
    for name in by_driver.attrs.keys() - set(said):
        assert by_driver.attrs[name] == by_component.attrs[name]
    for name in ("start", "end", "planned_start", "planned_end"):
        assert float(abs(by_driver[name] - by_component[name]).max()) <= 1e-9 * scale
    for name in ("contribution", "planned_contribution"):
        ends = by_driver[name].sum("step") - by_component[name].sum("step")
        assert float(abs(ends).max()) <= 1e-9 * scale


@given(plans(), STARTS)
def test_a_driver_that_nothing_reads_moves_nothing_at_all(plan, start):
    idle = {"name": "idle", "central": 0.5, "sd": 0.2, "persistence": 0.5}
    plan = mtfs.Plan.model_validate(
        plan.model_dump(exclude_none=True)
        | {"drivers": [idle, *(driver.model_dump(exclude_none=True) for driver in plan.drivers)]}
    )
    for groups in (None, {"idlers": ["idle"]}):
        ds = driver_bridge(plan, start=start, n_draws=4, seed=3, groups=groups)
        name = "idle" if groups is None else "idlers"
        assert (ds["contribution"].sel(step=name) == 0).all()
        assert (ds["planned_contribution"].sel(step=name) == 0).all()


@given(plans(certain=True))
def test_a_plan_without_chance_is_its_own_table(plan):
    ds = driver_bridge(plan, start="plan", n_draws=2, seed=3)
    drivers = ds["contribution"].isel(step=np.flatnonzero(ds["item_kind"] == "driver"))
    assert (drivers == 0).all()


def test_where_effects_only_add_up_the_order_does_not_matter():
    lines = [WASTE, {"kind": "contract", "name": "roads", "base": 50.0, "growth": "volume"}]
    plan = council(drivers=[CPI, VOLUME], lines=lines)
    back = council(drivers=[VOLUME, CPI], lines=lines)
    one, other = (driver_bridge(each, n_draws=4, seed=1) for each in (plan, back))
    every = driver_bridge(plan, n_draws=4, seed=1, groups="each")
    xr.testing.assert_allclose(one["contribution"], other["contribution"].sel(step=one["step"]))
    xr.testing.assert_allclose(one["contribution"], every["contribution"])


# Oracle


def test_shapley_values_of_drivers_are_means_over_all_orders_of_whole_projections():
    """A driver that has not moved is one that is certain of its plan."""
    wages = {"name": "wages", "central": 0.04, "planned": 0.03, "sd": 0.02, "persistence": 1.0}
    mixed = [{"driver": "cpi", "weight": 0.4, "lag": 1}, {"driver": "wages", "weight": 0.6}]
    fees = {"name": "fees", "mix": mixed, "sd": 0.01, "persistence": 0.0}
    care = {"kind": "care", "name": "homes", "people": 50, "people_growth": "volume"}
    plan = council(
        drivers=[CPI, VOLUME, wages, fees],
        lines=[WASTE, care | {"weekly_cost": 900.0, "price_growth": "fees", "mix_growth": "cpi"}],
    )
    names = ["cpi", "volume", "wages", "fees"]
    certain = {
        "cpi": {"name": "cpi", "central": 0.02, "previous": [0.04]},
        "volume": {"name": "volume", "central": 0.05},
        "wages": {"name": "wages", "central": 0.03},
        "fees": {"name": "fees", "mix": mixed},
    }

    def gap(moved):
        still = {f"drivers.{n}": certain[n] for n in names if n not in moved}
        return mtfs.project_gap(plan.with_changes(still), n_draws=6, seed=5)["gap"]

    wanted = dict.fromkeys(names, 0.0)
    orders = list(itertools.permutations(names))
    for order in orders:
        for place, name in enumerate(order):
            wanted[name] += (gap(order[: place + 1]) - gap(order[:place])) / len(orders)
    ds = driver_bridge(plan, start="plan", groups="each", n_draws=6, seed=5)
    for name in names:
        found = ds["contribution"].sel(step=name).values
        assert float(abs(found - wanted[name].values).max()) < 1e-6


# Groups


def test_groups_move_together_and_the_rest_as_one():
    plan = mtfs.load_example("leicestershire_2023")
    people = [name for name in (d.name for d in plan.drivers) if name.endswith("growth")]
    groups = {"prices": ["cpi", "national living wage", "pay award"], "people": people}
    ds = driver_bridge(plan, groups=groups, n_draws=8, seed=1)
    steps = [FIXED, "prices", "people", "other drivers", COSTS, SAVINGS]
    assert ds["step"].values.tolist() == steps
    sums = ds["start"] + ds["contribution"].sum("step")
    assert float(abs(sums - ds["end"]).max()) <= 1e-9 * scale_of(ds)


def test_chance_can_be_put_into_a_group():
    plan = council(
        drivers=[CPI], lines=[WASTE], savings=[{"name": "reviews", "levels": 1.0, "rag": "red"}]
    )
    ds = driver_bridge(plan, groups={"luck": [SAVINGS]}, n_draws=2, seed=1)
    kinds = dict(zip(ds["step"].values.tolist(), ds["item_kind"].values.tolist(), strict=True))
    assert kinds == {FIXED: "fixed", "luck": "chance", "other drivers": "driver"}
    named = driver_bridge(plan, groups={"prices": ["cpi"]}, n_draws=2, seed=1)
    assert named["step"].values.tolist() == [FIXED, "prices", SAVINGS]


# Reach


@given(plans(), STARTS, STAGES)
def test_what_falls_on_items_sums_to_what_drivers_contribute(plan, start, variable):
    how = {"start": start, "variable": variable, "n_draws": 4, "seed": 3}
    reach, ds = driver_reach(plan, **how), driver_bridge(plan, **how)
    mean = ds["contribution"].mean("draw").sel(step=reach["step"])
    scale = max(
        scale_of(ds), float(abs(mtfs.project_gap(plan, n_draws=4, seed=3)["requirement"]).max())
    )
    assert float(abs(reach["contribution"].sum("item") - mean).max()) <= 1e-9 * scale


def test_the_standard_error_of_reach_is_that_of_the_mean():
    plan = council(drivers=[CPI], lines=[WASTE])
    reach = driver_reach(plan, n_draws=400, seed=1)
    drawn = driver_bridge(plan, n_draws=400, seed=1)["contribution"].sel(step="cpi")
    wanted = drawn.std("draw", ddof=1) / 20
    assert reach["standard_error"].sel(step="cpi", item="waste").values == pytest.approx(
        wanted.values
    )


def test_the_reach_of_a_part_of_a_projection_is_that_of_its_draws():
    plan = council(drivers=[CPI], lines=[WASTE])
    ds = mtfs.project_gap(plan, n_draws=50, seed=1)
    few = driver_reach(ds.isel(draw=[3, 8, 11], year=[2]))
    drawn = driver_bridge(ds)["contribution"].sel(step="cpi").isel(draw=[3, 8, 11], year=2)
    assert few.sizes["year"] == 1
    assert few["contribution"].item() == pytest.approx(drawn.mean().item())
    error = (drawn.std(ddof=1) / np.sqrt(3)).item()
    assert few["standard_error"].item() == pytest.approx(error)


# At the door


def test_a_projection_is_bridged_on_its_own_draws():
    plan = council(drivers=[CPI], lines=[WASTE])
    projection = mtfs.project_gap(plan, n_draws=5, seed=9)
    ds = driver_bridge(projection)
    assert (ds.attrs["seed"], ds.attrs["n_draws"]) == (9, 5)
    np.testing.assert_allclose(ds["end"].values, projection["gap"].values)
    given = mtfs.project(plan, mtfs.scores_of(plan, n_draws=5, seed=9))
    with pytest.raises(mtfs.MtfsError, match="given scores"):
        driver_bridge(given)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"start": "now"}, "start is 'now'; expected 'base', 'plan'"),
        ({"variable": "pressure"}, "variable is 'pressure'; expected 'gap_before_savings'"),
        ({"groups": {"prices": ["cpj"]}}, "names 'cpj', which .* Did you mean 'cpi'"),
        ({"groups": ["cpi"]}, r"groups is \['cpi'\]; expected 'each' or lists of names by group"),
        ({"groups": {"prices": None}}, "group 'prices' is None; expected a list"),
        ({"groups": {"prices": [3]}}, "group 'prices' names '3', which does not move"),
        ({"groups": {"prices": "cpi"}}, "group 'prices' is 'cpi'; expected a list"),
        ({"groups": {"a": ["cpi"], "b": ["cpi"]}}, "in the groups 'a' and 'b'"),
        ({"groups": {"a": []}}, "group 'a' names nothing"),
        ({"groups": {FIXED: ["cpi"]}}, "bears the name of a step"),
        ({"convention": "total"}, "convention is 'total'; expected 'cumulative', 'annual'"),
        ({"n_draws": 0}, "n_draws is 0"),
    ],
)
def test_a_wrong_argument_is_answered_at_the_door(options, words):
    with pytest.raises(mtfs.MtfsError, match=words):
        driver_bridge(council(drivers=[CPI], lines=[WASTE]), **({"n_draws": 2} | options))


def test_a_driver_named_as_a_step_is_refused():
    plan = council(drivers=[CPI | {"name": FIXED}], lines=[WASTE | {"growth": FIXED}])
    with pytest.raises(mtfs.MtfsError, match="a driver is called 'fixed assumptions'"):
        driver_bridge(plan, n_draws=2)
