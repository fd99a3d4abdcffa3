"""How one number came about, for every kind of line, source and saving."""

import numpy as np
import pytest
from councils import BUDGET, YEARS, council, run
from hypothesis import given, settings
from strategies import plans

import mtfs
from mtfs import MtfsError, explain, project, project_gap, scores_of

DRIVERS = [
    {"name": "cpi", "central": 0.02, "sd": 0.01, "persistence": 0.0, "previous": [0.04]},
    {"name": "wage", "central": 0.05, "sd": 0.01, "persistence": 0.0},
    {
        "name": "fees",
        "mix": [{"driver": "wage", "weight": 0.6}, {"driver": "cpi", "weight": 0.4, "lag": 1}],
        "sd": 0.01,
        "persistence": 0.0,
    },
]
CARE = {"kind": "care", "name": "homes", "people": 158.0, "people_growth": 0.04}
CARE |= {"weekly_cost": 8000.0, "price_growth": "fees", "weeks": 52.0}


def plan(**parts):
    return council(**({"drivers": DRIVERS, "lines": [CARE]} | parts))


@pytest.fixture(scope="module")
def ds():
    return run(plan(), n_draws=100, seed=1)


def test_the_plans_own_number_from_drivers_to_pounds(ds):
    found = explain(ds, line="homes", year=YEARS[0], draw="plan")
    price = 1 + 0.6 * 0.05 + 0.4 * 0.04
    assert found.value == pytest.approx(158 * 1.04 * 8000 * price * 52)
    assert found.value == ds["planned_cost"].sel(line="homes", year=YEARS[0]).item()
    assert found.draw is None
    assert found.words == (
        "164.3 people (158 x 1.04) x GBP 8,000 a week x 1.046 price x 52 weeks = "
        f"GBP {found.value / 1e6:,.7g}m net cost"
    )
    table = found.table
    assert table.columns.tolist() == ["unit", "2025/26", YEARS[0]]
    assert table.loc[("driver", "fees"), YEARS[0]] == pytest.approx(0.046)
    assert table.loc[("driver", "fees: 0.6 x wage"), YEARS[0]] == pytest.approx(0.03)
    assert table.loc[("driver", "fees: 0.4 x cpi of 1 year before"), YEARS[0]] == 0.4 * 0.04
    assert table.loc[("stated", "people_growth"), YEARS[0]] == 0.04
    assert table.loc[("factor", "people"), "2025/26"] == 158
    assert table.loc[("factor", "people"), "unit"] == "people"
    assert found.words in str(found)
    assert str(found).startswith("homes, 2026/27, in the council's own table")


def test_a_mix_unfolds_into_its_parts_and_its_own(ds):
    found = explain(ds, line="homes", year=YEARS[2], draw=5).table.loc["driver"]
    years = list(YEARS[:3])
    path = ds["path"].isel(draw=5)
    drawn = found.loc["fees", years].to_numpy(float)
    np.testing.assert_array_equal(drawn, path.sel(driver="fees", year=years))
    parts = [name for name in found.index if str(name).startswith("fees: ")]
    assert len(parts) == 3
    np.testing.assert_allclose(found.loc[parts, years].sum().to_numpy(float), drawn)
    lagged = found.loc["fees: 0.4 x cpi of 1 year before", years].to_numpy(float)
    np.testing.assert_allclose(lagged[1:], 0.4 * found.loc["cpi", years].to_numpy(float)[:-1])


def test_unless_given_the_draw_is_the_one_nearest_to_the_median_of_the_year(ds):
    gap = ds["gap"].sel(year=YEARS[1])
    nearest = int(np.argmin(abs(gap - gap.median()).values))
    found = explain(ds, line="homes", year=YEARS[1])
    assert found.draw == nearest
    assert f"draw {nearest}, whose gap of" in found.chosen
    assert found.value == ds["cost"].sel(line="homes", year=YEARS[1], draw=nearest).item()


@settings(max_examples=12)
@given(plans())
def test_the_last_number_is_the_projections_own_and_its_factors_make_it(plan):
    ds = project_gap(plan, n_draws=3, seed=1)
    for kind, (variable, dim) in {
        "line": ("cost", "line"),
        "saving": ("saving_delivered", "scheme"),
        "funding": ("income", "source"),
    }.items():
        for name in ds[dim].values.tolist()[-2:] if dim in ds.dims else []:
            year = plan.years[-1]
            for draw, held in ((2, ds[variable].isel(draw=2)), ("plan", ds[f"planned_{variable}"])):
                found = explain(ds, line=name, year=year, draw=draw, item_kind=kind)
                assert found.value == held.sel({dim: name, "year": year}).item()
                assert str(found)


@pytest.mark.parametrize("name", ["nottingham_2025", "east_sussex_2026"])
def test_every_row_of_a_published_plan_can_be_explained(name):
    plan = mtfs.load_example(name)
    ds = project_gap(plan, n_draws=10, seed=1)
    for each in [*ds["line"].values, *ds["source"].values, *ds["scheme"].values]:
        found = explain(ds, line=str(each), year=plan.years[-1], draw=3)
        assert found.table.loc["factor"].notna().all(axis=None)


def test_the_factors_of_a_product_multiply_to_the_number(ds):
    found = explain(ds, line="homes", year=YEARS[3], draw=7)
    factors = found.table.loc["factor", YEARS[3]].astype(float)
    assert factors.prod() == pytest.approx(found.value, rel=1e-12)


