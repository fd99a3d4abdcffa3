"""Changes with a cause, risks, and contingency that never pays for a variance twice."""

import numpy as np
import pytest
from councils import BUDGET, YEARS, council, first, line_cost, run
from hypothesis import given
from hypothesis import strategies as st

from mtfs import PlanError, project
from mtfs.distributions import quantile_score


def change(changes, **fields):
    return {
        "kind": "change",
        "name": "change",
        "cause": "demography",
        "changes": list(changes),
    } | fields


def test_a_recurrent_change_moves_the_base_for_ever():
    assert line_cost(change([100.0, 0.0, -30.0, 0.0])) == [100, 100, 70, 70]


def test_a_one_off_reverses_the_year_after():
    ds = run(council(lines=[change([100.0, 0.0, 0.0, 20.0], recurrence="one_off")]), n_draws=1)
    assert first(ds["gap"]) == [100, 0, 0, 20]
    assert first(ds["annual_gap"]) == [100, -100, 0, 20]


def test_a_temporary_item_ends():
    # two-year investments of 120, as in Leicestershire's amendment to its budget of 2026/27
    line = change([120.0, 0.0, 0.0, 0.0], recurrence="temporary", until=YEARS[1])
    assert line_cost(line) == [120, 120, 0, 0]


def test_a_part_year_start_leaves_its_remainder_to_the_next_year():
    assert line_cost(change([100.0, 40.0, 0.0, 0.0], part_year=0.25)) == [25, 110, 140, 140]


def test_part_year_and_remainder_add_up():
    levels = np.array(line_cost(change([100.0, 0.0, 0.0, 0.0], part_year=0.3)))
    assert np.diff(levels, prepend=0).tolist() == [30, 70, 0, 0]


def test_levels_stand_as_they_are():
    line = {"kind": "change", "name": "x", "cause": "policy", "levels": [5.0, 9.0, -3.0, 0.0]}
    assert line_cost(line) == [5, 9, -3, 0]


def test_sums_in_base_year_prices_follow_their_index_and_multiplier():
    line = change([100.0, 0.0, 0.0, 0.0], index=0.1, multiplier=[1.0, 1.5, 1.0, 1.0])
    assert line_cost(line) == pytest.approx([110, 121 * 1.5, 133.1, 146.41])


def test_a_cause_collects_what_lines_book_under_it():
    lines = [
        change([10.0] * 4),
        change([5.0] * 4, name="b"),
        change([1.0] * 4, name="c", cause="policy"),
    ]
    ds = run(council(lines=lines), n_draws=1).isel(draw=0)
    assert ds["pressure"].sel(cause="demography").values.tolist() == [15, 30, 45, 60]
    assert ds["pressure"].sel(cause="policy").values.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"changes": None}, "give either 'changes'"),
        ({"levels": 1.0}, "give either 'changes'"),
        ({"until": YEARS[0]}, "'until' .* goes with recurrence 'temporary'"),
        ({"recurrence": "temporary"}, "'until' .* goes with recurrence 'temporary'"),
        (
            {"recurrence": "temporary", "until": "2040/41"},
            "'until' is 2040/41; the plan's years are",
        ),
        ({"recurrence": "one_off", "part_year": 0.5}, "a one-off has no full-year remainder"),
        ({"changes": [1.0]}, "'changes' holds 1 values; expected one for each of the 4 years"),
        ({"part_year": 0.0}, "above 0"),
        ({"until": "2026/28"}, "found year '2026/28'; expected a financial year such as"),
        ({"cause": None}, "'cause' is missing"),
        ({"recurrence": "one off"}, "Did you mean 'one_off'"),
    ],
    ids=range(11),
)
def test_a_change_that_cannot_be_says_what_to_do(fields, says):
    line = {k: v for k, v in (change([1.0] * 4) | fields).items() if v is not None}
    with pytest.raises(PlanError, match=says):
        council(lines=[line])


# Risks


def risk(**fields):
    return {
        "kind": "risk",
        "name": "flood",
        "probability": 0.25,
        "impact": 100.0,
        "year": YEARS[1],
    } | fields


def test_a_risk_happens_in_its_share_of_draws_from_its_year_on():
    n = 20_000
    cost = run(council(lines=[risk()]), n_draws=n)["cost"].squeeze().values
    happens = cost[:, 1] == 100
    assert happens.mean() == pytest.approx(0.25, abs=4 * 0.433 / np.sqrt(n))
    assert cost[happens][0].tolist() == [0, 100, 100, 100]
    assert cost[~happens].max() == 0


def test_a_risk_may_last_some_years_and_grow():
    assert line_cost(risk(probability=1.0, lasts=2)) == [0, 100, 100, 0]
    assert line_cost(risk(probability=1.0, impact=[1.0, 2.0, 3.0, 4.0])) == [0, 2, 3, 4]


def test_the_councils_table_holds_what_it_sets_aside_for_a_risk():
    ds = run(council(lines=[risk(planned=[0.0, 25.0, 25.0, 25.0])]))
    assert ds["planned_gap"].values.tolist() == [0, 25, 25, 25]


def test_a_risk_happens_below_the_score_of_its_probability():
    plan = council(lines=[risk()])
    z = np.array([quantile_score(0.249), quantile_score(0.251)])
    scores = {"flood.happens": z, "closure.delivery": np.zeros(2), "savings.common": np.zeros(2)}
    ds = project(plan, scores)
    assert ds["cost"].squeeze().values[:, 1].tolist() == [100, 0]


