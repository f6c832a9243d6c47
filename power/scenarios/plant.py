"""The simulated hall: work becomes power, power heats breakers, telemetry shows some of it, caps come back.

Everything is a column of servers or a table of servers x GPUs; a step of 1,000 servers takes about a millisecond.
"""

from __future__ import annotations

import numpy as np

from power.model import Bools, Floats
from power.scenarios.breakers import Breakers
from power.scenarios.devices import BMC_SECONDS, IN_BAND_SECONDS, Devices
from power.scenarios.hall import Layer, Layout, layout
from power.scenarios.scenario import Scenario
from power.scenarios.telemetry import Seen, Telemetry
from power.scenarios.work import INFERENCE, Work

FIXED_SHARE = 0.75
"""Share of a server's power outside its GPUs that does not depend on its load."""
EPOCH = 1_790_000_000.0


class Plant:
    """The truth. Controllers get `seen` and `devices.write`; the oracle may look at everything."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        """The hall before its first second. Seeds of work, devices and telemetry are independent of what controllers do."""
        self.scenario = scenario
        self.hall: Layout = layout(scenario)
        work, devices, telemetry, self.fault_rng = np.random.default_rng(seed).spawn(4)
        self.work = Work(scenario, self.hall, work)
        self.devices = Devices(self.hall, devices, delay=BMC_SECONDS if scenario.bmc else IN_BAND_SECONDS)
        self.telemetry = Telemetry(self.hall, telemetry)
        self.breakers = tuple(Breakers(layer) for layer in self.hall.layers)
        self.now = 0.0
        self.wall_offset = EPOCH
        self.feed_alive: Bools = np.ones(self.hall.feeds, bool)
        shape = self.hall.nodes, self.hall.gpus
        self._lottery = self.fault_rng.uniform(0.985, 1.0, shape)
        self.gpu_watts = np.full(shape, self.hall.gpu_idle_watts)
        self.node_watts = np.full(
            self.hall.nodes, self.hall.rest_watts * FIXED_SHARE + self.hall.gpus * self.hall.gpu_idle_watts
        )
        self.load_of = np.zeros(self.hall.nodes)
        self.wanted_watts = np.zeros(self.hall.nodes)
        """What one GPU of each server wants at its most in the step."""
        self._gpu_joules = np.zeros(shape)
        self._node_joules = np.zeros(self.hall.nodes)
        self._sampled = 0.0
        self._row_watts = self.hall.by_row(self.node_watts)

    @property
    def priority(self) -> Floats:
        """Priority of each server's work."""
        load = self.scenario.load
        found: Floats = np.where(self.work.kind == INFERENCE, load.inference_priority, load.training_priority).astype(float)
        return found

    def step(self, seconds: float) -> None:
        """Let so much time pass."""
        self.now += seconds
        self.devices.advance(seconds)
        caps = self._caps()
        high, share = self.work.advance(seconds, caps)
        self.wanted_watts = high
        self._draw(caps, high, share)
        for breaker in self.breakers:
            breaker.carry(self.carried(breaker.layer), seconds)
        self._gpu_joules += self.gpu_watts * seconds
        self._node_joules += self.node_watts * seconds
        if self.now - self._sampled >= 1 - 1e-6:
            self._sample()

    def carried(self, layer: Layer) -> Floats:
        """What breakers on a feed carry: half of the servers' power, all once the other feed is dead, nothing when it is."""
        share = float(self.feed_alive[layer.feed]) / max(int(self.feed_alive.sum()), 1)
        return layer.load(self.node_watts * share)

    @property
    def row_watts(self) -> Floats:
        """What the rows draw now."""
        return self.hall.by_row(self.node_watts)

    def seen(self) -> Seen:
        """What a controller sees now."""
        lost = np.broadcast_to(~self.feed_alive, (self.hall.nodes, self.hall.feeds))
        return self.telemetry.seen(self.now, self.now + self.wall_offset, self._row_watts, lost)

    def _caps(self) -> Floats:
        """The limits that power follows, the servers' own brakes included."""
        brake = self.devices.brake_ratio
        felt = self.devices.felt
        if (brake < 1).any():
            felt = np.minimum(felt, np.maximum(brake * self.hall.gpu_max_watts, self.hall.gpu_idle_watts)[:, None])
        return felt

    def _draw(self, caps: Floats, high: Floats, share: Floats) -> None:
        """Power of the step: a GPU draws what it wants up to its cap; chips differ by a percent or so."""
        low = self.work.low_watts()
        top = np.minimum(high[:, None] * self._lottery, caps)
        rest = np.minimum(low[:, None], caps)
        self.gpu_watts = share[:, None] * top + (1 - share[:, None]) * rest
        span = self.hall.gpu_max_watts - self.hall.gpu_idle_watts
        mean = self.gpu_watts.mean(axis=1)
        self.load_of = np.clip((mean - self.hall.gpu_idle_watts) / span, 0, 1)
        fixed = self.hall.rest_watts * (FIXED_SHARE + (1 - FIXED_SHARE) * self.load_of)
        self.node_watts = fixed + self.gpu_watts.sum(axis=1)

    def _sample(self) -> None:
        seconds = self.now - self._sampled
        node = self._node_joules / seconds
        silent = self.devices.silent
        self.telemetry.sample(self.now, self._gpu_joules / seconds, node, self.devices.limit, silent)
        self._row_watts = self.hall.by_row(node)
        self._gpu_joules, self._node_joules = np.zeros_like(self._gpu_joules), np.zeros_like(self._node_joules)
        self._sampled = self.now
