"""Long ranges, retention, imports."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wattstat.promql.raw import STALE, is_stale
from wattstat.store.embedded import EmbeddedStore, Keep
from wattstat.store.protocol import StoreError

T0 = 1_700_006_400
DAY = 86_400
EVERY = 30


def write_history(directory, *, days: float, begin: float = T0, nodes: int = 2) -> np.ndarray:
    """A gauge that swings and a counter that climbs by 1 W, on each node."""
    directory.mkdir()
    count = int(days * DAY / EVERY)
    times = (begin + EVERY * np.arange(count)).astype(np.int64) * 1000
    swing = 500 + 100 * np.sin(np.arange(count) / 20)
    series = [(name, {"node": f"n{node}"}) for name in ("watts", "joules_total") for node in range(nodes)]
    table = pa.table(
        {
            "id": [7 + 3 * i for i in range(len(series))],
            "name": [s[0] for s in series],
            "labels": [json.dumps(s[1]) for s in series],
        }
    )
    pq.write_table(table, directory / "series.parquet")
    columns = [swing if name == "watts" else (times / 1000 - T0) for name, _ in series]
    ids = np.repeat([7 + 3 * i for i in range(len(series))], count)
    samples = pa.table({"id": ids, "time_ms": np.tile(times, len(series)), "value": np.concatenate(columns)})
    pq.write_table(samples, directory / "samples.parquet")
    return swing


def opened(path, *, now: float, **given) -> EmbeddedStore:
    return EmbeddedStore(path / "history.duckdb", clock=lambda: now, **given)


async def values(store, expression: str, *span: float) -> list[float]:
    """The only series of a range query."""
    answer = await store.query_range(expression, *span)
    assert len(answer.series) == 1, [dict(series.labels) for series in answer.series]
    return list(answer.series[0].values)


async def test_an_imported_history_answers_like_scraped_samples(tmp_path):
    write_history(tmp_path / "in", days=0.1)
    store = opened(tmp_path, now=T0 + DAY, target_labels=(("job", "wattstat"),))
    try:
        assert await store.import_history(tmp_path / "in") == 4 * 288
        assert await values(store, 'joules_total{node="n0",job="wattstat"}', T0, T0 + 90, 30) == [0, 30, 60, 90]
        await store.ingest('joules_total{node="n0"} 8640\n', (T0 + 8640) * 1000, 0.1)
        assert await values(store, 'increase(joules_total{node="n0"}[10m])', T0 + 8640, T0 + 8640, 1) == [pytest.approx(600)]
    finally:
        await store.close()


async def test_importing_twice_doubles_nothing(tmp_path):
    write_history(tmp_path / "in", days=0.1)
    store = opened(tmp_path, now=T0 + DAY)
    try:
        await store.import_history(tmp_path / "in")
        await store.import_history(tmp_path / "in")
        assert await values(store, 'count_over_time(watts{node="n1"}[1h])', T0 + 3600, T0 + 3600, 1) == [121]
    finally:
        await store.close()


async def test_a_directory_without_a_history_says_what_is_missing(tmp_path):
    store = opened(tmp_path, now=T0)
    try:
        with pytest.raises(StoreError, match=r"series\.parquet"):
            await store.import_history(tmp_path / "nowhere")
    finally:
        await store.close()


async def test_a_long_range_from_steps_is_what_the_samples_say(tmp_path):
    swing = write_history(tmp_path / "in", days=5)
    store = opened(tmp_path, now=T0 + 5 * DAY)
    selector = 'watts{node="n0"}'
    span = (T0 + DAY, T0 + 5 * DAY - 1, 3600)
    try:
        await store.import_history(tmp_path / "in")
        hour = 3600 // EVERY
        ends = [int((time - T0) // EVERY) for time in range(*map(int, span))]
        windows = [swing[max(end - hour, 0) : end + 1] for end in ends]
        for function, exact in (("max", np.max), ("min", np.min), ("avg", np.mean), ("sum", np.sum), ("count", len)):
            got = await values(store, f"{function}_over_time({selector}[1h])", *span)
            # The window's ends fall between steps: at most one five-minute step too few or too many.
            assert got == pytest.approx([exact(window) for window in windows], rel=0.11)
        assert await values(store, 'rate(joules_total{node="n0"}[1h])', *span) == pytest.approx([1.0] * len(ends))
        newest = await values(store, 'joules_total{node="n0"}', *span)
        assert all(0 <= time - T0 - value <= 300 for time, value in zip(range(*map(int, span)), newest, strict=True))
    finally:
        await store.close()


async def test_old_samples_go_but_their_steps_answer(tmp_path):
    write_history(tmp_path / "in", days=3)
    store = opened(tmp_path, now=T0 + 3 * DAY, keep=Keep(samples_days=1, coarse_days=10))
    try:
        await store.import_history(tmp_path / "in")
        await store.compact()
        oldest = store._database.connection.execute("SELECT min(time_ms) FROM samples").fetchone()
        assert oldest == ((T0 + 2 * DAY) * 1000,)
        counter = 'joules_total{node="n0"}'
        # Across the border between steps and samples.
        got = await values(store, counter, T0 + 2 * DAY - 3600, T0 + 2 * DAY + 3600, 60)
        assert len(got) == 121
        assert got == sorted(got)
        assert await values(store, f"increase({counter}[2d])", T0 + 3 * DAY - 60, T0 + 3 * DAY - 60, 1) == [
            pytest.approx(2 * DAY)
        ]
    finally:
        await store.close()


async def test_series_without_anything_kept_are_forgotten(tmp_path):
    write_history(tmp_path / "in", days=0.5)
    now = T0 + 0.5 * DAY
    store = EmbeddedStore(tmp_path / "history.duckdb", keep=Keep(samples_days=1, coarse_days=2), clock=lambda: now)
    try:
        await store.import_history(tmp_path / "in")
        now = T0 + 3 * DAY
        await store.ingest("fresh 1\n", int(now) * 1000, 0.1)
        await store.compact()
        assert await store.label_values("__name__", ['{__name__=~"fresh|watts|joules.*"}']) == ["fresh"]
        await store.ingest("fresh 1\njoules_total{node='n0'} 5\n".replace("'", '"'), int(now + 10) * 1000, 0.1)
        answer = await store.query("joules_total", now + 10)
        assert [list(series.values) for series in answer.series] == [[5.0]]
    finally:
        await store.close()


async def test_the_steps_keep_staleness_markers(tmp_path):
    store = opened(tmp_path, now=T0 + 4000)
    try:
        await store.ingest("watts 5\n", T0 * 1000, 0.1)
        await store.ingest("", (T0 + 10) * 1000, 0.1)
        await store.compact()
        stored = store._database.connection.execute(
            "SELECT last, samples FROM coarse JOIN series USING (id) WHERE labels LIKE '%watts%'"
        )
        [(last, samples)] = stored.fetchall()
        assert samples == 1
        assert is_stale(np.array([last]))[0] == is_stale(np.array([STALE]))[0]
        assert not (await store.query("watts", T0 + 20)).series
    finally:
        await store.close()
