"""A simulated cluster is read as it is, in every release, in good days and bad ones."""

import pytest

from collectors.frame.errors import AuthFailed, BadPayload, Unreachable
from simulator.ecs import documents, series
from wattstat.catalogue import storage as catalogue


async def all_of(bench, source, *, seconds=60.0):
    """Two rounds of all tiers, so that counters have moved; what the second brought."""
    found = {}
    for _ in range(2):
        for tier in source.tiers:
            found[tier.name] = await source.collect(tier.name)
        bench.plant.now += seconds
    return found


async def test_what_is_told_is_the_truth(bench, source, values):
    found = await all_of(bench, source)
    cluster = bench.cluster
    fast, medium, slow, quota = (found[name] for name in ("fast", "medium", "slow", "quota"))

    assert not any(collected.errors for collected in found.values())
    assert values(fast, catalogue.STORAGE_UP) == {("objects",): 1}
    assert values(fast, catalogue.STORAGE_THROUGHPUT_BYTES_PER_SECOND) == {
        ("objects", "read"): cluster.read,
        ("objects", "write"): cluster.write,
    }
    assert values(fast, catalogue.STORAGE_OPERATIONS_PER_SECOND) == {("objects", "s3"): pytest.approx(2500)}
    assert values(fast, catalogue.STORAGE_LATENCY_SECONDS)["objects", "s3_read"] == pytest.approx(0.012)
    assert values(medium, catalogue.STORAGE_NODE_CPU_RATIO)["objects", "objects-1"] == pytest.approx(0.25)
    assert values(medium, catalogue.STORAGE_NODE_MEMORY_RATIO)["objects", "objects-5"] == pytest.approx(0.4)
    network = values(medium, catalogue.STORAGE_NODE_NETWORK_BYTES_PER_SECOND)
    assert network["objects", "objects-3", "transmit"] == pytest.approx(3e9)
    assert network["objects", "objects-3", "receive"] == pytest.approx(0.5e9)
    assert values(slow, catalogue.STORAGE_CAPACITY_BYTES)["objects", "used"] == cluster.used_bytes
    assert values(slow, catalogue.STORAGE_SIZE_BYTES) == {("objects",): cluster.size_bytes}
    assert values(slow, catalogue.STORAGE_EVENTS_OPEN)["objects", "error"] == 1
    assert values(slow, catalogue.STORAGE_REPLICATION_LAG_SECONDS) == {("objects", "replication-1"): 5400}
    assert values(slow, catalogue.STORAGE_DESIGN_BYTES_PER_SECOND) == {("objects", "read"): 20e9}
    used = values(quota, catalogue.STORAGE_NAMESPACE_USED_BYTES)
    assert sum(used.values()) == pytest.approx(cluster.used_bytes)
    assert ("objects", "objects-2", "r2", "EXF900", "", "3.8.1.0.140118.8d698782e5d") in values(
        quota, catalogue.STORAGE_NODE_INFO
    )


async def test_no_watts_are_made_up(bench, source):
    found = await all_of(bench, source)

    assert not [sample for each in found.values() for sample in each.samples if "_watts" in sample.metric.name]


async def test_a_release_before_3_6_tells_by_its_dashboard_and_is_asked_for_no_time_series(bench, source, values):
    bench.cluster.version = "3.5.0.0"
    found = await all_of(bench, source)
    fast, medium = found["fast"], found["medium"]

    assert values(fast, catalogue.STORAGE_THROUGHPUT_BYTES_PER_SECOND)["objects", "read"] == pytest.approx(bench.cluster.read)
    assert values(fast, catalogue.STORAGE_LATENCY_SECONDS)["objects", "object_write"] == pytest.approx(0.018)
    assert values(medium, catalogue.STORAGE_NODE_CPU_RATIO)["objects", "objects-1"] == pytest.approx(0.25)
    # The nodes' counters were looked for once; that there are none is remembered, and no error.
    assert len(bench.asked("/flux")) == 4
    assert not fast.errors
    assert not medium.errors


async def test_an_upgrade_is_noticed(bench, source, values):
    bench.cluster.version = "3.5.0.0"
    await source.collect("fast")
    bench.cluster.version = "4.3.0.0"
    after = await source.collect("fast")

    assert values(after, catalogue.STORAGE_OPERATIONS_PER_SECOND) == {("objects", "s3"): pytest.approx(2500)}
    before = len(bench.asked("localzone"))
    await source.collect("fast")
    assert len(bench.asked("localzone")) == before


