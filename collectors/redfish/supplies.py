"""Power supplies: what each takes and gives, whether it is well, and whether one may fail."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from collectors.redfish.reader import Reader, features_of
from collectors.redfish.topic import Documents, Topic
from collectors.redfish.tree import Chassis, Tree
from collectors.redfish.words import Health, health, present, readable, worst
from wattstat.catalogue import node as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.members import Body, Json, distinct, last_segment, link, member, objects, text, volts, watts

# PSU.Slot.1_InputPower (Dell), ps1_input_power (Delta), PS1InputPower (DMTF); PS1Voltage (Dell), PS1InputVoltage (DMTF).
_SENSOR = re.compile(r"^ps[a-z.]*(\d+)[_ ]?(input|output)?[_ ]?(power|voltage)$", re.IGNORECASE)
_WORDS = {"fullyredundant": True, "fullredundancy": True, "redundancylost": False, "degradedredundancy": False, "lost": False}
_NUMBER = re.compile(r"(\d+)\D*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """One power supply that is there; an empty bay is none. `on` is False when the device says that it does not work."""

    name: str
    on: bool = True
    input_watts: float | None = None
    output_watts: float | None = None
    input_volts: float | None = None
    capacity_watts: float | None = None
    health: Health | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppliesReading:
    """All supplies of a server. `redundant` is None where the device does not say."""

    supplies: tuple[Supply, ...] = ()
    capacity_watts: float | None = None
    policy: str = ""
    redundant: bool | None = None

    @property
    def input_watts(self) -> float | None:
        """The sum of the inputs; None when a working supply's input is not known, for then the sum would be too small."""
        inputs = [supply.input_watts for supply in self.supplies if supply.on]
        known = [value for value in inputs if value is not None]
        return sum(known) if known and len(known) == len(inputs) else None


async def fetch(reader: Reader, tree: Tree) -> Documents:
    """For each chassis: PowerSubsystem with its supplies and what they measure, else the old Power; of a Dell the policy."""
    chassis = {each.id: await _chassis(reader, each) for each in tree.tops}
    attributes = await reader.get(tree.attributes_of("System"))
    return {"chassis": chassis, "policy": member(attributes, "Attributes", "ServerPwr.1.PSRedPolicy")}


async def _chassis(reader: Reader, chassis: Chassis) -> Documents:
    async def subsystem() -> Documents | None:
        body = await reader.get(chassis.power_subsystem)
        supplies = await reader.collection(link(member(body, "PowerSupplies")))
        return {"subsystem": body, "supplies": supplies} if body and supplies else None

    async def old() -> Documents | None:
        body = await reader.get(chassis.power)
        return {"power": body} if body else None

    ways = {"PowerSubsystem": subsystem, "Power": old}
    found = await reader.first(f"supplies of {chassis.id}", ways, lambda found: bool(_supplies(found))) or {}
    if "supplies" in found:
        found["measured"] = await _measured(reader, chassis, found["supplies"])
    return found


async def _measured(reader: Reader, chassis: Chassis, supplies: list[Body]) -> Documents:
    """What the supplies measure: the sensors of the chassis where one request brings all, else each supply's Metrics."""

    async def sensors() -> Documents:
        bodies = await reader.collection(chassis.sensors) if features_of(reader.bmc.session.root).expand else []
        return {"sensors": [body for body in bodies if _SENSOR.match(text(body.get("Id")))]}

    async def metrics() -> Documents:
        there = [body for body in supplies if present(body)]
        return {"metrics": {link(body) or "": await reader.get(link(body.get("Metrics"))) for body in there}}

    def good(found: Documents) -> bool:
        measured = _supplies({"supplies": supplies, "measured": found})
        return any(supply.input_watts is not None or supply.output_watts is not None for supply in measured)

    ways = {"Sensors": sensors, "Metrics": metrics}
    return await reader.first(f"supply metrics of {chassis.id}", ways, good) or {}


def parse(_tree: Tree, documents: Documents) -> SuppliesReading:
    supplies: list[Supply] = []
    seen: set[str] = set()
    chassis = member(documents, "chassis")
    found = {name: each for name, each in chassis.items() if isinstance(each, dict)} if isinstance(chassis, dict) else {}
    for name, bodies in found.items():
        supplies += [replace(each, name=label) for each in _supplies(bodies) if (label := distinct(each.name, name, seen))]
    policy = text(documents.get("policy"))
    told = _all(verdict for bodies in found.values() for verdict in _redundant(bodies))
    return SuppliesReading(
        supplies=tuple(supplies),
        capacity_watts=next(filter(None, map(_capacity, found.values())), None),
        policy=policy,
        redundant=False if policy == "Not Redundant" else told,
    )


def _capacity(found: Documents) -> float | None:
    new, old = member(found, "subsystem", "CapacityWatts"), member(found, "power", "PowerControl", 0, "PowerCapacityWatts")
    return watts(new) or watts(old)


