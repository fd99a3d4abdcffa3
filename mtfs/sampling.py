"""The random stage: standard normal scores by name, in blocks of draws, and their dependence.

A stream is keyed by the seed, its scope and its name, and then by block, so that no shock's scores
depend on what else the plan holds, on the number of draws or on the number of threads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

from mtfs.vocabulary import BLOCK, SCORE_LIMIT, Array, MtfsError, listing, require_count

if TYPE_CHECKING:
    from collections.abc import Sequence

SEED_BITS = 53  # a float and JSON hold it exactly


@dataclass(frozen=True)
class ShockSpec:
    """One stream of scores: its name, scope, and whether it gives one row in all or one a year."""

    name: str
    scope: str
    once: bool = False
    costly: bool = False
    """much work follows from each score: beyond the last draw there are zeros, as without any"""


class Scores(Protocol):
    """A way to fill scores: plain draws, given arrays, later Sobol points."""

    @property
    def n_draws(self) -> int:
        """How many draws there are."""
        ...

    def fill(self, spec: ShockSpec, block: int, out: Array) -> None:
        """Write one block of one shock's scores, shape (row, BLOCK)."""
        ...


def require_seed(seed: object) -> int:
    """Return ``seed`` as an int when it is a whole number of at most 53 bits, not negative."""
    found = require_count(seed, "seed", least=0)
    if found >= 2**SEED_BITS:
        msg = f"seed is {seed}; expected a whole number below 2**{SEED_BITS}"
        raise MtfsError(msg)
    return found


def fresh_seed() -> int:
    """Draw a seed of 53 bits from the operating system."""
    return int(
        np.random.SeedSequence().generate_state(1, np.uint64)[0] >> np.uint64(64 - SEED_BITS)
    )


