"""Waterfalls: from where a bridge starts to the gap, a bar a step, with the interval of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtfs.vocabulary import MtfsError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_WIDENS = "#c0392b"
_CLOSES = "#2e7d4f"
_TOTAL = "#6f96bd"
_INCHES = 0.28  # a bar
_NEEDED = ("mean", "P10", "P90")


def waterfall(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw a bridge as bars from its start down to the gap, each from where the last one ended.

    Bars and the figures beside them are means, which add up. The whisker on a bar is the interval
    from P10 to P90 of that step alone (on the last bar, of the gap); intervals do not add up. A
    diamond is the council's own figure, measured from where the bar starts.

    Parameters
    ----------
    table
        From :func:`mtfs.bridge_table`: the first row is the start, the last the gap.
    ax
        Where to draw; a new figure, as high as it needs to be, unless given.

    Returns
    -------
    matplotlib.axes.Axes
        Money in the unit of the table, a row a step from top to bottom.

    Raises
    ------
    MtfsError
        When the table is not that of a bridge.
    """
    import matplotlib.pyplot as plt

    if not set(_NEEDED) <= set(table.columns) or len(table) < 2:  # noqa: PLR2004 - a start and an end
        msg = (
            f"expected a table from mtfs.bridge_table(), with {', '.join(_NEEDED)}; found "
            f"{len(table)} rows of {', '.join(map(str, table.columns))}"
        )
        raise MtfsError(msg)
    if ax is None:
        size = (9.0, 1.3 + _INCHES * len(table))
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    mean, low, high = (table[name].to_numpy() for name in _NEEDED)
    total = np.isin(np.arange(len(table)), (0, len(table) - 1))
    start = np.concatenate([[0.0], np.cumsum(mean[:-1])])
    start[total] = 0.0
    y = np.arange(len(table))
    kinds = (
        ("widens the gap", _WIDENS, ~total & (mean >= 0)),
        ("closes it", _CLOSES, ~total & (mean < 0)),
        ("", _TOTAL, total),
    )
    for label, colour, here in kinds:
        ax.barh(y[here], mean[here], left=start[here], color=colour, height=0.7, label=label)
    ends = start + mean
    for row in range(len(table) - 1):
        ax.plot([ends[row]] * 2, [row, row + 1], color="0.6", linewidth=0.7, zorder=0)
    ax.hlines(y, start + low, start + high, color="0.2", linewidth=1.1, label="P10 to P90")
    for edge in (start + low, start + high):
        ax.vlines(edge, y - 0.16, y + 0.16, color="0.2", linewidth=1.1)
    if "plan" in table and table["plan"].iloc[1:-1].any():
        own = start + table["plan"].to_numpy()
        ax.plot(own, y, "D", color="white", markeredgecolor="0.1", markersize=4, label="plan")
    beyond = np.max([start, ends, start + high], axis=0)
    for row, (value, x) in enumerate(zip(mean, beyond, strict=True)):
        text = f"{round(value, 1) + 0.0:{',.1f' if total[row] else '+,.1f'}}"
        ax.annotate(text, (x, row), (5, 0), textcoords="offset points", va="center", fontsize=8)
    ax.axvline(0, color="0.5", linewidth=0.8)
    ax.set_yticks(y, [str(name) for name in table.index])
    for tick, whole in zip(ax.get_yticklabels(), total, strict=True):
        tick.set_fontweight("bold" if whole else "normal")
    ax.set_ylim(len(table) - 0.4, -0.6)
    least = min(0.0, start.min(), (start + low).min())
    span = max(beyond.max() - least, np.finfo(float).tiny)
    ax.set_xlim(least - 0.02 * span, beyond.max() + 0.09 * span)  # room for the figures
    ax.tick_params(axis="y", length=0, labelsize="small")
    ax.set_xlabel(str(table.attrs.get("unit", "")))
    said = [str(table.attrs[name]) for name in ("council", "year") if name in table.attrs]
    ax.set_title(", ".join(said), loc="left", fontsize="medium")
    handles = [h for h in ax.get_legend_handles_labels()[0] if h.get_label()]
    ax.legend(handles=handles, frameon=False, fontsize="small", loc="best")
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax
