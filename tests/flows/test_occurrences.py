"""Counts against a loop over days and children, and what must add up whatever the histories."""

from collections import Counter
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from return_rows import rows

from mtfs.flows.episodes import make_episodes
from mtfs.flows.groupings import STANDARD
from mtfs.flows.occurrences import count_occurrences
from mtfs.flows.states import YEAR_DAYS, Grouping, Placement
from mtfs.vocabulary import MtfsError

SPAN = {"year_start": "2018-04-01", "year_end": "2020-03-31"}
NAMES = STANDARD.placement_names
SUPPORTED, OTHER = NAMES.index("supported"), NAMES.index("other")


def count(*given, start="2018-04-01", end="2020-03-31", **options):
    return count_occurrences(
        make_episodes(rows(*[SPAN | each for each in given])), start=start, end=end, **options
    )


# --- a slow loop, which shares nothing with the package but the grouping's numbers ----------------


def age_on(born, day):
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def band(edges, value):
    return max(number for number, edge in enumerate(edges) if edge <= value)


def place_of(code, provider, age):
    if code in ("H5", "K3", "P2", "P3"):
        return SUPPORTED if age >= 16 else OTHER
    for number, placement in enumerate(STANDARD.placements):
        if code in placement.codes and (not placement.providers or provider in placement.providers):
            return number
    raise AssertionError(code)


def where(spells, born, day):
    """Say in which cell a child is at the end of a day, and in which period of care."""
    for begins, ends, care, code, provider, group in spells:
        if begins <= day < ends:
            age = age_on(born, day)
            time = band(STANDARD.durations, (day - care).days / YEAR_DAYS)
            place = place_of(code, provider, age)
            return (group, band(STANDARD.ages, age), place, time), care
    return None, None


def by_day(table, start, end):
    """Where each child is at the end of each day, and what happened on each day."""
    found = {name: Counter() for name in ("days", "exits", "adults", "moves", "entries", "last")}
    dates = [start + timedelta(days=number) for number in range(-1, (end - start).days + 1)]
    for _, child in table.groupby("child"):
        columns = (child[name].dt.date for name in ("start", "end", "care_start"))
        spells = [
            (begins, date.max if pd.isna(ends) else ends, care, code, provider, int(uasc))
            for begins, ends, care, code, provider, uasc in zip(
                *columns, child["place"], child["provider"], child["uasc"], strict=True
            )
        ]
        born = child["born"].iloc[0].date()
        cells = [where(spells, born, day) for day in dates]
        for day, (before, period), (now, new) in zip(dates[1:], cells, cells[1:], strict=False):
            if before and period != new:
                found["adults" if age_on(born, day) >= 18 else "exits"][before] += 1
            elif before and before[2] != now[2]:
                age = now[1] if now[2] == SUPPORTED else before[1]
                found["moves"][before[0], age, before[2], before[3], now[2]] += 1
            if now and period != new:
                found["entries"][now[:3]] += 1
            if now:
                found["days"][now] += 1
                found["last"][now[:3]] += day > end - timedelta(days=365)
    return found


def as_array(counter, shape):
    found = np.zeros(shape)
    for cell, number in counter.items():
        found[cell] = number
    return found


def stock(table, day):
    there = (table["start"] <= day) & (table["end"].isna() | (table["end"] > day))
    return int(there.sum())


_start = pd.Timestamp("2018-01-01")
_spell = st.tuples(
    st.integers(1, 250),  # days
    st.sampled_from([0, 0, 0, 1, 40]),  # days out of care before it
    st.sampled_from(["U4", "U1", "K2", "H5", "P1"]),
    st.sampled_from(["PR1", "PR4"]),
    st.sampled_from("SPL"),
)
_child = st.tuples(
    st.integers(-500, 500),  # days after the start of 2018
    st.lists(_spell, min_size=1, max_size=4),
    st.booleans(),  # whether the last is open
    st.sampled_from(
        [*("2000-06-01", "2001-10-10", "2002-02-28", "2004-02-29"), *("2012-12-31", "2016-06-30")]
    ),
    st.booleans(),  # unaccompanied
)


