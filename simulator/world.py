"""The hall in motion: schedule, physics and the truth about them, moved together by an injected clock."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simulator.physics import Physics
from simulator.schedule import Scheduler
from simulator.site import Layout
from simulator.workload import DAY, NO_JOB, Job, Patterns

Floats = NDArray[np.float64]
WARM_UP_SECONDS = 3 * DAY


@dataclass(slots=True, kw_only=True)
class Account:
    """What a job really drew: joules of its GPUs, by server."""

    job: Job
    joules: dict[str, float] = field(default_factory=dict)
    ended: bool = False

    @property
    def gpu_joules(self) -> float:
        """The joules of all its GPUs."""
        return sum(self.joules.values())


class World:
    """Everything that the simulated devices speak about. `now` is Unix time by the injected clock."""

    def __init__(self, hall: Layout, seed: int, start: float) -> None:
        """A hall at `start` whose jobs have been coming and going for days, and whose meters stand at zero."""
        self.hall = hall
        self.patterns = Patterns(hall.gpus, seed)
        self.scheduler = Scheduler(hall, self.patterns, seed + 1, start - WARM_UP_SECONDS)
        for _ in self.scheduler.advance(start):
            pass  # who came and went before the meters began is no matter of ours
        self.physics = Physics(hall, self.patterns, seed + 2, start)
        self.start = start
        self.accounts: dict[str, Account] = {}
        # Each GPU posts its joules to a line: line 0 takes what no job held, every other belongs to one job on one server.
        self._lines: list[tuple[Account | None, str]] = [(None, "")]
        self._posting = np.zeros(hall.gpus, np.int64)
        for job in self.scheduler.running.values():
            self._open(job)
        self._settle()

    @property
    def now(self) -> float:
        """The time that the hall has reached."""
        return self.physics.now

    def advance(self, until: float, step: float) -> None:
        """Move to `until` in steps of at most `step` seconds; a step never reaches over the start or end of a job."""
        while self.now < until - 1e-9:
            self._catch_up()
            event = self.scheduler.next_event()
            target = min(until, self.now + step)
            if self.now < event < target:
                target = event
            self._post(self.physics.step(target - self.now))
            self.physics.now = target
        self._catch_up()

    def _catch_up(self) -> None:
        """Start and end what is due now."""
        for job, started in self.scheduler.advance(self.now):
            if started:
                self._open(job)
            else:
                self.accounts[job.id].ended = True
                self._posting[job.rows] = 0

    def job_of(self, row: int) -> Job | None:
        """The job that holds a GPU."""
        slot = int(self.scheduler.owner[row])
        return None if slot == NO_JOB else self.scheduler.running[slot]

    def _open(self, job: Job) -> None:
        nodes = self.physics.node_of[job.rows]
        self.accounts[job.id] = Account(job=job)
        for node in np.unique(nodes):
            self._posting[job.rows[nodes == node]] = len(self._lines)
            self._lines.append((self.accounts[job.id], self.hall.servers[int(node)].name))

    def _post(self, drawn: Floats) -> None:
        posted = np.bincount(self._posting, weights=drawn, minlength=len(self._lines))
        for line in np.nonzero(posted)[0]:
            account, node = self._lines[line]
            if account is not None:
                account.joules[node] = account.joules.get(node, 0.0) + float(posted[line])

    def _settle(self) -> None:
        """Let temperatures and fans arrive, then put all meters to zero."""
        for _ in range(30):
            self.physics.step(20.0)
        self.physics.restart_meters(self.start)
