"""Two plans on shared shocks, and the drivers of one in the other's years."""

import numpy as np
import pytest
from councils import BUDGET, council

from mtfs import MtfsError, Plan
from mtfs.rerun import Rerun
from mtfs.sampling import RandomScores, ShockSpec
from mtfs.vintages import EarlierScores, SharedYears, Switch, Vintage
from mtfs.vocabulary import BLOCK

CPI = {"name": "cpi", "central": [0.01, 0.02, 0.03, 0.04], "previous": [0.10, 0.20]}


def later(**parts):
    """Make a plan of three years from the second year of a plan of Anyshire."""
    parts = {"council": "Anyshire", "first_year": "2027/28", "horizon": 3} | parts
    return Plan.model_validate({"lines": [BUDGET]} | parts)


def planned(plan):
    again = Rerun(plan, RandomScores(1, 1))
    return Vintage(plan, again.planned_own, again.rows(again.planned_own))


def switched(old, new, names):
    rows = Switch(planned(old), planned(new), SharedYears.of(old, new)).rows(names)
    return [{name: row[:, 0].round(12).tolist() for name, row in each.items()} for each in rows]


def test_a_financial_year_has_the_same_scores_in_both_plans():
    old, new = council(lines=[BUDGET]), later()
    scores = RandomScores(5, BLOCK)
    earlier = EarlierScores(scores, SharedYears.of(old, new), old.horizon, new.horizon)
    spec = ShockSpec("cpi", "national")
    ours, theirs = np.empty((3, BLOCK)), np.empty((4, BLOCK))
    scores.fill(spec, 0, ours)
    earlier.fill(spec, 0, theirs)
    assert (theirs[1:] == ours).all()
    assert abs(np.corrcoef(theirs)[0, 1:]).max() < 4 / np.sqrt(BLOCK)  # the year before is fresh


@pytest.mark.parametrize("horizon", [1, 3, 6])
def test_years_before_the_later_plan_have_scores_that_no_year_of_it_has(horizon):
    old, new = council(lines=[BUDGET]), later(first_year="2028/29", horizon=horizon)
    scores = RandomScores(5, BLOCK)
    earlier = EarlierScores(scores, SharedYears.of(old, new), old.horizon, new.horizon)
    spec = ShockSpec("cpi", "national")
    ours, theirs = np.empty((horizon, BLOCK)), np.empty((4, BLOCK))
    scores.fill(spec, 0, ours)
    earlier.fill(spec, 0, theirs)
    for before in (0, 1):
        assert not any((theirs[before] == row).any() for row in [*ours, *theirs[before + 1 :]])


def test_what_is_drawn_once_is_the_same_in_both_plans():
    old, new = council(lines=[BUDGET]), later()
    earlier = EarlierScores(RandomScores(5, BLOCK), SharedYears.of(old, new), 4, 3)
    spec = ShockSpec("scheme.delivery", "council", once=True)
    ours, theirs = np.empty((1, BLOCK)), np.empty((1, BLOCK))
    RandomScores(5, BLOCK).fill(spec, 0, ours)
    earlier.fill(spec, 0, theirs)
    assert (theirs == ours).all()


def test_a_switched_driver_takes_the_new_path_in_the_shared_years_only():
    old = council(drivers=[CPI], lines=[BUDGET])
    new = later(drivers=[CPI | {"central": 0.05}])
    assert switched(old, new, []) == [
        {"cpi": [0.01, 0.02, 0.03, 0.04]},
        {"cpi": [0.02, 0.03, 0.04]},
    ]
    assert switched(old, new, ["cpi"]) == [{"cpi": [0.01, 0.05, 0.05, 0.05]}, {"cpi": [0.05] * 3}]


def test_years_that_only_one_plan_holds_keep_its_own_path():
    old = council(drivers=[CPI], lines=[BUDGET])
    new = later(drivers=[CPI | {"central": [0.05, 0.06]}], horizon=2)
    assert switched(old, new, ["cpi"])[0] == {"cpi": [0.01, 0.05, 0.06, 0.04]}


