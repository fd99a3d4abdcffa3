"""Rolling origin: what was known then, what is scored, and what is refused."""

import functools
import time

import numpy as np
import pytest
import xarray as xr

import mtfs
from mtfs.verify import naive, score_table, status_table
from mtfs.vocabulary import MtfsError, year_labels

NAN = np.nan


def history(rows, first="2018/19"):
    names = [f"council {number}" for number in range(len(rows))]
    years = list(year_labels(first, len(rows[0])))
    return xr.DataArray(np.array(rows, float), {"council": names, "year": years})


def walks(n_councils, n_years, sd=0.1, seed=4):
    steps = np.random.default_rng(seed).normal(0.02, sd, (n_councils, n_years))
    return history(500 * np.exp(steps.cumsum(axis=1)), first="2000/01")


def forecast(levels, held, horizon):
    """Label levels (council, draw, year) as a forecast from the end of what is held."""
    last = str(held["year"].to_numpy()[-1])
    years = list(year_labels(last, horizon + 1)[1:])
    return xr.DataArray(
        levels, {"council": held["council"].to_numpy(), "year": years}, ("council", "draw", "year")
    )


def last_level(held, *, horizon):
    levels = np.repeat(held.to_numpy()[:, -1:, None], horizon, axis=2)
    return forecast(levels, held, horizon)


PAPER = history([[100, 110, 100, 110, 120, 90], [50, 50, 50, 60, 60, 60]])


def test_errors_and_scores_of_a_point_forecast_by_hand():
    ds = mtfs.backtest(
        PAPER,
        last_level,
        origins=["2020/21", "2021/22"],
        horizon=2,
        reference=["naive"],
        scale="level",
        seed=1,
    )
    found = ds.sel(forecaster="last_level")
    errors = [[[10, 10], [20, 10]], [[10, 0], [-20, 0]]]  # origin, lead, council
    assert found["error"].to_numpy().tolist() == errors
    assert found["crps"].to_numpy().tolist() == np.abs(errors).tolist()
    assert found["target"].to_numpy().tolist() == [["2021/22", "2022/23"], ["2022/23", "2023/24"]]
    assert found["outcome"].sel(origin="2021/22", lead=2).to_numpy().tolist() == [90, 60]
    assert ds["role"].to_numpy().tolist() == ["forecaster", "reference"]
    table = score_table(ds)
    assert table.loc["last_level", "crps"] == 10  # 80 of 8
    assert table.loc["last_level", "bias"] == 5  # 40 of 8
    assert table.loc["last_level", "scored"] == 8


def test_a_log_scale_compares_ratios():
    ds = mtfs.backtest(PAPER, last_level, origins=["2020/21"], horizon=1, seed=1)
    found = ds["error"].sel(forecaster="last_level").to_numpy().ravel()
    assert found == pytest.approx([np.log(1.1), np.log(1.2)])
    assert ds["quantiles"].sel(forecaster="last_level").to_numpy().min() == pytest.approx(50)


def test_a_forecaster_sees_only_what_was_known_then():
    seen = []

    def spy(held, *, horizon, n_draws, seed, gaps, breaks):
        seen.append((held, seed, gaps, breaks))
        return naive(held, horizon=horizon, n_draws=n_draws, seed=seed, gaps=gaps, breaks=breaks)

    rows = [[100, NAN, 100, 110, 120, NAN], [50, 50, 90, 60, 60, 60], [NAN, NAN, NAN, 5, 6, 7]]
    mtfs.backtest(
        history(rows),
        spy,
        origins=["2020/21", "2022/23"],
        horizon=1,
        gaps={"council 0": ["2019/20", "2023/24"]},
        breaks={"council 1": ["2020/21"]},
        reference=["naive"],
        n_draws=40,
        seed=1,
    )
    (early, *early_told), (late, *late_told) = seen
    assert early["year"].to_numpy().tolist() == ["2018/19", "2019/20", "2020/21"]
    assert early["council"].to_numpy().tolist() == ["council 0", "council 1"]
    assert early_told[1:] == [{"council 0": ["2019/20"]}, {"council 1": ["2020/21"]}]
    assert late["council"].to_numpy().tolist() == ["council 0", "council 1", "council 2"]
    assert early_told[0] != late_told[0]


def test_what_comes_later_changes_no_earlier_score():
    rows = walks(3, 12)
    other = rows.copy()
    other[:, 9:] *= 2
    found = [
        mtfs.backtest(each, naive, origins=["2005/06"], horizon=3, reference=["drift"], seed=1)
        for each in (rows, other)
    ]
    xr.testing.assert_identical(*found)


