"""What delivery knows: alerts, the groups they stand in, and what still has to be said to whom. Pure: neither disk nor network.

Groups behave as Alertmanager's do (group_wait, group_interval, repeat_interval, one message for all that is new). Beyond that,
an alert that comes back after its end is always new, and one that ended before anybody could be told is told nevertheless.
Where all of a group was kept quiet, the first that may be told waits for group_wait alone; what is over but for
`keep_firing_for` is no news; and who was told of an alert is told of its end, whatever keeps it quiet by then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Protocol

from alerts.delivery.inhibition import Inhibitions
from alerts.delivery.matchers import Labels
from alerts.delivery.receivers import Destination
from alerts.delivery.routing import Route, Routing

LOOK_SECONDS = 15.0
"""How often a group is looked at of which all is kept quiet: silences, causes and quiet hours end at any time."""
FLAP_SECONDS = 60.0
"""A condition that nothing kept quiet may come and go within this, and is told: else one that flaps would never be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An alert as it was last told of. `labels` are those that receivers see: with the site's own, and the rack."""

    fingerprint: str
    own_labels: Labels
    labels: Labels
    annotations: Mapping[str, str]
    starts_at: float
    ends_at: float | None
    value: float
    generator_url: str
    first_seen: float
    last_seen: float
    active_at: float | None = None
    """Since when it holds; not on disk, and None until an evaluation has told of it."""
    keep_firing_since: float | None = None
    """Since when its condition is over; not on disk."""

    @property
    def fires(self) -> bool:
        """It has not ended."""
        return self.ends_at is None


@dataclass(slots=True, kw_only=True)
class Group:
    """Alerts that stand in one message. `told` is what its receiver has been told, or will be: it waits on disk."""

    id: str
    route: Route
    labels: tuple[tuple[str, str], ...]
    members: dict[str, None] = field(default_factory=dict)
    flush_at: float = 0.0
    told: set[str] = field(default_factory=set)
    """Fingerprints of the members that it was told fire."""
    told_at: float = 0.0
    looked_at: float = 0.0
    heard_since: float | None = None
    """Since when there is something to tell, of a group that has told nothing."""
    quiet: set[str] = field(default_factory=set)
    """Fingerprints of the members that something has kept quiet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One alert that has to be said at an address. `turn` tells it from the same alert said again later."""

    destination: Destination
    via: str
    """The receiver that the route names."""
    group: str
    fingerprint: str
    since: float
    turn: int


@dataclass(slots=True)
class Changes:
    """What differs from the disk."""

    alerts: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    waiting: dict[tuple[Destination, str, str], None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.alerts or self.groups or self.waiting)

    def merge(self, older: Changes) -> None:
        """What could not be written before has still to be."""
        self.alerts |= older.alerts
        self.groups |= older.groups
        self.waiting = older.waiting | self.waiting


class Duties(Protocol):
    """Where messages go that are routed to a receiver."""

    def now(self, receiver: str, at: float) -> Sequence[Destination]:
        """At a moment."""

    def ever(self, receiver: str) -> frozenset[Destination]:
        """At any."""


IsSilenced = Callable[[Labels, float], bool]
Tells = Callable[[Known], bool]