class RandomScores:
    """Independent draws: every (seed, scope, name, block) has a generator of its own.

    Parameters
    ----------
    seed
        A whole number of at most 53 bits.
    n_draws
        How many draws are wanted; scores come in whole blocks and are cut afterwards.
    """

    def __init__(self, seed: int, n_draws: int) -> None:
        self.seed = seed
        self.n_draws = n_draws
        self._keys: dict[ShockSpec, NDArray[np.uint64]] = {}

    def fill(self, spec: ShockSpec, block: int, out: Array) -> None:
        """Write one block of one shock's scores; always whole blocks, year by year."""
        keys = self._keys.get(spec)
        if keys is None:  # two threads may both come here; they find the same keys
            keys = self._keys[spec] = block_keys(self.seed, spec, -(-self.n_draws // BLOCK))
        bits = np.random.SFC64(_Key(keys[block]))  # type: ignore[arg-type] # the stubs lack ISeedSequence
        np.random.Generator(bits).standard_normal(out=out)
        if spec.costly:
            out[:, max(self.n_draws - block * BLOCK, 0) :] = 0.0


def block_keys(seed: int, spec: ShockSpec, n_blocks: int) -> NDArray[np.uint64]:
    """Give the three words that start each block's generator, shape (block, 3).

    They are the words of ``SeedSequence(seed, spawn_key=(hash of scope and name,))`` in order, so
    that a block's words do not depend on how many blocks there are.
    """
    digest = hashlib.blake2b(f"{spec.scope}\0{spec.name}".encode(), digest_size=8).digest()
    sequence = np.random.SeedSequence(seed, spawn_key=(int.from_bytes(digest, "big"),))
    words = np.asarray(sequence.generate_state(3 * n_blocks, np.uint64), np.uint64)
    return words.reshape(n_blocks, 3)


def generator(seed: int, spec: ShockSpec, block: int = 0) -> np.random.Generator:
    """Give one block of a stream as a generator, for what standard normal scores cannot draw.

    It starts where the stream's scores of that block start: do not read both.
    """
    key = _Key(block_keys(seed, spec, block + 1)[block])
    return np.random.Generator(np.random.SFC64(key))  # type: ignore[arg-type] # as above


class _Key(ISeedSequence):
    """Words that are already keyed, handed to a generator as they are."""

    def __init__(self, words: NDArray[np.uint64]) -> None:
        self._words = words

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[Any]:  # noqa: ARG002
        return self._words


class GivenScores:
    """Scores given by name, independent across shocks (dependence is added afterwards).

    Parameters
    ----------
    scores
        For every shock an array of shape (year, draw), or (draw,) for a shock that is drawn once.
    shocks
        The plan's shocks; the names must be the same.

    Raises
    ------
    MtfsError
        When names are missing or unknown, shapes disagree, or a score is not within the limit.
    """

    def __init__(
        self, scores: Mapping[str, Array], shocks: Sequence[ShockSpec], horizon: int
    ) -> None:
        wanted = {spec.name: spec for spec in shocks}
        if missing := wanted.keys() - scores.keys():
            msg = f"scores are missing for {listing(missing)}; the plan needs {listing(wanted)}"
            raise MtfsError(msg)
        if unknown := scores.keys() - wanted.keys():
            msg = (
                f"scores name shocks the plan does not hold: {listing(unknown)}; it holds "
                f"{listing(wanted)}"
            )
            raise MtfsError(msg)
        self._scores = {
            name: np.atleast_2d(np.asarray(scores[name], dtype=np.float64)) for name in wanted
        }
        self.n_draws = next((a.shape[-1] for a in self._scores.values()), 1)
        for name, array in self._scores.items():
            shape = (1 if wanted[name].once else horizon, self.n_draws)
            if array.shape != shape or array.size == 0:
                msg = f"scores of '{name}' have shape {array.shape}; expected {shape}"
                raise MtfsError(msg)
            if not (np.abs(array) < SCORE_LIMIT).all():  # also catches nan
                msg = f"scores of '{name}' hold a value that is not a number within +-{SCORE_LIMIT}"
                raise MtfsError(msg)

    def fill(self, spec: ShockSpec, block: int, out: Array) -> None:
        """Write one block of one shock's scores; beyond the last draw, zeros that nobody reads."""
        part = self._scores[spec.name][:, block * BLOCK : (block + 1) * BLOCK]
        out[:, : part.shape[1]] = part
        out[:, part.shape[1] :] = 0.0


def draw_scores(shocks: Sequence[ShockSpec], scores: Scores, horizon: int) -> dict[str, Array]:
    """Collect the scores of every shock, shapes (year, draw) or (draw,)."""
    n_blocks = -(-scores.n_draws // BLOCK)
    found = {}
    for spec in shocks:
        rows = np.empty((1 if spec.once else horizon, n_blocks * BLOCK))
        buffer = np.empty((rows.shape[0], BLOCK))
        for block in range(n_blocks):
            scores.fill(spec, block, buffer)
            rows[:, block * BLOCK : (block + 1) * BLOCK] = buffer
        cut = rows[:, : scores.n_draws]
        found[spec.name] = cut[0] if spec.once else cut
    return found


class NotPositiveDefiniteError(MtfsError):
    """A matrix that no joint distribution has."""


def lower_factor(matrix: Array) -> Array:
    """Factor a correlation matrix as L L' by rows: appending one leaves the others' bits alone.

    Parameters
    ----------
    matrix
        Shape (n, n), symmetric with ones on the diagonal.

    Returns
    -------
    Array
        Lower triangular, shape (n, n).

    Raises
    ------
    NotPositiveDefiniteError
        When ``matrix`` is not positive definite.
    """
    n = matrix.shape[0]
    factor = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            dot = sum(float(factor[i, k]) * float(factor[j, k]) for k in range(j))
            factor[i, j] = (matrix[i, j] - dot) / factor[j, j]
        rest = matrix[i, i] - sum(float(factor[i, k]) ** 2 for k in range(i))
        if not rest > 1e-10:  # noqa: PLR2004 - a variance of nothing left; also catches nan
            msg = f"the matrix is not positive definite: row {i + 1} is a mix of the rows before it"
            raise NotPositiveDefiniteError(msg)
        factor[i, i] = np.sqrt(rest)
    return factor


def apply_factors(scores: Array, slots: Sequence[int], factors: Array) -> None:
    """Make a connected group of shocks dependent, in place.

    Parameters
    ----------
    scores
        Shape (shock, year, draw).
    slots
        The group's places in ``scores``, in declared order.
    factors
        Shape (year, n, n), one lower triangular factor a year.
    """
    step = np.empty(scores.shape[1:])
    for i in reversed(
        range(len(slots))
    ):  # from the last row up: each reads what is not yet changed
        row, own = scores[slots[i]], factors[:, i, i, None]
        if (own != 1).any():
            row *= own
        for j in range(i):
            weight = factors[:, i, j, None]
            if weight.any():
                np.multiply(scores[slots[j]], weight, out=step)
                row += step
