"""What can be read off a projection."""

import numpy as np
import pytest
import xarray as xr

import mtfs
from mtfs import MtfsError, measures

LEVELS = xr.DataArray([6.0, 33.0, 60.0, 83.0], dims="year", coords={"year": list("abcd")})


@pytest.fixture(scope="module")
def ds():
    """A gap of about 1m with one uncertain budget, and a general fund of 2m."""
    return mtfs.project_gap(
        {
            "council": "Smallshire",
            "first_year": "2026/27",
            "drivers": [{"name": "prices", "central": 0.05, "sd": 0.02, "persistence": 0.5}],
            "lines": [{"kind": "budget", "name": "roads", "base": 20e6, "growth": "prices"}],
            "funding": [{"kind": "other", "name": "all funding", "levels": 20e6}],
            "reserves": {
                "funds": [
                    {"name": "savings fund", "opening": 0.5e6},
                    {"name": "general fund", "opening": 2e6, "general": True, "minimum": 1e6},
                ],
                "surplus_to": "general fund",
                "closure": {"policy": "none"},
            },
        },
        n_draws=20_000,
        seed=7,
    )


@pytest.mark.parametrize("convention", [mtfs.annual, mtfs.total])
def test_a_convention_is_of_one_variable(convention):
    ds = xr.Dataset({"gap": LEVELS})
    says = r"found a Dataset; expected one variable of a projection, such as ds\['gap'\]"
    with pytest.raises(MtfsError, match=says):
        convention(ds)
    with pytest.raises(MtfsError, match="found a list; expected one variable"):
        convention([6.0, 33.0])


def test_annual_steps_sum_to_the_last_level():
    steps = mtfs.annual(LEVELS)
    assert steps.values.tolist() == [6, 27, 27, 23]
    assert float(steps.sum()) == 83


def test_total_is_the_sum_of_levels_which_is_not_the_gap():
    assert float(mtfs.total(LEVELS)) == 182


def test_a_level_without_years_is_refused():
    with pytest.raises(mtfs.MtfsError, match="dimension 'year'"):
        mtfs.annual(xr.DataArray([1.0], dims="draw"))


def test_quantiles_are_those_of_numpy_and_keep_the_other_dimensions(ds):
    bands = ds.mtfs.quantiles([0.1, 0.9], variable="reserve")
    assert bands.dims == ("quantile", "fund", "year")
    wanted = np.quantile(ds["reserve"].transpose("draw", "fund", "year"), [0.1, 0.9], axis=0)
    np.testing.assert_array_equal(bands, wanted)


def test_standard_errors_of_quantiles_are_those_of_a_normal(ds):
    # one year's cost is 20m x (1.05 + 0.02 z): the error of a quantile is sqrt(p(1-p)/n) / density
    bands = mtfs.quantiles(ds, [0.1, 0.5])
    first = bands["standard_error"].sel(year="2026/27").values
    density = np.array([0.17549833, 0.39894228]) / (20e6 * 0.02)
    wanted = np.sqrt(np.array([0.09, 0.25]) / 20_000) / density
    np.testing.assert_allclose(first, wanted, rtol=0.15)


def test_standard_errors_cover_the_scatter_of_other_seeds():
    def run(seed):
        plan = {
            "council": "A",
            "first_year": "2026/27",
            "horizon": 1,
            "drivers": [{"name": "x", "central": 0.0, "sd": 1.0, "persistence": 0.0}],
            "lines": [{"kind": "change", "name": "c", "cause": "x", "levels": "x"}],
        }
        bands = mtfs.quantiles(mtfs.project_gap(plan, n_draws=2000, seed=seed), [0.9])
        return bands.item(), bands["standard_error"].item()

    found = np.array([run(seed) for seed in range(60)])
    ratio = found[:, 0].std(ddof=1) / found[:, 1].mean()
    assert abs(ratio - 1) < 4 / np.sqrt(2 * 59)  # four standard errors of a standard deviation


def test_a_probability_counts_draws_strictly_beyond_its_bounds(ds):
    gap = ds["gap"]
    share = ds.mtfs.probability("gap", above=1e6, below=2e6)
    wanted = ((gap > 1e6) & (gap < 2e6)).mean("draw")
    np.testing.assert_array_equal(share, wanted)
    error = np.sqrt(wanted * (1 - wanted) / 20_000)
    np.testing.assert_allclose(share["standard_error"], error)


def test_a_probability_takes_a_bound_for_each_year(ds):
    share = ds.mtfs.probability("gap", above=ds["planned_gap"])
    assert share.dims == ("year",)
    assert float(abs(share - 0.5).max()) < 4 * 0.5 / np.sqrt(20_000)


