"""The random stage: streams by name, blocks, given scores, and triangular factors."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mtfs import MtfsError
from mtfs.sampling import (
    GivenScores,
    NotPositiveDefiniteError,
    RandomScores,
    ShockSpec,
    apply_factors,
    draw_scores,
    fresh_seed,
    lower_factor,
)
from mtfs.vocabulary import BLOCK

CPI = ShockSpec("cpi", "national")
PAY = ShockSpec("pay", "national")
COMES = ShockSpec("reset", "council", once=True)


def draws(spec, *, seed=1, n_draws=BLOCK, horizon=3):
    return draw_scores([spec], RandomScores(seed, n_draws), horizon)[spec.name]


def test_a_stream_is_a_function_of_seed_scope_and_name_alone():
    again = draw_scores([PAY, COMES, CPI], RandomScores(1, BLOCK), 3)
    np.testing.assert_array_equal(again["cpi"], draws(CPI))
    assert not np.array_equal(draws(CPI), draws(PAY))
    assert not np.array_equal(draws(CPI), draws(CPI, seed=2))
    assert not np.array_equal(draws(CPI), draws(ShockSpec("cpi", "council")))


def test_scope_and_name_do_not_run_together():
    assert not np.array_equal(draws(ShockSpec("b", "aa")), draws(ShockSpec("ab", "a")))


def test_the_first_draws_of_many_are_the_draws_of_few():
    many = draws(CPI, n_draws=10_000)
    assert many.shape == (3, 10_000)
    for few in (1, 3_000, BLOCK, BLOCK + 1):
        np.testing.assert_array_equal(draws(CPI, n_draws=few), many[:, :few])


def test_a_shock_drawn_once_has_one_row():
    assert draws(COMES).shape == (BLOCK,)


def test_a_block_is_the_generator_that_the_format_describes():
    digest = hashlib.blake2b(b"national\0cpi", digest_size=8).digest()
    key = np.random.SeedSequence(7, spawn_key=(int.from_bytes(digest, "big"),))
    words = key.generate_state(6, np.uint64)[3:]

    class Words(np.random.bit_generator.ISeedSequence):
        def generate_state(self, n_words, dtype=np.uint32):
            return words

    expected = np.random.Generator(np.random.SFC64(Words())).standard_normal((3, BLOCK))
    found = draws(CPI, seed=7, n_draws=2 * BLOCK)[:, BLOCK:]
    np.testing.assert_array_equal(found, expected)


def test_scores_are_standard_normal_and_independent():
    n = 50_000
    held = draw_scores([CPI, PAY], RandomScores(11, n), 2)
    rows = np.concatenate([held["cpi"], held["pay"]])
    for row in rows:
        assert stats.kstest(row, "norm").pvalue > 1e-4
    off = np.corrcoef(rows)[np.triu_indices(4, 1)]
    assert np.abs(off).max() < 4 / np.sqrt(n)


def test_blocks_of_one_stream_are_independent():
    row = draws(CPI, n_draws=40 * BLOCK, horizon=1).reshape(40, BLOCK)
    off = np.corrcoef(row)[np.triu_indices(40, 1)]
    assert np.abs(off).max() < 5 / np.sqrt(BLOCK)


def test_another_process_draws_the_same_whatever_its_hash_seed():
    code = (
        "from mtfs.sampling import *; import hashlib\n"
        "s = [ShockSpec('cpi', 'national'), ShockSpec('pay', 'council')]\n"
        "d = draw_scores(s, RandomScores(5, 5000), 3)\n"
        "print(hashlib.sha256(d['cpi'].tobytes() + d['pay'].tobytes()).hexdigest())"
    )
    found = {
        subprocess.run(  # noqa: S603 - our own interpreter on our own text
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_a_fresh_seed_fits_in_fifty_three_bits_and_differs():
    seeds = {fresh_seed() for _ in range(100)}
    assert len(seeds) == 100
    assert max(seeds) < 2**53
    assert max(seeds) > 2**44  # the high bits are used


# Given scores


def test_given_scores_come_back_block_by_block():
    n = BLOCK + 100
    given_scores = {"cpi": np.random.default_rng(0).standard_normal((3, n)), "reset": np.zeros(n)}
    scores = GivenScores(given_scores, [CPI, COMES], 3)
    assert scores.n_draws == n
    found = draw_scores([CPI, COMES], scores, 3)
    np.testing.assert_array_equal(found["cpi"], given_scores["cpi"])
    np.testing.assert_array_equal(found["reset"], np.zeros(n))


def test_a_plan_without_shocks_needs_no_scores_and_has_one_draw():
    assert GivenScores({}, [], 3).n_draws == 1


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        ({}, "missing for cpi, reset; the plan needs cpi, reset"),
        ({"cpi": np.zeros((3, 5)), "reset": np.zeros(5), "pay": 0}, "does not hold: pay"),
        (
            {"cpi": np.zeros((2, 5)), "reset": np.zeros(5)},
            r"'cpi' have shape \(2, 5\); expected \(3, 5\)",
        ),
        ({"cpi": np.zeros((3, 5)), "reset": np.zeros(4)}, r"'reset' have shape \(1, 4\)"),
        (
            {"cpi": np.full((3, 5), np.nan), "reset": np.zeros(5)},
            "'cpi' hold a value that is not a number",
        ),
        ({"cpi": np.zeros((3, 5)), "reset": np.full(5, 9.0)}, "'reset' hold a value"),
        ({"cpi": np.zeros((3, 0)), "reset": np.zeros(0)}, r"shape \(3, 0\)"),
    ],
)
def test_scores_that_do_not_fit_the_plan_are_refused(scores, says):
    with pytest.raises(MtfsError, match=says):
        GivenScores(scores, [CPI, COMES], 3)


# Triangular factors


def correlations(n):
    """Random correlation matrices of n drivers, from loadings on two factors and own noise."""
    loads = st.lists(st.floats(-0.65, 0.65), min_size=2 * n, max_size=2 * n)

    def matrix(flat):
        b = np.array(flat).reshape(n, 2)
        found = b @ b.T
        np.fill_diagonal(found, 1.0)
        return found

    return loads.map(matrix)


@given(correlations(5))
def test_a_factor_times_itself_is_the_matrix(matrix):
    factor = lower_factor(matrix)
    np.testing.assert_allclose(factor @ factor.T, matrix, atol=1e-12)
    np.testing.assert_allclose(factor, np.linalg.cholesky(matrix), atol=1e-10)
    assert (np.triu(factor, 1) == 0).all()


@given(correlations(6))
def test_the_factor_of_the_first_drivers_does_not_know_the_rest(matrix):
    np.testing.assert_array_equal(lower_factor(matrix)[:4, :4], lower_factor(matrix[:4, :4]))


@pytest.mark.parametrize(
    "matrix",
    [
        [[1.0, 1.0], [1.0, 1.0]],
        [[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]],
        [[1.0, np.nan], [np.nan, 1.0]],
    ],
)
def test_a_matrix_that_no_distribution_has_is_refused(matrix):
    with pytest.raises(NotPositiveDefiniteError, match="not positive definite"):
        lower_factor(np.array(matrix))


@given(correlations(4), st.integers(0, 2**32 - 1))
def test_applying_factors_is_a_matrix_product_in_every_year(matrix, seed):
    z = np.random.default_rng(seed).standard_normal((6, 2, 8))
    slots = [4, 0, 5, 2]
    factors = np.stack([lower_factor(matrix), np.eye(4)])
    expected = z.copy()
    expected[slots] = np.einsum("yij,jyd->iyd", factors, z[slots])
    apply_factors(z, slots, factors)
    np.testing.assert_allclose(z, expected, atol=1e-12)
    np.testing.assert_array_equal(z[[1, 3]], expected[[1, 3]])
