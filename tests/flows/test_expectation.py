"""Tests of the expected flow: against matrix exponentials, the calendar and many draws."""

from datetime import date, timedelta

import numpy as np
import pytest
from flow_models import AS_OF, FIRST, children, counted, flow, resolved, z_of
from scipy.integrate import quad_vec
from scipy.linalg import expm

from mtfs.flows.expectation import expected, transitions
from mtfs.flows.levers import (
    CapacityLever,
    EntryLever,
    ExitLever,
    HomeLever,
    MoveLever,
    Overflow,
)
from mtfs.flows.states import YEAR_DAYS
from mtfs.flows.steps import Steps

NAMES = ("in-house", "independent", "residential", "supported 16+")
BANDS = (0, 1, 5, 10, 16, 18)
FAR = 4.5


def followed(model, *, levers=(), last_year=FIRST, step="month"):
    """Follow the expected numbers to the end of a year."""
    steps = Steps.between(model.as_of, last_year, step)
    return expected(model, resolved(model, levers, steps, steps.years), steps)


@pytest.mark.parametrize("scale", [0.0, 1e-6, 0.01, 0.3, 5.0])
def test_transitions_are_matrix_exponentials_and_their_integrals(scale):
    generator = np.random.default_rng(2)
    rates = generator.uniform(0, scale, (2, 3, 5, 5)) * (1 - np.eye(5))
    leaving = generator.uniform(0, scale, (2, 3, 5))
    rates = rates - np.eye(5) * (rates.sum(axis=-1) + leaving)[..., None]
    ahead, during = transitions(rates, 31.0)
    assert ahead == pytest.approx(expm(rates * 31), abs=1e-12)
    wanted = quad_vec(lambda day: expm(rates * day), 0, 31, epsabs=1e-10)[0]
    assert during == pytest.approx(wanted, abs=1e-8)


def test_one_placement_decays_and_fills_as_theory_says():
    hazard, entries = 0.002, 0.6
    model = flow(
        people=[children(500)],
        exits=hazard * YEAR_DAYS,
        entries=entries * YEAR_DAYS,
        entry_ages=[[0.0, 0.01]],
    )
    found = followed(model, last_year="2029/30")
    level = entries / hazard
    days = np.array([0, 365, 731, 1096, 1461])
    stock = level + (500 - level) * np.exp(-hazard * days)
    assert found.closing[0] == pytest.approx(stock[1:], rel=1e-7)
    lived = level * np.diff(days) - np.diff(stock) / hazard
    assert found.average[0] == pytest.approx(lived / np.diff(days), rel=1e-6)


def test_three_placements_follow_the_matrix_exponential_at_any_step():
    moves = np.array([[0, 3.0, 0.2], [0.1, 0, 0.4], [5.0, 0.05, 0]])
    exits, starts = np.array([0.4, 2.0, 0.1]), np.array([40.0, 15, 25])
    people = [children(int(count), placement=p) for p, count in enumerate(starts)]
    model = flow(names=NAMES[:3], people=people, exits=exits[:, None], moves=moves[:, None])
    rates = moves - np.diag(moves.sum(axis=1) + exits)
    wanted = starts @ expm(rates * 365 / YEAR_DAYS)
    for step in ("month", "week"):
        assert followed(model, step=step).closing[:, 0] == pytest.approx(wanted, rel=1e-9)


def test_without_rates_birthdays_are_exact_to_the_day():
    generator = np.random.default_rng(6)
    days = np.append(generator.integers(1, 6570, 200), (AS_OF - date(2008, 4, 1)).days)
    model = flow(ages=BANDS, people=[children(201, age_days=days)])
    found = followed(model, last_year="2027/28")
    average, closing = np.zeros((5, 2)), np.zeros((5, 2))
    for number in range(731):  # every child on every day
        today = AS_OF + timedelta(days=1 + number)
        for age_days in days:
            born = AS_OF - timedelta(days=int(age_days))
            years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
            if years < 18:
                band = np.searchsorted(BANDS, years, side="right") - 1
                year = int(number >= 365)
                average[band, year] += 1 / (366 if year else 365)
                closing[band, year] += number in {364, 730}
    assert found.average == pytest.approx(average, abs=1e-9)
    assert found.closing == pytest.approx(closing)


def test_entrants_turn_18_in_the_expected_flow():
    model = flow(entries=400.0, entry_ages=[[17.5, 17.5]])
    found = followed(model, last_year="2028/29")
    assert found.average[0, 1:] == pytest.approx([200, 200], rel=1e-3)


def busy(**changes):
    """Make a council with all ages, placements, bands and groups."""
    generator = np.random.default_rng(9)
    people = children(
        120,
        placement=generator.integers(0, 3, 120),
        age_days=generator.integers(1, 6560, 120),
        care_days=generator.integers(0, 900, 120),
        group=np.arange(120) % 2,
    )
    parts = {
        "names": NAMES,
        "from_age": {"supported 16+": 16},
        "ages": BANDS,
        "durations": (0.0, 0.5, 2.0),
        "groups": ("other", "UASC"),
        "people": [people],
        "exits": generator.uniform(0.1, 1.5, (2, 5, 4, 3)),
        "moves": generator.uniform(0.1, 1.0, (2, 5, 4, 3, 4)),
        "entries": generator.uniform(2.0, 12.0, (2, 5)),
        "dispersion": 0.1,
        "season": tuple(1 + 0.3 * np.sin(np.arange(12) * np.pi / 6)),
    }
    return flow(**(parts | changes))


