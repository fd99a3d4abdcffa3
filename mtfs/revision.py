"""From last year's plan to this one, or from plan to outturn: what changed, and what it did.

The first page of every MTFS report: the roll-forward of the year, changed assumptions driver by
driver, council tax policy, lines, savings and funding that are new, changed or gone, and the years
added at the end. It sums exactly in every draw and year, on shared shocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import numpy as np
import xarray as xr

from mtfs.assumptions import fixed_values
from mtfs.attribution_by_driver import Stage, bridge_dataset, items_in, items_of
from mtfs.coalitions import Company, two_orders
from mtfs.contributions import GRANT_ROW
from mtfs.engine import engine_of
from mtfs.lines import CouncilTax
from mtfs.projection import draws_held, draws_meant, plan_meant
from mtfs.rerun import Rerun, same_rows
from mtfs.sampling import RandomScores
from mtfs.vintages import EarlierScores, SharedYears, Switch, Vintage
from mtfs.vocabulary import Array, MtfsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtfs.plan import Plan
    from mtfs.sampling import Scores
    from mtfs.schema import Keep

DRIVER = "driver"
POLICY = "council tax policy"
RESERVES = "reserves"
PENNY = 0.01  # GBP; savings planned are equal where they come this near
# Of the gap: a driver's path moves in its last digit when one it is correlated with changes.
ROUNDING = 1e-12

Rows: TypeAlias = dict[str, Array]
# A plan's drivers as a run needs them: in draws, then as planned; of its own table, as planned.
Ways: TypeAlias = tuple[Rows, ...]
# What a step is about: a kind of item or category, and its name.
Key: TypeAlias = tuple[str, str]
ROLLED, BASE, ADDED = ((name, name) for name in ("roll-forward", "base budget", "year added"))

# In the order of a report: the year, what is assumed, what is decided, and the years added.
_ORDER = (
    ROLLED[0],
    BASE[0],
    DRIVER,
    POLICY,
    "changed line",
    "new line",
    "removed line",
    "saving changed",
    "saving late",
    "saving new",
    "saving dropped",
    "funding changed",
    "funding new",
    "funding removed",
    RESERVES,
    ADDED[0],
)


def plan_bridge(
    old: Plan | Mapping[str, Any] | xr.Dataset,
    new: Plan | Mapping[str, Any] | xr.Dataset,
    *,
    variable: Stage = "gap",
    n_draws: int | None = None,
    seed: int | None = None,
) -> xr.Dataset:
    """Bridge one plan of a council to a later one: what changed, and what each change did.

    Both plans run on the same shocks, those of each financial year. Of the years that both hold,
    the gap moves because drivers moved and because items (lines, savings, funding, one-off sources)
    did. A driver is switched from the old plan to the new, in declared order and in its reverse,
    in the old plan's items and in the new plan's, and the four are averaged. An item counts by its
    difference between the plans, averaged over the old plan's drivers and the new plan's.

    Parameters
    ----------
    old, new
        Plans, mappings or projections, of one council. The new plan starts in the same year as the
        old one, or later.
    variable
        The gap that is bridged: before savings, after them, or after one-off sources.
    n_draws, seed
        As for :func:`mtfs.project_gap`; a projection given as ``new`` has its own. The new plan has
        the draws of its projection on that seed.

    Returns
    -------
    xarray.Dataset
        GBP. ``contribution`` ``(step, draw, year)``, positive widens the gap; ``start`` and ``end``
        ``(draw, year)``, the gap in the old plan and in the new, whose difference the steps sum to
        in every draw and year. ``planned_`` twins have no draws. Years are those of the new plan.
        Coordinates of ``step``: ``category``, ``item``, ``item_kind``, ``service``, and
        ``component``, which is the driver's name or else the category. Of what did not change there
        is no step.

    Raises
    ------
    MtfsError
        When the plans are of different councils or prices, share no year, or the new one starts
        first.

    Notes
    -----
    Where the new plan starts ``k`` years later, "roll-forward" takes off the old plan's gap of the
    year before: it was closed when the budgets of the years now past were set. Items then count by
    their growth since that year in either plan, and "base budget" is what the new plan's base
    lacks. Where both start together, items count in full. In years that only the new plan holds,
    steps stand as in the last shared year, the bridge starts from the old plan's last gap that is
    shared, and "year added" is what the new plan's gap has grown by since.

    Examples
    --------
    >>> old = {"council": "A", "first_year": "2026/27", "horizon": 2,
    ...        "lines": [{"kind": "change", "name": "care", "cause": "people", "changes": [3, 4]}]}
    >>> new = old | {"lines": [*old["lines"],
    ...              {"kind": "change", "name": "roads", "cause": "policy", "levels": [1, 2]}]}
    >>> found = plan_bridge(old, new, n_draws=1, seed=1)
    >>> found["step"].values.tolist(), found["planned_contribution"].values.tolist()
    (['new line: roads'], [[1.0, 2.0]])
    """
    before, after, held = plan_meant(old), plan_meant(new), draws_held(new)
    n_draws, seed = draws_meant(new, n_draws, seed)
    if variable not in (ways := get_args(Stage)):
        msg = f"variable is {variable!r}; expected {', '.join(map(repr, ways))}"
        raise MtfsError(msg)
    pair = _Pair(before, after, variable, n_draws, seed)
    drawn, planned = pair.split(_DRAWN), pair.split(_PLANNED)
    steps = pair.steps(drawn, planned)
    rows = ("gap in the old plan", "gap in the new plan")
    labels = _labels(list(steps.values()))
    found = bridge_dataset(
        {
            label: (drawn.whole(key), planned.whole(key))
            for key, label in zip(steps, labels, strict=True)
        },
        {
            name: [getattr(step, name) for step in steps.values()]
            for name in ("category", "item", "item_kind", "service", "component")
        },
        start=(drawn.start, planned.start),
        end=(drawn.end, planned.end),
        plan=after,
        draws=(n_draws, seed),
        attrs={
            "title": f"{after.council}: from the plan of {before.years[0]} to {before.years[-1]} "
            f"to that of {after.years[0]} to {after.years[-1]}",
            "view": "revision",
            "variable": variable,
            "start_row": rows[0],
            "end_row": rows[1],
            "old_plan": before.to_json(),
        },
    )
    return found.sel(held)


def _labels(steps: list[_Step]) -> list[str]:
    """Name every step, each differently: a grant that changes sides stands twice."""
    found: list[str] = []
    for step in steps:
        label = step.category if step.item == step.category else f"{step.category}: {step.item}"
        found.append(f"{label} [{step.item_kind}]" if label in found else label)
    return found


@dataclass(frozen=True)
class _Step:
    """What one step of the bridge is."""

    category: str
    item: str
    item_kind: str
    service: str = ""

    @property
    def component(self) -> str:
        """What the table adds it up by: a driver's name, else the category."""
        return self.item if self.category == DRIVER else self.category


