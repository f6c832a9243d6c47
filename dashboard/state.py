"""The hall as the pages show it: servers and their GPUs, made from core's live answers. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dashboard.rackpower import RackPower, rack_powers
from wattstat.api.live import CollectorState, LiveSample, LiveSnapshot
from wattstat.catalogue import Metric, facility, gpu, job, node
from wattstat.inventory import Inventory, Node

# What Overview asks core for. The node page asks for everything of its node.
OVERVIEW: tuple[Metric, ...] = (
    gpu.GPU_POWER_WATTS, gpu.GPU_POWER_LIMIT_WATTS, gpu.GPU_UTILIZATION_RATIO, gpu.GPU_TEMPERATURE_CELSIUS,
    gpu.GPU_TEMPERATURE_MARGIN_CELSIUS, gpu.GPU_MEMORY_USED_BYTES, gpu.GPU_MEMORY_TOTAL_BYTES, gpu.GPU_THROTTLE_ACTIVE,
    gpu.GPU_LOST, gpu.GPU_RECOVERY_ACTION, gpu.GPU_ROW_REMAP_PENDING, gpu.GPU_ROW_REMAP_FAILED, gpu.GPU_XID_ERRORS_TOTAL,
    node.NODE_POWER_WATTS, node.NODE_POWER_ON, node.NODE_HEALTH, node.NODE_FAULT_INFO, node.PSU_REDUNDANCY_OK, node.PSU_HEALTH,
    node.NODE_TEMPERATURE_CELSIUS, node.NODE_TEMPERATURE_LIMIT_CELSIUS, node.NODE_USAGE_RATIO, node.NODE_GPU_POWER_WATTS,
    node.NODE_GPU_POWER_LIMIT_WATTS, node.NODE_GPU_TEMPERATURE_CELSIUS, node.NODE_GPU_HEALTH, job.SCHEDULER_JOBS,
    facility.RACK_POWER_WATTS, facility.RACK_POWER_COVERAGE_RATIO,
)  # fmt: skip

# Whole-server meters, best first; `hgx` measures only the GPU baseboard.
POWER_SOURCES = ("system", "psu_sum", "estimated")

_NO_THROTTLE_TROUBLE = frozenset({"idle", "application_clocks", "sync_boost", "display"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuState:
    """One GPU. Every value may be absent; `age_seconds` is that of its newest reading."""

    node: str
    index: str
    uuid: str = ""
    out_of_band: bool = False
    age_seconds: float | None = None
    power_watts: float | None = None
    limit_watts: float | None = None
    utilization_ratio: float | None = None
    temperature_celsius: float | None = None
    margin_celsius: float | None = None
    memory_used_bytes: float | None = None
    memory_total_bytes: float | None = None
    throttles: tuple[str, ...] = ()
    xids: tuple[str, ...] = ()
    health: float | None = None
    is_lost: bool = False
    recovery_action: float | None = None
    remap_pending: bool = False
    remap_failed: bool = False

    @property
    def memory_ratio(self) -> float | None:
        return ratio(self.memory_used_bytes, self.memory_total_bytes)

    @property
    def power_ratio(self) -> float | None:
        return ratio(self.power_watts, self.limit_watts)

    @property
    def is_usable(self) -> bool:
        """A job could run on it: it answers, and neither driver nor BMC asks for a reset or a replacement."""
        wants_repair = bool(self.recovery_action) or self.remap_failed or (self.health or 0) >= 2
        return self.age_seconds is not None and not self.is_lost and not wants_repair


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """One server of the inventory with what is known of it."""

    entry: Node
    gpus: tuple[GpuState, ...]
    age_seconds: float | None
    power_watts: float | None
    power_source: str
    is_on: bool | None
    health: float | None
    ill_components: tuple[str, ...]
    faults: tuple[tuple[str, str], ...]
    redundancy_lost: bool
    ill_psus: tuple[str, ...]
    hottest_sensor: Heat | None
    usage: Mapping[str, float]

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def installed_gpus(self) -> int:
        return max(self.entry.gpus, len(self.gpus))


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """A temperature and how far it is from the limit that the device itself names."""

    sensor: str
    celsius: float
    limit_celsius: float
    kind: str

    @property
    def margin_celsius(self) -> float:
        return self.limit_celsius - self.celsius


@dataclass(frozen=True, slots=True, kw_only=True)
class HallState:
    """Everything that Overview shows of the present."""

    taken_at: float
    inventory: Inventory
    nodes: tuple[NodeState, ...]
    collectors: tuple[CollectorState, ...]
    running_jobs: int | None = None
    power: Mapping[str, Any] | None = None
    """The answer of /api/power/status; None where nobody steers power, or core does not say."""
    racks: Mapping[str, RackPower] = field(default_factory=dict)
    """What each rack draws, metered and summed, as far as it is known."""
    plant: LiveSnapshot | None = None
    """What storage, switches and rails tell; None where nobody asked."""

    @property
    def gpus(self) -> tuple[GpuState, ...]:
        return tuple(entry for server in self.nodes for entry in server.gpus)

    @property
    def power_watts(self) -> float | None:
        """Sum over servers, switches and storage whose power is known; see `unmetered`."""
        known = [server.power_watts for server in self.nodes if server.power_watts is not None]
        if known and self.plant is not None:
            known += [sample.value for sample in self.plant.find(facility.DEVICE_POWER_WATTS)]
        return sum(known) if known else None

    @property
    def unmetered(self) -> tuple[str, ...]:
        """Servers without a power reading: with any of them the sum is a lower bound."""
        return tuple(server.name for server in self.nodes if server.power_watts is None and server.is_on is not False)


class Index:
    """A snapshot's samples by metric and server, so that building the state stays linear in the size of the hall."""

    def __init__(self, snapshot: LiveSnapshot) -> None:
        self.taken_at = snapshot.taken_at
        self._found: dict[str, dict[str, list[LiveSample]]] = {}
        for name, samples in snapshot.metrics.items():
            by_node = self._found[name] = defaultdict(list)
            for sample in samples:
                by_node[sample.labels.get("node", "")].append(sample)

    def of(self, metric: Metric, server: str, **labels: str) -> list[LiveSample]:
        found = self._found.get(metric.name, {}).get(server, [])
        wanted = labels.items()
        return [sample for sample in found if wanted <= sample.labels.items()] if wanted else found

    def first(self, metric: Metric, server: str, **labels: str) -> LiveSample | None:
        return next(iter(self.of(metric, server, **labels)), None)

    def value(self, metric: Metric, server: str, **labels: str) -> float | None:
        sample = self.first(metric, server, **labels)
        return None if sample is None else sample.value

    def of_gpu_power(self, server: str) -> list[LiveSample]:
        """One power reading a GPU: the average over a second where there is one, never a mixture."""
        averages = self.of(gpu.GPU_POWER_WATTS, server, window="1s", scope="gpu")
        return averages or self.of(gpu.GPU_POWER_WATTS, server, window="instant", scope="gpu")

    def age(self, metrics: Iterable[Metric], server: str) -> float | None:
        """Age of the newest reading among the metrics."""
        return min((sample.age_seconds for metric in metrics for sample in self.of(metric, server)[:1]), default=None)

    def age_of_power(self, server: str, source: str) -> float | None:
        """Age of one meter's reading of a server's power."""
        found = (each.age_seconds for each in self.of(node.NODE_POWER_WATTS, server) if each.labels["source"] == source)
        return next(found, None)

    def youngest(self, server: str) -> float | None:
        ages = [samples[0].age_seconds for by_node in self._found.values() if (samples := by_node.get(server))]
        return min(ages, default=None)


