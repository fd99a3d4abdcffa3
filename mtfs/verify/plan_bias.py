"""Whether a plan is optimistic against the council's own record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mtfs.plan import Plan
from mtfs.projection import N_DRAWS, project_gap
from mtfs.schema import planned_name, require_axes, require_projection
from mtfs.verify.records import (
    TrackRecord,
    budgeted,
    independent_plans,
    require_made,
    require_todays_unit,
    scale_of,
)
from mtfs.vocabulary import Array, MtfsError, listing, suggest

NO_RECORD = "no record"
OPTIMISTIC = "optimistic"
ALLOWED = "allowed for"
NOT = "not optimistic"
SETTLED = "settled"


def optimism(
    plan_or_ds: Plan | Mapping[str, Any] | xr.Dataset,
    records: TrackRecord | Sequence[TrackRecord],
    *,
    made: str | None = None,
    net_budget: float | None = None,
    open_years: bool = False,
    n_draws: int = N_DRAWS,
    seed: int | None = None,
) -> pd.DataFrame:
    """Hold today's plan against how far the council's past plans were off.

    Parameters
    ----------
    plan_or_ds
        A plan, or a projection of one.
    records
        One or more, each of a driver of the plan, such as "pay award", or of a variable of the
        projection, such as ``gap``.
    made
        The month in which today's plan was made, such as ``2026-02``: needed where a record is of
        revisions, since a year whose budget is set is not revised any more.
    net_budget
        Today's, GBP, where past plans state theirs: errors count as shares of it.
    open_years
        Whether years count that later plans may still revise.
    n_draws, seed
        As for :func:`mtfs.project_gap`; a projection has its own.

    Returns
    -------
    pandas.DataFrame
        By ``quantity`` and ``year``: ``lead``; ``planned``, what today's plan states;
        ``mean_error`` of past plans as many years ahead, what came less what was planned;
        ``expected``, the two together; ``below``, the share of today's draws below that, and
        ``below_se``, its Monte Carlo standard error; ``came``, the mean of what past plans' years
        came to (of drivers only: levels of other years say nothing of this one's); ``errors`` and
        ``independent``, on how many it rests and what they are worth; ``adverse``, the share of
        errors that hurt; and ``verdict``:

        - "optimistic": past plans erred on the side that hurts, and today's states no more (less,
          of an income) than what came of them;
        - "allowed for": past plans erred so, and today's driver is stated on the safe side of what
          came of them;
        - "not optimistic": past plans did not err on the side that hurts;
        - "settled": the record is of revisions, and the year's budget is set;
        - "no record" of so many years ahead.

    Raises
    ------
    MtfsError
        When the plan holds no such driver or variable, or a record nothing settled; when plan and
        record are in different units, or net budgets are stated on one side only.
    """
    given: Any = [records] if isinstance(records, TrackRecord) else records
    held = list(given) if isinstance(given, Sequence) else []
    if not held or not all(isinstance(each, TrackRecord) for each in held):
        msg = "no record is given; make one with mtfs.verify.track_record()"
        raise MtfsError(msg)
    ds = (
        plan_or_ds
        if isinstance(plan_or_ds, xr.Dataset)
        else project_gap(plan_or_ds, n_draws=n_draws, seed=seed)
    )
    require_axes(require_projection(ds))
    if net_budget is not None and not any(record.states_net_budgets for record in held):
        msg = "net_budget= is given, and the past plans state none; state both or neither"
        raise MtfsError(msg)
    require_made(made, held)
    rows = [
        row for record in held for row in _rows(ds, record, made, net_budget, open_years=open_years)
    ]
    table = pd.DataFrame(rows).set_index(["quantity", "year"])
    table.attrs = {
        "council": str(ds.attrs.get("council", "")),
        "basis": ", ".join(sorted({record.basis for record in held})),
    }
    return table


def _rows(
    ds: xr.Dataset,
    record: TrackRecord,
    made: str | None,
    net_budget: float | None,
    *,
    open_years: bool,
) -> list[dict[str, object]]:
    planned, draws, driver = _stated(ds, record.quantity)
    used = record.used(open_years=open_years)
    budget = net_budget if record.states_net_budgets else None
    scale = {miss: scale_of(miss, budget, record.quantity) for miss in used}
    require_todays_unit(record.quantity, used, planned.tolist())
    years = [str(year) for year in ds["year"].to_numpy()]
    past = budgeted(years, made, record)
    sign = 1.0 if record.adverse == "above" else -1.0
    came = float(np.mean(list({miss.year: miss.came for miss in used}.values())))
    found = []
    for place, (year, lead) in enumerate(zip(years, ds["lead"].to_numpy(), strict=True)):
        here = [miss for miss in used if miss.lead == lead and year not in past]
        errors = np.array([miss.error * scale[miss] for miss in here])
        below = np.nan
        mean = float(errors.mean()) if here else np.nan
        expected = float(planned[place]) + mean
        if here:
            below = float((draws[:, place] < expected).mean())
        if year in past:
            verdict = SETTLED
        elif not here:
            verdict = NO_RECORD
        elif sign * mean <= 0:
            verdict = NOT
        elif driver and sign * (planned[place] - came) >= 0:
            verdict = ALLOWED
        else:
            verdict = OPTIMISTIC
        found.append(
            {
                "quantity": record.quantity,
                "year": year,
                "lead": int(lead),
                "planned": float(planned[place]),
                "mean_error": mean,
                "expected": expected,
                "below": below,
                "below_se": float(np.sqrt(below * (1 - below) / len(draws))),
                "came": came if driver else np.nan,
                "errors": len(here),
                "independent": independent_plans(here),
                "adverse": float((sign * errors > 0).mean()) if here else np.nan,
                "verdict": verdict,
            }
        )
    return found


def _stated(ds: xr.Dataset, name: str) -> tuple[Array, Array, bool]:
    """Give what the plan states by year, its draws (draw, year), and whether it is a driver's."""
    drivers = [str(each) for each in ds["driver"].to_numpy()] if "driver" in ds.coords else []
    twin = planned_name(name)
    if name in drivers:
        path = ds["path"].sel(driver=name).transpose("draw", "year")
        return ds[planned_name("path")].sel(driver=name).to_numpy(), path.to_numpy(), True
    if name in ds and twin in ds and set(ds[name].dims) == {"draw", "year"}:
        return ds[twin].to_numpy(), ds[name].transpose("draw", "year").to_numpy(), False
    variables = [str(v) for v in ds.data_vars if set(ds[v].dims) == {"draw", "year"}]
    msg = (
        f"the record is of '{name}', which is no driver of the plan and no variable of its "
        f"projection.{suggest(name, [*drivers, *variables])} Drivers: {listing(drivers)}. "
        f"Variables: {listing(variables)}"
    )
    raise MtfsError(msg)


