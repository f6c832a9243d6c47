"""Starts and ends of jobs, told to the agent: exact counters, whoever dies in between."""

import json
import os
import socket

import aiohttp
import pytest

from collectors import journal as reader
from simulator.nvml import H100_SXM, MigInstance
from tests.support.agent_node import served
from tests.support.nvml import node
from wattstat.config import Config
from wattstat.inventory import Agent as AgentAddress
from wattstat.inventory import Inventory
from wattstat.inventory import Node as Server
from wattstat.journal import Edge
from wattstat.serve.agent import Agent
from wattstat.serve.journal import boundaries as module
from wattstat.serve.journal.peer import user_of
from wattstat.serve.journal.spool import SYSTEM_FOLDER, folder_of

START = {"edge": "start", "scheduler": "slurm", "job_id": "1234_7", "gpus": ["1"], "user": "ada"}
END = {**START, "edge": "end"}


@pytest.fixture
def board(tmp_path, monkeypatch):
    with node(tmp_path / "n1.nvml", monkeypatch, H100_SXM, 2) as state:
        yield state


@pytest.fixture
async def gpus(board, tmp_path):
    async with served(board, tmp_path) as found:
        await found.read()
        yield found


class Core:
    """Core's reader of one agent, on a clock that stands still."""

    def __init__(self, url):
        self.got, self.now = [], 1_700_000_000.0
        inventory = Inventory(nodes=(Server(name="n1", agent=AgentAddress(url=url)),))
        [self.source] = reader.sources(Config(), inventory, sink=self.got.append, clock=lambda: self.now)

    async def read(self):
        await self.source.open()
        collected = await self.source.collect("journal")
        assert collected.errors == {}
        await self.source.close()
        return self.got[-1]


@pytest.fixture
def core(gpus):
    return Core(gpus.url)


def boundaries(read, edge):
    return [boundary for boundary in read.boundaries if boundary.edge is edge]


async def tell(gpus, body, **headers):
    status, text = await gpus.post("/boundary", body, **headers)
    assert status == 200, text
    return json.loads(text)


async def test_a_job_gets_the_counters_of_its_very_start_and_end(gpus, core):
    await gpus.work(7, watts=100)
    gpus.state.columns["energy_mj"][:] = 5_000_000
    await tell(gpus, START)
    gpus.state.columns["energy_mj"][:] = 9_000_000
    await tell(gpus, END)
    gpus.state.columns["energy_mj"][:] = 9_500_000
    await gpus.work(1)

    read = await core.read()
    uuid = read.gpus[1].uuid
    [start], [end] = boundaries(read, Edge.START), boundaries(read, Edge.END)
    assert end.joules[uuid] - start.joules[uuid] == 4000
    assert (start.gpus, start.job_id, start.user, start.resets) == ((uuid,), "1234_7", "ada", {uuid: 0})
    assert start.id != end.id


async def test_the_reader_knows_when_it_was_although_the_nodes_clock_jumps(gpus, core):
    await gpus.work(3)
    await tell(gpus, START)
    gpus.wall.now -= 86_400 * 30
    await gpus.work(5)
    gpus.wall.now += 86_400 * 365
    read = await core.read()
    [start] = read.boundaries
    assert core.now - start.at == pytest.approx(5, abs=0.2)
    assert [core.now - entry.at for entry in read.entries][-1] == pytest.approx(0, abs=0.2)


async def test_thinned_out_entries_keep_the_neighbours_of_a_boundary(gpus):
    await gpus.work(35)
    gpus.clock.now += 0.5
    await tell(gpus, START)
    await gpus.work(35)
    ages = (await gpus.journal(step=30))["ages"]
    assert ages == pytest.approx([70.5, 40.5, 35.5, 34, 4, 0], abs=0.01)


async def test_a_boundary_is_repeated_until_the_reader_shows_that_it_arrived(gpus):
    told = await tell(gpus, START)
    first = await gpus.journal()
    again = await gpus.journal()
    assert [each["id"] for each in (*first["boundaries"], *again["boundaries"])] == [told["id"]] * 2
    after = await gpus.journal(after=first["cursor"], boot=first["boot"])
    assert after["boundaries"] == []


async def test_the_file_goes_when_it_was_read_and_nobody_can_want_it_again(gpus, tmp_path):
    await tell(gpus, START)
    assert len(list((tmp_path / "spool").glob("*.json"))) == 1
    read = await gpus.journal()
    await gpus.journal(after=read["cursor"], boot=read["boot"])
    gpus.clock.now += module.READ_SECONDS - 60
    assert len((await gpus.journal())["boundaries"]) == 1, "a core that lost its memory reads it again"
    gpus.clock.now += 120
    assert (await gpus.journal())["boundaries"] == []
    assert list((tmp_path / "spool").glob("*")) == []


