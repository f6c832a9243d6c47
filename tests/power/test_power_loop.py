"""The loop at work: it reads before it writes, obeys budgets within moments, and can tell and repeat what it decided."""

import threading
import time

import pytest

from power.audit.replay import replay
from power.controller import decide
from power.desk.steering import Wish
from power.hearing import Ways
from power.model import Mode, Way
from power.policies.reader import from_json
from power.policies.scope import Scope
from power.policies.standing import Emergency, Standing
from tests.support.power_service import FakeServer, Running, inventory
from wattstat.catalogue import power


def budget_policy(watts, **more):
    return from_json(
        {
            "name": "lower",
            "owner": "facility",
            "reason": "a test",
            "mode": "enforce",
            "scope": {"rack": "r1"},
            "ask": {"limit": {"watts": watts, **more}},
        }
    )


def orders(running):
    return [order for server in running.servers for order in server.orders]


async def test_a_measured_budget_is_held_within_moments(tmp_path):
    async with Running(tmp_path, inventory(budget=6000), [FakeServer("a"), FakeServer("b")]) as running:
        await running.until(lambda status: status["ready"] and sum(server.watts for server in running.servers) <= 6000)

        assert {order.why for order in orders(running)} <= {"r1", "rack r1"}
        assert all(limit >= 350 for server in running.servers for limit in server.limits.values())


async def test_what_only_observes_writes_nothing_and_decides_the_same(tmp_path):
    async with Running(tmp_path, inventory(budget=6000), [FakeServer("a"), FakeServer("b")], mode=Mode.OBSERVE) as running:
        status = await running.until(
            lambda status: status["ready"] and any((each["target_watts"] or 700) < 600 for each in status["devices"])
        )

        assert orders(running) == []
        assert status["mode"] == "observe"
        assert {fence for server in running.servers for fence in server.fences} == {None}


async def test_nothing_is_written_before_the_servers_power_is_known(tmp_path):
    running = Running(tmp_path, inventory(budget=9900), [FakeServer("a"), FakeServer("b")])
    running.meter = lambda: None  # nobody tells it
    async with running:
        await running.until(lambda status: status["ready"])
        beats = running.servers[0].beats
        await running.until(lambda _: running.servers[0].beats > beats + 20)

        assert orders(running) == []


async def test_an_enabled_policy_is_obeyed_at_once_and_is_named(tmp_path):
    async with Running(tmp_path, inventory(), [FakeServer("a"), FakeServer("b")]) as running:
        await running.until(lambda status: status["ready"])
        running.repository.save(budget_policy(5600), "facility")
        running.repository.enable("lower", "facility")
        running.service.changed()

        status = await running.until(lambda _: sum(server.watts for server in running.servers) <= 5600)

        assert running.budget("r1")["binding"] == "lower"
        assert [policy["name"] for policy in status["policies"]] == ["lower"]


async def test_a_guaranteed_budget_holds_whatever_is_drawn_afterwards(tmp_path):
    servers = [FakeServer("a", demand=90.0), FakeServer("b", demand=90.0)]
    async with Running(tmp_path, inventory(), servers) as running:
        await running.until(lambda status: status["ready"])
        running.repository.save(budget_policy(6400, basis="guaranteed"), "facility")
        running.repository.enable("lower", "facility")
        running.service.changed()
        await running.until(lambda _: running.budget("r1")["envelope_watts"] <= 6400)

        for server in servers:
            server.demand = 700.0

        assert sum(server.watts for server in servers) <= 6400


async def test_an_emergency_brings_everything_to_the_lowest_limits(tmp_path):
    async with Running(tmp_path, inventory(), [FakeServer("a"), FakeServer("b")]) as running:
        await running.until(lambda status: status["ready"])
        running.pins.start_emergency(Scope(rack=("r1",)), by="facility", reason="smoke")
        running.service.changed()

        await running.until(lambda _: all(limit == 200 for server in running.servers for limit in server.limits.values()))

        assert any(order.urgent for order in orders(running))
        assert running.service.status()["emergencies"][0]["reason"] == "smoke"


async def test_an_emergency_that_no_database_could_take_brakes_all_the_same(tmp_path):
    async with Running(tmp_path, inventory(names=("a",)), [FakeServer("a")]) as running:
        await running.until(lambda status: status["ready"])
        running.service.brake(
            [Emergency(id=-1, scope=Scope(), owner="facility", reason="the disk is full, too", since=time.time())]
        )

        await running.until(lambda _: all(limit == 200 for limit in running.servers[0].limits.values()))


async def test_a_preview_tells_the_difference_and_changes_nothing(tmp_path):
    async with Running(tmp_path, inventory(), [FakeServer("a"), FakeServer("b")]) as running:
        await running.until(lambda status: status["ready"])

        seen = running.service.preview(
            Wish(standings=(Standing(policy=budget_policy(5600, basis="guaranteed")),), holds=(), emergencies=())
        )

        assert len(seen.changes) == 8
        assert {change.why for change in seen.changes} == {"lower"}
        assert all(change.after_watts < change.before_watts for change in seen.changes)
        assert not seen.raises
        assert orders(running) == []


