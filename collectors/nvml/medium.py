"""What costs a driver call of half a millisecond or more each: processes, video engines, MIG instances."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from collectors.nvml.device import Device
from collectors.nvml.gpm import MIG_METRICS, SM, Gpm, Window
from collectors.nvml.identity import Identity
from collectors.nvml.numbers import percent, text, whole

ENGINES = {
    "encoder": "GetEncoderUtilization",
    "decoder": "GetDecoderUtilization",
    "jpeg": "GetJpgUtilization",
    "ofa": "GetOfaUtilization",
}
# The call without a version raises an error of another family where the driver is older than the binding.
RUNNING = "GetComputeRunningProcesses_v3"
MOST_MIG_DEVICES = 8  # no board has more; a library that counts higher must not keep us for ever


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessReading:
    """A compute process on a GPU."""

    pid: int
    memory_bytes: int | None
    sm_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MigReading:
    """A MIG device: a compute instance in a GPU instance."""

    instance: int
    compute_instance: int
    uuid: str = ""
    profile: str = ""
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    sm_count: int | None = None
    slices: int | None = None
    sm_active_ratio: float | None = None
    processes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumReading:
    """One GPU. `processes` is None where they could not be listed."""

    identity: Identity
    processes: tuple[ProcessReading, ...] | None = None
    engines: Mapping[str, float] = field(default_factory=dict)
    mig: tuple[MigReading, ...] = ()


@dataclass(kw_only=True, eq=False)
class MediumReader:
    """Remembers, for one GPU in one session, the newest process sample seen and the GPM samples of GPU instances."""

    device: Device
    monotonic: Callable[[], float]
    _seen_us: int = 0
    _meters: dict[tuple[int, str], Gpm] = field(default_factory=dict)

    def fetch(self) -> dict[str, Any]:
        """Ask a GPU. Raises `GpuLost`, `LibraryGone`."""
        device = self.device
        mode = device.ask("GetMigMode")
        running = device.ask(RUNNING)
        return {
            "processes": None if running is None else [(entry.pid, entry.usedGpuMemory) for entry in running],
            "utilization": self._utilization() if running else {},
            "engines": {name: (device.ask(call) or (None,))[0] for name, call in ENGINES.items()},
            "mig": self._mig() if mode and mode[0] == 1 else [],
        }

    def free(self) -> None:
        for meter in self._meters.values():
            meter.free()
        self._meters.clear()

    def _utilization(self) -> dict[int, int]:
        """SM utilization by process; NVML answers NOT_FOUND when nothing ran since the time asked for."""
        samples = self.device.find("GetProcessUtilization", self._seen_us) or ()
        self._seen_us = max((sample.timeStamp for sample in samples), default=self._seen_us)
        return {sample.pid: sample.smUtil for sample in sorted(samples, key=lambda sample: int(sample.timeStamp))}

    def _mig(self) -> list[dict[str, Any]]:
        found = []
        for slot in range(min(self.device.ask("GetMaxMigDeviceCount") or 0, MOST_MIG_DEVICES)):
            handle = self.device.find("GetMigDeviceHandleByIndex", slot)
            if handle:
                found.append(self._mig_device(handle))
        alive = {(entry["instance"], entry["uuid"]) for entry in found}
        for key in [key for key in self._meters if key not in alive]:
            self._meters.pop(key).free()  # an instance that is made anew under the same number starts anew
        return found

    def _mig_device(self, handle: Any) -> dict[str, Any]:
        device = self.device
        memory = device.ask("GetMemoryInfo", device.nvml.nvmlMemory_v2, handle=handle, key="mig")
        attributes = device.ask("GetAttributes", handle=handle, key="mig")
        running = device.ask(RUNNING, handle=handle, key="mig")
        instance = device.ask("GetGpuInstanceId", handle=handle, key="mig")
        uuid = text(device.ask("GetUUID", handle=handle, key="mig"))
        return {
            "instance": instance,
            "compute_instance": device.ask("GetComputeInstanceId", handle=handle, key="mig"),
            "uuid": uuid,
            "name": device.ask("GetName", handle=handle, key="mig"),
            "memory": None if memory is None else (memory.total, memory.used),
            "attributes": None
            if attributes is None
            else {
                "sm_count": attributes.multiprocessorCount,
                "gpu_slices": attributes.gpuInstanceSliceCount,
                "compute_slices": attributes.computeInstanceSliceCount,
                "memory_mib": attributes.memorySizeMB,
            },
            "processes": None if running is None else len(running),
            "gpm": None if instance is None else self._meter(instance, uuid).read(),
        }

    def _meter(self, instance: int, uuid: str) -> Gpm:
        meter = self._meters.get((instance, uuid))
        if meter is None:
            meter = Gpm(device=self.device, monotonic=self.monotonic, instance=instance, metrics=MIG_METRICS)
            self._meters[instance, uuid] = meter
        return meter


def parse(identity: Identity, document: Mapping[str, Any]) -> MediumReading:
    """A reading of a document."""
    utilization = document.get("utilization")
    utilization = utilization if isinstance(utilization, Mapping) else {}
    running = document.get("processes")
    engines = document.get("engines")
    engines = engines if isinstance(engines, Mapping) else {}
    mig = document.get("mig")
    return MediumReading(
        identity=identity,
        processes=_processes(running, utilization) if isinstance(running, list) else None,
        engines={name: ratio for name in ENGINES if (ratio := percent(engines.get(name))) is not None},
        mig=tuple(reading for entry in mig if (reading := _mig_reading(entry)) is not None) if isinstance(mig, list) else (),
    )


def _processes(running: list[Any], utilization: Mapping[Any, Any]) -> tuple[ProcessReading, ...]:
    found: dict[int, ProcessReading] = {}
    for entry in running:
        pid, memory = entry if isinstance(entry, tuple) and len(entry) == 2 else (None, None)
        number = whole(pid)
        if number is not None:  # a process in two MIG instances is listed twice; its memory is the sum
            before = found.get(number)
            total = _sum(whole(memory), before.memory_bytes if before else None)
            found[number] = ProcessReading(pid=number, memory_bytes=total, sm_ratio=percent(utilization.get(number)))
    return tuple(found.values())


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


def _mig_reading(entry: Any) -> MigReading | None:
    if not isinstance(entry, Mapping):
        return None
    instance, compute_instance = whole(entry.get("instance")), whole(entry.get("compute_instance"))
    if instance is None or compute_instance is None:
        return None
    memory = entry.get("memory")
    total, used = memory if isinstance(memory, tuple) and len(memory) == 2 else (None, None)
    attributes = entry.get("attributes")
    attributes = attributes if isinstance(attributes, Mapping) else {}
    window = entry.get("gpm")
    return MigReading(
        instance=instance,
        compute_instance=compute_instance,
        uuid=text(entry.get("uuid")),
        profile=profile(text(entry.get("name")), attributes),
        memory_total_bytes=whole(total),
        memory_used_bytes=whole(used),
        sm_count=whole(attributes.get("sm_count")),
        slices=whole(attributes.get("compute_slices")),
        sm_active_ratio=percent(window.values.get(SM)) if isinstance(window, Window) else None,
        processes=whole(entry.get("processes")),
    )


def profile(name: str, attributes: Mapping[str, Any]) -> str:
    """The name that nvidia-smi gives a MIG device: `2g.20gb`, or `1c.2g.20gb` for a part of its GPU instance."""
    _, separator, stated = name.partition(" MIG ")
    if separator:
        return stated
    gpu_slices, compute_slices = whole(attributes.get("gpu_slices")), whole(attributes.get("compute_slices"))
    memory_mib = whole(attributes.get("memory_mib"))
    if gpu_slices is None or memory_mib is None:
        return ""
    part = f"{compute_slices}c." if compute_slices is not None and compute_slices < gpu_slices else ""
    return f"{part}{gpu_slices}g.{math.ceil(memory_mib / 1024)}gb"
