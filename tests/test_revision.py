"""From last year's plan to this one."""

import numpy as np
import pytest
import xarray as xr
from councils import council
from hypothesis import given, reject
from strategies import plans

import mtfs
from mtfs.attribution import bridge_table
from mtfs.revision import plan_bridge

CPI = {"name": "cpi", "central": 0.02, "sd": 0.01, "persistence": 0.5, "previous": [0.04]}
WASTE = {"kind": "contract", "name": "waste", "base": 100.0, "growth": "cpi"}
ROADS = {"kind": "budget", "name": "roads", "base": 50.0, "growth": 0.01, "service": "transport"}
SCHEME = {"name": "reviews", "levels": [1.0, 2.0, 3.0, 3.0], "delivery": 0.8, "service": "adults"}
TAX = {"kind": "council_tax", "name": "tax", "base_income": 100.0, "core_increase": 0.03}


def plan(**parts):
    held = {"drivers": [CPI], "lines": [WASTE, ROADS], "savings": [SCHEME], "funding": [TAX]}
    return council(**(held | parts))


def bridged(new, old=None, **options):
    return plan_bridge(old or plan(), new, **({"n_draws": 4, "seed": 1} | options))


def steps(ds):
    return ds["step"].values.tolist()


def planned(ds, step):
    return ds["planned_contribution"].sel(step=step).values.tolist()


def sums_apart(ds):
    """Give how far the steps are from summing to the difference of the two gaps, and its scale."""
    apart = [
        float(abs(ds[f"{a}start"] + ds[f"{a}contribution"].sum("step") - ds[f"{a}end"]).max())
        for a in ("", "planned_")
    ]
    each = ("start", "end", "contribution", "planned_contribution")
    sizes = [float(abs(ds[name]).max()) for name in each if ds[name].size]
    return max(apart), max(1.0, *sizes)


# By hand


def test_a_year_on_by_hand():
    old = mtfs.Plan(
        council="A",
        first_year="2026/27",
        horizon=3,
        drivers=[{"name": "cpi", "central": 0.02}],
        lines=[WASTE, {"kind": "change", "name": "care", "cause": "people", "changes": [3, 4, 5]}],
        savings=[{"name": "reviews", "levels": [1.0, 2.0, 2.0], "delivery": 1.0}],
        funding=[{"kind": "grant", "name": "RSG", "amount": 98.0, "growth": 0.0}],
    )
    new = mtfs.Plan(
        council="A",
        first_year="2027/28",
        horizon=3,
        drivers=[{"name": "cpi", "central": 0.03}],
        lines=[
            WASTE | {"base": 104.0},
            {"kind": "change", "name": "care", "cause": "people", "changes": [4, 6, 5]},
        ],
        savings=[{"name": "digital", "levels": [1.0, 1.0, 1.0], "delivery": 1.0}],
        funding=[{"kind": "grant", "name": "RSG", "amount": 104.0, "growth": 0.0}],
    )
    ds = plan_bridge(old, new, n_draws=2, seed=1)
    assert ds["year"].values.tolist() == ["2027/28", "2028/29", "2029/30"]
    # 104.04 + 7 - 2 - 98 and 106.1208 + 12 - 2 - 98; the last stands for the year added
    assert ds["planned_start"].values == pytest.approx([11.04, 18.1208, 18.1208])
    assert steps(ds) == [
        "roll-forward",
        "driver: cpi",
        "changed line: waste",
        "changed line: care",
        "saving new: digital",
        "saving dropped: reviews",
        "year added",
    ]
    found = {name: planned(ds, name) for name in steps(ds)}
    assert found["roll-forward"] == pytest.approx([-6] * 3)  # 102 + 3 - 1 - 98
    # a point more on 102 and on 104 in the first year, halved
    second = (102 * (1.03**2 - 1.02**2) + 104 * (1.03**2 - 1.02**2)) / 2
    assert found["driver: cpi"] == pytest.approx([1.03, second, second])
    # growth on a base of 104 rather than 102, at 2% and at 3%
    second = 2 * (1.02**2 + 1.03**2 - 2) / 2
    assert found["changed line: waste"] == pytest.approx([0.05, second, second])
    assert found["changed line: care"] == pytest.approx([0, 1, 1])  # 4, 10 against 4, 9
    assert found["saving new: digital"] == pytest.approx([-1] * 3)
    assert found["saving dropped: reviews"] == pytest.approx([1] * 3)  # 2 less the first year's 1
    assert found["year added"] == pytest.approx([0, 0, 104 * (1.03**3 - 1.03**2) + 5])
    assert ds["planned_end"].values == pytest.approx([6.12, 15.3336, 23.643608])
    assert (ds["contribution"] == ds["planned_contribution"]).all()  # nothing is uncertain


