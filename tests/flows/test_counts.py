"""Numbers of people counted by inversion: exact laws, conservation, ageing, the same uniforms."""

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import expm

from mtfs.flows.counts import Ageing, Chances, Counts, rounded, uneven
from mtfs.flows.inversion import any_poisson, binomial
from mtfs.flows.uniforms import draw_keys

DRAWS = 4_000


def keys(draws=DRAWS, name="counts"):
    return draw_keys(np.random.default_rng(5).standard_normal(draws), name)


def labels(ages, settings):
    return tuple((f"a{a}", f"s{s}") for a, s in itertools.product(range(ages), range(settings)))


def flow(exits, moves=None, *, steps=12, bands=None, month=None):
    """Make a flow of rates by (age, setting)."""
    exits = np.asarray(exits, float)
    ages, settings = exits.shape
    moves = np.zeros((ages, settings, settings)) if moves is None else np.asarray(moves, float)
    chances = Chances.of_rates(exits[..., None], moves[..., None], 1 / steps)
    bands = bands or tuple((20 * a, 20 * a + 20) for a in range(ages))
    return Counts(labels(ages, settings), Ageing(bands, month), (chances,), steps)


def test_binomial_quantiles_are_scipys():
    rng = np.random.default_rng(1)
    size = 100_000
    number = rng.integers(0, 3_000, size).astype(float)
    share = rng.random(size) ** rng.choice([0.25, 1, 4], size)
    chance = rng.random(size)
    assert (binomial(number, share, chance) == stats.binom.ppf(chance, number, share)).all()


@pytest.mark.parametrize("tail", [1.3e-3, 1.3e-6, 1.3e-9, 1.3e-12])
def test_binomial_quantiles_are_scipys_in_the_tails(tail):
    number = np.repeat(np.array([1.0, 5, 40, 41, 100, 5_000, 10_000]), 5)
    share = np.tile(np.array([0.001, 0.02, 0.5, 0.9, 0.999]), 7)
    for chance in (tail, 1 - tail):
        expected = stats.binom.ppf(np.full(35, chance), number, share)
        assert (binomial(number, share, np.array(chance)) == expected).all()


def test_binomials_of_nobody_never_and_always_are_certain():
    chance = np.array([1e-15, 0.5, 1 - 1e-15])
    assert binomial(np.array(0.0), np.array(0.5), chance).tolist() == [0, 0, 0]
    assert binomial(np.array(900.0), np.array(0.0), chance).tolist() == [0, 0, 0]
    assert binomial(np.array(900.0), np.array(1.0), chance).tolist() == [900, 900, 900]


def test_poisson_quantiles_are_scipys():
    rng = np.random.default_rng(2)
    mean, chance = rng.random(100_000) ** 3 * 300, rng.random(100_000)
    assert (any_poisson(mean, chance) == stats.poisson.ppf(chance, mean)).all()


@pytest.mark.parametrize("years", [1, 2, 4])
@pytest.mark.parametrize("steps", [1, 4, 12])
def test_a_stock_of_500_spreads_as_theory_says(years, steps):
    rate, a_year = 0.002 * 365, 365.0
    found = flow([[rate]], steps=steps).run(
        np.full((1, 1, 1), 500.0), np.full((years, 1, 1, 1), a_year), keys()
    )
    stay = np.exp(-rate * years)
    stocks = found.closing[0, 0, -1]
    variance = 500 * stay * (1 - stay) + a_year / rate * (1 - stay)
    assert variance**0.5 == pytest.approx({1: 19.59, 2: 21.75, 4: 22.33}[years], abs=0.01)
    mean = 500 * stay + a_year / rate * (1 - stay)
    assert stocks.mean() == pytest.approx(mean, abs=4 * (variance / DRAWS) ** 0.5)
    assert stocks.var(ddof=1) == pytest.approx(variance, rel=4 * (2 / DRAWS) ** 0.5)


def test_three_states_have_the_mean_and_covariance_of_the_matrix_exponential():
    exits, moves = np.array([[0.3, 0.1, 0.6]]), np.zeros((1, 3, 3))
    moves[0] = [[0, 0.5, 0.2], [0.4, 0, 0.3], [0.1, 0.7, 0]]
    start = np.array([[200.0, 80.0, 40.0]])
    counted = flow(exits, moves, steps=4).run(start[..., None], np.zeros((2, 1, 3, 1)), keys())
    stocks = counted.closing[0, :, -1]
    rates = moves[0] - np.diag(exits[0] + moves[0].sum(axis=1))
    there = expm(2 * rates)
    mean = start[0] @ there
    covariance = sum(
        n * (np.diag(row) - np.outer(row, row)) for n, row in zip(start[0], there, strict=True)
    )
    assert stocks.mean(axis=1) == pytest.approx(
        mean, abs=4 * (np.diag(covariance).max() / DRAWS) ** 0.5
    )
    spread = np.sqrt((np.outer(np.diag(covariance), np.diag(covariance)) + covariance**2) / DRAWS)
    assert (abs(np.cov(stocks) - covariance) < 4 * spread).all()


def busy(draws=300, **changes):
    """Count a flow in which everything happens."""
    exits = np.full((3, 2), 0.2)
    moves = np.full((3, 2, 2), 0.15)
    exits[2, 1] = changes.get("exit", 0.2)
    moves[0, 0, 1] = changes.get("move", 0.15)
    arrivals = np.full((3, 3, 2, 1), 30.0) * changes.get("entries", 1.0)
    start = np.array([[40.0, 7], [90, 3], [25, 60]])[..., None]
    model = flow(exits, moves, bands=((4, 5), (5, 6), (6, 10)), month=5)
    return start, arrivals, model, model.run(start, arrivals, keys(draws))


