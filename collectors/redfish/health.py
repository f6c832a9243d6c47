"""Whether a server is well and why it is not: the roll-ups of its System, and the faults that its BMC lists."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from collectors.redfish.reader import Reader
from collectors.redfish.topic import Documents, Topic
from collectors.redfish.tree import Tree
from collectors.redfish.words import Health, health, worst
from wattstat.catalogue import node as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.members import Body, Json, between, last_segment, link, member, objects, state, text

# Dell says "no reading" with 255 in EstimatedSystemAirflowCFM; a 2U server moves less than that.
NO_AIRFLOW = 255.0
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")
FAULTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An entry of the list of current faults."""

    id: str
    severity: str
    message_id: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReading:
    """`parts` names each roll-up that the device tells, `system` first. `faults` is None where there is no list of them."""

    power_on: bool | None = None
    parts: tuple[tuple[str, Health], ...] = ()
    airflow_cfm: float | None = None
    faults: tuple[Fault, ...] | None = None


async def fetch(reader: Reader, tree: Tree) -> Documents:
    """Every System, and the FaultList where the BMC keeps one."""
    systems = {system.id: await reader.get(system.uri) for system in tree.systems}
    faults = await _fault_list(reader, tree)
    return {"systems": systems, "faults": faults, "listed": faults is not None}


async def _fault_list(reader: Reader, tree: Tree) -> list[Body] | None:
    manager = tree.bmc
    if manager is None or manager.logs is None:
        return None
    known = reader.bmc.found
    if manager.logs not in known:
        services = await reader.members(manager.logs)
        service = await reader.get(next((uri for uri in services if last_segment(uri) == "FaultList"), None))
        known[manager.logs] = link(member(service, "Entries"))
    page = await reader.get(known[manager.logs])
    return None if page is None else list(objects(page.get("Members")))


def parse(tree: Tree, documents: Documents) -> HealthReading:
    systems = documents.get("systems")
    found = {name: body for name, body in systems.items() if isinstance(body, dict)} if isinstance(systems, dict) else {}
    host = found.get(tree.host.id) if tree.host else None
    parts: dict[str, Health] = {}
    for name, body in found.items():
        own = body is host
        verdict = worst(health(member(body, "Status", "HealthRollup")), health(body.get("Status")))
        if verdict is not None:
            parts["system" if own else name] = verdict
        parts |= _rollups(body) if own else {}
    return HealthReading(
        power_on=state(member(host, "PowerState"), on="On", off="Off"),
        parts=tuple(parts.items()),
        airflow_cfm=_airflow(member(host, "Oem", "Dell", "DellSystem", "EstimatedSystemAirflowCFM")),
        faults=tuple(map(_fault, objects(documents.get("faults"))))[:FAULTS] if documents.get("listed") is True else None,
    )


def _rollups(body: Body) -> dict[str, Health]:
    """Dell's *RollupStatus say why; the names in them are split into words: SysMemRollupStatus is "sys mem"."""
    dell = member(body, "Oem", "Dell", "DellSystem")
    found = {}
    for name, value in dell.items() if isinstance(dell, dict) else ():
        verdict = health(value) if name.endswith("RollupStatus") else None
        if verdict is not None:
            found[_WORDS.sub(" ", name.removesuffix("RollupStatus")).lower()] = verdict
    return found


def _airflow(value: Json) -> float | None:
    found = between(0, value, 10_000)
    return None if found == NO_AIRFLOW else found


def _fault(entry: Body) -> Fault:
    return Fault(
        id=text(entry.get("Id")),
        severity=text(entry.get("Severity")) or "unknown",
        message_id=text(entry.get("MessageId")),
        message=text(entry.get("Message"))[:200],
    )


def samples(node: str, reading: HealthReading) -> Samples:
    out = Samples()
    out.add(catalogue.NODE_POWER_ON, reading.power_on, node)
    for part, verdict in reading.parts:
        out.add(catalogue.NODE_HEALTH, verdict, node, part)
    out.add(catalogue.NODE_AIRFLOW_CFM, reading.airflow_cfm, node)
    if reading.faults is not None:
        counted = Counter(fault.severity for fault in reading.faults)
        for severity in ("Warning", "Critical", *sorted(set(counted) - {"Warning", "Critical"})):
            out.add(catalogue.NODE_FAULTS, counted[severity], node, severity)
        for fault in {each.id: each for each in reading.faults}.values():
            out.add(catalogue.NODE_FAULT_INFO, 1, node, fault.id, fault.severity, fault.message_id, fault.message)
    return out


HEALTH = Topic(name="health", tier="medium", fetch=fetch, parse=parse, samples=samples)
