import numpy as np
import pytest
from scipy import stats

from mtfs.flows.estimation import CellRates, Margin, fit_cells
from mtfs.flows.uniforms import keyed
from mtfs.vocabulary import PlanError

KEYS = keyed(np.arange(4000).astype(np.uint64), 1)
LEVEL = (Margin(axes=(), sd=3.0),)


def exact_total(found, weights):
    """Draw a weighted total from the posterior of one shared effect, by brute force."""
    grid = np.linspace(-4, 4, 4001)
    counts, over, a = found.counts.array, found.exposure.array, found.strength
    expected = over[:, None] * np.exp(grid)
    log = stats.nbinom.logpmf(counts[:, None], a, a / (a + expected)).sum(axis=0)
    log += stats.norm.logpdf(grid, 0, 3)
    rng = np.random.default_rng(1)
    chance = np.exp(log - log.max())
    effect = rng.choice(grid, 200_000, p=chance / chance.sum())
    gammas = rng.gamma(counts[:, None] + a, size=(len(counts), len(effect)))
    rates = gammas / (over[:, None] + a * np.exp(-effect))
    return (rates * weights[:, None]).sum(axis=0)


@pytest.mark.parametrize("counts", [[3, 0, 5, 1, 2], [30, 41, 26, 5, 12], [0, 0, 1, 0, 0]])
def test_the_posterior_of_a_total_is_that_of_brute_force(counts):
    over = np.array([4.0, 2.0, 5.0, 1.0, 3.0])
    found = fit_cells(np.array(counts, float), over, margins=LEVEL)
    drawn = (found.draw(KEYS) * over[:, None]).sum(axis=0)
    exact = exact_total(found, over)
    error = exact.std() / np.sqrt(len(KEYS))
    # Beside four standard errors, 3% of a standard deviation for Laplace's normal: 15% with one
    # event, of which the exact posterior is far from normal.
    slack = (0.15 if sum(counts) == 1 else 0.03) * exact.std()
    assert abs(drawn.mean() - exact.mean()) < 4 * error + slack
    for q in (0.1, 0.5, 0.9):
        assert abs(np.quantile(drawn, q) - np.quantile(exact, q)) < 8 * error + slack


def test_the_mean_is_that_of_the_draws():
    rng = np.random.default_rng(2)
    over = rng.gamma(1, 10, (4, 6))
    counts = rng.poisson(over * 0.5).astype(float)
    margins = (*LEVEL, Margin(axes=(0,), sd=1.0), Margin(axes=(1,), sd=1.0))
    found = fit_cells(counts, over, margins=margins)
    drawn = found.draw(KEYS)
    error = drawn.std(axis=-1) / np.sqrt(len(KEYS))
    assert (np.abs(found.mean() - drawn.mean(axis=-1)) < 4.5 * error).all()


def test_a_full_cell_goes_by_its_events_and_an_empty_one_by_its_margins():
    over = np.array([[100.0, 100.0], [100.0, 0.0]])
    counts = np.array([[400.0, 100.0], [200.0, 0.0]])
    margins = (*LEVEL, Margin(axes=(0,), sd=1.0), Margin(axes=(1,), sd=1.0))
    mean = fit_cells(counts, over, margins=margins).mean()
    np.testing.assert_allclose(mean[0], [4, 1], rtol=0.03)
    assert 0.4 < mean[1, 1] < 1.2  # 2 * 1 / 4 by the margins, drawn towards the rest by the prior


def test_cells_scatter_as_much_as_the_data_show():
    rng = np.random.default_rng(3)
    over = np.full(200, 50.0)
    for scatter in (0.1, 0.7):
        rates = rng.gamma(scatter**-2, scatter**2, 200)
        found = fit_cells(rng.poisson(rates * over).astype(float), over, margins=LEVEL)
        # The scatter of 200 cells has a relative standard error of 5%, and Poisson's of 0.14 on it.
        assert found.strength**-0.5 == pytest.approx(scatter, rel=0.25)


def test_twice_the_evidence_halves_the_variance():
    rng = np.random.default_rng(4)
    over = rng.gamma(1, 10, 20)
    counts = rng.poisson(over).astype(float)
    spread = []
    for times in (1, 2):
        found = fit_cells(times * counts, times * over, margins=LEVEL)
        total = (found.draw(KEYS) * over[:, None]).sum(axis=0)
        spread.append(total.std())
    assert spread[0] / spread[1] == pytest.approx(np.sqrt(2), rel=4 / np.sqrt(2 * len(KEYS)))


def test_pieces_that_do_not_fit_are_refused():
    found = fit_cells(np.array([3.0, 1.0]), np.array([4.0, 2.0]), margins=LEVEL)
    held = found.model_dump()
    with pytest.raises(PlanError, match="the margins make it"):
        CellRates(**held | {"effects": {"shape": (2,), "values": (0.0, 0.0)}})
    with pytest.raises(PlanError, match="'exposure' has shape"):
        CellRates(**held | {"exposure": {"shape": (1,), "values": (4.0,)}})
