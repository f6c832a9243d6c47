"""What the dashboard and the namespaces look like: numbers in quotes, values as points in time, lists below `_instances`."""

from __future__ import annotations

from typing import Any

from simulator.plant.model import Cluster, Happening, Member

Document = dict[str, Any]

RESERVED_RATIO = 0.1
CODED_RATIO = 0.9987
# The names of the namespaces, their share of what is used, and their quota as a multiple of the cluster's size.
NAMESPACES = (("archive", 0.5, 0.6), ("checkpoints", 0.15, None), ("datasets", 0.35, 0.5))
OBJECT_BYTES = 64 * 1024**2
SEVERITIES = {"critical": "Critical", "error": "Error", "warning": "Warning", "information": "Info"}
# Until this release the dashboard itself told what clients and nodes do; since then only the time series do.
LAST_TALKATIVE = (3, 5)
# The dashboard has points this far apart.
POINT_SECONDS = 300.0


def release(cluster: Cluster) -> tuple[int, ...]:
    """The first two numbers of the version."""
    return tuple(int(part) for part in cluster.version.split(".")[:2])


def is_talkative(cluster: Cluster) -> bool:
    """Whether the dashboard tells performance."""
    return release(cluster) <= LAST_TALKATIVE


def local_zone(cluster: Cluster, now: float) -> Document:
    """`/dashboard/zones/localzone`."""
    members = cluster.members
    good = [each for each in members if health(each) == "Good"]
    used, reserved = cluster.used_bytes, cluster.size_bytes * RESERVED_RATIO
    free = max(cluster.size_bytes - used - reserved, 0.0)
    garbage = used * 0.004
    open_ones = [each for each in cluster.happenings if each.resolved_at is None]
    return {
        "_links": _links("/dashboard/zones/localzone"),
        "apiChange": "1",
        "id": "localzone",
        "name": cluster.name,
        "numNodes": str(len(members)),
        "numGoodNodes": str(len(good)),
        "numBadNodes": str(sum(health(each) == "Bad" for each in members)),
        "numMaintenanceNodes": "0",
        **_drives(members),
        **_capacity(used, free, cluster.size_bytes, now, current=True),
        "diskSpaceReservedCurrent": point("Space", reserved, now),
        **{f"alertsNumUnack{word}": point("Count", _open(open_ones, name), now) for name, word in SEVERITIES.items()},
        **_garbage("User", garbage, used * 0.01, used * 0.5, now),
        **_garbage("System", garbage / 4, used * 0.0005, used * 0.2, now),
        "gcUserDataIsEnabled": "true",
        "recoveryBadChunksTotalSizeCurrent": point("Space", _unprotected(cluster), now),
        "recoveryRateCurrent": point("Rate", "N/A", now),
        "recoveryCompleteTimeEstimate": "0.0",
        "chunksEcCodedRatioCurrent": point("Percent", 100 * CODED_RATIO, now),
        **(_transactions(cluster.read, cluster.write, cluster, now) if is_talkative(cluster) else {}),
    }


def nodes(cluster: Cluster, now: float) -> Document:
    """`/dashboard/zones/localzone/nodes`."""
    return _list("/dashboard/zones/localzone/nodes", [_node(cluster, each, now) for each in cluster.members])


def storage_pools(cluster: Cluster, now: float) -> Document:
    """`/dashboard/zones/localzone/storagepools`: one, of all nodes."""
    free = max(cluster.size_bytes * (1 - RESERVED_RATIO) - cluster.used_bytes, 0.0)
    pool = {
        "apiChange": "1",
        "id": "urn:storageos:VirtualArray:5c1d",
        "name": "pool-1",
        "numNodes": str(len(cluster.members)),
        **_capacity(cluster.used_bytes, free, cluster.size_bytes, now, current=True),
    }
    return _list("/dashboard/zones/localzone/storagepools", [pool])


