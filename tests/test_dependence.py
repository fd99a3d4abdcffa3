"""Correlations: realised in every year, by pairs and common factors; and those that cannot be."""

import re

import numpy as np
import pytest
from councils import BUDGET, council, run

from mtfs import PlanError, project, scores_of

N = 30_000


def drivers(persistences, **fields):
    return [
        {"name": name, "central": 0.03, "sd": 0.01, "persistence": persistence} | fields
        for name, persistence in zip("abcdef", persistences, strict=False)
    ]


def realised(held, correlations):
    """Give the correlation matrix of the drivers' paths in every year."""
    ds = run(council(drivers=held, correlations=correlations, lines=[BUDGET]), n_draws=N)
    return [np.corrcoef(ds["path"].isel(year=year).values) for year in range(4)]


def pair(a, b, value):
    return {"between": [a, b], "value": value}


@pytest.mark.parametrize(
    "persistences",
    [(0, 0), (0.7, 0.7), (1, 1), ("random_walk", "random_walk"), (0.2, 0.8), (0, 0.7)],
    ids=str,
)
def test_a_requested_correlation_is_realised_in_every_year(persistences):
    for matrix in realised(drivers(persistences), [pair("a", "b", 0.6)]):
        assert matrix[0, 1] == pytest.approx(0.6, abs=4 * (1 - 0.36) / np.sqrt(N))


def test_a_random_walk_and_an_ar1_keep_their_correlation():
    for matrix in realised(drivers(("random_walk", 0.6)), [pair("a", "b", 0.5)]):
        assert matrix[0, 1] == pytest.approx(0.5, abs=4 * 0.75 / np.sqrt(N))


def test_a_common_factor_correlates_by_the_product_of_loadings():
    loads = {"a": 0.8, "b": 0.6, "c": -0.5}
    factor = {
        "factor": "economy",
        "loadings": [{"driver": d, "loading": x} for d, x in loads.items()],
    }
    for matrix in realised(drivers((0.2, 0.5, 0.4)), [factor]):
        assert matrix[0, 1] == pytest.approx(0.48, abs=4 / np.sqrt(N))
        assert matrix[0, 2] == pytest.approx(-0.40, abs=4 / np.sqrt(N))
        assert matrix[1, 2] == pytest.approx(-0.30, abs=4 / np.sqrt(N))


def test_pairs_and_factors_that_meet_are_one_group_and_others_stay_apart():
    factor = {
        "factor": "f",
        "loadings": [{"driver": "c", "loading": 0.7}, {"driver": "d", "loading": 0.7}],
    }
    held = drivers((0, 0, 0, 0, 0, 0))
    for matrix in realised(held, [pair("e", "b", 0.5), factor, pair("b", "c", 0.4)]):
        expected = {(4, 1): 0.5, (3, 2): 0.49, (2, 1): 0.4}
        for i in range(6):
            for j in range(i):
                assert matrix[i, j] == pytest.approx(expected.get((i, j), 0), abs=4 / np.sqrt(N))


def test_correlation_does_not_depend_on_the_shape():
    held = drivers((0.5, 0.5))
    held[1] |= {"shape": "lognormal"}
    ds = run(council(drivers=held, correlations=[pair("a", "b", 0.7)], lines=[BUDGET]), n_draws=N)
    a, b = ds["path"].sel(driver="a").values, np.log(ds["path"].sel(driver="b").values)
    for year in range(4):
        assert np.corrcoef(a[:, year], b[:, year])[0, 1] == pytest.approx(0.7, abs=4 / np.sqrt(N))


def test_given_scores_are_made_dependent_like_drawn_ones():
    plan = council(drivers=drivers((0.2, 0.8)), correlations=[pair("a", "b", 0.6)], lines=[BUDGET])
    drawn = run(plan, n_draws=100, seed=9)
    given = project(plan, scores_of(plan, n_draws=100, seed=9))
    np.testing.assert_array_equal(given["path"], drawn["path"])


def refusal(held, correlations):
    with pytest.raises(PlanError) as caught:
        council(drivers=held, correlations=correlations, lines=[BUDGET])
    return str(caught.value)


def suggested(message, correlations):
    """Put the values that a message names in the place of those that were stated."""
    said = {
        frozenset((m[1], m[2])): float(m[3])
        for m in re.finditer(r"(\w) and (\w) \S+ -> (-?[\d.]+?)(?:;|\.?$|\.?\s)", message)
    }
    assert said, message
    return [c | {"value": said.get(frozenset(c["between"]), c["value"])} for c in correlations]


@pytest.mark.parametrize(
    "values",
    [(0.9, -0.9, 0.9), (0.99, 0.99, 0.9), (-0.6, -0.6, -0.6), (0.95, 0.1, 0.8)],
    ids=str,
)
def test_contradicting_correlations_name_the_nearest_that_can_be(values):
    wanted = [pair(a, b, v) for (a, b), v in zip(("ab", "ac", "bc"), values, strict=True)]
    message = refusal(drivers((0, 0, 0)), wanted)
    assert "contradict each other" in message
    nearest = suggested(message, wanted)
    assert council(drivers=drivers((0, 0, 0)), correlations=nearest, lines=[BUDGET])
    moved = [abs(a["value"] - b["value"]) for a, b in zip(wanted, nearest, strict=True)]
    assert max(moved) < 0.5


def test_a_correlation_too_strong_for_unlike_persistence_names_the_strongest():
    wanted = [pair("a", "b", 0.9)]
    message = refusal(drivers((0, 0.9)), wanted)
    assert "more similar 'persistence'" in message
    nearest = suggested(message, wanted)
    # new shocks of the persistent driver have weight sqrt(1 - 0.81), so r is at most 0.4359
    assert nearest[0]["value"] == pytest.approx(0.4359, abs=1e-3)
    assert council(drivers=drivers((0, 0.9)), correlations=nearest, lines=[BUDGET])


def test_one_draw_for_all_years_cannot_follow_fresh_draws():
    assert "cannot hold in every year" in refusal(drivers((0, 1)), [pair("a", "b", 0.3)])


@pytest.mark.parametrize(
    ("correlations", "says"),
    [
        ([pair("a", "b", 0.5), pair("b", "a", 0.5)], "'b' and 'a' is stated twice"),
        ([pair("a", "a", 0.5)], "'a' is paired with itself"),
        ([pair("a", "x", 0.5)], "uses driver 'x', which the plan does not hold.* It holds: a, b"),
        ([pair("a", "b", 1.0)], "found 1.0"),
        ([{"factor": "f", "loadings": [{"driver": "a", "loading": 0.5}]}], "loadings"),
        (
            [
                {
                    "factor": "f",
                    "loadings": [{"driver": "a", "loading": 0.5}, {"driver": "y", "loading": 0.5}],
                }
            ],
            "uses driver 'y'",
        ),
        ([pair("a", "m", 0.5)], "'m' is a mix; correlate the drivers it is made of"),
        ([pair("a", "s", 0.5)], "'s' has no spread"),
    ],
    ids=range(8),
)
def test_correlations_that_name_the_wrong_thing_say_so(correlations, says):
    held = [
        *drivers((0, 0)),
        {"name": "m", "mix": [{"driver": "a", "weight": 1.0}]},
        {"name": "s", "central": 0.01},
    ]
    assert re.search(says, refusal(held, correlations))
