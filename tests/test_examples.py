"""The bundled plans: every published figure against the council's own table."""

import functools
import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import mtfs
from mtfs.io import check_plan, example_names, load_example
from mtfs.io.plans import example_file
from mtfs.plan import Plan

CASES = Path(__file__).parents[2] / "shared" / "cases"
NAMES = (
    "east_sussex_2026",
    "east_sussex_funding_2022",
    "gateshead_2020",
    "gateshead_2025",
    "leicestershire_2023",
    "leicestershire_2024",
    "nottingham_2023",
    "nottingham_2025",
    "nottinghamshire_2024",
    "rotherham_2018",
)
PENCE = 0.001  # GBP: the plan holds the published figure itself, only floating point stands between
HALF_THOUSAND = 0.5e3  # GBP: half a unit of a published GBP 0.001m
HALF_MILLION = 0.5e6  # GBP: half a unit of a published GBP 1m

GROWTH = ("people", "mix", "volume", "growth")
INFLATION = ("price", "pay", "inflation")
NEITHER = ("financing", "contingency", "one-off", "balance to published")


@functools.cache
def projected(name):
    return mtfs.project_gap(load_example(name), n_draws=256, seed=1)


def planned(name, variable, **where):
    return projected(name)[f"planned_{variable}"].sel(**where).to_numpy()


def steps(levels):
    return np.diff(levels, prepend=0.0)


def rounded_rows(rows, horizon):
    """Give the tolerance of each year's level: half a thousand for every row summed so far."""
    return HALF_THOUSAND * rows * np.arange(1, horizon + 1)


def within(found, published, tolerance):
    difference = np.abs(found - np.asarray(published) * 1e6)
    assert (difference <= tolerance + PENCE).all(), difference


def by_cause(name, causes):
    return sum(planned(name, "pressure", cause=cause) for cause in causes)


# --- every plan ---


