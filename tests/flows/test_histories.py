"""Tests of simulated histories: theory, a slow loop, ageing to the day, and conservation."""

from dataclasses import fields
from datetime import date

import numpy as np
import pytest
from flow_models import AS_OF, children, counted, flow, z_of
from scipy import stats
from scipy.integrate import dblquad, quad
from scipy.linalg import expm

from mtfs.flows.levers import (
    CapacityLever,
    EntryLever,
    ExitLever,
    HomeLever,
    MoveLever,
    Overflow,
)
from mtfs.flows.model import Drift
from mtfs.flows.states import YEAR_DAYS

THREE = ("foster", "kinship", "residential")
BANDS = (0, 1, 5, 10, 16, 18)
FAR = 4.5  # standard errors: once in 150,000 comparisons


def total(counts):
    """Add over the first dimension."""
    return counts.sum(axis=0)


# Against theory: everyone near 0, so that nobody turns 18


def test_a_stock_of_500_has_the_mean_and_spread_of_theory():
    # 500 who each stay with chance exp(-ht), and Poisson entrants who do
    hazard, n_draws = 0.002, 2000
    model = flow(
        people=[children(500)],
        exits=hazard * YEAR_DAYS,
        entries=YEAR_DAYS,
        entry_ages=np.array([[0.0, 0.01]]),
    )
    out, steps = counted(model, last_year="2029/30", n_draws=n_draws)
    for year, (_, day) in enumerate(steps.year_edges()):
        stay = np.exp(-hazard * day)
        entered = (1 - stay) / hazard
        mean, variance = 500 * stay + entered, 500 * stay * (1 - stay) + entered
        held = total(out.closing)[year]
        assert abs(z_of(held, mean)) < FAR
        assert held.std(ddof=1) == pytest.approx(variance**0.5, rel=4 / (2 * n_draws) ** 0.5)
        if year in {0, 1, 3}:  # as published: 19.5, 21.7, 22.2
            assert variance**0.5 == pytest.approx({0: 19.5, 1: 21.7, 3: 22.2}[year], abs=0.15)


def test_a_years_average_has_the_mean_and_spread_of_theory():
    hazard, entries, count, days, n_draws = 0.004, 0.3, 60, 365.0, 4000

    def covariance(early, late):  # of the stocks at two times
        stay = np.exp(-hazard * np.array([early, late]))
        return count * stay[1] * (1 - stay[0]) + entries / hazard * (1 - stay[0]) * np.exp(
            -hazard * (late - early)
        )

    model = flow(
        people=[children(count)],
        exits=hazard * YEAR_DAYS,
        entries=entries * YEAR_DAYS,
        entry_ages=np.array([[0.0, 0.01]]),
    )
    held = total(counted(model, n_draws=n_draws)[0].average)[0]
    level = entries / hazard
    mean = quad(lambda t: level + (count - level) * np.exp(-hazard * t), 0, days)[0] / days
    variance = 2 * dblquad(covariance, 0, days, 0, lambda late: late)[0] / days**2
    assert abs(z_of(held, mean)) < FAR
    assert held.var(ddof=1) == pytest.approx(variance, rel=4 * (2 / n_draws) ** 0.5)


@pytest.mark.parametrize(("scale", "step"), [(1.0, "month"), (20.0, "month"), (20.0, "week")])
def test_three_placements_are_multinomial_with_the_matrix_exponential(scale, step):
    # twenty times the rates: several events in a month, and as many moves as there are
    moves = scale * np.array([[0, 0.3, 0.2], [0.1, 0, 0.4], [0.5, 0.05, 0]])
    exits, n_draws = np.array([0.4, 0.2, 0.1]), 1500
    starts = np.array([40, 15, 25])
    people = [children(count, placement=p) for p, count in enumerate(starts)]
    model = flow(names=THREE, people=people, exits=exits[:, None], moves=moves[:, None, :])
    out, _ = counted(model, n_draws=n_draws, step=step)

    rates = moves - np.diag(moves.sum(axis=1) + exits)
    years = 365 / YEAR_DAYS
    chance = expm(rates * years)
    mean = starts @ chance
    covariance = np.diag(mean) - np.einsum("i,ij,ik->jk", starts, chance, chance)
    held = out.closing[:, 0]
    assert np.abs(z_of(held, mean)).max() < FAR
    spread = np.sqrt((np.outer(np.diag(covariance), np.diag(covariance)) + covariance**2) / n_draws)
    assert (np.abs(np.cov(held) - covariance) < FAR * spread).all()

    lived = starts @ np.linalg.solve(rates, chance - np.eye(3))  # person-years by placement
    assert np.abs(z_of(out.average[:, 0], lived / years)).max() < FAR
    assert np.abs(z_of(out.exits[:, 0], lived * exits)).max() < FAR
    went = (lived[:, None] * moves).ravel()[[1, 2, 3, 5, 6, 7]]
    found = out.moves[:, :, 0].reshape(9, -1)[[1, 2, 3, 5, 6, 7]]
    assert np.abs(z_of(found, went)).max() < FAR


