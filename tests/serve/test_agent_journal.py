"""The agent's journal: what the meters counted, from the simulated NVML to core's reader over a real socket."""

import aiohttp
import pytest

from collectors import journal as reader
from collectors import rapl
from collectors.nvml.binding import LibraryGone
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


async def test_a_driver_that_is_reloaded_resets_the_counter_and_leaves_a_gap(gpus, core, board):
    await gpus.read()
    await gpus.work(5)
    board.reload_driver()
    with pytest.raises(LibraryGone):
        await gpus.read()
    gpus.clock.now += 30
    await gpus.read()
    await gpus.work(5)
    read = await core.read()
    seen = [entry.gpus[read.gpus[0].uuid] for entry in read.entries]
    assert [counts.resets for counts in seen] == [0, 0, 1, 1], "and both of its sides are there"
    assert seen[-1].power_seconds == pytest.approx(10)
    assert seen[-1].power_joules == pytest.approx(7000)
    assert seen[-1].joules == pytest.approx(3500)


async def test_a_lost_gpu_is_absent_and_costs_the_others_nothing(gpus, core, board):
    await gpus.read()
    await gpus.work(3)
    board.columns["lost"][:] = [1, 0]
    await gpus.work(3)
    board.columns["lost"][:] = [0, 0]
    await gpus.read("slow")
    await gpus.work(3)
    document = await gpus.journal()
    joules = [row[0] for row in document["counts"]["joules"]]
    assert [value is None for value in joules] == [False] * 4 + [True] * 3 + [False] * 3
    assert all(row[1] is not None for row in document["counts"]["joules"])
    read = await core.read()
    assert len(read.gpus) == 2


async def test_processors_are_counted_with_the_gpus(board, tmp_path):
    zone = tmp_path / "sys/class/powercap/intel-rapl:0"
    for path, name in {zone: "package-0", zone / "intel-rapl:0:0": "dram", zone / "intel-rapl:0:1": "core"}.items():
        path.mkdir(parents=True)
        (path / "name").write_text(name)
        (path / "max_energy_range_uj").write_text("262143328850")
        (path / "energy_uj").write_text("1000000")
    async with served(board, tmp_path) as gpus:
        [cpus] = rapl.sources(gpus.config, "n1")
        gpus.agent.feed_journal(cpus)
        await cpus.collect("fast")
        await gpus.read()
        (zone / "energy_uj").write_text("5000000")
        await gpus.work(1)
        document = await gpus.journal()
    assert document["cpus"] == {"package-0": [0, 0, 4], "dram-0": [0, 0, 0]}, "core is a part of the package"


async def test_long_answers_are_packed_for_those_who_can_unpack_them(gpus):
    await gpus.read()
    await gpus.work(60)
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        async with session.get(gpus.url + "/journal", headers={"Accept-Encoding": "gzip"}) as packed:
            assert packed.headers["Content-Encoding"] == "gzip"
            body = await packed.read()
        async with session.get(gpus.url + "/journal", headers={"Accept-Encoding": "identity"}) as plain:
            assert "Content-Encoding" not in plain.headers
            assert len(await plain.read()) > 2 * len(body)


@pytest.mark.parametrize("query", ["after=x", "after=-1", "step=nan", "step=inf"])
async def test_a_question_that_makes_no_sense_is_refused(gpus, query):
    async with aiohttp.ClientSession() as session, session.get(f"{gpus.url}/journal?{query}") as answer:
        assert answer.status == 400
        assert "expected a number of 0 or more" in await answer.text()


async def test_the_journal_is_behind_the_token(board, tmp_path):
    (tmp_path / "token").write_text("s3cret\n")
    async with served(board, tmp_path, token_file=tmp_path / "token") as gpus, aiohttp.ClientSession() as session:
        async with session.get(gpus.url + "/journal") as answer:
            assert answer.status == 401
        async with session.get(gpus.url + "/journal", headers={"Authorization": "Bearer s3cret"}) as answer:
            assert answer.status == 200
