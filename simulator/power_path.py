"""From the breaker to the board: feeds, thermal trip curves, power supplies and their losses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.models import FULL_LOAD_EFFICIENCY, STANDBY_WATTS
from simulator.site import BREAKER_WATTS, FEEDS, Layout, breaker_name, main_name, main_watts

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Titanium, at 240 V: the label's four points, and what supplies do below 10 %.
LOAD_POINTS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
EFFICIENCY_POINTS = (0.55, 0.72, 0.84, 0.905, 0.942, 0.961, FULL_LOAD_EFFICIENCY)
# A thermal release holds 1.13 of its rating for ever and trips at 1.45 within the hour (IEC 60898).
TRIP_HEAT = 1.13**2
TRIP_SECONDS = 600.0


class PowerSupplies:
    """The supplies of all servers, as arrays (server, slot). Even slots hang on feed A, odd ones on feed B."""

    def __init__(self, hall: Layout, seed: int) -> None:
        """All supplies present and fed."""
        slots = max(server.model.psus for server in hall.servers)
        count = len(hall.servers)
        rng = np.random.default_rng(seed)
        self.capacity = np.array([server.model.psu_watts for server in hall.servers])
        self.present = np.array([[slot < server.model.psus for slot in range(slots)] for server in hall.servers])
        self.feed = np.tile(np.arange(slots) % 2, (count, 1))
        self.healthy = self.present.copy()
        self.fed = np.ones((count, 2), bool)
        # Sharing is active but not perfect: the recorded pairs differ by one or two percent.
        self.share = rng.uniform(0.985, 1.015, (count, slots))
        self.output_watts = np.zeros((count, slots))
        self.input_watts = np.zeros((count, slots))
        self.volts = rng.uniform(236, 242, (count, slots)).round()

    @property
    def alive(self) -> Bools:
        """Supplies that deliver: present, healthy, and their feed live."""
        alive: Bools = self.healthy & np.take_along_axis(self.fed, self.feed, axis=1)
        return alive

    @property
    def capacity_watts(self) -> Floats:
        """What the living supplies of each server can deliver together."""
        capacity: Floats = self.alive.sum(axis=1) * self.capacity
        return capacity

    def supply(self, load_watts: Floats) -> Floats:
        """Split each server's DC load over its living supplies; returns the input power of each server."""
        weight = np.where(self.alive, self.share, 0.0)
        total = weight.sum(axis=1, keepdims=True)
        self.output_watts = np.divide(weight * load_watts[:, None], total, out=np.zeros_like(weight), where=total > 0)
        efficiency = np.interp(self.output_watts / self.capacity[:, None], LOAD_POINTS, EFFICIENCY_POINTS)
        self.input_watts = np.where(self.alive, self.output_watts / efficiency + STANDBY_WATTS, 0.0)
        total_input: Floats = self.input_watts.sum(axis=1)
        return total_input


class Breakers:
    """One thermal breaker for each rack and feed, and a main for each feed above them. The columns are the feeds."""

    def __init__(self, hall: Layout) -> None:
        """All closed and cold."""
        self.racks = hall.racks
        self.rack_of = np.array([hall.racks.index(server.rack) for server in hall.servers])
        racks = len(hall.racks)
        self.limit_watts = np.full((racks, 2), BREAKER_WATTS)
        self.heat = np.zeros((racks, 2))
        self.closed = np.ones((racks, 2), bool)
        self.load_watts = np.zeros((racks, 2))
        # What switches and storage draw in each rack, and of those that stand elsewhere from the mains; the plant says it.
        self.device_watts = np.zeros((racks, 2))
        self.elsewhere_watts = np.zeros(2)
        self.main_limit_watts = np.full(2, main_watts(hall))
        self.main_heat = np.zeros(2)
        self.main_closed = np.ones(2, bool)
        self.main_load_watts = np.zeros(2)

    @property
    def live(self) -> Bools:
        """Which feeds reach each rack."""
        reached: Bools = self.closed & self.main_closed
        return reached

    def carry(self, supplies: PowerSupplies, seconds: float) -> list[str]:
        """Carry the input of servers, switches and storage for `seconds`; returns the names of the breakers that tripped."""
        for feed in (0, 1):
            drawn = np.where(supplies.feed == feed, supplies.input_watts, 0.0).sum(axis=1)
            servers = np.bincount(self.rack_of, weights=drawn, minlength=len(self.racks))
            self.load_watts[:, feed] = servers + self.device_watts[:, feed]
        self.main_load_watts = self.load_watts.sum(axis=0) + self.elsewhere_watts
        self.heat = _heated(self.heat, self.load_watts / self.limit_watts, seconds)
        self.main_heat = _heated(self.main_heat, self.main_load_watts / self.main_limit_watts, seconds)
        tripping = self.closed & (self.heat >= TRIP_HEAT)
        mains = self.main_closed & (self.main_heat >= TRIP_HEAT)
        self.closed &= ~tripping
        self.main_closed &= ~mains
        return [
            *(main_name(FEEDS[feed]) for feed in np.flatnonzero(mains)),
            *(breaker_name(self.racks[rack], FEEDS[feed]) for rack, feed in zip(*np.nonzero(tripping), strict=True)),
        ]

    def set_closed(self, rack: str, feed: str, *, closed: bool) -> None:
        """Open or close a rack's breaker by hand; a closed one starts cold."""
        place = self.racks.index(rack), FEEDS.index(feed)
        self.closed[place] = closed
        self.heat[place] = 0.0

    def set_main_closed(self, feed: str, *, closed: bool) -> None:
        """Open or close a feed's main by hand; a closed one starts cold."""
        place = FEEDS.index(feed)
        self.main_closed[place] = closed
        self.main_heat[place] = 0.0

    def document(self) -> dict[str, dict[str, float | bool]]:
        """Every breaker as the truth file has it."""
        columns = (
            np.vstack([self.main_load_watts, self.load_watts]),
            np.vstack([self.main_limit_watts, self.limit_watts]),
            np.vstack([self.main_heat, self.heat]) / TRIP_HEAT,
            np.vstack([self.main_closed, self.closed]),
        )
        names = [[main_name(feed) for feed in FEEDS], *([breaker_name(rack, feed) for feed in FEEDS] for rack in self.racks)]
        return {
            name: {"load_watts": float(load), "limit_watts": float(limit), "heat": float(heat), "closed": bool(closed)}
            for row, names_of_row in enumerate(names)
            for name, load, limit, heat, closed in zip(names_of_row, *(column[row] for column in columns), strict=True)
        }

    def energise(self, supplies: PowerSupplies) -> None:
        """Let the supplies see which feeds are live."""
        supplies.fed = self.live[self.rack_of]


def _heated(heat: Floats, ratio: Floats, seconds: float) -> Floats:
    target = ratio**2
    warmer: Floats = target + (heat - target) * np.exp(-seconds / TRIP_SECONDS)
    return warmer
