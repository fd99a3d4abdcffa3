"""Targets that schemes share, and schemes that services share."""

import numpy as np
import pytest
import xarray as xr
from councils import BUDGET, council, first, run
from hypothesis import given
from strategies import plans

import mtfs
from mtfs import MtfsError, PlanError, PlanWarning, savings_by_service
from mtfs.io import check_plan

REST = "transformation, not yet identified"


def scheme(name="digital", **fields):
    return {"name": name, "levels": 10e6, "delivery": 0.8, "slipped": 0.5} | fields


def target(**fields):
    held = {"name": "transformation", "levels": 16e6, "schemes": ["digital"]}
    return held | ({} if "rag" in fields else {"delivery": 0.5, "slipped": 0.8}) | fields


def programme(schemes, targets, **parts):
    return council(lines=[BUDGET], savings=schemes, savings_targets=targets, **parts)


def labels(plan):
    ds = run(plan, n_draws=1)
    return ds["scheme"].values.tolist() if "scheme" in ds.dims else []


# What a target lacks


def test_what_schemes_do_not_cover_is_a_scheme_of_its_own():
    ds = run(programme([scheme()], [target(run_off=[0.75, 0.25])]), n_draws=1)
    assert ds["scheme"].values.tolist() == ["digital", REST]
    rest = {what: first(ds[f"saving_{what}"].sel(scheme=REST)) for what in ("delivered", "lost")}
    # 6m not identified: 3m in its year; of the other 3m 2.4m slips, 1.8m by a year, 0.6m by two
    assert ds["planned_saving_delivered"].sel(scheme=REST).values.tolist() == [6e6] * 4
    assert rest["delivered"] == pytest.approx([3e6, 4.8e6, 5.4e6, 5.4e6])
    assert rest["lost"] == pytest.approx([0.6e6] * 4)
    assert ds["planned_gap"].values.tolist() == [1000 - 16e6] * 4


def test_a_target_is_lacking_year_by_year():
    plan = programme(
        [scheme(levels=[0.0, 5.0, 9.0, 12.0]), scheme("procurement", levels=[1.0, 2.0, 3.0, 4.0])],
        [target(levels=[4.0, 8.0, 12.0, 15.0], schemes=["digital", "procurement"])],
    )
    planned = run(plan)["planned_saving_delivered"].sel(scheme=REST)
    assert planned.values.tolist() == [3, 1, 0, 0]  # over-programmed by 1 in the last year


def test_a_target_that_is_covered_has_no_scheme_of_its_own():
    parts = [scheme("one", levels=6.1), scheme("two", levels=9.9)]  # 16.0 but for rounding
    covered = target(levels=16.0, schemes=["one", "two"], rag="red")
    plan = programme(parts, [covered])
    assert labels(plan) == ["one", "two"]
    assert not {spec for spec in plan.shocks() if spec.name.startswith(REST)}
    plan = programme(parts, [covered | {"levels": [16.0, 16.0, 16.0, 16.02]}])
    assert labels(plan) == ["one", "two", REST]


def test_a_target_without_schemes_is_all_to_be_identified():
    plan = council(lines=[BUDGET], savings_targets=[target(levels=100.0, schemes=[])])
    ds = run(plan, n_draws=1)
    assert ds["scheme"].values.tolist() == [REST]
    assert first(ds["gap"]) == pytest.approx([950, 910, 910, 910])


def test_what_demand_already_holds_covers_a_target_too():
    homes = {"kind": "care", "name": "homes", "people": 100.0, "weekly_cost": 5000.0}
    inside = scheme(manages="homes", already_in_demand=0.4)
    plan = council(lines=[homes], savings=[inside], savings_targets=[target()])
    planned = run(plan)["planned_saving_delivered"]
    assert planned.sel(scheme="digital").values.tolist() == [6e6] * 4
    # 6m is saved as a saving, 4m as fewer people, and 6m of the target of 16m is still to be found
    assert planned.sel(scheme=REST).values.tolist() == [6e6] * 4


def test_where_levels_follow_a_driver_what_is_lacking_is_known_in_draws():
    driver = {"name": "benefit", "central": 10e6, "sd": 4e6, "persistence": 0.0}
    plan = programme(
        [scheme(levels="benefit")], [target(levels=11e6, delivery=1.0)], drivers=[driver]
    )
    ds = run(plan, n_draws=200)
    lacking = np.maximum(11e6 - ds["path"].sel(driver="benefit"), 0)
    np.testing.assert_allclose(ds["saving_delivered"].sel(scheme=REST), lacking)
    assert ds["planned_saving_delivered"].sel(scheme=REST).values.tolist() == [1e6] * 4
    assert 0 < float((lacking == 0).mean()) < 1


