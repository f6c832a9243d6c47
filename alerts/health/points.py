"""How many points an alert takes. docs/health.md is made of these numbers: change both, and say why."""

from __future__ import annotations

from collections.abc import Mapping

from alerts.model import Alert
from wattstat.api.alerts import CATEGORIES, Category

POINTS: Mapping[str, int] = {"critical": 40, "warning": 15, "info": 3}
"""By severity. A critical alert alone puts a device below 70, warnings of three categories below 60. Watchdogs take none."""

CATEGORY_MOST = 60
"""What one category can take: a device that is broken in one way is not at zero, and one that is broken in two is."""

BY_COMPONENT: Mapping[str, Category] = {
    "security": "security",
    "collectors": "configuration",
    "energy": "configuration",
    "scheduler": "performance",
}
"""Where a rule names no category (a site's own rules): by its component; all others are of components."""


def category_of(alert: Alert) -> Category:
    """The category that the rule names, if there is such a one."""
    named = alert.labels.get("category", "")
    found = next((each for each in CATEGORIES if each == named), None)
    return found or BY_COMPONENT.get(alert.labels.get("component", ""), "components")


def taken(severities: list[str]) -> list[int]:
    """Points for alerts of one category and device, worst first.

    The first takes its points whole, each further one half of what it would have taken in the place before: eight GPUs with one
    trouble are worse than one, but not eight times.
    """
    found: list[int] = []
    left = CATEGORY_MOST
    for place, severity in enumerate(severities):
        points = min(POINTS.get(severity, 0) >> place, left)
        left -= points
        found.append(points)
    return found
