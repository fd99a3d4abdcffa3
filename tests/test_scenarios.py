"""Scenarios: what they make of a plan, the files that hold them, and what is wrong with either."""

import json

import numpy as np
import pytest
from councils import BUDGET, council

import mtfs
from mtfs import MtfsError, PlanError, Scenario, Scenarios
from mtfs.io import (
    check_plan,
    check_scenarios,
    example_names,
    example_scenarios_file,
    example_scenarios_names,
)
from mtfs.io.yaml import write_yaml

HUBS = {"kind": "budget", "name": "family hubs", "base": 200.0}
CPI = {"name": "cpi", "central": 0.02, "sd": 0.01, "persistence": 0.5}
FUND = {"name": "general", "opening": 50.0, "general": True}

FILE = """\
council: Anyshire
title: Choices
scenarios:
  - name: cut
    description: A fifth off the roads.
    rationale: "Assumption: all of it."
    changes:
      lines.roads.base: 800
  - name: a new line
    add:
      drivers:
        - {name: volume, central: 0.01}
      lines:
        - kind: budget
          name: parks
          base: 50
          growth: volume
levers:
  - name: no decision
  - name: close the hubs
    remove: [lines.family hubs]
states:
  - name: inflation
    changes: {drivers.cpi.central: 0.05}
"""


def plan(**parts):
    held = {"lines": [BUDGET | {"growth": "cpi"}, HUBS], "drivers": [CPI]}
    return council(**held | {"reserves": {"funds": [FUND], "surplus_to": "general"}} | parts)


@pytest.fixture
def write(tmp_path):
    def put(text):
        path = tmp_path / "scenarios.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return put


# What a scenario makes of a plan


def test_changes_are_those_of_the_plan():
    changes = {"lines.roads.base": 5.0, "reserves.closure.policy": "none"}
    assert Scenario(name="a", changes=changes).applied(plan()) == plan().with_changes(changes)


def test_a_scenario_without_changes_is_the_plan():
    assert Scenario(name="nothing").applied(plan()) == plan()


def test_parts_are_added_last_and_removed():
    fund = {"name": "smoothing", "opening": 5.0}
    scenario = Scenario(
        name="swap",
        add={"lines": [HUBS | {"name": "parks"}], "funds": [fund]},
        remove=["lines.family hubs"],
    )
    made = scenario.applied(plan())
    assert [line.name for line in made.lines] == ["roads", "parks"]
    assert [held.name for held in made.reserves.funds] == ["general", "smoothing"]


def test_parts_built_in_python_and_arrays_are_taken():
    levels = np.array([1.0, 2.0, 3.0, 4.0])
    one_off = mtfs.lines.Saving(name="it", levels=levels, delivery=1.0)
    made = Scenario(name="a", changes={"savings": (one_off,), "base_gap": np.float64(2.0)})
    assert made.applied(plan()) == plan(savings=[one_off], base_gap=2.0)
    assert Scenario.model_validate_json(made.model_dump_json()) == made


def test_a_scenario_keeps_nothing_of_what_it_was_given():
    given = {"lines.roads.base": [1.0]}
    scenario = Scenario(name="a", changes=given)
    given["lines.roads.base"].append(2.0)
    assert scenario.changes == {"lines.roads.base": [1.0]}


def test_a_value_may_be_taken_away():
    scenario = Scenario(name="a", changes={"reserves.funds": [], "reserves.surplus_to": None})
    assert scenario.applied(plan()).reserves.surplus_to is None
    assert Scenario.model_validate_json(scenario.model_dump_json(exclude_none=True)) == scenario


def test_every_problem_says_which_scenario_and_what_in_it():
    scenario = Scenario(
        name="early help",
        changes={"lines.roads.base": -1.0, "lines.family hubs.base": "5k"},
        add={"lines": [HUBS | {"name": "parks", "growth": "cpj"}]},
    )
    with pytest.raises(PlanError, match="scenario 'early help' has 3 problems") as caught:
        scenario.applied(plan())
    said = {problem.path: str(problem) for problem in caught.value.problems}
    assert said[("changes", "lines.roads.base")] == (
        "scenario 'early help', changes, lines.roads.base: found -1.0; expected a value at least 0"
    )
    assert "write 5000" in said[("changes", "lines.family hubs.base")]
    new = said[("add", "lines", 0, "growth")]
    assert new.startswith("scenario 'early help', add, lines[0] 'parks', growth: uses driver 'cpj'")
    assert "Did you mean 'cpi'" in new


