"""Who moved the gap, by named driver: CPI reaches pay, contracts, grants and, in mixes, care fees.

Every step is a run of the same draws in which one driver more has moved: exact in every draw and
year, and without an unexplained interaction, since each bears its part of what it does with others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr

from mtfs.coalitions import Company, moves, shapley, two_orders
from mtfs.engine import engine_of
from mtfs.lines import CapitalLine, ContingencyLine, CouncilTax, Grant, RiskLine
from mtfs.measures import annual
from mtfs.plan import Plan, digest_of
from mtfs.projection import draws_held, draws_meant, plan_meant
from mtfs.rerun import CHANCE, Chance, Rerun, same_rows
from mtfs.sampling import RandomScores
from mtfs.schema import WIDENS
from mtfs.standing import Movement, Start
from mtfs.vocabulary import Array, MtfsError, listing, suggest, year_start

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtfs.schema import Keep

Stage = Literal["gap_before_savings", "gap", "gap_after_one_offs"]
Steps = Literal["cumulative", "annual"]
ItemKind = Literal["line", "funding", "saving", "one-off"]
FIXED = "fixed assumptions"
OTHERS = "other drivers"
BY_CHANCE: dict[Chance, str] = {
    "people": "people of flows and cohorts",
    "costs": "individual costs, risks and contingency",
    "savings": "delivery of savings",
    "funding": "grants and collection",
}
ITEMS: tuple[tuple[str, ItemKind, str, float], ...] = (
    ("cost", "line", "line", 1.0),
    ("income", "funding", "source", -1.0),
    ("saving_delivered", "saving", "scheme", -1.0),
    ("one_off", "one-off", "one_off_source", -1.0),
)
"""what a gap is the sum of: the variable, what its items are, their dimension, and its sign"""
ELSEWHERE: dict[ItemKind, str] = {"funding": "funding", "one-off": "one-off sources"}
"""what stands for a service where there is none"""
_STAGES: dict[Stage, int] = {"gap_before_savings": 2, "gap": 3, "gap_after_one_offs": 4}
"""how many of these each gap is the sum of"""


def driver_bridge(
    plan: Plan | Mapping[str, Any] | xr.Dataset,
    *,
    start: Start = "base",
    groups: Mapping[str, Iterable[str]] | Literal["each"] | None = None,
    variable: Stage = "gap",
    convention: Steps = "cumulative",
    n_draws: int | None = None,
    seed: int | None = None,
) -> xr.Dataset:
    """Split the gap of every draw and year by the drivers that moved it.

    Players are the drivers that other drivers are made of (a mix is unfolded into its parts, and is
    a player only for what is its own), then what happens by chance beside drivers. They move one by
    one, in declared order and in its reverse, and the two are averaged; ``groups`` move in every
    possible order (Shapley values).

    Parameters
    ----------
    plan
        A plan, a mapping with a plan's keys, or a projection.
    start
        ``"base"``: from the base budget. A driver that has not moved yet stands where it changes
        nothing (see :mod:`mtfs.standing`), and chance is as planned. ``"plan"``: from the council's
        own planned gap. A driver that has not moved yet stands at its planned path.
    groups
        Drivers, and chance, that move together: names by group, at most eight groups. Drivers that
        are not named move together as "other drivers", chance by itself. ``"each"`` makes every
        player a group, where there are at most eight. It takes 2**groups runs, all held at once.
    variable
        The gap that is split: before savings, after them, or after one-off sources.
    convention
        ``"cumulative"``: what moved the gap since the base year; ``"annual"``: what moved it since
        the year before, where the bridge then starts. Annual steps add up to cumulative ones.
    n_draws, seed
        As for :func:`mtfs.project_gap`; a projection has its own.

    Returns
    -------
    xarray.Dataset
        GBP. ``contribution`` ``(step, draw, year)``, positive widens the gap; ``start`` and ``end``
        ``(draw, year)``, whose difference the steps sum to in every draw and year. ``planned_``
        twins have no draws. Coordinates of ``step``: ``component`` and ``item`` (the driver's
        name), ``item_kind`` (fixed, driver or chance) and ``service`` (empty). From the base budget
        the first step, "fixed assumptions", is what comes of the plan with no driver moving.

    Raises
    ------
    MtfsError
        When an argument is wrong, a group names what does not move the plan, or a driver bears the
        name of another step.

    Examples
    --------
    >>> cpi = {"name": "cpi", "central": 0.02, "sd": 0.01, "persistence": 0}
    >>> line = {"kind": "contract", "name": "waste", "base": 1e6, "growth": "cpi"}
    >>> plan = {"council": "A", "first_year": "2026/27", "drivers": [cpi], "lines": [line]}
    >>> ds = driver_bridge(plan, n_draws=2, seed=1)
    >>> ds["planned_contribution"].sel(step="cpi", year="2026/27").item()
    20000.0
    """
    held = draws_held(plan)
    (n_draws, seed), plan = draws_meant(plan, n_draws, seed), plan_meant(plan)
    if convention not in (ways := get_args(Steps)):
        msg = f"convention is {convention!r}; expected {', '.join(map(repr, ways))}"
        raise MtfsError(msg)
    game = _Game(plan, start, variable, n_draws, seed)
    teams = {player: frozenset({player}) for player in game.players}
    if groups is not None and groups != "each":
        teams = _teams(groups, game)
    split = two_orders if groups is None else shapley

    def moved(who: Company) -> Company:
        return frozenset[str]().union(*(teams[team] for team in who))

    drawn = split(list(teams), lambda who: game.value(moved(who)))
    kinds = ["chance" if team <= set(game.chances) else "driver" for team in teams.values()]
    began = game.planned_value(frozenset())
    ended = game.planned_value(frozenset(game.players))
    if start == "base":
        planned = split(list(teams), lambda who: game.planned_value(moved(who)))
        fixed, began = began, np.full_like(began, engine_of(plan).contributions.base_budget)
        drawn = {FIXED: game.value(frozenset()) - began} | drawn
        planned = {FIXED: fixed - began} | planned
        kinds = ["fixed", *kinds]
    else:
        planned = dict.fromkeys(drawn, np.zeros_like(began))
    names = list(drawn)
    row = "base budget" if start == "base" else "plan"
    ds = bridge_dataset(
        {name: (drawn[name], planned[name]) for name in names},
        {"item": names, "item_kind": kinds, "service": [""] * len(names), "component": names},
        start=(began, began),
        end=(game.value(frozenset(game.players)), ended),
        plan=plan,
        attrs={
            "title": f"{plan.council}: bridge from the {row} to the {said(variable)}, by driver",
            "view": "driver",
            "variable": variable,
            "split": "declared order and its reverse, averaged" if groups is None else "Shapley",
            "start_row": row,
            "end_row": said(variable),
        },
        draws=(n_draws, seed),
    )
    return (ds if convention == "cumulative" else _by_year(ds, start)).sel(held)


def _by_year(ds: xr.Dataset, start: Start) -> xr.Dataset:
    """State a bridge by what moved the gap since the year before."""
    found = {}
    for prefix in ("", "planned_"):
        first, last = ds[f"{prefix}start"], ds[f"{prefix}end"]
        found[f"{prefix}contribution"] = annual(ds[f"{prefix}contribution"])
        if start == "plan":
            found |= {f"{prefix}start": annual(first), f"{prefix}end": annual(last)}
        else:
            found[f"{prefix}start"] = last.shift(year=1).fillna(first).assign_attrs(first.attrs)
    said_so = {"convention": "annual"} | ({"start_row": "year before"} if start == "base" else {})
    return ds.assign(found).assign_attrs(said_so)


def driver_reach(
    plan: Plan | Mapping[str, Any] | xr.Dataset,
    *,
    start: Start = "base",
    variable: Stage = "gap",
    n_draws: int | None = None,
    seed: int | None = None,
) -> xr.Dataset:
    """Say where each driver moves the gap: what of its mean contribution falls on which line.

    Parameters
    ----------
    plan, start, variable, n_draws, seed
        As for :func:`driver_bridge`, in declared order and its reverse.

    Returns
    -------
    xarray.Dataset
        ``contribution`` ``(step, item, year)``, GBP, means over the draws, and ``standard_error``:
        that of the two orders averaged, which is no less than the mean's own. Items are lines,
        savings, funding and one-off sources (``item_kind``, ``service``). Sums over items are
        the mean contributions of :func:`driver_bridge`.

    Examples
    --------
    >>> cpi = {"name": "cpi", "central": 0.02}
    >>> lines = [{"kind": "contract", "name": n, "base": 1e6, "growth": "cpi"} for n in "ab"]
    >>> plan = {"council": "A", "first_year": "2026/27", "drivers": [cpi], "lines": lines}
    >>> driver_reach(plan, n_draws=2, seed=1)["contribution"].values[0, :, 0].tolist()
    [20000.0, 20000.0]
    """
    here = draws_held(plan)
    (n_draws, seed), plan = draws_meant(plan, n_draws, seed), plan_meant(plan)
    game = _Game(plan, start, variable, n_draws, seed)
    among, n_held = here.pop("draw", slice(None)), n_draws
    if not isinstance(among, slice):
        n_held = len(among)
    items = items_of(plan, variable)
    held: dict[Company, Array] = {}
    shape = (len(game.players), len(items), plan.horizon)
    mean, error = np.zeros(shape), np.zeros(shape)
    place = {name: n for n, name in enumerate(game.players)}
    for name, before, after in moves(game.players):
        held = {who: held[who] if who in held else game.by_item(who) for who in (before, after)}
        step = (held[after] - held[before])[..., among]
        mean[place[name]] += step.mean(axis=-1) / 2
        spread = step.std(axis=-1, ddof=1) if n_held > 1 else np.nan
        error[place[name]] += spread / np.sqrt(n_held) / 2
    kinds = ["chance" if name in game.chances else "driver" for name in game.players]
    dims = ("step", "item", "year")
    return xr.Dataset(
        {
            "contribution": (dims, mean, _money(plan, "mean contribution to the gap")),
            "standard_error": (dims, error, _money(plan, "standard error of the mean")),
        },
        coords={
            "step": game.players,
            "kind": ("step", kinds),
            "item": [name for name, _, _ in items],
            "item_kind": ("item", [kind for _, kind, _ in items]),
            "service": ("item", [service for *_, service in items]),
            **_years(plan),
        },
        attrs=_of_plan(plan, n_draws, seed) | {"variable": variable, "start": start},
    ).sel(here)


class _Game:
    """What stands of a plan's gap when some of its drivers, and of chance, have moved."""

    def __init__(self, plan: Plan, start: Start, variable: Stage, n_draws: int, seed: int) -> None:
        for name, given, answers in (("start", start, Start), ("variable", variable, Stage)):
            if given not in (ways := get_args(answers)):
                msg = f"{name} is {given!r}; expected {', '.join(map(repr, ways))}"
                raise MtfsError(msg)
        self.variable = variable
        self._again = Rerun(plan, RandomScores(seed, n_draws))
        self._move = Movement(self._again, start)
        self.chances = [BY_CHANCE[each] for each in _chances(plan, variable)]
        drivers = self._move.players()
        taken = {FIXED, OTHERS, *BY_CHANCE.values()}
        if bad := [name for name in drivers if name in taken]:
            msg = f"a driver is called '{bad[0]}', as a step of the bridge is; rename it"
            raise MtfsError(msg)
        self.players = [*drivers, *self.chances]
        self._last: tuple[_Asked, Array] | None = None

    def value(self, moved: Company) -> Array:
        """Give the gap, shape (year, draw), GBP."""
        asked = self._asked_for(moved)
        if self._last is not None and asked.same(self._last[0]):
            return self._last[1]  # nothing moved that anything reads
        found = self._run(asked, "totals")[self.variable].copy()
        self._last = asked, found
        return found

    def by_item(self, moved: Company) -> Array:
        """Give what each item adds to the gap, shape (item, year, draw), GBP."""
        return items_in(self._run(self._asked_for(moved), "all"), self.variable)

    def planned_value(self, moved: Company) -> Array:
        """Give the gap in the council's own table, shape (year, 1), GBP."""
        rows = self._move.rows(moved, self._again.planned_own)
        return self._again.planned(rows)[self.variable]

    def _asked_for(self, moved: Company) -> _Asked:
        """Say what a run needs: a driver that moves brings what is planned of it."""
        own, planned = self._again.own, self._again.planned_own
        chance = tuple(each for each in CHANCE if BY_CHANCE[each] in moved)
        return _Asked(self._move.rows(moved, own), self._move.rows(moved, planned), chance)

    def _run(self, asked: _Asked, keep: Keep) -> dict[str, Array]:
        return self._again.run(asked.rows, planned=asked.planned, chance=asked.chance, keep=keep)


