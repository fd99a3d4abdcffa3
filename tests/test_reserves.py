"""Reserves: closure policies, the order of funds, one-off sources and memorandum balances."""

import numpy as np
import pytest
from councils import BUDGET, YEARS, council, first, run
from hypothesis import given, settings
from strategies import plans

from mtfs import PlanError

GENERAL = {"name": "general", "opening": 250.0}


def gapped(*funds, policy="none", base_gap=100.0, closure=None, **parts):
    """A council with a level gap and nothing else."""
    reserves = {
        "funds": list(funds or [GENERAL]),
        "surplus_to": (funds or [GENERAL])[0]["name"],
        "closure": {"policy": policy} | (closure or {}),
    }
    return run(
        council(base_gap=base_gap, lines=[BUDGET | {"base": 0.0}], reserves=reserves, **parts),
        n_draws=1,
    )


# Closure policies


def test_with_no_closure_the_whole_gap_falls_on_reserves_every_year():
    ds = gapped()
    assert first(ds["gap"]) == [100] * 4
    assert first(ds["shortfall"]) == [100] * 4
    assert first(ds["reserve"]) == [150, 50, 0, 0]
    assert first(ds["unfunded"]) == [0, 0, 50, 100]


def test_a_plan_closes_each_years_planned_gap_with_a_risk_of_its_own():
    ds = gapped(policy="plan", closure={"delivery": 0.5, "slipped": 0.5})
    # 50 of 100 in the first year, half of the other 50 a year on; the rest never
    assert first(ds["shortfall"]) == [50, 25, 25, 25]
    assert first(ds["reserve"]) == [200, 175, 150, 125]
    assert first(ds["gap"]) == [100] * 4  # the policy does not touch the gap


def test_closure_follows_the_steps_of_a_growing_gap():
    line = {"kind": "change", "name": "growth", "cause": "demand", "changes": [0.0, 40.0, 0.0, 0.0]}
    plan = council(
        base_gap=100.0,
        lines=[line],
        reserves={
            "funds": [GENERAL],
            "surplus_to": "general",
            "closure": {"delivery": 0.5, "slipped": 0.0},
        },
    )
    assert first(run(plan, n_draws=1)["shortfall"]) == [50, 70, 70, 70]


def test_a_gap_that_eases_needs_no_closure_for_the_part_that_went():
    line = {
        "kind": "change",
        "name": "election",
        "cause": "one-off",
        "changes": [40.0, 0.0, 0.0, 0.0],
        "recurrence": "one_off",
    }
    plan = council(
        base_gap=100.0,
        lines=[line],
        reserves={"funds": [GENERAL], "surplus_to": "general", "closure": {"delivery": 1.0}},
    )
    ds = run(plan, n_draws=1)
    assert first(ds["gap"]) == [140, 100, 100, 100]
    assert first(ds["shortfall"]) == [0] * 4


def test_full_delivery_of_the_plans_closure_leaves_reserves_alone():
    assert first(gapped(policy="plan", closure={"delivery": 1.0})["reserve"]) == [250] * 4


def test_a_council_that_responds_closes_last_years_shortfall_too():
    ds = gapped(policy="respond", closure={"delivery": 0.5, "slipped": 0.0})
    # 100 - 50; then 100 - 50 - half of 50; then half of that again
    assert first(ds["shortfall"]) == [50, 25, 12.5, 6.25]
    assert first(ds["reserve"]) == [200, 175, 162.5, 156.25]


def test_a_response_leaves_alone_what_slipped_and_comes_by_itself():
    ds = gapped(policy="respond", closure={"delivery": 0.5, "slipped": 0.5})
    # 50 short, of which 25 come a year later; half of the other 25 is met by the response
    assert first(ds["shortfall"]) == [50, 12.5, 6.25, 3.125]


def test_closure_meets_the_planned_gap_and_reserves_the_variance():
    drivers = [{"name": "cpi", "central": 0.0, "sd": 0.1, "persistence": 0}]
    reserves = {
        "funds": [GENERAL | {"opening": 1e6}],
        "surplus_to": "general",
        "closure": {"delivery": 1.0},
    }
    plan = council(drivers=drivers, lines=[BUDGET | {"growth": "cpi"}], reserves=reserves)
    ds = run(plan, n_draws=50)
    np.testing.assert_allclose(ds["shortfall"], ds["gap"] - ds["planned_gap"], atol=1e-6)


def test_a_planned_surplus_is_not_given_away():
    assert first(gapped(policy="plan", base_gap=-30.0)["reserve"]) == [280, 310, 340, 370]


