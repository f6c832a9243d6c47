"""What the GPUs are asked to do: jobs that come, run and end, each with the pattern of its kind.

A pattern is periodic in work done, not in time: a GPU whose cap slows it down takes longer for the same iteration. Averages
over any interval come from a closed form, so that a step of 0.25 s and one of 60 s speak of the same job.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DAY = 86400.0
NO_JOB = -1


class Kind(StrEnum):
    """What a job does with its GPUs."""

    TRAINING = "training"
    FINETUNE = "finetune"
    INFERENCE = "inference"
    INTERACTIVE = "interactive"
    CPU = "cpu"


class Outcome(StrEnum):
    """How a run ends, in Slurm's words. A run that is requeued comes back under the same job id."""

    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMEOUT = "TIMEOUT"
    NODE_FAIL = "NODE_FAIL"
    REQUEUED = "REQUEUED"


class Habit(StrEnum):
    """What a job does that it should not."""

    NONE = ""
    WASTEFUL = "wasteful"
    STRAGGLER = "straggler"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The ranges that a kind's patterns are drawn from. Levels are shares of what the GPU could draw above idle.

    `wander` is how far the level strays; `together` says that the GPUs of a job wait for each other in every iteration.
    """

    period: tuple[float, float]
    busy: tuple[float, float]
    high: tuple[float, float]
    low: tuple[float, float]
    checkpoint_every: tuple[float, float]
    checkpoint_seconds: tuple[float, float]
    diurnal: tuple[float, float]
    memory: tuple[float, float]
    tensor: float
    cpu: float
    hours: tuple[float, float]
    gap_seconds: float
    wander: float
    together: bool


SHAPES = {
    Kind.TRAINING: Shape(
        period=(4, 9),
        busy=(0.78, 0.88),
        high=(0.84, 0.97),
        low=(0.42, 0.55),
        checkpoint_every=(900, 2400),
        checkpoint_seconds=(25, 60),
        diurnal=(0, 0),
        memory=(0.82, 0.96),
        tensor=0.62,
        cpu=0.42,
        hours=(1.5, 11),
        gap_seconds=1500,
        wander=0.02,
        together=True,
    ),
    Kind.FINETUNE: Shape(
        period=(1.5, 4),
        busy=(0.7, 0.9),
        high=(0.8, 0.95),
        low=(0.3, 0.5),
        checkpoint_every=(600, 1200),
        checkpoint_seconds=(10, 25),
        diurnal=(0, 0),
        memory=(0.55, 0.9),
        tensor=0.48,
        cpu=0.3,
        hours=(0.5, 3),
        gap_seconds=900,
        wander=0.05,
        together=True,
    ),
    Kind.INFERENCE: Shape(
        period=(0.4, 1.2),
        busy=(0.7, 0.95),
        high=(0.8, 0.98),
        low=(0.35, 0.6),
        checkpoint_every=(DAY, 2 * DAY),
        checkpoint_seconds=(5, 10),
        diurnal=(0.45, 0.75),
        memory=(0.78, 0.92),
        tensor=0.3,
        cpu=0.28,
        hours=(36, 200),
        gap_seconds=600,
        wander=0.0,
        together=False,
    ),
    Kind.INTERACTIVE: Shape(
        period=(240, 1200),
        busy=(0.05, 0.25),
        high=(0.3, 0.7),
        low=(0.0, 0.0),
        checkpoint_every=(DAY, 2 * DAY),
        checkpoint_seconds=(5, 10),
        diurnal=(0, 0),
        memory=(0.05, 0.5),
        tensor=0.2,
        cpu=0.08,
        hours=(0.4, 5),
        gap_seconds=1800,
        wander=0.6,
        together=False,
    ),
    Kind.CPU: Shape(
        period=(60, 600),
        busy=(0.8, 0.98),
        high=(0.0, 0.0),
        low=(0.0, 0.0),
        checkpoint_every=(DAY, 2 * DAY),
        checkpoint_seconds=(5, 10),
        diurnal=(0, 0),
        memory=(0.0, 0.0),
        tensor=0.0,
        cpu=0.85,
        hours=(0.2, 6),
        gap_seconds=1200,
        wander=0.0,
        together=False,
    ),
}


@dataclass(slots=True, kw_only=True)
class Job:
    """A run of a job. `rows` are its lanes; `end` is when it will end or ended, `outcome` how.

    `number` is what Slurm counts by; `array` is (first number, task), `het` (first number, component) with the other component
    as `mate`. `used` of its lanes do something, all unless given. `node` is given where this is a server's part of a job only.
    """

    id: str
    name: str
    user: str
    account: str
    partition: str
    kind: Kind
    gpus: int
    not_before: float
    seconds: float
    seed: int
    start: float = 0.0
    end: float = 0.0
    slot: int = NO_JOB
    number: int = 0
    node: str = ""
    restarts: int = 0
    array: tuple[int, int] | None = None
    het: tuple[int, int] | None = None
    mate: Job | None = None
    outcome: Outcome = Outcome.COMPLETED
    habit: Habit = Habit.NONE
    used: int | None = None
    rows: Ints = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True, slots=True)
class Activity:
    """What the lanes (or the GPUs) do in an interval, averaged over it: arrays, shares 0 to 1."""

    level: Floats
    busy: Floats
    checkpoint: Floats
    load: Floats


class Patterns:
    """The pattern of every lane, as arrays."""

    def __init__(self, gpus: int, seed: int) -> None:
        """An idle hall of `gpus` lanes."""
        self._rng = np.random.default_rng(seed)
        self.work = np.zeros(gpus)
        self.period = np.ones(gpus)
        self.busy = np.zeros(gpus)
        self.high = np.zeros(gpus)
        self.low = np.zeros(gpus)
        self.checkpoint_every = np.full(gpus, DAY)
        self.checkpoint_seconds = np.zeros(gpus)
        self.diurnal = np.zeros(gpus)
        self.memory = np.zeros(gpus)
        self.tensor = np.zeros(gpus)
        self.cpu = np.zeros(gpus)
        self.running = np.zeros(gpus, bool)
        self.wander = np.zeros(gpus)
        self.jitter_period = np.ones(gpus)
        self.jitter_phase = np.zeros(gpus)
        # Who waits for whom: a job's slot, or for GPUs on their own a number beyond all slots.
        self.group = gpus + np.arange(gpus)
        self._noise_phase = self._rng.uniform(0, 2 * np.pi, (3, gpus))
        self._noise_period = np.array([[37.0], [211.0], [1700.0]]) * self._rng.uniform(0.8, 1.25, (3, gpus))

    def begin(self, job: Job) -> None:
        """Give a job's GPUs its pattern: the same for all of them, because their iterations end together."""
        shape = SHAPES[job.kind]
        rng = np.random.default_rng(job.seed)
        rows = job.rows
        for name in ("period", "busy", "high", "low", "checkpoint_every", "checkpoint_seconds", "diurnal", "memory"):
            low, high = getattr(shape, name)
            getattr(self, name)[rows] = rng.uniform(low, high)
        self.work[rows] = 0.0
        if job.kind is Kind.INFERENCE:  # each replica serves its own requests
            self.work[rows] = rng.uniform(0, 100, len(rows))
            self.high[rows] *= rng.uniform(0.92, 1.0, len(rows))
        self.jitter_period[rows] = rng.uniform(90, 300)
        self.jitter_phase[rows] = rng.uniform(0, 2 * np.pi)
        self.group[rows] = job.slot if shape.together else len(self.group) + rows
        self.wander[rows] = shape.wander
        self.tensor[rows] = shape.tensor
        self.cpu[rows] = shape.cpu
        self.running[rows] = True
        if job.used is not None:  # the rest is held and does nothing; a context takes a little memory
            rest = rows[job.used :]
            for name in ("busy", "high", "low", "tensor", "cpu", "checkpoint_seconds"):
                getattr(self, name)[rest] = 0.0
            self.memory[rest] = 0.006
        if job.habit is Habit.STRAGGLER:  # one is always at work, the others wait for it
            self.busy[rows] *= 0.6
            self.busy[rows[len(rows) // 2]] = 0.97

    def finish(self, job: Job) -> None:
        """Let a job's GPUs be idle again."""
        for name in ("busy", "high", "low", "diurnal", "memory", "tensor", "cpu", "checkpoint_seconds", "wander"):
            getattr(self, name)[job.rows] = 0.0
        self.group[job.rows] = len(self.group) + job.rows
        self.running[job.rows] = False

    def slowest(self, values: Floats) -> Floats:
        """For each lane the least value of those who wait for each other."""
        least = np.full(2 * len(self.group), np.inf)
        np.minimum.at(least, self.group, values)
        found: Floats = least[self.group]
        return found

    def advance(self, start: float, seconds: float, speed: Floats, pace: Floats | None = None) -> Activity:
        """Do `seconds` of work at `speed` (1 = unhindered) and say what it looked like on average.

        `pace` is how much of its time a lane works at all, and does not wait for data or for others.
        """
        before, middle = self.work, start + seconds / 2
        moved = self.slowest(speed) if pace is None else self.slowest(speed) * pace
        # No two iterations take equally long.
        jitter = 1.0 + 0.05 * np.sin(2 * np.pi * middle / self.jitter_period + self.jitter_phase)
        self.work = before + seconds * moved * jitter
        busy = _overlap(before, self.work, self.period, self.busy * self.period)
        # A checkpoint ends its interval: nobody writes one before there is something to write.
        gap = self.checkpoint_every - self.checkpoint_seconds
        checkpoint = 1.0 - _overlap(before, self.work, self.checkpoint_every, gap)
        noise = self._noise(middle)
        load = 1.0 - self.diurnal * (1.0 - daylight(middle)) + self.diurnal * 0.35 * noise
        level = (self.high * busy + self.low * (1.0 - busy)) * (1.0 - checkpoint) + 0.08 * checkpoint
        level = level * np.clip(load, 0.03, 1.0) * (1.0 + self.wander * noise)
        level = np.where(self.running, np.clip(level, 0.0, 1.0), 0.0)
        if pace is not None:
            level = level * pace
        return Activity(
            level, np.where(self.running, busy, 0.0), np.where(self.running, checkpoint, 0.0), np.clip(load, 0.0, 1.0)
        )

    def _noise(self, at: float) -> Floats:
        values: Floats = np.sin(2 * np.pi * at / self._noise_period + self._noise_phase).mean(axis=0)
        return values


def daylight(at: float) -> float:
    """The load of a service by the hour of day (UTC): low at 04:00, highest at 15:00."""
    hour = at % DAY / 3600
    angle = (hour - 15) / 24 * 2 * np.pi
    return float(np.clip(0.5 + 0.5 * np.cos(angle) + 0.12 * np.cos(2 * angle), 0.0, 1.0))


def _overlap(before: Floats, after: Floats, period: Floats, length: Floats) -> Floats:
    """The share of [before, after] that lies within the first `length` of each `period`."""

    def total(at: Floats) -> Floats:
        whole = np.floor(at / period)
        return whole * length + np.minimum(at - whole * period, length)

    span = after - before
    inside: Floats = (total(after) - total(before)) / np.where(span > 0, span, 1.0)
    return np.where(span > 0, inside, (np.mod(before, period) < length).astype(float))