@dataclass(frozen=True)
class _Asked:
    """Every driver's path in draws and as planned, and what goes by chance."""

    rows: Mapping[str, Array]
    planned: Mapping[str, Array]
    chance: tuple[Chance, ...]

    def same(self, other: _Asked) -> bool:
        """Whether one run would do for both."""
        return (
            self.chance == other.chance
            and same_rows(self.rows, other.rows)
            and same_rows(self.planned, other.planned)
        )


def _chances(plan: Plan, variable: Stage) -> list[Chance]:
    """List what of a gap is left to chance beside drivers."""
    costs = any(
        isinstance(line, RiskLine | ContingencyLine)
        or line.shocks()
        or (isinstance(line, CapitalLine) and line.slippage != 0)
        for line in plan.lines
    )
    calls = any(item.override and item.rate != 0 for item in plan.memorandum)  # and so interest
    # a one-off use takes no more than its fund holds, which closure and overrides change
    uses = any(source.fund for source in plan.one_offs)
    ends = any(isinstance(each, Grant) and each.ends for each in plan.funding)
    collects = any(isinstance(each, CouncilTax) and each.collection_fund for each in plan.funding)
    held: dict[Chance, bool] = {
        "people": bool(plan.people_sources()),
        "costs": costs or calls or (uses and variable == "gap_after_one_offs"),
        "savings": bool(plan.schemes()) and variable != "gap_before_savings",
        "funding": ends or collects,
    }
    return [each for each in CHANCE if held[each]]


