"""The words of the room: what was found, what it has become, what delivery is told. Times are Unix seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2s
from types import MappingProxyType
from typing import Literal, Protocol

from wattstat.api.alerts import EvidenceLine

_NOTHING: Mapping[str, str] = MappingProxyType({})

State = Literal["pending", "firing"]


def fingerprint(labels: Mapping[str, str]) -> str:
    """What tells an alert from all others: its labels, `alertname` included. Sixteen hexadecimal digits."""
    text = "\xff".join(f"{name}\xfe{value}" for name, value in sorted(labels.items()))
    return blake2s(text.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """One thing that holds at the moment of an evaluation: a series of a rule's answer, or what a finding found.

    `labels` are complete (`alertname` and the rule's own included), annotations are rendered.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    value: float
    evidence: tuple[EvidenceLine, ...] = ()
    """What a finding saw, for the reader to judge. A rule's evidence is its expression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that is wrong (firing), or that has not been so for long enough to say it (pending)."""

    fingerprint: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    state: State
    value: float
    active_at: float
    """Since when it holds."""
    fired_at: float | None = None
    keep_firing_since: float | None = None
    """Since when it does not hold any more and fires on only because of `keep_firing_for`."""
    unconfirmed_since: float | None = None
    """Since when nobody knows whether it holds, as core gives no data; it fires on."""
    group: str = ""
    expression: str = ""
    """The rule's; empty for a finding."""
    source: Literal["rule", "finding"] = "rule"
    evidence: tuple[EvidenceLine, ...] = ()

    @property
    def name(self) -> str:
        """Its `alertname`."""
        return self.labels["alertname"]

    @property
    def severity(self) -> str:
        """critical, warning, info or none."""
        return self.labels.get("severity", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What delivery is told of a firing alert, at each evaluation for as long as it fires, and once when it ended."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: float
    ends_at: float | None = None
    """When it ended; None while it fires."""
    value: float = 0.0
    generator_url: str = ""
    """Where in Wattstat one sees it."""
    active_at: float | None = None
    """Since when it holds, which is before it fires; None where that is not known."""
    keep_firing_since: float | None = None
    """As the alert's."""
    unconfirmed_since: float | None = None
    """As the alert's."""

    @property
    def fingerprint(self) -> str:
        """As the alert's."""
        return fingerprint(self.labels)


class Tell(Protocol):
    """Delivery, as the evaluation sees it."""

    async def tell(self, notices: Sequence[Notice], at: float) -> None:
        """Take over what fires and what ended at one evaluation. On disk when it returns; never waits for a receiver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How long something must hold before it fires, and how long it fires on. Seconds."""

    for_seconds: float = 0.0
    keep_firing_seconds: float = 0.0


class Finder(Protocol):
    """A finding that is no threshold: looks at history and tells what it saw, with evidence."""

    @property
    def name(self) -> str:
        """The `alertname` of all that it raises."""

    @property
    def every_seconds(self) -> float:
        """How often it wants to be asked."""

    @property
    def conditions(self) -> Conditions:
        """How long what it found must hold."""

    @property
    def summary(self) -> str:
        """One sentence without numbers: what it looks for."""

    async def look(self, at: float) -> Sequence[Raised]:
        """Everything that holds at this moment. Raises `QueryError` when history cannot be asked."""


Clock = Callable[[], float]

WATCHDOG = "Watchdog"
"""The alert that always fires: that it does not is the alarm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Series that an evaluation leaves in the history: recording rules, ALERTS, and what Wattstat says of itself."""

    source: str
    """Who writes them; a series that its source does not write again has ended."""
    samples: Sequence[tuple[Mapping[str, str], float]] = field(default=())
    """Labels (`__name__` included) and the value."""
