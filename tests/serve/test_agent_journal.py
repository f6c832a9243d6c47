"""The agent's journal: what the meters counted, from the simulated NVML to core's reader over a real socket."""

import pytest

from collectors import journal as reader
from simulator.nvml import H100_SXM
from tests.support.agent_node import served
from tests.support.nvml import node
from wattstat.config import Config
from wattstat.inventory import Agent, Inventory, Node


@pytest.fixture
def board(tmp_path, monkeypatch):
    with node(tmp_path / "n1.nvml", monkeypatch, H100_SXM, 2) as state:
        yield state


@pytest.fixture
async def gpus(board, tmp_path):
    async with served(board, tmp_path) as found:
        yield found


class Core:
    """Core's reader of one agent, and what it handed to the ledger."""

    def __init__(self, gpus):
        self.got = []
        inventory = Inventory(nodes=(Node(name="n1", agent=Agent(url=gpus.url)),))
        [self.source] = reader.sources(Config(), inventory, sink=self.got.append, clock=lambda: self.now)
        self.now = 1_700_000_000.0

    async def read(self):
        await self.source.collect("journal")
        return self.got[-1]


@pytest.fixture
async def core(gpus):
    made = Core(gpus)
    await made.source.open()
    yield made
    await made.source.close()


async def test_a_reader_gets_what_the_meters_counted(gpus, core):
    await gpus.read()
    await gpus.work(20, watts=600)
    read = await core.read()

    assert [gpu.index for gpu in read.gpus] == [0, 1]
    assert (read.gpus[0].minor, read.gpus[0].model, read.complete) == (0, H100_SXM.name, True)
    first, last = read.entries[0].gpus[read.gpus[0].uuid], read.entries[-1].gpus[read.gpus[0].uuid]
    assert last.joules - first.joules == pytest.approx(20 * 600)
    assert last.power_joules == pytest.approx(20 * 600)
    assert last.power_seconds == pytest.approx(20)
    assert read.entries[-1].at == pytest.approx(core.now, abs=0.1)
    assert read.entries[-1].at - read.entries[0].at == pytest.approx(20, abs=0.01)


async def test_the_next_reading_brings_only_what_is_new(gpus, core):
    await gpus.read()
    await gpus.work(20)
    before = await core.read()
    await gpus.work(20)
    core.now += 20
    read = await core.read()
    assert read.entries[0].at > before.entries[-1].at
    assert read.boot == before.boot
    assert read.complete
    assert len(read.entries) == 2, "thinned to the reader's ten seconds"
