"""Which jobs run where and when: partitions, queues, starts and ends at exact times."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator

import numpy as np

from simulator.site import Layout
from simulator.workload import NO_JOB, SHAPES, Ints, Job, Kind, Patterns

# Jobs that wait in a partition at any time, and how long one lets others pass.
QUEUE = 3
PATIENCE_SECONDS = 1.5 * 3600

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
