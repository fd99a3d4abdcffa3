"""Tests of levers: when they act, where they act, what they leave alone, and what is refused."""

from dataclasses import fields
from datetime import date, timedelta

import numpy as np
import pytest
from flow_models import (
    AS_OF,
    FIRST,
    children,
    counted,
    counted_by_step,
    flow,
    keys_of,
    resolved,
    z_of,
)
from scipy.integrate import quad

from mtfs import MtfsError, PlanError
from mtfs.flows.levers import (
    MONTH_DAYS,
    CapacityLever,
    EntryLever,
    ExitLever,
    HomeLever,
    MoveLever,
    Overflow,
    Resolved,
    lever_problems,
)
from mtfs.flows.simulation import simulate, tally
from mtfs.flows.steps import Steps

NAMES = ("in-house", "independent", "residential")
BANDS = (0, 1, 5, 10, 16, 18)
DAY_ONE = date(2026, 4, 1)
EVERYTHING = ("average", "closing", "entries", "exits", "adults", "moves", "adults_by_step")
FAR = 4.5


def council(**changes):
    """Make a council in which children enter, leave and move, at moderate rates."""
    generator = np.random.default_rng(4)
    people = children(
        90,
        placement=generator.integers(0, 3, 90),
        age_days=generator.integers(1, 6560, 90),
        care_days=generator.integers(0, 900, 90),
    )
    parts = {
        "names": NAMES,
        "ages": BANDS,
        "durations": (0.0, 1.0),
        "people": [people],
        "exits": 0.5,
        "moves": 0.4,
        "entries": 9.0,
        "dispersion": 0.05,
    }
    return flow(**(parts | changes))


def same(one, other, names=EVERYTHING, where=...):
    """Tell whether two tallies are the same to the last bit, in some part."""
    return all((getattr(one, n)[where] == getattr(other, n)[where]).all() for n in names)


# When


@pytest.mark.parametrize("step", ["month", "week"])
@pytest.mark.parametrize(
    ("starts", "ramp", "ends"),
    [
        (date(2026, 9, 14), 0, None),
        (date(2026, 9, 14), 7.5, None),
        (date(2026, 9, 14), 7.5, date(2027, 1, 10)),  # ends before it is in full effect
        (date(2026, 9, 14), 3, date(2027, 11, 20)),
        (date(2025, 12, 1), 12, None),  # began before the flow
        (date(2026, 4, 1), 0, date(2026, 4, 2)),
        (date(2029, 1, 1), 0, None),  # after the flow's end
        (date(2020, 1, 1), 1, date(2021, 1, 1)),  # over before the flow
    ],
)
def test_the_share_in_effect_is_the_integral_over_the_step(step, starts, ramp, ends):
    lever = EntryLever(name="x", starts=starts, ramp_months=ramp, ends=ends, effect=0.1)
    steps = Steps.between(AS_OF, "2027/28", step)
    begins = (starts - DAY_ONE).days
    over = np.inf if ends is None else (ends - DAY_ONE).days
    full = begins + ramp * MONTH_DAYS

    def share(day):
        if day < begins or day >= over:
            return 0.0
        return 1.0 if day >= full else (day - begins) / (full - begins)

    wanted = []
    for low, high in zip(steps.edges[:-1], steps.edges[1:], strict=True):
        breaks = [point for point in (begins, full, over) if low < point < high]
        wanted.append(quad(share, low, high, points=breaks or None)[0] / (high - low))
    assert lever.in_effect(steps) == pytest.approx(wanted, abs=1e-9)


def test_a_lever_that_starts_in_year_three_leaves_years_one_and_two_alone():
    model = council()
    starts = date(2028, 4, 1)
    levers = [
        ExitLever(name="a", starts=starts, effect=0.5),
        EntryLever(name="b", starts=starts, effect=-0.3),
        MoveLever(
            name="c",
            starts=starts,
            from_placement="residential",
            to_placement="in-house",
            effect=2.0,
        ),
    ]
    base, _ = counted(model, last_year="2029/30", n_draws=60)
    moved, steps = counted(model, levers=levers, last_year="2029/30", n_draws=60)
    names = ("average", "closing", "entries", "exits", "adults", "moves")
    assert same(base, moved, names, np.s_[..., :2, :])
    assert (base.adults_by_step[steps.year < 2] == moved.adults_by_step[steps.year < 2]).all()
    for name in names:
        assert (getattr(base, name)[..., 2:, :] != getattr(moved, name)[..., 2:, :]).any()


