"""Reading plans from YAML, errors with file and line, and results to NetCDF and back."""

import json
import re
import zipfile

import numpy as np
import pytest
import xarray as xr
from councils import BUDGET, council, run
from hypothesis import given, settings
from strategies import plans

from mtfs import (
    MtfsError,
    PlanError,
    PlanWarning,
    load_gap,
    load_plan,
    plan_of,
    save_gap,
    save_plan,
)
from mtfs.io import check_plan, example_file, example_names, holds_monitoring, load_example
from mtfs.io.yaml import line_of, read_yaml

PLAN = """\
council: Anyshire
first_year: 2026/27
lines:
  - kind: budget
    name: roads
    base: 1_000
"""


@pytest.fixture
def write(tmp_path):
    def put(text, name="plan.yaml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return put


def refusal(path):
    with pytest.raises(PlanError) as caught:
        load_plan(path)
    return str(caught.value)


# What a file may hold


def test_a_plan_loads_from_yaml(write):
    assert load_plan(write(PLAN)) == council(lines=[BUDGET])
    assert load_plan(str(write(PLAN))) == council(lines=[BUDGET])


def test_json_is_yaml(write):
    plan = council(lines=[BUDGET])
    assert load_plan(write(plan.to_json(), "plan.json")) == plan


def test_windows_files_are_read(write):
    text = b"\xef\xbb\xbf" + PLAN.replace("\n", "\r\n").encode()
    assert load_plan(write(text)) == council(lines=[BUDGET])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e6", 1e6),
        ("1E-3", 1e-3),
        ("-2.5", -2.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1_000_000", 1_000_000),
        ("0123", 123),
        ("2026/27", "2026/27"),
        ("12:30", "12:30"),
        ("2026-04-01", "2026-04-01"),
        ("no", "no"),
        ("on", "on"),
        ("True", True),
        ("null", None),
        ("~", None),
        ("", None),
        (".inf", np.inf),
        ("-.INF", -np.inf),
        ("'1e6'", "1e6"),
        ('"true"', "true"),
        ("5,800", "5,800"),
        ("£5.8k", "£5.8k"),
        ("0x1F", "0x1F"),
        ("tRuE", "tRuE"),
    ],
)
def test_scalars_follow_yaml_1_2(write, text, value):
    data, _ = read_yaml(write(f"a: {text}\n"))
    assert data == {"a": value}
    assert type(data["a"]) is type(value)


def test_not_a_number_is_read_as_one_and_refused(write):
    data, _ = read_yaml(write("a: .nan\n"))
    assert np.isnan(data["a"])
    assert "expected a finite number" in refusal(write(PLAN + "base_gap: .NaN\n"))


def test_lines_are_known_for_every_part(write):
    _, lines = read_yaml(write(PLAN))
    assert lines["council",] == 1
    assert lines["lines", 0] == 4
    assert lines["lines", 0, "base"] == 6
    assert line_of(("lines", 0, "growth"), lines) == 4  # what is missing is looked for in its part
    assert line_of(("lines", 0), {}) is None


def test_an_anchor_may_be_used_again(write):
    text = PLAN.replace("1_000", "&base 5.0") + "    growth: 0.0\nbase_gap: *base\n"
    assert load_plan(write(text)).base_gap == 5.0


# Saving a plan


@given(plans())
def test_a_saved_plan_loads_as_an_equal_plan(tmp_path_factory, plan):
    file = save_plan(plan, tmp_path_factory.mktemp("plans") / "plan.yaml")
    again = load_plan(file)
    assert again == plan
    assert again.digest == plan.digest


@pytest.mark.parametrize(
    "text",
    [
        "1e6",
        "1_000",
        ".5",
        "null",
        "True",
        "~",
        "no",
        "2026/27",
        "0x1F",
        "- a: b",
        "a # b",
        "'quoted'",
        "",
        " spaces ",
        "two\nlines\n",
        "é £ \u2028 \x85 \U0001f600",
        "a long text " * 40,
    ],
)
def test_any_text_is_saved_as_text(tmp_path, text):
    plan = council(lines=[BUDGET], source=text)
    assert load_plan(save_plan(plan, tmp_path / "plan.yaml")).source == text


def test_a_plan_is_saved_whole_or_not_at_all(tmp_path):
    plan = council(lines=[BUDGET])
    file = save_plan(plan, tmp_path / "plan.yaml")
    assert file.read_text(encoding="utf-8").startswith("council: Anyshire\nfirst_year: 2026/27\n")
    assert [each.name for each in tmp_path.iterdir()] == ["plan.yaml"]
    save_plan(plan.with_changes({"horizon": 3}), file)
    assert load_plan(file).horizon == 3
    with pytest.raises(MtfsError, match="does not exist"):
        save_plan(plan, tmp_path / "nowhere" / "plan.yaml")
    with pytest.raises(MtfsError, match="is a folder"):
        save_plan(plan, tmp_path)


