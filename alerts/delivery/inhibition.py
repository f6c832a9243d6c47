"""Which alerts are kept quiet because their cause fires: Alertmanager's rules, looked up by the labels that must be equal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from alerts.delivery.matchers import Labels, all_match
from alerts.delivery.routing import InhibitRule


@dataclass(frozen=True, slots=True)
class _Source:
    """A firing alert on the source's side of a rule, and whether it stands on the target's side, too."""

    fingerprint: str
    is_target: bool


class Inhibitions:
    """The firing alerts that are causes of others. An alert of both sides of a rule is kept quiet by none of that kind."""

    def __init__(self, rules: Sequence[InhibitRule]) -> None:
        self._rules = tuple(rules)
        self._sources: list[dict[tuple[str, ...], dict[str, _Source]]] = [defaultdict(dict) for _ in rules]
        self._labels: dict[str, Labels] = {}

    def add(self, fingerprint: str, labels: Labels) -> None:
        """It fires."""
        self._labels[fingerprint] = labels
        for rule, sources in zip(self._rules, self._sources, strict=True):
            if all_match(rule.source, labels):
                found = _Source(fingerprint, all_match(rule.target, labels))
                sources[rule.equals(labels)][fingerprint] = found

    def remove(self, fingerprint: str) -> None:
        """It has ended."""
        labels = self._labels.pop(fingerprint, None)
        if labels is None:
            return
        for rule, sources in zip(self._rules, self._sources, strict=True):
            place = rule.equals(labels)
            if fingerprint in sources.get(place, ()):
                del sources[place][fingerprint]
                if not sources[place]:
                    del sources[place]

    def causes(self, labels: Labels) -> tuple[str, ...]:
        """Fingerprints of the alerts that keep an alert of these labels quiet."""
        found: dict[str, None] = {}
        for rule, sources in zip(self._rules, self._sources, strict=True):
            candidates = sources.get(rule.equals(labels))
            if not candidates or not all_match(rule.target, labels):
                continue
            is_source = all_match(rule.source, labels)
            found |= dict.fromkeys(each.fingerprint for each in candidates.values() if not (is_source and each.is_target))
        return tuple(found)
