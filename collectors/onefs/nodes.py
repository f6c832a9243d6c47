"""What a cluster tells of itself and its nodes: identity, who is up, sensors, power supplies, drives. Pure and total.

A document about nodes has an entry for each node that answered, and `errors` for those that did not: a missing node is a gap.
OneFS 9 wraps a section once more (`sensors.sensors`), OneFS 8 does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from collectors.onefs import sensors
from collectors.onefs.sensors import Sensors
from wattstat.members import Body, Json, count, flag, member, objects, text

# Bays without a drive.
_NO_DRIVE = frozenset({"", "EMPTY", "NONE"})
# A drive that only caches is a good one; one to be replaced has failed.
_DRIVE_STATES: Mapping[str, str] = MappingProxyType(
    {"HEALTHY": "healthy", "L3": "healthy", "REPLACE": "failed", "DEAD": "failed", "FAILED": "failed", "BAD": "failed"}
)
_GOOD = frozenset({"good", "ok", "true", "yes", "healthy"})
_BAD = frozenset({"bad", "failed", "fail", "failure", "fault", "false", "no", "lost", "error", "critical", "off"})
_ABSENT = frozenset({"absent", "missing", "empty", "removed", "uninstalled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A node as `cluster/config` lists it. `up` is None where the cluster does not say."""

    number: int
    up: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which cluster it is. `devices` are by device id, which is not the node's number."""

    name: str = ""
    version: str = ""
    serial: str = ""
    devices: Mapping[int, Device] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def up(self) -> frozenset[int] | None:
        """The device ids of the nodes that are up; None where no node is listed."""
        return frozenset(device for device, each in self.devices.items() if each.up is not False) if self.devices else None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeHealth:
    """A node's hardware. `supplies` tells which are good; `states` what somebody has put it into."""

    sensors: Sensors = field(default_factory=Sensors)
    supplies: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))
    states: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeIdentity:
    """What a node is."""

    model: str
    serial: str


def identity(document: Json) -> Identity:
    """`cluster/config`."""
    devices = {}
    for each in objects(member(document, "devices")):
        device, lnn = count(each.get("devid")), count(each.get("lnn"))
        if device and lnn:
            devices[int(device)] = Device(number=int(lnn), up=flag(each.get("is_up")))
    return Identity(
        name=text(member(document, "name")),
        version=text(member(document, "onefs_version", "release")).removeprefix("v"),
        serial=text(member(document, "guid")),
        devices=devices,
    )


def numbers(document: Json) -> dict[int, int]:
    """Numbers of nodes by device id, as any document about nodes tells them."""
    pairs = ((count(each.get("id")), count(each.get("lnn"))) for each in objects(member(document, "nodes")))
    return {int(device): int(lnn) for device, lnn in pairs if device and lnn}


def failures(document: Json) -> dict[int, str]:
    """Why nodes did not answer, by their number; 0 where an error names no node."""
    found = {}
    for each in objects(member(document, "errors")):
        code, said = text(each.get("code")), text(each.get("message"))
        found[int(count(each.get("lnn")) or 0)] = ": ".join(filter(None, (code, said))) or "no reason given"
    for lnn, each in _nodes(document):
        if said := text(each.get("error")) or text(member(each, "error", "message")):
            found.setdefault(lnn, said)
    return found


def health(documents: Mapping[str, Json]) -> dict[int, NodeHealth]:
    """Hardware of the nodes by their number, of the sections `sensors`, `status` and `state`."""
    read = {name: dict(_nodes(documents.get(name))) for name in ("sensors", "status", "state")}
    found = sorted({lnn for section in read.values() for lnn in section})
    return {
        lnn: NodeHealth(
            sensors=sensors.parse(_section(read["sensors"].get(lnn), "sensors")),
            supplies=_supplies(_section(read["status"].get(lnn), "status")),
            states=_states(_section(read["state"].get(lnn), "state")),
        )
        for lnn in found
    }


def drives(document: Json) -> dict[int, dict[str, float]]:
    """Drives by state, by the number of the node. Good and failed ones are counted also where there are none."""
    found = {}
    for lnn, node in _nodes(document):
        listed = member(node, "drives")
        listed = member(listed, "drives") if isinstance(listed, dict) else listed
        if not isinstance(listed, list):
            continue
        words = Counter(_drive_state(each) for each in objects(listed))
        words.pop("", None)
        found[lnn] = {"healthy": 0.0, "failed": 0.0, **{word: float(number) for word, number in words.items()}}
    return found


def hardware(document: Json) -> dict[int, NodeIdentity]:
    """What the nodes are, by their number."""
    found = {}
    for lnn, node in _nodes(document):
        section = _section(node, "hardware")
        model, serial = text(member(section, "product")), text(member(section, "serial_number"))
        if model or serial:
            found[lnn] = NodeIdentity(model=model, serial=serial)
    return found


def _nodes(document: Json) -> Iterator[tuple[int, Body]]:
    for each in objects(member(document, "nodes")):
        if lnn := count(each.get("lnn")):
            yield int(lnn), each


def _section(node: Json, name: str) -> Json:
    """A section of a node, however often it is wrapped."""
    inner = member(node, name)
    return inner if isinstance(inner, dict) else node


def _drive_state(drive: Body) -> str:
    word = text(drive.get("ui_state")).upper()
    if drive.get("present") is False or word in _NO_DRIVE:
        return ""
    return _DRIVE_STATES.get(word, word.lower().replace(" ", "_"))


def _supplies(status: Json) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for each in objects(member(status, "powersupplies", "supplies")):
        good = _good(each)
        slot = count(each.get("id"))
        name = f"{int(slot)}" if slot is not None else text(each.get("name"))
        if good is not None and name:
            found.setdefault(name, good)
    return found


def _good(supply: Body) -> bool | None:
    """Whether a power supply is good, by the first word that says so; None where it is not there or nobody says."""
    for value in (supply.get("status"), supply.get("good"), supply.get("name")):
        if isinstance(value, bool):
            return value
        words = frozenset(text(value).lower().replace("-", " ").split())
        if words & _ABSENT or {"not", "present"} <= words:
            return None
        if words & _BAD or {"not", "good"} <= words or {"not", "ok"} <= words:
            return False
        if words & _GOOD:
            return True
    return None


def _states(state: Json) -> dict[str, bool]:
    read = {
        "readonly": flag(member(state, "readonly", "mode"))
        if flag(member(state, "readonly", "mode")) is not None
        else flag(member(state, "readonly", "enabled")),
        "smartfailed": flag(member(state, "smartfail", "smartfailed")),
    }
    return {name: value for name, value in read.items() if value is not None}
