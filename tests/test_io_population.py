"""Populations as ONS publishes them: long and wide files, bands, financial years, wrong files."""

from pathlib import Path

import pytest
import xarray as xr

from mtfs import MtfsError
from mtfs.flows import by_age_band, financial_years, population_table
from mtfs.flows.populations import age_label, age_range
from mtfs.io import load_population

SHARED = Path(__file__).parents[2] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data")

LONG = """la_code,age,year,v
E01,0.0,2026,10
E01,0.0,2027,12
E01,1.0,2026,20
E01,1.0,2027,22
E01,90.0,2026,30
E01,90.0,2027,32
"""
WIDE = """AREA_CODE,AREA_NAME,COMPONENT,SEX,AGE_GROUP,2026,2027
E01,Anyshire,Population,males,0,4,5
E01,Anyshire,Population,females,0,6,7
E01,Anyshire,Population,males,1,9,10
E01,Anyshire,Population,females,1,11,12
E01,Anyshire,Population,males,90 and over,10,11
E01,Anyshire,Population,females,90 and over,20,21
E01,Anyshire,Population,males,All ages,23,26
E01,Anyshire,Population,females,All ages,37,40
E01,Anyshire,Births,males,All ages,4,4
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        file = tmp_path / "population.csv"
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.mark.parametrize("text", [LONG, WIDE])
def test_a_long_file_and_a_wide_one_hold_the_same_people(write, text):
    found = load_population(write(text))
    assert found.dims == ("age", "year")
    assert found["age"].to_numpy().tolist() == ["0", "1", "90 and over"]
    assert found["year"].to_numpy().tolist() == [2026, 2027]
    assert found.to_numpy().tolist() == [[10, 12], [20, 22], [30, 32]]
    assert found.attrs["reference"] == "mid-year, 30 June"


def test_persons_are_taken_where_the_sexes_stand_beside_them(write):
    persons = "".join(
        f"E01,Anyshire,Population,persons,{age},{a},{b}\n"
        for age, a, b in [("0", 10, 12), ("1", 20, 22), ("90 and over", 30, 32)]
    )
    both = "".join(line + "\n" for line in WIDE.splitlines() if "All ages" not in line)
    found = load_population(write(both + persons))
    assert found.sum("age").to_numpy().tolist() == [60, 66]
    with pytest.raises(MtfsError, match="persons of age '0' in 2026 are not males and females"):
        load_population(write(both + persons.replace("persons,0,10", "persons,0,20")))


def test_several_areas_add_up_when_they_are_asked_for(write):
    file = write(LONG + LONG.replace("E01", "E02").partition("\n")[2])
    with pytest.raises(MtfsError, match=r"holds 2 areas; choose with area=\.\.\.: E01, E02"):
        load_population(file)
    assert load_population(file, area="E02").sum() == 126
    both = load_population(file, area=["E01", "E02"])
    assert both.sel(age="0", year=2027) == 24
    assert both.attrs["area"] == "E01, E02"
    with pytest.raises(MtfsError, match="holds no area 'E03'"):
        load_population(file, area="E03")


def test_an_area_may_be_chosen_by_its_name(write):
    file = write(WIDE + WIDE.replace("E01,Anyshire", "E02,Othershire").partition("\n")[2])
    assert load_population(file, area="Othershire").sum() == 126
    with pytest.raises(MtfsError, match="Did you mean 'Anyshire'"):
        load_population(file, area="Anyshir")


def test_large_numbers_may_have_commas(write):
    found = load_population(write('age,year,population\n0,2026,"1,065"\n'))
    assert found.item() == 1065


def test_bands_of_ages_add_up(write):
    found = by_age_band(load_population(write(LONG)), ["under 2", "90+"])
    assert found["age"].to_numpy().tolist() == ["0 and 1", "90 and over"]
    assert found.to_numpy().tolist() == [[30, 34], [30, 32]]


def test_a_band_whose_ages_are_not_there_is_refused(write):
    population = load_population(write(LONG))
    with pytest.raises(MtfsError, match=r"'0 to 17' needs ages .* not hold apart: 2 to 17"):
        by_age_band(population, ["under 18"])
    with pytest.raises(MtfsError, match="from 85 on"):
        by_age_band(population, ["85 and over"])
    with pytest.raises(MtfsError, match=r"lacks ages 17\. It holds: 0, 1, 90 and over"):
        load_population(write(LONG), ages=["17"])


def test_a_financial_year_lies_92_days_after_its_mid_year(write):
    found = financial_years(load_population(write(LONG)))
    assert found["year"].item() == "2026/27"
    assert found.sel(age="0").item() == pytest.approx(10 + 2 * 92 / 365)
    assert found.attrs["reference"] == "average of the financial year"
    assert population_table(load_population(write(LONG)), ["0"]) == {"0": {"2026/27": 10.5}}


def test_financial_years_need_every_mid_year():
    def people(*years):
        return xr.DataArray([1.0] * len(years), {"year": list(years)}, dims="year")

    with pytest.raises(MtfsError, match="2026 only"):
        financial_years(people(2026))
    with pytest.raises(MtfsError, match="2026 to 2028 are without 2027"):
        financial_years(people(2026, 2028))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("area,number\nE01,5\n", "has no column for age or year or value .* area, number"),
        ("age,year,value\n", "holds no rows"),
        (
            LONG.replace("1.0,2027,22", "1.0,2027,"),
            "line 5: found no number of people of age '1' in 2027",
        ),
        (LONG.replace("2027,32", "2027,-3"), "line 7: found '-3' people"),
        (LONG.replace("1.0,2027", "1.5,2027"), "line 5: found age '1.5'; expected such as"),
        (LONG.replace("1.0,2027", "1.0,27"), "line 5: found year '27'"),
        (LONG.replace("E01,1.0,2027,22\n", ""), "lacks age '1' in 2027 for E01, one of 1 holes"),
        (LONG + "E01,0.0,2026,11\n", "age '0' in 2026 is there more than once .10 in line 2 and"),
        (WIDE.replace("females", "males"), "is there more than once"),
        (WIDE.replace("females", "ladies"), "column 'SEX' holds ladies; expected persons"),
        (
            WIDE.replace("Population", "Deaths"),
            "'COMPONENT' holds no population, but births, deaths",
        ),
        (
            LONG + "E01,0-4,2026,70\n",
            "ages '0' and '0 to 4' overlap, and people would be counted twice",
        ),
    ],
)
def test_what_is_no_population_is_refused(write, text, message):
    with pytest.raises(MtfsError, match=message):
        load_population(write(text))


def test_males_alone_are_not_a_population(write):
    males = "".join(line + "\n" for line in WIDE.splitlines() if "females" not in line)
    with pytest.raises(MtfsError, match="holds males only"):
        load_population(write(males))


def test_a_missing_file_and_missing_years_are_named(write, tmp_path):
    with pytest.raises(MtfsError, match=r"none\.csv: cannot be read"):
        load_population(tmp_path / "none.csv")
    with pytest.raises(MtfsError, match=r"lacks years 2030\. It holds 2026 to 2027"):
        load_population(write(LONG), years=[2026, 2030])


@pytest.mark.parametrize(
    ("label", "band", "written"),
    [
        ("7", (7, 8), "7"),
        (7.0, (7, 8), "7"),
        ("85+", (85, None), "85 and over"),
        ("90 & over", (90, None), "90 and over"),
        ("Aged 18-64", (18, 65), "18 to 64"),
        ("16 and 17", (16, 18), "16 and 17"),
        ("under 5", (0, 5), "0 to 4"),
        ("All ages", (0, None), "all ages"),
    ],
)
def test_ages_are_read_as_they_are_written(label, band, written):
    assert age_range(label) == band
    assert age_label(band) == written
    assert age_range(written) == band


@pytest.mark.parametrize("label", ["", "old", "9 to 5", "5 to", "-3"])
def test_what_is_no_age_is_refused(label):
    with pytest.raises(MtfsError, match="expected such as"):
        age_range(label)


@needs_shared
def test_the_2014_based_projections_are_read():
    file = SHARED / "population_projections_2014_based.csv"
    found = load_population(file, area="E06000047")
    assert found.sizes == {"age": 91, "year": 14}
    assert found.sel(age="90 and over", year=2027) == 6_568
    with pytest.raises(MtfsError, match="holds 4 areas"):
        load_population(file)


@needs_shared
def test_published_estimates_by_band_are_read():
    file = SHARED / "population.csv"
    bands = ["0 to 4", "5 to 9", "10 to 14", "15"]
    found = load_population(file, area="Gloucestershire", ages=[*bands, "16"])
    assert found.sel(age="16", year=2020) == 7_174
    assert by_age_band(found, ["0 to 15"]).equals(
        found.sel(age=bands).sum("age").expand_dims(age=["0 to 15"])
    )
    with pytest.raises(MtfsError, match="ages '0 to 4' and '0 to 17' overlap"):
        load_population(file, area="Gloucestershire")
    with pytest.raises(MtfsError, match="age '0 to 17' in 2020 is there more than once"):
        load_population(file, area="Gloucestershire", ages=["0 to 17"])
    years = [year for year in range(2012, 2025) if year not in (2019, 2020)]
    assert load_population(file, area="Gloucestershire", ages=["0 to 17"], years=years).sizes == {
        "age": 1,
        "year": 11,
    }
