import numpy as np
import pytest
import xarray as xr
from panels import Truth, levels_of, panel_of

import mtfs
from mtfs import MtfsError, forecast_panel
from mtfs.calibrate import ENGLAND
from mtfs.vocabulary import year_labels

TRUTH = Truth()


def some(councils=12, years=10, seed=4):
    levels, _ = levels_of(TRUTH, np.random.default_rng(seed), councils=councils, years=years)
    return panel_of(levels)


def covariate(history, growth=0.02, horizon=4, **dims):
    first, size = history["year"].values.tolist()[0], history.sizes["year"] + horizon
    levels = 100 * np.exp(growth * np.arange(size))
    found = xr.DataArray(levels, {"year": list(year_labels(first, size))}, ("year",))
    return found.expand_dims(dims) if dims else found


def test_a_forecast_has_the_councils_the_draws_and_the_years_to_come():
    history = some().assign_attrs(units="children", long_name="in care")
    found = forecast_panel(history, n_draws=50, seed=1)
    assert found.dims == ("council", "draw", "year")
    assert found["council"].values.tolist() == history["council"].values.tolist()
    assert found["year"].values.tolist() == ["2015/16", "2016/17", "2017/18", "2018/19"]
    assert found["lead"].values.tolist() == [1, 2, 3, 4]
    assert (found > 0).all()
    assert found.attrs["units"] == "children"
    assert found.attrs["window"] == "2005/06 to 2014/15"
    assert found.attrs["seed"] == 1
    assert all(isinstance(value, str | int | float) for value in found.attrs.values())


def test_the_same_seed_gives_the_same_bits_and_another_gives_others():
    history = some()
    one, two, other = (forecast_panel(history, n_draws=40, seed=seed) for seed in (7, 7, 8))
    xr.testing.assert_identical(one, two)
    assert not np.allclose(one, other)


def test_a_fresh_seed_is_recorded():
    history = some(councils=3, years=5)
    found = forecast_panel(history, n_draws=10)
    again = forecast_panel(history, n_draws=10, seed=found.attrs["seed"])
    xr.testing.assert_identical(found, again)


def test_the_first_draws_of_many_are_the_few():
    history = some(councils=2, years=5)
    few, many = (forecast_panel(history, n_draws=n, seed=1) for n in (100, 2100))
    assert np.array_equal(many.isel(draw=slice(100)), few)


def test_the_order_of_councils_moves_nothing():
    history = some()
    found = forecast_panel(history, n_draws=40, seed=1)
    turned = forecast_panel(history.isel(council=slice(None, None, -1)), n_draws=40, seed=1)
    assert np.array_equal(turned.sel(council=found["council"]), found)


def test_levels_in_thousands_give_forecasts_in_thousands():
    history = some()
    found = forecast_panel(history, n_draws=40, seed=1)
    scaled = forecast_panel(history / 1000, n_draws=40, seed=1)
    assert np.allclose(scaled * 1000, found, rtol=1e-6)


def test_other_years_with_the_same_figures_give_the_same_levels():
    history = some()
    later = panel_of(history.values, "2011/12")
    found = forecast_panel(history, n_draws=40, seed=1)
    assert np.array_equal(forecast_panel(later, n_draws=40, seed=1), found)


def test_councils_draws_share_the_nation_and_keep_noise_of_their_own():
    history = some(councils=40, years=15)
    found = np.log(forecast_panel(history, seed=1)).isel(year=0)
    correlation = np.corrcoef(found.transpose("council", "draw"))
    off = correlation[~np.eye(40, dtype=bool)]
    assert 0.02 < off.mean() < 0.5


def test_small_councils_are_less_certain_than_large():
    rng = np.random.default_rng(11)
    levels, _ = levels_of(Truth(size_share=0.8), rng, councils=100, years=15)
    order = levels[:, -1].argsort()
    found = np.log(forecast_panel(panel_of(levels), seed=1)).isel(year=0)
    width = found.quantile(0.9, "draw") - found.quantile(0.1, "draw")
    assert width.values[order[:20]].mean() > 1.3 * width.values[order[-20:]].mean()


def test_one_council_alone_has_the_pools_spread():
    years = list(year_labels("2015/16", 6))
    history = xr.DataArray(
        [[400.0, 412, 424.4, 437.1, 450.2, 463.7]],
        {"council": ["Hove"], "year": years},
        ("council", "year"),
    )
    found = np.log(forecast_panel(history, n_draws=4000, seed=1) / 463.7).isel(council=0)
    middle = found.median("draw").values
    # Growth of 3% each year, and a prior at 3%: the middle goes on at that.
    assert np.allclose(middle, 0.03 * np.arange(1, 5), atol=0.01)
    spread = found.std("draw").values
    # Six years without a ripple say that it is calmer than most, not that nothing can happen.
    ragged = history * [[1, 1.1, 0.95, 1.1, 0.95, 1]]
    wilder = np.log(forecast_panel(ragged, n_draws=4000, seed=1)).isel(council=0).std("draw")
    assert 0.01 < spread[0] < 0.8 * wilder.values[0]
    assert spread[3] > 1.8 * spread[0]


