"""Whether money spent now comes back: a plan with and without it, on the same draws."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import xarray as xr

from mtfs.lines import PreventionLine
from mtfs.measures import share_of_draws
from mtfs.plan import Plan
from mtfs.projection import project_gap
from mtfs.sampling import fresh_seed, require_seed
from mtfs.vocabulary import MtfsError, listing, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# HM Treasury, The Green Book (2022): the social time preference rate, above inflation.
DISCOUNT_RATE = 0.035
# The target for CPI inflation that the government sets the Bank of England.
INFLATION = 0.02
NOMINAL = "nominal"


def payback(
    plan: Plan | Mapping[str, Any],
    names: str | Sequence[str],
    *,
    discount_rate: float = DISCOUNT_RATE,
    inflation: float | str | None = None,
    n_draws: int = 10_000,
    seed: int | None = None,
) -> xr.Dataset:
    """Say what an investment costs and brings, year by year, and when it has paid for itself.

    The plan runs twice on the same draws: as it is, and with the named prevention lines and savings
    at nothing. All that differs is due to them: people in care, what partners and clients pay, what
    contingency and grants net off.

    Parameters
    ----------
    plan
        The plan that holds the investment.
    names
        Prevention lines, and savings that come of the same money.
    discount_rate
        A year, above inflation: the Green Book's unless given.
    inflation
        Growth of prices a year, a fraction or the name of a driver of the plan: the Bank of
        England's target unless given. With the discount rate it turns a year's money into the
        first year's. It has to be given where the plan's ``price_base`` is not nominal: 0 for money
        at constant prices.
    n_draws, seed
        As for :func:`mtfs.project_gap`.

    Returns
    -------
    xarray.Dataset
        Dimensions ``(draw, year)``, GBP: ``spend`` (of the prevention lines, over their base, less
        what grants ring-fenced to them and tied funds pay; a fund that then holds less is no cost),
        ``net_cost`` (what the gap widens by), ``avoided_cost`` (spend less net cost),
        ``cumulative_cost`` and ``net_present_cost`` (net cost added up from the first year, the
        latter discounted to it); a negative cost is a gain. ``people`` ``(care_line, draw, year)``,
        the change in year-average people. ``planned_`` twins are the council's own table.
        ``paid_back`` and ``paid_back_discounted`` ``(year)`` are shares of the draws in which what
        came back by the end of a year is at least what was spent, with their standard errors
        ``paid_back_se`` and ``paid_back_discounted_se``; 0 before any money is spent. For a cut
        they are the chance that it has not yet cost more than it saved.

    Raises
    ------
    MtfsError
        When a name is neither a prevention line nor a saving, a scheme that is not named needs one
        that is, a rate is no number above -1, or inflation is not given and the plan's money is not
        nominal.
    """
    plan = plan if isinstance(plan, Plan) else Plan.model_validate(plan)
    wanted = (names,) if isinstance(names, str) else tuple(names)
    seed = fresh_seed() if seed is None else require_seed(seed)
    if inflation is None:
        inflation = _usual_inflation(plan)
    other = _without(plan, wanted)
    with_it, without = (project_gap(each, n_draws=n_draws, seed=seed) for each in (plan, other))
    deflators = _deflators(plan, with_it, _require_rate(discount_rate, "discount_rate"), inflation)
    found = xr.Dataset(coords=with_it["gap"].coords)
    lines = _named(plan, wanted)
    touched = _touched(lines)
    for prefix, deflator in zip(("", "planned_"), deflators, strict=True):
        net = with_it[f"{prefix}gap"] - without[f"{prefix}gap"]
        spend = xr.zeros_like(net)
        if lines:
            names = [line.name for line in lines]
            spend = _difference(with_it, without, f"{prefix}cost", line=names).sum("line")
        money = {
            "spend": (spend, "spending over the base year's"),
            "net_cost": (net, "net cost"),
            "avoided_cost": (spend - net, "cost avoided"),
            "cumulative_cost": (net.cumsum("year"), "net cost to date"),
            "net_present_cost": (
                (net * deflator).cumsum("year"),
                "net cost to date at the prices and time of the first year",
            ),
        }
        for name, (values, long_name) in money.items():
            found[f"{prefix}{name}"] = values.assign_attrs(
                units="GBP", long_name=long_name, sign="positive is a cost"
            )
        if touched:
            people = _difference(with_it, without, f"{prefix}people", care_line=touched)
            found[f"{prefix}people"] = people.assign_attrs(
                units="people", long_name="change in year-average people"
            )
    spent = abs(found["spend"]).cumsum("year") > 0  # before that nothing has been paid back
    for name, cost in (("", "cumulative_cost"), ("_discounted", "net_present_cost")):
        back = (found[cost] < 0) | ((found[cost] == 0) & spent)
        share = share_of_draws(back, "chance of having paid back")
        found[f"paid_back{name}_se"] = share["standard_error"].drop_vars("standard_error")
        found[f"paid_back{name}"] = share.drop_vars("standard_error")
    found.attrs = {key: with_it.attrs[key] for key in ("council", "price_base", "plan_digest")} | {
        "title": f"{plan.council}: payback of {', '.join(wanted)}",
        "seed": seed,
        "n_draws": with_it.attrs["n_draws"],
        "discount_rate": float(discount_rate),
        "inflation": inflation,
    }
    return found


def _usual_inflation(plan: Plan) -> float:
    """Give the growth of prices where none is stated."""
    if plan.price_base != NOMINAL:
        msg = (
            f"the plan's money is in '{plan.price_base}': give 'inflation', 0 where these are "
            "constant prices, a rate a year where they are not"
        )
        raise MtfsError(msg)
    return INFLATION


def _without(plan: Plan, names: Sequence[str]) -> Plan:
    """Make the plan in which the named parts spend and save nothing."""
    lines = {line.name for line in plan.lines if isinstance(line, PreventionLine)}
    savings = {scheme.name for scheme in plan.savings}
    if not names:
        msg = "name at least one prevention line or saving"
        raise MtfsError(msg)
    for name in names:
        if name not in lines | savings:
            held = sorted(lines | savings)
            msg = (
                f"'{name}' is neither a prevention line nor a saving of the plan."
                f"{suggest(name, held)} It holds: {listing(held)}."
            )
            raise MtfsError(msg)
    for scheme in plan.savings:
        needed = [name for name in scheme.needs if name in names]
        if needed and scheme.name not in names:
            msg = (
                f"'{scheme.name}' needs '{needed[0]}', and without it would save nothing: name "
                f"'{scheme.name}' too"
            )
            raise MtfsError(msg)
    data = plan.model_dump(exclude_none=True)
    for group, field in (("lines", "spend"), ("savings", "levels")):
        data[group] = [
            {**part, field: 0.0} if part["name"] in names and field in part else part
            for part in data[group]
        ]
    return Plan.model_validate(data)


def _difference(
    with_it: xr.Dataset, without: xr.Dataset, name: str, **items: Sequence[str]
) -> xr.DataArray:
    here = {dim: list(labels) for dim, labels in items.items()}
    return with_it[name].sel(here) - without[name].sel(here)


def _named(plan: Plan, names: Sequence[str]) -> list[PreventionLine]:
    """List the prevention lines of some names; a saving may bear the name of any line."""
    return [line for line in plan.lines if isinstance(line, PreventionLine) and line.name in names]


def _touched(lines: Sequence[PreventionLine]) -> list[str]:
    """List the care lines whose people prevention lines change."""
    by = [name for line in lines for name in (line.reduces, *(one.line for one in line.instead))]
    return list(dict.fromkeys(by))


def _deflators(
    plan: Plan, ds: xr.Dataset, rate: float, inflation: float | str
) -> tuple[xr.DataArray, xr.DataArray]:
    """Give what turns a year's money into the first year's: in draws and in the plan's table."""
    lead = ds["lead"] - 1
    if not isinstance(inflation, str):
        whole = (1 + rate) * (1 + _require_rate(inflation, "inflation"))
        fixed = (1 / whole) ** lead
        return fixed, fixed
    drivers = [driver.name for driver in plan.drivers]
    if inflation not in drivers:
        msg = (
            f"inflation names driver '{inflation}', which the plan does not hold."
            f"{suggest(inflation, drivers)} It holds: {listing(drivers)}."
        )
        raise MtfsError(msg)
    draws, planned = (
        _prices(ds[name].sel(driver=inflation, drop=True)) for name in ("path", "planned_path")
    )
    return (1 / (1 + rate)) ** lead / draws, (1 / (1 + rate)) ** lead / planned


def _prices(growth: xr.DataArray) -> xr.DataArray:
    """Compound growth into prices over the first year's."""
    prices = (1 + growth).cumprod("year")
    return prices / prices.isel(year=0, drop=True)


def _require_rate(rate: float, name: str) -> float:
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not math.isfinite(rate):
        msg = f"{name} is {rate!r}; expected a fraction a year, such as 0.035"
        raise MtfsError(msg)
    if not -1 < rate <= 1:
        msg = f"{name} is {rate:g}; expected a fraction above -1, at most 1: write 3.5% as 0.035"
        raise MtfsError(msg)
    return float(rate)
