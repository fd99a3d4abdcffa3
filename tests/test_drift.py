"""Evidence of drift from returns, the driver made from it, and budgets that drift, by hand."""

import math
from dataclasses import asdict, is_dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from councils import YEARS, council, run
from hypothesis import given
from hypothesis import strategies as st
from line_strategies import numbers

from mtfs import (
    MtfsError,
    PlanError,
    budget_drift,
    drift_correlation,
    drift_driver,
    drift_evidence,
)
from mtfs.drift import CORRELATION, DRIFT, RECURRENT
from mtfs.overlaps import drift_overlaps

RETURNS = Path(__file__).parents[2] / "shared" / "data" / "revenue_outturn.csv"
MEASURES = ("csc_net_current", "asc_net_current")


def returns(figures, measure="care"):
    """Make a table from {(basis, year): values of councils a, b, c ...}."""
    rows = [
        {"area": area, "la_code": area, "year": year, "basis": basis, "value": float(value)}
        for (basis, year), values in figures.items()
        for area, value in zip("abcdefgh", values, strict=False)
        if value is not None
    ]
    return pd.DataFrame(rows).assign(measure=measure)


FOUR = {("budget", 2024): (100, 50, 80, 60), ("outturn", 2024): (110, 51, 84, 72)}


# Four invented councils


def test_four_councils_deviations_by_hand():
    found = budget_drift(returns(FOUR), "care", service="children")
    (year,) = found.years
    assert (found.service, year.year, year.councils) == ("children", "2023/24", 4)
    assert year.mean == pytest.approx((0.10 + 0.02 + 0.05 + 0.20) / 4)
    assert year.median.value == pytest.approx(math.sqrt(1.05 * 1.10) - 1)
    assert year.sd == pytest.approx(np.std([0.10, 0.02, 0.05, 0.20], ddof=1))
    assert year.aggregate == pytest.approx((110 + 51 + 84 + 72) / (100 + 50 + 80 + 60) - 1)
    assert year.above == 1.0
    middle = (math.log(1.05) + math.log(1.10)) / 2
    away = sorted(abs(math.log(1 + v) - middle) for v in (0.10, 0.02, 0.05, 0.20))
    assert year.spread == pytest.approx((away[1] + away[2]) / 2 / 0.6744897501960817)
    assert year.median.se == pytest.approx(
        math.sqrt(math.pi / 2 / 4) * year.spread * (1 + year.median.value)
    )
    assert (year.recurrent, year.instrumented, found.repeat) == (None, None, None)


def test_repeat_is_the_rank_correlation_of_the_years():
    figures = FOUR | {("budget", 2026): (100, 100, 100, 100), ("outturn", 2026): (130, 95, 99, 110)}
    found = budget_drift(returns(figures), "care")
    # ranks 3 1 2 4 and 4 1 2 3: 1 - 6 (1 + 0 + 0 + 1) / (4 x 15)
    assert found.repeat.value == pytest.approx(0.8)
    assert found.repeat.se == pytest.approx((1 - 0.64) * math.sqrt((1 + 0.32) / (4 - 3)))
    assert found.years_apart == 2
    assert found.persistence == pytest.approx(math.sqrt(0.8))


def test_deviations_that_turn_round_do_not_persist():
    figures = FOUR | {("budget", 2025): (100, 100, 100, 100), ("outturn", 2025): (95, 110, 99, 90)}
    found = budget_drift(returns(figures), "care")
    assert found.repeat.value < 0
    assert found.persistence == 0.0


