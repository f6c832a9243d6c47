"""All rules and findings over a recorded history, moment by moment: which alerts fired, from when until when."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from alerts.evaluation.loader import load_rules, shipped_rules
from alerts.evaluation.rules import AlertRule
from alerts.evaluation.states import Origin, step
from alerts.model import Alert, Conditions, Finder, Raised, fingerprint
from wattstat.store.protocol import Series, Store

STEP_SECONDS = 60.0
CHUNK_SECONDS = 6 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """An alert that fired. `for_seconds` is how long it had to hold first."""

    name: str
    severity: str
    labels: Mapping[str, str]
    at: float
    until: float | None
    for_seconds: float
    every_seconds: float


class Follow:
    """The state of one rule's alerts."""

    def __init__(self, name: str, conditions: Conditions, every_seconds: float) -> None:
        self._origin = Origin(group=name)
        self._conditions, self._every = conditions, every_seconds
        self._active: Mapping[str, Alert] = {}
        self._ended: list[tuple[Alert, float]] = []

    def see(self, raised: Iterable[Raised], at: float) -> None:
        """One evaluation."""
        found = {fingerprint(each.labels): each for each in raised}
        if not found and not self._active:
            return
        done = step(self._active, found, self._conditions, at, origin=self._origin)
        self._active = done.active
        self._ended += [(alert, at) for alert in done.ended]

    def fired(self) -> list[Fired]:
        """Everything that fired."""
        still = [(alert, None) for alert in self._active.values() if alert.state == "firing"]
        return [self._told(alert, until) for alert, until in [*self._ended, *still]]

    def _told(self, alert: Alert, until: float | None) -> Fired:
        return Fired(
            name=alert.name,
            severity=alert.severity,
            labels=alert.labels,
            at=alert.active_at if alert.fired_at is None else alert.fired_at,
            until=until,
            for_seconds=self._conditions.for_seconds,
            every_seconds=self._every,
        )


async def watch(store: Store, finders: Sequence[Finder], start: float, end: float) -> list[Fired]:
    """Rules at every minute, findings as often as they want to be asked."""
    fired: list[Fired] = []
    for group in load_rules(shipped_rules()):
        for rule in group.rules:
            if isinstance(rule, AlertRule) and rule.labels.get("severity") is not None:
                fired += await _rule(store, rule, start, end)
    found = await asyncio.gather(*(_finder(finder, start, end) for finder in finders))
    return [each for each in [*fired, *(one for many in found for one in many)] if each.severity != "none"]


async def _rule(store: Store, rule: AlertRule, start: float, end: float) -> list[Fired]:
    """An instant evaluation at each step is what a range query is."""
    follow = Follow(rule.name, rule.conditions, STEP_SECONDS)
    labels = {name: template.source for name, template in rule.labels.items()}
    begin = start
    while begin <= end:
        until = min(begin + CHUNK_SECONDS - STEP_SECONDS, end)
        answer = await store.query_range(rule.expression, begin, until, STEP_SECONDS)
        at: dict[float, list[Raised]] = {}
        for series in answer.series:
            _spread(series, rule.name, labels, at)
        moment = begin
        while moment <= until:
            follow.see(at.get(moment, ()), moment)
            moment += STEP_SECONDS
        begin = until + STEP_SECONDS
    return follow.fired()


def _spread(series: Series, name: str, more: Mapping[str, str], at: dict[float, list[Raised]]) -> None:
    plain = {label: value for label, value in series.labels.items() if label != "__name__"}
    labels = {**plain, **more, "alertname": name}
    for moment, value in zip(series.times, series.values, strict=True):
        at.setdefault(float(moment), []).append(Raised(labels=labels, annotations={}, value=float(value)))


async def _finder(finder: Finder, start: float, end: float) -> list[Fired]:
    follow = Follow(finder.name, finder.conditions, finder.every_seconds)
    every = max(finder.every_seconds, STEP_SECONDS)
    moment = start
    while moment <= end:
        follow.see(await finder.look(moment), moment)
        moment += every
    return follow.fired()
