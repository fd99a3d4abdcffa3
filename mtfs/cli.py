"""The ``mtfs`` command: no arithmetic, only doors to the library."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from mtfs.vocabulary import VERSION, MtfsError, PlanError, PlanWarning

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from mtfs.monitoring import Monitoring
    from mtfs.plan import Plan

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="A council's medium-term financial strategy as a distribution.",
    pretty_exceptions_enable=False,
)
PlanArgument = Annotated[str, typer.Argument(help="A plan's YAML file, or the name of an example.")]
MonitoringArgument = Annotated[
    str, typer.Argument(help="A monitoring document's YAML file, or the name of an example.")
]
MONITORING = "monitoring/"


def main() -> None:
    """Run the command; errors of the library are messages, not tracebacks."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", PlanWarning)
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        try:
            app()
        except MtfsError as error:
            _fail(str(error))


def _show_warning(message: Warning | str, *_: object) -> None:
    typer.echo(f"warning: {message}", err=True)


def _fail(message: str) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    sys.exit(1)


@app.command()
def run(  # noqa: PLR0917 - typer reads options from the signature
    plan: PlanArgument,
    draws: Annotated[int, typer.Option(help="Joint outcomes to draw.")] = 10_000,
    seed: Annotated[int | None, typer.Option(help="Fixes the result; fresh unless given.")] = None,
    output: Annotated[Path | None, typer.Option(help="NetCDF file for the result.")] = None,
    fan: Annotated[Path | None, typer.Option(help="PNG file for a fan chart of the gap.")] = None,
    variable: Annotated[
        str, typer.Option(help="Which stage of the gap to tabulate and draw.")
    ] = "gap",
) -> None:
    """Project the gap of a plan and tabulate it, with the risks to reserves."""
    from mtfs.projection import project_gap

    _require_target(output, {".nc"})
    _require_target(fan, {".png", ".pdf", ".svg"})
    held = _plan(plan)
    ds = project_gap(held, n_draws=draws, seed=seed)
    _show_summary(ds, variable)
    _show_risks(held, ds)
    if output is not None:
        from mtfs.io import save_gap

        typer.echo(f"wrote {save_gap(ds, output)}")
    if fan is not None:
        typer.echo(f"wrote {_draw_fan(ds, variable, fan)}")


@app.command()
def outturn(
    monitoring: MonitoringArgument,
    period: Annotated[
        int | None, typer.Option(help="As known in this month: 1 is April, 12 March.")
    ] = None,
    draws: Annotated[int, typer.Option(help="Joint outcomes to draw.")] = 10_000,
    seed: Annotated[int | None, typer.Option(help="Fixes the result; fresh unless given.")] = None,
) -> None:
    """Forecast the year's outturn from a year's budget monitoring, with its waterfalls."""
    from mtfs.outturn import forecast_outturn, outturn_table

    held = _monitoring(monitoring)
    ds = forecast_outturn(held, period=period, n_draws=draws, seed=seed)
    typer.echo(f"{held.council}, {held.year}: {draws:,} draws, seed {ds.attrs['seed']}\n")
    for fall in held.waterfalls:
        if period is None or fall.period <= period:
            table = fall.table()
            rows = [
                [step, f"{amount / 1e6:+.3f}" if amount else "", f"{running / 1e6:.3f}", basis]
                for step, amount, running, basis in zip(
                    table["step"], table["amount"], table["running"], table["basis"], strict=True
                )
            ]
            columns = ["step", "amount", "running", "basis"]
            _show_table(f"{fall.name}, period {fall.period}, GBP m over budget", columns, rows)
    table = outturn_table(ds)
    names = ("mean", "P10", "P50", "P90")
    rows = [
        [
            str(name),
            f"P{row['period']}" if row["period"] else "outturn",
            f"{row['forecast']:.3f}",
            *(f"{row[each]:.1f} ({row[f'{each}_se']:.2f})" for each in names),
            f"{row['overspends']:.0%}",
            str(row["basis"]),
        ]
        for name, row in table.iterrows()
    ]
    columns = ["", "as of", "forecast", *names, "over", "basis"]
    _show_table("outturn over budget, GBP m (Monte Carlo standard error)", columns, rows)
    if back := ds.attrs["support_added_back"]:
        typer.echo(f"The total adds back GBP {back / 1e6:.3f}m of support from outside.")
    if left := ds.attrs["left_unsecured"]:
        typer.echo(
            f"GBP {left / 1e6:.3f}m that the council is still to secure is not taken off: its "
            "waterfall is of a month that not every service has a forecast of."
        )


@app.command()
def rebase(
    plan: PlanArgument,
    monitoring: MonitoringArgument,
    output: Annotated[Path, typer.Option(help="YAML file for the rebased plan.")],
) -> None:
    """Rebase a plan on the outturn of the year before: add what comes back and is not planned."""
    from mtfs.io import save_plan
    from mtfs.rebasing import rebase as rebased

    _require_target(output, {".yaml", ".yml"})
    for read, what in ((plan, "plan"), (monitoring, "monitoring document")):
        if output.exists() and Path(read).exists() and output.samefile(read):
            _fail(f"{output}: is the {what} itself; write to another file")
    before = _plan(plan, "give the plan first")
    after = rebased(before, _monitoring(monitoring))
    for line in after.lines[len(before.lines) :]:
        typer.echo(f"added line '{line.name}'")
    typer.echo(f"wrote {save_plan(after, output)}")


