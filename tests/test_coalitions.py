"""Players that move one by one, and in every order."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtfs import MtfsError
from mtfs.coalitions import moves, shapley, two_orders

WORTHS = st.lists(st.integers(-50, 50), min_size=16, max_size=16)
NAMES = ("a", "b", "c", "d")


def game(worths):
    """Give each company of four a worth of its own."""
    return lambda who: np.array(float(worths[sum(1 << NAMES.index(name) for name in who)]))


@given(WORTHS)
def test_shapley_values_are_means_over_all_orders(worths):
    value = game(worths)
    wanted = dict.fromkeys(NAMES, 0.0)
    orders = list(itertools.permutations(NAMES))
    for order in orders:
        for place, name in enumerate(order):
            step = value(frozenset(order[: place + 1])) - value(frozenset(order[:place]))
            wanted[name] += step / len(orders)
    assert shapley(NAMES, value) == pytest.approx(wanted)


@given(WORTHS)
def test_two_orders_are_the_mean_of_the_declared_one_and_its_reverse(worths):
    value = game(worths)
    found = two_orders(NAMES, value)
    whole = value(frozenset(NAMES)) - value(frozenset())
    assert sum(found.values()) == pytest.approx(whole)
    before, after = frozenset("a"), frozenset("ab")
    back_before, back_after = frozenset("cd"), frozenset("bcd")
    wanted = (value(after) - value(before) + value(back_after) - value(back_before)) / 2
    assert found["b"] == pytest.approx(wanted)


def test_two_orders_ask_for_each_value_once():
    seen = []

    def value(who):
        seen.append(who)
        return np.array(float(len(who)))

    two_orders(NAMES, value)
    assert len(seen) == len(set(seen)) == 2 * len(NAMES)


def test_nobody_moves_nothing():
    assert two_orders([], lambda who: np.zeros(1)) == shapley([], lambda who: np.zeros(1)) == {}
    assert list(moves([])) == []


def test_more_than_eight_players_are_refused_before_anything_runs():
    with pytest.raises(MtfsError, match="9 players would take 512 runs"):
        shapley(list("abcdefghi"), pytest.fail)
