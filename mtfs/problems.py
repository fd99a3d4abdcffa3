"""Turn pydantic's validation errors into problems an analyst can act on."""

from __future__ import annotations

import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Tag

from mtfs.vocabulary import Path, PlanError, Problem, listing, suggest, year_label

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_NUMBER_AS_TEXT = re.compile(
    r"^[£$€]?\s*(-?[\d,_]*\.?\d+(?:e[-+]?\d+)?)\s*(k|m|bn|%)?$", re.IGNORECASE
)
_SCALE = {"": 1.0, "k": 1e3, "m": 1e6, "bn": 1e9, "%": 0.01}
_MODEL_ERRORS = {"model_type", "model_attributes_type", "dict_type"}
_EXPECTED = {
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "finite_number": "a finite number",
    "tuple_type": "a list in square brackets, one value too",
    "string_type": "text",
    "bool_type": "true or false",
    "date_type": "a date such as 2026-09-01",
    "date_parsing": "a date such as 2026-09-01",
    "date_from_datetime_parsing": "a date such as 2026-09-01",
    "date_from_datetime_inexact": "a date such as 2026-09-01, without a time",
    "bool_parsing": "true or false",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "invalid_key": "a key that is text",
    "string_pattern_mismatch": (
        "a name: it starts with a letter from A to Z, a digit or an underscore, has at most 80 "
        "characters and no line break"
    ),
}
_FORMS = {
    "number": "a number",
    "word": "a word",
    "list": "a list in square brackets",
    "mapping": "a mapping",
}
NO_COMMAS = "write numbers without commas, such as 60000000"
_SMART_QUOTES = "\u201c\u201d\u201e\u2018\u2019\u00ab"
_NUMBER_ERRORS = {"float_type", "float_parsing", "int_type", "int_parsing", "literal_error"}


def number_as_text(value: object) -> str | None:
    """Say how to write a number that came as text, such as ``"5,800"`` or ``"£5.8k"``."""
    match = _NUMBER_AS_TEXT.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    number = float(match[1].replace(",", "").replace("_", "")) * _SCALE[(match[2] or "").lower()]
    if not math.isfinite(number):
        return None
    plain = f"{number:.10g}"
    if "e" in plain:
        plain = f"{number:.0f}"
    return f"found text {value!r}; expected a plain number: write {plain}"


def problems_from(error: ValidationError, model: type[BaseModel], data: object) -> list[Problem]:
    """List what pydantic found, in the words of the plan, with the nearest known name.

    Parameters
    ----------
    error
        What pydantic raised.
    model
        The model it was validating.
    data
        What it was given, to name the part that is wrong.
    """
    found: list[Problem] = []
    for item in error.errors(include_url=False):
        if _follows(item):
            continue
        path, kind, options = _walk(item["loc"], model)
        inner = item.get("ctx", {}).get("error")
        nested = (
            [problem.at(path) for problem in inner.problems]
            if isinstance(inner, PlanError)
            else [Problem(path, _message(item, kind, options))]
        )
        found.extend(Problem(p.path, p.message, p.where or place(p.path, data)) for p in nested)
    return found


def _follows(item: ErrorDetails) -> bool:
    """Whether a list is called too short only because its values are wrong, which is said too."""
    found = item["input"]
    return (
        item["type"] == "too_short"
        and isinstance(found, list | tuple)
        and len(found) >= item["ctx"]["min_length"]
    )


def place(path: Path, data: object) -> str:
    """Write a path as an analyst reads it: ``lines[2] 'home_care', price_growth``."""
    words: list[str] = []
    node: Any = data
    for step in path:
        if isinstance(step, int):
            node = node[step] if isinstance(node, Sequence) and step < len(node) else None
            name = _name_of(node)
            words[-1:] = [f"{words[-1] if words else ''}[{step}]" + (f" '{name}'" if name else "")]
        else:
            node = node.get(step) if isinstance(node, Mapping) else getattr(node, step, None)
            words.append(step)
    return ", ".join(words)


def _name_of(node: object) -> str | None:
    name = node.get("name") if isinstance(node, Mapping) else getattr(node, "name", None)
    return name if isinstance(name, str) else None


def _walk(
    loc: Path, model: type[BaseModel]
) -> tuple[Path, type[BaseModel] | None, list[type[BaseModel]]]:
    """Drop pydantic's union tags from ``loc``; find the model that holds its last step.

    Returns
    -------
    tuple
        The path, that model, and the models of which one was expected there.
    """
    path: list[str | int] = []
    kind: Any = model
    holder: type[BaseModel] | None = model
    for step in loc:
        options = _models(kind)
        if isinstance(step, int):
            path.append(step)
            continue
        if step.startswith("form:"):  # which form of a union it was taken for
            kind = _of_form(kind, step) or kind
            holder = next(iter(_models(kind)), holder)
            continue
        tagged = next((m for m in options if step in kind_names(m)), None)
        if tagged is not None and len(options) > 1:  # a pay line also holds a field called pay
            kind = holder = tagged
            continue
        owner = next((m for m in options if step in m.model_fields), None)
        if owner is not None:
            path.append(step)
            kind = owner.model_fields[step].annotation
            holder = owner
            continue
        path.append(step)
        holder = options[0] if len(options) == 1 else holder
    return tuple(path), holder, _models(kind)


