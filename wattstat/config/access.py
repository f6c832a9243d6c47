"""Settings: who may do what."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from wattstat.document import Strict

RoleName = Literal["viewer", "operator", "author", "approver"]


def _digest(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        # Not repeated: it may be the token itself.
        raise ValueError("is no SHA-256 in hexadecimal; `wattstat token NAME` prints a token and the entry for it")
    return value


class Token(Strict):
    """A bearer token. Only its SHA-256 stands here; `wattstat token NAME --role ROLE` makes one."""

    name: str
    """Whose it is; the audit trail calls them so."""
    role: RoleName
    """What they may."""
    sha256: Annotated[str, AfterValidator(_digest)]
    """SHA-256 of the token, in hexadecimal."""


class Proxy(Strict):
    """A reverse proxy that has asked people who they are (oauth2-proxy, an identity-aware proxy), and says so in headers."""

    trusted: tuple[str, ...]
    """Addresses or networks from which its headers are believed, such as 10.0.0.5 or 10.0.0.0/29."""
    user_header: str = "X-Forwarded-User"
    """Header with the user's name."""
    groups_header: str = "X-Forwarded-Groups"
    """Header with the user's groups, separated by commas."""
    roles: dict[str, RoleName] = Field(default_factory=dict, examples=[{"facility": "approver", "hpc-admins": "author"}])
    """The role of each group; without any of them a user is a viewer."""

    @field_validator("trusted")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            try:
                network = ipaddress.ip_network(each, strict=False)
            except ValueError:
                raise ValueError(f"{each!r} is no address; expected such as 10.0.0.5 or 10.0.0.0/29") from None
            if network.prefixlen == 0:
                raise ValueError(f"{each!r} is everybody; expected the addresses of your proxies alone")
        return value


class Access(Strict):
    """Who may do what. Reading needs no login on the machine itself; acting needs a role."""

    local_role: RoleName = "viewer"
    """What callers on this machine may without a token."""
    tokens: tuple[Token, ...] = ()
    """Bearer tokens."""
    tokens_file: Path | None = None
    """YAML file with more of them, in the same shape; read again when it changes."""
    proxy: Proxy | None = None
    """A reverse proxy that says who people are."""
    anonymous_viewers: bool = False
    """Whether callers from other machines may look without a token."""
    session_hours: Annotated[float, Field(gt=0)] = 12
    """How long a login on the pages lasts."""

    @field_validator("tokens")
    @classmethod
    def _once_each(cls, value: tuple[Token, ...]) -> tuple[Token, ...]:
        twice = [each.name for at, each in enumerate(value) if each.sha256 in {other.sha256 for other in value[:at]}]
        if twice:
            raise ValueError(f"the token of {twice[0]} stands twice; expected each token once, or nobody knows whose it is")
        return value

    @property
    def somebody_can_log_in(self) -> bool:
        """Whether there is a way in for callers from other machines."""
        return bool(self.tokens) or self.tokens_file is not None or self.proxy is not None
