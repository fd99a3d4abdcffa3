"""Contracts, ordinary budgets and levies; fees and charges, by hand."""

import numpy as np
import pytest
from councils import council, line_cost, run

from mtfs import PlanError


def contract(**fields):
    return {"kind": "contract", "name": "waste", "base": 1000.0} | fields


def fees(**fields):
    return {"kind": "fees", "name": "parking", "income": 1000.0} | fields


@pytest.mark.parametrize("kind", ["budget", "contract", "levy"])
def test_spend_follows_its_index(kind):
    assert line_cost(contract(kind=kind, growth=[0.1, 0.0, -0.1, 0.05])) == pytest.approx(
        [1100, 1100, 990, 1039.5]
    )


def test_an_uplift_in_october_is_paid_for_half_a_year_and_in_full_the_next():
    found = line_cost(contract(growth=[0.1, 0.0, 0.2, 0.0], review_month=7))
    assert found == pytest.approx([1050, 1100, 1100 + 110, 1320])


@pytest.mark.parametrize(("month", "paid"), [(1, 12), (4, 9), (12, 1)])
def test_an_uplift_is_paid_from_its_month(month, paid):
    found = line_cost(contract(growth=[0.12, 0.0, 0.0, 0.0], review_month=month))
    assert found == pytest.approx([1000 + 120 * paid / 12, 1120, 1120, 1120])


def test_part_year_and_remainder_add_up_to_the_full_year():
    late = np.array(line_cost(contract(growth=0.06, review_month=5)))
    full = np.array(line_cost(contract(growth=0.06)))
    before = np.array([1000, *full[:-1]])
    np.testing.assert_allclose(late - before, (full - before) * 8 / 12)


def test_cap_and_collar_bound_each_years_uplift():
    found = line_cost(contract(growth=[0.1, -0.02, 0.03, 0.05], cap=0.05, collar=0.01))
    assert found == pytest.approx(list(1000 * np.cumprod([1.05, 1.01, 1.03, 1.05])))


def test_a_cap_or_a_collar_may_stand_alone():
    assert line_cost(contract(growth=0.1, cap=0.05))[0] == pytest.approx(1050)
    assert line_cost(contract(growth=-0.1, collar=0.0))[0] == pytest.approx(1000)


def test_a_capped_contract_costs_no_more_in_any_draw():
    drivers = [{"name": "cpi", "central": 0.03, "sd": 0.03, "persistence": 0}]
    ds = run(
        council(drivers=drivers, lines=[contract(growth="cpi", cap=0.05, collar=0.0)]), n_draws=200
    )
    bounded = ds["path"].sel(driver="cpi").clip(0.0, 0.05)
    np.testing.assert_allclose(ds["cost"].sel(line="waste"), 1000 * (1 + bounded).cumprod("year"))


def test_a_contract_phases_in():
    assert line_cost(contract(growth=0.1, phase_in=[0.0, 0.5, 1.0, 1.0])) == pytest.approx(
        [0, 605, 1331, 1464.1]
    )


def test_volume_and_price_are_booked_apart():
    ds = run(council(lines=[contract(growth=0.1, volume_growth=0.2)]), n_draws=1).isel(
        draw=0, year=0
    )
    assert float(ds["pressure"].sel(cause="volume")) == pytest.approx(200)
    assert float(ds["pressure"].sel(cause="price")) == pytest.approx(1200 * 0.1)


def test_a_cause_takes_the_place_of_components():
    ds = run(council(lines=[contract(growth=0.1, volume_growth=0.2, cause="waste")]), n_draws=1)
    assert ds["cause"].values.tolist() == ["waste"]
    assert float(ds["pressure"].isel(draw=0, year=0).sum()) == pytest.approx(320)


# Fees and charges


def test_fees_are_income_that_nets_off():
    found = line_cost(fees(price_growth=0.05, volume_growth=-0.01))
    assert found == pytest.approx([-1000 * (1.05 * 0.99) ** t for t in (1, 2, 3, 4)])


def test_volume_falls_as_prices_rise_above_inflation():
    # a rise of 10% with CPI 2% and elasticity -0.5
    found = line_cost(fees(price_growth=0.1, price_index=0.02, elasticity=-0.5))
    assert found == pytest.approx(
        [-1000 * 1.1**t * ((1.1 / 1.02) ** t) ** -0.5 for t in (1, 2, 3, 4)]
    )


def test_prices_that_keep_up_with_inflation_lose_nobody():
    found = line_cost(fees(price_growth=0.02, price_index=0.02, elasticity=-0.9))
    assert found == pytest.approx([-1000 * 1.02**t for t in (1, 2, 3, 4)])


def test_a_unit_elastic_service_raises_nothing_more():
    assert line_cost(fees(price_growth=0.1, elasticity=-1.0)) == pytest.approx([-1000] * 4)


def test_more_income_is_a_negative_pressure():
    ds = run(council(lines=[fees(price_growth=0.1, volume_growth=-0.1)]), n_draws=1).isel(
        draw=0, year=0
    )
    assert float(ds["pressure"].sel(cause="volume")) == pytest.approx(100)
    assert float(ds["pressure"].sel(cause="price")) == pytest.approx(-90)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (contract(cap=0.01, collar=0.03), "the collar 0.03 lies above the cap 0.01"),
        (contract(review_month=13), "at most 12"),
        (contract(review_month=0), "at least 1"),
        (contract(review_month=6.5), "whole number"),
        (contract(phase_in=[0.0, 0.5, 1.2, 1.0]), "expected a share"),
        (contract(base=float("nan")), "expected a finite number"),
        (contract(base=float("inf")), "expected a finite number"),
        (
            contract(growth="cpii"),
            "uses driver 'cpii', which the plan does not hold. Did you mean 'cpi'",
        ),
        (contract(growth="5.5%"), r"write 0\.055"),
        (contract(kind="contrakt"), "unknown kind 'contrakt'. Did you mean 'contract'"),
        (fees(elasticity=0.5), "at most 0"),
        (fees(income=-5.0), "at least 0"),
    ],
    ids=range(12),
)
def test_a_line_that_cannot_be_says_what_to_do(line, says):
    with pytest.raises(PlanError, match=says):
        council(drivers=[{"name": "cpi", "central": 0.02}], lines=[line])
