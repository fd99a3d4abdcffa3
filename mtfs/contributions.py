"""What everything adds to the gap since the base year, by component: the steps of the bridge.

A step is one component of one line, source of funding, saving or one-off source. Steps add up to
the gap less the base budget (base requirement less base funding), in every draw and year.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mtfs.lines.anatomy import GRANTS, RESERVES
from mtfs.vocabulary import Array

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mtfs.lines import AnySource, Scheme
    from mtfs.paths import Paths
    from mtfs.plan import Plan
    from mtfs.reserves import OneOff

ItemKind = Literal["line", "funding", "saving", "one-off"]
FUNDING = "funding"
ONE_OFFS = "one-off sources"
GRANT_ROW = "grant"
"""kind of a grant that nets off the requirement, which reads what funding reads"""


@dataclass(frozen=True)
class Step:
    """One component of one item, in one service."""

    item: str
    item_kind: ItemKind
    service: str
    component: str
    share: float = 1.0
    """the service's share, of a scheme that several services count"""


@dataclass(frozen=True)
class Contributions:
    """The steps of a plan's bridge, ready to be written for any block."""

    rows: Sequence[Any]
    sources: Sequence[AnySource]
    schemes: Sequence[Scheme]
    one_offs: Sequence[OneOff]
    used_in_base: Mapping[str, float]
    """what ring-fenced grants net off in the base year, by line; all lines that have one"""
    tied: frozenset[str]
    """lines with a fund of their own"""
    base_budget: float
    """GBP: requirement less funding in the base year"""
    steps: tuple[Step, ...]

    @classmethod
    def from_plan(cls, plan: Plan, rows: Sequence[Any], planned: Paths) -> Contributions:
        """Find the steps of a plan, and what its base budget lacks."""
        own = {row.name: row.anatomy(planned) for row in rows}
        bases = {row.name: float(own[row.name].base[0]) * row.share for row in rows}
        used: dict[str, float] = {}
        for grant in plan.ring_fenced_grants():
            line = str(grant.ring_fenced_to)
            given = float(grant.anatomies(planned)[0].base[0])
            left = max(bases[line] - used.get(line, 0.0), 0.0)
            used[line] = used.get(line, 0.0) + min(given, left)
        tied = frozenset(fund.tied_to for fund in plan.reserves.funds if fund.tied_to is not None)
        sources, schemes = plan.sources(), plan.schemes()
        raised = [made for source in sources for made in source.anatomies(planned)]
        steps: list[Step] = []
        for row in rows:
            found = list(own[row.name].components)
            found += [GRANTS] * (row.name in used) + [RESERVES] * (row.name in tied)
            steps += [Step(row.name, "line", row.service, name) for name in dict.fromkeys(found)]
        names = [name for source in sources for name in source.income_names()]
        for name, made in zip(names, raised, strict=True):
            steps += [Step(name, "funding", FUNDING, part) for part in made.components]
        for scheme in schemes:
            steps += [
                Step(scheme.name, "saving", service, component, share)
                for component in ("savings", "savings late", "savings lost")
                for service, share in scheme.terms.split
            ]
        steps += [Step(each.name, "one-off", ONE_OFFS, ONE_OFFS) for each in plan.one_offs]
        requirement = sum(bases.values()) - sum(used.values())
        return cls(
            rows,
            sources,
            schemes,
            plan.one_offs,
            used,
            tied,
            requirement - sum(float(made.base[0]) for made in raised),
            tuple(steps),
        )

    def labels(self) -> list[str]:
        """Name every step, each differently."""
        found: list[str] = []
        for step in self.steps:
            label = f"{step.item}: {step.component}"
            if step.share != 1:
                label += f" ({step.service})"
            found.append(f"{label} [{step.item_kind}]" if label in found else label)
        return found

    def write(
        self,
        paths: Paths,
        costs: tuple[Sequence[Array], ...],
        result: Mapping[str, Array],
        *,
        sources: Paths,
    ) -> None:
        """Write every step but one-offs into ``result["contribution"]``, as levels.

        Parameters
        ----------
        paths
            The block's paths.
        costs
            Every row's cost: gross, then less ring-fenced grants, then less tied funds as well.
        result
            Arrays by variable, shape (item, year, draw); savings are there already.
        sources
            The paths that funding reads, and grants that net off the requirement.
        """
        levels = chain(
            self._of_lines(paths, costs, sources),
            self._of_funding(sources),
            self._of_savings(result),
        )
        for place, level in enumerate(levels):
            result["contribution"][place] = level

    def write_one_offs(self, result: Mapping[str, Array]) -> None:
        """Write the steps of one-off sources, which are known once the years have run."""
        if self.one_offs:
            np.negative(result["one_off"], out=result["contribution"][-len(self.one_offs) :])

    def _of_lines(
        self, paths: Paths, costs: tuple[Sequence[Array], ...], sources: Paths
    ) -> Iterator[Array]:
        """Give the level of every step of lines, shape (year, draw) or (year, 1), in order."""
        for row, gross, less_grants, net in zip(self.rows, *costs, strict=True):
            read = sources if row.kind == GRANT_ROW else paths
            levels: dict[str, Array] = row.anatomy(read).levels()
            if row.share != 1:
                levels = {name: level * row.share for name, level in levels.items()}
            if row.name in self.used_in_base:
                netted = less_grants - gross + self.used_in_base[row.name]
                levels[GRANTS] = levels.get(GRANTS, 0.0) + netted
            if row.name in self.tied:
                levels[RESERVES] = levels.get(RESERVES, 0.0) + (net - less_grants)
            yield from levels.values()

    def _of_funding(self, paths: Paths) -> Iterator[Array]:
        for source in self.sources:
            for made in source.anatomies(paths):
                for level in made.levels().values():
                    yield -level

    def _of_savings(self, result: Mapping[str, Array]) -> Iterator[Array]:
        for place, scheme in enumerate(self.schemes):
            outcome = (result[f"saving_{what}"][place] for what in ("delivered", "late", "lost"))
            for level in scheme.anatomy(*outcome).levels().values():
                for _, share in scheme.terms.split:
                    yield -level if share == 1 else -share * level
