"""The plan: all its errors at once, changes, the assumption register, JSON and its schema."""

import json
import pathlib

import numpy as np
import pytest
from councils import BUDGET, YEARS, council, run
from hypothesis import given, settings
from strategies import mappings, plans

import mtfs
from mtfs import MtfsError, Plan, PlanError, PlanWarning
from mtfs.plan import find_problems


def wrong(**parts):
    with pytest.raises(PlanError) as caught:
        council(**parts)
    return caught.value


# Errors


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"lines": []}, "the plan holds no lines and no funding"),
        ({"council": ""}, "council: "),
        ({"councl": "B"}, "unknown key 'councl'. Did you mean 'council'"),
        (
            {"first_year": "2026-27"},
            "found year '2026-27'; expected a financial year such as '2026/27'",
        ),
        ({"first_year": 2026}, "first_year"),
        ({"first_year": None}, "first_year"),
        ({"horizon": 0}, "at least 1"),
        ({"horizon": 11}, "at most 10"),
        ({"horizon": 2.5}, "horizon: found 2.5"),
        ({"base_gap": float("nan")}, "base_gap: found nan; expected a finite number"),
        ({"base_gap": float("-inf")}, "expected a finite number"),
        ({"base_gap": "£5.8k"}, "found text '£5.8k'; expected a plain number: write 5800"),
        ({"base_gap": "5,800"}, "write 5800"),
        ({"base_gap": "-2.5m"}, "write -2500000"),
        ({"base_gap": "1bn"}, "write 1000000000"),
        ({"base_gap": "lots"}, "base_gap: found 'lots'; expected a number"),
        ({"base_gap": None}, "base_gap"),
        ({"base_gap": True}, "base_gap: found True"),
        ({"base_gap": [1.0]}, "base_gap"),
        ({"savings_correlation": 1.2}, "is 1.2; expected a share from 0 to 1"),
        ({"savings_correlation": 85.0}, "write 85% as 0.85"),
        ({"savings_correlation": -0.1}, "expected a share from 0 to 1"),
        ({"lines": "roads"}, "lines"),
        ({"lines": [5]}, r"lines\[0\]"),
        ({"lines": [{"name": "x", "base": 1.0}]}, "'kind' is missing"),
        ({"lines": [BUDGET | {"name": ""}]}, "name"),
        ({"lines": [BUDGET | {"name": "a\nb"}]}, "name"),
        ({"lines": [BUDGET | {"growth": {"profile": "linear", "start": 0.0}}]}, "'end' is missing"),
        (
            {"lines": [BUDGET | {"growth": {"profile": "curve", "start": 0.0, "end": 1.0}}]},
            "'linear'",
        ),
        (
            {"lines": [BUDGET | {"growth": {"profile": "step", "start": 0.0, "end": 0.1}}]},
            "a step needs it",
        ),
        (
            {"lines": [BUDGET | {"notes": [{"field": "bass", "source": "a"}]}]},
            "'bass', which is not a field",
        ),
        ({"lines": [BUDGET, BUDGET]}, "the name 'roads' is used 2 times in lines"),
    ],
    ids=range(32),
)
def test_a_plan_that_cannot_be_says_what_to_do(parts, says):
    with pytest.raises(PlanError, match=says):
        council(**({"lines": [BUDGET]} | parts))


def test_every_list_needs_names_of_its_own():
    cpi = {"name": "cpi", "central": 0.02}
    saving = {"name": "s", "levels": 1.0, "rag": "green"}
    grant = {"kind": "grant", "name": "g", "amount": 1.0}
    receipt = {"kind": "receipt", "name": "r", "amounts": 1.0}
    item = {"name": "DSG", "opening": 0.0, "deficits": 0.0}
    said = str(
        wrong(
            drivers=[cpi] * 2,
            lines=[BUDGET] * 2,
            savings=[saving] * 2,
            funding=[grant] * 2,
            one_offs=[receipt] * 2,
            memorandum=[item] * 2,
        )
    )
    for group in ("drivers", "lines", "savings", "funding", "one_offs", "memorandum"):
        assert f"used 2 times in {group}" in said


def test_one_wrong_number_is_one_short_problem():
    error = wrong(lines=[BUDGET | {"base": -1.0}])
    assert len(error.problems) == 1
    assert str(error) == "lines[0] 'roads', base: found -1.0; expected a value at least 0"