def test_a_lever_without_effect_changes_nothing():
    model = council()
    base, _ = counted(model, n_draws=40)
    levers = [
        ExitLever(name="a", starts=DAY_ONE, effect=0.0),
        EntryLever(name="b", starts=DAY_ONE, effect=0.0, ramp_months=6),
        HomeLever(name="c", starts=DAY_ONE, placement="residential", places=3),
        CapacityLever(
            name="d",
            placement="in-house",
            places=10_000,
            overflow=(Overflow(placement="independent", share=1.0),),
        ),
    ]
    assert same(base, counted(model, levers=levers, n_draws=40)[0])


# Where: what a lever does not act on stays as it is


def test_exits_from_one_placement_leave_children_of_the_others_as_they_were():
    model = council(moves=0.0)
    lever = ExitLever(name="a", starts=DAY_ONE, placements=("residential",), effect=1.0)
    base, _ = counted(model, last_year="2028/29", n_draws=60)
    more, _ = counted(model, levers=[lever], last_year="2028/29", n_draws=60)
    states = ("average", "closing", "entries", "exits", "adults")
    for placement in (0, 1):
        assert same(base, more, states, np.s_[placement::3])
    assert (base.entries == more.entries).all()
    assert (more.closing[2::3].sum(axis=0) <= base.closing[2::3].sum(axis=0)).all()
    assert (more.exits[2::3].sum(axis=0) > base.exits[2::3].sum(axis=0)).any()


def test_a_draw_in_which_nobody_was_where_a_lever_acts_is_the_same_draw():
    # few children, who seldom move to residential care
    moves = np.array([[0, 3.0, 0.1], [3.0, 0, 0.1], [1.0, 1.0, 0]])
    model = flow(
        names=NAMES,
        people=[children(4, placement=[0, 0, 1, 1])],
        moves=moves[:, None],
        exits=0.8,
        entries=2.0,
        entry_ages=[[0.0, 3.0]],
        shares=[0.5, 0.5, 0.0],
    )
    levers = [
        ExitLever(name="a", starts=DAY_ONE, placements=("residential",), effect=2.0),
        MoveLever(
            name="b",
            starts=DAY_ONE,
            from_placement="residential",
            to_placement="independent",
            effect=-0.9,
        ),
    ]
    base, _ = counted(model, last_year="2027/28", n_draws=1000)
    more, _ = counted(model, levers=levers, last_year="2027/28", n_draws=1000)
    never = base.average[2].sum(axis=0) == 0
    assert 200 < never.sum() < 800
    assert same(base, more, where=np.s_[..., never])
    differ = (base.average != more.average).any(axis=(0, 1))
    assert differ[~never].mean() > 0.5


def test_entries_of_one_age_band_leave_those_of_others_alone_draw_by_draw():
    model = council(people=(), moves=0.0)
    lever = EntryLever(name="a", starts=DAY_ONE, ages=("5 to 9",), effect=0.5)
    base, _ = counted(model, last_year="2028/29", n_draws=200)
    more, _ = counted(model, levers=[lever], last_year="2028/29", n_draws=200)
    others = np.r_[0:6, 9:15]
    assert (base.entries[others] == more.entries[others]).all()
    assert same(base, more, ("average", "closing", "exits"), np.s_[:6])  # younger, untouched
    gained = (more.entries - base.entries)[6:9]
    assert (gained >= 0).all()
    wanted = 0.5 * 9.0 * np.array([365, 366, 365]) / 365.25
    assert np.abs(z_of(gained.sum(axis=0), wanted)).max() < FAR


def test_moves_with_a_lever_leave_entries_and_other_placements_alone():
    moves = np.zeros((3, 3))
    moves[2, 0] = 0.5
    model = council(moves=moves[:, None])
    lever = MoveLever(
        name="a",
        starts=DAY_ONE,
        from_placement="residential",
        to_placement="in-house",
        effect=1.0,
    )
    base, _ = counted(model, n_draws=200)
    more, _ = counted(model, levers=[lever], n_draws=200)
    assert (base.entries == more.entries).all()
    assert same(base, more, ("average", "closing", "exits", "adults"), np.s_[1::3])
    went, goes = base.moves[2, 0, 0], more.moves[2, 0, 0]
    assert (goes >= went).all()
    assert goes.mean() > 1.6 * went.mean()


