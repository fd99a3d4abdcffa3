"""Reading plans from YAML, with the file and line of everything that is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mtfs.problems import NO_COMMAS
from mtfs.vocabulary import Path as Place
from mtfs.vocabulary import PlanError, Problem

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from os import PathLike

MAX_BYTES = 5_000_000  # a plan of a thousand lines with all its notes is under 1 MB
MAX_NODES = 200_000  # after aliases are followed
MAX_DEPTH = 50
MOST_DIGITS = 300  # longer whole numbers are read as floats: beyond float64 they are infinite

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9]+(_[0-9]+)*")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(_[0-9]+)*(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = {
    ".inf": float("inf"),
    "-.inf": float("-inf"),
    "+.inf": float("inf"),
    ".nan": float("nan"),
}
_UNEVEN = (
    "uneven indentation, here or just above: what belongs together starts in the same column, "
    "with spaces; or text after a closing quote or bracket"
)
_TAB = "a tab: indent with spaces. Text that starts with @, % or ` goes in quotes"
_UNCLOSED = "a missing closing bracket or brace, or a missing comma in a list"
_EMPTY = "a comma or bracket too many, or a value that is missing"
_COLON = (
    "uneven indentation, a line above without its colon, or text that holds a colon: put such text "
    "in quotes"
)
_USUALLY = (
    ("unexpected end of stream", "a missing closing quote"),
    ("another document", "two documents in one file, parted by '---': keep one a file"),
    ("<document start>", "text after the end of the document: keep one document a file"),
    ("cannot start any token", _TAB),
    ("tab character", _TAB),
    ("expected ',' or", _UNCLOSED),
    ("node content", _EMPTY),
    ("expected key", _UNEVEN),
    ("expected '-' indicator", _UNEVEN),
    ("<block end>", _UNEVEN),
    ("values are not allowed", _COLON),
    ("entries are not allowed", "a list that starts on its key's line: start it on the next"),
    ("could not find expected ':'", "a line without its colon, here or just above"),
    ("unknown escape character", "a backslash in double quotes: use single quotes"),
    ("alphabetic or numeric character", "text that starts with * or &: put it in quotes"),
    ("second occurrence", "two anchors (&) of one name: rename one"),
    ("undefined alias", "text that starts with *: put it in quotes"),
    ("comment or line break", "text that starts with | or >: put it in quotes"),
    ("chomping or indentation", "text that starts with | or >: put it in quotes"),
)
"""what of the parser's words (those of its two loaders) stands for which slip"""
_OPENED = re.compile("flow|quoted|simple key")  # parsed things whose start is worth a line
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


def read_yaml(
    path: str | PathLike[str], expected: str = "a plan"
) -> tuple[dict[str, Any], dict[Place, int]]:
    """Read a YAML mapping and the line on which each of its parts stands.

    Scalars follow YAML 1.2: ``1e6`` is a number, ``no`` and ``2026/27`` are text. Duplicate keys,
    files above 5 MB and aliases that multiply beyond 200,000 values are errors.

    Parameters
    ----------
    path
        The file.
    expected
        What the file should hold, for errors: "a plan" or "a monitoring document".

    Returns
    -------
    tuple
        The mapping, and line numbers (from 1) by place in it.

    Raises
    ------
    PlanError
        When the file cannot be read, is not YAML, or is not a mapping.
    """
    file = Path(path)
    try:
        size = file.stat().st_size
        if file.is_dir():
            raise PlanError(f"{file}: is a folder; expected a YAML file")
        if size > MAX_BYTES:
            raise PlanError(
                f"{file}: has {size / 1e6:,.0f} MB; {expected} has at most {MAX_BYTES / 1e6:.0f} "
                f"MB. Is it {expected}?"
            )
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = file.read_bytes()[: error.start].count(b"\n") + 1
        raise PlanError(f"{file}, line {line}: is not UTF-8 text") from None
    except OSError as error:
        raise PlanError(f"{file}: cannot be read: {error.strerror or error}") from None
    return _parse(text, str(file), expected)


