"""Drivers: shapes, persistence, events, mixes, and what the council's own table holds of them."""

import numpy as np
import pytest
from councils import BUDGET, YEARS, council, run
from scipy import stats

from mtfs import MtfsError, PlanError, project, scores_of
from mtfs.distributions import quantile_score

N = 20_000


def path_of(*drivers, name=None, n_draws=N, **parts):
    """Give the path of the last driver (or the one named), shape (draw, year)."""
    ds = run(council(drivers=list(drivers), lines=[BUDGET], **parts), n_draws=n_draws)
    return ds["path"].sel(driver=name or drivers[-1]["name"]).values


def planned_of(*drivers):
    ds = run(council(drivers=list(drivers), lines=[BUDGET]), n_draws=1)
    return ds["planned_path"].sel(driver=drivers[-1]["name"]).values.tolist()


def growth(**fields):
    return {"name": "growth", "central": 0.055, "sd": 0.015} | fields


@pytest.mark.parametrize(("persistence", "millions"), [(0, 8.1), (0.7, 13.5), (1, 16.7)])
def test_fresh_draws_halve_the_risk_of_a_five_year_total(persistence, millions):
    line = {"kind": "budget", "name": "care", "base": 64e6, "growth": "growth"}
    plan = council(horizon=5, drivers=[growth(persistence=persistence)], lines=[line])
    total = run(plan, n_draws=40_000)["cost"].sel(line="care").sum("year") / 1e6
    error = 4 * millions / np.sqrt(2 * 40_000)
    assert float(total.std()) == pytest.approx(millions, abs=0.05 + error)


@pytest.mark.parametrize("persistence", [0, 0.3, 0.7, 1])
def test_a_persistent_shock_keeps_the_stated_spread_in_every_year(persistence):
    path = path_of(growth(persistence=persistence))
    spread = path.std(axis=0)
    np.testing.assert_allclose(spread, 0.015, rtol=4 / np.sqrt(2 * N))
    for lag in (1, 2, 3):
        found = np.corrcoef(path[:, 0], path[:, lag])[0, 1]
        assert found == pytest.approx(persistence**lag, abs=4 / np.sqrt(N))


@pytest.mark.parametrize("shape", ["normal", "student_t", "lognormal"])
@pytest.mark.parametrize("stated_as", ["mean", "median", "mode"])
def test_a_random_walk_widens_with_the_square_root_of_time_about_its_centre(shape, stated_as):
    df = {"df": 8.0} if shape == "student_t" else {}
    walk = growth(persistence="random_walk", shape=shape, stated_as=stated_as, **df)
    path = path_of(walk)
    one = np.log(path) if shape == "lognormal" else path
    ratio = one.std(axis=0) / one.std(axis=0)[0]
    np.testing.assert_allclose(ratio, np.sqrt([1, 2, 3, 4]), rtol=0.03)
    assert np.corrcoef(one[:, 0], one[:, 3])[0, 1] == pytest.approx(0.5, abs=0.03)
    assert planned_of(walk) == pytest.approx([0.055] * 4)
    if stated_as == "mean":
        np.testing.assert_allclose(path.mean(axis=0), 0.055, atol=4 * 0.03 / np.sqrt(N))
    if stated_as == "median":
        np.testing.assert_allclose(np.median(path, axis=0), 0.055, atol=5 * 0.03 / np.sqrt(N))


SPAN = {"low": 0.02, "high": 0.06, "prob": 0.8}


@pytest.mark.parametrize(
    "family",
    [
        {},
        {"shape": "lognormal"},
        {"shape": "lognormal", "central": 0.03},
        {"shape": "student_t", "df": 4.0},
        {"shape": "beta", "bounds": [0.0, 0.2]},
    ],
    ids=["normal", "lognormal", "shifted", "student_t", "beta"],
)
@pytest.mark.parametrize("persistence", [0, 0.6])
def test_an_eighty_percent_interval_comes_back_as_p10_and_p90_of_every_year(family, persistence):
    path = path_of({"name": "x", "interval": SPAN, "persistence": persistence} | family)
    for year in range(4):
        below, above = (path[:, year] < 0.02).mean(), (path[:, year] > 0.06).mean()
        assert below == pytest.approx(0.1, abs=4 * 0.3 / np.sqrt(N))
        assert above == pytest.approx(0.1, abs=4 * 0.3 / np.sqrt(N))


