from dataclasses import fields

import numpy as np
import pytest
from panels import Truth, levels_of

from mtfs.calibrate.growth import (
    GrowthData,
    GrowthPosterior,
    _Chain,
    fit_growth,
    national_paths,
)
from mtfs.calibrate.priors import ENGLAND


def data_of(levels, covariates=None):
    growth = np.diff(np.log(levels), axis=1)
    if covariates is None:
        covariates = np.zeros((0, *growth.shape))
    return GrowthData(growth=growth, size=levels[:, :-1], covariates=covariates)


def fitted(truth, seed, councils=120, years=19, **options):
    rng = np.random.default_rng(seed)
    levels, national = levels_of(truth, rng, councils=councils, years=years)
    return fit_growth(data_of(levels), ENGLAND, np.random.default_rng(1), **options), national


def test_a_large_panel_gives_back_what_made_it():
    truth = Truth(spread=0.05, tails=5.0, persistence=0.2, size_share=0.6, likeness=8.0)
    found, national = fitted(truth, seed=3)
    for name, value in [
        ("spread", truth.spread),
        ("tails", truth.tails),
        ("persistence", truth.persistence),
        ("size_share", truth.size_share),
        ("likeness", truth.likeness),
    ]:
        drawn = getattr(found, name)
        assert abs(drawn.mean() - value) < 4 * drawn.std(), name
        assert drawn.std() < 0.35 * value, name  # and so says something
    error = found.national.mean(0) - national
    assert np.abs(error / found.national.std(0)).max() < 4
    assert found.national.std(0).max() < 0.01  # 120 councils of 5% tell a year to about 0.5%


def test_national_growth_of_many_quiet_councils_is_their_mean():
    growth = np.tile([0.01, 0.05, -0.02, 0.03], (60, 1))
    growth += 0.001 * np.random.default_rng(0).standard_normal(growth.shape)
    levels = 1000 * np.exp(np.cumsum(np.pad(growth, ((0, 0), (1, 0))), axis=1))
    found = fit_growth(data_of(levels), ENGLAND, np.random.default_rng(1))
    assert np.allclose(found.national.mean(0), growth.mean(0), atol=0.002)


def test_a_wild_year_of_one_council_hardly_moves_the_nation():
    rng = np.random.default_rng(8)
    levels, _ = levels_of(Truth(), rng, councils=40, years=10)
    wild = levels.copy()
    wild[0, 5] *= np.exp(2.8)  # and back the year after, as a misreported return
    calm, shaken = (
        fit_growth(data_of(each), ENGLAND, np.random.default_rng(1)) for each in (levels, wild)
    )
    moved = np.abs(calm.national.mean(0) - shaken.national.mean(0))
    assert moved.max() < 0.01  # the mean of growth would move by 2.8 / 40 = 0.07
    assert shaken.own_scale[:, 0].mean() > 1.2 * calm.own_scale[:, 0].mean()


def test_a_coefficient_is_learnt_from_a_covariate_that_differs_by_council():
    rng = np.random.default_rng(5)
    levels, _ = levels_of(Truth(spread=0.03), rng, councils=80, years=12)
    covariate = 0.05 * rng.standard_normal((80, 11))
    moved = levels * np.exp(np.pad(0.7 * np.cumsum(covariate, axis=1), ((0, 0), (1, 0))))
    found = fit_growth(data_of(moved, covariate[None]), ENGLAND, np.random.default_rng(1))
    drawn = found.coefficients[:, 0]
    assert abs(drawn.mean() - 0.7) < 4 * drawn.std()
    assert drawn.std() < 0.05


def test_a_coefficient_of_a_national_covariate_stays_uncertain():
    rng = np.random.default_rng(5)
    levels, _ = levels_of(Truth(), rng, councils=80, years=12)
    prices = np.broadcast_to(0.02 * rng.standard_normal(11), (1, 80, 11))
    found = fit_growth(data_of(levels, prices), ENGLAND, np.random.default_rng(1))
    assert 0.1 < found.coefficients.std() < 0.5  # eleven years, national shocks beside them


