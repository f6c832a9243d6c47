"""Faults that are switched on one after another in a moving hall, and what must be told of each by when."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.precision.seen import CAP_WATTS, XIDS, Beside
from benchmarks.precision.watching import Fired
from simulator.bmc.server import Bmcs
from simulator.control import Control, controllers_of
from simulator.faults import Faults
from simulator.workload import Job, Kind
from simulator.world import World

HOUR = 3600.0
SHORT_SECONDS, SLOW_SECONDS = 1.5 * HOUR, 0.75 * HOUR
SLOW_RATIO, WORKING_RATIO, SLOW_MINUTES, HOT = 0.9, 0.5, 9, 3
WEAR_HOURS, SLIP_WATTS, LEAK_RATIO = 12.0, 12.0, 0.05
WARM_CELSIUS = 6
"""What a warming inlet must show above what it showed ten minutes ago: more than five whole degrees."""


@dataclass(slots=True, kw_only=True)
class Injected:
    """A fault and what is expected of it. `visible_at` is since when a series shows it; None: it has shown nowhere (yet)."""

    kind: str
    at: float
    until: float
    names: frozenset[str]
    """Any of these alerts tells of it; none: it is innocent, and nothing may be told."""
    labels: Mapping[str, str]
    lag_seconds: float = 0.0
    """How long it must have been visible before anybody could know, beside the rule's own `for`."""
    visible_at: float | None = None
    gpu: int | None = None
    shown: int = 0
    """In how many minutes it showed."""
    server: str = ""
    """Which one is in use by it, where the labels do not say so."""

    def told_by(self, fired: list[Fired]) -> list[Fired]:
        """The alerts about it, the first first."""
        mine = [
            each
            for each in fired
            if each.name in (self.names or {"LinkFailingSlowly"})
            and self.at <= each.at <= self.until + HOUR
            and all(each.labels.get(name) == value for name, value in self.labels.items())
        ]
        return sorted(mine, key=lambda each: each.at)

    def late_seconds(self, first: Fired) -> float:
        """How long after one could know it."""
        return first.at - ((self.visible_at or self.at) + self.lag_seconds + first.for_seconds)


