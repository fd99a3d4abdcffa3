"""Checks between savings: what needs what, targets that share schemes, demand counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mtfs.assumptions import fixed_values
from mtfs.checks import planned_paths
from mtfs.drivers import Driver
from mtfs.lines import CareLine, Line, Saving, SavingsTarget
from mtfs.lines.programme import PENNY, round_of_needs
from mtfs.vocabulary import Array, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mtfs.checks import Draft


def savings_problems(draft: Draft) -> list[Problem]:
    """List what is wrong between the savings of a plan; names that do not exist are said before."""
    rounds = list(_rounds(draft))
    found = [*rounds, *_targets(draft), *_managed(draft)]
    if rounds or draft.calendar is None or draft.misfits:
        return found
    return [*found, *_too_early(draft, draft.calendar.years)]


def _rounds(draft: Draft) -> Iterator[Problem]:
    """Find a scheme that needs itself."""
    held = {saving.name: (path, saving) for path, saving in draft.each(Saving)}
    for path, saving in held.values():
        for name in saving.needs:
            if saving.needs.count(name) > 1:
                yield Problem((*path, "needs"), f"names '{name}' twice; once is enough")
                break
    known = {name: [n for n in saving.needs if n in held] for name, (_, saving) in held.items()}
    if round_ := round_of_needs(known):
        path, saving = held[round_[0]]
        yield Problem((*path, "needs"), f"'{saving.name}' depends on itself: {' -> '.join(round_)}")


def _too_early(draft: Draft, years: tuple[str, ...]) -> Iterator[Problem]:
    """Find schemes that are to save before what they need saves anything."""
    held = {saving.name: saving for _, saving in draft.each(Saving)}
    if not any(saving.needs for saving in held.values()):
        return
    drivers = {d.name: d.planned_values(years) for _, d in draft.each(Driver) if not d.mix}
    begins = {name: _first_year(saving.levels, years, drivers) for name, saving in held.items()}
    for path, saving in draft.each(Saving):
        mine = begins[saving.name]
        for name in saving.needs:
            other = begins.get(name)
            if mine is None or other is None or other <= mine or mine == len(years):
                continue
            when = f"until {years[other]}" if other < len(years) else "in any year"
            yield Problem(
                (*path, "needs"),
                f"is planned to save from {years[mine]}, but '{name}', which it needs, is not "
                f"planned to save anything {when}: plan this one later or that one earlier, or "
                "leave out the need",
            )


def _first_year(levels: Any, years: tuple[str, ...], drivers: dict[str, Array]) -> int | None:
    """Give the first year with a level above 0, the number of years if none; None if unknown."""
    if isinstance(levels, str):
        if levels not in drivers:
            return None
        values = drivers[levels]
    else:
        values = fixed_values(levels, years)
    return int(np.argmax(values > 0)) if (values > 0).any() else len(years)


def _targets(draft: Draft) -> Iterator[Problem]:
    """Find schemes that count towards two targets, and names that would stand twice."""
    counted: dict[str, str] = {}
    for path, target in draft.each(SavingsTarget):
        for name in target.schemes:
            if name in counted:
                yield Problem(
                    (*path, "schemes"),
                    f"'{name}' already counts towards target '{counted[name]}': the same saving "
                    "would be counted twice",
                )
            counted.setdefault(name, target.name)
        if target.name in draft.names.get("savings", ()):
            yield Problem(
                (*path, "name"), f"a saving is called '{target.name}' too; rename one of the two"
            )
        if target.scheme in draft.names.get("savings", ()):
            yield Problem(
                (*path, "name"),
                f"what this target lacks is called '{target.scheme}', and so is a saving; "
                "rename one of the two",
            )


def _managed(draft: Draft) -> Iterator[Problem]:
    """Find schemes that manage the demand of a line that has no people."""
    lines = {line.name: line for _, line in draft.each(Line)}
    for path, saving in draft.each(Saving):
        line = lines.get(saving.manages or "")
        if line is not None and not isinstance(line, CareLine):
            kind = getattr(line, "kind", "")
            yield Problem(
                (*path, "manages"),
                f"'{line.name}' is of kind {kind} and holds no people; 'manages' names a line of "
                "kind care or temporary_accommodation. Leave it out where the scheme saves "
                "otherwise than by fewer people",
            )


def counted_beyond_cost(draft: Draft) -> list[Problem]:
    """List care lines of which more is planned to be saved than they cost.

    Schemes that manage one line count once each; together they cannot save more than its planned
    net cost. Needs a plan that is otherwise right.
    """
    managed = [(path, saving) for path, saving in draft.each(Saving) if saving.manages is not None]
    if not managed or draft.calendar is None:
        return []
    planned = planned_paths(draft, draft.calendar)
    costs = {
        line.name: (line.cost(planned) * line.share)[:, 0]
        for _, line in draft.each(CareLine)
        if any(line.name == saving.manages for _, saving in managed)
    }
    found = []
    for name, cost in costs.items():
        mine = [(path, saving) for path, saving in managed if saving.manages == name]
        over = sum(saving.counted(planned)[:, 0] for _, saving in mine) - cost
        year = int(np.argmax(over))
        if over[year] >= PENNY:
            path, _ = mine[-1]
            names = " and ".join(f"'{saving.name}'" for _, saving in mine)
            found.append(
                Problem(
                    (*path, "levels"),
                    f"{names} {'is' if len(mine) == 1 else 'together are'} planned to save GBP "
                    f"{over[year]:,.0f} more in {draft.calendar.years[year]} than '{name}' then "
                    "costs; lower 'levels', or raise 'already_in_demand' where its people path "
                    "holds part of this",
                )
            )
    return found
