"""A flow in a plan: the people of care lines, simulated once for a plan's draws."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import cached_property
from typing import Annotated, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, model_validator

from mtfs.assumptions import Declared, Name, Noted
from mtfs.flows.cohorts import Cohort
from mtfs.flows.expectation import expected
from mtfs.flows.flow_cohorts import FlowCohort
from mtfs.flows.keeping import KEPT
from mtfs.flows.levers import AnyLever, HomeLever, RateLever, Resolved, Value, lever_problems
from mtfs.flows.model import FlowModel
from mtfs.flows.simulation import by_state, shock_of, tally
from mtfs.flows.states import AgeName
from mtfs.flows.steps import Step, Steps
from mtfs.flows.uniforms import draw_keys
from mtfs.sampling import ShockSpec
from mtfs.vocabulary import Array, MtfsError, suggest, year_start

AnyCohort: TypeAlias = Annotated[Cohort | FlowCohort, Discriminator("kind")]

_STEP = 0.05  # of a rate: small beside what levers do, large beside rounding


class FlowPeople(Declared):
    """The people of a flow in some of its states; unless given, all of a kind."""

    flow: Name
    placements: tuple[Name, ...] | None = Field(None, min_length=1)
    ages: tuple[AgeName, ...] | None = Field(None, min_length=1)
    """age bands, such as "10 to 15" """
    groups: tuple[str, ...] | None = Field(None, min_length=1)
    """"other" or "UASC": unaccompanied asylum-seeking children"""

    @property
    def source(self) -> str:
        """The name of the flow."""
        return self.flow


class Flow(Noted):
    """A fitted flow of children through care, and the levers pulled on it, in a plan.

    It is one factor among the plan's shocks. A score of exactly 0, its median, stands for no
    surprise: the expected path.
    """

    model: FlowModel
    """what :func:`mtfs.flows.fit` learnt; in a file of a plan the name of a saved flow, NetCDF"""
    levers: tuple[AnyLever, ...] = ()
    step: Step = "month"

    @model_validator(mode="after")
    def _levers_fit(self) -> Flow:
        if found := list(lever_problems(self.levers, self.model)):
            raise ValueError("; ".join(found))
        return self

    def shocks(self) -> tuple[ShockSpec, ...]:
        """List its one stream."""
        return (shock_of(self.name),)

    def faults(self, years: Sequence[str]) -> Iterator[str]:
        """Say what does not fit a plan's years."""
        try:
            steps = self._steps(years)
            steps.require_whole(tuple(years))
            self.model.by_population(steps.years)
        except MtfsError as error:
            yield str(error)

    def unknown(self, people: FlowPeople) -> Iterator[tuple[str, str]]:
        """Name the states that are asked for and not there, with the field that asks."""
        for field, known in self._labels.items():
            for name in getattr(people, field) or ():
                if name not in known:
                    near = suggest(name, known)
                    yield (
                        field,
                        f"flow '{self.name}' has no '{name}'.{near} It has: {', '.join(known)}",
                    )

    def states(self) -> list[str]:
        """List its placements: what a line each may count."""
        return list(self._labels["placements"])

    def alone(self, state: str) -> FlowPeople:
        """Ask for everyone in one of :meth:`states`."""
        return FlowPeople(flow=self.name, placements=(state,))

    def select(self, people: FlowPeople) -> NDArray[np.bool_]:
        """Mark the states that are asked for and can be, shape (state,)."""
        grouping = self.model.grouping
        homes = np.ones((len(grouping.age_names), self._n_homes))
        possible = np.concatenate([grouping.allowed, homes], axis=1)
        chosen = [
            np.array([not wanted or name in wanted for name in known], float)
            for known, wanted in [
                (self._labels["groups"], people.groups),
                (self._labels["ages"], people.ages),
                (self._labels["placements"], people.placements),
            ]
        ]
        return np.asarray(np.einsum("g,a,p,ap->gap", *chosen, possible).ravel() > 0)

    def base(self, years: Sequence[str], planned: Value) -> Array:
        """Give the average people of the base year, shape (state,).

        The observed average of the last twelve months, where the flow starts within the base year
        or at its end; the expected one where it starts before.
        """
        base = date(year_start(years[0]) - 1, 4, 1)
        if self.model.as_of + timedelta(days=1) > base:
            homes = np.zeros((*self.model.average.shape[:2], self._n_homes))
            return np.concatenate([self.model.average.array, homes], axis=2).ravel()
        return self._expected(years, planned)[:, self._steps(years).years.index(years[0]) - 1]

    def expected(self, years: Sequence[str], value: Value, planned: Value) -> Array:
        """Give the expected average people, shape (state, year, draw), or (state, year, 1).

        Where the effects of levers differ between draws it is a first-order expansion around what
        is planned: exact in the slope, by a twentieth of a rate up and down in each year.

        Parameters
        ----------
        years
            The plan's years.
        value, planned
            Give an assumption by (year, draw) or (year, 1), and as planned by (year, 1).
        """
        rates = (lever for lever in self.levers if isinstance(lever, RateLever))
        names = dict.fromkeys(each.effect for each in rates if isinstance(each.effect, str))
        moved = {name: value(name) for name in names}
        numbers = self._steps(years).require_whole(tuple(years))
        if all(each.shape[1] == 1 for each in moved.values()):
            return self._expected(years, value)[:, numbers, None]
        found = self._expected(years, planned)[:, numbers, None]
        for name, path in moved.items():
            centre = planned(name)
            for year in range(len(years)):
                up = np.zeros_like(centre)
                up[year] = _STEP * (1 + centre[year])
                high, low = (
                    self._expected(years, _shifted(planned, name, by))[:, numbers]
                    for by in (up, -up)
                )
                slope = (high - low) / (2 * up[year])
                found = found + slope[..., None] * (path[year] - centre[year])
        return np.maximum(found, 0.0)  # a straight line may leave fewer than nobody

    def draw(self, scores: Array, years: Sequence[str], value: Value, planned: Value) -> Array:
        """Simulate the average people, shape (state, year, draw).

        Parameters
        ----------
        scores
            One standard normal score a draw, shape (draw,).
        years, value, planned
            As for :meth:`expected`.
        """
        steps = self._steps(years)
        resolved = Resolved.of(self.levers, self.model, steps, value=value, years=years)
        drawn = np.flatnonzero(scores != 0)
        if len(drawn) == len(scores):
            return self._simulated(scores, years, resolved, steps)
        found = self.expected(years, value, planned)
        found = np.array(np.broadcast_to(found, (*found.shape[:2], len(scores))))
        if len(drawn):
            part = resolved.part(drawn)
            found[..., drawn] = self._simulated(scores[drawn], years, part, steps)
        return found

    @cached_property
    def _labels(self) -> dict[str, tuple[str, ...]]:
        grouping = self.model.grouping
        homes = (lever.name for lever in self.levers if isinstance(lever, HomeLever))
        return {
            "placements": (*grouping.placement_names, *homes),
            "ages": grouping.age_names,
            "groups": self.model.groups,
        }

    @property
    def _n_homes(self) -> int:
        return len(self._labels["placements"]) - len(self.model.grouping.placements)

    def _steps(self, years: Sequence[str]) -> Steps:
        return Steps.between(self.model.as_of, years[-1], self.step)

    def _expected(self, years: Sequence[str], value: Value) -> Array:
        """Give the expected average people of every year gone through, shape (state, year)."""
        steps = self._steps(years)
        resolved = Resolved.of(self.levers, self.model, steps, value=value, years=years)

        def work() -> Array:
            found = expected(self.model, resolved, steps)
            average, homes = found.average[..., None], found.homes[..., None]
            return by_state(self.model, resolved, average, homes).reshape(-1, len(steps.years))

        return KEPT.once(("expected", _digest(self.model, resolved, steps)), work)

    def _simulated(
        self, scores: Array, years: Sequence[str], resolved: Resolved, steps: Steps
    ) -> Array:
        """Simulate the draws that are not kept; shape (state, year, draw)."""

        def work(wanted: Array) -> Array:
            found = tally(self.model, resolved, steps, draw_keys(wanted, self.name))
            people = by_state(self.model, resolved, found.average, found.homes)
            return people.reshape(-1, *people.shape[3:])[:, steps.require_whole(tuple(years))]

        key = ("drawn", self.name, *years, _digest(self.model, resolved, steps))
        if any(each.factor.shape[1] > 1 for each in resolved.multipliers):
            return KEPT.once((*key, scores.tobytes()), lambda: work(scores))
        known, people = KEPT.get(key) or (np.empty(0), None)
        new = np.setdiff1d(scores, known)
        if len(new) or people is None:
            drawn = work(new)
            known, people = (
                (new, drawn)
                if people is None
                else (np.append(known, new), np.concatenate([people, drawn], axis=-1))
            )
            order = np.argsort(known)
            known, people = known[order], people[..., order]
            KEPT.keep(key, (known, people))
        return people[..., np.searchsorted(known, scores)]


def _shifted(value: Value, name: str, by: Array) -> Value:
    """Shift one driver."""
    return lambda assumption: value(assumption) + (by if assumption == name else 0.0)


def _digest(model: FlowModel, levers: Resolved, steps: Steps) -> bytes:
    """Hash all that decides what is simulated."""
    found = hashlib.blake2b(model.digest.encode(), digest_size=16)
    found.update(steps.edges.tobytes())
    for each in levers.multipliers:
        found.update(each.mask.tobytes() + each.factor.tobytes() + each.lever.kind.encode())
    for lever in (*levers.capacities, *levers.homes):
        found.update(lever.model_dump_json().encode())
    return found.digest()
