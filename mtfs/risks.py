"""The council's own risk register in pounds: likelihood, impact and expected value of each risk."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import xarray as xr

from mtfs.engine import engine_of
from mtfs.lines import ContingencyLine, Grant, RiskLine
from mtfs.measures import Unit, in_unit
from mtfs.paths import Paths
from mtfs.plan import Plan
from mtfs.projection import project_gap
from mtfs.schema import require_projection
from mtfs.vocabulary import Array, MtfsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtfs.lines import Scheme
    from mtfs.reserves import Memorandum, Override

Kind: TypeAlias = Literal["risk", "override", "grant", "saving", "contingency"]
TOTAL = "total"


@dataclass(frozen=True)
class Risk:
    """One row of the register; arrays have shape (year, draw), or (year, 1) where certain."""

    name: str
    kind: Kind
    service: str
    expected: Array
    """GBP; its mean is likelihood times impact"""
    impact: Array | None = None
    """GBP when it happens; None where that is what is expected over its chance"""
    chance: float | None = None
    """stated probability; None where it is what is expected over the impact"""
    planned: Array | float = 0.0
    """GBP that the council's own table holds for it, shape (year,)"""

    @property
    def is_risk(self) -> bool:
        """Whether it counts in the total: contingency is held against risks and is none."""
        return self.kind != "contingency"

    def figures(self, years: slice, n_draws: int) -> dict[str, float]:
        """Give probability, impact, expected value and what is planned for it, over some years."""
        expected = self.expected[years].sum(axis=0)
        value = float(expected.mean())
        if self.impact is None:
            likely = float((expected > 0).mean())
            impact = value / likely if likely else 0.0
        else:
            impact = float(self.impact[years].sum(axis=0).mean())
            likely = value / impact if impact else 0.0
        return {
            "probability": likely if self.chance is None else self.chance,
            "impact": impact,
            "expected": value,
            "expected_se": error_of(expected, n_draws),
            "planned": float(np.broadcast_to(self.planned, len(self.expected))[years].sum()),
        }


def error_of(draws: Array, n_draws: int) -> float:
    """Give the standard error of a mean; 0 where every draw is the same, nan for one draw."""
    if n_draws == 1:
        return math.nan
    return 0.0 if len(draws) == 1 else float(draws.std(ddof=1)) / math.sqrt(n_draws)


def risks_of(plan: Plan, ds: xr.Dataset) -> list[Risk]:
    """List what the plan says may go wrong, with its pounds in every draw of a projection."""
    if "cost" not in ds and "income" not in ds:
        require_projection(ds, "cost")  # says how to get it
    engine = engine_of(plan)
    rows = {}
    if plan.drivers:
        for name in ds["driver"].to_numpy():
            rows[str(name)] = ds["path"].sel(driver=name).transpose("year", "draw").to_numpy()
    paths = Paths(
        engine.calendar,
        rows,
        {},
        engine.fixed,
        balances=engine.balances,
        people_changes=engine.people_changes,
        planned_paths=engine.planned_paths,
    )
    return [
        *(_line(line, paths) for line in plan.lines if isinstance(line, RiskLine)),
        *(
            _override(item, item.override, paths)
            for item in plan.memorandum
            if item.override is not None
        ),
        *(
            _grant(grant, paths)
            for grant in plan.funding
            if isinstance(grant, Grant) and grant.planned_to_continue
        ),
        *(_scheme(scheme, ds) for scheme in plan.schemes()),
        *(_contingency(line, ds) for line in plan.lines if isinstance(line, ContingencyLine)),
    ]


def _line(line: RiskLine, paths: Paths) -> Risk:
    impact = line.share * line.model_copy(update={"probability": 1.0}).cost(paths)
    planned = line.share * paths.planned_paths.value(line.planned)[:, 0]
    chance = line.probability
    return Risk(line.name, "risk", line.service, chance * impact, impact, chance, planned)


def _override(item: Memorandum, override: Override, paths: Paths) -> Risk:
    ended = item.model_copy(update={"override": override.model_copy(update={"probability": 1.0})})
    _, falls = ended.balances(paths)
    chance = override.probability
    _, held = item.balances(paths.planned_paths)  # a sure end stands in the council's own table
    return Risk(item.name, "override", "reserves", chance * falls, falls, chance, held[:, 0])


def _grant(grant: Grant, paths: Paths) -> Risk:
    goes_on, ends = (
        grant.model_copy(update={"continues": chance}).incomes(paths)[0] for chance in (1.0, 0.0)
    )
    chance = 1 - grant.continues
    return Risk(grant.name, "grant", "corporate", chance * (goes_on - ends), goes_on - ends, chance)


