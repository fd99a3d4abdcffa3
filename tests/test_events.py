"""Events: what happens in a draw, and how far it is from happening."""

import numpy as np
import pytest
from councils import BUDGET, YEARS, council, run
from hypothesis import given
from hypothesis import strategies as st
from strategies import plans

from mtfs import MtfsError, project_gap
from mtfs.events import ANY, EVERY, QUANTITIES, RESERVES, Event, Quantity, money
from mtfs.targets import parse_event

FUNDS = {
    "funds": [
        {"name": "general fund", "opening": 10.0, "minimum": 4.0, "general": True},
        {"name": "change fund", "opening": 6.0, "minimum": 1.0},
        {"name": "schools", "opening": 50.0, "meets_shortfall": False},
    ],
    "surplus_to": "schools",
    "closure": {"policy": "none"},
}
GAPS = [2.0, 5.0, -1.0, 0.0]


def certain(**parts):
    """A council whose gap is 2, 5, -1, 0; the general fund closes at 8, 3, 3, 3 of 10."""
    lines = [{"kind": "change", "name": "growth", "cause": "people", "levels": GAPS}]
    return run(council(lines=lines, reserves=FUNDS, **parts), n_draws=1)


def happens(text, ds):
    return parse_event(text).happens(ds).values.tolist()


def test_a_year_every_year_and_any_year_by_hand():
    ds = certain()
    assert ds["gap"].isel(draw=0).values.tolist() == GAPS
    assert happens("gap 2027/28 <= GBP 5", ds) == [True]
    assert happens("gap 2027/28 < GBP 5", ds) == [False]
    assert happens("gap 2027/28 > GBP 4.99", ds) == [True]
    assert happens("gap <= GBP 5, every year", ds) == [True]
    assert happens("gap < GBP 5, every year", ds) == [False]
    assert happens("gap < 0, any year", ds) == [True]
    assert happens("gap < GBP -1, any year", ds) == [False]
    assert happens("annual_gap 2028/29 <= GBP -6", ds) == [True]


def test_the_margin_is_the_distance_from_the_boundary():
    ds = certain()
    assert parse_event("gap 2027/28 <= GBP 4").margin(ds).item() == -1.0
    assert parse_event("gap <= GBP 6, every year").margin(ds).item() == 1.0  # 6 - 5
    assert parse_event("gap > GBP 4, any year").margin(ds).item() == 1.0  # 5 - 4
    margins = parse_event("gap > GBP 4, any year").margins(ds)
    assert margins.values.tolist() == [[-2.0, 1.0, -5.0, -4.0]]
    assert margins.attrs["units"] == "GBP"
    assert parse_event("gap 2027/28 <= GBP 4").margins(ds)["year"].values.tolist() == ["2027/28"]


def test_reserves_are_usable_funds_together_and_a_fund_is_itself():
    ds = certain()
    # 2 and 5 fall on the general fund (10 - 2 - 5 = 3); schools' money is not for shortfalls
    assert happens("reserves 2026/27 >= GBP 14", ds) == [True]
    assert happens("reserves 2026/27 > GBP 14", ds) == [False]
    assert parse_event("fund 'general fund' 2027/28 >= 0").margin(ds).item() == 3.0
    assert parse_event("fund 'schools' 2027/28 >= 0").margin(ds).item() == 50.0


def test_reserves_above_the_minimum_means_every_fund_that_has_one():
    ds = certain()
    # headroom: general fund 8 - 4, 3 - 4; change fund 6 - 1 throughout
    margins = parse_event("reserves >= minimum, every year").margins(ds)
    assert margins.values.tolist() == [[4.0, -1.0, -1.0, -1.0]]
    assert happens("reserves >= minimum, every year", ds) == [False]
    assert happens("reserves < minimum, any year", ds) == [True]
    assert happens("fund 'change fund' >= minimum, every year", ds) == [True]
    assert happens("fund 'general fund' 2026/27 >= minimum", ds) == [True]


