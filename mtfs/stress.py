"""The reverse stress test: the likeliest joint path of everything uncertain that leads to an event.

Two answers stand side by side: what drivers are like, on average, in the draws in which the event
happens, and the nearest point at which it happens, where least has to go wrong at once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from scipy import special

from mtfs.events import ANY, EVERY, QUANTITIES, Event, Quantity
from mtfs.lines.savings import COMMON
from mtfs.measures import share_of_draws
from mtfs.nearest import Search
from mtfs.plan import Plan
from mtfs.projection import draws_meant, plan_meant, project, scores_of
from mtfs.schema import planned_name
from mtfs.targets import parse_event
from mtfs.vocabulary import Array, MtfsError, require_count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from mtfs.drivers import Driver


def reverse_stress(
    plan_or_ds: Plan | Mapping[str, Any] | xr.Dataset,
    event: str | Event,
    *,
    n_draws: int | None = None,
    seed: int | None = None,
) -> xr.Dataset:
    """Find the likeliest joint path of everything uncertain that leads to an event.

    Parameters
    ----------
    plan_or_ds
        A plan, or a projection of one, which is run again on its own draws.
    event
        Such as ``"gap 2028/29 > 100m"``, ``"unfunded > 0, any year"`` or ``"reserves < minimum, any
        year"`` (see :func:`mtfs.targets.parse_event`).
    n_draws, seed
        As for :func:`mtfs.project_gap`, 10,000 draws unless given; a projection has its own.

    Returns
    -------
    xarray.Dataset
        Means and chances have their standard errors beside them (``_se``).

        - ``chance`` of the event; ``distance`` of the nearest point from the centre, in standard
          deviations; ``form_chance``: the chance of a linear event at that distance, an
          approximation to hold against ``chance`` (see the notes); ``nearest_draw``: the distance
          of the nearest breaching draw; ``start_distance`` ``(start)``: how near the search came
          from each of its starts.
        - ``path_planned``, ``path_mean``, ``path_sd``, ``path_breach`` (mean of breaching draws),
          ``path_point`` and ``path_centre`` (every shock at its median) ``(driver, year)``.
          ``deviation_breach``: how far the mean of breaching draws lies from that of all draws,
          and ``deviation_point``: how far the point lies from the centre, in standard deviations of
          the year; 0 where the driver is certain. ``span_`` twins are of the average over the years
          up to the event, which ``attrs["span"]`` names.
        - ``outcome_planned``, ``outcome_mean``, ``outcome_breach``, ``outcome_point``,
          ``outcome_centre`` ``(quantity, year)``, GBP; ``saving_planned`` and so on
          ``(scheme, year)``: savings delivered, GBP.
        - ``importance`` ``(shock)``: the share of each stream of draws in the square of the
          distance; sums to 1. ``score_point`` and ``score_breach`` ``(shock, year)``: standard
          normal scores at the point, and their mean among breaching draws; nan after the first year
          for what is drawn once (coordinate ``once``). ``stream_point`` runs the point again: it
          differs for the people of a flow or cohort, whose score says how far towards the event
          they lie among all draws.

    Raises
    ------
    MtfsError
        When the event cannot be read (shows the grammar), happens in none of the draws (says how
        near they come) or in all, or a projection was made from given scores.

    Notes
    -----
    Everything uncertain is moved by independent standard normal scores: drivers, individual costs,
    delivery of savings, what happens or not. The nearest point minimises the length of all scores
    together, subject to the event; it is the likeliest one (Hasofer and Lind 1974). What comes in
    steps (risks, events of drivers, grants that end, delays, drivers of discrete shape) is held in
    the state of a breaching draw, at the least score of that state, and several states are tried.
    The search finds the nearest point round each of its starts; a nearer one elsewhere cannot be
    ruled out.

    ``form_chance`` is the normal distribution function at minus the distance (first-order
    reliability). It is exact where the event is linear in the scores, and otherwise as good as a
    plane through the point is: too low where the event can come about in several ways. Where the
    event happens at the centre already, the distance is 0 and ``form_chance`` is nan.

    The importance of drivers that are correlated depends on the order in which the plan declares
    them: what they share is counted with the first. ``deviation_point`` does not.

    Examples
    --------
    >>> cpi = {"name": "cpi", "central": 0.02, "sd": 0.01, "persistence": 0}
    >>> line = {"kind": "budget", "name": "roads", "base": 100e6, "growth": "cpi"}
    >>> plan = {"council": "A", "first_year": "2026/27", "horizon": 1,
    ...         "drivers": [cpi], "lines": [line]}
    >>> found = reverse_stress(plan, "gap 2026/27 >= 104m", n_draws=1000, seed=1)
    >>> found["path_point"].values.round(4).tolist(), round(found["distance"].item(), 3)
    ([[0.04]], 2.0)
    """
    wanted = parse_event(event)
    plan = plan_meant(plan_or_ds)
    count, seed = draws_meant(plan_or_ds, n_draws, seed)
    scores = scores_of(plan, n_draws=count, seed=seed)
    ds = project(plan, scores)
    breaches = wanted.happens(ds)
    happens = breaches.to_numpy()
    _require_some(wanted, ds, happens)
    search = Search(plan, wanted, scores)
    draws = search.flat(scores)
    point, distances = search.nearest(draws, happens)
    at_point = project(plan, search.scores(np.stack([point, np.zeros_like(point)], axis=1)))
    found = xr.Dataset(coords={"year": ds["year"]})
    _put(found, "chance", share_of_draws(breaches, f"chance of {wanted}"))
    distance = float(np.linalg.norm(point))
    for name, value, units, long_name in (
        ("distance", distance, "standard deviations", "distance of the nearest breaching point"),
        (
            "form_chance",
            float(special.ndtr(-distance)) if distance > 0 else math.nan,
            "share",
            "chance by first-order reliability, an approximation",
        ),
        (
            "nearest_draw",
            float(np.linalg.norm(draws[:, happens], axis=0).min()),
            "standard deviations",
            "distance of the nearest breaching draw",
        ),
    ):
        found[name] = xr.DataArray(value, attrs={"units": units, "long_name": long_name})
    found["start_distance"] = xr.DataArray(
        distances,
        dims="start",
        attrs={"units": "standard deviations", "long_name": "distance reached from each start"},
    )
    if plan.drivers:
        _add_paths(found, wanted, (ds, at_point), happens)
    _add_outcomes(found, wanted, (ds, at_point), happens)
    if plan.schemes():
        name = "saving_delivered"
        _four(found, "saving", (ds[planned_name(name)], ds[name], at_point[name]), happens)
    _add_scores(found, search, point, draws[:, happens])
    found.attrs = {
        "title": f"{plan.council}: reverse stress test of {wanted}",
        "council": plan.council,
        "price_base": plan.price_base,
        "plan": plan.to_json(),
        "plan_digest": plan.digest,
        "closure": plan.reserves.closure.policy,
        "seed": seed,
        "n_draws": count,
        "event": str(wanted),
        "span": _span(plan.years[0], _last_year(wanted, plan.years)),
    }
    return found


def _require_some(event: Event, ds: xr.Dataset, happens: NDArray[np.bool_]) -> None:
    """Check that the event happens in some draws and not in all."""
    n = len(happens)
    if happens.all():
        msg = (
            f"'{event}' happens in all {n:,} draws: it is the central case and no stress. Name an "
            "event that is worse"
        )
        raise MtfsError(msg)
    if happens.any():
        return
    away = -float(event.margin(ds).max())
    seen = ""
    if not isinstance(event.bound, str) and event.when != EVERY:
        rising = event.relation in {">", ">="}
        value = event.bound - away if rising else event.bound + away
        seen = f" ({'largest' if rising else 'least'} value seen: GBP {value / 1e6:,.2f}m)"
    msg = (
        f"'{event}' happens in none of {n:,} draws; the nearest stays GBP {away / 1e6:,.2f}m away "
        f"from it{seen}. Take more draws, or a milder event"
    )
    raise MtfsError(msg)


def _last_year(event: Event, years: Sequence[str]) -> str:
    return years[-1] if event.when in {ANY, EVERY} else event.when


def _span(first: str, last: str) -> str:
    return last if first == last else f"{first} to {last}"


def _put(found: xr.Dataset, name: str, value: xr.DataArray) -> None:
    """Put a figure, and the standard error that stands beside it, into a Dataset."""
    error = value["standard_error"].drop_vars("standard_error")
    found[f"{name}_se"] = error.assign_attrs(units=value.attrs["units"], long_name="standard error")
    found[name] = value.drop_vars("standard_error")


def _averaged(draws: xr.DataArray, long_name: str) -> xr.DataArray:
    """Give the mean over draws with its ``standard_error`` beside; nan for one draw."""
    n = draws.sizes["draw"]
    mean = draws.mean("draw")
    error = draws.std("draw", ddof=1) / math.sqrt(n) if n > 1 else mean * np.nan
    return mean.assign_coords(standard_error=error).assign_attrs(
        units=str(draws.attrs.get("units", "")), long_name=long_name
    )


def _four(
    found: xr.Dataset,
    name: str,
    sources: tuple[xr.DataArray, xr.DataArray, xr.DataArray],
    happens: NDArray[np.bool_],
) -> None:
    """Put what is planned, the mean, the mean among breaching draws and the point side by side.

    ``sources`` are what is planned, the draws, and the point and the centre as two draws.
    """
    planned, draws, at_point = sources
    units = {"units": str(draws.attrs.get("units", ""))}
    found[f"{name}_planned"] = planned.assign_attrs(units, long_name="planned")
    _put(found, f"{name}_mean", _averaged(draws, "mean"))
    breaching = draws.isel(draw=np.flatnonzero(happens))
    _put(found, f"{name}_breach", _averaged(breaching, "mean among breaching draws"))
    point = at_point.isel(draw=0, drop=True)
    found[f"{name}_point"] = point.assign_attrs(units, long_name="at the nearest breaching point")
    centre = at_point.isel(draw=1, drop=True)
    found[f"{name}_centre"] = centre.assign_attrs(units, long_name="every shock at its median")


def _add_paths(
    found: xr.Dataset, event: Event, runs: tuple[xr.Dataset, xr.Dataset], happens: NDArray[np.bool_]
) -> None:
    """Add drivers' paths, and how far they lie from what is expected."""
    ds, at_point = runs
    years = [str(year) for year in ds["year"].to_numpy()]
    last = years.index(_last_year(event, years)) + 1
    for name, of in (("path", None), ("span", slice(0, last))):
        planned, draws, point = ds["planned_path"], ds["path"], at_point["path"]
        if of is not None:
            planned, draws, point = (
                each.isel(year=of).mean("year", keep_attrs=True) for each in (planned, draws, point)
            )
        _four(found, name, (planned, draws, point), happens)
        sd = draws.std("draw", ddof=1)
        # rounding of a sum of equal values is no spread
        sd = sd.where(sd > 1e-12 * abs(found[f"{name}_mean"]), 0.0)
        found[f"{name}_sd"] = sd.assign_attrs(draws.attrs, long_name="standard deviation")
        kind = "deviation" if name == "path" else "span_deviation"
        for where, origin in (("breach", "mean"), ("point", "centre")):
            away = (found[f"{name}_{where}"] - found[f"{name}_{origin}"]) / sd.where(sd > 0)
            said = {"units": "standard deviations", "long_name": f"distance from the {origin}"}
            found[f"{kind}_{where}"] = away.fillna(0.0).assign_attrs(said)
        error = found[f"{name}_breach_se"] / sd.where(sd > 0)
        found[f"{kind}_breach_se"] = error.where(sd > 0, 0.0).assign_attrs(
            units="standard deviations", long_name="standard error"
        )


