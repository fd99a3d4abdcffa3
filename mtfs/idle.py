"""What a plan holds to no effect: idle drivers and levers, people nobody pays for, or twice."""

from __future__ import annotations

from datetime import date

from mtfs.assumptions import fixed_values
from mtfs.checks import Draft, assumption_fields, sources_of
from mtfs.drivers import Driver
from mtfs.flows.levers import AnyLever, CapacityLever, RateLever
from mtfs.flows.sources import Flow
from mtfs.lines import Line
from mtfs.sourcing import miscounted
from mtfs.vocabulary import Problem, year_start

_MUCH = 4.0  # a rate five times what it was: no lever of a service does that, a percentage may


def unused(draft: Draft) -> list[Problem]:
    """List drivers and levers to no effect, people nobody pays for or whom two lines count.

    A check says so; making a plan does not, as drivers may wait for lines, or serve as inflation.
    """
    used = {one.driver for _, driver in draft.each(Driver) for one in driver.mix}
    for path, part in draft.parts.items():
        if not isinstance(part, Driver):
            used |= {value for _, value in assumption_fields(part, path) if isinstance(value, str)}
    return [
        *(
            Problem(path, "moves nothing: no line, saving, funding or other driver follows it")
            for path, driver in draft.each(Driver)
            if driver.name not in used
        ),
        *(
            Problem((*path, "levers", n), text)
            for path, flow in draft.each(Flow)
            for n, lever in enumerate(flow.levers)
            for text in (_out_of_time(lever, flow, draft), _out_of_proportion(lever, draft))
            if text is not None
        ),
        *miscounted(dict(draft.each(Line)), sources_of(draft)),
    ]


def _out_of_time(lever: AnyLever, flow: Flow, draft: Draft) -> str | None:
    """Say why a lever does nothing in the plan's years, or did something before."""
    if isinstance(lever, CapacityLever) or draft.calendar is None:
        return None
    first, last = (year_start(draft.calendar.years[n]) for n in (0, -1))
    after, known = date(last + 1, 4, 1), flow.model.as_of
    if lever.starts >= after:
        return f"starts on {lever.starts}, after the plan's years: it changes nothing"
    if lever.ends is not None and lever.ends <= date(first, 4, 1):
        return f"ends on {lever.ends}, before the plan's years"
    if lever.starts <= known:
        return (
            f"starts on {lever.starts}, within what the flow learnt from, to {known}: what it did "
            "by then is in the flow's rates, and its whole effect comes on top"
        )
    return None


def _out_of_proportion(lever: AnyLever, draft: Draft) -> str | None:
    """Say where an effect can hardly be meant: a percentage, perhaps."""
    if not isinstance(lever, RateLever) or isinstance(lever.effect, str) or draft.calendar is None:
        return None
    most = float(fixed_values(lever.effect, draft.calendar.years).max())
    if most <= _MUCH:
        return None
    return (
        f"an effect of {most:g} makes the rate {1 + most:g} times what it was; write {most:g}% as "
        f"{most / 100:g}"
    )
