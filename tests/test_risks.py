"""The risk register: likelihood, impact and expected value."""

import numpy as np
import pandas as pd
import pytest
from councils import BUDGET, YEARS, council, run
from hypothesis import given
from strategies import plans

import mtfs
from mtfs import MtfsError

FLOOD = {
    "kind": "risk",
    "name": "flood",
    "probability": 0.2,
    "impact": 50.0,
    "year": YEARS[1],
    "lasts": 2,
    "planned": 5.0,
}


def test_a_risk_is_worth_its_chance_times_its_impact():
    plan = council(lines=[FLOOD])
    table = mtfs.risk_register(plan, unit="GBP", n_draws=3, seed=1)
    assert table.loc["flood", "probability"] == 0.2
    assert table.loc["flood", "impact"] == 100  # two years
    assert table.loc["flood", "expected"] == pytest.approx(20)
    assert table.loc["flood", "expected_se"] == 0
    assert table.loc["flood", "planned"] == 20
    assert table.attrs["risk_based_reserve"] == pytest.approx(0)
    one = mtfs.risk_register(plan, year=YEARS[1], unit="GBP", n_draws=3, seed=1)
    assert one.loc["total", ["expected", "planned"]].tolist() == [10, 5]


def test_a_risk_of_uncertain_size_has_its_mean_impact():
    size = {"name": "size", "central": 50.0, "sd": 10.0, "persistence": 1}
    ds = run(council(drivers=[size], lines=[FLOOD | {"impact": "size"}]), n_draws=400)
    table = mtfs.risk_register(ds, unit="GBP")
    drawn = 2 * ds["path"].sel(driver="size").isel(year=1).to_numpy()
    assert table.loc["flood", "impact"] == pytest.approx(drawn.mean())
    assert table.loc["flood", "expected"] == pytest.approx(0.2 * drawn.mean())
    error = 0.2 * drawn.std(ddof=1) / np.sqrt(400)
    assert table.loc["flood", "expected_se"] == pytest.approx(error)


def test_of_a_saving_what_does_not_arrive_is_at_risk():
    scheme = {"name": "reviews", "levels": [100.0] * 4, "delivery": 0.6, "slipped": 0.5}
    table = mtfs.risk_register(
        council(lines=[BUDGET], savings=[scheme]), unit="GBP", n_draws=3, seed=1
    )
    # 40 are short in the first year, and the half that is lost in the three after it
    assert table.loc["reviews", "impact"] == 400
    assert table.loc["reviews", "expected"] == pytest.approx(40 + 3 * 20)
    assert table.loc["reviews", "probability"] == pytest.approx(0.25)
    first = mtfs.risk_register(
        council(lines=[BUDGET], savings=[scheme]), year=YEARS[0], unit="GBP", n_draws=3, seed=1
    )
    assert first.loc["reviews", "probability"] == pytest.approx(0.4)


def test_the_end_of_an_override_that_is_sure_stands_in_the_councils_own_table():
    deficit = {
        "name": "DSG",
        "opening": 30.0,
        "deficits": [10.0] * 4,
        "override": {"year": YEARS[1], "probability": 1.0},
    }
    held = {"funds": [{"name": "general", "opening": 1e6}], "surplus_to": "general"}
    with_it, without = (
        run(council(lines=[BUDGET], memorandum=items, reserves=held)) for items in ([deficit], [])
    )
    less = (without["planned_reserve"] - with_it["planned_reserve"]).isel(fund=0, year=-1)
    assert less.item() == 70
    table = mtfs.risk_register(with_it, unit="GBP")
    assert table.loc["DSG", ["expected", "planned"]].tolist() == [70.0, 70.0]
    assert table.attrs["risk_based_reserve"] == 0


def test_of_a_shared_risk_the_councils_share_is_planned():
    plan = council(lines=[FLOOD | {"share": 0.5}])
    table = mtfs.risk_register(plan, unit="GBP", n_draws=3, seed=1)
    assert table.loc["flood", ["impact", "expected", "planned"]].tolist() == [50, 10, 10]


def test_the_end_of_an_override_drops_the_balance_on_reserves():
    item = {
        "name": "DSG",
        "opening": 30.0,
        "deficits": [10.0, 10.0, 10.0, 10.0],
        "override": {"year": YEARS[1], "probability": 0.1},
    }
    table = mtfs.risk_register(
        council(lines=[BUDGET], memorandum=[item]), unit="GBP", n_draws=3, seed=1
    )
    assert table.loc["DSG", ["kind", "impact"]].tolist() == ["override", 70.0]
    assert table.loc["DSG", "expected"] == pytest.approx(7)


