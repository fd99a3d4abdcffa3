"""From scores to paths: every driver's value in every year of every draw of a block."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from mtfs.assumptions import fixed_values
from mtfs.dependence import Group, dependence
from mtfs.distributions import Distribution, Lognormal, Normal, quantile_score
from mtfs.drivers import CommonFactor, Driver, Pair, event_effect
from mtfs.sampling import ShockSpec, apply_factors
from mtfs.vocabulary import Array, MtfsError, weeks_in_year, year_labels, year_start

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mtfs.assumptions import Assumption
    from mtfs.sampling import ShockSpec

T = TypeVar("T")
PeopleChange: TypeAlias = "Callable[[Paths, Array], Array]"
"""what turns a care line's people without prevention into those with it"""


def compounded(growth: Array) -> Array:
    """Compound yearly growth, shape (year, draw), into an index whose base year is 1."""
    index = 1.0 + growth
    for year in range(1, len(index)):  # by rows: numpy's cumprod down a column is five times slower
        index[year] *= index[year - 1]
    return index


@dataclass(frozen=True)
class Calendar:
    """The plan's years, and the weeks in each, shape (year, 1)."""

    years: tuple[str, ...]
    weeks: Array = field(compare=False)
    base_weeks: float
    """weeks of the base year, the one before the first"""

    @property
    def horizon(self) -> int:
        """How many years there are."""
        return len(self.years)

    @classmethod
    def from_first(cls, first: str, horizon: int) -> Calendar:
        """Make the calendar of ``horizon`` financial years."""
        start = year_start(first)
        weeks = np.array([[weeks_in_year(start + lead)] for lead in range(horizon)])
        return cls(year_labels(first, horizon), weeks, weeks_in_year(start - 1))


class Selected(Protocol):
    """Some of the people of a flow or a cohort."""

    @property
    def source(self) -> str:
        """Whose people they are."""
        ...


