"""The series of the history: what collectors would have made of the hall, by the same names, labels and units.

The names are written out, because the simulator knows nothing of the collectors; a test holds them against the catalogue and
against what a real core reports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from simulator.bmc.sensors import cpu_id, exhaust_id, fan_name, inlet_id
from simulator.nvml.profiles import MIB, PROFILES
from simulator.physics import REASONS, Physics
from simulator.plant.series import PlantFamily, plant_families
from simulator.site import Layout, Server, Sharing, device_name
from simulator.world import World

Floats = NDArray[np.float64]
Labels = dict[str, str]
Read = Callable[[Physics], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Series of one name: their labels, and the function that reads all their values at once (NaN is no sample)."""

    name: str
    labels: tuple[Labels, ...]
    read: Read
    constant: bool = False


def families(world: World, *, beside: bool = True) -> list[Family]:
    """All families of a hall; those of storage, switches and PDUs only where somebody can read them."""
    others = plant_families(world) if beside else ()
    return [*_of_gpus(world.hall), *_of_nodes(world.hall), *_out_of_band(world), *map(_of_plant, others)]


def _of_plant(family: PlantFamily) -> Family:
    return Family(name=family.name, labels=family.labels, read=lambda _: family.read(), constant=family.slow)


def _of_gpus(hall: Layout) -> Iterator[Family]:
    rows = [(server, index) for server in hall.servers for index in range(server.model.gpus)]
    base = [{"node": server.name, "gpu": str(index), "uuid": server.gpu_uuid(index)} for server, index in rows]
    if not rows:
        return
    hbm = np.array([row for row, (server, _) in enumerate(rows) if server.model.gpu and server.model.gpu.has_hbm], np.int64)
    # NVML shows neither utilization nor NVLinks of a GPU that MIG has cut.
    uncut = np.array([row for row, (server, _) in enumerate(rows) if server.sharing is not Sharing.MIG], np.int64)
    every = np.arange(len(rows))

    def family(name: str, read: Read, at: NDArray[np.int64] = every, *, constant: bool = False, **extra: str) -> Family:
        labels = tuple({**base[row], **extra} for row in at)
        return Family(name=f"wattstat_gpu_{name}", labels=labels, read=lambda state: read(state)[at], constant=constant)

    yield family("power_watts", lambda p: p.gpu_second_watts.round(3), window="1s", scope="gpu")
    yield family("power_watts", lambda p: p.gpu_watts.round(3), window="instant", scope="gpu")
    yield family("power_watts", lambda p: p.memory_watts.round(3), hbm, window="1s", scope="memory")
    yield family("energy_joules_total", lambda p: p.counter_joules.round(3))
    yield family("utilization_ratio", lambda p: p.utilization.round(2), uncut)
    yield family("memory_utilization_ratio", lambda p: p.dram_active.round(2), uncut)
    yield family("sm_active_ratio", lambda p: p.sm_active.round(4), hbm)
    yield family("tensor_active_ratio", lambda p: p.tensor_active.round(4), hbm)
    yield family("dram_active_ratio", lambda p: p.dram_active.round(4), hbm)
    yield family("temperature_celsius", lambda p: p.gpu_celsius.round(), sensor="gpu")
    yield family("temperature_celsius", lambda p: p.memory_celsius.round(), hbm, sensor="memory")
    yield family("clock_hertz", lambda p: p.clock_mhz.round() * 1e6, domain="sm")
    total = np.array([float(PROFILES[server.model.gpu.key].memory_mib * MIB) if server.model.gpu else 0 for server, _ in rows])
    yield family("memory_used_bytes", lambda p: (p.memory_used_ratio * total).round())
    for number, reason in enumerate(REASONS):
        yield family("throttle_active", _throttled(number), reason=reason)
    yield family("nvlink_bytes_total", lambda p: p.nvlink_bytes[0].round(), np.intersect1d(hbm, uncut), direction="tx")
    yield family("nvlink_bytes_total", lambda p: p.nvlink_bytes[1].round(), np.intersect1d(hbm, uncut), direction="rx")
    yield family("memory_total_bytes", lambda _: total, constant=True)
    yield family("lost", lambda _: np.zeros(len(rows)), constant=True)
    for kind, name in (("min", "limit_min_watts"), ("max", "limit_max_watts"), ("default", "limit_max_watts")):
        yield family("power_limit_watts", attrgetter(name), constant=True, kind=kind)
    yield family("power_limit_watts", lambda p: np.minimum(p.requested_watts, p.setpoint_watts), constant=True, kind="enforced")
    yield family("power_limit_watts", lambda p: p.requested_watts, constant=True, kind="requested")


