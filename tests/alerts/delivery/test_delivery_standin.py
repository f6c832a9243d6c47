"""While no Alertmanager takes anything, our own receivers are told of critical alerts, and not of anything else."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from alerts.delivery.delivery import Delivery
from alerts.model import Notice
from tests.support.receivers import webhook
from wattstat.config.alerts import Alerts

BEGIN = datetime(2026, 11, 23, 14, 2, tzinfo=UTC).timestamp()
ROUTING = """
route: {receiver: elsewhere, group_by: [alertname], group_wait: 10s, group_interval: 1m, repeat_interval: 1d}
receivers: [{name: elsewhere}]
"""


class Site:
    """An Alertmanager that can be made to refuse, a pager, and a clock moved by hand."""

    def __init__(self, folder, monkeypatch, there, **more):
        monkeypatch.setenv("PAGER", "json://nowhere/")
        (folder / "routing.yml").write_text(ROUTING)
        self.there, self.now, self.got = there, BEGIN, []
        self.settings = Alerts.model_validate(
            {
                "alertmanagers": [{"url": f"http://127.0.0.1:{there.port}"}],
                "receivers": {"pager": {"urls": [{"env": "PAGER"}]}},
                "routing": str(folder / "routing.yml"),
                **more,
            }
        )
        self.path = folder / "alerts.sqlite"
        self.firing = {}

    async def send(self, _url, message):
        self.got.append(message)

    @property
    def subjects(self):
        return [each.subject for each in self.got]

    @asynccontextmanager
    async def running(self):
        self.delivery = Delivery(
            self.settings, credentials={}, path=self.path, clock=lambda: self.now, zone=ZoneInfo("UTC"), sender=self.send
        )
        stop = asyncio.Event()
        task = asyncio.ensure_future(self.delivery.run(stop))
        try:
            yield self.delivery
        finally:
            stop.set()
            await task
            await self.delivery.close()

    def fires(self, name, severity="critical", node="gpu-1"):
        labels = {"alertname": name, "severity": severity, "node": node}
        self.firing[name] = Notice(labels=labels, annotations={"summary": "Bad."}, starts_at=self.now)

    async def ends(self, name):
        gone = self.firing.pop(name)
        await self.delivery.tell(
            [Notice(labels=gone.labels, annotations={}, starts_at=gone.starts_at, ends_at=self.now)], self.now
        )

    async def pass_minutes(self, count):
        for _ in range(count * 4):
            self.now += 15
            await self.delivery.tell(list(self.firing.values()), self.now)
            for _ in range(8):
                await asyncio.sleep(0.003)


@pytest.fixture
def there():
    with webhook() as hook:
        yield hook


async def until(look):
    async with asyncio.timeout(20):
        while not look():
            await asyncio.sleep(0.01)


async def test_critical_alerts_are_told_by_our_receivers_while_alertmanager_takes_nothing(tmp_path, monkeypatch, there):
    there.status = 503
    site = Site(tmp_path, monkeypatch, there)
    async with site.running():
        site.fires("GpuLost")
        site.fires("FanFailed", "warning")
        await site.delivery.tell(list(site.firing.values()), site.now)
        await until(lambda: site.delivery.status().failing)
        await site.pass_minutes(4)
        assert site.subjects == [], "a restart of Alertmanager wakes nobody twice"

        await site.pass_minutes(2)
        assert site.subjects == ["[CRIT] GpuLost gpu-1"]
        assert "Alertmanager does not answer since 14:02 UTC" in site.got[0].body
        (reason,) = site.delivery.status().failing.values()
        assert "critical alerts are told by alerts.receivers" in reason

        there.status = 200
        await site.pass_minutes(6)
        await until(lambda: not site.delivery.status().failing)
        site.fires("SwitchSilent")
        await site.pass_minutes(6)
        assert len(site.got) == 1, "that one is Alertmanager's matter again"

        await site.ends("GpuLost")
        await site.pass_minutes(3)
    assert site.subjects == ["[CRIT] GpuLost gpu-1", "[OVER] GpuLost gpu-1"]
    assert "does not answer" not in site.got[1].body


async def test_beside_an_alertmanager_that_answers_our_receivers_hear_nothing(tmp_path, monkeypatch, there):
    site = Site(tmp_path, monkeypatch, there)
    async with site.running():
        site.fires("GpuLost")
        await site.pass_minutes(12)
        await site.ends("GpuLost")
        await site.pass_minutes(2)

    assert there.got
    assert site.got == []


async def test_what_alertmanager_silenced_stays_silenced_while_it_is_away(tmp_path, monkeypatch, there):
    silence = {
        "id": "s-1", "createdBy": "ada", "comment": "known",
        "startsAt": "2026-11-23T12:00:00Z", "endsAt": "2026-11-23T20:00:00Z",
        "matchers": [{"name": "node", "value": "gpu-2", "isRegex": False, "isEqual": True}],
    }  # fmt: skip
    site = Site(tmp_path, monkeypatch, there)
    async with site.running():
        client = site.delivery._posters[0].client
        real, answers = client._call, {"/silences": json.dumps([silence]).encode()}

        async def call(method, path, body=None):
            return answers[path] if path in answers else await real(method, path, body)

        client._call = call
        assert [each.id for each in await site.delivery.silences()] == ["s-1"]
        answers.clear()
        there.status = 503
        site.fires("GpuLost", node="gpu-2")
        site.fires("ServerOff", node="gpu-3")
        await site.pass_minutes(1)
        await until(lambda: site.delivery.status().failing)
        await site.pass_minutes(8)

    assert site.subjects == ["[CRIT] ServerOff gpu-3"]


async def test_of_two_alertmanagers_one_that_answers_is_enough(tmp_path, monkeypatch, there):
    with webhook() as dead:
        dead.status = 503
        both = [{"url": f"http://127.0.0.1:{each.port}"} for each in (there, dead)]
        site = Site(tmp_path, monkeypatch, there, alertmanagers=both)
        async with site.running():
            site.fires("GpuLost")
            await site.pass_minutes(10)

    assert site.got == []