def test_an_error_is_an_mtfs_error_and_a_value_error():
    error = wrong(lines=[])
    assert isinstance(error, MtfsError)
    assert isinstance(error, ValueError)


@pytest.mark.parametrize("data", [None, 5, "plan", [], [{"council": "A"}]])
def test_what_is_not_a_mapping_is_not_a_plan(data):
    with pytest.raises(PlanError, match="expected a mapping"):
        Plan.model_validate(data)
    problems, warned = find_problems(data)
    assert len(problems) == 1
    assert not warned


@pytest.mark.parametrize("file", ["x.yaml", pathlib.Path("x.yaml")])
def test_a_file_is_loaded_first(file):
    with pytest.raises(MtfsError, match=r"found 'x\.yaml'; .* with mtfs\.load_plan$"):
        mtfs.project_gap(file)
    with pytest.raises(MtfsError, match=r"found 'x\.yaml'; .* with mtfs\.load_monitoring$"):
        mtfs.forecast_outturn(file)


def test_a_part_made_in_python_errs_like_one_in_a_file():
    from mtfs.lines import BudgetLine  # noqa: PLC0415 - as a user would

    with pytest.raises(PlanError, match=r"unknown key 'bas'. Did you mean 'base'"):
        BudgetLine(name="roads", bas=5.0)


def test_streams_that_two_parts_would_share_are_refused():
    saving = {"name": "closure", "levels": 10.0, "delivery": {"mean": 0.5, "sd": 0.1}}
    with pytest.raises(PlanError, match=r"the stream 'closure\.delivery'"):
        council(lines=[BUDGET], savings=[saving])
    drivers = [
        {"name": name, "shock": "one", "central": 0.0, "sd": 0.1, "persistence": 0} for name in "ab"
    ]
    with pytest.raises(PlanError, match="the stream 'one'"):
        council(lines=[BUDGET], drivers=drivers)
    with pytest.raises(PlanError, match=r"the stream 'savings\.common'"):
        council(lines=[BUDGET], drivers=[drivers[0] | {"shock": "savings.common"}])


def test_a_grant_on_the_requirement_side_is_a_row_with_a_name_of_its_own():
    grant = {"kind": "grant", "name": "roads", "amount": 1.0, "side": "requirement"}
    with pytest.raises(PlanError, match="a line is called 'roads' too"):
        council(lines=[BUDGET], funding=[grant])


# All problems at once

MANY = {
    "council": "Anyshire",
    "first_year": YEARS[0],
    "drivers": [{"name": "cpi", "central": 0.02, "sd": 0.01}],
    "lines": [
        {"kind": "budget", "name": "roads", "base": "5,800", "growth": "cpi"},
        {
            "kind": "care",
            "name": "care",
            "people": 10.0,
            "weekly_cost": 5.0,
            "price_growth": "cpii",
        },
        {"kind": "budget", "name": "roads", "base": 1.0},
        {"kind": "pay", "name": "staff", "pay": 1.0, "pension": 85.0},
    ],
    "savings": [{"name": "s", "levels": [1.0, 2.0], "rag": "green"}],
    "reserves": {"funds": [{"name": "general", "opening": 1.0}]},
}


def test_find_problems_lists_everything_at_once():
    problems, _ = find_problems(MANY)
    said = "\n".join(map(str, problems))
    for expected in (
        "drivers[0] 'cpi': a spread needs 'persistence'",
        "lines[0] 'roads', base: found text '5,800'; expected a plain number: write 5800",
        "lines[1] 'care', price_growth: uses driver 'cpii', which the plan does not hold.",
        "the name 'roads' is used 2 times in lines",
        "lines[3] 'staff', pension: the value is 85; expected a share from 0 to 1; write 85%",
        "savings[0] 's', levels: holds 2 values; expected one for each of the 4 years",
        "reserves, surplus_to: say which fund takes a surplus",
    ):
        assert expected in said
    assert len(problems) == 7


def test_problems_know_their_place():
    problems, _ = find_problems(MANY)
    assert ("lines", 0, "base") in {problem.path for problem in problems}


def test_a_right_plan_has_no_problems():
    assert find_problems({"council": "A", "first_year": YEARS[0], "lines": [BUDGET]}) == ([], [])