def test_delivery_of_closure_is_uncertain_unless_stated():
    plan = council(base_gap=100.0, lines=[BUDGET | {"base": 0.0}])
    share = 1 - run(plan, n_draws=20_000)["shortfall"].isel(year=0) / 100
    assert float(share.mean()) == pytest.approx(0.82, abs=4 * 0.16 / np.sqrt(20_000))
    assert float(share.std()) == pytest.approx(0.16, rel=0.03)


# Funds


def test_funds_meet_a_shortfall_in_order_and_the_rest_is_unfunded():
    held = {"name": "insurance", "opening": 500.0, "meets_shortfall": False}
    ds = gapped(
        {"name": "smoothing", "opening": 120.0}, held, {"name": "general", "opening": 100.0}
    )
    assert first(ds["reserve"].sel(fund="smoothing")) == [20, 0, 0, 0]
    assert first(ds["reserve"].sel(fund="insurance")) == [500] * 4
    assert first(ds["reserve"].sel(fund="general")) == [100, 20, 0, 0]
    assert first(ds["unfunded"]) == [0, 0, 80, 100]
    assert ds["usable"].values.tolist() == [True, False, True]


def test_a_surplus_goes_to_its_fund():
    funds = [{"name": "smoothing", "opening": 0.0}, {"name": "general", "opening": 10.0}]
    reserves = {"funds": funds, "surplus_to": "general", "closure": {"policy": "none"}}
    ds = run(council(base_gap=-30.0, lines=[BUDGET | {"base": 0.0}], reserves=reserves), n_draws=1)
    assert first(ds["reserve"].sel(fund="general")) == [40, 70, 100, 130]
    assert first(ds["reserve"].sel(fund="smoothing")) == [0] * 4
    assert first(ds["unfunded"]) == [0] * 4


def test_a_contribution_is_cost_and_is_there_to_be_used():
    ds = gapped(
        {"name": "general", "opening": 0.0, "contributions": [70.0, 0.0, 0.0, 0.0]}, base_gap=0.0
    )
    assert first(ds["gap"]) == [70, 0, 0, 0]
    assert first(ds["cost"].sel(line="contribution to general")) == [70, 0, 0, 0]
    assert first(ds["reserve"]) == [0] * 4  # what was paid in met the gap that paying in made


def tied(use, opening=150.0, **parts):
    funds = [
        GENERAL,
        {"name": "roads fund", "opening": opening, "tied_to": "roads", "planned_use": use},
    ]
    reserves = {"funds": funds, "surplus_to": "general", "closure": {"policy": "none"}}
    return run(council(lines=[BUDGET], reserves=reserves, **parts), n_draws=1)


def test_a_tied_fund_nets_off_its_line_as_far_as_it_goes():
    ds = tied([100.0, 100.0, 0.0, 10.0])
    assert first(ds["cost"]) == [900, 950, 1000, 1000]
    assert first(ds["gap"]) == [900, 950, 1000, 1000]
    assert first(ds["reserve"].sel(fund="roads fund")) == [50, 0, 0, 0]


def test_a_tied_fund_pays_no_more_than_its_line_costs():
    ds = tied([5000.0, 0.0, 0.0, 0.0], opening=9000.0)
    assert first(ds["cost"]) == [0, 1000, 1000, 1000]
    assert first(ds["reserve"].sel(fund="roads fund")) == [8000] * 4


def test_a_tied_fund_takes_the_rest_of_a_grant():
    grant = {
        "kind": "grant",
        "name": "grant",
        "amount": [1200.0, 0.0, 0.0, 0.0],
        "ring_fenced_to": "roads",
        "rest_to": "roads fund",
    }
    ds = tied([0.0, 500.0, 0.0, 0.0], funding=[grant])
    assert first(ds["cost"]) == [0, 1000 - 350, 1000, 1000]
    assert first(ds["reserve"].sel(fund="roads fund")) == [350, 0, 0, 0]


def test_minimum_levels_are_reported():
    funds = [
        GENERAL | {"minimum_share": 0.05, "general": True},
        {"name": "smoothing", "opening": 0.0, "minimum": 7.0},
    ]
    reserves = {"funds": funds, "surplus_to": "general"}
    ds = run(council(lines=[BUDGET], reserves=reserves))
    assert ds["reserve_minimum"].sel(fund="general").values.tolist() == [50] * 4
    assert ds["reserve_minimum"].sel(fund="smoothing").values.tolist() == [7] * 4
    assert ds["general"].values.tolist() == [True, False]


# One-off sources


