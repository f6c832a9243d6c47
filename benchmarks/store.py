"""The embedded store beside Prometheus: 24 hours of 400 GPUs at 10 s, asked as a panel asks; and what a scrape costs."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import uvicorn
from fastapi import FastAPI

from benchmarks.table import Row
from wattstat.api import prometheus
from wattstat.store.embedded import EmbeddedStore

NODES, GPUS, EVERY, HOURS = 50, 8, 10, 24
T0 = 1_700_006_400
METRIC = "wattstat_gpu_power_watts"
QUERIES = {
    "sum": f"sum({METRIC})",
    "average by node": f"avg by (node) ({METRIC})",
    "all 400 series": METRIC,
}
ROUNDS = 7


def _labels() -> list[dict[str, str]]:
    return [
        {"node": f"n{node:03d}", "gpu": str(gpu), "uuid": f"GPU-{node:03d}-{gpu}", "window": "1s"}
        for node in range(NODES)
        for gpu in range(GPUS)
    ]


def _watts() -> np.ndarray:
    """A day of power readings in milliwatts' resolution, one row a series."""
    rng = np.random.default_rng(1)
    walk = np.cumsum(rng.normal(0, 4, (NODES * GPUS, HOURS * 3600 // EVERY)), axis=1)
    return np.round(420 + 250 * np.sin(walk / 40) + rng.normal(0, 3, walk.shape), 3)


def _write_history(directory: Path, watts: np.ndarray, first: int, last: int) -> None:
    directory.mkdir()
    times = (T0 + EVERY * np.arange(first, last)) * 1000
    count = NODES * GPUS
    texts = [json.dumps(labels) for labels in _labels()]
    pq.write_table(pa.table({"id": range(count), "name": [METRIC] * count, "labels": texts}), directory / "series.parquet")
    samples = {
        "id": np.repeat(np.arange(count), len(times)),
        "time_ms": np.tile(times, count),
        "value": watts[:, first:last].ravel(),
    }
    pq.write_table(pa.table(samples), directory / "samples.parquet")


def _write_open_metrics(path: Path, watts: np.ndarray) -> None:
    with path.open("w", encoding="utf-8") as out:
        out.write(f"# TYPE {METRIC} gauge\n")
        for labels, values in zip(_labels(), watts, strict=True):
            head = f"{METRIC}{{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "} "
            out.writelines(f"{head}{value!r} {T0 + EVERY * step}\n" for step, value in enumerate(values.tolist()))
        out.write("# EOF\n")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@contextmanager
def _prometheus(directory: Path, watts: np.ndarray) -> Iterator[int | None]:
    """The port of a Prometheus with the same samples; None where it is not installed."""
    if not shutil.which("prometheus") or not shutil.which("promtool"):
        yield None
        return
    text = directory / "samples.txt"
    _write_open_metrics(text, watts)
    data = directory / "data"
    subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", text, data], check=True, capture_output=True)
    text.unlink()
    (directory / "prometheus.yml").write_text("scrape_configs: []\n", encoding="utf-8")
    port = _free_port()
    command = ["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={data}"]
    command += ["--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(lambda: _get(port, "/-/ready")[0] == 200)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _wait(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if ready():
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise TimeoutError("the server did not come up within 120 s")


async def _median(call: Callable[[], Awaitable[object]]) -> float:
    """Median duration in seconds, after one call to warm up."""
    await call()
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


@contextmanager
def _served(store: EmbeddedStore) -> Iterator[uvicorn.Server]:
    app = FastAPI()
    app.include_router(prometheus.router(store))
    yield uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=_free_port(), log_level="error", lifespan="off"))


async def _queries(store: EmbeddedStore, peer: int | None) -> list[Row]:
    rows: list[Row] = []
    with _served(store) as server:
        serving = asyncio.create_task(server.serve())
        port = server.config.port
        await asyncio.to_thread(_wait, lambda: _get(port, "/api/v1/status/buildinfo")[0] == 200)
        for name, expression in QUERIES.items():
            span = {"start": T0, "end": T0 + HOURS * 3600 - 1, "step": 60}
            path = "/api/v1/query_range?" + urllib.parse.urlencode({"query": expression, **span})
            inside = await _median(lambda e=expression: store.query_range(e, T0, T0 + HOURS * 3600 - 1, 60))  # type: ignore[misc]
            over_http = await _median(lambda p=path: asyncio.to_thread(_get, port, p))  # type: ignore[misc]
            other = None if peer is None else await _median(lambda p=path: asyncio.to_thread(_get, peer, p))  # type: ignore[misc]
            rows.append(
                Row(
                    what=f"embedded store: 24 h of 400 GPUs at 10 s, step 60 s: {name}",
                    measured=f"{inside * 1000:.0f} ms ({over_http * 1000:.0f} ms as JSON over HTTP)",
                    peer="not installed" if other is None else f"Prometheus {other * 1000:.0f} ms over HTTP",
                    reach="300 ms, no slower than Prometheus",
                    note=f"median of {ROUNDS}",
                )
            )
        server.should_exit = True
        await serving
    return rows


async def _scrapes(directory: Path) -> Row:
    """A scrape of 6,000 samples, from the body to the committed transaction."""
    names = [
        f'wattstat_series_{index % 15}{{node="n{index // 240:03d}",gpu="{index // 15 % 16}",uuid="GPU-{index}"}} '
        for index in range(6000)
    ]
    bodies = ["\n".join(f"{name}{index * 7.25 + step}" for index, name in enumerate(names)) + "\n" for step in range(5)]
    store = EmbeddedStore(directory / "scrapes.duckdb", clock=lambda: T0)
    taken: list[float] = []
    used = time.process_time()
    for step in range(100):
        began = time.perf_counter()
        await store.ingest(bodies[step % 5], (T0 + EVERY * step) * 1000, 0.01)
        taken.append(time.perf_counter() - began)
    used = time.process_time() - used
    await store.close()
    return Row(
        what="embedded store: a scrape of 6,000 samples, parsed and committed",
        measured=f"{statistics.median(taken) * 1000:.1f} ms, {used * 10:.1f} ms of CPU",
        peer="",
        reach="",
        note="100 scrapes",
    )


async def _all() -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        watts = _watts()
        store = EmbeddedStore(directory / "history.duckdb", clock=lambda: T0 + HOURS * 3600)
        taken = 0.0
        # Two hours at a time, as scrapes are sorted.
        each = 2 * 3600 // EVERY
        for run in range(HOURS // 2):
            part = directory / f"part{run}"
            _write_history(part, watts, run * each, (run + 1) * each)
            began = time.perf_counter()
            await store.import_history(part)
            taken += time.perf_counter() - began
        size = (directory / "history.duckdb").stat().st_size / watts.size
        with _prometheus(directory, watts) as peer:
            rows = await _queries(store, peer)
        await store.close()
        imported = Row(
            what="embedded store: import of 3.5 million samples",
            measured=f"{taken:.1f} s, {size:.1f} bytes a sample",
            peer="",
            reach="",
            note="",
        )
        return [*rows, await _scrapes(directory), imported]


def run() -> list[Row]:
    """The rows of this benchmark."""
    return asyncio.run(_all())
