"""From a plan to the distribution of its gap: ``project_gap(plan)``, and ``project(plan, scores)``.

Random first, then arithmetic: scores are filled block by block, turned into paths, into pounds and
into the gap, then the years run once, in order, for closure and reserves. Blocks are independent,
so threads share them out; results do not depend on how.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mtfs.lines import ContingencyLine, Grant
from mtfs.lines.financing import BalancesLine
from mtfs.paths import Calendar, DriverStage, Paths
from mtfs.plan import Plan, digest_of
from mtfs.reserves import ReserveStage, planned_openings
from mtfs.sampling import GivenScores, RandomScores, Scores, ShockSpec, draw_scores, fresh_seed
from mtfs.schema import VARIABLES, Keep, allocate, assemble, kept
from mtfs.vocabulary import BLOCK, VERSION, Array, MtfsError, require_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import xarray as xr

Progress = Callable[[int, int], object]
_SEED_LIMIT = 2**53
ROOM = 3_000_000  # numbers (24 MB), within the 32 MB up to which glibc follows
MOST_BLOCKS = 8  # a thread takes so many at a time: longer arrays wait less for the interpreter's lock
_SPARE = 0.9  # of the machine's memory: the rest is for the work on blocks and everybody else


def project_gap(
    plan: Plan | Mapping[str, Any],
    *,
    n_draws: int = 10_000,
    seed: int | None = None,
    sampler: Literal["random"] = "random",
    keep: Keep = "all",
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Project the distribution of a plan's gap.

    Parameters
    ----------
    plan
        A plan, or a mapping with a plan's keys (such as JSON from another tool). For a file use
        :func:`mtfs.load_plan`.
    n_draws
        Joint outcomes, at least 1.
    seed
        From 0 to 2**53 - 1; a fresh one is drawn and recorded unless given.
    sampler
        How scores are drawn: ``"random"``, plain independent draws.
    keep
        ``"all"`` variables, or ``"totals"``: gaps, requirement, funding, shortfall and reserves only.
    n_threads
        Threads to use, by default one a core. The result does not depend on it.
    progress
        Called with (parts done, parts in all) after each part, from the thread that did it.

    Returns
    -------
    xarray.Dataset
        Dimensions ``(draw, year)``, with an item dimension before them for lines, schemes, funds and
        so on; GBP. Variables named ``planned_`` hold the council's own table and have no draws.

    Raises
    ------
    PlanError
        When a mapping is not a plan.
    MtfsError
        When another argument is wrong, or the result would not fit into memory.

    Examples
    --------
    >>> plan = {"council": "A", "first_year": "2026/27", "base_gap": 2e6,
    ...         "lines": [{"kind": "budget", "name": "roads", "base": 1e6}]}
    >>> project_gap(plan, n_draws=3, seed=1)["gap"].sel(year="2026/27").values
    array([3000000., 3000000., 3000000.])
    """
    plan = plan if isinstance(plan, Plan) else Plan.model_validate(plan)
    require_count(n_draws, "n_draws")
    if sampler != "random":
        msg = f"sampler is {sampler!r}; expected 'random'"
        raise MtfsError(msg)
    if seed is None:
        seed = fresh_seed()
    if require_count(seed, "seed", least=0) >= _SEED_LIMIT:
        msg = f"seed is {seed}; expected a whole number below 2**53"
        raise MtfsError(msg)
    scores = RandomScores(int(seed), int(n_draws))
    said: dict[str, str | int | float] = {"seed": int(seed), "sampler": sampler}
    return _run(plan, scores, said, keep=keep, n_threads=n_threads, progress=progress)


def project(
    plan: Plan,
    scores: Mapping[str, Array],
    *,
    keep: Keep = "all",
    n_threads: int | None = None,
) -> xr.Dataset:
    """Project a plan on given scores: the seam behind every other way to draw.

    Parameters
    ----------
    plan
        The plan.
    scores
        Independent standard normal scores by shock, as :func:`scores_of` gives them: shape (year,
        draw), or (draw,) for a shock drawn once. Correlations are added to them here.
    keep, n_threads
        As for :func:`project_gap`.

    Returns
    -------
    xarray.Dataset
        As :func:`project_gap`, without a seed.
    """
    given = GivenScores(scores, plan.shocks(), plan.horizon)
    return _run(plan, given, {"sampler": "given"}, keep=keep, n_threads=n_threads, progress=None)


