"""The command, as a shell would call it."""

import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import mtfs
from mtfs import cli

PLAN = """\
council: Smallshire
first_year: 2026/27
drivers:
  - name: fee uplift
    central: 0.05
    sd: 0.02
    persistence: 0.5
lines:
  - kind: care
    name: home care
    people: 1200
    weekly_cost: 330
    price_growth: fee uplift
funding:
  - kind: council_tax
    name: council tax
    base_income: 20.6e6
    core_increase: 0.0299
reserves:
  funds:
    - name: general fund
      opening: 2e6
      general: true
      minimum: 1e6
  surplus_to: general fund
"""


@pytest.fixture
def plan(tmp_path):
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN, encoding="utf-8")
    return file


@pytest.fixture
def command(monkeypatch, capsys):
    """Call the command; give its exit code, output and errors."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["mtfs", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = capsys.readouterr()
        return stop.value.code or 0, said.out, said.err

    return call


def test_run_tabulates_the_gap_and_both_policies_and_writes_its_files(command, plan, tmp_path):
    nc, png = tmp_path / "gap.nc", tmp_path / "gap.png"
    code, out, err = command("run", plan, "--draws", 500, "--seed", 1, "--output", nc, "--fan", png)
    assert code == 0, err
    assert "Smallshire: 500 draws, seed 1" in out
    for words in ("plan is enough", "P10", "shortfall to date", "general fund below", "none"):
        assert words in out
    ds = mtfs.load_gap(nc)
    again = mtfs.project_gap(mtfs.load_plan(plan), n_draws=500, seed=1)
    xr.testing.assert_identical(ds.drop_attrs(deep=False), again.drop_attrs(deep=False))
    assert png.read_bytes()[:4] == b"\x89PNG"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["gap.nc", "gap.png", "plan.yaml"]


def test_run_takes_another_stage_of_the_gap(command, plan):
    code, out, _ = command("run", plan, "--draws", 50, "--variable", "gap_before_savings")
    assert code == 0
    assert "gap before savings" in out


def test_check_lists_every_problem_with_its_line_and_exits_1(command, plan):
    text = PLAN.replace("price_growth: fee uplift", "price_growth: fee upliftt")
    text = text.replace("330", "£5.8k").replace("general: true", "generall: true")
    plan.write_text(text, encoding="utf-8")
    code, _, err = command("check", plan)
    assert code == 1
    assert "line 12, lines[0] 'home care', weekly_cost" in err
    assert "write 5800" in err
    assert "line 13" in err
    assert "Did you mean 'fee uplift'?" in err
    assert "line 23" in err
    assert "Did you mean 'general'?" in err


def test_check_of_a_good_plan_says_so_and_shows_what_is_implausible(command, plan):
    assert command("check", plan)[:2] == (0, "the plan can be used\n")
    plan.write_text(PLAN.replace("0.0299", "0.6"), encoding="utf-8")
    code, out, err = command("check", plan)
    assert code == 0
    assert out == "the plan can be used, with warnings: 1\n"
    assert "warning" in err
    assert "grows by 60%" in err


def test_run_with_a_typo_is_an_error_and_no_traceback_and_writes_nothing(command, plan, tmp_path):
    plan.write_text(PLAN.replace("central", "centrall"), encoding="utf-8")
    code, out, err = command("run", plan, "--output", tmp_path / "gap.nc")
    assert (code, out) == (1, "")
    assert "Did you mean 'central'?" in err
    assert "Traceback" not in err
    assert not (tmp_path / "gap.nc").exists()


def test_run_shows_warnings_as_words(command, plan):
    plan.write_text(PLAN.replace("0.0299", "0.6"), encoding="utf-8")
    _, _, err = command("run", plan, "--draws", 10)
    assert err.startswith("warning: ")
    assert "PlanWarning" not in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "liecestershire_2024"), "Did you mean 'leicestershire_2024'?"),
        (("run", "nowhere.yaml"), "No such file"),
        (("example", "gateshead"), "Did you mean 'gateshead_20"),
        (("check", "nowhere.yaml"), "No such file"),
        (("outturn", "rotheram_2018"), "Did you mean 'rotherham_2018'?"),
        (("outturn", "nowhere.yaml"), "No such file"),
        (("rebase", "gateshead_2020", "nowhere.yaml", "--output", "a.yaml"), "No such file"),
        (("rebase", "gateshead_2020", "rotherham_2018", "--output", "a.txt"), "ends in .yaml"),
        (("example", "monitoring/rotheram_2018"), "Did you mean 'rotherham_2018'?"),
    ],
)
def test_what_is_not_there_is_named(command, words, message):
    code, _, err = command(*words)
    assert code == 1
    assert message in err


def test_wrong_numbers_of_draws_are_refused(command, plan):
    code, _, err = command("run", plan, "--draws", 0)
    assert code == 1
    assert "at least 1" in err


@pytest.mark.parametrize(
    ("option", "name", "message"),
    [
        ("--output", "", "is a folder"),
        ("--output", "gap.xlsx", "ends in .nc"),
        ("--fan", "gap.foo", "ends in .pdf or .png or .svg"),
        ("--fan", "nowhere/gap.png", "does not exist"),
    ],
)
def test_what_could_not_be_written_is_refused_before_the_run(  # noqa: PLR0917 - two fixtures
    command, plan, tmp_path, option, name, message
):
    code, out, err = command("run", plan, option, tmp_path / name)
    assert (code, out) == (1, "")
    assert message in err


def test_the_plans_own_closure_policy_comes_first(command, plan):
    plan.write_text(PLAN + "  closure: {policy: respond}\n", encoding="utf-8")
    _, out, _ = command("run", plan, "--draws", 500, "--seed", 1)
    rows = [line for line in out.splitlines() if "shortfall to date" in line]
    assert len(rows) == 3
    assert "respond (this plan's)" in rows[0]


def test_schema_is_json_schema_with_the_plans_keys(command):
    code, out, _ = command("schema")
    assert code == 0
    found = json.loads(out)
    assert {"council", "lines", "drivers", "funding", "reserves"} <= found["properties"].keys()
    assert "people" in found["$defs"]["CareLine"]["properties"]


def test_schema_of_monitoring_says_what_its_keys_mean(command):
    code, out, _ = command("schema", "monitoring")
    assert code == 0
    found = json.loads(out)
    assert {"council", "year", "services", "waterfalls"} <= found["properties"].keys()
    assert "1 is April" in found["$defs"]["Forecast"]["properties"]["period"]["description"]


def test_example_lists_and_prints_plans_that_load(command, tmp_path):
    code, out, _ = command("example")
    assert code == 0
    assert "leicestershire_2024" in out.split()
    _, text, _ = command("example", "gateshead_2020")
    copy = tmp_path / "copy.yaml"
    copy.write_text(text, encoding="utf-8")
    assert mtfs.load_plan(copy) == mtfs.load_example("gateshead_2020")


def test_example_lists_and_prints_monitoring_documents_that_load(command, tmp_path):
    _, out, _ = command("example")
    assert "monitoring/rotherham_2018" in out.split()
    code, text, _ = command("example", "monitoring/rotherham_2018")
    assert code == 0
    copy = tmp_path / "copy.yaml"
    copy.write_text(text, encoding="utf-8")
    assert mtfs.load_monitoring(copy) == mtfs.load_example_monitoring("rotherham_2018")


@pytest.mark.parametrize("name", ["rotherham_2018", "monitoring/rotherham_2018"])
def test_outturn_prints_the_waterfall_and_the_forecast(command, name):
    code, out, err = command("outturn", name, "--draws", 500, "--seed", 1)
    assert code == 0, err
    assert "Rotherham Metropolitan Borough Council, 2018/19: 500 draws, seed 1" in out
    rows = {line.split("  ")[0].strip(): line for line in out.splitlines()}
    assert rows["savings achieved in adult social care"].split()[-3:] == [
        "-1.422",
        "7.224",
        "published",
    ]
    assert rows["net"].split() == ["net", "6.564", "published"]
    assert rows["target"].split() == ["target", "6.221", "published"]
    assert "illustrative" in rows["total"]
    table = mtfs.outturn_table(
        mtfs.forecast_outturn(mtfs.load_example_monitoring("rotherham_2018"), n_draws=500, seed=1)
    )
    row = table.loc["total"]
    assert f"{row['mean']:.1f} ({row['mean_se']:.2f})" in rows["total"]
    assert f"{row['overspends']:.0%}" in rows["total"]


def test_outturn_of_an_earlier_month_leaves_out_what_came_later(command):
    code, out, _ = command("outturn", "rotherham_2018", "--period", 6, "--draws", 50)
    assert code == 0
    assert "7.250" in out
    assert "target" not in out


YEAR = """\
council: Smallshire
year: 2025/26
services:
  - name: adults
    budget: 20e6
    forecasts:
      - {period: 9, variance: 1.5e6}
