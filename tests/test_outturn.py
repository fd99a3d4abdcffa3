"""From months to the year's outturn: the update by hand, its calibration, and what is drawn."""

import math

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from test_monitoring import CARE, FALL, ROADS, document, monitoring

import mtfs
from mtfs import MtfsError, PlanError, forecast_outturn, outturn_table
from mtfs.belief import (
    BIAS_OVER_SIGMA,
    CORRELATION,
    SERVICE_SIGMA,
    SLOPE_SD,
    STRENGTH,
    YEAR_END,
    Belief,
    months_left,
)
from mtfs.monitoring import PastYear


def past(year, forecast, outturn, *, period=6, service="roads", budget=10e6):
    return {
        "year": year,
        "service": service,
        "period": period,
        "budget": budget,
        "forecast": forecast,
        "outturn": outturn,
    }


def one(variance=-0.4e6, period=6, **parts):
    """Give the document of one service with one forecast."""
    roads = ROADS | {"forecasts": [{"period": period, "variance": variance}]} | parts
    return monitoring(services=[roads])


# The model


def test_what_may_still_move_shrinks_month_by_month_to_the_year_end():
    left = [months_left(p) for p in range(1, 13)]
    assert left[0] == 1
    assert left[-1] == YEAR_END
    assert left == sorted(left, reverse=True)
    assert months_left(7) ** 2 == pytest.approx(0.15**2 + (1 - 0.15**2) * 5 / 11)
    with pytest.raises(MtfsError, match="period is 13"):
        months_left(13)


def test_two_past_years_update_the_prior_by_hand():
    # Forecasts of nothing in April that ended 1% and 3% over. Prior precision of alpha is
    # 1 / 0.3**2 = 11.111, so its mean becomes (0.01 + 0.03) / (11.111 + 2) = 0.0030508.
    belief = Belief.prior("service").updated(np.zeros(2), np.array([0.01, 0.03]), np.ones(2))
    alpha = 0.04 / (1 / 0.09 + 2)
    assert belief.mean == pytest.approx([alpha, 0])
    # 6 x 0.04**2 of the prior, the two misses, and the mean's move away from 0:
    squares = (0.01 - alpha) ** 2 + (0.03 - alpha) ** 2 + alpha**2 / 0.09
    assert belief.df == 8
    assert belief.scale**2 == pytest.approx((6 * 0.04**2 + squares) / 8)
    # The next April forecast of nothing is out by alpha, its own uncertainty and a year's error.
    found = belief.outturn(0.0, 1)
    assert found.mean == pytest.approx(alpha)
    scale2 = belief.scale**2 * (1 + 1 / (1 / 0.09 + 2))
    assert found.sd**2 == pytest.approx(scale2 * 8 / 6)


def test_the_prior_predictive_by_hand():
    # 2% over in June: middle 2%; scale 4% x s(3) x root of 1 + 0.3**2 + (0.25 / 0.04 x 0.02)**2
    found = Belief.prior("service").outturn(0.02, 3)
    scale = 0.04 * months_left(3) * math.sqrt(1 + 0.09 + 0.125**2)
    assert found.mean == 0.02
    assert found.df == STRENGTH == 6
    assert found.sd == pytest.approx(scale * math.sqrt(6 / 4))


