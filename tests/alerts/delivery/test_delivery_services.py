"""Services that fail, hang or take little; people who have the duty by the clock; nights; ends that nobody wants."""

import asyncio
from contextlib import asynccontextmanager
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
import yaml

from alerts.delivery.apprise_sender import NotSent
from alerts.delivery.delivery import Delivery
from alerts.model import Notice
from tests.support.receivers import webhook
from wattstat.config.alerts import Alerts

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY_NOON = datetime(2026, 11, 23, 12, 0, tzinfo=BERLIN).timestamp()


class Site:
    """A site whose clock is moved by hand, and all that its services took."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.now = folder, MONDAY_NOON
        self.got, self.bodies, self.refuse, self.hold = [], [], {}, {}
        self.receivers, self.routing = {}, {"route": {"receiver": "pager", "group_by": ["alertname"], "group_wait": "10s"}}
        self.monkeypatch = monkeypatch
        self.inhibit, self.intervals = [], []
        self.receiver("pager")

    def receiver(self, name, *, urls=1, **settings):
        for index in range(urls):
            self.monkeypatch.setenv(f"{name}_{index}".upper(), f"{name}/{index}")
        given = [{"env": f"{name}_{index}".upper()} for index in range(urls)]
        self.receivers[name] = {"urls": given, **settings}

    async def send(self, url, message):
        if url in self.hold:
            await self.hold[url].wait()
        if url in self.refuse:
            raise NotSent(self.refuse[url])
        self.got.append((url, message.subject))
        self.bodies.append(message.body)

    def open(self):
        document = {
            **self.routing,
            "receivers": [{"name": name} for name in (*self.receivers, "nobody")],
            "inhibit_rules": self.inhibit,
            "time_intervals": self.intervals,
        }
        (self.folder / "routing.yml").write_text(yaml.safe_dump(document))
        settings = Alerts.model_validate({"receivers": self.receivers, "routing": str(self.folder / "routing.yml")})
        path = self.folder / "alerts.sqlite"
        return Delivery(settings, credentials={}, path=path, clock=lambda: self.now, zone=BERLIN, sender=self.send)

    @asynccontextmanager
    async def running(self):
        delivery, stop = self.open(), asyncio.Event()
        task = asyncio.ensure_future(delivery.run(stop))
        try:
            yield delivery
        finally:
            stop.set()
            await task
            await delivery.close()

    async def tell(self, delivery, *notices, after=0.0):
        self.now += after
        await delivery.tell(notices, self.now)
        await self.rest()

    async def rest(self):
        """Until nothing moves."""
        quiet, before = 0, None
        async with asyncio.timeout(30):
            while quiet < 8:
                await asyncio.sleep(0.005)
                quiet, before = (quiet + 1 if before == len(self.got) else 0), len(self.got)

    @property
    def subjects(self):
        return [subject for _, subject in self.got]


@pytest.fixture
def site(tmp_path, monkeypatch):
    return Site(tmp_path, monkeypatch)


def alert(name="GpuLost", node="gpu-1", *, severity="critical", ends_at=None, **labels):
    return Notice(
        labels={"alertname": name, "severity": severity, "node": node, **labels},
        annotations={"summary": "Bad."},
        starts_at=MONDAY_NOON,
        ends_at=ends_at,
    )


async def test_a_service_that_refuses_for_an_hour_gets_one_message_with_all_that_happened(site):
    site.refuse["pager/0"] = "500"
    async with site.running() as delivery:
        fires = [alert(node="gpu-1")]
        await site.tell(delivery, *fires)
        for minute in range(60):
            if minute == 20:
                fires.append(alert(node="gpu-2"))
            if minute == 40:
                await site.tell(delivery, alert(node="gpu-1", ends_at=site.now))
                fires.pop(0)
            await site.tell(delivery, *fires, after=60)
        status = delivery.status()
        assert status.failing == {"pager": "500"}
        assert status.queue == {"pager": 1}
        assert status.failed["pager"] < 30, "it is left alone longer and longer"
        assert "a message waits for" in delivery.problem()

        site.refuse.clear()
        await site.tell(delivery, *fires, after=301)
        await site.tell(delivery, *fires, after=301)

        assert site.subjects == ["[CRIT] GpuLost: 2 nodes: gpu-2, gpu-1"]
        assert delivery.status().failing == {}
        assert delivery.problem() == ""


async def test_a_service_that_hangs_delays_no_other(site):
    site.receiver("pager", urls=2)
    site.hold["pager/0"] = asyncio.Event()
    async with site.running() as delivery:
        await site.tell(delivery, alert())
        await site.tell(delivery, alert(), after=11)
        assert site.got == [("pager/1", "[CRIT] GpuLost gpu-1")]

        site.hold["pager/0"].set()
        await site.rest()
        assert site.got[1:] == [("pager/0", "[CRIT] GpuLost gpu-1")]


async def test_of_two_addresses_only_the_one_that_refused_is_tried_again(site):
    site.receiver("pager", urls=2)
    site.refuse["pager/1"] = "busy"
    async with site.running() as delivery:
        await site.tell(delivery, alert())
        await site.tell(delivery, alert(), after=11)
        site.refuse.clear()
        await site.tell(delivery, alert(), after=6)

    assert [url for url, _ in site.got] == ["pager/0", "pager/1"]


async def test_a_real_service_that_hangs_is_given_up_after_its_time(tmp_path, monkeypatch):
    monkeypatch.setattr("alerts.delivery.apprise_sender.TIMEOUT_SECONDS", 1.0)
    with webhook() as hook:
        hook.hang.set()
        monkeypatch.setenv("PAGER", hook.url)
        settings = Alerts.model_validate({"receivers": {"pager": {"urls": [{"env": "PAGER"}]}}})
        delivery = Delivery(settings, credentials={}, path=tmp_path / "a.sqlite", clock=lambda: MONDAY_NOON, zone=BERLIN)
        said = await delivery.try_receiver("pager", by="ada")
        await delivery.close()

    assert "did not take the message: no answer within 1 s" in said


async def test_more_than_a_minute_may_have_is_put_together_and_the_worst_goes_first(site):
    site.receiver("pager", per_minute=3)
    site.routing["route"]["group_by"] = ["node"]
    async with site.running() as delivery:
        mild = [alert("FanFailed", f"gpu-{n}", severity="warning") for n in range(40)]
        bad = alert("GpuLost", "gpu-77")
        await site.tell(delivery, *mild, bad)
        await site.tell(delivery, *mild, bad, after=11)

        assert len(site.got) == 3
        assert site.subjects[0] == "[CRIT] GpuLost gpu-77"
        assert site.subjects[2].startswith("[WARN] FanFailed: 39 nodes: ")
        assert delivery.status().queue == {"pager": 0}
        told = await delivery.told([each.fingerprint for each in (*mild, bad)])
        assert len(told) == 41


async def test_a_message_goes_to_who_has_the_duty_and_waits_for_nobody_who_has_gone_home(site):
    site.receiver("day")
    site.receiver("night")
    site.receivers["pager"] = {
        "on_call": [
            {"receiver": "day", "days": ["mon", "tue", "wed", "thu", "fri"], "start": "08:00", "end": "18:00"},
            {"receiver": "night"},
        ]
    }
    site.refuse["day/0"] = "switched off"
    async with site.running() as delivery:
        await site.tell(delivery, alert())
        await site.tell(delivery, alert(), after=11)
        assert delivery.status().queue == {"day": 1, "night": 0}
        assert (
            await delivery.try_receiver("pager", by="x") == "pager (now day): address 1 did not take the message: switched off."
        )

        await site.tell(delivery, alert(), after=6 * 3600)
        assert site.got == [("night/0", "[CRIT] GpuLost gpu-1")]
        assert delivery.status().queue == {"day": 0, "night": 0}


@pytest.mark.parametrize(
    ("receivers", "says"),
    [
        (
            {"pager": {"on_call": [{"receiver": "day", "start": "08:00", "end": "18:00"}]}},
            "nobody has the duty on mon at 00:00",
        ),
        ({"pager": {"on_call": [{"receiver": "day", "start": "18:00", "end": "17:00"}]}}, "on mon at 17:00"),
        ({"pager": {"on_call": [{"receiver": "pager"}]}}, "leads back to 'pager'"),
        ({"pager": {"on_call": [{"receiver": "nobody"}]}}, "'nobody' is no receiver"),
        ({"pager": {"on_call": [{"receiver": "day", "days": ["monday"]}]}}, "'monday' is no day"),
        ({"pager": {}}, "has neither urls nor on_call"),
        ({}, "'pager' stands in the routing and not in alerts.receivers"),
    ],
)
async def test_receivers_that_would_leave_somebody_untold_are_refused(site, receivers, says):
    site.receiver("day")
    day = site.receivers["day"]
    await site.open().close()
    with pytest.raises(ValueError, match=says):
        Delivery(
            Alerts.model_validate({"receivers": {"day": day, **receivers}, "routing": str(site.folder / "routing.yml")}),
            credentials={}, path=site.folder / "b.sqlite", clock=lambda: site.now, zone=BERLIN, sender=site.send,
        )  # fmt: skip


async def test_at_night_a_quiet_route_keeps_what_it_has_and_tells_in_the_morning(site):
    site.routing["route"]["routes"] = [
        {"matchers": ['severity="warning"'], "mute_time_intervals": ["night"], "receiver": "pager"}
    ]
    clock = [{"start_time": "18:00", "end_time": "24:00"}, {"start_time": "00:00", "end_time": "08:00"}]
    site.intervals = [{"name": "night", "time_intervals": [{"times": clock, "location": "Europe/Berlin"}]}]
    stays, goes, woken = (alert("FanFailed", f"gpu-{n}", severity="warning") for n in (1, 2, 3))
    async with site.running() as delivery:
        await site.tell(delivery, woken)
        await site.tell(delivery, woken, after=11)
        site.got.clear()
        site.now += 8 * 3600
        await site.tell(delivery, stays, goes, alert())
        await site.tell(delivery, stays, goes, after=60)
        assert site.subjects == ["[CRIT] GpuLost gpu-1"], "only what is critical"
        over = alert("FanFailed", "gpu-2", severity="warning", ends_at=site.now)
        end = alert("FanFailed", "gpu-3", severity="warning", ends_at=site.now)
        await site.tell(delivery, stays, over, end, after=60)
        await site.tell(delivery, stays, after=13 * 3600)

    assert site.subjects[1:] == ["[CRIT] GpuLost gpu-1", "[WARN] FanFailed gpu-1"]
    assert "FanFailed node gpu-3\nBad.\nOver at" in site.bodies[-1]
    assert "gpu-2" not in site.bodies[-1]


async def test_an_end_is_told_only_to_who_wants_ends(site):
    site.receiver("pager", send_resolved=False)
    async with site.running() as delivery:
        await site.tell(delivery, alert())
        await site.tell(delivery, alert(), after=11)
        await site.tell(delivery, alert(ends_at=site.now), after=60)
        await site.tell(delivery, after=400)
        assert delivery.status().queue == {"pager": 0}

    assert site.subjects == ["[CRIT] GpuLost gpu-1"]


async def test_what_still_fires_is_repeated_after_its_interval_and_not_before(site):
    site.routing["route"] |= {"group_interval": "5m", "repeat_interval": "1h"}
    async with site.running() as delivery:
        for _ in range(70):
            await site.tell(delivery, alert(), after=60)

    assert site.subjects == ["[CRIT] GpuLost gpu-1"] * 2


async def test_an_alert_that_waits_and_is_silenced_meanwhile_is_not_told_until_the_silence_ends(site):
    site.refuse["pager/0"] = "busy"
    async with site.running() as delivery:
        await site.tell(delivery, alert())
        await site.tell(delivery, alert(), after=11)
        await delivery.silence(['node="gpu-1"'], starts_at=site.now, ends_at=site.now + 1800, created_by="ada", comment="known")
        site.refuse.clear()
        await site.tell(delivery, alert(), after=400)
        assert site.got == []
        assert delivery.status().queue == {"pager": 0}
        assert delivery.status().dropped == {"pager": 1}

        await site.tell(delivery, alert(), after=1800)
        await site.tell(delivery, alert(), after=11)
        assert site.subjects == ["[CRIT] GpuLost gpu-1"]


async def test_a_route_that_was_taken_out_of_the_file_leaves_no_alert_untold(site):
    site.receiver("old")
    site.routing["route"]["routes"] = [{"receiver": "old", "matchers": ['severity="critical"']}]
    site.refuse["old/0"] = "gone"
    async with site.running() as delivery:
        await site.tell(delivery, alert())
        await site.tell(delivery, alert(), after=11)
        assert delivery.status().queue == {"old": 1, "pager": 0}
    del site.receivers["old"], site.routing["route"]["routes"]
    async with site.running() as delivery:
        await site.tell(delivery, alert(), after=11)
        await site.tell(delivery, alert(), after=11)

    assert site.got == [("pager/0", "[CRIT] GpuLost gpu-1")]


async def test_a_disk_that_refuses_keeps_nobody_from_being_told(site, monkeypatch):
    async with site.running() as delivery:
        delivery._store._connection.execute("PRAGMA query_only=ON")
        await site.tell(delivery, alert())
        await site.tell(delivery, alert(), after=11)
        assert site.subjects == ["[CRIT] GpuLost gpu-1"]
        assert "alerts cannot be written to disk" in delivery.problem()

        delivery._store._connection.execute("PRAGMA query_only=OFF")
        await site.tell(delivery, alert(), after=11)
        assert delivery.problem() == ""
    async with site.running() as delivery:
        await site.tell(delivery, alert(), after=400)
        assert await delivery.told([alert().fingerprint])

    assert site.subjects == ["[CRIT] GpuLost gpu-1"]
