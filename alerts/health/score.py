"""Each device's health from what fires about it. Pure: the same alerts and inventory always give the same scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from alerts.health.places import SITE, Device, Places
from alerts.health.points import POINTS, category_of, taken
from alerts.model import Alert
from wattstat.api.alerts import CATEGORIES, SEVERITIES, Category, Deduction, HealthView
from wattstat.catalogue.alerting import HEALTH_POINTS_LOST, HEALTH_SCORE
from wattstat.catalogue.metric import Samples
from wattstat.inventory import Inventory


def scores(active: Iterable[Alert], inventory: Inventory) -> list[HealthView]:
    """A score for every device of the inventory and for the site, worst first, then by kind and name.

    Only what fires takes points: what is pending may yet be nothing. A silence keeps people quiet and heals nothing. A device
    that fires and is in no inventory has a score, too.
    """
    places = Places(inventory)
    found: dict[Device, list[Alert]] = defaultdict(list)
    for alert in active:
        if alert.state == "firing" and alert.severity in POINTS:
            found[places.of(alert.labels)].append(alert)
    devices = dict.fromkeys([*places.devices, *found])
    views = [_view(device, found.get(device, []), inventory.site.name) for device in devices]
    order = {device: place for place, device in enumerate(devices)}
    return sorted(views, key=lambda view: (view.score, order[SITE if view.kind == "site" else (view.kind, view.name)]))


def _view(device: Device, alerts: Sequence[Alert], site: str) -> HealthView:
    deductions = [each for category in CATEGORIES for each in _deductions(category, alerts)]
    lost = {category: sum(each.points for each in deductions if each.category == category) for category in CATEGORIES}
    return HealthView(
        kind=device[0],
        name=site if device == SITE else device[1],
        score=max(0, 100 - sum(lost.values())),
        by_category=lost,
        deductions=tuple(sorted(deductions, key=lambda each: (-each.points, each.since))),
    )


def _deductions(category: Category, alerts: Sequence[Alert]) -> list[Deduction]:
    mine = [alert for alert in alerts if category_of(alert) == category]
    mine.sort(key=lambda alert: (SEVERITIES.index(alert.severity), alert.active_at, alert.fingerprint))
    points = taken([alert.severity for alert in mine])
    return [_deduction(alert, category, share) for alert, share in zip(mine, points, strict=True)]


def _deduction(alert: Alert, category: Category, points: int) -> Deduction:
    return Deduction(
        fingerprint=alert.fingerprint,
        name=alert.name,
        severity=alert.severity,
        category=category,
        points=points,
        what=alert.annotations.get("description") or alert.annotations.get("summary", ""),
        since=alert.active_at,
    )


def samples(views: Iterable[HealthView]) -> Samples:
    """The scores as metrics. What nothing was taken from says so with zeros: whoever draws it over time sees when it began."""
    out = Samples()
    for view in views:
        out.add(HEALTH_SCORE, view.score, view.kind, view.name)
        for category, points in view.by_category.items():
            out.add(HEALTH_POINTS_LOST, points, view.kind, view.name, category)
    return out
