"""Core's reader of agents, over a real socket."""

import json
import socket

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from collectors import agent
from collectors.frame.errors import AuthFailed, BadPayload, NotSupported, Throttled, Unreachable
from collectors.frame.runner import Runner
from wattstat.catalogue.gpu import GPU_POWER_WATTS
from wattstat.config import Config, Credentials
from wattstat.hall import Hall
from wattstat.inventory import Agent, Inventory, Node

LABELS = list(GPU_POWER_WATTS.labels)
SERIES = [["n1", "0", "GPU-1", "1s", "gpu"], 612.5]
PART = {
    "part": "nvml.slow",
    "age_seconds": 40.0,
    "interval_seconds": 60,
    "metrics": {GPU_POWER_WATTS.name: {"labels": LABELS, "samples": [SERIES]}},
}
DOCUMENT = {"taken_at": 1.0, "node": "n1", "parts": [PART]}


class FakeAgent:
    def __init__(self) -> None:
        self.status, self.body, self.seen = 200, json.dumps(DOCUMENT), []

    async def answer(self, request):
        self.seen.append(request.headers.get("Authorization"))
        return web.Response(status=self.status, text=self.body)


@pytest.fixture
async def served():
    fake = FakeAgent()
    app = web.Application()
    app.add_routes([web.get("/readings", fake.answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    await runner.cleanup()


def inventory(url, credentials=None):
    return Inventory(nodes=(Node(name="n1", agent=Agent(url=url, credentials=credentials)), Node(name="n2")))


@pytest.fixture
async def reader(served):
    [made] = agent.sources(Config(), inventory(served.url))
    await made.open()
    yield made
    await made.close()


async def test_series_come_over_as_they_are(reader):
    collected = await reader.collect("fast")
    [part] = collected.parts
    assert [(s.metric, s.labels, s.value) for s in part.samples] == [(GPU_POWER_WATTS, tuple(SERIES[0]), 612.5)]
    assert (part.name, part.age_seconds, part.interval_seconds) == ("nvml.slow", 40, 60)
    assert collected.errors == {}


async def test_in_the_hall_a_slow_part_is_as_old_as_its_reading(reader):
    hall = Hall(clock=lambda: 1000.0)
    runner = Runner(hall, concurrency=1, per_host=1, clock=lambda: 1000.0)
    await runner.add(reader)
    await runner.collect_now("agent", "n1", "fast")
    await runner.stop()

    [found] = hall.snapshot().find(GPU_POWER_WATTS)
    assert found.age_seconds == 40


async def test_an_agent_that_speaks_another_version_is_counted_not_guessed_at(served, reader):
    served.body = json.dumps({"taken_at": 1.0, "node": "n1", "metrics": {}})
    collected = await reader.collect("fast")
    assert (collected.parts, list(collected.errors)) == ((), ["metrics"])


async def test_only_nodes_with_an_agent_are_read(served):
    assert [source.target for source in agent.sources(Config(), inventory(served.url))] == ["n1"]
    assert agent.sources(Config(), Inventory()) == []


async def test_what_this_version_does_not_know_is_left_out_and_counted(served, reader):
    odd = {"wattstat_of_tomorrow": {"labels": [], "samples": []}, GPU_POWER_WATTS.name: {"labels": ["other"], "samples": []}}
    served.body = json.dumps({**DOCUMENT, "parts": [{**PART, "metrics": odd}]})
    collected = await reader.collect("fast")
    assert (collected.parts[0].samples, list(collected.errors)) == ([], ["metrics"])
    assert "2 entries" in str(collected.errors["metrics"])


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, AuthFailed), (403, AuthFailed), (404, NotSupported), (429, Throttled), (503, Throttled), (500, BadPayload)],
)
async def test_statuses_have_meanings(served, reader, status, error):
    served.status = status
    with pytest.raises(error, match="/readings"):
        await reader.collect("fast")


async def test_a_body_that_is_no_json_is_a_bad_payload(served, reader):
    served.body = "<html>"
    with pytest.raises(BadPayload, match="not JSON"):
        await reader.collect("fast")


async def test_an_agent_that_is_gone_is_unreachable(unused_port):
    [made] = agent.sources(Config(), inventory(f"http://127.0.0.1:{unused_port}"))
    await made.open()
    with pytest.raises(Unreachable):
        await made.collect("fast")
    await made.close()


@pytest.fixture
def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_the_token_is_shown(served, tmp_path):
    (tmp_path / "token").write_text("let-me-in\n")
    config = Config(credentials={"agents": Credentials(password_file=tmp_path / "token")})
    [made] = agent.sources(config, inventory(served.url, "agents"))
    await made.open()
    await made.collect("fast")
    await made.close()
    assert served.seen == ["Bearer let-me-in"]


async def test_the_session_is_shared_and_closed_with_the_last_reader(served):
    nodes = tuple(Node(name=f"n{number}", agent=Agent(url=served.url)) for number in range(3))
    readers = agent.sources(Config(), Inventory(nodes=nodes))
    for each in readers:
        await each.open()
    await readers[0].collect("fast")
    session = readers[0].address.sessions.session()
    assert all(each.address.sessions.session() is session for each in readers)
    for each in readers:
        assert not session.closed
        await each.close()
    assert session.closed


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=10,
)


@given(JSON, JSON, JSON)
def test_parse_takes_anything(document, family, entry):
    agent.parse(document)
    agent.parse({"parts": family})
    agent.parse({"parts": [entry, {**PART, "age_seconds": entry}, {**PART, "metrics": family}]})

    def metrics(found):
        return {"parts": [{**PART, "metrics": {GPU_POWER_WATTS.name: found}}]}

    agent.parse(metrics(family))
    agent.parse(metrics({"labels": entry, "samples": family}))
    agent.parse(metrics({"labels": LABELS, "samples": [[SERIES[0], 10**400]]}))
    reading = agent.parse(metrics({"labels": LABELS, "samples": [entry, [entry, 1.0], [SERIES[0], entry], SERIES]}))
    assert (GPU_POWER_WATTS, tuple(SERIES[0]), 612.5) in reading.parts[0].series
