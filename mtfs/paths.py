"""From scores to paths: every driver's value in every year of every draw of a block."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from mtfs.assumptions import fixed_values
from mtfs.dependence import Group, dependence
from mtfs.distributions import Lognormal, Normal, quantile_score
from mtfs.drivers import CommonFactor, Driver, Pair, event_effect
from mtfs.sampling import ShockSpec, apply_factors
from mtfs.vocabulary import Array, MtfsError, weeks_in_year, year_labels, year_start

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mtfs.assumptions import Assumption

T = TypeVar("T")


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


class Paths:
    """What a line reads: assumptions as arrays of shape (year, draw), or (year, 1) where fixed.

    Planned paths (``planned`` is true) hold the council's own table: stated values, no draws and no
    scores. The paths of draws know the planned ones as ``planned_paths``.
    """

    def __init__(
        self,
        calendar: Calendar,
        rows: Mapping[str, Array],
        scores: Mapping[str, Array],
        fixed: dict[object, Array],
        *,
        balances: Mapping[str, Array] | None = None,
        planned_paths: Paths | None = None,
    ) -> None:
        self.calendar = calendar
        self.planned = planned_paths is None
        self.planned_paths = planned_paths or self
        self._rows = rows
        self._scores = scores
        self._fixed = fixed  # what depends on no draw, shared by all blocks
        self._balances: Mapping[str, Array] = {} if balances is None else balances
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
        return self.derived(("index", growth), growth, lambda: compounded(self.value(growth)))

    def opening_balance(self, fund: str) -> Array:
        """Give a fund's planned opening balance in each year, shape (year, 1), GBP."""
        return self._balances[fund]

    def derived(self, key: object, source: Assumption, make: Callable[[], Array]) -> Array:
        """Give what ``make`` makes of ``source``, once a block, or once in all where it is fixed."""
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
class DriverStage:
    """All drivers of a plan, ready to turn a block of scores into paths.

    ``specs`` are the streams in the order in which the stage wants their scores: one row a year,
    shape (shock, year, draw).
    """

    specs: tuple[ShockSpec, ...]
    event_specs: tuple[ShockSpec, ...]
    planned: dict[str, Array]
    _slots: dict[str, int]
    _groups: tuple[tuple[tuple[int, ...], Array], ...]
    _old: Array
    _new: Array
    _normal: tuple[slice, Array, Array]
    _lognormal: tuple[slice, Array, Array, Array]
    _special: tuple[tuple[int, tuple[Callable[[Array], Array], ...]], ...]
    _events: tuple[tuple[str, str, float, Array], ...]
    _mixes: tuple[tuple[str, tuple[tuple[str, float, int, Array], ...], Array], ...]
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
        shaped = {d.name: d.distributions(years) for d in drivers if d.uncertain}
        families: dict[str, list[Driver]] = {"normal": [], "lognormal": [], "special": []}
        for driver in drivers:
            if driver.uncertain:
                families[_family(shaped[driver.name])].append(driver)
        order = [driver for family in families.values() for driver in family]
        slots = {driver.name: place for place, driver in enumerate(order)}
        n_normal, n_log = len(families["normal"]), len(families["lognormal"])
        smooth = [driver.smoothing(horizon) for driver in order]
        logs = [[_as_lognormal(d) for d in shaped[driver.name]] for driver in families["lognormal"]]
        groups: Sequence[Group] = dependence(drivers, correlations, years)
        return cls(
            specs=tuple(ShockSpec(driver.shock_name, driver.scope) for driver in order),
            event_specs=tuple(s for d in drivers for s in d.shocks() if s.once),
            planned=_planned(drivers, years),
            _slots=slots,
            _groups=tuple((tuple(slots[n] for n in g.names), g.factors) for g in groups),
            _old=np.array([old for old, _ in smooth]).reshape(len(order), horizon, 1),
            _new=np.array([new for _, new in smooth]).reshape(len(order), horizon, 1),
            _normal=(
                slice(0, n_normal),
                _column([[d.mean for d in shaped[x.name]] for x in families["normal"]], horizon),
                _column([[d.sd for d in shaped[x.name]] for x in families["normal"]], horizon),
            ),
            _lognormal=(
                slice(n_normal, n_normal + n_log),
                _column([[d.scale for d in each] for each in logs], horizon),
                _column([[d.sigma for d in each] for each in logs], horizon),
                _column([[d.shift for d in each] for each in logs], horizon),
            ),
            _special=tuple(
                (slots[driver.name], tuple(each.value for each in shaped[driver.name]))
                if len(set(shaped[driver.name])) > 1
                else (slots[driver.name], (shaped[driver.name][0].value,))
                for driver in families["special"]
            ),
            _events=tuple(
                (d.name, f"{d.shock_name}.{e.name}", e.probability, event_effect(e, years)[:, None])
                for d in drivers
                for e in d.events
            ),
            _mixes=tuple(_mix(d, drivers, years) for d in in_order(drivers) if d.mix),
            _fixed_rows={
                d.name: _centres(d, years) for d in drivers if not d.uncertain and not d.mix
            },
        )

    def rows(self, scores: Array, events: Mapping[str, Array]) -> dict[str, Array]:
        """Turn one block of independent scores into paths, in place.

        Parameters
        ----------
        scores
            Shape (shock, year, draw) in the order of ``specs``; overwritten.
        events
            The scores of uncertain events by name, shape (draw,).

        Returns
        -------
        dict
            Each driver's path, shape (year, draw), or (year, 1) where it is certain.
        """
        for slots, factors in self._groups:
            apply_factors(scores, slots, factors)
        self._persist(scores)
        where, centre, spread = self._normal
        part = scores[where]
        part *= spread
        part += centre
        where, scale, sigma, shift = self._lognormal
        part = scores[where]
        part *= sigma
        np.exp(part, out=part)
        part *= scale
        part += shift
        for slot, values in self._special:
            if len(values) == 1:
                scores[slot] = values[0](scores[slot])
                continue
            for year, value in enumerate(values):
                scores[slot, year] = value(scores[slot, year])
        rows = {name: scores[slot] for name, slot in self._slots.items()} | self._fixed_rows
        comes: dict[str, Array] = {}
        for name, shock, probability, effect in self._events:
            came = 1.0 if probability == 1 else events[shock] < quantile_score(probability)
            if probability > 0:
                comes[name] = comes.get(name, 0.0) + effect * came
        for name, added in comes.items():
            if name in rows:
                rows[name] = rows[name] + added
        for name, parts, constant in self._mixes:
            own = rows[name] if name in rows else constant + comes.get(name, 0.0)
            rows[name] = _mixed(rows, parts, own)
        return rows

    def _persist(self, scores: Array) -> None:
        if not self._old.any():
            return
        step = np.empty((scores.shape[0], scores.shape[2]))
        for year in range(1, scores.shape[1]):
            now = scores[:, year]
            now *= self._new[:, year]
            np.multiply(scores[:, year - 1], self._old[:, year], out=step)
            now += step