def test_a_mix_follows_its_parts_and_switches_its_own_terms_by_itself():
    fees = {"name": "fees", "mix": [{"driver": "cpi", "weight": 1.0, "lag": 1}], "central": 0.001}
    old = council(drivers=[CPI, fees], lines=[BUDGET])
    new = later(
        drivers=[
            CPI | {"central": 0.05, "previous": [0.30]},
            fees | {"mix": [{"driver": "cpi", "weight": 2.0, "lag": 1}], "central": 0.002},
        ],
    )

    def shared(names):
        return switched(old, new, names)[1]["fees"]

    # the year before the shared ones is 1% by the old plan's path and 30% by the new plan's past
    assert shared([]) == pytest.approx([0.011, 0.021, 0.031])
    assert shared(["cpi"]) == pytest.approx([0.301, 0.051, 0.051])
    assert shared(["fees"]) == pytest.approx([0.022, 0.042, 0.062])
    assert shared(["cpi", "fees"]) == pytest.approx([0.602, 0.102, 0.102])


def test_a_mix_that_lags_two_years_reads_both_years_before_the_shared_ones():
    fees = {"name": "fees", "mix": [{"driver": "cpi", "weight": 1.0, "lag": 2}]}
    old = council(drivers=[CPI, fees], lines=[BUDGET])
    new = later(drivers=[CPI | {"central": 0.05, "previous": [0.30, 0.40]}, fees])
    # by the old plan 20% and then 1% come before 2027/28; by the new one 30% and 40%
    assert switched(old, new, [])[1]["fees"] == pytest.approx([0.20, 0.01, 0.02])
    assert switched(old, new, ["cpi"])[1]["fees"] == pytest.approx([0.30, 0.40, 0.05])


def test_a_past_that_one_plan_does_not_know_is_taken_from_the_other():
    fees = {"name": "fees", "mix": [{"driver": "cpi", "weight": 1.0, "lag": 1}]}
    plain = {"name": "cpi", "central": 0.02}
    old = council(drivers=[plain, {"name": "fees", "central": 0.01}], lines=[BUDGET])
    new = council(drivers=[plain | {"previous": [0.30]}, fees], lines=[BUDGET])
    assert switched(old, new, ["fees"])[0]["fees"] == pytest.approx([0.30, 0.02, 0.02, 0.02])


def test_a_driver_of_one_plan_stays_and_a_mix_of_it_reads_it():
    nlw = {"name": "nlw", "central": 0.07}
    old = council(drivers=[CPI], lines=[BUDGET])
    mixed = CPI | {"central": None, "mix": [{"driver": "nlw", "weight": 0.5}]}
    new = council(drivers=[nlw, mixed], lines=[BUDGET])
    assert switched(old, new, [])[1] == {"nlw": [0.07] * 4, "cpi": [0.01, 0.02, 0.03, 0.04]}
    assert switched(old, new, ["cpi"])[0] == {"cpi": [0.035] * 4}


def test_mixes_that_change_places_are_refused():
    def drivers(one, other):
        return [
            {"name": one, "central": 0.01},
            {"name": other, "mix": [{"driver": one, "weight": 1.0}]},
        ]

    old = council(drivers=drivers("a", "b"), lines=[BUDGET])
    new = council(drivers=drivers("b", "a"), lines=[BUDGET])
    with pytest.raises(MtfsError, match=r"between the two plans driver '.' depends on itself"):
        switched(old, new, ["a"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"council": "Otherton"}, "of 'Anyshire' and the new one of 'Otherton'"),
        ({"price_base": "2026/27"}, "in prices 'nominal' and the new one in prices '2026/27'"),
        ({"first_year": "2025/26"}, "give the one that starts earlier first"),
        ({"first_year": "2030/31"}, "2026/27 to 2029/30 .* 2030/31 .* share no year"),
    ],
)
def test_plans_that_cannot_be_compared_are_refused(changes, words):
    with pytest.raises(MtfsError, match=words):
        SharedYears.of(council(lines=[BUDGET]), later(**changes))