def history(number, child):
    after, spells, is_open, born, uasc = child
    day, found = _start + pd.Timedelta(days=after), []
    for days, gap, place, provider, reason in spells:
        begins = day + pd.Timedelta(days=gap)
        day = begins + pd.Timedelta(days=days)
        if begins > pd.Timestamp("2020-03-31"):
            break
        found.append(
            {
                "child": str(number),
                "start": begins,
                "end": day if day <= pd.Timestamp("2020-04-01") else None,
                "place": place,
                "provider": provider,
                "reason": reason,
                "born": born,
                "uasc": uasc,
            }
        )
    if found and is_open:
        found[-1]["end"] = None
    return found


@given(
    st.lists(_child, min_size=1, max_size=5),
    st.integers(0, 300),
    st.integers(0, 430),
)
def test_counts_agree_with_a_loop_over_days_and_add_up(children, after, days):
    given_rows = [row for number, child in enumerate(children) for row in history(number, child)]
    settled = {"child": "x", "start": "2017-01-01", "born": "2014-05-05", "end": None}
    episodes = make_episodes(rows(*[SPAN | row for row in [*given_rows, settled]]))
    start = pd.Timestamp("2018-04-01") + pd.Timedelta(days=after)
    end = start + pd.Timedelta(days=days)
    found = count_occurrences(episodes, start=start, end=end)
    table = episodes.table
    wanted = by_day(table, start.date(), end.date())
    shape = found.exposure.shape
    np.testing.assert_allclose(
        found.exposure * YEAR_DAYS, as_array(wanted["days"], shape), atol=1e-9
    )
    np.testing.assert_array_equal(found.exits, as_array(wanted["exits"], shape))
    np.testing.assert_array_equal(
        found.moves, as_array(wanted["moves"], (*shape, len(STANDARD.placements)))
    )
    assert found.turned_adult == wanted["adults"].total()
    entries = Counter(zip(*(found.entries[n] for n in ("group", "age", "placement")), strict=True))
    assert entries == wanted["entries"]
    length = min(365, days + 1)
    np.testing.assert_allclose(found.average * length, as_array(wanted["last"], shape[:3]))
    before, at_end = stock(table, start - pd.Timedelta(days=1)), stock(table, end)
    left = int(found.exits.sum()) + found.turned_adult
    assert before + len(found.entries) - left == at_end == len(found.people)
    assert not (found.moves.sum(axis=(0, 2, 3)) * (1 - STANDARD.allowed)).any()
    assert not (found.exposure.sum(axis=(0, 3)) * (1 - STANDARD.allowed)).any()
    ages = np.array(STANDARD.ages)
    assert (found.entries["years"] >= ages[found.entries["age"]]).all()
    assert (found.entries["years"] < ages[found.entries["age"] + 1]).all()


# --- by hand --------------------------------------------------------------------------------------


def test_a_year_of_one_child_is_cut_at_its_birthday_and_half_a_year_of_care():
    found = count(
        {"start": "2018-04-01", "born": "2008-07-01"}, start="2018-04-01", end="2019-03-31"
    )
    days = found.exposure[0, :, 0] * YEAR_DAYS
    # 10 on 1 July 2018, day 91; half a year of care on day 183, 1 October
    assert days[2, 0] == pytest.approx(91)
    assert days[3, 0] == pytest.approx(183 - 91)
    assert days[3, 1] == pytest.approx(365 - 183)
    assert days.sum() == pytest.approx(365)
    assert found.people.to_dict("records") == [
        {"group": 0, "placement": 0, "age_days": 3925, "care_days": 364}
    ]


def test_changes_within_one_placement_are_no_moves():
    found = count(
        {"end": "2018-09-01", "place": "U4"},
        {"start": "2018-09-01", "end": "2018-10-01", "reason": "P", "place": "U6"},
        {"start": "2018-10-01", "reason": "P", "place": "U6", "provider": "PR4"},
    )
    assert found.moves.sum() == 1
    assert found.moves[0, 2, 0, 0, 1] == 1  # in-house to independent, aged 8, 122 days in care


