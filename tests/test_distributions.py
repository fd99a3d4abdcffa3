"""One uncertain number: quantiles, moments and intervals of every family, against theory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mtfs import MtfsError, interval
from mtfs.distributions import (
    Beta,
    Discrete,
    Lognormal,
    Normal,
    StudentT,
    Triangular,
    quantile_score,
    read_table,
    table_of,
)

Z = np.linspace(-6, 6, 241)
P10, P90 = np.array([quantile_score(0.1)]), np.array([quantile_score(0.9)])

FAMILIES = {
    "normal": Normal(0.03, 0.01),
    "lognormal": Lognormal(100, 0.5),
    "left lognormal": Lognormal(-5, -0.4, 20),
    "student_t": StudentT(0.03, 0.01, 5),
    "beta": Beta(3.9, 0.9),
    "stretched beta": Beta(2, 5, -1, 3),
    "pert": Beta.pert(0, 2, 10),
    "triangular": Triangular(0, 2, 10),
    "discrete": Discrete((5, 1, 2), (0.2, 0.5, 0.3)),
}


@pytest.mark.parametrize(
    "found",
    [
        interval(0.02, 0.06, prob=0.8),
        interval(0.02, 0.06, prob=0.8, central=0.04),
        interval(0.02, 0.06, prob=0.8, shape="lognormal"),
        interval(0.02, 0.06, prob=0.8, shape="lognormal", central=0.03),
        interval(0.02, 0.06, prob=0.8, shape="lognormal", central=0.05),
        interval(0.02, 0.06, prob=0.8, shape="lognormal", central=0.04),
        interval(0.02, 0.06, prob=0.8, shape="student_t", df=3),
        interval(0.02, 0.06, prob=0.8, shape="beta"),
        interval(0.02, 0.06, prob=0.8, shape="beta", bounds=(-1, 0.1)),
    ],
    ids=[
        "normal",
        "centred",
        "lognormal",
        "right",
        "left",
        "level",
        "student_t",
        "beta",
        "stretched",
    ],
)
def test_an_eighty_percent_interval_comes_back_as_p10_and_p90(found):
    assert found.value(P10) == pytest.approx(0.02, abs=1e-9)
    assert found.value(P90) == pytest.approx(0.06, abs=1e-9)


@pytest.mark.parametrize("central", [0.03, 0.05])
def test_a_lognormal_interval_with_a_centre_has_that_median(central):
    found = interval(0.02, 0.06, prob=0.8, shape="lognormal", central=central)
    assert found.median == pytest.approx(central)
    assert found.value(np.zeros(1)) == pytest.approx(central)


@given(
    st.floats(-100, 100),
    st.floats(0.01, 100),
    st.floats(0.2, 0.99),
    st.floats(0.1, 0.9),
    st.sampled_from(["normal", "student_t", "lognormal"]),
)
def test_an_interval_of_any_probability_comes_back(low, width, prob, lean, shape):
    high = low + width
    central = low + lean * width if shape == "lognormal" else None
    found = interval(low, high, prob=prob, shape=shape, central=central)
    ends = np.array([quantile_score((1 - prob) / 2), quantile_score((1 + prob) / 2)])
    np.testing.assert_allclose(found.value(ends), [low, high], rtol=1e-6, atol=1e-6 * width)
    assert (np.diff(found.value(Z)) >= 0).all()


def test_a_student_t_is_read_as_scipy_has_it():
    found = StudentT(2.0, 3.0, 4.0)
    scale = 3.0 / np.sqrt(4.0 / 2.0)  # the variance of a t is df / (df - 2)
    exact = stats.t.ppf(stats.norm.cdf(Z), 4.0, loc=2.0, scale=scale)
    exact[Z > 0] = stats.t.isf(stats.norm.sf(Z[Z > 0]), 4.0, loc=2.0, scale=scale)
    np.testing.assert_allclose(found.value(Z), exact, rtol=1e-6, atol=3e-8)


@pytest.mark.parametrize(("a", "b"), [(3.9, 0.9), (18, 2), (2, 6), (0.5, 0.5), (200, 100)])
def test_a_beta_is_read_as_scipy_has_it(a, b):
    exact = stats.beta.ppf(stats.norm.cdf(Z), a, b)
    exact[Z > 0] = stats.beta.isf(stats.norm.sf(Z[Z > 0]), a, b)
    np.testing.assert_allclose(Beta(a, b).value(Z), exact, rtol=0, atol=1e-7)


def test_a_triangular_is_read_as_scipy_has_it():
    exact = stats.triang.ppf(stats.norm.cdf(Z), 0.2, loc=0, scale=10)
    np.testing.assert_allclose(Triangular(0, 2, 10).value(Z), exact, atol=1e-7)
    assert Triangular(0, 2, 10).median == pytest.approx(stats.triang.median(0.2, scale=10))


def test_a_pert_has_the_mean_that_malcolm_and_others_give():
    found = Beta.pert(2, 3, 10)
    assert found.mean == pytest.approx((2 + 4 * 3 + 10) / 6)
    assert found.mode == pytest.approx(3)


@pytest.mark.parametrize("stated_as", ["mean", "median", "mode"])
@pytest.mark.parametrize("sd", [0.1, 1.0, 8.0])
def test_a_lognormal_keeps_the_centre_and_sd_it_was_stated_by(stated_as, sd):
    found = Lognormal.from_sd(4.0, sd, stated_as)
    peer = stats.lognorm(found.sigma, scale=found.scale)
    centre = {"mean": peer.mean(), "median": peer.median(), "mode": found.mode}[stated_as]
    assert centre == pytest.approx(4.0)
    assert getattr(found, stated_as) == pytest.approx(4.0)
    assert peer.std() == pytest.approx(sd)
    assert peer.logpdf(found.mode) >= peer.logpdf(found.mode * np.array([0.99, 1.01])).max()


def test_a_beta_keeps_the_mean_and_sd_it_was_stated_by():
    found = Beta.from_mean(0.73, 0.18)
    peer = stats.beta(found.a, found.b)
    assert (peer.mean(), peer.std()) == pytest.approx((0.73, 0.18))
    assert (found.mean, found.sd) == pytest.approx((0.73, 0.18))


@pytest.mark.parametrize(("a", "b", "mode"), [(2, 3, 1 / 3), (0.8, 3, 0.0), (3, 0.8, 1.0)])
def test_the_mode_of_a_beta_lies_where_its_density_peaks(a, b, mode):
    assert Beta(a, b).mode == pytest.approx(mode)


def test_discrete_states_come_in_declared_order_of_scores():
    found = FAMILIES["discrete"]
    z = stats.norm.ppf([0.1, 0.19, 0.21, 0.69, 0.71, 0.99])
    assert found.value(z).tolist() == [5, 5, 1, 1, 2, 2]
    assert found.state(z).tolist() == [0, 0, 1, 1, 2, 2]
    assert (found.median, found.mode) == (1, 1)
    assert found.mean == pytest.approx(0.2 * 5 + 0.5 * 1 + 0.3 * 2)
    assert found.sd == pytest.approx(np.sqrt(0.2 * 25 + 0.5 * 1 + 0.3 * 4 - found.mean**2))


def test_a_history_gives_every_value_the_same_chance():
    history = [4.2, 4.4, 4.9, 6.2, 2.2, 6.6, 9.7, 9.8, 6.7, 4.1]  # growth of the NLW, per cent
    found = Discrete.empirical(history)
    z = stats.norm.ppf((np.arange(10) + 0.5) / 10)
    assert found.value(z).tolist() == sorted(history)
    assert found.mean == pytest.approx(np.mean(history))
    assert found.sd == pytest.approx(np.std(history))
    assert found.median == 4.9  # half of ten lie at or below the fifth


def test_a_discrete_of_one_state_is_that_state():
    assert Discrete((7,), (1.0,)).value(Z).tolist() == [7] * len(Z)
    assert Discrete((7, 9), (0.0, 1.0)).value(Z).tolist() == [9] * len(Z)


@pytest.mark.parametrize("found", FAMILIES.values(), ids=FAMILIES)
def test_draws_have_the_moments_the_distribution_says_it_has(found):
    n = 200_000
    values = found.value(np.random.default_rng(20).standard_normal(n))
    assert values.mean() == pytest.approx(found.mean, abs=4 * found.sd / np.sqrt(n))
    kurtosis = stats.kurtosis(values, fisher=False)
    assert values.std() == pytest.approx(found.sd, rel=4 * np.sqrt((kurtosis - 1) / 4 / n))
    below = (values <= found.median).mean()
    assert below >= 0.5 - 4 * 0.5 / np.sqrt(n)


RISING = {name: each for name, each in FAMILIES.items() if not isinstance(each, Discrete)}


@pytest.mark.parametrize("found", RISING.values(), ids=RISING)
def test_values_rise_with_scores_as_far_as_scores_go(found):
    values = found.value(np.linspace(-8.49, 8.49, 2001))
    assert np.isfinite(values).all()
    assert (np.diff(values) >= 0).all()


def test_bounded_families_stay_within_their_bounds():
    z = np.linspace(-8.49, 8.49, 5001)
    for found in (Beta(0.4, 3), Beta(3.9, 0.9), Beta.pert(0, 1, 1), Triangular(0, 0, 1)):
        values = found.value(z)
        assert values.min() >= -1e-9
        assert values.max() <= 1 + 1e-9


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: interval(0.06, 0.02, prob=0.8), "runs from low to high"),
        (lambda: interval(0.02, 0.02, prob=0.8), "runs from low to high"),
        (lambda: interval(0.02, np.nan, prob=0.8), "runs from low to high"),
        (lambda: interval(0.02, 0.06, prob=1.0), "strictly between 0 and 1"),
        (lambda: interval(0.02, 0.06, prob=80), r"write 80% as 0\.8"),
        (lambda: interval(-1, 2, prob=0.8, shape="lognormal"), "lies above 0.*State a centre"),
        (lambda: interval(1, 2, prob=0.8, shape="lognormal", central=3), "outside the interval"),
        (lambda: interval(1, 2, prob=0.8, central=1.9), "has median 1.5, not 1.9"),
        (lambda: interval(0.2, 1.2, prob=0.8, shape="beta"), "outside the bounds"),
        (lambda: Beta.from_mean(0.5, 0.6), "no beta on 0 to 1"),
        (lambda: Beta.from_mean(1.5, 0.1), "no beta on 0 to 1"),
        (lambda: Lognormal.from_sd(-2.0, 1.0, "mean"), "lies above 0"),
        (lambda: interval(0.0, 1.0, prob=0.8, shape="beta"), "no beta on 0 to 1 has the interval"),
    ],
    ids=range(13),
)
def test_a_distribution_that_cannot_be_says_why(call, says):
    with pytest.raises(MtfsError, match=says):
        call()


def test_scores_that_add_up_to_more_than_the_limit_stand_at_the_ends_of_a_table():
    table = table_of(Beta.from_mean(0.8, 0.1))
    found = read_table(table, np.array([-12.0, -8.499999, 8.499999, 12.0]))
    assert (np.diff(found) >= 0).all()
    assert found[0] == pytest.approx(found[1], abs=1e-6)
    assert found[3] == pytest.approx(1.0, abs=1e-6)
