"""Reading SSDA903 returns from files: both layouts, and what is wrong with wrong ones."""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from mtfs.flows.occurrences import count_occurrences
from mtfs.io import load_episodes, load_grouping
from mtfs.vocabulary import MtfsError

SHARED = Path(__file__).parents[2] / "shared" / "data" / "ssda903"
needs_sample = pytest.mark.skipif(
    not SHARED.exists(), reason="the sample of SSDA903 returns lies beside the repository"
)

EPISODES = "CHILD,DECOM,RNE,LS,CIN,PLACE,PLACE_PROVIDER,DEC,REC\n"
HEADER = "CHILD,SEX,DOB,ETHNIC\n"
FIRST = EPISODES + (
    "1,01/06/2018,S,C2,N1,U4,PR1,,\n"
    "2,01/03/2017,P,C2,N1,K2,PR4,01/02/2019,E4A\n"
    "3,02/05/2018,S,V2,N1,U6,PR4,01/04/2019,X1\n"
)
SECOND = EPISODES + ("1,01/06/2018,S,C2,N1,U4,PR1,05/05/2019,X1\n1,05/05/2019,P,C2,N1,K2,PR4,,\n")
PEOPLE = HEADER + "1,1,01/01/2010,WBRI\n2,2,29/02/2008,WBRI\n3,1,03/04/2004,WBRI\n"
UNACCOMPANIED = "CHILD,SEX,DOB,DUC\n3,1,03/04/2004,\n"


def write(folder, **files):
    """Write files; __ in a name stands for a folder."""
    for name, text in files.items():
        path = folder.joinpath(*f"{name}.csv".replace("_of_", "-").split("__"))
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def names(year_and_kind):
    """Name the two years' files in a layout, 2019 and 2020 unless it names others."""
    return {
        year_and_kind.format(2019, "episodes"): FIRST,
        year_and_kind.format(2020, "Episodes"): SECOND,
        year_and_kind.format(2019, "header"): PEOPLE,
        year_and_kind.format(2019, "uasc"): UNACCOMPANIED,
    }


def table(episodes):
    return episodes.table.drop(columns="file")


@pytest.mark.parametrize("layout", ["{}_of_{}", "{}__{}", "SSDA903_{}_{}", "{1}_{0}"])
def test_returns_are_read_from_files_or_folders_a_year(tmp_path, layout):
    found = load_episodes(write(tmp_path, **names(layout)))
    assert list(found.table["child"]) == ["1", "1", "2", "3"]
    assert list(found.table["uasc"]) == [False, False, False, True]
    assert found.spans.loc["the council"].to_list() == [
        pd.Timestamp("2018-04-01"),
        pd.Timestamp("2020-03-31"),
    ]
    assert found.report.set_index("reason")["rows"]["given again in a later return"] == 1
    assert found.table["end"].isna().sum() == 1


def test_a_single_year_may_be_the_one_in_which_returns_begin(tmp_path):
    ending = load_episodes(write(tmp_path / "a", **names("{}_of_{}")))
    begun = {name.replace("2019", "2018"): text for name, text in names("{}_of_{}").items()}
    begun = {name.replace("2020", "2019"): text for name, text in begun.items()}
    beginning = load_episodes(write(tmp_path / "b", **begun))
    pd.testing.assert_frame_equal(table(ending), table(beginning))
    pd.testing.assert_frame_equal(ending.spans, beginning.spans)
    both = {name.replace("2019", "2018-19"): text for name, text in names("{}_of_{}").items()}
    both = {name.replace("2020_", "2019-20_"): text for name, text in both.items()}
    pd.testing.assert_frame_equal(ending.spans, load_episodes(write(tmp_path / "c", **both)).spans)


def iso(text):
    """Write dates the other way."""
    return pd.Series(text).str.replace(r"(\d\d)/(\d\d)/(\d{4})", r"\3-\2-\1", regex=True)[0]


def one_file(first=FIRST, second=SECOND):
    """Put both returns in one file, with columns for the council, year, birth and UASC."""
    births = dict(line.split(",")[:3:2] for line in PEOPLE.splitlines()[1:])
    lines = [EPISODES.strip() + ",LA,YEAR,DOB,UASC"]
    for year, text in [(2019, first), (2020, second)]:
        for line in text.splitlines()[1:]:
            child = line.split(",")[0]
            lines.append(f"{line},Anyshire,{year},{births[child]},{'NY'[child == '3']}")
    return iso("\n".join(lines) + "\n")


