"""The table councils publish of what a shift of each assumption does, and the tornado.

Every figure is a difference of two runs of the plan: nothing is scaled, so that what compounds is
not symmetric.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
import xarray as xr

from mtfs.drivers import Driver, event_effect
from mtfs.lines.savings import COMMON
from mtfs.measures import Unit, figures, in_unit, quantiles_of
from mtfs.plan import Plan
from mtfs.projection import draws_meant, plan_meant
from mtfs.rerun import CHANCE, Chance, Rerun
from mtfs.sampling import RandomScores, Scores, ShockSpec
from mtfs.schema import VARIABLES
from mtfs.shifts import Shift, delayed, driver_uses, kind_of, late_schemes, shifted, usual_shifts
from mtfs.vocabulary import (
    Array,
    MtfsError,
    PlanWarning,
    listing,
    require_count,
    require_share,
    suggest,
)

if TYPE_CHECKING:
    from collections.abc import Collection

Basis: TypeAlias = Literal["plan", "draws"]
Convention: TypeAlias = Literal["cumulative", "annual", "total"]
CHANCE_ROWS: dict[str, Chance] = {f"chance: {each}": each for each in CHANCE}
"""rows of a tornado beside drivers; see :data:`mtfs.rerun.CHANCE`"""
_AFTER_CLOSURE = {"gap_after_one_offs", "shortfall", "unfunded"}  # what funds hold depends on it
_DRAWN = tuple(figures(np.zeros((1, 2)), 1, "GBP"))


def sensitivity_table(
    plan: Plan | Mapping[str, Any] | xr.Dataset,
    *,
    shifts: Shift | Iterable[Shift | Mapping[str, Any]] | None = None,
    basis: Basis = "plan",
    convention: Convention = "cumulative",
    unit: Unit = "GBP m",
    n_draws: int | None = None,
    seed: int | None = None,
) -> pd.DataFrame:
    """Tabulate what a shift of each assumption does to the gap, by running the plan again.

    Parameters
    ----------
    plan
        A plan, a mapping with a plan's keys, or a projection, whose draws it then is about.
    shifts
        The rows; those of :func:`usual_shifts` unless given.
    basis
        ``"plan"``: the effect on the council's own table, exact and without draws. ``"draws"``: the
        effect in every draw of :func:`mtfs.project_gap`, on the same scores.
    convention
        ``"cumulative"``, the effect on the gap standing in each year; ``"annual"``, its yearly
        steps, which sum to the last level; ``"total"``, its sum over the years.
    unit
        Unit of the money shown.
    n_draws, seed
        As for :func:`mtfs.project_gap`, with ``basis="draws"`` only.

    Returns
    -------
    pandas.DataFrame
        A row a shift, its index the ``assumption`` (a driver's name, a path of the plan, or the
        shift's label) and the ``shift`` in words; positive widens the gap. Columns: the years, or
        ``total``. On draws each year has the columns ``mean``, ``P10``, ``P50`` and ``P90`` of the
        effect, each with its standard error (``mean_se`` ...). A shift that moves nothing shows 0.
        A usual shift that a plan cannot have, such as ten people fewer than its prevention already
        keeps out, shows nan, and ``attrs["impossible"]`` says why.

    Raises
    ------
    MtfsError
        When a given shift names nothing that the plan holds, or makes a plan that cannot be.

    Examples
    --------
    >>> plan = {"council": "A", "first_year": "2026/27", "horizon": 2,
    ...         "drivers": [{"name": "cpi", "central": 0.0}],
    ...         "lines": [{"kind": "budget", "name": "roads", "base": 100e6, "growth": "cpi"}]}
    >>> sensitivity_table(plan).round(2).to_numpy()
    array([[ 1.  ,  2.01],
           [-1.  , -1.99]])
    """
    given, plan = plan, plan_meant(plan)
    for name, value, ways in (("basis", basis, Basis), ("convention", convention, Convention)):
        if value not in get_args(ways):
            msg = f"{name} is {value!r}; expected {', '.join(map(repr, get_args(ways)))}"
            raise MtfsError(msg)
    if basis == "plan" and not (n_draws is None and seed is None):
        msg = (
            "the council's own table has no draws: leave 'n_draws' and 'seed' out, or give "
            "basis='draws'"
        )
        raise MtfsError(msg)
    rows = _rows(plan, shifts)
    said: dict[Hashable, Any] = {"unit": unit, "convention": convention, "basis": basis}
    scores: Scores | None = None
    if basis == "draws":
        n_draws, seed = draws_meant(given, n_draws, seed)
        scores = RandomScores(seed, n_draws)
        said |= {"seed": seed, "n_draws": n_draws}
    base, impossible = _Gap(plan, scores), {}
    shown: list[Array] = []
    for shift in rows:
        try:
            effect = _effect(base, shift)
        except MtfsError as error:
            if shifts is not None:
                raise
            impossible[f"{shift.row}, {shift.said(kind_of(plan, shift))}"] = str(error)
            effect = np.full((plan.horizon, 1), np.nan)
        shown.append(_figures(effect, convention, unit, drawn=scores is not None))
    index = pd.MultiIndex.from_tuples(
        [(shift.row, shift.said(kind_of(plan, shift))) for shift in rows],
        names=["assumption", "shift"],
    )
    if not index.is_unique:
        row = index[index.duplicated()][0]
        msg = f"two shifts are called '{row[0]}', {row[1]}; give one a 'label'"
        raise MtfsError(msg)
    when = ["total"] if convention == "total" else list(plan.years)
    columns: pd.Index[Any] = pd.Index(when, name="year")
    if scores is not None:
        columns = pd.MultiIndex.from_product([when, _DRAWN], names=["year", "figure"])
    table = pd.DataFrame(np.array(shown), index=index, columns=columns)
    table.attrs = {**said, "impossible": impossible}
    return table


def _rows(plan: Plan, shifts: Shift | Iterable[Shift | Mapping[str, Any]] | None) -> list[Shift]:
    if shifts is None:
        if found := usual_shifts(plan):
            return found
        msg = "the plan holds nothing that is usually shifted; give 'shifts'"
        raise MtfsError(msg)
    given: Any = (shifts,) if isinstance(shifts, Shift | Mapping) else shifts
    if isinstance(given, str) or not isinstance(given, Iterable):
        msg = (
            f"'shifts' is {shifts!r}; expected a list of mtfs.Shift, or of mappings such as "
            "{'path': 'cpi', 'by': 0.01}"
        )
        raise MtfsError(msg)
    if found := [Shift.model_validate(each) for each in given]:
        return found
    msg = "'shifts' is empty; leave it out for the usual rows"
    raise MtfsError(msg)


def _figures(effect: Array, convention: Convention, unit: Unit, *, drawn: bool) -> Array:
    """State an effect of shape (year, draw) as the figures of one row."""
    if convention == "annual":
        effect = np.diff(effect, axis=0, prepend=0.0)
    elif convention == "total":
        effect = effect.sum(axis=0, keepdims=True)
    if not drawn:
        return effect[:, 0] / in_unit(unit)
    found = figures(effect, 1, unit)
    return np.array([found[name] for name in _DRAWN]).T.ravel()


class _Gap:
    """The gap of a plan, in its own table (``scores`` None) or in draws, drivers shifted."""

    def __init__(self, plan: Plan, scores: Scores | None) -> None:
        self.plan, self.scores = plan, scores
        self._again = again = Rerun(plan, RandomScores(0, 1) if scores is None else scores)
        self.own = again.planned_own if scores is None else again.own
        self._planned = again.planned(again.rows(again.planned_own), keep="all")
        self._rows = again.rows(self.own)
        self._shares = {name for _, name, share in driver_uses(plan) if share}
        self.gap = self._run(self._rows)

    def _run(self, rows: Mapping[str, Array], planned: Mapping[str, Array] | None = None) -> Array:
        again = self._again
        if self.scores is None:
            return again.planned(rows)["gap"]
        return again.run(rows, planned=planned)["gap"]

    def shifted(self, shift: Shift) -> Array:
        """Give the gap, shape (year, draw), with the drivers shifted that a shift names."""
        drivers = shift.of_drivers(self.plan)
        if not drivers:
            return self.gap
        again = self._again

        def moved(own: Mapping[str, Array]) -> dict[str, Array]:
            there = {name: shift.added_to(own[name], self.plan.years) for name in drivers}
            return again.rows({**own, **there})

        rows = moved(self.own)
        for name in sorted(self._shares):
            new, old = rows[name], self._rows[name]
            if (((new < 0) & (old >= 0)) | ((new > 1) & (old <= 1))).any():
                msg = f"'{shift.row}' takes '{name}', a share, beyond 0 to 1"
                raise MtfsError(msg)
        stated = moved(again.planned_own)  # budgets are set by the assumption as it is shifted
        planned = again.planned(stated, keep="all")
        if "people" in planned and ((planned["people"] < 0) & (self._planned["people"] >= 0)).any():
            msg = f"'{shift.row}' leaves a care line with fewer people than none"
            raise MtfsError(msg)
        return self._run(rows, stated)

    def saved(self, name: str) -> Array:
        """Give what the plan's table saves by a scheme, shape (year, 1), GBP."""
        names = [scheme.name for scheme in self.plan.schemes()]
        if name not in names:  # a target that its schemes cover
            return np.zeros((self.plan.horizon, 1))
        found: Array = self._planned["saving_delivered"][names.index(name)]
        return found


def _effect(base: _Gap, shift: Shift) -> Array:
    """Give what a shift adds to the gap, shape (year, draw), GBP."""
    if shift.delay is not None and base.scores is None:
        # The table counts savings in full, so a late one is its row moved: to set back the levels
        # of a scheme under a target would have the target's rest fill the hole.
        schemes = late_schemes(base.plan, shift).values()
        saved = sum((base.saved(terms.scheme) for terms in schemes), np.zeros((1, 1)))
        late = np.zeros_like(saved)
        late[shift.delay :] = saved[: -shift.delay]
        return saved - late
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PlanWarning)  # the plan itself has given its warnings
        change = shifted if shift.delay is None else delayed
        other = change(base.plan, shift)
    there = base if other is base.plan else _Gap(other, base.scores)
    return there.shifted(shift) - base.gap


