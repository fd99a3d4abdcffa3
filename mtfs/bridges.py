"""The bridge: who moved the gap, or what changed between two plans, in every draw and year."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from mtfs.attribution import component_bridge
from mtfs.attribution_by_driver import driver_bridge
from mtfs.revision import plan_bridge
from mtfs.vocabulary import MtfsError

if TYPE_CHECKING:
    import xarray as xr

    from mtfs.attribution import Stage, Start, Steps
    from mtfs.plan import Plan

View = Literal["component", "driver"]


def bridge(
    plan: Plan | Mapping[str, Any] | xr.Dataset,
    new: Plan | Mapping[str, Any] | xr.Dataset | None = None,
    *,
    view: View = "component",
    start: Start = "base",
    groups: Mapping[str, Iterable[str]] | Literal["each"] | None = None,
    variable: Stage = "gap",
    convention: Steps = "cumulative",
    n_draws: int | None = None,
    seed: int | None = None,
) -> xr.Dataset:
    """Say who moved the gap of each year, and by how much; or what changed between two plans.

    Parameters
    ----------
    plan
        A plan, or a projection, whose draws it then is about.
    new
        A later plan of the same council: the bridge then leads from ``plan`` to it, year for year
        (see :func:`mtfs.revision.plan_bridge`).
    view
        ``"component"``: how each line, source and saving is made, such as people, price, pay
        (:func:`mtfs.attribution.component_bridge`). ``"driver"``: by named driver, wherever it
        reaches (:func:`mtfs.attribution_by_driver.driver_bridge`). Both lead from the same start to
        the same gap.
    start
        ``"base"``: from the base budget (requirement less funding in the base year); ``"plan"``:
        from the gap in the council's own table.
    groups
        Drivers that move together, for the view by driver: names by group, or ``"each"``.
    variable
        The gap it leads to: ``"gap_before_savings"``, ``"gap"`` or ``"gap_after_one_offs"``.
    convention
        ``"cumulative"``: what moved the gap since the base year; ``"annual"``: since the year
        before. Annual steps add up to cumulative ones.
    n_draws, seed
        As for :func:`mtfs.project_gap`; a projection has its own.

    Returns
    -------
    xarray.Dataset
        GBP. ``contribution`` ``(step, draw, year)``, positive widens the gap; ``start`` and ``end``
        ``(draw, year)``, whose difference the steps sum to in every draw and year. ``planned_``
        twins have no draws. Coordinates of ``step``: ``component``, ``item``, ``item_kind``,
        ``service`` and, between plans, ``category``. :func:`mtfs.bridge_table` tabulates it.

    Raises
    ------
    MtfsError
        When an argument is wrong or does not go with the others, the projection was made from
        given scores, or two plans are of different councils or share no year.

    Examples
    --------
    >>> care = {"kind": "care", "name": "homes", "people": 100, "people_growth": 0.1,
    ...         "weekly_cost": 10, "weeks": 1, "price_growth": 0.2}
    >>> plan = {"council": "A", "first_year": "2026/27", "horizon": 1, "lines": [care]}
    >>> found = bridge(plan, n_draws=1)
    >>> found["component"].values.tolist(), found["contribution"].values.round(9).ravel().tolist()
    (['people', 'price'], [110.0, 210.0])
    """
    if view not in (ways := get_args(View)):
        msg = f"view is {view!r}; expected {' or '.join(map(repr, ways))}"
        raise MtfsError(msg)
    if groups is not None and (view != "driver" or new is not None):
        msg = "'groups' are of drivers: they go with view='driver', and not between two plans"
        raise MtfsError(msg)
    if new is not None:
        if (view, start, convention) != ("component", "base", "cumulative"):
            msg = (
                "a bridge between two plans leads from the gap of the old one to that of the new, "
                "by driver and by item; leave 'view', 'start' and 'convention' out"
            )
            raise MtfsError(msg)
        return plan_bridge(plan, new, variable=variable, n_draws=n_draws, seed=seed)
    if view == "component":
        return component_bridge(
            plan,
            start=start,
            variable=variable,
            convention=convention,
            n_draws=n_draws,
            seed=seed,
        )
    return driver_bridge(
        plan,
        start=start,
        groups=groups,
        variable=variable,
        convention=convention,
        n_draws=n_draws,
        seed=seed,
    )
