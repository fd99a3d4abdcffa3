"""What of planned savings was delivered, and how far schemes of one year failed together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from mtfs.calibrate.texts import Section, plan_text
from mtfs.distributions import Beta
from mtfs.lines.savings import COMMON_FACTOR, CORPORATE, SLIPPED, Delivery, Saving
from mtfs.vocabulary import Array, MtfsError, listing, suggest, year_start

Weights: TypeAlias = Literal["none", "planned"]
OverDelivery: TypeAlias = Literal["refuse", "whole"]
LEAST = 4  # schemes: three degrees of freedom
# COMMON_FACTOR's judgement is 0.2 to 0.4: taken as one standard deviation either way.
COMMON_SD = 0.1
_COLUMNS = ("year", "scheme", "planned", "achieved")
_GRID = np.linspace(0.0, 0.995, 200)
_MIDDLE = 0.8
_FEWEST_TO_ADD = 3  # rows of a year: of two alike neither is a total
_ROUNDING = 0.002  # of a total: figures in thousands or tenths of a million


@dataclass(frozen=True)
class CommonFactor:
    """How strongly delivery scores of schemes of one year go together."""

    value: float
    """shrunk: the mean of likelihood times prior"""
    sd: float
    """how well that is known"""
    record: float
    """the likeliest value by the record alone"""
    record_interval: tuple[float, float]
    """by the record alone, any value being as likely as another before: the likeliest 80%"""


@dataclass(frozen=True)
class Record:
    """Shares of what was planned."""

    mean: float
    mean_se: float
    """standard error, with schemes of one year going together"""
    sd: float
    """of schemes round the mean"""


@dataclass(frozen=True)
class FittedDelivery:
    """The share of savings that is delivered, and what it rests on."""

    delivery: Delivery
    """of one scheme, with what is not known of the mean; a beta from 0 to 1"""
    savings_correlation: float
    """the common factor, with what is not known of the mean, which all schemes share"""
    gross: Record
    net: Record | None
    """after in-year pressures; not for a plan whose drivers draw those pressures"""
    common: CommonFactor
    by_year: pd.DataFrame
    """by ``year``: ``schemes``, ``planned``, ``achieved`` and ``share``, the pounds' together"""
    whole: int
    """schemes that delivered all, or more, which counts as all"""
    source: str
    together: str
    """what the common factor rests on"""

    def saving(
        self,
        name: str,
        levels: Sequence[float],
        *,
        service: str = CORPORATE,
        slipped: float = SLIPPED,
    ) -> Saving:
        """Make a scheme that is delivered so.

        Parameters
        ----------
        name, service
            What it is called, and whose it is.
        levels
            GBP planned by year.
        slipped
            The share of what a year misses that arrives a year later. A record of years by
            themselves says nothing of it; what a saving has unless told otherwise (see
            :class:`mtfs.lines.Saving`) unless given.
        """
        known = "" if slipped != SLIPPED else ", as elsewhere"
        return Saving(
            name=name,
            service=service,
            levels=tuple(levels),
            delivery=self.delivery,
            slipped=slipped,
            source=f"{self.source}; of what is missed {slipped:g} comes a year later{known}",
        )

    def for_schemes(
        self, levels: Mapping[str, Sequence[float]], *, slipped: float = SLIPPED
    ) -> DeliveredSchemes:
        """Give schemes by name, GBP planned by year, for :func:`plan_text`."""
        given: Any = levels
        if not isinstance(given, Mapping) or not given:
            msg = (
                "no scheme was given; expected GBP planned by year, by name, such as "
                "{'digital': [1e6, 2e6]}"
            )
            raise MtfsError(msg)
        schemes = tuple(self.saving(name, held, slipped=slipped) for name, held in levels.items())
        return DeliveredSchemes(schemes, self.savings_correlation, self.together)

    def text(self, levels: Mapping[str, Sequence[float]], *, slipped: float = SLIPPED) -> str:
        """Write schemes, GBP planned by year, as a plan holds them."""
        return plan_text(self.for_schemes(levels, slipped=slipped))


