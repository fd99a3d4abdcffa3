"""Tables of people in care: the distribution of a simulated flow, by placement, age or in all."""

from __future__ import annotations

from typing import Literal, get_args

import pandas as pd
import xarray as xr

from mtfs.measures import figures
from mtfs.vocabulary import MtfsError, suggest

By = Literal["placement", "age", "group", "all"]
_STATES = ("group", "age", "placement")


def people_table(
    ds: xr.Dataset,
    *,
    by: By = "placement",
    variable: str = "people",
    planned: xr.Dataset | None = None,
) -> pd.DataFrame:
    """Tabulate the people of a simulated flow by year.

    Parameters
    ----------
    ds
        What :func:`mtfs.flows.simulate` gives.
    by
        ``"placement"``, ``"age"``, ``"group"`` or ``"all"`` of them together.
    variable
        ``"people"`` (the year's average), ``"people_year_end"``, ``"entries"``, ``"exits"`` or
        ``"turned_18"``.
    planned
        What :func:`mtfs.flows.expected_people` gives, for a column of its own.

    Returns
    -------
    pandas.DataFrame
        Rows by ``year`` and what ``by`` says; people. Columns ``expected`` (where ``planned`` is
        given), ``mean``, ``P10``, ``P50`` and ``P90``, each with its Monte Carlo standard error
        ``_se``. Rows of means add up; those of quantiles do not.

    Raises
    ------
    MtfsError
        When ``ds`` is no simulated flow, or an argument is wrong.
    """
    if by not in get_args(By):
        msg = f"by is {by!r}; expected {', '.join(map(repr, get_args(By)))}"
        raise MtfsError(msg)
    known = [str(name) for name in ds.data_vars if set(_STATES) <= set(ds[name].dims)]
    if variable not in known or "draw" not in ds.dims:
        msg = (
            f"found no '{variable}' by {', '.join(_STATES)} and draw.{suggest(variable, known)} "
            "Expected what mtfs.flows.simulate gives"
        )
        raise MtfsError(msg)
    kept = [] if by == "all" else [by]
    found = ds[variable].sum([dim for dim in _STATES if dim not in kept], skipna=False)
    found = found.transpose("year", *kept, "draw")
    columns = {name: each.ravel() for name, each in figures(found.to_numpy(), -1, "GBP").items()}
    if planned is not None:
        expected = planned[variable].sum([dim for dim in _STATES if dim not in kept], skipna=False)
        expected = expected.sel({dim: found[dim] for dim in ("year", *kept)})
        columns = {"expected": expected.transpose("year", *kept).to_numpy().ravel(), **columns}
    index = pd.MultiIndex.from_product([list(found[dim].values) for dim in ("year", *kept)])
    index.names = ["year", *kept]
    table = pd.DataFrame(columns, index=index if kept else index.get_level_values(0))
    table.attrs["unit"] = "people"
    return table