class Source(Protocol):
    """Whose people care lines count: a flow or a cohort, one factor among the plan's shocks."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    def shocks(self) -> tuple[ShockSpec, ...]:
        """List its one stream, drawn once."""
        ...

    def select(self, people: Any) -> NDArray[np.bool_]:
        """Mark the states of some people, shape (state,)."""
        ...

    def base(self, years: Sequence[str], planned: Callable[[Any], Array]) -> Array:
        """Give average people of the base year, shape (state,)."""
        ...

    def expected(
        self,
        years: Sequence[str],
        value: Callable[[Any], Array],
        planned: Callable[[Any], Array],
    ) -> Array:
        """Give expected average people, shape (state, year, draw or 1)."""
        ...

    def draw(
        self,
        scores: Array,
        years: Sequence[str],
        value: Callable[[Any], Array],
        planned: Callable[[Any], Array],
    ) -> Array:
        """Draw average people, shape (state, year, draw)."""
        ...


class Paths:
    """What a line reads: assumptions as arrays of shape (year, draw), or (year, 1) where fixed.

    Planned paths (``planned`` is true) hold the council's own table: stated values, no draws and no
    scores. The paths of draws know the planned ones as ``planned_paths``; those without
    ``by_chance`` hold drivers as drawn and everything else as planned; the people of flows and
    cohorts are drawn or expected as ``people_by_chance`` says.
    """

    def __init__(
        self,
        calendar: Calendar,
        rows: Mapping[str, Array],
        scores: Mapping[str, Array],
        fixed: dict[object, Array],
        *,
        balances: Mapping[str, Array] | None = None,
        people_changes: Mapping[str, PeopleChange] | None = None,
        sources: Mapping[str, Source] | None = None,
        planned_paths: Paths | None = None,
        by_chance: bool = True,
        people_by_chance: bool = True,
    ) -> None:
        self.calendar = calendar
        self.planned = planned_paths is None or not by_chance
        self.planned_paths = planned_paths or self
        self._draws_people = people_by_chance and planned_paths is not None
        self._rows = rows
        self._scores = scores
        self._fixed = fixed  # what depends on no draw, shared by all blocks
        self._balances: Mapping[str, Array] = {} if balances is None else balances
        self._people_changes: Mapping[str, PeopleChange] = people_changes or {}
        self._sources: Mapping[str, Source] = sources or {}
        self._memo: dict[object, Any] = {}

    @property
    def horizon(self) -> int:
        """How many years there are."""
        return len(self.calendar.years)

    def value(self, assumption: Assumption) -> Array:
        """Give an assumption's values by year (and draw)."""
        if isinstance(assumption, str):
            return self._rows[assumption]
        found = self._fixed.get(assumption)
        if found is None:
            found = fixed_values(assumption, self.calendar.years)[:, None]
            self._fixed[assumption] = found
        return found

    def index(self, growth: Assumption) -> Array:
        """Compound yearly growth into an index, the base year being 1."""
        return self.derived(("", "index", growth), growth, lambda: compounded(self.value(growth)))

    def opening_balance(self, fund: str) -> Array:
        """Give a fund's planned opening balance in each year, shape (year, 1), GBP."""
        return self._balances[fund]

    def people_of(self, people: Selected) -> Array:
        """Give the average people of a flow's or cohort's states, (year, draw) or (year, 1)."""
        source = self._sources[people.source]
        chosen = source.select(people)
        return self.block_derived(people, lambda: self._states(source)[chosen].sum(axis=0))

    def _states(self, source: Source) -> Array:
        def make() -> Array:
            years, planned = self.calendar.years, self.planned_paths.value
            if self._draws_people:
                (shock,) = source.shocks()
                return source.draw(self.score(shock.name), years, self.value, planned)
            return source.expected(years, self.value, planned)

        return self.block_derived((source.name, "states"), make)

    def base_people_of(self, people: Selected) -> float:
        """Give the average people of a flow's or cohort's states in the base year."""
        planned = self.planned_paths
        source = self._sources[people.source]
        base = planned.block_derived(
            (source.name, "base"), lambda: source.base(planned.calendar.years, planned.value)
        )
        return float(base[source.select(people)].sum())

    def changes_people(self, care_line: str) -> bool:
        """Whether prevention changes the people of a care line."""
        return care_line in self._people_changes

    def changed_people(self, care_line: str, people: Array) -> Array:
        """Turn a care line's people without prevention into those with it, (year, draw)."""
        change = self._people_changes.get(care_line)
        return people if change is None else change(self, people)

    def derived(self, key: object, source: Assumption, make: Callable[[], Array]) -> Array:
        """Give what ``make`` makes of ``source``, once a block, or once in all where fixed."""
        held = self._memo if isinstance(source, str) else self._fixed
        found = held.get(key)
        if found is None:
            found = held[key] = make()
        return found

    def block_derived(self, key: object, make: Callable[[], T]) -> T:
        """Give what ``make`` makes, once a block."""
        if key not in self._memo:
            self._memo[key] = make()
        found: T = self._memo[key]
        return found

    def score(self, name: str) -> Array:
        """Give a line's own scores, shape (year, draw), or (draw,) for a shock drawn once."""
        return self._scores[name]


@dataclass(frozen=True)
class _Stream:
    """One driver's scores and where they go."""

    spec: ShockSpec
    slot: int


