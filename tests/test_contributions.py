"""What everything adds to the gap: by hand for every kind, and sums for every plan."""

import numpy as np
import pytest
from councils import BUDGET, YEARS, council, run
from hypothesis import given
from strategies import doubled, mappings, plans

import mtfs
from mtfs import Plan, project_gap
from mtfs.engine import engine_of

STAGES = {
    "gap_before_savings": ("saving", "one-off"),
    "gap": ("one-off",),
    "gap_after_one_offs": (),
}
FUNDS = [{"name": "general", "opening": 1000.0, "general": True}]
RESERVES = {"funds": FUNDS, "surplus_to": "general"}
NOTHING = BUDGET | {"base": 0.0}


def of(**parts):
    """Run one draw of a small council that has roads, if nothing else."""
    parts = {"lines": [BUDGET]} | parts
    return run(council(**parts), n_draws=1, keep="components")


def planned(item=None, **parts):
    """Give the council's own steps of one item, by component, as levels by year."""
    ds = of(**parts)
    held = ds["planned_contribution"]
    found = {}
    for component, name, values in zip(
        held["step_component"].values, held["step_item"].values, held.values, strict=True
    ):
        if item in (None, name):
            found[str(component)] = [round(float(value), 6) for value in values]
    return found


def line(**fields):
    return planned(fields["name"], lines=[fields])


def base_budget(**parts):
    return of(lines=[NOTHING], **parts)["base_budget"].item()


# Lines


CARE = {"kind": "care", "name": "homes", "people": 100.0, "weekly_cost": 10.0, "weeks": 1.0}


def test_care_splits_people_and_price_evenly():
    found = line(**CARE, people_growth=[0.1, 0, 0, 0], price_growth=[0.2, 0, 0, 0])
    assert found == {"people": [110.0] * 4, "price": [210.0] * 4}


def test_half_of_a_years_growth_in_closing_numbers_is_felt_in_the_next():
    found = line(**CARE, people_at="year_end", people_added=[10, 20, 0, 0])
    assert found["people"] == [50, 150, 150, 150]
    assert found["full-year effects"] == [0, 50, 150, 150]


def test_mix_and_partners_shares_and_a_leap_day_have_their_own_rows():
    fields = CARE | {"weeks": None, "mix_growth": [0.1, 0, 0, 0], "joint_funding": [0.2, 0.2, 0, 0]}
    found = line(**fields)
    assert set(found) == {"people", "mix", "client and partner income", "weeks"}
    week = 365 / 7
    assert found["mix"][0] == pytest.approx(100 * 10 * week * 0.8 * 0.1)
    assert found["client and partner income"][0] == 0  # the base year's are the first year's
    total = np.sum(list(found.values()), axis=0)
    assert total[3] == pytest.approx(1000 * (1.1 * week - 0.8 * week))
    assert found["weeks"][0] == 0
    assert found["weeks"][1] == pytest.approx(1000 * 1.1 * 0.8 / 7)  # 2027/28 has a 29 February


def test_weekly_income_is_never_more_than_the_spend():
    # GBP 10 a week less 12 costs nothing; at 15 less 12 it costs 3
    found = line(**CARE, price_growth=[0.0, 0.5, 0, 0], weekly_income=12.0)
    assert found["price"] == [0, 300, 300, 300]
    # income from 12 to 4: alone it opens 600, price alone 300, both 1,100; so 700 and 400
    both = line(**CARE, price_growth=[0, 0.5, 0, 0], weekly_income=[12.0, 4.0, 4.0, 4.0])
    assert both["price"][1] == pytest.approx((300 + (1100 - 600)) / 2)
    assert both["client and partner income"][1] == pytest.approx((600 + (1100 - 300)) / 2)


def test_people_by_year_come_in_as_people_at_base_prices():
    fields = {key: value for key, value in CARE.items() if key != "people"}
    found = line(**fields, people_by_year=[50, 50, 60, 60], price_growth=[0.2, 0, 0, 0])
    assert found == {"people": [500, 500, 620, 620], "price": [100, 100, 100, 100]}


def test_chance_in_individual_costs_has_a_row_of_its_own_and_none_in_the_plan():
    plan = council(lines=[CARE | {"dispersion": {"cv": 0.8, "stay": 0.5}}])
    ds = run(plan, n_draws=50, keep="components")
    chance = ds["contribution"].sel(step="homes: chance")
    assert not ds["planned_contribution"].sel(step="homes: chance").any()
    np.testing.assert_allclose(chance, ds["cost"].sel(line="homes") - 1000)


