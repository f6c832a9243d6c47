"""Where the manager and Wattstat see different things: GPUs that one of them lacks, servers that one calls dead. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from wattstat.catalogue.gpu import GPU_INFO
from wattstat.catalogue.node import NODE_POWER_ON
from wattstat.hall import Snapshot
from wattstat.inventory import Inventory


class Ours(NamedTuple):
    """What Wattstat sees of a server; None where it does not know."""

    gpus: int | None
    is_up: bool | None


class Difference(NamedTuple):
    """One thing that both see and see differently; `check` is gpus or state."""

    node: str
    check: str
    theirs: str
    ours: str

    def __str__(self) -> str:
        return f"{self.node}: the manager says {self.theirs}, Wattstat {self.ours}"


def observed(inventory: Inventory, hall: Snapshot) -> dict[str, Ours]:
    """Each server by what its agent and its BMC told last; by the inventory where no agent tells its GPUs."""
    agents = {block.key.target for block in hall.blocks if block.key.collector == "agent"}
    uuids: dict[str, set[str]] = {}
    node, uuid = GPU_INFO.labels.index("node"), GPU_INFO.labels.index("uuid")
    for found in hall.find(GPU_INFO):
        uuids.setdefault(found.sample.labels[node], set()).add(found.sample.labels[uuid])
    power = {found.sample.labels[0]: found.sample.value for found in hall.find(NODE_POWER_ON)}
    return {
        each.name: Ours(
            gpus=len(uuids[each.name]) if each.name in uuids else (each.gpus or None) if each.name not in agents else None,
            # A server that is switched on may yet not have started: only its agent says that it is up.
            is_up=True if each.name in agents else False if power.get(each.name) == 0 else None,
        )
        for each in inventory.nodes
    }


def compared(
    ours: Mapping[str, Ours], words: Mapping[str, str], gpus: Mapping[str, int]
) -> tuple[dict[tuple[str, str], bool], list[Difference]]:
    """What could be compared, as {(node, check): whether it differs}, and the differences. Names are ours.

    A server that the manager installs, or that somebody closed, is neither up nor down to it: that differs from nothing.
    """
    judged: dict[tuple[str, str], bool] = {}
    found: list[Difference] = []
    for node, seen in ours.items():
        told = gpus.get(node)
        if told is not None and seen.gpus is not None:
            judged[node, "gpus"] = told != seen.gpus
            if told != seen.gpus:
                found.append(Difference(node, "gpus", f"{told} GPUs", f"{seen.gpus}"))
        word = words.get(node)
        if word in {"up", "down"} and seen.is_up is not None:
            differs = (word == "up") != seen.is_up
            judged[node, "state"] = differs
            if differs:
                found.append(Difference(node, "state", word, "up" if seen.is_up else "switched off"))
    return judged, found


def unlisted(listed: Iterable[str], inventory: Inventory) -> tuple[int, int]:
    """How many servers only the manager lists, and how many only the inventory does."""
    theirs, ours = set(listed), {node.name for node in inventory.nodes}
    return len(theirs - ours), len(ours - theirs)
