"""Growth of spend, split into people, price and mix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mtfs.calibrate.candidates import Model
from mtfs.calibrate.correlations import FittedCorrelations, fit_correlations
from mtfs.calibrate.series import Series, alike
from mtfs.calibrate.single import FittedDriver, fit_driver
from mtfs.calibrate.texts import Fitted, Section, plan_text
from mtfs.coalitions import Company, shapley
from mtfs.dependence import dependence
from mtfs.vocabulary import Array, MtfsError, year_start

PARTS = ("people", "price", "mix")


@dataclass(frozen=True)
class FittedSplit:
    """Drivers of people, price and mix, and how they go together."""

    drivers: tuple[FittedDriver, ...]
    correlations: FittedCorrelations

    def sections(self) -> tuple[Section, ...]:
        """Give it by the plan's keys."""
        parts: tuple[Fitted, ...] = (*self.drivers, self.correlations)
        return tuple(section for part in parts for section in part.sections())

    def text(self) -> str:
        """Write it as a plan holds it."""
        return plan_text(self)


@dataclass(frozen=True)
class GrowthSplit:
    """Growth of spend by people, price and mix."""

    growth: pd.DataFrame
    """by ``year`` (the later): yearly growth of ``people``, ``price``, ``mix`` and ``spend`` as
    fractions, which multiply: ``(1 + people)(1 + price)(1 + mix) = 1 + spend``"""
    contribution: pd.DataFrame
    """by ``year``: what each added to spend since the year before, in the units of spend, and
    ``spend``, their sum"""
    since: pd.Series[str]
    """by ``year``, the year before"""

    @property
    def yearly(self) -> bool:
        """Whether the years stand in a row."""
        return all(
            year_start(str(year)) - year_start(before) == 1 for year, before in self.since.items()
        )

    def fit_drivers(
        self,
        *,
        names: tuple[str, str, str],
        source: str,
        first_year: str | None = None,
        horizon: int = 4,
        model: Model | None = None,
    ) -> FittedSplit:
        """Learn three drivers from the yearly growth of people, price and mix.

        Parameters
        ----------
        names
            What to call people's, price's and mix's.
        source, first_year, horizon, model
            As for :func:`mtfs.calibrate.fit_driver`.

        Raises
        ------
        MtfsError
            When the years do not stand in a row, there are too few, or the correlations cannot hold
            with what each driver keeps from year to year.
        """
        if not self.yearly:
            msg = "the years do not stand in a row; drivers are learnt from yearly growth"
            raise MtfsError(msg)
        drivers = tuple(
            fit_driver(
                self.growth[part].rename(name),
                name=name,
                values="rates",
                source=f"{source}, {part} of its growth",
                first_year=first_year,
                horizon=horizon,
                model=model,
            )
            for part, name in zip(PARTS, names, strict=True)
        )
        renamed = self.growth[list(PARTS)].set_axis(list(names), axis="columns")
        found = fit_correlations(renamed, source=source)
        years = tuple(map(str, drivers[0].predictive.index))
        dependence([each.driver for each in drivers], found.pairs, years)  # raises where impossible
        return FittedSplit(drivers, found)


def split_growth(spend: Series, people: Series, prices: Series) -> GrowthSplit:
    """Split the growth of spend into people, price and mix, with nothing left over.

    Spend is people x price x mix: mix is what a person costs beyond the price index, such as dearer
    placements or more hours.

    Parameters
    ----------
    spend
        By financial year, above 0, in any unit.
    people
        Average people of the same years, above 0.
    prices
        A price index of the same years, above 0: CPI, fees paid for the same care ...

    Returns
    -------
    GrowthSplit
        Contributions are Shapley values, as in the bridge (:func:`mtfs.bridge`): the mean over all
        orders in which people, price and mix may move. They sum to the change of spend in every
        year. Years need not stand in a row; growth is then by the step, and not a year's.

    Raises
    ------
    MtfsError
        When the years differ, there is one only, or a value is missing or not above 0.

    Examples
    --------
    >>> import pandas as pd
    >>> held = [pd.Series(each, ["2022/23", "2023/24"]) for each in ([100, 132], [10, 11], [1, 1])]
    >>> found = split_growth(*held)
    >>> found.growth.round(3).loc["2023/24"].tolist()
    [0.1, 0.0, 0.2, 0.32]
    >>> found.contribution.round(3).loc["2023/24"].tolist()  # 10 and 20, and half of 2 to each
    [11.0, 0.0, 21.0, 32.0]
    """
    held = {"spend": spend, "people": people, "prices": prices}
    years, found = alike(held, "a number above 0")
    if len(years) < 2:  # noqa: PLR2004 - one growth
        msg = f"found {len(years)} year; expected at least two"
        raise MtfsError(msg)
    factors = {
        "people": found["people"],
        "price": found["prices"],
        "mix": found["spend"] / found["people"] / found["prices"],
    }
    index = pd.Index(years[1:], name="year")
    growth = {name: each[1:] / each[:-1] - 1 for name, each in factors.items()}
    growth["spend"] = found["spend"][1:] / found["spend"][:-1] - 1
    return GrowthSplit(
        growth=pd.DataFrame(growth, index=index),
        contribution=pd.DataFrame(_contributions(factors, found["spend"]), index=index),
        since=pd.Series(list(years[:-1]), index=index, name="since"),
    )


def _contributions(factors: dict[str, Array], spend: Array) -> dict[str, Array]:
    def value(moved: Company) -> Array:
        parts: Sequence[Array] = [
            each[1:] if name in moved else each[:-1] for name, each in factors.items()
        ]
        return np.asarray(np.prod(parts, axis=0))

    return shapley(list(factors), value) | {"spend": np.diff(spend)}
