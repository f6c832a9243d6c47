"""The samples of a tier's documents. Pure, and total: whatever a document holds, what is missing gives no sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collectors.ecs import flux, namespaces, nodes, traffic, zone
from collectors.ecs.names import Names
from collectors.ecs.nodes import Answers
from wattstat.catalogue import storage as catalogue
from wattstat.catalogue.metric import Samples

Documents = Mapping[str, Any]


def samples(tier: str, names: Names, documents: Documents) -> Samples:
    """What a tier's documents tell."""
    match tier:
        case "fast":
            return _traffic(names, documents)
        case "medium":
            return _nodes(names, documents)
        case "slow":
            return _zone(names, documents)
        case _:
            return _namespaces(names, documents)


def _traffic(names: Names, documents: Documents) -> Samples:
    out = Samples()
    out.add(catalogue.STORAGE_UP, 1, names.cluster)
    if traffic.tells_traffic(documents.get("zone")):
        out.extend(traffic.zone_traffic(names.cluster, documents["zone"]))
        return out
    answers = _rows(documents)
    out.extend(traffic.flux_traffic(names.cluster, answers))
    out.extend(traffic.derived_traffic(names.cluster, documents.get("tracks", {}), answers))
    return out


def _nodes(names: Names, documents: Documents) -> Samples:
    out = nodes.node_samples(names, documents.get("nodes"))
    out.extend(nodes.flux_samples(names, _rows(documents), documents.get("tracks", {})))
    return out


def _zone(names: Names, documents: Documents) -> Samples:
    out = zone.zone_samples(names.cluster, documents.get("localzone"), documents.get("capacity"))
    out.extend(zone.pool_samples(names.cluster, documents.get("storagepools")))
    out.extend(zone.replication_samples(names.cluster, documents.get("replicationgroups"), documents.get("rglinksFailed")))
    design = catalogue.STORAGE_DESIGN_BYTES_PER_SECOND
    out.add(design, names.storage.design_read_bytes_per_second, names.cluster, "read")
    out.add(design, names.storage.design_write_bytes_per_second, names.cluster, "write")
    return out


def _namespaces(names: Names, documents: Documents) -> Samples:
    out = nodes.identity_samples(names, documents.get("nodes"))
    out.extend(namespaces.usage_samples(names.cluster, documents.get("usage", ())))
    out.extend(namespaces.quota_samples(names.cluster, documents.get("quotas", {})))
    return out


def _rows(documents: Documents) -> Answers:
    return {name: flux.rows(document) for name, document in documents.get("flux", {}).items()}
