"""Declared values: the frozen base of everything a plan holds, its number types, and assumptions.

An *assumption* is a number for every year of the plan. It may be written as one number (the same in
every year), a list (one a year), a mapping by year, a time profile, or the name of a driver.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from mtfs.describe import add_descriptions
from mtfs.problems import problems_from, shown
from mtfs.vocabulary import Array, PlanError, require_share, suggest, year_start

if TYPE_CHECKING:
    _Meta = type
else:

    class _Meta(type(BaseModel)):
        """Make ``CareLine(...)`` in Python answer with the same error as a file does."""

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            try:
                return super().__call__(*args, **kwargs)
            except ValidationError as error:
                raise PlanError(problems_from(error, cls, kwargs), cls.called) from None


def _plain(value: object) -> object:
    """Turn numpy's numbers and arrays into Python's, so that plans built in Python validate.

    And -0.0 into 0.0: plans that are equal have equal digests.
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    return 0.0 if isinstance(value, float) and value == 0 else value


def _share(value: float) -> float:
    return require_share(value, "the value")


def _growth(value: float) -> float:
    if value <= -1:
        msg = f"a growth rate of {value:g} leaves nothing; expected a fraction above -1"
        raise ValueError(msg)
    return value


def _effect(value: float) -> float:
    if value < -1:
        msg = f"an effect of {value:g} leaves less than nothing; expected -1 (all gone) or above"
        raise ValueError(msg)
    return value


# Ten trillion: more than any budget, and far from where floating point gives up.
LARGEST = 1e13
_number = (
    BeforeValidator(_plain),
    Field(strict=True, allow_inf_nan=False, ge=-LARGEST, le=LARGEST),
)
Number = Annotated[float, *_number]
Money = Number
Pounds = Annotated[float, *_number, Field(ge=0)]
Count = Pounds
Share = Annotated[float, *_number, AfterValidator(_share)]
Growth = Annotated[float, *_number, AfterValidator(_growth)]
Effect = Annotated[float, *_number, AfterValidator(_effect)]
Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9_][^\n\x00]*$")]


def _check_year(label: str) -> str:
    year_start(label)
    return label


YearLabel = Annotated[str, AfterValidator(_check_year)]


def pairs(data: Any) -> Any:
    """Turn a mapping into pairs, which are frozen and can be hashed."""
    return tuple(data.items()) if isinstance(data, Mapping) else data


class Declared(BaseModel, metaclass=_Meta):
    """A frozen value of a plan, checked when made; wrong input raises :class:`mtfs.PlanError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    called: ClassVar[str] = "the plan"
    """what an error with several problems calls the whole"""
    loader: ClassVar[str | None] = None
    """what loads it from a file"""

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Check ``obj`` (a mapping, or a value of this class) and make the value."""
        if cls.loader is not None and isinstance(obj, str | PathLike):
            found = shown(str(obj))
            msg = f"found {found}; expected a mapping: load a file first, with {cls.loader}"
            raise PlanError(msg)
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise PlanError(problems_from(error, cls, obj), cls.called) from None

    @classmethod
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
        """Give the JSON Schema, with what each key means."""
        return add_descriptions(super().model_json_schema(*args, **options), cls)


class Note(Declared):
    """Where one field's figure comes from: an entry of the assumption register."""

    field: str
    """the field it is about, such as ``people``"""
    source: str | None = None
    owner: str | None = None
    rationale: str | None = None


def require_fields(part: Declared, notes: Sequence[Note]) -> None:
    """Check that every note is about a field of its part."""
    known = type(part).model_fields
    for note in notes:
        if note.field not in known:
            near = suggest(note.field, known)
            msg = f"a note is about '{note.field}', which is not a field of this part.{near}"
            raise ValueError(msg)


class Noted(Declared):
    """A named part of a plan, with what the assumption register says of it."""

    name: Name
    source: str | None = None
    """where the figures come from"""
    owner: str | None = None
    """who answers for them"""
    rationale: str | None = None
    """why they are what they are"""
    notes: tuple[Note, ...] = ()
    """the same for single fields"""

    @model_validator(mode="after")
    def _notes_name_fields(self) -> Self:
        require_fields(self, self.notes)
        return self


class Profile(Declared):
    """A time profile from ``start`` in the first year to ``end`` in the last."""

    profile: Literal["linear", "front_loaded", "back_loaded", "step"]
    """with x the share of years passed, ``front_loaded`` is 1-(1-x)^2 and ``back_loaded`` x^2"""
    start: Number
    end: Number
    at: YearLabel | None = None
    """``step``: the first year of ``end``"""

    @model_validator(mode="after")
    def _step_has_year(self) -> Self:
        if (self.profile == "step") != (self.at is not None):
            msg = "'at' (the first year of 'end') goes with profile 'step', and a step needs it"
            raise ValueError(msg)
        return self

    def values(self, years: Sequence[str]) -> tuple[float, ...]:
        """Give one value a year."""
        if self.at is not None:
            return tuple(self.start if year < self.at else self.end for year in years)
        x = np.linspace(0.0, 1.0, len(years)) if len(years) > 1 else np.ones(1)
        shape = {"linear": x, "front_loaded": 1 - (1 - x) ** 2, "back_loaded": x**2}[self.profile]
        return tuple((self.start + (self.end - self.start) * shape).tolist())