def test_risks_outside_the_plan_are_refused():
    with pytest.raises(PlanError, match="'year' is 2031/32; the plan's years are"):
        council(lines=[risk(year="2031/32")])
    with pytest.raises(PlanError, match="above 0"):
        council(lines=[risk(probability=0.0)])


# Contingency

CPI = {"name": "cpi", "central": 0.0, "sd": 0.1, "persistence": 0}
ROADS = BUDGET | {"growth": "cpi"}


def contingency(amount, **fields):
    return {
        "kind": "contingency",
        "name": "contingency",
        "amount": amount,
        "covers": "all",
    } | fields


def shaken(plan, *scores):
    """Project one year on given scores of CPI, everything else at its median."""
    z = np.array([scores], dtype=float)
    return project(plan, {"cpi": z, "closure.delivery": 0 * z[0], "savings.common": 0 * z[0]})


def test_a_draws_gap_is_the_planned_gap_plus_the_variance_less_contingency():
    tax = {"kind": "other", "name": "tax", "levels": 1000.0}
    plan = council(horizon=1, drivers=[CPI], lines=[ROADS, contingency(200.0)], funding=[tax])
    ds = shaken(plan, -1, 0, 1, 3)  # roads cost 900, 1000, 1100 and 1300
    assert ds["planned_gap"].item() == 1000 + 200 - 1000
    variance = np.array([-100, 0, 100, 300])
    np.testing.assert_allclose(ds["gap"].squeeze(), 200 + variance - 200, atol=1e-9)
    np.testing.assert_allclose(ds["contingency_spent"].squeeze(), [0, 0, 100, 200], atol=1e-9)


def test_contingency_is_spent_on_the_lines_it_covers_alone():
    parks = BUDGET | {"name": "parks"}
    lines = [parks, ROADS, contingency(50.0, covers=["parks"])]
    plan = council(horizon=1, drivers=[CPI], lines=lines)
    np.testing.assert_array_equal(shaken(plan, 2)["contingency_spent"], [[[0.0]]])
    lines[2] = contingency(50.0, covers=["roads"])
    plan = council(horizon=1, drivers=[CPI], lines=lines)
    np.testing.assert_array_equal(shaken(plan, 2)["contingency_spent"], [[[50.0]]])


def test_underspends_and_overspends_of_covered_lines_offset():
    fall = BUDGET | {"name": "fuel", "base": 400.0, "growth": "opposite"}
    opposite = {"name": "opposite", "mix": [{"driver": "cpi", "weight": -1.0}]}
    plan = council(horizon=1, drivers=[CPI, opposite], lines=[ROADS, fall, contingency(500.0)])
    np.testing.assert_allclose(shaken(plan, 1)["contingency_spent"], [[[100 - 40]]])


def test_a_grant_that_ends_is_not_an_overspend_of_any_line():
    grant = {
        "kind": "grant",
        "name": "social care grant",
        "amount": 100.0,
        "ends": "2026/27",
        "planned_to_continue": True,
        "side": "requirement",
    }
    contingency = {"kind": "contingency", "name": "contingency", "amount": 50.0, "covers": "all"}
    ds = run(council(lines=[BUDGET, contingency], funding=[grant]), n_draws=1)
    assert first(ds["requirement"] - ds["planned_requirement"]) == [-50, 50, 50, 50]
    assert first(ds["contingency_spent"]) == [0] * 4


def test_contingency_pays_for_a_risk_that_happens():
    lines = [risk(probability=1.0, year=YEARS[0]), contingency(30.0)]
    ds = run(council(lines=lines), n_draws=1)
    assert first(ds["contingency_spent"]) == [30] * 4
    assert first(ds["gap"]) == [100] * 4  # the risk stands in cost; contingency costs nothing more


@given(st.lists(st.floats(-4, 4), min_size=1, max_size=20), st.floats(0, 1000))
def test_what_is_spent_is_never_negative_nor_more_than_there_is(scores, amount):
    plan = council(horizon=1, drivers=[CPI], lines=[ROADS, contingency(amount)])
    ds = shaken(plan, *scores)
    spent = ds["contingency_spent"].squeeze("contingency")
    assert (spent >= 0).all()
    assert (spent <= amount).all()
    variance = ds["cost"].sel(line="roads") - ds["planned_cost"].sel(line="roads")
    np.testing.assert_allclose(spent, variance.clip(0, amount), atol=1e-9)
    np.testing.assert_allclose(ds["gap"], variance + ds["planned_gap"] - amount, atol=1e-9)


def test_removing_last_years_contingency_is_a_negative_pressure():
    ds = run(council(lines=[BUDGET, contingency(30.0, base=50.0)]), n_draws=1)
    assert ds["planned_pressure"].sel(cause="contingency").values.tolist() == [-20] * 4
    assert first(ds["pressure"].sel(cause="contingency")) == [-50] * 4


def test_no_line_is_covered_twice():
    two = [contingency(1.0), contingency(1.0, name="more", covers=["roads"])]
    with pytest.raises(
        PlanError, match=r"'roads' is already covered by 'contingency'.*paid for twice"
    ):
        council(lines=[BUDGET, *two])


@pytest.mark.parametrize(
    ("covers", "says"),
    [
        ([], "'covers' is empty"),
        (["raods"], "uses line 'raods', which the plan does not hold. Did you mean 'roads'"),
        ("roads", "covers"),
    ],
    ids=range(3),
)
def test_contingency_covers_lines_that_exist(covers, says):
    with pytest.raises(PlanError, match=says):
        council(lines=[BUDGET, contingency(1.0, covers=covers)])
