"""Backtests: coverage, skill and where in their forecasts outcomes fell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtfs.vocabulary import MtfsError, listing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_COLOURS = ("#1f4e79", "#c0392b", "#7f8c8d", "#2e8b57", "#8e44ad", "#d68910")
_MARKERS = {50: "s", 80: "o", 95: "^"}
_SPREAD = 0.08  # of neighbouring forecasters along the axis


def coverage(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of outcomes that intervals held, by lead or origin, beside what they say.

    Parameters
    ----------
    table
        From :func:`mtfs.verify.score_table` with ``by="lead"`` or ``"origin"``.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    matplotlib.axes.Axes
        Coverage in per cent with its intervals: a colour for each forecaster, a marker for each
        probability, and a dashed line where it should lie.

    Raises
    ------
    MtfsError
        When the table is another.
    """
    _require(table, "coverage_80")
    axes = _axes(ax)
    for prob, marker in _MARKERS.items():
        axes.axhline(prob / 100, color="0.6", linestyle="--", linewidth=0.8, zorder=0)
        _lines(axes, table, f"coverage_{prob}", marker=marker, named=prob == max(_MARKERS))
    axes.set_yticks([0, 0.25, *(prob / 100 for prob in _MARKERS)])
    axes.set_ylim(0, 1.02)
    return _finish(axes, table, "coverage of 50%, 80% and 95% intervals")


def skill(table: pd.DataFrame, against: str = "naive", *, ax: Axes | None = None) -> Axes:
    """Draw skill against a reference by lead or origin, with its intervals.

    Parameters
    ----------
    table
        From :func:`mtfs.verify.score_table` with ``by="lead"`` or ``"origin"``.
    against
        A reference of the backtest.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    matplotlib.axes.Axes
        Skill in per cent: above 0 is better than the reference.

    Raises
    ------
    MtfsError
        When the table is another, or has no such reference.
    """
    columns = [str(name) for name in table]
    held = [
        n.removeprefix("skill_") for n in columns if n[:6] == "skill_" and f"{n}_low" in columns
    ]
    if held and against not in held:
        msg = f"the table has no skill against '{against}'; it has: {listing(held)}"
        raise MtfsError(msg)
    _require(table, f"skill_{against}")
    axes = _axes(ax)
    others = table[table.index.get_level_values("forecaster") != against]
    axes.axhline(0, color="0.5", linewidth=0.8)
    _lines(axes, others, f"skill_{against}", marker="o")
    return _finish(axes, others, f"skill against {against.replace('_', ' ')}")


def pit(table: pd.DataFrame, forecaster: str, *, ax: Axes | None = None) -> Axes:
    """Draw where in one forecaster's forecasts outcomes fell: a histogram of the PIT.

    Parameters
    ----------
    table
        From :func:`mtfs.verify.pit_table`.
    forecaster
        Whose.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    matplotlib.axes.Axes
        Shares in per cent with their intervals, and the line at which honest forecasts lie.

    Raises
    ------
    MtfsError
        When the table is another, or has no such forecaster.
    """
    from matplotlib.ticker import PercentFormatter

    if not {"share", "share_low", "low", "high"} <= {*table.columns}:
        msg = "a plot of the PIT needs a table from mtfs.verify.pit_table()"
        raise MtfsError(msg)
    names = list(dict.fromkeys(table.index.get_level_values("forecaster")))
    if forecaster not in names:
        msg = f"the table has no forecaster '{forecaster}'; it has: {listing(names)}"
        raise MtfsError(msg)
    here = table.loc[forecaster]
    axes = _axes(ax)
    share, low, high = (here[name].to_numpy() for name in ("share", "share_low", "share_high"))
    axes.bar(
        here["low"],
        share,
        width=here["high"] - here["low"],
        align="edge",
        color="#c5d5e6",
        edgecolor="white",
        yerr=np.maximum([share - low, high - share], 0),
        error_kw={"ecolor": _COLOURS[0], "elinewidth": 1.2, "capsize": 2.5},
    )
    axes.axhline(1 / len(here), color=_COLOURS[1], linestyle="--", linewidth=1)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("share of the forecast that lies below the outcome")
    axes.set_ylabel("share of outcomes")
    axes.set_title(forecaster.replace("_", " "), fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _require(table: pd.DataFrame, column: str) -> None:
    by = table.index.names[0]
    if column not in table or by not in {"lead", "origin"}:
        msg = "expected a table from mtfs.verify.score_table(ds, by='lead') or by='origin'"
        raise MtfsError(msg)


def _axes(ax: Axes | None) -> Axes:
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(8, 4.5), layout="constrained")[1] if ax is None else ax


def _lines(
    axes: Axes, table: pd.DataFrame, column: str, *, marker: str, named: bool = True
) -> None:
    """Draw a line for each forecaster, with intervals, side by side."""
    names = list(dict.fromkeys(table.index.get_level_values("forecaster")))
    for number, name in enumerate(names):
        here = table.xs(name, level="forecaster")
        x = np.arange(len(here)) + (number - (len(names) - 1) / 2) * _SPREAD
        value, low, high = (here[f"{column}{end}"].to_numpy() for end in ("", "_low", "_high"))
        axes.errorbar(
            x,
            value,
            # an interval of percentiles need not hold the estimate
            yerr=np.maximum([value - low, high - value], 0),
            color=_COLOURS[number % len(_COLOURS)],
            marker=marker,
            markersize=4,
            linewidth=1.2,
            elinewidth=1,
            capsize=2,
            label=name.replace("_", " ") if named else None,
        )


def _finish(axes: Axes, table: pd.DataFrame, said: str) -> Axes:
    from matplotlib.ticker import PercentFormatter

    by = str(table.index.names[0])
    labels = list(dict.fromkeys(table.index.get_level_values(by)))
    axes.set_xticks(np.arange(len(labels)), [str(label) for label in labels])
    if by == "origin":
        axes.tick_params(axis="x", rotation=45)
    axes.set_xlabel("years ahead" if by == "lead" else "last year known")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    prob = table.attrs.get("prob")
    axes.set_ylabel(said + (f"\n(bars: {prob:.0%} intervals)" if prob else ""))
    axes.legend(frameon=False, fontsize="small", loc="best")
    axes.spines[["top", "right"]].set_visible(False)
    return axes
