"""A real Prometheus and an embedded store that hold the same samples."""

from __future__ import annotations

import asyncio
import json
import math
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import hall_data
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import real_prometheus
import site_data

from wattstat.promql.raw import STALE
from wattstat.store.embedded import EmbeddedStore


def write_history(directory: Path, series: list[hall_data.Recorded], *, nan: float) -> None:
    """The files that `import_history` reads; NaN is written as `nan`."""
    plain = [{name: value for name, value in each.labels.items() if name != "__name__"} for each in series]
    table = pa.table(
        {
            "id": list(range(len(series))),
            "name": [each.labels["__name__"] for each in series],
            "labels": [json.dumps(labels) for labels in plain],
        }
    )
    pq.write_table(table, directory / "series.parquet")
    rows = [(number, time, value) for number, each in enumerate(series) for time, value in each.samples]
    bits = [struct.unpack("<q", struct.pack("<d", nan if math.isnan(value) else value))[0] for _, _, value in rows]
    values = pa.array(bits, pa.int64()).view(pa.float64())
    samples = pa.table({"id": [row[0] for row in rows], "time_ms": [row[1] for row in rows], "value": values})
    pq.write_table(samples, directory / "samples.parquet")


@pytest.fixture(scope="session")
def hall() -> list[hall_data.Recorded]:
    return [*hall_data.recorded(), *site_data.recorded()]


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory, hall) -> Iterator[real_prometheus.Prometheus]:
    """Debian's Prometheus with the hall's samples."""
    with real_prometheus.started(tmp_path_factory.mktemp("prometheus"), hall_data.open_metrics(hall)) as server:
        server.write([(each.labels, each.samples) for each in hall_data.ended()])
        yield server


@pytest.fixture(scope="session")
def run() -> Iterator[Callable]:
    """Runs coroutines on one loop for the whole session, because the store lives that long."""
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture(scope="session")
def store(tmp_path_factory, hall, run) -> Iterator[EmbeddedStore]:
    """The embedded store with the hall's samples."""
    directory = tmp_path_factory.mktemp("store")
    opened = EmbeddedStore(directory / "history.duckdb", clock=lambda: hall_data.STALE_END)
    for name, series, nan in (("hall", hall, float("nan")), ("ended", hall_data.ended(), STALE)):
        (directory / name).mkdir()
        write_history(directory / name, series, nan=nan)
        run(opened.import_history(directory / name))
    yield opened
    run(opened.close())