class ByYear(Declared):
    """One value for every year of the plan, by its label."""

    by_year: tuple[tuple[YearLabel, Number], ...]

    @model_validator(mode="before")
    @classmethod
    def _from_mapping(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("by_year"), Mapping):
            return {**data, "by_year": tuple(data["by_year"].items())}
        return data

    def values(self, years: Sequence[str]) -> tuple[float, ...]:
        """Give one value a year; the years must be the plan's."""
        held = dict(self.by_year)
        if set(held) != set(years) or len(held) != len(self.by_year):
            msg = (
                f"by_year holds {', '.join(y for y, _ in self.by_year)}; the plan's years are "
                f"{', '.join(years)}"
            )
            raise ValueError(msg)
        return tuple(held[year] for year in years)


def form(value: object) -> str:
    """Tell pydantic which form of a union a value has, so that errors speak of that form only."""
    value = _plain(value)
    if isinstance(value, str):
        return "form:word"
    if isinstance(value, list | tuple):
        return "form:list"
    if isinstance(value, Mapping | BaseModel):
        held = value if isinstance(value, Mapping) else type(value).model_fields
        return "form:factor" if "factor" in held else "form:mapping"
    return "form:number"


def assumption_form(value: object) -> str:
    """Tell pydantic which form of an assumption a value has."""
    value = _plain(value)
    if isinstance(value, str):
        return "form:driver"
    if isinstance(value, list | tuple):
        return "form:list"
    if isinstance(value, ByYear) or (isinstance(value, Mapping) and "by_year" in value):
        return "form:by_year"
    if isinstance(value, Profile | Mapping):
        return "form:profile"
    return "form:number"


def _assumption(number: Any) -> Any:
    """Make the type of an assumption whose fixed values are of the type ``number``."""
    return Annotated[
        Annotated[number, Tag("form:number")]
        | Annotated[tuple[number, ...], BeforeValidator(_plain), Tag("form:list")]
        | Annotated[ByYear, Tag("form:by_year")]
        | Annotated[Profile, Tag("form:profile")]
        | Annotated[Name, Tag("form:driver")],
        Discriminator(assumption_form),
    ]


if TYPE_CHECKING:
    Assumption: TypeAlias = float | Sequence[float] | ByYear | Profile | str
    GrowthAssumption: TypeAlias = Assumption
    EffectAssumption: TypeAlias = Assumption
    ShareAssumption: TypeAlias = Assumption
    PoundsAssumption: TypeAlias = Assumption
    CountAssumption: TypeAlias = Assumption
else:
    Assumption = _assumption(Number)
    GrowthAssumption = _assumption(Growth)
    EffectAssumption = _assumption(Effect)
    ShareAssumption = _assumption(Share)
    PoundsAssumption = _assumption(Pounds)
    CountAssumption = _assumption(Count)


def stated_numbers(assumption: Assumption | None) -> tuple[float, ...]:
    """List the numbers an assumption states, whatever their years; none where it names a driver."""
    if assumption is None or isinstance(assumption, str):
        return ()
    if isinstance(assumption, ByYear):
        return tuple(value for _, value in assumption.by_year)
    if isinstance(assumption, Profile):
        return (assumption.start, assumption.end)
    if isinstance(assumption, int | float):
        return (float(assumption),)
    return tuple(assumption)


def fixed_values(assumption: Assumption, years: Sequence[str]) -> Array:
    """Give an assumption that names no driver as an array, one value a year.

    Parameters
    ----------
    assumption
        A number, a list, a mapping by year or a profile.
    years
        The plan's years.

    Returns
    -------
    Array
        Shape (year,), in the assumption's own units.

    Raises
    ------
    ValueError
        When the values given are not one for every year.
    """
    if isinstance(assumption, Profile | ByYear):
        values: Sequence[float] = assumption.values(years)
    elif isinstance(assumption, int | float):
        values = (float(assumption),) * len(years)
    else:
        values = tuple(float(value) for value in assumption)
    if len(values) != len(years):
        msg = (
            f"holds {len(values)} values; expected one for each of the {len(years)} years "
            f"{years[0]} to {years[-1]}"
        )
        raise ValueError(msg)
    return np.asarray(values, dtype=np.float64)
