"""Adequacy of reserves: the opening balance that survives, and what happens with less."""

import math

import numpy as np
import pytest
import xarray as xr
from councils import BUDGET, YEARS, council, run
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import norm
from strategies import plans

import mtfs
from mtfs import MtfsError

POLICIES = ("none", "plan", "respond")
NOTHING = BUDGET | {"base": 0.0}


def reserves(opening, *more, **closure):
    funds = [{"name": "general", "opening": opening}, *more]
    return {"funds": funds, "surplus_to": "general", "closure": {"policy": "none"} | closure}


def gapped(opening=25.0, base_gap=10.0, **parts):
    """A council with a gap of 10 a year and nothing else."""
    held = {"lines": [NOTHING], "reserves": reserves(opening)}
    return council(base_gap=base_gap, **(held | parts))


def with_usable(plan, opening):
    """The same plan with another sum of usable openings, the slow way."""
    data = plan.model_dump(exclude_none=True)
    usable = [fund for fund in data["reserves"]["funds"] if _usable(fund)]
    more = opening - sum(fund["opening"] for fund in usable)
    for fund in usable:
        was = fund["opening"]
        fund["opening"] = max(was + more, 0.0)
        more -= fund["opening"] - was
    return data


def _usable(fund):
    return fund["meets_shortfall"] and fund.get("tied_to") is None


def survivors(plan, opening, policy, n_draws=40):
    """Share of draws in which nothing stays unfunded when the plan runs with another opening."""
    data = with_usable(plan, opening)
    data["reserves"]["closure"]["policy"] = policy
    ds = mtfs.project_gap(data, n_draws=n_draws, seed=1, keep="totals")
    return float((ds["unfunded"].sum("year") < 0.01).mean())


# By hand


def test_a_gap_of_ten_a_year_needs_the_sum_of_the_gaps():
    found = mtfs.reserve_adequacy(gapped(), policies=["none"], n_draws=3, seed=1).isel(closure=0)
    assert found["opening_needed"].item() == 40  # 4 years of 10
    assert found["opening"].item() == 25
    assert found["margin"].item() == -15
    assert found["exhausted"].values.tolist() == [0, 0, 1, 0]  # 20 of 25 in two years
    assert found["exhausted_by"].values.tolist() == [0, 0, 1, 1]
    assert found["never_exhausted"].item() == 0
    assert found["median_year"].item() == YEARS[2]
    for name in ("unfunded_mean", "unfunded_shortfall", "unfunded_if_exhausted"):
        assert found[name].item() == pytest.approx(15)
        assert found[f"{name}_se"].item() == 0


def test_a_gap_that_closes_as_planned_needs_nothing():
    held = reserves(25.0, delivery=1.0)
    found = mtfs.reserve_adequacy(gapped(reserves=held), n_draws=3, seed=1)
    assert found["opening_needed"].values.tolist() == [40, 0, 0]
    assert found["never_exhausted"].values.tolist() == [0, 1, 1]
    assert found["median_year"].values.tolist() == [YEARS[2], "never", "never"]
    assert np.isnan(found["unfunded_if_exhausted"].values[1:]).all()
    assert found["unfunded_shortfall"].values.tolist() == [15, 0, 0]


def test_what_is_paid_in_and_a_surplus_in_between_count_where_they_come():
    change = {"kind": "change", "name": "events", "cause": "x", "levels": [50.0, -30.0, 60.0, 0.0]}
    found = mtfs.reserve_adequacy(
        gapped(0.0, base_gap=0.0, lines=[change]), policies=["none"], n_draws=2, seed=1
    )
    # 50, then 30 come back, then 60: 80 below the start at the worst
    assert found["opening_needed"].item() == 80


def test_money_that_may_meet_no_shortfall_is_no_opening():
    held = {"name": "insurance", "opening": 1000.0, "meets_shortfall": False}
    plan = gapped(reserves=reserves(25.0, held, {"name": "smoothing", "opening": 5.0}))
    found = mtfs.reserve_adequacy(plan, policies=["none"], n_draws=2, seed=1)
    assert found["opening"].item() == 30
    assert found["opening_needed"].item() == 40