def scores_of(plan: Plan, *, n_draws: int, seed: int) -> dict[str, Array]:
    """Draw the scores that :func:`project_gap` uses for ``seed``.

    Returns
    -------
    dict
        By shock: shape (year, draw), or (draw,) for a shock drawn once.
    """
    return draw_scores(plan.shocks(), RandomScores(seed, require_count(n_draws, "n_draws")), plan.horizon)


def _run(
    plan: Plan,
    scores: Scores,
    said: Mapping[str, str | int | float],
    *,
    keep: Keep,
    n_threads: int | None,
    progress: Progress | None,
) -> xr.Dataset:
    began = time.perf_counter()
    if keep not in {"all", "totals"}:
        msg = f"keep is {keep!r}; expected 'all' or 'totals'"
        raise MtfsError(msg)
    engine = Engine.from_plan(plan)
    n_draws, horizon = scores.n_draws, plan.horizon
    _require_memory(engine.labels, horizon, n_draws, keep)
    store = Store(allocate(engine.labels, horizon, n_draws, keep))
    n_blocks = -(-n_draws // BLOCK)
    workers = min(n_blocks, os.cpu_count() or 1 if n_threads is None else require_count(n_threads, "n_threads"))
    parts = shared_out(n_blocks, workers)
    todo, done = iter(parts), itertools.count(1)
    np.empty(ROOM)  # freed at once: glibc then keeps freed memory of this size for the work on blocks

    def work() -> None:
        bench = engine.bench(max(map(len, parts)))
        for part in todo:  # next() of a list iterator is atomic: each part goes to one thread
            engine.run_blocks(part, scores, bench, store)
            if progress is not None:
                progress(next(done), len(parts))

    if workers == 1:
        work()
    else:
        with ThreadPoolExecutor(workers) as pool:
            for running in [pool.submit(work) for _ in range(workers)]:
                running.result()
    written = plan.to_json()
    attrs = {
        "title": f"{plan.council}: distribution of the budget gap",
        "council": plan.council,
        "price_base": plan.price_base,
        **said,
        "n_draws": n_draws,
        "plan": written,
        "plan_digest": digest_of(written),
        "closure": plan.reserves.closure.policy,
        "mtfs_version": VERSION,
        "numpy_version": np.__version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": time.perf_counter() - began,
    }
    planned = {
        name: array
        for name, array in engine.planned_store.arrays.items()
        if VARIABLES[name].planned and (keep == "all" or VARIABLES[name].totals)
    }
    return assemble(
        store.arrays, planned, engine.minimum,
        labels=engine.labels, aside=engine.aside, years=plan.years, attrs=attrs,
    )


def shared_out(n_blocks: int, workers: int) -> list[range]:
    """Cut the blocks into even runs, as many for every worker, none longer than ``MOST_BLOCKS``."""
    rounds = -(-n_blocks // (workers * MOST_BLOCKS))
    edges = np.linspace(0, n_blocks, min(rounds * workers, n_blocks) + 1).astype(int).tolist()
    return [range(start, stop) for start, stop in itertools.pairwise(edges)]


def _require_memory(
    labels: Mapping[str, Sequence[str]], horizon: int, n_draws: int, keep: Keep
) -> None:
    """Refuse a result larger than the machine's memory, before anything is allocated."""
    rows = sum(
        1 if (item := VARIABLES[name].item) is None else len(labels[item]) for name in kept(labels, keep)
    )
    needed = 8 * rows * horizon * n_draws
    pages = {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= getattr(os, "sysconf_names", {}).keys()
    held = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if pages else 2**63
    if needed > _SPARE * held:
        msg = (
            f"n_draws is {n_draws}: the result would need {needed / 1e9:,.0f} GB of memory and the machine "
            f"has {held / 1e9:,.0f} GB; use fewer draws"
            + ("" if keep == "totals" else ", or keep='totals'")
        )
        raise MtfsError(msg)


@dataclass(frozen=True)
class Store:
    """Where blocks write their part of the result; variables that are not kept are let go."""

    arrays: dict[str, Array]
    start: int = 0
    stop: int | None = None

    def part(self, blocks: range) -> Store:
        """Give the part of some blocks."""
        n_draws = self.arrays["gap"].shape[-1]
        return replace(self, start=blocks.start * BLOCK, stop=min(blocks.stop * BLOCK, n_draws))

    def put(self, name: str, values: Array, item: int | None = None) -> None:
        """Write a block's values, shape (year, draw) or (year, 1), cut to the draws there are."""
        target = self.arrays.get(name)
        if target is None:
            return
        where = (target if item is None else target[item])[:, self.start : self.stop]
        where[...] = values[..., : where.shape[-1]]


@dataclass(frozen=True)
class Bench:
    """One thread's scores: shape (shock, year, draw) and (shock, draw)."""

    yearly: Array
    once: Array
    room: Array
    """one block of one shock, (year, BLOCK): streams fill whole blocks"""


def _fill(out: Array, spec: ShockSpec, blocks: range, scores: Scores, room: Array) -> None:
    for number, block in enumerate(blocks):
        scores.fill(spec, block, room)
        out[:, number * BLOCK : (number + 1) * BLOCK] = room


@dataclass
class Engine:
    """A plan made ready to run: every array that does not depend on a draw."""

    plan: Plan
    calendar: Calendar
    stage: DriverStage
    rows: list[Any]
    yearly: tuple[ShockSpec, ...]
    once: tuple[ShockSpec, ...]
    labels: dict[str, Sequence[str]]
    aside: dict[str, tuple[str, Sequence[object]]]
    planned_paths: Paths
    fixed: dict[object, Array]
    balances: dict[str, Array]
    bases: list[float]
    reserve_stage: ReserveStage
    minimum: Array
    planned_store: Store

    @classmethod
    def from_plan(cls, plan: Plan) -> Engine:
        """Prepare a plan and work out the council's own table."""
        calendar = plan.calendar
        stage = DriverStage.from_drivers(plan.drivers, plan.correlations, calendar.years)
        balances: dict[str, Array] = {}
        planned = Paths(calendar, stage.planned, {}, {}, balances=balances)
        balances.update(planned_openings(plan.reserves, plan.one_offs, planned, calendar))
        rows: list[Any] = [*plan.rows(), *map(_GrantRow, plan.requirement_grants())]
        others = [spec for spec in plan.shocks() if spec not in {*stage.specs, *stage.event_specs}]
        labels, aside = _labels(plan, rows)
        engine = cls(
            plan=plan,
            calendar=calendar,
            stage=stage,
            rows=rows,
            yearly=stage.specs + tuple(spec for spec in others if not spec.once),
            once=stage.event_specs + tuple(spec for spec in others if spec.once),
            labels=labels,
            aside=aside,
            planned_paths=planned,
            fixed={},
            balances=balances,
            bases=[row.base_cost(planned) * row.share for row in rows],
            reserve_stage=ReserveStage(
                plan.reserves,
                plan.one_offs,
                tuple(line for line in plan.lines if isinstance(line, BalancesLine)),
                plan.savings_correlation,
                np.zeros((plan.horizon, 1)),
                balances,
            ),
            minimum=np.zeros((len(plan.reserves.funds), plan.horizon)),
            planned_store=Store(allocate(labels, plan.horizon, 1, "all")),
        )
        engine._plan_ahead()
        return engine

    def _plan_ahead(self) -> None:
        """Work out the council's own table, and from it the closure planned and minimum levels."""
        store = self.planned_store
        paid_in, tied = self._evaluate(self.planned_paths, store, 1)
        if self.plan.reserves.closure.policy != "none":
            closed = np.maximum(store.arrays["gap_after_one_offs"], 0.0)
            self.reserve_stage = replace(self.reserve_stage, planned_closure=closed)
            self._reserves(self.planned_paths, store.arrays["gap"], paid_in, tied, store)
        for number, fund in enumerate(self.plan.reserves.funds):
            if fund.minimum is not None:
                self.minimum[number] = self.planned_paths.value(fund.minimum)[:, 0]
            elif fund.minimum_share is not None:
                self.minimum[number] = fund.minimum_share * store.arrays["requirement"][:, 0]

    def bench(self, n_blocks: int) -> Bench:
        """Make one thread's room for the scores of some blocks."""
        horizon, n = self.calendar.horizon, n_blocks * BLOCK
        return Bench(
            np.empty((len(self.yearly), horizon, n)),
            np.empty((len(self.once), n)),
            np.empty((horizon, BLOCK)),
        )

    def run_blocks(self, blocks: range, scores: Scores, bench: Bench, store: Store) -> None:
        """Draw some blocks and write them into their place."""
        n = len(blocks) * BLOCK
        yearly, once = bench.yearly[..., :n], bench.once[:, :n]
        for number, spec in enumerate(self.yearly):
            _fill(yearly[number], spec, blocks, scores, bench.room)
        for number, spec in enumerate(self.once):
            _fill(once[number : number + 1], spec, blocks, scores, bench.room[:1])
        own = {spec.name: once[number] for number, spec in enumerate(self.once)}
        drivers = len(self.stage.specs)
        own |= {spec.name: yearly[drivers + number] for number, spec in enumerate(self.yearly[drivers:])}
        rows = self.stage.rows(yearly[:drivers], own)
        paths = Paths(
            self.calendar, rows, own, self.fixed, balances=self.balances, planned_paths=self.planned_paths
        )
        self._evaluate(paths, store.part(blocks), n)

    def _evaluate(
        self, paths: Paths, store: Store, n: int
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Turn paths into pounds: the same arithmetic for the council's table and for draws.

        Returns
        -------
        tuple
            What was paid into funds and the balances of tied ones, as :meth:`_net_off` gives them.
        """
        for number, name in enumerate(self.labels["driver"]):
            store.put("path", paths.value(name), number)
        costs = self._costs(paths, store)
        paid_in, tied = self._net_off(paths, costs)
        total = np.zeros((paths.horizon, n))
        for number, cost in enumerate(costs):
            total += cost
            store.put("cost", cost, number)
        self._spend_contingency(paths, costs, store)
        funding = np.zeros((paths.horizon, n))
        names = iter(range(len(self.labels["source"])))
        for source in self.plan.sources():
            for income in source.incomes(paths):
                funding += income
                store.put("income", income, next(names))
        store.put("gap_before_savings", total - funding)
        for number, scheme in enumerate(self.plan.savings):
            delivered, late, lost = scheme.delivered(paths, self.plan.savings_correlation)
            total -= delivered
            store.put("saving_delivered", delivered, number)
            store.put("saving_late", late, number)
            store.put("saving_lost", lost, number)
        gap = total - funding
        store.put("requirement", total)
        store.put("funding", funding)
        store.put("gap", gap)
        step = gap.copy()
        step[1:] -= gap[:-1]
        store.put("annual_gap", step)
        self._reserves(paths, gap, paid_in, tied, store)
        return paid_in, tied

    def _costs(self, paths: Paths, store: Store) -> list[Array]:
        """Cost every row and book its growth under causes."""
        costs: list[Array] = []
        causes = {cause: number for number, cause in enumerate(self.labels["cause"])}
        grown: dict[str, Array] = {}
        care = iter(range(len(self.labels["care_line"])))
        for row, base in zip(self.rows, self.bases, strict=True):
            cost = row.cost(paths)
            if "pressure" in store.arrays and not isinstance(row, _GrantRow):
                for component, part in row.parts(paths, cost, base / row.share if row.share else 0.0).items():
                    cause = getattr(row, "cause", None) or component
                    part = part if row.share == 1 else part * row.share
                    grown[cause] = grown[cause] + part if cause in grown else part
            costs.append(cost if row.share == 1 else cost * row.share)
            if "people" in store.arrays and hasattr(row, "average_people"):
                people = row.average_people(paths)
                if people is not None:
                    store.put("people", people, next(care))
        for cause, part in grown.items():
            store.put("pressure", part, causes[cause])
        return costs

    def _net_off(
        self, paths: Paths, costs: list[Array]
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Net ring-fenced grants and tied funds off their lines.

        Returns
        -------
        tuple
            What grants leave unspent, by the fund it is paid into, and the tied funds' balances.
        """
        place = {row.name: number for number, row in enumerate(self.rows)}
        rest: dict[str, Array] = {}
        for grant in self.plan.ring_fenced_grants():
            line, fund = place[str(grant.ring_fenced_to)], str(grant.rest_to)
            (amount,) = grant.incomes(paths)
            used = np.minimum(amount, np.maximum(costs[line], 0.0))
            costs[line] = costs[line] - used
            rest[fund] = rest[fund] + amount - used if fund in rest else amount - used
        tied: dict[str, Array] = {}
        for fund in self.plan.reserves.funds:
            if fund.tied_to is not None:
                line = place[fund.tied_to]
                tied[fund.name], costs[line] = _use_tied(fund, paths, costs[line], rest.get(fund.name))
        return rest, tied

    def _spend_contingency(self, paths: Paths, costs: list[Array], store: Store) -> None:
        """Say how much of each contingency the overspends it covers used up."""
        if paths.planned or "contingency_spent" not in store.arrays:
            return
        planned = self.planned_store.arrays["cost"]
        names = self.labels["line"]
        held = [line for line in self.plan.lines if isinstance(line, ContingencyLine)]
        for number, line in enumerate(held):
            over: Array = np.zeros((paths.horizon, 1))
            for place, name in enumerate(names):
                if name != line.name and (line.covers == "all" or name in line.covers):
                    over = over + costs[place] - planned[place]
            spent = np.clip(over, 0.0, paths.value(line.amount) * line.share)
            store.put("contingency_spent", spent, number)

    def _reserves(
        self,
        paths: Paths,
        gap: Array,
        paid_in: Mapping[str, Array],
        tied: Mapping[str, Array],
        store: Store,
    ) -> None:
        falls: Array = np.zeros((paths.horizon, 1))
        for number, item in enumerate(self.plan.memorandum):
            balance, called = paths.block_derived(
                (item.name, "balances"), lambda item=item: item.balances(paths)
            )
            falls = falls + called
            store.put("memorandum", balance, number)
        outcome = self.reserve_stage.run(gap, paths, paid_in, tied, falls)
        store.put("gap_after_one_offs", outcome.gap_after_one_offs)
        store.put("shortfall", outcome.shortfall)
        store.put("unfunded", outcome.unfunded)
        for number in range(len(outcome.closing)):
            store.put("reserve", outcome.closing[number], number)
        for number in range(len(outcome.one_off)):
            store.put("one_off", outcome.one_off[number], number)
        if outcome.interest is not None:
            store.put("reserve_interest", outcome.interest)


def _use_tied(
    fund: Any, paths: Paths, cost: Array, paid_in: Array | None
) -> tuple[Array, Array]:
    """Use a tied fund on its line as planned, as far as it and the line's cost go."""
    shape = np.broadcast_shapes(cost.shape, () if paid_in is None else paid_in.shape)
    closing, net = np.empty(shape), np.array(np.broadcast_to(cost, shape))
    held: Array = np.full(1, fund.opening)
    for year in range(paths.horizon):
        held = held + paths.value(fund.contributions)[year]
        if paid_in is not None:
            held = held + paid_in[year]
        used = np.minimum(np.minimum(paths.value(fund.planned_use)[year], held), np.maximum(net[year], 0.0))
        held = held - used
        net[year] -= used
        closing[year] = held
    return closing, net


@dataclass(frozen=True)
class _GrantRow:
    """A general grant on the requirement side: a negative cost."""

    grant: Grant
    share: float = 1.0
    kind: str = "grant"
    service: str = "corporate"

    @property
    def name(self) -> str:
        return self.grant.name

    def causes(self) -> tuple[str, ...]:
        return ()

    def base_cost(self, planned: Paths) -> float:  # noqa: ARG002 - as a line's
        return 0.0

    def cost(self, paths: Paths) -> Array:
        return -self.grant.incomes(paths)[0]


def _labels(
    plan: Plan, rows: Sequence[Any]
) -> tuple[dict[str, Sequence[str]], dict[str, tuple[str, Sequence[object]]]]:
    """Name everything along every dimension, and the coordinates beside them."""
    causes: Iterator[str] = (cause for row in rows for cause in row.causes())
    labels: dict[str, Sequence[str]] = {
        "line": [row.name for row in rows],
        "cause": list(dict.fromkeys(causes)),
        "scheme": [scheme.name for scheme in plan.savings],
        "source": [name for source in plan.sources() for name in source.income_names()],
        "one_off_source": [source.name for source in plan.one_offs],
        "fund": [fund.name for fund in plan.reserves.funds],
        "balance": [item.name for item in plan.memorandum],
        "care_line": [line.name for line in plan.lines if line.kind in {"care", "temporary_accommodation"}],
        "driver": [driver.name for driver in plan.drivers],
        "contingency": [line.name for line in plan.lines if line.kind == "contingency"],
        "invested": [fund for line in plan.lines if isinstance(line, BalancesLine) for fund in line.funds],
    }
    aside: dict[str, tuple[str, Sequence[object]]] = {
        "service": ("line", [row.service for row in rows]),
        "kind": ("line", [row.kind for row in rows]),
        "general": ("fund", [fund.general for fund in plan.reserves.funds]),
        "usable": ("fund", [fund.absorbs for fund in plan.reserves.funds]),
    }
    return labels, aside