def test_prevention_stands_apart_from_other_people():
    help_ = {"kind": "prevention", "name": "help", "spend": 1e6, "reduces": "homes"}
    help_ |= {"effect": 0.1, "effect_at": 1e6, "lag": 0, "ramp": 1, "decay": 1.0}
    lines = [CARE | {"entries": 50.0, "people_growth": 0.1}, help_]
    ds = run(council(lines=lines), n_draws=1, keep="components")
    kept_out = ds["planned_contribution"].sel(step="homes: prevention").values
    assert (np.diff(kept_out) < 0).all()
    own = 100 * 1.1 ** np.arange(1, 5)
    assert kept_out == pytest.approx(10 * (ds["planned_people"].sel(care_line="homes") - own))
    spending = ds["planned_contribution"].sel(step="help: prevention spending")
    assert spending.values.tolist() == [1e6] * 4


def test_pay_on_costs_and_staffing():
    pay = {"kind": "pay", "name": "staff", "pay": 1000.0, "award": [0.1, 0, 0, 0]}
    found = line(**pay, pension=0.3, base_pension=0.2, vacancies=[0.0, 0.1, 0.1, 0.1])
    assert found["pay"][0] == pytest.approx(100 * 1.25)
    assert found["on-costs"][0] == pytest.approx(1050 * 0.1)
    assert found["staffing"] == [0, -143, -143, -143]
    assert line(**pay, pension=0.3, vacancies=0.05) == {"pay": [100 * 1.3 * 0.95] * 4}


def test_a_review_in_october_leaves_half_of_the_uplift_to_the_next_year():
    found = line(**BUDGET, growth=[0.1, 0, 0, 0], review_month=7)
    assert found == {"contracts": [50] * 4, "full-year effects": [0, 50, 50, 50]}


def test_a_cap_volume_and_drift_on_a_contract():
    found = line(**BUDGET, growth=[0.2, 0, 0, 0], cap=0.1, phase_in=[1.0, 0.5, 0.5, 0.5])
    assert found == {"contracts": [100] * 4, "volume": [0, -550, -550, -550]}
    found = line(**BUDGET, growth=[0.2, 0, 0, 0], drift=[0.1, 0.1, 0.1, 0.1])
    assert found == {"contracts": [210] * 4, "drift": [110] * 4}


def test_fees_and_their_volumes_are_negative_cost():
    fees = {"kind": "fees", "name": "fees", "income": 100.0, "price_growth": [0.2, 0, 0, 0]}
    found = line(**fees, volume_growth=[-0.1, 0, 0, 0])
    assert found == {"fee volumes": [11] * 4, "fees": [-19] * 4}


def test_part_years_one_offs_and_temporary_sums():
    change = {"kind": "change", "name": "x", "cause": "policy", "changes": [8.0, 4.0, 0.0, 0.0]}
    assert line(**change, part_year=0.25) == {
        "policy": [2, 3, 3, 3],
        "full-year effects": [0, 6, 9, 9],
    }
    assert line(**change, recurrence="one_off") == {"one-offs": [8, 4, 0, 0]}
    assert line(**change, recurrence="temporary", until=YEARS[1]) == {"policy": [8, 12, 0, 0]}
    indexed = line(**change, part_year=0.25, index=[0.0, 0.5, 0.0, 0.0])
    # 6 arrive in the year in which the index goes from 1 to 1.5
    assert indexed["full-year effects"][1] == pytest.approx(6 * 1.25)
    assert indexed["policy"][1] == pytest.approx((8 + 1) * 1.5 - 6 * 1.25)


def test_a_change_whose_cause_is_full_year_effects_is_one_row():
    change = {"kind": "change", "name": "x", "changes": [8.0, 4.0, 0.0, 0.0], "part_year": 0.5}
    assert line(**change, cause="full-year effects") == {"full-year effects": [4, 10, 12, 12]}


