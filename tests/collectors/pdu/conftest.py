"""Simulated PDUs behind SNMP, and the source that an inventory makes of each."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from collectors import pdu
from simulator.faults import Faults
from simulator.plant.model import Plant
from simulator.snmp_pdu import agent
from tests.support import plants
from tests.support.snmp_agents import COMMUNITY, responding
from wattstat.config import Config
from wattstat.inventory import Inventory


@dataclass(kw_only=True)
class Bench:
    """Starts agents and closes what it started."""

    stack: AsyncExitStack
    folder: Path
    plant: Plant = field(default_factory=plants.plant)
    faults: Faults = field(default_factory=Faults)

    async def agent(self, name):
        """The agent of a PDU of the plant."""
        responder = agent(self.plant, name, self.faults, community=COMMUNITY)
        await responder.start("127.0.0.1")
        self.stack.push_async_callback(responder.stop)
        return eager(responder)

    async def source(self, name="pdu", *, shown=None, responder=None, **entry):
        """A source for a PDU of the plant, or for an agent that shows the given table."""
        if responder is None:
            responder = await (self.agent(name) if shown is None else self.stack.enter_async_context(responding(shown)))
            eager(responder)
        (self.folder / "community").write_text(COMMUNITY)
        config = Config.model_validate(
            {
                "credentials": {"snmp": {"password_file": str(self.folder / "community")}},
                "collectors": {"pdus": {"timeout_seconds": 0.5}},
            }
        )
        address = {"address": f"127.0.0.1:{responder.port}"}
        inventory = Inventory.model_validate({"pdus": [{"name": name, "snmp": address, **entry}]})
        (source,) = pdu.sources(config, inventory)
        self.stack.push_async_callback(source.close)
        return source


def eager(responder):
    """Let an agent show what is true at every request, where it else does so once a second."""
    render = responder._current

    def current():
        responder._rendered = float("-inf")
        return render()

    if render.__name__ != "current":
        responder._current = current
    return responder


@pytest.fixture
async def bench(tmp_path):
    async with AsyncExitStack() as stack:
        yield Bench(stack=stack, folder=tmp_path)
