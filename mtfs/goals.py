"""What it would take: the value of a lever at which a target is met, and two levers' frontier."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from mtfs.levers import How, Lever, LeverOf
from mtfs.plan import Plan
from mtfs.projection import draws_meant, plan_meant
from mtfs.seeking import Answer, Search, Shape
from mtfs.targets import Chance, Target, parse_target
from mtfs.vocabulary import MtfsError, PlanWarning, require_count

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Of the width of the bounds; 10,000 draws place a council tax rise within about a hundredth of it.
TOLERANCE = 1e-4
N_GRID = 17  # steps of a sixteenth: a shorter stretch that meets the target may be passed over
_GAPS = {"gap_before_savings", "gap", "annual_gap", "requirement", "funding"}


@dataclass(frozen=True, eq=False, repr=False)
class GoalSeek:
    """The value of a lever at which a target is met, how sure that is, and the plan it makes."""

    council: str
    lever: Lever
    target: Target
    value: float
    """the value that meets the target nearest to the plan's own; where none does, the one that
    comes nearest to meeting it"""
    value_low: float
    """``value`` with other draws: solved again at the target moved by one standard error, either
    way; nan where nothing in the same stretch of values meets the stricter one, or the target"""
    value_high: float
    met: bool
    achieved: float
    """what the target is about, at ``value``: a share for a chance, else GBP"""
    achieved_se: float
    current: float
    """the lever's value in the plan; the average, where ``set`` moves values that differ"""
    uniform: bool
    """whether the plan as it is is the plan at ``current``"""
    before: float
    """what the target is about, in the plan as it is"""
    before_se: float
    before_met: bool
    intervals: tuple[tuple[float, float], ...]
    """all values within the bounds that meet the target, to the tolerance"""
    shape: Shape
    """how the statistic moves as the lever goes up"""
    curve: pd.DataFrame
    """every value tried: ``value``, ``statistic``, ``se``, ``meets``, ``refused`` (why the plan
    cannot hold it, or nothing)"""
    notes: tuple[str, ...]
    """what is implausible in the plan found and was not in the plan given, such as a council tax
    rise above the referendum limit"""
    plan: Plan
    """the plan with the lever at ``value``"""
    n_draws: int
    seed: int

    @property
    def monotone(self) -> bool:
        """Whether the statistic only rises, or only falls, as the lever goes up."""
        return self.shape != "neither"

    def __str__(self) -> str:
        low, high = self.lever.bounds
        own = _number(self.current) + ("" if self.uniform else " on average")
        said = [
            f"{self.council}: {self.lever.name} ({self.lever.how})",
            f"Target: {self.target} ({self.n_draws:,} draws, seed {self.seed})",
            f"As it is, {own}: {self._shown(self.before, self.before_se)}"
            + ("; it meets the target." if self.before_met else "."),
        ]
        reached = f"{_number(self.value)}: {self._shown(self.achieved, self.achieved_se)}"
        if self.met:
            stretches = _stretches(self.intervals, self.lever.bounds)
            met = (
                f"Of {_number(low)} to {_number(high)} the target is met {stretches}; as the lever "
            )
            met += f"goes up the statistic {_SHAPES[self.shape]}."
            said += [f"Answer: {reached}.", f"With other draws: {self._spread()}.", met]
        else:
            short = self.target.difference(-self.target.headroom(self.achieved))
            missed = f"No value tried from {_number(low)} to {_number(high)} meets it. Nearest: "
            said.append(f"{missed}{reached}, short of the target by {short}.")
        refused = self.curve[self.curve["refused"].notna()]
        if len(refused):
            least, most = refused["value"].min(), refused["value"].max()
            said.append(
                f"The plan cannot hold {len(refused)} of the values tried, {_number(least)} to "
                f"{_number(most)}: {refused['refused'].iloc[0]}"
            )
        return "\n".join([*said, *(f"Note: {note}" for note in self.notes)])

    __repr__ = __str__

    def _shown(self, value: float, error: float) -> str:
        error_shown = "not known" if math.isnan(error) else self.target.difference(error)
        return f"{self.target.shown(value)} (standard error {error_shown})"

    def _spread(self) -> str:
        low, high = self.value_low, self.value_high
        known = [end for end in (low, high) if not math.isnan(end)]
        if not known:
            return "not known from these draws"
        if len(known) == 1:
            one = f"{_number(known[0])} at one standard error one way"
            return f"{one}; the other way no value of this stretch meets it"
        return f"{_number(low)} to {_number(high)} (one standard error either way)"