def test_rates_so_high_that_a_clock_nearly_always_rings_keep_their_chance():
    # 60 a year is five a month: e**-5 of them stay, 0.7%
    model = flow(people=[children(1000)], exits=60.0, as_of=date(2026, 2, 28))
    out, _ = counted(model, n_draws=100)
    stay = np.exp(-60 * 31 / YEAR_DAYS)
    assert abs(z_of(total(out.closing)[0], 1000 * stay)) < FAR


def slow_history(generator, rates, *, age, care, placement, days):
    """Follow one child event by event; give where it ends, and its days by age and placement."""
    exits, moves, ages, durations = rates
    lived = np.zeros((len(ages) - 1, exits.shape[1]))
    now = 0.0
    while now < days:
        band = np.searchsorted(ages, age + now, side="right") - 1
        if band == len(ages) - 1:
            return ("adult", 0), lived
        time = np.searchsorted(durations, care + now, side="right") - 1
        hazards = np.append(moves[band, placement, time], exits[band, placement, time])
        edges = [ages[band + 1] - age, *(durations[time + 1 :] - care)[:1], days]
        wait = generator.exponential(1 / hazards.sum())
        ends = min(now + wait, *edges)
        lived[band, placement] += ends - now
        if ends == now + wait:
            event = generator.choice(len(hazards), p=hazards / hazards.sum())
            if event == len(hazards) - 1:
                return ("left", placement), lived
            placement = event
        now = ends
    band = np.searchsorted(ages, age + now, side="right") - 1
    return (("adult", 0) if band == len(ages) - 1 else ("in care", placement)), lived


@pytest.mark.parametrize("step", ["month", "week"])
def test_rates_by_age_and_time_in_care_agree_with_a_slow_loop_over_events(step):
    ages, durations = (0, 10, 16, 18), (0.0, 0.5, 1.0)
    generator = np.random.default_rng(5)
    exits = generator.uniform(0.1, 3.0, (3, 2, 3))
    moves = generator.uniform(0.2, 4.0, (3, 2, 3, 2)) * (1 - np.eye(2))[:, None]
    born = [date(2016, 8, 17), date(2010, 8, 9), date(2009, 1, 20), date(2014, 5, 3)]
    cared = [10, 100, 0, 400]
    alike, n_draws = 20, 150
    people = [
        children(alike, placement=p, age_days=(AS_OF - day).days, care_days=care + 1)
        for p, (day, care) in zip([0, 1, 0, 1], zip(born, cared, strict=True), strict=True)
    ]
    model = flow(
        names=("foster", "residential"),
        ages=ages,
        durations=durations,
        people=people,
        exits=exits,
        moves=moves,
    )
    out, _ = counted(model, n_draws=n_draws, step=step)

    first = date(2026, 4, 1)
    rates = (exits / YEAR_DAYS, moves / YEAR_DAYS, None, np.array(durations) * YEAR_DAYS)
    ends, lived = [], np.zeros((4, alike * n_draws, 3, 2))
    for child, (day, care) in enumerate(zip(born, cared, strict=True)):
        age = (first - day).days
        turns = [(day.replace(year=day.year + years) - day).days for years in ages]
        for n in range(alike * n_draws):
            end, lived[child, n] = slow_history(
                generator,
                (*rates[:2], np.array(turns, float), rates[3]),
                age=age,
                care=care + 1,
                placement=child % 2,
                days=365,
            )
            ends.append(end)
    slow = [
        sum(end == ("in care", 0) for end in ends),
        sum(end == ("in care", 1) for end in ends),
        sum(end == ("left", 0) for end in ends),
        sum(end == ("left", 1) for end in ends),
        sum(end[0] == "adult" for end in ends),
    ]
    by_place = [each[:, 0].reshape(3, 2, -1).sum(axis=(0, 2)) for each in (out.closing, out.exits)]
    fast = [*by_place[0], *by_place[1], out.adults.sum()]
    assert sum(fast) == sum(slow)
    assert stats.chi2_contingency([slow, fast]).pvalue > 1e-4

    days = out.average[:, 0] * 365
    mean = lived.mean(axis=1).sum(axis=0).ravel() * alike
    error = np.sqrt((lived.var(axis=1).sum(axis=0).ravel() * alike) * 2 / n_draws)
    assert (np.abs(days.mean(axis=1) - mean) < FAR * error + 1e-9).all()


