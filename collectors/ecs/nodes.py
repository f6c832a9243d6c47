"""The nodes: health, drives, capacity, processor, memory, network, and what each answered. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from collectors.ecs.counted import Tracks, rates
from collectors.ecs.flux import CPU, MEMORY, NETWORK, NODE_REQUESTS, NODE_THROUGHPUT, Row, by_field
from collectors.ecs.names import Names
from collectors.ecs.points import horizon, instances, latest
from collectors.ecs.zone import KINDS, TOTAL, drive_states
from wattstat.catalogue import storage as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.members import Body, as_body, between, objects, percent, text

# The words of healthStatus. A node in maintenance was taken out by somebody: whether it is up is not said.
HEALTH = {"good": 1.0, "suspect": 0.5, "degraded": 0.5, "maintenance": 0.5, "bad": 0.0, "notaccessible": 0.0, "missing": 0.0}
UP = {"good": 1.0, "suspect": 1.0, "degraded": 1.0, "bad": 1.0, "notaccessible": 0.0, "missing": 0.0}
DIRECTIONS = {"bytes_recv": "receive", "bytes_sent": "transmit"}
OPERATIONS = {"total_read_requests_size": "read", "total_write_requests_size": "write"}
OUTCOMES = {"succeed_request_counter": "success", "failed_request_counter": "error"}

Answers = Mapping[str, list[Row]]


def entries(document: Any) -> Iterator[tuple[str, Body]]:
    """The nodes of `/dashboard/zones/localzone/nodes` by the cluster's names, each once."""
    seen = set[str]()
    for entry in instances(document):
        name = text(entry.get("displayName")) or text(entry.get("id"))
        if name and name not in seen:
            seen.add(name)
            yield name, entry


def tells_processors(document: Any) -> bool:
    """Whether the dashboard itself tells what nodes do, as it did until ECS 3.5."""
    return any(latest(entry, "nodeCpuUtilization") is not None for _, entry in entries(document))


def health(document: Any) -> float | None:
    """Of the whole: 1 where every node is good and no drive failed, 0 where every node is bad, 0.5 between.

    None without nodes, and where one of them has no health that is known.
    """
    found = [entry for _, entry in entries(document)]
    known = [HEALTH.get(text(entry.get("healthStatus")).lower()) for entry in found]
    if not found or None in known:
        return None
    if all(each == 1.0 for each in known):
        return 0.5 if any(drive_states(entry).get("failed") for entry in found) else 1.0
    return 0.5 if any(known) else 0.0


def node_samples(names: Names, document: Any) -> Samples:
    """Samples of the dashboard's nodes. Their network is left out: its unit is not documented; Flux counts bytes."""
    out = Samples()
    out.add(catalogue.STORAGE_HEALTH, health(document), names.cluster)
    for theirs, entry in entries(document):
        labels, now = (names.cluster, names.node(theirs)), horizon(entry)
        status = text(entry.get("healthStatus")).lower()
        out.add(catalogue.STORAGE_NODE_HEALTH, HEALTH.get(status), *labels)
        out.add(catalogue.STORAGE_NODE_UP, UP.get(status), *labels)
        for state, drives in drive_states(entry).items():
            out.add(catalogue.STORAGE_NODE_DRIVES, drives, *labels, state)
        # Nodes do not tell what is reserved, so used and free do not add up to the size.
        for kind in ("used", "free"):
            out.add(catalogue.STORAGE_NODE_CAPACITY_BYTES, latest(entry, KINDS[kind], now), *labels, kind)
        out.add(catalogue.STORAGE_NODE_SIZE_BYTES, latest(entry, TOTAL, now), *labels)
        out.add(catalogue.STORAGE_NODE_CPU_RATIO, percent(latest(entry, "nodeCpuUtilization", now)), *labels)
        out.add(catalogue.STORAGE_NODE_MEMORY_RATIO, percent(latest(entry, "nodeMemoryUtilization", now)), *labels)
    return out


def flux_samples(names: Names, answers: Answers, tracks: Tracks) -> Samples:
    """Samples of the cluster's time series about its nodes."""
    out = Samples()
    for host, busy in _busy(answers.get(CPU.name, ())).items():
        out.add(catalogue.STORAGE_NODE_CPU_RATIO, busy, names.cluster, names.node(host))
    for row in _first(by_field(answers.get(MEMORY.name, ()), "used_percent")):
        out.add(catalogue.STORAGE_NODE_MEMORY_RATIO, percent(row.value), names.cluster, names.node(row.host))
    for (host, direction), rate in external(rates(tracks, NETWORK.name)).items():
        out.add(catalogue.STORAGE_NODE_NETWORK_BYTES_PER_SECOND, rate, names.cluster, names.node(host), direction)
    for measurement, words, metric in (
        (NODE_REQUESTS, OUTCOMES, catalogue.STORAGE_NODE_REQUESTS_TOTAL),
        (NODE_THROUGHPUT, OPERATIONS, catalogue.STORAGE_NODE_BYTES_TOTAL),
    ):
        for field, word in words.items():
            for row in _first(by_field(answers.get(measurement.name, ()), field)):
                out.add(metric, row.value, names.cluster, names.node(row.host), word)
    return out


def identity_samples(names: Names, document: Any) -> Samples:
    """Samples of `/vdc/nodes`: versions and racks. `status` there is about lockdown, not about health."""
    found = {name: node for node in objects(as_body(document).get("node")) if (name := text(node.get("nodename")))}
    out = Samples()
    versions = sorted({version for node in found.values() if (version := text(node.get("version")))})
    kind, model = names.storage.kind, names.storage.model
    if found:
        # Nodes differ while a cluster is upgraded.
        out.add(catalogue.STORAGE_INFO, 1, names.cluster, kind, model, ", ".join(versions), "")
    seen = set[str]()
    for theirs, node in found.items():
        name, entry = names.node(theirs), names.entry(theirs)
        if name not in seen:
            seen.add(name)
            rack = (entry.rack if entry is not None else "") or text(node.get("rackId"))
            out.add(catalogue.STORAGE_NODE_INFO, 1, names.cluster, name, rack, model, "", text(node.get("version")))
    return out


def external(found: Mapping[Any, float]) -> dict[tuple[str, str], float]:
    """Rates of a node's external network by (host, direction).

    `public` carries the networks `public.data`, `public.repl` and so on: it is what the node exchanges with others. Where it is
    not listed its parts are added up. `private` networks stay within the rack.
    """
    whole: dict[tuple[str, str], float] = {}
    parts: dict[tuple[str, str], float] = defaultdict(float)
    for key, rate in found.items():
        direction = DIRECTIONS.get(key.field)
        if direction is None:
            continue
        if key.interface == "public":
            whole[key.host, direction] = rate
        elif key.interface.startswith("public."):
            parts[key.host, direction] += rate
    return {**parts, **whole}


def _busy(found: Iterable[Row]) -> dict[str, float]:
    """Processors at work by host: what is not idle; where only the programs' share is told, that."""
    found = list(found)
    busy = {row.host: share for row in by_field(found, "usage_user") if (share := percent(row.value)) is not None}
    idle = {row.host: share for row in by_field(found, "usage_idle") if (share := between(0, row.value, 100)) is not None}
    return {host: share for host, share in {**busy, **{host: 1 - each / 100 for host, each in idle.items()}}.items() if host}


def _first(found: Iterable[Row]) -> Iterator[Row]:
    """One row of each host."""
    seen = set[str]()
    for row in found:
        if row.host and row.host not in seen:
            seen.add(row.host)
            yield row
