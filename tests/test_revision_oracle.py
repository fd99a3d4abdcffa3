"""The bridge between random plans against a slow one: whole projections, one draw at a time."""

import re
import warnings

import numpy as np
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from strategies import plans

import mtfs
from mtfs import Plan, PlanWarning
from mtfs.revision import plan_bridge
from mtfs.sampling import RandomScores
from mtfs.vocabulary import BLOCK, year_label, year_start

SEED, DRAW = 3, 1
ITEMS = {
    "line": ("cost", "line", 1),
    "funding": ("income", "source", -1),
    "saving": ("saving_delivered", "scheme", -1),
    "one-off": ("one_off", "one_off_source", -1),
}
STAGES = {"gap_before_savings": 2, "gap": 3, "gap_after_one_offs": 4}
NOBODY = frozenset()


def quietly(call, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PlanWarning)
        return call(*args, **options)


class Slow:
    """One plan in one draw, or in its own table: anything asked for is a projection of its own."""

    def __init__(self, plan, first, later, stage, *, planned):
        self.plan, self.stage, self.planned = plan, stage, planned
        self.first = first  # where the shared years start among the plan's own
        self.later = later  # years of the later plan
        self.drivers = {driver.name: driver for driver in plan.drivers}
        ds = quietly(mtfs.project, plan, self.scores(plan))
        stated = ds["planned_path"].values.tolist()
        drawn = stated if planned else ds["path"].isel(draw=0).values.tolist()
        self.paths = {
            "drawn": dict(zip(ds["driver"].values.tolist(), drawn, strict=True)),
            "stated": dict(zip(ds["driver"].values.tolist(), stated, strict=True)),
        }

    def scores(self, plan):
        """Give one draw's scores: of each financial year those of the later plan."""
        left = plan.horizon - self.first
        past = max(left, self.later)  # rows that no shared year has
        order = [*range(past, past + self.first), *range(left)]
        found = {}
        for spec in plan.shocks():
            rows = np.empty((1 if spec.once else 40, BLOCK))
            RandomScores(SEED, 2).fill(spec, 0, rows)
            one = rows[:, DRAW : DRAW + 1]
            found[spec.name] = one[0] if spec.once else one[order]
        return found

    def before(self, way, name, year):
        return self.paths[way][name][year] if year >= 0 else self.drivers[name].previous[year]

    def own(self, way, name, year):
        """Give what is a driver's own in a year: its path less its parts."""
        return self.paths[way][name][year] - sum(
            part.weight * self.before(way, part.driver, year - part.lag)
            for part in self.drivers[name].mix
        )

    def on(self, drawn, stated, rises=None):
        """Project the plan with certain drivers, of which others may be stated."""
        drivers = [
            {"name": name, "central": drawn[name], "planned": stated[name]} for name in self.drivers
        ]
        data = self.plan.model_dump(exclude_none=True) | {"drivers": drivers, "correlations": []}
        data["funding"] = [
            source | (rises or {}).get(source["name"], {}) for source in data["funding"]
        ]
        plan = quietly(Plan.model_validate, data)
        return quietly(mtfs.project, plan, self.scores(plan))

    def series(self, ds, name):
        return ds[f"planned_{name}"].values if self.planned else ds[name].isel(draw=0).values

    def series_of(self, ds, name, item, dim):
        return self.series(ds.sel({dim: item}), name)

    def gap(self, ds):
        return self.series(ds, self.stage)

    def items(self, ds):
        """Give what every item adds to the gap, by year."""
        return {
            (kind, str(item)): sign * self.series_of(ds, name, item, dim)
            for kind, (name, dim, sign) in list(ITEMS.items())[: STAGES[self.stage]]
            if name in ds
            for item in ds[dim].values
        }

    def bases(self):
        """Give what every item adds to the base budget, from the bridge by component."""
        ds = quietly(mtfs.project_gap, self.plan, n_draws=1, seed=1, keep="components")
        found = {}
        for kind, (name, dim, sign) in ITEMS.items():
            for item in ds[dim].values if name in ds else ():
                mine = ((ds["step_item"] == item) & (ds["step_item_kind"] == kind)).values
                level = sign * ds[f"planned_{name}"].sel({dim: item}).values[0]
                moved = ds["planned_contribution"].values[mine, 0].sum()
                found[kind, str(item)] = level - moved
        return found