def _add_outcomes(
    found: xr.Dataset, event: Event, runs: tuple[xr.Dataset, xr.Dataset], happens: NDArray[np.bool_]
) -> None:
    """Add what the gap, reserves and the like come to."""
    ds, at_point = runs
    names = list(QUANTITIES)
    parts = [[each[name] for name in names] for each in (ds, at_point)]
    planned = [ds[planned_name(name)] for name in names]
    if "reserve" in ds and ds["usable"].to_numpy().astype(bool).any():
        names.append("reserves")
        for each, part in zip((ds, at_point), parts, strict=True):
            part.append(Quantity("reserves").values(each))
        usable = np.flatnonzero(ds["usable"].to_numpy().astype(bool))
        planned.append(ds["planned_reserve"].isel(fund=usable).sum("fund", skipna=False))
    if event.quantity.fund is not None:
        names.append(str(event.quantity))
        for each, part in zip((ds, at_point), parts, strict=True):
            part.append(event.quantity.values(each))
        planned.append(ds["planned_reserve"].sel(fund=event.quantity.fund, drop=True))
    index = pd.Index(names, name="quantity")
    whole, one, table = (
        xr.concat(each, dim=index, coords="minimal", compat="override", join="exact")
        for each in (*parts, planned)
    )
    _four(found, "outcome", (table, whole.assign_attrs(units="GBP"), one), happens)


