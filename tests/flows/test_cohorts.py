"""Cohorts: prevalence x population x share, flows of pupils, services, and what history tells."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

import mtfs
from mtfs import MtfsError, PlanError
from mtfs.flows import (
    Cohort,
    CohortPeople,
    FlowCohort,
    Wander,
    by_age_band,
    fit_prevalence,
    population_table,
    simulate_cohort,
)
from mtfs.flows.flow_cohorts import Observed, Stated
from mtfs.flows.uniforms import draw_keys
from mtfs.io import load_population

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "cohorts.md"
SHARED = Path(__file__).parents[3] / "shared" / "data"
YEARS = ("2026/27", "2027/28", "2028/29")
DRAWS = 4_000


def scores(draws=DRAWS, seed=3):
    return np.random.default_rng(seed).standard_normal(draws)


def older(**parts):
    """Give the people of 65 and over of an invented council, in two settings."""
    years = ("2025/26", *YEARS)
    band = {
        "age": "65+",
        "population": dict(zip(years, [100_000, 102_000, 104_000, 106_000], strict=True)),
        "prevalence": 40.0,
        "shares": {"home care": 0.75, "residential": 0.25},
        "attrition": {"home care": 0.4, "residential": 0.3},
    } | parts.pop("band", {})
    data = {
        "name": "older people",
        "base_year": "2025/26",
        "settings": ["home care", "residential"],
        "bands": [band],
    }
    return Cohort.model_validate(data | parts)


def pupils(**parts):
    """Give pupils of two ages, in two settings."""
    data = {
        "name": "plans",
        "base_year": "2025/26",
        "settings": ["mainstream", "special"],
        "bands": [
            {
                "age": age,
                "people": {"mainstream": 60, "special": 40},
                "new": {"mainstream": 12, "special": 3},
            }
            for age in ("23", "24")
        ],
        "leaving": [{"rate": 0.1}],
        "moves": [{"origin": "mainstream", "destination": "special", "rate": 0.2}],
    }
    return FlowCohort.model_validate(data | parts)


# population x prevalence x share


def test_the_expected_number_is_population_times_prevalence_times_share():
    cohort = older(band={"prevalence_growth": 0.01})
    assert cohort.base().tolist() == [3_000, 1_000]
    found = cohort.expected(YEARS)
    assert found.shape == (2, 3, 1)
    people = np.array([102, 104, 106]) * 40 * 1.01 ** np.arange(1, 4)
    assert found[:, :, 0] == pytest.approx(np.outer([0.75, 0.25], people))


def test_a_shift_moves_a_share_of_a_setting_each_year_anew():
    cohort = older(shifts=[{"origin": "residential", "destination": "home care", "share": 0.1}])
    shares = cohort.expected(YEARS)[:, :, 0] / (np.array([102, 104, 106]) * 40)
    assert shares[1] == pytest.approx(0.25 * 0.9 ** np.arange(1, 4))
    assert shares.sum(axis=0) == pytest.approx([1, 1, 1])


def test_a_driver_is_followed_draw_by_draw():
    cohort = older(band={"prevalence_growth": "demand"})
    growth = np.array([[0.01, 0.05], [0.0, 0.02], [0.0, 0.0]])
    found = cohort.expected(YEARS, lambda assumption: growth)
    assert found[0] == pytest.approx(
        0.75 * 40 * np.array([102, 104, 106])[:, None] * np.cumprod(1 + growth, axis=0)
    )
    with pytest.raises(MtfsError, match="follows driver 'demand': give its values"):
        cohort.expected(YEARS)


def test_draws_have_the_expected_mean_and_the_variance_of_binomials_and_poissons():
    cohort = older()
    expected, drawn = cohort.expected(YEARS)[..., 0], cohort.draw(scores(), YEARS)
    stay, before, variance = np.array([0.6, 0.7]), cohort.base(), 0.0
    for year in range(3):
        new = expected[:, year] - stay * before
        variance = stay**2 * variance + stay * (1 - stay) * before + new
        before = expected[:, year]
        error = (variance / DRAWS) ** 0.5
        assert (abs(drawn[:, year].mean(axis=-1) - before) < 4 * error).all()
        assert drawn[:, year].var(axis=-1, ddof=1) == pytest.approx(
            variance, rel=4 * (2 / DRAWS) ** 0.5
        )


def test_more_spread_new_people_spread_all():
    plain, wide = (older(dispersion=each).draw(scores(), YEARS)[0, 0] for each in (0.0, 0.05))
    new = 0.75 * 40 * 102 - 0.6 * 3_000
    expected = 0.6 * 0.4 * 3_000 + new + 0.05 * new**2
    assert wide.var(ddof=1) == pytest.approx(expected, rel=6 * (2 / DRAWS) ** 0.5)  # gamma tails
    assert plain.var() < 0.2 * wide.var()


def test_people_are_whole_numbers_that_follow_from_year_to_year():
    ds = simulate_cohort(older(wander={"sd": 0.03}), horizon=3, n_draws=200, seed=1)
    assert ds["people"].dims == ("age", "setting", "draw", "year")
    assert (ds["people"] == np.floor(ds["people"])).all()
    steps = ds["people"].diff("year")
    assert (steps == (ds["new"] - ds["left"]).isel(year=slice(1, None))).all()
    assert (ds["people"] >= 0).all()
    assert ds["planned_people"].sel(year="2026/27").to_numpy().tolist() == [[3060, 1020]]


def test_a_cohort_simulated_alone_has_the_draws_it_has_in_a_plan():
    one = simulate_cohort(older(), horizon=3, n_draws=50, seed=8)
    two = simulate_cohort(older(), horizon=3, n_draws=20, seed=8)
    assert (one["people"].isel(draw=slice(20)) == two["people"]).all()
    other = simulate_cohort(older(name="others"), horizon=3, n_draws=50, seed=8)
    assert not (one["people"] == other["people"]).all()


def test_a_score_of_zero_stands_for_the_expected_path():
    z = scores(6)
    z[[1, 4]] = 0.0
    for cohort in (older(), pupils()):
        found, whole = cohort.draw(z, YEARS), cohort.draw(scores(6), YEARS)
        assert found[..., 1] == pytest.approx(cohort.expected(YEARS)[..., 0])
        assert (found[..., [0, 2, 3, 5]] == whole[..., [0, 2, 3, 5]]).all()


def test_a_draw_follows_its_own_score_only():
    cohort, z = older(wander={"sd": 0.02, "learnt_from": 6}), scores(40)
    assert (cohort.draw(z, YEARS)[..., 10:30] == cohort.draw(z[10:30], YEARS)).all()


def test_a_faster_growth_differs_from_a_slower_by_far_less_than_chance():
    slow, fast = (older(band={"prevalence_growth": g}).draw(scores(), YEARS) for g in (0.0, 0.01))
    gain = (fast - slow)[0, 0]
    assert gain.mean() == pytest.approx(0.01 * 3_060, abs=4 * gain.std() / DRAWS**0.5)
    assert gain.std() < 0.2 * slow[0, 0].std()


def test_prevalence_that_falls_faster_than_people_leave_is_refused_as_stated():
    fast = older(band={"prevalence_growth": -0.35})
    with pytest.raises(MtfsError, match=r"65 and over, residential: people fall by 33.7% in 2026"):
        simulate_cohort(fast, horizon=3, n_draws=2)
    (fault,) = fast.faults(YEARS)
    assert "leave in a year, and so in 2 other states and years: there would" in fault
    assert next(iter(older().faults(YEARS)), None) is None


def test_a_list_that_has_no_value_for_some_year_is_refused():
    cohort = older(band={"prevalence_growth": [0.01, 0.02]})
    with pytest.raises(MtfsError, match="'older people': holds 2 values; expected one for each"):
        simulate_cohort(cohort, horizon=3, n_draws=2)


def test_in_a_draw_in_which_it_does_more_leave_and_nobody_comes():
    cohort = older(band={"prevalence_growth": "demand"})
    drivers = {"demand": [-0.5, 0.0, 0.0]}
    ds = simulate_cohort(cohort, horizon=3, n_draws=500, seed=1, drivers=drivers)
    assert ds["hastened"].to_numpy()[0].tolist() == [[1, 0, 0], [1, 0, 0]]
    assert ds["new"].sel(year="2026/27").sum() == 0
    mean, planned = ds["people"].mean("draw"), ds["planned_people"]
    assert (abs(mean - planned) < 4 * ds["people"].std("draw") / 500**0.5).all()


# how a level wanders


def steps_of(wander, draws=20_000):
    logs = np.log(wander.factors(draw_keys(scores(draws), "wander"), 4))
    return np.diff(logs, axis=0, prepend=0.0)


def test_known_steps_are_normal_with_their_sd_and_persistence():
    found = steps_of(Wander(sd=0.05, persistence=0.6))
    for year in range(4):
        assert stats.kstest(found[year], stats.norm(scale=0.05).cdf).pvalue > 0.001
    between = np.corrcoef(found)
    assert between[0, 1] == pytest.approx(0.6, abs=4 * 0.64 / 20_000**0.5)
    assert between[0, 3] == pytest.approx(0.216, abs=4 / 20_000**0.5)


def test_learnt_steps_are_the_student_t_of_their_prediction():
    found = steps_of(Wander(sd=0.05, learnt_from=6))
    law = stats.t(5, scale=0.05 * (1 + 1 / 6) ** 0.5)
    for year in range(4):
        assert stats.kstest(found[year], law.cdf).pvalue > 0.001
    assert np.corrcoef(found)[0, 1] > 0.05  # all years share what is not known of the growth


# services and selection


def with_transport(**parts):
    shares = {"mainstream": 0.2, "special": [0.5, 0.6, 0.7]}
    service = {"name": "transport", "shares": shares} | parts
    return pupils(services=[service])


def test_users_of_a_service_are_shares_of_the_people_of_each_setting():
    cohort = with_transport(ages=["24"])
    found, people = cohort.draw(scores(20), YEARS), pupils().draw(scores(20), YEARS)
    assert (found[:4] == people).all()
    assert (found[4:6] == 0).all()
    assert found[6] == pytest.approx(0.2 * people[2])
    assert found[7] == pytest.approx(np.array([0.5, 0.6, 0.7])[:, None] * people[3])
    assert cohort.base(YEARS).tolist() == [60, 40, 60, 40, 0, 0, 12, 20]
    ds = simulate_cohort(cohort, horizon=3, n_draws=5, seed=1)
    older_pupils = ds["people"].sel(age="24", year="2026/27")
    users = 0.2 * older_pupils.sel(setting="mainstream")
    users = users + 0.5 * older_pupils.sel(setting="special", drop=True)
    assert ds["users"].sel(service="transport", year="2026/27").to_numpy() == pytest.approx(
        users.values
    )


def test_the_share_of_users_in_the_base_year_may_be_stated():
    cohort = with_transport(base_shares={"mainstream": 0.1, "special": 0.4})
    assert cohort.base()[4:].tolist() == [6, 16, 6, 16]


def test_people_are_selected_by_age_setting_and_service():
    cohort = with_transport()
    assert cohort.labels[1] == ("23", "special")
    chosen = {
        "special": CohortPeople(cohort="plans", settings=["special"]),
        "age": CohortPeople(cohort="plans", ages=["24"]),
        "transport": CohortPeople(cohort="plans", service="transport", settings=["special"]),
    }
    found = {name: np.flatnonzero(cohort.select(each)).tolist() for name, each in chosen.items()}
    assert found == {"special": [1, 3], "age": [2, 3], "transport": [5, 7]}
    assert cohort.states() == ["mainstream", "special", "transport"]
    assert cohort.alone("transport").service == "transport"
    assert cohort.alone("special").settings == ("special",)


def test_states_that_are_not_there_are_named_with_the_nearest():
    asked = CohortPeople(cohort="plans", settings=["specials"], ages=["99"], service="trains")
    found = dict(with_transport().unknown(asked))
    assert found["settings"].endswith("Did you mean 'special'? It has: mainstream, special")
    assert set(found) == {"settings", "ages", "service"}


@pytest.mark.parametrize("cohort", [older(wander={"sd": 0.02}), with_transport()])
def test_a_cohort_survives_json(cohort):
    again = type(cohort).model_validate_json(cohort.model_dump_json())
    assert again == cohort
    assert hash(again) == hash(cohort)


# pupils: flows between settings and ages


def test_everybody_who_comes_leaves_or_stays():
    ds = simulate_cohort(pupils(), horizon=3, n_draws=200, seed=1)
    change = (ds["new"] - ds["left"] - ds["aged_out"]).sum(["age", "setting"]).cumsum("year")
    assert (ds["people_year_end"].sum(["age", "setting"]) == 200 + change).all()


def test_pupils_who_turn_25_leave_on_1_september():
    still = pupils(
        leaving=[{"rate": 0}],
        moves=[],
        bands=[
            {
                "age": age,
                "people": {"mainstream": 60, "special": 40},
                "new": {"mainstream": 0, "special": 0},
            }
            for age in ("23", "24")
        ],
    )
    found = still.expected(YEARS)[..., 0]
    assert found[:, 0] == pytest.approx([60 * 5 / 12, 40 * 5 / 12, 60, 40])
    assert found[:, 1] == pytest.approx([0, 0, 60 * 5 / 12, 40 * 5 / 12])
    assert found[:, 2] == pytest.approx([0] * 4)


def test_expected_pupils_are_the_mean_of_draws():
    cohort = pupils()
    drawn, expected = cohort.draw(scores(), YEARS), cohort.expected(YEARS)[..., 0]
    error = drawn.std(axis=-1) / DRAWS**0.5
    assert (abs(drawn.mean(axis=-1) - expected) < 4 * error).all()


def test_new_pupils_follow_population_growth_and_a_driver():
    population = dict(zip(("2025/26", *YEARS), [100, 110, 120, 130], strict=True))
    bands = [
        {
            "age": "under 25",
            "people": {"mainstream": 0, "special": 0},
            "new": {"mainstream": 12, "special": 0},
            "population": population,
        }
    ]
    cohort = pupils(bands=bands, new_growth="demand", leaving=[{"rate": 0}], moves=[])
    ds = simulate_cohort(
        cohort, horizon=3, n_draws=DRAWS, seed=1, drivers={"demand": [0.5, 0.0, 0.0]}
    )
    new = ds["new"].sel(setting="mainstream").isel(age=0)
    mean = 12 * np.array([1.1, 1.2, 1.3]) * 1.5
    assert new.mean("draw").to_numpy() == pytest.approx(mean, abs=4 * (mean.max() / DRAWS) ** 0.5)


def test_a_rate_from_events_has_the_gamma_posterior_of_jeffreys():
    observed = Observed(events=3, exposure=120.0)
    assert observed.mean == pytest.approx(3.5 / 120)
    chance = (np.arange(2_000) + 0.5) / 2_000
    assert observed.quantile(chance) == pytest.approx(stats.gamma(3.5, scale=1 / 120).ppf(chance))
    assert Observed(events=0, exposure=120.0).quantile(np.array([0.001])) > 0


def test_a_rate_from_an_interval_has_it():
    stated = Stated(interval=(0.1, 0.4), prob=0.8)
    assert stated.quantile(np.array([0.1, 0.5, 0.9])) == pytest.approx([0.1, 0.2, 0.4])


def test_rates_that_are_not_known_spread_what_is_drawn():
    people = {"mainstream": 600, "special": 400}
    bands = [{"age": "under 25", "people": people, "new": {"mainstream": 0, "special": 0}}]
    spreads = [
        pupils(bands=bands, leaving=[{"rate": rate}]).draw(scores(), YEARS)[:, -1].sum(axis=0).std()
        for rate in (0.105, {"events": 10, "exposure": 100})
    ]
    stay = np.exp(-2.5 * 0.145)  # the middle of the third year; 0.04 a year grow too old
    chance, unknown = 1_000 * stay * (1 - stay), (1_000 * stay * 2.5 * 0.0324) ** 2
    assert spreads[0] == pytest.approx(chance**0.5, rel=0.1)
    assert spreads[1] == pytest.approx((chance + unknown) ** 0.5, rel=0.1)


def test_a_share_by_year_does_not_tell_the_base_years_users():
    with pytest.raises(MtfsError, match=r"service 'transport', special: .* give 'base_shares'"):
        with_transport().base()


# wrong input


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"band": {"shares": {"home care": 0.7, "residential": 0.2}}}, "sum to 0.9; expected 1"),
        ({"band": {"shares": {"home care": 1.0}}}, "leaves out residential: give every setting"),
        (
            {"band": {"shares": {"home care": 0.7, "resdential": 0.3}}},
            "which the cohort does not have. Did you mean 'residential'",
        ),
        ({"band": {"population": {"2026/27": 1.0}}}, "has no 2025/26"),
        ({"band": {"population": {"2025/26": 1.0, "2027/28": 1.0}}}, "has no 2026/27"),
        ({"band": {"age": "old"}}, "found age 'old'; expected such as"),
        ({"band": {"attrition": 1.4}}, "expected a share from 0 to 1"),
        ({"settings": ["home care", "home care"]}, "settings: home care is there twice"),
        (
            {"shifts": [{"origin": "nursing", "destination": "home care", "share": 0.1}]},
            "there is no setting 'nursing'",
        ),
        ({"wander": {"sd": 0.1, "learnt_from": 2}}, "found 2; expected a value at least 4"),
    ],
)
def test_a_cohort_that_does_not_hang_together_is_refused(parts, message):
    with pytest.raises(PlanError, match=message):
        older(**parts)


def test_overlapping_age_bands_are_refused():
    band = older().bands[0].model_dump()
    with pytest.raises(PlanError, match="age bands overlap"):
        older().model_validate(older().model_dump() | {"bands": [band, band | {"age": "85+"}]})


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"leaving": [{"rate": 0.1, "ages": ["23"]}]}, "'leaving' gives none for 24 in mainstream"),
        ({"leaving": [{"rate": 0.1}, {"rate": 0.2, "ages": ["24"]}]}, "gives 2 for 24"),
        ({"leaving": [{"rate": 0.1, "settings": ["specal"]}]}, "Did you mean 'special'"),
        (
            {"moves": [{"origin": "special", "destination": "special", "rate": 0.1}]},
            "from 'special' to itself",
        ),
        ({"step": "quarter"}, "1 September falls within a quarter: let 'step' be month"),
        ({"services": [{"name": "bus", "shares": {"special": 0.1}}]}, "leaves out mainstream"),
    ],
)
def test_flows_that_do_not_hang_together_are_refused(parts, message):
    with pytest.raises(PlanError, match=message):
        pupils(**parts)


def test_years_that_do_not_follow_are_refused():
    with pytest.raises(MtfsError, match="'base_year' is 2025/26: its first year is 2026/27"):
        older().expected(("2027/28",))
    with pytest.raises(MtfsError, match="populations go to 2028/29; the last year is 2029/30"):
        simulate_cohort(older(), horizon=4)


def test_shifts_that_leave_fewer_than_nobody_are_refused():
    shift = {"origin": "residential", "destination": "home care", "share": 0.6}
    with pytest.raises(MtfsError, match="more than all people of 'residential'"):
        older(shifts=[shift, shift]).expected(YEARS)


# what history tells


def test_a_history_gives_level_growth_and_spread_by_hand():
    counts = {2020: 100.0, 2021: 110.0, 2022: 110.0, 2023: 121.0, 2024: 121.0}
    found = fit_prevalence(counts, dict.fromkeys(counts, 10_000.0), source="returns")
    step = np.log(1.1)
    assert found.level == pytest.approx(12.1)
    assert found.growth == pytest.approx(1.1**0.5 - 1)
    assert found.sd == pytest.approx(step / 3**0.5)
    assert found.growth_se == pytest.approx(found.sd / 2)
    assert found.autocorrelation == pytest.approx(-0.75)
    assert found.text().splitlines() == [
        "prevalence: 12.1",
        "prevalence_growth: 0.0488",
        "wander: {sd: 0.0550, learnt_from: 4}",
        "source: returns, 2020 to 2024: 4 yearly steps",
    ]


def test_a_growing_population_is_not_growing_prevalence():
    people = {year: 50.0 * 1.02**year for year in range(2015, 2022)}
    found = fit_prevalence(people, {year: 100.0 * n for year, n in people.items()})
    assert found.growth == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("counts", "population", "message"),
    [
        ({2020: 1, 2021: 1}, {}, "there are 2 counts; expected at least 5"),
        (dict.fromkeys((2018, 2019, 2020, 2021, 2023), 1), {}, "the counts lack 2022"),
        (dict.fromkeys(range(2018, 2023), 1), {2018: 1}, "the population lack 2019, 2020"),
        (
            dict.fromkeys(range(2018, 2023), 0),
            dict.fromkeys(range(2018, 2023), 1),
            "counts of 2018, .* are not above 0",
        ),
    ],
)
def test_a_history_with_holes_is_refused(counts, population, message):
    with pytest.raises(MtfsError, match=message):
        fit_prevalence(counts, population)


def test_four_year_intervals_of_a_random_walk_cover_as_they_say():
    rng = np.random.default_rng(11)
    draws, councils = scores(400), 400
    covered = {0.8: 0, 0.95: 0}
    for number in range(councils):
        steps = rng.normal(0.05, 0.04, 12)
        path = 1_000 * np.exp(np.cumsum(steps))
        history = dict(zip(range(2015, 2024), path[:9], strict=True))
        found = fit_prevalence(history, dict.fromkeys(history, 1e5))
        keys = draw_keys(draws, f"council {number}")
        ahead = path[8] * (1 + found.growth) ** 3 * found.wander().factors(keys, 3)[-1]
        for level in covered:
            low, high = np.quantile(ahead, [(1 - level) / 2, (1 + level) / 2])
            covered[level] += low <= path[11] <= high
    for level, count in covered.items():
        error = (level * (1 - level) / councils) ** 0.5
        assert count / councils == pytest.approx(level, abs=4 * error)


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data")
def test_four_years_of_real_plans_lie_within_their_intervals_about_as_often_as_said():
    table = pd.read_csv(SHARED / "education_health_care_plans.csv")
    table = table[table["measure"] == "ehcp_or_statement_total"]
    counts = table.pivot_table("value", "area", "year", aggfunc="sum")
    found = []
    for area, row in counts.iterrows():
        for origin in range(2018, 2022):  # six yearly steps before, four years after
            history = {year: row[year] for year in range(origin - 6, origin + 1)}
            if np.isnan([*history.values(), row[origin + 4]]).any():
                continue
            fitted = fit_prevalence(history, dict.fromkeys(history, 1e5))
            keys = draw_keys(scores(1_000), str(area))
            ahead = history[origin] * (1 + fitted.growth) ** 4
            ahead = ahead * fitted.wander().factors(keys, 4)[-1]
            ends = np.quantile(ahead, [0.1, 0.9])
            found.append(ends[0] <= row[origin + 4] <= ends[1])
    assert len(found) > 300
    assert 0.7 < np.mean(found) < 0.9  # councils and origins share years: no binomial error


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data")
def test_a_published_projection_becomes_a_cohort():
    file = SHARED / "population_projections_2014_based.csv"
    population = load_population(file, area="E06000047")
    assert by_age_band(population, ["65+"]).sel(year=2014).item() == 101_471
    table = population_table(population, ["18 to 64", "65 and over"])
    band = {"population": {y: n for y, n in table["65 and over"].items() if y >= "2022/23"}}
    cohort = older(base_year="2022/23", band=band)
    ds = simulate_cohort(cohort, n_draws=200, seed=1)
    assert ds["planned_people"].sum().item() == pytest.approx(
        0.04 * sum(table["65 and over"][year] for year in ds["year"].to_numpy())
    )


# the page


def page(language, number=0):
    """Give a block of the how-to page."""
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[number]


def test_the_population_on_the_page_is_read(tmp_path):
    file = tmp_path / "population.csv"
    file.write_text(page("text"), encoding="utf-8")
    table = population_table(load_population(file, area="Anyshire"), ["65 to 84", "85 and over"])
    data = yaml.safe_load(page("yaml"))
    bands = {band["age"]: band["population"] for band in data["cohorts"][0]["bands"]}
    assert bands == table


def test_adults_on_the_page_are_as_it_says(tmp_path):
    file = tmp_path / "plan.yaml"
    file.write_text(page("yaml"), encoding="utf-8")
    plan = mtfs.load_plan(file)
    ds = mtfs.project_gap(plan, n_draws=4_096, seed=2026)
    home = ds["planned_people"].sel(care_line="home care").to_numpy()
    assert home.round().tolist() == [2062, 2130, 2204, 2285]
    assert plan.cohorts[0].base()[::3].sum().round() == 1998
    spread = ds["people"].sel(care_line="home care").std("draw").to_numpy()
    assert spread == pytest.approx([63, 91, 116, 140], rel=0.05)


def test_pupils_on_the_page_are_as_it_says(tmp_path):
    file = tmp_path / "plan.yaml"
    file.write_text(page("yaml", 1), encoding="utf-8")
    plan = mtfs.load_plan(file)
    cohort, years = plan.cohorts[0], plan.years
    assert cohort.base(years)[:15].sum() == 6195
    transport = cohort.select(CohortPeople(cohort="EHC plans", service="transport"))
    users = cohort.expected(years)[transport].sum(axis=0)[:, 0]
    assert users.round().tolist() == [2280, 2339, 2385, 2427]
    assert cohort.base(years)[transport].sum().round() == 2244
    ds = simulate_cohort(cohort, n_draws=2_000, seed=2026)
    stock = ds["people_year_end"].sum(["age", "setting"]).sel(year="2029/30")
    ends = stock.quantile([0.1, 0.5, 0.9]).to_numpy()
    assert ends == pytest.approx([6539, 6946, 7425], rel=0.005)


def test_the_history_on_the_page_gives_what_it_says():
    names = {"mtfs": mtfs}
    exec(page("python", 2), names)  # noqa: S102 - the page's own code
    assert names["found"].text() + "\n" == page("text", 1)