def test_the_share_that_stands_next_year_is_a_slope_in_logs():
    # log deviations -0.06 to 0.06; next year's outturn 10% up, half of the deviation, and an error
    # that is unrelated to it: +1, -1, -1, +1 hundredth. In the year: -5, -1, 3, 3 twentieths.
    x, error = 0.02 * np.array([-3, -1, 1, 3]), 0.01 * np.array([1, -1, -1, 1])
    growth = np.array([-0.25, -0.05, 0.15, 0.15])
    figures = {
        ("budget", 2024): [100] * 4,
        ("outturn", 2023): 100 * np.exp(x - growth),
        ("outturn", 2024): 100 * np.exp(x),
        ("outturn", 2025): 100 * np.exp(0.1 + 0.5 * x + error),
    }
    year = budget_drift(returns(figures), "care").years[0]
    assert year.recurrent.value == pytest.approx(0.5)
    # one plus (growth . next growth) / (growth . deviation) = 1 - 0.5 - 0.002 / 0.028
    assert year.instrumented.value == pytest.approx(0.5 - 0.002 / 0.028)
    slope = year.instrumented.value - 1
    residual = (error - 0.5 * x) - slope * x
    assert year.instrumented.se == pytest.approx(
        math.sqrt(np.sum((growth * residual) ** 2)) / 0.028
    )


def test_a_share_that_cannot_be_estimated_is_none_and_says_who_is_missing():
    figures = FOUR | {
        ("outturn", 2023): (100, 50, 80, 60),
        ("outturn", 2025): (120, 60, None, 80),
    }
    found = budget_drift(returns(figures), "care")
    assert (found.years[0].recurrent, found.years[0].instrumented) == (None, None)
    assert [(left.area, left.reason) for left in found.left_out] == [
        ("c", "no outturn of 2024/25, for the share that stands next year")
    ]


def test_outturns_that_all_grew_alike_instrument_nothing():
    figures = FOUR | {
        ("outturn", 2023): (88, 40.8, 67.2, 57.6),
        ("outturn", 2025): (120, 60, 83, 80),
    }
    year = budget_drift(returns(figures), "care").years[0]
    assert year.recurrent.councils == 4
    assert year.instrumented is None


def test_noise_in_budgets_draws_the_slope_to_one_and_leaves_the_instrumented_share():
    n, share = 20_000, 0.5
    z = np.random.default_rng(4).standard_normal((3, n)) * 0.1
    deviation, budget = z[0], np.exp(z[1])
    outturn = np.exp(deviation)
    after = np.exp(share * deviation + 0.2 * z[2])
    rows = [
        (f"{k}", f"{k}", year, basis, "care", value)
        for basis, year, values in (
            ("budget", 2024, budget),
            ("outturn", 2023, np.ones(n)),
            ("outturn", 2024, outturn),
            ("outturn", 2025, after),
        )
        for k, value in enumerate(values)
    ]
    columns = ["area", "la_code", "year", "basis", "measure", "value"]
    year = budget_drift(pd.DataFrame(rows, columns=columns), "care", far=0.99).years[0]
    # as much noise as deviation: half the way from the share to one
    assert abs(year.recurrent.value - 0.75) < 4 * year.recurrent.se + 0.01
    assert abs(year.instrumented.value - share) < 4 * year.instrumented.se


def test_variance_between_councils_by_hand_as_sums():
    # log deviations -3 to 3, errors orthogonal to them and to a constant: Huber's fit is the line,
    # as no error is far out. Each squared residual is expected to be sum_j M_ij^2 (s^2 + t d_j).
    x = 0.02 * np.array([-3, -2, -1, 1, 2, 3])
    error = 0.01 * np.array([2, -3, 1, 1, -3, 2])
    figures = {
        ("budget", 2024): [100] * 6,
        ("outturn", 2024): 100 * np.exp(x),
        ("outturn", 2025): 100 * np.exp(0.05 + 0.6 * x + error),
    }
    found = budget_drift(returns(figures), "care")
    assert found.years[0].recurrent.value == pytest.approx(0.6)
    spread = sum(x**2)
    held = [[(float(i == j) - 1 / 6 - a * b / spread) ** 2 for j, b in enumerate(x)]
            for i, a in enumerate(x)]  # fmt: skip
    constant = [sum(row) for row in held]
    away = [sum(m * b**2 for m, b in zip(row, x, strict=True)) for row in held]
    cc = sum(c * c for c in constant)
    ca = sum(c * a for c, a in zip(constant, away, strict=True))
    aa = sum(a * a for a in away)
    cy = sum(c * e**2 for c, e in zip(constant, error, strict=True))
    ay = sum(a * e**2 for a, e in zip(away, error, strict=True))
    assert found.between.value == pytest.approx((cc * ay - ca * cy) / (cc * aa - ca**2))
    assert found.between.councils == 6


