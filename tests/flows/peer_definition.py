"""What the peer, cs-demand-model 0.5.1, computes: by definition, slowly, for tests and a benchmark.

States are age band x (fostering, residential, supported, other, and those who left care). Nothing
of the peer's code is here, and nothing of the package's.
"""

from itertools import pairwise

import numpy as np
import pandas as pd

PLACES = ("fostering", "residential", "supported", "other")
CODES = {
    "fostering": ("U1", "U2", "U3", "U4", "U5", "U6"),
    "residential": ("K2", "R1"),
    "supported": ("H5", "P2"),
}
AGES = ("BIRTH_TO_ONE", "ONE_TO_FIVE", "FIVE_TO_TEN", "TEN_TO_SIXTEEN", "SIXTEEN_TO_EIGHTEEN")
STATES = ("FOSTERING", "RESIDENTIAL", "SUPPORTED", "OTHER", "NOT_IN_CARE")
LEFT = len(PLACES)  # the number of the state of those who left care
FROM = (1, 5, 10, 16)  # years of age at which the next band begins
YEAR = 365.24  # days, of an age in years
# Days after which a child leaves its band, on average. The last band has no end in the peer's
# settings, and 30 years stand in for it.
IN_BAND = np.array([365, 4 * 365, 5 * 365, 6 * 365, 14 * 365])
FOR_EVER = pd.Timestamp("2200-01-01")


def published(path, days):
    """Read expected numbers from the peer's output: a day a row, shape (day, age, state)."""
    table = pd.read_csv(path, index_col=0, nrows=days)
    return np.stack(
        [[table[str((age, state))].to_numpy() for state in STATES] for age in AGES]
    ).transpose(2, 0, 1)


def published_rates(path):
    """Read rates a day from the peer's output, shape (age, state, next state)."""
    found = np.zeros((len(AGES), len(STATES), len(STATES)))
    for row in pd.read_csv(path).itertuples():
        (age, state), (_, later) = (
            each.strip("()").replace("'", "").split(", ") for each in (row.start_bin, row.end_bin)
        )
        found[AGES.index(age), STATES.index(state), STATES.index(later)] = row.transition_rate
    return found


def rows_of(folder):
    """Read all rows of a folder of returns: child, start, end (or none), place, status, born."""
    found = []
    for path in sorted(folder.glob("*-episodes.csv")):
        rows = pd.read_csv(path, dtype=str)
        born = pd.read_csv(path.with_name(path.name.replace("episodes", "header")), dtype=str)
        born = born.drop_duplicates("CHILD").set_index("CHILD")["DOB"]
        held = {
            "child": rows["CHILD"],
            "start": pd.to_datetime(rows["DECOM"], format="%d/%m/%Y"),
            "end": pd.to_datetime(rows["DEC"], format="%d/%m/%Y"),
            "place": rows["PLACE"].map(place_of),
            "status": rows["LS"],
            "born": pd.to_datetime(rows["CHILD"].map(born), format="%d/%m/%Y"),
        }
        found.append(pd.DataFrame(held))
    return pd.concat(found, ignore_index=True)


def place_of(code):
    """Give the number of the placement a code belongs to; unknown ones are other."""
    return next((n for n, name in enumerate(PLACES[:3]) if code in CODES[name]), LEFT - 1)


def peer_spells(rows):
    """Clean rows as the peer does, and give each the age band of its first day and what follows.

    Of a child's rows that begin on one day the one that ends last counts, and one that is open only
    if none ends. Of those that end on one day, or never, the one that begins first counts. One that
    is open or overlaps the next ends where that begins. Nothing else ends what is open: neither
    later returns, in which the child is missing, nor its eighteenth birthday.
    """
    found = []
    for _, mine in rows.groupby("child"):
        by_start, by_end = {}, {}
        for row in mine.itertuples():
            held = by_start.setdefault(row.start, row)
            if pd.isna(held.end) or held.end <= row.end:
                by_start[row.start] = row
        for _, row in sorted(by_start.items()):
            by_end.setdefault(FOR_EVER if pd.isna(row.end) else row.end, row)
        until = None  # when the one before ends
        for (end, row), (_, after) in pairwise([*by_end.items(), (FOR_EVER, None)]):
            stops = end if after is None else min(end, after.start)
            goes_on = after is not None and stops == after.start
            years = (row.start - row.born).days / YEAR
            found.append(
                {
                    "start": row.start,
                    "end": stops,
                    "age": sum(years >= low for low in FROM),
                    "place": row.place,
                    "to": after.place if goes_on else LEFT,
                    "enters": row.start != until,
                }
            )
            until = stops
    return pd.DataFrame(found)


def stock_on(spells, day):
    """Count who is there on a day, shape (age, state)."""
    there = spells[(spells["start"] <= day) & (spells["end"] > day)]
    found = np.zeros((len(AGES), len(STATES)))
    np.add.at(found, (there["age"], there["place"]), 1.0)
    return found


def events_on(spells, day):
    """Count what spells that end on a day lead to, shape (age, state, next state)."""
    ended = spells[(spells["end"] == day) & (spells["to"] >= 0)]
    found = np.zeros((len(AGES), len(STATES), len(STATES)))
    np.add.at(found, (ended["age"], ended["place"], ended["to"]), 1.0)
    return found


def mean_of_ratios(spells, first, last):
    """Average each day's events over those there the day before; 0 on days when nobody is."""
    days = pd.date_range(first, last)
    found = np.zeros((len(AGES), len(STATES), len(STATES)))
    before = stock_on(spells, days[0])  # the day before the window is not looked up
    for day in days:
        there = before[..., None]
        ratio = np.divide(events_on(spells, day), there, out=np.zeros_like(found), where=there > 0)
        found += ratio
        before = stock_on(spells, day)
    return found / len(days)


def over_person_time(spells, first, last):
    """Give all events over all days that children were exposed to them."""
    days = pd.date_range(first, last)
    exposure = sum(stock_on(spells, day) for day in days)[..., None]
    events = sum(events_on(spells, day) for day in days)
    return np.divide(events, exposure, out=np.zeros_like(events), where=exposure > 0)


def entries_of(spells, first, last):
    """Count those who enter in a window, shape (age, state)."""
    came = spells[spells["enters"] & spells["start"].between(first, last)]
    found = np.zeros((len(AGES), len(STATES)))
    np.add.at(found, (came["age"], came["place"]), 1.0)
    return found


def day_after(stock, rates, ageing, entries):
    """Take expected numbers a day on: everybody leaves at the rates of the morning."""
    out = stock * (rates.sum(axis=2) + ageing[:, None])
    found = stock - np.minimum(out, stock) + np.einsum("as,ast->at", stock, rates) + entries
    found[1:] += stock[:-1] * ageing[:-1, None]
    return found


def path_of(stock, rates, ageing, entries, *, days):
    """Take expected numbers some days on, shape (day, age, state)."""
    found = []
    for _ in range(days):
        stock = day_after(stock, rates, ageing, entries)
        found.append(stock)
    return np.array(found)


def peer_path(rows, first, last, *, days):
    """Do all that the peer does: clean, count, and follow the expected numbers."""
    spells = peer_spells(rows)
    # one day less than the window has
    entries = entries_of(spells, first, last) / (last - first).days
    rates = mean_of_ratios(spells, first, last)
    return path_of(stock_on(spells, last), rates, 1 / IN_BAND, entries, days=days)
