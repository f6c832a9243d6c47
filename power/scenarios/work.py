"""What the servers work at: synchronous training, inference over the day, nothing; and how a cap slows it.

A job of training goes round iterations: its GPUs compute at full power for most of each and wait for the network for the rest.
The slowest GPU sets the pace of the whole job. A cap stretches only the part in which more power would be drawn than it allows.
"""

from __future__ import annotations

import numpy as np

from power.model import Bools, Floats, Ints
from power.scenarios.hall import Layout
from power.scenarios.scenario import Scenario
from wattstat.capcurve import A40, MEAN

IDLE, TRAINING, INFERENCE = 0, 1, 2
CHECKPOINT_WATTS = 130.0
START_SECONDS = 2.0
"""From idle to full power when a job starts."""
MEMORY_SECONDS = 40.0
"""How long a server's deviation from the day's load of inference lasts."""


class Work:
    """The state of all work, advanced step by step."""

    def __init__(self, scenario: Scenario, hall: Layout, rng: np.random.Generator) -> None:
        """Jobs laid over the rows in order, inference in the rest of each row."""
        self._load, self._hall, self._rng = scenario.load, hall, rng
        per_row = hall.nodes // hall.rows
        place = np.arange(hall.nodes) % per_row
        training = round(scenario.load.training * per_row)
        serving = round(scenario.load.inference * per_row)
        self.kind: Ints = np.where(place < training, TRAINING, np.where(place < training + serving, INFERENCE, IDLE))
        self.job: Ints = np.full(hall.nodes, -1)
        self.trainers: Ints = np.nonzero(self.kind == TRAINING)[0]
        self.servers: Ints = np.nonzero(self.kind == INFERENCE)[0]
        self.job[self.trainers] = np.arange(len(self.trainers)) // scenario.load.nodes_per_job
        self.jobs = int(self.job.max()) + 1
        self._first = np.searchsorted(self.job[self.trainers], np.arange(self.jobs))
        self._of_trainer = self.job[self.trainers]
        self._sizes = np.bincount(self._of_trainer, minlength=self.jobs)
        curve = np.array((A40 if scenario.load.curve == "a40" else MEAN)[::-1])
        self._shares, self._paces = curve[:, 0], curve[:, 1]
        self.now = 0.0
        self._set_jobs()
        self._spread = rng.uniform(0.97, 1.03, hall.nodes)
        self._phase = rng.uniform(0, 0.05) * scenario.load.inference_period_seconds
        self._noise = rng.normal(0, scenario.load.inference_noise, len(self.servers))
        self.done = np.zeros(hall.nodes)
        """Seconds of unhampered work done by each server."""
        self.wished = np.zeros(hall.nodes)
        """Seconds in which it had work."""
        self.slow_seconds = np.zeros(101)
        """Seconds of inference by slowdown in percent."""

    def _set_jobs(self) -> None:
        load, rng, count = self._load, self._rng, self.jobs
        self._period = rng.uniform(*load.iteration_seconds, count)
        self._position = rng.uniform(0, 1, count)
        self._start = np.full(count, -START_SECONDS)
        self._start[: len(load.starts)] = load.starts[:count]
        self._end = self._start + rng.uniform(*load.job_seconds, count) * np.where(
            self._start < 0, rng.uniform(0.1, 1, count), 1
        )
        together = load.checkpoint_together
        every = rng.uniform(*load.checkpoint_every_seconds, 1 if together else count)
        first = np.where(self._start > 0, self._start, 0) if not together else 0.0
        self._save_every = np.broadcast_to(every, count).copy()
        self._save_at = first + self._save_every * (1.0 if together else rng.uniform(0.1, 1, count))
        length = rng.uniform(*load.checkpoint_seconds, 1 if together else count)
        self._save_seconds = np.broadcast_to(length, count).copy()

    @property
    def running(self) -> Bools:
        """Which jobs run."""
        return (self.now >= self._start) & (self.now < self._end)

    @property
    def saving(self) -> Bools:
        """Which jobs write a checkpoint."""
        running: Bools = self.running & (self.now >= self._save_at)
        return running

    def pace(self, share: Floats) -> Floats:
        """Throughput at a share of the highest limit."""
        found: Floats = np.interp(share, self._shares, self._paces)
        return found

    def advance(self, seconds: float, gpu_caps: Floats) -> tuple[Floats, Floats]:
        """Work for a step under these caps in force (servers x GPUs).

        Returns the watts that one GPU of each server wants at its most in the step, and its mean watts wanted outside of
        that with the share of the step, packed as (high, share) for `Plant`.
        """
        self.now += seconds
        high = np.full(self._hall.nodes, self._hall.gpu_idle_watts)
        share = np.zeros(self._hall.nodes)
        if self.jobs:
            self._train(seconds, gpu_caps, high, share)
        if len(self.servers):
            self._serve(seconds, gpu_caps, high, share)
        return high, share

    def _train(self, seconds: float, gpu_caps: Floats, high: Floats, share: Floats) -> None:
        load, top = self._load, self._hall.gpu_max_watts
        self._turn_over()
        running, saving = self.running, self.saving
        least = gpu_caps[self.trainers].min(axis=1)
        if load.pace == "slowest":
            middle = np.minimum.reduceat(least, self._first)
        else:
            middle = np.add.reduceat(least, self._first) / self._sizes
        pace = self.pace(middle / top)
        computing = self._position < load.duty
        active = running & ~saving
        move = np.where(active, np.where(computing, pace, 1.0) * seconds / self._period, 0.0)
        busy = _overlap(self._position, move, load.duty)
        self._position = (self._position + move) % 1.0
        ramp = np.clip((self.now - self._start) / START_SECONDS, 0, 1)
        want_high = self._hall.gpu_idle_watts + ramp * (top - self._hall.gpu_idle_watts)
        job = self._of_trainer
        high[self.trainers] = np.where(running, np.where(saving, CHECKPOINT_WATTS, want_high), self._hall.gpu_idle_watts)[job]
        share[self.trainers] = np.where(active, busy, np.where(running, 1.0, 0.0))[job]
        slowed = pace[job] if load.pace == "slowest" else self.pace(least / top)
        rate = np.where(active[job], busy[job] * slowed + (1 - busy[job]), 1.0)
        self.done[self.trainers] += np.where(running[job], rate * seconds, 0.0)
        self.wished[self.trainers] += np.where(running, seconds, 0.0)[job]

    def _turn_over(self) -> None:
        """Checkpoints that end, jobs that end and those that take their places."""
        saved = self.now >= self._save_at + self._save_seconds
        self._save_at = np.where(saved, self._save_at + self._save_every, self._save_at)
        over = self.now >= self._end
        if not over.any():
            return
        count = int(over.sum())
        self._start[over] = self._end[over] + self._rng.uniform(*self._load.gap_seconds, count)
        self._end[over] = self._start[over] + self._rng.uniform(*self._load.job_seconds, count)
        self._period[over] = self._rng.uniform(*self._load.iteration_seconds, count)
        if not self._load.checkpoint_together:
            self._save_at[over] = self._start[over] + self._save_every[over]

    def _serve(self, seconds: float, gpu_caps: Floats, high: Floats, share: Floats) -> None:
        load, top = self._load, self._hall.gpu_max_watts
        keep = np.exp(-seconds / MEMORY_SECONDS)
        fresh = self._rng.normal(0, load.inference_noise, len(self.servers))
        self._noise = keep * self._noise + np.sqrt(1 - keep**2) * fresh
        day = 0.5 - 0.5 * np.cos(2 * np.pi * ((self.now + self._phase) / load.inference_period_seconds + 0.25))
        level = load.inference_watts[0] + day * (load.inference_watts[1] - load.inference_watts[0])
        want = np.clip(level * self._spread[self.servers] * (1 + self._noise), self._hall.gpu_idle_watts, top)
        high[self.servers], share[self.servers] = want, 1.0
        got = np.minimum(gpu_caps[self.servers], want[:, None]).mean(axis=1)
        rate = np.minimum(self.pace(got / top) / self.pace(want / top), 1.0)
        self.done[self.servers] += rate * seconds
        self.wished[self.servers] += seconds
        percent = np.minimum((100 * (1 - rate)).astype(int), 100)
        self.slow_seconds += np.bincount(percent, minlength=101) * seconds

    def low_watts(self) -> Floats:
        """What a GPU of each server draws in the part of the step in which it does not want its most."""
        low = np.full(self._hall.nodes, self._hall.gpu_idle_watts)
        if self.jobs:
            low[self.trainers] = np.where(self.running, self._load.wait_watts, self._hall.gpu_idle_watts)[self._of_trainer]
        return low


def _overlap(position: Floats, move: Floats, duty: float) -> Floats:
    """The share of the way from `position` to `position + move` that lies in the computing part of iterations."""

    def computed(place: Floats) -> Floats:
        whole = np.floor(place)
        total: Floats = whole * duty + np.minimum(place - whole, duty)
        return total

    way = computed(position + move) - computed(position)
    found: Floats = np.divide(way, move, out=np.zeros_like(way), where=move > 0)
    return found
