"""A whole council on paper; sums that hold for every plan; the same numbers again."""

import numpy as np
import pytest
from councils import BUDGET, council, first, run
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import doubled, mappings, plans

from mtfs import Plan, project_gap

# A council on paper: one year of everything, by hand

PAPER = {
    "council": "Papershire",
    "first_year": "2026/27",
    "horizon": 2,
    "base_gap": 40_000.0,
    "drivers": [{"name": "cpi", "central": 0.02}],
    "lines": [
        {
            "kind": "care",
            "name": "home care",
            "people": 100.0,
            "weekly_cost": 500.0,
            "weeks": 52.0,
            "price_growth": 0.04,
            "client_income": 0.1,
        },
        {"kind": "pay", "name": "staff", "pay": 1_000_000.0, "award": 0.03, "pension": 0.2},
        {
            "kind": "contract",
            "name": "waste",
            "base": 500_000.0,
            "growth": "cpi",
            "review_month": 7,
        },
        {"kind": "fees", "name": "parking", "income": 200_000.0, "price_growth": 0.05},
        {
            "kind": "change",
            "name": "election",
            "cause": "election",
            "changes": [50_000.0, 0.0],
            "recurrence": "one_off",
        },
    ],
    "savings": [
        {"name": "reablement", "levels": [100_000.0, 200_000.0], "delivery": 0.8, "slipped": 0.5}
    ],
    "funding": [
        {
            "kind": "council_tax",
            "name": "tax",
            "band_d": 1500.0,
            "tax_base": 2000.0,
            "core_increase": 0.03,
            "asc_precept": 0.02,
            "tax_base_growth": 0.01,
        },
        {"kind": "rsg", "name": "rsg", "amount": 300_000.0},
    ],
    "one_offs": [
        {"kind": "reserve", "name": "support", "fund": "general", "amounts": [60_000.0, 0.0]}
    ],
    "reserves": {
        "funds": [{"name": "general", "opening": 2_000_000.0}],
        "surplus_to": "general",
        "closure": {"policy": "none"},
    },
}


def test_a_council_on_paper():
    ds = project_gap(PAPER, n_draws=2, seed=1)
    care = [100 * 500 * 52 * 1.04 * 0.9, 100 * 500 * 52 * 1.04**2 * 0.9]
    staff = [1_000_000 * 1.03 * 1.2, 1_000_000 * 1.03**2 * 1.2]
    waste = [500_000 * (0.5 + 0.5 * 1.02), 500_000 * (0.5 * 1.02 + 0.5 * 1.02**2)]
    parking = [-210_000, -220_500]
    election = [50_000, 0]
    carried = [40_000, 40_000]
    saved = [80_000, 0.8 * 200_000 + 0.2 * 0.5 * 100_000]
    tax = [1500 * 1.05 * 2000 * 1.01, 1500 * 1.05**2 * 2000 * 1.01**2]
    cost = [sum(each) for each in zip(care, staff, waste, parking, election, carried, strict=True)]
    gap = [cost[t] - saved[t] - tax[t] - 300_000 for t in (0, 1)]
    planned = [gap[0] + saved[0] - 100_000, gap[1] + saved[1] - 200_000]
    assert first(ds["gap_before_savings"]) == pytest.approx([gap[0] + saved[0], gap[1] + saved[1]])
    assert first(ds["saving_delivered"]) == pytest.approx([80_000, 170_000])
    assert first(ds["requirement"]) == pytest.approx([cost[0] - saved[0], cost[1] - saved[1]])
    assert first(ds["funding"]) == pytest.approx([tax[0] + 300_000, tax[1] + 300_000])
    assert first(ds["gap"]) == pytest.approx(gap)
    assert first(ds["annual_gap"]) == pytest.approx([gap[0], gap[1] - gap[0]])
    assert first(ds["gap_after_one_offs"]) == pytest.approx([gap[0] - 60_000, gap[1]])
    assert first(ds["reserve"]) == pytest.approx([2_000_000 - gap[0], 2_000_000 - gap[0] - gap[1]])
    assert ds["planned_gap"].values.tolist() == pytest.approx(planned)
    assert ds["planned_gap_after_one_offs"].values.tolist() == pytest.approx(
        [planned[0] - 60_000, planned[1]]
    )
    assert first(ds["pressure"].sel(cause="price"))[0] == pytest.approx(
        care[0] / 1.04 * 0.04 + 5_000 - 10_000
    )
    # 2,433,600 + 1,236,000 + 505,000 - 210,000 + 50,000 + 40,000 - 80,000 - 3,181,500 - 300,000
    assert gap[0] == pytest.approx(493_100)


# Sums that hold for every plan


