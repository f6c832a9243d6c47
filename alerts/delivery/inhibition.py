"""Which alerts are kept quiet because their cause fires: Alertmanager's rules, looked up by the labels that must be equal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from alerts.delivery.matchers import Labels, Matcher, all_match
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
        self._places: dict[str, list[tuple[int, tuple[str, ...]]]] = {}
        self._sides: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}

    def add(self, fingerprint: str, labels: Labels) -> None:
        """It fires."""
        self.remove(fingerprint)
        places = []
        for number in self._sides_of(labels)[0]:
            rule = self._rules[number]
            if all_match(rule.source, labels):
                place = rule.equals(labels)
                self._sources[number][place][fingerprint] = _Source(fingerprint, all_match(rule.target, labels))
                places.append((number, place))
        if places:
            self._places[fingerprint] = places

    def remove(self, fingerprint: str) -> None:
        """It has ended."""
        for number, place in self._places.pop(fingerprint, ()):
            sources = self._sources[number]
            del sources[place][fingerprint]
            if not sources[place]:
                del sources[place]

    def causes(self, labels: Labels) -> tuple[str, ...]:
        """Fingerprints of the alerts that keep an alert of these labels quiet."""
        found: dict[str, None] = {}
        for number in self._sides_of(labels)[1]:
            rule, sources = self._rules[number], self._sources[number]
            candidates = sources.get(rule.equals(labels)) if sources else None
            if not candidates or not all_match(rule.target, labels):
                continue
            is_source = all_match(rule.source, labels)
            found |= dict.fromkeys(each.fingerprint for each in candidates.values() if not (is_source and each.is_target))
        return tuple(found)

    def _sides_of(self, labels: Labels) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The rules of which an alert of this name may be the source, and the target: of ten thousand few have names apart."""
        name = labels.get("alertname", "")
        if (known := self._sides.get(name)) is None:
            named = {"alertname": name}
            known = self._sides[name] = (
                tuple(n for n, rule in enumerate(self._rules) if all_match(_of_name(rule.source), named)),
                tuple(n for n, rule in enumerate(self._rules) if all_match(_of_name(rule.target), named)),
            )
        return known


def _of_name(matchers: Sequence[Matcher]) -> list[Matcher]:
    return [each for each in matchers if each.name == "alertname"]
