"""Which servers hang on what an alert is about: whose jobs it hits. By the inventory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from alerts.subject import subject
from wattstat.inventory import Inventory

Names = tuple[str, ...]
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Names of servers by rack, by row, by switch, and by switch and port."""

    racks: Mapping[str, Names] = field(default_factory=dict)
    rows: Mapping[str, Names] = field(default_factory=dict)
    switches: Mapping[str, Names] = field(default_factory=dict)
    ports: Mapping[tuple[str, str], Names] = field(default_factory=dict)

    def nodes(self, labels: Mapping[str, str]) -> Names:
        """The servers that an alert with these labels hits. A strip's own trouble hits none: servers hang on two of them."""
        device = subject(labels)
        if device.kind == "node":
            return (device.name,)
        if device.kind == "switch":
            port = labels.get("port")
            return self.ports.get((device.name, port), ()) if port else self.switches.get(device.name, ())
        return {"rack": self.racks, "row": self.rows}.get(device.kind, {}).get(device.name, ())


def reach_of(hall: Inventory) -> Reach:
    """The reach of everything in a hall."""
    row_of = {rack.name: rack.row for rack in hall.racks}
    return Reach(
        racks=_grouped((node.rack, node.name) for node in hall.nodes),
        rows=_grouped((row_of.get(node.rack, ""), node.name) for node in hall.nodes),
        switches=_grouped((link.switch, link.node) for link in hall.links),
        ports=_grouped(((link.switch, link.port), link.node) for link in hall.links),
    )


def _grouped(pairs: Iterable[tuple[Key, str]]) -> dict[Key, Names]:
    found: defaultdict[Key, dict[str, None]] = defaultdict(dict)
    for key, name in pairs:
        found[key][name] = None
    return {key: tuple(names) for key, names in found.items()}
