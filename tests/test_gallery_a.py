"""The plans of Nottinghamshire (2024) and Nottingham City (2023): what was published of them."""

import functools
import json
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import mtfs
from mtfs.io import load_example

CASES = Path(__file__).parents[2] / "shared" / "cases"
GALLERY = Path(__file__).parents[1] / "docs" / "gallery"
HALF = 0.5  # GBP million: within half a million of a published million
EXACT = 1e-6  # GBP million: one pound
N_DRAWS = 4096

COUNTY = "nottinghamshire_2024"
CITY = "nottingham_2023"
MAXIMUM = {
    "funding.council tax.core_increase": (0.0299,) * 4,
    "funding.council tax.asc_precept": (0.02,) * 4,
}
LEDGER = ("people", "mix", "demography", "Ofsted capacity", "staffing")


@functools.cache
def projected(name, at_maximum=False):
    plan = load_example(name)
    if at_maximum:
        plan = plan.with_changes(MAXIMUM)
    return mtfs.project_gap(plan, n_draws=N_DRAWS, seed=2026)


def millions(array):
    return array.to_numpy() / 1e6


def case(name):
    file = CASES / f"{name}.json"
    if not file.is_file():
        pytest.skip(f"the published case {name} is not beside the repository (../shared/cases)")
    return json.loads(file.read_text("utf-8"))


def line(name, of):
    return next(each for each in load_example(of).lines if each.name == name)


def base_costs(name, service=None):
    """Give each line's planned cost less its growth, from a plan in which nothing grows."""
    plan = load_example(name)
    paths = mtfs.engine.engine_of(plan).planned_paths
    return {
        each.name: each.base_cost(paths) * each.share / 1e6
        for each in plan.lines
        if service in {None, each.service}
    }


def balances_stated(name):
    stated = re.findall(
        r"(-?[0-9.]+) in (20[0-9]{2}/[0-9]{2})", line("balance to published", name).rationale
    )
    return {year: float(size) for size, year in stated}


@pytest.mark.parametrize("name", [COUNTY, CITY])
def test_the_balance_to_published_states_its_size_and_is_small(name):
    ds = projected(name)
    held = ds["planned_cost"].sel(line="balance to published")
    stated = balances_stated(name)
    assert list(stated) == list(ds["year"].to_numpy())
    np.testing.assert_allclose(millions(held), list(stated.values()), atol=EXACT)
    page = (GALLERY / f"{name}.md").read_text("utf-8")
    assert all(f"{size:.3f}" in page for size in stated.values())
    assert (np.abs(millions(held)) < 0.05 * millions(ds["planned_gap"])).all()
    assert (ds["cost"].sel(line="balance to published").std("draw") < 1e-3).all()


@pytest.mark.parametrize("name", [COUNTY, CITY])
def test_every_spread_says_that_it_is_an_assumption(name):
    for driver in load_example(name).drivers:
        said = [driver.rationale or "", *(note.rationale or "" for note in driver.notes)]
        assert any(text.startswith("Assumption") for text in said), driver.name


@pytest.mark.parametrize(("name", "budget"), [(COUNTY, 638.8), (CITY, 261.8)])
def test_the_spread_of_the_gap_is_not_too_narrow(name, budget):
    share = millions(projected(name)["gap"].std("draw")) / budget
    assert 0.025 <= share[0] <= 0.04  # 2.5 to 3.5% one year ahead; the city is a council in trouble
    assert share[-1] >= 2 * share[0]
    page = (GALLERY / f"{name}.md").read_text("utf-8")
    stated = np.array([float(each) / 100 for each in re.findall(r"(\d+\.\d)%", page)])
    for sd in (share[0], share[-1]):
        assert abs(stated - sd).min() < 4 * sd / np.sqrt(2 * 10_000)  # the error of an s.d.


# --- Nottinghamshire, November 2024 ---