def test_the_plans_that_ship_are_these():
    assert tuple(example_names()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_example_loads_without_a_warning(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plan = load_example(name)
    assert isinstance(plan, Plan)
    assert plan.source
    assert check_plan(str(example_file(name))) == ([], [])


@pytest.mark.parametrize("name", NAMES)
def test_the_gap_is_requirement_less_funding(name):
    ds = projected(name)
    np.testing.assert_array_equal(ds["gap"], ds["requirement"] - ds["funding"])
    np.testing.assert_array_equal(
        ds["planned_gap"], ds["planned_requirement"] - ds["planned_funding"]
    )


@pytest.mark.parametrize("name", NAMES)
def test_an_example_has_draws_that_differ_and_are_finite(name):
    ds = projected(name)
    assert np.isfinite(ds["gap"]).all()
    assert (ds["gap"].std("draw").isel(year=-1) > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_part_of_an_example_has_a_source_or_a_rationale(name):
    plan = load_example(name)
    said = {entry["name"] for entry in plan.register() if entry["source"] or entry["rationale"]}
    assert said
    for group in ("drivers", "lines", "savings", "funding", "one_offs", "memorandum"):
        assert {part.name for part in getattr(plan, group)} <= said
    assert {fund.name for fund in plan.reserves.funds} <= said


@pytest.mark.parametrize("name", NAMES)
def test_an_example_survives_its_canonical_json(name):
    plan = load_example(name)
    assert Plan.model_validate_json(plan.to_json()).digest == plan.digest


# --- Leicestershire 2024/25 to 2027/28 ---

LEICS = "leicestershire_2024"


def test_leicestershires_gap_after_savings_is_as_published():
    within(planned(LEICS, "gap"), [6, 33, 60, 83], HALF_THOUSAND)
    within(planned(LEICS, "annual_gap"), [6, 27, 27, 23], 2 * HALF_THOUSAND)


def test_leicestershires_reserves_balance_the_first_year_and_no_other():
    within(planned(LEICS, "one_off").sum(axis=0), [6, 0, 0, 0], 0)
    within(planned(LEICS, "gap_after_one_offs"), [0, 33, 60, 83], HALF_THOUSAND)


def test_leicestershires_growth_inflation_and_savings_are_as_published():
    within(by_cause(LEICS, GROWTH)[-1], 129, HALF_MILLION)
    within(by_cause(LEICS, INFLATION)[-1], 113, HALF_MILLION)
    within(planned(LEICS, "saving_delivered").sum(axis=0)[-1], 39, 0)


def test_every_cause_of_leicestershires_growth_is_mapped_once():
    mapped = [*GROWTH, *INFLATION, *NEITHER]
    assert sorted(mapped) == sorted(projected(LEICS)["cause"].to_numpy())


def test_leicestershires_budget_rolls_from_512_by_its_causes():
    base = planned(LEICS, "cost").sum(axis=0) - planned(LEICS, "pressure").sum(axis=0)
    tied = np.array([1.0, 0, 0, 0]) * 1e6  # flood work is gross growth, met by its own reserve
    within(base + tied, [512] * 4, HALF_THOUSAND)


def test_leicestershires_first_budget_is_as_published():
    within(planned(LEICS, "requirement")[0], 567.6, HALF_THOUSAND)
    within(planned(LEICS, "funding")[0], 567.6 - 6, HALF_THOUSAND)


def test_leicestershires_first_rise_of_council_tax_raises_18_million():
    tax = next(source for source in load_example(LEICS).funding if source.name == "council tax")
    assert tax.base_income == pytest.approx(18e6 / 0.0499, abs=1)
    within(planned(LEICS, "income", source="council tax")[0] - tax.base_income, 18, 1)


def test_leicestershires_capital_programme_is_445_million():
    capital = next(line for line in load_example(LEICS).lines if line.kind == "capital")
    assert sum(capital.programme) == 445e6


@pytest.mark.parametrize(
    ("line", "people", "weekly_cost"),
    [
        ("children's residential care", 68, 5800),
        ("children with complex needs", 4, 10_000),
        ("home care", 2660, 328),
        ("supported living", 470, 1570),
    ],
)
def test_leicestershires_care_lines_start_from_published_weekly_costs(line, people, weekly_cost):
    care = next(each for each in load_example(LEICS).lines if each.name == line)
    assert (care.people, care.weekly_cost) == (people, weekly_cost)


def test_the_balance_to_published_is_one_line_and_states_its_size():
    line = next(each for each in load_example(LEICS).lines if each.name == "balance to published")
    stated = re.findall(r"(-?[0-9.]+) in (20[0-9]{2}/[0-9]{2})", line.rationale)
    ds = projected(LEICS)
    assert [year for _, year in stated] == list(ds["year"].to_numpy())
    held = planned(LEICS, "cost", line="balance to published")
    within(held, [float(size) for size, _ in stated], 0)
    np.testing.assert_array_equal(held, planned(LEICS, "pressure", cause="balance to published"))
    assert (ds["cost"].sel(line="balance to published").std("draw") < PENCE).all()


def test_the_documentation_states_the_same_balance():
    text = (Path(__file__).parents[1] / "docs" / "explanation" / "examples.md").read_text("utf-8")
    for size in planned(LEICS, "cost", line="balance to published"):
        assert f"{size / 1e6:.3f}" in text


# --- Gateshead 2020/21 to 2024/25 ---


def test_gateshead_2020_reproduces_its_published_table():
    name, rows = "gateshead_2020", 12  # six of cost a year and six of funding
    tolerance = rounded_rows(rows, 5)
    within(planned(name, "gap"), [8.069, 24.330, 33.292, 41.717, 49.925], tolerance)
    within(planned(name, "annual_gap"), [8.069, 16.260, 8.962, 8.425, 8.208], tolerance)
    within(
        planned(name, "requirement"),
        [216.264, 227.338, 237.727, 247.700, 257.532],
        rounded_rows(6, 5),
    )
    within(
        planned(name, "funding"), [208.195, 203.008, 204.435, 205.983, 207.607], 6 * HALF_THOUSAND
    )


def test_gateshead_2020_is_stated_before_savings_and_reserves():
    for stage in ("gap_before_savings", "gap_after_one_offs"):
        np.testing.assert_array_equal(
            planned("gateshead_2020", stage), planned("gateshead_2020", "gap")
        )


# --- Gateshead 2025/26 to 2029/30 ---


def test_gateshead_2025_reproduces_its_levels_before_and_after_reserves():
    name = "gateshead_2025"
    within(
        planned(name, "requirement"),
        [320.647, 338.095, 354.069, 366.571, 377.341],
        rounded_rows(5, 5),
    )
    within(planned(name, "funding"), [307.323, 315.048, 324.053, 333.879, 342.987], HALF_THOUSAND)
    tolerance = rounded_rows(6, 5)
    within(planned(name, "gap_before_savings"), [13.324, 23.047, 30.016, 32.692, 34.354], tolerance)
    within(planned(name, "gap"), [13.324, 23.047, 30.016, 32.692, 34.354], tolerance)
    within(planned(name, "gap_after_one_offs"), [4.824, 19.047, 30.016, 32.692, 34.354], tolerance)


def test_gateshead_2025_reproduces_its_annual_savings_requirement():
    after = planned("gateshead_2025", "gap_after_one_offs")
    within(steps(after), [4.824, 14.223, 10.969, 2.676, 1.662], rounded_rows(6, 5))
    annual = mtfs.annual(projected("gateshead_2025")["planned_gap_after_one_offs"])
    np.testing.assert_allclose(annual, steps(after))


def test_gateshead_2025_draws_its_reserves_in_two_years():
    used = planned("gateshead_2025", "one_off", one_off_source="planned use of reserves")
    within(used, [8.5, 4.0, 0, 0, 0], 0)


def test_gateshead_2025_options_close_each_years_step():
    options = {
        "adults": [2.117, 2.270, 1.878, 2.178, 1.481],
        "children": [0.612, 1.744, 0.577, 0.560, 0.000],
        "efficiencies": [2.095, 2.000, 2.000, 0.000, 0.000],
        "unidentified": [0.000, 8.209, 6.514, -0.062, 0.181],
    }
    closed = np.sum(list(options.values()), axis=0)
    within(steps(planned("gateshead_2025", "gap_after_one_offs")), closed, rounded_rows(6, 5))
    assert load_example("gateshead_2025").reserves.closure.policy == "plan"
    within(planned("gateshead_2025", "shortfall"), [0] * 5, 0)


# --- East Sussex 2026/27 to 2028/29 ---


def test_east_sussex_2026_reproduces_its_annual_and_total_deficit():
    name = "east_sussex_2026"
    tolerance = rounded_rows(25, 3)
    within(planned(name, "annual_gap"), [55.631, 18.542, 36.893], tolerance)
    within(planned(name, "gap"), [55.631, 74.173, 111.066], tolerance)


def test_east_sussex_2026_has_last_years_deficit_in_a_row_of_its_own():
    within(planned("east_sussex_2026", "cost", line="base gap"), [11.449] * 3, 0)


def test_east_sussex_2026_elections_leave_a_part_in_the_base():
    elections = planned("east_sussex_2026", "cost", line="elections")
    within(steps(elections), [0, 1.500, -1.125], 0)
    within(elections, [0, 1.500, 0.375], 0)


def test_east_sussex_2026_is_stated_after_savings():
    name = "east_sussex_2026"
    saved = planned(name, "gap_before_savings") - planned(name, "gap")
    within(steps(saved), [3.051, 0.464, 0.008], 0)


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("council tax", [14.231, 14.322, 29.436]),
        ("previous business rates estimates, removed", [-103.709, -2.195, 0]),
        ("new baseline funding, top-up and retained rates", [87.614, 2.009, 1.808]),
        ("previous RSG and consolidated grants, removed", [-76.961, -0.089, 0]),
        ("new RSG and consolidated grants", [96.987, -8.175, -8.312]),
    ],
)
def test_east_sussex_2026_funding_changes_as_published(source, changes):
    within(steps(planned("east_sussex_2026", "income", source=source)), changes, 0)


# --- East Sussex funding 2022/23 to 2025/26 ---


def test_east_sussex_funding_reproduces_its_four_totals():
    name = "east_sussex_funding_2022"
    within(planned(name, "funding"), [453.231, 501.446, 522.028, 504.174], rounded_rows(11, 4))
    within(planned(name, "gap"), [-453.231, -501.446, -522.028, -504.174], rounded_rows(11, 4))


def test_east_sussex_funding_falls_off_the_cliff_as_planned_and_may_not_in_a_draw():
    ds = projected("east_sussex_funding_2022")
    grants = [
        "social care grant, if it goes on",
        "market sustainability and improvement fund, if it goes on",
    ]
    assert (ds["planned_income"].sel(source=grants) == 0).all()
    goes_on = ds["income"].sel(source=grants, year="2025/26")
    assert set(np.unique(goes_on[0])) == {0.0, 19.436e6}
    assert ((goes_on[0] > 0) == (goes_on[1] > 0)).all()  # one settlement decides both


# --- against the cases themselves, where they are at hand ---


def case(name):
    file = CASES / f"{name}.json"
    if not file.is_file():
        pytest.skip(f"the published case {name} is not beside the repository (../shared/cases)")
    return json.loads(file.read_text("utf-8"))


def test_leicestershire_agrees_with_its_case():
    held = case("leicestershire_mtfs_2024_28_final")
    within(planned(LEICS, "gap"), held["published_gap_level"], HALF_THOUSAND)
    within(steps(planned(LEICS, "gap")), held["derived_incremental"], 2 * HALF_THOUSAND)
    within(by_cause(LEICS, GROWTH)[-1], held["growth_4yr"], HALF_MILLION)
    within(by_cause(LEICS, INFLATION)[-1], held["inflation_nlw_4yr"], HALF_MILLION)
    within(planned(LEICS, "saving_delivered").sum(axis=0)[-1], held["savings_4yr"], 0)
    within(planned(LEICS, "requirement")[0], held["net_revenue_budget_2024_25"], HALF_THOUSAND)


def test_leicestershires_care_lines_agree_with_the_case_of_its_accounts():
    held = case("leicestershire_2023_24_outturn_seed")
    lines = {line.name: line for line in load_example(LEICS).lines}
    assert (
        lines["children's residential care"].weekly_cost == held["residential_child_week"]["value"]
    )
    assert lines["children with complex needs"].weekly_cost == held["complex_child_week"]
    assert lines["home care"].people == held["home_care"]["clients"]
    assert lines["home care"].weekly_cost == held["home_care"]["cost_week"]
    assert lines["supported living"].weekly_cost == held["supported_living"]["cost_week"]


def test_gateshead_2020_agrees_with_its_case_row_by_row():
    name, held = "gateshead_2020", case("gateshead_mtfs_2020_25")
    contractual = "inflation_contractual_incl_social_care_fees"
    rows = {
        "base adjustments": "base_adjustments",
        "inflation, general": "inflation_general",
        "inflation, contractual and social care fees": contractual,
        "corporate, including pay": "corporate_incl_pay",
        "service demand": "service_demand",
        "strategic investment, capital": "strategic_investment_capital",
    }
    for line, row in rows.items():
        within(steps(planned(name, "cost", line=line)), held["cost_rows"][row], 0)
    sources = {
        "revenue support grant": "sfa_rsg",
        "retained business rates": "sfa_retained_business_rates",
        "top-up grant and equalisation": "sfa_top_up_equalisation",
        "council tax": "council_tax",
        "other grants, including public health": "other_grants_incl_public_health",
        "collection fund": "collection_fund",
    }
    for source, row in sources.items():
        within(planned(name, "income", source=source), np.negative(held["funding_rows"][row]), 0)
    within(planned(name, "requirement"), held["closing_cost"], rounded_rows(6, 5))
    within(planned(name, "gap"), held["published_gap_cumulative"], rounded_rows(12, 5))
    within(planned(name, "annual_gap"), held["published_gap_annual"], rounded_rows(12, 5))


def test_gateshead_2025_agrees_with_its_case():
    name, held = "gateshead_2025", case("gateshead_mtfs_2025_30")
    tolerance = rounded_rows(6, 5)
    within(planned(name, "requirement"), held["estimated_base"], rounded_rows(5, 5))
    within(-planned(name, "funding"), held["estimated_funding_excl_reserves"], HALF_THOUSAND)
    within(planned(name, "gap"), held["cumulative_gap_before_reserves"], tolerance)
    within(-planned(name, "one_off")[0], held["planned_use_of_reserves"], 0)
    after = planned(name, "gap_after_one_offs")
    within(after, held["cumulative_savings_requirement"], tolerance)
    within(steps(after), held["annual_savings_requirement"], tolerance)
    within(-steps(after), np.sum(list(held["options_to_close"].values()), axis=0), tolerance)


def test_east_sussex_2026_agrees_with_its_case_row_by_row():
    name, held = "east_sussex_2026", case("east_sussex_2026_27_update_final")
    rows = np.array([[value or 0.0 for value in row["values"]] for row in held["rows"]])
    plan = load_example(name)
    drawn = [line for line in plan.lines if line.cause == "outturn against plan"]
    costs = len(plan.lines) - len(drawn) + 1  # and the base gap
    assert len(rows) == costs + len(plan.savings) + len(plan.funding)
    ours = np.vstack(
        [
            *(
                steps(planned(name, "cost", line=line.name))
                for line in plan.lines
                if line not in drawn
            ),
            [11.449e6, 0, 0],
            -steps(planned(name, "saving_delivered")[0]),
            *(-steps(planned(name, "income", source=source.name)) for source in plan.funding),
        ]
    )
    order = np.lexsort(rows.round(3).T)
    mine = np.lexsort((ours / 1e6).round(3).T)
    within(ours[mine], rows[order], 0)
    within(
        steps(planned(name, "gap")),
        list(held["published_gap_by_year"].values()),
        rounded_rows(25, 3),
    )
    within(planned(name, "gap")[-1], held["published_gap_total"], rounded_rows(25, 3)[-1])


def test_east_sussex_funding_agrees_with_its_case():
    name, held = "east_sussex_funding_2022", case("east_sussex_funding_2022_26")
    totals = list(held["published_total_funding"].values())
    within(planned(name, "funding"), totals, rounded_rows(11, 4))
    rows = list(held["changes"].values())
    ours = [
        np.diff(planned(name, "income", source=source.name))
        for source in load_example(name).funding[: len(rows)]
    ]
    within(np.array(ours), rows, 0)