@dataclass(frozen=True)
class _World:
    """Draws, or the council's own table: how a plan's drivers and runs are had there."""

    owns: tuple[Callable[[Rerun], Mapping[str, Array]], ...]
    run: Callable[[Rerun, Ways, Keep], dict[str, Array]]


# A driver that is switched brings what was planned of it: a collection fund is held against that.
_DRAWN = _World(
    (lambda again: again.own, lambda again: again.planned_own),
    lambda again, ways, keep: again.run(ways[0], planned=ways[1], keep=keep),
)
_PLANNED = _World(
    (lambda again: again.planned_own,),
    lambda again, ways, keep: again.planned(ways[0], keep=keep),
)


@dataclass(frozen=True)
class _Split:
    """The bridge of one world; shape (year, draw) each."""

    parts: Mapping[Key, Array]
    """what each step adds in the shared years"""
    old: Mapping[Key, Array]
    """what each item of the old plan adds to its gap in the shared years"""
    new: Mapping[Key, Array]
    start: Array
    """the old plan's gap, in every year of the new plan"""
    end: Array

    def whole(self, key: Key) -> Array:
        """Give what a step adds in every year of the new plan."""
        return self.parts[key] if key == ADDED else _carried(self.parts[key], len(self.end))


def _carried(shared: Array, horizon: int) -> Array:
    """Let the last shared year stand in those added after it."""
    return np.concatenate([shared, np.repeat(shared[-1:], horizon - len(shared), axis=0)])


