"""A council's own overspends, shrunk to what many councils' say."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mtfs
from mtfs.calibrate import fit_overspend
from mtfs.drift import drift_evidence
from mtfs.vocabulary import MtfsError, year_labels


def by_year(values, first="2020/21"):
    return pd.Series(list(map(float, values)), list(year_labels(first, len(values))), dtype=float)


def fit(ratios, service="children", **options):
    budget = by_year([100] * len(ratios))
    return fit_overspend(
        budget, budget * ratios, service=service, source="outturn reports", **options
    )


EVIDENCE = drift_evidence("children")
CENTRE = math.log1p(EVIDENCE.centre)


def test_a_record_that_says_what_the_evidence_says_changes_nothing_but_the_spread():
    found = fit([1 + EVIDENCE.centre] * 4)
    assert found.predictive["median"].tolist() == pytest.approx([EVIDENCE.centre] * 4, abs=1e-9)
    assert found.own == pytest.approx(found.national)
    assert found.spread < EVIDENCE.spread


def test_one_year_by_hand():
    # level ~ N(centre, a), a the variance of the two medians; deviations AR(1) with k and s.d. s
    medians = [math.log1p(year.median.value) for year in EVIDENCE.years]
    a, k = np.var(medians, ddof=1), EVIDENCE.persistence
    log = math.log(1.3)
    found = fit([1.3], horizon=1)
    # given s, next year's mean is centre + (a + k s2) / (a + s2) (log - centre); s is averaged
    ends = [(a + k * s2) / (a + s2) for s2 in (1e-6, 1e6)]
    share = (found.predictive["mean"].iloc[0] - CENTRE) / (log - CENTRE)
    assert min(ends) < share < max(ends)
    assert found.own == pytest.approx(0.3)


def test_given_its_spread_the_level_is_the_textbooks():
    # no persistence and a spread known to the last digit: weight of n years = n a / (n a + s2)
    still = replace(EVIDENCE, repeat=replace(EVIDENCE.repeat, value=0.0))
    medians = [math.log1p(year.median.value) for year in still.years]
    a, n = np.var(medians, ddof=1), 4
    found = fit([1.05, 1.01, 1.09, 1.03], service=still)
    own = np.log([1.05, 1.01, 1.09, 1.03]).mean()
    share = (found.predictive["mean"].iloc[0] - CENTRE) / (own - CENTRE)
    s2 = found.spread**2
    assert share == pytest.approx(n * a / (n * a + s2), abs=0.02)
    assert found.weight == pytest.approx(n * a / (n * a + s2), abs=0.02)


def test_more_years_count_more_and_the_evidence_less():
    weights = [fit([1.02, 1.04] * n).weight for n in (1, 3, 10)]
    assert weights == sorted(weights)
    assert weights[-1] < 1


def test_later_years_lean_on_the_last_deviation_less():
    found = fit([1.05, 1.05, 1.25])
    assert found.predictive["mean"].is_monotonic_decreasing
    assert found.predictive["sd"].is_monotonic_increasing


def test_councils_drawn_as_the_model_says_lie_within_its_intervals():
    medians = [math.log1p(year.median.value) for year in EVIDENCE.years]
    a, k, rng, n = np.std(medians, ddof=1), EVIDENCE.persistence, np.random.default_rng(3), 400
    inside = []
    for _ in range(n):
        spread = EVIDENCE.spread * math.sqrt(4 / rng.chisquare(4))
        level, x, logs = CENTRE + a * rng.normal(), rng.normal(), []
        for _ in range(6):
            logs.append(level + spread * x)
            x = k * x + math.sqrt(1 - k**2) * rng.normal()
        held = fit(np.exp(logs[:5]), horizon=1).driver.interval[0]
        inside.append(held.low < math.expm1(logs[5]) < held.high)
    # a mixture over spreads is taken for one lognormal: within two points
    assert np.mean(inside) == pytest.approx(0.8, abs=4 * math.sqrt(0.16 / n) + 0.02)


def test_the_text_in_a_plan_drifts_so(tmp_path):
    found = fit([1.03, 1.05, 1.08, 1.02], first_year="2026/27")
    file = tmp_path / "plan.yaml"
    head = "council: Midshire\nfirst_year: 2026/27\nlines:\n"
    head += "- {kind: budget, name: children, base: 1.0e8, "
    file.write_text(head + "drift: children drift}\n" + found.text(), encoding="utf-8")
    plan = mtfs.load_plan(file)
    assert plan.drivers == (found.driver,)
    assert plan.register()[0]["source"] == found.source
    n = 20_000
    path = mtfs.project_gap(plan, n_draws=n, seed=1)["path"].sel(driver="children drift")
    logs = np.log1p(path)
    sd = found.predictive["sd"].to_numpy()
    assert logs.mean("draw").to_numpy() == pytest.approx(
        found.predictive["mean"].to_numpy(), abs=float(4 * sd.max() / math.sqrt(n)) + 2e-5
    )
    assert logs.std("draw").to_numpy() == pytest.approx(sd, rel=4 / math.sqrt(2 * n) + 2e-3)


def test_years_that_are_missing_are_waited_through():
    budget = by_year([100, 100, 100, 100]).drop("2021/22")
    found = fit_overspend(budget, budget * 1.2, service="children", source="x")
    assert list(found.record.index) == ["2020/21", "2022/23", "2023/24"]
    assert found.predictive.index[0] == "2024/25"
    assert found.driver.planned == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"service": "childrn"}, "Did you mean 'children'"),
        ({"outturn": by_year([1, 2], "2021/22")}, "different years, such as 2020/21"),
        ({"outturn": by_year([1, 0])}, "outturn, 2021/22: 0; expected an amount above 0"),
        ({"budget": by_year([]), "outturn": by_year([])}, "no year was given"),
        ({"service": None}, "service is None; expected 'children', 'adults', or evidence"),
        (
            {"outturn": by_year([105e3, 103e3])},
            "2020/21: .* 1.05e[+]03 times as much; expected both in",
        ),
        ({"outturn": by_year([5, 3])}, "0.05 times as much; .* not what it is over by"),
        ({"first_year": "2019/20"}, "the record ends in 2021/22"),
        ({"horizon": 11}, "at most 10 years"),
        (
            {"service": replace(EVIDENCE, years=EVIDENCE.years[:1])},
            "two years with different medians",
        ),
    ],
)
def test_wrong_input_is_refused(change, message):
    held = {"budget": by_year([100, 100]), "outturn": by_year([105, 103]), "service": "children"}
    held |= change
    with pytest.raises(MtfsError, match=message):
        fit_overspend(held.pop("budget"), held.pop("outturn"), source="x", **held)