def test_what_is_lacking_draws_from_a_stream_of_its_own():
    plan = programme([scheme()], [target(rag="unidentified", starts=0.9)])
    names = {spec.name for spec in plan.shocks()}
    assert {f"{REST}.delivery", f"{REST}.start", "savings.common"} <= names
    n = 20_000
    found = run(plan, n_draws=n)["saving_delivered"].sel(scheme=REST).isel(year=0)
    mean, spread = 6e6 * 0.25 * 0.9, float(found.std())
    assert float(found.mean()) == pytest.approx(mean, abs=4 * spread / n**0.5)


def test_a_target_leaves_the_draws_of_its_schemes_alone():
    schemes = [scheme(delivery={"mean": 0.7, "sd": 0.1})]
    alone = run(programme(schemes, []), n_draws=50)
    with_target = run(programme(schemes, [target(rag="red")]), n_draws=50)
    for name in ("saving_delivered", "saving_late", "saving_lost"):
        np.testing.assert_array_equal(alone[name], with_target[name].sel(scheme=["digital"]))


def test_a_target_changes_by_name_and_stands_in_the_register():
    plan = programme([scheme()], [target(source="budget report, annex C")])
    changed = plan.with_changes(
        {"savings_targets.transformation.levels": 12e6, "savings.digital.run_off": [0.5, 0.5]}
    )
    assert changed.savings_targets[0].levels == 12e6
    assert changed.savings[0].run_off == (0.5, 0.5)
    assert {"name": "transformation", "source": "budget report, annex C"}.items() <= (
        plan.register()[0].items()
    )
    with pytest.raises(PlanError, match="Did you mean 'schemes'"):
        plan.with_changes({"savings_targets.transformation.scheme": []})


def test_the_plan_a_result_carries_holds_its_targets(tmp_path):
    plan = programme([scheme(needs=[])], [target()])
    file = mtfs.save_gap(run(plan), tmp_path / "gap.nc")
    again = mtfs.plan_of(mtfs.load_gap(file))
    assert (again, again.digest) == (plan, plan.digest)


@pytest.mark.parametrize(
    ("schemes", "targets", "says"),
    [
        (["digital"], [target(schemes=["digtal"])], "Did you mean 'digital'"),
        (
            ["digital"],
            [target(), target(name="corporate")],
            r"\[1\] 'corporate', schemes: 'digital' already counts towards target 'transformation'",
        ),
        (["digital"], [target(schemes=["digital"] * 2)], "already counts towards"),
        (["digital", REST], [target()], "what this target lacks is called .* so is a saving"),
        (["digital"], [target(), target(schemes=[])], "'transformation' is used 2 times"),
        (["digital"], [target(delivery=None)], "give either 'rag' or 'delivery'"),
        (["digital"], [target(levels=[1.0, 2.0])], "expected one for each of the 4 years"),
        (["digital"], [target(levels="cpi")], "uses driver 'cpi', which the plan does not hold"),
        (["digital"], [target(needs=["digital"])], "unknown key 'needs'"),
    ],
    ids=range(9),
)
def test_a_target_that_cannot_be_says_what_to_do(schemes, targets, says):
    targets = [{k: v for k, v in each.items() if v is not None} for each in targets]
    with pytest.raises(PlanError, match=says):
        programme([scheme(name) for name in schemes], targets)


def test_other_mistakes_do_not_hide_a_targets(tmp_path):
    file = tmp_path / "plan.yaml"
    file.write_text(
        """\
council: Anyshire
first_year: 2026/27
lines: [{kind: budget, name: roads, base: -}]
savings:
  - {name: digital, levels: 1, rag: green}
savings_targets:
  - {name: transformation, levels: 2, rag: red, schemes: [digital, digtal]}
  - {name: corporate, levels: 2, schemes: [digitl]}
""",
        encoding="utf-8",
    )
    lines = [problem.line for problem in check_plan(file)[0]]
    assert lines.count(3) == 1
    assert 7 in lines
    assert 8 in lines


