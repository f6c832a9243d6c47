"""What users submit: kinds and sizes by partition, arrays, heterogeneous jobs, and the ways in which runs go wrong."""

from __future__ import annotations

import itertools

import numpy as np

from simulator.workload import SHAPES, Habit, Job, Kind, Outcome

# Which kinds a partition's users submit and how many GPUs (or parts, or blocks of cores) they ask for: (kind, weight, sizes).
PARTITIONS: dict[str, tuple[tuple[Kind, float, tuple[int, ...]], ...]] = {
    "xe9680": (
        (Kind.TRAINING, 0.62, (8, 8, 16, 16, 32)),
        (Kind.FINETUNE, 0.23, (4, 8)),
        (Kind.INTERACTIVE, 0.15, (2, 4, 8)),
    ),
    "xe8640": ((Kind.FINETUNE, 0.7, (4, 4, 2)), (Kind.INFERENCE, 0.05, (2,)), (Kind.INTERACTIVE, 0.25, (1, 2))),
    "xe8640-mig": ((Kind.INFERENCE, 0.3, (1,)), (Kind.INTERACTIVE, 0.35, (1,)), (Kind.FINETUNE, 0.35, (1, 2))),
    "r760xa-l40": ((Kind.INFERENCE, 0.75, (2, 4, 1)), (Kind.INTERACTIVE, 0.25, (1,))),
    "r760xa-l40-shard": ((Kind.INFERENCE, 0.12, (1,)), (Kind.FINETUNE, 0.48, (1,)), (Kind.INTERACTIVE, 0.4, (1,))),
    "r760xa-l4": ((Kind.INFERENCE, 0.95, (1, 1, 2)), (Kind.INTERACTIVE, 0.05, (1,))),
    "r660": ((Kind.CPU, 1.0, (1, 1, 2, 4)),),
}
ACCOUNTS = ("climate", "genomics", "language", "materials", "robotics", "speech", "vision")
OUTCOMES = (
    (Outcome.COMPLETED, 0.77),
    (Outcome.FAILED, 0.06),
    (Outcome.CANCELLED, 0.05),
    (Outcome.TIMEOUT, 0.03),
    (Outcome.NODE_FAIL, 0.02),
    (Outcome.REQUEUED, 0.07),
)
ARRAY_SHARE, ARRAY_TASKS = 0.12, (3, 7)
HET_SHARE = 0.16
WASTEFUL_SHARE, STRAGGLER_SHARE = 0.22, 0.2


class Submitter:
    """Makes up jobs; the same seed makes up the same."""

    def __init__(self, seed: int, tempo: float = 1.0) -> None:
        """Job numbers begin where a cluster that is some years old stands. A `tempo` of 10 makes all ten times as short."""
        self._tempo = tempo
        self._rng = np.random.default_rng(seed)
        self._numbers = itertools.count(40_000 + seed % 1000)

    def submit(self, key: str, now: float, servers: int) -> list[Job]:
        """What is submitted to a partition of `servers` servers next: a job, or an array of them."""
        rng = self._rng
        choices = PARTITIONS[key]
        weights = np.array([weight for _, weight, _ in choices])
        kind, _, sizes = choices[int(rng.choice(len(choices), p=weights / weights.sum()))]
        gpus = int(rng.choice(sizes))
        first = self._job(key, kind, gpus, now + rng.exponential(SHAPES[kind].gap_seconds * 8 / max(1, servers)) / self._tempo)
        chance = rng.random()
        if kind in (Kind.FINETUNE, Kind.CPU) and chance < ARRAY_SHARE:
            return self._array(first)
        if kind is Kind.TRAINING and gpus == 8 and chance < HET_SHARE:
            return [self._heterogeneous(first)]
        return [first]

    def _job(self, key: str, kind: Kind, gpus: int, not_before: float) -> Job:
        rng = self._rng
        account = ACCOUNTS[int(rng.integers(len(ACCOUNTS)))]
        low, high = np.log(SHAPES[kind].hours)
        number = next(self._numbers)
        outcome = OUTCOMES[int(rng.choice(len(OUTCOMES), p=[share for _, share in OUTCOMES]))][0]
        # What goes wrong mostly goes wrong before the work is done.
        cut = rng.uniform(0.1, 0.7) if outcome not in (Outcome.COMPLETED, Outcome.TIMEOUT) else 1.0
        wasteful = kind in (Kind.TRAINING, Kind.FINETUNE) and gpus in (4, 8) and rng.random() < WASTEFUL_SHARE
        straggler = kind is Kind.TRAINING and gpus >= 8 and not wasteful and rng.random() < STRAGGLER_SHARE
        return Job(
            id=str(number),
            number=number,
            name=f"{account}-{kind}",
            user=f"{account[:4]}{int(rng.integers(1, 9)):02d}",
            account=account,
            partition=key,
            kind=kind,
            gpus=gpus,
            not_before=not_before,
            seconds=float(np.exp(rng.uniform(low, high)) * 3600 * cut) / self._tempo,
            seed=int(rng.integers(2**31)),
            outcome=outcome,
            used=gpus // 2 if wasteful else None,
            habit=Habit.WASTEFUL if wasteful else Habit.STRAGGLER if straggler else Habit.NONE,
        )

    def _array(self, first: Job) -> list[Job]:
        """Tasks of an array: the same program, each on its own."""
        further = range(int(self._rng.integers(*ARRAY_TASKS)))
        tasks = [first, *(self._job(first.partition, first.kind, first.gpus, first.not_before) for _ in further)]
        for task, job in enumerate(tasks):
            job.id, job.array = f"{first.number}_{task}", (first.number, task)
            job.name, job.user, job.account = first.name, first.user, first.account
        return tasks

    def _heterogeneous(self, leader: Job) -> Job:
        """A job of two components that start and end together: a trainer, and who makes its data."""
        mate = self._job(leader.partition, Kind.INFERENCE, 4, leader.not_before)
        for component, job in enumerate((leader, mate)):
            job.id, job.het = f"{leader.number}+{component}", (leader.number, component)
            job.name, job.user, job.account, job.seconds = leader.name, leader.user, leader.account, leader.seconds
            job.outcome = Outcome.COMPLETED
        leader.mate = mate
        return leader