def _of_nodes(hall: Layout) -> Iterator[Family]:
    servers = hall.servers

    def family(name: str, read: Read, chosen: list[Server] | None = None, *, constant: bool = False, **extra: str) -> Family:
        at = np.array([server.index for server in (servers if chosen is None else chosen)], np.int64)
        labels = tuple({"node": servers[row].name, **extra} for row in at)
        return Family(name=f"wattstat_{name}", labels=labels, read=lambda state: read(state)[at], constant=constant)

    yield family("node_power_watts", lambda p: p.node_watts.round(), source="system")
    yield family("node_power_watts", lambda p: p.supplies.input_watts.sum(axis=1).round(), source="psu_sum")
    baseboards = [server for server in servers if server.model.hgx]
    yield family("node_power_watts", lambda p: (p.node_gpu_watts + p.board_watts).round(3), baseboards, source="hgx")
    yield family("node_power_on", lambda p: p.powered.astype(float), constant=True)
    for socket in (0, 1):
        for domain, joules in (("package", "cpu_joules"), ("dram", "dram_joules")):
            yield family("cpu_energy_joules_total", _of_socket(joules, socket, 6), socket=str(socket), domain=domain)
    yield from _supplies(servers)
    yield from _fans(servers)
    yield from _temperatures(servers)


def _supplies(servers: tuple[Server, ...]) -> Iterator[Family]:
    places = [(server.index, slot) for server in servers for slot in range(server.model.psus)]
    at = tuple(np.array(places).T)
    labels = tuple({"node": servers[index].name, "psu": f"PSU.Slot.{slot + 1}"} for index, slot in places)
    yield Family(name="wattstat_psu_input_watts", labels=labels, read=lambda p: (p.supplies.input_watts[at] * 4).round() / 4)
    yield Family(name="wattstat_psu_output_watts", labels=labels, read=lambda p: (p.supplies.output_watts[at] * 4).round() / 4)


def _fans(servers: tuple[Server, ...]) -> Iterator[Family]:
    places = [(server, number) for server in servers for number in range(server.model.fans)]
    rows = np.array([server.index for server, _ in places])
    top = np.array([server.model.fan_max_rpm * (1 + 0.012 * np.sin(7.0 * number)) for server, number in places])
    labels = tuple({"node": server.name, "fan": fan_name(server.model, number)} for server, number in places)
    yield Family(name="wattstat_fan_speed_rpm", labels=labels, read=lambda p: (p.fan_ratio[rows] * top / 120).round() * 120)


def _temperatures(servers: tuple[Server, ...]) -> Iterator[Family]:
    name = "wattstat_node_temperature_celsius"

    def labels(sensor: Callable[[Server], str], role: str) -> tuple[Labels, ...]:
        return tuple({"node": server.name, "sensor": sensor(server), "role": role} for server in servers)

    inlet = labels(lambda server: inlet_id(server.model), "inlet")
    exhaust = labels(lambda server: exhaust_id(server.model), "exhaust")
    yield Family(name=name, labels=inlet, read=lambda p: p.inlet_celsius.round())
    yield Family(name=name, labels=exhaust, read=lambda p: p.exhaust_celsius.round())
    for socket in (0, 1):
        cpu = labels(partial(_cpu_sensor, socket), "cpu")
        yield Family(name=name, labels=cpu, read=_of_socket("cpu_celsius", socket, 0))


def _throttled(number: int) -> Read:
    return lambda p: p.throttled[number].astype(float)


def _of_socket(name: str, socket: int, digits: int) -> Read:
    def read(p: Physics) -> Floats:
        values: Floats = getattr(p, name)[socket].round(digits)
        return values

    return read


def _cpu_sensor(socket: int, server: Server) -> str:
    return cpu_id(server.model, socket)


def _out_of_band(world: World) -> Iterator[Family]:
    servers = world.hall.servers
    metered = [server for server in servers if server.model.hgx or (server.model.idrac == 9 and server.model.gpus)]
    places = [(server, index) for server in metered for index in range(server.model.gpus)]
    rows = np.array([server.first_gpu + index for server, index in places], np.int64)
    labels = tuple({"node": server.name, "device": device_name(server, index)} for server, index in places)
    yield Family(name="wattstat_node_gpu_power_watts", labels=labels, read=lambda p: p.gpu_second_watts[rows].round(1))
    start = np.array([server.energy_before_joules for server in servers])
    counter = tuple({"node": server.name, "source": "counter"} for server in servers)
    # The controllers count whole watt-hours.
    yield Family(
        name="wattstat_node_energy_joules_total",
        labels=counter,
        read=lambda p: np.floor((start + p.node_joules) / 3600) * 3600,
    )