def test_the_posterior_predictive_is_the_ratio_of_two_marginal_likelihoods():
    """An oracle without the update: jointly, past and next year are a multivariate t."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(0, 0.03, 5), rng.normal(0.01, 0.03, 5)
    periods = np.array([3, 6, 6, 9, 12])
    s = np.array([months_left(p) for p in periods])
    new_x, new_s = 0.025, months_left(8)
    found = Belief.prior("service").updated(x, y, s).outturn(new_x, 8)
    cover = np.diag([BIAS_OVER_SIGMA**2, (SLOPE_SD / SERVICE_SIGMA) ** 2])
    rows = np.column_stack([np.ones(6), np.append(x, new_x)])
    shape = SERVICE_SIGMA**2 * (np.eye(6) + rows @ cover @ rows.T)
    before = stats.multivariate_t(np.zeros(5), shape[:5, :5], STRENGTH)
    joint = stats.multivariate_t(np.zeros(6), shape, STRENGTH)
    seen = (y - x) / s
    for outturn in (-0.05, 0.0, 0.02, 0.1):
        density = joint.pdf([*seen, (outturn - new_x) / new_s]) / before.pdf(seen) / new_s
        scale = found.sd * math.sqrt((found.df - 2) / found.df)
        assert stats.t.pdf(outturn, found.df, found.mean, scale) == pytest.approx(density)


def test_under_the_model_the_forecast_is_calibrated_before_and_after_learning():
    """PIT of outturns simulated from the prior: uniform with no history and with four years."""
    rng = np.random.default_rng(11)
    prior, n = Belief.prior("service"), 1500
    for years in (0, 4):
        pit = np.empty(n)
        for number in range(n):
            sigma = prior.scale * math.sqrt(STRENGTH / rng.chisquare(STRENGTH))
            alpha, delta = sigma * rng.normal(size=2) * np.sqrt(np.diag(prior.cover))
            period = rng.integers(1, 13, years + 1)
            s = np.array([months_left(int(p)) for p in period])
            x = rng.normal(0, 0.03, years + 1)
            y = x + s * (alpha + delta * x + sigma * rng.normal(size=years + 1))
            found = prior.updated(x[:-1], y[:-1], s[:-1]).outturn(x[-1], int(period[-1]))
            scale = found.sd * math.sqrt((found.df - 2) / found.df)
            pit[number] = stats.t.cdf(y[-1], found.df, found.mean, scale)
        assert abs(pit.mean() - 0.5) < 4 * math.sqrt(1 / 12 / n)
        for q in (0.05, 0.1, 0.9, 0.95):
            assert abs((pit < q).mean() - q) < 4 * math.sqrt(q * (1 - q) / n)
        assert stats.kstest(pit, "uniform").pvalue > 1e-4


def test_the_prior_gives_a_single_service_a_wider_share_than_a_whole_council():
    service = Belief.prior("service").outturn(0.01, 6)
    assert service.sd > Belief.prior("council").outturn(0.01, 6).sd


# Draws


def sd_of(period):
    ds = forecast_outturn(one(period=period), n_draws=4000, seed=1)
    return float(ds["outturn_variance"].std())


def test_draws_have_the_moments_of_the_predictive():
    n = 40_000
    ds = forecast_outturn(one(0.3e6, 5), n_draws=n, seed=7)
    found = Belief.prior("service").outturn(0.03, 5)
    draws = ds["outturn_variance"].to_numpy()[0] / 10e6
    assert abs(draws.mean() - 0.03) < 4 * found.sd / math.sqrt(n)
    scale = found.sd * math.sqrt(4 / 6)
    for q in (0.1, 0.5, 0.9):
        exact = stats.t.ppf(q, 6, found.mean, scale)
        assert abs((draws < exact).mean() - q) < 4 * math.sqrt(q * (1 - q) / n)


def test_the_spread_shrinks_with_the_months_left():
    spreads = [sd_of(period) for period in (1, 4, 8, 12)]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] / spreads[0] == pytest.approx(YEAR_END, rel=1e-6)


def test_an_own_record_of_ending_over_the_forecast_moves_the_forecast_up():
    # every year ended 5% of the budget above what period 6 said
    years = [past(f"20{y}/{y + 1}", 0.1e6, 0.6e6) for y in range(15, 25)]
    plain = forecast_outturn(one(0.1e6), n_draws=2000, seed=1)
    learnt = forecast_outturn(one(0.1e6), history=years, n_draws=2000, seed=1)
    assert learnt["past_years"].item() == 10
    moved = (learnt["outturn_variance"].mean() - plain["outturn_variance"].mean()).item()
    assert 0.15e6 < moved < 0.5e6  # of 0.5, the prior holds some back
    assert learnt["bias"].item() > 0
    again = forecast_outturn(
        one(0.1e6), history=[PastYear.model_validate(y) for y in years], n_draws=2000, seed=1
    )
    xr.testing.assert_identical(learnt, again)


def test_more_years_of_a_bias_leave_less_to_the_prior():
    def mean(n):
        years = [past(f"{2024 - k}/{(2025 - k) % 100:02d}", 0.0, 0.5e6) for k in range(n)]
        ds = forecast_outturn(one(0.0), history=years, n_draws=4000, seed=1)
        return float(ds["outturn_variance"].mean())

    means = [mean(n) for n in (0, 1, 4, 12)]
    assert means == sorted(means)
    # alpha after n years: n / (n + 1 / 0.3**2) of what was seen, and x of nothing has no slope
    se = 0.5e6 / math.sqrt(4000)
    assert abs(means[-1] - 0.5e6 * 12 / (12 + 1 / 0.09)) < 4 * se


def test_a_year_counts_once_by_the_month_nearest_to_the_one_in_use():
    held = one(0.1e6, 6)
    two = [past("2024/25", 0.0, 0.5e6, period=9), past("2024/25", 0.2e6, 0.5e6, period=5)]
    near = forecast_outturn(held, history=[two[1]], n_draws=50, seed=1)
    both = forecast_outturn(held, history=two, n_draws=50, seed=1)
    assert both["past_years"].item() == 1
    xr.testing.assert_identical(near.drop_attrs(), both.drop_attrs())


def test_the_history_of_another_service_is_not_this_ones():
    held = monitoring(history=[past("2024/25", 0.0, 1e6)])
    ds = forecast_outturn(held, n_draws=10, seed=1)
    assert ds["past_years"].to_numpy().tolist() == [0, 1]


def test_an_underspend_may_turn_into_an_overspend():
    ds = forecast_outturn(one(-0.1e6, 3), n_draws=4000, seed=1)
    draws = ds["outturn_variance"]
    assert abs(float(draws.mean()) + 0.1e6) < 4 * float(draws.std()) / math.sqrt(4000)
    assert 0.2 < float((draws > 0).mean()) < 0.5
    assert abs(float(forecast_outturn(one(0.0, 3), n_draws=4000, seed=1)["bias"].item())) == 0


def test_services_miss_together_as_far_as_stated():
    for correlation in (0.0, CORRELATION, 0.8):
        ds = forecast_outturn(monitoring(), correlation=correlation, n_draws=20_000, seed=2)
        ranks = stats.spearmanr(*ds["outturn_variance"].to_numpy()).statistic
        expected = 6 / math.pi * math.asin(correlation / 2)
        assert abs(ranks - expected) < 4 / math.sqrt(20_000)


def test_the_total_is_the_sum_of_the_services():
    ds = forecast_outturn(monitoring(), n_draws=100, seed=1)
    np.testing.assert_allclose(ds["outturn_variance"].sum("service"), ds["total_variance"])
    assert ds.attrs["support_added_back"] == 0


def test_outside_support_does_not_lower_the_councils_outturn():
    ds = forecast_outturn(monitoring(waterfalls=[FALL]), n_draws=100, seed=1)
    assert ds.attrs["support_added_back"] == 0.5e6
    np.testing.assert_allclose(ds["outturn_variance"].sum("service") + 0.5e6, ds["total_variance"])
    assert outturn_table(ds).loc["total", "forecast"] == pytest.approx(1.5 - 0.5 + 0.5)


def test_what_is_to_be_secured_lowers_the_outturn_by_what_is_delivered():
    n = 4000
    plain = forecast_outturn(monitoring(), n_draws=n, seed=1)
    ds = forecast_outturn(monitoring(waterfalls=[FALL]), n_draws=n, seed=1)
    arrived = (plain["outturn_variance"] - ds["outturn_variance"]).sel(service="adult care")
    assert float(arrived.min()) > 0
    assert float(arrived.max()) < 0.25e6
    # amber: 0.65 of 0.25m, standard deviation 0.144 of it
    assert abs(float(arrived.mean()) - 0.65 * 0.25e6) < 4 * 0.144 * 0.25e6 / math.sqrt(n)
    other = (plain["outturn_variance"] - ds["outturn_variance"]).sel(service="roads")
    assert float(abs(other).max()) == 0


def test_what_the_forecast_counts_on_is_not_taken_off_twice():
    steps = [*FALL["steps"][:2], FALL["steps"][2] | {"counted": True}]
    care = CARE | {"forecasts": [{"period": 8, "variance": 1.25e6}]}  # the target, not the net
    counted = monitoring(services=[care], waterfalls=[FALL | {"steps": steps}])
    ds = forecast_outturn(counted, n_draws=100, seed=1)
    plain = forecast_outturn(monitoring(services=[care]), n_draws=100, seed=1)
    np.testing.assert_array_equal(ds["outturn_variance"], plain["outturn_variance"])
    # a history of forecasts made before such savings has learnt of them: the net will do too
    held = monitoring(waterfalls=[FALL | {"steps": steps}])
    ds = forecast_outturn(held, n_draws=100, seed=1)
    plain = forecast_outturn(monitoring(), n_draws=100, seed=1)
    np.testing.assert_array_equal(ds["outturn_variance"], plain["outturn_variance"])
    care = CARE | {"forecasts": [{"period": 8, "variance": 1.4e6}]}
    with pytest.raises(PlanError, match=r"GBP 1.4m is the service's forecast: out by GBP 0.1m"):
        monitoring(services=[care], waterfalls=[FALL | {"steps": steps}])


def test_what_the_whole_council_is_to_secure_lowers_the_total_alone():
    late = {"name": "freeze", "amount": 0.4e6, "kind": "to_be_secured", "rag": "green"}
    fall = {"name": "council", "period": 8, "gross": 1e6, "net": 1e6, "steps": [late]}
    ds = forecast_outturn(monitoring(waterfalls=[fall]), n_draws=500, seed=1)
    arrived = ds["outturn_variance"].sum("service") - ds["total_variance"]
    assert 0 < float(arrived.min()) < float(arrived.max()) < 0.4e6


def test_a_waterfall_of_an_earlier_month_is_over():
    care = CARE | {"forecasts": [*CARE["forecasts"], {"period": 9, "variance": 1.4e6}]}
    ds = forecast_outturn(monitoring(services=[care], waterfalls=[FALL]), n_draws=50, seed=1)
    plain = forecast_outturn(monitoring(services=[care]), n_draws=50, seed=1)
    np.testing.assert_array_equal(ds["outturn_variance"], plain["outturn_variance"])
    assert ds.attrs["support_added_back"] == 0.5e6


def test_an_outturn_is_certain_unless_an_earlier_month_is_asked_for():
    held = one(0.3e6, outturn={"variance": 0.2e6})
    known = forecast_outturn(held, n_draws=10, seed=1)
    assert set(known["outturn_variance"].to_numpy().ravel()) == {0.2e6}
    assert known["period"].item() == 0
    assert float(known["error_sd"].item()) == float(known["bias"].item()) == 0
    before = forecast_outturn(held, period=12, n_draws=10, seed=1)
    assert before["period"].item() == 6
    assert float(before["outturn_variance"].std()) > 0


def test_a_whole_council_may_be_the_only_figure():
    held = {
        "council": "A",
        "year": "2024/25",
        "services": [
            {
                "name": "council",
                "scope": "council",
                "budget": 638.8e6,
                "forecasts": [{"period": 2, "variance": 1.9e6}],
            }
        ],
    }
    ds = forecast_outturn(held, n_draws=5000, seed=1)
    exact = Belief.prior("council").outturn(1.9 / 638.8, 2).sd * 638.8e6
    assert float(ds["total_variance"].std()) == pytest.approx(exact, rel=0.1)


def test_the_month_in_use_is_the_latest_at_or_before_the_period():
    ds = forecast_outturn(monitoring(), period=7, n_draws=10, seed=1)
    assert ds["period"].to_numpy().tolist() == [6, 6]
    assert ds["forecast_variance"].to_numpy().tolist() == [2e6, -0.4e6]
    assert ds["basis"].to_numpy().tolist() == ["published", "derived"]
    assert ds.attrs["basis"] == "derived"
    assert forecast_outturn(monitoring(), n_draws=10, seed=1).attrs["basis"] == "illustrative"


def test_the_forecasts_month_is_the_latest_in_use_unless_one_is_asked_for():
    def month(*services, **options):
        ds = forecast_outturn(monitoring(services=[*services]), n_draws=2, seed=1, **options)
        return ds.attrs["period"]

    late = CARE | {"forecasts": [{"period": 9, "variance": 1e6}]}
    known = ROADS | {"outturn": {"variance": 1e5}}
    assert month(CARE, ROADS) == 8
    assert month(late, ROADS) == 9
    assert month(CARE, known) == 8
    assert month(known) == 0
    assert month(known, period=11) == 11


# Same numbers again


def test_same_seed_same_bits_and_a_prefix():
    held = monitoring(waterfalls=[FALL])
    few, many = (forecast_outturn(held, n_draws=n, seed=5) for n in (300, 5000))
    xr.testing.assert_identical(few, forecast_outturn(held, n_draws=300, seed=5))
    for name in ("outturn_variance", "total_variance"):
        np.testing.assert_array_equal(few[name], many[name].isel(draw=slice(300)))
    assert not forecast_outturn(held, n_draws=300, seed=6)["total_variance"].equals(
        few["total_variance"]
    )
    assert forecast_outturn(held, n_draws=1).attrs["seed"] >= 0


def test_another_service_leaves_this_ones_draws_alone():
    alone = forecast_outturn(monitoring(services=[CARE]), n_draws=50, seed=1)
    both = forecast_outturn(monitoring(), n_draws=50, seed=1)
    np.testing.assert_array_equal(
        alone["outturn_variance"].sel(service="adult care"),
        both["outturn_variance"].sel(service="adult care"),
    )


def test_a_forecast_survives_netcdf(tmp_path):
    ds = forecast_outturn(monitoring(waterfalls=[FALL]), n_draws=50, seed=1)
    file = tmp_path / "outturn.nc"
    ds.to_netcdf(file, engine="h5netcdf")
    with xr.open_dataset(file, engine="h5netcdf") as opened:
        back = opened.load()
    xr.testing.assert_equal(ds, back)
    assert mtfs.Monitoring.model_validate_json(back.attrs["monitoring"]) == monitoring(
        waterfalls=[FALL]
    )
    assert outturn_table(back).round(9).equals(outturn_table(ds).round(9))


# The table


def test_the_table_by_hand():
    held = one(0.2e6, outturn={"variance": 0.3e6})
    table = outturn_table(forecast_outturn(held, n_draws=4, seed=1), unit="GBP k")
    row = table.loc["roads"]
    assert [row[c] for c in ("forecast", "mean", "P10", "P50", "P90")] == [300] * 5
    assert row["mean_se"] == row["P50_se"] == 0
    assert row["overspends"] == 1
    assert table.index.tolist() == ["roads", "total"]
    assert table.attrs["unit"] == "GBP k"
    assert np.isnan(outturn_table(forecast_outturn(held, n_draws=1, seed=1))["mean_se"]).all()


def test_the_tables_standard_errors_are_those_of_the_draws():
    ds = forecast_outturn(one(), n_draws=2500, seed=1)
    row = outturn_table(ds, unit="GBP").loc["roads"]
    sd = float(ds["outturn_variance"].std(ddof=1))
    assert row["mean_se"] == pytest.approx(sd / 50)
    chance = row["overspends"]
    assert row["overspends_se"] == pytest.approx(math.sqrt(chance * (1 - chance) / 2500))


@pytest.mark.parametrize(
    ("parts", "options", "message"),
    [
        ({}, {"period": 5}, "'adult care' has no forecast at or before period 5"),
        ({}, {"period": 13}, r"period is 13; expected a month from 1 \(April\) to 12 \(March\)"),
        ({}, {"period": 0}, r"period is 0; expected a month from 1 \(April\) to 12 \(March\)"),
        ({}, {"period": 6.5}, "period is 6.5; expected a month"),
        ({}, {"period": True}, "period is True; expected a month"),
        ({}, {"correlation": 1.0}, "correlation is 1"),
        ({}, {"correlation": -0.1}, "from 0 to 1"),
        ({}, {"n_draws": 0}, "at least 1"),
        ({}, {"seed": -1}, "at least 0"),
        ({"services": [CARE | {"budget": None}]}, {}, "'adult care' has no 'budget'"),
        ({}, {"history": [past("2024/25", 0, 0, service="road")]}, "Did you mean 'roads'"),
    ],
)
def test_what_cannot_be_forecast_is_refused(parts, options, message):
    with pytest.raises(MtfsError, match=message):
        forecast_outturn(document(**parts), **options)


def test_a_table_is_of_a_forecast():
    with pytest.raises(MtfsError, match="forecast_outturn"):
        outturn_table(xr.Dataset())
    with pytest.raises(MtfsError, match="unit is"):
        outturn_table(forecast_outturn(one(), n_draws=5, seed=1), unit="EUR")


@pytest.mark.parametrize("name", ["rotherham_2018", "nottinghamshire_2024"])
def test_the_documents_that_ship_give_a_forecast(name):
    table = outturn_table(forecast_outturn(mtfs.load_example_monitoring(name), n_draws=500, seed=1))
    assert (table["P10"] < table["P90"]).all()
    assert set(table["basis"]) == {"illustrative"}  # their budgets are


def test_rotherhams_target_lies_inside_the_forecast():
    held = mtfs.load_example_monitoring("rotherham_2018")
    row = outturn_table(forecast_outturn(held, seed=1, n_draws=4000)).loc["total"]
    # 6.564 less 0.9 of 0.343 is 6.255, just above the target of 6.221
    assert abs(row["mean"] - 6.2553) < 4 * row["mean_se"]
    assert row["P10"] < 6.221 < row["P90"]
    assert row["overspends"] > 0.9


def test_support_given_after_the_month_in_use_is_not_added_back():
    def waterfall(period, amount):
        step = {"name": "help", "amount": amount, "kind": "support"}
        net = 5e6 - amount
        return {"period": period, "gross": 5e6, "steps": [step], "net": net}

    forecasts = [{"period": 6, "variance": 4e6}, {"period": 8, "variance": 3e6}]
    falls = [
        waterfall(period, amount) | {"name": f"period {period}", "service": "adults"}
        for period, amount in ((6, 1e6), (8, 2e6))
    ]
    data = {
        "council": "A",
        "year": "2025/26",
        "services": [{"name": "adults", "budget": 100e6, "forecasts": forecasts}],
        "waterfalls": falls,
    }
    early = forecast_outturn(data, period=7, n_draws=2, seed=1)
    assert early.attrs["support_added_back"] == 1e6
    assert forecast_outturn(data, n_draws=2, seed=1).attrs["support_added_back"] == 2e6


def test_of_two_months_as_near_the_earlier_counts():
    near = {"year": "2024/25", "service": "adults", "budget": 100e6, "outturn": 8e6}
    both = [near | {"period": 10, "forecast": 8e6}, near | {"period": 6, "forecast": 0.0}]
    data = {
        "council": "A",
        "year": "2025/26",
        "services": [
            {"name": "adults", "budget": 100e6, "forecasts": [{"period": 8, "variance": 1e6}]}
        ],
    }
    two = forecast_outturn(data, history=both, n_draws=2, seed=1)
    one = forecast_outturn(data, history=both[1:], n_draws=2, seed=1)
    assert two["bias"].values.tolist() == one["bias"].values.tolist()


def test_what_a_councils_waterfall_of_another_month_leaves_out_is_said():
    step = {"name": "spending controls", "amount": 0.3e6, "kind": "to_be_secured", "rag": "green"}
    whole = {"name": "council", "period": 8, "gross": 1.0e6, "steps": [step], "net": 1.0e6}
    whole |= {"target": 0.7e6}
    at_one = forecast_outturn(monitoring(waterfalls=[whole]), n_draws=50, seed=1)
    assert at_one.attrs["left_unsecured"] == 0.0
    assert float((at_one["outturn_variance"].sum("service") - at_one["total_variance"]).min()) > 0
    apart = ROADS | {"forecasts": ROADS["forecasts"][:1]}
    held = monitoring(services=[CARE, apart], waterfalls=[whole | {"gross": 1.0e6}])
    ds = forecast_outturn(held, n_draws=50, seed=1)
    assert ds.attrs["left_unsecured"] == 0.3e6
    np.testing.assert_allclose(ds["outturn_variance"].sum("service"), ds["total_variance"])
