"""A council's past plans against what happened, on one basis at a time."""

import math

import pytest
from past_plans import BRIGHTON_PAY, EAST_SUSSEX, PAY_SETTLED

from mtfs import PlanError
from mtfs.verify import PastPlan, track_record
from mtfs.verify.records import Miss, independent_plans
from mtfs.vocabulary import MtfsError


def plan(made, values=None, **more):
    return PastPlan(made=made, values=values or {"2025/26": 10.0}, **more)


def test_revisions_of_the_published_gap_are_those_of_the_councils_reports():
    record = track_record(EAST_SUSSEX, quantity="gap", basis="revision")
    table = record.table()
    errors = (table["error"] / 1e6).round(1)
    # next year in 12 months +18.3, year two +18.1, year three within 8 months +40.3
    assert errors[("2025-02", "2026/27")] == 18.3
    assert errors[("2025-02", "2027/28")] == 18.1
    assert errors[("2025-07", "2028/29")] == 40.3
    assert table.loc[("2025-02", "2026/27"), ["lead", "months", "settled"]].tolist() == [
        2,
        12,
        True,
    ]
    assert not table.loc[("2025-07", "2028/29"), "settled"]
    assert len(table) == 11


def test_a_year_is_settled_by_its_budget_and_each_year_and_lead_counts_once():
    record = track_record(EAST_SUSSEX, quantity="gap", basis="revision")
    assert [(m.made, m.year, m.lead) for m in record.used()] == [
        ("2025-02", "2026/27", 2),
        ("2025-07", "2026/27", 1),
    ]
    assert len(record.used(open_years=True)) == 5
    autumn = track_record(EAST_SUSSEX[:3], quantity="gap", basis="revision")
    with pytest.raises(
        MtfsError, match="holds 5 errors of years that later plans may still revise"
    ):
        autumn.by_lead()


def test_a_plan_made_in_april_is_no_budget_of_the_year_that_began():
    values = {"2024-07": 10.0, "2025-03": 12.0, "2025-04": 15.0}
    made = [PastPlan(made=month, values={"2025/26": value}) for month, value in values.items()]
    record = track_record(made, quantity="gap", basis="revision")
    assert [(m.made, m.error, m.settled) for m in record.misses] == [("2024-07", 2.0, True)]


def test_all_of_east_sussexs_plans_are_worth_one():
    record = track_record(EAST_SUSSEX, quantity="gap", basis="revision")
    assert independent_plans(record.used(open_years=True)) == 1


def test_plans_that_share_no_time_are_counted_greedily():
    def miss(start, end):
        return Miss("2020-01", "2021/22", 1, 0.0, 1.0, settled=True, start=start, end=end)

    spans = [(0, 40), (0, 10), (9, 20), (10, 21), (20, 30), (21, 31)]
    assert independent_plans([miss(*span) for span in spans]) == 3


def test_pay_awards_are_held_against_what_was_settled():
    record = track_record(BRIGHTON_PAY, quantity="pay award", basis="outturn", outturn=PAY_SETTLED)
    by_lead = record.by_lead()
    # one year ahead: 4.04 - 1.5, 3.88 - 3.5, 2.5 - 3.0, 3.2 - 2.75 points
    assert by_lead.loc[1, "mean"] == pytest.approx((2.54 + 0.38 - 0.5 + 0.45) / 400)
    assert by_lead.loc[1, "adverse"] == 0.75
    assert by_lead.loc[1, "errors"] == 4
    assert by_lead.loc[1, "independent"] == 2  # a settlement is known at the end of its year
    # two ahead: 3.88 - 1.5 and 2.5 - 2.0 of the first two, 3.2 - 2.5 of the third
    assert by_lead.loc[2, "mean"] == pytest.approx((2.38 + 0.5 + 0.7) / 300)


def test_income_hurts_when_it_comes_lower():
    made = [PastPlan(made="2023-02", values={"2023/24": 0.02})]
    record = track_record(
        made, quantity="tax base", basis="outturn", outturn={"2023/24": 0.01}, adverse="below"
    )
    assert record.by_lead()["adverse"].tolist() == [1.0]


def test_a_plan_lasts_as_a_value():
    one = plan("2024-02", net_budget=5e8, source="budget report")
    assert hash(one) == hash(PastPlan.model_validate_json(one.model_dump_json()))
    assert one.by_year == {"2025/26": 10.0}
    assert one.made_in == 2023
    assert plan("2024-04").made_in == 2024


@pytest.mark.parametrize(
    ("plans", "options", "match"),
    [
        ([plan("2024-02"), plan("2025-02")], {"basis": "revised"}, "basis is 'revised'; expected"),
        ([plan("2024-02"), plan("2025-02")], {"adverse": "up"}, "adverse is 'up'"),
        ([plan("2024-02")], {"basis": "outturn"}, "basis is 'outturn' and no outturn is given"),
        ([plan("2024-02")], {"outturn": {"2025/26": 1.0}}, "never mixed"),
        ([plan("2024-02")], {}, "no plan's year is also in a later plan"),
        (
            [plan("2024-02")],
            {"basis": "outturn", "outturn": {"2027/28": 1.0}},
            "no plan's year is also in the outturn, which holds 2027/28",
        ),
        ([plan("2024-02"), plan("2024-02-20")], {}, "two plans were made in 2024-02"),
        (
            [plan("2024-02", policy="before tax"), plan("2025-02", policy="at 4.99%")],
            {},
            "different things as decided: 'at 4.99%'; 'before tax'",
        ),
        ([plan("2024-02", net_budget=5e8), plan("2025-02")], {}, "2025-02: no net_budget"),
        ([], {}, "the 0 plans hold none"),
        (
            [plan("2024-02")],
            {"basis": "outturn", "outturn": {"2025/26": math.nan}},
            "gap, 2025/26: the outturn is nan; expected a number",
        ),
        (
            [plan("2024-02")],
            {"basis": "outturn", "outturn": {"2025/26": "1e6"}},
            "gap, 2025/26: the outturn is '1e6'",
        ),
        (
            [plan("2024-02")],
            {"basis": "outturn", "outturn": {"2025/26": 14e6}},
            "what was planned is about 10 and what came about 1.4e[+]07; expected one unit",
        ),
        (
            [plan("2024-02", {"2025/26": 2.0})],
            {"basis": "outturn", "outturn": {"2025/26": 0.035}},
            r"about 2 and what came about 0.035; .*rates as fractions \(0.02, not 2\)",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(plans, options, match):
    with pytest.raises(MtfsError, match=match):
        track_record(plans, **{"quantity": "gap", "basis": "revision"} | options)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"made": "Feb 2025", "values": {"2025/26": 1.0}}, "such as '2025-02'"),
        ({"made": "2025-13", "values": {"2025/26": 1.0}}, "found '2025-13'"),
        ({"made": "2025-02", "values": {"2025": 1.0}}, "expected a financial year"),
        ({"made": "2025-02", "values": {}}, "at least 1"),
        ({"made": "2025-02", "values": {"2025/26": 1.0}, "net_budget": 0}, "net_budget"),
    ],
)
def test_a_plan_that_is_none_is_refused(values, match):
    with pytest.raises(PlanError, match=match):
        PastPlan(**values)
