"""Schedules as absolute times: each span of the clock on the wall becomes one interval of UTC, in advance.

A span begins at the first moment at which the clock shows its start or more, and ends after the last moment at which the clock
shows less than its end. So an hour that comes twice is in it twice, an hour that is skipped not at all, and where summer time
begins or ends within a span, it stays one piece.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from power.policies.when import Schedule, Span

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_SECONDS = 86_400.0
# How far ahead a timetable is made; a day less, and the next one is.
_AHEAD_SECONDS = 9 * _DAY_SECONDS
# Clocks were never put forward or back by more than a day (Samoa, 2011).
_MARGIN = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Timetable:
    """Intervals in which a schedule holds, in order and apart, known between two moments."""

    known_from: float
    known_until: float
    starts: tuple[float, ...]
    ends: tuple[float, ...]

    def knows(self, at: float) -> bool:
        """Whether it tells of a moment and of the day after it."""
        return self.known_from <= at < self.known_until - _DAY_SECONDS

    def holds(self, at: float) -> bool:
        """Whether the schedule holds at a moment. An interval has its start and not its end."""
        place = bisect_right(self.starts, at) - 1
        return place >= 0 and at < self.ends[place]

    def next_edge(self, at: float) -> float:
        """When it begins or ends to hold next; infinite where that is not known."""
        coming = self.ends if self.holds(at) else self.starts
        place = bisect_right(coming, at)
        return coming[place] if place < len(coming) and coming[place] < self.known_until else float("inf")


def timetable(schedule: Schedule, timezone: str, at: float) -> Timetable:
    """The timetable of a schedule round a moment; `timezone` is the site's, for schedules that name none."""
    start, end = at - _DAY_SECONDS, at + _AHEAD_SECONDS
    intervals = expand(schedule.spans, zone_of(schedule.timezone or timezone), start, end)
    return Timetable(start, end, tuple(first for first, _ in intervals), tuple(last for _, last in intervals))


def expand(spans: Iterable[Span], zone: ZoneInfo, start: float, end: float) -> list[tuple[float, float]]:
    """The intervals of Unix time, touching [start, end), in which any of the spans holds; merged, in order."""
    merged: list[tuple[float, float]] = []
    for first, last in sorted(_intervals(spans, zone, start, end)):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        elif last > first:
            merged.append((first, last))
    return [(first, last) for first, last in merged if last > start and first < end]


def zone_of(name: str) -> ZoneInfo:
    """A time zone. Raises `ValueError` where the machine knows none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as err:
        raise ValueError(f"{name!r} is no time zone that this machine knows; expected a name such as Europe/Berlin") from err


def first_at(wall: datetime, zone: ZoneInfo) -> float:
    """The first moment at which the clock shows `wall` or more."""
    early, late = _folds(wall, zone)
    return early if early <= late else _transition(late, early, zone)


def last_before(wall: datetime, zone: ZoneInfo) -> float:
    """The moment after which the clock never shows less than `wall` again."""
    early, late = _folds(wall, zone)
    return late if early <= late else _transition(late, early, zone)


def _intervals(spans: Iterable[Span], zone: ZoneInfo, start: float, end: float) -> Iterator[tuple[float, float]]:
    day = (datetime.fromtimestamp(start, zone) - _MARGIN).date()
    last = (datetime.fromtimestamp(end, zone) + _MARGIN).date()
    chosen = [(span, _minute(span.start), _minute(span.end)) for span in spans]
    while day <= last:
        for span, begins, ends in chosen:
            if _is_on(span, day):
                until = ends if ends > begins else ends + 24 * 60
                yield first_at(_wall(day, begins), zone), last_before(_wall(day, until), zone)
        day += timedelta(days=1)


def _is_on(span: Span, day: date) -> bool:
    return (
        (not span.days or _DAYS[day.weekday()] in span.days)
        and (not span.dates or day in span.dates)
        and (span.first_date is None or day >= span.first_date)
        and (span.last_date is None or day <= span.last_date)
    )


def _minute(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)


def _wall(day: date, minute: int) -> datetime:
    return datetime.combine(day, time()) + timedelta(minutes=minute)


def _folds(wall: datetime, zone: ZoneInfo) -> tuple[float, float]:
    """Both readings of a time on the wall (PEP 495): apart where the clock is put back, crossed where it is put forward."""
    early, late = (wall.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1))
    return early, late


def _transition(low: float, high: float, zone: ZoneInfo) -> float:
    """The second between two moments at which the clock was put forward. It shows less before it than after."""
    before, first, last = _offset(low - 1, zone), int(low) - 1, int(high)
    while last - first > 1:
        middle = (first + last) // 2
        if _offset(middle, zone) == before:
            first = middle
        else:
            last = middle
    return float(last)


def _offset(at: float, zone: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(at, UTC).astimezone(zone).utcoffset()
