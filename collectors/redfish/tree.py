"""What a BMC consists of, systems, chassis and managers, and where their resources are: by links, never by fixed URLs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from collectors.redfish.reader import Reader, features_of
from collectors.redfish.words import Health, health
from wattstat.members import Body, last_segment, link, links, member, text

_PARTS = frozenset({"Module", "Component", "Card", "Blade", "Drive"})


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A ComputerSystem. `baseboard` marks the GPU baseboard, which NVIDIA presents as a system of its own."""

    uri: str
    id: str
    model: str = ""
    serial: str = ""
    service_tag: str = ""
    bios: str = ""
    baseboard: bool = False
    chassis: tuple[str, ...] = ()
    processors: str | None = None
    memory: str | None = None
    storage: str | None = None
    simple_storage: str | None = None
    logs: str | None = None
    secure_boot: str | None = None
    gpu_sensors: str | None = None
    videos: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chassis:
    """A Chassis and where its readings are: the newer family of resources and the older `power` and `thermal`."""

    uri: str
    id: str
    type: str = ""
    model: str = ""
    serial: str = ""
    contained_by: str | None = None
    systems: tuple[str, ...] = ()
    health: Health | None = None
    environment: str | None = None
    power_subsystem: str | None = None
    thermal_subsystem: str | None = None
    sensors: str | None = None
    controls: str | None = None
    power: str | None = None
    thermal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """A Manager: the BMC itself, or a part of it. `attributes` are Dell's, in the order of the document."""

    uri: str
    id: str
    model: str = ""
    firmware: str = ""
    protocol: str | None = None
    logs: str | None = None
    licenses: str | None = None
    attributes: tuple[str, ...] = ()

    def attributes_of(self, group: str) -> str | None:
        """Where Dell's attributes of a group are: System, iDRAC or LifecycleController."""
        return next((uri for uri in self.attributes if last_segment(uri).startswith(f"{group}.")), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """All of a BMC. `complete` is False when something could not be read and should be looked for again soon."""

    systems: tuple[System, ...] = ()
    chassis: tuple[Chassis, ...] = ()
    managers: tuple[Manager, ...] = ()
    firmware: str | None = None
    reports: str | None = None
    licenses: str | None = None
    events: str | None = None
    select: bool = False
    filter: bool = False
    complete: bool = True

    @property
    def host(self) -> System | None:
        """The server itself; None for what is no server, such as a power shelf."""
        return next((system for system in self.systems if not system.baseboard), None)

    @property
    def tops(self) -> tuple[Chassis, ...]:
        """The chassis that are no part of another one: their resources cover their parts."""
        known = {each.uri for each in self.chassis}
        return tuple(each for each in self.chassis if each.contained_by not in known and each.type not in _PARTS)

    @property
    def hosts(self) -> tuple[Chassis, ...]:
        """The chassis of the server, the one that its system names first; without a system, all that stand for themselves."""
        named = [uri for system in self.systems if not system.baseboard for uri in system.chassis]
        linked = [each for each in self.chassis if each.uri in named]
        outer = [each for each in linked if each.contained_by not in named]
        return tuple(outer or [each for each in self.tops if each not in self.boards])

    @property
    def boards(self) -> tuple[Chassis, ...]:
        """The chassis of GPU baseboards."""
        boards = {system.uri for system in self.systems if system.baseboard}
        return tuple(each for each in self.tops if boards.intersection(each.systems))

    @property
    def bmc(self) -> Manager | None:
        """The manager of the server."""
        return next(iter(self.managers), None)

    def attributes_of(self, group: str) -> str | None:
        """Where Dell's attributes of a group are; None for other makes."""
        return self.bmc.attributes_of(group) if self.bmc else None

    @property
    def kind(self) -> tuple[str, str]:
        """Model and firmware: what decides which resources there are."""
        return (self.host.model if self.host else "", self.bmc.firmware if self.bmc else "")


async def discover(reader: Reader) -> Tree:
    """Read what the BMC consists of. An empty tree means that nothing could be read."""
    await reader.bmc.session.ensure()
    root = reader.bmc.session.root or await reader.get("/redfish/v1") or {}
    systems = await reader.collection(link(root.get("Systems")))
    chassis = await reader.collection(link(root.get("Chassis")))
    managers = await reader.collection(link(root.get("Managers")))
    services = {name: await reader.get(link(root.get(name))) for name in ("UpdateService", "TelemetryService", "EventService")}
    return tree_of(root, systems, chassis, managers, services, complete=not reader.errors)


def tree_of(
    root: Body,
    systems: Iterable[Body],
    chassis: Iterable[Body],
    managers: Iterable[Body],
    services: dict[str, Body | None],
    *,
    complete: bool = True,
) -> Tree:
    """The tree that documents describe; what they do not say is left out."""
    features = features_of(root)
    events = member(services.get("EventService"), "ServerSentEventUri")
    return Tree(
        systems=tuple(filter(None, map(_system, systems))),
        chassis=tuple(filter(None, map(_chassis, chassis))),
        managers=tuple(filter(None, map(_manager, managers))),
        firmware=link(member(services.get("UpdateService"), "FirmwareInventory")),
        reports=link(member(services.get("TelemetryService"), "MetricReports")),
        licenses=link(member(root, "LicenseService")),
        events=events if isinstance(events, str) else None,
        select=features.select,
        filter=features.filter,
        complete=complete,
    )


def _system(body: Body) -> System | None:
    uri = link(body)
    if uri is None:
        return None
    dell = member(body, "Links", "Oem", "Dell")
    name = text(body.get("Id")) or last_segment(uri)
    is_dell = "dell" in text(body.get("Manufacturer")).lower() or isinstance(dell, dict)
    return System(
        uri=uri,
        id=name,
        model=text(body.get("Model")),
        serial=text(body.get("SerialNumber")),
        service_tag=text(body.get("SKU")) if is_dell else "",  # Dell puts the service tag into SKU
        bios=text(body.get("BiosVersion")),
        baseboard=name.lower().startswith("hgx"),
        chassis=links(member(body, "Links", "Chassis")),
        processors=link(body.get("Processors")),
        memory=link(body.get("Memory")),
        storage=link(body.get("Storage")),
        simple_storage=link(body.get("SimpleStorage")),
        logs=link(body.get("LogServices")),
        secure_boot=link(body.get("SecureBoot")),
        gpu_sensors=link(member(dell, "DellGPUSensorCollection")),
        videos=link(member(dell, "DellVideoCollection")),
    )


def _chassis(body: Body) -> Chassis | None:
    uri = link(body)
    if uri is None:
        return None
    return Chassis(
        uri=uri,
        id=text(body.get("Id")) or last_segment(uri),
        type=text(body.get("ChassisType")),
        model=text(body.get("Model")),
        serial=text(body.get("SerialNumber")),
        contained_by=link(member(body, "Links", "ContainedBy")),
        systems=links(member(body, "Links", "ComputerSystems")),
        health=health(body.get("Status")),
        environment=link(body.get("EnvironmentMetrics")),
        power_subsystem=link(body.get("PowerSubsystem")),
        thermal_subsystem=link(body.get("ThermalSubsystem")),
        sensors=link(body.get("Sensors")),
        controls=link(body.get("Controls")),
        power=link(body.get("Power")),
        thermal=link(body.get("Thermal")),
    )


def _manager(body: Body) -> Manager | None:
    uri = link(body)
    if uri is None:
        return None
    dell = member(body, "Links", "Oem", "Dell")
    return Manager(
        uri=uri,
        id=text(body.get("Id")) or last_segment(uri),
        model=text(body.get("Model")),
        firmware=text(body.get("FirmwareVersion")),
        protocol=link(body.get("NetworkProtocol")),
        logs=link(body.get("LogServices")),
        licenses=link(member(dell, "DellLicenseCollection")),
        attributes=links(member(dell, "DellAttributes")),
    )
