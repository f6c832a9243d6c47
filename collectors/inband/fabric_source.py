"""Ports and cables of a fabric without a manager, asked for in band from this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from collectors.frame.errors import BadPayload, CollectError, Unreachable
from collectors.frame.program import printed
from collectors.frame.source import Fetched, Source, Tier
from collectors.inband.fabric import FabricPort, ports, rows
from collectors.ufm.samples import Fabric, add_row
from collectors.ufm.telemetry import Row
from wattstat.catalogue import network
from wattstat.catalogue.metric import Samples

DISCOVER, COUNTERS = "ibnetdiscover", "perfquery"
TARGET = "fabric"
PORTS_SECONDS = 60.0
_MOST_BYTES = 64 * 1024**2
# Management packets are answered by the switches' processors: a few questions at a time.
_AT_A_TIME = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a tier brought."""

    ports: tuple[FabricPort, ...] = ()
    rows: tuple[Row, ...] = ()


@dataclass(kw_only=True)
class FabricSource(Source[Reading]):
    """The fabric that this machine is on. Cables are found first; counters are asked for of the switches that were found."""

    collector: ClassVar[str] = "inband"

    tiers: tuple[Tier, ...]
    fabric: Fabric
    timeout_seconds: float
    target: str = TARGET
    host: str = "in-band"
    discover: str = DISCOVER
    counters: str = COUNTERS
    _found: dict[str, list[str]] = field(default_factory=dict)

    def renew(self, successor: Source[Any]) -> None:
        """Take over what the new inventory calls switches and servers; ports keep their names until they are found anew."""
        if isinstance(successor, FabricSource):
            self.fabric = successor.fabric.taught(self.fabric)

    async def fetch(self, tier: str) -> Fetched:
        """What the programs print. Everything that they started ends with them."""
        if tier == "ports":
            if not self._found:
                raise Unreachable(f"{self.counters}: no switch is known yet; see why {self.discover} finds none")
            return await self._count()
        text = await self._printed(self.discover, "-p")
        found = ports(text)
        if not found:
            raise BadPayload(f"{self.discover} -p: printed no port of a switch; is this machine's adapter on the fabric?")
        self._found = {}
        for port in found:
            if port.up:
                self._found.setdefault(port.node_guid, []).append(port.number)
        return Fetched(documents={DISCOVER: text})

    def parse(self, tier: str, documents: Mapping[str, Any]) -> Reading:
        """Typed readings."""
        if tier == "topology":
            return Reading(ports=ports(documents.get(DISCOVER, "")))
        return Reading(rows=tuple(row for number, text in documents.items() for row in rows(number, text)))

    def samples(self, reading: Reading) -> Samples:
        """Series of ports and cables."""
        out = Samples()
        if reading.ports:
            self.fabric.ports.clear()
        for port in reading.ports:
            labels = self._labels(port.node_guid, port.switch, port.number)
            out.add(network.SWITCH_PORT_UP, port.up, *labels)
            out.add(network.SWITCH_PORT_SPEED_BITS_PER_SECOND, port.bits_per_second, *labels)
        cables = [port.cable for port in reading.ports if port.cable is not None]
        for each in self.fabric.cables(cables, DISCOVER) if reading.ports else ():
            out.add(network.FABRIC_LINK_INFO, 1, *each)
        for row in reading.rows:
            add_row(out, row, self.fabric.ports.get((row.node_guid, row.number)))
        return Samples({(sample.metric, sample.labels): sample for sample in out}.values())

    def _labels(self, node_guid: str, switch: str, number: str) -> tuple[str, str]:
        """The port's labels, noted for its counters, which know it by GUID and number alone."""
        labels = (self.fabric.switches.label(node_guid, switch), number)
        self.fabric.ports[node_guid, number] = labels
        self.fabric.systems[node_guid] = labels[0]
        return labels

    async def _count(self) -> Fetched:
        turn = asyncio.Semaphore(_AT_A_TIME)
        documents: dict[str, Any] = {}
        errors: dict[str, CollectError] = {}

        async def ask(node_guid: str, numbers: list[str]) -> None:
            async with turn:
                try:
                    documents[node_guid] = await self._printed(
                        self.counters, "-G", "-x", "-l", f"0x{node_guid}", ",".join(numbers)
                    )
                except CollectError as error:
                    errors[self.fabric.systems.get(node_guid, node_guid)] = error

        async with asyncio.TaskGroup() as asking:
            for node_guid, numbers in self._found.items():
                asking.create_task(ask(node_guid, numbers))
        if errors and not documents:
            raise next(iter(errors.values()))
        return Fetched(documents=documents, errors=errors)

    async def _printed(self, *command: str) -> str:
        text = await printed(command, timeout_seconds=self.timeout_seconds, most_bytes=_MOST_BYTES)
        return text.decode("utf-8", errors="replace")
