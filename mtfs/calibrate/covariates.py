"""What else grew: covariates of a panel's growth, checked, in the past and in the years to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from mtfs.history import History
from mtfs.vocabulary import Array, MtfsError, listing, suggest


class Ahead:
    """Covariates' growth in the years to come."""

    def __init__(
        self, growth: Mapping[str, Array], fixed: Mapping[str, float], learnt: list[str]
    ) -> None:
        self.growth, self.fixed, self.learnt = growth, fixed, learnt

    def explained(self, council: int, coefficients: Array, draws: slice) -> Array:
        """Give the growth they bring a council, shape (year, draw), or (1, 1) without any.

        ``coefficients`` are those learnt, shape (draw, covariate).
        """
        found = np.zeros((1, 1))
        for name, growth in self.growth.items():
            own = growth[min(council, len(growth) - 1)]
            own = own if own.shape[1] == 1 else own[:, draws]
            times = (
                self.fixed[name] if name in self.fixed else coefficients[:, self.learnt.index(name)]
            )
            found = found + times * own
        return found


def covariate_growth(
    name: str, array: xr.DataArray, panel: History, years: Sequence[str], n_draws: int
) -> Array:
    """Check a covariate and give its growth.

    Parameters
    ----------
    name, array
        The covariate: levels above 0, dimensions ``year``, and ``council`` and ``draw`` where it
        differs by them.
    panel
        The history it goes with.
    years
        The years to come.
    n_draws
        Draws of the forecast.

    Returns
    -------
    Array
        Differences of logarithms, shape (council or 1, past and coming year, draw or 1). Growth
        that the history cannot use may be unknown: it is 0 there.

    Raises
    ------
    MtfsError
        When a council or year is absent, a level is not above 0, or the past differs by draw.
    """
    wanted = {"year": [*panel.years, *years], "council": list(panel.councils)}
    _require_shape(name, array, wanted, n_draws)
    full = array.sel({dim: labels for dim, labels in wanted.items() if dim in array.dims})
    full = full.expand_dims([dim for dim in ("council", "draw") if dim not in full.dims])
    levels = full.transpose("council", "year", "draw").to_numpy().astype(np.float64)
    first = len(panel.years)
    past = levels[:, :first]
    if levels.shape[2] > 1 and not np.array_equal(
        past, np.broadcast_to(past[:, :, :1], past.shape), equal_nan=True
    ):
        raise MtfsError(
            f"covariate '{name}' differs between draws in the history ({panel.years[0]} to "
            f"{panel.years[-1]}); the past is known: give every draw the same"
        )
    needed = np.ones(levels.shape[:2], dtype=bool)
    if "council" in array.dims:
        seen = np.isfinite(panel.growth)
        needed[:, :first] = np.pad(seen, ((0, 0), (0, 1))) | np.pad(seen, ((0, 0), (1, 0)))
        needed[:, first - 1] = True
    bad = needed & ~((levels > 0) & np.isfinite(levels)).all(axis=2)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        whose = f"council '{panel.councils[row]}' in " if "council" in array.dims else ""
        raise MtfsError(
            f"covariate '{name}' holds {levels[row, column].min():g} for {whose}"
            f"{wanted['year'][column]}; expected levels above 0"
        )
    growth: Array = np.diff(np.log(np.where(needed[:, :, None], levels, 1.0)), axis=1)
    growth *= (needed[:, 1:] & needed[:, :-1])[:, :, None]
    return growth


def _require_shape(
    name: str, array: xr.DataArray, wanted: Mapping[str, Sequence[str]], n_draws: int
) -> None:
    """Check dimensions and labels."""
    if not isinstance(array, xr.DataArray):
        raise MtfsError(
            f"covariate '{name}' is a {type(array).__name__}; expected an xarray.DataArray"
        )
    if "year" not in array.dims or not {"council", "draw", "year"}.issuperset(array.dims):
        raise MtfsError(
            f"covariate '{name}' has dimensions ({', '.join(map(str, array.dims))}); expected "
            "'year', and 'council' and 'draw' where it differs by them"
        )
    for dim, labels in wanted.items():
        if dim not in array.dims:
            continue
        held = array[dim].to_numpy().tolist() if dim in array.coords else []
        if absent := [label for label in labels if label not in held]:
            raise MtfsError(
                f"covariate '{name}' has no {dim} {listing(absent)}; it needs every {dim} of the "
                "history" + (" and of the forecast" if dim == "year" else "")
            )
        if len(set(held)) < len(held):
            raise MtfsError(f"covariate '{name}' holds a {dim} twice; give each once")
    if array.sizes.get("draw", n_draws) != n_draws:
        raise MtfsError(
            f"covariate '{name}' has {array.sizes['draw']} draws; the forecast has {n_draws}"
        )


def require_coefficients(coefficients: Mapping[str, float], grown: Mapping[str, Array]) -> None:
    """Check that coefficients are given to covariates, and are numbers."""
    for name, value in coefficients.items():
        if name not in grown:
            raise MtfsError(
                f"coefficients: there is no covariate '{name}'.{suggest(name, grown)} There are: "
                f"{listing(grown)}"
            )
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise MtfsError(f"coefficients: '{name}' is {value!r}; expected a number such as 1")