# Errors with file and line


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (PLAN + "    bass: 5\n", 7, "unknown key 'bass'. Did you mean 'base'"),
        (
            PLAN.replace("1_000", "5,800"),
            6,
            "found text '5,800'; expected a plain number: write 5800",
        ),
        (
            PLAN.replace("1_000", "£5.8k"),
            6,
            "found text '£5.8k'; expected a plain number: write 5800",
        ),
        (PLAN + "    growth: cpi\n", 7, "uses driver 'cpi', which the plan does not hold"),
        (PLAN + "    share: 85\n", 7, "write 85% as 0.85"),
        (
            PLAN + "    growth: [0.1, 0.2]\n",
            7,
            "holds 2 values; expected one for each of the 4 years",
        ),
        (PLAN.replace("base: 1_000", "basis: 1_000"), 6, "unknown key 'basis'"),
        (PLAN.replace("    base: 1_000\n", ""), 4, "'base' is missing"),
        (PLAN.replace("2026/27", "2026-27"), 2, "found year '2026-27'"),
        (
            PLAN + "  - kind: pay\n    name: staff\n    pay: 1e6\n    pension: 20\n",
            10,
            "write 20% as 0.2",
        ),
        (PLAN + "councl: B\n", 7, "unknown key 'councl'"),
        (
            PLAN + "  - {kind: contract, name: waste, base: 60,000}\n",
            7,
            "unknown key '000': write numbers without commas",
        ),
    ],
    ids=range(12),
)
def test_an_error_names_the_file_and_the_line(write, text, line, says):
    path = write(text)
    message = refusal(path)
    assert re.search(re.escape(f"{path}, line {line}, ") + ".*" + re.escape(says), message), message


def test_a_number_with_commas_in_braces_is_known_by_its_pieces(write):
    path = write(PLAN + "  - {kind: contract, name: waste, base: 60,000,000}\n")
    said = "the key '000' stands twice; it is first on line 7: write numbers without commas"
    assert said in refusal(path)


def test_check_plan_lists_problems_and_warnings_in_order_of_lines(write):
    text = PLAN + "    growth: 6\n    share: 85\n  - kind: budgets\n    name: x\nbase_gap: 5k\n"
    problems, _ = check_plan(write(text))
    assert [p.line for p in problems] == [8, 9, 11]
    problems, warned = check_plan(write(PLAN + "    growth: 6\n"))
    assert not problems
    assert [(w.line, w.path) for w in warned] == [(7, ("lines", 0, "growth"))]


def test_loading_warns_of_the_implausible(write):
    with pytest.warns(PlanWarning, match="grows by 600%"):
        load_plan(write(PLAN + "    growth: 6\n"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("- a\n- b\n", "line 1: is not a mapping"),
        ("just text\n", "line 1: is not a mapping"),
        ("5\n", "is not a mapping"),
        ("a: [1, 2\nb: 3\n", "line 2: is not YAML"),
        ("a: 1\n\tb: 2\n", "is not YAML"),
        ("a: 1\n---\nb: 2\n", "line 2: is not YAML: usually two documents in one file"),
        ("a:\n  - b: 1\n c: 2\n", "line 3: is not YAML: usually uneven indentation"),
        ("a:\n  - b: 1\n   c: 2\n", "line 3: is not YAML: usually uneven indentation"),
        ("a:\n  b: 1\n   c: 2\n", "line 3: is not YAML: usually uneven indentation"),
        ("a:\n\tb: 2\n", "line 2: is not YAML: usually a tab: indent with spaces"),
        ("a: 'x\nb: 2\n", "is not YAML: usually a missing closing quote; it starts on line 1"),
        ("a: [1\nb: 2\n", "line 2: is not YAML: usually a missing closing bracket"),
        ("a: [1\nb: 2\n", "it starts on line 1"),
        ("a: [1,,2]\n", "line 1: is not YAML: usually a comma or bracket too many"),
        ("a: 1\nb 2\nc: 3\n", "usually a line without its colon, here or just above"),
        ("a: @x\n", "Text that starts with @, % or ` goes in quotes"),
        ("%x\na: 1\n", "line 1: is not YAML: found unknown directive name"),
        ("a: *nowhere\n", "is not YAML"),
        ("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' stands twice; it is first on line 1"),
        ("a: {b: 1, b: 2}\n", "the key 'b' stands twice"),
        ("? [1, 2]\n: 3\n", "a key is not text"),
        ("a: \x00\n", "is not YAML"),
        (b"council: Caf\xe9\n", "line 1: is not UTF-8 text"),
        (b"\x89PNG\r\n\x1a\n\x00", "not"),
    ],
    ids=range(26),
)
def test_what_is_not_a_plan_says_so(write, text, says):
    path = write(text)
    message = refusal(path)
    assert str(path) in message
    assert says in message
    assert len(message) < 1000


def test_a_file_that_is_not_there_or_is_a_folder_says_so(tmp_path):
    assert "No such file" in refusal(tmp_path / "plan.yaml")
    assert "is a folder" in refusal(tmp_path)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "plan.yaml"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    assert "has 100 MB; a plan has at most 5 MB" in refusal(path)


def test_aliases_that_multiply_are_refused(write):
    text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    for n in range(1, 30):
        text += f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n"
    assert "more than 200,000 values, aliases included" in refusal(write(text))


