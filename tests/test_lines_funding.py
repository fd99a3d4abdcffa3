"""Council tax and its collection fund, business rates, grants and other sources, by hand."""

import numpy as np
import pytest
from councils import BUDGET, YEARS, council, first, income_of, run

from mtfs import PlanError, PlanWarning


def tax(**fields):
    return {"kind": "council_tax", "name": "tax", "band_d": 1500.0, "tax_base": 1000.0} | fields


def rates(**fields):
    return {"kind": "business_rates", "name": "rates", "rates": 120.0, "baseline": 100.0} | fields


def grant(**fields):
    return {"kind": "grant", "name": "grant", "amount": 100.0} | fields


# Council tax


def test_tax_is_base_times_band_d_times_collection():
    assert income_of(tax(collection=0.98))["tax"] == pytest.approx([1500 * 1000 * 0.98] * 4)


def test_both_increases_apply_to_the_whole_band_d_of_the_year_before():
    found = income_of(tax(core_increase=0.0299, asc_precept=[0.02, 0.02, 0.0, 0.0]))["tax"]
    assert found == pytest.approx(list(1.5e6 * np.cumprod([1.0499, 1.0499, 1.0299, 1.0299])))


def test_the_tax_base_grows_beside_band_d():
    found = income_of(tax(core_increase=0.03, tax_base_growth=0.01))["tax"]
    assert found == pytest.approx([1.5e6 * (1.03 * 1.01) ** t for t in (1, 2, 3, 4)])


def test_a_base_income_does_for_band_d_and_tax_base():
    line = tax(base_income=2e6, core_increase=0.05)
    del line["band_d"], line["tax_base"]
    assert income_of(line)["tax"][0] == pytest.approx(2.1e6)


DRIVERS = [
    {"name": "base", "central": 0.01, "sd": 0.02, "persistence": 0},
    {
        "name": "kept",
        "central": 0.97,
        "sd": 0.01,
        "persistence": 0,
        "shape": "beta",
        "bounds": [0.0, 1.0],
        "stated_as": "mean",
    },
]


@pytest.mark.parametrize("growth", [0.01, "base"], ids=["certain base", "uncertain base"])
@pytest.mark.parametrize(
    "collection", [0.97, "kept"], ids=["certain collection", "uncertain collection"]
)
@pytest.mark.parametrize("lag", [1, 2])
def test_actual_less_budgeted_arrives_once_years_later(growth, collection, lag):
    fund = {"lag": lag, "share": 0.8, "declared": [5.0, -3.0, 0.0, 0.0]}
    line = tax(
        core_increase=0.03, tax_base_growth=growth, collection=collection, collection_fund=fund
    )
    ds = run(council(drivers=DRIVERS, funding=[line]), n_draws=5)
    path = ds["path"]
    for draw in range(5):
        grown = path.sel(driver="base").values[draw] if growth == "base" else [0.01] * 4
        kept = path.sel(driver="kept").values[draw] if collection == "kept" else [0.97] * 4
        band_d, dwellings, differences = 1500.0, 1000.0, []
        for year in range(4):
            band_d *= 1.03
            budgeted = dwellings * 1.01 * 0.97 * band_d  # last year's actual base, as planned
            dwellings *= 1 + grown[year]
            actual = dwellings * kept[year] * band_d
            differences.append(0.8 * (actual - budgeted))
            income = ds["income"].isel(draw=draw, year=year)
            assert float(income.sel(source="tax")) == pytest.approx(budgeted)
            arrived = differences[year - lag] if year >= lag else 0
            assert float(income.sel(source="tax: collection fund")) == pytest.approx(
                arrived + fund["declared"][year], abs=1e-6
            )


def test_a_certain_collection_fund_holds_what_was_declared():
    fund = {"declared": [50.0, -20.0, 0.0, 0.0]}
    found = income_of(tax(tax_base_growth=0.01, collection=0.98, collection_fund=fund))
    assert found["tax: collection fund"] == pytest.approx([50, -20, 0, 0], abs=1e-6)


def test_a_rise_above_the_referendum_limit_is_doubted():
    said = r"funding\[0\] 'tax': a rise of 5.99% in 2027/28 is above the referendum limit"
    with pytest.warns(PlanWarning, match=said):
        council(
            funding=[
                tax(
                    core_increase=[0.03, 0.0399, 0.03, 0.03],
                    asc_precept=0.02,
                    referendum_limit=0.05,
                )
            ]
        )


def test_a_rise_at_the_referendum_limit_is_not():
    assert council(funding=[tax(core_increase=0.0299, asc_precept=0.02, referendum_limit=0.0499)])


# Business rates


