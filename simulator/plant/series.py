"""The plant's part of the history: throughput, latency and capacity, power, and what the cables between leaves carry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from simulator.plant.cables import Cables
from simulator.plant.equipment import STORAGE
from simulator.plant.moving import MovingPlant
from simulator.plant.show import NFS4_SLOWER, SMB_SLOWER
from simulator.plant.stores import Stores
from simulator.site import FEEDS
from simulator.world import World

Floats = NDArray[np.float64]
Labels = dict[str, str]
# How switches tell their power, and what comes out of their supplies of what goes in.
SWITCH_SOURCES = {"os10": ("psu_unknown", 1.0), "sonic": ("psu_output", 0.94), "mlnx-os": ("psu_input", 1.0)}
# What each PDU counts energy in.
ENERGY_JOULES = {"raritan": 3600.0, "apc": 360_000.0, "servertech": 360_000.0}
# Of a cluster's size so much is not for its users.
RESERVED = {"powerscale": 0.05, "ecs": 0.1}
# Protocols and how much slower than a plain read each is.
LATENCIES = {
    "scratch": {"nfs3": 1.0, "nfs4": NFS4_SLOWER},
    "projects": {"nfs4": NFS4_SLOWER, "smb2": SMB_SLOWER},
    "objects": {"s3_read": 1.0, "s3_write": 1.5},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantFamily:
    """Series of one name, and the function that reads all their values at once. `slow` ones are read now and then."""

    name: str
    labels: tuple[Labels, ...]
    read: Callable[[], Floats]
    slow: bool = False


def plant_families(world: World) -> Iterator[PlantFamily]:
    """All families of what stands beside the servers."""
    yield from _of_storage(world.plant)
    yield from _of_power(world)
    yield from _of_cables(world.plant)


def _of_storage(plant: MovingPlant) -> Iterator[PlantFamily]:
    stores, names = plant.stores, [each.name for each in STORAGE]

    def each(**more: str) -> tuple[Labels, ...]:
        return tuple({"storage": name, **more} for name in names)

    for direction in ("read", "write"):
        yield PlantFamily(
            name="wattstat_storage_throughput_bytes_per_second",
            labels=each(direction=direction),
            read=partial(_throughput, stores, direction),
        )
        design = np.array([getattr(each, f"design_{direction}") for each in STORAGE])
        yield PlantFamily(
            name="wattstat_storage_design_bytes_per_second",
            labels=each(direction=direction),
            read=partial(np.copy, design),
            slow=True,
        )
    places = [(row, protocol, factor) for row, name in enumerate(names) for protocol, factor in LATENCIES[name].items()]
    rows, factors = np.array([row for row, _, _ in places]), np.array([factor for _, _, factor in places])
    yield PlantFamily(
        name="wattstat_storage_latency_seconds",
        labels=tuple({"storage": names[row], "protocol": protocol} for row, protocol, _ in places),
        read=lambda: np.round(stores.latency[rows] * factors, 6),
    )
    reserved = stores.size * [RESERVED[each.kind] for each in STORAGE]
    shares: dict[str, Callable[[], Floats]] = {
        "used": lambda: np.round(stores.used_bytes),
        "free": lambda: np.round(np.maximum(stores.size - reserved - stores.used_bytes, 0.0)),
        "reserved": lambda: reserved,
    }
    for kind, read in shares.items():
        yield PlantFamily(name="wattstat_storage_capacity_bytes", labels=each(kind=kind), read=read, slow=True)
    yield PlantFamily(name="wattstat_storage_size_bytes", labels=each(), read=lambda: stores.size, slow=True)


def _of_power(world: World) -> Iterator[PlantFamily]:
    plant, electric = world.plant, world.plant.electric
    switches, members = plant.described.switches, plant.described.members
    told = [SWITCH_SOURCES[device.system] for device in switches]
    shares = np.array([share for _, share in told])
    yield PlantFamily(
        name="wattstat_switch_power_watts",
        labels=tuple({"switch": device.name, "source": source} for device, (source, _) in zip(switches, told, strict=True)),
        read=lambda: np.round(electric.watts[: len(switches)] * shares, 1),
    )
    sensed = np.array([plant.rows[device.name] for device in members if device.model.name != "EXF900"])
    yield PlantFamily(
        name="wattstat_storage_node_power_watts",
        labels=tuple(
            {"storage": device.cluster, "storage_node": device.name, "source": "sensor"}
            for device in members
            if device.model.name != "EXF900"
        ),
        read=lambda: np.round(electric.watts[sensed]),
    )
    metered = [device for device in plant.described.devices if device.rack]
    rows = np.array([plant.rows[device.name] for device in metered], np.int64)
    yield PlantFamily(
        name="wattstat_device_power_watts",
        labels=tuple({"device": device.name, "kind": device.kind, "source": "pdu"} for device in metered),
        read=lambda: np.round(electric.watts[rows]),
    )
    yield from _of_pdus(world)


def _of_pdus(world: World) -> Iterator[PlantFamily]:
    plant, electric, racks = world.plant, world.plant.electric, world.hall.racks
    pdus = tuple({"pdu": pdu.name} for pdu in plant.plant.pdus)
    steps = np.array([ENERGY_JOULES[pdu.kind] for pdu in plant.plant.pdus])
    yield PlantFamily(name="wattstat_pdu_power_watts", labels=pdus, read=lambda: np.round(electric.pdu_watts))
    yield PlantFamily(
        name="wattstat_pdu_energy_joules_total", labels=pdus, read=lambda: np.floor(electric.pdu_joules / steps) * steps
    )
    rack_of_server = np.array([racks.index(server.rack) for server in world.hall.servers])
    placed = electric.rack >= 0

    def by_pdu() -> Floats:
        watts: Floats = electric.pdu_watts.reshape(len(racks), len(FEEDS)).sum(axis=1).round()
        return watts

    def by_device() -> Floats:
        servers = np.bincount(rack_of_server, world.physics.node_watts, minlength=len(racks))
        devices = np.bincount(electric.rack[placed], electric.watts[placed], minlength=len(racks))
        watts: Floats = (servers + devices).round().astype(float)
        return watts

    for source, read in (("pdu", by_pdu), ("sum", by_device)):
        labels = tuple({"rack": rack, "source": source} for rack in racks)
        yield PlantFamily(name="wattstat_rack_power_watts", labels=labels, read=read)
        yield PlantFamily(name="wattstat_rack_power_coverage_ratio", labels=labels, read=lambda: np.ones(len(racks)), slow=True)


def _of_cables(plant: MovingPlant) -> Iterator[PlantFamily]:
    cables = plant.cables
    ends = {row: end for end, row in cables.rows.items()}
    trunks = cables.trunks
    for direction, counter in (("receive", "receive_bytes"), ("transmit", "transmit_bytes")):
        yield PlantFamily(
            name="wattstat_switch_port_bytes_total",
            labels=tuple({"switch": ends[row][0], "port": ends[row][1], "direction": direction} for row in trunks.tolist()),
            read=partial(_octets, cables, counter),
        )
    leaves = np.nonzero(cables.cabled & cables.is_fabric & (cables.own < len(plant.described.switches)))[0]
    labels = tuple({"switch": ends[row][0], "port": ends[row][1]} for row in leaves.tolist())
    yield PlantFamily(
        name="wattstat_switch_port_symbol_errors_total",
        labels=labels,
        read=lambda: np.floor(cables.counters["symbol_errors"][leaves]),
        slow=True,
    )


def _throughput(stores: Stores, direction: str) -> Floats:
    values: Floats = (stores.read if direction == "read" else stores.write).sum(axis=1).round()
    return values


def _octets(cables: Cables, counter: str) -> Floats:
    """InfiniBand counts words of four octets."""
    values: Floats = np.floor(cables.counters[counter][cables.trunks] / 4) * 4
    return values
