"""What collectors, ledger and controller would have made of a hall, beyond the simulator's own history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.precision.recording import Family, Floats
from simulator.series import families
from simulator.site import BREAKER_WATTS, RACK_BUDGET_WATTS
from simulator.workload import Job
from simulator.world import World

Labels = dict[str, str]
CAP_WATTS = 600.0
XIDS = ("13", "31", "48", "62", "63", "64", "74", "79", "92", "94", "95", "119", "120")
REASONS = ("idle", "sw_power_cap", "hw_power_brake", "sw_thermal", "hw_slowdown")


@dataclass
class Beside:
    """What faults change that the physical model does not have: what is told about the hall, not the hall."""

    xids: NDArray[np.float64]
    refused: set[str] = field(default_factory=set)
    """Servers whose BMC does not answer."""
    leak: Floats = field(default_factory=lambda: np.zeros(0))
    """Share of each server's energy that the ledger loses."""
    lost_joules: Floats = field(default_factory=lambda: np.zeros(0))


def beside(world: World) -> Beside:
    """Nothing wrong."""
    gpus, nodes = world.hall.gpus, len(world.hall.servers)
    return Beside(xids=np.zeros((len(XIDS), gpus)), leak=np.zeros(nodes), lost_joules=np.zeros(nodes))


def all_families(world: World, told: Beside) -> Iterator[Family]:
    """Everything that is seen of a hall; jobs come and go, and are written behind."""
    left_out = {"wattstat_gpu_lost", "wattstat_gpu_throttle_active"}
    for each in families(world):
        if each.name not in left_out:
            yield Family(each.name, each.labels, _of(each.read, world, _gpu_rows(world, each.labels)))
    yield from _gpus(world, told)
    yield from _servers(world, told)
    yield from _fabric(world)
    yield from _budgets(world)
    yield from _collectors(world, told)


def _of(read: Callable[..., Floats], world: World, rows: NDArray[np.int64] | None) -> Callable[[], Floats]:
    """A GPU that has fallen off the bus says nothing."""
    if rows is None:
        return lambda: read(world.physics)
    return lambda: np.where(world.physics.present[rows], read(world.physics), np.nan)


def _gpu_rows(world: World, labels: tuple[Labels, ...]) -> NDArray[np.int64] | None:
    if not labels or "uuid" not in labels[0]:
        return None
    first = {server.name: server.first_gpu for server in world.hall.servers}
    return np.array([first[each["node"]] + int(each["gpu"]) for each in labels], np.int64)


def _gpus(world: World, told: Beside) -> Iterator[Family]:
    physics, hall = world.physics, world.hall
    rows = [(server, index) for server in hall.servers for index in range(server.model.gpus)]
    base = [{"node": server.name, "gpu": str(index), "uuid": server.gpu_uuid(index)} for server, index in rows]

    def family(name: str, read: Callable[[], Floats], **more: str) -> Family:
        return Family(f"wattstat_gpu_{name}", tuple({**each, **more} for each in base), read)

    models = tuple(
        {**each, "model": server.model.gpu.name} for each, (server, _) in zip(base, rows, strict=True) if server.model.gpu
    )
    yield Family("wattstat_gpu_info", models, lambda: np.ones(len(models)))
    yield family("lost", lambda: (~physics.present).astype(float))
    yield family("temperature_margin_celsius", lambda: np.round(physics.slowdown_celsius - physics.gpu_celsius))
    for number, reason in enumerate(REASONS):
        yield family("throttle_active", lambda number=number: physics.throttled[number].astype(float), reason=reason)
        yield family("throttle_seconds_total", lambda number=number: physics.throttle_seconds[number], reason=reason)
    for number, xid in enumerate(XIDS):
        yield family("xid_errors_total", lambda number=number: told.xids[number].copy(), xid=xid)
    capped = np.array([row for row, (server, _) in enumerate(rows) if server.model.hgx and server.model.gpus == 8], np.int64)
    pair = tuple({"node": base[row]["node"], "gpu": base[row]["gpu"]} for row in capped)
    physics.requested_watts[capped] = CAP_WATTS
    yield Family("wattstat_cap_target_watts", pair, lambda: np.full(len(pair), CAP_WATTS))
    yield Family("wattstat_cap_confirmed_watts", pair, lambda: np.round(physics.requested_watts[capped]))


