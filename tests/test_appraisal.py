"""Payback: a plan with and without an investment, on the same draws."""

import numpy as np
import pytest
from councils import council, run
from test_prevention import CARE, FOSTER, HELP

import mtfs
from mtfs import MtfsError

EFFECT = {
    "name": "effect",
    "shape": "pert",
    "bounds": [0.0, 0.5],
    "central": 0.2,
    "stated_as": "mode",
    "persistence": 1.0,
}
CPI = {"name": "cpi", "central": [0.03, 0.02, 0.02, 0.02], "sd": 0.01, "persistence": 0.5}
GROWTH = {"name": "growth", "central": 0.03, "sd": 0.05, "persistence": 0.5}


def plan(**change):
    lines = [CARE | {"people_growth": "growth"}, HELP | {"effect": "effect"} | change]
    return council(drivers=[EFFECT, CPI, GROWTH], lines=lines)


def test_by_hand_without_chance():
    found = mtfs.payback(council(lines=[CARE, HELP]), "family help", n_draws=3, seed=1)
    people = run(council(lines=[CARE, HELP]), n_draws=1)["people"].isel(draw=0, care_line=0).values
    avoided = (100 - people) * 50 * 1000
    net = 1e6 - avoided
    for prefix, drawn in (("", found.isel(draw=0)), ("planned_", found)):
        assert drawn[f"{prefix}spend"].values == pytest.approx([1e6] * 4)
        assert drawn[f"{prefix}avoided_cost"].values == pytest.approx(avoided)
        assert drawn[f"{prefix}net_cost"].values == pytest.approx(net)
        assert drawn[f"{prefix}cumulative_cost"].values == pytest.approx(np.cumsum(net))
        discount = np.array([1 / (1.035 * 1.02) ** t for t in range(4)])
        assert drawn[f"{prefix}net_present_cost"].values == pytest.approx(np.cumsum(net * discount))
    assert found["people"].isel(draw=0, care_line=0).values == pytest.approx(people - 100)
    # 0.57m and 0.06m are lacking in two years of four, 0.25m and 0.44m are gained in the others
    assert (np.cumsum(net) > 0).tolist() == (found["paid_back"] == 0).values.tolist()


def test_the_chance_of_having_paid_back_is_the_share_of_draws():
    found = mtfs.payback(plan(), "family help", n_draws=4000, seed=1)
    share = (found["cumulative_cost"] <= 0).mean("draw").values
    assert 0 < share[-1] < 1
    assert found["paid_back"].values.tolist() == share.tolist()
    assert found["paid_back_se"].values == pytest.approx(np.sqrt(share * (1 - share) / 4000))
    assert (found["paid_back_discounted"] <= found["paid_back"]).all()


def test_both_runs_share_their_draws():
    found = mtfs.payback(plan(), "family help", n_draws=500, seed=1)
    effect = run(plan(), n_draws=500)["path"].sel(driver="effect").isel(year=-1)
    order = np.argsort(effect.values)
    # what grows is the same with and without: a stronger effect avoids more, draw by draw, but
    # for how many people there are to avoid
    people = run(plan(effect=0.0), n_draws=500)["people"].isel(care_line=0, year=-1).values
    avoided = -found["people"].isel(care_line=0, year=-1).values / people
    assert (np.diff(avoided[order]) >= -1e-12).all()


def test_a_cut_costs_what_the_same_money_gains_to_first_order():
    small = {"effect": 0.001, "base": 1e6}
    gain = mtfs.payback(plan(**small), "family help", n_draws=10, seed=1)
    loss = mtfs.payback(plan(**small, spend=-1e6), "family help", n_draws=10, seed=1)
    np.testing.assert_allclose(loss["avoided_cost"], -gain["avoided_cost"], rtol=2e-3)
    np.testing.assert_allclose(loss["spend"], -gain["spend"])


def test_a_saving_that_comes_of_the_same_money_counts():
    saving = {"name": "fewer agency", "levels": [0.0, 0.2e6, 0.4e6, 0.4e6], "delivery": 0.5}
    with_it = council(lines=[CARE, HELP], savings=[saving | {"slipped": 0.0}])
    line = mtfs.payback(with_it, "family help", n_draws=2, seed=1)
    both = mtfs.payback(with_it, ["family help", "fewer agency"], n_draws=2, seed=1)
    gained = (both["avoided_cost"] - line["avoided_cost"]).isel(draw=0).values
    assert gained == pytest.approx([0.0, 0.1e6, 0.2e6, 0.2e6])
    assert both["planned_avoided_cost"].values[-1] == pytest.approx(
        line["planned_avoided_cost"].values[-1] + 0.4e6
    )


