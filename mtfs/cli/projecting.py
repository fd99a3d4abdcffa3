"""Commands that project: the gap, the outturn of a year, and a rebased plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtfs.cli.doors import (
    Draws,
    MonitoringArgument,
    PlanArgument,
    Seed,
    draw_picture,
    fail,
    monitoring_of,
    plan_of,
    require_target,
    show_table,
)

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from mtfs.plan import Plan


def run(  # noqa: PLR0917 - typer reads options from the signature
    plan: PlanArgument,
    draws: Draws = 10_000,
    seed: Seed = None,
    output: Annotated[Path | None, typer.Option(help="NetCDF file for the result.")] = None,
    fan: Annotated[Path | None, typer.Option(help="PNG file for a fan chart of the gap.")] = None,
    variable: Annotated[
        str, typer.Option(help="Which stage of the gap to tabulate and draw.")
    ] = "gap",
) -> None:
    """Project the gap of a plan and tabulate it, with the risks to reserves."""
    from mtfs.projection import project_gap

    require_target(output, {".nc"})
    require_target(fan, {".png", ".pdf", ".svg"})
    held = plan_of(plan)
    ds = project_gap(held, n_draws=draws, seed=seed)
    _show_summary(ds, variable)
    _show_risks(held, ds)
    if output is not None:
        from mtfs.io import save_gap

        typer.echo(f"wrote {save_gap(ds, output)}")
    if fan is not None:
        typer.echo(f"wrote {draw_picture(lambda: ds.mtfs.plot.fan(variable=variable), fan)}")


def outturn(
    monitoring: MonitoringArgument,
    period: Annotated[
        int | None, typer.Option(help="As known in this month: 1 is April, 12 March.")
    ] = None,
    draws: Draws = 10_000,
    seed: Seed = None,
) -> None:
    """Forecast the year's outturn from a year's budget monitoring, with its waterfalls."""
    from mtfs.outturn import forecast_outturn, outturn_table

    held = monitoring_of(monitoring)
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
            show_table(f"{fall.name}, period {fall.period}, GBP m over budget", columns, rows)
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
    show_table("outturn over budget, GBP m (Monte Carlo standard error)", columns, rows)
    if back := ds.attrs["support_added_back"]:
        typer.echo(f"The total adds back GBP {back / 1e6:.3f}m of support from outside.")
    if left := ds.attrs["left_unsecured"]:
        typer.echo(
            f"GBP {left / 1e6:.3f}m that the council is still to secure is not taken off: its "
            "waterfall is of a month that not every service has a forecast of."
        )


def rebase(
    plan: PlanArgument,
    monitoring: MonitoringArgument,
    output: Annotated[Path, typer.Option(help="YAML file for the rebased plan.")],
) -> None:
    """Rebase a plan on the outturn of the year before: add what comes back and is not planned."""
    from mtfs.io import save_plan
    from mtfs.rebasing import rebase as rebased

    require_target(output, {".yaml", ".yml"})
    for read, what in ((plan, "plan"), (monitoring, "monitoring document")):
        if output.exists() and Path(read).exists() and output.samefile(read):
            fail(f"{output}: is the {what} itself; write to another file")
    before = plan_of(plan, "give the plan first")
    after = rebased(before, monitoring_of(monitoring))
    for line in after.lines[len(before.lines) :]:
        typer.echo(f"added line '{line.name}'")
    typer.echo(f"wrote {save_plan(after, output)}")


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
    show_table(
        f"{ds[variable].attrs['long_name']}, GBP m (Monte Carlo standard error)", columns, rows
    )


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
    show_table("chance that ...", ["", "closure", *map(str, ds["year"].to_numpy())], rows)
    if any(item.override for item in plan.memorandum):
        typer.echo("The shortfall to date includes what ended overrides drop on reserves.\n")


COMMANDS = (run, outturn, rebase)
