"""What a server is made of: memory, drives, firmware and the BMC's licence. The slow tier, for some BMCs answer slowly here."""

from __future__ import annotations

import re
from dataclasses import dataclass

from collectors.redfish.reader import Reader
from collectors.redfish.topic import Documents, Topic
from collectors.redfish.tree import Tree
from collectors.redfish.words import Health, health, present
from wattstat.catalogue import node as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.members import Body, count, distinct, flag, last_segment, link, links, member, objects, percent, text

BYTES_PER_MIB = 1 << 20
# Dell keeps what was and what could be beside what is; of one component there are then several entries.
_DELL_FIRMWARE = re.compile(r"^(Installed|Current|Previous|Available)-.*?__(.+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimm:
    """A memory module that is there; errors by kind since ever, or that there were too many."""

    name: str
    health: Health | None = None
    capacity_bytes: float | None = None
    corrected: float | None = None
    uncorrected: float | None = None
    corrected_alarm: bool | None = None
    uncorrected_alarm: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """A drive; `life_left` is a ratio."""

    name: str
    health: Health | None = None
    life_left: float | None = None
    failure_predicted: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryReading:
    """The parts of a server; `chassis` are those that tell their health, as the newest discovery found them."""

    chassis: tuple[tuple[str, Health], ...] = ()
    """What stands in a server: memory, drives, installed firmware (component and version), licences."""

    dimms: tuple[Dimm, ...] = ()
    drives: tuple[Drive, ...] = ()
    firmware: tuple[tuple[str, str], ...] = ()
    licenses: tuple[str, ...] = ()


async def fetch(reader: Reader, tree: Tree) -> Documents:
    documents: Documents = {"memory": [], "metrics": {}, "drives": [], "devices": []}
    for system in tree.systems:
        modules = await reader.collection(system.memory)
        documents["memory"] += modules
        documents["metrics"] |= await _memory_metrics(reader, modules)
        storage = await reader.collection(system.storage)
        documents["drives"] += [await reader.get(uri) for body in storage for uri in links(body.get("Drives"))]
        documents["devices"] += [] if storage else await reader.collection(system.simple_storage)
    documents["firmware"] = await reader.collection(tree.firmware) or await _listed(reader, tree)
    documents["licenses"] = await reader.collection(tree.bmc.licenses if tree.bmc and tree.bmc.licenses else tree.licenses)
    return documents


async def _listed(reader: Reader, tree: Tree) -> list[Body]:
    """The versions that an AMI BMC lists in the collection itself."""
    listed = objects(member(await reader.get(tree.firmware), "Oem", "Ami", "FirmwareInventory"))
    return [{"Id": each.get("Name"), "Version": each.get("Version")} for each in listed]


async def _memory_metrics(reader: Reader, modules: list[Body]) -> dict[str, Body | None]:
    """Each module's metrics, where the first of them has error counters; else (an iDRAC) of those that are not well, why."""
    found: dict[str, Body | None] = {}
    counts = True
    for body in filter(present, modules):
        if not counts and health(body.get("Status")) in {None, Health.OK}:
            continue
        metrics = await reader.get(link(body.get("Metrics")))
        counts = counts and (metrics is None or member(metrics, "LifeTime") is not None)
        found[link(body) or ""] = metrics
    return found


def parse(tree: Tree, documents: Documents) -> InventoryReading:
    return InventoryReading(
        chassis=tuple({each.id: each.health for each in tree.chassis if each.health is not None}.items()),
        dimms=tuple(_dimms(documents)),
        drives=tuple(_drives(documents)),
        firmware=tuple(_firmware(documents).items()),
        licenses=tuple(dict.fromkeys(name for body in objects(documents.get("licenses")) for name in _license(body))),
    )


def _dimms(documents: Documents) -> list[Dimm]:
    seen: set[str] = set()
    found = []
    for body in filter(present, objects(documents.get("memory"))):
        uri = link(body) or ""
        name = distinct(text(body.get("Id")) or last_segment(uri), uri, seen)
        life = member(documents, "metrics", uri, "LifeTime")
        trips = member(documents, "metrics", uri, "HealthData", "AlarmTrips")
        mib = count(body.get("CapacityMiB"))
        dimm = Dimm(
            name=name or "",
            health=health(body.get("Status")),
            capacity_bytes=None if mib is None else mib * BYTES_PER_MIB,
            corrected=count(member(life, "CorrectableECCErrorCount")),
            uncorrected=count(member(life, "UncorrectableECCErrorCount")),
            corrected_alarm=flag(member(trips, "CorrectableECCError")),
            uncorrected_alarm=flag(member(trips, "UncorrectableECCError")),
        )
        found += [dimm] if name else []
    return found


def _drives(documents: Documents) -> list[Drive]:
    seen: set[str] = set()
    bodies = [
        *objects(documents.get("drives")),
        *(each for body in objects(documents.get("devices")) for each in objects(body.get("Devices"))),
    ]
    found = []
    for body in filter(present, bodies):
        uri = link(body) or ""
        name = distinct(text(body.get("Id")) or last_segment(uri) or text(body.get("Name")), uri, seen)
        drive = Drive(
            name=name or "",
            health=health(body.get("Status")),
            life_left=percent(body.get("PredictedMediaLifeLeftPercent")),
            failure_predicted=flag(body.get("FailurePredicted")),
        )
        found += [drive] if name else []
    return found


def _firmware(documents: Documents) -> dict[str, str]:
    """Component to version; of a Dell only what is installed, named by its FQDD."""
    found: dict[str, str] = {}
    for body in objects(documents.get("firmware")):
        name, version = text(body.get("Id")), text(body.get("Version"))
        dell = _DELL_FIRMWARE.match(name)
        if dell and dell[1] != "Installed":
            continue
        component = dell[2] if dell else name
        if component and version:
            found.setdefault(component, version)
    return found


def _license(body: Body) -> list[str]:
    """Dell's licences are described in an array, the standard's by a name."""
    described = body.get("LicenseDescription")
    names = [text(each) for each in described] if isinstance(described, list) else [text(body.get("Name"))]
    return [name for name in names if name]


def samples(node: str, reading: InventoryReading) -> Samples:
    out = Samples()
    for name, verdict in reading.chassis:
        out.add(catalogue.NODE_HEALTH, verdict, node, f"chassis {name}")
    for dimm in reading.dimms:
        out.add(catalogue.MEMORY_HEALTH, dimm.health, node, dimm.name)
        out.add(catalogue.MEMORY_CAPACITY_BYTES, dimm.capacity_bytes, node, dimm.name)
        out.add(catalogue.MEMORY_ECC_ERRORS_TOTAL, dimm.corrected, node, dimm.name, "corrected")
        out.add(catalogue.MEMORY_ECC_ERRORS_TOTAL, dimm.uncorrected, node, dimm.name, "uncorrected")
        out.add(catalogue.MEMORY_ECC_ALARM, dimm.corrected_alarm, node, dimm.name, "corrected")
        out.add(catalogue.MEMORY_ECC_ALARM, dimm.uncorrected_alarm, node, dimm.name, "uncorrected")
    for drive in reading.drives:
        out.add(catalogue.DRIVE_HEALTH, drive.health, node, drive.name)
        out.add(catalogue.DRIVE_LIFE_LEFT_RATIO, drive.life_left, node, drive.name)
        out.add(catalogue.DRIVE_FAILURE_PREDICTED, drive.failure_predicted, node, drive.name)
    for component, version in reading.firmware:
        out.add(catalogue.FIRMWARE_INFO, 1, node, component, version)
    for name in reading.licenses:
        out.add(catalogue.BMC_LICENSE_INFO, 1, node, name)
    return out


INVENTORY = Topic(name="inventory", tier="slow", fetch=fetch, parse=parse, samples=samples)
