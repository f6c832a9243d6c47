"""The loop counts a switch at what its own supplies tell, and at its most where nobody reads it."""

import time

from tests.support.power_service import FakeServer, Running, inventory
from wattstat.catalogue.metric import Samples
from wattstat.catalogue.network import SWITCH_POWER_WATTS
from wattstat.hall import Block, BlockKey
from wattstat.inventory import Inventory


def with_switch():
    found = inventory(budget=12_000).model_dump()
    found["switches"] = [{"name": "leaf1", "rack": "r1", "max_watts": 2000}]
    return Inventory.model_validate(found)


def tell(running, watts):
    out = Samples()
    out.add(SWITCH_POWER_WATTS, watts, "leaf1", "psu_input")
    key = BlockKey("switches", "leaf1", "environment")
    running.hall.post(Block(key=key, samples=tuple(out), taken_at=time.time(), interval_seconds=60))


async def test_a_rack_draws_what_its_switch_draws_and_its_breaker_is_charged_with_the_most(tmp_path):
    async with Running(tmp_path, with_switch(), [FakeServer("a"), FakeServer("b")]) as running:
        await running.until(lambda status: status["ready"])

        def share(name):
            budget = running.budget(name)
            return budget["power_watts"] - sum(server.watts for server in running.servers)

        await running.until(lambda _: abs(share("r1") - 2000) < 1)
        envelope = running.budget("one")["envelope_watts"]
        tell(running, 500)
        await running.until(lambda _: abs(share("r1") - 550) < 1)

        assert running.budget("one")["envelope_watts"] == envelope
