"""Samples of what RESTCONF told.

`alone`: the switch has no SNMP agent in the inventory, so that everything is RESTCONF's to tell. Beside SNMP only what SNMP
lacks is told: no series has two sources.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeVar

from collectors.restconf.readings import Environment, Fan, Identity, Port, Ports, Supply
from wattstat.catalogue import network as catalogue
from wattstat.catalogue.metric import Samples

Named = TypeVar("Named", Port, Supply, Fan)


def of_ports(switch: str, reading: Ports, *, alone: bool) -> Samples:
    """Pause frames and marks of congestion; alone also state, speed and traffic."""
    out = Samples()
    for port in _distinct(reading.ports):
        if alone:
            _traffic(out, switch, port)
        for pause, count in port.pauses.items():
            out.add(catalogue.SWITCH_PORT_PFC_FRAMES_TOTAL, count, switch, port.name, pause.direction, pause.priority)
        out.add(catalogue.SWITCH_PORT_ECN_PACKETS_TOTAL, port.ecn_packets, switch, port.name)
    return out


def of_environment(switch: str, reading: Environment, *, alone: bool, states: bool, sensors: bool) -> Samples:
    """Watts of supplies, air flow; with `states` which parts are good, with `sensors` speeds and temperatures.

    `alone` also which slots hold a supply. Beside SNMP its agent tells the rest.
    """
    out = Samples()
    for supply in _distinct(reading.supplies):
        if alone:
            out.add(catalogue.SWITCH_PSU_ON, supply.present, switch, supply.name)
        if states:
            out.add(catalogue.SWITCH_PSU_OK, supply.ok, switch, supply.name)
        out.add(catalogue.SWITCH_PSU_POWER_WATTS, supply.output_watts, switch, supply.name, "output")
        out.add(catalogue.SWITCH_PSU_POWER_WATTS, supply.input_watts, switch, supply.name, "input")
    present = [supply for supply in _distinct(reading.supplies) if supply.present is not False]
    out.add(catalogue.SWITCH_POWER_WATTS, _sum(supply.output_watts for supply in present), switch, "psu_output")
    out.add(catalogue.SWITCH_POWER_WATTS, _sum(supply.input_watts for supply in present), switch, "psu_input")
    for part, flow in reading.airflows.items():
        out.add(catalogue.SWITCH_AIRFLOW_INFO, 1, switch, part, flow)
    for fan in _distinct(reading.fans):
        if sensors:
            out.add(catalogue.SWITCH_FAN_SPEED_RPM, fan.rpm, switch, fan.name)
        if states:
            out.add(catalogue.SWITCH_FAN_OK, fan.ok, switch, fan.name)
    for sensor, degrees in reading.temperatures.items() if sensors else ():
        out.add(catalogue.SWITCH_TEMPERATURE_CELSIUS, degrees, switch, sensor)
    return out


def of_identity(switch: str, rack: str, system: str, reading: Identity, *, alone: bool) -> Samples:
    """Alarms; alone also what the switch is."""
    out = Samples()
    for severity, count in reading.alarms.items():
        out.add(catalogue.SWITCH_EVENTS_OPEN, count, switch, severity)
    if alone:
        out.add(catalogue.SWITCH_INFO, 1, switch, rack, reading.model, system, reading.version, reading.serial)
    return out


def _traffic(out: Samples, switch: str, port: Port) -> None:
    out.add(catalogue.SWITCH_PORT_INFO, 1, switch, port.name, port.alias)
    out.add(catalogue.SWITCH_PORT_UP, port.up, switch, port.name)
    out.add(catalogue.SWITCH_PORT_ON, port.wanted, switch, port.name)
    # What a port without a link could run at is no speed of a link.
    out.add(catalogue.SWITCH_PORT_SPEED_BITS_PER_SECOND, port.speed if port.up else None, switch, port.name)
    for direction, traffic in (("receive", port.receive), ("transmit", port.transmit)):
        out.add(catalogue.SWITCH_PORT_BYTES_TOTAL, traffic.bytes, switch, port.name, direction)
        out.add(catalogue.SWITCH_PORT_PACKETS_TOTAL, traffic.packets, switch, port.name, direction)
        out.add(catalogue.SWITCH_PORT_ERRORS_TOTAL, traffic.errors, switch, port.name, direction)
        out.add(catalogue.SWITCH_PORT_DISCARDS_TOTAL, traffic.discards, switch, port.name, direction)


def _sum(values: Iterable[float | None]) -> float | None:
    """The sum where all are told: a supply that is not read is a gap, not 0 W."""
    told = tuple(values)
    read = [value for value in told if value is not None]
    return math.fsum(read) if read and len(read) == len(told) else None


def _distinct(entries: Iterable[Named]) -> list[Named]:
    """Those with a name, the first of each."""
    found: dict[str, Named] = {}
    for entry in entries:
        if entry.name:
            found.setdefault(entry.name, entry)
    return list(found.values())
