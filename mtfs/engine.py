"""The engine: a plan made ready to run, and the arithmetic of one part of its draws.

Scores become paths, paths pounds, pounds the gap; then the years run once, in order, for closure
and reserves. The same arithmetic makes the council's own table. Where the result keeps a variable
it is worked out in its place there; memory is what large runs wait for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mtfs.contributions import GRANT_ROW, Contributions
from mtfs.lines import ContingencyLine, Grant, PeopleChange, Programme, people_changes
from mtfs.lines.anatomy import Anatomy, Factor, steady
from mtfs.lines.financing import BalancesLine
from mtfs.paths import Calendar, DriverStage, Paths, Source
from mtfs.plan import Plan
from mtfs.reserves import ReserveOutcome, ReserveStage, planned_openings
from mtfs.sampling import Scores, ShockSpec
from mtfs.schema import allocate
from mtfs.vocabulary import BLOCK, Array, MtfsError, listing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mtfs.schema import Keep


@dataclass(frozen=True)
class Store:
    """The result, or the part of it that some blocks write; holds no variable that is not kept."""

    arrays: Mapping[str, Array]
    """by variable, shape (item, year, draw) or (year, draw); whole blocks of draws"""

    def part(self, blocks: range) -> Store:
        """Give the part of some blocks."""
        draws = slice(blocks.start * BLOCK, blocks.stop * BLOCK)
        return Store({name: array[..., draws] for name, array in self.arrays.items()})

    def put(self, name: str, values: Array, item: int | None = None) -> None:
        """Write values of shape (year, draw) or (year, 1)."""
        target = self.arrays.get(name)
        if target is not None:
            target[... if item is None else item] = values

    def add(self, name: str, values: Array, item: int) -> None:
        """Add values of shape (year, draw) or (year, 1) to those that are there."""
        self.arrays[name][item] += values


@dataclass(frozen=True)
class Bench:
    """One thread's room for what the result does not keep."""

    paths: Array | None
    """(driver, year, draw), unless the result keeps paths"""
    yearly: Array
    """scores of lines and the like, shape (shock, year, draw)"""
    once: Array
    """scores of what is drawn once, shape (shock, draw)"""


Fill: TypeAlias = tuple[ShockSpec, int, Array]
"""a stream, the number of a block, and where its scores go: shape (year, BLOCK)"""


def fill(fills: Iterator[Fill], scores: Scores, horizon: int) -> None:
    """Fill scores until none are left; threads may share the list between them."""
    whole = np.empty((horizon, BLOCK))  # generators write into one piece of memory
    for spec, block, place in fills:
        rows = whole[: place.shape[0]]
        scores.fill(spec, block, rows)
        place[...] = rows