def _servers(world: World, told: Beside) -> Iterator[Family]:
    physics, servers = world.physics, world.hall.servers
    names = tuple({"node": server.name} for server in servers)
    infos = tuple({"node": server.name, "rack": server.rack, "model": server.model.name} for server in servers)
    yield Family("wattstat_node_info", infos, lambda: np.ones(len(infos)))
    health = tuple({"node": server.name, "component": "system"} for server in servers)
    supplies = physics.supplies
    places = [(server.index, slot) for server in servers for slot in range(server.model.psus)]
    at = tuple(np.array(places).T)
    psus = tuple({"node": servers[index].name, "psu": f"PSU.Slot.{slot + 1}"} for index, slot in places)
    yield Family("wattstat_psu_health", psus, lambda: np.where(supplies.healthy[at], 0.0, 2.0))
    whole = lambda: (supplies.alive == supplies.present).all(axis=1)  # noqa: E731
    yield Family("wattstat_psu_redundancy_ok", names, lambda: whole().astype(float))
    yield Family("wattstat_node_health", health, lambda: np.where(whole(), 0.0, 1.0))
    # Of the day: what was lost over what was drawn, as if it had begun a day before the recording.
    start = physics.node_joules.copy()
    day = np.maximum(physics.node_watts, 200.0) * 86_400

    def residual() -> Floats:
        ratio: Floats = told.lost_joules / (day + physics.node_joules - start)
        return ratio

    yield Family("wattstat_ledger_residual_ratio", names, residual)
    yield Family("wattstat_ledger_settled_timestamp_seconds", names, lambda: np.full(len(names), world.now - 60))


def _fabric(world: World) -> Iterator[Family]:
    plant, cables = world.plant, world.plant.cables
    ends = {row: end for end, row in cables.rows.items()}
    switches = len(plant.described.switches)
    cabled = np.nonzero(cables.cabled & (cables.own < switches))[0]
    ports = tuple({"switch": ends[row][0], "port": ends[row][1]} for row in cabled.tolist())
    fabric = cabled[cables.is_fabric[cabled]]
    rails = tuple({"switch": ends[row][0], "port": ends[row][1]} for row in fabric.tolist())
    yield Family("wattstat_switch_port_up", ports, lambda: cables.up[cabled].astype(float))
    yield Family(
        "wattstat_switch_port_bit_error_ratio",
        tuple({**each, "kind": "effective"} for each in rails),
        lambda: cables.bit_errors[fabric],
    )
    yield Family(
        "wattstat_switch_port_link_faults_total",
        tuple({**each, "kind": "down"} for each in rails),
        lambda: cables.counters["link_downs"][fabric],
    )
    adapters = cables.adapters[cables.cabled[cables.adapters]]
    mine = tuple({"node": ends[row][0], "device": ends[row][1], "port": "1"} for row in adapters.tolist())
    yield Family("wattstat_infiniband_port_active", mine, lambda: cables.up[adapters].astype(float))
    yield Family(
        "wattstat_infiniband_port_rate_bits_per_second",
        mine,
        lambda: np.where(cables.up[adapters], cables.speed[adapters], np.nan),
    )
    far = [ends[int(cables.twin[row])] for row in adapters.tolist()]
    links = tuple(
        {
            "node": one["node"],
            "device": one["device"],
            "rail": one["device"][-1],
            "switch": end[0],
            "port": end[1],
            "source": "ufm",
        }
        for one, end in zip(mine, far, strict=True)
    )
    yield Family("wattstat_fabric_link_info", links, lambda: np.ones(len(links)))
    devices = plant.described.switches
    for psu in (0, 1):
        labels = tuple({"switch": device.name, "psu": str(psu + 1)} for device in devices)
        yield Family("wattstat_switch_psu_ok", labels, lambda psu=psu: plant.electric.healthy[:switches, psu].astype(float))
    members = plant.described.members
    yield Family(
        "wattstat_storage_node_up",
        tuple({"storage": member.cluster, "storage_node": member.name} for member in members),
        lambda: plant.member_up.astype(float),
    )


