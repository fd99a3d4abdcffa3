"""Goal seek and frontier: what it would take, how sure that is, and what no value does."""

import functools
import re

import numpy as np
import pandas as pd
import pytest
from councils import YEARS, council, run
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from strategies import plans

import mtfs
from mtfs import Lever, MtfsError, frontier, goal_seek
from mtfs.targets import Mean, Quantity, Target

TAX = {"kind": "council_tax", "name": "tax", "base_income": 100e6}
FUND = {
    "funds": [{"name": "general fund", "opening": 5e6, "minimum": 2e6}],
    "surplus_to": "general fund",
}


def needs(amount=103e6, **parts):
    """One year: what is needed, less council tax of 100m that a rise adds to."""
    line = {"kind": "change", "name": "needs", "cause": "people", "levels": amount}
    return council(horizon=1, lines=[line], funding=[TAX], **parts)


def normal(mean=103e6, sd=2e6, **parts):
    """The same with needs from a normal distribution."""
    driver = {"name": "needs", "central": mean, "sd": sd, "persistence": 0.0}
    return needs("needs", drivers=[driver], **parts)


def seek(plan, target, lever="funding.tax.core_increase", bounds=(0.0, 0.1), **options):
    return goal_seek(
        plan, lever=lever, target=target, bounds=bounds, **{"n_draws": 2000, "seed": 1} | options
    )


# By hand


def test_a_rise_closes_a_certain_gap_at_gap_over_tax():
    found = seek(needs(), "E(gap 2026/27) <= 0", n_draws=1, tolerance=1e-12)
    assert found.value == pytest.approx(0.03, abs=1e-11)  # 3m of 100m
    assert found.met
    assert found.current == 0.0
    assert found.before == pytest.approx(3e6)
    assert found.achieved <= 0
    assert found.intervals == ((found.value, 0.1),)
    assert found.shape == "falls"
    assert found.plan.funding[0].core_increase == found.value


def test_levers_that_scale_and_add_by_hand():
    saving = {"name": "lean", "levels": [1e6, 2e6, 4e6, 4e6], "delivery": 1.0}
    line = {"kind": "change", "name": "needs", "cause": "people", "levels": [1e6, 2e6, 10e6, 10e6]}
    plan = council(lines=[line], savings=[saving])
    options = {"lever": "savings.lean.levels", "n_draws": 1, "tolerance": 1e-9}
    scaled = seek(plan, "E(gap 2028/29) <= 0", how="scale", bounds=(0, 4), **options)
    assert scaled.value == pytest.approx(2.5)  # 2.5 x 4 = 10
    assert scaled.current == 1.0
    options |= {"how": "add", "bounds": (0, 20e6), "tolerance": 1e-3}
    added = seek(plan, "E(gap 2028/29) <= 0", years=["2028/29"], **options)
    assert added.value == pytest.approx(6e6)
    assert list(added.plan.savings[0].levels)[:2] == [1e6, 2e6]
    late = seek(plan, "E(annual_gap 2029/30) <= -1m", years=["2029/30"], **options)
    assert late.value == pytest.approx(1e6)


def test_reserve_use_and_an_opening_balance_by_hand():
    use = {"kind": "reserve", "name": "support", "fund": "general fund", "amounts": 0.0}
    plan = needs(one_offs=[use], reserves=FUND | {"closure": {"policy": "none"}})
    used = seek(
        plan,
        "E(gap_after_one_offs 2026/27) <= 1m",
        lever="one_offs.support.amounts",
        bounds=(0, 5e6),
        n_draws=1,
        tolerance=1e-3,
    )
    assert used.value == pytest.approx(2e6)  # 3 - 1
    held = seek(
        plan,
        "P(reserves >= minimum, every year) >= 0.95",
        lever="reserves.funds.general fund.opening",
        bounds=(0, 20e6),
        n_draws=1,
        tolerance=1e-3,
    )
    assert held.before_met
    assert held.value == 5e6  # 5 less 3 leaves the minimum of 2: the plan itself
    assert held.intervals == ((pytest.approx(5e6), 20e6),)