def _models(kind: Any) -> list[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is not None:
        return [model for part in typing.get_args(kind) for model in _models(part)]
    return []


def _of_form(kind: Any, tag: str) -> Any:
    """Find what a union holds under a tag."""
    parts = typing.get_args(kind)
    if typing.get_origin(kind) is typing.Annotated:
        held = any(isinstance(each, Tag) and each.tag == tag for each in parts[1:])
        return parts[0] if held else _of_form(parts[0], tag)
    return next((found for part in parts if (found := _of_form(part, tag))), None)


def kind_names(model: type[BaseModel]) -> tuple[str, ...]:
    """List the kinds a model answers to."""
    field = model.model_fields.get("kind")
    return typing.get_args(field.annotation) if field is not None else ()


def _message(
    item: ErrorDetails, kind: type[BaseModel] | None, options: Sequence[type[BaseModel]]
) -> str:
    """Say what was found and what was expected; pydantic's own words where ours add nothing."""
    found, error = item["input"], item["type"]
    ctx = item.get("ctx", {})
    known = sorted(kind.model_fields) if kind is not None else []
    last = str(item["loc"][-1]) if item["loc"] else ""
    as_text = number_as_text(found)
    if as_text and (error in _NUMBER_ERRORS or last == "form:driver"):
        return as_text
    said = {
        "extra_forbidden": f"unknown key '{last}': {NO_COMMAS}"
        if last.isdigit()
        else f"unknown key '{last}'.{suggest(last, known)} It may hold: {', '.join(known)}.",
        "missing": f"'{last}' is missing; it must be given"
        if not last.isdigit()
        else f"value {int(last) + 1} of the list is missing; it must be given",
        "union_tag_not_found": "'kind' is missing; it must be given, one of "
        + listing((name for model in options for name in kind_names(model)), 30),
        "union_tag_invalid": _unknown_kind(found, ctx),
        "literal_error": f"found {shown(found)}; expected {ctx.get('expected')}."
        + _nearest_option(found, ctx),
        "value_error": str(ctx.get("error")),
    }
    if error in said:
        return said[error]
    if isinstance(found, float) and not math.isfinite(found):
        return f"found {found}; expected a finite number"
    if error in _MODEL_ERRORS and len(options) == 1:
        known = sorted(options[0].model_fields)
    if error == "string_type" and isinstance(found, int) and found in range(1900, 2200):
        return f"found {found}; expected a financial year such as '{year_label(found)}'"
    expected = _expected(error, ctx, known)
    if expected is None:
        return f"found {shown(found)}: {item['msg'][0].lower()}{item['msg'][1:]}"
    if error == "string_pattern_mismatch" and str(found)[0] in _SMART_QUOTES:
        expected += "; take the curly quotes off, or use plain ones"
    return f"found {shown(found)}; expected {expected}"


def _expected(error: str, ctx: Mapping[str, Any], known: Sequence[str]) -> str | None:
    bounds = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    for bound, word in bounds.items():
        if bound in ctx:
            return f"a value {word} {ctx[bound]:,.14g}"
    sizes = {"min_length": "at least", "max_length": "at most"}
    for size, word in sizes.items():
        if size in ctx:
            what = "text with {} characters" if error.startswith("string") else "a list of {}"
            return what.format(f"{word} {ctx[size]}").replace(" 1 characters", " 1 character")
    if error in _MODEL_ERRORS:
        return f"a mapping with {', '.join(known) or 'keys'}"
    return _EXPECTED.get(error)


def _unknown_kind(found: object, ctx: Mapping[str, Any]) -> str:
    tags = [tag.strip(" '") for tag in str(ctx.get("expected_tags", "")).split(",") if tag]
    tag = str(ctx.get("tag", ""))
    if tag.startswith("form:"):
        forms = (form.removeprefix("form:") for form in tags)
        expected = " or ".join(_FORMS.get(form, f"a mapping with '{form}'") for form in forms)
        return f"found {shown(found)}; expected {expected}"
    return f"unknown kind '{tag}'.{suggest(tag, tags)} Known kinds: {listing(tags, 30)}."


def _nearest_option(found: object, ctx: Mapping[str, Any]) -> str:
    options = [o.strip("' ") for o in re.split(r", | or ", str(ctx.get("expected", "")))]
    return suggest(found, options) if isinstance(found, str) else ""


def shown(value: object) -> str:
    """Write a value as code has it, cut to what a line of an error can hold."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - one line of an error
