"""Care lines and the flows and cohorts whose people they count: names, states and years."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from mtfs.flows.cohort_states import CohortPeople, CohortStates
from mtfs.flows.sources import Flow
from mtfs.lines import CareLine, Line, PreventionLine
from mtfs.vocabulary import Path, Problem, listing, suggest

Source: TypeAlias = Flow | CohortStates


def sourcing_problems(
    lines: Mapping[Path, Line],
    sources: Mapping[Path, Source],
    names: Mapping[str, Sequence[str]],
    years: Sequence[str],
) -> Iterator[Problem]:
    """List what is wrong between care lines, flows and cohorts.

    Parameters
    ----------
    lines, sources
        Those that are right in themselves, by their place in the plan.
    names
        The names of all ``"flows"`` and ``"cohorts"``, also of those that are wrong.
    years
        The plan's years.
    """
    for path, source in sources.items():
        where = (*path, "model") if isinstance(source, Flow) else path
        yield from (Problem(where, fault) for fault in source.faults(years))
    flows, cohorts = (set(names.get(group, ())) for group in ("flows", "cohorts"))
    for path, source in sources.items():
        if source.name in flows & cohorts:
            yield Problem((*path, "name"), f"a flow and a cohort are both called '{source.name}'")
    counted = {path: line for path, line in lines.items() if isinstance(line, CareLine)}
    for path, line in counted.items():
        if line.sourced is not None:
            yield from _unknown(path, line.sourced, sources, names)
    of_source = {line.name: line.sourced.source for line in counted.values() if line.sourced}
    for path, other in lines.items():
        if isinstance(other, PreventionLine) and other.reduces in of_source:
            yield Problem(
                (*path, "reduces"),
                f"the people of '{other.reduces}' are those of '{of_source[other.reduces]}': give "
                "a flow a lever on entries, or a cohort a lower growth, and the money a line",
            )


def _unknown(
    path: Path, people: Any, sources: Mapping[Path, Source], names: Mapping[str, Sequence[str]]
) -> Iterator[Problem]:
    """Name a flow or cohort, or states of it, that the plan does not hold."""
    what = "cohort" if isinstance(people, CohortPeople) else "flow"
    held = names.get(f"{what}s", ())
    if people.source not in held:
        have = listing(held) if held else f"none: give it one under '{what}s'"
        yield Problem(
            (*path, "people", what),
            f"uses {what} '{people.source}', which the plan does not hold."
            f"{suggest(people.source, held)} It holds: {have}.",
        )
        return
    for (group, *_), source in sources.items():
        if group == f"{what}s" and source.name == people.source:
            for field, text in source.unknown(people):
                yield Problem((*path, "people", field), text)


def miscounted(lines: Mapping[Path, Line], sources: Mapping[Path, Source]) -> Iterator[Problem]:
    """List people of flows and cohorts whom no line counts, and whom several lines count."""
    for path, source in sources.items():
        counting = {
            line.name: source.select(line.sourced)  # type: ignore[arg-type]
            for line in lines.values()
            if isinstance(line, CareLine)
            and line.sourced is not None
            and line.sourced.source == source.name
        }
        times = np.sum(list(counting.values()), axis=0) if counting else np.zeros(1, int)
        inside = {
            name: source.select(source.alone(name))  # type: ignore[arg-type]
            for name in source.states()
        }
        at = {name: np.broadcast_to(times, mask.shape)[mask] for name, mask in inside.items()}
        if none := [name for name, held in at.items() if held.max(initial=0) == 0]:
            yield Problem(path, f"no line counts the people in {listing(none)}: they cost nothing")
        if some := [name for name, held in at.items() if held.min(initial=1) < 1 <= held.max()]:
            yield Problem(
                path,
                f"no line counts some of the people in {listing(some)}, by age or group: they cost "
                "nothing",
            )
        for name, held in at.items():
            if held.max(initial=0) > 1:
                both = [line for line, mask in counting.items() if (mask & inside[name]).any()]
                yield Problem(
                    path,
                    f"lines {listing(both)} count the same people in {name}: right only if each "
                    "pays for something else",
                )