@dataclass
class Engine:
    """A plan made ready to run: every array that does not depend on a draw."""

    plan: Plan
    calendar: Calendar
    stage: DriverStage
    rows: list[Any]
    programme: Programme
    yearly: list[ShockSpec]
    once: list[ShockSpec]
    labels: dict[str, Sequence[str]]
    aside: dict[str, tuple[str, Sequence[object]]]
    planned_paths: Paths
    fixed: dict[object, Array]
    balances: dict[str, Array]
    people_changes: dict[str, PeopleChange]
    sources: dict[str, Source]
    bases: list[float]
    reserve_stage: ReserveStage
    minimum: Array
    planned_store: Store
    written: str
    """the plan's canonical JSON"""

    @classmethod
    def from_plan(cls, plan: Plan) -> Engine:
        """Prepare a plan and work out the council's own table."""
        calendar = plan.calendar
        stage = DriverStage.from_drivers(plan.drivers, plan.correlations, calendar.years)
        balances: dict[str, Array] = {}
        changes = people_changes(plan.lines)
        sources: dict[str, Source] = {each.name: each for each in plan.people_sources()}
        planned = Paths(
            calendar,
            stage.planned,
            {},
            {},
            balances=balances,
            people_changes=changes,
            sources=sources,
        )
        balances.update(planned_openings(plan.reserves, plan.one_offs, planned, calendar))
        rows: list[Any] = [*plan.rows(), *map(GrantRow, plan.requirement_grants())]
        drivers = {stream.spec for stream in stage.streams}
        others = [spec for spec in plan.shocks() if spec not in drivers]
        bases = [row.base_cost(planned) * row.share for row in rows]
        labels, aside = _labels(plan, rows, planned, bases)
        engine = cls(
            plan=plan,
            calendar=calendar,
            stage=stage,
            rows=rows,
            programme=Programme(plan.schemes(), plan.savings_correlation),
            yearly=[spec for spec in others if not spec.once],
            once=[spec for spec in others if spec.once],
            labels=labels,
            aside=aside,
            planned_paths=planned,
            fixed={},
            balances=balances,
            people_changes=changes,
            sources=sources,
            bases=bases,
            reserve_stage=ReserveStage(
                plan.reserves,
                plan.one_offs,
                tuple(line for line in plan.lines if isinstance(line, BalancesLine)),
                plan.savings_correlation,
                np.zeros((plan.horizon, 1)),
                balances,
            ),
            minimum=np.zeros((len(plan.reserves.funds), plan.horizon)),
            planned_store=Store(allocate(labels, plan.horizon, 1, "components")),
            written=plan.to_json(),
        )
        engine._plan_ahead()
        return engine

    def _plan_ahead(self) -> None:
        """Work out the council's own table, and from it the closure planned and minimum levels."""
        store = self.planned_store
        paid_in, tied = self.evaluate(self.planned_paths, store)
        if self.plan.reserves.closure.policy != "none":
            closed = np.maximum(store.arrays["gap_after_one_offs"], 0.0)
            self.reserve_stage = replace(self.reserve_stage, planned_closure=closed)
            self._reserves(self.planned_paths, paid_in, tied, store)
        for number, fund in enumerate(self.plan.reserves.funds):
            if fund.minimum is not None:
                self.minimum[number] = self.planned_paths.value(fund.minimum)[:, 0]
            elif fund.minimum_share is not None:
                self.minimum[number] = fund.minimum_share * store.arrays["requirement"][:, 0]

    @cached_property
    def contributions(self) -> Contributions:
        """What everything adds to the gap; made when it is first wanted."""
        return Contributions.from_plan(self.plan, self.rows, self.planned_paths)

    @cached_property
    def planned_contribution(self) -> Array:
        """What everything adds to the gap in the council's own table, shape (step, year, 1)."""
        labels, _ = self.names("components")
        store = Store(allocate(labels, self.calendar.horizon, 1, "components"))
        self.evaluate(self.planned_paths, store)
        return store.arrays["contribution"]

    def names(
        self, keep: Keep
    ) -> tuple[dict[str, Sequence[str]], dict[str, tuple[str, Sequence[object]]]]:
        """Name everything along the dimensions of a result, and the coordinates beside them."""
        if keep != "components":
            return self.labels, self.aside
        steps = self.contributions.steps
        aside: dict[str, tuple[str, Sequence[object]]] = {
            f"step_{name}": ("step", [getattr(step, name) for step in steps])
            for name in ("item", "item_kind", "service", "component")
        }
        return self.labels | {"step": self.contributions.labels()}, self.aside | aside

    def bench(self, n_blocks: int, store: Store) -> Bench:
        """Make one thread's room for some blocks of the draws of ``store``."""
        horizon, n = self.calendar.horizon, n_blocks * BLOCK
        kept = "path" in store.arrays
        return Bench(
            None if kept else np.empty((len(self.plan.drivers), horizon, n)),
            np.empty((len(self.yearly), horizon, n)),
            np.empty((len(self.once), n)),
        )

    def fills(self, blocks: range, bench: Bench, store: Store) -> Iterator[Fill]:
        """List what some blocks' scores are made of, and where each goes."""
        n = len(blocks) * BLOCK
        room = self._room(blocks, bench, store)
        yearly, once = bench.yearly[..., :n], bench.once[:, :n]
        for number, block in enumerate(blocks):
            here = slice(number * BLOCK, (number + 1) * BLOCK)
            for stream in self.stage.streams:
                yield stream.spec, block, room[stream.slot, :, here]
            for spec, row in zip(self.yearly, yearly, strict=True):
                yield spec, block, row[:, here]
            for place, spec in enumerate(self.once):
                yield spec, block, once[place : place + 1, here]

    def run_blocks(self, blocks: range, bench: Bench, store: Store) -> None:
        """Turn some blocks' scores into pounds, in their place."""
        paths = self._paths(blocks, bench, store)
        part = store.part(blocks)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            self.evaluate(paths, part)
        self.require_numbers(paths, part)

    def one_block(self, scores: Scores, block: int) -> tuple[Paths, Store]:
        """Give the paths of one block of draws, and all that comes of them."""
        store = Store(allocate(self.labels, self.calendar.horizon, BLOCK, "all"))
        bench = self.bench(1, store)
        only = range(1)
        fills = ((spec, block, place) for spec, _, place in self.fills(only, bench, store))
        fill(fills, scores, self.calendar.horizon)
        paths = self._paths(only, bench, store)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            self.evaluate(paths, store)
        return paths, store

    def _paths(self, blocks: range, bench: Bench, store: Store) -> Paths:
        """Turn some blocks' scores into paths."""
        n = len(blocks) * BLOCK
        own = {spec.name: row[:n] for spec, row in zip(self.once, bench.once, strict=True)}
        own |= {
            spec.name: rows[:, :n] for spec, rows in zip(self.yearly, bench.yearly, strict=True)
        }
        return Paths(
            self.calendar,
            self.stage.rows(self._room(blocks, bench, store), own),
            own,
            self.fixed,
            balances=self.balances,
            people_changes=self.people_changes,
            sources=self.sources,
            planned_paths=self.planned_paths,
        )

    def require_numbers(self, paths: Paths, store: Store) -> None:
        """Check that the gap of every draw is a number."""
        if not np.isfinite(store.arrays["gap"]).all():
            raise MtfsError(self._not_a_number(paths))

    def _not_a_number(self, paths: Paths) -> str:
        """Say which drivers may have made the gap of a draw no number."""
        below = [name for name in self.labels["driver"] if paths.value(name).min() <= -1]
        found = (
            f"; {listing(below)} falls below -100%, which as a growth leaves nothing: narrow its "
            "spread, or choose a shape with bounds"
            if below
            else ""
        )
        return f"the gap of a draw is not a number{found}"

    def _room(self, blocks: range, bench: Bench, store: Store) -> Array:
        """Give the place of some blocks' paths: in the result where it keeps them."""
        if bench.paths is None:
            return store.part(blocks).arrays["path"]
        return bench.paths[..., : len(blocks) * BLOCK]

    def evaluate(
        self,
        paths: Paths,
        store: Store,
        *,
        savings: Paths | None = None,
        sources: Paths | None = None,
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Turn paths into pounds: the same arithmetic for the council's table and for draws.

        Savings and funding, with grants that net off the requirement, read paths of their own where
        they are given.

        Returns
        -------
        tuple
            What was paid into funds, as :meth:`_net_grants` gives it, and the balances of tied
            ones.
        """
        for number, name in enumerate(self.labels["driver"]):
            path = paths.value(name)
            if path.shape[1] == 1:  # draws of an uncertain driver are there already
                store.put("path", path, number)
        funded = sources or paths
        costs = self._costs(paths, store, funded)
        gross = list(costs)
        paid_in = self._net_grants(funded, costs)
        less_grants = list(costs)
        tied = self._net_tied(paths, costs, paid_in)
        result = store.arrays
        total, funding = result["requirement"], result["funding"]
        total[...] = 0.0
        for number, cost in enumerate(costs):
            total += cost
            store.put("cost", cost, number)
        if not paths.planned and "contingency_spent" in result:
            self._spend_contingency(paths, total, costs, result["contingency_spent"])
        funding[...] = 0.0
        names = iter(range(len(self.labels["source"])))
        for source in self.plan.sources():
            for income in source.incomes(funded):
                funding += income
                store.put("income", income, next(names))
        np.subtract(total, funding, out=result["gap_before_savings"])
        self._save(savings or paths, store)
        if "contribution" in result:
            steps = (gross, less_grants, costs)
            self.contributions.write(paths, steps, result, sources=funded)
        gap = np.subtract(total, funding, out=result["gap"])
        result["annual_gap"][0] = gap[0]
        np.subtract(gap[1:], gap[:-1], out=result["annual_gap"][1:])
        self._reserves(paths, paid_in, tied, store)
        return paid_in, tied

    def _costs(self, paths: Paths, store: Store, funded: Paths) -> list[Array]:
        """Cost every row and book its growth under causes."""
        costs: list[Array] = []
        causes = {cause: number for number, cause in enumerate(self.labels["cause"])}
        booked: set[str] = set()
        care = iter(range(len(self.labels["care_line"])))
        places = iter(range(len(self.labels["part"])))
        for row, base in zip(self.rows, self.bases, strict=True):
            cost = row.cost(funded if isinstance(row, GrantRow) else paths)
            if "pressure" in store.arrays and not isinstance(row, GrantRow):
                for component, part in _parts(row, paths, cost, base).items():
                    cause = getattr(row, "cause", None) or component
                    book = store.add if cause in booked else store.put
                    grown = part if row.share == 1 else part * row.share
                    book("pressure", grown, causes[cause])
                    store.put("growth", grown, next(places))
                    booked.add(cause)
            costs.append(cost if row.share == 1 else cost * row.share)
            if "people" in store.arrays and hasattr(row, "average_people"):
                people = row.average_people(paths)
                if people is not None:
                    store.put("people", people, next(care))
        for cause in causes.keys() - booked:  # one that a line may have and this plan's do not
            store.put("pressure", np.zeros((paths.horizon, 1)), causes[cause])
        return costs

    def _net_grants(self, paths: Paths, costs: list[Array]) -> dict[str, Array]:
        """Net ring-fenced grants off their lines; give what they leave, by the fund it goes to."""
        place = {row.name: number for number, row in enumerate(self.rows)}
        rest: dict[str, Array] = {}
        for grant in self.plan.ring_fenced_grants():
            line, to = place[str(grant.ring_fenced_to)], str(grant.rest_to)
            (amount,) = grant.incomes(paths)
            used = np.minimum(amount, np.maximum(costs[line], 0.0))
            costs[line] = costs[line] - used
            rest[to] = rest[to] + amount - used if to in rest else amount - used
        return rest

    def _net_tied(
        self, paths: Paths, costs: list[Array], paid_in: Mapping[str, Array]
    ) -> dict[str, Array]:
        """Net tied funds off their lines; give their balances."""
        place = {row.name: number for number, row in enumerate(self.rows)}
        tied: dict[str, Array] = {}
        for fund in self.plan.reserves.funds:
            if fund.tied_to is not None:
                line = place[fund.tied_to]
                tied[fund.name], costs[line] = _use_tied(
                    fund, paths, costs[line], paid_in.get(fund.name)
                )
        return tied

    def _spend_contingency(
        self, paths: Paths, total: Array, costs: Sequence[Array], spent: Array
    ) -> None:
        """Say how much of each contingency the overspends it covers used up, into ``spent``."""
        planned = self.planned_store.arrays["cost"]
        names = self.labels["line"]
        held = [line for line in self.plan.lines if isinstance(line, ContingencyLine)]
        declared = len(self.plan.lines)  # rows that other parts imply come after the lines
        for number, line in enumerate(held):
            own = names.index(line.name)
            if line.covers == "all":
                apart = [own, *range(declared, len(names))]
                over = total - sum(costs[place] for place in apart)
                over -= planned.sum(axis=0) - planned[apart].sum(axis=0)
            else:
                covered = [names.index(name) for name in line.covers]
                over = sum(costs[place] for place in covered) - planned[covered].sum(axis=0)
            np.clip(over, 0.0, paths.value(line.amount) * line.share, out=spent[number])

    def _save(self, paths: Paths, store: Store) -> None:
        """Take the savings delivered off the requirement."""
        total = store.arrays["requirement"]
        if "saving_lost" not in store.arrays:
            for delivered in self.programme.arrived(paths):
                total -= delivered
            return
        for number, outcome in enumerate(self.programme.outcomes(paths)):
            total -= outcome[0]
            for what, part in zip(("delivered", "late", "lost"), outcome, strict=True):
                store.put(f"saving_{what}", part, number)

    def _reserves(
        self, paths: Paths, paid_in: Mapping[str, Array], tied: Mapping[str, Array], store: Store
    ) -> None:
        falls: Array = np.zeros((paths.horizon, 1))
        for number, item in enumerate(self.plan.memorandum):
            balance, called = paths.block_derived(
                (item.name, "balances"), partial(item.balances, paths)
            )
            falls = falls + called
            store.put("memorandum", balance, number)
        result = store.arrays
        out = ReserveOutcome(
            result["gap_after_one_offs"],
            result["shortfall"],
            result["unfunded"],
            closing=result.get("reserve"),
            one_off=result.get("one_off"),
            interest=result.get("reserve_interest"),
        )
        self.reserve_stage.run(
            result["gap"], paths, paid_in=paid_in, tied=tied, falls=falls, out=out
        )
        if "contribution" in result:
            self.contributions.write_one_offs(result)


@lru_cache(maxsize=8)
def engine_of(plan: Plan) -> Engine:
    """Give the engine of a plan: a sensitivity study runs one plan on many scores."""
    return Engine.from_plan(plan)


def _use_tied(fund: Any, paths: Paths, cost: Array, paid_in: Array | None) -> tuple[Array, Array]:
    """Use a tied fund on its line as planned, as far as it and the line's cost go."""
    shape = np.broadcast_shapes(cost.shape, () if paid_in is None else paid_in.shape)
    closing, net = np.empty(shape), np.array(np.broadcast_to(cost, shape))
    held: Array = np.full(1, fund.opening)
    for year in range(paths.horizon):
        held = held + paths.value(fund.contributions)[year]
        if paid_in is not None:
            held = held + paid_in[year]
        used = np.minimum(
            np.minimum(paths.value(fund.planned_use)[year], held), np.maximum(net[year], 0.0)
        )
        held = held - used
        net[year] -= used
        closing[year] = held
    return closing, net


@dataclass(frozen=True)
class GrantRow:
    """A general grant on the requirement side: a negative cost."""

    grant: Grant
    share: float = 1.0
    kind: str = GRANT_ROW
    service: str = "corporate"

    @property
    def name(self) -> str:
        """The grant's name."""
        return self.grant.name

    def causes(self) -> tuple[str, ...]:
        """List no cause: a grant is no pressure."""
        return ()

    def base_cost(self, planned: Paths) -> float:  # noqa: ARG002 - as a line's
        """Give nothing: a grant is no pressure."""
        return 0.0

    def cost(self, paths: Paths) -> Array:
        """Give the grant as negative cost, GBP."""
        return -self.grant.incomes(paths)[0]

    def anatomy(self, paths: Paths) -> Anatomy:
        """Show the grant as negative cost."""
        (made,) = self.grant.anatomies(paths)
        return replace(
            made, factors=(*made.factors, Factor("as income", "", steady(-1.0, paths.horizon)))
        )


def _parts(row: Any, paths: Paths, cost: Array, base: float) -> dict[str, Array]:
    """Split a row's growth since the base year by component, before its share."""
    found: dict[str, Array] = row.parts(paths, cost, base / row.share if row.share else 0.0)
    return found


def _labels(
    plan: Plan, rows: Sequence[Any], planned: Paths, bases: Sequence[float]
) -> tuple[dict[str, Sequence[str]], dict[str, tuple[str, Sequence[object]]]]:
    """Name everything along every dimension, and the coordinates beside them."""
    causes: Iterator[str] = (cause for row in rows for cause in row.causes())
    parts = [
        (row, component)
        for row, base in zip(rows, bases, strict=True)
        if not isinstance(row, GrantRow)
        for component in _parts(row, planned, row.cost(planned), base)
    ]
    labels: dict[str, Sequence[str]] = {
        "line": [row.name for row in rows],
        "cause": list(dict.fromkeys(causes)),
        "scheme": [scheme.name for scheme in plan.schemes()],
        "source": [name for source in plan.sources() for name in source.income_names()],
        "one_off_source": [source.name for source in plan.one_offs],
        "fund": [fund.name for fund in plan.reserves.funds],
        "balance": [item.name for item in plan.memorandum],
        "care_line": [
            line.name for line in plan.lines if line.kind in {"care", "temporary_accommodation"}
        ],
        "part": [f"{row.name}: {component}" for row, component in parts],
        "driver": [driver.name for driver in plan.drivers],
        "contingency": [line.name for line in plan.lines if line.kind == "contingency"],
        "invested": [
            fund for line in plan.lines if isinstance(line, BalancesLine) for fund in line.funds
        ],
    }
    aside: dict[str, tuple[str, Sequence[object]]] = {
        "service": ("line", [row.service for row in rows]),
        "kind": ("line", [row.kind for row in rows]),
        "part_line": ("part", [row.name for row, _ in parts]),
        "part_service": ("part", [row.service for row, _ in parts]),
        "component": ("part", [component for _, component in parts]),
        "part_cause": (
            "part",
            [getattr(row, "cause", None) or component for row, component in parts],
        ),
        "general": ("fund", [fund.general for fund in plan.reserves.funds]),
        "usable": ("fund", [fund.absorbs for fund in plan.reserves.funds]),
    }
    return labels, aside