def random_slopes(between, n, seed):
    """Make two years of returns whose shares that stand next year differ between councils."""
    rng = np.random.default_rng(seed)
    rows = []
    for year, noise in ((2022, 0.06), (2024, 0.04)):
        deviation = 0.1 + 0.1 * rng.standard_normal(n)
        share = 0.8 + between * rng.standard_normal(n)
        after = 0.08 + share * (deviation - 0.1) + noise * rng.standard_normal(n)
        for basis, when, logs in (
            ("budget", year, np.zeros(n)),
            ("outturn", year, deviation),
            ("outturn", year + 1, after),
        ):
            rows += [
                (f"{k}", f"{k}", when, basis, "care", value) for k, value in enumerate(np.exp(logs))
            ]
    columns = ["area", "la_code", "year", "basis", "measure", "value"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize("between", [0.0, 0.3, 0.6])
def test_invented_councils_that_differ_are_found_to_differ_by_as_much(between):
    found = budget_drift(random_slopes(between, 250, seed=11), "care", far=0.9).between
    assert abs(found.value - between**2) < 3 * found.se
    assert found.se < 0.02 + between**2 / 3  # it can tell 0.3 and 0.6 from 0
    assert found.councils == 250


def test_one_councils_share_is_less_certain_than_the_mean():
    for found in RECURRENT:
        assert found.sd == pytest.approx(math.sqrt(found.mean_sd**2 + found.between**2))


def test_a_variance_between_councils_below_zero_is_taken_as_none():
    adults = drift_evidence("adults")
    found = replace(adults, between=replace(adults.between, value=-0.01)).recurrent
    assert (found.between, found.sd) == (0.0, found.mean_sd)
    with pytest.raises(MtfsError, match=r"do not say by how much the share .* differs between"):
        _ = replace(adults, between=None).recurrent


def test_councils_too_few_or_too_alike_say_nothing_of_how_they_differ():
    figures = FOUR | {("outturn", 2025): (120, 60, 90, 80)}
    assert budget_drift(returns(figures), "care").between is None  # three, when one is left out
    # deviations that all lie as far from the median cannot show it
    x = 0.05 * np.array([-1, -1, -1, 1, 1, 1])
    alike = {
        ("budget", 2024): [100] * 6,
        ("outturn", 2024): 100 * np.exp(x),
        ("outturn", 2025): 100 * np.exp(x + 0.01 * np.array([1, -1, 2, 3, -2, -3])),
    }
    assert budget_drift(returns(alike), "care").between is None


def test_an_outturn_that_halves_in_a_year_is_left_out_of_the_share_and_listed():
    figures = {
        ("budget", 2024): (100, 50, 80, 60, 90),
        ("outturn", 2024): (110, 51, 84, 72, 95),
        ("outturn", 2025): (120, 60, 83, 80, 47.5),
    }
    found = budget_drift(returns(figures), "care")
    assert (found.years[0].councils, found.years[0].recurrent.councils) == (5, 4)
    assert [(left.area, left.reason) for left in found.left_out] == [
        ("e", "outturn of 2024/25 is 0.50 times that of 2023/24, beyond a factor of 1.6")
    ]


def test_who_is_left_out_is_listed_with_the_reason():
    figures = {
        ("budget", 2024): (100, 50, 80, 60, 70, None, 90),
        ("outturn", 2024): (110, 51, 84, 72, None, 40, 9),
        ("outturn", 2022): (None,) * 7 + (30,),
    }
    found = budget_drift(returns(figures), "care")
    assert found.years[0].councils == 4
    assert [(left.area, left.year, left.reason) for left in found.left_out] == [
        ("f", "2023/24", "no budget"),
        ("e", "2023/24", "no outturn"),
        ("h", "2023/24", "neither budget nor outturn"),
        ("g", "2023/24", "ended -90% from budget, beyond 60%"),
    ]


def test_a_merged_council_is_added_up():
    table = returns(FOUR)
    split = table[table["area"] == "a"].assign(la_code="a2")
    found = budget_drift(pd.concat([table, split]), "care")
    assert found.years[0].mean == budget_drift(table, "care").years[0].mean
    assert found.years[0].aggregate == pytest.approx((220 + 51 + 84 + 72) / (200 + 190) - 1)


def test_two_services_deviations_go_together_by_rank():
    both = [
        returns(FOUR, "children"),
        returns(FOUR | {("outturn", 2024): (130, 50.5, 81, 66)}, "adults"),
    ]
    found = drift_correlation(pd.concat(both), ("children", "adults"), years=[2024])
    assert [each.value for each in found] == pytest.approx([0.8, 0.8])
    assert found[0].councils == 4


def changed(**columns):
    return returns(FOUR).assign(**columns)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (returns(FOUR).drop(columns="basis"), "the returns lack basis; expected the columns"),
        (returns(FOUR, "car"), "no measure 'care'. Did you mean 'car'. They hold: car"),
        (changed(basis="outturn"), "found basis outturn; expected both 'budget' and 'outturn'"),
        (changed(basis="forecast"), "found basis forecast"),
        (changed(year="2024"), "expected whole numbers such as 2024"),
        (changed(area=None), "rows lack 'area' or 'la_code'"),
        (pd.concat([returns(FOUR)] * 2), "a 2024 budget, .* are given twice"),
        (changed(value=np.nan), "not a finite number"),
        (changed(value="many"), "not a finite number"),
        (
            returns(FOUR | {("budget", 2024): (100, 0, 80, 60)}),
            "figures of b 2024 budget are 0 or less, of which no share can be taken",
        ),
        (
            returns(FOUR | {("outturn", 2024): (110, 51, -84, 72)}),
            "figures of c 2024 outturn are 0 or less",
        ),
        (
            returns(FOUR | {("budget", 2023): (1, 2, 3, 4)}),
            "no outturn of the year ending March 2023; the returns hold outturns of 2024",
        ),
        (
            returns(FOUR | {("outturn", 2024): (110, 51, 84)}),
            "3 councils have budget and outturn in 2023/24; expected at least 4",
        ),
        (
            returns({("budget", 2024): (1, 2, 3, 4), ("outturn", 2024): (1, 2, 3, 5)}),
            "2023/24: half of the councils or more ended equally far from budget",
        ),
        (
            pd.concat(
                [
                    returns(FOUR),
                    returns({("budget", 2024): (5,)}).assign(la_code="z"),
                ]
            ),
            "figures of a 2024 budget, a 2024 outturn are of other 'la_code's",
        ),
    ],
    ids=range(15),
)
def test_returns_that_cannot_be_used_say_why(table, says):
    with pytest.raises(MtfsError, match=says.replace("?", r"\?")):
        budget_drift(table, "care")


