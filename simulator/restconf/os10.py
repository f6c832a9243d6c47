"""What an OS10 switch answers under `/restconf/data`: 64-bit numbers as strings, no watts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simulator.plant.model import Port, SwitchState

Document = dict[str, Any]
Route = Callable[[SwitchState], Document]


def equipment(switch: SwitchState) -> Document:
    """`dell-equipment:system`."""
    return {
        "dell-equipment:system": {
            "node": _node(switch),
            "environment": {
                "unit": [{"unit-id": 1, "unit-state": "up", "unit-temp": round(max(switch.temperatures.values(), default=0))}],
                "thermal-sensor": [
                    {"unit-id": 1, "sensor-id": number, "sensor-name": name, "sensor-temp": round(degrees)}
                    for number, (name, degrees) in enumerate(switch.temperatures.items(), start=1)
                ],
            },
            "inventory": {"sw-version": switch.version},
        }
    }


def node(switch: SwitchState) -> Document:
    """`dell-equipment:system/node`."""
    return {"dell-equipment:node": _node(switch)}


def interfaces(switch: SwitchState) -> Document:
    """`ietf-interfaces:interfaces-state/interface`: the ports, and a VLAN that is none."""
    vlan = {"name": "vlan1", "type": "iana-if-type:l2vlan", "admin-status": "up", "oper-status": "up", "statistics": {}}
    return {"ietf-interfaces:interface": [*(_interface(port) for port in switch.ports), vlan]}


def alarms(switch: SwitchState) -> Document:
    """`dell-alarm:alarm-info`: a supply without power is a major alarm, a fan that stands a critical one."""
    major = sum(supply.present and not supply.ok for supply in switch.supplies)
    critical = sum(not fan.ok for fan in switch.fans)
    summary = {"total-count": major + critical, "critical-count": critical, "major-count": major}
    return {"dell-alarm:alarm-info": {"alarm-summary": {**summary, "minor-count": 0, "warning-count": 0}}}


def _node(switch: SwitchState) -> Document:
    made = {"vendor-name": "DELL EMC", "product-name": switch.model, "service-tag": switch.serial}
    return {
        "node-id": 1,
        "mfg-info": made,
        "power-supply": [
            {
                "psu-id": number,
                "status": ("up" if supply.ok else "failed") if supply.present else "not-present",
                **(_supply(supply.ok) if supply.present else {}),
            }
            for number, supply in enumerate(switch.supplies, start=1)
        ],
        "fan-tray": [
            {
                "fan-tray-id": number,
                "status": "up",
                "fan-info": [{"fan-id": 1, "fan-status": "up" if fan.ok else "failed", "fan-speed-rpm": round(fan.rpm)}],
                "air-flow": "NORMAL",
            }
            for number, fan in enumerate(switch.fans, start=1)
        ],
    }


def _supply(ok: bool) -> Document:
    fan = {"fan-id": 1, "fan-status": "up" if ok else "down", "fan-speed-rpm": 8000 if ok else 0}
    return {"power-type": "AC", "fan-info": [fan], "air-flow": "NORMAL"}


def _interface(port: Port) -> Document:
    statistics: Document = {
        "in-octets": str(int(port.receive_bytes)),
        "out-octets": str(int(port.transmit_bytes)),
        "in-discards": int(port.receive_discards),
        "in-errors": int(port.receive_errors),
        "out-discards": int(port.transmit_discards),
        "out-errors": int(port.transmit_errors),
        "dell-interface:in-pkts": str(int(port.receive_packets)),
        "dell-interface:out-pkts": str(int(port.transmit_packets)),
        "dell-interface:ecn-marked-packets": str(int(port.ecn_packets)),
    }
    for short, counts in (("rx", port.pfc_receive), ("tx", port.pfc_transmit)):
        statistics |= {f"dell-interface:pfc-{priority}-{short}-pkts": str(int(count)) for priority, count in enumerate(counts)}
    return {
        "name": port.name,
        "type": "iana-if-type:ethernetCsmacd",
        "admin-status": "up" if port.wanted else "down",
        "oper-status": "up" if port.up else "down",
        "if-index": port.index,
        "speed": str(int(port.speed)),
        "statistics": statistics,
        "dell-ethernet:description": port.alias,
    }


ROUTES: Mapping[str, Route] = {
    "dell-equipment:system": equipment,
    "dell-equipment:system/node": node,
    "ietf-interfaces:interfaces-state/interface": interfaces,
    "dell-alarm:alarm-info": alarms,
}
