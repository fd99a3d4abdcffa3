"""Prevention: money now, fewer people in care later, never more than there are."""

import math

import numpy as np
import pytest
from councils import YEARS, council, run
from hypothesis import given
from hypothesis import strategies as st
from strategies import mappings

from mtfs import MtfsError, Plan, PlanError, PlanWarning, project_gap
from mtfs.engine import engine_of

CARE = {
    "kind": "care",
    "name": "residential",
    "people": 100.0,
    "entries": 50.0,
    "weekly_cost": 1000.0,
    "weeks": 50.0,
}
HELP = {
    "kind": "prevention",
    "name": "family help",
    "spend": 1e6,
    "reduces": "residential",
    "effect": 0.2,
    "effect_at": 1e6,
    "lag": 0,
    "ramp": 1,
    "decay": 0.0,
}
FOSTER = {"kind": "care", "name": "foster", "people": 300.0, "weekly_cost": 100.0, "weeks": 50.0}


def people_of(*lines, draws=1, **parts):
    """Give year-average people of residential care by year in the first draw."""
    ds = run(council(lines=[*lines], **parts), n_draws=draws)
    return ds["people"].sel(care_line="residential").isel(draw=0).values


def test_fewer_entries_reach_the_stock_as_people_leave_it():
    # a half of the stock is replaced a year; with a fifth of entries avoided the stock falls from
    # 100 to 80 and what is still to fall shrinks by exp(-0.5) a year; within a year the mean of
    # what is left of it is (1 - exp(-0.5)) / 0.5
    still = [20.0 * math.exp(-0.5 * t) * (1 - math.exp(-0.5)) / 0.5 for t in range(4)]
    assert people_of(CARE, HELP) == pytest.approx([80 + x for x in still])


def test_step_downs_leave_on_top_of_those_who_leave():
    step = HELP | {"through": "step_downs"}
    leaving = 0.5 - math.log(0.8)
    settled = 100 * 0.5 / leaving
    still = [
        (100 - settled) * math.exp(-leaving * t) * (1 - math.exp(-leaving)) / leaving
        for t in range(4)
    ]
    assert people_of(CARE, step) == pytest.approx([settled + x for x in still])


def test_a_lag_moves_the_effect_by_whole_years():
    at_once, later = people_of(CARE, HELP), people_of(CARE, HELP | {"lag": 2})
    assert later == pytest.approx([100, 100, at_once[0], at_once[1]])
    assert people_of(CARE, HELP | {"lag": 4}).tolist() == [100] * 4


def strength(line, years=6):
    plan = council(horizon=years, lines=[CARE, HELP | line])
    return plan.lines[1].strength(engine_of(plan).planned_paths)[:, 0].tolist()


def test_money_works_up_over_the_ramp_and_fades_when_it_stops():
    spend = [1e6, 1e6, 1e6, 0.0, 0.0, 1e6]
    assert strength({"spend": spend, "ramp": 2, "decay": 0.5}) == [0.5, 1, 1, 0.5, 0.25, 0.5]
    assert strength({"spend": spend, "ramp": 2, "decay": 1.0}) == [0.5, 1, 1, 0, 0, 0.5]
    assert strength({"spend": spend, "ramp": 1, "decay": 0.0}) == [1, 1, 1, 1, 1, 1]
    assert strength({"spend": [2e6, 2e6, 4e6, 4e6, 4e6, 4e6], "ramp": 2}) == [1, 2, 3, 4, 4, 4]


def test_a_cut_is_the_same_line_with_the_other_sign():
    spend = [1e6, 2e6, 0.5e6, 0.0, 1e6, 1e6]
    cut = {"base": 5e6, "spend": [-x for x in spend]}
    shape = {"ramp": 3, "lag": 1, "decay": 0.4}
    more, less = strength({"spend": spend} | shape), strength(cut | shape)
    assert less == pytest.approx([-x for x in more])
    grown = people_of(CARE, HELP | {"base": 1e6, "spend": -1e6})
    # a quarter more enter, 1 / (1 - 0.2), so that the stock rises towards 125
    still = [25.0 * math.exp(-0.5 * t) * (1 - math.exp(-0.5)) / 0.5 for t in range(4)]
    assert grown == pytest.approx([125 - x for x in still])


def test_a_cut_undoes_what_the_same_money_did():
    undo = HELP | {"name": "cut", "base": 1e6, "spend": -1e6}
    assert people_of(CARE, HELP, undo) == pytest.approx([100] * 4)


