"""How one number came about: from the values of its drivers, by its factors, to the pounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import xarray as xr

from mtfs.contributions import ItemKind
from mtfs.engine import Engine, engine_of
from mtfs.plan import Plan
from mtfs.projection import draws_meant, plan_meant, project_gap
from mtfs.sampling import RandomScores
from mtfs.schema import planned_name, require_axes, require_projection, require_year
from mtfs.vocabulary import BLOCK, Array, MtfsError, listing, suggest, year_label, year_start
from mtfs.waterfall import pounds

if TYPE_CHECKING:
    from mtfs.lines.anatomy import Anatomy, Factor
    from mtfs.paths import Paths

PLANNED: Literal["plan"] = "plan"
_VARIABLES: dict[ItemKind, tuple[str, str]] = {
    "line": ("cost", "line"),
    "saving": ("saving_delivered", "scheme"),
    "funding": ("income", "source"),
}
_ROUNDING = 1e-9
_LARGE = 1000
_BETWEEN = {"product": " x ", "sum": " + "}
# What a sum is called, and GBP in the base year and in every year of the plan.
Sum: TypeAlias = tuple[str, Array]


@dataclass(frozen=True)
class Explanation:
    """How one number of one year and one draw (or of the council's own table) came about."""

    name: str
    """the line, saving or source of funding"""
    year: str
    draw: int | None
    """the draw; none for the council's own table"""
    value: float
    """GBP, as in the projection"""
    table: pd.DataFrame
    """rows ``(part, name)``, part being driver, stated, factor, detail or pounds; columns ``unit``,
    the base year and the plan's years up to ``year``; nan where a row has no base year"""
    words: str
    """the last year's sum, written out"""
    chosen: str
    """which draw it is, and why"""

    def __str__(self) -> str:
        blocks = [f"{self.name}, {self.year}, {self.chosen}"]
        heads = {
            "driver": "drivers",
            "stated": "as the plan states",
            "factor": "factors",
            "detail": "worked out from",
            "pounds": "GBP",
        }
        years = [str(column) for column in self.table.columns if column != "unit"]
        for part, head in heads.items():
            if part not in self.table.index.get_level_values("part"):
                continue
            rows = self.table.loc[[part]].droplevel("part")
            width = max(len(head), *(len(str(name)) for name in rows.index))
            lines = [head.ljust(width) + "".join(year.rjust(14) for year in years)]
            for name, row in rows.iterrows():
                cells = "".join(_shown(float(row[year])).rjust(14) for year in years)
                unit = "" if part == "pounds" else row["unit"]
                lines.append(f"{str(name).ljust(width)}{cells}  {unit}".rstrip())
            blocks.append("\n".join(lines))
        return "\n\n".join([*blocks, f"{self.year}: {self.words}"])


def explain(
    ds_or_plan: xr.Dataset | Plan | Mapping[str, Any],
    *,
    line: str,
    year: str | None = None,
    draw: int | Literal["plan"] | None = None,
    item_kind: ItemKind | None = None,
    n_draws: int | None = None,
    seed: int | None = None,
) -> Explanation:
    """Say how one number came about: from its drivers' values, by its factors, to the pounds.

    Parameters
    ----------
    ds_or_plan
        A projection, also one loaded from a file, or a plan.
    line
        The line, savings scheme or source of funding.
    year
        The year of the number, the last unless given.
    draw
        The draw, as numbered in the projection; ``"plan"`` for the council's own table; unless
        given, the draw whose gap in that year is nearest to the median.
    item_kind
        ``"line"``, ``"saving"`` or ``"funding"``: needed only where two of them share the name.
    n_draws, seed
        As for :func:`mtfs.project_gap`; a projection has its own.

    Returns
    -------
    Explanation
        ``str()`` of it is a page of text, ``.table`` holds its numbers, ``.value`` the result: that
        of ``ds["cost"]``, ``ds["saving_delivered"]`` or ``ds["income"]``.

    Raises
    ------
    MtfsError
        When there is no such name, year or draw, or the projection was made from given scores,
        which it does not hold.

    Examples
    --------
    >>> roads = {"kind": "budget", "name": "roads", "base": 100.0, "growth": 0.1}
    >>> plan = {"council": "A", "first_year": "2026/27", "lines": [roads]}
    >>> found = explain(plan, line="roads", year="2027/28", draw="plan")
    >>> found.words
    'GBP 100.00 base x 1.21 index = GBP 121.00 net cost'
    """
    ds = _projection(ds_or_plan, n_draws, seed, draw)
    year = require_year(ds, year)
    plan = plan_meant(ds)
    engine = engine_of(plan)
    kind = _kind_of(line, _names(engine), item_kind)
    number, chosen = _draw(ds, draw, year)
    if number is None:
        paths, arrays, place = engine.planned_paths, engine.planned_store.arrays, 0
    else:
        scores = RandomScores(int(ds.attrs["seed"]), int(ds.attrs["n_draws"]))
        paths, store = engine.one_block(scores, number // BLOCK)
        arrays, place = store.arrays, number % BLOCK
    here = _Here(engine, paths, arrays, place, plan.years.index(year) + 1)
    made, sums = here.line(line) if kind == "line" else here.received(line, kind)
    value = float(sums[-1][1][here.until])
    variable, dim = _VARIABLES[kind]
    variable = planned_name(variable) if number is None else variable
    if variable in ds and line in ds[dim].to_numpy():
        at: dict[str, str | int] = {dim: line, "year": year}
        _require_same(
            float(ds[variable].sel(at if number is None else at | {"draw": number})), value
        )
    words = _words(made, sums, here)
    return Explanation(line, year, number, value, here.table(made, sums), words, chosen)


@dataclass(frozen=True)
class _Here:
    """One draw of a plan, or its own table, up to one year."""

    engine: Engine
    paths: Paths
    arrays: Mapping[str, Array]
    place: int
    until: int
    """how many years are shown"""

    def at(self, values: Array) -> Array:
        """Give the draw's own values by year."""
        return values[:, min(self.place, values.shape[1] - 1)]

    def upto(self, factor: Factor) -> Array:
        """Give a factor in the base year and in the years shown."""
        return self.at(factor.values)[: self.until + 1]

    def line(self, name: str) -> tuple[Anatomy, list[Sum]]:
        """Show how a line's cost is made, and what is netted off it."""
        engine = self.engine
        number = engine.labels["line"].index(name)
        row, contributions = engine.rows[number], engine.contributions
        made: Anatomy = row.anatomy(self.paths)
        whole = self.at(made.number())
        sums = [("cost", whole)] if row.share != 1 else []
        whole = whole * row.share
        net = np.array([whole[0], *self.at(self.arrays["cost"][number])])
        net[0] -= contributions.used_in_base.get(name, 0.0)
        if name in contributions.used_in_base or name in contributions.tied:
            sums.append((f"cost, {row.share:g} of it" if sums else "cost", whole))
            sums.append(("less ring-fenced grants and tied funds", net - whole))
        if made.entry is not None:
            net[0] = 0.0
        return made, [*sums, ("net cost", net)]

    def received(self, name: str, kind: ItemKind) -> tuple[Anatomy, list[Sum]]:
        """Show how a saving or an income is made."""
        plan, labels = self.engine.plan, self.engine.labels
        if kind == "saving":
            number = labels["scheme"].index(name)
            three = [
                self.arrays[f"saving_{each}"][number] for each in ("delivered", "late", "lost")
            ]
            parts = self.engine.programme.terms_drawn(name, self.paths)
            made = plan.schemes()[number].anatomy(three[0], three[1], three[2], parts=parts)
            return made, [("saving delivered", np.array([0.0, *self.at(three[0])]))]
        for source in [*plan.sources(), *plan.ring_fenced_grants()]:
            if name in source.income_names():
                rows = source.income_names().index(name)
                made = source.anatomies(self.paths)[rows]
                income = self.at(source.incomes(self.paths)[rows])
                return made, [("income", np.array([self.at(made.number())[0], *income]))]
        raise KeyError(name)

    def table(self, made: Anatomy, sums: Sequence[Sum]) -> pd.DataFrame:
        """Tabulate drivers, factors and sums."""
        rows: dict[tuple[str, str], tuple[str, Array]] = {}
        for factor in made.factors:
            for name, assumption in factor.fields:
                if isinstance(assumption, str):
                    rows |= {("driver", said): ("", v) for said, v in self._driver(assumption)}
                elif assumption != 0:
                    rows["stated", name] = ("", self.at(self.paths.value(assumption)))
        for factor in made.factors:
            rows["factor", factor.name] = (factor.unit, self.at(factor.values))
        for factor in made.factors:
            rows |= {("detail", name): ("", self.at(v)) for name, v in factor.parts.items()}
        rows |= {("pounds", name): ("GBP", values) for name, values in sums}
        years = self.engine.calendar.years
        base_year = year_label(year_start(years[0]) - 1)
        whole = [
            np.array([np.nan, *values]) if len(values) == len(years) else values
            for _, values in rows.values()
        ]
        index = pd.MultiIndex.from_tuples(list(rows), names=["part", "name"])
        table = pd.DataFrame(np.array(whole), index=index, columns=[base_year, *years])
        table = table.iloc[:, : self.until + 1]
        table.insert(0, "unit", [unit for unit, _ in rows.values()])
        return table

    def _driver(self, name: str) -> Iterator[tuple[str, Array]]:
        """Give a driver's values, and under it what a mix is made of."""
        drivers = {driver.name: driver for driver in self.engine.plan.drivers}
        value = self.at(self.paths.value(name))
        yield name, value
        own = value.copy()
        for part in drivers[name].mix:
            before = drivers[part.driver].previous[len(drivers[part.driver].previous) - part.lag :]
            lagged = np.array([*before, *self.at(self.paths.value(part.driver))])[: len(value)]
            own -= part.weight * lagged
            late = f" of {part.lag} year{'s' * (part.lag > 1)} before" if part.lag else ""
            yield f"{name}: {part.weight:g} x {part.driver}{late}", part.weight * lagged
        if drivers[name].mix and not np.allclose(own, 0.0, atol=_ROUNDING):
            yield f"{name}: its own", own
        for part in drivers[name].mix:
            yield from self._driver(part.driver)


def _projection(
    ds_or_plan: xr.Dataset | Plan | Mapping[str, Any],
    n_draws: int | None,
    seed: int | None,
    draw: int | str | None,
) -> xr.Dataset:
    if isinstance(ds_or_plan, xr.Dataset) and n_draws is None and seed is None:
        ds = require_projection(ds_or_plan)
        require_axes(ds, *(["year"] if draw == PLANNED else []))
        if "seed" in ds.attrs or draw == PLANNED:
            return ds
    n_draws, seed = draws_meant(ds_or_plan, n_draws, seed)
    return project_gap(plan_meant(ds_or_plan), n_draws=n_draws, seed=seed, keep="totals")


def _draw(ds: xr.Dataset, draw: int | str | None, year: str) -> tuple[int | None, str]:
    """Give the number of the draw, and say why it is that one."""
    if draw == PLANNED:
        return None, "in the council's own table"
    numbers = ds["draw"].to_numpy()
    if draw is None:
        gap = ds["gap"].sel(year=year).to_numpy()
        nearest = int(np.argmin(np.abs(gap - np.median(gap))))
        number = int(numbers[nearest])
        return (
            number,
            f"draw {number}, whose gap of {pounds(gap[nearest])} is nearest to the median",
        )
    if isinstance(draw, bool) or not isinstance(draw, int | np.integer) or draw not in numbers:
        msg = (
            f"draw is {draw!r}; expected 'plan' or one of the projection's draws, "
            f"{numbers.min()} to {numbers.max()}"
        )
        raise MtfsError(msg)
    own = float(ds["gap"].sel(year=year, draw=draw))
    return int(draw), f"draw {draw}, whose gap is {pounds(own)}"


def _names(engine: Engine) -> dict[ItemKind, list[str]]:
    fenced = [grant.name for grant in engine.plan.ring_fenced_grants()]
    return {
        "line": list(engine.labels["line"]),
        "saving": list(engine.labels["scheme"]),
        "funding": [*engine.labels["source"], *fenced],
    }


def _kind_of(
    name: str, names: Mapping[ItemKind, list[str]], item_kind: ItemKind | None
) -> ItemKind:
    """Say whether a name is a line's, a scheme's or a source's."""
    if item_kind is not None and item_kind not in names:
        msg = f"item_kind is {item_kind!r}; expected {', '.join(map(repr, names))}"
        raise MtfsError(msg)
    searched = {item_kind: names[item_kind]} if item_kind is not None else names
    found = [kind for kind, held in searched.items() if name in held]
    if len(found) > 1:
        msg = f"'{name}' is the name of a {' and of a '.join(found)}; say which with 'item_kind'"
        raise MtfsError(msg)
    if found:
        return found[0]
    every = [each for held in searched.values() for each in held]
    near = suggest(str(name), every)
    msg = (
        f"'{name}' is no line, saving or source of funding of the plan.{near} It holds: "
        f"{listing(every)}."
    )
    raise MtfsError(msg)


def _require_same(held: float, found: float) -> None:
    """Check that the number explained is the projection's own."""
    if not np.isclose(held, found, rtol=_ROUNDING, atol=_ROUNDING):
        msg = (
            f"the projection holds {pounds(held)}, its plan and seed give {pounds(found)}: it was "
            "changed, or made by another version; run its plan again"
        )
        raise MtfsError(msg)


def _words(made: Anatomy, sums: Sequence[Sum], here: _Here) -> str:
    """Write the last year's sum out."""
    if callable(made.made):
        first = f"{made.formula}, with " + ", ".join(_named(each, here) for each in made.factors)
    else:
        first = _BETWEEN[made.made].join(_term(each, here) for each in made.factors)
    last = [(name, float(values[here.until])) for name, values in sums]
    return " ".join([first, *(f"= {pounds(value)} {name}" for name, value in last)])


def _term(factor: Factor, here: _Here) -> str:
    """Write a factor as a term of a product or a sum, with how far its base has grown."""
    base, value = here.upto(factor)[[0, -1]]
    if factor.unit in {"", "GBP"}:
        return f"{_measured(value, factor.unit)} {factor.name}"
    grown = base and factor.fields and base != value
    said = f" ({_shown(base)} x {_shown(value / base)})" if grown else ""
    return _measured(value, factor.unit) + said


def _named(factor: Factor, here: _Here) -> str:
    return f"{factor.name} {_measured(here.upto(factor)[-1], factor.unit)}"


def _measured(value: float, unit: str) -> str:
    if unit == "GBP":
        return pounds(value + 0.0)
    money = unit.startswith("GBP ")
    said = f"GBP {_shown(value)} {unit[4:]}" if money else f"{_shown(value)} {unit}"
    return said.strip()


def _shown(value: float) -> str:
    """Write a number with four figures, or with all before the point."""
    if np.isnan(value):
        return ""
    value += 0.0  # no zero below zero
    return f"{value:,.0f}" if abs(value) >= _LARGE else f"{value:.4g}"