def test_a_move_to_supported_accommodation_on_the_sixteenth_birthday_is_one_of_16():
    found = count(
        {"end": "2019-06-01", "born": "2003-06-01"},
        {"start": "2019-06-01", "reason": "P", "place": "K3", "born": "2003-06-01"},
    )
    assert found.moves[0, STANDARD.ages.index(16), 0, 1, SUPPORTED] == 1
    assert found.moves.sum() == 1


def test_under_16s_in_supported_accommodation_count_as_other_until_their_birthday():
    found = count({"start": "2019-01-01", "born": "2003-06-01", "place": "H5"})
    assert found.young == 1
    assert found.moves[0, STANDARD.ages.index(16), OTHER, 0, SUPPORTED] == 1
    assert (found.entries["placement"] == OTHER).all()
    assert list(found.people["placement"]) == [SUPPORTED]


def test_those_who_turned_18_in_care_are_leavers_until_25():
    found = count(
        {"child": "1", "born": "2000-09-01"},
        {"child": "2", "born": "2000-09-01", "end": "2018-07-01"},
        {"child": "3"},
    )
    assert found.turned_adult == 1
    assert found.exits.sum() == 1
    assert found.leavers == ((date(2020, 3, 31) - date(2000, 9, 1)).days,)


def test_unaccompanied_children_are_counted_apart():
    found = count({}, {"child": "2", "uasc": True, "born": "2004-01-01"})
    assert found.groups == ("other", "UASC")
    days = (date(2020, 3, 31) - date(2018, 5, 31)).days
    assert found.exposure.sum(axis=(1, 2, 3)) * YEAR_DAYS == pytest.approx([days, days])
    assert count({}).groups == ("other",)


def test_an_unknown_code_is_an_error_that_counts_it_unless_it_is_sent_somewhere():
    given_rows = [{}, {"child": "2", "place": "X9"}, {"child": "3", "place": ""}]
    with pytest.raises(MtfsError, match=r"2018-episodes.csv, line 3.*X9 with provider PR1 \(1\)"):
        count(*given_rows)
    found = count(*given_rows, unknown_to="other")
    assert Counter(found.people["placement"]) == {0: 1, OTHER: 2}
    with pytest.raises(MtfsError, match="Did you mean 'other'"):
        count(*given_rows, unknown_to="othr")
    with pytest.raises(MtfsError, match="'unknown_to' is 'othr'"):
        count({}, unknown_to="othr")  # also where no code is unknown


def test_a_grouping_without_other_has_no_place_for_the_young():
    only = Grouping(
        placements=(
            Placement(name="foster", codes=("U4",)),
            Placement(name="supported", codes=("H5",), from_age=16),
        )
    )
    with pytest.raises(MtfsError, match="under 16 is in 'supported'"):
        count({"place": "H5"}, grouping=only)


@pytest.mark.parametrize(
    ("start", "end", "match"),
    [
        ("2019-03-31", "2018-04-01", "before it starts"),
        ("2018-03-31", "2019-03-31", "not within the returns"),
        ("2018-04-01", "2020-04-01", "2018-04-01 to 2020-03-31"),
        ("soon", "2020-04-01", "'start' is 'soon'"),
        ("1/4/2018", "2019-03-31", "'start' is '1/4/2018'; expected a day such as '2021-03-31'"),
        ("2018-04-01", "2019-02-30", "'end' is '2019-02-30'"),
    ],
)
def test_a_window_that_cannot_be_is_an_error(start, end, match):
    with pytest.raises(MtfsError, match=match):
        count({}, start=start, end=end)


def test_one_council_is_named_where_there_are_several():
    given_rows = [{}, {"council": "Otherton", "child": "1"}]
    with pytest.raises(MtfsError, match="Anyshire, Otherton"):
        count(*given_rows)
    assert len(count(*given_rows, council="Otherton").people) == 1
    with pytest.raises(MtfsError, match="Did you mean 'Otherton'"):
        count(*given_rows, council="Ottherton")


def test_what_is_no_returns_is_told_so():
    with pytest.raises(MtfsError, match=r"expected what mtfs\.io\.load_episodes gives"):
        count_occurrences("returns/", start="2018-04-01", end="2019-03-31")