# Ageing


def test_turning_18_is_exact_to_the_day():
    # 18 on 1 May 2026: 30 days of the year in care, and gone
    model = flow(people=[children(1, age_days=(AS_OF - date(2008, 5, 1)).days)])
    out, _ = counted(model, n_draws=2)
    assert out.average[0, 0] == pytest.approx(30 / 365)
    assert out.adults[0, 0].tolist() == [1, 1]
    assert out.adults_by_step[:2, 0].tolist() == [0, 1]  # on the first day of May
    assert out.closing[0, 0].tolist() == [0, 0]


def test_a_child_who_is_18_on_the_first_day_leaves_on_it():
    model = flow(
        ages=BANDS, people=[children(1, age_days=(AS_OF - date(2008, 4, 1)).days)], exits=3.0
    )
    out, _ = counted(model, n_draws=3)
    assert out.adults[-1, 0].tolist() == [1, 1, 1]
    assert out.average.sum() == 0
    assert out.exits.sum() == 0


def test_who_is_18_on_1_april_is_in_care_on_31_march():
    model = flow(people=[children(1, age_days=(AS_OF - date(2009, 4, 1)).days)])
    out, _ = counted(model, last_year="2027/28", n_draws=1)
    assert out.closing[0, :, 0].tolist() == [1, 0]
    assert out.adults[0, :, 0].tolist() == [0, 1]
    assert out.average[0, :, 0] == pytest.approx([1, 0])


def test_rates_of_an_age_hold_from_a_birthday_on_the_first_of_a_month():
    # 10 on 1 June, after which nobody leaves
    model = flow(
        ages=(0, 10, 18),
        people=[children(2000, age_days=(AS_OF - date(2016, 6, 1)).days)],
        exits=np.array([4.0, 0.0])[:, None, None],
    )
    out, _ = counted(model, n_draws=20)
    assert out.exits[1].sum() == 0
    assert abs(z_of(out.closing[1, 0], 2000 * np.exp(-4 * 61 / YEAR_DAYS))) < FAR


def test_who_is_born_on_29_february_is_18_on_1_march():
    as_of = date(2026, 2, 10)
    model = flow(people=[children(1, age_days=(as_of - date(2008, 2, 29)).days)], as_of=as_of)
    out, _ = counted(model, n_draws=1)
    assert out.average[0, 0, 0] == pytest.approx(18 / 49)  # 11 to 28 February, of 49 days


@pytest.mark.parametrize("as_of", [AS_OF, date(2028, 2, 29), date(2027, 9, 14)])
@pytest.mark.parametrize("step", ["month", "week"])
def test_without_events_ages_are_those_of_the_calendar(as_of, step):
    days = np.random.default_rng(3).integers(1, 6573, 400)
    born = [date.fromordinal(as_of.toordinal() - int(day)) for day in days]
    model = flow(ages=BANDS, people=[children(400, age_days=days)], as_of=as_of)
    out, steps = counted(model, last_year="2030/31", n_draws=1, step=step)
    for year, label in enumerate(steps.years):
        close = (int(label[:4]) + 1, 3, 31)
        years = [
            close[0] - day.year - ((close[1], close[2]) < (day.month, day.day)) for day in born
        ]
        counts = np.histogram(years, bins=(*BANDS[:-1], 17.5))[0]
        assert out.closing[:, year, 0].tolist() == counts.tolist()
    assert out.adults.sum() == 400 - out.closing[:, -1].sum()


