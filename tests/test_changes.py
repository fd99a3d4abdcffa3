"""Dotted paths: where they lead, names that hold dots, and every problem at once."""

import pytest
from councils import BUDGET, council

from mtfs import PlanError
from mtfs.changes import edit, locate

DOTTED = {"kind": "budget", "name": "St. John's", "base": 10.0}
ROAD = {"kind": "budget", "name": "A1", "base": 1.0}
ROAD_BASE = {"kind": "budget", "name": "A1.base", "base": 2.0}


def plan(**parts):
    return council(lines=[BUDGET, DOTTED], **parts)


def test_a_name_may_hold_dots():
    assert plan().with_changes({"lines.St. John's.base": 11.0}).lines[1].base == 11.0
    assert locate(plan(), "lines.St. John's.base").names == ("lines", "St. John's", "base")


def test_of_several_names_that_fit_the_longest_is_meant():
    roads = council(lines=[ROAD, ROAD_BASE])
    changed = roads.with_changes({"lines.A1.base.base": 5.0})
    assert [line.base for line in changed.lines] == [1.0, 5.0]
    assert locate(roads, "lines.A1.base").path == ("lines", 1)


def test_the_nearest_name_may_hold_dots():
    with pytest.raises(PlanError, match=r"no 'St'\. Did you mean 'St\. John's'"):
        plan().with_changes({"lines.St. Jon's.base": 11.0})


def test_parts_with_dots_in_their_names_do_not_lie_within_each_other():
    roads = council(lines=[ROAD, {**ROAD_BASE, "name": "A1.north"}])
    changed = roads.with_changes({"lines.A1": ROAD | {"base": 7.0}, "lines.A1.north.base": 8.0})
    assert [line.base for line in changed.lines] == [7.0, 8.0]


def test_parts_without_a_name_go_by_number():
    drivers = [{"name": n, "central": 0.02, "sd": 0.01, "persistence": 0.0} for n in ("a", "b")]
    pair = {"between": ["a", "b"], "value": 0.5}
    held = council(lines=[BUDGET], drivers=drivers, correlations=[pair])
    assert held.with_changes({"correlations.0.value": 0.2}).correlations[0].value == 0.2


def test_every_path_that_leads_nowhere_is_listed():
    with pytest.raises(PlanError) as caught:
        plan().with_changes({"lines.rods.base": 1.0, "fnding": (), "lines.roads.": 1.0})
    assert [problem.path for problem in caught.value.problems] == [
        ("changes", "lines.rods.base"),
        ("changes", "fnding"),
        ("changes", "lines.roads."),
    ]
    assert "Did you mean 'funding'" in str(caught.value)


def test_a_path_is_text():
    with pytest.raises(PlanError, match="found 3; expected a dotted path"):
        plan().with_changes({3: 1.0})


def test_parts_are_changed_removed_and_added_at_once():
    held = council(lines=[BUDGET, ROAD, DOTTED])
    edited = edit(
        held,
        {"lines.St. John's.base": 3.0},
        add={"lines": [{**ROAD, "name": "A2"}]},
        remove=["lines.A1", "lines.roads"],
    )
    assert [line["name"] for line in edited.data["lines"]] == ["St. John's", "A2"]
    assert edited.data["lines"][0]["base"] == 3.0
    assert edited.origin(("lines", 0, "base")) == ("changes", "lines.St. John's.base")
    assert edited.origin(("lines", 0)) == ("changes", "lines.St. John's.base")
    assert edited.origin(("lines", 1, "base")) == ("add", "lines", 0, "base")
    assert edited.origin(("funding",)) is None
    assert edited.origin(()) is None
    assert [line.name for line in held.lines] == ["roads", "A1", "St. John's"]


@pytest.mark.parametrize(
    ("options", "says", "where"),
    [
        ({"remove": ["base_gap"]}, "'base_gap' is no part of a list", ("remove", 0)),
        ({"remove": ["lines.rods"]}, "Did you mean 'roads'", ("remove", 0)),
        (
            {"remove": ["lines.roads"], "changes": {"lines.roads.base": 1.0}},
            "lies within 'lines.roads', which is removed too",
            ("changes", "lines.roads.base"),
        ),
        (
            {"remove": ["lines.roads"], "changes": {"lines.roads": DOTTED}},
            "'lines.roads' is changed too",
            ("remove", 0),
        ),
        ({"remove": ["lines.roads"] * 2}, "removed twice", ("remove", 0)),
        (
            {"add": {"lines": [ROAD]}, "changes": {"lines": [DOTTED]}},
            "'lines' is replaced too; put the new parts into",
            ("add", "lines"),
        ),
    ],
    ids=range(6),
)
def test_what_contradicts_itself_is_refused(options, says, where):
    options = {"changes": {}} | options
    with pytest.raises(PlanError, match=says) as caught:
        edit(plan(), **options)
    assert caught.value.problems[0].path == where
