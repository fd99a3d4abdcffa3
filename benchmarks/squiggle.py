"""The benchmark plan in squigglepy: the same drivers, lines, savings and funding, drawn at once.

It is written as an analyst would write it there: one distribution a driver and year, and arithmetic
on arrays. What it leaves out: persistence and correlation (squigglepy can correlate by reordering
draws; years of one driver and groups of drivers together would need a group of 80), savings that
come late, the collection fund, closure and reserves, contingency spent, what the plan itself holds
without draws, and every line by itself: it keeps the gap alone. Its draws depend on their order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import squigglepy as sq
from scipy import stats

from mtfs.vocabulary import weeks_in_year

YEARS = 4


def gap(plan: dict[str, Any], n_draws: int) -> np.ndarray:
    """Draw the gap of every year, shape (year, draw), GBP."""
    sq.set_seed(1)
    paths: dict[str, np.ndarray] = {}
    for driver in plan["drivers"]:
        paths[driver["name"]] = _path(driver, paths, plan["drivers"], n_draws)
    cost = sum(_cost(line, paths, n_draws) for line in plan["lines"])
    saved = sum(_saved(scheme, n_draws) for scheme in plan["savings"])
    income = sum(_income(source, paths, n_draws) for source in plan["funding"])
    return np.asarray(cost - saved - income)


def _path(
    driver: dict[str, Any], paths: dict[str, np.ndarray], drivers: list[dict[str, Any]], n: int
) -> np.ndarray:
    centres = np.broadcast_to(driver.get("central", 0.0), YEARS)
    path = np.stack([sq.sample(_distribution(driver, float(c)), n=n) for c in centres])
    for part in driver.get("mix", ()):
        lag, source = part.get("lag", 0), paths[part["driver"]]
        known = next(d.get("previous", []) for d in drivers if d["name"] == part["driver"])
        head = np.broadcast_to(np.array(known[len(known) - lag :]).reshape(lag, 1), (lag, n))
        path += part["weight"] * np.concatenate([head, source])[:YEARS]
    return path


def _distribution(driver: dict[str, Any], centre: float) -> Any:
    shape, sd = driver.get("shape", "normal"), driver["sd"]
    if shape == "lognormal":
        return sq.lognorm(lognorm_mean=centre, lognorm_sd=sd)
    if shape == "student_t":
        df = driver["df"]
        half = sd * math.sqrt((df - 2) / df) * stats.t.ppf(0.95, df)
        return sq.tdist(centre - half, centre + half, t=df, credibility=90)
    if shape == "beta":
        low, high = driver["bounds"]
        mean, sd = (centre - low) / (high - low), sd / (high - low)
        count = mean * (1 - mean) / sd**2 - 1
        return low + (high - low) * sq.beta(mean * count, (1 - mean) * count)
    return sq.norm(mean=centre, sd=sd)


def _index(growth: str | float | None, paths: dict[str, np.ndarray]) -> np.ndarray | float:
    return np.cumprod(1 + paths[growth], axis=0) if isinstance(growth, str) else 1.0


def _cost(  # noqa: PLR0911 - one return a kind of line
    line: dict[str, Any], paths: dict[str, np.ndarray], n: int
) -> np.ndarray | float:
    kind = line["kind"]
    if kind == "care":
        weeks = np.array([[line.get("weeks", weeks_in_year(2026 + t))] for t in range(YEARS)])
        people = line["people"] * _index(line["people_growth"], paths)
        if line.get("people_at") == "year_end":
            people = (people + np.concatenate([np.full((1, n), line["people"]), people[:-1]])) / 2
        price = _index(line["price_growth"], paths) * _index(line.get("mix_growth"), paths)
        if "dispersion" in line:
            spread = line["dispersion"]["cv"] / math.sqrt(line["people"])
            mean_cost = sq.lognorm(lognorm_mean=1, lognorm_sd=spread)
            price = price * np.stack([sq.sample(mean_cost, n=n) for _ in range(YEARS)])
        return people * price * weeks * line["weekly_cost"] * (1 - line.get("client_income", 0))
    if kind == "pay":
        on_costs = 1 + line["pension"] + line["national_insurance"]
        staffed = (1 - line["vacancies"]) * (1 + line["agency"] * line["agency_premium"])
        return line["pay"] * on_costs * staffed * _index(line["award"], paths)
    if kind in {"contract", "budget"}:
        uplift = np.clip(paths[line["growth"]], line.get("collar"), line.get("cap"))
        index, late = np.cumprod(1 + uplift, axis=0), (line.get("review_month", 1) - 1) / 12
        before = np.concatenate([np.ones((1, n)), index[:-1]])
        volume = _index(line.get("volume_growth"), paths)
        return line["base"] * volume * ((1 - late) * index + late * before)
    if kind == "fees":
        return -line["income"] * _index(line["price_growth"], paths)
    if kind == "change":
        return np.cumsum(line["changes"])[:, None]
    if kind == "risk":
        return line["impact"] * sq.sample(sq.bernoulli(line["probability"]), n=n) * _from_second()
    if kind == "capital":
        borrowed = np.array(line["programme"])[:, None] * (1 - line["financed"])
        before = np.cumsum(borrowed, axis=0) - borrowed
        repaid = before / line["asset_life"]
        owed = before - (np.cumsum(repaid, axis=0) - repaid) + borrowed / 2
        return line["mrp"] + line["interest"] + repaid + owed * paths[line["rate"]]
    return 0.0  # contingency costs nothing in a draw


def _from_second() -> np.ndarray:
    return np.array([[0.0], [1.0], [1.0], [1.0]])


def _saved(scheme: dict[str, Any], n: int) -> np.ndarray:
    share = {"green": sq.beta(18.3, 2.03), "amber": sq.beta(6.48, 3.49), "red": sq.beta(3.49, 6.48)}
    return np.array(scheme["levels"])[:, None] * sq.sample(share[scheme["rag"]], n=n)


def _income(source: dict[str, Any], paths: dict[str, np.ndarray], n: int) -> np.ndarray | float:
    if source["kind"] == "council_tax":
        rise = 1 + source["core_increase"] + source["asc_precept"]
        band_d = source["band_d"] * rise ** np.arange(1, YEARS + 1)[:, None]
        base = source["tax_base"] * _index(source["tax_base_growth"], paths)
        return band_d * base * paths[source["collection"]]
    if source["kind"] == "business_rates":
        index = _index(source["multiplier"], paths)
        kept = source["rates"] * index * _index(source["growth"], paths) + source["top_up"] * index
        return np.maximum(
            kept, source["safety_net"] * (source["baseline"] + source["top_up"]) * index
        )
    if "ends" in source:
        goes_on = sq.sample(sq.bernoulli(source["continues"]), n=n)
        return source["amount"] * np.maximum(1 - _from_third(), goes_on)
    return source["amount"] * _index(source.get("growth"), paths)


def _from_third() -> np.ndarray:
    return np.array([[0.0], [0.0], [1.0], [1.0]])
