"""Fans: quantile bands over the years, with the plan beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtfs.vocabulary import MtfsError

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

_COLOUR = "#1f4e79"
_PLAN = "#c0392b"


def fan(
    bands: xr.DataArray, *, planned: xr.DataArray | None = None, ax: Axes | None = None
) -> Axes:
    """Draw quantile bands as nested shading, the median as a line and the plan beside them.

    Parameters
    ----------
    bands
        Dimensions ``(quantile, year)``, as :func:`mtfs.quantiles` gives them: quantiles in rising
        order, in pairs round the middle one.
    planned
        Dimension ``year``: the council's own table.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    matplotlib.axes.Axes
        Money in GBP m.

    Raises
    ------
    MtfsError
        When the bands have other dimensions, or the quantiles do not come in pairs.
    """
    import matplotlib.pyplot as plt

    if set(bands.dims) != {"quantile", "year"}:
        msg = f"a fan needs dimensions quantile and year; found {', '.join(map(str, bands.dims))}"
        raise MtfsError(msg)
    bands = bands.transpose("quantile", "year")
    q = bands["quantile"].to_numpy()
    if len(q) < 2 or not np.allclose(q + q[::-1], 1) or (np.diff(q) <= 0).any():  # noqa: PLR2004 - a pair
        msg = f"a fan needs rising quantiles in pairs such as 0.1 and 0.9; found {q.tolist()}"
        raise MtfsError(msg)
    money = str(bands.attrs.get("units", "")) == "GBP"
    values = bands.to_numpy() / (1e6 if money else 1.0)
    years = [str(year) for year in bands["year"].to_numpy()]
    x = np.arange(len(years))
    axes = plt.subplots(figsize=(8, 4.5), layout="constrained")[1] if ax is None else ax
    pairs = len(q) // 2
    for number in range(pairs):
        label = span(q[number], q[-1 - number])
        shade = 0.18 + 0.42 * number / max(pairs - 1, 1)
        axes.fill_between(
            x,
            values[number],
            values[-1 - number],
            color=_COLOUR,
            alpha=shade,
            linewidth=0,
            label=label,
        )
    if len(q) % 2:
        axes.plot(x, values[pairs], color=_COLOUR, linewidth=2, label="median")
    if planned is not None:
        own = planned.to_numpy() / (1e6 if money else 1.0)
        axes.plot(x, own, color=_PLAN, linewidth=1.5, linestyle="--", marker="o", label="plan")
    axes.axhline(0, color="0.5", linewidth=0.8)
    axes.set_xticks(x, years)
    axes.set_xlim(x[0] - 0.25, x[-1] + 0.25)
    unit = "GBP m" if money else str(bands.attrs.get("units", ""))
    axes.set_ylabel(f"{bands.attrs.get('long_name', bands.name)}, {unit}")
    axes.legend(frameon=False, loc="best", fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def span(low: float, high: float) -> str:
    """Write two quantiles as they are: 2.5% to 97.5%."""
    return f"{100 * low:.3g}% to {100 * high:.3g}%"
