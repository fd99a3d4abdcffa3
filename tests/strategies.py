"""Hypothesis strategies that make whole random plans, as mappings and as plans.

``certain`` plans have no spread and full delivery, and leave out what the council's own table
holds on another footing than a draw: contingency, risks, slippage and ``planned`` values.
"""

import re

from hypothesis import strategies as st
from line_strategies import by_year, line_lists, numbers, pounds, shares, signed, some

from mtfs import Plan
from mtfs.vocabulary import year_labels

GBP_KEYS = frozenset(
    re.findall(
        r"\w+",
        """
        base base_gap pay flat_award threshold base_threshold weekly_cost weekly_income
        income spend effect_at leaver_cost changes levels impact planned amount programme mrp
        interest cash band_d base_income rates baseline tariff top_up section_31 base_section_31
        declared opening contributions minimum planned_use amounts deficits
        """,
    )
)


def doubled(part):
    """Give a mapping of lines, savings, funding or reserves with all pounds doubled."""

    def twice(value):
        return [twice(each) for each in value] if isinstance(value, list) else 2 * value

    if isinstance(part, list):
        return [doubled(each) for each in part]
    if isinstance(part, dict):
        return {
            key: twice(value) if key in GBP_KEYS and not isinstance(value, dict) else doubled(value)
            for key, value in part.items()
        }
    return part


# Drivers

WALKS = st.one_of(st.sampled_from([0, 0.5, 1, "random_walk"]), numbers(0, 1))
STAYS = st.one_of(st.sampled_from([0, 0.5, 1]), numbers(0, 1))


@st.composite
def spreads(draw, horizon):
    """The fields of an uncertain growth driver, of any shape."""
    shape = draw(
        st.sampled_from(
            [
                "normal",
                "interval",
                "lognormal",
                "lognormal_interval",
                "student_t",
                "triangular",
                "pert",
                "beta",
                "empirical",
                "discrete",
                "poisson",
            ]
        )
    )
    stated = st.sampled_from(["mean", "median", "mode"])
    low = draw(numbers(0.001, 0.03))
    width = draw(numbers(0.005, 0.06))
    span = {"low": low, "high": low + width, "prob": draw(numbers(0.5, 0.95))}
    if shape == "interval":
        return {"interval": span, "persistence": draw(WALKS)}
    if shape == "lognormal_interval":
        lean = {"central": low + width * draw(numbers(0.45, 0.55))} if draw(st.booleans()) else {}
        return {"shape": "lognormal", "interval": span, "persistence": draw(WALKS)} | lean
    if shape in {"normal", "lognormal", "student_t"}:
        found = {
            "central": draw(by_year(numbers(0.01, 0.08), horizon)),
            "sd": draw(by_year(numbers(0, 0.02), horizon)),
            "shape": shape,
            "stated_as": draw(stated),
            "persistence": draw(WALKS),
        }
        return found | ({"df": draw(numbers(2.5, 30))} if shape == "student_t" else {})
    if shape in {"triangular", "pert"}:
        mode = low + width * draw(shares)
        mode = min(max(mode, low), low + width)
        fixed = {"bounds": [low, low + width], "central": mode, "stated_as": "mode"}
    elif shape == "beta":
        fixed = {
            "bounds": [low, low + width],
            "central": low + width * draw(numbers(0.3, 0.7)),
            "sd": width * draw(numbers(0.05, 0.3)),
            "stated_as": "mean",
        }
    elif shape == "poisson":
        fixed = {"central": draw(numbers(0, 0.2)), "stated_as": "mean"}
    elif shape == "empirical":
        fixed = {"values": draw(st.lists(numbers(-0.02, 0.1), min_size=1, max_size=6))}
    else:
        p = draw(shares)
        fixed = {
            "states": [
                {"name": "up", "probability": p, "values": draw(by_year(numbers(0, 0.1), horizon))},
                {"name": "down", "probability": 1 - p, "values": low},
            ]
        }
    return fixed | {"shape": shape, "persistence": draw(STAYS)}


@st.composite
def driver_lists(draw, horizon, years, *, certain):
    """Growth drivers, then a mix of them, then ``kept``, a share."""
    found = []
    for n in range(draw(st.integers(1, 3))):
        plain = {"central": draw(by_year(numbers(-0.02, 0.08), horizon))}
        own = plain if certain or draw(st.integers(0, 3)) == 0 else draw(spreads(horizon))
        driver = {"name": f"growth {n}", "previous": [0.02, 0.03]} | own
        driver |= draw(
            some(scope=st.sampled_from(["council", "national"]), source=st.just("a paper"))
        )
        if draw(st.integers(0, 3)) == 0:
            chance = st.sampled_from([0.0, 1.0]) if certain else shares
            driver["events"] = [
                {
                    "name": "shift",
                    "year": draw(st.sampled_from(years)),
                    "probability": draw(chance),
                    "effect": draw(numbers(-0.02, 0.05)),
                    "lasts": draw(st.integers(1, 3)),
                }
            ]
        found.append(driver)
    if draw(st.booleans()):
        parts = [
            {
                "driver": d["name"],
                "weight": draw(numbers(-0.3, 0.8)),
                "lag": draw(st.integers(0, 2)),
            }
            for d in found
        ]
        noise = (
            {"sd": 0.01, "persistence": draw(WALKS)} if not certain and draw(st.booleans()) else {}
        )
        found.append({"name": "blend", "mix": parts} | noise)
    kept = {"central": 0.9}
    if not certain:
        kept |= {
            "sd": 0.03,
            "shape": "beta",
            "bounds": [0.0, 1.0],
            "stated_as": "mean",
            "persistence": 0.5,
        }
    return [*found, {"name": "kept"} | kept]


