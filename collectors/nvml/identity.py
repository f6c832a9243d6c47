"""What a GPU is: read once a session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from collectors.nvml.device import Device
from collectors.nvml.numbers import text, whole

ARCHITECTURES = {
    2: "kepler",
    3: "maxwell",
    4: "pascal",
    5: "volta",
    6: "turing",
    7: "ampere",
    8: "ada",
    9: "hopper",
    10: "blackwell",
    13: "rubin",
}
AMPERE = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A GPU. Empty text where the board does not say."""

    index: int
    uuid: str
    model: str = ""
    serial: str = ""
    pci_bus_id: str = ""
    minor: str = ""
    module_id: str = ""
    architecture: str = ""
    vbios: str = ""
    driver: str = ""
    power_usage_window: str = "instant"
    limits: Mapping[str, float] = field(default_factory=dict)
    clocks_max_hertz: Mapping[str, float] = field(default_factory=dict)


def fetch(device: Device, driver: str) -> dict[str, Any]:
    """Everything that does not change while the driver is loaded."""
    pci = device.ask("GetPciInfo")
    return {
        "index": device.index,
        "uuid": device.uuid,
        "name": device.ask("GetName"),
        "serial": device.ask("GetSerial"),
        "bus_id": None if pci is None else pci.busId,
        "minor": device.ask("GetMinorNumber"),
        "module_id": device.ask("GetModuleId"),
        "architecture": device.ask("GetArchitecture"),
        "vbios": device.ask("GetVbiosVersion"),
        "driver": driver,
        "limit_range_mw": device.ask("GetPowerManagementLimitConstraints"),
        "limit_default_mw": device.ask("GetPowerManagementDefaultLimit"),
        "clocks_max_mhz": {domain: device.ask("GetMaxClockInfo", number) for domain, number in CLOCKS.items()},
    }


CLOCKS = {"graphics": 0, "sm": 1, "memory": 2, "video": 3}


def parse(document: Mapping[str, Any]) -> Identity:
    """An identity of a document."""
    architecture = whole(document.get("architecture"))
    model = text(document.get("name"))
    ranges = document.get("limit_range_mw")
    low, high = ranges if isinstance(ranges, list | tuple) and len(ranges) == 2 else (None, None)
    limits = {"min": whole(low), "max": whole(high), "default": whole(document.get("limit_default_mw"))}
    clocks = document.get("clocks_max_mhz")
    clocks = clocks if isinstance(clocks, Mapping) else {}
    return Identity(
        index=whole(document.get("index")) or 0,
        uuid=text(document.get("uuid")),
        model=model,
        serial=text(document.get("serial")),
        pci_bus_id=text(document.get("bus_id")),
        minor=text(whole(document.get("minor"))),
        module_id=text(whole(document.get("module_id"))),
        architecture=ARCHITECTURES.get(architecture or 0, ""),
        vbios=text(document.get("vbios")),
        driver=text(document.get("driver")),
        power_usage_window=power_usage_window(architecture, model),
        limits={kind: value / 1000 for kind, value in limits.items() if value is not None},
        clocks_max_hertz={name: mhz * 1e6 for name in CLOCKS if (mhz := whole(clocks.get(name))) is not None},
    )


def power_usage_window(architecture: int | None, model: str) -> str:
    """What nvmlDeviceGetPowerUsage means: an average over 1 s since Ampere, GA100 excepted; the instant before (nvml.h)."""
    is_ga100 = any(name in model for name in ("A100", "A30", "A800"))
    return "1s" if architecture is not None and architecture >= AMPERE and not is_ga100 else "instant"