def _add_scores(found: xr.Dataset, search: Search, point: Array, breaching: Array) -> None:
    """Add the scores of every stream, and its share in the square of the distance."""
    if not search.specs:
        return
    horizon = found.sizes["year"]
    rows = np.full((4, len(search.specs), horizon), np.nan)
    n = breaching.shape[1]
    at_point, drawn = search.rows(point[:, None]), search.rows(breaching)
    streams = search.scores(point[:, None])
    for number, spec in enumerate(search.specs):
        place = slice(0, 1 if spec.once else horizon)
        rows[0, number, place] = at_point[spec.name][:, 0]
        rows[1, number, place] = drawn[spec.name].mean(axis=1)
        if n > 1:
            rows[2, number, place] = drawn[spec.name].std(axis=1, ddof=1) / math.sqrt(n)
        rows[3, number, place] = np.ravel(streams[spec.name])
    names = [spec.name for spec in search.specs]
    found.coords["shock"] = names
    found.coords["once"] = ("shock", [spec.once for spec in search.specs])
    said = {"units": "standard deviations"}
    for name, row, long_name in (
        ("score_point", rows[0], "scores at the nearest breaching point"),
        ("score_breach", rows[1], "mean scores among breaching draws"),
        ("score_breach_se", rows[2], "standard error"),
        ("stream_point", rows[3], "scores that give the nearest breaching point again"),
    ):
        found[name] = xr.DataArray(
            row, dims=("shock", "year"), attrs=said | {"long_name": long_name}
        )
    squares = np.nansum(rows[0] ** 2, axis=1)
    total = squares.sum()
    found["importance"] = xr.DataArray(
        squares / total if total > 0 else np.zeros_like(squares),
        dims="shock",
        attrs={"units": "share", "long_name": "share in the square of the distance"},
    )


