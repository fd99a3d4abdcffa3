"""Leicestershire 2023/24 and Rotherham 2018/19: every published figure."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest

import mtfs
from mtfs.io import load_example
from mtfs.paths import Paths

CASES = Path(__file__).parents[2] / "shared" / "cases"
LEICS = "leicestershire_2023"
ROTHERHAM = "rotherham_2018"
WEEKS = 366 / 7  # of 2023/24, which has a 29 February
HALF_THOUSAND = 0.5e3  # GBP: half a unit of a published GBP 0.001m
HALF_TENTH = 0.05e6  # GBP: half a unit of a published GBP 0.1m


@functools.cache
def projected(name, n_draws=4096):
    return mtfs.project_gap(load_example(name), n_draws=n_draws, seed=1)


def planned(name, variable, **where):
    return projected(name)[f"planned_{variable}"].sel(**where).to_numpy()


def line(name, wanted):
    return next(each for each in load_example(name).lines if each.name == wanted)


def driver(name, wanted):
    return next(each for each in load_example(name).drivers if each.name == wanted)


def case(name):
    file = CASES / f"{name}.json"
    if not file.is_file():
        pytest.skip(f"the published case {name} is not beside the repository (../shared/cases)")
    return json.loads(file.read_text("utf-8"))


def base_by_service(name):
    """Sum the net cost of the base year's lines by service, GBP."""
    plan = load_example(name)
    still = Paths(plan.calendar, {}, {}, {})
    found = {}
    for each in plan.lines:
        found[each.service] = found.get(each.service, 0.0) + each.base_cost(still)
    return found


# --- Leicestershire: the plan ---


def test_leicestershires_budget_of_2023_24_is_512_million_by_service():
    found = base_by_service(LEICS)
    expected = {
        "adults and communities": 210e6,
        "children and family services": 114e6,
        "corporate": 90e6,
        "environment and transport": 98e6,
    }
    assert found == pytest.approx(expected, abs=HALF_TENTH)
    assert sum(expected.values()) == 512e6


def test_leicestershires_pressures_start_from_512_million():
    base = planned(LEICS, "cost").sum(axis=0) - planned(LEICS, "pressure").sum(axis=0)
    tied = np.array([1.0, 0.0]) * 1e6  # flood work is gross growth, met by its own reserve
    np.testing.assert_allclose(base + tied, 512e6, atol=HALF_THOUSAND)


def test_leicestershires_budget_and_gaps_after_2023_24_are_as_published():
    assert planned(LEICS, "requirement")[0] == pytest.approx(567.6e6, abs=HALF_THOUSAND)
    assert planned(LEICS, "funding")[0] == pytest.approx(561.6e6, abs=HALF_THOUSAND)
    np.testing.assert_allclose(planned(LEICS, "gap"), [6e6, 33e6], atol=HALF_THOUSAND)
    np.testing.assert_allclose(planned(LEICS, "gap_after_one_offs"), [0, 33e6], atol=HALF_THOUSAND)
    tax = next(source for source in load_example(LEICS).funding if source.name == "council tax")
    raised = planned(LEICS, "income", source="council tax")[0] - tax.base_income
    assert raised == pytest.approx(18e6, abs=1)


def test_leicestershires_budget_holds_people_and_prices_before_the_published_rise():
    residential, home_care = line(LEICS, "children's residential care"), line(LEICS, "home care")
    supported = line(LEICS, "supported living")
    assert residential.weekly_cost + 1000 == 5800
    assert round(1000 / residential.weekly_cost, 1) == 0.2  # "20 per cent or GBP 1,000"
    assert home_care.weekly_cost == 328
    assert round(home_care.people * 1.05) == 2660
    assert round(supported.weekly_cost * 1.08) == 1570
    assert line(LEICS, "children with complex needs").weekly_cost == 10_000
    assert round(10_000 * WEEKS / 1e6, 1) == 0.5  # "half a million a year"


