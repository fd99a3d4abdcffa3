"""Nottingham City 2025/26: published figures against the plan's table, and what the page says."""

import csv
import functools
import json
from pathlib import Path

import numpy as np
import pytest

import mtfs

NAME = "nottingham_2025"
SHARED = Path(__file__).parents[2] / "shared"
PAGE = Path(__file__).parents[1] / "docs" / "gallery" / f"{NAME}.md"
HELPS = ("family help for adolescents", "family help for young people")
EARLIER = "savings approved in earlier years, not itemised"
CONSULTED = (
    "workforce management",
    "layers of management and team sizes",
    "review of information technology",
    "digital access",
    "two further cross-cutting proposals",
    "museums and galleries",
)
TENTH = 0.05e6  # GBP: half a unit of a published GBP 0.1m
HUNDREDTH = 0.005e6
THOUSANDTH = 0.0005e6
PENNY = 0.01


@functools.cache
def plan():
    return mtfs.load_example(NAME)


@functools.cache
def projected():
    return mtfs.project_gap(plan(), n_draws=4096, seed=2025)


@functools.cache
def payback(spend=None, n_draws=20_000):
    given = plan()
    if spend is not None:
        given = given.with_changes({f"lines.{name}.spend": spend for name in HELPS})
    return mtfs.payback(given, HELPS, n_draws=n_draws, seed=2025)


def planned(variable, **where):
    return projected()[f"planned_{variable}"].sel(**where).to_numpy()


def part(group, name):
    return next(each for each in getattr(plan(), group) if each.name == name)


def near(found, published, tolerance):
    assert np.abs(np.asarray(found) - np.asarray(published) * 1e6).max() <= tolerance + PENNY


def saved_through_people():
    """Give what family help saves in the council's table by fewer people in care."""
    return payback(n_draws=1)["planned_avoided_cost"].to_numpy()


def of_children():
    """Give the children's suite of efficiencies in the council's table, family help included."""
    target = plan().savings_targets[0]
    schemes = [*target.schemes, f"{target.name}, not yet identified"]
    return planned("saving_delivered", scheme=schemes).sum(axis=0) + saved_through_people()


# --- the corporate figures of January 2025 ---


def test_the_gap_of_the_first_year_is_as_published_and_met_by_support():
    near(planned("gap")[0], 23.4, TENTH)
    near(planned("gap_after_one_offs")[0], 0.0, TENTH)


def test_the_gaps_of_four_years_add_up_to_the_published_cumulative_gap():
    near(float(mtfs.total(projected()["planned_gap"])), 56.8, TENTH)


def test_the_gap_never_rises_in_the_councils_table():
    assert (np.diff(planned("gap")) < 0).all()


def test_the_base_year_is_the_published_budget():
    base = projected()["base_cost"]
    near(base.sum(), 356.8, TENTH)
    by_service = base.groupby("service").sum()
    near(by_service.sel(service="children's services"), 130.930, THOUSANDTH)
    near(by_service.sel(service="adults' services"), 155.880, THOUSANDTH)


def test_the_base_year_was_funded_but_for_support():
    sources = {source.name: source for source in plan().funding}
    rates, tax = sources["business rates"], sources["council tax"]
    rest = sources["other grants and funding, not itemised"].amount
    section_31 = rates.section_31[0]
    held = tax.raised + rates.rates + rates.top_up + section_31 + rest
    near(held, 356.8 - 41.143, 0.001e6)


def test_growth_of_the_first_year_is_as_published():
    growth = planned("pressure", cause=["people", "mix", "volume", "growth"]).sum(axis=0)
    near(growth[0], 20.0, TENTH)


def test_new_savings_are_as_published():
    schemes = [name for name in projected()["scheme"].to_numpy() if name != EARLIER]
    new = planned("saving_delivered", scheme=schemes).sum(axis=0) + saved_through_people()
    near(new[0], 17.91, HUNDREDTH)
    near(new[-1], 24.191, THOUSANDTH)
    near(planned("saving_delivered")[:, 0].sum(), 39.1, TENTH)


def test_savings_for_consultation_and_not_are_as_published():
    consulted = planned("saving_delivered", scheme=list(CONSULTED)).sum(axis=0)
    near(consulted[0], 10.788, THOUSANDTH)
    others = [n for n in projected()["scheme"].to_numpy() if n not in (*CONSULTED, EARLIER)]
    internal = planned("saving_delivered", scheme=others).sum(axis=0) + saved_through_people()
    near(internal[0], 7.12, HUNDREDTH)
    near(internal[-1], 8.01, HUNDREDTH)


