"""Loading a grouping of placements from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtfs.flows.states import Grouping
from mtfs.io.yaml import placed, read_yaml
from mtfs.vocabulary import PlanError

if TYPE_CHECKING:
    from os import PathLike


def load_grouping(path: str | PathLike[str]) -> Grouping:
    """Read a grouping of placements, ages and times in care from a YAML file.

    Parameters
    ----------
    path
        The file: ``placements``, each with ``name``, ``codes`` and where it needs them
        ``providers`` and ``from_age``; ``ages`` and ``durations`` where they are not the usual
        ones.

    Returns
    -------
    Grouping
        The checked grouping, for ``count_occurrences`` and ``fit``.

    Raises
    ------
    PlanError
        When the file is not one; lists every problem with its file and line.
    """
    data, lines = read_yaml(path, "a grouping of placements")
    try:
        return Grouping.model_validate(data)
    except PlanError as error:
        raise PlanError(placed(error.problems, path, lines), "the grouping") from None