def hall_state(
    snapshot: LiveSnapshot,
    inventory: Inventory,
    collectors: Iterable[CollectorState],
    power: Mapping[str, Any] | None = None,
    plant: LiveSnapshot | None = None,
    *,
    racks_off: Mapping[str, float] | None = None,
) -> HallState:
    """The state of the whole hall: every server of the inventory, whether it answers or not."""
    index = Index(snapshot)
    servers = tuple(node_state(index, entry) for entry in inventory.nodes)
    running = snapshot.find(job.SCHEDULER_JOBS, state="running")
    return HallState(
        taken_at=snapshot.taken_at,
        inventory=inventory,
        nodes=servers,
        collectors=tuple(collectors),
        running_jobs=int(sum(sample.value for sample in running)) if running else None,
        power=power,
        plant=plant,
        racks=rack_powers(snapshot, racks_off or {}),
    )


def node_state(index: Index, entry: Node) -> NodeState:
    """The state of one server."""
    name = entry.name
    power_watts, power_source = _node_power(index, name)
    on = index.value(node.NODE_POWER_ON, name)
    redundancy = index.value(node.PSU_REDUNDANCY_OK, name)
    faults = (sample.labels for sample in index.of(node.NODE_FAULT_INFO, name))
    health = index.of(node.NODE_HEALTH, name)
    return NodeState(
        entry=entry,
        gpus=_gpus_in_band(index, name) or _gpus_out_of_band(index, name),
        age_seconds=index.youngest(name),
        power_watts=power_watts,
        power_source=power_source,
        is_on=None if on is None else on > 0,
        health=max((sample.value for sample in health), default=None),
        ill_components=tuple(s.labels["component"] for s in health if s.value > 0 and s.labels["component"] != "system"),
        faults=tuple((labels["severity"], labels["message"]) for labels in faults),
        redundancy_lost=redundancy == 0,
        ill_psus=tuple(sample.labels["psu"] for sample in index.of(node.PSU_HEALTH, name) if sample.value > 0),
        hottest_sensor=min(heats(index, name), key=lambda heat: heat.margin_celsius, default=None),
        usage={sample.labels["component"]: sample.value for sample in index.of(node.NODE_USAGE_RATIO, name)},
    )


