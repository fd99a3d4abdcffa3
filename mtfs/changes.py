"""Changes by dotted path: where a path leads in a plan, and a plan's dump with parts changed.

A step of a path is the name of a field or, within a list, of a part: ``lines.home care.base``. A
part's name may hold dots itself: of several names that fit, the longest is meant. Parts without a
name go by their number, from 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from mtfs.assumptions import Declared
from mtfs.vocabulary import Path, PlanError, Problem, suggest


@dataclass(frozen=True)
class Located:
    """A place that a dotted path leads to."""

    names: tuple[str, ...]
    """its steps, parts of lists by name"""
    path: Path
    """the same, parts of lists by number"""

    def holds(self, other: Located) -> bool:
        """Whether the other place is this one or lies within it."""
        return other.names[: len(self.names)] == self.names


Found: TypeAlias = list[tuple[Path, str, Located]]
"""what asks for each change, its dotted path, and where that leads"""


@dataclass(frozen=True)
class Edited:
    """A plan's dump with parts changed, and where each change has come to stand in it."""

    data: dict[str, Any]
    origins: tuple[tuple[Path, Path], ...]
    """by change: its place in the dump, and in what asked for it, such as ``("changes", path)``"""

    def origin(self, path: Path) -> Path | None:
        """Find what asked for the change that a place in the dump comes of, if one did."""
        within = [pair for pair in self.origins if path[: len(pair[0])] == pair[0]]
        if within:
            place, asked = max(within, key=lambda pair: len(pair[0]))
            return asked + path[len(place) :]
        holding = (asked for place, asked in self.origins if path and place[: len(path)] == path)
        return next(holding, None)


def locate(whole: Declared, path: str) -> Located:
    """Find the place that a dotted path leads to.

    Raises
    ------
    PlanError
        When there is none; says which step is missing and names the nearest.

    Examples
    --------
    >>> from mtfs import Plan
    >>> levy = {"kind": "levy", "name": "flood levy", "base": 1e6}
    >>> plan = Plan(council="A", first_year="2026/27", lines=[levy])
    >>> locate(plan, "lines.flood levy.base").path
    ('lines', 0, 'base')
    """
    if not isinstance(path, str):
        raise PlanError(f"found {path!r}; expected a dotted path such as 'lines.home care.base'")
    held: Any = whole
    names: list[str] = []
    places: list[str | int] = []
    rest = path
    while True:
        known = _names_within(held)
        fits = [name for name in known if rest == name or rest.startswith(f"{name}.")]
        if not fits:
            raise PlanError(_no_such(path, rest, known))
        step = max(fits, key=len)
        number = known.index(step)
        names.append(step)
        places.append(number if isinstance(held, tuple) else step)
        if rest == step:
            return Located(tuple(names), tuple(places))
        held = held[number] if isinstance(held, tuple) else getattr(held, step)
        rest = rest[len(step) + 1 :]


def value_at(whole: Declared, place: Path) -> Any:
    """Give what stands at a place of a plan, parts of lists by number."""
    held: Any = whole
    for step in place:
        held = held[int(step)] if isinstance(held, tuple) else getattr(held, str(step))
    return held


def _names_within(held: object) -> list[str]:
    if isinstance(held, tuple):
        return [getattr(item, "name", str(number)) for number, item in enumerate(held)]
    return list(type(held).model_fields) if isinstance(held, Declared) else []


def _no_such(path: str, rest: str, known: Sequence[str]) -> str:
    steps = rest.split(".")
    tries = {".".join(steps[: name.count(".") + 1]): None for name in ("", *known)}
    near = next((said for tried in tries if (said := suggest(tried, known))), "")
    return (
        f"'{path}' does not exist: no '{steps[0]}'.{near} "
        f"There is: {', '.join(known) if known else 'nothing below'}."
    )


