"""A GPU behind its agent and its baseboard: the lower cap holds, the one steps in for the other, none is forgotten low."""

import pytest

from power.model import ControlState, Device, NodeOrder, Outcome, Way
from tests.support.fake_actuator import FakeActuator

GPU = Device("n1", "GPU-0")


def order(watts, **more):
    return NodeOrder(node="n1", gpu_watts={"GPU-0": watts}, **more)


@pytest.fixture
def agent():
    return FakeActuator(limits={"GPU-0": 700.0})


@pytest.fixture
def board():
    return FakeActuator(way=Way.HGX, limits={"GPU-0": 700.0})


@pytest.fixture
async def executor(agent, board, make):
    made = make(agent, board)
    await made.read_all()
    yield made
    await made.close()


async def test_the_first_way_is_taken_while_it_works(executor, agent, board, fence):
    await executor.carry_out([order(500)], fence)
    assert (agent.limits, board.limits) == ({"GPU-0": 500}, {"GPU-0": 700})


async def test_a_cut_that_the_agent_cannot_do_is_done_by_the_baseboard(executor, agent, board, fence):
    agent.silent = True
    await executor.carry_out([order(500)], fence)
    assert board.limits == {"GPU-0": 500}
    assert executor.held(GPU).state is ControlState.CONTROLLED
    assert len(agent.orders) == 1


async def test_a_raise_raises_what_was_lowered_by_the_other_way(executor, agent, board, fence):
    agent.silent = True
    await executor.carry_out([order(500)], fence)
    agent.silent = False
    receipts = await executor.carry_out([order(600, raises=True)], fence)
    assert {receipt.outcome for receipt in receipts} == {Outcome.CONFIRMED}
    assert (agent.limits, board.limits) == ({"GPU-0": 600}, {"GPU-0": 600})


async def test_a_raise_is_not_done_by_another_way(executor, agent, board, fence):
    board.limits["GPU-0"] = agent.limits["GPU-0"] = 400.0
    await executor.read_all()
    agent.silent = True
    (receipt,) = await executor.carry_out([order(600, raises=True)], fence)
    assert receipt.outcome is Outcome.UNREACHABLE
    assert board.orders == []


async def test_of_two_caps_the_lower_is_in_force(executor, agent, board, clock):
    clock.now += 1
    board.limits["GPU-0"] = 450.0
    await executor.read_all()
    (caps,) = executor.found()["n1"]
    assert (caps.way, caps.limit_watts) == (Way.NVML, 450)


async def test_a_release_gives_both_back(executor, agent, board, fence):
    agent.silent = True
    await executor.carry_out([order(500)], fence)
    agent.silent = False
    await executor.carry_out([order(450)], fence)
    await executor.release(["n1"], fence, "end")
    assert (agent.limits, board.limits) == ({"GPU-0": 700}, {"GPU-0": 700})
