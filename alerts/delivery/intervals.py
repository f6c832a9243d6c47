"""Alertmanager's time intervals: hours, days and months in which routes are mute or awake."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Range = tuple[int, int]

WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
_FIELDS = {"times", "weekdays", "days_of_month", "months", "years", "location"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeInterval:
    """All that is given must hold; of each list, one entry is enough. Ranges include their ends, `minutes` do not."""

    minutes: tuple[Range, ...] = ()
    weekdays: tuple[Range, ...] = ()
    days_of_month: tuple[Range, ...] = ()
    months: tuple[Range, ...] = ()
    years: tuple[Range, ...] = ()
    zone: ZoneInfo

    def holds(self, at: float) -> bool:
        """Whether a moment (Unix time) is in it."""
        now = datetime.fromtimestamp(at, self.zone)
        minute = now.hour * 60 + now.minute
        return (
            (not self.minutes or any(first <= minute < last for first, last in self.minutes))
            and _has(self.weekdays, now.isoweekday() % 7)
            and (not self.days_of_month or any(_has_day(days, now) for days in self.days_of_month))
            and _has(self.months, now.month)
            and _has(self.years, now.year)
        )


def read_interval(data: Any, zone: ZoneInfo) -> TimeInterval:
    """One entry of `time_intervals`; `zone` is what `Local` means. Raises `ValueError` that says what was expected."""
    if not isinstance(data, Mapping):
        raise ValueError(f"expected a mapping with some of {', '.join(sorted(_FIELDS))}")  # noqa: TRY004 - one kind of refusal
    if unknown := sorted(set(data) - _FIELDS):
        raise ValueError(f"{unknown[0]!r} is no member of a time interval; expected one of {', '.join(sorted(_FIELDS))}")
    return TimeInterval(
        minutes=tuple(_minutes(each) for each in _list(data, "times")),
        weekdays=tuple(_range(each, WEEKDAYS, 0, "a day of the week such as monday") for each in _list(data, "weekdays")),
        days_of_month=tuple(_days(each) for each in _list(data, "days_of_month")),
        months=tuple(_range(each, _MONTHS, 1, "a month such as may or 5") for each in _list(data, "months")),
        years=tuple(_range(each, (), 0, "a year such as 2026") for each in _list(data, "years")),
        zone=_zone(str(data.get("location", "UTC")), zone),
    )


def _list(data: Mapping[str, Any], name: str) -> Sequence[Any]:
    found = data.get(name) or ()
    if isinstance(found, str) or not isinstance(found, Sequence):
        raise ValueError(f"{name}: expected a list")  # noqa: TRY004 - one kind of refusal
    return found


def _has(ranges: Sequence[Range], value: int) -> bool:
    return not ranges or any(first <= value <= last for first, last in ranges)


def _has_day(days: Range, now: datetime) -> bool:
    """Negative days count from the month's end; what a short month lacks is cut off."""
    length = _days_in_month(now)
    first, last = (day if day > 0 else length + day + 1 for day in days)
    return max(first, 1) <= now.day <= min(last, length)


def _days_in_month(now: datetime) -> int:
    following = (now.year + 1, 1) if now.month == 12 else (now.year, now.month + 1)
    return (datetime(*following, 1, tzinfo=now.tzinfo) - datetime(now.year, now.month, 1, tzinfo=now.tzinfo)).days


def _minutes(data: Any) -> Range:
    if not isinstance(data, Mapping) or set(data) != {"start_time", "end_time"}:
        raise ValueError("times: expected start_time and end_time, such as {start_time: '22:00', end_time: '24:00'}")
    first, last = _minute(data["start_time"]), _minute(data["end_time"])
    if first >= last:
        raise ValueError("times: the start is not before the end; over midnight are two: one until 24:00, one from 00:00")
    return first, last


def _minute(written: Any) -> int:
    if not isinstance(written, str) or _CLOCK.fullmatch(written) is None:
        raise ValueError(f"times: {written!r} is no time of day; expected hours and minutes in quotes, such as '06:30'")
    return int(written[:2]) * 60 + int(written[3:])


def _range(written: Any, names: Sequence[str], base: int, expected: str) -> Range:
    first, colon, last = str(written).lower().replace(" ", "").partition(":")
    begin = _number(first, names, base, expected)
    end = _number(last, names, base, expected) if colon else begin
    if begin > end:
        raise ValueError(f"{written!r}: the start is after the end")
    return begin, end


def _number(written: str, names: Sequence[str], base: int, expected: str) -> int:
    if written in names:
        return names.index(written) + base
    is_number = written.isdecimal() and (not names or (base == 1 and 1 <= int(written) <= len(names)))
    if not is_number:
        raise ValueError(f"{written!r} is not known; expected {expected}")
    return int(written)


def _days(written: Any) -> Range:
    first, colon, last = str(written).replace(" ", "").partition(":")
    try:
        days = int(first), int(last) if colon else int(first)
    except ValueError:
        days = 0, 0
    if not all(1 <= abs(day) <= 31 for day in days):
        raise ValueError(f"days_of_month: {written!r}; expected days such as 1, '1:5' or '-3:-1'")
    if (days[0] > 0) == (days[1] > 0) and days[0] > days[1]:
        raise ValueError(f"days_of_month: {written!r}: the start is after the end")
    return days


def _zone(name: str, local: ZoneInfo) -> ZoneInfo:
    if name == "Local":
        return local
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as err:
        raise ValueError(f"location: {name!r} is no time zone that is known here; expected one such as Europe/Berlin") from err
