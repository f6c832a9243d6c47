"""Samples of many series as three columns, and how parts of them become one sorted run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Samples in order of (series, time)."""

    ids: Ids
    times: Times
    values: Values


def in_order(parts: Sequence[Rows]) -> Rows:
    """Rows that consist of sorted runs, as one sorted run.

    Each part is a row of runs (one for each time that `recent` was emptied); in a run the samples of a series stand together,
    so only these segments are sorted, not the samples.
    """
    if not parts:
        return Rows(ids=np.zeros(0, np.int64), times=np.zeros(0, np.int64), values=np.zeros(0))
    ids = np.concatenate([part.ids for part in parts]) if len(parts) > 1 else parts[0].ids
    times = np.concatenate([part.times for part in parts]) if len(parts) > 1 else parts[0].times
    values = np.concatenate([part.values for part in parts]) if len(parts) > 1 else parts[0].values
    starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
    if (ids[starts][1:] > ids[starts][:-1]).all():
        return _checked(Rows(ids=ids, times=times, values=values))
    ends = np.append(starts[1:], len(ids))
    order = np.lexsort((times[starts], ids[starts]))
    slices = [slice(start, end) for start, end in zip(starts[order].tolist(), ends[order].tolist(), strict=True)]
    return _checked(
        Rows(
            ids=np.repeat(ids[starts[order]], (ends - starts)[order]),
            times=np.concatenate([times[part] for part in slices]),
            values=np.concatenate([values[part] for part in slices]),
        )
    )


def _checked(rows: Rows) -> Rows:
    """Sorted for certain, and one sample a moment: overlapping imports may have brought two, of which the later one counts."""
    forward = (rows.ids[1:] != rows.ids[:-1]) | (rows.times[1:] > rows.times[:-1])
    if forward.all():
        return rows
    order = np.lexsort((rows.times, rows.ids))
    ids, times, values = rows.ids[order], rows.times[order], rows.values[order]
    newest = np.append((ids[1:] != ids[:-1]) | (times[1:] != times[:-1]), True)
    return Rows(ids=ids[newest], times=times[newest], values=values[newest])
