"""How a device's certificate is checked, and what a handshake tells about it: for BMCs and agents alike."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import sslproto
from dataclasses import dataclass
from datetime import datetime

import aiohttp
from cryptography import x509
from yarl import URL

from collectors.frame import BadPayload, Unreachable
from wattstat.inventory import Tls


class Contexts:
    """SSL contexts, one for each way of checking, shared by all devices: making one reads all of the system's authorities."""

    def __init__(self) -> None:
        self._made: dict[str, ssl.SSLContext] = {}
        self.unverified = _unverified()

    def of(self, tls: Tls) -> ssl.SSLContext | aiohttp.Fingerprint:
        """What aiohttp takes. Raises `ValueError` for a fingerprint that is none and `OSError` for a missing authority file."""
        if tls.fingerprint is not None:
            return aiohttp.Fingerprint(fingerprint(tls.fingerprint))
        if not tls.verify:
            return self.unverified
        known = str(tls.ca_file or "")
        if known not in self._made:
            self._made[known] = ssl.create_default_context(cafile=tls.ca_file)
        return self._made[known]


def fingerprint(written: str) -> bytes:
    """The SHA-256 of a certificate from its hexadecimal text, with or without colons."""
    plain = written.strip().lower().removeprefix("sha256").lstrip(":=/ ").replace(":", "").replace(" ", "")
    try:
        digest = bytes.fromhex(plain)
    except ValueError as err:
        raise ValueError(f"{written!r} is no SHA-256 fingerprint: expected 64 hexadecimal digits") from err
    if len(digest) != 32:
        raise ValueError(f"{written!r} is no SHA-256 fingerprint: expected 64 hexadecimal digits, got {len(plain)}")
    return digest


def spare_buffers() -> None:
    """Keep 32 KiB for each TLS connection, where asyncio sets 256 KiB aside: half a gigabyte less for a thousand BMCs.

    A TLS record carries at most 16 KiB (RFC 8446, 5.1); longer answers only take more reads. For a process of many connections;
    called by who owns the process, because it holds for all of its connections.
    """
    sslproto.SSLProtocol.max_size = 32 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """What one handshake showed. `expires_at` is Unix time in seconds."""

    version: str
    expires_at: float
    self_signed: bool


async def handshake(url: str, context: ssl.SSLContext, *, timeout_seconds: float) -> Handshake:
    """Open a TLS connection only to look at the certificate; `context` must not verify, so that a bad one is seen too."""
    address = URL(url)
    try:
        async with asyncio.timeout(timeout_seconds):
            _, writer = await asyncio.open_connection(address.host, address.port, ssl=context)
    except (OSError, TimeoutError) as err:
        raise Unreachable(f"TLS handshake: {str(err) or 'no answer in time'}") from err
    tls = writer.get_extra_info("ssl_object")
    encoded = tls.getpeercert(binary_form=True)
    version = str(tls.version())
    writer.close()
    return _seen(encoded, version)


def _seen(encoded: bytes | None, version: str) -> Handshake:
    try:
        certificate = x509.load_der_x509_certificate(encoded or b"")
    except ValueError as err:
        raise BadPayload(f"TLS handshake: a certificate that cannot be read ({err})") from err
    expires: datetime = certificate.not_valid_after_utc
    return Handshake(version=version, expires_at=expires.timestamp(), self_signed=certificate.subject == certificate.issuer)


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
