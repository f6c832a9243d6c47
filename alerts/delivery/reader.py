"""Reads routing files: Alertmanager's configuration, of which everything but the ways to send is taken."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from alerts.delivery.intervals import TimeInterval, read_interval
from alerts.delivery.matchers import Matcher, read_matchers
from alerts.delivery.routing import InhibitRule, Route, Routing
from wattstat.document import Document, InvalidDocument, Loc, Problem, dotted, parse, read

BUILT_IN = Path(__file__).parent / "routing.yml"

_TOP = {"global", "route", "inhibit_rules", "receivers", "templates", "time_intervals", "mute_time_intervals"}
_ROUTE = {
    "receiver", "group_by", "continue", "match", "match_re", "matchers", "group_wait", "group_interval", "repeat_interval",
    "mute_time_intervals", "active_time_intervals", "routes",
}  # fmt: skip
_INHIBIT = {"source_match", "source_match_re", "source_matchers", "target_match", "target_match_re", "target_matchers", "equal"}
_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_UNITS = (31_536_000.0, 604_800.0, 86_400.0, 3_600.0, 60.0, 1.0, 0.001)

Found = TypeVar("Found")


def read_routing(path: Path, zone: ZoneInfo) -> Routing:
    """The routing of a file; `zone` is what a time interval's location `Local` means.

    Raises `InvalidDocument` with all that is wrong, each with its line.
    """
    return _routing(read(path), zone)


def parse_routing(text: str, *, source: str, zone: ZoneInfo) -> Routing:
    """As `read_routing`, of a text."""
    return _routing(parse(text, source=source), zone)


def seconds(written: Any) -> float:
    """A duration as Prometheus writes it: 30s, 1h30m. Raises `ValueError`."""
    found = _DURATION.fullmatch(written) if isinstance(written, str) and written else None
    if found is None:
        raise ValueError(f"{written!r} is no duration; expected a number with a unit, such as 30s, 5m or 12h")
    return sum(int(number or 0) * unit for number, unit in zip(found.groups(), _UNITS, strict=True))


def _routing(document: Document, zone: ZoneInfo) -> Routing:
    reader = _Reader(document, zone)
    routing = reader.routing() if not document.problems else None
    if routing is None or reader.problems:
        raise InvalidDocument((*document.problems, *reader.problems))
    return routing


@dataclass
class _Reader:
    """Takes the file apart and collects what is wrong on the way."""

    document: Document
    zone: ZoneInfo
    problems: list[Problem] = field(default_factory=list)
    declared: set[str] = field(default_factory=set)
    """Receivers of the file. Ways to send in it are Alertmanager's; ours stand in the settings."""
    intervals: dict[str, tuple[TimeInterval, ...]] = field(default_factory=dict)

    def routing(self) -> Routing | None:
        data = self.document.data
        self._known((), data, _TOP)
        if not isinstance(data.get("route"), Mapping):
            self._wrong((), "has no `route`", "the tree of routes as Alertmanager's configuration has it")
            return None
        for place, each in enumerate(self._items((), data, "receivers")):
            self._receiver(("receivers", place), each)
        for name in ("time_intervals", "mute_time_intervals"):
            for place, each in enumerate(self._items((), data, name)):
                self._interval((name, place), each)
        root = self._route(("route",), data["route"], Route(key="", receiver=""))
        if root.matchers or root.mute or root.active:
            self._wrong(("route",), "the first route has matchers or time intervals", "one that takes every alert at any time")
        rules = [self._inhibit(("inhibit_rules", n), each) for n, each in enumerate(self._items((), data, "inhibit_rules"))]
        return Routing(root=root, inhibit_rules=tuple(rules), intervals=self.intervals)

    def _receiver(self, loc: Loc, data: Any) -> None:
        name = data.get("name") if isinstance(data, Mapping) else None
        if not isinstance(name, str) or not name:
            self._wrong(loc, "has no name", "`name: …`")
            return
        self.declared.add(name)

    def _interval(self, loc: Loc, data: Any) -> None:
        name = data.get("name") if isinstance(data, Mapping) else None
        if not isinstance(name, str):
            self._wrong(loc, "has no name", "`name: …` and `time_intervals: […]`")
            return
        found = [
            self._tried((*loc, "time_intervals", n), lambda each=each: read_interval(each, self.zone))  # type: ignore[misc]
            for n, each in enumerate(self._items(loc, data, "time_intervals"))
        ]
        self.intervals[name] = tuple(each for each in found if each is not None)

    def _route(self, loc: Loc, data: Any, above: Route) -> Route:
        if not isinstance(data, Mapping):
            self._wrong(loc, "is no route", "a mapping with `receiver`, `matchers` and the like")
            return above
        self._known(loc, data, _ROUTE)
        group_by = tuple(str(name) for name in self._items(loc, data, "group_by"))
        matchers, receiver = self._matchers(loc, data, ""), self._name(loc, data, above)
        route = replace(
            above,
            key=f"{above.key}/{{{','.join(map(str, matchers))}}}{receiver}",
            receiver=receiver,
            matchers=matchers,
            group_by=frozenset(group_by) - {"..."} if "group_by" in data else above.group_by,
            group_by_all="..." in group_by if "group_by" in data else above.group_by_all,
            group_wait_seconds=self._seconds(loc, data, "group_wait", above.group_wait_seconds),
            group_interval_seconds=self._seconds(loc, data, "group_interval", above.group_interval_seconds),
            repeat_interval_seconds=self._seconds(loc, data, "repeat_interval", above.repeat_interval_seconds),
            goes_on=data.get("continue") is True,
            mute=self._names(loc, data, "mute_time_intervals"),
            active=self._names(loc, data, "active_time_intervals"),
            routes=(),
        )
        below = [self._route((*loc, "routes", n), each, route) for n, each in enumerate(self._items(loc, data, "routes"))]
        return replace(route, routes=tuple(below))

    def _name(self, loc: Loc, data: Mapping[str, Any], above: Route) -> str:
        name = data.get("receiver", above.receiver)
        if not isinstance(name, str) or not name:
            self._wrong(loc, "names no receiver", "`receiver: …`, here or above")
            return ""
        if name not in self.declared:
            self._wrong((*loc, "receiver"), f"{name!r} is not among the file's receivers", f"an entry `- name: {name}` there")
        return name

    def _names(self, loc: Loc, data: Mapping[str, Any], member: str) -> tuple[str, ...]:
        names = tuple(str(name) for name in self._items(loc, data, member))
        for name in names:
            if name not in self.intervals:
                self._wrong((*loc, member), f"{name!r} is not among time_intervals", f"an entry `- name: {name}` there")
        return tuple(name for name in names if name in self.intervals)

    def _seconds(self, loc: Loc, data: Mapping[str, Any], member: str, otherwise: float) -> float:
        if member not in data:
            return otherwise
        found = self._tried((*loc, member), lambda: seconds(data[member]))
        if found == 0 and member != "group_wait":
            self._wrong((*loc, member), "is zero", "more than that")
        return otherwise if found is None else found

    def _inhibit(self, loc: Loc, data: Any) -> InhibitRule:
        if not isinstance(data, Mapping):
            self._wrong(loc, "is no rule", "`source_matchers`, `target_matchers` and `equal`")
            return InhibitRule(source=(), target=())
        self._known(loc, data, _INHIBIT)
        return InhibitRule(
            source=self._matchers(loc, data, "source_"),
            target=self._matchers(loc, data, "target_"),
            equal=tuple(str(name) for name in self._items(loc, data, "equal")),
        )

    def _matchers(self, loc: Loc, data: Mapping[str, Any], prefix: str) -> tuple[Matcher, ...]:
        """Those of `matchers`, and of the older `match` and `match_re`."""
        found: list[Matcher] = []
        for place, text in enumerate(self._items(loc, data, f"{prefix}matchers")):
            found += self._tried((*loc, f"{prefix}matchers", place), lambda text=text: read_matchers(str(text))) or ()  # type: ignore[misc]
        for member, op in ((f"{prefix}match", "="), (f"{prefix}match_re", "=~")):
            given = data.get(member) or {}
            if not isinstance(given, Mapping):
                self._wrong((*loc, member), "is no mapping", "labels and their values")
                continue
            for name, value in given.items():
                text = str(Matcher(str(name), "=" if op == "=" else "=~", str(value)))
                found += self._tried((*loc, member, name), lambda text=text: read_matchers(text)) or ()  # type: ignore[misc]
        return tuple(found)

    def _items(self, loc: Loc, data: Mapping[str, Any], member: str) -> list[Any]:
        found = data.get(member)
        if found is None:
            return []
        if not isinstance(found, list):
            self._wrong((*loc, member), "is no list", "entries that begin with `-`")
            return []
        return found

    def _known(self, loc: Loc, data: Mapping[str, Any], known: set[str]) -> None:
        for name in data:
            if name not in known:
                self._wrong((*loc, name), "is not known here", f"one of {', '.join(sorted(known))}")

    def _tried(self, loc: Loc, read_it: Callable[[], Found]) -> Found | None:
        try:
            return read_it()
        except ValueError as err:
            what, _, expected = str(err).partition("; expected ")
            self._wrong(loc, what, expected)
            return None

    def _wrong(self, loc: Loc, what: str, expected: str) -> None:
        self.problems.append(
            Problem(place=self.document.place(loc), setting=dotted(loc, self.document.data), what=what, expected=expected)
        )
