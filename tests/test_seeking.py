"""The search itself: values that a plan refuses, and what it costs."""

import itertools

import numpy as np
import pytest
from councils import council

from mtfs import Lever, PlanError, goal_seek
from mtfs.levers import LeverOf
from mtfs.seeking import Search
from mtfs.targets import parse_target

DRIVER = {"name": "needs", "central": 103e6, "sd": 2e6, "persistence": 0.0}
LINE = {"kind": "change", "name": "needs", "cause": "people", "levels": "needs"}
TAX = {"kind": "council_tax", "name": "tax", "base_income": 100e6}
PLAN = council(horizon=1, drivers=[DRIVER], lines=[LINE], funding=[TAX])
TARGET = parse_target("P(gap 2026/27 <= 0) >= 0.8")  # met from 0.0468 on


class Picky(LeverOf):
    """A lever whose plan holds no value between two."""

    low, high = 0.04, 0.06

    def plan_at(self, value):
        if self.low < value < self.high:
            raise PlanError(f"{value} is between")
        return super().plan_at(value)


def search(kind=LeverOf, low=0.0, high=0.1, **options):
    found = Lever("funding.tax.core_increase", (low, high)).of(PLAN)
    lever = kind(found.lever, found.plan, found.held, found.moved, found.scalar)
    return Search(lever, TARGET, **{"n_draws": 1000, "seed": 1, "tolerance": 1e-5} | options)


def test_values_the_plan_refuses_are_shown_and_gone_round():
    found = search(Picky)
    found.scan(np.linspace(0, 0.1, 11).tolist())
    refused = {point.value for point in found.points if point.refused is not None}
    assert refused
    assert all(0.04 < value < 0.06 for value in refused)
    assert all("is between" in point.refused for point in found.points if point.value in refused)
    answer = found.answer()
    assert answer.tried.value == pytest.approx(0.06, abs=1e-5)
    assert found.target.met(answer.tried.statistic)
    assert answer.intervals == ((answer.tried.value, 0.1),)


def test_where_only_refused_values_would_do_the_nearest_of_the_others_is_given():
    found = search(Picky, high=0.05)
    found.scan([0.0, 0.02, 0.04, 0.05])
    assert found.answer().tried.value == 0.04
    assert not found.answer().tried.met


def test_the_boundary_lies_between_neighbours_no_further_apart_than_the_tolerance():
    found = search()
    found.scan([0.0, 0.05, 0.1])
    steps = [
        (left, right) for left, right in itertools.pairwise(found.points) if left.met != right.met
    ]
    assert len(steps) == 1
    (left, right), *_ = steps
    assert right.value - left.value <= 2e-5
    assert found.answer().tried is right


def test_it_takes_few_projections():
    found = goal_seek(
        PLAN, lever="funding.tax.core_increase", target=TARGET, bounds=(0, 0.1), seed=1
    )
    assert len(found.curve) < 45  # 17 of the scan, and three boundaries


def test_all_values_share_their_draws():
    found = search(n_draws=200)
    values = np.linspace(0, 0.1, 60).tolist()
    found.scan(values)
    shares = [point.statistic for point in found.points]
    assert (np.diff(shares) >= 0).all()  # not one draw goes back as council tax rises
    assert found.shape == "rises"
