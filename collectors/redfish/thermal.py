"""Temperatures by role with their thresholds, fans, and the usage that an iDRAC sees: the medium tier.

Three families tell them: Sensors (all in one request where `$expand` works, with thresholds), ThermalSubsystem, old Thermal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from collectors.redfish import roles
from collectors.redfish.reader import FORGET_MISSING_SECONDS, Reader, features_of
from collectors.redfish.topic import Documents, Topic
from collectors.redfish.tree import Chassis, Tree
from collectors.redfish.words import Health, health, present, readable
from wattstat.catalogue import node as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.members import Body, celsius, distinct, last_segment, link, member, objects, percent, rpm, text

_USAGE = re.compile(r"^SystemBoard(CPU|MEM|IO|SYS)Usage$")
_USED = {"CPU": "cpu", "MEM": "memory", "IO": "io", "SYS": "system"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperature:
    """A sensor's reading and thresholds in degrees Celsius."""

    sensor: str
    role: str
    celsius: float
    caution: float | None = None
    critical: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fan:
    """A fan's speed; `ratio` of its maximum."""

    name: str
    rpm: float | None = None
    ratio: float | None = None
    health: Health | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThermalReading:
    """Everything thermal of a server; names are unique."""

    temperatures: tuple[Temperature, ...] = ()
    fans: tuple[Fan, ...] = ()
    usage: tuple[tuple[str, float], ...] = ()
    fans_redundant: bool | None = None


async def fetch(reader: Reader, tree: Tree) -> Documents:
    """For each chassis, the documents of the family that has temperatures, and of the one that has fans."""
    return {chassis.id: await _of_chassis(reader, tree, chassis) for chassis in tree.tops}


async def _of_chassis(reader: Reader, tree: Tree, chassis: Chassis) -> Documents:
    fans = await _fans(reader, chassis)
    return {
        "temperatures": await _temperatures(reader, tree, chassis),
        "fans": fans,
        "duty": await _duty(reader, chassis) if fans and not _any_ratio(fans) else None,
        "subsystem": await reader.get(chassis.thermal_subsystem),
        "thermal": await reader.get(chassis.thermal) if chassis.thermal_subsystem is None else None,
    }


async def _temperatures(reader: Reader, tree: Tree, chassis: Chassis) -> list[Body] | None:
    ways = {
        "Sensors": lambda: _sensors(reader, chassis),
        "ThermalMetrics": lambda: _thermal_metrics(reader, chassis),
        "Thermal": lambda: _thermal(reader, chassis),
    }
    if chassis in tree.boards:  # its ThermalMetrics cover the modules on it, its own sensors do not
        ways = {name: ways[name] for name in ("ThermalMetrics", "Sensors", "Thermal")}
    return await reader.first(f"temperatures of {chassis.id}", ways, _any_temperature)


async def _fans(reader: Reader, chassis: Chassis) -> list[Body] | None:
    ways = {
        "Sensors": lambda: _sensors(reader, chassis),
        "Fans": lambda: _subsystem_fans(reader, chassis),
        "Thermal": lambda: _thermal(reader, chassis),
    }
    return await reader.first(f"fans of {chassis.id}", ways, _any_fan)


async def _duty(reader: Reader, chassis: Chassis) -> list[Body] | None:
    """The Fan resources, for how much is left to add: sensors show turns only. Where they do not say, they are left alone."""
    if not features_of(reader.bmc.session.root).expand:
        return None
    ways = {"Fans": lambda: _subsystem_fans(reader, chassis)}
    return await reader.first(f"fan duty of {chassis.id}", ways, _any_ratio, rest_seconds=FORGET_MISSING_SECONDS)


async def _subsystem_fans(reader: Reader, chassis: Chassis) -> list[Body]:
    return await reader.collection(link(member(await reader.get(chassis.thermal_subsystem), "Fans")))


async def _sensors(reader: Reader, chassis: Chassis) -> list[Body]:
    """The sensors, where one request brings them all."""
    return await reader.collection(chassis.sensors) if features_of(reader.bmc.session.root).expand else []


async def _thermal_metrics(reader: Reader, chassis: Chassis) -> list[Body]:
    body = await reader.get(link(member(await reader.get(chassis.thermal_subsystem), "ThermalMetrics")))
    return [body] if body else []