class SlowBridge:
    """Two plans, bridged as the docstring of ``plan_bridge`` says it."""

    def __init__(self, old, new, stage, *, planned):
        self.rolled = year_start(new.first_year) - year_start(old.first_year)
        self.shared = min(old.horizon - self.rolled, new.horizon)
        self.old = Slow(old, self.rolled, new.horizon, stage, planned=planned)
        self.new = Slow(new, 0, new.horizon, stage, planned=planned)
        self.players = [name for name in self.new.drivers if name in self.old.drivers]
        self.cache = {}

    def holder(self, name, moved):
        """Give the plan whose declaration of a driver holds."""
        only_new = name not in self.old.drivers
        return self.new if only_new or (name in moved and name in self.new.drivers) else self.old

    def value(self, way, name, year, moved):
        """Give a driver's value, years counted from the first that is shared."""
        if year < 0:
            for side in (self.holder(name, moved), self.new, self.old):
                if name in side.drivers:
                    there = side.first + year
                    if there >= 0 or -there <= len(side.drivers[name].previous):
                        return side.before(way, name, there)
        side = self.holder(name, moved)
        return side.own(way, name, side.first + year) + sum(
            part.weight * self.value(way, part.driver, year - part.lag, moved)
            for part in side.drivers[name].mix
        )

    def paths(self, way, side, moved):
        found = {name: list(side.paths[way][name]) for name in side.drivers}
        for name, row in found.items():
            row[side.first : side.first + self.shared] = [
                self.value(way, name, year, moved) for year in range(self.shared)
            ]
        return found

    def both(self, side, moved):
        drawn, stated = (self.paths(way, side, moved) for way in ("drawn", "stated"))
        return (stated, stated) if side.planned else (drawn, stated)

    def run(self, side, moved):
        key = (side is self.new, frozenset(moved))
        if key not in self.cache:
            self.cache[key] = side.on(*self.both(side, moved))
        return self.cache[key]

    def part(self, side, values):
        return np.asarray(values)[side.first : side.first + self.shared]

    def gap(self, side, moved):
        return self.part(side, side.gap(self.run(side, moved)))

    def by_driver(self):
        found = {("driver", name): np.zeros(self.shared) for name in self.players}
        for side in (self.old, self.new):
            for order in (self.players, self.players[::-1]):
                for place, name in enumerate(order):
                    step = self.gap(side, order[: place + 1]) - self.gap(side, order[:place])
                    found["driver", name] += step / 4
        return found

    def by_item(self):
        found = {}

        def add(key, values):
            found[key] = found.get(key, np.zeros(self.shared)) + values

        for side, sign in ((self.old, -1), (self.new, 1)):
            for moved in (NOBODY, self.players):
                items = side.items(self.run(side, moved))
                base = {}
                if self.rolled:
                    base = (
                        side.bases()
                        if sign > 0
                        else {key: values[self.rolled - 1] for key, values in items.items()}
                    )
                    kind = "base budget" if sign > 0 else "roll-forward"
                    whole = sum(base[key] for key in items)
                    add((kind, kind), np.full(self.shared, sign * whole / 2))
                for key, values in items.items():
                    add(key, sign * (self.part(side, values) - base.get(key, 0.0)) / 2)
                for key, tax, effect in self.policy(side, moved, items):
                    add(key, -sign * effect / 4)
                    add(("council tax policy", tax), sign * effect / 4)
        return found

    def policy(self, side, moved, items):
        """List what a plan's rises of council tax do to its income beside the other plan's."""
        other = self.old if side is self.new else self.new
        for tax in side.plan.funding:
            theirs = [
                each
                for each in other.plan.funding
                if (each.kind, each.name) == (tax.kind, tax.name)
            ]
            if tax.kind != "council_tax" or not theirs:
                continue
            rises = self.rises(tax, theirs[0], side, other)
            without = side.items(side.on(*self.both(side, moved), {tax.name: rises}))
            for name in tax.income_names():
                key = ("funding", name)
                yield key, tax.name, self.part(side, items[key] - without[key])

    def rises(self, tax, theirs, side, other):
        """Give a tax's rises with the other plan's in the shared years."""
        found = {}
        for field in ("core_increase", "asc_precept"):
            mine, its = getattr(tax, field), getattr(theirs, field)
            if not isinstance(mine, str) and not isinstance(its, str):
                row = by_year(mine, side.plan.horizon)
                row[side.first : side.first + self.shared] = self.part(
                    other, by_year(its, other.plan.horizon)
                ).tolist()
                found[field] = row
        return found

    def bridge(self):
        """Give the steps, the start and the end, in every year of the new plan."""
        end = self.new.gap(self.run(self.new, self.players))
        start = self.carried(self.gap(self.old, NOBODY), len(end))
        steps = self.by_driver() | self.by_item()
        steps = {key: self.carried(values, len(end)) for key, values in steps.items()}
        added = [*np.zeros(self.shared), *(end[self.shared :] - end[self.shared - 1])]
        return steps | {("year added", "year added"): np.array(added)}, start, end

    def carried(self, values, horizon):
        return np.array([*values, *[values[-1]] * (horizon - len(values))])


