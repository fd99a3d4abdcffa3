"""Scenarios side by side: an interval each, in every year, with plans and published figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtfs.measures import in_unit
from mtfs.plot.fans import span
from mtfs.vocabulary import MtfsError, listing

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes

# Okabe and Ito (2008), Color Universal Design: told apart by the colour-blind too.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#f0e442")
_MARK = "#c0392b"
_GROUP = 0.8  # of the room between two years


def intervals(
    bands: xr.DataArray,
    *,
    planned: xr.DataArray | None = None,
    published: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw each scenario's interval in each year, side by side.

    Parameters
    ----------
    bands
        Dimensions ``(quantile, scenario, year)``, as :func:`mtfs.quantiles` gives them for a
        comparison: quantiles in rising order, in pairs round a middle one. The innermost pair is
        drawn widest.
    planned
        Dimensions ``(scenario, year)``: each plan's own table.
    published
        From :func:`mtfs.place_published`: drawn across the scenarios of its year.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    matplotlib.axes.Axes
        Money in GBP m.

    Raises
    ------
    MtfsError
        When the bands have other dimensions, the quantiles do not come in pairs, or a figure has
        another year.
    """
    import matplotlib.pyplot as plt

    if set(bands.dims) != {"quantile", "scenario", "year"}:
        found = ", ".join(map(str, bands.dims))
        msg = f"intervals need dimensions quantile, scenario and year; found {found}"
        raise MtfsError(msg)
    q = bands["quantile"].to_numpy()
    if len(q) < 3 or len(q) % 2 == 0 or not np.allclose(q + q[::-1], 1) or (np.diff(q) <= 0).any():  # noqa: PLR2004 - a pair and a middle
        msg = f"intervals need rising quantiles in pairs round 0.5; found {q.tolist()}"
        raise MtfsError(msg)
    bands = bands.transpose("quantile", "scenario", "year")
    values = bands.to_numpy() / 1e6
    names = [str(name) for name in bands["scenario"].to_numpy()]
    years = [str(year) for year in bands["year"].to_numpy()]
    axes = plt.subplots(figsize=(9, 4.8), layout="constrained")[1] if ax is None else ax
    axes.axhline(0, color="0.5", linewidth=0.8, zorder=0)
    step, pairs = _GROUP / len(names), len(q) // 2
    for number, name in enumerate(names):
        x = np.arange(len(years)) + (number - (len(names) - 1) / 2) * step
        colour = _COLOURS[number % len(_COLOURS)]
        for pair in range(pairs):
            inner = pair == pairs - 1
            low, high = values[pair, number], values[-1 - pair, number]
            axes.bar(
                x,
                high - low,
                step * (0.35 + 0.45 * (pair + 1) / pairs) * (1 if pairs > 1 else 0.9),
                low,
                color=colour,
                alpha=1.0 if inner else 0.35,
                linewidth=0,
                label=name if inner else None,
            )
        half = 0.36 * step
        axes.hlines(values[pairs, number], x - half, x + half, color="white", linewidth=2)
        if planned is not None:
            own = planned.sel(scenario=name).to_numpy() / 1e6
            axes.plot(x, own, "D", color="black", markerfacecolor="white", markersize=4.5,
                      label="plan" if number == len(names) - 1 else None)  # fmt: skip
    if published is not None:
        _mark(axes, published, years)
    axes.set_xticks(np.arange(len(years)), years)
    axes.set_xlim(-0.6, len(years) - (0.4 if published is None else -0.15))
    axes.use_sticky_edges = False
    axes.margins(y=0.05)
    axes.set_ylabel(f"{bands.attrs.get('long_name', bands.name)}, GBP m")
    said = [span(low, high) for low, high in zip(q[:pairs], q[::-1], strict=False)]
    axes.set_title(f"{' and '.join(said)} of draws; white: median", fontsize="small")
    axes.legend(frameon=False, fontsize="small", loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _mark(axes: Axes, published: pd.DataFrame, years: list[str]) -> None:
    """Draw published figures as lines across the scenarios of their years, with their names."""
    scale = in_unit(published.attrs.get("unit", "GBP m")) / 1e6
    half = _GROUP / 2 + 0.04
    rows = [(str(name), str(year)) for name, year in published.index.to_list()]
    if unknown := {year for _, year in rows} - set(years):
        msg = f"figures are published for {listing(unknown)}; the bands hold {', '.join(years)}"
        raise MtfsError(msg)
    for (name, year), amount in zip(rows, published["published"] * scale, strict=True):
        x = years.index(year)
        last = x == len(years) - 1  # beside it there is room
        axes.hlines(amount, x - half, x + half, color=_MARK, linewidth=1.3, linestyle="--")
        axes.annotate(
            f"{name}: {amount:.4g}",
            (x + half if last else x, amount),
            xytext=(4, 0) if last else (0, 3),
            textcoords="offset points",
            ha="left" if last else "center",
            va="center" if last else "bottom",
            fontsize="x-small",
            color=_MARK,
            bbox=None if last else {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1},
        )