def test_nottinghamshires_year_is_a_ledger_of_its_own():
    year = mtfs.load_example_monitoring("nottinghamshire_2024")
    november = {service.name: service.at(6) for service in year.services}
    assert [round(each.variance / 1e6, 3) for each in november.values()] == [10.6, 3.3, -9.5]
    assert november["other services and interest"].basis == "derived"
    assert year.total_at(6).variance / 1e6 == pytest.approx(4.4)
    gaps = millions(projected(COUNTY)["planned_gap"])
    assert not np.isclose(gaps, 64 + 4.4, atol=HALF).any()  # never added
    assert {4.4, 10.6, 3.3}.isdisjoint(np.round(list(base_costs(COUNTY).values()), 3))


def test_nottinghamshires_gap_is_64_before_and_16_at_the_greatest_rise():
    assert abs(millions(projected(COUNTY)["planned_gap"])[-1] - 64) <= HALF
    assert abs(millions(projected(COUNTY, at_maximum=True)["planned_gap"])[-1] - 16) <= HALF


def test_nottinghamshires_yearly_steps_sum_to_the_last_level():
    for at_maximum, published in ((False, 64), (True, 16)):
        steps = projected(COUNTY, at_maximum)["planned_annual_gap"]
        assert abs(millions(steps.sum("year")) - published) <= HALF


def test_nottinghamshire_agrees_with_its_case():
    held = case("nottinghamshire_vintages")
    vintage = next(each for each in held["vintages"] if each["date"] == "2024-11-07")
    before = millions(projected(COUNTY)["planned_gap"])[-1]
    after = millions(projected(COUNTY, at_maximum=True)["planned_gap"])[-1]
    assert abs(before - vintage["gap"]) <= HALF
    assert abs(after - vintage["gap_at_max_council_tax"]) <= HALF
    assert sum(base_costs(COUNTY).values()) - 115 == pytest.approx(
        held["net_budget_2024_25"], abs=1e-3
    )


def test_nottinghamshires_base_budget_is_met_by_its_base_funding():
    tax, rates, other, netted = load_example(COUNTY).funding
    assert netted.side == "requirement"
    funding = tax.base_income + rates.rates + rates.top_up + other.amount + rates.section_31[0]
    assert funding / 1e6 == pytest.approx(482 + 34 + 88 + 18.8 + 16.2)
    assert funding / 1e6 == pytest.approx(638.8, abs=0.3)  # section 31 is that of 2025/26


def test_nottinghamshires_council_tax_starts_from_the_return_of_the_year_before():
    tax = load_example(COUNTY).funding[0]
    assert tax.base_income / 1e6 == pytest.approx(454.516 * 1.0484 * 1.0115, abs=0.05)


def test_switching_the_council_tax_policy_changes_council_tax_and_nothing_else():
    before, after = projected(COUNTY), projected(COUNTY, at_maximum=True)
    for variable in before.data_vars:
        if variable.startswith("planned_") or variable in {
            "gap_before_savings", "gap", "annual_gap", "gap_after_one_offs", "funding",
            "shortfall", "unfunded", "reserve", "income",
        }:  # fmt: skip
            continue
        xr.testing.assert_identical(before[variable], after[variable])
    sources = [each for each in before["source"].to_numpy() if each != "council tax"]
    assert len(sources) == 2
    for variable in ("income", "planned_income"):
        xr.testing.assert_identical(
            before[variable].sel(source=sources), after[variable].sel(source=sources)
        )
        assert (after[variable] - before[variable]).sel(source="council tax").min() > 0
    for variable in ("cost", "saving_delivered", "requirement"):
        assert variable in before
        xr.testing.assert_identical(before[f"planned_{variable}"], after[f"planned_{variable}"])
    more = (after["income"] - before["income"]).sel(source="council tax", drop=True)
    fell = before["gap"] - after["gap"]
    np.testing.assert_allclose(fell, more.transpose(*fell.dims), atol=1e-3)


