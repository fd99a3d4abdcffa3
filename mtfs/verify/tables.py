"""Reading a backtest: means of scores with their intervals, what failed, what was not scored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from mtfs.sampling import require_seed
from mtfs.verify.backtesting import SCORED, STATUSES
from mtfs.verify.resampling import Resamples, block_of
from mtfs.vocabulary import Array, MtfsError, listing, require_count, require_share, suggest

By = Literal["all", "lead", "origin", "council"]
_DIMS = ("origin", "lead", "council")
_N_BOOT = 1000  # Efron and Tibshirani 1993: about a thousand, for the ends of an interval
_HALF = 0.5


def score_table(
    ds: xr.Dataset,
    *,
    by: By = "all",
    prob: float = 0.95,
    block: int | None = None,
    n_boot: int = _N_BOOT,
    seed: int = 0,
) -> pd.DataFrame:
    """Average the scores of a backtest, with block-bootstrap intervals.

    Parameters
    ----------
    ds
        From :func:`mtfs.backtest`, or a part of one.
    by
        A row for each forecaster over all that is scored, or one for each ``"lead"``, ``"origin"``
        or ``"council"`` too.
    prob
        Of the intervals, from 0 to 1.
    block
        How many neighbouring origins are resampled together. Unless given, those whose forecasts
        share years: the number of leads for yearly origins, as errors h years ahead from origins
        less than h years apart overlap (by lead, that lead); and at most half of the origins.
    n_boot, seed
        How many resamples, and what fixes them.

    Returns
    -------
    pandas.DataFrame
        A row for each forecaster: ``crps``, ``bias`` (mean of outcome less median forecast: above 0
        where outcomes came higher), ``coverage_50``, ``_80`` and ``_95``, and ``skill_<reference>``
        (1 less the ratio of mean CRPS; above 0 is better than the reference), each with ``_low``
        and ``_high``; ``interval_score_50``, ``_80`` and ``_95``; ``scored`` and ``not_scored``,
        the forecasts of which outcomes are known and not, apart from those after the history. All
        forecasts that are scored count once, so councils and leads with more of them weigh more.
        ``attrs``: ``prob``, ``block``, ``blocks`` (how many stand beside one another), ``scale``
        and ``note``, which says where intervals are too narrow.

    Raises
    ------
    MtfsError
        When ``ds`` is no backtest, nothing in it is scored, or an argument is not as it should be.
    """
    _require(ds, by, prob, n_boot)
    groups = _Groups.of(ds, by)
    origins = [str(label) for label in ds["origin"].to_numpy()]
    blocks = [_length(block, origins, lead) for lead in groups.spans]
    metrics = dict(_metrics(ds))
    names = [str(name) for name in ds["forecaster"].to_numpy()]
    references = [str(n) for n in names if str(ds["role"].sel(forecaster=n).item()) == "reference"]
    found = []
    for place, label in enumerate(groups.labels):
        counted = groups.counted(place)
        resamples = Resamples.draw(
            *counted.shape,
            block=min(blocks[place], counted.shape[0]),
            n_boot=n_boot,
            seed=require_seed(seed),
        )
        found.append(
            _rows(
                groups,
                place,
                metrics,
                resamples=resamples,
                names=names,
                references=references,
                prob=prob,
            ).assign(scored=int(counted.sum()), not_scored=groups.lost(place))
        )
        found[-1].index = pd.MultiIndex.from_product([[label], names], names=[by, "forecaster"])
    table = pd.concat(found)
    if by == "all":
        table = table.droplevel(0)
    table.attrs = {
        "prob": prob,
        "block": max(blocks),
        "blocks": len(origins) / max(blocks),
        "scale": str(ds.attrs.get("scale", "")),
        "references": ", ".join(references),
        "note": _note(origins, max(blocks), int(ds["lead"].max()), by),
    }
    return table


def _length(block: int | None, origins: list[str], lead: int) -> int:
    """Give how many neighbouring origins are resampled together."""
    if block is None:
        return block_of(origins, lead)
    longest = max(len(origins), 1)
    if require_count(block, "block") > longest:
        msg = f"block is {block}; expected at most the number of origins, {longest}"
        raise MtfsError(msg)
    return block


_FEW_BLOCKS = 5  # a variance of five blocks is known within about 60%: sqrt(2 / 5)


def _note(origins: list[str], block: int, horizon: int, by: By) -> str:
    """Say where intervals are too narrow."""
    n = len(origins)
    if by == "origin" or n == 1:
        return (
            "Intervals are over councils only: of one origin nobody can say how another would have "
            "done, and years differ more than councils do."
        )
    if n / block < _FEW_BLOCKS or block < min(horizon, n):
        return (
            f"Intervals over {n} origins in blocks of {block} rest on {n / block:.1f} blocks that "
            "stand apart: they are too narrow, and a guide at best."
        )
    return ""


def _metrics(ds: xr.Dataset) -> Iterator[tuple[str, Array]]:
    """Give what is averaged, shape (forecaster, origin, lead, council)."""
    dims = ("forecaster", *_DIMS)
    for name, variable in (("crps", "crps"), ("bias", "error")):
        yield name, ds[variable].transpose(*dims).to_numpy()
    for name, variable in (("coverage", "inside"), ("interval_score", "interval_score")):
        for prob in ds["prob"].to_numpy():
            values = ds[variable].sel(prob=prob).transpose(*dims).to_numpy()
            yield f"{name}_{prob * 100:g}", values


@dataclass(frozen=True)
class _Groups:
    """What is averaged together: by row a set of origins and councils, its leads added up."""

    by: By
    labels: list[object]
    status: NDArray[np.str_]
    """shape (origin, lead, council)"""
    leads: list[int]

    @classmethod
    def of(cls, ds: xr.Dataset, by: By) -> _Groups:
        labels = ["all"] if by == "all" else list(ds[by].to_numpy().tolist())
        status = ds["status"].transpose(*_DIMS).to_numpy().astype(str)
        return cls(by, labels, status, [int(lead) for lead in ds["lead"].to_numpy()])

    @property
    def spans(self) -> list[int]:
        """How many years ahead each row's forecasts reach."""
        return self.leads if self.by == "lead" else [max(self.leads)] * len(self.labels)

    def part(self, values: NDArray[np.generic], place: int) -> NDArray[np.generic]:
        """Give one row's part of values (..., origin, lead, council)."""
        if self.by == "all":
            return values
        axis = values.ndim - len(_DIMS) + _DIMS.index(self.by)
        return values.take([place], axis=axis)

    def counted(self, place: int) -> NDArray[np.int_]:
        """Count what is scored by origin and council."""
        return np.asarray((self.part(self.status, place) == SCORED).sum(axis=-2))

    def lost(self, place: int) -> int:
        """Count what is not scored, apart from what lies after the history."""
        return int(np.isin(self.part(self.status, place), STATUSES[2:]).sum())