def optimism_words(table: pd.DataFrame) -> str:
    """Say in words where a plan is optimistic against its own record.

    Parameters
    ----------
    table
        From :func:`optimism`.

    Returns
    -------
    str
        A line for each quantity and year of which there is a record, and how little it rests on.

    Raises
    ------
    MtfsError
        When the table is another.
    """
    given: Any = table
    columns = {*given.columns} if isinstance(given, pd.DataFrame) else set()
    if not {"verdict", "mean_error", "independent"} <= columns:
        msg = "expected a table from mtfs.verify.optimism()"
        raise MtfsError(msg)
    lines = []
    for place, row in zip(table.index.to_list(), table.to_dict("records"), strict=True):
        quantity, year = place
        if row["verdict"] in {NO_RECORD, SETTLED}:
            continue
        one = row["errors"] == 1
        plans = f"{row['errors']} past plan{'' if one else 's'}"
        ahead = f"{row['lead']} year{'' if row['lead'] == 1 else 's'} ahead"
        lines.append(
            f"{quantity}, {year}: {row['verdict']}. The plan states {_shown(row['planned'])}; "
            f"{plans} {ahead} came out {_shown(row['mean_error'], sign='+')} on average (worth "
            f"{row['independent']} independent, {row['adverse']:.0%} adverse), so "
            f"{_shown(row['expected'])} would be like {'it' if one else 'them'}: "
            f"{row['below']:.0%} of today's draws lie below that."
        )
    for verdict, said in (
        (SETTLED, "Its budget is set, so no revision is to come"),
        (NO_RECORD, "No record so many years ahead"),
    ):
        silent = table["verdict"] == verdict
        if silent.any():
            places = listing(f"{quantity} {year}" for quantity, year in table.index[silent])
            lines.append(f"{said}: {places}.")
    return "\n".join(lines)


_RATE = 2.0  # values within -2 and 2 are fractions, as in mtfs.stress_words


def _shown(value: float, sign: str = "") -> str:
    if abs(value) <= _RATE:
        return f"{100 * value:{sign}.1f}" + (" points" if sign else "%")
    return f"GBP {value / 1e6:{sign}.1f}m"
