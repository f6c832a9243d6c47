"""From a scraped body to what queries see."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from aiohttp import ClientSession, web

from wattstat.store.embedded import EmbeddedStore
from wattstat.store.scraper import Scraper
from wattstat.store.text_format import ExpositionError

BODY = (
    '# HELP watts Power.\n# TYPE watts gauge\nwatts{node="n1",gpu="0"} 412.5\nwatts{node="n1",gpu="1"} 80\njoules_total 1e9\n'
)
T0 = 1_700_000_000


@pytest.fixture
async def store(tmp_path):
    labels = (("instance", "core"), ("job", "wattstat"))
    opened = EmbeddedStore(tmp_path / "history.duckdb", target_labels=labels, clock=lambda: T0)
    yield opened
    await opened.close()


async def vector(store: EmbeddedStore, expression: str, at: float) -> dict[tuple, float]:
    """An instant query's answer by labels, those of the target left out."""
    answer = await store.query(expression, at)
    own = {"instance", "job"}
    return {tuple(sorted(i for i in s.labels.items() if i[0] not in own)): s.values[0] for s in answer.series}


async def test_a_scraped_sample_can_be_asked_for(store):
    await store.ingest(BODY, T0 * 1000, 0.02)
    assert await vector(store, 'watts{gpu="0"}', T0 + 1) == {(("__name__", "watts"), ("gpu", "0"), ("node", "n1")): 412.5}
    assert await vector(store, "sum by (node) (watts)", T0 + 1) == {(("node", "n1"),): 492.5}


async def test_a_scrape_writes_up_and_its_duration_with_the_targets_labels(store):
    await store.ingest(BODY, T0 * 1000, 0.02)
    answer = await store.query("up", T0)
    assert [(dict(s.labels), list(s.values)) for s in answer.series] == [
        ({"__name__": "up", "instance": "core", "job": "wattstat"}, [1.0])
    ]
    assert await vector(store, "scrape_duration_seconds", T0) == {(("__name__", "scrape_duration_seconds"),): 0.02}
    assert await vector(store, "scrape_samples_scraped", T0) == {(("__name__", "scrape_samples_scraped"),): 3}


async def test_a_series_that_disappears_ends_at_once(store):
    await store.ingest(BODY, T0 * 1000, 0.02)
    await store.ingest(BODY.replace('watts{node="n1",gpu="1"} 80\n', ""), (T0 + 10) * 1000, 0.02)
    assert await vector(store, "count(watts)", T0 + 9) == {(): 2}
    assert await vector(store, "count(watts)", T0 + 10) == {(): 1}


async def test_a_failed_scrape_ends_all_series_and_up_is_zero(store):
    await store.ingest(BODY, T0 * 1000, 0.02)
    await store.ingest(None, (T0 + 10) * 1000, 10)
    assert await vector(store, "watts or joules_total", T0 + 10) == {}
    assert await vector(store, "up", T0 + 10) == {(("__name__", "up"),): 0}
    await store.ingest(BODY, (T0 + 20) * 1000, 0.02)
    assert await vector(store, "count(watts)", T0 + 20) == {(): 2}


async def test_what_was_written_is_there_after_a_restart(store, tmp_path):
    await store.ingest(BODY, T0 * 1000, 0.02)
    await store.close()
    again = EmbeddedStore(tmp_path / "history.duckdb", clock=lambda: T0)
    try:
        assert await vector(again, "sum(watts)", T0 + 1) == {(): 492.5}
        await again.ingest('new_one{x="y"} 3\n', (T0 + 10) * 1000, 0.02)
        assert await vector(again, "new_one", T0 + 11) == {(("__name__", "new_one"), ("x", "y")): 3}
        assert await vector(again, "sum(watts)", T0 + 11) == {(): 492.5}
    finally:
        await again.close()


async def test_sorting_changes_no_answer(store):
    for step in range(30):
        await store.ingest(BODY.replace("412.5", str(step)), (T0 + 10 * step) * 1000, 0.02)
        if step in {9, 19}:
            await store.compact()
    answer = await store.query_range('watts{gpu="0"}', T0, T0 + 290, 10)
    assert [list(series.values) for series in answer.series] == [list(range(30))]


async def test_a_body_that_is_no_exposition_is_refused_with_its_line(store):
    with pytest.raises(ExpositionError, match=r"<html>"):
        await store.ingest("<html>\n", T0 * 1000, 0.02)
    await store.ingest(BODY, (T0 + 10) * 1000, 0.02)
    assert await vector(store, "count(watts)", T0 + 10) == {(): 2}


async def test_series_that_a_refused_body_brought_are_not_lost(store, tmp_path):
    with pytest.raises(ExpositionError):
        await store.ingest("fresh 1\nbroken{ 2\n", T0 * 1000, 0.02)
    await store.ingest("fresh 2\n", (T0 + 10) * 1000, 0.02)
    await store.close()
    again = EmbeddedStore(tmp_path / "history.duckdb", clock=lambda: T0)
    try:
        assert await vector(again, "fresh", T0 + 10) == {(("__name__", "fresh"),): 2}
    finally:
        await again.close()


async def test_a_line_with_its_own_time_keeps_it_and_never_ends(store):
    await store.ingest(f"slow 7 {(T0 - 30) * 1000}\n", T0 * 1000, 0.02)
    await store.ingest("", (T0 + 10) * 1000, 0.02)
    assert await vector(store, "slow", T0 - 31) == {}
    assert await vector(store, "timestamp(slow)", T0 + 20) == {(): T0 - 30}


async def test_a_scraped_job_label_is_kept_under_another_name(store):
    await store.ingest('watts{job="training"} 3\n', T0 * 1000, 0.02)
    answer = await store.query("watts", T0)
    assert answer.series[0].labels["exported_job"] == "training"
    assert answer.series[0].labels["job"] == "wattstat"


async def test_the_scraper_writes_success_and_failure(store):
    status = 200

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=BODY, status=status)

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    scraper = Scraper(store, f"http://127.0.0.1:{port}/metrics", every_seconds=10, clock=lambda: T0 + 0.05)
    try:
        async with ClientSession() as session:
            await scraper.scrape(session, T0)
            assert await vector(store, "count(watts)", T0) == {(): 2}
            status = 503
            await scraper.scrape(session, T0 + 10)
            assert await vector(store, "up", T0 + 0.05) == {(("__name__", "up"),): 0}
    finally:
        await runner.cleanup()


async def test_the_scraper_keeps_its_interval_and_stops_when_cancelled():
    written: list[int] = []
    enough = asyncio.Event()

    class Sink:
        async def ingest(self, body: str | None, time_ms: int, duration_seconds: float) -> None:
            assert body is None, "nobody listens there"
            assert duration_seconds >= 0
            written.append(time_ms)
            if len(written) == 3:
                enough.set()

    task = asyncio.create_task(Scraper(Sink(), "http://127.0.0.1:9/metrics", every_seconds=0.2).run())
    await asyncio.wait_for(enough.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # A late start on a busy machine carries its true time, so only the order is certain.
    assert all(later > earlier for earlier, later in itertools.pairwise(written))
