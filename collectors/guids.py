"""Names of things in an InfiniBand fabric: GUIDs however they are written, and servers behind host descriptions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_GUID = re.compile(r"[0-9a-f]{16}")
# OFED's `rdma-ndd` describes a port as "host mlx5_0", older stacks as "host HCA-1"; the first adapter is HCA-1 and mlx5_0.
_HOST = re.compile(r"(?P<host>\S+)\s+(?:HCA-(?P<number>[1-9]\d{0,2})|(?P<device>(?:mlx|ib|roce|rocep|ibp)\w*))")


class End(NamedTuple):
    """A server's port at the end of a cable."""

    node: str
    device: str


def guid(written: object) -> str:
    """Sixteen hexadecimal digits of "0xA088c20300556b96", "a088:c203:0055:6b96" or the like; empty for what is no GUID."""
    plain = str(written).strip().lower().removeprefix("0x").replace(":", "") if isinstance(written, str) else ""
    return plain if _GUID.fullmatch(plain) and plain.strip("0") else ""


class Hosts:
    """The inventory's servers, as a fabric describes them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {name.lower(): name for name in names}

    def end(self, description: object) -> End | None:
        """The server and its port of a host description; None for switches and for hosts that the inventory does not list."""
        found = _HOST.fullmatch(description.strip()) if isinstance(description, str) else None
        if found is None:
            return None
        host = found["host"].lower()
        node = self._names.get(host) or self._names.get(host.partition(".")[0])
        if node is None:
            return None
        return End(node, found["device"] or f"mlx5_{int(found['number']) - 1}")