def tornado(
    plan: Plan | Mapping[str, Any] | xr.Dataset,
    *,
    year: str | None = None,
    variable: str = "gap",
    prob: float = 0.8,
    by: Literal["driver"] | Mapping[str, Sequence[str]] = "driver",
    unit: Unit = "GBP m",
    n_draws: int | None = None,
    seed: int | None = None,
) -> pd.DataFrame:
    """Tabulate how far each driver alone swings the gap of a year, from its own P10 to its own P90.

    In each row's draws that driver alone goes as it does in a projection, over all years and with
    its persistence; every other one stays on its central path, and all other chance stays at its
    median. P10 and P90 are those of the gap that follows, so they are as far apart as that driver
    puts them: setting a driver to its P10 in every year would be a far rarer event.

    Parameters
    ----------
    plan
        A plan, a mapping with a plan's keys, or a projection, whose draws it then is about.
    year
        The year shown, the last unless given.
    variable
        A variable of dimensions ``(draw, year)``, such as ``gap_after_one_offs``.
    prob
        Chance of lying between low and high, equal tails beyond: 0.8 for P10 to P90.
    by
        ``"driver"``, a row each; or groups that vary together, as a mapping of a group's name to
        drivers and the rows of chance, ``"chance: people"`` (of flows and cohorts), ``"chance:
        costs"`` (individual costs, risks), ``"chance: savings"`` (their delivery) and ``"chance:
        funding"`` (grants that may end).
        What is in no group has a row of its own.
    unit
        Unit of the money shown.
    n_draws, seed
        As for :func:`mtfs.project_gap`; at least two draws.

    Returns
    -------
    pandas.DataFrame
        A row a driver, or group, sorted by ``swing``; columns ``base`` (the variable with nothing
        varying), ``low`` and ``high``, its quantiles in the draws, ``swing``, high less low, each
        with its standard error (``low_se`` ...), and ``share``, the swing over the sum of all
        swings, which is no share of the variance.

    Raises
    ------
    MtfsError
        When nothing in the plan is uncertain, or a year, variable, group or probability is wrong.

    Examples
    --------
    >>> plan = {"council": "A", "first_year": "2026/27", "horizon": 1, "lines": [
    ...         {"kind": "budget", "name": "roads", "base": 100e6, "growth": "cpi"}],
    ...         "drivers": [{"name": "cpi", "central": 0.0, "sd": 0.01, "persistence": 0}]}
    >>> tornado(plan, seed=1, n_draws=100_000)[["base", "low", "high"]].round(1).values
    array([[100. ,  98.7, 101.3]])
    """
    (n_draws, seed), plan = draws_meant(plan, n_draws, seed), plan_meant(plan)
    require_share(prob, "prob", open_ends=True)
    require_count(n_draws, "n_draws", least=2)
    place = _place(plan, year)
    wanted = [name for name, each in VARIABLES.items() if each.totals and each.item is None]
    if variable not in wanted:
        near = suggest(str(variable), wanted)
        msg = f"variable is '{variable}'.{near} It can be {listing(wanted)}."
        raise MtfsError(msg)
    scores = RandomScores(seed, n_draws)
    chance = _chance(plan, variable)
    rows = _groups(plan, by, chance)
    drawn, still = Rerun(plan, scores), Rerun(plan, _Only(scores, ()))
    centre = {driver.name: _central(driver, plan.years) for driver in plan.drivers}
    tails = np.array([(1 - prob) / 2, (1 + prob) / 2])
    base = float(still.run(still.rows(centre))[variable][place, 0])
    found = []
    for members in rows.values():
        own = {name: drawn.own[name] if name in members else centre[name] for name in centre}
        streams = frozenset[str]().union(*(chance[name] for name in members if name in chance))
        again = Rerun(plan, _Only(scores, streams)) if streams else still
        draws = again.run(again.rows(own))[variable][place]
        found.append(_swing(*quantiles_of(draws, tails, 0), prob=prob))
    table = pd.DataFrame(
        found,
        index=pd.Index(rows, name="driver" if by == "driver" else "group"),
        columns=["low", "low_se", "high", "high_se", "swing", "swing_se"],
    )
    table.insert(0, "base", base)
    table /= in_unit(unit)
    whole = table["swing"].sum()
    table["share"] = table["swing"] / whole if whole else np.nan
    table = table.sort_values("swing", ascending=False, kind="stable")
    table.attrs = {
        "unit": unit,
        "variable": variable,
        "year": plan.years[place],
        "prob": prob,
        "seed": seed,
        "n_draws": scores.n_draws,
    }
    return table


