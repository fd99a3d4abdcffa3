"""Children in care from published totals alone: stock at 31 March, starts and ceases of each year.

Many councils have no episodes at hand, but every council's totals are published. From them come
the levels of starts and of ceases, which wander (:mod:`mtfs.flows.wandering`), and from these the
people: entrants arrive evenly through the year and everyone leaves at one rate, so the year's
ceases are binomial and no draw ever holds less than nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
import pandas as pd
import xarray as xr
from pydantic import model_validator
from scipy.special import ndtri

from mtfs.assumptions import LARGEST, Count, Declared, Share, YearLabel
from mtfs.flows.inversion import any_poisson, binomial
from mtfs.flows.states import Table
from mtfs.flows.uniforms import Keys, draw_keys, keyed, uniforms, word
from mtfs.flows.wandering import PRIOR, Seen, TotalsPrior, levels_of, moves_of, prior_of
from mtfs.sampling import RandomScores, ShockSpec, draw_scores, fresh_seed, require_seed
from mtfs.vocabulary import (
    MAX_HORIZON,
    VERSION,
    Array,
    MtfsError,
    listing,
    require_count,
    suggest,
    year_label,
    year_labels,
    year_start,
)

COLUMNS = ("stock", "starts", "ceases")
N_DRAWS = 10_000
# Share of the stock before that starts and ceases may fail to explain, or so many children where
# the stock is small. In the returns behind PRIOR it is 0.008 in the median year of a council, above
# 0.05 in one of a hundred, and 0.11 at most.
MOST_UNEXPLAINED = 0.2
LEAST_UNEXPLAINED = 10
_STILL = 1e-4  # a rate of leaving below which times within the year are those at rate 0
_TINY = 1e-12  # added to variances, so that a known level has a factor too


class TotalsModel(Declared):
    """What a council's totals say of its levels at the end of the last year; uncertain.

    :func:`mtfs.flows.fit_totals` makes it. It holds no child, only published counts.
    """

    council: str | None = None
    last_year: YearLabel
    stock: Count
    """children in care on the 31 March that ends the last year"""
    years: tuple[YearLabel, ...] = ()
    """whose starts and ceases it rests on"""
    left_out: tuple[YearLabel, ...] = ()
    """whose starts or ceases are not known"""
    unexplained: tuple[float, ...] = ()
    """children by which the stock of each of ``years`` is above what starts and ceases explain"""
    multiples: Table
    """of the prior's spreads of starts and ceases, shape (cell, 2)"""
    chances: tuple[Share, ...]
    """of each cell, given the council's years; they sum to 1"""
    mean: Table
    """logarithms of starts a year and of the rate of ceases a year, shape (cell, 2)"""
    covariance: Table
    """of the two, shape (cell, 2, 2)"""
    prior: TotalsPrior
    source: str | None = None

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        cells = len(self.chances)
        for name, wanted in [
            ("multiples", (cells, 2)),
            ("mean", (cells, 2)),
            ("covariance", (cells, 2, 2)),
        ]:
            if (found := getattr(self, name).shape) != wanted:
                msg = f"'{name}' has shape {found}; its {cells} 'chances' make it {wanted}"
                raise ValueError(msg)
        if not np.isclose(sum(self.chances), 1.0):
            raise ValueError(f"'chances' sum to {sum(self.chances):g}, not to 1")
        if self.stock % 1:
            raise ValueError(f"'stock' is {self.stock:g}; children are whole numbers")
        return self

    def to_json(self) -> str:
        """Write the model as canonical JSON, in declared order."""
        return self.model_dump_json(exclude_none=True)

    def __repr__(self) -> str:
        starts, rate = np.exp(np.array(self.chances) @ self.mean.array)
        return (
            f"<TotalsModel {self.council or 'of a council'}: {self.stock:,.0f} in care at the end "
            f"of {self.last_year}, about {starts:,.0f} starts a year and {rate:.2f} ceases a year "
            f"for each in care, from {len(self.years)} years>"
        )

    __str__ = __repr__


