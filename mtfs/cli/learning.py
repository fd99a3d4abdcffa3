"""The commands on history: forecast levels from it, and ask how honest such forecasts have been."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtfs.cli.doors import Seed, draw_picture, fail, made_of, require_target, seeded, show_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    import xarray as xr

_BEHIND = 5  # figures that an origin has behind it, unless a first one is given
_LEARNT_TO = "2018/19"  # by mtfs.calibrate.ENGLAND
_LEVELS = (0.1, 0.5, 0.9)

HistoryArgument = Annotated[
    Path, typer.Argument(help="CSV file with a row for every council and year.")
]
Measure = Annotated[
    str | None, typer.Option(help="Which measure, where there is a column 'measure' of several.")
]
YearIs = Annotated[
    str,
    typer.Option(help="How years are written: label (2024/25), ending (2025) or starting (2024)."),
]
CouncilColumn = Annotated[str, typer.Option(help="Column of the councils.")]
YearColumn = Annotated[str, typer.Option(help="Column of the years.")]
ValueColumn = Annotated[str, typer.Option(help="Column of the figures.")]
Where = Annotated[
    list[str] | None, typer.Option(help="Rows to read, such as basis=outturn; may be repeated.")
]
AddUp = Annotated[
    str | None, typer.Option(help="Column whose rows are summed within council and year.")
]
Missing = Annotated[
    list[str] | None, typer.Option(help="What stands where nothing is published, such as c.")
]
Gap = Annotated[
    list[str] | None,
    typer.Option(help="A year without a figure, such as Rutland=2012/13; may be repeated."),
]
WithGaps = Annotated[
    bool, typer.Option("--with-gaps", help="Take every missing year as a gap, and say which.")
]
LeaveOut = Annotated[
    list[str] | None,
    typer.Option(help="A council to leave out, such as one whose last year is not known."),
]
Break = Annotated[
    list[str] | None,
    typer.Option(
        "--break",
        help="A year that does not compare with the one before, such as Newham=2024/25.",
    ),
]
Years = Annotated[int, typer.Option(help="Years ahead.")]


def forecast(  # noqa: PLR0917 - typer reads options from the signature
    source: HistoryArgument,
    council: Annotated[
        str | None, typer.Option(help="Whose forecast and driver to show; all councils' if none.")
    ] = None,
    driver: Annotated[
        str | None, typer.Option(help="Name of the driver; the measure's unless given.")
    ] = None,
    first_year: Annotated[
        str | None, typer.Option(help="The plan's first; the one after the history unless given.")
    ] = None,
    measure: Measure = None,
    year_is: YearIs = "label",
    council_column: CouncilColumn = "council",
    year_column: YearColumn = "year",
    value_column: ValueColumn = "value",
    where: Where = None,
    add_up: AddUp = None,
    missing: Missing = None,
    gap: Gap = None,
    with_gaps: WithGaps = False,
    leave_out: LeaveOut = None,
    break_: Break = None,
    years: Annotated[int, typer.Option(help="The plan's years.")] = 4,
    draws: Annotated[int, typer.Option(help="Joint outcomes to draw.")] = 2_000,
    seed: Seed = None,
) -> None:
    """Forecast levels of many councils together, and write one council's growth as a driver."""
    from mtfs.calibrate import forecast_panel, panel_driver

    history = _history(
        source,
        leave_out,
        measure=measure,
        year_is=year_is,
        council=council_column,
        year=year_column,
        value=value_column,
        where=dict(_split(each, "--where", "basis=outturn") for each in where or ()),
        add_up=add_up,
        missing=missing or (),
    )
    gaps = _gaps(history, gap, with_gaps=with_gaps)
    if council is None and driver is not None:
        fail("--driver goes with --council: a driver is one council's")
    if council is not None:
        _require_council(council, history)
    seed = seeded(seed)
    levels = forecast_panel(
        history,
        horizon=_wait(history, first_year) + years,
        n_draws=draws,
        seed=seed,
        gaps=gaps,
        breaks=_years_by_council(break_, "--break"),
    )
    made = made_of(draws, seed)
    if council is None:
        last = str(levels["year"].to_numpy()[-1])
        known = str(history["year"].to_numpy()[-1])
        quantiles = levels.sel(year=last).quantile(_LEVELS, "draw")
        rows = [
            [str(name), *map(_figure, (latest, *held))]
            for name, latest, held in zip(
                levels["council"].values,
                levels["latest"].values,
                quantiles.transpose("council", "quantile").values,
                strict=True,
            )
        ]
        typer.echo(f"{history.name}, {known} and forecast for {last} ({made})\n")
        show_table(last, ["council", known, "P10", "P50", "P90"], rows)
        return
    own = levels.sel(council=council)
    quantiles = own.quantile(_LEVELS, "draw").transpose("year", "quantile")
    rows = [
        [str(year), *map(_figure, held)]
        for year, held in zip(own["year"].values, quantiles.values, strict=True)
    ]
    latest = f"{_figure(float(own['latest']))} in {history['year'].item(-1)}"
    typer.echo(f"{history.name}, {council}: {latest} ({made})\n")
    show_table("forecast", ["year", "P10", "P50", "P90"], rows)
    found = panel_driver(
        levels, council=council, name=driver or str(history.name), first_year=first_year
    )
    typer.echo("In a plan, for the growth of a line to follow:\n")
    typer.echo(found.text())


