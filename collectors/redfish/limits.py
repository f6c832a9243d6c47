"""The cap of a server as it truly is, and the energy that it has counted.

`PowerControl.PowerLimit.LimitInWatts` is never read: on all recorded machines it shows a limit that is switched off, once below
what the machine draws. What counts is Dell's own setting, or a ControlMode.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from collectors.redfish.reader import Reader, features_of
from collectors.redfish.topic import Documents, Topic
from collectors.redfish.tree import Chassis, Tree
from collectors.redfish.words import readable
from wattstat.catalogue import node as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.members import Body, Json, between, joules, joules_of_kwh, member, state, text

JOULES_PER_WATT_HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """A power cap in watts, whether it is in force (None: the device does not say), and what may be set."""

    watts: float | None = None
    active: bool | None = None
    min_watts: float | None = None
    max_watts: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsReading:
    """The server's cap, the limit that all GPUs of its baseboard share, and the energy counter in joules."""

    cap: Cap = Cap()
    baseboard: Cap = Cap()
    energy_joules: float | None = None


async def fetch(reader: Reader, tree: Tree) -> Documents:
    """Dell's System attributes; for others EnvironmentMetrics, the power Control and the total energy's sensor."""
    documents: Documents = {"system": tree.host and await reader.get(tree.host.uri)}
    documents["attributes"] = await reader.get(tree.attributes_of("System"))
    host = next(iter(tree.hosts), None)
    if host is not None:
        documents["environment"] = await reader.get(host.environment)
        if not _has_cap(documents):
            documents["control"] = await _control(reader, host)
        if energy_joules(documents) is None:
            documents["sensor"] = await _energy_sensor(reader, host)
    board = next(iter(tree.boards), None)
    documents["baseboard"] = await reader.get(board.environment) if board else None
    return documents


async def _control(reader: Reader, host: Chassis) -> Body | None:
    """The Control of the whole chassis' power."""
    members = await reader.collection(host.controls)
    return next((body for body in members if text(body.get("ControlType")) == "Power" and _whole(body)), None)


async def _energy_sensor(reader: Reader, host: Chassis) -> Body | None:
    """The sensor of all the energy, where one request brings the chassis' sensors."""
    if not features_of(reader.bmc.session.root).expand:
        return None
    members = await reader.collection(host.sensors)
    return next((body for body in members if text(body.get("ReadingType")).startswith("Energy") and _whole(body)), None)


def _whole(body: Body) -> bool:
    return text(body.get("PhysicalContext")) in {"", "Chassis", "System"}


def _has_cap(documents: Documents) -> bool:
    return documents.get("attributes") is not None or member(documents, "environment", "PowerLimitWatts") is not None


def parse(_tree: Tree, documents: Documents) -> LimitsReading:
    return LimitsReading(
        cap=_cap(documents),
        baseboard=_standard(member(documents, "baseboard", "PowerLimitWatts")),
        energy_joules=energy_joules(documents),
    )


def _cap(documents: Documents) -> Cap:
    attributes = member(documents, "attributes", "Attributes")
    if isinstance(attributes, dict):
        return _dell(attributes)
    cap = _standard(member(documents, "environment", "PowerLimitWatts") or documents.get("control"))
    if cap.active is not None:
        return cap
    # A 17G server says it in its System; the attributes may be closed to a read-only account.
    return replace(cap, active=state(member(documents, "system", "Oem", "Dell", "DellSystem", "PowerCapEnabledState")))


def _dell(attributes: Body) -> Cap:
    return Cap(
        watts=_limit(attributes.get("ServerPwr.1.PowerCapValue")),
        active=state(attributes.get("ServerPwr.1.PowerCapSetting")),
        min_watts=_limit(attributes.get("ServerPwr.1.PowerCapMinThres")),
        max_watts=_limit(attributes.get("ServerPwr.1.PowerCapMaxThres")),
    )


def _standard(control: Json) -> Cap:
    """PowerLimitWatts or a Control. One that is disabled keeps its last set point; one without a mode says nothing."""
    mode = text(member(control, "ControlMode"))
    return Cap(
        watts=_limit(member(control, "SetPoint")),
        active=mode != "Disabled" if mode else None,
        min_watts=_limit(member(control, "AllowableMin")),
        max_watts=_limit(member(control, "AllowableMax")),
    )


def _limit(value: Json) -> float | None:
    """Watts above zero: nobody caps a server at nothing."""
    return between(1, value, 1e6)


def energy_joules(documents: Documents) -> float | None:
    """The energy that the server's own meter has counted; None where it counts none."""
    sensor = documents.get("sensor")
    reading = member(sensor, "Reading") if readable(sensor) else None
    # Dell writes no unit; watt-hours are the only one that makes the recorded means (510 W, 144 W, 345 W) plausible.
    watt_hours = between(0, member(documents, "attributes", "Attributes", "ServerPwrMon.1.AccumulativePower"), 1e9)
    candidates = (
        joules(member(documents, "environment", "EnergyJoules", "Reading")),
        joules_of_kwh(member(documents, "environment", "EnergykWh", "Reading")),
        None if watt_hours is None else watt_hours * JOULES_PER_WATT_HOUR,
        joules(reading) if text(member(sensor, "ReadingType")) == "EnergyJoules" else joules_of_kwh(reading),
    )
    return next((value for value in candidates if value is not None), None)


def samples(node: str, reading: LimitsReading) -> Samples:
    out = Samples()
    out.add(catalogue.NODE_POWER_CAP_WATTS, reading.cap.watts, node)
    out.add(catalogue.NODE_POWER_CAP_ACTIVE, reading.cap.active, node)
    out.add(catalogue.NODE_POWER_CAP_MIN_WATTS, reading.cap.min_watts, node)
    out.add(catalogue.NODE_POWER_CAP_MAX_WATTS, reading.cap.max_watts, node)
    out.add(catalogue.NODE_BASEBOARD_POWER_LIMIT_WATTS, reading.baseboard.watts, node, "setpoint")
    out.add(catalogue.NODE_BASEBOARD_POWER_LIMIT_WATTS, reading.baseboard.min_watts, node, "min")
    out.add(catalogue.NODE_BASEBOARD_POWER_LIMIT_WATTS, reading.baseboard.max_watts, node, "max")
    out.add(catalogue.NODE_ENERGY_JOULES_TOTAL, reading.energy_joules, node, "counter")
    return out


LIMITS = Topic(name="limits", tier="medium", fetch=fetch, parse=parse, samples=samples)
