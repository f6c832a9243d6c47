"""Spans of time as the books can answer them: whole hours, of which the whole UTC days stand in the tables of days."""

from __future__ import annotations

import math
from dataclasses import dataclass

from energy.model import HOUR

DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Cut:
    """A span in whole hours. `days` are the whole UTC days in it (end not included), `edges` the hours round them."""

    start: int
    end: int
    days: tuple[int, int]
    edges: tuple[tuple[int, int], ...]


def cut(start: float, end: float, *, newest: int | None = None, thinned: int = 0) -> Cut:
    """The span in whole hours; raises `ValueError` for one that makes no sense.

    Both ends go back to the full hour, so that spans which join still do, and no hour is counted twice. The hour that is still
    being written (`newest`) is taken whole, since nothing comes after it. A span shorter than an hour becomes that hour. Before
    `thinned` there are only days: ends go back to the full UTC day.
    """
    if not (math.isfinite(start) and math.isfinite(end)) or start >= end:
        raise ValueError(f"the span from {start} to {end} is empty; expected an end after the start, both in Unix seconds")
    first, last = _back(start, thinned), _back(end, thinned)
    if newest is not None and newest == last and end > last:
        last += HOUR
    if last <= first:
        last = first + (DAY if first < thinned else HOUR)
    day, end_day = -(-first // DAY) * DAY, last // DAY * DAY
    if day >= end_day:
        return Cut(first, last, (day, day), ((first, last),))
    edges = tuple((since, until) for since, until in ((first, day), (end_day, last)) if since < until)
    return Cut(first, last, (day, end_day), edges)


def _back(at: float, thinned: int) -> int:
    step = DAY if at < thinned else HOUR
    return int(at // step) * step
