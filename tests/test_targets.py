"""Targets: the grammar, and what it measures."""

import re

import numpy as np
import pytest
from councils import YEARS, council, run
from hypothesis import given
from hypothesis import strategies as st

import mtfs
from mtfs import MtfsError
from mtfs.events import ANY, EVERY, QUANTITIES, Event, Quantity
from mtfs.targets import GRAMMAR, Chance, Mean, Quantile, Target, parse_event, parse_target

CANONICAL = {
    "P(gap 2028/29 <= 0) >= 0.8": "P(gap 2028/29 <= 0) >= 0.8",
    "P(reserves >= minimum, every year) >= 0.95": "P(reserves >= minimum, every year) >= 0.95",
    "Q90(gap 2028/29) <= 10m": "Q90(gap 2028/29) <= 10m",
    "P90(gap 2028/29) <= 10m": "Q90(gap 2028/29) <= 10m",  # as tables call it
    "E(gap 2027/28) <= 0": "E(gap 2027/28) <= 0",
    "mean(gap 2027/28) <= -0": "E(gap 2027/28) <= 0",
    "E(gap_after_one_offs 2028/29) <= 5.5m": "E(gap_after_one_offs 2028/29) <= 5.5m",
    "P(unfunded > 0, any year) <= 0.05": "P(unfunded > 0, any year) <= 0.05",
    "P(shortfall 2026/27 <= 1m)>=90%": "P(shortfall 2026/27 <= 1m) >= 0.9",
    "P(requirement, 2026/27 <= 1m)>=90%": None,
    "p( gap  every  year \u2264 GBP 10,000,000 ) \u2265 .8": "P(gap <= 10m, every year) >= 0.8",
    "P(fund 'general fund' >= minimum, every year) >= 0.95": (
        "P(fund 'general fund' >= minimum, every year) >= 0.95"
    ),
    "P(gap <= \u00a3-2.5m, 2026/27) > 12.5 %": "P(gap 2026/27 <= -2.5m) > 0.125",
    "Q2.5(funding 2026/27) > -GBP 1bn": "Q2.5(funding 2026/27) > -1000m",
    'E(fund "change fund" 2026/27) < 10k': "E(fund 'change fund' 2026/27) < 10k",
    "E(gap 2026/27) < 1.5e3": "E(gap 2026/27) < 1.5k",
}


@pytest.mark.parametrize(("text", "canonical"), CANONICAL.items())
def test_targets_as_analysts_write_them(text, canonical):
    if canonical is None:
        with pytest.raises(MtfsError, match="cannot be read"):
            parse_target(text)
    else:
        assert str(parse_target(text)) == canonical
        assert parse_target(parse_target(text)) == parse_target(canonical)


BOUNDS = st.floats(-1e13, 1e13)
RELATIONS = st.sampled_from(["<=", "<", ">=", ">"])
NAMES = st.from_regex(r"\A[A-Za-z0-9_][^\n\x00]{0,20}\Z")
SOME = st.one_of(
    st.sampled_from([*QUANTITIES, "reserves"]).map(Quantity),
    NAMES.map(lambda name: Quantity("fund", name)),
)
EVENTS = st.one_of(
    st.builds(Event, SOME, RELATIONS, BOUNDS, st.sampled_from([*YEARS, EVERY, ANY])),
    st.builds(
        Event,
        st.one_of(st.just(Quantity("reserves")), NAMES.map(lambda name: Quantity("fund", name))),
        RELATIONS,
        st.just("minimum"),
        st.sampled_from([*YEARS, EVERY, ANY]),
    ),
)
TARGETS = st.one_of(
    st.builds(Target, EVENTS.map(Chance), RELATIONS, st.floats(0, 1)),
    st.builds(
        Target,
        st.one_of(
            st.builds(
                Quantile,
                st.floats(0, 1, exclude_min=True, exclude_max=True),
                SOME,
                st.sampled_from(YEARS),
            ),
            st.builds(Mean, SOME, st.sampled_from(YEARS)),
        ),
        RELATIONS,
        BOUNDS,
    ),
)


@given(TARGETS)
def test_the_canonical_text_parses_to_the_same_target(target):
    assert parse_target(str(target)) == target
    assert str(parse_target(str(target))) == str(target)


@given(EVENTS)
def test_the_canonical_text_parses_to_the_same_event(event):
    assert parse_event(str(event)) == event
    assert parse_event(event) is event