def test_interest_on_the_balances_themselves_is_counted():
    line = {"kind": "balances", "name": "interest", "rate": 0.1, "funds": ["general"]}
    plan = council(horizon=2, base_gap=100.0, lines=[line], reserves=reserves(50.0))
    found = mtfs.reserve_adequacy(plan, policies=["none"], n_draws=2, seed=1)
    # with x: 100 - x/10 a year, and in the second a tenth of what the first took:
    # x - 2 (100 - x/10) - (100 - x/10) / 10 = 1.21 x - 210
    assert found["opening_needed"].item() == pytest.approx(210 / 1.21, abs=0.01)


def test_sums_in_points_of_council_tax():
    tax = {
        "kind": "council_tax",
        "name": "council tax",
        "base_income": 200.0,
        "core_increase": [0.02, 0.0, 0.0, 0.0],
        "asc_precept": [0.02, 0.0, 0.0, 0.0],
        "tax_base_growth": [0.5, 0.0, 0.0, 0.0],
    }
    # 200 x 1.5 x 1.04 = 312 a year; a point on the rise of the first year brings 3.00
    plan = gapped(base_gap=322.0, funding=[tax])
    found = mtfs.reserve_adequacy(plan, policies=["none"], n_draws=2, seed=1).isel(closure=0)
    assert found["council_tax_percent"].item() == pytest.approx(3.0)
    assert found["opening_needed_percent"].item() == pytest.approx(40 / 3)
    assert found["margin_percent"].item() == pytest.approx(-15 / 3)
    assert "2026/27" in found.attrs["council_tax"]


def test_a_plan_without_council_tax_says_so():
    found = mtfs.reserve_adequacy(gapped(), n_draws=2, seed=1)
    assert not [name for name in found if "percent" in name]
    assert "the plan has none" in found.attrs["council_tax"]


# Against what is known of distributions


def normal(opening, mean=10e6, sd=20e6):
    driver = {"name": "growth", "central": mean / 1e9, "sd": sd / 1e9, "persistence": 0}
    line = {"kind": "budget", "name": "roads", "base": 1e9, "growth": "growth"}
    return council(
        horizon=1, base_gap=-1e9, drivers=[driver], lines=[line], reserves=reserves(opening)
    )


def test_a_normal_gap_of_one_year_needs_its_quantile():
    mean, sd, opening, level = 10e6, 20e6, 15e6, 0.95
    found = mtfs.reserve_adequacy(normal(opening), level=level, policies=["none"], seed=1)
    found = found.isel(closure=0)
    z = (opening - mean) / sd
    positive = sd * norm.pdf(z) - (opening - mean) * norm.sf(z)
    known = {
        "opening_needed": mean + sd * norm.ppf(level),
        "unfunded_mean": positive,
        "unfunded_shortfall": mean - opening + sd * norm.pdf(norm.ppf(level)) / (1 - level),
        "unfunded_if_exhausted": positive / norm.sf(z),
        "never_exhausted": norm.cdf(z),
    }
    for name, value in known.items():
        error = found[f"{name}_se"].item()
        assert 0 < error < 0.05 * abs(value)
        assert found[name].item() == pytest.approx(value, abs=4 * error)
    balances = found["balance"].values
    curve, error = found["survival"].values, found["survival_se"].values
    np.testing.assert_array_less(
        abs(curve - norm.cdf((balances - mean) / sd)), 4.5 * np.maximum(error, 1e-3)
    )


def test_standard_errors_are_as_wide_as_the_spread_over_seeds():
    names = ("opening_needed", "unfunded_shortfall", "unfunded_mean")
    found = [
        mtfs.reserve_adequacy(normal(15e6), policies=["none"], n_draws=1000, seed=seed)
        for seed in range(30)
    ]
    for name in names:
        spread = np.std([each[name].item() for each in found], ddof=1)
        said = np.mean([each[f"{name}_se"].item() for each in found])
        # the spread of 30 runs is itself known to 1 in sqrt(60)
        assert said == pytest.approx(spread, rel=4 / math.sqrt(60))


