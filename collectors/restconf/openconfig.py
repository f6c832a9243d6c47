"""Enterprise SONiC: `openconfig-platform`, `openconfig-interfaces`, `openconfig-qos` with the extensions of its vendors. Pure.

Supplies tell `output-power` (`openconfig-platform-psu`) and, on newer builds, `input-power` (`openconfig-platform-ext`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from collectors.restconf.readings import Environment, Fan, Identity, Pause, Port, Ports, Supply, Traffic
from collectors.restconf.values import counter, floating, leaf, rows, word
from wattstat.members import Body, Json, celsius, flag, rpm, text, watts

COMPONENTS = "/restconf/data/openconfig-platform:components"
INTERFACES = "/restconf/data/openconfig-interfaces:interfaces"
QOS = "/restconf/data/openconfig-qos:qos/interfaces/interface"

_DIRECTIONS = MappingProxyType({"receive": "rx", "transmit": "tx"})
_SPEED = re.compile(r"speed_(\d{1,5})([mg])b")
_MULTIPLES = MappingProxyType({"m": 1e6, "g": 1e9})
EEPROM, _SOFTWARE = "System Eeprom", "Software"


def ports(documents: Mapping[str, Any]) -> Ports:
    """The Ethernet ports by their counters (where they were asked for) and those of quality of service."""
    queues = {text(leaf(entry, "interface-id")): entry for entry in rows(documents.get(QOS), "interface")}
    entries = {text(leaf(entry, "name")): entry for entry in rows(documents.get(INTERFACES), "interfaces", "interface")}
    names = [name for name in {**entries, **queues} if name.startswith("Eth")]
    return Ports(ports=tuple(_port(name, entries.get(name), queues.get(name)) for name in names))


def environment(documents: Mapping[str, Any]) -> Environment:
    """Supplies, fans and temperatures among the components."""
    components = tuple(_components(documents))
    fans = tuple(entry for entry in components if leaf(entry, "fan", "state") is not None)
    flows = {text(leaf(entry, "name")): word(leaf(entry, "fan", "state", "direction")) for entry in fans}
    return Environment(
        supplies=tuple(_supply(entry) for entry in components if _kind(entry) == "psu"),
        fans=tuple(_fan(entry) for entry in fans),
        temperatures=dict(_temperatures(components)),
        airflows={part: flow for part, flow in flows.items() if part and flow not in {"", "n/a"}},
    )


def identity(documents: Mapping[str, Any]) -> Identity:
    """What the board's memory and the software say."""
    named = {text(leaf(entry, "name")): entry for entry in _components(documents)}
    board, software = leaf(named.get(EEPROM), "state"), leaf(named.get(_SOFTWARE), "software")
    told = (leaf(software, "product-version"), leaf(software, "software-version"), leaf(board, "software-version"))
    return Identity(
        model=text(leaf(board, "part-no")) or text(leaf(board, "description")),
        version=next((version for version in map(text, told) if version), ""),
        serial=text(leaf(board, "serial-no")) or text(leaf(board, "service-tag")),
    )


def measured(document: Json) -> tuple[str, ...]:
    """Names of the components to ask for one by one: for the whole list the switch runs a program that reads its sensors."""
    return tuple(text(leaf(entry, "name")) for entry in rows(document, "components", "component") if _kind(entry))


def path_of(component: str) -> str:
    """Where one component is."""
    return f"{COMPONENTS}/component={quote(component, safe='')}"


def _components(documents: Mapping[str, Any]) -> Iterator[Body]:
    for path, document in documents.items():
        if path == COMPONENTS:
            yield from rows(document, "components", "component")
        elif path.startswith(COMPONENTS):
            yield from rows(document, "component")


def _kind(entry: Json) -> str:
    """psu, fan or temp; empty for what has nothing to measure and for optics. By name: `type` is missing on some builds."""
    name = text(leaf(entry, "name")).lower()
    if leaf(entry, "fan", "state") is not None or re.fullmatch(r"(psu \d+ )?fan ?\d+", name):
        return "fan"
    if re.fullmatch(r"psu ?\d+", name):
        return "psu"
    is_port = name.startswith("eth")
    has_temperature = leaf(entry, "state", "temperature") is not None and not is_port
    return "temp" if has_temperature or re.fullmatch(r"temp ?\d+", name) else ""


