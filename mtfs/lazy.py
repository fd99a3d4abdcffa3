"""Public names that are loaded when they are first used, to keep the import light."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def loader(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Make a package's ``__getattr__`` (PEP 562).

    Parameters
    ----------
    package
        Its name.
    homes
        The module that holds each public name.
    """

    def load(name: str) -> Any:
        """Load a name from its module when it is first used."""
        if name not in homes:
            msg = f"module '{package}' has no attribute {name!r}"
            raise AttributeError(msg)
        found = getattr(importlib.import_module(homes[name]), name)
        setattr(sys.modules[package], name, found)
        return found

    return load
