"""A waterfall: from a gross overspend to the net one, and to the target once all is secured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from mtfs.assumptions import Declared, Money, Name, Pounds
from mtfs.lines.savings import Delivery, rag_delivery
from mtfs.vocabulary import MtfsError, Problem

if TYPE_CHECKING:
    import pandas as pd

MONTHS = 12
Basis = Literal["published", "derived", "illustrative"]
_BASES: tuple[Basis, ...] = ("published", "derived", "illustrative")


def require_month(value: object) -> int:
    """Return ``value`` as an int when it is a month of a financial year."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | np.integer)
        or not 1 <= value <= MONTHS
    ):
        msg = f"period is {value!r}; expected a month from 1 (April) to 12 (March)"
        raise MtfsError(msg)
    return int(value)


Period = Annotated[int, Field(strict=True), AfterValidator(require_month)]


def weakest(bases: Sequence[Basis]) -> Basis:
    """Give the weakest of some bases: a sum with one illustrative part is illustrative.

    Examples
    --------
    >>> weakest(["published", "illustrative", "derived"])
    'illustrative'
    """
    return max(bases, key=_BASES.index, default="published")


class Step(Declared):
    """One step from a gross to a net overspend, as a sum that lowers it."""

    name: Name
    amount: Pounds
    """GBP by which the overspend falls"""
    kind: Literal["achieved", "secured", "to_be_secured", "support"]
    """``achieved`` is in the ledger, ``secured`` agreed, ``support`` comes from another service"""
    basis: Basis = "published"
    rag: Literal["green", "amber", "red", "unidentified"] | None = None
    """to be secured: how likely, as for savings"""
    delivery: Delivery | None = None
    """to be secured: the share that arrives in the year, in place of a RAG rating"""
    counted: bool = False
    """to be secured: the forecast already assumes it, or the council's history was forecast before
    the same kind of savings, so that a draw does not take it off again"""
    giver: str | None = None
    """support: the service of this document that gives it, which may be the service itself"""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        uncertain = (self.rag is not None) + (self.delivery is not None)
        if self.kind == "to_be_secured" and uncertain != 1:
            msg = "say how likely it is to be secured: give either 'rag' or 'delivery'"
            raise ValueError(msg)
        if self.kind != "to_be_secured" and (uncertain or self.counted):
            msg = "'rag', 'delivery' and 'counted' go with kind to_be_secured"
            raise ValueError(msg)
        if self.kind != "support" and self.giver is not None:
            msg = "'giver' goes with kind support"
            raise ValueError(msg)
        return self

    @property
    def outcome(self) -> Delivery:
        """The share of it that arrives, where it is to be secured."""
        return self.delivery or rag_delivery(self.rag or "unidentified")


class Waterfall(Declared):
    """From the gross overspend to the net one, and to the target once all is secured."""

    name: Name
    service: str | None = None
    """the service; unless given, the whole council"""
    period: Period
    gross: Money
    """GBP of overspend before anything is done about it"""
    basis: Basis = "published"
    """of the gross, net and target sums"""
    steps: tuple[Step, ...]
    net: Money
    """GBP: gross less what is achieved, secured and supported"""
    target: Money | None = None
    """GBP: net less what is to be secured"""

    def of(self, *kinds: str) -> float:
        """Sum the steps of some kinds, GBP."""
        return math.fsum(step.amount for step in self.steps if step.kind in kinds)

    @property
    def done(self) -> list[Step]:
        """The steps that are achieved, secured or supported."""
        return [step for step in self.steps if step.kind != "to_be_secured"]

    @property
    def waiting(self) -> list[Step]:
        """The steps still to be secured."""
        return [step for step in self.steps if step.kind == "to_be_secured"]

    @property
    def assumed(self) -> float:
        """GBP still to be secured that the forecast already assumes."""
        return math.fsum(step.amount for step in self.waiting if step.counted)

    def faults(self, rounding: float) -> Iterator[Problem]:
        """Name what does not add up, and by how much."""
        if not self.steps:
            yield Problem(("steps",), "'steps' is empty; give at least one")
        names = [step.name for step in self.steps]
        for n, name in enumerate(names):
            if name in names[:n]:
                yield Problem(("steps", n, "name"), f"two steps are called '{name}'")
        net = self.gross - self.of("achieved", "secured", "support")
        if said := out_by(self.net, net, (len(self.done) + 2) * rounding):
            yield Problem(("net",), f"gross less what is achieved, secured and supported is {said}")
        target = self.net - self.of("to_be_secured")
        if self.target is None:
            return
        if said := out_by(self.target, target, (len(self.waiting) + 2) * rounding):
            yield Problem(("target",), f"net less what is to be secured is {said}")

    def table(self) -> pd.DataFrame:
        """Tabulate the steps in order.

        Returns
        -------
        pandas.DataFrame
            A row a step from ``gross`` by ``net`` to ``target``; columns ``step``, ``kind``,
            ``amount`` (GBP, negative where it lowers the overspend), ``running`` (GBP) and
            ``basis``, the weakest of what the running sum is made of.
        """
        import pandas as pd  # noqa: PLC0415 - loading a document should not load pandas

        rows: list[tuple[str, str, float, float, Basis]] = [
            ("gross", "gross", self.gross, self.gross, self.basis)
        ]
        parts, bases = [self.gross], [self.basis]
        for group, last in ((self.done, "net"), (self.waiting, "target")):
            for step in group:
                parts.append(-step.amount)
                bases.append(step.basis)
                running = math.fsum(parts)
                rows.append((step.name, step.kind, -step.amount, running, weakest(bases)))
            if group or last == "net":
                rows.append((last, last, 0.0, math.fsum(parts), weakest(bases)))
        columns = ["step", "kind", "amount", "running", "basis"]
        return pd.DataFrame(rows, columns=columns)


def out_by(stated: float, found: float, tolerance: float, says: str = "is stated") -> str | None:
    """Say how far a sum is from what is stated, or nothing where rounding explains it."""
    slack = tolerance + 1e-9 * max(abs(stated), abs(found))
    if abs(stated - found) <= slack:
        return None
    return (
        f"{pounds(found)}, and {pounds(stated)} {says}: out by {pounds(abs(stated - found))} "
        f"(rounding explains {pounds(tolerance)})"
    )


def pounds(value: float) -> str:
    """Write a sum as an analyst reads it: in millions from GBP 100,000 on."""
    return f"GBP {value / 1e6:,.7g}m" if abs(value) >= 1e5 else f"GBP {value:,.2f}"  # noqa: PLR2004
