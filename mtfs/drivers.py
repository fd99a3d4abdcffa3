"""Drivers: named uncertain paths over the years, such as CPI, the pay award or children in care.

A driver declares where its distribution sits in every year, how wide it is, how long a shock
lasts and what shape it has; or that it is a weighted mix of other drivers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import Discriminator, Field, Tag, model_validator

from mtfs.assumptions import (
    Assumption,
    Declared,
    Name,
    Noted,
    Number,
    Share,
    YearLabel,
    fixed_values,
    form,
    stated_numbers,
)
from mtfs.distributions import (
    Beta,
    Discrete,
    Distribution,
    Lognormal,
    Normal,
    StatedAs,
    StudentT,
    Triangular,
    interval,
    require_interval,
)
from mtfs.problems import number_as_text
from mtfs.sampling import ShockSpec
from mtfs.vocabulary import Array, MtfsError, year_start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Shape = Literal[
    "normal",
    "lognormal",
    "student_t",
    "triangular",
    "pert",
    "beta",
    "empirical",
    "discrete",
    "poisson",
]
Persistence = Annotated[
    Annotated[float, Field(strict=True, ge=0, le=1), Tag("form:number")]
    | Annotated[Literal["random_walk"], Tag("form:word")],
    Discriminator(form),
]
_WALKERS = {"normal", "lognormal", "student_t"}  # families that may widen without end
_RANGED = {"triangular", "pert", "beta"}
BOUNDED = _RANGED | {"discrete", "empirical"}
_NEEDS_PERSISTENCE = (
    "a spread needs 'persistence': 0 draws every year afresh, 1 keeps one draw for all years, "
    "between them an AR(1), or random_walk. Fresh draws halve the risk of a total over years"
)
_ROUNDING = 1e-9  # of a sum of probabilities


class Interval(Declared):
    """A prediction interval: ``prob`` of the draws lie within, equal tails beyond each end."""

    low: Number
    high: Number
    prob: Number

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        require_interval(self.low, self.high, self.prob)
        return self


class State(Declared):
    """One of the states the world may be in, such as a settlement that ends."""

    name: Name
    probability: Share
    values: Assumption
    """what the driver is in this state"""


class Event(Declared):
    """A one-off event that may change the driver from ``year`` on for ``lasts`` years."""

    name: Name
    year: YearLabel
    probability: Share
    effect: Number
    """added to the driver's value, in its units"""
    lasts: int = Field(default=1, strict=True, ge=1)
    """years; an event of the last year but one that lasts two reaches the end"""


class Part(Declared):
    """One driver's share in a mix: ``weight`` times its value ``lag`` years before."""

    driver: Name
    weight: Number
    lag: int = Field(default=0, strict=True, ge=0, le=10)


