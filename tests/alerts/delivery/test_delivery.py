"""Delivery as a whole: what is told of comes to a real webhook, grouped, once, also across restarts."""

import asyncio
from contextlib import asynccontextmanager
from zoneinfo import ZoneInfo

import pytest

from alerts.delivery.delivery import Delivery
from alerts.model import Notice
from tests.support.receivers import webhook
from wattstat.api.alerts import AlertsRefused, NoSuchAlert
from wattstat.config.alerts import Alerts

ROUTING = """
route: {receiver: pager, group_by: [alertname], group_wait: 10s, group_interval: 1m, repeat_interval: 1h}
receivers: [{name: pager}]
"""


class Clock:
    """Time that moves only when it is told to."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def hook():
    with webhook() as served:
        yield served


@pytest.fixture
def settings(tmp_path, hook, monkeypatch):
    monkeypatch.setenv("PAGER_URL", hook.url)
    routing = tmp_path / "routing.yml"
    routing.write_text(ROUTING)
    return Alerts.model_validate({"receivers": {"pager": {"urls": [{"env": "PAGER_URL"}]}}, "routing": str(routing)})


@pytest.fixture
async def delivery(settings, tmp_path, clock):
    made = opened(settings, tmp_path, clock)
    yield made
    await made.close()


def opened(settings, tmp_path, clock):
    path = tmp_path / "alerts.sqlite"
    return Delivery(settings, credentials={}, path=path, clock=clock, zone=ZoneInfo("UTC"))


@asynccontextmanager
async def running(delivery):
    stop = asyncio.Event()
    task = asyncio.ensure_future(delivery.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task
        await delivery.close()


def notice(node="gpu-001", *, ends_at=None, name="GpuXidFatal"):
    return Notice(
        labels={"alertname": name, "severity": "critical", "node": node, "gpu": "3"},
        annotations={"summary": "A GPU reported a fatal error.", "description": f"{node}: XID 79, drain it first."},
        starts_at=1_799_999_990.0,
        ends_at=ends_at,
    )


async def until(look, *, seconds=20):
    async with asyncio.timeout(seconds):
        while not look():
            await asyncio.sleep(0.01)


async def test_what_fires_together_is_one_message_and_its_end_another(settings, tmp_path, clock, hook):
    delivery = opened(settings, tmp_path, clock)
    async with running(delivery):
        await delivery.tell([notice("gpu-001"), notice("gpu-002")], clock())
        clock.now += 11
        await delivery.tell([notice("gpu-001"), notice("gpu-002")], clock())
        await until(lambda: hook.got)
        await delivery.tell([notice("gpu-001"), notice("gpu-002", ends_at=clock())], clock())
        clock.now += 61
        await delivery.tell([notice("gpu-001")], clock())
        await until(lambda: len(hook.got) == 2)

    assert hook.subjects == ["[CRIT] GpuXidFatal: 2 nodes: gpu-001, gpu-002", "[OVER] GpuXidFatal gpu-002: GPU 3"]
    assert "XID 79, drain it first" in hook.got[0]["message"]
    assert "1 more of this kind still fires" in hook.got[1]["message"]


async def test_until_the_first_message_it_is_known_when_that_leaves(settings, tmp_path, clock, hook):
    delivery, one = opened(settings, tmp_path, clock), notice("gpu-001")
    began = clock()
    async with running(delivery):
        await delivery.tell([one], began)
        assert began < delivery.tells()[one.fingerprint] <= began + 11
        clock.now += 11
        await delivery.tell([one], clock())
        await until(lambda: hook.got and not delivery.tells())


async def test_what_waited_when_the_process_died_is_told_by_the_next(settings, tmp_path, clock, hook):
    hook.status = 500
    delivery = opened(settings, tmp_path, clock)
    async with running(delivery):
        await delivery.tell([notice()], clock())
        clock.now += 11
        await delivery.tell([notice()], clock())
        await until(lambda: delivery.status().failing)
    hook.status = 200
    delivery = opened(settings, tmp_path, clock)
    async with running(delivery):
        await until(lambda: hook.got)
        async with asyncio.timeout(20):
            while not (told := await delivery.told([notice().fingerprint])):
                await asyncio.sleep(0.01)
    assert told == {notice().fingerprint: (clock(), ("pager",))}

    assert hook.subjects == ["[CRIT] GpuXidFatal gpu-001: GPU 3"]


async def test_a_silence_keeps_quiet_what_it_names_and_nothing_else(settings, tmp_path, clock, hook):
    delivery = opened(settings, tmp_path, clock)
    async with running(delivery):
        made = await delivery.silence(
            ['node="gpu-001"'], starts_at=clock(), ends_at=clock() + 3600, created_by="ada", comment="new board"
        )
        await delivery.tell([notice("gpu-001"), notice("gpu-002")], clock())
        clock.now += 11
        await delivery.tell([], clock())
        await until(lambda: hook.got)
        quiet = await delivery.quieted({each.fingerprint: each.labels for each in (notice("gpu-001"), notice("gpu-002"))})
        ended = await delivery.expire(made.id, by="ada")

    assert hook.subjects == ["[CRIT] GpuXidFatal gpu-002: GPU 3"]
    assert quiet == {notice("gpu-001").fingerprint: ((made.id,), ())}
    assert (made.state, ended.state, ended.comment) == ("active", "expired", "new board (ended by ada)")


@pytest.mark.parametrize(
    ("matchers", "comment", "says"),
    [
        (["node"], "why", "is no matcher"),
        ([], "why", "would keep everything quiet"),
        (['node=~".*"'], "why", "nearly all"),
        (['node="a"'], " ", "needs a comment"),
        (['node=~"("'], "why", "invalid regular expression"),
    ],
)
async def test_a_silence_that_says_too_little_is_refused(delivery, clock, matchers, comment, says):
    with pytest.raises(AlertsRefused, match=says):
        await delivery.silence(matchers, starts_at=clock(), ends_at=clock() + 60, created_by="ada", comment=comment)


async def test_trying_a_receiver_says_what_it_answered(settings, tmp_path, clock, hook):
    delivery = opened(settings, tmp_path, clock)

    taken = await delivery.try_receiver("pager", by="ada")
    hook.status = 500
    refused = await delivery.try_receiver("pager", by="ada")
    with pytest.raises(NoSuchAlert, match="receivers has pager"):
        await delivery.try_receiver("paper", by="ada")
    await delivery.close()

    assert taken == "pager: address 1 took the message."
    assert "did not take the message" in refused
    assert "500" in refused
    assert hook.subjects == ["[TEST] Wattstat reaches pager"]


async def test_who_was_told_is_asked_of_the_disk_only_when_that_changed(settings, tmp_path, clock, hook):
    delivery = opened(settings, tmp_path, clock)
    asked = []
    delivery._store._connection.set_trace_callback(lambda sql: asked.append(sql) if "delivery_told" in sql else None)
    many = [notice(f"gpu-{number:03}").fingerprint for number in range(200)]
    assert await delivery.told(many) == {}
    assert await delivery.told(many) == {}
    assert len(asked) == 1
    async with running(delivery):
        await delivery.tell([notice("gpu-001")], clock())
        clock.now += 11
        await delivery.tell([notice("gpu-001")], clock())
        async with asyncio.timeout(20):
            while not (told := await delivery.told(many)):
                await asyncio.sleep(0.01)
        assert told == {notice("gpu-001").fingerprint: (clock.now, ("pager",))}
        reads = sum("SELECT" in each for each in asked)
        await delivery.told(many)
        assert sum("SELECT" in each for each in asked) == reads
