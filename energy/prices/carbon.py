"""How much carbon dioxide a kilowatt-hour stands for, as a series in time; and such a series from a CSV file."""

from __future__ import annotations

import csv
import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

COLUMNS = ("time", "grams_per_kwh")


@dataclass(frozen=True, slots=True)
class Series:
    """Intensities in grams per kilowatt-hour, each from its time until the next one's."""

    times: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    @classmethod
    def of(cls, points: Iterable[tuple[float, float]]) -> Series:
        """In order of time; of two values for one time the later told counts."""
        ordered = sorted(dict(points).items())
        return cls(tuple(at for at, _ in ordered), tuple(grams for _, grams in ordered))

    def at(self, moment: float) -> float | None:
        """The value that holds; None before the first: nobody knows it then."""
        place = bisect_right(self.times, moment)
        return self.values[place - 1] if place else None

    def changes(self, start: float, end: float) -> list[float]:
        """When the value changes in between."""
        return [at for at in self.times[bisect_right(self.times, start) :] if at < end]

    def since(self, moment: float) -> Series:
        """Only what is needed from a moment on."""
        place = max(bisect_right(self.times, moment) - 1, 0)
        return Series(self.times[place:], self.values[place:])


def read_file(path: Path) -> Series:
    """The series of a CSV file. Raises `ValueError` with the line and what was expected."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as err:
        raise ValueError(f"energy.carbon.file: {path} cannot be read: {err.strerror}; check the path and its owner") from err
    except UnicodeDecodeError as err:
        raise ValueError(f"energy.carbon.file: {path} is no UTF-8 text; expected CSV") from err
    try:
        return parse_csv(text)
    except ValueError as err:
        raise ValueError(f"energy.carbon.file: {path}, {err}") from err


def parse_csv(text: str) -> Series:
    """The series of CSV with the columns time and grams_per_kwh. Raises `ValueError` that begins with the line."""
    rows = csv.reader(text.splitlines(), strict=True)
    points: list[tuple[float, float]] = []
    header: list[str] | None = None
    try:
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if header is None:
                header = [cell.strip() for cell in row]
                if missing := [name for name in COLUMNS if name not in header]:
                    raise ValueError(f"line 1: has no column {missing[0]}; expected a header with time and grams_per_kwh")
                continue
            points.append(_point(row, header, rows.line_num))
            if len(points) > 1 and points[-1][0] <= points[-2][0]:
                raise ValueError(f"line {rows.line_num}: its time is not after the line's before; expected ascending times")
    except csv.Error as err:
        raise ValueError(f"line {rows.line_num}: is no CSV: {err}") from err
    if not points:
        raise ValueError("line 1: has no values; expected a header with time and grams_per_kwh, and a line for each value")
    return Series.of(points)


def _point(row: list[str], header: list[str], line: int) -> tuple[float, float]:
    if len(row) != len(header):
        raise ValueError(f"line {line}: has {len(row)} columns, the header has {len(header)}")
    cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
    at = moment(cells["time"])
    if at is None:
        raise ValueError(
            f"line {line}: {cells['time']!r} is no time with a zone; expected RFC 3339 such as 2026-01-31T13:00:00Z"
        )
    try:
        value = float(cells["grams_per_kwh"])
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ValueError(f"line {line}: {cells['grams_per_kwh']!r} is no intensity; expected grams per kWh such as 321.5")
    return at, value


def moment(text: object) -> float | None:
    """Unix seconds of RFC 3339 (seconds may be left out); None for anything else, and where the zone is missing."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if found.tzinfo is None else found.astimezone(UTC).timestamp()
