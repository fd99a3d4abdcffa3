"""Monitoring documents: what they hold, what adds up, and what is refused at the door."""

import pytest

import mtfs
from mtfs import Monitoring, MtfsError, PlanError, load_example_monitoring, load_monitoring
from mtfs.io import example_monitoring_names
from mtfs.waterfall import weakest

CARE = {
    "name": "adult care",
    "budget": 60e6,
    "forecasts": [{"period": 6, "variance": 2e6}, {"period": 8, "variance": 1.5e6}],
}
ROADS = {
    "name": "roads",
    "budget": 10e6,
    "forecasts": [
        {"period": 6, "variance": -0.4e6, "basis": "derived"},
        {"period": 8, "variance": -0.5e6, "basis": "illustrative"},
    ],
}
FALL = {
    "name": "care",
    "service": "adult care",
    "period": 8,
    "gross": 3e6,
    "steps": [
        {"name": "reviews", "amount": 1e6, "kind": "achieved"},
        {"name": "from public health", "amount": 0.5e6, "kind": "support"},
        {"name": "more reviews", "amount": 0.25e6, "kind": "to_be_secured", "rag": "amber"},
    ],
    "net": 1.5e6,
    "target": 1.25e6,
}


def document(**parts):
    return {"council": "Anyshire", "year": "2025/26", "services": [CARE, ROADS]} | parts


def monitoring(**parts):
    return Monitoring.model_validate(document(**parts))


def refusal(**parts):
    with pytest.raises(PlanError) as caught:
        monitoring(**parts)
    return str(caught.value)


# Sums


def test_rotherhams_waterfall_is_exact():
    (fall,) = load_example_monitoring("rotherham_2018").waterfalls
    assert 8.646e6 - 1.422e6 - 0.660e6 == 6.564e6
    assert 6.564e6 - 0.343e6 == 6.221e6
    table = fall.table()
    assert table["step"].tolist() == [
        "gross",
        "savings achieved in adult social care",
        "support from other services of the directorate",
        "net",
        "care package reviews and direct payments",
        "target",
    ]
    assert table["running"].tolist() == [8.646e6, 7.224e6, 6.564e6, 6.564e6, 6.221e6, 6.221e6]
    assert table["amount"].tolist() == [8.646e6, -1.422e6, -0.660e6, 0, -0.343e6, 0]
    assert set(table["basis"]) == {"published"}
    kinds = {step.name: step.kind for step in fall.steps}
    assert kinds["care package reviews and direct payments"] == "to_be_secured"


def test_rotherhams_overspend_falls_every_month_and_only_the_last_is_published():
    (service,) = load_example_monitoring("rotherham_2018").services
    variances = [each.variance for each in service.forecasts]
    assert variances == sorted(variances, reverse=True)
    assert len(set(variances)) == len(variances)
    assert [each.basis for each in service.forecasts] == ["illustrative"] * 6 + ["published"]


def test_nottinghamshires_services_sum_to_its_totals():
    held = load_example_monitoring("nottinghamshire_2024")
    assert held.total_at(4).variance == pytest.approx(3.5e6)
    assert held.total_at(6).variance == pytest.approx(4.4e6)  # 10.6 + 3.3 - 9.5
    assert held.total_at(7).variance == pytest.approx(0.903e6)
    assert held.total_at(6).basis == "derived"
    assert {t.period: t.variance for t in held.totals} == {4: 3.5e6, 6: 4.4e6, 7: 0.903e6}


@pytest.mark.parametrize("name", example_monitoring_names())
def test_every_document_that_ships_says_what_is_published(name):
    held = load_example_monitoring(name)
    assert held.source
    for each in held.services:
        assert each.budget_basis == "published" or each.source
    assert Monitoring.model_validate_json(held.to_json()) == held
    assert name.split("_")[0] in held.council.lower()