@dataclass(frozen=True)
class DeliveredSchemes:
    """Schemes with what was learnt of delivery."""

    schemes: tuple[Saving, ...]
    savings_correlation: float
    together: str
    """what the common factor rests on"""

    def sections(self) -> tuple[Section, ...]:
        """Give them by the plan's keys."""
        return (
            Section(
                "savings_correlation",
                self.savings_correlation,
                f"How far schemes fail together: {self.together}",
            ),
            Section("savings", self.schemes),
        )


def fit_savings_delivery(
    table: pd.DataFrame,
    *,
    source: str,
    weights: Weights = "none",
    over_delivery: OverDelivery = "refuse",
) -> FittedDelivery:
    """Learn what share of planned savings is delivered from what was planned and achieved.

    Parameters
    ----------
    table
        One row a scheme (or directorate) and year: ``year``, ``scheme``, ``planned`` and
        ``achieved``, GBP or any unit, gross; with ``pressures``, what in-year pressures took of it
        again (0 or above), the net share is given too, and kept apart.
    source
        Where the figures come from.
    weights
        ``"none"``: every row counts once, which says what one scheme delivers; ``"planned"``: by
        size, which says what a pound delivers.
    over_delivery
        ``"refuse"``: more achieved than planned is an error, as a plan's delivery is a share from 0
        to 1; ``"whole"``: it counts as all, and ``whole`` says how often.

    Returns
    -------
    FittedDelivery
        ``delivery`` is a beta of the record's mean; its variance is that of schemes plus the mean's
        squared standard error. The common factor is the correlation of schemes of one year, by
        restricted likelihood of their normal scores (of ranks, Blom 1958), shrunk to
        ``mtfs.lines.savings.COMMON_FACTOR``, 0.3 give or take 0.1: a few years say little.

    Raises
    ------
    MtfsError
        When columns are missing, a scheme comes twice in a year, a row is the total of others, a
        figure is missing or not in its
        range, there are fewer than four rows, or all delivered the same.

    Examples
    --------
    >>> import pandas as pd
    >>> held = pd.DataFrame({"year": ["2023/24", "2023/24", "2024/25", "2024/25"],
    ...     "scheme": ["a", "b", "a", "b"], "planned": 100, "achieved": [90, 70, 80, 60]})
    >>> found = fit_savings_delivery(held, source="invented")
    >>> round(found.gross.mean, 2), found.by_year["share"].tolist()
    (0.75, [0.8, 0.7])
    """
    if weights not in ("none", "planned") or over_delivery not in ("refuse", "whole"):
        msg = (
            f"weights is {weights!r} and over_delivery {over_delivery!r}; expected 'none' or "
            "'planned', and 'refuse' or 'whole'"
        )
        raise MtfsError(msg)
    held = _checked(table)
    share = (held["achieved"] / held["planned"]).to_numpy()
    if over_delivery == "refuse" and (share > 1).any():
        place = int(np.argmax(share > 1))
        msg = (
            f"{_place(held, place)}: achieved {share[place]:.3g} of what was planned; a plan's "
            "delivery is a share from 0 to 1: over_delivery='whole' counts it as all"
        )
        raise MtfsError(msg)
    whole = int((share >= 1).sum())
    share = np.minimum(share, 1.0)
    if np.ptp(share) < 1e-9:  # noqa: PLR2004 - rounding
        msg = (
            f"every row delivered {share[0]:.3g}, which says nothing of how far delivery may differ"
        )
        raise MtfsError(msg)
    year = pd.factorize(held["year"])[0]
    size = held["planned"].to_numpy() if weights == "planned" else np.ones(len(held))
    common = _common(share, year)
    gross = _record(share, year, size, common.value)
    net = None
    if "pressures" in held:
        after = ((held["achieved"] - held["pressures"]) / held["planned"]).to_numpy()
        net = _record(after, year, size, common.value)
    sd = math.hypot(gross.sd, gross.mean_se)
    _require_beta(gross.mean, sd)
    sums = held.groupby("year", sort=False)[["planned", "achieved"]].sum()
    by_year = sums.assign(
        schemes=held.groupby("year", sort=False).size(), share=sums["achieved"] / sums["planned"]
    )[["schemes", "planned", "achieved", "share"]]
    together = (common.value * gross.sd**2 + gross.mean_se**2) / sd**2
    counted = "each counting once" if weights == "none" else "by what was planned"
    return FittedDelivery(
        delivery=Delivery(mean=round(gross.mean, 3), sd=round(sd, 3)),
        savings_correlation=round(together, 3),
        gross=gross,
        net=net,
        common=common,
        by_year=by_year,
        whole=whole,
        source=(
            f"{source}; {min(held['year'])} to {max(held['year'])}, {len(held)} rows of "
            f"{len(by_year)} years, {counted}, gross: mean {gross.mean:.3f} "
            f"(s.e. {gross.mean_se:.3f}), s.d. {gross.sd:.3f}"
        ),
        together=(
            f"{common.record:.2f} by the record alone ({common.record_interval[0]:.2f} to "
            f"{common.record_interval[1]:.2f}), {common.value:.2f} shrunk to {COMMON_FACTOR}, and "
            "with what is not known of the mean, which all share"
        ),
    )