RATE_LEVERS = (
    EntryLever(name="prevention", starts=date(2026, 9, 1), ages=("1 to 4",), effect=-0.5),
    ExitLever(
        name="reunification",
        starts=date(2026, 7, 10),
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
        ends=date(2027, 10, 1),
    ),
)


@pytest.mark.parametrize("levers", [(), RATE_LEVERS], ids=["without levers", "with levers"])
@pytest.mark.parametrize("step", ["month", "week"])
def test_it_is_the_mean_of_many_draws(levers, step):
    model, n = busy(), 500
    found = followed(model, levers=levers, last_year="2027/28", step=step)
    out, _ = counted(model, levers=levers, last_year="2027/28", n_draws=n, step=step)
    for drawn, wanted in [(out.average, found.average), (out.closing, found.closing)]:
        possible = drawn.any(axis=(1, 2))
        assert (wanted[~possible] == 0).all()
        z = z_of(drawn[possible], wanted[possible])
        assert np.abs(z).max() < FAR
        assert (z**2).mean() < 1.5  # where all are right it is 1, give or take 0.1
        assert np.abs(z_of(drawn.sum(axis=0), wanted.sum(axis=0))).max() < FAR


def test_it_keeps_everyone_and_nobody_below_nought():
    model = busy(exits=0.0, moves=30.0, entries=0.0)
    found = followed(model, last_year="2028/29")
    still = followed(busy(exits=0.0, moves=0.0, entries=0.0), last_year="2028/29")
    for one, other in [(found.average, still.average), (found.closing, still.closing)]:
        assert one.min() >= 0
        by_age = [each.reshape(2, 5, 4, 3).sum(axis=2) for each in (one, other)]
        assert by_age[0] == pytest.approx(by_age[1], abs=1e-9)


def full(entries, **changes):
    """Make a council whose entrants are all bound for in-house places."""
    return busy(
        groups=("other",),
        ages=(0, 18),
        from_age=(),
        entry_ages=[[0.0, 3.0]],
        dispersion=0.0,
        season=(1.0,) * 12,
        entries=entries,
        shares=[1.0, 0, 0, 0],
        **(
            {
                "people": [children(30), children(10, placement=1)],
                "durations": (0.0,),
                "exits": 0.0,
                "moves": 0.0,
            }
            | changes
        ),
    )


def limit(places, **parts):
    """Limit in-house places; most of the rest go to independent carers."""
    overflow = (
        Overflow(placement="independent", share=0.8),
        Overflow(placement="residential", share=0.2),
    )
    return CapacityLever(
        name="carers", placement="in-house", places=places, overflow=overflow, **parts
    )


def test_what_finds_no_place_is_sent_on_by_its_shares():
    found = followed(full(50 * YEAR_DAYS / 365), levers=[limit(42)])
    assert found.closing[:, 0] == pytest.approx([42, 10 + 0.8 * 38, 0.2 * 38, 0])
    assert found.average[0, 0] < 42


def test_taking_from_other_placements_fills_free_places():
    model = full(50 * YEAR_DAYS / 365)
    shares = [0.0, 1.0, 0, 0]
    arrivals = model.arrivals.model_dump() | {
        "placements": {"shape": (1, 1, 4), "values": tuple(shares)}
    }
    elsewhere = model.model_validate(model.model_dump() | {"arrivals": arrivals})
    found = followed(elsewhere, levers=[limit(42, takes_from=("independent",))])
    assert found.closing[:, 0] == pytest.approx([42, 10 + 38, 0, 0])


def test_with_a_limit_it_is_near_the_mean_of_many_draws():
    # where places are plainly too few, or plainly enough, there is little left to chance
    model = full(60.0, exits=0.4, moves=0.2)
    for places, near in [(30, 0.02), (200, 0.005)]:
        levers = [limit(places, changes=({"on": date(2027, 1, 1), "added": 3},))]
        found = followed(model, levers=levers, last_year="2027/28")
        out, _ = counted(model, levers=levers, last_year="2027/28", n_draws=500)
        apart = found.average - out.average.mean(axis=-1)
        assert np.abs(apart).max() < near * found.average.sum(axis=0).min() + 0.3


def test_places_become_free_at_the_rates_of_those_who_have_them():
    # those who have long been there seldom leave; with the rates of new ones far more would fit
    model = full(
        400.0,
        durations=(0.0, 1.0),
        people=[children(30, age_days=2000, care_days=800)],
        exits=np.array([3.0, 0.1]),
    )
    found = followed(model, levers=[limit(30)])
    out, _ = counted(model, levers=[limit(30)], n_draws=200)
    assert found.closing[0, 0] == pytest.approx(30, abs=0.5)
    assert found.average[0, 0] == pytest.approx(out.average[0, 0].mean(), abs=0.5)


def test_homes_take_as_many_as_they_have_places_for():
    model = flow(names=NAMES, people=[children(10, placement=2)])
    homes = [
        HomeLever(name="Elm House", starts=date(2026, 10, 1), placement="residential", places=4),
        HomeLever(
            name="Oak House",
            starts=date(2026, 4, 1),
            placement="residential",
            places=10,
            occupancy=0.9,
        ),
    ]
    found = followed(model, levers=homes)
    half = 182 / 365
    assert found.homes[:, 0] == pytest.approx([4 * half, 9 * (1 - half) + 6 * half])
    assert found.homes_closing[:, 0] == pytest.approx([4, 6])
