"""The questions of section 25 in one Dataset."""

import numpy as np
import pytest
import xarray as xr
from councils import BUDGET, YEARS, council, run
from hypothesis import given, settings
from strategies import plans

import mtfs
from mtfs import MtfsError

RESERVES = {"funds": [{"name": "general", "opening": 25.0}], "surplus_to": "general"}


def test_the_estimates_are_what_the_draws_say():
    plan = mtfs.load_example("nottinghamshire_2024")
    found = mtfs.section_25(plan, n_draws=1000, seed=1)
    ds = mtfs.project_gap(plan, n_draws=1000, seed=1)
    for name in ("requirement", "gap"):
        one, table = found.sel(estimate=name), mtfs.summary(ds, variable=name, unit="GBP")
        assert one["planned_estimate"].values.tolist() == table["plan"].tolist()
        np.testing.assert_allclose(one["mean_estimate"], table["mean"])
        np.testing.assert_allclose(one["mean_estimate_se"], table["mean_se"])
        assert one["P90_estimate"].values.tolist() == table["P90"].tolist()
        assert one["P90_estimate_se"].values.tolist() == table["P90_se"].tolist()
        assert one["plan_enough"].values.tolist() == table["plan_enough"].tolist()
        assert one["plan_enough_se"].values.tolist() == table["plan_enough_se"].tolist()
    funding = found.sel(estimate="funding")
    np.testing.assert_allclose(funding["P80_estimate"], np.quantile(ds["funding"], 0.2, axis=0))
    np.testing.assert_allclose(funding["P90_estimate"], np.quantile(ds["funding"], 0.1, axis=0))
    enough = (ds["funding"] >= ds["planned_funding"]).mean("draw")
    assert funding["plan_enough"].values.tolist() == enough.values.tolist()


def test_savings_are_split_into_what_arrives_comes_late_and_is_lost():
    scheme = {"name": "reviews", "levels": [100.0] * 4, "delivery": 0.6, "slipped": 0.5}
    late = scheme | {"name": "system", "levels": [0.0, 100.0, 100.0, 100.0]}
    plan = council(lines=[BUDGET], savings=[scheme, late], reserves=RESERVES)
    found = mtfs.section_25(plan, n_draws=3, seed=1)
    assert found["saving_planned"].sum("scheme").values.tolist() == [100, 200, 200, 200]
    assert found["delivered_share"].values == pytest.approx([0.6, 0.7, 0.8, 0.8])
    assert found["late_share"].values == pytest.approx([0.2, 0.1, 0.0, 0.0])
    assert found["lost_share"].values == pytest.approx([0.2] * 4)
    assert found["lost_share_se"].values == pytest.approx([0] * 4)
    assert found["saving_delivered"].sel(scheme="system").values == pytest.approx([0, 60, 80, 80])


def test_the_error_of_a_share_knows_that_what_is_planned_varies_too():
    size = {"name": "size", "central": 100.0, "sd": 30.0, "persistence": 1}
    scheme = {"name": "reviews", "levels": "size", "delivery": 0.6, "slipped": 0.0}
    plan = council(drivers=[size], lines=[BUDGET], savings=[scheme], reserves=RESERVES)
    found = mtfs.section_25(plan, n_draws=50, seed=1)
    assert found["delivered_share"].values == pytest.approx([0.6] * 4)
    # always 60% of what there is, however much: its share is sure, its pounds are not
    assert found["delivered_share_se"].values == pytest.approx([0.0] * 4, abs=1e-12)
    assert (found["saving_delivered_se"] > 1).all()


def test_a_year_without_savings_has_no_shares():
    late = {"name": "system", "levels": [0.0, 100.0, 100.0, 100.0], "delivery": 0.5}
    plan = council(lines=[BUDGET], savings=[late], reserves=RESERVES)
    found = mtfs.section_25(plan, n_draws=3, seed=1)
    assert np.isnan(found["delivered_share"]).values.tolist() == [True, False, False, False]
    assert np.isnan(found["delivered_share_se"]).values.tolist() == [True, False, False, False]


def test_contingency_shows_what_it_covers_and_whether_it_is_enough():
    flood = {"kind": "risk", "name": "flood", "probability": 1, "impact": [5.0, 20.0, 0.0, 10.0]}
    held = {"kind": "contingency", "name": "held", "amount": 10.0, "covers": ["flood"]}
    rest = {"name": "rest", "covers": ["roads"]}
    plan = council(
        lines=[flood | {"year": YEARS[0]}, held, BUDGET, held | rest],
        reserves=RESERVES,
    )
    found = mtfs.section_25(plan, n_draws=3, seed=1)
    assert found["covers"].values.tolist() == ["flood", "roads"]
    first = found.sel(contingency="held")
    assert first["contingency_planned"].values.tolist() == [10] * 4
    assert first["contingency_spent"].values.tolist() == [5, 10, 0, 10]
    assert first["contingency_used_up"].values.tolist() == [0, 1, 0, 1]


def test_the_register_stands_beside_the_opening_needed():
    plan = mtfs.load_example("leicestershire_2024")
    found = mtfs.section_25(plan, n_draws=500, seed=1)
    table = mtfs.risk_register(plan, unit="GBP", n_draws=500, seed=1)
    assert found["risk"].values.tolist() == table.index[:-1].tolist()
    assert found["risk_kind"].values.tolist() == table["kind"].tolist()[:-1]
    np.testing.assert_allclose(found["risk_expected"].sum("year"), table["expected"][:-1])
    np.testing.assert_allclose(found["risk_planned"].sum("year"), table["planned"][:-1])
    assert found["risk_based_reserve"].item() == table.attrs["risk_based_reserve"]
    assert found["risk_based_reserve_se"].item() == table.loc["total", "expected_se"]
    # what adds up averages is far from what survives nine draws in ten, let alone nineteen in 20
    assert (found["risk_based_reserve"] < found["opening_needed"]).all()


@settings(max_examples=8)
@given(plans())
def test_it_holds_all_that_adequacy_does_and_adds_up(plan):
    found = mtfs.section_25(plan, n_draws=10, seed=1, policies=["plan"])
    alone = mtfs.reserve_adequacy(plan, n_draws=10, seed=1, policies=["plan"])
    xr.testing.assert_identical(found[list(alone)].drop_attrs(), alone.drop_attrs())
    needed, funding, gap = (
        found["mean_estimate"].sel(estimate=name).values
        for name in ("requirement", "funding", "gap")
    )
    np.testing.assert_allclose(needed - funding, gap, atol=1e-3, rtol=1e-9)
    if plan.schemes():
        shares = found["delivered_share"] + found["late_share"] + found["lost_share"]
        assert shares.dropna("year").values == pytest.approx(1.0)


def test_a_file_holds_it(tmp_path):
    found = mtfs.section_25(mtfs.load_example("nottinghamshire_2024"), n_draws=50, seed=1)
    found.to_netcdf(tmp_path / "s25.nc", engine="h5netcdf")
    assert mtfs.adequacy_table(found).shape[0] == 3


def test_a_projection_is_answered_from_its_own_draws():
    plan = council(base_gap=10.0, lines=[BUDGET], reserves=RESERVES)
    ds = mtfs.project_gap(plan, n_draws=30, seed=4, keep="totals")
    xr.testing.assert_identical(mtfs.section_25(ds), mtfs.section_25(plan, n_draws=30, seed=4))


def test_reserves_are_half_of_the_question():
    with pytest.raises(MtfsError, match="no fund that may meet a shortfall"):
        mtfs.section_25(run(council(lines=[BUDGET])))
