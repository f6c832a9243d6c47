"""One message, one alert, one loop that fails for a reason that nobody foresaw: the others go on, and it is told."""

import asyncio
import threading
import time
from contextlib import asynccontextmanager
from zoneinfo import ZoneInfo

import pytest

from alerts.alone import Alone
from alerts.delivery import apprise_sender
from alerts.delivery.apprise_sender import NotSent
from alerts.delivery.delivery import Delivery
from alerts.delivery.message import Impact, Message
from alerts.model import Notice
from tests.support.alertmanager import alertmanager
from wattstat.config.alerts import Alerts

ROUTING = """
route: {receiver: pager, group_by: [alertname], group_wait: 10s, group_interval: 1m, repeat_interval: 1d}
receivers: [{name: pager}]
"""


def notice(name, *, ends_at=None, **labels):
    return Notice(
        labels={"alertname": name, "severity": "critical", **labels}, annotations={"summary": "Bad."}, starts_at=0.0,
        ends_at=ends_at,
    )  # fmt: skip


class Site:
    """Delivery to one pager, with a clock moved by hand and a service that can be made to misbehave."""

    def __init__(self, folder, monkeypatch, **more):
        monkeypatch.setenv("PAGER", "json://nowhere/")
        (folder / "routing.yml").write_text(ROUTING)
        self.now, self.got, self.refuses = 1_800_000_000.0, [], lambda _message: None
        settings = {"receivers": {"pager": {"urls": [{"env": "PAGER"}]}}, "routing": str(folder / "routing.yml")}
        self.delivery = Delivery(
            Alerts.model_validate(settings), credentials={}, path=folder / "alerts.sqlite", clock=lambda: self.now,
            zone=ZoneInfo("UTC"), sender=self.send, **more,
        )  # fmt: skip

    async def send(self, _url, message):
        self.refuses(message)
        self.got.append(message.subject)

    @asynccontextmanager
    async def running(self):
        stop = asyncio.Event()
        task = asyncio.ensure_future(self.delivery.run(stop))
        try:
            yield self.delivery
        finally:
            stop.set()
            await task
            await self.delivery.close()

    async def minutes(self, count, *notices):
        for _ in range(count * 6):
            self.now += 10
            await self.delivery.tell(notices, self.now)
            for _ in range(6):
                await asyncio.sleep(0.002)


async def test_a_message_that_the_service_never_takes_lets_the_others_by_and_is_said_in_plain_words(tmp_path, monkeypatch):
    site = Site(tmp_path, monkeypatch)

    def refuses(message):
        if message.subject.startswith("[CRIT] Poison gpu-1"):
            raise NotSent("400 Bad Request")

    site.refuses = refuses
    async with site.running():
        await site.minutes(3, notice("Poison", node="gpu-1"))
        assert site.got == []
        await site.minutes(8, notice("Poison", node="gpu-1"), notice("GpuLost", node="gpu-2"))

    assert site.got == ["[CRIT] GpuLost gpu-2", "[CRIT] Poison: 1 alert, look at Wattstat"]


async def test_a_service_that_was_away_gets_the_words_themselves(tmp_path, monkeypatch):
    site = Site(tmp_path, monkeypatch)

    def refuses(_message):
        raise NotSent("503")

    site.refuses = refuses
    async with site.running():
        await site.minutes(20, notice("GpuLost", node="gpu-2"), notice("FanFailed", node="gpu-1"))
        site.refuses = lambda _message: None
        await site.minutes(6, notice("GpuLost", node="gpu-2"), notice("FanFailed", node="gpu-1"))

    assert sorted(site.got) == ["[CRIT] FanFailed gpu-1", "[CRIT] GpuLost gpu-2"]


async def test_words_that_cannot_be_written_are_said_plainly(tmp_path, monkeypatch):
    async def impacts(labels):
        if any(each["alertname"] == "Poison" for each in labels):
            raise RuntimeError("a job without an end")
        return [Impact()] * len(labels)

    site = Site(tmp_path, monkeypatch, impacts=impacts)
    async with site.running():
        await site.minutes(2, notice("Poison", node="gpu-1"), notice("GpuLost", node="gpu-2"))

    assert sorted(site.got) == ["[CRIT] GpuLost gpu-2", "[CRIT] Poison: 1 alert, look at Wattstat"]


async def test_code_of_a_service_that_fails_is_tried_again(tmp_path, monkeypatch):
    alone = Alone(clock=time.time)
    site = Site(tmp_path, monkeypatch, alone=alone)

    def refuses(_message):
        raise AttributeError("NoneType has no attribute text")

    site.refuses = refuses
    async with site.running():
        await site.minutes(2, notice("GpuLost", node="gpu-2"))
        assert "AttributeError" in alone.troubles()["sending: pager"]
        assert "failed" in site.delivery.status().failing["pager"]
        site.refuses = lambda _message: None
        await site.minutes(5, notice("GpuLost", node="gpu-2"))

    assert site.got == ["[CRIT] GpuLost gpu-2"]
    assert alone.failures["sending"] > 1
    assert alone.troubles() == {}