def test_two_halves_work_as_one_whole_and_never_beyond_the_entries_there_are():
    half = HELP | {"spend": 0.5e6}
    one = people_of(CARE, HELP)
    assert people_of(CARE, half, half | {"name": "other half"}) == pytest.approx(one)
    strong = HELP | {"effect": 0.95, "spend": 15e6}
    several = [strong | {"name": f"help {n}"} for n in range(4)]
    # with no entries at all people only leave: 100 exp(-t / 2), averaged over each year
    floor = [100 * math.exp(-0.5 * t) * (1 - math.exp(-0.5)) / 0.5 for t in range(4)]
    found = people_of(CARE, *several)
    assert (found >= np.array(floor) - 1e-9).all()
    assert found == pytest.approx(floor)


def test_fewer_step_downs_never_make_people_leave_backwards():
    cut = HELP | {"through": "step_downs", "effect": 0.9, "base": 9e6, "spend": -9e6}
    # nobody leaves any more: entries of 50 a year add half of themselves in the first year
    assert people_of(CARE, cut) == pytest.approx([125, 175, 225, 275], abs=1e-6)


def test_those_who_are_not_in_the_line_are_where_the_plan_says():
    ds = run(
        council(lines=[CARE, FOSTER, HELP | {"instead": [{"line": "foster", "share": 0.75}]}]),
        n_draws=1,
    )
    people = ds["people"].isel(draw=0)
    out = 100 - people.sel(care_line="residential").values
    assert people.sel(care_line="foster").values == pytest.approx(300 + 0.75 * out)
    growth = ds["pressure"].isel(draw=0).sel(cause="prevention").values
    assert growth == pytest.approx(1e6 - out * 50 * 1000 + 0.75 * out * 50 * 100)


def test_each_of_two_lines_sends_its_own_people_elsewhere():
    there = {"instead": [{"line": "foster", "share": 1.0}]}
    both = run(
        council(lines=[CARE, FOSTER, HELP | there, HELP | there | {"name": "second"}]), n_draws=1
    )["people"].isel(draw=0)
    assert both.sum("care_line").values == pytest.approx([400] * 4)


def test_growth_of_the_line_and_prevention_stand_apart_in_the_ledger():
    grows = CARE | {"people_growth": 0.1}
    ds = run(council(lines=[grows, HELP]), n_draws=1, keep="components")
    growth = ds["growth"].isel(draw=0).sel(part="residential: people").values
    assert growth == pytest.approx([100 * (1.1**t - 1) * 50_000 for t in (1, 2, 3, 4)])
    kept = people_of(CARE, HELP) / 100
    saved = ds["growth"].isel(draw=0).sel(part="residential: prevention").values
    assert saved == pytest.approx([100 * 1.1 ** (t + 1) * 50_000 * (kept[t] - 1) for t in range(4)])


def test_an_uncertain_effect_moves_people_and_the_plan_takes_the_stated_one():
    effect = {
        "name": "effect",
        "shape": "pert",
        "bounds": [0.0, 0.5],
        "central": 0.2,
        "stated_as": "mean",
        "persistence": 1.0,
    }
    plan = council(drivers=[effect], lines=[CARE, HELP | {"effect": "effect"}])
    ds = run(plan, n_draws=2000)
    assert ds["planned_people"].values[0] == pytest.approx(people_of(CARE, HELP))
    last = ds["people"].isel(care_line=0, year=-1)
    drawn = ds["path"].isel(driver=0, year=-1)
    by_hand = 100 * (1 - drawn) + 100 * drawn * math.exp(-1.5) * (1 - math.exp(-0.5)) / 0.5
    np.testing.assert_allclose(last, by_hand, rtol=1e-12)