def test_a_year_without_budgets_is_an_error():
    with pytest.raises(MtfsError, match="no budget of the year ending March 2023"):
        budget_drift(returns(FOUR), "care", years=[2023])


def test_far_is_a_share():
    with pytest.raises(MtfsError, match=r"far is 60; .*write 60% as 0\.6"):
        budget_drift(returns(FOUR), "care", far=60)


def test_one_year_says_nothing_of_repeating_or_of_the_next():
    found = budget_drift(returns(FOUR), "care")
    with pytest.raises(MtfsError, match="one year says nothing of how far a deviation repeats"):
        _ = found.persistence
    with pytest.raises(MtfsError, match="no year with a budget has outturns of the years before"):
        _ = found.recurrent


# What ships


def flat(value):
    """List the numbers and words inside an evidence, in order."""
    if is_dataclass(value):
        value = asdict(value)
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        return [x for each in value for x in flat(each)]
    return [value]


@pytest.mark.skipif(not RETURNS.exists(), reason="the returns lie outside the repository")
def test_what_ships_is_what_the_returns_give():
    table = pd.read_csv(RETURNS)
    for shipped, measure in zip(DRIFT, MEASURES, strict=True):
        made = flat(budget_drift(table, measure, service=shipped.service))
        held = flat(shipped)
        words = [n for n, value in enumerate(made) if isinstance(value, str)]
        assert [made[n] for n in words] == [held[n] for n in words]
        figures = [n for n in range(len(made)) if n not in words]
        np.testing.assert_allclose(
            [held[n] for n in figures], [made[n] for n in figures], rtol=0, atol=5.1e-5
        )
    pooled = drift_correlation(table, MEASURES, years=(2022, 2024))
    assert [round(each.value, 2) for each in pooled[:2]] == [0.28, 0.31]
    assert flat(CORRELATION) == pytest.approx(flat(pooled[-1]), abs=5.1e-5)


