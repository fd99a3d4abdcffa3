"""What the documentation tells an analyst to write works as written."""

import re
from pathlib import Path

import pytest

import mtfs

ROOT = Path(__file__).parents[1]


def block(page, language="yaml"):
    """Give the first block of a language on a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)[1]


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/kinds.md"])
def test_the_plan_on_the_page_is_one(page, tmp_path):
    file = tmp_path / "plan.yaml"
    file.write_text(block(page), encoding="utf-8")
    ds = mtfs.project_gap(mtfs.load_plan(file), n_draws=64, seed=1)
    assert ds["gap"].notnull().all()


def blocks(page):
    """Give every YAML block on a page."""
    return re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


def test_every_plan_on_the_page_of_savings_works_and_adds_up(tmp_path):
    found = {}
    for number, text in enumerate(blocks("docs/how-to/savings.md")):
        file = tmp_path / f"{number}.yaml"
        lines = "" if "lines:" in text else "lines: [{kind: budget, name: roads, base: 1e6}]\n"
        file.write_text("council: Midshire\nfirst_year: 2026/27\n" + lines + text, encoding="utf-8")
        ds = mtfs.project_gap(mtfs.load_plan(file), n_draws=1, seed=1)
        found |= {str(name): ds.sel(scheme=name).isel(draw=0) for name in ds["scheme"].values}
    renewals = found["contract renewals"]
    assert renewals["saving_delivered"].values[:2] == pytest.approx([1.5e6, 1.5e6 + 0.9e6 + 1.5e6])
    planned = {
        name: (found[name]["planned_saving_delivered"] / 1e6).values.tolist()
        for name in ("edge of care", "transformation, not yet identified")
    }
    assert planned["edge of care"] == pytest.approx([0.3, 0.9, 1.2, 1.2])
    assert planned["transformation, not yet identified"] == pytest.approx([2, 4, 6, 6])


def test_the_page_of_kinds_shows_every_kind(tmp_path):
    file = tmp_path / "plan.yaml"
    file.write_text(block("docs/how-to/kinds.md"), encoding="utf-8")
    plan = mtfs.load_plan(file)
    shown = {part.kind for part in (*plan.lines, *plan.funding)}
    known = {
        kind
        for model in (*mtfs.lines.LINE_KINDS, *mtfs.lines.SOURCE_KINDS)
        for kind in mtfs.problems.kind_names(model)
    }
    assert shown == known


def test_the_page_on_monitoring_can_be_run(tmp_path):
    file = tmp_path / "year.yaml"
    file.write_text(block("docs/how-to/monitoring.md"), encoding="utf-8")
    held = mtfs.load_monitoring(file)
    assert (mtfs.outturn_table(mtfs.forecast_outturn(held, n_draws=64, seed=1))["P90"] > 0).any()
    growth = {"kind": "change", "name": "growth for children", "cause": "people", "levels": 3e6}
    growth |= {"service": "children"}
    plan = mtfs.Plan(council="Anyshire", first_year="2026/27", lines=[growth])
    cost = mtfs.project_gap(mtfs.rebase(plan, held), n_draws=1)["planned_cost"].isel(year=0)
    rows = [str(name) for name in cost["line"].values if "residential placements" in str(name)]
    assert float(cost.sel(line=rows).sum()) == pytest.approx(4.2e6)  # 7.2 - 3.0


def test_the_simplest_useful_plan_is_short():
    assert len(block("README.md").splitlines()) < 25


def test_the_plan_with_a_drift_on_the_page_is_one():
    held = {}
    exec(block("docs/how-to/uncertainty.md", "python"), held)  # noqa: S102 - our own page
    ds = mtfs.project_gap(held["plan"], n_draws=64, seed=1)
    assert (ds["pressure"].sel(cause="drift").std("draw") > 0).all()


def test_the_page_on_prevention_works_as_written(tmp_path, monkeypatch):
    (tmp_path / "plan.yaml").write_text(block("docs/how-to/prevention.md"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    held = {}
    exec(block("docs/how-to/prevention.md", "python"), held)  # noqa: S102 - our own page
    assert 0 < float(held["found"]["paid_back"][-1]) < 1


def test_the_page_on_pressures_works_as_written():
    held = {}
    exec(block("docs/how-to/pressures.md", "python"), held)  # noqa: S102 - our own page
    assert held["ds"]["growth"].notnull().all()


def test_the_page_on_goals_shows_what_the_code_on_it_prints(capsys):
    held = {}
    exec(block("docs/how-to/goals.md", "python"), held)  # noqa: S102 - our own page
    assert capsys.readouterr().out == block("docs/how-to/goals.md", "text")
    text = (ROOT / "docs/how-to/goals.md").read_text(encoding="utf-8")
    written = re.findall(r"```text\n(.*?)```", text, re.DOTALL)[1]
    targets = [re.split(r"  +", line)[0] for line in written.splitlines()]
    assert [str(mtfs.parse_target(target)) for target in targets][1:] == [
        "P(unfunded > 0, any year) <= 0.05",
        *targets[2:],
    ]


def test_the_page_on_sensitivity_works_as_written():
    page, held = "docs/how-to/sensitivity.md", {}
    text = (ROOT / page).read_text(encoding="utf-8")
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(code, held)  # noqa: S102 - our own page
    shown = [f"{each:.3f}" for each in held["found"]]
    assert [each for each in shown if each not in text] == []
    for row in held["table"].loc[["pay award", "cpi"]].to_numpy():
        assert " | ".join(f"{each:.2f}" for each in row) in text
    drawn = held["drawn"].loc["children in residential care, growth"].iloc[0]["2027/28"]
    assert drawn[["mean", "P10", "P90"]].round(2).tolist() == [1.92, 1.34, 2.56]
    swing = held["swings"].loc["children in residential care, growth"]
    assert swing[["base", "swing"]].round(1).tolist() == [98.0, 20.3]


def test_the_page_on_scenarios_works_as_written_and_its_figures_hold(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    page = "docs/how-to/scenarios.md"
    text = (ROOT / page).read_text(encoding="utf-8")
    held = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)), held)  # noqa: S102 - our own page
    file = tmp_path / "scenarios.yaml"
    file.write_text(block(page), encoding="utf-8")
    assert len(mtfs.load_scenarios(file, held["plan"]).scenarios) == 3
    for name, row in held["table"].iterrows():
        figures = [f"{row[key]:.1f}" for key in ("plan", "mean", "P10", "P90")]
        figures += [f"{row[f'difference_{key}']:.1f}" for key in ("plan", "mean", "P10", "P90")]
        figures += [f"{row[key]:.0%}" for key in ("better", "same")]
        assert f"| {name} | {' | '.join(figures)} |" in text
    paired, apart = held["spreads"]
    assert (round(paired, 1), round(apart)) == (0.7, 77)
    share = held["placed"]["percentile"].droplevel("year")
    assert [f"{each:.0%}" for each in share] == ["29%", "25%", "33%"]
    assert f"holds {share['10% worse'] - share['10% better']:.0%} of" in " ".join(text.split())
    assert f"{held['own']['percentile'].item():.0%}" == "29%"


def test_the_page_on_bridges_works_as_written_and_its_figures_are_those():
    held = {}
    text = (ROOT / "docs/how-to/bridge.md").read_text(encoding="utf-8")
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(code, held)  # noqa: S102 - our own page
    table = held["table"].round(1) + 0.0
    for row in re.findall(r"^\| (.+) \|$", text, re.MULTILINE)[1:]:
        name, *figures = row.split(" | ")
        found = table.loc[name, ["plan", "mean", "P10", "P90"]]
        assert found.tolist() == [float(figure) for figure in figures]
    assert held["own"].round(1).loc[
        ["children and families", "adult social care"], "mean"
    ].tolist() == [
        18.9,
        12.1,
    ]
    assert " ".join(held["found"].words.split()) in " ".join(text.split())


def test_no_module_bears_a_public_name():
    # `mtfs.rebase` would be the module, not the function, once anything had imported it
    modules = {path.stem for path in (ROOT / "mtfs").iterdir()}
    assert not modules & set(mtfs.__all__)


def numbers(page, row):
    """Give the numbers of a table's row on a page, by how the row starts."""
    text = (ROOT / page).read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith(f"| {row}"))
    return [float(cell.strip(" %")) for cell in line.split("|")[3:-1]]


