"""Which jobs run where and when: partitions, queues, starts and ends at exact times."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from simulator.lanes import Lane, LaneKind, Lanes
from simulator.submit import PARTITIONS, Submitter
from simulator.workload import NO_JOB, Ints, Job, Outcome, Patterns

# Submissions that wait in a partition at any time, and how long one lets others pass.
QUEUE = 3
PATIENCE_SECONDS = 1.5 * 3600
REQUEUE_SECONDS = 120.0
SHARED = frozenset({LaneKind.MIG, LaneKind.SHARD})
# How long Slurm still tells of a job that has ended (MinJobAge).
MEMORY_SECONDS = 300.0


class Scheduler:
    """Starts and ends jobs at their exact times. One queue a partition; small jobs may pass large ones that wait for room."""

    def __init__(
        self,
        lanes: Lanes,
        patterns: Patterns,
        seed: int,
        start: float,
        *,
        submits: bool = True,
        shared_from: float = 0.0,
        tempo: float = 1.0,
    ) -> None:
        """Begin with empty queues at `start`; `advance` fills the hall. Without `submits` only others' jobs run.

        Servers whose GPUs are shared come into service at `shared_from`: what those draw idle can be seen before. A `tempo` of
        10 makes jobs, and the time between them, ten times as short.
        """
        self.lanes = lanes
        self.patterns = patterns
        self.running: dict[int, Job] = {}
        self.owner = np.full(max(1, len(lanes)), NO_JOB, np.int64)
        self.now = start
        self._ended: deque[Job] = deque()
        self._submitter = Submitter(seed, tempo)
        self._shared_from = shared_from
        self._ends: list[tuple[float, int, Job]] = []
        self._pools = _pools(lanes) if submits else {}
        self._waiting = {key: [job for _ in range(QUEUE) for job in self._submit(key, start)] for key in self._pools}
        self._slots: list[int] = []

    @property
    def waiting(self) -> list[Job]:
        """Jobs that were submitted and have no place yet."""
        return [job for queue in self._waiting.values() for job in queue if job.not_before <= self.now]

    @property
    def remembered(self) -> list[Job]:
        """Jobs that ended so lately that Slurm still tells of them."""
        while self._ended and self._ended[0].end < self.now - MEMORY_SECONDS:
            self._ended.popleft()
        return list(self._ended)

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
                self.finish(job)
                yield job, False
        self.now = until

    def begin(self, job: Job) -> None:
        """Start a job on the lanes that it names; without `seconds` it runs until somebody ends it."""
        self._begin(job)

    def finish(self, job: Job) -> None:
        """End a running job; what is requeued comes back after a while."""
        job.end = min(job.end, self.now)
        del self.running[job.slot]
        self._slots.append(job.slot)
        self.owner[job.rows] = NO_JOB
        self.patterns.finish(job)
        if job.outcome is Outcome.REQUEUED and job.partition in self._waiting:
            again = replace(
                job,
                restarts=job.restarts + 1,
                outcome=Outcome.COMPLETED,
                not_before=self.now + REQUEUE_SECONDS,
                slot=NO_JOB,
                rows=np.empty(0, np.int64),
            )
            self._waiting[job.partition].append(again)
        else:
            self._ended.append(job)

    def _start_waiting(self) -> Iterator[tuple[Job, bool]]:
        for key, pool in self._pools.items():
            queue = self._waiting[key]
            for job in [job for job in queue if job.not_before <= self.now]:
                if self._place_all(pool, job):
                    queue.remove(job)
                    if len(queue) < QUEUE:
                        queue += self._submit(key, self.now)
                    for part in (job, job.mate) if job.mate else (job,):
                        self._begin(part)
                        yield part, True
                elif self.now - job.not_before > PATIENCE_SECONDS:
                    break  # who waited this long is passed by nobody any more

    def _place_all(self, pool: Ints, job: Job) -> bool:
        """Find lanes for a job and, if it has another component, for that beside it."""
        rows = self._place(pool, job.gpus)
        if rows is None:
            return False
        if job.mate is not None:
            self.owner[rows] = -2  # taken, as long as we look further
            others = self._place(pool, job.mate.gpus)
            self.owner[rows] = NO_JOB
            if others is None:
                return False
            job.mate.rows, job.mate.gpus = others, len(others)
        job.rows, job.gpus = rows, len(rows)
        return True

    def _begin(self, job: Job) -> None:
        job.start, job.end = self.now, self.now + job.seconds
        job.slot = self._slots.pop() if self._slots else len(self.running)
        self.running[job.slot] = job
        self.owner[job.rows] = job.slot
        if np.isfinite(job.end):
            heapq.heappush(self._ends, (job.end, job.number or int(job.id), job))
        self.patterns.begin(job)

    def _place(self, pool: Ints, wanted: int) -> Ints | None:
        """Whole servers for what fills them, else the fullest server with enough room; None when there is none."""
        free = self.owner[pool] == NO_JOB
        count = free.sum(axis=1)
        servers, per_server = pool.shape
        if wanted >= per_server:
            whole = np.nonzero(count == per_server)[0]
            number = min(wanted // per_server, servers)
            if len(whole) < number:
                return None
            rows: Ints = pool[whole[:number]].ravel()
            return rows
        room = np.nonzero(count >= wanted)[0]
        if not len(room):
            return None
        server = room[np.argmin(count[room])]
        chosen: Ints = pool[server][free[server]][:wanted]
        return chosen

    def _submit(self, key: str, now: float) -> list[Job]:
        opens = self._shared_from if self.lanes[int(self._pools[key][0, 0])].kind in SHARED else now
        return self._submitter.submit(key, max(now, opens), len(self._pools[key]))


def _pools(lanes: Lanes) -> dict[str, Ints]:
    """The lanes of each partition, server by server."""
    found: dict[str, list[Ints]] = {}
    for rows in lanes.by_server.values():
        key = partition_of(lanes[int(rows[0])])
        if key in PARTITIONS and lanes[int(rows[0])].server.serves_jobs:
            found.setdefault(key, []).append(rows)
    return {key: np.array(found[key]) for key in PARTITIONS if key in found}


def partition_of(lane: Lane) -> str:
    """The partition of a lane: its server's model, and how that one's GPUs are given."""
    model = lane.server.model.key
    return f"{model}-{lane.kind}" if lane.kind in SHARED else model
