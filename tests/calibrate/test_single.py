"""A series becomes a driver that says what the fitted model says, and no less uncertainly."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import integrate, stats
from statsmodels.tsa.exponential_smoothing.ets import ETSModel
from statsmodels.tsa.statespace.sarimax import SARIMAX
from statsmodels.tsa.statespace.structural import UnobservedComponents

import mtfs
from mtfs.calibrate import fit_driver
from mtfs.calibrate.candidates import (
    DEFAULT,
    MODELS,
    _grid,
    chosen_of,
    predict,
    running,
    score_candidates,
    scored,
)
from mtfs.calibrate.predictive import driver_total_sd, persistence_of, regressed
from mtfs.vocabulary import MtfsError, year_labels

SHARED = Path(__file__).parents[3] / "shared"


def series(values, last="2024/25"):
    first = int(last[:4]) - len(values) + 1
    years = year_labels(f"{first}/{(first + 1) % 100:02d}", len(values))
    return pd.Series(np.asarray(values, float), list(years))


def ar1(n, *, phi, mean, sd, seed, n_series=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, sd, n_series)
    found = []
    for _ in range(n):
        found.append(mean + x)
        x = phi * x + rng.normal(0, sd * math.sqrt(1 - phi**2), n_series)
    return np.array(found).T


NOISY = ar1(25, phi=0.6, mean=0.03, sd=0.015, seed=3)[0]


def fit(data=NOISY, **options):
    options = {"name": "cpi", "values": "rates", "source": "invented"} | options
    return fit_driver(series(data), **options)


def test_a_constant_mean_is_as_uncertain_as_five_years_leave_it():
    # mean 0.02, s.d. 0.01; a sixth value has t_4 scale 0.01 sqrt(1 + 1/5), and s.d. sqrt(4/2) that
    found = fit([0.01, 0.03, 0.02, 0.01, 0.03], model="mean")
    assert found.predictive["mean"].tolist() == pytest.approx([0.02] * 4)
    assert found.predictive["sd"].tolist() == pytest.approx([0.01 * math.sqrt(1.2 * 2)] * 4)
    # two years share the mean's error alone: correlation (1/5) / (6/5)
    assert found.driver.persistence > 0
    total = 0.01 * math.sqrt(2) * math.sqrt(4 + 16 / 5)
    assert found.total_sd == pytest.approx(total)
    assert found.driver_total_sd == pytest.approx(total, rel=2e-3)


def test_a_random_walk_is_a_random_walk():
    # steps 0.01, -0.01, 0.02, -0.02: mean square 0.00025, with 4 degrees of freedom
    found = fit([0.02, 0.03, 0.02, 0.04, 0.02], model="random_walk")
    assert found.driver.persistence == "random_walk"
    assert found.driver.central == 0.02
    sd = math.sqrt(0.00025 * 2)
    assert found.predictive["sd"].tolist() == pytest.approx(
        [sd * math.sqrt(h) for h in (1, 2, 3, 4)]
    )
    assert found.driver.sd == pytest.approx(sd, rel=1e-3)


@pytest.mark.parametrize("model", MODELS)
def test_the_text_in_a_plan_projects_what_the_model_predicts(model, tmp_path):
    found = fit(model=model, first_year="2026/27")
    file = tmp_path / "plan.yaml"
    text = "council: Midshire\nfirst_year: 2026/27\nlines:\n- {kind: budget, name: roads, "
    file.write_text(text + "base: 1.0e6, growth: cpi}\n" + found.text(), encoding="utf-8")
    plan = mtfs.load_plan(file)
    assert plan.drivers == (found.driver,)
    assert plan.register()[0]["source"] == found.source
    n = 40_000
    path = mtfs.project_gap(plan, n_draws=n, seed=1)["path"].sel(driver="cpi")
    sd = path.std("draw").to_numpy()
    assert path.mean("draw").to_numpy() == pytest.approx(
        found.predictive["mean"].to_numpy(), abs=float(4 * sd.max() / math.sqrt(n))
    )
    # a sample's s.d. has standard error sd sqrt((kurtosis - 1) / 4n); t of 23: kurtosis 3.3
    kurtosis = 3 + 6 / (found.driver.df - 4)
    error = 4 * math.sqrt((kurtosis - 1) / (4 * n))
    assert sd == pytest.approx(found.predictive["sd"].to_numpy(), rel=error + 5e-4)
    total = path.sum("year").std("draw").item()
    assert total == pytest.approx(found.driver_total_sd, rel=error + 0.01)  # the t's are a copula's


@pytest.mark.parametrize("model", MODELS)
def test_the_drivers_total_is_the_models(model):
    found = fit(model=model)
    assert found.driver_total_sd == pytest.approx(found.total_sd, rel=0.02)


def test_a_long_series_gives_back_the_ar1_it_came_from():
    phi, mean, sd, n = 0.6, 0.03, 0.01, 150
    values = ar1(n, phi=phi, mean=mean, sd=sd, seed=5)[0]
    found = predict("ar1", values, 4)
    lead = np.arange(1, 5)
    truth_mean = mean + phi**lead * (values[-1] - mean)
    truth_sd = sd * np.sqrt(1 - phi ** (2 * lead))
    # standard errors: sd (1 - phi^2)^.5 / n^.5 of phi, 1 / (2n)^.5 of log sd, and of the mean
    of_mean = sd * math.sqrt((1 + phi) / (1 - phi) / n)
    of_phi = math.sqrt((1 - phi**2) / n)
    reach = 4 * (of_mean + of_phi * lead * phi ** (lead - 1) * abs(values[-1] - mean))
    assert (np.abs(found.mean - truth_mean) < reach).all()
    relative = 4 * (1 / math.sqrt(2 * n) + of_phi * phi * 2)
    assert found.sd == pytest.approx(truth_sd, rel=relative)


@pytest.mark.parametrize("phi", [0.0, 0.7])
def test_intervals_of_short_series_hold_at_least_what_they_say(phi):
    n, past, ahead = 500, 12, 4
    data = ar1(past + ahead, phi=phi, mean=0.03, sd=0.01, seed=11, n_series=n)
    inside = []
    for row in data:
        said = running(predict("ar1", row[:past], ahead), 0)
        scale = said.sd[-1] * math.sqrt((said.df - 2) / said.df)
        inside.append(
            abs(stats.t.cdf(row[past:].mean(), said.df, said.mean[-1], scale) - 0.5) < 0.4
        )
    # More where there is no persistence: twelve years cannot rule it out.
    assert np.mean(inside) > 0.8 - 4 * math.sqrt(0.8 * 0.2 / n)


def test_persistence_uncertainty_calibrates_on_average():
    """Parameters drawn from the prior: 80% intervals of the total hold 80%, by Bayes' theorem."""
    rng, past, ahead, n = np.random.default_rng(2), 12, 4, 500
    inside = []
    for phi in rng.choice(np.r_[0.0, np.arange(0.05, 1.0, 0.05)], n):
        row = ar1(past + ahead, phi=phi, mean=0.0, sd=1.0, seed=rng.integers(2**32))[0]
        said = running(predict("ar1", row[:past], ahead), 0)
        scale = said.sd[-1] * math.sqrt((said.df - 2) / said.df)
        inside.append(
            abs(stats.t.cdf(row[past:].mean(), said.df, said.mean[-1], scale) - 0.5) < 0.4
        )
    error = 4 * math.sqrt(0.8 * 0.2 / n)
    # the mixture over persistence is taken for one t, which may cost a point
    assert np.mean(inside) == pytest.approx(0.8, abs=error + 0.01)


