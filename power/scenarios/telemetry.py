"""What a controller sees of the hall: averages of a second, late, lost, frozen, spiking or in the wrong order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from power.model import Bools, Floats
from power.scenarios.hall import Layout

HISTORY_SECONDS = 16
SENSOR_ERROR = 0.005


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """Readings at one moment of the monotonic clock. Nothing here is truth; ages are in seconds."""

    now: float
    wall: float
    gpu_watts: Floats
    gpu_age: Floats
    node_watts: Floats
    node_age: Floats
    limit_watts: Floats
    """What the devices say their limits are, servers x GPUs; NaN where a device says nonsense."""
    limit_age: Floats
    row_watts: Floats
    """The rows' meters."""
    feed_lost: Bools
    """Whether a server's supplies see each feed dead: servers x feeds."""


class Telemetry:
    """Samples once a second."""

    def __init__(self, hall: Layout, rng: np.random.Generator) -> None:
        """Nothing seen yet."""
        self._hall, self._rng = hall, rng
        self.loss = 0.0
        self.dark: Bools = np.zeros(hall.nodes, bool)
        self.frozen: Bools = np.zeros(hall.nodes, bool)
        self.halved: Bools = np.zeros(hall.nodes, bool)
        self.spiking = 0.0
        """Share of the samples that say 32,767."""
        self.late_seconds = 0
        self.reordered: Bools = np.zeros(hall.nodes, bool)
        self.nonsense: Bools = np.zeros(hall.nodes, bool)
        self._gain = 1 + rng.normal(0, SENSOR_ERROR, hall.nodes)
        shape = hall.nodes, hall.gpus
        self._gpu = np.full(shape, np.nan)
        self._node = np.full(hall.nodes, np.nan)
        self._taken = np.full(hall.nodes, -np.inf)
        self._limit = np.full(shape, np.nan)
        self._limit_taken = np.full(hall.nodes, -np.inf)
        self._past: list[tuple[Floats, Floats]] = []

    def sample(self, now: float, gpu_watts: Floats, node_watts: Floats, limits: Floats, silent: Bools) -> None:
        """Take one sample of every server that can be reached."""
        self._past.append((gpu_watts, node_watts))
        del self._past[:-HISTORY_SECONDS]
        late = min(self.late_seconds, len(self._past) - 1)
        gpu, node = self._past[-1 - late]
        if self.reordered.any() and len(self._past) > 3:
            older = self._past[-1 - int(self._rng.integers(0, 4))]
            gpu = np.where(self.reordered[:, None], older[0], gpu)
            node = np.where(self.reordered, older[1], node)
        reached = ~silent & ~self.dark
        if self.loss:
            reached &= self._rng.random(len(node)) >= self.loss
        fresh = reached & ~self.frozen
        factor = np.where(self.halved, 0.5, 1.0) * self._gain
        self._gpu = np.where(fresh[:, None], gpu * factor[:, None], self._gpu)
        self._node = np.where(fresh, node * factor, self._node)
        if self.spiking:
            mad = fresh & (self._rng.random(len(node)) < self.spiking)
            self._node[mad] = 32767.0
        # A frozen sensor goes on delivering the old value with a new time.
        self._taken = np.where(reached, now - late, self._taken)
        self._limit = np.where(reached[:, None], np.where(self.nonsense[:, None], np.nan, limits), self._limit)
        self._limit_taken = np.where(reached, now, self._limit_taken)

    def seen(self, now: float, wall: float, row_watts: Floats, feed_lost: Bools) -> Seen:
        """What is known at this moment."""
        age = now - self._taken
        return Seen(
            now=now,
            wall=wall,
            gpu_watts=self._gpu,
            gpu_age=age,
            node_watts=self._node,
            node_age=age,
            limit_watts=self._limit,
            limit_age=now - self._limit_taken,
            row_watts=row_watts,
            feed_lost=feed_lost,
        )