def test_the_switch_of_council_tax_alone_is_worth_48():
    worth = (
        projected(COUNTY)["planned_gap"] - projected(COUNTY, at_maximum=True)["planned_gap"]
    ).isel(year=-1)
    assert abs(millions(worth) - 48) <= HALF


def switch(years, before, after, growth):
    """Give what a higher rise brings in the last year, GBP million, on 482 of council tax."""
    return 482 * (1 + growth) ** years * ((1 + after) ** years - (1 + before) ** years)


PAIR = re.compile(r"\| (\d) \| ([\d.]+)% \| ([\d.]+)% \| ([\d.]+)% \| ([\d.]+) \|")


def test_the_pairs_of_years_and_rises_are_worked_out_as_the_page_lists_them():
    page = (GALLERY / f"{COUNTY}.md").read_text("utf-8")
    pairs = [[float(x) for x in row] for row in PAIR.findall(page)]
    assert {pair[0] for pair in pairs} == {2, 3, 4}
    give = []
    for years, before, after, growth, worth in pairs:
        found = switch(int(years), before / 100, after / 100, growth / 100)
        assert found == pytest.approx(worth, abs=0.051)
        give.append(abs(found - 48) <= HALF)
    assert sum(give) >= 4
    assert give[0]  # the pair chosen comes first ...
    assert pairs[0][:4] == [4, 2.84, 4.99, 0.8]
    assert not give[-1]  # ... and no rise against 4.99% a year, which cannot be meant, last
    assert pairs[-1][:3] == [4, 0, 4.99]


def test_technology_arrives_late_and_then_whole_or_never():
    name = "technology-enabled care savings"
    ds = projected(COUNTY)
    found = ds["saving_delivered"].sel(scheme=name)
    last = np.round(millions(found.isel(year=-1)), 6)
    assert set(np.unique(last)) == {0.0, 4.5, 6.5, 8.0}  # never, two years late, one, in time
    for size, chance in ((0.0, 0.15), (4.5, 0.17), (6.5, 0.425), (8.0, 0.255)):
        share = (last == size).mean()
        assert abs(share - chance) <= 4 * np.sqrt(chance * (1 - chance) / N_DRAWS)
    late = ds["saving_late"].sel(scheme=name)
    lost = ds["saving_lost"].sel(scheme=name)
    planned = ds["planned_saving_delivered"].sel(scheme=name)
    np.testing.assert_allclose(found + late + lost, planned.broadcast_like(found), atol=1e-3)
    assert (lost.where(found.isel(year=-1) > 0, 0) == 0).all()  # what comes, comes in full


def test_nottinghamshires_children_and_their_cost_are_those_of_the_returns():
    homes = line("children's residential care", COUNTY)
    assert (homes.people, homes.weekly_cost) == (158, 8000)
    assert homes.weekly_cost == pytest.approx(7560 * 1.058, abs=2)
    assert line("foster care", COUNTY).people == 563


# --- Nottingham City, September 2023 ---


def test_the_first_two_ledgers_are_monitoring_documents():
    past = mtfs.load_example_monitoring("nottingham_2022")
    children, other = past.services
    assert (children.outturn.variance, other.outturn.variance) == (4.192e6, 5.608e6)
    assert other.outturn.basis == "derived"
    assert past.total_at("outturn").variance / 1e6 == pytest.approx(9.8)
    year = mtfs.load_example_monitoring("nottingham_2023")
    assert year.service("children's services").at(2).variance == 6.928e6
    total = year.total_at(2).variance / 1e6
    assert total == pytest.approx(25.894)
    assert round(total) == 26


def ledger(variable="planned_pressure"):
    return projected(CITY)[variable].sel(cause=list(LEDGER))


def test_the_pressure_of_four_years_is_17_567():
    levels = millions(ledger().sum("cause"))
    assert levels[-1] == pytest.approx(17.567, abs=EXACT)
    steps = np.diff(levels, prepend=0.0)
    assert (steps > 0).all()
    assert steps.sum() == pytest.approx(17.567, abs=EXACT)


