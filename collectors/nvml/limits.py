"""What bounds a GPU: reading its power limits, setting them, and locking its clocks. Settings take root, or CAP_SYS_ADMIN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from collectors.nvml.binding import mapped
from collectors.nvml.device import Device, FieldKey
from collectors.nvml.fast import LIMITS
from collectors.nvml.numbers import scaled

_FIELDS: tuple[FieldKey, ...] = tuple(LIMITS)
# A clock may fall as far as it likes; only its top is bound.
_LOWEST_MHZ = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Power limits of a GPU in watts. None where the board does not say: one without power management says nothing."""

    enforced: float | None = None
    """The lowest of all that were set, in band and out of band."""
    requested: float | None = None
    """What was set in band."""
    low: float | None = None
    high: float | None = None
    default: float | None = None


def read(device: Device) -> Limits:
    """The limits of this moment. Raises `GpuLost`, `LibraryGone`."""
    found = {LIMITS[key]: scaled(raw[1], 1e-3) for key, raw in device.fields(_FIELDS).items()}
    bounds = None if "min" in found and "max" in found else device.ask("GetPowerManagementLimitConstraints")
    low, high = bounds if isinstance(bounds, list | tuple) and len(bounds) == 2 else (None, None)
    return Limits(
        enforced=_or(found.get("enforced"), device, "GetEnforcedPowerLimit"),
        requested=_or(found.get("requested"), device, "GetPowerManagementLimit"),
        low=found.get("min", scaled(low, 1e-3)),
        high=found.get("max", scaled(high, 1e-3)),
        default=_or(found.get("default"), device, "GetPowerManagementDefaultLimit"),
    )


def set_watts(device: Device, watts: float) -> None:
    """Set the limit in band. Raises `CollectError` with what the driver said; what is in force then has to be read."""
    _do(device, "SetPowerManagementLimit", round(watts * 1000))


def lock_clock(device: Device, megahertz: float | None) -> None:
    """Let the clock rise to so much at most, or with None as far as it can. NVML has no way to read it back."""
    if megahertz is None:
        _do(device, "ResetGpuLockedClocks")
    else:
        _do(device, "SetGpuLockedClocks", _LOWEST_MHZ, round(megahertz))


def _or(known: float | None, device: Device, call: str) -> float | None:
    return scaled(device.ask(call), 1e-3) if known is None else known


def _do(device: Device, call: str, *arguments: Any) -> None:
    # Not through `ask`: a refusal to set something must be heard each time, whatever was learnt before.
    try:
        getattr(device.nvml, "nvmlDevice" + call)(device.handle, *arguments)
    except device.nvml.NVMLError as error:
        raise mapped(error, f"nvmlDevice{call} of {device.name}") from error