def test_a_one_off_lowers_its_year_and_raises_the_next_step():
    # Gateshead 2025-30 publishes these levels, reserves of 8.5 and 4.0, and the steps below
    levels = {
        "kind": "change",
        "name": "levels",
        "cause": "all",
        "levels": [13.324, 23.047, 30.016, 30.016],
    }
    source = {
        "kind": "reserve",
        "name": "support",
        "fund": "general",
        "amounts": [8.5, 4.0, 0.0, 0.0],
    }
    reserves = {"funds": [GENERAL], "surplus_to": "general", "closure": {"policy": "none"}}
    ds = run(council(lines=[levels], one_offs=[source], reserves=reserves), n_draws=1)
    after = ds["gap_after_one_offs"].isel(draw=0).values
    assert after == pytest.approx([4.824, 19.047, 30.016, 30.016])
    assert np.diff(after, prepend=0)[:3] == pytest.approx([4.824, 14.223, 10.969])


def test_a_one_off_uses_no_more_than_the_fund_holds():
    source = {"kind": "reserve", "name": "support", "fund": "general", "amounts": 100.0}
    ds = gapped(base_gap=0.0, one_offs=[source])
    # 100, 100, then the 50 that is left; each makes a surplus that goes back to the fund
    assert first(ds["one_off"]) == [100] * 4
    spend = gapped(base_gap=100.0, one_offs=[source])
    assert first(spend["one_off"]) == [100, 100, 50, 0]
    assert first(spend["gap_after_one_offs"]) == [0, 0, 50, 100]
    assert first(spend["unfunded"]) == [0, 0, 50, 100]


def test_receipts_lower_the_gap_after_one_offs_alone():
    ds = gapped(one_offs=[{"kind": "receipt", "name": "land", "amounts": [30.0, 0.0, 0.0, 0.0]}])
    assert first(ds["gap"]) == [100] * 4
    assert first(ds["gap_after_one_offs"]) == [70, 100, 100, 100]


# Memorandum


def memorandum(**fields):
    return {"name": "DSG", "opening": 200.0, "deficits": 50.0, "rate": 0.1} | fields


def test_a_memorandum_balance_is_outside_the_gap_and_its_interest_inside():
    ds = run(council(lines=[BUDGET], memorandum=[memorandum()]), n_draws=1)
    assert first(ds["memorandum"]) == [250, 300, 350, 400]
    assert first(ds["cost"].sel(line="DSG: interest")) == pytest.approx([20, 25, 30, 35])
    assert first(ds["gap"]) == pytest.approx([1020, 1025, 1030, 1035])


def test_a_surplus_balance_bears_no_interest():
    ds = run(
        council(lines=[BUDGET], memorandum=[memorandum(opening=-20.0, deficits=10.0)]), n_draws=1
    )
    assert first(ds["cost"].sel(line="DSG: interest")) == [0, 0, 0, 1]


def test_when_an_override_ends_the_balance_falls_on_reserves():
    ends = {"year": YEARS[1], "probability": 1.0, "share": 0.4}
    fund = {"name": "general", "opening": 1000.0}
    ds = gapped(fund, base_gap=0.0, memorandum=[memorandum(rate=0.0, override=ends)])
    # 40% of the 300 at the end of the second year, then of each later deficit
    assert first(ds["reserve"]) == [1000, 880, 860, 840]
    assert first(ds["memorandum"]) == [250, 180, 210, 240]
    assert first(ds["gap"]) == [0] * 4
    assert first(ds["shortfall"]) == [0] * 4


def test_an_override_ends_in_its_share_of_draws():
    n = 10_000
    ends = {"year": YEARS[0], "probability": 0.3}
    plan = council(lines=[BUDGET], memorandum=[memorandum(override=ends)])
    balance = run(plan, n_draws=n)["memorandum"].squeeze().values
    assert (balance[:, 0] == 0).mean() == pytest.approx(0.3, abs=4 * 0.46 / np.sqrt(n))
    never = run(
        council(lines=[BUDGET], memorandum=[memorandum(override=ends | {"probability": 0.0})])
    )
    assert first(never["memorandum"]) == [250, 300, 350, 400]


# Conservation


