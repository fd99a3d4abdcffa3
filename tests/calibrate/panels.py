"""Simulated panels whose truth is known; nothing of the package makes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from mtfs.vocabulary import year_labels


@dataclass(frozen=True)
class Truth:
    """What a panel is made of; scales as the package's prior names them."""

    drift: float = 0.03
    wander: float = 0.01
    shock: float = 0.01
    spread: float = 0.05
    tails: float = 6.0
    likeness: float = 10.0
    persistence: float = 0.0
    size_share: float = 0.5
    own_drift: float = 0.003
    national_tails: float = 4.0


def levels_of(
    truth: Truth, rng: np.random.Generator, *, councils: int, years: int
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate levels and national growth by the slow loop; shapes (council, year), (year - 1,)."""
    logs = np.zeros((councils, years))
    logs[:, 0] = rng.normal(6.0, 0.7, councils)
    median = np.exp(np.median(logs[:, 0]))
    own = rng.normal(0, truth.own_drift, councils)
    multiple = truth.likeness / rng.chisquare(truth.likeness, councils)
    drift, national, before = truth.drift, [], np.zeros(councils)
    for year in range(1, years):
        if year > 1:
            drift += truth.wander * rng.standard_t(truth.national_tails)
        national.append(drift + truth.shock * rng.standard_t(truth.national_tails))
        share = 1 - truth.size_share + truth.size_share * median / np.exp(logs[:, year - 1])
        scale = truth.spread * np.sqrt(multiple * share)
        new = scale * rng.standard_t(truth.tails, councils)
        before = truth.persistence * before + new
        logs[:, year] = logs[:, year - 1] + national[-1] + own + before
    return np.exp(logs), np.array(national)


def panel_of(levels: np.ndarray, first: str = "2005/06") -> xr.DataArray:
    """Label levels, shape (council, year)."""
    names = [f"Council {number:03d}" for number in range(len(levels))]
    years = list(year_labels(first, levels.shape[1]))
    return xr.DataArray(levels, {"council": names, "year": years}, ("council", "year"))