def fit_totals(
    history: pd.DataFrame | xr.Dataset,
    *,
    council: str | None = None,
    prior: TotalsPrior = PRIOR,
    source: str | None = None,
) -> TotalsModel:
    """Learn a council's levels of starts and ceases from its published totals.

    The levels of the last year are filtered from all years: the noise of counts and what does not
    last weigh little, what lasts weighs much. How far they wander comes from many councils
    (``prior``) and from the council's own years, the more the longer its history.

    Published stocks do not quite follow from starts and ceases: a child's first start and last
    cease of a year are counted, corrections come late, figures before 2010 are rounded to 5. What
    is left over counts as starts where the stock is higher than they explain, as ceases where it is
    lower, so that stocks agree; ``unexplained`` lists it.

    Parameters
    ----------
    history
        One council's years in order, labelled such as ``"2019/20"`` (the index, a column ``year``,
        or a dimension), with ``stock`` (children in care on the 31 March that ends the year),
        ``starts`` and ``ceases`` (in the year). Starts and ceases may be missing (NaN), stocks not;
        of the first year only the stock is used. Other columns are left alone.
    council
        Its name.
    prior
        What many councils say.
    source
        Where the figures come from.

    Returns
    -------
    TotalsModel
        Ready for :func:`simulate_totals`.

    Raises
    ------
    MtfsError
        When columns or years are missing, years are not in order, a figure is no count of children,
        or starts and ceases leave more than a fifth of the stock unexplained.

    Examples
    --------
    >>> years = ["2022/23", "2023/24", "2024/25"]
    >>> history = pd.DataFrame(
    ...     {"stock": [400, 403, 400], "starts": [160, 160, 160], "ceases": [160, 160, 163]}, years
    ... )
    >>> model = fit_totals(history, council="Any")
    >>> model.last_year, model.stock, model.unexplained
    ('2024/25', 400.0, (3.0, 0.0))
    """
    years, counts = _checked(history, council or "the history")
    seen, unexplained = _reconciled(years, counts)
    known = np.isfinite(seen.starts[:, 0] + seen.ceases[:, 0] + seen.average[:, 0])
    if not known.any():
        msg = f"{council or 'the history'}: no year has starts, ceases and children in care"
        raise MtfsError(msg)
    found = levels_of(seen, prior)
    return TotalsModel(
        council=council,
        last_year=years[-1],
        stock=float(counts[-1, 0]),
        years=tuple(year for year, held in zip(years[1:], known, strict=True) if held),
        left_out=tuple(year for year, held in zip(years[1:], known, strict=True) if not held),
        unexplained=tuple(unexplained[known].tolist()),
        multiples=Table.of(found.multiples),
        chances=tuple(found.chances[:, 0].tolist()),
        mean=Table.of(found.mean[:, 0]),
        covariance=Table.of(found.covariance[:, 0]),
        prior=prior,
        source=source,
    )


def fit_totals_prior(
    histories: Mapping[str, pd.DataFrame],
    *,
    held: Mapping[str, float] | None = None,
    source: str | None = None,
) -> TotalsPrior:
    """Learn from the totals of many councils how starts and ceases wander.

    Parameters
    ----------
    histories
        By council, each as :func:`fit_totals` takes it, all ending in the same year.
    held
        Fields of the prior that are given, such as ``{"starts_pull": 0.0}``; the others are found
        by marginal likelihood.
    source
        Where the figures come from.

    Returns
    -------
    TotalsPrior
        For :func:`fit_totals`.

    Raises
    ------
    MtfsError
        As :func:`fit_totals`; and when there is no history, they end in different years or a held
        field is unknown.
    """
    if not histories:
        raise MtfsError("there is no history; give at least one council's")
    checked = {name: _checked(history, name) for name, history in histories.items()}
    ends = {years[-1] for years, _ in checked.values()}
    if len(ends) > 1:
        msg = f"histories end in different years: {listing(ends)}; end all in the same year"
        raise MtfsError(msg)
    seen = [_reconciled(*each)[0] for each in checked.values()]
    return prior_of(Seen.together(seen), held=held, source=source)


