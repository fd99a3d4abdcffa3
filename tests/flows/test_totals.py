"""Children in care from totals: by hand, against exact theory, on simulated and real histories."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from statsmodels.tsa.statespace.mlemodel import MLEModel

from mtfs import MtfsError, PlanError
from mtfs.flows.model import DRIFT
from mtfs.flows.states import Table
from mtfs.flows.totals import (
    TotalsModel,
    fit_totals,
    fit_totals_prior,
    simulate_totals,
)
from mtfs.flows.uniforms import draw_keys
from mtfs.flows.wandering import PRIOR, Seen, TotalsPrior, levels_of
from mtfs.vocabulary import year_label, year_labels

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "totals.md"
CHILDREN = Path(__file__).parents[3] / "shared" / "data" / "looked_after_children.csv"
STILL = TotalsPrior(
    starts_step=0,
    ceases_step=0,
    step_correlation=0,
    starts_noise=0,
    ceases_noise=0,
    noise_correlation=0,
    starts_cluster=1,
    ceases_cluster=1,
    starts_pull=0,
    ceases_pull=0,
    balance=0,
    starts_multiple=0,
    ceases_multiple=0,
)


def known(stock, starts, rate, *, prior=STILL, sd=0.0):
    """Make a model whose levels are known, but for an s.d. of each."""
    return TotalsModel(
        last_year="2024/25",
        stock=stock,
        multiples=Table.of([[1.0, 1.0]]),
        chances=(1.0,),
        mean=Table.of([[np.log(starts), np.log(rate)]]),
        covariance=Table.of([np.eye(2) * sd**2]),
        prior=prior,
    )


def history(stock, starts, ceases, first="2016/17"):
    years = year_labels(first, len(stock))
    return pd.DataFrame({"stock": stock, "starts": starts, "ceases": ceases}, index=list(years))


STEADY = history([400] * 9, [160] * 9, [160] * 9)


# --- exact theory


def test_at_constant_rates_stocks_are_those_of_immigration_and_death():
    n, stock, starts, rate = 20_000, 500, 365.0, 0.73  # a child a day; 0.002 a day
    ds = simulate_totals(known(stock, starts, rate), n_draws=n, seed=1)
    t = ds["lead"].to_numpy()
    stay = np.exp(-rate * t)
    mean = stock * stay + starts / rate * (1 - stay)
    variance = stock * stay * (1 - stay) + starts / rate * (1 - stay)
    found = ds["people_year_end"]
    assert np.sqrt(variance).round(1).tolist()[::3] == [19.6, 22.3]
    error = 4 * np.sqrt(variance / n)
    assert (np.abs(found.mean("draw") - mean) < error).all()
    assert (np.abs(found.var("draw") / variance - 1) < 4 * np.sqrt(2 / n)).all()


@pytest.mark.parametrize("rate", [0.05, 0.7305, 3.0])
def test_the_average_of_a_year_is_the_integral_of_the_expected_stock(rate):
    n, stock, starts = 20_000, 300, 250.0
    ds = simulate_totals(known(stock, starts, rate), n_draws=n, seed=2, horizon=1)
    level = starts / rate
    mean = level + (stock - level) * (1 - np.exp(-rate)) / rate
    found = ds["people"].isel(year=0)
    assert abs(found.mean() - mean) < 4 * found.std() / np.sqrt(n)


def test_starts_of_families_have_the_variance_of_their_cluster():
    n = 20_000
    prior = STILL.model_copy(update={"starts_cluster": 2.0})
    starts = simulate_totals(known(0, 100, 0.4, prior=prior), n_draws=n, seed=3)["starts"]
    assert np.abs(starts.mean("draw") - 100).max() < 4 * np.sqrt(200 / n)
    assert np.abs(starts.var("draw") / 200 - 1).max() < 0.1  # 4 s.e. of a near normal is 0.04


def test_a_level_that_wanders_spreads_by_the_root_of_the_years():
    n = 10_000
    prior = STILL.model_copy(update={"starts_step": 0.1})
    starts = simulate_totals(known(0, 1e4, 0.4, prior=prior), n_draws=n, seed=4)["starts"]
    variance = np.log(starts).var("draw").to_numpy()
    expected = 0.1**2 * np.arange(1, 5) + 1e-4  # the last is the Poisson's own
    assert variance == pytest.approx(expected, rel=4 * np.sqrt(2 / n))


# --- invariants


def wild():
    """A model of few children whose levels hardly hold."""
    prior = PRIOR.model_copy(update={"starts_step": 1.0, "ceases_step": 1.0})
    return known(6, 5, 1.0, prior=prior, sd=1.0)


@pytest.mark.parametrize("model", [wild(), fit_totals(STEADY), known(0, 3, 0.5)])
def test_everyone_is_counted_and_no_stock_is_negative(model):
    ds = simulate_totals(model, n_draws=3000, seed=5, horizon=10)
    stock = ds["people_year_end"]
    opening = stock.shift(year=1, fill_value=model.stock)
    assert (stock == opening + ds["starts"] - ds["ceases"]).all()
    assert (ds["ceases"] <= opening + ds["starts"]).all()
    for name in ("people", "people_year_end", "starts", "ceases"):
        assert (ds[name] >= 0).all()
        assert np.isfinite(ds[name]).all()
    assert (ds["people"] <= opening + ds["starts"]).all()
    assert (ds[["people_year_end", "starts", "ceases"]] % 1 == 0).to_array().all()


def test_a_council_where_nothing_happens_stays_still():
    ds = simulate_totals(known(50, 1e-12, 1e-12), n_draws=500, seed=6)
    assert (ds["people_year_end"] == 50).all()
    assert ds["people"].to_numpy() == pytest.approx(50)


def test_more_draws_and_years_leave_the_first_as_they_were():
    model = fit_totals(STEADY)
    few = simulate_totals(model, n_draws=50, seed=7, horizon=2)
    many = simulate_totals(model, n_draws=3000, seed=7, horizon=5)
    xr.testing.assert_equal(few, many.isel(draw=slice(50), year=slice(2)))


def test_keys_take_the_place_of_a_seed():
    scores = np.random.default_rng(1).standard_normal(40)
    model = fit_totals(STEADY)
    first = simulate_totals(model, keys=draw_keys(scores, "care"))
    swapped = simulate_totals(model, keys=draw_keys(scores[::-1], "care"))
    xr.testing.assert_equal(first.isel(draw=slice(None, None, -1)), swapped)
    assert first.sizes["draw"] == 40


def test_a_model_is_the_same_after_json():
    model = fit_totals(STEADY, council="Any", source="made up")
    again = TotalsModel.model_validate_json(model.to_json())
    assert again == model
    xr.testing.assert_identical(
        simulate_totals(again, n_draws=20, seed=1), simulate_totals(model, n_draws=20, seed=1)
    )


def test_a_dataset_and_a_column_of_years_are_read_as_a_table_is():
    by_column = STEADY.rename_axis("year").reset_index()
    dataset = xr.Dataset.from_dataframe(STEADY.rename_axis("year"))
    assert fit_totals(by_column) == fit_totals(STEADY) == fit_totals(dataset)


def test_a_result_survives_netcdf(tmp_path):
    ds = simulate_totals(fit_totals(STEADY), n_draws=10, seed=1)
    ds.to_netcdf(tmp_path / "totals.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "totals.nc", engine="h5netcdf") as again:
        xr.testing.assert_identical(again.load(), ds)


# --- learning


def test_stocks_that_starts_and_ceases_do_not_explain_count_as_either():
    figures = history([100, 103, 96], [40, 40, 40], [40, 40, 44])
    model = fit_totals(figures)
    assert model.unexplained == (3.0, -3.0)
    agreed = history([100, 103, 96], [40, 43, 40], [40, 40, 47])
    assert fit_totals(agreed).mean == model.mean
    assert fit_totals(agreed).unexplained == (0.0, 0.0)


def test_a_long_still_history_is_known_as_well_as_its_counts():
    years = 200
    figures = history([400] * years, [160] * years, [160] * years, first="1800/01")
    model = fit_totals(figures, prior=STILL)
    expected = [160.5, 160.5 / 400]  # a Poisson whose logarithm is mostly 160's has mean 160.5
    assert np.exp(model.mean.array[0]) == pytest.approx(expected, rel=1e-4)
    sd = np.sqrt(np.diag(model.covariance.array[0]))
    assert sd == pytest.approx([1 / np.sqrt(160 * (years - 1))] * 2, rel=1e-3)


def test_two_years_are_weighed_as_the_filter_by_hand():
    prior = STILL.model_copy(update={"starts_step": 0.1, "starts_noise": 0.2})
    figures = history([100, 100, 100], [40, 50, 40], [40, 50, 40])
    model = fit_totals(figures, prior=prior)
    noise = 0.2**2 + 1 / 45  # the counts' own, at the mean of both years
    first = 1 / (1 + 1 / noise)  # the first year is its own start, with s.d. 1
    before = first + 0.1**2
    weight = before / (before + noise)
    expected = np.log(50.5) + weight * (np.log(40.5) - np.log(50.5))
    assert model.mean.array[0, 0] == pytest.approx(expected)
    assert model.covariance.array[0, 0, 0] == pytest.approx(before * (1 - weight))


def test_a_missing_year_is_left_out_and_widens_what_follows():
    holed = STEADY.astype(float)
    holed.loc["2024/25", ["starts", "ceases"]] = np.nan
    model = fit_totals(holed)
    assert model.left_out == ("2024/25",)
    assert model.years == year_labels("2017/18", 7)
    whole = fit_totals(STEADY)
    assert model.covariance.array[12, 0, 0] > whole.covariance.array[12, 0, 0]


def test_a_restless_council_gets_wider_spreads_than_a_still_one():
    wave = np.array([0, 80, -80, 80, -80, 80, -80, 80, -80])
    still, restless = STEADY, STEADY.assign(starts=160 + wave, ceases=160 + wave)
    spread = [
        np.average(model.multiples.array[:, 0], weights=model.chances)
        for model in map(fit_totals, (still, restless))
    ]
    assert spread[0] < 1.1
    assert spread[1] > 1.2


def test_the_filter_is_that_of_a_library():
    rng = np.random.default_rng(3)
    years, prior = 12, PRIOR.model_copy(update={"starts_multiple": 0, "ceases_multiple": 0})
    closing = rng.integers(300, 500, years).astype(float)
    starts, ceases = rng.poisson(150, (2, years)).astype(float)
    columns = [each[:, None] for each in (starts, ceases, closing, closing)]
    seen = Seen(*columns)
    found = levels_of(seen, prior)
    looks = seen.logarithms(prior.cluster)[:, 0]

    class Same(MLEModel):
        def __init__(self):
            super().__init__(looks, k_states=2, k_posdef=2)
            self["design"], self["selection"], self["state_cov"] = np.eye(2), np.eye(2), prior.step
            self["transition"] = np.eye(2) + prior.pull[:, None] * [1, -1]
            pulled = -(np.log(closing) + prior.balance)[:, None] * prior.pull
            self["state_intercept"] = pulled.T.copy()
            own = (seen.count_variances()[:, 0] * prior.cluster)[:, :, None] * np.eye(2)
            self["obs_cov"] = (prior.noise + own).transpose(1, 2, 0).copy()
            self.initialize_known(looks[0], np.eye(2))

    result = Same().ssm.filter()
    assert found.evidence[0] == pytest.approx(result.llf)
    assert found.mean[0, 0] == pytest.approx(result.filtered_state[:, -1])
    assert found.covariance[0, 0] == pytest.approx(result.filtered_state_cov[:, :, -1])


# --- calibration


def invented(size, n, seed):
    """Ten years each of some councils of one size, whose levels wander as the prior says."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        own = np.exp(rng.standard_normal(2) * [PRIOR.starts_multiple, PRIOR.ceases_multiple])
        model = known(size, size * 0.4, 0.4, prior=PRIOR, sd=0.1)
        model = model.model_copy(update={"multiples": Table.of([own])})
        seed = int(rng.integers(2**50))
        years = simulate_totals(model, horizon=10, n_draws=1, seed=seed).isel(draw=0)
        yield years.rename(people_year_end="stock")[["stock", "starts", "ceases"]].to_dataframe()


