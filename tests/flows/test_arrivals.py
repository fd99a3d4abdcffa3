from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from care_histories import DAYS, GROUPING, START, YEARS, histories_of, truth

from mtfs.flows.arrivals import dispersion_of, fit_arrivals, months_of, season_of
from mtfs.flows.uniforms import keyed

KEYS = keyed(np.arange(2000).astype(np.uint64), 9)


@pytest.fixture(scope="module")
def counted():
    return histories_of(truth(400, seed=3), 1, seed=4)[0].occurrences


def with_entries(counted, dates):
    """The same window with entries on other days, of teenagers into residential care."""
    rows = {"date": pd.to_datetime(dates), "group": 0, "age": 3, "placement": 3, "years": 12.0}
    return replace(counted, entries=pd.DataFrame(rows).sort_values("date"))


def monthly(counts):
    """Days of entries: so many in every month of the window."""
    starts = pd.date_range(START, periods=len(counts), freq="MS")
    return [start + pd.Timedelta(days=i % 28) for start, n in zip(starts, counts, strict=True)
            for i in range(n)]  # fmt: skip


def test_levels_are_entries_over_years(counted):
    fitted = fit_arrivals(counted)
    mean = fitted.mean().level[..., 0]
    n = len(counted.entries)
    assert mean.sum() == pytest.approx((n + 0.5) / YEARS)
    by_age = counted.entries.groupby("age").size().to_numpy()
    np.testing.assert_allclose(mean[0], (by_age + 0.1) / YEARS)
    drawn = fitted.draw(KEYS).level.sum(axis=(0, 1))
    spread = np.sqrt(1 / n + fitted.dispersion / 36)
    error = 1 / np.sqrt(2 * len(KEYS))
    assert drawn.std() / drawn.mean() == pytest.approx(spread, rel=4 * error)


def test_no_band_is_without_entries_and_shares_are_for_the_age(counted):
    only = with_entries(counted, monthly([5] * 36))
    drawn = fit_arrivals(only).draw(KEYS)
    assert (drawn.level > 0).all()
    assert drawn.level[0, 0].mean() < 0.2
    np.testing.assert_allclose(drawn.placements.sum(axis=2), 1)
    barred = GROUPING.allowed == 0
    assert (drawn.placements[0][barred] == 0).all()
    assert (drawn.placements[0][~barred] > 0).all()
    assert drawn.placements[0, 3, 3].mean() > 0.9  # all 180 of them went there


def test_a_draw_depends_on_its_key_alone(counted):
    fitted = fit_arrivals(counted)
    every, some = fitted.draw(KEYS), fitted.draw(KEYS[[5, 3]])
    assert np.array_equal(every.level[..., [5, 3]], some.level)
    assert np.array_equal(every.placements[..., [5, 3]], some.placements)


def test_ages_at_entry_lie_within_their_band_in_order(counted):
    ages = fit_arrivals(counted).ages.array
    assert (np.diff(ages, axis=-1) >= 0).all()
    for band, (low, high) in enumerate(zip(GROUPING.ages, GROUPING.ages[1:], strict=False)):
        assert (ages[:, band] >= low).all()
        assert (ages[:, band] <= high).all()
    babies = counted.entries["age"] == 0
    newborn = counted.entries.assign(years=np.where(babies, 0.01, counted.entries["years"]))
    ages = fit_arrivals(replace(counted, entries=newborn)).ages.array
    assert ages[0, 0, 8] < 0.02  # 8 of 10 steps: nearly all came at birth


def test_months_are_those_of_the_window(counted):
    cut = replace(counted, end=START + pd.Timedelta(days=44))
    months = months_of(cut)
    assert months["days"].tolist() == [30, 15]  # April, and half of May
    assert months["month"].tolist() == [3, 4]
    assert months_of(counted)["days"].sum() == DAYS
    assert months_of(counted)["entries"].sum() == len(counted.entries)


