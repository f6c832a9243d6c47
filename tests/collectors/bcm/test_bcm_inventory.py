"""A manager's servers become the inventory's, and stay there when it is away."""

import asyncio
import json

import pytest
from structlog.testing import capture_logs

from wattstat.document import InvalidDocument
from wattstat.inventory import Inventory, loads
from wattstat.inventory.discovery import DiscoveryError
from wattstat.inventory.managed import Managed, merged
from wattstat.serve.feed import inventories
from wattstat.serve.managed import ManagedServers, managed_servers


@pytest.fixture
async def added(bench):
    """Who adds the manager's servers, as configured."""
    made = []

    def make(**changes):
        config = bench.config(**changes)
        made.append(ManagedServers(config, config.collectors.bcm[0]))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def test_servers_come_with_their_racks_and_places_and_others_do_not(added):
    found = await added().add(Inventory())

    assert [(node.name, node.rack, node.unit) for node in found.nodes] == [
        ("gpu001", "r1", 6),
        ("gpu002", "r1", 12),
        ("gpu003", "r1", 18),
        ("login1", "r2", 1),
    ]
    assert [rack.name for rack in found.racks] == ["r1", "r2"]
    assert found.switches == ()


async def test_agents_and_bmcs_are_where_the_site_says(bench, added):
    bench.shown.machines[2].address = ""
    found = await added(
        agent_url="http://{ip}:9837",
        bmc_url="https://{name}-idrac",
        bmc_credentials="idrac",
        bmc_tls={"ca_file": "/site/ca.pem"},
        categories=["dg*"],
    ).add(Inventory())

    assert [node.name for node in found.nodes] == ["gpu001", "gpu002", "gpu003"]
    assert found.nodes[0].agent.url == "http://10.0.0.1:9837"
    assert found.nodes[0].bmc.url == "https://gpu001-idrac"
    assert (found.nodes[0].bmc.credentials, str(found.nodes[0].bmc.tls.ca_file)) == ("idrac", "/site/ca.pem")


async def test_an_address_that_is_none_is_told(added):
    with pytest.raises(DiscoveryError, match="bmc_url"):
        await added(bmc_url="{name}").add(Inventory())


def test_what_the_file_says_of_a_server_stays():
    base = loads(
        "racks: [{name: a, units: 50}]\n"
        "nodes:\n"
        "  - {name: n1, rack: a, unit: 3, model: M, agent: {url: 'http://x:1'}}\n"
        "  - {name: n2}\n"
        "  - {name: n3, rack: a}\n"
    )
    listed = [
        Managed(name="n1", rack="b", unit=9, bmc={"url": "https://bmc1"}),
        Managed(name="n2", rack="b", unit=9),
        Managed(name="n3", rack="a", unit=20),
        Managed(name="n4", unit=5),
    ]
    found = merged(base, listed, source="https://head:8081")
    n1, n2, n3, n4 = found.nodes

    assert (n1.rack, n1.unit, n1.model, n1.agent.url, n1.bmc.url) == ("a", 3, "M", "http://x:1", "https://bmc1")
    assert (n2.rack, n2.unit) == ("b", 9)
    assert (n3.rack, n3.unit) == ("a", 20)
    assert (n4.rack, n4.unit) == ("", None)
    assert [(rack.name, rack.units) for rack in found.racks] == [("a", 50), ("b", 42)]
    assert merged(found, listed, source="s") == found


def test_places_that_cannot_be_are_refused():
    with pytest.raises(InvalidDocument, match="n2"):
        merged(Inventory(), [Managed(name="n1", rack="r", unit=1), Managed(name="n2", rack="r", unit=1)], source="s")


async def test_a_manager_that_is_away_takes_no_server_away_and_the_file_is_still_read(bench, added):
    servers = added()
    before = await servers.add(Inventory())
    number = bench.faults.add("bcm", "bcm_gone", {}, bench.shown.now).id
    with capture_logs() as logs:
        assert await servers.add(Inventory()) == before
        assert "new" in {node.name for node in (await servers.add(loads("nodes: [{name: new}]"))).nodes}
        bench.faults.remove(number)
        assert await servers.add(Inventory()) == before

    assert [entry["event"] for entry in logs] == [
        "manager's servers cannot be read, its last list stays",
        "manager's servers are read again",
    ]


@pytest.mark.parametrize("fault", ["bcm_gone", "bcm_unauthorized", "bcm_broken_json"])
async def test_its_list_outlives_a_restart(bench, added, fault):
    before = await added().add(Inventory())
    bench.faults.add("bcm", fault, {}, bench.shown.now)

    assert await added().add(Inventory()) == before


async def test_an_empty_list_is_no_list(bench, added):
    servers = added()
    before = await servers.add(Inventory())
    bench.shown.machines.clear()

    assert await servers.add(Inventory()) == before


async def test_nobody_is_made_up_where_the_manager_never_answered(bench, added):
    bench.faults.add("bcm", "bcm_gone", {}, bench.shown.now)
    with pytest.raises(DiscoveryError, match="its servers are added when it answers"):
        await added().add(Inventory())


@pytest.mark.parametrize("content", ["", "{", '[{"other": 1}]', "[7]"])
async def test_a_broken_memory_is_none(bench, added, content):
    bench.faults.add("bcm", "bcm_gone", {}, bench.shown.now)
    (bench.directory / "data").mkdir()
    (bench.directory / "data" / "bcm-bcm.json").write_text(content)
    with pytest.raises(DiscoveryError):
        await added().add(Inventory())


async def test_a_memory_that_cannot_be_written_costs_nothing(bench, added):
    (bench.directory / "data").write_text("a file where a folder should be")
    with capture_logs() as logs:
        found = await added().add(Inventory())

    assert len(found.nodes) == 4
    assert [entry["event"] for entry in logs] == ["manager's servers cannot be kept in a file"]


async def test_a_certificate_may_come_later(bench, added, tmp_path):
    missing = tmp_path / "later.pem"
    servers = added(certificate=str(missing))
    with pytest.raises(DiscoveryError, match="tls"):
        await servers.add(Inventory())
    missing.write_bytes(bench.authority.issue("w", "127.0.0.1", days=3, client=True).path.read_bytes())

    assert len((await servers.add(Inventory())).nodes) == 4


async def test_the_inventory_follows_the_manager(bench):
    following = inventories(bench.config())
    first = await anext(following)
    bench.faults.add("bcm", "bcm_gone", {}, bench.shown.now)
    bench.shown.machines.append(type(bench.shown.machines[0])(name="gpu004"))
    await asyncio.sleep(0)
    bench.faults.remove(next(iter(bench.faults)).id)
    second = await asyncio.wait_for(anext(following), 10)
    await following.aclose()

    assert (len(first.nodes), len(second.nodes)) == (4, 5)
    remembered = json.loads((bench.directory / "data" / "bcm-bcm.json").read_text())
    assert {each["name"] for each in remembered} == {node.name for node in second.nodes}


def test_who_names_no_manager_has_none(bench):
    assert managed_servers(bench.config(inventory={"bcm": None, "http_sd": "http://sd"})) is None
