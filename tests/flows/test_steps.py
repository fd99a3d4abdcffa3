"""Tests of the steps of a flow: their edges, years and months."""

from datetime import date, timedelta

import numpy as np
import pytest

from mtfs import MtfsError
from mtfs.flows.steps import Steps

MARCH = date(2026, 3, 31)


def test_months_are_calendar_months():
    steps = Steps.between(MARCH, "2026/27", "month")
    assert steps.lengths.tolist() == [30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 28, 31]
    assert steps.month.tolist() == [3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2]
    assert steps.years == ("2026/27",)
    assert (steps.months_on - 12 * 2026).tolist() == list(range(3, 15))


def test_a_leap_year_has_its_day():
    steps = Steps.between(MARCH, "2027/28", "month")
    assert steps.lengths[22] == 29  # February 2028
    assert steps.edges[[0, 12, 24]].tolist() == [0, 365, 731]
    assert steps.year_edges() == [(0.0, 365.0), (365.0, 731.0)]


def test_a_year_has_fifty_two_weeks_of_seven_or_eight_days():
    steps = Steps.between(MARCH, "2027/28", "week")
    assert np.bincount(steps.year).tolist() == [52, 52]
    assert set(steps.lengths) == {7, 8}
    assert steps.edges[52] == 365
    assert steps.edges[-1] == 731


@pytest.mark.parametrize("step", ["month", "week"])
def test_a_flow_that_starts_within_a_year_goes_through_its_rest_first(step):
    steps = Steps.between(date(2025, 12, 15), "2026/27", step)
    assert steps.years == ("2025/26", "2026/27")
    assert steps.edges[0] == 0
    assert steps.year_edges() == [(0.0, 106.0), (106.0, 471.0)]  # 16 + 31 + 28 + 31, a year
    assert steps.month[0] == 11
    assert (np.diff(steps.edges) > 0).all()


@pytest.mark.parametrize("as_of", [date(2026, 3, 30), date(2026, 3, 31), date(2026, 4, 1)])
@pytest.mark.parametrize("step", ["month", "week"])
def test_years_end_on_31_march_whatever_the_first_day(as_of, step):
    steps = Steps.between(as_of, "2028/29", step)
    assert as_of + timedelta(days=1 + steps.edges[-1]) == date(2029, 4, 1)
    for label, (_, close) in zip(steps.years, steps.year_edges(), strict=True):
        assert as_of + timedelta(days=1 + close) == date(int(label[:4]) + 1, 4, 1)


def test_a_step_of_one_day_belongs_to_its_year():
    steps = Steps.between(date(2026, 3, 30), "2026/27", "month")
    assert steps.lengths[0] == 1
    assert steps.year[:2].tolist() == [0, 1]
    assert steps.month[0] == 2


def test_days_are_counted_from_the_day_after():
    steps = Steps.between(MARCH, "2026/27", "month")
    assert steps.since(date(2026, 4, 1)) == 0
    assert steps.since(date(2026, 5, 1)) == steps.edges[1]
    assert steps.since(date(2026, 3, 31)) == -1


def test_whole_years_are_numbered():
    assert Steps.between(MARCH, "2028/29").require_whole(("2027/28", "2028/29")).tolist() == [1, 2]
    later = Steps.between(date(2026, 5, 1), "2028/29")
    assert later.require_whole(("2027/28",)).tolist() == [1]


def test_a_year_that_begins_before_the_flow_is_named():
    steps = Steps.between(date(2026, 5, 1), "2027/28")
    with pytest.raises(MtfsError, match=r"2026/27 begins before .* 2026-05-02.*plan from 2027/28"):
        steps.require_whole(("2026/27", "2027/28"))


def test_a_last_year_that_the_flow_starts_within_leaves_no_whole_year():
    with pytest.raises(MtfsError, match="no whole year follows 1 May 2026"):
        Steps.between(date(2026, 5, 1), "2026/27").require_whole(("2026/27",))


def test_a_last_year_that_is_over_is_an_error():
    with pytest.raises(MtfsError, match="starts after 2026-03-31, when 2025/26 is over"):
        Steps.between(MARCH, "2025/26")


def test_a_step_of_another_length_is_an_error():
    with pytest.raises(MtfsError, match="'day'; expected 'month' or 'week'"):
        Steps.between(MARCH, "2026/27", "day")
