"""Faults of storage, switches, cables and PDUs: what each does to the plant when it is switched on, and off."""

from __future__ import annotations

import itertools
import math
from collections.abc import Awaitable, Callable

from simulator.faults import Fault, UnknownFault
from simulator.plant.equipment import STORAGE
from simulator.plant.model import Cluster, Happening
from simulator.plant.moving import MovingPlant

# How long a look-up takes on a good day; the fault multiplies it.
LOOKUP_SECONDS = 0.002
DEGRADED_BIT_ERRORS, FLAPPING_BIT_ERRORS = 2e-8, 5e-10
FLAPPING_SYMBOLS = 3.0
SWITCH_PREFIXES, LINK_PREFIXES = ("switch_",), ("link_", "optics_")


class Troubles:
    """Switches faults of the plant on and off."""

    def __init__(self, model: MovingPlant) -> None:
        self.model = model
        self._numbers = itertools.count(1000)
        self._told: dict[int, Happening] = {}
        self.edges: dict[str, Callable[[Fault, bool], Awaitable[None]]] = {
            "storage_slow_metadata": self._slow,
            "storage_full": self._full,
            "storage_gone": self._gone,
            "drive_failed": self._drive,
            "storage_node_down": self._member,
            "switch_gone": self._switch,
            "switch_psu_failed": self._supply,
            "link_degraded": self._degraded,
            "link_wearing": self._wearing,
            "link_flapping": self._flapping,
            "link_down": self._down,
            "optics_dark": self._dark,
        }

    def targets(self, kind: str) -> list[str]:
        """What a kind of fault may be switched on for: clusters, switches, ends of cables, PDUs; empty for others' kinds."""
        plant = self.model.plant
        if kind.startswith("storage_") or kind == "drive_failed":
            return [cluster.name for cluster in plant.clusters]
        if kind.startswith(SWITCH_PREFIXES):
            return [switch.name for switch in plant.switches]
        if kind.startswith(LINK_PREFIXES):
            return [*(switch.name for switch in plant.switches), *(server.name for server in self.model.hall.servers)]
        return [pdu.name for pdu in plant.pdus] if kind.startswith("pdu_") else []

    def _store(self, fault: Fault) -> int:
        return [each.name for each in STORAGE].index(fault.target)

    async def _slow(self, fault: Fault, on: bool) -> None:
        self.model.stores.slow_seconds[self._store(fault)] = LOOKUP_SECONDS * fault.number("factor") if on else 0.0
        self._tell(fault, on, "warning", "Metadata operations are slow")

    async def _full(self, fault: Fault, on: bool) -> None:
        self.model.stores.full[self._store(fault)] = on
        self._tell(fault, on, "critical", "The storage pool is full")

    async def _gone(self, fault: Fault, on: bool) -> None:
        self.model.stores.gone[self._store(fault)] = on

    async def _drive(self, fault: Fault, on: bool) -> None:
        cluster = self._cluster(fault)
        member = self._numbered(fault, cluster)
        bay = int(fault.number("bay"))
        drive = next((each for each in cluster.members[member].drives if each.bay == bay), None)
        if drive is None:
            raise UnknownFault(f"{cluster.members[member].name} has bays 1 to {len(cluster.members[member].drives)}, not {bay}")
        drive.state = "FAILED" if on else "HEALTHY"
        self.model.stores.failed_drives[self._store(fault)] += 1 if on else -1
        self._tell(fault, on, "error", f"Drive in bay {bay} of node {member + 1} failed")

    async def _member(self, fault: Fault, on: bool) -> None:
        cluster = self._cluster(fault)
        place = self._numbered(fault, cluster)
        self.model.electric.off[self.model.rows[cluster.members[place].name]] = on
        self._tell(fault, on, "critical", f"Node {place + 1} is down")

    async def _switch(self, fault: Fault, on: bool) -> None:
        self.model.electric.off[self.model.rows[fault.target]] = on

    async def _supply(self, fault: Fault, on: bool) -> None:
        switch = self.model.plant.switch(fault.target)
        number = int(fault.number("psu"))
        if not 1 <= number <= len(switch.supplies):
            raise UnknownFault(f"{switch.name} has power supplies 1 to {len(switch.supplies)}, not {number}")
        self.model.electric.healthy[self.model.rows[fault.target], number - 1] = not on

    async def _degraded(self, fault: Fault, on: bool) -> None:
        cables = self.model.cables
        for row in self._ends(fault):
            cables.speed[row] = fault.number("gigabits") * 1e9 if on else cables.full_speed[row]
            cables.symbol_rate[row] = fault.number("errors") if on else cables.rest_symbol_rate[row]
            cables.bit_errors[row] = DEGRADED_BIT_ERRORS if on else cables.rest_bit_errors[row]

    async def _wearing(self, fault: Fault, on: bool) -> None:
        cables = self.model.cables
        for row in self._ends(fault):
            per_second = math.log(fault.number("factor")) / (3600 * fault.number("hours"))
            cables.wear_per_second[row], cables.wears_since[row] = per_second if on else 0.0, self.model.now
            cables.symbol_rate[row], cables.bit_errors[row] = cables.rest_symbol_rate[row], cables.rest_bit_errors[row]

    async def _flapping(self, fault: Fault, on: bool) -> None:
        cables = self.model.cables
        for row in self._ends(fault):
            cables.flapping[row] = on
            cables.symbol_rate[row] = FLAPPING_SYMBOLS if on else cables.rest_symbol_rate[row]
            cables.bit_errors[row] = FLAPPING_BIT_ERRORS if on else cables.rest_bit_errors[row]

    async def _down(self, fault: Fault, on: bool) -> None:
        self.model.cables.broken[self._ends(fault)] = on

    async def _dark(self, fault: Fault, on: bool) -> None:
        self.model.cables.dark[self._ends(fault)] = on

    def _cluster(self, fault: Fault) -> Cluster:
        return self.model.plant.cluster(fault.target)

    def _numbered(self, fault: Fault, cluster: Cluster) -> int:
        number = int(fault.number("node"))
        if not 1 <= number <= len(cluster.members):
            raise UnknownFault(f"{cluster.name} has nodes 1 to {len(cluster.members)}, not {number}")
        return number - 1

    def _ends(self, fault: Fault) -> list[int]:
        """Both ends of a cable, by a switch's port or a server's; the first that there is unless one is named."""
        cables, wanted = self.model.cables, fault.text("port")
        known = {port: row for (device, port), row in cables.rows.items() if device == fault.target and cables.cabled[row]}
        server = self.model.hall.by_name(fault.target)
        if server is not None:
            known["eth0"] = int(cables.cable_of_server[server.index])
        if wanted and wanted not in known:
            raise UnknownFault(f"{fault.target} has no cable at {wanted!r}; it has: {', '.join(known)}")
        row = known[wanted or next(iter(known))]
        twin = int(cables.twin[row])
        return [row] if twin < 0 else [row, twin]

    def _tell(self, fault: Fault, on: bool, severity: str, text: str) -> None:
        """An event of the cluster, which is resolved when the fault is over."""
        if on:
            self._told[fault.id] = happening = Happening(
                number=next(self._numbers), severity=severity, text=text, since=self.model.now
            )
            self._cluster(fault).happenings.append(happening)
        elif (before := self._told.pop(fault.id, None)) is not None:
            before.resolved_at = self.model.now
