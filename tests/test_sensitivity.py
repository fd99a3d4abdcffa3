"""The table councils publish, and the tornado."""

import functools
import math

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from councils import YEARS, council
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import plans

import mtfs
from mtfs import MtfsError, Shift, sensitivity_table, tornado

Z10 = 1.2815515655446004  # the 90th percentile of a standard normal
ROADS = {"kind": "budget", "name": "roads", "base": 100e6, "growth": "cpi"}
CPI = {"name": "cpi", "central": 0.02, "sd": 0.01, "persistence": 0.5, "previous": [0.03]}


def one_driver(**cpi):
    return council(drivers=[CPI | cpi], lines=[ROADS])


def effects(plan, *shifts, **options):
    """Give the effect of each shift by year, GBP."""
    return sensitivity_table(plan, shifts=shifts, unit="GBP", **options).to_numpy().tolist()


# The table


def test_a_percentage_point_compounds_by_hand():
    up, down = effects(one_driver(), Shift(path="cpi", by=0.01), Shift(path="cpi", by=-0.01))
    assert up == pytest.approx([1e8 * (1.03**t - 1.02**t) for t in (1, 2, 3, 4)])
    assert down == pytest.approx([1e8 * (1.01**t - 1.02**t) for t in (1, 2, 3, 4)])
    assert up[:2] == pytest.approx([1e6, 2.05e6])
    assert down[:2] == pytest.approx([-1e6, -2.03e6])  # not symmetric


def test_a_share_is_of_what_is_there():
    point, half = effects(one_driver(), Shift(path="cpi", by=0.01), Shift(path="cpi", share=0.5))
    assert half == pytest.approx(point)


def test_the_three_conventions_by_hand():
    shift = Shift(path="lines.roads.growth", by=0.01)
    plan = council(horizon=2, lines=[ROADS | {"growth": 0.02}])
    assert effects(plan, shift) == [pytest.approx([1e6, 2.05e6])]
    assert effects(plan, shift, convention="annual") == [pytest.approx([1e6, 1.05e6])]
    assert effects(plan, shift, convention="total") == [pytest.approx([3.05e6])]


def test_a_shift_of_some_years_leaves_the_others():
    (found,) = effects(one_driver(), Shift(path="cpi", by=0.01, years=["2027/28"]))
    lasting = 1.02 * 0.01 * 1e8
    assert found == pytest.approx([0, lasting, lasting * 1.02, lasting * 1.02**2])


def test_a_shift_reaches_what_follows_a_driver_when_it_reaches_it():
    fees = {"name": "fees", "central": 0.01, "mix": [{"driver": "cpi", "weight": 0.5, "lag": 1}]}
    plan = council(drivers=[CPI, fees], lines=[ROADS | {"growth": "fees"}])
    (found,) = effects(plan, Shift(path="cpi", by=0.01))
    before = np.cumprod([1.025, 1.02, 1.02, 1.02])  # 1% and half of 3% known, then half of 2%
    after = np.cumprod([1.025, 1.025, 1.025, 1.025])
    assert found == pytest.approx(1e8 * (after - before))
    assert found[0] == 0
    (own,) = effects(plan, Shift(path="fees", by=0.01))
    assert own == pytest.approx(1e8 * (np.cumprod([1.035, 1.03, 1.03, 1.03]) - before))


def test_ten_more_people_and_a_pound_more():
    care = {"kind": "care", "name": "homes", "people": 50.0, "weekly_cost": 1000.0, "weeks": 52.0}
    plan = council(lines=[care | {"people_growth": 0.1}, ROADS | {"growth": 0.0}])
    people, base = effects(
        plan,
        Shift(path="lines.homes.people", by=10),
        Shift(path="lines.roads.base", by=1e6, label="roads"),
    )
    assert people == pytest.approx([10 * 52e3 * 1.1**t for t in (1, 2, 3, 4)])
    assert base == pytest.approx([1e6] * 4)


def test_one_shift_alone_is_one_row():
    (found,) = effects(one_driver(), Shift(path="cpi", by=0.01))
    table = sensitivity_table(one_driver(), shifts=Shift(path="cpi", by=0.01), unit="GBP")
    assert table.to_numpy().tolist() == [found]