async def test_one_that_nobody_reads_is_kept_for_seven_days(gpus, tmp_path):
    await tell(gpus, START)
    gpus.clock.now += module.UNREAD_SECONDS - 60
    assert len((await gpus.journal())["boundaries"]) == 1
    gpus.clock.now += 120
    assert (await gpus.journal())["boundaries"] == []
    assert list((tmp_path / "spool").glob("*")) == []


async def test_there_is_a_bound_to_how_many_are_kept(gpus, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST", 3)
    for job in range(5):
        await tell(gpus, {**START, "job_id": job})
    assert [each["job_id"] for each in (await gpus.journal())["boundaries"]] == ["2", "3", "4"]
    assert len(list((tmp_path / "spool").glob("*"))) == 3


async def test_told_twice_it_is_noted_once(gpus):
    await tell(gpus, {**START, "id": "abc"})
    gpus.state.columns["energy_mj"][:] = 77_000
    again = await tell(gpus, {**START, "id": "abc"})
    [noted] = (await gpus.journal())["boundaries"]
    assert noted["id"] == again["id"] == "abc"
    assert set(noted["joules"].values()) == {0}


@pytest.mark.parametrize("wall_jump", [0, -86_400, 3600])
async def test_an_agent_that_starts_anew_finds_what_the_one_before_noted(gpus, board, tmp_path, wall_jump):
    await gpus.work(4)
    await tell(gpus, START)
    async with served(board, tmp_path) as reborn:
        reborn.clock.now = gpus.clock.now + 60
        reborn.wall.now = gpus.wall.now + 60 + wall_jump
        await reborn.read()
        [start] = (await Core(reborn.url).read()).boundaries
    assert start.joules == {start.gpus[0]: 4 * 700}
    assert start.at == pytest.approx(1_700_000_000 - 60, abs=0.2)


async def test_after_a_start_of_the_machine_the_wall_clock_is_all_there_is(gpus, board, tmp_path):
    await tell(gpus, START)
    async with served(board, tmp_path) as reborn:
        reborn.agent.journal.boundaries.kernel_boot = "another"
        reborn.clock.now = 5.0
        reborn.wall.now = gpus.wall.now + 300
        await reborn.read()
        [start] = (await Core(reborn.url).read()).boundaries
    assert start.at == pytest.approx(1_700_000_000 - 300, abs=0.2)


async def test_gpus_are_named_by_minor_number_by_order_or_by_uuid(gpus, board):
    board.columns["minor"][:] = [4, 3]
    gpus.nvml.library.close()
    await gpus.read()
    first, second = (await gpus.journal())["gpus"]
    wanted = {"minor": [first, "4"], "pci": [second, "1"]}
    for order, (gpu, number) in wanted.items():
        told = await tell(gpus, {**START, "gpus": [int(number)], "gpu_order": order})
        assert list(told["joules"]) == [gpu["uuid"]]
    told = await tell(gpus, {**START, "gpus": [second["uuid"], "GPU-of-elsewhere"]})
    assert list(told["joules"]) == [second["uuid"]]


async def test_a_mig_device_is_named_by_its_own_uuid_and_counted_by_its_gpu(gpus, board):
    board.set_mig(1, [mig("MIG-a", 1)])
    await gpus.read("medium")
    await gpus.read()
    await tell(gpus, {**START, "gpus": ["MIG-a"]})
    read = await gpus.journal()
    [noted] = read["boundaries"]
    assert noted["gpus"] == ["MIG-a"]
    assert list(noted["joules"]) == [read["gpus"][1]["uuid"]]
    assert read["gpus"][1]["mig_uuids"] == {"mig:1:0": "MIG-a"}
    assert read["gpus"][1]["slices"] == {"mig:1:0": 3}


async def test_slurm_s_numbers_count_the_parts_of_divided_gpus(gpus, board):
    board.set_mig(0, [mig("MIG-a", 1), mig("MIG-b", 2)])
    await gpus.read("medium")
    await gpus.read()
    read = await gpus.journal()
    whole = read["gpus"][1]["uuid"]
    for number, uuid in enumerate(["MIG-a", "MIG-b", whole]):
        await tell(gpus, {**START, "gpus": [number], "id": f"b{number}"})
        assert (await gpus.journal())["boundaries"][-1]["gpus"] == [uuid]
    await tell(gpus, {**START, "scheduler": "pbs", "gpus": [1]})
    assert (await gpus.journal())["boundaries"][-1]["gpus"] == [whole]


def mig(uuid, instance):
    return MigInstance(
        uuid=uuid,
        gpu_instance=instance,
        compute_instance=0,
        memory_bytes=40 << 30,
        used_bytes=0,
        sm_count=60,
        gpu_slices=3,
        compute_slices=3,
    )


async def test_a_driver_that_does_not_answer_costs_the_counters_and_not_the_boundary(gpus, board):
    gpus.agent.boundary_seconds = 0.05
    board.delay("nvmlDeviceGetFieldValues", 400_000)
    told = await tell(gpus, START)
    assert told["joules"] == {}
    board.delay("nvmlDeviceGetFieldValues", 0)
    [noted] = (await gpus.journal())["boundaries"]
    assert (noted["joules"], len(noted["gpus"])) == ({}, 1)


async def test_a_gpu_that_is_lost_costs_only_its_own_counter(gpus, board):
    board.columns["lost"][:] = [1, 0]
    told = await tell(gpus, {**START, "gpus": ["0", "1"]})
    assert list(told["joules"]) == [(await gpus.journal())["gpus"][1]["uuid"]]


async def test_a_boundary_of_the_past_has_its_time_and_no_counters(gpus):
    told = await tell(gpus, {**START, "at": gpus.wall.now - 90})
    [noted] = (await gpus.journal())["boundaries"]
    assert (told["joules"], noted["age"]) == ({}, pytest.approx(90))


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({**START, "edge": "begin"}, "edge: Input should be 'start' or 'end'"),
        ({"edge": "start", "scheduler": "slurm"}, "job_id: Field required"),
        ({**START, "gpus": "0,1"}, "gpus: Input should be a valid tuple"),
        ({**START, "gpu_order": "serial"}, "gpu_order: Input should be 'minor' or 'pci'"),
        ({**START, "user": "ada\n"}, "user: String should match"),
        ({**START, "id": "../../etc/passwd"}, "id: String should match"),
        ({**START, "at": -1}, "at: Input should be greater than or equal to 0"),
        ([], "the body: Input should be"),
    ],
)
async def test_a_body_that_is_not_as_agreed_is_refused_with_what_was_expected(gpus, body, complaint):
    status, text = await gpus.post("/boundary", body)
    assert status == 400
    assert complaint in text
    assert (await gpus.journal())["boundaries"] == []