def test_prices_move_what_is_spent_and_not_how_it_works():
    dear = HELP | {"growth": 0.05, "base": 2e6}
    ds = run(council(lines=[CARE, dear]), n_draws=1)
    cost = ds["cost"].sel(line="family help").isel(draw=0).values
    assert cost == pytest.approx([3e6 * 1.05**t for t in (1, 2, 3, 4)])
    assert ds["people"].isel(draw=0, care_line=0).values == pytest.approx(people_of(CARE, HELP))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"effect": 1.0}, "'effect' is 1: it would be all the entries there are; expected below 1"),
        ({"effect": 1.0, "through": "step_downs"}, "all the people there are"),
        ({"effect": 1.5}, "1.5"),
        ({"spend": -1e6}, "cuts 1,000,000 from a base of 0"),
        ({"spend": 30e6}, "spends 30 times 'effect_at'"),
        ({"reduces": "residentl"}, "'residentl' does not exist.*Did you mean 'residential'"),
        ({"reduces": "roads"}, "'roads' is not a care line"),
        ({"reduces": "foster"}, "'foster' does not say how many people enter it"),
        ({"instead": [{"line": "fostr", "share": 0.5}]}, "'fostr' does not exist"),
        ({"instead": [{"line": "residential", "share": 0.5}]}, "is the line it reduces"),
        (
            {"instead": [{"line": "foster", "share": 0.8}, {"line": "second", "share": 0.4}]},
            "sum to 1.2",
        ),
        (
            {"instead": [{"line": "foster", "share": 0.4}, {"line": "foster", "share": 0.4}]},
            "'instead' names foster twice",
        ),
        ({"effect": "unbounded"}, "does not stay between 0 and 1"),
        ({"effect": "whole"}, "driver 'whole' reaches 1: all the entries there are"),
        ({"effect": "blend"}, "driver 'blend', a mix, may lie from 0 to 2; expected 0 to 1"),
        ({"effect": "surge"}, "driver 'surge' reaches 1.1; expected 0 to 1"),
        ({"spend": "unbounded"}, "nothing keeps driver 'unbounded' from cutting more than"),
        ({"spend": "cuts"}, "driver 'cuts' cuts 2,000,000 from a base of 0"),
        ({"spend": "grows"}, "driver 'grows' spends 30 times 'effect_at'"),
        ({"effect": "nothing"}, "which the plan does not hold"),
        ({"lag": -1}, "lag"),
        ({"ramp": 0}, "ramp"),
        ({"decay": 1.2}, "decay"),
        ({"effect_at": 0.0}, "effect_at"),
    ],
    ids=range(24),
)
def test_a_wrong_prevention_line_is_answered_at_the_door(change, says):
    drivers = [
        {"name": "unbounded", "central": 0.1, "sd": 0.05, "persistence": 1.0},
        {
            "name": "whole",
            "shape": "pert",
            "bounds": [0.0, 1.0],
            "central": 0.2,
            "stated_as": "mode",
            "persistence": 1.0,
        },
        {
            "name": "surge",
            "central": 0.3,
            "events": [
                {
                    "name": "new law",
                    "year": "2026/27",
                    "probability": 0.5,
                    "effect": 0.4,
                    "lasts": 3,
                },
                {"name": "new code", "year": "2028/29", "probability": 0.5, "effect": 0.4},
                {"name": "later", "year": "2029/30", "probability": 0.5, "effect": 0.4},
                {"name": "never", "year": "2028/29", "probability": 0.0, "effect": 9.0},
            ],
        },
        {"name": "cuts", "shape": "empirical", "values": [-2e6, 0.0], "persistence": 1.0},
        {"name": "grows", "shape": "empirical", "values": [30e6, 0.0], "persistence": 1.0},
        {"name": "blend", "mix": [{"driver": "whole", "weight": 2.0}]},
    ]
    roads = {"kind": "budget", "name": "roads", "base": 1e6}
    with pytest.raises(PlanError, match=says):
        council(drivers=drivers, lines=[CARE, FOSTER, roads, HELP | change])


def test_entries_need_people_to_be_a_share_of():
    line = {"kind": "care", "name": "a", "people_by_year": [1.0] * 4, "weekly_cost": 1.0}
    with pytest.raises(PlanError, match="'entries' are over the people in the base year"):
        council(lines=[line | {"entries": 5.0}])


def test_a_care_line_that_is_wrong_in_itself_is_not_said_to_be_missing():
    with pytest.raises(PlanError) as caught:
        council(lines=[CARE | {"weekly_cost": -1.0}, HELP])
    assert "does not exist" not in str(caught.value)


@given(mappings(), st.integers(0, 3))
def test_the_parts_of_growth_are_all_of_it(data, seed):
    ds = project_gap(Plan.model_validate(data), n_draws=5, seed=seed, keep="components")
    sizes = (abs(ds[name]).sum(dim) for name, dim in (("cost", "line"), ("growth", "part")))
    rounding = 1e-9 * float(1 + sum(size.max() for size in sizes) + abs(ds["base_cost"]).sum())
    by_part = ds["growth"].sum("part")
    assert (abs(by_part - ds["pressure"].sum("cause")) <= rounding).all()
    plan = Plan.model_validate(data)
    if plan.ring_fenced_grants() or plan.requirement_grants():
        return
    if any(fund.tied_to for fund in plan.reserves.funds):
        return
    grown = (ds["cost"] - ds["base_cost"]).sum("line")
    assert (abs(by_part - grown) <= rounding).all()
    assert ds["planned_growth"].dims == ("part", "year")


