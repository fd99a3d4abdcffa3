"""Schemes that need others: they arrive only as far as those have arrived."""

import numpy as np
import pytest
import xarray as xr
from councils import BUDGET, council, first, run
from hypothesis import given
from hypothesis import strategies as st

from mtfs import PlanError, PlanWarning
from mtfs.io import check_plan
from mtfs.lines.programme import in_order_of_need

SYSTEM = {"name": "system", "levels": 100.0, "delivery": 0.6, "slipped": 0.5}
REVIEWS = {"name": "reviews", "levels": 200.0, "delivery": 0.9, "slipped": 0.0, "needs": ["system"]}


def programme(*schemes, **parts):
    return council(lines=[BUDGET], savings=list(schemes), **parts)


def outcome(name, *schemes, **parts):
    """Give delivered, late and lost by year of one scheme, first draw."""
    ds = run(programme(*schemes, **parts), n_draws=1)
    return [first(ds[f"saving_{what}"].sel(scheme=name)) for what in ("delivered", "late", "lost")]


# By hand


def test_a_scheme_arrives_as_far_as_the_one_it_needs():
    # The system delivers 60 of 100, and 80 a year later; 20 are lost. Reviews would deliver 180.
    delivered, late, lost = outcome("reviews", SYSTEM, REVIEWS)
    assert delivered == pytest.approx([180 * 0.6, 180 * 0.8, 180 * 0.8, 180 * 0.8])
    assert lost == pytest.approx([20 + 180 * 0.2] * 4)  # its own 20, and a fifth of the rest
    assert late == pytest.approx([200 - 108 - 56, 0, 0, 0], abs=1e-9)


def test_a_chain_waits_for_its_first_link():
    # system .6 then .8, 20% lost; reviews 108, then 144 of 200 (.54, .72), 56 lost (.28).
    closures = {"name": "closures", "levels": 50.0, "delivery": 1.0, "needs": ["reviews"]}
    delivered, late, lost = outcome("closures", closures, REVIEWS, SYSTEM)
    assert delivered == pytest.approx([50 * 0.54, 50 * 0.72, 50 * 0.72, 50 * 0.72])
    assert lost == pytest.approx([50 * 0.28] * 4)
    assert late == pytest.approx([50 * 0.18, 0, 0, 0], abs=1e-9)


def test_of_several_needs_the_least_arrives_and_the_most_is_lost():
    slow = {"name": "slow", "levels": 10.0, "delivery": 0.2, "slipped": 1.0}  # then all of it
    bad = {"name": "bad", "levels": 30.0, "delivery": 0.7, "slipped": 0.0}  # .3 lost
    both = {"name": "both", "levels": 100.0, "delivery": 1.0, "needs": ["slow", "bad"]}
    delivered, late, lost = outcome("both", slow, bad, both)
    assert delivered == pytest.approx([20, 70, 70, 70])
    assert lost == pytest.approx([30] * 4)
    assert late == pytest.approx([50, 0, 0, 0], abs=1e-9)


def test_a_late_system_holds_up_what_needs_it():
    late_system = SYSTEM | {"delivery": 1.0, "delays": [{"years": 2, "probability": 1.0}]}
    reviews = REVIEWS | {"delivery": 1.0}
    delivered, late, lost = outcome("reviews", late_system, reviews)
    assert (delivered, late, lost) == ([0, 0, 200, 200], [200, 200, 0, 0], [0] * 4)


def test_what_needs_a_scheme_that_never_starts_is_lost_whole():
    ds = run(programme(SYSTEM | {"delivery": 1.0, "starts": 0.6}, REVIEWS), n_draws=2_000)
    system, reviews = ds["saving_delivered"].isel(year=0).values
    np.testing.assert_allclose(reviews, np.where(system > 0, 180.0, 0.0))
    lost = ds["saving_lost"].sel(scheme="reviews").values
    assert (lost[system == 0] == 200).all()
    assert 0 < (system > 0).mean() < 1


def test_what_a_one_off_set_up_stays():
    sale = SYSTEM | {"levels": [100.0, 0.0, 0.0, 0.0]}  # 60 in its year, 20 the year after
    delivered, late, lost = outcome("reviews", sale, REVIEWS | {"delivery": 1.0})
    assert delivered == pytest.approx([120, 160, 160, 160])
    assert lost == pytest.approx([40] * 4)
    assert late == pytest.approx([40, 0, 0, 0], abs=1e-9)


