"""Simulated people, kept for the next run of a plan that leaves them as they are."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from mtfs.vocabulary import Array

_ROOM = 256e6  # bytes of simulated people that are kept


class Kept:
    """What was simulated, the latest used first, up to some memory."""

    def __init__(self) -> None:
        self._held: OrderedDict[object, tuple[Array, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: object) -> tuple[Array, ...] | None:
        """Give what is kept."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def once(self, key: object, make: Callable[[], Array]) -> Array:
        """Give what is kept, or make and keep it."""
        if (found := self.get(key)) is None:
            found = (make(),)
            self.keep(key, found)
        return found[0]

    def keep(self, key: object, found: tuple[Array, ...]) -> None:
        """Keep something, and let go of what was not used for longest."""
        with self._lock:
            self._held[key] = found
            while len(self._held) > 1 and self._size() > _ROOM:
                self._held.popitem(last=False)

    def _size(self) -> int:
        return sum(each.nbytes for held in self._held.values() for each in held)


KEPT = Kept()
"""shared by all plans, whose threads may use it at once"""
