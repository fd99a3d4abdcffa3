"""The bridge: from the base budget to the gap, who moved it and by how much, in every draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr

from mtfs.measures import Unit, annual, figures, in_unit
from mtfs.plan import Plan
from mtfs.projection import draws_held, draws_meant, plan_meant, project_gap
from mtfs.schema import (
    BASE_BUDGET,
    WIDENS,
    planned_name,
    require_axes,
    require_year,
)
from mtfs.vocabulary import Array, MtfsError, listing

if TYPE_CHECKING:
    from collections.abc import Mapping

Start = Literal["base", "plan"]
Stage = Literal["gap_before_savings", "gap", "gap_after_one_offs"]
Steps = Literal["cumulative", "annual"]
By = Literal["component", "category", "item", "service"]

_WITHOUT: dict[Stage, tuple[str, ...]] = {
    "gap_before_savings": ("saving", "one-off"),
    "gap": ("one-off",),
    "gap_after_one_offs": (),
}
STAGES: dict[str, str] = {
    "gap_before_savings": "gap before savings",
    "gap": "gap",
    "gap_after_one_offs": "gap after one-offs",
}
_SAID = ("council", "view", "variable", "convention")
_ALONG = ("year_start", "lead")
_BESIDE = ("item", "item_kind", "service", "component")
_CAUSES = "causes"
# Spending first, then what meets it; a change's own cause stands where _CAUSES is.
_ORDER = (
    "base gap",
    "people",
    "prevention",
    "price",
    "mix",
    "chance",
    "client and partner income",
    "weeks",
    "pay",
    "on-costs",
    "staffing",
    "contracts",
    "volume",
    "drift",
    _CAUSES,
    "one-offs",
    "full-year effects",
    "fees",
    "fee volumes",
    "risks",
    "contingency",
    "prevention spending",
    "savings",
    "savings late",
    "savings lost",
    "financing",
    "council tax base",
    "council tax rate",
    "council tax collection",
    "business rates",
    "grants",
    "other funding",
    "reserves",
    "one-off sources",
)


def component_bridge(
    plan: Plan | Mapping[str, Any] | xr.Dataset,
    *,
    start: Start = "base",
    variable: Stage = "gap",
    convention: Steps = "cumulative",
    n_draws: int | None = None,
    seed: int | None = None,
) -> xr.Dataset:
    """Split the gap of every draw and year by how lines, funding and savings are made.

    Parameters
    ----------
    plan
        A plan, or a projection. A projection without contributions is run again, on its seed.
    start
        ``"base"``: from the base budget (requirement less funding in the base year) to the gap; or
        ``"plan"``: from the gap in the council's own table to the gap of each draw.
    variable
        The gap the bridge leads to: ``"gap_before_savings"``, ``"gap"`` or
        ``"gap_after_one_offs"``.
    convention
        ``"cumulative"``: what moved the gap since the base year; ``"annual"``: what moved it since
        the year before, where the bridge then starts. Annual steps add up to cumulative ones.
    n_draws, seed
        As for :func:`mtfs.project_gap`; a projection has its own.

    Returns
    -------
    xarray.Dataset
        GBP. ``contribution`` ``(step, draw, year)``, positive widens the gap: a step is one
        component of one item, with coordinates ``item``, ``item_kind`` (line, funding, saving or
        one-off), ``service`` and ``component``. ``start`` and ``end`` ``(draw, year)``; the steps
        sum to ``end`` less ``start`` in every draw and year. ``planned_`` twins have no draws. The
        attributes ``start_row`` and ``end_row`` say in words where it starts and ends.

    Raises
    ------
    MtfsError
        When an argument is not one of its answers, or the projection was made from given scores
        without contributions.

    Examples
    --------
    >>> care = {"kind": "care", "name": "homes", "people": 100, "people_growth": 0.1,
    ...         "weekly_cost": 10, "weeks": 1, "price_growth": 0.2}
    >>> plan = {"council": "A", "first_year": "2026/27", "horizon": 1, "lines": [care]}
    >>> found = component_bridge(plan, n_draws=1)
    >>> found["component"].values.tolist(), found["contribution"].values.round(9).ravel().tolist()
    (['people', 'price'], [110.0, 210.0])
    """
    for name, given, answers in (
        ("start", start, Start),
        ("variable", variable, Stage),
        ("convention", convention, Steps),
    ):
        if given not in (ways := get_args(answers)):
            msg = f"{name} is {given!r}; expected {', '.join(map(repr, ways))}"
            raise MtfsError(msg)
    held = draws_held(plan)
    own_draws = n_draws is None and seed is None
    if isinstance(plan, xr.Dataset) and own_draws and _holds_enough(plan, convention):
        return _by_component(plan, start, variable, convention)
    n_draws, seed = draws_meant(plan, n_draws, seed)
    ds = project_gap(plan_meant(plan), n_draws=n_draws, seed=seed, keep="components")
    return _by_component(ds, start, variable, convention).sel(held)


def _holds_enough(ds: xr.Dataset, convention: Steps) -> bool:
    """Whether a projection holds contributions and, for yearly steps, the year before each."""
    in_a_row = np.array_equal(ds["lead"], np.arange(1, ds.sizes["year"] + 1))
    return BASE_BUDGET in ds and (in_a_row or convention == "cumulative")


def _by_component(ds: xr.Dataset, start: Start, variable: Stage, convention: Steps) -> xr.Dataset:
    with xr.set_options(arithmetic_join="exact"):
        return _split(ds, start, variable, convention)


def _split(ds: xr.Dataset, start: Start, variable: Stage, convention: Steps) -> xr.Dataset:
    from_plan = start == "plan"
    planned = _levels(ds, planned_name("contribution"), variable)
    found: dict[str, xr.DataArray] = {}
    for prefix in ("", "planned_"):
        level, end = _levels(ds, f"{prefix}contribution", variable), ds[f"{prefix}{variable}"]
        before = xr.full_like(end, ds[BASE_BUDGET].item())
        if from_plan:
            level = level - planned
            before = xr.zeros_like(end) + ds[planned_name(variable)]
        if convention == "annual":
            level = annual(level)
            if from_plan:
                before, end = annual(before), annual(end)
            else:
                before = end.shift(year=1).fillna(before)
        found[f"{prefix}contribution"] = level.assign_attrs(
            units="GBP", long_name="contribution to the gap", sign=WIDENS
        )
        found[f"{prefix}start"] = before.assign_attrs(
            end.attrs | {"long_name": "start of the bridge"}
        )
        found[f"{prefix}end"] = end
    rows = {"base": "base budget", "plan": "plan"}
    first = "year before" if convention == "annual" and not from_plan else rows[start]
    carried = ("council", "price_base", "seed", "n_draws", "plan", "plan_digest")
    return xr.Dataset(found).assign_attrs(
        {name: ds.attrs[name] for name in carried if name in ds.attrs}
        | {
            "title": f"{ds.attrs['council']}: bridge from the {first} to the {STAGES[variable]}",
            "view": "component",
            "variable": variable,
            "convention": convention,
            "start_row": first,
            "end_row": STAGES[variable],
        }
    )


def _levels(ds: xr.Dataset, name: str, variable: Stage) -> xr.DataArray:
    """Give what each step that leads to a stage has moved it by since the base year."""
    beside = {f"step_{each}": each for each in _BESIDE}
    held = ds[name].rename(beside)
    held = held.drop_vars([c for c in held.coords if c not in (*held.dims, *_ALONG, *_BESIDE)])
    return held.isel(step=np.flatnonzero(~np.isin(held["item_kind"], _WITHOUT[variable])))


def bridge_table(
    bridge: xr.Dataset, *, by: By = "component", year: str | None = None, unit: Unit = "GBP m"
) -> pd.DataFrame:
    """Tabulate a bridge for one year.

    Parameters
    ----------
    bridge
        From :func:`mtfs.bridge`.
    by
        What its steps are added up by: ``"component"`` (between plans: drivers one by one, all else
        by category), ``"item"`` (line, source, saving), ``"service"`` or, between plans,
        ``"category"``.
    year
        The year shown, the last unless given.
    unit
        Unit of the money shown.

    Returns
    -------
    pandas.DataFrame
        A row for where the bridge starts, a row for each component (item, service) that moves the
        gap of that year, and a row for the gap it leads to. Columns ``plan``, ``mean``,
        ``P10``, ``P50``, ``P90``, each but the plan with its standard error (``mean_se`` ...).
        Plans and means add up to the last row; quantiles do not.

    Raises
    ------
    MtfsError
        When it is not a bridge, the year is not one of its years, or a component has the name of
        the first or the last row.
    """
    here, between = _of_year(bridge, by, year)
    labels = np.array(_row_names(here, by, between), dtype=object)
    names = list(dict.fromkeys(labels.tolist()))
    if by == "component" and not between:
        names = _in_order(names)
    first, last = str(bridge.attrs["start_row"]), str(bridge.attrs["end_row"])
    if twice := {first, last} & set(names):
        msg = f"a {by} is called {listing(twice)}, as a row of the table is; rename it"
        raise MtfsError(msg)

    def rows(prefix: str) -> Array:
        steps = here[f"{prefix}contribution"].to_numpy()
        each = [steps[labels == name].sum(axis=0) for name in names]
        ends = (here[f"{prefix}{which}"].to_numpy() for which in ("start", "end"))
        return np.stack([next(ends), *each, next(ends)])

    columns = figures(rows(""), 1, unit)
    if "planned_contribution" in bridge:
        columns = {"plan": rows("planned_") / in_unit(unit)} | columns
    table = pd.DataFrame(columns, index=pd.Index([first, *names, last], name=by))
    moved = (table.fillna(0.0) != 0).any(axis=1) | table.index.isin([first, last])
    table = table[moved].copy()
    table.attrs.update(unit=unit, year=str(here["year"].item()))
    table.attrs.update({name: bridge.attrs[name] for name in _SAID if name in bridge.attrs})
    return table


def _of_year(bridge: xr.Dataset, by: By, year: str | None) -> tuple[xr.Dataset, bool]:
    """Give a bridge's year, the last unless one is given, and whether it is between two plans."""
    if not isinstance(bridge, xr.Dataset) or not {"contribution", "start", "end"} <= set(bridge):
        msg = "expected a Dataset from mtfs.bridge()"
        raise MtfsError(msg)
    require_axes(bridge)
    between = "category" in bridge.coords
    ways = [way for way in get_args(By) if between or way != "category"]
    if by not in ways:
        msg = f"by is {by!r}; expected {', '.join(map(repr, ways))}"
        raise MtfsError(msg)
    return bridge.sel(year=require_year(bridge, year)), between


