"""Orders are recorded, written, read back and tried again; what a device does decides what is counted on."""

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

from power.actuators.executor import Executor
from power.actuators.findings import Why
from power.actuators.rules import Rules
from power.audit.trail import AuditError, Trail
from power.model import ControlState, Device, Fence, NodeOrder, Outcome, Way
from tests.support.fake_actuator import FakeActuator
from tests.support.fleets import Over, Server, fleet

GPU = Device("n1", "GPU-0")


def cut(watts=500.0, uuid="GPU-0", **more):
    return NodeOrder(node="n1", gpu_watts={uuid: watts}, why="budget r1", **more)


def whys(executor):
    return [finding.why for finding in executor.findings()]


async def test_a_confirmed_write_is_recorded_before_and_after(executor, trail, fence):
    await executor.read_all()
    (receipt,) = await executor.carry_out([cut()], fence)

    assert receipt.outcome is Outcome.CONFIRMED
    assert executor.held(GPU).state is ControlState.CONTROLLED
    outcome, write = trail.read(device="n1/GPU-0")
    assert (write.kind, write.body["from_watts"], write.body["to_watts"], write.body["fence"]) == ("write", 700, 500, 7)
    assert (outcome.kind, outcome.body["read_back_watts"], outcome.body["outcome"]) == ("outcome", 500, "confirmed")
    assert trail.verify() == []


async def test_nothing_is_written_to_what_was_not_read(executor, device, fence):
    await executor.carry_out([cut()], fence)
    assert (device.reads, len(device.orders)) == (1, 1)


async def test_a_device_that_does_not_answer_is_not_written_to(executor, device, fence):
    device.silent = True
    (receipt,) = await executor.carry_out([cut()], fence)
    assert receipt.outcome is Outcome.UNREACHABLE
    assert device.orders == []


async def test_a_cap_that_no_way_offers_is_refused(executor, device, fence):
    (receipt,) = await executor.carry_out([NodeOrder(node="n1", node_cap_watts=5000)], fence)
    assert (receipt.outcome, receipt.device) == (Outcome.REFUSED, Device("n1"))
    assert device.orders == []


async def test_an_unknown_server_is_refused_and_not_an_error(executor, fence):
    (receipt,) = await executor.carry_out([NodeOrder(node="n9", node_cap_watts=5000)], fence)
    assert receipt.outcome is Outcome.REFUSED


async def test_a_device_that_says_yes_twice_and_does_nothing_is_not_counted_on(executor, device, fence):
    device.outcomes = [Outcome.NOT_APPLIED] * 9
    (receipt,) = await executor.carry_out([cut()], fence)

    assert receipt.outcome is Outcome.NOT_APPLIED
    assert len(device.orders) == 2
    assert executor.held(GPU).state is ControlState.UNCONTROLLED
    assert whys(executor) == [Why.NOT_APPLIED]


async def test_a_second_try_that_helps_leaves_no_finding(executor, device, fence):
    device.outcomes = [Outcome.UNREACHABLE, Outcome.NOT_APPLIED]
    (receipt,) = await executor.carry_out([cut()], fence)
    assert receipt.outcome is Outcome.CONFIRMED
    assert len(device.orders) == 3
    assert executor.findings() == ()


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (Outcome.LOCKED, Why.LOCKED),
        (Outcome.UNLICENSED, Why.UNLICENSED),
        (Outcome.REFUSED, Why.REFUSED),
        (Outcome.PENDING_RESTART, Why.PENDING_RESTART),
    ],
)
async def test_what_a_second_try_does_not_change_is_charged_at_once(executor, device, fence, outcome, why):
    device.outcomes = [outcome]
    await executor.carry_out([cut()], fence)
    assert len(device.orders) == 1
    assert executor.held(GPU).state is ControlState.UNCONTROLLED
    assert whys(executor) == [why]


async def test_an_order_out_of_range_says_nothing_against_the_device(executor, device, fence):
    device.outcomes = [Outcome.OUT_OF_RANGE]
    await executor.carry_out([cut()], fence)
    assert executor.held(GPU).state is ControlState.CONTROLLED
    assert whys(executor) == [Why.OUT_OF_RANGE]


