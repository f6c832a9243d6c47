"""What findings ask of history: numbers of one moment, and tables over a span of time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wattstat.store.protocol import Series, Store

PART_SECONDS = 6 * 3600.0
"""So much is asked for at once: two days of every port of a large fabric are more than a store brings into memory."""

Floats = NDArray[np.float64]
Key = tuple[str, ...]
"""Values of the labels that a question names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Series over one grid of moments. What was not there is NaN."""

    times: Floats
    rows: Mapping[Key, Floats]

    def __getitem__(self, key: Key) -> Floats:
        """A series; all absent where there is none."""
        found = self.rows.get(key)
        return np.full(len(self.times), np.nan) if found is None else found

    def stack(self, keys: Sequence[Key]) -> Floats:
        """Series below each other, in the order of `keys`."""
        return np.stack([self[key] for key in keys]) if keys else np.empty((0, len(self.times)))


class Past:
    """A history, asked for numbers by label. Where several series have the same values of the labels, the largest counts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def now(self, expression: str, labels: str, at: float) -> dict[Key, float]:
        """Numbers of a moment by `labels` (names, separated by spaces). Raises `QueryError`."""
        found: dict[Key, float] = {}
        for series in (await self._store.query(expression, at)).series:
            value = float(series.values[-1])
            key = _key(series, labels.split())
            if not np.isnan(value):
                found[key] = max(value, found.get(key, value))
        return found

    async def table(self, expression: str, labels: str, at: float, *, seconds: float, step: float) -> Table:
        """Numbers of the `seconds` before a moment, every `step`, that moment included. Raises `QueryError`."""
        count = round(seconds / step)
        start = at - count * step
        times = start + step * np.arange(count + 1, dtype=np.float64)
        parts: list[Sequence[Series]] = []
        per_part = max(1, int(PART_SECONDS // step))
        for first in range(0, count + 1, per_part):
            last = min(first + per_part - 1, count)
            parts.append((await self._store.query_range(expression, times[first], times[last], step)).series)
        return await asyncio.to_thread(_laid_out, parts, labels.split(), times)


def _laid_out(parts: Sequence[Sequence[Series]], names: Sequence[str], times: Floats) -> Table:
    step = times[1] - times[0] if len(times) > 1 else 1.0
    rows: dict[Key, Floats] = {}
    for series in (each for part in parts for each in part):
        places = np.round((np.asarray(series.times) - times[0]) / step).astype(np.int64)
        row = rows.setdefault(_key(series, names), np.full(len(times), np.nan))
        row[places] = np.fmax(row[places], np.asarray(series.values))
    return Table(times=times, rows=rows)


def _key(series: Series, names: Sequence[str]) -> Key:
    return tuple(series.labels.get(name, "") for name in names)
