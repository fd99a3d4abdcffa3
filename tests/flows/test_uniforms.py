"""Tests of keyed uniforms: even, independent, and a matter of keys and words alone."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from mtfs.flows.uniforms import draw_keys, keyed, mixed, uniforms, word

N = 100_000
KEYS = np.arange(N, dtype=np.uint64)
LEAST = 1e-4  # p-values below this fail: once in ten thousand seeds


def pairs_chi_square(first, second, cells=16):
    """Test whether pairs fill a square evenly."""
    counts = np.histogram2d(first, second, bins=cells, range=[(0, 1), (0, 1)])[0]
    return stats.chisquare(counts.ravel()).pvalue


@pytest.mark.parametrize("words", [(), (0,), (3, 1), (word("moves"), 2**20, 7)])
def test_uniforms_are_uniform(words):
    found = uniforms(keyed(KEYS, 11), *words)
    assert stats.kstest(found, "uniform").pvalue > LEAST


def test_uniforms_of_one_key_are_uniform_over_words():
    found = uniforms(np.array([5], np.uint64), np.arange(N))
    assert stats.kstest(found, "uniform").pvalue > LEAST


def test_uniforms_are_strictly_between_0_and_1_for_the_least_and_greatest_hash():
    ends = uniforms(np.array([0, 2**64 - 1], np.uint64))
    assert 0 < ends[0] < 1e-15
    assert 1 - 1e-15 < ends[1] < 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((KEYS, 4), (KEYS, 5)),  # steps that follow one another
        ((KEYS, 4), (KEYS + np.uint64(1), 4)),  # keys that follow one another
        ((KEYS, 4, 0), (KEYS, 4, 1)),
        ((KEYS, 4, 5), (KEYS, 5, 4)),  # the same words in another order
        ((KEYS, 4), (KEYS, 4, 0)),  # one word more
        ((KEYS, word("child")), (KEYS, word("entrant"))),
        ((keyed(KEYS, 1), 2), (keyed(KEYS, 2), 1)),
        ((np.uint64(8) * KEYS, 0), (np.uint64(8) * KEYS, 1)),
    ],
)
def test_uniforms_of_different_words_or_keys_are_independent(first, second):
    one, other = uniforms(*first), uniforms(*second)
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / N**0.5
    assert pairs_chi_square(one, other) > LEAST


def test_every_bit_is_set_half_of_the_time_and_by_itself():
    held = keyed(KEYS, 17, 4)
    bits = np.unpackbits(held.view(np.uint8).reshape(N, 8), axis=1).astype(float)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 4.5 * 0.5 / N**0.5
    correlated = np.corrcoef(bits.T) - np.eye(64)
    assert np.abs(correlated).max() < 5 / N**0.5  # of 2,016 pairs


def test_the_eight_lanes_of_a_hash_are_even_and_independent():
    lanes = mixed(keyed(KEYS, 23) + keyed(np.uint64(9), 1)).view(np.uint8).reshape(N, 8)
    for lane in lanes.T:
        assert stats.chisquare(np.bincount(lane, minlength=256)).pvalue > LEAST
    for lane in range(7):
        assert pairs_chi_square(lanes[:, lane] / 256, lanes[:, lane + 1] / 256) > LEAST


def test_lanes_of_steps_that_follow_one_another_are_independent():
    child = keyed(KEYS, 23)
    steps = [mixed(child + keyed(np.uint64(9), step)).view(np.uint8)[::8] for step in (0, 1)]
    assert pairs_chi_square(steps[0] / 256, steps[1] / 256) > LEAST


def test_a_word_changed_by_one_changes_half_of_the_bits():
    changed = keyed(KEYS, 6, 3) ^ keyed(KEYS, 7, 3)
    flipped = np.bitwise_count(changed)
    assert abs(flipped.mean() - 32) < 4 * 4 / N**0.5
    assert flipped.min() > 0


def test_keys_of_many_words_do_not_meet():
    steps, lanes = np.arange(300)[:, None, None], np.arange(8)[:, None]
    held = keyed(np.arange(200, dtype=np.uint64), steps, lanes)
    assert len(np.unique(held)) == held.size


def test_keying_leaves_the_keys_given_as_they_are():
    given = np.arange(3, dtype=np.uint64)
    keyed(given, 4)
    assert given.tolist() == [0, 1, 2]


def test_a_draws_key_depends_on_its_score_and_on_the_flows_name_alone():
    scores = np.random.default_rng(1).standard_normal(1000)
    held = draw_keys(scores, "children")
    assert (draw_keys(scores[::-1], "children") == held[::-1]).all()
    assert (draw_keys(scores[:1], "children") == held[:1]).all()
    assert not (draw_keys(scores, "pupils") == held).any()
    assert len(np.unique(held)) == 1000


def test_keys_of_scores_that_differ_in_their_last_bit_make_independent_uniforms():
    scores = 1 + np.arange(N) * 2.0**-52
    assert stats.kstest(uniforms(draw_keys(scores, "children")), "uniform").pvalue > LEAST


def test_a_word_is_a_hash_of_its_text():
    held = hashlib.blake2b(b"exits", digest_size=8).digest()
    assert word("exits") == int.from_bytes(held, "big")


def test_another_process_makes_the_same_uniforms():
    code = (
        "import numpy as np; from mtfs.flows.uniforms import *;"
        "print(uniforms(draw_keys(np.array([0.25, -1.5]), 'children'), word('exits'), 3).tolist())"
    )
    there = subprocess.run(  # noqa: S603 - our own interpreter on our own text
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    here = uniforms(draw_keys(np.array([0.25, -1.5]), "children"), word("exits"), 3).tolist()
    assert there.strip() == str(here)
