"""Care lines that count the people of flows and cohorts."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent / "flows"))
from flow_models import children, flow

import mtfs
from mtfs import MtfsError, Plan, PlanError
from mtfs.cli import app
from mtfs.flows import STANDARD, expected_people, simulate
from mtfs.flows.states import Table
from mtfs.plan import find_problems

WEEKS = 365 / 7
FOSTER = {"kind": "care", "name": "foster", "weekly_cost": 600.0, "service": "children"}
HOMES = {"kind": "care", "name": "homes", "weekly_cost": 5_000.0, "service": "children"}
OF_FOSTER = {"flow": "children", "placements": ["foster"]}
OF_HOMES = {"flow": "children", "placements": ["homes"]}
HELP = {"kind": "entries", "name": "early help", "effect": -0.5, "starts": "2027-04-01"}
POPULATION = {f"{year}/{year % 100 + 1}": 10_000.0 for year in range(2025, 2030)}
OLDER = {
    "kind": "prevalence",
    "name": "older",
    "base_year": "2025/26",
    "settings": ["residential", "home care"],
    "bands": [
        {
            "age": "65 and over",
            "population": POPULATION,
            "prevalence": 20.0,
            "shares": {"residential": 0.25, "home care": 0.75},
            "attrition": 0.3,
        }
    ],
}


def moving(**changes):
    """A flow of 100 children in two placements, with entries, exits and moves."""
    model = flow(
        names=("foster", "homes"),
        ages=(0, 10, 18),
        people=[children(80, age_days=3_000), children(20, placement=1, age_days=4_500)],
        **{"exits": 0.3, "moves": 0.1, "entries": 15.0} | changes,
    )
    data = model.model_dump(mode="json")
    data["average"] = Table.of(np.array([[[60.0, 5.0], [20.0, 15.0]]])).model_dump()
    return data


def plan_of(model=None, levers=(), *, horizon=3, **changes):
    """A plan of two lines on one flow."""
    source = {"name": "children", "model": model or moving(), "levers": list(levers)}
    lines = [FOSTER | {"people": OF_FOSTER}, HOMES | {"people": OF_HOMES}]
    data = {"council": "Anyshire", "first_year": "2026/27", "horizon": horizon}
    return Plan.model_validate(data | {"flows": [source], "lines": lines} | changes)


def test_people_who_stay_cost_what_they_cost_by_hand():
    still = moving(exits=0.0, moves=0.0, entries=0.0)
    ds = mtfs.project_gap(plan_of(still, horizon=1), n_draws=5, seed=1)
    cost = ds["cost"].sel(year="2026/27").values
    np.testing.assert_allclose(cost, [[80 * 600 * WEEKS] * 5, [20 * 5_000 * WEEKS] * 5])
    assert ds["planned_people"].values.ravel() == pytest.approx([80.0, 20.0])


def test_a_plan_draws_the_people_that_the_flow_alone_does():
    ds = mtfs.project_gap(plan := plan_of(levers=[HELP]), n_draws=50, seed=7)
    held = plan.flows[0]
    alone = simulate(
        held.model, first_year="2026/27", horizon=3, levers=held.levers, n_draws=50, seed=7
    )
    wanted = alone["people"].sum(["group", "age"]).transpose("placement", "draw", "year")
    np.testing.assert_array_equal(ds["people"].values, wanted.values)


def test_the_councils_own_table_holds_the_expected_path():
    plan = plan_of(levers=[HELP])
    ds = mtfs.project_gap(plan, n_draws=1, seed=1)
    held = plan.flows[0]
    alone = expected_people(held.model, first_year="2026/27", horizon=3, levers=held.levers)
    np.testing.assert_allclose(
        ds["planned_people"].values, alone["people"].sum(["group", "age"]).values
    )


def test_draws_do_not_depend_on_how_many_there_are_or_on_threads():
    plan = plan_of()
    many = mtfs.project_gap(plan, n_draws=2_100, seed=3)["gap"]
    few = mtfs.project_gap(plan, n_draws=30, seed=3, n_threads=1)["gap"]
    np.testing.assert_array_equal(few.values, many.values[:30])


def test_scores_of_nothing_stand_for_the_expected_path():
    plan = plan_of(levers=[HELP])
    (shock,) = plan.flows[0].shocks()
    none = {spec.name: np.zeros(2) for spec in plan.shocks()}
    ds = mtfs.project(plan, none | {shock.name: np.array([0.0, 0.3])})
    np.testing.assert_allclose(ds["gap"].values[0], ds["planned_gap"].values)
    assert not np.allclose(ds["gap"].values[1], ds["planned_gap"].values)


def test_the_base_budget_counts_the_average_of_the_last_twelve_months():
    ds = mtfs.project_gap(plan_of(), n_draws=2, seed=1, keep="components")
    weekly = 80 * 600 + 20 * 5_000
    assert ds["base_budget"].item() == pytest.approx(weekly * WEEKS)


def test_the_base_year_of_a_flow_that_starts_before_it_is_the_expected_one():
    early = moving(start="2021-04-01", as_of="2024-03-31")
    plan = plan_of(early)
    ds = mtfs.project_gap(plan, n_draws=2, seed=1, keep="components")
    alone = expected_people(plan.flows[0].model, first_year="2025/26", horizon=1)["people"]
    people = alone.sum(["group", "age"]).values.ravel()
    assert ds["base_budget"].item() == pytest.approx(people @ [600, 5_000] * WEEKS)


def test_the_bridge_and_its_view_by_driver_sum_to_the_gap():
    effect = {"name": "effect", "central": -0.3, "sd": 0.05, "persistence": 1.0}
    plan = plan_of(levers=[HELP | {"effect": "effect"}], drivers=[effect])
    for view in ("component", "driver"):
        found = mtfs.bridge(plan, view=view, n_draws=40, seed=2)
        total = found["start"] + found["contribution"].sum("step")
        np.testing.assert_allclose(total.values, found["end"].values, rtol=1e-9)


def test_the_people_have_a_row_of_their_own_beside_the_costs_of_each():
    dispersion = {"cv": 0.8, "stay": 0.6}
    plan = plan_of(lines=[FOSTER | {"people": OF_FOSTER, "dispersion": dispersion}])
    found = mtfs.bridge(plan, view="driver", start="plan", n_draws=40, seed=2)
    people, costs = "people of flows and cohorts", "individual costs, risks and contingency"
    assert found["step"].values.tolist() == [people, costs]
    certain = mtfs.project_gap(plan_of(lines=[FOSTER | {"people": OF_FOSTER}]), n_draws=40, seed=2)
    alone = (certain["gap"] - certain["planned_gap"]).values
    # on average over both orders costs are half as far from 1 as drawn: by how many people they
    # are spread makes the rest of the difference
    drawn = mtfs.project_gap(plan, n_draws=40, seed=2)
    ratio = (drawn["cost"] / certain["cost"]).sel(line="foster").values
    row = found["contribution"].sel(step=people).values
    np.testing.assert_allclose(row, alone * (1 + ratio) / 2, rtol=0.1)
    swings = mtfs.tornado(plan, n_draws=40, seed=2)["swing"]
    assert set(swings.index) == {"chance: people", "chance: costs"}
    assert (swings > 0).all()


def test_a_lever_that_follows_a_driver_moves_expected_people_as_running_it_again_does():
    driver = {"name": "effect", "central": -0.3, "sd": 0.05, "persistence": 1.0}
    plan = plan_of(levers=[HELP | {"effect": "effect"}], drivers=[driver])
    (source,) = plan.flows
    planned = {"effect": np.full((3, 1), -0.3)}
    drawn = np.array([[-0.3, -0.25, -0.35]] * 3)

    found = source.expected(plan.years, {"effect": drawn}.get, planned.get)
    for column, effect in enumerate((-0.3, -0.25, -0.35)):
        fixed = {"effect": np.full((3, 1), effect)}
        exact = source.expected(plan.years, fixed.get, planned.get)[..., 0]
        np.testing.assert_allclose(found[..., column], exact, atol=0.02)


def test_a_lever_leaves_the_years_before_it_alone():
    without, with_it = (
        mtfs.project_gap(plan_of(levers=levers), n_draws=60, seed=5)["gap"]
        for levers in ([], [HELP])
    )
    step = (with_it - without).values
    assert (step[:, 0] == 0).all()
    assert (step[:, 2] <= 0).mean() > 0.95


@pytest.mark.parametrize(
    ("changes", "where", "words"),
    [
        (
            {"prevalence": 0.02},
            "prevalence",
            "0.02 of 1,000 are 0 of 10,000 people; write 2.0% as 20",
        ),
        ({"prevalence_growth": 2.0}, "prevalence_growth", "grows by 200% in a year"),
    ],
)
def test_a_share_for_a_prevalence_and_a_percentage_for_growth_are_doubted(changes, where, words):
    cohort = OLDER | {"bands": [OLDER["bands"][0] | changes]}
    with pytest.warns(mtfs.PlanWarning, match=f"{where}.*{re.escape(words)}"):
        plan_of(cohorts=[cohort], lines=[HOMES | {"people": {"cohort": "older"}}])


def test_a_percentage_for_a_rate_of_leaving_is_doubted():
    people = {"residential": 50.0, "home care": 150.0}
    band = {"age": "65 and over", "people": people, "new": people}
    cohort = OLDER | {"kind": "flow", "bands": [band], "leaving": [{"rate": 30.0}]}
    with pytest.warns(mtfs.PlanWarning, match="people stay 12 days on average; write 30% a year"):
        plan_of(cohorts=[cohort], lines=[HOMES | {"people": {"cohort": "older"}}])


@pytest.mark.parametrize("steps", ["prevalence", "flow"])
def test_a_cohort_is_counted_again_only_where_it_changed(steps, monkeypatch):
    data = OLDER | {
        "services": [{"name": "transport", "shares": {"residential": 0, "home care": 1}}]
    }
    data["bands"] = [OLDER["bands"][0] | {"prevalence_growth": "need"}]
    if steps == "flow":
        people = {"residential": 50.0, "home care": 150.0}
        band = {"age": "65 and over", "people": people, "new": people}
        changes = {"kind": "flow", "bands": [band], "leaving": [{"rate": 0.9}]}
        data |= changes | {"new_growth": "need"}
    line = HOMES | {"people": {"cohort": "older"}}
    plan = plan_of(
        cohorts=[data],
        lines=[line],
        drivers=[{"name": "need", "central": 0.01, "sd": 0.01, "persistence": 0.5}],
    )
    times = []
    kind = type(plan.cohorts[0])
    counted = kind.counted
    monkeypatch.setattr(kind, "counted", lambda *given: times.append(1) or counted(*given))

    def run(changes):
        before = len(times)
        changed = mtfs.Scenario(name="changed", changes=changes).applied(plan)
        cost = mtfs.project_gap(changed, n_draws=20, seed=91)["cost"].values
        return cost, len(times) - before

    first, counts = run({})
    assert counts == 1
    dearer, counts = run({"lines.homes.weekly_cost": 10_000.0})
    assert counts == 0
    np.testing.assert_allclose(dearer, 2 * first, rtol=1e-9)
    more, counts = run({"drivers.need.central": 0.05})
    assert counts == 1
    assert (more.mean(axis=1) > first.mean(axis=1)).all()


def test_what_is_uncertain_in_a_flow_is_a_factor_of_its_own():
    plan = plan_of()
    shares = mtfs.variance_shares(plan, n_draws=128, seed=1)
    assert shares["factor"].values.tolist() == ["children: people"]
    assert float(shares["shapley"].isel(year=-1).item()) == pytest.approx(1.0)


def test_dispersion_counts_for_few_children_too():
    few = moving(exits=0.0, moves=0.0, entries=0.0)
    homes = HOMES | {"people": OF_HOMES, "dispersion": {"cv": 0.8, "stay": 1.0}}
    plan = plan_of(few, lines=[homes], horizon=1)
    ds = mtfs.project_gap(plan, n_draws=4_000, seed=1)
    cost = ds["cost"].values.ravel() / (20 * 5_000 * WEEKS)
    assert cost.mean() == pytest.approx(1.0, abs=4 * 0.8 / np.sqrt(20 * 4_000))
    assert cost.std() == pytest.approx(0.8 / np.sqrt(20), rel=0.1)


def test_a_home_of_the_councils_own_is_a_placement_that_lines_count():
    home = {"kind": "home", "name": "own home", "placement": "homes", "places": 8.0}
    home |= {"starts": "2027-04-01"}
    line = {"kind": "care", "name": "own", "weekly_cost": 3_000.0}
    line |= {"people": {"flow": "children", "placements": ["own home"]}}
    plan = plan_of(levers=[home])
    wider = plan.with_changes({"lines": [*plan.model_dump()["lines"], line]})
    people = mtfs.project_gap(wider, n_draws=50, seed=1)["people"].sel(care_line="own")
    assert (people.sel(year="2026/27") == 0).all()
    assert people.sel(year="2028/29").max() == pytest.approx(8.0)


def test_cohorts_cost_population_times_prevalence_times_share_by_hand():
    lines = [
        {"kind": "care", "name": name, "weekly_cost": cost}
        | {"people": {"cohort": "older", "settings": [name]}}
        for name, cost in (("residential", 900.0), ("home care", 300.0))
    ]
    data = {"council": "Anyshire", "first_year": "2026/27", "cohorts": [OLDER], "lines": lines}
    plan = Plan.model_validate(data)
    assert Plan.model_validate_json(plan.to_json()) == plan
    ds = mtfs.project_gap(plan, n_draws=2_000, seed=1)
    planned = ds["planned_cost"].sel(year="2026/27").values
    np.testing.assert_allclose(planned, [50 * 900 * WEEKS, 150 * 300 * WEEKS])
    people = ds["people"].isel(year=0)
    error = people.std("draw") / np.sqrt(2_000)
    assert (abs(people.mean("draw") - [50.0, 150.0]) < 4 * error).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lines.foster.people.placements": ["fostr"]}, "no 'fostr'. Did you mean 'foster'"),
        ({"lines.foster.people.ages": ["11"]}, "It has: 0 to 9, 10 to 17"),
        ({"lines.foster.people": {"flow": "kids"}}, "uses flow 'kids', which the plan does not"),
        ({"lines.foster.people": {"cohort": "kids"}}, "give it one under 'cohorts'"),
        ({"lines.foster.people_growth": 0.1}, "'people_growth' does not go with people of a flow"),
        ({"first_year": "2025/26"}, "2025/26 begins before the flow starts, on 2026-04-01"),
        ({"flows.children.levers.early help.ages": ["5"]}, "no age band '5'"),
    ],
)
def test_what_does_not_fit_a_flow_is_answered(changes, words):
    with pytest.raises(PlanError) as caught:
        plan_of(levers=[HELP]).with_changes(changes)
    assert words in str(caught.value)


def test_a_child_population_that_ends_before_the_plan_is_answered():
    people = {f"{year}/{year % 100 + 1}": 9_000 for year in range(2023, 2028)}
    model = moving(population=[{"age": "0 to 9", "people": people}])
    assert plan_of(model, horizon=2).flows[0].model.population[0].age == "0 to 9"
    with pytest.raises(PlanError, match="model: the population of '0 to 9' has no 2028/29"):
        plan_of(model, horizon=3)


def test_prevention_does_not_reduce_people_who_flow():
    line = {"kind": "prevention", "name": "help", "spend": 1e6, "reduces": "foster"}
    line |= {"effect": 0.2, "effect_at": 1e6, "lag": 0, "ramp": 1, "decay": 0.0}
    lines = [FOSTER | {"people": OF_FOSTER}, line]
    with pytest.raises(PlanError, match="give a flow a lever on entries"):
        plan_of(lines=lines)


def test_prevention_of_other_people_goes_beside_people_who_flow():
    older = {"kind": "care", "name": "older", "people": 100, "entries": 40, "weekly_cost": 500.0}
    line = {"kind": "prevention", "name": "help", "spend": 1e6, "reduces": "older"}
    line |= {"effect": 0.2, "effect_at": 1e6, "lag": 0, "ramp": 1, "decay": 0.0}
    foster, homes = (
        FOSTER | {"people": OF_FOSTER},
        HOMES | {"people": {"cohort": "older"}, "name": "of a cohort"},
    )
    alone = mtfs.project_gap(plan_of(lines=[foster, homes], cohorts=[OLDER]), n_draws=5, seed=1)
    both = plan_of(lines=[foster, homes, older, line], cohorts=[OLDER])
    ds = mtfs.project_gap(both, n_draws=5, seed=1)
    for name in ("foster", "of a cohort"):
        cost = ds["planned_cost"].sel(line=name)
        np.testing.assert_allclose(cost, alone["planned_cost"].sel(line=name))


def test_a_saving_that_manages_people_who_flow_cannot_save_more_than_they_cost():
    saving = {"name": "placement reviews", "manages": "homes", "already_in_demand": 0.0}
    saving |= {"levels": [1e5] * 3, "rag": "amber"}
    ds = mtfs.project_gap(plan_of(savings=[saving]), n_draws=5, seed=1)
    assert ds["planned_gap"].sizes["year"] == 3
    with pytest.raises(PlanError, match="more in 2026/27 than 'homes' then costs"):
        plan_of(savings=[saving | {"levels": [1e8] * 3}])


def test_an_effect_below_minus_one_is_answered_with_its_lever():
    driver = {"name": "effect", "central": -0.9, "sd": 0.2, "persistence": 1.0}
    plan = plan_of(levers=[HELP | {"effect": "effect"}], drivers=[driver])
    with pytest.raises(MtfsError, match="lever 'early help': the effect of a draw is -1"):
        mtfs.project_gap(plan, n_draws=200, seed=1)


def test_people_nobody_pays_for_are_pointed_out():
    data = plan_of().model_dump()
    data["lines"] = data["lines"][:1]
    problems, warned = find_problems(data)
    assert problems == []
    assert "no line counts the people in homes: they cost nothing" in str(warned[0])


def test_people_whom_two_lines_count_are_pointed_out():
    data = plan_of().model_dump()
    data["lines"][1]["people"] = {"flow": "children"}
    _, warned = find_problems(data)
    words = "lines foster, homes count the same people in foster: right only if each pays for somet"
    assert [words in str(each) for each in warned] == [True]


def test_people_of_some_ages_nobody_pays_for_are_pointed_out():
    data = plan_of().model_dump()
    data["lines"][1]["people"] = OF_HOMES | {"ages": ["10 to 17"]}
    _, warned = find_problems(data)
    words = "no line counts some of the people in homes, by age or group: they cost nothing"
    assert [words in str(each) for each in warned] == [True]


@pytest.mark.parametrize(
    ("dates", "words"),
    [
        ({"starts": "2029-04-01"}, "starts on 2029-04-01, after the plan's years: it changes"),
        ({"starts": "2026-03-31"}, "starts on 2026-03-31, within what the flow learnt from"),
        ({"starts": "2025-04-01", "ends": "2026-04-01"}, "ends on 2026-04-01, before the plan's"),
        ({"starts": "2029-03-31"}, None),
        ({"starts": "2026-04-01"}, None),
    ],
)
def test_levers_out_of_the_plans_time_are_pointed_out(dates, words):
    problems, warned = find_problems(plan_of(levers=[HELP | dates]).model_dump())
    assert problems == []
    assert [str(each).partition("'early help': ")[2][: len(words or "")] for each in warned] == (
        [words] if words else []
    )


def test_an_effect_that_may_be_a_percentage_is_pointed_out():
    _, warned = find_problems(plan_of(levers=[HELP | {"effect": 20.0}]).model_dump())
    assert "makes the rate 21 times what it was; write 20% as 0.2" in str(warned[0])


@pytest.mark.parametrize(
    ("people", "words"),
    [
        ("children", "found 'children'; expected a number or a mapping with 'flow' or a mapping"),
        (
            {"flow": "children", "placement": ["foster"]},
            "Did you mean 'placements'? It may hold: a",
        ),
        ({"flow": "children", "cohort": "x"}, "key 'flow'. It may hold: ages, cohort, service"),
    ],
)
def test_people_that_are_misspelt_are_answered_with_what_they_may_hold(people, words):
    data = plan_of().model_dump()
    data["lines"][0]["people"] = people
    with pytest.raises(PlanError) as caught:
        Plan.model_validate(data)
    assert words in str(caught.value)


def test_a_date_is_asked_for_by_example():
    with pytest.raises(PlanError, match="found '1/4/2027'; expected a date such as 2026-09-01"):
        plan_of(levers=[HELP | {"starts": "1/4/2027"}])


def test_what_leads_to_a_gap_names_the_people_and_how_unusual_they_are():
    plan = plan_of()
    draws = mtfs.project_gap(plan, n_draws=2_000, seed=5)["gap"].sel(year="2028/29")
    event = f"gap 2028/29 > {float(draws.quantile(0.9)):.0f}"
    found = mtfs.reverse_stress(plan, event, n_draws=2_000, seed=5)
    # people are all that is uncertain, so the nearest point is the draw at that quantile
    assert found["distance"].item() == pytest.approx(1.2816, abs=0.01)
    assert found["form_chance"].item() == pytest.approx(found["chance"].item(), abs=0.002)
    streams = {
        spec.name: found["stream_point"].sel(shock=spec.name).values[: 1 if spec.once else None]
        for spec in plan.shocks()
    }
    scores = {
        s.name: streams[s.name] if s.once else streams[s.name][:, None] for s in plan.shocks()
    }
    again = mtfs.project(plan, scores)["gap"].sel(year="2028/29")
    assert again.item() == pytest.approx(float(draws.quantile(0.9)), rel=0.002)
    said = mtfs.stress_words(found)
    assert "the people of 'children' lead further there than in 90% of draws, +1.3" in said


def test_a_sensitivity_table_has_what_moves_the_people_of_flows_and_cohorts():
    bands = [OLDER["bands"][0] | {"prevalence_growth": "need"}]
    lines = [FOSTER | {"people": OF_FOSTER}, HOMES | {"people": {"cohort": "older"}}]
    drivers = [
        {"name": "need", "central": 0.02},
        {"name": "help works", "central": -0.1},
    ]
    plan = plan_of(
        levers=[HELP | {"effect": "help works"}],
        cohorts=[OLDER | {"bands": bands}],
        lines=lines,
        drivers=drivers,
    )
    table = mtfs.sensitivity_table(plan, unit="GBP")
    # 200 people, a hundredth more each year on growth of 2%
    more = 200 * (1.03**2 - 1.02**2) * 5_000 * WEEKS
    assert table.loc["need", "2027/28"].iloc[0] == pytest.approx(more, rel=0.003)
    fewer = table.loc["help works", "2028/29"]
    assert fewer.iloc[0] > 0 > fewer.iloc[1]
    stated = [OLDER["bands"][0] | {"prevalence_growth": 0.02}]
    rows = mtfs.sensitivity_table(plan.with_changes({"cohorts.older.bands": stated}))
    assert "cohorts.older.bands.0.prevalence_growth" in rows.index.get_level_values(0)


def test_a_saved_plan_keeps_its_flow_beside_it(tmp_path):
    plan = plan_of(levers=[HELP])
    file = mtfs.save_plan(plan, tmp_path / "plan.yaml")
    assert "model: plan.children.nc" in file.read_text()
    assert mtfs.load_plan(file) == plan


def test_the_plan_on_the_page_of_people_works(tmp_path):
    page = (Path(__file__).parents[1] / "docs/how-to/people.md").read_text(encoding="utf-8")
    (tmp_path / "plan.yaml").write_text(re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1])
    names = STANDARD.placement_names
    model = flow(
        names=names,
        from_age={"supported": 16}.items(),
        ages=STANDARD.ages,
        people=[children(20, placement=n, age_days=6_000 + n) for n in range(len(names))],
        exits=0.3,
        moves=0.1,
        entries=10.0,
    )
    mtfs.io.save_flow(model, tmp_path / "children.nc")
    plan = mtfs.load_plan(tmp_path / "plan.yaml")
    assert mtfs.io.check_plan(tmp_path / "plan.yaml") == ([], [])
    ds = mtfs.project_gap(plan, n_draws=30, seed=1)
    assert (ds["people"].sel(care_line="our home", year="2029/30") < 4 + 1e-9).all()
    lines = [line for line in plan.lines if line.name != "our home"]
    without = plan.with_changes({"flows.children.levers": [], "lines": lines})
    more = mtfs.project_gap(without, n_draws=30, seed=1)
    assert more["people"].sum("care_line").mean() > ds["people"].sum("care_line").mean()


def test_a_flow_that_is_not_there_is_answered_with_file_and_line(tmp_path):
    file = mtfs.save_plan(plan_of(), tmp_path / "plan.yaml")
    (tmp_path / "plan.children.nc").unlink()
    line = 1 + file.read_text().splitlines().index("  model: plan.children.nc")
    with pytest.raises(PlanError, match=f"line {line}.*there is no such file"):
        mtfs.load_plan(file)


SHARED = Path(__file__).parents[2] / "shared" / "data" / "ssda903"


@pytest.mark.skipif(not SHARED.is_dir(), reason="shared/data/ssda903 is not there")
def test_the_command_leads_from_a_return_to_a_plan(tmp_path):
    runner = CliRunner()
    out = tmp_path / "children.nc"
    options = ["--end", "2020-03-31", "--draws", "20", "--seed", "1", "--output", str(out)]
    result = runner.invoke(app, ["people", str(SHARED), *options])
    assert result.exit_code == 0, result.output
    assert "left out: a short break" in result.output
    assert "people: {flow: children, placements: [residential]}" in result.output
    again = runner.invoke(app, ["people", str(out), "--draws", "20", "--seed", "1"])
    assert again.exit_code == 0
    assert [line for line in again.output.splitlines() if line.startswith("2020/21")] == [
        line for line in result.output.splitlines() if line.startswith("2020/21")
    ]


@pytest.mark.skipif(not SHARED.is_dir(), reason="shared/data/ssda903 is not there")
def test_the_command_lets_entries_follow_a_population(tmp_path):
    runner = CliRunner()
    table = tmp_path / "population.csv"
    rows = [
        f"E99,{age},{year},{1000 + 10 * year}" for age in range(18) for year in range(2016, 2026)
    ]
    table.write_text("\n".join(["la_code,age,year,value", *rows]) + "\n", encoding="utf-8")
    out = tmp_path / "children.nc"
    options = ["--end", "2020-03-31", "--draws", "20", "--seed", "1", "--population", str(table)]
    result = runner.invoke(app, ["people", str(SHARED), *options, "--output", str(out)])
    assert result.exit_code == 0, result.output
    held = mtfs.io.load_flow(out).population
    assert [each.age for each in held] == ["0", "1 to 4", "5 to 9", "10 to 15", "16 and 17"]
    assert dict(held[1].people)["2023/24"] == pytest.approx(
        4 * (1000 + 10 * (2023 + 92 / 365)), abs=0.1
    )
    soon = runner.invoke(app, ["people", str(SHARED), *options, "--years", "9"])
    assert "'0' has no 2025/26" in str(soon.exception)
    alone = runner.invoke(app, ["people", str(SHARED), "--area", "E99"])
    assert "--area goes with --population" in alone.output