def test_slippage_from_higher_levels_is_no_progress_beyond_what_was_not_lost():
    falling = SYSTEM | {"levels": [100.0, 50.0, 50.0, 50.0]}  # delivers 30 + 20 of 50 in year two
    delivered, _, lost = outcome("reviews", falling, REVIEWS | {"delivery": 1.0})
    assert delivered == pytest.approx([120, 160, 160, 160])
    assert lost == pytest.approx([40] * 4)


def test_more_than_was_planned_does_not_help_what_needs_it():
    with pytest.warns(PlanWarning, match="delivers 130%"):
        plan = programme(SYSTEM | {"delivery": 1.3}, REVIEWS)
    ds = run(plan, n_draws=1)
    assert first(ds["saving_delivered"].sel(scheme="reviews")) == pytest.approx([180] * 4)
    assert first(ds["saving_lost"].sel(scheme="reviews")) == pytest.approx([20] * 4)


def test_the_councils_own_table_holds_both_in_full():
    ds = run(programme(SYSTEM, REVIEWS), n_draws=1)
    assert ds["planned_saving_delivered"].values.tolist() == [[100.0] * 4, [200.0] * 4]
    assert ds["planned_gap"].values.tolist() == [700.0] * 4


def test_progress_is_that_of_the_scheme_and_not_of_what_demand_leaves_of_it():
    homes = {"kind": "care", "name": "homes", "people": 10.0, "weekly_cost": 1.0}
    inside = SYSTEM | {"manages": "homes", "already_in_demand": 1.0}
    ds = run(council(lines=[BUDGET, homes], savings=[inside, REVIEWS]), n_draws=1)
    assert first(ds["saving_delivered"].sel(scheme="system")) == [0] * 4
    expected = [180 * 0.6, 180 * 0.8, 180 * 0.8, 180 * 0.8]
    assert first(ds["saving_delivered"].sel(scheme="reviews")) == pytest.approx(expected)


def test_levels_that_follow_a_driver_hold_progress_draw_by_draw():
    driver = {"name": "benefit", "central": 100.0, "sd": 10.0, "persistence": 0.0}
    system = SYSTEM | {"levels": "benefit"}
    ds = run(programme(system, REVIEWS, drivers=[driver]), n_draws=200)
    delivered, lost = (ds[f"saving_{what}"].sel(scheme="system") for what in ("delivered", "lost"))
    planned = ds["path"].sel(driver="benefit")
    progress = np.minimum(delivered / planned, 1 - lost / planned)
    np.testing.assert_allclose(ds["saving_delivered"].sel(scheme="reviews"), 180 * progress)
    assert float(progress.std()) > 0


# Statistics


def test_a_scheme_and_its_need_both_have_to_deliver():
    n = 20_000
    one = {"name": "one", "levels": 1.0, "delivery": {"mean": 0.7, "sd": 0.15}, "slipped": 0.0}
    two = one | {"name": "two", "delivery": {"mean": 0.6, "sd": 0.2}, "needs": ["one"]}
    ds = run(programme(one, two, savings_correlation=0.0), n_draws=n)
    found = ds["saving_delivered"].sel(scheme="two").isel(year=0)
    assert float(found.mean()) == pytest.approx(0.7 * 0.6, abs=4 * float(found.std()) / n**0.5)


# Rules for every programme

SHARES = st.integers(0, 20).map(lambda n: n / 20)
OUTCOMES = st.one_of(SHARES, st.just({"mean": 0.6, "sd": 0.2}))
RUN_OFFS = st.sampled_from([[1.0], [0.6, 0.4], [0.0, 0.25, 0.75]])
MONEY = st.one_of(st.just(0.0), st.integers(1, 1_000_000).map(float))