def test_the_other_reading_of_17_567_is_a_level_of_7():
    # as a sum of what each year costs, with equal steps: x + 2x + 3x + 4x = 17.567
    step = 17.567 / (1 + 2 + 3 + 4)
    assert step == pytest.approx(1.757, abs=0.001)
    assert 4 * step == pytest.approx(7.0, abs=0.05)
    page = (GALLERY / f"{CITY}.md").read_text("utf-8")
    assert "7.027" in page
    total = millions(ledger().sum(["cause", "year"]))
    assert f"{total:.3f}" in page  # the plan's own levels, summed


def test_the_ledger_is_that_of_childrens_services_alone():
    ds = mtfs.project_gap(load_example(CITY), n_draws=64, seed=1, keep="components")
    for give, variable in (
        (mtfs.planned_pressures, "planned_pressure"),
        (mtfs.pressures, "pressure"),
    ):
        of_children = give(ds, service="children's services")
        assert set(of_children["cause"].to_numpy()) >= set(LEDGER)
        whole = ds[variable].sel(cause=list(LEDGER))
        np.testing.assert_allclose(of_children.sel(cause=list(LEDGER)), whole, atol=1e-3)
    apart = set(of_children["cause"].to_numpy()) - set(LEDGER)
    assert {c for c in apart if abs(of_children.sel(cause=c)).max() > 0} == {"price", "pay"}
    steps = mtfs.planned_pressures(ds, service="children's services", convention="annual")
    assert steps.sel(cause=list(LEDGER)).sum().item() == pytest.approx(17.567e6, abs=1)


def test_the_three_ledgers_are_kept_apart():
    figures = {4.192, 6.928, 9.8, 26.0}
    plan = load_example(CITY)
    stated = {
        round(float(number) / 1e6, 3)
        for each in [*plan.lines, *plan.savings]
        for number in np.ravel(getattr(each, "levels", None) or 0.0)
        if not isinstance(number, str)
    }
    assert not figures & stated
    assert plan.base_gap == 0


def test_what_returns_of_the_hole_is_less_the_savings_at_risk():
    hole = line("hole of 2023/24 that returns", CITY)
    assert hole.levels / 1e6 == pytest.approx(26 - 0.501 * 15.671, abs=0.001)
    planned = millions(projected(CITY)["planned_cost"].sel(line=hole.name))
    np.testing.assert_allclose(planned, 0.75 * 18.149, atol=EXACT)


def test_nottinghams_gap_is_51_and_58_7_over_four_years():
    ds = projected(CITY)
    levels, steps = millions(ds["planned_gap"]), millions(ds["planned_annual_gap"])
    assert levels[0] == pytest.approx(51, abs=0.001)
    assert levels[-1] == pytest.approx(58.7, abs=0.001)
    assert steps.sum() == pytest.approx(58.7, abs=0.001)
    assert steps[1:].sum() == pytest.approx(7.7, abs=0.002)


def test_nottinghams_base_is_the_budget_of_2023_24():
    assert sum(base_costs(CITY).values()) - 42 == pytest.approx(261.8, abs=0.001)
    assert sum(base_costs(CITY, "children's services").values()) == pytest.approx(97.251, abs=0.001)
    tax, rates, support, _ = load_example(CITY).funding
    assert (tax.base_income + rates.rates + rates.top_up + support.amount) / 1e6 == pytest.approx(
        261.8
    )


SCHEMES = [
    "transformation savings on track",
    "transformation savings that need more done",
    "transformation target of 2023/24, not yet identified",
]


def test_the_target_of_16_million_moves_no_planned_sum_and_falls_short_in_the_draws():
    ds = projected(CITY)
    made = millions(ds["planned_saving_delivered"].sel(scheme=SCHEMES).sum("scheme"))
    held = ds["planned_cost"].sel(line="transformation savings of 2023/24, before they are made")
    np.testing.assert_allclose(made, millions(held))
    np.testing.assert_allclose(made, 15.671)
    arrived = ds["saving_delivered"].sel(scheme=SCHEMES).sum("scheme").isel(year=0) / 1e6
    expected = 0.90 * 3.275 + 0.65 * 4.545 + 0.35 * 7.851
    assert abs(arrived.mean().item() - expected) <= 4 * arrived.std().item() / np.sqrt(N_DRAWS)
    assert (arrived < 15.671).all()