def _checked(table: object) -> pd.DataFrame:
    if not isinstance(table, pd.DataFrame):
        msg = (
            f"found a {type(table).__name__}; expected a pandas.DataFrame with {listing(_COLUMNS)}"
        )
        raise MtfsError(msg)
    for column in _COLUMNS:
        if column not in table.columns:
            near = suggest(column, map(str, table.columns))
            msg = (
                f"the table has no column '{column}'.{near} It holds "
                f"{listing(map(str, table.columns))}"
            )
            raise MtfsError(msg)
    held = table.reset_index(drop=True)
    if len(held) < LEAST:
        msg = f"the table has {len(held)} rows; expected at least {LEAST}"
        raise MtfsError(msg)
    _require_years(held)
    if (twice := held.duplicated(["year", "scheme"])).any():
        msg = f"{_place(held, int(np.argmax(twice)))}: given twice; add its figures together"
        raise MtfsError(msg)
    _require_no_total(held)
    amounts = [name for name in ("planned", "achieved", "pressures") if name in held]
    for name in amounts:
        if held[name].dtype.kind not in "iuf":
            msg = f"column '{name}' holds values of type {held[name].dtype}; expected numbers"
            raise MtfsError(msg)
        least = "above 0" if name == "planned" else "0 or above"
        figures = held[name].to_numpy(dtype=np.float64)
        good = np.isfinite(figures) & ((figures > 0) if name == "planned" else (figures >= 0))
        if not good.all():
            place = int(np.argmin(good))
            msg = f"{_place(held, place)}: {name} is {figures[place]:g}; expected a number {least}"
            raise MtfsError(msg)
    return held


def _require_years(held: pd.DataFrame) -> None:
    for row, label in enumerate(held["year"]):
        try:
            year_start(label)
        except MtfsError as error:
            msg = f"{held['scheme'].iloc[row]}: {error}"
            raise MtfsError(msg) from None


def _require_no_total(held: pd.DataFrame) -> None:
    """Refuse a row that is the sum of the others of its year."""
    for year, rows in held.groupby("year", sort=False):
        if len(rows) < _FEWEST_TO_ADD:
            continue
        figures = rows[["planned", "achieved"]].apply(pd.to_numeric, errors="coerce")
        rest = figures.sum() - figures
        same = ((figures - rest).abs() <= _ROUNDING * figures).all(axis=1).to_numpy()
        if same.any():
            name = rows["scheme"].iloc[int(np.argmax(same))]
            msg = (
                f"{name}, {year}: planned and achieved are the sums of the year's other rows; "
                "leave a total out, it would count as a scheme"
            )
            raise MtfsError(msg)