async def test_measurements_that_the_cluster_does_not_have_are_replaced_and_not_asked_for_each_time(bench, values, monkeypatch):
    whole = {
        "cq_performance_transaction": [({}, "succeed_request_counter", 70.0), ({}, "failed_request_counter", 5.0)],
        "cq_performance_latency": [({"id": "ttfb_read"}, "p50", 9.0)],
    }
    monkeypatch.setattr(series, "_of_cluster", lambda _, measurement: whole.get(measurement, []))
    now = 0.0
    source = bench.source(monotonic=lambda: now)
    try:
        await source.collect("medium")
        bench.plant.now += 60
        now += 60
        await source.collect("medium")
        first = await source.collect("fast")
        asked = len(bench.asked("/flux"))
        second = await source.collect("fast")
        assert len(bench.asked("/flux")) - asked == 2  # those that answered
    finally:
        await source.close()

    for collected in (first, second):
        assert values(collected, catalogue.STORAGE_OPERATIONS_PER_SECOND) == {("objects", "object"): 75}
        assert values(collected, catalogue.STORAGE_LATENCY_SECONDS) == {("objects", "object_read"): pytest.approx(0.009)}
        # Throughput comes of the nodes' counters.
        assert values(collected, catalogue.STORAGE_THROUGHPUT_BYTES_PER_SECOND) == {
            ("objects", "read"): pytest.approx(bench.cluster.read),
            ("objects", "write"): pytest.approx(bench.cluster.write),
        }


async def test_a_time_series_is_asked_for_when_its_next_point_is_due(bench, values):
    bench.server.point_seconds = 300.0
    now = 0.0
    source = bench.source(monotonic=lambda: now)
    shown = []
    try:
        for _ in range(120):  # an hour of collections every 30 s
            before = bench.cluster.read
            shown.append((bench.plant.now, values(await source.collect("fast"), catalogue.STORAGE_THROUGHPUT_BYTES_PER_SECOND)))
            assert bench.cluster.read == before
            bench.cluster.read += 1e6
            bench.plant.now += 30
            now += 30
    finally:
        await source.close()
    queries = bench.server.queries
    names = ("cq_performance_throughput", "cq_performance_error")
    asked = {name: sum(times for query, times in queries.items() if f'"{name}"' in query) for name in names}

    # Each collection asks something, so that a cluster that is gone is missed; nothing else is asked in vain.
    assert asked["cq_performance_throughput"] >= 119
    assert 12 <= asked["cq_performance_error"] <= 30
    # And what is shown is never older than a point and a collection.
    for at, told in shown:
        since_first = at - shown[0][0]
        assert told["objects", "read"] >= 3e9 + (since_first - 330) / 30 * 1e6


async def test_a_cluster_that_goes_between_two_points_is_missed_at_once(bench):
    bench.server.point_seconds = 300.0
    now = 0.0
    source = bench.source(monotonic=lambda: now)
    try:
        for _ in range(25):
            await source.collect("fast")
            bench.plant.now += 30
            now += 30
        assert source._held.current("cq_performance_error", now) is not None
        bench.faults.add("objects", "storage_gone", {}, bench.plant.now)
        with pytest.raises(Unreachable):
            await source.collect("fast")
    finally:
        await source.close()


async def test_rates_of_nodes_that_were_not_read_for_long_are_not_shown_on(bench, values, monkeypatch):
    monkeypatch.setattr(series, "_of_cluster", lambda *_: [])
    now = 0.0
    source = bench.source(monotonic=lambda: now)
    try:
        for _ in range(2):
            await source.collect("medium")
            bench.plant.now += 60
            now += 60
        assert values(await source.collect("fast"), catalogue.STORAGE_THROUGHPUT_BYTES_PER_SECOND)
        now += 300
        assert not values(await source.collect("fast"), catalogue.STORAGE_THROUGHPUT_BYTES_PER_SECOND)
    finally:
        await source.close()


async def test_a_cluster_without_time_series_is_up_all_the_same(bench, source, values):
    bench.server.forbidden = ("/flux",)
    collected = await source.collect("fast")

    assert values(collected, catalogue.STORAGE_UP) == {("objects",): 1}
    assert "flux/cq_performance_throughput" in collected.errors
    assert not values(collected, catalogue.STORAGE_THROUGHPUT_BYTES_PER_SECOND)


