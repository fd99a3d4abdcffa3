"""Reverse stress tests: the likeliest way to an event."""

import math

import numpy as np
import pytest
import xarray as xr
from councils import BUDGET, YEARS, council, run
from hypothesis import assume, given, settings
from scipy import optimize, stats
from strategies import plans

import mtfs
from mtfs import MtfsError
from mtfs.nearest import Search
from mtfs.targets import parse_event

NORMAL = stats.norm


def driver(name, sd, central=0.0, **more):
    return {"name": name, "central": central, "sd": sd, "persistence": 0} | more


def line(name, base=1e9):
    return {"kind": "budget", "name": name, "base": base, "growth": name}


def small(drivers, *, lines=None, horizon=1, **parts):
    """A council whose gap is the growth of budgets and nothing else."""
    lines = lines or [line(each["name"]) for each in drivers]
    base = sum(each.get("base", 0.0) for each in lines)
    parts = {"reserves": {"closure": {"policy": "none"}}} | parts
    return council(horizon=horizon, base_gap=-base, drivers=drivers, lines=lines, **parts)


def again(found):
    """Run the nearest point again, from its scores."""
    plan = mtfs.Plan.model_validate_json(found.attrs["plan"])
    scores = {}
    for name, once in zip(found["shock"].values, found["once"].values, strict=True):
        row = found["score_point"].sel(shock=name).values
        scores[str(name)] = row[:1] if once else row[:, None]
    return mtfs.project(plan, scores)


# Against what is known


def test_one_driver_by_hand():
    found = mtfs.reverse_stress(small([driver("a", 0.01)]), "gap 2026/27 > 20m", seed=1)
    # 1% of 1000m is 10m: two standard deviations
    assert found["distance"].item() == pytest.approx(2, rel=1e-5)
    assert found["path_point"].item() == pytest.approx(0.02, rel=1e-5)
    assert found["form_chance"].item() == pytest.approx(NORMAL.cdf(-2), rel=1e-4)
    assert found["outcome_point"].sel(quantity="gap").item() == pytest.approx(20e6, rel=1e-5)
    # among breaching draws: the mean of a normal beyond two
    mean = 0.01 * NORMAL.pdf(2) / NORMAL.cdf(-2)
    error = found["path_breach_se"].item()
    assert found["path_breach"].item() == pytest.approx(mean, abs=4 * error)
    assert found["deviation_point"].item() == pytest.approx(
        0.02 / found["path_sd"].item(), rel=1e-4
    )
    np.testing.assert_allclose(
        found["deviation_breach"],
        (found["path_breach"] - found["path_mean"]) / found["path_sd"],
    )


def test_a_linear_plan_has_its_analytic_design_point():
    sds = np.array([0.01, 0.02, 0.005])
    bases = np.array([1e9, 0.4e9, 2e9])
    drivers = [driver(f"d{n}", sd) for n, sd in enumerate(sds)]
    lines = [line(f"d{n}", base) for n, base in enumerate(bases)]
    found = mtfs.reverse_stress(small(drivers, lines=lines), "gap 2026/27 >= 25m", seed=1)
    pounds = bases * sds
    beta = 25e6 / np.linalg.norm(pounds)
    alpha = pounds / np.linalg.norm(pounds)
    assert found["distance"].item() == pytest.approx(beta, rel=1e-5)
    np.testing.assert_allclose(found["importance"], alpha**2, atol=1e-4)
    np.testing.assert_allclose(found["path_point"].squeeze(), beta * alpha * sds, rtol=1e-3)
    assert found["chance"].item() == pytest.approx(
        NORMAL.cdf(-beta), abs=4 * found["chance_se"].item()
    )
    assert found["form_chance"].item() == pytest.approx(NORMAL.cdf(-beta), rel=1e-4)


