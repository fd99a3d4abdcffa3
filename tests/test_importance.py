"""Shares of the variance of a plan's gap."""

import numpy as np
import pytest
import xarray as xr
from councils import council, run
from hypothesis import assume, given, settings
from strategies import plans

import mtfs
from mtfs import MtfsError

SIGMAS = 4


def driver(name, sd, **fields):
    return {"name": name, "central": 1.0, "sd": sd, "persistence": 1.0} | fields


def change(name, by, horizon=1, **fields):
    line = {"kind": "change", "name": name, "cause": "growth", "multiplier": by}
    return line | {"changes": [1e7] * horizon} | fields


def paper(*, sds=(0.3, 0.4), persistence=(1.0, 1.0), correlation=None, horizon=1, **parts):
    """Two lines of 10m a year times a driver each: a gap on paper."""
    names = ("demand", "price")
    return council(
        horizon=horizon,
        drivers=[
            driver(name, sd, persistence=lasts)
            for name, sd, lasts in zip(names, sds, persistence, strict=True)
        ],
        correlations=[] if correlation is None else [{"between": names, "value": correlation}],
        lines=[
            change("a", "demand", horizon, cause="one"),
            change("b", "price", horizon, service="two"),
        ],
        **parts,
    )


def near(ds, name, exact, year=0):
    here = ds.isel(year=year)
    error = np.abs(here[name].values - exact)
    return bool((error < SIGMAS * here[f"{name}_se"].values).all())


def test_two_independent_lines_share_as_their_variances():
    """Standard deviations of 3m and 4m: 9 and 16 of 25."""
    ds = mtfs.variance_shares(paper(), method="sobol", seed=1)
    assert near(ds, "first_order", [0.36, 0.64])
    assert near(ds, "total", [0.36, 0.64])
    ds = mtfs.variance_shares(paper(), seed=1)
    assert near(ds, "shapley", [0.36, 0.64])
    assert abs(ds["sd"].item() - 5e6) < SIGMAS * ds["sd_se"].item()
    assert ds["variance"].item() == pytest.approx(ds["sd"].item() ** 2)


def test_correlated_drivers_share_what_they_cause_together():
    """3 and 4 at 0.5: variance 9 + 16 + 12; the first alone explains 25, the second 30.25."""
    ds = mtfs.variance_shares(paper(correlation=0.5), seed=1)
    assert near(ds, "shapley", [15.875 / 37, 21.125 / 37])
    assert ds["shapley"].sum("factor").item() == pytest.approx(1, abs=1e-12)


def test_whole_paths_are_known_or_not():
    """Exact by conditioning normal paths on paths: shocks that last, and correlated others."""
    horizon, rho, r = 3, (0.8, 0.3), 0.6
    plan = paper(sds=(0.3, 0.4), persistence=rho, correlation=r, horizon=horizon)
    lag = np.abs(np.subtract.outer(np.arange(horizon), np.arange(horizon)))
    own = [sd**2 * lasts**lag for sd, lasts in zip((3, 4), rho, strict=True)]
    late = np.subtract.outer(np.arange(horizon), np.arange(horizon))
    across = r * 12 * np.where(late > 0, rho[0] ** np.abs(late), rho[1] ** np.abs(late))
    covariance = np.block([[own[0], across], [across.T, own[1]]])
    # 10m more in every year, times the driver of the year
    level = np.tile(np.diag(np.arange(1.0, horizon + 1)), 2)

    def explained(places):
        inside = np.linalg.inv(covariance[np.ix_(places, places)])
        known = level @ covariance[:, places]
        return np.einsum("ti,ij,tj->t", known, inside, known)

    n = np.arange(horizon)
    whole = np.einsum("ti,ij,tj->t", level, covariance, level)
    first = (explained(n) + whole - explained(n + horizon)) / 2 / whole
    found = mtfs.variance_shares(plan, seed=1, n_draws=10_000)
    for year in range(horizon):
        assert near(found, "shapley", [first[year], 1 - first[year]], year)
    assert (np.abs(found["variance"] - whole * 1e12) < SIGMAS * found["variance_se"]).all()
    one_year = ((3 + 0.6 * 4) ** 2 + 39.4 - (4 + 0.6 * 3) ** 2) / 2 / 39.4
    assert first[1] != pytest.approx(one_year, abs=0.02)  # other years tell of this one