def test_several_paths_move_together():
    plan = one_driver().with_changes({"lines": [ROADS, ROADS | {"name": "parks", "growth": 0.02}]})
    both, roads, parks = effects(
        plan,
        Shift(path=["cpi", "lines.parks.growth"], by=0.01),
        Shift(path="cpi", by=0.01),
        Shift(path="lines.parks.growth", by=0.01),
    )
    assert both == pytest.approx(np.add(roads, parks))


SCHEMES = {
    "savings": [
        {"name": "reviews", "levels": [1e6, 3e6, 3e6, 2e6], "delivery": 0.8, "slipped": 0.5},
        {"name": "homes", "levels": [0.0, 2e6, 2e6, 2e6], "rag": "amber", "needs": ["reviews"]},
    ],
    "savings_targets": [
        {"name": "target", "levels": [4e6, 6e6, 6e6, 6e6], "rag": "red", "schemes": ["reviews"]}
    ],
}


def test_a_saving_a_year_late_by_hand():
    plan = council(lines=[ROADS | {"growth": 0.0}], **SCHEMES)
    one, two, rest, all_ = effects(
        plan,
        Shift(path="savings.reviews", delay=1),
        Shift(path="savings.reviews", delay=2),
        Shift(path="savings_targets.target", delay=1),
        Shift(
            path=["savings.reviews", "savings.homes", "savings_targets.target"],
            delay=1,
            label="all",
        ),
    )
    # though its target counts on it, nothing takes its place
    assert one == pytest.approx([1e6, 2e6, 0, -1e6])
    assert two == pytest.approx([1e6, 3e6, 2e6, -1e6])
    assert rest == pytest.approx([3e6, 0, 0, 1e6])  # 3, 3, 3, 4 are not yet identified
    assert all_ == pytest.approx(np.sum([one, rest, [0, 2e6, 0, 0]], axis=0))


def test_in_draws_a_late_saving_arrives_as_it_would_have_a_year_earlier():
    plan = council(lines=[ROADS | {"growth": 0.0}], **SCHEMES)
    shift = Shift(path="savings.homes", delay=1)
    table = sensitivity_table(plan, shifts=[shift], basis="draws", n_draws=500, seed=3, unit="GBP")
    later = plan.with_changes({"savings.homes.levels": [0.0, 0.0, 2e6, 2e6]})
    wanted = [mtfs.project_gap(each, n_draws=500, seed=3)["gap"] for each in (later, plan)]
    mean = table.xs("mean", axis=1, level="figure").to_numpy()[0]
    assert mean == pytest.approx((wanted[0] - wanted[1]).mean("draw").values)
    assert mean[1] > 0


def test_in_draws_a_late_saving_holds_up_what_needs_it():
    plan = council(lines=[ROADS | {"growth": 0.0}], **SCHEMES)
    alone = plan.with_changes({"savings.homes.levels": 0.0})
    late = Shift(path="savings.reviews", delay=1)
    with_, without = (
        sensitivity_table(each, shifts=[late], basis="draws", n_draws=500, seed=3)
        for each in (plan, alone)
    )
    more = (with_ - without).xs("mean", axis=1, level="figure").to_numpy()[0]
    assert more[0] == pytest.approx(0)  # homes saves nothing in the first year
    assert more[1] > 0.1


@pytest.mark.parametrize("basis", ["plan", "draws"])
def test_a_driver_shifted_is_the_plan_with_its_centre_shifted(basis):
    plan = one_driver(central=[0.01, 0.02, 0.03, 0.04])
    other = plan.with_changes({"drivers.cpi.central": [0.02, 0.03, 0.04, 0.05]})
    options = {"basis": basis} | ({"n_draws": 300, "seed": 5} if basis == "draws" else {})
    driver, path = (
        sensitivity_table(plan, shifts=[Shift(path=path, by=0.01)], **options).to_numpy()
        for path in ("cpi", "drivers.cpi.central")
    )
    assert driver == pytest.approx(path, rel=1e-9, abs=1e-12)
    if basis == "plan":
        name, pick = "planned_gap", lambda gap: gap
    else:
        name, pick = "gap", lambda gap: gap.mean("draw")
        driver = driver.reshape(4, -1)[:, 0]
    old, new = (mtfs.project_gap(each, n_draws=300, seed=5)[name] for each in (plan, other))
    assert driver.ravel() == pytest.approx(pick(new - old).to_numpy() / 1e6)


