"""From a plan to the distribution of its gap: ``project_gap(plan)``, and ``project(plan, scores)``.

Random first, then arithmetic: scores are filled block by block, turned into paths, into pounds and
into the gap, then the years run once, in order, for closure and reserves. Blocks are independent,
so threads share them out; results do not depend on how.
"""

from __future__ import annotations

import itertools
import os
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import xarray as xr

from mtfs.engine import Engine, Store, engine_of, fill
from mtfs.plan import Plan, digest_of
from mtfs.sampling import GivenScores, RandomScores, Scores, draw_scores, fresh_seed, require_seed
from mtfs.schema import (
    VARIABLES,
    Keep,
    allocate,
    assemble,
    kept,
    require_axes,
    require_projection,
)
from mtfs.vocabulary import BLOCK, VERSION, Array, MtfsError, PlanWarning, require_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Progress = Callable[[int, int], object]
N_DRAWS = 10_000  # unless said otherwise: the standard error of P90 is then about 0.02 of the s.d.
ROOM = 3_000_000  # numbers (24 MB), within the 32 MB up to which glibc follows
MOST_BLOCKS = (
    8  # a thread takes so many at a time: longer arrays wait less for the interpreter's lock
)
_WASTE = 1.25  # times the draws wanted: more memory is given back
_SPARE = 0.9  # of the machine's memory: the rest is for the work on blocks and everybody else


def project_gap(
    plan: Plan | Mapping[str, Any],
    *,
    n_draws: int = N_DRAWS,
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
        ``"all"`` variables; ``"totals"``: gaps, requirement, funding, shortfall, reserves; or
        ``"components"``: all, the growth of every line by its parts, and what everything adds to
        the gap, for :func:`mtfs.bridge`.
    n_threads
        Threads to use, by default one a core. The result does not depend on it.
    progress
        Called with (parts done, parts in all) after each part, from the thread that did it.

    Returns
    -------
    xarray.Dataset
        Dimensions ``(draw, year)``, with an item dimension before them for lines, schemes, funds
        and so on; GBP. Variables named ``planned_`` hold the council's own table and have no draws.

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
    if str(sampler) != "random":
        msg = f"sampler is {sampler!r}; expected 'random'"
        raise MtfsError(msg)
    seed = fresh_seed() if seed is None else require_seed(seed)
    scores = RandomScores(seed, int(n_draws))
    said: dict[str, str | int | float] = {"seed": seed, "sampler": sampler}
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
    return draw_scores(
        plan.shocks(),
        RandomScores(require_seed(seed), require_count(n_draws, "n_draws")),
        plan.horizon,
    )


def plan_meant(plan: Plan | Mapping[str, Any] | xr.Dataset) -> Plan:
    """Give the plan that is meant: one given, or that of a projection, which is checked already."""
    if isinstance(plan, xr.Dataset):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PlanWarning)
            return Plan.model_validate_json(require_projection(plan).attrs["plan"])
    return plan if isinstance(plan, Plan) else Plan.model_validate(plan)


def draws_meant(
    plan: Plan | Mapping[str, Any] | xr.Dataset, n_draws: int | None, seed: int | None
) -> tuple[int, int]:
    """Give how many draws of which seed are meant: a projection has its own.

    Raises
    ------
    MtfsError
        When a projection was made from given scores, or draws are given beside a projection.
    """
    if isinstance(plan, xr.Dataset):
        attrs = require_projection(plan).attrs
        if "seed" not in attrs:
            msg = (
                "the projection was made from given scores, which it does not hold: give its plan, "
                "with n_draws and seed"
            )
            raise MtfsError(msg)
        if n_draws is not None or seed is not None:
            msg = (
                "a projection is run again on its own draws; leave 'n_draws' and 'seed' out, or "
                "give its plan"
            )
            raise MtfsError(msg)
        return int(attrs["n_draws"]), int(attrs["seed"])
    draws = N_DRAWS if n_draws is None else require_count(n_draws, "n_draws")
    return draws, fresh_seed() if seed is None else require_seed(seed)