def test_contingency_and_risks_are_there_in_draws_as_they_are_spent_and_happen():
    risk = {"kind": "risk", "name": "r", "probability": 1.0, "impact": 9.0, "year": YEARS[1]}
    held = {"kind": "contingency", "name": "c", "amount": 5.0, "base": 4.0, "covers": "all"}
    ds = run(council(lines=[risk | {"planned": 2.0}, held]), n_draws=1, keep="components")
    assert ds["planned_contribution"].values.tolist() == [[2] * 4, [1] * 4]
    assert ds["contribution"].isel(draw=0).values.tolist() == [[0, 9, 9, 9], [-4] * 4]


def test_financing_and_a_share_of_it():
    capital = {"kind": "capital", "name": "debt", "mrp": 30.0, "base": 20.0, "share": 0.5}
    balances = {"kind": "balances", "name": "interest", "rate": 0.05, "cash": 100.0, "base": 8.0}
    found = planned("debt", lines=[capital, balances])
    assert found == {"financing": [5] * 4}
    assert planned("interest", lines=[capital, balances]) == {"financing": [3] * 4}


def test_ring_fenced_grants_and_tied_funds_net_off_their_line():
    grant = {"kind": "grant", "name": "g", "amount": [300.0] * 4, "base": 250.0}
    grant |= {"ring_fenced_to": "roads", "rest_to": "general"}
    tied = {"name": "fund", "opening": 100.0, "tied_to": "roads", "planned_use": 60.0}
    parts = {"funding": [grant], "reserves": RESERVES | {"funds": [*FUNDS, tied]}}
    found = planned("roads", **parts)
    assert found == {"contracts": [0] * 4, "grants": [-50] * 4, "reserves": [-60, -40, 0, 0]}
    assert of(**parts)["base_budget"] == 750


def test_a_ring_fenced_grant_pays_no_more_than_the_line_cost_in_the_base_year():
    grant = {"kind": "grant", "name": "g", "amount": [3000.0] * 4}
    grant |= {"ring_fenced_to": "roads", "rest_to": "general"}
    assert of(funding=[grant], reserves=RESERVES)["base_budget"] == 0


def test_two_ring_fenced_grants_pay_together_no_more_than_the_line_cost_in_the_base_year():
    one = {"kind": "grant", "name": "one", "amount": [700.0] * 4}
    one |= {"ring_fenced_to": "roads", "rest_to": "general"}
    both = [one, one | {"name": "two", "amount": [600.0] * 4}]
    assert of(funding=both, reserves=RESERVES)["base_budget"] == 0


def test_contributions_to_funds_and_a_base_gap_start_from_nothing():
    reserves = RESERVES | {"funds": [FUNDS[0] | {"contributions": 7.0}]}
    found = planned(base_gap=3.0, reserves=reserves)
    assert found == {"contracts": [0] * 4, "base gap": [3] * 4, "reserves": [7] * 4}


# Funding


def source(**fields):
    return planned(fields["name"], funding=[fields])


TAX = {"kind": "council_tax", "name": "tax", "band_d": 100.0, "tax_base": 10.0}


def test_council_tax_has_a_base_a_rate_and_a_collection():
    found = source(**TAX, tax_base_growth=[0.1, 0, 0, 0], core_increase=[0.2, 0, 0, 0])
    assert found == {"council tax base": [-110] * 4, "council tax rate": [-210] * 4}
    found = source(**TAX, collection=[0.9, 0.95, 0.95, 0.95])
    assert found["council tax collection"] == [0, -50, -50, -50]
    assert base_budget(funding=[TAX | {"collection": [0.9, 1, 1, 1]}]) == -900


def test_a_collection_fund_comes_back_as_collection():
    drivers = [{"name": "base", "central": 0.01, "sd": 0.02, "persistence": 0}]
    tax = TAX | {"tax_base_growth": "base", "collection_fund": {"declared": [5.0, 0, 0, 0]}}
    plan = council(drivers=drivers, funding=[tax])
    ds = run(plan, n_draws=20, keep="components")
    fund = ds["contribution"].sel(step="tax: collection fund: council tax collection")
    np.testing.assert_allclose(fund, -ds["income"].sel(source="tax: collection fund"))
    assert ds["planned_contribution"].sel(step=fund["step"].item()).values.tolist() == [-5, 0, 0, 0]


