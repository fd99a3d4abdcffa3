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
    table = optimism(ds, [record], made="2025-12")
    assert table["verdict"].tolist() == ["optimistic", "optimistic", "no record"]
    assert table["came"].isna().all()
    words = optimism_words(table).splitlines()
    assert words[0].startswith(
        "gap, 2026/27: optimistic. The plan states GBP 55.6m; 1 past plan 1 year ahead came out "
        "GBP +19.1m on average (worth 1 independent, 100% adverse), so GBP 74.8m would be like it"
    )
    assert words[-1] == "No record so many years ahead: gap 2028/29."
    budget = optimism(ds, record, made="2026-02")
    assert budget["verdict"].tolist() == ["settled", "optimistic", "no record"]
    assert budget.loc[("gap", "2026/27"), ["mean_error", "below"]].isna().all()
    said = "Its budget is set, so no revision is to come: gap 2026/27."
    assert said in optimism_words(budget).splitlines()


def test_errors_of_a_gap_are_shares_of_the_net_budget_where_it_is_stated():
    ds = mtfs.project_gap(mtfs.load_example("east_sussex_2026"), n_draws=50, seed=1)
    plans = [
        PastPlan(made="2024-07", values={"2025/26": 20e6}, net_budget=400e6),
        PastPlan(made="2025-02", values={"2025/26": 30e6}, net_budget=410e6),
    ]
    record = track_record(plans, quantity="gap", basis="revision")
    table = optimism(ds, record, made="2025-07", net_budget=600e6)
    assert table["mean_error"].iloc[0] == pytest.approx(15e6)
    with pytest.raises(MtfsError, match="state net budgets, and net_budget= is not given"):
        optimism(ds, record, made="2025-07")


def test_wrong_input_is_answered():
    for nothing in ([], None, ["pay award"]):
        with pytest.raises(MtfsError, match="no record is given"):
            optimism(plan(0.03), nothing)
    with pytest.raises(MtfsError, match="made= goes with revisions"):
        optimism(plan(0.03), PAY, made="2026-02", seed=1)
    with pytest.raises(MtfsError, match="net_budget= is given, and the past plans state none"):
        optimism(plan(0.03), PAY, net_budget=1e8, seed=1)
    with pytest.raises(MtfsError, match=r"expected a table from"):
        optimism_words(None)
    other = track_record(BRIGHTON_PAY, quantity="pay awrd", basis="outturn", outturn=PAY_SETTLED)
    with pytest.raises(MtfsError, match=r"no driver of the plan .* Did you mean 'pay award'"):
        optimism(plan(0.03), other, seed=1)
    with pytest.raises(MtfsError, match=r"expected a table from mtfs.verify.optimism\(\)"):
        optimism_words(PAY.table())


def test_a_record_in_percent_is_no_record_of_fractions():
    percent = [
        PastPlan(made="2023-02", values={"2023/24": 2.0}),
        PastPlan(made="2024-02", values={"2024/25": 3.0}),
    ]
    record = track_record(
        percent, quantity="pay award", basis="outturn", outturn={"2023/24": 4.0, "2024/25": 2.5}
    )
    with pytest.raises(MtfsError, match=r"past years came to is about 3\.25 .* 0\.03; .*not 2"):
        optimism(plan(0.03), record, seed=1)
