"""What two parts of a plan would both count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mtfs.drivers import Driver
from mtfs.lines import BudgetLine, CareLine
from mtfs.paths import in_order
from mtfs.vocabulary import MtfsError, Path, Problem

_OF_BUDGETS = ("growth", "volume_growth", "phase_in")
_OF_CARE = ("people_growth", "people_added", "people_by_year", "price_growth", "mix_growth")


def drift_overlaps(
    drivers: Sequence[Driver],
    care: Sequence[tuple[Path, CareLine]],
    budgets: Sequence[tuple[Path, BudgetLine]],
) -> Iterator[Problem]:
    """Find drift on top of drivers that already say how far the same costs end from the plan.

    A drift that names a driver is refused on a line whose own prices or volumes follow an uncertain
    driver, and in a service that holds a care line whose people or prices do, or whose individual
    costs are drawn. A fixed drift moves the council's own table too, and is none.

    Parameters
    ----------
    drivers
        All of the plan's.
    care, budgets
        The lines, with their places.

    Yields
    ------
    Problem
        One for each drift and each reason.
    """
    moved = _uncertain(drivers)
    drawn = {line.service: found for _, line in care if (found := _drawn(line, moved)) is not None}
    for path, line in budgets:
        if not isinstance(line.drift, str):
            continue
        for field in _OF_BUDGETS:
            name = getattr(line, field)
            if name in moved:
                yield Problem(
                    (*path, "drift"),
                    f"drift would be counted on top of '{name}' ('{field}'), which already says "
                    "how far prices or volumes may end from the plan: use one of them",
                )
        if line.service in drawn:
            yield Problem(
                (*path, "drift"),
                f"drift would be counted on top of {drawn[line.service]} in the same service "
                f"'{line.service}', which already says how far people or prices may end from the "
                "plan: use one of them",
            )


def _drawn(line: CareLine, moved: set[str]) -> str | None:
    """Say what already draws a care line's people or prices, if anything does."""
    for field in _OF_CARE:
        name = getattr(line, field)
        if name in moved:
            return f"'{name}' ('{field}' of care line '{line.name}')"
    if line.sourced is not None:
        return f"the people of care line '{line.name}', who are drawn,"
    return f"'dispersion' of care line '{line.name}'" if line.dispersion is not None else None


def _uncertain(drivers: Sequence[Driver]) -> set[str]:
    """Name the drivers that have draws: of their own, by events, or by what they are a mix of."""
    try:
        ordered = in_order(drivers)
    except MtfsError:  # a mix of itself, which is said elsewhere
        return set()
    found: set[str] = set()
    for driver in ordered:
        if driver.shocks() or any(part.driver in found for part in driver.mix):
            found.add(driver.name)
    return found