def test_a_break_hides_a_jump_that_would_else_be_growth():
    history = some(councils=1, years=8)
    jumped = history.copy()
    jumped[:, 4:] *= 2
    name = history["council"].values[0]
    calm = forecast_panel(history, seed=1, n_draws=400)
    told = forecast_panel(jumped, seed=1, n_draws=400, breaks={name: ["2009/10"]})
    untold = forecast_panel(jumped, seed=1, n_draws=400)

    def width(levels):
        last = np.log(levels).isel(council=0, year=3)
        return float(last.quantile(0.9) - last.quantile(0.1))

    assert width(untold) > 1.2 * width(told)
    assert abs(width(told) - width(calm)) < 0.3 * width(calm)


def test_a_break_in_the_last_year_still_starts_from_it():
    history = some(councils=6, years=8)
    history[0, -1] *= 3
    name = str(history["council"].values[0])
    found = forecast_panel(history, n_draws=400, seed=1, breaks={name: ["2012/13"]})
    middle = float(found.sel(council=name).isel(year=0).median())
    assert 0.85 < middle / float(history[0, -1]) < 1.2


def test_what_a_council_grew_by_of_its_own_comes_again_by_its_persistence():
    prior = ENGLAND.model_copy(
        update={"persistence": 0.5, "persistence_sd": 0.001, "own_drift": 0.0001}
    )
    growth = np.tile([0.02, 0.04, 0.03, 0.03], (10, 1))
    growth[:, 1:] += 0.01 * np.random.default_rng(2).standard_normal((10, 3))
    growth[:2, -1] = 0.23, -0.17
    levels = 500 * np.exp(np.cumsum(np.pad(growth, ((0, 0), (1, 0))), axis=1))
    found = forecast_panel(panel_of(levels), horizon=1, seed=1, prior=prior).isel(year=0)
    next_year = np.log(found / found["latest"])
    above, below = next_year.values[:2]
    error = 1.25 * np.sqrt((above.var() + below.var()) / 1000)  # of medians
    assert 5 * error < 0.1
    assert np.median(above) - np.median(below) == pytest.approx(0.5 * 0.4, abs=5 * error)


def test_growth_has_the_size_that_it_started_from():
    history = some(councils=6, years=4)
    heads = covariate(history, horizon=1, council=history["council"].values)
    first, year = heads["council"] == history["council"][0], heads["year"]

    def others(moved):
        times = xr.where(first & moved, 16.0, 1.0)
        found = forecast_panel(
            history * times.sel(year=history["year"]),
            horizon=1,
            n_draws=50,
            seed=1,
            covariates={"heads": heads * times},
            coefficients={"heads": 1.0},
        )
        return found.isel(council=slice(1, None))

    # growth a head is the same in all three: the size that it starts from, or ends at, differs
    still = others(year == "none")
    assert np.allclose(others(year >= "2008/09"), still, rtol=1e-6)
    assert not np.allclose(others(year == "2005/06"), still, rtol=1e-6)


def test_missing_years_and_a_late_opening_are_forecast_like_others():
    history = some(councils=10, years=10)
    history[0, 4] = np.nan
    history[1, :6] = np.nan
    name = str(history["council"].values[0])
    found = forecast_panel(history, n_draws=50, seed=1, gaps={name: ["2009/10"]})
    assert np.isfinite(found).all()
    assert found.attrs["gaps"] == f"{name}: 2009/10"


def test_a_fixed_coefficient_of_one_is_the_forecast_per_head_times_heads():
    history = some()
    heads = covariate(history)
    found = forecast_panel(
        history, seed=1, covariates={"heads": heads}, coefficients={"heads": 1.0}
    )
    per_head = history / heads.sel(year=history["year"])
    apart = forecast_panel(per_head, seed=1) * heads.sel(year=found["year"])
    ratio = np.log(
        found.quantile([0.1, 0.5, 0.9], "draw") / apart.quantile([0.1, 0.5, 0.9], "draw")
    )
    # Sizes are of people in one and per head in the other, so that they agree closely, not wholly:
    # the s.d. of a median of 1,000 draws four years ahead is about 1.25 * 0.17 / sqrt(1000).
    assert abs(float(ratio.sel(quantile=0.5).mean())) < 4 * 0.007
    assert abs(float((ratio.sel(quantile=0.9) - ratio.sel(quantile=0.1)).mean())) < 4 * 0.015


def test_a_steep_path_of_prices_lifts_the_forecast():
    history = some()
    prices = covariate(history)
    steep = prices.copy()
    steep[-4:] *= np.exp(0.1 * np.arange(1, 5))
    low, high = (
        np.log(
            forecast_panel(
                history, n_draws=400, seed=1, covariates={"CPI": p}, coefficients={"CPI": 1.0}
            )
        )
        for p in (prices, steep)
    )
    lift = (high - low).mean(["council", "draw"])
    assert np.allclose(lift, 0.1 * np.arange(1, 5))