def test_the_page_on_reserves_shows_what_is_found():
    page = "docs/how-to/reserves.md"
    for name, row in (
        ("nottinghamshire_2024", "Nottinghamshire"),
        ("leicestershire_2024", "Leicestershire"),
        ("nottingham_2025", "Nottingham City"),
    ):
        found = mtfs.reserve_adequacy(mtfs.load_example(name), policies=["none"], seed=1)
        table = mtfs.adequacy_table(found).loc["none"]
        shown = [
            round(table["opening"], 1),
            round(table["opening_needed"], 1),
            round(100 * table["exhausted"]),
            round(table["unfunded_mean"], 1),
            round(table["unfunded_shortfall"], 1),
            round(found["council_tax_percent"].item() / 1e6, 1),
            round(table["opening_needed_percent"]),
        ]
        assert numbers(page, row) == shown


def test_the_page_on_stress_shows_what_is_found():
    held = {}
    exec(block("docs/how-to/stress.md", "python"), held)  # noqa: S102 - our own page
    said = mtfs.stress_words(held["found"]).split()
    assert block("docs/how-to/stress.md", "text").split() == said
    text = (ROOT / "docs/how-to/stress.md").read_text(encoding="utf-8")
    assert f"{held['found']['form_chance'].item():.1%} here" in text
    own = mtfs.reverse_stress(held["plan"], "gap 2028/29 > 64m", seed=1)
    assert own["distance"].item() == 0
