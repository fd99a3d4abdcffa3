"""A plan's draws run again with some drivers' paths, or chance, changed: behind every what-if.

Every run of one :class:`Rerun` is made of the same scores, so that two runs differ by what was
changed and by nothing else.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from mtfs.engine import Store, engine_of
from mtfs.paths import Paths, mixed_row, mixed_rows
from mtfs.reserves import planned_openings
from mtfs.sampling import draw_scores
from mtfs.schema import allocate

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mtfs.plan import Plan
    from mtfs.sampling import Scores
    from mtfs.schema import Keep
    from mtfs.vocabulary import Array

Chance = Literal["people", "costs", "savings", "funding"]
CHANCE: tuple[Chance, ...] = ("people", "costs", "savings", "funding")
"""what happens by chance beside drivers: the people of flows and cohorts; individual costs, risks,
slipping capital and what of contingency is spent; how savings arrive; grants that go on and what
the collection fund brings"""


class Rerun:
    """A plan's draws, taken apart: what is each driver's own, and all other scores.

    Parameters
    ----------
    plan
        The plan.
    scores
        What fills its shocks, such as ``RandomScores(seed, n_draws)``: with those of a projection
        every run is of its draws.
    """

    def __init__(self, plan: Plan, scores: Scores) -> None:
        self.plan = plan
        self.n_draws = scores.n_draws
        self._engine = engine = engine_of(plan)
        drawn = draw_scores(plan.shocks(), scores, plan.horizon)
        paths = np.zeros((len(plan.drivers), plan.horizon, self.n_draws))
        for stream in engine.stage.streams:
            paths[stream.slot] = drawn[stream.spec.name]
        self._scores = drawn
        self.own: Mapping[str, Array] = engine.stage.own_rows(paths, drawn)
        """what is each driver's own in every draw, events included, a mix without its parts:
        shape (year, draw), or (year, 1) where it is certain"""

    @cached_property
    def planned_own(self) -> dict[str, Array]:
        """What is each driver's own in the council's own table, shape (year, 1)."""
        planned = self._engine.stage.planned
        found = {}
        for driver in self.plan.drivers:
            own = driver.planned_values(self.plan.years)[:, None]
            if driver.mix and driver.planned is not None:  # the whole path is planned, parts too
                nothing = np.zeros_like(own)
                own = own - mixed_row(driver, self.plan.drivers, planned, nothing)
            found[driver.name] = own
        return found

    def rows(
        self, own: Mapping[str, Array], past: Mapping[str, float] | None = None
    ) -> dict[str, Array]:
        """Give every driver's path from what is each one's own (see :func:`mixed_rows`)."""
        return mixed_rows(self.plan.drivers, own, past)

    def run(
        self,
        rows: Mapping[str, Array],
        *,
        planned: Mapping[str, Array] | None = None,
        chance: Collection[Chance] = CHANCE,
        keep: Keep = "totals",
    ) -> dict[str, Array]:
        """Run the draws with given paths of drivers.

        Parameters
        ----------
        rows
            Every driver's path, shape (year, draw) or (year, 1).
        planned
            Every driver's planned path, shape (year, 1), by which budgets were set that draws are
            held against, such as the collection fund's; the plan's own unless given.
        chance
            What goes by chance; the rest is as in the council's own table.
        keep
            The variables wanted, as for :func:`mtfs.project_gap`.

        Returns
        -------
        dict
            By variable, shape (item, year, draw) or (year, draw), GBP.
        """
        engine = self._engine
        labels, _ = engine.names(keep)
        store = Store(allocate(labels, self.plan.horizon, self.n_draws, keep))
        budgets = engine.planned_paths
        if planned is not None and not same_rows(planned, engine.stage.planned):
            budgets = self._planned_paths(planned, engine.balances)
        drawn, as_planned = (
            self._paths(rows, budgets, by_chance=by_chance, people_by_chance="people" in chance)
            for by_chance in (True, False)
        )
        costs, savings, sources = (
            drawn if each in chance else as_planned for each in CHANCE if each != "people"
        )
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            engine.evaluate(costs, store, savings=savings, sources=sources)
        engine.require_numbers(costs, store)
        return dict(store.arrays)

    def _paths(
        self, rows: Mapping[str, Array], budgets: Paths, *, by_chance: bool, people_by_chance: bool
    ) -> Paths:
        engine = self._engine
        return Paths(
            engine.calendar,
            rows,
            self._scores,
            engine.fixed,
            balances=engine.balances,
            people_changes=engine.people_changes,
            sources=engine.sources,
            planned_paths=budgets,
            by_chance=by_chance,
            people_by_chance=people_by_chance,
        )

    def _planned_paths(self, rows: Mapping[str, Array], balances: Mapping[str, Array]) -> Paths:
        engine = self._engine
        return Paths(
            engine.calendar,
            rows,
            {},
            {},
            balances=balances,
            people_changes=engine.people_changes,
            sources=engine.sources,
        )

    def planned(self, rows: Mapping[str, Array], *, keep: Keep = "totals") -> dict[str, Array]:
        """Work out the council's own table with given paths of drivers, shape (year, 1) each.

        Returns
        -------
        dict
            By variable, shape (item, year, 1) or (year, 1), GBP.
        """
        engine, plan = self._engine, self.plan
        store = Store(allocate(engine.names(keep)[0], plan.horizon, 1, keep))
        balances: dict[str, Array] = {}
        paths = self._planned_paths(rows, balances)
        balances.update(planned_openings(plan.reserves, plan.one_offs, paths, engine.calendar))
        engine.evaluate(paths, store)
        engine.require_numbers(paths, store)
        return dict(store.arrays)


def same_rows(rows: Mapping[str, Array], others: Mapping[str, Array]) -> bool:
    """Whether two runs would have the same paths of drivers, so that one will do for both."""
    return all(
        row is others[name] or np.array_equal(row, others[name]) for name, row in rows.items()
    )