def heats(index: Index, name: str) -> list[Heat]:
    """Each temperature that has a limit of its own; the caution limit where there is one, else the critical."""
    limits: dict[str, tuple[str, float]] = {}
    for sample in index.of(node.NODE_TEMPERATURE_LIMIT_CELSIUS, name):
        sensor, kind = sample.labels["sensor"], sample.labels["kind"]
        if kind == "caution" or sensor not in limits:
            limits[sensor] = (kind, sample.value)
    return [
        Heat(sensor=sensor, celsius=sample.value, limit_celsius=limits[sensor][1], kind=limits[sensor][0])
        for sample in index.of(node.NODE_TEMPERATURE_CELSIUS, name)
        if (sensor := sample.labels["sensor"]) in limits
    ]


def _node_power(index: Index, name: str) -> tuple[float | None, str]:
    for source in POWER_SOURCES:
        watts = index.value(node.NODE_POWER_WATTS, name, source=source)
        if watts is not None:
            return watts, source
    return None, ""


def _gpus_in_band(index: Index, name: str) -> tuple[GpuState, ...]:
    """GPUs that the agent sees, or has seen and lost."""
    seen: dict[str, dict[str, list[LiveSample]]] = defaultdict(lambda: defaultdict(list))
    for metric in OVERVIEW[:13]:
        for sample in index.of(metric, name):
            seen[sample.labels["gpu"]][metric.name].append(sample)
    return tuple(_gpu(name, number, seen[number]) for number in sorted(seen, key=natural))


