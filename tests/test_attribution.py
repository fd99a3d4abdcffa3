"""The bridge to the gap: it adds up, from the base or the plan, by level or by step."""

from itertools import product

import numpy as np
import pytest
import xarray as xr
from councils import BUDGET, YEARS, council, run
from hypothesis import given
from hypothesis import strategies as st
from strategies import plans

import mtfs
from mtfs import MtfsError, bridge, bridge_table, project, project_gap, scores_of

CARE = {"kind": "care", "name": "homes", "service": "adults", "people": 100.0} | {
    "people_growth": "demand",
    "weekly_cost": 10.0,
    "weeks": 1.0,
    "price_growth": [0.2, 0, 0, 0],
}
DRIVERS = [{"name": "demand", "central": 0.1, "sd": 0.05, "persistence": 0.0}]
SAVING = {"name": "reviews", "service": "adults", "levels": 50.0, "rag": "amber"}
TAX = {"kind": "council_tax", "name": "tax", "base_income": 2000.0, "core_increase": 0.05}


def plan(**parts):
    lines = [BUDGET | {"service": "place", "growth": 0.1}, CARE]
    parts = {"drivers": DRIVERS, "lines": lines, "savings": [SAVING], "funding": [TAX]} | parts
    return council(**parts)


@pytest.fixture(scope="module")
def ds():
    return run(plan(), n_draws=400, keep="components")


def adds_up(found):
    for prefix in ("", "planned_"):
        total = found[f"{prefix}start"] + found[f"{prefix}contribution"].sum("step")
        np.testing.assert_allclose(total, found[f"{prefix}end"], rtol=1e-9, atol=1e-6)


STAGES = ("gap_before_savings", "gap", "gap_after_one_offs")
WAYS = list(product(STAGES, ("cumulative", "annual"), ("base", "plan")))


@given(plans(), st.sampled_from(WAYS))
def test_every_bridge_adds_up(plan, way):
    variable, convention, start = way
    ds = project_gap(plan, n_draws=3, seed=1, keep="components")
    found = bridge(ds, variable=variable, convention=convention, start=start)
    adds_up(found)
    assert found["contribution"].dims == ("step", "draw", "year")
    if convention == "cumulative" or start == "base":
        np.testing.assert_array_equal(found["end"], ds[variable])


def test_the_council_on_paper(ds):
    table = bridge_table(bridge(ds), year=YEARS[0], unit="GBP")
    assert table["plan"].round(9).to_dict() == {
        "base budget": 0,  # 1,000 of roads and 1,000 of homes, 2,000 of tax
        "people": 110,
        "price": 210,
        "contracts": 100,
        "savings": -50,
        "savings late": 0,
        "savings lost": 0,
        "council tax rate": -100,
        "gap": 270,
    }  # the tax base does not move, and has no row


def test_plans_and_means_add_up_and_quantiles_do_not(ds):
    table = bridge_table(bridge(ds), unit="GBP")
    for column in ("plan", "mean"):
        assert table[column].iloc[:-1].sum() == pytest.approx(table[column].iloc[-1])
    assert table["P90"].iloc[:-1].sum() > table["P90"].iloc[-1] + 1
    gap = ds["gap"].isel(year=-1)
    assert table.loc["gap", "mean"] == pytest.approx(gap.mean().item())
    assert table.loc["gap", "mean_se"] == pytest.approx(gap.std(ddof=1).item() / 20)
    assert table.loc["gap", "P10"] == pytest.approx(np.quantile(gap, 0.1))
    assert table.loc["base budget", "mean_se"] == 0


def test_by_service_and_by_item(ds):
    found = bridge(ds)
    service = bridge_table(found, by="service", unit="GBP")
    assert service.index.tolist() == ["base budget", "place", "adults", "funding", "gap"]
    item = bridge_table(found, by="item", unit="GBP")
    assert item.index.tolist() == ["base budget", "roads", "homes", "tax", "reviews", "gap"]
    both = item.loc[["homes", "reviews"], "mean"].sum()
    assert service.loc["adults", "mean"] == pytest.approx(both)
    homes = ds["cost"].sel(line="homes").isel(year=-1) - 1000
    assert item.loc["homes", "P90"] == pytest.approx(np.quantile(homes, 0.9))


