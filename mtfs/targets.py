"""Targets and events written as text, such as ``"P(gap 2028/29 <= 0) >= 0.8"``.

A *target* is a chance, a quantile or an expected value with the least or the most it should be. An
*event* is what either happens in a draw or does not. Both are read by one grammar, written as one
canonical text, and measured on a projection.
"""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import numpy as np

from mtfs.events import (
    ANY,
    EVENTS,
    EVERY,
    FUND,
    POUNDS,
    Event,
    Quantity,
    Relation,
    money,
    plain_number,
    require_known,
    require_money,
    require_relation,
)
from mtfs.measures import quantiles_of, share_of_draws
from mtfs.vocabulary import MtfsError, listing, require_share, year_start

if TYPE_CHECKING:
    import xarray as xr

_SCALE = {"bn": 9, "m": 6, "k": 3}
_HOLDS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt}
_GRAMMAR = r"""
target: chance RELATION PROBABILITY | quantile RELATION MONEY | mean RELATION MONEY
chance: CHANCE "(" event ")"
quantile: QUANTILE "(" quantity WHEN? ")"
mean: MEAN "(" quantity WHEN? ")"
event: quantity WHEN? RELATION (MONEY | MINIMUM) ("," WHEN)?
quantity: FUND NAME -> fund
        | WORD+ -> variable

CHANCE: /P(?=\s*\()/i
QUANTILE: /[QP]\d+(\.\d+)?(?=\s*\()/i
MEAN: /(E|mean)(?=\s*\()/i
RELATION: /[<>]=?|\u2264|\u2265/
FUND.3: /fund(?=\s*['"])/
MINIMUM: "minimum"
WHEN.2: /\d{4}\s*[\/-]\s*\d{2,4}|(every|any)\s+year\b/
WORD: /[A-Za-z_][\w-]*/
NAME: /'([^'\n]|'')+'|"([^"\n]|"")+"/
PROBABILITY: /(\d+(\.\d*)?|\.\d+)(\s*%)?/
MONEY: (SIGN? POUND? | POUND SIGN) NUMBER POWER? UNIT?
SIGN: /-\s*/
POUND: /(GBP|\u00a3)\s*/
NUMBER: /(?:\d{1,3}(,\d{3})+(\.\d*)?|\d+(\.\d*)?|\.\d+)/
POWER: /e[+-]?\d+/
UNIT: /\s*(bn|m|k)\b/
%import common.WS
%ignore WS
"""
_WORDS = {
    "CHANCE": "P(",
    "QUANTILE": "Q90(",
    "MEAN": "E(",
    "RELATION": "<=, <, >= or >",
    "FUND": "fund 'its name'",
    "MINIMUM": "minimum",
    "WHEN": "a year such as 2028/29, every year, any year",
    "WORD": "a quantity such as gap",
    "NAME": "a fund's name in quotes",
    "PROBABILITY": "a probability such as 0.8 or 80%",
    "MONEY": "money such as 0, 10m or GBP -2.5m",
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": "a comma",
    "$END": "nothing more",
    "<END-OF-FILE>": "nothing more",
}
GRAMMAR = f"""A target is one of
  P(<event>) >= 0.8                         a chance; 80% is the same
  Q90(gap 2028/29) <= 10m                   a quantile: nine draws in ten lie below it
  E(gap_after_one_offs 2028/29) <= 5.5m     the expected value; mean(...) is the same
with <=, <, >= or >. {EVENTS}"""
"""how a target is written, as errors show it"""


@dataclass(frozen=True)
class Chance:
    """The share of draws in which an event happens."""

    event: Event

    @property
    def quantity(self) -> Quantity:
        """What the event is about."""
        return self.event.quantity

    @property
    def when(self) -> str:
        """When the event is."""
        return self.event.when

    def of(self, ds: xr.Dataset) -> xr.DataArray:
        """Give what it is taken of in every draw: the event's margin, GBP."""
        return self.event.margin(ds)

    def measure(self, draws: xr.DataArray) -> tuple[float, float]:
        """Give it and its standard error."""
        share = share_of_draws(self.event.within(draws), f"chance of {self.event}")
        return float(share), float(share["standard_error"])

    def __str__(self) -> str:
        return f"P({self.event})"


@dataclass(frozen=True)
class Quantile:
    """A quantile of a quantity in a year."""

    level: float
    """share of the draws that lie below, strictly between 0 and 1"""
    quantity: Quantity
    when: str
    """a year"""

    def __post_init__(self) -> None:
        require_share(self.level, "the quantile", open_ends=True)
        year_start(self.when)

    def of(self, ds: xr.Dataset) -> xr.DataArray:
        """Give what it is taken of in every draw, GBP."""
        return _one_year(self, ds)

    def measure(self, draws: xr.DataArray) -> tuple[float, float]:
        """Give it and its standard error, GBP (see :func:`mtfs.quantiles`)."""
        values, errors = quantiles_of(draws.to_numpy(), np.array([self.level]), 0)
        return float(values[0]), float(errors[0])

    def __str__(self) -> str:
        return f"Q{plain_number(Decimal(repr(self.level)) * 100)}({self.quantity} {self.when})"


