"""Commands that decide: scenarios side by side, what would meet a target, whether reserves do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from mtfs.cli.doors import (
    Draws,
    PlanArgument,
    Seed,
    Year,
    fail,
    plan_of,
    require_target,
    scenarios_of,
    show_table,
    spread_of,
    the_year,
)


def compare(  # noqa: PLR0917 - typer reads options from the signature
    plan: PlanArgument,
    scenarios: Annotated[
        str, typer.Argument(help="A scenario file, or the name of an example of scenarios.")
    ],
    variable: Annotated[str, typer.Option(help="What is compared.")] = "gap",
    year: Year = None,
    draws: Draws = 10_000,
    seed: Seed = None,
) -> None:
    """Project a plan and the scenarios of a file on the same draws, side by side."""
    from mtfs.comparison import compare as compared
    from mtfs.comparison import compare_grid, comparison_table, grid_table

    held = plan_of(plan)
    found = scenarios_of(scenarios, held)
    shown = the_year(held, year)
    half = None
    if bool(found.levers) != bool(found.states):
        has, lacks = ("levers", "states") if found.levers else ("states", "levers")
        half = (
            f"{scenarios} holds {has} and no {lacks}, so that there is no grid to show: add {lacks}"
            " (one without changes stands for the plan itself), or put them under 'scenarios'"
        )
        if not found.scenarios:
            fail(half)
    title = f"{held.council}, {variable} of {shown}, GBP m (Monte Carlo standard error)"
    if found.scenarios:
        ds = compared(found, baseline=held, n_draws=draws, seed=seed)
        table = comparison_table(ds, variable=variable, year=shown)
        names = ("mean", "P10", "P90")
        rows = [
            [
                str(name),
                *spread_of(row, names),
                *spread_of(row, ["difference_mean"]),
                f"{row['difference_P10']:.2f} to {row['difference_P90']:.2f}",
                f"{row['better']:.0%}",
            ]
            for name, row in table.iterrows()
        ]
        show_table(title, ["", *names, "change", "P10 to P90", "better"], rows)
    if found.levers and found.states:
        grid = compare_grid(held, found, n_draws=draws, seed=seed)
        table = grid_table(grid, variable=variable, year=shown)
        both = ("mean", "regret")
        rows = [
            [state, lever, *spread_of(row, both), f"{row['best']:.0%}"]
            for (state, lever), (_, row) in zip(table.index.tolist(), table.iterrows(), strict=True)
        ]
        show_table(title, ["state", "lever", *both, "best"], rows)
    if half is not None:
        typer.echo(half)


def goal_seek(  # noqa: PLR0917 - typer reads options from the signature
    plan: PlanArgument,
    lever: Annotated[
        str, typer.Option(help="Dotted path, such as 'funding.council tax.core_increase'.")
    ],
    target: Annotated[str, typer.Option(help="Such as 'P(gap 2028/29 <= 0) >= 0.8'.")],
    low: Annotated[float, typer.Option(help="Least value tried.")],
    high: Annotated[float, typer.Option(help="Greatest value tried.")],
    how: Annotated[
        Literal["set", "add", "scale"],
        typer.Option(help="Put the value in, add it to what is there, or multiply by it."),
    ] = "set",
    years: Annotated[
        list[str] | None, typer.Option(help="A year the lever moves; all unless given.")
    ] = None,
    draws: Draws = 10_000,
    seed: Seed = None,
    output: Annotated[Path | None, typer.Option(help="YAML file for the plan found.")] = None,
) -> None:
    """Find the value of a lever at which a target is met."""
    from mtfs.goals import goal_seek as sought
    from mtfs.io import save_plan

    require_target(output, {".yaml", ".yml"})
    found = sought(
        plan_of(plan),
        lever=lever,
        target=target,
        bounds=(low, high),
        how=how,
        years=years or None,
        n_draws=draws,
        seed=seed,
    )
    typer.echo(str(found))
    if output is not None:
        if found.met:
            typer.echo(f"wrote {save_plan(found.plan, output)}")
        else:
            typer.echo(f"{output} is not written: no value meets the target")
    if not found.met:
        raise typer.Exit(1)


def adequacy(
    plan: PlanArgument,
    level: Annotated[float, typer.Option(help="Chance of surviving that reserves are for.")] = 0.95,
    draws: Draws = 10_000,
    seed: Seed = None,
) -> None:
    """Say whether reserves suffice under each closure policy, with the register of risks."""
    from mtfs.adequacy import adequacy_table
    from mtfs.risks import risk_register
    from mtfs.robustness import section_25

    held = plan_of(plan)
    found = section_25(held, level=level, n_draws=draws, seed=seed)
    table = adequacy_table(found)
    names = ("opening_needed", "margin", "unfunded_mean", "unfunded_shortfall")
    rows = [
        [str(policy), f"{row['opening']:.1f}", *spread_of(row, names), f"{row['exhausted']:.1%}"]
        for policy, row in table.iterrows()
    ]
    title = f"{held.council}, usable reserves that survive with {level:.0%}, GBP m (standard error)"
    columns = ["closure", "opening", *(name.replace("_", " ") for name in names), "exhausted"]
    show_table(title, columns, rows)
    register = risk_register(held, n_draws=draws, seed=int(found.attrs["seed"]))
    if len(register) > 1:
        rows = [
            [str(name), str(row["kind"]), *(f"{row[x]:.2f}" for x in ("expected", "planned"))]
            for name, row in register.iterrows()
        ]
        show_table("risks, all years, GBP m", ["", "kind", "expected", "planned"], rows)


def stress(
    plan: PlanArgument,
    event: Annotated[str, typer.Argument(help="Such as 'gap 2028/29 > 100m'.")],
    draws: Draws = 10_000,
    seed: Seed = None,
) -> None:
    """Say what would most likely have to happen for an event, such as a gap beyond a sum."""
    from mtfs.stress import reverse_stress, stress_words

    typer.echo(stress_words(reverse_stress(plan_of(plan), event, n_draws=draws, seed=seed)))


COMMANDS = (compare, goal_seek, adequacy, stress)