def test_correlated_drivers_stray_together():
    rho, sds = 0.6, np.array([0.01, 0.02])
    drivers = [driver(name, sd) for name, sd in zip("ab", sds, strict=True)]
    pair = {"between": ["a", "b"], "value": rho}
    lines = [line("a"), line("b", 0.2e9)]
    plan = small(drivers, lines=lines, correlations=[pair])
    found = mtfs.reverse_stress(plan, "gap 2026/27 >= 20m", seed=1)
    covariance = np.outer(sds, sds) * np.array([[1, rho], [rho, 1]])
    bases = np.array([1e9, 0.2e9])
    sd = math.sqrt(bases @ covariance @ bases)
    beta = 20e6 / sd
    assert found["distance"].item() == pytest.approx(beta, rel=1e-5)
    np.testing.assert_allclose(
        found["path_point"].squeeze(), beta * covariance @ bases / sd, rtol=1e-3
    )
    # in the linear Gaussian case the mean of breaching draws lies on the same ray, farther out
    ratio = NORMAL.pdf(beta) / NORMAL.cdf(-beta) / beta
    away = found["path_breach"].squeeze() - ratio * found["path_point"].squeeze()
    assert (abs(away) < 4.5 * found["path_breach_se"].squeeze()).all()


def test_a_lasting_shock_is_one_shock():
    plan = small([driver("a", 0.01, persistence=1)], horizon=3)
    found = mtfs.reverse_stress(plan, "gap 2028/29 > 60m", seed=1)
    # (1 + g)^3 = 1.06
    growth = 1.06 ** (1 / 3) - 1
    assert found["distance"].item() == pytest.approx(growth / 0.01, rel=1e-5)
    np.testing.assert_allclose(found["path_point"].squeeze(), growth, rtol=1e-4)


def test_of_any_year_the_nearest_is_found_and_of_every_year_the_corner():
    fresh = {"kind": "change", "name": "year", "cause": "x", "levels": "events"}
    shock = driver("events", [10e6, 20e6, 5e6])
    plan = small([shock], horizon=3, lines=[fresh])
    found = mtfs.reverse_stress(plan, "gap > 20m, any year", seed=1)
    assert found["distance"].item() == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(found["score_point"].squeeze(), [0, 1, 0], atol=1e-5)
    every = mtfs.reverse_stress(plan, "gap > 5m, every year", seed=1)
    assert every["distance"].item() == pytest.approx(math.hypot(0.5, 0.25, 1), rel=1e-4)
    np.testing.assert_allclose(every["score_point"].squeeze(), [0.5, 0.25, 1], atol=1e-3)


def test_reserves_run_out_where_the_gaps_exceed_them():
    funds = [{"name": "general", "opening": 30e6, "general": True, "minimum": 10e6}]
    reserves = {"funds": funds, "surplus_to": "general", "closure": {"policy": "none"}}
    plan = small([driver("a", 0.01)], reserves=reserves)
    out = mtfs.reverse_stress(plan, "unfunded > 0, any year", n_draws=20_000, seed=1)
    assert out["distance"].item() == pytest.approx(3, rel=1e-4)
    low = mtfs.reverse_stress(plan, "reserves < minimum, any year", seed=1)
    assert low["distance"].item() == pytest.approx(2, rel=1e-5)
    assert low["outcome_point"].sel(quantity="reserves").item() == pytest.approx(10e6, rel=1e-4)
    fund = mtfs.reverse_stress(plan, "fund 'general' < 10m, any year", seed=1)
    named = fund["outcome_point"].sel(quantity="fund 'general'")
    assert named.item() == pytest.approx(10e6, rel=1e-4)


def test_a_closure_that_fails_is_part_of_the_point():
    reserves = {
        "funds": [{"name": "general", "opening": 0.0}],
        "surplus_to": "general",
        "closure": {"policy": "plan", "delivery": {"mean": 0.8, "sd": 0.1}},
    }
    parts = {"reserves": reserves, "savings_correlation": 0.0}
    plan = council(horizon=1, base_gap=10e6, lines=[BUDGET | {"base": 0.0}], **parts)
    found = mtfs.reverse_stress(plan, "shortfall 2026/27 >= 4m", seed=1)
    assert found["shock"].values.tolist() == ["closure.delivery"]
    k = 0.8 * 0.2 / 0.1**2 - 1
    share = stats.beta(0.8 * k, 0.2 * k).cdf(0.6)
    assert found["distance"].item() == pytest.approx(-NORMAL.ppf(share), rel=1e-4)
    assert "'closure' is delivered worse" in mtfs.stress_words(found)


