"""What the GPUs are asked to do: jobs that come, run and end, each with the pattern of its kind.

A pattern is periodic in work done, not in time: a GPU whose cap slows it down takes longer for the same iteration. Averages
over any interval come from a closed form, so that a step of 0.25 s and one of 60 s speak of the same job.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from simulator.site import Layout

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DAY = 86400.0
NO_JOB = -1
# Jobs that wait in a partition at any time, and how long one lets others pass.
QUEUE = 3
PATIENCE_SECONDS = 1.5 * 3600


class Kind(StrEnum):
    """What a job does with its GPUs."""

    TRAINING = "training"
    FINETUNE = "finetune"
    INFERENCE = "inference"
    INTERACTIVE = "interactive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The ranges that a kind's patterns are drawn from. Levels are shares of what the GPU could draw above idle."""

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
        hours=(3, 14),
        gap_seconds=1500,
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
    ),
}
# Which kinds a partition's users submit and how many GPUs they ask for: (kind, weight, sizes).
PARTITIONS: dict[str, tuple[tuple[Kind, float, tuple[int, ...]], ...]] = {
    "xe9680": (
        (Kind.TRAINING, 0.62, (8, 8, 16, 16, 32)),
        (Kind.FINETUNE, 0.23, (4, 8)),
        (Kind.INTERACTIVE, 0.15, (2, 4, 8)),
    ),
    "xe8640": ((Kind.FINETUNE, 0.6, (4, 4, 2)), (Kind.INFERENCE, 0.2, (4, 2)), (Kind.INTERACTIVE, 0.2, (1, 2))),
    "r760xa-l40": ((Kind.INFERENCE, 0.75, (2, 4, 1)), (Kind.INTERACTIVE, 0.25, (1,))),
    "r760xa-l4": ((Kind.INFERENCE, 0.95, (1, 1, 2)), (Kind.INTERACTIVE, 0.05, (1,))),
}
ACCOUNTS = ("climate", "genomics", "language", "materials", "robotics", "speech", "vision")


@dataclass(slots=True, kw_only=True)
class Job:
    """A job. `rows` are its GPUs' rows; `end` is when it will end or ended."""

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
    rows: Ints = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True, slots=True)
class Activity:
    """What the GPUs do in an interval, averaged over it: arrays by GPU, shares 0 to 1."""

    level: Floats
    busy: Floats
    checkpoint: Floats
    load: Floats


class Patterns:
    """The pattern of every GPU, as arrays."""

    def __init__(self, gpus: int, seed: int) -> None:
        """An idle hall of `gpus` GPUs."""
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
        self.tensor[rows] = shape.tensor
        self.cpu[rows] = shape.cpu
        self.running[rows] = True

    def finish(self, job: Job) -> None:
        """Let a job's GPUs be idle again."""
        for values in (
            self.busy,
            self.high,
            self.low,
            self.diurnal,
            self.memory,
            self.tensor,
            self.cpu,
            self.checkpoint_seconds,
        ):
            values[job.rows] = 0.0
        self.running[job.rows] = False

    def advance(self, start: float, seconds: float, speed: Floats) -> Activity:
        """Do `seconds` of work at `speed` (1 = unhindered) and say what it looked like on average."""
        before = self.work
        self.work = before + seconds * speed
        busy = _overlap(before, self.work, self.period, self.busy * self.period)
        # A checkpoint ends its interval: nobody writes one before there is something to write.
        gap = self.checkpoint_every - self.checkpoint_seconds
        checkpoint = 1.0 - _overlap(before, self.work, self.checkpoint_every, gap)
        load = (
            1.0 - self.diurnal * (1.0 - daylight(start + seconds / 2)) + self.diurnal * 0.35 * self._noise(start + seconds / 2)
        )
        level = (self.high * busy + self.low * (1.0 - busy)) * (1.0 - checkpoint) + 0.08 * checkpoint
        level = np.where(self.running, np.clip(level * np.clip(load, 0.03, 1.0), 0.0, 1.0), 0.0)
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


