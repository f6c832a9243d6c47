"""What people ask of alerts: which fire and why, history, silences, health. Shapes of the API, the command line, the pages.

Times are Unix seconds (RFC 3339 over HTTP). None is "not known" or "not yet".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Category = Literal["components", "configuration", "capacity", "performance", "security"]
CATEGORIES: tuple[Category, ...] = ("components", "configuration", "capacity", "performance", "security")

SEVERITIES: tuple[str, ...] = ("critical", "warning", "info", "none")
"""Worst first. critical: somebody is woken; warning: in working hours; info: shown only; none: the watchdog."""


class AlertsRefused(Exception):
    """What was asked for cannot be done; the message says what was expected."""


class AlertsUnavailable(AlertsRefused):
    """What was asked for cannot be told or done now; the message says what fails, where, and what to do."""


class NoSuchAlert(AlertsRefused):
    """There is no alert, silence, rule or runbook of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceLine:
    """One thing that speaks for an alert: a sentence, and where there is one the query that draws it and its threshold."""

    text: str
    expression: str = ""
    """PromQL of what was measured, narrowed to the device."""
    limit_expression: str = ""
    """PromQL of what it is compared with: a number or a series."""
    unit: str = ""
    """watts, celsius, ratio, seconds, bytes, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertView:
    """One alert, as lists show it. `subject` is the device, as `kind name` (`node gpu-017`, `switch ib-leaf-1`, `site`)."""

    fingerprint: str
    name: str
    state: Literal["pending", "firing", "resolved"]
    severity: str
    category: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    value: float | None
    active_at: float
    """Since when it holds."""
    fired_at: float | None
    """Since when it fires: it has held for as long as its rule wants."""
    ended_at: float | None
    subject: str
    part: str
    """Of the subject: `GPU 3`, `port 12`, a sensor; empty for the whole."""
    silenced_by: tuple[str, ...]
    """Ids of silences that keep it quiet."""
    inhibited_by: tuple[str, ...]
    """Fingerprints of alerts that are its cause, as far as the inhibition rules know."""
    notified_at: float | None
    """When somebody was last told; None where nobody was."""
    receivers: tuple[str, ...]
    source: Literal["rule", "finding"]
    group: str
    expression: str
    runbook: str
    """Name of its runbook, `/runbooks/NAME`; empty where there is none."""
    jobs: tuple[str, ...] = ()
    """Ids of the jobs that run on its servers now, as far as history knows."""
    tells_at: float | None = None
    """When the first message about it leaves: its group waits for others until then. None where somebody was told, or nobody
    is to be."""
    unconfirmed_since: float | None = None
    """Since when nobody knows whether it holds, as core gives no data; it is held until data are back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceView:
    """A silence: who wants to hear nothing of what, until when, and why."""

    id: str
    matchers: tuple[str, ...]
    """As Alertmanager writes them: `node="gpu-017"`, `alertname=~"Gpu.*"`."""
    starts_at: float
    ends_at: float
    created_by: str
    comment: str
    state: Literal["pending", "active", "expired"]
    at: str
    """Where it is kept: `wattstat`, or the address of an Alertmanager."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deduction:
    """What took points off a device: one alert or finding."""

    fingerprint: str
    name: str
    severity: str
    category: Category
    points: int
    what: str
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthView:
    """A device's health, 0 to 100, with everything that took points off."""

    kind: str
    """node, switch, storage, pdu, rack, site …"""
    name: str
    score: int
    by_category: Mapping[Category, int]
    """Points lost in each."""
    deductions: tuple[Deduction, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleNoise:
    """How often a rule spoke in a span of time, noisiest first in lists."""

    name: str
    severity: str
    fired: int
    seconds_firing: float
    notified: int
    """Messages that somebody got about it."""
    silenced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskStatus:
    """Whether the room itself works."""

    evaluates: bool
    """This process evaluates rules; otherwise a Prometheus does."""
    last_evaluation: float | None
    failing_rules: Mapping[str, str]
    """By rule or finding: why its newest evaluation failed."""
    queue: int
    """Messages that wait for a receiver."""
    failing_receivers: Mapping[str, str]
    heartbeat_at: float | None
    has_receivers: bool
    silences_problem: str = ""
    """Why silences that an Alertmanager keeps are not known as of now, and of when those shown are; empty where they are."""


class AlertDesk(Protocol):
    """Everything that the API, the command line and the pages ask. Raises `AlertsRefused`, `QueryError`."""

    async def active(self) -> Sequence[AlertView]:
        """What is firing or pending now, worst first, then the oldest."""

    async def history(self, start: float, end: float) -> Sequence[AlertView]:
        """What fired within a span of time, newest first; what still fires included."""

    async def evidence(self, fingerprint: str) -> Sequence[EvidenceLine]:
        """What speaks for an alert, active or ended. Raises `NoSuchAlert`."""

    async def noise(self, start: float, end: float) -> Sequence[RuleNoise]:
        """The noisiest rules of a span of time."""

    async def silences(self) -> Sequence[SilenceView]:
        """All that are active or to come, and those that ended within a day."""

    async def silence(
        self, matchers: Sequence[str], *, starts_at: float, ends_at: float, created_by: str, comment: str
    ) -> SilenceView:
        """Keep what matches quiet. Raises `AlertsRefused` for a matcher that cannot be read, or without comment or end."""

    async def expire(self, silence_id: str, *, by: str) -> SilenceView:
        """End a silence now. Raises `NoSuchAlert`."""

    async def health(self) -> Sequence[HealthView]:
        """Every device of the inventory, worst first."""

    async def rule_groups(self) -> list[dict[str, Any]]:
        """The groups as Prometheus' `/api/v1/rules` has them."""

    async def prometheus_alerts(self) -> list[dict[str, Any]]:
        """The alerts as Prometheus' `/api/v1/alerts` has them."""

    async def status(self) -> DeskStatus:
        """Whether rules are evaluated and messages go out."""

    async def try_receiver(self, name: str, *, by: str) -> str:
        """Send a test message; what came of it, as a sentence. Raises `NoSuchAlert`."""

    def runbook(self, name: str) -> str:
        """A runbook in Markdown. Raises `NoSuchAlert`."""
