"""What experts say becomes a distribution that says it back."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import mtfs
from mtfs.calibrate import elicit, plan_text, pool_experts
from mtfs.calibrate.elicitation import FAMILIES
from mtfs.calibrate.implied import below, equal_slices, implied_by, quantiles_of
from mtfs.distributions import Beta, Lognormal, Normal, StudentT, Triangular
from mtfs.vocabulary import MtfsError

LEVELS = [0.05, 0.25, 0.5, 0.75, 0.95]
MADE = {
    "normal": Normal(0.03, 0.01),
    "student_t": StudentT(0.03, 0.02, 4.0),
    "lognormal": Lognormal(100.0, 0.4),
    "shifted_lognormal": Lognormal(0.02, 0.5, 0.01),
    "beta": Beta(6.0, 2.0, 0.0, 1.0),
    "pert": Beta.pert(0.0, 0.7, 1.0),
    "triangular": Triangular(0.0, 0.6, 1.0),
}
BOUNDED = {"beta", "pert", "triangular"}


def bounds_of(family):
    return (0.0, 1.0) if family in BOUNDED else None


@pytest.mark.parametrize("family", FAMILIES)
def test_exact_quantiles_give_back_their_distribution(family):
    made = MADE[family]
    stated = dict(zip(LEVELS, quantiles_of(made, LEVELS).tolist(), strict=True))
    found = elicit(stated, bounds=bounds_of(family))
    assert found.misfit < 1e-5
    assert found.implied.mean == pytest.approx(made.mean, rel=1e-4)
    assert found.implied.sd == pytest.approx(made.sd, rel=1e-3)
    assert found.family == family


@pytest.mark.parametrize("family", FAMILIES)
def test_as_a_driver_in_a_plan_it_stays_what_it_is(family, tmp_path):
    stated = {0.1: 0.055, 0.5: 0.07, 0.9: 0.09}
    found = elicit(stated, family=family, bounds=(0.0, 0.1) if family in BOUNDED else None)
    text = found.as_driver("fees", persistence=0.4, source="Panel of May 2026").text()
    file = tmp_path / "plan.yaml"
    head = (
        "council: Midshire\nfirst_year: 2026/27\nlines: [{kind: budget, name: roads, base: 1.0e6, "
    )
    file.write_text(head + "growth: fees}]\n" + text, encoding="utf-8")
    plan = mtfs.load_plan(file)
    held = plan.drivers[0].distributions(plan.years)[0]
    sd = found.distribution.sd
    assert held.mean == pytest.approx(found.distribution.mean, abs=1e-4 * sd)
    assert held.sd == pytest.approx(sd, rel=1e-4)
    assert plan.register()[0]["source"].startswith(
        "Panel of May 2026. Elicited: P10 0.055, P50 0.07"
    )
    n = 20_000
    path = mtfs.project_gap(plan, n_draws=n, seed=1)["path"].sel(driver="fees").isel(year=2)
    low, high = path.quantile([0.05, 0.95]).to_numpy()
    assert np.mean(path < found.implied.p5) == pytest.approx(0.05, abs=4 * math.sqrt(0.0475 / n))
    assert np.mean(path > found.implied.p95) == pytest.approx(0.05, abs=4 * math.sqrt(0.0475 / n))
    assert low < found.implied.median < high


def test_an_interval_is_the_librarys_interval():
    found = elicit(interval=(0.02, 0.06), prob=0.8)
    same = mtfs.interval(0.02, 0.06, prob=0.8)
    assert found.family == "normal"
    assert found.implied.sd == pytest.approx(same.sd)
    other = elicit(interval=(100, 400), prob=0.8, family="lognormal")
    assert other.implied.mean == pytest.approx(
        mtfs.interval(100, 400, prob=0.8, shape="lognormal").mean
    )


def test_what_it_implies_is_read_back():
    # by hand: mean 0.03, s.d. 0.01 / 1.2816; three s.d. and more from 0
    found = elicit({0.1: 0.02, 0.5: 0.03, 0.9: 0.04}).implied
    sd = 0.01 / stats.norm.ppf(0.9)
    assert found.p5 == pytest.approx(0.03 - 1.6449 * sd, abs=1e-6)
    assert found.below_zero == pytest.approx(stats.norm.cdf(-0.03 / sd), rel=1e-6)
    assert "chance below zero 0.0%" in str(found)


def test_three_quantiles_that_lean_are_met_exactly():
    for stated in ({0.1: 1, 0.5: 2, 0.9: 6}, {0.1: -0.02, 0.5: 0.03, 0.9: 0.04}):
        found = elicit(stated)
        assert found.family == "shifted_lognormal"
        assert found.fit["miss"].abs().max() < 1e-9
        assert found.candidates["normal"] > 0.1


def test_a_tail_nobody_spoke_of_does_not_make_the_mean():
    stated = {0.4: 1.0, 0.5: 2.0, 0.6: 1000.0}
    with pytest.raises(MtfsError, match="mean outside the quantiles stated, 1 to 1000"):
        elicit(stated, family="shifted_lognormal")
    found = elicit(stated)
    assert found.family in {"normal", "student_t"}
    assert found.misfit > 0.1


def test_quantiles_that_no_family_meets_are_missed_by_least_squares():
    # a normal through four quantiles: ordinary least squares on scores, written out
    levels, stated = [0.1, 0.4, 0.6, 0.9], [0.0, 1.0, 1.2, 4.0]
    found = elicit(dict(zip(levels, stated, strict=True)), family="normal")
    z = stats.norm.ppf(levels)
    slope, centre = np.linalg.lstsq(np.column_stack([z, np.ones(4)]), stated, rcond=None)[0]
    assert found.implied.mean == pytest.approx(centre)
    assert found.implied.sd == pytest.approx(slope)
    rms = math.sqrt(((centre + slope * z - stated) ** 2).mean())
    assert found.misfit == pytest.approx(rms / 4)
    assert f"misfit {rms / 4:.1%} of the spread" in found.source


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3, unique=True).filter(
        lambda x: min(np.diff(sorted(x))) > 0.05 * (max(x) - min(x))
    )
)
def test_any_three_quantiles_in_order_are_met(values):
    found = elicit(dict(zip((0.1, 0.5, 0.9), sorted(values), strict=True)))
    assert found.misfit < 1e-6
    assert found.implied.p5 < found.implied.median < found.implied.p95


@pytest.mark.parametrize("low", [5e-324, 2.3e-308, 1e-100, 1e-9])
def test_a_lowest_quantile_next_to_nothing_is_met(low):
    found = elicit({0.1: low, 0.5: 1.0, 0.9: 2.0})
    assert found.misfit < 1e-6
    assert elicit({0.1: low, 0.5: 1.0, 0.9: 2.0}, family="lognormal").misfit > 0.05


@given(st.floats(0.1, 10), st.floats(-5, 5))
def test_units_and_origin_do_not_matter(scale, shift):
    stated = {0.1: 1.0, 0.5: 2.0, 0.9: 5.0}
    one = elicit(stated, family="shifted_lognormal").implied
    other = elicit({q: scale * x + shift for q, x in stated.items()}, family="shifted_lognormal")
    assert other.implied.mean == pytest.approx(scale * one.mean + shift, rel=1e-5, abs=1e-6)
    assert other.implied.sd == pytest.approx(scale * one.sd, rel=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({}, "give either quantiles"),
        ({"quantiles": {0.1: 1, 0.9: 2}, "interval": (1, 2)}, "give either quantiles"),
        ({"interval": (1, 2)}, "interval and prob.*go together"),
        ({"interval": (2, 2), "prob": 0.8}, "an interval runs from low to high; found 2 to 2"),
        ({"interval": (3, 2), "prob": 0.8}, "found 3 to 2"),
        ({"interval": (1, 2), "prob": 1.0}, "strictly between 0 and 1"),
        ({"quantiles": {0.5: 1}}, "at least two"),
        ({"quantiles": {0.1: 3, 0.5: 2, 0.9: 4}}, "quantiles cross: the one at 0.1 is 3, above"),
        ({"quantiles": {0.1: 2, 0.5: 2, 0.9: 4}}, "is 2, the same as the one at 0.5"),
        ({"quantiles": {10: 1, 90: 2}}, "write 10% as 0.1"),
        ({"quantiles": {0: 1, 0.9: 2}}, "strictly between 0 and 1"),
        ({"quantiles": {0.1: 1, 0.9: math.inf}}, "quantile at 0.9 is inf"),
        ({"quantiles": {0.1: 1, 0.9: "2"}}, "is '2'; expected a number"),
        ({"quantiles": {0.1: 1, 0.9: 2}, "family": "lognorml"}, "Did you mean 'lognormal'"),
        ({"quantiles": {0.1: -1, 0.9: 2}, "family": "lognormal"}, "a lognormal lies above 0"),
        ({"quantiles": {0.1: 1, 0.9: 2}, "family": "shifted_lognormal"}, "takes three"),
        ({"quantiles": {0.1: 1, 0.9: 2}, "family": "beta"}, "needs bounds"),
        ({"quantiles": {0.1: 1, 0.9: 2}, "family": "normal", "bounds": (0, 3)}, "has no bounds"),
        ({"quantiles": {0.1: 1, 0.9: 2}, "bounds": (1.5, 3)}, "do not lie within the bounds"),
        ({"quantiles": {0.1: 1, 0.9: 2}, "bounds": (3, 0)}, "bounds run from low to high"),
        ({"quantiles": {0.1: 1, 0.9: 2}, "df": 2.0}, "degrees of freedom above 2"),
    ],
)
def test_wrong_statements_are_refused(call, message):
    with pytest.raises(MtfsError, match=message):
        elicit(**call)


def test_slices_and_shares_below_are_those_of_the_distribution():
    made = Lognormal(2.0, 0.5)
    values = np.array([0.5, 2.0, 7.0])
    assert below(made, values) == pytest.approx(stats.norm.cdf(np.log(values / 2) / 0.5), abs=1e-12)
    slices = equal_slices(Normal(1.0, 2.0), 4)
    # the mean of a quarter of a normal: s.d. times the difference of densities over 1/4
    edges = stats.norm.pdf(stats.norm.ppf([0.25, 0.5, 0.75]))
    by_hand = 1 + 2 * 4 * np.array([-edges[0], edges[0] - edges[1], edges[1] - edges[2], edges[2]])
    assert slices == pytest.approx(by_hand, rel=2e-3)


def two(a=(1, 3), b=(3, 5)):
    return [elicit(interval=each, prob=0.8, family="normal") for each in (a, b)]


def test_a_linear_pool_is_the_mixture_of_its_experts():
    pooled = pool_experts(two((1, 3), (4, 9)), weights=[2, 1])
    sds = [2 / (2 * stats.norm.ppf(0.9)), 5 / (2 * stats.norm.ppf(0.9))]
    for value, level in ((pooled.implied.p5, 0.05), (pooled.implied.median, 0.5)):
        chance = 2 / 3 * stats.norm.cdf(value, 2, sds[0]) + stats.norm.cdf(value, 6.5, sds[1]) / 3
        assert chance == pytest.approx(level, abs=1e-6)
    zero = 2 / 3 * stats.norm.cdf(0, 2, sds[0]) + stats.norm.cdf(0, 6.5, sds[1]) / 3
    assert pooled.implied.below_zero == pytest.approx(zero, abs=1e-6)
    assert pooled.implied.mean == pytest.approx(2 / 3 * 2 + 6.5 / 3)
    draws = pooled.distribution.value(np.random.default_rng(1).normal(size=100_000))
    assert draws.std() == pytest.approx(pooled.implied.sd, rel=0.02)


def test_averaged_quantiles_are_averaged_and_narrower():
    wide, narrow = (pool_experts(two(), method=method) for method in ("linear", "quantiles"))
    z = np.linspace(-4, 4, 9)
    parts = [each.distribution.value(z) for each in two()]
    assert narrow.distribution.value(z) == pytest.approx(np.mean(parts, axis=0))
    assert narrow.implied.mean == pytest.approx(wide.implied.mean)
    assert narrow.implied.sd < wide.implied.sd
    assert narrow.distribution.sd == pytest.approx(1 / stats.norm.ppf(0.9), rel=1e-3)


def test_one_expert_is_himself_whatever_the_method():
    lone = elicit({0.1: 1, 0.5: 2, 0.9: 6})
    for method in ("linear", "quantiles"):
        pooled = pool_experts([lone], method=method).implied
        assert pooled.p5 == pytest.approx(lone.implied.p5, rel=1e-5)
        assert pooled.p95 == pytest.approx(lone.implied.p95, rel=1e-5)


def test_an_expert_without_weight_does_not_count():
    pooled = pool_experts(two(), weights=[1, 0])
    assert pooled.implied.p95 == pytest.approx(two()[0].implied.p95, abs=1e-5)


def test_a_pool_as_a_driver_keeps_its_mean_and_nearly_its_spread(tmp_path):
    pooled = pool_experts(two((0.01, 0.03), (0.06, 0.1)))
    made = pooled.as_driver("fees", persistence=0.5, source="Panel")
    held = made.driver.distributions(("2026/27",))[0]
    assert held.mean == pytest.approx(pooled.implied.mean, rel=1e-3)
    assert 0.97 < held.sd / pooled.implied.sd < 1
    assert made.driver.source.startswith("Panel. linear opinion pool of 2 experts")
    file = tmp_path / "plan.yaml"
    head = (
        "council: Midshire\nfirst_year: 2026/27\nlines: [{kind: budget, name: roads, base: 1.0e6, "
    )
    file.write_text(head + "growth: fees}]\n" + made.text(), encoding="utf-8")
    assert mtfs.load_plan(file).drivers == (made.driver,)


def test_a_pool_may_be_fitted_by_a_family_which_says_how_far_it_misses():
    pooled = pool_experts(two((1, 3), (6, 10)))
    made = pooled.as_driver("fees", persistence="random_walk", family="normal")
    assert made.driver.shape == "normal"
    assert pooled.fitted("normal").misfit > 0.05
    assert "misfit" in made.driver.source


@pytest.mark.parametrize(
    ("experts", "options", "message"),
    [
        ([], {}, "no list of experts was given"),
        (two()[0], {}, "no list of experts was given"),
        (two(), {"weights": ["a", "b"]}, "expected one number an expert"),
        ([Normal(0, 1)], {}, "expert 1 is a Normal"),
        (two(), {"weights": [1]}, "found 1 weights of 2 experts"),
        (two(), {"weights": [1, -1]}, "0 or above"),
        (two(), {"weights": [0, 0]}, "not all 0"),
        (two(), {"method": "log"}, "expected 'linear' or 'quantiles'"),
    ],
)
def test_wrong_pools_are_refused(experts, options, message):
    with pytest.raises(MtfsError, match=message):
        pool_experts(experts, **options)


def test_experts_in_different_units_are_doubted():
    with pytest.warns(mtfs.PlanWarning, match="fractions or percent"):
        pool_experts(two((0.01, 0.03), (2, 4)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantiles": [0.02, 0.06]}, r"quantiles is \[0.02, 0.06\]; expected values by level"),
        ({"quantiles": {"low": 1, "high": 2}}, "expected values by level"),
        ({"interval": (1, 2, 3), "prob": 0.8}, r"interval is \(1, 2, 3\); expected two numbers"),
        ({"interval": (1, 2), "prob": 0.8, "bounds": (0, 1, 2)}, "bounds is .* two numbers"),
        ({"interval": (1, 2), "prob": 0.8, "df": "six"}, "df is 'six'"),
    ],
)
def test_what_is_no_quantile_interval_or_bound_is_answered(options, message):
    with pytest.raises(MtfsError, match=message):
        elicit(**options)


def test_several_parts_are_written_as_one_plan(tmp_path):
    made = [
        elicit(interval=(0.02, 0.06), prob=0.8).as_driver(n, persistence=0.5) for n in ("1e6", "b")
    ]
    text = plan_text(*made)
    assert text.count("drivers:") == 1
    file = tmp_path / "plan.yaml"
    head = "council: Midshire\nfirst_year: 2026/27\n"
    head += "lines: [{kind: budget, name: roads, base: 1.0e6}]\n"
    file.write_text(head + text, encoding="utf-8")
    assert [driver.name for driver in mtfs.load_plan(file).drivers] == ["1e6", "b"]
    with pytest.raises(MtfsError, match="drivers: b given twice"):
        plan_text(*made, made[1])
    with pytest.raises(MtfsError, match="nothing was given"):
        plan_text()
    assert implied_by(Normal(0.0, 1.0)).below_zero == pytest.approx(0.5)


def test_what_is_no_result_cannot_be_written():
    with pytest.raises(MtfsError, match="found a int; expected results of fit_driver"):
        mtfs.calibrate.plan_text(3)
