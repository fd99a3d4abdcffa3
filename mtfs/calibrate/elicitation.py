"""What experts say, as a distribution: quantiles or an interval, fitted and read back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from mtfs.assumptions import Assumption
from mtfs.calibrate.implied import Implied, implied_by, quantiles_of
from mtfs.calibrate.predictive import Persistence
from mtfs.calibrate.texts import OfDriver, rounded
from mtfs.distributions import (
    Beta,
    Distribution,
    Lognormal,
    Normal,
    StudentT,
    Triangular,
    quantile_score,
    require_interval,
)
from mtfs.drivers import Driver, Interval
from mtfs.vocabulary import Array, MtfsError, listing, require_share, suggest

Family: TypeAlias = Literal[
    "normal", "student_t", "lognormal", "shifted_lognormal", "beta", "pert", "triangular"
]
_FREE: tuple[Family, ...] = ("normal", "student_t", "lognormal", "shifted_lognormal")
_BOUNDED: tuple[Family, ...] = ("pert", "triangular", "beta")
FAMILIES = _FREE + _BOUNDED
DF = 4.0  # of a Student t: that of mtfs.interval
_TIE = 1e-6  # of the spread: families that miss by as little are alike, and the simplest is taken
_PROB = 0.8  # of the interval by which a lognormal driver states its spread
_LEAN = 3  # quantiles: below, how far a shifted lognormal leans is not told


@dataclass(frozen=True)
class ElicitedDriver(OfDriver):
    """A driver made of what experts said."""

    driver: Driver


@dataclass(frozen=True)
class Elicited:
    """A distribution fitted to what was said, how far it misses it, and what it implies."""

    distribution: Distribution
    family: Family
    bounds: tuple[float, float] | None
    fit: pd.DataFrame
    """by ``level``: ``stated``, ``fitted`` and ``miss``, in the units of the value"""
    misfit: float
    """root mean square of the misses, as a share of the distance from the lowest to the highest
    stated quantile"""
    candidates: pd.Series[float]
    """misfit by family"""
    implied: Implied

    @property
    def source(self) -> str:
        """What was said and how well the distribution fits, for the plan's register."""
        said = ", ".join(
            f"P{100 * level:.4g} {value:.6g}"
            for level, value in zip(self.fit.index, self.fit["stated"], strict=True)
        )
        return f"Elicited: {said}; {self.family}, misfit {self.misfit:.1%} of the spread"

    def as_driver(
        self,
        name: str,
        *,
        persistence: Persistence,
        source: str | None = None,
        planned: Assumption | None = None,
    ) -> ElicitedDriver:
        """Make a plan's driver, the same in every year.

        Parameters
        ----------
        name
            What to call it.
        persistence
            How long a shock lasts, which quantiles of one year do not say: 0 to 1, or
            ``"random_walk"``, with which the quantiles are the first year's.
        source
            Who was asked, and when; put before what was said.
        planned
            What the council's own table assumes, where that is something else.
        """
        said = self.source if source is None else f"{source}. {self.source}"
        return ElicitedDriver(
            Driver.model_validate(
                {
                    "name": name,
                    "persistence": persistence,
                    "source": said,
                    "planned": planned,
                    **_fields(self.distribution, self.family),
                }
            )
        )


