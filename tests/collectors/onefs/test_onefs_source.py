"""Whole collections from a simulated cluster: what is read, what a failing part costs, and what it costs nobody."""

import pytest

from collectors.frame.errors import BadPayload, NotSupported, Unreachable
from collectors.frame.unusable import Unusable
from collectors.onefs import OneFsSource, sources
from collectors.onefs.reading import Names
from simulator.plant.model import Happening
from tests.support.plants import NOW
from wattstat.catalogue import storage as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.inventory import Inventory, Storage

NODES = tuple(f"scratch-{number}" for number in range(1, 5))


async def everything(source) -> Samples:
    """The samples of all tiers."""
    out = Samples()
    for tier in source.tiers:
        out.extend((await source.collect(tier.name)).samples)
    return out


async def answering(source, monkeypatch, part, change):
    """Let the source get another answer for paths that contain `part`."""
    ask = source.session.web.ask

    async def asked(method, path, **more):
        answer = await ask(method, path, **more)
        return type(answer)(**{**vars(answer), **change}) if part in path else answer

    monkeypatch.setattr(source.session.web, "ask", asked)


async def test_the_plants_truth_comes_back(bench, values):
    source = bench.source(await bench.serve())
    cluster = bench.plant.cluster("scratch")

    found = await everything(source)

    assert values(found, catalogue.STORAGE_UP) == {("scratch",): 1}
    assert values(found, catalogue.STORAGE_THROUGHPUT_BYTES_PER_SECOND) == {
        ("scratch", "read"): pytest.approx(cluster.read),
        ("scratch", "write"): pytest.approx(cluster.write),
    }
    assert values(found, catalogue.STORAGE_DESIGN_BYTES_PER_SECOND) == {("scratch", "read"): 40e9, ("scratch", "write"): 8e9}
    assert values(found, catalogue.STORAGE_LATENCY_SECONDS) == {
        ("scratch", protocol): pytest.approx(seconds) for protocol, seconds in cluster.latency.items()
    }
    assert values(found, catalogue.STORAGE_NODE_POWER_WATTS) == {
        ("scratch", each.name, "sensor"): each.watts for each in cluster.members
    }
    assert values(found, catalogue.STORAGE_NODE_CPU_RATIO) == {("scratch", each.name): 0.25 for each in cluster.members}
    assert values(found, catalogue.STORAGE_DRIVES) == {("scratch", "healthy"): 31, ("scratch", "failed"): 1}
    assert values(found, catalogue.STORAGE_EVENTS_OPEN)["scratch", "critical"] == 1
    assert (
        values(found, catalogue.STORAGE_NODE_INFO)[
            "scratch", NODES[0], "r1", "F600-1U-Dual-384GB-2x1GE-2x100GE QSFP+-31TB NVMe SSD", "SCRA0001", "9.7.1.0"
        ]
        == 1
    )


async def test_all_statistics_are_one_request(bench):
    server = await bench.serve()
    source = bench.source(server)
    await source.collect("fast")
    await source.collect("fast")

    asked = [each for each in server.requests if "statistics/current" in each]
    assert len(asked) == 2
    assert all("degraded=true" in each and "devid=all" in each for each in asked)
    assert len([each for each in server.requests if "statistics/keys" in each]) == 1


async def test_no_series_stands_in_two_tiers(bench):
    found = [(sample.metric.name, sample.labels) for sample in await everything(bench.source(await bench.serve()))]

    assert len(found) == len(set(found)) > 150


async def test_a_node_that_is_down_is_told_so_and_has_no_other_series(bench, values):
    source = bench.source(await bench.serve())
    bench.plant.cluster("scratch").members[2].up = False

    found = await everything(source)

    assert values(found, catalogue.STORAGE_NODE_UP) == {("scratch", name): name != "scratch-3" for name in NODES}
    told = {sample.metric.name for sample in found if "scratch-3" in sample.labels}
    assert told == {catalogue.STORAGE_NODE_UP.name}
    assert values(found, catalogue.STORAGE_CLIENTS)["scratch", "nfs3", "active"] == 6
    assert len(values(found, catalogue.STORAGE_NODE_POWER_WATTS)) == 3


async def test_a_node_that_does_not_answer_is_named_and_no_part_of_a_sum_is_told(bench, values):
    source = bench.source(await bench.serve())
    bench.plant.cluster("scratch").members[2].up = False

    medium, slow = await source.collect("medium"), await source.collect("slow")

    assert set(medium.errors) == {"sensors of scratch-3", "status of scratch-3", "state of scratch-3"}
    assert isinstance(slow.errors["drives of scratch-3"], Unreachable)
    assert values(slow.samples, catalogue.STORAGE_DRIVES) == {}
    assert len(values(slow.samples, catalogue.STORAGE_NODE_DRIVES)) == 6


