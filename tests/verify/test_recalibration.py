"""What a record says of today's spread and bias, and how little it rests on."""

import math

import numpy as np
import pytest
from past_plans import EAST_SUSSEX
from scipy import stats

import mtfs
from mtfs.verify import PastPlan, recalibrate, track_record
from mtfs.verify.recalibration import Belief
from mtfs.vocabulary import MtfsError

MADE = "2025-07"  # before the budget of the first year


@pytest.fixture(scope="module")
def ds():
    """A gap of GBP 10m a year whose draws are normal round the plan, s.d. 2m in every year."""
    driver = {"name": "overspend", "central": 10e6, "sd": 2e6, "persistence": 1.0}
    line = {"kind": "change", "name": "growth", "cause": "demand", "levels": "overspend"}
    plan = {"council": "Anyshire", "first_year": "2026/27", "horizon": 3}
    return mtfs.project_gap(plan | {"drivers": [driver], "lines": [line]}, n_draws=4000, seed=1)


def record(*errors, budgets=(None, None), gap=10e6):
    """Give a record of plans made each July and settled in the February after, years apart."""
    plans = []
    for number, error in enumerate(errors):
        year = 2010 + number
        label = f"{year + 1}/{(year + 2) % 100:02d}"
        plans += [
            PastPlan(made=f"{year}-07", values={label: gap}, net_budget=budgets[0]),
            PastPlan(made=f"{year + 1}-02", values={label: gap + error}, net_budget=budgets[1]),
        ]
    return track_record(plans, quantity="gap", basis="revision")


def test_the_belief_is_the_conjugate_update_of_whole_residuals():
    residuals = np.array([1.0, -0.5, 2.0, 0.3])
    before = Belief(0.2, 1.5, 2.0, 1.7)
    one_by_one = before
    for each in residuals:
        one_by_one = one_by_one.after(np.array([each]), 1.0)
    together = before.after(residuals, 4.0)
    for name in ("mean", "plans", "shape", "scale"):
        assert getattr(together, name) == pytest.approx(getattr(one_by_one, name)), name


def test_quantiles_are_those_of_the_inverse_gamma_and_of_students_t():
    belief = Belief(0.3, 2.5, 3.5, 4.0)
    squares = stats.invgamma(3.5, scale=4.0)
    assert belief.multiplier(0.9) ** 2 == pytest.approx(squares.ppf(0.9))
    spread = math.sqrt(4.0 / (3.5 * 2.5))
    assert belief.shift(0.1) == pytest.approx(stats.t(7, 0.3, spread).ppf(0.1))


def test_before_any_record_the_spread_is_as_likely_too_wide_as_too_narrow():
    before = Belief.before()
    assert before.multiplier(0.5) == pytest.approx(1)
    assert before.multiplier(np.array([0.05, 0.95])) == pytest.approx([0.595, 2.173], abs=1e-3)
    assert before.shift(0.5) == 0


def test_residuals_are_errors_in_spreads_of_todays_draws(ds):
    found = recalibrate(record(4e6, -2e6), ds, made=MADE)
    sd, median = ds["gap"].std("draw", ddof=1)[0].item(), ds["gap"].median("draw")[0].item()
    assert found.residuals == pytest.approx([(e - (median - 10e6)) / sd for e in (4e6, -2e6)])
    assert found.independent == 2
    assert found.shift == pytest.approx(np.sum(found.residuals) / 3)


def test_a_long_record_twice_as_wide_and_shifted_is_learnt(ds):
    errors = np.random.default_rng(3).normal(2e6, 4e6, 80)
    found = recalibrate(record(*errors), ds, made=MADE)
    table = found.table(prob=0.95)
    assert table.loc["multiplier", "low"] < 2 < table.loc["multiplier", "high"]
    assert table.loc["shift", "low"] < 1 < table.loc["shift", "high"]
    assert table["prior_share"].to_dict() == pytest.approx({"multiplier": 4 / 84, "shift": 1 / 81})
    assert found.words.count("more than the prior") == 1


def test_recalibrated_draws_have_the_predictive_distribution(ds):
    found = recalibrate(record(6e6, 5e6, 7e6), ds, made=MADE)
    belief, own = found.belief, ds["gap"].isel(year=1)
    draws = found.draws(ds).isel(year=1)
    spread = math.sqrt(belief.scale * (1 + 1 / belief.plans) / belief.shape)
    expected = stats.t(2 * belief.shape, belief.mean, spread)
    for q in (0.1, 0.5, 0.9):
        at = own.median().item() + own.std(ddof=1).item() * expected.ppf(q)
        assert float((draws < at).mean()) == pytest.approx(q, abs=4 * math.sqrt(q * (1 - q) / 4000))
    assert draws.attrs["basis"] == "revision"
    assert draws.attrs["independent_plans"] == 3


def test_a_draw_that_is_stretched_more_is_shifted_less_certainly(ds):
    gap, median, sd = ds["gap"], ds["gap"].median("draw"), ds["gap"].std("draw", ddof=1)
    turned = ds.assign(gap=gap.where(gap["lead"] > 1, 2 * median - gap))
    found = recalibrate(record(6e6, 5e6, 7e6), ds, made=MADE)
    # one shift and one multiplier a draw: years whose z are opposite tell them apart
    moved = ((found.draws(turned) - median) / sd).values
    z = ((gap - median) / sd).values[:, 1]
    shift, multiplier = (moved[:, 1] + moved[:, 0]) / 2, (moved[:, 1] - moved[:, 0]) / (2 * z)
    assert multiplier.min() > 0
    scores = (shift - found.belief.mean) * math.sqrt(found.belief.plans) / multiplier
    wide = multiplier > np.median(multiplier)
    for half in (scores[wide], scores[~wide]):
        assert half.std() == pytest.approx(1, abs=5 / math.sqrt(2 * 2000))
        assert half.mean() == pytest.approx(0, abs=5 / math.sqrt(2000))


