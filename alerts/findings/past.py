"""What findings ask of history: numbers of one moment, and tables over a span of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wattstat.store.protocol import Series, Store

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
        rows: dict[Key, Floats] = {}
        for series in (await self._store.query_range(expression, start, at, step)).series:
            row = np.full(count + 1, np.nan)
            places = np.round((np.asarray(series.times) - start) / step).astype(np.int64)
            row[places] = np.asarray(series.values)
            key = _key(series, labels.split())
            rows[key] = np.fmax(rows[key], row) if key in rows else row
        return Table(times=times, rows=rows)


def _key(series: Series, names: Sequence[str]) -> Key:
    return tuple(series.labels.get(name, "") for name in names)