@dataclass(frozen=True)
class DriverStage:
    """All drivers of a plan, ready to turn a block of scores into paths.

    Paths are made in place, in an array of shape (driver, year, draw) in declared order. Spreads
    of normal drivers, and of the logarithms of lognormal ones, are folded into the weights of
    scores that persistence and correlation give them: one pass over the array instead of three.
    """

    streams: tuple[_Stream, ...]
    event_specs: tuple[ShockSpec, ...]
    planned: dict[str, Array]
    _slots: dict[str, int]
    _uncertain: tuple[str, ...]
    _groups: tuple[tuple[tuple[int, ...], Array], ...]
    _persistence: tuple[tuple[slice, Array, Array], ...]
    _shapes: tuple[tuple[slice, Callable[[Array], None]], ...]
    _events: tuple[tuple[str, str, float, Array], ...]
    _mixes: tuple[tuple[str, tuple[tuple[str, float, int, Array], ...], Array | None], ...]
    _fixed_rows: dict[str, Array]

    @classmethod
    def from_drivers(
        cls,
        drivers: Sequence[Driver],
        correlations: Sequence[Pair | CommonFactor],
        years: tuple[str, ...],
    ) -> DriverStage:
        """Prepare the drivers of a checked plan."""
        horizon = len(years)
        slots = {driver.name: slot for slot, driver in enumerate(drivers)}
        shaped = {d.name: d.distributions(years) for d in drivers if d.uncertain}
        folded = {name: _spread(each) for name, each in shaped.items()}
        old, fresh = np.zeros((2, len(drivers), horizon, 1))
        for driver in drivers:
            if driver.uncertain:
                slot, spread = slots[driver.name], folded[driver.name]
                old[slot, :, 0], fresh[slot, :, 0] = driver.smoothing(horizon)
                old[slot, 1:, 0] *= spread[1:] / spread[:-1]
                fresh[slot, :, 0] *= spread
        groups = []
        for group in dependence(drivers, correlations, years):
            where = tuple(slots[name] for name in group.names)
            groups.append((where, _unit_factors(group, fresh[list(where)])))
            for place, slot in enumerate(where):
                fresh[slot, :, 0] *= group.factors[:, place, place]
        runs = _runs([driver.name in shaped for driver in drivers])
        families = [_family(shaped[d.name]) if d.name in shaped else "" for d in drivers]
        return cls(
            streams=tuple(
                _Stream(ShockSpec(d.shock_name, d.scope), slots[d.name])
                for d in drivers
                if d.uncertain
            ),
            event_specs=tuple(s for d in drivers for s in d.shocks() if s.once),
            planned=planned_rows(drivers, years),
            _slots=slots,
            _uncertain=tuple(shaped),
            _groups=tuple(groups),
            _persistence=tuple((run, fresh[run], old[run]) for drawn, run in runs if drawn),
            _shapes=tuple(
                (
                    run,
                    _shape(
                        family, [shaped[drivers[slot].name] for slot in range(run.start, run.stop)]
                    ),
                )
                for family, run in _runs(families)
                if family
            ),
            _events=tuple(
                (d.name, f"{d.shock_name}.{e.name}", e.probability, event_effect(e, years)[:, None])
                for d in drivers
                for e in d.events
            ),
            _mixes=tuple(
                (d.name, _mix(d, drivers), None if d.uncertain else _centres(d, years))
                for d in in_order(drivers)
                if d.mix
            ),
            _fixed_rows={
                d.name: _centres(d, years) for d in drivers if not d.uncertain and not d.mix
            },
        )

    def rows(self, paths: Array, events: Mapping[str, Array]) -> dict[str, Array]:
        """Turn one block of independent scores into paths, in place.

        Parameters
        ----------
        paths
            Shape (driver, year, draw) in declared order: the scores of ``streams``; overwritten.
        events
            The scores of uncertain events by name, shape (draw,).

        Returns
        -------
        dict
            Each driver's path: its part of ``paths``, or shape (year, 1) where it is certain.
        """
        rows = self._before_events(paths)
        room = {name: paths[slot] for name, slot in self._slots.items()}
        comes = self._comes(events)
        for name in comes.keys() - {name for name, _, _ in self._mixes}:
            rows[name] = np.add(rows[name], comes[name], out=room[name])
        for name, parts, constant in self._mixes:
            rows[name] = _mixed(rows, parts, constant, room[name])
            if name in comes:
                rows[name] += comes[name]
        return rows

    def own_rows(self, paths: Array, events: Mapping[str, Array]) -> dict[str, Array]:
        """Turn scores into what is each driver's own, events included: a mix without its parts.

        Parameters and shapes are those of :meth:`rows`.
        """
        rows = self._before_events(paths)
        for name, _, constant in self._mixes:
            if constant is not None:
                rows[name] = constant
        for name, effect in self._comes(events).items():
            rows[name] = rows[name] + effect
        return rows

    def _before_events(self, paths: Array) -> dict[str, Array]:
        """Turn scores into values in place; mixes hold their noise, if any, and no parts yet."""
        for run, fresh, _ in self._persistence:
            paths[run] *= fresh
        for slots, factors in self._groups:
            apply_factors(paths, slots, factors)
        for run, _, old in self._persistence:
            if old.any():
                _persist(paths[run], old)
        for run, shape in self._shapes:
            shape(paths[run])
        return {name: paths[self._slots[name]] for name in self._uncertain} | self._fixed_rows

    def _comes(self, events: Mapping[str, Array]) -> dict[str, Array]:
        """Give what events add, by driver."""
        comes: dict[str, Array] = {}
        for name, shock, probability, effect in self._events:
            if probability > 0:
                came = 1.0 if probability == 1 else events[shock] < quantile_score(probability)
                comes[name] = comes.get(name, 0.0) + effect * came
        return comes