def test_statsmodels_gives_the_ar1_its_likelihood_and_forecasts():
    y, h, evidence, llf = NOISY * 100, 3, [], []
    lag = np.abs(np.subtract.outer(np.arange(len(y) + h), np.arange(len(y) + h)))
    for phi in (0.3, 0.8):
        ours = regressed(y, np.ones((len(y) + h, 1)), phi**lag / (1 - phi**2))
        model = SARIMAX(
            y, np.ones(len(y)), order=(1, 0, 0), mle_regression=False, concentrate_scale=True
        )
        theirs = model.smooth([phi])
        said = theirs.get_forecast(h, exog=np.ones(h))
        assert ours.mean == pytest.approx(said.predicted_mean, rel=1e-4)
        evidence.append(ours.evidence)
        llf.append(theirs.llf)
        variance = ours.cov.diagonal() * (ours.df - 2) / ours.df
        shape = variance / variance[0]
        assert shape == pytest.approx(said.se_mean**2 / said.se_mean[0] ** 2, rel=1e-4)
    assert evidence[1] - evidence[0] == pytest.approx(llf[1] - llf[0], abs=2e-3)


def test_statsmodels_gives_the_local_level_its_forecasts():
    y, h, ratio = NOISY * 100, 3, 0.4
    places = np.arange(len(y) + h)
    ours = regressed(
        y, np.ones((len(y) + h, 1)), np.eye(len(y) + h) + ratio * np.minimum.outer(places, places)
    )
    model = UnobservedComponents(y, "llevel", use_exact_diffuse=True)
    unit = model.smooth([1.0, ratio])
    said = unit.get_forecast(h)
    assert ours.mean == pytest.approx(said.predicted_mean, rel=1e-8)
    squares = (unit.standardized_forecasts_error[0, 1:] ** 2).sum()
    scale = squares / (len(y) - 1)
    variance = ours.cov.diagonal() * (ours.df - 2) / ours.df
    assert variance == pytest.approx(scale * said.se_mean**2, rel=1e-8)


