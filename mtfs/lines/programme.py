"""The whole savings programme: schemes that need each other, and what targets still lack."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import numpy as np

from mtfs.lines.anatomy import Anatomy, Factor, from_base
from mtfs.lines.savings import Deliverable, Saving, SavingsTarget
from mtfs.paths import Calendar, Paths
from mtfs.vocabulary import Array, MtfsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

PENNY = 0.01  # GBP; a target lacks nothing where its schemes come this near


@dataclass(frozen=True)
class Progress:
    """How far what a scheme needs has come, shares from 0 to 1, shape (year, draw) or (year, 1)."""

    arrived: Array
    lost: Array


@dataclass(frozen=True)
class Scheme:
    """One scheme as it runs: a saving, or what a target lacks after the schemes it names."""

    terms: Deliverable
    needs: tuple[str, ...] = ()
    covered_by: tuple[Saving, ...] = ()
    """target: the schemes that count towards it"""

    @property
    def name(self) -> str:
        """Its label in the dimension ``scheme``."""
        return self.terms.scheme

    def planned(self, paths: Paths) -> Array:
        """Give planned savings, GBP, shape (year, 1) where certain."""
        levels = self.terms.counted(paths)
        if not self.covered_by:
            return levels
        # what demand already holds of a scheme covers the target too: it is saved, only elsewhere
        covered = sum(paths.value(each.levels) for each in self.covered_by)
        return np.maximum(levels - covered, 0.0)

    def arrived(self, paths: Paths, common: float, needed: Progress | None) -> Array:
        """Give savings delivered, GBP, as :meth:`outcome` does."""
        planned = self.planned(paths)
        if paths.planned:
            return planned
        arrived = self.terms.arrived(planned, paths, common)
        return arrived if needed is None else arrived * needed.arrived

    def outcome(
        self, paths: Paths, common: float, needed: Progress | None
    ) -> tuple[Array, Array, Array]:
        """Give savings delivered, late and lost, GBP; they sum to what was planned.

        What a scheme would deliver by itself arrives as far as what it needs has arrived; what it
        would not lose by itself is lost as far as what it needs is lost.

        Parameters
        ----------
        paths
            The block's paths and scores.
        common
            Correlation of the delivery scores of different schemes.
        needed
            How far what it needs has come; None where it needs nothing.
        """
        planned = self.planned(paths)
        arrived = self.arrived(paths, common, needed)
        if paths.planned:
            nothing = np.zeros_like(planned)
            return arrived, nothing, nothing
        lost = self.terms.lost(planned, paths, common)
        if needed is not None:
            lost = lost + (planned - lost) * needed.lost
        return arrived, planned - arrived - lost, lost

    def anatomy(
        self,
        delivered: Array,
        late: Array,
        lost: Array,
        *,
        parts: Mapping[str, Array] | None = None,
    ) -> Anatomy:
        """Show savings delivered as what was planned, less what is late and what is lost.

        Parameters
        ----------
        delivered, late, lost
            As :meth:`outcome` gives them.
        parts
            As :meth:`Programme.terms_drawn` gives them.
        """
        levels = (("levels", self.terms.levels),)
        planned = from_base(0.0, delivered + late + lost)
        return Anatomy(
            (
                Factor("planned", "GBP", planned, "savings", levels, parts or {}),
                Factor("late", "GBP", -from_base(0.0, late), "savings late"),
                Factor("lost", "GBP", -from_base(0.0, lost), "savings lost"),
            ),
            "sum",
        )

    def progress(self, paths: Paths, common: float, needed: Progress | None) -> Progress:
        """Say how far it has come, for schemes that need it.

        Both shares are of the levels planned, each held at its last value above 0: what a one-off
        set up stays. Before anything is planned nothing has arrived. What arrived is never more
        than what was not lost, also where levels fall and an earlier year's slippage still comes.
        """
        levels = held_up(paths.value(self.terms.levels))
        arrived = self.terms.arrived(levels, paths, common)
        lost = self.terms.lost(levels, paths, common)
        if needed is not None:
            arrived = arrived * needed.arrived
            lost = lost + (levels - lost) * needed.lost
        lost = np.clip(_share_of(lost, levels), 0.0, 1.0)
        arrived = np.minimum(_share_of(arrived, levels), 1.0 - lost)
        return Progress(np.maximum(arrived, 0.0, out=arrived), lost)


def held_up(levels: Array) -> Array:
    """Hold levels at their last value above 0 where they fall to nothing."""
    held = levels.copy()
    for year in range(1, len(held)):
        np.copyto(held[year], held[year - 1], where=held[year] <= 0)
    return held


def _share_of(part: Array, whole: Array) -> Array:
    """Divide; 0 where there is no whole."""
    out = np.zeros(np.broadcast_shapes(part.shape, whole.shape))
    return np.divide(part, whole, out=out, where=whole > 0)


def least(progress: Sequence[Progress]) -> Progress | None:
    """Combine what one scheme needs: the least that arrived, the most that was lost."""
    if not progress:
        return None
    return Progress(
        reduce(np.minimum, [each.arrived for each in progress]),
        reduce(np.maximum, [each.lost for each in progress]),
    )


@dataclass(frozen=True)
class Programme:
    """Every scheme of a plan, ready to run a block."""

    schemes: tuple[Scheme, ...]
    common: float

    @cached_property
    def _needed(self) -> tuple[Scheme, ...]:
        """The schemes that others need, each after what it needs itself."""
        needs = {scheme.name: scheme.needs for scheme in self.schemes}
        wanted = {name for each in needs.values() for name in each}
        by_name = {scheme.name: scheme for scheme in self.schemes}
        return tuple(by_name[name] for name in in_order_of_need(needs) if name in wanted)

    def arrived(self, paths: Paths) -> Iterator[Array]:
        """Give each scheme's savings delivered, GBP."""
        for scheme, needed in self._with_progress(paths):
            yield scheme.arrived(paths, self.common, needed)

    def outcomes(self, paths: Paths) -> Iterator[tuple[Array, Array, Array]]:
        """Give each scheme's savings delivered, late and lost, GBP."""
        for scheme, needed in self._with_progress(paths):
            yield scheme.outcome(paths, self.common, needed)

    def terms_drawn(self, name: str, paths: Paths) -> dict[str, Array]:
        """Give what a draw says of how one scheme arrives, shape (1 + year, draw) or (.., 1)."""
        for scheme, needed in self._with_progress(paths):
            if scheme.name == name and not paths.planned:
                years = np.ones((1 + paths.horizon, 1))
                drawn = scheme.terms.terms_drawn(paths, self.common)
                found = {said: years * value for said, value in drawn.items()}
                if needed is not None:
                    found["as far as what it needs"] = from_base(0.0, needed.arrived)
                return found
        return {}

    def _with_progress(self, paths: Paths) -> Iterator[tuple[Scheme, Progress | None]]:
        found: dict[str, Progress] = {}

        def needed(scheme: Scheme) -> Progress | None:
            return least([found[name] for name in scheme.needs])

        if not paths.planned:
            for scheme in self._needed:
                found[scheme.name] = scheme.progress(paths, self.common, needed(scheme))
        for scheme in self.schemes:
            yield scheme, None if paths.planned else needed(scheme)


