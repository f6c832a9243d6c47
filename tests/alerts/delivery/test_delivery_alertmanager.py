"""Beside a real Alertmanager: it groups, inhibits and resolves as we do, and loses nothing when it is away or restarted."""

import asyncio
import json
import re
import time
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.request import Request, urlopen
from zoneinfo import ZoneInfo

import pytest

from alerts.delivery.delivery import Delivery
from alerts.model import Notice
from tests.support.alertmanager import alertmanager
from tests.support.processes import free_port
from tests.support.receivers import webhook
from wattstat.api.alerts import AlertsRefused, NoSuchAlert
from wattstat.config.alerts import Alerts

pytestmark = pytest.mark.debian

ROUTING = """
route:
  receiver: tickets
  group_by: [alertname, rack]
  group_wait: 1s
  group_interval: 2s
  repeat_interval: 1h
  routes:
    - matchers: ['severity="critical"']
      receiver: pager
      group_by: [rack]
receivers:
  - {{name: tickets{tickets}}}
  - {{name: pager{pager}}}
inhibit_rules:
  - source_matchers: ['alertname="SwitchSilent"']
    target_matchers: ['alertname=~"RailDown|SwitchSilent"']
    equal: [switch]
"""


def notice(name, *, severity="warning", started=None, ends_at=None, **labels):
    return Notice(
        labels={"alertname": name, "severity": severity, **labels},
        annotations={"summary": f"{name} is bad.", "empty": ""},
        starts_at=time.time() if started is None else started,
        ends_at=ends_at,
    )


@asynccontextmanager
async def running(settings, path, rack_of=None):
    settings = Alerts.model_validate(settings)
    delivery = Delivery(settings, credentials={}, path=path, clock=time.time, zone=ZoneInfo("UTC"), rack_of=rack_of)
    stop = asyncio.Event()
    task = asyncio.ensure_future(delivery.run(stop))
    try:
        yield delivery
    finally:
        stop.set()
        await task
        await delivery.close()


async def until(what, look, *, seconds=60):
    async with asyncio.timeout(seconds):
        while not (found := look()):
            await asyncio.sleep(0.02)
    assert found, what
    return found


def told_by_alertmanager(hook, receiver):
    """What its webhook has been told: what fires, and what is over, in all messages together; and how many messages."""
    messages = [each for each in hook.got if each["receiver"] == receiver]
    pairs = [
        (each["status"], each["labels"]["alertname"], each["labels"].get("node", "")) for m in messages for each in m["alerts"]
    ]
    return (
        {pair[1:] for pair in pairs if pair[0] == "firing"},
        {pair[1:] for pair in pairs if pair[0] == "resolved"},
        len(messages),
    )


def told_by_us(hook):
    firing, over = set(), set()
    for each in hook.got:
        for block in each["message"].split("\n\n"):
            if found := re.match(r"(?:WARNING|CRITICAL) (\w+) (?:node|switch) ([\w-]+)", block):
                named = found[1], found[2] if found[2].startswith("gpu") else ""
                (over if "Over at" in block else firing).add(named)
    return firing, over, len(hook.got)