def test_what_the_new_base_budget_lacks_has_a_row_of_its_own():
    old = plan(drivers=[], lines=[ROADS], savings=[], funding=[])
    new = mtfs.Plan(council="Anyshire", first_year="2027/28", horizon=3, lines=[ROADS])
    ds = bridged(new, old)
    assert planned(ds, "roll-forward") == pytest.approx([-50.5] * 3)
    assert planned(ds, "base budget") == pytest.approx([50] * 3)


def test_two_years_on_items_grow_from_the_year_before_the_new_plan():
    change = {"kind": "change", "name": "care", "cause": "people", "changes": [1.0, 2.0, 4.0, 8.0]}
    old = plan(drivers=[], lines=[change], savings=[], funding=[])
    later = {"first_year": "2028/29", "horizon": 2}
    new = mtfs.Plan.model_validate(
        {"council": "Anyshire", "lines": [change | {"changes": [5.0, 9.0]}]} | later
    )
    ds = bridged(new, old)
    assert ds["planned_start"].values.tolist() == [7, 15]
    assert planned(ds, "roll-forward") == [-3, -3]
    assert planned(ds, "changed line: care") == [1, 2]  # 5 and 14 against 4 and 12
    assert ds["planned_end"].values.tolist() == [5, 14]


def test_one_changed_driver_is_the_only_step():
    new = plan(drivers=[CPI | {"central": 0.03}])
    ds = bridged(new)
    assert steps(ds) == ["driver: cpi"]
    assert planned(ds, "driver: cpi") == pytest.approx(
        [100 * (1.03**n - 1.02**n) for n in (1, 2, 3, 4)]
    )
    old_gap, new_gap = (mtfs.project_gap(each, n_draws=4, seed=1)["gap"] for each in (plan(), new))
    found = ds["contribution"].sel(step="driver: cpi").values
    np.testing.assert_allclose(found, (new_gap - old_gap).values, atol=1e-9)


def test_a_new_spread_is_a_driver_that_changed():
    ds = bridged(plan(drivers=[CPI | {"sd": 0.02}]))
    assert steps(ds) == ["driver: cpi"]
    assert planned(ds, "driver: cpi") == [0, 0, 0, 0]
    assert ds["contribution"].any()


def test_a_driver_that_moves_in_its_last_digit_only_has_no_step():
    # the borrowing rate is correlated with the pay award, whose spread changes with its centre
    old = mtfs.load_example("nottinghamshire_2024")
    changes = {
        "drivers.pay award.central": (0.032, 0.03, 0.03, 0.03),
        "drivers.children's price.planned": 0.065,
    }
    ds = plan_bridge(old, old.with_changes(changes), n_draws=4096, seed=2026)
    assert steps(ds) == ["driver: pay award", "driver: children's price"]
    apart, scale = sums_apart(ds)
    assert apart < 1e-9 * scale