async def test_nodes_without_a_power_sensor_say_so_and_draw_nothing(bench, values):
    source = bench.source(await bench.serve(power_sensor=False))

    collected = await source.collect("medium")

    assert values(collected.samples, catalogue.STORAGE_NODE_POWER_WATTS) == {}
    assert isinstance(collected.errors["power sensor"], NotSupported)
    assert "no power sensor among the sensors of scratch-1, scratch-2, scratch-3, scratch-4" in str(
        collected.errors["power sensor"]
    )
    assert len(values(collected.samples, catalogue.STORAGE_NODE_TEMPERATURE_CELSIUS)) == 16


async def test_a_supply_that_is_not_there_has_no_series_and_one_that_failed_is_bad(bench, values):
    source = bench.source(await bench.serve())
    member = bench.plant.cluster("scratch").members[0]
    member.supplies[0].ok = False
    member.supplies[1].present = False

    found = (await source.collect("medium")).samples

    assert {
        labels: value for labels, value in values(found, catalogue.STORAGE_NODE_PSU_OK).items() if labels[1] == "scratch-1"
    } == {("scratch", "scratch-1", "1"): 0}


async def test_slow_metadata_is_in_the_namespace_classes(bench, values):
    source = bench.source(await bench.serve())
    cluster = bench.plant.cluster("scratch")
    before = values((await source.collect("fast")).samples, catalogue.STORAGE_CLASS_LATENCY_SECONDS)

    bench.fault("storage_slow_metadata")
    cluster.latency = {protocol: seconds * 5.085 for protocol, seconds in cluster.latency.items()}
    after = values((await source.collect("fast")).samples, catalogue.STORAGE_CLASS_LATENCY_SECONDS)

    assert after["scratch", "nfs3", "namespace_read"] == pytest.approx(
        20 * before["scratch", "nfs3", "namespace_read"], rel=0.01
    )
    assert after["scratch", "nfs3", "read"] == pytest.approx(before["scratch", "nfs3", "read"], rel=0.01)


async def test_sensors_that_answer_too_late_leave_the_rest(bench, monkeypatch, values):
    source = bench.source(await bench.serve())
    ask = source.session.web.ask

    async def asked(method, path, **more):
        if "sensors" in path:
            raise Unreachable(f"{path}: no answer in time")
        return await ask(method, path, **more)

    monkeypatch.setattr(source.session.web, "ask", asked)
    collected = await source.collect("medium")

    assert set(collected.errors) == {"sensors"}
    assert len(values(collected.samples, catalogue.STORAGE_NODE_PSU_OK)) == 8


async def test_an_error_of_one_document_leaves_the_rest(bench, monkeypatch, values):
    source = bench.source(await bench.serve())
    await answering(source, monkeypatch, "summary/protocol", {"status": 500})

    collected = await source.collect("fast")

    assert isinstance(collected.errors["classes"], BadPayload)
    assert values(collected.samples, catalogue.STORAGE_UP) == {("scratch",): 1}
    assert values(collected.samples, catalogue.STORAGE_THROUGHPUT_BYTES_PER_SECOND)


@pytest.mark.parametrize("tier", ["fast", "medium", "slow", "rare"])
async def test_errors_of_all_documents_fail_the_tier(bench, monkeypatch, tier):
    source = bench.source(await bench.serve())
    await answering(source, monkeypatch, "/platform/", {"status": 500})

    with pytest.raises(BadPayload, match="HTTP 500"):
        await source.collect(tier)


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"null", b"0", b'{"nodes": [], "stats": [], "devices": [], "storagepools": [], "protocol": []}']
)
async def test_empty_documents_give_nothing_but_that_the_cluster_answered(bench, monkeypatch, body):
    source = bench.source(await bench.serve(), design_read_bytes_per_second=None, design_write_bytes_per_second=None)
    await answering(source, monkeypatch, "/platform/", {"body": body})

    found = await everything(source)

    assert {sample.metric for sample in found} == {catalogue.STORAGE_UP}


@pytest.mark.parametrize("cut", [1, 10, 50, 100])
@pytest.mark.parametrize("tier", ["fast", "medium", "slow", "rare"])
async def test_documents_that_are_cut_are_errors_and_no_samples(bench, monkeypatch, cut, tier):
    source = bench.source(await bench.serve())
    ask = source.session.web.ask

    async def asked(method, path, **more):
        answer = await ask(method, path, **more)
        return type(answer)(**{**vars(answer), "body": answer.body[:-cut]}) if "/platform/" in path else answer

    monkeypatch.setattr(source.session.web, "ask", asked)
    with pytest.raises(BadPayload, match="no JSON"):
        await source.collect(tier)


async def test_what_the_cluster_does_not_have_is_asked_for_once(bench, monkeypatch):
    server = await bench.serve()
    source = bench.source(server)
    await answering(source, monkeypatch, "snapshots-summary", {"status": 404})

    first, second = await source.collect("rare"), await source.collect("rare")

    assert isinstance(first.errors["snapshots"], NotSupported)
    assert second.errors == {}
    assert len([each for each in server.requests if "snapshots" in each]) == 1


