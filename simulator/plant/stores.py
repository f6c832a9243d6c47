"""Storage clusters in motion: what is read and written, how long it takes, how full they get, and who must wait for them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.plant.demand import PROJECTS, SCRATCH, Demand
from simulator.plant.equipment import STORAGE
from simulator.workload import Activity, daylight

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
# Client caches and read-ahead smooth what GPUs ask for, and how soon they feel that nothing comes.
CACHE_SECONDS = 4.0
PREFETCH_SECONDS = 3.0
REMOVAL_SECONDS = 1800.0
LEAST_PACE = 0.02
# Of what is written so much is removed again: old checkpoints, scratch files.
REMOVED = np.array([0.72, 0.85, 0.6])
# The purge of scratch at night, bytes a second, from and until which hour (UTC).
PURGE_RATE, PURGE_FROM, PURGE_UNTIL = 0.25e9, 2.0, 3.0
# What people do in their home directories, bytes a second for each server.
HOME_RATE, HOME_RATE_BY_DAY, HOME_WRITES = 30e6, 160e6, 0.06
# Of home directories: read, written; the same asked for.
_HOME = np.array([1.0, HOME_WRITES, 1.0, HOME_WRITES])[:, None]
IDLE_LATENCY = np.array([0.00035, 0.0006, 0.008])
# Of a cluster that is full only so much of the work goes on: caches and logs cannot be written.
FULL_PACE = 0.3
FULL_RATIO = 0.998
DRIVE_LOSS = 0.04


class Stores:
    """The clusters as arrays, in the order of `STORAGE`."""

    def __init__(self, demand: Demand, nodes: int, seed: int) -> None:
        """Idle."""
        self.demand = demand
        self._nodes = nodes
        count, lanes = len(STORAGE), len(demand.lanes)
        self.design_read = np.array([each.design_read for each in STORAGE])
        self.design_write = np.array([each.design_write for each in STORAGE])
        self.size = np.array([each.size_bytes for each in STORAGE])
        self.used = self.size * [each.used_ratio for each in STORAGE]
        self.members = np.array([each.nodes for each in STORAGE])
        # By cluster and server: what is read and written, and what would be, were there no waiting.
        self._flows = np.zeros((4, count, nodes))
        self.latency = IDLE_LATENCY.copy()
        self.load = np.zeros(count)
        self._removal = np.zeros(count)
        # How much of its work each lane can do for want of data, 0 to 1.
        self.fed = np.ones(lanes)
        # The same as it was applied: who works together waits for the slowest.
        self.applied = np.ones(lanes)
        # Troubles: seconds that every operation takes longer, and so on.
        self.slow_seconds = np.zeros(count)
        self.full: Bools = np.zeros(count, bool)
        self.gone: Bools = np.zeros(count, bool)
        self.failed_drives = np.zeros(count)
        self._phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, nodes)

    @property
    def read(self) -> Floats:
        """What each server reads from each cluster."""
        read: Floats = self._flows[0]
        return read

    @property
    def write(self) -> Floats:
        """What each server writes to each cluster."""
        written: Floats = self._flows[1]
        return written

    @property
    def asked_read(self) -> Floats:
        """What each server would read from each cluster, were there no waiting."""
        asked: Floats = self._flows[2]
        return asked

    def step(self, now: float, seconds: float, did: Activity, members_up: Floats, reachable: Floats) -> None:
        """Move by `seconds`, in which the lanes `did` something; `reachable` says which servers' cables are up."""
        health = members_up / self.members * np.maximum(0.7, 1 - DRIVE_LOSS * self.failed_drives) * ~self.gone
        can_read, can_write = self.design_read * health, self.design_write * health * ~self.full
        asked_read, asked_write = self._asked(now, seconds, did, reachable)
        read_ratio, write_ratio = _ratio(can_read, asked_read), _ratio(can_write, asked_write)
        given = _ratio(np.stack([can_read, can_write]), self._flows[:2].sum(axis=2))
        self._flows[:2] *= given[:, :, None]
        self._wait(seconds, did, read_ratio, write_ratio, reachable)
        self._fill(now, seconds)
        used_read, used_write = self.read.sum(axis=1), self.write.sum(axis=1)
        self.load = np.maximum(used_read / np.maximum(can_read, 1.0), used_write / np.maximum(can_write, 1.0)).clip(0, 1)
        # Who asks for more than there is waits in a queue.
        queue = np.minimum(np.where(np.minimum(read_ratio, write_ratio) < 1, 1.0, self.load), 0.98)
        wanted = IDLE_LATENCY * (1 + 0.6 * queue**2 / (1 - queue)) + self.slow_seconds
        self.latency = wanted + (self.latency - wanted) * np.exp(-seconds / CACHE_SECONDS)

    def _asked(self, now: float, seconds: float, did: Activity, reachable: Floats) -> tuple[Floats, Floats]:
        """What would be read and written of each cluster, were there no waiting; what really is goes to `read` and `write`."""
        demand = self.demand
        work = np.where(demand.by_processor, did.busy, did.level)
        save = demand.save * did.checkpoint
        fresh = self._by_server(
            demand.read * work,
            demand.write * work + save * self.fed,
            demand.read * work / self.applied,
            demand.write * work / self.applied + save,
        )
        noise = 1 + 0.3 * np.sin(2 * np.pi * now / 610 + self._phase) + 0.2 * np.sin(2 * np.pi * now / 127 + 3 * self._phase)
        fresh[:, PROJECTS] += (HOME_RATE + HOME_RATE_BY_DAY * daylight(now)) * noise * _HOME
        fresh[:2] *= reachable * ~self.gone[:, None]
        self._flows = fresh + (self._flows - fresh) * np.exp(-seconds / CACHE_SECONDS)
        asked: Floats = self._flows[2:].sum(axis=2)
        return asked[0], asked[1]

    def _by_server(self, *lanes: Floats) -> Floats:
        """Sums of the lanes' values by cluster and server, one after the other."""
        size = len(STORAGE) * self._nodes
        place = self.demand.store * self._nodes + self.demand.lanes.node
        places = (place + size * np.arange(len(lanes))[:, None]).ravel()
        summed: Floats = np.bincount(places, np.concatenate(lanes), minlength=size * len(lanes)).astype(float)
        return summed.reshape(len(lanes), len(STORAGE), self._nodes)

    def _wait(self, seconds: float, did: Activity, read_ratio: Floats, write_ratio: Floats, reachable: Floats) -> None:
        """How much of its work each lane can do: of a training's data by what comes and how soon, of its checkpoints too."""
        demand = self.demand
        here = reachable[demand.lanes.node]
        slow = np.minimum(1.0, demand.patience / np.maximum(self.slow_seconds[demand.store], 1e-9))
        data = np.minimum(read_ratio[demand.store], slow) * np.where(self.full[demand.store], FULL_PACE, 1.0) * here
        data = np.where(np.isfinite(demand.patience) & (demand.read > 0), data, 1.0)
        saving = (did.checkpoint > 0.5) & (demand.save > 0)
        target = np.maximum(np.where(saving, write_ratio[SCRATCH] * here, data), LEAST_PACE)
        self.fed = target + (self.fed - target) * np.exp(-seconds / PREFETCH_SECONDS)

    def _fill(self, now: float, seconds: float) -> None:
        written = self.write.sum(axis=1)
        wanted = REMOVED * written
        fade = np.exp(-seconds / REMOVAL_SECONDS)
        self._removal = wanted + (self._removal - wanted) * fade
        grown = (written - self._removal) * seconds
        if PURGE_FROM <= now / 3600 % 24 < PURGE_UNTIL:
            grown[SCRATCH] -= PURGE_RATE * seconds
        self.used = np.clip(self.used + grown, 0.2 * self.size, FULL_RATIO * self.size)

    def settle(self) -> None:
        """Let removal be where it would be after some hours of this, and the pools as full as they were bought to be told."""
        self._removal = REMOVED * self.write.sum(axis=1)
        self.used = self.size * [each.used_ratio for each in STORAGE]

    @property
    def used_bytes(self) -> Floats:
        """What is used; of a pool that was filled, nearly all."""
        return np.where(self.full, FULL_RATIO * self.size, self.used)


def _ratio(can: Floats, asked: Floats) -> Floats:
    """How much of what is asked for can be given."""
    return np.minimum(1.0, np.divide(can, asked, out=np.where(can > 0, 1.0, 0.0), where=asked > 1.0))
