"""What is shifted, by how much, and what the shifted plan is."""

import pytest
from councils import YEARS, council

from mtfs import MtfsError, PlanError, Shift, usual_shifts
from mtfs.checks import assumption_fields
from mtfs.lines import LINE_KINDS, SOURCE_KINDS, CollectionFund, Saving, SavingsTarget
from mtfs.reserves import Fund, Memorandum, OneOff
from mtfs.shifts import delayed, driver_kind, kind_of, kind_of_field, shifted

CARE = {"kind": "care", "name": "homes", "people": 80.0, "weekly_cost": 1000.0}


def plan(**parts):
    drivers = [
        {"name": "cpi", "central": 0.02, "previous": [0.03]},
        {"name": "index", "mix": [{"driver": "cpi", "weight": 1.0, "lag": 1}]},
        {"name": "fees", "mix": [{"driver": "index", "weight": 0.5}], "central": 0.01},
        {"name": "arrivals", "central": 5.0},
        {"name": "overspend", "central": 2e6},
        {"name": "realised", "central": 1.0},
        {"name": "income a week", "central": 30.0},
        {"name": "nobody's", "central": 1.0},
    ]
    lines = [
        {"kind": "budget", "name": "roads", "base": 10e6, "growth": "index"},
        CARE
        | {
            "people_added": "arrivals",
            "price_growth": "fees",
            "mix_growth": 0.01,
            "weekly_income": "income a week",
        },
        CARE | {"name": "complex", "people": 4.0},
        CARE | {"name": "secure", "people": None, "people_by_year": [0.0, 1.0, 1.0, 1.0]},
        {"kind": "change", "name": "over", "cause": "demand", "levels": "overspend"},
        {
            "kind": "change",
            "name": "more",
            "cause": "demand",
            "changes": [1e6] * 4,
            "multiplier": "realised",
        },
    ]
    funding = [
        {"kind": "council_tax", "name": "tax", "base_income": 50e6, "asc_precept": 0.02},
        {"kind": "grant", "name": "rsg", "amount": 10e6, "growth": "cpi"},
        {"kind": "grant", "name": "bcf", "amount": 3e6},
        {"kind": "other", "name": "pool", "levels": [1e6] * 4},
    ]
    savings = [
        {"name": "reviews", "levels": [1e6, 2e6, 2e6, 2e6], "rag": "green"},
        {"name": "back office", "levels": 1e6, "delivery": 1.0},
    ]
    held = {"drivers": drivers, "lines": lines, "funding": funding, "savings": savings}
    return council(**held | parts)


def test_the_usual_shifts_are_a_councils_table():
    found = plan()
    rows = [(shift.row, shift.said(kind_of(found, shift))) for shift in usual_shifts(found)]
    up = [row for row in rows if not row[1].startswith("-")]
    assert up == [
        ("cpi", "+1 percentage point"),
        ("fees", "+1 percentage point"),
        ("arrivals", "+10 people a year"),
        ("overspend", "+GBP 1m"),
        ("realised", "+1 percentage point"),
        ("income a week", "+1%"),
        ("lines.homes.mix_growth", "+1 percentage point"),
        ("funding.tax.core_increase", "+1 percentage point"),
        ("funding.bcf.amount", "+1%"),
        ("funding.pool.levels", "+1%"),
        ("lines.homes.people", "+10 people"),
        ("lines.complex.people", "+1 person"),
        ("lines.secure.people_by_year", "+1 person"),
        ("savings.reviews", "1 year late"),
        ("savings.back office", "1 year late"),
        ("all savings", "1 year late"),
    ]
    # every other row goes both ways, but delays, and people of whom there are too few
    assert len(rows) == 2 * len(up) - 3 - 1
    assert ("lines.secure.people_by_year", "-1 person") not in rows


def test_every_assumption_is_stated_in_something():
    parts = (*LINE_KINDS, *SOURCE_KINDS, CollectionFund, Saving, SavingsTarget, Fund, OneOff)
    fields = {
        where[-1]
        for part in (*parts, Memorandum)
        for where, _ in assumption_fields(
            part.model_construct(**dict.fromkeys(part.model_fields, 1.0))
        )
    }
    assert len(fields) > 50
    unlike = {field for field in fields if kind_of_field(field) == "other"}
    # GBP a post or a person a week: no sum would suit them all
    assert unlike == {"flat_award", "threshold", "base_threshold", "weekly_income"}


def test_a_driver_is_stated_in_what_follows_it_through_mixes_too():
    found = plan()
    assert driver_kind(found, "cpi") == "points"
    assert driver_kind(found, "arrivals") == "people a year"
    assert driver_kind(found, "nobody's") is None
    assert kind_of(found, Shift(path="drivers.overspend.central", by=1e6)) == "money"
    assert kind_of(found, Shift(path="nobody's", by=1.0)) == "other"


