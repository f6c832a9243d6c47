"""Sensors by ENTITY-SENSOR-MIB (RFC 3433), told apart by the part of the switch that they sit in (ENTITY-MIB).

A sensor's type is not enough: the light of optics is in watts like a supply's power, and agents tell fans' speeds as
"unknown". What counts is the next part above it: a supply, a fan, a port. SNMP agents of SONiC name supplies' output.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from collectors.snmp import Rows, Value, text, whole
from collectors.switches.identity import written
from collectors.switches.readings import Environment, Fan, Light, Supply

_ENTITY, _SENSOR = "1.3.6.1.2.1.47.1.1.1.1", "1.3.6.1.2.1.99.1.1.1"
CLASSES = {"class": f"{_ENTITY}.5"}
PARTS = {"description": f"{_ENTITY}.2", "in": f"{_ENTITY}.4", "name": f"{_ENTITY}.7"}
PLATES = {"serial": f"{_ENTITY}.11", "model": f"{_ENTITY}.13"}
TYPES = {"type": f"{_SENSOR}.1"}
UNITS = {"scale": f"{_SENSOR}.2", "precision": f"{_SENSOR}.3"}
VALUES = {"value": f"{_SENSOR}.4", "status": f"{_SENSOR}.5"}
PORTS = {"port": "1.3.6.1.2.1.47.1.3.2.1.2"}  # entAliasMappingIdentifier: which ifIndex a part is

UNKNOWN, WATTS, CELSIUS, RPM, DBM = 2, 6, 8, 10, 14
READ = frozenset({UNKNOWN, WATTS, CELSIUS, RPM, DBM})
SUPPLY_CLASS, FAN_CLASS, PORT_CLASS = 6, 7, 10
_OK = 1
_UNITS_SCALE = 9
_OUT_OF_RANGE = 1_000_000_000  # RFC 3433: what could not be measured

# 1,000,000,000 + 100 x ifIndex + sensor: SONiC's numbering of modules and their sensors.
_SONIC_MODULES, _SONIC_STEP = 1_000_000_000, 100
_RATING = re.compile(r"rat(?:ed|ing)|max|capacity|limit|threshold|nominal", re.IGNORECASE)
_DIRECTION = re.compile(r"\b(?:(tx|transmit)|(?:rx|receive))", re.IGNORECASE)
_LANE = re.compile(r"(?:/|lane ?|channel ?|ch ?)(\d+)$", re.IGNORECASE)
_OPTIC = re.compile(r"\bDOM\b|\b[tr]x\b|transceiver|[qo]?sfp", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the switch: its class by ENTITY-MIB, and its name."""

    index: str
    kind: int | None
    name: str
    description: str
    above: str
    is_there: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """A reading in its unit, the part it sits in, and that part's class."""

    index: str
    type: int
    value: float
    name: str
    part: Part | None


def parsed(documents: Mapping[str, Rows], ports: Mapping[str, str], *, side: str) -> Environment:
    """Supplies, fans, temperatures and optics. `ports` are names by ifIndex; `side` is that of watts which do not say."""
    parts = parts_of(documents.get("parts", {}))
    sensors = tuple(_sensors(documents, parts))
    names = _port_names(parts, documents.get("ports", {}), ports)
    return Environment(
        supplies=tuple(_supplies(parts, sensors, side)),
        fans=tuple(_fans(sensors)),
        temperatures=_distinct(sensors),
        lights=tuple(_lights(sensors, names)),
        modules={
            names[sensor.part.index]: sensor.value
            for sensor in sensors
            if sensor.type == CELSIUS and sensor.part is not None and sensor.part.index in names
        },
    )


def parts_of(rows: Rows) -> dict[str, Part]:
    """Parts by index."""
    return {
        index: Part(
            index=index,
            kind=whole(row.get("class")),
            name=text(row.get("name")),
            description=text(row.get("description")),
            above=str(whole(row.get("in")) or ""),
            is_there=bool(written(row.get("serial")) or written(row.get("model"))),
        )
        for index, row in rows.items()
    }


def _sensors(documents: Mapping[str, Rows], parts: Mapping[str, Part]) -> Iterator[Sensor]:
    """Readings. A sensor that is no part any more is that of something pulled out: SONiC keeps telling its last value."""
    values = documents.get("values", {})
    for index, units in documents.get("sensors", {}).items():
        value, own = _value({**units, **values.get(index, {})}), parts.get(index)
        if value is not None and (own is not None or not parts):
            yield Sensor(
                index=index,
                type=whole(units.get("type")) or 0,
                value=value,
                name=(own.description or own.name) if own else f"sensor {index}",
                part=_holder(own, parts),
            )


