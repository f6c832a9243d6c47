"""The room at work: from a scraped sample to a message, the lists, the history, and what it says of itself."""

import asyncio
import time
from zoneinfo import ZoneInfo

import pytest
import yaml
from aiohttp import web

from alerts.delivery.reader import BUILT_IN
from alerts.evaluation.loader import shipped_rules
from alerts.model import Written
from alerts.room import Room, Unavailable
from simulator.pager import Pager
from tests.support.processes import free_port
from wattstat.api.alerts import NoSuchAlert
from wattstat.config.alerts import Alerts
from wattstat.inventory import Inventory
from wattstat.store.embedded import EmbeddedStore

RULES = """
groups:
  - name: quick
    interval: 1s
    rules:
      - alert: GpuLost
        expr: wattstat_gpu_lost == 1
        labels: {severity: critical, category: components}
        annotations:
          summary: A GPU does not answer its driver
          description: GPU {{ $labels.gpu }} of {{ $labels.node }} is lost.
          runbook_url: http://localhost:8050/runbooks/GpuLost
"""
ROUTING = """
route: {receiver: pager, group_wait: 0s, group_interval: 1s, repeat_interval: 1h, group_by: [alertname]}
receivers: [{name: pager}]
"""


@pytest.fixture
async def pager():
    application = web.Application()
    application.add_routes(Pager().routes())
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def store(tmp_path):
    opened = EmbeddedStore(tmp_path / "history.duckdb")
    yield opened
    await opened.close()


@pytest.fixture
def settings(tmp_path, pager):
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "routing.yml").write_text(ROUTING)
    (tmp_path / "pager-url").write_text(f"json://{pager}/pager")
    return Alerts.model_validate(
        {
            "shipped_rules": False,
            "rules": [str(tmp_path / "rules.yml")],
            "routing": tmp_path / "routing.yml",
            "receivers": {"pager": {"urls": [{"file": tmp_path / "pager-url"}]}},
        }
    )


async def core_is_silent():
    raise Unavailable("core does not answer")


async def a_hall():
    return Inventory.model_validate(
        {
            "racks": [{"name": "r12"}],
            "nodes": [
                {"name": "gpu-017", "rack": "r12", "model": "XE9680"},
                {"name": "gpu-018", "rack": "r12", "model": "XE9680"},
            ],
        }
    )


def room(settings, store, tmp_path, hall=a_hall):
    return Room(
        settings,
        store=store,
        record=store.record,
        peer=None,
        hall=hall,
        credentials={},
        data_dir=tmp_path,
        zone=ZoneInfo("UTC"),
        every_seconds=1.0,
    )


async def scrape(store, lost):
    body = f"""wattstat_gpu_lost{{node="gpu-017",gpu="3"}} {lost}
wattstat_job_gpu_info{{node="gpu-017",job_id="42",user="ada"}} 1
"""
    await store.ingest(body, round(time.time() * 1000), 0.01)


async def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not (found := await condition()):
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.05)
    return found


class Running:
    """A room that works while the body runs."""

    def __init__(self, opened):
        self.room, self.stop = opened, asyncio.Event()

    async def __aenter__(self):
        self.task = asyncio.ensure_future(self.room.run(self.stop))
        return self.room

    async def __aexit__(self, *_):
        self.stop.set()
        await self.task
        await self.room.close()


async def told(pager):
    import aiohttp  # noqa: PLC0415

    async with aiohttp.ClientSession() as session:
        return (await (await session.get(f"http://{pager}/pager")).json())["items"]


async def test_what_is_scraped_is_told_listed_dated_and_ends(settings, store, pager, tmp_path):
    await scrape(store, 1)
    async with Running(room(settings, store, tmp_path)) as opened:
        desk = opened.desk

        async def known():
            found = await desk.active()
            return found if found and found[0].notified_at else None

        (alert,) = await until(known)
        assert (alert.subject, alert.part, alert.state, alert.runbook) == ("node gpu-017", "GPU 3", "firing", "GpuLost")
        assert alert.receivers == ("pager",)
        assert alert.jobs == ("42",)
        (message,) = await told(pager)
        assert message["title"].startswith("[CRIT] GpuLost gpu-017")
        assert "rack r12" in message["title"]
        (line,) = await desk.evidence(alert.fingerprint)
        assert "wattstat_gpu_lost" in line.expression
        assert "GpuLost" in desk.runbook("GpuLost")
        health = {view.name: view.score for view in await desk.health() if view.kind == "node"}
        assert health["gpu-018"] == 100 > health["gpu-017"]

        await scrape(store, 0)

        async def over():
            return not await desk.active() and len(await told(pager)) == 2

        await until(over)
        (past,) = await desk.history(time.time() - 600, time.time() + 1)
        assert past.state == "resolved"
        assert past.ended_at >= past.fired_at
        (noisy,) = await desk.noise(time.time() - 600, time.time() + 1)
        assert (noisy.name, noisy.fired) == ("GpuLost", 1)


async def test_a_silenced_alert_is_listed_with_its_silence_and_told_to_nobody(settings, store, pager, tmp_path):
    async with Running(room(settings, store, tmp_path)) as opened:
        desk = opened.desk
        now = time.time()
        made = await desk.silence(['node="gpu-017"'], starts_at=now, ends_at=now + 60, created_by="a test", comment="work")
        await scrape(store, 1)
        (alert,) = await until(desk.active)

        assert alert.silenced_by == (made.id,)
        assert alert.notified_at is None
        await desk.expire(made.id, by="a test")
        await until(lambda: told(pager))


