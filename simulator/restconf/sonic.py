"""What an Enterprise SONiC switch answers under `/restconf/data`: OpenConfig, its floats as base64 of four bytes."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any

from simulator.plant.model import Port, SwitchState

Document = dict[str, Any]
Route = Callable[[SwitchState], Document]

# What a supply makes of its input at the loads of a switch.
EFFICIENCY = 0.94
_ACTIVE, _DISABLED = "openconfig-platform-types:ACTIVE", "openconfig-platform-types:DISABLED"
_KINDS = "openconfig-platform-types:"
_OUTPUT_VOLTS = 12.0
_SUPPLY_RPM = 8000.0


def components(switch: SwitchState) -> Document:
    """`openconfig-platform:components`: optics, the board's memory and the software among what is measured."""
    return {"openconfig-platform:components": {"component": _components(switch)}}


def component(switch: SwitchState, name: str) -> Document | None:
    """`openconfig-platform:components/component=NAME`; None where there is none of that name."""
    found = [entry for entry in _components(switch) if entry["name"] == name]
    return {"openconfig-platform:component": found} if found else None


def interfaces(switch: SwitchState) -> Document:
    """`openconfig-interfaces:interfaces`."""
    return {"openconfig-interfaces:interfaces": {"interface": [*map(_interface, switch.ports), {"name": "Vlan1"}]}}


def queues(switch: SwitchState) -> Document:
    """`openconfig-qos:qos/interfaces/interface`."""
    return {"openconfig-qos:interface": [*map(_queued, switch.ports), {"interface-id": "CPU"}]}


def float32(value: float) -> str:
    """`ieeefloat32` in JSON: big-endian bytes in base64."""
    return base64.b64encode(struct.pack(">f", value)).decode()


def _components(switch: SwitchState) -> list[Document]:
    eeprom = {
        "name": "System Eeprom",
        "state": {"name": "System Eeprom", "part-no": switch.model, "serial-no": switch.serial, "empty": False},
    }
    software = {"name": "Software", "openconfig-platform-ext:software": {"product-version": switch.version}}
    optics = [
        {
            "name": port.name,
            "openconfig-platform-transceiver:transceiver": {"state": {"openconfig-platform-ext:present": True}},
            "state": {"temperature": {"openconfig-platform-ext:current": f"{port.optic_celsius:.2f}"}},
        }
        for port in switch.ports
        if port.optic_celsius is not None
    ]
    sensors = [_sensor(*each) for each in enumerate(switch.temperatures.items(), start=1)]
    return [eeprom, software, *_supplies(switch), *_fans(switch), *sensors, *optics]


def _supplies(switch: SwitchState) -> list[Document]:
    found = []
    for number, supply in enumerate(switch.supplies, start=1):
        name = f"PSU {number}"
        state = {"name": name, "type": f"{_KINDS}POWER_SUPPLY", "empty": not supply.present}
        state["oper-status"] = _ACTIVE if supply.present and supply.ok else _DISABLED
        watts = supply.watts * EFFICIENCY
        told = {
            "openconfig-platform-psu:output-power": float32(watts),
            "openconfig-platform-psu:output-voltage": float32(_OUTPUT_VOLTS),
            "openconfig-platform-psu:output-current": float32(watts / _OUTPUT_VOLTS),
        }
        found.append({"name": name, "state": state, "power-supply": {"state": told if supply.present else {}}})
    return found


def _fans(switch: SwitchState) -> list[Document]:
    """Those of the trays, and one in each supply."""
    trays = [_fan(f"FAN {number}", fan.rpm, ok=fan.ok) for number, fan in enumerate(switch.fans, start=1)]
    supplies = [(number, supply) for number, supply in enumerate(switch.supplies, start=1) if supply.present]
    return trays + [_fan(f"PSU {number} FAN 1", _SUPPLY_RPM if supply.ok else 0.0, ok=supply.ok) for number, supply in supplies]


def _fan(name: str, rpm: float, *, ok: bool) -> Document:
    status = _ACTIVE if ok else _DISABLED
    told = {"openconfig-platform-fan:speed": round(rpm), "openconfig-platform-ext:direction": "EXHAUST"}
    return {
        "name": name,
        "state": {"name": name, "type": f"{_KINDS}FAN", "empty": False, "oper-status": status},
        "fan": {"state": told},
    }


def _sensor(number: int, sensor: tuple[str, float]) -> Document:
    name, degrees = sensor
    temperature = {"openconfig-platform-ext:current": f"{degrees:.1f}"}
    return {"name": f"TEMP {number}", "state": {"name": name, "type": f"{_KINDS}SENSOR", "temperature": temperature}}


def _interface(port: Port) -> Document:
    counters = {
        "in-octets": str(int(port.receive_bytes)),
        "out-octets": str(int(port.transmit_bytes)),
        "in-pkts": str(int(port.receive_packets)),
        "out-pkts": str(int(port.transmit_packets)),
        "in-errors": str(int(port.receive_errors)),
        "out-errors": str(int(port.transmit_errors)),
        "in-discards": str(int(port.receive_discards)),
        "out-discards": str(int(port.transmit_discards)),
    }
    state: Document = {
        "name": port.name,
        "admin-status": "UP" if port.wanted else "DOWN",
        "oper-status": "UP" if port.up else "DOWN",
        "description": port.alias,
        "ifindex": port.index,
        "counters": counters,
    }
    speed = {"port-speed": f"openconfig-if-ethernet:SPEED_{round(port.speed / 1e9)}GB"} if port.speed else {}
    return {"name": port.name, "state": state, "openconfig-if-ethernet:ethernet": {"state": speed}}


def _queued(port: Port) -> Document:
    priorities = [
        {
            "dot1p": priority,
            "state": {
                "dot1p": priority,
                "enable": priority == 3,
                "statistics": {
                    "pause-frames-rx": str(int(port.pfc_receive[priority])),
                    "pause-frames-tx": str(int(port.pfc_transmit[priority])),
                },
            },
        }
        for priority in range(8)
    ]
    # The third queue is the one of RoCE, and the only one that marks.
    output = [
        {"name": f"{port.name}:{queue}", "state": {"ecn-marked-pkts": str(int(port.ecn_packets) if queue == 3 else 0)}}
        for queue in range(8)
    ]
    return {
        "interface-id": port.name,
        "openconfig-qos-ext:pfc": {"pfc-priorities": {"pfc-priority": priorities}},
        "output": {"queues": {"queue": output}},
    }


_NAMED = re.compile(r"openconfig-platform:components/component=(.+)")
ROUTES: Mapping[str, Route] = {
    "openconfig-platform:components": components,
    "openconfig-interfaces:interfaces": interfaces,
    "openconfig-qos:qos/interfaces/interface": queues,
}


def named(path: str) -> str:
    """The component that a path asks for; empty where it asks for something else."""
    found = _NAMED.fullmatch(path)
    return found[1] if found else ""
