"""The plant in motion: storage, cables and power follow what the lanes do, and lanes wait for storage and cables.

`step` is for the world after each of its own; `show` writes what the model knows into the `Plant` that the servers of protocols
read, whenever somebody wants it fresh.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from simulator.lanes import Lanes
from simulator.physics import Physics
from simulator.plant.cables import Cables, Traffic
from simulator.plant.demand import CABLE_RATE, RAIL_RATE, Demand
from simulator.plant.electric import Electric
from simulator.plant.equipment import STORAGE, equipment
from simulator.plant.plant import plant_of
from simulator.plant.stores import Stores
from simulator.site import Layout
from simulator.workload import Job, Patterns

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
EVERY_SECONDS = 1.0
# Of an iteration's exchange so much is on the wire, and a little always is.
EXCHANGE_SHARE, CHATTER_SHARE = 0.8, 0.03
# Sparse iterations have no less than this of computing between exchanges.
LEAST_BUSY = 0.6
# Work of a switch: its optics, and what it forwards; of a storage node: reading, and drives.
OPTICS_SHARE, FORWARDING_SHARE = 0.6, 0.4
FORWARDED = {"ethernet": 6e10, "infiniband": 8e11}


class MovingPlant:
    """What stands beside the servers."""

    def __init__(self, hall: Layout, lanes: Lanes, patterns: Patterns, physics: Physics, seed: int) -> None:
        """Everything good, idle and cold."""
        self.hall, self._patterns, self._physics, self._seed = hall, patterns, physics, seed
        self.described = equipment(hall)
        self.plant = plant_of(hall, physics.now)
        self.rows = {device.name: row for row, device in enumerate(self.described.devices)}
        self.demand = Demand(lanes)
        self.stores = Stores(self.demand, len(hall.servers), seed)
        self.cables = Cables(self.plant, hall, self.rows, seed + 1)
        self.electric = Electric(self.described, hall, seed + 2)
        switches, members = self.described.switches, self.described.members
        self._switches = len(switches)
        self.store_of_member = np.array([[each.name for each in STORAGE].index(device.cluster) for device in members])
        self._forwarded = np.array([FORWARDED[device.fabric] for device in switches])
        self._cabled = np.maximum(
            np.bincount(self.cables.own, self.cables.cabled, minlength=len(self.rows))[: len(self.rows)], 1
        )
        self.member_read, self.member_write = np.zeros(len(members)), np.zeros(len(members))
        self.member_load, self.forwarding = np.zeros(len(members)), np.zeros(len(switches))
        # Energy is counted in every step; storage and cables move less often, and draw the same meanwhile.
        self.every_seconds = EVERY_SECONDS
        self._since = 0.0
        self._work = np.zeros(len(self.rows))
        self._drag = np.ones(len(lanes))
        self.electric.draw(physics, self._work)

    @property
    def now(self) -> float:
        """The time that the plant has reached."""
        return self._physics.now

    @property
    def live(self) -> Bools:
        """Which feeds reach which racks."""
        return self._physics.breakers.live

    @property
    def member_up(self) -> Bools:
        """Which storage nodes run."""
        up: Bools = self.electric.powered[self._switches :]
        return up

    @property
    def alive(self) -> Bools:
        """What has power and runs: devices, then servers."""
        return np.concatenate([self.electric.powered, self._physics.powered])

    def follow(self, running: Iterable[Job]) -> None:
        """Take what runs from now on."""
        self.demand.follow(running)

    def step(self, seconds: float) -> None:
        """Follow a step of the physics: count what was drawn in it, move what it moved, and say what holds in the next."""
        physics, cables, stores = self._physics, self.cables, self.stores
        self.electric.count(physics, seconds)
        self._since += seconds
        if self._since < self.every_seconds - 1e-6:
            return
        seconds, self._since = self._since, 0.0
        members = np.bincount(self.store_of_member, self.member_up, minlength=len(STORAGE)).astype(float)
        stores.step(physics.now, seconds, physics.lane_activity, members, self._reachable())
        cables.step(physics.now, seconds, self.alive, self._traffic(members))
        self._starve()
        self._load()
        self.electric.draw(physics, self._work)

    def settle(self) -> None:
        """What has gone on for long was counted by nobody: put the meters to zero."""
        self.electric.restart_meters()
        self.stores.settle()
        self.cables.settle(self._seed)

    def _reachable(self) -> Floats:
        """How much of what each server asks for its storage cable can carry."""
        cables = self.cables
        cable = cables.cable_of_server
        asked = np.maximum(self.stores.asked_read.sum(axis=0), 1.0)
        reachable: Floats = np.minimum(1.0, cables.speed[cable] / 8 / asked) * cables.up[cable]
        return reachable

    def _traffic(self, members: Floats) -> Traffic:
        physics, demand, cables, stores = self._physics, self.demand, self.cables, self.stores
        did = physics.lane_activity
        talk = ((1 - did.busy) * EXCHANGE_SHARE + CHATTER_SHARE) * (1 - did.checkpoint) * (did.level > 0.02)
        lanes = demand.rail_lanes
        adapters = cables.adapter_of_gpu[demand.lanes.gpu[lanes]]
        reads, writes = stores.read.sum(axis=0), stores.write.sum(axis=0)
        if len(demand.cable_lanes):
            nodes = demand.lanes.node[demand.cable_lanes]
            exchanged = np.bincount(nodes, CABLE_RATE * talk[demand.cable_lanes], minlength=len(reads))
            reads, writes = reads + exchanged, writes + exchanged
        each = self.member_up / np.maximum(members, 1)[self.store_of_member]
        nothing = np.zeros(self._switches)
        of_members = (
            np.concatenate([nothing, stores.read.sum(axis=1)[self.store_of_member] * each]),
            np.concatenate([nothing, stores.write.sum(axis=1)[self.store_of_member] * each]),
        )
        self.member_read, self.member_write = of_members[0][self._switches :], of_members[1][self._switches :]
        return Traffic(adapters, RAIL_RATE * talk[lanes] * self._drag[lanes], (reads, writes), of_members)

    def _starve(self) -> None:
        """Who waits for data does nothing meanwhile; who waits for gradients spins, and both draw less."""
        physics, patterns, stores = self._physics, self._patterns, self.stores
        starving = bool((stores.fed < 0.999).any())
        stores.applied = patterns.slowest(stores.fed) if starving else np.ones_like(stores.fed)
        self._drag = self._dragged()
        physics.pace = stores.applied * self._drag
        physics.fed = stores.applied if starving else None

    def _dragged(self) -> Floats:
        """How much slower iterations are whose exchanges take longer."""
        demand, cables = self.demand, self.cables
        drag = np.ones(len(demand.lanes))
        lanes = np.concatenate([demand.rail_lanes, demand.cable_lanes])
        if not len(lanes):
            return drag
        ports = np.concatenate(
            [
                cables.adapter_of_gpu[demand.lanes.gpu[demand.rail_lanes]],
                cables.cable_of_server[demand.lanes.node[demand.cable_lanes]],
            ]
        )
        hardship = cables.hardship[ports]
        if (hardship <= 1).all():
            return drag
        busy = np.maximum(self._patterns.busy[lanes], LEAST_BUSY)
        drag[lanes] = 1 / (busy + (1 - busy) * hardship)
        return self._patterns.slowest(drag)

    def _load(self) -> None:
        cables, stores = self.cables, self.stores
        count = len(self.rows)
        optics = np.bincount(cables.own, cables.up, minlength=count)[:count] / self._cabled
        carried = np.bincount(cables.own, cables.transmit_rate * cables.up, minlength=count)[: self._switches]
        self._work[: self._switches] = OPTICS_SHARE * optics[: self._switches] + FORWARDING_SHARE * np.minimum(
            carried / self._forwarded, 1.0
        )
        self._work[self._switches :] = stores.load[self.store_of_member] * self.member_up
        self.member_load = stores.load[self.store_of_member] * self.member_up
        self.forwarding = np.minimum(carried / self._forwarded, 1.0)
