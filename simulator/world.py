"""The hall in motion: schedule, physics and the truth about them, moved together by an injected clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.activity import Integrals
from simulator.lanes import NO_GPU, Lane, Lanes
from simulator.physics import Physics
from simulator.plant.moving import MovingPlant
from simulator.schedule import Scheduler
from simulator.site import Layout
from simulator.workload import DAY, NO_JOB, Job, Patterns

Floats = NDArray[np.float64]
WARM_UP_SECONDS = 3 * DAY
SHARED_AFTER_SECONDS = 600.0


@dataclass(slots=True, kw_only=True)
class Account:
    """What a run of a job really drew. `began` are the meters of its lanes at its start, `drew` what they had at its end."""

    job: Job
    meters: Floats
    rows: tuple[int, ...]
    lanes: tuple[Lane, ...]
    began: Floats
    drew: Floats | None = None

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.drew is not None

    @property
    def by_lane(self) -> Floats:
        """Joules of each of its lanes: rows are GPU, processors and memory, rest of the server."""
        return self.meters[:, list(self.rows)] - self.began if self.drew is None else self.drew

    @property
    def joules(self) -> dict[str, float]:
        """The joules of its GPUs, by server."""
        found: dict[str, float] = {}
        for lane, joules in zip(self.lanes, self.by_lane[0], strict=True):
            found[lane.server.name] = found.get(lane.server.name, 0.0) + float(joules)
        return found

    @property
    def gpu_joules(self) -> float:
        """The joules of all its GPUs."""
        return float(self.by_lane[0].sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A run started or ended at `at`, where the hall stands exactly when this is told."""

    job: Job
    started: bool
    at: float
    lanes: tuple[Lane, ...]