class Board:
    """The state at run time; the disk mirrors it by `changes`."""

    def __init__(self, routing: Routing, duties: Duties, *, holders: int = 0) -> None:
        """`holders`: so many must `release` an alert that has ended before it is forgotten."""
        self.alerts: dict[str, Known] = {}
        self.groups: dict[str, Group] = {}
        self.waiting: dict[Destination, dict[str, dict[str, Waiting]]] = {}
        self.inhibitions = Inhibitions(routing.inhibit_rules)
        self.changes = Changes()
        self._routing = routing
        self._duties = duties
        self._holders = holders
        self._turns = count(1)
        self._owed: Counter[str] = Counter()
        """By alert: groups, queued entries and holders that still need it."""

    def take(self, known: Known) -> None:
        """What an alert is now. One that nobody knew and that has ended already is nobody's matter."""
        before = self.alerts.get(known.fingerprint)
        if before is None or not before.fires:
            if known.fires:
                self._begin(known, is_new=before is None)
            return
        # Groups and causes were looked up by the labels that it came with.
        known = replace(known, labels=before.labels, first_seen=before.first_seen, starts_at=before.starts_at)
        self.alerts[known.fingerprint] = known
        if known.fires:
            return  # its words may differ: memory has them, and the next evaluation tells them again
        self.changes.alerts.add(known.fingerprint)
        if not known.fires:
            self.inhibitions.remove(known.fingerprint)

    def release(self, fingerprint: str) -> None:
        """One of the holders needs it no more."""
        self._pay(fingerprint)

    def restore(self, known: Known) -> None:
        """As it stood on disk."""
        self.alerts[known.fingerprint] = known
        self._owed[known.fingerprint] += self._holders
        if known.fires:
            self.inhibitions.add(known.fingerprint, known.labels)
        self._join(known)

    def restore_told(self, group_id: str, told: Iterable[str], told_at: float) -> None:
        """What a group's receiver has been told. A group whose route is no more is forgotten: the new one tells anew."""
        group = self.groups.get(group_id)
        if group is None:
            self.changes.groups.add(group_id)
            return
        group.told, group.told_at = {each for each in told if each in group.members}, told_at

    def restore_waiting(self, entry: Waiting) -> None:
        """What was to be said. Where its address or route is no more, the alert is told anew by the routes there are."""
        group = self.groups.get(entry.group)
        if group is not None and entry.fingerprint in self.alerts and entry.destination in self._duties.ever(entry.via):
            self._add(replace(entry, turn=next(self._turns)))
            return
        self.changes.waiting[entry.destination, entry.group, entry.fingerprint] = None
        if group is not None:
            self._forget_told(group, entry.fingerprint)

    def next_flush(self) -> float | None:
        """When the next group is due."""
        return min((group.flush_at for group in self.groups.values() if group.members), default=None)

    def due(self, now: float) -> list[Group]:
        """The groups to `flush`."""
        return [group for group in self.groups.values() if group.members and group.flush_at <= now]

    def hurry(self, now: float) -> None:
        """Whoever is told may have changed: look at every group."""
        for group in self.groups.values():
            group.flush_at = min(group.flush_at, now)

    def flush(self, group: Group, now: float, is_silenced: IsSilenced, tells: Tells) -> None:
        """Decide what of a group has to be said, and queue it. `tells`: whether of an alert that fires; of ends as of it."""
        group.flush_at = now + group.route.group_interval_seconds
        is_mute = self._routing.is_mute(group.route, now)
        members = [self.alerts[each] for each in group.members]
        heard = [each for each in members if each.fires and not (is_mute or self.quieted(each.labels, now, is_silenced))]
        group.quiet |= group.members.keys() - {each.fingerprint for each in heard}
        news = [each for each in heard if _is_told_of(group, each, now)]
        if self._waits(group, news, now) or is_mute:
            self._drop(group, [each for each in self._ended(group) if each not in group.told])
            return
        firing = {each.fingerprint for each in news if tells(each)}
        over = [each.fingerprint for each in members if not each.fires and each.fingerprint in group.told]
        said = [each for each in group.members if each in firing - group.told] + over
        if not said and firing and now - group.told_at >= group.route.repeat_interval_seconds:
            said = [each for each in group.members if each in firing]
        if said:
            self._queue(group, said, now)
            group.told |= firing
            group.told_at, group.heard_since = now, None
            self.changes.groups.add(group.id)
        self._drop(group, self._ended(group))

    def said(self, entries: Iterable[Waiting]) -> None:
        """These were said, or shall not be any more."""
        for entry in entries:
            groups = self.waiting.get(entry.destination, {})
            entries_of = groups.get(entry.group, {})
            if (found := entries_of.get(entry.fingerprint)) is not None and found.turn == entry.turn:
                del entries_of[entry.fingerprint]
                self.changes.waiting[entry.destination, entry.group, entry.fingerprint] = None
                if not entries_of:
                    del groups[entry.group]
                self._pay(entry.fingerprint)
                self._close(entry.group)

    def unsaid(self, entries: Iterable[Waiting]) -> None:
        """These are kept quiet now: not said, and new again when they may speak."""
        gone = list(entries)
        for entry in gone:
            if (group := self.groups.get(entry.group)) is not None:
                self._forget_told(group, entry.fingerprint)
        self.said(gone)

    def move(self, entries: Iterable[Waiting], now: float) -> None:
        """The duty has passed to somebody else: what was not said yet waits there."""
        for entry in list(entries):
            for address in self._duties.now(entry.via, now):
                self._add(replace(entry, destination=address, turn=next(self._turns)))
            self.said((entry,))

    def quieted(self, labels: Labels, at: float, is_silenced: IsSilenced) -> bool:
        """Whether an alert is silenced, or its cause fires."""
        return bool(self.inhibitions.causes(labels)) or is_silenced(labels, at)

    def entry(self, key: tuple[Destination, str, str]) -> Waiting | None:
        """What waits there now."""
        address, group, fingerprint = key
        return self.waiting.get(address, {}).get(group, {}).get(fingerprint)

    def _begin(self, known: Known, *, is_new: bool) -> None:
        self.alerts[known.fingerprint] = known
        self.changes.alerts.add(known.fingerprint)
        if is_new:
            self._owed[known.fingerprint] += self._holders
        self.inhibitions.add(known.fingerprint, known.labels)
        self._join(known)

    def _join(self, known: Known) -> None:
        for route in self._routing.root.matching(known.labels):
            if not self._duties.ever(route.receiver):
                continue
            labels = route.grouped(known.labels)
            group_id = f"{route.key}:{{{','.join(f'{name}={value}' for name, value in labels)}}}"
            group = self.groups.get(group_id)
            if group is None:
                group = self.groups[group_id] = Group(id=group_id, route=route, labels=labels)
            if not group.members:
                # Counted from when it was first heard of, also after a restart: what has waited then has waited enough.
                group.flush_at = known.first_seen + route.group_wait_seconds
            elif group.heard_since is None and not group.told:
                at = max(known.first_seen + route.group_wait_seconds, group.told_at + route.group_interval_seconds)
                group.flush_at = min(group.flush_at, at)
            if known.fingerprint not in group.members:
                group.members[known.fingerprint] = None
                self._owed[known.fingerprint] += 1

    def _waits(self, group: Group, news: Sequence[Known], now: float) -> bool:
        """Whether a group of which its receiver knows nothing has nothing to tell, or waits for more of it."""
        looked_at, group.looked_at = group.looked_at, now
        if group.told or now - group.told_at < group.route.group_interval_seconds:
            return False
        if not news:
            group.heard_since = None
            group.flush_at = now + min(LOOK_SECONDS, group.route.group_interval_seconds)
            return True
        if group.heard_since is None:  # what was there before was quiet then
            group.heard_since = min(each.first_seen if each.first_seen > looked_at else now for each in news)
        at = group.heard_since + group.route.group_wait_seconds
        if now < at:
            group.flush_at = at
        return now < at

    def _queue(self, group: Group, fingerprints: Iterable[str], now: float) -> None:
        via = group.route.receiver
        for address in self._duties.now(via, now):
            for each in fingerprints:
                turn = next(self._turns)
                self._add(Waiting(destination=address, via=via, group=group.id, fingerprint=each, since=now, turn=turn))

    def _ended(self, group: Group) -> list[str]:
        return [each for each in group.members if not self.alerts[each].fires]

    def _drop(self, group: Group, fingerprints: Sequence[str]) -> None:
        """They have left the group; what is still to be said of them waits by itself."""
        for fingerprint in fingerprints:
            del group.members[fingerprint]
            group.quiet.discard(fingerprint)
            self._forget_told(group, fingerprint)
            self._pay(fingerprint)
        self._close(group.id)

    def _close(self, group_id: str) -> None:
        """A group without members and without anything to say is forgotten."""
        group = self.groups.get(group_id)
        if group is not None and not group.members and not any(group_id in groups for groups in self.waiting.values()):
            del self.groups[group_id]
            self.changes.groups.add(group_id)

    def _forget_told(self, group: Group, fingerprint: str) -> None:
        if fingerprint in group.told:
            group.told.discard(fingerprint)
            self.changes.groups.add(group.id)

    def _pay(self, fingerprint: str) -> None:
        """One need less; an alert that has ended and that nobody needs is forgotten."""
        self._owed[fingerprint] -= 1
        if self._owed[fingerprint] > 0:
            return
        del self._owed[fingerprint]
        if not self.alerts[fingerprint].fires:
            del self.alerts[fingerprint]
            self.changes.alerts.add(fingerprint)

    def _add(self, entry: Waiting) -> None:
        entries = self.waiting.setdefault(entry.destination, {}).setdefault(entry.group, {})
        before = entries.get(entry.fingerprint)
        if before is None:
            self._owed[entry.fingerprint] += 1
        entries[entry.fingerprint] = entry if before is None else replace(entry, since=before.since)
        self.changes.waiting[entry.destination, entry.group, entry.fingerprint] = None


def _is_told_of(group: Group, known: Known, now: float) -> bool:
    """Whether a group's receiver is told, or was, that an alert fires: nobody hears first of a condition that is over."""
    since = known.keep_firing_since
    if since is None or known.fingerprint in group.told:
        return True
    return known.fingerprint not in group.quiet and now - since < FLAP_SECONDS