def stress_table(ds: xr.Dataset, *, by: Literal["driver", "shock"] = "driver") -> pd.DataFrame:
    """Tabulate a reverse stress test.

    Parameters
    ----------
    ds
        From :func:`reverse_stress`.
    by
        ``"driver"``: a row a driver and year, in the driver's own units: ``planned``, ``mean`` and
        ``sd`` of all draws; ``breach``, the mean among breaching draws, with its distance from
        ``mean`` in standard deviations; ``point``, the nearest breaching point, with its distance
        from ``centre``. ``"shock"``: a row a stream of draws, those that matter most
        first: its ``importance`` (sums to 1) and its ``distance`` from the centre at the point.

    Returns
    -------
    pandas.DataFrame
        Means of draws with their standard errors (``_se``).

    Raises
    ------
    MtfsError
        When ``ds`` is no reverse stress test, or the plan has no drivers (shocks) to show.
    """
    require_stress(ds)
    if by not in {"driver", "shock"}:
        msg = f"by is {by!r}; expected 'driver' or 'shock'"
        raise MtfsError(msg)
    if by not in ds.dims:
        msg = f"the plan has no {by}s, so there is nothing to show by {by}"
        raise MtfsError(msg)
    if by == "shock":
        importance = ds["importance"].to_series().sort_values(ascending=False, kind="stable")
        distance = np.sqrt(importance) * ds["distance"].item()
        return pd.DataFrame({"importance": importance, "distance": distance})
    columns = {
        "planned": "path_planned",
        "mean": "path_mean",
        "mean_se": "path_mean_se",
        "sd": "path_sd",
        "breach": "path_breach",
        "breach_se": "path_breach_se",
        "breach_deviation": "deviation_breach",
        "breach_deviation_se": "deviation_breach_se",
        "centre": "path_centre",
        "point": "path_point",
        "point_deviation": "deviation_point",
    }
    return pd.DataFrame(
        {
            column: ds[name].transpose("driver", "year").to_series()
            for column, name in columns.items()
        }
    )


