"""How ECS writes numbers: quoted, "N/A" where there is none, and as points in time of which the newest counts. Pure and total.

`diskSpaceFreeCurrent: [{"t": "1785312642", "Space": "224634219439200"}]`; the member beside `t` is called after what it counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from wattstat.members import Body, as_body, between, member, number, objects

VALUES = ("Space", "Bytes", "Capacity", "Bandwidth", "Latency", "TPS", "Rate", "Percent", "Count")
# A point this much older than the newest of its document is history: recoveryBadChunksTotalSizeCurrent of a running 4.3 was
# 55 days old. Points are five minutes apart, some an hour.
OLDEST_SECONDS = 3 * 3600.0
# Examples carry times such as 12345678; what lies before 2001 says nothing about age.
_PLAUSIBLE = 1e9
_MOST = 2.0**63


class Point(NamedTuple):
    """A number and when it was counted (Unix seconds), where that is known."""

    value: float
    at: float | None


def count(value: Any) -> float | None:
    """A number that cannot be negative, quoted or not: bytes, counts, seconds."""
    return between(0, value, _MOST)


def newest(series: Any) -> Point | None:
    """The newest point of a series; None where that one has no number: an older one is not what is now."""
    last = max(objects(series), key=_at, default=None)
    if last is None:
        return None
    values = [count(last[name]) for name in VALUES if name in last]
    at = number(last.get("t"))
    return None if not values or values[0] is None else Point(values[0], _seconds(at))


def horizon(document: Body) -> float | None:
    """When a document was made: the newest of its points."""
    times = (_seconds(number(last.get("t"))) for last in _ends(document.values()))
    return max((at for at in times if at is not None), default=None)


def latest(document: Body, name: str, now: float | None = None) -> float | None:
    """What a document says about something now: by `nameCurrent` or else `name`, by the newest point or a plain number."""
    for each in (f"{name}Current", name):
        said = document.get(each)
        if said is None or said == []:
            continue
        if not isinstance(said, list):
            return count(said)
        found = newest(said)
        is_old = found is not None and now is not None and found.at is not None and found.at < now - OLDEST_SECONDS
        return None if found is None or is_old else found.value
    return None


def instances(document: Any) -> list[Body]:
    """The entries of a list: below `_embedded._instances` as clusters answer, below `instances` as the manual shows it."""
    for holder in (as_body(member(document, "_embedded")), as_body(document)):
        for name in ("_instances", "instances"):
            if isinstance(holder.get(name), list):
                return list(objects(holder[name]))
    return []


def _ends(members: Iterable[Any]) -> list[Body]:
    """The first and the last point of every series: one of them is its newest."""
    return [end for each in members if isinstance(each, list) for end in (*each[:1], *each[-1:]) if isinstance(end, dict)]


def _at(point: Body) -> float:
    return number(point.get("t")) or 0.0


def _seconds(at: float | None) -> float | None:
    """Unix seconds, also of milliseconds."""
    if at is None or at < _PLAUSIBLE:
        return None
    return at / 1000 if at > 1e11 else at
