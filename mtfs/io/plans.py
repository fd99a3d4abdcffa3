"""Loading plans from files and from those that ship."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtfs.io.documents import WHAT, example_monitoring_names, looks_like_monitoring
from mtfs.io.flows import load_flow, save_flow
from mtfs.io.results import beside
from mtfs.io.scenarios import SCENARIOS, looks_like_scenarios
from mtfs.io.yaml import placed, read_yaml, write_yaml, yaml_names
from mtfs.plan import Plan, find_problems
from mtfs.vocabulary import MtfsError, PlanError, Problem, listing, suggest

if TYPE_CHECKING:
    from os import PathLike


def load_plan(path: str | PathLike[str]) -> Plan:
    """Read a plan from a YAML file.

    Parameters
    ----------
    path
        The file; JSON, which is YAML, will do.

    Returns
    -------
    Plan
        The checked plan.

    Raises
    ------
    PlanError
        When the file is not a plan; lists every problem with its file, line and place.
    """
    data, _ = read_yaml(path)
    try:
        return Plan.model_validate(_with_flows(data, path))
    except PlanError:
        problems, _ = check_plan(path)
        raise PlanError(problems) from None


def save_plan(plan: Plan, path: str | PathLike[str]) -> Path:
    """Save a plan as YAML that :func:`load_plan` reads back as an equal plan.

    Parameters
    ----------
    plan
        The plan; defaults are written out, so that the file says all that the plan assumes.
    path
        The file to write, usually ``.yaml``; an old one is replaced, once the new is complete. A
        fitted flow goes into a NetCDF file of its own beside it, such as ``plan.children.nc``.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    MtfsError
        When the folder does not exist, or ``path`` is a folder.
    """
    target = Path(path)
    data = json.loads(plan.to_json())
    for flow, written in zip(plan.flows, data["flows"], strict=True):
        name = re.sub(r"\W+", "_", flow.name)
        written["model"] = save_flow(flow.model, target.with_suffix(f".{name}.nc")).name
    text = write_yaml(data)
    with beside(target) as fresh:
        fresh.write_text(text, encoding="utf-8", newline="\n")
    return target


def check_plan(path: str | PathLike[str]) -> tuple[list[Problem], list[Problem]]:
    """List every problem of a plan's file, and what is implausible in it, each with its line.

    Returns
    -------
    tuple
        Problems (none when the plan can be used) and warnings.
    """
    try:
        data, lines = read_yaml(path)
    except PlanError as error:
        return list(error.problems), []
    if looks_like_monitoring(data):
        message = f"looks like {WHAT}, not a plan; mtfs.load_monitoring loads it"
        return [Problem((), message, file=str(path))], []
    if looks_like_scenarios(data):
        message = f"looks like {SCENARIOS}, not a plan; mtfs.load_scenarios loads it"
        return [Problem((), message, file=str(path))], []
    try:
        data = _with_flows(data, path)
    except PlanError as error:
        return placed(list(error.problems), path, lines), []
    problems, warned = find_problems(data)
    return placed(problems, path, lines), placed(warned, path, lines)


def _with_flows(data: Any, path: str | PathLike[str]) -> Any:
    """Put fitted flows in the place of the files that are named, beside the plan's."""
    flows = data.get("flows") if isinstance(data, Mapping) else None
    if not isinstance(flows, list):
        return data
    held, problems = [], []
    for number, flow in enumerate(flows):
        file = flow.get("model") if isinstance(flow, Mapping) else None
        if not isinstance(file, str):
            held.append(flow)
            continue
        try:
            held.append({**flow, "model": load_flow(Path(path).parent / file)})
        except MtfsError as error:
            problems.append(Problem(("flows", number, "model"), str(error)))
    if problems:
        raise PlanError(problems)
    return {**data, "flows": held}


def example_names() -> list[str]:
    """List the plans that ship."""
    return yaml_names(resources.files("mtfs.examples"))


def load_example(name: str) -> Plan:
    """Read a plan that ships with the library.

    Parameters
    ----------
    name
        Such as ``"leicestershire_2024"``; :func:`example_names` lists them.

    Raises
    ------
    MtfsError
        When there is none of that name; suggests the nearest.
    """
    with resources.as_file(example_file(name)) as path:
        return load_plan(path)


def example_file(name: str) -> resources.abc.Traversable:
    """Find the file of a plan that ships."""
    names = example_names()
    document = name.removeprefix("monitoring/")
    if name not in names and document in example_monitoring_names():
        msg = (
            f"'{name}' is an example of {WHAT}, not of a plan; "
            f"mtfs.load_example_monitoring('{document}') loads it"
        )
        raise MtfsError(msg)
    if name not in names:
        msg = f"no example is called '{name}'.{suggest(name, names)} There is: {listing(names)}."
        raise MtfsError(msg)
    return resources.files("mtfs.examples") / f"{name}.yaml"
