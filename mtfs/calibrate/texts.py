"""What was learnt, as text that goes into a plan as it is."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import yaml

from mtfs.assumptions import Assumption, ByYear, Declared
from mtfs.drivers import Driver
from mtfs.vocabulary import Array, MtfsError, listing

_WIDTH = 100
_SAID = ("source", "owner", "rationale", "notes")  # after the figures they are about
# YAML 1.2, which plans are read by, takes 1e6 for a number and the writer, of YAML 1.1, for text.
_LIKE_NUMBER = re.compile(r"[-+.]?[0-9][0-9_.]*([eE][-+]?[0-9]+)?")


@dataclass(frozen=True)
class Section:
    """What stands under one key of a plan."""

    key: str
    """such as ``drivers``"""
    held: Sequence[Declared] | float
    """parts of a list, or a number"""
    comment: str = ""
    """the source of what has no field for one"""


class Fitted(Protocol):
    """Something learnt that a plan can hold."""

    def sections(self) -> tuple[Section, ...]:
        """Give it by the plan's keys."""
        ...


class OfDriver:
    """What was learnt as one driver."""

    driver: Driver

    @property
    def source(self) -> str:
        """Data, window and method, as they stand in the plan's register."""
        return self.driver.source or ""

    def sections(self) -> tuple[Section, ...]:
        """Give it by the plan's keys."""
        return (Section("drivers", (self.driver,)),)

    def text(self) -> str:
        """Write it as a plan holds it."""
        return plan_text(self)


def plan_text(*fitted: Fitted) -> str:
    """Write what was learnt as YAML for a plan: one list of drivers, one of correlations ...

    Parameters
    ----------
    fitted
        Results of ``fit_driver``, ``fit_correlations``, ``fit_overspend`` and the others, in the
        order in which they are to stand.

    Returns
    -------
    str
        To be pasted into a plan, at its left edge.

    Raises
    ------
    MtfsError
        When something else is given, or two state the same number, such as ``savings_correlation``.

    Examples
    --------
    >>> import mtfs
    >>> view = mtfs.calibrate.elicit(interval=(0.02, 0.06), prob=0.8)
    >>> print(plan_text(view.as_driver("fees", persistence=0.5)))
    drivers:
    - name: fees
      central: 0.04
      sd: 0.0156061
      persistence: 0.5
      source: 'Elicited: P10 0.02, P90 0.06; normal, misfit 0.0% of the spread'
    <BLANKLINE>
    """
    if not fitted:
        msg = "nothing was given to write; expected results of fit_driver, fit_correlations ..."
        raise MtfsError(msg)
    for one in fitted:
        _require_fitted(one)
    held: dict[str, list[Any]] = {}
    comments: dict[str, list[str]] = {}
    numbers: dict[str, float] = {}
    for section in (each for one in fitted for each in one.sections()):
        comments.setdefault(section.key, [])
        if section.comment:
            comments[section.key].append(section.comment)
        if isinstance(section.held, float):
            if section.key in numbers:
                msg = f"'{section.key}' is given twice; a plan holds one: write them apart"
                raise MtfsError(msg)
            numbers[section.key] = section.held
        else:
            held.setdefault(section.key, []).extend(_plain(part) for part in section.held)
    _require_once(held)
    written = []
    for key, said in comments.items():
        lines = [line for each in said for line in textwrap.wrap(each, _WIDTH - 2)]
        value = numbers[key] if key in numbers else held[key]
        written += [f"# {line}\n" for line in lines]
        written.append(
            yaml.dump(
                {key: value}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH
            )
        )
    return "".join(written)


def _require_fitted(one: object) -> None:
    if not hasattr(one, "sections"):
        hint = (
            ": say for which schemes, .for_schemes({'digital': [1e6, 2e6]})"
            if hasattr(one, "for_schemes")
            else "; expected results of fit_driver and the like"
        )
        msg = f"found a {type(one).__name__}{hint}"
        raise MtfsError(msg)


def _require_once(held: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    for key, parts in held.items():
        names = [part["name"] for part in parts if "name" in part]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            msg = f"{key}: {listing(twice)} given twice; name each otherwise"
            raise MtfsError(msg)


def rounded(value: float, scale: float, digits: int = 6) -> float:
    """Round a value so that ``digits`` digits of its scale, such as its spread, are kept.

    Examples
    --------
    >>> rounded(0.0312345678, scale=0.01, digits=3)
    0.0312
    """
    if scale <= 0:
        return float(f"{value:.{digits}g}")
    return round(float(value), digits - 1 - math.floor(math.log10(scale)))


def by_year(values: Array, years: Sequence[str], scale: float, digits: int = 4) -> Assumption:
    """Write values by year as a plan does, or as one number where all are the same.

    Parameters
    ----------
    values
        Shape (year,).
    years
        Financial years.
    scale, digits
        As for :func:`rounded`.
    """
    held = [rounded(float(value), scale, digits) for value in values]
    if len(set(held)) == 1:
        return held[0]
    return ByYear(by_year=tuple(zip(years, held, strict=True)))


def _plain(part: Declared) -> dict[str, Any]:
    """Give a part by its fields, what is within them to be written on one line."""
    fields = part.model_dump(mode="json", exclude_defaults=True)
    last = {name: fields.pop(name) for name in _SAID if name in fields}
    return {name: _flowing(value) for name, value in (fields | last).items()}


def _flowing(value: Any) -> Any:
    if isinstance(value, Mapping):
        if isinstance(pairs := value.get("by_year"), list):
            return _Row({"by_year": _Row(pairs)})
        return _Row({name: _flowing(each) for name, each in value.items()})
    if isinstance(value, list):
        return _Line(_flowing(each) for each in value)
    return value


class _Row(dict[str, Any]):
    """A mapping on one line."""


class _Line(list[Any]):
    """A list on one line."""


class _Dumper(yaml.SafeDumper):
    """Writes what is within a part on one line, and text as text."""


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = "'" if _LIKE_NUMBER.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(
    _Row,
    lambda dumper, held: dumper.represent_mapping("tag:yaml.org,2002:map", held, flow_style=True),
)
_Dumper.add_representer(
    _Line,
    lambda dumper, held: dumper.represent_sequence("tag:yaml.org,2002:seq", held, flow_style=True),
)