def test_a_council_without_rates_stays_still_but_for_birthdays():
    people = [children(30, placement=p, age_days=3000, care_days=200) for p in range(3)]
    model = flow(names=THREE, durations=(0.0, 1.0, 2.0), people=people)
    out, _ = counted(model, last_year="2029/30", n_draws=5)
    assert np.abs(out.average - 30).max() < 1e-9
    assert (out.closing == 30).all()
    for nothing in (out.entries, out.exits, out.adults, out.moves):
        assert not nothing.any()


def test_entrants_who_turn_18_leave_at_their_age():
    # All enter at 17.5: half a year in care, so as many as enter in half a year are there.
    model = flow(entries=400.0, entry_ages=np.array([[17.5, 17.5]]))
    out, _ = counted(model, last_year="2027/28", n_draws=300)
    assert abs(z_of(total(out.closing)[1], 400 * 0.5)) < FAR
    assert abs(z_of(total(out.average)[1], 400 * 0.5)) < FAR
    assert abs(z_of(total(out.adults)[1], 400 * 366 / YEAR_DAYS)) < FAR


def test_a_move_after_a_birthday_in_the_same_month_is_counted_at_the_new_age():
    # 10 on 16 April; moves back and forth 90 times a year, so half of the time is spent in each
    age_days = (AS_OF - date(2016, 4, 16)).days
    model = flow(
        names=("foster", "residential"),
        ages=(0, 10, 18),
        people=[children(1, age_days=age_days), children(1, placement=1, age_days=age_days)],
        moves=90.0,
    )
    out, _ = counted(model, n_draws=3000)
    assert out.average.min() > -1e-9
    days = out.average[:, 0] * 365
    assert np.abs(z_of(days, [15, 15, 350, 350])).max() < FAR
    assert days[:2].sum(axis=0) == pytest.approx(30)


def test_an_exit_after_a_birthday_in_the_same_month_is_counted_at_the_new_age():
    age_days = (AS_OF - date(2016, 4, 16)).days
    model = flow(ages=(0, 10, 18), people=[children(1000, age_days=age_days)], exits=50.0)
    out, _ = counted(model, n_draws=50)
    hazard = 50 / YEAR_DAYS
    stay = np.exp(-hazard * 15)
    assert abs(z_of(out.exits[0, 0], 1000 * (1 - stay))) < FAR
    assert abs(z_of(out.average[0, 0] * 365, 1000 * (1 - stay) / hazard)) < FAR
    assert abs(z_of(out.average[1, 0] * 365, 1000 * stay / hazard)) < FAR


# Entries


def test_entrants_have_the_ages_of_their_band_and_placements_for_it():
    model = flow(
        names=("foster", "supported 16+"),
        from_age={"supported 16+": 16},
        ages=BANDS,
        entries=60.0,
        moves=2.0,
    )
    out, _ = counted(model, n_draws=100, last_year="2027/28")
    young = out.average.reshape(5, 2, 2, -1)[:4, 1]
    assert not young.any()
    assert out.average.reshape(5, 2, 2, -1)[4, 1].all()
    assert not out.entries.reshape(5, 2, 2, -1)[:4, 1].any()
    # a fifth of a band's span apart: nobody outside his band, and ages spread over it
    at_once = flow(ages=BANDS, entries=[[0, 0, 300.0, 0, 0]], as_of=date(2026, 3, 30))
    out, _ = counted(at_once, n_draws=200, last_year="2026/27")
    assert not out.entries[[0, 1, 3, 4]].any()
    older = out.closing[3, 1].sum() / out.closing[:, 1].sum()  # a tenth of five years' span
    assert older == pytest.approx(0.1, abs=4 * (0.09 / out.closing[:, 1].sum()) ** 0.5 + 0.001)


def test_entries_are_poisson_by_age_and_independent_of_one_another():
    model = flow(ages=BANDS, entries=[[12.0, 3.0, 40.0, 0.5, 8.0]], exits=20.0)
    out, _ = counted(model, n_draws=3000)
    held = out.entries[:, 0]
    mean = np.array([12.0, 3.0, 40.0, 0.5, 8.0]) * 365 / YEAR_DAYS
    assert np.abs(z_of(held, mean)).max() < FAR
    ratio = held.var(axis=1) / mean
    assert np.abs(ratio - 1).max() < FAR * ((2 + 1 / 0.5) / 3000) ** 0.5
    assert np.abs(np.corrcoef(held) - np.eye(5)).max() < FAR / 3000**0.5