def test_leicestershire_agrees_with_its_case():
    held = case("leicestershire_2023_24_outturn_seed")
    assert held["budget"] == 512
    week = held["residential_child_week"]
    assert line(LEICS, "children's residential care").weekly_cost == week["previous_implied"]
    assert line(LEICS, "children with complex needs").weekly_cost == held["complex_child_week"]
    assert line(LEICS, "home care").weekly_cost == held["home_care"]["cost_week"]
    growth = 1 + held["home_care"]["client_growth_pct"] / 100
    assert round(line(LEICS, "home care").people * growth) == held["home_care"]["clients"]
    living = held["supported_living"]
    rise = 1 + living["placement_cost_increase_pct"] / 100
    assert round(line(LEICS, "supported living").weekly_cost * rise) == living["cost_week"]
    schemes = {scheme.name: scheme for scheme in load_example(LEICS).savings}
    saved = held["savings"]
    assert (
        schemes["children's homes with a partner"].levels[1]
        == saved["childrens_homes_barnardos"] * 1e6
    )
    assert (
        schemes["more in-house foster carers"].levels[1]
        == saved["foster_recruitment_by_2025"] * 1e6
    )


# --- Rotherham: the plan ---


def test_rotherhams_two_year_gap_is_30_million():
    found = planned(ROTHERHAM, "gap_before_savings")
    assert found[-1] == pytest.approx(30e6, abs=HALF_THOUSAND)


def test_rotherhams_budget_of_2018_19_is_as_assumed():
    base = planned(ROTHERHAM, "cost").sum(axis=0) - planned(ROTHERHAM, "pressure").sum(axis=0)
    np.testing.assert_allclose(base, 217e6, atol=HALF_THOUSAND)


def test_rotherhams_adults_cost_62_million_of_which_older_people_24_9_and_disabilities_26():
    weeks = 365 / 7  # of 2018/19
    cost = {
        each.name: each.people
        * each.weekly_cost
        * weeks
        * (
            1
            - each.client_income
            - (0.5 if isinstance(each.joint_funding, str) else each.joint_funding)
        )
        for each in load_example(ROTHERHAM).lines
        if each.kind == "care"
    }
    older = cost["home care"] + cost["care homes"]
    direct = line(ROTHERHAM, "direct payments for disabled people").base
    disabled = cost["learning and physical disabilities"] + cost["transforming care"] + direct
    rest = line(ROTHERHAM, "adults' staff, mental health and the rest").base
    assert older == pytest.approx(24.9e6, abs=HALF_TENTH)
    assert disabled == pytest.approx(26.0e6, abs=HALF_TENTH)
    assert older + disabled + rest == pytest.approx(62.0e6, abs=HALF_TENTH)


def test_rotherhams_council_tax_follows_from_the_published_value_of_one_per_cent():
    tax = next(source for source in load_example(ROTHERHAM).funding if source.name == "council tax")
    raised_in_2017_18 = 0.965e6 / 0.01
    assert tax.base_income == pytest.approx(
        raised_in_2017_18 * (1 + 0.0299 + 0.03), abs=HALF_THOUSAND
    )
    assert tax.core_increase[0] == 0.0299
    assert tax.asc_precept == 0.0  # 6% was raised by 2018/19, all that was allowed to 2019/20


def test_rotherhams_children_are_planned_at_65_4_million_before_prices():
    children = line(ROTHERHAM, "children's services").base
    added = line(ROTHERHAM, "children's placements, added to the budget").levels
    assert children + added[0] == pytest.approx(65.4e6, abs=HALF_THOUSAND)
    assert sum(added) == 17e6


def test_reassessments_save_by_year_as_written_out():
    reassessed = driver(ROTHERHAM, "reassessments completed")
    assert reassessed.previous[-1] == 145
    assert sum(reassessed.planned) == 450
    # half of a year's in that year, all of it later; half of those of 2018/19 is in the base
    first = 2400 * (0.5 * 300 + 145) - 2400 * 0.5 * 145
    second = 2400 * (0.5 * 150 + 300 + 145) - 2400 * 0.5 * 145
    found = planned(ROTHERHAM, "saving_delivered")[0]
    np.testing.assert_allclose(found, [first, second])


def test_what_145_reassessments_save_is_about_what_was_still_to_be_secured():
    saved = 145 * 2400
    assert saved == pytest.approx(0.343e6, rel=0.02)


def test_more_direct_payments_take_a_quarter_of_a_point_off_the_mean_package():
    paths = projected(ROTHERHAM)["path"]
    share = paths.sel(driver="direct payments, share of people at home").to_numpy()
    package = paths.sel(driver="home care, growth of the mean package").to_numpy()
    more = np.diff(share, axis=1).ravel()
    slope, _ = np.polyfit(more, package[:, 1], 1)
    error = 0.012 / (more.std() * np.sqrt(len(more)))  # the mix's own noise over the spread of x
    assert slope == pytest.approx(-0.25, abs=4 * error)


