"""Whether reserves suffice: the opening balance that survives, and what happens with less."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
import xarray as xr

from mtfs.engine import engine_of
from mtfs.lines import CouncilTax
from mtfs.measures import Unit, in_unit, quantiles_of, reserve_risk, share_of_draws
from mtfs.plan import Plan
from mtfs.projection import draws_meant, plan_meant, project_gap
from mtfs.schema import BALANCE
from mtfs.vocabulary import (
    Array,
    MtfsError,
    PlanWarning,
    listing,
    require_share,
    suggest,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtfs.reserves import Fund

Policy: TypeAlias = Literal["none", "plan", "respond"]
POLICIES: tuple[Policy, ...] = get_args(Policy)
PENNY = 0.01  # GBP; a sum below it that no reserve met is rounding
N_DRAWS = 10_000
_BALANCES = 101  # points of a survival curve: steps of 1% of its length
_SUMS = (
    "opening_needed",
    "margin",
    "unfunded_mean",
    "unfunded_shortfall",
    "unfunded_if_exhausted",
)
_COLUMNS = (*_SUMS[:2], "exhausted", "median_year", *_SUMS[2:])


def reserve_adequacy(
    plan_or_ds: Plan | Mapping[str, Any] | xr.Dataset,
    *,
    level: float = 0.95,
    policies: Sequence[Policy] = POLICIES,
    n_draws: int | None = None,
    seed: int | None = None,
) -> xr.Dataset:
    """Say what opening balance survives the plan's years, and what happens if it is less.

    A draw survives when no year leaves a sum that no reserve met. The plan runs under every closure
    policy on the same draws.

    Parameters
    ----------
    plan_or_ds
        A plan, or a projection of one, which is run again on its own draws.
    level
        Share of the draws that the opening balance needed survives, strictly between 0 and 1; and
        1 - ``level`` is the share of the worst draws in ``unfunded_shortfall``.
    policies
        Closure policies: ``none``, ``plan``, ``respond``.
    n_draws, seed
        As for :func:`mtfs.project_gap`, 10,000 draws unless given; a projection has its own.

    Returns
    -------
    xarray.Dataset
        Dimension ``closure``, the policies. Money is GBP, chances are shares of draws; each has its
        standard error beside it (``_se``).

        - ``opening``: usable reserves at the start, as the plan has them; ``opening_needed``: the
          least with which ``level`` of the draws survive; ``margin``: the one less the other.
        - ``exhausted`` ``(closure, year)``: chance that a year is the first with a sum that no
          reserve met; ``exhausted_by``: in it or before; ``never_exhausted``; ``median_year``: by
          the end of which half of the draws that exhaust reserves have done so.
        - ``unfunded_mean``: what no reserve met, all years together, on average;
          ``unfunded_shortfall``: the same in the worst ``1 - level`` of the draws (expected
          shortfall; see the notes); ``unfunded_if_exhausted``: in the draws that exhaust reserves,
          nan where none does.
        - ``below_minimum`` ``(closure, year)``: chance that the general fund closes below its
          minimum, where it has one.
        - ``survival`` ``(closure, balance)``: chance of surviving with another opening ``balance``.
        - ``council_tax_percent``: GBP that one more point on the rise of council tax in the first
          year brings in that year, in the council's own table; and every sum in such points
          (``_percent``). A rise stays and the sum is needed once. Left out of a plan without
          council tax; ``attrs["council_tax"]`` says so.

    Raises
    ------
    MtfsError
        When the plan has no fund that may meet a shortfall, ``level`` or a policy is none, or a
        projection was made from given scores.

    Notes
    -----
    In a draw the usable balance less what no reserve met to date follows from the opening balance
    by adding; its least value over the years says what opening would have done. Where the opening
    balance also moves interest on balances, planned uses of a fund or the response to a shortfall,
    the plan runs again until that agrees. What is added goes into the first usable fund; what is
    taken comes from usable funds in their order. ``survival`` is exact at ``opening`` and at
    ``opening_needed``; elsewhere what each draw needs is taken to change evenly between them.

    Expected shortfall is that of Acerbi and Tasche (2002, "On the coherence of expected shortfall",
    Journal of Banking and Finance 26), which is right also where more than ``level`` of the draws
    leave nothing unfunded: the average of the worst ``1 - level``, zeros included.

    Examples
    --------
    >>> plan = {"council": "A", "first_year": "2026/27", "horizon": 3, "base_gap": 10.0,
    ...         "lines": [{"kind": "budget", "name": "roads", "base": 0.0}],
    ...         "reserves": {"funds": [{"name": "general", "opening": 25.0}],
    ...                      "surplus_to": "general"}}
    >>> found = reserve_adequacy(plan, policies=["none"], n_draws=2, seed=1)
    >>> float(found["opening_needed"].item()), float(found["unfunded_mean"].item())
    (30.0, 5.0)
    >>> found["median_year"].item()
    '2028/29'
    """
    plan = plan_meant(plan_or_ds)
    count, seed = draws_meant(plan_or_ds, n_draws, seed)
    require_share(level, "level", open_ends=True)
    wanted = _require_policies(policies)
    if not any(fund.absorbs for fund in plan.reserves.funds):
        held = listing(fund.name for fund in plan.reserves.funds)
        msg = (
            f"the plan has no fund that may meet a shortfall, so nothing can be said of its "
            f"adequacy; its funds: {held}. Give 'reserves.funds' one that is not tied to a line "
            "and has 'meets_shortfall: true'"
        )
        raise MtfsError(msg)
    tests = [_Test(plan, policy, level, count, seed) for policy in wanted]
    found = xr.concat(
        [test.figures() for test in tests],
        dim=xr.Variable("closure", list(wanted), {"long_name": "closure policy"}),
        data_vars="all",
        coords="minimal",
        compat="equals",
        join="exact",
    )
    opening = {"units": "GBP", "long_name": "usable reserves at the start", "sign": BALANCE}
    found["opening"] = xr.DataArray(tests[0].opening, attrs=opening)
    furthest = max(test.furthest() for test in tests)
    balances = np.linspace(0.0, 1.05 * max(furthest, tests[0].opening, PENNY), _BALANCES)
    found = found.assign_coords(balance=balances)
    found["balance"].attrs = {"units": "GBP", "long_name": "opening balance of usable reserves"}
    share = np.stack([test.survival(balances) for test in tests])
    value, error = (
        xr.DataArray(each, dims=("closure", "balance"))
        for each in (share, share_error(share, count))
    )
    survives = {"units": "share of draws", "long_name": "chance of surviving with that opening"}
    put(found, "survival", (value, error), survives)
    said = _add_council_tax(found, plan)
    found.attrs = {
        "title": f"{plan.council}: adequacy of reserves",
        "council": plan.council,
        "price_base": plan.price_base,
        "plan": plan.to_json(),
        "plan_digest": plan.digest,
        "seed": seed,
        "n_draws": count,
        "level": float(level),
        "council_tax": said,
    }
    return found


def _quietly(plan: Mapping[str, Any]) -> Plan:
    """Make a plan that differs from one already warned of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PlanWarning)
        return Plan.model_validate(plan)