async def test_messages_come_in_the_groups_in_which_alertmanager_sends_them(tmp_path, monkeypatch):
    monkeypatch.setattr("alerts.delivery.poster.ROUTED_SECONDS", 2.0)
    with webhook() as theirs, webhook() as our_tickets, webhook() as our_pager:
        monkeypatch.setenv("TICKETS", our_tickets.url)
        monkeypatch.setenv("PAGER", our_pager.url)
        (tmp_path / "ours.yml").write_text(ROUTING.format(tickets="", pager=""))
        hooked = f", webhook_configs: [{{url: 'http://127.0.0.1:{theirs.port}/'}}]"
        (tmp_path / "theirs.yml").write_text(ROUTING.format(tickets=hooked, pager=hooked))
        receivers = {name: {"urls": [{"env": name.upper()}]} for name in ("tickets", "pager")}
        ours = {"receivers": receivers, "routing": str(tmp_path / "ours.yml")}

        def same():
            pairs = (("tickets", our_tickets), ("pager", our_pager))
            return all(told_by_alertmanager(theirs, name) == told_by_us(hook) for name, hook in pairs)

        with alertmanager(tmp_path, tmp_path / "theirs.yml") as url:
            there = {"alertmanagers": [{"url": url}]}
            async with running(ours, tmp_path / "a.sqlite") as one, running(there, tmp_path / "b.sqlite") as other:

                async def tell(*notices):
                    await asyncio.gather(*(each.tell(notices, time.time()) for each in (one, other)))

                began = time.time()
                first = [
                    notice("SwitchSilent", severity="critical", switch="leaf-1", rack="r1", started=began),
                    notice("RailDown", severity="critical", node="gpu-1", switch="leaf-1", rack="r1", started=began),
                    notice("FanFailed", node="gpu-1", rack="r1", started=began),
                    notice("FanFailed", node="gpu-2", rack="r1", started=began),
                    notice("FanFailed", node="gpu-3", rack="r2", started=began),
                    notice("GpuLost", severity="critical", node="gpu-3", rack="r2", started=began),
                ]
                await tell(*first)
                await until("the first messages", lambda: len(our_tickets.got) == 2 and len(our_pager.got) == 2 and same())
                assert told_by_us(our_pager)[0] == {("SwitchSilent", ""), ("GpuLost", "gpu-3")}

                late = notice("FanFailed", node="gpu-4", rack="r1")
                over = notice("FanFailed", node="gpu-3", rack="r2", started=began, ends_at=time.time())
                await tell(*first[:4], first[5], late, over)
                await until("one more and one less", lambda: len(our_tickets.got) == 4 and same())
                assert told_by_us(our_tickets)[1] == {("FanFailed", "gpu-3")}

                back = notice(
                    "SwitchSilent", severity="critical", switch="leaf-1", rack="r1", started=began, ends_at=time.time()
                )
                await tell(*first[1:4], first[5], late, back)
                await until(
                    "the rail that the switch had kept quiet",
                    lambda: ("RailDown", "gpu-1") in told_by_us(our_pager)[0] and same(),
                )


async def test_an_alertmanager_that_was_away_hears_of_what_came_and_went_meanwhile(tmp_path, monkeypatch):
    monkeypatch.setattr("alerts.delivery.poster.ROUTED_SECONDS", 2.0)
    monkeypatch.setattr("alerts.delivery.backoff.LONGEST_SECONDS", 1.0)
    monkeypatch.setattr("alerts.delivery.backoff.FIRST_SECONDS", 0.5)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with webhook() as hook:
        hooked = f", webhook_configs: [{{url: 'http://127.0.0.1:{hook.port}/'}}]"
        (tmp_path / "alertmanager.yml").write_text(ROUTING.format(tickets=hooked, pager=hooked))
        async with running({"alertmanagers": [{"url": url}]}, tmp_path / "a.sqlite") as delivery:
            hour_ago = time.time() - 3600
            flash = notice("GpuXidFatal", severity="critical", node="gpu-7", rack="r1", started=hour_ago)
            stays = notice("GpuLost", severity="critical", node="gpu-8", rack="r2", started=hour_ago)
            await delivery.tell([flash, stays], time.time())
            await until("the failure", lambda: delivery.status().failing)
            gone = notice("GpuXidFatal", severity="critical", node="gpu-7", rack="r1", started=hour_ago, ends_at=hour_ago + 60)
            await delivery.tell([gone, stays], time.time())
            assert delivery.status().queue[url] == 2

            with alertmanager(tmp_path, tmp_path / "alertmanager.yml", port=port):
                await until(
                    "both", lambda: told_by_alertmanager(hook, "pager")[0] == {("GpuXidFatal", "gpu-7"), ("GpuLost", "gpu-8")}
                )
                await until("the end of the one", lambda: told_by_alertmanager(hook, "pager")[1] == {("GpuXidFatal", "gpu-7")})
                await until("an empty queue", lambda: not delivery.status().queue[url] and not delivery.status().failing)
                assert set(await delivery.told([flash.fingerprint, stays.fingerprint])) == {
                    flash.fingerprint,
                    stays.fingerprint,
                }


async def test_an_alertmanager_that_is_restarted_is_told_again_and_tells_of_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr("alerts.delivery.poster.AGAIN_SECONDS", 1.0)
    monkeypatch.setattr("alerts.delivery.poster.ROUTED_SECONDS", 1.0)
    monkeypatch.setattr("alerts.delivery.backoff.LONGEST_SECONDS", 1.0)
    port = free_port()
    with webhook() as hook:
        hooked = f", webhook_configs: [{{url: 'http://127.0.0.1:{hook.port}/'}}]"
        (tmp_path / "alertmanager.yml").write_text(ROUTING.format(tickets=hooked, pager=hooked))
        async with running({"alertmanagers": [{"url": f"http://127.0.0.1:{port}"}]}, tmp_path / "a.sqlite") as delivery:
            lost = notice("GpuLost", severity="critical", node="gpu-8", rack="r2")
            with alertmanager(tmp_path, tmp_path / "alertmanager.yml", port=port):
                await delivery.tell([lost], time.time())
                await until("the alert", lambda: told_by_alertmanager(hook, "pager")[0])
            over = notice("GpuLost", severity="critical", node="gpu-8", rack="r2", started=lost.starts_at, ends_at=time.time())
            await delivery.tell([over], time.time())
            with alertmanager(tmp_path, tmp_path / "alertmanager.yml", port=port):
                await until("its end", lambda: told_by_alertmanager(hook, "pager")[1] == {("GpuLost", "gpu-8")})


