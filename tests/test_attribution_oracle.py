"""Shapley values of drivers on random plans against slow ones: whole projections, every order."""

import itertools
import warnings

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strategies import mappings

import mtfs
from mtfs import Plan, PlanWarning
from mtfs.attribution_by_driver import FIXED, driver_bridge
from mtfs.standing import unmoved

DRAW = 1


@st.composite
def plans_of_uncertain_drivers(draw):
    """A plan in which nothing but its drivers is uncertain."""
    data = draw(mappings(certain=True))
    small = st.floats(0.0, 0.02)
    for driver in data["drivers"]:
        if driver["name"] != "kept":
            driver |= {"sd": draw(small), "persistence": draw(st.sampled_from([0.0, 0.5, 1.0]))}
        if "mix" not in driver:
            driver["planned"] = driver["central"] if driver["name"] == "kept" else draw(small)
    for source in data["funding"]:
        source.pop("collection_fund", None)
    return quietly(Plan.model_validate, data)


def quietly(call, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PlanWarning)
        return call(*args, **options)


class Slow:
    """A plan in one draw with some drivers moved, the others standing: a projection each."""

    def __init__(self, plan, start):
        self.plan, self.start = plan, start
        self.drivers = {driver.name: driver for driver in plan.drivers}
        self.ds = quietly(mtfs.project_gap, plan, n_draws=2, seed=3, keep="components")
        self.drawn, self.stated = (
            {name: paths.sel(driver=name).values.tolist() for name in self.drivers}
            for paths in (self.ds["path"].isel(draw=DRAW), self.ds["planned_path"])
        )
        self.cache = {}

    def own(self, paths, name, year):
        return paths[name][year] - sum(
            part.weight * self.before(paths, part.driver, year - part.lag)
            for part in self.drivers[name].mix
        )

    def before(self, paths, name, year):
        return paths[name][year] if year >= 0 else self.drivers[name].previous[year]

    def value(self, name, year, moved):
        at_rest = name not in moved and self.start == "base"
        if year < 0:
            return 0.0 if at_rest else self.drivers[name].previous[year]
        own = self.own(self.drawn if name in moved else self.stated, name, year)
        if at_rest:
            own = 0.0
        return own + sum(
            part.weight * self.value(part.driver, year - part.lag, moved)
            for part in self.drivers[name].mix
        )

    def gap(self, moved, variable):
        if moved not in self.cache:
            years = range(self.plan.horizon)
            rows = {
                name: [self.value(name, year, moved) for year in years] for name in self.drivers
            }
            if self.start == "base" and "kept" not in moved:
                # a share stands at its first value, and one that only multiplies at 1
                once = unmoved(self.plan).get("kept") == "once"
                rows["kept"] = [1.0 if once else self.stated["kept"][0]] * self.plan.horizon
            drivers = [{"name": name, "central": row} for name, row in rows.items()]
            data = self.plan.model_dump(exclude_none=True)
            data |= {"drivers": drivers, "correlations": []}
            plan = quietly(Plan.model_validate, data)
            ds = quietly(mtfs.project_gap, plan, n_draws=1, seed=3, keep="totals")
            self.cache[moved] = ds[variable].isel(draw=0).values
        return self.cache[moved]


@settings(max_examples=6, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # slow to shrink
@given(
    plans_of_uncertain_drivers(),
    st.sampled_from(["base", "plan"]),
    st.sampled_from(["gap_before_savings", "gap"]),
)
def test_shapley_values_are_means_over_all_orders_of_whole_projections(plan, start, variable):
    if any(kind != "none" for name, kind in unmoved(plan).items() if name != "kept"):
        start = "plan"  # a growth that is a rate as well stands elsewhere
    slow = Slow(plan, start)
    names = list(slow.drivers)
    wanted = dict.fromkeys(names, 0.0)
    orders = list(itertools.permutations(names))
    for order in orders:
        for place, name in enumerate(order):
            after, before = (frozenset(order[:end]) for end in (place + 1, place))
            step = slow.gap(after, variable) - slow.gap(before, variable)
            wanted[name] = wanted[name] + step / len(orders)
    if start == "base":
        wanted[FIXED] = slow.gap(frozenset(), variable) - slow.ds["base_budget"].item()
    ds = quietly(
        driver_bridge, plan, start=start, groups="each", variable=variable, n_draws=2, seed=3
    )
    found = dict(
        zip(ds["step"].values.tolist(), ds["contribution"].isel(draw=DRAW).values, strict=True)
    )
    near = 1e-9 * max(
        1.0, *(abs(slow.ds[name]).max().item() for name in ("requirement", "funding"))
    )
    for name in wanted | found:  # a mix without anything of its own, and chance, move nothing
        np.testing.assert_allclose(
            found.get(name, 0.0), wanted.get(name, 0.0), rtol=0, atol=near, err_msg=name
        )