async def _thermal(reader: Reader, chassis: Chassis) -> list[Body]:
    body = await reader.get(chassis.thermal)
    return [body] if body else []


def parse(_tree: Tree, documents: Documents) -> ThermalReading:
    temperatures: list[Temperature] = []
    fans: list[Fan] = []
    usage: dict[str, float] = {}
    redundant: list[bool] = []
    seen: set[str] = set()
    seen_fans: set[str] = set()
    for chassis, found in documents.items():
        bodies = list(objects(member(found, "temperatures")))
        warm = temperatures_of(bodies)
        temperatures += [replace(each, sensor=label) for each in warm if (label := distinct(each.sensor, chassis, seen))]
        duty = {fan.name: fan.ratio for fan in fans_of(list(objects(member(found, "duty"))))}
        turning = [_with_ratio(fan, duty) for fan in fans_of(list(objects(member(found, "fans"))))]
        fans += [replace(fan, name=label) for fan in turning if (label := distinct(fan.name, chassis, seen_fans))]
        usage |= usage_of(bodies)
        redundant += redundancy_of(member(found, "subsystem"), member(found, "thermal"))
    return ThermalReading(
        temperatures=tuple(temperatures),
        fans=tuple(fans),
        usage=tuple(usage.items()),
        fans_redundant=all(redundant) if redundant else None,
    )


def _any_temperature(bodies: list[Body]) -> bool:
    return any(value is not None for body in bodies for _, _, value, *_ in _rows(body))


def _any_fan(bodies: list[Body]) -> bool:
    return any(fan.rpm is not None or fan.ratio is not None for body in bodies for fan in _fans_in(body))


def _any_ratio(bodies: list[Body]) -> bool:
    return any(fan.ratio is not None for body in bodies for fan in _fans_in(body))


def temperatures_of(bodies: list[Body]) -> list[Temperature]:
    """The temperatures in Sensor, ThermalMetrics or Thermal documents, however many of them."""
    rows = [row for body in bodies for row in _rows(body)]
    trusted = roles.trusted_contexts(context for _, context, *_ in rows)
    return [
        Temperature(
            sensor=name, role=roles.role_of(name, context if trusted else ""), celsius=value, caution=caution, critical=critical
        )
        for name, context, value, caution, critical in rows
        if value is not None and name and not roles.is_margin(name)
    ]


_Row = tuple[str, str, float | None, float | None, float | None]  # name, context, reading, caution, critical


def _rows(body: Body) -> list[_Row]:
    if "Reading" in body:  # a Sensor
        return [_sensor_row(body)] if _measures(body, "Temperature", "Cel") else []
    old = [_old_row(each) for each in objects(body.get("Temperatures")) if readable(each)]
    return old + [_excerpt_row(each) for each in objects(body.get("TemperatureReadingsCelsius"))]


def _sensor_row(body: Body) -> _Row:
    caution, critical = (celsius(member(body, "Thresholds", name, "Reading")) for name in ("UpperCaution", "UpperCritical"))
    return text(body.get("Id")), text(body.get("PhysicalContext")), celsius(body.get("Reading")), caution, critical


def _old_row(each: Body) -> _Row:
    """Thermal names its sensors with blanks where Sensors have the same name without."""
    caution, critical = (celsius(each.get(f"UpperThreshold{name}")) for name in ("NonCritical", "Critical"))
    name = text(each.get("Name")).replace(" ", "")
    return name, text(each.get("PhysicalContext")), celsius(each.get("ReadingCelsius")), caution, critical


def _excerpt_row(each: Body) -> _Row:
    """The sensor that a reading comes from is its identity; device names repeat (three for each GPU of a baseboard)."""
    name = last_segment(text(each.get("DataSourceUri"))) or text(each.get("DeviceName"))
    return name, text(each.get("PhysicalContext")), celsius(each.get("Reading")), None, None


def fans_of(bodies: list[Body]) -> list[Fan]:
    """The fans in Sensor, Fan or Thermal documents. One that is not well need not show a speed."""
    found = [fan for body in bodies for fan in _fans_in(body)]
    return [fan for fan in found if fan.name and (fan.rpm is not None or fan.ratio is not None or _is_unwell(fan))]


def _is_unwell(fan: Fan) -> bool:
    return fan.health is not None and fan.health is not Health.OK