def correlation_lists(drivers):
    """At most one pair or common factor, of drivers that forget at rates near enough."""
    free = [
        d["name"]
        for d in drivers
        if "mix" not in d
        and d.get("persistence") not in (None, "random_walk")
        and d["persistence"] <= 0.9
    ]
    if len(free) < 2:
        return st.just([])
    pair = st.builds(lambda r: [{"between": free[:2], "value": r}], numbers(-0.35, 0.35))
    factor = st.builds(
        lambda r: [{"factor": "economy", "loadings": [{"driver": d, "loading": r} for d in free]}],
        numbers(-0.5, 0.5),
    )
    return st.one_of(st.just([]), pair, factor)


# Savings, funding, reserves


RUN_OFFS = st.sampled_from([[1.0], [0.6, 0.4], [0.0, 1.0], [0.5, 0.25, 0.25]])
OUTCOMES = st.one_of(
    st.fixed_dictionaries({"rag": st.sampled_from(["green", "amber", "red", "unidentified"])}),
    st.fixed_dictionaries({"delivery": shares}),
    st.just({"delivery": {"mean": 0.7, "sd": 0.2}}),
)
SHARED = [{"service": "adults", "share": 0.6}, {"service": "children", "share": 0.4}]


@st.composite
def deliveries(draw, *, certain):
    """How savings arrive, whether of a scheme or of a target."""
    held = draw(some(slipped=shares, run_off=RUN_OFFS, shared_by=st.just(SHARED)))
    if certain:
        return held | {"delivery": 1.0}
    delays = st.just([{"years": 1, "probability": 0.3}, {"years": 2, "probability": 0.2}])
    return held | draw(OUTCOMES) | draw(some(starts=numbers(0.3, 1), delays=delays))


@st.composite
def saving_lists(draw, horizon, *, certain):
    """Schemes of which some need earlier ones that save something in every year."""
    found, always = [], []
    for n in range(draw(st.integers(0, 3))):
        levels = draw(by_year(pounds, horizon))
        scheme = {"name": f"scheme {n}", "levels": levels} | draw(deliveries(certain=certain))
        if always and draw(st.booleans()):
            scheme["needs"] = draw(st.lists(st.sampled_from(always), unique=True, max_size=2))
        found.append(scheme)
        if min(levels if isinstance(levels, list) else [levels]) > 0:
            always.append(scheme["name"])
    return found


@st.composite
def target_lists(draw, horizon, savings, *, certain):
    """At most two targets that share out some of the schemes."""
    left = [scheme["name"] for scheme in savings]
    found = []
    for n in range(draw(st.integers(0, 2))):
        mine = draw(st.lists(st.sampled_from(left), unique=True)) if left else []
        left = [name for name in left if name not in mine]
        levels = draw(by_year(pounds, horizon))
        target = {"name": f"target {n}", "levels": levels, "schemes": mine}
        found.append(target | draw(deliveries(certain=certain)))
    return found


