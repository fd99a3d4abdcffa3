"""Levers: where in a plan they are, and what they make of it."""

import numpy as np
import pytest
from councils import YEARS, council
from hypothesis import given
from hypothesis import strategies as st

from mtfs import MtfsError
from mtfs.levers import Lever

TAX = {
    "kind": "council_tax",
    "name": "council tax",
    "base_income": 100.0,
    "core_increase": [0.01, 0.02, 0.03, 0.04],
    "asc_precept": {"by_year": dict(zip(YEARS, (0.0, 0.0, 0.01, 0.01), strict=True))},
    "tax_base_growth": "growth",
}
PLAN = council(
    drivers=[
        {"name": "growth", "central": 0.01, "previous": [0.02] * 4},
        {"name": "fees", "mix": [{"driver": "growth", "weight": 1.0}]},
    ],
    lines=[
        {"kind": "budget", "name": "roads", "base": 90.0, "growth": 0.02},
        {"kind": "change", "name": "growth", "cause": "people", "changes": [1.0, 2.0, 3.0, 4.0]},
        {
            "kind": "change",
            "name": "pressure",
            "cause": "people",
            "levels": {"profile": "linear", "start": 0.0, "end": 3.0},
        },
    ],
    savings=[{"name": "lean", "levels": [1.0, 2.0, 2.0, 2.0], "delivery": 1.0}],
    funding=[TAX],
    reserves={"funds": [{"name": "general fund", "opening": 5.0}], "surplus_to": "general fund"},
)


def lever(path, how="set", years=None, bounds=(-1.0, 2.0)):
    return Lever(path, bounds, how, years).of(PLAN)


def tax_after(value, **options):
    changed = lever("funding.council tax.core_increase", **options).plan_at(value)
    return list(changed.funding[0].core_increase)


def test_a_list_is_set_added_to_or_scaled_in_all_years_or_some():
    assert tax_after(0.05) == [0.05] * 4
    assert tax_after(0.05, years=YEARS[1:3]) == [0.01, 0.05, 0.05, 0.04]
    assert tax_after(0.01, how="add") == pytest.approx([0.02, 0.03, 0.04, 0.05])
    assert tax_after(2.0, how="scale", years=[YEARS[3]]) == [0.01, 0.02, 0.03, 0.08]
    assert tax_after(0.05, years="2026/27") == [0.05, 0.02, 0.03, 0.04]


def test_every_form_of_an_assumption_can_be_moved():
    precept = lever("funding.council tax.asc_precept", "add", YEARS[:1]).plan_at(0.02)
    assert list(precept.funding[0].asc_precept) == [0.02, 0.0, 0.01, 0.01]
    pressure = lever("lines.pressure.levels", "scale").plan_at(2.0)
    assert list(pressure.lines[2].levels) == [0.0, 2.0, 4.0, 6.0]
    changes = lever("lines.growth.changes", "set", YEARS[3:]).plan_at(0.0)
    assert list(changes.lines[1].changes) == [1.0, 2.0, 3.0, 0.0]
    growth = lever("lines.roads.growth", "set", YEARS[1:2]).plan_at(0.0)
    assert list(growth.lines[0].growth) == [0.02, 0.0, 0.02, 0.02]
    assert lever("lines.roads.growth").plan_at(0.0).lines[0].growth == 0.0
    assert lever("reserves.funds.general fund.opening", "scale").plan_at(2).reserves.funds[
        0
    ].opening == pytest.approx(10.0)
    assert lever("base_gap").plan_at(1.5).base_gap == 1.5


def test_its_value_in_the_plan():
    assert lever("lines.roads.growth").current == 0.02
    assert lever("lines.roads.growth").single
    tax = lever("funding.council tax.core_increase")
    assert tax.current == pytest.approx(0.025)
    assert not tax.single  # no one value of it gives the plan as it is
    assert lever("funding.council tax.core_increase", years=[YEARS[2]]).single
    assert lever("savings.lean.levels", "scale").current == 1.0
    assert lever("savings.lean.levels", "add").current == 0.0