def elicit(
    quantiles: Mapping[float, float] | None = None,
    *,
    interval: tuple[float, float] | None = None,
    prob: float | None = None,
    family: Family | None = None,
    bounds: tuple[float, float] | None = None,
    df: float = DF,
) -> Elicited:
    """Fit a distribution to an expert's quantiles, or to an interval and its probability.

    Parameters
    ----------
    quantiles
        Values by level, such as ``{0.1: 0.02, 0.5: 0.03, 0.9: 0.06}``; at least two.
    interval, prob
        Or an interval, and the chance that the truth lies in it, with equal tails beyond each end.
    family
        The family; unless given, that which misses the stated quantiles least, and of equals the
        simplest: without bounds ``normal``, ``student_t``, ``lognormal`` (values above 0) or, with
        three quantiles or more, ``shifted_lognormal``, which leans as they ask; with bounds
        ``beta``, ``pert`` or ``triangular``.
    bounds
        The least and the most the value can be.
    df
        Degrees of freedom of a Student t, above 2.

    Returns
    -------
    Elicited
        Fitted by least squares on the quantiles: the sum of the squared misses, in the units of the
        value, is least (O'Hagan et al. 2006, Uncertain Judgements, ch. 5). A family whose mean
        would lie outside the stated quantiles is not taken: a tail nobody spoke of would rule it.

    Raises
    ------
    MtfsError
        When quantiles cross, an interval has no width, a level lies outside 0 to 1, a family is
        unknown or cannot hold what was said, or quantiles and interval are both given, or neither.

    Examples
    --------
    >>> found = elicit({0.1: 0.02, 0.5: 0.03, 0.9: 0.04})
    >>> found.family, round(found.implied.mean, 3), round(found.implied.below_zero, 5)
    ('normal', 0.03, 6e-05)
    >>> elicit(interval=(100, 400), prob=0.8, family="lognormal").implied.median.__round__()
    200
    """
    levels, stated = _stated(quantiles, interval, prob)
    number: Any = df
    if isinstance(number, bool) or not isinstance(number, int | float):
        msg = f"df is {df!r}; expected degrees of freedom above 2"
        raise MtfsError(msg)
    if not df > 2:  # noqa: PLR2004 - below, there is no variance
        msg = f"df is {df:g}; expected degrees of freedom above 2"
        raise MtfsError(msg)
    limits = None if bounds is None else _limits(bounds, stated)
    wanted = _families(family, limits, stated)
    scores = np.array([quantile_score(level) for level in levels])
    spread = float(stated[-1] - stated[0])
    fitted = {each: _FITS[each](scores, stated, limits, df) for each in wanted}
    found = {each: made for each, made in fitted.items() if _told(made, stated)}
    if not found:
        msg = (
            f"the {listing(wanted)} that comes nearest has its mean outside the quantiles stated, "
            f"{stated[0]:g} to {stated[-1]:g}: a tail of which nothing was said would rule it. Ask "
            "for quantiles further out, or give bounds"
        )
        raise MtfsError(msg)
    misses = {each: quantiles_of(made, levels) - stated for each, made in found.items()}
    misfit = {each: math.sqrt(float((miss**2).mean())) / spread for each, miss in misses.items()}
    least = min(misfit.values())
    chosen = next(each for each in found if misfit[each] <= least + _TIE)
    return Elicited(
        distribution=found[chosen],
        family=chosen,
        bounds=limits,
        fit=pd.DataFrame(
            {"stated": stated, "fitted": stated + misses[chosen], "miss": misses[chosen]},
            index=pd.Index(levels, name="level"),
        ),
        misfit=misfit[chosen],
        candidates=pd.Series(misfit, name="misfit").rename_axis("family"),
        implied=implied_by(found[chosen]),
    )


def _stated(
    quantiles: Mapping[float, float] | None,
    interval: tuple[float, float] | None,
    prob: float | None,
) -> tuple[list[float], Array]:
    """Give levels and the values stated for them, in order."""
    if (quantiles is None) == (interval is None):
        msg = (
            "give either quantiles, {0.1: 0.02, 0.9: 0.06}, or interval=(0.02, 0.06) with prob=0.8"
        )
        raise MtfsError(msg)
    if (interval is None) != (prob is None):
        msg = "interval and prob, the chance that the truth lies in it, go together"
        raise MtfsError(msg)
    if interval is not None and prob is not None:
        low, high = _two(interval, "interval")
        require_interval(low, high, prob)
        return [(1 - prob) / 2, (1 + prob) / 2], np.array([low, high], dtype=np.float64)
    held = _by_level(quantiles)
    if len(held) < 2:  # noqa: PLR2004 - a centre and a spread
        msg = (
            f"found {len(held)} quantiles; expected at least two, as one says nothing of the spread"
        )
        raise MtfsError(msg)
    for level, value in held.items():
        require_share(level, "the level of a quantile", open_ends=True)
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            msg = f"the quantile at {level:g} is {value!r}; expected a number"
            raise MtfsError(msg)
        if not math.isfinite(value):
            msg = f"the quantile at {level:g} is {value:g}; expected a finite number"
            raise MtfsError(msg)
    for (low, before), (high, after) in pairwise(held.items()):
        if not before < after:
            what = "the same as" if before == after else "above"
            msg = (
                f"quantiles cross: the one at {low:g} is {before:g}, {what} the one at {high:g}, "
                f"{after:g}; expected values that rise with their levels"
            )
            raise MtfsError(msg)
    return [float(level) for level in held], np.array(list(held.values()), dtype=np.float64)


