"""Sphinx settings. Nothing is fetched when the documentation is built."""

import inspect
import sys

from pydantic import BaseModel
from sphinx.pycode import ModuleAnalyzer

import mtfs

project = "mtfs"
author = "the mtfs authors"
copyright = "2026, the mtfs authors"  # noqa: A001 -- the name Sphinx reads
version = release = mtfs.__version__
language = "en_GB"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # formulas without a network
    "numpydoc",
    "myst_nb",
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# Code cells are run; one that fails stops the build.
nb_execution_mode = "auto"
nb_execution_raise_on_error = True
nb_execution_timeout = 120

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say it in words, with units
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "mtfs"
html_theme_options = {"navigation_with_keys": False, "secondary_sidebar_items": ["page-toc"]}


def is_model(obj) -> bool:
    """Say whether an object is a pydantic model with fields."""
    return inspect.isclass(obj) and issubclass(obj, BaseModel) and bool(obj.model_fields)


def describe_field(model, name) -> str:
    """Give a field's docstring, or else its type's description."""
    for owner in model.__mro__:
        if owner.__module__.startswith("mtfs."):
            docs = ModuleAnalyzer.for_module(owner.__module__).find_attr_docs()
            if (owner.__qualname__, name) in docs:
                return " ".join(docs[owner.__qualname__, name]).strip()
    return model.model_fields[name].description or ""


def list_fields(_app, _what, _name, obj, _options, lines) -> None:
    """List a model's fields, inherited ones too: what checks a plan is also what documents it."""
    if is_model(obj):
        lines += ["", "Attributes", "----------"]
        for name, field in obj.model_fields.items():
            default = "" if field.is_required() else f"(default: ``{field.get_default()!r}``)"
            lines += [name, f"    {describe_field(obj, name)} {default}"]


def skip_member(app, what, name, _obj, _skip, _options) -> bool | None:
    """Leave out pydantic's settings, and the fields that are listed already."""
    page = app.env.current_document
    model = getattr(sys.modules.get(page.autodoc_module), page.autodoc_class or "", None)
    listed = what == "class" and is_model(model) and name in model.model_fields
    return True if listed or name == "model_config" else None


def skip_signature(_app, _what, _name, obj, _options, _signature, _returns) -> tuple | None:
    """Leave out a model's signature, which its list of fields says better."""
    return ("", None) if is_model(obj) else None


def setup(app) -> None:
    """Connect the functions; fields are listed before numpydoc reads the docstring."""
    app.connect("autodoc-process-docstring", list_fields, priority=100)
    app.connect("autodoc-process-signature", skip_signature)
    app.connect("autodoc-skip-member", skip_member)
