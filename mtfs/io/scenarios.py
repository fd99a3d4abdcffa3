"""Loading files of scenarios, and those that ship."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from mtfs.io.yaml import placed, read_yaml, yaml_names
from mtfs.scenarios import Scenarios
from mtfs.vocabulary import MtfsError, PlanError, listing, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from mtfs.plan import Plan
    from mtfs.vocabulary import Problem

SCENARIOS = "a file of scenarios"


def load_scenarios(path: str | PathLike[str], plan: Plan | None = None) -> Scenarios:
    """Read scenarios from a YAML file.

    Parameters
    ----------
    path
        The file; JSON, which is YAML, will do.
    plan
        The plan they are changes of. With it every path is checked too, so that each problem is
        told with its line; :func:`mtfs.compare` finds the same without lines.

    Returns
    -------
    Scenarios
        The checked scenarios.

    Raises
    ------
    PlanError
        When the file is not one, or does not fit the plan; lists every problem with its file and
        line.
    """
    data, lines = read_yaml(path, SCENARIOS)
    if not looks_like_scenarios(data) and data.keys() & {"first_year", "services"}:
        other = "a plan" if "first_year" in data else "a monitoring document"
        loader = "load_plan" if "first_year" in data else "load_monitoring"
        raise PlanError(f"{path}: looks like {other}, not {SCENARIOS}; mtfs.{loader} loads it")
    try:
        found = Scenarios.model_validate(data)
        problems = found.problems(plan) if plan is not None else []
    except PlanError as error:
        problems = list(error.problems)
    if problems:
        raise PlanError(placed(problems, path, lines), Scenarios.called)
    return found


def check_scenarios(path: str | PathLike[str], plan: Plan | None = None) -> list[Problem]:
    """List every problem of a file of scenarios, each with its line; none if it is right.

    What they do to a plan is looked at once each is right in itself.
    """
    try:
        load_scenarios(path, plan)
    except PlanError as error:
        return list(error.problems)
    return []


def looks_like_scenarios(data: Mapping[str, object]) -> bool:
    """Whether a mapping has the keys of a file of scenarios and not a plan's."""
    return bool(data.keys() & {"scenarios", "levers", "states"}) and "first_year" not in data


def example_scenarios_names() -> list[str]:
    """List the files of scenarios that ship; each bears the name of its plan."""
    return yaml_names(resources.files("mtfs.examples") / "scenarios")


def load_example_scenarios(name: str) -> Scenarios:
    """Read a file of scenarios that ships with the library.

    Parameters
    ----------
    name
        That of its plan, such as ``"nottinghamshire_2024"``; :func:`example_scenarios_names` lists
        them.

    Raises
    ------
    MtfsError
        When there is none of that name; suggests the nearest.
    """
    with resources.as_file(example_scenarios_file(name)) as path:
        return load_scenarios(path)


def example_scenarios_file(name: str) -> resources.abc.Traversable:
    """Find a file of scenarios that ships."""
    names = example_scenarios_names()
    if name not in names:
        near = suggest(name, names)
        msg = f"no example of scenarios is called '{name}'.{near} There is: {listing(names)}."
        raise MtfsError(msg)
    return resources.files("mtfs.examples") / "scenarios" / f"{name}.yaml"
