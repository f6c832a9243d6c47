"""What time does to caps: writes that hang, caps that nobody reads, devices that may be tried again."""

import asyncio

import pytest

from power.actuators.executor import Executor
from power.actuators.findings import Why
from power.actuators.rules import Rules
from power.model import ControlState, Device, DeviceCaps, Fence, NodeOrder, Outcome, Way
from tests.support.fake_actuator import FakeActuator
from tests.support.fleets import Over, Server, fleet

GPU = Device("n1", "GPU-0")
NODE = Device("n1")


def cut(watts=500.0, uuid="GPU-0", **more):
    return NodeOrder(node="n1", gpu_watts={uuid: watts}, why="budget r1", **more)


def whys(executor):
    return {finding.why for finding in executor.findings()}


@pytest.fixture
def hall():
    return fleet([Server(name="n1", gpus=0)], [Over(name="all", nodes=["n1"])])


@pytest.fixture
async def bmc(make):
    """A BMC whose cap is its greatest, and its executor."""
    device = FakeActuator(way=Way.ATTRIBUTES, limits={"": 9000.0}, least=5000, most=9000)
    executor = make(device)
    await executor.read_all()
    yield device, executor
    await executor.close()


async def test_a_write_that_hangs_is_charged_in_full_after_ten_seconds_until_it_is_done(bmc, hall, fence, clock):
    device, executor = bmc
    device.gate = asyncio.Event()
    writing = executor.start([NodeOrder(node="n1", node_cap_watts=5500)], fence)
    await device.began.wait()
    states = []
    for _ in range(3):
        clock.now += 4.9
        executor.verify_due()
        states.append(executor.columns(hall).node_state[0])
    assert states == [ControlState.PENDING, ControlState.PENDING, ControlState.UNCONTROLLED]
    assert whys(executor) == {Why.UNREACHABLE}

    device.gate.set()
    await asyncio.gather(*writing)
    assert executor.columns(hall).node_state[0] == ControlState.CONTROLLED
    assert executor.findings() == ()


async def test_no_try_begins_after_ten_seconds(bmc, fence, clock):
    device, executor = bmc
    device.gate = asyncio.Event()
    writing = executor.start([NodeOrder(node="n1", node_cap_watts=5500)], fence)
    await device.began.wait()
    clock.now += 30
    device.silent = True
    device.gate.set()
    await asyncio.gather(*writing)
    assert len(device.orders) == 1
    assert executor.held(NODE).state is ControlState.UNCONTROLLED


async def test_an_order_of_an_older_token_says_nothing_of_a_device_however_long_it_took(bmc, hall, fence, clock):
    device, executor = bmc
    device.gate, device.outcomes = asyncio.Event(), [Outcome.STALE]
    writing = executor.start([NodeOrder(node="n1", node_cap_watts=5500)], fence)
    await device.began.wait()
    clock.now += 11
    executor.verify_due()
    device.gate.set()
    await asyncio.gather(*writing)
    assert executor.columns(hall).node_state[0] == ControlState.CONTROLLED
    assert executor.findings() == ()


async def test_a_cut_that_failed_is_tried_again_when_the_device_has_rested(executor, device, fence, clock):
    await executor.read_all()
    device.outcomes = [Outcome.LOCKED]
    await executor.carry_out([cut()], fence)
    for seconds, orders in ((30, 1), (60, 2), (120, 2)):
        clock.now += seconds
        executor.verify_due(fence)
        await settled(executor)
        assert len(device.orders) == orders
    assert device.limits["GPU-0"] == 500
    assert executor.held(GPU).state is ControlState.CONTROLLED


async def test_a_raise_that_failed_is_not_repeated_but_the_device_is_asked_for_what_it_has(executor, device, fence, clock):
    device.limits["GPU-0"] = 400.0
    await executor.read_all()
    device.outcomes = [Outcome.REFUSED]
    await executor.carry_out([cut(600, raises=True)], fence)
    clock.now += 90
    executor.verify_due(fence)
    await settled(executor)
    assert [dict(order.gpu_watts) for order in device.orders] == [{"GPU-0": 600}, {"GPU-0": 400}]
    assert executor.held(GPU).state is ControlState.CONTROLLED


async def test_who_does_not_lead_tries_nothing_again(executor, device, fence, clock):
    device.outcomes = [Outcome.LOCKED]
    await executor.carry_out([cut()], fence)
    clock.now += 90
    executor.verify_due(None)
    executor.verify_due(Fence(token=7, holder="core-1", valid_until=fence.valid_until, urgent_only=True))
    await settled(executor)
    assert len(device.orders) == 1


async def settled(executor):
    """Until nothing is under way."""
    while any(lane.busy for lane in executor._lanes.values()):
        await asyncio.gather(*(lane._task for lane in executor._lanes.values()))


async def test_a_cap_that_nobody_reads_any_more_is_charged_in_full_and_named(bmc, hall, fence, clock):
    device, executor = bmc
    device.silent = True
    seen = []
    for _ in range(20):
        clock.now += 10
        executor.verify_due()
        seen.append(executor.columns(hall).node_state[0] == ControlState.UNKNOWN)
    assert seen == [False] * 18 + [True] * 2
    assert Why.UNREAD in whys(executor)

    device.silent = False
    await executor.read_all()
    assert executor.columns(hall).node_state[0] == ControlState.CONTROLLED
    assert Why.UNREAD not in whys(executor)


async def test_a_gpu_that_an_agent_stopped_naming_is_charged_in_full(executor, device, fence, clock):
    await executor.read_all()
    del device.limits["GPU-0"]
    for _ in range(20):
        clock.now += 10
        executor.take(await device.read(), clock.now)
        executor.verify_due()
    assert executor.held(GPU).counted_state is ControlState.UNKNOWN
    assert executor.held(Device("n1", "GPU-1")).counted_state is ControlState.CONTROLLED
    assert {finding.device for finding in executor.findings() if finding.why is Why.UNREAD} == {GPU}


async def test_what_a_dead_agent_told_does_not_count_beside_what_the_baseboard_tells_now(trail, clock, fence):
    agent = FakeActuator(limits={"GPU-0": 500.0})
    baseboard = FakeActuator(way=Way.HGX, limits={"GPU-0": 700.0})
    executor = Executor({"n1": [agent, baseboard]}, trail, rules=Rules(), monotonic=clock)
    await executor.read_all()
    assert in_force(executor).limit_watts == 500
    agent.silent = True
    for _ in range(4):
        clock.now += 60
        await executor.read_all()
    assert in_force(executor).limit_watts == 700
    await executor.close()


def in_force(executor) -> DeviceCaps:
    (caps,) = executor.found()["n1"]
    return caps
