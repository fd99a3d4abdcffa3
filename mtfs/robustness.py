"""The questions of section 25 of the Local Government Act 2003, answered from a plan's draws.

When a budget is set the officer in charge of finance reports on the robustness of the estimates and
the adequacy of the reserves.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from mtfs.adequacy import (
    PENNY,
    POLICIES,
    Policy,
    put,
    reserve_adequacy,
    share_error,
)
from mtfs.lines import ContingencyLine
from mtfs.measures import quantiles_of, share_of_draws
from mtfs.projection import draws_meant, plan_meant, project_gap
from mtfs.risks import Risk, risks_of, total_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtfs.plan import Plan


def section_25(
    plan_or_ds: Plan | Mapping[str, Any] | xr.Dataset,
    *,
    level: float = 0.95,
    policies: Sequence[Policy] = POLICIES,
    n_draws: int | None = None,
    seed: int | None = None,
) -> xr.Dataset:
    """Answer the questions of section 25: are the estimates robust, and are reserves adequate.

    Parameters
    ----------
    plan_or_ds, level, policies, n_draws, seed
        As for :func:`mtfs.reserve_adequacy`.

    Returns
    -------
    xarray.Dataset
        What :func:`mtfs.reserve_adequacy` gives on reserves, and on the estimates (GBP, each mean,
        quantile and chance with its standard error, ``_se``):

        - ``planned_estimate``, ``mean_estimate``, ``P80_estimate``, ``P90_estimate``
          ``(estimate, year)``: requirement, funding and gap as planned, on average, and what they
          are worse than with a chance of 20% and 10% (more, and of funding less); ``plan_enough``:
          the chance that they are no worse than planned.
        - ``saving_planned``, ``saving_delivered``, ``saving_late``, ``saving_lost``
          ``(scheme, year)``: means; ``delivered_share``, ``late_share``, ``lost_share`` ``(year)``:
          of all savings planned, nan in a year without any. Only of a plan with savings.
        - ``contingency_planned``, ``contingency_spent`` (mean) and ``contingency_used_up`` (the
          chance that overspends take all of it) ``(contingency, year)``, with the coordinate
          ``covers``. Only of a plan with contingency.
        - ``risk_probability``, ``risk_impact``, ``risk_expected``, ``risk_planned``
          ``(risk, year)``: the register (see :func:`mtfs.risk_register`), with coordinates
          ``risk_kind`` and ``risk_service``; ``risk_based_reserve``: expected less planned, all
          years together, contingency left out. To be held against ``opening_needed``.

    Raises
    ------
    MtfsError
        As :func:`mtfs.reserve_adequacy`.
    """
    plan = plan_meant(plan_or_ds)
    count, seed = draws_meant(plan_or_ds, n_draws, seed)
    found = reserve_adequacy(plan, level=level, policies=policies, n_draws=count, seed=seed)
    ds = project_gap(plan, n_draws=count, seed=seed)
    _add_estimates(found, ds)
    if plan.schemes():
        _add_savings(found, ds)
    _add_contingency(found, plan, ds)
    _add_risks(found, risks_of(plan, ds), count)
    found.attrs["title"] = f"{plan.council}: robustness of estimates and adequacy of reserves"
    found.attrs["closure"] = plan.reserves.closure.policy
    return found


def _add_estimates(found: xr.Dataset, ds: xr.Dataset) -> None:
    """Put the plan beside the distribution of requirement, funding and gap."""
    names = ["requirement", "funding", "gap"]
    dims = ("estimate", "year")
    found.coords["estimate"] = names
    drawn = np.stack([ds[name].transpose("draw", "year").to_numpy() for name in names])
    planned = np.stack([ds[f"planned_{name}"].to_numpy() for name in names])
    worse = np.array([1.0, -1.0, 1.0])[:, None]  # less funding is worse
    adverse = drawn * worse[:, None]
    values, errors = quantiles_of(adverse, np.array([0.8, 0.9]), 1)
    found["planned_estimate"] = xr.DataArray(
        planned, dims=dims, attrs={"units": "GBP", "long_name": "planned"}
    )
    n = drawn.shape[1]
    spread = drawn.std(axis=1, ddof=1) / math.sqrt(n) if n > 1 else np.full(planned.shape, np.nan)
    enough = (adverse <= (planned * worse)[:, None]).mean(axis=1)
    shown = {
        "mean_estimate": (drawn.mean(axis=1), spread, "mean"),
        "P80_estimate": (values[0] * worse, errors[0], "worse with a chance of 20%"),
        "P90_estimate": (values[1] * worse, errors[1], "worse with a chance of 10%"),
        "plan_enough": (enough, share_error(enough, n), "chance of being no worse than planned"),
    }
    for name, (value, error, long_name) in shown.items():
        said = {"units": "share of draws" if name == "plan_enough" else "GBP"}
        pair = xr.DataArray(value, dims=dims), xr.DataArray(error, dims=dims)
        put(found, name, pair, said | {"long_name": long_name})


def _add_savings(found: xr.Dataset, ds: xr.Dataset) -> None:
    """Put savings planned beside what is expected to arrive, come late and be lost."""
    parts = {what: ds[f"saving_{what}"] for what in ("delivered", "late", "lost")}
    found["saving_planned"] = ds["planned_saving_delivered"].assign_attrs(
        units="GBP", long_name="savings planned"
    )
    planned = (parts["delivered"] + parts["late"] + parts["lost"]).sum("scheme", skipna=False)
    whole = planned.mean("draw")
    for what, part in parts.items():
        said = {"units": "GBP", "long_name": f"savings expected: {what}"}
        put(found, f"saving_{what}", (part.mean("draw"), _spread(part)), said)
        every = part.sum("scheme", skipna=False)
        share = every.mean("draw") / whole.where(whole > 0)
        error = _spread(every - share * planned) / whole  # of a ratio, to first order
        said = {"units": "share of what is planned", "long_name": f"savings: {what}"}
        put(found, f"{what}_share", (share, error), said)


def _spread(draws: xr.DataArray) -> xr.DataArray:
    """Give the standard error of the mean of draws; nan for one draw."""
    n = draws.sizes["draw"]
    return draws.std("draw", ddof=1) / math.sqrt(n) if n > 1 else draws.mean("draw") * np.nan


def _add_contingency(found: xr.Dataset, plan: Plan, ds: xr.Dataset) -> None:
    """Say what contingency is held, and how much of it overspends take."""
    held = [line for line in plan.lines if isinstance(line, ContingencyLine)]
    if not held:
        return
    names = [line.name for line in held]
    planned = ds["planned_cost"].sel(line=names).rename(line="contingency")
    planned = planned.drop_vars(["service", "kind"])
    spent = ds["contingency_spent"]
    found["contingency_planned"] = planned.assign_attrs(long_name="contingency planned")
    covers = ["all" if line.covers == "all" else ", ".join(line.covers) for line in held]
    found.coords["covers"] = ("contingency", covers)
    said = {"units": "GBP", "long_name": "contingency expected to be spent"}
    put(found, "contingency_spent", (spent.mean("draw"), _spread(spent)), said)
    used = share_of_draws((spent >= planned - PENNY) & (planned > PENNY), "chance that all is used")
    put(found, "contingency_used_up", (used, used["standard_error"]), used.attrs)


def _add_risks(found: xr.Dataset, risks: Sequence[Risk], n_draws: int) -> None:
    """Put the risk register beside the opening balance that is needed."""
    total = total_of(risks, slice(None), n_draws)
    said = {"units": "GBP", "long_name": "expected value of risks less what is planned for them"}
    reserve = total["expected"] - total["planned"]
    put(found, "risk_based_reserve", (reserve, total["expected_se"]), said)
    if not risks:
        return
    found.coords["risk"] = [risk.name for risk in risks]
    found.coords["risk_kind"] = ("risk", [risk.kind for risk in risks])
    found.coords["risk_service"] = ("risk", [risk.service for risk in risks])
    years = [slice(lead, lead + 1) for lead in range(found.sizes["year"])]
    rows = [[risk.figures(year, n_draws) for year in years] for risk in risks]
    for name in ("probability", "impact", "expected", "expected_se", "planned"):
        values = [[cell[name] for cell in row] for row in rows]
        units = "share" if name == "probability" else "GBP"
        attrs = {"units": units, "long_name": f"risks: {name.removesuffix('_se')}"}
        found[f"risk_{name}"] = xr.DataArray(values, dims=("risk", "year"), attrs=attrs)
