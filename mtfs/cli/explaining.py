"""Commands that explain: what drives the gap, what changed, which uncertainty matters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mtfs.cli.doors import (
    Draws,
    PlanArgument,
    Seed,
    Year,
    draw_picture,
    fail,
    made_of,
    plan_of,
    require_target,
    seeded,
    show_table,
    spread_of,
    the_year,
)

if TYPE_CHECKING:
    import pandas as pd

Picture = Annotated[Path | None, typer.Option(help="PNG, PDF or SVG file for a picture.")]
PICTURES = {".png", ".pdf", ".svg"}


def bridge(  # noqa: PLR0917 - typer reads options from the signature
    plan: PlanArgument,
    to: Annotated[
        str | None, typer.Option(help="A later plan: bridge from PLAN to it, year for year.")
    ] = None,
    by: Annotated[
        Literal["component", "driver", "service", "item", "category"],
        typer.Option(
            help="Kinds of change, drivers, services or lines; between two plans also category."
        ),
    ] = "component",
    start: Annotated[
        Literal["base", "plan"],
        typer.Option(help="From the base budget, or from the council's own table."),
    ] = "base",
    year: Year = None,
    draws: Draws = 10_000,
    seed: Seed = None,
    picture: Picture = None,
) -> None:
    """Say who moved the gap, and by how much: from the base budget, the plan or an older plan."""
    from mtfs.attribution import bridge_table
    from mtfs.bridges import bridge as bridged

    require_target(picture, PICTURES)
    old = plan_of(plan)
    new = None if to is None else plan_of(to)
    seed = seeded(seed)
    by_driver = by == "driver" and new is None  # between plans drivers stand one by one
    view: Literal["component", "driver"] = "driver" if by_driver else "component"
    found = bridged(old, new, view=view, start=start, n_draws=draws, seed=seed)
    shown = the_year(new or old, year)
    table = bridge_table(found, by="component" if by == "driver" else by, year=shown)
    made = made_of(draws, seed)
    show_spread(f"{old.council}, {shown}, GBP m (Monte Carlo standard error); {made}", table)
    if picture is not None:
        from mtfs.plot import waterfall

        typer.echo(f"wrote {draw_picture(lambda: waterfall(table), picture)}")


def explain(  # noqa: PLR0917 - typer reads options from the signature
    plan: PlanArgument,
    item: Annotated[str, typer.Argument(help="A line, scheme or funding source.")],
    year: Year = None,
    draw: Annotated[
        str | None,
        typer.Option(help="A draw's number, or 'plan'; nearest to the median gap unless given."),
    ] = None,
    draws: Draws = 10_000,
    seed: Seed = None,
) -> None:
    """Say how one number came about, from its drivers' values to the pounds."""
    from mtfs.explanation import explain as explained

    held = plan_of(plan)
    number: int | Literal["plan"] | None = None
    if draw is not None:
        if draw != "plan" and not draw.isdecimal():
            fail(f"--draw is '{draw}'; expected a number from 0, or 'plan'")
        number = "plan" if draw == "plan" else int(draw)
    said = explained(
        held, line=item, year=the_year(held, year), draw=number, n_draws=draws, seed=seed
    )
    typer.echo(str(said))


def sensitivity(
    plan: PlanArgument,
    convention: Annotated[
        Literal["cumulative", "annual", "total"],
        typer.Option(help="Effect on the gap standing, on its yearly steps, or on their sum."),
    ] = "cumulative",
) -> None:
    """Tabulate what one more or less of each assumption does to the council's own table."""
    from mtfs.sensitivity import sensitivity_table

    held = plan_of(plan)
    table = sensitivity_table(held, convention=convention)
    rows = [[*map(str, names), *(f"{x:+.2f}" for x in row)] for names, row in _rows_of(table)]
    columns = ["assumption", "shift", *map(str, table.columns)]
    show_table(f"{held.council}, effect on the gap, {convention}, GBP m", columns, rows)
    for row, why in table.attrs.get("impossible", {}).items():
        typer.echo(f"not possible: {row}: {why}")


def tornado(
    plan: PlanArgument,
    year: Year = None,
    draws: Draws = 10_000,
    seed: Seed = None,
    picture: Picture = None,
) -> None:
    """Tabulate how far each driver alone swings the gap of a year, from its P10 to its P90."""
    from mtfs.sensitivity import tornado as swings

    require_target(picture, PICTURES)
    held = plan_of(plan)
    shown = the_year(held, year)
    seed = seeded(seed)
    table = swings(held, year=shown, n_draws=draws, seed=seed)
    names = ("low", "high", "swing")
    rows = [[str(name), *spread_of(row, names)] for name, row in table.iterrows()]
    title = (
        f"{held.council}, gap of {shown} with one driver varying, GBP m (standard error), round "
        f"{table['base'].iloc[0]:.2f}; {made_of(draws, seed)}"
    )
    show_table(title, ["", *names], rows)
    if picture is not None:
        from mtfs.plot import tornado as drawn

        typer.echo(f"wrote {draw_picture(lambda: drawn(table), picture)}")


def variance(  # noqa: PLR0917 - typer reads options from the signature
    plan: PlanArgument,
    by: Annotated[
        Literal["driver", "service", "cause"], typer.Option(help="What the shares are of.")
    ] = "driver",
    method: Annotated[
        Literal["shapley", "sobol"], typer.Option(help="Sobol needs independent drivers.")
    ] = "shapley",
    year: Year = None,
    draws: Annotated[int, typer.Option(help="Base sample.")] = 4096,
    seed: Seed = None,
) -> None:
    """Share out the variance of the gap: which uncertainty matters."""
    from mtfs.importance import variance_shares, variance_table

    held = plan_of(plan)
    shown = the_year(held, year)
    seed = seeded(seed)
    shares = variance_shares(held, method=method, by=by, n_draws=draws, seed=seed)
    table = variance_table(shares, year=shown)
    names = [str(c) for c in table.columns if f"{c}_se" in table.columns]
    rows = [
        [str(name), *(f"{row[each]:.3f} ({row[f'{each}_se']:.3f})" for each in names)]
        for name, row in table.iterrows()
    ]
    title = (
        f"{held.council}, share of the variance of the gap of {shown} (standard error); "
        f"{made_of(draws, seed)}"
    )
    show_table(title, [by, *(each.replace("_", " ") for each in names)], rows)


def show_spread(title: str, table: pd.DataFrame) -> None:
    """Print a table of a plan and its draws."""
    names = ("mean", "P10", "P50", "P90")
    rows = [
        [str(name), f"{row['plan']:.2f}", *spread_of(row, names)] for name, row in table.iterrows()
    ]
    show_table(title, ["", "plan", *names], rows)


def _rows_of(table: pd.DataFrame) -> list[tuple[tuple[str, ...], list[float]]]:
    return list(zip(table.index.tolist(), table.to_numpy().tolist(), strict=True))


COMMANDS = (bridge, explain, sensitivity, tornado, variance)