def test_arrivals_of_transforming_care_are_rare_counts_and_cost_half_a_year_first():
    ds = projected(ROTHERHAM)
    arrivals = ds["path"].sel(driver="transforming care, arrivals").to_numpy()
    assert set(np.unique(arrivals)) <= set(range(15))
    assert float(planned(ROTHERHAM, "path", driver="transforming care, arrivals")[0]) == 1.0
    people = ds["people"].sel(care_line="transforming care").to_numpy()
    np.testing.assert_allclose(people[:, 0], 4 + 0.5 * arrivals[:, 0])
    np.testing.assert_allclose(people[:, 1], 4 + arrivals[:, 0] + 0.5 * arrivals[:, 1])
    error = 4 * np.sqrt(1.5 / arrivals.size)
    assert arrivals.mean() == pytest.approx(1.5, abs=error)
    assert arrivals.var() == pytest.approx(1.5, rel=0.1)  # of a Poisson: its mean


def test_the_ccgs_share_stays_a_share():
    share = projected(ROTHERHAM)["path"].sel(driver="CCG share of transforming care").to_numpy()
    assert share.min() > 0
    assert share.max() < 1


def test_rotherham_agrees_with_its_case():
    held = case("rotherham_2018_19_asc")["later"]
    assert planned(ROTHERHAM, "gap_before_savings")[-1] == pytest.approx(
        held["two_year_gap_2019_21"] * 1e6, abs=HALF_THOUSAND
    )
    assert held["council_tax_2018_19"] == "2.99% + 3% ASC"


# --- Leicestershire: outturn and what comes back ---


@functools.cache
def outturn():
    return mtfs.load_example_monitoring(LEICS)


def variance(name):
    return next(each for each in outturn().variances if each.name == name)


def test_leicestershires_outturn_is_as_published_and_the_year_ends_on_budget():
    over = {service.name: service.outturn.variance for service in outturn().services}
    assert over["children and family services"] == 12e6
    assert over["adults and communities"] == 3e6
    assert over["environment and transport"] == 1.8e6
    assert outturn().total_at("outturn").variance == 0
    assert sum(service.budget for service in outturn().services) == 512e6


def test_leicestershires_headline_of_16_is_its_parts_within_rounding():
    parts = 12e6 + 3e6 + 1.8e6
    assert abs(parts - 16e6) <= 0.5e6 + 0.5e6 + 0.05e6 + 0.5e6


def test_leicestershires_variances_are_the_published_causes_costed():
    weeks = WEEKS
    expected = {
        "children's residential care, price": 64 * 1000 * weeks,
        "children's residential care, more children": 4 * 5800 * weeks,
        "children with complex needs": 2 * 10_000 * weeks,
        "home care, more people": (2660 - 2533) * 328 * weeks,
        "supported living, 28 more people": 14 * 1570 * weeks,
        "supported living, price": 456 * (1570 - 1453.7) * weeks,
        "adult care packages, saved": -3e6,
        "tighter controls on recruitment": -8e6,
        "tighter controls on travel": -0.5e6,
        "tighter controls on training": -0.1e6,
        "set aside for flooding": 1e6,
        "special needs transport": 1.8e6,
    }
    for name, amount in expected.items():
        assert variance(name).amount == pytest.approx(amount, abs=1)


def test_half_a_year_of_28_people_in_supported_living_is_still_to_come():
    living = variance("supported living, 28 more people")
    a_year = 28 * 1570 * WEEKS
    assert round(a_year / 1e6, 1) == 2.3
    assert living.amount + living.full_year == pytest.approx(a_year, abs=1)
    assert living.full_year == pytest.approx(a_year / 2, abs=1)


def test_controls_and_additional_income_do_not_come_back_and_redesign_does():
    one_off = {each.name: each.amount for each in outturn().variances if each.lasting == 0}
    assert sum(one_off.values()) == pytest.approx(-8.6e6 + 1e6 - 9.2e6)
    assert variance("adult care packages, saved").lasting == -3e6