def test_entrants_of_two_ages_have_histories_of_their_own():
    model = flow(ages=(0, 10, 18), entries=30.0, entry_ages=[[2.0, 3.0], [11.0, 12.0]], exits=3.0)
    out, _ = counted(model, n_draws=2000)
    for counts in (out.closing, out.exits, out.average):
        assert abs(np.corrcoef(counts[:, 0])[0, 1]) < 4 / 2000**0.5


@pytest.mark.parametrize("step", ["month", "week"])
def test_a_months_entries_have_the_variance_of_their_dispersion(step):
    # from 1 to 31 March: one month, whose gamma factor all entries share
    means, dispersion, n = np.array([20.0, 8.0]), 0.15, 4000
    model = flow(
        ages=(0, 10, 18),
        entries=means[None] * YEAR_DAYS / 31,
        dispersion=dispersion,
        exits=30.0,
        as_of=date(2026, 2, 28),
    )
    out, _ = counted(model, last_year="2025/26", n_draws=n, step=step)
    held = out.entries[:, 0]
    assert np.abs(z_of(held, means)).max() < FAR
    wanted = np.diag(means) + dispersion * np.outer(means, means)
    spread = np.sqrt((np.outer(np.diag(wanted), np.diag(wanted)) + wanted**2) / n)
    assert (np.abs(np.cov(held) - wanted) < 1.3 * FAR * spread).all()  # heavier tails than normal


def test_dispersion_of_one_month_is_independent_of_the_next():
    model = flow(entries=240.0, dispersion=0.1, exits=30.0, as_of=date(2026, 2, 28))
    out, _ = counted(model, last_year="2026/27", n_draws=1500)
    march, year = total(out.entries)
    assert abs(np.corrcoef(march, year)[0, 1]) < 4 / 1500**0.5
    months = np.array([30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 28, 31]) * 240 / YEAR_DAYS
    wanted = months.sum() + 0.1 * (months**2).sum()
    assert year.var(ddof=1) == pytest.approx(wanted, rel=5 * (2 / 1500) ** 0.5)


def test_seasons_move_entries_between_months():
    season = (3.0, 2.0, 1.0, *(6.0 / 9,) * 9)
    model = flow(entries=300.0, season=season, exits=20.0, as_of=date(2025, 12, 31))
    out, _ = counted(model, n_draws=400)
    first, whole = total(out.entries)
    winter = 3 * 31 + 2 * 28 + 31
    assert abs(z_of(first, 300 * winter / YEAR_DAYS)) < FAR
    assert abs(z_of(whole, 300 * (winter + 275 * 6 / 9) / YEAR_DAYS)) < FAR


def test_twice_the_entries_give_twice_the_expected_stock():
    people = {"exits": 0.7, "entry_ages": np.array([[0.0, 10.0]])}
    once, _ = counted(flow(entries=60.0, **people), last_year="2029/30", n_draws=600)
    twice, _ = counted(flow(entries=120.0, **people), last_year="2029/30", n_draws=600)
    difference = total(twice.average) - 2 * total(once.average)
    assert np.abs(z_of(difference, 0)).max() < FAR
    mean = total(once.average).mean(axis=1)
    assert mean[-1] > 60


# Levels that wander


def test_levels_of_entries_wander_as_documented():
    sd, n = 0.3, 1200
    model = flow(
        ages=BANDS, entries=200.0, exits=40.0, drift=Drift(entries=sd), start=date(2023, 4, 1)
    )
    out, _ = counted(model, last_year="2028/29", n_draws=n)
    held = total(out.entries)
    days = np.array([365, 366, 365]) * 1000 / YEAR_DAYS
    assert np.abs(z_of(held, days)).max() < FAR
    window = 1096 / YEAR_DAYS
    wanted = sd**2 * (window / 3 + 0.5 + np.minimum.outer(np.arange(3), np.arange(3)))
    wanted += np.diag(np.full(3, 1 / 1000))  # of counting
    spread = np.sqrt((np.outer(np.diag(wanted), np.diag(wanted)) + wanted**2) / n)
    assert (np.abs(np.cov(np.log(held)) - wanted) < FAR * spread + 0.001).all()