async def test_an_alert_that_cannot_be_taken_over_costs_only_itself(tmp_path, monkeypatch):
    def rack_of(device):
        if device.name == "gpu-1":
            raise KeyError(device.name)
        return "r1"

    alone = Alone(clock=time.time)
    site = Site(tmp_path, monkeypatch, rack_of=rack_of, alone=alone)
    async with site.running():
        await site.minutes(2, notice("Poison", node="gpu-1"), notice("GpuLost", node="gpu-2"))

    assert site.got == ["[CRIT] GpuLost gpu-2 (rack r1)"]
    assert "KeyError" in alone.troubles()["taking over: Poison"]


async def test_a_label_that_is_half_a_character_keeps_no_other_alert_off_the_disk(tmp_path, monkeypatch):
    site = Site(tmp_path, monkeypatch)
    async with site.running() as delivery:
        await site.minutes(2, notice("Half\ud83d", node="gpu-1"), notice("GpuLost", node="gpu-2"))
        assert delivery.status().problem == ""

    site = Site(tmp_path, monkeypatch)
    async with site.running():
        await site.minutes(2, notice("GpuLost", node="gpu-2"))
    assert site.got == [], "it is on disk that this was told"


async def test_a_loop_that_fails_is_left_alone_and_begun_again(tmp_path, monkeypatch):
    alone = Alone(clock=time.time)
    site = Site(tmp_path, monkeypatch, alone=alone)
    real, is_broken = site.delivery._board.due, [True]

    def due(now):
        if is_broken[0]:
            raise RuntimeError("no such state")
        return real(now)

    async with site.running():
        site.delivery._board.due = due
        site.delivery._loops.wake()
        async with asyncio.timeout(20):
            while "delivery: deciding who is told" not in alone.troubles():
                await asyncio.sleep(0.01)
        is_broken[0] = False
        alone._troubles.clear()
        await site.minutes(2, notice("GpuLost", node="gpu-2"))

    assert site.got == ["[CRIT] GpuLost gpu-2"]


def test_what_fails_for_long_is_a_reason_not_to_beat():
    clock = [1000.0]
    alone = Alone(clock=lambda: clock[0])
    for _ in range(3):
        with alone.trying("delivery", "telling pager"):
            raise RuntimeError("no such state")
        clock[0] += 10

    assert alone.since() == (1000.0, "delivery fails: RuntimeError: no such state")
    assert alone.next_at("delivery", "telling pager") == 1020.0 + 20.0
    with alone.trying("delivery", "telling pager"):
        pass
    assert alone.since() is None


async def test_a_bug_in_a_service_is_heard_of_at_once(monkeypatch):
    def broken(_url, _message):
        raise TypeError("a plugin")

    traced = []
    monkeypatch.setattr(threading, "excepthook", traced.append)
    monkeypatch.setattr(apprise_sender, "send_now", broken)
    with pytest.raises(NotSent, match="log has the trace"):
        await asyncio.wait_for(
            apprise_sender.send("json://x/", Message(subject="a", body="b", severity="info", is_over=False)), 10
        )
    async with asyncio.timeout(10):
        while not traced:
            await asyncio.sleep(0.01)
    assert traced[0].exc_type is TypeError


@pytest.mark.debian
async def test_an_alert_that_alertmanager_refuses_costs_only_itself_and_is_told_plainly(tmp_path):
    (tmp_path / "alertmanager.yml").write_text("route: {receiver: a}\nreceivers: [{name: a}]\n")
    with alertmanager(tmp_path, tmp_path / "alertmanager.yml") as url:
        settings = Alerts.model_validate({"alertmanagers": [{"url": url}]})
        path = tmp_path / "a.sqlite"
        delivery = Delivery(settings, credentials={}, path=path, clock=time.time, zone=ZoneInfo("UTC"))
        good = [notice("GpuLost", node=f"gpu-{number}") for number in range(9)]
        await delivery.tell([*good, notice("Poison", **{"bad-name": "x", "node": "gpu-77"})], time.time())
        stop = asyncio.Event()
        task = asyncio.ensure_future(delivery.run(stop))
        async with asyncio.timeout(30):
            while delivery.status().queue[url]:
                await asyncio.sleep(0.02)
        seen = {dict(labels)["node"]: dict(labels) for labels in await delivery._posters[0].client.alerts()}
        stop.set()
        await task
        assert delivery.status().failing == {}
        await delivery.close()

    assert len(seen) == 10
    assert seen["gpu-77"] == {"alertname": "Poison", "severity": "critical", "node": "gpu-77"}