def test_the_figures_of_draws_are_those_of_the_paired_difference():
    plan, shift = one_driver(), Shift(path="lines.roads.base", share=0.1)
    table = sensitivity_table(plan, shifts=[shift], basis="draws", n_draws=800, seed=1, unit="GBP")
    wider = mtfs.project_gap(plan, n_draws=800, seed=1)["gap"] * 0.1
    last = table[YEARS[-1]].iloc[0]
    found = wider.isel(year=-1)
    assert last["mean"] == pytest.approx(float(found.mean()))
    assert last["mean_se"] == pytest.approx(float(found.std(ddof=1)) / math.sqrt(800))
    assert last[["P10", "P50", "P90"]].tolist() == pytest.approx(
        np.quantile(found, [0.1, 0.5, 0.9])
    )
    assert table.attrs["seed"] == 1
    steps = sensitivity_table(
        plan,
        shifts=[shift],
        basis="draws",
        n_draws=800,
        seed=1,
        unit="GBP",
        convention="annual",
    )
    step = mtfs.annual(wider).isel(year=-1)
    assert steps[YEARS[-1]]["P90"].item() == pytest.approx(float(step.quantile(0.9)))


def test_small_shifts_scale_and_add_up():
    plan = mtfs.load_example("leicestershire_2024")
    small, twice, down, other, both = np.array(
        effects(
            plan,
            Shift(path="cpi", by=1e-6),
            Shift(path="cpi", by=2e-6),
            Shift(path="cpi", by=-1e-6),
            Shift(path="pay award", by=1e-6),
            Shift(path=["cpi", "pay award"], by=1e-6),
        )
    )
    assert twice == pytest.approx(2 * small, rel=1e-4)
    assert down == pytest.approx(-small, rel=1e-4)
    assert both == pytest.approx(small + other, rel=1e-4)


def test_a_shift_of_the_tax_base_is_budgeted_for_where_there_is_a_collection_fund():
    homes = {"name": "homes", "central": 0.01, "sd": 0.002, "persistence": 0.5}
    tax = {"kind": "council_tax", "name": "tax", "base_income": 100.0, "tax_base_growth": "homes"}
    one = council(drivers=[homes], funding=[tax | {"collection_fund": {"lag": 1}}])
    two = one.with_changes({"drivers.homes.central": 0.02})
    draws = {"n_draws": 50, "seed": 1}
    gaps = [mtfs.project_gap(each, **draws)["gap"] for each in (one, two)]
    shift = Shift(path="homes", by=0.01)
    table = sensitivity_table(one, shifts=[shift], basis="draws", unit="GBP", **draws)
    found = table.xs("mean", axis=1, level="figure").to_numpy()[0]
    np.testing.assert_allclose(found, (gaps[1] - gaps[0]).mean("draw"))


@given(plans(), st.sampled_from(["plan", "draws"]), st.floats(-0.02, 0.02).filter(bool))
def test_a_driver_that_nothing_follows_moves_nothing(plan, basis, by):
    idle = {"name": "idle", "central": 0.5, "sd": 0.1, "persistence": 0}
    other = plan.with_changes({"drivers": [*plan.model_dump()["drivers"], idle]})
    shift = Shift(path="idle", by=by)
    draws = {"n_draws": 4, "seed": 1} if basis == "draws" else {}
    table = sensitivity_table(other, shifts=[shift], basis=basis, **draws)
    assert (table.to_numpy() == 0).all()


