"""Which port of which server hangs on which switch, as found and as the inventory says; and whose jobs that touches.

Pure functions of what the hall holds at one moment. What a fabric manager or a neighbour tells goes before what somebody wrote
down, port by port; where both speak and differ, both are kept and the difference is told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from wattstat.catalogue import job, network
from wattstat.catalogue.metric import Samples
from wattstat.hall import Snapshot
from wattstat.inventory import Inventory

WRITTEN = "inventory"
# The best first: UFM asks the subnet manager, as ibnetdiscover does; LLDP is the neighbour's own word.
FOUND = ("ufm", "ibnetdiscover", "lldp")
# These number ports, and know nothing of the labels that an inventory may call them by.
_NUMBERS = frozenset({"ibnetdiscover"})


class Cable(NamedTuple):
    """A cable between a server's port and a switch's. `rail` is empty where nobody says; `source` is who told."""

    node: str
    device: str
    rail: str
    switch: str
    port: str
    source: str


class Misplaced(NamedTuple):
    """A cable that hangs elsewhere than the inventory says."""

    found: Cable
    written: Cable


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What a switch's failure would touch: servers by name, running jobs by id."""

    switch: str
    nodes: tuple[str, ...]
    jobs: tuple[str, ...]


def written(inventory: Inventory) -> list[Cable]:
    """The cables of the inventory."""
    return [
        Cable(link.node, link.device, "" if link.rail is None else str(link.rail), link.switch, link.port, WRITTEN)
        for link in inventory.links
    ]


def samples(inventory: Inventory) -> Samples:
    """The inventory's cables, for the exposition: beside those that collectors find."""
    out = Samples()
    for cable in written(inventory):
        out.add(network.FABRIC_LINK_INFO, 1, *cable)
    return out


def cables(snapshot: Snapshot, inventory: Inventory) -> list[Cable]:
    """One cable for each port of each server. What was found has the inventory's rail where it knows none itself."""
    mine = {(cable.node, cable.device): cable for cable in written(inventory)}
    best = dict(mine)
    for cable in _found(snapshot):
        key = (cable.node, cable.device)
        rail = cable.rail or (mine[key].rail if key in mine else "")
        best[key] = cable._replace(rail=rail)
    return [best[key] for key in sorted(best)]


def misplaced(snapshot: Snapshot, inventory: Inventory) -> list[Misplaced]:
    """Cables that hang on another switch than the inventory says; on another port only where it names one."""
    mine = {(cable.node, cable.device): cable for cable in written(inventory)}
    wrong = []
    for cable in _found(snapshot):
        own = mine.get((cable.node, cable.device))
        if own is None:
            continue
        says_port = bool(own.port and cable.port) and cable.source not in _NUMBERS
        if cable.switch != own.switch or (says_port and cable.port != own.port):
            wrong.append(Misplaced(cable, own))
    return wrong


def touched(snapshot: Snapshot, hung: Iterable[Cable]) -> list[Touched]:
    """For each switch the servers that hang on it, and the jobs that run there now."""
    running: defaultdict[str, set[str]] = defaultdict(set)
    for sample, _ in snapshot.find(job.JOB_GPU_INFO):
        labels = dict(zip(sample.metric.labels, sample.labels, strict=True))
        running[labels["node"]].add(labels["job_id"])
    nodes: defaultdict[str, set[str]] = defaultdict(set)
    for cable in hung:
        nodes[cable.switch].add(cable.node)
    return [
        Touched(
            switch=switch,
            nodes=tuple(sorted(names)),
            jobs=tuple(sorted(set().union(*(running[name] for name in names)))),
        )
        for switch, names in sorted(nodes.items())
    ]


def _found(snapshot: Snapshot) -> list[Cable]:
    """What was found, one cable a port: by the best of those who told."""
    told: dict[tuple[str, str], Cable] = {}
    for sample, _ in snapshot.find(network.FABRIC_LINK_INFO):
        cable = Cable(*sample.labels)
        if cable.source not in FOUND:
            continue
        key = (cable.node, cable.device)
        if key not in told or FOUND.index(cable.source) < FOUND.index(told[key].source):
            told[key] = cable
    return list(told.values())