# Against closed forms

CLOSED = {
    # needs are N(103m, 2m); a point of council tax brings 1m
    "P(gap 2026/27 <= 0) >= 0.8": 0.03 + 0.02 * norm.ppf(0.8),
    "P(gap 2026/27 > 1m) <= 0.1": 0.02 + 0.02 * norm.ppf(0.9),
    "P(gap < 0, every year) > 0.5": 0.03,
    "Q90(gap 2026/27) <= 500k": 0.025 + 0.02 * norm.ppf(0.9),
    "Q10(gap 2026/27) <= 0": 0.03 + 0.02 * norm.ppf(0.1),
    "E(gap 2026/27) <= 1m": 0.02,
}


@pytest.mark.parametrize(("target", "exact"), CLOSED.items())
def test_the_answer_is_the_analytic_one_within_its_error(target, exact):
    found = seek(normal(), target, n_draws=20_000)
    error = (found.value_high - found.value_low) / 2
    assert found.value_low <= found.value <= found.value_high
    assert 0 < error < 0.001
    assert abs(found.value - exact) < 4 * error
    assert found.met
    assert found.monotone


@functools.cache
def many_seeds():
    """Solve 60 times, each on draws of its own."""
    target, bounds = "P(gap 2026/27 <= 0) >= 0.8", (0.03, 0.07)
    found = [
        seek(normal(), target, bounds=bounds, n_draws=500, seed=seed, n_grid=3, tolerance=5e-5)
        for seed in range(60)
    ]
    return pd.DataFrame([{"v": f.value, "low": f.value_low, "high": f.value_high} for f in found])


def test_the_monte_carlo_error_is_that_of_many_independent_seeds():
    found = many_seeds()
    spread = found["v"].std()
    error = ((found["high"] - found["low"]) / 2).mean()
    # the spread of 60 answers is itself known to 1/sqrt(2 x 59) = 9%
    assert error == pytest.approx(spread, rel=4 * 0.09)


def test_the_interval_covers_the_truth_as_often_as_one_standard_error_should():
    found, exact = many_seeds(), CLOSED["P(gap 2026/27 <= 0) >= 0.8"]
    covered = ((found["low"] <= exact) & (exact <= found["high"])).mean()
    expected = norm.cdf(1) - norm.cdf(-1)
    assert abs(covered - expected) < 4 * np.sqrt(expected * (1 - expected) / 60)
    assert abs(found["v"].mean() - exact) < 4 * found["v"].std() / np.sqrt(60)


# Invariants


@settings(max_examples=10)
@given(plans(), st.floats(1e3, 1e6))
def test_a_gap_closed_by_the_base_gap_takes_pound_for_pound(plan, less):
    ds = mtfs.project_gap(plan, n_draws=16, seed=3, keep="totals")
    mean = float(ds["gap"].isel(year=-1).mean())
    goal = Target(Mean(Quantity("gap"), plan.years[-1]), "<=", mean - less)
    found = goal_seek(
        ds, lever="base_gap", how="add", target=goal, bounds=(-2 * less, 0.0), n_grid=3
    )
    assert found.met
    slack = 2e-4 * less + 1e-9 * abs(mean)
    assert found.value == pytest.approx(-less, abs=slack)
    assert (found.n_draws, found.seed) == (16, 3)


def test_the_plan_found_gives_what_is_said_on_the_same_draws():
    found = seek(normal(), "P(gap 2026/27 <= 0) >= 0.8")
    ds = mtfs.project_gap(found.plan, n_draws=2000, seed=1)
    assert found.target.measure(ds) == (found.achieved, found.achieved_se)
    again = goal_seek(
        mtfs.project_gap(normal(), n_draws=2000, seed=1),
        lever="funding.tax.core_increase",
        target=found.target,
        bounds=(0, 0.1),
    )
    assert again.value == found.value
    pd.testing.assert_frame_equal(again.curve, found.curve)