@settings(max_examples=12)
@given(plans(), st.integers(0, 4))
def test_every_row_of_a_path_is_the_plan_with_that_change(plan, start):
    shifts = mtfs.usual_shifts(plan)
    assume(shifts)
    table = sensitivity_table(plan, unit="GBP")
    assert table.isna().all(axis=1).sum() == len(table.attrs["impossible"])
    base = mtfs.project_gap(plan, n_draws=1, seed=1)
    scale = 1 + float(abs(base["planned_requirement"]).max() + abs(base["planned_funding"]).max())
    drivers = {driver.name for driver in plan.drivers}
    for shift, row in list(zip(shifts, table.to_numpy(), strict=True))[start::5]:
        if shift.delay is not None or shift.path in drivers or np.isnan(row).any():
            continue
        value = functools.reduce(part_of, shift.path.split("."), plan)
        values = mtfs.assumptions.fixed_values(value, plan.years)
        new = (values + (shift.by if shift.by is not None else shift.share * values)).tolist()
        one = shift.path.endswith(".people")  # of the base year, not by year
        other = plan.with_changes({shift.path: new[0] if one else new})
        gap = mtfs.project_gap(other, n_draws=1, seed=1)["planned_gap"]
        np.testing.assert_allclose(row, gap - base["planned_gap"], atol=1e-9 * scale)


def part_of(held, step):
    """Give a part by its name, or a field."""
    if isinstance(held, tuple):
        return next(part for part in held if part.name == step)
    return getattr(held, step)


@settings(max_examples=12)
@given(plans(), st.floats(0.001, 0.02))
def test_there_and_back_again(plan, by):
    name = plan.drivers[0].name
    centre = f"drivers.{name}.central"
    assume(plan.drivers[0].central is not None and plan.drivers[0].shape == "normal")
    assume(plan.drivers[0].planned is None)
    there = mtfs.shifts.shifted(plan, Shift(path=centre, by=by))
    (out,) = effects(plan, Shift(path=name, by=by))
    (back,) = effects(there, Shift(path=name, by=-by))
    ds = mtfs.project_gap(plan, n_draws=1, seed=1)
    scale = 1 + float(abs(ds["planned_requirement"]).max() + abs(ds["planned_funding"]).max())
    np.testing.assert_allclose(out, -np.array(back), atol=1e-9 * scale)


def test_what_cannot_be_is_marked_in_the_usual_table_and_refused_when_asked_for():
    tax = {
        "kind": "council_tax",
        "name": "tax",
        "band_d": 1000.0,
        "tax_base": 1e5,
        "collection": "collected",
    }
    plan = council(
        drivers=[{"name": "collected", "central": 0.995}],
        funding=[tax],
        lines=[ROADS | {"growth": 0.0}],
    )
    table = sensitivity_table(plan)
    rows = table.loc["collected"]
    assert rows.loc["-1 percentage point"].tolist() == pytest.approx([1.0] * 4)
    assert rows.loc["+1 percentage point"].isna().all()
    assert table.attrs["impossible"] == {
        "collected, +1 percentage point": "'collected' takes 'collected', a share, beyond 0 to 1"
    }
    drawn = sensitivity_table(plan, basis="draws", n_draws=4, seed=1)
    assert drawn.loc["collected"].loc["+1 percentage point"].isna().all()
    with pytest.raises(MtfsError, match="a share, beyond 0 to 1"):
        sensitivity_table(plan, shifts=[Shift(path="collected", by=0.01)])


