"""Tests beside the peer: that we know what it does, and why we expect other numbers."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from peer_definition import (
    IN_BAND,
    LEFT,
    events_on,
    mean_of_ratios,
    over_person_time,
    path_of,
    peer_path,
    peer_spells,
    published,
    published_rates,
    rows_of,
    stock_on,
)
from peer_steps import (
    DAYS,
    GROUPING,
    TIMELESS,
    cut_at_birthdays,
    expected_stock,
    known,
    spells_of,
    stages,
)
from scipy.linalg import expm

from mtfs.flows import count_occurrences, fit
from mtfs.flows.known import KnownArrivals
from mtfs.flows.model import birthdays
from mtfs.flows.states import YEAR_DAYS, Table
from mtfs.io import load_episodes

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "ssda903"
OUTPUT = FOLDER / "peer_output"
LAST = pd.Timestamp("2020-03-31")
SHORT, LONG = (pd.Timestamp(day) for day in ("2019-07-01", "2018-04-01"))
WINDOWS = [(SHORT, 365), (LONG, 1460)]
here = pytest.mark.skipif(not OUTPUT.exists(), reason="needs ../shared/data/ssda903")


@pytest.fixture(scope="module")
def rows():
    return rows_of(FOLDER)


@pytest.fixture(scope="module")
def episodes():
    return load_episodes(FOLDER)


def path_published(first, days):
    return published(OUTPUT / f"prediction_{first:%Y-%m-%d}_{LAST:%Y-%m-%d}_{days}d.csv", days)


def rates_published(first):
    return published_rates(OUTPUT / f"transition_rates_{first:%Y-%m-%d}_{LAST:%Y-%m-%d}.csv")


@here
@pytest.mark.parametrize(("first", "days"), WINDOWS)
def test_the_peers_rates_and_ageing_give_its_path_from_its_first_days(first, days):
    path, rates = path_published(first, days), rates_published(first)
    entries = path[1] - path_of(path[0], rates, 1 / IN_BAND, 0.0, days=1)[0]
    found = path_of(path[0], rates, 1 / IN_BAND, entries, days=days - 1)
    assert found == pytest.approx(path[1:], abs=1e-9)


@here
@pytest.mark.parametrize(("first", "days"), WINDOWS)
def test_the_peers_rates_and_path_follow_from_the_returns(rows, first, days):
    rates = mean_of_ratios(peer_spells(rows), first, LAST)
    assert rates == pytest.approx(rates_published(first), abs=1e-15)
    found = peer_path(rows, first, LAST, days=days)
    assert found == pytest.approx(path_published(first, days), abs=1e-9)


def test_a_mean_of_daily_ratios_is_not_events_over_person_time():
    # Nine children for ten days and one for 99, who then leaves: one event in 189 person-days. Of
    # the daily ratios the hundredth is 1, and all others are 0, also while nobody is there.
    begin = pd.Timestamp("2019-01-01")
    ends = [begin + pd.Timedelta(days=days) for days in [10] * 9 + [99]]
    spells = pd.DataFrame(
        {"start": begin, "end": ends, "age": 0, "place": 0, "to": [-1] * 9 + [LEFT]}
    )
    for days, ratio in ((100, 1 / 100), (200, 1 / 200)):
        last = begin + pd.Timedelta(days=days - 1)
        assert mean_of_ratios(spells, begin, last)[0, 0, LEFT] == pytest.approx(ratio)
        assert over_person_time(spells, begin, last)[0, 0, LEFT] == pytest.approx(1 / 189)


@here
def test_person_time_and_events_are_those_of_a_slow_count_day_by_day(episodes):
    counted = count_occurrences(
        episodes, start=SHORT, end=LAST, grouping=TIMELESS, unknown_to="other"
    )
    spells = cut_at_birthdays(spells_of(episodes.table))
    days = pd.date_range(SHORT, LAST)
    lived = sum(stock_on(spells, day) for day in days)[:, :LEFT]
    assert counted.exposure.sum(axis=(0, 3)) * YEAR_DAYS == pytest.approx(lived)
    assert len(counted.people) == stock_on(spells, LAST).sum()
    happened = sum(events_on(spells[~spells["adult"]], day) for day in days)[:, :LEFT]
    assert (counted.exits.sum(axis=(0, 3)) == happened[..., LEFT]).all()
    moved = happened[..., :LEFT] * (1 - np.eye(LEFT))
    assert (counted.moves.sum(axis=(0, 3)) == moved).all()


@here
def test_expected_children_are_those_of_a_slow_walk_from_day_to_day(episodes):
    together = episodes.table.assign(uasc=False)
    counted = count_occurrences(
        replace(episodes, table=together),
        start=SHORT,
        end=LAST,
        grouping=TIMELESS,
        unknown_to="other",
    )
    model = known(counted, cut_at_birthdays(spells_of(together)), SHORT, LAST)
    nobody = KnownArrivals(
        level=Table.of(np.zeros(model.arrivals.level.shape)),
        placements=model.arrivals.placements,
        ages=model.arrivals.ages,
    )
    model = model.model_copy(update={"arrivals": nobody})
    moves, exits = model.rates.moves.array[0, :, :, 0], model.rates.exits.array[0, :, :, 0]
    out = [np.diag(row) for row in exits + moves.sum(axis=2)]
    a_day = [expm(rates / YEAR_DAYS) for rates in moves - np.array(out)]
    found = np.zeros((len(a_day), LEFT))
    for placement, turns in zip(model.census.placement, birthdays(model), strict=True):
        chances = np.eye(LEFT)[placement]
        for day in range(DAYS):
            if turns[-1] > day:
                chances = chances @ a_day[(turns <= day).sum()]
        if turns[-1] >= DAYS:
            found[(turns < DAYS).sum()] += chances
    assert expected_stock(model) == pytest.approx(found, abs=1e-9)


@here
def test_what_each_cause_is_worth_adds_up_from_the_peers_children_to_ours(rows, episodes):
    steps = stages(rows, episodes, SHORT, LAST)
    theirs = path_published(SHORT, 365)[-1][:, :LEFT]
    model = fit(episodes, start=SHORT, end=LAST, grouping=GROUPING, unknown_to="other")
    ours = expected_stock(model)
    worth = {after.change: after.stock - before.stock for before, after in pairwise(steps)}
    assert len(worth) == len(steps) - 1
    assert sum(worth.values()) == pytest.approx(ours - theirs, abs=1e-9)
    assert all(np.abs(each).max() > 1e-3 for each in worth.values())
    # in all, as docs/explanation/peer.md says
    assert [theirs.sum(), ours.sum()] == pytest.approx([136.2, 111.0], abs=0.05)
    largest = sorted(worth, key=lambda cause: -abs(worth[cause].sum()))[:3]
    assert [round(worth[cause].sum(), 1) for cause in largest] == [-24.2, -4.4, 2.8]
    # those who are ten or older stay in the peer's band of 5 to 9 while an episode lasts
    assert worth["age of the day, not of the episode's first day"][2].sum() < -5
