"""What a council's own record says of today's spread and bias, and how little it rests on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import special

from mtfs.sampling import RandomScores, ShockSpec, draw_scores, require_seed
from mtfs.schema import planned_name, require_axes, require_projection
from mtfs.verify.records import (
    Miss,
    TrackRecord,
    budgeted,
    independent_plans,
    require_made,
    require_todays_unit,
    scale_of,
)
from mtfs.vocabulary import Array, MtfsError, listing, require_share

if TYPE_CHECKING:
    from collections.abc import Sequence

# A judgement, weak on purpose. Before any record the spread is as likely too wide as too narrow,
# and within a factor of 0.6 to 2.2 with a chance of 90%: an inverse gamma of four degrees of
# freedom for its square. The shift is worth one plan that came out as today's draws expect.
PRIOR_FREEDOM = 4.0
PRIOR_PLANS = 1.0
_PROB = 0.9
_MOSTLY = 0.5  # a share of the prior above it: the record says less than what was assumed


@dataclass(frozen=True)
class Belief:
    """A normal-inverse-gamma distribution of the shift and of the multiplier of the spread.

    The multiplier's square is inverse gamma with ``shape`` and ``scale``; given the multiplier, the
    shift is normal with ``mean`` and variance ``multiplier**2 / plans``, in spreads of today's
    draws.
    """

    mean: float
    plans: float
    shape: float
    scale: float

    @classmethod
    def before(cls) -> Belief:
        """Give what is believed before any record."""
        shape = PRIOR_FREEDOM / 2
        return cls(0.0, PRIOR_PLANS, shape, float(special.gammaincinv(shape, 0.5)))

    def after(self, residuals: Array, weight: float) -> Belief:
        """Learn from residuals that are worth ``weight`` independent ones.

        The likelihood is raised to ``weight / len(residuals)``, as residuals that share their news
        are less evidence than their number (a composite likelihood with its magnitude adjusted:
        Pauli, Racugno and Ventura 2011, Statistica Sinica 21); else the usual conjugate update
        (Gelman and others, Bayesian Data Analysis, 3rd edition 2013, section 3.3).

        Examples
        --------
        >>> found = Belief(0.0, 1.0, 2.0, 1.0).after(np.array([2.0]), 1.0)
        >>> found.mean, found.plans, found.shape, found.scale  # half of 2, and half of 1/2 * 4
        (1.0, 2.0, 2.5, 2.0)
        """
        mean, plans = residuals.mean(), self.plans + weight
        squares = weight * residuals.var() + self.plans * weight * (mean - self.mean) ** 2 / plans
        return Belief(
            float((self.plans * self.mean + weight * mean) / plans),
            plans,
            self.shape + weight / 2,
            float(self.scale + squares / 2),
        )

    def multiplier(self, q: float | Array) -> Array:
        """Give quantiles of the multiplier of the spread."""
        return np.asarray(np.sqrt(self.scale / special.gammaincinv(self.shape, 1 - np.asarray(q))))

    def shift(self, q: float | Array) -> Array:
        """Give quantiles of the shift, in spreads of today's draws."""
        spread = math.sqrt(self.scale / (self.shape * self.plans))
        return np.asarray(self.mean + spread * special.stdtrit(2 * self.shape, np.asarray(q)))


