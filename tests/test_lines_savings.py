"""Savings: delivered, late and lost sum to what was planned, in every draw and year."""

import numpy as np
import pytest
from councils import BUDGET, council, first, run
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from mtfs import PlanError, PlanWarning, project, scores_of
from mtfs.distributions import quantile_score


def saving(**fields):
    return {"name": "reablement", "levels": 100.0, "delivery": 0.6, "slipped": 0.5} | fields


def outcome(**fields):
    ds = run(council(lines=[BUDGET], savings=[saving(**fields)]), n_draws=1)
    return [first(ds[f"saving_{what}"]) for what in ("delivered", "late", "lost")]


def test_what_slips_comes_a_year_later_and_the_rest_is_lost():
    assert outcome() == [
        pytest.approx([60, 80, 80, 80]),  # half of the 40 not delivered comes back
        pytest.approx([20, 0, 0, 0], abs=1e-9),
        pytest.approx([20, 20, 20, 20]),
    ]


def test_each_step_of_a_rising_saving_slips_by_itself():
    delivered, late, lost = outcome(levels=[100.0, 300.0, 300.0, 300.0])
    assert delivered == pytest.approx([60, 180 + 20, 180 + 60, 240])
    assert late == pytest.approx([20, 40, 0, 0])
    assert lost == pytest.approx([20, 60, 60, 60])


def test_full_delivery_is_the_plan():
    delivered, late, lost = outcome(delivery=1.0, levels=[10.0, 20.0, 5.0, 0.0])
    assert (delivered, late, lost) == ([10, 20, 5, 0], [0] * 4, [0] * 4)


def test_nothing_delivered_and_nothing_slipped_is_all_lost():
    assert outcome(delivery=0.0, slipped=0.0) == [[0] * 4, [0] * 4, [100] * 4]


def test_a_one_off_saving_that_slips_arrives_the_year_after_it_was_planned():
    delivered, late, lost = outcome(levels=[100.0, 0.0, 0.0, 0.0])
    assert delivered == pytest.approx([60, 20, 0, 0])
    assert late == pytest.approx([20, -20, 0, 0])
    assert lost == pytest.approx([20, 0, 0, 0])


def test_a_sure_delay_moves_the_whole_scheme():
    delivered, late, lost = outcome(delays=[{"years": 1, "probability": 1.0}])
    assert delivered == pytest.approx([0, 60, 80, 80])
    assert lost == pytest.approx([20] * 4)
    assert late == pytest.approx([80, 20, 0, 0])


def test_what_slips_runs_off_over_the_years_by_its_shares():
    delivered, late, lost = outcome(
        levels=10e6, delivery=0.5, slipped=0.8, run_off=[0.75, 0.25]
    )  # of 5m missed 4m slips, 3m of it by one year and 1m by two; 1m is lost
    assert delivered == pytest.approx([5e6, 8e6, 9e6, 9e6])
    assert late == pytest.approx([4e6, 1e6, 0, 0], abs=1e-6)
    assert lost == pytest.approx([1e6] * 4)


def test_each_step_runs_off_by_itself_after_its_delay():
    delivered, late, lost = outcome(
        levels=[100.0, 300.0, 300.0, 300.0],
        run_off=[0.5, 0.5],
        delays=[{"years": 1, "probability": 1.0}],
    )  # 60 of each 100 in its year, then 10, then 10 more; all a year later than planned
    assert delivered == pytest.approx([0, 60, 180 + 10, 180 + 10 + 30])
    assert lost == pytest.approx([20, 60, 60, 60])
    assert late == pytest.approx([80, 180, 50, 20])


def test_what_runs_off_beyond_the_last_year_is_late_and_not_lost():
    delivered, late, lost = outcome(run_off=[0, 0, 0, 0, 1.0])
    assert delivered == pytest.approx([60] * 4)
    assert late == pytest.approx([20] * 4)
    assert lost == pytest.approx([20] * 4)


def test_one_share_of_one_is_what_a_plan_without_run_off_means():
    assert outcome(run_off=[1.0]) == outcome()
    assert outcome(run_off=[1.0, 0.0]) == outcome()


