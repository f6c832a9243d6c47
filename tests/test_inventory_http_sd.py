"""Servers from an http_sd address."""

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from wattstat.document import InvalidDocument
from wattstat.inventory import Inventory, http_sd, loads
from wattstat.inventory.discovery import Discovery, DiscoveryError, fetch_http_sd, follow
from wattstat.serve.discovery import http_sd as groups_of

GROUPS = [
    {
        "targets": ["10.0.0.1"],
        "labels": {"__meta_wattstat_node": "gpu1", "__meta_wattstat_rack": "r1", "__meta_wattstat_unit": "3", "gpus": "8"},
    },
    {"targets": ["gpu1.example"], "labels": {"node": "gpu1", "role": "agent"}},
    {"targets": ["https://10.0.0.2:8443", "10.0.0.3"]},
]


class Source:
    """An http_sd server whose answer a test changes."""

    def __init__(self):
        self.body, self.status, self.asked = json.dumps(GROUPS), 200, 0

    async def answer(self, _):
        self.asked += 1
        return web.Response(text=self.body, status=self.status, content_type="application/json")


@asynccontextmanager
async def serving():
    source = Source()
    app = web.Application()
    app.router.add_get("/sd", source.answer)
    server = TestServer(app)
    await server.start_server()
    try:
        yield source, str(server.make_url("/sd"))
    finally:
        await server.close()


def test_target_groups_become_servers():
    found = http_sd.parse(GROUPS, source="http://dcim/sd")
    gpu1, second, third = found.nodes

    assert (gpu1.name, gpu1.rack, gpu1.unit, gpu1.gpus) == ("gpu1", "r1", 3, 8)
    assert gpu1.bmc.url == "https://10.0.0.1"
    assert gpu1.agent.url == "http://gpu1.example:9837"
    assert (second.name, second.bmc.url) == ("10.0.0.2", "https://10.0.0.2:8443")
    assert (third.name, third.agent) == ("10.0.0.3", None)
    assert [rack.name for rack in found.racks] == ["r1"]


def test_credentials_and_certificates_come_as_labels():
    labels = {"credentials": "idrac", "tls_ca_file": "ca.pem", "tls_verify": "true"}
    found = http_sd.parse([{"targets": ["x"], "labels": labels}], source="s", folder=Path("/site"))

    assert found.nodes[0].bmc.credentials == "idrac"
    assert found.nodes[0].bmc.tls.ca_file == Path("/site/ca.pem")


def test_planned_work_comes_as_labels_and_needs_an_end():
    labels = {"node": "gpu1", "__meta_wattstat_maintenance": "riser exchanged"}
    whole = {**labels, "maintenance_until": "2026-11-24T18:00:00+01:00"}
    found = http_sd.parse(
        [{"targets": ["x"], "labels": whole}, {"targets": ["y"], "labels": {**whole, "role": "agent"}}], source="s"
    )

    work = found.nodes[0].maintenance
    assert (work.reason, work.until.timestamp()) == ("riser exchanged", 1795539600)
    with pytest.raises(InvalidDocument, match="until"):
        http_sd.parse([{"targets": ["x"], "labels": labels}], source="s")


def test_the_files_servers_and_racks_stay():
    work = "{reason: riser, until: 2026-11-24T18:00:00Z}"
    base = loads(f"racks: [{{name: r1, units: 50}}]\nnodes: [{{name: mgmt1, rack: r1, maintenance: {work}}}]")
    found = http_sd.parse(GROUPS, source="s", base=base)

    assert found.racks == base.racks
    assert found.nodes[0] == base.nodes[0]
    assert [node.name for node in found.nodes] == ["mgmt1", "gpu1", "10.0.0.2", "10.0.0.3"]