def test_people_below_none_are_refused():
    care = {"kind": "care", "name": "homes", "people": 20.0, "weekly_cost": 1000.0}
    arrivals = {"name": "arrivals", "central": 1.0}
    plan = council(drivers=[arrivals], lines=[care | {"people_added": "arrivals"}])
    with pytest.raises(MtfsError, match="'arrivals' leaves a care line with fewer people"):
        sensitivity_table(plan, shifts=[Shift(path="arrivals", by=-10)])
    with pytest.raises(MtfsError, match="fewer people"):
        sensitivity_table(plan, shifts=[Shift(path="arrivals", by=-10)], basis="draws", seed=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shifts": [Shift(path="cpj", by=0.01)]}, "Did you mean 'cpi'"),
        ({"shifts": []}, "'shifts' is empty"),
        ({"shifts": 3}, "'shifts' is 3; expected a list of mtfs.Shift"),
        ({"shifts": "cpi"}, "'shifts' is 'cpi'; expected a list of mtfs.Shift"),
        ({"shifts": [{"path": "cpi", "by": 0.01}] * 2}, "two shifts are called 'cpi'"),
        ({"shifts": [{"path": "cpi", "by": 0.01, "years": ["2035/36"]}]}, "not a year of the plan"),
        ({"shifts": [{"path": "cpi", "bye": 0.01}]}, "Did you mean 'by'"),
        ({"basis": "draw"}, "basis is 'draw'; expected 'plan', 'draws'"),
        ({"convention": "level"}, "convention is 'level'"),
        ({"unit": "GBPm"}, "unit is 'GBPm'"),
        ({"basis": "draws", "n_draws": 0}, "n_draws is 0"),
        ({"n_draws": 500}, "own table has no draws: leave 'n_draws' and 'seed' out, or give"),
        ({"seed": 0}, "own table has no draws"),
    ],
)
def test_wrong_input_is_answered(options, message):
    with pytest.raises(MtfsError, match=message):
        sensitivity_table(one_driver(), **options)


# What councils published

GATESHEAD = "https://www.gateshead.gov.uk/article/34828/5-Risk-and-uncertainty"


def gateshead(tax=131.3587e6, grants=75.8027e6, pay=153.7e6):
    """Gateshead's MTFS 2026/27 to 2030/31: rates as published, sums of the base year inferred."""
    return mtfs.Plan(
        council="Gateshead",
        first_year="2026/27",
        horizon=5,
        lines=[
            {"kind": "pay", "name": "pay", "pay": pay, "award": [0.035, 0.02, 0.02, 0.02, 0.02]}
        ],
        funding=[
            {
                "kind": "council_tax",
                "name": "council tax",
                "base_income": tax,
                "core_increase": 0.0299,
                "asc_precept": 0.02,
            },
            {"kind": "grant", "name": "grants", "amount": grants, "growth": 0.023},
        ],
        source=GATESHEAD,
    )


def gateshead_row(path, points, plan=None, **options):
    shifts = [Shift(path=path, by=each / 100) for each in points]
    table = sensitivity_table(plan or gateshead(), shifts=shifts, **options)
    return table.iloc[:, -1].to_numpy()


COUNCIL_TAX = [22.54, 15.364, 15.29, 7.83, 7.753]
TAX_POINTS = [-2.99, -2, -1.99, -1, -0.99]


def test_gatesheads_rows_of_council_tax_and_grants():
    tax = gateshead_row("funding.council tax.core_increase", TAX_POINTS)
    assert tax == pytest.approx(COUNCIL_TAX, abs=0.0005)  # their last digit
    grants = gateshead_row("funding.grants.growth", [-2, -1, 1, 2, 3])
    assert grants == pytest.approx([7.978, 4.069, -4.232, -8.635, -13.211], abs=0.006)


def test_gatesheads_rows_are_effects_on_the_last_level():
    path = "funding.council tax.core_increase"
    levels = gateshead_row(path, TAX_POINTS, convention="total")
    # no base makes the sum of the levels fit: the best leaves 0.07
    best = min(np.abs(levels * scale - COUNCIL_TAX).max() for scale in np.linspace(0.34, 0.36, 401))
    assert 0.06 < best < 0.08


def test_gatesheads_tax_base_and_its_growth_cannot_be_told_apart():
    plan = gateshead(tax=124.9833e6).with_changes({"funding.council tax.tax_base_growth": 0.01})
    found = gateshead_row("funding.council tax.core_increase", TAX_POINTS, plan)
    assert found == pytest.approx(COUNCIL_TAX, abs=0.0005)


