"""Readers of a document's members that never fail: what is missing, of another type or a sentinel is None."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

Json = Any
Body = dict[str, Any]

# Controllers write 32767, 65535 or 0 where there is no limit; no server and no baseboard draws as much.
MOST_WATTS = 32_000.0


def member(value: Json, *path: str | int) -> Json:
    """The member at `path`, through objects by name and arrays by index; None when anything on the way is missing."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
    return value


def watts(value: Json) -> float | None:
    """Watts from 1 to 32,000, also from their decimal text; never from a boolean or a sentinel."""
    if isinstance(value, str):
        try:
            value = float(value) if len(value) <= 32 and value.isascii() else None
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value <= MOST_WATTS:
        return None
    return float(value) if math.isfinite(value) else None


def text(value: Json) -> str:
    """A string without blanks around it; empty when it is none."""
    return value.strip() if isinstance(value, str) else ""


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
    """The links of an array."""
    return tuple(uri for uri in map(link, objects(value)) if uri)


def last_segment(uri: str) -> str:
    """The name at the end of an address."""
    return uri.rstrip("/").rpartition("/")[2]