_SHAPES = {
    "rises": "rises",
    "falls": "falls",
    "flat": "does not move",
    "neither": "both rises and falls",
}


def goal_seek(
    plan: Plan | Mapping[str, Any] | xr.Dataset,
    *,
    lever: str | Lever,
    target: str | Target,
    bounds: tuple[float, float] | None = None,
    years: Sequence[str] | None = None,
    how: How | None = None,
    n_draws: int | None = None,
    seed: int | None = None,
    tolerance: float | None = None,
    n_grid: int = N_GRID,
) -> GoalSeek:
    """Find the value of one lever at which a target is met.

    Every value is tried on the same draws. The bounds are scanned on a grid; where neighbours
    differ in meeting the target, the value between them at which it is just met is found by
    Brent's method (Brent 1973, Algorithms for Minimization without Derivatives, chapter 4). Of all
    values that meet it the answer is the one nearest to the plan's own.

    Parameters
    ----------
    plan
        A plan, a mapping with a plan's keys, or a projection: then its plan, draws and seed.
    lever
        A dotted path as for :meth:`mtfs.Plan.with_changes`, to a number or to one number a year,
        such as ``"funding.council tax.core_increase"``; or a :class:`Lever`, which bears its own
        bounds, years and way.
    target
        Such as ``"P(gap 2028/29 <= 0) >= 0.8"``; see :func:`mtfs.parse_target`.
    bounds
        Least and greatest value of the lever, both tried. For ``add`` and ``scale`` they are bounds
        of what is added, or multiplied by.
    years
        The years whose values the lever moves; all of them unless given.
    how
        ``"set"`` (default) puts the value into the plan, ``"add"`` adds it to what is there,
        ``"scale"`` multiplies what is there by it.
    n_draws, seed
        As for :func:`mtfs.project_gap`; 10,000 draws unless given.
    tolerance
        How near the answer is to where the target is just met, in units of the lever: a
        ten-thousandth of the width of the bounds unless given.
    n_grid
        Values of the first scan, at least 2. What meets the target between two neighbours that do
        not is found only where it shows as a peak.

    Returns
    -------
    GoalSeek
        The value, its Monte Carlo error, all values that meet the target, and the changed plan.
        ``met`` is false where no value tried meets it.

    Raises
    ------
    MtfsError
        When the lever does not exist, is no number, or does not move the target; when the target
        cannot be read; when bounds are reversed, not finite, or the plan refuses them; when a year
        is not the plan's.

    Examples
    --------
    >>> plan = {"council": "A", "first_year": "2026/27", "horizon": 1,
    ...         "lines": [{"kind": "budget", "name": "roads", "base": 103e6}],
    ...         "funding": [{"kind": "council_tax", "name": "tax", "base_income": 100e6}]}
    >>> found = goal_seek(plan, lever="funding.tax.core_increase", bounds=(0.0, 0.05),
    ...                   target="E(gap 2026/27) <= 0", n_draws=1, seed=1)
    >>> round(found.value, 4)
    0.03
    """
    (n_draws, seed), plan = draws_meant(plan, n_draws, seed), plan_meant(plan)
    wanted = _lever(lever, bounds, years, how)
    search = _search(wanted.of(plan), parse_target(target), n_draws, seed, tolerance)
    _run(search, require_count(n_grid, "n_grid", least=2))
    if not search.moves:
        raise MtfsError(_moves_nothing(search))
    return _result(search, search.answer())