def test_gatesheads_row_of_pay_fits_no_pay_bill():
    points, published = [-2, -1, 1, 2, 3], np.array([-1.816, -0.92, 0.945, 1.916, 2.912])
    own = gateshead_row("lines.pay.award", points)
    # the council's own "each percentage costs c. GBP 1.5m" (1.537m, MTFS 2025/26) over five years
    bill = [153.7 * (1.035 + x / 100) * (1.02 + x / 100) ** 4 for x in [0, *points]]
    assert own == pytest.approx(np.array(bill[1:]) - bill[0])
    assert own.round(1).tolist() == [-16.2, -8.3, 8.6, 17.5, 26.8]
    best = min((np.abs(own * s - published).max(), s) for s in np.linspace(0.08, 0.14, 6001))
    assert best[0] > 0.03  # nor does any multiple of it fit within rounding
    assert best[1] * 153.7 == pytest.approx(16.9, abs=0.05)


def test_leicestershires_percentage_point_of_council_tax():
    # published for 2024/25: a rise of 1% is worth GBP 3.6m
    table = sensitivity_table(mtfs.load_example("leicestershire_2024"))
    rise = table.loc[("funding.council tax.core_increase", "+1 percentage point"), "2024/25"]
    assert rise == pytest.approx(-3.6, abs=0.05)


# The tornado


def test_one_normal_driver_by_hand():
    plan = council(horizon=1, drivers=[CPI], lines=[ROADS])
    table = tornado(plan, n_draws=40_000, seed=1)
    row = table.loc["cpi"]
    assert row["base"] == pytest.approx(102.0)
    assert row["low_se"] == pytest.approx(
        math.sqrt(0.09 / 40_000) / 0.17549833, rel=0.15
    )  # sqrt(p q / n) over the density at z10
    assert row["low"] == pytest.approx(102 - Z10, abs=4 * row["low_se"])
    assert row["high"] == pytest.approx(102 + Z10, abs=4 * row["high_se"])
    assert row["swing"] == pytest.approx(row["high"] - row["low"])
    assert row["share"] == 1
    wide = tornado(plan, n_draws=40_000, seed=1, prob=0.95).loc["cpi"]
    assert wide["high"] == pytest.approx(102 + 1.959964, abs=4 * wide["high_se"])


def test_the_standard_error_of_a_swing_is_what_swings_vary_by():
    plan = council(horizon=1, drivers=[CPI], lines=[ROADS])
    runs = [tornado(plan, n_draws=500, seed=seed).loc["cpi"] for seed in range(120)]
    spread = np.std([run["swing"] for run in runs], ddof=1)
    stated = np.mean([run["swing_se"] for run in runs])
    # a standard deviation of 120 has a standard error of 6.5% of itself
    assert stated == pytest.approx(spread, rel=4 * 0.065)


def test_persistence_widens_a_swing():
    one, fresh = (
        tornado(one_driver(persistence=each), n_draws=20_000, seed=2).loc["cpi"] for each in (1, 0)
    )
    # one draw for all years: P90 of the gap is the gap at the driver's P90 in every year
    ends = [100 * (1.02 + sign * 0.01 * Z10) ** 4 for sign in (-1, 1)]
    assert one["low"] == pytest.approx(ends[0], abs=4 * one["low_se"])
    assert one["high"] == pytest.approx(ends[1], abs=4 * one["high_se"])
    # fresh draws: growth adds up like sqrt(4) standard deviations, near enough lognormally
    spread = 0.01 / 1.02 * 2 * Z10
    centre = 100 * 1.02**4 * math.exp(-2 * (0.01 / 1.02) ** 2)
    assert fresh["high"] == pytest.approx(centre * math.exp(spread), abs=5 * fresh["high_se"])
    assert one["swing"] / fresh["swing"] == pytest.approx(2, abs=0.08)
    assert one["high"] - one["base"] > one["base"] - one["low"]  # it compounds


