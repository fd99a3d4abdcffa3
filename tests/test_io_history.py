"""Histories from long CSV files, and what is said of those that cannot be read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mtfs
from mtfs.history import History
from mtfs.vocabulary import MtfsError

SHARED = Path(__file__).parents[2] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data")

LONG = """area,la_code,year,basis,measure,value,unit
B,E2,2023,outturn,spend,"1,210",GBP thousand
A,E1,2022,outturn,spend,100,GBP thousand
A,E1,2023,outturn,spend,110,GBP thousand
A,E1,2025,outturn,spend,,GBP thousand
B,E2,2022,outturn,spend,1100,GBP thousand
A,E1,2022,budget,spend,99,GBP thousand
A,E1,2022,outturn,people,7,people
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        file = tmp_path / "history.csv"
        file.write_text(text, encoding="utf-8")
        return file

    return write


OF_SPEND = {
    "measure": "spend",
    "council": "area",
    "year_is": "ending",
    "where": {"basis": "outturn"},
}


def test_rows_become_councils_by_years_in_a_row(write):
    found = mtfs.load_history(write(LONG), **OF_SPEND)
    assert found.name == "spend"
    assert found.attrs == {"units": "GBP thousand"}
    assert found["council"].to_numpy().tolist() == ["A", "B"]
    assert found["year"].to_numpy().tolist() == ["2021/22", "2022/23", "2023/24", "2024/25"]
    np.testing.assert_array_equal(found, [[100, 110, np.nan, np.nan], [1100, 1210, np.nan, np.nan]])
    starting = mtfs.load_history(write(LONG), **OF_SPEND | {"year_is": "starting"})
    assert starting["year"].to_numpy()[0] == "2022/23"


def test_a_small_file_needs_no_options(write):
    found = mtfs.load_history(write("council,year,value\nA,2023/24,5\nA,2024/25,6\n"))
    assert found.name == "value"
    assert found.to_numpy().tolist() == [[5, 6]]


def test_parts_add_up_only_where_asked_and_where_all_are_there(write):
    rows = ["G,old,2020,30", "G,east,2021,10", "G,west,2021,21", "G,east,2022,11", "G,west,2022,"]
    rows += ["G,east,2023,12", "G,east,2024,13", "G,west,2024,24"]
    file = write("council,code,year,value\n" + "\n".join(rows) + "\n")
    with pytest.raises(MtfsError, match=r"lines 3, 4: council 'G' has year 2020/21 more than once"):
        mtfs.load_history(file, year_is="ending")
    found = mtfs.load_history(file, year_is="ending", add_up="code")
    # west has no figure in 2022, and no row in 2023 though it is there before and after
    np.testing.assert_array_equal(found, [[30, 31, np.nan, np.nan, 37]])
    assert mtfs.missing_years(found) == {"G": ["2021/22", "2022/23"]}
    assert History.of(found, gaps=mtfs.missing_years(found)).gaps == {"G": ["2021/22", "2022/23"]}


def test_what_is_not_published_is_said(write):
    file = write("council,year,value\nA,2022/23,5\nA,2023/24,c\nA,2024/25,6\n")
    with pytest.raises(MtfsError, match=r"csv, line 3: found 'c' as a value.*missing=\('c',\)"):
        mtfs.load_history(file)
    assert np.isnan(mtfs.load_history(file, missing=("c",)).sel(year="2023/24")).all()


