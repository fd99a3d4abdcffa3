"""Block bootstrap over origins and councils: how far a mean score would move with others.

Forecasts from neighbouring origins are of the same years in part, so their errors go together:
origins are resampled in blocks of neighbours. Blocks are circular (Politis and Romano 1992), so
that the first and the last origin come as often as the others. Councils are resampled on their own,
and a score's weight is the product of both (the pigeonhole bootstrap: Owen 2007, The Annals of
Applied Statistics 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mtfs.sampling import RandomScores, ShockSpec, draw_scores
from mtfs.vocabulary import Array, year_start


@dataclass(frozen=True)
class Resamples:
    """How often each origin and each council comes, by resample."""

    origins: Array
    """shape (resample, origin)"""
    councils: Array
    """shape (resample, council)"""

    @classmethod
    def draw(
        cls, n_origins: int, n_councils: int, *, block: int, n_boot: int, seed: int
    ) -> Resamples:
        """Draw resamples of origins in blocks of ``block``, and of councils one by one."""
        return cls(
            _blocks(n_origins, block, n_boot, seed),
            _counts(_places("councils", n_councils, n_councils, n_boot, seed), n_councils),
        )

    def means(self, sums: Array, counts: Array) -> Array:
        """Average over origins and councils in every resample.

        Parameters
        ----------
        sums
            Sums of what is averaged, shape (item, origin, council).
        counts
            How many each sum is of, shape (origin, council).

        Returns
        -------
        Array
            Shape (item, resample); missing where a resample holds nothing that counts.
        """
        with np.errstate(invalid="ignore"):
            found: Array = self._sums(sums) / self._sums(counts[None])
        return found

    def _sums(self, values: Array) -> Array:
        by_origin = values @ self.councils.T  # (item, origin, resample)
        found: Array = np.einsum("iob,bo->ib", by_origin, self.origins)
        return found


def block_of(origins: Sequence[str], horizon: int) -> int:
    """Give the length of a block: the origins whose forecasts share years, and at most half of all.

    Forecasts h years ahead from origins less than h years apart share years. With fewer than two
    blocks each resample would hold every origin as often as the others, and say nothing.

    Examples
    --------
    >>> block_of(["2010/11", "2011/12", "2012/13", "2013/14", "2014/15", "2015/16"], 3)
    3
    >>> block_of(["2010/11", "2011/12", "2012/13"], 4)
    1
    """
    starts = np.array([year_start(label) for label in origins])
    ahead = starts[None, :] - starts[:, None]
    sharing = ((ahead >= 0) & (ahead < horizon)).sum(axis=1).max()
    return int(max(min(sharing, len(starts) // 2), 1))


def _blocks(n: int, block: int, n_boot: int, seed: int) -> Array:
    starts = _places("origins", n, -(-n // block), n_boot, seed)
    places = (starts[..., None] + np.arange(block)) % n
    return _counts(places.reshape(n_boot, -1)[:, :n], n)


def _places(name: str, n: int, size: int, n_boot: int, seed: int) -> NDArray[np.int_]:
    """Draw places from 0 to n - 1, shape (resample, size)."""
    scores = draw_scores([ShockSpec(name, "bootstrap")], RandomScores(seed, n_boot), size)[name]
    return np.asarray(np.minimum((special.ndtr(scores.T) * n).astype(int), n - 1))


def _counts(places: NDArray[np.int_], n: int) -> Array:
    rows = np.arange(len(places))[:, None] * n
    found = np.bincount((places + rows).ravel(), minlength=len(places) * n)
    return found.reshape(len(places), n).astype(float)