def test_a_correlated_driver_swings_by_its_own_spread_alone():
    wages = {"name": "wages", "central": 0.03, "sd": 0.02, "persistence": 0}
    plan = council(
        horizon=1,
        drivers=[CPI, wages],
        lines=[ROADS, ROADS | {"name": "care", "growth": "wages"}],
        correlations=[{"between": ["cpi", "wages"], "value": 0.9}],
    )
    table = tornado(plan, n_draws=20_000, seed=1)
    assert list(table.index) == ["wages", "cpi"]
    for name, sd in (("cpi", 1.0), ("wages", 2.0)):
        row = table.loc[name]
        assert row["low"] == pytest.approx(205 - sd * Z10, abs=4 * row["low_se"])
        assert row["high"] == pytest.approx(205 + sd * Z10, abs=4 * row["high_se"])
    together = tornado(plan, by={"prices": ["cpi", "wages"]}, n_draws=20_000, seed=1)
    sd = math.sqrt(1 + 4 + 2 * 0.9 * 2)
    row = together.loc["prices"]
    assert row["high"] == pytest.approx(205 + sd * Z10, abs=4 * row["high_se"])


def test_a_driver_moves_the_mixes_that_follow_it():
    fees = {
        "name": "fees",
        "mix": [{"driver": "cpi", "weight": 0.5}],
        "sd": 0.02,
        "persistence": 0,
    }
    plan = council(horizon=1, drivers=[CPI, fees], lines=[ROADS | {"growth": "fees"}])
    table = tornado(plan, n_draws=20_000, seed=1)
    for name, sd in (("cpi", 0.5), ("fees", 2.0)):
        row = table.loc[name]
        assert row["high"] == pytest.approx(101 + sd * Z10, abs=4 * row["high_se"])


@settings(max_examples=10)
@given(plans())
def test_all_that_varies_in_one_group_is_the_projection(plan):
    everything = [driver.name for driver in plan.drivers] + [
        "chance: people",
        "chance: costs",
        "chance: savings",
        "chance: funding",
    ]
    assume(any(not spec.name.startswith(("closure", "savings.common")) for spec in plan.shocks()))
    table = tornado(plan, by={"all": everything}, n_draws=64, seed=7, unit="GBP")
    ds = mtfs.project_gap(plan, n_draws=64, seed=7)
    gap = ds["gap"].isel(year=-1)
    scale = 1 + float(abs(ds["requirement"]).max() + abs(ds["funding"]).max())
    wanted = np.quantile(gap, [0.1, 0.9])
    np.testing.assert_allclose(
        table.loc["all", ["low", "high"]].to_numpy(float), wanted, atol=1e-10 * scale
    )


def test_chance_has_rows_of_its_own():
    plan = council(
        drivers=[CPI],
        lines=[
            ROADS,
            {
                "kind": "care",
                "name": "homes",
                "people": 80.0,
                "weekly_cost": 5000.0,
                "dispersion": {"cv": 0.8, "stay": 0.6},
            },
        ],
        savings=[{"name": "s", "levels": 10e6, "rag": "amber"}],
        funding=[
            {
                "kind": "grant",
                "name": "g",
                "amount": 5e6,
                "ends": YEARS[0],
                "continues": 0.7,
                "planned_to_continue": True,
            }
        ],
    )
    table = tornado(plan, n_draws=4000, seed=1)
    assert set(table.index) == {"cpi", "chance: costs", "chance: savings", "chance: funding"}
    assert table["swing"].is_monotonic_decreasing
    assert table["share"].sum() == pytest.approx(1)
    grant = table.loc["chance: funding"]
    # likelier than not it goes on; it ends in 30% of draws
    assert grant["low"] == pytest.approx(grant["base"])
    assert grant["high"] == pytest.approx(grant["base"] + 5)
    before = tornado(plan, n_draws=4000, seed=1, variable="gap_before_savings")
    assert before.loc["chance: savings", "swing"] == 0
    assert tornado(plan, n_draws=100, seed=1, year=YEARS[0]).loc["chance: funding", "swing"] == 0


