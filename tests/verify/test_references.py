"""Reference forecasts: their spread by Hyndman and Athanasopoulos's formulas."""

import numpy as np
import pytest
import xarray as xr

from mtfs.verify import drift, naive, national_drift
from mtfs.vocabulary import MtfsError, year_labels

N = 20_000


def history(rows, first="2015/16"):
    names = [f"council {number}" for number in range(len(rows))]
    years = list(year_labels(first, len(rows[0])))
    return xr.DataArray(np.array(rows, float), {"council": names, "year": years})


def from_growth(*rows):
    return history([100 * np.exp(np.cumsum([0, *row])) for row in rows])


def logs(forecast):
    return np.log(forecast / 100)


def near(draws, mean, sd):
    """Compare with a normal distribution's mean and s.d., within four standard errors."""
    n = draws.size
    assert float(draws.mean()) == pytest.approx(mean, abs=4 * sd / np.sqrt(n))
    assert float(draws.std()) == pytest.approx(sd, abs=4 * sd / np.sqrt(2 * n))


STEADY = [0.1, 0.0, 0.1, 0.0, 0.1, 0.0]  # mean 0.05, mean square 0.005, variance 0.003 (of 5)


def test_a_naive_forecast_spreads_as_the_root_of_years_ahead_from_the_last_level():
    found = logs(naive(from_growth(STEADY), horizon=4, n_draws=N, seed=1)).isel(council=0)
    for lead, year in enumerate(year_labels("2022/23", 4), start=1):
        near(found.sel(year=year), 0.3, np.sqrt(0.005 * lead))


def test_a_drift_is_not_known_exactly():
    found = logs(drift(from_growth(STEADY), horizon=4, n_draws=N, seed=1)).isel(council=0)
    for lead, year in enumerate(year_labels("2022/23", 4), start=1):
        near(found.sel(year=year), 0.3 + 0.05 * lead, np.sqrt(0.003 * lead * (1 + lead / 6)))


def test_a_short_history_borrows_the_spread_of_all():
    rows = history([[100, 100, 110, 110, 110, 110], [np.nan, np.nan, np.nan, 100, 100, 100]])
    found = logs(naive(rows, horizon=1, n_draws=N, seed=1)).isel(council=1)
    near(found, 0.0, np.log(1.1) / np.sqrt(7))  # one step of log 1.1 among 5 + 2
    own = rows.isel(council=[0])
    near(logs(naive(own, horizon=1, n_draws=N, seed=1)), np.log(1.1), np.log(1.1) / np.sqrt(5))


def test_where_the_last_level_is_missing_the_walk_has_taken_more_steps():
    rows = history([[100, 110, 100, 110, 100, 110, 100, np.nan]])
    found = naive(rows, horizon=2, n_draws=N, seed=1, gaps={"council 0": ["2022/23"]})
    near(logs(found).isel(year=0), 0.0, np.log(1.1) * np.sqrt(2))
    near(logs(found).isel(year=1), 0.0, np.log(1.1) * np.sqrt(3))


def test_the_national_drift_is_the_mean_of_the_last_four_years_of_all():
    one, other = [0.3, 0.1, 0.1, 0.1, 0.1], [0.3, 0.0, 0.0, 0.0, 0.0]
    found = logs(national_drift(from_growth(one, other), horizon=2, n_draws=N, seed=1))
    sd = np.std([*one, *other], ddof=1)
    near(found.isel(council=1, year=1), 0.3 + 2 * 0.05, sd * np.sqrt(2))
    near(found.isel(council=0, year=0), 0.7 + 0.05, sd)


def test_growth_across_a_break_is_not_learnt_from():
    rows = history([[100, 110, 121, 500, 550, 605]])
    found = drift(rows, horizon=1, n_draws=3, seed=1, breaks={"council 0": ["2018/19"]})
    assert found.to_numpy() == pytest.approx(np.full((1, 3, 1), 605 * 1.1))


def test_one_council_draws_the_same_whoever_stands_beside_it():
    rows = from_growth(STEADY, STEADY)
    both = naive(rows, n_draws=8, seed=1)
    alone = naive(rows.isel(council=[1]), n_draws=8, seed=1)
    np.testing.assert_allclose(both.isel(council=[1]), alone, rtol=1e-12)


def test_too_little_history_is_refused():
    with pytest.raises(MtfsError, match="no council has two growths by 2016/17"):
        drift(history([[100, 110]]))
    with pytest.raises(MtfsError, match="holds 1 growths by 2016/17"):
        national_drift(history([[100, 110]]))
    rows = history([[100, np.nan, 100]])
    with pytest.raises(MtfsError, match="holds no growth by 2017/18"):
        naive(rows, gaps={"council 0": ["2016/17"]})
