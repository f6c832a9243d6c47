"""What collectors would have made of a hall's parts: fans, memory, drives, remapped rows, NVLinks. As the devices show them.

Of each server the parts that the faults of `troubles.py` are about are written, and some that nothing happens to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.precision.recording import Family, Floats
from simulator.bmc import parts
from simulator.bmc.controller import Controller
from simulator.bmc.sensors import fan_name, inlet_id
from simulator.world import World

Labels = dict[str, str]
FANS, MODULES, DRIVES = 3, ("A1", "B2"), 2
_HEALTH = {"OK": 0.0, "Warning": 1.0, "Critical": 2.0, None: np.nan}
_FLAGS = {"row_remap_pending": "remap_pending", "row_remap_failed": "remap_failure", "recovery_action": "recovery_action"}
_ERRORS = {"replay": "nvlink_replay_errors", "recovery": "nvlink_recovery_errors", "crc_flit": "nvlink_crc_flit_errors"}


def part_families(world: World, controllers: Mapping[str, Controller], states: Mapping[str, Any]) -> Iterator[Family]:
    """All of them; `controllers` and `states` (the NVML state files) are those that the faults act on, by server."""
    yield from _by_controller([controllers[server.name] for server in world.hall.servers])
    yield from _by_driver(world, states)
    nodes = [(server.name, inlet_id(server.model)) for server in world.hall.servers]
    for kind, celsius in (("caution", parts.INLET_CAUTION_CELSIUS), ("critical", parts.INLET_CRITICAL_CELSIUS)):
        labels = tuple({"node": node, "sensor": sensor, "kind": kind} for node, sensor in nodes)
        yield Family("wattstat_node_temperature_limit_celsius", labels, _constant(float(celsius), len(nodes)))


def _constant(value: float, count: int) -> Callable[[], Floats]:
    return lambda: np.full(count, value)


def _by_controller(bmcs: list[Controller]) -> Iterator[Family]:
    def family(name: str, rows: list[tuple[Controller, Labels, Any]], read: Callable[[Controller, Any], float]) -> Family:
        labels = tuple({"node": bmc.server.name, **more} for bmc, more, _ in rows)
        return Family(f"wattstat_{name}", labels, lambda: np.array([read(bmc, part) for bmc, _, part in rows]))

    fans = [(bmc, {"fan": fan_name(bmc.model, number)}, number) for bmc in bmcs for number in range(FANS)]
    yield family("fan_health", fans, lambda bmc, number: _HEALTH[parts.fan_health(bmc, number)])
    whole = [(bmc, {}, None) for bmc in bmcs]
    yield family("fan_redundancy_ok", whole, lambda bmc, _: 0.0 if parts.stopped_fans(bmc) else 1.0)
    modules = [(bmc, {"dimm": f"DIMM.Socket.{socket}"}, socket) for bmc in bmcs for socket in MODULES]
    yield family("memory_health", modules, lambda bmc, socket: _HEALTH[parts.dimm_health(bmc, socket)])
    alarms = [(bmc, {**labels, "kind": "uncorrected"}, socket) for bmc, labels, socket in modules]
    yield family("memory_ecc_alarm", alarms, lambda bmc, socket: float(parts.dimm_health(bmc, socket) == "Critical"))
    drives = [(bmc, {"drive": f"Disk.Bay.{bay}:Enclosure.Internal.0-1"}, bay) for bmc in bmcs for bay in range(DRIVES)]
    yield family("drive_health", drives, lambda bmc, bay: _HEALTH[parts.drive_health(bmc, bay)])
    yield family("drive_failure_predicted", drives, lambda bmc, bay: float(parts.drive_health(bmc, bay) == "Warning"))


def _by_driver(world: World, states: Mapping[str, Any]) -> Iterator[Family]:
    servers = [server for server in world.hall.servers if server.model.gpus]
    rows = [(server, index) for server in servers for index in range(server.model.gpus)]
    base = [{"node": server.name, "gpu": str(index), "uuid": server.gpu_uuid(index)} for server, index in rows]

    def column(name: str) -> Floats:
        found: Floats = np.concatenate([states[server.name].columns[name] for server in servers]).astype(np.float64)
        return found

    for metric, name in _FLAGS.items():
        yield Family(f"wattstat_gpu_{metric}", tuple(base), lambda name=name: column(name))
    ecc = tuple({**each, "kind": "uncorrected", "location": "dram"} for each in base)
    yield Family("wattstat_gpu_ecc_errors_total", ecc, lambda: column("ecc_uncorrected_dram"))
    banks = tuple({**each, "availability": "none"} for each in base)
    yield Family("wattstat_gpu_row_remap_banks", banks, lambda: column("remap_banks_none"))
    linked = np.nonzero(column("nvlink_count") > 0)[0]
    mine = [base[row] for row in linked]
    for kind, name in _ERRORS.items():
        labels = tuple({**each, "kind": kind} for each in mine)
        yield Family("wattstat_gpu_nvlink_errors_total", labels, lambda name=name: column(name)[linked])

    def active() -> Floats:
        return np.array([int(mask).bit_count() for mask in column("nvlink_active_mask")[linked]], np.float64)

    yield Family("wattstat_gpu_nvlinks_active", tuple(mine), active)
