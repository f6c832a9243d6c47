"""The inventory as Prometheus' http_sd wants it, so that a site lists its servers once."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from wattstat.inventory import Inventory, Node

ROLES = ("agent", "bmc")


def http_sd(inventory: Inventory, *, role: str = "") -> list[dict[str, Any]]:
    """Target groups: agents (to scrape) and BMCs (to probe); `role` keeps one kind.

    Prometheus turns the `__meta_wattstat_…` labels into whatever its relabelling says.
    """
    groups = []
    for node in inventory.nodes:
        addresses = {"agent": node.agent.url if node.agent else None, "bmc": node.bmc.url if node.bmc else None}
        groups += [_group(node, each, url) for each, url in addresses.items() if url is not None and role in ("", each)]
    return groups


def _group(node: Node, role: str, url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    return {
        "targets": [parts.netloc if role == "agent" else url],
        "labels": {
            "__meta_wattstat_node": node.name,
            "__meta_wattstat_role": role,
            "__meta_wattstat_rack": node.rack,
            "__meta_wattstat_model": node.model,
            "__meta_wattstat_scheme": parts.scheme,
        },
    }
