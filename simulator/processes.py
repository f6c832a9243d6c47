"""The processes of jobs: in NVML's state files with their share of the GPU, and in a tree that looks like /proc."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from simulator.lanes import Lane, LaneKind
from simulator.nvml.state import NO_INSTANCE, MigInstance, Process, StateFile
from simulator.physics import Physics
from simulator.site import Server
from simulator.workload import NO_JOB, Job
from simulator.world import World

LANES_PER_SERVER = 16
FIRST_PID = 1000
PIDS = 4_000_000
# How a metric of a MIG instance follows from the activity of its lane: GPM's number, and the share.
GPM_GRAPHICS, GPM_SM, GPM_OCCUPANCY, GPM_TENSOR, GPM_DRAM = 1, 2, 3, 5, 10


def pid_of(job: Job, lane: Lane) -> int:
    """The process of a job on a lane: no other on that server has it at the time."""
    number = job.number or int(job.id)
    return number * LANES_PER_SERVER % PIDS + lane.place % LANES_PER_SERVER + FIRST_PID


class ProcessFeed:
    """Shows who runs where whenever that changes, and how busy each is at every write."""

    def __init__(self, world: World, states: dict[str, StateFile], proc: Path) -> None:
        """Cut the GPUs that are cut, and begin with empty trees under `proc`."""
        self.world = world
        self._states = states
        self._proc = proc
        self._owner = np.full(len(world.lanes), NO_JOB, np.int64)
        self._pids: dict[int, int] = {}
        lanes = world.lanes
        self._of_gpu: dict[int, list[int]] = {}
        for row in range(len(lanes)):
            if lanes[row].gpu is not None:
                self._of_gpu.setdefault(int(lanes.gpu[row]), []).append(row)
        for gpu, rows in self._of_gpu.items():
            if lanes[rows[0]].kind is LaneKind.MIG:
                server, number = self._place(gpu)
                states[server.name].set_mig(number, [_instance(lanes[row]) for row in rows])
        self._split = {gpu: rows for gpu, rows in self._of_gpu.items() if len(rows) > 1}
        for server in world.hall.servers:
            shutil.rmtree(proc / server.name, ignore_errors=True)
            (proc / server.name).mkdir(parents=True)

    def write(self) -> None:
        """Show what changed since the last time."""
        owner = self.world.scheduler.owner[: len(self._owner)]
        changed = np.nonzero(self._owner != owner)[0]
        for row in changed:
            self._follow(int(row))
        for gpu in {int(self.world.lanes.gpu[row]) for row in changed if self.world.lanes[int(row)].gpu is not None}:
            self._show(gpu)
        self._owner = owner.copy()

    def activity(self, server: Server, physics: Physics) -> None:
        """Write how busy the parts of a server's shared GPUs are; call it within an update of its state file."""
        levels, memory = physics.lane_activity.level, self.world.patterns.memory
        running = self.world.patterns.running
        tensor = physics.lane_tensor_active
        columns = self._states[server.name].columns
        for number, rows in enumerate(self._split[gpu] for gpu in server.gpu_rows):
            if self.world.lanes[rows[0]].kind is LaneKind.MIG:
                mig = columns["mig"][number]
                for slot, row in enumerate(rows):
                    level = float(levels[row])
                    shares = {
                        GPM_GRAPHICS: min(1.0, level * 1.05),
                        GPM_SM: 0.92 * level,
                        GPM_OCCUPANCY: 0.4 * level,
                        GPM_TENSOR: float(tensor[row]),
                        GPM_DRAM: 0.6 * level,
                    }
                    for metric, share in shares.items():
                        mig["gpm_percent"][slot, metric] = 100 * share
                    mig["memory_used"][slot] = float(memory[row] * running[row]) * mig["memory_total"][slot]
            else:
                processes = columns["processes"][number]
                held = [row for row in rows if self._owner[row] != NO_JOB]
                for slot, row in enumerate(held):
                    processes["sm"][slot] = round(100 * float(levels[row]) * self.world.lanes[row].weight)
                    processes["mem"][slot] = round(60 * float(levels[row]) * self.world.lanes[row].weight)

    def _place(self, gpu: int) -> tuple[Server, int]:
        server = self.world.hall.servers[int(self.world.physics.node_of[gpu])]
        return server, gpu - server.first_gpu

    def _follow(self, row: int) -> None:
        """Let a lane's process go and come in /proc."""
        lane, job = self.world.lanes[row], self.world.job_of(row)
        root = self._proc / lane.server.name
        if (gone := self._pids.pop(row, None)) is not None:
            shutil.rmtree(root / str(gone), ignore_errors=True)
        if job is None:
            return
        self._pids[row] = pid_of(job, lane)
        folder = root / str(self._pids[row])
        folder.mkdir(exist_ok=True)
        number = job.number or job.id
        (folder / "cgroup").write_text(f"0::/system.slice/slurmstepd.scope/job_{number}/step_0/user/task_0\n", encoding="utf-8")
        (folder / "comm").write_text("python3\n", encoding="utf-8")

    def _show(self, gpu: int) -> None:
        server, number = self._place(gpu)
        state = self._states[server.name]
        found = []
        for row in self._of_gpu[gpu]:
            lane = self.world.lanes[row]
            if row in self._pids:
                total = int(lane.mig.memory_bytes if lane.mig else state.columns["memory_total"][number] * lane.weight)
                instance = NO_INSTANCE if lane.mig is None else lane.mig.gpu_instance
                found.append(
                    Process(
                        pid=self._pids[row],
                        memory_bytes=int(total * self.world.patterns.memory[row]),
                        gpu_instance=instance,
                        compute_instance=NO_INSTANCE if lane.mig is None else 0,
                    )
                )
        state.set_processes(number, found)


def _instance(lane: Lane) -> MigInstance:
    if lane.mig is None:
        raise ValueError(f"lane {lane.place} of {lane.server.name} is no MIG instance")
    return MigInstance(
        uuid=lane.mig.uuid,
        gpu_instance=lane.mig.gpu_instance,
        compute_instance=0,
        memory_bytes=lane.mig.memory_bytes,
        used_bytes=0,
        sm_count=lane.mig.sm_count,
        gpu_slices=lane.mig.slices,
        compute_slices=lane.mig.slices,
    )