@given(
    st.sampled_from(
        [
            "funding.council tax.core_increase",
            "lines.roads.growth",
            "lines.pressure.levels",
            "lines.growth.changes",
            "savings.lean.levels",
            "base_gap",
        ]
    ),
    st.floats(0.5, 1.5),
    st.sampled_from([None, YEARS[:1], YEARS[1:3]]),
)
def test_only_the_years_named_move_and_nothing_else(path, value, years):
    years = None if path == "base_gap" else years
    found = lever(path, "scale", years)
    changed = Lever(path, (0.0, 2.0)).of(found.plan_at(value))
    before = Lever(path, (0.0, 2.0)).of(PLAN)
    for year, old, new in zip(YEARS, before.held, changed.held, strict=False):
        moved = years is None or year in years
        assert new == (old * value if moved else old)
    back = changed.plan.model_dump() | {}
    for part in ("drivers", "reserves", "one_offs"):
        assert back[part] == PLAN.model_dump()[part]


def test_neutral_values_leave_the_plan_as_it_is():
    for how, value in (("add", 0.0), ("scale", 1.0)):
        found = lever("lines.roads.growth", how).plan_at(value)
        assert found == PLAN


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("lines.raods.base", "no 'raods'. Did you mean 'roads'"),
        ("lines.roads.bse", "no 'bse'. Did you mean 'base'"),
        ("funding", "expected a number, or one number a year"),
        ("lines.roads", "part of the plan; name one number of it: base, .*growth"),
        ("council", "'Anyshire'; expected a number"),
        ("horizon", "is 4, a whole number"),
        (
            "funding.council tax.tax_base_growth",
            "follows driver 'growth'.*'drivers.growth.central'",
        ),
        ("drivers.fees.central", "is not stated in the plan"),
        ("drivers.growth.previous", "a list that is not one number a year"),
        ("reserves.funds.general fund.general", "is False; expected a number"),
        ("lines.roads.base.more", "does not exist"),
        ("growth", "'growth' is a driver, .* such as 'drivers.growth.central'"),
    ],
)
def test_what_is_no_lever_is_answered(path, said):
    with pytest.raises(MtfsError, match=said):
        lever(path)


def test_years_are_the_plans_and_go_with_what_has_years():
    with pytest.raises(MtfsError, match=r"'2036/37', which is no year of the plan.*2026/27, 2027"):
        lever("lines.roads.growth", years=["2036/37"])
    with pytest.raises(MtfsError, match="is one number for all years; leave out 'years'"):
        lever("lines.roads.base", years=YEARS[:1])
    with pytest.raises(MtfsError, match="expected each year once"):
        lever("lines.roads.growth", years=[YEARS[0], YEARS[0]])
    with pytest.raises(MtfsError, match="at least one"):
        lever("lines.roads.growth", years=[])


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ((2.0, 1.0), "are 2 and 1; expected the lower one first"),
        ((1.0, 1.0), "expected the lower one first"),
        ((0.0, np.inf), "expected two finite numbers"),
        ((0.0, np.nan), "expected two finite numbers"),
        ((0.0,), "expected two finite numbers"),
        ((0.0, "5%"), "expected two finite numbers"),
        (0.05, "expected two finite numbers"),
        ((False, True), "expected two finite numbers"),
    ],
)
def test_bounds_are_two_finite_numbers_in_order(bounds, said):
    with pytest.raises(MtfsError, match=said):
        Lever("base_gap", bounds)


def test_the_way_is_one_of_three_and_the_path_is_text():
    with pytest.raises(MtfsError, match=r"'scal'; expected 'set' or 'add' or 'scale'.*'scale'"):
        Lever("base_gap", (0, 1), "scal")
    with pytest.raises(MtfsError, match="found lever 3; expected a path"):
        Lever(3, (0, 1))
    assert Lever("base_gap", [0, np.float64(1)]).bounds == (0.0, 1.0)
    assert Lever("base_gap", (0, 1)).name == "base_gap"
    assert Lever("base_gap", (0, 1), label="base").name == "base"


@pytest.mark.parametrize("years", [2026, [2026]])
def test_years_are_labels(years):
    with pytest.raises(MtfsError, match=r"2026\]?; expected labels such as \['2026/27'\]"):
        Lever("lines.roads.base", (0.0, 1.0), years=years)
