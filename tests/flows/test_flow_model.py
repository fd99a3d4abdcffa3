"""Tests of what a flow refuses to hold."""

from datetime import date

import numpy as np
import pytest
from flow_models import AS_OF, children, flow

from mtfs import MtfsError, PlanError

NAMES = ("in-house", "supported 16+")
PARTS = {
    "names": NAMES,
    "from_age": {"supported 16+": 16},
    "ages": (0, 16, 18),
    "people": [children(3, age_days=5000)],
}


def test_a_flow_that_hangs_together_is_accepted():
    held = flow(**PARTS, exits=0.1, moves=0.2, entries=5.0)
    assert held.census.count == 3
    assert held.model_validate(held.model_dump()) == held


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"exits": -0.1}, "'rates.exits' holds -0.1; expected none below 0"),
        ({"moves": -0.1}, "'rates.moves' holds -0.1"),
        ({"entries": -2.0}, "'arrivals.level' holds -2"),
        ({"shares": [[1.0, 0], [0.7, 0.2]]}, "'arrivals.placements' sums to 0.9 over placements"),
        ({"shares": [0.5, 0.5]}, "'arrivals.placements' leads children below its 'from_age'"),
        ({"season": (1.0,) * 11}, "'arrivals.season' is not twelve numbers of mean 1"),
        ({"season": (1.1,) * 12}, "'arrivals.season' is not twelve numbers of mean 1"),
        ({"season": (-1.0, 3.0, *(1.0,) * 10)}, "'arrivals.season' holds -1"),
        ({"entry_ages": [[5.0], [17.0]]}, "'arrivals.ages' is not two quantiles or more"),
        ({"entry_ages": [[5.0, 4.0], [17.0, 17.5]]}, "each at least the one before"),
        ({"entry_ages": [[5.0, 16.5], [17.0, 17.5]]}, "'arrivals.ages' holds ages outside"),
        (
            {"people": [children(2, placement=1, age_days=5000), children(1)]},
            r"'census' holds 2 children in 'supported 16\+' who are younger than its 'from_age'",
        ),
        (
            {"people": [children(1, placement=2)]},
            "'census.placement' holds 2; the last number is 1",
        ),
        ({"people": [children(1, group=1)]}, "'census.group' holds 1; the last number is 0"),
        (
            {"people": [children(1, age_days=(AS_OF - date(2008, 3, 31)).days)]},
            "which is 18 or over on 2026-03-31",
        ),
    ],
)
def test_a_flow_with_what_cannot_be_is_refused(parts, message):
    with pytest.raises(PlanError, match=message):
        flow(**(PARTS | parts))


def test_moves_to_where_a_child_is_are_refused():
    held = flow(**PARTS, moves=0.2).model_dump()
    shape = (1, 2, 2, 1, 2)  # group, age, placement, duration, destination
    held["rates"]["moves"] = {"shape": shape, "values": tuple(np.full(8, 0.2).tolist())}
    with pytest.raises(PlanError, match=r"from a placement to itself.* leads children below its"):
        flow(**PARTS).model_validate(held)


POPULATION = {"2023/24": 1000, "2024/25": 1000, "2025/26": 1003, "2026/27": 2002}


def of_population(age="0 to 15", people=POPULATION, **parts):
    population = ({"age": age, "people": people},)
    return flow(**PARTS | {"groups": ("other", "UASC"), "population": population} | parts)


def test_entries_follow_a_population_as_a_multiple_of_the_windows_average():
    # 366, 365 and 365 days of the window's three years
    average = (366 * 1000 + 365 * 1000 + 365 * 1003) / 1096
    found = of_population().by_population(["2025/26", "2026/27"])
    assert found.shape == (2, 2, 2)
    assert found[0, 0] == pytest.approx([1003 / average, 2002 / average], abs=1e-12)
    assert (found[0, 1] == 1).all()
    assert (found[1] == 1).all()
    assert (flow(**PARTS).by_population(["2026/27"]) == 1).all()


def test_a_window_within_years_is_weighted_by_its_days():
    model = of_population(start=date(2025, 1, 1))  # 90 days of 2024/25 and 365 of 2025/26
    average = (90 * 1000 + 365 * 1003) / 455
    assert model.by_population(["2026/27"])[0, 0, 0] == pytest.approx(2002 / average, abs=1e-12)


def test_a_population_that_ends_too_soon_is_named():
    with pytest.raises(MtfsError, match="'0 to 15' has no 2027/28; expected every year to 2027/28"):
        of_population().by_population(["2026/27", "2027/28"])


@pytest.mark.parametrize(
    ("age", "people", "message"),
    [
        ("0 to 16", POPULATION, "no use for '0 to 16'. Did you mean '0 to 15'"),
        ("0 to 15", {"2025/26": 9, "2026/27": 9}, "has no 2023/24, 2024/25; entries of the window"),
        ("0 to 15", POPULATION | {"2026/27": 0}, "numbers above 0"),
        ("0 to 15", [("2023/24", 9), ("2023/24", 9)], "every year once"),
        ("0 to 15", {"2023": 9}, "found year '2023'"),
    ],
)
def test_a_population_that_cannot_be_is_refused(age, people, message):
    with pytest.raises(PlanError) as caught:
        of_population(age, people)
    assert message in str(caught.value)


def test_a_population_given_twice_is_refused():
    twice = ({"age": "0 to 15", "people": POPULATION},) * 2
    with pytest.raises(PlanError, match="'population' holds '0 to 15' twice"):
        flow(**PARTS, population=twice)
