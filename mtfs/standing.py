"""What drivers stand at while they do not move: at the council's own plan, or at the base year.

Against the plan a driver stands at its planned path. Against the base budget it stands where it
changes nothing, which depends on how it is used: 0 as a growth, a sum of money or an effect; 1 as a
multiple; and as a share, a rate or a sum that stood in the base year already its first planned
value, since that is where the plan says what the base year held.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from mtfs.checks import assumption_fields
from mtfs.lines.base import Amounts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from mtfs.assumptions import Declared
    from mtfs.plan import Plan
    from mtfs.rerun import Rerun
    from mtfs.vocabulary import Array

Start = Literal["base", "plan"]
Unmoved = Literal["none", "once", "first"]
"""where a driver stands: 0, 1, or its first planned value in all years"""

# Fields that hold in the base year too, for which a plan states no other figure than its years'.
_FIRST = frozenset(
    """
    agency agency_premium amount base_national_insurance base_pension base_threshold cash
    client_income collection financed interest joint_funding levy mrp national_insurance pension
    people_by_year rate safety_net section_31 threshold turnover vacancies weekly_income
    """.split()  # noqa: SIM905 - a column of words reads better
)
_ORDER: tuple[Unmoved, ...] = ("none", "once", "first")


def unmoved(plan: Plan) -> dict[str, Unmoved]:
    """Say where each driver that something reads stands while it does not move from the base year.

    One that is read in several ways stands at its first planned value if any of them asks for that,
    else at 1 if any does: a collection rate of 0 would be no standstill.

    Examples
    --------
    >>> from mtfs import Plan
    >>> cpi = {"name": "cpi", "central": 0.02}
    >>> line = {"kind": "contract", "name": "waste", "base": 1e6, "growth": "cpi"}
    >>> unmoved(Plan(council="A", first_year="2026/27", drivers=[cpi], lines=[line]))
    {'cpi': 'none'}
    """
    drivers = {driver.name for driver in plan.drivers}
    found: dict[str, Unmoved] = {}
    for part, name, value in _assumptions(plan):
        if isinstance(value, str) and value in drivers:
            stands = _stands(part, name)
            found[value] = max(found.get(value, stands), stands, key=_ORDER.index)
    return found


def _assumptions(plan: Plan) -> Iterator[tuple[Declared, str, object]]:
    parts: tuple[Declared, ...] = (
        *plan.lines,
        *plan.savings,
        *plan.savings_targets,
        *plan.funding,
        *plan.one_offs,
        *plan.reserves.funds,
        *plan.memorandum,
    )
    for part in parts:
        for where, value in assumption_fields(part):
            yield part, str(where[-1]), value


def _stands(part: Declared, name: str) -> Unmoved:
    if name == "phase_in" or (name == "multiplier" and isinstance(part, Amounts)):
        return "once"
    return "first" if name in _FIRST else "none"


@dataclass(frozen=True)
class _Rest:
    """What is each driver's own while it does not move, and its known past as mixes read it."""

    own: Mapping[str, Array]
    past: Mapping[str, float] = field(default_factory=dict)


class Movement:
    """The paths of a plan's drivers when some of them move and the others stand.

    Parameters
    ----------
    again
        The plan's draws, taken apart.
    start
        What they move from: the base year, or the council's own plan.
    """

    def __init__(self, again: Rerun, start: Start) -> None:
        self._again = again
        planned, years = again.planned_own, again.plan.horizon
        if start == "plan":
            self._rests = {name: _Rest(planned) for name in planned}
            self._ones: frozenset[str] = frozenset()
            return
        first = {name: np.full((years, 1), row[0, 0]) for name, row in planned.items()}
        whole = again.rows(planned)
        nothing = _Rest(dict.fromkeys(planned, np.zeros((years, 1))), dict.fromkeys(planned, 0.0))
        steady = _Rest(first, {name: float(row[0, 0]) for name, row in whole.items()})
        kinds = unmoved(again.plan)
        mixes = {driver.name for driver in again.plan.drivers if driver.mix}
        self._rests = {
            name: nothing if kinds.get(name, "none") == "none" else steady for name in planned
        }
        self._ones = frozenset(n for n, kind in kinds.items() if kind == "once") - mixes

    def players(self) -> list[str]:
        """List the drivers that move by themselves, in declared order.

        A mix is unfolded into its parts. It is a player of its own where it has something of its
        own: a constant, noise, events, a planned path, or a known past that another mix reads.
        """
        drivers = self._again.plan.drivers
        read_late = {part.driver for driver in drivers for part in driver.mix if part.lag}
        return [
            d.name
            for d in drivers
            if not d.mix
            or d.name in read_late
            or self._again.own[d.name].any()
            or self._again.planned_own[d.name].any()
        ]

    def rows(self, moved: Collection[str], own: Mapping[str, Array]) -> dict[str, Array]:
        """Give every driver's path when some have moved to what is their ``own``.

        Returns
        -------
        dict
            Shape (year, draw) or (year, 1).
        """
        found: dict[str, Array] = {}
        for rest in {id(rest): rest for rest in self._rests.values()}.values():
            mixed = self._again.rows(
                {name: own[name] if name in moved else row for name, row in rest.own.items()},
                {name: value for name, value in rest.past.items() if name not in moved},
            )
            found |= {name: row for name, row in mixed.items() if self._rests[name] is rest}
        for name in self._ones.difference(moved):
            found[name] = np.ones_like(found[name])
        return found
