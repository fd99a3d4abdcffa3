"""Candidate models of one yearly series, and how well each forecast it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from mtfs.calibrate.predictive import Predictive, averaged, regressed
from mtfs.vocabulary import Array, MtfsError

Model: TypeAlias = Literal["mean", "ar1", "local_level", "random_walk", "damped_trend"]
Score: TypeAlias = Literal["crps", "log"]
MODELS: tuple[Model, ...] = get_args(Model)
LABELS: dict[Model, str] = {
    "mean": "constant mean",
    "ar1": "AR(1)",
    "local_level": "local level",
    "random_walk": "random walk",
    "damped_trend": "ETS damped trend",
}
# The AR(1) holds the constant mean (persistence 0); what it does not know of its persistence is in
# its spread. To rule persistence out, or a trend in, takes evidence. Of a true random walk its four
# years are too narrow (80% intervals of 18 years' walks hold 69% of the sum); with a random walk as
# three in ten of its grid they hold 76%, and on real series, where 80% hold 87%, CRPS rises by 5%.
DEFAULT: Model = "ar1"
CLEARLY = 2.0  # standard errors: about one chance in forty under no difference
LEAST = 5  # known years: the damped trend has 2 coefficients, and a variance needs 3 more
FEWEST_ORIGINS = 3  # to choose by: the s.e. of a mean difference needs a spread between them
# Stretches of time without a year in common, to put another model before the AR(1): in one, such
# as the prices of 2021 to 2024, whatever carried on was right.
FEWEST_STRETCHES = 2.0
_GRID = tuple(np.round(np.arange(0.05, 1.0, 0.05), 2).tolist())
# statsmodels holds damping between 0.8 and 0.98 (ETSModel), as Hyndman and Athanasopoulos advise
# (Forecasting: Principles and Practice, 8.2).
_DAMPING = (0.8, 0.9, 0.98)
_COARSE = (0.1, 0.3, 0.5, 0.7, 0.9)
_STEP = 16  # years: a grid is made for so many at a time and cut, as no year depends on later ones


@dataclass(frozen=True)
class _Point:
    """One point of a model's grid: regressors and covariance of all years up to a factor."""

    design: Array
    shape: Array