waterfalls:
  - name: adults
    service: adults
    period: 9
    gross: 1.9e6
    steps:
      - {name: public health, amount: 0.4e6, kind: support}
    net: 1.5e6
variances:
  - {name: fees, service: adults, cause: price, amount: 1.5e6, recurrent_share: adults}
"""


@pytest.fixture
def document(tmp_path):
    file = tmp_path / "year.yaml"
    file.write_text(YEAR, encoding="utf-8")
    return file


def test_outturn_says_what_it_added_back(command, document):
    code, out, err = command("outturn", document, "--draws", 50)
    assert code == 0, err
    assert "The total adds back GBP 0.400m of support from outside." in out


def test_rebase_writes_a_plan_that_loads(command, plan, document, tmp_path):
    new = tmp_path / "new.yaml"
    code, out, err = command("rebase", plan, document, "--output", new)
    assert code == 0, err
    assert "added line 'rebased: fees, recurrent'" in out
    expected = mtfs.rebase(mtfs.load_plan(plan), mtfs.load_monitoring(document))
    assert mtfs.load_plan(new) == expected


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("period: 9, variance: 1.5e6", "period: 13, variance: 1.5e6", "line 7"),
        ("gross: 1.9e6", "gross: 1.8e6", "out by GBP 0.1m"),
        ("service: adults\n", "service: adult\n", "Did you mean 'adults'"),
        ("year: 2025/26", "year: 2024/25", "expected a plan that starts in 2025/26"),
    ],
)
def test_a_wrong_document_is_an_error_and_writes_nothing(  # noqa: PLR0917 - three fixtures
    command, plan, document, tmp_path, old, new, message
):
    document.write_text(YEAR.replace(old, new), encoding="utf-8")
    target = tmp_path / "new.yaml"
    code, out, err = command("rebase", plan, document, "--output", target)
    assert (code, out) == (1, "")
    assert message in err
    assert "Traceback" not in err
    assert not target.exists()


def test_check_takes_a_monitoring_document_as_one(command, document):
    assert command("check", document) == (0, "the monitoring can be used\n", "")
    text = YEAR.replace("period: 9, variance: 1.5e6", "period: 13, variance: £1.5m")
    document.write_text(text.replace("gross", "gros"), encoding="utf-8")
    code, out, err = command("check", document)
    assert (code, out) == (1, "")
    lines = err.splitlines()
    assert lines[0].startswith(f"error: {document}, line 7, services[0] 'adults', forecasts[0]")
    assert any("line 12" in line and "Did you mean 'gross'?" in line for line in lines)
    assert lines[-1] == f"{len(lines) - 1} problems: the monitoring cannot be used"
    assert "funding" not in err


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("monitoring/rotherham_2018", "the monitoring can be used\n"),
        ("rotherham_2018", "the plan can be used\n"),
    ],
)
def test_check_takes_examples_of_both(command, name, says):
    assert command("check", name)[:2] == (0, says)


def test_swapped_arguments_are_named(command, plan, document, tmp_path):
    new = tmp_path / "new.yaml"
    code, _, err = command("rebase", document, plan, "--output", new)
    assert code == 1
    assert err == (
        f"error: {document} looks like a monitoring document, not a plan; give the plan first\n"
    )
    code, _, err = command("run", document)
    assert code == 1
    assert "not a plan; 'mtfs outturn' forecasts from those" in err
    code, _, err = command("outturn", plan)
    assert code == 1
    assert f"{plan}: looks like a plan, not a monitoring document" in err


def test_a_wrong_plan_is_not_taken_for_a_monitoring_document(command, plan, document, tmp_path):
    plan.write_text(PLAN.replace("central", "centrall"), encoding="utf-8")
    code, _, err = command("rebase", plan, document, "--output", tmp_path / "new.yaml")
    assert code == 1
    assert "Did you mean 'central'?" in err
    assert "give the plan first" not in err


def test_outturn_of_an_empty_file_expects_a_monitoring_document(command, tmp_path):
    file = tmp_path / "empty.yaml"
    file.write_text("", encoding="utf-8")
    code, _, err = command("outturn", file)
    assert code == 1
    assert "is empty; expected a monitoring document" in err


@pytest.mark.parametrize("period", [0, 13])
def test_a_month_is_from_april_to_march(command, document, period):
    code, _, err = command("outturn", document, "--period", period)
    assert code == 1
    assert f"period is {period}; expected a month from 1 (April) to 12 (March)" in err


def test_waterfalls_are_shown_beside_an_outturn(command, document):
    known = YEAR.replace("variance: 1.5e6}\n", "variance: 1.5e6}\n    outturn: {variance: 1.5e6}\n")
    document.write_text(known, encoding="utf-8")
    code, out, err = command("outturn", document, "--draws", 5)
    assert code == 0, err
    assert "adults, period 9, GBP m over budget" in out


def test_rebase_does_not_write_over_what_it_reads(command, plan, document):
    for file, what in ((plan, "plan"), (document, "monitoring document")):
        before = file.read_text(encoding="utf-8")
        other = file.parent / "." / file.name
        code, out, err = command("rebase", plan, document, "--output", other)
        assert (code, out) == (1, "")
        assert f"is the {what} itself; write to another file" in err
        assert file.read_text(encoding="utf-8") == before


def test_register_prints_sources(command):
    code, out, _ = command("register", "gateshead_2020")
    assert code == 0
    assert "source:" in out


def test_version_is_the_packages(command):
    assert command("version")[1].strip() == mtfs.__version__


def test_the_command_is_installed():
    found = subprocess.run(
        [sys.executable, "-c", "from mtfs.cli import main; main()", "version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == mtfs.__version__


def test_check_names_a_driver_that_moves_nothing(command, plan):
    text = plan.read_text(encoding="utf-8")
    driver = "  - {name: spare, central: 0.02, sd: 0.01, persistence: 0.5}\n"
    plan.write_text(text.replace("drivers:\n", "drivers:\n" + driver, 1), encoding="utf-8")
    code, out, err = command("check", plan)
    assert code == 0
    assert "'spare': moves nothing: no line, saving, funding or other driver follows it" in err
    assert "with warnings: 1" in out


NEXT_YEAR = PLAN.replace("first_year: 2026/27", "first_year: 2027/28").replace("1200", "1260")
SCENARIOS = """\
council: Smallshire
scenarios:
  - name: cheaper care
    changes:
      lines.home care.weekly_cost: 320.0