def _rows(
    groups: _Groups,
    place: int,
    metrics: dict[str, Array],
    *,
    resamples: Resamples,
    names: list[str],
    references: list[str],
    prob: float,
) -> pd.DataFrame:
    """Give one group's rows, a forecaster each."""
    counted = groups.counted(place).astype(float)
    whole = Resamples(*(np.ones((1, size)) for size in counted.shape))
    table = pd.DataFrame(index=names)
    ends = [(1 - prob) / 2, (1 + prob) / 2]
    crps: tuple[Array, Array] = (np.empty(0), np.empty(0))
    for name, values in metrics.items():
        summed = np.nansum(groups.part(values, place), axis=-2)  # over leads
        mean, spread = (each.means(summed, counted) for each in (whole, resamples))
        if name == "crps":
            crps = mean, spread
        _put(table, name, mean[:, 0], spread, ends)
    for name in references:
        row = names.index(name)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean, spread = (1 - each / each[row] for each in crps)
        _put(table, f"skill_{name}", mean[:, 0], spread, ends)
    columns = [str(name) for name in table]
    last = [name for name in columns if name.startswith("interval_score")]
    first = [name for name in columns if name not in last]
    return table[[*first, *(name for name in last if name[-1].isdigit())]]


def _put(table: pd.DataFrame, name: str, mean: Array, spread: Array, ends: list[float]) -> None:
    """Put in a column with the ends of its interval; missing where nothing is there to divide."""
    known = np.where(np.isfinite(spread), spread, np.nan)
    some = ~np.isnan(known).all(axis=1)
    limits = np.full((2, len(mean)), np.nan)
    if some.any():
        limits[:, some] = np.nanquantile(known[some], ends, axis=1)
    table[name], table[f"{name}_low"], table[f"{name}_high"] = mean, *limits


