"""The local zone: capacity, drives, alerts, what waits for collection, recovery and replication. Pure.

`localzone` is a VDC, which is the cluster. All capacities are bytes, whatever older documents say: on a running 4.3
allocated + free + reserved was the total to the byte.
"""

from __future__ import annotations

from typing import Any

from collectors.ecs.points import count, horizon, instances, latest
from wattstat.catalogue import storage as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.members import Body, as_body, member, percent, text

KINDS = {"used": "diskSpaceAllocated", "free": "diskSpaceFree", "reserved": "diskSpaceReserved"}
TOTAL = "diskSpaceTotal"
PARTS = {
    "user_data": "UserData",
    "system_metadata": "SystemMetadata",
    "local_protection": "LocalProtection",
    "geo_copy": "GeoCopy",
    "geo_cache": "GeoCache",
}
SEVERITIES = {
    "critical": "alertsNumUnackCritical",
    "error": "alertsNumUnackError",
    "warning": "alertsNumUnackWarning",
    "information": "alertsNumUnackInfo",
}
DRIVES = {"healthy": "numGoodDisks", "failed": "numBadDisks", "maintenance": "numMaintenanceDisks"}
# The figures of both scopes together are told, too: who adds up all three counts everything twice.
SCOPES = ("User", "System")
# /object/capacity counts in GB, which ECS counts by 1024 where it says KB.
_GIGABYTE = 1024.0**3
_PENDING = {"repository": "chunksRepoPendingReplicationTotalSize", "journal": "chunksJournalPendingReplicationTotalSize"}


def zone_samples(storage: str, document: Any, fallback: Any = None) -> Samples:
    """Samples of `/dashboard/zones/localzone`; of `/object/capacity` where the zone tells no capacity."""
    zone = as_body(document)
    now = horizon(zone)
    out = Samples()
    out.extend(_capacity(storage, zone, now, as_body(fallback)))
    for part, name in PARTS.items():
        out.add(catalogue.STORAGE_USED_PART_BYTES, latest(zone, f"diskSpaceAllocated{name}", now), storage, part)
    out.add(catalogue.STORAGE_OFFLINE_BYTES, latest(zone, "diskSpaceOfflineTotal", now), storage)
    for state, drives in drive_states(zone).items():
        out.add(catalogue.STORAGE_DRIVES, drives, storage, state)
    out.add(catalogue.STORAGE_REPLACEABLE_DRIVES, count(zone.get("numReadyToReplaceDisks")), storage)
    for severity, name in SEVERITIES.items():
        out.add(catalogue.STORAGE_EVENTS_OPEN, latest(zone, name, now), storage, severity)
    for scope in SCOPES:
        labels = (storage, scope.lower())
        out.add(catalogue.STORAGE_GARBAGE_BYTES, latest(zone, f"gc{scope}Pending", now), *labels, "pending")
        out.add(catalogue.STORAGE_GARBAGE_BYTES, latest(zone, f"gc{scope}Unreclaimable", now), *labels, "unreclaimable")
        out.add(catalogue.STORAGE_GARBAGE_RECLAIMED_BYTES_TOTAL, latest(zone, f"gc{scope}Reclaimed", now), *labels)
    out.add(catalogue.STORAGE_RECOVERY_PENDING_BYTES, latest(zone, "recoveryBadChunksTotalSize", now), storage)
    out.add(catalogue.STORAGE_CODED_RATIO, percent(latest(zone, "chunksEcCodedRatio", now)), storage)
    return out


def drive_states(entry: Body) -> dict[str, float]:
    """Drives by state. They add up to all drives: what is in none of the states that are counted is `other`.

    Drives that may be replaced are among the failed ones, so they are told apart.
    """
    found = {state: drives for state, name in DRIVES.items() if (drives := count(entry.get(name))) is not None}
    total = count(entry.get("numDisks"))
    if total is not None and len(found) == len(DRIVES) and total >= sum(found.values()):
        found["other"] = total - sum(found.values())
    return found


def pool_samples(storage: str, document: Any) -> Samples:
    """Samples of `/dashboard/zones/localzone/storagepools`."""
    out, seen = Samples(), set[str]()
    for entry in instances(document):
        name = text(entry.get("name")) or text(entry.get("id"))
        if not name or name in seen:
            continue
        seen.add(name)
        now = horizon(entry)
        for kind in ("used", "free"):
            out.add(catalogue.STORAGE_POOL_CAPACITY_BYTES, latest(entry, KINDS[kind], now), storage, name, kind)
        out.add(catalogue.STORAGE_POOL_SIZE_BYTES, latest(entry, TOTAL, now), storage, name)
    return out


def replication_samples(storage: str, document: Any, failed: Any = None) -> Samples:
    """Samples of `/dashboard/zones/localzone/replicationgroups` and `…/rglinksFailed`.

    Traffic is left out: neither document nor any cluster says whether it is bytes or megabytes a second.
    """
    out, seen = Samples(), set[str]()
    for entry in instances(document):
        group = text(entry.get("name")) or text(entry.get("id"))
        if not group or group in seen:
            continue
        seen.add(group)
        now = horizon(entry)
        out.add(catalogue.STORAGE_REPLICATION_LAG_SECONDS, latest(entry, "replicationRpoLag", now), storage, group)
        for kind, name in (*_PENDING.items(), ("xor", "chunksPendingXorTotalSize")):
            out.add(catalogue.STORAGE_REPLICATION_PENDING_BYTES, latest(entry, name, now), storage, group, kind)
    if failed is not None:
        out.add(catalogue.STORAGE_REPLICATION_LINKS_FAILED, len(instances(failed)), storage)
    return out


def _capacity(storage: str, zone: Body, now: float | None, fallback: Body) -> Samples:
    out = Samples()
    for kind, name in KINDS.items():
        out.add(catalogue.STORAGE_CAPACITY_BYTES, latest(zone, name, now), storage, kind)
    out.add(catalogue.STORAGE_SIZE_BYTES, latest(zone, TOTAL, now), storage)
    if out:
        return out
    told = as_body(member(fallback, "cluster_capacity")) or fallback
    size, free = count(told.get("totalProvisioned_gb")), count(told.get("totalFree_gb"))
    if size is not None and free is not None and free <= size:
        out.add(catalogue.STORAGE_SIZE_BYTES, size * _GIGABYTE, storage)
        out.add(catalogue.STORAGE_CAPACITY_BYTES, free * _GIGABYTE, storage, "free")
        out.add(catalogue.STORAGE_CAPACITY_BYTES, (size - free) * _GIGABYTE, storage, "used")
    return out