@pytest.mark.slow
@pytest.mark.parametrize("size", [50, 300, 1000])
def test_intervals_of_invented_councils_hold_what_they_say(size):
    n, draws, at = 160, 200, []
    for number, figures in enumerate(invented(size, n, seed=size)):
        model = fit_totals(figures.iloc[:6])
        forecast = simulate_totals(model, n_draws=draws, seed=number)["people_year_end"]
        came = figures["stock"].iloc[6:].to_numpy()
        at.append(((forecast < came).mean("draw") + (forecast <= came).mean("draw")) / 2)
    off = np.abs(np.array(at) - 0.5)
    for share in (0.5, 0.8, 0.95):
        cover = (off <= share / 2).mean(axis=0)
        error = np.sqrt(share * (1 - share) * (1 / n + 1 / draws))
        assert (np.abs(cover - share) < 4 * error).all(), (share, cover)


# --- real counts


def english():
    """Read the totals of England's councils by area, as far as every stock is known."""
    if not CHILDREN.exists():
        pytest.skip("the shared data are not here")
    names = {"cla_31march": "stock", "cla_started": "starts", "cla_ceased": "ceases"}
    long = pd.read_csv(CHILDREN, dtype={"area": str}).replace({"measure": names})
    long = long[long["measure"].isin(names.values())].assign(label=lambda d: d["year"].map(label))
    wide = long.pivot_table(
        index="label",
        columns=["area", "measure"],
        values="value",
        aggfunc=lambda values: values.sum(skipna=False),
        dropna=False,
    )
    tables = {area: wide[area] for area in wide.columns.get_level_values("area").unique()}
    return {area: each for area, each in tables.items() if each["stock"].notna().all()}


