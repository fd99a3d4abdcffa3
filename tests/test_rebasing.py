"""Rebasing a plan on the year before: sums by hand, and what is refused."""

import math

import numpy as np
import pytest
from councils import council, first, run
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import mtfs
from mtfs import Monitoring, PlanError, drift_evidence, rebase
from mtfs.belief import CORRELATION
from mtfs.distributions import Beta

GROWTH = {
    "kind": "change",
    "name": "growth for children",
    "cause": "people",
    "service": "children",
    "levels": [3e6, 4e6, 5e6, 6e6],
}
PAY = {"kind": "budget", "name": "staff", "base": 10e6, "growth": [0.05, 0.02, 0.02, 0.02]}
PLACEMENTS = {
    "name": "placements",
    "service": "children and families",
    "cause": "price",
    "amount": 8e6,
    "one_off": 1e6,
    "recurrent_share": 0.9,
    "full_year_effect": 2e6,
}


def year(*variances, **parts):
    outturn = math.fsum(v["amount"] for v in variances if v["service"] == "children and families")
    services = [{"name": "children and families", "outturn": {"variance": outturn}}]
    return Monitoring.model_validate(
        {
            "council": "Anyshire",
            "year": "2025/26",
            "services": services,
            "variances": variances,
        }
        | parts
    )


def plan(**parts):
    return council(**({"lines": [GROWTH, PAY]} | parts))


def gap(held):
    return first(run(held)["planned_gap"].expand_dims("draw"))


def added(*variances, before=None, **parts):
    """Give what rebasing adds to the planned gap, by year."""
    before = plan() if before is None else before
    after = rebase(before, year(*variances, **parts))
    return (np.array(gap(after)) - np.array(gap(before))).tolist()


# By hand


def test_a_rebased_plan_does_not_lose_a_full_year_effect():
    # 8 over budget, 1 of it one-off; the placements made during the year cost 2 more in a full one.
    # Nine tenths of what stands at the year's end comes back, 0.9 x (7 + 2) = 8.1 in every year.
    assert added(PLACEMENTS) == pytest.approx([8.1e6] * 4)
    assert added(PLACEMENTS | {"full_year_effect": 0.0}) == pytest.approx([6.3e6] * 4)


def test_a_year_end_rate_says_the_same():
    # at 9 a year over budget: 0.9 x (7 + (9 - 7)) = 8.1
    by_rate = {k: v for k, v in PLACEMENTS.items() if k != "full_year_effect"} | {"run_rate": 9e6}
    assert added(by_rate) == pytest.approx([8.1e6] * 4)
    # where all of it recurs the next year's cost is the year-end rate, nothing lost or added
    assert added(by_rate | {"recurrent_share": 1.0}) == pytest.approx([9e6] * 4)


def test_a_year_end_rate_below_the_years_is_not_counted_down_twice():
    # 4 over in the year, 1 a year at its end: half of the 1 comes back, not half of 4 less 3
    falls = PLACEMENTS | {"amount": 4e6, "one_off": 0.0, "recurrent_share": 0.5, "run_rate": 1e6}
    del falls["full_year_effect"]
    assert added(falls) == pytest.approx([0.5e6] * 4)


def test_a_rebased_plan_does_not_count_planned_growth_twice():
    # The plan holds 3 of growth in its first year for this cause: 8.1 - 3 = 5.1 is added. The
    # plan's gap then is 3 + 5.1 = 8.1 from that cause in the first year, and the later growth of
    # 1 a year is for later years' placements.
    provided = PLACEMENTS | {"provided": [{"line": "growth for children"}]}
    assert added(provided) == pytest.approx([5.1e6] * 4)
    only = rebase(council(lines=[GROWTH]), year(provided))
    assert gap(only) == pytest.approx([8.1e6, 9.1e6, 10.1e6, 11.1e6])


def test_growth_of_a_line_is_its_first_year_over_its_base_by_the_share_put_in():
    # staff 10 x 1.05 = 10.5, so 0.5 of growth, of which 0.4 for this: 8.1 - 0.2
    provided = PLACEMENTS | {"provided": [{"line": "staff", "share": 0.4}]}
    assert added(provided) == pytest.approx([7.9e6] * 4)
    both = PLACEMENTS | {"provided": [{"line": "staff", "share": 0.4}, GROWTH_SHARE]}
    assert added(both) == pytest.approx([(8.1 - 0.2 - 1.5) * 1e6] * 4)