@pytest.mark.parametrize(
    ("parts", "step", "values"),
    [
        (
            {"lines": [WASTE, ROADS, ROADS | {"name": "parks"}]},
            "new line: parks",
            [50.5, 51.005, 51.51505, 52.0302005],
        ),
        ({"lines": [WASTE]}, "removed line: roads", [-50.5, -51.005, -51.51505, -52.0302005]),
        (
            {"lines": [WASTE, ROADS | {"base": 60.0}]},
            "changed line: roads",
            [10.1, 10.201, 10.30301, 10.4060401],
        ),
        ({"savings": []}, "saving dropped: reviews", [1, 2, 3, 3]),
        (
            {"savings": [SCHEME, SCHEME | {"name": "digital"}]},
            "saving new: digital",
            [-1, -2, -3, -3],
        ),
        (
            {"savings": [SCHEME | {"levels": [0.0, 1.0, 2.0, 3.0]}]},
            "saving late: reviews",
            [1, 1, 1, 0],
        ),
        (
            {"savings": [SCHEME | {"levels": [0.0, 0.0, 3.0, 3.0]}]},
            "saving late: reviews",
            [1, 2, 0, 0],
        ),
        (
            {"savings": [SCHEME | {"levels": [2.0, 2.0, 3.0, 3.0]}]},  # sooner
            "saving changed: reviews",
            [-1, 0, 0, 0],
        ),
        (
            {"savings": [SCHEME | {"levels": [1.0, 2.0, 2.0, 2.0]}]},
            "saving changed: reviews",
            [0, 0, 1, 1],
        ),
        (
            {"funding": [TAX, {"kind": "grant", "name": "RSG", "amount": 7.0}]},
            "funding new: RSG",
            [-7] * 4,
        ),
        ({"base_gap": 2.0}, "new line: base gap", [2] * 4),
        (
            {
                "reserves": {
                    "funds": [{"name": "general", "opening": 9.0, "contributions": 1.0}],
                    "surplus_to": "general",
                }
            },
            "reserves: contribution to general",
            [1] * 4,
        ),
        (
            {
                "funding": [
                    TAX,
                    {"kind": "grant", "name": "RSG", "amount": 7.0, "side": "requirement"},
                ]
            },
            "funding new: RSG",
            [-7] * 4,
        ),
    ],
)
def test_one_change_is_the_only_step(parts, step, values):
    ds = bridged(plan(**parts))
    assert steps(ds) == [step]
    assert planned(ds, step) == pytest.approx(values)


def test_delivery_that_is_believed_less_is_a_changed_saving_that_plans_the_same():
    ds = bridged(plan(savings=[SCHEME | {"delivery": 0.5, "slipped": 0.0}]))
    assert steps(ds) == ["saving changed: reviews"]
    assert planned(ds, "saving changed: reviews") == [0, 0, 0, 0]
    assert (ds["contribution"] > 0).all()


def test_a_rise_of_council_tax_is_policy_and_shares_its_product_with_the_tax_base():
    ds = bridged(plan(funding=[TAX | {"core_increase": 0.05, "tax_base_growth": 0.10}]))
    assert steps(ds) == ["council tax policy: tax", "funding changed: tax"]
    assert planned(ds, "council tax policy: tax")[0] == pytest.approx(-100 * 0.02 * 1.05)
    assert planned(ds, "funding changed: tax")[0] == pytest.approx(-100 * 0.10 * 1.04)


def test_a_rise_that_follows_a_driver_is_that_drivers():
    drivers = [CPI, {"name": "rise", "central": 0.03}]
    old = plan(drivers=drivers, funding=[TAX | {"core_increase": "rise"}])
    new = plan(drivers=[CPI, {"name": "rise", "central": 0.05}], funding=old.funding)
    assert steps(bridged(new, old)) == ["driver: rise"]
    assert steps(bridged(plan(), old)) == []


