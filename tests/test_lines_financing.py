"""MRP and interest, exceptional financial support, and income on balances, by hand."""

import numpy as np
import pytest
from councils import BUDGET, council, first, line_cost, run

from mtfs import PlanError


def capital(**fields):
    return {"kind": "capital", "name": "capital"} | fields


def test_mrp_starts_the_year_after_in_equal_instalments():
    assert line_cost(
        capital(programme=[1000.0, 500.0, 0.0, 0.0], asset_life=25.0)
    ) == pytest.approx([0, 40, 60, 60])


def test_interest_is_on_the_opening_debt_and_half_the_years_borrowing():
    found = line_cost(capital(programme=[1000.0, 0.0, 0.0, 0.0], asset_life=10.0, rate=0.05))
    # debt at the start of each year: 0, 1000, 900, 800
    assert found == pytest.approx([25, 100 + 50, 100 + 45, 100 + 40])


def test_what_is_financed_is_not_borrowed():
    found = line_cost(capital(programme=1000.0, financed=[1.0, 0.6, 1.0, 1.0], asset_life=20.0))
    assert found == pytest.approx([0, 0, 20, 20])


def test_mrp_ends_when_the_debt_is_repaid():
    found = line_cost(
        capital(programme=[100.0, 0.0, 0.0, 0.0], asset_life=2.0, rate=0.1), horizon=4
    )
    assert found == pytest.approx([5, 50 + 10, 50 + 5, 0])


def test_a_life_that_is_no_whole_number_ends_in_a_part_instalment():
    found = line_cost(capital(programme=[100.0, 0.0, 0.0, 0.0], asset_life=1.25))
    assert found == pytest.approx([0, 80, 20, 0])


def test_slippage_moves_spend_and_its_costs_a_year_on_in_draws():
    plan = council(
        lines=[capital(programme=[1000.0, 0.0, 0.0, 0.0], slippage=0.5, asset_life=10.0, rate=0.1)]
    )
    ds = run(plan, n_draws=1)
    assert first(ds["planned_cost"].expand_dims("draw")) == pytest.approx([50, 200, 190, 180])
    # 500 in the first year, 500 in the second: MRP 0, 50, 100, 100; interest on 250, 750, 950, 850
    assert first(ds["cost"]) == pytest.approx([25, 50 + 75, 100 + 95, 100 + 85])


def test_old_debt_and_the_base_year_are_stated():
    line = capital(mrp=[30.0, 29.0, 28.0, 27.0], interest=10.0, base=45.0)
    ds = run(council(lines=[line]), n_draws=1)
    assert first(ds["cost"]) == [40, 39, 38, 37]
    assert first(ds["pressure"]) == [-5, -6, -7, -8]


def test_a_rate_may_be_a_driver():
    drivers = [{"name": "rate", "central": 0.05, "sd": 0.01, "persistence": 0}]
    ds = run(
        council(drivers=drivers, lines=[capital(programme=[1000.0, 0, 0, 0], rate="rate")]),
        n_draws=4,
    )
    rate = ds["path"].sel(driver="rate").values
    np.testing.assert_allclose(ds["cost"].squeeze(), rate * [500, 1000, 960, 920] + [0, 40, 40, 40])


# Exceptional financial support


def efs(amounts, **fields):
    source = {"kind": "efs", "name": "direction", "amounts": amounts, "repay_years": 20} | fields
    return run(council(lines=[BUDGET], one_offs=[source]), n_draws=1)


def test_support_is_one_off_and_leaves_mrp_and_interest():
    ds = efs([400.0, 0.0, 0.0, 0.0], rate=0.05)
    left = [0, 20 + 20, 20 + 19, 20 + 18]  # debt 400, 380, 360 at the start of the years after
    assert first(ds["cost"].sel(line="direction: MRP and interest")) == pytest.approx(left)
    assert first(ds["gap"]) == pytest.approx([1000 + x for x in left])
    assert first(ds["gap_after_one_offs"]) == pytest.approx([600, *[1000 + x for x in left[1:]]])
    assert first(ds["one_off"]) == [400, 0, 0, 0]


