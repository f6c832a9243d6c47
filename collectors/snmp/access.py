"""How a device is reached: its address, and the session of the library with the community or the user of version 3."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

from gufo.snmp import Aes128Key, DesKey, Md5Key, Sha1Key, SnmpVersion, User
from gufo.snmp.aio import SnmpSession
from pydantic import SecretStr

from collectors.frame.errors import AuthFailed, Unreachable
from wattstat import inventory as stock
from wattstat.config import Config, Credentials
from wattstat.values import host_and_port

_USUAL_PORT = 161
_SHORTEST_PASS_PHRASE = 8  # RFC 3414, 11.2
_SIGNS = {"md5": Md5Key, "sha": Sha1Key}
_ENCRYPTS = {"des": DesKey, "aes": Aes128Key}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the inventory says of a device's agent. Secrets are read when a session begins, so that they can be changed."""

    snmp: stock.Snmp
    credentials: Credentials
    privacy: Credentials | None = None

    @classmethod
    def of(cls, snmp: stock.Snmp, config: Config) -> Access:
        """Raises `ValueError` for credentials that wattstat.yaml does not have, or that version 3 cannot use."""
        credentials = _named(config, snmp.credentials)
        privacy = None if snmp.privacy is None else _named(config, snmp.privacy)
        if snmp.version == "3" and not credentials.username:
            raise ValueError(f"credentials {snmp.credentials!r}: SNMP version 3 needs a username there")
        return cls(snmp=snmp, credentials=credentials, privacy=privacy)

    async def session(self, *, timeout_seconds: float, repetitions: int) -> SnmpSession:
        """A session; nothing was sent yet. Raises `Unreachable` and `AuthFailed`."""
        address, port = await self._resolved()
        try:
            secret = self.credentials.password().get_secret_value()
            user = self._user(secret) if self.snmp.version == "3" else None
        except ValueError as error:
            raise AuthFailed(f"{self.snmp.address}: {error}") from error
        try:
            return SnmpSession(
                address,
                port,
                community="" if user else secret,
                user=user,
                version=SnmpVersion.v3 if user else SnmpVersion.v2c,
                timeout=timeout_seconds,
                max_repetitions=repetitions,
            )
        except OSError as error:
            raise Unreachable(f"{self.snmp.address}: {error}") from error

    def _user(self, signs_with: str) -> User:
        privacy = None if self.privacy is None else _pass_phrase(self.privacy.password())
        _pass_phrase(SecretStr(signs_with))
        return User(
            self.credentials.username,
            auth_key=_SIGNS[self.snmp.signs](signs_with.encode()),
            priv_key=None if privacy is None else _ENCRYPTS[self.snmp.encrypts](privacy),
        )

    async def _resolved(self) -> tuple[str, int]:
        """The library wants an address of numbers."""
        host, port = host_and_port(self.snmp.address, _USUAL_PORT)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except OSError as error:
            raise Unreachable(f"{self.snmp.address}: {error}; check the name") from error
        return str(found[0][4][0]), port


def _named(config: Config, name: str) -> Credentials:
    credentials = config.credentials.get(name)
    if credentials is None:
        raise ValueError(f"no credentials named {name!r} in wattstat.yaml")
    return credentials


def _pass_phrase(secret: SecretStr) -> bytes:
    phrase = secret.get_secret_value().encode()
    if len(phrase) < _SHORTEST_PASS_PHRASE:
        raise ValueError(f"a pass phrase of SNMP version 3 has at least {_SHORTEST_PASS_PHRASE} characters")
    return phrase