def test_leicestershires_outturn_agrees_with_its_case():
    held = case("leicestershire_2023_24_outturn_seed")
    over = {service.name: service.outturn.variance / 1e6 for service in outturn().services}
    assert over["children and family services"] == held["overspend"]["children"]
    assert over["adults and communities"] == held["overspend"]["adults"]
    transport = held["overspend"]["social_care_and_send_transport"]
    assert over["environment and transport"] == transport
    saved = held["savings"]
    assert variance("adult care packages, saved").amount == -saved["asc_packages"] * 1e6
    assert variance("tighter controls on recruitment").amount == -saved["vacancy_control"] * 1e6
    assert variance("tighter controls on travel").amount == -saved["travel"] * 1e6
    assert variance("tighter controls on training").amount == -saved["training"] * 1e6
    living = held["supported_living"]["annual_cost_of_28_m"]
    a_year = 28 * 1570 * WEEKS / 1e6
    assert a_year == pytest.approx(living, abs=0.01)


def returns(service):
    """Give the mean share of councils' returns: 0.91 for children, 0.67 for adults."""
    return mtfs.drift_evidence(service).recurrent.mean


def test_what_comes_back_in_leicestershire_is_written_out():
    """Planned figures hold mean shares: recurrent and full-year effect, indexed, less provided."""
    plan = load_example(LEICS)
    rebased = mtfs.project_gap(mtfs.rebase(plan, outturn()), n_draws=1, seed=1)
    moved = (rebased["planned_gap"] - projected(LEICS)["planned_gap"]).to_numpy()[0]
    fees = 1 + 0.65 * 0.098 + 0.35 * 0.057  # care fee uplift of 2024/25
    homes = 1.08  # children's price and mix, as planned
    children = (
        homes * (0.95 * 3_346_286 + 0.85 * 2 * 1_213_029 + 0.70 * 1_045_714)
        + returns("children") * 6_394_971
    )
    adults = (
        fees * (0.95 * 2_178_014 + 0.97 * 2 * 1_149_240 + 0.95 * 2_772_858)
        - fees * 0.95 * (1_220_022 + 229_848)
        - 0.90 * 3e6
        + returns("adults") * 1_119_910
    )
    transport = fees * 0.85 * 1.8e6
    provided = 11.5e6 + 5.0e6 + 1.5e6
    assert moved == pytest.approx(children + adults + transport - provided, abs=5)


# --- Rotherham: the waterfall and the outturn ---


@functools.cache
def months():
    return mtfs.load_example_monitoring(ROTHERHAM)


def test_rotherhams_waterfall_is_as_published_to_the_pound():
    fall = months().waterfalls[0]
    assert fall.gross == 8.646e6
    assert [step.amount for step in fall.steps] == [1.422e6, 0.660e6, 0.343e6]
    assert fall.net == pytest.approx(8.646e6 - 1.422e6 - 0.660e6)
    assert fall.net == 6.564e6
    assert fall.target == pytest.approx(6.564e6 - 0.343e6)
    assert fall.target == 6.221e6


def test_rotherhams_secured_and_to_be_secured_savings_stand_apart():
    fall = months().waterfalls[0]
    assert fall.of("achieved") == 1.422e6
    assert fall.of("support") == 0.660e6
    assert [step.amount for step in fall.waiting] == [0.343e6]


def test_rotherhams_overspend_falls_every_month_and_only_the_last_is_published():
    forecasts = months().services[0].forecasts
    assert (np.diff([each.variance for each in forecasts]) < 0).all()
    assert [each.basis for each in forecasts[:-1]] == ["illustrative"] * (len(forecasts) - 1)
    assert forecasts[-1].basis == "published"


def test_rotherhams_waterfall_agrees_with_its_case():
    held, fall = case("rotherham_2018_19_asc"), months().waterfalls[0]
    assert fall.gross == held["original_projection"] * 1e6
    assert fall.of("achieved") == -held["savings_achieved"] * 1e6
    assert fall.of("support") == -held["other_directorate_support"] * 1e6
    assert fall.net == held["revised_projection"] * 1e6
    assert fall.of("to_be_secured") == -held["still_to_secure"] * 1e6
    assert fall.target == held["target_overspend"] * 1e6


def test_rotherham_is_expected_to_end_at_what_is_left_once_a_green_saving_is_mostly_secured():
    ds = mtfs.forecast_outturn(months(), n_draws=20_000, seed=1)
    drawn = ds["total_variance"].to_numpy()
    error = 4 * drawn.std() / np.sqrt(drawn.size)
    assert drawn.mean() == pytest.approx(6.564e6 - 0.9 * 0.343e6, abs=error)