def test_rates_start_from_the_base_years_section_31():
    rates = {"kind": "business_rates", "name": "rates", "rates": 90.0, "baseline": 80.0}
    rates |= {"top_up": 10.0, "levy": 0.5, "section_31": [6.0, 7.0, 7.0, 7.0]}
    # the levy takes 5 of 10 above baseline
    assert base_budget(funding=[rates]) == -(90 + 10 - 5 + 6)
    assert base_budget(funding=[rates | {"base_section_31": 4.0}]) == -(90 + 10 - 5 + 4)
    assert source(**rates, base_section_31=4.0) == {"business rates": [-2, -3, -3, -3]}
    netted = rates | {"rates": 10.0, "safety_net": 0.9}
    assert base_budget(funding=[netted]) == -(0.9 * 90 + 6)


def test_grants_by_year_start_from_the_first_years_unless_a_base_is_stated():
    grant = {"kind": "grant", "name": "g", "amount": [6.0, 7.0, 7.0, 7.0]}
    assert source(**grant) == {"grants": [0, -1, -1, -1]}
    assert source(**grant, base=0.0) == {"grants": [-6, -7, -7, -7]}
    assert source(kind="grant", name="g", amount=100.0, growth=0.1)["grants"][0] == -10
    ends = source(**grant, ends=YEARS[1])
    assert ends["grants"] == [0, -1, 6, 6]


def test_a_general_grant_on_the_requirement_side_is_a_line_of_its_own():
    grant = {"kind": "grant", "name": "g", "amount": 100.0, "growth": 0.1, "side": "requirement"}
    plan = council(funding=[grant])
    ds = run(plan, n_draws=1, keep="components")
    assert ds["planned_contribution"].values[0, 0] == pytest.approx(-10)
    assert ds["step_item_kind"].values.tolist() == ["line"]
    assert ds["base_budget"] == -100


def test_other_funding_starts_from_its_base():
    levels = {"kind": "other", "name": "o", "levels": [6.0, 7.0, 7.0, 7.0]}
    assert source(**levels) == {"other funding": [0, -1, -1, -1]}
    assert source(**levels, base=2.0) == {"other funding": [-4, -5, -5, -5]}
    changes = {"kind": "other", "name": "o", "changes": [6.0, 1.0, 0, 0], "base": 5.0}
    assert source(**changes) == {"other funding": [-6, -7, -7, -7]}
    assert base_budget(funding=[changes]) == -5


# Savings and one-off sources


def test_a_saving_has_three_rows_and_none_is_late_in_the_plan():
    saving = {"name": "s", "levels": [10.0] * 4, "delivery": 0.6, "slipped": 0.5}
    ds = of(savings=[saving]).isel(step=slice(1, None))
    assert ds["step_component"].values.tolist() == ["savings", "savings late", "savings lost"]
    drawn = ds["contribution"].isel(draw=0)
    np.testing.assert_allclose(drawn, [[-10] * 4, [2, 0, 0, 0], [2] * 4], atol=1e-12)
    assert ds["planned_contribution"].values.tolist() == [[-10] * 4, [0] * 4, [0] * 4]


def test_a_shared_scheme_is_split_over_its_services():
    shares = [{"service": "adults", "share": 0.6}, {"service": "children", "share": 0.4}]
    saving = {"name": "s", "levels": 10.0, "delivery": 1.0, "shared_by": shares}
    ds = of(savings=[saving])
    assert ds["step"].values.tolist()[1:3] == ["s: savings (adults)", "s: savings (children)"]
    assert ds["planned_contribution"].values[1:3, 0].tolist() == pytest.approx([-6, -4])


def test_a_one_off_source_is_gone_in_the_next_year():
    use = {"kind": "reserve", "name": "use", "fund": "general", "amounts": [5.0, 0, 0, 0]}
    assert planned("use", one_offs=[use], reserves=RESERVES) == {"one-off sources": [-5, 0, 0, 0]}


def test_steps_of_one_name_are_told_apart():
    change = {"kind": "change", "name": "x", "cause": "savings", "changes": [1.0] * 4}
    saving = {"name": "x", "levels": 1.0, "delivery": 1.0}
    ds = run(council(lines=[change], savings=[saving]), keep="components")
    labels = ds["step"].values.tolist()
    assert labels[:2] == ["x: savings", "x: savings [saving]"]
    assert len(set(labels)) == len(labels)


# Every plan


