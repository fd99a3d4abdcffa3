"""Which uncertainty matters: shares of the variance of the gap by driver or group, year by year.

The inputs are the plan's independent scores, so the chance in a line or the delivery of a scheme
has its share beside the drivers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr

from mtfs.estimators import (
    Estimate,
    Inputs,
    Resampling,
    Tie,
    shapley_effects,
    sobol_indices,
    subset_runs,
    swapped_runs,
    walk_runs,
)
from mtfs.factors import Layout, correlated, factors_of, that_move
from mtfs.plan import Plan
from mtfs.projection import draws_meant, plan_meant
from mtfs.reach import reached
from mtfs.sampling import RandomScores, ShockSpec, draw_scores
from mtfs.schema import VARIABLES
from mtfs.vocabulary import Array, MtfsError, listing, require_count, require_share, suggest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtfs.estimators import Runs

Method = Literal["shapley", "sobol"]
By = Literal["driver", "service", "cause"]
Groups = Mapping[str, "Sequence[str]"]

MOST_EXACT = 8  # groups: beyond them 2 ** groups runs of every draw are too many
FEWEST_DRAWS = 100  # a share of a half then has a standard error of about 0.1
FEWEST_RESAMPLES = 100
_SCOPE = "variance shares"  # of streams that no plan has
_SHARES: dict[str, tuple[str, ...]] = {"shapley": ("shapley",), "sobol": ("first_order", "total")}
_LONG_NAMES = {
    "shapley": "Shapley effect",
    "first_order": "first-order Sobol index",
    "total": "total Sobol index",
}


def variance_shares(
    plan: Plan | Mapping[str, Any] | xr.Dataset,
    *,
    method: Method = "shapley",
    groups: Groups | None = None,
    by: By = "driver",
    variable: str = "gap",
    n_draws: int = 4096,
    seed: int | None = None,
    prob: float = 0.95,
    n_resamples: int = 1000,
) -> xr.Dataset:
    """Give the share of the variance that each uncertain thing in a plan causes, by year.

    Parameters
    ----------
    plan
        A plan, or a projection, whose plan and seed are taken.
    method
        ``"shapley"``: Shapley effects, which share what drivers cause together, also through
        correlation, evenly among them; they sum to one. Exact over all orders for up to eight
        groups; above, an order of its own and its reverse in every draw. ``"sobol"``: first-order
        indices, what the driver causes alone, and total indices, what would go if it were known
        last; only for drivers that no correlation ties.
    groups
        Name of a group to the names of what it holds; whatever no group holds stands alone.
    by
        ``"driver"``: every driver, the chance in every line, the delivery of every scheme by
        itself. ``"service"`` or ``"cause"``: grouped by the service or the cause of growth they
        move; what moves more than one is ``"several services"`` (``"several causes"``).
    variable
        A variable of the projection with one number a draw and year, such as ``gap_before_savings``
        or ``shortfall``.
    n_draws
        Draws of each of two independent samples, at least 100. The first are those of a projection
        of the same seed. The model runs (d + 2) times as many draws for ``"sobol"``, 2 d for
        ``"shapley"`` (half of that where nothing is correlated), 2 ** d where it is exact.
    seed
        As for :func:`mtfs.project_gap`.
    prob
        Probability of the intervals.
    n_resamples
        Resamples of the bootstrap over draws; 1,000 for intervals (Efron and Tibshirani 1993, An
        Introduction to the Bootstrap, section 13.3).

    Returns
    -------
    xarray.Dataset
        Dimensions ``(factor, year)``, shares of the variance: ``shapley``, or ``first_order`` and
        ``total``, each with its standard error ``_se`` and its bootstrap interval ``_low`` and
        ``_high``. A small negative share is noise, and is left as it is. What by its nature cannot
        move the variable is left out, such as closure for the gap; what no line follows has 0.
        ``variance`` ``(year)``, GBP squared, and ``sd``, GBP, each with its ``_se``; in a year in
        which nothing varies they are 0 and shares nan (the attribute ``no_variance`` lists such
        years). Coordinates ``kind(factor)``, and ``members(factor)``, the names in it.

    Raises
    ------
    MtfsError
        When nothing in the plan is uncertain, or moves the variable; for ``"sobol"``, when a
        correlation ties drivers of different groups (the message names two of them); when groups
        name what the plan does not hold, or anything twice; or when another argument is wrong.

    Notes
    -----
    Sobol indices: Saltelli et al. (2010) and Jansen (1999). Shapley effects: Owen (2014), Song,
    Nelson and Staum (2016), Goda (2021); see :mod:`mtfs.estimators`. Drivers that are correlated
    are redrawn given the whole paths of those that are not, by triangular factors in their order.

    Examples
    --------
    Two independent lines with standard deviations of 3 and 4 million: 9 and 16 of 25.

    >>> def driver(name, sd):
    ...     return {"name": name, "central": 1.0, "sd": sd, "persistence": 1.0}
    >>> def line(name, by):
    ...     line = {"kind": "change", "name": name, "cause": "growth", "changes": [1e7]}
    ...     return line | {"multiplier": by}
    >>> plan = {"council": "A", "first_year": "2026/27", "horizon": 1,
    ...         "drivers": [driver("demand", 0.3), driver("price", 0.4)],
    ...         "lines": [line("a", "demand"), line("b", "price")]}
    >>> found = variance_shares(plan, seed=1)
    >>> found["shapley"].isel(year=0).round(1).values.tolist()
    [0.4, 0.6]
    """
    (_, seed), plan = draws_meant(plan, None, seed), plan_meant(plan)
    _require_choice(method, Method, "method")
    _require_choice(by, By, "by")
    _require_variable(variable)
    require_count(n_draws, "n_draws", least=FEWEST_DRAWS)
    require_count(n_resamples, "n_resamples", least=FEWEST_RESAMPLES)
    require_share(prob, "prob", open_ends=True)
    if groups is not None and by != "driver":
        msg = f"give either 'groups' or by='{by}', which groups by itself"
        raise MtfsError(msg)
    layout = Layout(plan, that_move(plan, factors_of(plan), variable))
    if not layout.factors:
        raise MtfsError(_constant("nothing uncertain in the plan could move it", variable))
    if by == "driver":
        players = Players.from_groups(layout, {} if groups is None else groups)
    else:
        players = Players.from_labels(layout, reached(layout, by))
    if method == "sobol":
        players.require_untied()
    runs = _runs(players, method, variable, int(n_draws), seed)
    if not (vary := _varies(runs)).any():
        raise MtfsError(_constant("nothing uncertain in the plan moves it", variable))
    indices = shapley_effects if method == "shapley" else sobol_indices
    bootstrap = np.random.SeedSequence(seed, spawn_key=tuple(_SCOPE.encode()))
    resampling = Resampling(int(n_resamples), float(prob), np.random.default_rng(bootstrap))
    attrs = {
        "title": f"{plan.council}: shares of the variance of the {VARIABLES[variable].long_name}",
        "council": plan.council,
        "plan_digest": plan.digest,
        "method": method,
        "by": by,
        "variable": variable,
        "no_variance": ", ".join(np.array(plan.years)[~vary]),
        "seed": seed,
        "n_draws": int(n_draws),
        "prob": float(prob),
        "n_resamples": int(n_resamples),
    }
    return _dataset(players, indices(runs, resampling), method, attrs)


def variance_table(shares: xr.Dataset, *, year: str | None = None) -> pd.DataFrame:
    """Tabulate shares of the variance in one year, the largest first.

    Parameters
    ----------
    shares
        From :func:`variance_shares`.
    year
        The year shown, the last unless given.

    Returns
    -------
    pandas.DataFrame
        A row a driver or group. Columns ``shapley``, or ``total`` and ``first_order``, each with
        its standard error (``_se``) and interval (``_low``, ``_high``), and ``kind``; sorted by the
        first. ``attrs``: the ``year``, its ``sd`` in GBP, ``prob``, ``method`` and ``variable``.

    Raises
    ------
    MtfsError
        When ``shares`` is something else, there is no such year, or nothing varies in it.
    """
    if not isinstance(shares, xr.Dataset) or "method" not in shares.attrs or "sd" not in shares:
        msg = "expected a Dataset from mtfs.variance_shares()"
        raise MtfsError(msg)
    years = [str(label) for label in shares["year"].to_numpy()]
    shown = years[-1] if year is None else year
    if shown not in years:
        msg = f"'{shown}' is not a year of the plan, which runs from {years[0]} to {years[-1]}"
        raise MtfsError(msg)
    variable, here = shares.attrs["variable"], shares.sel(year=shown)
    if here["sd"].item() == 0:
        msg = f"'{variable}' is the same in every draw of {shown}: its variance has no shares"
        raise MtfsError(msg)
    names = reversed(_SHARES[shares.attrs["method"]])
    columns = [f"{name}{end}" for name in names for end in ("", "_se", "_low", "_high")]
    table = pd.DataFrame(
        {name: here[name].to_numpy() for name in (*columns, "kind")},
        index=pd.Index(here["factor"].to_numpy(), name="factor"),
    ).sort_values(columns[0], ascending=False, kind="stable")
    table.attrs = {"year": shown, "sd": here["sd"].item()} | {
        name: shares.attrs[name] for name in ("prob", "method", "variable")
    }
    return table


@dataclass(frozen=True)
class Players:
    """The factors of a plan, gathered into what shares are wanted of."""

    layout: Layout
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    player_of: tuple[int, ...]
    """the place in ``names`` of each factor"""

    @classmethod
    def from_labels(cls, layout: Layout, labels: Sequence[str]) -> Players:
        """Gather factors that bear one label."""
        names = tuple(dict.fromkeys(labels))
        return cls(layout, names, ("group",) * len(names), tuple(map(names.index, labels)))

    @classmethod
    def from_groups(cls, layout: Layout, groups: Groups) -> Players:
        """Gather factors into named groups; the others stand alone."""
        kinds = {factor.name: factor.kind for factor in layout.factors}
        group_of = _group_of(groups, kinds)
        labels = [group_of.get(name, name) for name in kinds]
        names = tuple(dict.fromkeys(labels))
        found = tuple("group" if name in groups else kinds[name] for name in names)
        return cls(layout, names, found, tuple(map(names.index, labels)))

    @property
    def members(self) -> list[str]:
        """The names of the factors in each."""
        found: list[list[str]] = [[] for _ in self.names]
        for factor, player in zip(self.layout.factors, self.player_of, strict=True):
            found[player].append(factor.name)
        return ["; ".join(names) for names in found]

    @cached_property
    def inputs(self) -> Inputs:
        """What the estimators need: whose each row of scores is, and what ties players."""
        place = {name: number for number, name in enumerate(f.name for f in self.layout.factors)}
        ties = [
            Tie(self.layout.rows_of(group.names, year), group.factors[year])
            for group in correlated(self.layout.plan)
            if len({self.player_of[place[name]] for name in group.names}) > 1
            for year in range(self.layout.plan.horizon)
        ]
        return Inputs(np.array(self.player_of)[self.layout.factor_of_row], tuple(ties))

    def require_untied(self) -> None:
        """Check that no correlation ties two players."""
        place = {factor.name: number for number, factor in enumerate(self.layout.factors)}
        for group in correlated(self.layout.plan):
            players = [self.player_of[place[name]] for name in group.names]
            for one in range(len(players)):
                for other in range(one):
                    value = group.correlation(one, other)
                    if players[one] != players[other] and value:
                        raise MtfsError(_tied(group.names, other, one, value))


def _constant(why: str, variable: str) -> str:
    return (
        f"'{variable}' is the same in every draw, and its variance of 0 has no shares: {why}. Give "
        "drivers that the plan's lines follow a spread ('sd' or 'interval')."
    )


def _tied(names: Sequence[str], one: int, other: int, value: float) -> str:
    return (
        f"'{names[one]}' and '{names[other]}' are correlated ({value:.2g}), so neither can be "
        "swapped without the other: use method='shapley', or one group of all that are tied: "
        f"groups={{'tied': {list(names)}}}"
    )


def _group_of(groups: object, kinds: Mapping[str, str]) -> dict[str, str]:
    """Give the group of every factor that is in one."""
    if not isinstance(groups, Mapping):
        msg = f"groups is {groups!r}; expected names of groups, each with a list of names"
        raise MtfsError(msg)
    found: dict[str, str] = {}
    for group, names in groups.items():
        if isinstance(names, str) or not isinstance(names, Iterable) or not names:
            msg = f"group '{group}' holds {names!r}; expected a list of names"
            raise MtfsError(msg)
        for name in names:
            if not isinstance(name, str) or name not in kinds:
                msg = (
                    f"group '{group}' names '{name}', which is nothing uncertain that could "
                    f"move the variable.{suggest(str(name), kinds)} There is: {listing(kinds, 60)}."
                )
                raise MtfsError(msg)
            if name in found:
                both = (
                    f"twice in group '{group}'"
                    if found[name] == group
                    else f"in groups '{found[name]}' and '{group}'"
                )
                msg = f"'{name}' is {both}; its variance can be shared out once only"
                raise MtfsError(msg)
            found[name] = group
    for group in groups:
        if group in kinds and found.get(group) is None:
            msg = f"group '{group}' bears the name of '{group}', which stands alone; rename it"
            raise MtfsError(msg)
    return found


def _require_choice(found: str, choices: Any, name: str) -> None:
    if found not in (ways := get_args(choices)):
        msg = f"{name} is {found!r}; expected {' or '.join(map(repr, ways))}"
        raise MtfsError(msg)


def _require_variable(variable: str) -> None:
    held = [name for name, each in VARIABLES.items() if each.totals and each.item is None]
    if variable not in held:
        why = " has no one number a draw and year" if variable in VARIABLES else " does not exist"
        msg = (
            f"variable '{variable}'{why}.{suggest(str(variable), held)} There is: {listing(held)}."
        )
        raise MtfsError(msg)


def _runs(players: Players, method: Method, variable: str, n_draws: int, seed: int) -> Runs:
    """Run the plan as the method needs it, on the draws of a seed."""
    layout, inputs = players.layout, players.inputs

    def model(rows: Array) -> Array:
        return layout.project(rows)[variable].transpose("year", "draw").to_numpy()

    sample = layout.rows(RandomScores(seed, 2 * n_draws))
    first, second = sample[:, :n_draws], sample[:, n_draws:]
    if method == "sobol":
        return swapped_runs(model, inputs, first, second)
    if len(players.names) <= MOST_EXACT:
        return subset_runs(model, inputs, first, second)
    streams = [ShockSpec(name, _SCOPE, once=True) for name in players.names]
    marks = draw_scores(streams, RandomScores(seed, n_draws), 1)
    turn = np.argsort(np.argsort(np.array(list(marks.values())), axis=0), axis=0)
    return walk_runs(model, inputs, first, second, turn)


def _varies(runs: Runs) -> np.ndarray:
    """Say in which years anything differs between draws."""
    both = np.concatenate([runs.first, runs.second], axis=1)
    found: np.ndarray = both.min(axis=1) < both.max(axis=1)
    return found


def _dataset(
    players: Players, found: Mapping[str, Estimate], method: Method, attrs: Mapping[str, Any]
) -> xr.Dataset:
    plan, percent = players.layout.plan, f"{attrs['prob']:.0%}"
    ends = {
        "": ("value", "{}, share of the variance"),
        "_se": ("se", "standard error of the {}"),
        "_low": ("low", f"{percent} bootstrap interval of the {{}}, lower end"),
        "_high": ("high", f"{percent} bootstrap interval of the {{}}, upper end"),
    }
    data: dict[str, xr.Variable] = {}
    for name in _SHARES[method]:
        for end, (field, said) in ends.items():
            data[f"{name}{end}"] = xr.Variable(
                ("factor", "year"),
                getattr(found[name], field),
                {"units": "share of the variance", "long_name": said.format(_LONG_NAMES[name])},
            )
    variance = found["variance"]
    sd = np.sqrt(variance.value)
    sd_se = np.divide(variance.se, 2 * sd, out=np.zeros_like(sd), where=sd > 0)
    for name, values, units in (
        ("variance", variance.value, "GBP squared"),
        ("variance_se", variance.se, "GBP squared"),
        ("sd", sd, "GBP"),
        ("sd_se", sd_se, "GBP"),
    ):
        what = "variance" if name.startswith("variance") else "standard deviation"
        error = "standard error of the " if name.endswith("_se") else ""
        said = f"{error}{what} of the {VARIABLES[attrs['variable']].long_name}"
        data[name] = xr.Variable("year", values, {"units": units, "long_name": said})
    coords = {
        "factor": list(players.names),
        "year": list(plan.years),
        "kind": ("factor", list(players.kinds)),
        "members": ("factor", players.members),
    }
    return xr.Dataset(data, coords=coords, attrs=dict(attrs))
