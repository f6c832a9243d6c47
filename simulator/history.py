"""A day of history, made in seconds: the same physics in larger steps, as files for the embedded store and for the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from simulator.ledger_history import LedgerHistory
from simulator.plant.moving import EVERY_SECONDS
from simulator.series import Family, families
from simulator.world import World

COARSE_SECONDS = 60.0
FINE_SECONDS = 15.0
FINE_SPAN_SECONDS = 3600.0
# Within Prometheus' five minutes of looking back.
CONSTANT_SECONDS = 240.0
SECOND = 1.0

Floats = NDArray[np.float64]


def write_history(world: World, until: float, directory: Path, *, beside: bool = True) -> int:
    """Move the hall to `until` and write what collectors would have seen on the way. Returns the number of samples."""
    directory.mkdir(parents=True, exist_ok=True)
    ledger = LedgerHistory(world)
    # What samples show of storage and cables is the mean of the time before them.
    world.plant.every_seconds = 2 * SECOND
    chosen = families(world, beside=beside)
    moving = [family for family in chosen if not family.constant]
    still = [family for family in chosen if family.constant]
    times, columns, still_times, still_columns = _walk(world, until, moving, still, ledger)
    ledger.write(directory)
    world.on_event = world.integrals = None
    world.plant.every_seconds = EVERY_SECONDS
    count_moving = sum(len(family.labels) for family in moving)
    _write_series(directory / "series.parquet", [*moving, *still])
    schema = pa.schema([("id", pa.int64()), ("time_ms", pa.int64()), ("value", pa.float64())])
    with pq.ParquetWriter(directory / "samples.parquet", schema, compression="snappy", use_dictionary=["id", "time_ms"]) as out:
        written = _write_samples(out, schema, times, columns, first=0)
        written += _write_samples(out, schema, still_times, still_columns, first=count_moving)
    return written


def grid(start: float, until: float) -> Iterator[float]:
    """When samples are taken: every minute, every 15 s in the last hour."""
    at = start + COARSE_SECONDS
    while at <= until:
        yield at
        at += FINE_SECONDS if at >= until - FINE_SPAN_SECONDS else COARSE_SECONDS


def _walk(
    world: World, until: float, moving: list[Family], still: list[Family], ledger: LedgerHistory
) -> tuple[list[float], list[Floats], list[float], list[Floats]]:
    times, columns, still_times, still_columns = [], [], [], []
    next_still = world.now
    for at in grid(world.now, until):
        # The last second on its own, so that a sample shows one second of a breathing job and not a minute's mean.
        world.advance(at - SECOND, COARSE_SECONDS)
        world.advance(at, SECOND)
        ledger.take()
        times.append(at)
        columns.append(_values(world, moving))
        if at >= next_still:
            still_times.append(at)
            still_columns.append(_values(world, still))
            next_still = at + CONSTANT_SECONDS
    world.advance(until, COARSE_SECONDS)
    ledger.take()
    return times, columns, still_times, still_columns


def _values(world: World, chosen: list[Family]) -> Floats:
    values = [family.read(world.physics) for family in chosen]
    return np.concatenate(values) if values else np.empty(0)


def _write_series(path: Path, chosen: list[Family]) -> None:
    rows = [(family.name, json.dumps(labels)) for family in chosen for labels in family.labels]
    table = pa.table(
        {
            "id": pa.array(range(len(rows)), pa.int64()),
            "name": pa.array([name for name, _ in rows], pa.string()),
            "labels": pa.array([labels for _, labels in rows], pa.string()),
        }
    )
    pq.write_table(table, path)


def _write_samples(out: pq.ParquetWriter, schema: pa.Schema, times: list[float], columns: list[Floats], *, first: int) -> int:
    """Write series by series, each in order of time; a block of series at once keeps the memory small."""
    if not times:
        return 0
    stamps = np.round(np.array(times) * 1000).astype(np.int64)
    matrix = np.stack(columns)
    written = 0
    for begin in range(0, matrix.shape[1], 500):
        block = matrix[:, begin : begin + 500].T
        ids = np.repeat(np.arange(first + begin, first + begin + len(block)), len(stamps))
        values = block.ravel()
        known = ~np.isnan(values)
        arrays = [ids[known], np.tile(stamps, len(block))[known], values[known]]
        out.write_table(pa.table([pa.array(array) for array in arrays], schema=schema))
        written += int(known.sum())
    return written