def many(correlations=()):
    """Ten drivers, more than are taken in all orders, with 1 to 10 as standard deviations."""
    return council(
        horizon=2,
        drivers=[driver(f"d{n}", n / 10) for n in range(1, 11)],
        correlations=list(correlations),
        lines=[change(f"l{n}", f"d{n}", 2) for n in range(1, 11)],
    )


def test_many_drivers_share_as_their_variances():
    exact = np.arange(1, 11) ** 2 / 385
    ds = mtfs.variance_shares(many(), seed=1)
    assert near(ds, "shapley", exact)
    assert near(ds, "shapley", exact, year=1)


def test_many_drivers_of_which_two_are_tied():
    """9 and 10 at 0.5: of 271 together 9 alone explains 14 squared, 10 alone 14.5 squared."""
    plan = many([{"between": ["d9", "d10"], "value": 0.5}])
    ds = mtfs.variance_shares(plan, seed=1, n_draws=16_000)
    pair = [(271 + 196 - 210.25) / 2, (271 + 210.25 - 196) / 2]
    assert near(ds, "shapley", np.array([*np.arange(1, 9) ** 2, *pair]) / (204 + 271))


def test_many_drivers_that_are_correlated_share_as_all_orders_say():
    """The same plan in eight groups, exactly, and in ten, by an order a draw."""
    plan = many([{"between": ["d9", "d10"], "value": 0.5}])
    sampled = mtfs.variance_shares(plan, seed=1)
    exact = mtfs.variance_shares(plan, seed=2, groups={"small": ["d1", "d2", "d3"]})
    assert exact.sizes["factor"] == 8
    error = np.hypot(sampled["shapley_se"], exact["shapley_se"])
    alone = [f"d{n}" for n in range(4, 11)]
    apart = (sampled["shapley"] - exact["shapley"]).sel(factor=alone)
    assert (np.abs(apart) < SIGMAS * error.sel(factor=alone)).all()


def test_a_product_is_shared_between_its_drivers():
    """1m (1 + x) (1 + y), standard deviations 0.2 and 0.4: 0.04 + 0.16 + 0.0064."""
    plan = council(
        horizon=1,
        drivers=[driver("x", 0.2, central=0.0), driver("y", 0.4, central=0.0)],
        lines=[{"kind": "contract", "name": "a", "base": 1e6, "growth": "x", "volume_growth": "y"}],
    )
    first, whole = np.array([0.04, 0.16]), 0.2064
    ds = mtfs.variance_shares(plan, method="sobol", seed=1, n_draws=20_000)
    assert near(ds, "first_order", first / whole)
    assert near(ds, "total", (first + 0.0064) / whole)
    ds = mtfs.variance_shares(plan, seed=1, n_draws=20_000)
    assert near(ds, "shapley", (first + 0.0032) / whole)


def test_sobol_is_refused_where_drivers_are_tied():
    plan = paper(correlation=0.5)
    with pytest.raises(
        MtfsError, match=r"'demand' and 'price' are correlated \(0.5\).*method='shapley'"
    ):
        mtfs.variance_shares(plan, method="sobol")
    with pytest.raises(MtfsError, match="'demand' and 'price' are correlated"):
        mtfs.variance_shares(plan, method="sobol", groups={"a": ["demand"], "b": ["price"]})
    ds = mtfs.variance_shares(plan, method="sobol", groups={"tied": ["demand", "price"]})
    assert near(ds, "total", [1.0])


def test_a_correlation_of_nothing_ties_nothing():
    ds = mtfs.variance_shares(paper(correlation=0.0), method="sobol", seed=1)
    assert near(ds, "total", [0.36, 0.64])


