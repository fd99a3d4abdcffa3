"""Published figures placed in a plan's own distribution."""

from pathlib import Path

import numpy as np
import pytest
from councils import BUDGET, YEARS, council
from hypothesis import given
from hypothesis import strategies as st

import mtfs
from mtfs import MtfsError, PlanError, Scenario

CPI = {"name": "cpi", "central": 0.02, "sd": 0.02, "persistence": 0.5}
ROADS = {"kind": "budget", "name": "roads", "base": 100e6, "growth": "cpi"}
N = 500


def plan(**parts):
    return council(**{"lines": [ROADS], "drivers": [CPI]} | parts)


def placed(published, **options):
    return mtfs.place_published(plan(), published, n_draws=N, seed=1, **options)


def test_a_percentile_is_the_share_of_draws_no_higher():
    gap = mtfs.project_gap(plan(), n_draws=N, seed=1)["gap"]
    table = placed({"worst": 110e6, "first": {YEARS[0]: 101e6}})
    share = (gap.sel(year=YEARS[-1]) <= 110e6).mean().item()
    assert 0 < share < 1
    row = table.loc[("worst", YEARS[-1])]
    assert (row["published"], row["percentile"]) == (110.0, share)
    assert row["percentile_se"] == pytest.approx(np.sqrt(share * (1 - share) / N))
    assert table.loc[("first", YEARS[0]), "percentile"] == (gap.sel(year=YEARS[0]) <= 101e6).mean()


def test_the_median_of_the_draws_is_the_fiftieth_percentile():
    ds = mtfs.project_gap(plan(), n_draws=N, seed=1)
    median = {"median": dict(zip(YEARS, ds["gap"].median("draw").values, strict=True))}
    assert mtfs.place_published(ds, median)["percentile"].tolist() == [0.5] * 4


@given(st.lists(st.floats(80e6, 130e6), min_size=2, max_size=5))
def test_a_higher_figure_has_no_lower_percentile(figures):
    ds = mtfs.project_gap(plan(), n_draws=32, seed=1, keep="totals")
    found = mtfs.place_published(ds, {f"case {n}": each for n, each in enumerate(sorted(figures))})
    assert (np.diff(found["percentile"]) >= 0).all()
    assert found["percentile"].between(0, 1).all()


def test_of_plans_and_scenarios_the_planned_figure_counts():
    changes = {"base_gap": 5e6}
    table = placed(
        {
            "plan": plan(),
            "as changes": changes,
            "as a scenario": Scenario(name="x", changes=changes),
            "as a plan": plan(base_gap=5e6),
        }
    )
    level = 100 * 1.02 ** np.arange(1, 5)
    assert table.loc["plan", "published"].tolist() == pytest.approx(level)
    for name in ("as changes", "as a scenario", "as a plan"):
        assert table.loc[name, "published"].tolist() == pytest.approx(level + 5)
    one = placed({"plan": plan()}, year=YEARS[1], unit="GBP")
    assert one.index.tolist() == [("plan", YEARS[1])]
    assert one["published"].item() == pytest.approx(100e6 * 1.02**2)


def test_one_year_is_shown_of_figures_by_year():
    by_year = {YEARS[0]: 101e6, YEARS[1]: 103e6}
    assert placed({"a": by_year}, year=YEARS[1])["published"].tolist() == [103.0]
    with pytest.raises(MtfsError, match=f"'a' has no figure for {YEARS[2]}"):
        placed({"a": by_year}, year=YEARS[2])


@pytest.mark.parametrize(
    ("published", "options", "says"),
    [
        ({}, {}, "there is nothing to place"),
        ({"worst": 80.8}, {}, r"'worst' is 80\.8; expected GBP: for 80\.8 million write 80\.8e6"),
        ({"worst": "80"}, {}, "'worst' is '80'; expected GBP"),
        ({"worst": True}, {}, "'worst' is True"),
        ({"worst": float("nan")}, {}, "'worst' is nan"),
        ({"worst": {"2031/32": 1e6}}, {}, "'2031/32' is not a year of the plan"),
        ({"worst": {"2026/28": 1e6}}, {}, "expected a financial year"),
        ({"worst": 1e6}, {"year": "2031/32"}, "'2031/32' is not a year of the plan"),
        ({"worst": 1e6}, {"variable": "cost"}, "expected draw, year"),
        ({"worst": 1e6}, {"variable": "gpa"}, "Did you mean 'gap'"),
        ({"worst": {"base_gp": 1e6}}, {}, "Did you mean 'base_gap'"),
        ({"worst": plan(council="B")}, {}, "'worst' is a plan of B"),
    ],
    ids=range(12),
)
def test_what_cannot_be_placed_is_refused(published, options, says):
    with pytest.raises(MtfsError, match=says):
        placed(published, **options)


def test_a_figure_that_is_no_number_is_not_taken_for_millions():
    with pytest.raises(MtfsError, match=r"'w' is nan; expected GBP, a finite number such as"):
        mtfs.place_published(council(lines=[BUDGET]), {"w": float("nan")}, n_draws=2, seed=1)


def test_a_balanced_year_is_a_figure():
    assert placed({"balanced": 0.0})["percentile"].item() == 0.0


def test_nottinghamshires_64_and_16_lie_at_the_same_place_of_their_own_policies():
    base = mtfs.load_example("nottinghamshire_2024")
    held = mtfs.load_example_scenarios("nottinghamshire_2024")
    before = mtfs.place_published(base, {"gap": 64e6}, n_draws=4000, seed=1)
    after = mtfs.place_published(
        held["greatest council tax"].applied(base), {"gap": 16e6}, n_draws=4000, seed=1
    )
    for table in (before, after):
        row = table.iloc[0]
        assert abs(row["percentile"] - 0.29) <= 4 * row["percentile_se"]


def test_what_east_sussex_published_before_lies_as_the_page_says():
    before = {"February": 37.365e6, "summer": 36.5e6, "autumn": 55.844e6, "last": 55.631e6}
    figures = {name: {"2026/27": each} for name, each in before.items()}
    found = mtfs.place_published(mtfs.load_example("east_sussex_2026"), figures, seed=2026)
    page = (Path(__file__).parents[1] / "docs/how-to/scenarios.md").read_text(encoding="utf-8")
    first, second, third, last = (f"{100 * each:.0f}" for each in found["percentile"])
    said = f"lie at percentiles {first}, {second}, {third} and {last} of"
    assert said in " ".join(page.split())


def test_a_plan_that_is_wrong_is_answered_as_everywhere():
    with pytest.raises(PlanError):
        mtfs.place_published({"council": "A"}, {"a": 1e6})
