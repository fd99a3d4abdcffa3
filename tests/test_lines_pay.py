"""Pay: awards, on-costs, vacancies and agency staff, by hand."""

import pytest
from councils import council, line_cost, run

from mtfs import PlanError


def pay(**fields):
    return {"kind": "pay", "name": "staff", "pay": 1_000_000.0} | fields


def test_awards_compound():
    assert line_cost(pay(award=[0.03, 0.02, 0.02, 0.0])) == pytest.approx(
        [1e6 * 1.03, 1e6 * 1.03 * 1.02, 1e6 * 1.03 * 1.02**2, 1e6 * 1.03 * 1.02**2]
    )


def test_a_flat_cash_award_is_pounds_a_post_and_stays():
    # the 1,925 of 2022/23 and 2023/24 for 40 posts, nothing after
    found = line_cost(pay(posts=40.0, flat_award=[1925.0, 1925.0, 0.0, 0.0]))
    assert found == [1e6 + 77_000, 1e6 + 154_000, 1e6 + 154_000, 1e6 + 154_000]


def test_a_flat_award_comes_before_the_years_percentage():
    found = line_cost(pay(posts=40.0, flat_award=1000.0, award=0.02))
    year_1 = (1e6 + 40_000) * 1.02
    assert found[:2] == pytest.approx([year_1, (year_1 + 40_000) * 1.02])


def test_pension_and_national_insurance_are_on_costs_of_pay():
    # 40 posts, 5,000 of each free of insurance: (1,000,000 - 200,000) x 15%
    found = line_cost(pay(posts=40.0, pension=0.2, national_insurance=0.15, threshold=5000.0))
    assert found == pytest.approx([1_000_000 * 1.2 + 800_000 * 0.15] * 4)


def test_no_insurance_is_due_where_the_threshold_exceeds_pay():
    assert line_cost(pay(posts=100.0, national_insurance=0.15, threshold=20_000.0)) == [1e6] * 4


def test_a_pension_step_is_a_pressure_on_the_base():
    line = pay(pension=[0.15, 0.15, 0.15, 0.18], base_pension=0.2)
    ds = run(council(lines=[line]), n_draws=1).isel(draw=0)
    assert ds["pressure"].sel(cause="pay").values == pytest.approx(
        [-50_000, -50_000, -50_000, -20_000]
    )


def test_a_change_of_insurance_is_a_pressure_on_the_base():
    # April 2025: from 13.8% above 9,100 to 15% above 5,000; 40 posts
    line = pay(
        posts=40.0,
        national_insurance=0.15,
        base_national_insurance=0.138,
        threshold=5000.0,
        base_threshold=9100.0,
    )
    ds = run(council(lines=[line]), n_draws=1).isel(draw=0, year=0)
    expected = (1e6 - 200_000) * 0.15 - (1e6 - 364_000) * 0.138
    assert float(ds["pressure"].sel(cause="pay")) == pytest.approx(expected)


def test_vacancies_save_on_costs_too_and_agency_fills_part_of_what_is_filled():
    found = line_cost(pay(pension=0.2, vacancies=0.05, agency=0.1, agency_premium=0.4))
    assert found == pytest.approx([1e6 * 1.2 * 0.95 * (1 + 0.1 * 0.4)] * 4)


def test_the_base_year_bears_the_same_vacancies_and_agency():
    line = pay(award=0.03, vacancies=0.05, agency=0.1, agency_premium=0.4)
    ds = run(council(lines=[line]), n_draws=1).isel(draw=0, year=0)
    assert float(ds["pressure"].sel(cause="pay")) == pytest.approx(0.03 * 1e6 * 0.95 * 1.04)


def test_the_award_may_be_a_driver():
    drivers = [{"name": "award", "central": 0.03, "sd": 0.01, "persistence": 0}]
    ds = run(council(drivers=drivers, lines=[pay(award="award")]), n_draws=5)
    expected = 1e6 * (1 + ds["path"].sel(driver="award")).cumprod("year")
    assert ds["cost"].sel(line="staff").values == pytest.approx(expected.values)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"flat_award": 1000.0}, "give 'posts'"),
        ({"threshold": 5000.0}, "give 'posts'"),
        ({"pension": 1.2}, "expected a share from 0 to 1"),
        ({"vacancies": 5.0}, r"write 5% as 0\.05"),
        ({"pay": -1.0}, "at least 0"),
        ({"pay": True}, "expected a number"),
        ({"payy": 1.0}, "unknown key 'payy'. Did you mean 'pay'"),
    ],
)
def test_a_pay_line_that_cannot_be_says_what_to_do(fields, says):
    with pytest.raises(PlanError, match=says):
        council(lines=[pay(**fields)])


def test_a_share_that_follows_a_driver_needs_one_that_is_bounded():
    drivers = [{"name": "v", "central": 0.05, "sd": 0.02, "persistence": 0}]
    with pytest.raises(PlanError, match="has shape normal, which does not stay between 0 and 1"):
        council(drivers=drivers, lines=[pay(vacancies="v")])


@pytest.mark.parametrize(
    "driver",
    [
        {"name": "v", "central": 85.0},
        {
            "name": "v",
            "shape": "pert",
            "bounds": [0.0, 3.0],
            "central": 1.0,
            "stated_as": "mode",
            "persistence": 0,
        },
        {"name": "v", "shape": "empirical", "values": [0.8, 85.0], "persistence": 0},
        {
            "name": "v",
            "shape": "discrete",
            "persistence": 0,
            "states": [{"name": "a", "probability": 1.0, "values": -0.2}],
        },
    ],
    ids=["certain", "bounds", "history", "states"],
)
def test_a_share_may_not_follow_a_driver_that_leaves_nought_to_one(driver):
    with pytest.raises(PlanError, match="share"):
        council(drivers=[driver], lines=[pay(vacancies="v")])


def test_leavers_cost_by_the_post_and_grow_with_pay():
    # 15 of 100 posts fall vacant a year, at 5,000 each, 5,250 and 5,512.50 after awards of 5%
    # each; a tenth of the pay bill is not spent, which leaves what leavers cost as it is
    line = {
        "kind": "pay",
        "name": "social workers",
        "pay": 4e6,
        "award": [0.05, 0.05, 0.0, 0.0],
        "vacancies": 0.1,
        "posts": 100.0,
        "turnover": [0.15, 0.15, 0.15, 0.10],
        "leaver_cost": 5000.0,
    }
    pay = [0.9 * 4.2e6, 0.9 * 4.41e6, 0.9 * 4.41e6, 0.9 * 4.41e6]
    leavers = [15 * 5250.0, 15 * 5512.5, 15 * 5512.5, 10 * 5512.5]
    assert line_cost(line) == pytest.approx([a + b for a, b in zip(pay, leavers, strict=True)])
    base = run(council(lines=[line]))["base_cost"].item()
    assert base == pytest.approx(0.9 * 4e6 + 15 * 5000.0)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"turnover": 0.15, "leaver_cost": 5e3}, "are by the post; give 'posts'"),
        ({"turnover": 0.15, "posts": 100.0}, "go together"),
        ({"leaver_cost": 5e3, "posts": 100.0}, "go together"),
        ({"turnover": 1.5, "leaver_cost": 5e3, "posts": 100.0}, "expected a share from 0 to 1"),
    ],
    ids=range(4),
)
def test_turnover_that_is_not_said_whole_is_refused(parts, says):
    with pytest.raises(PlanError, match=says):
        council(lines=[{"kind": "pay", "name": "staff", "pay": 4e6} | parts])