@settings(max_examples=settings.default.max_examples // 2)
@given(plans())
def test_no_pound_of_reserves_is_made_or_lost(plan):
    ds = run(plan, n_draws=6)
    funds = plan.reserves.funds
    closing = ds["reserve"].sum("fund")
    opening = closing.shift(year=1, fill_value=sum(fund.opening for fund in funds))
    lines = {str(name) for name in ds["line"].values}
    paid_in = sum(
        ds["cost"].sel(line=f"contribution to {fund.name}")
        for fund in funds
        if f"contribution to {fund.name}" in lines
    )
    drawn = [source.name for source in plan.one_offs if source.kind == "reserve"]
    used = ds["one_off"].sel(one_off_source=drawn).sum("one_off_source") if drawn else 0.0
    call = ds["shortfall"] + ds.get("reserve_interest", 0.0)
    if plan.memorandum:
        outside = ds["memorandum"].sum("balance")
        item = plan.memorandum[0]
        added = np.cumsum(np.broadcast_to(np.asarray(item.deficits), plan.horizon)) + item.opening
        grown = outside.copy(data=np.broadcast_to(added, outside.shape)) - outside
        call = call + grown - grown.shift(year=1, fill_value=0.0)
    rest = 0.0
    fenced = plan.ring_fenced_grants()
    tied = [fund for fund in funds if fund.tied_to]
    if fenced or tied:  # money that enters or leaves through the one line they belong to, roads
        bare = [g for g in plan.funding if g not in fenced]
        loose = [f.model_copy(update={"tied_to": None, "planned_use": 0.0}) for f in funds]
        free = plan.with_changes({"funding": bare, "reserves.funds": loose})
        netted = run(free, n_draws=6)["cost"].sel(line="roads") - ds["cost"].sel(line="roads")
        rest = sum(g.amount for g in fenced) - netted
    absorbed = call - ds["unfunded"]  # negative where it is a surplus
    np.testing.assert_allclose(
        (opening + paid_in + rest - used - absorbed).transpose(*closing.dims),
        closing,
        rtol=1e-9,
        atol=1e-3,
    )
    assert float(ds["reserve"].min()) >= -1e-6
    assert float(ds["unfunded"].min()) >= 0


# Wrong reserves


@pytest.mark.parametrize(
    ("reserves", "says"),
    [
        ({"funds": [GENERAL]}, "say which fund takes a surplus: one of general"),
        (
            {"funds": [GENERAL], "surplus_to": "genral"},
            "uses fund 'genral'.*Did you mean 'general'",
        ),
        ({"funds": [GENERAL, GENERAL], "surplus_to": "general"}, "'general' is used 2 times"),
        (
            {"funds": [GENERAL | {"tied_to": "roads"}], "surplus_to": "general"},
            "a surplus needs another fund",
        ),
        (
            {"funds": [GENERAL | {"planned_use": 5.0}], "surplus_to": "general"},
            "'planned_use' goes with 'tied_to'",
        ),
        (
            {"funds": [GENERAL | {"minimum": 1.0, "minimum_share": 0.1}], "surplus_to": "general"},
            "give the minimum .*in GBP",
        ),
        (
            {
                "funds": [GENERAL | {"general": True}, GENERAL | {"name": "b", "general": True}],
                "surplus_to": "b",
            },
            "there is one",
        ),
        ({"funds": [GENERAL | {"opening": -1.0}], "surplus_to": "general"}, "at least 0"),
        (
            {
                "funds": [GENERAL, GENERAL | {"name": "t", "tied_to": "rods"}],
                "surplus_to": "general",
            },
            "uses line 'rods'",
        ),
        ({"closure": {"policy": "hope"}}, "found 'hope'"),
    ],
    ids=range(10),
)
def test_reserves_that_cannot_be_say_what_to_do(reserves, says):
    with pytest.raises(PlanError, match=says):
        council(lines=[BUDGET], reserves=reserves)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"kind": "reserve"}, "'fund' goes with kind 'reserve'"),
        ({"kind": "receipt", "fund": "general"}, "'fund' goes with kind 'reserve'"),
        ({"kind": "efs"}, "'repay_years' goes with kind 'efs'"),
        ({"kind": "reserve", "fund": "tied"}, "tied"),
    ],
    ids=range(4),
)
def test_one_off_sources_that_cannot_be_say_what_to_do(source, says):
    reserves = {
        "funds": [GENERAL, {"name": "tied", "opening": 50.0, "tied_to": "roads"}],
        "surplus_to": "general",
    }
    with pytest.raises(PlanError, match=says):
        council(
            lines=[BUDGET],
            one_offs=[{"name": "source", "amounts": 1.0} | source],
            reserves=reserves,
        )


def test_an_override_ends_in_a_year_of_the_plan():
    with pytest.raises(PlanError, match="is 2040/41; the plan's years are 2026/27 to 2029/30"):
        council(
            lines=[BUDGET],
            memorandum=[memorandum(override={"year": "2040/41", "probability": 0.5})],
        )
