"""Means of scores, their block-bootstrap intervals, and what failed."""

import functools

import numpy as np
import pytest
import xarray as xr

import mtfs
from mtfs.verify import drift, failure_table, naive, pit_table, score_table, status_table
from mtfs.verify.resampling import Resamples, block_of
from mtfs.vocabulary import MtfsError, year_labels


def history(rows, first="2005/06"):
    names = [f"council {number}" for number in range(len(rows))]
    years = list(year_labels(first, len(rows[0])))
    return xr.DataArray(np.array(rows, float), {"council": names, "year": years})


@pytest.fixture(scope="module")
def ds():
    steps = np.random.default_rng(2).normal(0.03, 0.1, (12, 18))
    steps[:, 14] += 0.5  # 2019/20: a year nobody foresaw
    rows = history(100 * np.exp(steps.cumsum(axis=1)))
    origins = list(year_labels("2011/12", 10))
    return mtfs.backtest(rows, {"mine": drift}, origins=origins, horizon=3, n_draws=200, seed=1)


def test_means_and_skills_are_those_of_all_that_is_scored(ds):
    table = score_table(ds)
    crps = ds["crps"].mean(["origin", "lead", "council"]).to_series()
    assert table["crps"].to_dict() == pytest.approx(crps.to_dict())
    assert table["skill_naive"].to_dict() == pytest.approx((1 - crps / crps["naive"]).to_dict())
    inside = ds["inside"].sel(prob=0.8).mean(["origin", "lead", "council"]).to_series()
    assert table["coverage_80"].to_dict() == pytest.approx(inside.to_dict())
    assert table.loc["naive", ["skill_naive", "skill_naive_low"]].tolist() == [0, 0]
    assert table.attrs["references"] == "naive, drift"


@pytest.mark.parametrize("by", ["lead", "origin", "council"])
def test_rows_by_part_are_the_table_of_the_part(ds, by):
    table = score_table(ds, by=by, n_boot=50)
    label = ds[by].to_numpy()[1]
    part = score_table(ds.sel({by: [label]}), n_boot=50)
    for name in ("crps", "bias", "coverage_95", "skill_drift", "scored"):
        assert table.xs(label)[name].tolist() == pytest.approx(part[name].tolist()), name
    assert len(table) == ds.sizes[by] * ds.sizes["forecaster"]


def test_resamples_are_a_slow_loops_weighted_means():
    rng = np.random.default_rng(1)
    sums, counts = rng.normal(size=(2, 6, 4)), rng.integers(0, 3, (6, 4)).astype(float)
    found = Resamples.draw(6, 4, block=2, n_boot=5, seed=3)
    assert found.origins.sum(axis=1).tolist() == [6] * 5
    assert found.councils.sum(axis=1).tolist() == [4] * 5
    means = found.means(sums, counts)
    for b in range(5):
        weight = np.outer(found.origins[b], found.councils[b])
        for item in range(2):
            slow = (weight * sums[item]).sum() / (weight * counts).sum()
            assert means[item, b] == pytest.approx(slow)


def test_blocks_hold_neighbours():
    found = Resamples.draw(6, 1, block=3, n_boot=200, seed=1).origins
    once = found[(found.max(axis=1) == 1)]  # two blocks side by side: all six
    assert (once == 1).all()
    twice = found[(found.max(axis=1) == 2) & (found.astype(bool).sum(axis=1) == 3)]
    assert len(twice)
    for row in twice:  # the same block twice: three neighbours on a circle
        places = np.flatnonzero(row)
        assert any({(s + k) % 6 for k in range(3)} == set(places) for s in range(6))


def test_every_origin_comes_as_often_as_the_others():
    found = Resamples.draw(7, 5, block=3, n_boot=8000, seed=1)
    spread = found.origins.std(axis=0).max() / np.sqrt(8000)
    assert found.origins.mean(axis=0) == pytest.approx(np.ones(7), abs=4 * spread)
    spread = found.councils.std(axis=0).max() / np.sqrt(8000)
    assert found.councils.mean(axis=0) == pytest.approx(np.ones(5), abs=4 * spread)


def test_the_bootstrap_of_independent_councils_is_the_standard_error_of_a_mean():
    values = np.random.default_rng(1).normal(size=(1, 1, 400))
    found = Resamples.draw(1, 400, block=1, n_boot=4000, seed=1).means(values, np.ones((1, 400)))
    expected = values.std() / np.sqrt(400)
    assert found.std() == pytest.approx(expected, rel=4 / np.sqrt(2 * 4000))


def test_blocks_widen_the_interval_where_errors_last():
    one, rng = np.zeros(60), np.random.default_rng(5)
    for year in range(1, 60):
        one[year] = 0.8 * one[year - 1] + rng.normal()
    values, counts = np.tile(one[:, None], (1, 3))[None], np.ones((60, 3))
    spread = {
        block: Resamples.draw(60, 3, block=block, n_boot=2000, seed=1).means(values, counts).std()
        for block in (1, 4)
    }
    assert spread[4] > 1.4 * spread[1]


