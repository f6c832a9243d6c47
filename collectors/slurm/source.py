"""Slurm clusters as sources: asked, understood, told on to the ledger, and as samples to the hall."""

from __future__ import annotations

import asyncio
import functools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import structlog

from collectors.frame.errors import BadPayload, CollectError
from collectors.frame.source import Collected, Fetched, Source, Tier
from collectors.frame.tls import Contexts
from collectors.frame.unusable import made
from collectors.slurm import gres
from collectors.slurm.accounting import Accounting
from collectors.slurm.commands import Commands
from collectors.slurm.history import Cluster, History
from collectors.slurm.job import CONDITIONS, Phase
from collectors.slurm.reading import Reading, Way, jobs_of, nodes_of
from collectors.slurm.rest import Rest
from wattstat.catalogue import job as metrics
from wattstat.catalogue.metric import Samples
from wattstat.config import Config
from wattstat.config.schedulers import Slurm
from wattstat.inventory import Inventory, Tls
from wattstat.jobs import ALIVE, JobSink, Observed, Run, State

TIER = "jobs"
NODES_SECONDS = 60.0
"""How often Slurm's nodes are asked for: they change seldom."""

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class SlurmSource(Source[Reading]):
    """One Slurm cluster. Times are whole seconds of slurmctld's clock."""

    collector: ClassVar[str] = "slurm"

    target: str
    tiers: tuple[Tier, ...]
    way: Way
    sink: JobSink
    accounting: Accounting | None = None
    order: gres.Order = "minor"
    names: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    longest_backoff_seconds: float = 30.0  # slurmctld forgets an ended job after five minutes
    _history: History = field(default_factory=History)
    # Runs that were alive when core last ran; None while that is not known yet.
    known: Callable[[], Iterable[Run] | None] | None = None
    _told: str = ""
    _nodes: Any = None
    _nodes_at: float = float("-inf")

    async def open(self) -> None:
        await self.way.open()

    async def close(self) -> None:
        await self.way.close()

    async def fetch(self, tier: str) -> Fetched:
        """Jobs, and now and then nodes; the nodes known before while they cannot be read."""
        errors: dict[str, CollectError] = {}
        if self.monotonic() - self._nodes_at >= NODES_SECONDS:
            try:
                self._nodes = await self.way.nodes()
                self._nodes_at = self.monotonic()
            except CollectError as error:
                if self._nodes is None:
                    raise
                errors["nodes"] = error
        return Fetched(documents={"jobs": await self.way.jobs(), "nodes": self._nodes}, errors=errors)

    def parse(self, tier: str, documents: Mapping[str, Any]) -> Reading:
        """Records of jobs and nodes."""
        jobs, unknown_jobs = jobs_of(documents["jobs"])
        nodes, unknown_nodes = nodes_of(documents["nodes"])
        return Reading(jobs=jobs, nodes=nodes, unknown=unknown_jobs + unknown_nodes)

    def samples(self, reading: Reading) -> Samples:
        """Samples of one reading by itself."""
        now = self.clock()
        return _samples(self.target, History().merge(reading.jobs, self._cluster(reading), now), reading, now)

    async def collect(self, tier: str) -> Collected:
        """As every source, and the runs go to the sink. What fails raises, and no run ends by it."""
        asked_at = self.clock()  # Slurm's word is at least as new
        fetched = await self.fetch(tier)
        reading = await asyncio.to_thread(self.parse, tier, fetched.documents)
        errors = dict(fetched.errors)
        if reading.unknown:
            errors["records"] = BadPayload(f"{reading.unknown} records of jobs or nodes were not to be understood")
        self._tell()
        if self.known is not None and (known := self.known()) is not None:
            self.remember(known)
            self.known = None
        cluster = self._cluster(reading)
        runs = self._history.merge(reading.jobs, cluster, asked_at)
        try:
            runs += await self._ends_of_vanished()
        except CollectError as error:
            errors["accounting"] = error
        nodes = frozenset(cluster.node(node.name) for node in reading.nodes)
        self.sink(Observed(scheduler=self.target, taken_at=asked_at, runs=runs, nodes=nodes))
        return Collected(samples=_samples(self.target, runs, reading, asked_at), errors=errors)

    def remember(self, runs: Iterable[Run]) -> None:
        """Know runs of this cluster that were alive when core last ran; before the first asking."""
        for run in runs:
            if run.key.scheduler == self.target:
                self._history.remember(run)

    async def _ends_of_vanished(self) -> tuple[Run, ...]:
        """The ends of runs that Slurm forgot while nobody could ask, as its database has them."""
        vanished = self._history.vanished
        if not vanished or self.accounting is None:
            return ()
        ended = await self.accounting.ends(vanished)
        for run in ended:
            self._history.remember(run)
        return ended

    def _cluster(self, reading: Reading) -> Cluster:
        counts = {node.name: gres.counts(node.gres) for node in reading.nodes}
        return Cluster(scheduler=self.target, order=self.order, names=self.names, counts=counts)

    def _tell(self) -> None:
        """Say once how Slurm is asked."""
        if self.way.way != self._told:
            self._told = self.way.way
            log.info("asking Slurm", scheduler=self.target, by=self._told)


