"""Writers and readers at once, and what a query may cost."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from wattstat import promql
from wattstat.promql import evaluator
from wattstat.store import reading
from wattstat.store.embedded import EmbeddedStore
from wattstat.store.protocol import QueryError

T0 = 1_700_006_400


@pytest.fixture
async def store(tmp_path):
    opened = EmbeddedStore(tmp_path / "history.duckdb", clock=lambda: T0)
    yield opened
    await opened.close()


def body(number: int) -> str:
    return "".join(f'watts{{gpu="{gpu}"}} {number}\n' for gpu in range(50)) + f'churn{{scrape="{number}"}} 1\n'


async def test_queries_see_whole_scrapes_while_others_are_written_and_sorted(store):
    written = 0

    async def write() -> None:
        nonlocal written
        for number in range(60):
            await store.ingest(body(number), (T0 + 10 * number) * 1000, 0.01)
            written = number
            if number % 7 == 0:
                await store.compact()

    async def read(expression: str) -> None:
        while written < 59:
            known = written
            answer = await store.query_range(expression, T0, T0 + 10 * known, 10)
            assert [list(series.values) for series in answer.series] in ([[50.0] * (known + 1)], [])
            assert await store.label_values("gpu", ["watts"]) in ([], sorted(map(str, range(50))))

    await asyncio.gather(write(), read("count(watts)"), read("count(watts > -1)"))
    assert written == 59


async def test_the_event_loop_stays_free_while_a_query_runs(store):
    for number in range(50):
        await store.ingest(body(number), (T0 + 10 * number) * 1000, 0.01)
    turns = 0
    query = asyncio.ensure_future(store.query_range("quantile_over_time(0.9, watts[5m])", T0, T0 + 5000, 1))
    while not query.done():
        turns += 1
        await asyncio.sleep(0)
    assert len((await query).series) == 50
    assert turns > 20


async def test_a_query_that_would_fill_the_memory_is_refused(store, monkeypatch):
    await store.ingest(body(0), T0 * 1000, 0.01)
    monkeypatch.setattr(evaluator, "MAX_ELEMENTS", 1000)
    with pytest.raises(QueryError, match="too many samples") as caught:
        await store.query_range("watts", T0, T0 + 1000, 1)
    assert caught.value.kind == "execution"


async def test_a_selector_of_too_many_samples_is_refused_and_one_of_few_is_not(store, monkeypatch):
    for number in range(5):
        await store.ingest(body(number), (T0 + 10 * number) * 1000, 0.01)
    monkeypatch.setattr(reading, "MAX_SAMPLES", 200)
    assert (await store.query('count_over_time(watts{gpu="1"}[30d])', T0 + 60)).series[0].values[0] == 5
    with pytest.raises(QueryError, match="a selector takes 250, 200 are allowed"):
        await store.query("count_over_time(watts[30d])", T0 + 60)


class Slow:
    """A source that takes its time."""

    def select(self, *_: object) -> promql.Raw:
        time.sleep(0.02)
        return promql.Raw(labels=(), offsets=np.zeros(1, np.int64), times=np.zeros(0, np.int64), values=np.zeros(0))


def test_a_query_beyond_its_time_ends():
    with pytest.raises(promql.PromqlError, match="timed out") as caught:
        promql.instant_query(Slow(), "a + b", 0, deadline=time.monotonic() + 0.01)
    assert caught.value.kind == "timeout"
