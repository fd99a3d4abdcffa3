"""Scores of draws against outcomes, by ``scoringrules``; coverage, ranks and errors beside them."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from mtfs.vocabulary import Array, MtfsError

PROBS = (0.5, 0.8, 0.95)
"""probabilities of the central prediction intervals that are scored"""
QUANTILES = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
"""the ends of those intervals, and the median"""
_ROUNDING = 1e-12  # of a CRPS, beside the outcome: less is 0, a forecast that did not err


def library() -> ModuleType:
    """Import ``scoringrules``.

    Raises
    ------
    MtfsError
        When it is not installed.
    """
    try:
        import scoringrules  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        msg = 'scores are made by scoringrules, which is missing: pip install "mtfs[verify]"'
        raise MtfsError(msg) from None
    found: ModuleType = scoringrules
    return found


@dataclass(frozen=True)
class Scores:
    """How draws did against outcomes; the shapes of the outcomes, with more where named."""

    crps: Array
    interval_score: Array
    """shape (..., prob)"""
    inside: Array
    """1 where the interval held the outcome and 0 where not, shape (..., prob)"""
    pit: Array
    """share of the distribution that lies below the outcome"""
    error: Array
    """outcome less the median of the draws"""
    quantiles: Array
    """shape (..., quantile)"""


def score_draws(draws: Array, outcome: Array) -> Scores:
    """Score draws against outcomes.

    Parameters
    ----------
    draws
        Shape (..., draw).
    outcome
        Shape (...); missing where nothing is known, and then missing in every score.

    Returns
    -------
    Scores
        The continuous ranked probability score (CRPS) is the fair one, which scores the
        distribution that draws come from and not their number (Ferro 2014, Quarterly Journal of
        the Royal Meteorological Society 140; for sorted draws it is the estimator by probability
        weighted moments), and the absolute error of a single draw. Quantiles lie between order
        statistics at (n + 1) q, so that an interval of few draws holds what it says (Hyndman and
        Fan 1996, The American Statistician 50, type 6). The PIT of an outcome with r of n draws
        below it is ``(r + 1/2) / (n + 1)``, draws equal to it counting half: uniform if outcome and
        draws are alike.

    Examples
    --------
    >>> found = score_draws(np.array([[1.0, 2.0, 3.0]]), np.array([4.0]))
    >>> found.crps.round(3), found.pit, found.error  # mean |x - 4| = 2, mean |x - x'| = 4/3
    (array([1.333]), array([0.875]), array([2.]))
    """
    rules = library()
    ordered = np.sort(draws, axis=-1)
    n = ordered.shape[-1]
    crps = rules.crps_ensemble(
        outcome,
        ordered,
        sorted_ensemble=True,
        estimator="pwm" if n > 1 else "qd",
        backend="numpy",
    )
    crps = np.where(np.abs(crps) <= _ROUNDING * (1 + np.abs(outcome)), 0.0, crps)
    quantiles = np.moveaxis(np.quantile(ordered, QUANTILES, axis=-1, method="weibull"), 0, -1)
    low = quantiles[..., : len(PROBS)][..., ::-1]  # from the narrowest interval to the widest
    high = quantiles[..., -len(PROBS) :]
    seen = outcome[..., None]
    unknown = np.isnan(seen)
    interval = np.asarray(
        rules.interval_score(outcome, low, high, 1 - np.array(PROBS), backend="numpy")
    ).reshape(low.shape)  # it drops dimensions of length 1
    inside = np.where(unknown, np.nan, (low <= seen) & (seen <= high))
    below = (ordered < seen).sum(axis=-1) + (ordered == seen).sum(axis=-1) / 2
    pit = np.where(unknown[..., 0], np.nan, (below + 0.5) / (n + 1))
    error = outcome - quantiles[..., len(PROBS)]
    return Scores(np.asarray(crps), interval, inside, pit, error, quantiles)