def _teams(groups: Mapping[str, Iterable[str]], game: _Game) -> dict[str, Company]:
    """Check groups, and put what they do not name into groups of their own."""
    given: Any = groups
    if not isinstance(given, Mapping):
        msg = (
            f"groups is {groups!r}; expected 'each' or lists of names by group, such as "
            "{'prices': ['cpi']}"
        )
        raise MtfsError(msg)
    teams: dict[str, Company] = {}
    for team, members in groups.items():
        if isinstance(members, str) or not isinstance(members, Iterable):
            msg = f"group '{team}' is {members!r}; expected a list of names"
            raise MtfsError(msg)
        names = list(members)
        for name in names:
            if name not in game.players:
                msg = (
                    f"group '{team}' names '{name}', which does not move the plan by itself."
                    f"{suggest(str(name), game.players)} There is: {listing(game.players)}."
                )
                raise MtfsError(msg)
            if twice := [other for other, held in teams.items() if name in held]:
                msg = f"'{name}' is in the groups '{twice[0]}' and '{team}'; keep one"
                raise MtfsError(msg)
        if not names or team in {FIXED, OTHERS, *game.chances}:
            msg = f"group '{team}' " + (
                "bears the name of a step of its own; rename it" if names else "names nothing"
            )
            raise MtfsError(msg)
        teams[team] = frozenset(names)
    named = frozenset[str]().union(*teams.values())
    chance = [name for name in game.chances if name not in named]
    if rest := frozenset(game.players) - named - set(chance):
        teams[OTHERS] = rest
    return teams | {name: frozenset({name}) for name in chance}


