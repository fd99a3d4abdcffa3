"""How numbers are made of factors, and what of a step each component did."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from line_strategies import numbers

from mtfs.lines.anatomy import Anatomy, Factor, from_base, mean_of_others

YEARS, DRAWS = 3, 2


def column(*values):
    return np.array(values, dtype=float)[:, None]


def by_orders(made):
    """Average every component's effect over all orders of moving, one draw and year at a time."""
    names = made.components
    found = {name: np.zeros((YEARS, DRAWS)) for name in names}
    steps = {
        (name, factor.name): np.broadcast_to(factor.step(name), (YEARS, DRAWS))
        for factor in made.factors
        for name in factor.movers
    }
    wide = {f.name: np.broadcast_to(f.values, (1 + YEARS, DRAWS)) for f in made.factors}

    def number(at):
        if callable(made.made):
            return float(made.made({name: np.array([value]) for name, value in at.items()})[0])
        return np.prod(list(at.values())) if made.made == "product" else sum(at.values())

    orders = list(permutations(names))
    for year in range(YEARS):
        for draw in range(DRAWS):
            for order in orders:
                at = {name: values[year, draw] for name, values in wide.items()}
                for name in order:
                    before = number(at)
                    for factor in made.factors:
                        if name in factor.movers:
                            at[factor.name] += steps[name, factor.name][year, draw]
                    found[name][year, draw] += (number(at) - before) / len(orders)
    return found


def test_ten_per_cent_more_people_at_a_price_up_a_fifth():
    made = Anatomy(
        (
            Factor("people", "people", column(100, 110), "people"),
            Factor("weekly cost", "GBP", column(10, 10)),
            Factor("price", "", column(1, 1.2), "price"),
        )
    )
    found = made.steps()
    assert found["people"].item() == pytest.approx(10 * 10 * 1.1)  # ten at the mean price
    assert found["price"].item() == pytest.approx(105 * 10 * 0.2)  # the mean people, 2 more each
    assert sum(found.values()).item() == pytest.approx(110 * 12 - 100 * 10)
    assert made.base.item() == 1000


def test_three_factors_by_hand():
    # 2 x 3 x 5 to 4 x 3 x 5: only the first moved, and by all of it
    still = mean_of_others([column(2, 4), column(3, 3), column(5, 5)])
    assert still[0].item() == pytest.approx(15)
    # 1 x 1 x 1 to 2 x 2 x 2: alike, so a third of 7 each
    alike = mean_of_others([column(1, 2)] * 3)
    assert [each.item() for each in alike] == pytest.approx([7 / 3] * 3)


def test_years_are_split_one_by_one_and_added_up():
    people, price = column(100, 110, 110), column(1, 1, 1.5)
    made = Anatomy((Factor("n", "", people, "people"), Factor("p", "", price, "price")))
    assert made.steps()["people"].ravel().tolist() == pytest.approx([10, 0])
    assert made.steps()["price"].ravel().tolist() == pytest.approx([0, 55])
    # in one leap from 100 x 1 to 110 x 1.5 people would have 12.5
    assert made.levels()["people"].ravel().tolist() == pytest.approx([10, 10])
    assert made.levels()["price"].ravel().tolist() == pytest.approx([0, 55])


def test_a_factor_at_nothing_or_below_it_does_not_break_the_sum():
    made = Anatomy(
        (
            Factor("n", "", column(0, 3, -2), "people"),
            Factor("p", "", column(1, 0, 4), "price"),
        )
    )
    found = made.steps()
    total = found["people"] + found["price"]
    assert total.ravel().tolist() == pytest.approx([0, -8])
    assert found["price"].ravel().tolist() == pytest.approx([-1.5, 2.0])


def test_a_line_without_a_base_year_comes_in_at_base_prices():
    made = Anatomy(
        (
            Factor("people", "people", column(50, 50, 60), "people"),
            Factor("price", "", column(1, 1.2, 1.2), "price"),
        ),
        entry="people",
    )
    assert made.base.item() == 0
    assert made.levels()["people"].ravel().tolist() == pytest.approx([50, 62])
    assert made.levels()["price"].ravel().tolist() == pytest.approx([10, 10])


def test_one_component_has_the_whole_step():
    made = Anatomy.of_one("cost", "risks", base=2.0, values=column(5, 3))
    assert made.levels()["risks"].ravel().tolist() == [3, 1]


values = st.lists(numbers(-3, 3), min_size=DRAWS * (1 + YEARS), max_size=DRAWS * (1 + YEARS)).map(
    lambda held: np.array(held).reshape(1 + YEARS, DRAWS)
)


@st.composite
def anatomies(draw):
    """Products in which a factor may have two movers, and floors of products."""
    n = draw(st.integers(1, 4))
    names = draw(st.lists(st.sampled_from("abcd"), min_size=n, max_size=n))
    factors = [Factor(f"f{k}", "", draw(values), name) for k, name in enumerate(names)]
    if draw(st.booleans()):
        two, late = draw(values), draw(values)[1:]
        mine = draw(st.sampled_from(["a", "own"]))
        moved = {mine: np.diff(two, axis=0) - late, "late": late}
        factors.append(Factor("two", "", two, moved))
    made = "product"
    if draw(st.booleans()):

        def made(held):
            found = 1.0
            for value in held.values():
                found = found * value
            return np.maximum(found, 0.5)

    return Anatomy(tuple(factors), made, "floored" if callable(made) else None)


@given(anatomies())
def test_steps_are_shapley_values(made):
    found = made.steps()
    for name, wanted in by_orders(made).items():
        np.testing.assert_allclose(
            np.broadcast_to(found[name], wanted.shape), wanted, rtol=1e-9, atol=1e-9
        )
    number = made.number()
    np.testing.assert_allclose(sum(found.values()), np.diff(number, axis=0), rtol=1e-9, atol=1e-9)


@given(st.lists(values, min_size=1, max_size=9))
def test_quadrature_is_as_exact_as_trying_all_coalitions(held):
    factors = tuple(Factor(f"f{k}", "", each, f"c{k}") for k, each in enumerate(held[:7]))

    def product(at):
        return np.prod(np.broadcast_arrays(*at.values()), axis=0)

    quick, slow = Anatomy(factors).steps(), Anatomy(factors, product, "product").steps()
    for name, each in slow.items():
        np.testing.assert_allclose(quick[name], each, rtol=1e-9, atol=1e-8)


def test_the_base_year_comes_first():
    assert from_base(1.0, column(2, 3)).ravel().tolist() == [1, 2, 3]
