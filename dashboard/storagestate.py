"""Storage clusters as the page shows them, made from core's live answers. Pure; absent is None, never zero."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from dashboard.devices import Answering, Plant, Readings
from dashboard.problem import Level
from wattstat.catalogue import facility
from wattstat.catalogue import storage as metrics
from wattstat.inventory import Inventory
from wattstat.inventory.devices import Storage, StorageNode
from wattstat.inventory.patterns import expand

# Scale-out file systems slow down well before they are full, and cannot rebuild after a failure.
NEARLY_FULL, FULL = 0.85, 0.95
SATURATED, AT_ITS_END = 0.8, 0.95
_WELL = 1.0
POWER_WORDS = {
    "pdu": "PDU outlets", "sensor": "own sensor", "psu_input": "input of its supplies",
    "psu_unknown": "its supplies, input or output not told",
    "derived": "estimated from its supplies' output",
}  # fmt: skip
"""Where watts come from, the best first."""
_WILD = re.compile(r"[*?]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A node of a cluster."""

    name: str
    rack: str
    model: str
    is_up: bool | None
    health: float | None
    cpu_ratio: float | None
    receive: float | None
    transmit: float | None
    celsius: Mapping[str, float]
    rpm: Mapping[str, float]
    supplies: Mapping[str, bool]
    states: tuple[str, ...]
    """What somebody has made of it: readonly, smartfailed."""
    drives: Mapping[str, int]
    busy_ratio: float | None
    watts: float | None
    watts_source: str

    @property
    def level(self) -> Level:
        if self.is_up is False:
            return Level.CRITICAL
        of_parts = Level.OK if all(self.supplies.values()) and not self.bad_drives and not self.states else Level.WARNING
        return max(health_level(self.health), of_parts)

    @property
    def bad_drives(self) -> int:
        return sum(count for state, count in self.drives.items() if not is_good_drive(state))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A storage cluster with what is known of it. Rates are bytes and operations a second."""

    entry: Storage
    answer: Answering
    age_seconds: float | None
    health: float | None
    model: str
    version: str
    size: float | None
    used: float | None
    pools: Mapping[str, tuple[float, float]]
    """Used and size of each pool that tells both."""
    throughput: Mapping[str, float]
    design: Mapping[str, float]
    operations: Mapping[str, float]
    latency: Mapping[str, float]
    classes: Mapping[tuple[str, str], float]
    """Latency by protocol and what its operations do."""
    clients: Mapping[str, Mapping[str, float]]
    """By state, then by protocol."""
    events: Mapping[str, int]
    drives: Mapping[str, int]
    members: tuple[Member, ...]

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def fullness(self) -> float | None:
        return None if self.used is None or not self.size else self.used / self.size

    def saturation(self, direction: str) -> float | None:
        """What flows over what the cluster was bought for."""
        flow, design = self.throughput.get(direction), self.design.get(direction)
        return None if flow is None or not design else flow / design

    @property
    def level(self) -> Level:
        """The worst of what the cluster says and of what is seen of it."""
        of_members = max((member.level for member in self.members), default=Level.OK)
        found = [
            self.answer.level,
            fullness_level(self.fullness),
            health_level(self.health),
            *(saturation_level(self.saturation(direction)) for direction in ("read", "write")),
            min(of_members, Level.WARNING),  # it goes on without one of its nodes
        ]
        return max(found)


def fullness_level(ratio: float | None) -> Level:
    if ratio is None or ratio < NEARLY_FULL:
        return Level.OK
    return Level.CRITICAL if ratio >= FULL else Level.WARNING


def health_level(health: float | None) -> Level:
    """By the device's own word."""
    if health is None or health >= _WELL:
        return Level.OK
    return Level.CRITICAL if health == 0 else Level.WARNING


def saturation_level(ratio: float | None) -> Level:
    if ratio is None or ratio < SATURATED:
        return Level.OK
    return Level.CRITICAL if ratio >= AT_ITS_END else Level.WARNING


def is_good_drive(state: str) -> bool:
    """By the words of OneFS and of ECS."""
    return state.lower() in metrics.GOOD_DRIVES


def clusters(plant: Plant) -> list[Cluster]:
    """Every storage cluster of the inventory."""
    by_cluster, by_node, by_device = plant.by("storage"), plant.by("storage_node"), plant.by("device")
    return [_cluster(entry, plant.answer(entry.name), by_cluster, (by_node, by_device)) for entry in plant.inventory.storage]