def require_stress(ds: xr.Dataset) -> xr.Dataset:
    """Return ``ds`` when it is what :func:`reverse_stress` gives."""
    if not isinstance(ds, xr.Dataset) or "form_chance" not in ds or "event" not in ds.attrs:
        msg = "expected a Dataset from mtfs.reverse_stress()"
        raise MtfsError(msg)
    return ds


def stress_words(ds: xr.Dataset, *, most: int = 6) -> str:
    """Say in words what leads to the event most likely, and how likely it is.

    Parameters
    ----------
    ds
        From :func:`reverse_stress`.
    most
        How many of the things that lie farthest from what is expected are named.

    Returns
    -------
    str
        Lines of text. Drivers are stated as averages over the years up to the event. Values from -2
        to 2 are written in percent (rates, shares and factors), but those of poisson drivers.
    """
    require_stress(ds)
    require_count(most, "most")
    plan = Plan.model_validate_json(ds.attrs["plan"])
    event = parse_event(ds.attrs["event"])
    said = sorted([*_drivers_said(ds, plan), *_others_said(ds, plan)], key=lambda each: -each[0])
    chance, error = ds["chance"].item(), 100 * ds["chance_se"].item()
    found = [f"'{event}' happens in {chance:.1%} of the draws (standard error {error:.1f} points)."]
    if ds["distance"].item() == 0:
        found.append("It happens already at the centre, or where what is as likely as not comes.")
    else:
        span = ds.attrs["span"]
        found.append(
            f"The likeliest way there lies {ds['distance'].item():.1f} standard deviations from "
            "the centre, where every shock is at its median; "
            + (f"{span} on average:" if " to " in span else f"in {span}:")
        )
        found += [f"- {text};" for _, text in said[:most]]
        if len(said) > most:
            found.append(f"- and {len(said) - most} others by less.")
    found.append(_outcome_said(ds, event))
    return "\n".join(found)


_LEAST_SAID = 0.05  # standard deviations: less is not worth a line
_HAPPENS = {
    "happens": ("'{}' happens", "'{}' does not happen"),
    "override": ("the override of '{}' ends", "the override of '{}' stays"),
    "continues": ("'{}' goes on", "'{}' is not continued"),
    "start": ("'{}' starts", "'{}' does not start"),
    "delay": ("'{}' is delayed", "'{}' is not delayed"),
}
_RUNS = {
    "dispersion": ("individual costs of '{}' are lower", "individual costs of '{}' are higher"),
    "delivery": ("'{}' is delivered worse", "'{}' is delivered better"),
}


def _drivers_said(ds: xr.Dataset, plan: Plan) -> list[tuple[float, str]]:
    """Say where drivers with shocks of their own stand, with how far that is."""
    found = []
    for driver in plan.drivers:
        one = ds.sel(driver=driver.name)
        away = one["span_deviation_point"].item()
        far = _share_of_way(ds, driver) if len(driver.shocks()) > driver.uncertain else abs(away)
        if not driver.shocks() or far < _LEAST_SAID:
            continue
        planned, centre, point = (
            one[f"span_{name}"].item() for name in ("planned", "centre", "point")
        )
        if driver.shape == "poisson" or max(map(abs, (planned, centre, point))) > 2:  # noqa: PLR2004
            shown = [_plain(value) for value in (point, centre, planned)]
        else:
            shown = [f"{value:.1%}" for value in (point, centre, planned)]
        beside = "" if shown[2] == shown[1] else f" ({shown[2]} planned)"
        text = f"{driver.name}: {shown[0]} instead of {shown[1]}{beside}"
        found.append((far, f"{text}, {away:+.1f} standard deviations"))
    return found