@pytest.mark.parametrize(("place", "gain"), [(4, 0.25), (9, 0.5), (15, 0.8)])
def test_a_long_local_level_is_smoothed_by_its_gain(place, gain):
    y = ar1(80, phi=0.6, mean=3.0, sd=1.5, seed=3)[0]
    point = _grid("local_level", len(y) + 1)[place]
    level = y[0]
    for value in y[1:]:
        level += gain * (value - level)
    assert regressed(y, point.design, point.shape).mean == pytest.approx([level], rel=1e-6)


def test_statsmodels_gives_the_damped_trend_its_forecasts():
    y, h = pd.Series(NOISY * 100), 3
    points = _grid("damped_trend", len(y) + h)
    point = points[2]  # damping 0.8, alpha 0.1, beta 0.05
    ours = regressed(y.to_numpy(), point.design, point.shape)
    model = ETSModel(y, error="add", trend="add", damped_trend=True)
    fixed = {"smoothing_level": 0.1, "smoothing_trend": 0.05, "damping_trend": 0.8}
    with model.fix_params(fixed):
        theirs = model.fit(disp=False, maxiter=2000, factr=10.0, pgtol=1e-10)
    assert ours.mean == pytest.approx(theirs.forecast(h).to_numpy(), rel=1e-3)


def test_the_crps_that_chooses_is_the_integral():
    said = predict("mean", NOISY[:10], 2)
    truth = 0.05
    scale = said.sd[0] * math.sqrt((said.df - 2) / said.df)

    def squared(x):
        return (stats.t.cdf(x, said.df, said.mean[0], scale) - (x >= truth)) ** 2

    below = integrate.quad(squared, said.mean[0] - 60 * scale, truth, limit=200)[0]
    above = integrate.quad(squared, truth, said.mean[0] + 60 * scale, limit=200)[0]
    found = scored("crps", np.array([truth]), said, 1)
    assert found == pytest.approx(below + above, rel=1e-4)


def test_scores_use_what_was_known_at_the_origin_only():
    changed = NOISY.copy()
    changed[-1] += 1.0
    early = slice(0, len(NOISY) - 1)
    whole = score_candidates(NOISY[early], range(1, 2), MODELS, "log")
    again = score_candidates(changed[early], range(1, 2), MODELS, "log")
    assert whole["score"].tolist() == again["score"].tolist()
    # by hand: the log score of the mean, one year ahead from origins of 5 years on
    by_hand = []
    for end in range(5, len(NOISY)):
        past = NOISY[:end]
        scale = past.std(ddof=1) * math.sqrt(1 + 1 / end)
        by_hand.append(-stats.t.logpdf(NOISY[end], end - 1, past.mean(), scale))
    found = score_candidates(NOISY, range(1, 2), MODELS, "log")
    assert found["score"]["mean"] == pytest.approx(np.mean(by_hand))
    assert found["origins"]["mean"] == len(by_hand)


def test_a_series_that_wanders_far_is_not_taken_for_one_that_returns():
    steps = np.random.default_rng(4).normal(0, 0.01, 40)
    trend = np.cumsum(np.cumsum(steps))  # its growth keeps growing: a trend in rates
    assert fit(trend).model in {"damped_trend", "random_walk"}
    assert fit(NOISY).model == DEFAULT


def test_a_past_without_any_change_forecasts_nothing():
    still = np.r_[np.zeros(7), 0.02, 0.01, 0.03, 0.0, 0.02]
    found = score_candidates(still, range(1, 2), MODELS, "log")
    assert found["origins"].unique().tolist() == [4]  # after the first rate that differs
    assert np.isfinite(found["score"]).all()


def test_the_default_stays_unless_clearly_beaten():
    scores = pd.DataFrame(
        {"score": [1.0, 1.2, 0.9], "against": [-0.2, 0.0, -0.3], "se": [0.11, 0.0, 0.1]},
        index=["mean", "ar1", "local_level"],
    ).assign(stretches=2.0)
    assert chosen_of(scores) == "local_level"
    assert chosen_of(scores.assign(stretches=1.75)) == "ar1"
    assert chosen_of(scores.drop("local_level")) == "ar1"  # 0.2 is not more than 2 x 0.11


