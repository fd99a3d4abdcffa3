"""Strategies of numbers and of every kind of line, as mappings."""

from hypothesis import strategies as st


def numbers(low, high):
    return st.floats(low, high, allow_subnormal=False).map(lambda x: round(x, 6))


shares = numbers(0, 1)
pounds = st.integers(0, 50_000_000).map(float)
signed = st.integers(-5_000_000, 5_000_000).map(float)


def by_year(number, horizon):
    """One number, or a list of one a year."""
    return st.one_of(number, st.lists(number, min_size=horizon, max_size=horizon))


def some(**fields):
    """A mapping in which every field may be left out."""
    return st.fixed_dictionaries({}, optional=fields)


def line_kinds(horizon, years, growth, funds, *, certain):
    """Strategies of every kind of line but contingency, without names."""
    year = st.sampled_from(years)
    care = st.fixed_dictionaries(
        {"kind": st.sampled_from(["care", "temporary_accommodation"]), "people": numbers(0, 600)},
        optional={
            "people_growth": growth,
            "people_added": by_year(numbers(0, 20), horizon),
            "people_at": st.sampled_from(["year_average", "year_end"]),
            "arrival": shares,
            "mix_growth": growth,
            "weeks": numbers(50, 53),
            "client_income": numbers(0, 0.4),
            "joint_funding": numbers(0, 0.4),
            "weekly_income": by_year(numbers(0, 900), horizon),
        }
        | (
            {}
            if certain
            else {"dispersion": st.fixed_dictionaries({"cv": numbers(0.1, 2), "stay": shares})}
        ),
    )
    care = st.builds(
        lambda a, b: a | b,
        care,
        st.fixed_dictionaries({"weekly_cost": numbers(0, 6000), "price_growth": growth}),
    )
    listed = st.lists(numbers(0, 100), min_size=horizon, max_size=horizon)
    counted = st.fixed_dictionaries(
        {
            "kind": st.just("care"),
            "people_by_year": listed,
            "weekly_cost": numbers(0, 6000),
            "price_growth": growth,
        }
    )
    pay = st.fixed_dictionaries(
        {"kind": st.just("pay"), "pay": pounds, "posts": numbers(0, 3000)},
        optional={
            "award": growth,
            "flat_award": by_year(numbers(0, 2000), horizon),
            "pension": by_year(numbers(0, 0.3), horizon),
            "national_insurance": numbers(0, 0.2),
            "threshold": numbers(0, 9000),
            "base_pension": numbers(0, 0.3),
            "vacancies": numbers(0, 0.1),
            "agency": numbers(0, 0.3),
            "agency_premium": numbers(0, 0.6),
        },
    )
    staffed = st.fixed_dictionaries(
        {"turnover": by_year(numbers(0.01, 0.4), horizon), "leaver_cost": numbers(1, 20_000)}
    )
    pay = st.builds(lambda a, b: a | b, pay, st.one_of(st.just({}), staffed))
    budget = st.fixed_dictionaries(
        {"kind": st.sampled_from(["budget", "contract", "levy"]), "base": pounds},
        optional={
            "growth": growth,
            "volume_growth": growth,
            "review_month": st.integers(1, 12),
            "cap": numbers(0.04, 0.1),
            "collar": numbers(-0.01, 0.02),
            "phase_in": st.one_of(by_year(shares, horizon), st.just("kept")),
            "drift": by_year(numbers(-0.2, 0.3), horizon),
        },
    )
    fees = st.fixed_dictionaries(
        {"kind": st.just("fees"), "income": pounds},
        optional={
            "price_growth": growth,
            "price_index": growth,
            "volume_growth": growth,
            "elasticity": numbers(-1.5, 0),
        },
    )
    changes = st.lists(signed, min_size=horizon, max_size=horizon)
    change = st.one_of(
        st.fixed_dictionaries(
            {"changes": changes, "recurrence": st.just("recurrent")},
            optional={"part_year": numbers(0.1, 1)},
        ),
        st.fixed_dictionaries({"changes": changes, "recurrence": st.just("one_off")}),
        st.fixed_dictionaries(
            {"changes": changes, "recurrence": st.just("temporary"), "until": year}
        ),
        st.fixed_dictionaries({"levels": by_year(signed, horizon)}),
    )
    change = st.builds(
        lambda a, b: {"kind": "change", "cause": "demography"} | a | b,
        change,
        some(index=growth, multiplier=numbers(0, 2)),
    )
    late = {} if certain else {"slippage": by_year(shares, horizon)}
    capital = st.fixed_dictionaries(
        {"kind": st.just("capital"), "programme": by_year(pounds, horizon)},
        optional={
            "financed": shares,
            "asset_life": numbers(1, 40),
            "rate": numbers(0, 0.07),
            "mrp": by_year(pounds, horizon),
            "interest": pounds,
            "base": pounds,
        }
        | late,
    )
    balances = st.fixed_dictionaries(
        {"kind": st.just("balances"), "rate": growth, "cash": pounds},
        optional={"funds": st.just(funds), "base": pounds},
    )
    risk = st.fixed_dictionaries(
        {"kind": st.just("risk"), "probability": numbers(0.01, 1), "impact": pounds, "year": year},
        optional={"lasts": st.integers(1, 3), "planned": pounds},
    )
    return [
        care,
        counted,
        pay,
        budget,
        fees,
        change,
        capital,
        balances,
        *([] if certain else [risk]),
    ]


def prevention(horizon, entered):
    """A prevention line that reduces the first care line and may put people into the second."""
    # a cut would take people out of the second line, which may have too few
    instead = [{"line": line["name"], "share": 0.5} for line in entered[1:2]]
    least = 0 if instead else -20
    fixed = {
        "kind": st.just("prevention"),
        "base": st.integers(1_000_000, 5_000_000).map(float),
        "spend": by_year(st.integers(least, 100).map(lambda n: n * 50_000.0), horizon),
        "effect_at": st.integers(1_000_000, 5_000_000).map(float),
        "reduces": st.just(entered[0]["name"]),
        "through": st.sampled_from(["entries", "step_downs"]),
        "effect": by_year(numbers(0, 0.5), horizon),
        "lag": st.integers(0, 3),
        "ramp": st.integers(1, 4),
        "decay": shares,
    }
    return st.fixed_dictionaries(fixed, optional={"instead": st.just(instead)})


@st.composite
def line_lists(draw, horizon, years, growth, funds, *, certain):
    kinds = st.one_of(line_kinds(horizon, years, growth, funds, certain=certain))
    found = [{"kind": "budget", "name": "roads", "base": draw(pounds), "growth": draw(growth)}]
    for n in range(draw(st.integers(0, 4))):
        line = (
            {"name": f"line {n}"}
            | draw(kinds)
            | draw(some(service=st.just("adults"), share=numbers(0.2, 1)))
        )
        if draw(st.integers(0, 4)) == 0:
            line |= {"cause": "policy"}
        found.append(line)
    entered = [line for line in found if line["kind"] == "care" and (line.get("people") or 0) >= 1]
    if entered and draw(st.booleans()):
        entered[0]["entries"] = entered[0]["people"] * draw(numbers(0.05, 3))
        found.append({"name": "early help"} | draw(prevention(horizon, entered)))
    if not certain and draw(st.booleans()):
        covers = draw(st.sampled_from(["all", ["roads"]]))
        found.append(
            {"kind": "contingency", "name": "contingency", "amount": draw(pounds), "covers": covers}
        )
    return found
