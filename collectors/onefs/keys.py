"""Which statistics are asked for, all of them in one request. Names and units are those of `statistics/keys`.

A thing that has several names (NFS version 3 is `nfs` and, on some releases, also `nfs3`) is asked for by the first that the
cluster has: each for itself they would be counted twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from types import MappingProxyType

Names = tuple[str, ...]

CAPACITY: Mapping[str, Names] = {kind: (f"ifs.bytes.{kind}",) for kind in ("total", "used", "avail")}
HEALTH: Names = ("cluster.health",)
CPU: Mapping[str, Names] = {
    "user": ("cluster.cpu.user.avg",),
    "system": ("cluster.cpu.sys.avg",),
    "idle": ("cluster.cpu.idle.avg",),
}
# In and out are seen from the drives: what goes in is written.
DISK_BYTES: Mapping[str, Names] = {"read": ("cluster.disk.bytes.out.rate",), "write": ("cluster.disk.bytes.in.rate",)}
DISK_OPERATIONS: Mapping[str, Names] = {"read": ("cluster.disk.xfers.out.rate",), "write": ("cluster.disk.xfers.in.rate",)}

_PROTOCOLS: Mapping[str, Names] = {
    "nfs3": ("nfs", "nfs3"),
    "nfs4": ("nfs4",),
    "smb1": ("cifs", "smb1"),
    "smb2": ("smb2",),
    "s3": ("s3",),
    "http": ("http",),
    "hdfs": ("hdfs",),
    "ftp": ("ftp",),
}
_CONNECTED: Mapping[str, Names] = {
    "nfs": ("nfs",),
    "smb": ("smb", "cifs"),
    "s3": ("s3",),
    "http": ("http",),
    "hdfs": ("hdfs",),
    "ftp": ("ftp",),
}


def _between(before: str, names: Mapping[str, Names], after: str = "") -> Mapping[str, Names]:
    return MappingProxyType({thing: tuple(before + name + after for name in several) for thing, several in names.items()})


PROTOCOLS = _between("cluster.protostats.", _PROTOCOLS, ".total")
CLIENTS: Mapping[tuple[str, str], Names] = MappingProxyType(
    {
        (protocol, state): names
        for state, mapping in (("active", _PROTOCOLS), ("connected", _CONNECTED))
        for protocol, names in _between(f"node.clientstats.{state}.", mapping).items()
    }
)

NODE_HEALTH: Names = ("node.health",)
NODE_IDLE: Names = ("node.cpu.idle.avg",)
NODE_DISK_BUSY: Names = ("node.disk.busy.avg",)
NODE_MEMORY: Mapping[str, Names] = {"used": ("node.memory.used",), "free": ("node.memory.free",)}
NODE_NETWORK: Mapping[str, Names] = {
    "receive": ("node.net.ext.bytes.in.rate",),
    "transmit": ("node.net.ext.bytes.out.rate",),
}
NODE_NETWORK_ERRORS: Mapping[str, Names] = {
    "receive": ("node.net.ext.errors.in.rate",),
    "transmit": ("node.net.ext.errors.out.rate",),
}

_ALL: tuple[Names, ...] = tuple(
    chain(
        (HEALTH, NODE_HEALTH, NODE_IDLE, NODE_DISK_BUSY),
        *(
            mapping.values()
            for mapping in (
                CAPACITY,
                CPU,
                DISK_BYTES,
                DISK_OPERATIONS,
                PROTOCOLS,
                NODE_MEMORY,
                NODE_NETWORK,
                NODE_NETWORK_ERRORS,
            )
        ),
        CLIENTS.values(),
    )
)


def wanted(known: Iterable[str] | None) -> tuple[str, ...]:
    """The keys to ask for: of each thing the first name among the `known` keys; each thing's first name if none are known."""
    if known is None:
        return tuple(names[0] for names in _ALL)
    there = frozenset(known)
    found = (next((name for name in names if name in there), None) for names in _ALL)
    return tuple(name for name in found if name is not None)