def test_discrete_drivers_and_events_stay_at_the_likelier():
    states = [
        {"name": "high", "probability": 0.3, "values": 0.3},
        {"name": "low", "probability": 0.3, "values": 0.0},
        {"name": "middle", "probability": 0.4, "values": 0.1},
    ]
    jumpy = {"name": "jumpy", "shape": "discrete", "states": states, "persistence": 1}
    likely = {"name": "likely", "year": YEARS[0], "probability": 0.6, "effect": 0.5, "lasts": 9}
    rare = likely | {"name": "rare", "probability": 0.05}
    plan = council(
        horizon=1,
        drivers=[jumpy, CPI | {"events": [likely, rare]}],
        lines=[ROADS, ROADS | {"name": "care", "growth": "jumpy"}],
    )
    table = tornado(plan, n_draws=2000, seed=1)
    # 2% and the event that is likelier than not; 10%, the median of 0, 10 and 30%
    assert table["base"].tolist() == pytest.approx([152 + 110] * 2)
    row = table.loc["jumpy"]
    assert [row["low"], row["high"]] == pytest.approx([252, 282])


def test_a_certain_plan_has_no_tornado():
    with pytest.raises(MtfsError, match="nothing in the plan is uncertain"):
        tornado(council(lines=[ROADS | {"growth": 0.02}]))


def test_the_error_of_a_swing_is_as_wide_as_the_spread_over_seeds():
    found = [tornado(one_driver(), seed=seed, n_draws=1000).iloc[0] for seed in range(200)]
    spread = np.std([row["swing"] for row in found], ddof=1)
    told = np.mean([row["swing_se"] for row in found])
    apart = np.mean([math.hypot(row["low_se"], row["high_se"]) for row in found])
    # the two ends go together, by 1/9 for P10 and P90: as if they did not, 6% more
    assert math.sqrt(8 / 9) <= told / apart < 0.955
    assert told == pytest.approx(spread, rel=4 / math.sqrt(2 * 200))


def test_closure_swings_only_what_comes_after_it():
    funds = {"funds": [{"name": "fund", "opening": 10e6}], "surplus_to": "fund"}
    plan = one_driver().with_changes({"reserves": funds})
    assert "chance: savings" not in tornado(plan, n_draws=64, seed=1).index
    assert "chance: savings" in tornado(plan, n_draws=64, seed=1, variable="shortfall").index


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prob": 0.0}, "strictly between 0 and 1"),
        ({"prob": 80}, "write 80% as 0.8"),
        ({"year": "2035/36"}, "not a year of the plan"),
        ({"variable": "gpa"}, "Did you mean 'gap'"),
        ({"variable": "cost"}, "variable is 'cost'"),
        ({"n_draws": 1}, "at least 2"),
        ({"by": "line"}, "by is 'line'"),
        ({"by": {"prices": ["cpj"]}}, "Did you mean 'cpi'"),
        ({"by": {"a": ["cpi"], "b": ["cpi"]}}, "stands in groups twice"),
        ({"by": {"a": []}}, "group 'a' holds \\[\\]; expected a list of drivers"),
        ({"by": {"a": 3}}, "group 'a' holds 3; expected a list of drivers"),
        ({"by": {"a": [3]}}, "a group holds '3'"),
        ({"variable": None}, "variable is 'None'"),
        ({"prob": "0.8"}, "prob is '0.8'; expected a share"),
        ({"by": {"wages": ["cpi"]}}, "a group is called wages"),
    ],
)
def test_wrong_input_of_a_tornado_is_answered(options, message):
    wages = {"name": "wages", "central": 0.03, "sd": 0.02, "persistence": 0}
    with pytest.raises(MtfsError, match=message):
        tornado(council(drivers=[CPI, wages], lines=[ROADS]), **{"seed": 1} | options)


def test_a_projection_opens_both_doors_on_its_own_draws():
    plan = one_driver()
    ds = mtfs.project_gap(plan, n_draws=50, seed=4)
    pd.testing.assert_frame_equal(ds.mtfs.sensitivity_table(), sensitivity_table(plan))
    pd.testing.assert_frame_equal(
        ds.mtfs.sensitivity_table(basis="draws"),
        sensitivity_table(plan, basis="draws", n_draws=50, seed=4),
    )
    pd.testing.assert_frame_equal(ds.mtfs.tornado(), tornado(plan, n_draws=50, seed=4))
    assert isinstance(ds, xr.Dataset)
