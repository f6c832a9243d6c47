"""Servers that a cluster manager lists, added to an inventory: names, racks and places; where their agents and BMCs are told.

A server that the file has keeps all that stands there; the manager fills in what the file leaves open.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wattstat.document import Document
from wattstat.inventory.models import Agent, Bmc, Inventory, Node, Rack
from wattstat.inventory.reader import checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Managed:
    """A server as a manager lists it, by our name. `agent` and `bmc` are where the site says that those of such servers are."""

    name: str
    rack: str = ""
    unit: int | None = None
    agent: Agent | None = None
    bmc: Bmc | None = None


def merged(base: Inventory, listed: Iterable[Managed], *, source: str, folder: Path | None = None) -> Inventory:
    """The servers of `listed` beside those of `base`; racks that they name are added. Raises `InvalidDocument`."""
    by_name = {each.name: each for each in listed}
    known = [_filled(node, by_name.pop(node.name, None)) for node in base.nodes]
    added = [_node(each).model_dump() for each in by_name.values()]
    racks = [rack.model_dump() for rack in base.racks]
    named = dict.fromkeys(node["rack"] for node in (*known, *added) if node["rack"])
    new = [Rack(name=name).model_dump() for name in named if name not in {rack["name"] for rack in racks}]
    data = {**base.model_dump(), "racks": [*racks, *new], "nodes": [*known, *added]}
    return checked(Document(source=source, data=data), folder or Path())


def _filled(node: Node, listed: Managed | None) -> dict[str, Any]:
    """A server of the file with what only the manager knows."""
    found = node.model_dump()
    if listed is None:
        return found
    told = _node(listed).model_dump()
    for name in ("agent", "bmc"):
        found[name] = found[name] or told[name]
    if not node.rack:
        found["rack"], found["unit"] = told["rack"], node.unit or told["unit"]
    elif node.unit is None and node.rack == listed.rack:
        found["unit"] = told["unit"]
    return found


def _node(listed: Managed) -> Node:
    # A place without a rack is none.
    unit = listed.unit if listed.rack else None
    return Node(name=listed.name, rack=listed.rack, unit=unit, agent=listed.agent, bmc=listed.bmc)
