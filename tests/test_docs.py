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