def simulate_totals(
    model: TotalsModel,
    *,
    horizon: int = 4,
    n_draws: int = N_DRAWS,
    seed: int | None = None,
    keys: Keys | None = None,
) -> xr.Dataset:
    """Simulate stock, starts and ceases of the years after the model's last.

    Parameters
    ----------
    model
        What :func:`fit_totals` gives.
    horizon
        Years, at most 10.
    n_draws
        Joint outcomes, unless ``keys`` are given.
    seed
        From 0 to 2**53 - 1; a fresh one is drawn and recorded unless given.
    keys
        A key for each draw (:func:`mtfs.flows.uniforms.draw_keys`), in place of a seed.

    Returns
    -------
    xarray.Dataset
        Children, dimensions ``(draw, year)``: ``people`` (the year's average),
        ``people_year_end`` (on 31 March), ``starts`` and ``ceases`` (in the year; they include what
        published counts leave out). ``people_year_end`` is last year's plus starts less ceases,
        exactly. The average is the expected one given who came and left.

    Raises
    ------
    MtfsError
        When an argument is wrong.

    Notes
    -----
    A year's entrants come evenly through it, and everyone leaves at the year's rate h: of those in
    care at its start a binomial number with chance 1 - exp(-h), of entrants with chance
    1 - (1 - exp(-h)) / h. With constant h and Poisson starts m a year this is the immigration-death
    process, whose stock tends to a Poisson of mean m / h (Bartlett, "An Introduction to Stochastic
    Processes", 1955).
    """
    years = year_labels(
        year_label(year_start(model.last_year) + 1), require_count(horizon, "horizon")
    )
    if horizon > MAX_HORIZON:
        raise MtfsError(f"horizon is {horizon}; expected at most {MAX_HORIZON} years")
    attrs: dict[str, Any] = {"last_year": model.last_year, "mtfs_version": VERSION}
    if keys is None:
        seed = fresh_seed() if seed is None else require_seed(seed)
        scores = RandomScores(seed, require_count(n_draws, "n_draws"))
        shock = ShockSpec("totals: people", "council", once=True)
        keys = draw_keys(draw_scores([shock], scores, 1)[shock.name], "totals")
        attrs["seed"] = seed
    elif seed is not None:
        raise MtfsError("give 'keys' or a 'seed', not both")
    average, closing, starts, ceases = _simulated(model, keys, years)
    variables = {
        "people": (average, "average children in the year"),
        "people_year_end": (closing, "children on 31 March"),
        "starts": (starts, "children who started to be looked after in the year"),
        "ceases": (ceases, "children who ceased to be looked after in the year"),
    }
    first = [f"{year_start(year)}-04-01" for year in years]
    return xr.Dataset(
        {
            name: (("draw", "year"), values.T, {"units": "children", "long_name": text})
            for name, (values, text) in variables.items()
        },
        {
            "year": list(years),
            "year_start": ("year", np.array(first, "datetime64[ns]")),
            "lead": ("year", np.arange(1, len(years) + 1)),
        },
        {
            "title": f"{model.council or 'the council'}: children in care, from totals",
            "n_draws": len(keys),
            **attrs,
        },
    )


def _checked(history: object, whose: str) -> tuple[list[str], Array]:
    """Check one council's history; give its years, and stock, starts and ceases by year."""
    if isinstance(history, xr.Dataset):
        history = history.to_dataframe()
    if not isinstance(history, pd.DataFrame):
        kind = type(history).__name__
        msg = f"{whose}: found {kind}; expected a DataFrame or Dataset with {listing(COLUMNS)}"
        raise MtfsError(msg)
    if "year" in history.columns:
        history = history.set_index("year")
    held = [str(name) for name in history.columns]
    for name in COLUMNS:
        if name not in held:
            msg = f"{whose}: column '{name}' is missing.{suggest(name, held)} "
            raise MtfsError(f"{msg}There is: {listing(held)}.")
    years = list(history.index)
    for before, after in pairwise(years):
        if year_start(after) != year_start(before) + 1:
            msg = (
                f"{whose}: {after} comes after {before}; give one council's years in order, one "
                "row each, NaN where starts or ceases are not known"
            )
            raise MtfsError(msg)
    if len(years) < 2:  # noqa: PLR2004 - a year needs the stock before it
        msg = f"{whose}: holds {len(years)} years; expected at least 2, as a year needs the stock "
        raise MtfsError(f"{msg}before it")
    return years, np.stack([_counts(history[name], years, whose) for name in COLUMNS], -1)


def _counts(column: pd.Series[Any], years: Sequence[str], whose: str) -> Array:
    """Check that a column holds counts of children, or NaN in one of starts or ceases."""
    name = column.name
    try:
        counts = column.to_numpy(np.float64)
    except (TypeError, ValueError) as error:
        msg = f"{whose}: '{name}' holds what is no number: {error}"
        raise MtfsError(msg) from None
    right = (counts >= 0) & (counts == np.floor(counts)) & (counts <= LARGEST)
    if name != "stock":
        right |= np.isnan(counts)
    if not right.all():
        row = int(right.argmin())
        msg = (
            f"{whose}: '{name}' of {years[row]} is {counts[row]:g}; expected a whole number of "
            "children"
        )
        raise MtfsError(msg)
    return counts