def _row_names(here: xr.Dataset, by: By, between: bool) -> list[str]:
    """Name the row of every step; items of one name and of several kinds are told apart."""
    labels: list[str] = here[by].to_numpy().tolist()
    categories = here["category"].to_numpy().tolist() if between else [""] * len(labels)
    kinds = here["item_kind"].to_numpy().tolist()
    if between:  # drivers are of no one service
        labels = [label or category for label, category in zip(labels, categories, strict=True)]
        # a grant that changes sides is one source of funding all the same
        kinds = [
            "funding" if category.startswith("funding") else kind
            for kind, category in zip(kinds, categories, strict=True)
        ]
    if by == "component" and between:
        kinds = ["driver" if kind == "driver" else "" for kind in kinds]
    elif by != "item":
        return labels
    held: dict[str, set[str]] = {}
    for label, kind in zip(labels, kinds, strict=True):
        held.setdefault(label, set()).add(kind)
    return [
        f"{label} [{kind}]" if kind and len(held[label]) > 1 else label
        for label, kind in zip(labels, kinds, strict=True)
    ]


def _in_order(names: list[str]) -> list[str]:
    """Put known components in the order in which reports show them, causes of changes between."""
    place = {name: number for number, name in enumerate(_ORDER)}
    return sorted(names, key=lambda name: place.get(name, place[_CAUSES]))