def test_one_file_with_iso_dates_says_the_same(tmp_path):
    write(tmp_path, all=one_file())
    one = load_episodes(tmp_path / "all.csv")
    many = load_episodes(write(tmp_path / "many", **names("{}_of_{}")), council="Anyshire")
    other = ["line", "file"]
    pd.testing.assert_frame_equal(
        one.table.drop(columns=other), many.table.drop(columns=other), check_dtype=False
    )
    pd.testing.assert_frame_equal(one.spans, many.spans)


def test_councils_of_one_file_are_kept_apart(tmp_path):
    text = one_file()
    lines = text.splitlines()[1:]
    both = text + "\n".join(line.replace("Anyshire", "Otherton") for line in lines) + "\n"
    found = load_episodes(write(tmp_path, all=both) / "all.csv")
    assert found.councils == ["Anyshire", "Otherton"]
    assert len(found.table) == 8
    one = count_occurrences(found, start="2018-04-01", end="2020-03-31", council="Otherton")
    assert len(one.people) == 1


def test_a_file_that_names_no_year_knows_what_its_latest_date_does_or_as_of(tmp_path):
    write(tmp_path, episodes=FIRST, header=PEOPLE)
    found = load_episodes(tmp_path / "episodes.csv")
    assert found.latest == pd.Timestamp("2019-04-01")
    assert found.first == pd.Timestamp("2019-02-01")  # before it, those who left are not known
    later = load_episodes(tmp_path / "episodes.csv", as_of="2019-06-30")
    assert later.latest == pd.Timestamp("2019-06-30")


def test_a_return_drawn_within_its_year_says_so_with_as_of(tmp_path):
    write(tmp_path, **names("{}_of_{}"))
    found = load_episodes(tmp_path, as_of="2019-12-31")
    assert found.latest == pd.Timestamp("2019-12-31")
    with pytest.raises(MtfsError, match="'as_of' is 2018-12-31; the last return is of the year to"):
        load_episodes(tmp_path, as_of="2018-12-31")
    with pytest.raises(MtfsError, match="'as_of' is 'soon'; expected a day such as 2026-03-31"):
        load_episodes(tmp_path, as_of="soon")


def test_a_return_of_a_year_that_is_not_over_must_say_its_last_day(tmp_path):
    ahead = f"{date.today().year + 2}-episodes"  # noqa: DTZ011 - dates of returns have no zone
    write(tmp_path, **{ahead: FIRST, f"{ahead[:4]}-header": PEOPLE})
    with pytest.raises(MtfsError, match="in the future; say up to which day it knows"):
        load_episodes(tmp_path)


def test_a_corrected_date_of_birth_counts_and_is_reported(tmp_path):
    write(tmp_path, **names("{}_of_{}"))
    write(tmp_path, **{"2020_of_header": HEADER + "1,1,02/01/2010,WBRI\n"})
    found = load_episodes(tmp_path)
    assert set(found.table["born"].dt.strftime("%Y-%m-%d").iloc[:2]) == {"2010-01-02"}
    changed = found.report.set_index("reason")["rows"]
    assert changed["another date of birth in an earlier return: the latest"] == 2


