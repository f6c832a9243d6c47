"""What is known of groups and their rules while they are evaluated, and what an evaluation makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from alerts.evaluation import documents
from alerts.evaluation.rules import AlertRule, FindingRule, Group, Rule
from alerts.evaluation.states import Origin, step
from alerts.memory import Change
from alerts.model import Alert, Notice, Raised
from wattstat.promql.raw import STALE

SETTLE_SECONDS = 60.0
"""So long after a start, or two intervals, what was active stays so though it is not found: scrapes begin anew, too."""


@dataclass(slots=True, kw_only=True)
class Followed:
    """One rule, and what is known of it."""

    rule: Rule
    active: Mapping[str, Alert] = field(default_factory=dict)
    saved: Mapping[str, Alert] = field(default_factory=dict)
    """What of it is on disk."""
    restored: frozenset[str] = frozenset()
    """Alerts of the last process that were not found yet."""
    left: Sequence[tuple[Mapping[str, str], float]] = ()
    """What the last process wrote of them into history, until an evaluation here has said what goes on."""
    error: str = ""
    evaluated_at: float | None = None
    seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class GroupState:
    """One group, and what is known of it."""

    group: Group
    rules: tuple[Followed, ...]
    evaluated_at: float | None = None
    seconds: float = 0.0
    missed: int = 0
    before: float | None = None
    """When the last process evaluated it last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advanced:
    """What an evaluation made of a rule's alerts."""

    active: Mapping[str, Alert]
    ended: tuple[Alert, ...]
    began: tuple[Alert, ...]
    """What fires since this moment."""
    series: Sequence[tuple[Mapping[str, str], float]]
    """What history is told of it."""


def advanced(
    rule: AlertRule | FindingRule,
    group: str,
    before: Mapping[str, Alert],
    raised: Mapping[str, Raised],
    at: float,
    *,
    held: frozenset[str],
    is_blind: bool = False,
) -> Advanced:
    """The alerts of a rule after an evaluation."""
    origin = (
        Origin(group=group, expression=rule.expression)
        if isinstance(rule, AlertRule)
        else Origin(group=group, source="finding")
    )
    done = step(before, raised, rule.conditions, at, origin=origin, held=held, is_blind=is_blind)
    began = tuple(
        alert
        for key, alert in done.active.items()
        if alert.fired_at == at and (key not in before or before[key].state == "pending")
    )
    return Advanced(active=done.active, ended=done.ended, began=began, series=documents.series(done.active.values()))


def resumed(state: GroupState, followed: Followed, raised: Mapping[str, Raised], at: float, started_at: float) -> None:
    """Alerts of the last process: the time in which nobody looked does not count towards `for`, as in Prometheus."""
    interval = state.group.interval_seconds
    found = followed.restored & raised.keys()
    down = 0.0 if state.before is None else max(at - state.before - interval, 0.0)
    active = dict(followed.active)
    for key in found:
        if active[key].state == "pending":
            active[key] = replace(active[key], active_at=round(active[key].active_at + down, 3))
    settled = at - started_at >= max(SETTLE_SECONDS, 2 * interval)
    followed.active = active
    followed.restored = frozenset() if settled else followed.restored - found


def ended_series(
    left: Sequence[tuple[Mapping[str, str], float]], now: Sequence[tuple[Mapping[str, str], float]]
) -> list[tuple[Mapping[str, str], float]]:
    """The ends of series of the last process that do not go on; nobody else would know of them."""
    there = {tuple(sorted(labels.items())) for labels, _ in now}
    return [(labels, STALE) for labels, _ in left if tuple(sorted(labels.items())) not in there]


def changes(followed: Followed) -> list[Change]:
    """What is not on disk as it is."""
    saved, active = followed.saved, followed.active
    if saved is active:
        return []
    changed = [
        Change(rule=followed.rule.key, now=alert, before=saved.get(key))
        for key, alert in active.items()
        if key not in saved or _moved(saved[key], alert)
    ]
    return [*changed, *(Change(rule=followed.rule.key, now=None, before=saved[key]) for key in saved.keys() - active.keys())]


def _moved(one: Alert, other: Alert) -> bool:
    """Values and texts are made anew by every evaluation; the rest must survive."""
    return (one.state, one.active_at, one.fired_at, one.keep_firing_since, one.unconfirmed_since) != (
        other.state, other.active_at, other.fired_at, other.keep_firing_since, other.unconfirmed_since,
    )  # fmt: skip


def notice(alert: Alert, public_url: str, *, ended_at: float | None = None) -> Notice:
    """What delivery is told of an alert."""
    return Notice(
        labels=alert.labels,
        annotations=alert.annotations,
        starts_at=alert.active_at if alert.fired_at is None else alert.fired_at,
        ends_at=ended_at,
        value=alert.value,
        generator_url=f"{public_url.rstrip('/')}/alerts?alert={alert.fingerprint}",
        active_at=alert.active_at,
        keep_firing_since=alert.keep_firing_since,
        unconfirmed_since=alert.unconfirmed_since,
    )
