"""From the months so far to the year's outturn: ``forecast_outturn(monitoring)``.

How far an outturn may end from a month's forecast is :mod:`mtfs.belief`'s; here services are drawn
together, what is still to be secured arrives or does not, and their sum is the council's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from mtfs.belief import CORRELATION, PRIOR, Belief, learnt, months_left
from mtfs.measures import Unit, figures, in_unit
from mtfs.monitoring import TOTAL, Monitoring, PastYear, Service
from mtfs.sampling import RandomScores, ShockSpec, draw_scores, fresh_seed, require_seed
from mtfs.vocabulary import VERSION, Array, MtfsError, require_count, require_share
from mtfs.waterfall import MONTHS, Step, require_month, weakest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

COMMON = "outturn.common"
OVER = "positive is an overspend"


def forecast_outturn(
    monitoring: Monitoring | Mapping[str, Any],
    *,
    period: int | None = None,
    history: Iterable[PastYear | Mapping[str, Any]] | None = None,
    correlation: float = CORRELATION,
    n_draws: int = 10_000,
    seed: int | None = None,
) -> xr.Dataset:
    """Forecast the distribution of the year's outturn from the months so far.

    Parameters
    ----------
    monitoring
        The document, or a mapping with its keys.
    period
        Use what was known in this month, 1 (April) to 12 (March): each service's latest forecast at
        or before it, and no outturn. Unless given, everything the document holds: an outturn where
        there is one, which then is certain, else the latest forecast.
    history
        Earlier years, in place of the document's own ``history``. Each service learns from its own:
        one forecast a year, that of the month nearest to the one in use.
    correlation
        Of two services' errors (their normal scores), from 0 to below 1.
    n_draws
        Joint outcomes, at least 1.
    seed
        From 0 to 2**53 - 1; a fresh one is drawn and recorded unless given.

    Returns
    -------
    xarray.Dataset
        GBP over budget. ``outturn_variance`` (service, draw), ``total_variance`` (draw), which sums
        over the document's services and adds back support from outside them (attribute
        ``support_added_back``); ``forecast_variance``, ``budget``, ``bias``, ``slope``,
        ``error_sd`` and ``degrees_of_freedom`` (service): means of the parameters at the month in
        use, bias in GBP; coordinates ``period`` (0 for an outturn), ``basis`` and ``past_years``.
        The attribute ``period`` is the month asked for or, unless given, the latest in use: 0
        where every service has its outturn. ``left_unsecured`` is what a council's own waterfall
        is still to secure in a month that not every service is at, GBP; it is not taken off.

    Raises
    ------
    PlanError
        When a mapping is not a monitoring document.
    MtfsError
        When a service has no budget or no forecast by then, or another argument is wrong.

    Notes
    -----
    What a waterfall holds as still to be secured is taken off where its forecast is the net one,
    each step by its own share delivered. The prior is centred on no bias, so it holds no such
    savings; where a council's own history was forecast net of the same kind of savings, or the
    forecast counts on them, write ``counted: true`` and they are not taken off again.

    Examples
    --------
    >>> roads = {"name": "roads", "budget": 10e6, "forecasts": [{"period": 6, "variance": -0.2e6}]}
    >>> ds = forecast_outturn({"council": "A", "year": "2026/27", "services": [roads]}, seed=1)
    >>> bool(-0.25e6 < ds["outturn_variance"].mean() < -0.15e6)
    True
    """
    held = (
        monitoring if isinstance(monitoring, Monitoring) else Monitoring.model_validate(monitoring)
    )
    if history is not None:
        past = [each.model_dump() if isinstance(each, PastYear) else each for each in history]
        held = Monitoring.model_validate(held.model_dump(exclude_none=True) | {"history": past})
    if period is not None:
        period = require_month(period)
    require_share(correlation, "correlation")
    if correlation == 1:
        raise MtfsError("correlation is 1; expected a share below 1")
    seed = fresh_seed() if seed is None else require_seed(seed)
    known = [_state(held, each, period) for each in held.services]
    whole = _council_steps(held, known)
    steps = [step for each in known for step in each.steps] + whole
    shocks = [
        *(ShockSpec(f"{each.service.name}.outturn", "council", once=True) for each in known),
        *(ShockSpec(step.stream, "council", once=True) for step in steps),
        ShockSpec(COMMON, "council", once=True),
    ]
    n = require_count(n_draws, "n_draws")
    scores = draw_scores(shocks, RandomScores(seed, n), 1)
    outturn = np.stack([each.draws(scores, correlation, n) for each in known])
    back = math.fsum(
        step.amount
        for each in known
        for step in held.outside_support(each.service.name, each.period or MONTHS)
    )
    total = outturn.sum(axis=0) + back
    for late in whole:
        total = total - late.draws(scores)
    attrs = {
        "title": f"{held.council}: distribution of the outturn of {held.year}",
        "council": held.council,
        "year": held.year,
        "period": max(each.period for each in known) if period is None else period,
        "sampler": "random",
        "seed": seed,
        "n_draws": n,
        "correlation": float(correlation),
        "basis": weakest([each.basis for each in known]),
        "prior": PRIOR,
        "support_added_back": float(back),
        "left_unsecured": _left_out(held, known),
        "monitoring": held.to_json(),
        "mtfs_version": VERSION,
    }
    return _dataset(known, outturn, total, attrs)


@dataclass(frozen=True)
class _Late:
    """A step that may still be secured, with the stream of its delivery."""

    stream: str
    step: Step

    def draws(self, scores: Mapping[str, Array]) -> Array:
        """Give what arrives, GBP, shape (draw,)."""
        return self.step.amount * self.step.outcome.distribution.value(scores[self.stream])


@dataclass(frozen=True)
class _State:
    """What is known of one service at the month in use; period 0 is its outturn."""

    service: Service
    period: int
    variance: float
    basis: Any
    budget: float
    belief: Belief
    steps: tuple[_Late, ...]

    def draws(self, scores: Mapping[str, Array], correlation: float, n_draws: int) -> Array:
        """Give the outturn variance, GBP, shape (draw,)."""
        if self.period == 0:
            return np.full(n_draws, self.variance)
        score = math.sqrt(1 - correlation) * scores[f"{self.service.name}.outturn"]
        score += math.sqrt(correlation) * scores[COMMON]
        share = self.belief.outturn(self.variance / self.budget, self.period)
        found = self.budget * share.value(score)
        for late in self.steps:
            found -= late.draws(scores)
        return found


def _state(held: Monitoring, service: Service, period: int | None) -> _State:
    if period is None and service.outturn is not None:
        return _State(
            service,
            0,
            service.outturn.variance,
            service.outturn.basis,
            service.budget or math.nan,
            Belief.prior(service.scope),
            (),
        )
    latest = service.latest(period or MONTHS)
    if latest is None:
        msg = f"'{service.name}' has no forecast at or before period {period or MONTHS}"
        raise MtfsError(msg)
    if service.budget is None:
        msg = (
            f"'{service.name}' has no 'budget'; how far its outturn may end from a forecast is "
            "stated as a share of it, so give GBP of net budget"
        )
        raise MtfsError(msg)
    belief = learnt(held.history, service, latest.period)
    steps = tuple(
        _Late(f"{fall.name}.{step.name}.delivery", step)
        for fall in held.waterfalls
        if fall.service == service.name and fall.period == latest.period
        for step in fall.waiting
        if not step.counted
    )
    basis = weakest([latest.basis, service.budget_basis])
    return _State(service, latest.period, latest.variance, basis, service.budget, belief, steps)


def _council_steps(held: Monitoring, known: Sequence[_State]) -> list[_Late]:
    """List what the whole council is still to secure at the month that every service is at."""
    return [
        _Late(f"{fall.name}.{step.name}.delivery", step)
        for fall in held.waterfalls
        if fall.service is None and all(each.period == fall.period for each in known)
        for step in fall.waiting
        if not step.counted
    ]


def _left_out(held: Monitoring, known: Sequence[_State]) -> float:
    """Sum what the council is still to secure in months that not every service is at, GBP."""
    return math.fsum(
        step.amount
        for fall in held.waterfalls
        if fall.service is None and any(each.period != fall.period for each in known)
        for step in fall.waiting
        if not step.counted
    )


def _dataset(
    known: Sequence[_State], outturn: Array, total: Array, attrs: Mapping[str, Any]
) -> xr.Dataset:
    money = {"units": "GBP", "sign": OVER}
    left = np.array([months_left(each.period) if each.period else 0.0 for each in known])
    alpha, delta = np.array([each.belief.mean for each in known]).T
    budget = np.array([each.budget for each in known])
    df = np.array([each.belief.df for each in known])
    # sigma squared is inverse gamma: its mean is scale squared x df / (df - 2)
    sigma = np.array([each.belief.scale for each in known]) * np.sqrt(df / (df - 2))
    by_service: dict[str, tuple[Array, str, dict[str, str]]] = {
        "forecast_variance": (
            np.array([each.variance for each in known]),
            "variance in the latest forecast in use",
            money,
        ),
        "budget": (budget, "net budget", {"units": "GBP"}),
        "bias": (np.where(left > 0, alpha * left * budget, 0.0), "expected bias", money),
        "slope": (1 + delta * left, "expected slope on the forecast variance", {"units": "1"}),
        "error_sd": (
            np.where(left > 0, sigma * left * budget, 0.0),
            "standard deviation of the error, given bias and slope",
            {"units": "GBP"},
        ),
        "degrees_of_freedom": (df, "equivalent observations behind the spread", {"units": "1"}),
    }
    data: dict[str, Any] = {
        "outturn_variance": (
            ("service", "draw"),
            outturn,
            {"long_name": "outturn over budget", **money},
        ),
        "total_variance": (
            ("draw",),
            total,
            {"long_name": "outturn over budget, all services of the document", **money},
        ),
    }
    for name, (values, words, said) in by_service.items():
        data[name] = (("service",), values, {"long_name": words, **said})
    coords = {
        "service": np.array([each.service.name for each in known]),
        "draw": np.arange(len(total)),
        "period": ("service", np.array([each.period for each in known])),
        "basis": ("service", np.array([str(each.basis) for each in known])),
        "past_years": ("service", np.array([each.belief.years for each in known])),
    }
    return xr.Dataset(data, coords=coords, attrs=dict(attrs))


def outturn_table(ds: xr.Dataset, *, unit: Unit = "GBP m") -> pd.DataFrame:
    """Tabulate a forecast of the outturn: forecast, mean, quantiles, chance of an overspend.

    Parameters
    ----------
    ds
        From :func:`mtfs.forecast_outturn`.
    unit
        Unit of the money shown.

    Returns
    -------
    pandas.DataFrame
        A row a service, then ``total``; columns ``forecast`` (the latest in use), ``mean``,
        ``P10``, ``P50``, ``P90``, each but the forecast with its Monte Carlo standard error
        (``mean_se`` ...) in ``unit``, ``overspends`` with ``overspends_se``, the share of draws
        over budget, ``period`` (0 for an outturn) and ``basis``. The total's forecast has outside
        support added back.

    Raises
    ------
    MtfsError
        When ``ds`` is not such a forecast.
    """
    if (
        not isinstance(ds, xr.Dataset)
        or "outturn_variance" not in ds
        or "monitoring" not in ds.attrs
    ):
        msg = "expected a Dataset from mtfs.forecast_outturn()"
        raise MtfsError(msg)
    draws = np.vstack([ds["outturn_variance"].to_numpy(), ds["total_variance"].to_numpy()])
    n = draws.shape[1]
    forecast = ds["forecast_variance"].to_numpy()
    both = np.append(forecast, forecast.sum() + ds.attrs["support_added_back"])
    columns: dict[str, Any] = {"forecast": both / in_unit(unit), **figures(draws, 1, unit)}
    over = (draws > 0).mean(axis=1)
    columns["overspends"] = over
    columns["overspends_se"] = np.sqrt(over * (1 - over) / n)
    columns["period"] = [*ds["period"].to_numpy().tolist(), int(ds["period"].max())]
    columns["basis"] = [*ds["basis"].to_numpy().astype(str).tolist(), ds.attrs["basis"]]
    names = [*ds["service"].to_numpy().astype(str).tolist(), TOTAL]
    table = pd.DataFrame(columns, index=pd.Index(names, name="service"))
    table.attrs = {"unit": unit}
    return table
