"""What the room says about itself, as metrics of the web process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from alerts.alone import PARTS
from alerts.delivery.delivery import DeliveryStatus
from alerts.evaluation.engine import Engine
from alerts.model import Alert
from wattstat.api.alerts import SEVERITIES, SilenceView
from wattstat.catalogue import Metric, Sample, Samples
from wattstat.catalogue.alerting import (
    ALERT_GROUP_DURATION_SECONDS,
    ALERT_GROUP_INTERVAL_SECONDS,
    ALERT_GROUP_LAST_TIMESTAMP_SECONDS,
    ALERT_HEARTBEAT_TIMESTAMP_SECONDS,
    ALERT_MESSAGES_TOTAL,
    ALERT_PART_ERRORS_TOTAL,
    ALERT_QUEUE_MESSAGES,
    ALERT_QUEUE_OLDEST_SECONDS,
    ALERT_RULE_ERRORS_TOTAL,
    ALERT_SILENCES,
    ALERTS_ACTIVE,
    ALERTS_FIRED_TOTAL,
)
from wattstat.exposition import header, number

OF_WHAT_MAY_GO: tuple[Metric, ...] = (
    ALERT_GROUP_DURATION_SECONDS,
    ALERT_GROUP_INTERVAL_SECONDS,
    ALERT_GROUP_LAST_TIMESTAMP_SECONDS,
    ALERT_QUEUE_MESSAGES,
    ALERT_QUEUE_OLDEST_SECONDS,
    ALERT_HEARTBEAT_TIMESTAMP_SECONDS,
)
"""Of groups and receivers, which other settings may take away."""


def samples(
    *, alerts: Iterable[Alert], engine: Engine, delivery: DeliveryStatus, silences: Iterable[SilenceView] | None, now: float
) -> Samples:
    """Everything but health. Counters begin with the process; 0 stands where nothing was counted yet.

    `silences`: None where they are not known.
    """
    found = Samples()
    counted = Counter((alert.severity, alert.state) for alert in alerts)
    for severity in SEVERITIES:
        found.add(ALERTS_FIRED_TOTAL, engine.fired.get(severity, 0), severity)
        for state in ("pending", "firing"):
            found.add(ALERTS_ACTIVE, counted[severity, state], severity, state)
    if silences is not None:
        quiet = Counter(silence.state for silence in silences)
        for told in ("active", "pending"):
            found.add(ALERT_SILENCES, quiet[told], told)
    _add_groups(found, engine)
    _add_delivery(found, delivery, now)
    for part in PARTS:
        found.add(ALERT_PART_ERRORS_TOTAL, engine.alone.failures[part], part)
    return found


def _add_groups(found: Samples, engine: Engine) -> None:
    for state in engine.groups:
        name = state.group.name
        found.add(ALERT_GROUP_INTERVAL_SECONDS, state.group.interval_seconds, name)
        found.add(ALERT_GROUP_LAST_TIMESTAMP_SECONDS, state.evaluated_at, name)
        if state.evaluated_at is not None:
            found.add(ALERT_GROUP_DURATION_SECONDS, state.seconds, name)
        for followed in state.rules:
            rule = followed.rule.name
            found.add(ALERT_RULE_ERRORS_TOTAL, engine.errors.get((name, rule), 0), name, rule)


def _add_delivery(found: Samples, delivery: DeliveryStatus, now: float) -> None:
    for receiver, waiting in delivery.queue.items():
        since = delivery.oldest.get(receiver)
        found.add(ALERT_QUEUE_MESSAGES, waiting, receiver)
        found.add(ALERT_QUEUE_OLDEST_SECONDS, 0.0 if since is None else now - since, receiver)
        for outcome, counted in (("sent", delivery.sent), ("failed", delivery.failed), ("dropped", delivery.dropped)):
            found.add(ALERT_MESSAGES_TOTAL, counted.get(receiver, 0), receiver, outcome)
    found.add(ALERT_HEARTBEAT_TIMESTAMP_SECONDS, delivery.heartbeat_at)


def exposition(found: Sequence[Sample]) -> str:
    """The samples in the Prometheus text format, families in order of name."""
    by_metric: dict[Metric, list[Sample]] = {}
    for sample in found:
        by_metric.setdefault(sample.metric, []).append(sample)
    lines: list[str] = []
    for metric in sorted(by_metric, key=lambda metric: metric.name):
        lines.append(header(metric))
        lines += (f"{metric.series_prefix(sample.labels)}{number(sample.value)}\n" for sample in by_metric[metric])
    return "".join(lines)