async def test_a_node_that_is_down_is_down_and_has_no_zeros(bench, source, values):
    bench.cluster.members[2].up = False
    medium = await source.collect("medium")

    assert values(medium, catalogue.STORAGE_NODE_UP)["objects", "objects-3"] == 0
    assert values(medium, catalogue.STORAGE_NODE_HEALTH)["objects", "objects-3"] == 0
    told = {sample.metric for sample in medium.samples if "objects-3" in sample.labels}
    assert told == {catalogue.STORAGE_NODE_UP, catalogue.STORAGE_NODE_HEALTH}
    assert values(medium, catalogue.STORAGE_HEALTH) == {("objects",): 0.5}


async def test_a_failed_drive_is_counted_and_its_data_wait_to_be_made_whole(bench, source, values):
    bench.cluster.members[0].drives[3].state = "FAILED"
    medium, slow = await source.collect("medium"), await source.collect("slow")

    assert values(medium, catalogue.STORAGE_NODE_DRIVES)["objects", "objects-1", "failed"] == 1
    assert values(medium, catalogue.STORAGE_NODE_HEALTH)["objects", "objects-1"] == 0.5
    assert values(slow, catalogue.STORAGE_DRIVES)["objects", "healthy"] == 119
    assert values(slow, catalogue.STORAGE_REPLACEABLE_DRIVES) == {("objects",): 1}
    assert values(slow, catalogue.STORAGE_RECOVERY_PENDING_BYTES)["objects",] == pytest.approx(
        bench.cluster.used_bytes / 120, rel=1e-6
    )


async def test_many_namespaces_come_in_pages(bench, source, values, monkeypatch):
    many = tuple((f"ns-{number:03}", 1 / 250, None) for number in range(250))
    monkeypatch.setattr(documents, "NAMESPACES", many)
    collected = await source.collect("quota")

    assert len(values(collected, catalogue.STORAGE_NAMESPACE_USED_BYTES)) == 250
    assert len(bench.asked("GET /object/namespaces?")) == 3
    assert len(bench.asked("POST /object/billing")) == 3


async def test_no_namespaces_are_no_error(bench, source, values, monkeypatch):
    monkeypatch.setattr(documents, "NAMESPACES", ())
    collected = await source.collect("quota")

    assert not collected.errors
    assert not values(collected, catalogue.STORAGE_NAMESPACE_USED_BYTES)
    assert values(collected, catalogue.STORAGE_INFO)


@pytest.mark.parametrize("tier", ["fast", "medium", "slow", "quota"])
@pytest.mark.parametrize(
    ("fault", "error"),
    [("storage_broken_json", BadPayload), ("storage_gone", Unreachable), ("storage_unauthorized", AuthFailed)],
)
async def test_troubles_are_told_as_what_they_are_and_end_with_their_cause(bench, source, tier, fault, error):
    before = len((await source.collect(tier)).samples)
    number = bench.faults.add("objects", fault, {}, bench.plant.now).id
    with pytest.raises(error):
        await source.collect(tier)
    bench.faults.remove(number)

    assert len((await source.collect(tier)).samples) >= before


async def test_an_address_of_something_else_is_told(bench, source, monkeypatch):
    monkeypatch.setattr(bench.server, "_written", dict)
    for _ in range(2):  # "not supported" would never be asked again
        with pytest.raises(BadPayload, match="localzone"):
            await source.collect("fast")


async def test_answers_that_are_held_do_not_make_a_cluster_that_is_gone_one_that_answers(bench):
    bench.server.point_seconds = 300.0
    now = 0.0
    source = bench.source(monotonic=lambda: now)
    try:
        for _ in range(30):  # until the rhythm of the points is known
            await source.collect("fast")
            bench.plant.now += 30
            now += 30
        bench.faults.add("objects", "storage_gone", {}, bench.plant.now)
        for _ in range(5):
            with pytest.raises(Unreachable):
                await source.collect("fast")
            now += 30
    finally:
        await source.close()


async def test_names_and_limits_of_a_changed_inventory_are_taken_over(bench, source, values):
    other = bench.source()
    other.storage = other.storage.model_copy(update={"design_read_bytes_per_second": 1e9})
    source.renew(other)
    await other.close()

    assert values(await source.collect("slow"), catalogue.STORAGE_DESIGN_BYTES_PER_SECOND) == {("objects", "read"): 1e9}