def frontier(
    plan: Plan | Mapping[str, Any] | xr.Dataset,
    *,
    levers: tuple[Lever, Lever],
    target: str | Target,
    n_points: int = 9,
    n_draws: int | None = None,
    seed: int | None = None,
    tolerance: float | None = None,
    n_grid: int = 9,
) -> pd.DataFrame:
    """Say how much of a second lever meets a target, for each value of a first.

    Parameters
    ----------
    plan, target, n_draws, seed
        As for :func:`goal_seek`.
    levers
        The first, moved in even steps between its bounds, and the second, sought at each step.
    n_points
        Values of the first lever, at least 2.
    tolerance
        As for :func:`goal_seek`, of the second lever.
    n_grid
        As for :func:`goal_seek`, at each step; nine steps of nine values each take up to 350
        projections, refinement included.

    Returns
    -------
    pandas.DataFrame
        A row a value of the first lever: ``first``; ``second``, the value nearest to the plan's own
        that meets the target (the one that comes nearest to it where ``met`` is false);
        ``second_low`` and ``second_high``, its Monte Carlo interval (see :class:`GoalSeek`);
        ``met``; ``achieved`` and ``achieved_se``. ``attrs`` say the levers, the target and the
        plan's own values.

    Raises
    ------
    MtfsError
        As :func:`goal_seek`, and when both levers move the same values, or one of them does not
        move the target.
    """
    (n_draws, seed), plan = draws_meant(plan, n_draws, seed), plan_meant(plan)
    first, second = _two(levers)
    goal = parse_target(target)
    steps = np.linspace(*first.bounds, require_count(n_points, "n_points", least=2)).tolist()
    require_count(n_grid, "n_grid", least=2)
    one, other = first.of(plan), second.of(plan)
    ends = _search(one, goal, n_draws, seed, None)
    ends.scan_ends()
    _refused(ends)
    if not ends.moves:
        raise MtfsError(_moves_nothing(ends))
    rows, moves = [], False
    for value in steps:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PlanWarning)
            changed = one.plan_at(value)
            search = _search(second.of(changed), goal, n_draws, seed, tolerance)
        try:
            _run(search, n_grid)
        except MtfsError as error:
            msg = f"with '{first.name}' at {_number(value)} {error}"
            raise MtfsError(msg) from None
        moves = moves or search.moves
        answer = search.answer()
        rows.append(
            {
                "first": value,
                "second": answer.tried.value,
                "second_low": answer.low,
                "second_high": answer.high,
                "met": answer.tried.met,
                "achieved": answer.tried.statistic,
                "achieved_se": answer.tried.error,
            }
        )
    if not moves:
        raise MtfsError(_moves_nothing(search))
    table = pd.DataFrame(rows)
    table.attrs = {
        "council": plan.council,
        "target": str(goal),
        "first": first.name,
        "second": second.name,
        "first_current": one.current,
        "second_current": other.current,
        "n_draws": n_draws,
        "seed": seed,
    }
    return table


def _lever(
    lever: str | Lever,
    bounds: tuple[float, float] | None,
    years: Sequence[str] | None,
    how: How | None,
) -> Lever:
    """Make the lever of its parts."""
    if isinstance(lever, Lever):
        given = {"bounds": bounds, "years": years, "how": how}
        if twice := [name for name, value in given.items() if value is not None]:
            msg = f"the lever bears its own {', '.join(twice)}; leave out what is given beside it"
            raise MtfsError(msg)
        return lever
    if bounds is None:
        msg = f"give 'bounds', the least and greatest value of '{lever}' to try"
        raise MtfsError(msg)
    return Lever(lever, bounds, how or "set", years)


def _two(levers: object) -> tuple[Lever, Lever]:
    """Check that two levers are given and that they do not move the same values."""
    found = tuple(levers) if isinstance(levers, tuple | list) else ()
    if len(found) != 2 or not all(isinstance(each, Lever) for each in found):  # noqa: PLR2004 - a pair
        msg = "levers are to be two mtfs.Lever, each with its path and bounds"
        raise MtfsError(msg)
    first, second = found
    shared = first.path == second.path and (
        first.years is None or second.years is None or set(first.years) & set(second.years)
    )
    if shared:
        msg = f"both levers move '{first.path}' in the same years; choose two that differ"
        raise MtfsError(msg)
    return first, second


def _search(
    lever: LeverOf, target: Target, n_draws: int, seed: int, tolerance: float | None
) -> Search:
    low, high = lever.lever.bounds
    near = (high - low) * TOLERANCE if tolerance is None else tolerance
    if isinstance(near, bool) or not isinstance(near, int | float) or not 0 < near < math.inf:
        msg = f"tolerance is {tolerance!r}; expected a number above 0, in units of the lever"
        raise MtfsError(msg)
    return Search(lever, target, n_draws=n_draws, seed=seed, tolerance=float(near))


def _run(search: Search, n_grid: int) -> None:
    """Scan the bounds and refine; refuse bounds that the plan refuses."""
    low, high = search.lever.lever.bounds
    values = np.linspace(low, high, n_grid).tolist()
    if low <= search.lever.current <= high:
        values.append(search.lever.current)
    search.scan(values)
    _refused(search)