@pytest.mark.skipif(not RETURNS.exists(), reason="the returns lie outside the repository")
def test_budgets_in_the_returns_lie_below_the_outturn_of_the_year_before():
    # the sign that budgets and outturns are classified apart: see the docs
    table = pd.read_csv(RETURNS)
    rows = table[table["measure"] == "csc_net_current"]
    held = rows.pivot_table(index="area", columns=["basis", "year"], values="value", aggfunc="sum")
    for year, share in ((2022, 0.70), (2024, 0.67)):
        both = held[[("budget", year), ("outturn", year - 1)]].dropna()
        below = both["budget", year] < both["outturn", year - 1]
        assert below.mean() == pytest.approx(share, abs=0.005)


def test_what_ships_can_be_asked_for_by_service():
    assert drift_evidence("adults").service == "adults"
    with pytest.raises(MtfsError, match=r"service 'adult'\. Did you mean 'adults'\? It does for: "):
        drift_evidence("adult")


def test_recurrent_shares_lie_between_the_two_estimates():
    for found, evidence in zip(RECURRENT, DRIFT, strict=True):
        slopes = np.array([flat(year.recurrent)[:2] for year in evidence.years])
        others = np.array([flat(year.instrumented)[:2] for year in evidence.years])
        pooled = [np.average(e[:, 0], weights=e[:, 1] ** -2.0) for e in (slopes, others)]
        errors = [(e[:, 1] ** -2.0).sum() ** -0.5 for e in (slopes, others)]
        assert found.mean == pytest.approx(sum(pooled) / 2)
        assert found.mean_sd == pytest.approx(math.hypot(max(errors), (pooled[0] - pooled[1]) / 2))
        assert found.between == pytest.approx(math.sqrt(evidence.between.value))
        part = found.mean / 1.5
        assert found.bounds == (0.0, 1.5)
        # a beta from 0 to 1.5 holds it, with a peak inside: both parameters above 1
        total = part * (1 - part) / (found.sd / 1.5) ** 2 - 1
        assert min(part, 1 - part) * total > 1


# The driver


@pytest.mark.parametrize("service", ["children", "adults"])
def test_a_driver_of_drift_has_the_returns_quantiles(service):
    evidence, driver = drift_evidence(service), drift_driver(service)
    (found,) = driver.distributions(YEARS[:1])
    middle = min(year.median.value for year in evidence.years)
    assert found.median == pytest.approx(middle)
    score = 1.2815515655446004  # of the 10th and the 90th percentile
    expected = [(1 + middle) * math.exp(z * evidence.spread) - 1 for z in (-score, score)]
    assert found.value(np.array([-score, score])) == pytest.approx(expected)
    assert found.value(np.array([-8.5])) > -1
    assert driver.persistence == pytest.approx(math.sqrt(evidence.repeat.value))
    assert driver.planned_values(YEARS).tolist() == [0.0] * 4
    assert driver.source
    assert driver.rationale


