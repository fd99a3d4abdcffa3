"""Tests of uniforms turned into counts, choices and values."""

import numpy as np
import pytest
from scipy import stats

from mtfs.flows.inversion import chosen, poisson, quantile

CHANCES = np.concatenate([(np.arange(2000) + 0.5) / 2000, [1e-15, 1e-9, 1 - 1e-9]])


@pytest.mark.parametrize("mean", [0.0, 1e-6, 0.3, 1.0, 4.5, 30.0, 250.0])
def test_poisson_counts_are_the_quantiles(mean):
    found = poisson(np.full(CHANCES.shape, mean), CHANCES)
    assert found.tolist() == stats.poisson.ppf(CHANCES, mean).astype(int).tolist()


def test_poisson_counts_of_several_means_keep_their_order():
    means, chances = np.array([[0.0, 3.0], [50.0, 0.5]]), np.array([[0.9, 0.5], [0.5, 0.1]])
    assert poisson(means, chances).tolist() == [0, 3, 50, 0]


def test_the_greatest_chance_there_is_gives_a_count():
    found = poisson(np.array([0.0, 1.0, 100.0]), np.full(3, np.nextafter(1.0, 0.0)))
    assert found[0] == 0
    assert 10 < found[1] < 30
    assert 170 < found[2] < 220


def test_a_higher_mean_never_gives_fewer():
    means = np.linspace(0, 40, 400)
    for chance in (0.01, 0.5, 0.99):
        assert (np.diff(poisson(means, np.full(400, chance))) >= 0).all()


def test_a_choice_falls_to_the_share_that_holds_the_chance():
    shares = np.tile([0.25, 0.0, 0.5, 0.25], (5, 1))
    assert chosen(shares, np.array([0.1, 0.25, 0.5, 0.76, 0.999999])).tolist() == [0, 2, 2, 3, 3]


def test_what_has_no_share_is_never_chosen():
    shares = np.tile([0.0, 0.1 + 0.2, 0.7, 0.0], (10_000, 1))  # which sum to a little over 1
    found = chosen(shares, (np.arange(10_000) + 0.5) / 10_000)
    assert np.bincount(found, minlength=4).tolist() == [0, 3000, 7000, 0]


def test_values_between_quantiles_are_read_off_a_straight_line():
    knots = np.array([[0.0, 1.0, 4.0], [2.0, 2.0, 3.0], [0.0, 1.0, 4.0]])
    found = quantile(knots, np.array([0.25, 0.75, 1 - 1e-16]))
    assert found == pytest.approx([0.5, 2.5, 4.0])
