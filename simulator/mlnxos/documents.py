"""What a managed switch answers to commands: the tables of its command line as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from simulator.plant.model import Plant, Port, SwitchState

Document = dict[str, Any]
VOLTS = 230.0
CAPACITY_WATTS = 2000


def power(_: Plant, switch: SwitchState) -> Document:
    """`show power`: a supply that is not there has its status only."""
    found: Document = {}
    for number, supply in enumerate(switch.supplies, start=1):
        row = {"Device": "power-mon", "Sensor": "input", "Capacity [Watts]": str(CAPACITY_WATTS), "Feed": "AC"}
        if supply.present:
            watts = supply.watts if supply.ok else 0.0
            row |= {"Power [Watts]": f"{watts:.2f}", "Voltage [Volts]": f"{VOLTS:.2f}", "Current [Amp]": f"{watts / VOLTS:.2f}"}
            row["Status"] = "OK" if supply.ok else "FATAL"
        else:
            row |= {"Power [Watts]": "N/A", "Voltage [Volts]": "N/A", "Current [Amp]": "N/A", "Status": "NOT PRESENT"}
        found[f"PS{number}"] = [row]
    return found


def fan(_: Plant, switch: SwitchState) -> Document:
    """`show fan`."""
    return {
        f"/{each.name}": [
            {"Device": "FAN", "Fan": "F1", "Speed [RPM]": f"{each.rpm:.2f}", "Status": "OK" if each.ok else "FATAL"}
        ]
        for each in switch.fans
    }


def temperature(_: Plant, switch: SwitchState) -> Document:
    """`show temperature`."""
    return {
        "MGMT": [
            {"Component": name, "Reg": "T1", "CurTemp [Celsius]": f"{celsius:.2f}", "Status": "OK"}
            for name, celsius in switch.temperatures.items()
        ]
    }


def version(plant: Plant, switch: SwitchState) -> Document:
    """`show version`."""
    seconds = int(max(0.0, plant.now - switch.started_at))
    days, rest = divmod(seconds, 86400)
    return {
        "Product name": "MLNX-OS",
        "Product release": switch.version,
        "Build ID": "#1-dev",
        "Target arch": "x86_64",
        "Product model": "x86onie",
        "System serial num": switch.serial,
        "Uptime": f"{days}d {rest // 3600}h {rest // 60 % 60}m {rest % 60}.320s",
        "CPU load averages": f"{4 * switch.cpu_ratio:.2f} / {4 * switch.cpu_ratio:.2f} / {4 * switch.cpu_ratio:.2f}",
        "Number of CPUs": "4",
    }


def interfaces(_: Plant, switch: SwitchState) -> Document:
    """`show interfaces ib`."""
    return {port.name: [_interface(port)] for port in switch.ports}


COMMANDS: Mapping[str, Callable[[Plant, SwitchState], Document]] = MappingProxyType(
    {
        "show power": power,
        "show fan": fan,
        "show temperature": temperature,
        "show version": version,
        "show interfaces ib": interfaces,
    }
)


def _interface(port: Port) -> Document:
    physical = "LinkUp" if port.up else "Polling" if port.wanted else "Disabled"
    return {
        "Logical port state": "Active" if port.up else "Down",
        "Physical port state": physical,
        "Current line rate": f"{port.speed / 1e9:.1f} Gbps" if port.up else "N/A",
        "Supported speeds": "sdr, edr, hdr, ndr",
        "Speed": "ndr" if port.up else "N/A",
        "Width": f"{max(1, round(port.speed / 100e9))}X" if port.up else "N/A",
        "Description": port.alias or "N/A",
        "RX": {
            "bytes": str(int(port.receive_bytes)),
            "packets": str(int(port.receive_packets)),
            "errors": str(int(port.receive_errors)),
            "Symbol errors": str(int(port.symbol_errors)),
            "VL15 dropped packets": "0",
        },
        "TX": {
            "bytes": str(int(port.transmit_bytes)),
            "packets": str(int(port.transmit_packets)),
            "wait": str(int(port.wait_ticks)),
            "discarded packets": str(int(port.transmit_discards)),
        },
    }