def test_a_bound_for_other_years_is_refused(ds):
    with pytest.raises(ValueError, match="exact"):
        ds.mtfs.probability("gap", above=ds["planned_gap"].isel(year=slice(2)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ds: mtfs.quantiles(ds, [90]), "write 90% as 0.9"),
        (lambda ds: mtfs.quantiles(ds, [0.5], variable="gapp"), "no gapp"),
        (lambda ds: mtfs.quantiles(ds, [0.5], variable="planned_gap"), "has no draws"),
        (mtfs.probability, "'above', 'below' or both"),
        (lambda ds: mtfs.summary(ds, variable="cost"), "expected draw and year"),
        (lambda ds: mtfs.summary(ds.drop_attrs()), "project_gap"),
    ],
)
def test_wrong_questions_are_answered(ds, call, message):
    with pytest.raises(mtfs.MtfsError, match=message):
        call(ds)


def test_the_summary_shows_plan_mean_quantiles_and_chance_with_errors(ds):
    table = ds.mtfs.summary()
    assert table.index.tolist() == list(ds["year"].values)
    gap = ds["gap"].sel(year="2027/28").values
    row = table.loc["2027/28"]
    assert row["plan"] == pytest.approx(20 * 1.05**2 - 20)
    assert row["mean"] == pytest.approx(gap.mean() / 1e6)
    assert row["mean_se"] == pytest.approx(gap.std(ddof=1) / np.sqrt(20_000) / 1e6)
    assert row["P90"] == pytest.approx(np.quantile(gap, 0.9) / 1e6)
    assert row["plan_enough"] == pytest.approx((gap <= ds["planned_gap"].values[1]).mean())
    assert ds.mtfs.summary(unit="GBP").loc["2027/28", "mean"] == pytest.approx(gap.mean())


def test_one_draw_has_no_standard_error():
    plan = {
        "council": "A",
        "first_year": "2026/27",
        "base_gap": 1.0,
        "lines": [{"kind": "budget", "name": "a", "base": 1.0}],
    }
    table = mtfs.summary(mtfs.project_gap(plan, n_draws=1, seed=1))
    assert np.isnan(table["mean_se"]).all()
    assert np.isnan(table["P90_se"]).all()


def test_reserve_risks_count_years_to_date(ds):
    table = ds.mtfs.reserve_risk()
    drained = (ds["gap"].cumsum("year") > 2.5e6).mean("draw")  # no closure: every gap falls on 2.5m
    np.testing.assert_allclose(table["exhausted"], drained, atol=1e-12)
    general = ds["reserve"].sel(fund="general fund")
    np.testing.assert_allclose(table["below_minimum"], (general < 1e6).mean("draw"), atol=1e-12)
    assert (np.diff(table["exhausted"]) >= 0).all()


def test_a_plan_without_reserves_has_no_reserve_risks():
    plan = {
        "council": "A",
        "first_year": "2026/27",
        "lines": [{"kind": "budget", "name": "a", "base": 1.0}],
    }
    with pytest.raises(mtfs.MtfsError, match="no reserves"):
        measures.reserve_risk(mtfs.project_gap(plan, n_draws=2, seed=1))


def test_a_general_fund_without_a_minimum_has_only_the_chance_of_exhaustion():
    plan = {
        "council": "A",
        "first_year": "2026/27",
        "lines": [{"kind": "budget", "name": "a", "base": 1.0}],
        "reserves": {"funds": [{"name": "g", "opening": 1.0, "general": True}], "surplus_to": "g"},
    }
    table = measures.reserve_risk(mtfs.project_gap(plan, n_draws=2, seed=1))
    assert list(table.columns) == ["exhausted", "exhausted_se"]


def test_a_probability_takes_one_bound(ds):
    np.testing.assert_array_equal(
        ds.mtfs.probability("gap", below=1e6), (ds["gap"] < 1e6).mean("draw")
    )


def test_what_no_table_plans_has_a_summary_without_a_plan():
    plan = {
        "council": "A",
        "first_year": "2026/27",
        "lines": [{"kind": "balances", "name": "income", "rate": 0.04, "funds": ["fund"]}],
        "reserves": {"funds": [{"name": "fund", "opening": 1e6}], "surplus_to": "fund"},
    }
    ds = mtfs.project_gap(plan, n_draws=4, seed=1)
    table = ds.mtfs.summary(variable="reserve_interest")
    assert "plan" not in table
    assert "plan_enough" not in table
    # no fund is called the general fund, so only exhaustion can be told
    assert list(ds.mtfs.reserve_risk().columns) == ["exhausted", "exhausted_se"]