def _by_level(quantiles: object) -> dict[float, float]:
    """Give values by level, in order."""
    held: Any = quantiles
    if not isinstance(held, Mapping) or not all(
        isinstance(each, int | float | np.number) for each in held
    ):
        msg = f"quantiles is {held!r}; expected values by level, such as {{0.1: 0.02, 0.9: 0.06}}"
        raise MtfsError(msg)
    return dict(sorted(held.items()))


def _two(given: object, what: str) -> tuple[float, float]:
    """Give the two ends of something."""
    held: Any = given
    ends = 2
    good = isinstance(held, tuple | list) and len(held) == ends
    if not good or not all(isinstance(each, int | float | np.number) for each in held):
        msg = f"{what} is {given!r}; expected two numbers, such as (0.02, 0.06)"
        raise MtfsError(msg)
    return float(held[0]), float(held[1])


def _limits(bounds: tuple[float, float], stated: Array) -> tuple[float, float]:
    low, high = _two(bounds, "bounds")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        msg = f"bounds run from low to high; found {low:g} to {high:g}"
        raise MtfsError(msg)
    if not low < stated[0] or not stated[-1] < high:
        msg = (
            f"the quantiles {stated[0]:g} to {stated[-1]:g} do not lie within the bounds {low:g} "
            f"to {high:g}, beyond which nothing can be; widen the bounds"
        )
        raise MtfsError(msg)
    return low, high


def _families(
    family: Family | None, bounds: tuple[float, float] | None, stated: Array
) -> Sequence[Family]:
    if family is None:
        if bounds is not None:
            return _BOUNDED
        return [
            each
            for each in _FREE
            if (each != "lognormal" or stated[0] > 0)
            and (each != "shifted_lognormal" or len(stated) >= _LEAN)
        ]
    if family not in FAMILIES:
        msg = f"no family '{family}'.{suggest(family, FAMILIES)} There are: {listing(FAMILIES)}"
        raise MtfsError(msg)
    if (family in _BOUNDED) != (bounds is not None):
        needs = "needs bounds=(least, most)" if bounds is None else "has no bounds; leave them out"
        msg = f"a {family} {needs}"
        raise MtfsError(msg)
    if family == "lognormal" and stated[0] <= 0:
        msg = (
            f"a lognormal lies above 0; found a quantile of {stated[0]:g}. A shifted_lognormal may "
            "lie below"
        )
        raise MtfsError(msg)
    if family == "shifted_lognormal" and len(stated) < _LEAN:
        msg = f"found {len(stated)} quantiles; how far a shifted_lognormal leans takes three"
        raise MtfsError(msg)
    return (family,)


def _told(made: Distribution, stated: Array) -> bool:
    """Whether what was stated says where the mean lies, and not a tail beyond it."""
    try:
        return bool(stated[0] <= made.mean <= stated[-1])
    except OverflowError:  # of a lognormal that leans without end
        return False


Bounds: TypeAlias = "tuple[float, float] | None"


def _normal(scores: Array, stated: Array, _bounds: Bounds, _df: float) -> Distribution:
    sd, mean = np.polyfit(scores, stated, 1)
    return Normal(float(mean), float(sd))


def _student_t(scores: Array, stated: Array, _bounds: Bounds, df: float) -> Distribution:
    unit = StudentT(0.0, 1.0, df).quantiles(scores)
    sd, mean = np.polyfit(unit, stated, 1)
    return StudentT(float(mean), float(sd), df)


def _lognormal(scores: Array, stated: Array, _bounds: Bounds, _df: float) -> Distribution:
    def make(raw: Array) -> Distribution:
        return Lognormal(math.exp(raw[0]), math.exp(raw[1]))

    # the upper quantiles weigh most, and the logarithm of a lowest one near 0 leads far astray
    high, below = np.log(stated[-1]), np.log(stated[-2])
    sigma = (high - below) / (scores[-1] - scores[-2])
    return _least_squares(make, [high - sigma * scores[-1], math.log(sigma)], scores, stated)


def _shifted(scores: Array, stated: Array, bounds: Bounds, df: float) -> Distribution:
    # value = centre + sd (exp(lean z) - 1) / lean, which is a normal where lean is 0
    start = _normal(scores, stated, bounds, df)

    def make(raw: Array) -> Distribution:
        centre, sd = start.mean + start.sd * float(raw[0]), start.sd * math.exp(raw[1])
        lean = float(raw[2])
        if abs(lean) < 1e-9:  # noqa: PLR2004 - a normal to the last digit
            return Normal(centre, sd)
        return Lognormal(sd / lean, lean, centre - sd / lean)

    return _least_squares(make, [0.0, 0.0, 0.1], scores, stated)