levers:
  - name: no decision
  - name: higher rise
    changes: {funding.council tax.core_increase: 0.0399}
states:
  - name: as planned
  - name: more people
    changes: {lines.home care.people: 1300.0}
"""


@pytest.fixture
def scenarios(tmp_path):
    file = tmp_path / "scenarios.yaml"
    file.write_text(SCENARIOS, encoding="utf-8")
    return file


def row(said, name):
    """Give the words of the first printed row that starts with a name."""
    return next(line for line in said.splitlines() if line.startswith(name)).split()


def test_bridge_leads_from_the_base_budget_to_the_gap(command, plan, tmp_path):
    picture = tmp_path / "bridge.png"
    options = ("--draws", 50, "--seed", 1)
    code, said, _ = command("bridge", plan, *options, "--year", "2027/28", "--picture", picture)
    assert code == 0
    base = 1200 * 330 * 365 / 7 / 1e6
    assert row(said, "base budget")[2] == f"{base - 20.6:.2f}"
    # the plan's price: 1.05 squared; 2027/28 has 366 days, and prices are split with the weeks
    grown = base * 1.05**2 * 366 / 365
    assert row(said, "gap")[1] == f"{grown - 20.6 * 1.0299**2:.2f}"
    assert picture.stat().st_size > 1000
    by_driver = command("bridge", plan, *options, "--by", "driver", "--start", "plan")[1]
    assert row(by_driver, "fee uplift")[2] == "0.00"  # in the plan nothing differs from it


def test_bridge_between_two_plans_says_what_changed(command, plan, tmp_path):
    later = tmp_path / "later.yaml"
    later.write_text(NEXT_YEAR, encoding="utf-8")
    code, said, _ = command("bridge", plan, "--to", later, "--draws", 50, "--seed", 1)
    assert code == 0
    for name in ("gap in the old plan", "roll-forward", "year added", "gap in the new plan"):
        assert name in said
    code, _, wrong = command("bridge", plan, "--year", "2040/41")
    assert code == 1
    assert "'2040/41' is not a year of the plan; it has 2026/27" in wrong


def test_explain_leads_from_drivers_to_pounds(command, plan):
    code, said, _ = command("explain", plan, "home care", "--draw", "plan", "--year", "2026/27")
    assert code == 0
    assert "1,200 people x GBP 330 a week x 1.05 price x 52.14 weeks = GBP 21.681m" in said
    assert "fee uplift" in command("explain", plan, "home care", "--draw", 3, "--draws", 5)[1]
    code, _, wrong = command("explain", plan, "home care", "--draw", "third")
    assert code == 1
    assert "--draw is 'third'; expected a number from 0, or 'plan'" in wrong
    code, _, wrong = command("explain", plan, "home cares")
    assert code == 1
    assert "Did you mean 'home care'?" in wrong


def test_sensitivity_shows_a_point_of_council_tax(command, plan):
    code, said, _ = command("sensitivity", plan, "--convention", "annual")
    assert code == 0
    first, both = (20.6 * (1.0399**n - 1.0299**n) for n in (1, 2))
    shown = row(said, "funding.council tax.core_increase")[5:7]
    assert shown == [f"{-first:.2f}", f"{first - both:.2f}"]


def test_what_matters_is_tabulated(command, plan, tmp_path):
    picture = tmp_path / "tornado.png"
    options = ("--draws", 200, "--seed", 1)
    code, said, _ = command("tornado", plan, *options, "--picture", picture)
    assert code == 0
    low, high = (float(row(said, "fee uplift")[n]) for n in (2, 4))
    assert low < 1.92 < high
    assert picture.exists()
    code, said, _ = command("variance", plan, *options)
    assert code == 0
    assert row(said, "fee uplift")[2] == "1.000"
    code, said, _ = command("variance", plan, *options, "--method", "sobol", "--by", "service")
    assert code == 0
    assert "first order" in said


def test_compare_sets_scenarios_and_a_grid_side_by_side(command, plan, scenarios):
    code, said, _ = command("compare", plan, scenarios, "--draws", 50, "--seed", 1)
    assert code == 0
    assert row(said, "cheaper care")[-2:] == ["100%", "0%"]
    assert "regret" in said
    assert "more people" in said
    wrong = scenarios.with_name("wrong.yaml")
    wrong.write_text(SCENARIOS.replace("weekly_cost: 320", "weekly_costs: 320"), encoding="utf-8")
    code, said, errors = command("compare", plan, wrong)
    assert (code, said) == (1, "")
    assert f"{wrong}, line 5" in errors
    assert "Did you mean 'weekly_cost'?" in errors


def test_goal_seek_writes_the_plan_it_finds(command, plan, tmp_path):
    found = tmp_path / "found.yaml"
    rise = ("--lever", "funding.council tax.core_increase", "--low", 0, "--high", 0.1)
    target = ("--target", "E(gap 2026/27) <= 0")
    options = ("--draws", 50, "--seed", 1, "--output", found)
    code, said, _ = command("goal-seek", plan, *rise, *target, *options)
    assert code == 0
    assert "Answer: " in said
    assert mtfs.load_plan(found).funding[0].core_increase > 0.0299
    found.unlink()
    hard = ("--target", "E(gap 2026/27) <= -10m")
    code, said, _ = command("goal-seek", plan, *rise, *hard, *options)
    assert code == 1
    assert "No value tried from 0 to 0.1 meets it" in said
    assert not found.exists()
    code, _, wrong = command("goal-seek", plan, *rise, "--target", "gap < 0", *options)
    assert code == 1
    assert "A target is one of" in wrong


def test_adequacy_and_stress_speak_of_reserves(command, plan):
    code, said, _ = command("adequacy", plan, "--draws", 100, "--seed", 1)
    assert code == 0
    assert row(said, "none")[1] == "2.0"
    code, said, _ = command("stress", plan, "unfunded > 0, any year", "--draws", 200, "--seed", 1)
    assert code == 0
    assert "happens in" in said
    code, _, wrong = command("stress", plan, "gaps > 0")
    assert code == 1
    assert "Did you mean 'gap'?" in wrong


LEVER = "levers: [{name: freeze, changes: {funding.council tax.core_increase: 0.0}}]\n"
STATE = "states: [{name: dear, changes: {drivers.fee uplift.central: 0.08}}]\n"
CASES = """\
scenarios:
  - name: "a 'hard' year: v. 2"
    changes: {drivers.fee uplift.central: 0.08}
