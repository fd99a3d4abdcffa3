"""What a plan holds and nothing uses: drivers that move nothing, people nobody pays for."""

from __future__ import annotations

from mtfs.checks import Draft, assumption_fields, sources_of
from mtfs.drivers import Driver
from mtfs.lines import Line
from mtfs.sourcing import uncounted
from mtfs.vocabulary import Problem


def unused(draft: Draft) -> list[Problem]:
    """List drivers that move nothing and people nobody pays for: signs of a gap too small.

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
        *uncounted(dict(draft.each(Line)), sources_of(draft)),
    ]