def test_the_answer_meets_the_target_and_a_little_less_does_not():
    found = seek(normal(), "P(gap 2026/27 <= 0) >= 0.8", tolerance=1e-6)
    assert found.target.met(found.achieved)
    less = normal().with_changes({"funding.tax.core_increase": found.value - 2e-6})
    share, _ = found.target.measure(run(less, n_draws=2000))
    assert not found.target.met(share)


# Not monotone: costs follow growth squared, council tax follows it once
# gap = 100 x^2 - 220 x + other = 100 (x - 1.1)^2 + other - 121, in millions, x = 1 + growth


def curved(other, growth=0.0, sd=0.0):
    spread = {"sd": sd, "persistence": 0.0} if sd else {}
    return council(
        horizon=1,
        drivers=[
            {"name": "growth", "central": growth},
            {"name": "other", "central": other, **spread},
        ],
        lines=[
            {
                "kind": "contract",
                "name": "contracts",
                "base": 100e6,
                "growth": "growth",
                "volume_growth": "growth",
                "review_month": 1,
            },
            {"kind": "change", "name": "other", "cause": "policy", "levels": "other"},
        ],
        funding=[TAX | {"base_income": 220e6, "tax_base_growth": "growth"}],
    )


def curve_seek(plan, target="E(gap 2026/27) <= 0", **options):
    return seek(plan, target, "drivers.growth.central", (0.0, 0.25), **options)


def test_a_lever_that_helps_and_then_harms_is_found_between():
    found = curve_seek(curved(120.5e6), n_draws=1, tolerance=1e-9)
    half = np.sqrt(0.005)  # 100 h^2 = 0.5
    assert found.intervals == ((pytest.approx(0.1 - half), pytest.approx(0.1 + half)),)
    assert found.value == pytest.approx(0.1 - half)  # nearest to 0, where the plan stands
    assert not found.monotone
    assert "from 0.0292893 to 0.170711" in str(found)
    above = curve_seek(curved(120.5e6, growth=0.24), n_draws=1, tolerance=1e-9)
    assert above.value == pytest.approx(0.1 + half)


def test_two_stretches_that_meet_a_target_are_both_listed():
    found = curve_seek(curved(120.5e6, growth=0.12), "E(gap 2026/27) >= 0", n_draws=1)
    half = np.sqrt(0.005)
    (_, first), (second, _) = found.intervals
    assert (first, second) == pytest.approx((0.1 - half, 0.1 + half), abs=1e-4)
    assert found.value == second  # 0.1707 is nearer to 0.12 than 0.0293 is
    assert not found.before_met


@pytest.mark.parametrize("target", ["E(gap 2026/27) <= 0", "P(gap 2026/27 <= 0) >= 0.5"])
def test_a_peak_between_the_points_of_the_scan_is_climbed(target):
    narrow = curved(120.9999e6)  # 100 h^2 = 0.0001: from 0.099 to 0.101; steps are of 0.0156
    found = curve_seek(narrow, target, n_draws=1, tolerance=1e-6)
    assert found.intervals == ((pytest.approx(0.099, abs=2e-6), pytest.approx(0.101, abs=2e-6)),)


def test_no_value_of_a_curve_that_turns_meets_it_and_its_peak_comes_nearest():
    short = curve_seek(curved(121.5e6), n_draws=1)
    assert not short.met
    assert short.value == pytest.approx(0.1, abs=1e-3)
    assert short.achieved == pytest.approx(0.5e6, rel=1e-3)


def test_the_error_of_an_answer_on_a_curve_that_turns():
    found = curve_seek(curved(119e6, sd=1e6), "P(gap 2026/27 <= 0) >= 0.9", n_draws=20_000)
    # 121 - other - 100 h^2 >= 0 for nine draws in ten: h^2 = (2 - 1.2816) / 100
    exact = 0.1 - np.sqrt((2 - norm.ppf(0.9)) / 100)
    error = (found.value_high - found.value_low) / 2
    assert abs(found.value - exact) < 4 * error
    # the best any value gives is P(Z < 2) = 97.7%: a target within its error is not sure anywhere
    best = curve_seek(curved(119e6, sd=1e6), "P(gap 2026/27 <= 0) >= 0.977", n_draws=2_000)
    assert best.met
    assert np.isnan(best.value_high)
    assert "the other way no value of this stretch meets it" in str(best)