def test_what_was_planned_of_a_driver_moves_with_it_into_the_budgets_of_the_collection_fund():
    growth = {"name": "homes", "central": 0.01, "sd": 0.002, "persistence": 0.5}
    fund = TAX | {"tax_base_growth": "homes", "collection_fund": {"lag": 1}}
    old = plan(drivers=[CPI, growth], funding=[fund])
    new = plan(drivers=[CPI, growth | {"central": 0.02}], funding=[fund])
    ds = bridged(new, old)
    assert steps(ds) == ["driver: homes"]
    # a year's budget was set by the planned growth, which is 1% more in every draw
    np.testing.assert_allclose(ds["contribution"].isel(step=0, year=0), -100 * 0.01 * 1.03)


def test_one_off_sources_count_in_the_gap_after_them():
    land = {"kind": "receipt", "name": "land", "amounts": [4.0, 0.0, 0.0, 0.0]}
    new = plan(one_offs=[land])
    assert steps(bridged(new)) == []
    assert planned(bridged(new, variable="gap_after_one_offs"), "reserves: land") == [-4, 0, 0, 0]


def test_savings_do_not_count_in_the_gap_before_them():
    assert steps(bridged(plan(savings=[]), variable="gap_before_savings")) == []


def test_a_grant_that_changes_sides_stands_twice_and_cancels():
    rsg = {"kind": "grant", "name": "RSG", "amount": 7.0}
    old = plan(funding=[TAX, rsg])
    ds = bridged(plan(funding=[TAX, rsg | {"side": "requirement"}]), old)
    assert steps(ds) == ["funding new: RSG", "funding removed: RSG"]
    assert float(abs(ds["contribution"].sum("step")).max()) == 0


def test_from_plan_to_outturn_the_change_is_what_rebasing_adds():
    old = mtfs.load_example("leicestershire_2023")
    new = mtfs.rebase(old, mtfs.load_example_monitoring("leicestershire_2023"))
    ds = plan_bridge(old, new, n_draws=8, seed=1)
    assert set(ds["category"].values) == {"new line"}
    added = [line.name for line in new.lines if line not in old.lines]
    assert ds["item"].values.tolist() == added


# Invariants


@given(plans())
def test_a_plan_and_itself_differ_by_nothing_at_all(one):
    ds = plan_bridge(one, one, n_draws=4, seed=3)
    assert ds.sizes["step"] == 0
    assert (ds["start"] == ds["end"]).all()
    assert (ds["planned_start"] == ds["planned_end"]).all()


@given(plans(), plans())
def test_steps_sum_to_the_difference_of_any_two_plans(one, other):
    old, new = sorted((one, other), key=lambda each: each.first_year)
    if new.first_year not in old.years:
        reject()
    for variable in ("gap", "gap_before_savings", "gap_after_one_offs"):
        ds = plan_bridge(old, new, variable=variable, n_draws=4, seed=3)
        whole = mtfs.project_gap(new, n_draws=4, seed=3)
        apart, scale = sums_apart(ds)
        scale = max(scale, float(abs(whole["requirement"]).max()))
        assert apart <= 1e-9 * scale
        for a in ("", "planned_"):
            with xr.set_options(arithmetic_join="exact"):
                ends = ds[f"{a}end"] - whole[f"{a}{variable}"]
            assert float(abs(ends).max()) <= 1e-9 * scale
        held = mtfs.project_gap(old, n_draws=4, seed=3)
        shared = [year for year in new.years if year in old.years]
        starts = ds["planned_start"].sel(year=shared) - held[f"planned_{variable}"].sel(year=shared)
        assert float(abs(starts).max()) <= 1e-9 * scale
        if old.first_year == new.first_year:
            starts = ds["start"].sel(year=shared) - held[variable].sel(year=shared)
            assert float(abs(starts).max()) <= 1e-9 * scale


def test_a_driver_drawn_afresh_each_year_moves_nothing_when_the_plan_rolls_on():
    old = plan(drivers=[CPI | {"persistence": 0.0}])
    new = mtfs.Plan.model_validate(
        old.model_dump(exclude_none=True)
        | {"first_year": "2027/28", "savings": [SCHEME | {"levels": 1.0}]}
    )
    assert not [name for name in steps(bridged(new, old)) if name.startswith("driver")]


