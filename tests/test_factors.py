"""What is uncertain in a plan, by name, and where its scores stand."""

import numpy as np
import pytest
from councils import BUDGET, council
from hypothesis import given, settings
from strategies import plans

import mtfs
from mtfs import MtfsError
from mtfs.factors import Layout, correlated, factors_of, that_move
from mtfs.sampling import RandomScores

CPI = {"name": "cpi", "central": 0.02, "sd": 0.01, "persistence": 0.5}


@given(plans())
def test_every_stream_belongs_to_one_factor(plan):
    found = [shock for factor in factors_of(plan) for shock in factor.shocks]
    assert sorted(found) == sorted(spec.name for spec in plan.shocks())


@given(plans())
def test_rows_of_scores_are_the_projection(plan):
    layout = Layout(plan, factors_of(plan))
    if not layout.factors:
        return
    again = layout.project(layout.rows(RandomScores(3, 8)))
    ds = mtfs.project_gap(plan, n_draws=8, seed=3, keep="totals")
    np.testing.assert_array_equal(again["gap"].values, ds["gap"].values)


@settings(max_examples=15)
@given(plans())
def test_what_is_left_out_does_not_move_the_variable(plan):
    factors = factors_of(plan)
    layout = Layout(plan, factors)
    if not factors:
        return
    sample = layout.rows(RandomScores(3, 64))
    base, other = sample[:, :32], sample[:, 32:]
    for variable in ("gap_before_savings", "gap", "gap_after_one_offs", "requirement", "funding"):
        wanted = [factors.index(factor) for factor in that_move(plan, factors, variable)]
        swapped = np.where(np.isin(layout.factor_of_row, wanted)[:, None], base, other)
        one, two = (layout.project(rows)[variable].values for rows in (base, swapped))
        np.testing.assert_array_equal(one, two)


def test_closure_may_empty_a_fund_that_a_one_off_source_draws_on():
    fund = [{"name": "general", "opening": 9e6, "general": True}]
    plan = council(
        horizon=2,
        base_gap=9e6,
        lines=[BUDGET],
        one_offs=[{"kind": "reserve", "name": "later", "fund": "general", "amounts": [0.0, 5e6]}],
        reserves={"funds": fund, "surplus_to": "general"},
    )
    names = {
        variable: [factor.name for factor in that_move(plan, factors_of(plan), variable)]
        for variable in ("gap", "gap_after_one_offs")
    }
    assert names["gap"] == []
    assert names["gap_after_one_offs"] == ["closure: delivery", "savings: common factor"]
    assert mtfs.project_gap(plan, n_draws=500, seed=1)["gap_after_one_offs"].std() > 0


def test_factors_bear_the_names_of_what_is_uncertain():
    plan = council(
        drivers=[
            CPI
            | {"events": [{"name": "shock", "year": "2027/28", "probability": 0.1, "effect": 0.1}]},
            {"name": "fixed", "central": 0.02},
            {"name": "fees", "mix": [{"driver": "cpi", "weight": 1.0}]},
            {
                "name": "fees and own",
                "mix": [{"driver": "cpi", "weight": 1.0}],
                "sd": 0.01,
                "persistence": 0,
            },
        ],
        lines=[
            {
                "kind": "risk",
                "name": "strike",
                "probability": 0.2,
                "impact": 5.0,
                "year": "2027/28",
            },
            {"kind": "budget", "name": "roads", "base": 10.0, "growth": "cpi"},
        ],
        savings=[{"name": "reviews", "levels": 1.0, "rag": "amber"}],
        funding=[
            {
                "kind": "grant",
                "name": "care grant",
                "amount": 3.0,
                "ends": "2027/28",
                "continues": 0.5,
            }
        ],
        memorandum=[
            {
                "name": "schools",
                "opening": 5.0,
                "deficits": 1.0,
                "override": {"year": "2027/28", "probability": 0.5},
            }
        ],
    )
    assert [(factor.name, factor.kind) for factor in factors_of(plan)] == [
        ("cpi", "driver"),
        ("fees and own", "driver"),
        ("strike: chance", "line"),
        ("reviews: delivery", "saving"),
        ("care grant: continuing", "grant"),
        ("schools: override", "memorandum"),
        ("closure: delivery", "closure"),
        ("savings: common factor", "saving"),
    ]
    assert factors_of(plan)[0].shocks == ("cpi", "cpi.shock")


def test_two_factors_of_one_name_are_refused():
    line = {"kind": "risk", "name": "strike", "probability": 0.2, "impact": 5.0, "year": "2027/28"}
    plan = council(drivers=[CPI | {"name": "strike: chance"}], lines=[line])
    with pytest.raises(MtfsError, match="strike: chance: two things that are uncertain bear one"):
        factors_of(plan)


def test_tied_drivers_say_their_stated_correlation():
    pay = CPI | {"name": "pay", "persistence": 0.0}
    pairs = [{"between": ["cpi", "pay"], "value": 0.5}]
    (group,) = correlated(council(drivers=[CPI, pay], correlations=pairs, lines=[BUDGET]))
    assert group.names == ("cpi", "pay")
    assert group.correlation(0, 1) == pytest.approx(0.5)