@pytest.mark.parametrize(
    ("text", "options", "match"),
    [
        (LONG, {}, "holds 2 measures; choose with measure=...: people, spend"),
        (LONG, {"measure": "spent"}, "holds no 'spent'. Did you mean 'spend'"),
        (LONG, {"measure": "spend"}, "has no column 'council'. .*columns are: area, basis"),
        (LONG, OF_SPEND | {"council": "aera"}, "no column 'aera'. Did you mean 'area'"),
        (LONG, OF_SPEND | {"add_up": "la"}, "no column 'la'"),
        (LONG, OF_SPEND | {"where": {"basis": "outurn"}}, "no 'outurn'. Did you mean 'outturn'"),
        (LONG, OF_SPEND | {"year_is": "label"}, "line 2: found year '2023'.*year_is='ending'"),
        (LONG, OF_SPEND | {"year_is": "end"}, "year_is is 'end'; expected label, ending, starting"),
        (
            LONG,
            OF_SPEND | {"where": {}},
            "lines 3, 7: council 'A' has year 2021/22 more than once; .* They differ in basis",
        ),
        ("council,year,value\n,2023/24,5\n", {}, "line 2: column 'council' is empty"),
        ("council,year,value\nA,23/24,5\n", {}, "line 2: found year '23/24'"),
        ("council,year,value\nA,23,5\n", {"year_is": "ending"}, "line 2: found year '23'"),
        ("council,year,value\nA,2023/24,inf\n", {}, "line 2: found 'inf' as a value"),
        ("council,year,value\nA,2023/24,\n", {}, "no row read has a number"),
        ("council,year,value\n", {}, "holds no rows"),
        ("", {}, "is no CSV file"),
        ("council,year,value\nA,2023/24,5,\n", {}, "more cells than the header: .*line 2, saw 4"),
        ("council,year,value,\nA,2023/24,5,6\n", {}, "line 2: holds more cells than the header"),
        ("council,year,value,value \nA,2023/24,5,6\n", {}, "line 1: has two columns value"),
        ('council,year,value\nA,2023/24,"1,5"\n', {}, "found '1,5' as a value.*decimal comma"),
        ("council,year,value\nA,2023/24,5%\n", {}, "found '5%' as a value.*no sign of a currency"),
        (
            "council,year,value,unit\nA,2022/23,5,GBP\nA,2023/24,6,GBP thousand\n",
            {},
            "column 'unit' holds GBP, GBP thousand; choose one with where=",
        ),
        ("council,2022/23,2023/24\nA,5,6\n", {}, "seems to have a column for every year.*melt"),
        (LONG, OF_SPEND | {"where": "basis=outturn"}, "where is 'basis=outturn'; expected words"),
    ],
)
def test_wrong_files_are_answered_with_line_and_name(write, text, options, match):
    with pytest.raises(MtfsError, match=match):
        mtfs.load_history(write(text), **options)


def test_commas_between_thousands_are_read(write):
    rows = ['A,2022/23,"1,200,500"', 'A,2023/24,"1,234,567.5"']
    found = mtfs.load_history(write("\n".join(["council,year,value", *rows])))
    assert found.to_numpy().tolist() == [[1200500, 1234567.5]]


def test_a_level_that_leaps_is_pointed_out(write):
    rows = ["A,2021/22,5", "A,2022/23,6", "A,2023/24,6000", "B,2022/23,10", "B,2023/24,3"]
    with pytest.warns(mtfs.PlanWarning, match=r"A, 2023/24: 6,000 after 6; B, 2023/24: 3 after 10"):
        mtfs.load_history(write("\n".join(["council,year,value", *rows])))


def test_what_is_no_path_is_answered():
    with pytest.raises(MtfsError, match="found a DataFrame; expected the path of a CSV file"):
        mtfs.load_history(pd.DataFrame())


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MtfsError, match=r"none.csv: cannot be read: No such file"):
        mtfs.load_history(tmp_path / "none.csv")


@needs_shared
def test_published_children_looked_after_add_up_over_reorganised_councils():
    found = mtfs.load_history(
        SHARED / "looked_after_children.csv",
        measure="cla_31march",
        council="area",
        year_is="ending",
        add_up="la_code",
    )
    assert found.dims == ("council", "year")
    assert found["year"].to_numpy()[[0, -1]].tolist() == ["2005/06", "2024/25"]
    history = History.of(found, gaps=mtfs.missing_years(found))
    assert len(history.councils) == found.sizes["council"]
