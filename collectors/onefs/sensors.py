"""Sensors of a node, told apart by their units and names: nobody promises which ones a model has. Pure and total.

Values are strings. Watts are wanted of the whole node's input only: a sensor of a processor or of one supply is no node.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from wattstat.members import Json, between, celsius, distinct, member, number, objects, rpm, text, volts

# A node that answers draws something: 0 is a sensor that was not read.
_MOST_WATTS = 10_000.0
# An F600's isi_hw_status calls it Pwr_Consumption, isi_estar Input power, IPMI of PowerEdge Pwr Consumption or System Level.
_OF_NODE = re.compile(
    r"^(system[ _]board[ _])?(pwr|power)[ _]?consumption$|^system[ _]level$|^(total[ _])?input[ _]power$", re.IGNORECASE
)
_OF_SUPPLY = re.compile(r"^(ps|psu|power[ _]supply)[ _]?\d+.*\b(in|input|pin)\b", re.IGNORECASE)


def _no() -> Mapping[str, float]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensors:
    """Readings by the sensors' names. `watts` is the node's input; `seen` how many sensors there were."""

    celsius: Mapping[str, float] = field(default_factory=_no)
    rpm: Mapping[str, float] = field(default_factory=_no)
    volts: Mapping[str, float] = field(default_factory=_no)
    watts: float | None = None
    seen: int = 0


class _Sensor(NamedTuple):
    group: str
    name: str
    kind: str
    value: Json


# Units as written, and, where none are written, what the group's name stands for. There is none of power among the latter:
# a group of that name may count volts and amperes.
_UNITS: Mapping[str, str] = {
    **dict.fromkeys(("c", "°c", "celsius", "degrees c", "degrees celsius", "deg c", "degc"), "celsius"),
    **dict.fromkeys(("rpm", "rpms"), "rpm"),
    **dict.fromkeys(("v", "volt", "volts"), "volts"),
    **dict.fromkeys(("w", "watt", "watts"), "watts"),
}
_GROUPS: tuple[tuple[str, str], ...] = (("temp", "celsius"), ("fan", "rpm"), ("volt", "volts"))


def parse(section: Json) -> Sensors:
    """The sensors of a node: of its section, or of the list in it."""
    groups = member(section, "sensors") if isinstance(section, dict) else section
    found = tuple(_sensors(groups))
    return Sensors(
        celsius=_readings(found, "celsius", celsius),
        rpm=_readings(found, "rpm", rpm),
        volts=_readings(found, "volts", volts),
        watts=_watts([each for each in found if each.kind == "watts"]),
        seen=len(found),
    )


def _sensors(groups: Json) -> Iterator[_Sensor]:
    for group in objects(groups):
        named = text(group.get("name"))
        of_group = next((kind for start, kind in _GROUPS if named.lower().startswith(start)), "")
        for each in objects(group.get("values")):
            units = text(each.get("units")).lower()
            name = text(each.get("name")) or text(each.get("desc"))
            if name:
                yield _Sensor(named, name, _UNITS.get(units, "") if units else of_group, each.get("value"))


def _readings(found: tuple[_Sensor, ...], kind: str, read: Callable[[Json], float | None]) -> dict[str, float]:
    seen: set[str] = set()
    named = ((distinct(each.name, each.group, seen), read(each.value)) for each in found if each.kind == kind)
    return {name: value for name, value in named if name and value is not None}


def _watts(found: list[_Sensor]) -> float | None:
    """The node's own sensor; else the sum of its supplies' inputs, if all of them were read."""
    for each in found:
        if _OF_NODE.match(each.name):
            return _drawn(each.value)
    supplies = [number(each.value) for each in found if _OF_SUPPLY.match(each.name.replace("_", " "))]
    if not supplies or any(value is None for value in supplies):
        return None
    return _drawn(sum(value for value in supplies if value is not None))


def _drawn(value: Json) -> float | None:
    return between(0, value, _MOST_WATTS) or None
