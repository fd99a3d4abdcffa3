"""From the peer's expected numbers to ours, one change at a time: for tests and a benchmark.

Each step keeps all changes before it. What one cause is worth depends on the order; the sum does
not.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from peer_definition import (
    AGES,
    CODES,
    FOR_EVER,
    IN_BAND,
    LEFT,
    PLACES,
    STATES,
    entries_of,
    mean_of_ratios,
    over_person_time,
    path_of,
    peer_path,
    peer_spells,
    place_of,
    stock_on,
)
from scipy.linalg import expm

from mtfs.flows.arrivals import fit_arrivals
from mtfs.flows.episodes import SHORT_BREAKS, birthday
from mtfs.flows.fitting import fit_occurrences
from mtfs.flows.known import KnownArrivals, KnownRates
from mtfs.flows.model import Census, FlowModel
from mtfs.flows.occurrences import count_occurrences
from mtfs.flows.rates import fit_rates
from mtfs.flows.simulation import expected_people
from mtfs.flows.states import ADULT, YEAR_DAYS, Grouping, Placement, Table

PLACEMENTS = (
    *(Placement(name=name, codes=codes) for name, codes in CODES.items()),
    Placement(name=PLACES[-1], codes=("P1",)),  # and all that belongs nowhere else
)
GROUPING = Grouping(placements=PLACEMENTS)
"""the peer's placements, supported at any age as there; bands of age and time in care are ours"""
TIMELESS = Grouping(placements=PLACEMENTS, durations=(0.0,))
TWO_YEARS = np.append(IN_BAND[:-1], 2 * 365)  # the last band ends at 18
DAYS = 365


@dataclass(frozen=True)
class Stage:
    """Expected children after a year, by what was changed last."""

    change: str
    stock: np.ndarray
    """shape (age, placement)"""


def stages(rows, episodes, first, last):
    """Go from what the peer does to what we do.

    ``rows`` are the returns as :func:`peer_definition.rows_of` reads them, ``episodes`` as
    :func:`mtfs.io.load_episodes` does.
    """
    return [
        Stage("the peer", _care(peer_path(rows, first, last, days=DAYS)[-1])),
        *_by_day(rows, episodes, first, last),
        *_by_child(episodes, first, last),
    ]


def _by_day(rows, episodes, first, last):
    """Change what is counted; numbers go on to follow the peer's rule from day to day."""
    days = (last - first).days

    def followed(spells, rate=mean_of_ratios, in_band=IN_BAND, days=days):
        entries = entries_of(spells, first, last) / days
        rates = rate(spells, first, last)
        return _care(path_of(stock_on(spells, last), rates, 1 / in_band, entries, days=DAYS)[-1])

    kept = peer_spells(rows[~rows["status"].isin(SHORT_BREAKS)])
    yield Stage("short breaks (V3, V4) are no care", followed(kept))
    ours = spells_of(episodes.table)
    yield Stage("episodes end: with the return that knows no more, or at 18", followed(ours))
    ours = cut_at_birthdays(ours)
    yield Stage("age of the day, not of the episode's first day", followed(ours))
    rate = over_person_time
    yield Stage("events over person-time, not the mean of daily ratios", followed(ours, rate))
    days += 1
    yield Stage("entries over all days of the window", followed(ours, rate, days=days))
    exact = {"rate": rate, "in_band": TWO_YEARS, "days": days}
    ours = ours.assign(to=ours["to"].where(~ours["adult"], -1))
    yield Stage("16 and 17 last 2 years, not 14; turning 18 is no exit", followed(ours, **exact))
    rates, entries = over_person_time(ours, first, last), entries_of(ours, first, last) / days
    stock = in_continuous_time(stock_on(ours, last), rates, 1 / TWO_YEARS, entries, days=DAYS)
    yield Stage("continuous time, not days", _care(stock))


def _by_child(episodes, first, last):
    """Change how children are followed: each by itself, as the package does."""
    together = replace(episodes, table=episodes.table.assign(uasc=False))
    window = {"start": first, "end": last, "unknown_to": PLACES[-1]}
    counted = count_occurrences(together, grouping=TIMELESS, **window)
    model = known(counted, cut_at_birthdays(spells_of(episodes.table)), first, last)
    yield Stage("every child has its own birthday", expected_stock(model))
    model = model.model_copy(update={"rates": fit_rates(counted)})
    yield Stage("rates of sparse cells lean on their margins", expected_stock(model))
    model = model.model_copy(update={"arrivals": fit_arrivals(counted)})
    yield Stage("entries too: none is 0 for want of data", expected_stock(model))
    counted = count_occurrences(together, grouping=GROUPING, **window)
    yield Stage("rates depend on time in care", expected_stock(fit_occurrences(counted)))
    counted = count_occurrences(episodes, grouping=GROUPING, **window)
    yield Stage("unaccompanied children apart", expected_stock(fit_occurrences(counted)))


