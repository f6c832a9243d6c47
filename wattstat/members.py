"""Readers of a document's members that never fail: what is missing, null, of another type or a sentinel is None.

Controllers write numbers as strings ("25.625000"), readings they do not have as null, as -2147483648 or as 255, and members
of a type nobody promised. A value outside what its quantity can be is no reading.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

Json = Any
Body = dict[str, Any]


def member(value: Json, *path: str | int) -> Json:
    """The member at `path`, through objects by name and arrays by index; None when anything on the way is missing."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
    return value


def as_body(value: Json) -> Body:
    """The object that a value is; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def number(value: Json) -> float | None:
    """A finite number, also from its decimal text; never from a boolean."""
    if isinstance(value, str):
        if len(value) > 32 or not value.isascii():
            return None
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if isinstance(value, int) and abs(value) > 1 << 63:
        return None
    return float(value) if math.isfinite(value) else None


def between(low: float, value: Json, high: float) -> float | None:
    """The number when it lies within what its quantity can be; sentinels lie outside."""
    found = number(value)
    return found if found is not None and low <= found <= high else None


def watts(value: Json) -> float | None:
    return between(0, value, 1e6)


def celsius(value: Json) -> float | None:
    """Degrees from -60 to 250: DellNumericSensors say -2147483648, IPMI sensors 255 where nothing was read."""
    return between(-60, value, 250)


def volts(value: Json) -> float | None:
    """Signed: telecommunication supplies run on -48 V."""
    return between(-1000, value, 1000)


def rpm(value: Json) -> float | None:
    return between(0, value, 60_000)


def percent(value: Json) -> float | None:
    """A ratio from 0 to 1 of a percentage."""
    found = between(0, value, 100)
    return None if found is None else found / 100


def count(value: Json) -> float | None:
    return between(0, value, 2**53)


def joules(value: Json) -> float | None:
    return between(0, value, 1e16)


def joules_of_kwh(value: Json) -> float | None:
    found = between(0, value, 1e9)
    return None if found is None else found * 3.6e6


def flag(value: Json) -> bool | None:
    return value if isinstance(value, bool) else None


def text(value: Json) -> str:
    """A string without blanks around it; empty when it is none."""
    return value.strip() if isinstance(value, str) else ""


def state(value: Json, *, on: str = "Enabled", off: str = "Disabled") -> bool | None:
    """True or False for the two words of a switch, None for anything else."""
    word = text(value).lower()
    return True if word == on.lower() else False if word == off.lower() else None


def objects(value: Json) -> Iterator[Body]:
    """The objects of an array; nothing for anything else."""
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, dict))


def link(value: Json) -> str | None:
    """Where a link object leads, without fragment; None when it is no link of this service."""
    uri = member(value, "@odata.id")
    if not isinstance(uri, str):
        return None
    uri = uri.partition("#")[0].rstrip("/")
    return uri if uri.startswith("/") else None


def links(value: Json) -> tuple[str, ...]:
    return tuple(uri for uri in map(link, objects(value)) if uri)


def last_segment(uri: str) -> str:
    return uri.rstrip("/").rpartition("/")[2]


def distinct(name: str, owner: str, seen: set[str]) -> str | None:
    """A label nobody has yet: the name, else with its owner before it; None when both are taken.

    Enclosures repeat the names of their sensors, and a label set that occurs twice makes a whole scrape invalid.
    """
    for candidate in (name, f"{owner}/{name}"):
        if name and candidate not in seen:
            seen.add(candidate)
            return candidate
    return None
