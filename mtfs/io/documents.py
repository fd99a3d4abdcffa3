"""Loading monitoring documents from files and from those that ship, and telling them from plans."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from mtfs.io.yaml import placed, read_yaml, yaml_names
from mtfs.monitoring import Monitoring
from mtfs.vocabulary import MtfsError, PlanError, listing, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from mtfs.vocabulary import Problem

WHAT = "a monitoring document"


def load_monitoring(path: str | PathLike[str]) -> Monitoring:
    """Read a year's budget monitoring from a YAML file.

    Parameters
    ----------
    path
        The file; JSON, which is YAML, will do.

    Returns
    -------
    Monitoring
        The checked document.

    Raises
    ------
    PlanError
        When the file is not one or does not add up; lists every problem with its file and line.
    """
    data, lines = read_yaml(path, WHAT)
    if "first_year" in data and "services" not in data:
        msg = f"{path}: looks like a plan, not a monitoring document; mtfs.load_plan loads it"
        raise PlanError(msg)
    try:
        return Monitoring.model_validate(data)
    except PlanError as error:
        raise PlanError(placed(error.problems, path, lines), Monitoring.called) from None


def check_monitoring(path: str | PathLike[str]) -> list[Problem]:
    """List every problem of a monitoring document's file, each with its line; none if it is right.

    What figures say against each other is looked at once each is right in itself.
    """
    try:
        load_monitoring(path)
    except PlanError as error:
        return list(error.problems)
    return []


def holds_monitoring(path: str | PathLike[str]) -> bool:
    """Whether a file looks like a monitoring document and not like a plan."""
    try:
        data, _ = read_yaml(path)
    except PlanError:
        return False
    return looks_like_monitoring(data)


def looks_like_monitoring(data: Mapping[str, object]) -> bool:
    """Whether a mapping has the keys of a monitoring document and not a plan's."""
    return data.keys() >= {"services", "year"} and "first_year" not in data


def example_monitoring_names() -> list[str]:
    """List the monitoring documents that ship."""
    return yaml_names(resources.files("mtfs.examples") / "monitoring")


def load_example_monitoring(name: str) -> Monitoring:
    """Read a monitoring document that ships with the library.

    Parameters
    ----------
    name
        Such as ``"rotherham_2018"``; :func:`example_monitoring_names` lists them.

    Raises
    ------
    MtfsError
        When there is none of that name; suggests the nearest.
    """
    with resources.as_file(example_monitoring_file(name)) as path:
        return load_monitoring(path)


def example_monitoring_file(name: str) -> resources.abc.Traversable:
    """Find the file of a monitoring document that ships."""
    names = example_monitoring_names()
    if name not in names:
        near = suggest(name, names)
        msg = f"no monitoring example is called '{name}'.{near} There is: {listing(names)}."
        raise MtfsError(msg)
    return resources.files("mtfs.examples") / "monitoring" / f"{name}.yaml"