class Driver(Noted):
    """A named uncertain path, in fractions a year or whatever units its lines expect.

    ``central`` is where the distribution sits (``stated_as`` says whether that is its mean, median
    or mode), ``sd`` or ``interval`` how wide it is. ``persistence`` says how long a shock lasts: 0
    draws every year afresh, a number up to 1 is an AR(1) whose yearly spread stays as stated, 1
    is one draw for all years, and ``random_walk`` lets the spread grow with the square root of
    time. Shape ``poisson`` counts events, such as rare arrivals, of a mean number a year. With
    ``mix`` the driver is the weighted sum of others plus ``central`` (0 unless given) plus its own
    noise.
    """

    central: Assumption | None = None
    stated_as: StatedAs = "median"
    planned: Assumption | None = None
    """what the council's own table assumes, where that is not the stated centre"""
    sd: Assumption | None = None
    """standard deviation, in the units of the driver"""
    interval: (
        Annotated[
            Annotated[Interval, Tag("form:mapping")]
            | Annotated[tuple[Interval, ...], Tag("form:list")],
            Discriminator(form),
        ]
        | None
    ) = None
    """in each year, or a list of one a year"""
    shape: Shape = "normal"
    df: Annotated[float, Field(strict=True, gt=2)] | None = None
    """degrees of freedom of a Student t"""
    bounds: tuple[Number, Number] | None = None
    """the range of a triangular, PERT or beta distribution"""
    values: tuple[Number, ...] = ()
    """an empirical distribution's history: each value is as likely as any other"""
    states: tuple[State, ...] = ()
    """a discrete distribution's states; probabilities sum to one"""
    persistence: Persistence | None = None
    mix: tuple[Part, ...] = ()
    events: tuple[Event, ...] = ()
    previous: tuple[Number, ...] = ()
    """known values of the years before the first, the latest last: a mix with a lag reads them"""
    scope: Literal["council", "national"] = "council"
    """national drivers give the same draws to every council"""
    shock: Name | None = None
    """name of the stream of draws; unless given, the driver's own (keep it when renaming)"""

    @property
    def uncertain(self) -> bool:
        """Whether the driver has draws of its own, events apart."""
        return (
            self.sd is not None
            or self.interval is not None
            or self.shape in _RANGED | {"empirical", "discrete", "poisson"}
        )

    @property
    def shock_name(self) -> str:
        """The name of its stream."""
        return self.shock or self.name

    def shocks(self) -> tuple[ShockSpec, ...]:
        """List the streams the driver needs: its own, and one for each event that may not come."""
        own = (ShockSpec(self.shock_name, self.scope),) if self.uncertain else ()
        return own + tuple(
            ShockSpec(f"{self.shock_name}.{event.name}", self.scope, once=True)
            for event in self.events
            if 0 < event.probability < 1
        )

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        for wrong in self._faults():
            raise MtfsError(wrong)
        return self

    def _texts(self) -> list[str]:
        """Name values that came as text."""
        texts = {"central": self.central, "planned": self.planned, "sd": self.sd}
        return [
            f"{name}: {number_as_text(value)}"
            if number_as_text(value)
            else f"'{name}' is {value!r}; expected numbers; to follow other drivers use 'mix'"
            for name, value in texts.items()
            if isinstance(value, str)
        ]

    def _faults(self) -> list[str]:
        """Name what the fields say against each other."""
        shape, given = self.shape, self.central is not None
        chance = math.fsum(state.probability for state in self.states)
        spreads = (self.sd is not None) + (self.interval is not None)
        rules = [
            (spreads > 1, "'sd' and 'interval' both give the spread; keep one"),
            (
                not (given or self.interval or self.mix or shape in {"empirical", "discrete"}),
                "no value: give 'central', 'interval', 'mix', 'values' or 'states'",
            ),
            (
                self.uncertain and self.persistence is None,
                _NEEDS_PERSISTENCE,
            ),
            (
                not self.uncertain and self.persistence is not None,
                "'persistence' is given but no spread; give 'sd' or 'interval', or leave it out",
            ),
            (
                self.persistence == "random_walk" and shape not in _WALKERS,
                (
                    f"random_walk widens without end, which {shape} cannot; use normal, lognormal "
                    "or student_t"
                ),
            ),
            (
                (shape == "student_t") != (self.df is not None),
                "'df' goes with shape student_t, which needs it",
            ),
            (
                (shape in _RANGED) != (self.bounds is not None),
                "'bounds: [low, high]' go with shape triangular, pert or beta, which need them",
            ),
            (
                self.bounds is not None and not self.bounds[0] < self.bounds[1],
                "'bounds' run from low to high",
            ),
            (
                (shape == "empirical") != bool(self.values),
                "'values' go with shape empirical, which needs them",
            ),
            (
                (shape == "discrete") != bool(self.states),
                "'states' go with shape discrete, which needs them",
            ),
            (
                shape in {"empirical", "discrete"} and (given or spreads > 0),
                (
                    f"a driver of shape {shape} sits where its values or states are: no central, "
                    "sd or interval"
                ),
            ),
            (
                shape == "poisson" and (spreads > 0 or not given or self.stated_as != "mean"),
                (
                    "a poisson driver has 'central', the number of events a year, stated_as: mean, "
                    "and no spread"
                ),
            ),
            (
                shape in {"triangular", "pert"} and (spreads > 0 or self.stated_as == "median"),
                f"a {shape} driver has bounds and a centre stated_as: mode or mean, and no spread",
            ),
            (
                shape == "beta"
                and self.interval is None
                and (self.sd is None or self.stated_as != "mean"),
                "a beta driver needs an interval, or sd with a centre stated_as: mean",
            ),
            (
                bool(self.states) and abs(chance - 1) > _ROUNDING,
                f"the states' probabilities sum to {chance:g}; expected 1",
            ),
            (
                bool(self.mix) and shape != "normal",
                "the own noise of a mix is normal; leave 'shape' out",
            ),
            (bool(self.mix) and self.interval is not None, "give the own noise of a mix by 'sd'"),
            (
                given
                and self.interval is not None
                and self.stated_as != "median"
                and shape in {"lognormal", "beta"},
                "with an interval the centre is the median: leave 'stated_as' out, or give 'sd'",
            ),
            (
                any(isinstance(s.values, str) for s in self.states),
                "the values of a state are numbers",
            ),
            (len({e.name for e in self.events}) < len(self.events), "two events bear one name"),
        ]
        return self._texts() + [message for broken, message in rules if broken]

    def stated(self) -> list[float]:
        """List the numbers that say where it lies, events apart."""
        held = [self.central, self.planned, *(state.values for state in self.states)]
        return [
            *(self.bounds or ()),
            *self.values,
            *(x for each in held for x in stated_numbers(each)),
        ]

    def _own_limits(self) -> tuple[float, float]:
        """Give the least and the most of what is its own, events included and mixed parts not."""
        if self.uncertain and self.shape not in BOUNDED | {"poisson"}:
            return -math.inf, math.inf
        stated = list(stated_numbers(self.central)) if self.mix else self.stated()
        held = [0.0, math.inf] if self.shape == "poisson" else stated or [0.0]
        first = {event: year_start(event.year) for event in self.events if event.probability > 0}
        together = [
            [each.effect for each, begins in first.items() if begins <= year < begins + each.lasts]
            for year in first.values()
        ]
        less = min((sum(x for x in each if x < 0) for each in together), default=0.0)
        more = max((sum(x for x in each if x > 0) for each in together), default=0.0)
        return min(held) + less, max(held) + more

    def limits(
        self, drivers: Mapping[str, Driver], trail: tuple[str, ...] = ()
    ) -> tuple[float, float]:
        """Give the least and the most it can be in any year, events and mixed parts included.

        Parameters
        ----------
        drivers
            The drivers of the plan by name, for mixes.
        trail
            The mixes that this one is a part of.

        Returns
        -------
        tuple
            Infinite where nothing keeps it: shapes with a tail, and mixes of them.
        """
        least, most = self._own_limits()
        for part in self.mix:
            source = drivers.get(part.driver)
            if source is None or part.driver in (*trail, self.name) or part.weight == 0:
                continue  # what does not exist or depends on itself is said elsewhere
            known = source.previous if part.lag else ()
            ends = [*source.limits(drivers, (*trail, self.name)), *known]
            least += min(part.weight * end for end in ends)
            most += max(part.weight * end for end in ends)
        held = (least, most, *stated_numbers(self.planned))
        return min(held), max(held)

    def distributions(self, years: Sequence[str]) -> list[Distribution]:
        """Give the distribution of every year before events, spread growing where it is a walk.

        Raises
        ------
        ValueError
            When lists do not have one value a year, or a year has no such distribution.
        """
        n = len(years)
        central = None if self.central is None else fixed_values(self.central, years)
        spans = self.interval if isinstance(self.interval, tuple) else (self.interval,) * n
        if len(spans) != n:
            msg = (
                f"'interval' holds {len(spans)} intervals; expected one, or one for each of "
                f"the {n} years"
            )
            raise ValueError(msg)
        sd = np.zeros(n) if self.sd is None else fixed_values(self.sd, years)
        if (sd < 0).any():
            msg = "'sd' is negative; expected 0 or more"
            raise ValueError(msg)
        walk = np.sqrt(np.arange(1, n + 1)) if self.persistence == "random_walk" else np.ones(n)
        states = [fixed_values(state.values, years) for state in self.states]
        found: list[Distribution] = []
        for t in range(n):
            centre = None if central is None else float(central[t])
            here = tuple(float(values[t]) for values in states)
            found.append(self._year(centre, float(sd[t]), spans[t], here, float(walk[t])))
        return found

    def _year(
        self,
        centre: float | None,
        sd: float,
        span: Interval | None,
        states: tuple[float, ...],
        walk: float,
    ) -> Distribution:
        shape, (low, high) = self.shape, self.bounds or (0.0, 1.0)
        if shape == "empirical":
            return Discrete.empirical(self.values)
        if shape == "discrete":
            return Discrete(states, tuple(state.probability for state in self.states))
        if shape in {"triangular", "pert"}:
            return _ranged(shape, low, high, 0.0 if centre is None else centre, self.stated_as)
        found: Distribution
        if shape == "poisson":
            found = Discrete.poisson(centre or 0.0)
        elif span is not None:
            family: Literal["normal", "lognormal", "student_t", "beta"] = shape  # type: ignore[assignment]
            found = interval(
                span.low,
                span.high,
                prob=span.prob,
                shape=family,
                central=centre,
                df=self.df or 4.0,
                bounds=(low, high),
            )
        else:
            centre = centre or 0.0  # a mix without a constant
            if sd == 0:
                return Normal(centre, 0.0)
            if shape == "beta":
                return Beta.from_mean(centre, sd, low, high)
            if shape == "lognormal":
                found = Lognormal.from_sd(centre, sd, self.stated_as)
            elif shape == "student_t":
                found = StudentT(centre, sd, self.df or 4.0)
            else:
                found = Normal(centre, sd)
        return _widened(found, walk, self.stated_as)

    def planned_values(self, years: Sequence[str]) -> Array:
        """Give the council's own table, one value a year, sure events included (no mix)."""
        if self.planned is not None:
            return fixed_values(self.planned, years)
        values = np.array([getattr(each, self.stated_as) for each in self.distributions(years)])
        for event in self.events:
            if event.probability == 1:
                values += event_effect(event, years)
        return values

    def smoothing(self, horizon: int) -> tuple[Array, Array]:
        """Give the weights of last year's score and of this year's, each of shape (year,).

        The path of scores ``u[t] = old[t] * u[t-1] + new[t] * z[t]`` is standard normal in
        every year.
        """
        lead = np.arange(horizon)
        if self.persistence == "random_walk":
            return np.sqrt(lead / (lead + 1)), np.sqrt(1 / (lead + 1))
        rho = self.persistence or 0.0
        old = np.where(lead == 0, 0.0, rho)
        return old, np.sqrt(1 - old**2)


