"""Care lines and the flows whose people they count: names that exist, years that follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mtfs.flows.sources import Flow
from mtfs.lines import CareLine, Line, PreventionLine
from mtfs.vocabulary import Path, Problem, listing, suggest


def sourcing_problems(
    lines: Mapping[Path, Line],
    flows: Mapping[Path, Flow],
    names: Sequence[str],
    years: Sequence[str],
) -> Iterator[Problem]:
    """List what is wrong between care lines and flows.

    Parameters
    ----------
    lines, flows
        Those that are right in themselves, by their place in the plan.
    names
        The names of all flows, also of those that are wrong.
    years
        The plan's years.
    """
    known = {flow.name: flow for flow in flows.values()}
    for path, flow in flows.items():
        yield from (Problem((*path, "model"), fault) for fault in flow.faults(years))
    sourced = {path: line for path, line in lines.items() if isinstance(line, CareLine)}
    for path, line in sourced.items():
        people = line.sourced
        if people is None:
            continue
        if people.source not in names:
            what = listing(names) if names else "none: give it one under 'flows'"
            yield Problem(
                (*path, "people", "flow"),
                f"uses flow '{people.source}', which the plan does not hold."
                f"{suggest(people.source, names)} It holds: {what}.",
            )
        elif people.source in known:
            for field, text in known[people.source].unknown(people):
                yield Problem((*path, "people", field), text)
    of_flows = {line.name: line.sourced.source for line in sourced.values() if line.sourced}
    for path, other in lines.items():
        if isinstance(other, PreventionLine) and other.reduces in of_flows:
            yield Problem(
                (*path, "reduces"),
                f"the people of '{other.reduces}' are those of flow '{of_flows[other.reduces]}': "
                "give the flow a lever on entries, and the money a line of its own",
            )


def uncounted(lines: Mapping[Path, Line], flows: Mapping[Path, Flow]) -> Iterator[Problem]:
    """List placements of flows whose people no line counts, so that nothing is paid for them."""
    for path, flow in flows.items():
        counted: set[str] = set()
        for line in lines.values():
            if isinstance(line, CareLine) and line.sourced and line.sourced.source == flow.name:
                counted.update(flow.states_of(line.sourced))
        if rest := [name for name in flow.states() if name not in counted]:
            yield Problem(path, f"no line counts the people in {listing(rest)}: they cost nothing")