"""


@pytest.mark.parametrize(("held", "lacks"), [(LEVER, "states"), (STATE, "levers")])
def test_half_a_grid_is_not_passed_over(command, plan, tmp_path, held, lacks):
    file = tmp_path / "scenarios.yaml"
    file.write_text(held, encoding="utf-8")
    code, out, err = command("compare", plan, file, "--draws", "100", "--seed", "1")
    assert (code, out) == (1, "")
    assert f"and no {lacks}, so that there is no grid to show: add {lacks}" in err
    file.write_text(CASES + held, encoding="utf-8")
    code, out, _ = command("compare", plan, file, "--draws", "100", "--seed", "1")
    assert code == 0
    assert "a 'hard' year: v. 2" in out
    assert f"and no {lacks}" in out


def test_an_event_is_told_in_words(command, plan):
    code, out, _ = command("stress", plan, "gap 2029/30 > 3m", "--draws", "100", "--seed", "1")
    assert code == 0
    assert "- fee uplift: " in out
    code, out, err = command("stress", plan, "gap > 3m", "--draws", "100", "--seed", "1")
    assert (code, out) == (1, "")
    assert "does not say when" in err


def test_the_command_is_the_package_run_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "mtfs", "example"], capture_output=True, text=True, check=True
    )
    assert "nottinghamshire_2024" in done.stdout.split()


@pytest.fixture
def history(tmp_path):
    """Three councils of twelve years, in a file with columns of its own names."""
    rng = np.random.default_rng(1)
    rows = ["area,ending,children"]
    for area, start in (("Hove", 300), ("Lewes", 500), ("Rye", 80)):
        levels = start * np.exp(np.cumsum(rng.normal(0.02, 0.05, 12)))
        rows += [f"{area},{2014 + n},{level:.0f}" for n, level in enumerate(levels)]
    file = tmp_path / "history.csv"
    file.write_text("\n".join(rows), encoding="utf-8")
    return file


COLUMNS = ("--council-column", "area", "--year-column", "ending", "--value-column", "children")


def test_forecast_prints_levels_and_a_driver_that_a_plan_takes(command, history, plan):
    own = ("--council", "Hove", "--driver", "fee uplift", "--first-year", "2026/27")
    own = (*own, "--draws", 300, "--seed", 1)
    code, out, err = command("forecast", history, *COLUMNS, "--year-is", "ending", *own)
    assert code == 0, err
    levels = mtfs.forecast_panel(
        mtfs.load_history(
            history, council="area", year="ending", value="children", year_is="ending"
        ),
        horizon=5,
        n_draws=300,
        seed=1,
    )
    low, middle, high = levels.sel(council="Hove", year="2028/29").quantile([0.1, 0.5, 0.9])
    (row,) = [line.split() for line in out.splitlines() if line.startswith("2028/29")]
    assert row[1:] == [f"{x:.0f}" for x in (low, middle, high)]
    text = PLAN[: PLAN.index("drivers:")] + out[out.index("drivers:") :]
    plan.write_text(text + PLAN[PLAN.index("lines:") :], encoding="utf-8")
    driver = mtfs.load_plan(plan).drivers[0]
    assert driver.shape == "student_t"
    assert "Hove: 2013/14 to 2024/25" in driver.source


def test_forecast_without_a_council_shows_all_of_them(command, history):
    given = ("--year-is", "ending", "--draws", 100, "--years", 2)
    code, out, _ = command("forecast", history, *COLUMNS, *given)
    assert code == 0
    assert "2024/25 and forecast for 2026/27 (100 draws, seed " in out
    assert all(f"\n{name} " in out for name in ("Hove", "Lewes", "Rye"))
    assert "drivers:" not in out


def test_backtest_shows_scores_beside_references_and_draws_coverage(command, history, tmp_path):
    png = tmp_path / "coverage.png"
    given = ("--year-is", "ending", "--first", "2020/21", "--draws", 60, "--seed", 1)
    code, out, err = command("backtest", history, *COLUMNS, *given, "--plot", png)
    assert code == 0, err
    assert "origins 2020/21 to 2023/24, 4 years ahead (60 draws, seed 1)" in out
    for name in ("panel", "naive", "drift", "national_drift"):
        assert f"\n{name} " in out
    assert "too narrow" in out
    assert png.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("forecast", "--council", "Hov"), "no council 'Hov'. Did you mean 'Hove'?"),
        (("forecast", "--driver", "need"), "--driver goes with --council"),
        (
            ("forecast", "--first-year", "2024/25"),
            "the history ends with 2024/25: expected a later",
        ),
        (("forecast", "--first-year", "2026"), "2026"),
        (("forecast", "--leave-out", "Hov"), "no council 'Hov'. Did you mean 'Hove'?"),
        (("forecast", "--with-gaps", "--gap", "Hove=2014/15"), "give one of them"),
        (("forecast", "--gap", "Hove"), "--gap is 'Hove'; expected such as Rutland=2012/13"),
        (("forecast", "--break", "Hove=2001/02"), "breaks, Hove: 2001/02 lies outside"),
        (("forecast", "--where", "basis"), "--where is 'basis'; expected such as basis=outturn"),
        (("backtest", "--first", "2030/31"), "--first is '2030/31'; the history runs from 2013/14"),
        (("backtest", "--first", "2020/21", "--last", "2015/16"), "no year to forecast from"),
        (("backtest", "--plot", "coverage.doc"), "expected a name that ends in .png or .svg"),
    ],
)
def test_what_does_not_fit_a_history_is_answered(command, history, words, said):
    given = ("--year-is", "ending", *words[1:])
    code, _, err = command(words[0], history, *COLUMNS, *given)
    assert code == 1
    assert said in err


def test_missing_years_are_gaps_where_that_is_said_and_councils_are_left_out(command, history):
    text = history.read_text(encoding="utf-8").splitlines()
    kept = [line for line in text if not line.startswith(("Hove,2018", "Rye,2025"))]
    history.write_text("\n".join(kept), encoding="utf-8")
    given = ("forecast", history, *COLUMNS, "--year-is", "ending", "--draws", 60)
    code, _, err = command(*given)
    assert code == 1
    assert "Hove, 2017/18; Rye, 2024/25: the level is missing" in err
    code, _, err = command(*given, "--with-gaps")
    assert code == 1
    assert "Rye: the level of 2024/25 is not known, and the forecast starts from it" in err
    code, out, err = command(*given, "--with-gaps", "--leave-out", "Rye")
    assert code == 0, err
    assert "not known: Hove, 2017/18\n" in out
    assert "\nLewes " in out
    assert "\nRye " not in out
    one = (*given, "--leave-out", "Rye", "--gap", "Hove=2017/18", "--seed", 1)
    other = (*given, "--leave-out", "Rye", "--with-gaps", "--seed", 1)
    assert command(*other)[1].endswith(command(*one)[1])
