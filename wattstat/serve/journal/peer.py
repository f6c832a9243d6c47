"""Who is at the other end of a connection from this machine: any user may connect, few may tell of others' jobs."""

from __future__ import annotations

import ipaddress
import socket
import struct

_SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY, _REQUEST = 20, 1  # SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST
_HEADER = struct.Struct("=IHHII")
_UID = struct.Struct("=I")
# In struct inet_diag_msg: the family, then the state; the user after the identity and three counts.
_STATE_OFFSET = _HEADER.size + 1
_UID_OFFSET = _HEADER.size + 4 + 48 + 12
_ESTABLISHED = 1
_PATIENCE_SECONDS = 0.05

Endpoint = tuple[str, int]


def user_of(peer: Endpoint, ours: Endpoint) -> int | None:
    """The user id behind a TCP connection from this machine, as the kernel knows it (sock_diag(7)); None for any other."""
    there, here = _address(peer[0]), _address(ours[0])
    if not there.is_loopback and there != here:
        return None
    family = socket.AF_INET if there.version == 4 else socket.AF_INET6
    ports = struct.pack("!HH", peer[1], ours[1])
    ends = there.packed.ljust(16, b"\0") + here.packed.ljust(16, b"\0")
    no_cookie = 0xFFFFFFFF
    identity = ports + ends + struct.pack("=III", 0, no_cookie, no_cookie)
    body = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + identity
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _SOCK_DIAG) as kernel:
            kernel.settimeout(_PATIENCE_SECONDS)
            kernel.send(_HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST, 1, 0) + body)
            answer = kernel.recv(4096)
    except OSError:
        return None
    is_answer = len(answer) >= _UID_OFFSET + _UID.size and _HEADER.unpack_from(answer)[1] == _BY_FAMILY
    # Where there is no such connection the kernel shows whoever listens at the peer's port, and that is somebody else.
    is_connection = is_answer and answer[_STATE_OFFSET] == _ESTABLISHED
    return _UID.unpack_from(answer, _UID_OFFSET)[0] if is_connection else None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address; an IPv4 one that came over an IPv6 socket is what it is."""
    found = ipaddress.ip_address(host.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