def label(year):
    return year_label(year - 1)


def test_levels_wander_in_england_as_the_default_says():
    seen = []
    for each in english().values():
        before = each["stock"].shift()
        left = each["stock"] - before - each["starts"] + each["ceases"]
        starts, ceases = each["starts"] + left.clip(lower=0), each["ceases"] - left.clip(upper=0)
        rates = (ceases + 0.5) / ((each["stock"] + before) / 2)
        seen.append([[np.log(starts + 0.5), np.log(rates)], [1 / starts, 1 / ceases]])
    looks, noise = np.array(seen).transpose(1, 2, 3, 0)[:, :, 1:]

    def variance(lead, councils):
        change = looks[:, lead:, councils] - looks[:, :-lead, councils]
        counted = noise[:, lead:, councils] + noise[:, :-lead, councils]
        return np.nanmean((change**2 - counted)[:, 3 - lead :], axis=(1, 2))

    def wander(councils):  # what does not last is in changes over one year and over three alike
        return np.sqrt((variance(3, councils) - variance(1, councils)) / 2)

    councils = np.arange(looks.shape[2])
    parts = np.array([wander(councils[councils % 10 != part]) for part in range(10)])
    error = np.sqrt(9 * parts.var(axis=0))
    assert (error < 0.012).all()
    assert (np.abs(wander(councils) - [DRIFT.entries, DRIFT.exits]) < 2 * error).all()