def test_people_who_are_elsewhere_are_paid_for():
    there = HELP | {"instead": [{"line": "foster", "share": 1.0}]}
    home = mtfs.payback(council(lines=[CARE, FOSTER, HELP]), "family help", n_draws=1, seed=1)
    fostered = mtfs.payback(council(lines=[CARE, FOSTER, there]), "family help", n_draws=1, seed=1)
    ratio = (fostered["avoided_cost"] / home["avoided_cost"]).values
    assert ratio == pytest.approx(0.9 * np.ones((1, 4)))
    assert fostered["people"].sum("care_line").values == pytest.approx(np.zeros((1, 4)), abs=1e-9)


def test_inflation_may_follow_a_driver():
    found = mtfs.payback(plan(), "family help", inflation="cpi", n_draws=50, seed=1)
    growth = run(plan(), n_draws=50)["path"].sel(driver="cpi").values
    prices = np.cumprod(1 + growth, axis=1)
    prices /= prices[:, :1]
    by_hand = np.cumsum(found["net_cost"].values / prices / 1.035 ** np.arange(4), axis=1)
    np.testing.assert_allclose(found["net_present_cost"], by_hand)
    planned = np.array([1, 1.02, 1.02**2, 1.02**3]) * 1.035 ** np.arange(4)
    by_hand = np.cumsum(found["planned_net_cost"].values / planned)
    np.testing.assert_allclose(found["planned_net_present_cost"], by_hand)


def test_a_file_holds_it(tmp_path):
    found = mtfs.payback(plan(), "family help", n_draws=5, seed=1)
    found.to_netcdf(tmp_path / "payback.nc", engine="h5netcdf")


@pytest.mark.parametrize(
    ("names", "options", "says"),
    [
        ([], {}, "name at least one"),
        ("residential", {}, "'residential' is neither a prevention line nor a saving"),
        ("family hlp", {}, "Did you mean 'family help'"),
        ("family help", {"discount_rate": 3.5}, "discount_rate is 3.5; expected a fraction"),
        ("family help", {"discount_rate": "x"}, "discount_rate is 'x'"),
        ("family help", {"inflation": "cpih"}, "driver 'cpih', which the plan does not hold"),
        ("family help", {"inflation": True}, "inflation is True"),
    ],
    ids=range(7),
)
def test_a_wrong_argument_says_what_was_expected(names, options, says):
    with pytest.raises(MtfsError, match=says):
        mtfs.payback(plan(), names, n_draws=2, seed=1, **options)


def test_a_line_called_as_a_saving_is_no_part_of_what_is_spent():
    saving = {"name": "residential", "levels": 0.1e6, "delivery": 1.0}
    held = council(lines=[CARE, HELP], savings=[saving])
    line = mtfs.payback(held, "family help", n_draws=1, seed=1)
    both = mtfs.payback(held, ["family help", "residential"], n_draws=1, seed=1)
    assert both["spend"].values.tolist() == line["spend"].values.tolist() == [[1e6] * 4]
    gained = (both["avoided_cost"] - line["avoided_cost"]).values
    assert gained == pytest.approx(np.full((1, 4), 0.1e6))


def test_a_saving_of_a_plan_without_lines_pays_back():
    grant = {"kind": "grant", "name": "RSG", "amount": 1e6}
    held = council(funding=[grant], savings=[{"name": "it", "levels": 1e6, "delivery": 0.5}])
    found = mtfs.payback(held, "it", n_draws=1, seed=1)
    assert found["spend"].values.tolist() == [[0.0] * 4]
    assert found["net_cost"].isel(draw=0).values[0] == pytest.approx(-0.5e6)


def test_a_scheme_is_not_left_without_what_it_needs():
    system = {"name": "system", "levels": 0.1e6, "delivery": 1.0}
    held = council(lines=[CARE, HELP], savings=[system, system | USERS])
    with pytest.raises(MtfsError, match=r"'reviews' needs 'system', .* name 'reviews' too"):
        mtfs.payback(held, ["family help", "system"], n_draws=1, seed=1)
    both = mtfs.payback(held, ["system", "reviews"], n_draws=1, seed=1)
    assert both["net_cost"].isel(draw=0).values == pytest.approx([-0.2e6] * 4)


USERS = {"name": "reviews", "needs": ["system"]}


def test_money_at_constant_prices_is_not_deflated_unasked():
    real = council(lines=[CARE, HELP], price_base="2025/26 prices")
    with pytest.raises(MtfsError, match="'2025/26 prices': give 'inflation', 0 where"):
        mtfs.payback(real, "family help", n_draws=1, seed=1)
    found = mtfs.payback(real, "family help", inflation=0.0, n_draws=1, seed=1)
    discount = np.array([1 / 1.035**t for t in range(4)])
    net = found["net_cost"].isel(draw=0).values
    assert found["net_present_cost"].isel(draw=0).values == pytest.approx(np.cumsum(net * discount))


def test_nothing_is_paid_back_before_it_is_spent():
    later = council(lines=[CARE, HELP | {"spend": [0.0, 0.0, 1e6, 1e6]}])
    found = mtfs.payback(later, "family help", n_draws=2, seed=1)
    assert found["paid_back"].values.tolist()[:2] == [0.0, 0.0]
