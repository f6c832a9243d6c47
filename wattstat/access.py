"""Who asks, and what they may: roles that contain each other, and the caller of a request."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """What somebody may do. Each role may do what the ones before it may."""

    VIEWER = 0
    """Look."""
    OPERATOR = 1
    """Enable and disable approved policies, hold devices, use the emergency button, silence alerts."""
    AUTHOR = 2
    """Write policies."""
    APPROVER = 3
    """Approve policies of others."""

    @classmethod
    def named(cls, name: str) -> Role:
        """The role of a name as settings write it. Raises `ValueError` with the names that there are."""
        try:
            return cls[name.upper()]
        except KeyError:
            raise ValueError(f"{name!r} is no role; expected {', '.join(role.name.lower() for role in cls)}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks. `name` is what the audit trail calls them; `via` is token, proxy, or local."""

    name: str
    role: Role
    via: str = "local"