def test_an_interval_may_widen_by_year():
    spans = [{"low": 0.02 - w, "high": 0.04 + w, "prob": 0.8} for w in (0, 0.01, 0.02, 0.03)]
    path = path_of({"name": "x", "interval": spans, "persistence": 1})
    z = path[:, 0] - 0.03
    np.testing.assert_allclose(path[:, 3] - 0.03, z * 4, rtol=1e-9, atol=1e-12)


def test_each_family_draws_from_the_distribution_it_names():
    cases = {
        "triangular": (
            {"bounds": [0.0, 0.1], "central": 0.02, "stated_as": "mode"},
            stats.triang(0.2, scale=0.1),
        ),
        "pert": (
            {"bounds": [0.0, 0.1], "central": 0.02, "stated_as": "mode"},
            stats.beta(1.8, 4.2, scale=0.1),
        ),
        "beta": (
            {"bounds": [0.0, 1.0], "central": 0.6, "sd": 0.1, "stated_as": "mean"},
            stats.beta(13.8, 9.2),
        ),
        "lognormal": (
            {"central": 4.0, "sd": 1.0, "stated_as": "mean"},
            stats.lognorm(np.sqrt(np.log(17 / 16)), scale=4 / np.sqrt(17 / 16)),
        ),
        "student_t": (
            {"central": 1.0, "sd": 2.0, "df": 5.0},
            stats.t(5, loc=1, scale=2 * np.sqrt(0.6)),
        ),
    }
    for shape, (fields, peer) in cases.items():
        path = path_of({"name": "x", "shape": shape, "persistence": 0} | fields, n_draws=5_000)
        assert stats.kstest(path[:, 2], peer.cdf).pvalue > 1e-3, shape


def test_a_triangular_or_pert_may_be_stated_by_its_mean():
    # mean of a triangular = (0 + mode + 0.09) / 3, so mode 0.03; of a PERT (0 + 4 mode + 0.09) / 6
    for shape, mean in (("triangular", 0.04), ("pert", 0.035)):
        path = path_of(
            {
                "name": "x",
                "shape": shape,
                "bounds": [0.0, 0.09],
                "central": mean,
                "stated_as": "mean",
                "persistence": 0,
            }
        )
        assert path.mean() == pytest.approx(mean, abs=4 * 0.02 / np.sqrt(4 * N))


def test_states_change_by_year_and_persist_as_one_world():
    driver = {
        "name": "settlement",
        "shape": "discrete",
        "persistence": 1,
        "states": [
            {"name": "ends", "probability": 0.3, "values": [1.0, 1.0, 0.0, 0.0]},
            {"name": "goes on", "probability": 0.7, "values": 1.0},
        ],
    }
    path = path_of(driver)
    assert {tuple(row) for row in path} == {(1, 1, 0, 0), (1, 1, 1, 1)}
    assert (path[:, 3] == 0).mean() == pytest.approx(0.3, abs=4 * 0.46 / np.sqrt(N))
    assert planned_of(driver) == [1, 1, 1, 1]  # the median state


def test_a_history_is_drawn_from_and_nothing_else():
    path = path_of(
        {"name": "x", "shape": "empirical", "values": [0.01, 0.02, 0.05], "persistence": 0}
    )
    assert set(np.unique(path)) == {0.01, 0.02, 0.05}
    assert (
        path_of({"name": "x", "shape": "empirical", "values": [0.01], "persistence": 0}).std() == 0
    )


def test_a_driver_without_spread_is_its_centre_in_every_draw():
    assert (
        path_of({"name": "x", "central": [0.01, 0.02, 0.03, 0.04]}, n_draws=3).tolist()
        == [[0.01, 0.02, 0.03, 0.04]] * 3
    )


def test_planned_takes_the_place_of_the_centre_in_the_councils_table_alone():
    driver = growth(planned=0.03, persistence=1)
    assert planned_of(driver) == [0.03] * 4
    assert path_of(driver).mean() == pytest.approx(0.055, abs=4 * 0.015 / np.sqrt(N))


# Events


