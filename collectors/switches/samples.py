"""Samples of what a switch told."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TypeVar

from collectors.switches.readings import Environment, Fan, Port, Ports, Supply, Topology, Traffic
from wattstat.catalogue import network as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.inventory import Link

Named = TypeVar("Named", Supply, Fan)
SIDES = ("input", "output", "unknown")


def of_ports(switch: str, reading: Ports) -> Samples:
    """State, speed and counters of ports. It answered: the switch is up."""
    out = Samples()
    out.add(catalogue.SWITCH_UP, 1, switch)
    out.add(catalogue.SWITCH_UPTIME_SECONDS, reading.uptime_seconds, switch)
    for port in reading.ports:
        _port(out, switch, port)
    return out


def of_environment(switch: str, reading: Environment) -> Samples:
    """Supplies, fans, temperatures, optics, processor."""
    out = Samples()
    out.add(catalogue.SWITCH_CPU_RATIO, reading.cpu_ratio, switch)
    supplies = _distinct(reading.supplies)
    for supply in supplies:
        out.add(catalogue.SWITCH_PSU_ON, supply.present, switch, supply.name)
        out.add(catalogue.SWITCH_PSU_OK, supply.ok, switch, supply.name)
        for side, watts in supply.watts.items():
            out.add(catalogue.SWITCH_PSU_POWER_WATTS, watts, switch, supply.name, side)
    for side in SIDES:
        out.add(catalogue.SWITCH_POWER_WATTS, _sum(supplies, side), switch, f"psu_{side}")
    for fan in _distinct(reading.fans):
        out.add(catalogue.SWITCH_FAN_OK, fan.ok, switch, fan.name)
        out.add(catalogue.SWITCH_FAN_SPEED_RPM, fan.rpm, switch, fan.name)
    for sensor, degrees in reading.temperatures.items():
        out.add(catalogue.SWITCH_TEMPERATURE_CELSIUS, degrees, switch, sensor)
    for port, degrees in reading.modules.items():
        out.add(catalogue.SWITCH_TRANSCEIVER_TEMPERATURE_CELSIUS, degrees, switch, port)
    lights = {(light.port, light.lane, light.direction): light.dbm for light in reading.lights}
    for (port, lane, direction), dbm in lights.items():
        out.add(catalogue.SWITCH_TRANSCEIVER_POWER_DBM, dbm, switch, port, lane, direction)
    return out


def of_topology(
    switch: str, rack: str, reading: Topology, links: Mapping[tuple[str, str], Link], nodes: Mapping[str, str]
) -> Samples:
    """What the switch is, its ports' aliases, and cables to servers of the inventory.

    `nodes` are the servers' names by what they may announce themselves as; `links` are the inventory's, by node and device.
    """
    out = Samples()
    out.add(catalogue.SWITCH_INFO, 1, switch, rack, reading.model, reading.system, reading.version, reading.serial)
    for port, alias in reading.aliases.items():
        out.add(catalogue.SWITCH_PORT_INFO, 1, switch, port, alias)
    for neighbour in reading.neighbours:
        node = nodes.get(neighbour.system.lower()) or nodes.get(neighbour.system.lower().partition(".")[0])
        if node is not None:
            link = links.get((node, neighbour.device))
            rail = str(link.rail) if link is not None and link.rail is not None else ""
            out.add(catalogue.FABRIC_LINK_INFO, 1, node, neighbour.device, rail, switch, neighbour.port, "lldp")
    return out


def _port(out: Samples, switch: str, port: Port) -> None:
    out.add(catalogue.SWITCH_PORT_UP, port.up, switch, port.name)
    out.add(catalogue.SWITCH_PORT_ON, port.wanted, switch, port.name)
    out.add(catalogue.SWITCH_PORT_SPEED_BITS_PER_SECOND, port.speed, switch, port.name)
    out.add(catalogue.SWITCH_PORT_LAST_CHANGE_TIMESTAMP_SECONDS, port.changed_at, switch, port.name)
    _traffic(out, switch, port.name, "receive", port.receive)
    _traffic(out, switch, port.name, "transmit", port.transmit)


def _traffic(out: Samples, switch: str, port: str, direction: str, traffic: Traffic) -> None:
    out.add(catalogue.SWITCH_PORT_BYTES_TOTAL, traffic.bytes, switch, port, direction)
    out.add(catalogue.SWITCH_PORT_PACKETS_TOTAL, traffic.packets, switch, port, direction)
    out.add(catalogue.SWITCH_PORT_ERRORS_TOTAL, traffic.errors, switch, port, direction)
    out.add(catalogue.SWITCH_PORT_DISCARDS_TOTAL, traffic.discards, switch, port, direction)


def _sum(supplies: list[Supply], side: str) -> float | None:
    """The sum where all that are present tell this side: a supply that is not read is a gap, not 0 W."""
    told = [supply.watts.get(side) for supply in supplies if supply.present is not False]
    read = [watts for watts in told if watts is not None]
    return math.fsum(read) if read and len(read) == len(told) else None


def _distinct(entries: Iterable[Named]) -> list[Named]:
    """Those with a name, the first of each."""
    found: dict[str, Named] = {}
    for entry in entries:
        if entry.name:
            found.setdefault(entry.name, entry)
    return list(found.values())