def test_uasc_are_told_by_a_blank_duc_in_their_file_and_a_date_elsewhere(tmp_path):
    write(tmp_path, **names("{}_of_{}"))
    people = "CHILD,DOB,ETHNIC,DUC\n1,01/01/2010,WBRI,\n2,29/02/2008,WBRI,01/03/2017\n"
    write(tmp_path, **{"2019_of_header": people, "2020_of_header": PEOPLE})
    found = load_episodes(tmp_path).table.drop_duplicates("child").set_index("child")["uasc"]
    # the status of 2 ceased as its period began; 3 is listed, and its status has not ceased
    assert found.to_dict() == {"1": False, "2": False, "3": True}


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({"plan": "notes:\n  - a, b, c\n"}, "holds no episodes of care"),
        ({"plan": "line,amount\npay,3\n"}, r"holds no episodes of care: .*CHILD, DEC, DECOM"),
        (
            {"2019_of_episodes": FIRST.replace("PLACE,", "PLACEMENT,").replace(",LS", ",LEGAL")},
            r"2019-episodes.csv: lacks the columns LS, PLACE; .* and this one CHILD, CIN",
        ),
        ({"2019_of_episodes": FIRST}, "no file gives dates of birth"),
        (
            {"2019_of_episodes": FIRST.replace("01/06/2018", "31/06/2018")},
            r"2019-episodes.csv, line 2: column 'DECOM' holds '31/06/2018'; expected dd/mm/yyyy",
        ),
        (
            {"2019_of_episodes": FIRST.replace("/201", "-201")},
            r"line 2, 3, 4: column 'DECOM' holds '01/06-2018'",
        ),
        (
            {"2019_of_episodes": FIRST + "4,x,S,C2,N1,U4,PR1,,\n" * 6},
            r"line 5, 6, 7 and 3 more: column 'DECOM' holds 'x'",
        ),
        (
            {"2019_of_episodes": FIRST.replace("02/05/2018", "2018-05-02")},
            r"written in two ways, yyyy-mm-dd on line 4 and dd/mm/yyyy on line 2",
        ),
        (
            {"2019_of_episodes": FIRST.replace("01/06/2018", "")},
            r"line 2: column 'DECOM' is empty",
        ),
        (
            {"2019_of_episodes": FIRST.replace("01/06/2018", "01/06/2028")},
            r"line 2: column 'DECOM' holds 2028-06-01, which is in the future: .*, 2019-03-31",
        ),
        (
            {"2019_of_episodes": FIRST.replace("01/04/2019", "02/04/2019")},
            r"line 4: column 'DEC' holds 2019-04-02, which is in the future",
        ),
        (
            {"2019_of_episodes": FIRST, "2019_of_header": PEOPLE.replace("/2010", "/0210")},
            r"2019-header.csv, line 2: column 'DOB' holds '01/01/0210'",
        ),
        (
            {"2019_of_episodes": FIRST, "2019_of_header": PEOPLE + "1,1,01/01/2011,WBRI\n"},
            r"2019-header.csv, line 5: child 1 was born on 01/01/2011, but on 01/01/2010 in 2019-",
        ),
        (
            {
                "2019_of_episodes": FIRST,
                "2021_of_episodes": EPISODES + "1,01/06/2018,S,C2,N1,U4,PR1,01/05/2020,E2\n",
                "2019_of_header": PEOPLE,
            },
            "returns of the years to March 2019 and 2021, and none of 2020",
        ),
        (
            {"2019_of_episodes": FIRST, "older_of_episodes": FIRST, "2019_of_header": PEOPLE},
            "older-episodes.csv: names no year, and 2019-episodes.csv does",
        ),
        ({"episodes": FIRST.replace("/2018", "/2199")}, "after today"),
        ({"2019_of_episodes": EPISODES, "2019_of_header": PEOPLE}, "no episode stands under the"),
        ({"2019_of_episodes": FIRST.replace("CIN", "DECOM", 1)}, "has 2 columns named DECOM"),
        ({"2019_of_episodes": FIRST + "4,01/06/2018\n"}, "line 5: has 2 fields, and the file 9"),
        ({"2019_of_episodes": FIRST + "4" + ",x" * 20 + "\n"}, "line 5: has 21 fields, and the f"),
        ({"2019_of_episodes": EPISODES + "4" + ",x" * 9}, "line 2: has 10 fields, and the file 9"),
        ({"2019_of_episodes": FIRST, "2019_of_header": HEADER}, r"left out were: 3 \(no date of b"),
        ({"2019_of_episodes": '"'}, "is not a CSV file in UTF-8"),
        ({"2019_of_episodes": ""}, "lacks the columns CHILD, DEC, DECOM"),
        (
            {"2019_of_episodes": FIRST.replace("DECOM", "START")},
            "2019-episodes.csv: lacks the columns DECOM; .* and this one CHILD, CIN",
        ),
        (
            {"2019_of_episodes": FIRST.replace(",", ";")},
            "2019-episodes.csv: lacks the columns CHILD, .* this one CHILD;DECOM;RNE",
        ),
        (
            {
                "2019_of_episodes": FIRST,
                "2019_of_header": PEOPLE,
                "2019_of_uasc": UNACCOMPANIED.replace("DUC", "CEASED"),
            },
            "2019-uasc.csv: lacks the columns DUC; .* and this one CEASED, CHILD",
        ),
        ({"2019_of_episodes": one_file().replace("Anyshire", "", 1)}, "'LA' names no council"),
        ({"2019_of_episodes": one_file().replace(",2020,", ",x,", 1)}, "'YEAR' holds no year"),
        ({"2019_of_episodes": one_file().replace(",N\n", ",?\n", 1)}, r"'UASC' holds \['\?'\]"),
        (
            {
                "2019_of_episodes": one_file().replace("Anyshire", "Otherton", 1),
                "2019_of_header": PEOPLE,
            },
            "2019-header.csv: has no column for the council, .*Anyshire, Otherton",
        ),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(tmp_path, files, match):
    with pytest.raises(MtfsError, match=match):
        load_episodes(write(tmp_path, **files))