def test_a_sum_is_as_weak_as_its_weakest_part():
    assert weakest([]) == "published"
    held = monitoring()
    assert held.total_at(6).basis == "derived"
    assert held.total_at(8).basis == "illustrative"
    rows = held.table().set_index(["service", "period"])
    assert rows.loc[("total", "8"), "basis"] == "illustrative"
    assert rows.loc[("total", "6"), "variance"] == 1.6e6
    assert rows.loc[("roads", "6"), "basis"] == "derived"
    basis = monitoring(waterfalls=[FALL | {"basis": "illustrative"}]).waterfalls[0].table()["basis"]
    assert set(basis) == {"illustrative"}


def test_outturns_are_in_the_table_and_sum():
    care = CARE | {"outturn": {"variance": 1e6}}
    roads = ROADS | {"outturn": {"variance": -3e5}}
    held = monitoring(services=[care, roads], totals=[{"period": "outturn", "variance": 0.7e6}])
    assert held.total_at("outturn").variance == 0.7e6
    rows = held.table().set_index(["service", "period"])
    assert rows.loc[("total", "outturn"), "variance"] == 0.7e6
    assert "7 forecasts" not in repr(held)
    assert "4 forecasts" in str(held)


def test_support_from_outside_is_added_back_in_the_councils_total():
    # Care is 1.5 over after 0.5 of public health's money, which no service of the document gives:
    # the council's total is 1.5 + 0.5 - 0.5 (roads), not 1.5 - 0.5.
    held = monitoring(waterfalls=[FALL])
    assert held.support(8) == 0.5e6
    assert held.total_at(8).variance == 1.5e6
    assert held.support(6) == 0
    assert held.total_at(6).variance == 1.6e6
    assert monitoring(waterfalls=[FALL], totals=[{"period": 8, "variance": 1.5e6}]).totals
    assert "support of GBP 0.5m from outside added back" in refusal(
        waterfalls=[FALL], totals=[{"period": 8, "variance": 1e6}]
    )


def test_support_of_a_service_in_the_document_is_in_its_own_variance():
    steps = [FALL["steps"][0], FALL["steps"][1] | {"giver": "roads"}, FALL["steps"][2]]
    held = monitoring(waterfalls=[FALL | {"steps": steps}])
    assert held.support(8) == 0
    assert held.total_at(8).variance == 1e6


def test_support_stands_until_a_later_waterfall_says_otherwise():
    care = CARE | {"forecasts": [*CARE["forecasts"], {"period": 9, "variance": 1.4e6}]}
    held = monitoring(services=[care], waterfalls=[FALL])
    assert held.support(9) == held.support(12) == 0.5e6
    later = {"name": "later", "service": "adult care", "period": 9, "gross": 2.4e6, "net": 1.4e6}
    later["steps"] = [FALL["steps"][0]]
    assert monitoring(services=[care], waterfalls=[FALL, later]).support(9) == 0


def test_a_councils_waterfall_needs_no_forecasts_of_its_services():
    steps = [{"name": "freeze", "amount": 1e6, "kind": "secured"}]
    fall = {"name": "council", "period": 7, "gross": 3e6, "net": 2e6, "steps": steps}
    (held,) = monitoring(waterfalls=[fall]).waterfalls
    assert held.table()["running"].tolist() == [3e6, 2e6, 2e6]


def test_rounding_decides_what_adds_up():
    care = CARE | {"forecasts": [{"period": 6, "variance": 6.24e6}]}
    roads = ROADS | {"forecasts": [{"period": 6, "variance": 2.44e6}]}
    totals = [{"period": 6, "variance": 8.8e6}]  # 6.2 + 2.4 is 8.6, 6.24 + 2.44 is 8.68
    assert monitoring(services=[care, roads], totals=totals, rounding=0.05e6)
    said = refusal(services=[care, roads], totals=totals)
    assert "sum to GBP 8.68m, and GBP 8.8m is stated: out by GBP 0.12m" in said


# What is refused

SERVICES = [CARE, ROADS]
VARIANCE = {
    "name": "placements",
    "service": "roads",
    "cause": "price",
    "amount": -0.5e6,
    "recurrent_share": 1.0,
    "full_year_effect": 0.0,
}


PAST = {
    "year": "2024/25",
    "service": "roads",
    "period": 6,
    "budget": 1e6,
    "forecast": 0.0,
    "outturn": 0.0,
}


