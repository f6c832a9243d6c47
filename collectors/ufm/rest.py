"""What UFM's REST interface says of switches, ports, cables and alarms. Pure.

Members as in NVIDIA's UFM Enterprise REST API Guide (6.14 to 6.24) and in answers of UFM 6.1. What UFM does not know it writes
as "N/A".
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from collectors.guids import guid
from wattstat.members import Body, celsius, count, objects, text

SEVERITIES = ("critical", "minor", "warning", "info")
# Gb/s of one lane by the name of its speed, as the kernel counts them: 56 for four lanes of FDR.
_LANE_GIGABITS = {"SDR": 2.5, "DDR": 5, "QDR": 10, "FDR10": 10, "FDR": 14, "EDR": 25, "HDR": 50, "NDR": 100, "XDR": 200}
_WIDTH = re.compile(r"(?:IB_)?(1|2|4|8|12)X", re.IGNORECASE)
_UP = frozenset({"link up", "linkup", "active", "up"})
_DOWN = frozenset(
    {"down", "link down", "linkdown", "polling", "disabled", "sleep", "port configuration training", "training", "phy test"}
)
_LOGICAL_DOWN = frozenset({"down", "initialize", "init"})
_GOOD = frozenset({"ok", "info", "present", "active", "up"})
_BAD = frozenset({"fatal", "fault", "failed", "critical", "error", "not ok", "no power"})
_AWAY = frozenset({"not present", "absent", "missing", "removed", "not installed"})
_LABELED = re.compile(r"\d{1,3}(?:/\d{1,3}){1,3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A replaceable part of a switch. `good` is None where it is not told, or where no such part is in the slot."""

    kind: str
    name: str
    present: bool | None = None
    good: bool | None = None
    celsius: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A switch."""

    guid: str
    name: str
    model: str = ""
    version: str = ""
    serial: str = ""
    up: bool | None = None
    celsius: float | None = None
    modules: tuple[Module, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port of a switch. `node_guid` and `number` are how telemetry knows it; `name` how the switch calls it."""

    node_guid: str
    number: str
    system_guid: str
    system_name: str
    name: str
    up: bool | None = None
    wanted: bool | None = None
    bits_per_second: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CableEnd:
    """One end of a cable: the device's GUID, what it is described as, and the port."""

    guid: str
    description: str
    port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cable:
    """A cable."""

    ends: tuple[CableEnd, CableEnd]


def systems(document: Any) -> tuple[System, ...]:
    """The switches of `resources/systems`; hosts are left out."""
    return tuple(found for each in objects(document) if (found := _system(each)) is not None)


def ports(document: Any) -> tuple[Port, ...]:
    """The switches' ports of `resources/ports`, without those for management inside a switch."""
    return tuple(found for each in objects(document) if (found := _port(each)) is not None)


def cables(document: Any) -> tuple[Cable, ...]:
    """The cables of `resources/links`."""
    return tuple(
        Cable(ends=(_end(each, "source"), _end(each, "destination")))
        for each in objects(document)
        if guid(each.get("source_guid")) and guid(each.get("destination_guid"))
    )


def alarms(document: Any) -> dict[str, int]:
    """Alarms by severity; those that there are none of count 0, because the list was read. Empty where it was not."""
    if not isinstance(document, list):
        return {}
    found = Counter(word.lower() for each in objects(document) if (word := _said(each, "severity")))
    return {severity: found.get(severity, 0) for severity in sorted({*SEVERITIES, *found})}


def port_name(dname: str, number: str) -> str:
    """As the switch calls it: IB1/3/1 where ports have labels, else the number. UFM leaves the letters out."""
    if _LABELED.fullmatch(dname):
        return f"IB{dname}"
    return dname if dname and _LABELED.fullmatch(dname.removeprefix("IB")) else number


def _system(body: Body) -> System | None:
    name, number = _said(body, "system_name"), guid(body.get("system_guid") or body.get("guid"))
    if _said(body, "type").lower() != "switch" or not (name or number):
        return None
    modules = tuple(_module(each) for each in objects(body.get("modules")))
    whole = next((each for each in objects(body.get("modules")) if _said(each, "type").upper() == "SYSTEM"), {})
    state = _said(body, "state").lower()
    return System(
        guid=number,
        name=name or number,
        model=_said(body, "model") or _said(body, "description"),
        version=_said(body, "sw_version") or _said(body, "fw_version"),
        serial=_said(body, "serial_number") or _said(whole, "serial_number"),
        up=None if not state else state in _UP,
        celsius=_celsius(body),
        modules=modules,
    )


def _module(body: Body) -> Module:
    kind, status = _said(body, "type").upper(), _said(body, "status").lower()
    index = count(body.get("module_index"))
    given = _said(body, "description").replace(" - ", "").replace(" ", "")
    present = False if status in _AWAY else True if status in _GOOD | _BAD else None
    return Module(
        kind=kind,
        name=f"{kind}{index:.0f}" if kind and index is not None and kind != "SYSTEM" else given or kind,
        present=present,
        good=True if status in _GOOD else False if status in _BAD else None,
        celsius=_celsius(body),
    )


def _port(body: Body) -> Port | None:
    node, _, tail = _said(body, "name").partition("_")
    node_guid = guid(body.get("guid")) or guid(node)
    number = count(body.get("number"))
    if number is None:
        number = count(tail)
    # Port 0 is the switch's own, inside.
    if not node_guid or not number or "computer" in _said(body, "description").lower():
        return None
    plain = f"{number:.0f}"
    physical, logical = _said(body, "physical_state").lower(), _said(body, "logical_state").lower()
    up = True if physical in _UP else False if physical in _DOWN else None
    if up is None:
        up = True if logical in _UP else False if logical in _LOGICAL_DOWN else None
    return Port(
        node_guid=node_guid,
        number=plain,
        system_guid=guid(body.get("systemID")) or guid(body.get("system_guid")),
        system_name=_said(body, "system_name"),
        name=port_name(_said(body, "dname"), plain),
        up=up,
        wanted=None if not physical else physical != "disabled",
        bits_per_second=_speed(body) if up else None,
    )


def _speed(body: Body) -> float | None:
    return speed(_said(body, "active_speed"), _said(body, "active_width"))


def speed(name: str, lanes: str) -> float | None:
    """Bits a second of "NDR" and "4x"; None for "???" and the like."""
    lane = _LANE_GIGABITS.get(name.upper())
    width = _WIDTH.fullmatch(lanes)
    return lane * int(width[1]) * 1e9 if lane is not None and width is not None else None


def _end(body: Body, side: str) -> CableEnd:
    described = _said(body, f"{side}_port_node_description")
    number = _said(body, f"{side}_port")
    return CableEnd(
        guid=guid(body.get(f"{side}_guid")),
        description=described.partition(":")[0],
        port=port_name(_said(body, f"{side}_port_dname"), number),
    )


def _celsius(body: Body) -> float | None:
    """A temperature; 0 is what UFM writes where the agent of a switch told none."""
    return celsius(body.get("temperature")) or None


def _said(body: Body, name: str) -> str:
    found = text(body.get(name))
    if not found and isinstance(number := body.get(name), int) and not isinstance(number, bool):
        return str(number) if abs(number) < 2**63 else ""
    return "" if found.upper() in {"N/A", "NA", "NONE", "UNKNOWN", "-"} else found