def test_a_paired_difference_is_far_narrower_than_one_of_independent_draws():
    model = council()
    lever = ExitLever(name="a", starts=DAY_ONE, placements=("residential",), effect=0.05)
    base, _ = counted(model, n_draws=400)
    more, _ = counted(model, levers=[lever], n_draws=400)
    apart, _ = counted(model, levers=[lever], n_draws=400, number=7)
    paired = (more.closing - base.closing).sum(axis=0)[0]
    independent = (apart.closing - base.closing).sum(axis=0)[0]
    assert paired.std() < 0.15 * independent.std()
    assert paired.mean() < 0


# How much


def test_effects_act_on_their_cells_alone_and_multiply():
    model = council(groups=("other", "UASC"))
    steps = Steps.between(AS_OF, FIRST)
    found = resolved(
        model,
        [
            ExitLever(name="a", starts=DAY_ONE, ages=("0",), placements=("in-house",), effect=0.5),
            ExitLever(name="b", starts=date(2026, 6, 16), groups=("UASC",), effect=-0.2),
            MoveLever(
                name="c",
                starts=DAY_ONE,
                from_placement="residential",
                to_placement="in-house",
                ages=("1 to 4",),
                effect=1.0,
            ),
            EntryLever(name="d", starts=DAY_ONE, ages=("10 to 15",), effect=-0.4),
        ],
        steps,
        steps.years,
    )
    exits = np.broadcast_to(found.exits(0), (2, 5, 3, 1, 1))[..., 0, 0]
    assert exits[0, 0].tolist() == [1.5, 1, 1]
    assert (exits[0, 1:] == 1).all()
    half = np.broadcast_to(found.exits(2), (2, 5, 3, 1, 1))[..., 0, 0]
    assert half[1, 0] == pytest.approx([1.5 * 0.9, 0.9, 0.9])  # half of June
    assert (half[0, 1:] == 1).all()
    moves = np.broadcast_to(found.moves(0), (2, 5, 3, 1, 3, 1))[0, :, :, 0, :, 0]
    assert moves[1, 2, 0] == 2
    assert moves.sum() == 5 * 9 + 1
    entries = np.broadcast_to(found.entries(0), (2, 5, 1))[..., 0]
    assert entries.tolist() == [[1, 1, 1, 0.6, 1]] * 2
    assert found.changed(0)
    assert not found.changed(1)
    assert found.changed(2)
    assert found.changed(3)
    assert not found.changed(4)


def test_effects_by_year_act_in_their_year_and_the_first_before_it():
    model = council(as_of=date(2025, 12, 31))
    steps = Steps.between(model.as_of, "2027/28")
    lever = EntryLever(name="a", starts=date(2025, 1, 1), effect=(0.1, 0.3))
    effects = np.array([[0.1, 0.2], [0.3, 0.4]])  # of two draws
    found = Resolved.of(
        [lever], model, steps, value=lambda effect: effects, years=("2026/27", "2027/28")
    )
    held = np.array([found.entries(step)[0, 0] for step in range(steps.count)])
    assert (held[:15] == 1 + effects[0]).all()
    assert (held[15:] == 1 + effects[1]).all()
    assert set(found.part(slice(1, 2)).entries(0).ravel()) == {1.2}


def test_effects_of_draws_act_in_their_draws():
    model = council(people=())
    steps = Steps.between(AS_OF, FIRST)
    effects = np.where(np.arange(300) % 2 == 0, 0.0, 1.0)[None]
    lever = EntryLever(name="a", starts=DAY_ONE, effect=0.1)
    found = Resolved.of([lever], model, steps, value=lambda _: effects, years=steps.years)
    out = tally(model, found, steps, keys_of(300))
    base = tally(model, resolved(model, (), steps, steps.years), steps, keys_of(300))
    assert same(out, base, where=np.s_[..., ::2])
    gained = (out.entries - base.entries).sum(axis=0)[0, 1::2]
    assert abs(z_of(gained, 45 * 365 / 365.25)) < FAR


def test_effects_of_draws_below_less_than_no_rate_are_an_error():
    model = council()
    steps = Steps.between(AS_OF, FIRST)
    lever = ExitLever(name="closing", starts=DAY_ONE, effect=-0.5)
    with pytest.raises(MtfsError, match=r"'closing': the effect of a draw is -1\.2, less than no"):
        Resolved.of(
            [lever],
            model,
            steps,
            value=lambda _: np.array([[-0.5, -1.2]]),
            years=steps.years,
        )


def test_a_route_can_be_closed_wholly():
    model = council()
    lever = MoveLever(
        name="a",
        starts=DAY_ONE,
        from_placement="in-house",
        to_placement="residential",
        effect=-1.0,
    )
    out, _ = counted(model, levers=[lever], n_draws=50)
    assert not out.moves[0, 2].any()
    assert out.moves[0, 1].any()


