"""Plans side by side on shared shocks: what a policy does, in every draw, and how sure that is.

Every stream of draws is keyed by the seed and its own name, so the same seed gives two plans the
same prices, people and settlements. Their difference in a draw is then due to what differs between
the plans, and to nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import product
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
import xarray as xr

from mtfs.measures import Unit, figures, in_unit, share_of_draws
from mtfs.plan import Changes, Plan
from mtfs.projection import draws_meant, plan_meant, project_gap
from mtfs.scenarios import Scenario, Scenarios
from mtfs.schema import (
    BALANCE,
    CLOSES,
    planned_name,
    require_draws,
    require_year,
)
from mtfs.vocabulary import Array, MtfsError, PlanError, Problem, listing, suggest

if TYPE_CHECKING:
    from numpy.typing import NDArray

Policy: TypeAlias = Plan | Scenario | Changes | xr.Dataset
"""a plan, a plan's mapping, a projection (for its plan), a scenario, or changes by dotted path"""
Policies: TypeAlias = Scenarios | Iterable[Scenario] | Mapping[str, Policy]
AnyPlan: TypeAlias = Plan | Mapping[str, Any] | xr.Dataset

BASELINE = "baseline"
SAME = 0.005  # GBP: half a penny; draws so near are the same, sums in another order apart
_BESIDE = ("plan", "plan_digest")


def compare(
    scenarios: Policies | None = None,
    /,
    *more: object,
    n_draws: int | None = None,
    seed: int | None = None,
    **named: Policy,
) -> xr.Dataset:
    """Project several plans on the same draws.

    Parameters
    ----------
    scenarios
        What :func:`mtfs.load_scenarios` gives, scenarios, or a mapping by name.
    *more
        None: only one can be given by position.
    n_draws
        Joint outcomes: 10,000, or those of the baseline where that is a projection.
    seed
        As for :func:`mtfs.project_gap`, or that of the baseline where it is a projection.
    **named
        More of them, by name: a plan, a projection (its plan counts), a scenario, or a mapping of
        changes by dotted path. ``baseline`` is the plan that scenarios and changes are applied to
        and that all are judged against; without it, the first of all is.

    Returns
    -------
    xarray.Dataset
        The totals of :func:`mtfs.project_gap` with the dimension ``scenario`` before all others,
        the baseline first; ``planned_`` twins too. ``plan(scenario)`` holds each plan as JSON. A
        fund that a scenario does not have holds nothing there, and ``held(scenario, fund)`` says
        so. :func:`mtfs.quantiles` and :func:`mtfs.probability` take it as they take a projection.

    Raises
    ------
    PlanError
        When scenarios do not fit the baseline; lists every problem of all of them.
    MtfsError
        When there is no baseline plan, or councils, years or price bases differ.

    Examples
    --------
    >>> roads = {"kind": "budget", "name": "roads", "base": 2e6}
    >>> plan = {"council": "A", "first_year": "2026/27", "lines": [roads]}
    >>> found = compare(baseline=plan, cut={"lines.roads.base": 1.5e6}, n_draws=2, seed=1)
    >>> found["gap"].sel(year="2026/27", draw=0).values
    array([2000000., 1500000.])
    """
    if more:
        msg = (
            f"found {1 + len(more)} by position; give plans and scenarios by name, as in "
            "compare(baseline=plan, other=changes), or one mapping of them by name"
        )
        raise MtfsError(msg)
    given = _named(scenarios)
    if twice := given.keys() & named.keys():
        msg = f"{listing(twice)} is given twice, by position and by name; rename one"
        raise MtfsError(msg)
    given |= named
    first = BASELINE if BASELINE in given else next(iter(given), None)
    base = _plan_of(given[first]) if first is not None else None
    if first is None or base is None:
        msg = (
            f"the baseline, '{first}', is not a plan; give one: compare(..., baseline=plan)"
            if given
            else "nothing to compare; give plans by name: compare(baseline=plan, other=changes)"
        )
        raise MtfsError(msg)
    if isinstance(scenarios, Scenarios) and (found := scenarios.problems(base)):
        raise PlanError(found, Scenarios.called)
    n_draws, seed = draws_meant(given[first], n_draws, seed)
    plans = {first: base} | _plans({k: v for k, v in given.items() if k != first}, base)
    _require_alike(plans)
    said = {"title": f"{base.council}: {len(plans)} scenarios side by side", "baseline": first}
    return _side_by_side(list(plans.values()), {"scenario": list(plans)}, said, n_draws, seed)