def failure_table(ds: xr.Dataset, *, prob: float = 0.8, least: float = _HALF) -> pd.DataFrame:
    """Show each origin and lead, and where every method failed.

    Parameters
    ----------
    ds
        From :func:`mtfs.backtest`.
    prob
        Of the intervals: 0.5, 0.8 or 0.95.
    least
        A method failed where its interval held less than this share of the councils' outcomes. A
        half unless given: councils share their years, so an honest interval of 80% holds more of
        them in one year and fewer in another, and less than half in few (a judgement).

    Returns
    -------
    pandas.DataFrame
        A row for each origin and lead of which outcomes are known: ``target``, the year forecast;
        ``councils``, how many; ``all_failed``; ``best``, the forecaster of least mean CRPS, and
        ``best_crps``; ``coverage`` and ``bias`` of every forecaster (``coverage naive``), the bias
        being outcome less median forecast.

    Raises
    ------
    MtfsError
        When ``ds`` is no backtest or has no such intervals.
    """
    _require(ds, "all", require_share(prob, "prob"), 1)
    require_share(least, "least")
    known = ds["prob"].to_numpy()
    if not np.isclose(known, prob).any():
        msg = f"prob is {prob:g}; the backtest has intervals of {listing(f'{p:g}' for p in known)}"
        raise MtfsError(msg)
    counts = (ds["status"] == SCORED).sum("council")
    inside = ds["inside"].sel(prob=prob, method="nearest")
    means = {"crps": ds["crps"], "coverage": inside, "bias": ds["error"]}
    names = [str(name) for name in ds["forecaster"].to_numpy()]
    rows = []
    for origin in ds["origin"].to_numpy():
        for lead in ds["lead"].to_numpy():
            here = {"origin": origin, "lead": lead}
            if not (councils := int(counts.sel(here))):
                continue
            found = {k: v.sel(here).mean("council").to_numpy() for k, v in means.items()}
            best = int(found["crps"].argmin())
            rows.append(
                {
                    "origin": str(origin),
                    "lead": int(lead),
                    "target": str(ds["target"].sel(here).item()),
                    "councils": councils,
                    "all_failed": bool((found["coverage"] < least).all()),
                    "best": names[best],
                    "best_crps": float(found["crps"][best]),
                    **{
                        f"{what} {name}": float(value)
                        for what in ("coverage", "bias")
                        for name, value in zip(names, found[what], strict=True)
                    },
                }
            )
    return pd.DataFrame(rows).set_index(["origin", "lead"])


