"""What in a plan is uncertain by itself: its factors, what ties them, and where scores stand.

A factor is one root of uncertainty: a driver with its events, the chance in a line or a grant, the
delivery of a scheme. A driver that is a mix is a factor only where it has noise of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mtfs.dependence import dependence
from mtfs.lines.savings import COMMON, Delivery
from mtfs.projection import project
from mtfs.reserves import CLOSURE
from mtfs.sampling import draw_scores
from mtfs.vocabulary import Array, MtfsError, listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import xarray as xr

    from mtfs.plan import Plan
    from mtfs.sampling import Scores, ShockSpec

Kind = Literal["driver", "flow", "line", "saving", "grant", "closure", "memorandum"]
COMMON_NAME = "savings: common factor"
# What reserves can still pay depends on what they met before.
_RESERVES = {"gap_after_one_offs", "shortfall", "unfunded"}
_BEFORE_SAVINGS = {"gap_before_savings", "funding"}


@dataclass(frozen=True)
class Factor:
    """One root of uncertainty and its streams of scores."""

    name: str
    kind: Kind
    shocks: tuple[str, ...]


@dataclass(frozen=True)
class Correlated:
    """Factors tied by correlation, and the triangular factors of their shocks, (year, n, n)."""

    names: tuple[str, ...]
    factors: Array

    def correlation(self, one: int, other: int) -> float:
        """Give the stated correlation of two of them."""
        return float(self.factors[0, one] @ self.factors[0, other])


def factors_of(plan: Plan) -> list[Factor]:
    """List what in a plan is uncertain by itself.

    Returns
    -------
    list
        In the order of :meth:`mtfs.Plan.shocks`, whose every stream belongs to one factor. Drivers
        bear their own name; of others it says what is uncertain: ``"home care: chance"``.

    Raises
    ------
    MtfsError
        When two factors would bear one name.
    """
    own: list[tuple[str, Kind, Iterable[ShockSpec]]] = [
        *((each.name, "driver", each.shocks()) for each in plan.drivers),
        *((f"{each.name}: people", "flow", each.shocks()) for each in plan.people_sources()),
        *((f"{each.name}: chance", "line", each.shocks()) for each in plan.lines),
        *((f"{each.name}: delivery", "saving", each.terms.shocks()) for each in plan.schemes()),
        *((f"{each.name}: continuing", "grant", each.shocks()) for each in plan.funding),
        *((f"{each.name}: override", "memorandum", each.shocks()) for each in plan.memorandum),
        (f"{CLOSURE}: delivery", "closure", plan.reserves.closure.shocks()),
    ]
    found = [
        Factor(name, kind, shocks)
        for name, kind, specs in own
        if (shocks := tuple(spec.name for spec in specs))
    ]
    if COMMON in {spec.name for spec in plan.shocks()}:
        found.append(Factor(COMMON_NAME, "saving", (COMMON,)))
    names = [factor.name for factor in found]
    if twice := {name for name in names if names.count(name) > 1}:
        msg = f"{listing(twice)}: two things that are uncertain bear one name; rename one of them"
        raise MtfsError(msg)
    return found


def that_move(plan: Plan, factors: Iterable[Factor], variable: str) -> list[Factor]:
    """List the factors that may move a variable: closure moves reserves and what they can pay.

    The delivery of savings does not move the gap before them, nor their common factor a plan
    without a scheme whose delivery is uncertain.
    """
    closes = variable in _RESERVES
    saves = variable not in _BEFORE_SAVINGS
    delivers = any(isinstance(each.terms.outcome, Delivery) for each in plan.schemes())
    return [
        factor
        for factor in factors
        if (closes or factor.kind != "closure")
        and (saves or factor.kind != "saving")
        and (closes or delivers or factor.name != COMMON_NAME)
    ]


def correlated(plan: Plan) -> list[Correlated]:
    """List the groups of a plan's drivers that are tied by correlation."""
    return [
        Correlated(group.names, group.factors)
        for group in dependence(plan.drivers, plan.correlations, plan.years)
    ]


class Layout:
    """Where each factor's scores stand in one array of rows, and whose they are.

    Parameters
    ----------
    plan
        The plan.
    factors
        Those of :func:`factors_of` that are wanted; scores of the others are 0 in every draw.
    """

    def __init__(self, plan: Plan, factors: Sequence[Factor]) -> None:
        self.plan = plan
        self.factors = factors
        of = {shock: number for number, factor in enumerate(factors) for shock in factor.shocks}
        self._specs = [spec for spec in plan.shocks() if spec.name in of]
        self._places: dict[str, slice] = {}
        factor_of_row: list[int] = []
        once: list[bool] = []
        for spec in self._specs:
            rows = 1 if spec.once else plan.horizon
            self._places[spec.name] = slice(len(once), len(once) + rows)
            factor_of_row += [of[spec.name]] * rows
            once += [spec.once] * rows
        self.factor_of_row = np.array(factor_of_row, dtype=np.intp)
        self.once = np.array(once, dtype=bool)

    def rows(self, scores: Scores) -> Array:
        """Collect scores, shape (row, draw)."""
        drawn = draw_scores(self._specs, scores, self.plan.horizon)
        return np.concatenate([np.atleast_2d(each) for each in drawn.values()])

    def project(self, rows: Array, keep: Literal["totals", "components"] = "totals") -> xr.Dataset:
        """Project the plan on scores of shape (row, draw)."""
        none = np.zeros((self.plan.horizon, rows.shape[1]))
        scores = {spec.name: none[0] if spec.once else none for spec in self.plan.shocks()}
        for spec in self._specs:
            here = rows[self._places[spec.name]]
            scores[spec.name] = here[0] if spec.once else here
        return project(self.plan, scores, keep=keep)

    def rows_of(self, names: Iterable[str], year: int) -> np.ndarray:
        """Give the rows of some drivers' own scores in one year."""
        shock = {driver.name: driver.shock_name for driver in self.plan.drivers}
        return np.array([self._places[shock[name]].start + year for name in names], dtype=np.intp)