def test_one_surge_of_prices_does_not_make_a_trend():
    # weekly cost of a child in care, Nottinghamshire, 2015/16 on, GBP (DfE, LAIT)
    cost = [1205, 1230, 1285, 1420, 1485, 1600, 1850, 2090, 2475, 2990]
    labels = list(year_labels("2015/16", 10))
    found = fit_driver(
        pd.Series(cost, labels, dtype=float), name="cost", values="levels", source="DfE"
    )
    assert found.model == "ar1"
    assert found.scores["score"].idxmin() == "damped_trend"  # which forecast the surge best
    growth = np.diff(cost) / cost[:-1]
    assert (found.predictive["mean"] < growth[-1]).all()  # 20.8% a year does not go on for ever
    assert (np.diff(found.predictive["mean"]) < 0).all()
    assert found.predictive["sd"].iloc[-1] > growth.std(ddof=1)


def test_origins_that_share_years_count_as_the_stretches_they_make():
    scores = score_candidates(NOISY, range(1, 5), MODELS, "log")
    alone = score_candidates(NOISY, range(1, 2), MODELS, "log")
    assert scores["stretches"]["mean"] == scores["origins"]["mean"] / 4
    assert alone["stretches"]["mean"] == alone["origins"]["mean"]


def test_the_standard_error_counts_stretches_and_not_origins():
    y = NOISY[:13]
    differences = []
    for end in range(5, 13):
        truth = np.array([y[end], y[end : end + 2].mean()])[: 13 - end]
        scores = [
            scored("log", truth, running(predict(model, y[:end], 2), 0), len(truth)).mean()
            for model in ("mean", "ar1")
        ]
        differences.append(scores[0] - scores[1])
    found = score_candidates(y, range(1, 3), ("mean", "ar1"), "log")
    # 8 origins of 2 leads are worth 4 stretches
    assert found["se"]["mean"] == pytest.approx(np.std(differences, ddof=1) / math.sqrt(4))
    assert found["se"]["ar1"] == 0


def test_levels_are_turned_into_growth():
    levels = 100 * np.cumprod(np.r_[1.0, 1 + NOISY])
    one = fit_driver(series(levels), name="cpi", values="levels", source="x", model="ar1")
    other = fit(NOISY, source="x", model="ar1")
    assert one.predictive["mean"].tolist() == pytest.approx(other.predictive["mean"].tolist())
    assert one.driver.persistence == other.driver.persistence
    assert "25 yearly growths" in one.source


def test_a_gap_is_left_out_and_the_years_before_the_plan_are_waited_for():
    values = NOISY.copy()
    values[10] = np.nan
    missing = year_labels("2000/01", 25)[10]
    found = fit(values, gaps=[missing], model="ar1", first_year="2027/28", horizon=2)
    assert found.known == 24
    assert list(found.predictive.index) == ["2027/28", "2028/29"]
    said = predict("ar1", values, 4)
    assert found.predictive["mean"].tolist() == pytest.approx(said.mean[2:].tolist())


def test_a_break_of_levels_gives_no_growth():
    levels = 100 * np.cumprod(np.r_[1.0, 1 + NOISY])
    levels[12:] *= 2
    year = year_labels("1999/00", 26)[12]
    found = fit_driver(
        series(levels), name="cpi", values="levels", source="x", breaks=[year], model="mean"
    )
    kept = np.delete(NOISY, 11)
    assert found.predictive["mean"].iloc[0] == pytest.approx(kept.mean())


def test_a_dataarray_does_as_well_and_a_source_says_what_was_done():
    array = xr.DataArray(NOISY, {"year": list(year_labels("2000/01", 25))}, "year")
    found = fit_driver(array, name="cpi", values="rates", source="ONS", planned=0.02)
    assert found.driver == fit(source="ONS", planned=0.02).driver
    assert found.driver.planned == 0.02
    for said in ("ONS", "2000/01 to 2024/25", "25 yearly rates", "AR(1)", "CRPS", "constant mean"):
        assert said in found.source


