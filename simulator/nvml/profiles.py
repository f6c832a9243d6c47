"""Boards as NVML sees them: limits, clocks, memory, and what each does not support."""

from __future__ import annotations

from dataclasses import dataclass, field

MIB = 1024**2

_RETIRED_PAGES = (29, 30, 31, 92, 93)
_NVLINK = (*range(32, 74), 90, 91, *range(96, 132), *range(138, 142), *range(146, 169))
_BLACKWELL = (*range(201, 226), *range(251, 269), *range(272, 308))


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A board. Powers in watts, clocks in MHz, memory in MiB; boards with HBM have `memory_power`, `memory_temperature`."""

    key: str
    name: str
    architecture: int
    compute: tuple[int, int]
    pci_device_id: int
    memory_mib: int
    reserved_mib: int
    power_min_watts: int
    power_max_watts: int
    idle_watts: int
    clock_sm: int
    clock_memory: int
    clock_video: int
    threshold_shutdown: int
    threshold_slowdown: int
    threshold_gpu_max: int
    threshold_memory_max: int
    pcie_generation: int
    nvlinks: int = 0
    nvlink_mbps: int = 0
    fabric: bool = False
    gpm: bool = False
    mig: bool = False
    memory_power: bool = False
    memory_temperature: bool = False
    sm_count: int = 0
    unsupported_calls: tuple[str, ...] = ()
    unsupported_fields: tuple[int, ...] = field(default=())

    def has_call(self, name: str) -> bool:
        return name not in self.unsupported_calls


_HOPPER_CALLS = ("nvmlDeviceGetRetiredPages", "nvmlDeviceGetFanSpeed")
_ADA_CALLS = (
    *_HOPPER_CALLS,
    "nvmlGpmSampleGet",
    "nvmlGpmMigSampleGet",
    "nvmlDeviceGetMigMode",
    "nvmlDeviceGetNvLinkState",
    "nvmlDeviceGetGpuFabricInfo",
    "nvmlDeviceGetModuleId",
)

H100_SXM = Profile(
    key="h100-sxm",
    name="NVIDIA H100 80GB HBM3",
    architecture=9,
    compute=(9, 0),
    pci_device_id=0x233010DE,
    memory_mib=81559,
    reserved_mib=551,
    power_min_watts=200,
    power_max_watts=700,
    idle_watts=70,
    clock_sm=1980,
    clock_memory=2619,
    clock_video=1545,
    threshold_shutdown=95,
    threshold_slowdown=89,
    threshold_gpu_max=87,
    threshold_memory_max=95,
    pcie_generation=5,
    nvlinks=18,
    nvlink_mbps=26562,
    fabric=True,
    gpm=True,
    mig=True,
    memory_power=True,
    memory_temperature=True,
    sm_count=132,
    unsupported_calls=_HOPPER_CALLS,
    unsupported_fields=(*_RETIRED_PAGES, *_BLACKWELL),
)
H100_PCIE = Profile(
    key="h100-pcie",
    name="NVIDIA H100 PCIe",
    architecture=9,
    compute=(9, 0),
    pci_device_id=0x233110DE,
    memory_mib=81559,
    reserved_mib=551,
    power_min_watts=200,
    power_max_watts=350,
    idle_watts=48,
    clock_sm=1755,
    clock_memory=1593,
    clock_video=1545,
    threshold_shutdown=95,
    threshold_slowdown=90,
    threshold_gpu_max=87,
    threshold_memory_max=95,
    pcie_generation=5,
    gpm=True,
    mig=True,
    memory_power=True,
    memory_temperature=True,
    sm_count=114,
    unsupported_calls=(
        *_HOPPER_CALLS,
        "nvmlDeviceGetNvLinkState",
        "nvmlDeviceGetGpuFabricInfo",
        "nvmlDeviceGetModuleId",
    ),
    unsupported_fields=(*_RETIRED_PAGES, *_NVLINK, *_BLACKWELL),
)
L40 = Profile(
    key="l40",
    name="NVIDIA L40",
    architecture=8,
    compute=(8, 9),
    pci_device_id=0x26B510DE,
    memory_mib=46068,
    reserved_mib=609,
    power_min_watts=100,
    power_max_watts=300,
    idle_watts=35,
    clock_sm=2490,
    clock_memory=9001,
    clock_video=1950,
    threshold_shutdown=98,
    threshold_slowdown=95,
    threshold_gpu_max=87,
    threshold_memory_max=105,
    pcie_generation=4,
    sm_count=142,
    unsupported_calls=_ADA_CALLS,
    unsupported_fields=(*_RETIRED_PAGES, *_NVLINK, *_BLACKWELL),
)
L4 = Profile(
    key="l4",
    name="NVIDIA L4",
    architecture=8,
    compute=(8, 9),
    pci_device_id=0x27B810DE,
    memory_mib=23034,
    reserved_mib=434,
    power_min_watts=40,
    power_max_watts=72,
    idle_watts=13,
    clock_sm=2040,
    clock_memory=6251,
    clock_video=1770,
    threshold_shutdown=97,
    threshold_slowdown=94,
    threshold_gpu_max=85,
    threshold_memory_max=105,
    pcie_generation=4,
    sm_count=58,
    unsupported_calls=_ADA_CALLS,
    unsupported_fields=(*_RETIRED_PAGES, *_NVLINK, *_BLACKWELL),
)

PROFILES = {profile.key: profile for profile in (H100_SXM, H100_PCIE, L40, L4)}