def forecasts(*periods):
    return [CARE | {"forecasts": [{"period": p, "variance": 1e6} for p in periods]}]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"totals": [{"period": 6, "variance": 1.8e6}]},
            (
                r"totals\[0\], variance: the services sum to GBP 1.6m, and GBP 1.8m is stated: "
                r"out by GBP 0.2m \(rounding explains GBP 1.50\)"
            ),
        ),
        ({"totals": [{"period": 7, "variance": 0}]}, "'adult care' has no forecast at period 7"),
        ({"totals": [{"period": "outturn", "variance": 0}]}, "'adult care' has no outturn"),
        ({"totals": [{"period": 6, "variance": 1.6e6}] * 2}, "'6' stands 2 times in totals"),
        ({"totals": [{"period": "March", "variance": 0}]}, "found 'March'; expected 'outturn'"),
        ({"services": forecasts(13)}, r"period is 13; expected a month from 1 \(April\) to 12"),
        ({"services": forecasts(0)}, "period is 0"),
        ({"services": forecasts(6.5)}, "expected a whole number|integer"),
        ({"services": forecasts(6, 6)}, "'adult care' has two forecasts at period 6"),
        ({"services": forecasts(8, 6)}, "period 6 stands after 8; give them in order"),
        (
            {"services": [CARE | {"budget": 90}]},
            (
                r"forecasts\[0\], variance: a variance of GBP 2m is more than 10 times the budget "
                "of GBP 90.00: one is in another unit, or it is spend and not spend over budget"
            ),
        ),
        (
            {"services": [ROADS | {"outturn": {"variance": -100.5e6}}]},
            "outturn, variance: a variance of GBP -100.5m is more than 10 times the budget of GBP",
        ),
        ({"history": [PAST | {"forecast": -20e6}]}, r"history\[0\], forecast: .* GBP -20m is more"),
        ({"history": [PAST | {"outturn": 11e6}]}, r"history\[0\], outturn: .* GBP 11m is more"),
        ({"services": []}, "'services' is empty; give at least one"),
        ({"services": [CARE, CARE]}, "'adult care' stands 2 times in services"),
        ({"services": [CARE | {"budget": -60e6}]}, "budget: found -60000000.0; expected a value"),
        ({"services": [CARE | {"budget": 0}]}, "expected a value above 0"),
        ({"services": [{"name": "parks"}]}, "'parks' has neither forecasts nor an outturn"),
        ({"services": [CARE | {"scope": "council"}, ROADS]}, "only figure is the whole council"),
        ({"year": "2025/27"}, "expected a financial year such as '2026/27'"),
        ({"year": 2025}, "expected a financial year such as '2025/26'"),
        ({"servics": []}, "Did you mean 'services'"),
        ({"waterfalls": [FALL, FALL]}, "stands 2 times in waterfalls"),
        (
            {"waterfalls": [FALL | {"service": "adult cares"}]},
            "there is no service 'adult cares'. Did you mean 'adult care'?",
        ),
        (
            {"waterfalls": [FALL | {"net": 1.4e6}]},
            "secured and supported is GBP 1.5m, and GBP 1.4m is stated: out by GBP 0.1m",
        ),
        (
            {"waterfalls": [FALL | {"target": 1e6}]},
            "net less what is to be secured is GBP 1.25m, and GBP 1m is stated: out by GBP 0.25m",
        ),
        (
            {"waterfalls": [FALL | {"period": 6}]},
            "the net is GBP 1.5m, and GBP 2m is the service's forecast",
        ),
        ({"waterfalls": [FALL | {"period": 7}]}, "'adult care' has no forecast at period 7"),
        ({"waterfalls": [FALL | {"steps": []}]}, "'steps' is empty; give at least one"),
        (
            {"waterfalls": [FALL | {"service": None}]},
            "the net is GBP 1.5m, and GBP 1m is what the services sum to: out by GBP 0.5m",
        ),
        (
            {
                "history": [
                    {
                        "year": "2025/26",
                        "service": "roads",
                        "period": 6,
                        "budget": 1e6,
                        "forecast": 0,
                        "outturn": 0,
                    }
                ]
            },
            "history is of years before 2025/26; found 2025/26",
        ),
        (
            {"variances": [VARIANCE | {"amount": -0.3e6}]},
            (
                "the variances of 'roads' sum to GBP -0.3m, and GBP -0.5m is its latest forecast: "
                "out by GBP 0.2m"
            ),
        ),
        ({"variances": [VARIANCE, VARIANCE]}, "'placements' stands 2 times in variances"),
        ({"variances": [VARIANCE | {"service": "road"}]}, "Did you mean 'roads'?"),
        (
            {
                "variances": [
                    VARIANCE | {"provided": [{"line": "growth", "share": 0.6}] * 2},
                ]
            },
            "shares of the growth of 'growth' sum to 1.2; more than 1 counts growth twice",
        ),
    ],
)
def test_what_does_not_hang_together_is_refused(parts, message):
    with pytest.raises(PlanError, match=message):
        monitoring(**parts)