def _cluster(entry: Storage, answer: Answering, found: Readings, of_nodes: tuple[Readings, Readings]) -> Cluster:
    name = entry.name
    design = {"read": entry.design_read_bytes_per_second, "write": entry.design_write_bytes_per_second}
    sizes = found.values(metrics.STORAGE_POOL_SIZE_BYTES, name, "pool")
    used = found.values(metrics.STORAGE_POOL_CAPACITY_BYTES, name, "pool", kind="used")
    clients: dict[str, dict[str, float]] = {}
    for sample in found.of(metrics.STORAGE_CLIENTS, name):
        clients.setdefault(sample.labels["state"], {})[sample.labels["protocol"]] = sample.value
    return Cluster(
        entry=entry,
        answer=answer,
        age_seconds=found.age(name),
        health=found.value(metrics.STORAGE_HEALTH, name),
        model=entry.model or found.told(metrics.STORAGE_INFO, name, "model"),
        version=found.told(metrics.STORAGE_INFO, name, "version"),
        size=found.value(metrics.STORAGE_SIZE_BYTES, name),
        used=found.value(metrics.STORAGE_CAPACITY_BYTES, name, kind="used"),
        pools={pool: (used[pool], size) for pool, size in sizes.items() if pool in used},
        throughput=found.values(metrics.STORAGE_THROUGHPUT_BYTES_PER_SECOND, name, "direction"),
        design={direction: value for direction, value in design.items() if value is not None},
        operations=found.values(metrics.STORAGE_OPERATIONS_PER_SECOND, name, "protocol"),
        latency=found.values(metrics.STORAGE_LATENCY_SECONDS, name, "protocol"),
        classes={
            (sample.labels["protocol"], sample.labels["class"]): sample.value
            for sample in found.of(metrics.STORAGE_CLASS_LATENCY_SECONDS, name)
        },
        clients=clients,
        events=_counts(found.values(metrics.STORAGE_EVENTS_OPEN, name, "severity")),
        drives=_counts(found.values(metrics.STORAGE_DRIVES, name, "state")),
        members=tuple(_member(node, *of_nodes) for node in _members(entry, found)),
    )


def _counts(values: Mapping[str, float]) -> dict[str, int]:
    return {name: round(value) for name, value in values.items() if value}


def _members(entry: Storage, found: Readings) -> list[StorageNode]:
    """The inventory's, and those that only the cluster names."""
    known = {node.name for node in entry.nodes}
    told = {
        sample.labels["storage_node"]: sample.labels
        for metric in (metrics.STORAGE_NODE_UP, metrics.STORAGE_NODE_INFO)
        for sample in found.of(metric, entry.name)
    }
    return [*entry.nodes, *(StorageNode(name=name) for name in sorted(told.keys() - known))]


def _member(node: StorageNode, found: Readings, devices: Readings) -> Member:
    name = node.name
    up = found.value(metrics.STORAGE_NODE_UP, name)
    flows = found.values(metrics.STORAGE_NODE_NETWORK_BYTES_PER_SECOND, name, "direction")
    watts, source = _watts(name, found, devices)
    return Member(
        name=name,
        rack=node.rack or found.told(metrics.STORAGE_NODE_INFO, name, "rack"),
        model=found.told(metrics.STORAGE_NODE_INFO, name, "model"),
        is_up=None if up is None else up > 0,
        health=found.value(metrics.STORAGE_NODE_HEALTH, name),
        cpu_ratio=found.value(metrics.STORAGE_NODE_CPU_RATIO, name),
        receive=flows.get("receive"),
        transmit=flows.get("transmit"),
        celsius=found.values(metrics.STORAGE_NODE_TEMPERATURE_CELSIUS, name, "sensor"),
        rpm=found.values(metrics.STORAGE_NODE_FAN_SPEED_RPM, name, "fan"),
        supplies={psu: ok > 0 for psu, ok in found.values(metrics.STORAGE_NODE_PSU_OK, name, "psu").items()},
        states=tuple(sorted(_counts(found.values(metrics.STORAGE_NODE_STATE, name, "state")))),
        drives=_counts(found.values(metrics.STORAGE_NODE_DRIVES, name, "state")),
        busy_ratio=found.value(metrics.STORAGE_NODE_DISK_BUSY_RATIO, name),
        watts=watts,
        watts_source=source,
    )


def _watts(name: str, found: Readings, devices: Readings) -> tuple[float | None, str]:
    """The best figure, which core chooses (outlets before a sensor), with its source; else the node's own sensor."""
    best = devices.values(facility.DEVICE_POWER_WATTS, name, "source")
    source = next((each for each in POWER_WORDS if each in best), next(iter(best), ""))
    if source:
        return best[source], POWER_WORDS.get(source, source)
    own = found.value(metrics.STORAGE_NODE_POWER_WATTS, name)
    return own, "" if own is None else POWER_WORDS["sensor"]


def readers(entry: Storage, inventory: Inventory) -> list[str]:
    """The servers that read from a cluster: those that the inventory names, else all that have GPUs."""
    with_gpus = [node.name for node in inventory.nodes if node.gpus]
    if not entry.readers:
        return with_gpus
    listed = {each.name for pattern in entry.readers if not _WILD.search(pattern) for each in expand(pattern)}
    wild = [pattern for pattern in entry.readers if _WILD.search(pattern)]
    return [name for name in with_gpus if name in listed or any(fnmatchcase(name, pattern) for pattern in wild)]