def scale(ds):
    """Give the size of what is added up, of which rounding is a share."""
    parts = (abs(ds["cost"]).sum("line"), abs(ds["contribution"]).sum("step"), abs(ds["funding"]))
    return float(sum(part.max() for part in parts))


@given(plans())
def test_contributions_add_up_to_each_gap_in_every_draw_and_year(plan):
    ds = project_gap(plan, n_draws=5, seed=3, keep="components")
    for prefix in ("", "planned_"):
        for stage, without in STAGES.items():
            counted = np.flatnonzero(~np.isin(ds["step_item_kind"], without))
            found = ds[f"{prefix}contribution"].isel(step=counted).sum("step") + ds["base_budget"]
            gap = ds[f"{prefix}{stage}"]
            assert (abs(found - gap) <= 1e-9 * abs(gap) + 1e-13 * scale(ds)).all()


@given(plans())
def test_every_line_saving_and_source_has_its_own_sum(plan):
    ds = project_gap(plan, n_draws=4, seed=3, keep="components")
    for name, dim, sign in (
        ("cost", "line", 1),
        ("saving_delivered", "scheme", -1),
        ("income", "source", -1),
        ("one_off", "one_off_source", -1),
    ):
        if name not in ds:
            continue
        kind = {"line": "line", "scheme": "saving", "source": "funding"}.get(dim, "one-off")
        for item in ds[dim].values:
            mine = (ds["step_item"] == item) & (ds["step_item_kind"] == kind)
            found = ds["contribution"].isel(step=np.flatnonzero(mine)).sum("step")
            level = sign * ds[name].sel({dim: item}, drop=True)
            base = (level - found).values  # the same in every draw and year
            np.testing.assert_allclose(base, base.flat[0], rtol=0, atol=1e-13 * scale(ds))


@given(mappings())
def test_doubling_all_pounds_doubles_every_contribution(data):
    twice = {key: doubled(value) if key != "drivers" else value for key, value in data.items()}
    twice["base_gap"] = 2 * data["base_gap"]
    one, two = (run(Plan.model_validate(each), keep="components") for each in (data, twice))
    bound = 1e-12 * scale(two)
    np.testing.assert_allclose(two["contribution"], 2 * one["contribution"], rtol=0, atol=bound)
    np.testing.assert_allclose(two["base_budget"], 2 * one["base_budget"], rtol=0, atol=bound)


@given(plans())
def test_the_base_of_every_declared_line_is_its_base_cost(plan):
    ds = project_gap(plan, n_draws=1, seed=1, keep="components")
    engine = engine_of(plan)
    for row in engine.rows[: len(plan.lines)]:
        base = row.anatomy(engine.planned_paths).base.item() * row.share
        assert base == pytest.approx(ds["base_cost"].sel(line=row.name).item(), rel=1e-12, abs=1e-6)


def test_contributions_are_the_same_for_any_number_of_draws_and_threads():
    plan = mtfs.load_example("nottinghamshire_2024")
    few = project_gap(plan, n_draws=50, seed=5, keep="components", n_threads=1)
    many = project_gap(plan, n_draws=20_000, seed=5, keep="components", n_threads=2)
    assert (few["contribution"] == many["contribution"].isel(draw=slice(50))).all()


def test_only_components_hold_them_and_nothing_else_moves():
    plan = mtfs.load_example("leicestershire_2024")
    every, own = (project_gap(plan, n_draws=100, seed=5, keep=k) for k in ("components", "all"))
    assert set(every.data_vars) - set(own.data_vars) == {
        "growth",
        "planned_growth",
        "contribution",
        "planned_contribution",
        "base_budget",
    }
    for name in own.data_vars:
        assert own[name].equals(every[name])


@pytest.mark.parametrize(
    ("name", "base"),
    [("nottinghamshire_2024", 0.0), ("rotherham_2018", 0.0), ("east_sussex_2026", 0.0)],
)
def test_base_budgets_balance_where_plans_say_all_of_them(name, base):
    ds = project_gap(mtfs.load_example(name), n_draws=8, seed=1, keep="components")
    assert ds["base_budget"].item() == pytest.approx(base, abs=1e3)  # GBP of hundreds of millions
    found = ds["contribution"].isel(step=np.flatnonzero(ds["step_item_kind"] != "one-off"))
    np.testing.assert_allclose(found.sum("step") + ds["base_budget"], ds["gap"], rtol=1e-9)