def _require_policies(policies: Sequence[Policy]) -> tuple[Policy, ...]:
    given: Any = (policies,) if isinstance(policies, str) else policies
    if not isinstance(given, Iterable):
        msg = f"policies is {policies!r}; expected some of {', '.join(POLICIES)}, in a list"
        raise MtfsError(msg)
    wanted = tuple(given)
    for policy in wanted:
        if policy not in POLICIES:
            near = suggest(str(policy), POLICIES)
            msg = f"there is no closure policy {policy!r}.{near} There is: {', '.join(POLICIES)}."
            raise MtfsError(msg)
    if not wanted or len(set(wanted)) < len(wanted):
        msg = f"policies are {list(wanted)}; expected some of {', '.join(POLICIES)}, each once"
        raise MtfsError(msg)
    return wanted


class _Test:
    """A plan under one closure policy, run with several opening balances on the same draws."""

    def __init__(self, plan: Plan, policy: Policy, level: float, n_draws: int, seed: int) -> None:
        self._plan, self._policy, self._level = plan, policy, level
        self._n_draws, self._seed = n_draws, seed
        self._needed: dict[float, Array] = {}
        self.opening = float(sum(fund.opening for fund in plan.reserves.funds if fund.absorbs))
        self.as_is = self._run(self.opening)
        self.enough = self._enough()

    def _run(self, opening: float) -> xr.Dataset:
        """Run the plan with another sum of usable openings, and keep what each draw needs."""
        funds = _with_opening(self._plan.reserves.funds, opening - self.opening)
        data = self._plan.model_dump(exclude_none=True)
        data["reserves"]["funds"] = funds
        data["reserves"]["closure"]["policy"] = self._policy
        ds = project_gap(_quietly(data), n_draws=self._n_draws, seed=self._seed, keep="totals")
        usable = np.flatnonzero(ds["usable"].to_numpy().astype(bool))
        balance = ds["reserve"].isel(fund=usable).sum("fund", skipna=False)
        lowest = (balance - ds["unfunded"].cumsum("year")).min("year").to_numpy()
        self._needed[opening] = np.maximum(opening - lowest, 0.0)
        return ds

    def _needs(self, opening: float) -> Array:
        """Give the opening balance that each draw needs when it has ``opening``, GBP."""
        if opening not in self._needed:
            self._run(opening)
        return self._needed[opening]

    def _wanted(self, opening: float) -> float:
        # of the draws, never between them: the share that survives is at least the level
        return float(np.quantile(self._needs(opening), self._level, method="inverted_cdf"))

    def _enough(self) -> float:
        """Find the opening balance that is what its own draws need."""
        from scipy.optimize import brentq  # noqa: PLC0415 - keeps import light

        def excess(opening: float) -> float:
            return self._wanted(max(opening, 0.0)) - opening

        guess = self._wanted(self.opening)
        miss = excess(guess)
        if abs(miss) <= PENNY:  # the opening moves nothing but balances
            return guess
        reach = 2 * miss
        while excess(guess + reach) * miss > 0:
            guess, reach = guess + reach, 2 * reach
        return max(float(brentq(excess, guess, guess + reach, xtol=PENNY / 2)), 0.0)

    def furthest(self) -> float:
        """Give an opening balance that all but about one draw in 200 survive."""
        return float(np.quantile(self._needs(self.opening), 0.995))

    def survival(self, balances: Array) -> Array:
        """Give the share of draws that survive with each opening balance."""
        needed, apart = self._needs(self.opening), self.enough - self.opening
        slope = np.zeros_like(needed)
        if abs(apart) > PENNY:
            slope = (self._needs(self.enough) - needed) / apart
        there = balances[:, None]
        share: Array = (needed + slope * (there - self.opening) <= there + PENNY).mean(axis=1)
        return share

    def figures(self) -> xr.Dataset:
        """Give what is known under this policy, without dimension ``closure``."""
        ds, level = self.as_is, self._level
        found = xr.Dataset(coords={"year": ds["year"]})
        _, (sigma,) = quantiles_of(self._needs(self.enough), np.array([level]), 0)
        needed = {"units": "GBP", "sign": BALANCE, "long_name": "opening balance needed"}
        put(found, "opening_needed", (self.enough, sigma), needed)
        left = {"units": "GBP", "sign": BALANCE, "long_name": "opening balance less that needed"}
        put(found, "margin", (self.opening - self.enough, sigma), left)
        owed = ds["unfunded"].cumsum("year")
        gone = owed > PENNY
        before = gone.shift(year=1, fill_value=False)
        never = ~gone.isel(year=-1, drop=True)
        for name, happens, long_name in (
            ("exhausted", gone & ~before, "chance that reserves are first exhausted"),
            ("exhausted_by", gone, "chance that reserves have been exhausted"),
            ("never_exhausted", never, "chance that reserves are never exhausted"),
        ):
            share = share_of_draws(happens, long_name)
            put(found, name, (share, share["standard_error"]), share.attrs)
        by = found["exhausted_by"].to_numpy()
        middle = str(ds["year"].to_numpy()[np.argmax(by >= by[-1] / 2)]) if by[-1] > 0 else "never"
        found["median_year"] = xr.DataArray(
            middle, attrs={"long_name": "year by which half of what is exhausted is"}
        )
        unmet = np.where(never, 0.0, owed.isel(year=-1).to_numpy())
        sums = {
            "unfunded_mean": (_mean(unmet), "sum that no reserve met"),
            "unfunded_shortfall": (_worst(unmet, level), "sum that no reserve met, worst draws"),
            "unfunded_if_exhausted": (_mean(unmet[unmet > 0]), "sum that no reserve met, if any"),
        }
        for name, (pair, long_name) in sums.items():
            put(found, name, pair, {"units": "GBP", "long_name": long_name})
        risk = reserve_risk(ds)
        if "below_minimum" in risk:
            value, error = (
                xr.DataArray(risk[f"below_minimum{more}"].to_numpy(), dims="year")
                for more in ("", "_se")
            )
            said = {"units": "share of draws", "long_name": "general fund below its minimum"}
            put(found, "below_minimum", (value, error), said)
        return found


