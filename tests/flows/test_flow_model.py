"""Tests of what a flow refuses to hold."""

from datetime import date

import numpy as np
import pytest
from flow_models import AS_OF, children, flow

from mtfs import PlanError

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
