"""Care: people x weekly cost x weeks, who pays for it, and the chance in individual costs."""

import numpy as np
import pytest
from councils import YEARS, council, line_cost, run
from scipy import stats

from mtfs import PlanError, project, scores_of


def care(**fields):
    """52 weeks a year, so that sums can be done on paper."""
    return {
        "kind": "care",
        "name": "care",
        "people": 100.0,
        "weekly_cost": 500.0,
        "weeks": 52.0,
    } | fields


def test_people_times_weekly_cost_times_weeks():
    assert line_cost(care()) == [100 * 500 * 52] * 4


def test_a_year_has_its_own_weeks_unless_they_are_stated():
    days = [365, 366, 365, 365]  # 29 February 2028 falls in 2027/28
    found = line_cost(care(weeks=None))
    assert found == pytest.approx([100 * 500 * d / 7 for d in days])


def test_people_and_prices_compound_together():
    found = line_cost(care(people_growth=0.02, price_growth=0.06, mix_growth=0.01))
    expected = [100 * 1.02**t * 500 * 1.06**t * 1.01**t * 52 for t in (1, 2, 3, 4)]
    assert found == pytest.approx(expected)


def test_a_caseload_rising_evenly_costs_half_this_year_and_all_of_it_next():
    # 100 people at the last 31 March; 20 more arrive evenly through the first year, none after
    line = care(people_at="year_end", people_added=[20.0, 0.0, 0.0, 0.0])
    assert line_cost(line) == [110 * 500 * 52, *[120 * 500 * 52] * 3]


def test_arrivals_may_come_early_or_late_in_the_year():
    for arrival, people in ((1.0, 120), (0.25, 105), (0.0, 100)):
        line = care(people_at="year_end", people_added=[20.0, 0.0, 0.0, 0.0], arrival=arrival)
        assert line_cost(line)[:2] == [people * 500 * 52, 120 * 500 * 52]


def test_year_end_growth_counts_from_last_years_closing_number():
    # closing numbers 110, 121, 133.1, 146.41; averages half-way between them
    found = line_cost(care(people_at="year_end", people_growth=0.1))
    averages = [105, 115.5, 127.05, 139.755]
    assert found == pytest.approx([a * 500 * 52 for a in averages])


def test_people_added_to_a_year_average_count_at_once_and_stay():
    assert line_cost(care(people_added=[10.0, 0.0, -5.0, 0.0])) == [
        n * 500 * 52 for n in (110, 110, 105, 105)
    ]


def test_people_may_be_given_by_year():
    found = line_cost(care(people=None, people_by_year=[90.0, 95.0, 100.0, 80.0]))
    assert found == [n * 500 * 52 for n in (90, 95, 100, 80)]


def test_clients_and_partners_pay_shares_of_the_gross_cost():
    gross = 100 * 500 * 52
    assert line_cost(care(client_income=0.2, joint_funding=[0.1, 0.1, 0.0, 0.0])) == pytest.approx(
        [0.7 * gross, 0.7 * gross, 0.8 * gross, 0.8 * gross]
    )


def test_subsidy_nets_off_and_never_exceeds_the_cost():
    line = care(kind="temporary_accommodation", weekly_income=[200.0, 500.0, 600.0, 0.0])
    assert line_cost(line) == [100 * 300 * 52, 0, 0, 100 * 500 * 52]


def test_a_share_of_a_joint_service_is_paid():
    assert line_cost(care(share=0.4)) == pytest.approx([0.4 * 100 * 500 * 52] * 4)


def test_pressure_is_split_into_people_at_old_prices_and_price_at_new_people():
    plan = council(lines=[care(people_growth=0.1, price_growth=0.2, mix_growth=0.05)])
    ds = run(plan, n_draws=1).isel(draw=0, year=0)
    base = 100 * 500 * 52
    assert float(ds["pressure"].sel(cause="people")) == pytest.approx(0.1 * base)
    assert float(ds["pressure"].sel(cause="price")) == pytest.approx(1.1 * 0.2 * base)
    assert float(ds["pressure"].sel(cause="mix")) == pytest.approx(1.1 * 1.2 * 0.05 * base)
    assert float(ds["cost"].sum()) == pytest.approx(1.1 * 1.2 * 1.05 * base)


