"""Rolling origin: forecast again from every year with what was known then, and score it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mtfs.history import LEAST, History, YearsOf
from mtfs.sampling import ShockSpec, block_keys, fresh_seed, require_seed
from mtfs.verify.references import REFERENCES
from mtfs.verify.scoring import PROBS, QUANTILES, Scores, library, score_draws
from mtfs.vocabulary import (
    VERSION,
    Array,
    MtfsError,
    listing,
    require_count,
    suggest,
    year_label,
    year_labels,
    year_start,
)

Forecaster: TypeAlias = Callable[..., xr.DataArray]
"""``forecaster(history, *, horizon, n_draws, seed, gaps, breaks)`` gives (council, draw, year)"""
Scale = Literal["log", "level"]

SCORED = "scored"
BEYOND = "after the history"
MISSING = "outcome missing"
ACROSS = "across a break"
CLOSED = "not open yet"
UNKNOWN = "not known at the origin"
STATUSES = (SCORED, BEYOND, MISSING, ACROSS, CLOSED, UNKNOWN)
"""what can be said of a council, origin and lead"""

_PASSED = ("horizon", "n_draws", "seed", "gaps", "breaks")
_FEWEST = 40  # draws: one in forty lies beyond each end of a 95% interval
_SEED_SHIFT = np.uint64(11)  # of 64 bits, 53 are a seed


def backtest(
    history: xr.DataArray,
    forecaster: Forecaster | Mapping[str, Forecaster],
    *,
    origins: Sequence[str],
    horizon: int = 4,
    reference: Sequence[str | Forecaster] | Mapping[str, Forecaster] = ("naive", "drift"),
    n_draws: int = 1000,
    seed: int | None = None,
    scale: Scale = "log",
    gaps: YearsOf | None = None,
    breaks: YearsOf | None = None,
) -> xr.Dataset:
    """Forecast from each origin with what was known then, and score what came.

    Parameters
    ----------
    history
        Levels above 0, dimensions ``council`` and ``year``. It is taken as it is known today: of
        figures that were revised after an origin, the revised ones.
    forecaster
        A callable, or several by name: ``forecaster(history, *, horizon, n_draws, seed, gaps,
        breaks)`` gives levels with dimensions ``(council, draw, year)``, the years those after the
        history's last. ``history`` ends with the origin and holds the councils whose level is known
        there, and another before. Of the keywords it is given those that it takes, by name; it has
        to take ``horizon``, and ``gaps`` or ``breaks`` where the history has any by the origin. A
        forecast without ``draw`` is a point forecast.
    origins
        Years such as ``"2015/16"``: the last year known to each forecast.
    horizon
        Years ahead of each origin.
    reference
        What skill is measured against: ``"naive"``, ``"drift"`` and ``"national_drift"`` (see
        :mod:`mtfs.verify.references`), any callable, or callables by name.
    n_draws, seed
        How many draws each forecaster is asked for, 40 or more, as an interval of 95% has no ends
        with fewer; and what fixes them: every origin has a seed of its own, the same for all
        forecasters. A fresh seed unless given.
    scale
        On which draws and outcomes are compared: logarithms, where an error of 0.1 is about 10% for
        every council, or levels, where large councils count most.
    gaps, breaks
        Years by council, as :meth:`mtfs.history.History.of` takes them.

    Returns
    -------
    xarray.Dataset
        Dimensions ``(forecaster, origin, lead, council)``, on the scale: ``crps``; ``error``, the
        outcome less the forecast's median; ``pit``, the share of the forecast below the outcome;
        ``interval_score`` and ``inside`` (1 where the interval held the outcome, 0 where not), also
        with ``prob`` (0.5, 0.8, 0.95). In levels: ``quantiles`` with ``quantile``, and ``outcome``
        ``(origin, lead, council)``. ``status`` ``(origin, lead, council)`` says what is scored and
        why the rest is not: the outcome lies after the history, is missing, or lies across a break
        from the origin; or the council had not opened, or its level at the origin is not known.
        What is not scored is missing. Coordinates: ``role(forecaster)`` is "forecaster" or
        "reference", ``target(origin, lead)`` the year forecast. Scores are by scoringrules (see
        :func:`mtfs.verify.scoring.score_draws`).

    Raises
    ------
    MtfsError
        When the history cannot be used, an origin lies outside it or leaves nothing to score, two
        forecasters share a name, or a forecaster gives anything but numbers for every council, draw
        and year it was asked for: with forecaster and origin.

    Examples
    --------
    >>> import xarray as xr
    >>> held = xr.DataArray(
    ...     [[100.0, 110.0, 100.0, 110.0, 120.0]],
    ...     {"council": ["Anyshire"], "year": [f"20{y}/{y + 1}" for y in range(20, 25)]},
    ... )
    >>> def last(history, *, horizon):  # a point forecast: the last level
    ...     years = ["2024/25"]
    ...     return xr.DataArray(
    ...         history.values[:, -1:], {"council": history.council, "year": years},
    ...         ("council", "year"),
    ...     )
    >>> found = backtest(
    ...     held, last, origins=["2023/24"], horizon=1, reference=["naive"], scale="level", seed=1
    ... )
    >>> found["crps"].sel(forecaster="last").values.ravel()
    array([10.])
    """
    library()
    known = History.of(history, gaps=gaps, breaks=breaks)
    require_count(n_draws, "n_draws", least=_FEWEST)
    if scale not in get_args(Scale):
        msg = f"scale is {scale!r}; expected 'log' or 'level'"
        raise MtfsError(msg)
    require_count(horizon, "horizon")
    starts = _origins(origins, known)
    named = _named(forecaster, reference)
    seed = fresh_seed() if seed is None else require_seed(seed)
    status, outcome = _outcomes(known, starts, horizon)
    blank = _Blank((len(named), len(starts), horizon, len(known.councils)))
    for place, start in enumerate(starts):
        then = known.until(known.years[start])
        rows = [known.councils.index(name) for name in then.councils]
        task = _Task(then, horizon, n_draws, _seed(seed, then.years[-1]))
        # what is not scored is missing
        seen = np.where(status[place] == SCORED, outcome[place], np.nan)[:, rows].T
        for number, (name, call) in enumerate(named.items()):
            draws = task.ask(name, call)
            if scale == "log":
                scored = score_draws(np.log(task.above_nothing(name, draws)), np.log(seen))
            else:
                scored = score_draws(draws, seen)
            blank.write((number, place), rows, scored)
    data = blank.dataset(scale)
    data["outcome"] = (("origin", "lead", "council"), outcome)
    data["status"] = (("origin", "lead", "council"), status)
    years = [[year_label(known.start + s + h) for h in range(1, horizon + 1)] for s in starts]
    n_references = len(named) - _count(forecaster)
    roles = ["forecaster"] * _count(forecaster) + ["reference"] * n_references
    return data.assign_coords(
        forecaster=list(named),
        role=("forecaster", roles),
        origin=[known.years[start] for start in starts],
        lead=np.arange(1, horizon + 1),
        target=(("origin", "lead"), years),
        council=list(known.councils),
        prob=list(PROBS),
        quantile=list(QUANTILES),
    ).assign_attrs(
        scale=scale, n_draws=n_draws, seed=seed, version=VERSION, scores=_library_version()
    )


def _library_version() -> str:
    return f"scoringrules {library().__version__}"


def _count(forecaster: Forecaster | Mapping[str, Forecaster]) -> int:
    return len(forecaster) if isinstance(forecaster, Mapping) else 1


def _seed(seed: int, origin: str) -> int:
    """Give an origin a seed of its own."""
    return int(block_keys(seed, ShockSpec(origin, "backtest"), 1)[0, 0] >> _SEED_SHIFT)


def _origins(origins: Sequence[str], known: History) -> list[int]:
    """Find the origins' places among the years, in order."""
    given: Any = origins
    if isinstance(given, str) or not isinstance(given, Sequence | np.ndarray) or not len(given):
        msg = f"origins is {origins!r}; expected a list of years, such as ['{known.years[-2]}']"
        raise MtfsError(msg)
    labels = [str(label) for label in origins]
    if twice := {label for label in labels if labels.count(label) > 1}:
        msg = f"origins: {listing(twice)}: given twice"
        raise MtfsError(msg)
    for label in labels:
        year_start(label)
        if label not in known.years:
            msg = (
                f"origin {label} is not a year of the history, which runs from {known.years[0]} "
                f"to {known.years[-1]}"
            )
            raise MtfsError(msg)
        if not known.until(label).councils:
            msg = (
                f"origin {label}: no council has {LEAST} known levels by then, so nothing can be "
                "forecast; start later"
            )
            raise MtfsError(msg)
    starts = sorted(known.years.index(label) for label in labels)
    for start in starts:
        if start + 1 >= len(known.years):
            msg = (
                f"origin {known.years[start]} is the history's last year: nothing after it is "
                "known, so its forecasts cannot be scored"
            )
            raise MtfsError(msg)
    return starts


