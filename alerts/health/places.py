"""On whose account an alert goes: the device of the inventory that it is about, or else the site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from alerts.subject import subject
from wattstat.inventory import Inventory

Device = tuple[str, str]
"""Kind and name."""

SITE: Device = ("site", "")
KINDS = ("node", "switch", "storage", "pdu", "rack")
"""What has a score of its own, beside the site."""


class Places:
    """The devices of an inventory, and what hangs on which."""

    def __init__(self, inventory: Inventory) -> None:
        """Index them once; alerts are many."""
        self.devices: tuple[Device, ...] = (*_devices(inventory), SITE)
        self._known = frozenset(self.devices)
        # Names of what draws power are unique over all kinds.
        self._by_name: Mapping[str, Device] = {
            **{member.name: ("storage", cluster.name) for cluster in inventory.storage for member in cluster.nodes},
            **{name: (kind, name) for kind, name in reversed(self.devices) if kind != "site"},
        }
        self._racks_of_breaker: dict[str, set[str]] = {}
        for rack in inventory.racks:
            for breaker in rack.breakers:
                self._racks_of_breaker.setdefault(breaker, set()).add(rack.name)

    def of(self, labels: Mapping[str, str]) -> Device:
        """The device that pays. What no kind of device can be blamed for is the site's."""
        found = subject(labels)
        if found.kind in KINDS:
            # Series of power call a storage node a storage.
            device = found.kind, found.name
            return device if device in self._known else self._by_name.get(found.name, device)
        if found.kind == "manager":  # it speaks of a device that it need not call as we do
            return self._by_name.get(labels.get("device", ""), SITE)
        if found.kind == "device":
            return self._by_name.get(found.name, SITE)
        if found.kind == "breaker" and len(racks := self._racks_of_breaker.get(found.name, set())) == 1:
            return "rack", next(iter(racks))
        return SITE


def _devices(inventory: Inventory) -> Iterator[Device]:
    yield from (("node", node.name) for node in inventory.nodes)
    yield from (("switch", switch.name) for switch in inventory.switches)
    yield from (("storage", cluster.name) for cluster in inventory.storage)
    yield from (("pdu", pdu.name) for pdu in inventory.pdus)
    yield from (("rack", rack.name) for rack in inventory.racks)