def edit(
    whole: Declared,
    changes: Mapping[str, object],
    *,
    add: Mapping[str, Sequence[object]] | None = None,
    remove: Sequence[str] = (),
) -> Edited:
    """Dump a plan with some of it changed, removed and added; what comes of it is not checked yet.

    Parameters
    ----------
    whole
        The plan.
    changes
        New values by dotted path.
    add
        New parts by the dotted path of their list; they come last in it.
    remove
        Dotted paths of parts of lists.

    Raises
    ------
    PlanError
        When paths do not exist, or one lies within another; lists every problem, with its place
        under ``changes``, ``add`` or ``remove``.
    """
    add = {path: parts for path, parts in (add or {}).items() if parts}
    asked: list[tuple[Path, str]] = [
        *((("changes", path), path) for path in changes),
        *((("remove", number), path) for number, path in enumerate(remove)),
    ]
    found: Found = []
    problems: list[Problem] = []
    for asks, path in asked:
        try:
            found.append((asks, path, locate(whole, path)))
        except PlanError as error:
            problems += [problem.at(asks) for problem in error.problems]
    lists = {path: locate(whole, path) for path in add}
    problems += [*_within_another(found), *_of_no_list(found), *_lost(found, lists)]
    if problems:
        raise PlanError(problems)
    data = whole.model_dump(exclude_none=True)
    for asks, path, place in found:
        if asks[0] == "changes":
            _holder(data, place.path)[place.path[-1]] = changes[path]
    gone = [place.path for asks, _, place in found if asks[0] == "remove"]
    for path_gone in sorted(gone, key=_number, reverse=True):
        del _holder(data, path_gone)[path_gone[-1]]
    origins = [(_moved(place.path, gone), asks) for asks, _, place in found if asks[0] == "changes"]
    for path, parts in add.items():
        held = _holder(data, (*lists[path].path, 0))
        origins += [
            ((*lists[path].path, len(held) + n), ("add", path.split(".")[-1], n))
            for n in range(len(parts))
        ]
        held.extend(parts)
    return Edited(data, tuple(origins))


def _within_another(found: Found) -> Iterator[Problem]:
    for number, (asks, path, place) in enumerate(found):
        for other_asks, other, holder in found[:number] + found[number + 1 :]:
            if not holder.holds(place):
                continue
            if holder.names != place.names:
                what = "replaced" if other_asks[0] == "changes" else "removed"
                advice = "make the change in what replaces it" if what == "replaced" else "drop it"
                text = f"'{path}' lies within '{other}', which is {what} too; {advice}"
                yield Problem(asks, text)
            elif asks[0] == "remove":
                what = "changed" if other_asks[0] == "changes" else "removed twice"
                yield Problem(asks, f"'{path}' is {what} too; keep one of them")


def _of_no_list(found: Found) -> Iterator[Problem]:
    for asks, path, place in found:
        if asks[0] == "remove" and not isinstance(place.path[-1], int):
            text = f"'{path}' is no part of a list, so it cannot be removed; change its value"
            yield Problem(asks, text)


def _lost(found: Found, lists: Mapping[str, Located]) -> Iterator[Problem]:
    for path, place in lists.items():
        for asks, other, holder in found:
            if asks[0] == "changes" and holder.holds(place):
                field = path.split(".")[-1]
                text = f"'{other}' is replaced too; put the new parts into what replaces it"
                yield Problem(("add", field), text)


def _holder(data: dict[str, Any], place: Path) -> Any:
    """Give what holds a place of a dump, tuples on the way made lists."""
    node: Any = data
    for step in place[:-1]:
        child = node[step]
        if isinstance(child, tuple):
            child = node[step] = list(child)
        node = child
    return node


def _number(place: Path) -> int:
    """Give the number of a part in its list."""
    number = place[-1]
    return number if isinstance(number, int) else 0


def _moved(place: Path, gone: Sequence[Path]) -> Path:
    """Say where a place stands once parts before it are gone."""
    steps: list[str | int] = []
    for depth, step in enumerate(place):
        before = [_number(path) for path in gone if path[:-1] == place[:depth]]
        steps.append(step - sum(n < step for n in before) if isinstance(step, int) else step)
    return tuple(steps)


__all__ = ["Edited", "Located", "edit", "locate"]