def _place(held: pd.DataFrame, row: int) -> str:
    return f"{held['scheme'].iloc[row]}, {held['year'].iloc[row]}"


def _record(share: Array, year: NDArray[np.intp], size: Array, common: float) -> Record:
    """Estimate mean and spread of shares whose noise has one correlation within a year.

    With weights ``w`` that sum to 1, ``W`` their sums by year, s.d. ``s`` and correlation ``c``,
    the mean has variance ``s**2 ((1 - c) sum(w**2) + c sum(W**2))``, by which the squares round it
    fall short of ``s**2``.
    """
    weight = size / size.sum()
    by_year = np.bincount(year, weight)
    lost = (1 - common) * (weight**2).sum() + common * (by_year**2).sum()
    mean = float(weight @ share)
    variance = float(weight @ (share - mean) ** 2) / (1 - lost)
    return Record(mean=mean, mean_se=math.sqrt(variance * lost), sd=math.sqrt(variance))


def _common(share: Array, year: NDArray[np.intp]) -> CommonFactor:
    """Estimate the correlation of the scores of one year's schemes, and shrink it."""
    ranks = pd.Series(share).rank().to_numpy()
    scores = np.asarray(special.ndtri((ranks - 3 / 8) / (len(share) + 1 / 4)))
    log = _likelihood(scores, year, _GRID)
    likelihood = np.exp(log - log.max())
    alone = likelihood / likelihood.sum()
    likeliest = np.argsort(-alone)
    held = likeliest[: int(np.searchsorted(np.cumsum(alone[likeliest]), _MIDDLE)) + 1]
    prior = Beta.from_mean(COMMON_FACTOR, COMMON_SD)
    weight = likelihood * _GRID ** (prior.a - 1) * (1 - _GRID) ** (prior.b - 1)
    weight /= weight.sum()
    value = float(weight @ _GRID)
    return CommonFactor(
        value=value,
        sd=math.sqrt(float(weight @ (_GRID - value) ** 2)),
        record=float(_GRID[np.argmax(likelihood)]),
        record_interval=(float(_GRID[held.min()]), float(_GRID[held.max()])),
    )


def _likelihood(scores: Array, year: NDArray[np.intp], common: Array) -> Array:
    """Give the log restricted likelihood of correlations within a year, shape of ``common``.

    Mean and variance are integrated out, as ``regressed`` does, by the closed inverse of
    ``(1 - c) I + c J`` of each year's ``m`` rows, whose determinant is
    ``(1 - c)**(m - 1) (1 - c + m c)``.
    """
    rows = np.bincount(year).astype(float)[:, None]
    sums = np.bincount(year, scores)[:, None]
    squares = np.bincount(year, scores**2)[:, None]
    own = 1 - common
    whole = own + rows * common
    logs = ((rows - 1) * np.log(own) + np.log(whole)).sum(axis=0)
    precision = (rows / whole).sum(axis=0)
    mean = (sums / whole).sum(axis=0) / precision
    around = ((squares - common * sums**2 / whole) / own).sum(axis=0) - precision * mean**2
    found: Array = -(logs + np.log(precision) + (len(scores) - 1) * np.log(around)) / 2
    return found


def _require_beta(mean: float, sd: float) -> None:
    try:
        Beta.from_mean(mean, sd)
    except MtfsError:
        msg = (
            f"shares delivered have mean {mean:.3f} and s.d. {sd:.3f}: almost all or nothing, "
            "which no beta is. Say 'starts', the chance that a scheme starts at all, apart from "
            "what it delivers once started"
        )
        raise MtfsError(msg) from None