def test_expected_shortfall_counts_the_zeros_of_the_worst_draws():
    risk = {"kind": "risk", "name": "flood", "probability": 0.02, "impact": 100.0}
    plan = council(lines=[risk | {"year": YEARS[3]}], reserves=reserves(0.0))
    found = mtfs.reserve_adequacy(plan, level=0.9, policies=["none"], n_draws=2000, seed=1)
    share = 1 - found["never_exhausted"].item()
    assert 0 < share < 0.1
    # the worst tenth: all the floods and dry draws
    assert found["unfunded_shortfall"].item() == pytest.approx(100 * share / 0.1)
    assert found["unfunded_if_exhausted"].item() == pytest.approx(100)
    assert found["opening_needed"].item() == 0  # nine in ten have no flood


# For every plan


@given(plans(), st.sampled_from([0.5, 0.75, 0.95]), st.sampled_from(POLICIES))
def test_run_again_with_what_is_needed_the_level_survives(plan, level, policy):
    found = mtfs.reserve_adequacy(plan, level=level, policies=[policy], n_draws=40, seed=1)
    needed = found["opening_needed"].item()
    assert survivors(plan, needed + 0.02, policy) >= level
    if needed > 1:
        assert survivors(plan, needed - 1, policy) < level


@given(plans(), st.floats(0, 1e8), st.sampled_from(POLICIES))
def test_more_reserves_are_never_more_exhausted(plan, more, policy):
    # without one-off uses of a fund: what one cannot take a council may plan, or respond, to close
    assume(all(source.kind != "reserve" for source in plan.one_offs))
    richer = with_usable(plan, sum(f.opening for f in plan.reserves.funds if f.absorbs) + more)
    with_less, with_more = (
        mtfs.reserve_adequacy(each, policies=[policy], n_draws=20, seed=1)
        for each in (plan, richer)
    )
    assert (with_more["exhausted_by"] <= with_less["exhausted_by"]).all()
    assert (with_more["unfunded_mean"] <= with_less["unfunded_mean"] + 0.01).all()
    np.testing.assert_allclose(
        with_more["opening_needed"], with_less["opening_needed"], rtol=1e-9, atol=0.02
    )


@given(plans())
def test_the_plans_own_policy_says_what_reserve_risk_says(plan):
    policy = plan.reserves.closure.policy
    found = mtfs.reserve_adequacy(plan, policies=[policy], n_draws=20, seed=1)
    ds = mtfs.project_gap(plan, n_draws=20, seed=1)
    unfunded = ds["unfunded"].cumsum("year")
    assume(not ((unfunded > 0) & (unfunded < 0.01)).any())  # less than a penny is rounding here
    risk = mtfs.reserve_risk(ds)
    own = found.isel(closure=0)
    assert own["exhausted_by"].values.tolist() == risk["exhausted"].tolist()
    assert own["exhausted"].values == pytest.approx(np.diff(risk["exhausted"], prepend=0))
    assert ("below_minimum" in own) == ("below_minimum" in risk)
    if "below_minimum" in risk:
        assert own["below_minimum"].values.tolist() == risk["below_minimum"].tolist()
        assert own["below_minimum_se"].values.tolist() == risk["below_minimum_se"].tolist()


def test_the_curve_meets_the_chances_at_both_openings():
    plan = mtfs.load_example("leicestershire_2024")  # which earns interest on its balances
    found = mtfs.reserve_adequacy(plan, n_draws=2000, seed=1)
    for policy in POLICIES:
        one = found.sel(closure=policy)
        curve = one["survival"]
        assert (np.diff(curve) >= 0).all()
        step = float(curve["balance"][1])
        for balance, share in (
            (one["opening"].item(), one["never_exhausted"].item()),
            (one["opening_needed"].item(), 0.95),
        ):
            if balance + step > curve["balance"][-1]:
                continue
            low = curve.sel(balance=balance, method="ffill").item()
            high = curve.sel(balance=balance + step, method="ffill").item()
            assert low <= share + 1e-3
            assert share <= high + 1e-3