@pytest.mark.slow
def test_the_prior_is_what_the_councils_of_england_say():
    free = {"starts_step", "ceases_step", "starts_pull", "ceases_pull"}
    fields = TotalsPrior.model_fields.keys() - free - {"source"}
    found = fit_totals_prior(english(), held={name: getattr(PRIOR, name) for name in fields})
    for name in free:
        assert getattr(found, name) == pytest.approx(getattr(PRIOR, name), abs=0.03)


def test_every_council_of_england_can_be_fitted():
    for area, figures in english().items():
        model = fit_totals(figures, council=area)
        assert len(model.years) + len(model.left_out) == 19
        assert model.stock == figures["stock"].iloc[-1]


def test_the_page_on_totals_shows_what_its_code_gives():
    text = PAGE.read_text(encoding="utf-8")
    found = {}
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], found)  # noqa: S102 - our own page
    bands = found["ds"]["people"].quantile([0.1, 0.5, 0.9], "draw")
    rows = re.findall(r"^\| P\d+ \|(.*)\|$", text, re.MULTILINE)
    shown = [[float(each.replace(",", "")) for each in row.split("|")] for row in rows]
    assert bands.round().to_numpy().tolist() == shown
    left = found["model"].unexplained
    assert (min(left), max(left)) == (-9, 8)
    many = found["ds"]["people_year_end"].sel(year="2028/29") > 1000
    assert many.mean().item() == pytest.approx(0.27, abs=0.005)


