"""The agent's way into a GPU, as core uses it."""

import math

import pytest

from power.actuators.agent import AgentActuator, Keepalive
from power.model import ActuatorError, Fence, NodeOrder, Outcome

FENCE = Fence(token=7, holder="a", valid_until=0.0)
GPU = {
    "uuid": "GPU-0",
    "index": 0,
    "model": "H100",
    "limit_watts": 450.0,
    "own_watts": 450.0,
    "min_watts": 200.0,
    "max_watts": 700.0,
    "default_watts": 700.0,
    "power_watts": 430.5,
    "power_age_seconds": 0.4,
    "clock_mhz": None,
    "owner": "wattstat",
    "previous_watts": 700.0,
    "detail": "",
}
VIEW = {"node": "n1", "fence": 7, "holder": "a", "boot": "b", "dead_man": {"armed": True, "fired_at": None}, "gpus": [GPU]}


class Agent:
    def __init__(self, status=200, document=VIEW):
        self.status, self.document, self.asked = status, document, []

    async def ask(self, method, path, body):
        self.asked.append((method, path, body))
        return self.status, self.document


async def test_one_beat_tells_that_we_live_and_brings_power_and_limits():
    agent = Agent()
    alive = Keepalive(node="n1", ask=agent.ask)

    [caps] = await alive.beat(FENCE, {"GPU-0": 350.0, "GPU-1": math.nan})

    assert (caps.limit_watts, caps.power_watts, caps.max_watts, caps.index) == (450, 430.5, 700, "0")
    [(method, path, body)] = agent.asked
    assert (method, path) == ("POST", "/cap")
    assert body == {"fence": 7, "holder": "a", "dead_man_seconds": 60.0, "safe_watts": {"GPU-0": 350.0}}


async def test_without_a_fence_an_agent_is_only_looked_at():
    agent = Agent()
    await Keepalive(node="n1", ask=agent.ask).beat(None, {"GPU-0": 350.0})
    assert agent.asked == [("GET", "/cap", None)]


async def test_an_agent_that_has_seen_a_higher_token_still_shows_power_and_says_so():
    told = []
    agent = Agent(409, VIEW | {"fence": 8, "holder": "b", "detail": "token 7 is older than 8 of b"})
    alive = Keepalive(node="n1", ask=agent.ask, on_stale=lambda node, fence: told.append((node, fence)))

    [caps] = await alive.beat(FENCE, {})

    assert caps.power_watts == 430.5
    assert told == [("n1", 8)]
    [receipt] = await AgentActuator(node="n1", ask=agent.ask).write(NodeOrder(node="n1", gpu_watts={"GPU-0": 300}), FENCE)
    assert (receipt.outcome, receipt.read_back_watts) == (Outcome.STALE, 450)


async def test_power_that_was_not_read_for_long_is_not_known():
    agent = Agent(document=VIEW | {"gpus": [GPU | {"power_age_seconds": 12.0}]})
    [caps] = await AgentActuator(node="n1", ask=agent.ask).read()
    assert caps.power_watts is None
    assert caps.limit_watts == 450


async def test_a_gpu_that_the_answer_forgets_is_not_confirmed():
    result = {"uuid": "GPU-0", "wanted_watts": 300.0, "read_back_watts": 300.0, "outcome": "confirmed", "detail": ""}
    agent = Agent(document=VIEW | {"results": [result]})
    receipts = await AgentActuator(node="n1", ask=agent.ask).write(
        NodeOrder(node="n1", gpu_watts={"GPU-0": 300, "GPU-1": 300}), FENCE
    )
    assert [each.outcome for each in receipts] == [Outcome.CONFIRMED, Outcome.UNREACHABLE]


async def test_a_refusal_says_what_to_do():
    agent = Agent(403, "caps are set by root or the agent's user on this machine\n")
    with pytest.raises(ActuatorError, match="token_file"):
        await AgentActuator(node="n1", ask=agent.ask).read()


async def test_safe_caps_that_nobody_has_computed_yet_leave_those_of_the_agent_alone():
    agent = Agent()
    await Keepalive(node="n1", ask=agent.ask).beat(FENCE, {})

    [(_, _, body)] = agent.asked
    assert "safe_watts" not in body


@pytest.mark.parametrize("uuid", [5, ["GPU-0"], "", None])
async def test_a_gpu_without_a_name_is_none_and_never_the_server_itself(uuid):
    agent = Agent(document=VIEW | {"gpus": [GPU, GPU | {"uuid": uuid}]})

    [caps] = await AgentActuator(node="n1", ask=agent.ask).read()

    assert caps.device.uuid == "GPU-0"


async def test_results_that_make_no_sense_are_no_success():
    result = {"uuid": "GPU-0", "outcome": ["confirmed"], "read_back_watts": 10**400}
    agent = Agent(document=VIEW | {"results": [{"uuid": ["GPU-0"]}, result]})

    [receipt] = await AgentActuator(node="n1", ask=agent.ask).write(NodeOrder(node="n1", gpu_watts={"GPU-0": 400.0}), FENCE)

    assert (receipt.outcome, receipt.read_back_watts) == (Outcome.NOT_APPLIED, None)