def _beta(scores: Array, stated: Array, bounds: Bounds, df: float) -> Distribution:
    low, high = _within(bounds)
    near = _normal(scores, stated, None, df)
    share = min(max((near.mean - low) / (high - low), 0.02), 0.98)  # a start only
    size = max(share * (1 - share) / (near.sd / (high - low)) ** 2 - 1, 0.5)

    def make(raw: Array) -> Distribution:
        return Beta(math.exp(raw[0]), math.exp(raw[1]), low, high)

    start = [math.log(size * share), math.log(size * (1 - share))]
    return _least_squares(make, start, scores, stated)


def _pert(scores: Array, stated: Array, bounds: Bounds, _df: float) -> Distribution:
    low, high = _within(bounds)
    return _by_mode(lambda mode: Beta.pert(low, mode, high), low, high, scores, stated)


def _triangular(scores: Array, stated: Array, bounds: Bounds, _df: float) -> Distribution:
    low, high = _within(bounds)
    return _by_mode(lambda mode: Triangular(low, mode, high), low, high, scores, stated)


def _by_mode(
    shape: Callable[[float], Distribution], low: float, high: float, scores: Array, stated: Array
) -> Distribution:
    def make(raw: Array) -> Distribution:
        return shape(low + (high - low) / (1 + math.exp(-float(raw[0]))))

    share = float((stated.mean() - low) / (high - low))
    return _least_squares(make, [math.log(share / (1 - share))], scores, stated)


def _within(bounds: Bounds) -> tuple[float, float]:
    if bounds is None:
        msg = "a bounded family needs bounds=(least, most)"
        raise MtfsError(msg)
    return bounds


def _least_squares(
    make: Callable[[Array], Distribution], start: Sequence[float], scores: Array, stated: Array
) -> Distribution:
    """Fit by least squares on quantiles."""
    from scipy.optimize import least_squares  # noqa: PLC0415 - keeps import light

    spread = float(stated[-1] - stated[0])

    def miss(raw: Array) -> Array:
        return (_exact(make(raw), scores) - stated) / spread

    # what is tried on the way may lie beyond what a float holds, and is then no answer
    with np.errstate(over="ignore", invalid="ignore"):
        answer = least_squares(miss, start, xtol=1e-14, ftol=1e-14, gtol=1e-14)
    return make(answer.x)


def _exact(distribution: Distribution, scores: Array) -> Array:
    """Give exact quantiles; those read from a table are a table more for every trial."""
    exact = getattr(distribution, "quantiles", distribution.value)
    return np.asarray(exact(scores), dtype=np.float64)


_FITS: dict[Family, Callable[[Array, Array, Bounds, float], Distribution]] = {
    "normal": _normal,
    "student_t": _student_t,
    "lognormal": _lognormal,
    "shifted_lognormal": _shifted,
    "beta": _beta,
    "pert": _pert,
    "triangular": _triangular,
}


def _fields(distribution: Distribution, family: Family) -> dict[str, Any]:
    """Say a distribution as a driver does."""
    sd = distribution.sd

    def near(value: float) -> float:
        return rounded(value, sd)

    if family == "normal":
        return {"central": near(distribution.mean), "sd": near(sd)}
    if isinstance(distribution, StudentT):
        return {
            "central": near(distribution.mean),
            "sd": near(sd),
            "shape": "student_t",
            "df": distribution.df,
        }
    if family in {"lognormal", "shifted_lognormal"}:
        low, high = quantiles_of(distribution, [(1 - _PROB) / 2, (1 + _PROB) / 2]).tolist()
        held = {
            "shape": "lognormal",
            "interval": Interval(low=near(low), high=near(high), prob=_PROB),
        }
        return held if family == "lognormal" else held | {"central": near(distribution.median)}
    if isinstance(distribution, Beta):
        bounds = (distribution.low, distribution.high)
        if family == "beta":
            stated = {"central": near(distribution.mean), "sd": near(sd), "stated_as": "mean"}
            return stated | {"shape": "beta", "bounds": bounds}
        return {
            "central": near(distribution.mode),
            "stated_as": "mode",
            "shape": "pert",
            "bounds": bounds,
        }
    if isinstance(distribution, Triangular):
        return {
            "central": near(distribution.mode),
            "stated_as": "mode",
            "shape": "triangular",
            "bounds": (distribution.low, distribution.high),
        }
    msg = f"a {family} is no shape of a driver"
    raise MtfsError(msg)
