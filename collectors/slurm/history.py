"""Runs out of the records of one asking after another.

A record speaks of a job, not of its runs: when a job is requeued its record is about the run to come, and says nothing of how
the last one ended. A record that has ended no longer says which GPUs it had, and after MinJobAge (five minutes) it is gone.
So what was seen before is kept beside what is seen now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from collectors.slurm import gres
from collectors.slurm.job import Allocation, Job, Phase
from wattstat.jobs import ALIVE, Placement, Run, RunKey, State

KEPT_SECONDS = 3600.0
"""How long an ended run is told on, so that whoever missed an asking learns of it."""
_MOST_RESTARTS = 50  # that are looked for between two askings


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What the records' names and numbers mean: settings, and what Slurm says of its nodes."""

    scheduler: str
    order: gres.Order
    names: Mapping[str, str]
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """GRES by Slurm's name of the node."""

    def key(self, job: Job, restarts: int | None = None) -> RunKey:
        return RunKey(self.scheduler, job.name_of_id, str(job.restarts if restarts is None else restarts))

    def node(self, name: str) -> str:
        """The inventory's name of a node."""
        return self.names.get(name, name)

    def placements(self, job: Job) -> tuple[Placement, ...]:
        held = job.allocations or tuple(Allocation(node=node) for node in job.nodes)
        return tuple(
            Placement(
                node=self.node(each.node),
                gpus=gres.holds(each.gres, self.counts.get(each.node, {}), self.order),
                cpus=each.cpus,
                memory_bytes=each.memory_bytes,
            )
            for each in held
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    run: Run
    at: float
    """When it was last seen to hold its nodes, or to have ended."""


@dataclass(kw_only=True)
class History:
    """What is known of runs. `merge` takes all records of an asking and gives the runs alive and those that ended lately."""

    _seen: dict[RunKey, _Seen] = field(default_factory=dict)
    vanished: tuple[Run, ...] = ()
    """Runs that were alive at the asking before and of which Slurm knows nothing any more."""

    def merge(self, jobs: Iterable[Job], cluster: Cluster, now: float) -> tuple[Run, ...]:
        records = {job.id: job for job in jobs}
        told: set[RunKey] = set()
        for job in records.values():
            run = self._run(job, cluster, now)
            if run is not None:
                self._seen[run.key] = _Seen(run=run, at=now)
                told.add(run.key)
            told |= self._end_earlier(job, cluster, now, told)
        self.vanished = tuple(seen.run for key, seen in self._seen.items() if seen.run.state in ALIVE and key not in told)
        self._seen = {key: seen for key, seen in self._seen.items() if self._is_kept(seen, told, now)}
        return tuple(seen.run for seen in self._seen.values())

    def remember(self, run: Run) -> None:
        """Know a run that somebody else knew: one that was alive before core's restart, or the end of one that vanished."""
        self._seen[run.key] = _Seen(run=run, at=run.ended or run.started)

    def _is_kept(self, seen: _Seen, told: set[RunKey], now: float) -> bool:
        if seen.run.state in ALIVE:
            return seen.run.key in told
        return seen.run.key in told or now - seen.at < KEPT_SECONDS

    def _run(self, job: Job, cluster: Cluster, now: float) -> Run | None:
        """The run that the record speaks of; None for one that waits, or whose start nobody knows."""
        phase = job.phase(now)
        if phase is Phase.COMPLETING_REQUEUED:
            return self._completing_before(job, cluster, now)
        before = self._seen.get(cluster.key(job))
        # A start to come is none; a minute for clocks that differ. What has neither nodes nor a past was cancelled waiting.
        has_begun = phase is not Phase.WAITING and job.started is not None and job.started <= now + 60
        if not has_begun or not (before or job.nodes or job.allocations):
            return None
        run = _described(job, cluster, before.run if before else None)
        if phase in {Phase.HOLDING, Phase.SUSPENDED}:
            return run
        if phase is Phase.COMPLETING and _holds_all(job, before, cluster):
            # It holds its GPUs until the last process is gone and the epilog has run; the recorded end is when that began.
            return replace(run, state=State.RUNNING, suspended_since=None)
        return _ended(run, job, before)

    def _completing_before(self, job: Job, cluster: Cluster, now: float) -> Run | None:
        """The run before the one that the record is about, while its nodes are cleaned."""
        before = self._seen.get(cluster.key(job, job.restarts - 1))
        if before is None:
            return None
        if before.run.state not in ALIVE or _holds_all(job, before, cluster):
            return before.run
        return replace(before.run, state=State.REQUEUED, ended=max(before.at, before.run.started), suspended_since=None)

    def _end_earlier(self, job: Job, cluster: Cluster, now: float, told: set[RunKey]) -> set[RunKey]:
        """End the runs before the record's own; Slurm's time of the requeue is the new time of submission."""
        ended: set[RunKey] = set()
        for restarts in range(max(0, job.restarts - _MOST_RESTARTS), job.restarts):
            key = cluster.key(job, restarts)
            before = self._seen.get(key)
            if before is None or before.run.state not in ALIVE or key in told:
                continue
            seen_at = max(before.at, before.run.started)  # slurmctld's clock may be ahead of ours
            at = min(max(job.submitted or seen_at, seen_at), max(now, seen_at))
            is_preempted = job.preempted is not None and job.preempted >= before.run.started
            state = State.PREEMPTED if is_preempted else State.REQUEUED
            suspended = _closed(before.run, at)
            run = replace(before.run, state=state, ended=at, suspended=suspended, suspended_since=None)
            self._seen[key] = _Seen(run=run, at=at)
            ended.add(key)
        return ended


def _described(job: Job, cluster: Cluster, before: Run | None) -> Run:
    """The run as the record tells it, alive; what the record has forgotten is taken from before."""
    placements = cluster.placements(job)
    if before is not None and not any(placement.gpus for placement in placements):
        placements = before.placements
    is_suspended = job.phase(float("inf")) is Phase.SUSPENDED
    return Run(
        key=cluster.key(job),
        name=job.name,
        user=job.user,
        account=job.account,
        partition=job.partition,
        qos=job.qos,
        state=State.SUSPENDED if is_suspended else State.RUNNING,
        submitted=job.submitted,
        started=job.started or 0.0,
        placements=placements,
        suspended=_suspensions(job, before),
        suspended_since=job.suspend_time if is_suspended else None,
        labels={"slurm_job_id": str(job.id)},
    )


def _holds_all(job: Job, before: _Seen | None, cluster: Cluster) -> bool:
    """Whether a completing job has all its nodes still.

    Slurm lists those only that are not yet free; the first that is free may serve another job already.
    """
    left = {cluster.node(name) for name in job.nodes}
    return bool(left) and (before is None or (before.run.state in ALIVE and set(before.run.nodes) <= left))


def _ended(run: Run, job: Job, before: _Seen | None) -> Run:
    """The run with its end. What ended earlier stays as it is."""
    state = job.end_state or State.GONE
    if before is not None and before.run.ended is not None:
        return replace(before.run, state=state, exit_code=job.exit_code)
    # A job that was cancelled while suspended has its suspension as its recorded end; one that was completing, the beginning
    # of that. What was seen to hold its GPUs later than its end ended when it was last seen so.
    ended = max(job.ended or 0.0, before.at if before is not None else 0.0, run.started)
    suspended = _closed(before.run, ended) if before is not None else run.suspended
    return replace(run, state=state, ended=ended, suspended=suspended, suspended_since=None, exit_code=job.exit_code)


def _closed(run: Run, at: float) -> tuple[tuple[float, float], ...]:
    """The suspensions of a run that ends at a moment."""
    if run.suspended_since is None or at <= run.suspended_since:
        return run.suspended
    return (*run.suspended, (run.suspended_since, at))


def _suspensions(job: Job, before: Run | None) -> tuple[tuple[float, float], ...]:
    """The closed suspensions: those that were seen, and what Slurm's sums say of the rest.

    `suspend_time` is the last suspending or resuming; by then the job had run `ran_before_suspend_seconds` since its start, so
    the difference is how long it stood still. One suspension is told exactly; the places of several unseen ones are unknown.
    """
    known = before.suspended if before is not None else ()
    if job.suspend_time is None or job.started is None or job.suspend_time < job.started:
        return known
    if "SUSPENDED" not in job.states and before is not None and before.suspended_since is not None:
        known = _closed(before, job.suspend_time)
    still = job.suspend_time - job.started - job.ran_before_suspend_seconds
    missing = still - sum(end - begin for begin, end in known)
    if missing < 1:  # whole seconds, rounded
        return known
    if "SUSPENDED" in job.states:
        begin = known[-1][1] if known else job.started
        return (*known, (begin, begin + missing))
    return (*known, (job.suspend_time - missing, job.suspend_time))
