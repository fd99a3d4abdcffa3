import numpy as np
import pytest
from care_histories import GROUPING, YEARS, histories_of, truth

from mtfs.flows.known import Rates
from mtfs.flows.rates import FittedRates, fit_rates
from mtfs.flows.uniforms import keyed
from mtfs.vocabulary import PlanError

KEYS = keyed(np.arange(1000).astype(np.uint64), 7)


@pytest.fixture(scope="module")
def counted():
    return histories_of(truth(400, seed=1), 1, seed=2)[0].occurrences


@pytest.fixture(scope="module")
def fitted(counted):
    return fit_rates(counted)


def test_a_draw_depends_on_its_key_alone(fitted):
    every, some = fitted.draw(KEYS), fitted.draw(KEYS[::-1][:7])
    for name in ("exits", "moves"):
        whole = getattr(every, name)[..., ::-1][..., :7]
        assert np.array_equal(getattr(some, name), whole)


def test_only_moves_that_may_not_be_have_no_rate(fitted):
    drawn = fitted.draw(KEYS)
    assert (drawn.exits > 0).all()
    ages, placements, _ = GROUPING.shape
    for age, origin, destination in np.ndindex(ages, placements, placements):
        rate = drawn.moves[:, age, origin, :, destination]
        barred = origin == destination or (destination == 4 and age < 4)  # supported is from 16
        assert (rate == 0).all() if barred else (rate > 0).all()


def test_totals_are_as_sure_as_their_events_make_them(counted, fitted):
    drawn = fitted.draw(keyed(np.arange(4000).astype(np.uint64), 8))
    over = counted.exposure[..., None]
    for rates, events in [
        (drawn.exits, counted.exits.sum()),
        (drawn.moves.sum(axis=4), counted.moves.sum()),
    ]:
        total = (rates * over).sum(axis=(0, 1, 2, 3))
        sd = np.sqrt(events)
        # A standard deviation of 4,000 draws has a relative standard error of 1.1%; margins and
        # scatter add a few percent to Poisson's and may not take from it.
        assert total.mean() == pytest.approx(events, abs=0.25 * sd)
        assert 1 - 0.045 < total.std() / sd < 1.1


def test_the_mean_is_near_that_of_the_draws(fitted):
    drawn, mean = fitted.draw(KEYS), fitted.mean()
    error = drawn.exits.std(axis=-1) / np.sqrt(len(KEYS))
    assert (np.abs(mean.exits[..., 0] - drawn.exits.mean(axis=-1)) < 5 * error).all()
    # Shares are made to sum to 1 after their means are taken, which moves a few by some percent.
    by_state = drawn.moves.mean(axis=-1).sum(axis=(0, 3)), mean.moves[..., 0].sum(axis=(0, 3))
    np.testing.assert_allclose(by_state[1].sum(axis=-1), by_state[0].sum(axis=-1), rtol=0.05)


def test_a_posterior_is_small_when_written(fitted):
    text = fitted.model_dump_json()
    assert len(text) < 60_000
    assert FittedRates.model_validate_json(text) == fitted
    assert "exits" in repr(fitted)
    assert len(repr(fitted)) < 100


def test_pieces_of_other_shapes_are_refused(fitted):
    with pytest.raises(PlanError, match="'destinations' has shape"):
        FittedRates(**dict(fitted) | {"destinations": fitted.exits})


def aggregates(rates, over):
    """What decides four years of stock and cost, a year, shape (draw,) each."""
    exits, moves = rates.exits * over[..., None], rates.moves * over[..., None, None]
    found = {f"exits {p}": exits[:, :, p].sum(axis=(0, 1, 2)) for p in (0, 1, 2, 3)}
    return found | {
        "exits": exits.sum(axis=(0, 1, 2, 3)),
        "exits in the first half year": exits[..., 0, :].sum(axis=(0, 1, 2)),
        "exits at 10 to 15": exits[:, 3].sum(axis=(0, 1, 2)),
        "moves": moves.sum(axis=(0, 1, 2, 3, 4)),
        "residential to foster": moves[:, :, 3, :, :2].sum(axis=(0, 1, 2, 3)),
        "foster to residential": moves[:, :, :2, :, 3].sum(axis=(0, 1, 2, 3)),
        "to supported": moves[:, :, :, :, 4].sum(axis=(0, 1, 2, 3)),
    }


@pytest.mark.slow
@pytest.mark.parametrize("children", [100, 400, 1000])
def test_intervals_of_totals_cover_the_rates_that_made_the_history(children):
    histories = 40
    places = {}
    for seed in range(histories):
        known = truth(children, seed=seed)
        counted = histories_of(known, 1, seed=1000 + seed)[0].occurrences
        over = counted.exposure / YEARS
        drawn = aggregates(fit_rates(counted).draw(KEYS), over)
        true = aggregates(Rates(known.exits[None, ..., None], known.moves[None, ..., None]), over)
        for name, each in drawn.items():
            places.setdefault(name, []).append((each < true[name]).mean())
    found = np.array(list(places.values()))
    for prob in (0.8, 0.95):
        inside = np.abs(found - 0.5) < prob / 2
        error = np.sqrt(prob * (1 - prob) / histories)
        worst = min(places, key=lambda name: inside[list(places).index(name)].mean())
        # Eleven aggregates: by chance alone one in 700 such tests has one beyond 3.7 errors.
        assert (np.abs(inside.mean(axis=1) - prob) < 3.7 * error).all(), worst
        # Of their average, which is at least as sure as any of them.
        assert abs(inside.mean() - prob) < 3 * error
    # Truth lies evenly within the posterior: no lean to one side (s.d. of a uniform is 0.29).
    assert (np.abs(found.mean(axis=1) - 0.5) < 3.7 * 0.289 / np.sqrt(histories)).all()
