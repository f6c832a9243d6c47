"""What a BMC offers to cap, found by its links: no model and no address is known beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from power.actuators.attributes import Attributes, has_cap
from power.actuators.bmc import Line
from power.actuators.setpoint import watts
from power.actuators.standard import Control, Environment, PowerControl
from power.model import ActuatorError
from wattstat.members import Body, last_segment, link, links, member, objects, text

ROOT = "/redfish/v1"


class Gpu(NamedTuple):
    """A GPU of a baseboard and where its set point is. `uuid` as NVML writes it; empty where the baseboard does not say."""

    uuid: str
    name: str
    serial: str
    model: str
    place: Environment


class Total(NamedTuple):
    """The limit that all GPUs of a baseboard share."""

    place: Environment | Control


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What can be capped through a BMC. `attributes` or else `standard` hold the server's own cap."""

    attributes: Attributes | None = None
    standard: Environment | Control | PowerControl | None = None
    gpus: tuple[Gpu, ...] = ()
    total: Total | None = None
    logs: tuple[str, ...] = ()


async def discover(line: Line) -> Offers:
    """Look through a BMC. Raises `ActuatorError` where it does not answer or is no Redfish service."""
    root = await line.get(ROOT)
    if root is None or not any(link(root.get(name)) for name in ("Systems", "Chassis", "Managers")):
        raise ActuatorError(f"{line.node}: no Redfish service at {ROOT}; expected one with Systems, Chassis or Managers")
    systems = await _members(line, link(root.get("Systems")))
    chassis = await _members(line, link(root.get("Chassis")))
    managers = await _members(line, link(root.get("Managers")))
    boards = [body for body in systems if _is_board(body)]
    hosts = [body for body in systems if not _is_board(body)]
    attributes = await _attributes(line, managers, hosts)
    named = [uri for body in hosts for uri in links(member(body, "Links", "Chassis"))]
    own = [body for body in chassis if link(body) in named and link(member(body, "Links", "ContainedBy")) not in named]
    standard = None if attributes else await _standard(line, own, dell=any(_is_dell(body) for body in (*hosts, *managers)))
    gpus = [gpu for body in systems for gpu in await _gpus(line, body)]
    return Offers(
        attributes=attributes,
        standard=standard,
        gpus=tuple(gpus),
        total=await _total(line, chassis, boards) if boards else None,
        logs=tuple([uri for body in managers for uri in await _logs(line, body)]),
    )


async def _members(line: Line, collection: str | None) -> list[Body]:
    """The documents of a collection's members; recorded services list some that they do not have."""
    if collection is None:
        return []
    found = []
    for each in objects(member(await line.get(collection), "Members")):
        if set(each) - {"@odata.id", "@odata.type", "@odata.context"}:
            found.append(each)
        elif (uri := link(each)) is not None and (body := await line.get(uri)):
            found.append({"@odata.id": uri, **body})
    return found


def _is_board(system: Body) -> bool:
    """NVIDIA presents the GPU baseboard as a system of its own."""
    return (text(system.get("Id")) or last_segment(link(system) or "")).lower().startswith("hgx")


def _is_dell(body: Body) -> bool:
    return "dell" in text(body.get("Manufacturer")).lower() or isinstance(member(body, "Links", "Oem", "Dell"), dict)


async def _attributes(line: Line, managers: list[Body], hosts: list[Body]) -> Attributes | None:
    """Dell's attributes that hold the cap: those that a manager links to, else at the address of firmware 3 and 4."""
    for manager in managers:
        linked = links(member(manager, "Links", "Oem", "Dell", "DellAttributes"))
        for path in (*sorted(linked, key=lambda uri: not last_segment(uri).startswith("System.")), *_older(manager, hosts)):
            if has_cap(await line.get(path)):
                return Attributes(path=path)
    return None


