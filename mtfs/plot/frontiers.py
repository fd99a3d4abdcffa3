"""What it takes: the curve of a goal seek, and the frontier between two levers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtfs.vocabulary import MtfsError, listing

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes

_COLOUR = "#1f4e79"
_TARGET = "#c0392b"
_GREY = "0.45"


def goal_curve(curve: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw what a target is about over the values of a lever, with the answer on it.

    Parameters
    ----------
    curve
        The ``curve`` of :class:`mtfs.GoalSeek`, with its attrs.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    matplotlib.axes.Axes
        A chance as a share from 0 to 1, money in GBP m; shaded, one standard error either way.

    Raises
    ------
    MtfsError
        When the table is no such curve.
    """
    _require(curve, ("value", "statistic", "se", "meets", "refused"))
    held = curve[curve["refused"].isna()]
    said = curve.attrs
    scale = 1e6 if said["unit"] == "GBP" else 1.0
    x, y = held["value"].to_numpy(), held["statistic"].to_numpy() / scale
    error = held["se"].to_numpy() / scale
    axes = _axes(ax)
    axes.fill_between(x, y - error, y + error, color=_COLOUR, alpha=0.25, linewidth=0)
    axes.plot(x, y, color=_COLOUR, linewidth=1.5, marker="o", markersize=3)
    axes.axhline(
        said["bound"] / scale, color=_TARGET, linewidth=1.2, linestyle="--", label=said["target"]
    )
    axes.axvline(said["current"], color=_GREY, linewidth=1, linestyle=":", label="the plan")
    if said["met"]:
        ends = np.array([said["value_low"], said["value_high"]])
        if not np.isnan(ends).any():
            axes.axvspan(*ends, color=_TARGET, alpha=0.15, linewidth=0)
    at = float(np.interp(said["value"], x, y))
    label = f"answer, {_short(said['value'])}" if said["met"] else "nearest; not met"
    axes.plot(
        [said["value"]],
        [at],
        linestyle="none",
        marker="D",
        markersize=7,
        color=_TARGET,
        markerfacecolor=_TARGET if said["met"] else "white",
        label=label,
    )
    axes.set_xlabel(said["lever"])
    axes.set_ylabel(said["statistic"] + (", GBP m" if scale > 1 else ""))
    _finish(axes)
    return axes


def frontier(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how much of one lever a target takes for each value of another.

    Parameters
    ----------
    table
        As :func:`mtfs.frontier` gives it, with its attrs.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    matplotlib.axes.Axes
        The levers in their own units; shaded, one standard error either way; crosses, where no
        value within the bounds meets the target.

    Raises
    ------
    MtfsError
        When the table is no such frontier.
    """
    _require(table, ("first", "second", "second_low", "second_high", "met"))
    said, axes = table.attrs, _axes(ax)
    met, missed = table[table["met"]], table[~table["met"]]
    x = table["first"].to_numpy()
    low, high, line = (
        table[name].where(table["met"]).to_numpy()
        for name in ("second_low", "second_high", "second")
    )
    axes.fill_between(x, low, high, color=_COLOUR, alpha=0.25, linewidth=0)
    axes.plot(x, line, color=_COLOUR, linewidth=1.8, marker="o", markersize=4)
    if len(met):
        axes.plot([], [], color=_COLOUR, linewidth=1.8, marker="o", label=said["target"])
    if len(missed):
        axes.plot(
            missed["first"],
            missed["second"],
            linestyle="none",
            marker="x",
            markersize=7,
            color=_TARGET,
            label="not met, even here",
        )
    axes.plot(
        [said["first_current"]],
        [said["second_current"]],
        linestyle="none",
        marker="*",
        markersize=11,
        color=_GREY,
        label="the plan",
    )
    axes.set_xlabel(said["first"])
    axes.set_ylabel(said["second"])
    _finish(axes)
    return axes


def _axes(ax: Axes | None) -> Axes:
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(8, 4.5), layout="constrained")[1] if ax is None else ax


def _require(table: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in table.columns]
    if missing or "target" not in table.attrs:
        found = listing(map(str, table.columns))
        msg = f"expected a table with {', '.join(columns)} and its attrs; found {found}"
        raise MtfsError(msg)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1e5 else f"{value:.4g}"  # noqa: PLR2004 - GBP 100,000


def _finish(axes: Axes) -> None:
    from matplotlib.ticker import EngFormatter

    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        if max(abs(low), abs(high)) >= 1e5:  # noqa: PLR2004 - GBP 100,000
            axis.set_major_formatter(EngFormatter(sep=""))
    axes.legend(frameon=False, loc="best", fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
