"""The core process: collectors into the hall, the hall to `/metrics` and to the live calls."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import structlog
from aiohttp import web

import wattstat
from collectors import (
    agent,
    bcm,
    command_scheduler,
    ecs,
    inband,
    inference,
    journal,
    kubernetes,
    mlnxos,
    onefs,
    pdu,
    redfish,
    restconf,
    slurm,
    switches,
    ufm,
)
from collectors.frame.runner import Runner, reconcile
from collectors.frame.source import Source
from collectors.frame.tls import spare_buffers
from energy.service import LedgerService
from wattstat import dcgm, gpulink
from wattstat.catalogue import own
from wattstat.catalogue.metric import Samples
from wattstat.config import Config
from wattstat.exposition import Exposition
from wattstat.hall import Block, BlockKey, Hall
from wattstat.inventory import Inventory, Node, Pdu, Storage, Switch
from wattstat.jobs import JobSink, Observed
from wattstat.serve import premises
from wattstat.serve.comments import Comments
from wattstat.serve.ledger import ledger_service, prices_of, slurm_comments
from wattstat.serve.power import Power, power_of
from wattstat.serve.process import collect_seldom, parse_listen

log = structlog.get_logger(__name__)

SELF = BlockKey("wattstat", "core", "self")
PREMISES = BlockKey("wattstat", "core", "premises")
GPU_LINKS = BlockKey("wattstat", "core", "gpus")
LINKED_SECONDS = 30.0


def all_sources(
    config: Config, inventory: Inventory, hall: Hall, ledger: LedgerService | None, comments: Comments | None = None
) -> list[Source[Any]]:
    """Every source that settings and inventory ask for. A further collector is one more line here."""
    found = [*redfish.sources(config, inventory), *agent.sources(config, inventory)]
    found += bcm.sources(config, inventory, hall=hall.snapshot)
    found += ecs.sources(config, inventory)
    found += inband.sources(config, inventory)
    found += mlnxos.sources(config, inventory)
    found += onefs.sources(config, inventory)
    found += pdu.sources(config, inventory)
    found += restconf.sources(config, inventory)
    found += switches.sources(config, inventory)
    found += ufm.sources(config, inventory)
    if ledger is not None:  # nobody else wants to know who ran where
        found += journal.sources(config, inventory, sink=ledger.journal)
        found += slurm.sources(config, inventory, sink=_both(ledger.observe, comments), known=lambda: ledger.open_runs)
        found += command_scheduler.sources(config, inventory, sink=ledger.observe)
        found += kubernetes.sources(config, inventory, sink=ledger.observe, hall=hall.snapshot)
        found += inference.sources(config, hall=hall.snapshot)
    return found


def _entries(inventory: Inventory) -> dict[str, list[object]]:
    """What the inventory says of everything that is a target, by name. Planned work on it is no reason to watch it anew."""
    found: dict[str, list[object]] = {}
    nodes = (node.model_copy(update={"maintenance": None}) for node in inventory.nodes)
    entries: Iterable[Node | Switch | Storage | Pdu] = chain(nodes, inventory.switches, inventory.storage, inventory.pdus)
    for entry in entries:
        found.setdefault(entry.name, []).append(entry)
    return found


def _both(ledger: JobSink, comments: Comments | None) -> JobSink:
    if comments is None:
        return ledger

    def sink(observed: Observed) -> None:
        ledger(observed)
        comments.observe(observed)

    return sink


@dataclass(kw_only=True)
class Core:
    """What the core process holds, and what its HTTP calls read."""

    config: Config
    hall: Hall
    runner: Runner
    ledger: LedgerService | None = None
    comments: Comments | None = None
    power: Power | None = None
    inventory: Inventory = field(default_factory=Inventory)
    clock: Callable[[], float] = time.time
    exposition: Exposition = field(default_factory=Exposition)
    _linked_at: float = field(default=float("-inf"), init=False)

    @classmethod
    def build(cls, config: Config) -> Core:
        hall = Hall(clock=time.time)
        bounds = config.collectors
        prices = prices_of(config)
        return cls(
            config=config,
            hall=hall,
            runner=Runner(hall, concurrency=bounds.concurrency, per_host=bounds.redfish.requests_per_bmc),
            ledger=ledger_service(config, hall, prices) if config.energy.enabled else None,
            comments=slurm_comments(config) if config.energy.enabled else None,
            power=power_of(config, hall, prices),
        )

    async def watch(self, inventory: Inventory) -> None:
        """Watch what the inventory lists; targets whose entries changed are watched anew."""
        before, now = _entries(self.inventory), _entries(inventory)
        changed_entries = {name for name, entries in now.items() if before.get(name) != entries}
        if self.ledger is not None:
            self.ledger.inventory(inventory)
        wanted = all_sources(self.config, inventory, self.hall, self.ledger, self.comments)
        changed = frozenset((each.collector, each.target) for each in wanted if each.target in changed_entries)
        self.inventory = inventory
        await reconcile(self.runner, wanted, changed=changed)
        if self.power is not None:
            await self.power.follow(inventory, self.runner.sources)
        log.info("watching", nodes=len(inventory.nodes), targets=len(self.runner.targets))

    def metrics(self) -> bytes:
        """The exposition of this moment, Wattstat's own metrics included."""
        out = Samples()
        out.add(own.BUILD_INFO, 1, wattstat.__version__, platform.python_version(), "core")
        out.add(own.HALL_SERIES, len(self.hall.snapshot()))
        out.extend(self.runner.own_samples())
        self.hall.post(Block(key=SELF, samples=tuple(out), taken_at=self.clock(), interval_seconds=60))
        found = premises.samples(self.hall.snapshot(), self.inventory)
        self.hall.post(Block(key=PREMISES, samples=tuple(found), taken_at=self.clock(), interval_seconds=60))
        self._link_gpus()
        snapshot = self.hall.snapshot()
        text = self.exposition.render(snapshot)
        exporter = self.config.exporter
        return text + dcgm.render(snapshot, exporter.dcgm_hostname_label) if exporter.dcgm_names else text

    def _link_gpus(self) -> None:
        """Now and then: it takes a third of a second for 80,000 GPUs, and boards do not move."""
        now = self.clock()
        if now - self._linked_at >= LINKED_SECONDS:
            self._linked_at = now
            found = gpulink.samples(self.hall.snapshot())
            self.hall.post(Block(key=GPU_LINKS, samples=tuple(found), taken_at=now, interval_seconds=LINKED_SECONDS))