def _place(plan: Plan, year: str | None) -> int:
    years = plan.years
    if year is None:
        return len(years) - 1
    if year not in years:
        msg = f"'{year}' is not a year of the plan, which runs from {years[0]} to {years[-1]}"
        raise MtfsError(msg)
    return years.index(year)


def _swing(ends: Array, errors: Array, *, prob: float) -> tuple[float, ...]:
    """Give low, high and their distance, each with its standard error.

    Two sample quantiles p below s go together: their correlation is that of two order statistics,
    sqrt(p (1 - s) / (s (1 - p))), here p / s (David and Nagaraja 2003, Order Statistics, 10.3).
    """
    (low, high), (low_se, high_se) = ends.tolist(), errors.tolist()
    together = 2 * (1 - prob) / (1 + prob) * low_se * high_se
    return low, low_se, high, high_se, high - low, math.sqrt(low_se**2 + high_se**2 - together)


def _central(driver: Driver, years: tuple[str, ...]) -> Array:
    """Give the central path of what is a driver's own, shape (year, 1).

    The median of each year, and the events that are likelier to come than not.
    """
    path = np.array([each.median for each in driver.distributions(years)])
    for event in driver.events:
        if event.probability > 0.5:  # noqa: PLR2004 - likelier than not
            path = path + event_effect(event, years)
    return path[:, None]