@st.composite
def forests(draw, outcomes=OUTCOMES, *, sure=False):
    """Schemes that need some of those before them, in any order of declaration."""
    found = []
    for n in range(draw(st.integers(1, 6))):
        needs = draw(st.lists(st.sampled_from(found), unique_by=id, max_size=3)) if found else []
        begin = max((each["begins"] for each in needs), default=0)
        levels = draw(st.lists(MONEY, min_size=4, max_size=4))
        levels[:begin] = [0.0] * begin  # nothing is to be saved before what it needs
        delays = [{"years": draw(st.integers(1, 3)), "probability": 1.0 if sure else 0.4}]
        found.append(
            {
                "name": f"scheme {n}",
                "levels": levels,
                "delivery": draw(outcomes),
                "slipped": draw(SHARES),
                "run_off": draw(RUN_OFFS),
                "starts": 1.0 if sure else draw(st.sampled_from([1.0, 0.5])),
                "delays": delays if draw(st.booleans()) else [],
                "needs": [each["name"] for each in needs],
                "begins": next((t for t, level in enumerate(levels) if level), 4),
            }
        )
    mixed = draw(st.permutations(found))
    return [{key: value for key, value in each.items() if key != "begins"} for each in mixed]


@given(forests(), st.sampled_from([0.0, 0.3]))
def test_planned_is_delivered_plus_late_plus_lost_whatever_needs_what(schemes, correlation):
    ds = run(programme(*schemes, savings_correlation=correlation), n_draws=20)
    delivered, lost = ds["saving_delivered"], ds["saving_lost"]
    planned = ds["planned_saving_delivered"].broadcast_like(delivered)
    total = delivered + ds["saving_late"] + lost
    np.testing.assert_allclose(total, planned, rtol=1e-12, atol=1e-8)
    assert float(delivered.min()) >= 0
    assert float(lost.min()) >= -1e-8
    assert float((planned - lost).min()) >= -1e-8
    for scheme in schemes:
        if sorted(scheme["levels"]) == scheme["levels"]:  # where levels fall, slippage comes after
            assert float(ds["saving_late"].sel(scheme=scheme["name"]).min()) >= -1e-8


@given(forests())
def test_a_need_never_speeds_a_scheme_up(schemes):
    ds = run(programme(*schemes), n_draws=20)
    free = run(programme(*({**scheme, "needs": []} for scheme in schemes)), n_draws=20)
    assert (ds["saving_delivered"] <= free["saving_delivered"]).all()
    assert (ds["saving_lost"] >= free["saving_lost"] - 1e-8).all()
    for scheme in schemes:
        if not scheme["needs"]:  # what others need of it changes no bit of it
            for name in ("saving_delivered", "saving_late", "saving_lost"):
                xr.testing.assert_identical(
                    ds[name].sel(scheme=scheme["name"]), free[name].sel(scheme=scheme["name"])
                )


@given(forests())
def test_totals_are_the_same_numbers_whatever_needs_what(schemes):
    plan = programme(*schemes)
    whole, totals = run(plan, n_draws=20), run(plan, n_draws=20, keep="totals")
    for name in ("requirement", "gap", "shortfall"):
        xr.testing.assert_identical(totals[name], whole[name])


def own_by_loops(scheme, levels):
    """Give what arrives and what is lost of ``levels`` by the scheme's own delivery."""
    share, delay = scheme["delivery"], sum(d["years"] for d in scheme["delays"])
    arrived = []
    for t in range(4):
        here = levels[t - delay] * share if t >= delay else 0.0
        for k, part in enumerate(scheme["run_off"], 1):
            if t - delay - k >= 0:
                here += (1 - share) * scheme["slipped"] * part * levels[t - delay - k]
        arrived.append(here)
    return arrived, [(1 - share) * (1 - scheme["slipped"]) * level for level in levels]


def with_needs(scheme, levels, progress):
    """Give what arrives and what is lost of ``levels`` after what the scheme needs."""
    arrived, lost = own_by_loops(scheme, levels)
    if scheme["needs"]:
        for t in range(4):
            arrived[t] *= min(progress[need][t][0] for need in scheme["needs"])
            lost[t] += (levels[t] - lost[t]) * max(progress[need][t][1] for need in scheme["needs"])
    return arrived, lost


def by_loops(schemes):
    """Work out sure schemes year by year, each after what it needs."""
    found, progress, waiting = {}, {}, list(schemes)
    while waiting:
        scheme = waiting.pop(0)
        if not progress.keys() >= set(scheme["needs"]):
            waiting.append(scheme)
            continue
        found[scheme["name"]] = with_needs(scheme, scheme["levels"], progress)
        held = list(scheme["levels"])
        for t in range(1, 4):
            held[t] = held[t] or held[t - 1]
        steps = zip(held, *with_needs(scheme, held, progress), strict=True)
        progress[scheme["name"]] = [
            (min(arrived / level, 1 - lost / level), lost / level) if level else (0.0, 0.0)
            for level, arrived, lost in steps
        ]
    return found