# --- wrong input


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        (STEADY.rename(columns={"starts": "start"}), "'starts' is missing. Did you mean 'start'"),
        (STEADY.iloc[::-1], "2023/24 comes after 2024/25"),
        (STEADY.drop(index="2020/21"), "2021/22 comes after 2019/20"),
        (pd.concat([STEADY, STEADY]), "2016/17 comes after 2024/25; give one council's years"),
        (STEADY.set_axis(range(2016, 2025)), "found year 2017; expected a financial year"),
        (STEADY.iloc[:1], "holds 1 years; expected at least 2"),
        (STEADY.assign(stock=400.5), "'stock' of 2016/17 is 400.5; expected a whole number"),
        (STEADY.assign(ceases=-1), "'ceases' of 2016/17 is -1"),
        (STEADY.assign(starts=np.inf), "'starts' of 2016/17 is inf"),
        (STEADY.assign(stock=np.nan), "'stock' of 2016/17 is nan"),
        (STEADY.assign(starts="many"), "'starts' holds what is no number"),
        (STEADY.assign(starts=300), "300 starts and 160 ceases make it 540: are all three"),
        (STEADY.assign(starts=np.nan), "no year has starts, ceases"),
        (STEADY.assign(stock=0, starts=0, ceases=0), "no year has starts, ceases"),
        ([400, 160, 160], "found list; expected a DataFrame or Dataset with ceases, starts, stock"),
    ],
)
def test_a_wrong_history_is_answered_with_what_is_wrong(figures, message):
    with pytest.raises(MtfsError, match=message):
        fit_totals(figures)


def test_a_wrong_history_is_named_by_its_council():
    with pytest.raises(MtfsError, match=r"^Leeds: column 'stock' is missing"):
        fit_totals(STEADY.drop(columns="stock"), council="Leeds")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"horizon": 0}, "horizon is 0"),
        ({"horizon": 11}, "horizon is 11; expected at most 10"),
        ({"n_draws": 0}, "n_draws is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 1, "keys": draw_keys(np.zeros(3), "a")}, "'keys' or a 'seed', not both"),
    ],
)
def test_a_wrong_argument_is_answered_with_what_is_wrong(arguments, message):
    with pytest.raises(MtfsError, match=message):
        simulate_totals(fit_totals(STEADY), **arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chances": (0.5,)}, "'chances' sum to 0.5"),
        ({"chances": (0.5, 0.5)}, "'multiples' has shape .1, 2.; its 2 'chances'"),
        ({"stock": 4.5}, "'stock' is 4.5; children are whole"),
        ({"last_year": "2024"}, "expected a financial year"),
    ],
)
def test_a_model_that_does_not_hang_together_is_refused(change, message):
    with pytest.raises(PlanError, match=message):
        TotalsModel.model_validate(known(4, 2, 0.5).model_dump() | change)


def test_a_prior_needs_councils_that_end_together():
    with pytest.raises(MtfsError, match="no history; give at least one"):
        fit_totals_prior({})
    with pytest.raises(MtfsError, match="different years: 2023/24, 2024/25"):
        fit_totals_prior({"a": STEADY, "b": STEADY.iloc[:-1]})
    with pytest.raises(MtfsError, match="'pull' is not a parameter"):
        fit_totals_prior({"a": STEADY}, held={"pull": 0.0})