def test_what_comes_back_in_rotherham_is_written_out():
    plan = load_example(ROTHERHAM)
    rebased = mtfs.project_gap(mtfs.rebase(plan, months()), n_draws=1, seed=1)
    moved = (rebased["planned_gap"] - projected(ROTHERHAM)["planned_gap"]).to_numpy()
    np.testing.assert_allclose(moved, returns("adults") * 8.646e6 - 0.85 * 1.422e6, atol=1)


@pytest.mark.parametrize(
    ("name", "service"), [(LEICS, "children"), (LEICS, "adults"), (ROTHERHAM, "adults")]
)
def test_what_no_cause_is_known_of_comes_back_as_by_councils_returns(name, service):
    rebased = mtfs.rebase(load_example(name), mtfs.load_example_monitoring(name))
    share = next(
        each
        for each in rebased.drivers
        if each.name == f"recurrent share by the returns: {service}"
    )
    found = mtfs.drift_evidence(service).recurrent
    assert share.central == found.mean
    assert share.sd == found.sd


# --- both ---


@pytest.mark.parametrize(("name", "budget"), [(LEICS, 567.6e6), (ROTHERHAM, 217e6)])
def test_the_gap_is_not_more_certain_than_councils_have_been(name, budget):
    """About 2 to 3.5% of net budget one year ahead, and clearly more a year later."""
    sd = projected(name)["gap"].std("draw").to_numpy() / budget
    assert 0.018 < sd[0] < 0.035
    assert sd[1] > 1.5 * sd[0]


def page(name):
    file = Path(__file__).parents[1] / "docs" / "gallery" / f"{name}.md"
    return " ".join(file.read_text("utf-8").split())


def low_and_high(values):
    low, high = np.quantile(values / 1e6, [0.1, 0.9])
    return f"{low:.1f} to {high:.1f}"


def test_the_page_of_leicestershire_says_what_comes_back():
    ds = mtfs.project_gap(mtfs.rebase(load_example(LEICS), outturn()), n_draws=10_000, seed=2023)
    cost = ds["cost"].sel(year="2024/25")
    names = [each for each in cost["line"].to_numpy() if each.startswith("rebased: ")]
    back = cost.sel(line=[each for each in names if not each.endswith(", already planned")])
    back = back.sum("line").to_numpy()
    text = page(LEICS)
    error = back.std() / 1e6 / np.sqrt(back.size)
    assert (
        f"{back.mean() / 1e6:.1f} stands in 2024/25 (Monte Carlo error {error:.2f}, "
        f"P10 to P90 {low_and_high(back)})" in text
    )
    beyond = cost.sel(line=names).sum("line").to_numpy()
    assert f"{beyond.mean() / 1e6:.1f} more is needed ({low_and_high(beyond)})" in text
    assert f"planned gap of 2024/25 stays at {float(ds['planned_gap'][0]) / 1e6:.1f}" in text


def test_the_page_of_rotherham_says_where_the_year_ends_and_what_comes_back():
    drawn = mtfs.forecast_outturn(months(), n_draws=10_000, seed=2018)["total_variance"]
    drawn = drawn.to_numpy()
    text = page(ROTHERHAM)
    assert f"outturn over budget, mean | | {drawn.mean() / 1e6:.2f} (Monte Carlo" in text
    assert f"P10 to P90 | | {low_and_high(drawn)} |" in text
    assert f"chance to end at 6.221 or less | | {(drawn <= 6.221e6).mean():.2f} |" in text
    plan = load_example(ROTHERHAM)
    before, after = (
        mtfs.project_gap(each, n_draws=10_000, seed=2018)
        for each in (plan, mtfs.rebase(plan, months()))
    )
    added = (after["gap"] - before["gap"]).isel(year=-1).to_numpy()
    assert f"| {added.mean() / 1e6:.1f} ({low_and_high(added)}) |" in text
    level = float(after["planned_gap_before_savings"][-1]) / 1e6
    assert f"rebased | | {level:.1f} |" in text
    middle = float(after["gap"].isel(year=-1).median()) / 1e6
    assert f"half lie above {middle:.1f} in 2020/21" in text