@dataclass(frozen=True)
class Mean:
    """The expected value of a quantity in a year."""

    quantity: Quantity
    when: str
    """a year"""

    def __post_init__(self) -> None:
        year_start(self.when)

    def of(self, ds: xr.Dataset) -> xr.DataArray:
        """Give what it is taken of in every draw, GBP."""
        return _one_year(self, ds)

    def measure(self, draws: xr.DataArray) -> tuple[float, float]:
        """Give it and its standard error, GBP; nan for one draw."""
        values = draws.to_numpy()
        n = len(values)
        error = float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
        return float(values.mean()), error

    def __str__(self) -> str:
        return f"E({self.quantity} {self.when})"


Statistic: TypeAlias = Chance | Quantile | Mean


@dataclass(frozen=True)
class Target:
    """A chance, quantile or expected value, and the least or the most it should be."""

    statistic: Statistic
    relation: Relation
    bound: float
    """a share for a chance, else GBP"""

    def __post_init__(self) -> None:
        require_relation(self.relation)
        if isinstance(self.statistic, Chance):
            require_share(self.bound, "the probability")
        else:
            require_money(self.bound)

    def measure(self, ds: xr.Dataset) -> tuple[float, float]:
        """Give what the target is about, and its Monte Carlo standard error.

        Parameters
        ----------
        ds
            A projection; its totals are enough.

        Returns
        -------
        tuple
            A share for a chance, else GBP.

        Raises
        ------
        MtfsError
            When the projection holds no such year or fund.
        """
        return self.statistic.measure(self.statistic.of(ds))

    def met(self, value: float) -> bool:
        """Say whether a value of what it is about meets it."""
        return bool(_HOLDS[self.relation](value, self.bound))

    @property
    def wants_more(self) -> bool:
        """Whether a greater value is better."""
        return self.relation in {">=", ">"}

    def headroom(self, value: float) -> float:
        """Give how far a value lies on the right side of the target; negative where it does not."""
        return value - self.bound if self.wants_more else self.bound - value

    def shown(self, value: float) -> str:
        """Write a value of what it is about, for people: ``81.3%``, ``GBP 9.84m``."""
        if isinstance(self.statistic, Chance):
            return f"{value:.1%}"
        return f"GBP {round(value / 1e6, 2) + 0.0:,.2f}m"  # which turns -0 into 0

    def difference(self, value: float) -> str:
        """Write a difference of two such values: ``4.2 points`` of a chance, ``GBP 0.35m``."""
        if isinstance(self.statistic, Chance):
            return f"{100 * value:.1f} points"
        return self.shown(value)

    def __str__(self) -> str:
        chance = isinstance(self.statistic, Chance)
        bound = plain_number(Decimal(repr(self.bound + 0.0))) if chance else money(self.bound)
        return f"{self.statistic} {self.relation} {bound}"


def parse_target(text: str | Target) -> Target:
    """Read a target.

    Parameters
    ----------
    text
        Such as ``"P(gap 2028/29 <= 0) >= 0.8"``, ``"Q90(gap 2028/29) <= 10m"``,
        ``"E(gap_after_one_offs 2028/29) <= 5.5m"`` or ``"P(reserves >= minimum, every year) >=
        95%"``. A target is returned as it is.

    Returns
    -------
    Target
        What can be measured on a projection. ``str()`` gives its canonical text.

    Raises
    ------
    MtfsError
        When it cannot be read: says where, what was expected, and shows the grammar.

    Examples
    --------
    >>> str(parse_target("p(gap 2028/29<=GBP 0.5m)>=80%"))
    'P(gap 2028/29 <= 500k) >= 0.8'
    """
    if isinstance(text, Target):
        return text
    found: Target = _parse(text, "target", GRAMMAR)
    return found


def parse_event(text: str | Event) -> Event:
    """Read an event.

    Parameters
    ----------
    text
        Such as ``"gap 2028/29 > 100m"`` or ``"reserves < minimum, any year"``. An event is returned
        as it is.

    Returns
    -------
    Event
        What happens in a draw or does not. ``str()`` gives its canonical text.

    Raises
    ------
    MtfsError
        When it cannot be read: says where, what was expected, and shows the grammar.

    Examples
    --------
    >>> str(parse_event("unfunded > 0, any year"))
    'unfunded > 0, any year'
    """
    if isinstance(text, Event):
        return text
    found: Event = _parse(text, "event", EVENTS)
    return found


def _one_year(statistic: Quantile | Mean, ds: xr.Dataset) -> xr.DataArray:
    year = require_known(statistic.when, ds["year"].values, "year")
    return statistic.quantity.values(ds).sel(year=year, drop=True)


class _Bare(float):
    """A small sum without a unit."""