def _care(stock):
    """Give those in care, shape (age, placement)."""
    return stock[:, :LEFT]


def spells_of(table):
    """Give our episodes as the peer's spells: with the age band of their first day."""
    final = table["last"] | table["end"].isna()
    place = table["place"].map(place_of)
    ages = np.stack([birthday(table["born"], low) <= table["start"] for low in TIMELESS.ages[1:-1]])
    adult = table["last"] & (table["end"] == birthday(table["born"], ADULT))
    return pd.DataFrame(
        {
            "start": table["start"],
            "end": table["end"].fillna(FOR_EVER),
            "age": ages.sum(axis=0),
            "place": place,
            "to": place.shift(-1).where(~final, LEFT).astype(int),
            "enters": table["start"] == table["care_start"],
            "adult": adult,
            "born": table["born"],
        }
    )


def cut_at_birthdays(spells):
    """Cut spells where a child grows into the next age band: -1 says that no event ends them."""
    found = []
    for age, (low, high) in enumerate(zip(TIMELESS.ages[:-1], TIMELESS.ages[1:], strict=True)):
        begins, ends = (birthday(spells["born"], years) for years in (low, high))
        if high == ADULT:
            ends[:] = FOR_EVER  # our episodes end on it
        part = spells.assign(
            age=age,
            start=spells["start"].clip(lower=begins),
            end=spells["end"].clip(upper=ends),
            to=spells["to"].where(spells["end"] <= ends, -1),
            enters=spells["enters"] & (spells["start"] >= begins),
        )
        found.append(part[part["start"] < part["end"]])
    return pd.concat(found, ignore_index=True)


def in_continuous_time(stock, rates, ageing, entries, *, days):
    """Take expected numbers some days on by the matrix exponential."""
    size = len(AGES) * len(STATES)
    generator = np.zeros((size + 1, size + 1))
    for age, state in np.ndindex(stock.shape):
        here = age * len(STATES) + state
        for later in set(range(len(STATES))) - {state}:
            generator[here, age * len(STATES) + later] += rates[age, state, later]
        if age + 1 < len(AGES):
            generator[here, here + len(STATES)] += ageing[age]
        generator[here, here] = -generator[here].sum() - (age + 1 == len(AGES)) * ageing[age]
    generator[-1, :-1] = entries.ravel()  # from a source that lasts
    found = np.append(stock.ravel(), 1.0) @ expm(generator * days)
    return found[:-1].reshape(stock.shape)


def known(counted, spells, first, last):
    """Make a flow of rates and entries as they were, with nothing learnt."""
    days = (last - first).days + 1
    rates = over_person_time(
        spells.assign(to=spells["to"].where(~spells["adult"], -1)), first, last
    )
    rates = rates[:, :LEFT] * YEAR_DAYS
    moves = rates[..., :LEFT] * (1 - np.eye(LEFT))  # within a placement nothing changes
    came = entries_of(spells, first, last)[:, :LEFT]
    level = came.sum(axis=1)
    nobody = (level == 0)[:, None]
    shares = np.where(nobody, 1 / LEFT, came / np.where(nobody, 1, level[:, None]))
    edges = np.array(TIMELESS.ages, float)
    return FlowModel(
        grouping=TIMELESS,
        start=first.date(),
        as_of=last.date(),
        census=Census(**{name: tuple(held.tolist()) for name, held in counted.people.items()}),
        rates=KnownRates(
            exits=Table.of(rates[None, :, :, LEFT:]), moves=Table.of(moves[None, :, :, None])
        ),
        arrivals=KnownArrivals(
            level=Table.of(level[None] * YEAR_DAYS / days),
            placements=Table.of(shares[None]),
            ages=Table.of(np.stack([edges[:-1], edges[1:]], axis=1)[None]),
        ),
        average=Table.of(counted.average),
    )


def expected_stock(model):
    """Give our expected children a year after a model's window, shape (age, placement)."""
    year = model.as_of.year
    found = expected_people(model, first_year=f"{year}/{(year + 1) % 100:02d}", horizon=1)
    return found["people_year_end"].sum("group").isel(year=0).to_numpy()
