"""Core's reader of journals: total over any document, on its own clock, asking for nothing twice."""

import copy
import json
import math
import threading

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from collectors import agent, agent_http, journal
from collectors.agent_http import Sessions
from collectors.frame.errors import AuthFailed, BadPayload
from collectors.journal_json import parse
from wattstat.config import Config
from wattstat.config.energy import Energy
from wattstat.inventory import Agent, Inventory, Node
from wattstat.journal import Edge, GpuCounts

BOUNDARY = {
    "id": "b1",
    "edge": "start",
    "age": 12.5,
    "scheduler": "slurm",
    "job_id": "38_2",
    "instance": "1",
    "user": "ada",
    "account": "physics",
    "partition": "gpu",
    "name": "train",
    "gpus": ["GPU-1"],
    "joules": {"GPU-1": 1000.5},
    "resets": {"GPU-1": 1},
}
DOCUMENT = {
    "node": "whatever it calls itself",
    "boot": "f00d",
    "taken_at": 1.0,
    "cursor": 42,
    "complete": True,
    "gpus": [
        {
            "uuid": "GPU-1",
            "index": 0,
            "minor": 1,
            "model": "H100",
            "memory_bytes": 80e9,
            "slices": {"mig:1:0": 3},
            "mig_uuids": {"mig:1:0": "MIG-a"},
        },
        {"uuid": "GPU-2", "index": 1, "minor": None, "model": "H100", "memory_bytes": None, "slices": {}, "mig_uuids": {}},
    ],
    "ages": [20.0, 10.0, 0.5],
    "counts": {
        "joules": [[1.0, 5.0], [2.0, None], [3.0, 7.0]],
        "resets": [[0, 0], [0, None], [1, 0]],
        "power_joules": [[None, 5.0], [None, None], [None, 7.0]],
        "power_seconds": [[None, 1.0], [None, None], [None, 2.0]],
    },
    "cpus": {"package-0": [100.0, None, 300.0]},
    "shares": [{"uuid": "GPU-1", "holder": "job:38_2", "seconds": [None, 4.0, 5.0]}],
    "boundaries": [BOUNDARY],
}


def test_entries_are_put_on_the_reader_s_clock():
    reading = parse(DOCUMENT, node="n1", now=1000.0)
    read = reading.journal
    assert (reading.cursor, reading.unknown) == (42, 0)
    assert (read.node, read.boot, read.complete) == ("n1", "f00d", True)
    assert [entry.at for entry in read.entries] == [980, 990, 999.5]
    assert read.entries[2].gpus["GPU-1"] == GpuCounts(joules=3, resets=1)
    assert read.entries[2].gpus["GPU-2"] == GpuCounts(joules=7, power_joules=7, power_seconds=2)


def test_what_is_absent_is_no_entry_and_no_zero():
    first, second, _ = parse(DOCUMENT, node="n1", now=0.0).journal.entries
    assert second.gpus.keys() == {"GPU-1"}
    assert (first.cpus, second.cpus) == ({"package-0": 100}, {})
    assert (first.shares, second.shares) == ({}, {("GPU-1", "job:38_2"): 4})


def test_gpus_and_boundaries_come_over_as_they_are():
    read = parse(DOCUMENT, node="n1", now=1000.0).journal
    [boundary] = read.boundaries
    assert (boundary.edge, boundary.at, boundary.job_id, boundary.user) == (Edge.START, 987.5, "38_2", "ada")
    assert (boundary.gpus, boundary.joules, boundary.resets) == (("GPU-1",), {"GPU-1": 1000.5}, {"GPU-1": 1})
    assert (read.gpus[0].minor, read.gpus[0].slices, read.gpus[0].mig_uuids) == (1, {"mig:1:0": 3}, {"mig:1:0": "MIG-a"})
    assert (read.gpus[1].minor, read.gpus[1].memory_bytes) == (None, None)


def changed(path, value):
    document = copy.deepcopy(DOCUMENT)
    place = document
    for step in path[:-1]:
        place = place[step]
    if value is GONE:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


GONE = object()


