"""A history made by hand: series as arrays, in an embedded store, for whatever looks at the past."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from wattstat.store.embedded import EmbeddedStore

Floats = NDArray[np.float64]


@dataclass
class History:
    """Series on one grid. A NaN is a moment without a sample."""

    start: float
    seconds: float
    step: float = 60.0
    _rows: list[tuple[str, Mapping[str, str], Floats]] = field(default_factory=list)

    @property
    def times(self) -> Floats:
        return self.start + np.arange(0.0, self.seconds + self.step / 2, self.step)

    @property
    def end(self) -> float:
        return float(self.times[-1])

    def add(self, name: str, values: float | Floats | Callable[[Floats], Floats], **labels: str) -> None:
        """A series; a function gets the seconds since the start."""
        since = self.times - self.start
        found = values(since) if callable(values) else values
        self._rows.append((name, labels, np.broadcast_to(np.asarray(found, np.float64), since.shape)))

    def write(self, directory: Path) -> None:
        """The files that the embedded store imports."""
        directory.mkdir(parents=True, exist_ok=True)
        rows = self._rows
        table = pa.table(
            {
                "id": list(range(len(rows))),
                "name": [name for name, _, _ in rows],
                "labels": [json.dumps(dict(labels)) for _, labels, _ in rows],
            }
        )
        pq.write_table(table, directory / "series.parquet")
        stamps = np.round(self.times * 1000).astype(np.int64)
        values = np.stack([row for _, _, row in rows])
        known = ~np.isnan(values)
        samples = pa.table(
            {
                "id": np.repeat(np.arange(len(rows)), known.sum(axis=1)),
                "time_ms": np.tile(stamps, (len(rows), 1))[known],
                "value": values[known],
            }
        )
        pq.write_table(samples, directory / "samples.parquet")

    @asynccontextmanager
    async def stored(self, directory: Path) -> AsyncIterator[EmbeddedStore]:
        """An embedded store that holds it, whose clock stands at the end."""
        self.write(directory / "history")
        store = EmbeddedStore(directory / "history.duckdb", clock=lambda: self.end)
        try:
            await store.import_history(directory / "history")
            yield store
        finally:
            await store.close()
