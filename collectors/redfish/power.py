"""The power that a server and its GPU baseboard draw now: one small document each."""

from __future__ import annotations

import re
from dataclasses import dataclass

from collectors.redfish.reader import Reader
from collectors.redfish.topic import Documents, Topic
from collectors.redfish.tree import Chassis, Tree
from wattstat.catalogue import node as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.members import Body, as_body, link, member, objects, text, watts

# The sensor of the whole input, without punctuation, as Dell, DMTF's mock-ups, Delta and OpenBMC name it.
_INPUT = re.compile(
    r"^(systemboard)?pwrconsumption$|^(system)?total(system)?(input)?power(in)?$|^(system|chassis|node)(input)?power$"
)
_CONTEXTS = frozenset({"", "Chassis", "SystemBoard", "PowerSubsystem", "PowerSupply", "System", "Intake"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerReading:
    """Input power of the server by its own meter, and of its GPU baseboard; in watts."""

    system_watts: float | None = None
    baseboard_watts: float | None = None


async def fetch(reader: Reader, tree: Tree) -> Documents:
    """The newest kind of resource that gives a reading: EnvironmentMetrics, else Power, else the input power's sensor.

    On an iDRAC9 the sensor is the IPMI one of eight bits and so has steps of up to 30 W, while Power counts in watts.
    """
    documents: Documents = {}
    for chassis in tree.hosts:
        body = await _input_power(reader, tree, chassis)
        if body is not None:
            documents["system"] = body
            break
    for board in tree.boards:
        body = await reader.get(board.environment)
        if body is not None:
            documents["baseboard"] = body
            break
    return documents


async def _input_power(reader: Reader, tree: Tree, chassis: Chassis) -> Body | None:
    ways = {
        "EnvironmentMetrics": lambda: reader.get(chassis.environment),
        "Power": lambda: reader.get(chassis.power, "$select=PowerControl" if tree.select else ""),
        "Sensor": lambda: _sensor(reader, chassis),
    }
    return await reader.first("power", ways, lambda body: input_watts(body) is not None, rest_seconds=0)


async def _sensor(reader: Reader, chassis: Chassis) -> Body | None:
    """The input power's sensor; which of the chassis' sensors that is, is looked up only once.

    Where the members of the collection cannot be asked for by themselves, the collection brings them.
    """
    known = reader.bmc.found
    if chassis.sensors is None:
        return None
    if chassis.sensors in known:
        body = await reader.get(known[chassis.sensors])
        if body is not None or known[chassis.sensors] is None:
            return body
    body = next((each for each in await reader.collection(chassis.sensors) if is_input_power(each)), None)
    known[chassis.sensors] = link(body)
    return body


def is_input_power(sensor: Body) -> bool:
    """Whether a Sensor is the one for the whole input power of its chassis."""
    if text(sensor.get("ReadingType")) != "Power" or text(sensor.get("PhysicalContext")) not in _CONTEXTS:
        return False
    return any(_INPUT.match(re.sub(r"[^a-z]", "", text(sensor.get(name)).lower())) for name in ("Id", "Name"))


def input_watts(body: Body) -> float | None:
    """The input power that EnvironmentMetrics, Power or a Sensor states.

    Zero is no reading: a controller that answers draws power itself, through the same supplies.
    """
    candidates = [member(body, "PowerWatts", "Reading"), body.get("Reading")]
    candidates += [control.get("PowerConsumedWatts") for control in objects(body.get("PowerControl"))]
    return next((value for value in map(watts, candidates) if value), None)


def parse(_tree: Tree, documents: Documents) -> PowerReading:
    return PowerReading(
        system_watts=input_watts(as_body(documents.get("system"))),
        baseboard_watts=watts(member(documents.get("baseboard"), "PowerWatts", "Reading")),
    )


def samples(node: str, reading: PowerReading) -> Samples:
    out = Samples()
    out.add(catalogue.NODE_POWER_WATTS, reading.system_watts, node, "system")
    out.add(catalogue.NODE_POWER_WATTS, reading.baseboard_watts, node, "hgx")
    return out


POWER = Topic(name="power", tier="fast", fetch=fetch, parse=parse, samples=samples)