@given(forests(outcomes=SHARES, sure=True))
def test_slow_loops_find_the_same(schemes):
    ds = run(programme(*schemes), n_draws=1)
    for name, (delivered, lost) in by_loops(schemes).items():
        assert first(ds["saving_delivered"].sel(scheme=name)) == pytest.approx(delivered, abs=1e-6)
        assert first(ds["saving_lost"].sel(scheme=name)) == pytest.approx(lost, abs=1e-6)


def test_a_long_chain_is_no_trouble():
    chain = [
        SYSTEM | {"name": f"step {n}", "delivery": 1.0, "needs": [f"step {n - 1}"] if n else []}
        for n in range(1_500)
    ]
    ds = run(programme(*reversed(chain)), n_draws=1)
    assert (ds["saving_delivered"] == 100).all()


# Wrong needs


@pytest.mark.parametrize(
    ("schemes", "says"),
    [
        ([SYSTEM | {"needs": ["system"]}], "'system' depends on itself: system -> system"),
        (
            [
                SYSTEM | {"name": "a", "needs": ["b"]},
                SYSTEM | {"name": "b", "needs": ["c"]},
                SYSTEM | {"name": "c", "needs": ["a"]},
            ],
            r"savings\[0\] 'a', needs: 'a' depends on itself: a -> b -> c -> a$",
        ),
        (
            [SYSTEM, REVIEWS | {"needs": ["systems"]}],
            r"'reviews', needs: uses saving 'systems', which .* Did you mean 'system'\?",
        ),
        ([SYSTEM, REVIEWS | {"needs": ["system", "system"]}], "names 'system' twice"),
        (
            [SYSTEM | {"levels": [0.0, 0.0, 5.0, 5.0]}, REVIEWS | {"levels": [0.0, 9.0, 9.0, 9.0]}],
            r"to save from 2027/28, but 'system', which it needs, is not .* until 2028/29: plan",
        ),
        (
            [SYSTEM | {"levels": 0.0}, REVIEWS],
            "'system', which it needs, is not planned to save anything in any year",
        ),
    ],
    ids=range(6),
)
def test_needs_that_cannot_be_say_what_to_do(schemes, says):
    with pytest.raises(PlanError, match=says):
        programme(*schemes)


def test_a_driver_of_levels_is_taken_at_what_is_planned():
    later = {"name": "later", "central": 5.0, "planned": [0.0, 5.0, 5.0, 5.0]}
    with pytest.raises(PlanError, match=r"not planned to save anything until 2027/28"):
        programme(SYSTEM | {"levels": "later"}, REVIEWS, drivers=[later])
    blend = {"name": "blend", "mix": [{"driver": "later", "weight": 1.0}]}
    programme(SYSTEM | {"levels": "blend"}, REVIEWS, drivers=[later, blend])


def test_a_scheme_that_plans_nothing_may_need_one_that_starts_later():
    programme(SYSTEM | {"levels": [0.0, 0.0, 5.0, 5.0]}, REVIEWS | {"levels": 0.0})


def test_other_mistakes_do_not_hide_a_need(tmp_path):
    file = tmp_path / "plan.yaml"
    file.write_text(
        """\
council: Anyshire
first_year: 2026/27
lines: [{kind: budget, name: roads, base: -}]
savings:
  - {name: system, levels: [0, 1, 1, 1], rag: green}
  - {name: reviews, levels: 1, rag: green, needs: [system]}
  - {name: circle, levels: 1, rag: green, needs: [circle]}
  - {name: broken, levels: 1, needs: [systems]}
""",
        encoding="utf-8",
    )
    problems, _ = check_plan(file)
    text = "\n".join(map(str, problems))
    assert "line 7, savings[2] 'circle', needs: 'circle' depends on itself" in text
    assert "line 8" in text
    file.write_text(file.read_text(encoding="utf-8").replace("[circle]", "[]"), encoding="utf-8")
    text = "\n".join(map(str, check_plan(file)[0]))
    assert "line 6, savings[1] 'reviews', needs: is planned to save from 2026/27" in text


def test_what_is_needed_comes_first():
    needs = {"c": ["a", "b"], "b": ["a"], "a": []}
    assert in_order_of_need(needs) == ["a", "b", "c"]