def _with_unit(bound: Any) -> Any:
    """Return a bound whose unit is said, or too large to be of millions."""
    if isinstance(bound, _Bare):
        msg = f"found {bound:g} without a unit: write {bound:g}m for millions, or GBP {bound:g}"
        raise MtfsError(msg)
    return bound


class _Reader:
    """Turns what the parser finds into values, innermost first; methods are named as its rules."""

    def WHEN(self, text: str) -> str:  # noqa: N802
        return " ".join(text.split())

    def RELATION(self, text: str) -> str:  # noqa: N802
        return {"\u2264": "<=", "\u2265": ">="}.get(text, str(text))

    def PROBABILITY(self, text: str) -> float:  # noqa: N802
        number = Decimal(text.rstrip("% \t\n"))
        return float(number.scaleb(-2) if "%" in text else number)

    def MONEY(self, text: str) -> float:  # noqa: N802
        plain = re.sub(r"[\s,\u00a3]|GBP", "", text)
        unit = next((unit for unit in _SCALE if plain.endswith(unit)), "")
        number = Decimal(plain.removesuffix(unit))
        said = unit or number == 0 or abs(number) >= POUNDS or re.search("GBP|\u00a3", text)
        return (float if said else _Bare)(number.scaleb(_SCALE.get(unit, 0)))

    def variable(self, words: list[str]) -> Quantity:
        return Quantity(" ".join(words))

    def fund(self, found: list[str]) -> Quantity:
        quoted = found[-1]
        return Quantity(FUND, quoted[1:-1].replace(quoted[0] * 2, quoted[0]))

    def event(self, found: list[Any]) -> Event:
        return _event(*map(_with_unit, found))

    def chance(self, found: list[Any]) -> Chance:
        return Chance(found[-1])

    def quantile(self, found: list[Any]) -> Quantile:
        q, quantity, *when = found
        return Quantile(float(Decimal(q[1:]).scaleb(-2)), quantity, _a_year(quantity, when))

    def mean(self, found: list[Any]) -> Mean:
        _, quantity, *when = found
        return Mean(quantity, _a_year(quantity, when))

    def target(self, found: list[Any]) -> Target:
        return Target(*map(_with_unit, found))


@cache
def _parser(start: str) -> Any:
    from lark import Lark  # noqa: PLC0415 - keeps import light

    return Lark(_GRAMMAR, start=start, parser="lalr", transformer=_Reader())


def _event(quantity: Quantity, *rest: Any) -> Event:
    """Make an event from what stands after its quantity, where the time has one of two places."""
    early = rest[0] if rest[0] not in get_args(Relation) else None
    relation, bound, *late = rest[1:] if early else rest
    if early and late:
        msg = f"the event says twice when it is: '{early}' and '{late[0]}'; leave one out"
        raise MtfsError(msg)
    when = early or (late[0] if late else None)
    if when is None:
        said = bound if isinstance(bound, str) else money(bound)
        msg = (
            f"the event does not say when. Write one of\n  {quantity} 2028/29 {relation} {said}\n"
            f"  {quantity} {relation} {said}, {EVERY}\n  {quantity} {relation} {said}, {ANY}"
        )
        raise MtfsError(msg)
    return Event(quantity, relation, str(bound) if isinstance(bound, str) else bound, when)  # type: ignore[arg-type]


def _a_year(quantity: Quantity, when: list[str]) -> str:
    if not when or when[0] in {EVERY, ANY}:
        found = f"'{when[0]}'" if when else "no year"
        msg = (
            f"a quantile or an expected value is of one year; found {found}. Write "
            f"{quantity} 2028/29 in the brackets; 'every year' and 'any year' go with a chance"
        )
        raise MtfsError(msg)
    return when[0]


def _parse(text: object, start: str, grammar: str) -> Any:
    from lark.exceptions import UnexpectedInput  # noqa: PLC0415 - keeps import light

    if not isinstance(text, str):
        msg = f"found {text!r}; expected the {start} as text.\n{grammar}"
        raise MtfsError(msg)
    try:
        return _parser(start).parse(text)
    except UnexpectedInput as error:
        raise MtfsError(_unread(error, text, start, grammar)) from None
    except MtfsError as error:
        msg = f"the {start} '{text}' cannot be used: {error}"
        raise MtfsError(msg) from None


def _unread(error: Any, text: str, start: str, grammar: str) -> str:
    """Say where a text cannot be read, and what was expected there."""
    place = error.pos_in_stream
    place = len(text) if place is None or place < 0 or _at_end(error) else place
    wanted = set(getattr(error, "accepts", None) or getattr(error, "allowed", None) or ())
    wanted |= set(getattr(error, "expected", ()) if not wanted else ())
    words = listing((_WORDS.get(name, name) for name in wanted), 20)
    shown = text.replace("\n", " ")
    return (
        f"the {start} cannot be read from character {place + 1}:\n  {shown}\n  {' ' * place}^\n"
        f"expected {words}.\n{grammar}"
    )


def _at_end(error: Any) -> bool:
    token = getattr(error, "token", None)
    return token is not None and token.type == "$END"