def replication_groups(cluster: Cluster, now: float) -> Document:
    """`/dashboard/zones/localzone/replicationgroups`: one, whose other site is behind while there is an alert about it."""
    behind = any(each.resolved_at is None and "eplication" in each.text for each in cluster.happenings)
    group = {
        "apiChange": "1",
        "id": "urn:storageos:ReplicationGroupInfo:7a40",
        "name": "replication-1",
        "numZones": "2",
        "replicationRpoLag": "5400" if behind else "0",
        "replicationRpoTimestamp": str(int(now - (5400 if behind else 0))),
        "chunksRepoPendingReplicationTotalSize": str(int(cluster.write * 600) if behind else 0),
        "chunksJournalPendingReplicationTotalSize": str(int(cluster.write * 6) if behind else 0),
        "chunksPendingXorTotalSize": "0",
        "replicationIngressTraffic": point("Bandwidth", 0.0, now),
        "replicationEgressTraffic": point("Bandwidth", 0.0 if behind else cluster.write / 1e6, now),
    }
    return _list("/dashboard/zones/localzone/replicationgroups", [group])


def failed_links() -> Document:
    """`/dashboard/zones/localzone/rglinksFailed`: none."""
    return _list("/dashboard/zones/localzone/rglinksFailed", [])


def capacity(cluster: Cluster) -> Document:
    """`/object/capacity`, in GB."""
    gigabyte = 1024**3
    free = max(cluster.size_bytes * (1 - RESERVED_RATIO) - cluster.used_bytes, 0.0)
    return {"totalProvisioned_gb": int(cluster.size_bytes // gigabyte), "totalFree_gb": int(free // gigabyte)}


def vdc_nodes(cluster: Cluster) -> Document:
    """`/vdc/nodes`."""
    found = [
        {
            "ip": f"10.9.0.{each.number}",
            "mgmt_ip": f"10.9.0.{each.number}",
            "data_ip": f"10.9.1.{each.number}",
            "nodename": each.name,
            "nodeid": node_id(each),
            "rackId": each.rack,
            "version": f"{cluster.version}.140118.8d698782e5d",
            "status": "UNLOCKED",
            "isLocal": True,
        }
        for each in cluster.members
    ]
    return {"node": found}


def namespaces(limit: int, marker: str) -> Document:
    """`/object/namespaces`, in pages."""
    names = [name for name, _, _ in NAMESPACES]
    first = names.index(marker) + 1 if marker in names else 0
    page = names[first : first + limit]
    found: Document = {"namespace": [{"id": name, "name": name, "inactive": False} for name in page], "MaxNamespaces": limit}
    return found | ({"NextMarker": page[-1]} if page and page[-1] != names[-1] else {})


def billing(cluster: Cluster, wanted: list[str], at: str) -> Document:
    """`/object/billing/namespace/info?sizeunit=KB`, whose KB are 1024 bytes."""
    shares = {name: share for name, share, _ in NAMESPACES}
    found = [
        {
            "namespace": name,
            "valid_namespace": "true" if name in shares else "false",
            "total_size": str(round(cluster.used_bytes * shares.get(name, 0.0) / 1024, 3)),
            "total_size_unit": "KB",
            "total_objects": int(cluster.used_bytes * shares.get(name, 0.0) / OBJECT_BYTES),
            "sample_time": at,
            "next_marker": "",
        }
        for name in wanted
    ]
    return {"namespace_billing_infos": found}


def quota(cluster: Cluster, namespace: str) -> Document | None:
    """A namespace's quota in GB, -1 for none."""
    limits = {name: limit for name, _, limit in NAMESPACES}
    if namespace not in limits:
        return None
    limit = limits[namespace]
    hard = -1 if limit is None else int(cluster.size_bytes * limit / 1024**3)
    return {"namespace": namespace, "blockSize": hard, "notificationSize": hard if hard < 0 else hard * 8 // 10}


def node_id(member: Member) -> str:
    """A node's identifier in the dashboard and in the time series."""
    return f"9e472c37-1b26-41bf-8cdb-{member.number:012d}"


def health(member: Member) -> str:
    """The dashboard's word for a node."""
    if not member.up:
        return "NotAccessible"
    return "Good" if all(drive.state == "HEALTHY" for drive in member.drives) else "Suspect"


def point(name: str, value: object, now: float) -> list[Document]:
    """A series of one point."""
    written = value if isinstance(value, str) else str(int(value)) if name == "Count" else repr(value)  # type: ignore[call-overload]
    return [{"t": str(int(now)), name: written}]


def _node(cluster: Cluster, member: Member, now: float) -> Document:
    found: Document = {
        "_links": _links(f"/dashboard/nodes/{node_id(member)}"),
        "apiChange": "1",
        "id": node_id(member),
        "displayName": member.name,
        "healthStatus": health(member),
        "storagePoolName": "pool-1",
    }
    if not member.up:  # nothing more is known of a node that does not answer
        return found
    count = len(cluster.members)
    free = max(cluster.size_bytes * (1 - RESERVED_RATIO) - cluster.used_bytes, 0.0)
    found |= _drives([member]) | _capacity(cluster.used_bytes / count, free / count, cluster.size_bytes / count, now)
    if is_talkative(cluster):
        found |= {
            "nodeCpuUtilization": point("Percent", 100 * member.cpu_ratio, now),
            "nodeMemoryUtilization": point("Percent", 100 * member.memory_ratio, now),
            **_transactions(cluster.read / count, cluster.write / count, cluster, now),
        }
    return found


def _drives(members: list[Member]) -> Document:
    drives = [drive for member in members for drive in member.drives]
    good = sum(drive.state == "HEALTHY" for drive in drives)
    ready = sum(drive.state == "FAILED" for drive in drives)
    return {
        "numDisks": str(len(drives)),
        "numGoodDisks": str(good),
        "numBadDisks": str(len(drives) - good),
        "numMaintenanceDisks": "0",
        "numReadyToReplaceDisks": str(ready),
    }


def _capacity(used: float, free: float, size: float, now: float, *, current: bool = False) -> Document:
    ending = "Current" if current else ""
    values = {"Total": size, "Free": free, "Allocated": used}
    # History first: a reader that takes the first point instead of the newest one is found out.
    return {
        f"diskSpace{name}{ending}": [
            {"t": str(int(now - POINT_SECONDS)), "Space": str(int(value * 0.99))},
            {"t": str(int(now)), "Space": str(int(value))},
        ]
        for name, value in values.items()
    }


def _transactions(read: float, write: float, cluster: Cluster, now: float) -> Document:
    operations = sum(cluster.operations.values())
    share = read / (read + write) if read + write else 0.0
    latency = 1000 * max(cluster.latency.values(), default=0.0)
    return {
        "transactionReadBandwidthCurrent": point("Bandwidth", read / 1e6, now),
        "transactionWriteBandwidthCurrent": point("Bandwidth", write / 1e6, now),
        "transactionReadTransactionsPerSecCurrent": point("TPS", operations * share, now),
        "transactionWriteTransactionsPerSecCurrent": point("TPS", operations * (1 - share), now),
        "transactionReadLatencyCurrent": point("Latency", latency, now),
        "transactionWriteLatencyCurrent": point("Latency", latency * 1.5, now),
    }


def _garbage(scope: str, pending: float, unreclaimable: float, reclaimed: float, now: float) -> Document:
    values = {
        "Pending": pending,
        "Unreclaimable": unreclaimable,
        "Reclaimed": reclaimed,
        "TotalDetected": pending + unreclaimable + reclaimed,
    }
    return {f"gc{scope}{name}Current": point("Capacity", str(int(value)), now) for name, value in values.items()}


def _unprotected(cluster: Cluster) -> str:
    """What lay on drives that failed and waits for its copies."""
    drives = sum(len(member.drives) for member in cluster.members)
    failed = sum(drive.state != "HEALTHY" for member in cluster.members for drive in member.drives)
    return str(int(cluster.used_bytes * failed / drives)) if drives else "N/A"


def _open(happenings: list[Happening], severity: str) -> int:
    return sum(each.severity == severity for each in happenings)


def _links(path: str) -> Document:
    return {"self": {"href": path}}


def _list(path: str, found: list[Document]) -> Document:
    return {"_links": _links(path), "_embedded": {"_instances": found}}
