"""What `statistics/current` knows: every key with its scope, unit and type, and the value that the plant gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from simulator.plant.model import Cluster, Member

Json = Any
# Names of the plant's protocols in keys of OneFS: NFS version 3 is plainly nfs, SMB version 1 cifs.
PROTOCOLS: Mapping[str, str] = {"nfs3": "nfs", "nfs4": "nfs4", "smb1": "cifs", "smb2": "smb2", "s3": "s3", "http": "http"}
# Protocols of which OneFS counts connections, by the protocols of the plant.
CONNECTED: Mapping[str, tuple[str, ...]] = {"nfs": ("nfs3", "nfs4"), "smb": ("smb1", "smb2"), "http": ("http",)}
NOT_PRESENT = 1
# Device ids are given once and never again: here four nodes came and went before, so that nobody takes them for node numbers.
_FIRST_DEVICE = 5
_MEMORY_BYTES = 384 * 1024**3
# What the virtual hot spare keeps back.
_RESERVED = 0.05


class Key(NamedTuple):
    """A key of a cluster or of its nodes."""

    scope: str
    units: str
    kind: str
    cluster: Callable[[Cluster], Json] | None = None
    node: Callable[[Member], Json] | None = None


def device(member: Member) -> int:
    """The device id of a node."""
    return member.number + _FIRST_DEVICE - 1


def _health(cluster: Cluster) -> int:
    return 1 if any(not member.up or _node_health(member) for member in cluster.members) else 0


def _node_health(member: Member) -> int:
    bad = any(drive.state != "HEALTHY" for drive in member.drives) or any(not each.ok for each in member.supplies)
    return 1 if bad else 0


def _permil(ratio: float) -> int:
    return min(1000, max(0, round(ratio * 1000)))


def _mean(read: Callable[[Member], float]) -> Callable[[Cluster], int]:
    def value(cluster: Cluster) -> int:
        up = [member for member in cluster.members if member.up]
        return _permil(sum(map(read, up)) / len(up)) if up else 0

    return value


def share(cluster: Cluster, protocol: str) -> float:
    """The share of a protocol in what the cluster does."""
    total = sum(cluster.operations.values())
    return cluster.operations.get(protocol, 0.0) / total if total else 0.0


def _protocol(protocol: str) -> Callable[[Cluster], Json]:
    def value(cluster: Cluster) -> Json:
        rate = cluster.operations.get(protocol, 0.0)
        microseconds = cluster.latency.get(protocol, 0.0) * 1e6 if rate else 0.0
        part = share(cluster, protocol)
        return [
            {
                "class_name": "total",
                "op_count": round(rate * 5),
                "op_rate": rate,
                "in_rate": cluster.write * part,
                "out_rate": cluster.read * part,
                "time_avg": microseconds,
                "time_max": microseconds * 9,
                "time_min": microseconds / 9,
            }
        ]

    return value


def _connected(protocols: tuple[str, ...]) -> Callable[[Member], int]:
    return lambda member: sum(member.clients.get(protocol, 0) for protocol in protocols)


def _active(protocol: str) -> Callable[[Member], int]:
    return lambda member: -(-member.clients.get(protocol, 0) // 2)


def _disk(read: Callable[[Cluster], float], size: float) -> Callable[[Cluster], float]:
    return lambda cluster: read(cluster) / size


def available(cluster: Cluster) -> int:
    """What can still be written."""
    return max(0, int(cluster.size_bytes * (1 - _RESERVED) - cluster.used_bytes))


def _keys() -> dict[str, Key]:
    keys = {
        "cluster.health": Key("cluster", "none", "int32", cluster=_health),
        "ifs.bytes.total": Key("cluster", "bytes", "uint64", cluster=lambda each: int(each.size_bytes)),
        "ifs.bytes.used": Key("cluster", "bytes", "uint64", cluster=lambda each: int(each.used_bytes)),
        "ifs.bytes.free": Key("cluster", "bytes", "uint64", cluster=lambda each: int(each.size_bytes - each.used_bytes)),
        "ifs.bytes.avail": Key("cluster", "bytes", "uint64", cluster=available),
        "cluster.cpu.user.avg": Key("cluster", "permil", "int32", cluster=_mean(lambda member: member.cpu_ratio * 0.4)),
        "cluster.cpu.sys.avg": Key("cluster", "permil", "int32", cluster=_mean(lambda member: member.cpu_ratio * 0.6)),
        "cluster.cpu.idle.avg": Key("cluster", "permil", "int32", cluster=_mean(lambda member: 1 - member.cpu_ratio)),
        "cluster.disk.bytes.in.rate": Key("cluster", "bytes per second", "double", cluster=_disk(lambda c: c.write, 0.8)),
        "cluster.disk.bytes.out.rate": Key("cluster", "bytes per second", "double", cluster=_disk(lambda c: c.read, 1.25)),
        "cluster.disk.xfers.in.rate": Key(
            "cluster", "operations per second", "double", cluster=_disk(lambda c: c.write, 65536)
        ),
        "cluster.disk.xfers.out.rate": Key(
            "cluster", "operations per second", "double", cluster=_disk(lambda c: c.read, 65536)
        ),
        "node.health": Key("node", "none", "int32", node=_node_health),
        "node.cpu.user.avg": Key("node", "permil", "int32", node=lambda member: _permil(member.cpu_ratio * 0.4)),
        "node.cpu.sys.avg": Key("node", "permil", "int32", node=lambda member: _permil(member.cpu_ratio * 0.6)),
        "node.cpu.idle.avg": Key("node", "permil", "int32", node=lambda member: _permil(1 - member.cpu_ratio)),
        "node.memory.used": Key("node", "bytes", "uint64", node=lambda member: int(_MEMORY_BYTES * member.memory_ratio)),
        "node.memory.free": Key("node", "bytes", "uint64", node=lambda member: int(_MEMORY_BYTES * (1 - member.memory_ratio))),
        "node.disk.busy.avg": Key("node", "permil", "double", node=lambda member: _permil(member.disk_busy_ratio)),
        "node.net.ext.bytes.in.rate": Key("node", "bytes per second", "double", node=lambda m: m.receive_bytes_per_second),
        "node.net.ext.bytes.out.rate": Key("node", "bytes per second", "double", node=lambda m: m.transmit_bytes_per_second),
        "node.net.ext.errors.in.rate": Key("node", "errors per second", "double", node=lambda _: 0.0),
        "node.net.ext.errors.out.rate": Key("node", "errors per second", "double", node=lambda _: 0.0),
    }
    for protocol, name in PROTOCOLS.items():
        keys[f"cluster.protostats.{name}.total"] = Key(
            "cluster", "none", "stats_proto_opstat_list", cluster=_protocol(protocol)
        )
        keys[f"node.clientstats.active.{name}"] = Key("node", "none", "int32", node=_active(protocol))
    for name, protocols in CONNECTED.items():
        keys[f"node.clientstats.connected.{name}"] = Key("node", "none", "int32", node=_connected(protocols))
    return keys


KEYS: Mapping[str, Key] = _keys()


def key_document(name: str) -> dict[str, Json]:
    """A key as `statistics/keys` lists it."""
    key = KEYS[name]
    return {
        "aggregation_type": "avg",
        "base_name": None,
        "default_cache_time": 0,
        "description": f"Simulated {name}",
        "key": name,
        "policies": [{"interval": 5, "persistent": False, "retention": 4200}],
        "policy_cache_time": 7,
        "real_name": None,
        "scope": key.scope,
        "type": key.kind,
        "units": key.units,
    }


def current(cluster: Cluster, wanted: list[str], now: float) -> list[dict[str, Json]]:
    """Rows for the keys; a key that is not there has an error in its row, a node that is away has none."""
    rows = []
    for name in wanted:
        key = KEYS.get(name)
        if key is None:
            rows.append(_row(name, now, None) | {"error": "Unable to find the key", "error_code": NOT_PRESENT})
        elif key.cluster is not None:
            rows.append(_row(name, now, key.cluster(cluster)))
        elif key.node is not None:
            up = (member for member in cluster.members if member.up)
            rows += [_row(name, now, key.node(member)) | {"devid": device(member)} for member in up]
    return rows


def _row(name: str, now: float, value: Json) -> dict[str, Json]:
    return {"devid": 0, "error": None, "error_code": None, "key": name, "time": int(now), "value": value}