def _named(
    forecaster: Forecaster | Mapping[str, Forecaster],
    reference: Sequence[str | Forecaster] | Mapping[str, Forecaster],
) -> dict[str, Forecaster]:
    """Give forecasters and references their names, forecasters first."""
    held = list(forecaster.items()) if isinstance(forecaster, Mapping) else [forecaster]
    given: Any = reference
    if callable(given) or isinstance(given, str) or not isinstance(given, Iterable):
        msg = f"reference is {reference!r}; expected a list, such as ['naive', 'drift']"
        raise MtfsError(msg)
    more = list(reference.items()) if isinstance(reference, Mapping) else list(reference)
    found: dict[str, Forecaster] = {}
    for each in (*held, *more):
        name, call = each if isinstance(each, tuple) else _by_name(each)
        if not callable(call):
            msg = (
                f"forecaster '{name}' is a {type(call).__name__}; expected a callable "
                "forecaster(history, *, horizon, n_draws, seed)"
            )
            raise MtfsError(msg)
        if name in found:
            msg = f"two forecasters are called '{name}'; name them: {{'mine': forecaster, ...}}"
            raise MtfsError(msg)
        _accepted(name, call)
        found[name] = call
    if not held:
        msg = "no forecaster is given; expected a callable, or several by name"
        raise MtfsError(msg)
    return found