def backtest(  # noqa: PLR0917
    source: HistoryArgument,
    first: Annotated[
        str | None, typer.Option(help="First origin; the fifth year of the history unless given.")
    ] = None,
    last: Annotated[
        str | None, typer.Option(help="Last origin; the year before the last unless given.")
    ] = None,
    measure: Measure = None,
    year_is: YearIs = "label",
    council_column: CouncilColumn = "council",
    year_column: YearColumn = "year",
    value_column: ValueColumn = "value",
    where: Where = None,
    add_up: AddUp = None,
    missing: Missing = None,
    gap: Gap = None,
    with_gaps: WithGaps = False,
    leave_out: LeaveOut = None,
    break_: Break = None,
    years: Years = 4,
    draws: Annotated[int, typer.Option(help="Draws of every forecast.")] = 1_000,
    seed: Seed = None,
    plot: Annotated[Path | None, typer.Option(help="PNG or SVG of coverage by lead.")] = None,
) -> None:
    """Forecast again from each past year, and ask whether the intervals held what came.

    Beside the panel's forecasts: naive, drift, and a national drift.
    """
    from mtfs.calibrate import forecast_panel
    from mtfs.verify import backtest as test
    from mtfs.verify import failure_table, score_table

    require_target(plot, {".png", ".svg"})
    history = _history(
        source,
        leave_out,
        measure=measure,
        year_is=year_is,
        council=council_column,
        year=year_column,
        value=value_column,
        where=dict(_split(each, "--where", "basis=outturn") for each in where or ()),
        add_up=add_up,
        missing=missing or (),
    )
    gaps = _gaps(history, gap, with_gaps=with_gaps)
    seed = seeded(seed)
    ds = test(
        history,
        {"panel": forecast_panel},
        origins=_origins(history, first, last),
        horizon=years,
        reference=["naive", "drift", "national_drift"],
        n_draws=draws,
        seed=seed,
        gaps=gaps,
        breaks=_years_by_council(break_, "--break"),
    )
    table = score_table(ds)
    span = f"{ds['origin'].item(0)} to {ds['origin'].item(-1)}"
    if ds["origin"].item(0) < _LEARNT_TO:
        typer.echo(
            "What the panel believes beforehand was learnt from England's councils to March 2019: "
            "of their children in care, EHC plans and spend, earlier origins know some of the "
            "answer.\n"
        )
    rows = [_score_row(str(name), row) for name, row in table.iterrows()]
    columns = ["forecaster", "CRPS x 100", "bias x 100", "80% held, %", "95% held, %", "skill, %"]
    made = made_of(draws, seed)
    typer.echo(f"{history.name}: origins {span}, {years} years ahead ({made})\n")
    show_table("scores of logarithms, with 95% intervals; skill against naive", columns, rows)
    if table.attrs["note"]:
        typer.echo(f"{table.attrs['note']}\n")
    by_lead = score_table(ds, by="lead")
    held = by_lead["coverage_80"]
    rows = [
        [str(lead), *(f"{held.loc[lead, name]:.0%}" for name in table.index)]
        for lead in ds["lead"].to_numpy()
    ]
    show_table("held by the 80% interval, by years ahead", ["years ahead", *table.index], rows)
    failed = failure_table(ds)
    failed = failed[failed["all_failed"]]
    if len(failed):
        places: list[Any] = list(failed.index)
        said = "; ".join(f"{lead} from {origin}" for origin, lead in places)
        typer.echo(f"Every method's 80% interval held less than half, years ahead: {said}")
    if plot is not None:
        from mtfs.plot import coverage

        draw_picture(lambda: coverage(by_lead), plot)
        typer.echo(f"wrote {plot}")