def _groups(
    plan: Plan,
    by: Literal["driver"] | Mapping[str, Sequence[str]],
    chance: Mapping[str, frozenset[str]],
) -> dict[str, tuple[str, ...]]:
    """Name what varies in each row: drivers, and rows of chance."""
    rows = [driver.name for driver in plan.drivers if _varies(driver)] + list(chance)
    if not rows:
        msg = "nothing in the plan is uncertain, so nothing swings; give its drivers a spread"
        raise MtfsError(msg)
    if str(by) == "driver":
        return {row: (row,) for row in rows}
    if not isinstance(by, Mapping):
        msg = f"by is {by!r}; expected 'driver', or a mapping of groups to lists of drivers"
        raise MtfsError(msg)
    groups: dict[str, tuple[str, ...]] = {}
    for name, members in by.items():
        given: Any = (members,) if isinstance(members, str) else members
        if not isinstance(given, Iterable) or not (names := tuple(given)):
            msg = f"group '{name}' holds {members!r}; expected a list of drivers, or rows of chance"
            raise MtfsError(msg)
        groups[name] = names
    known = [*(driver.name for driver in plan.drivers), *CHANCE_ROWS]
    taken = [name for members in groups.values() for name in members]
    for name in taken:
        if name not in known:
            msg = (
                f"a group holds '{name}', which is no driver of the plan."
                f"{suggest(str(name), known)} There is: {listing(known, len(known))}."
            )
            raise MtfsError(msg)
        if taken.count(name) > 1:
            msg = f"'{name}' stands in groups twice; it belongs to one"
            raise MtfsError(msg)
    alone: dict[str, tuple[str, ...]] = {row: (row,) for row in rows if row not in taken}
    if same := groups.keys() & alone.keys():
        msg = f"a group is called {listing(same)}, as a row outside it is; rename the group"
        raise MtfsError(msg)
    return groups | alone


