"""Alerts and rules as Prometheus shows them: its API's documents, and its series ALERTS and ALERTS_FOR_STATE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from alerts.evaluation.rules import AlertRule, FindingRule, RecordingRule
from alerts.evaluation.templates.go_text import float_text
from alerts.model import Alert

if TYPE_CHECKING:
    from alerts.evaluation.follow import Followed, GroupState

_NEVER = "0001-01-01T00:00:00Z"


def moment(seconds: float | None) -> str:
    """A time as Go writes it into JSON."""
    if seconds is None:
        return _NEVER
    milliseconds = round(seconds * 1000)
    whole = datetime.fromtimestamp(milliseconds // 1000, tz=UTC)
    part = f".{milliseconds % 1000:03d}".rstrip("0").rstrip(".")
    return f"{whole:%Y-%m-%dT%H:%M:%S}{part}Z"


def series(alerts: Iterable[Alert]) -> list[tuple[Mapping[str, str], float]]:
    """What Prometheus writes of active alerts."""
    found: list[tuple[Mapping[str, str], float]] = []
    for each in alerts:
        found.append(({**each.labels, "__name__": "ALERTS", "alertstate": each.state}, 1.0))
        found.append(({**each.labels, "__name__": "ALERTS_FOR_STATE"}, float(int(each.active_at))))
    return found


def alert(given: Alert) -> dict[str, Any]:
    """One alert."""
    found: dict[str, Any] = {
        "labels": dict(given.labels),
        "annotations": dict(given.annotations),
        "state": given.state,
        "activeAt": moment(given.active_at),
        "value": float_text(given.value, "e", None),
    }
    if given.keep_firing_since is not None:
        found["keepFiringSince"] = moment(given.keep_firing_since)
    return found


def rule_groups(states: Sequence[GroupState]) -> list[dict[str, Any]]:
    """All groups with their rules and alerts."""
    return [
        {
            "name": state.group.name,
            "file": state.group.file,
            "rules": [_rule(followed) for followed in state.rules],
            "interval": _number(state.group.interval_seconds),
            "limit": state.group.limit,
            "evaluationTime": state.seconds,
            "lastEvaluation": moment(state.evaluated_at),
        }
        for state in states
    ]


def _rule(followed: Followed) -> dict[str, Any]:
    rule = followed.rule
    about: dict[str, Any] = {
        "health": "err" if followed.error else "unknown" if followed.evaluated_at is None else "ok",
        **({"lastError": followed.error} if followed.error else {}),
        "evaluationTime": followed.seconds,
        "lastEvaluation": moment(followed.evaluated_at),
    }
    if isinstance(rule, RecordingRule):
        labels = {"labels": dict(rule.labels)} if rule.labels else {}
        return {"name": rule.name, "query": rule.expression, **labels, **about, "type": "recording"}
    states = {each.state for each in followed.active.values()}
    return {
        "state": "firing" if "firing" in states else "pending" if states else "inactive",
        "name": rule.name,
        "query": rule.expression if isinstance(rule, AlertRule) else "",
        "duration": _number(rule.conditions.for_seconds),
        "keepFiringFor": _number(rule.conditions.keep_firing_seconds),
        **_words(rule),
        "alerts": [alert(each) for each in followed.active.values()],
        **about,
        "type": "alerting",
    }


def _words(rule: AlertRule | FindingRule) -> dict[str, Any]:
    if isinstance(rule, FindingRule):
        return {"labels": {}, "annotations": {"summary": rule.finder.summary}}
    return {
        "labels": {name: template.source for name, template in rule.labels.items()},
        "annotations": {name: template.source for name, template in rule.annotations.items()},
    }


def _number(value: float) -> float | int:
    return int(value) if value == int(value) else value