def _gpu(name: str, number: str, samples: Mapping[str, list[LiveSample]]) -> GpuState:
    def value(metric: Metric, **labels: str) -> float | None:
        return next((s.value for s in samples.get(metric.name, ()) if labels.items() <= s.labels.items()), None)

    readings = [sample for family in samples.values() for sample in family]
    throttles = (s.labels["reason"] for s in samples.get(gpu.GPU_THROTTLE_ACTIVE.name, ()) if s.value > 0)
    average = value(gpu.GPU_POWER_WATTS, window="1s", scope="gpu")
    return GpuState(
        node=name,
        index=number,
        uuid=readings[0].labels["uuid"],
        age_seconds=min(sample.age_seconds for sample in readings),
        power_watts=value(gpu.GPU_POWER_WATTS, window="instant", scope="gpu") if average is None else average,
        limit_watts=value(gpu.GPU_POWER_LIMIT_WATTS, kind="enforced"),
        utilization_ratio=value(gpu.GPU_UTILIZATION_RATIO),
        temperature_celsius=value(gpu.GPU_TEMPERATURE_CELSIUS, sensor="gpu"),
        margin_celsius=value(gpu.GPU_TEMPERATURE_MARGIN_CELSIUS),
        memory_used_bytes=value(gpu.GPU_MEMORY_USED_BYTES),
        memory_total_bytes=value(gpu.GPU_MEMORY_TOTAL_BYTES),
        throttles=tuple(sorted(reason for reason in throttles if reason not in _NO_THROTTLE_TROUBLE)),
        xids=tuple(sorted(s.labels["xid"] for s in samples.get(gpu.GPU_XID_ERRORS_TOTAL.name, ()) if s.value > 0)),
        is_lost=value(gpu.GPU_LOST) == 1,
        recovery_action=value(gpu.GPU_RECOVERY_ACTION),
        remap_pending=value(gpu.GPU_ROW_REMAP_PENDING) == 1,
        remap_failed=value(gpu.GPU_ROW_REMAP_FAILED) == 1,
    )


def _gpus_out_of_band(index: Index, name: str) -> tuple[GpuState, ...]:
    """GPUs as the BMC sees them, for servers without an agent."""
    powers = {sample.labels["device"]: sample for sample in index.of(node.NODE_GPU_POWER_WATTS, name)}
    healths = {sample.labels["device"]: sample for sample in index.of(node.NODE_GPU_HEALTH, name)}
    return tuple(
        GpuState(
            node=name,
            index=device,
            out_of_band=True,
            age_seconds=(powers.get(device) or healths[device]).age_seconds,
            power_watts=powers[device].value if device in powers else None,
            limit_watts=index.value(node.NODE_GPU_POWER_LIMIT_WATTS, name, device=device, kind="setpoint"),
            temperature_celsius=index.value(node.NODE_GPU_TEMPERATURE_CELSIUS, name, device=device, sensor="gpu"),
            health=healths[device].value if device in healths else None,
        )
        for device in sorted(powers.keys() | healths.keys(), key=natural)
    )


def ratio(part: float | None, whole: float | None) -> float | None:
    """None where either is absent or the whole is zero."""
    return None if part is None or not whole else part / whole


def natural(text: str) -> tuple[tuple[int, int | str], ...]:
    """Sorts GPU.2 before GPU.10."""
    pieces: list[str] = []
    for character in text:
        if pieces and pieces[-1][-1].isdigit() == character.isdigit():
            pieces[-1] += character
        else:
            pieces.append(character)
    return tuple((0, int(piece)) if piece.isdecimal() else (1, piece) for piece in pieces)


def is_failing(collector: CollectorState) -> bool:
    """It ought to bring readings and does not. A tier that the device does not support fails nobody."""
    return collector.supported and (collector.success is False or collector.circuit_open_until is not None)


def is_late(collector: CollectorState, now: float) -> bool:
    """Its newest readings are older than three of its intervals: the hall has dropped them."""
    return (
        collector.supported
        and collector.last_success is not None
        and now - collector.last_success > 3 * collector.every_seconds
    )