def event_effect(event: Event, years: Sequence[str]) -> Array:
    """Give what an event adds in each year when it comes, shape (year,)."""
    if event.year not in years:
        msg = (
            f"event '{event.name}' comes in {event.year}; the plan's years are {years[0]} to "
            f"{years[-1]}"
        )
        raise ValueError(msg)
    first = years.index(event.year)
    lead = np.arange(len(years))
    return np.where((lead >= first) & (lead < first + event.lasts), event.effect, 0.0)


def _ranged(
    shape: Shape, low: float, high: float, centre: float, stated_as: StatedAs
) -> Distribution:
    weight = (
        3.0 if shape == "triangular" else 6.0
    )  # mean = (low + (weight - 2) mode + high) / weight
    mode = centre if stated_as == "mode" else (weight * centre - low - high) / (weight - 2)
    if not low <= mode <= high:
        msg = (
            f"a {shape} on {low:g} to {high:g} would need its mode at {mode:g}, which lies outside"
        )
        raise MtfsError(msg)
    return Triangular(low, mode, high) if shape == "triangular" else Beta.pert(low, mode, high)


def _widened(found: Distribution, walk: float, stated_as: StatedAs) -> Distribution:
    """Widen a distribution by ``walk``, keeping the centre that was stated."""
    if walk == 1.0:
        return found
    if isinstance(found, Lognormal):
        sigma = found.sigma * walk
        drift = {"median": 0.0, "mean": -0.5, "mode": 1.0}[stated_as] * (sigma**2 - found.sigma**2)
        return Lognormal(found.scale * math.exp(drift), sigma, found.shift)
    if isinstance(found, StudentT):
        return StudentT(found.mean, found.sd * walk, found.df)
    return Normal(found.mean, found.sd * walk)


class Pair(Declared):
    """The correlation of two drivers' scores in the same year."""

    between: tuple[Name, Name]
    value: Annotated[float, Field(strict=True, gt=-1, lt=1)]


class Loading(Declared):
    """How strongly a driver follows a common factor."""

    driver: Name
    loading: Annotated[float, Field(strict=True, gt=-1, lt=1)]


class CommonFactor(Declared):
    """A common factor: drivers that load on it correlate by the product of their loadings."""

    factor: Name
    loadings: tuple[Loading, ...] = Field(min_length=2)


Correlation = Annotated[
    Annotated[Pair, Tag("form:mapping")] | Annotated[CommonFactor, Tag("form:factor")],
    Discriminator(form),
]