# Oracle


def test_averages_over_orders_and_over_both_plans_agree_with_whole_projections():
    def fees(weight):
        mix = [{"driver": "cpi", "weight": weight, "lag": 1}, {"driver": "wages", "weight": 0.6}]
        return {"name": "fees", "mix": mix, "sd": 0.01, "persistence": 0.0}

    wages = {"name": "wages", "central": 0.04, "sd": 0.02, "persistence": 1.0}
    care = {"kind": "care", "name": "homes", "people": 50, "people_growth": "cpi"}
    care |= {"weekly_cost": 9.0, "price_growth": "fees"}
    pay = {"kind": "pay", "name": "staff", "pay": 300.0, "award": "wages"}
    old = plan(drivers=[CPI, wages, fees(0.4)], lines=[WASTE, care])
    new = plan(
        drivers=[CPI | {"central": 0.03, "previous": [0.06]}, wages | {"sd": 0.03}, fees(0.5)],
        lines=[WASTE, care | {"people": 55}, pay],
    )
    names = ["cpi", "wages", "fees"]
    both = {
        each: {d.name: d.model_dump(exclude_none=True) for d in each.drivers} for each in (old, new)
    }

    def run(items, moved):
        held = {f"drivers.{n}": both[new if n in moved else old][n] for n in names}
        return mtfs.project_gap(items.with_changes(held), n_draws=5, seed=7)

    wanted = dict.fromkeys(names, 0.0)
    for items in (old, new):
        for order in (names, names[::-1]):
            for place, name in enumerate(order):
                after, before = run(items, order[: place + 1]), run(items, order[:place])
                wanted[name] = wanted[name] + (after["gap"] - before["gap"]).values / 4
    ds = plan_bridge(old, new, n_draws=5, seed=7)
    for name in names:
        found = ds["contribution"].sel(step=f"driver: {name}").values
        np.testing.assert_allclose(found, wanted[name], atol=1e-7)
    for name, step in {"homes": "changed line", "staff": "new line", "waste": None}.items():
        effect = 0.0
        for moved in ([], names):
            cost = [run(items, moved)["cost"] for items in (old, new)]
            held = [name in each["line"] for each in cost]
            each = [c.sel(line=name).values if h else 0.0 for c, h in zip(cost, held, strict=True)]
            effect = effect + (each[1] - each[0]) / 2
        if step is None:
            np.testing.assert_allclose(effect, 0.0, atol=1e-9)
            continue
        found = ds["contribution"].sel(step=f"{step}: {name}").values
        np.testing.assert_allclose(found, effect, atol=1e-7)
    assert set(ds["item"].values) == {*names, "homes", "staff"}


# Tables and the door


def test_the_table_adds_up_to_the_gap_in_the_new_plan():
    ds = bridged(plan(drivers=[CPI | {"central": 0.03}], savings=[], base_gap=2.0), n_draws=50)
    for by in ("component", "category", "item", "service"):
        table = bridge_table(ds, by=by, year="2027/28", unit="GBP")
        assert table.index[0] == "gap in the old plan"
        assert table.index[-1] == "gap in the new plan"
        for column in ("plan", "mean"):
            assert table[column].iloc[:-1].sum() == pytest.approx(table[column].iloc[-1])
    table = bridge_table(ds, year="2026/27", unit="GBP")
    assert table.index.tolist()[1:-1] == ["cpi", "new line", "saving dropped"]
    assert table["plan"].tolist()[1:-1] == pytest.approx([1, 2, 1])
    assert bridge_table(ds, by="service").index.tolist()[1:-1] == [
        "driver",
        "corporate",
        "adults",
    ]


