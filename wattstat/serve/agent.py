"""The agent's process on a GPU node: NVML and RAPL into a hall, the hall to `/metrics` and `/readings`.

It imports only what the base installation has. Every tier is collected on a beat of its own that does not drift; a beat that a
slow driver misses is left out, not made up for.
"""

from __future__ import annotations

import asyncio
import platform
import socket
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

import wattstat
from collectors import infiniband, nvml, rapl
from collectors.cgroups import Holders
from collectors.frame.errors import CollectError
from collectors.frame.runner import Runner
from collectors.frame.source import Source, Tier
from collectors.frame.status import TierStatus
from collectors.kubelet.source import sources as kubelet_sources
from wattstat import dcgm
from wattstat.catalogue import own
from wattstat.catalogue.metric import Sample, Samples
from wattstat.config import Config
from wattstat.exposition import Exposition
from wattstat.hall import Block, BlockKey, Hall, Snapshot
from wattstat.journal import Edge
from wattstat.serve.cap.boards import Boards
from wattstat.serve.cap.guard import Guard
from wattstat.serve.cap.memory import Memory
from wattstat.serve.cap.record import Store
from wattstat.serve.cap.record import folder_of as folder_of_caps
from wattstat.serve.journal.boundaries import Boundaries, Placed
from wattstat.serve.journal.boundary import Told, named_gpus
from wattstat.serve.journal.keeper import Journal
from wattstat.serve.journal.spool import Spool, folder_of
from wattstat.serve.process import Address, ListenError, parse_listen

# A tier that has never answered is tried again soon, however rarely it is read otherwise: the driver may just be loading.
RETRY_SECONDS = 5.0

# A prolog holds up its job: it is answered within 30 ms, whatever the driver does.
BOUNDARY_SECONDS = 0.02

log = structlog.get_logger(__name__)


def node_name(config: Config) -> str:
    """The node's name in all labels: as configured, else the host's name without its domain."""
    return config.agent.node or socket.gethostname().partition(".")[0]


def all_sources(config: Config, node: str) -> list[Source[Any]]:
    """What this node has. A binding that is missing or wrong is told and costs only the GPUs."""
    found: list[Source[Any]] = [*rapl.sources(config, node), *infiniband.sources(config, node), *kubelet_sources(config, node)]
    try:
        found += nvml.sources(config, node)
    except CollectError as error:
        log.error("no GPUs will be seen", why=str(error))  # noqa: TRY400 - the message says what to do; a trace adds nothing
    return found


def listen_address(config: Config) -> Address:
    """Where to listen. Raises `ListenError` when strangers could read, or the token cannot be."""
    address = parse_listen(config.agent.listen)
    if not address.is_loopback and config.agent.token_file is None and not config.agent.insecure:
        raise ListenError(
            f"agent.listen: {address.host}:{address.port} can be reached from other machines and no token is asked for; "
            "name a file with the token in agent.token_file, or say `insecure: true` if the network is trusted"
        )
    return address


def read_token(path: Path | None) -> str | None:
    """The bearer token that callers have to show. Raises `ListenError` when the file has none."""
    if path is None:
        return None
    try:
        token = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ListenError(f"agent.token_file: {path} cannot be read ({error.strerror})") from error
    if not token:
        raise ListenError(f"agent.token_file: {path} is empty; write one line with the token into it")
    return token


