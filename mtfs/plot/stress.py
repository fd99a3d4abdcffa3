"""Reverse stress tests: how far drivers lie from where they usually do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtfs.vocabulary import MtfsError

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

_POINT = "#c0392b"
_BREACH = "#1f4e79"


def deviations(
    point: xr.DataArray,
    *,
    breach: xr.DataArray | None = None,
    most: int = 12,
    ax: Axes | None = None,
) -> Axes:
    """Draw where each driver stands at the nearest breaching point, and in breaching draws.

    Parameters
    ----------
    point
        Dimension ``driver``, standard deviations: ``span_deviation_point`` of
        :func:`mtfs.reverse_stress`, or ``deviation_point`` of one year. A bar each.
    breach
        The same of the mean among breaching draws: a dot each.
    most
        How many drivers are shown: those that are farthest at the point, the farthest on top.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    matplotlib.axes.Axes
        Standard deviations.

    Raises
    ------
    MtfsError
        When either has other dimensions.
    """
    import matplotlib.pyplot as plt

    for each in (point,) if breach is None else (point, breach):
        if each.dims != ("driver",):
            found = ", ".join(map(str, each.dims)) or "none"
            msg = f"deviations need the dimension driver; found {found}: choose a year, or the span"
            raise MtfsError(msg)
    order = np.argsort(-np.abs(point.to_numpy()), kind="stable")[:most][::-1]
    names = [str(point["driver"].to_numpy()[place]) for place in order]
    rows = np.arange(len(names))
    size = (8, 1.2 + 0.32 * len(names))
    axes = plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax
    axes.barh(
        rows, point.to_numpy()[order], height=0.6, color=_POINT, alpha=0.75, label="nearest breach"
    )
    if breach is not None:
        axes.plot(
            breach.sel(driver=names).to_numpy(),
            rows,
            linestyle="none",
            marker="o",
            color=_BREACH,
            label="mean of breaching draws",
        )
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.set_yticks(rows, names)
    axes.set_xlabel("standard deviations from where it usually is")
    axes.legend(frameon=False, loc="best", fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
    return axes
