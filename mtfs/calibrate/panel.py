"""Forecast many councils from their history, or one council from what many have shown."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import xarray as xr

from mtfs.calibrate.covariates import Ahead, covariate_growth, require_coefficients
from mtfs.calibrate.growth import (
    GrowthData,
    GrowthPosterior,
    NationalPaths,
    council_paths,
    fit_growth,
    national_paths,
)
from mtfs.calibrate.priors import ENGLAND, GrowthPrior
from mtfs.history import History, YearsOf
from mtfs.sampling import ShockSpec, fresh_seed, generator, require_seed
from mtfs.vocabulary import (
    BLOCK,
    MAX_HORIZON,
    VERSION,
    Array,
    MtfsError,
    listing,
    require_count,
    year_label,
    year_labels,
    year_start,
)

N_DRAWS = 1000
_CARRIED = ("units", "long_name", "source")  # attributes of the history that the forecast keeps
_NO_COVARIATES: Mapping[str, xr.DataArray] = MappingProxyType({})
_NOT_FIXED: Mapping[str, float] = MappingProxyType({})


def forecast_panel(
    history: xr.DataArray,
    *,
    horizon: int = 4,
    n_draws: int = N_DRAWS,
    seed: int | None = None,
    gaps: YearsOf | None = None,
    breaks: YearsOf | None = None,
    covariates: Mapping[str, xr.DataArray] = _NO_COVARIATES,
    coefficients: Mapping[str, float] = _NOT_FIXED,
    prior: GrowthPrior = ENGLAND,
) -> xr.DataArray:
    """Forecast levels of every council from the growth that all of them have had.

    Councils have ten to twenty years each: too few for a drift and a spread of their own. So both
    are learnt together (:mod:`mtfs.calibrate.growth`): a national drift that wanders, a national
    shock each year, a council's own growth with fat tails, whose spread falls with size and differs
    by council, and of which a share comes again. None of these is known, so each draw has its own.

    Parameters
    ----------
    history
        Levels above 0, dimensions ``(council, year)``, years such as ``"2024/25"`` without a hole
        between them; the last is known of every council. A council may start late (NaN before its
        first level); every other NaN is declared in ``gaps``. One council alone works too: it then
        rests much on ``prior``.
    horizon
        Years, at most 10.
    n_draws
        Joint outcomes. The first 100 of 1,000 are the 100.
    seed
        From 0 to 2**53 - 1; a fresh one is drawn and recorded unless given.
    gaps
        By council, the years without a level. Growth into and out of them teaches nothing.
    breaks
        By council, the years whose level does not compare with the year before (a new definition,
        a new boundary): growth into them teaches nothing.
    covariates
        By name, levels above 0 that growth goes with (children living there, a price index), for
        all years of the history and of the forecast; dimensions ``year``, and ``council`` and
        ``draw`` where they differ. Where a covariate works a year later, give each year the level
        of the year before.
    coefficients
        By covariate, its coefficient where that is known, such as 1 for growth per child; the
        others are learnt.
    prior
        What is believed before.

    Returns
    -------
    xarray.DataArray
        Levels, dimensions ``(council, draw, year)``, in the history's units. Draws are joint over
        councils. ``latest(council)`` is the last level known. ``attrs`` say the window, the method,
        what was learnt, breaks, gaps and seed.

    Raises
    ------
    MtfsError
        When the history or an argument is wrong; the message names council and year.

    Notes
    -----
    A logarithm with Student's t distribution has quantiles but, in theory, no mean of its level.
    At spreads of 6% this does not show in a mean of 10,000 draws; at 30% it would.

    Every council has its own stream of noise, and the nation one, keyed by name. What is learnt
    rests on all councils: adding one moves the others' draws a little, without noise of its own.
    Another horizon is another set of draws.

    Examples
    --------
    >>> import xarray as xr
    >>> years = ["2021/22", "2022/23", "2023/24", "2024/25"]
    >>> history = xr.DataArray(
    ...     [[400.0, 410, 425, 436], [800.0, 815, 840, 860]],
    ...     {"council": ["Hove", "Lewes"], "year": years},
    ...     ("council", "year"),
    ... )
    >>> levels = forecast_panel(history, horizon=2, n_draws=200, seed=1)
    >>> dict(levels.sizes), levels["year"].values.tolist()
    ({'council': 2, 'draw': 200, 'year': 2}, ['2025/26', '2026/27'])
    >>> bool((levels.sel(council="Lewes").median("draw") > 860).all())  # growth of 2.7% goes on
    True
    """
    if not isinstance(prior, GrowthPrior):
        raise MtfsError(f"prior is a {type(prior).__name__}; expected a GrowthPrior")
    if require_count(horizon, "horizon") > MAX_HORIZON:
        raise MtfsError(f"horizon is {horizon}; expected at most {MAX_HORIZON} years")
    n_draws = require_count(n_draws, "n_draws")
    seed = fresh_seed() if seed is None else require_seed(seed)
    panel = _by_name(History.of(history, gaps=gaps, breaks=breaks))
    years = year_labels(year_label(year_start(panel.years[-1]) + 1), horizon)
    given: Any = covariates
    if not isinstance(given, Mapping):
        msg = f"covariates is a {type(given).__name__}; expected arrays by name, {{'CPI': index}}"
        raise MtfsError(msg)
    grown = {
        name: covariate_growth(name, array, panel, years, n_draws)
        for name, array in covariates.items()
    }
    require_coefficients(coefficients, grown)

    n_past = len(panel.years) - 1
    learnt = [name for name in grown if name not in coefficients]
    growth = panel.growth
    shape = growth.shape
    past = {name: np.broadcast_to(each[:, :n_past, 0], shape) for name, each in grown.items()}
    data = GrowthData(
        growth=growth - sum(coefficients[name] * past[name] for name in coefficients),
        size=panel.levels[:, :-1],
        covariates=np.array([past[name] for name in learnt]).reshape(-1, *shape),
    )
    posterior = fit_growth(
        data, prior, generator(seed, ShockSpec("panel: what is learnt", "national"))
    )
    levels = _drawn(
        posterior,
        panel,
        Ahead({name: each[:, n_past:] for name, each in grown.items()}, coefficients, learnt),
        horizon=horizon,
        n_draws=n_draws,
        seed=seed,
    )
    names = [str(name) for name in history["council"].to_numpy()]
    order = [panel.councils.index(name) for name in names]
    return xr.DataArray(
        levels[order],
        coords={
            "council": names,
            "draw": np.arange(n_draws),
            "year": list(years),
            "lead": ("year", np.arange(1, horizon + 1)),
            "latest": ("council", panel.levels[order, -1]),
        },
        dims=("council", "draw", "year"),
        name=history.name,
        attrs={key: history.attrs[key] for key in _CARRIED if key in history.attrs}
        | {
            "method": "forecast_panel: national drift that wanders, shared shocks, councils' own "
            "growth with fat tails; posterior drawn",
            "window": f"{panel.years[0]} to {panel.years[-1]}",
            "n_councils": len(panel.councils),
            "gaps": _listed(panel.gaps),
            "breaks": _listed(panel.marked(panel.breaks)),
            "n_growths": int(np.isfinite(growth).sum()),
            "learnt": _in_words(posterior, learnt),
            "covariates": ", ".join(
                f"{name} (coefficient {coefficients[name]:g})" if name in coefficients else name
                for name in grown
            ),
            "prior": prior.model_dump_json(exclude_none=True),
            "seed": seed,
            "n_draws": n_draws,
            "mtfs_version": VERSION,
        },
    )


def _drawn(
    posterior: GrowthPosterior,
    panel: History,
    ahead: Ahead,
    *,
    horizon: int,
    n_draws: int,
    seed: int,
) -> Array:
    """Draw levels, shape (council, draw, year), block by block."""
    levels = np.empty((len(panel.councils), n_draws, horizon))
    sweeps = len(posterior.drift)
    for block in range(-(-n_draws // BLOCK)):
        draws = slice(block * BLOCK, min((block + 1) * BLOCK, n_draws))
        kept = draws.stop - draws.start
        # Neighbouring sweeps are alike: shuffled, any few draws are spread over all of them.
        rng = generator(seed, ShockSpec("panel: nation", "national"), block)
        rows = np.concatenate([rng.permutation(sweeps) for _ in range(-(-BLOCK // sweeps))])[:BLOCK]
        nation = national_paths(posterior, rows, horizon, rng)
        shared = NationalPaths(rows[:kept], nation.growth[:, :kept])
        for council, name in enumerate(panel.councils):
            explained = ahead.explained(council, posterior.coefficients[shared.rows], draws)
            path = council_paths(
                posterior,
                shared,
                council=council,
                size=float(panel.levels[council, -1]),
                explained=np.broadcast_to(explained, (horizon, kept)),
                rng=generator(seed, ShockSpec("panel: growth", name), block),
                weights=generator(seed, ShockSpec("panel: tails of growth", name), block),
            )
            levels[council, draws] = panel.levels[council, -1] * np.exp(path.T)
    return levels


def _by_name(panel: History) -> History:
    """Put councils in order of their names, so that the order they come in moves nothing.

    Raises
    ------
    MtfsError
        When a council's last level is not known, or no two levels in a row are.
    """
    if not (ends := panel.known[:, -1]).all():
        absent = [name for name, there in zip(panel.councils, ends, strict=True) if not there]
        msg = (
            f"{listing(absent)}: the level of {panel.years[-1]} is not known, and the forecast "
            "starts from it; leave them out, or end the history earlier"
        )
        raise MtfsError(msg)
    if not np.isfinite(panel.growth).any():
        msg = (
            f"the history of {listing(panel.councils)} holds no two levels in a row without a "
            "break; give at least one growth to learn from"
        )
        raise MtfsError(msg)
    order = sorted(range(len(panel.councils)), key=panel.councils.__getitem__)
    names = tuple(panel.councils[row] for row in order)
    return History(panel.levels[order], names, panel.years, panel.breaks[order])


def _listed(declared: YearsOf) -> str:
    """Write years by council in one line."""
    return "; ".join(f"{name}: {', '.join(years)}" for name, years in sorted(declared.items()))


def _in_words(posterior: GrowthPosterior, learnt: list[str]) -> str:
    """Say what was learnt, as posterior mean and standard deviation."""

    def each(what: str, drawn: Array) -> str:
        return f"{what} {drawn.mean():.3f} (sd {drawn.std():.3f})"

    parts = [
        each("national drift", posterior.drift),
        each("its yearly move", posterior.wander),
        each("national shock", posterior.shock),
        each("own spread at the median size", posterior.spread),
        each("share of its variance that falls with size", posterior.size_share),
        f"degrees of freedom {np.median(posterior.tails):.1f}",
        each("persistence", posterior.persistence),
    ]
    parts += [
        each(f"coefficient of {name}", posterior.coefficients[:, column])
        for column, name in enumerate(learnt)
    ]
    return "; ".join(parts)
