"""Prevalence learnt from history: its level, growth, and how far it wanders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mtfs.flows.cohort_states import PER, Wander
from mtfs.vocabulary import MtfsError, listing

LEAST = 5  # counts: four steps are the fewest from which an s.d. is learnt


@dataclass(frozen=True)
class Prevalence:
    """What a history of counts tells of a prevalence: a random walk of its logarithm, with drift.

    With :meth:`wander` a draw knows as little of growth and s.d. as the history tells.
    """

    level: float
    """people of 1,000 of the population, in the last year"""
    growth: float
    """a year: the mean step of the logarithm, as a fraction"""
    sd: float
    """of a year's step of the logarithm"""
    growth_se: float
    """standard error of the mean step"""
    steps: int
    """how many there are"""
    autocorrelation: float
    """of a step with the next: what a random walk takes for 0"""
    first: int
    last: int
    source: str

    def wander(self, *, persistence: float = 0.0) -> Wander:
        """Give how the prevalence departs from its growth, for a cohort.

        Parameters
        ----------
        persistence
            Correlation of a year's step with the next, 0 unless given: a few steps do not tell it.
        """
        return Wander(sd=self.sd, learnt_from=self.steps, persistence=persistence)

    def text(self) -> str:
        """Write it as a plan holds it."""
        return (
            f"prevalence: {self.level:.4g}\n"
            f"prevalence_growth: {self.growth:.4f}\n"
            f"wander: {{sd: {self.sd:.4f}, learnt_from: {self.steps}}}\n"
            f"source: {self.source}"
        )


def fit_prevalence(
    counts: Mapping[int, float], population: Mapping[int, float], *, source: str = "counts"
) -> Prevalence:
    """Learn a prevalence from yearly counts and the population.

    The logarithm of the prevalence is taken for a random walk with drift: the mean of its steps is
    the growth, their standard deviation the s.d. of a year, and both are as uncertain as so many
    steps leave them. Choose years of one definition: a change of what is counted is taken for
    growth.

    Parameters
    ----------
    counts
        People by year, consecutive years.
    population
        The population they come from, by year: every year of the counts.
    source
        Where the counts come from, for the assumption register.

    Returns
    -------
    Prevalence
        The level is that of the last year.

    Raises
    ------
    MtfsError
        When there are fewer than five counts, a year is missing, or a number is not above 0.

    Examples
    --------
    >>> people = {2020: 100, 2021: 110, 2022: 121, 2023: 133.1, 2024: 146.41}
    >>> found = fit_prevalence(people, dict.fromkeys(people, 10_000))
    >>> round(found.level, 3), round(found.growth, 3), round(found.sd, 3)
    (14.641, 0.1, 0.0)
    """
    years = sorted(counts)
    if len(years) < LEAST:
        msg = f"there are {len(years)} counts; expected at least {LEAST}, one a year"
        raise MtfsError(msg)
    every = range(years[0], years[-1] + 1)
    for name, held in (("counts", counts), ("population", population)):
        if missing := [str(year) for year in every if year not in held]:
            msg = f"the {name} lack {listing(missing)}; expected every year {years[0]} to "
            raise MtfsError(f"{msg}{years[-1]}")
        if wrong := [str(year) for year in every if not 0 < held[year] < np.inf]:
            msg = f"the {name} of {listing(wrong)} are not above 0"
            raise MtfsError(msg)
    rates = np.array([counts[year] / population[year] for year in years])
    steps = np.diff(np.log(rates))
    around = steps - steps.mean()
    sd = float(steps.std(ddof=1))
    squares = float((around**2).sum())
    return Prevalence(
        level=float(PER * rates[-1]),
        growth=float(np.expm1(steps.mean())),
        sd=sd,
        growth_se=sd / len(steps) ** 0.5,
        steps=len(steps),
        autocorrelation=float((around[1:] * around[:-1]).sum() / squares) if squares else 0.0,
        first=years[0],
        last=years[-1],
        source=f"{source}, {years[0]} to {years[-1]}: {len(steps)} yearly steps",
    )