@dataclass(kw_only=True)
class Agent:
    """What the process holds, and what its HTTP calls read."""

    config: Config
    node: str
    hall: Hall
    runner: Runner
    journal: Journal
    caps: Guard
    token: str | None = None
    gpus: nvml.NvmlSource | None = None
    boundary_seconds: float = BOUNDARY_SECONDS
    clock: Callable[[], float] = time.time
    exposition: Exposition = field(default_factory=Exposition)

    @classmethod
    def build(
        cls, config: Config, *, clock: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> Agent:
        hall = Hall(clock=clock)
        # The tiers of one target go side by side: a slow one must not hold up the fast one.
        runner = Runner(hall, concurrency=16, per_host=8)
        node = node_name(config)
        boundaries = Boundaries(spool=Spool(folder=folder_of(config)), clock=clock, monotonic=monotonic)
        journal = Journal(
            node=node, every_seconds=config.agent.every_seconds, boundaries=boundaries, clock=clock, monotonic=monotonic
        )
        token = read_token(config.agent.token_file)
        caps = Guard(
            node=node,
            boot=journal.boot,
            memory=Memory(store=Store(folder=folder_of_caps(config))),
            boards=Boards(monotonic=monotonic),
            enabled=config.agent.caps,
            clock=clock,
            monotonic=monotonic,
        )
        return cls(config=config, node=node, hall=hall, runner=runner, journal=journal, caps=caps, token=token, clock=clock)

    def metrics(self) -> bytes:
        """The exposition of this moment, from what was collected last."""
        out = self.own_samples()
        out.add(own.BUILD_INFO, 1, wattstat.__version__, platform.python_version(), "agent")
        out.add(own.HALL_SERIES, len(self.hall.snapshot()))
        block = Block(key=BlockKey("wattstat", "agent", "self"), samples=tuple(out), taken_at=self.clock(), interval_seconds=60)
        snapshot = self.hall.snapshot()
        text = self.exposition.render(Snapshot(taken_at=snapshot.taken_at, blocks=(*snapshot.blocks, block)))
        exporter = self.config.exporter
        return text + dcgm.render(snapshot, exporter.dcgm_hostname_label) if exporter.dcgm_names else text

    def readings(self) -> dict[str, Any]:
        """What core reads: everything collected, each part with its age, and how the collecting itself went."""
        snapshot = self.hall.snapshot()
        parts = [
            {
                "part": f"{block.key.collector}.{block.key.part}",
                "age_seconds": round(max(snapshot.taken_at - block.taken_at, 0), 3),
                "interval_seconds": block.interval_seconds,
                "metrics": _families(block.samples),
            }
            for block in snapshot.blocks
        ]
        every = self.config.agent.every_seconds
        own = {"part": "frame", "age_seconds": 0, "interval_seconds": every, "metrics": _families(self.own_samples())}
        return {"taken_at": snapshot.taken_at, "node": self.node, "parts": [*parts, own]}

    def feed_journal(self, source: Source[Any]) -> None:
        """Let a source write into the journal, if it is one that does."""
        if isinstance(source, nvml.NvmlSource):
            holders = Holders(proc=self.config.agent.proc, job_of=self.journal.boundaries.job_of)
            self.gpus = self.caps.boards.source = source
            source.journal = nvml.NodeMeter(
                every_seconds=self.config.agent.every_seconds, write=self.journal.write_gpus, holders=holders
            )

        elif isinstance(source, rapl.RaplSource):
            self.journal.cpus = source.joules_now
            source.on_read = self.journal.write_cpus

    async def note(self, told: Told) -> Placed:
        """Note a run's start or end, with its GPUs' counters of this moment; without, where the driver does not answer soon."""
        uuids = frozenset(named_gpus(told, self.journal.gpus).values())
        counted = await self._count(told, uuids) if told.at is None else {}
        placed = self.journal.boundaries.add(told, counted)
        if self.gpus is not None and self.gpus.journal is not None:
            for uuid in uuids:
                self.gpus.journal.hold(uuid, f"job:{told.job_id}", is_start=told.edge is Edge.START)
        return placed

    async def _count(self, told: Told, uuids: Collection[str]) -> dict[str, nvml.Counted]:
        if not uuids or self.gpus is None:
            return {}
        try:
            async with asyncio.timeout(self.boundary_seconds):
                return await self.gpus.counters(uuids)
        except (TimeoutError, CollectError) as error:
            log.warning("a boundary is noted without counters", job=told.job_id, why=str(error) or "no answer in time")
            return {}

    def own_samples(self) -> Samples:
        """What the frame says about collecting here."""
        return self.runner.own_samples()


async def run(config: Config, stop: asyncio.Event, *, sources: Sequence[Source[Any]] | None = None) -> None:
    """Collect and answer until `stop` is set; then give the driver back."""
    from wattstat.serve.agent_http import application  # noqa: PLC0415 - the HTTP side knows Agent, so it cannot stand above

    address = listen_address(config)
    agent = Agent.build(config)
    server = web.AppRunner(application(agent), access_log=None, shutdown_timeout=2)
    await server.setup()
    found = all_sources(config, agent.node) if sources is None else sources
    beats: list[asyncio.Task[None]] = []
    try:
        await _listen(server, address)
        for source in found:
            agent.feed_journal(source)
            await agent.runner.add(source)
            beats.append(asyncio.create_task(watch(agent.runner, source)))
        if config.agent.caps:
            beats.append(asyncio.create_task(agent.caps.watch()))
        log.info("agent runs", node=agent.node, listen=config.agent.listen, sources=[source.collector for source in found])
        await _until(stop, beats)
    finally:
        for task in beats:
            task.cancel()
        await asyncio.gather(*beats, return_exceptions=True)
        agent.caps.stop()
        await agent.runner.stop()
        await server.cleanup()
        log.info("agent stopped")


async def watch(runner: Runner, source: Source[Any]) -> None:
    """Collect all tiers of a source. The first tier goes first: it opens what the others need."""
    first = source.tiers[0]
    await runner.collect_now(source.collector, source.target, first.name)
    if not _status(runner, source, first).supported:
        return
    async with asyncio.TaskGroup() as beats:
        for tier in source.tiers:
            beats.create_task(beat(runner, source, tier))


async def beat(runner: Runner, source: Source[Any], tier: Tier, *, monotonic: Callable[[], float] = time.monotonic) -> None:
    """Collect a tier at `every_seconds`, on time: beats are counted from the first one."""
    due = monotonic()
    while True:
        await runner.collect_now(source.collector, source.target, tier.name)
        status = _status(runner, source, tier)
        if not status.supported:
            return
        every = tier.every_seconds if status.last_success is not None else min(tier.every_seconds, RETRY_SECONDS)
        late = monotonic() - due
        due += every * max(1, -(-late // every))
        await asyncio.sleep(max(0.0, due - monotonic()))


def _status(runner: Runner, source: Source[Any], tier: Tier) -> TierStatus:
    wanted = (source.collector, source.target, tier.name)
    return next(each for each, _ in runner.statuses() if (each.collector, each.target, each.tier) == wanted)


async def _listen(server: web.AppRunner, address: Address) -> None:
    try:
        await web.TCPSite(server, address.host, address.port).start()
    except OSError as error:
        raise ListenError(
            f"agent.listen: cannot listen on {address.host}:{address.port} ({error.strerror}); "
            "is an agent running already? Choose another port, or stop what uses it"
        ) from error


async def _until(stop: asyncio.Event, beats: Sequence[asyncio.Task[None]]) -> None:
    """Wait for `stop`. A beat that breaks is a bug, and ends the process for its supervisor to see."""
    stopping = asyncio.ensure_future(stop.wait())
    waiting = set(beats)
    try:
        while not stopping.done():
            done, _ = await asyncio.wait({stopping, *waiting}, return_when=asyncio.FIRST_COMPLETED)
            for task in done & waiting:
                waiting.discard(task)
                task.result()
    finally:
        stopping.cancel()


def _families(samples: Iterable[Sample]) -> dict[str, dict[str, Any]]:
    families: dict[str, dict[str, Any]] = {}
    for sample in samples:
        family = families.setdefault(sample.metric.name, {"labels": sample.metric.labels, "samples": []})
        family["samples"].append((sample.labels, sample.value))
    return families