def _by_name(each: object) -> tuple[str, Forecaster]:
    if isinstance(each, str):
        if each not in REFERENCES:
            msg = (
                f"no reference is called '{each}'.{suggest(each, REFERENCES)} There is: "
                f"{listing(REFERENCES)}; or give a callable"
            )
            raise MtfsError(msg)
        return each, REFERENCES[each]
    if not callable(each):
        msg = (
            f"found a {type(each).__name__} as a forecaster; expected a callable "
            "forecaster(history, *, horizon, n_draws, seed)"
        )
        raise MtfsError(msg)
    inner = getattr(each, "func", each)  # of a functools.partial
    return str(getattr(inner, "__name__", type(inner).__name__)), each


def _accepted(name: str, call: Forecaster) -> set[str]:
    """Find which of the keywords a forecaster takes."""
    try:
        parameters = inspect.signature(call).parameters
    except (TypeError, ValueError):  # of some callables nothing is known
        return set(_PASSED)
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return set(_PASSED)
    found = {key for key in _PASSED if key in parameters}
    if "horizon" not in found:
        msg = (
            f"forecaster '{name}' takes {listing(parameters)}; expected forecaster(history, *, "
            "horizon, ...), and n_draws, seed, gaps and breaks where it uses them"
        )
        raise MtfsError(msg)
    return found


def _outcomes(
    known: History, starts: Sequence[int], horizon: int
) -> tuple[NDArray[np.str_], Array]:
    """Say what can be scored, and give the outcomes; shape (origin, lead, council).

    An outcome is across a break when one lies after the origin.
    """
    n_years, n_councils = len(known.years), len(known.councils)
    passed = known.breaks.cumsum(axis=1)
    status = np.full((len(starts), horizon, n_councils), BEYOND, f"<U{max(map(len, STATUSES))}")
    outcome = np.full(status.shape, np.nan)
    for place, start in enumerate(starts):
        there = known.known[:, start]
        closed = known.known[:, : start + 1].sum(axis=1) < LEAST
        for lead in range(min(horizon, n_years - 1 - start)):
            year = start + 1 + lead
            outcome[place, lead] = known.levels[:, year]
            here = np.where(known.known[:, year], SCORED, MISSING)
            here = np.where(passed[:, year] > passed[:, start], ACROSS, here)
            status[place, lead] = np.where(closed, CLOSED, np.where(there, here, UNKNOWN))
    return status, outcome