class Scheduler:
    """Starts and ends jobs at their exact times. One queue a partition; small jobs may pass large ones that wait for room."""

    def __init__(self, hall: Layout, patterns: Patterns, seed: int, start: float) -> None:
        """Begin with empty queues at `start`; `advance` fills the hall."""
        self.patterns = patterns
        self.running: dict[int, Job] = {}
        self.owner = np.full(max(1, hall.gpus), NO_JOB, np.int64)
        self.now = start
        self._rng = np.random.default_rng(seed)
        self._numbers = itertools.count(40_000 + seed % 1000)
        self._ends: list[tuple[float, int, Job]] = []
        # The rows of each partition's GPUs, server by server.
        self._pools = {
            key: np.array([server.gpu_rows for server in hall.servers if server.model.key == key])
            for key in PARTITIONS
            if any(server.model.key == key for server in hall.servers)
        }
        self._waiting = {key: [self._submit(key, start) for _ in range(QUEUE)] for key in self._pools}
        self._slots: list[int] = []

    def next_event(self) -> float:
        """When the next job may start or end."""
        starts = [job.not_before for queue in self._waiting.values() for job in queue if job.not_before > self.now]
        return min([*starts, *(end for end, _, _ in self._ends[:1])], default=float("inf"))

    def advance(self, until: float) -> Iterator[tuple[Job, bool]]:
        """Move to `until`, event by event; yields each job that starts (True) or ends (False)."""
        while True:
            yield from self._start_waiting()
            event = self.next_event()
            if event > until:
                break
            self.now = event
            while self._ends and self._ends[0][0] <= event:
                job = heapq.heappop(self._ends)[2]
                self._finish(job)
                yield job, False
        self.now = until

    def _start_waiting(self) -> Iterator[tuple[Job, bool]]:
        for key, pool in self._pools.items():
            queue = self._waiting[key]
            for job in [job for job in queue if job.not_before <= self.now]:
                rows = self._place(pool, job.gpus)
                if rows is not None:
                    job.rows, job.gpus = rows, len(rows)
                    self._begin(job)
                    yield job, True
                    queue[queue.index(job)] = self._submit(key, self.now)
                elif self.now - job.not_before > PATIENCE_SECONDS:
                    break  # who waited this long is passed by nobody any more

    def _begin(self, job: Job) -> None:
        job.start, job.end = self.now, self.now + job.seconds
        job.slot = self._slots.pop() if self._slots else len(self.running)
        self.running[job.slot] = job
        self.owner[job.rows] = job.slot
        heapq.heappush(self._ends, (job.end, int(job.id), job))
        self.patterns.begin(job)

    def _finish(self, job: Job) -> None:
        del self.running[job.slot]
        self._slots.append(job.slot)
        self.owner[job.rows] = NO_JOB
        self.patterns.finish(job)

    def _place(self, pool: Ints, gpus: int) -> Ints | None:
        """Whole servers for what fills them, else the fullest server with enough room; None when there is none."""
        free = self.owner[pool] == NO_JOB
        count = free.sum(axis=1)
        servers, per_server = pool.shape
        if gpus >= per_server:
            whole = np.nonzero(count == per_server)[0]
            wanted = min(gpus // per_server, servers)
            if len(whole) < wanted:
                return None
            rows: Ints = pool[whole[:wanted]].ravel()
            return rows
        room = np.nonzero(count >= gpus)[0]
        if not len(room):
            return None
        server = room[np.argmin(count[room])]
        chosen: Ints = pool[server][free[server]][:gpus]
        return chosen

    def _submit(self, key: str, now: float) -> Job:
        rng = self._rng
        choices = PARTITIONS[key]
        weights = np.array([weight for _, weight, _ in choices])
        kind, _, sizes = choices[int(rng.choice(len(choices), p=weights / weights.sum()))]
        shape = SHAPES[kind]
        account = ACCOUNTS[int(rng.integers(len(ACCOUNTS)))]
        low, high = np.log(shape.hours)
        gap = rng.exponential(shape.gap_seconds * 8 / max(1, len(self._pools[key])))
        number = next(self._numbers)
        return Job(
            id=str(number),
            name=f"{account}-{kind}",
            user=f"{account[:4]}{int(rng.integers(1, 9)):02d}",
            account=account,
            partition=key,
            kind=kind,
            gpus=int(rng.choice(sizes)),
            not_before=now + gap,
            seconds=float(np.exp(rng.uniform(low, high)) * 3600),
            seed=int(rng.integers(2**31)),
        )