def test_everybody_is_accounted_for():
    start, _, _, found = busy()
    for each in (found.closing, found.new, found.left, found.aged_out):
        assert (each >= 0).all()
        assert (each == np.floor(each)).all()
    change = (found.new - found.left - found.aged_out).sum(axis=(0, 1))
    stocks = np.concatenate([np.full((1, 300), start.sum()), found.closing.sum(axis=(0, 1))])
    assert (np.diff(stocks, axis=0) == change).all()
    assert found.new.sum() > 0 < found.aged_out.sum()


def test_expected_numbers_are_the_mean_of_draws():
    start, arrivals, model, drawn = busy(DRAWS)
    expected = model.run(start, arrivals)
    for name in ("average", "closing", "new", "left", "aged_out"):
        draws, mean = getattr(drawn, name), getattr(expected, name)[..., 0]
        error = draws.std(axis=-1, ddof=1) / DRAWS**0.5
        assert (abs(draws.mean(axis=-1) - mean) <= 4.5 * error + 1e-9).all()  # 90 comparisons


def test_without_rates_and_entries_all_stand_still():
    start = np.array([[12.0, 0.0]])[..., None]
    found = flow(np.zeros((1, 2))).run(start, np.zeros((4, 1, 2, 1)), keys(20))
    assert (found.average == start[:, :, None]).all()
    assert found.left.sum() == found.new.sum() == 0


def test_twice_the_entries_are_twice_the_expected_entrants():
    start, arrivals, model, _ = busy(2)
    nobody = np.zeros_like(start)
    once, twice = (model.run(nobody, arrivals * factor).closing for factor in (1, 2))
    assert twice == pytest.approx(2 * once)


def test_a_changed_rate_touches_only_the_states_it_reaches():
    *_, before = busy()
    *_, after = busy(exit=0.1)  # of the last age and setting; its people move to the other setting
    for name in ("closing", "left", "new", "average"):
        assert (getattr(before, name)[:2] == getattr(after, name)[:2]).all()
    assert (before.new == after.new).all()
    assert after.left[2, 1].sum() < before.left[2, 1].sum()


def test_the_same_uniforms_make_a_difference_far_narrower_than_others_do():
    start, arrivals, model, before = busy(1_000)
    changed = busy(1_000, move=0.18)[-1]
    apart = model.run(start, arrivals, keys(1_000, "others"))
    total = [each.closing[:, 1, -1].sum(axis=0) for each in (before, changed, apart)]
    assert (total[1] - total[0]).mean() > 0
    assert (total[1] - total[0]).std() < 0.25 * (total[2] - total[0]).std()


def test_a_draw_does_not_depend_on_how_many_there_are():
    few, many = busy(50)[-1], busy(300)[-1]
    assert (few.closing == many.closing[..., :50]).all()


def test_a_state_draws_the_same_wherever_it_stands():
    exits, start = np.array([[0.3, 0.3]]), np.array([[50.0, 50.0]])[..., None]
    arrivals = np.full((2, 1, 2, 1), 10.0)
    model = flow(exits)
    turned = Counts(model.states[::-1], model.ageing, model.chances, model.steps)
    one, other = (each.run(start, arrivals, keys(50)).closing for each in (model, turned))
    assert (one == other[:, ::-1]).all()


def test_single_years_of_age_move_up_on_the_birthday_and_the_last_leave():
    model = flow(np.zeros((2, 1)), bands=((23, 24), (24, 25)), month=5)
    start = np.array([[30.0], [12.0]])[..., None]
    found = model.run(start, np.zeros((2, 2, 1, 1)), keys(2))
    assert found.aged_out[:, 0, :, 0].tolist() == [[0, 0], [12, 30]]
    assert found.closing[:, 0, :, 0].tolist() == [[0, 0], [30, 0]]
    assert found.average[:, 0, 0, 0] == pytest.approx([30 * 5 / 12, 12 * 5 / 12 + 30 * 7 / 12])


def test_wide_bands_move_up_at_a_rate_of_one_over_their_width():
    model = flow(np.zeros((2, 1)), bands=((0, 10), (10, None)), month=0)
    start = np.array([[1_000.0], [0.0]])[..., None]
    found = model.run(start, np.zeros((3, 2, 1, 1)))
    assert found.closing[0, 0, :, 0] == pytest.approx(1_000 * np.exp([-0.1, -0.2, -0.3]))
    assert found.closing.sum(axis=0)[0, :, 0] == pytest.approx([1_000] * 3)


def test_people_do_not_outgrow_a_last_band_that_is_open():
    model = flow(np.zeros((1, 1)), bands=((65, None),), month=0)
    found = model.run(np.full((1, 1, 1), 9.0), np.zeros((4, 1, 1, 1)), keys(3))
    assert (found.closing == 9).all()


def test_rounding_by_chance_keeps_the_mean():
    number = np.array([[2.25], [7.0]])
    found = rounded(number, keys(), labels(1, 2))
    assert set(np.unique(found[0])) == {2, 3}
    assert (found[1] == 7).all()
    assert found[0].mean() == pytest.approx(2.25, abs=4 * (0.25 * 0.75 / DRAWS) ** 0.5)


def test_uneven_years_have_the_gamma_they_are_given():
    found = uneven(keys(), 0.04, 2)
    assert stats.kstest(found, stats.gamma(25, scale=0.04).cdf).pvalue > 0.001
    assert (uneven(keys(3), 0.0, 2) == 1).all()
