"""What a kilowatt-hour costs at a moment: time-of-use prices by the clock on the wall. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from wattstat.config.energy import Tariff, TariffPeriod

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = 24 * 60
# Every time zone of today changes its offset at a quarter of an hour (UTC).
_QUARTER = 900


class TimeOfUse:
    """Prices by the minute of the week, in the tariff's time zone.

    A period belongs to the day on which it begins: 22:00 to 06:00 on fri ends on Saturday. Where summer time begins, the hour
    that is skipped costs nobody anything; where it ends, the hour that comes twice costs the same twice.
    """

    def __init__(self, tariff: Tariff, site_timezone: str) -> None:
        """Raises `ValueError` for a time zone that does not exist and for a period that can never hold."""
        name = tariff.timezone or site_timezone
        try:
            self._zone = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as err:
            raise ValueError(
                f"energy.tariff.timezone: {name!r} is no time zone; expected a name such as Europe/Berlin"
            ) from err
        self._week = [tariff.price_per_kwh] * (7 * _DAY)
        taken: set[int] = set()
        for number, period in enumerate(tariff.periods):
            minutes = set(_minutes(period))
            if minutes <= taken:
                raise ValueError(
                    f"energy.tariff.periods[{number}] never holds: earlier periods have all of its hours; remove it"
                )
            for minute in minutes - taken:
                self._week[minute] = period.price_per_kwh
            taken |= minutes
        before = self._week[-1:] + self._week[:-1]
        self._edges = sorted(
            {minute % _DAY for minute, pair in enumerate(zip(before, self._week, strict=True)) if len({*pair}) > 1}
        )

    def per_kwh(self, at: float) -> float | None:
        """The price at a moment; None where the tariff has none."""
        local = datetime.fromtimestamp(at, self._zone)
        return self._week[local.weekday() * _DAY + local.hour * 60 + local.minute]

    def changes(self, start: float, end: float) -> list[float]:
        """Moments in between at which the price may change; between two of them it does not."""
        if not self._edges:
            return []
        found = {float(at) for at in self._edges_between(start, end) if start < at < end}
        quarter = (start // _QUARTER + 1) * _QUARTER
        while quarter < end:
            found.add(quarter)
            quarter += _QUARTER
        return sorted(found)

    def _edges_between(self, start: float, end: float) -> Iterator[float]:
        day = datetime.fromtimestamp(start, self._zone).date() - timedelta(days=1)
        last = datetime.fromtimestamp(end, self._zone).date()
        while day <= last:
            for minute in self._edges:
                for fold in (0, 1):
                    yield datetime.combine(day, time(minute // 60, minute % 60), self._zone).replace(fold=fold).timestamp()
            day += timedelta(days=1)


def _minutes(period: TariffPeriod) -> Iterator[int]:
    """Minutes of the week in which a period holds."""
    start, end = _minute(period.start), _minute(period.end)
    length = end - start if end > start else _DAY - start + end
    for day in period.days or DAYS:
        first = DAYS.index(day) * _DAY + start
        yield from (minute % (7 * _DAY) for minute in range(first, first + length))


def _minute(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)