@settings(max_examples=settings.default.max_examples // 2)
@given(mappings())
def test_random_plans_are_right(data):
    assert find_problems(data)[0] == []


# The implausible

CPI = {"name": "cpi", "central": 0.02, "persistence": 0.5}
WIDE = r"growth: 'cpi' spreads by 200% a year; write 2 points as 0\.02"


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (
            {"lines": [BUDGET | {"growth": 5.0}]},
            r"lines\[0\] 'roads', growth: grows by 500% in a year; write 5% as 0.05",
        ),
        (
            {"lines": [BUDGET | {"growth": "cpi"}], "drivers": [{"name": "cpi", "central": 0.6}]},
            "grows by 60%",
        ),
        (
            {
                "lines": [
                    {
                        "kind": "care",
                        "name": "c",
                        "people": 1.0,
                        "weekly_cost": 1.0,
                        "price_growth": [0.0, 0.0, 0.51, 0.0],
                    }
                ]
            },
            "price_growth: grows by 51%",
        ),
        (
            {"lines": [{"kind": "pay", "name": "p", "pay": 1.0, "award": 3.0}]},
            "award: grows by 300%",
        ),
        ({"lines": [BUDGET | {"growth": "cpi"}], "drivers": [CPI | {"sd": 2.0}]}, WIDE),
        (
            {
                "lines": [BUDGET | {"growth": "cpi"}],
                "drivers": [CPI | {"sd": [0.01, 0.01, 2.0, 0.02]}],
            },
            WIDE,
        ),
    ],
    ids=range(6),
)
def test_what_is_more_likely_a_slip_is_doubted(parts, says):
    with pytest.warns(PlanWarning, match=says):
        council(**parts)
    problems, warned = find_problems({"council": "A", "first_year": YEARS[0]} | parts)
    assert not problems
    assert len(warned) == 1


def test_growth_of_half_is_believed():
    assert council(lines=[BUDGET | {"growth": 0.5}])
    assert council(lines=[BUDGET | {"growth": "cpi"}], drivers=[CPI | {"sd": 0.5}])


def test_a_wide_driver_that_no_growth_follows_is_believed():
    line = {"kind": "change", "name": "growth", "cause": "people", "levels": "cpi"}
    assert council(lines=[line], drivers=[CPI | {"sd": 2.0}])


# Changes


def test_a_plan_cannot_be_edited():
    plan = council(lines=[BUDGET])
    with pytest.raises(ValueError, match="frozen"):
        plan.base_gap = 5.0


def test_changes_make_another_plan():
    plan = council(lines=[BUDGET], base_gap=1.0)
    other = plan.with_changes(
        {"base_gap": 2.0, "lines.roads.base": 5.0, "reserves.closure.policy": "none"}
    )
    assert (other.base_gap, other.lines[0].base, other.reserves.closure.policy) == (
        2.0,
        5.0,
        "none",
    )
    assert (plan.base_gap, plan.lines[0].base, plan.reserves.closure.policy) == (
        1.0,
        1000.0,
        "plan",
    )


def test_changes_reach_into_lists_inside_parts():
    events = [{"name": "shift", "year": YEARS[0], "probability": 0.5, "effect": 0.1}]
    plan = council(lines=[BUDGET], drivers=[{"name": "cpi", "central": 0.02, "events": events}])
    assert (
        plan.with_changes({"drivers.cpi.events.shift.effect": 0.3}).drivers[0].events[0].effect
        == 0.3
    )


def test_no_changes_are_the_same_plan():
    plan = council(lines=[BUDGET])
    assert plan.with_changes({}) == plan


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("lines.rods.base", 1.0, "no 'rods'. Did you mean 'roads'.*There is: roads"),
        ("lines.roads.bass", 1.0, "no 'bass'. Did you mean 'base'"),
        ("savings_corelation", 1.0, "no 'savings_corelation'. Did you mean 'savings_correlation'"),
        ("lines.roads.base.deep", 1.0, "There is: nothing below"),
        ("lines.roads.base", -1.0, "at least 0"),
        ("lines.roads.base", "5k", "write 5000"),
        ("lines.roads.growth", "cpi", "uses driver 'cpi'"),
        ("", 1.0, "does not exist"),
    ],
)
def test_changes_are_checked(path, value, says):
    with pytest.raises(PlanError, match=says):
        council(lines=[BUDGET]).with_changes({path: value})


# Register, JSON, digest, schema


