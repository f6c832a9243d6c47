"""What a temperature sensor stands for, by its name and, where the name says nothing, by its PhysicalContext.

Names come first because contexts lie: a Dell inlet sensor is in the context SystemBoard, every sensor of a DGX in Intake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_NAMES = tuple(
    (re.compile(pattern), role)
    for pattern, role in (
        (r"^vr|_vr|vrm|retimer|pex_?sw|pcie_?sw|nvswitch|_nvs\d|fpga|hsc|pcb|pch|bmc|^hgx.*inlet|_gb\d?_inlet", "board"),
        (r"inlet|intake|ambient", "inlet"),
        (r"exhaust|outlet", "exhaust"),
        (r"gpu|sxm", "gpu"),
        (r"dimm|dram|memory|cpu\d_[a-p]{4}$", "memory"),
        (r"cpu", "cpu"),
        (r"nvme|ssd|m\.2|disk|drive|hdd", "storage"),
        (r"psu|^ps\d|power_?supply", "psu"),
    )
)
_CONTEXTS = {
    "Intake": "inlet",
    "Room": "inlet",
    "Exhaust": "exhaust",
    "CPU": "cpu",
    "Memory": "memory",
    "MemorySubsystem": "memory",
    "GPU": "gpu",
    "GPUSubsystem": "board",
    "StorageDevice": "storage",
    "PowerSupply": "psu",
    "SystemBoard": "board",
    "Chassis": "board",
    "VoltageRegulator": "board",
}
# A device with this many sensors, all in one context, does not know its contexts.
_MANY = 8
# NVIDIA's distance to the slowdown temperature, shown among temperatures: TLIMIT_GB_SXM1 of a DGX equals TEMP_1 of its
# baseboard's GPU, whose lower thresholds are 0, -2 and -8 and which falls as the GPU gets hotter.
_MARGIN = re.compile(r"tlimit|^hgx_gpu.*_temp_1$", re.IGNORECASE)


def is_margin(name: str) -> bool:
    """Whether the sensor shows a distance to a limit and no temperature."""
    return _MARGIN.search(name) is not None


def role_of(name: str, context: str) -> str:
    """inlet, exhaust, cpu, memory, gpu, storage, psu, board or other."""
    lower = name.lower()
    found = next((role for pattern, role in _NAMES if pattern.search(lower)), None)
    return found or _CONTEXTS.get(context, "other")


def trusted_contexts(contexts: Iterable[str]) -> bool:
    """Whether a device's contexts tell its sensors apart."""
    found = list(contexts)
    return len(found) < _MANY or len(set(found)) > 1