def test_lines_are_those_of_the_file_though_some_are_blank(tmp_path):
    text = FIRST.replace("2,01/03", "\n2,01/13")
    with pytest.raises(MtfsError, match="line 4: column 'DECOM'"):
        load_episodes(write(tmp_path, **{"2019_of_episodes": text, "2019_of_header": PEOPLE}))


def test_a_path_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(MtfsError, match="there is no such file or folder"):
        load_episodes(tmp_path / "nowhere")


@needs_sample
def test_the_sample_of_five_returns_is_read_whole():
    found = load_episodes(SHARED)
    left_out = found.report[found.report["left_out"]].set_index("reason")["rows"].to_dict()
    assert left_out == {"a short break (V3 or V4)": 574, "given again in a later return": 767}
    assert len(found.table) == 3737 - 574 - 767
    assert found.table["child"].nunique() == 743
    assert (found.first, found.latest) == (pd.Timestamp("2017-04-01"), pd.Timestamp("2022-03-31"))


@needs_sample
def test_the_sample_adds_up_in_a_window():
    found = load_episodes(SHARED)
    counts = count_occurrences(found, start="2018-04-01", end="2022-03-31")
    there = found.table[found.table["start"] < "2018-04-01"]
    before = int((there["end"].isna() | (there["end"] >= "2018-04-01")).sum())
    left = int(counts.exits.sum()) + counts.turned_adult
    assert before + len(counts.entries) - left == len(counts.people) == 55
    assert before == 463


def test_a_grouping_is_read_from_a_file(tmp_path):
    path = tmp_path / "grouping.yaml"
    path.write_text(
        "placements:\n"
        "  - {name: foster, codes: [U4, U6]}\n"
        "  - {name: supported, codes: [H5], from_age: 16}\n"
        "  - {name: other, codes: [K2]}\n"
        "ages: [0, 16, 18]\n"
    )
    grouping = load_grouping(path)
    assert grouping.placement_names == ("foster", "supported", "other")
    assert grouping.age_names == ("0 to 15", "16 and 17")
    found = load_episodes(write(tmp_path, **names("{}_of_{}")))
    counts = count_occurrences(found, start="2018-04-01", end="2020-03-31", grouping=grouping)
    # 1 fostered and then in a home, 2 in the home from before, 3 in foster care for 334 days
    assert counts.moves.sum() == 1
    assert counts.exposure[1].sum() == pytest.approx(334 / 365.25)


def test_a_grouping_that_is_wrong_says_where(tmp_path):
    path = tmp_path / "grouping.yaml"
    path.write_text("placements:\n  - {name: foster, codes: []}\nages: [0, 18]\n")
    with pytest.raises(
        MtfsError, match=r"grouping.yaml, line 2, placements.0. .foster., codes: found"
    ):
        load_grouping(path)


def test_files_of_no_use_here_are_passed_over(tmp_path):
    held = names("{}_of_{}")
    others = {"2019_of_missing_episodes": "CHILD,MISSING,MIS_START\n1,M,01/02/2019\n"}
    others |= {"2019_of_reviews": "CHILD,DOB,REVIEW\n1,01/01/2010,02/03/2019\n"}
    assert len(load_episodes(write(tmp_path, **held, **others)).table) == 4
