"""The ledger of pressures: by cause, by service, in three conventions."""

import numpy as np
import pytest
from councils import YEARS, council, run

import mtfs
from mtfs import MtfsError


def plan(**parts):
    drivers = [{"name": "demand", "central": 1.0, "sd": 0.3, "persistence": 1.0}]
    lines = [
        {
            "kind": "change",
            "name": "children: people",
            "service": "children",
            "cause": "demography",
            "changes": [4.0, 3.0, 2.0, 1.0],
            "multiplier": "demand",
        },
        {
            "kind": "change",
            "name": "children: staff",
            "service": "children",
            "cause": "staffing",
            "changes": [1.0, 1.0, 0.0, 0.0],
        },
        {
            "kind": "change",
            "name": "adults: people",
            "service": "adults",
            "cause": "demography",
            "changes": [5.0, 5.0, 5.0, 5.0],
        },
    ]
    saving = {"name": "s", "levels": 3.0, "delivery": 1.0}
    tax = {"kind": "council_tax", "name": "tax", "base_income": 100.0}
    return council(drivers=drivers, lines=lines, savings=[saving], funding=[tax], **parts)


@pytest.fixture
def ds():
    return run(plan(), n_draws=400, keep="components")


def test_the_three_conventions_by_hand(ds):
    level = mtfs.planned_pressures(ds)
    assert level.sel(cause="demography").values.tolist() == [9, 17, 24, 30]
    step = mtfs.planned_pressures(ds, convention="annual")
    assert step.sel(cause="demography").values.tolist() == [9, 8, 7, 6]
    cash = mtfs.planned_pressures(ds, convention="total")
    assert cash.sel(cause="demography").item() == 9 + 17 + 24 + 30
    assert cash.sel(cause="staffing").item() == 1 + 2 + 2 + 2


def test_savings_and_funding_do_not_enter_the_ledger(ds):
    bare = run(plan().with_changes({"savings": [], "funding": []}), n_draws=400, keep="components")
    assert mtfs.pressures(ds).identical(mtfs.pressures(bare))


def test_by_service_and_by_cause_add_up_to_the_same(ds):
    cause, service, line = (mtfs.pressures(ds, by=by) for by in ("cause", "service", "line"))
    np.testing.assert_allclose(cause.sum("cause"), service.sum("service"))
    np.testing.assert_allclose(cause.sum("cause"), line.sum("line"))
    assert service["service"].values.tolist() == ["children", "adults"]
    assert line["line"].values.tolist() == ["children: people", "children: staff", "adults: people"]


def test_one_service_by_cause(ds):
    found = mtfs.planned_pressures(ds, service="children")
    assert found["cause"].values.tolist() == ["demography", "staffing"]
    assert found.isel(year=-1).values.tolist() == [10, 2]


def test_it_is_a_distribution(ds):
    grown = mtfs.pressures(ds, service="children").sel(cause="demography")
    multiple = ds["path"].sel(driver="demand")
    np.testing.assert_allclose(grown, multiple * np.array([4.0, 7.0, 9.0, 10.0]))


def test_the_table_adds_up_in_means_and_not_in_quantiles(ds):
    table = mtfs.pressure_table(ds, service="children", unit="GBP")
    assert table.index.tolist() == ["demography", "staffing", "total"]
    assert table["plan"].tolist() == [10, 2, 12]
    assert table.loc["total", "mean"] == pytest.approx(table["mean"].iloc[:2].sum())
    assert table.loc["total", "P90"] > table.loc["total", "P50"] > table.loc["total", "P10"]
    drawn = 10 * ds["path"].sel(driver="demand").isel(year=-1)
    error = float(drawn.std(ddof=1)) / np.sqrt(400)
    assert table.loc["demography", "mean_se"] == pytest.approx(error)


def test_the_table_of_a_year_and_of_a_total(ds):
    first = mtfs.pressure_table(ds, year=YEARS[0], unit="GBP")
    assert first.loc["total", "plan"] == 10
    total = mtfs.pressure_table(ds, convention="total", unit="GBP m")
    assert total.loc["total", "plan"] == pytest.approx((80 + 7) / 1e6)
    assert total.attrs == {"unit": "GBP m", "convention": "total"}


def test_one_draw_has_no_error():
    table = mtfs.pressure_table(run(plan(), n_draws=1, keep="components"))
    assert table["mean_se"].isna().all()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"by": "team"}, "by is 'team'; expected 'cause', 'service', 'line'"),
        ({"convention": "sum"}, "convention is 'sum'; expected 'cumulative', 'annual', 'total'"),
        ({"service": "childrn"}, "no line's service is 'childrn'.*Did you mean 'children'"),
        ({"year": "2031/32"}, "'2031/32' is not a year of the plan"),
        ({"convention": "total", "year": YEARS[0]}, "a total is over all years"),
    ],
    ids=range(5),
)
def test_a_wrong_argument_says_what_was_expected(ds, options, says):
    with pytest.raises(MtfsError, match=says):
        mtfs.pressure_table(ds, **options)


def test_what_the_projection_does_not_hold_is_said():
    with pytest.raises(MtfsError, match="run it with keep='components'"):
        mtfs.pressures(run(plan()), by="service")
    with pytest.raises(MtfsError, match="pressure"):
        mtfs.pressures(run(plan(), keep="totals"))


def test_a_cause_called_total_is_refused_where_the_table_has_such_a_row():
    line = {"kind": "change", "name": "a", "cause": "total", "changes": [1.0] * 4}
    with pytest.raises(MtfsError, match="rename it"):
        mtfs.pressure_table(run(council(lines=[line])))


def test_the_parts_survive_a_file(tmp_path, ds):
    mtfs.save_gap(ds, tmp_path / "gap.nc")
    held = mtfs.load_gap(tmp_path / "gap.nc")
    assert mtfs.pressures(held, by="service").identical(mtfs.pressures(ds, by="service"))


def test_the_accessor_gives_the_same(ds):
    assert ds.mtfs.pressures(by="service").identical(mtfs.pressures(ds, by="service"))
    assert ds.mtfs.pressure_table(unit="GBP").equals(mtfs.pressure_table(ds, unit="GBP"))
    assert ds.mtfs.savings_by_service().identical(mtfs.savings_by_service(ds))
