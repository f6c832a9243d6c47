"""Parts of a server that fail: fans, memory modules, drives, GPUs. How the controller judges them, and what it says of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from simulator.models import ServerModel
from simulator.site import device_name

if TYPE_CHECKING:
    from simulator.bmc.controller import Controller

Wrong = tuple[str, str, str]
"""Severity, message id and message, as Dell's registry has them."""

INLET_CAUTION_CELSIUS, INLET_CRITICAL_CELSIUS = 38, 42
# Which of Dell's roll-ups a message moves.
_ROLLUPS = {"FAN": ("Fan", "Cooling"), "RDU": ("Cooling",), "MEM": ("SysMem",), "PDR": ("Storage",), "TMP": ("Temp",)}


def sockets(model: ServerModel) -> list[str]:
    """The names of a server's memory modules, half of them at each processor: A1 … B16."""
    return [f"{bank}{number}" for bank in "AB" for number in range(1, model.dimms // 2 + 1)]


def fan_label(number: int) -> str:
    """What Dell calls a rotor, counted from zero: 1A, 1B, 2A …"""
    return f"{number // 2 + 1}{'AB'[number % 2]}"


def stopped_fans(bmc: Controller) -> range:
    """The rotors that stand still, counted from zero."""
    fault = bmc.fault("fan_failed")
    if fault is None:
        return range(0)
    first = int(fault.number("fan")) - 1
    return range(first, first + int(fault.number("count")))


def fan_gone(bmc: Controller, number: int) -> bool:
    """Whether a rotor was pulled out."""
    fault = bmc.fault("fan_failed")
    return fault is not None and fault.number("gone") > 0 and number in stopped_fans(bmc)


def fan_health(bmc: Controller, number: int) -> str | None:
    """Health of a rotor; one that was pulled out has none."""
    if number not in stopped_fans(bmc):
        return "OK"
    return None if fan_gone(bmc, number) else "Critical"


def fan_status(bmc: Controller, number: int) -> dict[str, str | None]:
    """A rotor's Status object."""
    return {"Health": fan_health(bmc, number), "State": "Absent" if fan_gone(bmc, number) else "Enabled"}


def dimm_health(bmc: Controller, socket: str) -> str:
    """Health of a memory module: warned of by many corrected errors, condemned by one that was not."""
    fault = bmc.fault("dimm_errors")
    if fault is None or fault.text("dimm") != socket:
        return "OK"
    return "Critical" if fault.number("uncorrected") else "Warning"


def drive_health(bmc: Controller, bay: int) -> str:
    """Health of a drive of the server's own."""
    fault = bmc.fault("server_drive_failing")
    if fault is None or int(fault.number("bay")) != bay:
        return "OK"
    return "Critical" if fault.number("failed") else "Warning"


def gpu_health(bmc: Controller, number: int) -> str:
    """Health of a GPU, counted from zero: gone, or with errors in its memory."""
    if not bmc.gpu_there(number):
        return "Critical"
    found = "OK"
    for kind, bad in (("gpu_ecc", "uncorrected"), ("gpu_row_remap", "failed")):
        fault = bmc.fault(kind)
        if fault is not None and int(fault.number("gpu")) == number:
            if fault.number(bad):
                return "Critical"
            found = "Warning"
    return found


def inlet_severity(bmc: Controller) -> str:
    """What the controller thinks of the air that it gets."""
    celsius = round(bmc.node("inlet_celsius"))
    return "Critical" if celsius > INLET_CRITICAL_CELSIUS else "Warning" if celsius > INLET_CAUTION_CELSIUS else "OK"


def wrong(bmc: Controller) -> Iterator[Wrong]:
    """What is wrong with these parts now."""
    for number in stopped_fans(bmc):
        if not fan_gone(bmc, number):
            yield "Critical", "FAN0001", f"Fan {fan_label(number)} RPM is less than the lower critical threshold."
    if stopped_fans(bmc):
        yield "Critical", "RDU0002", "The fan redundancy is lost."
    if (fault := bmc.fault("dimm_errors")) is not None:
        yield dimm_message(fault.text("dimm"), uncorrected=fault.number("uncorrected") > 0)
    if (fault := bmc.fault("server_drive_failing")) is not None:
        yield drive_message(int(fault.number("bay")), failed=fault.number("failed") > 0)
    if (severity := inlet_severity(bmc)) != "OK":
        yield inlet_message(severity)
    for number in range(bmc.model.gpus):
        health = gpu_health(bmc, number)
        if health != "OK" and bmc.gpu_there(number):
            yield gpu_message(bmc, number, health)


def dimm_message(socket: str, *, uncorrected: bool) -> Wrong:
    """What is said of a memory module with errors."""
    if uncorrected:
        return "Critical", "MEM0001", f"Multi-bit memory errors detected on a memory device at location DIMM_{socket}."
    return "Warning", "MEM0701", f"Correctable memory error rate exceeded for DIMM_{socket}."


def drive_message(bay: int, *, failed: bool) -> Wrong:
    """What is said of a drive."""
    name = f"PCIe SSD in Slot {bay} in Bay 1"
    if failed:
        return "Critical", "PDR1001", f"Fault detected on drive {name}."
    return "Warning", "PDR16", f"Predictive failure reported for {name}."


def inlet_message(severity: str) -> Wrong:
    """What is said of air that is too warm."""
    message_id, which = ("TMP0121", "critical") if severity == "Critical" else ("TMP0120", "warning")
    return severity, message_id, f"The system inlet temperature is greater than the upper {which} threshold."


def gpu_message(bmc: Controller, number: int, health: str) -> Wrong:
    """What is said of a GPU whose memory has errors."""
    message_id, how = ("HWC9052", "critical") if health == "Critical" else ("HWC9051", "degraded")
    name = device_name(bmc.server, number)
    return health, message_id, f"The health of GPU device {name} is {how} because of memory bit errors."


def rollups(bmc: Controller) -> dict[str, str]:
    """Dell's roll-ups that are not OK."""
    found: dict[str, str] = {}
    for severity, message_id, _ in wrong(bmc):
        for name in _ROLLUPS.get(message_id[:3], ()):
            if found.get(name) != "Critical":
                found[name] = severity
    return found
