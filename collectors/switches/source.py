"""One switch by SNMP: recognized, its ports named, then asked tier by tier for cells whose places are known."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from collectors.frame.source import Fetched, Source, Tier
from collectors.frame.unusable import made
from collectors.snmp import Rows, Snmp, Value, text, whole
from collectors.switches import entities, identity, neighbours, os10, ports, processors
from collectors.switches.readings import Environment, Ports, Reading, Topology
from collectors.switches.samples import of_environment, of_ports, of_topology
from wattstat import inventory as stock
from wattstat.catalogue.metric import Samples
from wattstat.config import Config
from wattstat.config.devices import SwitchReader
from wattstat.inventory import Inventory, Link, Switch

_SAME_BOOT_SECONDS = 10  # clocks drift; what started within is the same start


@dataclass(kw_only=True)
class Known:
    """What was learnt of a switch, and holds until it starts anew or its ports are numbered anew."""

    signs: tuple[Value | None, ...] = ()
    uptime: int = 0
    booted_at: float | None = None
    names: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    named_by: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class SwitchSource(Source[Reading]):
    """A switch of any system. `managed`: a fabric manager tells of its ports, optics and supplies."""

    collector: ClassVar[str] = "switches"

    target: str
    switch: Switch
    tiers: tuple[Tier, ...]
    snmp: Snmp
    nodes: Mapping[str, str]
    links: Mapping[tuple[str, str], Link]
    managed: bool = False
    clock: Callable[[], float] = time.time
    _system: str = ""
    _known: Known | None = None
    _parts: dict[str, Rows] | None = None

    async def close(self) -> None:
        await self.snmp.close()

    def renew(self, successor: Source[Any]) -> None:
        if isinstance(successor, SwitchSource):
            self.nodes, self.links = successor.nodes, successor.links

    async def fetch(self, tier: str) -> Fetched:
        """The rows of a tier."""
        match tier:
            case "ports":
                return Fetched(documents=await self._ports())
            case "environment":
                return Fetched(documents=await self._environment())
            case _:
                return Fetched(documents=await self._topology())

    def parse(self, tier: str, documents: Mapping[str, Any]) -> Reading:
        """What they tell."""
        match tier:
            case "ports":
                return ports.parsed(documents["rows"], documents["names"], documents["uptime"], documents["booted_at"])
            case "environment":
                return self._parsed_environment(documents)
            case _:
                scalars, chassis = documents["scalars"], identity.chassis_of(documents["chassis"])
                tag = next((identity.written(row.get("tag")) for row in documents["tags"].values()), "")
                return Topology(
                    system=documents["system"],
                    model=self.switch.model or identity.model_of(scalars, chassis),
                    version=identity.version_of(scalars, chassis),
                    serial=tag or identity.written(chassis.get("serial")),
                    aliases=documents["aliases"],
                    neighbours=neighbours.parsed(documents["local"], documents["remote"], documents["names"]),
                )

    def samples(self, reading: Reading) -> Samples:
        """Samples by what was read."""
        if isinstance(reading, Ports):
            return of_ports(self.target, reading)
        if isinstance(reading, Environment):
            return of_environment(self.target, reading)
        return of_topology(self.target, self.switch.rack, reading, self.links, self.nodes)

    async def _ports(self) -> dict[str, Any]:
        """Counters of known ports, with their names: an index that means another port now is seen at once."""
        scalars = await self.snmp.get((ports.UPTIME, *ports.TABLE_CHANGED))
        known = await self._up_to_date(scalars)
        rows = await self.snmp.cells({**known.named_by, **known.columns}, known.names)
        names = {index: name for index, row in rows.items() if (name := text(row.get("name")))}
        if any(known.names[index] != name for index, name in names.items()):
            self._known = None
        return {
            "rows": rows,
            "names": names,
            "uptime": scalars.get(ports.UPTIME),
            "booted_at": None if self._system == "sonic" else known.booted_at,
        }

    async def _up_to_date(self, scalars: Mapping[str, Value]) -> Known:
        uptime = whole(scalars.get(ports.UPTIME))
        signs = tuple(scalars.get(at) for at in ports.TABLE_CHANGED)
        known = self._known
        if known is None or known.signs != signs or (uptime is not None and uptime < known.uptime):
            known = self._known = await self._learn(signs)
        if uptime is not None:
            known.uptime = uptime
            booted_at = self.clock() - uptime / 100
            if known.booted_at is None or abs(known.booted_at - booted_at) > _SAME_BOOT_SECONDS:
                known.booted_at = booted_at
        return known

    async def _learn(self, signs: tuple[Value | None, ...]) -> Known:
        """Names, and which columns there are, by all columns of two ports."""
        await self._recognized()
        named = await self.snmp.columns(ports.NAMES)
        described = {} if named else await self.snmp.columns(ports.DESCRIPTIONS)
        facts = await self.snmp.cells(ports.FACTS, named or described)
        names = ports.names_of(named, described, facts)
        every = {**ports.COLUMNS, **{f"small_{name}": column for name, column in ports.SMALL.items()}}
        indexes = list(names)
        sample = await self.snmp.cells(every, {*indexes[:1], *indexes[len(indexes) // 2 :][:1]})
        aliases = {name: text(facts.get(index, {}).get("alias")) for index, name in names.items()}
        return Known(
            signs=signs,
            names=names,
            aliases=aliases,
            columns=ports.chosen(sample),
            named_by=ports.NAMES if named else ports.DESCRIPTIONS,
        )

    async def _environment(self) -> dict[str, Any]:
        system = await self._recognized()
        documents: dict[str, Any] = {"system": system, "processors": await self.snmp.columns(processors.COLUMNS)}
        if system == "os10":
            return documents | {name: await self.snmp.columns(table) for name, table in os10.TABLES.items()}
        if self._parts is None:
            self._parts = await self._assembled()
        if self._known is None:
            scalars = await self.snmp.get(ports.TABLE_CHANGED)
            self._known = await self._learn(tuple(scalars.get(at) for at in ports.TABLE_CHANGED))
        names = self._known.names
        parts = self._parts
        values = await self.snmp.cells(entities.VALUES, parts["sensors"])
        return documents | parts | {"values": values, "names": names}

    def _parsed_environment(self, documents: Mapping[str, Any]) -> Environment:
        system = documents["system"]
        if system == "os10":
            found = os10.parsed(documents)
        else:
            # Agents of SONiC tell what the supplies' converters put out, and do not say so.
            side = "output" if system == "sonic" else "unknown"
            found = entities.parsed(documents, documents["names"], side=side)
            if system == "sonic" and self.switch.rest is not None:  # by which the same output is told
                found = entities.without_watts(found)
            # No series has two sources: the manager tells of supplies, and so does the API of MLNX-OS.
            if self.managed or (self.switch.fabric == "infiniband" and self.switch.rest is not None):
                found = replace(found, supplies=())
            if self.managed:
                found = replace(found, lights=(), modules={})
        return replace(found, cpu_ratio=processors.ratio(documents["processors"]))

    async def _assembled(self) -> dict[str, Rows]:
        """Parts and sensors, which change when somebody plugs something in."""
        types = await self.snmp.columns(entities.TYPES)
        sensors = {index: row for index, row in types.items() if whole(row.get("type")) in entities.READ}
        if not sensors:
            return {"parts": {}, "sensors": {}, "ports": {}}
        classes = await self.snmp.columns(entities.CLASSES)
        units = await self.snmp.cells(entities.UNITS, sensors)
        described = await self.snmp.cells(entities.PARTS, classes)
        supplies = [index for index, row in classes.items() if whole(row.get("class")) == entities.SUPPLY_CLASS]
        plates = await self.snmp.cells(entities.PLATES, supplies)
        return {
            "parts": {index: row | described.get(index, {}) | plates.get(index, {}) for index, row in classes.items()},
            "sensors": {index: row | units.get(index, {}) for index, row in sensors.items()},
            "ports": await self.snmp.columns(entities.PORTS),
        }

    async def _topology(self) -> dict[str, Any]:
        """Everything that seldom changes, read anew."""
        scalars = await self.snmp.get((*identity.SCALARS, *ports.TABLE_CHANGED))
        system = self._system = self.switch.system or identity.system_of(scalars)
        known = self._known = await self._learn(tuple(scalars.get(at) for at in ports.TABLE_CHANGED))
        classes = await self.snmp.columns({"class": identity.CHASSIS["class"]})
        of_class = [index for index, row in classes.items() if whole(row.get("class")) == identity.CHASSIS_CLASS]
        if system != "os10":
            self._parts = await self._assembled()
        return {
            "scalars": scalars,
            "system": system,
            "chassis": await self.snmp.cells(identity.CHASSIS, of_class),
            "tags": await self.snmp.columns(identity.SERVICE_TAG) if system == "os10" else {},
            "names": known.names,
            "aliases": known.aliases,
            "local": await self.snmp.columns(neighbours.LOCAL),
            "remote": await self.snmp.columns(neighbours.REMOTE),
        }

    async def _recognized(self) -> str:
        if not self._system:
            self._system = self.switch.system or identity.system_of(await self.snmp.get(identity.SCALARS))
        return self._system


def sources(config: Config, inventory: Inventory) -> list[Source[Any]]:
    """One source for each switch with an SNMP agent. One whose settings cannot be used says why."""
    nodes = {node.name.lower(): node.name for node in inventory.nodes}
    links = {(link.node, link.device): link for link in inventory.links}
    return [
        made(
            functools.partial(_source, config, switch, switch.snmp, nodes, links),
            collector=SwitchSource.collector,
            target=switch.name,
            tier=tiers(config.collectors.switches, managed=_is_managed(config, switch))[0],
        )
        for switch in inventory.switches
        if switch.snmp is not None
    ]


def tiers(settings: SwitchReader, *, managed: bool = False) -> tuple[Tier, ...]:
    """Ports, environment and topology; environment alone where a fabric manager tells of the others.

    Tiers of one switch wait for each other, one request at a time.
    """
    every = {"environment": settings.environment_seconds}
    if not managed:
        every = {"ports": settings.ports_seconds, **every, "topology": settings.topology_seconds}
    return tuple(Tier(name, seconds, max(seconds, 4 * settings.timeout_seconds)) for name, seconds in every.items())


def _is_managed(config: Config, switch: Switch) -> bool:
    return switch.fabric == "infiniband" and bool(config.collectors.ufm)


def _source(
    config: Config, switch: Switch, snmp: stock.Snmp, nodes: Mapping[str, str], links: Mapping[tuple[str, str], Link]
) -> SwitchSource:
    settings, managed = config.collectors.switches, _is_managed(config, switch)
    try:
        agent = Snmp.of(snmp, config, timeout_seconds=settings.timeout_seconds, repetitions=settings.repetitions)
    except ValueError as error:
        raise ValueError(f"switch {switch.name}: {error}") from error
    return SwitchSource(
        target=switch.name,
        switch=switch,
        tiers=tiers(settings, managed=managed),
        snmp=agent,
        nodes=nodes,
        links=links,
        managed=managed,
    )