def test_an_uncertain_event_comes_in_its_share_of_draws_and_lasts_its_years():
    event = {"name": "shock", "year": YEARS[1], "probability": 0.25, "effect": 0.05, "lasts": 2}
    path = path_of({"name": "cpi", "central": 0.02, "events": [event]})
    came = path[:, 1] > 0.02
    assert came.mean() == pytest.approx(0.25, abs=4 * 0.433 / np.sqrt(N))
    np.testing.assert_allclose(path[came][0], [0.02, 0.07, 0.07, 0.02])
    np.testing.assert_allclose(path[~came][0], [0.02] * 4)
    assert planned_of({"name": "cpi", "central": 0.02, "events": [event]}) == [0.02] * 4


def test_a_sure_event_stands_in_the_councils_table_too():
    event = {"name": "reform", "year": YEARS[3], "probability": 1.0, "effect": 1.0, "lasts": 5}
    driver = {"name": "x", "central": 0.0, "events": [event]}
    assert planned_of(driver) == [0, 0, 0, 1]
    assert path_of(driver, n_draws=1).tolist() == [[0, 0, 0, 1]]


def test_an_event_that_cannot_come_changes_nothing():
    event = {"name": "never", "year": YEARS[0], "probability": 0.0, "effect": 1.0}
    assert path_of({"name": "x", "central": 0.5, "events": [event]}, n_draws=1).tolist() == [
        [0.5] * 4
    ]


@pytest.mark.parametrize("noise", [{}, {"sd": 1e-12, "persistence": 0}])
def test_an_event_of_a_mix_counts_once(noise):
    event = {"name": "shift", "year": YEARS[1], "probability": 1.0, "effect": 1.0}
    mix = {"name": "fees", "mix": [{"driver": "cpi", "weight": 1.0}], "events": [event]} | noise
    path = path_of({"name": "cpi", "central": 0.02}, mix, n_draws=1)
    np.testing.assert_allclose(path, [[0.02, 1.02, 0.02, 0.02]], atol=1e-9)
    assert planned_of({"name": "cpi", "central": 0.02}, mix) == pytest.approx(
        [0.02, 1.02, 0.02, 0.02]
    )


# Mixes


def test_a_mix_is_the_weighted_sum_of_its_parts_and_its_lags():
    nlw = {"name": "nlw", "central": [0.04, 0.05, 0.06, 0.07]}
    cpi = {"name": "cpi", "central": [0.02, 0.03, 0.02, 0.03], "previous": [0.11, 0.08]}
    mix = {
        "name": "fees",
        "central": 0.001,
        "mix": [{"driver": "nlw", "weight": 0.7}, {"driver": "cpi", "weight": 0.3, "lag": 2}],
    }
    expected = [
        0.001 + 0.7 * 0.04 + 0.3 * 0.11,
        0.001 + 0.7 * 0.05 + 0.3 * 0.08,
        0.001 + 0.7 * 0.06 + 0.3 * 0.02,
        0.001 + 0.7 * 0.07 + 0.3 * 0.03,
    ]
    assert planned_of(nlw, cpi, mix) == pytest.approx(expected)
    np.testing.assert_allclose(path_of(nlw, cpi, mix, n_draws=1)[0], expected)


def test_cpi_reaches_grants_a_year_later_in_the_same_draw():
    cpi = growth(persistence=0, previous=[0.03])
    mix = {"name": "grants", "mix": [{"driver": "growth", "weight": 1.0, "lag": 1}]}
    ds = run(council(drivers=[mix, cpi], lines=[BUDGET]), n_draws=50)
    a, b = ds["path"].sel(driver="growth").values, ds["path"].sel(driver="grants").values
    np.testing.assert_array_equal(b[:, 1:], a[:, :-1])
    np.testing.assert_allclose(b[:, 0], 0.03)


def test_a_mix_has_noise_of_its_own():
    mix = {
        "name": "fees",
        "mix": [{"driver": "growth", "weight": 0.5}],
        "sd": 0.02,
        "persistence": 1,
    }
    noise = path_of(growth(persistence=0), mix) - 0.5 * path_of(
        growth(persistence=0), mix, name="growth"
    )
    np.testing.assert_allclose(noise, np.repeat(noise[:, :1], 4, axis=1), atol=1e-15)
    assert noise.std() == pytest.approx(0.02, rel=0.03)


# Names of streams


