"""Variance shares of functions whose shares are known."""

import itertools
import math

import numpy as np
import pytest
from SALib.analyze import sobol
from scipy.special import ndtr

from mtfs.estimators import (
    Inputs,
    Resampling,
    Runs,
    Tie,
    shapley_effects,
    sobol_indices,
    subset_runs,
    swapped_runs,
    walk_runs,
)

SIGMAS = 4


def resampling(n=200, prob=0.95):
    return Resampling(n, prob, np.random.default_rng(7))


def samples(d, n, seed=1):
    return np.random.default_rng(seed).standard_normal((2, d, n))


def orders(d, n, seed=2):
    return np.random.default_rng(seed).permuted(np.tile(np.arange(d)[:, None], n), axis=0)


def alone(d):
    return Inputs(np.arange(d))


def require_near(estimate, exact):
    """Each estimate lies within some standard errors of what is exact."""
    exact = np.asarray(exact)[:, None]
    assert (np.abs(estimate.value - exact) < SIGMAS * estimate.se + 1e-12).all()


# Ishigami: sin(x1) + a sin(x2)^2 + b x3^4 sin(x1), x uniform on -pi to pi

A, B = 7.0, 0.1
V1 = (1 + B * math.pi**4 / 5) ** 2 / 2
V2 = A**2 / 8
V13 = B**2 * math.pi**8 * (1 / 18 - 1 / 50)
V = V1 + V2 + V13


def ishigami(z):
    x = math.pi * (2 * ndtr(z) - 1)
    return (np.sin(x[0]) + A * np.sin(x[1]) ** 2 + B * x[2] ** 4 * np.sin(x[0]))[None]


# Sobol's g-function: the product of (|4u - 2| + a) / (1 + a), u uniform on 0 to 1

G = np.array([0.0, 1.0, 4.5, 9.0, 99.0, 99.0, 99.0, 99.0])
G_OWN = 1 / (3 * (1 + G) ** 2)
G_ALL = np.prod(1 + G_OWN) - 1


def g_function(z):
    return np.prod((np.abs(4 * ndtr(z) - 2) + G[:, None]) / (1 + G[:, None]), axis=0)[None]


@pytest.mark.parametrize(
    ("model", "d", "first", "total"),
    [
        (ishigami, 3, [V1 / V, V2 / V, 0], [(V1 + V13) / V, V2 / V, V13 / V]),
        (g_function, 8, G_OWN / G_ALL, G_OWN * (1 + G_ALL) / (1 + G_OWN) / G_ALL),
    ],
)
def test_sobol_indices_are_those_known(model, d, first, total):
    found = sobol_indices(swapped_runs(model, alone(d), *samples(d, 20_000)), resampling())
    require_near(found["first_order"], first)
    require_near(found["total"], total)


def test_sobol_indices_are_those_of_a_peer_on_the_same_samples():
    a, b = samples(3, 5_000)
    runs = swapped_runs(ishigami, alone(3), a, b)
    found = sobol_indices(runs, resampling())
    middle = (runs.first.mean() + runs.second.mean()) / 2
    for player in range(3):
        swapped = a.copy()
        swapped[player] = b[player]
        y = [(ishigami(z) - middle)[0] for z in (a, swapped, b)]
        first, total = sobol.first_order(*y), sobol.total_order(*y)
        assert found["first_order"].value[player, 0] == pytest.approx(first, rel=1e-10)
        assert found["total"].value[player, 0] == pytest.approx(total, rel=1e-10)


def all_runs(model, inputs, n, seed=1):
    d, rows = inputs.n_players, len(inputs.owner)
    yield "subsets", subset_runs(model, inputs, *samples(rows, n, seed))
    yield "walks", walk_runs(model, inputs, *samples(rows, n, seed), orders(d, n, seed + 1))


def test_shapley_effects_split_an_interaction_in_half():
    for _, runs in all_runs(ishigami, alone(3), 20_000):
        found = shapley_effects(runs, resampling())
        require_near(found["shapley"], [(V1 + V13 / 2) / V, V2 / V, V13 / 2 / V])


def test_shapley_effects_lie_between_first_order_and_total_of_independent_inputs():
    indices = sobol_indices(swapped_runs(g_function, alone(8), *samples(8, 20_000)), resampling())
    for _, runs in all_runs(g_function, alone(8), 20_000):
        share = shapley_effects(runs, resampling())["shapley"]
        first, total = indices["first_order"], indices["total"]
        assert (share.value > first.value - SIGMAS * np.hypot(first.se, share.se)).all()
        assert (share.value < total.value + SIGMAS * np.hypot(total.se, share.se)).all()