def _history(source: Path, leave_out: list[str] | None, **how: Any) -> xr.DataArray:
    """Read a history as ``load_history`` is told, and leave out councils."""
    from mtfs.io import load_history

    found = load_history(source, **how)
    for name in leave_out or ():
        _require_council(name, found)
    return found.drop_sel(council=leave_out or [])


def _gaps(
    history: xr.DataArray, gap: list[str] | None, *, with_gaps: bool
) -> Mapping[str, Sequence[str]]:
    """Give the years without a figure: those declared, or all there are."""
    from mtfs.history import missing_years

    if not with_gaps:
        return _years_by_council(gap, "--gap")
    if gap:
        fail("--gap says nothing beside --with-gaps; give one of them")
    found = missing_years(history)
    for name, years in found.items():
        typer.echo(f"not known: {name}, {', '.join(years)}")
    if found:
        typer.echo()
    return found


def _figure(level: float) -> str:
    """Write a level: whole numbers from 100 on, four figures below."""
    return f"{level:,.0f}" if level >= 100 else f"{level:.4g}"  # noqa: PLR2004 - see above


def _split(text: str, option: str, example: str) -> tuple[str, str]:
    name, sign, value = text.rpartition("=")
    if not (name and sign and value):
        fail(f"{option} is '{text}'; expected such as {example}")
    return name.strip(), value.strip()


def _years_by_council(given: list[str] | None, option: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in given or ():
        name, year = _split(each, option, "Rutland=2012/13")
        found.setdefault(name, []).append(year)
    return found


def _wait(history: xr.DataArray, first_year: str | None) -> int:
    """Count the years between the history and the plan."""
    from mtfs.vocabulary import year_label, year_start

    last = year_start(str(history["year"].item(-1)))
    if first_year is None:
        return 0
    if (found := year_start(first_year) - last - 1) < 0:
        fail(
            f"--first-year is '{first_year}'; the history ends with {year_label(last)}: expected a "
            "later year"
        )
    return found


def _require_council(council: str, history: xr.DataArray) -> None:
    from mtfs.vocabulary import listing, suggest

    names = [str(name) for name in history["council"].to_numpy()]
    if council not in names:
        near = suggest(council, names)
        fail(f"the history holds no council '{council}'.{near} It holds: {listing(names)}")


def _origins(history: xr.DataArray, first: str | None, last: str | None) -> list[str]:
    """Give the years to forecast from."""
    years = [str(year) for year in history["year"].to_numpy()]
    for option, given in (("--first", first), ("--last", last)):
        if given is not None and given not in years:
            fail(f"{option} is '{given}'; the history runs from {years[0]} to {years[-1]}")
    start = min(_BEHIND - 1, len(years) - 2) if first is None else years.index(first)
    stop = len(years) - 2 if last is None else years.index(last)
    if stop < start:
        fail(f"there is no year to forecast from between {years[start]} and {years[stop]}")
    return years[start : stop + 1]


def _score_row(name: str, row: pd.Series) -> list[str]:
    def spread(what: str, by: float, digits: int) -> str:
        middle, low, high = (row[f"{what}{end}"] * by for end in ("", "_low", "_high"))
        return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"

    return [
        name,
        spread("crps", 100, 2),
        f"{100 * row['bias']:.1f}",
        *(spread(f"coverage_{prob}", 100, 0) for prob in (80, 95)),
        spread("skill_naive", 100, 1),
    ]


COMMANDS = (forecast, backtest)
