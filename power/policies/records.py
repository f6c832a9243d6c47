"""What the repository tells of policies, holds and emergencies, and how it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf

from power.policies.model import Policy
from power.policies.standing import Emergency, Hold

FROM_FILE = "file"
FROM_API = "api"


class State(StrEnum):
    """How far a policy has come."""

    DRAFT = "draft"
    """Saved; a second person must approve it before it can be enabled."""
    APPROVED = "approved"
    """May be enabled."""
    ENABLED = "enabled"
    """Holds whenever its conditions are met."""
    EXPIRED = "expired"
    """Holds no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Something that waits for a second person: `what` is disable, remove or version."""

    what: str
    by: str
    reason: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a policy as it was saved. `needs_second` says why a second person must approve it; empty: none must."""

    policy: Policy
    version: int
    author: str
    saved_at: float
    needs_second: str = ""
    approved_by: str | None = None
    approved_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A policy: the version that counts, and a newer draft of it if there is one.

    `shown` is the version that counts, or the draft where none counts yet.
    """

    name: str
    state: State
    source: str
    effective: Version | None
    draft: Version | None
    pending: Pending | None = None

    @property
    def shown(self) -> Version:
        """The version to show."""
        found = self.effective or self.draft
        if found is None:
            raise ValueError(f"{self.name} has no version")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHold:
    """A hold; `needs_second` as for versions. It counts once nobody is missing."""

    hold: Hold
    made_at: float
    needs_second: str = ""
    approved_by: str | None = None

    @property
    def counts(self) -> bool:
        """Whether it is in force, until it expires."""
        return not self.needs_second or self.approved_by is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEmergency:
    """An emergency; `ended_at` infinite while it is on."""

    emergency: Emergency
    ended_at: float = inf
    ended_by: str = ""
    ended_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that somebody did."""

    id: int
    at: float
    who: str
    what: str
    subject: str
    version: int | None
    detail: str


class Refused(Exception):
    """What somebody asked cannot be done; the message says why and what to do. `kind` is one word for machines."""

    kind = "refused"


class Unknown(Refused):
    """There is no such policy, hold or emergency."""

    kind = "unknown"


class Conflict(Refused):
    """Somebody else was faster, or the state does not allow it."""

    kind = "conflict"


class NeedsSecond(Refused):
    """A second person must do this."""

    kind = "second_person"