def test_a_saving_that_fails_is_part_of_the_point():
    scheme = {"name": "reviews", "levels": 10e6, "delivery": {"mean": 0.8, "sd": 0.1}}
    plan = council(
        horizon=1, base_gap=10e6, lines=[BUDGET], savings=[scheme], savings_correlation=0.0
    )
    found = mtfs.reverse_stress(plan, f"gap 2026/27 >= {4e6 + 1000:.0f}", seed=1)
    k = 0.8 * 0.2 / 0.1**2 - 1
    share = stats.beta(0.8 * k, 0.2 * k).cdf(0.6)
    assert found["distance"].item() == pytest.approx(-NORMAL.ppf(share), rel=1e-4)
    assert found["saving_point"].item() == pytest.approx(6e6, rel=1e-4)
    assert "'reviews': 60% of what is planned arrives by 2026/27, not 80%" in mtfs.stress_words(
        found
    )


RISK = {"kind": "risk", "name": "flood", "probability": 0.05, "impact": 20e6, "year": YEARS[0]}


def test_a_risk_alone_is_as_far_as_it_is_unlikely():
    plan = council(horizon=1, lines=[RISK])
    found = mtfs.reverse_stress(plan, "gap 2026/27 >= 20m", seed=1)
    assert found["distance"].item() == pytest.approx(-NORMAL.ppf(0.05))
    assert found["form_chance"].item() == pytest.approx(0.05)
    assert "'flood' happens" in mtfs.stress_words(found)


@pytest.mark.parametrize(("bound", "floods"), [(15e6, False), (35e6, True)])
def test_a_risk_happens_at_the_point_where_that_is_nearer(bound, floods):
    plan = small([driver("a", 0.01)], lines=[line("a"), RISK])
    found = mtfs.reverse_stress(plan, f"gap 2026/27 >= {bound:.0f}", seed=1)
    without = bound / 10e6
    with_it = math.hypot(NORMAL.ppf(0.05), (bound - 20e6) / 10e6)
    assert (with_it < without) == floods
    assert found["distance"].item() == pytest.approx(min(without, with_it), rel=1e-4)
    score = found["score_point"].sel(shock="flood.happens").item()
    assert (score < 0) == floods
    assert (found["start_distance"] >= found["distance"] - 1e-6).all()


def test_drivers_in_steps_are_held_in_a_state():
    states = [
        {"name": "ends", "probability": 0.3, "values": 20e6},
        {"name": "goes on", "probability": 0.7, "values": 0.0},
    ]
    settlement = {"name": "s", "shape": "discrete", "states": states, "persistence": 1}
    lines = [line("a"), {"kind": "change", "name": "grant", "cause": "x", "levels": "s"}]
    plan = small([driver("a", 0.01), settlement], lines=lines)
    found = mtfs.reverse_stress(plan, "gap 2026/27 >= 25m", seed=1)
    edge = NORMAL.ppf(0.7)  # states lie in the order of their values
    assert found["distance"].item() == pytest.approx(math.hypot(edge, 0.5), rel=1e-3)
    assert found["path_point"].sel(driver="s").item() == 20e6


# For every plan