def _value(row: Mapping[str, Value]) -> float | None:
    """The reading in its unit; None unless the sensor says that it is one."""
    value, scale, precision = whole(row.get("value")), whole(row.get("scale")), whole(row.get("precision"))
    if value is None or whole(row.get("status")) != _OK or abs(value) >= _OUT_OF_RANGE:
        return None
    if scale is None or precision is None or not 1 <= scale <= 17 or not -8 <= precision <= 9:
        return None
    power = 3 * (scale - _UNITS_SCALE) - precision
    found = value * 10.0**power if power >= 0 else value / 10.0**-power  # so that 30900 thousandths are 30.9
    low, high = {WATTS: (0, 1e5), CELSIUS: (-60, 250), RPM: (0, 6e4)}.get(whole(row.get("type")) or 0, (-1e9, 1e9))
    return found if low <= found <= high else None


def _holder(part: Part | None, parts: Mapping[str, Part]) -> Part | None:
    """The supply, fan, or port that a sensor sits in, however deep."""
    seen: set[str] = set()
    while part is not None and part.index not in seen:
        if part.kind in {SUPPLY_CLASS, FAN_CLASS, PORT_CLASS}:
            return part
        seen.add(part.index)
        part = parts.get(part.above)
    return None


def _supplies(parts: Mapping[str, Part], sensors: tuple[Sensor, ...], side: str) -> Iterator[Supply]:
    for part in parts.values():
        if part.kind != SUPPLY_CLASS:
            continue
        held = [sensor for sensor in sensors if _belongs(sensor, part, parts)]
        watts: dict[str, float] = {}
        for sensor in held:
            if sensor.type == WATTS and not _RATING.search(sensor.name) and not _OPTIC.search(sensor.name):
                watts.setdefault(_side(sensor.name, side), sensor.value)
        # An agent may list slots; one with a plate or a sensor at work has a supply in it. Of the others nothing is known.
        yield Supply(name=part.name or part.description, present=True if part.is_there or held else None, watts=watts)


def _belongs(sensor: Sensor, supply: Part, parts: Mapping[str, Part]) -> bool:
    """A supply's fan belongs to the supply, too."""
    part = sensor.part
    if part is not None and part.kind == FAN_CLASS:
        part = _holder(parts.get(part.above), parts)
    return part is not None and part.index == supply.index


def _side(name: str, usual: str) -> str:
    lowered = name.lower()
    return next((side for side in ("input", "output") if side in lowered), usual)


def _fans(sensors: tuple[Sensor, ...]) -> Iterator[Fan]:
    for sensor in sensors:
        if sensor.part is None or sensor.part.kind != FAN_CLASS:
            continue
        # Told as "unknown" it is revolutions on Dell's SONiC, per cent on the community's: below 100 nobody can tell.
        if sensor.type == RPM or (sensor.type == UNKNOWN and 100 < sensor.value <= 6e4):
            yield Fan(name=sensor.part.name or sensor.part.description, rpm=sensor.value)


def _distinct(sensors: tuple[Sensor, ...]) -> dict[str, float]:
    """Temperatures by name, but those of optical modules; a name that comes again carries its index."""
    found: dict[str, float] = {}
    for sensor in sensors:
        if (
            sensor.type == CELSIUS
            and (sensor.part is None or sensor.part.kind != PORT_CLASS)
            and not _OPTIC.search(sensor.name)
        ):
            found[sensor.name if sensor.name not in found else f"{sensor.name} ({sensor.index})"] = sensor.value
    return found


def _lights(sensors: tuple[Sensor, ...], ports: Mapping[str, str]) -> Iterator[Light]:
    for sensor in sensors:
        port = ports.get(sensor.part.index) if sensor.part is not None else None
        direction = _DIRECTION.search(sensor.name)
        if port is None or direction is None or sensor.type not in {WATTS, DBM}:
            continue
        if sensor.type == WATTS and sensor.value <= 0:  # no light has no logarithm
            continue
        dbm = sensor.value if sensor.type == DBM else 10 * math.log10(sensor.value * 1000)
        lane = None if sensor.name.endswith(port) else _LANE.search(sensor.name)
        yield Light(
            port=port, lane=lane[1] if lane else "1", direction="transmit" if direction[1] else "receive", dbm=round(dbm, 3)
        )


def _port_names(parts: Mapping[str, Part], aliases: Rows, ports: Mapping[str, str]) -> dict[str, str]:
    """Names of ports by the index of the part that they are: by the agent's own table, by name, by SONiC's numbering."""
    known = set(ports.values())
    found: dict[str, str] = {}
    for part in parts.values():
        if part.kind != PORT_CLASS:
            continue
        told = text(aliases.get(f"{part.index}.0", {}).get("port")).rpartition(".")[2]
        number = int(part.index) - _SONIC_MODULES if part.index.isdecimal() else -1
        numbered = ports.get(str(number // _SONIC_STEP)) if number > 0 and number % _SONIC_STEP == 0 else None
        name = ports.get(told) or (part.name if part.name in known else None) or numbered
        if name is not None:
            found[part.index] = name
    return found


def without_watts(environment: Environment) -> Environment:
    """The same without the supplies' watts."""
    return replace(environment, supplies=tuple(replace(supply, watts={}) for supply in environment.supplies))
