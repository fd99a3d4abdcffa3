"""Councils whose rates are known, and histories of their children: what fits are tested against.

Children are followed one event at a time in continuous time, all histories side by side. Nothing
here is shared with the package but the shape of what comes out.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mtfs.flows.occurrences import Occurrences
from mtfs.flows.states import Grouping, Placement

PLACEMENTS = [
    ("in-house foster", 0),
    ("independent foster", 0),
    ("kinship", 0),
    ("residential", 0),
    ("supported 16+", 16),
    ("secure", 0),
    ("other", 0),
]
GROUPING = Grouping(
    placements=tuple(
        Placement(name=name, codes=(f"X{i}",), from_age=age)
        for i, (name, age) in enumerate(PLACEMENTS)
    )
)
START, DAYS = pd.Timestamp("2023-04-01"), 1096  # three years
EDGES, BANDS = np.array(GROUPING.ages, float), np.array([*GROUPING.durations, np.inf])
YEARS = DAYS / 365.25


@dataclass(frozen=True)
class Truth:
    """Rates a year: exits (age, placement, duration), moves (..., destination), entries (age,)."""

    exits: np.ndarray
    moves: np.ndarray
    entries: np.ndarray
    placed: np.ndarray


def truth(children: int, *, seed: int, scatter: float = 0.4) -> Truth:
    """Rates of a council of about so many children, cells scattered about their margins.

    Exits are fastest in the first half year, in infancy and from placements with parents and the
    like ("other"); about 80 moves a year for 100 children (England: 0.79 a child in 2023/24).
    """
    rng = np.random.default_rng(seed)
    shape = GROUPING.shape
    around = lambda *size: rng.gamma(scatter**-2, scatter**2, size)  # noqa: E731
    by_age = np.array([1.5, 1.3, 0.8, 0.7, 0.9])
    by_duration = np.array([1.6, 0.8, 0.7, 0.4, 0.2])
    by_placement = np.array([0.6, 0.5, 0.8, 0.4, 0.9, 1.5, 1.6])
    exits = by_age[:, None, None] * by_placement[:, None] * by_duration * around(*shape)
    out = np.array([0.5, 0.6, 0.4, 0.9, 0.6, 4.0, 0.9])[:, None] * [2.5, 1.3, 1.0, 0.7, 0.5]
    ages_out = np.array([1.0, 0.7, 0.8, 1.2, 1.3])[:, None, None]
    pull = np.array([3.0, 3.0, 1.5, 1.2, 3.0, 0.05, 0.6])
    where = pull * around(shape[0], shape[1], shape[1])
    where[:2, :, 3] *= 0.1  # few under 5 in residential care
    where *= (1 - np.eye(shape[1])) * GROUPING.allowed[:, None, :]
    where /= where.sum(axis=-1, keepdims=True)
    moves = (out * ages_out * around(*shape))[..., None] * where[:, :, None, :]
    entries = np.array([0.18, 0.17, 0.18, 0.3, 0.17]) * children * 0.5
    placed = np.array([5, 3, 3, 0.5, 2, 0.02, 2]) * around(shape[0], shape[1]) * GROUPING.allowed
    placed[3:, 3] *= 4
    return Truth(exits, moves, entries, placed / placed.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class History:
    """What happened in the window, and children in care at later year ends, (year, placement)."""

    occurrences: Occurrences
    later: np.ndarray


def histories_of(  # noqa: PLR0915 - one loop
    known: Truth, histories: int, *, seed: int, after: int = 0
) -> list[History]:
    """Follow the children of so many councils alike through a window and some years after it."""
    rng = np.random.default_rng(seed)
    ages, placements, durations = GROUPING.shape
    lead = 18.0  # years before the window: every child who may still be there
    number = rng.poisson(known.entries * (lead + YEARS + after), (histories, ages))
    history, band = (np.repeat(i.ravel(), number.ravel()) for i in np.indices(number.shape))
    n = len(history)
    time = rng.uniform(-lead, YEARS + after, n)
    age = EDGES[band] + rng.uniform(0, 1, n) * (EDGES[band + 1] - EDGES[band])
    place = _chosen(known.placed[band], rng)
    entries = pd.DataFrame(
        {
            "date": START + pd.to_timedelta(np.floor(time * 365.25), "D"),
            "group": 0,
            "age": band,
            "placement": place,
            "years": age,
        }
    )
    care, length = np.zeros(n), np.zeros(n, int)
    ends = YEARS + np.arange(after + 2)  # the last is beyond all
    check = np.searchsorted(ends, time)
    later = np.zeros((histories, after + 1, placements))
    snapshots = []
    shape = (histories, ages, placements, durations)
    exposure, exits = np.zeros(shape), np.zeros(shape)
    moves = np.zeros((*shape, placements))
    last = np.zeros((histories, ages, placements))
    adult = np.zeros(histories, int)
    active = np.arange(n)
    while len(active):
        a, p, d = band[active], place[active], length[active]
        hazard = np.concatenate([known.exits[a, p, d][:, None], known.moves[a, p, d]], axis=1)
        total = hazard.sum(axis=1)
        wait = rng.exponential(1, len(active)) / total
        ahead = np.stack(
            [
                EDGES[a + 1] - age[active],
                BANDS[d + 1] - care[active],
                ends[check[active]] - time[active],
            ]
        )
        step = np.minimum(wait, ahead.min(axis=0))
        begun, ended = time[active], time[active] + step
        cell = (history[active], a, p, d)
        np.add.at(exposure, cell, np.clip(ended, 0, YEARS) - np.clip(begun, 0, YEARS))
        recent = np.clip(ended, YEARS - 1, YEARS) - np.clip(begun, YEARS - 1, YEARS)
        np.add.at(last, cell[:3], recent)
        age[active] += step
        care[active] += step
        time[active] = ended
        event, seen = wait < ahead.min(axis=0), (ended > 0) & (ended < YEARS)
        what = _chosen(hazard / total[:, None], rng)
        leaves, goes = event & (what == 0), event & (what > 0)
        np.add.at(exits, tuple(i[leaves & seen] for i in cell), 1)
        np.add.at(moves, (*(i[goes & seen] for i in cell), what[goes & seen] - 1), 1)
        place[active[goes]] = what[goes] - 1
        edge = ahead.argmin(axis=0)
        older, longer, closed = (~event & (edge == i) for i in range(3))
        band[active[older]] += 1
        age[active[older]] = EDGES[a[older] + 1]
        length[active[longer]] += 1
        grown = older & (a == ages - 1)
        np.add.at(adult, history[active[grown & seen]], 1)
        still = active[closed]
        time[still] = ends[check[still]]
        np.add.at(later, (history[still], check[still], place[still]), 1)
        now = still[check[still] == 0]
        snapshots.append(
            pd.DataFrame(
                {
                    "history": history[now],
                    "group": 0,
                    "placement": place[now],
                    "age_days": np.minimum((age[now] * 365.25).astype(int), 6572),
                    "care_days": (care[now] * 365.25).astype(int),
                }
            )
        )
        check[still] += 1
        active = active[~(leaves | grown | (closed & (check[active] > after)))]
    people = pd.concat(snapshots)
    within = (entries["date"] >= START) & (entries["date"] < START + pd.Timedelta(days=DAYS))
    found = []
    for each in range(histories):
        mine = within & (history == each)
        counted = Occurrences(
            grouping=GROUPING,
            groups=("other",),
            start=START,
            end=START + pd.Timedelta(days=DAYS - 1),
            exposure=exposure[each][None],
            exits=exits[each][None],
            moves=moves[each][None],
            entries=entries[mine].sort_values("date"),
            people=people[people["history"] == each].drop(columns="history"),
            leavers=(6600,),
            average=last[each][None],
            turned_adult=int(adult[each]),
        )
        found.append(History(counted, later[each, 1:]))
    return found


def _chosen(shares, rng):
    return (rng.uniform(0, 1, (len(shares), 1)) >= shares.cumsum(axis=1)[:, :-1]).sum(axis=1)