@settings(max_examples=12)
@given(plans())
def test_the_point_breaches_and_no_draw_is_nearer(plan):
    ds = mtfs.project_gap(plan, n_draws=60, seed=1)
    gap = ds["gap"].isel(year=-1).values
    bound = float(np.quantile(gap, 0.8, method="inverted_cdf"))
    assume(gap.max() > bound > gap.min())
    event = parse_event(f"gap {plan.years[-1]} > {bound!r}")
    found = mtfs.reverse_stress(plan, event, n_draws=60, seed=1)
    point = again(found)
    assert event.happens(point).all()
    assert found["distance"].item() <= found["nearest_draw"].item() * (1 + 1e-6)
    assert found["start_distance"].min().item() == pytest.approx(found["distance"].item(), abs=1e-4)
    assert (found["path_point"] == point["path"].isel(draw=0)).all()
    happens = event.happens(ds)
    np.testing.assert_allclose(
        found["path_breach"], ds["path"].isel(draw=happens.values).mean("draw"), atol=1e-12
    )
    assert found["chance"].item() == happens.mean().item()
    if found["distance"].item() > 0:
        assert found["importance"].sum().item() == pytest.approx(1)
    assert str(event) in mtfs.stress_words(found)
    assert len(mtfs.stress_table(found)) == len(plan.drivers) * plan.horizon


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("nottinghamshire_2024", "gap 2028/29 > 100m"),
        ("leicestershire_2024", "reserves < minimum, any year"),
        ("nottingham_2025", "unfunded > 0, any year"),
    ],
)
def test_bundled_plans_find_a_point_that_breaches(name, event):
    found = mtfs.reverse_stress(mtfs.load_example(name), event, n_draws=2000, seed=1)
    assert parse_event(event).happens(again(found)).all()
    assert 0 < found["distance"].item() < found["nearest_draw"].item()
    # a plane is no bad picture of these events
    assert found["form_chance"].item() == pytest.approx(found["chance"].item(), rel=0.4)


def test_an_optimiser_that_knows_nothing_of_ours_finds_no_nearer_point():
    plan, text = mtfs.load_example("nottinghamshire_2024"), "gap 2028/29 > 150m"
    found = mtfs.reverse_stress(plan, text, n_draws=2000, seed=1)
    search = Search(plan, parse_event(text), {})
    rows = [found["score_point"].sel(shock=spec.name).values for spec in search.specs]
    point = np.concatenate(
        [row[:1] if spec.once else row for spec, row in zip(search.specs, rows, strict=True)]
    )
    free = np.flatnonzero(search.free)

    def margins(asked):
        points = np.repeat(point[:, None], asked.shape[1], axis=1)
        points[free] = asked
        return search.measure(points)[0][0] / 1e7

    def slopes(at):
        step = 1e-3 * np.eye(len(free))
        up, down = np.split(margins(np.hstack([at[:, None] + step, at[:, None] - step])), 2)
        return (up - down) / 2e-3

    start = np.random.default_rng(1).standard_normal(len(free))  # somewhere else
    best = optimize.minimize(
        lambda at: (at @ at, 2 * at),
        start,
        jac=True,
        method="SLSQP",
        constraints={"type": "ineq", "fun": lambda at: margins(at[:, None])[0], "jac": slopes},
        options={"ftol": 1e-9},
    )
    assert best.success
    assert found["distance"].item() == pytest.approx(math.sqrt(best.fun), rel=1e-4)


# Doors


def test_a_projection_is_run_again_on_its_own_draws():
    plan = small([driver("a", 0.01)])
    ds = mtfs.project_gap(plan, n_draws=300, seed=7, keep="totals")
    xr.testing.assert_identical(
        mtfs.reverse_stress(ds, "gap 2026/27 > 5m"),
        mtfs.reverse_stress(plan, "gap 2026/27 > 5m", n_draws=300, seed=7),
    )


def test_an_event_of_the_centre_needs_nothing_to_go_wrong():
    found = mtfs.reverse_stress(small([driver("a", 0.01)]), "gap 2026/27 > -5m", seed=1)
    assert found["distance"].item() == 0
    assert np.isnan(found["form_chance"].item())
    assert found["importance"].values.tolist() == [0]
    assert "happens already at the centre" in mtfs.stress_words(found)


