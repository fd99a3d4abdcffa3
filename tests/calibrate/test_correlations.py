"""Correlations from joint history are shrunk, and always hold together."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mtfs
from mtfs.calibrate import fit_correlations
from mtfs.sampling import lower_factor
from mtfs.vocabulary import MtfsError, year_labels


def frame(values, names=None, first="2005/06"):
    values = np.asarray(values, float)
    names = names or [f"driver {n}" for n in range(values.shape[1])]
    return pd.DataFrame(values, list(year_labels(first, len(values))), names)


def drawn(n, matrix, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, len(matrix))) @ np.linalg.cholesky(matrix).T


def matrix_of(found, names):
    held = np.eye(len(names))
    for pair in found.pairs:
        i, j = (names.index(name) for name in pair.between)
        held[i, j] = held[j, i] = pair.value
    return held


def intensity_by_loops(values):
    """Schaefer and Strimmer's (2005) estimate, written out as in their appendix."""
    n, p = values.shape
    x = (values - values.mean(axis=0)) / values.std(axis=0, ddof=1)
    above = below = 0.0
    for i in range(p):
        for j in range(p):
            if i != j:
                w = [x[k, i] * x[k, j] for k in range(n)]
                mean = sum(w) / n
                above += n / (n - 1) ** 3 * sum((each - mean) ** 2 for each in w)
                below += (n / (n - 1) * mean) ** 2
    return min(1.0, above / below)


def test_the_intensity_is_schaefers_and_strimmers():
    rng = np.random.default_rng(5)
    rises = np.sort(rng.normal(size=12))
    swings = (-1.0) ** np.arange(12) + rng.normal(size=12) / 2 + rises / 2
    values = np.column_stack([rises, swings])  # one persists, one does not: all years count
    found = fit_correlations(frame(values), source="x")
    assert found.effective_years == 12
    assert found.intensity == pytest.approx(intensity_by_loops(values))


def test_a_long_history_gives_back_its_correlations():
    matrix = np.array([[1, 0.7, 0.0], [0.7, 1, -0.4], [0.0, -0.4, 1]])
    n = 95
    found = fit_correlations(frame(drawn(n, matrix, 3), first="1900/01"), source="x")
    shrunk = matrix_of(found, [f"driver {k}" for k in range(3)])
    errors = 4 * (1 - matrix**2) / math.sqrt(n - 1) + found.intensity + 5e-4
    assert (np.abs(shrunk - matrix)[~np.eye(3, dtype=bool)] < errors[~np.eye(3, dtype=bool)]).all()
    assert found.intensity < 0.15


def test_shrinking_lowers_the_error_of_few_years():
    matrix = np.full((4, 4), 0.3) + 0.7 * np.eye(4)
    names = [f"driver {k}" for k in range(4)]
    shrunk, sample = [], []
    for seed in range(60):
        found = fit_correlations(frame(drawn(8, matrix, seed)), source="x")
        off = ~np.eye(4, dtype=bool)
        shrunk.append(((matrix_of(found, names) - matrix)[off] ** 2).mean())
        sample.append(((found.table["sample"] - 0.3) ** 2).mean())
    better = np.array(sample) - np.array(shrunk)
    assert better.mean() > 3 * better.std() / math.sqrt(60)


@given(st.integers(5, 9), st.integers(2, 8), st.integers(0, 10_000))
def test_what_is_found_is_always_positive_definite(n, p, seed):
    values = np.random.default_rng(seed).normal(size=(n, p))
    found = fit_correlations(frame(values), source="x")
    lower_factor(matrix_of(found, list(frame(values).columns)))
    assert 0 <= found.intensity <= 1
    assert (found.table["value"].abs() < 1).all()


def test_series_that_persist_are_worth_fewer_years():
    rng = np.random.default_rng(1)
    walk = np.cumsum(rng.normal(size=(40, 2)), axis=0)
    assert fit_correlations(frame(walk), source="x").effective_years < 15
    assert fit_correlations(frame(rng.normal(size=(40, 2))), source="x").effective_years > 35