def test_a_block_holds_the_origins_that_share_years_and_at_most_half_of_them():
    yearly = year_labels("2010/11", 12)
    assert block_of(yearly, 4) == 4
    assert block_of(yearly, 1) == 1
    assert block_of(yearly[::2], 4) == 2
    assert block_of(yearly[:5], 4) == 2
    assert block_of(yearly[:1], 4) == 1


def test_too_few_blocks_are_said(ds):
    assert "rest on 3.3 blocks" in score_table(ds, n_boot=10).attrs["note"]
    assert "over councils only" in score_table(ds, by="origin", n_boot=10).attrs["note"]
    assert score_table(ds, block=1, n_boot=10).attrs["note"].startswith("Intervals over 10")
    one = ds.sel(lead=[1])
    assert score_table(one, n_boot=10).attrs["note"] == ""


def test_a_year_that_nobody_foresaw_is_shown(ds):
    table = failure_table(ds)
    failed = table[table["all_failed"]]
    assert len(failed)
    origins = {"2016/17": 3, "2017/18": 2, "2018/19": 1}  # ahead of 2019/20
    for (origin, lead), target in failed["target"].items():
        assert target >= "2019/20", (origin, lead)
    assert table.loc[("2018/19", 1), "all_failed"]
    assert table.loc[("2018/19", 1), "bias naive"] == pytest.approx(0.53, abs=0.12)
    assert not table.loc[("2013/14", 1), "all_failed"]
    for origin, lead in origins.items():
        assert table.loc[(origin, lead), "target"] == "2019/20"
    assert table["councils"].eq(12).all()
    assert len(table) == 29  # the third year after 2020/21 is not known


def test_a_pit_table_adds_up_and_shows_a_narrow_forecaster_as_a_u():
    def drawn(sd, held, *, horizon, n_draws, seed):
        rng = np.random.default_rng(seed)
        steps = rng.normal(0, sd, (held.sizes["council"], n_draws, horizon)).cumsum(axis=2)
        years = list(year_labels(str(held["year"].to_numpy()[-1]), horizon + 1)[1:])
        return xr.DataArray(
            held.to_numpy()[:, -1, None, None] * np.exp(steps),
            {"council": held["council"].to_numpy(), "year": years},
            ("council", "draw", "year"),
        )

    steps = np.random.default_rng(2).normal(0, 0.1, (40, 20))
    rows = history(100 * np.exp(steps.cumsum(axis=1)))
    both = {"true": functools.partial(drawn, 0.1), "narrow": functools.partial(drawn, 0.03)}
    origins = list(year_labels("2007/08", 16))
    found = mtfs.backtest(rows, both, origins=origins, horizon=1, n_draws=99, seed=1)
    table = pit_table(found, bins=5, n_boot=200)
    assert table["share"].groupby("forecaster").sum().to_dict() == pytest.approx(
        {"true": 1, "narrow": 1, "naive": 1, "drift": 1}
    )
    error = np.sqrt(0.2 * 0.8 / (40 * 16))
    assert table.loc["true", "share"].to_numpy() == pytest.approx(np.full(5, 0.2), abs=4 * error)
    assert (table.loc["narrow", "share_low"].iloc[[0, 4]] > 0.2).all()
    assert table.loc["true", "low"].tolist() == [0, 0.2, 0.4, 0.6, 0.8]


def test_a_forecast_that_never_errs_has_no_skill_to_compare_with():
    rows = history([[100.0] * 8, [50.0] * 8])
    found = score_table(
        mtfs.backtest(rows, {"same": naive}, origins=["2008/09"], horizon=1, seed=1, n_draws=40)
    )
    assert found["crps"].tolist() == [0, 0, 0]
    assert found["skill_naive"].isna().all()


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda ds: score_table(ds["crps"]), r"expected a Dataset from mtfs.backtest\(\)"),
        (lambda ds: score_table(ds.isel(lead=0)), "has lost its dimension 'lead'"),
        (lambda ds: score_table(ds, by="leads"), "by is 'leads'.*Did you mean 'lead'"),
        (lambda ds: score_table(ds, prob=1), "prob is 1"),
        (lambda ds: score_table(ds, block=11), "block is 11; expected at most .* 10"),
        (lambda ds: pit_table(ds, block=11), "block is 11; expected at most the number of origins"),
        (lambda ds: score_table(ds, n_boot=0), "n_boot is 0"),
        (lambda ds: failure_table(ds, prob=0.9), "prob is 0.9; the backtest has intervals of 0.5"),
        (lambda ds: pit_table(ds, bins=0), "bins is 0"),
        (lambda ds: score_table(ds.isel(council=[])), "no outcome of the backtest is scored"),
        (lambda ds: status_table(3), "expected a Dataset"),
    ],
)
def test_wrong_input_is_answered(ds, call, match):
    with pytest.raises(MtfsError, match=match):
        call(ds)