def test_groups_by_name_service_and_cause():
    plan = paper()
    ds = mtfs.variance_shares(plan, groups={"both": ["price", "demand"]}, seed=1)
    assert ds["factor"].values.tolist() == ["both"]
    assert ds["members"].item() == "demand; price"
    assert ds["kind"].item() == "group"
    assert ds["shapley"].item() == 1
    services = mtfs.variance_shares(plan, by="service", seed=1)
    assert services["factor"].values.tolist() == ["corporate", "two"]
    causes = mtfs.variance_shares(plan, by="cause", seed=1)
    assert causes["factor"].values.tolist() == ["one", "growth"]
    for grouped in (services, causes):
        assert near(grouped, "shapley", [0.36, 0.64])


def test_closure_moves_reserves_and_not_the_gap():
    delivery = {"policy": "plan", "delivery": {"mean": 0.8, "sd": 0.2}}
    funds = [{"name": "general", "opening": 1e6, "general": True}]
    reserves = {"funds": funds, "surplus_to": "general", "closure": delivery}
    plan = paper(reserves=reserves)
    for variable in ("gap", "gap_before_savings", "requirement"):
        ds = mtfs.variance_shares(plan, variable=variable, n_draws=100, seed=1)
        assert ds["factor"].values.tolist() == ["demand", "price"]
    short = mtfs.variance_shares(plan, variable="shortfall", seed=1)
    closure = short.sel(factor="closure: delivery")
    assert closure["kind"].item() == "closure"
    assert closure["shapley"].item() > 0.1
    with pytest.raises(MtfsError, match="'closure: delivery', which is nothing uncertain that"):
        mtfs.variance_shares(plan, groups={"all": ["closure: delivery"]})


def test_savings_move_what_comes_after_them():
    plan = paper(savings=[{"name": "reviews", "levels": 5e6, "rag": "red"}])
    before = mtfs.variance_shares(plan, variable="gap_before_savings", n_draws=100, seed=1)
    assert before["factor"].values.tolist() == ["demand", "price"]
    ds = mtfs.variance_shares(plan, seed=1)
    own = ["reviews: delivery", "savings: common factor"]
    assert ds["factor"].values.tolist() == ["demand", "price", *own]
    assert (ds["shapley"].sel(factor=own) > 0).all()


def test_what_nothing_follows_has_exactly_no_share():
    unread = [driver("demand", 0.3), driver("unread", 0.1)]
    plan = council(horizon=1, drivers=unread, lines=[change("a", "demand")])
    for method, names in (("shapley", ["shapley"]), ("sobol", ["first_order", "total"])):
        ds = mtfs.variance_shares(plan, method=method, seed=1)
        for name in names:
            assert ds[name].sel(factor="unread").item() == 0
            assert ds[f"{name}_se"].sel(factor="unread").item() == 0


def test_a_year_in_which_nothing_varies_has_no_shares():
    plan = paper(sds=([0.0, 0.3], [0.0, 0.4]), persistence=(0.0, 0.0), horizon=2)
    for method in ("shapley", "sobol"):
        ds = mtfs.variance_shares(plan, method=method, seed=1)
        name = "shapley" if method == "shapley" else "total"
        assert ds[name].isel(year=0).isnull().all()
        assert ds[name].isel(year=1).notnull().all()
        assert ds["sd"].isel(year=0).item() == ds["sd_se"].isel(year=0).item() == 0
        assert ds.attrs["no_variance"] == "2026/27"
        with pytest.raises(MtfsError, match="same in every draw of 2026/27"):
            mtfs.variance_table(ds, year="2026/27")


def test_a_projection_gives_its_plan_and_seed():
    plan = paper()
    projection = run(plan, n_draws=4096, seed=5)
    ds = mtfs.variance_shares(projection, n_draws=500)
    assert ds.identical(mtfs.variance_shares(plan, n_draws=500, seed=5))
    assert ds.attrs["seed"] == 5
    with pytest.raises(MtfsError, match="leave 'n_draws' and 'seed' out, or give its plan"):
        mtfs.variance_shares(projection, n_draws=500, seed=6)
    given_scores = mtfs.project(plan, mtfs.scores_of(plan, n_draws=5, seed=1))
    with pytest.raises(MtfsError, match="made from given scores, which it does not hold"):
        mtfs.variance_shares(given_scores, n_draws=500)