@given(st.text(alphabet="PQE()<>=., 0123456789%/mgapfund'year", max_size=40))
def test_any_text_is_read_or_answered_with_our_own_error(text):
    try:
        found = parse_target(text)
    except MtfsError:
        return
    assert parse_target(str(found)) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("P(gap 2028/29 = 0) >= 0.8", r"character 15:\n  P\(gap.*\n {16}\^\nexpected <=, <, >= or"),
        ("P(gap 2028/29 <= 0", r"character 19:(.|\n)*expected \), a comma"),
        ("", r"character 1:(.|\n)*expected E\(, P\(, Q90\("),
        ("gap 2028/29 <= 0", r"character 1:(.|\n)*expected E\(, P\(, Q90\("),
        ("P(gap 2028/29 <= 0) >= 0.8 and more", "expected nothing more"),
        ("P(gap 2028/29 <= 10mn) >= 0.8", r"character 20"),
        ("E(gap 2028/29) >= minimum", "expected money such as 0, 10m"),
        ("E(gap 2028/29) <= 80%", r"character 21:(.|\n)*expected nothing more"),
        ("P(gap 2028/29 <= 0) >= most", "expected a probability such as 0.8 or 80%"),
    ],
)
def test_an_error_shows_where_what_was_expected_and_the_grammar(text, said):
    with pytest.raises(MtfsError, match=said) as error:
        parse_target(text)
    assert GRAMMAR in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "P(gap <= 0) >= 0.8",
            r"does not say when. Write one of\n  gap 2028/29 <= 0\n  gap <= 0, e",
        ),
        ("P(reserves >= minimum) >= 0.8", "reserves >= minimum, any year"),
        ("Q90(gap) <= 10m", "of one year; found no year"),
        ("E(gap every year) <= 0", "found 'every year'"),
        ("P(gaps 2028/29 <= 0) >= 0.8", "no quantity 'gaps'. Did you mean 'gap'?"),
        ("P(gap after one offs 2028/29 <= 0) >= 0.8", "Did you mean 'gap_after_one_offs'"),
        ("P(gap 2028/30 <= 0) >= 0.8", "found year '2028/30'; expected a financial year"),
        ("P(gap 2028-29 <= 0) >= 0.8", "found year '2028-29'; expected a financial year"),
        ("P(gap 2028/29 <= 0) >= 80", "the probability is 80; .*write 80% as 0.8"),
        ("Q100(gap 2028/29) <= 1m", "the quantile is 1; expected a share strictly between"),
        ("P(gap 2028/29 <= minimum) >= 0.8", "'minimum' goes with reserves or a fund"),
        ("P(gap 2028/29 <= 0, any year) >= 0.8", "says twice when it is: '2028/29' and 'any year'"),
        ("P(gap 2028/29 <= 1e14) >= 0.8", "expected money between"),
    ],
)
def test_what_can_be_read_and_not_meant_is_named(text, said):
    with pytest.raises(MtfsError, match=said):
        parse_target(text)


def test_what_is_no_text_is_answered():
    with pytest.raises(MtfsError, match=r"found 0\.8; expected the target as text"):
        parse_target(0.8)
    with pytest.raises(MtfsError, match="found relation 'about'"):
        Target(Mean(Quantity("gap"), YEARS[0]), "about", 1.0)


def uncertain(n_draws=4000):
    driver = {"name": "growth", "central": 3e6, "sd": 4e6, "persistence": 0.5}
    growth = {"kind": "change", "name": "growth", "cause": "people", "levels": "growth"}
    return run(council(drivers=[driver], lines=[growth]), n_draws=n_draws, keep="totals")


def test_a_measure_is_that_of_the_projection_with_its_error():
    ds = uncertain()
    last = ds["gap"].sel(year="2029/30").values
    share, error = parse_target("P(gap 2029/30 <= 1m) >= 0.8").measure(ds)
    assert share == (last <= 1e6).mean()
    assert error == pytest.approx(np.sqrt(share * (1 - share) / 4000))
    value, error = parse_target("Q90(gap 2029/30) <= 1m").measure(ds)
    both = mtfs.quantiles(ds, [0.9]).sel(year="2029/30").squeeze()
    assert (value, error) == (both.item(), both["standard_error"].item())
    value, error = parse_target("E(gap 2029/30) <= 1m").measure(ds)
    assert value == last.mean()
    assert error == pytest.approx(last.std(ddof=1) / np.sqrt(4000))
    assert np.isnan(parse_target("E(gap 2029/30) <= 1m").measure(uncertain(1))[1])


def test_a_year_the_plan_does_not_have_is_named():
    for text in ("E(gap 2039/40) <= 0", "Q5(gap 2039/40) <= 0", "P(gap 2039/40 <= 0) > 0.5"):
        with pytest.raises(MtfsError, match=r"no year '2039/40'\..*2026/27"):
            parse_target(text).measure(uncertain(2))


def test_meeting_a_target_and_how_near_it_comes():
    target = parse_target("Q90(gap 2029/30) <= 10m")
    assert target.met(10e6)
    assert not target.met(10e6 + 1)
    assert target.headroom(8e6) == 2e6
    assert target.shown(8.126e6) == "GBP 8.13m"
    chance = parse_target("P(gap 2029/30 <= 0) > 0.8")
    assert not chance.met(0.8)
    assert chance.headroom(0.75) == pytest.approx(-0.05)
    assert chance.shown(0.753) == "75.3%"
    assert (chance.difference(0.042), target.difference(4e5)) == ("4.2 points", "GBP 0.40m")


def test_no_money_is_written_as_less_than_nothing():
    assert parse_target("E(gap 2028/29) <= 0").shown(-1e-8) == "GBP 0.00m"
    assert parse_target("E(gap 2028/29) <= 0").shown(-1e4) == "GBP -0.01m"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "P(gap 2028/29 <= 10) >= 0.8",
            "found 10 without a unit: write 10m for millions, or GBP 10",
        ),
        ("E(gap 2028/29) <= -2.5", "found -2.5 without a unit: write -2.5m"),
    ],
)
def test_a_small_sum_without_a_unit_is_asked_about(text, said):
    with pytest.raises(mtfs.MtfsError, match=re.escape(said)):
        mtfs.parse_target(text)
    with_pounds = re.sub(r"<= (-?[\d.]+)", r"<= GBP \1", text)
    assert str(mtfs.parse_target(with_pounds)) == with_pounds