def test_the_curve_is_what_the_plan_gives_with_every_opening():
    data = normal(5e6).model_dump(exclude_none=True)  # so little that years in a row go unmet
    plan = mtfs.Plan.model_validate(data | {"horizon": 4})
    curve = mtfs.reserve_adequacy(plan, policies=["none"], n_draws=40, seed=1)["survival"][0]
    for balance in curve["balance"].values[::10]:
        assert curve.sel(balance=balance).item() == survivors(plan, balance, "none")


# Doors


def test_a_projection_is_run_again_on_its_own_draws():
    plan = normal(15e6)
    ds = mtfs.project_gap(plan, n_draws=300, seed=7)
    xr.testing.assert_identical(
        mtfs.reserve_adequacy(ds), mtfs.reserve_adequacy(plan, n_draws=300, seed=7)
    )


def test_the_table_shows_the_dataset_in_millions():
    found = mtfs.reserve_adequacy(normal(15e6), n_draws=300, seed=7)
    table = mtfs.adequacy_table(found)
    assert table.index.tolist() == list(POLICIES)
    assert table["opening"].tolist() == [15.0] * 3
    assert table.loc["none", "opening_needed"] == found["opening_needed"].values[0] / 1e6
    assert table.loc["none", "exhausted"] == found["exhausted_by"].values[0, -1]
    assert table.loc["none", "exhausted_se"] == found["exhausted_by_se"].values[0, -1]
    assert table.attrs["unit"] == "GBP m"


def test_a_file_holds_it(tmp_path):
    found = mtfs.reserve_adequacy(gapped(), n_draws=2, seed=1)
    found.to_netcdf(tmp_path / "adequacy.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "adequacy.nc", engine="h5netcdf") as opened:
        xr.testing.assert_equal(opened.load().astype(found.dtypes), found)


INSURANCE = {"name": "insurance", "opening": 10.0, "meets_shortfall": False}


@pytest.mark.parametrize(
    ("plan", "options", "says"),
    [
        (gapped(), {"level": 1.0}, "level is 1; expected a share strictly between 0 and 1"),
        (gapped(), {"level": 95}, "write 95% as 0.95"),
        (gapped(), {"level": "0.95"}, "level is '0.95'; expected a share strictly between 0 and 1"),
        (gapped(), {"level": True}, "level is True; expected a share"),
        (gapped(), {"policies": None}, "policies is None; expected some of none, plan, respond"),
        (gapped(), {"policies": ["responds"]}, "'responds'. Did you mean 'respond'"),
        (gapped(), {"policies": []}, "expected some of none, plan, respond, each once"),
        (gapped(), {"policies": ["plan", "plan"]}, "each once"),
        (gapped(), {"n_draws": 0}, "n_draws is 0"),
        (council(lines=[BUDGET]), {}, "no fund that may meet a shortfall.*its funds: none"),
        (
            gapped(reserves={"funds": [INSURANCE], "surplus_to": "insurance"}),
            {},
            "no fund that may meet a shortfall.*its funds: insurance",
        ),
        ({"council": "A"}, {}, "first_year"),
        (run(gapped()), {"seed": 1}, "leave 'n_draws' and 'seed' out"),
        (run(gapped()), {"n_draws": 5}, "leave 'n_draws' and 'seed' out"),
        (mtfs.project(gapped(), {}), {}, "given scores, which it does not hold"),
        (xr.Dataset(), {}, "expected a Dataset from mtfs.project_gap"),
    ],
    ids=range(16),
)
def test_a_wrong_argument_says_what_was_expected(plan, options, says):
    with pytest.raises(MtfsError, match=says):
        mtfs.reserve_adequacy(plan, **options)


def test_a_policy_may_stand_alone():
    found = mtfs.reserve_adequacy(gapped(), policies="none", n_draws=1, seed=1)
    assert found["closure"].values.tolist() == ["none"]
    assert np.isnan(found["unfunded_mean_se"]).all()  # of one draw


def test_a_table_needs_its_dataset():
    with pytest.raises(MtfsError, match=r"from mtfs\.reserve_adequacy"):
        mtfs.adequacy_table(run(gapped()))
