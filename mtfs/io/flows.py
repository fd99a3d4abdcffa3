"""Saving fitted flows to NetCDF and loading them, without loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from mtfs.flows.model import FlowModel
from mtfs.flows.states import YEAR_DAYS
from mtfs.io.results import beside, read_netcdf
from mtfs.vocabulary import VERSION, MtfsError, PlanError

if TYPE_CHECKING:
    import os

_STATE = ("group", "age", "placement")


def save_flow(model: FlowModel, path: str | os.PathLike[str]) -> Path:
    """Save a fitted flow to NetCDF; the file appears only when it is complete.

    Its variables are for people to read: mean rates, mean entries, who is in care and the average
    number of children. The attribute ``model`` holds the whole model as JSON, of which
    :func:`load_flow` makes it again, and ``digest`` its hash.

    Parameters
    ----------
    model
        From :func:`mtfs.flows.fit`. It holds ages and placements of single children: keep the file
        within the council.
    path
        The file to write, usually ``.nc``; an old one is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    MtfsError
        When the folder does not exist.
    """
    target = Path(path)
    with beside(target) as fresh:
        _readable(model).to_netcdf(fresh, engine="h5netcdf")
    return target


def load_flow(path: str | os.PathLike[str]) -> FlowModel:
    """Load a fitted flow from NetCDF, as it was saved.

    Raises
    ------
    MtfsError
        When the file does not exist, is not a fitted flow, or does not hold what was saved.
    PlanError
        When the model it holds is not one this version can use.
    """
    source = Path(path)
    attrs = read_netcdf(source).attrs
    if "model" not in attrs:
        hint = "; it holds a projection: mtfs.io.load_gap loads it" if "plan" in attrs else ""
        msg = f"{source}: is not a fitted flow: expected the attribute 'model'{hint}"
        raise MtfsError(msg)
    try:
        model = FlowModel.model_validate(json.loads(attrs["model"]))
    except json.JSONDecodeError as error:
        msg = f"{source}: the attribute 'model' is not JSON: {error}"
        raise MtfsError(msg) from None
    except PlanError as error:
        raise PlanError(error.problems, f"{source}: the flow") from None
    if model.digest != attrs.get("digest"):
        msg = f"{source}: the attribute 'model' is not what was saved: its digest differs"
        raise MtfsError(msg)
    return model


def _readable(model: FlowModel) -> xr.Dataset:
    """Lay out what people ask for first."""
    grouping, rates, arrivals = model.grouping, model.rates.mean(), model.arrivals.mean()
    edges = np.array(grouping.ages[1:-1]) * YEAR_DAYS
    age = np.searchsorted(edges, np.array(model.census.age_days, float), side="right")
    now = np.zeros(model.average.shape)
    where = (np.array(model.census.group, int), age, np.array(model.census.placement, int))
    np.add.at(now, where, 1)
    people, a_year = {"units": "people"}, {"units": "1/year"}
    return xr.Dataset(
        {
            "in_care": (_STATE, now, people | {"long_name": f"in care on {model.as_of}"}),
            "average": (
                _STATE,
                model.average.array,
                people | {"long_name": "average number in care over the last year"},
            ),
            "entry_level": (
                _STATE[:2],
                arrivals.level[..., 0],
                {"units": "people/year", "long_name": "mean entries into care"},
            ),
            "first_placement": (
                _STATE,
                arrivals.placements[..., 0],
                {"units": "1", "long_name": "mean share of entries first placed there"},
            ),
            "exit_rate": (
                (*_STATE, "duration"),
                rates.exits[..., 0],
                a_year | {"long_name": "mean rate of leaving care before 18"},
            ),
            "move_rate": (
                (*_STATE, "duration", "destination"),
                rates.moves[..., 0],
                a_year | {"long_name": "mean rate of moves between placements"},
            ),
        },
        coords={
            "group": list(model.groups),
            "age": list(grouping.age_names),
            "placement": list(grouping.placement_names),
            "duration": list(grouping.duration_names),
            "destination": list(grouping.placement_names),
        },
        attrs={
            "council": model.council or "",
            "start": str(model.start),
            "as_of": str(model.as_of),
            "model": model.to_json(),
            "digest": model.digest,
            "mtfs_version": VERSION,
        },
    )