class Plan:
    """Switches faults on and off while a hall moves. A server, a cable or a switch has at most one."""

    def __init__(self, world: World, told: Beside, seed: int, states: Mapping[str, Any]) -> None:
        """`states` are the NVML state files by server."""
        self._world, self._told = world, told
        self._rng = np.random.default_rng(seed)
        faults = Faults()
        by_address = controllers_of(world, faults, ("u", "p"))
        self.controllers = {each.server.name: each for each in by_address.values()}
        self._control = Control(world, faults, Bmcs(by_address, 1), states)
        self._used: set[str] = set()
        self._open: list[tuple[Injected, int | None]] = []
        self.injected: list[Injected] = []

    async def at_start(self) -> None:
        """What takes long to show."""
        for port in self._cables(4):
            await self._link("link_wearing", port, {"LinkFailingSlowly", "LinkErrorsRising"}, 48 * HOUR, hours=WEAR_HOURS)
            # Four symbol errors an hour, in four of the last six hours.
            self.injected[-1].lag_seconds = WEAR_HOURS * HOUR * math.log10(4) + 4 * HOUR
        for server in self._servers(2, hgx=True):
            self._add(Injected(
                kind="cap_slips", at=self._world.now, until=self._world.now + 10 * HOUR, names=frozenset({"CapDrifting"}),
                labels={"node": server}, lag_seconds=0.01 * CAP_WATTS / SLIP_WATTS * HOUR,
            ))  # fmt: skip
        for server in self._servers(2):
            index = next(each.index for each in self._world.hall.servers if each.name == server)
            self._told.leak[index] = LEAK_RATIO
            self._add(Injected(
                kind="ledger_leaks", at=self._world.now, until=self._world.now + 12 * HOUR, names=frozenset({"LedgerLeaking"}),
                labels={"node": server}, lag_seconds=2 * HOUR,
            ))  # fmt: skip

    async def now_and_then(self, turn: int) -> None:
        """One fault of each kind in turn."""
        kinds = ("gpu_slow", "gpu_xid", "link_down", "gpu_hot", "psu_failed", "noisy_hour", "gpu_off_bus", "link_flapping",
                 "fan_failed", "dimm_errors", "row_remap_failed", "nvlink_errors", "cooling_failed", "fan_gone",
                 "gpu_slow", "switch_psu_failed", "link_degraded", "bmc_hang", "gpu_hot", "storage_node_down",
                 "row_remap_pending", "nvlink_down", "server_drive_failing", "gpu_ecc", "gpu_recovery")  # fmt: skip
        await getattr(self, f"_{kinds[turn % len(kinds)]}")()

    def watch(self) -> None:
        """Note what has become visible, and move what moves by itself."""
        physics, now = self._world.physics, self._world.now
        self._told.lost_joules += self._told.leak * physics.node_watts * 60
        for fault, _ in self._open:
            if fault.kind == "cap_slips":
                server = self._world.hall.by_name(fault.labels["node"])
                rows = server.gpu_rows if server else range(0)
                rise = SLIP_WATTS * max(0.0, now - fault.at) / HOUR
                physics.requested_watts[list(rows)] = min(CAP_WATTS + rise, 700.0)
            elif fault.gpu is not None and fault.visible_at is None:
                self._look_at(fault, fault.gpu)

    def _look_at(self, fault: Injected, row: int) -> None:
        """A slow board shows after nine minutes in which it and the others worked, a hot one when it slows itself down."""
        if fault.kind == "gpu_hot":
            fault.shown += bool(self._world.physics.throttled[HOT, row])
            needed = 1
        else:
            fault.shown += self._is_slow(row)
            needed = SLOW_MINUTES
        if fault.shown >= needed:
            fault.visible_at = self._world.now

    def _is_slow(self, row: int) -> bool:
        job = self._world.job_of(row)
        if job is None or len(job.rows) < 2:
            return False
        physics = self._world.physics
        others = [other for other in job.rows.tolist() if other != row]
        works = physics.utilization >= WORKING_RATIO
        others = [other for other in others if works[other]]
        if not works[row] or not others:
            return False
        return bool(physics.clock_mhz[row] <= SLOW_RATIO * np.median(physics.clock_mhz[others]))

    async def end(self) -> None:
        """Switch off what has had its time, and do what faults do with it."""
        await self._control.expire()
        for fault, number in [each for each in self._open if each[0].until <= self._world.now]:
            self._open.remove((fault, number))
            self._used -= {*fault.labels.values(), fault.server}
            if number is not None:
                await self._control.switch_off(number)
            elif fault.kind == "cap_slips":
                server = self._world.hall.by_name(fault.labels["node"])
                self._world.physics.requested_watts[list(server.gpu_rows if server else ())] = CAP_WATTS
            elif fault.kind == "ledger_leaks":
                self._told.leak[next(e.index for e in self._world.hall.servers if e.name == fault.labels["node"])] = 0.0
            elif fault.kind == "bmc_hang":
                self._told.refused.discard(fault.labels["target"])

    # One method a kind

    async def _gpu_slow(self) -> None:
        await self._straggler("gpu_slow", factor=0.7)

    async def _gpu_hot(self) -> None:
        await self._straggler("gpu_hot", factor=3)
        if self.injected[-1].kind == "gpu_hot":  # slow as well, if much hotter than this; the rules tell it first
            self.injected[-1].names = frozenset({"GpuSwThermalSlowdown", "GpuNearSlowdown", "GpuHwThermalSlowdown"})
            self.injected[-1].lag_seconds = 120.0  # a fifth of ten minutes

    async def _straggler(self, kind: str, **options: float) -> None:
        """A GPU of a job that trains on several, and goes on for long enough."""
        running = [job for job in self._world.scheduler.running.values() if self._trains(job)]
        if not running:
            return
        job = running[int(self._rng.integers(len(running)))]
        row = int(self._rng.choice([row for row in job.rows.tolist() if self._world.lanes[row].server.name not in self._used]))
        lane = self._world.lanes[row]
        labels = {"node": lane.server.name, "gpu": str(lane.gpu)}
        self._used.add(lane.server.name)
        await self._on(kind, lane.server.name, {"GpuStraggler"}, labels, seconds=SLOW_SECONDS, gpu=lane.gpu, **options)
        self.injected[-1].gpu = row

    def _trains(self, job: Job) -> bool:
        nodes = {self._world.lanes[row].server.name for row in job.rows.tolist()}
        return job.kind in (Kind.TRAINING, Kind.FINETUNE) and len(job.rows) >= 4 and job.used is None and (
            job.end > self._world.now + SLOW_SECONDS and bool(nodes - self._used)
        )  # fmt: skip

    async def _gpu_xid(self) -> None:
        for server in self._servers(1, hgx=True):
            row = next(each.first_gpu for each in self._world.hall.servers if each.name == server)
            self._told.xids[XIDS.index("48"), row] += 1
            now = self._world.now
            labels = {"node": server, "gpu": "0", "xid": "48"}
            self._add(Injected(kind="gpu_xid", at=now, until=now + HOUR, names=frozenset({"GpuXidFatal"}), labels=labels))

    async def _gpu_off_bus(self) -> None:
        for server in self._servers(1, hgx=True):
            await self._on("gpu_off_bus", server, {"GpuLost"}, {"node": server, "gpu": "1"}, gpu=1)

    async def _psu_failed(self) -> None:
        for server in self._servers(1):
            await self._on("psu_failed", server, {"PsuRedundancyLost", "PsuFailed"}, {"node": server})

    async def _fan_failed(self) -> None:
        for server in self._servers(1):
            await self._on("fan_failed", server, {"FanFailed"}, {"node": server}, fan=2)

    async def _fan_gone(self) -> None:
        for server in self._servers(1):
            await self._on("fan_failed", server, {"FanRedundancyLost"}, {"node": server}, gone=1)
            self.injected[-1].kind = "fan_gone"

    async def _dimm_errors(self) -> None:
        """Corrected ones in turn with such as were not."""
        uncorrected = sum(each.kind == "dimm_errors" for each in self.injected) % 2
        for server in self._servers(1):
            names = {"MemoryErrorsUncorrected"} if uncorrected else {"MemoryModuleFault"}
            await self._on("dimm_errors", server, names, {"node": server}, dimm="B2", uncorrected=uncorrected)

    async def _server_drive_failing(self) -> None:
        for server in self._servers(1):
            await self._on("server_drive_failing", server, {"DriveFailurePredicted"}, {"node": server}, bay=1)

    async def _row_remap_failed(self) -> None:
        await self._of_gpu("gpu_row_remap", {"GpuRowRemapFailed"}, failed=1)

    async def _row_remap_pending(self) -> None:
        await self._of_gpu("gpu_row_remap", {"GpuRowRemapPending"})

    async def _nvlink_errors(self) -> None:
        await self._of_gpu("nvlink_errors", {"GpuNvlinkErrors"}, replays=1)

    async def _nvlink_down(self) -> None:
        await self._of_gpu("nvlink_down", {"GpuNvlinkDown"})

    async def _gpu_ecc(self) -> None:
        await self._of_gpu("gpu_ecc", {"GpuEccUncorrected"}, count=0, uncorrected=1)

    async def _gpu_recovery(self) -> None:
        await self._of_gpu("gpu_recovery", {"GpuRecoveryActionNeeded"}, action=4)

    async def _of_gpu(self, kind: str, names: set[str], **options: object) -> None:
        for server in self._servers(1, hgx=True):
            await self._on(kind, server, names, {"node": server, "gpu": "3"}, gpu=3, **options)

    async def _cooling_failed(self) -> None:
        """Of a server's rack; it is known when its inlet shows enough more than ten minutes ago."""
        for server in self._servers(1):
            rack = next(each.rack for each in self._world.hall.servers if each.name == server)
            await self._on("cooling_failed", rack, {"InletTemperatureRising"}, {"node": server}, celsius=15, minutes=15)
            self.injected[-1].lag_seconds = 60.0 * WARM_CELSIUS

    async def _bmc_hang(self) -> None:
        for server in self._servers(1):
            now = self._world.now
            self._told.refused.add(server)
            names = frozenset({"WattstatTargetFails", "BmcUnreachable"})
            self._add(Injected(kind="bmc_hang", at=now, until=now + SHORT_SECONDS, names=names, labels={"target": server}))

    async def _switch_psu_failed(self) -> None:
        switch = str(self._rng.choice([each.name for each in self._world.plant.plant.switches]))
        await self._on("switch_psu_failed", switch, {"SwitchPsuFailed"}, {"switch": switch})

    async def _storage_node_down(self) -> None:
        cluster = self._world.plant.plant.clusters[0]
        await self._on("storage_node_down", cluster.name, {"StorageNodeDown"}, {"storage": cluster.name})

    async def _link_down(self) -> None:
        for port in self._cables(1):
            await self._link("link_down", port, {"RailDown"}, SHORT_SECONDS)

    async def _link_flapping(self) -> None:
        for port in self._cables(1):
            await self._link("link_flapping", port, {"LinkFlaps"}, SHORT_SECONDS)

    async def _link_degraded(self) -> None:
        for port in self._cables(1):
            await self._link("link_degraded", port, {"RailSlow", "LinkErrorsRising", "LinkErrorsHigh"}, SHORT_SECONDS)

    async def _noisy_hour(self) -> None:
        """Innocent: somebody touches a cable, and for an hour it counts errors."""
        for port in self._cables(1):
            await self._link("link_degraded", port, set(), HOUR, gigabits=400, errors=5)
            self.injected[-1].kind = "noisy_hour"

    # How

    def _add(self, fault: Injected, number: int | None = None) -> None:
        self.injected.append(fault)
        self._open.append((fault, number))

    async def _on(
        self,
        kind: str,
        target: str,
        names: set[str],
        labels: Mapping[str, str],
        *,
        seconds: float = SHORT_SECONDS,
        **options: object,
    ) -> None:
        fault = await self._control.switch_on({"target": target, "kind": kind, **options})
        now = self._world.now
        self._add(Injected(kind=kind, at=now, until=now + seconds, names=frozenset(names), labels=labels), fault.id)

    async def _link(self, kind: str, port: tuple[str, str], names: set[str], seconds: float, **options: object) -> None:
        """At an adapter; whoever tells of it may name either end."""
        node, device = port
        cables = self._world.plant.cables
        ends = {row: end for end, row in cables.rows.items()}
        switch, far = ends[int(cables.twin[cables.rows[port]])]
        at_switch = kind != "link_down"
        labels = {"switch": switch, "port": far} if at_switch else {"node": node, "device": device}
        await self._on(kind, node, names, labels, seconds=seconds, port=device, **options)
        self.injected[-1].server = node

    def _servers(self, count: int, *, hgx: bool = False) -> Iterator[str]:
        free = [each.name for each in self._world.hall.servers if each.name not in self._used]
        known = {each.name: each for each in self._world.hall.servers}
        free = [name for name in free if not hgx or (known[name].model.hgx and known[name].model.gpus == 8)]
        for name in self._rng.permutation(free)[:count].tolist():
            self._used.add(name)
            yield name

    def _cables(self, count: int) -> Iterator[tuple[str, str]]:
        """Rails that are good (two of each hall are old), each of another server."""
        found = 0
        cables = self._world.plant.cables
        ends = {row: end for end, row in cables.rows.items()}
        good = [
            ends[row] for row in cables.adapters.tolist()
            if cables.cabled[row] and not cables.rest_symbol_rate[row] and ends[row][0] not in self._used
        ]  # fmt: skip
        for place in self._rng.permutation(len(good)).tolist():
            if good[place][0] in self._used or found == count:
                continue
            found += 1
            self._used.add(good[place][0])  # the same kind of fault of a server's other cable would end this one
            yield good[place]