def by_year(value, horizon):
    return list(value) if isinstance(value, tuple) else [value] * horizon


def agrees(ds, slow, *, planned):
    steps, start, end = slow
    near = 1e-9 * max(1.0, abs(end).max(), *(abs(values).max() for values in steps.values()))

    def of(name):
        return ds[f"planned_{name}"].values if planned else ds[name].isel(draw=DRAW).values

    np.testing.assert_allclose(of("start"), start, rtol=0, atol=near)
    np.testing.assert_allclose(of("end"), end, rtol=0, atol=near)
    left = dict(steps)
    for place, values in enumerate(of("contribution")):
        category, item, kind = (
            str(ds[name].values[place]) for name in ("category", "item", "item_kind")
        )
        special = category in {"driver", "council tax policy", item}
        wanted = left.pop((category, item) if special else (kind, item))
        np.testing.assert_allclose(values, wanted, rtol=0, atol=near, err_msg=f"{category}: {item}")
    for key, values in left.items():  # what does not move the gap has no step
        np.testing.assert_allclose(values, 0.0, rtol=0, atol=near, err_msg=str(key))


def moved_on(plan, years):
    """Give a plan that starts some years later, all its years with it."""
    text = re.sub(
        r"\b(20\d\d)/\d\d\b", lambda found: year_label(int(found[1]) + years), plan.to_json()
    )
    return quietly(Plan.model_validate_json, text)


@settings(max_examples=12)
@given(plans(), plans(), st.integers(0, 2), st.sampled_from(sorted(STAGES)))
def test_the_bridge_between_two_plans_agrees_with_a_slow_one(old, new, rolled, stage):
    """The same year, a year or two on; any lines, drivers, savings, funding and horizons."""
    if rolled >= old.horizon:
        reject()
    new = moved_on(new, year_start(old.first_year) + rolled - year_start(new.first_year))
    ds = quietly(plan_bridge, old, new, variable=stage, n_draws=2, seed=SEED)
    for planned in (False, True):
        slow = SlowBridge(old, new, stage, planned=planned)
        agrees(ds, slow.bridge(), planned=planned)