GROWTH_SHARE = {"line": "growth for children", "share": 0.5}


def test_growth_provided_for_what_does_not_come_back_is_not_needed():
    # 1 over, none of it again, 3 provided: 3 too much, and nothing keeps that above 0
    gone = PLACEMENTS | {"amount": 1e6, "one_off": 0.0, "full_year_effect": 0.0}
    gone |= {"recurrent_share": 0.0, "provided": [{"line": "growth for children"}]}
    assert added(gone) == pytest.approx([-3e6] * 4)


def test_a_one_off_leaves_nothing_behind():
    flood = {
        "name": "flood",
        "service": "children and families",
        "cause": "weather",
        "amount": 1e6,
        "recurrence": "one_off",
    }
    assert added(flood) == [0.0] * 4
    assert added(flood, PLACEMENTS) == pytest.approx([8.1e6] * 4)


def test_an_underspend_comes_back_too():
    vacancies = PLACEMENTS | {"name": "vacancies", "amount": -2e6, "one_off": -1.5e6}
    vacancies |= {"recurrent_share": 1.0, "full_year_effect": 0.0}
    assert added(vacancies) == pytest.approx([-0.5e6] * 4)


def test_indexed_sums_grow_from_the_prices_of_the_year_monitored_and_planned_growth_does_not():
    fees = {"name": "fees", "central": 0.1}
    provided = PLACEMENTS | {"index": "fees", "provided": [{"line": "growth for children"}]}
    found = added(provided, before=plan(drivers=[fees]))
    assert found == pytest.approx([8.1e6 * 1.1**t - 3e6 for t in (1, 2, 3, 4)])


def test_lines_bear_the_cause_the_service_and_the_source():
    services = [
        {
            "name": "children and families",
            "plan_service": "children",
            "outturn": {"variance": 8e6},
        }
    ]
    provided = PLACEMENTS | {"provided": [GROWTH_SHARE], "source": "table 3"}
    after = rebase(plan(), year(provided, services=services))
    lines = after.lines[2:]
    assert [line.name for line in lines] == [
        "rebased: placements, recurrent",
        "rebased: placements, full-year effect",
        "rebased: placements, already planned",
    ]
    assert {line.cause for line in lines} == {"price"}
    assert {line.service for line in lines} == {"children"}
    assert lines[0].source == "Monitoring of Anyshire, 2025/26: table 3"
    assert after.lines[:2] == plan().lines
    pressure = run(after)["planned_pressure"].sel(cause="price")
    assert pressure.values[0] == pytest.approx((8.1 - 1.5 + 0.5) * 1e6)  # staff prices: 0.5


FORECAST = {
    "name": "children and families",
    "budget": 100e6,
    "forecasts": [{"period": 9, "variance": 8e6}],
}


def test_a_latest_forecast_stands_in_for_an_outturn_that_is_not_known_yet():
    # the council's own table holds what is forecast: 0.9 x (7 + 2)
    assert added(PLACEMENTS, services=[FORECAST]) == pytest.approx([8.1e6] * 4)


def test_an_outturn_that_is_not_known_yet_may_end_elsewhere_and_comes_back_as_its_causes_do():
    cost = {"name": "more children", "service": "children and families", "cause": "people"}
    more = PLACEMENTS | {"amount": 6e6, "one_off": 0.0, "full_year_effect": 0.0}
    gone = cost | {"amount": 2e6, "recurrence": "one_off"}
    held = year(more, gone, services=[FORECAST])
    after = rebase(plan(), held)
    line = next(each for each in after.lines if each.cause == "outturn not known yet")
    # nine tenths of six eighths of what the outturn ends beside the forecast stands next year
    assert line.levels == pytest.approx(100e6 * 0.9 * 6 / 8)
    n = 20_000
    ds = run(after, n_draws=n, seed=3)
    error = ds["gap"].isel(year=0) - ds["planned_gap"].isel(year=0)
    ends = mtfs.forecast_outturn(held, n_draws=n, seed=3)["outturn_variance"].isel(service=0)
    assert float(error.mean()) == pytest.approx(0, abs=4 * float(error.std()) / math.sqrt(n))
    assert float(error.std()) == pytest.approx(0.675 * float(ends.std()), rel=0.05)
    steps = ds["gap"].diff("year") - ds["planned_gap"].diff("year")
    np.testing.assert_allclose(steps, 0.0, atol=1)  # the same in every year