def test_a_targets_delivery_in_percent_is_no_share():
    with pytest.raises(PlanError, match=r"savings_targets\[0\] .*write 70% as 0\.7"):
        programme([scheme()], [target(delivery=70.0)])


@pytest.mark.parametrize("held", [["digital"], []])
def test_a_target_and_a_saving_have_names_of_their_own(held):
    says = r"savings_targets\[0\] 'digital', name: a saving is called 'digital' too; rename one"
    with pytest.raises(PlanError, match=says):
        programme([scheme()], [target(name="digital", schemes=held)])


def test_a_target_that_delivers_more_than_it_lacks_is_doubted():
    with pytest.warns(PlanWarning, match=r"savings_targets\[0\] .*delivers 110%"):
        programme([scheme()], [target(delivery=1.1)])


# Schemes that services share

SHARED = [{"service": "adults", "share": 0.6}, {"service": "children", "share": 0.4}]


def shared_programme():
    return programme(
        [
            scheme("procurement", levels=100.0, shared_by=SHARED, starts=0.7),
            scheme("reablement", levels=50.0, service="adults"),
        ],
        [
            target(name="staffing", levels=30.0, schemes=[], shared_by=SHARED[::-1]),
            target(name="estates", levels=20.0, schemes=[], service="property"),
        ],
    )


def test_a_shared_scheme_has_one_delivery_split_by_service():
    ds = run(shared_programme(), n_draws=40)
    assert ds["scheme"].values.tolist()[:2] == ["procurement", "reablement"]
    one = ds["saving_delivered"]
    found = savings_by_service(ds)
    assert found.dims == ("service", "draw", "year")
    assert found["service"].values.tolist() == ["adults", "children", "property"]
    procurement, staffing = one.sel(scheme="procurement"), one.isel(scheme=2)
    adults = 0.6 * procurement + one.sel(scheme="reablement") + 0.6 * staffing
    np.testing.assert_allclose(found.sel(service="adults"), adults)
    np.testing.assert_allclose(found.sel(service="children"), 0.4 * (procurement + staffing))
    np.testing.assert_array_equal(found.sel(service="property"), one.isel(scheme=3))
    assert found.attrs["units"] == "GBP"
    assert found["lead"].values.tolist() == [1, 2, 3, 4]


def test_planned_savings_by_service_have_no_draws():
    found = savings_by_service(run(shared_programme()), "planned_saving_delivered")
    assert found.dims == ("service", "year")
    assert found.isel(year=0).values.tolist() == pytest.approx([60 + 50 + 18, 40 + 12, 20])


def test_savings_by_service_survive_a_file(tmp_path):
    ds = run(shared_programme())
    again = mtfs.load_gap(mtfs.save_gap(ds, tmp_path / "gap.nc"))
    xr.testing.assert_identical(savings_by_service(again), savings_by_service(ds))


@given(plans())
def test_savings_of_services_sum_to_savings_of_schemes(plan):
    ds = run(plan, n_draws=5)
    for what in ("delivered", "late", "lost") if "scheme" in ds.dims else ():
        schemes = ds[f"saving_{what}"]
        found = savings_by_service(ds, f"saving_{what}").sum("service")
        scale = float(np.abs(schemes).max()) + 1
        np.testing.assert_allclose(found, schemes.sum("scheme"), atol=1e-12 * scale * 10)


def test_savings_by_service_ask_for_savings():
    with pytest.raises(MtfsError, match="expected scheme among them, as 'saving_delivered' has"):
        savings_by_service(run(shared_programme()), "gap")
    with pytest.raises(MtfsError, match="holds no saving_delivered"):
        savings_by_service(run(council(lines=[BUDGET])))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"shared_by": SHARED[:1]}, r"the shares of 'shared_by' sum to 0\.6; expected 1"),
        ({"shared_by": SHARED, "service": "adults"}, "give either 'service' or 'shared_by'"),
        ({"shared_by": [SHARED[0], SHARED[0] | {"share": 0.4}]}, "names 'adults' twice"),
        ({"shared_by": [SHARED[0] | {"share": 60.0}]}, r"write 60% as 0\.6"),
        ({"shared_by": [{"service": "adults"}]}, "'share' is missing"),
    ],
    ids=range(5),
)
def test_shares_that_cannot_be_say_what_to_do(fields, says):
    for plan in (([scheme(**fields)], []), ([], [target(schemes=[], **fields)])):
        with pytest.raises(PlanError, match=says):
            programme(*plan)