def test_an_alias_of_itself_is_refused(write):
    assert "too many levels" in refusal(write("a: &a [*a]\n"))


@pytest.mark.parametrize("text", ["a: " + "[" * 5_000, "a: " + "[" * 5_000 + "]" * 5_000])
def test_deep_nesting_is_refused(write, text):
    message = refusal(write(text))
    assert "too many levels" in message or "is not YAML" in message


def test_a_number_of_ten_thousand_digits_is_refused(write):
    message = refusal(write(PLAN.replace("1_000", "9" * 10_000)))
    assert "line 6" in message
    assert len(message) < 1000


# Examples


def test_every_example_loads():
    for name in example_names():
        assert load_example(name).council
        assert example_file(name).is_file()


YEAR = "council: A\nyear: 2025/26\nservices: []\n"


def test_a_monitoring_document_is_no_plan(write):
    path = write(YEAR)
    assert refusal(path) == (
        f"{path}: looks like a monitoring document, not a plan; mtfs.load_monitoring loads it"
    )


@pytest.mark.parametrize("text", ["", "- a\n", "a: *b\n", "first_year: 2026/27\n" + YEAR, PLAN])
def test_what_is_not_a_monitoring_document_is_checked_as_a_plan(write, text):
    assert not holds_monitoring(write(text))
    assert holds_monitoring(write(YEAR))


@pytest.mark.parametrize("name", ["monitoring/rotherham_2018", "nottingham_2022"])
def test_an_example_of_monitoring_names_its_loader(name):
    document = name.removeprefix("monitoring/")
    with pytest.raises(MtfsError, match=rf"mtfs\.load_example_monitoring\('{document}'\) loads it"):
        load_example(name)


def test_an_unknown_example_names_the_nearest():
    with pytest.raises(MtfsError, match=r"no example is called 'leicestershire'\. Did you mean"):
        load_example("leicestershire")


# NetCDF


@settings(max_examples=10)
@given(plans())
def test_saving_and_loading_is_identity(tmp_path_factory, plan):
    ds = run(plan, n_draws=4)
    path = tmp_path_factory.mktemp("nc") / "gap.nc"
    assert save_gap(ds, path) == path
    again = load_gap(path)
    xr.testing.assert_identical(again, ds)
    assert {k: type(v) for k, v in again.attrs.items()} == {k: type(v) for k, v in ds.attrs.items()}
    assert plan_of(again) == plan
    for name in ds.variables:
        assert again[name].dtype.kind == ds[name].dtype.kind


def test_a_plan_with_long_notes_is_saved_whole(tmp_path):
    line = BUDGET | {
        "rationale": "because " * 20_000
    }  # HDF5 keeps attributes above 64 kB elsewhere
    ds = run(council(lines=[line]))
    again = load_gap(save_gap(ds, tmp_path / "gap.nc"))
    assert again.attrs["plan"] == ds.attrs["plan"]
    assert json.loads(again.attrs["plan"])["lines"][0]["rationale"] == "because " * 20_000


def test_a_plan_with_other_letters_is_saved_whole(tmp_path):
    ds = run(council(council="Sir Ynys Môn", lines=[BUDGET | {"name": "Ffyrdd £"}]))
    xr.testing.assert_identical(load_gap(save_gap(ds, tmp_path / "gap.nc")), ds)


def test_saving_replaces_an_old_file_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "gap.nc"
    path.write_text("old")
    save_gap(run(council(lines=[BUDGET])), path)
    assert [each.name for each in tmp_path.iterdir()] == ["gap.nc"]
    assert load_gap(path).attrs["council"] == "Anyshire"


def test_a_save_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "gap.nc"
    path.write_text("old")
    ds = run(council(lines=[BUDGET])).assign(odd=("draw", np.array([object(), object()])))
    with pytest.raises((TypeError, ValueError)):
        save_gap(ds, path)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["gap.nc"]


def test_only_projections_are_saved_and_loaded(tmp_path):
    with pytest.raises(MtfsError, match="expected a Dataset from"):
        save_gap(xr.Dataset({"gap": 1.0}), tmp_path / "gap.nc")
    with pytest.raises(MtfsError, match=r"the folder .* does not exist"):
        save_gap(run(council(lines=[BUDGET])), tmp_path / "nowhere" / "gap.nc")
    with pytest.raises(MtfsError, match="there is no such file"):
        load_gap(tmp_path / "gap.nc")
    with zipfile.ZipFile(tmp_path / "gap.nc", "w") as file:
        file.writestr("a", "b")
    with pytest.raises(MtfsError, match="is not a NetCDF file"):
        load_gap(tmp_path / "gap.nc")
    xr.Dataset({"x": 1.0}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(MtfsError, match="expected a Dataset from"):
        load_gap(tmp_path / "other.nc")


def test_the_plan_a_projection_carries_must_be_one():
    ds = run(council(lines=[BUDGET]))
    ds.attrs["plan"] = "{}"
    with pytest.raises(PlanError, match="'council' is missing"):
        plan_of(ds)
    ds.attrs["plan"] = "not json"
    with pytest.raises(MtfsError):
        plan_of(ds)
