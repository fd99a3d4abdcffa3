import numpy as np
import pytest
import xarray as xr
import yaml
from scipy import stats

from mtfs import MtfsError, forecast_panel, project_gap
from mtfs.calibrate import panel_driver
from mtfs.plan import Plan
from mtfs.vocabulary import year_labels

COUNCIL = "Anyshire"


def forecast(growth, latest=100.0, **attrs):
    """A panel's forecast of one council with given logarithmic growth, shape (year, draw)."""
    path = latest * np.exp(np.cumsum(growth, axis=0))
    said = {"window": "2010/11 to 2024/25", "n_councils": 40, "n_draws": path.shape[1], "seed": 3}
    return xr.DataArray(
        path[None],
        {
            "council": [COUNCIL],
            "year": list(year_labels("2025/26", len(path))),
            "latest": ("council", [latest]),
        },
        ("council", "year", "draw"),
        name="children",
        attrs=said | attrs,
    )


def persistent(rho, *, sd=0.05, n=40_000, years=4, df=None, seed=2):
    """Yearly growth that is an AR(1) of one spread."""
    rng = np.random.default_rng(seed)
    fresh = rng.standard_normal((years, n))
    score = np.zeros((years, n))
    for year in range(years):
        score[year] = (
            fresh[year]
            if year == 0
            else (rho * score[year - 1] + (1 - rho**2) ** 0.5 * fresh[year])
        )
    if df is not None:
        score = stats.t.ppf(stats.norm.cdf(score), df) * ((df - 2) / df) ** 0.5
    return 0.02 + sd * score


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.8])
def test_the_driver_has_the_mean_the_spread_and_the_persistence_of_the_forecast(rho):
    growth = persistent(rho)
    found = panel_driver(forecast(growth), council=COUNCIL, name="children")
    arithmetic = np.exp(growth) - 1
    central = dict(found.driver.central.by_year)
    sd = dict(found.driver.sd.by_year)
    for year, row in zip(central, arithmetic, strict=True):
        assert central[year] == pytest.approx(row.mean(), abs=1e-5)
        assert sd[year] == pytest.approx(row.std(), rel=0.03)
    assert found.persistence == pytest.approx(rho, abs=0.04)
    assert found.driver.df > 20
    assert found.level.loc["driver"].to_numpy() == pytest.approx(
        found.level.loc["forecast"].to_numpy(), rel=0.01
    )


def test_fat_tails_are_kept():
    found = panel_driver(forecast(persistent(0.3, df=4)), council=COUNCIL, name="children")
    assert found.driver.df == pytest.approx(4, abs=1)


def test_growth_that_swings_back_has_no_persistence():
    growth = persistent(0.0, years=2)
    growth[1] = 0.02 - 0.5 * (growth[0] - 0.02) + 0.8 * (growth[1] - 0.02)
    assert panel_driver(forecast(growth), council=COUNCIL, name="children").persistence == 0.0


def test_the_text_goes_into_a_plan_and_gives_the_forecasts_people():
    levels = forecast(persistent(0.3, df=6))
    found = panel_driver(levels, council=COUNCIL, name="children in care")
    line = {
        "kind": "care",
        "name": "care",
        "people": 100.0,
        "weekly_cost": 1000.0,
        "people_growth": "children in care",
    }
    plan = {"council": COUNCIL, "first_year": "2025/26", "lines": [line]}
    ds = project_gap(
        Plan.model_validate(plan | yaml.safe_load(found.text())), n_draws=20_000, seed=1
    )
    points = [0.1, 0.5, 0.9]
    last = ds["people"].sel(care_line="care", year="2028/29").quantile(points).to_numpy()
    wanted = levels.isel(council=0, year=-1).quantile(points).to_numpy()
    assert last == pytest.approx(wanted, rel=0.015)
    assert plan["lines"][0]["people"] == 100.0
    for part in (
        "children, Anyshire: 2010/11 to 2024/25",
        "40 councils",
        "forecast_panel",
        "seed 3",
    ):
        assert part in found.source


def test_one_year_ahead_has_no_persistence_to_tell():
    found = panel_driver(forecast(persistent(0.5, years=1)), council=COUNCIL, name="children")
    assert found.persistence == 0.0
    assert found.driver.central == pytest.approx(0.0214, abs=0.001)


def test_it_takes_what_forecast_panel_gives():
    years = list(year_labels("2018/19", 7))
    history = xr.DataArray(
        [[100.0, 103, 106, 109, 111, 115, 119], [50, 52, 51, 53, 56, 55, 57]],
        {"council": ["Zeal", "Acle"], "year": years},
        ("council", "year"),
        attrs={"source": "counted by hand"},
    )
    levels = forecast_panel(history, n_draws=400, seed=1)
    assert levels["latest"].sel(council="Zeal").item() == 119
    found = panel_driver(levels, council="Zeal", name="people", planned=0.01)
    assert found.driver.planned == 0.01
    assert found.source.startswith("counted by hand, Zeal: 2018/19 to 2024/25, 2 councils")
    assert 0 < dict(found.driver.central.by_year)["2025/26"] < 0.06


FORECAST = forecast(persistent(0.0, n=50))


@pytest.mark.parametrize(
    ("levels", "council", "message"),
    [
        (FORECAST, "Anyshir", "no council 'Anyshir'. Did you mean 'Anyshire'"),
        (FORECAST.drop_vars("latest"), COUNCIL, "without the coordinate 'latest'"),
        ([1.0], COUNCIL, "found a list; expected what mtfs.forecast_panel gives"),
        (FORECAST, 891, "no council '891'"),
        (FORECAST.sel(council=COUNCIL), COUNCIL, r"no dimension 'council'; .*council=\['Anyshire'"),
        (FORECAST.isel(draw=[0]), COUNCIL, "fewer than two draws"),
        (FORECAST.isel(draw=0), COUNCIL, "fewer than two draws"),
    ],
)  # fmt: skip
def test_what_is_no_panels_forecast_is_answered(levels, council, message):
    with pytest.raises(MtfsError, match=message):
        panel_driver(levels, council=council, name="people")


def test_a_plan_that_begins_later_leaves_out_the_growth_before_it():
    growth = persistent(0.0) + np.array([[0.5], [0.0], [0.0], [0.0]])
    levels = forecast(growth)
    found = panel_driver(levels, council=COUNCIL, name="children", first_year="2026/27")
    whole = panel_driver(levels, council=COUNCIL, name="children")
    assert found.driver.central.by_year == whole.driver.central.by_year[1:]
    assert list(found.growth.index) == list(year_labels("2026/27", 3))
    wanted = np.quantile(np.exp(growth[1:].sum(axis=0)), [0.1, 0.5, 0.9])
    assert found.level.loc["forecast"].to_numpy() == pytest.approx(wanted)
    with pytest.raises(MtfsError, match=r"first_year is '2029/30'.*2025/26 to 2028/29"):
        panel_driver(levels, council=COUNCIL, name="children", first_year="2029/30")


@pytest.mark.parametrize("part", [slice(1, None), slice(0, 0), slice(0, None, 2)])
def test_some_years_of_a_forecast_are_no_forecast(part):
    levels = forecast(persistent(0.0, n=50)).isel(year=part)
    with pytest.raises(MtfsError, match=r"all its years from 2025/26 on.*first_year"):
        panel_driver(levels, council=COUNCIL, name="children")
    with pytest.raises(MtfsError, match="attribute 'window'"):
        panel_driver(levels.drop_attrs(), council=COUNCIL, name="children")
