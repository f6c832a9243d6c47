"""Rates of counters that are read more often than they are written: between the two newest different points. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from collectors.ecs.flux import Row
from wattstat.members import number


class Key(NamedTuple):
    """A series of a measurement."""

    measurement: str
    host: str
    field: str
    id: str
    interface: str


class Track(NamedTuple):
    """The newest point of a counter, and its increase a second since the one before; None until there were two.

    Also None over a reset: what was counted between the last point and the reset is not known.
    """

    at: float
    value: float
    per_second: float | None = None


Tracks = Mapping[Key, Track]


def advanced(known: Tracks, measurement: str, rows: Iterable[Row]) -> dict[Key, Track]:
    """The tracks of a measurement after an answer; series that are no longer in it are forgotten."""
    found: dict[Key, Track] = {}
    for row in rows:
        key = Key(measurement, row.host, row.field, row.id, row.interface)
        found[key] = _next(known.get(key), row)
    return found


def _next(before: Track | None, row: Row) -> Track:
    if before is None:
        return Track(row.at, row.value)
    if row.at <= before.at:
        return before
    grown = row.value - before.value
    return Track(row.at, row.value, grown / (row.at - before.at) if grown >= 0 else None)


def rates(tracks: Tracks, measurement: str) -> dict[Key, float]:
    """The rates of a measurement that are known."""
    return {
        key: track.per_second
        for key, track in tracks.items()
        if key.measurement == measurement and track.per_second is not None
    }


def quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    """The value below which `share` of the observations lie, of cumulative counts by upper bound; None where there are none.

    Within a bucket observations count as evenly spread, as in Prometheus' histogram_quantile. The last bound has no end: what
    lies in it is at least as much as the bound before it.
    """
    wanted = share * max(buckets.values(), default=0.0)
    if wanted <= 0:
        return None
    low = below = 0.0
    for bound in sorted(buckets):
        reached = max(buckets[bound], below)
        if reached >= wanted and reached > below:
            return low if math.isinf(bound) else low + (bound - low) * (wanted - below) / (reached - below)
        low, below = bound, reached
    return None


def histograms(found: Mapping[Key, float]) -> dict[str, dict[float, float]]:
    """Rates by upper bound, over all nodes, by id: the fields of a histogram are its bounds in milliseconds."""
    out: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for key, rate in found.items():
        bound = math.inf if key.field == "+Inf" else number(key.field)
        if bound is not None and bound >= 0:
            out[key.id][bound] += rate
    return out
