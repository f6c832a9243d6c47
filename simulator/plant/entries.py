"""The plant as `inventory.yaml` describes it: switches, storage clusters, PDUs, cables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from simulator.plant.equipment import STORAGE, Device, Equipment
from simulator.plant.model import Plant
from wattstat.inventory import Https, Link, Load, Pdu, Snmp, Storage, StorageNode, Switch, Tls


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """On which ports the simulated devices answer, each on its own address, and what signs their certificates."""

    plant: Plant
    ca_file: Path
    onefs_port: int = 8080
    ecs_port: int = 4443
    rest_port: int = 443
    snmp_port: int = 161


# Names of entries of `credentials` in wattstat.yaml.
STORAGE_CREDENTIALS, SNMP_CREDENTIALS, SWITCH_CREDENTIALS = "storage", "snmp", "switch"


def switches(described: Equipment, served: Served | None) -> tuple[Switch, ...]:
    """The switches; nobody serves them: only where they stand and what they draw."""
    return tuple(_switch(device, served) for device in described.switches)


def loads(described: Equipment, served: Served | None) -> tuple[Load, ...]:
    """Storage nodes that nobody serves: what they draw all the same."""
    if served is not None:
        return ()
    return tuple(
        Load(name=device.name, kind="storage", max_watts=device.model.max_watts, rack=device.rack, breakers=_breakers(device))
        for device in described.members
    )


def storage(described: Equipment, served: Served | None) -> tuple[Storage, ...]:
    """The storage clusters, if somebody serves them."""
    if served is None:
        return ()
    return tuple(
        Storage(
            name=each.name,
            kind="ecs" if each.kind == "ecs" else "powerscale",
            model=each.model.name,
            url=f"https://{each.address}:{served.ecs_port if each.kind == 'ecs' else served.onefs_port}",
            credentials=STORAGE_CREDENTIALS,
            tls=Tls(ca_file=served.ca_file),
            design_read_bytes_per_second=each.design_read,
            design_write_bytes_per_second=each.design_write,
            nodes=tuple(_member(device) for device in described.members if device.cluster == each.name),
        )
        for each in STORAGE
    )


def pdus(served: Served | None) -> tuple[Pdu, ...]:
    """The PDUs, if somebody serves them."""
    if served is None:
        return ()
    kinds = {"raritan": "raritan", "apc": "apc", "servertech": "servertech"}
    return tuple(
        Pdu.model_validate(
            {
                "name": pdu.name,
                "kind": kinds[pdu.kind],
                "rack": pdu.rack,
                "feed": pdu.feed,
                "breaker": f"{pdu.rack}-{pdu.feed.lower()}",
                "outlets": {str(outlet.number): outlet.device for outlet in pdu.outlets if outlet.device},
                "snmp": {"address": f"{pdu.address}:{served.snmp_port}", "credentials": SNMP_CREDENTIALS},
            }
        )
        for pdu in served.plant.pdus
    )


def links(served: Served | None) -> tuple[Link, ...]:
    """The cables of the rails. Storage cables are told by the switches' neighbours."""
    if served is None:
        return ()
    return tuple(
        Link(node=server, device=port.name, rail=port.rail, switch=port.peer, port=port.peer_port)
        for server, ports in served.plant.adapters.items()
        for port in ports
    )


def _switch(device: Device, served: Served | None) -> Switch:
    known = {
        "name": device.name,
        "model": device.model.name,
        "fabric": device.fabric,
        "system": device.system,
        "guid": device.guid,
        "rack": device.rack,
        "unit": device.unit,
        "height": device.model.height,
        "max_watts": device.model.max_watts,
        "breakers": _breakers(device),
    }
    if served is None:
        return Switch.model_validate(known)
    address = served.plant.switch(device.name).address
    rest = Https(url=f"https://{address}:{served.rest_port}", credentials=SWITCH_CREDENTIALS, tls=Tls(ca_file=served.ca_file))
    snmp = Snmp(address=f"{address}:{served.snmp_port}", credentials=SNMP_CREDENTIALS)
    return Switch.model_validate({**known, "rest": rest, **({"snmp": snmp} if device.fabric == "ethernet" else {})})


def _member(device: Device) -> StorageNode:
    return StorageNode(
        name=device.name,
        number=device.number,
        rack=device.rack,
        unit=device.unit,
        height=device.model.height,
        max_watts=device.model.max_watts,
        breakers=_breakers(device),
    )


def _breakers(device: Device) -> tuple[str, ...]:
    """Its rack's; what stands elsewhere hangs on the mains."""
    return () if device.rack else ("main-a", "main-b")