def gaussian_shares(beta, covariance):
    """Shapley effects of a sum of normal inputs, by enumerating subsets (Owen and Prieur 2017)."""
    d = len(beta)

    def explained(subset):
        known = covariance[:, subset]
        inside = np.linalg.pinv(covariance[np.ix_(subset, subset)])
        return beta @ known @ inside @ known.T @ beta

    shares = np.zeros(d)
    for order in itertools.permutations(range(d)):
        steps = [explained(list(order[:k])) for k in range(d + 1)]
        shares[list(order)] += np.diff(steps)
    return shares / shares.sum()


BETA = np.array([1.0, 2.0, -1.0, 0.5, 3.0])
CORRELATION = np.eye(5)
for one, other, value in [(0, 1, 0.5), (1, 2, 0.3), (0, 2, 0.4), (3, 4, -0.6)]:
    CORRELATION[one, other] = CORRELATION[other, one] = value
FACTOR = np.linalg.cholesky(CORRELATION)
TIES = (Tie(np.arange(3), FACTOR[:3, :3]), Tie(np.arange(3, 5), FACTOR[3:, 3:]))


def linear(z):
    return ((BETA @ FACTOR)[:, None] * z).sum(axis=0)[None]


def test_shapley_effects_of_a_sum_of_correlated_normals_are_exact():
    exact = gaussian_shares(BETA, CORRELATION)
    assert exact.min() > 0.02
    for _, runs in all_runs(linear, Inputs(np.arange(5), TIES), 20_000):
        require_near(shapley_effects(runs, resampling())["shapley"], exact)


def test_two_correlated_normals_by_hand():
    """3 x + 4 y at 0.5: variance 37, of which x alone explains 25 and y alone 30.25."""
    assert gaussian_shares(np.array([3.0, 4.0]), np.array([[1, 0.5], [0.5, 1]])) == pytest.approx(
        [(25 + 37 - 30.25) / 74, (30.25 + 37 - 25) / 74]
    )


def test_an_input_that_only_follows_another_has_a_share():
    """The model does not read y; at 0.8 it tells 0.64 of x, and gets half of that."""
    factor = np.linalg.cholesky(np.array([[1, 0.8], [0.8, 1]]))
    inputs = Inputs(np.arange(2), (Tie(np.arange(2), factor),))
    for _, runs in all_runs(lambda z: z[:1], inputs, 20_000):
        require_near(shapley_effects(runs, resampling())["shapley"], [0.68, 0.32])


def test_rows_of_one_player_count_together():
    """Players of rows 0 and 3, and of 1, 2 and 4: pairs are tied across them."""
    owner = np.array([0, 1, 1, 0, 1])
    covariance = CORRELATION

    def explained(subset):
        inside = np.linalg.pinv(covariance[np.ix_(subset, subset)])
        return BETA @ covariance[:, subset] @ inside @ covariance[subset] @ BETA

    whole, one, other = BETA @ covariance @ BETA, explained([0, 3]), explained([1, 2, 4])
    exact = np.array([one + whole - other, other + whole - one]) / (2 * whole)
    for _, runs in all_runs(linear, Inputs(owner, TIES), 20_000):
        require_near(shapley_effects(runs, resampling())["shapley"], exact)


def test_redrawing_leaves_what_is_kept_and_its_shocks_independent():
    tie, (start, end) = TIES[0], samples(3, 100_000)
    for kept in itertools.product((False, True), repeat=3):
        found = tie.redrawn(start, end, np.array(kept))
        for place in np.flatnonzero(kept):
            inputs = tie.factor @ found, tie.factor @ start
            assert np.allclose(inputs[0][place], inputs[1][place])
        assert np.abs(np.cov(found) - np.eye(3)).max() < SIGMAS * math.sqrt(2 / 100_000)
        if not any(kept):
            assert np.array_equal(found, end)
        if all(kept):
            assert np.array_equal(found, start)


def test_redrawing_in_an_order_by_draw_is_redrawing_draw_by_draw():
    tie, (start, end), turn = TIES[0], samples(3, 50), orders(3, 50)
    found = tie.redrawn_in_turn(start, end, turn)
    for draw in range(50):
        for n_kept in range(4):
            kept = turn[:, draw] >= 3 - n_kept
            one = tie.redrawn(start[:, [draw]], end[:, [draw]], kept)[:, 0]
            assert np.allclose(found[:, n_kept, draw], one, atol=1e-12)


def test_shares_sum_to_one_in_every_outcome():
    def two(z):
        return np.stack([linear(z)[0], np.exp(z[0]) * z[4]])

    for _, runs in all_runs(two, Inputs(np.arange(5), TIES), 300):
        found = shapley_effects(runs, resampling())["shapley"]
        assert np.allclose(found.value.sum(axis=0), 1, atol=1e-12)
        assert np.allclose(runs.mixed.sum(axis=0), (runs.first - runs.second) ** 2 / 2)