def test_the_register_lists_every_sourced_figure():
    line = BUDGET | {
        "source": "budget book",
        "owner": "AB",
        "notes": [{"field": "growth", "source": "OBR, March", "rationale": "CPI"}],
    }
    found = council(lines=[line, BUDGET | {"name": "parks"}]).register()
    assert found == [
        {"name": "roads", "field": "", "source": "budget book", "owner": "AB", "rationale": ""},
        {
            "name": "roads",
            "field": "growth",
            "source": "OBR, March",
            "owner": "",
            "rationale": "CPI",
        },
    ]


@settings(max_examples=settings.default.max_examples // 2)
@given(plans())
def test_a_plan_survives_json(plan):
    again = Plan.model_validate(json.loads(plan.to_json()))
    assert again == plan
    assert again.to_json() == plan.to_json()
    assert again.digest == plan.digest
    assert Plan.model_validate_json(plan.to_json()) == plan


def test_digests_tell_plans_apart():
    plan = council(lines=[BUDGET])
    assert plan.digest == council(lines=[BUDGET]).digest
    assert plan.digest != plan.with_changes({"lines.roads.base": 1000.01}).digest


def test_whole_numbers_and_numpys_are_the_same_plan():
    whole = council(lines=[BUDGET | {"base": 1000, "growth": (0, 0, 0, 0)}])
    numpys = council(lines=[BUDGET | {"base": np.float64(1000), "growth": np.zeros(4)}])
    assert whole == numpys
    assert whole.digest == numpys.digest


def test_the_json_schema_describes_a_plan():
    schema = Plan.model_json_schema()
    json.dumps(schema)
    assert {"council", "first_year"} <= set(schema["required"])
    assert {"CareLine", "Driver", "Saving", "CouncilTax", "Reserves"} <= set(schema["$defs"])
    assert schema["additionalProperties"] is False
    assert "GBP" in json.dumps(schema["$defs"]["CareLine"]["properties"]["weekly_cost"])


def test_growth_may_be_written_in_five_ways():
    drivers = [{"name": "cpi", "central": 0.02}]
    by_year = {"by_year": dict.fromkeys(YEARS, 0.02)}
    profile = {"profile": "linear", "start": 0.02, "end": 0.02}
    ways = [0.02, [0.02] * 4, by_year, profile, "cpi"]
    lines = [BUDGET | {"name": f"way {n}", "growth": way} for n, way in enumerate(ways)]
    cost = run(council(drivers=drivers, lines=lines))["cost"]
    np.testing.assert_allclose(cost, np.broadcast_to(1000 * 1.02 ** np.arange(1, 5), cost.shape))


def test_profiles_run_from_start_to_end():
    def values(**profile):
        line = {
            "kind": "change",
            "name": "x",
            "cause": "y",
            "levels": {"start": 0.0, "end": 9.0} | profile,
        }
        return run(council(lines=[line]))["planned_gap"].values.tolist()

    assert values(profile="linear") == pytest.approx([0, 3, 6, 9])
    assert values(profile="back_loaded") == pytest.approx([0, 1, 4, 9])
    assert values(profile="front_loaded") == pytest.approx([0, 5, 8, 9])
    assert values(profile="step", at=YEARS[2]) == [0, 0, 9, 9]


def test_a_repr_says_what_is_in_it():
    assert repr(council(lines=[BUDGET])) == (
        "<Plan Anyshire 2026/27 to 2029/30: 0 drivers, 1 lines, 0 savings, "
        "0 funding sources, 0 funds>"
    )


def test_the_package_offers_what_it_names():
    assert set(mtfs.__all__) <= set(dir(mtfs))
    assert all(hasattr(mtfs, name) for name in mtfs.__all__)
    with pytest.raises(AttributeError, match="no attribute 'project_gaps'"):
        mtfs.project_gaps  # noqa: B018


def test_the_schema_says_what_keys_mean_inherited_and_nested_ones_too():
    found = Plan.model_json_schema()["$defs"]
    assert "half where it comes evenly" in found["CareLine"]["properties"]["arrival"]["description"]
    assert "jointly run" in found["CareLine"]["properties"]["share"]["description"]
    assert "coefficient of variation" in found["Dispersion"]["properties"]["cv"]["description"]


def lines_of(**driver):
    """Give a plan with one budget that follows one driver."""
    return {
        "council": "A",
        "first_year": "2026/27",
        "drivers": [{"name": "x", "persistence": 0} | driver],
        "lines": [{"kind": "budget", "name": "roads", "base": 1e6, "growth": "x"}],
    }


@pytest.mark.parametrize(
    "driver",
    [
        {"central": 0.03, "sd": -0.01},
        {"central": -0.03, "sd": 0.01, "shape": "lognormal"},
        {"central": 0.5, "sd": 0.9, "shape": "beta", "bounds": [0, 1], "stated_as": "mean"},
        {"central": 0.5, "shape": "pert", "bounds": [0, 0.1], "stated_as": "mode"},
        {"central": 0.03, "interval": {"low": 0.04, "high": 0.05, "prob": 0.8}},
    ],
)
def test_a_driver_without_a_distribution_is_named_beside_all_else_that_is_wrong(driver):
    data = lines_of(**driver)
    data["lines"].append({"kind": "budget", "name": "parks", "base": 1e6, "growth": "y"})
    problems, _ = mtfs.plan.find_problems(data)
    assert len(problems) == 2
    assert any(p.where == "drivers[0] 'x'" for p in problems)
    assert any("uses driver 'y'" in p.message for p in problems)


@pytest.mark.parametrize("horizon", [0, 11, 10**9, "4", 4.5])
def test_an_impossible_horizon_is_one_problem(horizon):
    data = lines_of(central=[0.1, 0.2], sd=0.01) | {"horizon": horizon}
    problems, _ = mtfs.plan.find_problems(data)
    assert [p.path for p in problems] == [("horizon",)]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"drivers": ["x"]}, "expected a mapping with bounds, central"),
        ({"first_year": 2026}, "expected a financial year such as '2026/27'"),
        ({"lines": [{"name": "roads"}]}, "'kind' is missing; it must be given, one of balances"),
        ({"base_gap": "20.6e6"}, "write 20600000"),
        ({"base_gap": 1e308}, "at most 10,000,000,000,000"),
        ({"drivers": [{"name": "x", "central": "3%"}]}, "write 0.03"),
    ],
)
def test_common_slips_are_answered_with_what_to_write(change, says):
    with pytest.raises(PlanError, match=says):
        Plan.model_validate(lines_of(central=0.03, sd=0.01) | change)