def _with_opening(funds: Sequence[Fund], more: float) -> list[dict[str, Any]]:
    """Put more into the first usable fund, or take it from usable funds in their order."""
    found = []
    for fund in funds:
        held = fund.model_dump(exclude_none=True)
        if fund.absorbs:
            change = max(more, -fund.opening)
            held["opening"], more = fund.opening + change, more - change
        found.append(held)
    return found


def put(found: xr.Dataset, name: str, pair: tuple[Any, Any], said: Mapping[Any, Any]) -> None:
    """Put a figure and its standard error into a Dataset."""
    for key, each, more in zip((name, f"{name}_se"), pair, ("", ", standard error"), strict=True):
        array = xr.DataArray(each).drop_vars("standard_error", errors="ignore")
        found[key] = array.assign_attrs({**said, "long_name": f"{said['long_name']}{more}"})


def share_error(share: Array, n: int) -> Array:
    """Give the standard error of shares of draws."""
    return np.sqrt(share * (1 - share) / n)


def _mean(draws: Array) -> tuple[float, float]:
    """Average draws; nan where there are none, as is the error of one."""
    n = len(draws)
    if n == 0:
        return math.nan, math.nan
    return float(draws.mean()), float(draws.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan


def _worst(draws: Array, level: float) -> tuple[float, float]:
    """Average the worst ``1 - level`` of the draws: expected shortfall.

    Written as Rockafellar and Uryasev (2002, Journal of Banking and Finance 26) do, it is the
    average of Acerbi and Tasche, and does not change to first order with the quantile; so its error
    is that of a mean.
    """
    threshold = np.quantile(draws, level, method="inverted_cdf")
    mean, error = _mean(np.maximum(draws - threshold, 0.0))
    return float(threshold) + mean / (1 - level), error / (1 - level)


def _add_council_tax(found: xr.Dataset, plan: Plan) -> str:
    """State sums in percent of council tax, and say of which."""
    taxes = [source for source in plan.funding if isinstance(source, CouncilTax)]
    planned = engine_of(plan).planned_paths
    one = sum(
        float(tax.incomes(planned)[0][0, 0] / (1 + tax.increase(planned)[0, 0])) for tax in taxes
    )
    if not one > 0:
        return "no sum is stated in percent of council tax: the plan has none"
    one /= 100
    long_name = "one more point on the rise of council tax in the first year"
    found["council_tax_percent"] = xr.DataArray(one, attrs={"units": "GBP", "long_name": long_name})
    for name in _SUMS:
        said = {"units": "percent of council tax", "long_name": found[name].attrs["long_name"]}
        put(found, f"{name}_percent", (found[name] / one, found[f"{name}_se"] / one), said)
    return f"percent are points on the rise of council tax in {plan.years[0]}, as planned"


def adequacy_table(ds: xr.Dataset, *, unit: Unit = "GBP m") -> pd.DataFrame:
    """Tabulate the adequacy of reserves, a row a closure policy.

    Parameters
    ----------
    ds
        From :func:`reserve_adequacy` or :func:`mtfs.section_25`.
    unit
        Unit of the money shown.

    Returns
    -------
    pandas.DataFrame
        Columns ``opening``, ``opening_needed``, ``margin``, ``exhausted`` (the chance that reserves
        are exhausted by the last year), ``median_year``, ``unfunded_mean``,
        ``unfunded_shortfall``, ``unfunded_if_exhausted``, and each of these sums in percent of
        council tax (``_percent``) where the plan has one; each figure of draws with its standard
        error (``_se``).

    Raises
    ------
    MtfsError
        When ``ds`` is neither.
    """
    if not isinstance(ds, xr.Dataset) or "opening_needed" not in ds:
        msg = "expected a Dataset from mtfs.reserve_adequacy() or mtfs.section_25()"
        raise MtfsError(msg)
    table = pd.DataFrame(index=pd.Index(ds["closure"].to_numpy(), name="closure"))
    table["opening"] = float(ds["opening"]) / in_unit(unit)
    by_column = dict.fromkeys(_COLUMNS, in_unit(unit)) | {"exhausted": 1.0}
    for name, scale in by_column.items():
        if name == "median_year":
            table[name] = ds[name].to_numpy()
            continue
        for more in ("", "_se"):
            found = (
                ds[f"exhausted_by{more}"].isel(year=-1) if name == "exhausted" else ds[name + more]
            )
            table[f"{name}{more}"] = found.to_numpy() / scale
        if f"{name}_percent" in ds:
            table[f"{name}_percent"] = ds[f"{name}_percent"].to_numpy()
    table.attrs = {"unit": unit, "level": ds.attrs["level"], "council_tax": ds.attrs["council_tax"]}
    return table