def test_support_of_two_years_is_repaid_side_by_side():
    ds = efs([400.0, 200.0, 0.0, 0.0])
    assert first(ds["cost"].sel(line="direction: MRP and interest")) == pytest.approx(
        [0, 20, 30, 30]
    )


def test_mrp_on_support_ends_when_it_is_repaid():
    ds = efs([100.0, 0.0, 0.0, 0.0], repay_years=2, rate=0.1)
    assert first(ds["cost"].sel(line="direction: MRP and interest")) == pytest.approx(
        [0, 60, 55, 0]
    )


def test_support_may_follow_a_driver():
    drivers = [{"name": "need", "central": 400.0, "sd": 10.0, "persistence": 1}]
    source = {"kind": "efs", "name": "direction", "amounts": "need", "repay_years": 20}
    ds = run(council(drivers=drivers, lines=[BUDGET], one_offs=[source]), n_draws=3)
    taken = ds["path"].sel(driver="need").values
    expected = np.cumsum(taken, axis=1) - taken
    np.testing.assert_allclose(ds["cost"].sel(line="direction: MRP and interest"), expected / 20)


# Income on balances


def invested(**fields):
    return {
        "kind": "balances",
        "name": "interest",
        "rate": 0.04,
        "cash": 1000.0,
        "base": 60.0,
    } | fields


def reserves(policy="none", **fields):
    fund = {"name": "general", "opening": 500.0} | fields
    return {"funds": [fund], "surplus_to": "general", "closure": {"policy": policy}}


def test_balances_earn_their_rate_as_negative_cost():
    ds = run(council(lines=[invested()]), n_draws=1)
    assert first(ds["cost"]) == [-40] * 4
    assert first(ds["pressure"]) == [20] * 4  # 60 was earned in the base year


def test_funds_earn_on_their_planned_opening_balances():
    plan = council(
        lines=[invested(funds=["general"])],
        one_offs=[
            {
                "kind": "reserve",
                "name": "support",
                "fund": "general",
                "amounts": [200.0, 0.0, 0.0, 0.0],
            }
        ],
        reserves=reserves(contributions=[0.0, 50.0, 0.0, 0.0]),
    )
    ds = run(plan, n_draws=1)
    expected = [-0.04 * (1000 + held) for held in (500, 300, 350, 350)]
    assert first(ds["cost"].sel(line="interest")) == pytest.approx(expected)


def test_interest_lost_on_balances_below_plan_falls_on_reserves():
    plan = council(
        lines=[invested(cash=0.0, funds=["general"]), BUDGET | {"base": 120.0}], reserves=reserves()
    )
    ds = run(plan, n_draws=1)
    # the fund is planned at 500 throughout, so interest of 20 stands in the gap of 100 every year
    assert first(ds["gap"]) == [100] * 4
    held, lost = [500 - 100], [0.0]
    for _ in range(3):
        lost.append(0.04 * (500 - held[-1]))
        held.append(held[-1] - 100 - lost[-1])
    assert first(ds["reserve_interest"]) == pytest.approx(lost)
    assert first(ds["reserve"]) == pytest.approx(held)


def test_the_gap_does_not_depend_on_the_closure_policy():
    gaps = [
        run(
            council(
                lines=[invested(funds=["general"]), BUDGET | {"base": 300.0}],
                reserves=reserves(policy),
            )
        )["gap"]
        for policy in ("none", "plan", "respond")
    ]
    for gap in gaps[1:]:
        np.testing.assert_array_equal(gap, gaps[0])


def test_balances_name_funds_that_exist():
    with pytest.raises(
        PlanError, match=r"uses fund 'genral', which the plan does not hold. Did you mean 'general'"
    ):
        council(lines=[invested(funds=["genral"])], reserves=reserves())