def predict(model: Model, known: Array, ahead: int) -> Predictive:
    """Predict years ahead by a model whose parameters are all uncertain.

    Parameters
    ----------
    model
        ``mean``: a constant and noise; ``ar1``: a constant, and deviations of which a share from 0
        to 0.95 comes again next year; ``local_level``: a level that wanders, seen with noise
        (steady gain 0.05 to 0.95); ``random_walk``: last year's value and noise that stays;
        ``damped_trend``: exponential smoothing of level and a trend that fades by 0.8 to 0.98.
        Points of a grid are as likely as each other before the data are seen.
    known
        Values by year, NaN where missing.
    ahead
        How many years.
    """
    years = len(known) + ahead
    points = _grid(model, -(-years // _STEP) * _STEP)
    found = [
        regressed(known, point.design[:years], point.shape[:years, :years]) for point in points
    ]
    return averaged(found, [1 / len(found)] * len(found))


@lru_cache(maxsize=32)
def _grid(model: Model, years: int) -> tuple[_Point, ...]:
    return tuple(_MAKERS[model](years))


def _mean(years: int) -> Iterable[_Point]:
    yield _Point(np.ones((years, 1)), np.eye(years))


def _ar1(years: int) -> Iterable[_Point]:
    lag = np.abs(np.subtract.outer(np.arange(years), np.arange(years)))
    for phi in (0.0, *_GRID):
        yield _Point(np.ones((years, 1)), phi**lag / (1 - phi**2))


def _local_level(years: int) -> Iterable[_Point]:
    walk = np.minimum.outer(np.arange(years), np.arange(years))
    for gain in _GRID:
        ratio = gain**2 / (1 - gain)  # variance of the level's steps over that of the noise
        yield _Point(np.ones((years, 1)), np.eye(years) + ratio * walk)


def _random_walk(years: int) -> Iterable[_Point]:
    # the constant takes up the first step, about which nothing is known
    walk = np.minimum.outer(np.arange(1, years + 1), np.arange(1, years + 1)).astype(float)
    yield _Point(np.ones((years, 1)), walk)


def _damped_trend(years: int) -> Iterable[_Point]:
    places = np.arange(years)
    for damping in _DAMPING:
        reach = np.cumsum(damping ** np.arange(1, years + 1))
        design = np.column_stack([np.ones(years), reach])
        for alpha in _COARSE:
            for share in _COARSE[:3]:
                follows = np.r_[1.0, alpha + alpha * share * reach[:-1]]
                lag = np.subtract.outer(places, places)
                root = np.where(lag >= 0, follows[np.abs(lag)], 0.0)
                yield _Point(design, root @ root.T)


_MAKERS: dict[Model, Callable[[int], Iterable[_Point]]] = {
    "mean": _mean,
    "ar1": _ar1,
    "local_level": _local_level,
    "random_walk": _random_walk,
    "damped_trend": _damped_trend,
}


def score_candidates(
    values: Array, leads: Sequence[int], models: Sequence[Model], score: Score
) -> pd.DataFrame:
    """Score models on what came after every origin, each knowing what was known then only.

    What is scored is the mean rate from the first lead to each lead: a plan adds rates up, and a
    model that is right of every single year may be wrong of their sum.

    Parameters
    ----------
    values
        By year, NaN where missing.
    leads
        Years ahead that count, such as 1 to 4.
    models
        The candidates.
    score
        ``"crps"`` (by scoringrules, of the Student's t that a driver would be) or ``"log"``, the
        negative logarithm of its density; smaller is better.

    Returns
    -------
    pandas.DataFrame
        By ``model``: ``score``, the mean over leads of the means over origins; ``against``, that
        less the AR(1)'s, and ``se``, its standard error; ``origins`` and ``forecasts``, how many
        there are. Forecasts of neighbouring origins are of the same years, so the origins count as
        the stretches they make that have no year in common: ``stretches``, origins over leads.

    Raises
    ------
    MtfsError
        When there are fewer than three origins.
    """
    ends = [
        end for end in range(1, len(values)) if _tells(values[:end]) and _seen(values, end, leads)
    ]
    if len(ends) < FEWEST_ORIGINS:
        msg = (
            f"holds {np.isfinite(values).sum()} known years; models are chosen by what came at "
            f"leads {leads[0]} to {leads[-1]} after at least {FEWEST_ORIGINS} origins of {LEAST} "
            "known years or more. Give more years, or say which model: model='mean'"
        )
        raise MtfsError(msg)
    found = np.full((len(models), len(ends), len(leads)), np.nan)
    for row, model in enumerate(models):
        for column, end in enumerate(ends):
            seen = _seen(values, end, leads)
            said = running(predict(model, values[:end], leads[-1]), leads[0] - 1)
            truth = running_mean(values[end + leads[0] - 1 : end + leads[seen - 1]])
            found[row, column, :seen] = scored(score, truth, said, seen)
    found = found[
        :, :, np.isfinite(found[0]).any(axis=0)
    ]  # without leads at which nothing is known
    by_origin = np.nanmean(found, axis=2)
    mean = np.nanmean(found, axis=1).mean(axis=1)
    against = by_origin - by_origin[list(models).index(DEFAULT)]
    stretches = max(len(ends) / len(leads), 1.0)
    return pd.DataFrame(
        {
            "score": mean,
            "against": mean - mean[list(models).index(DEFAULT)],
            "se": against.std(axis=1, ddof=1) / np.sqrt(stretches),
            "origins": len(ends),
            "stretches": stretches,
            "forecasts": int(np.isfinite(found[0]).sum()),
        },
        index=pd.Index(models, name="model"),
    )


def chosen_of(scores: pd.DataFrame) -> Model:
    """Choose the AR(1), or the best of those that beat it clearly, in two stretches or more."""
    clear = scores["against"] < -CLEARLY * scores["se"]
    ahead = scores[clear & (scores["stretches"] >= FEWEST_STRETCHES)]
    names: list[Model] = [model for model in MODELS if model in ahead.index]
    return min(names, key=lambda model: float(scores["score"][model]), default=DEFAULT)


def _tells(known: Array) -> bool:
    """Whether so much is known that a spread can be told."""
    return bool(np.isfinite(known).sum() >= LEAST and np.nanmax(known) > np.nanmin(known))


def _seen(values: Array, end: int, leads: Sequence[int]) -> int:
    """Count the leads, from the first on, up to which all years are known."""
    known = np.isfinite(values[end + leads[0] - 1 : end + leads[-1]])
    return len(known) if known.all() else int(np.argmin(known))


def running(said: Predictive, skip: int) -> Predictive:
    """Give the distribution of running means, from the year after ``skip`` years on."""
    mean, cov = said.mean[skip:], said.cov[skip:, skip:]
    average = np.tril(np.ones_like(cov)) / np.arange(1, len(mean) + 1)[:, None]
    return Predictive(average @ mean, average @ cov @ average.T, said.df, said.evidence)


def running_mean(values: Array) -> Array:
    """Give the mean from the first year to each."""
    return np.asarray(np.cumsum(values) / np.arange(1, len(values) + 1))


def scored(score: Score, truth: Array, said: Predictive, n: int) -> Array:
    """Score the first ``n`` years of a prediction, each a Student's t; smaller is better."""
    mean, scale = said.mean[:n], said.sd[:n] * np.sqrt((said.df - 2) / said.df)
    if score == "log":
        from scipy.stats import t  # noqa: PLC0415 - keeps import light

        return np.asarray(-t.logpdf(truth, said.df, mean, scale), dtype=np.float64)
    return np.asarray(_scoringrules().crps_t(truth, said.df, mean, scale), dtype=np.float64)


def _scoringrules() -> ModuleType:
    try:
        import scoringrules  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        msg = (
            'score="crps" is made by scoringrules, which is missing: pip install "mtfs[verify]", '
            'or choose by score="log"'
        )
        raise MtfsError(msg) from None
    found: ModuleType = scoringrules
    return found