# Limits on places


def cap(places, *, overflow=(("independent", 1.0),), **parts):
    """Limit in-house places."""
    held = tuple(Overflow(placement=name, share=share) for name, share in overflow)
    return CapacityLever(name="carers", placement="in-house", places=places, overflow=held, **parts)


def bound_for(placement, entries=200.0, **changes):
    """Make a council whose entrants are all bound for one placement, and nobody else moves."""
    shares = np.eye(3)[NAMES.index(placement)]
    parts = {
        "people": [children(20), children(5, placement=1)],
        "ages": (0, 18),
        "durations": (0.0,),
        "entry_ages": [[0.0, 3.0]],
        "exits": 0.0,
        "moves": 0.0,
        "dispersion": 0.0,
    }
    return council(**(parts | {"entries": entries, "shares": shares} | changes))


def test_a_full_placement_takes_nobody_and_the_rest_go_where_they_are_said_to():
    overflow = (("independent", 0.7), ("residential", 0.3))
    out, _ = counted(bound_for("in-house"), levers=[cap(32, overflow=overflow)], n_draws=400)
    assert (out.closing[0, 0] == 32).all()
    assert out.average[0].max() <= 32
    assert (out.entries[0, 0] == 12).all()
    sent = out.entries[1:, 0]
    share = sent[0].sum() / sent.sum()
    assert abs(share - 0.7) < 4 * (0.21 / sent.sum()) ** 0.5
    base, _ = counted(bound_for("in-house"), n_draws=400)
    assert (out.entries.sum(axis=0) == base.entries.sum(axis=0)).all()  # as many as before


def test_nobody_has_to_go_where_places_fall_below_the_children():
    lever = cap(20, changes=({"on": date(2026, 10, 1), "added": -8},))
    out, _ = counted(bound_for("in-house"), levers=[lever], n_draws=20)
    assert (out.closing[0, 0] == 20).all()
    assert (out.entries[0, 0] == 0).all()


def test_places_change_from_their_day_on():
    lever = cap(
        20, changes=({"on": date(2026, 7, 1), "added": 6}, {"on": date(2028, 4, 1), "added": 4})
    )
    out, _ = counted(bound_for("in-house", 2000.0), levers=[lever], n_draws=20, last_year="2028/29")
    assert out.closing[0].mean(axis=1).tolist() == [26, 26, 30]
    average = out.average[0, 0].mean()  # the six come within days of 1 July
    assert 20 + 6 * 273 / 365 < average + 0.1 < 20 + 6 * 274 / 365 + 0.1


def test_places_of_those_who_leave_are_filled_again():
    out, _ = counted(
        bound_for("in-house", 2500.0, exits=2.0), levers=[cap(25)], n_draws=30, step="week"
    )
    assert out.closing[0].max() <= 25
    assert out.closing[0].mean() > 23  # who leaves in a week after the last came leaves a gap
    assert (out.exits[0, 0] > 20).all()


@pytest.mark.parametrize("step", ["month", "week"])
@pytest.mark.parametrize("takes_from", [(), ("independent",)])
def test_there_are_never_more_children_than_places(step, takes_from):
    model = council(moves=3.0, entries=20.0, people=[children(30, age_days=2000)])
    day = date(2026, 12, 1)
    lever = cap(
        30,
        overflow=(("independent", 0.5), ("residential", 0.5)),
        takes_from=takes_from,
        changes=({"on": day, "added": 5},),
    )
    out, steps = counted_by_step(model, levers=[lever], n_draws=100, step=step)
    closing = out.closing.reshape(5, 3, -1, 100)[:, 0].sum(axis=0)
    before = steps.edges[:-1] < (day - DAY_ONE).days
    assert closing[before].max() <= 30
    assert 30 < closing[~before].max() <= 35


def test_recruited_places_take_children_who_were_bound_elsewhere():
    model = bound_for("independent")
    without, _ = counted(model, levers=[cap(40)], n_draws=50)
    assert (without.entries[0, 0] == 0).all()
    taking, _ = counted(model, levers=[cap(40, takes_from=("independent",))], n_draws=50)
    assert (taking.closing[0, 0] == 40).all()
    assert (taking.entries[0, 0] == 20).all()
    assert (taking.entries.sum(axis=0) == without.entries.sum(axis=0)).all()
    some, _ = counted(model, levers=[cap(40, takes_from=("residential",))], n_draws=50)
    assert (some.entries[0, 0] == 0).all()