def _parse(text: str, file: str, expected: str) -> tuple[dict[str, Any], dict[Place, int]]:
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark is not None else None
        raise PlanError([Problem((), f"is not YAML: {_slip(error)}", "", file, line)]) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise PlanError(f"{file}: is not YAML: {str(error).splitlines()[0]}") from None
    if node is None:
        raise PlanError(
            f"{file}: is empty; expected {expected}, a mapping that starts with 'council'"
        )
    if not isinstance(node, yaml.MappingNode):
        raise PlanError(
            [Problem((), f"is not a mapping; {expected} starts with 'council: ...'", "", file, 1)]
        )
    reader = _Reader(file, expected)
    data = reader.build(node, ())
    if reader.problems:
        raise PlanError(reader.problems)
    return data, reader.lines


def _slip(error: yaml.MarkedYAMLError) -> str:
    """Say which slip the parser's words usually stand for, and where a quote or bracket opens."""
    said = str(error.problem)
    usually = next((slip for words, slip in _USUALLY if words in said), None)
    if usually is None:
        return said
    start = error.context_mark if _OPENED.search(error.context or "") else None
    since = f"; it starts on line {start.line + 1}" if start is not None else ""
    return f"usually {usually}{since} (the parser: {said})"


class _Reader:
    """Turns a tree of nodes into Python values and remembers their lines."""

    def __init__(self, file: str, expected: str) -> None:
        self.file = file
        self.expected = expected
        self.lines: dict[Place, int] = {}
        self.problems: list[Problem] = []
        self._nodes = 0

    def build(self, node: yaml.Node, place: Place) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(place, line)
        self._nodes += 1
        if self._nodes > MAX_NODES or len(place) > MAX_DEPTH:
            what = (
                f"more than {MAX_NODES:,} values" if self._nodes > MAX_NODES else "too many levels"
            )
            asked = f"aliases included; is it {self.expected}?"
            raise PlanError([Problem((), f"has {what}, {asked}", "", self.file, line)])
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*place, number)) for number, item in enumerate(node.value)]
        return self._mapping(node, place)

    def _mapping(self, node: yaml.Node, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value in node.value:
            key, line = key_node.value, key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem(place, "a key is not text", "", self.file, line))
            elif key in found:
                first = self.lines[*place, key]
                message = f"the key '{key}' stands twice; it is first on line {first}"
                if key.isdigit():
                    message += f": {NO_COMMAS}"
                self.problems.append(Problem((*place, key), message, "", self.file, line))
            else:
                self.lines[*place, key] = line
                found[key] = self.build(value, (*place, key))
        return found


def _scalar(node: yaml.ScalarNode) -> Any:
    text = node.value
    if node.style:  # quoted or a block: text
        return text
    if text.lower() in _WORDS and text in {text.lower(), text.capitalize(), text.upper()}:
        return _WORDS[text.lower()]
    if _INT.fullmatch(text) and len(text) <= MOST_DIGITS:
        return int(text.replace("_", ""))
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    return _SPECIAL.get(text.lower(), text)


class _Dumper(yaml.SafeDumper):
    """Writes text so that :func:`read_yaml` reads it as text."""


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    """Put text in quotes that would be read as a number or a word such as true without them."""
    plain = yaml.ScalarNode("tag:yaml.org,2002:str", value)
    style = None if _scalar(plain) == value and value.isprintable() else '"'
    return dumper.represent_scalar(plain.tag, value, style=style)


_Dumper.add_representer(str, _text)


def write_yaml(data: Mapping[str, Any]) -> str:
    """Write a mapping as YAML, keys in the order given, for :func:`read_yaml` to read back."""
    found = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return str(found)


def line_of(place: Place, lines: Mapping[Place, int]) -> int | None:
    """Give the line of a place, or of the nearest thing that holds it."""
    for depth in range(len(place), -1, -1):
        if (line := lines.get(place[:depth])) is not None:
            return line
    return None


def placed(
    problems: Iterable[Problem], path: str | PathLike[str], lines: Mapping[Place, int]
) -> list[Problem]:
    """Say of problems in which file and on which line they are, in the order of the file."""
    at = [replace(p, file=str(path), line=line_of(p.path, lines)) for p in problems]
    return sorted(at, key=lambda p: p.line or 0)


def yaml_names(folder: Traversable) -> list[str]:
    """List the YAML files of a folder, without their suffix."""
    names = [item.name for item in folder.iterdir()]
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))
