"""A row of servers in closed loop: work becomes power, caps come back a second later. Small, for tests of the controller."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from power.control.allocator import propose
from power.control.memory import Memory
from power.control.peaks import Peaks
from power.control.tuning import Tuning
from power.model import Fleet, Floats, Intent, View
from power.tree.ceilings import counted, worst_draw
from tests.support.fleets import GPU_MAX, view

IDLE_WATTS, WAIT_WATTS = 80.0, 400.0
DUTY = 0.72
GPUS = 8


class SmallRow:
    """Training servers with square waves of 4 to 9 s (one job each `job_size` servers) and checkpoints; then inference.

    Training servers come first. Caps land in the second after they were asked for.
    """

    def __init__(self, fleet: Fleet, *, training: int, job_size: int = 4, noise: float = 0.05, seed: int = 1) -> None:
        """At rest, with all caps at their highest."""
        self.fleet, self.random = fleet, np.random.default_rng(seed)
        self.nodes = len(fleet.nodes)
        self.training = training
        self.noise_share = noise
        jobs = -(-training // job_size)
        self.job = np.repeat(np.arange(jobs), job_size)[:training]
        self.period = self.random.uniform(4, 9, jobs)
        self.offset = self.random.uniform(0, 9, jobs)
        self.save_at = self.random.uniform(200, 400, jobs)
        self.serves = np.full(self.nodes - training, 340.0)
        self.noise = np.zeros(self.nodes - training)
        self.limit = np.full(self.nodes * GPUS, GPU_MAX)
        self.changes = np.zeros(self.nodes * GPUS)
        self.second = 0
        self.memory, self.tuning = Memory(seed=seed), Tuning()
        self.peaks = Peaks(self.tuning.window_seconds, self.tuning.cycle_seconds)
        self.watts: list[float] = []
        """What the row drew, second by second."""

    def wanted(self) -> Floats:
        """Watts that one GPU of each server wants, as an average of this second."""
        now = float(self.second)
        place = ((now + self.offset) / self.period) % 1.0
        computing = np.clip((DUTY - place) * self.period, 0.0, 1.0)  # a second may hold the end of a computation
        train = WAIT_WATTS + computing * (GPU_MAX - WAIT_WATTS)
        train = np.where((now % 600 >= self.save_at) & (now % 600 < self.save_at + 30), 130.0, train)
        keep = np.exp(-1 / 40)
        self.noise = keep * self.noise + np.sqrt(1 - keep**2) * self.random.normal(0, self.noise_share, len(self.noise))
        serve = np.clip(self.serves * (1 + self.noise), IDLE_WATTS, GPU_MAX)
        return np.concatenate([train[self.job], serve])

    def step(self, intent: Intent) -> View:
        """One second: work, look, decide, write."""
        wanted = np.repeat(self.wanted(), GPUS)
        drawn = np.minimum(wanted, self.limit)
        self.node_watts = 0.9 * self.fleet.rest_watts + self.fleet.loss * self.fleet.by_node(drawn)
        self.watts.append(float(self.node_watts.sum()))
        known = view(self.fleet, gpu_watts=drawn, gpu_limit_watts=self.limit, monotonic=1000.0 + self.second)
        known = replace(known, node_watts=self.node_watts)
        ceiling, node_cap = counted(self.fleet, known)
        worst = worst_draw(self.fleet, ceiling, node_cap)
        gpu_peak, node_peak = self.peaks.update(
            known.monotonic, known.gpu_watts, known.gpu_age, ceiling, known.node_watts, known.node_age, worst
        )
        known = replace(known, gpu_peak_watts=gpu_peak, node_peak_watts=node_peak)
        proposal, self.memory = propose(self.fleet, known, intent, self.tuning, self.memory)
        self.changes += np.abs(proposal.gpu_watts - self.limit) > 0.5
        self.limit = proposal.gpu_watts
        self.second += 1
        return known

    def run(self, intent: Intent, seconds: int) -> None:
        """So many seconds."""
        for _ in range(seconds):
            self.step(intent)