def _family(years: Sequence[object]) -> str:
    kinds = {type(each) for each in years}
    if kinds == {Normal}:
        return "normal"
    return "lognormal" if kinds == {Lognormal} else "special"


def _as_lognormal(distribution: object) -> Lognormal:
    if not isinstance(distribution, Lognormal):
        msg = f"{distribution!r} is not lognormal"
        raise TypeError(msg)
    return distribution


def _column(values: Sequence[Sequence[float]], horizon: int) -> Array:
    return np.array(values, dtype=np.float64).reshape(len(values), horizon, 1)


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


def _mix(
    driver: Driver, drivers: Sequence[Driver], years: tuple[str, ...]
) -> tuple[str, tuple[tuple[str, float, int, Array], ...], Array]:
    by_name = {each.name: each for each in drivers}
    parts = tuple(
        (part.driver, part.weight, part.lag, _history(by_name[part.driver], part.lag)) for part in driver.mix
    )
    return driver.name, parts, _centres(driver, years)


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
    rows: Mapping[str, Array], parts: Sequence[tuple[str, float, int, Array]], own: Array
) -> Array:
    total = own
    for name, weight, lag, history in parts:
        source = rows[name]
        if lag:
            shape = (lag, source.shape[1])
            head = np.broadcast_to(history, shape)
            source = np.concatenate([head, source])[: source.shape[0]]
        total = total + weight * source
    return total


def _planned(drivers: Sequence[Driver], years: tuple[str, ...]) -> dict[str, Array]:
    """Give the council's own table of every driver, shape (year, 1)."""
    found: dict[str, Array] = {}
    for driver in in_order(drivers):
        own = driver.planned_values(years)[:, None]
        if driver.mix and driver.planned is None:
            own = _mixed(found, _mix(driver, drivers, years)[1], own)
        found[driver.name] = own
    return found