async def test_a_device_that_failed_is_left_alone_and_then_tried_again(executor, device, fence, clock):
    device.outcomes = [Outcome.LOCKED]
    await executor.carry_out([cut()], fence)
    clock.now += 10
    (receipt,) = await executor.carry_out([cut()], fence)
    assert (receipt.outcome, len(device.orders)) == (Outcome.LOCKED, 1)
    assert "left alone" in receipt.detail

    clock.now += 60
    (receipt,) = await executor.carry_out([cut()], fence)
    assert receipt.outcome is Outcome.CONFIRMED
    assert executor.held(GPU).state is ControlState.CONTROLLED
    assert executor.findings() == ()


async def test_an_emergency_does_not_wait_for_a_device_that_failed(executor, device, fence):
    device.outcomes = [Outcome.LOCKED]
    await executor.carry_out([cut()], fence)
    (receipt,) = await executor.carry_out([cut(200, urgent=True)], fence)
    assert receipt.outcome is Outcome.CONFIRMED


async def test_a_device_that_goes_on_failing_is_asked_ever_more_seldom(executor, device, fence, clock):
    device.outcomes = [Outcome.LOCKED] * 50
    for _ in range(3600 // 5):
        await executor.carry_out([cut()], fence)
        clock.now += 5
    assert 5 <= len(device.orders) <= 20


async def test_an_order_of_an_older_token_is_not_written(executor, device, fence):
    await executor.carry_out([cut()], fence)
    (receipt,) = await executor.carry_out([cut(300)], Fence(token=6, holder="core-0", valid_until=fence.valid_until))
    assert receipt.outcome is Outcome.STALE
    assert len(device.orders) == 1
    assert executor.held(GPU).state is ControlState.CONTROLLED


async def test_after_a_pause_longer_than_the_lease_nothing_is_written(executor, device, clock):
    await executor.read_all()
    fence = Fence(token=8, holder="core-1", valid_until=clock.now + 10)
    clock.now += 45
    (receipt,) = await executor.carry_out([cut()], fence)
    assert (receipt.outcome, device.orders) == (Outcome.STALE, [])


async def test_while_a_write_is_under_way_it_is_pending_with_the_new_value(executor, device, fence):
    hall = fleet([Server(name="n1", gpus=2)], [Over(name="all", nodes=["n1"])])
    device.limits = {gpu.uuid: 700.0 for gpu in hall.gpus}
    await executor.read_all()
    device.gate = asyncio.Event()
    writing = asyncio.ensure_future(executor.carry_out([cut(500, uuid=hall.gpus[0].uuid)], fence))
    await device.began.wait()
    during = executor.columns(hall)
    device.gate.set()
    await writing
    after = executor.columns(hall)

    assert list(during.gpu_state) == [ControlState.PENDING, ControlState.CONTROLLED]
    assert during.gpu_pending_watts[0] == 500
    assert list(after.gpu_state) == [ControlState.CONTROLLED] * 2
    assert np.isnan(after.gpu_pending_watts).all()


async def test_a_servers_cap_counts_as_the_higher_one_while_it_is_written(make, fence):
    hall = fleet([Server(name="n1", gpus=0)], [Over(name="all", nodes=["n1"])])
    device = FakeActuator(way=Way.ATTRIBUTES, limits={"": 6000.0}, least=5000, most=9000)
    executor = make(device)
    await executor.read_all()
    device.gate = asyncio.Event()
    for wanted, counted in ((5500.0, 6000.0), (7000.0, 7000.0)):
        device.began.clear()
        device.gate.clear()
        writing = asyncio.ensure_future(executor.carry_out([NodeOrder(node="n1", node_cap_watts=wanted)], fence))
        await device.began.wait()
        assert executor.columns(hall).node_cap_watts[0] == counted
        device.gate.set()
        await writing
        assert executor.columns(hall).node_cap_watts[0] == wanted
    await executor.close()


async def test_a_reading_that_a_write_has_overtaken_is_left_out(executor, device, fence, clock):
    await executor.read_all()
    old = await device.read()
    asked_at = clock.now
    clock.now += 1
    await executor.carry_out([cut()], fence)
    executor.take(old, asked_at)
    assert executor.held(GPU).caps[Way.NVML].limit_watts == 500
    assert executor.findings() == ()


async def test_one_slow_server_delays_nobody(trail, fence):
    slow, fast = FakeActuator(node="n1", limits={"": 6000.0}), FakeActuator(node="n2", limits={"": 6000.0})
    slow.gate = asyncio.Event()
    executor = Executor({"n1": [slow], "n2": [fast]}, trail)
    first, second = executor.start([NodeOrder(node=node, node_cap_watts=5000) for node in ("n1", "n2")], fence)
    (receipt,) = await second
    assert receipt.outcome is Outcome.CONFIRMED
    assert not first.done()
    slow.gate.set()
    await first
    await executor.close()


async def test_orders_that_come_during_a_write_are_merged_and_the_newest_counts(executor, device, fence):
    device.gate = asyncio.Event()
    first = executor.start([cut(600)], fence)
    await device.began.wait()
    later = executor.start([cut(500)], fence) + executor.start([cut(400)], fence) + executor.start([cut(300, "GPU-1")], fence)
    device.gate.set()
    await asyncio.gather(*first, *later)
    assert [dict(order.gpu_watts) for order in device.orders] == [{"GPU-0": 600}, {"GPU-0": 400, "GPU-1": 300}]


async def test_a_new_order_takes_over_what_was_waiting_for_another_try(device, make, fence):
    executor = make(device)
    executor._writer.rules = Rules(pause_seconds=3600)
    await executor.read_all()
    device.outcomes = [Outcome.NOT_APPLIED]
    first = executor.start([cut(500)], fence)
    await device.began.wait()
    while not executor.findings():
        await asyncio.sleep(0)
    (receipt,) = await executor.carry_out([cut(400)], fence)
    assert (receipt.outcome, device.limits["GPU-0"]) == (Outcome.CONFIRMED, 400)
    await asyncio.gather(*first)
    await executor.close()


async def test_a_caller_who_gives_up_stops_no_write(executor, device, fence):
    device.gate = asyncio.Event()
    caller = asyncio.ensure_future(executor.carry_out([cut()], fence))
    await device.began.wait()
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    device.gate.set()
    while executor.held(GPU).state is not ControlState.CONTROLLED:
        await asyncio.sleep(0)
    assert device.limits["GPU-0"] == 500


async def test_a_write_whose_answer_is_lost_counts_when_it_is_seen(executor, device, fence):
    device.outcomes = ["lost", Outcome.REFUSED]
    await executor.carry_out([cut()], fence)
    assert executor.held(GPU).state is ControlState.UNCONTROLLED
    await executor.read_all()
    assert executor.held(GPU).state is ControlState.CONTROLLED
    assert executor.findings() == ()


async def test_a_bmc_that_hangs_holds_up_no_cut_by_the_agent(device, make, fence):
    bmc = FakeActuator(way=Way.ATTRIBUTES, limits={"": 6000.0}, gate=asyncio.Event())
    executor = make(device, bmc)
    await executor.read_all()
    slow = executor.start([NodeOrder(node="n1", node_cap_watts=5000)], fence)
    await bmc.began.wait()
    (receipt,) = await executor.carry_out([cut(200, urgent=True)], fence)
    assert receipt.outcome is Outcome.CONFIRMED
    bmc.gate.set()
    await asyncio.gather(*slow)
    await executor.close()


async def test_a_bmc_that_cannot_be_read_keeps_nobody_from_the_gpus(device, make, fence):
    executor = make(device, FakeActuator(way=Way.ATTRIBUTES, silent=True))
    (receipt,) = await executor.carry_out([cut()], fence)
    assert receipt.outcome is Outcome.CONFIRMED
    await executor.close()


async def test_both_caps_of_one_order_are_set(device, make, fence):
    bmc = FakeActuator(way=Way.ATTRIBUTES, limits={"": 6000.0})
    executor = make(device, bmc)
    receipts = await executor.carry_out([cut(300, node_cap_watts=5000)], fence)
    assert {(each.device.uuid, each.outcome) for each in receipts} == {("", Outcome.CONFIRMED), ("GPU-0", Outcome.CONFIRMED)}
    assert (device.limits["GPU-0"], bmc.limits[""]) == (300, 5000)
    await executor.close()


class Full(Trail):
    """A trail on a full disk."""

    def append_many(self, entries):
        raise AuditError("no room on the disk")


async def test_without_a_trail_raises_and_ordinary_cuts_are_refused_and_urgent_cuts_go_on(device, make, fence, tmp_path: Path):
    executor = make(device, trail=Full(tmp_path / "full", lambda: 0.0))
    device.limits["GPU-0"] = 500.0
    await executor.read_all()
    outcomes = [
        (await executor.carry_out([order], fence))[0].outcome
        for order in (cut(600, raises=True), cut(400), cut(600, raises=True, urgent=True), cut(200, urgent=True))
    ]
    assert outcomes == [Outcome.REFUSED] * 3 + [Outcome.CONFIRMED]
    assert Why.UNAUDITED in whys(executor)
    assert executor.held(GPU).state is ControlState.CONTROLLED
    await executor.close()


async def test_only_a_clock_says_nothing_of_a_cap(executor, device, fence):
    await executor.read_all()

    async def write(order, _fence):
        device.orders.append(order)
        return ()

    device.write = write
    await executor.carry_out([NodeOrder(node="n1", clock_mhz={"GPU-0": 1200.0})], fence)
    assert executor.held(GPU).state is ControlState.CONTROLLED
    assert whys(executor) == [Why.CLOCK]


async def test_every_way_is_closed_at_the_end(device, make):
    executor = make(device)
    await executor.close()
    assert device.closed


async def test_a_try_that_waited_until_the_lease_was_over_is_not_under_way_for_ever(device, make, clock):
    executor = make(device)
    await executor.read_all()
    device.outcomes = [Outcome.UNREACHABLE]
    device.gate = asyncio.Event()
    fence = Fence(token=7, holder="core-1", valid_until=clock.now + 5)
    (done,) = executor.start([cut()], fence)
    await device.began.wait()
    clock.now += 6
    device.gate.set()
    (receipt,) = await done

    assert receipt.outcome is Outcome.STALE
    assert executor.held(GPU).state is ControlState.CONTROLLED
    clock.now += 60
    executor.verify_due()
    assert executor.held(GPU).counted_state is ControlState.CONTROLLED
    await executor.close()


async def test_a_server_that_no_way_leads_to_is_not_waited_for(make, device):
    executor = make(device)
    hall = fleet([Server(name="n1", gpus=2), Server(name="bare", gpus=0)], [Over(name="all", nodes=["n1", "bare"])])

    assert executor.columns(hall).node_state.tolist() == [ControlState.UNKNOWN, ControlState.UNCONTROLLED]
    await executor.close()


class Hanging:
    """A trail on a disk that does not answer until it is told to."""

    def __init__(self):
        self.goes_on, self.kinds = threading.Event(), []

    def append_many(self, entries):
        self.goes_on.wait(90)
        self.kinds += [kind for kind, _ in entries]


async def test_an_urgent_cut_does_not_wait_for_a_disk_that_hangs_and_others_do(make, device, fence):
    trail = Hanging()
    executor = make(device, trail=trail, urgent_record_seconds=0.01)
    await executor.read_all()
    try:
        async with asyncio.timeout(60):
            [receipt] = await executor.carry_out([cut(urgent=True)], fence)
        assert (receipt.outcome, device.limits["GPU-0"]) == (Outcome.CONFIRMED, 500)
        assert whys(executor) == [Why.UNAUDITED]
        (waiting,) = executor.start([cut(watts=300.0, uuid="GPU-1")], fence)
        await asyncio.sleep(0)
        assert not waiting.done()
        assert len(device.orders) == 1
    finally:
        trail.goes_on.set()
    await waiting
    await executor.close()
    assert trail.kinds.count("write") == 2
    assert whys(executor) == []
