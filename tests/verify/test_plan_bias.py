"""Whether today's plan is optimistic against the council's own record."""

import pytest
from past_plans import BRIGHTON_PAY, EAST_SUSSEX, PAY_SETTLED

import mtfs
from mtfs.verify import PastPlan, optimism, optimism_words, track_record
from mtfs.vocabulary import MtfsError

PAY = track_record(BRIGHTON_PAY, quantity="pay award", basis="outturn", outturn=PAY_SETTLED)


def plan(pay, tax=0.03):
    return {
        "council": "Anyshire",
        "first_year": "2026/27",
        "horizon": 4,
        "drivers": [
            {"name": "pay award", "central": pay, "sd": 0.01, "persistence": 0.5},
            {"name": "tax", "central": tax, "sd": 0.01, "persistence": 0.5},
        ],
        "lines": [{"kind": "budget", "name": "staff", "base": 1e8, "growth": "pay award"}],
    }


def test_a_pay_award_below_what_came_of_past_ones_is_optimistic():
    table = optimism(plan([0.0275, 0.025, 0.025, 0.025]), PAY, seed=1)
    first = table.loc[("pay award", "2026/27")]
    assert first["verdict"] == "optimistic"
    assert first["mean_error"] == pytest.approx(0.0287 / 4)
    assert first["expected"] == pytest.approx(0.0275 + 0.0287 / 4)
    assert first["came"] == pytest.approx((4.04 + 3.88 + 2.5 + 3.2) / 400)
    assert first["below"] == pytest.approx(0.76, abs=0.06)  # 0.72 s.d. above the middle
    assert table["verdict"].tolist() == ["optimistic"] * 3 + ["no record"]
    assert table["errors"].tolist() == [4, 3, 2, 0]


def test_a_pay_award_above_what_came_allows_for_the_record():
    table = optimism(plan(0.04), PAY, seed=1)
    assert table["verdict"].tolist()[:2] == ["allowed for"] * 2


def test_plans_that_came_out_better_are_not_optimistic():
    made = [PastPlan(made="2023-02", values={"2023/24": 0.05})]
    record = track_record(made, quantity="tax", basis="outturn", outturn={"2023/24": 0.03})
    assert optimism(plan(0.03), record, seed=1)["verdict"].iloc[0] == "not optimistic"
    income = track_record(
        made, quantity="tax", basis="outturn", outturn={"2023/24": 0.03}, adverse="below"
    )
    # allowed for: today's 3% is no more than what came of it
    assert optimism(plan(0.03), income, seed=1)["verdict"].iloc[0] == "allowed for"
    high = optimism(plan(0.03, tax=0.04), income, seed=1)
    assert high["verdict"].iloc[0] == "optimistic"


def test_a_gap_is_held_against_its_own_revisions_in_words():
    ds = mtfs.project_gap(mtfs.load_example("east_sussex_2026"), n_draws=200, seed=1)
    record = track_record(EAST_SUSSEX, quantity="gap", basis="revision")
    table = optimism(ds, [record])
    assert table["verdict"].tolist() == ["optimistic", "optimistic", "no record"]
    assert table["came"].isna().all()
    words = optimism_words(table).splitlines()
    assert words[0].startswith(
        "gap, 2026/27: optimistic. The plan states GBP 55.6m; 1 past plan 1 year ahead came out "
        "GBP +19.1m on average (worth 1 independent, 100% adverse), so GBP 74.8m would be like it"
    )
    assert words[-1] == "No record so many years ahead: gap 2028/29."


def test_wrong_input_is_answered():
    with pytest.raises(MtfsError, match="no record is given"):
        optimism(plan(0.03), [])
    other = track_record(BRIGHTON_PAY, quantity="pay awrd", basis="outturn", outturn=PAY_SETTLED)
    with pytest.raises(MtfsError, match=r"no driver of the plan .* Did you mean 'pay award'"):
        optimism(plan(0.03), other, seed=1)
    with pytest.raises(MtfsError, match=r"expected a table from mtfs.verify.optimism\(\)"):
        optimism_words(PAY.table())
