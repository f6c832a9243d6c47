"""Who is told of which alert: the tree of routes, with inhibition and time intervals, read from Alertmanager's own format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from alerts.delivery.intervals import TimeInterval
from alerts.delivery.matchers import Labels, Matcher, all_match


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One node of the tree. What a route does not say, it has from the one above; intervals it does not inherit."""

    key: str
    """Its matchers and those above, and its receiver: what a group on disk knows its route by."""
    receiver: str
    matchers: tuple[Matcher, ...] = ()
    group_by: frozenset[str] = frozenset()
    group_by_all: bool = False
    group_wait_seconds: float = 30.0
    group_interval_seconds: float = 300.0
    repeat_interval_seconds: float = 4 * 3600.0
    goes_on: bool = False
    """`continue`: the routes beside it are looked at, too."""
    mute: tuple[str, ...] = ()
    active: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()

    def matching(self, labels: Labels) -> list[Route]:
        """The routes that an alert takes; empty where not even this one matches."""
        if not all_match(self.matchers, labels):
            return []
        found: list[Route] = []
        for route in self.routes:
            taken = route.matching(labels)
            found += taken
            if taken and not route.goes_on:
                break
        return found or [self]

    def grouped(self, labels: Labels) -> tuple[tuple[str, str], ...]:
        """The labels by which alerts on this route stand in one message."""
        return tuple(sorted((name, value) for name, value in labels.items() if self.group_by_all or name in self.group_by))

    def walk(self) -> Iterator[Route]:
        """This one and all below it."""
        yield self
        for route in self.routes:
            yield from route.walk()


@dataclass(frozen=True, slots=True, kw_only=True)
class InhibitRule:
    """What a source is the cause of is not told while the source fires."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...] = ()

    def equals(self, labels: Labels) -> tuple[str, ...]:
        """The values that source and target must share."""
        return tuple(labels.get(name, "") for name in self.equal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """The whole of a routing file."""

    root: Route
    inhibit_rules: tuple[InhibitRule, ...] = ()
    intervals: Mapping[str, tuple[TimeInterval, ...]] = field(default_factory=dict)

    def is_mute(self, route: Route, at: float) -> bool:
        """Whether messages of a route wait for another time of the day or the week."""
        return self._holds(route.mute, at) or (bool(route.active) and not self._holds(route.active, at))

    @property
    def receivers(self) -> frozenset[str]:
        """Every receiver that a route names."""
        return frozenset(route.receiver for route in self.root.walk())

    def _holds(self, names: tuple[str, ...], at: float) -> bool:
        return any(interval.holds(at) for name in names for interval in self.intervals[name])