# What no value does, and what every value does


def test_no_value_meets_it_and_how_near_it_comes():
    found = seek(normal(), "P(gap 2026/27 <= 0) >= 0.8", bounds=(0.0, 0.03))
    assert not found.met
    assert found.value == 0.03
    assert found.achieved == pytest.approx(0.5, abs=4 * found.achieved_se)
    assert np.isnan(found.value_low)
    assert found.intervals == ()
    assert "No value tried from 0 to 0.03 meets it. Nearest: 0.03" in str(found)
    assert re.search(r"short of the target by \d\d\.\d points", str(found))
    money = seek(needs(), "Q90(gap 2026/27) <= 0", bounds=(0.0, 0.02), n_draws=3)
    assert "short of the target by GBP 1.00m" in str(money)


def test_a_chance_of_nothing_anywhere_still_says_which_value_comes_nearest():
    found = seek(needs(), "P(gap 2026/27 <= 0) >= 0.8", bounds=(0.0, 0.02), n_draws=5)
    assert (found.met, found.achieved, found.value) == (False, 0.0, 0.02)
    assert found.shape == "flat"
    more = seek(needs(), "P(gap 2026/27 > 0) <= 0.2", bounds=(0.0, 0.02), n_draws=5)
    assert (more.met, more.achieved, more.value) == (False, 1.0, 0.02)


def test_a_certain_plan_has_a_certain_answer():
    found = seek(needs(), "P(gap 2026/27 <= 0) >= 1", n_draws=5, tolerance=1e-9)
    assert found.value == pytest.approx(0.03)
    assert found.value_low == found.value == found.value_high


def test_a_target_of_certainty_has_no_error_that_draws_could_tell():
    found = seek(normal(), "P(gap 2026/27 <= 0) >= 1")
    assert found.achieved_se == 0
    assert found.value_low <= found.value
    assert np.isnan(found.value_high)


def test_a_plan_that_meets_the_target_is_its_own_answer():
    found = seek(normal(), "P(gap 2026/27 <= 0) >= 0.05")
    assert found.before_met
    assert found.value == found.current == 0.0
    assert found.plan == normal()
    assert "it meets the target." in str(found)
    assert (found.value_low, found.value_high) == (0.0, 0.0)
    outside = seek(normal(), "P(gap 2026/27 <= 0) >= 0.05", bounds=(0.01, 0.1))
    assert outside.before_met
    assert outside.value == 0.01
    assert "everywhere" in str(outside)


def test_a_plan_that_only_just_meets_the_target_may_not_with_other_draws():
    target = "P(gap 2026/27 <= 0) >= 0.8"
    edge = seek(normal(), target)
    at = edge.value + 1e-4
    plan = normal().with_changes({"funding.tax.core_increase": at})
    found = seek(plan, target)
    assert found.before_met
    assert found.value == found.value_low == at
    assert found.value_high == pytest.approx(edge.value_high, abs=2e-5)


def test_one_draw_has_no_error():
    found = seek(normal(), "E(gap 2026/27) <= 0", n_draws=1)
    assert np.isnan(found.value_low)
    assert "not known from these draws" in str(found)


def test_a_rise_above_the_referendum_limit_is_noted():
    tax = TAX | {"referendum_limit": 0.0299}
    plan = council(horizon=1, lines=list(needs().lines), funding=[tax])
    found = seek(plan, "E(gap 2026/27) <= 0", n_draws=1)
    assert len(found.notes) == 1
    assert "above the referendum limit 2.99%" in str(found)
    assert seek(plan, "E(gap 2026/27) <= 0.1m", n_draws=1).notes == ()


