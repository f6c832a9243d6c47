"""One server behind its BMC: discovers, reads the topics of a tier, integrates power where the BMC counts no energy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from collectors.frame import AuthFailed, BadPayload, CollectError, Fetched, Source, Tier
from collectors.redfish import limits, power, security
from collectors.redfish.gpu import GPU
from collectors.redfish.gpu_inventory import GPU_INVENTORY
from collectors.redfish.health import HEALTH
from collectors.redfish.inventory import INVENTORY
from collectors.redfish.limits import LIMITS
from collectors.redfish.logs import LOGS
from collectors.redfish.meter import Meter
from collectors.redfish.reader import Bmc, Reader
from collectors.redfish.security import SECURITY
from collectors.redfish.session import Session
from collectors.redfish.supplies import SUPPLIES
from collectors.redfish.thermal import THERMAL
from collectors.redfish.topic import Topic
from collectors.redfish.tree import Chassis, Manager, System, Tree, discover
from wattstat.catalogue import node as catalogue
from wattstat.catalogue.metric import Samples

TOPICS: tuple[Topic[Any], ...] = (power.POWER, HEALTH, LIMITS, THERMAL, SUPPLIES, GPU, SECURITY, GPU_INVENTORY, INVENTORY, LOGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What each topic read; in the medium tier who the server is; the energy that we integrated where the BMC counts none."""

    topics: tuple[tuple[Topic[Any], Any], ...]
    tree: Tree | None = None
    joules: float | None = None


class RedfishSource(Source[Readings]):
    """A node read through its BMC. `target` is the node's name in the inventory."""

    collector = "redfish"

    def __init__(
        self, *, node: str, rack: str, bmc: Bmc, tiers: tuple[Tier, ...], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.target = node
        self._rack = rack
        self.tiers = tiers
        self._bmc = bmc
        self._monotonic = monotonic
        self._tree: Tree | None = None
        self._discovery = asyncio.Lock()
        self._discovered_at = 0.0
        self._had_power = False
        self._counts_energy: bool | None = None  # not known before the first medium tier
        self._rediscover_seconds = max((tier.every_seconds for tier in tiers), default=900.0) / 2
        fastest = min((tier.every_seconds for tier in tiers), default=10.0)
        self._meter = Meter(longest_gap_seconds=3 * fastest)

    @property
    def session(self) -> Session:
        """The BMC's session."""
        return self._bmc.session

    async def close(self) -> None:
        if self._bmc.stream is not None:
            await self._bmc.stream.close()
        await self._bmc.session.close()

    async def fetch(self, tier: str) -> Fetched:
        reader = Reader(bmc=self._bmc)
        try:
            tree = await self._discovered(reader, anew=tier == self.tiers[-1].name)
        except AuthFailed as err:
            return await self._from_outside(tier, err)
        documents: dict[str, Any] = {}
        before = reader.answers
        try:
            for topic in TOPICS:
                if topic.tier == tier:
                    documents[topic.name] = await topic.fetch(reader, tree)
        except CollectError as err:
            if reader.answers == before:
                raise
            reader.errors[f"{tier} tier"] = err
        if reader.errors and reader.answers == before:
            raise next(iter(reader.errors.values()))
        if "power" in documents:
            watts = power.parse(tree, documents["power"]).system_watts
            joules = self._meter.read(watts, self._monotonic())
            if watts is None and self._had_power:
                reader.errors["power"] = BadPayload("the BMC answers and states no input power any more")
            self._had_power = self._had_power or watts is not None
            documents["joules"] = joules if self._counts_energy is False else None
        if "limits" in documents:
            self._counts_energy = limits.energy_joules(documents["limits"]) is not None or self._counts_energy is True
        return Fetched(documents=documents, errors=reader.errors)

    async def _from_outside(self, tier: str, refusal: AuthFailed) -> Fetched:
        """What a BMC shows that does not let us in, or that we do not trust: its certificate, which is often the reason."""
        if tier != SECURITY.tier:
            raise refusal
        reader = Reader(bmc=self._bmc)
        documents = await security.from_outside(reader)
        if documents["handshake"] is None:
            raise refusal
        return Fetched(documents={SECURITY.name: documents}, errors={"login": refusal})

    def parse(self, tier: str, documents: Mapping[str, Any]) -> Readings:
        tree = self._tree or Tree()
        return Readings(
            topics=tuple(
                (topic, topic.parse(tree, documents[topic.name]))
                for topic in TOPICS
                if topic.tier == tier and topic.name in documents
            ),
            tree=tree if "health" in documents else None,
            joules=documents.get("joules"),
        )

    def samples(self, reading: Readings) -> Samples:
        out = Samples()
        for topic, read in reading.topics:
            out.extend(topic.samples(self.target, read))
        if reading.tree is not None:
            out.add(catalogue.NODE_INFO, 1, self.target, self._rack, *_identity(reading.tree))
        out.add(catalogue.NODE_ENERGY_JOULES_TOTAL, reading.joules, self.target, "integrated")
        return out

    async def _discovered(self, reader: Reader, *, anew: bool) -> Tree:
        async with self._discovery:
            old = self._monotonic() - self._discovered_at > self._rediscover_seconds
            if self._tree is None or not self._tree.complete or (anew and old):
                tree = await discover(reader)
                if not (tree.systems or tree.chassis or tree.managers):
                    why = "; ".join(map(str, reader.errors.values())) or "it lists no system, chassis or manager"
                    raise BadPayload(f"nothing to read at {self._bmc.session.access.url}: {why}")
                if tree.kind != self._bmc.kind:
                    self._bmc.missing.clear()
                self._bmc.kind = tree.kind
                self._bmc.found.clear()
                self._tree, self._discovered_at = tree, self._monotonic()
                if self._bmc.stream is not None and tree.events is not None:
                    self._bmc.stream.start(tree.events)
            return self._tree


def _identity(tree: Tree) -> tuple[str, str, str, str, str, str]:
    """model, serial, service_tag, bmc_model, bmc_firmware, bios_version."""
    chassis = next(iter(tree.hosts), Chassis(uri="", id=""))
    host = tree.host or System(uri="", id="", model=chassis.model, serial=chassis.serial)
    bmc = tree.bmc or Manager(uri="", id="")
    return host.model, host.serial, host.service_tag, bmc.model, bmc.firmware, host.bios