def _persist(scores: Array, old: Array) -> None:
    """Let a share of last year's shock last, in place; shape (shock, year, draw)."""
    step = np.empty((scores.shape[0], scores.shape[2]))
    for year in range(1, scores.shape[1]):
        np.multiply(scores[:, year - 1], old[:, year], out=step)
        scores[:, year] += step


def _runs(kinds: Sequence[Any]) -> list[tuple[Any, slice]]:
    """Find runs of equal neighbours."""
    found, start = [], 0
    for kind, run in itertools.groupby(kinds):
        stop = start + len(list(run))
        found.append((kind, slice(start, stop)))
        start = stop
    return found


def _family(years: Sequence[Distribution]) -> str:
    """Say how scores become values: by arithmetic for runs of drivers, or one by one."""
    if all(isinstance(each, Normal) and each.sd for each in years):
        return "normal"
    lognormal = all(isinstance(each, Lognormal) and each.sigma for each in years)
    return "lognormal" if lognormal else "special"


def _spread(years: Sequence[Distribution]) -> Array:
    """Give what scores may be multiplied by before they persist, one number a year."""
    spreads = [
        getattr(each, {"normal": "sd", "lognormal": "sigma"}.get(_family(years), ""), 1.0)
        for each in years
    ]
    return np.array(spreads)


def _shape(family: str, drivers: Sequence[Sequence[Distribution]]) -> Callable[[Array], None]:
    """Give what turns the scores of a run of drivers into values, in place."""

    def column(name: str) -> Array:
        return np.array([[getattr(each, name) for each in years] for years in drivers])[..., None]

    if family == "normal":
        return partial(_normal, centre=column("mean"))
    if family == "lognormal":
        return partial(_lognormal, scale=column("scale"), shift=column("shift"))
    return partial(_special, drivers=drivers)


def _normal(part: Array, *, centre: Array) -> None:
    part += centre


def _lognormal(part: Array, *, scale: Array, shift: Array) -> None:
    np.exp(part, out=part)
    part *= scale
    if shift.any():
        part += shift


def _special(part: Array, *, drivers: Sequence[Sequence[Distribution]]) -> None:
    for scores, years in zip(part, drivers, strict=True):
        if len(set(years)) == 1:
            scores[...] = years[0].value(scores)
            continue
        for score, each in zip(scores, years, strict=True):
            score[...] = each.value(score)


def _unit_factors(group: Group, fresh: Array) -> Array:
    """Restate triangular factors for scores that already bear their weights and the diagonal.

    Where a weight is 0 a shock of an earlier year lasts for ever, and so do those it is correlated
    with: there is nothing to add.
    """
    weight = fresh[:, :, 0].T  # (year, shock)
    diagonal = weight * np.diagonal(group.factors, axis1=1, axis2=2)
    wanted = group.factors * weight[:, :, None]
    return np.divide(
        wanted, diagonal[:, None, :], out=np.zeros_like(wanted), where=diagonal[:, None, :] != 0
    )


