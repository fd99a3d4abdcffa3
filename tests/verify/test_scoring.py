"""Scores agree with slow loops and with formulas."""

import builtins

import numpy as np
import pytest

from mtfs.verify.scoring import PROBS, score_draws
from mtfs.vocabulary import MtfsError


def slow_crps(draws, outcome):
    n = len(draws)
    near = sum(abs(x - outcome) for x in draws) / n
    apart = sum(abs(x - y) for x in draws for y in draws) / (n * (n - 1))
    return near - apart / 2


def test_crps_is_that_of_a_slow_loop():
    rng = np.random.default_rng(3)
    draws, outcome = rng.normal(size=(5, 4, 30)), rng.normal(size=(5, 4))
    found = score_draws(draws, outcome).crps
    slow = [
        [slow_crps(d, y) for d, y in zip(*row, strict=True)]
        for row in zip(draws, outcome, strict=True)
    ]
    np.testing.assert_allclose(found, slow)


def test_crps_of_many_normal_draws_is_the_normal_distributions():
    # Gneiting and Raftery 2007: of a standard normal at 0, (sqrt(2) - 1) / sqrt(pi)
    draws = np.random.default_rng(1).normal(size=(400, 1000))
    found = score_draws(draws, np.zeros(400)).crps
    expected = (np.sqrt(2) - 1) / np.sqrt(np.pi)
    assert found.mean() == pytest.approx(expected, abs=4 * found.std() / np.sqrt(400))


def test_one_draw_is_a_point_forecast():
    found = score_draws(np.array([[3.0]]), np.array([5.0]))
    assert found.crps == pytest.approx([2.0])
    assert found.error == pytest.approx([2.0])
    assert found.inside.tolist() == [[0, 0, 0]]


def test_interval_scores_are_the_width_and_what_was_missed_by_hand():
    draws = np.arange(1.0, 200)[None]  # quantile q lies at 200 q
    found = score_draws(draws, np.array([185.0]))
    ends = [((1 - p) / 2 * 200, (1 + p) / 2 * 200) for p in PROBS]
    missed = [max(185 - high, 0) * 2 / (1 - p) for p, (_, high) in zip(PROBS, ends, strict=True)]
    by_hand = [high - low + over for (low, high), over in zip(ends, missed, strict=True)]
    assert found.interval_score[0] == pytest.approx(by_hand)
    assert found.inside.tolist() == [[0, 0, 1]]
    assert found.pit == pytest.approx([185 / 200])  # 184 below, one equal: (184.5 + 0.5) / 200


def test_missing_outcomes_have_no_score():
    found = score_draws(np.arange(10.0).reshape(2, 5), np.array([np.nan, 7.0]))
    for name in ("crps", "interval_score", "inside", "pit", "error"):
        assert np.isnan(getattr(found, name)[0]).all(), name
        assert not np.isnan(getattr(found, name)[1]).any(), name


def test_a_missing_library_is_named(monkeypatch):
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name == "scoringrules":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MtfsError, match=r'pip install "mtfs\[verify\]"'):
        score_draws(np.ones((1, 2)), np.ones(1))
