"""What the room says about itself and about the health of devices, as metrics of the web process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from alerts.model import Alert
from wattstat.api.alerts import CATEGORIES, SEVERITIES, HealthView
from wattstat.catalogue import Metric, Sample, Samples
from wattstat.catalogue.alerting import ALERTS_ACTIVE, HEALTH_POINTS_LOST, HEALTH_SCORE
from wattstat.exposition import header, number


def of_alerts(alerts: Iterable[Alert]) -> Samples:
    """How many are active, by severity and state; 0 where there are none."""
    counted = Counter((alert.severity, alert.state) for alert in alerts)
    found = Samples()
    for severity in SEVERITIES:
        for state in ("pending", "firing"):
            found.add(ALERTS_ACTIVE, counted[severity, state], severity, state)
    return found


def of_health(devices: Iterable[HealthView]) -> Samples:
    """Every device's score, and what each category took off."""
    found = Samples()
    for device in devices:
        found.add(HEALTH_SCORE, device.score, device.kind, device.name)
        for category in CATEGORIES:
            found.add(HEALTH_POINTS_LOST, device.by_category.get(category, 0), device.kind, device.name, category)
    return found


def exposition(samples: Sequence[Sample]) -> str:
    """The samples in the Prometheus text format, families in order of name."""
    by_metric: dict[Metric, list[Sample]] = {}
    for sample in samples:
        by_metric.setdefault(sample.metric, []).append(sample)
    lines: list[str] = []
    for metric in sorted(by_metric, key=lambda metric: metric.name):
        lines.append(header(metric))
        lines += (f"{metric.series_prefix(sample.labels)}{number(sample.value)}\n" for sample in by_metric[metric])
    return "".join(lines)
