"""Runs of one set of draws with parts changed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import plans

import mtfs
from mtfs.rerun import CHANCE, Rerun
from mtfs.sampling import RandomScores

CPI = {"name": "cpi", "central": 0.02, "sd": 0.01, "persistence": 0.5, "previous": [0.03]}
FEES = {"name": "fees", "mix": [{"driver": "cpi", "weight": 0.5, "lag": 1}], "central": 0.01}
LINES = [
    {"kind": "contract", "name": "waste", "base": 100.0, "growth": "cpi"},
    {"kind": "contract", "name": "care fees", "base": 100.0, "growth": "fees"},
]


def small(**changes):
    return mtfs.Plan(
        council="A",
        first_year="2026/27",
        horizon=2,
        drivers=[CPI, changes.pop("fees", FEES)],
        lines=LINES,
        **changes,
    )


@given(plans())
def test_a_run_with_nothing_changed_is_the_projection(plan):
    ds = mtfs.project_gap(plan, n_draws=8, seed=3)
    again = Rerun(plan, RandomScores(3, 8))
    found = again.run(again.rows(again.own))
    scale = max(1.0, float(abs(ds["requirement"]).max()), float(abs(ds["funding"]).max()))
    for name in ("gap", "funding", "gap_before_savings", "gap_after_one_offs"):
        np.testing.assert_allclose(found[name].T, ds[name].values, atol=1e-11 * scale, rtol=0)


@given(plans())
def test_the_planned_run_with_nothing_changed_is_the_councils_table(plan):
    ds = mtfs.project_gap(plan, n_draws=1, seed=3)
    again = Rerun(plan, RandomScores(3, 1))
    found = again.planned(again.rows(again.planned_own))
    scale = max(
        1.0, float(abs(ds["planned_requirement"]).max()), float(abs(ds["planned_funding"]).max())
    )
    for name in ("gap", "funding", "gap_after_one_offs"):
        wanted = ds[f"planned_{name}"].values
        np.testing.assert_allclose(found[name][:, 0], wanted, atol=1e-11 * scale, rtol=0)


@given(plans(), st.sets(st.sampled_from(CHANCE)))
def test_contributions_sum_to_the_gap_whatever_goes_by_chance(plan, chance):
    again = Rerun(plan, RandomScores(3, 8))
    found = again.run(again.rows(again.own), chance=chance, keep="components")
    ds = mtfs.project_gap(plan, n_draws=8, seed=3, keep="components")
    steps = found.get("contribution", np.zeros((0, 1, 1)))
    sums = ds["base_budget"].item() + steps.sum(axis=0)
    scale = max(1.0, abs(found["requirement"]).max(), abs(found["funding"]).max())
    np.testing.assert_allclose(sums - found["gap_after_one_offs"], 0.0, atol=1e-9 * scale)


def test_a_driver_put_back_to_its_plan_moves_all_that_follows_it():
    plan = small()
    again = Rerun(plan, RandomScores(1, 4))
    own = dict(again.own) | {"cpi": np.full((2, 1), 0.02)}
    gap = again.run(again.rows(own))["gap"]
    # waste grows by 2% twice; care fees by 1% + half of 3%, then 1% + half of 2%
    assert gap[0] == pytest.approx(102 + 102.5)
    assert gap[1] == pytest.approx(102 * 1.02 + 102.5 * 1.02)


def test_a_known_past_can_be_replaced():
    again = Rerun(small(), RandomScores(1, 4))
    own = dict(again.own) | {"cpi": np.zeros((2, 1))}
    rows = again.rows(own, past={"cpi": 0.0})
    assert rows["fees"][:, 0] == pytest.approx([0.01, 0.01])


def test_a_mix_with_a_planned_path_of_its_own_keeps_it_in_the_table():
    plan = small(fees=FEES | {"planned": [0.05, 0.06]})
    again = Rerun(plan, RandomScores(1, 4))
    assert again.rows(again.planned_own)["fees"][:, 0] == pytest.approx([0.05, 0.06])
    shifted = dict(again.planned_own) | {"cpi": again.planned_own["cpi"] + 0.01}
    assert again.rows(shifted)["fees"][:, 0] == pytest.approx([0.05, 0.065])


def test_what_is_a_mixs_own_leaves_out_the_past_of_its_parts():
    top = {"name": "top", "mix": [{"driver": "fees", "weight": 1.0}], "planned": 0.04}
    plan = mtfs.Plan(
        council="A",
        first_year="2026/27",
        horizon=2,
        drivers=[CPI, FEES, top],
        lines=[{"kind": "contract", "name": "waste", "base": 100.0, "growth": "top"}],
    )
    own = Rerun(plan, RandomScores(1, 2)).planned_own
    # fees stand at 1% + half of last year's CPI: 2.5% and 2%
    assert own["top"][:, 0] == pytest.approx([0.015, 0.02])
    assert own["fees"][:, 0] == pytest.approx([0.01, 0.01])


def test_chance_can_be_left_out_part_by_part():
    plan = small(
        savings=[{"name": "reviews", "levels": 10.0, "delivery": 0.5, "slipped": 0.0}],
        funding=[
            {"kind": "grant", "name": "winter", "amount": 4.0, "ends": "2026/27", "continues": 1.0}
        ],
    )
    again = Rerun(plan, RandomScores(1, 3))
    rows = again.rows(again.own)
    whole = again.run(rows)["gap"]
    assert (again.run(rows, chance=("costs", "funding"))["gap"] - whole) == pytest.approx(-5.0)
    fewer = again.run(rows, chance=("costs", "savings"))["gap"] - whole
    assert fewer[0] == pytest.approx(0.0)
    assert fewer[1] == pytest.approx(4.0)
    assert set(CHANCE) == {"people", "costs", "savings", "funding"}