def test_values_that_differ_by_year_are_set_to_one_nearest_to_their_average():
    line = {"kind": "change", "name": "needs", "cause": "people", "levels": [1e6, 2e6, 3e6, 6e6]}
    found = seek(council(lines=[line]), "E(gap 2029/30) <= 2m", "lines.needs.levels", (0, 5e6))
    assert (found.current, found.uniform) == (3e6, False)
    assert found.value == pytest.approx(2e6, abs=501)
    assert "As it is, 3,000,000 on average: GBP 6.00m" in str(found)
    average = seek(council(lines=[line]), "E(gap 2029/30) <= 4m", "lines.needs.levels", (0, 5e6))
    assert (average.before_met, average.value) == (False, 3e6)


# Wrong input


def test_a_projection_brings_its_own_draws():
    plan = normal()
    options = {"lever": "base_gap", "bounds": (-1e6, 1e6), "target": "E(gap 2026/27) <= 3m"}
    given = mtfs.project(plan, mtfs.scores_of(plan, n_draws=50, seed=2))
    with pytest.raises(MtfsError, match="made from given scores, which it does not hold"):
        goal_seek(given, **options)
    ds = mtfs.project_gap(plan, n_draws=50, seed=2)
    assert (goal_seek(ds, **options).n_draws, goal_seek(ds, **options).seed) == (50, 2)
    with pytest.raises(MtfsError, match="leave 'n_draws' and 'seed' out, or give its plan"):
        goal_seek(ds, seed=2, **options)


@pytest.mark.parametrize(
    ("lever", "target", "said"),
    [
        ("reserves.funds.general fund.opening", "E(gap 2026/27) <= 0", "stand after the gap"),
        ("one_offs.support.amounts", "E(gap 2026/27) <= 0", "stand after the gap"),
        ("savings.lean.levels", "E(gap_before_savings 2026/27) <= 0", "savings come after"),
        ("drivers.idle.central", "P(gap 2026/27 <= 0) > 0.5", "nothing that the target looks at"),
        ("funding.tax.core_increase", "E(requirement 2026/27) <= 0", "nothing that the target"),
    ],
)
def test_a_lever_that_does_not_move_the_target_is_refused_with_the_reason(lever, target, said):
    saving = {"name": "lean", "levels": 1e6, "delivery": 1.0}
    use = {"kind": "reserve", "name": "support", "fund": "general fund", "amounts": 0.0}
    idle = {"name": "idle", "central": 0.0}
    plan = needs(drivers=[idle], savings=[saving], one_offs=[use], reserves=FUND)
    with pytest.raises(MtfsError, match=f"'{lever}' .* does not move .* in any draw: .*{said}"):
        seek(plan, target, lever, n_draws=3)


def test_a_lever_of_later_years_or_of_nothing_is_told_so():
    line = {"kind": "change", "name": "needs", "cause": "people", "levels": [0.0, 0.0, 1.0, 1.0]}
    plan = council(lines=[line])
    options = {"lever": "lines.needs.levels", "n_draws": 2, "bounds": (0, 2)}
    with pytest.raises(MtfsError, match="it moves 2028/29 and the target is about 2026/27"):
        seek(plan, "E(gap 2026/27) <= 0", years=["2028/29"], **options)
    with pytest.raises(MtfsError, match="what it multiplies is 0: use how='add'"):
        seek(plan, "E(gap 2027/28) <= 0", years=YEARS[:2], how="scale", **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lever": "funding.tax.core_incraese"}, "Did you mean 'core_increase'"),
        ({"lever": "funding.tax.name"}, "expected a number"),
        ({"target": "P(gap = 0) > 0.8"}, "A target is one of"),
        ({"target": "P(gap 2036/37 <= 0) > 0.8"}, "no year '2036/37'"),
        ({"target": "P(fund 'x' 2026/27 > 0) > 0.8"}, "the plan holds no reserves"),
        ({"bounds": (0.05, 0.0)}, "expected the lower one first"),
        ({"bounds": (0.0, np.inf)}, "two finite numbers"),
        ({"bounds": None}, "give 'bounds'"),
        ({"years": ["2031/32"]}, "which is no year of the plan"),
        ({"how": "multiply"}, "expected 'set' or 'add' or 'scale'"),
        ({"tolerance": 0.0}, "tolerance is 0.0; expected a number above 0"),
        ({"tolerance": "fine"}, "tolerance is 'fine'"),
        ({"n_grid": 1}, "n_grid is 1"),
        ({"n_draws": 0}, "n_draws is 0"),
        ({"seed": -1}, "seed"),
        ({"lever": Lever("base_gap", (0, 1)), "bounds": (0, 1)}, "bears its own bounds"),
    ],
)
def test_wrong_input_is_answered_at_the_door(options, said):
    with pytest.raises(MtfsError, match=said):
        seek(
            normal(),
            **{"target": "P(gap 2026/27 <= 0) >= 0.8", "n_draws": 10} | options,
        )