def test_delays_come_in_their_shares():
    n = 20_000
    delays = [{"years": 1, "probability": 0.3}, {"years": 3, "probability": 0.2}]
    plan = council(lines=[BUDGET], savings=[saving(delivery=1.0, delays=delays)])
    found = run(plan, n_draws=n)["saving_delivered"].squeeze().values
    counts = {tuple(row): 0 for row in ((100, 100, 100, 100), (0, 100, 100, 100), (0, 0, 0, 100))}
    for row in found:
        counts[tuple(row)] += 1
    shares = np.array(list(counts.values())) / n
    np.testing.assert_allclose(shares, [0.5, 0.3, 0.2], atol=4 * 0.5 / np.sqrt(n))


def test_a_scheme_that_never_starts_is_lost_whole():
    plan = council(lines=[BUDGET], savings=[saving(delivery=1.0, starts=0.7)])
    ds = run(plan, n_draws=5_000)
    delivered = ds["saving_delivered"].squeeze().values
    assert (delivered[:, 0] > 0).mean() == pytest.approx(0.7, abs=4 * 0.46 / np.sqrt(5_000))
    lost = ds["saving_lost"].squeeze().values
    assert (lost[delivered[:, 0] == 0] == 100).all()


@pytest.mark.parametrize(
    ("rag", "mean"), [("green", 0.9), ("amber", 0.65), ("red", 0.35), ("unidentified", 0.25)]
)
def test_a_rating_stands_for_its_mean(rag, mean):
    scheme = saving(rag=rag, slipped=0.0)
    del scheme["delivery"]
    ds = run(council(lines=[BUDGET], savings=[scheme]), n_draws=20_000)
    assert float(ds["saving_delivered"].isel(year=0).mean()) == pytest.approx(
        100 * mean, abs=4 * 15 / np.sqrt(20_000)
    )


def test_delivery_is_one_shock_a_scheme_from_the_stated_beta():
    plan = council(
        lines=[BUDGET], savings=[saving(delivery={"mean": 0.73, "sd": 0.18}, slipped=0.0)]
    )
    share = run(plan, n_draws=5_000)["saving_delivered"].squeeze().values / 100
    np.testing.assert_array_equal(share, np.repeat(share[:, :1], 4, axis=1))
    n = 0.73 * 0.27 / 0.18**2 - 1
    assert stats.kstest(share[:, 0], stats.beta(0.73 * n, 0.27 * n).cdf).pvalue > 1e-3


@pytest.mark.parametrize("correlation", [0.0, 0.3, 1.0])
def test_schemes_fail_together_by_the_stated_correlation(correlation):
    schemes = [saving(name=name, delivery={"mean": 0.5, "sd": 0.1}, slipped=0.0) for name in "ab"]
    plan = council(lines=[BUDGET], savings=schemes, savings_correlation=correlation)
    a, b = run(plan, n_draws=20_000)["saving_delivered"].isel(year=0).values
    z = stats.norm.ppf(stats.beta(12, 12).cdf(np.array([a, b]) / 100))
    assert np.corrcoef(z)[0, 1] == pytest.approx(correlation, abs=4 / np.sqrt(20_000))


outcomes = st.one_of(st.floats(0, 1), st.just({"mean": 0.6, "sd": 0.2}))
ratings = st.sampled_from(
    [[], [{"years": 1, "probability": 0.4}], [{"years": 2, "probability": 0.9}]]
)
levels = st.lists(st.floats(0, 1e7), min_size=4, max_size=4)
ways = st.fixed_dictionaries(
    {
        "delivery": outcomes,
        "slipped": st.floats(0, 1),
        "starts": st.floats(0.1, 1),
        "delays": ratings,
        "run_off": st.sampled_from([[1.0], [0.6, 0.4], [0.0, 0.3, 0.7]]),
    }
)


@given(levels, ways)
def test_planned_is_delivered_plus_late_plus_lost(levels, way):
    scheme = saving(levels=levels, **way)
    ds = run(council(lines=[BUDGET], savings=[scheme]), n_draws=20)
    total = ds["saving_delivered"] + ds["saving_late"] + ds["saving_lost"]
    planned = ds["planned_saving_delivered"].broadcast_like(total)
    np.testing.assert_allclose(total, planned, rtol=1e-12, atol=1e-8)
    assert planned.isel(draw=0).squeeze().values.tolist() == levels
    assert float(ds["saving_lost"].min()) >= 0
    assert float(ds["saving_delivered"].min()) >= 0