def test_what_we_list_for_others_can_be_read_again():
    mine = loads(
        "racks: [{name: r1}]\nnodes: [{name: a, rack: r1, model: M, bmc: {url: https://b}, agent: {url: 'http://c:1'}}]"
    )

    assert http_sd.parse(groups_of(mine), source="s") == mine


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"targets": []}, "is no list"),
        ([{"labels": {}}], "is no target group"),
        ([7], "is no target group"),
        ([{"targets": ["a"], "labels": {"role": "switch"}}], "has the role 'switch'; expected bmc or agent"),
        ([{"targets": ["a", "a"]}], "is a second bmc of a"),
        ([{"targets": ["a:b:c"]}], "is no"),
        ([{"targets": ["root:calvin@a"]}], "carries a user or password"),
        ([{"targets": ["a"], "labels": {"gpus": "many"}}], "expected a whole number"),
        (
            [
                {"targets": ["a"], "labels": {"node": "n", "rack": "1"}},
                {"targets": ["b"], "labels": {"node": "n", "role": "agent", "rack": "2"}},
            ],
            "says rack 2 of n, an earlier group said 1",
        ),
    ],
)
def test_groups_that_do_not_hold_together_are_explained(body, told):
    with pytest.raises(InvalidDocument) as caught:
        http_sd.parse(body, source="http://dcim/sd")

    assert told in str(caught.value)
    assert "calvin" not in str(caught.value)
    assert str(caught.value).startswith("http://dcim/sd")


async def test_an_address_is_fetched():
    async with serving() as (_, url):
        found = await fetch_http_sd(url)

    assert [node.name for node in found.nodes] == ["gpu1", "10.0.0.2", "10.0.0.3"]


@pytest.mark.parametrize(
    ("status", "body", "told"), [(503, "[]", "answers 503"), (200, "<html>", "answers no JSON"), (200, "{", "answers no JSON")]
)
async def test_an_address_that_answers_something_else_says_so(status, body, told):
    async with serving() as (source, url):
        source.status, source.body = status, body
        with pytest.raises(DiscoveryError, match=told):
            await fetch_http_sd(url)


async def test_an_address_without_a_server_says_so():
    with pytest.raises(DiscoveryError, match="does not answer"):
        await fetch_http_sd("http://127.0.0.1:1/sd")


async def test_changes_are_seen_and_failures_keep_the_last_good_list():
    async with serving() as (source, url):
        discovery = Discovery(file=None, url=url)
        with capture_logs() as logs:
            await discovery.start()
            assert not await discovery.refresh()

            source.status = 500
            assert not await discovery.refresh()
            assert not await discovery.refresh()
            assert len(discovery.inventory.nodes) == 3
            assert "answers 500" in discovery.problem

            source.status, source.body = 200, json.dumps(GROUPS[:1])
            assert await discovery.refresh()
            assert len(discovery.inventory.nodes) == 1
            assert discovery.problem == ""

    told = [entry["event"] for entry in logs if entry["log_level"] == "warning"]
    assert told == ["inventory cannot be read anew, the last good one stays"]


async def test_a_source_that_fails_at_the_start_is_asked_again():
    async with serving() as (source, url):
        source.status = 500
        discovery = Discovery(file=None, url=url)
        assert await discovery.start() == Inventory()
        source.status = 200
        assert await discovery.refresh()


async def test_a_file_that_changes_is_read_again_and_a_broken_one_is_not_taken(tmp_path):
    path = tmp_path / "inventory.yaml"
    path.write_text("nodes: [{name: a}]")
    discovery = Discovery(file=path)
    await discovery.start()
    assert not await discovery.refresh()

    path.write_text("nodes: [{name: a}, {name: b, rack: nowhere}]")
    assert not await discovery.refresh()
    assert "there is no rack 'nowhere'" in discovery.problem

    path.write_text("nodes: [{name: a}, {name: b}]")
    assert await discovery.refresh()
    assert len(discovery.inventory.nodes) == 2

    path.unlink()
    assert not await discovery.refresh()
    assert "is gone" in discovery.problem
    assert len(discovery.inventory.nodes) == 2


async def test_a_broken_file_at_the_start_is_refused(tmp_path):
    (tmp_path / "inventory.yaml").write_text("nodes: 3")

    with pytest.raises(InvalidDocument):
        await Discovery(file=tmp_path / "inventory.yaml").start()
    with pytest.raises(InvalidDocument, match="no such file"):
        await Discovery(file=tmp_path / "absent.yaml").start()


async def test_following_yields_the_inventory_now_and_at_each_change():
    async with serving() as (source, url):
        following = follow(file=None, url=url, every_seconds=0.01)
        first = await anext(following)
        source.body = json.dumps(GROUPS[:1])
        second = await asyncio.wait_for(anext(following), 10)
        await following.aclose()

    assert (len(first.nodes), len(second.nodes)) == (3, 1)