def test_rates_follow_the_multiplier_and_real_growth():
    found = income_of(rates(multiplier=0.02, growth=0.03))["rates"]
    assert found == pytest.approx([120 * (1.02 * 1.03) ** t for t in (1, 2, 3, 4)])


def test_top_up_tariff_and_section_31_are_added():
    line = rates(multiplier=0.1, top_up=30.0, tariff=10.0, section_31=[1.0, 2.0, 3.0, 4.0])
    assert income_of(line)["rates"] == pytest.approx([140 * 1.1**t + t for t in (1, 2, 3, 4)])


def test_the_levy_takes_its_share_of_growth_above_baseline():
    found = income_of(rates(levy=0.5, growth=[0.0, 0.1, -0.3, 0.0]))["rates"]
    # rates 120, 132, 92.4, 92.4 against a baseline of 100
    assert found == pytest.approx([120 - 10, 132 - 16, 92.4, 92.4])


def test_income_cannot_fall_below_the_safety_net():
    line = rates(rates=100.0, growth=[-0.2, 0.0, 0.45, 0.0], top_up=20.0, safety_net=0.925)
    assert income_of(line)["rates"] == pytest.approx([0.925 * 120, 0.925 * 120, 136, 136])


def test_the_safety_net_is_of_baseline_less_tariff():
    line = rates(rates=50.0, tariff=60.0, safety_net=0.925)
    assert income_of(line)["rates"] == pytest.approx([0.925 * 40] * 4)


def test_a_reset_takes_growth_away_and_starts_again():
    line = rates(growth=0.1, multiplier=0.02, reset=YEARS[1], reset_to=1.05)
    expected = [120 * 1.1 * 1.02, 105 * 1.02**2, 105 * 1.1 * 1.02**3, 105 * 1.1**2 * 1.02**4]
    assert income_of(line)["rates"] == pytest.approx(expected)


def test_a_reset_holds_in_every_draw():
    ds = run(council(drivers=DRIVERS, funding=[rates(growth="base", reset=YEARS[2])]), n_draws=20)
    income = ds["income"].sel(source="rates")
    np.testing.assert_allclose(income.sel(year=YEARS[2]), 100)
    growth = ds["path"].sel(driver="base", year=YEARS[3])
    np.testing.assert_allclose(income.sel(year=YEARS[3]), 100 * (1 + growth))


# Grants


def test_a_grant_is_its_sum_with_its_indexation():
    assert income_of(grant())["grant"] == [100] * 4
    assert income_of(grant(growth=0.02))["grant"] == pytest.approx(
        [100 * 1.02**t for t in (1, 2, 3, 4)]
    )
    assert income_of(grant(amount=[4.0, 3.0, 2.0, 1.0]))["grant"] == [4, 3, 2, 1]


def test_a_grant_that_ends_ends():
    assert income_of(grant(ends=YEARS[1]))["grant"] == [100, 100, 0, 0]
    assert income_of(grant(ends=YEARS[1], continues=1.0))["grant"] == [100] * 4


def test_a_grant_goes_on_in_its_share_of_draws_to_the_end():
    n = 10_000
    ds = run(council(funding=[grant(ends=YEARS[0], continues=0.4)]), n_draws=n)
    income = ds["income"].squeeze().values
    assert {tuple(row) for row in income} == {(100, 0, 0, 0), (100, 100, 100, 100)}
    assert (income[:, 1] > 0).mean() == pytest.approx(0.4, abs=4 * 0.49 / np.sqrt(n))
    assert ds["planned_income"].squeeze().values.tolist() == [100, 0, 0, 0]


def test_the_councils_table_may_count_on_a_grant():
    ds = run(council(funding=[grant(ends=YEARS[0], planned_to_continue=True)]), n_draws=1)
    assert ds["planned_income"].squeeze().values.tolist() == [100] * 4
    assert first(ds["income"]) == [100, 0, 0, 0]


def test_a_grant_may_stand_on_the_requirement_side():
    ds = run(council(lines=[BUDGET], funding=[grant(side="requirement")]), n_draws=1)
    assert first(ds["requirement"]) == [900] * 4
    assert first(ds["funding"]) == [0] * 4
    assert first(ds["gap"]) == [900] * 4
    assert first(ds["cost"].sel(line="grant")) == [-100] * 4
    assert "income" not in ds


def fenced(amount):
    plan = council(
        lines=[BUDGET],
        funding=[grant(amount=amount, ring_fenced_to="roads", rest_to="grants")],
        reserves={
            "funds": [
                {"name": "general", "opening": 0.0},
                {"name": "grants", "opening": 5.0, "meets_shortfall": False},
            ],
            "surplus_to": "general",
            "closure": {"policy": "none"},
        },
    )
    return run(plan, n_draws=1)