def test_free_places_go_to_those_who_come_first():
    # the twelve places are gone long before the year is over: those who come later overflow
    model = bound_for("in-house", 365.25)
    out, _ = counted(model, levers=[cap(32)], n_draws=300)
    base, _ = counted(model, n_draws=300)
    lost = (base.average - out.average)[0, 0]
    assert (lost > 0).all()
    # the k-th to come has been there since about day k: 365 - k days each
    wanted = 20 + (12 * 365 - sum(range(1, 13))) / 365
    assert abs(z_of(out.average[0, 0], wanted)) < FAR


def test_children_sent_on_are_of_an_age_for_it():
    model = flow(
        names=("supported", "in-house"),
        from_age={"supported": 16},
        ages=(0, 16, 18),
        entries=30.0,
        shares=np.array([[0, 1.0], [0.5, 0.5]]),
    )
    wrong = CapacityLever(
        name="carers",
        placement="in-house",
        places=5,
        overflow=(Overflow(placement="supported", share=1.0),),
    )
    with pytest.raises(PlanError, match="'in-house' to 'supported', which is for 16 and over"):
        simulate(model, first_year=FIRST, horizon=1, levers=[wrong], n_draws=2, seed=1)
    taking = CapacityLever(
        name="flats",
        placement="supported",
        places=5,
        overflow=(Overflow(placement="in-house", share=1.0),),
        takes_from=("in-house",),
    )
    with pytest.raises(PlanError, match="'in-house' to 'supported', which is for 16 and over"):
        simulate(model, first_year=FIRST, horizon=1, levers=[taking], n_draws=2, seed=1)


# New homes


def test_a_home_takes_children_as_far_as_its_places_go_from_its_opening():
    model = flow(names=NAMES, people=[children(10, placement=2)])
    home = HomeLever(name="Elm House", starts=date(2026, 10, 1), placement="residential", places=4)
    ds = simulate(model, first_year=FIRST, horizon=2, levers=[home], n_draws=3, seed=1)
    one = ds["people"].isel(draw=0).sum(["group", "age"])
    assert one.sel(placement="Elm House").values == pytest.approx([4 * 182 / 365, 4])
    assert one.sel(placement="residential").values == pytest.approx([10 - 4 * 182 / 365, 6])
    closing = ds["people_year_end"].isel(draw=0).sum(["group", "age"])
    assert closing.sel(placement="Elm House").values.tolist() == [4, 4]


def test_homes_are_never_fuller_than_the_placement_and_leave_the_sum_as_it_was():
    model = council()
    homes = [
        HomeLever(
            name=name,
            starts=DAY_ONE + timedelta(days=90),
            ramp_months=6,
            placement="residential",
            places=places,
            occupancy=0.9,
        )
        for name, places in [("Elm House", 12), ("Oak House", 30)]
    ]
    options = {"first_year": FIRST, "horizon": 2, "n_draws": 100, "seed": 3}
    base = simulate(model, **options)
    ds = simulate(model, levers=homes, **options)
    three = ["residential", "Elm House", "Oak House"]
    for name in ("people", "people_year_end"):
        found = ds[name].sel(placement=three).sum("placement")
        assert found.values == pytest.approx(base[name].sel(placement="residential").values)
        others = ds[name].sel(placement=["in-house", "independent"])
        assert (others == base[name].sel(placement=["in-house", "independent"])).all()
        assert float(ds[name].min()) > -1e-9
    people = ds["people"].sum(["group", "age"])
    assert float(people.sel(placement="Elm House").max()) <= 12 * 0.9 + 1e-9
    full = people.sel(placement="Elm House", year="2027/28")
    assert float(full.mean()) > 10  # some 30 children are in residential care
    for name in ("entries", "exits", "turned_18"):
        assert not ds[name].sel(placement=three[1:]).any()
        assert (ds[name].sel(placement=list(NAMES)) == base[name]).all()


# Wrong input