@given(levels, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), ratings)
def test_more_delivery_never_widens_the_gap_of_a_saving_that_stays(
    levels, one, two, slipped, delays
):
    low, high = sorted((one, two))
    assume(high > low)
    gaps = []
    for share in (low, high):
        scheme = saving(levels=sorted(levels), delivery=share, slipped=slipped, delays=delays)
        gaps.append(run(council(lines=[BUDGET], savings=[scheme]), n_draws=20)["gap"].values)
    assert (gaps[1] <= gaps[0] + 1e-6).all()


@given(levels, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_more_delivery_never_costs_cash_to_date(levels, one, two, slipped):
    low, high = sorted((one, two))
    totals = []
    for share in (
        low,
        high,
    ):  # a saving may end: what slipped from its last year then comes after it
        scheme = saving(levels=levels, delivery=share, slipped=slipped)
        ds = run(council(lines=[BUDGET], savings=[scheme]), n_draws=1)
        totals.append(ds["gap"].cumsum("year").values)
    assert (totals[1] <= totals[0] + 1e-6).all()


def test_the_planned_gap_holds_savings_in_full_and_a_draw_what_arrives():
    plan = council(lines=[BUDGET], savings=[saving()])
    ds = run(plan, n_draws=1)
    assert ds["planned_gap"].values.tolist() == [900] * 4
    assert ds["planned_gap_before_savings"].values.tolist() == [1000] * 4
    assert first(ds["gap_before_savings"]) == [1000] * 4
    assert first(ds["gap"]) == pytest.approx([940, 920, 920, 920])


def test_delivery_reads_its_score_and_the_common_one():
    plan = council(lines=[BUDGET], savings=[saving(delivery={"mean": 0.5, "sd": 0.1}, slipped=0.0)])
    scores = {name: np.zeros_like(z) for name, z in scores_of(plan, n_draws=2, seed=1).items()}
    scores["reablement.delivery"] = np.array([0.0, 1.0])
    scores["savings.common"] = np.array([0.0, 1.0])
    found = project(plan, scores)["saving_delivered"].isel(year=0).squeeze().values / 100
    z = np.sqrt(0.7) + np.sqrt(0.3)
    assert found == pytest.approx([0.5, stats.beta(12, 12).ppf(stats.norm.cdf(z))], abs=1e-6)
    assert quantile_score(0.5) == 0


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"delivery": None}, "give either 'rag' or 'delivery'"),
        ({"rag": "green"}, "give either 'rag' or 'delivery'"),
        ({"delivery": None, "rag": "purple"}, "found 'purple'"),
        ({"delivery": -0.1}, "at least 0|delivery"),
        ({"delivery": {"mean": 0.9, "sd": 0.4}}, "no beta on 0 to 1 has mean 0.9 and sd 0.4"),
        ({"levels": -5.0}, "at least 0"),
        ({"slipped": 1.2}, "from 0 to 1"),
        ({"starts": 85.0}, r"write 85% as 0\.85"),
        (
            {"delays": [{"years": 1, "probability": 0.6}, {"years": 2, "probability": 0.6}]},
            "sum to more than 1",
        ),
        ({"delays": [{"years": 0, "probability": 0.6}]}, "at least 1"),
        ({"run_off": [0.6, 0.3]}, r"the shares of 'run_off' sum to 0\.9; expected 1"),
        ({"run_off": []}, r"found \[\]; expected a list of at least 1$"),
        ({"run_off": [1.5, -0.5]}, "from 0 to 1"),
    ],
    ids=range(13),
)
def test_a_saving_that_cannot_be_says_what_to_do(fields, says):
    scheme = {key: value for key, value in saving(**fields).items() if value is not None}
    with pytest.raises(PlanError, match=says):
        council(lines=[BUDGET], savings=[scheme])


def test_delivery_of_a_percentage_is_no_share():
    with pytest.raises(PlanError, match=r"savings\[0\] 'reablement', delivery: .*70% as 0\.7$"):
        council(lines=[BUDGET], savings=[saving(delivery=70)])
    with pytest.raises(PlanError, match=r"delivers 700 times what was planned; expected a share$"):
        council(lines=[BUDGET], savings=[saving(delivery=700.0)])
    with pytest.raises(PlanError, match=r"delivers 2\.1 times"):
        council(lines=[BUDGET], savings=[saving(delivery=2.1)])
    with pytest.warns(PlanWarning, match="delivers 200% of what was planned"):
        council(lines=[BUDGET], savings=[saving(delivery=2.0)])