def test_draws_of_a_covariate_widen_the_forecast():
    history = some()
    paths = covariate(history).expand_dims(draw=400).copy()
    noise = np.random.default_rng(0).standard_normal((400, 1))
    paths[:, -4:] *= np.exp(0.1 * noise * np.arange(1, 5))
    still = covariate(history)
    narrow, wide = (
        np.log(
            forecast_panel(
                history, n_draws=400, seed=1, covariates={"CPI": p}, coefficients={"CPI": 1.0}
            )
        ).isel(year=3)
        for p in (still, paths)
    )
    added = (wide.var("draw") - narrow.var("draw")).mean()
    assert 0.1 < float(added) < 0.22  # (4 * 0.1)**2, and what sample correlations add


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizon": 0}, "horizon"),
        ({"horizon": 11}, "at most 10"),
        ({"n_draws": 0}, "n_draws"),
        ({"seed": -1}, "seed"),
        ({"prior": {"drift": 0.1}}, "prior is a dict"),
        ({"coefficients": {"CPI": 1.0}}, "no covariate 'CPI'"),
        ({"covariates": {"CPI": 3}}, "covariate 'CPI' is a int"),
        ({"covariates": [3]}, "covariates is a list; expected arrays by name"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(MtfsError, match=message):
        forecast_panel(some(councils=3, years=5), **{"seed": 1, "n_draws": 10} | options)


def test_wrong_covariates_are_refused_by_council_and_year():
    history = some(councils=3, years=5)
    good = covariate(history)

    def refused(array, message, **more):
        with pytest.raises(MtfsError, match=message):
            forecast_panel(history, n_draws=10, seed=1, covariates={"CPI": array}, **more)

    refused(good.isel(year=slice(0, -1)), "no year 2013/14")
    refused(good.expand_dims(area=2), r"dimensions \(area, year\)")
    refused(good.expand_dims(council=["Council 000", "Council 001"]), "no council Council 002")
    refused(good.expand_dims(draw=4), "has 4 draws; the forecast has 10")
    refused(good.where(good["year"] != "2011/12", -1.0), "holds -1 for 2011/12")
    paths = good.expand_dims(draw=10).copy()
    paths[3, 1] *= 2
    refused(paths, "the past is known")
    refused(good, "'CPI' is 'one'", coefficients={"CPI": "one"})
    by_council = good.expand_dims(council=history["council"].values).copy()
    by_council[1, 2] = 0.0
    refused(by_council, "holds 0 for council 'Council 001' in 2007/08")


def test_councils_may_be_called_by_whole_numbers():
    history = some(councils=3, years=6)
    numbered = history.assign_coords(council=[201, 30, 4])
    found = forecast_panel(numbered, n_draws=20, seed=1, breaks={30: ["2008/09"]})
    assert found["council"].values.tolist() == ["201", "30", "4"]
    named = history.assign_coords(council=["201", "30", "4"])
    again = forecast_panel(named, n_draws=20, seed=1, breaks={"30": ["2008/09"]})
    np.testing.assert_array_equal(found, again)
    driver = mtfs.calibrate.panel_driver(found, council=30, name="need").driver
    assert ", 30: " in driver.source


def test_the_package_offers_it_by_name():
    assert mtfs.forecast_panel is mtfs.calibrate.forecast_panel
    assert "forecast_panel" in dir(mtfs)


@pytest.mark.slow
def test_intervals_hold_what_came_as_often_as_they_say():
    # 24 nations of 10 councils: the four-year level of each lies in its 80% interval in 80% of
    # cases. Councils of one nation share its fate: the error is of the 24 shares.
    shares = {0.8: [], 0.95: []}
    for nation in range(24):
        rng = np.random.default_rng(100 + nation)
        wild = {
            "wander": ENGLAND.wander * np.exp(ENGLAND.wander_range * rng.standard_normal()),
            "shock": ENGLAND.shock * np.exp(ENGLAND.shock_range * rng.standard_normal()),
            "persistence": 0.2 * rng.standard_normal(),
        }
        levels, _ = levels_of(Truth(**wild), rng, councils=10, years=14)
        history = panel_of(levels).isel(year=slice(10))
        found = forecast_panel(history, n_draws=500, seed=nation).isel(year=3)
        for prob, held in shares.items():
            low, high = found.quantile([0.5 - prob / 2, 0.5 + prob / 2], "draw").values
            held.append(((levels[:, 13] >= low) & (levels[:, 13] <= high)).mean())
    for prob, held in shares.items():
        error = np.std(held) / len(held) ** 0.5
        assert abs(np.mean(held) - prob) < 4 * error, (prob, np.mean(held), error)
