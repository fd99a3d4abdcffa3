"""The command on people: from a return of children in care to a fitted flow for a plan."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtfs.cli.doors import Seed, fail, require_target, seeded, show_table, spread_of

if TYPE_CHECKING:
    import pandas as pd

    from mtfs.flows.episodes import Episodes
    from mtfs.flows.model import FlowModel
    from mtfs.flows.states import Grouping

_APRIL = 4
_YEARS = 3  # of history that are learnt from unless a start is given
Day = Annotated[str | None, typer.Option(help="ISO, such as 2024-03-31.")]


def people(  # noqa: PLR0917 - typer reads options from the signature
    source: Annotated[
        Path,
        typer.Argument(help="A folder or CSV file of SSDA903 returns, or a flow that was saved."),
    ],
    start: Day = None,
    end: Day = None,
    as_of: Annotated[
        str | None, typer.Option(help="The last day the returns speak of, where they do not say.")
    ] = None,
    council: Annotated[
        str | None, typer.Option(help="Which one's, where there are several.")
    ] = None,
    grouping: Annotated[
        Path | None, typer.Option(help="YAML file of a grouping of placements.")
    ] = None,
    unknown_to: Annotated[
        str | None, typer.Option(help="Placement that unknown codes count as, such as other.")
    ] = None,
    population: Annotated[
        Path | None,
        typer.Option(help="CSV file of children by age and mid-year: entries are proportional."),
    ] = None,
    area: Annotated[
        str | None, typer.Option(help="Which one's population, where there are several.")
    ] = None,
    first_year: Annotated[
        str | None, typer.Option(help="Such as 2026/27; the first whole year unless given.")
    ] = None,
    years: Annotated[int, typer.Option(help="Years to simulate.")] = 4,
    draws: Annotated[int, typer.Option(help="Joint outcomes to draw.")] = 1_000,
    seed: Seed = None,
    output: Annotated[Path | None, typer.Option(help="NetCDF file for the fitted flow.")] = None,
) -> None:
    """Fit a flow to returns of children in care, simulate it, and show the lines of a plan for it.

    The window ends with the last return, and starts three years before, unless given.
    """
    from mtfs.flows import expected_people, simulate
    from mtfs.headcounts import people_table
    from mtfs.io import load_episodes

    require_target(output, {".nc"})
    given = {
        "--start": start,
        "--end": end,
        "--as-of": as_of,
        "--council": council,
        "--grouping": grouping,
        "--unknown-to": unknown_to,
        "--population": population,
    }
    if area is not None and population is None:
        fail("--area goes with --population")
    if source.suffix == ".nc":
        from mtfs.io import load_flow

        if used := [name for name, value in given.items() if value is not None]:
            fail(f"{used[0]} goes with returns; {source} is a flow that is fitted already")
        model = load_flow(source)
    else:
        episodes = load_episodes(source, as_of=_day(as_of, "--as-of"))
        states = _grouping(grouping)
        children = None if population is None else _children(population, area, states)
        model = _fitted(episodes, start, end, council, states, unknown_to, children)
    typer.echo(f"{model!r}\n")
    whole = _first_year(model) if first_year is None else first_year
    seed = seeded(seed)
    ds = simulate(model, first_year=whole, horizon=years, n_draws=draws, seed=seed)
    expected = expected_people(model, first_year=whole, horizon=years)
    made = f"{draws:,} draws, seed {seed}"
    _show_people("average children in the year", people_table(ds, planned=expected), made)
    table = people_table(ds, by="all", variable="people_year_end", planned=expected)
    _show_people("children on 31 March", table, made)
    if output is not None:
        from mtfs.io import save_flow

        typer.echo(f"wrote {save_flow(model, output)}\n")
    typer.echo(_plan_text(model, (output or source).name))


def _fitted(  # noqa: PLR0917 - what the command was given
    episodes: Episodes,
    start: str | None,
    end: str | None,
    council: str | None,
    grouping: Grouping,
    unknown_to: str | None,
    population: dict[str, dict[str, float]] | None,
) -> FlowModel:
    from mtfs.flows import fit

    typer.echo(f"{episodes!r}\n")
    for row in episodes.report.itertuples():
        what = "left out" if row.left_out else "changed"
        typer.echo(f"{row.rows:>9,} {what}: {row.reason}, such as {row.examples}")
    typer.echo()
    last = _day(end, "--end") or episodes.latest.date()
    first = _day(start, "--start")
    if first is None:
        first = max(_years_before(last, _YEARS), episodes.first.date())
    return fit(
        episodes,
        start=first,
        end=last,
        grouping=grouping,
        council=council,
        unknown_to=unknown_to,
        population=population,
    )


def _children(path: Path, area: str | None, grouping: Grouping) -> dict[str, dict[str, float]]:
    """Read how many children there are by the grouping's age bands."""
    from mtfs.flows import population_table
    from mtfs.io import load_population

    return population_table(load_population(path, area=area), grouping.age_names)


def _years_before(day: date, years: int) -> date:
    """Give the first day of a window of whole years that ends on ``day``."""
    after = day + timedelta(days=1)
    return after.replace(year=after.year - years, day=min(after.day, 28))


def _day(text: str | None, option: str) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        fail(f"{option} is '{text}'; expected a date such as 2024-03-31")


def _grouping(path: Path | None) -> Grouping:
    from mtfs.flows import STANDARD
    from mtfs.io import load_grouping

    return STANDARD if path is None else load_grouping(path)


def _first_year(model: FlowModel) -> str:
    """Give the first whole financial year after the flow's window."""
    from mtfs.vocabulary import year_label

    after = model.as_of + timedelta(days=1)
    begins = (after.month, after.day) <= (_APRIL, 1)
    return year_label(after.year if begins else after.year + 1)


def _show_people(title: str, table: pd.DataFrame, made: str) -> None:
    names = ("mean", "P10", "P50", "P90")
    rows: list[list[str]] = []
    for label, row in table.iterrows():
        words: Any = label if isinstance(label, tuple) else (label,)
        rows.append([*map(str, words), f"{row['expected']:.1f}", *spread_of(row, names)])
    show_table(f"{title} ({made})", [*map(str, table.index.names), "expected", *names], rows)


def _plan_text(model: FlowModel, file: str) -> str:
    """Write what a plan needs to count these people, but for what they cost."""
    lines = [
        "In a plan beside that file (give each line its weekly cost):",
        "",
        "flows:",
        "  - name: children",
        f"    model: {file if file.endswith('.nc') else 'children.nc  # save it with --output'}",
        "lines:",
    ]
    for name in model.grouping.placement_names:
        lines += [
            "  - kind: care",
            f"    name: {name}",
            "    service: children",
            f"    people: {{flow: children, placements: [{name}]}}",
            "    weekly_cost:  # GBP a person a week in the base year",
        ]
    return "\n".join(lines)


COMMANDS = (people,)
