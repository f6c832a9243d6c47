"""From what a fabric manager said to samples."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from collectors.guids import End, Hosts
from collectors.ufm.names import Switches
from collectors.ufm.rest import Cable, CableEnd, Module, Port, System
from collectors.ufm.telemetry import Row
from wattstat.catalogue import network
from wattstat.catalogue.manager import FABRIC_MANAGER_ALARMS, FABRIC_MANAGER_UP
from wattstat.catalogue.metric import Metric, Samples
from wattstat.inventory import Inventory, Link
from wattstat.members import distinct

# Series of a port by the names of telemetry; the last labels of each.
_COUNTERS: Mapping[str, tuple[Metric, tuple[str, ...]]] = {
    "receive_bytes": (network.SWITCH_PORT_BYTES_TOTAL, ("receive",)),
    "transmit_bytes": (network.SWITCH_PORT_BYTES_TOTAL, ("transmit",)),
    "receive_packets": (network.SWITCH_PORT_PACKETS_TOTAL, ("receive",)),
    "transmit_packets": (network.SWITCH_PORT_PACKETS_TOTAL, ("transmit",)),
    "receive_errors": (network.SWITCH_PORT_ERRORS_TOTAL, ("receive",)),
    "transmit_errors": (network.SWITCH_PORT_ERRORS_TOTAL, ("transmit",)),
    "receive_discards": (network.SWITCH_PORT_DISCARDS_TOTAL, ("receive",)),
    "transmit_discards": (network.SWITCH_PORT_DISCARDS_TOTAL, ("transmit",)),
    "symbol_errors": (network.SWITCH_PORT_SYMBOL_ERRORS_TOTAL, ()),
    "link_downs": (network.SWITCH_PORT_LINK_FAULTS_TOTAL, ("down",)),
    "recoveries": (network.SWITCH_PORT_LINK_FAULTS_TOTAL, ("recovery",)),
    "wait_ticks": (network.SWITCH_PORT_WAIT_TICKS_TOTAL, ()),
    "raw_ratio": (network.SWITCH_PORT_BIT_ERROR_RATIO, ("raw",)),
    "effective_ratio": (network.SWITCH_PORT_BIT_ERROR_RATIO, ("effective",)),
    "symbol_ratio": (network.SWITCH_PORT_BIT_ERROR_RATIO, ("symbol",)),
    "module_celsius": (network.SWITCH_TRANSCEIVER_TEMPERATURE_CELSIUS, ()),
}
# A fabric forgets a cable with its link: it is told on for a day, or a rail would vanish from all pages by going down.
REMEMBERED_SECONDS = 86_400.0
# What UFM counts among a switch's modules as power supplies and fans.
_SUPPLIES, _FANS = frozenset({"PS", "PSU"}), frozenset({"FAN"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a tier brought; a part that was not read is empty. One tier answers for the manager as a whole."""

    is_ports: bool = False
    ports: tuple[Port, ...] = ()
    rows: tuple[Row, ...] = ()
    systems: tuple[System, ...] = ()
    cables: tuple[Cable, ...] = ()
    alarms: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Fabric:
    """What the inventory knows of the fabric, and what ports are called, which telemetry does not tell."""

    switches: Switches
    hosts: Hosts
    links: Mapping[tuple[str, str], Link]
    # By GUID and number in telemetry: the labels of the port's series.
    ports: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    systems: dict[str, str] = field(default_factory=dict)
    # Switches that another collector reads in band: their insides are its to tell.
    in_band: frozenset[str] = frozenset()
    # Cables by the server's end, as labels of their series, and when they were seen last.
    cabled: dict[End, tuple[tuple[str, ...], float]] = field(default_factory=dict)
    monotonic: Callable[[], float] = time.monotonic

    @classmethod
    def of(cls, inventory: Inventory, in_band: Iterable[str] = ()) -> Fabric:
        """That of an inventory."""
        return cls(
            switches=Switches.of(inventory),
            hosts=Hosts(node.name for node in inventory.nodes),
            links={(link.node, link.device): link for link in inventory.links},
            in_band=frozenset(in_band),
        )

    def taught(self, older: Fabric) -> Fabric:
        """With what an older one learnt of ports: telemetry would call them by number until they are read again."""
        self.ports, self.systems, self.monotonic = dict(older.ports), dict(older.systems), older.monotonic
        self.cabled = {end: each for end, each in older.cabled.items() if self.hosts.end(" ".join(end)) == end}
        return self

    def cables(self, found: Iterable[Cable], source: str) -> list[tuple[str, ...]]:
        """Labels of the cables to servers of the inventory: those found now, and those before them whose link went down."""
        now = self.monotonic()
        seen = {end: (labels, now) for cable in found for end, labels in _labels(self, cable, source)}
        holes = {labels[3:5] for labels, _ in seen.values()}  # switch and port: another cable hangs there now
        known = {
            end: (labels, at)
            for end, (labels, at) in self.cabled.items()
            if now - at < REMEMBERED_SECONDS and labels[3:5] not in holes
        }
        self.cabled = known | seen
        return [labels for labels, _ in self.cabled.values()]

    def learn(self, reading: Reading) -> None:
        """Note what switches and ports are called."""
        for system in reading.systems:
            self.systems[system.guid] = self.switches.label(system.guid, system.name)
        if reading.ports:
            self.ports = {(port.node_guid, port.number): (self._switch_of(port), port.name) for port in reading.ports}

    def labels(self, row: Row) -> tuple[str, str] | None:
        """Labels of a port in telemetry; None for hosts' ports."""
        known = self.ports.get((row.node_guid, row.number))
        if known is not None:
            return known
        entry = self.switches.by_guid.get(row.node_guid)
        name = self.systems.get(row.node_guid) or (entry.name if entry else "")
        return (name, row.number) if name else None

    def _switch_of(self, port: Port) -> str:
        if port.system_guid in self.switches.by_guid or not port.system_name:
            return self.switches.label(port.system_guid or port.node_guid, port.system_name)
        return self.switches.label(port.node_guid, port.system_name)