class _Side:
    """One of the two plans, ready to run on the drivers of either."""

    def __init__(
        self, plan: Plan, swapped: Plan, scores: Scores, where: slice, stage: Stage
    ) -> None:
        self.plan = plan
        self.where = where
        self._stage = stage
        self.again = Rerun(plan, scores)
        self._swapped = self.again if swapped is plan else Rerun(swapped, scores)
        items = items_of(plan, stage)
        self.keys: list[Key] = [(kind, name) for name, kind, _ in items]
        self.services: dict[Key, str] = {(kind, name): service for name, kind, service in items}
        self._last: tuple[_World, Ways, Array] | None = None

    def gap(self, world: _World, ways: Ways) -> Array:
        """Give the gap of the shared years on given drivers, shape (year, draw)."""
        if self._last is None or self._last[0] is not world or not _same(ways, self._last[1]):
            gap = world.run(self.again, ways, "totals")[self._stage][self.where].copy()
            self._last = world, ways, gap
        return self._last[2]

    def items(self, world: _World, drivers: Sequence[Ways], *, swapped: bool = False) -> Array:
        """Give what each item adds to the gap, averaged over drivers, shape (item, year, draw).

        Where ``swapped``, with the other plan's rises of council tax.
        """
        again = self._swapped if swapped else self.again
        found = [items_in(world.run(again, each, "all"), self._stage) for each in drivers]
        return (found[0] + found[1]) / 2

    def bases(self) -> Array:
        """Give what each item adds to the base budget, shape (item,), GBP."""
        engine = engine_of(self.plan)
        arrays = engine.planned_store.arrays
        base = dict(zip(self.keys, items_in(arrays, self._stage)[:, 0, 0], strict=True))
        made = zip(engine.contributions.steps, engine.planned_contribution, strict=True)
        for step, level in made:
            key = (step.item_kind, step.item)
            if key in base:
                base[key] -= level[0, 0]
        return np.array(list(base.values()))


def _same(ways: Ways, others: Ways) -> bool:
    return all(same_rows(rows, other) for rows, other in zip(ways, others, strict=True))


class _Pair:
    """An old and a new plan, ready to be compared."""

    def __init__(self, old: Plan, new: Plan, stage: Stage, n_draws: int, seed: int) -> None:
        self._years = years = SharedYears.of(old, new)
        self._stage = stage
        scores = RandomScores(seed, n_draws)
        earlier = EarlierScores(scores, years, old.horizon, new.horizon)
        self._taxes = [tax.name for tax in _taxes(old) if _rises(old, new, tax.name, years)]
        swapped = _with_rises(old, new, self._taxes, years)
        self._sides = (
            _Side(old, swapped[0], earlier, years.in_old, stage),
            _Side(new, swapped[1], scores, years.in_new, stage),
        )

    def split(self, world: _World) -> _Split:
        """Split the difference of the two plans."""
        switches: list[Switch] = []
        owns = [[own(side.again) for own in world.owns] for side in self._sides]
        held: list[Ways] = [
            tuple(side.again.rows(own) for own in each)
            for side, each in zip(self._sides, owns, strict=True)
        ]
        for way in range(len(world.owns)):
            old, new = (
                Vintage(side.plan, own[way], rows[way])
                for side, own, rows in zip(self._sides, owns, held, strict=True)
            )
            switches.append(Switch(old, new, self._years))

        def ways(switched: Company) -> tuple[Ways, Ways]:
            each = [switch.rows(switched) for switch in switches]
            return tuple(rows for rows, _ in each), tuple(rows for _, rows in each)

        def gap(switched: Company) -> Array:
            each = zip(self._sides, ways(switched), strict=True)
            return sum((side.gap(world, drivers) for side, drivers in each), np.zeros(1)) / 2

        players = switches[0].players
        drivers = two_orders(players, gap)
        ends = list(zip(ways(frozenset()), ways(frozenset(players)), strict=True))
        levels = [
            world.run(side.again, each, "totals")[self._stage]
            for side, each in zip(self._sides, held, strict=True)
        ]
        parts, old_items, new_items = self._by_item(world, ends, levels[0])
        parts |= {(DRIVER, name): step for name, step in drivers.items()}
        end, shared = levels[1], self._years.shared
        added = end - end[shared - 1]
        added[:shared] = 0.0
        start = _carried(levels[0][self._years.in_old], len(end))
        return _Split(parts | {ADDED: added}, old_items, new_items, start, end)

    def _by_item(
        self, world: _World, ends: Sequence[tuple[Ways, Ways]], old_gap: Array
    ) -> tuple[dict[Key, Array], dict[Key, Array], dict[Key, Array]]:
        """Give what items do in the shared years: the steps, and each plan's own items."""
        rolled = self._years.rolled
        parts: dict[Key, Array] = {}
        sides: list[dict[Key, Array]] = []
        policy: list[tuple[Key, Key, Array]] = []
        for side, drivers, sign in zip(self._sides, ends, (-1, 1), strict=True):
            items = side.items(world, drivers)
            base = np.zeros((len(items), 1, 1))
            if rolled:
                base = items[:, rolled - 1 : rolled] if sign < 0 else side.bases()[:, None, None]
                gap = old_gap[rolled - 1 : rolled] if sign < 0 else base.sum(axis=0)
                parts[ROLLED if sign < 0 else BASE] = np.repeat(sign * gap, self._years.shared, 0)
            if self._taxes:
                others = side.items(world, drivers, swapped=True)
                for tax in (tax for tax in _taxes(side.plan) if tax.name in self._taxes):
                    for name in tax.income_names():
                        place = side.keys.index(("funding", name))
                        effect = sign * (items[place] - others[place])[side.where] / 2
                        policy.append(((POLICY, tax.name), ("funding", name), effect))
            grown = items[:, side.where] - base
            sides.append(dict(zip(side.keys, grown, strict=True)))
        old, new = sides
        nothing = np.zeros((self._years.shared, 1))
        for key in dict.fromkeys([*new, *old]):
            parts[key] = new.get(key, nothing) - old.get(key, nothing)
        for tax_key, key, effect in policy:
            parts[key] = parts[key] - effect
            parts[tax_key] = parts.get(tax_key, nothing) + effect
        return parts, old, new

    def steps(self, drawn: _Split, planned: _Split) -> dict[Key, _Step]:
        """Say what each step is, in the order of a report; those that move nothing are left out."""
        found = {}
        worlds = (drawn, planned)
        least = ROUNDING * max(abs(gap).max() for each in worlds for gap in (each.start, each.end))
        for key in drawn.parts:
            if any((abs(each.parts[key]) > least).any() for each in worlds):
                found[key] = self._step(key, planned)
        return dict(sorted(found.items(), key=lambda item: _ORDER.index(item[1].category)))

    def _step(self, key: Key, planned: _Split) -> _Step:
        kind, name = key
        if kind in {DRIVER, POLICY}:
            return _Step(kind, name, "driver" if kind == DRIVER else "funding")
        if key in {ROLLED, BASE, ADDED}:
            return _Step(kind, kind, "")
        old, new = self._sides
        service = new.services.get(key, old.services.get(key, ""))
        held = [key in side.keys for side in self._sides]
        sort = ["new", "removed"][held[0]] if sum(held) == 1 else "changed"
        rows = {row.name: row.kind for side in self._sides for row in engine_of(side.plan).rows}
        if kind == "one-off" or (kind == "line" and rows[name] == "contribution"):
            return _Step(RESERVES, name, kind, service)
        if kind == "saving":
            sort = "dropped" if sort == "removed" else sort
            if sort == "changed" and _late(-planned.old[key][:, 0], -planned.new[key][:, 0]):
                sort = "late"
            return _Step(f"saving {sort}", name, kind, service)
        if kind == "funding" or rows[name] == GRANT_ROW:
            return _Step(f"funding {sort}", name, kind, service)
        return _Step(f"{sort} line", name, kind, service)


