"""Ports by IF-MIB: 64-bit counters where there are any, names of the same answer as the numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from collectors.snmp import Rows, Value, enumerated, scaled, text, whole
from collectors.switches.readings import Port, Ports, Traffic

UPTIME = "1.3.6.1.2.1.1.3.0"
# What changes when ports are numbered anew: the time that the agent runs falls, or one of these is another one.
TABLE_CHANGED = ("1.3.6.1.2.1.2.1.0", "1.3.6.1.2.1.31.1.5.0")

_IF, _IFX = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"
NAMES = {"name": f"{_IFX}.1"}
DESCRIPTIONS = {"name": f"{_IF}.2"}
FACTS = {"kind": f"{_IF}.3", "alias": f"{_IFX}.18"}
COLUMNS = {
    "wanted": f"{_IF}.7",
    "state": f"{_IF}.8",
    "changed": f"{_IF}.9",
    "in_discards": f"{_IF}.13",
    "in_errors": f"{_IF}.14",
    "out_discards": f"{_IF}.19",
    "out_errors": f"{_IF}.20",
    "in_bytes": f"{_IFX}.6",
    "in_unicast": f"{_IFX}.7",
    "in_multicast": f"{_IFX}.8",
    "in_broadcast": f"{_IFX}.9",
    "out_bytes": f"{_IFX}.10",
    "out_unicast": f"{_IFX}.11",
    "out_multicast": f"{_IFX}.12",
    "out_broadcast": f"{_IFX}.13",
    "speed": f"{_IFX}.15",
}
# Asked for only where a switch has no 64-bit one: at 400 Gbit/s 32 bits wrap within a tenth of a second.
SMALL = {
    "in_bytes": f"{_IF}.10",
    "in_unicast": f"{_IF}.11",
    "in_multicast": f"{_IFX}.2",
    "in_broadcast": f"{_IFX}.3",
    "out_bytes": f"{_IF}.16",
    "out_unicast": f"{_IF}.17",
    "out_multicast": f"{_IFX}.4",
    "out_broadcast": f"{_IFX}.5",
}
# ethernetCsmacd, fastEther, fastEtherFX, gigabitEthernet, infiniband. Port channels and VLANs count the same bytes again.
_CABLED = frozenset({6, 62, 69, 117, 199})
# Linux calls everything Ethernet.
_VIRTUAL = re.compile(
    r"(?:lo|bond|br|bridge|veth|docker|dummy|tap|tun|vlan|vxlan|vni|mirror|peerlink|mgmt|swid|port-?channel|null)[\d_.:-]*(?:eth)?"
    r"|.*\.\d+",
    re.IGNORECASE,
)
_UP = {1: 1.0, 2: 0.0, 3: 0.0, 5: 0.0, 6: 0.0, 7: 0.0}  # 4 is unknown
_WANTED = {1: 1.0, 2: 0.0, 3: 0.0}
_MEGABIT = 1e6
_TICKS = 100


def is_cabled(kind: Value | None, name: str) -> bool:
    """Whether it is a port of the switch, and not something that the switch made of several or in one."""
    number = whole(kind)
    return bool(name) and (number is None or number in _CABLED) and _VIRTUAL.fullmatch(name) is None


def names_of(named: Rows, described: Rows, kinds: Rows) -> dict[str, str]:
    """Names of ports by index: ifName, ifDescr where that is empty. Of two with the same name the first keeps it."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for index in sorted({*named, *described}, key=_place):
        name = text(named.get(index, {}).get("name")) or text(described.get(index, {}).get("name"))
        if name not in taken and is_cabled(kinds.get(index, {}).get("kind"), name):
            taken.add(name)
            found[index] = name
    return found


def chosen(sample: Rows) -> dict[str, str]:
    """The columns to ask for, of a sample of rows with all of `COLUMNS`, and those of `SMALL` as `small_…`."""
    told = {name for row in sample.values() for name in row}
    small = {name: column for name, column in SMALL.items() if name not in told and f"small_{name}" in told}
    return {name: column for name, column in COLUMNS.items() if name in told} | small


def parsed(rows: Rows, names: Mapping[str, str], uptime: Value | None, booted_at: float | None) -> Ports:
    """Ports of an answer. `names` by index are those of the same answer, so that a renumbered port keeps its counters.

    `booted_at` is None where the switch's times of changes cannot be trusted.
    """
    columns = frozenset(name for row in rows.values() for name in row)
    ports: dict[str, Port] = {}
    for index, row in rows.items():
        if (name := names.get(index, "")) and name not in ports:
            ports[name] = _port(name, row, _changed(row, uptime, booted_at), columns)
    return Ports(ports=tuple(ports.values()), uptime_seconds=scaled(uptime, 1 / _TICKS))


def _port(name: str, row: Mapping[str, Value], changed_at: float | None, columns: frozenset[str]) -> Port:
    state, wanted = enumerated(row.get("state"), _UP), enumerated(row.get("wanted"), _WANTED)
    # What a port without a link could run at is no speed of a link.
    speed = scaled(row.get("speed"), _MEGABIT) if state else None
    return Port(
        name=name,
        up=None if state is None else bool(state),
        wanted=None if wanted is None else bool(wanted),
        speed=speed or None,
        receive=_traffic(row, "in", columns),
        transmit=_traffic(row, "out", columns),
        changed_at=changed_at,
    )


def _traffic(row: Mapping[str, Value], way: str, columns: frozenset[str]) -> Traffic:
    kinds = [name for kind in ("unicast", "multicast", "broadcast") if (name := f"{way}_{kind}") in columns]
    return Traffic(
        bytes=_count(row.get(f"{way}_bytes")),
        packets=_sum(_count(row.get(kind)) for kind in kinds),
        errors=_count(row.get(f"{way}_errors")),
        discards=_count(row.get(f"{way}_discards")),
    )


def _count(value: Value | None) -> int | None:
    number = whole(value)
    return number if number is not None and number >= 0 else None


def _sum(parts: Iterable[int | None]) -> int | None:
    """All of them, or none: a sum that lacks a part would fall when the part comes back."""
    told = tuple(parts)
    return sum(part for part in told if part is not None) if told and None not in told else None


def _changed(row: Mapping[str, Value], uptime: Value | None, booted_at: float | None) -> float | None:
    """When the link came or went. Zero is "before the agent started"; later than now is from before the clock wrapped."""
    ticks, now = whole(row.get("changed")), whole(uptime)
    if not ticks or now is None or booted_at is None or ticks > now:
        return None
    return round(booted_at + ticks / _TICKS)


def _place(index: str) -> tuple[int, ...]:
    return tuple(int(part) for part in index.split(".") if part.isdecimal())