def test_several_problems_are_listed_at_once():
    said = refusal(totals=[{"period": 6, "variance": 0}, {"period": 7, "variance": 0}])
    assert said.startswith("the monitoring has 2 problems:")


def past(year, outturn, period=6):
    return {
        "year": year,
        "service": "roads",
        "period": period,
        "budget": 10e6,
        "forecast": 0.0,
        "outturn": outturn,
    }


def test_a_year_has_one_outturn():
    assert monitoring(history=[past("2024/25", 1e5), past("2024/25", 1e5, 8)])
    said = refusal(history=[past("2024/25", 1e5), past("2024/25", 2e5, 8)])
    assert "'roads' has more than one outturn of 2024/25: 100,000, 200,000" in said
    assert "stands 2 times in history" in refusal(history=[past("2024/25", 1e5)] * 2)


def step(**parts):
    return {"name": "a", "amount": 1.0, "kind": "to_be_secured", **parts}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (step(), "give either 'rag' or 'delivery'"),
        (step(rag="red", delivery={"mean": 0.5, "sd": 0.1}), "give either 'rag' or 'delivery'"),
        (step(kind="achieved", rag="red"), "go with kind to_be_secured"),
        (step(kind="achieved", giver="roads"), "'giver' goes with kind support"),
        (step(kind="support", giver="rods"), "Did you mean 'roads'"),
        (step(amount=-1.0, rag="red"), "at least 0"),
        (step(rag="gren"), "Did you mean 'green'"),
        (step(kind="achieve"), "Did you mean 'achieved'"),
        (step(name="reviews", rag="red", amount=0.0), "two steps are called 'reviews'"),
    ],
)
def test_a_step_says_what_its_kind_needs_and_no_more(wrong, message):
    assert message in refusal(waterfalls=[FALL | {"steps": [*FALL["steps"], wrong]}])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"one_off": 1e5}, "of the same sign"),
        ({"one_off": -0.6e6}, "more than the amount"),
        ({"recurrence": "one_off"}, "a one-off leaves nothing behind"),
        ({"recurrent_share": None}, "'recurrent_share' is missing"),
        ({"recurrent_share": "childrn"}, "Did you mean 'children'"),
        ({"recurrent_share": 1.6}, "at most 1.5"),
        ({"recurrent_share": {"mean": 0.5, "sd": 0.6}}, "no beta on 0 to 1 .* 'high'"),
        ({"recurrent_share": {"mean": 0.5, "sd": 0.1, "low": 1.2}}, "expected low below high"),
        ({"recurrent_share": "children"}, "full-year effects are in it already"),
        ({"full_year_effect": None}, "give either 'full_year_effect' .* or 'run_rate'"),
        ({"run_rate": 1e6}, "give either 'full_year_effect' .* or 'run_rate'"),
        ({"name": "p" * 51}, "at most 50 characters"),
    ],
)
def test_a_variance_says_what_comes_back(change, message):
    with pytest.raises(PlanError, match=message):
        monitoring(variances=[VARIANCE | change])