def test_a_ring_fenced_grant_nets_off_its_line_and_leaves_the_rest_to_its_fund():
    ds = fenced([400.0, 1000.0, 1300.0, 0.0])
    assert first(ds["cost"]) == [600, 0, 0, 1000]
    assert first(ds["gap"]) == [600, 0, 0, 1000]
    assert first(ds["reserve"].sel(fund="grants")) == [5, 5, 305, 305]


def test_a_ring_fenced_grant_on_income_is_not_spent():
    line = {"kind": "fees", "name": "roads", "income": 50.0}
    plan = council(
        lines=[line],
        funding=[grant(ring_fenced_to="roads", rest_to="general")],
        reserves={
            "funds": [{"name": "general", "opening": 0.0}],
            "surplus_to": "general",
            "closure": {"policy": "none"},
        },
    )
    ds = run(plan, n_draws=1)
    assert first(ds["cost"]) == [-50] * 4
    assert first(ds["reserve"]) == [150, 300, 450, 600]  # the grant and the surplus of 50 a year


def test_other_funding_starts_from_its_base():
    line = {"kind": "other", "name": "dividend", "base": 100.0, "changes": [10.0, 0.0, -20.0, 0.0]}
    assert income_of(line)["dividend"] == [110, 110, 90, 90]


def test_the_base_of_levels_is_of_the_base_year_alone():
    line = {"kind": "other", "name": "dividend", "base": 100.0, "levels": [10.0, 0.0, 20.0, 0.0]}
    assert income_of(line)["dividend"] == [10.0, 0.0, 20.0, 0.0]


@pytest.mark.parametrize(
    ("fields", "more"),
    [(rates(section_31=3.0), {"base_section_31": 2.0}), (grant(amount=[5.0] * 4), {"base": 0.0})],
)
def test_what_the_base_year_had_moves_no_income_and_is_written_only_where_stated(fields, more):
    own, stated = council(funding=[fields], lines=[]), council(funding=[fields | more], lines=[])
    assert next(iter(more)) not in own.model_dump(exclude_none=True)["funding"][0]
    assert income_of(fields) == income_of(fields | more)
    assert own.digest != stated.digest


def test_the_base_of_other_funding_follows_the_index_of_its_changes():
    line = {
        "kind": "other",
        "name": "dividend",
        "base": 100.0,
        "changes": [10.0, 0.0, 0.0, 0.0],
        "index": 0.1,
    }
    assert income_of(line)["dividend"][0] == pytest.approx(110 * 1.1)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (tax(tax_base=None), "give .*'band_d' and 'tax_base', or 'base_income'"),
        (tax(base_income=1.0), "give .*'band_d' and 'tax_base', or 'base_income'"),
        (tax(collection=98.0), r"write 98% as 0\.98"),
        (tax(collection=1.2), "is 1.2; expected a share"),
        (tax(core_increase="5%"), r"write 0\.05"),
        (rates(reset="2040/41"), "'reset' is 2040/41; the plan's years are"),
        (rates(reset_to=0.0), "above 0"),
        (grant(continues=0.5), "go with 'ends'"),
        (grant(ends=YEARS[3]), "'ends' is 2029/30; it matters only before the last year"),
        (grant(ring_fenced_to="roads"), "needs both 'ring_fenced_to'"),
        (grant(ring_fenced_to="rodes", rest_to="general"), "uses line 'rodes'"),
        (grant(ring_fenced_to="roads", rest_to="genral"), "uses fund 'genral'"),
        (grant(side="income"), "'funding' or 'requirement'"),
        (
            {"kind": "other", "name": "x", "base": 1.0, "changes": [1.0] * 4}
            | {"recurrence": "one_off"},
            "'base' goes with 'levels', or with recurrent 'changes'",
        ),
        (grant(growth=0.02, base=0.0), "with 'growth', 'amount' is the base year's"),
    ],
    ids=range(15),
)
def test_funding_that_cannot_be_says_what_to_do(source, says):
    reserves = {"funds": [{"name": "general", "opening": 0.0}], "surplus_to": "general"}
    source = {key: value for key, value in source.items() if value is not None}
    with pytest.raises(PlanError, match=says):
        council(lines=[BUDGET], funding=[source], reserves=reserves)


def test_income_already_collected_takes_no_collection_rate():
    tax = {"kind": "council_tax", "name": "tax", "base_income": 100.0, "collection": 0.98}
    with pytest.raises(PlanError, match="is what was collected"):
        council(funding=[tax])