def test_errors_of_two_services_go_together_and_a_known_outturn_has_none():
    roads = {"name": "roads", "budget": 40e6, "forecasts": [{"period": 6, "variance": 1e6}]}
    known = {"name": "libraries", "outturn": {"variance": 0.5e6}}
    each = {"cause": "price", "recurrent_share": 1.0, "full_year_effect": 0.0}
    variances = [
        PLACEMENTS,
        {"name": "works", "service": "roads", "amount": 1e6} | each,
        {"name": "books", "service": "libraries", "amount": 0.5e6} | each,
    ]
    after = rebase(plan(), year(*variances, services=[FORECAST, roads, known]))
    ds = run(after, n_draws=20_000, seed=5)
    names = [str(name) for name in ds["driver"].values]
    assert names == [
        "children and families: outturn not known yet",
        "roads: outturn not known yet",
    ]
    drawn = ds["path"].isel(year=0)
    found = stats.spearmanr(*drawn.values).statistic
    expected = 6 / math.pi * math.asin(CORRELATION / 2)
    assert found == pytest.approx(expected, abs=4 / math.sqrt(20_000))


def test_a_forecast_without_a_budget_cannot_say_how_sure_it_is():
    bare = {key: value for key, value in FORECAST.items() if key != "budget"}
    with pytest.raises(PlanError, match="has no outturn yet, and how far it may end"):
        rebase(plan(), year(PLACEMENTS, services=[bare]))


# Distributions


def test_the_rebased_gap_has_the_distribution_of_the_share():
    share = {"mean": 0.8, "sd": 0.1}
    after = rebase(plan(), year(PLACEMENTS | {"recurrent_share": share}))
    (driver,) = after.drivers
    assert (driver.name, driver.shape) == ("recurrent share: placements", "beta")
    n = 20_000
    ds = run(after, n_draws=n, seed=4)
    extra = ds["gap"] - run(plan())["planned_gap"]
    # (7 + 2) x beta, the same share in every year
    assert abs(float(extra.isel(year=0).mean()) - 7.2e6) < 4 * 0.9e6 / math.sqrt(n)
    assert float(extra.isel(year=0).std()) == pytest.approx(0.9e6, rel=0.03)
    np.testing.assert_allclose(extra.isel(year=3), extra.isel(year=0), atol=1)
    assert 0 <= float(extra.min()) <= float(extra.max()) <= 9e6
    assert gap(after)[0] - gap(plan())[0] == pytest.approx(7.2e6)  # planned: the mean


@pytest.mark.parametrize("word", ["children", "adults"])
def test_the_record_of_the_returns_may_exceed_one_and_is_drawn_once(word):
    record = drift_evidence(word).recurrent
    mean, sd = record.mean, record.sd
    exact = Beta.from_mean(mean, sd, 0.0, 1.5)
    by_word = {k: v for k, v in PLACEMENTS.items() if k != "full_year_effect"}
    by_word |= {"recurrent_share": word}
    other = by_word | {"name": "fostering", "amount": 2e6, "one_off": 0.0}
    after = rebase(plan(), year(by_word, other))
    (driver,) = after.drivers  # one record, one draw for both
    assert "returns" in driver.source
    assert (driver.central, driver.sd, driver.bounds) == (mean, sd, (0.0, 1.5))
    ds = run(after, n_draws=5000, seed=2)
    share = ds["path"].isel(driver=0, year=0)
    assert abs(float(share.mean()) - mean) < 4 * sd / math.sqrt(5000)
    chance = float((share > 1).mean())
    above = stats.beta(exact.a, exact.b, 0, 1.5).sf(1)
    assert abs(chance - above) < 4 * math.sqrt(above * (1 - above) / 5000)
    cost = ds["cost"].isel(year=0)
    recurrent = cost.sel(line="rebased: placements, recurrent")
    np.testing.assert_allclose(
        recurrent / 7e6, cost.sel(line="rebased: fostering, recurrent") / 2e6
    )


@given(
    amount=st.floats(-1e7, 1e7).map(lambda x: round(x, 2)),
    share=st.floats(0, 1.5),
    effect=st.floats(-1e6, 1e6),
    given_share=st.floats(0.01, 1),
)
def test_what_is_added_is_the_formula_for_any_signs(amount, share, effect, given_share):
    one = PLACEMENTS | {"amount": amount, "one_off": 0.0, "recurrent_share": share}
    one |= {
        "full_year_effect": effect,
        "provided": [{"line": "growth for children", "share": given_share}],
    }
    expected = share * (amount + effect) - given_share * 3e6
    assert added(one) == pytest.approx([expected] * 4, abs=1e-3)


