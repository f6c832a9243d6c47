"""Whether caps that are on do hold: power over a minute against the cap, and what the BMC's log says.

One sample proves nothing: power "may momentarily exceed" the cap until the adjustment completes (Dell), and meters are read in
their own time. The mean of a minute over the cap and its two percent does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from power.actuators.devices import Devices
from power.actuators.findings import Why
from power.model import Actuator, Bools, Device, Fleet, Floats

WINDOW_SECONDS = 60.0
TOLERANCE = 1.02
FRESH_SECONDS = 30.0
"""An older meter reading says nothing of now."""
LEAST_READ = 0.5
"""Share of the window that must have been read."""
SLOTS = 60
COMPLAINT_SECONDS = 900.0
"""How long a BMC's word that it cannot hold the cap counts."""


@runtime_checkable
class Complains(Protocol):
    """A way that hears of a BMC that it cannot hold the cap."""

    @property
    def complaint(self) -> tuple[float, str] | None:
        """When by the monotonic clock, and in which words."""


@dataclass(kw_only=True, eq=False)
class Minute:
    """Power of the last minute of every server of a fleet, and since when its cap has been as it is."""

    fleet: Fleet
    cap: Floats = field(init=False)
    _watts: Floats = field(init=False)
    _since: Floats = field(init=False)
    _slot: int | None = None

    def __post_init__(self) -> None:
        count = len(self.fleet.nodes)
        self._watts = np.full((SLOTS, count), np.nan)
        self.cap = np.full(count, np.nan)
        self._since = np.full(count, np.inf)

    def take(self, node_watts: Floats, node_age: Floats, node_cap_watts: Floats, monotonic: float) -> None:
        """What was drawn now, and which caps are on (NaN: none). More often than once a second changes nothing."""
        slot = int(monotonic // (WINDOW_SECONDS / SLOTS))
        first = slot if self._slot is None else max(self._slot + 1, slot - SLOTS + 1)
        for passed in range(first, slot + 1):
            self._watts[passed % SLOTS] = np.nan
        self._slot = slot
        self._watts[slot % SLOTS] = np.where(node_age <= FRESH_SECONDS, node_watts, np.nan)
        since = np.where(node_cap_watts == self.cap, self._since, monotonic)
        self._since = np.where(np.isnan(node_cap_watts), np.inf, since)
        self.cap = node_cap_watts

    def judged(self, monotonic: float) -> tuple[Bools, Bools, Floats]:
        """Servers whose cap does not hold, those whose cap does, and the mean power of each over the window."""
        read = np.isfinite(self._watts)
        count = read.sum(axis=0)
        total = np.where(read, self._watts, 0.0).sum(axis=0)
        mean = np.divide(total, count, out=np.full(len(count), np.nan), where=count >= SLOTS * LEAST_READ)
        settled = monotonic - self._since >= WINDOW_SECONDS
        with np.errstate(invalid="ignore"):
            return settled & (mean > self.cap * TOLERANCE), settled & (mean <= self.cap * TOLERANCE), mean


@dataclass(kw_only=True, eq=False)
class Holding:
    """Marks servers whose cap does not hold, and takes the mark away when it has held for a minute."""

    devices: Devices
    monotonic: Callable[[], float]
    clock: Callable[[], float]
    _minute: Minute | None = None
    _marked: set[str] = field(default_factory=set)
    _complaints: dict[str, float] = field(default_factory=dict)

    def draws(self, fleet: Fleet, node_watts: Floats, node_age: Floats, node_cap_watts: Floats) -> None:
        """What servers draw now and which caps are on, in columns of the fleet."""
        now = self.monotonic()
        if self._minute is None or self._minute.fleet is not fleet:
            self._minute = Minute(fleet=fleet)
        self._minute.take(node_watts, node_age, node_cap_watts, now)
        broken, holds, mean = self._minute.judged(now)
        for row in np.flatnonzero(broken).tolist():
            self._mark(
                fleet.nodes[row],
                f"{mean[row]:.0f} W in the last minute under a cap of {self._minute.cap[row]:.0f} W; charged at its nameplate",
            )
        if self._marked:
            good = {fleet.nodes[row] for row in np.flatnonzero(holds | np.isnan(node_cap_watts)).tolist()}
            self._unmark(self._marked & good, now)

    def listen(self, actuator: Actuator) -> None:
        """What a way has heard of its BMC."""
        complaint = actuator.complaint if isinstance(actuator, Complains) else None
        if complaint is not None and self._complaints.get(actuator.node) != complaint[0]:
            self._complaints[actuator.node] = complaint[0]
            self._mark(actuator.node, f"the BMC says {complaint[1]}; charged at its nameplate")

    def _mark(self, node: str, why: str) -> None:
        self.devices[Device(node)].find(Why.NOT_HOLDING, why, self.clock())
        self.devices.changed.add(Device(node))
        self._marked.add(node)

    def _unmark(self, nodes: set[str], now: float) -> None:
        for node in nodes:
            if now - self._complaints.get(node, float("-inf")) >= COMPLAINT_SECONDS:
                self.devices[Device(node)].findings.pop(Why.NOT_HOLDING, None)
                self.devices.changed.add(Device(node))
                self._marked.discard(node)
