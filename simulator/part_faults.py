"""Faults of parts: fans, memory modules, drives, what NVML tells of a GPU's memory and NVLinks, and the air of a rack."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np

from simulator.bmc import parts
from simulator.bmc.controller import Controller
from simulator.bmc.parts import Wrong
from simulator.faults import Fault, Faults, UnknownFault
from simulator.site import Server
from simulator.world import World

ROW_REMAPPED, ROW_REMAP_FAILED = 63, 64
FABRIC_IN_PROGRESS, FABRIC_COMPLETED = 2, 3
# What the driver counts of links, and the option that says how many in how many seconds.
_COUNTS = {
    "nvlink_errors": {
        "nvlink_replay_errors": ("replays", 60.0),
        "nvlink_recovery_errors": ("recoveries", 60.0),
        "nvlink_crc_flit_errors": ("crc", 1.0),
    },
    "gpu_pcie": {"pcie_replays": ("replays", 60.0)},
}


class PartFaults:
    """Switches them on and off; `move` does what happens with time. `states` are the NVML state files by node."""

    def __init__(self, world: World, faults: Faults, controllers: Mapping[str, Controller], states: Mapping[str, Any]) -> None:
        self._world, self._faults, self._controllers, self._states = world, faults, controllers, states
        self._counted: dict[tuple[int, str], int] = {}
        self._inlets: dict[str, str] = {}
        self.edges: dict[str, Callable[[Fault, bool], Awaitable[None]]] = {
            "fan_failed": self._fan,
            "dimm_errors": self._dimm,
            "server_drive_failing": self._drive,
            "gpu_row_remap": self._remap,
            "gpu_recovery": self._recovery,
            "nvlink_errors": self._nvlink_errors,
            "nvlink_down": self._nvlink_down,
            "gpu_pcie": self._pcie,
            "gpu_fabric": self._fabric,
            "cooling_failed": self._cooling,
        }

    def move(self) -> None:
        """Count errors that go on, and write into the logs what the air has become."""
        for fault in self._faults:
            if fault.kind in _COUNTS:
                self._count(fault)
        warm = np.nonzero(self._world.physics.inlet_celsius > parts.INLET_CAUTION_CELSIUS)[0].tolist()
        before, self._inlets = self._inlets, {}
        for name in (self._world.hall.servers[index].name for index in warm):
            severity = self._inlets[name] = parts.inlet_severity(self._controllers[name])
            if severity not in {"OK", before.get(name)}:
                self._controllers[name].note(*parts.inlet_message(severity))

    async def _fan(self, fault: Fault, on: bool) -> None:
        bmc = self._controllers[fault.target]
        first, count = int(fault.number("fan")), int(fault.number("count"))
        if first < 1 or count < 1 or first + count - 1 > bmc.model.fans:
            raise UnknownFault(f"{fault.target} has fans 1 to {bmc.model.fans}, not {first} to {first + count - 1}")
        self._world.physics.fan_alive[bmc.server.index] = 1 - count / bmc.model.fans if on else 1.0
        self._note(fault, "FAN", "RDU", on=on)

    async def _dimm(self, fault: Fault, on: bool) -> None:
        known = parts.sockets(self._controllers[fault.target].model)
        if fault.text("dimm") not in known:
            raise UnknownFault(f"{fault.target} has memory modules {known[0]} to {known[-1]}, not {fault.text('dimm')!r}")
        self._note(fault, "MEM", on=on)

    async def _drive(self, fault: Fault, on: bool) -> None:
        drives = self._controllers[fault.target].model.drives
        if not 0 <= int(fault.number("bay")) < drives:
            raise UnknownFault(f"{fault.target} has drives in bays 0 to {drives - 1}, not {fault.number('bay'):g}")
        self._note(fault, "PDR", on=on)

    async def _remap(self, fault: Fault, on: bool) -> None:
        """Off: the GPU was reset, or replaced. What was remapped stays so."""
        number, failed = self._gpu(fault), fault.number("failed") > 0
        self._note(fault, "HWC", on=on)
        if (state := self._states.get(fault.target)) is None:
            return
        rows = int(fault.number("rows"))
        with state.update():
            columns = state.columns
            columns["remap_pending"][number] = int(on)
            columns["remap_failure"][number] = int(on and failed)
            columns["remapped_uncorrectable"][number] += rows if on else 0
            bank = "remap_banks_none" if failed else "remap_banks_high"
            moved = 1 if on else -int(columns[bank][number])
            columns[bank][number] += moved
            columns["remap_banks_max"][number] -= moved
        if on:
            state.push_event(number, ROW_REMAP_FAILED if failed else ROW_REMAPPED)

    async def _recovery(self, fault: Fault, on: bool) -> None:
        number = self._gpu(fault)
        if (state := self._states.get(fault.target)) is not None:
            state.columns["recovery_action"][number] = int(fault.number("action")) if on else 0

    async def _nvlink_errors(self, fault: Fault, on: bool) -> None:
        self._links(fault)
        self._counts_end(fault, on=on)

    async def _nvlink_down(self, fault: Fault, on: bool) -> None:
        number, links = self._gpu(fault), self._links(fault)
        down = int(fault.number("links"))
        if not 1 <= down <= links:
            raise UnknownFault(f"a GPU of {fault.target} has 1 to {links} NVLinks, not {down}")
        if (state := self._states.get(fault.target)) is not None:
            whole = (1 << links) - 1
            state.columns["nvlink_active_mask"][number] = whole & ~((1 << down) - 1) if on else whole

    async def _pcie(self, fault: Fault, on: bool) -> None:
        """Narrow: data come more slowly, too."""
        number, lanes = self._gpu(fault), int(fault.number("lanes"))
        physics, row = self._world.physics, self._controllers[fault.target].server.first_gpu + self._gpu(fault)
        state = self._states.get(fault.target)
        most = 16 if state is None else int(state.columns["pcie_width_max"][number])
        if not 1 <= lanes <= most:
            raise UnknownFault(f"a GPU of {fault.target} has 1 to {most} PCIe lanes, not {lanes}")
        physics.pcie_peak[row] *= lanes / most if on else most / lanes
        if state is not None:
            state.columns["pcie_width"][number] = lanes if on else most
        self._counts_end(fault, on=on)

    async def _fabric(self, fault: Fault, on: bool) -> None:
        number, state = self._gpu(fault), self._states.get(fault.target)
        if state is None:
            return
        if state.columns["fabric_state"][number] not in {FABRIC_IN_PROGRESS, FABRIC_COMPLETED}:
            raise UnknownFault(f"the GPUs of {fault.target} are in no NVLink fabric")
        state.columns["fabric_state"][number] = FABRIC_IN_PROGRESS if on else FABRIC_COMPLETED

    async def _cooling(self, fault: Fault, on: bool) -> None:
        """The warmest of all that holds for a server; when it ends, the air cools as fast as it warmed."""
        physics = self._world.physics
        if on and (fault.number("celsius") <= 0 or fault.number("minutes") <= 0):
            raise UnknownFault("cooling_failed: celsius and minutes must be above 0")
        rate = fault.number("celsius") / (60 * fault.number("minutes"))
        target = np.zeros(len(self._world.hall.servers))
        for each in self._faults:
            if each.kind == "cooling_failed":
                rows = [server.index for server in self._world.hall.servers if _breathes(server, each.target)]
                target[rows] = np.maximum(target[rows], each.number("celsius"))
        changed = target != physics.inlet_target
        physics.inlet_target[changed], physics.inlet_rate[changed] = target[changed], rate

    def _count(self, fault: Fault) -> None:
        if (state := self._states.get(fault.target)) is None:
            return
        number = self._gpu(fault)
        for counter, (option, seconds) in _COUNTS[fault.kind].items():
            due = int(fault.number(option) * (self._world.now - fault.since) / seconds)
            state.columns[counter][number] += due - self._counted.get((fault.id, counter), 0)
            self._counted[fault.id, counter] = due

    def _counts_end(self, fault: Fault, *, on: bool) -> None:
        if not on:
            for counter in _COUNTS[fault.kind]:
                self._counted.pop((fault.id, counter), None)

    def _note(self, fault: Fault, *kinds: str, on: bool) -> None:
        """Write into the log what the controller now says of these parts."""
        bmc = self._controllers[fault.target]
        said: list[Wrong] = [each for each in parts.wrong(bmc) if each[1].startswith(kinds)] if on else []
        for severity, message_id, message in said:
            bmc.note(severity, message_id, message)

    def _gpu(self, fault: Fault) -> int:
        number, gpus = int(fault.number("gpu")), self._controllers[fault.target].model.gpus
        if not 0 <= number < gpus:
            raise UnknownFault(f"{fault.target} has GPUs 0 to {gpus - 1}, not {number}")
        return number

    def _links(self, fault: Fault) -> int:
        state = self._states.get(fault.target)
        links = 1 if state is None else int(state.columns["nvlink_count"][self._gpu(fault)])
        if links < 1:
            raise UnknownFault(f"the GPUs of {fault.target} have no NVLinks")
        return links


def _breathes(server: Server, target: str) -> bool:
    """Whether a server gets its air from there: a rack's cooler, the hall's, or what is before the server itself."""
    return target in {server.name, server.rack, "hall"}
