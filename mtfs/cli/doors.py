"""What commands share: files in, errors and tables out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from mtfs.vocabulary import PlanError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pandas as pd
    from matplotlib.axes import Axes

    from mtfs.monitoring import Monitoring
    from mtfs.plan import Plan
    from mtfs.scenarios import Scenarios

PlanArgument = Annotated[str, typer.Argument(help="A plan's YAML file, or the name of an example.")]
MonitoringArgument = Annotated[
    str, typer.Argument(help="A monitoring document's YAML file, or the name of an example.")
]
Draws = Annotated[int, typer.Option(help="Joint outcomes to draw.")]
Seed = Annotated[int | None, typer.Option(help="Fixes the result; fresh unless given.")]
_TEXT = {"closure", "basis", "shift", "lever", "kind"}  # columns of words
Year = Annotated[str | None, typer.Option(help="Such as 2027/28; the last unless given.")]
MONITORING = "monitoring/"


def fail(message: str) -> NoReturn:
    """Say what is wrong and end with exit code 1."""
    typer.echo(f"error: {message}", err=True)
    sys.exit(1)


def file_of(document: str) -> str:
    """Give the file of a plan or monitoring document named by path or as an example."""
    from mtfs.io import (
        example_file,
        example_monitoring_file,
        example_monitoring_names,
        example_names,
    )

    if Path(document).exists():
        return document
    name = document.removeprefix(MONITORING)
    if document.startswith(MONITORING) and name in example_monitoring_names():
        return str(example_monitoring_file(name))
    return str(example_file(document)) if document in example_names() else document


def plan_of(plan: str, instead: str = "'mtfs outturn' forecasts from those") -> Plan:
    """Load a plan; of a monitoring document say so, and what to do instead."""
    from mtfs.io import example_names, holds_monitoring, load_plan
    from mtfs.vocabulary import suggest

    file = file_of(plan)
    if file == plan and not Path(plan).exists() and Path(plan).suffix == "":
        near = suggest(plan, example_names())
        fail(
            f"there is no file '{plan}' and no example of that name.{near} Examples: "
            f"{', '.join(example_names())}"
        )
    try:
        return load_plan(file)
    except PlanError:
        if holds_monitoring(file):
            fail(f"{plan} looks like a monitoring document, not a plan; {instead}")
        raise


def monitoring_of(document: str) -> Monitoring:
    """Load a monitoring document by path or as an example."""
    from mtfs.io import load_example_monitoring, load_monitoring

    name = document.removeprefix(MONITORING)
    if Path(document).exists() or Path(name).suffix:
        return load_monitoring(document)
    return load_example_monitoring(name)


def require_target(path: Path | None, suffixes: set[str]) -> None:
    """Refuse a file that could not be written, before anything is run."""
    if path is None:
        return
    if path.is_dir():
        fail(f"{path}: is a folder; expected a file")
    if path.suffix not in suffixes:
        fail(f"{path}: expected a name that ends in {' or '.join(sorted(suffixes))}")
    if not path.parent.is_dir():
        fail(f"{path}: the folder '{path.parent}' does not exist")


def show_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table; columns of text to the left, of numbers to the right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for number, column in enumerate(columns):
        text = number == 0 or column in _TEXT
        table.add_column(column, justify="left" if text else "right", no_wrap=not text)
    for row in rows:
        table.add_row(*row)
    console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
    console.print(table)
    console.print()


def scenarios_of(document: str, plan: Plan) -> Scenarios:
    """Load a file of scenarios by path or as an example, and check it against its plan."""
    from mtfs.io import load_example_scenarios, load_scenarios

    if Path(document).exists() or Path(document).suffix:
        return load_scenarios(document, plan)
    return load_example_scenarios(document)


def the_year(plan: Plan, year: str | None) -> str:
    """Give the year that is asked for, the last unless one is."""
    if year is None:
        return plan.years[-1]
    if year not in plan.years:
        fail(f"'{year}' is not a year of the plan; it has {', '.join(plan.years)}")
    return year


def spread_of(row: pd.Series, names: Iterable[str]) -> list[str]:
    """Write figures with their standard errors."""
    return [f"{row[name]:.2f} ({row[f'{name}_se']:.2f})" for name in names]


def draw_picture(draw: Callable[[], Axes], path: Path) -> Path:
    """Draw a picture into a file, which is whole or not there."""
    import matplotlib as mpl

    from mtfs.io.results import beside

    mpl.use("Agg")
    figure = draw().get_figure(root=True)
    if figure is None:
        fail(f"{path}: nothing was drawn")
    with beside(path) as fresh:
        figure.savefig(fresh, dpi=150)
    return path


def seeded(seed: int | None) -> int:
    """Give a seed to run with and to print, so that what is printed can be had again."""
    from mtfs.sampling import fresh_seed

    return fresh_seed() if seed is None else seed


def made_of(draws: int, seed: int) -> str:
    """Say what a table is made of."""
    return f"{draws:,} draws, seed {seed}"