@given(plans())
def test_lines_savings_and_income_add_up_to_the_gap(plan):
    ds = run(plan, n_draws=8)
    np.testing.assert_array_equal(ds["gap"], ds["requirement"] - ds["funding"])
    saved = ds["saving_delivered"].sum("scheme") if "saving_delivered" in ds else 0.0
    income = ds["income"].sum("source") if "income" in ds else 0.0
    cost = ds["cost"].sum("line")
    scale = float(np.abs(ds["cost"]).max()) + 1
    for found, expected in (
        (ds["gap"], cost - saved - income),
        (ds["requirement"], cost - saved),
        (ds["funding"], income + 0 * cost),
        (ds["gap_before_savings"], cost - income),
        (ds["annual_gap"].cumsum("year"), ds["gap"]),
        (ds["planned_gap"], ds["planned_requirement"] - ds["planned_funding"]),
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * scale)
    taken = ds["one_off"].sum("one_off_source") if "one_off" in ds else 0.0
    np.testing.assert_allclose(ds["gap_after_one_offs"], ds["gap"] - taken, atol=1e-9 * scale)
    for name in ds.data_vars:
        assert np.isfinite(ds[name]).all(), name
        assert ds[name].attrs["units"]


@settings(max_examples=settings.default.max_examples // 2)
@given(plans())
def test_pressures_add_up_to_the_growth_of_lines(plan):
    bare = plan.with_changes(
        {"funding": [g for g in plan.funding if g.name not in {"fenced", "grant"}]}
    )
    funds = [
        f.model_copy(update={"tied_to": None, "planned_use": 0.0}) for f in plan.reserves.funds
    ]
    ds = run(bare.with_changes({"reserves.funds": funds}), n_draws=4)
    growth = ds["cost"].sum("line") - ds["pressure"].sum("cause")
    scale = float(np.abs(ds["cost"]).max()) + 1
    one = growth.isel(draw=0, year=0)  # the base year's cost, the same in every draw and year
    np.testing.assert_allclose(growth, np.full(growth.shape, one), atol=1e-8 * scale)


@given(plans(certain=True))
def test_zero_spread_and_full_delivery_are_the_councils_own_table(plan):
    ds = run(plan, n_draws=2)
    for name in ds.data_vars:
        if f"planned_{name}" in ds:
            planned = ds[f"planned_{name}"].broadcast_like(ds[name]).transpose(*ds[name].dims)
            np.testing.assert_allclose(ds[name], planned, rtol=1e-9, atol=1e-3, err_msg=name)


@settings(max_examples=settings.default.max_examples // 2)
@given(mappings())
def test_doubling_all_pounds_doubles_the_gap(data):
    twice = {key: doubled(value) if key != "drivers" else value for key, value in data.items()}
    twice["base_gap"] = 2 * data["base_gap"]
    one, two = run(Plan.model_validate(data), n_draws=5), run(Plan.model_validate(twice), n_draws=5)
    for name in (
        "gap_before_savings",
        "gap",
        "gap_after_one_offs",
        "shortfall",
        "unfunded",
        "reserve",
        "planned_gap",
    ):
        np.testing.assert_allclose(two[name], 2 * one[name], rtol=1e-12, err_msg=name)


@settings(max_examples=settings.default.max_examples // 2)
@given(mappings(), st.floats(0.1, 0.9))
def test_splitting_a_line_in_two_changes_nothing(data, part):
    line = next(
        (
            ln
            for ln in data["lines"]
            if ln["kind"] not in {"risk", "contingency", "prevention"}
            and "dispersion" not in ln
            and "entries" not in ln  # prevention names it
            and ln["name"] != "roads"
            and not any(
                ln["name"] == to["line"] for p in data["lines"] for to in p.get("instead", ())
            )
        ),
        None,
    )
    assume(line is not None)
    assume(all(ln.get("covers", "all") == "all" for ln in data["lines"]))
    share = line.get("share", 1.0)
    halves = [
        line | {"name": f"half {n}", "share": share * p} for n, p in enumerate((part, 1 - part))
    ]
    split = data | {"lines": [*(ln for ln in data["lines"] if ln is not line), *halves]}
    one, two = run(Plan.model_validate(data), n_draws=5), run(Plan.model_validate(split), n_draws=5)
    for name in ("gap", "planned_gap", "reserve", "pressure"):
        a, b = one[name], two[name]
        if name == "pressure":
            b = b.sel(cause=a["cause"])
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-3, err_msg=name)


@settings(max_examples=settings.default.max_examples // 2)
@given(mappings(), st.floats(0, 1), st.floats(0, 1))
def test_more_delivery_never_widens_the_gap(data, one, two):
    assume(data["savings"])
    low, high = sorted((one, two))

    def gap(share):
        schemes = []
        for scheme in data["savings"]:
            levels = scheme["levels"]
            levels = sorted(levels) if isinstance(levels, list) else levels
            kept = {k: v for k, v in scheme.items() if k not in {"rag", "delivery"}}
            schemes.append(kept | {"levels": levels, "delivery": share})
        return run(Plan.model_validate(data | {"savings": schemes}), n_draws=8)["gap"].values

    assert (gap(high) <= gap(low) + 1e-3).all()


def test_a_plan_of_one_line_keeps_only_what_it_has():
    ds = run(council(lines=[BUDGET]))
    assert not {
        "income",
        "saving_delivered",
        "reserve",
        "one_off",
        "memorandum",
        "people",
        "path",
    } & set(ds)
