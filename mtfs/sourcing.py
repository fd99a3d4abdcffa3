"""Care lines and the flows and cohorts whose people they count: names, states and years."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

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


def uncounted(lines: Mapping[Path, Line], sources: Mapping[Path, Source]) -> Iterator[Problem]:
    """List states of flows and cohorts that no line counts, so that nothing is paid for them."""
    for path, source in sources.items():
        counted: set[str] = set()
        for line in lines.values():
            people = line.sourced if isinstance(line, CareLine) else None
            if people is not None and people.source == source.name:
                counted.update(source.states_of(people))  # type: ignore[arg-type]
        if rest := [name for name in source.states() if name not in counted]:
            yield Problem(path, f"no line counts the people in {listing(rest)}: they cost nothing")
