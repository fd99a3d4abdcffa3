"""What is believed of a month's forecast: how far the year's outturn may end from it.

With x the variance forecast in month p and y the outturn, both as shares of the budget,

    y = x + s(p) (alpha + delta x + e),    e normal with standard deviation sigma,

so month p has bias ``alpha s``, slope ``1 + delta s`` and error ``sigma s``, and all three fade as
the months that are left do. Variances change sign: nothing is a multiple of anything. ``alpha``,
``delta`` and ``sigma`` are not known; they have a shipped prior (normal, inverse gamma), which a
council's own history updates in closed form, and a draw includes what is not known of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mtfs.distributions import StudentT
from mtfs.drift import CORRELATION as OVER_BUDGET
from mtfs.vocabulary import Array
from mtfs.waterfall import MONTHS, require_month

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtfs.monitoring import PastYear, Service

# sigma, the error of a forecast made in April, as a share of the budget.
#
# Whole council. Published forecasts as a share of the net budget, and the months between them:
#   Nottinghamshire 2024/25, of 638.8m: 1.9 (period 2) to 3.5 (4), +0.25% in 2; to 4.4 (6), +0.14%
#     in 2; to 0.903 (7), -0.55% in 1
#   Rotherham 2024/25, of 326.1m: 6.1 (4) to 5.3 (6), -0.25% in 2
#   Nottingham City 2025/26, of 356.8m (the budget of 2024/25): -3.0 (3) to -14.6 (6), -3.25% in 3
#   Shropshire 2023/24, of 260m: 5.2 (3) to 3.6 (6), -0.62% in 3; 14.5 (9) to an outturn of 7.8,
#     -2.6% in 3 (5.2 and 3.6 assumed action that 14.5 did not, so from 6 to 9 is left out)
# Divided by the root of the months and scaled to the eleven after April, the root mean square is
# 3.1%; a Student t with 6 degrees of freedom fits them best with a scale of 2.6%.
COUNCIL_SIGMA = 0.026
# One service. Four services of a quarter of a budget each, whose errors correlate by 0.3, need 3.8%
# each for a whole council's 2.6%. Below lie Nottinghamshire 2024/25 (adults 6.2, 10.6, 10.5 at
# periods 4, 6, 7 on about 332m, children 2.4, 3.3, 3.5 on about 195m: outturns of 2023/24) and
# England's adults (564m in autumn, outturn 774m on about 24 billion), in the same way 1.6%. Above
# lies all that a budget can miss by: outturn over budget differs between councils with a standard
# deviation of 8% to 10% (adults) and 11% to 13% (children) in the returns of 2021/22 and 2023/24,
# changes of classification included.
SERVICE_SIGMA = 0.04
# Equivalent observations behind sigma: there are seven movements of whole councils, of four.
STRENGTH = 6.0
# Standard deviation of alpha over sigma, centred on 0 as the movements go both ways: adults in
# England moved by 0.9% of budget from autumn to outturn, 1.2% on April's scale, 0.3 of 4%.
BIAS_OVER_SIGMA = 0.3
# Standard deviation of delta. A judgement: the movements above are too few to fit a slope.
SLOPE_SD = 0.25
# s in March: what moves between the last report and the accounts. A judgement.
YEAR_END = 0.15
# Correlation of two services' errors, in normal scores: the shipped rank correlation of children's
# and adults' outturn over budget, 0.30 with a standard error of 0.11. In normal scores it would be
# 0.31, which is no nearer than that error allows.
CORRELATION = OVER_BUDGET.value

PRIOR = (
    "published forecasts of Nottinghamshire, Rotherham, Nottingham City and Shropshire and revenue "
    "outturn returns of councils in England, 2021/22 to 2025/26; weak: equivalent to "
    f"{STRENGTH:g} past years"
)


def months_left(period: int) -> float:
    """Give s(p), how far a forecast may still move, as a multiple of April's.

    The variance of what is to come falls evenly with the months left, to a floor in March.

    Parameters
    ----------
    period
        The month the forecast rests on, 1 (April) to 12 (March).

    Returns
    -------
    float
        ``sqrt(floor**2 + (1 - floor**2) * (12 - period) / 11)``, from 1 to ``YEAR_END``.

    Examples
    --------
    >>> [round(months_left(p), 2) for p in (1, 6, 12)]
    [1.0, 0.75, 0.15]
    """
    require_month(period)
    floor = YEAR_END**2
    return math.sqrt(floor + (1 - floor) * (MONTHS - period) / (MONTHS - 1))


@dataclass(frozen=True)
class Belief:
    """What is known of alpha, delta and sigma: normal given sigma, sigma squared inverse gamma.

    The conjugate normal linear model: Gelman and others (2013), Bayesian Data Analysis, section
    14.8; Bishop (2006), Pattern Recognition and Machine Learning, section 2.3.6.
    """

    mean: Array
    """of alpha and delta"""
    cover: Array
    """their covariance over sigma squared, shape (2, 2)"""
    df: float
    """degrees of freedom: equivalent observations"""
    scale: float
    """of sigma: sigma squared is inverse gamma (df / 2, df scale squared / 2)"""
    years: int = 0
    """own past years that it has learnt from"""

    @classmethod
    def prior(cls, scope: Literal["service", "council"]) -> Belief:
        """Give the shipped prior of a service, or of a whole council."""
        sigma = COUNCIL_SIGMA if scope == "council" else SERVICE_SIGMA
        cover = np.diag([BIAS_OVER_SIGMA**2, (SLOPE_SD / sigma) ** 2])
        return cls(np.zeros(2), cover, STRENGTH, sigma)

    def updated(self, x: Array, y: Array, s: Array) -> Belief:
        """Learn from past years.

        Parameters
        ----------
        x, y
            Forecast and outturn variance as shares of the budget, shape (year,).
        s
            How far each forecast could still move (:func:`months_left`).

        Returns
        -------
        Belief
            The posterior, in closed form.
        """
        if not len(x):
            return self
        rows = np.column_stack([np.ones_like(x), x])
        seen = (y - x) / s
        before = np.linalg.inv(self.cover)
        precision = before + rows.T @ rows
        cover = np.linalg.inv(precision)
        mean = cover @ (before @ self.mean + rows.T @ seen)
        # what neither the prior's nor the posterior's mean explains, both sums of squares
        off, moved = seen - rows @ mean, mean - self.mean
        squares = float(off @ off + moved @ before @ moved)
        df = self.df + len(x)
        scale = math.sqrt((self.df * self.scale**2 + squares) / df)
        return Belief(mean, cover, df, scale, self.years + len(x))

    def outturn(self, x: float, period: int) -> StudentT:
        """Give the distribution of the outturn variance, as a share of the budget.

        Parameters
        ----------
        x
            Forecast variance as a share of the budget.
        period
            The month it rests on.

        Returns
        -------
        StudentT
            The predictive: bias, slope and error are integrated over.
        """
        s, row = months_left(period), np.array([1.0, x])
        middle = x + s * float(row @ self.mean)
        scale = s * self.scale * math.sqrt(1 + float(row @ self.cover @ row))
        return StudentT(middle, scale * math.sqrt(self.df / (self.df - 2)), self.df)


def learnt(history: Sequence[PastYear], service: Service, period: int) -> Belief:
    """Give what is believed of a service's forecasts, its own record included.

    Of each past year one forecast counts, that of the month nearest to ``period``; of two as near,
    the earlier.
    """
    nearest: dict[str, PastYear] = {}
    for past in sorted(history, key=lambda each: (abs(each.period - period), each.period)):
        if past.service == service.name:
            nearest.setdefault(past.year, past)
    used = list(nearest.values())
    return Belief.prior(service.scope).updated(
        np.array([past.forecast / past.budget for past in used]),
        np.array([past.outturn / past.budget for past in used]),
        np.array([months_left(past.period) for past in used]),
    )