@st.composite
def funding_lists(draw, horizon, years, growth, fund, *, certain):
    rise = numbers(0, 0.02)
    tax = {"kind": "council_tax", "name": "council tax"} | draw(
        st.sampled_from([{"band_d": 1800.0, "tax_base": 90_000.0}, {"base_income": 162e6}])
    )
    collection = st.just("kept") if certain else st.one_of(numbers(0.9, 1), st.just("kept"))
    tax |= draw(
        some(
            tax_base_growth=growth,
            core_increase=by_year(rise, horizon),
            asc_precept=rise,
            **({"collection": collection} if "band_d" in tax else {}),
        )
    )
    if draw(st.booleans()):
        tax["collection_fund"] = draw(
            some(
                lag=st.sampled_from([1, 2]),
                share=numbers(0.5, 1),
                declared=by_year(signed, horizon),
            )
        )
    rates = {
        "kind": "business_rates",
        "name": "rates",
        "rates": draw(pounds),
        "baseline": draw(pounds),
    } | draw(
        some(
            multiplier=growth,
            growth=growth,
            tariff=pounds,
            top_up=pounds,
            section_31=by_year(pounds, horizon),
            base_section_31=pounds,
            levy=shares,
            safety_net=numbers(0, 1),
            reset=st.sampled_from(years),
            reset_to=numbers(0.5, 1.5),
        )
    )
    grant = {"kind": "grant", "name": "grant", "amount": draw(pounds)} | draw(
        some(growth=growth, side=st.sampled_from(["funding", "requirement"]))
    )
    if "growth" not in grant and draw(st.booleans()):
        grant["base"] = draw(pounds)
    if horizon > 1 and draw(st.booleans()):
        grant["ends"] = draw(st.sampled_from(years[:-1]))
        goes_on = draw(st.booleans())
        grant |= {
            "continues": float(goes_on) if certain else draw(shares),
            "planned_to_continue": goes_on,
        }
    fenced = {
        "kind": "grant",
        "name": "fenced",
        "amount": draw(pounds),
        "ring_fenced_to": "roads",
        "rest_to": fund,
    }
    other = {"kind": "other", "name": "other", "levels": draw(by_year(signed, horizon))}
    other |= draw(some(base=pounds, index=growth))
    chosen = draw(st.lists(st.sampled_from(range(5)), unique=True, max_size=5))
    return [[tax, rates, grant, fenced, other][n] for n in sorted(chosen)]


@st.composite
def reserve_mappings(draw, horizon, *, certain):
    fund = {"opening": pounds, "contributions": by_year(pounds, horizon)}
    extra = some(minimum=pounds, contributions=fund["contributions"])
    general = {"name": "general", "opening": draw(pounds), "general": True} | draw(extra)
    smoothing = {"name": "smoothing", "opening": draw(pounds), "minimum_share": 0.01}
    held = {"name": "insurance", "opening": draw(pounds), "meets_shortfall": False}
    tied = {
        "name": "roads fund",
        "opening": draw(pounds),
        "tied_to": "roads",
        "planned_use": draw(by_year(pounds, horizon)),
    }
    rest = draw(st.lists(st.sampled_from(range(3)), unique=True, max_size=3))
    funds = [general, *([smoothing, held, tied][n] for n in rest)]
    closure = {
        "policy": draw(st.sampled_from(["plan", "none", "respond"])),
        "slipped": draw(shares),
    }
    if certain:
        closure["delivery"] = 1.0
    elif draw(st.booleans()):
        closure["delivery"] = draw(st.one_of(shares, st.just({"mean": 0.6, "sd": 0.2})))
    return {"funds": funds, "surplus_to": "general", "closure": closure}


@st.composite
def mappings(draw, *, certain=False):
    """A whole plan as a mapping, as it would stand in a file."""
    horizon = draw(st.integers(1, 5))
    start = draw(st.sampled_from(["2026/27", "2027/28"]))
    years = year_labels(start, horizon)
    drivers = draw(driver_lists(horizon, years, certain=certain))
    names = [d["name"] for d in drivers if d["name"] != "kept"]
    profile = st.just({"profile": "linear", "start": 0.01, "end": 0.04})
    growth = st.one_of(by_year(numbers(-0.03, 0.1), horizon), profile, st.sampled_from(names))
    reserves = draw(reserve_mappings(horizon, certain=certain))
    funds = [fund["name"] for fund in reserves["funds"]]
    one_offs = [
        {
            "kind": "reserve",
            "name": "budget support",
            "fund": "general",
            "amounts": draw(by_year(pounds, horizon)),
        },
        {
            "kind": "efs",
            "name": "direction",
            "amounts": draw(by_year(pounds, horizon)),
            "repay_years": draw(numbers(1, 20)),
            "rate": 0.05,
        },
        {"kind": "receipt", "name": "land", "amounts": draw(pounds)},
    ]
    item = {
        "name": "DSG",
        "opening": draw(signed),
        "deficits": draw(by_year(signed, horizon)),
        "rate": 0.04,
    }
    if draw(st.booleans()):
        chance = st.sampled_from([0.0, 1.0]) if certain else shares
        item["override"] = {
            "year": draw(st.sampled_from(years)),
            "probability": draw(chance),
            "share": draw(shares),
        }
    savings = draw(saving_lists(horizon, certain=certain))
    return {
        "council": "Anyshire",
        "first_year": start,
        "horizon": horizon,
        "base_gap": draw(signed),
        "drivers": drivers,
        "correlations": draw(correlation_lists(drivers)),
        "lines": draw(line_lists(horizon, years, growth, funds[:1], certain=certain)),
        "savings": savings,
        "savings_targets": draw(target_lists(horizon, savings, certain=certain)),
        "savings_correlation": draw(shares),
        "funding": draw(funding_lists(horizon, years, growth, "general", certain=certain)),
        "one_offs": one_offs[: draw(st.integers(0, 3))],
        "reserves": reserves,
        "memorandum": [item] if draw(st.booleans()) else [],
    }


def plans(*, certain=False):
    """A whole plan."""
    return mappings(certain=certain).map(Plan.model_validate)