def _older(manager: Body, hosts: list[Body]) -> list[str]:
    """iDRAC9 with firmware 3 and 4: an address beside the manager's, named like the server."""
    uri = link(manager)
    if uri is None or not (_is_dell(manager) or "idrac" in last_segment(uri).lower()):
        return []
    folder = uri.rpartition("/")[0]
    names = [last_segment(each) for each in links(member(manager, "Links", "ManagerForServers"))]
    names += [last_segment(each) for each in filter(None, map(link, hosts))]
    return [f"{folder}/{name}/Attributes" for name in dict.fromkeys(names)]


async def _standard(line: Line, chassis: list[Body], *, dell: bool) -> Environment | Control | PowerControl | None:
    for body in chassis:
        environment = link(body.get("EnvironmentMetrics"))
        if environment and isinstance(member(await line.get(environment), "PowerLimitWatts"), dict):
            return Environment(path=environment)
    for body in chassis:
        for control in await _members(line, link(body.get("Controls"))):
            if _whole_power(control) and (path := link(control)):
                return Control(path=path)
    # Dell keeps a number there while its switch is off, and the switch is in the attributes only.
    return None if dell else await _power_control(line, chassis)


def _whole_power(control: Body) -> bool:
    return text(control.get("ControlType")) == "Power" and text(control.get("PhysicalContext")) in {"", "Chassis", "System"}


async def _power_control(line: Line, chassis: list[Body]) -> PowerControl | None:
    for body in chassis:
        power = link(body.get("Power"))
        least, most = watts(body.get("MinPowerWatts")), watts(body.get("MaxPowerWatts"))
        if power is None or least is None or most is None:
            continue
        if isinstance(member(await line.get(power), "PowerControl", 0, "PowerLimit"), dict):
            return PowerControl(path=power, min_watts=least, max_watts=most)
    return None


async def _gpus(line: Line, system: Body) -> list[Gpu]:
    """The GPUs of a system whose set point can be written."""
    found = []
    for body in await _members(line, link(system.get("Processors"))):
        environment = link(body.get("EnvironmentMetrics"))
        if text(body.get("ProcessorType")) != "GPU" or environment is None:
            continue
        metrics = await line.get(environment)
        if isinstance(member(metrics, "PowerLimitWatts"), dict):
            name = text(body.get("Id")) or last_segment(link(body) or "")
            place = Environment(path=environment, clear=_clear_action(metrics))
            found.append(Gpu(_uuid(body), name, text(body.get("SerialNumber")), text(body.get("Model")), place))
    return found


def _uuid(processor: Body) -> str:
    """Redfish has the UUID without NVML's prefix."""
    uuid = text(processor.get("UUID"))
    return uuid if not uuid or uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid.lower()}"


def _clear_action(metrics: Body | None) -> str | None:
    target = member(metrics, "Actions", "Oem", "Nvidia", "#NvidiaEnvironmentMetrics.ClearOOBSetPoint", "target")
    return target if isinstance(target, str) and target.startswith("/") else None


async def _total(line: Line, chassis: list[Body], boards: list[Body]) -> Total | None:
    systems = {link(body) for body in boards}
    own = [body for body in chassis if systems.intersection(links(member(body, "Links", "ComputerSystems")))]
    for body in own:
        environment = link(body.get("EnvironmentMetrics"))
        if environment and isinstance(member(metrics := await line.get(environment), "PowerLimitWatts"), dict):
            return Total(Environment(path=environment, clear=_clear_action(metrics)))
    for body in own:
        for control in await _members(line, link(body.get("Controls"))):
            if text(control.get("ControlType")) == "Power" and (path := link(control)):
                return Total(Control(path=path))
    return None


async def _logs(line: Line, manager: Body) -> list[str]:
    """Where a manager's logs keep their entries; the list of current faults and dumps are no logs."""
    found = []
    for uri in links(member(await line.get(collection), "Members")) if (collection := link(manager.get("LogServices"))) else []:
        if last_segment(uri) in {"Sel", "Lclog"} and (entries := link(member(await line.get(uri), "Entries"))):
            found.append(entries)
    return found
