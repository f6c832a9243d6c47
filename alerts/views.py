"""Alerts as people are shown them. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from alerts.health.points import category_of
from alerts.model import Alert
from alerts.reach import Reach
from alerts.shipped import RUNBOOKS
from alerts.subject import subject
from wattstat.api.alerts import SEVERITIES, AlertView, RuleNoise

_RANK = {severity: rank for rank, severity in enumerate(SEVERITIES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What delivery and history know of alerts, by fingerprint; jobs by server."""

    silenced: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    inhibited: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    told: Mapping[str, tuple[float, tuple[str, ...]]] = field(default_factory=dict)
    jobs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tells: Mapping[str, float] = field(default_factory=dict)
    """When the first message leaves about those of which nobody was told."""
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Labels as receivers and silences see them, where these are more than the alert's own."""
    reach: Reach = field(default_factory=Reach)


def view(alert: Alert, around: Around, *, ended_at: float | None = None) -> AlertView:
    """One alert. `ended_at` makes it one of the past."""
    found = subject(alert.labels)
    told_at, receivers = around.told.get(alert.fingerprint, (None, ()))
    return AlertView(
        fingerprint=alert.fingerprint,
        name=alert.name,
        state=alert.state if ended_at is None else "resolved",
        severity=alert.severity,
        category=category_of(alert),
        labels=around.labels.get(alert.fingerprint, alert.labels),
        annotations=alert.annotations,
        value=alert.value if math.isfinite(alert.value) else None,
        active_at=alert.active_at,
        fired_at=alert.fired_at,
        ended_at=ended_at,
        tells_at=None if ended_at is not None or told_at is not None else around.tells.get(alert.fingerprint),
        unconfirmed_since=None if ended_at is not None else alert.unconfirmed_since,
        subject=str(found),
        part=found.part,
        silenced_by=around.silenced.get(alert.fingerprint, ()),
        inhibited_by=around.inhibited.get(alert.fingerprint, ()),
        notified_at=told_at,
        receivers=receivers,
        source=alert.source,
        group=alert.group,
        expression=alert.expression,
        runbook=runbook_of(alert),
        jobs=tuple(dict.fromkeys(job for node in around.reach.nodes(alert.labels) for job in around.jobs.get(node, ()))),
    )


def runbook_of(alert: Alert) -> str:
    """The name of its runbook here: the last part of its `runbook_url`, where there is such a file."""
    name = alert.annotations.get("runbook_url", "").rstrip("/").rpartition("/")[2] or alert.name
    return name if name in _runbooks() else ""


@cache
def _runbooks() -> frozenset[str]:
    """The names of those that come with us: looked up once, and not on disk for each of ten thousand alerts."""
    return frozenset(path.stem for path in RUNBOOKS.glob("*.md"))


def active(alerts: Iterable[Alert], around: Around) -> list[AlertView]:
    """All of these, in order."""
    return in_order(view(alert, around) for alert in alerts)


def in_order(views: Iterable[AlertView]) -> list[AlertView]:
    """Firing before pending, worst first, of equals the one that lasts longest."""
    return sorted(views, key=lambda each: (each.state == "pending", _rank(each.severity), each.active_at, each.fingerprint))


def _rank(severity: str) -> int:
    return _RANK.get(severity, len(_RANK))


def noise(past: Sequence[AlertView], messages: Mapping[str, int], start: float, end: float) -> list[RuleNoise]:
    """How often each rule spoke between `start` and `end`, the noisiest first. `messages` are counts by name."""
    by_name: dict[str, list[AlertView]] = defaultdict(list)
    for each in past:
        by_name[each.name].append(each)
    found = [
        RuleNoise(
            name=name,
            severity=min((each.severity for each in views), key=_rank),
            fired=sum(start <= _fired(each) < end for each in views),
            seconds_firing=sum(_seconds(each, start, end) for each in views),
            notified=messages.get(name, 0),
            silenced=sum(bool(each.silenced_by) for each in views),
        )
        for name, views in by_name.items()
    ]
    return sorted(found, key=lambda each: (-each.notified, -each.fired, -each.seconds_firing, each.name))


def _fired(alert: AlertView) -> float:
    return alert.active_at if alert.fired_at is None else alert.fired_at


def _seconds(alert: AlertView, start: float, end: float) -> float:
    until = end if alert.ended_at is None else min(alert.ended_at, end)
    return max(until - max(_fired(alert), start), 0.0)