def _scheme(scheme: Scheme, ds: xr.Dataset) -> Risk:
    delivered, late, lost = (
        ds[f"saving_{what}"].sel(scheme=scheme.name).transpose("year", "draw").to_numpy()
        for what in ("delivered", "late", "lost")
    )
    services = ", ".join(service for service, _ in scheme.terms.split)
    return Risk(scheme.name, "saving", services, late + lost, delivered + late + lost)


def _contingency(line: ContingencyLine, ds: xr.Dataset) -> Risk:
    spent = ds["contingency_spent"].sel(contingency=line.name).transpose("year", "draw").to_numpy()
    planned = ds["planned_cost"].sel(line=line.name).to_numpy()
    return Risk(line.name, "contingency", line.service, spent, planned=planned)


def total_of(risks: Sequence[Risk], years: slice, n_draws: int) -> dict[str, float]:
    """Add up the risks over some years, contingency left out."""
    counted = [risk for risk in risks if risk.is_risk]
    expected = np.zeros(1)
    for risk in counted:
        expected = expected + risk.expected[years].sum(axis=0)
    return {
        "probability": math.nan,
        "impact": math.nan,  # all at once is no figure a council would hold money for
        "expected": float(expected.mean()),
        "expected_se": error_of(expected, n_draws),
        "planned": sum(risk.figures(years, n_draws)["planned"] for risk in counted),
    }


def risk_register(
    plan_or_ds: Plan | Mapping[str, Any] | xr.Dataset,
    *,
    year: str | None = None,
    unit: Unit = "GBP m",
    n_draws: int = 10_000,
    seed: int | None = None,
) -> pd.DataFrame:
    """Tabulate likelihood, impact and expected value of every risk that a plan states.

    Parameters
    ----------
    plan_or_ds
        A plan, or a projection of one with all its variables, whose draws are read.
    year
        One year; all years together unless given.
    unit
        Unit of the money shown.
    n_draws, seed
        As for :func:`mtfs.project_gap`; a projection has its own.

    Returns
    -------
    pandas.DataFrame
        A row a risk and a last row ``total``. ``kind``: a ``risk`` line; the end of a statutory
        ``override``, whose balance then falls on reserves; a ``grant`` the plan counts on after it
        may end; a ``saving``; a ``contingency``. ``probability``; ``impact``, GBP when it happens;
        ``expected``, the one times the other, with its standard error ``expected_se``; ``planned``,
        what the council's own table holds for it. Of a saving the impact is all of it and the
        probability the share of it that is expected not to arrive by then. Of a contingency,
        probability and impact are chance and mean of its use. The total is of risks, so it leaves
        contingency out, and has no probability and no impact.

        ``attrs["risk_based_reserve"]`` is expected less planned: what a council would hold that
        adds up likelihood times impact (as Bristol did for savings in 2017/18). It is an average
        of what may go wrong, and says nothing of how much may go wrong together.

    Raises
    ------
    MtfsError
        When a projection does not hold what is needed, or there is no such year.

    Examples
    --------
    >>> risk = {"kind": "risk", "name": "flood", "probability": 0.2, "impact": 5e6,
    ...         "year": "2026/27"}
    >>> plan = {"council": "A", "first_year": "2026/27", "horizon": 2, "lines": [risk]}
    >>> risk_register(plan, n_draws=2, seed=1).loc["flood", ["impact", "expected"]].tolist()
    [10.0, 2.0]
    """
    if isinstance(plan_or_ds, xr.Dataset):
        ds = require_projection(plan_or_ds)
        plan = Plan.model_validate_json(ds.attrs["plan"])
    else:
        plan = plan_or_ds if isinstance(plan_or_ds, Plan) else Plan.model_validate(plan_or_ds)
        ds = project_gap(plan, n_draws=n_draws, seed=seed)
    if year is not None and year not in plan.years:
        msg = (
            f"'{year}' is not a year of the plan, which runs from {plan.years[0]} to "
            f"{plan.years[-1]}"
        )
        raise MtfsError(msg)
    first = 0 if year is None else plan.years.index(year)
    years = slice(first, None if year is None else first + 1)
    risks, n, scale = risks_of(plan, ds), ds.sizes["draw"], in_unit(unit)
    rows = [{"kind": risk.kind, "service": risk.service} | risk.figures(years, n) for risk in risks]
    last = total_of(risks, years, n)
    rows.append({"kind": "", "service": ""} | last)
    names = pd.Index([*(risk.name for risk in risks), TOTAL], name="risk")
    table = pd.DataFrame(rows, index=names)
    money = ["impact", "expected", "expected_se", "planned"]
    table[money] /= scale
    table.attrs = {
        "unit": unit,
        "years": plan.years[0] + " to " + plan.years[-1] if year is None else year,
        "risk_based_reserve": (last["expected"] - last["planned"]) / scale,
    }
    return table