def test_a_file_holds_it_and_words_can_be_made_of_it(tmp_path):
    found = mtfs.reverse_stress(small([driver("a", 0.01)]), "gap 2026/27 > 5m", seed=1)
    found.to_netcdf(tmp_path / "stress.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "stress.nc", engine="h5netcdf") as opened:
        assert mtfs.stress_words(opened.load()) == mtfs.stress_words(found)


def test_words_say_what_is_where():
    growth = driver("children's price", 0.02, 0.05, planned=0.04)
    found = mtfs.reverse_stress(small([growth]), "gap 2026/27 >= 90m", seed=1)
    expected = found["outcome_mean"].sel(quantity="gap").item() / 1e6
    outcome = f"where {expected:.1f}m is expected and 40.0m planned."
    assert mtfs.stress_words(found).splitlines()[2:] == [
        "- children's price: 9.0% instead of 5.0% (4.0% planned), +2.0 standard deviations;",
        f"Then gap in 2026/27 is GBP 90.0m, {outcome}",
    ]


def test_the_table_by_shock_puts_first_what_matters_most():
    drivers = [driver("a", 0.01), driver("b", 0.03)]
    found = mtfs.reverse_stress(small(drivers), "gap 2026/27 > 30m", seed=1)
    table = mtfs.stress_table(found, by="shock")
    assert table.index.tolist() == ["b", "a"]
    assert table["importance"].tolist() == pytest.approx([0.9, 0.1], abs=1e-3)
    assert (table["distance"] ** 2).sum() == pytest.approx(found["distance"].item() ** 2)


PLAN = small([driver("a", 0.01)])


@pytest.mark.parametrize(
    ("plan", "event", "options", "says"),
    [
        (PLAN, "gap 2026/27 over 5m", {}, r"cannot be read from character(.|\n)*An event is one"),
        (PLAN, "gap 2030/31 > 5m", {}, "no year '2030/31'"),
        (PLAN, "reserves < minimum, any year", {}, "holds no reserves"),
        (PLAN, "gap 2026/27 > 1bn", {}, "in none of 500 draws; .* Take more draws, or a milder"),
        (PLAN, "gap 2026/27 > -1bn", {}, "in all 500 draws: it is the central case"),
        (run(PLAN), "gap 2026/27 > 5m", {}, "leave 'n_draws' and 'seed' out"),
        (mtfs.project(PLAN, {"a": np.zeros((1, 2))}), "gap 2026/27 > 5m", {}, "given scores"),
        (council(lines=[BUDGET]), "gap 2026/27 > 5m", {}, "in none of 500 draws"),
    ],
    ids=range(8),
)
def test_a_wrong_argument_says_what_was_expected(plan, event, options, says):
    with pytest.raises(MtfsError, match=says):
        mtfs.reverse_stress(plan, event, n_draws=500, seed=1, **options)


def test_the_largest_value_seen_is_said():
    gap = run(PLAN, n_draws=500)["gap"] / 1e6
    with pytest.raises(MtfsError, match=f"largest value seen: GBP {gap.max().item():,.2f}m"):
        mtfs.reverse_stress(PLAN, "gap 2026/27 > 1bn", n_draws=500, seed=1)
    with pytest.raises(MtfsError, match=f"least value seen: GBP {gap.min().item():,.2f}m"):
        mtfs.reverse_stress(PLAN, "gap < -1bn, any year", n_draws=500, seed=1)
    with pytest.raises(
        MtfsError, match=f"stays GBP {1000 - gap.max().item():,.2f}m away from it\\."
    ):
        mtfs.reverse_stress(PLAN, "gap > 1bn, every year", n_draws=500, seed=1)


def test_tables_and_words_need_a_stress_test():
    for read in (mtfs.stress_table, mtfs.stress_words):
        with pytest.raises(MtfsError, match=r"from mtfs\.reverse_stress"):
            read(run(PLAN))
    found = mtfs.reverse_stress(PLAN, "gap 2026/27 > 5m", n_draws=100, seed=1)
    with pytest.raises(MtfsError, match="by is 'line'; expected 'driver' or 'shock'"):
        mtfs.stress_table(found, by="line")
    alone = mtfs.reverse_stress(
        council(horizon=1, lines=[RISK]), "gap 2026/27 > 5m", n_draws=100, seed=1
    )
    with pytest.raises(MtfsError, match="no drivers"):
        mtfs.stress_table(alone)


def test_one_year_is_not_said_to_be_a_stretch_of_years():
    plan = small([driver("growth", 0.02)], horizon=2)
    first, last = (
        mtfs.reverse_stress(plan, f"gap {year} > 30m", n_draws=500, seed=1) for year in YEARS[:2]
    )
    assert first.attrs["span"] == YEARS[0]
    assert f"at its median; in {YEARS[0]}:" in mtfs.stress_words(first)
    assert f"at its median; {YEARS[0]} to {YEARS[1]} on average:" in mtfs.stress_words(last)