def items_of(plan: Plan, variable: Stage) -> list[tuple[str, ItemKind, str]]:
    """List the items a gap is the sum of: name, kind and service."""
    engine = engine_of(plan)
    services: dict[ItemKind, dict[str, str]] = {
        "line": {row.name: row.service for row in engine.rows},
        "saving": {
            scheme.name: ", ".join(name for name, _ in scheme.terms.split)
            for scheme in plan.schemes()
        },
    }
    return [
        (name, kind, services[kind][name] if kind in services else ELSEWHERE[kind])
        for _, kind, dim, _ in ITEMS[: _STAGES[variable]]
        for name in engine.labels[dim]
    ]


def items_in(result: Mapping[str, Array], variable: Stage) -> Array:
    """Give what each item adds to a gap, shape (item, year, draw), GBP, as :func:`items_of`."""
    parts = [sign * result[name] for name, *_, sign in ITEMS[: _STAGES[variable]] if name in result]
    return np.concatenate(parts) if parts else np.zeros((0, *result["gap"].shape))


def bridge_dataset(
    steps: Mapping[str, tuple[Array, Array]],
    beside: Mapping[str, Sequence[str]],
    *,
    start: tuple[Array, Array],
    end: tuple[Array, Array],
    plan: Plan,
    draws: tuple[int, int],
    attrs: Mapping[str, str],
) -> xr.Dataset:
    """Put a bridge into one labelled Dataset.

    Parameters
    ----------
    steps
        What each step adds in every draw, shape (year, draw) or (year, 1), and in the council's
        own table, shape (year, 1), by its label; GBP.
    beside
        Coordinates of the steps.
    start, end
        Where the bridge starts and ends, in every draw and in the council's own table.
    plan
        The plan it leads to.
    draws
        How many draws there are, and their seed.
    attrs
        What it says of itself.
    """
    n_draws, seed = draws
    drawn = np.empty((len(steps), plan.horizon, n_draws))
    planned = np.empty((len(steps), plan.horizon))
    for number, (by_draw, as_planned) in enumerate(steps.values()):
        drawn[number], planned[number] = by_draw, as_planned[:, 0]
    variables: dict[str, Any] = {
        "contribution": (
            ("step", "draw", "year"),
            drawn.swapaxes(1, 2),
            _money(plan, "contribution to the gap"),
        ),
        "planned_contribution": (
            ("step", "year"),
            planned,
            _money(plan, "planned contribution to the gap"),
        ),
    }
    for name, (by_draw, as_planned) in (("start", start), ("end", end)):
        long_name = f"{name} of the bridge"
        values = np.broadcast_to(by_draw, (plan.horizon, n_draws)).T
        variables[name] = ("draw", "year"), values, _money(plan, long_name)
        variables[f"planned_{name}"] = (
            "year",
            as_planned[:, 0],
            _money(plan, f"planned {long_name}"),
        )
    return xr.Dataset(
        variables,
        coords={
            "step": np.array(list(steps), dtype=str),
            **{name: ("step", np.array(labels, dtype=str)) for name, labels in beside.items()},
            "draw": pd.RangeIndex(n_draws),
            **_years(plan),
        },
        attrs=_of_plan(plan, n_draws, seed) | {"convention": "cumulative"} | dict(attrs),
    )


def said(variable: Stage) -> str:
    """Say in words which gap is meant."""
    return {"gap": "gap", "gap_after_one_offs": "gap after one-offs"}.get(
        variable, "gap before savings"
    )


def _money(plan: Plan, long_name: str) -> dict[str, str]:
    price_base = {"price_base": plan.price_base}
    return {"units": "GBP", "long_name": long_name, "sign": WIDENS} | price_base


def _years(plan: Plan) -> dict[str, Any]:
    starts = np.array([f"{year_start(year)}-04-01" for year in plan.years], "datetime64[ns]")
    leads = np.arange(1, plan.horizon + 1)
    return {"year": list(plan.years), "year_start": ("year", starts), "lead": ("year", leads)}


def _of_plan(plan: Plan, n_draws: int, seed: int) -> dict[str, str | int]:
    canonical = plan.to_json()
    return {
        "council": plan.council,
        "price_base": plan.price_base,
        "seed": seed,
        "n_draws": n_draws,
        "plan": canonical,
        "plan_digest": digest_of(canonical),
    }
