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
    plan = mtfs.Plan(council="Anyshire", first_year="2026/27", lines=[growth])
    cost = mtfs.project_gap(mtfs.rebase(plan, held), n_draws=1)["planned_cost"].isel(year=0)
    rows = [str(name) for name in cost["line"].values if "residential placements" in str(name)]
    assert float(cost.sel(line=rows).sum()) == pytest.approx(4.4e6)  # 5.4 + 2.0 - 3.0


def test_the_simplest_useful_plan_is_short():
    assert len(block("README.md").splitlines()) < 25