def test_the_first_draws_are_those_of_the_projection():
    plan = council(
        horizon=1, drivers=[driver("x", 0.3)], lines=[change("a", "x")], savings_correlation=0.0
    )
    ds = mtfs.variance_shares(plan, n_draws=200, seed=3)
    gap = run(plan, n_draws=400, seed=3)["gap"]
    assert ds["variance"].item() == pytest.approx(gap.var("draw").item(), rel=1e-9)


def test_the_same_seed_gives_the_same_bits():
    plan = many()
    one, two = (mtfs.variance_shares(plan, n_draws=300, seed=8) for _ in range(2))
    assert one.identical(two)
    assert not one.identical(mtfs.variance_shares(plan, n_draws=300, seed=9))


def test_results_survive_a_file(tmp_path):
    ds = mtfs.variance_shares(paper(), n_draws=200, seed=3)
    ds.to_netcdf(tmp_path / "shares.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "shares.nc", engine="h5netcdf") as again:
        xr.testing.assert_equal(ds, again.load())
    assert all(isinstance(value, str | int | float) for value in ds.attrs.values())


def test_a_wider_interval_is_wider():
    narrow, wide = (mtfs.variance_shares(paper(), seed=1, prob=prob) for prob in (0.5, 0.99))
    assert (narrow["shapley_low"] > wide["shapley_low"]).all()
    assert (narrow["shapley_high"] < wide["shapley_high"]).all()
    assert narrow["shapley_se"].identical(wide["shapley_se"])


@settings(max_examples=12)
@given(plans())
def test_shares_of_every_plan_sum_to_one(plan):
    try:
        ds = mtfs.variance_shares(plan, n_draws=100, n_resamples=100, seed=1)
    except MtfsError as error:
        assert "is the same in every draw" in str(error)  # noqa: PT017 - either is right
        return
    varies = ds["variance"] > 0
    assert varies.any()
    total = ds["shapley"].sum("factor", skipna=False)
    np.testing.assert_allclose(total.where(varies, drop=True), 1, atol=1e-9)
    assert total.where(~varies).isnull().all()
    assert (ds["shapley_low"].where(varies, 0) <= ds["shapley_high"].where(varies, 0)).all()


@settings(max_examples=8)
@given(plans())
def test_groups_of_all_that_is_tied_have_sobol_indices(plan):
    tied = {name for pair in plan.correlations for name in names_of(pair)}
    assume(tied)
    try:
        ds = mtfs.variance_shares(
            plan, method="sobol", groups={"tied": sorted(tied)}, n_draws=100, n_resamples=100
        )
    except MtfsError as error:
        assert "is the same in every draw" in str(error)  # noqa: PT017 - either is right
        return
    assert (ds["total"].where(ds["variance"] > 0, 0) >= 0).all()


def names_of(correlation):
    if hasattr(correlation, "between"):
        return correlation.between
    return [one.driver for one in correlation.loadings]


def test_the_table_is_sorted_by_share():
    ds = mtfs.variance_shares(paper(horizon=2), seed=1)
    table = mtfs.variance_table(ds)
    assert table.index.tolist() == ["price", "demand"]
    assert table.columns.tolist() == [
        *("shapley", "shapley_se", "shapley_low", "shapley_high", "kind"),
    ]
    assert table.attrs["year"] == "2027/28"
    assert table.attrs["sd"] == ds["sd"].values[1]
    assert table.loc["price", "shapley"] == ds["shapley"].sel(factor="price").values[1]
    first = mtfs.variance_table(ds, year="2026/27")
    assert first.loc["price", "shapley_low"] == ds["shapley_low"].sel(factor="price").values[0]
    both = mtfs.variance_table(mtfs.variance_shares(paper(), method="sobol", seed=1))
    assert both.columns[:5].tolist() == [
        *("total", "total_se", "total_low", "total_high", "first_order"),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "anova"}, "method is 'anova'; expected 'shapley' or 'sobol'"),
        ({"by": "kind"}, "by is 'kind'; expected 'driver' or 'service' or 'cause'"),
        ({"variable": "gaps"}, "variable 'gaps' does not exist. Did you mean 'gap'?"),
        ({"variable": "reserve"}, "variable 'reserve' has no one number a draw and year"),
        ({"n_draws": 99}, "n_draws is 99; expected a whole number of at least 100"),
        ({"n_resamples": 10}, "n_resamples is 10; expected a whole number of at least 100"),
        ({"prob": 95}, "prob is 95; expected a share strictly between 0 and 1"),
        ({"seed": -1}, "seed is -1"),
        ({"groups": ["demand"]}, "groups is"),
        ({"groups": {"a": "demand"}}, "group 'a' holds 'demand'; expected a list of names"),
        ({"groups": {"a": []}}, "group 'a' holds"),
        ({"groups": {"a": 3}}, "group 'a' holds 3; expected a list of names"),
        ({"groups": {"a": [["demand"]]}}, r"group 'a' names '\['demand'\]'"),
        ({"variable": None}, "variable 'None' does not exist"),
        (
            {"groups": {"a": ["demnd"]}},
            r"'demnd', which is nothing uncertain.*Did you mean 'demand'",
        ),
        ({"groups": {"a": ["price", "price"]}}, "'price' is twice in group 'a'"),
        (
            {"groups": {"a": ["price"], "b": ["price", "demand"]}},
            "'price' is in groups 'a' and 'b'",
        ),
        ({"groups": {"price": ["demand"]}}, "group 'price' bears the name of 'price'"),
        ({"groups": {"a": ["price"]}, "by": "service"}, "either 'groups' or by='service'"),
    ],
)
def test_wrong_arguments_are_answered_at_the_door(arguments, message):
    with pytest.raises(MtfsError, match=message):
        mtfs.variance_shares(paper(), **arguments)


