"""Tornadoes: how far each driver alone swings the gap, widest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtfs.vocabulary import MtfsError, listing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_LOWER = "#1f4e79"
_HIGHER = "#c0392b"
_ROW = 0.28  # inches


def tornado(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw swings as bars round the base, in the order of the table from the top.

    Parameters
    ----------
    table
        As :func:`mtfs.tornado` gives it, or its first rows (``table.head(15)``): columns ``base``,
        ``low`` and ``high``.
    ax
        Where to draw; a new figure, as high as there are rows, unless given.

    Returns
    -------
    matplotlib.axes.Axes
        Money in the unit of the table; at each end of a bar, how far it lies from the base.

    Raises
    ------
    MtfsError
        When the table has no rows, or lacks a column.
    """
    import matplotlib.pyplot as plt

    if missing := {"base", "low", "high"} - set(table.columns):
        msg = f"a tornado needs columns base, low and high; {listing(missing)} is missing"
        raise MtfsError(msg)
    if table.empty:
        msg = "a tornado needs at least one row"
        raise MtfsError(msg)
    base = float(table["base"].iloc[0])
    low, high = table["low"].to_numpy(), table["high"].to_numpy()
    y = np.arange(len(table))
    if ax is None:
        size = (9, 1.2 + _ROW * len(table))
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    for ends, colour in ((np.minimum, _LOWER), (np.maximum, _HIGHER)):
        left, right = ends(low, base), ends(high, base)
        ax.barh(y, right - left, left=left, color=colour, alpha=0.75, height=0.7)
    for edges, side, gap in ((low, "right", -3), (high, "left", 3)):
        for row, end in zip(y, edges, strict=True):
            ax.annotate(
                f"{end - base:+.1f}",
                (end, row),
                xytext=(gap, 0),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize="x-small",
                color="0.35",
            )
    ax.axvline(base, color="0.2", linewidth=0.8)
    ax.set_yticks(y, [str(name) for name in table.index])
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.use_sticky_edges = False  # room for the labels at the ends
    ax.margins(x=0.08)
    said = table.attrs
    what = f"{said.get('variable', 'gap')} {said.get('year', '')}".replace("_", " ").strip()
    tail = 50 * (1 - said.get("prob", 0.8))
    ax.set_xlabel(
        f"{what}, {said.get('unit', 'GBP m')}: each alone from P{tail:g} to P{100 - tail:g}, "
        f"round {base:.1f}"
    )
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax
