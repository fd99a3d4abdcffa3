"""Backtests: coverage, skill and where in their forecasts outcomes fell."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from mtfs.vocabulary import MtfsError, listing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_COLOURS = ("#1f4e79", "#c0392b", "#7f8c8d", "#2e8b57", "#8e44ad", "#d68910")
_MARKERS = {50: "s", 80: "o", 95: "^"}
_WIDTH = 0.56  # of all forecasters side by side at one lead or origin
_LABELLED = 0.2  # of the x axis, kept free on its right for what was promised
_ROOM = 0.32  # of the y axis, kept free below the lowest bar for the legend
_LETTER = 3.7  # points that a letter of a small line takes


def coverage(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of outcomes that intervals held, by lead or origin, beside what they say.

    A figure of your own needs ``layout="constrained"`` to hold the note below the axes.

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
        probability, and a dashed line at what it promises. The table's note stands below.

    Raises
    ------
    MtfsError
        When the table is another.
    """
    _require(table, "coverage_80")
    axes = _axes(ax)
    colours = _colours(table)
    for prob, marker in _MARKERS.items():
        axes.axhline(prob / 100, color="0.6", linestyle="--", linewidth=0.8, zorder=0)
        axes.annotate(
            f"{prob}% promised",
            (1, prob / 100),
            xycoords=("axes fraction", "data"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="right",
            fontsize="small",
            color="0.35",
        )
        _points(axes, table, f"coverage_{prob}", colours, marker=marker)
    axes.set_yticks([0, 0.25, *(prob / 100 for prob in _MARKERS)])
    lows = table[[f"coverage_{prob}_low" for prob in _MARKERS]].to_numpy()
    axes.set_ylim(min(0.0, float(np.fmin.reduce(lows, axis=None)) - _ROOM), 1.03)
    axes.set_xlim(-0.5, len(table) / len(colours) / (1 - _LABELLED) - 0.5)
    _finish(axes, table, "outcomes that the intervals held")
    _legend(axes, colours)
    return axes


def skill(table: pd.DataFrame, against: str = "naive", *, ax: Axes | None = None) -> Axes:
    """Draw skill against a reference by lead or origin, with its intervals.

    By origin it is no course over time: of the last origins only few years ahead are known, and
    intervals are over councils only.

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
        Skill in per cent: above 0 is better than the reference. The table's note stands below.

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
    _points(axes, others, f"skill_{against}", _colours(table), marker="o")
    _finish(axes, others, f"skill against {against.replace('_', ' ')}, above 0 better")
    axes.legend(frameon=False, fontsize="small", loc="best")
    return axes


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
        Shares in per cent with their intervals, and the line at which honest forecasts lie. Below
        stands what the bars at either end hold.

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
    axes.axhline(
        1 / len(here), color=_COLOURS[1], linestyle="--", linewidth=1, label="even: honest"
    )
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("share of the forecast that lies below the outcome")
    axes.set_ylabel("share of outcomes" + _bootstrap(table, "lines"))
    axes.set_title(forecaster.replace("_", " "), fontsize="medium")
    axes.margins(y=0.15)
    axes.legend(frameon=False, fontsize="small", loc="upper right")
    axes.spines[["top", "right"]].set_visible(False)
    ends = (100 * here[name].iloc[place] for name, place in (("low", -1), ("high", 0)))
    _below(
        axes,
        "Last bar: outcomes above the forecast's P{:.3g}. First bar: below its P{:.3g}. "
        "Too many in both: the forecast was too narrow.".format(*ends),
    )
    return axes


def _require(table: pd.DataFrame, column: str) -> None:
    by = table.index.names[0]
    if column not in table or by not in {"lead", "origin"}:
        msg = "expected a table from mtfs.verify.score_table(ds, by='lead') or by='origin'"
        raise MtfsError(msg)


def _axes(ax: Axes | None) -> Axes:
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(8, 4.5), layout="constrained")[1] if ax is None else ax


def _colours(table: pd.DataFrame) -> dict[str, str]:
    """Give each forecaster its colour, the same in every plot of one backtest."""
    names = dict.fromkeys(table.index.get_level_values("forecaster"))
    return {str(name): _COLOURS[place % len(_COLOURS)] for place, name in enumerate(names)}


def _points(
    axes: Axes, table: pd.DataFrame, column: str, colours: dict[str, str], *, marker: str
) -> None:
    """Draw the points of each forecaster, with intervals, side by side."""
    names = list(dict.fromkeys(table.index.get_level_values("forecaster")))
    for number, name in enumerate(names):
        here = table.xs(name, level="forecaster")
        value, low, high = (here[f"{column}{end}"].to_numpy() for end in ("", "_low", "_high"))
        axes.errorbar(
            np.arange(len(here)) + ((number + 0.5) / len(names) - 0.5) * _WIDTH,
            value,
            # an interval of percentiles need not hold the estimate
            yerr=np.maximum([value - low, high - value], 0),
            color=colours[name],
            marker=marker,
            markersize=4.5,
            linestyle="none",  # a line would promise a course over leads or years
            elinewidth=1,
            capsize=2,
            label=name.replace("_", " "),
        )


def _legend(axes: Axes, colours: dict[str, str]) -> None:
    """Say beside each other which colour is whose and which marker is which interval."""
    from matplotlib.lines import Line2D

    whose = [
        Line2D([], [], color=colour, linewidth=3, label=name.replace("_", " "))
        for name, colour in colours.items()
    ]
    which = [
        Line2D([], [], color="0.35", linestyle="none", marker=marker, label=f"{prob}% interval")
        for prob, marker in reversed(_MARKERS.items())
    ]
    blank = [Line2D([], [], linestyle="none", label=" ")]  # so that each has a column
    longer = len(whose) - len(which)
    axes.legend(
        handles=[*whose, *blank * -longer, *which, *blank * longer],
        ncols=2,
        frameon=False,
        fontsize="small",
        loc="lower left",
    )


def _finish(axes: Axes, table: pd.DataFrame, said: str) -> None:
    """Put in the labels and, below, the table's note."""
    from matplotlib.ticker import PercentFormatter

    by = str(table.index.names[0])
    labels = list(dict.fromkeys(table.index.get_level_values(by)))
    axes.set_xticks(np.arange(len(labels)), [str(label) for label in labels])
    if by == "origin":
        axes.tick_params(axis="x", rotation=45)
    rests_on = {*table.filter(items=["scored", "not_scored"]).sum(axis=1)}
    what, how = {
        "lead": ("years ahead", "the more, the fewer origins"),
        "origin": ("last year known", "late ones: only few years ahead"),
    }[by]
    axes.set_xlabel(f"{what} ({how})" if len(rests_on) > 1 else what)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_ylabel(said + _bootstrap(table, "bars"))
    axes.spines[["top", "right"]].set_visible(False)
    _below(axes, str(table.attrs.get("note", "")))


def _bootstrap(table: pd.DataFrame, what: str) -> str:
    prob = table.attrs.get("prob")
    return f"\n({what}: bootstrap, {prob:.0%})" if prob else ""


def _below(axes: Axes, said: str) -> None:
    """Write a small line under the label of the x axis, as wide as the axes."""
    if not said:
        return
    width = axes.get_window_extent().width * 72 / axes.figure.dpi  # in points
    axes.annotate(
        textwrap.fill(said, max(int(width / _LETTER), 30)),
        (0, 0),
        xycoords=("axes fraction", axes.xaxis.label),
        xytext=(0, -4),
        textcoords="offset points",
        va="top",
        fontsize="x-small",
        color="0.35",
        annotation_clip=False,
    )
