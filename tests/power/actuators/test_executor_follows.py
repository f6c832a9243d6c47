"""The hall changes: ways come and go, what is known of devices stays, whoever draws the view is told."""

import asyncio

import pytest

from power.actuators.executor import Executor
from power.model import ControlState, Device, NodeOrder, Outcome, Way
from tests.support.fake_actuator import FakeActuator
from tests.support.fleets import Over, Server, fleet

GPU = Device("n1", "GPU-0")


@pytest.fixture
def told():
    return []


@pytest.fixture
async def heard(trail, device, clock, told):
    executor = Executor({"n1": [device]}, trail, monotonic=clock, heard=lambda caps, at: told.append((caps, at)))
    yield executor
    await executor.close()


def cut(watts=500.0, node="n1"):
    return NodeOrder(node=node, gpu_watts={"GPU-0": watts})


async def test_a_server_that_comes_is_read_and_one_that_stays_is_not_forgotten(heard, device, fence):
    await heard.carry_out([cut()], fence)
    other = FakeActuator(node="n2", limits={"GPU-0": 700.0})
    await heard.follow({"n1": [device], "n2": [other]})
    assert heard.held(GPU).state is ControlState.CONTROLLED
    assert (await heard.carry_out([cut(node="n2")], fence))[0].outcome is Outcome.CONFIRMED
    assert not device.closed


async def test_a_server_that_goes_takes_its_devices_along(heard, device, fence):
    await heard.carry_out([cut()], fence)
    await heard.follow({})
    assert heard.held(GPU) is None
    assert device.closed
    assert (await heard.carry_out([cut()], fence))[0].outcome is Outcome.REFUSED
    assert heard.findings() == ()


async def test_a_device_whose_only_way_goes_is_unknown_again(heard, device):
    hall = fleet([Server(name="n1", gpus=1)], [Over(name="all", nodes=["n1"])])
    device.limits = {hall.gpus[0].uuid: 700.0}
    await heard.read_all()
    assert heard.columns(hall).gpu_state[0] == ControlState.CONTROLLED
    await heard.follow({"n1": [FakeActuator(way=Way.HGX)]})
    assert heard.columns(hall).gpu_state[0] == ControlState.UNKNOWN


async def test_what_is_read_and_what_is_set_is_told(heard, clock, told, fence):
    await heard.read_all()
    (caps, at), *_ = told
    assert ([each.limit_watts for each in caps], at) == ([700, 700], clock.now)
    clock.now += 1
    await heard.carry_out([cut()], fence)
    (caps, at) = told[-1]
    assert [(each.device, each.limit_watts, each.power_watts, at) for each in caps] == [(GPU, 500, None, clock.now)]


async def test_caps_are_read_once_a_minute_spread_over_it(trail, clock):
    ways = {f"n{row}": [FakeActuator(node=f"n{row}", limits={"": 6000.0})] for row in range(60)}
    executor = Executor(ways, trail, monotonic=clock)
    most = 0
    for _ in range(180):
        clock.now += 1
        before = sum(way.reads for (way,) in ways.values())
        executor.verify_due()
        await asyncio.gather(*executor._rounds._tasks)
        most = max(most, sum(way.reads for (way,) in ways.values()) - before)
    assert {way.reads for (way,) in ways.values()} == {3}
    assert most <= 2
    await executor.close()


async def test_what_is_told_by_itself_is_not_asked(heard, device, clock):
    for _ in range(120):
        clock.now += 1
        heard.take(await FakeActuator(limits=device.limits).read(), clock.now)
        heard.verify_due()
    assert device.reads == 0


async def test_who_does_not_answer_is_named_until_he_does(heard, device, clock):
    device.silent = True
    await heard.read_all()
    (finding,) = heard.findings()
    assert (finding.node, finding.why) == ("n1", "unreachable")
    device.silent = False
    await heard.read_all()
    assert heard.findings() == ()