def test_delivery_above_all_that_was_planned_is_doubted():
    with pytest.warns(PlanWarning, match=r"savings\[0\] 'reablement', delivery: delivers 110%"):
        council(lines=[BUDGET], savings=[saving(delivery=1.1)])


# Demand management: counted once

HOMES = {"kind": "care", "name": "homes", "people": 10.0, "weekly_cost": 1.0, "weeks": 52.0}


def managing(*schemes, lines=(HOMES,)):
    """A council with schemes that manage the demand of homes costing 520 a year."""
    return council(
        lines=[*lines, BUDGET],
        savings=[
            saving(name=f"scheme {n}", manages="homes") | scheme for n, scheme in enumerate(schemes)
        ],
    )


def test_what_a_people_path_already_holds_is_not_saved_again():
    ds = run(managing({"already_in_demand": 0.25}), n_draws=1)
    counted = [75.0] * 4  # of 100 planned, the path holds 25
    assert ds["planned_saving_delivered"].squeeze().values.tolist() == counted
    assert first(ds["saving_delivered"]) == pytest.approx([45, 60, 60, 60])
    assert first(ds["saving_lost"]) == pytest.approx([15] * 4)
    assert ds["planned_gap"].values.tolist() == [1000 + 520 - 75] * 4
    assert first(ds["gap"]) == pytest.approx([1520 - 45, 1520 - 60, 1520 - 60, 1520 - 60])


def test_a_scheme_wholly_in_the_people_path_saves_nothing_more():
    ds = run(managing({"already_in_demand": 1.0}), n_draws=1)
    assert first(ds["saving_delivered"]) == [0] * 4
    assert ds["planned_gap"].values.tolist() == [1520] * 4


def test_none_in_the_people_path_is_a_plain_scheme():
    ds = run(managing({"already_in_demand": 0.0}), n_draws=1)
    assert first(ds["saving_delivered"]) == outcome()[0]


def test_schemes_that_manage_one_line_cannot_save_more_than_it_costs():
    full = {"levels": [100.0, 300.0, 270.0, 260.0], "already_in_demand": 0.0}
    says = (
        r"savings\[1\] 'scheme 1', levels: 'scheme 0' and 'scheme 1' together are planned to save"
    )
    with pytest.raises(PlanError, match=says + r" GBP 80 more in 2027/28 than 'homes' then costs"):
        managing(full, full)  # 300 + 300 against 520
    managing(full, full | {"already_in_demand": 0.3})  # 300 + 210
    with pytest.raises(PlanError, match=r"'scheme 0' is planned to save GBP 1 more in 2026/27"):
        managing({"levels": 521.0, "already_in_demand": 0.0})
    managing({"levels": 520.0, "already_in_demand": 0.0})
    half = {"share": 0.5}  # of a line run jointly the council saves its half at most
    with pytest.raises(PlanError, match="GBP 40 more"):
        managing(full | {"levels": 300.0}, lines=[HOMES | half])


def test_the_line_costs_what_the_driver_plans_it_to():
    fees = {"name": "fees", "mix": [{"driver": "cpi", "weight": 1.0}]}
    parts = {
        "drivers": [{"name": "cpi", "central": 0.0, "planned": 0.1}, fees],
        "lines": [HOMES | {"price_growth": "fees"}],
    }
    scheme = saving(manages="homes", already_in_demand=0.0)
    council(savings=[scheme | {"levels": [572.0, 629.0, 692.0, 761.0]}], **parts)
    with pytest.raises(PlanError, match=r"GBP 1 more in 2026/27 than 'homes' then costs"):
        council(savings=[scheme | {"levels": [573.0, 600.0, 600.0, 600.0]}], **parts)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (
            {"manages": "homes"},
            "path of 'homes' may already hold fewer .* what share of it the path holds: 0 if none",
        ),
        ({"already_in_demand": 0.5}, "'already_in_demand' goes with 'manages'"),
        ({"manages": "homes", "already_in_demand": 50.0}, r"write 50% as 0\.5"),
        ({"manages": "home", "already_in_demand": 0.0}, "Did you mean 'homes'"),
        (
            {"manages": "roads", "already_in_demand": 0.0},
            r"savings\[0\] 'reablement', manages: 'roads' is of kind budget and holds no people",
        ),
    ],
    ids=range(5),
)
def test_demand_management_says_what_to_do(fields, says):
    with pytest.raises(PlanError, match=says):
        council(lines=[HOMES, BUDGET], savings=[saving(**fields)])
