"""The ledger's side of the history: what agents' journals, prologs and Slurm would have told, for the real ledger to post.

Two files: `ledger.npz` has the counters as arrays over time, `ledger.json` says what they belong to, which rows are entries of
which journal (every five minutes, and where a job of the node starts or ends, as an agent thins them out), and has the
boundaries and Slurm's records with the times from and until which Slurm told them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.activity import Integrals
from simulator.lanes import LaneKind
from simulator.schedule import MEMORY_SECONDS
from simulator.slurm import documents
from simulator.slurm.prolog import bodies
from simulator.workload import NO_JOB, Job, Outcome
from simulator.world import Event, World

Floats = NDArray[np.float64]
ENTRY_SECONDS = 60.0
WATT_HOUR = 3600.0
CPU_DOMAINS = ("package-0", "package-1", "dram-0", "dram-1")


class LedgerHistory:
    """Takes rows while the world moves, and writes them."""

    def __init__(self, world: World, entry_seconds: float = ENTRY_SECONDS) -> None:
        """Begin now; listens to the world's jobs from here on. Journals have an entry every `entry_seconds`."""
        self._entry_seconds = entry_seconds
        self.world = world
        self.integrals = world.integrals = Integrals(world.physics, world.lanes)
        world.on_event = self._event
        self._start = world.now
        lanes = world.lanes
        self._shared = [row for row in range(len(lanes)) if lanes[row].kind in (LaneKind.MIG, LaneKind.SHARD)]
        models = [world.hall.servers[int(node)].model.gpu for node in world.physics.node_of]
        self._memory: Floats = np.array([float(model.memory_bytes) if model else 0.0 for model in models])
        self._began = np.zeros(len(lanes))
        self._times: list[float] = []
        self._entries: dict[str, list[int]] = {server.name: [] for server in world.hall.servers}
        self._entry_due = 0.0
        self._rows: dict[str, list[Floats]] = {}
        self._drawn = world.physics.node_joules.copy()
        self._before = np.array([server.energy_before_joules for server in world.hall.servers])
        self._boundaries: list[dict[str, Any]] = []
        self._records: list[dict[str, Any]] = []
        self._open: dict[int, dict[str, Any]] = {}
        self._numbers: dict[int, str] = {}
        for job in world.scheduler.running.values():
            self._record(job, "RUNNING")
        self.take()

    def take(self, nodes: Iterable[str] = ()) -> None:
        """Note what all meters show now; it becomes an entry of the journals of `nodes`, and every five minutes of all."""
        world, physics, integrals = self.world, self.world.physics, self.integrals
        is_new = not self._times or world.now > self._times[-1]
        row_number = len(self._times) - (not is_new)
        if world.now >= self._entry_due:
            nodes, self._entry_due = self._entries, (world.now // self._entry_seconds + 1) * self._entry_seconds
        for node in nodes:
            if row_number not in self._entries[node][-1:]:
                self._entries[node].append(row_number)
        if not is_new:
            return
        seconds = world.now - self._times[-1] if self._times else 1.0
        drawn = physics.node_joules - self._drawn
        self._drawn = physics.node_joules.copy()
        owners = world.scheduler.owner[self._shared]
        holders = [NO_JOB if slot == NO_JOB else world.scheduler.running[int(slot)].number for slot in owners]
        row = {
            "joules": physics.counter_joules,
            "power_joules": physics.gpu_joules,
            "sm_active_seconds": integrals.sm_active,
            "busy_seconds": integrals.busy,
            "tensor_active_seconds": integrals.tensor_active,
            "capped_seconds": integrals.capped.copy(),
            "memory_bytes": physics.memory_used_ratio * self._memory,
            "cpus": np.concatenate([physics.cpu_joules, physics.dram_joules]),
            "node_watts": drawn / seconds if self._times else physics.node_watts.copy(),
            "node_joules": np.floor((self._before + physics.node_joules) / WATT_HOUR) * WATT_HOUR,
            "shares": (integrals.lane - self._began)[self._shared],  # a process' share begins with it
            "holders": np.array(holders, np.int64),
        }
        self._times.append(world.now)
        for name, values in row.items():
            self._rows.setdefault(name, []).append(values)

    def write(self, directory: Path) -> None:
        """Write both files. The last row is an entry of all journals, so that nothing is missing where the live hall begins."""
        for rows in self._entries.values():
            if rows[-1] < len(self._times) - 1:
                rows.append(len(self._times) - 1)
        world, lanes = self.world, self.world.lanes
        columns: dict[str, Any] = {name: np.stack(rows) for name, rows in self._rows.items()}
        np.savez(directory / "ledger.npz", times=np.array(self._times), **columns)
        document = {
            "start": self._start,
            "cpu_domains": CPU_DOMAINS,
            "managed": [server.name for server in world.hall.servers if server.serves_jobs],
            "nodes": [self._node(index) for index in range(len(world.hall.servers))],
            "shares": [
                {
                    "node": lanes[row].server.name,
                    "uuid": lanes[row].server.gpu_uuid(lanes[row].gpu or 0),
                    "mig": mig.holder if (mig := lanes[row].mig) else "",
                }
                for row in self._shared
            ],
            "jobs": self._numbers,
            "boundaries": self._boundaries,
            "records": self._records,
        }
        (directory / "ledger.json").write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")

    def _node(self, index: int) -> dict[str, Any]:
        server, lanes = self.world.hall.servers[index], self.world.lanes
        mine = [lanes[int(row)] for row in lanes.by_server[server.name]]
        return {
            "name": server.name,
            "rows": self._entries[server.name],
            "first_gpu": server.first_gpu,
            "gpus": [
                {
                    "uuid": server.gpu_uuid(number),
                    "index": number,
                    "minor": number,
                    "model": server.model.gpu.name,
                    "memory_bytes": float(server.model.gpu.memory_bytes),
                    "slices": {lane.mig.holder: lane.mig.slices for lane in mine if lane.gpu == number and lane.mig},
                    "mig_uuids": {lane.mig.holder: lane.mig.uuid for lane in mine if lane.gpu == number and lane.mig},
                }
                for number in range(server.model.gpus)
                if server.model.gpu
            ],
        }

    def _event(self, event: Event) -> None:
        job = event.job
        if event.started:
            shards = [int(row) for row in job.rows if self.world.lanes[int(row)].kind is LaneKind.SHARD]
            self._began[shards] = self.integrals.lane[shards]
            self._record(job, "RUNNING")
        else:
            self._record(job, "PENDING" if job.outcome is Outcome.REQUEUED else job.outcome.value)
        self.take({lane.server.name for lane in event.lanes})
        counters = self.world.physics.counter_joules
        for node, body in bodies(event):
            server = self.world.hall.by_name(node)
            if server is None or not server.has_prolog:
                continue
            numbers = sorted({lane.gpu for lane in event.lanes if lane.server is server and lane.gpu is not None})
            joules = {server.gpu_uuid(number): float(counters[server.first_gpu + number]) for number in numbers}
            parts = [lane.mig.uuid for lane in event.lanes if lane.server is server and lane.mig]
            self._boundaries.append({**body, "node": node, "gpus": parts or list(joules), "joules": joules})

    def _record(self, job: Job, state: str) -> None:
        """What Slurm tells of a job from now on; of one that has ended, only for a while."""
        now = self.world.now
        self._numbers[job.number] = job.id
        if (before := self._open.pop(job.number, None)) is not None:
            before["until"] = now
        record = {"from": now, "until": None, "job": documents.job_document(job, self.world.lanes, state)}
        if state not in ("RUNNING", "PENDING"):
            record["until"] = now + MEMORY_SECONDS
        else:
            self._open[job.number] = record
        self._records.append(record)
