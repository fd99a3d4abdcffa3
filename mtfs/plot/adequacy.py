"""Adequacy of reserves: the chance of surviving the plan's years against the opening balance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtfs.vocabulary import MtfsError

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

_COLOURS = ("#1f4e79", "#c0392b", "#2e8b57")
_STYLES = ("-", "--", "-.")


def survival(
    curves: xr.DataArray,
    *,
    opening: float | None = None,
    needed: xr.DataArray | None = None,
    level: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the chance that reserves last, by their opening balance, a line a closure policy.

    Parameters
    ----------
    curves
        Dimensions ``(closure, balance)``, shares: ``survival`` of :func:`mtfs.reserve_adequacy`.
    opening
        GBP, the plan's own opening balance: an upright line.
    needed
        Dimension ``closure``, GBP: what is needed under each policy, a dot at ``level``.
    level
        The share of draws meant to survive: a level line.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    matplotlib.axes.Axes
        Opening balance in GBP m, chance in percent.

    Raises
    ------
    MtfsError
        When the curves have other dimensions, or dots are wanted without a level.
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import PercentFormatter

    if set(curves.dims) != {"closure", "balance"}:
        found = ", ".join(map(str, curves.dims))
        msg = f"survival curves need dimensions closure and balance; found {found}"
        raise MtfsError(msg)
    if needed is not None and level is None:
        msg = "'needed' is drawn at the 'level' it was worked out for; give it too"
        raise MtfsError(msg)
    axes = plt.subplots(figsize=(8, 4.5), layout="constrained")[1] if ax is None else ax
    balances = curves["balance"].to_numpy() / 1e6
    for number, policy in enumerate(curves["closure"].to_numpy()):
        colour, style = _COLOURS[number % 3], _STYLES[number % 3]
        label = f"closure: {policy}"
        if needed is not None and level is not None:
            here = float(needed.sel(closure=policy)) / 1e6
            axes.plot([here], [level], marker="o", color=colour, linestyle="none", zorder=3)
            label += f", {level:.0%} needs {here:,.0f}m"
        axes.plot(
            balances,
            curves.sel(closure=policy).to_numpy(),
            color=colour,
            linestyle=style,
            linewidth=2,
            label=label,
        )
    if level is not None:
        axes.axhline(level, color="0.5", linewidth=0.8)
    if opening is not None:
        axes.axvline(opening / 1e6, color="0.3", linewidth=1.2, linestyle=":")
        axes.annotate(
            f"opening balance {opening / 1e6:,.0f}m",
            (opening / 1e6, 0.02),
            xytext=(4, 0),
            textcoords="offset points",
            fontsize="small",
            color="0.3",
        )
    axes.set_xlim(balances[0], balances[-1])
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("opening balance of usable reserves, GBP m")
    axes.set_ylabel("chance that reserves last to the end")
    axes.legend(frameon=False, loc="lower right", fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
    return axes
