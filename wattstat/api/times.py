"""Moments and spans as people and scripts write them; one understanding for the API, the command line and the dashboard.

A date, a month or a year stands for its beginning in the site's time zone, so that spans join without a gap or an overlap:
`from=2026-11-01&to=2026-12-01` is November, and so is `month=2026-11`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

EXPECTED = (
    "RFC 3339 (2026-11-23T08:00:00Z), a date (2026-11-23), a month (2026-11), Unix seconds, "
    "now, now-7d (units s m h d w M y), today, yesterday, this-month or last-month"
)

_NUMBER = re.compile(r"\d{1,12}(\.\d+)?")
_CALENDAR = re.compile(r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2}))?)?")
_RELATIVE = re.compile(r"now(?:\s*(?P<sign>[+-])\s*(?P<count>\d{1,6})(?P<unit>[smhdwMy]))?")
# A plus sign that somebody forgot to escape in an address arrives as a blank.
_LOST_PLUS = re.compile(r"(?<=:\d\d) (?=\d\d:\d\d$)|(?<=\.\d\d\d) (?=\d\d:\d\d$)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_DAYS = {"d": 1, "w": 7}
_MONTHS = {"M": 1, "y": 12}
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC).timestamp(), datetime(2200, 1, 1, tzinfo=UTC).timestamp()


class BadTime(ValueError):
    """What was given is no time. The message names the parameter and what was expected."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` up to and without `end`, in Unix seconds."""

    start: float
    end: float


def moment(text: str, *, name: str, now: float, zone: tzinfo = UTC) -> float:
    """Unix seconds of what somebody wrote. Raises `BadTime`."""
    written = _LOST_PLUS.sub("+", text.strip())
    try:
        seconds = _read(written, now, zone)
    except (ValueError, OverflowError):
        seconds = None
    if seconds is None or not _EARLIEST <= seconds <= _LATEST:
        raise BadTime(f"{name}: {text!r} is no time; expected {EXPECTED}")
    return seconds


def span(
    start: str | None, end: str | None, *, month: str | None = None, now: float, zone: tzinfo = UTC, default: str = "now-7d"
) -> Span:
    """A span of `from` and `to`, or of a month; from `default` until now unless given. Raises `BadTime`."""
    if month:
        if start or end:
            raise BadTime("month: given together with from or to; expected either a month or a span")
        return _month(month, now, zone)
    begin = moment(start or default, name="from", now=now, zone=zone)
    until = moment(end or "now", name="to", now=now, zone=zone)
    if begin >= until:
        raise BadTime(f"from: {rfc3339(begin)} is not before to ({rfc3339(until)}); expected a span that ends after it begins")
    return Span(begin, until)


def rfc3339(seconds: float | None) -> str | None:
    """Unix seconds as RFC 3339 in UTC, to the millisecond."""
    if seconds is None or not math.isfinite(seconds):
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _month(text: str, now: float, zone: tzinfo) -> Span:
    words: dict[str, Callable[[datetime], datetime]] = {"this-month": lambda at: at, "last-month": lambda at: _months(at, -1)}
    if text in words:
        first = _first(words[text](datetime.fromtimestamp(now, zone)))
    else:
        found = _CALENDAR.fullmatch(text)
        if found is None or found["month"] is None or found["day"] is not None or not 1 <= int(found["month"]) <= 12:
            raise BadTime(f"month: {text!r} is no month; expected one such as 2026-11, this-month or last-month")
        first = datetime(int(found["year"]) or 1, int(found["month"]), 1, tzinfo=zone)
    return Span(first.timestamp(), _months(first, 1).timestamp())


def _read(text: str, now: float, zone: tzinfo) -> float | None:
    if len(text) > 4 and _NUMBER.fullmatch(text):  # four digits are a year
        return float(text)
    if found := _RELATIVE.fullmatch(text):
        return _relative(found, now, zone)
    if found := _CALENDAR.fullmatch(text):
        return datetime(int(found["year"]), int(found["month"] or 1), int(found["day"] or 1), tzinfo=zone).timestamp()
    today = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    words = {
        "today": lambda: today,
        "yesterday": lambda: today - timedelta(days=1),
        "this-month": lambda: _first(today),
        "last-month": lambda: _months(_first(today), -1),
    }
    if text in words:
        return words[text]().timestamp()
    if "T" not in text.upper() and " " not in text:
        return None
    given = datetime.fromisoformat(text)
    return (given if given.tzinfo is not None else given.replace(tzinfo=zone)).timestamp()


def _relative(found: re.Match[str], now: float, zone: tzinfo) -> float:
    if found["unit"] is None:
        return now
    count = int(found["count"]) * (1 if found["sign"] == "+" else -1)
    unit = found["unit"]
    if unit in _SECONDS:
        return now + count * _SECONDS[unit]
    # Days and months are the calendar's: across a change of clocks, `now-1d` is yesterday at the same hour.
    here = datetime.fromtimestamp(now, zone)
    there = here + timedelta(days=count * _DAYS[unit]) if unit in _DAYS else _months(here, count * _MONTHS[unit])
    return there.timestamp()


def _first(at: datetime) -> datetime:
    return at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _months(at: datetime, count: int) -> datetime:
    """So many months on; the 31st becomes the last day of a shorter month."""
    index = at.year * 12 + at.month - 1 + count
    first = at.replace(year=index // 12, month=index % 12 + 1, day=1)
    last = (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return first.replace(day=min(at.day, last.day))