def compare_grid(
    plan: AnyPlan,
    scenarios: Scenarios | None = None,
    *,
    levers: Policies | None = None,
    states: Policies | None = None,
    n_draws: int | None = None,
    seed: int | None = None,
) -> xr.Dataset:
    """Project every policy in every state of the world, on the same draws.

    Parameters
    ----------
    plan
        The plan, or a projection of it.
    scenarios
        A file's, whose ``levers`` and ``states`` are meant.
    levers, states
        Scenarios, or mappings of changes by name. One without changes stands for the plan itself.
    n_draws, seed
        As for :func:`compare`.

    Returns
    -------
    xarray.Dataset
        As :func:`compare`, with the dimensions ``lever`` and ``state`` before all others.

    Raises
    ------
    PlanError
        When a lever and a state set the same place of the plan, or do not fit it.
    """
    base = _require_plan(plan)
    if scenarios is not None:
        given: Any = scenarios
        if not isinstance(given, Scenarios):
            msg = (
                f"found a {type(given).__name__}; expected what mtfs.load_scenarios gives, or "
                "give 'levers' and 'states', each a mapping of changes by name"
            )
            raise MtfsError(msg)
        if levers is not None or states is not None:
            msg = "give a file's levers and states, or 'levers' and 'states', not both"
            raise MtfsError(msg)
        if found := scenarios.problems(base):
            raise PlanError(found, Scenarios.called)
        levers, states = scenarios.levers, scenarios.states
    does = _scenarios(levers, "levers")
    worlds = _scenarios(states, "states")
    _plans(
        {f"lever {n}": s for n, s in does.items()} | {f"state {n}": s for n, s in worlds.items()},
        base,
    )
    n_draws, seed = draws_meant(plan, n_draws, seed)
    plans = []
    for lever, state in product(does, worlds):  # names may hold commas: joined, two could be one
        plans.append(does[lever].combined(worlds[state], base).applied(base))
        _require_alike({"the plan": base, f"{lever}, {state}": plans[-1]})
    said = {"title": f"{base.council}: {len(does)} levers in {len(worlds)} states of the world"}
    labels = {"lever": list(does), "state": list(worlds)}
    return _side_by_side(plans, labels, said, n_draws, seed)


def one_scenario(ds: xr.Dataset, name: str) -> xr.Dataset:
    """Take one scenario out of a comparison, as the projection it is.

    Parameters
    ----------
    ds
        From :func:`compare`.
    name
        The scenario's.

    Returns
    -------
    xarray.Dataset
        What ``project_gap(plan, keep="totals")`` gives for its plan and the same draws: with
        ``mtfs.summary``, ``reserve_risk`` and pictures.
    """
    _require_scenario(ds, name)
    found = ds.sel(scenario=name)
    plan = Plan.model_validate_json(found["plan"].item())
    if "fund" in ds.dims:
        held = found["held"].to_numpy()
        found = found.isel(fund=held) if held.any() else found.drop_dims("fund")
    drop = [key for key in ("scenario", "held", *_BESIDE) if key in found.coords]
    attrs = {key: value for key, value in ds.attrs.items() if key != "baseline"}
    return found.drop_vars(drop).assign_attrs(
        attrs
        | {
            "title": f"{plan.council}: {name}",
            "plan": plan.to_json(),
            "plan_digest": plan.digest,
            "closure": plan.reserves.closure.policy,
        }
    )


def differences(
    ds: xr.Dataset, *, variable: str = "gap", against: str | None = None
) -> xr.DataArray:
    """Give what differs from the baseline in every draw.

    Parameters
    ----------
    ds
        From :func:`compare`.
    variable
        Any of its variables with draws; reserves are summed over the funds (for one, select it
        first: ``ds.sel(fund="general fund")``).
    against
        The scenario they are judged against, the baseline unless given.

    Returns
    -------
    xarray.DataArray
        Dimensions ``(scenario, draw, year)``, GBP; 0 in every draw for what it is judged against.
    """
    against = _against(ds, against)
    found = _drawn(ds, variable)
    with xr.set_options(arithmetic_join="exact"):
        less = found - found.sel(scenario=against, drop=True)
    said = found.attrs | {
        "long_name": f"{found.attrs['long_name']}, difference from '{against}'",
    }
    return less.assign_attrs(said)


