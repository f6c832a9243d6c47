"""SmartFabric OS10: `dell-equipment`, `ietf-interfaces` with `dell-interface`, `dell-alarm`. Pure.

RESTCONF is off until somebody types `rest api restconf`. There are no watts in these documents: they come by SNMP alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from collectors.restconf.readings import Environment, Fan, Identity, Pause, Port, Ports, Supply, Traffic
from collectors.restconf.values import bare, counter, leaf, rows, word
from wattstat.members import Body, Json, as_body, between, celsius, rpm, text

EQUIPMENT = "/restconf/data/dell-equipment:system"
INTERFACES = "/restconf/data/ietf-interfaces:interfaces-state/interface"
ALARMS = "/restconf/data/dell-alarm:alarm-info"

PATHS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"ports": (INTERFACES,), "environment": (EQUIPMENT,), "topology": (EQUIPMENT, ALARMS)}
)
_SEVERITIES = ("critical", "major", "minor", "warning")
# What an empty slot says of itself: the words of os10CmnOperStatus, which `status` shares.
_ABSENT = {"not-present", "notpresent", "absent", "empty"}
_UNTOLD = {"", "unknown", "testing"}
_DIRECTIONS = MappingProxyType({"receive": "rx", "transmit": "tx"})


def ports(documents: Mapping[str, Any]) -> Ports:
    """The Ethernet ports; VLANs, port channels and loopbacks carry no cable."""
    entries = rows(documents.get(INTERFACES), "interface")
    return Ports(ports=tuple(_port(entry) for entry in entries if word(leaf(entry, "type")) == "ethernetcsmacd"))


def environment(documents: Mapping[str, Any]) -> Environment:
    """Supplies, fans, temperatures, air flow."""
    system = leaf(documents.get(EQUIPMENT), "system")
    nodes = tuple(rows(system, "node"))
    supplies = tuple(entry for node in nodes for entry in rows(node, "power-supply"))
    trays = tuple(entry for node in nodes for entry in rows(node, "fan-tray"))
    holders = (
        *((_numbered("psu", leaf(entry, "psu-id")), entry) for entry in supplies),
        *((_numbered("tray", leaf(entry, "fan-tray-id")), entry) for entry in trays),
    )
    flows = {part: word(leaf(entry, "air-flow")) for part, entry in holders if part}
    return Environment(
        supplies=tuple(_supplies(supplies)),
        fans=tuple(fan for part, entry in holders if part for fan in _fans(part, entry)),
        temperatures=dict(_temperatures(system)),
        airflows={part: flow for part, flow in flows.items() if flow not in _UNTOLD},
    )


def identity(documents: Mapping[str, Any]) -> Identity:
    """Model, version, service tag; active alarms."""
    system = leaf(documents.get(EQUIPMENT), "system")
    made = leaf(next(rows(system, "node"), None), "mfg-info")
    alarms = leaf(documents.get(ALARMS), "alarm-info", "alarm-summary")
    summary = next(rows({"summary": alarms}, "summary"), {})
    counted = {severity: counter(leaf(summary, f"{severity}-count")) for severity in _SEVERITIES}
    return Identity(
        model=text(leaf(made, "product-name")) or text(leaf(made, "platform-name")),
        version=text(leaf(system, "inventory", "sw-version")),
        serial=text(leaf(made, "service-tag")),
        alarms={severity: count for severity, count in counted.items() if count is not None},
    )


def _port(entry: Json) -> Port:
    statistics = bare(leaf(entry, "statistics"))
    state = word(leaf(entry, "oper-status"))
    wanted = word(leaf(entry, "admin-status"))
    return Port(
        name=text(leaf(entry, "name")),
        alias=text(leaf(entry, "description")),
        up=None if state in _UNTOLD else state == "up",
        wanted=None if wanted in _UNTOLD else wanted == "up",
        speed=between(1, leaf(entry, "speed"), 1e13),
        receive=_traffic(statistics, "in"),
        transmit=_traffic(statistics, "out"),
        pauses=_pauses(statistics),
        ecn_packets=counter(statistics.get("ecn-marked-packets")),
    )


def _traffic(statistics: Body, way: str) -> Traffic:
    return Traffic(
        bytes=counter(statistics.get(f"{way}-octets")),
        packets=counter(statistics.get(f"{way}-pkts")),
        errors=counter(statistics.get(f"{way}-errors")),
        discards=counter(statistics.get(f"{way}-discards")),
    )


def _pauses(statistics: Body) -> Mapping[Pause, float]:
    found = {
        Pause(direction, str(priority)): counter(statistics.get(f"pfc-{priority}-{short}-pkts"))
        for direction, short in _DIRECTIONS.items()
        for priority in range(8)
    }
    return {pause: count for pause, count in found.items() if count is not None}


def _supplies(entries: tuple[Json, ...]) -> Iterator[Supply]:
    for entry in entries:
        if number := _number(leaf(entry, "psu-id")):
            status = word(leaf(entry, "status"))
            present = None if status in _UNTOLD else status not in _ABSENT
            yield Supply(name=number, present=present, ok=status == "up" if present else None)


def _fans(part: str, holder: Json) -> Iterator[Fan]:
    for entry in rows(holder, "fan-info"):
        if number := _number(leaf(entry, "fan-id")):
            status = word(leaf(entry, "fan-status"))
            told = status not in _UNTOLD | _ABSENT
            # An absent fan turns with 0 rpm in these documents, which is no reading.
            speed = None if status in _ABSENT else rpm(leaf(entry, "fan-speed-rpm"))
            yield Fan(name=f"{part} fan {number}", ok=status == "up" if told else None, rpm=speed)


def _temperatures(system: Json) -> Iterator[tuple[str, float]]:
    for entry in rows(system, "environment", "thermal-sensor"):
        degrees = celsius(leaf(entry, "sensor-temp"))
        name = text(leaf(entry, "sensor-name"))
        # Whole degrees; -1 is rather a sensor that was not read than frost in a switch.
        if name and degrees is not None and degrees != -1:
            yield name, degrees


def _numbered(part: str, value: Json) -> str:
    number = _number(value)
    return f"{part} {number}" if number else ""


def _number(value: Json) -> str:
    found = counter(value)
    return "" if found is None else str(int(found))


def is_equipment(document: Json) -> bool:
    """Whether this is an OS10."""
    return bool(as_body(leaf(document, "system")))