@pytest.mark.parametrize(
    ("path", "value", "count"),
    [
        (["ages", 1], "soon", 1),
        (["ages", 1], -1, 1),
        (["ages", 1], math.nan, 1),
        (["counts", "joules", 0, 0], -5, 1),
        (["counts", "joules", 0], [1.0], 1),
        (["counts", "joules"], [[1.0, 2.0]], 1),
        (["counts", "joules"], None, 1),
        (["gpus", 0], {"index": 3}, 7),
        (["cpus", "package-0"], [1.0], 1),
        (["shares", 0, "holder"], None, 1),
        (["shares", 0], None, 1),
        (["boundaries", 0, "edge"], "middle", 1),
        (["boundaries", 0, "job_id"], GONE, 1),
        (["boundaries", 0, "age"], GONE, 1),
        (["boundaries", 0], 7, 1),
        (["boundaries"], GONE, 1),
        (["counts"], GONE, 1),
        (["boot"], GONE, 1),
        (["cursor"], "42", 1),
    ],
)
def test_what_is_not_as_agreed_is_left_out_and_counted(path, value, count):
    assert parse(changed(path, value), node="n1", now=0.0).unknown == count


def test_an_entry_without_an_age_costs_only_itself():
    read = parse(changed(["ages", 1], None), node="n1", now=100.0).journal
    assert [entry.gpus["GPU-1"].joules for entry in read.entries] == [1, 3]


def paths(value, before=()):
    yield before
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from paths(child, (*before, key))


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([path for path in paths(DOCUMENT) if path]), st.just(GONE) | ANY)
def test_any_member_may_be_missing_or_anything(path, value):
    reading = parse(changed(list(path), value), node="n1", now=1000.0)
    for entry in reading.journal.entries if reading.journal else ():
        assert math.isfinite(entry.at)
        assert entry.at <= 1000
        for counts in entry.gpus.values():
            numbers = [getattr(counts, name) for name in counts.__dataclass_fields__]
            assert all(number is None or (math.isfinite(number) and number >= 0) for number in numbers)


@given(ANY)
def test_any_document_is_read(document):
    assert parse(document, node="n1", now=0.0).unknown >= 1


class FakeAgent:
    def __init__(self):
        self.status, self.document, self.asked = 200, copy.deepcopy(DOCUMENT), []

    async def answer(self, request):
        self.asked.append(dict(request.query))
        response = web.Response(status=self.status, text=json.dumps(self.document))
        response.enable_compression()
        return response


