"""Alerts grouped by what causes them: what one fault brings about stands below it, and what is alike is one line. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dashboard import alertwords
from wattstat.api.alerts import AlertView

LEAST_ALIKE = 3
"""So many of one rule at one place are one line."""
MOST_PLACES = 6
"""One rule at more places than these is a matter of the site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One line of the list: an alert, or several of one rule at one place (`place` says where), and what they keep quiet.

    `beside` is what else the rules say of the same part of the same device: one GPU that falls off its bus is one trouble.
    """

    alerts: tuple[AlertView, ...]
    effects: tuple[AlertView, ...] = ()
    beside: tuple[AlertView, ...] = ()
    place: str = ""

    @property
    def lead(self) -> AlertView:
        """The worst and oldest of them."""
        return self.alerts[0]

    def __contains__(self, fingerprint: str) -> bool:
        return any(alert.fingerprint == fingerprint for alert in (*self.alerts, *self.beside, *self.effects))


def causes(alerts: Iterable[AlertView], racks: Mapping[str, str]) -> list[Cause]:
    """All of them, worst first. `racks` says in which rack a server stands."""
    listed = sorted(alerts, key=_order)
    known = {alert.fingerprint: alert for alert in listed}
    effects: defaultdict[str, list[AlertView]] = defaultdict(list)
    roots = []
    for alert in listed:
        root = _root(alert, known)
        if root == alert.fingerprint:
            roots.append(alert)
        else:
            effects[root].append(alert)
    beside = _beside(roots)
    second = {alert.fingerprint for others in beside.values() for alert in others}
    found = []
    for place, members in _alike([alert for alert in roots if alert.fingerprint not in second], racks):
        others = [other for member in members for other in beside.get(member.fingerprint, ())]
        quiet = [effect for member in (*members, *others) for effect in effects[member.fingerprint]]
        found.append(Cause(alerts=tuple(members), effects=tuple(quiet), beside=tuple(others), place=place))
    return sorted(found, key=lambda cause: _order(cause.lead))


def _beside(roots: Iterable[AlertView]) -> dict[str, list[AlertView]]:
    """By the first alert of a part of a device (roots are in order), what else is said of that part."""
    first: dict[tuple[str, str, str, bool], str] = {}
    found: dict[str, list[AlertView]] = {}
    for alert in roots:
        if alert.part:
            key = (alert.subject, alert.part, alert.state, alertwords.is_quiet(alert))
            if first.setdefault(key, alert.fingerprint) != alert.fingerprint:
                found.setdefault(first[key], []).append(alert)
    return found


def _order(alert: AlertView) -> tuple[int, int, float]:
    began = alert.active_at if alert.fired_at is None else alert.fired_at
    return alert.state == "pending", alertwords.rank(alert.severity), began


def _root(alert: AlertView, known: Mapping[str, AlertView]) -> str:
    """The cause of its causes; two alerts that name each other are each their own."""
    seen = {alert.fingerprint}
    at = alert
    while True:
        above = next((known[cause] for cause in at.inhibited_by if cause in known), None)
        if above is None:
            return at.fingerprint
        if above.fingerprint in seen:
            return alert.fingerprint
        seen.add(above.fingerprint)
        at = above


def _alike(roots: Sequence[AlertView], racks: Mapping[str, str]) -> list[tuple[str, list[AlertView]]]:
    """Alerts of one rule at one place together where they are several; each by itself otherwise, with no place."""
    by_rule: defaultdict[tuple[str, str, str, bool], defaultdict[str, list[AlertView]]]
    by_rule = defaultdict(lambda: defaultdict(list))
    for alert in roots:
        by_rule[alert.name, alert.severity, alert.state, alertwords.is_quiet(alert)][_place(alert, racks)].append(alert)
    found: list[tuple[str, list[AlertView]]] = []
    for by_place in by_rule.values():
        if len(by_place) > MOST_PLACES:
            found.append(("site", sorted((alert for members in by_place.values() for alert in members), key=_order)))
            continue
        for place, members in by_place.items():
            if len(members) >= LEAST_ALIKE:
                found.append((place or "site", members))
            else:
                found += [("", [alert]) for alert in members]
    return found


def _place(alert: AlertView, racks: Mapping[str, str]) -> str:
    """Where it is, as far as a common cause may stand there: the rack of a server, or a switch or cluster itself."""
    kind, name = alertwords.name_of(alert.subject)
    if kind == "node":
        rack = alert.labels.get("rack") or racks.get(name, "")
        return f"rack {rack}" if rack else ""
    return alert.subject if kind in {"switch", "storage", "pdu", "rack"} else ""
