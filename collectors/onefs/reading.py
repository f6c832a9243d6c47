"""What a tier of a cluster reads: documents to values, nodes called as the inventory calls them. Pure and total."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from collectors.frame.errors import BadPayload, CollectError, NotSupported, Unreachable
from collectors.onefs import classes, contents, nodes, statistics
from collectors.onefs.classes import Operations
from collectors.onefs.contents import Pool, Quota, Snapshots
from collectors.onefs.nodes import Identity, NodeHealth, NodeIdentity
from collectors.onefs.statistics import NodeStatistics, Statistics
from wattstat.inventory import Storage

# A cluster may have a quota for every user's directory; the fullest ones are what somebody must know.
MOST_QUOTAS = 200
Thing = TypeVar("Thing")
Documents = Mapping[str, Any]
Doubts = Mapping[str, CollectError]


def _none() -> Doubts:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fast:
    """Identity and statistics. `up` and `nodes` are by the nodes' names."""

    identity: Identity
    statistics: Statistics
    classes: Mapping[tuple[str, str], Operations]
    up: Mapping[str, bool]
    nodes: Mapping[str, NodeStatistics]
    doubts: Doubts = field(default_factory=_none)


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """Hardware of the nodes, by their names."""

    nodes: Mapping[str, NodeHealth]
    doubts: Doubts = field(default_factory=_none)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """Pools, events and drives; `events` is None where they were not read."""

    pools: Mapping[str, Pool]
    drives: Mapping[str, Mapping[str, float]]
    drives_are_all: bool
    events: Mapping[str, float] | None
    doubts: Doubts = field(default_factory=_none)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rare:
    """Quotas, snapshots and what the nodes are."""

    version: str
    quotas: tuple[Quota, ...]
    quota_kinds: Mapping[str, float]
    snapshots: Snapshots
    nodes: Mapping[str, NodeIdentity]
    doubts: Doubts = field(default_factory=_none)


Reading = Fast | Medium | Slow | Rare


class Names:
    """What the nodes of a cluster are called: as in the inventory, else by the cluster and their number."""

    def __init__(self, cluster: Storage) -> None:
        self._cluster = cluster.name
        self._named = {place: node.name for place, node in enumerate(cluster.nodes, start=1) if node.number is None}
        self._named |= {node.number: node.name for node in cluster.nodes if node.number is not None}

    def of(self, lnn: int) -> str:
        """The name of the node with this number; among nodes without numbers in the inventory their place counts."""
        return self._named.get(lnn) or f"{self._cluster}-{lnn}"

    def of_all(self, found: Mapping[int, Thing]) -> dict[str, Thing]:
        """The same things by the nodes' names."""
        return {self.of(lnn): thing for lnn, thing in found.items()}


def read(cluster: Storage, tier: str, documents: Documents) -> Reading:
    """What the documents of a tier tell."""
    return _READERS[tier](Names(cluster), documents)


def _fast(names: Names, documents: Documents) -> Fast:
    identity = nodes.identity(documents.get("config"))
    document = documents.get("statistics")
    numbers: Mapping[int, int] = documents.get("numbers") or {}
    told = statistics.parse(document, identity.up, documents.get("units") or {})
    strange = sorted(told.nodes.keys() - numbers.keys())
    doubts: dict[str, CollectError] = {key: BadPayload(f"{key}: {said}") for key, said in told.failures.items()}
    if strange:
        listed = ", ".join(map(str, strange))
        doubts["devices"] = BadPayload(f"statistics of the device ids {listed}, of which no document tells the node's number")
    return Fast(
        identity=identity,
        statistics=told,
        classes=classes.parse(documents.get("classes")),
        up={names.of(each.number): each.up for each in identity.devices.values() if each.up is not None},
        nodes={names.of(numbers[device]): node for device, node in told.nodes.items() if device in numbers},
        doubts=doubts,
    )


def _medium(names: Names, documents: Documents) -> Medium:
    found = names.of_all(nodes.health(documents))
    doubts = _silent(names, documents, ("sensors", "status", "state"))
    without = [name for name, node in found.items() if node.sensors.seen and node.sensors.watts is None]
    if without:
        doubts["power sensor"] = NotSupported(
            f"no power sensor among the sensors of {', '.join(without)}: only a metered PDU tells what they draw"
        )
    return Medium(nodes=found, doubts=doubts)


def _slow(names: Names, documents: Documents) -> Slow:
    drives = names.of_all(nodes.drives(documents.get("drives")))
    doubts = _silent(names, documents, ("drives",))
    events = _listed(documents, "events")
    return Slow(
        pools=contents.pools(documents.get("pools")),
        drives=drives,
        drives_are_all=bool(drives) and not doubts,
        events=None if events is None else contents.events(events),
        doubts=doubts,
    )


def _rare(names: Names, documents: Documents) -> Rare:
    items = _listed(documents, "quotas") or []
    return Rare(
        version=nodes.identity(documents.get("config")).version,
        quotas=tuple(contents.quotas(items, MOST_QUOTAS)),
        quota_kinds=contents.quota_kinds(items),
        snapshots=contents.snapshots(documents.get("snapshots")),
        nodes=names.of_all(nodes.hardware(documents.get("hardware"))),
        doubts=_silent(names, documents, ("hardware",)),
    )


_READERS: Mapping[str, Callable[[Names, Documents], Reading]] = {
    "fast": _fast,
    "medium": _medium,
    "slow": _slow,
    "rare": _rare,
}


def _listed(documents: Documents, name: str) -> list[Any] | None:
    found = documents.get(name)
    return found if isinstance(found, list) else None


def _silent(names: Names, documents: Documents, sections: Iterable[str]) -> dict[str, CollectError]:
    """The nodes that did not answer, by section and name."""
    return {
        f"{section} of {names.of(lnn)}" if lnn else section: Unreachable(f"{section}: {said}")
        for section in sections
        for lnn, said in nodes.failures(documents.get(section)).items()
    }
