"""The writer of a state file: one file a node, read by the node's `libnvidia-ml.so.1`.

Everything numeric is a column over the node's GPUs:

    with state.update():
        state.columns["power_instant_mw"][:] = watts * 1000
        state.advance_gpm(seconds)

What the library itself writes is what somebody sets through NVML: `limit_requested_mw`, and `clock_lock_mhz` (0: no lock).
"""

from __future__ import annotations

import mmap
import os
import uuid as uuids
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from simulator.nvml import layout
from simulator.nvml.profiles import MIB, Profile

NOT_SUPPORTED = 3
XID_EVENT = 0x8
NO_INSTANCE = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """What identifies a GPU. `module_id` is the place on a baseboard; None where the board has none."""

    profile: Profile
    uuid: str
    serial: str
    pci_bus: int
    minor: int
    module_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A compute process. Utilizations in percent."""

    pid: int
    memory_bytes: int
    sm: int = 0
    mem: int = 0
    gpu_instance: int = NO_INSTANCE
    compute_instance: int = NO_INSTANCE
    time_us: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MigInstance:
    """A MIG device: a compute instance in a GPU instance."""

    uuid: str
    gpu_instance: int
    compute_instance: int
    memory_bytes: int
    used_bytes: int
    sm_count: int
    gpu_slices: int
    compute_slices: int


def gpus_of(profile: Profile, count: int, seed: str) -> list[Gpu]:
    """`count` boards of one kind with made-up but repeatable identities."""
    return [
        Gpu(
            profile=profile,
            uuid=f"GPU-{uuids.uuid5(uuids.NAMESPACE_DNS, f'{seed}/gpu{index}')}",
            serial=f"{16500 + sum(seed.encode()):05d}{23 + index:08d}",
            pci_bus=0x18 + 0x15 * index,
            minor=index,
            module_id=index + 1 if profile.fabric else None,
        )
        for index in range(count)
    ]


class StateFile:
    """A mapped state file. Close it (or use `with`) to give the mapping back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self.header: NDArray[Any] = np.frombuffer(self._map, layout.HEADER, count=1)
        if self.header["magic"][0] != layout.MAGIC:
            raise ValueError(f"{path} is no NVML state file of this version: write it anew")
        self.gpus: NDArray[Any] = np.frombuffer(
            self._map, layout.GPU, count=int(self.header["gpu_count"][0]), offset=layout.HEADER.itemsize
        )
        self.columns: Mapping[str, NDArray[Any]] = {name: self.gpus[name] for name in layout.GPU.names or ()}
        self._sequence = self.header["sequence"]

    @classmethod
    def create(cls, path: Path, gpus: Sequence[Gpu], *, driver: str = "570.133.20", cuda: int = 12080) -> StateFile:
        """Write a new file with idle GPUs. Clients of a file that stood there before see their driver go away."""
        if path.exists():
            with cls(path) as previous:
                previous.reload_driver()
        header = np.zeros(1, layout.HEADER)
        header["magic"] = layout.MAGIC
        header["driver_version"] = driver.encode()
        header["nvml_version"] = f"12.{driver}".encode()
        header["cuda_version"] = cuda
        header["gpu_size"] = layout.GPU.itemsize
        header["gpu_count"] = len(gpus)
        rows = np.zeros(len(gpus), layout.GPU)
        for row, gpu in zip(rows, gpus, strict=True):
            _describe(row, gpu)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fresh.write_bytes(header.tobytes() + rows.tobytes())
        fresh.replace(path)
        return cls(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop all views and unmap. Views that somebody kept keep the mapping alive until they go."""
        self.columns = {}
        del self.header, self.gpus, self._sequence
        try:
            self._map.close()
        except BufferError:
            return

    def __len__(self) -> int:
        return len(self.gpus)

    @contextmanager
    def update(self) -> Iterator[StateFile]:
        """Write several values as one: a reader sees all of them or none."""
        self._sequence[0] += 1
        try:
            yield self
        finally:
            self._sequence[0] += 1

    def advance_gpm(self, seconds: float) -> None:
        """Integrate `gpm_percent` over the time that passed; GPM's values are averages between two samples."""
        columns = self.columns
        columns["gpm_percent_seconds"][:] += columns["gpm_percent"] * seconds
        columns["gpm_seconds"][:] += seconds
        columns["mig"]["gpm_percent_seconds"][:] += columns["mig"]["gpm_percent"] * seconds

    def enforced_limits_mw(self) -> NDArray[np.int64]:
        """The limit in force of each GPU: what was requested through NVML, or out of band where that is lower."""
        requested, other = self.columns["limit_requested_mw"], self.columns["limit_out_of_band_mw"]
        limits: NDArray[np.int64] = np.where(other > 0, np.minimum(requested, other), requested)
        return limits

    def set_processes(self, gpu: int, processes: Sequence[Process]) -> None:
        """Replace the compute processes of a GPU."""
        if len(processes) > layout.MAX_PROCESSES:
            raise ValueError(f"{len(processes)} processes on one GPU; the state file holds {layout.MAX_PROCESSES}")
        rows = self.gpus[gpu]["processes"]
        with self.update():
            for row, process in zip(rows, processes, strict=False):
                row["pid"], row["memory"] = process.pid, process.memory_bytes
                row["sm"], row["mem"], row["time_us"] = process.sm, process.mem, process.time_us
                row["gpu_instance"], row["compute_instance"] = process.gpu_instance, process.compute_instance
            self.gpus[gpu]["process_count"] = len(processes)

    def set_mig(self, gpu: int, instances: Sequence[MigInstance] | None) -> None:
        """Switch MIG on with these instances, or off with None."""
        if instances and len(instances) > layout.MAX_MIG:
            raise ValueError(f"{len(instances)} MIG instances on one GPU; the state file holds {layout.MAX_MIG}")
        target = self.gpus[gpu]
        with self.update():
            target["mig"] = np.zeros(layout.MAX_MIG, layout.MIG)
            for row, instance in zip(target["mig"], instances or (), strict=False):
                row["uuid"] = instance.uuid.encode()
                row["gpu_instance"], row["compute_instance"] = instance.gpu_instance, instance.compute_instance
                row["memory_total"], row["memory_used"] = instance.memory_bytes, instance.used_bytes
                row["sm_count"] = instance.sm_count
                row["gpu_slices"], row["compute_slices"] = instance.gpu_slices, instance.compute_slices
            target["mig_count"] = len(instances or ())
            target["mig_mode"] = target["mig_pending"] = int(instances is not None)

    def push_event(
        self,
        gpu: int,
        data: int,
        *,
        kind: int = XID_EVENT,
        gpu_instance: int = NO_INSTANCE,
        compute_instance: int = NO_INSTANCE,
    ) -> None:
        """Raise an event (an XID unless `kind` says otherwise). Those who registered before see it, nobody else."""
        count = int(self.header["event_count"][0])
        event = self.header["events"][0, count % layout.MAX_EVENTS]
        event["gpu"], event["type"], event["data"] = gpu, kind, data
        event["gpu_instance"], event["compute_instance"] = gpu_instance, compute_instance
        self.header["event_count"][0] = count + 1

    def fail(self, gpu: int, call: str, code: int) -> None:
        """Let one NVML function fail for a GPU with a code of nvmlReturn_t; 0 heals it."""
        self.gpus[gpu]["call_result"][layout.CALLS.index(call)] = _byte(code)

    def fail_field(self, gpu: int, field_id: int, code: int) -> None:
        """Let one field of nvmlDeviceGetFieldValues fail with a code of nvmlReturn_t; 0 heals it."""
        self.gpus[gpu]["field_result"][field_id] = _byte(code)

    def delay(self, call: str, microseconds: int) -> None:
        """Let one NVML function take longer."""
        self.header["delay_us"][0, layout.CALLS.index(call)] = microseconds

    def break_library(self, code: int) -> None:
        """Let every function fail with a code of nvmlReturn_t (9: driver not loaded); 0 heals it."""
        self.header["library_error"][0] = code

    def reload_driver(self) -> None:
        """Unload and load the driver: clients have to initialise again, energy counters and limits start anew."""
        columns = self.columns
        with self.update():
            columns["energy_mj"][:] = 0
            columns["limit_requested_mw"][:] = columns["limit_default_mw"]
            columns["clock_lock_mhz"][:] = 0
            self.header["driver_generation"][0] += 1


def _byte(code: int) -> int:
    return min(code, layout.UNKNOWN_ERROR)


def _describe(row: Any, gpu: Gpu) -> None:
    profile = gpu.profile
    for name in ("name", "uuid", "serial"):
        row[name] = (profile.name if name == "name" else getattr(gpu, name)).encode()
    row["vbios"] = b"96.00.74.00.01" if profile.architecture == 9 else b"95.02.66.00.02"
    row["inforom"], row["board_part_number"] = b"G520.0200.00.05", b"692-2G520-0200-000"
    row["present"], row["minor"], row["architecture"], row["brand"] = 1, gpu.minor, profile.architecture, 14
    row["module_id"] = -1 if gpu.module_id is None else gpu.module_id
    row["compute_major"], row["compute_minor"] = profile.compute
    row["pci_bus"], row["pci_device_id"], row["pci_subsystem_id"] = gpu.pci_bus, profile.pci_device_id, 0x16C110DE
    row["persistence_mode"] = row["ecc_mode"] = 1
    row["gpm_supported"] = int(profile.gpm)
    idle_mw = profile.idle_watts * 1000
    row["power_average_mw"] = row["power_instant_mw"] = idle_mw
    memory_mw = idle_mw * 6 // 10 if profile.memory_power else -1
    row["memory_power_average_mw"] = row["memory_power_instant_mw"] = memory_mw
    row["limit_requested_mw"] = row["limit_default_mw"] = row["limit_max_mw"] = profile.power_max_watts * 1000
    row["limit_min_mw"] = profile.power_min_watts * 1000
    row["memory_total"], row["memory_reserved"] = profile.memory_mib * MIB, profile.reserved_mib * MIB
    row["bar1_total"] = 131072 * MIB
    row["temperature"], row["temperature_memory"] = 31, 38 if profile.memory_temperature else -1
    for threshold in ("shutdown", "slowdown", "gpu_max", "memory_max"):
        row[f"threshold_{threshold}"] = getattr(profile, f"threshold_{threshold}")
    row["clock_graphics"] = row["clock_sm"] = 345 if profile.gpm else 210
    row["clock_memory"], row["clock_video"] = (profile.clock_memory if profile.gpm else 405), 765
    row["clock_max_graphics"] = row["clock_max_sm"] = profile.clock_sm
    row["clock_max_memory"], row["clock_max_video"] = profile.clock_memory, profile.clock_video
    row["performance_state"], row["throttle_reasons"] = 0 if profile.gpm else 8, 1
    row["remap_banks_max"] = 2560 if profile.gpm else 192
    row["pcie_generation"] = row["pcie_generation_max"] = profile.pcie_generation
    row["pcie_width"] = row["pcie_width_max"] = 16
    row["nvlink_count"], row["nvlink_mbps"] = profile.nvlinks, profile.nvlink_mbps
    row["nvlink_active_mask"] = (1 << profile.nvlinks) - 1
    # Degraded bandwidth: no; route recovery: no; route: healthy; access time-out recovery: no; configuration: none wrong.
    row["fabric_state"], row["fabric_health_mask"] = (3, 0x1AA) if profile.fabric else (0, 0)
    for call in profile.unsupported_calls:
        row["call_result"][layout.CALLS.index(call)] = NOT_SUPPORTED
    row["field_result"][list(profile.unsupported_fields)] = NOT_SUPPORTED
    if not profile.mig:
        row["mig_mode"] = row["mig_pending"] = 0