def test_poisson_arrivals_are_rare_and_dear():
    arrivals = {
        "name": "arrivals",
        "shape": "poisson",
        "central": 0.4,
        "stated_as": "mean",
        "persistence": 0.0,
    }
    line = {
        "kind": "care",
        "name": "transforming care",
        "people": 2.0,
        "people_added": "arrivals",
        "weekly_cost": 4000.0,
        "weeks": 52.0,
        "dispersion": {"cv": 0.6, "stay": 0.9},
    }
    ds = run(council(drivers=[arrivals], lines=[line]), n_draws=20_000)
    came = ds["path"].isel(driver=0)
    assert (came == came.round()).all()
    assert (came >= 0).all()
    n = came.size
    assert float(came.mean()) == pytest.approx(0.4, abs=4 * math.sqrt(0.4 / n))
    assert float((came == 0).mean()) == pytest.approx(math.exp(-0.4), abs=4 * 0.5 / math.sqrt(n))
    # a compound Poisson: 2 people and 0.4 more a year, each of mean 4,000 and variation 0.6
    cost = ds["cost"].isel(line=0, year=0) / 52
    people = 2.4
    variance = 4000**2 * (0.4 + people * 0.6**2)
    error = math.sqrt(variance / 20_000)
    assert float(cost.mean()) == pytest.approx(4000 * people, abs=4 * error)
    assert float(cost.var()) == pytest.approx(variance, rel=0.1)
    assert ds["planned_people"].values[0] == pytest.approx([2.4, 2.8, 3.2, 3.6])


def test_years_are_the_plans():
    assert run(council(lines=[CARE, HELP]), n_draws=1)["year"].values.tolist() == list(YEARS)


SHARED = HELP | {"base": 1e6, "instead": [{"line": "foster", "share": 1.0}]}


def test_a_cut_takes_no_more_people_out_of_a_line_than_it_has():
    # without the help 62.5 enter, not 50, and people rise by 25 x (1 - exp(-1.5) x 0.787) = 20.6
    few, enough = FOSTER | {"people": 20.0}, FOSTER | {"people": 25.0}
    with pytest.raises(PlanError, match=r"'foster'.*-0.6 people: a cut of family help takes more"):
        council(lines=[CARE, few, SHARED | {"spend": -1e6}])
    assert run(council(lines=[CARE, enough, SHARED | {"spend": -1e6}]))["people"].min() > 0


def test_a_draw_that_takes_more_people_than_there_are_is_no_negative_cost():
    spend = {"name": "spend", "shape": "empirical", "values": [-1e6, 1e6], "persistence": 1.0}
    few = FOSTER | {"people": 20.0}
    plan = council(
        drivers=[spend | {"planned": 0.0}], lines=[CARE, few, SHARED | {"spend": "spend"}]
    )
    with pytest.raises(MtfsError, match=r"'foster' would hold -0.6 people"):
        run(plan, n_draws=20)


def test_no_two_figures_of_a_block_bear_one_key():
    # a line called "index" and a driver called "people" were taken for each other
    odd = {"name": "people", "central": 0.1, "sd": 0.01, "persistence": 0.0}
    lines = [CARE | {"name": name, "price_growth": "people"} for name in ("index", "other")]
    cost = run(council(drivers=[odd], lines=lines))["cost"]
    np.testing.assert_array_equal(cost.sel(line="index"), cost.sel(line="other"))


@pytest.mark.parametrize(
    ("care", "change", "says"),
    [
        ({"entries": 4000.0}, {}, "4,000 people enter a year where 100 are, who would stay 9 days"),
        ({}, {"spend": [1.0, 1.5, 2.0, 2.0]}, "is at most 2 where 'effect_at' is 1,000,000"),
        ({}, {"base": 9e6, "spend": -5e6}, "multiplies the entries of 'residential' by 3.1"),
    ],
    ids=["entries", "millions", "cut"],
)
def test_what_is_more_likely_a_slip_is_warned_of(care, change, says):
    with pytest.warns(PlanWarning, match=says):
        council(lines=[CARE | care, HELP | change])


def test_a_saving_on_people_whom_prevention_lowers_too_is_warned_of():
    saving = {"name": "reviews", "levels": 1e5, "delivery": 1.0, "manages": "residential"}
    with pytest.warns(PlanWarning, match="'family help' lowers the people of 'residential' too"):
        council(lines=[CARE, HELP], savings=[saving | {"already_in_demand": 0.0}])
    council(lines=[CARE, HELP], savings=[saving | {"already_in_demand": 0.4}])