def test_a_path_that_leads_nowhere_names_the_scenario_and_the_nearest():
    with pytest.raises(
        PlanError, match=r"scenario 'a', changes: 'lines\.rods\.base' does not"
    ) as e:
        Scenario(name="a", changes={"lines.rods.base": 1.0}).applied(plan())
    assert "Did you mean 'roads'?" in str(e.value)


def test_what_is_left_hanging_is_said_of_the_scenario():
    scenario = Scenario(name="no cpi", remove=["drivers.cpi"])
    with pytest.raises(PlanError, match=r"scenario 'no cpi', lines\[0\] 'roads', growth: uses"):
        scenario.applied(plan())


def test_two_scenarios_together_do_what_both_do_in_either_order():
    one = Scenario(name="a", changes={"lines.roads.base": 5.0}, remove=["lines.family hubs"])
    two = Scenario(name="b", changes={"base_gap": 7.0}, add={"lines": [HUBS | {"name": "parks"}]})
    both = one.combined(two, plan())
    assert both.applied(plan()) == two.combined(one, plan()).applied(plan())
    assert both.applied(plan()) == two.applied(one.applied(plan()))


@pytest.mark.parametrize(
    "other",
    [
        {"changes": {"lines.roads.base": 6.0}},
        {"changes": {"lines.roads": BUDGET}},
        {"changes": {"lines": [BUDGET]}},
        {"remove": ["lines.roads"]},
        {"add": {"lines": [HUBS | {"name": "parks"}]}},
    ],
    ids=range(5),
)
def test_scenarios_that_set_the_same_place_do_not_combine(other):
    new = {"lines": [HUBS | {"name": "parks", "base": 1.0}]}
    one = Scenario(name="ours", changes={"lines.roads.base": 5.0}, add=new)
    two = Scenario(name="theirs", **other)
    for first, second in ((one, two), (two, one)):
        with pytest.raises(PlanError, match=r"scenario '.*' and scenario '.*' both change 'lines"):
            first.combined(second, plan())


def test_a_scenario_shows_what_it_holds_on_one_line():
    assert repr(Scenario(name="a", remove=["lines.x"])) == (
        "<Scenario a: 0 changes, 0 parts added, 1 removed>"
    )
    shown = repr(Scenarios(levers=[{"name": "a"}]))
    assert shown == "<Scenarios of any council: scenarios []; levers ['a']; states []>"


# Files


def test_a_file_loads_and_fits_its_plan(write):
    held = mtfs.load_scenarios(write(FILE), plan())
    assert [each.name for each in held.scenarios] == ["cut", "a new line"]
    assert held["cut"].applied(plan()).lines[0].base == 800
    assert held["a new line"].applied(plan()).lines[-1].growth == "volume"
    assert [line.name for line in held["close the hubs"].applied(plan()).lines] == ["roads"]
    assert held.problems(plan()) == []
    assert check_scenarios(write(FILE), plan()) == []


def test_a_file_that_is_written_loads_as_it_was(write):
    held = mtfs.load_scenarios(write(FILE))
    text = held.model_dump_json(exclude_none=True)
    assert Scenarios.model_validate_json(text) == held
    assert mtfs.load_scenarios(write(write_yaml(json.loads(text)))) == held