def test_proposals_are_taken_neither_always_nor_never():
    found, _ = fitted(Truth(), seed=2, councils=60, years=12)
    assert all(0.1 < rate < 0.95 for rate in found.accepted.values()), found.accepted


def test_the_nations_drift_is_believed_to_be_unknown_then_to_wander():
    prior = ENGLAND.model_copy(update={"drift_sd": 0.05})
    data = GrowthData(np.zeros((2, 3)), np.ones((2, 3)), np.zeros((0, 2, 3)))
    chain = _Chain(data, prior, np.random.default_rng(0))
    moves = np.log([0.02, 0.01])  # wander, shock
    steps = np.array([[0, 0, 0], [0, 1, 1], [0, 1, 2]])
    drift = 0.05**2 + 0.02**2 * steps
    assert np.allclose(chain.covariance(moves, drift_only=True), drift, rtol=1e-9)
    assert np.allclose(chain.covariance(moves), drift + 0.01**2 * np.eye(3), rtol=1e-9)


def test_the_nations_drift_goes_on_wandering_and_a_shock_does_not_stay():
    nothing = {field.name: np.zeros(1) for field in fields(GrowthPosterior)}
    known = {"drift": np.array([0.03]), "wander": np.array([1.0]), "shock": np.array([2.0])}
    posterior = GrowthPosterior(**nothing | known | {"national_tails": 1e6})
    n = 20_000
    growth = national_paths(posterior, np.zeros(n, int), 4, np.random.default_rng(1)).growth
    lead = np.arange(1, 5)
    expected = np.minimum.outer(lead, lead) + 2.0**2 * np.eye(4)
    error = np.sqrt((np.outer(expected.diagonal(), expected.diagonal()) + expected**2) / n)
    assert (np.abs(np.cov(growth) - expected) < 5 * error).all()
    assert (np.abs(growth.mean(1) - 0.03) < 5 * np.sqrt(expected.diagonal() / n)).all()


@pytest.mark.slow
@pytest.mark.parametrize("councils", [1, 8])
def test_ranks_of_the_truth_are_uniform_when_the_prior_is_true(councils):
    # Simulation-based calibration (Talts and others, 2018): parameters drawn from the prior, a
    # history from them, and the place of the truth among draws of the posterior.
    rng = np.random.default_rng(councils)
    histories, names = 50, ("wander", "shock", "spread", "tails", "persistence", "drift")
    places = {name: [] for name in names}
    for _ in range(histories):
        truth = Truth(
            drift=rng.normal(ENGLAND.drift, ENGLAND.drift_sd),
            wander=ENGLAND.wander * np.exp(ENGLAND.wander_range * rng.standard_normal()),
            shock=ENGLAND.shock * np.exp(ENGLAND.shock_range * rng.standard_normal()),
            spread=ENGLAND.spread * np.exp(ENGLAND.spread_range * rng.standard_normal()),
            tails=2 + (ENGLAND.tails - 2) * np.exp(ENGLAND.tails_range * rng.standard_normal()),
            likeness=ENGLAND.likeness * np.exp(ENGLAND.likeness_range * rng.standard_normal()),
            persistence=rng.normal(ENGLAND.persistence, ENGLAND.persistence_sd),
            size_share=0.0,
            own_drift=abs(rng.normal(0, ENGLAND.own_drift)),
        )
        levels, national = levels_of(truth, rng, councils=councils, years=8)
        data = data_of(levels)
        data = GrowthData(data.growth, np.ones_like(data.size), data.covariates)  # one size
        found = fit_growth(data, ENGLAND, np.random.default_rng(1), sweeps=250)
        for name in names[:-1]:
            places[name].append((getattr(found, name) < getattr(truth, name)).mean())
        places["drift"].append((found.national[:, -1] < national[-1]).mean())
    for name, each in places.items():
        # A uniform place has mean 1/2 and s.d. 0.289; its square's mean has s.d. 0.298.
        place = np.array(each)
        assert abs(place.mean() - 0.5) < 4 * 0.289 / histories**0.5, name
        assert abs((place**2).mean() - 1 / 3) < 4 * 0.298 / histories**0.5, name
        assert ((place > 0.1) & (place < 0.9)).mean() > 0.8 - 4 * 0.4 / histories**0.5, name
