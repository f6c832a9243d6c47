"""The servers that a manager lists, as an inventory takes them over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from collectors.bcm import documents
from collectors.bcm.documents import Device
from collectors.bcm.source import DEVICES, RACKS
from collectors.frame.errors import BadPayload, CollectError
from collectors.frame.web import Web
from wattstat.config.devices import BaseCommand
from wattstat.inventory import Agent, Bmc, Tls
from wattstat.inventory.managed import Managed


async def servers(web: Web) -> list[Device]:
    """The manager's servers. Raises a `CollectError`, also where it lists none: that is no hall, but a manager that starts."""
    found = [device for device in documents.devices(await web.get(DEVICES)) if device.is_server]
    if not found:
        raise BadPayload(f"{web.url}{DEVICES}: lists no server")
    if any(device.rack for device in found):
        return found
    try:
        places = documents.racks(await web.get(RACKS))
    except CollectError:
        return found  # not every release has racks, and a server without a place is a server
    placed = [(device, *places.get(device.name, ("", None))) for device in found]
    return [replace(device, rack=rack, unit=device.unit or unit) for device, rack, unit in placed]


def managed(found: Iterable[Device], settings: BaseCommand) -> Iterator[Managed]:
    """Those that the site wants, by our names, with the addresses that it says such servers have."""
    seen: set[str] = set()
    for device in found:
        name = settings.nodes.get(device.name, device.name)
        if name in seen or not _is_wanted(device, settings):
            continue
        seen.add(name)
        agent, bmc = (_filled(each, name, device.ip) for each in (settings.agent_url, settings.bmc_url))
        tls = settings.bmc_tls
        trust = Tls(verify=tls.verify, ca_file=tls.ca_file, fingerprint=tls.fingerprint)
        yield Managed(
            name=name,
            rack=device.rack,
            unit=device.unit,
            agent=Agent(url=agent) if agent else None,
            bmc=Bmc(url=bmc, credentials=settings.bmc_credentials, tls=trust) if bmc else None,
        )


def _is_wanted(device: Device, settings: BaseCommand) -> bool:
    return not settings.categories or any(fnmatchcase(device.category, pattern) for pattern in settings.categories)


def _filled(template: str | None, name: str, ip: str) -> str:
    """An address; empty where nobody gave one, or where it wants an IP address that the manager does not tell."""
    if template is None or ("{ip}" in template and not ip):
        return ""
    return template.replace("{name}", name).replace("{ip}", ip)