def draws_held(
    plan: Plan | Mapping[str, Any] | xr.Dataset,
) -> dict[str, NDArray[Any]]:
    """Give the labels of the draws and years that a projection, or a part of one, holds.

    For ``ds.sel(...)`` of what was made of all its draws; of a plan nothing is selected.

    Raises
    ------
    MtfsError
        When the projection has lost its draws or years.
    """
    if not isinstance(plan, xr.Dataset):
        return {}
    ds = require_axes(require_projection(plan))
    return {dim: ds[dim].to_numpy() for dim in ("draw", "year")}


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
    if keep not in (ways := get_args(Keep)):
        msg = f"keep is {keep!r}; expected {', '.join(map(repr, ways))}"
        raise MtfsError(msg)
    engine = engine_of(plan)
    n_draws, horizon = scores.n_draws, plan.horizon
    n_blocks = -(-n_draws // BLOCK)
    labels, aside = engine.names(keep)
    _require_memory(labels, horizon, n_blocks * BLOCK, keep)
    store = Store(allocate(labels, horizon, n_blocks * BLOCK, keep))
    workers = os.cpu_count() or 1 if n_threads is None else require_count(n_threads, "n_threads")
    workers = min(n_blocks, workers)
    # Freed at once: glibc then keeps freed memory of this size for the work on blocks.
    np.empty(ROOM)
    run = _run_few if n_blocks <= MOST_BLOCKS else _run_many
    run(engine, scores, store, n_blocks=n_blocks, workers=workers, progress=progress)
    attrs = {
        "title": f"{plan.council}: distribution of the budget gap",
        "council": plan.council,
        "price_base": plan.price_base,
        **said,
        "n_draws": n_draws,
        "plan": engine.written,
        "plan_digest": digest_of(engine.written),
        "closure": plan.reserves.closure.policy,
        "mtfs_version": VERSION,
        "numpy_version": np.__version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": time.perf_counter() - began,
    }
    planned = {
        name: array.copy()  # the engine is kept for the plan's next run
        for name, array in engine.planned_store.arrays.items()
        if VARIABLES[name].planned and VARIABLES[name].kept(keep)
    }
    if keep == "components":
        planned["contribution"] = engine.planned_contribution.copy()
    return assemble(
        _cut(store.arrays, n_draws),
        planned,
        engine.minimum.copy(),
        None if keep == "totals" or not engine.rows else np.array(engine.bases),
        base_budget=engine.contributions.base_budget if keep == "components" else None,
        labels=labels,
        aside=aside,
        years=plan.years,
        attrs=attrs,
    )


def _run_few(
    engine: Engine,
    scores: Scores,
    store: Store,
    *,
    n_blocks: int,
    workers: int,
    progress: Progress | None,
) -> None:
    """Run few blocks: threads share out the scores, then one does the sums.

    Filling a score lets go of the interpreter's lock for long; short sums on two threads would
    spend more on handing it over than they gain.
    """
    blocks = range(n_blocks)
    bench = engine.bench(n_blocks, store)
    fills = iter(list(engine.fills(blocks, bench, store)))  # whose next() is atomic

    def work() -> None:
        fill(fills, scores, engine.calendar.horizon)

    _on_threads(work, workers)
    engine.run_blocks(blocks, bench, store)
    if progress is not None:
        progress(1, 1)


def _run_many(
    engine: Engine,
    scores: Scores,
    store: Store,
    *,
    n_blocks: int,
    workers: int,
    progress: Progress | None,
) -> None:
    """Run many blocks: each thread takes parts of several blocks, from scores to pounds."""
    parts = shared_out(n_blocks, workers)
    todo, done = iter(parts), itertools.count(1)

    def work() -> None:
        bench = engine.bench(max(map(len, parts)), store)
        for part in todo:  # next() of a list iterator is atomic: each part goes to one thread
            fill(engine.fills(part, bench, store), scores, engine.calendar.horizon)
            engine.run_blocks(part, bench, store)
            if progress is not None:
                progress(next(done), len(parts))

    _on_threads(work, workers)


def _on_threads(work: Callable[[], None], workers: int) -> None:
    """Do some work on this thread and others, and wait for all."""
    with ThreadPoolExecutor(workers) as pool:
        others = [pool.submit(work) for _ in range(workers - 1)]
        work()
        for other in others:
            other.result()


def _cut(arrays: Mapping[str, Array], n_draws: int) -> dict[str, Array]:
    """Cut arrays of whole blocks to the draws there are, and leave no large remainder in memory."""
    cut = {name: array[..., :n_draws] for name, array in arrays.items()}
    wasteful = arrays["gap"].shape[-1] > _WASTE * n_draws
    return {name: array.copy() for name, array in cut.items()} if wasteful else cut


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
        1 if (item := VARIABLES[name].item) is None else len(labels[item])
        for name in kept(labels, keep)
    )
    needed = 8 * rows * horizon * n_draws
    pages = {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= getattr(os, "sysconf_names", {}).keys()
    held = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if pages else 2**63
    if needed > _SPARE * held:
        msg = (
            f"n_draws is {n_draws}: the result would need {needed / 1e9:,.0f} GB of memory and the "
            f"machine has {held / 1e9:,.0f} GB; use fewer draws"
            + ("" if keep == "totals" else ", or keep='totals'")
        )
        raise MtfsError(msg)
