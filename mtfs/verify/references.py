"""Reference forecasts: what anybody could have said without a model.

They are random walks of the logarithm with normal steps, stated by R. J. Hyndman and G.
Athanasopoulos, Forecasting: Principles and Practice (3rd edition 2021), sections 5.2 (the naive and
the drift method) and 5.5 (their prediction intervals), and a forecaster has to beat them to be
worth having. Draws of two councils are independent: scores are of one council and year at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from mtfs.history import History, YearsOf
from mtfs.sampling import RandomScores, ShockSpec, draw_scores, fresh_seed, require_seed
from mtfs.vocabulary import Array, MtfsError, require_count, year_label

if TYPE_CHECKING:
    from collections.abc import Sequence

# A variance of n growths has a coefficient of variation of sqrt(2 / n), so that a standard
# deviation of five is known within about 32%: a judgement of where a council's own record is worth
# less than that of all councils together.
OWN_YEARS = 5
# The years over which England's councils' mean growth is taken: the usual length of a plan.
NATIONAL_YEARS = 4


def naive(
    history: xr.DataArray,
    *,
    horizon: int = 4,
    n_draws: int = 1000,
    seed: int | None = None,
    gaps: YearsOf | None = None,
    breaks: YearsOf | None = None,
) -> xr.DataArray:
    """Forecast each council's last level, with the spread of a random walk.

    The variance of a year's step is the mean square of the council's own past growth, and the
    variance h years ahead h times that (Hyndman and Athanasopoulos, sections 5.2 and 5.5). Where a
    council has fewer than five growths it is the mean square of all councils' growth.

    Parameters
    ----------
    history
        Levels above 0, dimensions ``council`` and ``year``.
    horizon
        Years to forecast after the history's last.
    n_draws, seed
        How many draws, and what fixes them; a fresh seed unless given.
    gaps, breaks
        Years by council, as :meth:`mtfs.history.History.of` takes them.

    Returns
    -------
    xarray.DataArray
        Dimensions ``(council, draw, year)``, levels. Where a council's last level is missing the
        walk starts from the last that is known and has taken as many more steps.

    Raises
    ------
    MtfsError
        When the history cannot be used, or holds no growth.

    Examples
    --------
    >>> import xarray as xr
    >>> held = xr.DataArray(
    ...     [[100.0, 110.0, 100.0, 110.0, 100.0, 110.0]],
    ...     {"council": ["Anyshire"], "year": [f"20{y}/{y + 1}" for y in range(19, 25)]},
    ... )
    >>> found = naive(held, horizon=1, n_draws=20_000, seed=1)
    >>> round(float(found.median()), 1), round(float(np.log(found).std()), 2)  # log(1.1) = 0.095
    (110.0, 0.1)
    """
    known = History.of(history, gaps=gaps, breaks=breaks)
    count, _, square = _moments(known)
    _require_growth(count.sum(), known)
    pooled = square.sum() / count.sum()
    own = square / np.maximum(count, 1)
    variance = np.where(count < OWN_YEARS, pooled, own)
    return _walk(
        known,
        "naive",
        centre=0.0,
        unsure=0.0,
        sd=np.sqrt(variance),
        horizon=horizon,
        n_draws=n_draws,
        seed=seed,
    )


def drift(
    history: xr.DataArray,
    *,
    horizon: int = 4,
    n_draws: int = 1000,
    seed: int | None = None,
    gaps: YearsOf | None = None,
    breaks: YearsOf | None = None,
) -> xr.DataArray:
    """Forecast each council's own mean growth, not known exactly, with a random walk about it.

    With n growths of variance s2 about their mean, the variance h years ahead is
    ``s2 * h * (1 + h / n)`` (Hyndman and Athanasopoulos, sections 5.2 and 5.5). Where a council has
    fewer than five growths, s2 is that of all councils about their own means; without any growth
    its drift is the mean of all councils' growth.

    Parameters
    ----------
    history, horizon, n_draws, seed, gaps, breaks
        As for :func:`naive`.

    Returns
    -------
    xarray.DataArray
        Dimensions ``(council, draw, year)``, levels.

    Raises
    ------
    MtfsError
        When the history cannot be used, or no council has two growths.

    Examples
    --------
    >>> import xarray as xr
    >>> held = xr.DataArray(
    ...     [[100.0, 110.0, 121.0, 133.1]],
    ...     {"council": ["Anyshire"], "year": ["2021/22", "2022/23", "2023/24", "2024/25"]},
    ... )
    >>> drift(held, horizon=1, n_draws=2, seed=1).values.round(2).ravel()
    array([146.41, 146.41])
    """
    known = History.of(history, gaps=gaps, breaks=breaks)
    count, mean, square = _moments(known)
    freedom = np.maximum(count - 1, 0)
    if not freedom.any():
        msg = (
            f"no council has two growths by {known.years[-1]}, so there is no spread about a drift "
            "to learn; start later, or compare with 'naive'"
        )
        raise MtfsError(msg)
    about = square - count * mean**2
    pooled = about.sum() / freedom.sum()
    variance = np.where(count < OWN_YEARS, pooled, about / np.maximum(freedom, 1))
    everyone = (count * mean).sum() / count.sum()
    centre = np.where(count > 0, mean, everyone)
    sd = np.sqrt(np.maximum(variance, 0.0))  # below 0 by rounding where growth never changed
    unsure = sd / np.sqrt(np.where(count > 0, count, count.sum()))
    return _walk(
        known,
        "drift",
        centre=centre,
        unsure=unsure,
        sd=sd,
        horizon=horizon,
        n_draws=n_draws,
        seed=seed,
    )


def national_drift(
    history: xr.DataArray,
    *,
    horizon: int = 4,
    n_draws: int = 1000,
    seed: int | None = None,
    gaps: YearsOf | None = None,
    breaks: YearsOf | None = None,
) -> xr.DataArray:
    """Forecast the mean growth of all councils in the last four years, with their pooled spread.

    A random walk whose drift is the same for every council and taken as known, and whose standard
    deviation is that of all growths of all councils and years about their mean.

    Parameters
    ----------
    history, horizon, n_draws, seed, gaps, breaks
        As for :func:`naive`.

    Returns
    -------
    xarray.DataArray
        Dimensions ``(council, draw, year)``, levels.

    Raises
    ------
    MtfsError
        When the history cannot be used, or holds no growth in its last four years or fewer than
        two in all.

    Examples
    --------
    >>> import xarray as xr
    >>> held = xr.DataArray(
    ...     [[100.0, 110.0, 121.0], [200.0, 220.0, 242.0]],
    ...     {"council": ["Aston", "Barford"], "year": ["2022/23", "2023/24", "2024/25"]},
    ... )
    >>> national_drift(held, horizon=2, n_draws=1, seed=1).values.round(2).tolist()
    [[[133.1, 146.41]], [[266.2, 292.82]]]
    """
    known = History.of(history, gaps=gaps, breaks=breaks)
    growth = known.growth
    recent = growth[:, -NATIONAL_YEARS:]
    held = growth[~np.isnan(growth)]
    least = 2  # growths, for a standard deviation
    if np.isnan(recent).all() or len(held) < least:
        msg = (
            f"the history holds {len(held)} growths by {known.years[-1]}, and "
            f"{int((~np.isnan(recent)).sum())} in its last {NATIONAL_YEARS} years; a national "
            "drift needs two growths, one of them recent"
        )
        raise MtfsError(msg)
    centre = float(np.nanmean(recent))
    sd = np.full(len(known.councils), held.std(ddof=1))
    return _walk(
        known,
        "national drift",
        centre=centre,
        unsure=0.0,
        sd=sd,
        horizon=horizon,
        n_draws=n_draws,
        seed=seed,
    )


REFERENCES = {"drift": drift, "naive": naive, "national_drift": national_drift}


def _moments(known: History) -> tuple[Array, Array, Array]:
    """Count each council's growths, and give their mean and sum of squares, shape (council,)."""
    growth = known.growth
    held = ~np.isnan(growth)
    count = held.sum(axis=1).astype(float)
    filled = np.where(held, growth, 0.0)
    mean = filled.sum(axis=1) / np.maximum(count, 1)
    return count, mean, (filled**2).sum(axis=1)