@dataclass(frozen=True)
class _Task:
    """What every forecaster is asked at one origin."""

    known: History
    horizon: int
    n_draws: int
    seed: int

    def ask(self, name: str, call: Forecaster) -> Array:
        """Give a forecaster's levels, shape (council, lead, draw)."""
        takes = _accepted(name, call)
        told = {"gaps": self.known.gaps, "breaks": self.known.marked(self.known.breaks)}
        for what, held in told.items():
            if held and what not in takes:
                msg = (
                    f"{self._where(name)}: the history has {what} (of {listing(held)}), and the "
                    f"forecaster takes no '{what}'; let it take them, even if only to leave them "
                    "aside, or leave these councils out of the history"
                )
                raise MtfsError(msg)
        given = {"horizon": self.horizon, "n_draws": self.n_draws, "seed": self.seed, **told}
        asked = {key: given[key] for key in _PASSED if key in takes}
        try:
            answer = call(self.known.as_array(), **asked)
        except Exception as error:
            error.add_note(f"{self._where(name)}: raised while it was asked to forecast")
            raise
        return self._checked(name, answer)

    def above_nothing(self, name: str, draws: Array) -> Array:
        """Return levels when all are above 0."""
        if (wrong := draws <= 0).any():
            council = self.known.councils[int(np.argwhere(wrong)[0][0])]
            msg = (
                f"{self._where(name)}: {council}: {int(wrong.sum())} levels drawn are 0 or below, "
                "which have no logarithm; forecast levels above 0, or score with scale='level'"
            )
            raise MtfsError(msg)
        return draws

    def _where(self, name: str) -> str:
        return f"forecaster '{name}', origin {self.known.years[-1]}"

    def _checked(self, name: str, answer: object) -> Array:
        """Return a forecast's levels when it is one, shape (council, lead, draw)."""
        if not isinstance(answer, xr.DataArray):
            msg = (
                f"{self._where(name)}: gave a {type(answer).__name__}; expected an "
                "xarray.DataArray with dimensions council, draw and year"
            )
            raise MtfsError(msg)
        if "draw" not in answer.dims:
            answer = answer.expand_dims("draw")
        if set(answer.dims) != {"council", "draw", "year"} or not answer.sizes["draw"]:
            msg = (
                f"{self._where(name)}: gave dimensions {answer.dims} with "
                f"{answer.sizes.get('draw')} draws; expected council, draw and year, with a draw"
            )
            raise MtfsError(msg)
        first = year_label(self.known.start + len(self.known.years))
        years = list(year_labels(first, self.horizon))
        for dim, wanted in (("council", list(self.known.councils)), ("year", years)):
            found = [str(label) for label in answer[dim].to_numpy()] if dim in answer.coords else []
            if sorted(found) != sorted(wanted):
                odd = set(found) ^ set(wanted) or set(found)
                msg = (
                    f"{self._where(name)}: gave {len(found)} {dim} labels, where {len(wanted)} "
                    f"were asked for; they differ in {listing(odd)}"
                )
                raise MtfsError(msg)
            answer = answer.assign_coords({dim: found}).sel({dim: wanted})
        levels = answer.transpose("council", "year", "draw").to_numpy().astype(float)
        if (wrong := ~np.isfinite(levels)).any():
            council, year, _ = np.argwhere(wrong)[0]
            msg = (
                f"{self._where(name)}: {int(wrong.sum())} values are no numbers, the first of "
                f"{self.known.councils[council]}, {years[year]}; every forecaster has to forecast "
                "every council it is given, or scores would be of different councils"
            )
            raise MtfsError(msg)
        return levels


class _Blank:
    """The arrays of scores, missing until they are written."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._arrays = {
            name: np.full((*shape, *more), np.nan)
            for name, more in (
                ("crps", ()),
                ("error", ()),
                ("pit", ()),
                ("interval_score", (len(PROBS),)),
                ("inside", (len(PROBS),)),
                ("quantiles", (len(QUANTILES),)),
            )
        }

    def write(self, place: tuple[int, int], rows: Sequence[int], scores: Scores) -> None:
        """Put in the scores of some councils, of shape (council, lead, ...)."""
        for name, array in self._arrays.items():
            array[place][:, rows] = getattr(scores, name).swapaxes(0, 1)

    def dataset(self, scale: Scale) -> xr.Dataset:
        """Name the dimensions."""
        unit = "natural logarithm" if scale == "log" else "as the history"
        if scale == "log":
            self._arrays["quantiles"] = np.exp(self._arrays["quantiles"])
        dims = ("forecaster", "origin", "lead", "council")
        said = {
            "crps": ("continuous ranked probability score", unit),
            "error": ("outcome less the forecast's median", unit),
            "pit": ("share of the forecast below the outcome", "1"),
            "interval_score": ("interval score", unit),
            "inside": ("whether the interval held the outcome", "1"),
            "quantiles": ("quantiles of the forecast", "as the history"),
        }
        return xr.Dataset(
            {
                name: (
                    (*dims, *{"quantiles": ("quantile",)}.get(name, ("prob",)))[: array.ndim],
                    array,
                    {"long_name": said[name][0], "units": said[name][1]},
                )
                for name, array in self._arrays.items()
            }
        )
