"""Commands that describe: what is wrong with a document, its schema, examples, sources."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

from mtfs.cli.doors import MONITORING, PlanArgument, file_of, plan_of
from mtfs.vocabulary import VERSION


def check(
    document: Annotated[
        str, typer.Argument(help="A plan's or monitoring document's YAML file, or an example.")
    ],
) -> None:
    """List everything wrong with a plan, and what is implausible; exit 1 when it cannot be used.

    A monitoring document (it has 'services' and 'year') is checked as one.
    """
    from mtfs.io import check_monitoring, check_plan, holds_monitoring

    file = file_of(document)
    what = "monitoring" if holds_monitoring(file) else "plan"
    problems, warned = (check_monitoring(file), []) if what == "monitoring" else check_plan(file)
    for problem in problems:
        typer.echo(f"error: {problem}", err=True)
    for problem in warned:
        typer.echo(f"warning: {problem}", err=True)
    if problems:
        typer.echo(
            (
                f"{len(problems)} {'problem' if len(problems) == 1 else 'problems'}: the {what} "
                "cannot be used"
            ),
            err=True,
        )
        raise typer.Exit(1)
    typer.echo(f"the {what} can be used" + (f", with warnings: {len(warned)}" if warned else ""))


def schema(
    of: Annotated[
        Literal["plan", "monitoring"], typer.Argument(help="A plan, or a monitoring document.")
    ] = "plan",
) -> None:
    """Print the JSON Schema of a plan, or of a monitoring document."""
    from mtfs.assumptions import Declared
    from mtfs.monitoring import Monitoring
    from mtfs.plan import Plan

    models: dict[str, type[Declared]] = {"plan": Plan, "monitoring": Monitoring}
    model = models[of]
    typer.echo(json.dumps(model.model_json_schema(), indent=2))


def example(
    name: Annotated[
        str | None, typer.Argument(help="Print this one; without it, list them.")
    ] = None,
) -> None:
    """List the plans and monitoring documents that ship, or print one to start from."""
    from mtfs.io import (
        example_file,
        example_monitoring_file,
        example_monitoring_names,
        example_names,
    )

    if name is None:
        documents = [f"{MONITORING}{each}" for each in example_monitoring_names()]
        typer.echo("\n".join([*example_names(), *documents]))
    elif name.startswith(MONITORING):
        file = example_monitoring_file(name.removeprefix(MONITORING))
        typer.echo(file.read_text(encoding="utf-8"), nl=False)
    else:
        typer.echo(example_file(name).read_text(encoding="utf-8"), nl=False)


def register(plan: PlanArgument) -> None:
    """Print the assumption register: what carries a source, an owner or a rationale."""
    for entry in plan_of(plan).register():
        place = f"{entry['name']}, {entry['field']}" if entry["field"] else entry["name"]
        said = "; ".join(
            f"{key}: {entry[key]}" for key in ("source", "owner", "rationale") if entry[key]
        )
        typer.echo(f"{place}: {said}")


def version() -> None:
    """Print the version."""
    typer.echo(VERSION)


COMMANDS = (check, schema, example, register, version)
