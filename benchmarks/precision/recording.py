"""A hall in fast time as history: what collectors would have seen of it, minute by minute, for the embedded store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from simulator.world import World

Floats = NDArray[np.float64]
STEP_SECONDS = 60.0
SECOND = 1.0


@dataclass(frozen=True, slots=True)
class Family:
    """Series of one name, and what reads all their values at once. NaN is no sample."""

    name: str
    labels: tuple[dict[str, str], ...]
    read: Callable[[], Floats]


class Recorder:
    """Moves a hall and keeps what is seen on the way."""

    def __init__(self, world: World, families: Iterable[Family]) -> None:
        self.world = world
        self._families = [family for family in families if family.labels]
        self._times: list[float] = []
        self._rows: list[NDArray[np.float64]] = []

    def move(self, until: float) -> None:
        """The next minute; its last second on its own, so that a sample shows a second of a breathing job."""
        self.world.advance(until - SECOND, STEP_SECONDS)
        self.world.advance(until, SECOND)
        values = [np.asarray(family.read(), np.float64) for family in self._families]
        self._times.append(until)
        self._rows.append(np.concatenate(values))

    def write(self, directory: Path, more: Iterable[tuple[str, dict[str, str], Floats]]) -> list[float]:
        """The files that the embedded store imports; `more` are series over the same times. Returns the times."""
        directory.mkdir(parents=True, exist_ok=True)
        extra = list(more)
        names = [(family.name, labels) for family in self._families for labels in family.labels]
        names += [(name, labels) for name, labels, _ in extra]
        table = pa.table(
            {
                "id": list(range(len(names))),
                "name": [name for name, _ in names],
                "labels": [json.dumps(labels) for _, labels in names],
            }
        )
        pq.write_table(table, directory / "series.parquet")
        stamps = np.round(np.array(self._times) * 1000).astype(np.int64)
        matrix = np.stack(self._rows)
        schema = pa.schema([("id", pa.int64()), ("time_ms", pa.int64()), ("value", pa.float64())])
        with pq.ParquetWriter(directory / "samples.parquet", schema, compression="snappy") as out:
            for begin in range(0, len(names), 500):
                columns = [
                    matrix[:, row] if row < matrix.shape[1] else extra[row - matrix.shape[1]][2]
                    for row in range(begin, min(begin + 500, len(names)))
                ]
                _write(out, schema, begin, stamps, np.stack(columns))
        return self._times


def _write(out: pq.ParquetWriter, schema: pa.Schema, begin: int, stamps: NDArray[np.int64], block: Floats) -> None:
    known = ~np.isnan(block)
    ids = np.repeat(np.arange(begin, begin + len(block)), len(stamps)).reshape(block.shape)
    times = np.broadcast_to(stamps, block.shape)
    arrays = [ids[known], times[known], block[known]]
    out.write_table(pa.table([pa.array(array) for array in arrays], schema=schema))
