"""Orders are recorded, written, read back and tried again; what a device does decides what is counted on."""

import asyncio
import math

import numpy as np
import pytest

from power.actuators.executor import Executor, Rules
from power.actuators.findings import Why
from power.audit.trail import Trail
from power.model import ControlState, Device, Fence, NodeOrder, Outcome
from tests.support.fake_actuator import FakeActuator
from tests.support.fleets import Over, Server, fleet

FENCE = Fence(token=7, holder="core-1", valid_until=math.inf)
GPU = Device("n1", "GPU-0")


@pytest.fixture
def trail(tmp_path):
    return Trail(tmp_path / "audit", lambda: 1_760_000_000.0)


@pytest.fixture
def device():
    return FakeActuator(limits={"GPU-0": 700.0, "GPU-1": 700.0})


@pytest.fixture
async def executor(device, trail):
    made = Executor({"n1": [device]}, trail, rules=Rules(pause_seconds=0.001))
    yield made
    await made.close()


def cut(watts=500.0, uuid="GPU-0", **more):
    return NodeOrder(node="n1", gpu_watts={uuid: watts}, why="budget r1", **more)


async def test_a_confirmed_write_is_recorded_before_and_after(executor, trail, device):
    await executor.read_all()
    (receipt,) = await executor.carry_out([cut()], FENCE)

    assert receipt.outcome is Outcome.CONFIRMED
    assert executor.held(GPU).state is ControlState.CONTROLLED
    outcome, write = trail.read(device="n1/GPU-0")
    assert (write.kind, write.body["from_watts"], write.body["to_watts"], write.body["fence"]) == ("write", 700, 500, 7)
    assert (outcome.kind, outcome.body["read_back_watts"], outcome.body["outcome"]) == ("outcome", 500, "confirmed")
    assert trail.verify() == []


async def test_nothing_is_written_to_what_was_not_read(executor, device):
    await executor.carry_out([cut()], FENCE)
    assert device.reads == 1
    assert len(device.orders) == 1


async def test_a_device_that_does_not_answer_is_not_written_to(executor, device):
    device.silent = True
    (receipt,) = await executor.carry_out([cut()], FENCE)
    assert receipt.outcome is Outcome.UNREACHABLE
    assert device.orders == []


async def test_what_was_not_applied_is_tried_three_times_more_and_then_not_counted_on(executor, device):
    device.outcomes = [Outcome.NOT_APPLIED] * 9
    (receipt,) = await executor.carry_out([cut()], FENCE)

    assert receipt.outcome is Outcome.NOT_APPLIED
    assert len(device.orders) == 4
    assert executor.held(GPU).state is ControlState.UNCONTROLLED
    assert [finding.why for finding in executor.findings()] == [Why.NOT_APPLIED]


async def test_what_a_second_try_does_not_change_is_not_tried_again(executor, device):
    device.outcomes = [Outcome.LOCKED]
    await executor.carry_out([cut()], FENCE)
    assert len(device.orders) == 1
    assert executor.held(GPU).state is ControlState.UNCONTROLLED


async def test_an_order_of_an_older_token_is_not_written(executor, device):
    await executor.carry_out([cut()], FENCE)
    (receipt,) = await executor.carry_out([cut(300)], Fence(token=6, holder="core-0", valid_until=math.inf))
    assert receipt.outcome is Outcome.STALE
    assert len(device.orders) == 1


async def test_while_a_write_is_under_way_it_is_pending_with_the_new_value(executor, device):
    hall = fleet([Server(name="n1", gpus=2)], [Over(name="all", nodes=["n1"])])
    device.limits = {gpu.uuid: 700.0 for gpu in hall.gpus}
    await executor.read_all()
    device.gate = asyncio.Event()
    writing = asyncio.ensure_future(executor.carry_out([cut(500, uuid=hall.gpus[0].uuid)], FENCE))
    await device.began.wait()
    during = executor.columns(hall)
    device.gate.set()
    await writing
    after = executor.columns(hall)

    assert list(during.gpu_state) == [ControlState.PENDING, ControlState.CONTROLLED]
    assert during.gpu_pending_watts[0] == 500
    assert list(after.gpu_state) == [ControlState.CONTROLLED] * 2
    assert np.isnan(after.gpu_pending_watts).all()
