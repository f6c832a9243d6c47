"""XID errors through the event set."""

import asyncio

import pytest

from collectors.nvml.events import WATCHED_XIDS
from simulator.nvml import H100_SXM
from tests.support.nvml import collect, node, source
from wattstat.catalogue import gpu

XIDS = gpu.GPU_XID_ERRORS_TOTAL


@pytest.fixture
def board(tmp_path, monkeypatch):
    with node(tmp_path / "n.nvml", monkeypatch, H100_SXM) as state:
        yield state


@pytest.fixture
async def nvml(board):
    made = source()
    await collect(made, "fast")
    await until(lambda: made._watch.registered is not None)
    yield made
    await made.close()


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_xids_that_matter_stand_at_zero_before_the_first_event(nvml):
    seen = await collect(nvml, "medium")
    assert seen.values(XIDS, "xid") == {str(xid): 0 for xid in WATCHED_XIDS}
    assert seen(gpu.GPU_LAST_XID) == 0


async def test_each_event_counts_once_for_its_gpu(board, nvml):
    for number, xid in ((0, 79), (0, 79), (1, 31), (0, 137)):
        board.push_event(number, xid)
    await until(lambda: sum(sum(kept.xids.values()) for kept in nvml.kept.values()) == 4)
    seen = await collect(nvml, "medium")
    assert (seen(XIDS, 0, xid="79"), seen(XIDS, 1, xid="31"), seen(XIDS, 0, xid="31")) == (2, 1, 0)
    assert seen(XIDS, 0, xid="137") == 1
    assert seen(XIDS, 1, xid="137") is None
    assert (seen(gpu.GPU_LAST_XID, 0), seen(gpu.GPU_LAST_XID, 1)) == (137, 31)


async def test_other_events_are_no_xids(board, nvml):
    board.push_event(0, 0, kind=0x4)
    board.push_event(0, 48)
    await until(lambda: any(kept.xids for kept in nvml.kept.values()))
    assert (await collect(nvml, "medium")).values(XIDS, "xid")["48"] == 1


async def test_the_counters_of_a_lost_gpu_stay_and_tell_why(board, nvml):
    board.push_event(0, 79)
    board.columns["lost"][0] = 1
    await until(lambda: any(kept.xids for kept in nvml.kept.values()))
    fast, medium = await collect(nvml, "fast"), await collect(nvml, "medium")
    assert fast(gpu.GPU_LOST) == 1
    assert medium(XIDS, xid="79") == 1


async def test_events_are_seen_again_after_a_driver_reload(board, nvml):
    first = nvml._watch.registered
    board.reload_driver()
    with pytest.raises(Exception, match="ninitialized"):
        await collect(nvml, "fast")
    await collect(nvml, "fast")
    await until(lambda: nvml._watch.registered not in (None, first))
    board.push_event(1, 63)
    await until(lambda: any(kept.xids for kept in nvml.kept.values()))
    assert (await collect(nvml, "medium"))(XIDS, 1, xid="63") == 1
