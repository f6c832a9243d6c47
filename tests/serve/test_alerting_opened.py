"""The room of alerts as the web process opens it: whose evaluation keeps the heart beating, what its metrics are called."""

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from tests.support.receivers import webhook
from wattstat.api.live import CoreUnavailable
from wattstat.config import Config
from wattstat.serve.alerting import open_room
from wattstat.store.embedded import EmbeddedStore
from wattstat.store.remote import RemoteStore


class NoCore:
    async def inventory(self):
        raise CoreUnavailable("core is away")


class Evaluates(RemoteStore):
    """A Prometheus that answers no query, and whose rules are those of the test."""

    def __init__(self, config, evaluated_at):
        super().__init__(config.store.prometheus.url)
        self._evaluated_at = evaluated_at

    async def rule_groups(self):
        told = {"labels": {"alertname": "Watchdog"}, "state": "firing", "activeAt": "2026-11-23T08:00:00Z"}
        rules = [{"name": "Watchdog", "type": "alerting", "alerts": [told]}]
        return [{"name": "a", "lastEvaluation": datetime.fromtimestamp(self._evaluated_at, UTC).isoformat(), "rules": rules}]


@asynccontextmanager
async def at_work(room):
    stop = asyncio.Event()
    working = asyncio.ensure_future(room.run(stop))
    try:
        yield
    finally:
        stop.set()
        await working
        await room.close()


async def until(look):
    async with asyncio.timeout(20):
        while not (found := await look()):
            await asyncio.sleep(0.02)
    return found


async def test_without_findings_the_heart_beats_for_as_long_as_the_prometheus_evaluates(tmp_path, monkeypatch):
    async def beats(evaluated_at):
        with webhook() as heart:
            monkeypatch.setenv("HEART", f"http://127.0.0.1:{heart.port}/")
            config = Config.model_validate(
                {
                    "data_dir": str(tmp_path),
                    "store": {"prometheus": {"url": "http://127.0.0.1:9"}},
                    "alerts": {"findings": False, "heartbeat": {"url": {"env": "HEART"}}},
                }
            )
            store = Evaluates(config, evaluated_at)
            room = open_room(config, store, NoCore())
            async with at_work(room):

                async def is_known():
                    problem = room._delivery.problem()
                    return "yet" not in problem and (bool(problem) or heart.asked)

                await until(is_known)
            await store.close()
            return heart.asked, room._delivery.problem()

    now = time.time()
    assert await beats(now) == (1, "")
    asked, problem = await beats(now - 600)
    assert asked == 0
    assert "rules have not been evaluated for 6" in problem


async def test_its_own_metrics_stand_in_the_history_as_a_prometheus_would_scrape_them(tmp_path):
    config = Config.model_validate(
        {
            "data_dir": str(tmp_path),
            "store": {"embedded": {"scrape_seconds": 1}},
            "web": {"listen": "127.0.0.1:8050"},
            "alerts": {"findings": False},
        }
    )
    store = EmbeddedStore(tmp_path / "history.duckdb")
    async with at_work(open_room(config, store, NoCore())):

        async def recorded():
            return (await store.query('wattstat_alert_group_interval_seconds{group="wattstat-gpu"}')).series

        (series,) = await until(recorded)
    await store.close()

    assert dict(series.labels) == {
        "__name__": "wattstat_alert_group_interval_seconds", "group": "wattstat-gpu", "job": "wattstat-web",
        "instance": "127.0.0.1:8050",
    }  # fmt: skip