def test_a_change_within_another_change_is_refused():
    plan = council(lines=[BUDGET])
    with pytest.raises(PlanError, match=r"'lines\.roads\.base' lies within 'lines'"):
        plan.with_changes({"lines": plan.lines, "lines.roads.base": 2.0})


SURGE = {"name": "new law", "year": "2027/28", "probability": 0.5, "effect": 0.6}
HALF = {"name": "half", "shape": "pert", "bounds": [0.2, 0.6], "central": 0.5, "stated_as": "mode"}
WIDE = {"name": "wide", "central": 0.5, "sd": 0.1, "persistence": 0.0}


@pytest.mark.parametrize(
    ("mix", "says"),
    [
        ({"mix": [{"driver": "half", "weight": 2.0}]}, "may lie from 0.4 to 1.2"),
        ({"mix": [{"driver": "half", "weight": -1.0}], "central": 0.5}, "may lie from -0.1 to 0.3"),
        ({"mix": [{"driver": "wide", "weight": 0.1}]}, "may lie from -inf to inf"),
        ({"mix": [{"driver": "half", "weight": 0.1, "lag": 1}]}, "may lie from 0.02 to 2"),
        ({"mix": [{"driver": "half", "weight": 0.5}], "planned": 1.5}, "may lie from 0.1 to 1.5"),
        (
            {"mix": [{"driver": "half", "weight": 0.5}], "sd": 0.1, "persistence": 0.0},
            "has shape normal",
        ),
        ({"mix": [{"driver": "share", "weight": 0.5}]}, "driver 'share' depends on itself"),
        ({"central": 0.5, "events": [SURGE]}, "driver 'share' reaches 1.1"),
    ],
    ids=range(8),
)
def test_a_share_that_is_a_mix_or_has_events_stays_a_share(mix, says):
    half = HALF | {"persistence": 0.0, "previous": [20.0]}
    care = {"kind": "care", "name": "homes", "people": 10.0, "weekly_cost": 1e3}
    lines = [care | {"client_income": "share"}]
    with pytest.raises(PlanError, match=says):
        council(drivers=[half, WIDE, {"name": "share"} | mix], lines=lines)
    fine = {
        "name": "share",
        "mix": [{"driver": "half", "weight": 1.5}, {"driver": "wide", "weight": 0.0}],
    }
    assert run(council(drivers=[half, WIDE, fine], lines=lines))["cost"].min() > 0