def in_order_of_need(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """List schemes so that each comes after those it needs.

    Parameters
    ----------
    needs
        The schemes each one needs, by its name.

    Raises
    ------
    MtfsError
        When a scheme needs itself, through others or not; the message gives the round.

    Examples
    --------
    >>> in_order_of_need({"reviews": ["new system"], "new system": []})
    ['new system', 'reviews']
    """
    if round_ := round_of_needs(needs):
        msg = f"saving '{round_[0]}' depends on itself: {' -> '.join(round_)}"
        raise MtfsError(msg)
    return list(TopologicalSorter(needs).static_order())


def round_of_needs(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """Give a round of schemes that need each other, from its first in ``needs`` back to it.

    Examples
    --------
    >>> round_of_needs({"a": [], "b": ["c"], "c": ["b"]})
    ['b', 'c', 'b']
    >>> round_of_needs({"a": [], "b": ["a"]})
    []
    """
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        held = error.args[1][:0:-1]  # the sorter lists what is needed first, and its first twice
        start = held.index(next(name for name in needs if name in held))
        return [*held[start:], *held[:start], held[start]]
    return []


def schemes_of(
    savings: Sequence[Saving], targets: Sequence[SavingsTarget], calendar: Calendar
) -> tuple[Scheme, ...]:
    """List the schemes of a plan: declared ones, then what each target lacks.

    A target that its schemes cover in every year has no scheme of its own. Where its levels or
    theirs follow a driver, what it lacks is known in draws only, and it always has one.
    """
    by_name = {saving.name: saving for saving in savings}
    declared = [Scheme(saving, saving.needs) for saving in savings]
    rests = [
        Scheme(target, covered_by=tuple(by_name[name] for name in target.schemes))
        for target in targets
    ]
    fixed = Paths(calendar, {}, {}, {})
    return (*declared, *(rest for rest in rests if _may_lack(rest, fixed)))


def _may_lack(rest: Scheme, fixed: Paths) -> bool:
    if any(isinstance(part.levels, str) for part in (rest.terms, *rest.covered_by)):
        return True
    return bool((rest.planned(fixed) >= PENNY).any())
