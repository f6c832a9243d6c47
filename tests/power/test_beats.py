"""Agents are asked on the beat; silent ones cost nobody else anything."""

import asyncio

from power.beats import Beats
from power.model import ActuatorError, Device, DeviceCaps, Way


class Agent:
    def __init__(self, node, *, silent=False):
        self.node, self.silent, self.asked = node, silent, asyncio.Event()

    async def beat(self, fence, safe_watts):
        self.asked.set()
        if self.silent:
            raise ActuatorError(f"{self.node}: no answer")
        return (DeviceCaps(device=Device(self.node, "GPU-0"), way=Way.NVML, limit_watts=700),)


def beats(heard):
    return Beats(
        heard=lambda node, caps, _: heard.append((node, caps)), fence=lambda: None, safe_watts=lambda _: {}, every_seconds=0.02
    )


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


async def test_every_agent_is_asked_again_and_again():
    heard = []
    asking = beats(heard)
    asking.follow({name: Agent(name) for name in ("a", "b")})

    await until(lambda: len([node for node, _ in heard if node == "b"]) >= 3)
    await asking.close()

    assert {node for node, _ in heard} == {"a", "b"}


async def test_a_silent_agent_is_named_with_its_reason_and_delays_nobody():
    heard = []
    asking = beats(heard)
    asking.follow({"a": Agent("a"), "b": Agent("b", silent=True)})

    await until(lambda: len(heard) >= 5 and asking.silent)
    await asking.close()

    assert asking.silent == {"b": "b: no answer"}
    assert {node for node, _ in heard} == {"a"}


async def test_an_agent_that_answers_again_is_no_longer_silent():
    heard, agent = [], Agent("a", silent=True)
    asking = beats(heard)
    asking.follow({"a": agent})
    await until(lambda: asking.silent)

    agent.silent = False
    await until(lambda: heard)
    await asking.close()

    assert asking.silent == {}


async def test_an_agent_that_left_the_inventory_is_not_asked_any_more():
    heard, left = [], Agent("left")
    asking = beats(heard)
    asking.follow({"left": left})
    await until(lambda: heard)

    asking.follow({"stays": Agent("stays")})
    await until(lambda: any(node == "stays" for node, _ in heard))
    left.asked.clear()
    before = len(heard)
    await until(lambda: len(heard) >= before + 3)
    await asking.close()

    assert not left.asked.is_set()


async def test_an_agent_with_a_new_address_is_asked_there():
    heard, old, new = [], Agent("a"), Agent("a")
    asking = beats(heard)
    asking.follow({"a": old})
    await until(lambda: heard)

    asking.follow({"a": new})
    await until(new.asked.is_set)
    old.asked.clear()
    before = len(heard)
    await until(lambda: len(heard) >= before + 3)
    await asking.close()

    assert not old.asked.is_set()


async def test_an_answer_that_breaks_something_is_told_and_the_agent_is_asked_again(monkeypatch):
    monkeypatch.setattr("power.beats.LONGEST_PAUSE_SECONDS", 0.02)
    heard = []

    def broken(node, caps, at):
        heard.append(node)
        if len(heard) == 1:
            raise OverflowError("a number of four hundred digits")

    asking = Beats(heard=broken, fence=lambda: None, safe_watts=lambda _: {}, every_seconds=0.02)
    asking.follow({"a": Agent("a")})
    await until(lambda: asking.silent)
    assert asking.silent == {"a": "its answer could not be used: a number of four hundred digits"}

    await until(lambda: len(heard) >= 3)
    await asking.close()

    assert asking.silent == {}