def test_a_run_rate_gives_the_full_year_effect_of_what_recurs():
    # 8 over budget, 1 of it one-off; at the year end 9 a year: 9 - (8 - 1) = 2 more in a full one
    services = [ROADS | {"outturn": {"variance": 8e6}}]
    one = VARIANCE | {"amount": 8e6, "one_off": 1e6, "run_rate": 9e6, "full_year_effect": None}
    (variance,) = monitoring(services=services, variances=[one]).variances
    assert variance.lasting == 7e6
    assert variance.full_year == 2e6


def test_a_service_is_found_by_name():
    assert monitoring().service("roads").latest(7).period == 6
    assert monitoring().service("roads").latest(5) is None
    with pytest.raises(MtfsError, match="Did you mean 'roads'"):
        monitoring().service("raods")


# Files

TEXT = """\
council: Anyshire
year: 2025/26
services:
  - name: roads
    budget: 10e6
    forecasts:
      - {period: 3, variance: 0.4e6}
      - {period: 14, variance: 0.4e6}
totals:
  - {period: 3, variance: £0.5m}
"""


def test_every_error_of_a_file_has_its_line(tmp_path):
    file = tmp_path / "year.yaml"
    file.write_text(TEXT, encoding="utf-8")
    with pytest.raises(PlanError) as caught:
        load_monitoring(file)
    said = str(caught.value)
    assert said.startswith("the monitoring has 2 problems:")
    assert f"{file}, line 8, services[0] 'roads', forecasts[1], period: period is 14" in said
    assert f"{file}, line 10, totals[0], variance: found text '£0.5m'" in said
    file.write_text(TEXT.replace("14", "4").replace("£0.5m", "0.5e6"), encoding="utf-8")
    with pytest.raises(PlanError, match=r"year.yaml, line 10, totals\[0\].* out by GBP 0.1m"):
        load_monitoring(file)
    file.write_text(TEXT.replace("14", "4").replace("£0.5m", "0.4e6"), encoding="utf-8")
    assert load_monitoring(file).services[0].budget == 10e6


def test_a_variance_may_be_the_whole_budget_and_needs_none():
    spent = {"name": "grants", "budget": 5e6, "outturn": {"variance": -5e6}}
    assert monitoring(services=[spent], history=[])
    assert monitoring(services=[{key: spent[key] for key in ("name", "outturn")}])


def test_an_empty_file_and_a_plan_are_no_monitoring_document(tmp_path):
    file = tmp_path / "year.yaml"
    file.write_text("", encoding="utf-8")
    with pytest.raises(PlanError, match="is empty; expected a monitoring document, a mapping that"):
        load_monitoring(file)
    file.write_text("council: A\nfirst_year: 2026/27\n", encoding="utf-8")
    with pytest.raises(PlanError, match="looks like a plan, not a monitoring document"):
        load_monitoring(file)


def test_an_unknown_document_names_the_nearest():
    with pytest.raises(MtfsError, match="Did you mean 'rotherham_2018'"):
        mtfs.load_example_monitoring("rotheram_2018")


def test_a_service_is_not_called_as_the_row_of_totals():
    total = {"name": "total", "outturn": {"variance": 1.0}}
    with pytest.raises(PlanError, match="a service is called 'total', as the last row of tables"):
        Monitoring.model_validate({"council": "A", "year": "2025/26", "services": [total]})


def test_one_step_is_not_taken_off_a_service_and_the_council():
    # both rows would take the reviews off the total
    def waterfall(name, **more):
        reviews = {"name": "reviews", "amount": 1e6, "kind": "to_be_secured", "rag": "red"} | more
        return {"name": name, "period": 8, "gross": 5e6, "steps": [reviews], "net": 5e6}

    adults = {
        "name": "adults",
        "budget": 100e6,
        "forecasts": [{"period": 8, "variance": 5e6}],
    }
    data = {"council": "A", "year": "2025/26", "services": [adults]}
    own = waterfall("adult care") | {"service": "adults"}
    with pytest.raises(PlanError, match=r"'reviews' is to be secured in 'adult care' too"):
        Monitoring.model_validate(data | {"waterfalls": [own, waterfall("council")]})
    once = data | {"waterfalls": [own, waterfall("council", counted=True)]}
    assert Monitoring.model_validate(once).waterfalls[1].assumed == 1e6