def test_renaming_a_driver_keeps_its_draws_when_it_keeps_its_shock():
    before = path_of(growth(persistence=0.5), n_draws=50)
    after = path_of(growth(persistence=0.5, name="uplift", shock="growth"), n_draws=50)
    np.testing.assert_array_equal(before, after)
    assert not np.array_equal(before, path_of(growth(persistence=0.5, name="uplift"), n_draws=50))


def test_a_national_driver_has_another_stream_than_a_councils():
    council_wide = path_of(growth(persistence=0), n_draws=50)
    assert not np.array_equal(
        council_wide, path_of(growth(persistence=0, scope="national"), n_draws=50)
    )


def test_appending_a_driver_or_a_line_leaves_other_draws_alone():
    pair = [
        growth(persistence=0.5),
        {"name": "pay", "central": 0.03, "sd": 0.01, "persistence": 0.2, "shape": "lognormal"},
    ]
    held = {"correlations": [{"between": ["growth", "pay"], "value": 0.6}]}
    before = run(council(drivers=pair, lines=[BUDGET], **held), n_draws=3_000)
    third = {"name": "nlw", "central": 0.05, "sd": 0.02, "persistence": 0.4}
    fourth = {
        "name": "odds",
        "central": 0.5,
        "sd": 0.1,
        "shape": "beta",
        "bounds": [0.0, 1.0],
        "stated_as": "mean",
        "persistence": 0,
    }
    more = {"correlations": [*held["correlations"], {"between": ["nlw", "pay"], "value": 0.5}]}
    risk = {"kind": "risk", "name": "flood", "probability": 0.3, "impact": 5.0, "year": YEARS[0]}
    after = run(
        council(drivers=[*pair, third, fourth], lines=[BUDGET, risk], **more), n_draws=3_000
    )
    for name in ("growth", "pay"):
        np.testing.assert_array_equal(
            before["path"].sel(driver=name).values, after["path"].sel(driver=name).values
        )
    np.testing.assert_array_equal(before["cost"].sel(line="roads"), after["cost"].sel(line="roads"))


# Wrong drivers


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"interval": SPAN}, "'sd' and 'interval' both give the spread"),
        ({"central": "cpi"}, "to follow other drivers use 'mix'"),
        ({"central": None, "sd": None, "persistence": None}, "no value: give 'central'"),
        ({"persistence": None}, "a spread needs 'persistence'.*Fresh draws halve the risk"),
        ({"sd": None}, "'persistence' is given but no spread"),
        (
            {
                "shape": "beta",
                "bounds": [0.0, 1.0],
                "stated_as": "mean",
                "persistence": "random_walk",
            },
            "random_walk widens without end, which beta cannot",
        ),
        ({"shape": "student_t"}, "'df' goes with shape student_t"),
        ({"df": 4.0}, "'df' goes with shape student_t"),
        ({"df": 2.0, "shape": "student_t"}, "above 2"),
        ({"shape": "pert", "sd": None}, "'bounds: .low, high.' go with"),
        (
            {"shape": "pert", "sd": None, "bounds": [1.0, 0.0], "stated_as": "mode"},
            "'bounds' run from low to high",
        ),
        ({"shape": "empirical"}, "'values' go with shape empirical"),
        ({"shape": "discrete"}, "'states' go with shape discrete"),
        ({"shape": "empirical", "values": [1.0]}, "shape empirical sits where its values"),
        (
            {"shape": "triangular", "bounds": [0.0, 1.0], "sd": None},
            "a triangular driver has bounds and a centre stated_as: mode or mean",
        ),
        (
            {"shape": "triangular", "bounds": [0.0, 0.05], "sd": None, "stated_as": "mode"},
            "mode at 0.055, which lies outside",
        ),
        (
            {"shape": "beta", "bounds": [0.0, 1.0]},
            "a beta driver needs an interval, or sd with a centre stated_as: mean",
        ),
        ({"shape": "lognormal", "central": -0.01}, "lies above 0"),
        ({"sd": -0.01}, "'sd' is negative"),
        ({"sd": [0.01, 0.02]}, "2 values; expected one for each of the 4 years"),
        ({"central": [0.01, 0.02]}, "2 values; expected one for each of the 4 years"),
        ({"sd": None, "interval": [SPAN]}, "'interval' holds 1 intervals"),
        ({"persistence": 1.2}, "at most 1"),
        ({"persistence": "walk"}, "random_walk"),
        ({"mix": [{"driver": "growth", "weight": 1.0}]}, "depends on itself: growth -> growth"),
        (
            {"events": [{"name": "e", "year": "2031/32", "probability": 0.5, "effect": 1.0}]},
            "comes in 2031/32; the plan's years are 2026/27 to 2029/30",
        ),
        (
            {"events": [{"name": "e", "year": YEARS[0], "probability": 0.5, "effect": 1.0}] * 2},
            "two events bear one name",
        ),
    ],
    ids=range(27),
)
def test_a_driver_that_cannot_be_says_what_to_do(fields, says):
    driver = growth(persistence=0.5) | fields
    driver = {key: value for key, value in driver.items() if value is not None}
    with pytest.raises(PlanError, match=says):
        council(drivers=[driver], lines=[BUDGET])


