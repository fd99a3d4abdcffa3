"""Tests of a flow's result: its labels, the same numbers again, and care leavers."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from flow_models import AS_OF, FIRST, children, counted, flow, keys_of, resolved

import mtfs.flows.simulation
from mtfs import MtfsError
from mtfs.flows.levers import ExitLever, HomeLever
from mtfs.flows.model import Drift
from mtfs.flows.simulation import care_leavers, expected_people, simulate, tally
from mtfs.flows.states import YEAR_DAYS
from mtfs.flows.steps import Steps

NAMES = ("in-house", "residential", "supported 16+")
BANDS = (0, 1, 5, 10, 16, 18)


def council(**changes):
    """Make a council in which everything happens."""
    generator = np.random.default_rng(7)
    people = children(
        80,
        placement=generator.integers(0, 2, 80),
        age_days=generator.integers(1, 6560, 80),
        care_days=generator.integers(0, 900, 80),
    )
    parts = {
        "names": NAMES,
        "from_age": {"supported 16+": 16},
        "ages": BANDS,
        "durations": (0.0, 1.0),
        "groups": ("other", "UASC"),
        "people": [people],
        "exits": 0.5,
        "moves": 0.4,
        "entries": 6.0,
        "dispersion": 0.05,
        "drift": Drift(entries=0.1, exits=0.05),
        "leavers": (6600, 7000, 8000),
    }
    return flow(**(parts | changes))


HOME = HomeLever(name="Elm House", starts=date(2027, 1, 1), placement="residential", places=6)


def test_the_result_has_names_and_units():
    ds = simulate(council(), first_year=FIRST, horizon=3, levers=[HOME], n_draws=5, seed=4)
    assert dict(ds.sizes) == {
        "group": 2,
        "age": 5,
        "placement": 4,
        "draw": 5,
        "year": 3,
        "origin": 3,
        "destination": 3,
        "leaver_age": 2,
    }
    for name in ("people", "people_year_end", "entries", "exits", "turned_18"):
        assert ds[name].dims == ("group", "age", "placement", "draw", "year")
        assert ds[name].attrs["units"] == "children"
    assert ds["moves"].dims == ("origin", "destination", "draw", "year")
    assert ds["care_leavers"].dims == ("leaver_age", "draw", "year")
    assert ds["placement"].values.tolist() == [*NAMES, "Elm House"]
    assert ds["age"].values.tolist() == ["0", "1 to 4", "5 to 9", "10 to 15", "16 and 17"]
    assert ds["year"].values.tolist() == ["2026/27", "2027/28", "2028/29"]
    assert ds["lead"].values.tolist() == [1, 2, 3]
    assert str(ds["year_start"].values[1])[:10] == "2027-04-01"
    assert ds.attrs["seed"] == 4
    assert ds.attrs["as_of"] == "2026-03-31"
    assert "Anyshire" in ds.attrs["title"]


def test_the_result_holds_what_was_counted():
    model = council(drift=Drift())
    ds = simulate(model, first_year="2027/28", horizon=2, n_draws=50, seed=4)
    assert ds["year"].values.tolist() == ["2027/28", "2028/29"]
    longer = simulate(model, first_year=FIRST, horizon=3, n_draws=50, seed=4)
    for name in ds.data_vars:  # only the years wanted are kept
        assert (ds[name] == longer[name].sel(year=ds["year"])).all()
    change = longer["people_year_end"].diff("year").sum(["group", "age", "placement"])
    flows = longer["entries"] - longer["exits"] - longer["turned_18"]
    later = flows.sum(["group", "age", "placement"]).isel(year=slice(1, None))
    assert (change.values == later.values).all()


def test_a_flow_that_starts_within_a_year_is_carried_to_the_first_year():
    model = council(as_of=date(2025, 11, 12))
    ds = simulate(model, first_year=FIRST, horizon=1, n_draws=4, seed=1)
    assert ds["year"].values.tolist() == [FIRST]
    assert expected_people(model, first_year=FIRST, horizon=1)["people"].sizes["year"] == 1


def test_the_expected_table_is_the_mean_of_draws():
    model = council(drift=Drift())
    table = expected_people(model, first_year=FIRST, horizon=2, levers=[HOME])
    ds = simulate(model, first_year=FIRST, horizon=2, levers=[HOME], n_draws=400, seed=2)
    for name in ("people", "people_year_end"):
        assert table[name].dims == ("group", "age", "placement", "year")
        one, other = (each.sum(["group", "age"]) for each in (table[name], ds[name]))
        error = other.std("draw") / 20
        assert (np.abs(one - other.mean("draw")) < 4.5 * error + 0.05).all()
    assert table["placement"].values.tolist() == ds["placement"].values.tolist()


def test_entries_follow_the_child_population_and_no_others_change():
    years = ("2023/24", "2024/25", "2025/26", "2026/27", "2027/28")
    people = dict(zip(years, (100, 100, 100, 100, 300), strict=True))
    parts = {"entries": 30.0, "drift": Drift(), "dispersion": 0.0}
    models = [council(**parts), council(**parts, population=[{"age": "1 to 4", "people": people}])]
    level, rising = (
        simulate(model, first_year=FIRST, horizon=2, n_draws=400, seed=3)["entries"]
        for model in models
    )
    risen = {"group": "other", "age": "1 to 4", "year": "2027/28"}
    wanted = 3 * 30 * 366 / YEAR_DAYS
    mean = rising.sel(risen).sum("placement").mean().item()
    assert abs(mean - wanted) < 4.5 * (wanted / 400) ** 0.5
    others = rising.copy()
    others.loc[risen] = level.loc[risen]
    assert (others == level).all()
    closing = [expected_people(m, first_year=FIRST, horizon=2)["people_year_end"] for m in models]
    more = (closing[1] - closing[0]).sum(["group", "age", "placement"])
    assert more[0] == 0
    assert 40 < more[1] < 60  # who come evenly over the year, fewer those who leave


# The same numbers again


def same(one, other):
    """Tell whether two datasets hold the same to the last bit."""
    return all((one[name].values == other[name].values).all() for name in one.data_vars)


def test_the_same_seed_gives_the_same_bits_and_another_others():
    options = {"first_year": FIRST, "horizon": 2, "n_draws": 40}
    model = council()
    one = simulate(model, seed=3, **options)
    assert same(one, simulate(model, seed=3, **options))
    other = simulate(model, seed=5, **options)
    assert (one["entries"] != other["entries"]).any()
    assert not same(one, simulate(model, seed=3, name="elsewhere", **options))


def test_a_fresh_seed_is_recorded_and_gives_the_result_again():
    options = {"first_year": FIRST, "horizon": 1, "n_draws": 5}
    one = simulate(council(), **options)
    assert same(one, simulate(council(), seed=one.attrs["seed"], **options))


def test_the_first_draws_of_many_are_the_same_draws():
    options = {"first_year": FIRST, "horizon": 2, "levers": [HOME], "seed": 3}
    many = simulate(council(), n_draws=500, **options)
    few = simulate(council(), n_draws=100, **options)
    assert same(few, many.isel(draw=slice(100)))


def test_draws_do_not_depend_on_which_others_are_simulated_with_them(monkeypatch):
    model, steps = council(), Steps.between(AS_OF, "2027/28")
    keys = keys_of(90)
    whole = tally(model, resolved(model, (), steps, steps.years), steps, keys)
    monkeypatch.setattr(mtfs.flows.simulation, "CHUNK", 7)
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    cut = tally(model, resolved(model, (), steps, steps.years), steps, keys)
    turned = tally(model, resolved(model, (), steps, steps.years), steps, keys[::-1])
    for name in ("average", "closing", "entries", "exits", "adults", "moves", "adults_by_step"):
        assert (getattr(cut, name) == getattr(whole, name)).all()
        assert (getattr(turned, name)[..., ::-1] == getattr(whole, name)).all()


def test_another_process_gives_the_same_bits():
    code = (
        "from test_simulation import *\n"
        "ds = simulate(council(), first_year=FIRST, horizon=2, n_draws=20, seed=9)\n"
        "print(float((ds['people'] * np.arange(1, 21)[:, None]).sum()).hex())\n"
    )
    here = Path(__file__).parent
    there = subprocess.run(  # noqa: S603 - our own interpreter on our own text
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join([str(here), str(here.parent.parent)]),
            "PYTHONHASHSEED": "77",
        },
    ).stdout.strip()
    ds = simulate(council(), first_year=FIRST, horizon=2, n_draws=20, seed=9)
    assert there == float((ds["people"] * np.arange(1, 21)[:, None]).sum()).hex()


def test_draws_are_independent_of_one_another():
    stock = counted(council(drift=Drift()), n_draws=600)[0].closing.sum(axis=0)[0]
    assert abs(np.corrcoef(stock[:-1], stock[1:])[0, 1]) < 4 / 600**0.5


# Care leavers


def test_care_leavers_are_counted_from_18_to_25():
    # two known leavers, and one child who is 18 in the middle of July
    model = flow(
        people=[children(1, age_days=(AS_OF - date(2008, 7, 16)).days)],
        leavers=(int(20.5 * YEAR_DAYS), int(24.75 * YEAR_DAYS)),
    )
    ds = simulate(model, first_year=FIRST, horizon=4, n_draws=2, seed=1)
    young = ds["care_leavers"].sel(leaver_age="18 to 20").isel(draw=0).values
    older = ds["care_leavers"].sel(leaver_age="21 to 24").isel(draw=0).values
    assert young[1] == pytest.approx(1)  # of a year, whether or not it is a leap year
    turned = 1 - 106.5 / 365  # the step's middle, 15.5 July, is its day
    # the first leaver is 21 half a year on; the child is 21 in July 2029
    assert young == pytest.approx([0.5 + turned, 1, 1, 106 / 365], abs=0.004)
    assert older == pytest.approx([0.5 + 0.25, 1, 1, 1 + turned], abs=0.004)


def test_care_leavers_agree_with_a_count_day_by_day():
    model = flow(leavers=tuple(range(6580, 9100, 37)))
    steps = Steps.between(AS_OF, "2028/29")
    found = care_leavers(model, steps, np.zeros((steps.count, 1)))[..., 0]
    ages = (np.array(model.leavers)[:, None] + np.arange(steps.edges[-1]) + 0.5) / YEAR_DAYS
    for band, (low, high) in enumerate([(18, 21), (21, 25)]):
        inside = ((ages >= low) & (ages < high)).sum(axis=0)
        for year, (opening, close) in enumerate(steps.year_edges()):
            wanted = inside[int(opening) : int(close)].mean()
            assert found[band, year] == pytest.approx(wanted, abs=0.1)


# Wrong input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"first_year": "2025/26", "horizon": 2},
            "2025/26 begins before the flow starts, on 2026-04-01",
        ),
        ({"first_year": "2026"}, "2026"),
        ({"horizon": 0}, "horizon"),
        ({"n_draws": 0}, "n_draws"),
        ({"seed": -1}, "seed"),
        ({"step": "day"}, "'day'; expected 'month' or 'week'"),
        (
            {"levers": [ExitLever(name="a", starts=AS_OF, effect="reunification")]},
            "lever 'a', 'effect': 'reunification' is a driver of a plan; here effects are numbers",
        ),
    ],
)
def test_wrong_arguments_are_answered(options, message):
    wanted = {"first_year": FIRST, "horizon": 1, "n_draws": 2, "seed": 1} | options
    with pytest.raises(MtfsError, match=message):
        simulate(council(), **wanted)


def test_a_lever_needs_an_effect_for_every_year():
    lever = ExitLever(name="a", starts=AS_OF, effect=(0.1, 0.2))
    with pytest.raises(MtfsError, match="lever 'a', 'effect': holds 2 values; expected"):
        simulate(council(), first_year=FIRST, horizon=3, levers=[lever], n_draws=2, seed=1)


def test_an_empty_council_without_entries_stays_empty():
    ds = simulate(flow(), first_year=FIRST, horizon=2, n_draws=3, seed=1)
    for name in ds.data_vars:
        assert not ds[name].any()


def test_what_is_no_model_is_told_so():
    with pytest.raises(MtfsError, match=r"model is 'children\.nc'; expected what mtfs\.flows\.fit"):
        simulate("children.nc", first_year="2026/27")
