"""Histories are checked at the door, with council and year."""

import numpy as np
import pytest
import xarray as xr

from mtfs.history import History
from mtfs.vocabulary import MtfsError, year_labels

NAN = np.nan


def history(rows, councils=("Aston", "Barford"), first="2020/21"):
    years = list(year_labels(first, len(rows[0])))
    return xr.DataArray(
        rows, {"council": list(councils), "year": years}, ("council", "year")
    ).astype(float)


GOOD = [[100, 110, 121, 133], [50, 50, 50, 50]]


def test_growth_is_the_step_of_the_logarithm():
    found = History.of(history(GOOD))
    assert found.growth == pytest.approx(np.diff(np.log(np.array(GOOD, float)), axis=1))


def test_dimensions_may_come_in_any_order():
    found = History.of(history(GOOD).transpose("year", "council"))
    assert found.levels.tolist() == np.array(GOOD, float).tolist()


def test_a_council_may_open_late_and_have_declared_gaps_and_breaks():
    rows = [[NAN, 110, NAN, 133], [50, 50, 90, 95]]
    found = History.of(history(rows), gaps={"Aston": ["2022/23"]}, breaks={"Barford": ["2022/23"]})
    assert np.isnan(found.growth).tolist() == [[True, True, True], [False, True, False]]
    assert found.gaps == {"Aston": ["2022/23"]}
    assert found.marked(found.breaks) == {"Barford": ["2022/23"]}


def test_until_a_year_only_councils_with_a_growth_are_there():
    rows = [[NAN, NAN, 110, 133], [50, 50, 90, 95]]
    found = History.of(history(rows), breaks={"Barford": ["2022/23"]})
    early = found.until("2022/23")
    assert early.councils == ("Barford",)
    assert early.years == ("2020/21", "2021/22", "2022/23")
    assert early.breaks.tolist() == [[False, False, True]]
    assert found.until("2023/24").councils == ("Aston", "Barford")


def test_until_a_year_councils_are_left_out_whose_level_it_lacks():
    rows = [[100, 110, NAN, 133], [50, 50, 90, 95]]
    found = History.of(history(rows), gaps={"Aston": ["2022/23"]})
    assert found.until("2022/23").councils == ("Barford",)
    assert found.until("2023/24").gaps == {"Aston": ["2022/23"]}


def test_nothing_is_written_into_what_was_given():
    given = history(GOOD)
    before = given.copy(deep=True)
    History.of(given, breaks={"Aston": ["2022/23"]})
    xr.testing.assert_identical(given, before)


def test_a_long_list_of_holes_is_cut():
    rows = [[1, NAN, NAN, NAN, NAN, 2], [1, NAN, NAN, NAN, NAN, 2]]
    with pytest.raises(MtfsError, match="and 2 more"):
        History.of(history(rows))


def test_the_labelled_array_is_the_same_history():
    found = History.of(history(GOOD))
    xr.testing.assert_identical(found.as_array(), history(GOOD))


@pytest.mark.parametrize(
    ("given", "options", "match"),
    [
        ([1.0, 2.0], {}, "found a list; expected an xarray.DataArray"),
        (history(GOOD).isel(council=0), {}, r"dimensions \('year',\).*expand_dims"),
        (history(GOOD).rename(year="time"), {}, r"dimensions \('council', 'time'\); expected"),
        (history(GOOD).drop_vars("year"), {}, "no labels of its dimension 'year'"),
        (history(GOOD).astype(str), {}, "expected numbers"),
        (history(GOOD, ["Aston", "Aston"]), {}, "Aston: given twice among the history's council"),
        (history([[100], [50]]), {}, "1 years; expected a council and at least 2 years"),
        (history(GOOD).isel(council=[]), {}, "holds 0 councils"),
        (
            history(GOOD).assign_coords(year=["2020", "2021", "2022", "2023"]),
            {},
            "found year '2020'; expected a financial year such as",
        ),
        (
            history(GOOD).assign_coords(year=[2020, 2021, 2022, 2023]),
            {},
            "ending on 31 March 2020 is '2019/20'",
        ),
        (history(GOOD), {"breaks": ["2021/22"]}, "breaks is a list; expected years by council"),
        (history(GOOD).isel(year=[0, 1, 3]), {}, "2023/24 stands after 2021/22; expected 2022/23"),
        (history([[100, 0, 1], [1, 1, -2]]), {}, "Aston, 2021/22; Barford, 2022/23: the l"),
        (history([[100, np.inf], [1, 1]]), {}, "Aston, 2021/22: the level is inf"),
        (history([[100, NAN, 1], [1, 1, 2]]), {}, r"Aston, 2021/22: .*gaps={'Aston': \['2021/"),
        (history([[1, 1, NAN], [1, 1, 2]]), {}, "Aston, 2022/23: the level is missing"),
        (history([[NAN, NAN, 1], [1, 1, 2]]), {}, "Aston: fewer than 2 levels are known"),
        (history([[NAN, NAN], [1, 1]]), {}, "Aston: no level is known"),
        (history(GOOD), {"gaps": {"Aston": ["2021/22"]}}, "declared missing, and a level is there"),
        (history(GOOD), {"gaps": {"Astom": ["2021/22"]}}, "'Astom' is not in the history. Did you"),
        (history(GOOD), {"gaps": {"Aston": "2021/22"}}, r"expected a list of years, \['2021/22'\]"),
        (history(GOOD), {"breaks": {"Aston": None}}, r"found None; expected a list of years"),
        (history(GOOD), {"breaks": {"Aston": ["2030/31"]}}, "Aston: 2030/31 lies outside the hist"),
        (history(GOOD), {"breaks": {"Aston": ["2021"]}}, "found year '2021'; expected"),
        (history(GOOD), {"breaks": {"Aston": ["2020/21"]}}, "Aston, 2020/21 is not after the coun"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_council_and_year(given, options, match):
    with pytest.raises(MtfsError, match=match):
        History.of(given, **options)
