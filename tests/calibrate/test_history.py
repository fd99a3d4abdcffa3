import numpy as np
import pytest
import xarray as xr
from panels import panel_of

from mtfs import MtfsError
from mtfs.calibrate.history import read_history


def read(history, missing=None, breaks=None):
    return read_history(history, missing=missing or {}, breaks=breaks or {})


def three():
    levels = np.array([[100.0, 110, 121, 133.1], [200, 210, 220, 230], [50, 55, 60, 66]])
    return panel_of(levels, "2021/22")


def with_hole(council, year, value=np.nan):
    found = three()
    found.loc[council, year] = value
    return found


def test_growth_is_the_difference_of_logarithms():
    found = read(three())
    assert np.allclose(found.growth[0], np.log(1.1))
    assert found.councils == ("Council 000", "Council 001", "Council 002")


def test_councils_come_in_order_of_their_names_and_dimensions_in_either():
    found = read(three().isel(council=[2, 0, 1]).transpose("year", "council"))
    assert found.councils == read(three()).councils
    assert np.array_equal(found.growth, read(three()).growth)


def test_growth_across_a_break_is_not_used():
    found = read(three(), breaks={"Council 001": ["2023/24"]})
    assert np.isnan(found.growth).tolist() == [[False] * 3, [False, True, False], [False] * 3]


def test_growth_into_and_out_of_a_missing_year_is_not_used():
    found = read(with_hole("Council 002", "2022/23"), missing={"Council 002": "2022/23"})
    assert np.isnan(found.growth[2]).tolist() == [True, True, False]


def test_a_council_that_opens_late_has_no_hole_before():
    found = read(with_hole("Council 002", "2021/22"))
    assert np.isnan(found.growth[2]).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("history", "options", "message"),
    [
        (with_hole("Council 001", "2022/23"), {}, "no figure for council 'Council 001' in 2022/23"),
        (with_hole("Council 001", "2022/23", 0.0), {}, "0 for council 'Council 001' in 2022/23"),
        (with_hole("Council 001", "2022/23", -4.0), {}, "-4 for council 'Council 001' in 2022/23"),
        (with_hole("Council 001", "2022/23", np.inf), {}, "inf for council 'Council 001'"),
        (with_hole("Council 001", "2024/25"), {}, "'Council 001' has no figure in 2024/25"),
        (three().isel(year=[0]), {}, r"holds 1 year \(2021/22\)"),
        (three().isel(year=[0, 1, 3]), {}, "has no year 2023/24, between 2022/23 and 2024/25"),
        (three().isel(year=[1, 0]), {}, "not in order: 2021/22 follows 2022/23"),
        (three().isel(year=[0, 0, 1]), {}, "year 2021/22 twice"),
        (three().isel(council=[0, 1, 0]), {}, "more than once: Council 000"),
        (three().isel(council=[]), {}, "no council"),
        (three().isel(council=0), {}, r"dimensions \(year\).*expand_dims"),
        (three().rename(council="area"), {}, r"dimensions \(area, year\)"),
        (three().expand_dims(draw=2), {}, r"dimensions \(draw, council, year\)"),
        (three().assign_coords(year=[2022, 2023, 2024, 2025]), {}, "March 2022 is '2021/22'"),
        (three().drop_vars("council"), {}, "'council' has no labels"),
        (three().astype(str), {}, "numbers|above 0"),
        (three().to_pandas(), {}, "found a DataFrame"),
        (three(), {"breaks": {"Council 001": ["2030/31"]}}, "'Council 001' has year '2030/31'"),
        (three(), {"breaks": {"Council 001": ["2021/22"]}}, "starts in 2021/22"),
        (three(), {"breaks": {"Council 01": ["2023/24"]}}, "Did you mean 'Council 001'"),
        (three(), {"breaks": ["2023/24"]}, "'breaks' is a list; expected years by council"),
        (three(), {"missing": {"Council 001": ["2022/23"]}}, "has the figure 210 in 2022/23"),
        (
            three().isel(council=[0], year=[0, 1]),
            {"breaks": {"Council 000": ["2022/23"]}},
            "no two years in a row",
        ),
    ],
)
def test_wrong_histories_are_refused_by_council_and_year(history, options, message):
    with pytest.raises(MtfsError, match=message):
        read(history, **options)


def test_a_council_of_one_year_is_refused_by_name():
    history = three()
    history.loc["Council 002", ["2021/22", "2022/23", "2023/24"]] = np.nan
    with pytest.raises(MtfsError, match="'Council 002' has 1 year of history"):
        read(history)


def test_a_long_list_of_holes_is_cut():
    levels = np.ones((9, 4))
    levels[:, 2] = np.nan
    with pytest.raises(MtfsError, match="and 3 more"):
        read(panel_of(levels))


def test_nothing_is_written_into_what_was_given():
    history = three()
    before = history.copy(deep=True)
    read(history, breaks={"Council 001": ["2023/24"]})
    xr.testing.assert_identical(history, before)