def test_states_must_be_certain_to_be_one_of_them():
    states = [
        {"name": "a", "probability": 0.5, "values": 1.0},
        {"name": "b", "probability": 0.4, "values": 2.0},
    ]
    with pytest.raises(PlanError, match=r"probabilities sum to 0\.9; expected 1"):
        council(
            drivers=[{"name": "x", "shape": "discrete", "states": states, "persistence": 0}],
            lines=[BUDGET],
        )


def test_a_round_of_mixes_is_named():
    drivers = [
        {"name": a, "central": 0.0, "mix": [{"driver": b, "weight": 1.0}]}
        for a, b in ("ab", "bc", "ca")
    ]
    with pytest.raises(PlanError, match="depends on itself: a -> b -> c -> a"):
        council(drivers=drivers, lines=[BUDGET])


def test_a_lag_needs_the_years_before():
    mix = {"name": "grants", "mix": [{"driver": "cpi", "weight": 1.0, "lag": 2}]}
    with pytest.raises(PlanError, match=r"reads 'cpi' 2 years before, but .*holds 1 values"):
        council(drivers=[{"name": "cpi", "central": 0.02, "previous": [0.03]}, mix], lines=[BUDGET])


def test_a_lognormal_with_a_stated_mean_does_not_take_it_for_the_median_of_an_interval():
    driver = {
        "name": "x",
        "central": 0.04,
        "stated_as": "mean",
        "shape": "lognormal",
        "persistence": 0,
    }
    with pytest.raises(PlanError, match="median"):
        council(
            drivers=[driver | {"interval": {"low": 0.02, "high": 0.09, "prob": 0.8}}],
            lines=[BUDGET],
        )


def test_scores_of_nought_give_the_median_of_every_family():
    plan = council(
        drivers=[
            growth(persistence=0.5),
            {
                "name": "log",
                "central": 4.0,
                "sd": 1.0,
                "shape": "lognormal",
                "persistence": "random_walk",
            },
            {"name": "state", "shape": "empirical", "values": [1.0, 2.0, 3.0], "persistence": 0},
        ],
        lines=[BUDGET],
    )
    scores = scores_of(plan, n_draws=1, seed=1)
    ds = project(plan, {name: np.zeros_like(z) for name, z in scores.items()})
    np.testing.assert_allclose(ds["path"].sel(driver="log"), 4.0)
    np.testing.assert_allclose(ds["path"].sel(driver="growth"), 0.055)
    assert (ds["path"].sel(driver="state") == 2.0).all()
    up = project(plan, {name: np.full_like(z, quantile_score(0.9)) for name, z in scores.items()})
    assert float(up["path"].sel(driver="growth", year=YEARS[0]).squeeze()) == pytest.approx(
        0.055 + 0.015 * 1.2815515655
    )


def test_a_driver_that_leaves_no_number_is_named():
    # half of the draws within 2% to 6% and a median near the top: a long tail to the left, below
    # -100% in a draw of thousands, where a power of the price is no number
    span = {"low": 0.02, "high": 0.06, "prob": 0.5}
    skewed = {
        "name": "prices",
        "shape": "lognormal",
        "interval": span,
        "central": 0.05,
        "persistence": 0.5,
    }
    fees = {"kind": "fees", "name": "fees", "income": 1.0, "elasticity": -0.3}
    with pytest.raises(MtfsError, match=r"not a number; prices falls below -100%"):
        run(council(drivers=[skewed], lines=[fees | {"price_index": "prices"}]), n_draws=20_000)