def test_a_plan_without_uncertainty_is_refused():
    fixed = council(
        lines=[{"kind": "budget", "name": "roads", "base": 1.0}],
        reserves={"closure": {"policy": "none"}},
    )
    with pytest.raises(MtfsError, match=r"'gap' is the same .*in the plan could move it"):
        mtfs.variance_shares(fixed)
    unread = fixed.with_changes({"drivers": [driver("x", 0.1)]})
    with pytest.raises(MtfsError, match=r"'gap' is the same .*in the plan moves it"):
        mtfs.variance_shares(unread, n_draws=100)


def test_wrong_tables_are_refused():
    with pytest.raises(MtfsError, match=r"expected a Dataset from mtfs.variance_shares"):
        mtfs.variance_table(run(paper()))
    with pytest.raises(MtfsError, match="'2030/31' is not a year of the plan"):
        mtfs.variance_table(mtfs.variance_shares(paper(), n_draws=100), year="2030/31")
    with pytest.raises(MtfsError, match=r"from mtfs.project_gap"):
        mtfs.variance_shares(xr.Dataset())


@pytest.mark.parametrize("name", ["nottinghamshire_2024", "leicestershire_2024"])
def test_bundled_plans_have_shares(name):
    plan = mtfs.load_example(name)
    ds = mtfs.variance_shares(plan, n_draws=500, n_resamples=100, seed=1)
    assert np.allclose(ds["shapley"].sum("factor"), 1)
    with pytest.raises(MtfsError, match="'cpi' and 'national living wage' are correlated"):
        mtfs.variance_shares(plan, method="sobol")


def test_the_page_shows_what_comes_out():
    """docs/how-to/variance.md."""
    plan = mtfs.load_example("nottinghamshire_2024")
    table = mtfs.variance_table(mtfs.variance_shares(plan, seed=2026))
    shown = table.head(4)["shapley"].round(3).to_dict()
    assert shown == {
        "children in residential care, growth": 0.160,
        "children's mix": 0.120,
        "grant settlement": 0.114,
        "children's price": 0.107,
    }
    by_kind = table.groupby("kind")["shapley"].sum()
    assert by_kind["saving"] < 0.005
    services = mtfs.variance_table(mtfs.variance_shares(plan, by="service", seed=2026))
    assert services["shapley"].head(3).round(2).to_dict() == {
        "children and families": 0.39,
        "several services": 0.25,
        "adult social care": 0.16,
    }
    causes = mtfs.variance_table(mtfs.variance_shares(plan, by="cause", seed=2026))
    assert causes["shapley"].head(3).round(2).to_dict() == {
        "price": 0.32,
        "people": 0.23,
        "mix": 0.21,
    }
