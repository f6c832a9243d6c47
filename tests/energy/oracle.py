"""The truth beside the ledger: a node whose power is piecewise constant, and what its meters, agent and scheduler would tell.

Nothing here knows how the ledger counts: energies are sums of watts times seconds.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

from tests.energy.hall import START
from wattstat.jobs import GpuHold, Placement, Run, RunKey, State
from wattstat.journal import Boundary, Edge, Entry, Gpu, GpuCounts, NodeJournal

MOST_WATTS = 700.0
RING_SECONDS = 7200


class Power:
    """Watts over time, piecewise constant, and their exact integral."""

    def __init__(self, pieces: list[tuple[float, float]]) -> None:
        self.times = [at for at, _ in pieces]
        self.watts = [watts for _, watts in pieces]
        self.sums = [0.0]
        for (start, watts), (end, _) in pairwise(pieces):
            self.sums.append(self.sums[-1] + watts * (end - start))

    def at(self, when: float) -> float:
        return self.watts[max(0, bisect_right(self.times, when) - 1)]

    def joules(self, until: float) -> float:
        place = max(0, bisect_right(self.times, until) - 1)
        return self.sums[place] + self.watts[place] * (until - self.times[place])

    def between(self, since: float, until: float) -> float:
        return self.joules(until) - self.joules(since) if until > since else 0.0


@dataclass(frozen=True)
class Job:
    key: RunKey
    gpus: tuple[int, ...]
    start: float
    end: float
    told: bool
    """Whether prolog and epilog told of it."""

    def run(self, now: float, clock: Callable[[float], float]) -> Run:
        """As Slurm would state it: whole seconds, cut off, by the clock as it was then."""
        over = self.end <= now
        return Run(
            key=self.key,
            user="ada",
            account="physics",
            started=float(int(clock(self.start))),
            ended=float(int(clock(self.end))) if over else None,
            state=State.COMPLETED if over else State.RUNNING,
            placements=(Placement(node="n1", gpus=tuple(GpuHold(minor=index) for index in self.gpus), cpus=4),),
        )


@dataclass
class Truth:
    """One node for `seconds`: its GPUs' power, their jobs, and what happens to its counters and its agent."""

    seed: int
    seconds: float = 600.0
    gpu_count: int = 2
    jobs: list[Job] = field(default_factory=list)
    resets: list[tuple[int, float]] = field(default_factory=list)
    boots: list[float] = field(default_factory=list)
    has_counter: bool = True
    told: float = 0.5
    shortest: float = 20.0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        if not self.jobs:
            self.jobs = [job for index in range(self.gpu_count) for job in self._jobs_of(index)]
        self.idle = [self.random.uniform(50, 90) for _ in range(self.gpu_count)]
        self.power = [Power(self._pieces(index)) for index in range(self.gpu_count)]
        self.cpu = Power(
            [(START, 120.0), *((START + at, self.random.uniform(80, 300)) for at in range(1, int(self.seconds), 37))]
        )
        self.rest = self.random.uniform(200, 900)
        self.gpus = tuple(Gpu(uuid=f"GPU-{index}", index=index, minor=index, model="H100") for index in range(self.gpu_count))
        self.offset = [self.random.uniform(0, 1e7) for _ in range(self.gpu_count)]

    def _jobs_of(self, index: int) -> list[Job]:
        jobs, at = [], START + self.random.uniform(0, 60)
        while True:
            end = at + self.random.uniform(self.shortest, 200)
            if end > START + self.seconds:
                return jobs
            key = RunKey("slurm", f"{index}{len(jobs):03}")
            jobs.append(Job(key, (index,), at, end, self.random.random() < self.told))
            at = end + self.random.choice([1.0, 2.5, 30.0, 70.0])

    def _pieces(self, index: int) -> list[tuple[float, float]]:
        pieces = [(START - 100, self.idle[index])]
        for job in sorted((job for job in self.jobs if index in job.gpus), key=lambda job: job.start):
            at = job.start
            while at < job.end:
                pieces.append((at, self.random.uniform(100, MOST_WATTS)))
                at += self.random.uniform(3, 40)
            pieces.append((job.end, self.idle[index]))
        return pieces

    def job_joules(self, job: Job, until: float) -> float:
        """What the job's GPUs drew while it held them."""
        return sum(self.power[index].between(job.start, min(job.end, until)) for index in job.gpus)

    def node_watts(self, at: float) -> float:
        return sum(power.at(at) for power in self.power) + self.cpu.at(at) + self.rest

    def boot(self, at: float) -> tuple[str, float]:
        """Which start of the agent this is, and when it was."""
        began = max((boot for boot in self.boots if boot <= at), default=START - 50)
        return f"boot-{began:.1f}", began

    def counter(self, index: int, at: float) -> float:
        """NVML's counter, which goes on every 100 ms."""
        at = int(at * 10) / 10
        reset = max((when for gpu, when in self.resets if gpu == index and when <= at), default=None)
        since = START - 100 if reset is None else reset
        return (self.offset[index] if reset is None else 0.0) + self.power[index].between(since, at)

    def counts(self, index: int, at: float) -> GpuCounts:
        _, began = self.boot(at)
        busy = sum(max(0.0, min(at, job.end) - max(began, job.start)) for job in self.jobs if index in job.gpus)
        return GpuCounts(
            joules=self.counter(index, at) if self.has_counter else None,
            resets=sum(began < when <= int(at * 10) / 10 for gpu, when in self.resets if gpu == index),
            power_joules=self.power[index].between(began, at),
            power_seconds=at - began,
            sm_active_seconds=0.6 * busy,
            memory_bytes=1e9,
        )

    def entry(self, at: float) -> Entry:
        _, began = self.boot(at)
        return Entry(
            at=at,
            gpus={gpu.uuid: self.counts(gpu.index, at) for gpu in self.gpus},
            cpus={"package-0": self.cpu.between(began, at), "core-0": 0.4 * self.cpu.between(began, at)},
        )

    def journal(self, since: float, now: float, step: float, *, wrong_by: float = 0.0) -> NodeJournal:
        """What a reader gets at `now` who has everything up to `since`: by its own wall clock, which may be wrong."""
        boot, began = self.boot(now)
        first = max(since, began, now - RING_SECONDS)
        near = [at for job in self.jobs if job.told for at in (job.start, job.end)]
        seconds = [began + number for number in range(int(first - began) + 1, int(now - began) + 1)]
        kept = [
            at
            for number, at in enumerate(reversed(seconds))
            if number % int(step) == 0 or any(abs(at - edge) <= 1.0 for edge in near)
        ]
        jitter = self.random.uniform(-0.005, 0.005)
        entries = tuple(_moved(self.entry(at), wrong_by + jitter) for at in reversed(kept))
        boundaries = tuple(
            self.boundary(job, edge, wrong_by=wrong_by)
            for job in self.jobs
            for edge, at in ((Edge.START, job.start), (Edge.END, job.end))
            if job.told and first - 60 < at <= now
        )
        return NodeJournal(node="n1", boot=boot, gpus=self.gpus, entries=entries, boundaries=boundaries)

    def boundary(self, job: Job, edge: Edge, *, wrong_by: float = 0.0) -> Boundary:
        at = job.start if edge is Edge.START else job.end
        return Boundary(
            id=f"{job.key.job_id}-{edge}",
            edge=edge,
            at=at + wrong_by,
            scheduler="slurm",
            job_id=job.key.job_id,
            instance="0",
            gpus=tuple(f"GPU-{index}" for index in job.gpus),
            joules={f"GPU-{index}": self.counter(index, at) for index in job.gpus} if self.has_counter else {},
            resets={f"GPU-{index}": self.counts(index, at).resets for index in job.gpus},
        )

    def runs(self, now: float, clock: Callable[[float], float]) -> tuple[Run, ...]:
        """What Slurm would list: who is alive, and who ended in the last five minutes."""
        return tuple(job.run(now, clock) for job in self.jobs if job.start <= now and job.end > now - 300)


def _moved(entry: Entry, by: float) -> Entry:
    return Entry(at=entry.at + by, gpus=entry.gpus, cpus=entry.cpus, shares=entry.shares)