def comparison_table(
    ds: xr.Dataset,
    *,
    variable: str = "gap",
    year: str | None = None,
    against: str | None = None,
    unit: Unit = "GBP m",
) -> pd.DataFrame:
    """Tabulate scenarios: where each lies, and what it changes in the same draws.

    Parameters
    ----------
    ds
        From :func:`compare`.
    variable, against
        As for :func:`differences`.
    year
        The year shown, the last unless given.
    unit
        Unit of the money shown.

    Returns
    -------
    pandas.DataFrame
        A row a scenario; ``plan``, ``mean``, ``P10``, ``P50``, ``P90``, and the same of the
        difference from the baseline in the same draws (``difference_plan`` ...): its P10 to P90
        holds four draws in five. ``better`` is the share of draws in which the scenario beats the
        baseline (a lower gap, higher reserves or funding), ``same`` that of draws in which they
        agree to half a penny, which count as neither better nor worse. All but ``plan`` and
        ``difference_plan`` have their standard errors (``_se``) beside.
    """
    against = _against(ds, against)
    shown = require_year(ds, year)
    found = _drawn(ds, variable).sel(year=shown)
    less = differences(ds, variable=variable, against=against).sel(year=shown)
    planned = _summed(ds[planned_name(variable)]).sel(year=shown)
    scale, axis = in_unit(unit), found.get_axis_num("draw")
    columns: dict[str, Array] = {"plan": planned.to_numpy() / scale}
    columns |= figures(found.to_numpy(), axis, unit)
    columns["difference_plan"] = (planned - planned.sel(scenario=against)).to_numpy() / scale
    apart = figures(less.to_numpy(), axis, unit)
    columns |= {f"difference_{name}": values for name, values in apart.items()}
    gains = less if found.attrs["sign"] in {CLOSES, BALANCE} else -less
    for name, happens in (("better", gains > SAME), ("same", abs(less) <= SAME)):
        columns |= _chance(name, happens)
    table = pd.DataFrame(columns, index=pd.Index(ds["scenario"].to_numpy(), name="scenario"))
    table.attrs = {"unit": unit, "variable": variable, "year": shown, "against": against}
    return table


def grid_table(
    ds: xr.Dataset, *, variable: str = "gap", year: str | None = None, unit: Unit = "GBP m"
) -> pd.DataFrame:
    """Tabulate a grid: in each state of the world, how each lever does against the best.

    Parameters
    ----------
    ds
        From :func:`compare_grid`.
    variable
        Any of its variables with draws; reserves are summed over the funds.
    year
        The year shown, the last unless given.
    unit
        Unit of the money shown.

    Returns
    -------
    pandas.DataFrame
        A row a state and lever; ``plan``, ``mean``, ``P10``, ``P50``, ``P90``; ``regret``, by how
        much its mean is worse than that of the best lever of this state, in the same draws (0 for
        the best); ``best``, the share of draws in which no lever does better by more than half a
        penny, so that levers that tie all count. All but ``plan`` have their standard errors
        (``_se``); that of regret leaves out that the best was found in the same draws. The greatest
        regret of each lever is ``table["regret"].groupby("lever").max()``.
    """
    if "lever" not in require_draws(ds, variable).dims:
        msg = "expected a Dataset from mtfs.compare_grid(), with dimensions 'lever' and 'state'"
        raise MtfsError(msg)
    shown = require_year(ds, year)
    found = _drawn(ds, variable).sel(year=shown).transpose("state", "lever", "draw")
    planned = _summed(ds[planned_name(variable)]).sel(year=shown).transpose("state", "lever")
    more = found.attrs["sign"] in {CLOSES, BALANCE}
    worse = -found if more else found
    best = worse.mean("draw").argmin("lever")
    with xr.set_options(arithmetic_join="exact"):
        regret = worse - worse.isel(lever=best).drop_vars("lever")
        as_good = worse <= worse.min("lever") + SAME
    n = found.sizes["draw"]
    spread = regret.std("draw", ddof=1).to_numpy() if n > 1 else np.full(planned.shape, np.nan)
    columns = {"plan": planned.to_numpy() / in_unit(unit)}
    columns |= figures(found.to_numpy(), 2, unit)
    columns["regret"] = regret.mean("draw").to_numpy() / in_unit(unit)
    columns["regret_se"] = spread / np.sqrt(n) / in_unit(unit)
    columns |= _chance("best", as_good)
    rows = pd.MultiIndex.from_product(
        [ds["state"].to_numpy(), ds["lever"].to_numpy()], names=["state", "lever"]
    )
    table = pd.DataFrame({key: values.ravel() for key, values in columns.items()}, index=rows)
    table.attrs = {"unit": unit, "variable": variable, "year": shown}
    return table