@app.command()
def check(
    document: Annotated[
        str, typer.Argument(help="A plan's or monitoring document's YAML file, or an example.")
    ],
) -> None:
    """List everything wrong with a plan, and what is implausible; exit 1 when it cannot be used.

    A monitoring document (it has 'services' and 'year') is checked as one.
    """
    from mtfs.io import check_monitoring, check_plan, holds_monitoring

    file = _file(document)
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


@app.command()
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


@app.command()
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


@app.command()
def register(plan: PlanArgument) -> None:
    """Print the assumption register: what carries a source, an owner or a rationale."""
    for entry in _plan(plan).register():
        place = f"{entry['name']}, {entry['field']}" if entry["field"] else entry["name"]
        said = "; ".join(
            f"{key}: {entry[key]}" for key in ("source", "owner", "rationale") if entry[key]
        )
        typer.echo(f"{place}: {said}")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(VERSION)


def _file(document: str) -> str:
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


def _plan(plan: str, instead: str = "'mtfs outturn' forecasts from those") -> Plan:
    """Load a plan; of a monitoring document say so, and what to do instead."""
    from mtfs.io import example_names, holds_monitoring, load_plan
    from mtfs.vocabulary import suggest

    file = _file(plan)
    if file == plan and not Path(plan).exists() and Path(plan).suffix == "":
        near = suggest(plan, example_names())
        _fail(
            f"there is no file '{plan}' and no example of that name.{near} Examples: "
            f"{', '.join(example_names())}"
        )
    try:
        return load_plan(file)
    except PlanError:
        if holds_monitoring(file):
            _fail(f"{plan} looks like a monitoring document, not a plan; {instead}")
        raise


def _monitoring(document: str) -> Monitoring:
    from mtfs.io import load_example_monitoring, load_monitoring

    name = document.removeprefix(MONITORING)
    if Path(document).exists() or Path(name).suffix:
        return load_monitoring(document)
    return load_example_monitoring(name)


def _show_summary(ds: xr.Dataset, variable: str) -> None:
    from mtfs.measures import summary

    attrs = ds.attrs
    table = summary(ds, variable=variable)
    columns = ["year", "plan", "mean", "P10", "P50", "P90", "plan is enough"]
    rows = [
        [
            str(year),
            f"{row['plan']:.1f}",
            *(
                f"{row[name]:.1f} ({row[f'{name}_se']:.2f})"
                for name in ("mean", "P10", "P50", "P90")
            ),
            f"{row['plan_enough']:.0%}",
        ]
        for year, row in table.iterrows()
    ]
    seconds = f"{attrs['seconds']:.2f} s"
    typer.echo(f"{attrs['council']}: {attrs['n_draws']:,} draws, seed {attrs['seed']}, {seconds}\n")
    _show_table(
        f"{ds[variable].attrs['long_name']}, GBP m (Monte Carlo standard error)", columns, rows
    )


def _require_target(path: Path | None, suffixes: set[str]) -> None:
    """Refuse a file that could not be written, before anything is run."""
    if path is None:
        return
    if path.is_dir():
        _fail(f"{path}: is a folder; expected a file")
    if path.suffix not in suffixes:
        _fail(f"{path}: expected a name that ends in {' or '.join(sorted(suffixes))}")
    if not path.parent.is_dir():
        _fail(f"{path}: the folder '{path.parent}' does not exist")


def _show_risks(plan: Plan, ds: xr.Dataset) -> None:
    """Tabulate the risks to reserves on the same draws: under the plan's policy and two others."""
    from mtfs.measures import reserve_risk
    from mtfs.projection import project_gap

    if not plan.reserves.funds:
        return
    risks: dict[str, pd.DataFrame] = {}
    for policy in dict.fromkeys((ds.attrs["closure"], "plan", "none")):
        other = ds
        if policy != ds.attrs["closure"]:
            changed = plan.with_changes({"reserves.closure.policy": policy})
            other = project_gap(
                changed, n_draws=ds.attrs["n_draws"], seed=ds.attrs["seed"], keep="totals"
            )
        risks[policy] = reserve_risk(other)
    words = {
        "exhausted": "shortfall to date exceeds usable reserves",
        "below_minimum": "general fund below its minimum",
    }
    rows = [
        [
            words[name],
            f"{policy} (this plan's)" if policy == ds.attrs["closure"] else policy,
            *(f"{share:.1%}" for share in table[name]),
        ]
        for name in words
        for policy, table in risks.items()
        if name in table
    ]
    _show_table("chance that ...", ["", "closure", *map(str, ds["year"].to_numpy())], rows)
    if any(item.override for item in plan.memorandum):
        typer.echo("The shortfall to date includes what ended overrides drop on reserves.\n")


def _show_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for number, column in enumerate(columns):
        text = number == 0 or column in {"closure", "basis"}
        table.add_column(column, justify="left" if text else "right", no_wrap=not text)
    for row in rows:
        table.add_row(*row)
    console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
    console.print(table)
    console.print()


def _draw_fan(ds: xr.Dataset, variable: str, path: Path) -> Path:
    import matplotlib as mpl

    from mtfs.io.results import beside

    mpl.use("Agg")
    axes = ds.mtfs.plot.fan(variable=variable)
    with beside(path) as fresh:
        axes.figure.savefig(fresh, dpi=150)
    return path