def test_the_table_adds_up_to_what_is_added():
    provided = PLACEMENTS | {"provided": [{"line": "growth for children"}]}
    gone = provided | {"name": "flood", "amount": 1e6, "recurrence": "one_off"}
    gone = {k: gone[k] for k in ("name", "service", "cause", "amount", "recurrence")}
    held = year(provided, gone)
    table = mtfs.rebase_table(plan(), held)
    row = table.loc["placements"]
    assert row.drop("service").tolist() == pytest.approx([8, 1, 0.9, 6.3, 1.8, -3, 5.1])
    assert table.loc["flood", ["one_off", "added"]].tolist() == [1, 0]
    assert table.loc["total", "added"] == pytest.approx(added(provided, gone)[0] / 1e6)


# What is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"provided": [{"line": "growth of children"}]},
            (
                "'placements' is provided for by 'growth of children', which is no line of the "
                "plan. Did you mean 'growth for children'?"
            ),
        ),
        ({"index": "fees"}, "grows with 'fees', which is no driver of the plan. It has: none."),
    ],
)
def test_what_the_plan_does_not_hold_is_named(change, message):
    with pytest.raises(PlanError) as caught:
        rebase(plan(), year(PLACEMENTS | change))
    assert message in str(caught.value)


def test_the_plan_starts_the_year_after():
    with pytest.raises(PlanError, match="starts in 2026/27 and the monitoring is of 2024/25"):
        rebase(plan(), year(PLACEMENTS, year="2024/25"))
    with pytest.raises(PlanError, match="a plan that starts in 2025/26"):
        rebase(plan(), year(PLACEMENTS, year="2024/25"))


def test_a_plan_is_rebased_once():
    once = rebase(plan(), year(PLACEMENTS))
    with pytest.raises(PlanError, match="was rebased with 'placements' before"):
        rebase(once, year(PLACEMENTS))


def test_a_document_without_variances_cannot_rebase():
    with pytest.raises(PlanError, match="holds no 'variances'"):
        rebase(plan(), year())


def test_a_plan_without_lines_can_be_rebased():
    levy = {"kind": "grant", "name": "grant", "amount": 1e6}
    before = council(funding=[levy])
    assert added(PLACEMENTS, before=before) == pytest.approx([8.1e6] * 4)


def test_a_rebased_plan_can_be_saved_and_read_back(tmp_path):
    after = rebase(plan(), year(PLACEMENTS | {"recurrent_share": {"mean": 0.8, "sd": 0.1}}))
    file = mtfs.save_plan(after, tmp_path / "rebased.yaml")
    assert mtfs.load_plan(file) == after
    assert mtfs.load_plan(file).digest == after.digest


def test_a_ring_fenced_grant_on_a_line_is_not_a_fall_of_its_growth():
    # staff grow from 10m to 10.5m; the grant of 4m pays for a part of it in the base year too
    grant = {
        "kind": "grant",
        "name": "staff grant",
        "amount": 4e6,
        "ring_fenced_to": "staff",
        "rest_to": "general fund",
    }
    funds = {"funds": [{"name": "general fund", "opening": 1e6}], "surplus_to": "general fund"}
    before = plan(funding=[grant], reserves=funds)
    given = PLACEMENTS | {"provided": [{"line": "staff"}]}
    assert added(given, before=before) == pytest.approx([0.9 * 9e6 - 0.5e6] * 4)


def test_growth_of_a_line_without_a_base_year_cannot_be_taken_off():
    care = {"kind": "care", "name": "homes", "people_by_year": [80.0] * 4, "weekly_cost": 1000.0}
    given = PLACEMENTS | {"provided": [{"line": "homes"}]}
    with pytest.raises(PlanError, match=r"'homes'.*does not say what it cost in the base year"):
        rebase(plan(lines=[care]), year(given))


def test_a_service_that_the_plan_does_not_hold_is_said():
    services = [
        {
            "name": "children and families",
            "plan_service": "chldren",
            "outturn": {"variance": 8e6},
        }
    ]
    with pytest.raises(PlanError, match=r"'chldren', .* Did you mean 'children'\?"):
        rebase(plan(), year(PLACEMENTS, services=services))
