"""Saving results to NetCDF and loading them, without loss."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from mtfs.plan import Plan
from mtfs.schema import require_projection
from mtfs.vocabulary import MtfsError, PlanError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Give a path to write to; it takes the place of ``path`` when the block ends without error."""
    if not path.parent.is_dir():
        msg = f"{path}: the folder '{path.parent}' does not exist"
        raise MtfsError(msg)
    if path.is_dir():
        msg = f"{path}: is a folder; expected a file"
        raise MtfsError(msg)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        fresh = Path(folder) / path.name
        yield fresh
        fresh.replace(path)


def save_gap(ds: xr.Dataset, path: str | os.PathLike[str]) -> Path:
    """Save a projection to NetCDF; the file appears only when it is complete.

    Parameters
    ----------
    ds
        From :func:`mtfs.project_gap`.
    path
        The file to write, usually ``.nc``; an old one is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    MtfsError
        When ``ds`` is not a projection, or the folder does not exist.
    """
    require_projection(ds)
    target = Path(path)
    with beside(target) as fresh:
        ds.to_netcdf(fresh, engine="h5netcdf")
    return target


def load_gap(path: str | os.PathLike[str]) -> xr.Dataset:
    """Load a projection from NetCDF into memory, as it was saved.

    Raises
    ------
    MtfsError
        When the file does not exist or is not a projection.
    """
    ds = read_netcdf(Path(path))
    require_projection(ds)
    ds = ds.assign_coords(
        {name: coord.astype(str) for name, coord in ds.coords.items() if coord.dtype.kind in "OT"}
    )
    ds.attrs = {key: _plain(value) for key, value in ds.attrs.items()}
    return ds.drop_encoding()


def read_netcdf(source: Path) -> xr.Dataset:
    """Read a NetCDF file into memory."""
    if not source.is_file():
        msg = f"{source}: there is no such file"
        raise MtfsError(msg)
    try:
        with xr.open_dataset(source, engine="h5netcdf") as opened:
            return opened.load()
    except (OSError, ValueError) as error:
        msg = f"{source}: is not a NetCDF file: {error}"
        raise MtfsError(msg) from None


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def plan_of(ds: xr.Dataset) -> Plan:
    """Give the plan that a projection was made from.

    Raises
    ------
    PlanError
        When the plan it carries is not one this version can use.
    """
    try:
        written = json.loads(require_projection(ds).attrs["plan"])
    except json.JSONDecodeError as error:
        msg = f"the plan that the projection carries is not JSON: {error}"
        raise PlanError(msg) from None
    return Plan.model_validate(written)