async def test_an_alert_goes_on_where_it_was_after_a_restart(settings, store, pager, tmp_path):
    await scrape(store, 1)
    async with Running(room(settings, store, tmp_path)) as opened:
        (before,) = await until(opened.desk.active)
        await until(lambda: told(pager))
    async with Running(room(settings, store, tmp_path)) as opened:
        await scrape(store, 1)
        (after,) = await until(opened.desk.active)

        assert (after.active_at, after.fired_at) == (before.active_at, before.fired_at)
        await until(lambda: evaluated(opened))
        assert len(await told(pager)) == 1


async def evaluated(opened):
    return (await opened.desk.status()).last_evaluation


async def test_with_core_silent_rules_are_evaluated_all_the_same(settings, store, pager, tmp_path):
    await scrape(store, 1)
    async with Running(room(settings, store, tmp_path, hall=core_is_silent)) as opened:
        assert await until(opened.desk.active)


async def test_what_it_says_of_itself_is_exposed_and_stands_in_the_history(settings, store, pager, tmp_path):
    await scrape(store, 1)
    async with Running(room(settings, store, tmp_path)) as opened:
        await until(opened.desk.active)
        text = await opened.exposition()
        assert 'wattstat_alerts_active{severity="critical",state="firing"} 1' in text
        assert 'wattstat_alert_group_interval_seconds{group="quick"} 1' in text

        async def recorded():
            return (await store.query('wattstat_alerts_active{severity="critical",state="firing"} == 1')).series

        assert await until(recorded)
        assert (await store.query('ALERTS{alertname="GpuLost",alertstate="firing"}')).series


async def test_what_is_not_there_is_refused(settings, store, tmp_path):
    opened = room(settings, store, tmp_path)

    with pytest.raises(NoSuchAlert, match="fingerprint"):
        await opened.desk.evidence("beef")
    with pytest.raises(NoSuchAlert, match="runbook"):
        opened.desk.runbook("../../etc/passwd")
    await opened.close()


async def test_an_alertmanager_that_does_not_answer_stops_nothing(settings, store, tmp_path):
    gone = {"url": f"http://127.0.0.1:{free_port()}"}
    settings = settings.model_validate({**settings.model_dump(), "alertmanagers": [gone]})
    await scrape(store, 1)
    async with Running(room(settings, store, tmp_path)) as opened:

        async def recorded():
            return (await store.query('wattstat_alerts_active{severity="critical",state="firing"} == 1')).series

        assert await until(recorded)
        text = await opened.exposition()
        assert "wattstat_alert_group_interval_seconds" in text
        assert "wattstat_alert_silences" not in text, "nobody knows how many there are"


async def test_alerts_are_listed_with_the_labels_that_silences_see(settings, store, tmp_path):
    settings = settings.model_copy(update={"labels": {"cluster": "hall-1"}})
    await scrape(store, 1)
    async with Running(room(settings, store, tmp_path)) as opened:

        async def placed():
            return [each for each in await opened.desk.active() if "rack" in each.labels]

        (alert,) = await until(placed)
        assert (alert.subject, alert.labels["rack"], alert.labels["cluster"]) == ("node gpu-017", "r12", "hall-1")


async def test_of_what_a_prometheus_evaluates_the_labels_are_those_that_it_tells(settings, store, tmp_path):
    told = {"labels": {"alertname": "GpuLost", "node": "gpu-017"}, "state": "firing", "activeAt": "2026-11-23T08:00:00Z"}

    async def groups():
        return [{"name": "theirs", "rules": [{"name": "GpuLost", "type": "alerting", "alerts": [told]}]}]

    opened = Room(
        settings, store=store, record=None, peer=groups, hall=a_hall, credentials={}, data_dir=tmp_path, zone=ZoneInfo("UTC")
    )
    (alert,) = await opened.desk.active()
    assert alert.labels == told["labels"]
    await opened.close()


async def test_series_of_the_process_before_end_when_this_one_has_them_no_more(settings, store, tmp_path):
    old = [({"__name__": "wattstat_alert_group_last_timestamp_seconds", "group": "gone"}, 1.0)]
    await store.record([Written(source="web", samples=old)], round(time.time() * 1000))
    store._ingest._recorded.clear()  # as a new process has it
    async with Running(room(settings, store, tmp_path)):

        async def groups():
            found = await store.query("wattstat_alert_group_last_timestamp_seconds")
            names = {each.labels["group"] for each in found.series}  # the findings' own groups come and go with the clock
            return "quick" in names and "gone" not in names

        assert await until(groups)


async def test_planned_work_keeps_a_server_quiet_and_says_why(settings, store, pager, tmp_path):
    shipped = next(path for path in shipped_rules() if path.stem == "server")
    rules = [rule for group in yaml.safe_load(shipped.read_text())["groups"] for rule in group["rules"]]
    quick = yaml.safe_load(RULES)
    quick["groups"][0]["rules"].insert(0, next(rule for rule in rules if rule["alert"] == "NodeInMaintenance"))
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(quick))
    causes = yaml.safe_load(BUILT_IN.read_text())["inhibit_rules"]
    (tmp_path / "routing.yml").write_text(yaml.safe_dump({**yaml.safe_load(ROUTING), "inhibit_rules": causes}))
    body = """wattstat_gpu_lost{node="gpu-017",gpu="3"} 1
wattstat_node_maintenance_active{node="gpu-017",reason="riser exchanged"} 1
"""
    await store.ingest(body, round(time.time() * 1000), 0.01)
    async with Running(room(settings, store, tmp_path)) as opened:

        async def both():
            found = {alert.name: alert for alert in await opened.desk.active()}
            return found if len(found) == 2 and await told(pager) else None

        found = await until(both)
        work, lost = found["NodeInMaintenance"], found["GpuLost"]
        assert lost.inhibited_by == (work.fingerprint,)
        assert "is in maintenance: riser exchanged" in work.annotations["description"]
        assert not [message for message in await told(pager) if "GpuLost" in str(message)]
