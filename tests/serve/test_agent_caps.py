"""The guarded cap endpoint on the C library: who may write, what is written, what is given back."""

import pytest

from simulator.nvml import H100_SXM
from tests.support.agent_node import served
from tests.support.nvml import node


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


async def test_a_cap_is_set_and_read_back(gpus, board):
    first, second = uuids(board)
    status, answer = await gpus.cap(fence=1, caps={first: 450.0})
    assert status == 200
    assert answer["results"] == [
        {"uuid": first, "wanted_watts": 450.0, "read_back_watts": 450.0, "outcome": "confirmed", "detail": ""}
    ]
    assert list(board.columns["limit_requested_mw"]) == [450_000, 700_000]
    shown = {each["uuid"]: each for each in answer["gpus"]}
    assert (shown[first]["owner"], shown[second]["owner"]) == ("wattstat", "default")
    assert shown[first]["previous_watts"] == 700


async def test_an_older_token_is_refused_with_the_view_and_nothing_is_written(gpus, board):
    first, _ = uuids(board)
    await gpus.cap(fence=6, caps={first: 450.0})
    status, answer = await gpus.cap(fence=5, holder="b", caps={first: 700.0})
    assert status == 409
    assert answer["fence"] == 6
    assert "5 is older than 6" in answer["detail"]
    assert board.columns["limit_requested_mw"][0] == 450_000