def test_persistence_from_one_year_and_from_one_that_swings_back():
    assert persistence_of(np.array([[2.0]])) == 0.0
    assert persistence_of(np.array([[1.0, -0.5], [-0.5, 1.0]])) == 0.0
    assert persistence_of(np.ones((3, 3))) == 1.0
    assert driver_total_sd(np.ones(3), 1.0) == pytest.approx(3)
    # variances 1, 2 and 3, and twice the covariances 1, 1 and 2
    walk = driver_total_sd(np.sqrt([1.0, 2.0, 3.0]), "random_walk")
    assert walk == pytest.approx(math.sqrt(14))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": "growth"}, "expected 'rates'"),
        ({"values": ["rates"]}, "expected 'rates'"),
        ({"gaps": None}, "gaps is None; expected a list of years"),
        ({"model": "arma"}, "model is 'arma'; expected one of"),
        ({"model": "locl_level"}, "Did you mean 'local_level'"),
        ({"score": "mse"}, "expected 'crps' or 'log'"),
        ({"first_year": "2020/21"}, "last known year is 2024/25: expected 2025/26"),
        ({"first_year": "2026"}, "expected a financial year"),
        ({"horizon": 0}, "horizon is 0"),
        ({"horizon": 11}, "at most 10"),
        ({"breaks": ["2020/21"]}, "'breaks' go with values='levels'"),
        ({"gaps": ["2020/21"]}, "declared a gap, and a value is there"),
        ({"gaps": "2020/21"}, "expected a list of years"),
        ({"gaps": ["1990/91"]}, "lies outside 2000/01 to 2024/25"),
    ],
)
def test_wrong_options_are_refused(change, message):
    with pytest.raises(MtfsError, match=message.replace("(", r"\(")):
        fit(**change)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ([0.1, 0.2, 0.1, 0.3], {}, "cpi: holds 4 known rates; expected at least 5"),
        ([0.1, 0.2, 0.1, 0.3, 0.2], {}, "cpi: holds 5 known years.*model='mean'"),
        ([0.02] * 9, {}, "every year's rate is 0.02"),
        ([0.1, np.nan, 0.2, 0.1, 0.3, 0.2], {}, r"2020/21: missing.*gaps=\['2020/21'\]"),
        ([0.1, np.inf, 0.2, 0.1, 0.3, 0.2], {}, "2020/21: inf; expected a finite"),
        ([1.0, 0.0, 2.0, 1.0, 3.0, 2.0], {"values": "levels"}, "cpi, 2020/21: the level is 0"),
        ([1.0], {"values": "levels"}, "fewer than 2 levels"),
    ],
)
def test_wrong_series_are_refused_with_the_year(data, options, message):
    with pytest.raises(MtfsError, match=message):
        fit(data, **options)


def test_percentages_and_levels_given_as_rates_are_doubted():
    with pytest.warns(mtfs.PlanWarning, match=r"cpi: rates up to 4.9: .* Write 5% as 0.05"):
        fit([1.1, 2.2, 4.9, 3.0, 2.0, 2.5], model="mean")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ([0.1, 0.2], "found a list; expected a pandas.Series"),
        (pd.Series([0.1, 0.2], [2020, 2021]), "cpi: found year 2020"),
        (pd.Series([0.1, 0.2], ["2020/21", "2020/21"]), "2020/21 given twice"),
        (pd.Series([0.1, 0.2], ["2021/22", "2020/21"]), "sort the years"),
        (pd.Series([0.1, 0.2], ["2020/21", "2022/23"]), "expected 2021/22: years in a row"),
        (pd.Series(["a", "b"], ["2020/21", "2021/22"]), "expected numbers"),
        (xr.DataArray(np.ones((2, 2)), dims=("council", "year")), "expected one, 'year'"),
    ],
)
def test_what_is_no_yearly_series_is_refused(made, message):
    with pytest.raises(MtfsError, match=message):
        fit_driver(made, name="cpi", values="rates", source="x")


@pytest.mark.skipif(not (SHARED / "data").exists(), reason="the histories are not here")
def test_consumer_prices_persist():
    table = pd.read_csv(SHARED / "data" / "uk_cpi_index.csv")
    table = table[table["period"].str.fullmatch(r"\d{4} [A-Z]{3}")]
    month = pd.to_datetime(table["period"].str.title(), format="%Y %b")
    start = month.dt.year - (month.dt.month < 4)
    means = table.groupby(start)["cpi_2015_100"].mean().loc[1998:2024]
    found = fit_driver(
        series(means.to_numpy()), name="cpi", values="levels", source="ONS", horizon=4
    )
    assert found.model == "ar1"
    assert 0.4 < found.driver.persistence < 0.9
    assert 0.015 < found.predictive["sd"].min() < found.predictive["sd"].max() < 0.03