def test_the_target_is_split_as_the_council_reported_it_after_two_months():
    ds = projected(CITY)
    levels = millions(ds["planned_saving_delivered"].sel(scheme=SCHEMES).isel(year=0))
    np.testing.assert_allclose(levels, 15.671 * np.array([0.209, 0.290, 0.501]), atol=0.0006)
    (target,) = load_example(CITY).savings_targets
    assert (target.levels, target.rag, target.scheme) == (15.671e6, "red", SCHEMES[-1])


def test_technology_manages_demand_that_no_path_holds_already():
    scheme = load_example(COUNTY).savings[0]
    assert (scheme.manages, scheme.already_in_demand) == ("home care", 0)


def test_reserves_open_after_the_overspend_of_2022_23():
    funds = {fund.name: fund for fund in load_example(CITY).reserves.funds}
    openings = {name: fund.opening / 1e6 for name, fund in funds.items()}
    assert openings["financial resilience reserve"] == pytest.approx(20 - 9.8)
    earmarked = openings["earmarked reserves, free"] + openings["earmarked reserves, promised"]
    assert earmarked == pytest.approx(84.440 - 20)
    assert openings["general fund"] == 12.6
    repaid = sum(funds["earmarked reserves, promised"].contributions) / 1e6
    assert repaid == pytest.approx(20)


def test_nottingham_agrees_with_its_case():
    held = case("nottingham_city_vintages")
    july, september = held["vintages"][:2]
    levels = millions(projected(CITY)["planned_gap"])
    assert levels[0] == pytest.approx(july["gap_2024_25_gross"], abs=0.001)
    assert levels[-1] == pytest.approx(july["gap_4yr_gross"], abs=0.001)
    pressure = millions(ledger().sum("cause"))[-1]
    assert pressure == pytest.approx(september["children_pressures_4yr_2024_28"], abs=EXACT)
    page = (GALLERY / f"{CITY}.md").read_text("utf-8")
    for figure in ("children_overspend_2022_23", "overall_overspend_2022_23",
                   "children_pressure_2023_24", "overall_hole_2023_24"):  # fmt: skip
        assert f"{september[figure]:g}" in page


def test_reserves_last_longer_the_more_is_done():
    plan = load_example(CITY)
    gone = {}
    for policy in ("none", "plan", "respond"):
        ds = mtfs.project_gap(
            plan.with_changes({"reserves.closure.policy": policy}),
            n_draws=N_DRAWS, seed=2026, keep="totals",
        )  # fmt: skip
        gone[policy] = mtfs.reserve_risk(ds)["exhausted"].to_numpy()
    assert gone["none"][1] > 0.99
    assert (gone["plan"][1:] < gone["none"][1:]).all()
    assert (gone["respond"][1:] < gone["plan"][1:]).all()


@pytest.mark.parametrize(
    ("name", "year"),
    [(COUNTY, "2028/29"), (CITY, "2024/25"), ("nottingham_2025", "2025/26")],
)
def test_the_page_says_where_the_draws_lie(name, year):
    ds = mtfs.project_gap(load_example(name), n_draws=100_000, seed=1, keep="totals")
    row = ds.mtfs.summary().loc[year]
    page = " ".join((GALLERY / f"{name}.md").read_text("utf-8").split())
    assert (
        f"the gap of {year} is {row['mean']:.0f} on average (P10 to P90 {row['P10']:.0f} to "
        f"{row['P90']:.0f}), and the plan's {row['plan']:.3g} is enough in {row['plan_enough']:.0%}"
    ) in page