def _supply(entry: Json) -> Supply:
    state = leaf(entry, "state")
    told = leaf(entry, "power-supply", "state")
    empty = flag(leaf(state, "empty"))
    status = word(leaf(state, "oper-status"))
    # An empty slot keeps the last figures of what stood in it on some builds.
    present = None if empty is None else not empty
    return Supply(
        name=text(leaf(entry, "name")),
        present=present,
        ok=status == "active" if status and empty is not True else None,
        output_watts=None if empty else watts(floating(leaf(told, "output-power"))),
        input_watts=None if empty else watts(floating(leaf(told, "input-power"))),
    )


def _fan(entry: Json) -> Fan:
    state = leaf(entry, "state")
    status = word(leaf(state, "oper-status"))
    if flag(leaf(state, "empty")):
        return Fan(name=text(leaf(entry, "name")))
    return Fan(
        name=text(leaf(entry, "name")),
        ok=status == "active" if status else None,
        rpm=rpm(floating(leaf(entry, "fan", "state", "speed"))),
    )


def _temperatures(components: tuple[Body, ...]) -> Iterator[tuple[str, float]]:
    for entry in components:
        state = leaf(entry, "state")
        kind = _kind(entry)
        if flag(leaf(state, "empty")) or not kind:
            continue
        told = leaf(state, "temperature")
        # `current` is the extension's, `instant` the standard's.
        found = leaf(told, "current") if leaf(told, "current") is not None else leaf(told, "instant")
        if kind == "psu" and found is None:
            found = leaf(entry, "power-supply", "state", "temperature")
        degrees = celsius(floating(found))
        # A sensor's component is `TEMP 3`; what it measures is the name in its state.
        name = text(leaf(state, "name")) or text(leaf(entry, "name"))
        if name and degrees is not None:
            yield name, degrees


def _port(name: str, entry: Json, queued: Json) -> Port:
    state = leaf(entry, "state")
    counters = leaf(state, "counters")
    up, wanted = word(leaf(state, "oper-status")), word(leaf(state, "admin-status"))
    return Port(
        name=name,
        alias=text(leaf(state, "description")),
        up=up == "up" if up else None,
        wanted=wanted == "up" if wanted else None,
        speed=_speed(leaf(entry, "ethernet", "state", "port-speed")),
        receive=_traffic(counters, "in"),
        transmit=_traffic(counters, "out"),
        pauses=_pauses(queued),
        ecn_packets=_marked(queued),
    )


def _traffic(counters: Json, way: str) -> Traffic:
    return Traffic(
        bytes=counter(leaf(counters, f"{way}-octets")),
        packets=counter(leaf(counters, f"{way}-pkts")),
        errors=counter(leaf(counters, f"{way}-errors")),
        discards=counter(leaf(counters, f"{way}-discards")),
    )


def _speed(value: Json) -> float | None:
    """Bits a second of `SPEED_400GB`."""
    found = _SPEED.fullmatch(word(value))
    return None if found is None else float(found[1]) * _MULTIPLES[found[2]]


def _pauses(entry: Json) -> Mapping[Pause, float]:
    found: dict[Pause, float] = {}
    for each in rows(entry, "pfc", "pfc-priorities", "pfc-priority"):
        statistics = leaf(each, "state", "statistics")
        priority = counter(leaf(each, "dot1p"))
        for direction, short in _DIRECTIONS.items():
            count = counter(leaf(statistics, f"pause-frames-{short}"))
            if count is not None and priority is not None and priority < 8:
                found[Pause(direction, str(int(priority)))] = count
    return found


def _marked(entry: Json) -> float | None:
    """All queues together; absent where not one of them counts marks."""
    queues = rows(entry, "output", "queues", "queue")
    counts = [counter(leaf(queue, "state", "ecn-marked-pkts")) for queue in queues]
    told = [count for count in counts if count is not None]
    return math.fsum(told) if told else None


def is_platform(document: Json) -> bool:
    """Whether this is the board's memory of a switch, or the list of its components: not all builds have the former."""
    return next(rows(document, "component"), None) is not None or leaf(document, "components") is not None