def test_the_table_shows_only_what_moves_the_year_shown():
    ds = bridged(plan(savings=[SCHEME | {"levels": [1.0, 2.0, 3.0, 4.0]}], base_gap=2.0))
    assert "saving changed" not in bridge_table(ds, year="2026/27").index
    assert "saving changed" in bridge_table(ds, year="2029/30").index


def test_a_driver_a_line_and_a_saving_of_one_name_have_rows_of_their_own():
    driver = {"name": "waste", "central": 0.02}
    old = plan(drivers=[driver], lines=[WASTE | {"growth": "waste"}])
    line = WASTE | {"growth": "waste", "base": 110.0}
    saving = {"name": "waste", "levels": 1.0, "delivery": 1.0}
    new = plan(drivers=[driver | {"central": 0.05}], lines=[line], savings=[SCHEME, saving])
    rows = bridge_table(bridged(new, old), by="item", year="2026/27", unit="GBP")["plan"]
    assert rows["waste [driver]"] == pytest.approx((3 + 3.3) / 2)
    assert rows["waste [line]"] == pytest.approx((10.2 + 10.5) / 2)
    assert rows["waste [saving]"] == -1


def test_a_driver_that_is_called_as_a_category_has_a_row_of_its_own():
    driver = {"name": "new line", "central": 0.02}
    old = plan(drivers=[driver], lines=[WASTE | {"growth": "new line"}])
    lines = [*old.lines, ROADS]
    new = plan(drivers=[driver | {"central": 0.05}], lines=lines)
    rows = bridge_table(bridged(new, old), year="2026/27", unit="GBP")["plan"]
    assert rows["new line [driver]"] == pytest.approx(3)
    assert rows["new line"] == pytest.approx(50.5)


def test_a_grant_that_changes_sides_is_one_source_and_leaves_no_row():
    rsg = {"kind": "grant", "name": "RSG", "amount": 7.0}
    ds = bridged(plan(funding=[TAX, rsg | {"side": "requirement"}]), plan(funding=[TAX, rsg]))
    assert bridge_table(ds, by="item").index.tolist() == [
        "gap in the old plan",
        "gap in the new plan",
    ]


def test_nottinghams_plans_two_years_apart():
    """The figures of the how-to page."""
    old, new = (mtfs.load_example(f"nottingham_{year}") for year in (2023, 2025))
    ds = plan_bridge(old, new, n_draws=8, seed=1)
    table = bridge_table(ds, year="2027/28")["plan"].round(1)
    assert table["gap in the old plan"] == 58.7
    assert table["roll-forward"] == -51.0
    assert table["council tax policy"] == -13.2
    assert table["saving new"] == -44.7
    assert table["saving dropped"] == 28.0
    assert table["gap in the new plan"] == 10.5
    assert ds.attrs["title"].startswith("Nottingham City Council: from the plan of 2024/25 to")


def test_a_projection_is_bridged_on_its_own_draws():
    new = mtfs.project_gap(plan(base_gap=2.0), n_draws=6, seed=9)
    old = mtfs.project_gap(plan(), n_draws=3, seed=4)
    ds = plan_bridge(old, new)
    assert (ds.attrs["seed"], ds.attrs["n_draws"]) == (9, 6)
    np.testing.assert_allclose(ds["end"].values, new["gap"].values)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bridged(plan(), variable="reserve"), "variable is 'reserve'; expected"),
        (lambda: bridged(plan(council="Otherton")), "'Anyshire' and the new one of 'Otherton'"),
        (lambda: bridge_table(bridged(plan()), by="line"), "by is 'line'; expected 'component'"),
        (lambda: bridge_table(bridged(plan()), year="1999/00"), "not a year of the plan"),
        (lambda: bridge_table(mtfs.project_gap(plan(), n_draws=1)), "expected a Dataset from"),
    ],
)
def test_a_wrong_argument_is_answered_at_the_door(call, words):
    with pytest.raises(mtfs.MtfsError, match=words):
        call()