def test_a_councils_own_record_takes_the_place_of_the_centre():
    driver = drift_driver("adults", central=0.03, planned=0.01)
    assert driver.distributions(YEARS)[0].median == pytest.approx(0.03)
    assert driver.planned == 0.01
    with pytest.raises(MtfsError, match="central is -1; expected a share of the budget above -1"):
        drift_driver("adults", central=-1.0)


# In a plan


def budget(**fields):
    return {"kind": "budget", "name": "care", "service": "children", "base": 1000.0} | fields


CERTAIN = {"name": "over", "central": 0.05, "planned": 0.0}
PRICES = {"name": "cpi", "central": 0.02, "sd": 0.01, "persistence": 0.5}


def test_drift_is_a_share_on_top_of_the_cost_by_hand():
    line = budget(growth=[0.1, 0, 0, 0], volume_growth=[0.2, 0, 0, 0], drift="over")
    ds = run(council(drivers=[CERTAIN], lines=[line]), n_draws=1).isel(year=0)
    assert float(ds["planned_cost"].sel(line="care")) == pytest.approx(1000 * 1.2 * 1.1)
    ds = ds.isel(draw=0)
    assert float(ds["cost"].sel(line="care")) == pytest.approx(1320 * 1.05)
    booked = {
        str(cause): float(ds["pressure"].sel(cause=cause)) for cause in ds["cause"].to_numpy()
    }
    assert booked == pytest.approx({"volume": 200, "price": 120, "drift": 66})


def test_a_fixed_drift_is_in_the_councils_own_table_too():
    ds = run(council(lines=[budget(drift=[0.1, 0.0, -0.1, 0.05])]), n_draws=1)
    for cost in (ds["planned_cost"].sel(line="care"), ds["cost"].sel(line="care").isel(draw=0)):
        assert cost.to_numpy().tolist() == pytest.approx([1100, 1000, 900, 1050])
    assert ds["cause"].to_numpy().tolist() == ["price", "drift"]


def test_a_line_that_does_not_drift_is_the_same_to_the_bit():
    plain = run(council(drivers=[PRICES], lines=[budget(growth="cpi")]), n_draws=50)
    still = run(council(drivers=[PRICES], lines=[budget(growth="cpi", drift=0.0)]), n_draws=50)
    assert plain.identical(still.assign_attrs(plain.attrs))


def test_drift_ends_where_the_driver_does():
    driver = drift_driver("children").model_dump(exclude_none=True)
    ds = run(council(drivers=[driver], lines=[budget(drift="children drift")]), n_draws=4000)
    drift = ds["cost"].sel(line="care").isel(year=0) / 1000 - 1
    evidence = drift_evidence("children")
    error = math.sqrt(math.pi / 2 / 4000) * evidence.spread * (1 + evidence.centre)
    assert abs(float(drift.median()) - evidence.centre) < 4 * error
    assert float(drift.min()) > -1