def _budgets(world: World) -> Iterator[Family]:
    physics, electric, hall = world.physics, world.plant.electric, world.hall
    racks = hall.racks
    rack_of = np.array([racks.index(server.rack) for server in hall.servers])
    placed = electric.rack >= 0
    labels = tuple({"budget": rack, "kind": "rack"} for rack in racks)
    # Nobody enforces, so the worst case is that of nameplates, with what hangs there unlisted: above every limit.
    nameplates = np.bincount(rack_of, [server.model.max_watts for server in hall.servers], minlength=len(racks))
    worst = np.maximum(nameplates, 1.2 * RACK_BUDGET_WATTS)

    def power() -> Floats:
        servers = np.bincount(rack_of, physics.node_watts, minlength=len(racks))
        devices = np.bincount(electric.rack[placed], electric.watts[placed], minlength=len(racks))
        watts: Floats = servers + devices
        return watts

    count = len(racks)
    yield Family("wattstat_budget_power_watts", labels, power)
    yield Family("wattstat_budget_limit_watts", labels, lambda: np.full(count, RACK_BUDGET_WATTS))
    yield Family("wattstat_budget_envelope_watts", labels, lambda: np.maximum(worst, power()))
    yield Family("wattstat_budget_trip_safe_watts", labels, lambda: np.full(count, BREAKER_WATTS))
    yield Family("wattstat_budget_coverage_ratio", labels, lambda: np.full(count, 0.4))
    yield Family("wattstat_controller_mode", ({"mode": "observe"},), lambda: np.ones(1))


def _collectors(world: World, told: Beside) -> Iterator[Family]:
    hall, plant = world.hall, world.plant.plant
    rows = [("redfish", server.name) for server in hall.servers] + [("agent", server.name) for server in hall.servers]
    rows += [("switches", switch.name) for switch in plant.switches] + [("pdu", pdu.name) for pdu in plant.pdus]
    rows += [("onefs", cluster.name) for cluster in plant.clusters]
    labels = tuple({"collector": collector, "target": target, "tier": "fast"} for collector, target in rows)
    newest = np.full(len(rows), world.now)

    def answers() -> Floats:
        found: Floats = np.array([not (collector == "redfish" and target in told.refused) for collector, target in rows], float)
        return found

    def success() -> Floats:
        newest[answers() > 0] = world.now
        return newest.copy()

    yield Family("wattstat_collector_success", labels, answers)
    yield Family("wattstat_collector_last_success_timestamp_seconds", labels, success)
    yield Family("up", ({"job": "wattstat", "instance": "127.0.0.1:9838"},), lambda: np.ones(1))


class Holds:
    """Which job held which GPU from when until when, as the schedulers told."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._open: dict[int, tuple[Job, float]] = {}
        self._found: list[tuple[Job, float, float]] = []

    def look(self) -> None:
        """Whoever runs now."""
        now, running = self._world.now, {id(job): job for job in self._world.scheduler.running.values()}
        for key in [key for key in self._open if key not in running]:
            job, since = self._open.pop(key)
            self._found.append((job, since, now - 1))
        for key, job in running.items():
            self._open.setdefault(key, (job, now))

    def series(self, times: Floats) -> Iterator[tuple[str, Labels, Floats]]:
        """`wattstat_job_gpu_info`, with samples for as long as the hold lasted."""
        still = [(job, since, np.inf) for job, since in self._open.values()]
        lanes = self._world.lanes
        for job, since, until in [*self._found, *still]:
            held = np.where((times >= since) & (times <= until), 1.0, np.nan)
            if np.isnan(held).all():
                continue
            for row in job.rows.tolist():
                lane = lanes[row]
                if lane.gpu is None:
                    continue
                who = {
                    "scheduler": "slurm",
                    "job_id": job.id,
                    "user": job.user,
                    "account": job.account,
                    "partition": job.partition,
                }
                where = {"node": lane.server.name, "gpu": str(lane.gpu), "uuid": lane.server.gpu_uuid(lane.gpu)}
                labels = {**who, **where, "gpu_instance": "" if lane.mig is None else str(lane.mig.gpu_instance)}
                yield "wattstat_job_gpu_info", labels, held
