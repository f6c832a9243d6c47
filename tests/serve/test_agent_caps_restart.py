"""What is left of caps after the agent, the driver, the machine or a disk gave way."""

import json
import resource
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from simulator.nvml import H100_SXM
from tests.support.agent_node import served
from tests.support.nvml import node
from wattstat.config import Agent, Config
from wattstat.serve.cap.record import SYSTEM_FOLDER, Held, Record, Store, Token, folder_of


@pytest.fixture
def board(tmp_path, monkeypatch):
    with node(tmp_path / "n1.nvml", monkeypatch, H100_SXM, 2) as state:
        yield state


def uuids(state):
    return [uuid.decode() for uuid in state.columns["uuid"]]


def limits(state):
    return [int(each) // 1000 for each in state.columns["limit_requested_mw"]]


def only(answer):
    [result] = answer["results"]
    return result


async def pass_by(gpus, seconds):
    for _ in range(seconds):
        gpus.clock.now += 1
        await gpus.agent.caps.tick()


@contextmanager
def full_disk():
    """No file may grow beyond a byte: what is written fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        with capture_logs():  # which pytest keeps in a file, too
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_after_a_restart_the_caps_are_known_and_the_dead_man_is_armed_at_once(board, tmp_path):
    first, second = uuids(board)
    board.columns["limit_requested_mw"][0] = 550_000
    async with served(board, tmp_path) as gpus:
        await gpus.read()
        await gpus.cap(fence=7, caps={first: 450.0}, safe_watts={first: 350.0, second: 350.0}, dead_man_seconds=30)
    async with served(board, tmp_path) as gpus:
        await gpus.read()
        view = await gpus.get("/cap")
        assert (view["fence"], view["holder"], view["dead_man"]["armed"]) == (7, "a", True)
        assert (view["gpus"][0]["owner"], view["gpus"][0]["previous_watts"]) == ("wattstat", 550)
        assert (await gpus.cap(fence=6))[0] == 409
        await pass_by(gpus, 31)
        assert limits(board) == [350, 350]
        await gpus.cap(fence=8, holder="b", release=[first, second])
        assert limits(board) == [550, 700]


async def test_a_dead_man_that_has_acted_does_not_act_again_after_a_restart(board, tmp_path):
    first, _ = uuids(board)
    async with served(board, tmp_path) as gpus:
        await gpus.read()
        await gpus.cap(fence=7, safe_watts={first: 350.0}, dead_man_seconds=10)
        await pass_by(gpus, 11)
    board.columns["limit_requested_mw"][0] = 300_000
    async with served(board, tmp_path) as gpus:
        await gpus.read()
        await pass_by(gpus, 30)
        assert (await gpus.get("/cap"))["dead_man"]["armed"] is False
        assert limits(board) == [300, 700]


async def test_a_new_driver_gets_the_lower_of_cap_and_safe_limit_and_the_loss_is_told(board, tmp_path):
    first, second = uuids(board)
    async with served(board, tmp_path) as gpus:
        await gpus.read()
        await gpus.cap(fence=1, caps={first: 450.0, second: 300.0}, safe_watts={first: 350.0, second: 350.0})
        board.reload_driver()
        assert limits(board) == [700, 700]
        with pytest.raises(Exception, match="Uninitialized"):
            await gpus.read()
        gpus.clock.now += 40
        await gpus.read()
        await pass_by(gpus, 1)
        assert limits(board) == [350, 300]
        view = await gpus.get("/cap")
        assert view["gpus"][0]["detail"] == "the limit of 450 W was lost, 700 W was found: the agent set 350 W"
        assert {each["owner"] for each in view["gpus"]} == {"wattstat"}
        await gpus.cap(fence=1, release=[first, second])
        assert limits(board) == [700, 700], "which is what the operator had"


async def test_limits_that_a_reboot_took_are_set_again_when_the_agent_starts(board, tmp_path):
    first, _ = uuids(board)
    board.columns["limit_requested_mw"][0] = 600_000
    async with served(board, tmp_path) as gpus:
        await gpus.read()
        await gpus.cap(fence=1, caps={first: 450.0}, safe_watts={first: 500.0})
    board.reload_driver()
    async with served(board, tmp_path) as gpus:
        await gpus.read()
        await pass_by(gpus, 1)
        assert limits(board) == [450, 700]
        await gpus.cap(fence=1, release=[first])
        assert limits(board) == [600, 700], "the operator's value, which the reboot took as well"


async def test_a_benign_new_session_changes_nothing(board, tmp_path):
    first, _ = uuids(board)
    async with served(board, tmp_path) as gpus:
        await gpus.read()
        await gpus.cap(fence=1, caps={first: 450.0}, safe_watts={first: 350.0})
        gpus.nvml._restart_wanted = "GPUs came or went"
        await gpus.read()
        await pass_by(gpus, 3)
        assert limits(board) == [450, 700]
        assert (await gpus.get("/cap"))["gpus"][0]["detail"] == ""


@pytest.mark.parametrize(("own", "after"), [(700, 450), (450, 450)])
async def test_killed_between_note_and_cut_the_cut_is_made_up_for(board, tmp_path, own, after):
    first, _ = uuids(board)
    held = Held(previous_watts=700, commanded_watts=450, earlier_watts=700)
    Store(folder=tmp_path / "caps").save(Token(fence=4, holder="a"), Record(held={first: held}))
    board.columns["limit_requested_mw"][0] = own * 1000
    async with served(board, tmp_path) as gpus:
        await gpus.read()
        await pass_by(gpus, 2)
        assert limits(board) == [after, 700]
        await gpus.cap(fence=4, release=[first])
        assert limits(board) == [700, 700]


async def test_killed_between_note_and_raise_nothing_is_raised_and_nobody_is_blamed(board, tmp_path):
    first, _ = uuids(board)
    held = Held(previous_watts=600, commanded_watts=500, earlier_watts=400)
    Store(folder=tmp_path / "caps").save(Token(fence=4, holder="a"), Record(held={first: held}))
    board.columns["limit_requested_mw"][0] = 400_000
    async with served(board, tmp_path) as gpus:
        await gpus.read()
        await pass_by(gpus, 2)
        [found, _] = (await gpus.get("/cap"))["gpus"]
        assert (found["limit_watts"], found["owner"], found["detail"]) == (400, "wattstat", "")
        await gpus.cap(fence=4, release=[first])
        assert limits(board) == [600, 700]


@pytest.mark.parametrize(("own", "held_after"), [(450, 450), (600, None)])
async def test_killed_within_a_release_it_is_done_or_not_and_known_to_be(board, tmp_path, own, held_after):
    first, _ = uuids(board)
    held = Held(previous_watts=600, commanded_watts=600, earlier_watts=450, releasing=True)
    Store(folder=tmp_path / "caps").save(Token(fence=4, holder="a"), Record(held={first: held}))
    board.columns["limit_requested_mw"][0] = own * 1000
    async with served(board, tmp_path) as gpus:
        await gpus.read()
        await pass_by(gpus, 2)
        [found, _] = (await gpus.get("/cap"))["gpus"]
        assert (found["limit_watts"], found["commanded_watts"], found["detail"]) == (own, held_after, "")
        await gpus.cap(fence=4, release=[first])
        assert limits(board) == [600, 700]


async def test_a_gpu_that_comes_back_without_its_limit_gets_it_again(board, tmp_path):
    first, _ = uuids(board)
    async with served(board, tmp_path) as gpus:
        await gpus.read()
        await gpus.cap(fence=1, caps={first: 450.0})
        board.columns["lost"][0] = 1
        await pass_by(gpus, 2)
        board.columns["limit_requested_mw"][0] = 700_000
        board.columns["lost"][0] = 0
        await pass_by(gpus, 2)
        assert limits(board) == [450, 700]


@pytest.mark.parametrize(
    "damage", [b"", b"{", b'{"sha256": "0", "body": {}}', b"[]", b"\xff\xfe", b'{"body": null}', b"9" * 5000]
)
async def test_a_damaged_record_is_told_put_aside_and_gives_nothing_back(board, tmp_path, damage):
    first, _ = uuids(board)
    async with served(board, tmp_path) as gpus:
        await gpus.read()
        await gpus.cap(fence=7, caps={first: 450.0}, safe_watts={first: 350.0})
    (tmp_path / "caps" / "caps.json").write_bytes(damage)
    async with served(board, tmp_path) as gpus:
        await gpus.read()
        view = await gpus.get("/cap")
        assert "is lost" in view["detail"]
        assert (view["fence"], view["gpus"][0]["owner"]) == (7, "other")
        assert (await gpus.cap(fence=6, holder="b", caps={first: 700.0}))[0] == 409, "the token was in another file"
        await gpus.cap(fence=8, holder="b", caps={first: 400.0})
        _, answer = await gpus.cap(fence=8, holder="b", release=[first])
        assert (only(answer)["outcome"], limits(board)) == ("refused", [400, 700])
        assert "not known" in only(answer)["detail"]
        board.columns["limit_requested_mw"][0] = 600_000
        await gpus.cap(fence=8, holder="b", caps={first: 400.0})
        await gpus.cap(fence=8, holder="b", release=[first])
        assert limits(board) == [600, 700], "what the operator has set since is known again"
    assert (tmp_path / "caps" / "caps.unreadable").read_bytes() == damage


async def test_a_damaged_token_is_told_and_the_record_stays(board, tmp_path):
    first, _ = uuids(board)
    async with served(board, tmp_path) as gpus:
        await gpus.read()
        await gpus.cap(fence=7, caps={first: 450.0})
    (tmp_path / "caps" / "fence.json").write_bytes(b"{}")
    async with served(board, tmp_path) as gpus:
        await gpus.read()
        view = await gpus.get("/cap")
        assert "highest token" in view["detail"]
        assert (view["fence"], view["gpus"][0]["owner"]) == (-1, "wattstat")


async def test_on_a_full_disk_only_an_emergency_lowers_and_it_is_told(board, tmp_path):
    first, second = uuids(board)
    async with served(board, tmp_path) as gpus:
        await gpus.read()
        await gpus.cap(fence=1, caps={first: 450.0})
        with full_disk():
            _, plain = await gpus.cap(fence=1, caps={first: 400.0})
            _, urgent = await gpus.cap(fence=1, caps={first: 300.0, second: 700.0}, urgent=True)
            assert "cannot be written" in urgent["detail"]
        assert (only(plain)["outcome"], only(plain)["read_back_watts"]) == ("refused", 450)
        assert "cannot be noted first" in only(plain)["detail"]
        assert [each["outcome"] for each in urgent["results"]] == ["confirmed", "refused"]
        assert "although it cannot be noted" in urgent["results"][0]["detail"]
        assert limits(board) == [300, 700]
        _, later = await gpus.cap(fence=1, caps={second: 650.0})
        assert (later["detail"], limits(board)) == ("", [300, 650])
    record = json.loads((tmp_path / "caps" / "caps.json").read_text())["body"]
    assert {uuid: each["commanded_watts"] for uuid, each in record["held"].items()} == {first: 300, second: 650}


async def test_a_full_disk_does_not_stop_the_dead_man(board, tmp_path):
    first, _ = uuids(board)
    async with served(board, tmp_path) as gpus:
        await gpus.read()
        await gpus.cap(fence=1, safe_watts={first: 350.0}, dead_man_seconds=10)
        with full_disk():
            await pass_by(gpus, 11)
        assert limits(board) == [350, 700]


async def test_a_token_that_could_not_be_stored_writes_nothing(board, tmp_path):
    first, _ = uuids(board)
    async with served(board, tmp_path) as gpus:
        await gpus.read()
        with full_disk():
            status, answer = await gpus.cap(fence=9, caps={first: 450.0})
        assert (status, only(answer)["outcome"], limits(board)) == (200, "refused", [700, 700])
        await gpus.cap(fence=9, caps={first: 450.0})
        assert limits(board) == [450, 700]
    assert Store(folder=tmp_path / "caps").load()[0] == Token(fence=9, holder="a")


def test_the_record_stands_where_the_service_may_write_and_nobody_else_reads_it(tmp_path):
    assert folder_of(Config(agent=Agent(cap_state=tmp_path))) == tmp_path
    if not SYSTEM_FOLDER.is_dir():
        assert folder_of(Config(data_dir=tmp_path)) == tmp_path / "caps"
    store = Store(folder=tmp_path / "caps")
    store.save(Token(fence=1, holder="a"), Record())
    assert (tmp_path / "caps").stat().st_mode & 0o777 == 0o700
