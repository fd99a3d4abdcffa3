from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from care_histories import GROUPING, PLACEMENTS, histories_of, truth

from mtfs.flows.arrivals import fit_arrivals
from mtfs.flows.fitting import fit_occurrences, rate_table
from mtfs.flows.known import KnownRates
from mtfs.flows.model import Drift, FlowModel
from mtfs.flows.rates import fit_rates
from mtfs.flows.simulation import simulate
from mtfs.flows.states import Table
from mtfs.flows.uniforms import keyed
from mtfs.vocabulary import MtfsError, PlanError


@pytest.fixture(scope="module")
def counted():
    return histories_of(truth(400, seed=5), 1, seed=6)[0].occurrences


@pytest.fixture(scope="module")
def model(counted):
    return fit_occurrences(counted, council="Northshire")


def changed(model, **fields):
    return FlowModel(**{name: getattr(model, name) for name in FlowModel.model_fields} | fields)


def test_a_flow_holds_who_is_there_and_what_was_learnt(counted, model):
    assert model.census.count == len(counted.people)
    assert str(model.start) == "2023-04-01"
    assert str(model.as_of) == "2026-03-31"
    assert model.rates == fit_rates(counted)
    assert model.arrivals == fit_arrivals(counted)
    assert model.drift == Drift()
    assert fit_occurrences(counted, drift=Drift(entries=0.1)).drift.entries == 0.1
    np.testing.assert_allclose(model.average.array, counted.average, atol=1e-6)
    assert f"{counted.moves.sum():,.0f} moves" in model.source
    text = repr(model)
    assert f"{len(counted.people)} in care" in text
    assert "entries a year" in text
    assert len(text) < 400


def test_a_flow_is_the_same_after_json(model):
    text = model.to_json()
    again = FlowModel.model_validate_json(text)
    assert again == model
    assert again.digest == model.digest
    assert len(text) < 100_000


def test_a_fitted_flow_runs(model):
    ds = simulate(model, first_year="2026/27", horizon=2, n_draws=100, seed=1)
    stock = ds["people"].sum(["group", "age", "placement"]).transpose("year", "draw")
    assert stock.shape == (2, 100)
    assert 300 < float(stock.mean()) < 500
    # Between draws lie chance and what is not known: more than chance alone would leave.
    assert float(stock.isel(year=1).std()) > 12


def test_entries_may_follow_a_child_population(counted, model):
    years = {"2023/24": 50_000, "2024/25": 49_000, "2025/26": 48_000, "2026/27": 98_000}
    found = fit_occurrences(counted, council="Northshire", population={"0": years})
    assert found.rates == model.rates
    assert found.arrivals == model.arrivals
    average = (366 * 50_000 + 365 * 49_000 + 365 * 48_000) / 1096
    assert found.by_population(["2026/27"])[0, 0, 0] == pytest.approx(98_000 / average)
    assert FlowModel.model_validate_json(found.to_json()) == found


def test_a_table_shows_what_was_seen_and_fitted(counted, model):
    table = rate_table(model)
    assert len(table) == GROUPING.allowed.sum()
    assert ("supported 16+", "10 to 15") not in table.index
    assert table["exits"].sum() == counted.exits.sum()
    assert table["moves"].sum() == counted.moves.sum()
    row = table.loc[("in-house foster", "10 to 15")]
    seen = counted.exits[:, 3, 0].sum(), counted.exposure[:, 3, 0].sum()
    assert row["person_years"] == pytest.approx(seen[1])
    raw = seen[0] / seen[1]
    assert abs(row["exits_a_year"] - raw) < raw / np.sqrt(seen[0])
    for name in ("exits", "moves"):
        assert (table[f"{name}_low"] < table[f"{name}_a_year"]).all()
        assert (table[f"{name}_a_year"] < table[f"{name}_high"]).all()
    wider = rate_table(model, prob=0.95)
    assert (wider["exits_high"] > table["exits_high"]).all()


def test_a_table_of_known_rates_is_refused(counted, model):
    mean = model.rates.mean()
    known = KnownRates(exits=Table.of(mean.exits[..., 0]), moves=Table.of(mean.moves[..., 0]))
    with pytest.raises(MtfsError, match="taken as known"):
        rate_table(changed(model, rates=known))
    with pytest.raises(MtfsError, match="prob is 1"):
        rate_table(model, prob=1.0)


def without(counted, name):
    return replace(counted, **{name: 0 * getattr(counted, name)})


def test_a_window_with_nothing_to_learn_from_is_refused(counted):
    short = replace(counted, end=counted.start + pd.Timedelta(days=30))
    with pytest.raises(MtfsError, match=r"from 01 April 2023 to 01 May 2023 has 31 days; .* 90"):
        fit_occurrences(short)
    for name, says in [
        ("exposure", "nobody is in care"),
        ("exits", "there is no exit before 18"),
        ("moves", "there is no move between placements"),
    ]:
        with pytest.raises(MtfsError, match=says):
            fit_occurrences(without(counted, name))
    with pytest.raises(MtfsError, match="there is no entry"):
        fit_occurrences(replace(counted, entries=counted.entries.iloc[:0]))


def test_children_where_they_may_not_be_are_answered(counted):
    exposure = counted.exposure.copy()
    exposure[0, 3, 4, 0] = 0.25
    with pytest.raises(MtfsError, match=r"0.25 person-years are in 'supported 16\+'.* of 16"):
        fit_occurrences(replace(counted, exposure=exposure))


def test_rates_of_another_grouping_are_refused(counted, model):
    few = model.grouping.model_copy(update={"placements": model.grouping.placements[:-1]})
    with pytest.raises(PlanError, match="'average' has shape"):
        changed(model, grouping=few)
    arrivals = fit_arrivals(two_groups(counted))
    with pytest.raises(PlanError, match=r"'arrivals.level' has shape \(2, 5\)"):
        changed(model, arrivals=arrivals)


def two_groups(counted):
    """The same council with as many unaccompanied children, all 16 or 17 and in four placements."""
    late = np.zeros((1, 5, 1, 1))
    late[:, 4] = 0.1
    halves = {
        name: np.concatenate([each, each * (late if each.ndim == 4 else late[..., None])])
        for name in ("exposure", "exits", "moves")
        for each in [getattr(counted, name)]
    }
    halves["exits"], halves["moves"] = halves["exits"].round(), halves["moves"].round()
    older = counted.entries[counted.entries["age"] == 4].assign(group=1)
    return replace(
        counted,
        groups=("other", "UASC"),
        entries=pd.concat([counted.entries, older]).sort_values("date"),
        average=np.concatenate([counted.average, counted.average * late[..., 0]]),
        **halves,
    )


def test_unaccompanied_children_have_rates_and_entries_of_their_own(counted):
    both = two_groups(counted)
    fitted = fit_occurrences(both)
    assert fitted.groups == ("other", "UASC")
    assert len(fitted.rates.model_dump_json()) < 60_000
    level = fitted.arrivals.mean().level[..., 0]
    assert level[1, 4] > 20
    assert level[1, :4].sum() < 0.1
    keys = keyed(np.arange(200).astype(np.uint64), 3)
    drawn = fitted.rates.draw(keys)
    assert drawn.exits.shape == (2, 5, 7, 5, 200)
    assert (drawn.exits > 0).all()
    assert len(rate_table(fitted)) == 5 * len(PLACEMENTS) - 4