def test_leap_weeks_are_a_people_pressure_of_one_day():
    ds = run(council(lines=[care(weeks=None)]), n_draws=1).isel(draw=0)
    day = 100 * 500 / 7
    assert ds["pressure"].sel(cause="people").values == pytest.approx([0, day, 0, 0], abs=1e-6)


def test_pressure_of_a_shared_line_is_shared():
    ds = run(council(lines=[care(price_growth=0.1, share=0.5)]), n_draws=1).isel(draw=0, year=0)
    assert float(ds["pressure"].sel(cause="price")) == pytest.approx(0.5 * 0.1 * 100 * 500 * 52)


def test_average_people_are_reported():
    ds = run(council(lines=[care(people_at="year_end", people_growth=0.1)]), n_draws=1)
    assert ds["people"].sel(care_line="care").values[0] == pytest.approx(
        [105, 115.5, 127.05, 139.755]
    )


# Chance in individual costs


def spread(people, cv, stay, **fields):
    return council(lines=[care(people=people, dispersion={"cv": cv, "stay": stay}, **fields)])


@pytest.mark.parametrize("cv", [0.5, 0.87])
def test_the_mean_cost_of_twenty_people_is_near_the_explicit_sum(cv):
    n = 100_000
    sigma = np.sqrt(np.log1p(cv**2))
    z = np.random.default_rng(3).standard_normal((n, 20))
    explicit = np.exp(sigma * z - sigma**2 / 2).mean(axis=1)
    found = run(spread(20.0, cv, 0.8), n_draws=n)["cost"].isel(year=2).squeeze() / (20 * 500 * 52)
    q = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]
    np.testing.assert_allclose(np.quantile(found, q), np.quantile(explicit, q), rtol=0.02)


def test_eighty_dear_children_give_a_tenth_of_variation_by_themselves():
    cv = np.sqrt(np.expm1(0.75**2))  # a lognormal of sigma 0.75
    cost = run(spread(80.0, cv, 0.7), n_draws=40_000)["cost"].squeeze()
    planned = 80 * 500 * 52
    assert float(cost.mean()) == pytest.approx(planned, rel=4 * 0.1 / np.sqrt(40_000))
    np.testing.assert_allclose(cost.std("draw") / planned, cv / np.sqrt(80), rtol=0.03)
    assert cv / np.sqrt(80) == pytest.approx(0.097, abs=0.001)


def test_the_same_people_are_there_next_year():
    cost = np.log(run(spread(50.0, 0.8, 0.6), n_draws=20_000)["cost"].squeeze().values)
    found = np.corrcoef(cost.T)
    assert found[0, 1] == pytest.approx(0.6, abs=4 / np.sqrt(20_000))
    assert found[0, 3] == pytest.approx(0.6**3, abs=4 / np.sqrt(20_000))


def test_chance_costs_nothing_in_the_councils_own_table():
    ds = run(spread(50.0, 0.8, 0.6))
    assert ds["planned_cost"].values.tolist() == [[50 * 500 * 52] * 4]


def test_chance_in_costs_is_booked_with_mix():
    ds = run(spread(50.0, 0.8, 0.6))
    np.testing.assert_allclose(
        ds["pressure"].sel(cause="mix"), ds["cost"].squeeze() - 50 * 500 * 52
    )
    np.testing.assert_allclose(ds["pressure"].sel(cause=["people", "price"]), 0, atol=1e-6)


