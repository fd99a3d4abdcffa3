"""What a plan's keys mean, read from the docstrings below their declarations.

pydantic can do so at import, which takes longer than all the rest of it; only the JSON Schema asks.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
import typing
from typing import Any

from pydantic import BaseModel


def add_descriptions(schema: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Write what each key means into a model's JSON Schema, and into those it holds."""
    for held in {model, *models_in(model)}:
        node = schema if held is model else schema.get("$defs", {}).get(held.__name__, {})
        for name, text in field_docs(held).items():
            if name in node.get("properties", {}):
                node["properties"][name]["description"] = text
    return schema


def models_in(model: type[BaseModel]) -> set[type[BaseModel]]:
    """List the models that a model's fields hold, however deep."""
    found: set[type[BaseModel]] = set()
    waiting: list[Any] = [field.annotation for field in model.model_fields.values()]
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if kind not in found:
                found.add(kind)
                waiting += [field.annotation for field in kind.model_fields.values()]
        else:
            waiting += typing.get_args(kind)
    return found


def field_docs(model: type[BaseModel]) -> dict[str, str]:
    """Read the docstring below each field's declaration, inherited fields too."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if issubclass(owner, BaseModel) and owner.__module__.startswith("mtfs."):
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
            body = tree.body if isinstance(tree, ast.ClassDef) else []
            for field, below in itertools.pairwise(body):
                if (
                    isinstance(field, ast.AnnAssign)
                    and isinstance(field.target, ast.Name)
                    and isinstance(below, ast.Expr)
                    and isinstance(below.value, ast.Constant)
                ):
                    found[field.target.id] = inspect.cleandoc(str(below.value.value))
    return found
