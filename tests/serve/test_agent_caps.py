"""The guarded cap endpoint on the C library: who may write, what is written, what is given back."""

import json

import pytest

from collectors.nvml.binding import LibraryGone
from power.model import Outcome as CoresOutcome
from simulator.nvml import H100_SXM, MigInstance
from tests.support.agent_node import served
from tests.support.nvml import node
from wattstat.serve.cap.rules import Outcome


@pytest.fixture
def board(tmp_path, monkeypatch):
    with node(tmp_path / "n1.nvml", monkeypatch, H100_SXM, 2) as state:
        yield state


@pytest.fixture
async def gpus(board, tmp_path):
    async with served(board, tmp_path) as found:
        await found.read()
        yield found


def uuids(state):
    return [uuid.decode() for uuid in state.columns["uuid"]]


def limits(state):
    return [int(each) // 1000 for each in state.columns["limit_requested_mw"]]


async def shown(gpus, number=0):
    return (await gpus.get("/cap"))["gpus"][number]


def only(answer):
    [result] = answer["results"]
    return result


async def pass_by(gpus, seconds):
    """Seconds in which nobody orders anything."""
    for _ in range(seconds):
        gpus.clock.now += 1
        await gpus.agent.caps.tick()


def test_outcomes_are_called_what_core_calls_them():
    assert {each.value for each in Outcome} <= {each.value for each in CoresOutcome}


async def test_a_cap_is_set_and_read_back(gpus, board):
    first, second = uuids(board)
    status, answer = await gpus.cap(fence=1, caps={first: 450.0})
    assert status == 200
    assert answer["results"] == [
        {"uuid": first, "wanted_watts": 450.0, "read_back_watts": 450.0, "outcome": "confirmed", "detail": ""}
    ]
    assert limits(board) == [450, 700]
    found = {each["uuid"]: each for each in answer["gpus"]}
    assert (found[first]["owner"], found[second]["owner"]) == ("wattstat", "default")
    assert (found[first]["previous_watts"], found[second]["previous_watts"]) == (700, None)


async def test_the_view_has_power_with_its_age_and_bounds_as_they_are_now(gpus, board):
    await gpus.work(2, 600.0)
    gpus.clock.now += 0.5
    board.columns["limit_min_mw"][0] = 250_000
    found = await shown(gpus)
    assert (found["power_watts"], found["power_age_seconds"]) == (600, pytest.approx(0.5))
    assert (found["min_watts"], found["max_watts"], found["default_watts"]) == (250, 700, 700)
    assert (found["index"], found["model"]) == (0, "NVIDIA H100 80GB HBM3")


async def test_a_look_is_no_word_of_life(gpus, board):
    first, _ = uuids(board)
    await gpus.cap(fence=1, safe_watts={first: 350.0}, dead_man_seconds=10)
    for _ in range(11):
        gpus.clock.now += 1
        await gpus.get("/cap")
        await gpus.agent.caps.tick()
    assert limits(board) == [350, 700]


async def test_an_older_token_is_refused_with_the_view_and_nothing_is_written(gpus, board):
    first, _ = uuids(board)
    await gpus.cap(fence=6, caps={first: 450.0})
    status, answer = await gpus.cap(fence=5, holder="b", caps={first: 700.0}, release=[])
    assert status == 409
    assert (answer["fence"], answer["holder"], answer["results"]) == (6, "a", [])
    assert answer["detail"] == "token 5 is older than 6 of a"
    assert limits(board) == [450, 700]


async def test_one_token_has_one_holder(gpus, board):
    first, _ = uuids(board)
    await gpus.cap(fence=6)
    status, answer = await gpus.cap(fence=6, holder="b", caps={first: 450.0})
    assert (status, answer["detail"]) == (409, "token 6 is held by a, not by b")
    assert limits(board) == [700, 700]


async def test_a_controller_that_was_paused_finds_its_token_outlived(gpus, board):
    first, _ = uuids(board)
    await gpus.cap(fence=5, holder="paused", caps={first: 450.0})
    await gpus.cap(fence=6, holder="new", caps={first: 400.0})
    await pass_by(gpus, 45)
    for _ in range(3):
        status, _ = await gpus.cap(fence=5, holder="paused", caps={first: 600.0}, safe_watts={first: 600.0})
        assert status == 409
    assert limits(board) == [400, 700]
    assert gpus.agent.caps.memory.record.safe_watts == {}


async def test_a_stale_controller_does_not_keep_the_dead_man_quiet(gpus, board):
    first, _ = uuids(board)
    await gpus.cap(fence=6, safe_watts={first: 350.0}, dead_man_seconds=10)
    for _ in range(11):
        await gpus.cap(fence=5, holder="b")
        await pass_by(gpus, 1)
    assert limits(board) == [350, 700]


async def test_a_cap_out_of_bounds_is_not_written_and_the_bounds_are_named(gpus, board):
    first, second = uuids(board)
    board.columns["limit_max_mw"][1] = 600_000
    _, answer = await gpus.cap(fence=1, caps={first: 150.0, second: 650.0})
    assert [each["outcome"] for each in answer["results"]] == ["out_of_range", "out_of_range"]
    assert "200 to 600 W" in answer["results"][1]["detail"]
    assert limits(board) == [700, 700]


async def test_the_lowest_and_the_highest_watt_are_within_bounds(gpus, board):
    first, second = uuids(board)
    _, answer = await gpus.cap(fence=1, caps={first: 200.0, second: 700.0})
    assert [each["outcome"] for each in answer["results"]] == ["confirmed", "confirmed"]
    assert limits(board) == [200, 700]


async def test_what_the_operator_had_comes_back_and_not_the_factorys_value(gpus, board):
    first, _ = uuids(board)
    board.columns["limit_requested_mw"][0] = 550_000
    assert (await shown(gpus))["owner"] == "other"
    await gpus.cap(fence=1, caps={first: 450.0})
    await gpus.cap(fence=1, caps={first: 400.0})
    _, answer = await gpus.cap(fence=1, release=[first])
    assert (only(answer)["outcome"], only(answer)["read_back_watts"]) == ("confirmed", 550)
    assert limits(board) == [550, 700]
    assert (await shown(gpus))["previous_watts"] is None
    assert (await shown(gpus))["owner"] == "other"


async def test_what_was_never_capped_is_released_without_a_write(gpus, board):
    first, _ = uuids(board)
    board.columns["limit_requested_mw"][0] = 550_000
    _, answer = await gpus.cap(fence=1, release=[first])
    assert (only(answer)["outcome"], limits(board)) == ("confirmed", [550, 700])


async def test_a_limit_that_somebody_changed_is_told_with_both_values_and_not_fought(gpus, board):
    first, _ = uuids(board)
    await gpus.cap(fence=1, caps={first: 450.0})
    board.columns["limit_requested_mw"][0] = 700_000
    await pass_by(gpus, 5)
    found = await shown(gpus)
    assert (found["owner"], found["limit_watts"], found["commanded_watts"]) == ("other", 700, 450)
    assert found["detail"] == "somebody else changed the limit from 450 W to 700 W"
    assert limits(board) == [700, 700]
    board.columns["limit_requested_mw"][0] = 450_000
    assert ((await shown(gpus))["owner"], (await shown(gpus))["detail"]) == ("wattstat", "")


async def test_somebodys_own_value_stays_when_we_release_and_is_the_operators_when_we_cap_again(gpus, board):
    first, _ = uuids(board)
    await gpus.cap(fence=1, caps={first: 450.0})
    board.columns["limit_requested_mw"][0] = 500_000
    await gpus.cap(fence=1, caps={first: 400.0})
    assert (await shown(gpus))["previous_watts"] == 500
    board.columns["limit_requested_mw"][0] = 600_000
    _, answer = await gpus.cap(fence=1, release=[first])
    assert "600 W" in only(answer)["detail"]
    assert limits(board) == [600, 700]


async def test_a_reset_to_the_default_by_somebody_is_not_taken_for_the_operators_will(gpus, board):
    first, _ = uuids(board)
    board.columns["limit_requested_mw"][0] = 550_000
    await gpus.cap(fence=1, caps={first: 450.0})
    board.columns["limit_requested_mw"][0] = 700_000
    await gpus.cap(fence=1, caps={first: 450.0})
    await gpus.cap(fence=1, release=[first])
    assert limits(board) == [550, 700]


async def test_silence_lowers_to_the_safe_limits_after_the_time_and_never_raises(gpus, board):
    first, second = uuids(board)
    await gpus.cap(fence=1, caps={first: 300.0}, safe_watts={first: 350.0, second: 350.0}, dead_man_seconds=60)
    await pass_by(gpus, 59)
    assert limits(board) == [300, 700]
    assert (await gpus.get("/cap"))["dead_man"] == {"armed": True, "seconds": 60, "fired_at": None}
    gpus.wall.now += 61
    await pass_by(gpus, 2)
    assert limits(board) == [300, 350]
    view = await gpus.get("/cap")
    assert view["dead_man"] == {"armed": False, "seconds": 60, "fired_at": gpus.wall.now}
    assert view["gpus"][1]["detail"] == "core was silent for 61 s: the agent set 350 W"
    assert (view["gpus"][1]["owner"], view["gpus"][1]["previous_watts"]) == ("wattstat", 700)


async def test_the_dead_man_acts_once_and_is_armed_again_by_the_next_word(gpus, board):
    first, _ = uuids(board)
    await gpus.cap(fence=1, safe_watts={first: 350.0}, dead_man_seconds=10)
    await pass_by(gpus, 11)
    board.columns["limit_requested_mw"][0] = 600_000
    await pass_by(gpus, 60)
    assert limits(board) == [600, 700], "it was told of, and is core's to decide"
    _, answer = await gpus.cap(fence=1, caps={first: 500.0})
    assert answer["dead_man"] == {"armed": True, "seconds": 10, "fired_at": None}
    await pass_by(gpus, 11)
    assert limits(board) == [350, 700]


async def test_a_jump_of_the_wall_clock_is_no_silence(gpus, board):
    first, _ = uuids(board)
    await gpus.cap(fence=1, safe_watts={first: 350.0}, dead_man_seconds=10)
    gpus.wall.now += 3600
    await pass_by(gpus, 5)
    assert limits(board) == [700, 700]


async def test_no_safe_limits_and_nothing_held_disarm_the_dead_man(gpus, board):
    first, _ = uuids(board)
    await gpus.cap(fence=1, caps={first: 450.0}, safe_watts={first: 350.0}, dead_man_seconds=10)
    _, answer = await gpus.cap(fence=1, safe_watts={}, release=[first])
    assert answer["dead_man"]["armed"] is False
    await pass_by(gpus, 30)
    assert limits(board) == [700, 700]


async def test_a_safe_limit_below_what_the_board_takes_becomes_its_lowest(gpus, board):
    first, _ = uuids(board)
    await gpus.cap(fence=1, safe_watts={first: 100.0}, dead_man_seconds=10)
    await pass_by(gpus, 11)
    assert limits(board) == [200, 700]


async def test_a_driver_without_permission_refuses_with_what_to_do_and_nothing_is_called_ours(gpus, board):
    first, _ = uuids(board)
    board.fail(0, "nvmlDeviceSetPowerManagementLimit", 4)
    _, answer = await gpus.cap(fence=1, caps={first: 450.0})
    assert (only(answer)["outcome"], only(answer)["read_back_watts"]) == ("refused", 700)
    assert "CAP_SYS_ADMIN" in only(answer)["detail"]
    assert answer["gpus"][0]["owner"] == "default"
    assert gpus.agent.caps.memory.record.held == {}


async def test_the_dead_man_tries_again_where_the_driver_refuses_and_says_so(gpus, board):
    first, _ = uuids(board)
    await gpus.cap(fence=1, safe_watts={first: 350.0}, dead_man_seconds=10)
    board.fail(0, "nvmlDeviceSetPowerManagementLimit", 4)
    await pass_by(gpus, 11)
    assert "350 W is to be set, but" in (await shown(gpus))["detail"]
    board.fail(0, "nvmlDeviceSetPowerManagementLimit", 0)
    await pass_by(gpus, 11)
    assert limits(board) == [350, 700]


async def test_a_driver_that_says_yes_and_does_nothing_is_found_out(gpus, board):
    first, _ = uuids(board)
    board.columns["limit_ignored"][:] = 1
    _, answer = await gpus.cap(fence=1, caps={first: 450.0})
    assert (only(answer)["outcome"], only(answer)["read_back_watts"]) == ("not_applied", 700)
    assert answer["gpus"][0]["detail"] == "", "nobody else changed anything"
    assert answer["gpus"][0]["owner"] == "default"


async def test_a_lower_limit_out_of_band_is_what_is_in_force(gpus, board):
    first, _ = uuids(board)
    board.columns["limit_out_of_band_mw"][0] = 400_000
    _, answer = await gpus.cap(fence=1, caps={first: 450.0})
    assert (only(answer)["outcome"], only(answer)["read_back_watts"]) == ("confirmed", 400)
    assert "out of band" in only(answer)["detail"]
    assert (answer["gpus"][0]["limit_watts"], answer["gpus"][0]["own_watts"]) == (400, 450)


async def test_a_lost_gpu_costs_only_itself_and_its_limit_is_not_known(gpus, board):
    first, second = uuids(board)
    board.columns["lost"][0] = 1
    _, answer = await gpus.cap(fence=1, caps={first: 450.0, second: 450.0})
    assert [each["outcome"] for each in answer["results"]] == ["unreachable", "confirmed"]
    assert (answer["gpus"][0]["limit_watts"], answer["gpus"][0]["max_watts"]) == (None, 700)
    assert answer["gpus"][0]["owner"] is None
    assert limits(board) == [700, 450]


async def test_parts_of_a_gpu_and_strangers_are_refused_and_a_divided_gpu_is_capped_as_a_whole(gpus, board):
    first, _ = uuids(board)
    part = MigInstance(
        uuid="MIG-1",
        gpu_instance=1,
        compute_instance=0,
        memory_bytes=1,
        used_bytes=0,
        sm_count=16,
        gpu_slices=1,
        compute_slices=1,
    )
    board.set_mig(0, [part])
    _, answer = await gpus.cap(fence=1, caps={"MIG-1": 450.0, "GPU-9": 450.0, first: 450.0})
    assert [each["outcome"] for each in answer["results"]] == ["refused", "refused", "confirmed"]
    assert "whole GPU" in answer["results"][0]["detail"]


async def test_a_board_without_power_management_says_so(gpus, board):
    first, _ = uuids(board)
    for call in (
        "PowerManagementLimit",
        "EnforcedPowerLimit",
        "PowerManagementLimitConstraints",
        "PowerManagementDefaultLimit",
    ):
        board.fail(0, f"nvmlDeviceGet{call}", 3)
    for field in (187, 188, 189, 190, 192):
        board.fail_field(0, field, 3)
    _, answer = await gpus.cap(fence=1, caps={first: 450.0})
    assert only(answer)["outcome"] == "refused"
    assert "takes no power limit" in only(answer)["detail"]
    assert answer["gpus"][0]["limit_watts"] is None


async def test_a_clock_is_bound_and_let_go_with_its_cap(gpus, board):
    first, _ = uuids(board)
    _, answer = await gpus.cap(fence=1, clocks={first: 1200.0}, caps={first: 450.0})
    assert (only(answer)["outcome"], answer["gpus"][0]["clock_mhz"]) == ("confirmed", 1200)
    assert board.columns["clock_lock_mhz"][0] == 1200
    _, answer = await gpus.cap(fence=1, clocks={first: None})
    assert (board.columns["clock_lock_mhz"][0], answer["gpus"][0]["clock_mhz"]) == (0, None)
    assert limits(board) == [450, 700]
    await gpus.cap(fence=1, clocks={first: 900.0})
    await gpus.cap(fence=1, release=[first])
    assert (board.columns["clock_lock_mhz"][0], limits(board)) == (0, [700, 700])


async def test_a_clock_that_is_refused_leaves_the_cap_that_was_taken(gpus, board):
    first, _ = uuids(board)
    board.fail(0, "nvmlDeviceSetGpuLockedClocks", 4)
    _, answer = await gpus.cap(fence=1, clocks={first: 1200.0}, caps={first: 450.0})
    assert (only(answer)["outcome"], only(answer)["read_back_watts"]) == ("refused", 450)
    assert (answer["gpus"][0]["owner"], answer["gpus"][0]["clock_mhz"]) == ("wattstat", None)
    await gpus.cap(fence=1, release=[first])
    assert limits(board) == [700, 700]


async def test_without_a_driver_orders_are_unreachable_and_the_dead_man_waits_for_it(gpus, board):
    first, _ = uuids(board)
    await gpus.cap(fence=1, safe_watts={first: 350.0}, dead_man_seconds=10)
    board.break_library(9)
    with pytest.raises(LibraryGone):
        await gpus.read()
    with pytest.raises(LibraryGone):
        await gpus.read()
    _, answer = await gpus.cap(fence=1, caps={first: 450.0})
    assert only(answer)["outcome"] == "unreachable"
    assert (answer["gpus"], answer["detail"] != "") == ([], True)
    await pass_by(gpus, 11)
    board.break_library(0)
    gpus.clock.now += 40
    await gpus.read()
    await pass_by(gpus, 11)
    assert limits(board) == [350, 700]


async def test_only_those_who_may_order_do(board, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    async with served(board, tmp_path, token_file=tmp_path / "token") as gpus:
        await gpus.read()
        status, _ = await gpus.cap(fence=1)
        assert status == 200, "the agent's own user on this machine"
        status, _ = await gpus.post("/cap", {"fence": 1, "holder": "a"}, Authorization="Bearer secret")
        assert status == 200


async def test_a_stranger_without_the_token_neither_orders_nor_looks(board, tmp_path, monkeypatch):
    monkeypatch.setattr("wattstat.serve.agent_http.user_of", lambda *_: 12345)
    (tmp_path / "token").write_text("secret\n")
    async with served(board, tmp_path, token_file=tmp_path / "token") as gpus:
        status, text = await gpus.post("/cap", {"fence": 1, "holder": "a"})
        assert (status, "agent.token_file" in text) == (403, True)
        assert (await gpus.status("/cap")) == 401
    async with served(board, tmp_path) as gpus:
        status, text = await gpus.post("/cap", {"fence": 1, "holder": "a"})
        assert (status, "agent.token_file" in text) == (403, True)
        assert (await gpus.status("/cap")) == 200


async def test_an_agent_that_may_not_set_caps_says_so_and_shows_them(board, tmp_path):
    async with served(board, tmp_path, caps=False) as gpus:
        await gpus.read()
        status, text = await gpus.post("/cap", {"fence": 1, "holder": "a"})
        assert (status, "agent.caps" in text) == (403, True)
        assert (await shown(gpus))["limit_watts"] == 700


async def test_an_agent_that_may_set_caps_no_longer_touches_none_of_those_it_set(board, tmp_path):
    first, _ = uuids(board)
    async with served(board, tmp_path) as gpus:
        await gpus.read()
        await gpus.cap(fence=1, caps={first: 450.0}, safe_watts={first: 300.0}, dead_man_seconds=10)
    board.columns["limit_requested_mw"][0] = 700_000
    async with served(board, tmp_path, caps=False) as gpus:
        await gpus.read()
        view = await gpus.get("/cap")
        await pass_by(gpus, 30)
        assert (limits(board), view["dead_man"]["armed"]) == ([700, 700], False)


async def test_a_word_of_life_costs_no_write_to_the_disk(gpus, board, tmp_path):
    first, _ = uuids(board)
    word = {"fence": 3, "safe_watts": {first: 350.0}, "dead_man_seconds": 60}
    await gpus.cap(**word)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "caps").iterdir()}
    for _ in range(3):
        await gpus.cap(**word)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "caps").iterdir()} == before
    assert json.loads((tmp_path / "caps" / "fence.json").read_text())["body"] == {"fence": 3, "holder": "a"}