@pytest.mark.parametrize(
    ("lever", "message"),
    [
        (
            ExitLever(name="a", starts=DAY_ONE, effect=0.1, placements=("residential care",)),
            "no placement 'residential care'. Did you mean 'residential'?",
        ),
        (
            MoveLever(
                name="a",
                starts=DAY_ONE,
                effect=0.1,
                from_placement="inhouse",
                to_placement="residential",
            ),
            "no placement 'inhouse'. Did you mean 'in-house'?",
        ),
        (
            EntryLever(name="a", starts=DAY_ONE, effect=0.1, ages=("0 to 16",)),
            "no age band '0 to 16'. Did you mean '0 to 17'?",
        ),
        (
            EntryLever(name="a", starts=DAY_ONE, effect=0.1, groups=("UASC",)),
            "no group 'UASC'.* It has: other",
        ),
        (
            HomeLever(name="a", starts=DAY_ONE, placement="kinship", places=4),
            "no placement 'kinship'.* It has: in-house, independent, residential",
        ),
        (
            HomeLever(name="residential", starts=DAY_ONE, placement="residential", places=4),
            "bears the name of a placement",
        ),
        (
            cap(50, overflow=(("independent foster", 1.0),)),
            "no placement 'independent foster'. Did you mean 'independent'?",
        ),
        (cap(50, takes_from=("secure",)), "no placement 'secure'"),
        (cap(19), r"'places' is 19, and 20 children are in 'in-house' on 2026-03-31"),
        (
            cap(20, changes=({"on": date(2026, 5, 1), "added": -21},)),
            "fewer than no places on 2026-05-01",
        ),
        (
            cap(20, changes=({"on": date(2026, 3, 31), "added": 1},)),
            "2026-03-31, before the flow starts on 2026-04-01",
        ),
    ],
)
def test_a_lever_that_does_not_fit_the_flow_is_refused(lever, message):
    model = bound_for("in-house")
    with pytest.raises(PlanError, match=f"lever '{lever.name}': .*{message}"):
        simulate(model, first_year=FIRST, horizon=1, levers=[lever], n_draws=2, seed=1)


def test_every_problem_is_named_at_once():
    levers = [
        ExitLever(name="a", starts=DAY_ONE, effect=0.1, placements=("x",)),
        EntryLever(name="a", starts=DAY_ONE, effect=0.1, ages=("y",)),
        cap(10),
    ]
    found = list(lever_problems(levers, bound_for("in-house")))
    assert len(found) == 4
    assert found[0] == "a: two levers bear one name"


def test_limits_that_cross_are_refused():
    model = bound_for("in-house")
    other = CapacityLever(
        name="agency",
        placement="independent",
        places=50,
        overflow=(Overflow(placement="residential", share=1.0),),
    )
    crossing = [cap(50), other]
    assert "overflows to 'independent', which has a limit of its own" in str(
        list(lever_problems(crossing, model))
    )
    taking = [cap(50, overflow=(("residential", 1.0),), takes_from=("independent",)), other]
    assert "takes from 'independent', which has a limit of its own" in str(
        list(lever_problems(taking, model))
    )
    again = [cap(50), other.model_copy(update={"placement": "in-house"})]
    assert "'in-house' has two limits" in str(list(lever_problems(again, model)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: cap(50, overflow=(("independent", 0.7), ("residential", 0.2))),
            r"shares of 'overflow' sum to 0\.9; expected 1",
        ),
        (
            lambda: cap(50, overflow=(("in-house", 1.0),)),
            "cannot overflow to, or take from, itself",
        ),
        (lambda: cap(50, takes_from=("in-house",)), "cannot overflow to, or take from, itself"),
        (lambda: cap(-1), "places"),
        (
            lambda: EntryLever(name="a", starts=DAY_ONE, ends=DAY_ONE, effect=0.1),
            "expected a day after 'starts', 2026-04-01",
        ),
        (
            lambda: MoveLever(
                name="a", starts=DAY_ONE, effect=0.1, from_placement="x", to_placement="x"
            ),
            "are both 'x'",
        ),
        (lambda: ExitLever(name="a", starts=DAY_ONE, effect=-1.01), r"-1\.01"),
        (lambda: ExitLever(name="a", starts=DAY_ONE, effect=0.1, ramp_months=-1), "ramp_months"),
        (lambda: ExitLever(name="a", effect=0.1), "starts"),
        (
            lambda: HomeLever(name="a", starts=DAY_ONE, placement="x", places=4, occupancy=1.1),
            "occupancy",
        ),
        (lambda: ExitLever(name="a", starts=DAY_ONE, effect=0.1, placement="x"), "placements"),
    ],
    ids=range(11),
)
def test_a_lever_that_cannot_be_is_refused_when_it_is_made(make, message):
    with pytest.raises(PlanError, match=message):
        make()


def test_a_tally_counts_each_thing_this_file_compares():
    out, _ = counted(council(), n_draws=2)
    assert {each.name for each in fields(out)} == {*EVERYTHING, "homes", "homes_closing"}
