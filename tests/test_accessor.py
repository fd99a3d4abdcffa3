"""``ds.mtfs`` and what ``import mtfs`` costs."""

import subprocess
import sys

import pytest
import xarray as xr

import mtfs

PLAN = {
    "council": "Smallshire",
    "first_year": "2026/27",
    "drivers": [{"name": "prices", "central": 0.05, "sd": 0.02, "persistence": 0.5}],
    "lines": [{"kind": "budget", "name": "roads", "base": 20e6, "growth": "prices"}],
}


def test_the_repr_shows_the_council_and_the_numbers_asked_for_first():
    text = repr(mtfs.project_gap(PLAN, n_draws=1000, seed=1).mtfs)
    assert "Smallshire" in text
    assert "1,000 draws, seed 1" in text
    for column in ("plan", "mean", "P10", "P50", "P90", "plan_enough", "2029/30"):
        assert column in text
    assert max(map(len, text.splitlines())) < 100


def test_the_repr_of_anything_else_says_so():
    assert repr(xr.Dataset().mtfs) == "<mtfs: not a projection>"


def test_a_result_gives_back_its_plan():
    ds = mtfs.project_gap(PLAN, n_draws=10, seed=1)
    assert ds.mtfs.plan == mtfs.Plan.model_validate(PLAN)


def test_import_is_light():
    heavy = [
        "scipy.stats",
        "scipy.signal",
        "statsmodels",
        "dask",
        "matplotlib",
        "pydantic",
        "typer",
    ]
    code = f"import sys, mtfs; print([m for m in {heavy!r} if m in sys.modules])"
    found = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_every_public_name_is_there_and_no_other():
    for name in mtfs.__all__:
        assert getattr(mtfs, name) is not None
        assert name in dir(mtfs)
    with pytest.raises(AttributeError, match="gap_of_doom"):
        _ = mtfs.gap_of_doom
