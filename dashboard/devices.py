"""Storage clusters and switches as core sees them now: what the pages of both read their states from. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from dashboard.problem import Level
from dashboard.state import is_failing
from wattstat.api.live import CollectorState, LiveSample, LiveSnapshot
from wattstat.catalogue import Metric, facility, network, storage
from wattstat.inventory import Inventory

STORAGE: tuple[Metric, ...] = (
    storage.STORAGE_UP, storage.STORAGE_INFO, storage.STORAGE_HEALTH, storage.STORAGE_CAPACITY_BYTES,
    storage.STORAGE_SIZE_BYTES, storage.STORAGE_POOL_CAPACITY_BYTES, storage.STORAGE_POOL_SIZE_BYTES,
    storage.STORAGE_THROUGHPUT_BYTES_PER_SECOND, storage.STORAGE_OPERATIONS_PER_SECOND,
    storage.STORAGE_LATENCY_SECONDS, storage.STORAGE_CLASS_LATENCY_SECONDS,
    storage.STORAGE_CLIENTS, storage.STORAGE_EVENTS_OPEN, storage.STORAGE_DRIVES,
    storage.STORAGE_NODE_INFO, storage.STORAGE_NODE_UP, storage.STORAGE_NODE_HEALTH, storage.STORAGE_NODE_CPU_RATIO,
    storage.STORAGE_NODE_NETWORK_BYTES_PER_SECOND, storage.STORAGE_NODE_TEMPERATURE_CELSIUS,
    storage.STORAGE_NODE_FAN_SPEED_RPM, storage.STORAGE_NODE_PSU_OK, storage.STORAGE_NODE_POWER_WATTS,
    storage.STORAGE_NODE_DRIVES, storage.STORAGE_NODE_STATE, storage.STORAGE_NODE_DISK_BUSY_RATIO, facility.DEVICE_POWER_WATTS,
)  # fmt: skip

SWITCHES: tuple[Metric, ...] = (
    network.SWITCH_UP, network.SWITCH_INFO, network.SWITCH_UPTIME_SECONDS, network.SWITCH_TEMPERATURE_CELSIUS,
    network.SWITCH_FAN_OK, network.SWITCH_FAN_SPEED_RPM, network.SWITCH_PSU_ON, network.SWITCH_PSU_OK,
    network.SWITCH_POWER_WATTS, network.SWITCH_CPU_RATIO, facility.DEVICE_POWER_WATTS,
)  # fmt: skip

Samples = list[LiveSample]


@dataclass(frozen=True, kw_only=True)
class Plant:
    """Readings of some devices, who reads them, and what the inventory says of them."""

    snapshot: LiveSnapshot
    collectors: tuple[CollectorState, ...]
    inventory: Inventory

    def by(self, label: str) -> Readings:
        """The readings by the device that a label names."""
        return Readings(self.snapshot, label)

    @cached_property
    def _readers(self) -> Mapping[str, tuple[CollectorState, ...]]:
        found: dict[str, list[CollectorState]] = defaultdict(list)
        for each in self.collectors:
            found[each.target].append(each)
        return {target: tuple(listed) for target, listed in found.items()}

    def answer(self, target: str) -> Answering:
        """Whether a device answers those who read it."""
        return answering(self._readers.get(target, ()))


class Readings:
    """A snapshot's samples by metric and device, so that a page of a thousand switches stays linear in their number."""

    def __init__(self, snapshot: LiveSnapshot, label: str) -> None:
        self._found: dict[str, dict[str, Samples]] = {}
        for name, samples in snapshot.metrics.items():
            by_device = self._found[name] = defaultdict(list)
            for sample in samples:
                by_device[sample.labels.get(label, "")].append(sample)

    def of(self, metric: Metric, device: str, **labels: str) -> Samples:
        found = self._found.get(metric.name, {}).get(device, [])
        wanted = labels.items()
        return [sample for sample in found if wanted <= sample.labels.items()] if wanted else found

    def value(self, metric: Metric, device: str, **labels: str) -> float | None:
        """The first that fits; None where nobody reads it."""
        return next((sample.value for sample in self.of(metric, device, **labels)), None)

    def told(self, metric: Metric, device: str, label: str) -> str:
        """What an info says in one of its labels, empty where it is silent."""
        return next((sample.labels[label] for sample in self.of(metric, device)), "")

    def values(self, metric: Metric, device: str, label: str, **labels: str) -> dict[str, float]:
        """Values by another label."""
        return {sample.labels[label]: sample.value for sample in self.of(metric, device, **labels)}

    def age(self, device: str) -> float | None:
        """Age of the youngest reading of a device."""
        ages = (sample.age_seconds for by_device in self._found.values() for sample in by_device.get(device, ()))
        return min(ages, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """Whether a device answers: `level` OK, WARNING where some of its parts fail, CRITICAL where all do."""

    level: Level
    since: float | None = None
    error: str = ""
    parts: tuple[str, ...] = ()
    is_read: bool = True


def answering(readers: Iterable[CollectorState]) -> Answering:
    """By what its collectors saw last. A tier that the device does not support fails nobody."""
    wanted = [each for each in readers if each.supported]
    if not wanted:
        return Answering(level=Level.OK, is_read=False)
    failing = [each for each in wanted if is_failing(each)]
    if not failing:
        return Answering(level=Level.OK)
    return Answering(
        level=Level.CRITICAL if len(failing) == len(wanted) else Level.WARNING,
        since=min((each.failing_since for each in failing if each.failing_since is not None), default=None),
        error="; ".join(dict.fromkeys(each.error for each in failing if each.error)),
        parts=tuple(dict.fromkeys(f"{each.collector} · {each.tier}" for each in failing)),
    )
