"""The room at work in the web process: evaluation, delivery, and what it says of itself. Opened by `wattstat.serve`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from alerts import telemetry
from alerts.alone import Alone
from alerts.delivery.delivery import Delivery
from alerts.delivery.message import Impact
from alerts.desk import Desk
from alerts.evaluation.engine import Engine, Record
from alerts.evaluation.loader import load_rules, rule_files, shipped_rules
from alerts.evaluation.rules import Group
from alerts.file import IN_MEMORY
from alerts.findings import finders
from alerts.health import samples as health_samples
from alerts.memory import Memory, MemoryFailed
from alerts.model import Clock, Written
from alerts.peer import Ask, Peer
from alerts.reach import Reach, reach_of
from alerts.running import Running, RunningJob
from alerts.shipped import LOCAL_URL
from alerts.subject import Subject
from wattstat.api.alerts import AlertsUnavailable, SilenceView
from wattstat.catalogue import Sample
from wattstat.config.alerts import Alerts
from wattstat.config.settings import Credentials
from wattstat.inventory import Inventory
from wattstat.promql.raw import STALE
from wattstat.store.protocol import QueryError, Store, StoreError

log = structlog.get_logger(__name__)

FILE = "alerts.sqlite"
AGAIN_SECONDS = 30.0
INVENTORY_SECONDS = 30.0
FIRST_INVENTORY_SECONDS = 2.0

Labels = Mapping[str, str]
Hall = Callable[[], Awaitable[Inventory]]


class Unavailable(Exception):
    """The inventory cannot be read now."""


def rules_of(settings: Alerts, base: Path = Path()) -> tuple[Group, ...]:
    """The rule groups that the settings name. Raises `InvalidDocument` with everything that is wrong with them."""
    files = [*(shipped_rules() if settings.shipped_rules else ()), *rule_files(map(str, settings.rules), base)]
    return load_rules(files, settings.public_url or LOCAL_URL)


def opened(path: Path) -> tuple[Memory, str]:
    """What alerts remember, and why that is in memory alone: without a disk people are told all the same."""
    try:
        return Memory(path), ""
    except MemoryFailed as err:
        log.error("alerts are remembered until this process ends, and no longer", reason=str(err))  # noqa: TRY400 - no trace
        return Memory(IN_MEMORY), str(err)


class Room:
    """Everything together. `desk` answers; `run` works until it is told to stop."""

    def __init__(
        self,
        settings: Alerts,
        *,
        store: Store,
        record: Record | None,
        peer: Ask | None,
        hall: Hall,
        credentials: Mapping[str, Credentials],
        data_dir: Path,
        zone: ZoneInfo,
        every_seconds: float = 10.0,
        clock: Clock = time.time,
        scraped_as: Labels | None = None,
    ) -> None:
        """`scraped_as`: the labels that a Prometheus would add to what it scrapes here: job and instance.

        `hall` raises `Unavailable`. `peer` gives the rule groups of the Prometheus that evaluates them instead of us.

        Raises `InvalidDocument` for rules that cannot be evaluated, `ValueError` for settings.
        """
        self._store = store
        self._record = record
        self._hall = hall
        self._clock = clock
        self._alone = Alone(clock=clock)
        self._every = every_seconds
        self._scraped_as = dict(scraped_as or {})
        self._inventory = Inventory()
        self._racks: Mapping[tuple[str, str], str] = {}
        self._reach = Reach()
        self._memory, no_disk = opened(data_dir / FILE)
        self._running = Running(store, clock)
        self._delivery = Delivery(
            settings, credentials=credentials, path=data_dir / FILE, clock=clock, zone=zone, rack_of=self._rack_of,
            impacts=self._impacts, alone=self._alone, no_disk=no_disk,
        )  # fmt: skip
        groups = rules_of(settings) if peer is None else ()
        self._peer = None if peer is None else Peer(peer, clock)
        self._engine = Engine(
            store=store,
            memory=self._memory,
            groups=groups,
            finders=finders(store, lambda: self._inventory, clock) if settings.findings else (),
            tell=self._delivery,
            record=record,
            clock=clock,
            external_labels=settings.labels,
            public_url=settings.public_url or LOCAL_URL,
            history_days=settings.history_days,
            alone=self._alone,
        )
        self.desk = Desk(
            engine=self._engine,
            memory=self._memory,
            delivery=self._delivery,
            store=store,
            running=self._running,
            inventory=self._known_inventory,
            reach=lambda: self._reach,
            peer=self._peer,
            clock=clock,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set. What fails is told and begun again: page and API must not go with it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._kept("delivery", lambda: self._delivery.run(stop), stop))
            tasks.create_task(self._kept("evaluation", lambda: self._evaluate(stop), stop))
            tasks.create_task(self._kept("the inventory", lambda: _until(stop, self._follow_inventory()), stop))
            if (peer := self._peer) is not None and not self._engine.groups:
                tasks.create_task(self._kept("what Prometheus evaluates", lambda: _until(stop, self._listen_to(peer)), stop))
            if (record := self._record) is not None:
                tasks.create_task(self._kept("own metrics", lambda: _until(stop, self._keep_recording(record)), stop))

    async def _kept(self, part: str, work: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
        while not stop.is_set():
            with self._alone.trying("room", part):
                await work()
            pause = self._alone.next_at("room", part) - self._clock()
            if pause > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause)

    async def _evaluate(self, stop: asyncio.Event) -> None:
        """Evaluate; where the past cannot be read, say so and try again: the pages must not go with it."""
        while not stop.is_set():
            try:
                await self._engine.run(stop)
            except MemoryFailed as err:
                log.error("alerts_not_evaluated", reason=str(err))  # noqa: TRY400 - the message says it all
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), AGAIN_SECONDS)

    async def close(self) -> None:
        """Close the file."""
        await self._delivery.close()
        await asyncio.to_thread(self._memory.close)

    async def exposition(self) -> str:
        """`/metrics/web`."""
        return telemetry.exposition(await self._samples())

    async def _samples(self) -> Sequence[Sample]:
        silences: Sequence[SilenceView] | None
        try:
            silences = await self.desk.silences()
            if self._delivery.status().silences_problem:
                silences = None  # as they were is not as they are
        except AlertsUnavailable:
            silences = None  # an Alertmanager keeps them and does not answer: the rest is known all the same
        own = telemetry.samples(
            alerts=await self.desk.alerts(), engine=self._engine, delivery=self._delivery.status(), silences=silences,
            now=self._clock(),
        )  # fmt: skip
        return [*own, *health_samples(await self.desk.health())]

    async def _impacts(self, labels: Sequence[Mapping[str, str]]) -> Sequence[Impact]:
        """Whose jobs each hits, for messages."""
        jobs = await self._running.by_node()
        return [_impact(self._reach.nodes(each), jobs) for each in labels]

    def _rack_of(self, device: Subject) -> str:
        return self._racks.get((device.kind, device.name), "")

    async def _known_inventory(self) -> Inventory:
        return self._inventory

    async def _follow_inventory(self) -> None:
        is_known = False
        while True:
            try:
                self._inventory, is_known = await self._hall(), True
                self._racks = _racks(self._inventory)
                self._reach = reach_of(self._inventory)
            except Unavailable as err:
                log.info("inventory_not_read", reason=str(err))
            await asyncio.sleep(INVENTORY_SECONDS if is_known else FIRST_INVENTORY_SECONDS)

    async def _listen_to(self, peer: Peer) -> None:
        """Where nothing is evaluated here, the heart beats for as long as the Prometheus evaluates that does it instead."""
        while True:
            if (evaluated := await peer.evaluated()) is not None:
                self._delivery.heard(evaluated[0], watchdog=evaluated[1])
            await asyncio.sleep(AGAIN_SECONDS)

    async def _keep_recording(self, record: Record) -> None:
        """Leave what we say of ourselves in the history, as a Prometheus that scrapes `/metrics/web` would."""
        left: Sequence[Labels] = await self._left_series()
        while True:
            due = (self._clock() // self._every + 1) * self._every
            await asyncio.sleep(due - self._clock())
            found = await self._samples()
            labelled: list[tuple[Labels, float]] = [
                (
                    {
                        "__name__": each.metric.name,
                        **self._scraped_as,
                        **dict(zip(each.metric.labels, each.labels, strict=True)),
                    },
                    each.value,
                )
                for each in found
            ]
            there = [labels for labels, _ in labelled] if left else []
            ended = [(labels, STALE) for labels in left if labels not in there]
            try:
                await record([Written(source="web", samples=[*labelled, *ended])], round(due * 1000))
            except StoreError as err:
                log.warning("own_metrics_not_written", reason=str(err))
            else:
                left = ()

    async def _left_series(self) -> list[Labels]:
        """What the process before this one said of groups and receivers: one that is gone must not look late or stuck."""
        try:
            answers = [await self._store.query(metric.name) for metric in telemetry.OF_WHAT_MAY_GO]
        except QueryError as err:
            log.warning("own_metrics_not_read", reason=str(err))
            return []
        return [dict(series.labels) for answer in answers for series in answer.series]


def _racks(hall: Inventory) -> dict[tuple[str, str], str]:
    racks = {("node", node.name): node.rack for node in hall.nodes}
    racks |= {("switch", switch.name): switch.rack for switch in hall.switches}
    return racks | {("pdu", pdu.name): pdu.rack for pdu in hall.pdus}


def _impact(nodes: Sequence[str], jobs: Mapping[str, Sequence[RunningJob]]) -> Impact:
    hit = list(dict.fromkeys(job for node in nodes for job in jobs.get(node, ())))
    return Impact(
        jobs=tuple(dict.fromkeys(job.job_id for job in hit)),
        users=tuple(dict.fromkeys(job.user for job in hit if job.user)),
    )


async def _until(stop: asyncio.Event, work: Awaitable[None]) -> None:
    """Work until `stop`."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        working.cancel()
        stopping.cancel()
        results = await asyncio.gather(working, stopping, return_exceptions=True)
    if isinstance(results[0], Exception):
        raise results[0]
