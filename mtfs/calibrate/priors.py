"""What is believed of councils' growth before their history is seen, and where that comes from."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mtfs.assumptions import Declared, Number

Spread = Annotated[float, Field(gt=0, le=2)]
Degrees = Annotated[float, Field(gt=2, le=1000)]
Persistence = Annotated[float, Field(gt=-0.7, lt=0.8)]


class GrowthPrior(Declared):
    """Beliefs on the growth of a panel's logarithms; see :data:`ENGLAND`.

    Growth is a year's difference of logarithms. A ``_range`` is the standard deviation of the
    logarithm of what stands before it: 0.7 says that it may well be half or twice that.
    """

    drift: Number
    """national growth a year, less what covariates explain"""
    drift_sd: Spread
    shock: Spread
    """scale of what one year adds to all councils' growth and the next does not"""
    shock_range: Spread
    wander: Spread
    """scale of a year's move of the national drift"""
    wander_range: Spread
    national_tails: Degrees
    """degrees of freedom of both; they are not learnt, a panel has too few years"""
    spread: Spread
    """scale of a council's own growth, at the panel's median size"""
    spread_range: Spread
    tails: Degrees
    """degrees of freedom of a council's own growth, whose logarithm less 2 has ``tails_range``"""
    tails_range: Spread
    likeness: Annotated[float, Field(gt=0, le=1000)]
    """how alike councils' own variances are: years of history that knowing the pool is worth"""
    likeness_range: Spread
    persistence: Persistence
    """share of a year's own growth, above or below the nation's, that comes again next year"""
    persistence_sd: Spread
    own_drift: Spread
    """scale of the half-normal that the spread of councils' own drifts comes from"""
    coefficient: Number
    """growth that goes with a growth of 1 of a covariate"""
    coefficient_sd: Spread
    source: str | None = None


ENGLAND = GrowthPrior(
    drift=0.03,
    drift_sd=0.05,
    shock=0.012,
    shock_range=0.7,
    wander=0.018,
    wander_range=0.25,
    national_tails=4.0,
    spread=0.06,
    spread_range=0.4,
    tails=6.0,
    tails_range=0.7,
    likeness=8.0,
    likeness_range=0.6,
    persistence=0.0,
    persistence_sd=0.2,
    own_drift=0.005,
    coefficient=1.0,
    coefficient_sd=0.5,
    source="England's looked-after children 2006-2019, EHC plans 2010-2019 and children's net "
    "spend 2012-2019, half of the councils (DfE; MHCLG)",
)
"""The prior that ships.

Its centres lie among what three panels of about 80 English councils say by themselves to March
2019, and but for ``wander`` its ranges hold all three: looked-after children, EHC plans, children's
net spend. Their posterior means are, in that order (with a wide range for ``wander``): spread
0.062, 0.036 and 0.060; degrees of freedom 18, 7 and 4; likeness 26, 10 and 11; persistence 0.16,
0.22 and -0.13; wander 0.011, 0.018 and 0.011; shock 0.010, 0.009 and 0.021; own drift 0.006, 0.005
and 0.004. ``shock``, ``own_drift`` and the national tails were chosen among 20 variants by CRPS of
forecasts of outcomes up to March 2019, on which they matter little: from 7.4 to 10.0% ahead of a
national drift with pooled spread.

``wander`` is that of the panel that saw a turn, and hardly moves: fifteen years without a turn do
not say that there is none. Nine pairs of centre and range (0.015, 0.018, 0.022; 0.25, 0.4, 0.7)
scored 8.9 to 11.1% ahead on the same outcomes, these most; 0.012 and 0.7, which stood here first,
10.5%, with 80% intervals that held 77%, where these held 79%. Children in care alone, which saw
no turn, pay for it: 1.7% of their CRPS. Later outcomes of three other pairs had been seen by then.
"""