def test_rates_of_exit_wander_as_documented_and_entries_do_not():
    sd, n = 0.25, 500
    model = flow(people=[children(1500)], exits=0.3, entries=50.0, drift=Drift(exits=sd))
    calm = flow(people=[children(1500)], exits=0.3, entries=50.0)
    out, _ = counted(model, n_draws=n)
    still, _ = counted(calm, n_draws=n)
    assert (out.entries == still.entries).all()
    hazard = total(out.exits)[0] / total(out.average)[0]
    window = 1096 / YEAR_DAYS
    wanted = sd**2 * (window / 3 + 0.5) + 1 / 400
    assert abs(z_of(hazard * YEAR_DAYS / 365, 0.3)) < FAR
    assert np.log(hazard).var(ddof=1) == pytest.approx(wanted, rel=4 * (2 / n) ** 0.5)


def test_levels_of_entries_and_exits_wander_together_as_they_correlate():
    sd, n, correlation = 0.5, 400, 0.6
    cases = {"people": [children(2000)], "exits": 0.3, "entries": 2000.0}
    wander = {"entries": sd, "exits": sd}
    apart, _ = counted(flow(**cases, drift=Drift(**wander)), n_draws=n)
    tied, _ = counted(flow(**cases, drift=Drift(**wander, correlation=correlation)), n_draws=n)
    assert (apart.entries == tied.entries).all()
    for out, wanted in ((apart, 0.0), (tied, correlation)):
        levels = np.log([total(out.entries)[0], (total(out.exits) / total(out.average))[0]])
        found = np.arctanh(np.corrcoef(levels)[0, 1])
        assert abs(found - np.arctanh(wanted)) < 4 / (n - 3) ** 0.5


# Conservation


def busy(**changes):
    """Make a council in which everything happens."""
    generator = np.random.default_rng(8)
    count = 60
    names = ("in-house", "independent", "residential", "supported 16+")
    parts = {
        "names": names,
        "from_age": {"supported 16+": 16},
        "ages": BANDS,
        "durations": (0.0, 0.5, 2.0),
        "groups": ("other", "UASC"),
        "people": [
            children(
                count,
                placement=generator.integers(0, 3, count),
                age_days=generator.integers(1, 6560, count),
                care_days=generator.integers(0, 900, count),
                group=np.arange(count) % 2,
            )
        ],
        "exits": generator.uniform(0.1, 2.0, (2, 5, 4, 3)),
        "moves": generator.uniform(0.1, 3.0, (2, 5, 4, 3, 4)),
        "entries": generator.uniform(2.0, 12.0, (2, 5)),
        "dispersion": 0.2,
        "drift": Drift(entries=0.1, exits=0.1, correlation=0.5),
    }
    return flow(**(parts | changes))


LEVERS = (
    EntryLever(name="prevention", starts=date(2026, 9, 1), ages=("1 to 4",), effect=-0.5),
    ExitLever(
        name="reunification",
        starts=date(2027, 4, 1),
        ramp_months=12,
        placements=("independent",),
        effect=0.6,
    ),
    MoveLever(
        name="step-down",
        starts=date(2026, 4, 1),
        from_placement="residential",
        to_placement="in-house",
        effect=1.5,
        ends=date(2028, 10, 1),
    ),
    CapacityLever(
        name="carers",
        placement="in-house",
        places=30,
        changes=({"on": "2027-10-01", "added": 6},),
        overflow=(
            Overflow(placement="independent", share=0.75),
            Overflow(placement="residential", share=0.25),
        ),
        takes_from=("independent",),
    ),
    HomeLever(name="Elm House", starts=date(2027, 6, 1), placement="residential", places=4),
)


