"""Samples as a store hands them over, and how they are grouped for the evaluator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from wattstat.promql.syntax import Labels, Matcher

Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

STALE_BITS = 0x7FF0000000000002
"""The one NaN that Prometheus writes when a series has ended."""

STALE = float(np.array([STALE_BITS], np.uint64).view(np.float64)[0])


def is_stale(values: Values) -> Mask:
    """Which values are staleness markers; an ordinary NaN is none."""
    return np.equal(np.ascontiguousarray(values).view(np.int64), STALE_BITS)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Raw:
    """Samples of many series, one behind the other, each in order of time.

    Series `i` has `times[offsets[i]:offsets[i + 1]]` (Unix milliseconds) and the values at the same places.
    """

    labels: Sequence[Labels]
    offsets: npt.NDArray[np.int64]
    times: Times
    values: Values
    resolution_ms: int = 0
    """How far apart samples are that stand for all between them; 0 where every sample is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What samples are wanted for: the function over a range (empty for an instant selector), the range, the query's step."""

    function: str = ""
    range_ms: int = 0
    step_ms: int = 0


class Source(Protocol):
    """What the evaluator reads from. Called in a worker thread, never on the event loop."""

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, want: Want) -> Raw:
        """All samples of the matching series between two moments, both included, staleness markers among them.

        Where `want` shows that fewer do as well, a source may give downsampled ones: for `min_over_time` the least of each
        step, for `max_over_time`, `sum_over_time`, `avg_over_time` and `count_over_time` likewise, for all else the last.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """Series that were sampled at the same moments: `rows` of the selection, one row of `values` each."""

    rows: npt.NDArray[np.intp]
    times: Times
    values: Values

    @cached_property
    def stale(self) -> Mask:
        return is_stale(self.values)


def grouped(raw: Raw) -> Iterator[Group]:
    """The series in groups with equal times. Nearly always one scrape wrote all of them, and there is a single group."""
    counts = np.diff(raw.offsets)
    filled = np.flatnonzero(counts)
    firsts, lasts = raw.times[raw.offsets[filled]], raw.times[raw.offsets[filled + 1] - 1]
    keys = np.stack([counts[filled], firsts, lasts])
    if keys.size and (keys == keys[:, :1]).all():
        yield from _equal_times(raw, filled, int(counts[filled[0]]))
        return
    buckets: dict[tuple[int, ...], list[int]] = {}
    for row, key in zip(filled.tolist(), keys.T.tolist(), strict=True):
        buckets.setdefault(tuple(key), []).append(row)
    for (count, _, _), rows in buckets.items():
        yield from _equal_times(raw, np.array(rows, np.intp), count)


def _equal_times(raw: Raw, rows: npt.NDArray[np.intp], count: int) -> Iterator[Group]:
    """Groups among series that have the same number of samples, of which the first and the last are at the same moments."""
    begin, end = int(raw.offsets[rows[0]]), int(raw.offsets[rows[-1] + 1])
    if end - begin == count * len(rows):
        times, values = raw.times[begin:end].reshape(-1, count), raw.values[begin:end].reshape(-1, count)
    else:
        places = raw.offsets[rows][:, None] + np.arange(count)
        times, values = raw.times[places], raw.values[places]
    while len(rows):
        same = (times == times[0]).all(axis=1)
        if same.all():
            yield Group(rows=rows, times=times[0], values=values)
            return
        yield Group(rows=rows[same], times=times[0], values=values[same])
        rows, times, values = rows[~same], times[~same], values[~same]


def without_stale(raw: Raw) -> Raw:
    """The samples that a range selector sees: staleness markers are none."""
    keep = ~is_stale(raw.values)
    if keep.all():
        return raw
    running = np.concatenate([[0], np.cumsum(keep)])
    return replace(raw, offsets=running[raw.offsets], times=raw.times[keep], values=raw.values[keep])