def test_the_standard_error_says_how_far_the_sample_strays():
    errors = []
    for seed in range(200):
        found = fit_correlations(frame(drawn(20, np.array([[1, 0.5], [0.5, 1]]), seed)), source="x")
        row = found.table.iloc[0]
        errors.append((row["sample"] - 0.5, row["se"]))
    errors = np.array(errors)
    spread = errors[:, 0].std()
    assert errors[:, 1].mean() == pytest.approx(spread, rel=4 / math.sqrt(400) + 0.05)


def test_the_text_goes_into_a_plan_with_its_source(tmp_path):
    values = drawn(15, np.array([[1, 0.6], [0.6, 1]]), 2) / 100
    found = fit_correlations(frame(values, ["cpi", "nlw"]), source="ONS and the Low Pay Commission")
    drivers = "".join(
        f"- {{name: {name}, central: 0.02, sd: 0.01, persistence: 0.5}}\n"
        for name in ("cpi", "nlw")
    )
    lines = "".join(
        f"- {{kind: budget, name: {name} line, base: 1.0e6, growth: {name}}}\n"
        for name in ("cpi", "nlw")
    )
    file = tmp_path / "plan.yaml"
    head = f"council: Midshire\nfirst_year: 2026/27\nlines:\n{lines}drivers:\n{drivers}"
    file.write_text(head + found.text(), encoding="utf-8")
    plan = mtfs.load_plan(file)
    assert plan.correlations == found.pairs
    assert found.text().startswith("# ONS and the Low Pay Commission; 2005/06 to 2019/20, 15 years")
    n = 20_000
    path = mtfs.project_gap(plan, n_draws=n, seed=3)["path"]
    for year in range(4):
        drawn_together = np.corrcoef(path.isel(year=year).transpose("driver", "draw"))[0, 1]
        assert drawn_together == pytest.approx(found.pairs[0].value, abs=4 / math.sqrt(n))


def test_missing_years_are_refused_or_dropped_for_all():
    values = np.random.default_rng(0).normal(size=(9, 2))
    values[3, 1] = np.nan
    with pytest.raises(MtfsError, match=r"driver 1, 2008/09: missing.*missing='drop'"):
        fit_correlations(frame(values), source="x")
    found = fit_correlations(frame(values), source="x", missing="drop")
    assert len(found.years) == 8
    assert "2008/09" not in found.years
    assert found.table["sample"].item() == pytest.approx(
        np.corrcoef(np.delete(values, 3, axis=0).T)[0, 1]
    )


RANDOM = np.random.default_rng(0).normal(size=(6, 2))


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (RANDOM, "found a ndarray; expected a pandas.DataFrame"),
        (frame(RANDOM[:, :1]), "found 1 columns; expected at least two drivers"),
        (frame(RANDOM[:4]), "known in 4 years; expected at least 5"),
        (frame(RANDOM, ["cpi", "cpi"]), "cpi: two columns bear one name"),
        (frame(RANDOM * [1, 0], ["cpi", "flat"]), "'flat' is the same in every year"),
        (frame(RANDOM[:, [0, 0]], ["cpi", "rpi"]), "'cpi' and 'rpi' are one series"),
        (frame(RANDOM * [1, np.inf]), "driver 1, 2005/06: infinite"),
        (frame(RANDOM).set_axis(range(6)), "driver 0: found year 0"),
    ],
)
def test_wrong_frames_are_refused(held, message):
    with pytest.raises(MtfsError, match=message):
        fit_correlations(held, source="x")


def test_wrong_handling_of_missing_years_is_refused():
    with pytest.raises(MtfsError, match="expected 'refuse' or 'drop'"):
        fit_correlations(frame(RANDOM), source="x", missing="pairwise")