def samples(manager: str, fabric: Fabric, reading: Reading) -> Samples:
    """All series of what was read. A series that comes twice is kept once."""
    out = Samples()
    out.add(FABRIC_MANAGER_UP, 1 if reading.is_ports else None, manager)
    for port in reading.ports:
        labels = fabric.ports[port.node_guid, port.number]
        out.add(network.SWITCH_PORT_UP, port.up, *labels)
        out.add(network.SWITCH_PORT_ON, port.wanted, *labels)
        out.add(network.SWITCH_PORT_SPEED_BITS_PER_SECOND, port.bits_per_second, *labels)
    for row in reading.rows:
        add_row(out, row, fabric.labels(row))
    _chips(out, fabric, reading.rows)
    for system in reading.systems:
        _system(out, system, fabric)
    for each in () if reading.is_ports else fabric.cables(reading.cables, "ufm"):
        out.add(network.FABRIC_LINK_INFO, 1, *each)
    for severity, count in reading.alarms.items():
        out.add(FABRIC_MANAGER_ALARMS, count, manager, severity)
    return Samples({(sample.metric, sample.labels): sample for sample in out}.values())


def add_row(out: Samples, row: Row, labels: tuple[str, str] | None) -> None:
    """Counters of a port."""
    if labels is None:
        return
    for name, value in row.values.items():
        if (series := _COUNTERS.get(name)) is not None:
            metric, more = series
            out.add(metric, value, *labels, *more)
    for (direction, lane), dbm in row.dbm.items():
        out.add(network.SWITCH_TRANSCEIVER_POWER_DBM, dbm, *labels, lane, direction)


def _chips(out: Samples, fabric: Fabric, rows: Iterable[Row]) -> None:
    """Each port tells its chip's temperature; the hottest of a switch that nobody else reads is shown."""
    hottest: dict[str, float] = {}
    for row in rows:
        labels, celsius = fabric.labels(row), row.values.get("chip_celsius")
        if labels is not None and celsius is not None and not _read_elsewhere(fabric, labels[0]):
            hottest[labels[0]] = max(celsius, hottest.get(labels[0], celsius))
    for switch, celsius in hottest.items():
        out.add(network.SWITCH_TEMPERATURE_CELSIUS, celsius, switch, "ASIC")


def _read_elsewhere(fabric: Fabric, name: str) -> bool:
    """Whether the switch itself is read: its own interface tells more of its insides than the manager does."""
    entry = fabric.switches.by_name.get(name.lower())
    return name in fabric.in_band or (entry is not None and (entry.rest is not None or entry.snmp is not None))


def _system(out: Samples, system: System, fabric: Fabric) -> None:
    entry = fabric.switches.entry(system.guid, system.name)
    name = fabric.switches.label(system.guid, system.name)
    if name in fabric.in_band or (entry is not None and entry.rest is not None):
        return
    _supplies(out, name, system.modules)
    out.add(network.SWITCH_UP, system.up, name)
    rack = entry.rack if entry else ""
    out.add(network.SWITCH_INFO, 1, name, rack, system.model, _os(system), system.version, system.serial)
    if _read_elsewhere(fabric, name):
        return
    for module in system.modules:
        if module.kind in _FANS:
            out.add(network.SWITCH_FAN_OK, module.good, name, module.name)
    seen: set[str] = set()
    sensors = [module for module in system.modules if module.celsius is not None]
    for module in sensors:
        out.add(network.SWITCH_TEMPERATURE_CELSIUS, module.celsius, name, distinct(module.name, module.kind, seen) or "")
    if not sensors:
        out.add(network.SWITCH_TEMPERATURE_CELSIUS, system.celsius, name, "SYSTEM")


def _supplies(out: Samples, switch: str, modules: Iterable[Module]) -> None:
    for module in modules:
        if module.kind in _SUPPLIES:
            out.add(network.SWITCH_PSU_ON, module.present, switch, module.name)
            out.add(network.SWITCH_PSU_OK, module.good, switch, module.name)


def _os(system: System) -> str:
    """MLNX-OS counts 3.x, NVOS 25.x; a switch without an operating system tells its firmware."""
    major = system.version.partition(".")[0]
    return {"3": "mlnx-os", "25": "nvos"}.get(major, "")


def _labels(fabric: Fabric, cable: Cable, source: str) -> Iterator[tuple[End, tuple[str, ...]]]:
    """A cable by its server's end, if it leads from a server of the inventory to a switch."""
    for host, switch in (cable.ends, cable.ends[::-1]):
        end = fabric.hosts.end(host.description)
        if end is not None and fabric.hosts.end(switch.description) is None:
            yield end, (*end, _rail(fabric, end), _switch_at(fabric, switch), switch.port, source)


def _rail(fabric: Fabric, end: End) -> str:
    link = fabric.links.get(end)
    return str(link.rail) if link is not None and link.rail is not None else ""


def _switch_at(fabric: Fabric, end: CableEnd) -> str:
    return fabric.systems.get(end.guid) or fabric.switches.label(end.guid, end.description)