def _redundant(found: Documents) -> list[bool | None]:
    """What redundancy groups and Dell's supplies say. An iDRAC whose policy is "Not Redundant" leaves the groups empty."""
    groups = [*objects(member(found, "subsystem", "PowerSupplyRedundancy")), *objects(member(found, "power", "Redundancy"))]
    supplies = [*objects(found.get("supplies")), *objects(member(found, "power", "PowerSupplies"))]
    words = [text(member(each, "Oem", "Dell", "DellPowerSupplyView", "RedundancyStatus")).lower() for each in supplies]
    return [_group(group) for group in groups] + [_WORDS.get(word.replace(" ", "")) for word in words]


def _group(group: Body) -> bool | None:
    """Redundant is a group that is enabled and well; one that is offline has lost it whatever its health says."""
    state, well = text(member(group, "Status", "State")), health(group.get("Status"))
    if not state and well is None:
        return None
    return state in {"", "Enabled"} and well in {None, Health.OK}


def _all(verdicts: Iterable[bool | None]) -> bool | None:
    known = [verdict for verdict in verdicts if verdict is not None]
    return all(known) if known else None


def _supplies(found: Documents) -> list[Supply]:
    old = [_old(each) for each in objects(member(found, "power", "PowerSupplies")) if present(each)]
    sensors = list(objects(member(found, "measured", "sensors")))
    metrics = member(found, "measured", "metrics")
    new = [
        _measure(_supply(body), sensors, member(metrics, link(body) or ""))
        for body in objects(member(found, "supplies"))
        if present(body)
    ]
    return [supply for supply in old + new if supply.name]


def _supply(body: Body) -> Supply:
    return Supply(
        name=text(body.get("Id")) or last_segment(link(body) or ""),
        on=readable(body),
        capacity_watts=watts(body.get("PowerCapacityWatts")),
        health=health(body.get("Status")),
    )


def _measure(supply: Supply, sensors: list[Body], metrics: Body | None) -> Supply:
    own = {(kind, quantity): body for number, kind, quantity, body in map(_named, sensors) if number == _number(supply.name)}
    reading = {key: body.get("Reading") for key, body in own.items() if readable(body)}
    return replace(
        supply,
        input_watts=_either(watts, reading.get(("input", "power")), member(metrics, "InputPowerWatts", "Reading")),
        output_watts=_either(watts, reading.get(("output", "power")), member(metrics, "OutputPowerWatts", "Reading")),
        input_volts=_either(
            volts, reading.get(("input", "voltage")), reading.get(("", "voltage")), member(metrics, "InputVoltage", "Reading")
        ),
        health=worst(supply.health, health(member(metrics, "Status"))),
    )


def _named(sensor: Body) -> tuple[str, str, str, Body]:
    match = _SENSOR.match(text(sensor.get("Id")))
    return (match[1], (match[2] or "").lower(), match[3].lower(), sensor) if match else ("", "", "", sensor)


def _number(name: str) -> str:
    match = _NUMBER.search(name)
    return match[1] if match else name


def _old(body: Body) -> Supply:
    """A supply in the old Power. Dell's own name for it is the one that the newer resources use."""
    own = text(member(body, "Oem", "Dell", "DellPowerSupplyView", "Id"))
    on = readable(body)  # one that is off still shows its last output
    return Supply(
        name=own or text(body.get("Name")).replace(" ", "") or text(body.get("MemberId")),
        on=on,
        input_watts=watts(body.get("PowerInputWatts")) if on else None,
        output_watts=_either(watts, body.get("PowerOutputWatts"), body.get("LastPowerOutputWatts")) if on else None,
        input_volts=volts(body.get("LineInputVoltage")) if on else None,
        capacity_watts=watts(body.get("PowerCapacityWatts")),
        health=health(body.get("Status")),
    )


def _either(read: Callable[[Json], float | None], *candidates: Json) -> float | None:
    return next((value for value in map(read, candidates) if value is not None), None)


def samples(node: str, reading: SuppliesReading) -> Samples:
    out = Samples()
    for supply in reading.supplies:
        out.add(catalogue.PSU_INPUT_WATTS, supply.input_watts, node, supply.name)
        out.add(catalogue.PSU_OUTPUT_WATTS, supply.output_watts, node, supply.name)
        out.add(catalogue.PSU_INPUT_VOLTS, supply.input_volts, node, supply.name)
        out.add(catalogue.PSU_CAPACITY_WATTS, supply.capacity_watts, node, supply.name)
        out.add(catalogue.PSU_HEALTH, supply.health, node, supply.name)
    out.add(catalogue.NODE_POWER_WATTS, reading.input_watts, node, "psu_sum")
    out.add(catalogue.NODE_POWER_CAPACITY_WATTS, reading.capacity_watts, node)
    out.add(catalogue.PSU_REDUNDANCY_OK, reading.redundant, node)
    if reading.policy:
        out.add(catalogue.PSU_REDUNDANCY_INFO, 1, node, reading.policy)
    return out


SUPPLIES = Topic(name="supplies", tier="medium", fetch=fetch, parse=parse, samples=samples)