async def test_what_the_cluster_did_not_have_is_asked_for_again_in_the_next_session(bench, monkeypatch):
    server = await bench.serve()
    source = bench.source(server)
    with monkeypatch.context() as patched:
        await answering(source, patched, "statistics/current", {"status": 404})
        assert isinstance((await source.collect("fast")).errors["statistics"], NotSupported)

    assert len((await source.collect("fast")).samples) < 30
    server.sessions.end_all()
    await source.collect("fast")
    assert len((await source.collect("fast")).samples) > 60


@pytest.mark.parametrize("part", ["/platform/", "/session/"])
async def test_what_is_no_onefs_api_fails_each_time(bench, monkeypatch, part):
    source = bench.source(await bench.serve())
    await answering(source, monkeypatch, part, {"status": 404})

    for _ in range(2):  # "not supported" would never be asked again
        with pytest.raises(BadPayload, match="is this a OneFS API"):
            await source.collect("fast")


async def test_without_the_list_of_keys_each_is_asked_for_by_its_usual_name(bench, monkeypatch, values):
    source = bench.source(await bench.serve())
    await answering(source, monkeypatch, "statistics/keys", {"status": 500})

    collected = await source.collect("fast")

    assert values(collected.samples, catalogue.STORAGE_THROUGHPUT_BYTES_PER_SECOND)
    assert collected.errors == {}  # hdfs and ftp are not there, which is no failure


async def test_numbers_of_nodes_are_learnt_from_any_document(bench, monkeypatch, values):
    source = bench.source(await bench.serve())
    await answering(source, monkeypatch, "cluster/config", {"status": 403})

    before = await source.collect("fast")
    await source.collect("medium")
    after = await source.collect("fast")

    assert isinstance(before.errors["devices"], BadPayload)
    assert "5, 6, 7, 8" in str(before.errors["devices"])
    assert values(before.samples, catalogue.STORAGE_NODE_HEALTH) == {}
    assert set(values(after.samples, catalogue.STORAGE_NODE_HEALTH)) == {("scratch", name) for name in NODES}
    assert "devices" not in after.errors


async def test_a_page_holds_few_events_and_all_are_counted(bench, values):
    source = bench.source(await bench.serve(most_per_page=3))
    bench.plant.cluster("scratch").happenings = [
        Happening(number=number, severity="warning", text="x", since=NOW) for number in range(11)
    ]

    found = (await source.collect("slow")).samples

    assert values(found, catalogue.STORAGE_EVENTS_OPEN)["scratch", "warning"] == 11


def test_nodes_are_called_as_the_inventory_calls_them():
    def cluster(*nodes):
        return Storage.model_validate({"name": "c", "kind": "powerscale", "url": "https://c", "nodes": nodes})

    by_place = cluster({"name": "a"}, {"name": "b"})
    by_number = cluster({"name": "a", "number": 2}, {"name": "b", "number": 1})
    mixed = cluster({"name": "a", "number": 3}, {"name": "b"})

    assert [Names(by_place).of(lnn) for lnn in (1, 2, 3)] == ["a", "b", "c-3"]
    assert [Names(by_number).of(lnn) for lnn in (1, 2, 3)] == ["b", "a", "c-3"]
    assert [Names(mixed).of(lnn) for lnn in (1, 2, 3)] == ["c-1", "b", "a"]


async def test_a_changed_inventory_is_followed_without_a_new_session(bench, values):
    server = await bench.serve()
    source = bench.source(server)
    await source.collect("fast")

    source.renew(bench.source(server, design_read_bytes_per_second=50e9, nodes=[{"name": "other", "rack": "r1"}]))
    found = (await source.collect("fast")).samples

    assert values(found, catalogue.STORAGE_DESIGN_BYTES_PER_SECOND)["scratch", "read"] == 50e9
    assert ("scratch", "other") in values(found, catalogue.STORAGE_NODE_UP)
    assert server.sessions.logins == 1


def test_only_powerscale_clusters_are_read(bench):
    inventory = bench.inventory("https://127.0.0.1:1")
    other = inventory.storage[0].model_copy(update={"name": "objects", "kind": "ecs"})
    both = Inventory(racks=inventory.racks, storage=(*inventory.storage, other))

    assert [each.target for each in sources(bench.config(), both)] == ["scratch"]


@pytest.mark.parametrize("broken", [{"credentials": "nobody"}, {"tls": {"fingerprint": "00"}}])
def test_a_cluster_that_cannot_be_asked_fails_with_the_reason(bench, broken):
    try:
        inventory = bench.inventory("https://127.0.0.1:1", **broken)
    except ValueError:
        return  # the inventory itself says so
    source = sources(bench.config(), inventory)[0]

    assert isinstance(source, Unusable)
    assert not isinstance(source, OneFsSource)
    assert "scratch" in source._reason