async def run(config: Config, inventories: AsyncIterator[Inventory], stop: asyncio.Event) -> None:
    """Watch each inventory as it comes, until `stop` is set; then give back every session."""
    from wattstat.serve.core_http import application  # noqa: PLC0415 - the HTTP side knows Core, so Core cannot import it above

    spare_buffers()
    core = Core.build(config)
    collect_seldom()
    server = web.AppRunner(application(core), access_log=None, shutdown_timeout=2)
    await server.setup()
    address = parse_listen(config.core.listen)
    await web.TCPSite(server, address.host, address.port).start()
    core.runner.start()
    works = [asyncio.ensure_future(_follow(core, inventories))]
    if core.ledger is not None:
        works.append(asyncio.ensure_future(core.ledger.run(stop)))
    if core.comments is not None:
        works.append(asyncio.ensure_future(core.comments.run(stop)))
    # Before BMCs lose their sessions: a write that is under way is finished.
    writes = [] if core.power is None else [asyncio.ensure_future(core.power.run(stop))]
    works += writes
    stopping = asyncio.ensure_future(stop.wait())
    try:
        # An error in one of them (a bug) must end the process for the supervisor to see, not freeze inventory or ledger unseen.
        waiting = {*works, stopping}
        while not stopping.done():
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for work in done - {stopping}:
                work.result()
    finally:
        stop.set()  # also where one of them failed: the others must end for that to be seen
        works[0].cancel()
        stopping.cancel()
        await asyncio.gather(*writes, return_exceptions=True)
        await core.runner.stop()
        await asyncio.gather(*works, return_exceptions=True)  # the ledger settles a last time
        await server.cleanup()
        log.info("core stopped")


async def _follow(core: Core, inventories: AsyncIterator[Inventory]) -> None:
    async for inventory in inventories:
        await core.watch(inventory)
