"""The dead-man's switch: called while evaluation and delivery work, silent when either is stuck."""

import asyncio
import json
from zoneinfo import ZoneInfo

import pytest

from alerts.delivery import alive
from alerts.delivery.delivery import Delivery
from alerts.model import Notice
from tests.support.receivers import webhook
from wattstat.config.alerts import Alerts

WATCHDOG = Notice(labels={"alertname": "Watchdog", "severity": "none"}, annotations={}, starts_at=0.0)
OTHER = Notice(labels={"alertname": "GpuLost", "severity": "critical"}, annotations={}, starts_at=0.0)


class Beating:
    """A delivery whose heart is a real web service, and a clock moved by hand."""

    def __init__(self, folder, hook, monkeypatch):
        self.now, self.hook, self.folder = 1_800_000_000.0, hook, folder
        monkeypatch.setenv("HEART", f"http://127.0.0.1:{hook.port}/heart")
        settings = Alerts.model_validate({"heartbeat": {"url": {"env": "HEART"}, "every_seconds": 60}})
        path = folder / "alerts.sqlite"
        self.delivery = Delivery(settings, credentials={}, path=path, clock=lambda: self.now, zone=ZoneInfo("UTC"))
        self.stop = asyncio.Event()

    async def __aenter__(self):
        self.task = asyncio.ensure_future(self.delivery.run(self.stop))
        return self

    async def __aexit__(self, *_):
        self.stop.set()
        await self.task
        await self.delivery.close()

    async def beats(self, *, after, tell=None, at_least=0):
        """How many calls came when so much time has passed and this was told; those that must come are waited for."""
        before = self.hook.asked
        self.now += after
        if tell is None:
            self.delivery._loops.wake()
        else:
            await self.delivery.tell(tell, self.now)
        quiet, seen = 0, -1
        async with asyncio.timeout(30):
            while quiet < 10 or self.hook.asked - before < at_least:
                await asyncio.sleep(0.005)
                quiet, seen = (quiet + 1 if seen == self.hook.asked else 0), self.hook.asked
        return self.hook.asked - before


@pytest.fixture
async def beating(tmp_path, monkeypatch):
    with webhook() as hook:
        async with Beating(tmp_path, hook, monkeypatch) as made:
            yield made


async def test_it_beats_while_the_watchdog_is_told_of_and_stops_when_evaluation_is_stuck(beating):
    assert await beating.beats(after=61) == 0, "nothing was evaluated yet"
    assert await beating.beats(after=61, tell=[WATCHDOG], at_least=1) == 1
    assert await beating.beats(after=30, tell=[WATCHDOG]) == 0
    assert await beating.beats(after=31, tell=[WATCHDOG], at_least=1) == 1
    assert beating.delivery.status().heartbeat_at == beating.now
    assert await beating.beats(after=179, at_least=1) == 1
    assert await beating.beats(after=61) == 0
    assert await beating.beats(after=600, tell=[OTHER]) == 0, "other groups go on, that of the watchdog does not"
    assert "rules have not been evaluated for" in beating.delivery.status().problem
    assert await beating.beats(after=61, tell=[WATCHDOG], at_least=1) == 1


async def test_a_receiver_that_is_not_reached_for_long_stops_it_too(tmp_path, monkeypatch):
    with webhook() as hook, webhook() as pager:
        pager.status = 500
        beating = Beating(tmp_path, hook, monkeypatch)
        monkeypatch.setenv("PAGER", pager.url)
        settings = Alerts.model_validate(
            {"heartbeat": {"url": {"env": "HEART"}}, "receivers": {"pager": {"urls": [{"env": "PAGER"}]}}}
        )
        await beating.delivery.close()
        path = tmp_path / "alerts.sqlite"
        beating.delivery = Delivery(settings, credentials={}, path=path, clock=lambda: beating.now, zone=ZoneInfo("UTC"))
        async with beating:
            assert await beating.beats(after=61, tell=[WATCHDOG, OTHER], at_least=1) == 1
            assert await beating.beats(after=61, tell=[WATCHDOG, OTHER], at_least=1) == 1
            for _ in range(20):
                last = await beating.beats(after=61, tell=[WATCHDOG, OTHER])
            assert last == 0
            pager.status = 200
            await beating.beats(after=301, tell=[WATCHDOG, OTHER])
            assert await beating.beats(after=61, tell=[WATCHDOG, OTHER], at_least=1) == 1


async def test_a_switch_that_does_not_answer_is_no_heartbeat(beating):
    beating.hook.status = 503
    assert await beating.beats(after=61, tell=[WATCHDOG], at_least=1) == 1
    assert beating.delivery.status().heartbeat_at is None


async def test_the_file_of_life_says_what_the_supervisor_has_to_know(beating):
    path = alive.path_beside(beating.folder / "alerts.sqlite")
    await beating.beats(after=11)
    assert json.loads(path.read_text()) == {"at": beating.now, "problem": "rules have not been evaluated yet"}
    await beating.beats(after=1, tell=[WATCHDOG])
    await beating.beats(after=11)
    assert alive.problem(path, beating.now) == ""
    await beating.beats(after=200)
    assert "rules have not been evaluated for" in alive.problem(path, beating.now)
    assert "dead or stuck" in alive.problem(path, beating.now + 121)


async def test_where_nothing_fires_and_no_watchdog_is_evaluated_here_it_beats_all_the_same(beating):
    assert await beating.beats(after=61, tell=[]) == 0
    assert beating.delivery.status().problem == ""
    assert await beating.beats(after=1, at_least=1) == 1
    assert await beating.beats(after=241) == 0, "nobody evaluates any more"