def test_bounds_that_the_plan_refuses_are_named_with_what_it_holds():
    pay = {"kind": "pay", "name": "staff", "pay": 1e6, "agency": 0.1, "agency_premium": 0.5}
    with pytest.raises(
        MtfsError, match=r"at the bound 2 \(set\): (.|\n)*from 0 to 1(.|\n)*it holds 0 to 1;"
    ):
        seek(council(lines=[pay]), "E(gap 2026/27) <= 0", "lines.staff.agency", (0.0, 2.0))
    with pytest.raises(MtfsError, match="It holds none of the values tried"):
        seek(council(lines=[pay]), "E(gap 2026/27) <= 0", "lines.staff.agency", (2.0, 3.0))


def test_the_curve_holds_every_value_tried():
    found = seek(normal(), "P(gap 2026/27 <= 0) >= 0.8", n_draws=200)
    assert found.curve["refused"].isna().all()
    assert (found.curve["meets"] == (found.curve["statistic"] >= 0.8)).all()
    assert found.curve["value"].is_monotonic_increasing
    assert {0.0, found.value, 0.1} <= set(found.curve["value"])
    assert found.curve.attrs["bound"] == 0.8


# Bundled plans: every lever of the how-to


@pytest.mark.parametrize(
    ("plan", "lever", "options", "target", "bounds"),
    [
        (
            "nottinghamshire_2024",
            "funding.council tax.core_increase",
            {},
            "P(gap 2028/29 <= 0) >= 0.8",
            (0.0, 0.12),
        ),
        (
            "nottinghamshire_2024",
            "savings.reviews of care packages.levels",
            {"how": "scale"},
            "E(gap 2028/29) <= 94m",
            (0.0, 3.0),
        ),
        (
            "nottinghamshire_2024",
            "lines.children's staff.agency",
            {},
            "E(gap 2028/29) <= 94.5m",
            (0.0, 0.2),
        ),
        (
            "nottinghamshire_2024",
            "reserves.funds.earmarked reserves.opening",
            {},
            "P(reserves >= minimum, every year) >= 0.95",
            (0.0, 400e6),
        ),
        (
            "gateshead_2025",
            "one_offs.planned use of reserves.amounts",
            {"years": ["2026/27"]},
            "E(gap_after_one_offs 2026/27) <= 12m",
            (0.0, 30e6),
        ),
        (
            "nottingham_2025",
            "lines.family help for adolescents.spend",
            {"how": "scale"},
            "E(gap 2028/29) <= 24.8m",
            (0.0, 4.0),
        ),
    ],
)
def test_levers_of_bundled_plans(plan, lever, options, target, bounds):
    found = seek(mtfs.load_example(plan), target, lever, bounds, n_draws=500, n_grid=5, **options)
    assert len(found.curve) < 45
    assert found.curve["statistic"].notna().all()
    assert found.met == bool(found.curve["meets"].any())
    assert found.target.met(found.achieved) == found.met


# Frontier

TWO = (
    Lever("funding.tax.core_increase", (0.0, 0.04), label="rise"),
    Lever("savings.lean.levels", (0.0, 2e6), "add", label="saving"),
)


