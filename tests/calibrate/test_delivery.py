"""Savings planned and achieved become delivery and its common factor."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mtfs
from mtfs.calibrate import fit_savings_delivery
from mtfs.calibrate.delivery import COMMON_SD, _likelihood
from mtfs.calibrate.predictive import regressed
from mtfs.lines.savings import COMMON_FACTOR, PROGRAMME
from mtfs.vocabulary import MtfsError, year_labels

# Brighton & Hove City Council, Savings Monitoring (General Fund), outturns, GBP thousand:
# year, directorate, planned, achieved gross, in-year pressures against it
BRIGHTON = [
    ("2022/23", "children", 2674, 2495, 1498),
    ("2022/23", "adults", 2353, 1783, 387),
    ("2022/23", "economy", 2730, 2491, 1361),
    ("2022/23", "housing", 1932, 1932, 135),
    ("2022/23", "governance", 495, 328, 0),
    ("2022/23", "corporate", 325, 325, 0),
    ("2023/24", "children", 1866, 1416, 0),
    ("2023/24", "adults", 4316, 3316, 0),
    ("2023/24", "economy", 4727, 3947, 609),
    ("2023/24", "housing", 1916, 898, 0),
    ("2023/24", "governance", 1186, 1098, 0),
    ("2023/24", "corporate", 162, 162, 0),
    ("2024/25", "children", 5879, 5801, 0),
    ("2024/25", "homes and adults", 6583, 5260, 328),
    ("2024/25", "city operations", 6071, 4726, 0),
    ("2024/25", "central hub", 2619, 2137, 0),
    ("2024/25", "centrally held", 2475, 1271, 0),
]
COLUMNS = ["year", "scheme", "planned", "achieved", "pressures"]


def brighton():
    return pd.DataFrame(BRIGHTON, columns=COLUMNS)


def table(shares, planned=100.0):
    """Shares by year and scheme, shape (year, scheme)."""
    shares = np.asarray(shares, float)
    years = year_labels("2000/01", len(shares))
    rows = [
        (year, f"scheme {n}", planned, planned * share)
        for year, row in zip(years, shares, strict=True)
        for n, share in enumerate(row)
    ]
    return pd.DataFrame(rows, columns=COLUMNS[:4])


def drawn(n_years, n_schemes, *, mean, sd, common, rng):
    size = mean * (1 - mean) / sd**2 - 1
    scores = math.sqrt(common) * rng.normal(size=(n_years, 1))
    scores = scores + math.sqrt(1 - common) * rng.normal(size=(n_years, n_schemes))
    return stats.beta.ppf(stats.norm.cdf(scores), mean * size, (1 - mean) * size)


def test_brighton_gives_the_record_that_ships():
    found = fit_savings_delivery(brighton(), source="Brighton & Hove")
    share = brighton()["achieved"] / brighton()["planned"]
    assert found.gross.mean == pytest.approx(share.mean())
    assert (round(found.gross.mean, 2), round(share.std(), 2)) == PROGRAMME
    assert found.whole == 3
    assert found.by_year["share"].round(4).tolist() == [0.8901, 0.7646, 0.8124]  # as it published


def test_net_is_kept_apart_from_gross():
    found = fit_savings_delivery(brighton(), source="Brighton & Hove")
    assert found.net.mean == pytest.approx(0.73, abs=0.005)
    assert fit_savings_delivery(brighton().drop(columns="pressures"), source="x").net is None
    assert found.delivery.mean == round(found.gross.mean, 3)
    assert "gross" in found.source


def test_by_size_large_schemes_count_more():
    held = table([[0.9, 0.5], [0.9, 0.5]])
    held.loc[held["scheme"] == "scheme 0", ["planned", "achieved"]] *= 3
    assert fit_savings_delivery(held, source="x").gross.mean == pytest.approx(0.7)
    by_size = fit_savings_delivery(held, source="x", weights="planned")
    assert by_size.gross.mean == pytest.approx(0.75 * 0.9 + 0.25 * 0.5)
    assert "by what was planned" in by_size.source


def test_mean_spread_and_standard_error_are_unbiased():
    rng, n = np.random.default_rng(1), 300
    held = [
        fit_savings_delivery(
            table(drawn(4, 6, mean=0.8, sd=0.12, common=0.3, rng=rng)), source="x"
        ).gross
        for _ in range(n)
    ]
    means = np.array([each.mean for each in held])
    assert means.mean() == pytest.approx(0.8, abs=4 * means.std() / math.sqrt(n))
    variance = np.array([each.sd**2 for each in held])
    # shares correlate a little less than their scores, and the shrunk factor is not quite 0.3
    assert variance.mean() == pytest.approx(
        0.12**2, rel=4 * variance.std() / 0.0144 / math.sqrt(n) + 0.03
    )
    squared_se = np.mean([each.mean_se**2 for each in held])
    # a variance from n normal means has relative error sqrt(2 / n)
    assert squared_se == pytest.approx(means.var(), rel=4 * math.sqrt(2 / n) + 0.05)


@pytest.mark.parametrize("common", [0.0, 0.5])
def test_many_years_tell_the_common_factor_and_few_do_not(common):
    rng = np.random.default_rng(7)
    many = table(drawn(300, 5, mean=0.7, sd=0.15, common=common, rng=rng)[:60])
    found = fit_savings_delivery(many, source="x").common
    low, high = found.record_interval
    assert low - 0.1 <= common <= high + 0.1
    assert abs(found.record - common) < abs(COMMON_FACTOR - common)
    few = fit_savings_delivery(
        table(drawn(2, 5, mean=0.7, sd=0.15, common=common, rng=rng)), source="x"
    ).common
    assert abs(few.value - COMMON_FACTOR) < COMMON_SD
    assert few.sd == pytest.approx(COMMON_SD, abs=0.03)


def test_the_likelihood_of_the_common_factor_is_that_of_the_whole_matrix():
    rng = np.random.default_rng(3)
    year, scores = np.array([0, 0, 1, 1, 1, 2, 0]), rng.normal(size=7)
    same, grid = np.equal.outer(year, year), np.array([0.0, 0.3, 0.8])
    slow = [
        regressed(scores, np.ones((7, 1)), np.where(same, c, 0.0) + (1 - c) * np.eye(7)).evidence
        for c in grid
    ]
    assert _likelihood(scores, year, grid) == pytest.approx(np.array(slow))


def test_one_year_leaves_the_common_factor_as_it_was_believed():
    found = fit_savings_delivery(table([[0.9, 0.7, 0.8, 0.5]]), source="x").common
    assert found.value == pytest.approx(COMMON_FACTOR, abs=0.01)
    assert found.sd == pytest.approx(COMMON_SD, abs=0.01)


def one_year():
    """Four schemes of one year, mean 0.75, squares round it 0.0125 on average.

    With a common factor of c the mean has (1 + 3 c) / 4 of the variance of a scheme.
    """
    found = fit_savings_delivery(table([[0.9, 0.7, 0.8, 0.6]]), source="x")
    mean_share = (1 + 3 * found.common.value) / 4
    return found, 0.0125 / (1 - mean_share), mean_share


def test_a_schemes_spread_holds_what_is_not_known_of_the_mean():
    found, variance, mean_share = one_year()
    assert found.delivery.sd == pytest.approx(math.sqrt(variance * (1 + mean_share)), abs=0.0006)
    assert found.delivery.sd > math.sqrt(variance) + 0.02


def test_schemes_share_what_is_not_known_of_the_mean():
    found, _, mean_share = one_year()
    together = (found.common.value + mean_share) / (1 + mean_share)
    assert found.savings_correlation == pytest.approx(together, abs=0.0006)
    assert found.savings_correlation > found.common.value + 0.1


def test_the_text_in_a_plan_delivers_so(tmp_path):
    found = fit_savings_delivery(brighton(), source="Brighton & Hove")
    levels = {"digital": [1e6, 1e6, 1e6, 1e6], "estates": [2e6, 2e6, 2e6, 2e6]}
    file = tmp_path / "plan.yaml"
    head = "council: Midshire\nfirst_year: 2026/27\n"
    head += "lines: [{kind: budget, name: roads, base: 1.0e7}]\n"
    file.write_text(head + found.text(levels), encoding="utf-8")
    plan = mtfs.load_plan(file)
    assert plan.savings_correlation == found.savings_correlation
    said = plan.register()[0]["source"]
    assert said == f"{found.source}; of what is missed 0.68 comes a year later, as elsewhere"
    n = 20_000
    first = mtfs.project_gap(plan, n_draws=n, seed=1)["saving_delivered"].isel(year=0)
    share = first.sel(scheme="digital") / 1e6
    sd = found.delivery.sd
    assert share.mean().item() == pytest.approx(found.delivery.mean, abs=4 * sd / math.sqrt(n))
    assert share.std().item() == pytest.approx(sd, rel=4 / math.sqrt(2 * n))
    other = first.sel(scheme="estates") / 2e6
    scores = [stats.norm.ppf(stats.rankdata(each) / (n + 1)) for each in (share, other)]
    drawn_together = np.corrcoef(*scores)[0, 1]
    assert drawn_together == pytest.approx(found.savings_correlation, abs=4 / math.sqrt(n))


def test_more_than_planned_is_refused_or_counted_as_all():
    held = table([[1.2, 0.7], [0.8, 0.5]])
    with pytest.raises(MtfsError, match=r"scheme 0, 2000/01: achieved 1\.2 of what was planned"):
        fit_savings_delivery(held, source="x")
    found = fit_savings_delivery(held, source="x", over_delivery="whole")
    assert found.gross.mean == pytest.approx((1 + 0.7 + 0.8 + 0.5) / 4)
    assert found.whole == 1


def changed(column, value, row=0):
    held = table([[0.9, 0.7], [0.8, 0.5]]).astype({"year": object})
    held.loc[row, column] = value
    return held


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ([1, 2], "found a list; expected a pandas.DataFrame"),
        (
            table([[0.9, 0.7], [0.8, 0.5]]).rename(columns={"planned": "plan"}),
            "no column 'planned'",
        ),
        (table([[0.9, 0.7]]), "2 rows; expected at least 4"),
        (changed("planned", 0.0), "scheme 0, 2000/01: planned is 0; expected a number above 0"),
        (changed("achieved", -1.0), "achieved is -1; expected a number 0 or above"),
        (changed("achieved", np.nan), "achieved is nan"),
        (changed("scheme", "scheme 1"), "scheme 1, 2000/01: given twice"),
        (changed("year", "2000"), "expected a financial year"),
        (table([[0.8, 0.8], [0.8, 0.8]]), "every row delivered 0.8"),
        (table([[1.0, 0.0], [1.0, 0.0]]), "almost all or nothing"),
        (table([[0.9, 0.7], [0.8, 0.5]]).astype({"planned": str}), "expected numbers"),
    ],
)
def test_wrong_tables_are_refused(held, message):
    with pytest.raises(MtfsError, match=message):
        fit_savings_delivery(held, source="x")


def test_wrong_options_are_refused():
    with pytest.raises(MtfsError, match="weights is 'size'"):
        fit_savings_delivery(brighton(), source="x", weights="size")
    with pytest.raises(MtfsError, match="no scheme was given"):
        fit_savings_delivery(brighton(), source="x").text({})


def test_what_a_record_misses_may_be_said_to_come_later_or_never():
    found = fit_savings_delivery(brighton(), source="Brighton & Hove")
    never = found.saving("digital", [1e6], slipped=0.0)
    assert never.slipped == 0
    assert never.source.endswith("of what is missed 0 comes a year later")
    assert "slipped: 0.3" in found.text({"digital": [1e6]}, slipped=0.3)
    with pytest.raises(MtfsError, match="GBP planned by year, by name, such as"):
        found.text([1e6])


def test_a_total_is_no_scheme():
    held = brighton()
    sums = held[held["year"] == "2023/24"][["planned", "achieved"]].sum()
    total = pd.DataFrame([{"year": "2023/24", "scheme": "TOTAL", **sums}])
    with pytest.raises(MtfsError, match=r"TOTAL, 2023/24: planned and achieved are the sums"):
        fit_savings_delivery(pd.concat([held, total]), source="Brighton & Hove")
