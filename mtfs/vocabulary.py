"""Words the whole library shares: dimensions, financial years, errors and the checks at the door.

A financial year runs from 1 April to 31 March and is written ``"2026/27"``. Money is float64 GBP;
millions exist only where a number is shown.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Array: TypeAlias = NDArray[np.float64]
Path: TypeAlias = tuple[str | int, ...]

VERSION = "0.1.0"
BLOCK = 2048  # draws a stream gives at a time; a constant of the format
MAX_HORIZON = 10
SCORE_LIMIT = (
    8.5  # beyond it lies 1e-17 of the normal distribution: no stream of 53-bit numbers goes there
)

_YEAR = re.compile(r"(\d{4})/(\d{2})")


class MtfsError(ValueError):
    """Something given to ``mtfs`` is wrong; the message says what and what to do."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a plan: where, and what to do about it."""

    path: Path
    message: str
    where: str = ""
    file: str | None = None
    line: int | None = None

    def at(self, prefix: Path) -> Problem:
        """Place the problem under ``prefix``, the path of what holds it."""
        return replace(self, path=prefix + self.path)

    def __str__(self) -> str:
        place = ", ".join(
            part
            for part in (self.file, f"line {self.line}" if self.line else None, self.where)
            if part
        )
        return f"{place}: {self.message}" if place else self.message


class PlanError(MtfsError):
    """A plan, or another document, that cannot be used; ``problems`` holds all that is wrong."""

    def __init__(self, problems: str | Sequence[Problem], subject: str = "the plan") -> None:
        self.problems: tuple[Problem, ...] = (
            (Problem((), problems),) if isinstance(problems, str) else tuple(problems)
        )
        lines = [str(problem) for problem in self.problems]
        if len(lines) > 1:
            lines = [f"{subject} has {len(lines)} problems:", *(f"  - {line}" for line in lines)]
        super().__init__("\n".join(lines))


class PlanWarning(UserWarning):
    """A plan that can be used but holds something implausible."""


def listing(names: Iterable[str], most: int = 12) -> str:
    """Write names as a sentence would: sorted, the first dozen, and how many more."""
    held = sorted(names)
    more = f" and {len(held) - most} more" if len(held) > most else ""
    return ", ".join(held[:most]) + more if held else "none"


def suggest(name: str, names: Iterable[str]) -> str:
    """Say which known name is nearest to ``name``, or nothing where none is near."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""


def year_start(label: str) -> int:
    """Give the calendar year in which a financial year starts.

    Raises
    ------
    MtfsError
        When ``label`` is not of the form ``"2026/27"``.

    Examples
    --------
    >>> year_start("2026/27")
    2026
    """
    match = _YEAR.fullmatch(label) if isinstance(label, str) else None
    if match is None or (int(match[1]) + 1) % 100 != int(match[2]):
        msg = f"found year {label!r}; expected a financial year such as '2026/27'"
        raise MtfsError(msg)
    return int(match[1])


def year_label(start: int) -> str:
    """Write the financial year that starts on 1 April of ``start``.

    Examples
    --------
    >>> year_label(2026), year_label(1999)
    ('2026/27', '1999/00')
    """
    return f"{start}/{(start + 1) % 100:02d}"


def year_labels(first: str, horizon: int) -> tuple[str, ...]:
    """List ``horizon`` financial years from ``first``.

    Examples
    --------
    >>> year_labels("2026/27", 3)
    ('2026/27', '2027/28', '2028/29')
    """
    start = year_start(first)
    return tuple(year_label(start + lead) for lead in range(horizon))


def weeks_in_year(start: int) -> float:
    """Count the weeks of the financial year from 1 April ``start``: 365/7, or 366/7 in a leap year.

    Examples
    --------
    >>> round(weeks_in_year(2026) * 7), round(weeks_in_year(2027) * 7)
    (365, 366)
    """
    spring = start + 1  # the 29 February of 2027/28 falls in 2028
    leap = spring % 4 == 0 and (spring % 100 != 0 or spring % 400 == 0)
    return (366 if leap else 365) / 7


def require_share(value: float, name: str, *, open_ends: bool = False) -> float:
    """Return ``value`` when it is a share from 0 to 1 (``open_ends``: strictly between)."""
    bounds = "strictly between 0 and 1" if open_ends else "from 0 to 1"
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        msg = f"{name} is {value!r}; expected a share {bounds}"
        raise MtfsError(msg)
    inside = 0 < value < 1 if open_ends else 0 <= value <= 1
    if not inside:
        hint = f"; write {value:g}% as {value / 100:g}" if 2 <= value <= 100 else ""  # noqa: PLR2004 - percent
        msg = f"{name} is {value:g}; expected a share {bounds}{hint}"
        raise MtfsError(msg)
    return value


def require_count(value: object, name: str, *, least: int = 1) -> int:
    """Return ``value`` as an int when it is a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        msg = f"{name} is {value!r}; expected a whole number of at least {least}"
        raise MtfsError(msg)
    return int(value)