def test_every_problem_has_its_line(write):
    text = FILE.replace("lines.roads.base: 800", "lines.rods.base: 800")
    text = text.replace("growth: volume", "growth: volum").replace("family hubs", "family hubz")
    text = text.replace("drivers.cpi.central: 0.05", "drivers.cpi.central: 5%")
    path = write(text)
    found = check_scenarios(path, plan())
    assert [(problem.line, problem.file) for problem in found] == [
        (n, str(path)) for n in (8, 17, 21, 24)
    ]
    assert str(found[0]).startswith(f"{path}, line 8, scenario 'cut', changes: 'lines.rods.base'")
    with pytest.raises(PlanError, match="the file of scenarios has 4 problems"):
        mtfs.load_scenarios(path, plan())
    assert check_scenarios(path) == []  # what fits no plan may fit another


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("changes:\n", "change:\n", 7, "unknown key 'change'. Did you mean 'changes'"),
        ("base: 50\n", "base: -50\n", 16, "at least 0"),
        ("kind: budget\n", "kind: budgett\n", 14, "unknown kind 'budgett'. Did you mean 'budget'"),
        ("name: close the hubs", "name: cut", 20, "'cut' is a name used before"),
        ("[lines.family hubs]", "lines.family hubs", 21, "expected a list in square brackets"),
        ("scenarios:", "scenarois:", 3, "Did you mean 'scenarios'"),
        ("lines.roads.base: 800", "lines.roads.base: 1\n      lines.roads.base: 2", 9, "twice"),
    ],
    ids=range(7),
)
def test_slips_in_a_file_are_told_with_their_line(write, old, new, line, says):
    (problem,) = check_scenarios(write(FILE.replace(old, new, 1)))
    assert problem.line == line
    assert says in problem.message


def test_another_councils_plan_is_refused(write):
    other = plan(council="Otherton")
    with pytest.raises(PlanError, match="line 1: the scenarios are of 'Anyshire' and the plan is"):
        mtfs.load_scenarios(write(FILE), other)


def test_each_kind_of_file_says_what_loads_it(write):
    with pytest.raises(PlanError, match="looks like a file of scenarios, not a plan"):
        mtfs.load_plan(write(FILE))
    assert "mtfs.load_scenarios" in str(check_plan(write(FILE))[0][0])
    with pytest.raises(PlanError, match=r"looks like a plan.*mtfs\.load_plan loads it"):
        mtfs.load_scenarios(write("council: A\nfirst_year: 2026/27\n"))
    with pytest.raises(PlanError, match=r"a monitoring document.*mtfs\.load_monitoring"):
        mtfs.load_scenarios(write("council: A\nservices: []\n"))
    with pytest.raises(PlanError, match="holds no scenario"):
        mtfs.load_scenarios(write("council: A\n"))
    with pytest.raises(PlanError, match=r"load a file first, with mtfs\.load_scenarios"):
        Scenarios.model_validate("scenarios.yaml")


def test_a_name_that_is_not_there_is_answered_with_the_nearest():
    held = Scenarios(scenarios=[{"name": "early help"}])
    with pytest.raises(MtfsError, match="Did you mean 'early help'"):
        held["early hlp"]


def test_the_schema_says_what_each_key_means():
    schema = Scenarios.model_json_schema()
    assert "what the council may do" in schema["properties"]["levers"]["description"]
    fields = schema["$defs"]["Scenario"]["properties"]
    assert "dotted path" in fields["changes"]["description"]
    assert "CareLine" in schema["$defs"]


# The file that ships


def test_scenarios_that_ship_bear_the_name_of_their_plan_and_fit_it():
    names = example_scenarios_names()
    assert names == ["nottinghamshire_2024"]
    for name in names:
        assert name in example_names()
        with example_scenarios_file(name).open(encoding="utf-8") as text:
            assert text.read(1) == "#"
        assert mtfs.load_example_scenarios(name).problems(mtfs.load_example(name)) == []


def test_every_scenario_that_ships_says_where_it_comes_from():
    held = mtfs.load_example_scenarios("nottinghamshire_2024")
    for each in (*held.scenarios, *held.levers, *held.states):
        changed = each.changes or each.remove or any(each.add.by_list().values())
        assert each.source or "Assumption" in (each.rationale or "") or not changed, each.name


def test_the_greatest_rise_of_council_tax_leaves_a_gap_of_16():
    held = mtfs.load_example_scenarios("nottinghamshire_2024")
    plan = held["greatest council tax"].applied(mtfs.load_example("nottinghamshire_2024"))
    gap = mtfs.project_gap(plan, n_draws=1, seed=1, keep="totals")["planned_gap"]
    assert abs(gap.sel(year="2028/29").item() - 16e6) <= 0.5e6  # published to a million


def test_an_example_that_does_not_ship_is_answered_with_the_nearest():
    with pytest.raises(MtfsError, match="Did you mean 'nottinghamshire_2024'"):
        mtfs.load_example_scenarios("nottinghamshire_2025")
