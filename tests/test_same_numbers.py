"""The same numbers again: over threads, processes, prefixes, and from what a result carries."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from councils import YEARS, run
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import plans

from mtfs import MtfsError, Plan, PlanError, project, project_gap, scores_of
from mtfs.schema import require_projection
from mtfs.vocabulary import BLOCK

RICH = {
    "council": "Anyshire",
    "first_year": "2026/27",
    "drivers": [
        {
            "name": "cpi",
            "central": 0.02,
            "sd": 0.01,
            "persistence": 0.6,
            "scope": "national",
            "previous": [0.03],
        },
        {
            "name": "fees",
            "central": 0.05,
            "sd": 0.02,
            "persistence": "random_walk",
            "shape": "lognormal",
        },
        {
            "name": "kept",
            "central": 0.97,
            "sd": 0.01,
            "persistence": 0,
            "shape": "beta",
            "bounds": [0.0, 1.0],
            "stated_as": "mean",
        },
        {
            "name": "rsg",
            "mix": [{"driver": "cpi", "weight": 1.0, "lag": 1}],
            "sd": 0.005,
            "persistence": 0,
        },
    ],
    "correlations": [{"between": ["cpi", "fees"], "value": 0.5}],
    "lines": [
        {
            "kind": "care",
            "name": "care",
            "people": 80.0,
            "weekly_cost": 6100.0,
            "price_growth": "fees",
            "dispersion": {"cv": 0.87, "stay": 0.7},
        },
        {"kind": "budget", "name": "roads", "base": 5e6, "growth": "cpi"},
        {"kind": "risk", "name": "flood", "probability": 0.2, "impact": 1e6, "year": "2027/28"},
        {"kind": "contingency", "name": "contingency", "amount": 5e5, "covers": "all"},
    ],
    "savings": [
        {
            "name": "s",
            "levels": [1e5, 2e5, 3e5, 3e5],
            "rag": "amber",
            "delays": [{"years": 1, "probability": 0.3}],
        }
    ],
    "funding": [
        {
            "kind": "council_tax",
            "name": "tax",
            "band_d": 1500.0,
            "tax_base": 20_000.0,
            "core_increase": 0.03,
            "collection": "kept",
            "collection_fund": {},
        },
        {
            "kind": "rsg",
            "name": "grant",
            "amount": 1e6,
            "growth": "rsg",
            "ends": "2027/28",
            "continues": 0.6,
        },
    ],
    "reserves": {
        "funds": [{"name": "general", "opening": 4e6}],
        "surplus_to": "general",
        "closure": {"policy": "respond"},
    },
    "memorandum": [
        {
            "name": "DSG",
            "opening": 5e6,
            "deficits": 1e6,
            "rate": 0.04,
            "override": {"year": "2028/29", "probability": 0.5},
        }
    ],
}
PLAN = Plan.model_validate(RICH)


def same(a, b):
    """Assert two projections identical but for when and how long."""
    clock = {"created", "seconds", "n_draws"}
    xr.testing.assert_identical(
        a.assign_attrs(dict.fromkeys(clock, 0)), b.assign_attrs(dict.fromkeys(clock, 0))
    )


@pytest.fixture(scope="module")
def whole():
    return project_gap(PLAN, n_draws=10_000, seed=2026, n_threads=1)


@pytest.mark.parametrize("n_threads", [2, 3, 7])
def test_threads_change_no_bit(whole, n_threads):
    same(project_gap(PLAN, n_draws=10_000, seed=2026, n_threads=n_threads), whole)


@pytest.mark.parametrize("n_draws", [1, 3_000, BLOCK, BLOCK + 1])
def test_the_first_draws_of_many_are_the_draws_of_few(whole, n_draws):
    same(project_gap(PLAN, n_draws=n_draws, seed=2026), whole.isel(draw=slice(n_draws)))


def test_many_blocks_change_no_bit(whole):
    more = project_gap(PLAN, n_draws=70_000, seed=2026, keep="totals")
    for name in ("gap", "reserve", "unfunded"):
        np.testing.assert_array_equal(more[name].isel(draw=slice(10_000)), whole[name])


def test_totals_are_the_same_numbers(whole):
    totals = project_gap(PLAN, n_draws=10_000, seed=2026, keep="totals")
    assert "cost" not in totals
    assert "planned_cost" not in totals
    for name in totals.data_vars:
        xr.testing.assert_identical(totals[name], whole[name])


def test_the_plan_a_result_carries_gives_the_result_again(whole):
    plan = Plan.model_validate(json.loads(whole.attrs["plan"]))
    again = project_gap(plan, n_draws=whole.attrs["n_draws"], seed=whole.attrs["seed"])
    same(again, whole)


def test_another_process_finds_the_same_bits(whole):
    code = (
        "import hashlib, json, sys, mtfs\n"
        "ds = mtfs.project_gap(json.load(sys.stdin), n_draws=10_000, seed=2026)\n"
        "held = b''.join(ds[n].values.tobytes() for n in sorted(ds.data_vars))\n"
        "print(hashlib.sha256(held).hexdigest())"
    )
    mine = hashlib.sha256(b"".join(whole[n].values.tobytes() for n in sorted(whole.data_vars)))
    for seed in ("1", "2"):
        found = subprocess.run(  # noqa: S603 - our own interpreter on our own text
            [sys.executable, "-c", code],
            input=json.dumps(RICH),
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout.strip() == mine.hexdigest()


def test_given_scores_are_another_way_to_draw(whole):
    given_scores = scores_of(PLAN, n_draws=3_000, seed=2026)
    ds = project(PLAN, given_scores, n_threads=2)
    for name in ds.data_vars:
        xr.testing.assert_identical(
            ds[name],
            whole[name].isel(draw=slice(3_000)) if "draw" in whole[name].dims else whole[name],
        )
    assert ds.attrs["sampler"] == "given"
    assert "seed" not in ds.attrs


@settings(max_examples=settings.default.max_examples // 4)
@given(plans(), st.integers(0, 2**53 - 1))
def test_a_seed_fixes_the_result_of_any_plan(plan, seed):
    same(run(plan, n_draws=5, seed=seed), run(plan, n_draws=5, seed=seed))


def test_a_fresh_seed_is_recorded():
    one, two = run(PLAN, seed=None), run(PLAN, seed=None)
    assert one.attrs["seed"] != two.attrs["seed"]
    same(run(PLAN, seed=one.attrs["seed"]), one)


def test_a_result_says_what_it_is(whole):
    assert dict(whole.sizes)["draw"] == 10_000
    assert whole["gap"].dims == ("draw", "year")
    assert whole["cost"].dims == ("line", "draw", "year")
    assert whole["year"].values.tolist() == list(YEARS)
    assert whole["lead"].values.tolist() == [1, 2, 3, 4]
    assert whole["year_start"].values.astype("datetime64[D]").astype(str)[0] == "2026-04-01"
    assert set(whole["kind"].dims) == {"line"}
    assert {"units", "long_name", "sign", "price_base"} <= set(whole["gap"].attrs)
    assert all(isinstance(value, str | int | float) for value in whole.attrs.values())
    assert whole.attrs["plan_digest"] == PLAN.digest
    assert not set(whole.dims) & set(whole.data_vars)


@pytest.mark.parametrize("n_blocks", [1, 9])
def test_progress_counts_to_the_end(n_blocks):
    told = []
    run(
        PLAN,
        n_draws=n_blocks * BLOCK,
        n_threads=1,
        progress=lambda done, parts: told.append((done, parts)),
    )
    assert [done for done, _ in told] == list(range(1, told[-1][1] + 1))


# Wrong arguments


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n_draws": 0}, "n_draws is 0; expected a whole number of at least 1"),
        ({"n_draws": -1}, "n_draws is -1"),
        ({"n_draws": 2.5}, "n_draws is 2.5"),
        ({"n_draws": True}, "n_draws is True"),
        (
            {"n_draws": 10**12},
            r"n_draws is 1000000000000: .* GB of memory .* use fewer draws, or keep='totals'",
        ),
        ({"n_draws": 10**12, "keep": "totals"}, "GB of memory .* use fewer draws$"),
        ({"seed": -1}, "seed is -1; expected a whole number of at least 0"),
        ({"seed": 2**53}, r"expected a whole number below 2\*\*53"),
        ({"seed": "1"}, "seed is '1'"),
        ({"sampler": "sobol"}, "sampler is 'sobol'"),
        ({"keep": "some"}, "keep is 'some'; expected 'all', 'totals', 'components'"),
        ({"n_threads": 0}, "n_threads is 0"),
    ],
    ids=range(12),
)
def test_a_wrong_argument_says_what_was_expected(options, says):
    with pytest.raises(MtfsError, match=says):
        run(PLAN, **options)


def test_a_mapping_that_is_not_a_plan_is_refused():
    with pytest.raises(PlanError, match="'first_year' is missing"):
        project_gap({"council": "A"})


def test_scores_must_be_the_plans():
    with pytest.raises(MtfsError, match="the plan needs"):
        project(PLAN, {"cpi": np.zeros((4, 2))})


def test_readers_ask_for_a_projection_and_its_variables(whole):
    assert require_projection(whole, "cost") is whole
    with pytest.raises(MtfsError, match=r"expected a Dataset from mtfs\.project_gap"):
        require_projection(xr.Dataset())
    with pytest.raises(MtfsError, match=r"holds no cost\. It holds .* Run it with keep='all'"):
        require_projection(run(PLAN, keep="totals"), "cost")