def sources(
    config: Config, _: Inventory, *, sink: JobSink, known: Callable[[], Iterable[Run] | None] | None = None
) -> list[Source[Any]]:
    """One source for every Slurm cluster of the settings. One that cannot be asked as set fails with the reason.

    `known` gives the runs that were alive when core last ran, once it is known.
    """
    entries = config.schedulers.slurm
    targets = [scheduler_name(entry) for entry in entries]
    return [
        made(
            functools.partial(_source, entry, config, sink, targets, known),
            collector=SlurmSource.collector,
            target=target if targets.count(target) == 1 else f"{target}#{number}",
            tier=_tier(entry),
        )
        for number, (entry, target) in enumerate(zip(entries, targets, strict=True), start=1)
    ]


def scheduler_name(entry: Slurm) -> str:
    """What its runs are told under."""
    return f"slurm:{entry.cluster}" if entry.cluster else "slurm"


def _tier(entry: Slurm) -> Tier:
    # Nodes, jobs, and at first one asking more for what Slurm speaks.
    return Tier(TIER, entry.every_seconds, 3 * entry.timeout_seconds)


def _source(
    entry: Slurm, config: Config, sink: JobSink, targets: Sequence[str], known: Callable[[], Iterable[Run] | None] | None
) -> SlurmSource:
    target = scheduler_name(entry)
    if targets.count(target) > 1:
        raise ValueError(f"several entries of schedulers.slurm are called {target!r}: give each its own `cluster`")
    way = way_of(entry, config)
    return SlurmSource(
        target=target,
        tiers=(_tier(entry),),
        way=way,
        sink=sink,
        accounting=Accounting(runner=way) if isinstance(way, Commands) else None,
        order=entry.gpu_order,
        names=entry.nodes,
        known=known,
    )


def way_of(entry: Slurm, config: Config) -> Rest | Commands:
    """How a cluster is asked. Raises `ValueError` for credentials that are not there and a certificate that is none."""
    if entry.url is None:
        return Commands(timeout_seconds=entry.timeout_seconds, folder=entry.commands, conf=entry.conf)
    tls = Contexts().of(Tls.model_validate(entry.tls.model_dump())) if entry.url.startswith("https:") else True
    headers = _headers(entry.credentials, config) if entry.credentials is not None else dict
    return Rest(url=entry.url, timeout_seconds=entry.timeout_seconds, headers=headers, tls=tls)


def _headers(name: str, config: Config) -> Callable[[], Mapping[str, str]]:
    """slurmrestd's user and token, read at every request: whoever renews the token replaces the file."""
    entry = config.credentials.get(name)
    if entry is None:
        raise ValueError(f"schedulers.slurm: no credentials named {name!r} in wattstat.yaml")

    def made_headers() -> dict[str, str]:
        token = {"X-SLURM-USER-TOKEN": entry.password().get_secret_value()}
        return ({"X-SLURM-USER-NAME": entry.username} if entry.username else {}) | token

    return made_headers


def _samples(scheduler: str, runs: Sequence[Run], reading: Reading, now: float) -> Samples:
    """How many jobs and nodes there are. What each job is and holds is told by the ledger, for all schedulers alike."""
    out = Samples()
    alive = [run for run in runs if run.state in ALIVE]
    counts = {state: sum(run.state is state for run in alive) for state in (State.RUNNING, State.SUSPENDED)}
    for state, count in counts.items():
        out.add(metrics.SCHEDULER_JOBS, count, scheduler, state.value)
    out.add(metrics.SCHEDULER_JOBS, sum(job.phase(now) is Phase.WAITING for job in reading.jobs), scheduler, "pending")
    conditions = Counter(node.condition for node in reading.nodes)
    if conditions.keys() - {None}:
        for condition in CONDITIONS:
            out.add(metrics.SCHEDULER_NODES, conditions[condition], scheduler, condition)
    return out