def two_ways(plan=None):
    saving = {"name": "lean", "levels": 1e6, "delivery": 1.0}
    return needs(104e6, savings=[saving]) if plan is None else plan


def test_a_frontier_trades_one_lever_for_the_other_by_hand():
    table = frontier(
        two_ways(), levers=TWO, target="E(gap 2026/27) <= 0", n_points=5, n_draws=1, seed=1
    )
    # a gap of 3m less 1m a point of council tax; a further saving of up to 2m
    assert table["first"].tolist() == pytest.approx([0.0, 0.01, 0.02, 0.03, 0.04])
    assert table["met"].tolist() == [False, True, True, True, True]
    assert table["second"].tolist() == pytest.approx([2e6, 2e6, 1e6, 0.0, 0.0], abs=201)
    assert table["achieved"][0] == pytest.approx(1e6)
    assert table.attrs["first"] == "rise"
    assert table.attrs["second_current"] == 0.0


def test_a_frontier_row_is_the_goal_seek_of_the_changed_plan():
    plan = normal(104e6, savings=[{"name": "lean", "levels": 1e6, "delivery": 1.0}])
    target = "P(gap 2026/27 <= 0) >= 0.7"
    table = frontier(plan, levers=TWO, target=target, n_points=3, n_draws=500, seed=4)
    changed = plan.with_changes({"funding.tax.core_increase": 0.04})
    found = goal_seek(changed, lever=TWO[1], target=target, n_draws=500, seed=4, n_grid=9)
    row = table.iloc[-1]
    assert (row["second"], row["second_low"], row["second_high"]) == (
        found.value,
        found.value_low,
        found.value_high,
    )
    assert (row["achieved"], row["achieved_se"]) == (found.achieved, found.achieved_se)


@pytest.mark.parametrize(
    ("levers", "said"),
    [
        (TWO[0], "two mtfs.Lever"),
        ((TWO[0], "savings.lean.levels"), "two mtfs.Lever"),
        ((TWO[0], TWO[0]), "both levers move 'funding.tax.core_increase'"),
        (
            (Lever("drivers.idle.central", (0, 1)), TWO[1]),
            "'drivers.idle.central' .* does not move",
        ),
        (
            (TWO[0], Lever("drivers.idle.central", (0, 1))),
            "'drivers.idle.central' .* does not move",
        ),
        ((Lever("lines.needs.levels", (0, 1e14)), TWO[1]), "at the bound 100,000,000,000,000"),
        (
            (TWO[0], Lever("lines.needs.levels", (0, 1e14))),
            "with 'rise' at 0 the plan cannot hold 'lines.needs.levels'",
        ),
    ],
)
def test_levers_of_a_frontier_are_two_that_move_the_target(levers, said):
    saving = {"name": "lean", "levels": 1e6, "delivery": 1.0}
    plan = needs(savings=[saving], drivers=[{"name": "idle", "central": 0.0}])
    with pytest.raises(MtfsError, match=said):
        frontier(plan, levers=levers, target="E(gap 2026/27) <= 0", n_points=2, n_draws=2, seed=1)


def test_one_path_in_different_years_makes_two_levers():
    line = {"kind": "change", "name": "needs", "cause": "people", "levels": [3e6, 6e6, 6e6, 6e6]}
    plan = council(lines=[line], funding=[TAX | {"base_income": 100e6}])
    base = {"kind": "budget", "name": "services", "base": 100e6}
    plan = plan.with_changes({"lines": [base, line]})
    levers = [Lever("funding.tax.core_increase", (0.0, 0.06), years=[year]) for year in YEARS[:2]]
    table = frontier(
        plan, levers=levers, target="E(gap 2027/28) <= 0", n_points=3, n_draws=1, seed=1
    )
    # (1 + a)(1 + b) = 1.06
    exact = 1.06 / (1 + table["first"]) - 1
    assert table["second"].tolist() == pytest.approx(exact.tolist(), abs=1e-5)
