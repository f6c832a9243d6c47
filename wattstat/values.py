"""Kinds of values that settings and inventories share: addresses, URLs, quantities."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")

Seconds = Annotated[float, Field(gt=0)]
Watts = Annotated[float, Field(gt=0)]
Price = Annotated[float, Field(ge=0)]


def address(listen: str) -> tuple[str, int]:
    """Host and port of `host:port`; brackets round an IPv6 host are taken off. Raises `ValueError`."""
    host, colon, port = listen.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    is_good = not bare or (_is_host(bare) and (":" not in bare or bare != host))  # an empty host is every interface
    if not colon or not port.isdecimal() or int(port) > 65535 or not is_good:
        raise ValueError(f"{listen!r} is no address; expected host:port, such as 127.0.0.1:8050 or [::1]:8050")
    return bare, int(port)


def local_url(listen: str) -> str:
    """The URL under which this machine reaches what listens at `host:port`."""
    host, port = address(listen)
    reached = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def shows_secrets(url: str) -> bool:
    """Whether others could read a password on its way to `url`: it is not encrypted and leaves this machine."""
    parts = urlsplit(url)
    return parts.scheme != "https" and not is_loopback(parts.hostname or "")


def _listen(value: str) -> str:
    address(value)
    return value


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(
            f"{value!r} is no URL; expected http://host or https://host, with :port if it is not the usual one"
        ) from None
    if parts.username is not None or parts.password is not None:
        # The value itself is not repeated: it holds the secret.
        raise ValueError(
            "the URL carries a user or password; expected the URL without them; name an entry of `credentials` instead"
        )
    if parts.scheme not in {"http", "https"} or not port_is_good or not _is_host(parts.hostname or ""):
        raise ValueError(f"{value!r} is no URL; expected http://host or https://host, with :port if it is not the usual one")
    return value.rstrip("/")


def _socket_or_url(value: str) -> str:
    if value.startswith("unix:"):
        if not value.startswith("unix:/"):
            raise ValueError(
                f"{value!r} is no Unix socket; expected unix: and its whole path, such as unix:/run/slurmrestd.socket"
            )
        return value
    return _url(value)


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            ipaddress.IPv6Address(host.partition("%")[0])
        except ValueError:
            return False
        return True
    return _HOST.fullmatch(host) is not None


def host_and_port(value: str, usual_port: int) -> tuple[str, int]:
    """Host and port of `host` or `host:port`; brackets round an IPv6 host are taken off. Raises `ValueError`."""
    host, colon, port = value.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = value, str(usual_port)
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    is_good = _is_host(bare) and (":" not in bare or bare != host)
    if not is_good or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{value!r} is no address; expected a host, such as 10.0.1.1, with :port where it is not {usual_port}")
    return bare, int(port)


def _host_port(value: str) -> str:
    host_and_port(value, 161)
    return value


def _fingerprint(value: str) -> str:
    digits = value.rpartition("=")[2].replace(":", "").replace(" ", "").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError(
            f"{value!r} is no SHA-256 fingerprint; expected 64 hexadecimal digits, as printed by "
            "`openssl x509 -noout -fingerprint -sha256`"
        )
    return digits


def _guid(value: str) -> str:
    digits = value.removeprefix("0x").removeprefix("0X").replace(":", "")
    if value and not re.fullmatch(r"[0-9a-fA-F]{16}", digits):
        raise ValueError(
            f"{value!r} is no GUID; expected 16 hexadecimal digits, with or without 0x and colons; "
            "`ibswitches` and the fabric manager print it"
        )
    return value


def _variable_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        # Not repeated: it may be the password itself.
        raise ValueError(
            "is no name of an environment variable; expected letters, digits and underscores, such as BMC_PASSWORD"
        )
    return value


def _clock_time(value: str) -> str:
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00", value):
        raise ValueError(f"{value!r} is no time of day; expected hours and minutes in quotes, such as '06:30'")
    return value


_LISTEN, _URL = AfterValidator(_listen), AfterValidator(_url)
_VARIABLE, _FINGERPRINT = AfterValidator(_variable_name), AfterValidator(_fingerprint)

_CLOCK_TIME, _SOCKET_OR_URL = AfterValidator(_clock_time), AfterValidator(_socket_or_url)
_HOST_PORT, _GUID = AfterValidator(_host_port), AfterValidator(_guid)

Listen = Annotated[str, _LISTEN]
HostPort = Annotated[str, _HOST_PORT]
ClockTime = Annotated[str, _CLOCK_TIME]
Url = Annotated[str, _URL]
SocketOrUrl = Annotated[str, _SOCKET_OR_URL]
VariableName = Annotated[str, _VARIABLE]
Guid = Annotated[str, _GUID]
Fingerprint = Annotated[str, _FINGERPRINT]

# What the reference calls them.
KINDS: dict[object, str] = {
    _LISTEN: "host:port",
    _HOST_PORT: "host, or host:port",
    _CLOCK_TIME: "time of day, HH:MM",
    _URL: "http or https URL",
    _SOCKET_OR_URL: "http or https URL, or unix:/path",
    _VARIABLE: "name of an environment variable",
    _GUID: "GUID, 16 hexadecimal digits",
    _FINGERPRINT: "SHA-256 fingerprint",
}
