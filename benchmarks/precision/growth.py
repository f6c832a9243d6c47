"""Forecasts of growth among jobs that come and go: racks of a simulated hall, with a load laid over that grows, and without.

The limit is set above what the rack draws on most of the day, so that growth and not a job alone reaches it; without growth it
is set where the rack draws it often, which is where false forecasts would show.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from alerts.findings.budgets import forecast
from alerts.findings.past import Table
from simulator.site import layout
from simulator.world import World

Floats = NDArray[np.float64]
START = 1_760_000_400.0
MINUTES, LOOK_MINUTES, POINTS = 24 * 60, 5, 25
BEGINS = (200, 500, 800)
ROOM_WATTS = 8000.0
KEY = ("rack", "rack")


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """One case: a load that grows in a rack, and how long before the limit was reached somebody was told; None: nobody."""

    watts_per_hour: float
    lead_minutes: float | None


def racks(seed: int, nodes: int = 16) -> Iterator[Floats]:
    """The power of each rack over a day: means of five minutes, minute by minute."""
    world = World(layout(nodes, seed), seed, START)
    places = np.array([world.hall.racks.index(server.rack) for server in world.hall.servers])
    rows = []
    for minute in range(1, MINUTES + 1):
        world.advance(START + 60 * minute - 1, 60.0)
        world.advance(START + 60 * minute, 1.0)
        rows.append(np.bincount(places, world.physics.node_watts, minlength=len(world.hall.racks)))
    for column in np.stack(rows).T:
        yield np.convolve(column, np.ones(LOOK_MINUTES) / LOOK_MINUTES, "full")[:MINUTES]


def cases(watts: Floats, watts_per_hour: float) -> Iterator[Growth]:
    """The same growth, begun at different hours."""
    minutes = np.arange(MINUTES)
    limit = float(np.quantile(watts, 0.9)) + ROOM_WATTS
    for begin in BEGINS:
        grown = watts + np.maximum(0, minutes - begin) * watts_per_hour / 60
        over = np.flatnonzero(grown > limit)
        if len(over):
            told = twice(looks(grown, limit, until=int(over[0])))
            yield Growth(watts_per_hour=watts_per_hour, lead_minutes=None if told is None else float(over[0] - told))


def looks(watts: Floats, limit: float, *, until: int = MINUTES) -> list[int]:
    """The minutes at which a look would raise an alert."""
    found = []
    for minute in range((POINTS + 1) * LOOK_MINUTES, until, LOOK_MINUTES):
        places = minute - np.arange(POINTS - 1, -1, -1) * LOOK_MINUTES
        power = Table(times=places * 60.0, rows={KEY: watts[places]})
        if forecast(power, KEY, limit) is not None:
            found.append(minute)
    return found


def twice(found: list[int]) -> int | None:
    """When two looks in a row first agreed, as the finding's `for` asks."""
    return next((later for one, later in pairwise(found) if later - one == LOOK_MINUTES), None)