class World:
    """Everything that the simulated devices speak about. `now` is Unix time by the injected clock."""

    def __init__(self, hall: Layout, seed: int, start: float, *, jobs: bool = True, tempo: float = 1.0) -> None:
        """A hall at `start` whose jobs have been coming and going for days, and whose meters stand at zero.

        Without `jobs` it is idle until somebody begins one; with a `tempo` of 10 jobs are ten times as short.
        """
        self.hall = hall
        self.lanes = Lanes(hall)
        self.patterns = Patterns(len(self.lanes), seed)
        self.scheduler = Scheduler(
            self.lanes,
            self.patterns,
            seed + 1,
            start - WARM_UP_SECONDS / tempo,
            submits=jobs,
            shared_from=start + SHARED_AFTER_SECONDS / tempo,
            tempo=tempo,
        )
        for _ in self.scheduler.advance(start):
            pass  # who came and went before the meters began is no matter of ours
        self.physics = Physics(self.lanes, hall, self.patterns, seed + 2, start)
        self.plant = MovingPlant(hall, self.lanes, self.patterns, self.physics, seed + 3)
        self.start = start
        self.accounts: dict[str, Account] = {}
        self.on_event: Callable[[Event], None] | None = None
        self.integrals: Integrals | None = None
        # Joules of every lane while somebody held it: GPU, processors and memory, rest of the server.
        self._meters = np.zeros((3, len(self.lanes)))
        for job in self.scheduler.running.values():
            self._open(job)
        self.plant.follow(self.scheduler.running.values())
        self._settle()

    @property
    def now(self) -> float:
        """The time that the hall has reached."""
        return self.physics.now

    def advance(self, until: float, step: float) -> None:
        """Move to `until` in steps of at most `step` seconds; a step never reaches over the start or end of a job."""
        while self.advance_to_event(until, step):
            pass

    def advance_to_event(self, until: float, step: float) -> bool:
        """Move like `advance`, but stop where jobs started or ended; returns whether there may be more to go."""
        while self.now < until - 1e-9:
            if self._catch_up():
                return True
            event = self.scheduler.next_event()
            target = min(until, self.now + step)
            if self.now < event < target:
                target = event
            self._step(target - self.now)
            self.physics.now = target
        return self._catch_up()

    def begin(self, job: Job) -> None:
        """Start somebody else's job now, on the lanes that it names. Raises `ValueError` where one of them is taken."""
        taken = [self.lanes[int(row)] for row in job.rows if self.scheduler.owner[row] != NO_JOB]
        if taken:
            raise ValueError(f"taken on {taken[0].server.name}: {', '.join(str(lane.place) for lane in taken)}")
        self.scheduler.now = max(self.scheduler.now, self.now)
        self.scheduler.begin(job)
        self._started(job)

    def finish(self, job: Job) -> None:
        """End a running job now."""
        self.scheduler.now = max(self.scheduler.now, self.now)
        self.scheduler.finish(job)
        self._finished(job)

    def job_of(self, row: int) -> Job | None:
        """The job that holds a GPU (its first lane), or another lane."""
        slot = int(self.scheduler.owner[row])
        return None if slot == NO_JOB else self.scheduler.running[slot]

    def _catch_up(self) -> bool:
        """Start and end what is due now; returns whether anything was."""
        happened = False
        for job, started in self.scheduler.advance(self.now):
            happened = True
            if started:
                self._started(job)
            else:
                self._finished(job)
        return happened

    def _started(self, job: Job) -> None:
        self._open(job)
        self.plant.follow(self.scheduler.running.values())
        self._tell(self.accounts[key_of(job)], started=True)

    def _finished(self, job: Job) -> None:
        account = self.accounts[key_of(job)]
        account.drew = account.by_lane
        self.plant.follow(self.scheduler.running.values())
        self._tell(account, started=False)

    def _tell(self, account: Account, *, started: bool) -> None:
        if self.on_event is not None:
            self.on_event(Event(job=account.job, started=started, at=self.now, lanes=account.lanes))

    def _open(self, job: Job) -> None:
        rows = tuple(int(row) for row in job.rows)
        self.accounts[key_of(job)] = Account(
            job=job,
            meters=self._meters,
            rows=rows,
            lanes=tuple(self.lanes[row] for row in rows),
            began=self._meters[:, list(rows)].copy(),
        )

    def _step(self, seconds: float) -> None:
        physics = self.physics
        whole_before, processors_before = physics.node_joules.copy(), self._processors()
        drawn = physics.step(seconds)
        self.plant.step(seconds)
        self._post(drawn, self._processors() - processors_before, physics.node_joules - whole_before, seconds)
        if self.integrals is not None:
            self.integrals.add(seconds)

    def _processors(self) -> Floats:
        joules: Floats = self.physics.cpu_joules.sum(axis=0) + self.physics.dram_joules.sum(axis=0)
        return joules

    def _post(self, drawn: Floats, processors: Floats, whole: Floats, seconds: float) -> None:
        """Give each lane its part of what was drawn; what nobody holds is nobody's.

        Of a shared GPU the static part (what it would draw idle) goes by slice, the dynamic part by activity. Processors and
        memory go by the processors given, the rest of the server by what the devices drew.
        """
        lanes = self.lanes
        held = self.scheduler.owner[: len(lanes)] != NO_JOB
        gpu = self._gpu_parts(drawn, seconds)
        self._meters[0] += np.where(held, gpu, 0.0)
        nodes = len(self.hall.servers)
        cpus = np.where(held, lanes.cpus, 0.0)
        given = np.bincount(lanes.node, weights=cpus, minlength=nodes)
        cpu = processors[lanes.node] * cpus / np.maximum(given, 1.0)[lanes.node]
        self._meters[1] += cpu
        by_gpu = np.bincount(self.physics.node_of, weights=drawn, minlength=nodes) if len(drawn) else np.zeros(nodes)
        devices = by_gpu + processors
        rest = np.maximum(whole - devices, 0.0)
        share = np.divide(rest, devices, out=np.zeros(nodes), where=devices > 0)
        self._meters[2] += np.where(held, gpu + cpu, 0.0) * share[lanes.node]

    def _gpu_parts(self, drawn: Floats, seconds: float) -> Floats:
        lanes = self.lanes
        if not lanes.is_split:
            return lanes.from_gpus(drawn, 0.0)
        static = np.minimum(drawn, self.physics.idle_watts * seconds)
        work = lanes.weight * self.physics.lane_activity.level
        total = lanes.to_gpus(self.physics.lane_activity.level)
        # What is left of the power when all work has just ended goes by slice, too.
        share = np.where(lanes.from_gpus(total, 0.0) > 0, work / np.maximum(lanes.from_gpus(total, 1.0), 1e-300), lanes.weight)
        parts = lanes.weight * lanes.from_gpus(static, 0.0) + share * lanes.from_gpus(drawn - static, 0.0)
        mine: Floats = np.where(lanes.gpu == NO_GPU, 0.0, parts)
        return mine

    def _settle(self) -> None:
        """Let temperatures and fans arrive, then put all meters to zero."""
        for _ in range(30):
            self.physics.step(20.0)
            self.plant.step(20.0)
        self.physics.restart_meters(self.start)
        self.plant.settle()


def key_of(job: Job) -> str:
    """What a run is called among the accounts: the job's id, which run of it this is if not the first, and its server."""
    run = f"{job.id}:{job.restarts}" if job.restarts else job.id
    return f"{run}@{job.node}" if job.node else run