def _reconciled(years: Sequence[str], counts: Array) -> tuple[Seen, Array]:
    """Make stocks agree with starts and ceases; give what these leave unexplained, too."""
    stock, starts, ceases = counts.T
    before, closing, starts, ceases = stock[:-1], stock[1:], starts[1:], ceases[1:]
    unexplained = closing - before - starts + ceases
    limit = np.maximum(MOST_UNEXPLAINED * before, LEAST_UNEXPLAINED)
    if (wrong := np.abs(unexplained) > limit).any():
        row = int(wrong.argmax())
        msg = (
            f"{years[row + 1]}: the stock goes from {before[row]:g} to {closing[row]:g}, yet "
            f"{starts[row]:g} starts and {ceases[row]:g} ceases make it "
            f"{before[row] + starts[row] - ceases[row]:g}: are all three of the same children?"
        )
        raise MtfsError(msg)
    average = (before + closing) / 2
    some = average > 0  # nobody can leave an empty service: such a year says nothing of rates
    seen = Seen(
        starts=np.where(some, starts + np.maximum(unexplained, 0), np.nan)[:, None],
        ceases=np.where(some, ceases + np.maximum(-unexplained, 0), np.nan)[:, None],
        average=np.where(some, average, np.nan)[:, None],
        closing=closing[:, None],
    )
    return seen, unexplained


def _simulated(
    model: TotalsModel, keys: Keys, years: Sequence[str]
) -> tuple[Array, Array, Array, Array]:
    """Draw averages, closing stocks, starts and ceases, each of shape (year, draw)."""
    prior = model.prior
    keys = keyed(keys, word("totals"))

    def normals(what: str, *more: int) -> Array:
        return np.asarray(ndtri(uniforms(keys, word(what), *more)), np.float64)

    edges = np.cumsum(model.chances)[:-1]
    cell = np.searchsorted(edges, uniforms(keys, word("cell")), side="right")

    def pairs(what: str, *more: int) -> Array:
        return np.stack([normals(what, *more, number) for number in range(2)], -1)

    level, step, noise = (
        np.linalg.cholesky(each + _TINY * np.eye(2))
        for each in (model.covariance.array, prior.step, prior.noise)
    )
    multiples = model.multiples.array[cell]
    state = model.mean.array[cell] + np.einsum("nij,nj->ni", level[cell], pairs("level"))
    moves, given = moves_of(prior)

    stock = np.full(len(keys), model.stock)
    rows = []
    for label in years:
        at = year_start(label)
        state = state @ moves.T + given(stock) + multiples * (pairs("step", at) @ step.T)
        passing = multiples * (pairs("noise", at) @ noise.T)
        starts, rate = np.exp(state + passing).T
        starts = any_poisson(
            _clustered(starts, starts, prior.starts_cluster, normals("starts cluster", at)),
            uniforms(keys, word("starts"), at),
        )
        rate = _clustered(
            rate, rate * (stock + starts / 2), prior.ceases_cluster, normals("ceases cluster", at)
        )
        left, entrants_left, average = _year(
            stock,
            starts,
            rate,
            [uniforms(keys, word(each), at) for each in ("leave", "leave soon")],
        )
        stock = stock + starts - left - entrants_left
        rows.append((average, stock, starts, left + entrants_left))
    average, closing, starts, ceases = (np.stack(each) for each in zip(*rows, strict=True))
    return average, closing, starts, ceases


def _clustered(level: Array, count: Array, cluster: float, score: Array) -> Array:
    """Vary a level so that a count of it has ``cluster`` times a Poisson's variance."""
    variance = np.log1p((cluster - 1) / np.maximum(count, 1.0))
    found: Array = level * np.exp(np.sqrt(variance) * score - variance / 2)
    return found


def _year(
    stock: Array, starts: Array, rate: Array, chances: Sequence[Array]
) -> tuple[Array, Array, Array]:
    """Let people leave through one year: those there at its start, entrants, and the average."""
    slow = rate < _STILL
    h = np.where(slow, 1.0, rate)
    leaves = -np.expm1(-rate)  # chance, for those there at the start
    stays = np.where(slow, 1 - rate / 2, -np.expm1(-h) / h)  # chance, for an entrant
    left = binomial(stock, leaves, chances[0])
    entrants_left = binomial(starts, 1 - stays, chances[1])
    # Mean years in care within the year: of leavers who were there, and of entrants who stay, it is
    # that of an exponential time cut at 1; of entrants who leave, what is left of an entrant's mean
    # (1 - stays) / h.
    cut = np.where(slow, 0.5, 1 / h + np.exp(-h) / np.expm1(-h))
    brief = np.where(slow, 1 / 3, 1 / h - stays * cut / np.where(slow, 0.5, 1 - stays))
    average = stock - left + left * cut + (starts - entrants_left) * cut + entrants_left * brief
    return left, entrants_left, average