def test_years_add_up_to_the_level(ds):
    level, step = bridge(ds)["contribution"], bridge(ds, convention="annual")["contribution"]
    np.testing.assert_allclose(step.cumsum("year"), level, rtol=1e-12, atol=1e-9)
    table = bridge_table(bridge(ds, convention="annual"), year=YEARS[1], unit="GBP")
    assert table.index[0] == "year before"
    assert table.loc["year before", "P50"] == pytest.approx(
        np.quantile(ds["gap"].sel(year=YEARS[0]), 0.5)
    )


def test_the_first_yearly_step_starts_from_the_base_budget():
    found = bridge(plan(funding=[]), convention="annual", n_draws=2, seed=1)
    assert found["start"].isel(year=0).values.tolist() == [2000, 2000]
    assert found["planned_start"].values[0] == 2000


def test_from_the_plan_only_what_differs_is_left(ds):
    found = bridge(ds, start="plan")
    table = bridge_table(found, year=YEARS[0], unit="GBP")
    assert table.loc["plan", "mean"] == pytest.approx(270)
    assert not table["plan"].iloc[1:-1].any()
    assert "contracts" not in table.index
    lost = table.loc[["savings late", "savings lost"], "mean"].sum()
    delivered = ds["saving_delivered"].sel(year=YEARS[0]).mean().item()
    assert lost == pytest.approx(50 - delivered)


def test_a_plan_a_mapping_a_projection_and_one_run_again_give_the_same(ds, tmp_path):
    own = bridge(ds)
    given = {"n_draws": 400, "seed": 1}
    assert bridge(plan(), **given).identical(own)
    assert bridge(plan().model_dump(exclude_none=True), **given).identical(own)
    assert bridge(run(plan(), n_draws=400, keep="totals")).identical(own)
    mtfs.save_gap(ds, tmp_path / "gap.nc")
    assert bridge(mtfs.load_gap(tmp_path / "gap.nc")).identical(own)
    assert ds.mtfs.bridge(start="plan").identical(bridge(ds, start="plan"))


def test_some_draws_and_years_of_a_projection_are_bridged_as_they_are(ds):
    some = run(plan(), n_draws=400, keep="all").isel(draw=[7, 3], year=[2])
    found = bridge(some)
    adds_up(found)
    assert found["end"].equals(some["gap"])
    assert found["draw"].values.tolist() == [7, 3]


@pytest.mark.parametrize("keep", ["totals", "all", "components"])
@pytest.mark.parametrize("convention", ["cumulative", "annual"])
@pytest.mark.parametrize("view", ["component", "driver"])
def test_a_part_of_a_projection_has_that_part_of_its_bridge(view, convention, keep):
    whole = run(plan(), n_draws=6, keep=keep)
    how = {"view": view, "convention": convention}
    for part in ({"draw": [5, 2]}, {"draw": [3]}, {"year": [2]}, {"year": [3, 1], "draw": [0]}):
        found = bridge(whole.isel(part), **how)
        xr.testing.assert_identical(found, bridge(whole, **how).isel(part))
        adds_up(found)


def test_a_part_of_a_later_plans_projection_has_that_part_of_the_bridge_to_it():
    new = run(plan(base_gap=2.0), n_draws=6)
    part = {"draw": [5, 2], "year": [1, 3]}
    xr.testing.assert_identical(bridge(plan(), new.isel(part)), bridge(plan(), new).isel(part))


@pytest.mark.parametrize("keep", ["totals", "components"])
@pytest.mark.parametrize("dim", ["draw", "year"])
def test_a_part_that_has_lost_its_draws_or_years_says_how_to_take_one(keep, dim):
    one = run(plan(), keep=keep).isel({dim: 0})
    says = f"lost its dimension '{dim}'; take a part of it with a list, as in ds.isel"
    calls = (
        lambda: bridge(one),
        lambda: bridge(one, view="driver"),
        lambda: bridge(plan(), one),
        lambda: bridge_table(bridge(plan(), n_draws=2).isel({dim: 0})),
        lambda: mtfs.explain(one, line="roads"),
        lambda: mtfs.driver_reach(one),
    )
    for call in calls:
        with pytest.raises(MtfsError, match=says):
            call()