def test_an_independent_input_that_is_not_read_has_exactly_nothing():
    inputs = Inputs(np.arange(6), TIES)
    for _, runs in all_runs(linear_of_five := lambda z: linear(z[:5]), inputs, 300):
        found = shapley_effects(runs, resampling())["shapley"]
        assert found.value[5, 0] == found.se[5, 0] == found.low[5, 0] == found.high[5, 0] == 0
    runs = swapped_runs(linear_of_five, alone(6), *samples(6, 300))
    found = sobol_indices(runs, resampling())
    assert found["first_order"].value[5, 0] == found["total"].value[5, 0] == 0


def test_a_negative_estimate_is_shown():
    """Of many weak inputs some come out below nothing, and their intervals reach above."""
    weights = np.array([10.0, *[0.05] * 12])

    def weak(z):
        return (weights @ z)[None]

    found = sobol_indices(swapped_runs(weak, alone(13), *samples(13, 400)), resampling())
    first = found["first_order"]
    negative = first.value[1:, 0] < 0
    assert 0 < negative.sum() < 12
    assert (first.high[1:, 0][negative] > 0).mean() > 0.5


def test_an_outcome_that_does_not_vary_has_no_shares_and_no_variance():
    def model(z):
        return np.stack([z.sum(axis=0), np.full(z.shape[1], 0.1)])

    for _, runs in all_runs(model, alone(3), 200):
        found = shapley_effects(runs, resampling())
        assert np.isfinite(found["shapley"].value[:, 0]).all()
        assert np.isnan(found["shapley"].value[:, 1]).all()
        assert found["variance"].value[1] == 0
    found = sobol_indices(swapped_runs(model, alone(3), *samples(3, 200)), resampling())
    assert np.isnan(found["total"].value[:, 1]).all()


def test_more_draws_than_are_run_at_a_time_give_the_same_runs():
    inputs, n = Inputs(np.arange(5), TIES), 5_000
    (a, b), turn = samples(5, n), orders(5, n)
    whole = walk_runs(linear, inputs, a, b, turn)
    for part in (slice(0, 3_000), slice(3_000, n)):
        one = walk_runs(linear, inputs, a[:, part], b[:, part], turn[:, part])
        assert np.allclose(one.mixed, whole.mixed[..., part])
    assert np.allclose(whole.first, linear(a))
    assert np.allclose(whole.second, linear(b))


def test_standard_errors_are_those_of_a_ratio_of_means():
    """The delta method: the spread of part less share times whole, over the mean whole."""
    (_, runs), *_ = all_runs(linear, Inputs(np.arange(5), TIES), 4_000)
    found = shapley_effects(runs, resampling(2_000))["shapley"]
    whole = runs.mixed.sum(axis=0)
    rest = runs.mixed - found.value[:, :, None] * whole
    expected = rest.std(axis=-1) / math.sqrt(4_000) / whole.mean()
    assert found.se == pytest.approx(expected, rel=SIGMAS / math.sqrt(2 * 2_000))


def shares_of_sum(name, seed):
    """The share of 3 in 3 + 4, from few draws."""

    def model(z):
        return 3 * z[:1] + 4 * z[1:]

    a, b = samples(2, 250, seed)
    if name in {"first_order", "total"}:
        return sobol_indices(swapped_runs(model, alone(2), a, b), resampling(400, 0.9))[name]
    runs = (
        subset_runs(model, alone(2), a, b)
        if name == "subsets"
        else walk_runs(model, alone(2), a, b, orders(2, 250, seed + 1_000))
    )
    return shapley_effects(runs, resampling(400, 0.9))["shapley"]


@pytest.mark.parametrize("name", ["first_order", "total", "subsets", "walks"])
def test_intervals_hold_what_is_true_as_often_as_they_say(name):
    times = 400
    found = [shares_of_sum(name, seed) for seed in range(times)]
    held = [each.low[0, 0] < 9 / 25 < each.high[0, 0] for each in found]
    assert abs(np.mean(held) - 0.9) < 3 * math.sqrt(0.9 * 0.1 / times)
    error = np.std([each.value[0, 0] for each in found])
    said = np.mean([each.se[0, 0] for each in found])
    assert said == pytest.approx(error, rel=SIGMAS / math.sqrt(2 * times))


def test_standard_errors_fall_with_the_root_of_the_draws():
    few, many = (
        shapley_effects(
            walk_runs(linear, Inputs(np.arange(5), TIES), *samples(5, n), orders(5, n)),
            resampling(400),
        )
        for n in (500, 8_000)
    )
    ratio = few["shapley"].se / many["shapley"].se
    assert (np.abs(ratio - 4) < 1.2).all()


def test_variance_is_that_of_both_samples():
    runs = Runs(np.array([[1.0, 2.0]]), np.array([[3.0, 6.0]]), np.ones((1, 1, 2)))
    assert shapley_effects(runs, resampling())["variance"].value == pytest.approx([3.5])