def _with_ratio(fan: Fan, duty: dict[str, float | None]) -> Fan:
    """With what the Fan resource says of it. One that stands still is driven like the others, and helps nobody."""
    return replace(fan, ratio=duty.get(fan.name)) if fan.ratio is None and not _is_unwell(fan) else fan


def redundancy_of(subsystem: Body | None, thermal: Body | None) -> list[bool]:
    """Whether each group of fans is redundant. A group that is disabled, or has no health, says nothing."""
    groups = [*objects(member(subsystem, "FanRedundancy")), *objects(member(thermal, "Redundancy"))]
    known = [(text(member(group, "Status", "State")), health(group.get("Status"))) for group in groups]
    return [verdict is Health.OK for state, verdict in known if verdict is not None and state not in {"Absent", "Disabled"}]


def _fans_in(body: Body) -> list[Fan]:
    if "Reading" in body:  # a Sensor; fans are the ones that turn, or percentages that are called so
        fan = _is_of(body, "Rotational", "RPM") or ("fan" in text(body.get("Id")).lower() and _is_of(body, "Percent", "%"))
        return [_fan(text(body.get("Id")), body, body)] if fan else []
    if "SpeedPercent" in body:  # a Fan; an iDRAC9 gives RPM only, from 7.10 on the PWM beside it
        fan_pwm = percent(member(body, "Oem", "Dell", "FanPWM"))
        found = _fan(text(body.get("Id")), body, member(body, "SpeedPercent"))
        return [found if found.ratio is not None or not readable(body) else replace(found, ratio=fan_pwm)]
    return [_fan(text(each.get("Name")).replace(" ", ""), each, each) for each in objects(body.get("Fans"))]


def _fan(name: str, body: Body, speed: Any) -> Fan:
    """`speed` holds Reading (in its units, per cent where it has none) and SpeedRPM. What is not there has no name."""
    if not present(body):
        return Fan(name="")
    if not readable(body):
        return Fan(name=name, health=health(body.get("Status")))
    reading = member(speed, "Reading")
    turning = text(member(speed, "ReadingUnits")) == "RPM"
    turns = rpm(member(speed, "SpeedRPM"))
    return Fan(
        name=name,
        rpm=rpm(reading) if turning and turns is None else turns,
        ratio=None if turning else percent(reading),
        health=health(body.get("Status")),
    )


def usage_of(bodies: list[Body]) -> dict[str, float]:
    """What Dell's usage sensors say, as ratios."""
    found = {}
    for body in bodies:
        match = _USAGE.match(text(body.get("Id")))
        ratio = percent(body.get("Reading")) if match and readable(body) else None
        if match and ratio is not None:
            found[_USED[match[1]]] = ratio
    return found


def _measures(body: Body, reading_type: str, units: str) -> bool:
    return _is_of(body, reading_type, units) and readable(body)


def _is_of(body: Body, reading_type: str, units: str) -> bool:
    """Whether a Sensor is of a type; DMTF's own mock-ups leave the type out and give the units."""
    told = body.get("ReadingType")
    return told == reading_type or (not told and body.get("ReadingUnits") == units)


def samples(node: str, reading: ThermalReading) -> Samples:
    out = Samples()
    for each in reading.temperatures:
        out.add(catalogue.NODE_TEMPERATURE_CELSIUS, each.celsius, node, each.sensor, each.role)
        out.add(catalogue.NODE_TEMPERATURE_LIMIT_CELSIUS, each.caution, node, each.sensor, "caution")
        out.add(catalogue.NODE_TEMPERATURE_LIMIT_CELSIUS, each.critical, node, each.sensor, "critical")
    for fan in reading.fans:
        out.add(catalogue.FAN_SPEED_RPM, fan.rpm, node, fan.name)
        out.add(catalogue.FAN_SPEED_RATIO, fan.ratio, node, fan.name)
        out.add(catalogue.FAN_HEALTH, fan.health, node, fan.name)
    out.add(catalogue.FAN_REDUNDANCY_OK, reading.fans_redundant, node)
    for component, ratio in reading.usage:
        out.add(catalogue.NODE_USAGE_RATIO, ratio, node, component)
    return out


THERMAL = Topic(name="thermal", tier="medium", fetch=fetch, parse=parse, samples=samples)
