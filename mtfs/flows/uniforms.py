"""The second random stage: uniforms keyed by draw, person, event and step.

A uniform is a hash of the draw's key and of words that say what it decides. So it does not depend
on what else is drawn, on how many draws there are or on what happened before, and two scenarios
differ only where something acts on what it decides.
"""

from __future__ import annotations

import hashlib
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mtfs.vocabulary import Array

Keys: TypeAlias = NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio, odd: SplitMix64's increment
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S12 = (np.uint64(n) for n in (30, 27, 31, 12))


def word(text: str) -> int:
    """Give a name as a word of 64 bits, the same in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def draw_keys(scores: Array, name: str) -> Keys:
    """Turn one standard normal score a draw into one key a draw.

    So a whole flow is one factor among a plan's shocks: whatever fills, swaps or shares scores
    does the same to everything the flow draws.

    Parameters
    ----------
    scores
        Shape (draw,).
    name
        The flow's name.
    """
    bits = np.ascontiguousarray(scores, np.float64).view(np.uint64)
    return keyed(bits ^ np.uint64(word(name)), 0)


def keyed(keys: Keys, *words: int | NDArray[np.integer]) -> Keys:
    """Make new keys of keys and words, one word after the other.

    Each word moves the key by a multiple of an odd number and the result goes through the finaliser
    of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA
    2014, with the constants of Stafford's mix 13).

    Parameters
    ----------
    keys
        Any shape.
    words
        Whole numbers, or arrays of them that broadcast with ``keys``.
    """
    found = np.array(keys, np.uint64)
    for each in words:
        number = np.asarray(each).astype(np.uint64) + np.uint64(1)
        with np.errstate(over="ignore"):
            found = mixed(found + number * _STEP)
    return found


def mixed(numbers: Keys) -> Keys:
    """Mix the bits of numbers, in place."""
    with np.errstate(over="ignore"):
        numbers ^= numbers >> _S30
        numbers *= _FIRST
        numbers ^= numbers >> _S27
        numbers *= _SECOND
        numbers ^= numbers >> _S31
    return numbers


def uniforms(keys: Keys, *words: int | NDArray[np.integer]) -> Array:
    """Draw uniforms, each strictly between 0 and 1, for keys and words as :func:`keyed` takes."""
    # 52 bits and a half: with 53 the greatest would be rounded to 1
    return ((keyed(keys, *words) >> _S12).astype(np.float64) + 0.5) * 2.0**-52