def pit_table(
    ds: xr.Dataset,
    *,
    bins: int = 10,
    prob: float = 0.95,
    block: int | None = None,
    n_boot: int = _N_BOOT,
    seed: int = 0,
) -> pd.DataFrame:
    """Count where in its forecast each outcome fell: a histogram of the PIT, with intervals.

    Parameters
    ----------
    ds
        From :func:`mtfs.backtest`, or a part of one.
    bins
        How many bins of equal width from 0 to 1.
    prob, block, n_boot, seed
        As for :func:`score_table`.

    Returns
    -------
    pandas.DataFrame
        By forecaster and bin: ``low`` and ``high`` ends of the bin, ``share`` of the outcomes in it
        with ``share_low`` and ``share_high``. Honest forecasts have the same share in every bin; a
        U is too narrow, a hump too wide, a slope biased.

    Raises
    ------
    MtfsError
        When ``ds`` is no backtest, nothing in it is scored, or an argument is not as it should be.
    """
    _require(ds, "all", prob, n_boot)
    require_count(bins, "bins")
    groups = _Groups.of(ds, "all")
    origins = [str(label) for label in ds["origin"].to_numpy()]
    length = _length(block, origins, max(groups.leads))
    counted = groups.counted(0)
    whole = Resamples(*(np.ones((1, size)) for size in counted.shape))
    resamples = Resamples.draw(
        *counted.shape,
        block=min(length, len(origins)),
        n_boot=n_boot,
        seed=require_seed(seed),
    )
    pit = ds["pit"].transpose("forecaster", *_DIMS).to_numpy()
    places = np.minimum(np.nan_to_num(pit * bins, nan=-1.0).astype(int), bins - 1)
    hits = np.stack([(places == b) & ~np.isnan(pit) for b in range(bins)], 1).sum(axis=-2)
    flat = hits.reshape(-1, *counted.shape).astype(float)
    names = [str(name) for name in ds["forecaster"].to_numpy()]
    index = pd.MultiIndex.from_product([names, range(1, bins + 1)], names=["forecaster", "bin"])
    table = pd.DataFrame(index=index)
    table["low"] = np.tile(np.arange(bins) / bins, len(names))
    table["high"] = np.tile(np.arange(1, bins + 1) / bins, len(names))
    ends = [(1 - prob) / 2, (1 + prob) / 2]
    weights = counted.astype(float)
    _put(table, "share", whole.means(flat, weights)[:, 0], resamples.means(flat, weights), ends)
    table.attrs = {
        "prob": prob,
        "block": length,
        "blocks": len(origins) / length,
        "note": _note(origins, length, int(ds["lead"].max()), "all"),
    }
    return table


def status_table(ds: xr.Dataset, *, by: By = "origin") -> pd.DataFrame:
    """Count what is scored and why the rest is not.

    Parameters
    ----------
    ds
        From :func:`mtfs.backtest`.
    by
        A row for each ``"origin"``, ``"lead"`` or ``"council"``, or one for ``"all"``.

    Returns
    -------
    pandas.DataFrame
        Numbers of councils, origins and leads: ``scored``, ``after the history``, ``outcome
        missing``, ``across a break``, ``not open yet``, ``not known at the origin``.

    Raises
    ------
    MtfsError
        When ``ds`` is no backtest.
    """
    _require(ds, by, _HALF, 1, scored=False)
    groups = _Groups.of(ds, by)
    rows = [
        {each: int((groups.part(groups.status, place) == each).sum()) for each in STATUSES}
        for place in range(len(groups.labels))
    ]
    return pd.DataFrame(rows, index=pd.Index(groups.labels, name=by))


def _require(ds: object, by: str, prob: float, n_boot: int, *, scored: bool = True) -> None:
    needed = {"crps", "error", "inside", "interval_score", "pit", "status"}
    if not isinstance(ds, xr.Dataset) or not needed <= {*ds.data_vars}:
        msg = "expected a Dataset from mtfs.backtest(), with its scores and their status"
        raise MtfsError(msg)
    if lost := [dim for dim in ("forecaster", *_DIMS) if dim not in ds.dims]:
        msg = (
            f"the backtest has lost its dimension '{lost[0]}'; take a part of it with a list, as "
            f"in ds.isel({lost[0]}=[0])"
        )
        raise MtfsError(msg)
    if by not in get_args(By):
        msg = f"by is {by!r}; expected {listing(get_args(By))}.{suggest(str(by), get_args(By))}"
        raise MtfsError(msg)
    require_share(prob, "prob", open_ends=True)
    require_count(n_boot, "n_boot")
    if scored and not (ds["status"] == SCORED).any():
        msg = "no outcome of the backtest is scored; mtfs.verify.status_table(ds) says why"
        raise MtfsError(msg)