@given(
    drift=st.lists(numbers(-0.5, 0.5), min_size=4, max_size=4),
    more=st.fixed_dictionaries(
        {},
        optional={
            "growth": numbers(-0.1, 0.2),
            "volume_growth": numbers(-0.1, 0.2),
            "review_month": st.integers(1, 12),
            "cap": numbers(0.04, 0.1),
            "collar": numbers(-0.01, 0.02),
            "share": numbers(0.2, 1),
        },
    ),
)
def test_drifted_costs_are_budgets_times_one_plus_drift_and_parts_add_up(drift, more):
    on_budget = run(council(lines=[budget(**more)]))["cost"].sel(line="care")
    driver = {"name": "over", "central": drift, "sd": 0.05, "persistence": 0.3}
    ds = run(council(drivers=[driver], lines=[budget(drift="over", **more)]))
    cost = ds["cost"].sel(line="care")
    expected = on_budget * (1 + ds["path"].sel(driver="over", drop=True))
    np.testing.assert_allclose(cost.transpose("draw", "year"), expected.transpose("draw", "year"))
    grown = ds["pressure"].sum("cause") + 1000 * more.get("share", 1)
    np.testing.assert_allclose(
        grown.transpose("draw", "year"), cost.transpose("draw", "year"), atol=1e-6
    )


FOSTER = {
    "kind": "care",
    "name": "foster care",
    "service": "children",
    "people": 100.0,
    "weekly_cost": 500.0,
}
MIX = {"name": "fees", "mix": [{"driver": "cpi", "weight": 0.5}], "central": 0.01}
EVENT = {
    "name": "rise",
    "central": 0.02,
    "events": [{"name": "shock", "year": "2027/28", "probability": 0.2, "effect": 0.1}],
}
DRIVERS = [CERTAIN, PRICES, MIX, EVENT]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([budget(drift="over", growth="cpi")], r"on top of 'cpi' \('growth'\)"),
        ([budget(drift="over", volume_growth="fees")], r"on top of 'fees' \('volume_growth'\)"),
        ([budget(drift="over", growth="rise")], r"on top of 'rise' \('growth'\)"),
        (
            [budget(drift="over"), FOSTER | {"price_growth": "cpi"}],
            r"on top of 'cpi' \('price_growth' of care line 'foster care'\) in the same service",
        ),
        (
            [budget(drift="over"), FOSTER | {"people_growth": "fees"}],
            r"on top of 'fees' \('people_growth' of care line 'foster care'\)",
        ),
        (
            [budget(drift="over"), FOSTER | {"dispersion": {"cv": 0.8, "stay": 0.5}}],
            "on top of 'dispersion' of care line 'foster care'",
        ),
        ([budget(drift=-1.0)], "a drift of -1 leaves nothing of the cost"),
        ([budget(drift=[0.1, -2.0, 0, 0])], "a drift of -2 leaves nothing of the cost"),
        ([budget(drift="gone")], "driver 'gone' holds -1.2, which leaves nothing of it"),
        ([budget(drift="ovr")], "uses driver 'ovr', which the plan does not hold. Did you mean"),
        ([budget(drift="5%")], r"write 0\.05"),
    ],
    ids=range(11),
)
def test_drift_that_would_be_wrong_says_what_to_do(lines, says):
    gone = {"name": "gone", "central": -1.2}
    with pytest.raises(PlanError, match=says):
        council(drivers=[*DRIVERS, gone], lines=lines)


@pytest.mark.parametrize(
    "lines",
    [
        [budget(drift=0.05, growth="cpi")],
        [budget(drift="over"), FOSTER | {"service": "adults", "price_growth": "cpi"}],
        [budget(drift="over"), FOSTER | {"price_growth": 0.05}],
        [budget(drift="over", growth="over")],
    ],
    ids=["a fixed drift", "another service", "care as planned", "a certain driver"],
)
def test_drift_that_nothing_else_says_is_allowed(lines):
    assert np.isfinite(run(council(drivers=DRIVERS, lines=lines))["gap"]).all()


def test_a_mix_of_itself_is_said_once_and_elsewhere():
    round_trip = [
        {"name": "x", "mix": [{"driver": "y", "weight": 1.0}]},
        {"name": "y", "mix": [{"driver": "x", "weight": 1.0}]},
    ]
    with pytest.raises(PlanError, match="depends on itself"):
        council(drivers=[*DRIVERS, *round_trip], lines=[budget(drift="over", growth="x")])
    assert list(drift_overlaps([], [], [])) == []