@dataclass(frozen=True)
class Recalibration:
    """How today's draws would have to move to agree with a council's record; from `recalibrate`."""

    variable: str
    basis: str
    policy: str
    belief: Belief
    errors: tuple[Miss, ...]
    """those it rests on"""
    residuals: tuple[float, ...]
    """where each error lies among today's draws: standard deviations from their median"""
    independent: int
    """plans that share no time: what the errors are worth"""
    left_out: int
    """errors more years ahead than today's plan reaches, or of the year a plan was made in"""
    open_years: bool
    settled: tuple[str, ...] = ()
    """today's years that no revision is to come of, whose draws stay as they are"""

    @property
    def multiplier(self) -> float:
        """The median multiplier of today's spread."""
        return float(self.belief.multiplier(0.5))

    @property
    def shift(self) -> float:
        """The median shift, in standard deviations of today's draws."""
        return float(self.belief.shift(0.5))

    def table(self, *, prob: float = _PROB) -> pd.DataFrame:
        """Put multiplier and shift beside what was believed before any record.

        Parameters
        ----------
        prob
            Of the intervals, from 0 to 1.

        Returns
        -------
        pandas.DataFrame
            Rows ``multiplier`` (of the spread) and ``shift`` (standard deviations of today's
            draws, above 0 upwards): ``median``, ``low``, ``high``, the same ``_before``, and
            ``prior_share``, how much of it is the prior's.
        """
        require_share(prob, "prob", open_ends=True)
        q = np.array([0.5, (1 - prob) / 2, (1 + prob) / 2])
        before = Belief.before()
        shares = {
            "multiplier": before.shape / self.belief.shape,
            "shift": before.plans / self.belief.plans,
        }
        rows = {
            name: [*getattr(self.belief, name)(q), *getattr(before, name)(q), shares[name]]
            for name in ("multiplier", "shift")
        }
        names = ("median", "low", "high")
        columns = [*names, *(f"{name}_before" for name in names), "prior_share"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns)

    def draws(self, ds: xr.Dataset, *, seed: int | None = None) -> xr.DataArray:
        """Move and stretch the draws of a projection; what is not known of either is in them.

        Parameters
        ----------
        ds
            The projection that the recalibration was made with, or another of the same plan.
        seed
            Fixes each draw's shift and multiplier: the projection's own unless given.

        Returns
        -------
        xarray.DataArray
            Dimensions ``(draw, year)``: the median plus the standard deviation of each year times
            ``shift + multiplier * z``, z being how far a draw lies from the median; one shift and
            one multiplier a draw, for all its years but those of :attr:`settled`, which stay.

        Raises
        ------
        MtfsError
            When ``ds`` is no such projection.
        """
        today = _Today.of(ds, self.variable)
        seed = int(ds.attrs.get("seed", 0)) if seed is None else require_seed(seed)
        n = ds.sizes["draw"]
        specs = [ShockSpec(name, "recalibration", once=True) for name in ("spread", "shift")]
        scores = draw_scores(specs, RandomScores(seed, n), 1)
        multiplier = self.belief.multiplier(special.ndtr(scores["spread"]))
        shift = self.belief.mean + multiplier * scores["shift"] / math.sqrt(self.belief.plans)
        z = (today.draws - today.median) / today.sd
        values = today.median + today.sd * (shift[:, None] + multiplier[:, None] * z)
        stays = np.isin(ds["year"].to_numpy(), self.settled)
        values = np.where(stays, today.draws, values)
        own = ds[self.variable]
        return xr.DataArray(
            values,
            {"draw": ds["draw"], **{n: c for n, c in own.coords.items() if c.dims == ("year",)}},
            ("draw", "year"),
            name=self.variable,
            attrs=own.attrs
            | {
                "long_name": f"{own.attrs['long_name']}, recalibrated",
                "basis": self.basis,
                "independent_plans": self.independent,
            },
        )

    def quantiles(
        self, ds: xr.Dataset, q: Sequence[float] = (0.1, 0.5, 0.9), *, seed: int | None = None
    ) -> xr.DataArray:
        """Give quantiles of the recalibrated draws by year, as :func:`mtfs.plot.fan` draws them.

        Parameters
        ----------
        ds, seed
            As for :meth:`draws`.
        q
            Shares of the draws that lie below, each from 0 to 1.

        Returns
        -------
        xarray.DataArray
            Dimensions ``(quantile, year)``.
        """
        given: Any = q
        if isinstance(given, str) or not isinstance(given, Iterable):
            msg = f"q is {q!r}; expected shares such as (0.1, 0.5, 0.9)"
            raise MtfsError(msg)
        for share in q:
            require_share(share, "q")
        return self.draws(ds, seed=seed).quantile(list(q), "draw", keep_attrs=True)

    @property
    def words(self) -> str:
        """Say in words what the record says, and how little it rests on."""
        table = self.table()
        made = len({miss.made for miss in self.errors})
        spread, shift = (table.loc[name] for name in ("multiplier", "shift"))
        against = (
            "the budget of the year"
            if self.basis == "revision" and not self.open_years
            else "the budget of the year, or the latest plan where that is still to come"
            if self.basis == "revision"
            else "the year's outturn"
        )
        holds = (
            f"The record of the {self.variable} holds {_counted(len(self.errors), 'error')} of "
            f"{_counted(made, 'plan')} against {against}. Where plans overlap in time they share "
            f"their news: it is worth {_counted(self.independent, 'independent plan')}."
        )
        wide = (
            f"Spread: today's times {spread['median']:.2g} ({_PROB:.0%} interval "
            f"{spread['low']:.2g} to {spread['high']:.2g}; before the record "
            f"{spread['low_before']:.2g} to {spread['high_before']:.2g})."
        )
        moved = (
            f"Shift: {shift['median']:+.2g} standard deviations of today's draws "
            f"({shift['low']:+.2g} to {shift['high']:+.2g}; before the record "
            f"{shift['low_before']:+.2g} to {shift['high_before']:+.2g})."
        )
        rests = (
            f"Of the multiplier {spread['prior_share']:.0%} is the prior's, and of the shift "
            f"{shift['prior_share']:.0%}: "
            + (
                "read it as a warning, not as a measurement."
                if spread["prior_share"] > _MOSTLY
                else "the record says more than the prior does."
            )
        )
        lines = [holds, wide, moved, rests]
        if self.basis == "revision":
            lines.append(
                "It is about where the council's own figure will stand when budgets are set, not "
                "about how far years then end from their budgets."
            )
        if self.settled:
            lines.append(
                f"The budget of {listing(self.settled)} is set, so no revision is to come: its "
                "draws stay as they are."
            )
        if self.policy:
            lines.append(f"It holds {self.policy}.")
        if self.open_years:
            lines.append("Some of the years may still be revised, so errors may yet grow.")
        if self.left_out:
            lines.append(
                f"{_counted(self.left_out, 'error')} further ahead than today's plan, as near as a "
                "year whose budget is set, or of the year a plan was made in, left out."
            )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.words


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def recalibrate(
    record: TrackRecord,
    ds: xr.Dataset,
    *,
    variable: str = "gap",
    made: str | None = None,
    net_budget: float | None = None,
    open_years: bool = False,
) -> Recalibration:
    """Learn from a council's past plans how far to move and to stretch today's draws.

    Each error is placed among today's draws of as many years ahead: how many standard deviations
    it lies above the distance at which today's median lies from today's plan. If plans have been
    off as today's draws expect, such residuals have mean 0 and variance 1. The shift and the
    multiplier of the spread have a normal-inverse-gamma distribution, with a weak prior and with
    the errors counted as the independent plans they are worth.

    Parameters
    ----------
    record
        Of the variable. Its basis is that of the result: a record of revisions says where the
        council's figure will stand when budgets are set, a record of outturns how years end.
    ds
        From :func:`mtfs.project_gap`.
    variable
        One with draws and years only, and a planned twin, such as ``gap``.
    made
        The month in which today's plan was made, such as ``2026-02``: needed with a record of
        revisions, since a year whose budget is set is not revised any more.
    net_budget
        Today's, GBP: errors count as shares of the net budget that the past plans state.
    open_years
        Whether years count that later plans may still revise. Their errors may yet grow.

    Returns
    -------
    Recalibration
        With ``words``, a table, and recalibrated draws and quantiles of a projection.

    Raises
    ------
    MtfsError
        When the record is of something else or in another unit, holds nothing settled or nothing as
        many years ahead as the plan, today's draws have no spread, or net budgets are stated on one
        side only.
    """
    given: Any = record
    if not isinstance(given, TrackRecord):
        msg = f"found a {type(given).__name__}; expected a record from mtfs.verify.track_record()"
        raise MtfsError(msg)
    if record.quantity != variable:
        msg = (
            f"the record is of '{record.quantity}' and the draws are of '{variable}'; give a "
            f"record of '{variable}', or variable='{record.quantity}'"
        )
        raise MtfsError(msg)
    today = _Today.of(ds, variable)
    every = record.used(open_years=open_years)
    years = [str(year) for year in ds["year"].to_numpy()]
    require_made(made, [record])
    past = budgeted(years, made, record)
    ahead = [lead for year, lead in zip(years, today.leads, strict=True) if year not in past]
    used = tuple(miss for miss in every if miss.lead in ahead)
    if not used:
        leads = ", ".join(str(lead) for lead in sorted({miss.lead for miss in every}))
        reach = f"from {ahead[0]} to {ahead[-1]}" if ahead else "no year whose budget is not set"
        msg = (
            f"the record of {variable} has errors {leads} years ahead, and the projection reaches "
            f"{reach}: nothing to compare"
        )
        raise MtfsError(msg)
    require_todays_unit(variable, used, today.planned.tolist())
    scales = [scale_of(miss, net_budget, variable) for miss in used]
    rows = [today.leads.index(miss.lead) for miss in used]
    errors = np.array([miss.error * scale for miss, scale in zip(used, scales, strict=True)])
    residuals = (errors - (today.median - today.planned)[rows]) / today.sd[rows]
    worth = independent_plans(used)
    return Recalibration(
        variable=variable,
        basis=record.basis,
        policy=record.policy,
        belief=Belief.before().after(residuals, worth),
        errors=used,
        residuals=tuple(residuals.tolist()),
        independent=worth,
        left_out=len(every) - len(used),
        open_years=any(not miss.settled for miss in used),
        settled=past,
    )


@dataclass(frozen=True)
class _Today:
    """Today's draws of one variable, and how they lie by year."""

    draws: Array
    """shape (draw, year)"""
    planned: Array
    leads: list[int]

    @classmethod
    def of(cls, ds: xr.Dataset, variable: str) -> _Today:
        twin = planned_name(variable)
        require_axes(require_projection(ds, variable, twin))
        if set(ds[variable].dims) != {"draw", "year"}:
            msg = f"'{variable}' has dimensions {ds[variable].dims}; expected draw and year only"
            raise MtfsError(msg)
        found = cls(
            ds[variable].transpose("draw", "year").to_numpy(),
            ds[twin].to_numpy(),
            [int(lead) for lead in ds["lead"].to_numpy()],
        )
        least = 2  # draws, for a spread
        if len(found.draws) < least or not (found.sd > 0).all():
            msg = (
                f"today's draws of '{variable}' have no spread in some year, so there is nothing "
                "to stretch; project a plan that is uncertain, with more draws"
            )
            raise MtfsError(msg)
        return found

    @property
    def median(self) -> Array:
        return np.asarray(np.median(self.draws, axis=0))

    @property
    def sd(self) -> Array:
        return np.asarray(self.draws.std(axis=0, ddof=1))