def _varies(driver: Driver) -> bool:
    return driver.uncertain or any(0 < event.probability < 1 for event in driver.events)


def _chance(plan: Plan, variable: str) -> dict[str, frozenset[str]]:
    """Name the streams behind each row of chance; rows without any are left out."""
    saving = {spec.name for each in plan.schemes() for spec in each.terms.shocks()}
    if variable in _AFTER_CLOSURE:
        saving |= {spec.name for spec in plan.reserves.closure.shocks()}
    of: dict[Chance, set[str]] = {
        "people": {spec.name for source in plan.people_sources() for spec in source.shocks()},
        "costs": {spec.name for part in (*plan.lines, *plan.memorandum) for spec in part.shocks()},
        "savings": saving | {COMMON} if saving else saving,
        "funding": {spec.name for source in plan.funding for spec in source.shocks()},
    }
    return {row: frozenset(of[each]) for row, each in CHANCE_ROWS.items() if of[each]}


class _Only:
    """Scores of some shocks; every other one stays at 0, its median."""

    def __init__(self, scores: Scores, names: Collection[str]) -> None:
        self.n_draws = scores.n_draws
        self._scores, self._names = scores, frozenset(names)

    def fill(self, spec: ShockSpec, block: int, out: Array) -> None:
        """Write one block of one shock's scores."""
        if spec.name in self._names:
            self._scores.fill(spec, block, out)
        else:
            out[...] = 0.0
