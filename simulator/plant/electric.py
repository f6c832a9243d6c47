"""What switches and storage draw, through which supplies, and what PDUs meter: exact, as power is constant within a step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.physics import Physics
from simulator.plant.equipment import Equipment
from simulator.plant.plant import outlets_of
from simulator.site import FEEDS, Layout

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
ELSEWHERE = -1


class Electric:
    """Devices in the order of `Equipment.devices`, outlets PDU by PDU (a rack's on feed A, on feed B, and so on)."""

    def __init__(self, described: Equipment, hall: Layout, seed: int) -> None:
        """Everything idle."""
        devices = described.devices
        rng = np.random.default_rng(seed)
        self.idle = np.array([device.model.idle_watts for device in devices]) * rng.uniform(0.97, 1.04, len(devices))
        self.span = np.array([device.model.full_watts - device.model.idle_watts for device in devices])
        racks = {name: number for number, name in enumerate(hall.racks)}
        self.rack: Ints = np.array([racks.get(device.rack, ELSEWHERE) for device in devices], np.int64)
        self.present: Bools = np.ones((len(devices), len(FEEDS)), bool)
        self.healthy: Bools = np.ones((len(devices), len(FEEDS)), bool)
        # Supplies share well but not perfectly.
        self._share = rng.uniform(0.975, 1.025, (len(devices), len(FEEDS)))
        self.off: Bools = np.zeros(len(devices), bool)
        self.supply_watts = np.zeros((len(devices), len(FEEDS)))
        self.joules = np.zeros(len(devices))
        self._find_outlets(described, hall)
        self.outlet_watts = np.zeros(len(self.outlet_pdu))
        self.outlet_joules = np.zeros(len(self.outlet_pdu))
        self.powered: Bools = np.ones(len(devices), bool)

    def _find_outlets(self, described: Equipment, hall: Layout) -> None:
        """Where each outlet's watts are found: among the supplies of servers, or after them those of devices."""
        slots = max(server.model.psus for server in hall.servers)
        places = {server.name: server.index * slots for server in hall.servers}
        first = len(hall.servers) * slots
        places |= {device.name: first + len(FEEDS) * row for row, device in enumerate(described.devices)}
        pdus: list[int] = []
        sources: list[int] = []
        numbers: list[int] = []
        for number, (rack, feed) in enumerate((rack, feed) for rack in hall.racks for feed in FEEDS):
            for order, (name, slot) in enumerate(outlets_of(hall, described, rack, feed)):
                pdus.append(number)
                sources.append(places[name] + slot)
                numbers.append(order)
        self.pdus = len(hall.racks) * len(FEEDS)
        self.outlet_pdu: Ints = np.array(pdus, np.int64)
        self.outlet_number: Ints = np.array(numbers, np.int64)
        self._source: Ints = np.array(sources, np.int64)

    @property
    def watts(self) -> Floats:
        """What each device draws."""
        drawn: Floats = self.supply_watts.sum(axis=1)
        return drawn

    @property
    def pdu_watts(self) -> Floats:
        """What goes through each PDU's inlet."""
        return np.bincount(self.outlet_pdu, self.outlet_watts, minlength=self.pdus).astype(float)

    @property
    def pdu_joules(self) -> Floats:
        """What has gone through each PDU's inlet."""
        return np.bincount(self.outlet_pdu, self.outlet_joules, minlength=self.pdus).astype(float)

    def count(self, physics: Physics, seconds: float) -> None:
        """Add what was drawn in the step that the physics has just made, and is now known for servers, too."""
        self.joules += self.watts * seconds
        every = np.concatenate([physics.supplies.input_watts.ravel(), self.supply_watts.ravel()])
        self.outlet_watts = every[self._source]
        self.outlet_joules += self.outlet_watts * seconds

    def draw(self, physics: Physics, work: Floats) -> None:
        """What is drawn from now on, at `work` (0 to 1), and which breakers carry it."""
        breakers = physics.breakers
        fed = np.vstack([breakers.live, breakers.main_closed])[self.rack]
        alive = self.present & self.healthy & fed & ~self.off[:, None]
        self.powered = alive.any(axis=1)
        weight = self._share * alive
        total = weight.sum(axis=1, keepdims=True)
        load = self.idle + self.span * work
        self.supply_watts = np.divide(weight * load[:, None], total, out=np.zeros_like(weight), where=total > 0)
        carried = np.zeros((len(breakers.racks) + 1, len(FEEDS)))
        np.add.at(carried, self.rack, self.supply_watts)
        breakers.device_watts, breakers.elsewhere_watts = carried[:-1], carried[-1]

    def restart_meters(self) -> None:
        """Put the meters to zero."""
        self.joules[:] = 0.0
        self.outlet_joules[:] = 0.0