async def test_a_body_that_is_no_json_is_refused(gpus):
    async with aiohttp.ClientSession() as session, session.post(gpus.url + "/boundary", data=b"edge=start") as answer:
        assert (answer.status, await answer.text()) == (
            400,
            "the body is not JSON: Expecting value: line 1 column 1 (char 0)\n",
        )


async def test_other_users_of_the_machine_may_not_tell_of_jobs(gpus, monkeypatch, tmp_path):
    monkeypatch.setattr("wattstat.serve.agent_http.user_of", lambda *_: 12345)
    gpus.agent.token = "let-me-in"
    assert (await gpus.post("/boundary", START))[0] == 403
    assert (await gpus.post("/boundary", START, Authorization="Bearer wrong"))[0] == 403
    assert (await gpus.post("/boundary", START, Authorization="Bearer let-me-in"))[0] == 200


def test_the_kernel_knows_whose_connection_it_is():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as ours:
        there, peer = server.accept()
        with there:
            assert user_of(peer, there.getsockname()) == os.getuid()
            assert user_of(("127.0.0.1", 1), there.getsockname()) is None
            assert user_of(("192.0.2.1", 80), there.getsockname()) is None, "another machine"
            assert user_of(("::ffff:127.0.0.1", ours.getsockname()[1], 0, 0)[:2], ("::ffff:127.0.0.1", peer[1])) is None


def test_who_listens_at_the_peers_port_is_not_the_peer():
    with socket.create_server(("0.0.0.0", 0)) as somebody:
        assert user_of(("127.0.0.1", somebody.getsockname()[1]), ("127.0.0.1", 9837)) is None


async def test_files_that_are_no_boundaries_are_left_out_and_left_there(gpus, tmp_path):
    folder = tmp_path / "spool"
    folder.mkdir(exist_ok=True)
    (folder / "torn.json").write_text('{"edge": "sta')
    (folder / "other.json").write_text(json.dumps({**START, "id": "elsewhere", "wall": 1.0}))
    (folder / "link.json").symlink_to("/etc/hostname")
    assert (await gpus.journal())["boundaries"] == []
    assert len(list(folder.iterdir())) == 3


async def test_a_spool_that_cannot_be_written_costs_nothing_but_the_memory_of_a_dead_agent(board, tmp_path):
    (tmp_path / "file").touch()
    async with served(board, tmp_path, spool=tmp_path / "file" / "spool") as gpus:
        await gpus.read()
        await tell(gpus, START)
        assert len((await gpus.journal())["boundaries"]) == 1


def test_the_spool_is_the_systems_where_there_is_one(tmp_path, monkeypatch):
    config = Config(data_dir=tmp_path)
    monkeypatch.setattr("wattstat.serve.journal.spool.SYSTEM_FOLDER", tmp_path / "nothing")
    assert folder_of(config) == tmp_path / "spool"
    monkeypatch.setattr("wattstat.serve.journal.spool.SYSTEM_FOLDER", tmp_path)
    assert folder_of(Config()) == tmp_path / "spool"
    assert SYSTEM_FOLDER.is_absolute()


def test_an_agent_is_built_without_touching_the_disk(tmp_path):
    Agent.build(Config(data_dir=tmp_path / "data"))
    assert not (tmp_path / "data").exists()