def _refused(search: Search) -> None:
    """Say which of the bounds the plan cannot hold."""
    points = search.points
    wrong = [point for point in (points[0], points[-1]) if point.refused is not None]
    if wrong:
        held = [point.value for point in points if point.refused is None]
        tried = (
            f"Of the values tried it holds {_number(min(held))} to {_number(max(held))}"
            if held
            else "It holds none of the values tried"
        )
        msg = (
            f"the plan cannot hold '{search.lever.lever.path}' at the bound "
            f"{_number(wrong[0].value)} ({search.lever.lever.how}): {wrong[0].refused}\n{tried}; "
            "give bounds within what it can hold"
        )
        raise MtfsError(msg)


def _moves_nothing(search: Search) -> str:
    """Say that a lever does not move the target, and why that may be."""
    lever, target = search.lever.lever, search.target
    quantity, when = target.statistic.quantity, target.statistic.when
    part = lever.path.split(".", 1)[0]
    why = "nothing that the target looks at depends on it"
    if part in {"reserves", "one_offs"} and quantity.name in _GAPS:
        why = (
            "closure, funds and one-off sources stand after the gap: they move gap_after_one_offs "
            f"or shortfall, unfunded and reserves, not {quantity}"
        )
    elif part in {"savings", "savings_targets"} and quantity.name == "gap_before_savings":
        why = "savings come after gap_before_savings; they move gap"
    elif lever.years and when < min(lever.years):
        why = f"it moves {', '.join(lever.years)} and the target is about {when}"
    elif lever.how == "scale" and not search.lever.held[search.lever.moved].any():
        why = "what it multiplies is 0: use how='add' or how='set'"
    return (
        f"'{lever.path}' ({lever.how}, {_number(lever.bounds[0])} to {_number(lever.bounds[1])}) "
        f"does not move what the target is about, {target.statistic}, in any draw: {why}"
    )


def _result(search: Search, answer: Answer) -> GoalSeek:
    tried, before, lever = answer.tried, search.before, search.lever
    same = tried is before
    plan, notes = (lever.plan, ()) if same else _changed(lever, tried.value)
    points = search.points
    curve = pd.DataFrame(
        {
            "value": [point.value for point in points],
            "statistic": [point.statistic for point in points],
            "se": [point.error for point in points],
            "meets": [point.met for point in points],
            "refused": pd.Series([point.refused for point in points], dtype=object),
        }
    )
    curve.attrs = {
        "lever": lever.lever.name,
        "target": str(search.target),
        "statistic": str(search.target.statistic),
        "bound": search.target.bound,
        "unit": "share of draws" if isinstance(search.target.statistic, Chance) else "GBP",
        "value": tried.value,
        "value_low": answer.low,
        "value_high": answer.high,
        "met": tried.met,
        "current": lever.current,
    }
    return GoalSeek(
        council=lever.plan.council,
        lever=lever.lever,
        target=search.target,
        value=tried.value,
        value_low=answer.low,
        value_high=answer.high,
        met=tried.met,
        achieved=tried.statistic,
        achieved_se=tried.error,
        current=lever.current,
        uniform=lever.single,
        before=before.statistic,
        before_se=before.error,
        before_met=before.met,
        intervals=answer.intervals,
        shape=search.shape,
        curve=curve,
        notes=notes,
        plan=plan,
        n_draws=search.n_draws,
        seed=search.seed,
    )


def _changed(lever: LeverOf, value: float) -> tuple[Plan, tuple[str, ...]]:
    """Make the plan of the answer; list what is implausible in it and was not before."""
    _, before = _warned(lambda: Plan.model_validate(lever.plan.model_dump(exclude_none=True)))
    plan, now = _warned(lambda: lever.plan_at(value))
    return plan, tuple(text for text in now if text not in before)


def _warned(make: Callable[[], Plan]) -> tuple[Plan, list[str]]:
    """Make a plan and list what it warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PlanWarning)
        plan = make()
    return plan, [str(each.message) for each in caught if each.category is PlanWarning]


def _stretches(intervals: Sequence[tuple[float, float]], bounds: tuple[float, float]) -> str:
    """Write where a target is met."""
    low, high = bounds
    parts = []
    for start, end in intervals:
        if (start, end) == (low, high):
            return "everywhere"
        if end == high:
            parts.append(f"at and above {_number(start)}")
        elif start == low:
            parts.append(f"at and below {_number(end)}")
        else:
            parts.append(f"from {_number(start)} to {_number(end)}")
    return ", and ".join(parts)


def _number(value: float) -> str:
    """Write a lever's value: money in full, small numbers to six digits."""
    return f"{value:,.0f}" if abs(value) >= 1e5 else f"{value:.6g}"  # noqa: PLR2004 - GBP 100,000
