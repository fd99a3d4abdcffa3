"""Whose doing a change is: players that move one by one, or in every possible company."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from mtfs.vocabulary import MtfsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mtfs.vocabulary import Array

Company: TypeAlias = frozenset[str]
"""the players who have moved"""
MOST_PLAYERS = 8  # 2**8 = 256 values; each further player doubles them


def moves(players: Sequence[str]) -> Iterator[tuple[str, Company, Company]]:
    """List every move when players move in order, and when they move in its reverse.

    Yields
    ------
    tuple
        The player, who has moved before it, and who has moved after it. Neighbours share a
        company, so that a value need not be worked out twice.

    Examples
    --------
    >>> [(name, len(before)) for name, before, _ in moves(["a", "b", "c"])]
    [('a', 0), ('b', 1), ('c', 2), ('a', 2), ('b', 1), ('c', 0)]
    """
    company: Company = frozenset()
    for name in players:
        yield name, company, company | {name}
        company = company | {name}
    for name in players:  # the reverse order, from its end back to its start
        yield name, company - {name}, company
        company = company - {name}


def two_orders(players: Sequence[str], value: Callable[[Company], Array]) -> dict[str, Array]:
    """Let players move one by one, in order and in its reverse, and average what each does.

    Of ``d`` players it asks for ``2 d`` values. Where effects only add up, every order gives the
    same; where two players multiply each other, each bears half of what they do together.

    Parameters
    ----------
    players
        Their names, in order.
    value
        What stands when some have moved. Each is asked for after one that differs by one player.

    Returns
    -------
    dict
        By player; they sum to the value of all less that of none.

    Examples
    --------
    >>> import numpy as np
    >>> area = lambda who: np.array((3.0 if "a" in who else 1.0) * (5.0 if "b" in who else 1.0))
    >>> {name: float(part) for name, part in two_orders(["a", "b"], area).items()}
    {'a': 6.0, 'b': 8.0}
    """
    nobody: Company = frozenset()
    held: dict[Company, Array] = {}
    found: dict[str, Array] = {}
    for name, before, after in moves(players):
        wanted = {nobody, before, after}
        held = {who: held[who] for who in wanted & held.keys()}
        for who in (before, after):
            if who not in held:
                held[who] = value(who)
        step = held[after] - held[before]
        found[name] = (found[name] + step) / 2 if name in found else step
    return found


def shapley(players: Sequence[str], value: Callable[[Company], Array]) -> dict[str, Array]:
    """Average what each player does over every company it could move in.

    That is its mean over all orders (Shapley 1953, A value for n-person games): 2**d values of
    ``d`` players, all held at once.

    Parameters
    ----------
    players
        Their names, at most eight.
    value
        What stands when some have moved. Each is asked for after one that differs by one player.

    Returns
    -------
    dict
        By player; they sum to the value of all less that of none.

    Raises
    ------
    MtfsError
        When there are more than eight.

    Examples
    --------
    >>> import numpy as np
    >>> area = lambda who: np.array((3.0 if "a" in who else 1.0) * (5.0 if "b" in who else 1.0))
    >>> {name: float(part) for name, part in shapley(["a", "b"], area).items()}
    {'a': 6.0, 'b': 8.0}
    """
    n = len(players)
    if n > MOST_PLAYERS:
        msg = (
            f"Shapley values over every company of {n} players would take {2**n:,} runs; expected "
            f"at most {MOST_PLAYERS}: put them into fewer groups"
        )
        raise MtfsError(msg)
    values: dict[int, Array] = {}
    for number in range(2**n):
        company = number ^ number >> 1  # a Gray code: neighbours differ by one player
        values[company] = value(frozenset(p for bit, p in enumerate(players) if company >> bit & 1))
    found = {}
    for bit, name in enumerate(players):
        total = 0.0 * values[0]
        for company in range(2**n):
            if not company >> bit & 1:
                step = values[company | 1 << bit] - values[company]
                total += _share_of_orders(company.bit_count(), n) * step
        found[name] = total
    return found


def _share_of_orders(moved_before: int, n: int) -> float:
    """Give the share of all orders in which just these players have moved before one."""
    return math.factorial(moved_before) * math.factorial(n - moved_before - 1) / math.factorial(n)