def test_a_grant_that_the_plan_counts_on_is_a_risk_and_another_is_none():
    grant = {"kind": "grant", "amount": 10.0, "ends": YEARS[1], "continues": 0.75}
    counted = grant | {"name": "counted on", "planned_to_continue": True}
    plan = council(lines=[BUDGET], funding=[counted, grant | {"name": "not counted on"}])
    table = mtfs.risk_register(plan, unit="GBP", n_draws=3, seed=1)
    assert table.index.tolist() == ["counted on", "total"]
    assert table.loc["counted on", "impact"] == 20
    assert table.loc["counted on", "expected"] == pytest.approx(5)


def test_contingency_stands_beside_the_risks_and_not_among_them():
    held = {"kind": "contingency", "name": "held", "amount": 10.0, "covers": ["flood"]}
    ds = run(council(lines=[FLOOD | {"planned": 0.0}, held]), n_draws=500)
    table = mtfs.risk_register(ds, unit="GBP")
    happens = float((ds["cost"].sel(line="flood").isel(year=1) > 0).mean())
    assert 0 < happens < 1
    assert table.loc["held", "probability"] == happens
    assert table.loc["held", "impact"] == pytest.approx(20)  # 10 in each of two years
    assert table.loc["held", "planned"] == 40
    assert table.loc["total", "expected"] == table.loc["flood", "expected"]
    assert table.loc["total", "planned"] == 0


def test_the_error_of_the_total_knows_that_schemes_fail_together():
    schemes = [{"name": f"scheme {n}", "levels": 100.0, "rag": "amber"} for n in range(5)]
    plan = council(lines=[BUDGET], savings=schemes, savings_correlation=0.9)
    table = mtfs.risk_register(run(plan, n_draws=500), unit="GBP")
    apart = np.sqrt((table["expected_se"].iloc[:-1] ** 2).sum())
    assert table.loc["total", "expected_se"] > 1.8 * apart


@given(plans())
def test_the_expected_value_is_what_the_draws_say(plan):
    ds = mtfs.project_gap(plan, n_draws=20, seed=1)
    table = mtfs.risk_register(ds, unit="GBP")
    kinds = table["kind"]
    assert (kinds == "saving").sum() == len(plan.schemes())
    unsaved = (ds["saving_late"] + ds["saving_lost"]).sum() / 20 if plan.schemes() else 0.0
    assert table.loc[kinds == "saving", "expected"].sum() == pytest.approx(float(unsaved), abs=1)
    risks = table[kinds.isin(["risk", "override", "grant"])]
    np.testing.assert_allclose(risks["expected"], risks["probability"] * risks["impact"])
    counted = table[~kinds.isin(["", "contingency"])]
    assert table.loc["total", "expected"].sum() == pytest.approx(
        counted["expected"].sum(), rel=1e-9, abs=1e-3
    )


@pytest.mark.parametrize("name", ["nottinghamshire_2024", "leicestershire_2024", "nottingham_2025"])
def test_the_registers_of_bundled_plans_agree_with_their_draws(name):
    plan = mtfs.load_example(name)
    ds = mtfs.project_gap(plan, n_draws=4000, seed=1)
    table = mtfs.risk_register(ds, unit="GBP")
    for risk in table.index[table["kind"] == "risk"]:
        cost = ds["cost"].sel(line=risk).sum("year")
        error = float(cost.std()) / np.sqrt(4000)
        assert table.loc[risk, "expected"] == pytest.approx(float(cost.mean()), abs=4 * error)
    assert table.attrs["risk_based_reserve"] > 0


def test_what_is_asked_for_must_be_there():
    plan = council(lines=[FLOOD])
    with pytest.raises(MtfsError, match="'2025/26' is not a year of the plan, which runs from"):
        mtfs.risk_register(plan, year="2025/26", n_draws=2, seed=1)
    with pytest.raises(MtfsError, match=r"holds no cost.*Run it with keep='all'"):
        mtfs.risk_register(run(plan, keep="totals"))
    with pytest.raises(MtfsError, match="unit is 'GBP bn'"):
        mtfs.risk_register(plan, unit="GBP bn", n_draws=2, seed=1)


def test_a_plan_without_risks_has_an_empty_register():
    table = mtfs.risk_register(council(lines=[BUDGET]), n_draws=2, seed=1)
    assert table.index.tolist() == ["total"]
    assert table.loc["total", "expected"] == 0
    assert isinstance(table, pd.DataFrame)