# What is given


def _named(scenarios: object) -> dict[str, Any]:
    """Name what is given by position."""
    if scenarios is None:
        return {}
    if isinstance(scenarios, Scenarios):
        if not scenarios.scenarios:
            msg = "the file holds levers and states but no scenarios: mtfs.compare_grid takes them"
            raise MtfsError(msg)
        scenarios = scenarios.scenarios
    if isinstance(scenarios, Plan | Scenario | xr.Dataset | str) or _is_plan(scenarios):
        plan = isinstance(scenarios, Plan | xr.Dataset) or _is_plan(scenarios)
        what = "plan" if plan else type(scenarios).__name__.lower()
        msg = f"found a {what} without a name; write compare(baseline=plan, other=scenario)"
        raise MtfsError(msg)
    if isinstance(scenarios, Mapping):
        return dict(scenarios)
    held: list[Any] = list(scenarios) if isinstance(scenarios, Iterable) else [scenarios]
    if wrong := [each for each in held if not isinstance(each, Scenario)]:
        msg = f"found a {type(wrong[0]).__name__}; expected scenarios, or a mapping by name"
        raise MtfsError(msg)
    names = [each.name for each in held]
    if twice := {name for name in names if names.count(name) > 1}:
        msg = f"{listing(twice)}: two scenarios of one name; rename one"
        raise MtfsError(msg)
    return dict(zip(names, held, strict=True))


def _is_plan(value: object) -> bool:
    """Whether a mapping is a plan's and not one of changes."""
    return isinstance(value, Mapping) and {"council", "first_year"} <= value.keys()


def _plan_of(value: object) -> Plan | None:
    """Give the plan that something is or carries; none for scenarios and changes."""
    if isinstance(value, xr.Dataset | Plan):
        return plan_meant(value)
    return Plan.model_validate(value) if _is_plan(value) else None


def _require_plan(value: object) -> Plan:
    if (plan := _plan_of(value)) is None:
        msg = f"found a {type(value).__name__}; expected a plan or a projection"
        raise MtfsError(msg)
    return plan


def _scenario(name: str, value: object) -> Scenario:
    if isinstance(value, Scenario):
        return value
    if isinstance(value, Mapping):
        return Scenario(name=name, changes=value)
    msg = (
        f"'{name}' is a {type(value).__name__}; expected a plan, a scenario, or changes by dotted "
        "path such as {'lines.home care.weekly_cost': 340.0}"
    )
    raise MtfsError(msg)


def _scenarios(policies: Policies | None, what: str) -> dict[str, Scenario]:
    """Name the levers or the states of a grid, which are changes and never plans."""
    if isinstance(policies, Scenarios):
        msg = f"a file's {what} are taken together: compare_grid(plan, scenarios)"
        raise MtfsError(msg)
    given = _named(policies)
    if not given:
        msg = f"there are no {what}; give at least one"
        raise MtfsError(msg)
    if plans := [name for name, value in given.items() if _plan_of(value) is not None]:
        msg = f"'{plans[0]}' is a plan; {what} are changes, so that each can meet every other"
        raise MtfsError(msg)
    return {name: _scenario(name, value) for name, value in given.items()}


def _plans(given: Mapping[str, object], base: Plan) -> dict[str, Plan]:
    """Make every plan, or say everything that is wrong with any."""
    found: dict[str, Plan] = {}
    problems: list[Problem] = []
    for name, value in given.items():
        try:
            found[name] = _plan_of(value) or _scenario(name, value).applied(base)
        except PlanError as error:
            problems += error.problems
    if problems:
        raise PlanError(problems, "what is compared")
    return found


def _require_alike(plans: Mapping[str, Plan]) -> None:
    """Refuse plans of which a difference would say nothing."""
    (first, base), *others = plans.items()
    for name, plan in others:
        for what, one, two in (
            ("council", base.council, plan.council),
            (
                "years",
                f"{base.years[0]} to {base.years[-1]}",
                f"{plan.years[0]} to {plan.years[-1]}",
            ),
            ("price base", base.price_base, plan.price_base),
        ):
            if one != two:
                msg = (
                    f"'{first}' and '{name}' differ in {what}: {one} and {two}; make them the same"
                )
                raise MtfsError(msg)


# What is given back


