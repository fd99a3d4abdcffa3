"""What becomes of the rows of a return: each rule by hand, and what holds of all."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from return_rows import rows, year

from mtfs.flows.episodes import make_episodes
from mtfs.vocabulary import MtfsError


def spells(episodes):
    """Show when episodes begin and end."""
    ends = episodes.table["end"].dt.strftime("%Y-%m-%d").fillna("open")
    return list(zip(episodes.table["start"].dt.strftime("%Y-%m-%d"), ends, strict=True))


def reasons(episodes):
    return dict(zip(episodes.report["reason"], episodes.report["rows"], strict=True))


def test_an_episode_open_in_one_return_is_closed_in_a_later_one():
    found = make_episodes(rows({**year(2019)}, {"end": "2019-05-01", **year(2020)}))
    assert spells(found) == [("2018-06-01", "2019-05-01")]
    assert reasons(found) == {"given again in a later return": 1}
    assert found.report["examples"][0] == "2019-episodes.csv, line 2"


def test_a_later_return_that_opens_an_episode_again_is_believed():
    found = make_episodes(rows({"end": "2019-02-01", **year(2019)}, {**year(2020)}))
    assert spells(found) == [("2018-06-01", "open")]


def test_a_later_row_that_ends_before_it_begins_does_not_undo_an_earlier_one():
    found = make_episodes(
        rows({"end": "2019-02-01", **year(2019)}, {"end": "2018-02-01", **year(2020)})
    )
    assert spells(found) == [("2018-06-01", "2019-02-01")]
    assert reasons(found)["ends before it begins"] == 1


def test_a_row_that_is_closed_counts_before_one_of_its_return_that_is_open():
    found = make_episodes(rows({"end": "2019-02-01"}, {}))
    assert spells(found) == [("2018-06-01", "2019-02-01")]


def test_exact_duplicates_count_once():
    found = make_episodes(rows({}, {}))
    assert len(found.table) == 1
    assert reasons(found) == {"the same as another row of its return": 1}


def test_a_later_start_cuts_what_overlaps_it_and_closes_what_is_open():
    found = make_episodes(
        rows(
            {"end": "2018-12-01"},
            {"start": "2018-09-01", "reason": "P", "place": "K2"},
            {"start": "2018-11-01", "reason": "P"},
        )
    )
    assert spells(found) == [
        ("2018-06-01", "2018-09-01"),
        ("2018-09-01", "2018-11-01"),
        ("2018-11-01", "open"),
    ]
    assert (found.table["care_start"] == "2018-06-01").all()
    assert reasons(found) == {
        "open, and ended where the child's next begins": 1,
        "ends after the child's next begins, and was cut there": 1,
    }


def test_a_day_between_episodes_is_closed_unless_a_period_begins():
    joined = make_episodes(rows({"end": "2018-09-01"}, {"start": "2018-09-02", "reason": "P"}))
    assert spells(joined)[0] == ("2018-06-01", "2018-09-02")
    assert (joined.table["care_start"] == "2018-06-01").all()
    apart = make_episodes(rows({"end": "2018-09-01"}, {"start": "2018-09-02", "reason": "S"}))
    assert spells(apart)[0] == ("2018-06-01", "2018-09-01")
    assert list(apart.table["last"]) == [True, False]


def test_a_period_that_begins_on_the_day_another_ends_is_a_new_one():
    found = make_episodes(rows({"end": "2018-09-01"}, {"start": "2018-09-01", "reason": "S"}))
    assert list(found.table["last"]) == [True, False]
    assert found.table["care_start"].nunique() == 2


def test_a_child_the_next_return_does_not_know_is_in_care_to_the_end_of_its_year():
    other = {"child": "2", "start": "2019-06-01", **year(2020)}
    found = make_episodes(rows({**year(2019)}, other))
    assert spells(found)[0] == ("2018-06-01", "2019-04-01")
    assert "open, of a child the next return does not know: ended with its year" in reasons(found)
    again = {"start": "2020-06-01", **year(2021)}
    found = make_episodes(rows({**year(2019)}, again, other))
    assert spells(found)[:2] == [("2018-06-01", "2019-04-01"), ("2020-06-01", "open")]


def test_a_child_whose_next_episode_is_in_the_next_return_stays_until_then():
    then = {"start": "2019-06-01", "reason": "P", **year(2020)}
    found = make_episodes(rows({**year(2019)}, then))
    assert spells(found) == [("2018-06-01", "2019-06-01"), ("2019-06-01", "open")]


def test_an_open_episode_outlives_other_placements_of_the_day():
    brief = {"place": "K2", "end": "2018-06-03"}
    found = make_episodes(rows({}, {"place": "U5", "end": "2018-06-01"}, brief))
    assert spells(found) == [("2018-06-01", "open")]
    assert found.table["place"].tolist() == ["U4"]


def test_a_missing_provider_is_the_same_as_another_missing_one():
    found = make_episodes(rows({"provider": None}, {"provider": None, "end": "2018-07-01"}))
    assert spells(found) == [("2018-06-01", "2018-07-01")]
    assert reasons(found) == {"open, and closed in another row of its return": 1}


def test_open_episodes_of_a_council_stay_open_though_another_has_later_returns():
    found = make_episodes(rows({**year(2019)}, {"council": "Otherton", **year(2020)}))
    assert spells(found)[0] == ("2018-06-01", "open")
    assert list(found.spans["latest"].dt.year) == [2019, 2020]


def test_an_episode_of_no_day_is_left_out_and_its_period_still_begins():
    found = make_episodes(
        rows({"end": "2018-06-01"}, {"reason": "P", "place": "K2", "end": "2018-07-01"})
    )
    assert spells(found) == [("2018-06-01", "2018-07-01")]
    assert list(found.table["began"]) == [True]


def test_a_period_that_began_before_the_returns_is_kept_and_counted():
    found = make_episodes(rows({"reason": "L"}))
    assert list(found.table["began"]) == [False]
    assert list(reasons(found).values()) == [1]


def test_short_breaks_are_left_out():
    found = make_episodes(
        rows({}, {"child": "2", "status": "V3"}, {"child": "3", "status": "V4", "place": ""})
    )
    assert reasons(found) == {"a short break (V3 or V4)": 2}


def test_children_without_birth_unborn_or_adult_are_left_out():
    found = make_episodes(
        rows(
            {},
            {"child": "2", "born": None},
            {"child": "3", "born": "2018-06-02"},
            {"child": "4", "born": "2000-06-01"},
        )
    )
    assert len(found.table) == 1
    assert reasons(found) == {
        "no date of birth": 1,
        "the child is born after it begins": 1,
        "the child is 18 by then": 1,
    }


def test_the_eighteenth_birthday_ends_care_and_so_does_the_week_before_it():
    found = make_episodes(
        rows(
            {"child": "1", "born": "2000-09-01", "end": "2018-10-01"},
            {"child": "2", "born": "2000-09-01"},
            {"child": "3", "born": "2000-09-01", "end": "2018-08-25"},
            {"child": "4", "born": "2000-09-01", "end": "2018-08-24"},
            {"child": "5", "born": "2001-04-01"},
        )
    )
    assert [end for _, end in spells(found)] == [*["2018-09-01"] * 3, "2018-08-24", "open"]


def test_unaccompanied_children_are_so_while_a_period_begins_before_it_ceased():
    found = make_episodes(
        rows(
            {"uasc": True, "uasc_until": "2018-09-01", "end": "2018-08-01"},
            {"uasc": True, "uasc_until": "2018-09-01", "start": "2018-10-01"},
            {"child": "2", "uasc": True},
        )
    )
    assert list(found.table["uasc"]) == [True, False, True]


def test_nothing_left_is_an_error_that_says_why():
    with pytest.raises(MtfsError, match=r"no episode of care is left.*1 \(a short break"):
        make_episodes(rows({"status": "V3"}))


_day = st.integers(0, 800).map(lambda days: pd.Timestamp("2018-04-01") + pd.Timedelta(days=days))
_fields = st.fixed_dictionaries(
    {
        "child": st.sampled_from(["1", "2"]),
        "start": _day,
        "end": st.none() | _day,
        "place": st.sampled_from(["U4", "K2"]),
        "reason": st.sampled_from("SPL"),
        "status": st.sampled_from(["C2", "V2", "V3"]),
    }
)


@st.composite
def _row(draw):
    """Draw a row of a return whose year it begins in or before."""
    found = draw(_fields)
    begun = found["start"].year + (found["start"].month > 3)
    return found | year(draw(st.integers(begun, 2021)))


@given(
    st.lists(_row(), min_size=1, max_size=12),
    st.sampled_from(["2000-06-01", "2001-09-01", "2010-01-01", "2018-08-01", None]),
)
def test_every_row_is_kept_or_reported_and_no_two_overlap(given_rows, born):
    table = rows({"child": "0"}, *[row | {"born": born} for row in given_rows])
    found = make_episodes(table)
    out = found.report.loc[found.report["left_out"], "rows"].sum()
    assert len(found.table) + out == len(table)
    spent = found.table
    assert (spent["end"].isna() | (spent["end"] > spent["start"])).all()
    for _, child in spent.groupby("child"):
        assert not child["end"].iloc[:-1].isna().any()
        assert (child["end"].shift().dropna() <= child["start"].iloc[1:]).all()
        begins = child["start"] == child["care_start"]
        assert (begins | (child["end"].shift() == child["start"])).all()
        assert list(child["last"]) == [*begins.iloc[1:], child["end"].notna().iloc[-1]]


@given(st.lists(_row(), min_size=1, max_size=12), st.randoms())
def test_the_order_of_rows_of_different_returns_does_not_matter(given_rows, chance):
    table = rows({"child": "0"}, *given_rows)
    shuffled = table.iloc[chance.sample(range(len(table)), len(table))]
    one, other = make_episodes(table).table, make_episodes(shuffled).table
    pd.testing.assert_frame_equal(one, other)
