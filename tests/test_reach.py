"""Which service or cause each uncertain thing moves."""

from councils import council
from hypothesis import given, settings
from strategies import plans

import mtfs
from mtfs.factors import Layout, factors_of
from mtfs.reach import reached


def driver(name, **fields):
    return {"name": name, "central": 0.02, "sd": 0.01, "persistence": 0.5} | fields


PLAN = council(
    drivers=[
        driver("pay"),
        driver("price"),
        driver("people"),
        driver("nothing reads"),
        driver("grants"),
        driver("deficit", central=1.0),
        driver("care grant, growth"),
        driver("bonus, growth"),
    ],
    correlations=[  # so strong that scores which move one driver alone lie far out
        {
            "factor": "all",
            "loadings": [
                {"driver": "pay", "loading": 0.995},
                {"driver": "price", "loading": 0.995},
                {"driver": "people", "loading": 0.9},
                {"driver": "nothing reads", "loading": 0.5},
            ],
        }
    ],
    lines=[
        {"kind": "pay", "name": "staff", "service": "corporate", "pay": 1e6, "award": "pay"},
        {"kind": "pay", "name": "carers", "service": "adults", "pay": 2e6, "award": "pay"},
        {
            "kind": "care",
            "name": "homes",
            "service": "children",
            "people": 80,
            "weekly_cost": 5000.0,
            "people_growth": "people",
            "price_growth": "price",
            "dispersion": {"cv": 0.5, "stay": 0.5},
        },
        {
            "kind": "risk",
            "name": "failure",
            "service": "adults",
            "probability": 1e-5,
            "impact": 5e5,
            "year": "2028/29",
        },
    ],
    savings=[
        {
            "name": "shared",
            "levels": 1e5,
            "rag": "amber",
            "shared_by": [
                {"service": "adults", "share": 0.5},
                {"service": "children", "share": 0.5},
            ],
        },
        {"name": "own", "service": "children", "levels": 1e5, "rag": "red"},
    ],
    funding=[
        {"kind": "grant", "name": "rsg", "amount": 1e6, "growth": "grants"},
        {
            "kind": "grant",
            "name": "bonus",
            "amount": 1e6,
            "side": "requirement",
            "growth": "bonus, growth",
        },
        {
            "kind": "grant",
            "name": "care",
            "amount": 1e5,
            "growth": "care grant, growth",
            "ring_fenced_to": "carers",
            "rest_to": "general",
        },
    ],
    reserves={
        "funds": [{"name": "general", "opening": 1e6, "general": True}],
        "surplus_to": "general",
    },
    memorandum=[{"name": "schools", "opening": 5.0, "deficits": "deficit"}],
)


def labels(by):
    layout = Layout(PLAN, factors_of(PLAN))
    return dict(zip([f.name for f in layout.factors], reached(layout, by), strict=True))


def test_services_are_those_whose_pounds_move():
    assert labels("service") == {
        "pay": "several services",
        "price": "children",
        "people": "children",
        "nothing reads": "outside the gap",
        "grants": "funding",
        "deficit": "outside the gap",
        "care grant, growth": "adults",
        "bonus, growth": "funding",
        "homes: chance": "children",
        "failure: chance": "adults",
        "shared: delivery": "several services",
        "own: delivery": "children",
        "closure: delivery": "outside the gap",
        "savings: common factor": "several services",
    }


def test_causes_are_those_under_which_most_is_booked():
    assert labels("cause") == {
        "pay": "pay",
        "price": "price",
        "people": "people",
        "nothing reads": "outside the gap",
        "grants": "funding",
        "deficit": "outside the gap",
        "care grant, growth": "funding",
        "bonus, growth": "funding",
        "homes: chance": "mix",
        "failure: chance": "risks",
        "shared: delivery": "savings",
        "own: delivery": "savings",
        "closure: delivery": "outside the gap",
        "savings: common factor": "savings",
    }


def test_a_plan_without_lines_has_funding_alone():
    grant = {"kind": "grant", "name": "rsg", "amount": 1e6, "growth": "grants"}
    plan = council(drivers=[driver("grants")], funding=[grant])
    layout = Layout(plan, factors_of(plan))
    for by in ("service", "cause"):
        found = reached(layout, by)
        assert found[0] == "funding"
        assert set(found[1:]) == {"outside the gap"}


@settings(max_examples=10)
@given(plans())
def test_what_moves_no_pounds_of_the_gap_is_outside_it_in_every_plan(plan):
    layout = Layout(plan, factors_of(plan))
    if not layout.factors:
        return
    services = {str(service) for service in mtfs.project_gap(plan, n_draws=1)["service"].values}
    splits = {name for scheme in plan.schemes() for name, _ in scheme.terms.split}
    known = services | splits | {"funding", "outside the gap", "several services"}
    found = reached(layout, "service")
    assert set(found) <= known
    for factor, label in zip(layout.factors, found, strict=True):
        if factor.kind == "closure":
            assert label == "outside the gap"