def _share_of_way(ds: xr.Dataset, driver: Driver) -> float:
    """Give how much of the distance is a driver's, its events included.

    An event as likely as not costs no distance and comes at nearly every point, whether it matters
    or not; how far it puts its driver from the centre says nothing.
    """
    streams = [spec.name for spec in driver.shocks()]
    share = float(ds["importance"].sel(shock=streams).sum())
    return math.sqrt(share) * float(ds["distance"])


def _plain(value: float) -> str:
    return f"{value / 1e6:,.1f}m" if abs(value) >= 1e5 else f"{value:,.3g}"  # noqa: PLR2004 - GBP


def _others_said(ds: xr.Dataset, plan: Plan) -> list[tuple[float, str]]:
    """Say how what is not a driver turns out, with how far that is."""
    found = []
    own = {driver.shock_name: driver.name for driver in plan.drivers}
    schemes = {scheme.name for scheme in plan.schemes()}
    people = {spec.name: each.name for each in plan.people_sources() for spec in each.shocks()}
    last = ds.attrs["span"].rpartition(" ")[2]
    for name in [] if "shock" not in ds.dims else ds["shock"].to_numpy().tolist():
        scores = ds["score_point"].sel(shock=name).to_numpy()
        scores = scores[np.isfinite(scores)]
        far = float(np.linalg.norm(scores))
        part, _, what = name.rpartition(".")
        steps = what in _HAPPENS or part in own
        if name in own or far < (0 if steps else _LEAST_SAID) or not scores.any():
            continue
        up = bool(scores.sum() > 0)
        beside = f", {math.copysign(far, scores.sum()):+.1f} standard deviations"
        if name == COMMON:
            text = f"savings together are delivered {'better' if up else 'worse'} than usual"
        elif what == "delivery" and part in schemes:
            one = ds.sel(scheme=part, year=last)
            share, usual = (
                one[f"saving_{each}"].item() / one["saving_planned"].item()
                if one["saving_planned"].item()
                else math.nan
                for each in ("point", "mean")
            )
            text = f"'{part}': {share:.0%} of what is planned arrives by {last}, not {usual:.0%}"
        elif what in _HAPPENS:
            text, beside = _HAPPENS[what][up].format(part), ""
        elif part in own:
            text, beside = f"'{what}' {'does not come' if up else 'comes'} to '{own[part]}'", ""
            if far < _LEAST_SAID:  # as likely as not, and no further from the centre
                continue
        elif what in _RUNS:
            text = f"{_RUNS[what][up].format(part)} than usual"
        elif name in people:
            share = special.ndtr(scores.sum())
            text = f"the people of '{people[name]}' lead further there than in {share:.0%} of draws"
        else:
            text = name
        found.append((far, text + beside))
    return found


def _outcome_said(ds: xr.Dataset, event: Event) -> str:
    """Say what the event's quantity comes to at the point."""
    quantity = str(event.quantity)
    one = ds.sel(quantity=quantity)
    years = [str(year) for year in ds["year"].to_numpy()]
    year = event.when
    if year not in years:  # the year in which it is farthest from what is expected
        away = abs(one["outcome_point"] - one["outcome_mean"]).to_numpy()
        year = years[int(np.argmax(away))]
    point, mean, planned = (
        one[f"outcome_{name}"].sel(year=year).item() / 1e6 for name in ("point", "mean", "planned")
    )
    what = quantity.replace("_", " ")
    return (
        f"Then {what} in {year} is GBP {point:,.1f}m, where {mean:,.1f}m is expected and "
        f"{planned:,.1f}m planned."
    )