def _late(old: Array, new: Array) -> bool:
    """Whether a saving is planned later: as it was, some years on; or less, until it is as much."""
    if np.allclose(old, new, rtol=0, atol=PENNY):
        return False
    for years in range(1, len(old)):
        moved = np.concatenate([np.zeros(years), old[:-years]])
        if moved.any() and np.allclose(new, moved, rtol=0, atol=PENNY):
            return True
    return bool((new <= old + PENNY).all() and abs(new[-1] - old[-1]) <= PENNY)


def _taxes(plan: Plan) -> list[CouncilTax]:
    return [source for source in plan.sources() if isinstance(source, CouncilTax)]


def _rises(
    old: Plan, new: Plan, name: str, years: SharedYears
) -> dict[str, tuple[list[float], list[float]]]:
    """Give stated rises of a council tax that differ in the shared years, each plan's in full.

    Rises that follow a driver are that driver's.
    """
    found = {}
    taxes = [tax for plan in (old, new) for tax in _taxes(plan) if tax.name == name]
    if len(taxes) < 2:  # noqa: PLR2004 - one plan does not hold it
        return {}
    for field in ("core_increase", "asc_precept"):
        stated = [getattr(tax, field) for tax in taxes]
        if any(isinstance(each, str) for each in stated):
            continue
        one, other = (
            fixed_values(each, plan.years) for each, plan in zip(stated, (old, new), strict=True)
        )
        if (one[years.in_old] != other[years.in_new]).any():
            found[field] = (one.tolist(), other.tolist())
    return found


def _with_rises(
    old: Plan, new: Plan, names: Sequence[str], years: SharedYears
) -> tuple[Plan, Plan]:
    """Give both plans with the other's rises of council tax in the shared years."""
    plans = [old, new]
    for name in names:
        for field, (one, other) in _rises(old, new, name, years).items():
            mine, theirs = one[years.in_old], other[years.in_new]
            one[years.in_old], other[years.in_new] = theirs, mine
            plans = [
                plan.model_copy(
                    update={
                        "funding": tuple(
                            each.model_copy(update={field: tuple(values)})
                            if each.name == name
                            else each
                            for each in plan.funding
                        )
                    }
                )
                for plan, values in zip(plans, (one, other), strict=True)
            ]
    return plans[0], plans[1]
