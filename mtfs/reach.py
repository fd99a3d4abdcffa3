"""Which service, and which cause of growth, each uncertain thing in a plan moves."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mtfs.factors import correlated
from mtfs.sampling import RandomScores

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import xarray as xr

    from mtfs.factors import Layout
    from mtfs.vocabulary import Array

FUNDING, SAVINGS, OUTSIDE = "funding", "savings", "outside the gap"

_SEED = 0  # what a factor reaches is no matter of chance, so any draws will do
_PROBES = 64  # draws in which to see what moves: a yearly state of 5% is all but sure to be seen
# A score at which what may happen does, down to a chance of 3e-7, and at its negative does not.
_EXTREME = 5.0
_FAR = 3.0  # the most a score is moved, so that it stays a plausible one
_ROUNDING = 1e-9  # of an amount: less is not moved


def reached(layout: Layout, by: Literal["service", "cause"]) -> list[str]:
    """Say which service, or which cause of growth, each factor moves.

    Every factor alone is moved in some draws, and what changes in pounds is what it reaches: no
    list of fields to keep, and mixes, prevention and ring-fenced grants are followed.

    Parameters
    ----------
    layout
        The plan's factors.
    by
        ``"service"`` or ``"cause"``.

    Returns
    -------
    list
        For each factor the one service it moves, or the cause under which more than half of what
        it moves is booked (more people also pay higher prices); otherwise ``"several services"``
        (``"several causes"``), ``"funding"``, ``"savings"`` (by cause), or ``"outside the gap"``
        where it moves reserves and memorandum balances only.
    """
    sample = layout.rows(RandomScores(_SEED, 2 * _PROBES))
    base, other = sample[:, :_PROBES], sample[:, _PROBES:]
    tied = {
        name: (group, place)
        for group in correlated(layout.plan)
        for place, name in enumerate(group.names)
    }
    sets = []
    for number, factor in enumerate(layout.factors):
        own = layout.factor_of_row == number
        low, high = base.copy(), base.copy()
        low[own & layout.once], high[own & layout.once] = -_EXTREME, _EXTREME
        high[own & ~layout.once] = other[own & ~layout.once]
        if factor.name in tied:  # move it, and not what is correlated with it
            group, place = tied[factor.name]
            for year in range(layout.plan.horizon):
                rows, lower = layout.rows_of(group.names, year), group.factors[year]
                step = lower[place] @ (other[rows] - base[rows])
                away = np.linalg.solve(lower, np.eye(len(rows))[:, place])[:, None] * step
                # strong correlations would need scores beyond what there is
                high[rows] = base[rows] + away * min(1.0, _FAR / np.abs(away).max())
        sets += [low, high]
    ds = layout.project(np.concatenate(sets, axis=1), "components")
    moved = {
        name: _moved(ds[name].to_numpy(), len(layout.factors))
        for name in ("cost", "growth", "income", "saving_delivered")
        if name in ds
    }
    splits = [scheme.terms.split for scheme in layout.plan.schemes()]
    found = []
    for number in range(len(layout.factors)):
        pounds = {name: amounts[:, number] for name, amounts in moved.items()}
        if by == "service":
            amounts, least = _by_service(ds, pounds, splits), 1.0
        else:
            amounts, least = _by_cause(ds, pounds), 0.5
        found.append(_label(amounts, least, f"several {by}s"))
    return found


def _moved(values: Array, n_factors: int) -> Array:
    """Give by how much each factor moves amounts, added up over draws and years, (item, factor)."""
    pairs = values.reshape(len(values), n_factors, 2, _PROBES, values.shape[-1])
    change = np.abs(pairs[:, :, 1] - pairs[:, :, 0])
    rounding = _ROUNDING * np.abs(values).max(axis=(1, 2))[:, None]
    found: Array = np.where(change.max(axis=(2, 3)) > rounding, change.sum(axis=(2, 3)), 0.0)
    return found


def _label(amounts: Mapping[str, float], least: float, several: str) -> str:
    """Give the name that holds all amounts, or more than ``least`` of them."""
    whole = sum(amounts.values())
    if whole == 0:
        return OUTSIDE
    name = max(amounts, key=amounts.__getitem__)
    return name if amounts[name] == whole or amounts[name] > least * whole else several


def _by_service(
    ds: xr.Dataset,
    pounds: Mapping[str, Array],
    splits: Sequence[tuple[tuple[str, float], ...]],
) -> dict[str, float]:
    """Add up by service what moves of costs and savings, and of funding."""
    found: dict[str, float] = defaultdict(float)
    for amount, kind, service in _beside(ds, pounds, "cost", "kind", "service"):
        found[FUNDING if kind == "grant" else service] += amount
    if "saving_delivered" in pounds:
        for amount, split in zip(pounds["saving_delivered"], splits, strict=True):
            for service, share in split:
                found[service] += share * amount
    found[FUNDING] += sum(pounds.get("income", ()))
    return found


def _by_cause(ds: xr.Dataset, pounds: Mapping[str, Array]) -> dict[str, float]:
    """Add up by cause what moves of growth, and of savings and funding."""
    found: dict[str, float] = defaultdict(float)
    for amount, cause in _beside(ds, pounds, "growth", "part_cause"):
        found[cause] += amount
    grows = any(found.values())
    for amount, kind in _beside(ds, pounds, "cost", "kind"):
        # a cost that moves where no growth does: by a grant ring-fenced to it, or a tied fund
        found[FUNDING] += amount if kind == "grant" or not grows else 0.0
    found[SAVINGS] += sum(pounds.get("saving_delivered", ()))
    found[FUNDING] += sum(pounds.get("income", ()))
    return found


def _beside(
    ds: xr.Dataset, pounds: Mapping[str, Array], name: str, *coordinates: str
) -> Iterator[tuple[Any, ...]]:
    """Go through a variable's items with what stands beside them; none where it is not kept."""
    if name in pounds:
        labels = [map(str, ds[each].to_numpy()) for each in coordinates]
        yield from zip(pounds[name], *labels, strict=True)