def test_a_line_and_a_saving_of_one_name_have_rows_of_their_own():
    found = bridge(plan(savings=[SAVING | {"name": "roads"}]), n_draws=2, seed=1)
    rows = bridge_table(found, by="item", unit="GBP", year=YEARS[0])["plan"]
    assert rows["roads [line]"] == pytest.approx(100)
    assert rows["roads [saving]"] == pytest.approx(-50)
    assert "roads" not in rows


def test_a_projection_of_given_scores_is_refused_unless_it_holds_contributions(ds):
    scores = scores_of(plan(), n_draws=400, seed=1)
    with pytest.raises(MtfsError, match="made from given scores, which it does not hold"):
        bridge(project(plan(), scores))
    held = bridge(project(plan(), scores, keep="components"))
    assert held["contribution"].equals(bridge(ds)["contribution"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"view": "driver?"}, "view is 'driver\\?'; expected 'component' or 'driver'"),
        ({"start": "last year"}, "start is 'last year'; expected 'base', 'plan'"),
        ({"variable": "shortfall"}, "variable is 'shortfall'; expected 'gap_before_savings'"),
        ({"convention": "total"}, "convention is 'total'; expected 'cumulative', 'annual'"),
    ],
    ids=range(4),
)
def test_a_wrong_argument_says_what_was_expected(ds, options, says):
    with pytest.raises(MtfsError, match=says):
        bridge(ds, **options)


def test_what_is_no_projection_no_bridge_and_no_year_is_said(ds):
    with pytest.raises(MtfsError, match=r"expected a Dataset from mtfs.project_gap\(\)"):
        bridge(xr.Dataset())
    with pytest.raises(MtfsError, match=r"expected a Dataset from mtfs.bridge\(\)"):
        bridge_table(ds)
    with pytest.raises(MtfsError, match="by is 'team'; expected 'component', 'item', 'service'"):
        bridge_table(bridge(ds), by="team")
    with pytest.raises(MtfsError, match="'2040/41' is not a year of the plan"):
        bridge_table(bridge(ds), year="2040/41")


def test_a_cause_that_bears_the_name_of_a_row_is_refused():
    change = {"kind": "change", "name": "x", "cause": "gap", "changes": [1.0] * 4}
    with pytest.raises(MtfsError, match=r"a component is called gap, as a row .* rename it"):
        bridge_table(bridge(council(lines=[change]), n_draws=1))


def test_causes_of_changes_stand_between_prices_and_funding():
    change = {"kind": "change", "name": "x", "cause": "demography", "changes": [1.0] * 4}
    found = bridge(plan(lines=[change, CARE]), n_draws=2, seed=1)
    rows = bridge_table(found).index.tolist()
    assert rows.index("price") < rows.index("demography") < rows.index("savings")


NAMES = ("leicestershire_2024", "gateshead_2025", "nottingham_2025", "east_sussex_2026")


@pytest.mark.parametrize("name", NAMES)
def test_bridges_of_published_plans_add_up(name):
    ds = project_gap(mtfs.load_example(name), n_draws=64, seed=1, keep="components")
    found = bridge(ds, variable="gap_after_one_offs")
    total = found["start"] + found["contribution"].sum("step")
    np.testing.assert_allclose(total, ds["gap_after_one_offs"], rtol=1e-9)


def test_nottinghamshires_bridge_leads_from_nothing_to_the_published_64():
    table = bridge_table(bridge(mtfs.load_example("nottinghamshire_2024"), n_draws=2_000, seed=1))
    assert table["plan"].iloc[[0, -1]].tolist() == pytest.approx([0, 64], abs=0.001)
    assert table.loc["people", "plan"] == pytest.approx(29.2, abs=0.05)
    assert table.loc["price", "plan"] == pytest.approx(70.2, abs=0.05)
    assert table.loc["council tax rate", "plan"] == pytest.approx(-58.1, abs=0.05)
    assert table.loc["chance", "plan"] == 0
    assert table.loc["chance", "P90"] > 5
