"""Shares of a variance as horizontal bars, with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtfs.vocabulary import MtfsError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_COLOURS = ("#6d98c4", "#c5d5e6")
_DARK = "#12304d"
_HEIGHT = 0.7  # of the bars of one row
_LABELS = {
    "shapley": "Shapley effect",
    "total": "with its interactions (total)",
    "first_order": "alone (first order)",
}


def variance_bars(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw shares of the variance as bars, the first row on top, each with its interval.

    Parameters
    ----------
    table
        From :func:`mtfs.variance_table`, or its first rows: ``table.head(12)``.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    matplotlib.axes.Axes
        Shares in per cent; of Sobol indices two bars a row, the total above the first order.

    Raises
    ------
    MtfsError
        When the table has none of the columns of shares.
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import PercentFormatter

    shown = [name for name in _LABELS if name in table and f"{name}_low" in table]
    if not shown or not len(table):
        msg = "a plot of shares needs a table from mtfs.variance_table(), with at least one row"
        raise MtfsError(msg)
    size = (8, 1.4 + 0.32 * len(table))
    axes = plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax
    places = np.arange(len(table))
    for number, name in enumerate(shown):
        share, low, high = (table[f"{name}{end}"].to_numpy() for end in ("", "_low", "_high"))
        axes.barh(
            places + (number - (len(shown) - 1) / 2) * _HEIGHT / len(shown),
            share,
            height=_HEIGHT / len(shown),
            color=_COLOURS[number],
            label=_LABELS[name],
            # an interval of percentiles need not hold the estimate
            xerr=np.maximum([share - low, high - share], 0),
            error_kw={"ecolor": _DARK, "elinewidth": 1.2, "capsize": 2.5},
        )
    axes.set_yticks(places, [str(name) for name in table.index])
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.axvline(0, color="0.5", linewidth=0.8)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    variable = str(table.attrs.get("variable", "")).replace("_", " ")
    year = table.attrs.get("year", "")
    interval = f", {table.attrs['prob']:.0%} intervals" if "prob" in table.attrs else ""
    axes.set_xlabel(f"share of the variance of the {variable} in {year}{interval}")
    if len(shown) > 1:
        axes.legend(frameon=False, loc="lower right", fontsize="small")
    axes.spines[["top", "right", "left"]].set_visible(False)
    return axes