def _require_growth(count: float, known: History) -> None:
    if not count:
        msg = (
            f"the history holds no growth by {known.years[-1]}: no two years in a row on one "
            "definition are known of any council"
        )
        raise MtfsError(msg)


def _walk(
    known: History,
    name: str,
    *,
    centre: Array | float,
    unsure: Array | float,
    sd: Array,
    horizon: int,
    n_draws: int,
    seed: int | None,
) -> xr.DataArray:
    """Draw random walks of the logarithm from each council's last known level.

    Parameters
    ----------
    known
        The history.
    name
        Names the streams.
    centre, unsure
        Mean and standard deviation of the drift a year, shape (council,) or one for all.
    sd
        Standard deviation of a year's step, shape (council,).
    """
    horizon, n_draws = require_count(horizon, "horizon"), require_count(n_draws, "n_draws")
    scores = RandomScores(fresh_seed() if seed is None else require_seed(seed), n_draws)
    held = known.known
    last = held.shape[1] - 1 - held[:, ::-1].argmax(axis=1)
    rows = np.arange(len(last))
    steps_before = held.shape[1] - 1 - last  # years that the walk took unseen
    steps = np.stack([_drawn(name, council, scores, horizon) for council in known.councils])
    steps[:, 0] *= np.sqrt(1 + steps_before)[:, None]
    paths = steps.cumsum(axis=1) * sd[:, None, None]
    once = np.stack([_drawn(f"{name} drift", each, scores, 1)[0] for each in known.councils])
    drifts = np.asarray(centre)[..., None] + np.asarray(unsure)[..., None] * once
    passed = steps_before[:, None] + np.arange(1, horizon + 1)
    paths += drifts[:, None] * passed[..., None]
    levels = known.levels[rows, last][:, None, None] * np.exp(paths)
    first = known.start + len(known.years)
    years = [year_label(first + lead) for lead in range(horizon)]
    return labelled(levels.swapaxes(1, 2), known.councils, years)


def _drawn(name: str, council: str, scores: RandomScores, rows: int) -> Array:
    return draw_scores([ShockSpec(name, council)], scores, rows)[name]


def labelled(levels: Array, councils: Sequence[str], years: Sequence[str]) -> xr.DataArray:
    """Name the dimensions of a forecast of shape (council, draw, year)."""
    coords = {"council": list(councils), "year": list(years)}
    return xr.DataArray(levels, coords, ("council", "draw", "year"))