@pytest.mark.parametrize(
    ("fields", "kind", "words"),
    [
        ({"by": -0.0299}, "points", "-2.99 percentage points"),
        ({"by": -0.01}, "points", "-1 percentage point"),
        ({"by": 1.0}, "people", "+1 person"),
        ({"by": -1.0}, "people a year", "-1 person a year"),
        ({"by": -2.5e6}, "money", "-GBP 2.5m"),
        ({"by": 50e3}, "money", "+GBP 50,000"),
        ({"by": 12.5}, "other", "+12.5"),
        ({"share": -0.1}, "money", "-10%"),
        ({"delay": 2}, "other", "2 years late"),
        (
            {"by": 0.01, "years": ["2027/28", "2028/29"]},
            "points",
            "+1 percentage point in 2027/28, 2028/29",
        ),
    ],
)
def test_a_shift_in_words(fields, kind, words):
    assert Shift(path="x", **fields).said(kind) == words


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "give one of 'by'"),
        ({"by": 0.01, "delay": 1}, "give one of 'by'"),
        ({"by": 0}, "moves nothing"),
        ({"share": 0.0}, "moves nothing"),
        ({"share": -1.0}, "above -1"),
        ({"delay": 0}, "at least 1"),
        ({"delay": 1, "years": ["2026/27"]}, "'years' names the years"),
        ({"by": 1.0, "years": []}, "'years' names the years"),
        ({"by": 1.0, "years": ["2026"]}, "expected a financial year"),
        ({"by": float("nan")}, "finite"),
        ({"by": 1.0, "path": []}, "names nothing"),
        ({"by": 1.0, "path": ["cpi", "cpi"]}, "one thing twice"),
    ],
)
def test_a_wrong_shift_says_what_is_wrong(fields, message):
    with pytest.raises(PlanError, match=message):
        Shift(**{"path": "cpi"} | fields)


def test_a_path_is_shifted_whatever_form_its_values_have():
    profile = {"profile": "linear", "start": 0.01, "end": 0.04}
    by_year = {"by_year": dict(zip(YEARS, [0.01, 0.02, 0.03, 0.04], strict=True))}
    for growth in (profile, by_year, [0.01, 0.02, 0.03, 0.04]):
        found = council(lines=[{"kind": "budget", "name": "r", "base": 1.0, "growth": growth}])
        there = shifted(found, Shift(path="lines.r.growth", by=0.01)).lines[0].growth
        assert there == pytest.approx((0.02, 0.03, 0.04, 0.05))
    found = council(lines=[{"kind": "budget", "name": "r", "base": 1.0, "growth": 0.01}])
    assert shifted(found, Shift(path="lines.r.growth", by=0.01)).lines[0].growth == 0.02
    later = Shift(path="lines.r.growth", share=0.5, years=["2027/28"])
    assert shifted(found, later).lines[0].growth == (0.01, 0.015, 0.01, 0.01)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"path": "cpii", "by": 0.01}, r"neither a driver nor a path.*Did you mean 'cpi'\?"),
        ({"path": "line.roads.base", "by": 1.0}, "neither a driver nor a path"),
        ({"path": "lines.road.base", "by": 1.0}, "no 'road'. Did you mean 'roads'"),
        ({"path": "lines.roads.bse", "by": 1.0}, "no 'bse'. Did you mean 'base'"),
        ({"path": "lines.roads.base.low", "by": 1.0}, "nothing below"),
        ({"path": "lines.roads.growth", "by": 0.01}, "'index'.*shift the driver"),
        ({"path": "lines.roads", "by": 0.01}, "name a field that holds numbers"),
        ({"path": "lines.roads.cap", "by": 0.01}, "holds no number"),
        ({"path": "lines.roads.base", "by": -11e6}, "cannot be shifted so.*at least 0"),
        ({"path": "lines.roads.base", "by": 1.0, "years": ["2026/27"]}, "cannot be shifted so"),
        ({"path": "lines.roads.volume_growth", "by": 0.1, "years": ["2036/37"]}, "not a year"),
        ({"path": "horizon", "by": 1}, "cannot be shifted so|changes the plan's years"),
        ({"path": "drivers.cpi.previous", "by": 0.01, "years": ["2026/27"]}, "by year: it holds 1"),
    ],
)
def test_a_shift_of_nothing_in_the_plan_says_so(fields, message):
    with pytest.raises(MtfsError, match=message):
        shifted(plan(), Shift(**fields))


def test_a_delay_goes_with_savings_only():
    with pytest.raises(MtfsError, match=r"'savings.review' is no saving.*'savings.reviews'"):
        delayed(plan(), Shift(path="savings.review", delay=1))


def test_a_delay_comes_on_top_of_those_there_are():
    saving = {
        "name": "s",
        "levels": 1.0,
        "delivery": 1.0,
        "delays": [{"years": 1, "probability": 0.25}],
    }
    late = (
        delayed(council(savings=[saving], lines=[CARE]), Shift(path="savings.s", delay=2))
        .savings[0]
        .delays
    )
    assert [(each.years, each.probability) for each in late] == [(3, 0.25), (2, 0.75)]
    sure = saving | {"delays": [{"years": 1, "probability": 1.0}]}
    late = (
        delayed(council(savings=[sure], lines=[CARE]), Shift(path="savings.s", delay=1))
        .savings[0]
        .delays
    )
    assert [(each.years, each.probability) for each in late] == [(2, 1.0)]


@pytest.mark.parametrize(("people", "step"), [(10.0, 1), (10.5, 10)])
def test_a_line_of_no_more_than_ten_people_is_shifted_by_one(people, step):
    shifts = usual_shifts(council(lines=[CARE | {"people": people}]))
    assert [shift.by for shift in shifts if shift.row.endswith("people")] == [step, -step]
