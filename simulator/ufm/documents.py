"""What a UFM tells of the plant, in the members of its REST interface."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from simulator.adapters import adapter_guid, is_infiniband
from simulator.plant.model import Plant, Port, SwitchState

Document = dict[str, Any]
VERSION = {"ufm_release_version": "6.18.0 build 6"}
NOT_KNOWN = "N/A"
_NDR_LANE = 100e9
# More wrong symbols than this in a bit, and UFM raises an alarm.
_HIGH_RATIO = 1e-12


def switches_of(plant: Plant) -> list[SwitchState]:
    """The switches that UFM manages."""
    return [switch for switch in plant.switches if switch.fabric == "infiniband"]


def digits(guid: str) -> str:
    """A GUID as UFM writes it."""
    return guid.removeprefix("0x")


def systems(plant: Plant) -> list[Document]:
    """`resources/systems?type=switch`."""
    return [_system(switch) for switch in switches_of(plant)]


def ports(plant: Plant, *, hosts: bool) -> list[Document]:
    """`resources/ports`: those of the switches, and of the hosts where they are wanted too."""
    found = [_port(switch, port) for switch in switches_of(plant) for port in switch.ports]
    if hosts:
        found += [_host_port(node, port) for node, port in _adapters(plant)]
    return found


def links(plant: Plant) -> list[Document]:
    """`resources/links`: cables with light in them."""
    return [
        _link(switch, port) for switch in switches_of(plant) for port in switch.ports if switch.up and port.up and port.peer
    ]


def alarms(plant: Plant) -> list[Document]:
    """`app/alarms`."""
    found = []
    for switch in switches_of(plant):
        place = f"Switch: {switch.name}"
        for number, supply in enumerate(switch.supplies, start=1):
            if supply.present and not supply.ok:
                reason = f"Module PS {number} on {switch.name}({switch.address}) status is fatal"
                found.append(("Critical", 394, "System Module Error", reason, digits(switch.guid), place))
        for port in switch.ports:
            name = f"{digits(switch.guid)}_{port.index}"
            if port.peer and port.wanted and not port.up:
                found.append(("Minor", 328, "Link is Down", f"Link to {port.peer} went down", name, place))
            elif port.up and port.bit_error_ratio > _HIGH_RATIO:
                reason = f"Symbol BER {port.bit_error_ratio:.0e}"
                found.append(("Warning", 917, "High Symbol BER reported", reason, name, place))
    stamp = datetime.fromtimestamp(plant.now, UTC).strftime("%Y-%m-%d %H:%M:%S")
    members = ("severity", "event_type", "name", "reason", "object_name", "object_path")
    return [
        {"id": number, "timestamp": stamp, "counter": NOT_KNOWN, "event_count": 1, **dict(zip(members, each, strict=True))}
        for number, each in enumerate(found, start=1)
    ]


def _adapters(plant: Plant) -> Iterator[tuple[str, Port]]:
    for node, found in plant.adapters.items():
        yield from ((node, port) for port in found if is_infiniband(port))


def _system(switch: SwitchState) -> Document:
    guid, hottest = digits(switch.guid), max(switch.temperatures.values(), default=None)
    temperature = NOT_KNOWN if hottest is None or not switch.up else f"{hottest:.0f}"
    modules = [_module(switch, "SYSTEM", 1, "OK", temperature), _module(switch, "MGMT", 1, "OK", NOT_KNOWN)]
    for number, supply in enumerate(switch.supplies, start=1):
        status = ("OK" if supply.ok else "fatal") if supply.present else "not present"
        modules.append(_module(switch, "PS", number, status, NOT_KNOWN))
    for number, fan in enumerate(switch.fans, start=1):
        modules.append(_module(switch, "FAN", number, "OK" if fan.ok else "fatal", NOT_KNOWN))
    return {
        "type": "switch",
        "system_name": switch.name,
        "system_guid": guid,
        "guid": guid,
        "name": guid,
        "model": switch.model,
        "description": switch.model,
        "vendor": "NVIDIA",
        "role": "tor",
        "technology": "NDR",
        "state": "active" if switch.up else "disconnected",
        "severity": "Info" if switch.up else "Critical",
        "ip": switch.address,
        "fw_version": "31.2014.2084",
        "sw_version": switch.version,
        "temperature": temperature,
        "total_alarms": 0,
        "modules": modules,
        "ports": [f"{guid}_{port.index}" for port in switch.ports],
    }


def _module(switch: SwitchState, kind: str, number: int, status: str, temperature: str) -> Document:
    return {
        "type": kind,
        "module_index": number,
        "description": f"{kind} - {number}" if kind != "SYSTEM" else kind,
        "name": f"{digits(switch.guid)}_{kind}_{number:02d}",
        "status": status,
        "severity": "Info" if status == "OK" else "Critical",
        "temperature": temperature,
        "serial_number": switch.serial if kind in {"SYSTEM", "MGMT"} else NOT_KNOWN,
        "device_name": switch.name,
        "device_type": "Switch",
    }


def _port(switch: SwitchState, port: Port) -> Document:
    guid, label = digits(switch.guid), port.name.removeprefix("IB")
    return {
        **_state(port, up=port.up and switch.up),
        "name": f"{guid}_{port.index}",
        "guid": guid,
        "systemID": guid,
        "system_name": switch.name,
        "system_guid": guid,
        "number": port.index,
        "external_number": port.index,
        "dname": label,
        "description": "Switch IB Port",
        "node_description": f"{switch.name}:{label}",
        "peer_node_name": port.peer or NOT_KNOWN,
    }


def _host_port(node: str, port: Port) -> Document:
    guid = adapter_guid(node, port.name)
    return {
        **_state(port, up=port.up),
        "name": f"{guid}_1",
        "guid": guid,
        "systemID": guid,
        "system_name": node,
        "number": 1,
        "external_number": 1,
        "dname": f"HCA-{int(port.name.rpartition('_')[2]) + 1}/1",
        "description": "Computer IB Port",
        "node_description": f"{node} {port.name}",
    }


def _state(port: Port, *, up: bool) -> Document:
    physical = "Link Up" if up else "Polling" if port.wanted else "Disabled"
    return {
        "physical_state": physical,
        "logical_state": "Active" if up else "Down",
        "active_speed": "NDR" if up else NOT_KNOWN,
        "active_width": f"{max(1, round(port.speed / _NDR_LANE))}x" if up else NOT_KNOWN,
        "severity": "Info",
        "high_ber_severity": "warning" if up and port.bit_error_ratio > _HIGH_RATIO else NOT_KNOWN,
    }


def _link(switch: SwitchState, port: Port) -> Document:
    guid, label = digits(switch.guid), port.name.removeprefix("IB")
    source = adapter_guid(port.peer, port.peer_port)
    return {
        "name": f"{source}_1:{guid}_{port.index}",
        "source_guid": source,
        "source_port": "1",
        "source_port_dname": f"{port.peer_port}/1",
        "source_port_node_description": f"{port.peer} {port.peer_port}",
        "destination_guid": guid,
        "destination_port": str(port.index),
        "destination_port_dname": label,
        "destination_port_node_description": f"{switch.name}:{label}",
        "width": "4x",
        "severity": "Info",
    }