@pytest.mark.parametrize(
    ("scheme", "published"),
    [
        ("workforce management", 6.5),
        ("layers of management and team sizes", 5.3),
        ("review of information technology", 0.1),
        ("digital access", 0.029),
        ("museums and galleries", 1.15),
        ("reviews of adult social care", 0.805 + 0.270 + 0.250),
        ("sport, leisure and events", 0.507 + 0.086),
    ],
)
def test_a_named_saving_is_as_published(scheme, published):
    near(planned("saving_delivered", scheme=scheme)[-1], published, PENNY)


def test_council_tax_rises_by_what_was_published():
    tax = part("funding", "council tax")
    assert tax.core_increase[0] + tax.asc_precept[0] == pytest.approx(0.0499)
    assert tax.band_d == pytest.approx(140.424e6 / 68_403 * 1.0499, abs=0.01)
    near(planned("income", source="council tax")[0], tax.raised * 1.0499 * 1.01 / 1e6, PENNY)


def test_the_settlement_brings_what_was_published():
    near(planned("income", source="extra in the settlement of 2025/26")[0], 30.0, 0)


# --- children's services ---


def test_the_childrens_suite_comes_to_2_million_by_2028():
    near(of_children(), [1.2, 1.5, 1.8, 2.0], THOUSANDTH)


def test_family_help_is_counted_once_through_people_in_care():
    through = saved_through_people()
    near(through, [0.0, 0.046, 0.221, 0.500], THOUSANDTH)
    assert not any("help" in name for name in projected()["scheme"].to_numpy())
    # entered as a scheme of the target as well, it would make the suite half a million dearer
    assert of_children()[-1] + through[-1] > 2.49e6


def test_shared_schemes_are_counted_once_and_split_by_service():
    by_service = mtfs.savings_by_service(projected(), "planned_saving_delivered")
    np.testing.assert_allclose(by_service.sum("service"), planned("saving_delivered").sum(axis=0))
    shared = [scheme for scheme in plan().savings if scheme.shared_by]
    assert {scheme.name for scheme in shared} == set(CONSULTED) - {"museums and galleries"}
    whole = sum(scheme.levels[-1] for scheme in shared)
    assert by_service.sel(service="adults' services")[-1] == pytest.approx(1.325e6 + 0.2 * whole)


def test_weekly_costs_by_age_average_to_the_published_one():
    lines = [part("lines", n) for n in ("children under 10", "adolescents")]
    lines.append(part("lines", "young people of 16 and 17"))
    people = sum(line.people for line in lines)
    mean = sum(line.people * line.weekly_cost for line in lines) / people
    assert people == 657  # of 675 and 639
    assert abs(mean - 2380) < 2.5  # published to the nearest GBP 5


def test_entries_by_age_are_starts_and_birthdays_in_care():
    adolescents = part("lines", "adolescents")
    young = part("lines", "young people of 16 and 17")
    assert adolescents.entries == round(0.26 * 202) + 21
    assert young.entries == pytest.approx(0.29 * 202 + 249 / 6, abs=1.5)
    for line, care, home in zip(HELPS, (adolescents, young), (53, 40), strict=True):
        assert 1e6 / part("lines", line).effect_at == pytest.approx(home / care.entries, abs=0.005)


def test_early_help_takes_the_share_that_the_page_gives():
    ds = projected()
    early = [*HELPS, "early help for young children"]
    ours = (ds["service"].sel(line=ds["line"]) == "children's services").to_numpy()
    first = ds["planned_cost"].sel(year="2025/26")
    before = ds["base_cost"].sel(line=early).sum() / ds["base_cost"][ours].sum()
    after = first.sel(line=early).sum() / first[ours].sum()
    assert f"{float(before):.1%} of children's social care before" in PAGE.read_text("utf-8")
    assert f"and {float(after):.1%} after" in PAGE.read_text("utf-8")


# --- how sure ---


def test_the_gap_is_as_wide_as_experience_says():
    spread = (projected()["gap"].std("draw") / 356.8e6).to_numpy()
    assert 0.025 < spread[0] < 0.05
    assert spread[-1] > 2 * spread[0]


def test_the_effect_is_wide_bounded_and_may_be_nothing():
    effect = part("drivers", "effect of family help")
    held = {state.values: state.probability for state in effect.states}
    assert held[0.0] == 0.25
    assert max(held) == 0.2
    assert sum(p * value for value, p in held.items()) == pytest.approx(0.053, abs=0.0005)