def test_outcomes_missing_across_a_break_or_not_there_yet_are_counted_and_not_scored():
    rows = [[100, 100, 100, 110, NAN, 120], [50, 50, 50, 90, 95, 99], [NAN, NAN, 5, 6, 7, 8]]
    ds = mtfs.backtest(
        history(rows),
        naive,
        origins=["2020/21", "2021/22"],
        horizon=3,
        reference=["drift"],
        gaps={"council 0": ["2022/23"]},
        breaks={"council 1": ["2022/23"]},
        n_draws=40,
        seed=1,
    )
    early = ds["status"].sel(origin="2020/21").transpose("council", "lead").to_numpy().tolist()
    assert early == [
        ["scored", "outcome missing", "scored"],
        ["scored", "across a break", "across a break"],
        ["not open yet"] * 3,
    ]
    for name in ("crps", "pit", "error", "inside", "interval_score"):
        known = ds[name].notnull()
        assert (known == (ds["status"] == "scored")).all(), name
    table = status_table(ds)
    assert table.loc["2020/21"].tolist() == [3, 0, 1, 2, 3, 0]
    assert table.loc["2021/22"].tolist() == [3, 3, 1, 2, 0, 0]
    totals = score_table(ds)
    assert totals["scored"].tolist() == [6, 6]
    assert totals["not_scored"].tolist() == [9, 9]


def test_a_council_whose_level_at_the_origin_is_missing_is_not_forecast():
    rows = history([[100, 100, 100, NAN, 300, 300], [50, 51, 52, 53, 54, 55]])
    ds = mtfs.backtest(
        rows,
        naive,
        origins=["2021/22"],
        horizon=1,
        gaps={"council 0": ["2021/22"]},
        breaks={"council 0": ["2021/22"]},
        n_draws=40,
        seed=1,
        reference=["drift"],
    )
    assert ds["status"].to_numpy().ravel().tolist() == [
        "not known at the origin",
        "scored",
    ]


def drawn(sd, held, *, horizon, n_draws, seed):
    """A random walk with the true drift and any s.d."""
    steps = np.random.default_rng(seed).normal(0.02, sd, (held.sizes["council"], n_draws, horizon))
    return forecast(
        held.to_numpy()[:, -1, None, None] * np.exp(steps.cumsum(axis=2)), held, horizon
    )


def test_a_calibrated_forecaster_covers_and_an_over_narrow_one_is_found_out():
    rows = walks(60, 30)
    forecasters = {
        "true": functools.partial(drawn, 0.1),
        "narrow": functools.partial(drawn, 0.05),
        "wide": functools.partial(drawn, 0.2),
    }
    ds = mtfs.backtest(
        rows,
        forecasters,
        origins=[str(year) for year in rows["year"].to_numpy()[4:29:4]],  # no overlap
        reference=["naive"],
        n_draws=400,
        seed=1,
    )
    table = score_table(ds, by="lead", n_boot=400)
    one = table.loc[1]
    n = one.loc["true", "scored"]
    for prob in (50, 80, 95):
        p = prob / 100
        column = f"coverage_{prob}"
        assert one.loc["true", column] == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / n))
        held = {name: one.loc[name, [f"{column}_low", f"{column}_high"]] for name in forecasters}
        assert held["narrow"].iloc[1] < p < held["wide"].iloc[0]
    assert (table["crps"].xs("true", level=1) < table["crps"].xs("narrow", level=1)).all()
    assert (table["crps"].xs("true", level=1) < table["crps"].xs("wide", level=1)).all()
    pit = ds["pit"].sel(forecaster="true", lead=1).to_numpy()
    assert np.nanmean(pit) == pytest.approx(0.5, abs=4 / np.sqrt(12 * n))
    assert np.nanvar(pit) == pytest.approx(1 / 12, abs=4 * np.sqrt(1 / 180 / n))


def test_the_same_seed_gives_the_same_scores():
    found = [
        mtfs.backtest(PAPER, naive, origins=["2020/21"], reference=["drift"], seed=5, n_draws=50)
        for _ in range(2)
    ]
    xr.testing.assert_identical(*found)