async def test_silences_are_made_read_and_ended_in_alertmanager(tmp_path, monkeypatch):
    monkeypatch.setattr("alerts.delivery.quiet.SEEN_FOR_SECONDS", 0.0)
    (tmp_path / "alertmanager.yml").write_text(ROUTING.format(tickets="", pager=""))
    with alertmanager(tmp_path, tmp_path / "alertmanager.yml") as url:
        settings = {"alertmanagers": [{"url": url}], "labels": {"cluster": "hall-1"}}
        async with running(settings, tmp_path / "a.sqlite") as delivery:
            silent = notice("SwitchSilent", severity="critical", switch="leaf-1")
            rail = notice("RailDown", node="gpu-1", switch="leaf-1")
            fan = notice("FanFailed", node="gpu-2")
            labels = {each.fingerprint: each.labels for each in (silent, rail, fan)}
            await delivery.tell([silent, rail, fan], time.time())
            matchers = ['node=~"gpu-[23]"', 'cluster="hall-1"', 'severity!="critical"']
            made = await delivery.silence(
                matchers, starts_at=time.time(), ends_at=time.time() + 600, created_by="ada", comment="fans come on Monday"
            )
            assert (made.matchers, made.state, made.at, made.created_by) == (tuple(matchers), "active", url, "ada")
            expected = {rail.fingerprint: ((), (silent.fingerprint,)), fan.fingerprint: ((made.id,), ())}
            async with asyncio.timeout(60):
                while await delivery.quieted(labels) != expected:
                    await asyncio.sleep(0.1)

            ended = await delivery.expire(made.id, by="ada")
            assert (ended.id, ended.state) == (made.id, "expired")
            assert [(each.id, each.state) for each in await delivery.silences()] == [(made.id, "expired")]
            with pytest.raises(NoSuchAlert):
                await delivery.expire("nothing", by="ada")


async def test_an_alert_of_a_prometheus_has_the_rack_where_its_alertmanager_has_it(tmp_path, monkeypatch):
    monkeypatch.setattr("alerts.delivery.quiet.SEEN_FOR_SECONDS", 0.0)
    (tmp_path / "alertmanager.yml").write_text(ROUTING.format(tickets="", pager=""))
    relabelled, plain = ({"alertname": "FanFailed", "node": node} for node in ("gpu-1", "gpu-2"))
    with alertmanager(tmp_path, tmp_path / "alertmanager.yml") as url:
        posted = json.dumps([{"labels": {**relabelled, "rack": "r2"}}, {"labels": plain}]).encode()
        post = Request(f"{url}/api/v2/alerts", posted, {"Content-Type": "application/json"})
        (await asyncio.to_thread(urlopen, post, timeout=5)).close()
        async with running({"alertmanagers": [{"url": url}]}, tmp_path / "a.sqlite", rack_of=lambda _: "r2") as delivery:
            async with asyncio.timeout(60):
                while await delivery.quieted({}) or delivery.labels(relabelled, theirs=True) == relabelled:
                    await asyncio.sleep(0.05)

            assert delivery.labels(relabelled, theirs=True) == {**relabelled, "rack": "r2"}
            assert delivery.labels(plain, theirs=True) == plain


async def test_without_an_answer_silences_are_refused_and_say_who_keeps_them(tmp_path):
    async with running(
        {"alertmanagers": [{"url": f"http://127.0.0.1:{free_port()}"}]}, Path(tmp_path) / "a.sqlite"
    ) as delivery:
        with pytest.raises(AlertsRefused, match="kept by Alertmanager, and it does not answer"):
            await delivery.silences()
        with pytest.raises(AlertsRefused, match="the silence was not made"):
            await delivery.silence(['a="b"'], starts_at=time.time(), ends_at=time.time() + 60, created_by="ada", comment="x")