@pytest.fixture
async def served():
    fake = FakeAgent()
    app = web.Application()
    app.add_routes([web.get("/journal", fake.answer), web.get("/readings", fake.answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    await runner.cleanup()


class Ledger:
    """What the reader handed on, and the clock that both go by."""

    def __init__(self):
        self.now, self.got, self.refuses = 1000.0, [], False

    def take(self, read):
        if self.refuses:
            raise RuntimeError("the ledger has a bug")
        self.got.append(read)


@pytest.fixture
def ledger():
    return Ledger()


def sources(served, ledger, **energy):
    inventory = Inventory(nodes=(Node(name="n1", agent=Agent(url=served.url)), Node(name="n2")))
    return journal.sources(Config(energy=Energy(**energy)), inventory, sink=ledger.take, clock=lambda: ledger.now)


@pytest.fixture
async def reader(served, ledger):
    [made] = sources(served, ledger)
    await made.open()
    yield made
    await made.close()


async def test_the_cursor_is_given_back(served, ledger, reader):
    await reader.collect("journal")
    await reader.collect("journal")
    assert served.asked == [{"step": "10"}, {"step": "10", "after": "42", "boot": "f00d"}]
    assert ledger.got[0].entries[-1].at == pytest.approx(999.5, abs=0.1)


async def test_what_the_ledger_did_not_take_is_asked_for_again(served, ledger, reader):
    ledger.refuses = True
    with pytest.raises(RuntimeError):
        await reader.collect("journal")
    ledger.refuses = False
    await reader.collect("journal")
    assert [asked.get("after") for asked in served.asked] == [None, None]


async def test_entries_are_on_the_clock_of_the_moment_though_it_was_set_back(served, ledger, reader):
    await reader.collect("journal")
    ledger.now -= 3600
    await reader.collect("journal")
    before, after = ledger.got[0].entries, ledger.got[1].entries
    assert after[-1].at == pytest.approx(before[-1].at - 3600, abs=0.1)


async def test_strange_entries_are_told_as_a_resource_that_failed(served, ledger, reader):
    served.document["boundaries"] = [BOUNDARY, {"id": 3}]
    collected = await reader.collect("journal")
    assert list(collected.errors) == ["journal"]
    assert len(ledger.got[0].boundaries) == 1


async def test_a_document_that_is_no_journal_is_no_word_to_the_ledger(served, ledger, reader):
    served.document = {"parts": []}
    collected = await reader.collect("journal")
    assert (list(collected.errors), ledger.got) == (["journal"], [])


@pytest.mark.parametrize(("status", "error"), [(404, BadPayload), (401, AuthFailed)])
async def test_an_agent_without_a_journal_is_asked_again(served, reader, status, error):
    served.status = status
    with pytest.raises(error, match="/journal"):
        await reader.collect("journal")


async def test_journals_are_read_as_often_as_the_settings_say(served, ledger):
    [made] = sources(served, ledger, journal_seconds=30)
    assert [(made.target, tier.name, tier.every_seconds) for tier in made.tiers] == [("n1", "journal", 30)]
    assert journal.sources(Config(), Inventory(), sink=ledger.take) == []


async def test_a_token_that_is_not_there_fails_with_the_reason(served, ledger):
    inventory = Inventory(nodes=(Node(name="n1", agent=Agent(url=served.url, credentials="nobody")),))
    [made] = journal.sources(Config(), inventory, sink=ledger.take)
    with pytest.raises(Exception, match="no credentials named 'nobody'"):
        await made.collect("journal")


async def test_readings_and_journals_share_a_session(served, ledger):
    shared = Sessions()
    inventory = Inventory(nodes=(Node(name="n1", agent=Agent(url=served.url)),))
    made = [
        *agent.sources(Config(), inventory, sessions=shared),
        *journal.sources(Config(), inventory, sink=ledger.take, sessions=shared),
    ]
    for each in made:
        await each.open()
    for each in made:
        await each.collect(each.tiers[0].name)
    session = shared.session()
    await made[0].close()
    assert not session.closed
    await made[1].close()
    assert session.closed


async def test_a_long_journal_is_decoded_beside_the_event_loop_and_dated_by_its_arrival(served, ledger, reader, monkeypatch):
    rows = 6000
    ages = [float(rows - number) for number in range(rows)]
    counts = {"joules": [[number, number] for number in range(rows)]}
    served.document |= {"ages": ages, "counts": counts, "cpus": {}, "shares": []}
    threads = []

    def loads(body):
        threads.append(threading.current_thread())
        ledger.now += 60  # decoding takes its time, and the clock goes on
        return json.JSONDecoder().decode(body.decode())

    monkeypatch.setattr(agent_http.json, "loads", loads)
    await reader.collect("journal")
    assert threading.main_thread() not in threads
    assert len(ledger.got[0].entries) == rows
    assert ledger.got[0].entries[-1].at == pytest.approx(999.0, abs=0.1)


def test_a_large_site_asks_first_for_no_more_than_the_ledger_would_keep():
    nodes = tuple(Node(name=f"n{number}", agent=Agent(url="http://127.0.0.1:1")) for number in range(1000))
    made = journal.sources(Config(), Inventory(nodes=nodes), sink=lambda _: None)
    assert {source.first_step_seconds for source in made} == {36}
    [alone] = journal.sources(Config(), Inventory(nodes=nodes[:1]), sink=lambda _: None)
    assert alone.first_step_seconds == alone.step_seconds


def test_a_counter_beyond_what_any_device_can_have_counted_is_no_reading():
    assert parse(changed(["counts", "joules", 0, 0], 1e17), node="n1", now=0.0).unknown == 1
