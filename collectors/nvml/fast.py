"""What changes from second to second: power, energy, activity, memory, temperatures, clocks, throttling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from collectors.nvml import gpm, sharing
from collectors.nvml.binding import ALL_LINKS
from collectors.nvml.device import Device, FieldKey
from collectors.nvml.identity import CLOCKS, Identity
from collectors.nvml.numbers import celsius, percent, scaled, signed, whole

ENERGY: FieldKey = (83, 0)
POWER: Mapping[FieldKey, tuple[str, str]] = {
    (185, 0): ("1s", "gpu"),
    (186, 0): ("instant", "gpu"),
    (185, 2): ("1s", "memory"),
    (186, 2): ("instant", "memory"),
    (185, 1): ("1s", "module"),
    (186, 1): ("instant", "module"),
}
LIMITS: Mapping[FieldKey, str] = {
    (187, 0): "min",
    (188, 0): "max",
    (189, 0): "default",
    (190, 0): "enforced",
    (192, 0): "requested",
}
MEMORY_TEMPERATURE: FieldKey = (82, 0)
THROTTLE_TIMES: Mapping[FieldKey, str] = {
    (74, 0): "sw_power_cap",
    (75, 0): "thermal_policy",
    (76, 0): "sync_boost",
    (77, 0): "board_limit",
    (78, 0): "low_utilization",
    (79, 0): "reliability",
    (269, 0): "sw_thermal",
    (270, 0): "hw_thermal",
    (271, 0): "hw_power_brake",
}
PCIE_BYTES: Mapping[FieldKey, str] = {(197, 0): "tx", (198, 0): "rx"}
PCIE_REPLAYS: FieldKey = (94, 0)
NVLINK_KIB: Mapping[FieldKey, str] = {(138, ALL_LINKS): "tx", (139, ALL_LINKS): "rx"}
RECOVERY_ACTION: FieldKey = (230, 0)

FIELDS: tuple[FieldKey, ...] = (
    ENERGY,
    *POWER,
    *LIMITS,
    MEMORY_TEMPERATURE,
    *THROTTLE_TIMES,
    *PCIE_BYTES,
    PCIE_REPLAYS,
    *NVLINK_KIB,
    RECOVERY_ACTION,
)
_WIDE_TYPES = (2, 3, 4)  # NVML_VALUE_TYPE_* of 64 bits
_GPU_SENSOR = 0
_NANOSECOND = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class FastReading:
    """One GPU at one moment, in base units. What was not read is None or has no entry."""

    identity: Identity
    at: float | None = None  # monotonic seconds, of power and energy
    power_watts: Mapping[tuple[str, str], float] = field(default_factory=dict)
    limits_watts: Mapping[str, float] = field(default_factory=dict)
    energy_joules: float | None = None
    utilization_ratio: float | None = None
    memory_utilization_ratio: float | None = None
    memory_total_bytes: int | None = None
    memory_reserved_bytes: int | None = None
    memory_used_bytes: int | None = None
    temperatures_celsius: Mapping[str, float] = field(default_factory=dict)
    margin_celsius: float | None = None
    clocks_hertz: Mapping[str, float] = field(default_factory=dict)
    performance_state: int | None = None
    throttle_reasons: int | None = None
    throttle_seconds: Mapping[str, float] = field(default_factory=dict)
    pcie_bytes: Mapping[str, int] = field(default_factory=dict)
    pcie_replays: int | None = None
    nvlink_bytes: Mapping[str, float] = field(default_factory=dict)
    recovery_action: int | None = None
    activity: Mapping[int, float] = field(default_factory=dict)
    traffic_bytes_per_second: Mapping[tuple[str, str], float] = field(default_factory=dict)
    gpm_window: gpm.Window | None = None
    shared: sharing.SharedReading = field(default_factory=sharing.SharedReading)


def fetch(device: Device, meter: gpm.Gpm) -> dict[str, Any]:
    """Ask a GPU. Raises `GpuLost`, `LibraryGone`."""
    nvml = device.nvml
    asked = meter.monotonic()
    fields = device.fields(FIELDS)
    document: dict[str, Any] = {"fields": fields, "at": (asked + meter.monotonic()) / 2, "gpm": meter.read()}
    rates = device.ask("GetUtilizationRates")
    if rates is not None:
        document["utilization"] = (rates.gpu, rates.memory)
    memory = device.ask("GetMemoryInfo", nvml.nvmlMemory_v2)
    if memory is not None:
        document["memory"] = (memory.total, memory.reserved, memory.used)
    document["temperature"] = device.ask("GetTemperatureV", _GPU_SENSOR)
    if document["temperature"] is None:  # drivers before 570 know only the call that this one replaced
        document["temperature"] = device.ask("GetTemperature", _GPU_SENSOR)
    document["margin"] = device.ask("GetMarginTemperature")
    if document["margin"] is None:
        document["slowdown"] = device.ask("GetTemperatureThreshold", 1)
    document["clocks"] = {domain: device.ask("GetClockInfo", number) for domain, number in CLOCKS.items()}
    document["performance_state"] = device.ask("GetPerformanceState")
    document["reasons"] = device.ask("GetCurrentClocksEventReasons")
    if document["reasons"] is None:  # its name before driver 535
        document["reasons"] = device.ask("GetCurrentClocksThrottleReasons")
    if not any(key in fields for key in POWER):
        document["power_usage_mw"] = device.ask("GetPowerUsage")
    if (190, 0) not in fields:
        document["enforced_mw"] = device.ask("GetEnforcedPowerLimit")
    if (192, 0) not in fields:
        document["requested_mw"] = device.ask("GetPowerManagementLimit")
    if ENERGY not in fields:
        document["energy_mj"] = device.ask("GetTotalEnergyConsumption")
    return document


def energy_joules(device: Device) -> float | None:
    """The energy counter alone, in one call. Raises `GpuLost`, `LibraryGone`."""
    energy = _number(device.fields((ENERGY,)), ENERGY)
    return scaled(device.ask("GetTotalEnergyConsumption") if energy is None else energy, 1e-3)


def parse(identity: Identity, document: Mapping[str, Any]) -> FastReading:
    """A reading of a document. Whatever is missing or no number stays out."""
    raw = document.get("fields")
    fields: Mapping[FieldKey, Any] = raw if isinstance(raw, Mapping) else {}
    window = document.get("gpm")
    window = window if isinstance(window, gpm.Window) else None
    memory = _members(document.get("memory"), 3)
    rates = _members(document.get("utilization"), 2)
    clocks = document.get("clocks")
    temperature = celsius(document.get("temperature"))
    energy = _number(fields, ENERGY)
    at = document.get("at")
    return FastReading(
        identity=identity,
        at=at if isinstance(at, float) else None,
        power_watts=_power(identity, fields, document),
        limits_watts=_limits(identity, fields, document),
        energy_joules=scaled(document.get("energy_mj") if energy is None else energy, 1e-3),
        utilization_ratio=percent(rates[0]),
        memory_utilization_ratio=percent(rates[1]),
        memory_total_bytes=whole(memory[0]),
        memory_reserved_bytes=whole(memory[1]),
        memory_used_bytes=whole(memory[2]),
        temperatures_celsius=_known({"gpu": temperature, "memory": celsius(_number(fields, MEMORY_TEMPERATURE))}),
        margin_celsius=_margin(document, temperature),
        clocks_hertz=_known({name: scaled(mhz, 1e6) for name, mhz in clocks.items()}) if isinstance(clocks, Mapping) else {},
        performance_state=_performance_state(document.get("performance_state")),
        throttle_reasons=whole(document.get("reasons")),
        throttle_seconds=_each(fields, THROTTLE_TIMES, _NANOSECOND),
        pcie_bytes=_pcie_bytes(fields),
        pcie_replays=whole(_number(fields, PCIE_REPLAYS)),
        nvlink_bytes=_each(fields, NVLINK_KIB, 1024),
        recovery_action=whole(_number(fields, RECOVERY_ACTION)),
        activity=_known({metric: percent(value) for metric, value in window.values.items()}) if window else {},
        traffic_bytes_per_second=gpm.traffic(window),
        gpm_window=window,
        shared=sharing.parse(document.get("shared")),
    )


def _power(identity: Identity, fields: Mapping[FieldKey, Any], document: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    found = _each(fields, POWER, 1e-3)
    usage = scaled(document.get("power_usage_mw"), 1e-3)
    if not found and usage is not None:
        found[identity.power_usage_window, "gpu"] = usage
    return found


def _limits(identity: Identity, fields: Mapping[FieldKey, Any], document: Mapping[str, Any]) -> dict[str, float]:
    plain = {"enforced": scaled(document.get("enforced_mw"), 1e-3), "requested": scaled(document.get("requested_mw"), 1e-3)}
    return {**identity.limits, **_known(plain), **_each(fields, LIMITS, 1e-3)}


def _margin(document: Mapping[str, Any], temperature: float | None) -> float | None:
    margin = signed(document.get("margin"))
    if margin is not None:
        return float(margin)
    slowdown = celsius(document.get("slowdown"))
    return None if slowdown is None or temperature is None else slowdown - temperature


def _performance_state(value: Any) -> int | None:
    state = whole(value)
    return state if state is not None and state <= 15 else None  # 32 is "unknown"


def _pcie_bytes(fields: Mapping[FieldKey, Any]) -> dict[str, int]:
    """Only counters of 64 bits: one of 32 wraps several times a second on a busy link, and nobody could tell how often."""
    wide = {key: value for key, value in fields.items() if isinstance(value, tuple) and value and value[0] in _WIDE_TYPES}
    counts = {direction: whole(_number(wide, key)) for key, direction in PCIE_BYTES.items()}
    return {direction: count for direction, count in counts.items() if count is not None}


def _each(fields: Mapping[FieldKey, Any], names: Mapping[FieldKey, Any], factor: float) -> dict[Any, float]:
    return _known({name: scaled(_number(fields, key), factor) for key, name in names.items()})


def _number(fields: Mapping[FieldKey, Any], key: FieldKey) -> Any:
    entry = fields.get(key)
    return entry[1] if isinstance(entry, tuple) and len(entry) == 2 else None


def _known(values: Mapping[Any, float | None]) -> dict[Any, float]:
    return {name: value for name, value in values.items() if value is not None}


def _members(value: Any, count: int) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) and len(value) == count else (None,) * count