def test_shares_and_grants_are_taken_off_in_the_sum_written_out():
    grant = {"kind": "grant", "name": "g", "amount": 300.0, "ring_fenced_to": "roads"}
    grant |= {"rest_to": "general"}
    reserves = {"funds": [{"name": "general", "opening": 0.0}], "surplus_to": "general"}
    roads = BUDGET | {"share": 0.5}
    ds = run(council(lines=[roads], funding=[grant], reserves=reserves))
    found = explain(ds, line="roads", year=YEARS[0], draw=0)
    assert found.value == 200
    pounds = found.table.loc["pounds", YEARS[0]].astype(float)
    assert pounds.to_dict() == {
        "cost": 1000,
        "cost, 0.5 of it": 500,
        "less ring-fenced grants and tied funds": -300,
        "net cost": 200,
    }
    assert found.table.loc[("pounds", "net cost"), "2025/26"] == 200
    assert explain(ds, line="g", year=YEARS[0], draw=0).value == 300


def test_the_base_year_of_a_saving_and_of_a_line_without_one_is_nothing():
    care = {"kind": "care", "name": "homes", "people_by_year": [50.0] * 4, "weekly_cost": 10.0}
    saving = {"name": "s", "levels": 10.0, "delivery": 1.0}
    ds = run(council(lines=[care], savings=[saving]))
    for name, row in {"homes": "net cost", "s": "saving delivered"}.items():
        assert explain(ds, line=name).table.loc[("pounds", row), "2025/26"] == 0


def test_a_lag_reads_the_last_of_the_known_years():
    cpi = {"name": "cpi", "central": 0.02, "previous": [0.10, 0.04]}
    fees = {"name": "fees", "mix": [{"driver": "cpi", "weight": 0.5, "lag": 1}]}
    ds = run(council(drivers=[cpi, fees], lines=[BUDGET | {"growth": "fees"}]))
    rows = explain(ds, line="roads", year=YEARS[1]).table.loc["driver"]
    part = rows.loc["fees: 0.5 x cpi of 1 year before", list(YEARS[:2])]
    assert part.tolist() == pytest.approx([0.02, 0.01])


def test_a_saving_says_how_it_came(ds):
    saving = {"name": "s", "levels": 10.0, "delivery": 0.6, "slipped": 0.5, "starts": 0.5}
    saving |= {"delays": [{"years": 1, "probability": 0.5}]}
    ds = run(plan(savings=[saving]), n_draws=40)
    delivered = ds["saving_delivered"].sel(scheme="s", year=YEARS[0])
    on_time = int(np.argmax(delivered.values))
    found = explain(ds, line="s", year=YEARS[0], draw=on_time).table[YEARS[0]]
    assert found["factor", "planned"] == pytest.approx(10)
    assert found["factor", "late"] == pytest.approx(-2)
    assert found["factor", "lost"] == pytest.approx(-2)
    assert found["detail", "share delivered in its year"] == 0.6
    assert (found["detail", "starts"], found["detail", "years late"]) == (1, 0)
    assert explain(ds, line="s", year=YEARS[0], draw=on_time).value == pytest.approx(6)


def test_a_plan_and_a_file_are_explained_as_the_projection_is(ds, tmp_path):
    own = explain(ds, line="homes", year=YEARS[3])
    assert str(explain(plan(), line="homes", year=YEARS[3], n_draws=100, seed=1)) == str(own)
    mtfs.save_gap(ds, tmp_path / "gap.nc")
    held = mtfs.load_gap(tmp_path / "gap.nc")
    assert str(held.mtfs.explain(line="homes", year=YEARS[3])) == str(own)
    some = ds.isel(draw=[4, 9])
    assert explain(some, line="homes", year=YEARS[3], draw=9).draw == 9


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"line": "hoems"}, "'hoems' is no line, saving or source .* Did you mean 'homes'"),
        ({"line": None}, "'None' is no line, saving or source"),
        ({"year": "2040/41"}, "'2040/41' is not a year of the plan"),
        ({"draw": 100}, "draw is 100; expected 'plan' or one of .* 0 to 99"),
        ({"draw": True}, "draw is True; expected"),
        ({"draw": "median"}, "draw is 'median'; expected 'plan'"),
        ({"item_kind": "cost"}, "item_kind is 'cost'; expected 'line', 'saving', 'funding'"),
        ({"item_kind": "saving"}, "'homes' is no line, saving or source"),
    ],
    ids=range(8),
)
def test_a_wrong_argument_says_what_was_expected(ds, options, says):
    with pytest.raises(MtfsError, match=says):
        explain(ds, **({"line": "homes", "year": YEARS[0]} | options))


def test_a_line_and_a_saving_of_one_name_have_to_be_told_apart():
    saving = {"name": "homes", "levels": 10.0, "delivery": 0.5}
    ds = run(plan(savings=[saving]))
    with pytest.raises(MtfsError, match="'homes' is the name of a line and of a saving; say which"):
        explain(ds, line="homes", year=YEARS[0])
    assert explain(ds, line="homes", year=YEARS[0], item_kind="saving").value == 5


def test_given_scores_are_refused_but_for_the_plans_own_table(ds):
    given = project(plan(), scores_of(plan(), n_draws=10, seed=1))
    with pytest.raises(MtfsError, match="given scores, which it does not hold"):
        explain(given, line="homes", year=YEARS[0])
    assert explain(given, line="homes", year=YEARS[0], draw="plan").value > 0


def test_a_projection_that_was_changed_is_not_explained(ds):
    other = ds.assign(cost=ds["cost"] * 1.01)
    with pytest.raises(MtfsError, match="it was changed, or made by another version"):
        explain(other, line="homes", year=YEARS[0], draw=0)