@given(plans(), st.sampled_from(QUANTITIES), st.sampled_from([EVERY, ANY]), st.data())
def test_happening_is_a_slow_loop_and_the_margin_has_its_sign(plan, name, when, data):
    ds = project_gap(plan, n_draws=6, seed=1, keep="totals")
    held = ds[name].transpose("draw", "year").values
    bound = data.draw(st.sampled_from([*held.ravel().tolist(), 0.0]))
    for relation, compare in (
        ("<=", np.less_equal),
        ("<", np.less),
        (">=", np.greater_equal),
        (">", np.greater),
    ):
        event = Event(Quantity(name), relation, bound, when)
        over = all if when == EVERY else any
        expected = [over(compare(value, bound) for value in draw) for draw in held]
        assert event.happens(ds).values.tolist() == expected
        margin = event.margin(ds).values
        assert (margin[np.array(expected)] >= 0).all()
        assert (margin[~np.array(expected)] <= 0).all()


def test_an_event_and_its_opposite_share_the_draws_out():
    growth = {"kind": "change", "name": "growth", "cause": "people", "levels": "growth"}
    driver = {"name": "growth", "central": 3.0, "sd": 4.0, "persistence": 0.5}
    plan = council(drivers=[driver], lines=[growth], reserves=FUNDS)
    ds = run(plan, n_draws=500)
    for event, opposite in (
        ("reserves >= minimum, every year", "reserves < minimum, any year"),
        ("gap <= GBP 4, any year", "gap > GBP 4, every year"),
    ):
        one, other = (parse_event(text).happens(ds) for text in (event, opposite))
        assert 0 < one.mean() < 1
        assert (one ^ other).all()


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("gap 2031/32 <= 0", r"no year '2031/32'\..*It has: 2026/27"),
        ("fund 'generl fund' 2026/27 > 0", "Did you mean 'general fund'"),
        ("fund 'generl fund' 2026/27 > minimum", "Did you mean 'general fund'"),
        ("fund 'schools' 2026/27 > minimum", "'schools' has no minimum; one has change fund, gen"),
    ],
)
def test_what_the_projection_does_not_hold_is_named(event, said):
    with pytest.raises(MtfsError, match=said):
        parse_event(event).happens(certain())


def test_a_plan_without_reserves_or_minimum_is_told():
    def held(**reserves):
        return run(council(lines=[BUDGET], reserves=reserves))

    with pytest.raises(MtfsError, match="the plan holds no reserves"):
        parse_event("reserves >= 1m, every year").happens(held())
    bare = held(funds=[{"name": "change fund", "opening": 6.0}], surplus_to="change fund")
    with pytest.raises(MtfsError, match="no fund of the plan has a minimum"):
        parse_event("reserves >= minimum, every year").happens(bare)
    apart = {"name": "schools", "opening": 1.0, "meets_shortfall": False}
    with pytest.raises(MtfsError, match="no fund of the plan may meet a shortfall"):
        parse_event("reserves 2026/27 > GBP 1").happens(held(funds=[apart], surplus_to="schools"))


def test_events_made_in_python_are_checked_too():
    gap = Quantity("gap")
    with pytest.raises(MtfsError, match="found relation '='"):
        Event(gap, "=", 0.0, YEARS[0])
    with pytest.raises(MtfsError, match="found year 'some year'"):
        Event(gap, "<=", 0.0, "some year")
    with pytest.raises(MtfsError, match="found GBP nan"):
        Event(gap, "<=", float("nan"), YEARS[0])
    with pytest.raises(MtfsError, match="'minimum' goes with reserves or a fund"):
        Event(gap, ">=", "minimum", EVERY)
    with pytest.raises(MtfsError, match="which needs it"):
        Quantity("fund")
    with pytest.raises(MtfsError, match="Did you mean 'reserves'"):
        Quantity("reserve")
    assert Quantity(RESERVES).name == "reserves"


@given(st.floats(-1e13, 1e13))
def test_money_is_written_without_loss(value):
    event = Event(Quantity("gap"), "<=", value, EVERY)
    assert parse_event(str(event)).bound == value
    assert "e" not in money(value).replace("-", "")