def test_months_that_vary_no_more_than_chance_have_no_dispersion():
    assert dispersion_of(np.full(36, 12.0), np.full(36, 12.0)) == 0
    rng = np.random.default_rng(1)
    found = [dispersion_of(n, np.full(36, n.mean())) for n in rng.poisson(15.0, (300, 36))]
    assert np.mean(np.array(found) == 0) > 0.45  # a variance is below its mean half the time
    assert np.mean(found) < 0.005  # and adds 8% to a month's variance at most, on average


@pytest.mark.parametrize("mean", [5.0, 15.0, 40.0])
def test_dispersion_is_that_of_the_history(mean):
    rng, true, histories = np.random.default_rng(2), 0.1, 300
    factor = rng.gamma(1 / true, true, (histories, 36))
    counts = rng.poisson(factor * mean)
    found = np.array([dispersion_of(n, np.full(36, n.mean())) for n in counts])
    error = found.std() / np.sqrt(histories)
    # A weak history is drawn towards Poisson: by a fifth at most at five entries a month.
    assert true - 4 * error - 0.02 < found.mean() < true + 4 * error + 0.01


def test_levels_cover_when_months_share_a_factor(counted):
    rng, true, histories, level = np.random.default_rng(3), 0.06, 150, 15.0
    places = []
    for _ in range(histories):
        counts = rng.poisson(level * rng.gamma(1 / true, true, 36))
        drawn = fit_arrivals(with_entries(counted, monthly(counts))).draw(KEYS[:400])
        places.append((drawn.level.sum(axis=(0, 1)) < level * 36 / YEARS).mean())
    for prob in (0.8, 0.95):
        inside = (np.abs(np.array(places) - 0.5) < prob / 2).mean()
        assert abs(inside - prob) < 3 * np.sqrt(prob * (1 - prob) / histories)


def test_seasons_are_found_where_they_are_and_seldom_where_they_are_not():
    rng, histories = np.random.default_rng(4), 400
    even = pd.DataFrame({"month": [*range(12)] * 3, "days": 30.4})
    found = [season_of(even.assign(entries=n)) for n in rng.poisson(15, (histories, 36))]
    wrong = np.mean([np.ptp(each) > 0 for each in found])
    assert wrong < 0.01 + 3 * np.sqrt(0.01 * 0.99 / histories)
    wave = 1 + 0.4 * np.sin(np.arange(12) * np.pi / 6)
    found = [season_of(even.assign(entries=rng.poisson(30 * np.tile(wave, 3)))) for _ in range(50)]
    assert np.mean([np.ptp(each) > 0 for each in found]) > 0.9
    error = np.std(found, axis=0) / np.sqrt(50)
    assert (np.abs(np.mean(found, axis=0) - wave) < 4 * error + 0.06).all()  # shrunk a little
    np.testing.assert_allclose(np.mean(found, axis=1), 1, atol=1e-4)


def test_overdispersed_months_are_not_taken_for_seasons():
    rng, histories = np.random.default_rng(5), 400
    even = pd.DataFrame({"month": [*range(12)] * 3, "days": 30.4})
    counts = rng.poisson(20 * rng.gamma(10, 0.1, (histories, 36)))
    wrong = np.mean([np.ptp(season_of(even.assign(entries=n))) > 0 for n in counts])
    assert wrong < 0.01 + 3 * np.sqrt(0.01 * 0.99 / histories)


def test_a_window_of_winters_does_not_raise_the_level_of_a_year(counted):
    wave = 1 + 0.5 * np.cos(np.arange(12) * np.pi / 6)  # January is the peak
    dates = [
        d
        for d in pd.date_range("2020-12-01", "2023-02-28")
        for _ in range(round(4 * wave[d.month - 1]))
    ]
    cut = replace(with_entries(counted, dates), start=pd.Timestamp("2020-12-01"),
                  end=pd.Timestamp("2023-02-28"))  # fmt: skip
    fitted = fit_arrivals(cut)
    assert max(fitted.season) > 1.3
    level = fitted.mean().level.sum()
    year = [d for d in dates if d.year == 2021]
    assert level == pytest.approx(len(year), rel=0.03)
    assert level < 0.97 * len(dates) / (820 / 365.25)