def _side_by_side(
    plans: Sequence[Plan],
    labels: Mapping[str, Sequence[str]],
    said: Mapping[str, str],
    n_draws: int,
    seed: int,
) -> xr.Dataset:
    """Run plans on the same draws and put the results beside each other, in the labels' order."""
    runs = [project_gap(plan, n_draws=n_draws, seed=seed, keep="totals") for plan in plans]
    dims, sizes = tuple(labels), tuple(map(len, labels.values()))
    names = (str(fund.name) for plan in plans for fund in plan.reserves.funds)
    funds = list(dict.fromkeys(names))
    holder = max(runs, key=lambda run: run.sizes.get("fund", 0))

    def stacked(rows: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return np.stack(rows).reshape(*sizes, *rows[0].shape)

    data = {
        str(name): (
            (*dims, *like.dims),
            stacked([_by_fund(run, str(name), like, funds) for run in runs]),
            like.attrs,
        )
        for name, like in holder.data_vars.items()
    }
    plain = {key: holder[key] for key in ("draw", "year", "year_start", "lead")}
    coords: dict[str, Any] = plain | {dim: list(held) for dim, held in labels.items()}
    coords["plan"] = (dims, stacked([np.array(plan.to_json()) for plan in plans]))
    coords["plan_digest"] = (dims, stacked([np.array(plan.digest) for plan in plans]))
    if funds:
        coords["fund"] = funds
        for key in ("general", "usable"):
            flags = [_flags(run, key, funds) for run in runs]
            coords[key] = ((*dims, "fund"), stacked(flags))
        held = [np.isin(funds, [fund.name for fund in plan.reserves.funds]) for plan in plans]
        coords["held"] = ((*dims, "fund"), stacked(held))
    kept = ("council", "price_base", "seed", "sampler", "n_draws", "mtfs_version", "numpy_version")
    attrs = dict(said) | {key: holder.attrs[key] for key in kept}
    attrs |= {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": sum(run.attrs["seconds"] for run in runs),
    }
    return xr.Dataset(data, coords=coords, attrs=attrs)


def _by_fund(run: xr.Dataset, name: str, like: xr.DataArray, funds: Sequence[str]) -> Array:
    """Give a variable's values; of funds, a row for each there is, 0 where the plan has it not."""
    if "fund" not in like.dims:
        return run[name].to_numpy()
    rows = np.zeros((len(funds), *(like.sizes[dim] for dim in like.dims if dim != "fund")))
    if name in run:
        for fund, values in zip(run["fund"].to_numpy(), run[name].to_numpy(), strict=True):
            rows[funds.index(str(fund))] = values
    return rows


def _flags(run: xr.Dataset, key: str, funds: Sequence[str]) -> NDArray[np.bool_]:
    held = dict(zip(run["fund"].to_numpy(), run[key].to_numpy(), strict=True)) if key in run else {}
    return np.array([bool(held.get(fund, False)) for fund in funds])


# What is read


def _require_scenario(ds: xr.Dataset, name: str) -> None:
    if not isinstance(ds, xr.Dataset) or "scenario" not in ds.dims or "baseline" not in ds.attrs:
        msg = "expected a Dataset from mtfs.compare(), with the dimension 'scenario'"
        raise MtfsError(msg)
    names = [str(each) for each in ds["scenario"].to_numpy()]
    if name not in names:
        near = suggest(str(name), names)
        msg = f"no scenario is called '{name}'.{near} There is: {listing(names)}."
        raise MtfsError(msg)


def _against(ds: xr.Dataset, against: str | None) -> str:
    found = getattr(ds, "attrs", {}).get("baseline", "") if against is None else against
    _require_scenario(ds, found)
    return str(found)


def _drawn(ds: xr.Dataset, variable: str) -> xr.DataArray:
    found = require_draws(ds, variable)[variable]
    if "draw" not in found.dims:
        msg = f"'{variable}' has no draws, so nothing can be said of its chances"
        raise MtfsError(msg)
    return _summed(found)


def _summed(values: xr.DataArray) -> xr.DataArray:
    """Add up the funds, and leave the plans' text out."""
    drop = [name for name in _BESIDE if name in values.coords]
    values = values.drop_vars(drop)
    if "fund" in values.dims:
        values = values.sum("fund", skipna=False).assign_attrs(values.attrs)
    return values


def _chance(name: str, happens: xr.DataArray) -> dict[str, Array]:
    share = share_of_draws(happens, name)
    return {name: share.to_numpy(), f"{name}_se": share["standard_error"].to_numpy()}
