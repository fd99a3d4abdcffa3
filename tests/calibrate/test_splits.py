"""Growth of spend is people, price and mix, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mtfs
from mtfs.calibrate import split_growth
from mtfs.vocabulary import MtfsError, year_labels

ABOVE_0 = st.floats(0.1, 1000)


def by_year(values, first="2014/15"):
    return pd.Series(list(map(float, values)), list(year_labels(first, len(values))))


@given(st.lists(st.tuples(ABOVE_0, ABOVE_0, ABOVE_0), min_size=2, max_size=6))
def test_parts_add_up_and_factors_multiply(rows):
    spend, people, prices = (by_year(column) for column in zip(*rows, strict=True))
    found = split_growth(spend, people, prices)
    parts = found.contribution[["people", "price", "mix"]].sum(axis=1)
    step = found.contribution["spend"]
    size = np.maximum(spend.to_numpy()[1:], spend.to_numpy()[:-1])
    factors = (1 + found.growth[["people", "price", "mix"]]).prod(axis=1)
    assert (np.abs(parts - step) <= 1e-9 * (size + found.contribution.abs().max(axis=1))).all()
    # a factor of 0.003 is stated as a growth of -0.997, which keeps fewer of its digits
    assert factors.to_numpy() == pytest.approx((1 + found.growth["spend"]).to_numpy(), rel=1e-7)


def test_a_step_by_hand():
    # people 10 -> 12, price 2 -> 3, mix 5 -> 5: 100 -> 180. People first 20, last 12 x ... = 30
    found = split_growth(by_year([100, 180]), by_year([10, 12]), by_year([2, 3]))
    row = found.contribution.iloc[0]
    assert row.tolist() == pytest.approx([(20 + 30) / 2, (50 + 60) / 2, 0, 80])


def test_residential_care_in_england_grew_by_price_and_mix():
    # GBP 1.6bn to 3.1bn and 10% more children, 2019/20 to 2023/24 (National Audit Office, Managing
    # children's residential care); CPI 108.24 to 131.68 (Office for National Statistics, D7BT)
    years = ["2019/20", "2023/24"]
    found = split_growth(
        pd.Series([1.6, 3.1], years), pd.Series([100.0, 110.0], years),
        pd.Series([108.24, 131.68], years),
    )  # fmt: skip
    yearly = (1 + found.growth.iloc[0]) ** 0.25 - 1
    assert yearly.round(3).tolist() == [0.024, 0.05, 0.097, 0.18]
    parts = found.contribution.iloc[0]
    assert parts.round(2).tolist() == [0.22, 0.45, 0.84, 1.5]
    assert not found.yearly
    with pytest.raises(MtfsError, match="do not stand in a row"):
        found.fit_drivers(names=("a", "b", "c"), source="x")


def history(n=16, seed=2):
    rng = np.random.default_rng(seed)
    people = 100 * np.cumprod(1 + rng.normal(0.02, 0.01, n))
    prices = np.cumprod(1 + rng.normal(0.03, 0.01, n))
    mix = np.cumprod(1 + rng.normal(0.04, 0.02, n))
    return tuple(map(by_year, (people * prices * mix, people, prices)))


def test_its_drivers_go_into_a_plan_together(tmp_path):
    found = split_growth(*history()).fit_drivers(
        names=("children", "cpi", "mix"), source="invented", first_year="2031/32"
    )
    text = (
        "council: Midshire\nfirst_year: 2031/32\nlines:\n"
        "- {kind: care, name: homes, service: children, people: 80, weekly_cost: 6000,"
        " people_growth: children, price_growth: cpi, mix_growth: mix}\n"
    )
    file = tmp_path / "plan.yaml"
    file.write_text(text + found.text(), encoding="utf-8")
    plan = mtfs.load_plan(file)
    assert plan.drivers == tuple(each.driver for each in found.drivers)
    assert plan.correlations == found.correlations.pairs
    path = mtfs.project_gap(plan, n_draws=20_000, seed=1)["path"]
    for pair in found.correlations.pairs:
        one, other = (path.sel(driver=name).isel(year=0) for name in pair.between)
        drawn = np.corrcoef(one, other)[0, 1]
        assert drawn == pytest.approx(pair.value, abs=4 / np.sqrt(20_000) + 0.01)  # t, by a copula


@pytest.mark.parametrize(
    ("place", "made", "message"),
    [
        (1, by_year([10, 11], "2015/16"), "people and spend have different years, such as 2014/15"),
        (2, by_year([1, 0]), "prices, 2015/16: 0; expected a number above 0"),
        (0, by_year([1, np.nan]), "spend, 2015/16: nan"),
    ],
)
def test_wrong_input_is_refused(place, made, message):
    held = [by_year([100, 120]), by_year([10, 11]), by_year([1, 1.1])]
    held[place] = made
    with pytest.raises(MtfsError, match=message):
        split_growth(*held)


def test_one_year_is_no_growth():
    with pytest.raises(MtfsError, match="found 1 year"):
        split_growth(by_year([1]), by_year([1]), by_year([1]))