def test_quantiles_go_into_a_fan(ds):
    pytest.importorskip("matplotlib").use("Agg")
    found = recalibrate(record(6e6), ds, made=MADE).quantiles(ds, (0.1, 0.5, 0.9))
    axes = mtfs.plot.fan(found, planned=ds["planned_gap"])
    assert axes.get_ylabel().endswith("recalibrated, GBP m")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the backend is chosen

    plt.close(axes.figure)


def test_east_sussexs_record_is_worth_one_plan_and_says_so():
    ds = mtfs.project_gap(mtfs.load_example("east_sussex_2026"), n_draws=500, seed=1)
    record = track_record(EAST_SUSSEX, quantity="gap", basis="revision")
    found = recalibrate(record, ds, made="2026-02")
    # of two settled errors one was of the coming year, whose budget the plan of today is
    assert (len(found.errors), found.independent, found.left_out) == (1, 1, 1)
    assert found.table().loc["multiplier", "prior_share"] == pytest.approx(0.8)
    assert "worth 1 independent plan." in found.words
    assert "a warning, not a" in found.words
    assert "not about how far years then end from their budgets" in found.words
    every = recalibrate(record, ds, made="2026-02", open_years=True)
    assert every.independent == 1
    assert "may still be revised" in every.words


def test_a_year_whose_budget_is_set_is_not_revised(ds):
    plans = [
        PastPlan(made="2023-07", values={"2024/25": 10e6, "2025/26": 10e6}),
        PastPlan(made="2024-02", values={"2024/25": 30e6, "2025/26": 12e6}),
        PastPlan(made="2025-02", values={"2025/26": 13e6}),
    ]
    past = track_record(plans, quantity="gap", basis="revision")
    before, after = (recalibrate(past, ds, made=made) for made in ("2025-12", "2026-01"))
    assert [miss.lead for miss in before.errors] == [1, 2]
    assert [miss.lead for miss in after.errors] == [2]
    assert after.settled == ("2026/27",)
    moved = after.draws(ds)
    np.testing.assert_array_equal(moved.isel(year=0), ds["gap"].isel(year=0))
    assert (moved.isel(year=1) != ds["gap"].isel(year=1)).all()
    assert "The budget of 2026/27 is set" in after.words
    assert "is set" not in before.words
    with pytest.raises(MtfsError, match="no year whose budget is not set"):
        recalibrate(past, ds, made="2028-02")


def test_a_record_in_millions_is_no_record_of_pounds(ds):
    plans = [
        PastPlan(made="2024-07", values={"2025/26": 37.4}),
        PastPlan(made="2025-02", values={"2025/26": 55.6}),
    ]
    past = track_record(plans, quantity="gap", basis="revision")
    with pytest.raises(MtfsError, match=r"about 55\.6 and what today's plan states about 1e\+07"):
        recalibrate(past, ds, made=MADE)


def test_errors_are_shares_of_the_net_budget_where_it_is_stated(ds):
    plain = recalibrate(record(4e6), ds, made=MADE)
    scaled = recalibrate(record(2e6, budgets=(1e8, 1e8)), ds, made=MADE, net_budget=2e8)
    assert scaled.residuals == pytest.approx(plain.residuals)


def test_errors_further_ahead_than_the_plan_are_left_out_and_counted(ds):
    far = PastPlan(made="2019-07", values={"2025/26": 10e6})
    near = PastPlan(made="2024-07", values={"2025/26": 10e6})
    last = PastPlan(made="2025-02", values={"2025/26": 12e6})
    found = recalibrate(
        track_record([far, near, last], quantity="gap", basis="revision"), ds, made=MADE
    )
    assert (len(found.errors), found.left_out) == (1, 1)
    assert "left out" in found.words
    with pytest.raises(MtfsError, match="errors 6 years ahead, and the projection reaches from 1"):
        recalibrate(track_record([far, last], quantity="gap", basis="revision"), ds, made=MADE)


def test_wrong_input_is_answered(ds):
    with pytest.raises(MtfsError, match="the record is of 'gap' and the draws are of 'funding'"):
        recalibrate(record(1e6), ds, made=MADE, variable="funding")
    with pytest.raises(MtfsError, match=r"state net budgets, and net_budget= is not given"):
        recalibrate(record(1e6, budgets=(1e8, 1e8)), ds, made=MADE)
    with pytest.raises(MtfsError, match=r"net_budget= is given, and the past plans state none"):
        recalibrate(record(1e6), ds, made=MADE, net_budget=1e8)
    with pytest.raises(MtfsError, match="net_budget is -1"):
        recalibrate(record(1e6, budgets=(1e8, 1e8)), ds, made=MADE, net_budget=-1)
    with pytest.raises(MtfsError, match="say when today's plan was made"):
        recalibrate(record(1e6), ds)
    with pytest.raises(MtfsError, match="made: found '2026'; expected the month"):
        recalibrate(record(1e6), ds, made="2026")
    with pytest.raises(MtfsError, match="found a NoneType; expected a record"):
        recalibrate(None, ds)
    with pytest.raises(MtfsError, match=r"q is 0.5; expected shares"):
        recalibrate(record(1e6), ds, made=MADE).quantiles(ds, 0.5)
    with pytest.raises(MtfsError, match="have no spread in some year"):
        recalibrate(record(1e6), ds.isel(draw=[0]), made=MADE)
    with pytest.raises(MtfsError, match="lost its dimension 'year'"):
        recalibrate(record(1e6), ds.isel(year=0), made=MADE)
