"""What `wattstat alerts check` says of rules that can be evaluated and may yet never fire, or never reach anybody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from wattstat.explain import nearest

if TYPE_CHECKING:
    from alerts.evaluation.rules import Group

SEVERITIES = ("critical", "warning", "info", "none")
"""What routes and pages know; `none` is the Watchdog's."""

_OF_PROMETHEUS = frozenset({"up", "ALERTS", "ALERTS_FOR_STATE"})
_WITH_SETTINGS = ("DCGM_FI_", "scrape_")
"""Names that are there with `dcgm_names`, or with every scrape."""


def warnings(groups: Sequence[Group]) -> Iterator[str]:
    """One line for each metric that nobody records and each severity that nobody knows."""
    from alerts.evaluation.rules import AlertRule, RecordingRule
    from wattstat.catalogue import ALL

    recorded = {rule.name for group in groups for rule in group.rules if isinstance(rule, RecordingRule)}
    known = _OF_PROMETHEUS | recorded | set(ALL)
    for group in groups:
        for rule in group.rules:
            if not isinstance(rule, AlertRule | RecordingRule):
                continue
            where = f"{group.file}: {group.name}: {rule.name}"
            for name in sorted(rule.reads or ()):
                if name not in known and not name.startswith(_WITH_SETTINGS):
                    yield f"{where}: {_unknown(name, known)}"
            text = rule.labels["severity"].source if isinstance(rule, AlertRule) and "severity" in rule.labels else ""
            if text and "{{" not in text and text not in SEVERITIES:
                meant = nearest(text, SEVERITIES)
                advice = f"; did you mean {meant}?" if meant else ""
                yield f"{where}: severity {text!r} is none that routes know; expected critical, warning or info{advice}"


def _unknown(name: str, known: frozenset[str]) -> str:
    if not name.startswith("wattstat_"):
        return f"{name} is no metric of Wattstat: the rule never fires where nothing else brings it"
    meant = nearest(name, known)
    return f"Wattstat has no metric {name}; " + (f"did you mean {meant}?" if meant else "`wattstat metrics` lists them")