async def test_every_decision_that_acted_comes_out_the_same_from_the_trail(tmp_path):
    async with Running(tmp_path, inventory(budget=6000), [FakeServer("a"), FakeServer("b")]) as running:
        await running.until(lambda status: status["ready"] and sum(server.watts for server in running.servers) <= 6000)
        # Less than is drawn now: how far the first decision cuts hangs on how much had been read by then.
        lower = sum(server.watts for server in running.servers) - 100
        running.repository.save(budget_policy(lower), "facility")
        running.repository.enable("lower", "facility")
        running.service.changed()
        await running.until(lambda _: sum(server.watts for server in running.servers) <= lower)

    done = replay(running.trail, running.inputs, lambda given: decide(given["given"])[0])

    assert done.decisions >= 2
    assert done.different == ()
    assert done.lost == ()
    assert running.trail.verify() == []


async def test_a_server_that_comes_later_joins_and_what_is_known_of_the_others_stays(tmp_path):
    late = FakeServer("b")
    async with Running(tmp_path, inventory(names=("a",)), [FakeServer("a")]) as running:
        await running.until(lambda status: status["ready"])
        running.servers.append(late)
        both = {server.node: server for server in running.servers}
        await running.service.follow(inventory(), Ways(actuators={node: (each,) for node, each in both.items()}, agents=both))

        status = await running.until(lambda status: len(status["devices"]) == 8)

        assert all(each["power_watts"] is not None for each in status["devices"] if each["node"] == "a")


@pytest.mark.parametrize("mode", list(Mode))
async def test_the_hall_gets_the_series_of_budgets_and_caps(tmp_path, mode):
    async with Running(tmp_path, inventory(budget=9000, names=("a",)), [FakeServer("a")], mode=mode) as running:
        await running.until(lambda status: status["ready"])
        snapshot = running.hall.snapshot()

        assert snapshot.value(power.BUDGET_LIMIT_WATTS, budget="r1", kind="rack") == 9000
        assert snapshot.value(power.BUDGET_SAFE, budget="one", kind="breaker") == 1
        assert snapshot.value(power.CONTROLLER_MODE, mode=mode.value) == 1
        assert snapshot.value(power.CAP_CONFIRMED_WATTS, node="a", gpu="0") == 700


async def test_agents_are_not_told_that_core_lives_when_nobody_has_renewed_the_lease_since(tmp_path):
    async with Running(tmp_path, inventory(names=("a",)), [FakeServer("a")]) as running:
        await running.until(lambda status: status["ready"] and running.servers[0].fences[-1] is not None)
        ahead = 0.0
        running.service.monotonic = lambda: time.monotonic() + ahead
        ticks = running.service.lease.tick
        # The database hangs: the loop stands still, while the beats go on.
        hangs = threading.Event()
        running.service.lease.tick = lambda: hangs.wait(10) and ticks()
        await running.until(lambda _: running.service.deciding.fence is not None)
        ahead = 6.0
        beats = running.servers[0].beats
        try:
            await running.until(lambda _: running.servers[0].beats > beats + 5)
            assert running.servers[0].fences[-1] is None
        finally:
            hangs.set()


async def test_before_enough_is_read_an_emergency_in_one_place_cuts_nothing_elsewhere(tmp_path):
    names = ("a", "b")
    running = Running(tmp_path, inventory(budget=5000, names=names), [FakeServer(name) for name in names])
    running.meter = lambda: None  # nobody tells their power
    running.pins.start_emergency(Scope(node=("a",)), by="facility", reason="smoke")
    first, second = running.servers
    async with running:
        await running.until(lambda _: all(limit == 200 for limit in first.limits.values()))
        beats = second.beats
        await running.until(lambda _: second.beats > beats + 20)

        assert "held_back" in running.service.status()
        assert second.orders == []


async def test_a_write_to_one_gpu_of_a_server_without_an_agent_leaves_the_others_in_the_hall(tmp_path):
    server = FakeServer("a", way=Way.HGX)
    async with Running(tmp_path, inventory(names=("a",)), [server]) as running:
        await running.service.follow(running.inventory, Ways(actuators={"a": (server,)}))
        await running.until(lambda status: len(status["devices"]) == 4)
        before = running.service.hearing.telemetry
        running.service.hearing.heard((await server.read())[:1], time.monotonic())

        assert running.service.hearing.build_due is None
        assert running.service.hearing.telemetry is before
        assert len(running.service.hearing.found["a"]) == 4


async def test_an_agent_that_begins_anew_and_sees_no_gpus_yet_does_not_take_them_out_of_the_hall(tmp_path):
    async with Running(tmp_path, inventory(names=("a",)), [FakeServer("a")]) as running:
        await running.until(lambda status: len(status["devices"]) == 4)
        running.service.hearing.beat_heard("a", (), time.monotonic())

        assert running.service.hearing.build_due is None
        assert len(running.service.hearing.found["a"]) == 4