@pytest.mark.parametrize(("people", "growth"), [(3.0, 0.0), (2.5, 0.0), (1.0, 0.5), (4.0, 0.3)])
def test_fewer_than_five_people_are_summed_one_by_one(people, growth):
    cv, stay = 0.9, 0.7
    plan = spread(people, cv, stay, people_growth=growth)
    scores = scores_of(plan, n_draws=50, seed=4)
    found = project(plan, scores)["cost"].squeeze().values
    sigma2 = np.log(1 + cv**2)

    def stayed(z):
        path = [z[0]]
        for year in (1, 2, 3):
            path.append(stay * path[-1] + np.sqrt(1 - stay**2) * z[year])
        return path

    mean_path = stayed(scores["care.dispersion"])
    persons = [stayed(scores[f"care.person {k}"]) for k in range(1, 6)]
    for year in range(4):
        here = people * (1 + growth) ** (year + 1)
        for draw in range(50):
            total = 0.0
            for k in range(5):
                part = min(max(here - k, 0.0), 1.0)
                total += part * np.exp(np.sqrt(sigma2) * persons[k][year][draw] - sigma2 / 2)
            rest = max(here - 5, 0.0)
            if rest:
                s2 = np.log(1 + cv**2 / max(rest, 1.0))
                total += rest * np.exp(np.sqrt(s2) * mean_path[year][draw] - s2 / 2)
            assert found[draw, year] == pytest.approx(total * 500 * 52)


def test_one_persons_cost_is_a_lognormal_of_that_person():
    cost = run(spread(1.0, 0.9, 0.5), n_draws=5_000)["cost"].isel(year=0).squeeze() / (500 * 52)
    sigma = np.sqrt(np.log(1 + 0.81))
    assert stats.kstest(np.log(cost), stats.norm(-(sigma**2) / 2, sigma).cdf).pvalue > 1e-3


def test_a_line_that_empties_costs_nothing():
    for people in (3.0, 30.0):
        plan = spread(people, 0.9, 0.5, people_added=[0.0, -people, 0.0, 0.0])
        np.testing.assert_allclose(run(plan)["cost"].isel(year=[1, 2, 3]), 0, atol=1e-3)


# Wrong lines


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"people": None}, "give either 'people'"),
        ({"people_by_year": 3.0}, "give either 'people'"),
        (
            {"people": None, "people_by_year": 3.0, "people_growth": 0.1},
            "growth does not go with it",
        ),
        ({"client_income": 0.6, "joint_funding": 0.6}, "clients and partners pay 1.2"),
        ({"client_income": 85.0}, r"write 85% as 0\.85"),
        ({"people": -3.0}, "at least 0"),
        ({"weeks": 54.0}, "at most 53"),
        ({"weekly_cost": "£5.8k"}, "write 5800"),
        ({"weekly_cost": "5,800"}, "write 5800"),
        ({"price_growth": "5%"}, r"write 0\.05"),
        ({"price_growth": -1.0}, "leaves nothing"),
        ({"dispersion": {"cv": 0.8, "stay": 1.2}}, "from 0 to 1"),
        ({"people_growth": [0.1, 0.2]}, "holds 2 values; expected one for each of the 4 years"),
    ],
    ids=range(13),
)
def test_a_care_line_that_cannot_be_says_what_to_do(fields, says):
    line = {key: value for key, value in care(**fields).items() if value is not None}
    with pytest.raises(PlanError, match=says):
        council(lines=[line])


def test_people_cannot_fall_below_none():
    with pytest.raises(PlanError, match="people"):
        council(lines=[care(people=2.0, people_added=-1.0)])


def test_few_people_given_by_year_are_summed_one_by_one_too():
    line = care(people=None, people_by_year=2.0, dispersion={"cv": 0.9, "stay": 0.5})
    names = [spec.name for spec in council(lines=[line]).shocks()]
    assert "care.person 1" in names


def test_the_years_of_a_line_are_the_plans():
    by_year = {"by_year": dict.fromkeys((*YEARS[:3], "2031/32"), 0.02)}
    with pytest.raises(PlanError, match=r"by_year holds .*2031/32; the plan's years are 2026/27"):
        council(lines=[care(price_growth=by_year)])