@pytest.mark.parametrize("levers", [(), LEVERS])
@pytest.mark.parametrize("step", ["month", "week"])
def test_everyone_is_accounted_for_in_every_draw_and_year(levers, step):
    model = busy()
    out, steps = counted(model, levers=levers, last_year="2028/29", n_draws=80, step=step)
    shape = (2, 5, 4, len(steps.years), 80)
    opening = np.zeros(shape)
    census = model.census
    ages = [np.searchsorted(BANDS, days / YEAR_DAYS, side="right") - 1 for days in census.age_days]
    np.add.at(opening[..., 0, :], (np.array(census.group), ages, np.array(census.placement)), 1)
    closing, entries, exits, adults = (
        getattr(out, name).reshape(shape) for name in ("closing", "entries", "exits", "adults")
    )
    opening[..., 1:, :] = closing[..., :-1, :]
    # by group, and by placement with moves in and out
    change = entries - exits - adults
    assert (closing.sum(axis=(1, 2)) == (opening + change).sum(axis=(1, 2))).all()
    moved = out.moves.sum(axis=0) - out.moves.sum(axis=1)
    assert (closing.sum(axis=(0, 1)) == (opening + change).sum(axis=(0, 1)) + moved).all()
    # by age: who comes of age goes on to the next band, so sums from the oldest down only grow
    grown = (closing - opening - change).sum(axis=(0, 2))
    assert (grown.sum(axis=0) == 0).all()
    assert (np.cumsum(grown, axis=0) <= 0).all()
    assert (adults[:, :-1] == 0).all()
    assert (out.adults_by_step.sum(axis=0) == adults.sum(axis=(0, 1, 2, 3))).all()
    assert not np.diagonal(out.moves).any()
    for each in fields(out):
        assert getattr(out, each.name).min(initial=0) > -1e-9
    for counts in (closing, entries, exits, adults, out.moves):
        assert (counts == np.round(counts)).all()
    assert not closing[:, :4, 3].any()
    assert not entries[:, :4, 3].any()


# Groups


def test_unaccompanied_children_flow_apart():
    people = [children(50, group=0), children(40, group=1)]
    both = flow(
        groups=("other", "UASC"),
        people=people,
        exits=np.array([0.5, 2.0])[:, None, None, None],
        entries=np.array([[20.0], [70.0]]),
    )
    out, _ = counted(both, n_draws=500)
    change = [EntryLever(name="dispersal", starts=AS_OF, groups=("UASC",), effect=0.8)]
    more, _ = counted(both, levers=change, n_draws=500)
    assert (more.average[0] == out.average[0]).all()
    assert (more.entries[1] >= out.entries[1]).all()
    years = 365 / YEAR_DAYS
    for group, (exits, entries, count) in enumerate([(0.5, 20, 50), (2.0, 70, 40)]):
        stay = np.exp(-exits * years)
        mean = count * stay + entries * (1 - stay) / exits
        assert abs(z_of(out.closing[group, 0], mean)) < FAR


# Steps


def test_weeks_and_months_agree_where_rates_do_not_change():
    parts = {"ages": (0, 18), "durations": (0.0,), "exits": 1.1, "moves": 4.0, "entries": 40.0}
    model = flow(
        names=THREE, people=[children(40, age_days=2000)], entry_ages=[[2.0, 9.0]], **parts
    )
    months, _ = counted(model, last_year="2027/28", n_draws=600)
    weeks, _ = counted(model, last_year="2027/28", n_draws=600, number=1, step="week")
    for name in ("average", "closing", "entries", "exits", "moves"):
        one, other = (getattr(each, name) for each in (months, weeks))
        error = np.sqrt((one.var(axis=-1) + other.var(axis=-1)) / 600)
        apart = np.abs(one.mean(axis=-1) - other.mean(axis=-1))
        assert (apart <= FAR * error).all()
        assert (np.abs(one.std(axis=-1) / np.maximum(other.std(axis=-1), 1e-9) - 1) < 0.2)[
            error > 0
        ].all()


def test_entrants_leave_at_the_rate_of_their_time_in_care_to_the_day():
    """Half a year at a fast rate, then slower: the survivors of a steady stream of entrants."""
    rates = np.array([2.0, 0.5, 0.2])
    model = flow(durations=(0.0, 0.5, 2.0), exits=rates, entries=500.0, entry_ages=[[0.0, 0.01]])
    out, steps = counted(model, last_year="2029/30", n_draws=300)
    years = np.linspace(0, steps.edges[-1] / 365.25, 200_001)
    spent = np.stack(
        [np.minimum(years, 0.5), np.clip(years - 0.5, 0, 1.5), np.maximum(years - 2, 0)]
    )
    wanted = 500 * np.trapezoid(np.exp(-rates @ np.stack(spent)), years)
    assert abs(z_of(out.closing[:, -1].sum(axis=0), wanted)) < 4


def test_someone_who_turns_18_on_the_first_day_leaves_on_it():
    model = flow(people=[children(1, age_days=6_573)])
    out, _ = counted(model, n_draws=2)
    assert out.adults[:, 0].tolist() == [[1.0, 1.0]]
    assert out.average.sum() == 0