def _centres(driver: Driver, years: tuple[str, ...]) -> Array:
    return np.array([each.median for each in driver.distributions(years)])[:, None]


def in_order(drivers: Sequence[Driver]) -> list[Driver]:
    """List drivers so that every mix comes after its parts.

    Raises
    ------
    MtfsError
        When a driver depends on itself; the message gives the round.
    """
    by_name = {driver.name: driver for driver in drivers}
    done: dict[str, Driver] = {}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if name in done or name not in by_name:
            return
        if name in trail:
            chain = " -> ".join((*trail[trail.index(name) :], name))
            msg = f"driver '{name}' depends on itself: {chain}"
            raise MtfsError(msg)
        for part in by_name[name].mix:
            visit(part.driver, (*trail, name))
        done[name] = by_name[name]

    for driver in drivers:
        visit(driver.name, ())
    return list(done.values())


def _mix(driver: Driver, drivers: Sequence[Driver]) -> tuple[tuple[str, float, int, Array], ...]:
    by_name = {each.name: each for each in drivers}
    return tuple(
        (part.driver, part.weight, part.lag, _history(by_name[part.driver], part.lag))
        for part in driver.mix
    )


def _history(driver: Driver, lag: int) -> Array:
    """Give the last ``lag`` known values before the first year, shape (lag, 1)."""
    if len(driver.previous) < lag:
        msg = (
            f"a mix reads '{driver.name}' {lag} years before, but its 'previous' holds "
            f"{len(driver.previous)} values: give its known values of the years before the first"
        )
        raise MtfsError(msg)
    return np.array(driver.previous[len(driver.previous) - lag :], dtype=np.float64).reshape(lag, 1)


def _mixed(
    rows: Mapping[str, Array],
    parts: Sequence[tuple[str, float, int, Array]],
    constant: Array | None,
    out: Array,
) -> Array:
    """Add the parts of a mix to its constant or, where that is None, to what ``out`` holds."""
    if constant is not None:
        out[...] = constant
    for name, weight, lag, history in parts:
        source, horizon = rows[name], len(out)
        out[:lag] += weight * history[:horizon]
        out[lag:] += weight * source[: max(horizon - lag, 0)]
    return out


def mixed_rows(
    drivers: Sequence[Driver],
    own: Mapping[str, Array],
    past: Mapping[str, float] | None = None,
) -> dict[str, Array]:
    """Add the parts of every mix to what is its own.

    Parameters
    ----------
    drivers
        The drivers of a checked plan.
    own
        What is each driver's own, shape (year, draw) or (year, 1).
    past
        Drivers whose known values of the years before the first are replaced by one number.

    Returns
    -------
    dict
        Each driver's path, shape (year, draw) or (year, 1).
    """
    found: dict[str, Array] = {}
    for driver in in_order(drivers):
        row = own[driver.name]
        found[driver.name] = mixed_row(driver, drivers, found, row, past) if driver.mix else row
    return found


def mixed_row(
    driver: Driver,
    drivers: Sequence[Driver],
    rows: Mapping[str, Array],
    own: Array,
    past: Mapping[str, float] | None = None,
) -> Array:
    """Add the parts of one mix, whose whole paths are ``rows``, to what is its own."""
    past = past or {}
    parts = [
        (name, weight, lag, np.full_like(history, past[name]) if name in past else history)
        for name, weight, lag, history in _mix(driver, drivers)
    ]
    shape = np.broadcast_shapes(own.shape, *(rows[name].shape for name, *_ in parts))
    return _mixed(rows, parts, None, np.array(np.broadcast_to(own, shape)))


def planned_rows(drivers: Sequence[Driver], years: tuple[str, ...]) -> dict[str, Array]:
    """Give the council's own table of every driver, shape (year, 1)."""
    found: dict[str, Array] = {}
    for driver in in_order(drivers):
        own = driver.planned_values(years)[:, None]
        if driver.mix and driver.planned is None:
            own = _mixed(found, _mix(driver, drivers), None, own)
        found[driver.name] = own
    return found