def test_a_backtest_survives_a_file(tmp_path):
    pytest.importorskip("h5netcdf")
    ds = mtfs.backtest(PAPER, naive, origins=["2020/21"], reference=["drift"], seed=5, n_draws=50)
    ds.to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "b.nc", engine="h5netcdf") as back:
        xr.testing.assert_equal(back.load(), ds)
        assert score_table(back).equals(score_table(ds))


@pytest.mark.slow
def test_eighty_councils_and_twelve_origins_take_seconds():
    rows = walks(80, 20)
    start = time.perf_counter()
    mtfs.backtest(
        rows, naive, origins=[str(y) for y in rows["year"].to_numpy()[6:18]], reference=["drift"]
    )
    assert time.perf_counter() - start < 10  # about 1.3 on two cores


def wrong_years(held, *, horizon):
    return forecast(np.ones((held.sizes["council"], 1, horizon + 1)), held, horizon + 1)


def holes(held, *, horizon):
    return forecast(np.full((held.sizes["council"], 1, horizon), NAN), held, horizon)


def zeros(held, *, horizon):
    return forecast(np.zeros((held.sizes["council"], 1, horizon)), held, horizon)


def fewer(held, *, horizon):
    return last_level(held.isel(council=[0]), horizon=horizon)


def numbers(held, *, horizon):
    return np.ones(3)


def no_horizon(held):
    return held


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"origins": "2020/21"}, r"origins is '2020/21'; expected a list"),
        ({"origins": []}, "expected a list of years"),
        ({"origins": ["2020/21", "2020/21"]}, "2020/21: given twice"),
        ({"origins": ["2031/32"]}, "2031/32 is not a year of the history, which runs from 2018/19"),
        ({"origins": ["2018/19"]}, "no council has 2 known levels by then"),
        ({"origins": ["2023/24"]}, "the history's last year"),
        ({"origins": ["2020"]}, "expected a financial year"),
        ({"horizon": 0}, "horizon is 0"),
        ({"n_draws": 39}, "n_draws is 39; .* at least 40"),
        ({"scale": "logs"}, "scale is 'logs'"),
        ({"reference": ["naiv"]}, "no reference is called 'naiv'. Did you mean 'naive'"),
        ({"reference": "naive"}, r"expected a list, such as \['naive', 'drift'\]"),
        ({"reference": [3]}, "found a int as a forecaster"),
        ({"reference": ["naive", "naive"]}, "two forecasters are called 'naive'"),
        ({"forecaster": {}}, "no forecaster is given"),
        ({"forecaster": {"a": 1}}, "forecaster 'a' is a int; expected a callable"),
        ({"forecaster": no_horizon}, "'no_horizon' takes held; expected"),
        ({"forecaster": numbers}, "'numbers', origin 2020/21: gave a ndarray"),
        ({"forecaster": wrong_years}, "gave 5 year labels, where 4 were asked for; .* 2025/26"),
        ({"forecaster": holes}, "8 values are no numbers, the first of council 0, 2021/22"),
        ({"forecaster": zeros}, "council 0: 8 levels drawn are 0 or below"),
        ({"forecaster": fewer}, "gave 1 council labels, where 2 were asked for; .* council 1"),
        (
            {"forecaster": last_level, "breaks": {"council 1": ["2020/21"]}},
            r"the history has breaks \(of council 1\), and the forecaster takes no 'breaks'",
        ),
        ({"breaks": {"council 1": ["2031/32"]}}, "2031/32 lies outside the history"),
    ],
)
def test_wrong_input_is_answered_at_the_door(options, match):
    given = {"origins": ["2020/21"], "forecaster": last_level, "n_draws": 40, "seed": 1} | options
    forecaster = given.pop("forecaster")
    with pytest.raises(MtfsError, match=match):
        mtfs.backtest(PAPER, forecaster, **given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"origins": None}, "origins is None; expected a list of years"),
        ({"reference": None}, r"reference is None; expected a list, such as \['naive', 'drift'\]"),
    ],
)
def test_what_is_no_list_is_answered(options, message):
    with pytest.raises(MtfsError, match=message):
        mtfs.backtest(PAPER, last_level, **{"origins": ["2020/21"], "seed": 1} | options)


def test_a_forecaster_that_fails_is_named_with_its_origin():
    def broken(held, *, horizon):
        return 1 / 0

    with pytest.raises(ZeroDivisionError) as raised:
        mtfs.backtest(PAPER, broken, origins=["2020/21"], seed=1)
    assert raised.value.__notes__[0].startswith("forecaster 'broken', origin 2020/21: raised")