def test_more_family_help_hardly_pays_back_within_the_plan():
    found = payback()
    last = found.isel(year=-1)
    text = PAGE.read_text("utf-8")
    chance, error = float(last["paid_back"]), float(last["paid_back_se"])
    assert chance < 0.03
    assert f"is {chance:.1%} ({error * 100:.1f})" in text
    spent = float(found["spend"].mean("draw").sum()) / 1e6
    back = float(found["avoided_cost"].mean("draw").sum()) / 1e6
    assert f"of GBP {spent:.1f}m spent by 2028/29 about {back:.1f}m comes back" in text
    same_year = float(last["avoided_cost"].mean("draw") / last["spend"].mean("draw"))
    assert 0.45 < same_year < 0.6


def test_a_cut_comes_back_in_part_within_the_plan():
    cut = payback(spend=-1e6)
    saved, back = -cut["spend"], -cut["avoided_cost"]
    all_years = float((back.sum("year") / saved.sum("year")).mean())
    fourth = float((back / saved).isel(year=-1).mean())
    dearer = float((cut["cumulative_cost"].isel(year=-1) > 0).mean())
    text = " ".join(PAGE.read_text("utf-8").split())
    for share in (all_years, fourth, dearer):
        assert f"{share:.1%} (" in text


def test_without_effect_nothing_comes_back():
    still = plan().with_changes(dict.fromkeys([f"lines.{n}.effect" for n in HELPS], 0.0))
    found = mtfs.payback(still, HELPS, n_draws=64, seed=1)
    np.testing.assert_allclose(found["avoided_cost"], 0.0, atol=PENNY)
    assert (found["paid_back"] == 0).all()


@pytest.mark.parametrize("changes", [{"lag": 2}, {"ramp": 3}, {"effect": 0.05}])
def test_a_later_or_weaker_effect_brings_less(changes):
    strong = {f"lines.{n}.effect": 0.1 for n in HELPS}
    weak = strong | {f"lines.{n}.{key}": value for n in HELPS for key, value in changes.items()}
    here, there = (
        mtfs.payback(plan().with_changes(each), HELPS, n_draws=64, seed=1)["avoided_cost"]
        for each in (strong, weak)
    )
    assert (here.sum("year") > there.sum("year")).all()


# --- against the figures themselves, where they are at hand ---


def test_the_gap_agrees_with_its_case():
    file = SHARED / "cases" / "nottingham_city_vintages.json"
    if not file.is_file():
        pytest.skip("the case nottingham_city_vintages is not beside the repository")
    held = json.loads(file.read_text("utf-8"))
    (january,) = [each for each in held["vintages"] if each["date"] == "2025-01-21"]
    near(planned("gap")[0], january["gap_2025_26"], TENTH)
    near(float(mtfs.total(projected()["planned_gap"])), january["gap_mtfp_to_2028_29"], TENTH)
    before, autumn = held["in_year"][0], held["in_year"][-1]
    near(projected()["base_cost"].sum(), before["budget"], TENTH)
    near(planned("saving_delivered")[:, 0].sum(), autumn["savings_target"], TENTH)


def statistics(file, names=("Nottingham", "Nottingham City")):
    path = SHARED / "data" / file
    if not path.is_file():
        pytest.skip(f"the statistics {file} are not beside the repository")
    with path.open(encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["la_name"] in names]
    held = [row for row in rows if row.get("basis", "outturn") == "outturn"]
    return {(row["measure"], row["year"]): float(row["value"]) for row in held}


def test_children_looked_after_agree_with_the_statistics():
    held = statistics("looked_after_children.csv")

    def average(*measures):
        return sum(held[m, year] for m in measures for year in ("2024", "2025")) / 2

    assert part("lines", "children under 10").people == average("age_u1", "age_1_4", "age_5_9")
    assert part("lines", "adolescents").people == average("age_10_15")
    assert part("lines", "young people of 16 and 17").people == average("age_16plus")
    assert held["cla_started", "2025"] == 202


def test_spending_and_tax_base_agree_with_the_statistics():
    spent = statistics("revenue_outturn.csv")
    base = projected()["base_cost"].groupby("service").sum()
    near(base.sel(service="children's services"), spent["csc_net_current", "2025"] / 1e3, 1e3)
    near(base.sel(service="adults' services"), spent["asc_net_current", "2025"] / 1e3, 1e3)
    assert statistics("unit_costs.csv")["LACFinance", "2025"] == 2380
    tax = statistics("council_tax.csv")
    assert tax["tax_base_for_setting", "2024"] == 68_403
    assert part("funding", "council tax").tax_base == round(68_403 * 1.01)
