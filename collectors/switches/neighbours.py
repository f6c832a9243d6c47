"""Neighbours by LLDP-MIB: who announced itself at the other end of which port."""

from __future__ import annotations

from collections.abc import Mapping

from collectors.snmp import Rows, Value, text, whole
from collectors.switches.readings import Neighbour

_LLDP = "1.0.8802.1.1.2.1"
LOCAL = {"id": f"{_LLDP}.3.7.1.3"}
REMOTE = {
    "kind": f"{_LLDP}.4.1.1.6",
    "port": f"{_LLDP}.4.1.1.7",
    "description": f"{_LLDP}.4.1.1.8",
    "system": f"{_LLDP}.4.1.1.9",
}
_NAMES_AN_INTERFACE = frozenset({1, 5})  # interfaceAlias, interfaceName; others are addresses and numbers


def parsed(local: Rows, remote: Rows, ports: Mapping[str, str]) -> tuple[Neighbour, ...]:
    """The newest neighbour of each port that told its name. `ports` are names by ifIndex."""
    newest: dict[str, tuple[int, Neighbour]] = {}
    known = set(ports.values())
    for index, row in remote.items():
        steps = index.split(".")  # time mark, local port, number of the neighbour
        system = text(row.get("system"))
        if len(steps) != 3 or not steps[0].isdecimal() or not system or system == "Not Advertised":
            continue
        announced = text(local.get(steps[1], {}).get("id"))
        port = announced if announced in known else ports.get(steps[1], announced)
        if port and (port not in newest or newest[port][0] < int(steps[0])):
            newest[port] = int(steps[0]), Neighbour(port=port, system=system, device=_device(row))
    return tuple(neighbour for _, neighbour in newest.values())


def _device(row: Mapping[str, Value]) -> str:
    """The neighbour's port by name: servers announce its address as identifier and the name as description."""
    named = text(row.get("port")) if whole(row.get("kind")) in _NAMES_AN_INTERFACE else ""
    return named or text(row.get("description"))
