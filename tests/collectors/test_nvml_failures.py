"""GPUs that fall off the bus, drivers that go away, calls that fail: each costs only itself, and all of it comes back."""

import asyncio
import time

import pytest

from collectors.frame.breaker import Breaker
from collectors.frame.errors import NotSupported, Unreachable
from collectors.nvml import source as source_module
from collectors.nvml.binding import LibraryGone
from collectors.nvml.worker import Worker
from simulator.nvml import H100_SXM, StateFile, gpus_of
from simulator.nvml.layout import CALLS
from tests.support.nvml import Clock, collect, library, node, source
from wattstat.catalogue import gpu

WATTS = gpu.GPU_POWER_WATTS


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def board(tmp_path, monkeypatch):
    with node(tmp_path / "n.nvml", monkeypatch, H100_SXM, 3) as state:
        yield state


@pytest.fixture
async def nvml(clock, board, tmp_path):
    made = source(clock, proc=tmp_path / "proc")
    yield made
    await made.close()


def uuids(seen):
    return {sample.labels[2] for sample in seen.samples if sample.metric is WATTS}


async def test_a_gpu_off_the_bus_costs_only_itself_and_says_so(board, nvml):
    await collect(nvml, "fast")
    board.columns["lost"][1] = 1
    collected = await nvml.collect("fast")
    seen = await collect(nvml, "fast")
    assert len(uuids(seen)) == 2
    assert [seen(gpu.GPU_LOST, index) for index in range(3)] == [0, 1, 0]
    assert list(collected.errors) == ["gpu1"]
    assert "lost" in str(collected.errors["gpu1"]).lower()


async def test_a_lost_gpu_is_left_alone_until_the_slow_cycle_finds_it_again(board, nvml):
    await collect(nvml, "fast")
    board.columns["lost"][1] = 1
    await collect(nvml, "fast")
    board.columns["lost"][1] = 0
    assert (await collect(nvml, "fast"))(gpu.GPU_LOST, 1) == 1
    await collect(nvml, "slow")
    seen = await collect(nvml, "fast")
    assert [seen(gpu.GPU_LOST, index) for index in range(3)] == [0, 0, 0]
    assert len(uuids(seen)) == 3


async def test_with_all_gpus_lost_each_is_reported_lost(board, nvml):
    await collect(nvml, "fast")
    board.columns["lost"][:] = 1
    seen = await collect(nvml, "fast")
    assert [seen(gpu.GPU_LOST, index) for index in range(3)] == [1, 1, 1]
    assert not seen.has(WATTS)


async def test_a_gpu_that_stays_lost_is_looked_for_by_a_new_start(board, nvml, clock):
    await collect(nvml, "fast")
    session = nvml.library._session
    board.columns["lost"][1] = 1
    await collect(nvml, "fast")
    clock.now += source_module.RESTART_FOR_LOST_SECONDS
    await collect(nvml, "slow")
    seen = await collect(nvml, "fast")
    assert nvml.library._session is not session
    assert seen(gpu.GPU_LOST, 1) == 1
    assert len(uuids(seen)) == 2


async def test_a_driver_reload_loses_one_cycle_and_counts_the_new_energy_segment(board, nvml):
    board.columns["energy_mj"][:] = 9_000
    await collect(nvml, "fast")
    board.reload_driver()
    with pytest.raises(LibraryGone, match="ninitialized"):
        await collect(nvml, "fast")
    seen = await collect(nvml, "fast")
    assert len(uuids(seen)) == 3
    assert seen(gpu.GPU_ENERGY_RESETS_TOTAL) == 1


async def test_while_the_driver_is_not_loaded_it_is_asked_less_and_less_often(board, nvml, clock, monkeypatch):
    await collect(nvml, "fast")
    board.break_library(9)
    attempts = []
    original = nvml.nvml.nvmlInit
    monkeypatch.setattr(nvml.nvml, "nvmlInit", lambda: (attempts.append(clock.now), original()))
    for _ in range(60):
        with pytest.raises(Unreachable, match="Driver Not Loaded"):
            await collect(nvml, "fast")
        clock.now += 1
    assert len(attempts) < 8
    board.break_library(0)
    clock.now += 30
    assert len(uuids(await collect(nvml, "fast"))) == 3


async def test_without_a_driver_at_all_the_message_says_what_is_missing(library_only, clock, monkeypatch, tmp_path):
    monkeypatch.setenv("WATTSTAT_SIM_NVML_STATE", str(tmp_path / "nothing"))
    made = source(clock)
    with pytest.raises(LibraryGone, match="is the NVIDIA kernel module loaded"):
        await made.collect("fast")
    with pytest.raises(LibraryGone):
        await made.collect("slow")
    await made.close()


async def test_on_a_machine_that_never_had_a_driver_gpus_are_not_supported_and_that_is_no_failure(clock, monkeypatch):
    made = source(clock)

    def missing():
        raise made.nvml.NVMLError(12)

    monkeypatch.setattr(made.nvml, "nvmlInit", missing)
    with pytest.raises(NotSupported, match="no NVIDIA driver on this machine"):
        await made.collect("fast")
    await made.close()


async def test_a_driver_that_is_uninstalled_while_we_watch_is_a_failure(board, nvml, monkeypatch):
    await collect(nvml, "fast")
    board.break_library(12)
    with pytest.raises(LibraryGone):
        await collect(nvml, "fast")


def test_a_node_whose_driver_fails_is_tried_again_within_half_a_minute(clock):
    breaker = Breaker(monotonic=clock, longest_seconds=source(clock).longest_backoff_seconds)
    for _ in range(20):
        breaker.failed(Unreachable("driver"))
        assert breaker.open_until is None or breaker.open_until - clock() <= 30


@pytest.fixture
def library_only():
    return library()


async def test_a_simulated_node_written_anew_is_a_driver_reload(board, nvml, tmp_path):
    await collect(nvml, "fast")
    with StateFile.create(board.path, gpus_of(H100_SXM, 2, "other")):
        with pytest.raises(LibraryGone):
            await collect(nvml, "fast")
        seen = await collect(nvml, "fast")
    assert len(uuids(seen)) == 2
    assert sum(sample.value for sample in seen.samples if sample.metric is gpu.GPU_LOST) == 3


async def test_a_gpu_that_is_plugged_in_is_found_by_the_slow_cycle(board, nvml, tmp_path):
    folder = tmp_path / "proc/driver/nvidia/gpus"
    for name in ("0000:18:00.0", "0000:2d:00.0"):
        (folder / name).mkdir(parents=True)
    board.columns["present"][2] = 0
    assert len(uuids(await collect(nvml, "fast"))) == 2
    board.columns["present"][2] = 1
    (folder / "0000:42:00.0").mkdir()
    await collect(nvml, "slow")
    seen = await collect(nvml, "fast")
    assert len(uuids(seen)) == 3


async def test_a_gpu_that_is_unplugged_is_reported_lost(board, nvml, tmp_path):
    folder = tmp_path / "proc/driver/nvidia/gpus"
    (folder / "0000:42:00.0").mkdir(parents=True)
    await collect(nvml, "fast")
    board.columns["present"][2] = 0
    (folder / "0000:42:00.0").rmdir()
    await collect(nvml, "slow")
    seen = await collect(nvml, "fast")
    assert (len(uuids(seen)), seen(gpu.GPU_LOST, 2)) == (2, 1)


async def test_what_is_not_supported_is_asked_once_and_is_silent(board, nvml, monkeypatch):
    board.fail(0, "nvmlDeviceGetUtilizationRates", 3)
    calls = []
    original = nvml.nvml.nvmlDeviceGetUtilizationRates
    monkeypatch.setattr(nvml.nvml, "nvmlDeviceGetUtilizationRates", lambda handle: (calls.append(1), original(handle))[1])
    for _ in range(3):
        collected = await nvml.collect("fast")
        assert collected.errors == {}
    assert len(calls) == 1 + 3 * 2


@pytest.mark.parametrize("code", [4, 10, 27, 999], ids=["no permission", "time-out", "not ready", "unknown"])
async def test_a_call_that_fails_is_noted_and_costs_one_value(board, nvml, code):
    board.fail(0, "nvmlDeviceGetUtilizationRates", code)
    collected = await nvml.collect("fast")
    seen = await collect(nvml, "fast")
    assert list(collected.errors) == ["gpu0 GetUtilizationRates"]
    assert seen(gpu.GPU_UTILIZATION_RATIO) is None
    assert seen(gpu.GPU_UTILIZATION_RATIO, 1) == 0
    assert seen(WATTS, window="1s", scope="gpu") == 70
    board.fail(0, "nvmlDeviceGetUtilizationRates", 0)
    assert (await collect(nvml, "fast"))(gpu.GPU_UTILIZATION_RATIO) == 0


@pytest.mark.parametrize("tier", ["fast", "medium", "slow"])
async def test_a_driver_that_is_older_than_every_call_gives_what_it_has_and_is_silent(board, nvml, tier):
    await collect(nvml, "fast")
    for call in CALLS:
        if call not in ("nvmlDeviceGetHandleByIndex", "nvmlDeviceGetUUID", "nvmlDeviceGetPowerUsage"):
            board.fail(0, call, 13)
    collected = await nvml.collect(tier)
    assert collected.errors == {}
    assert {sample.labels[1] for sample in collected.samples} >= {"0", "1", "2"}


async def test_one_field_of_a_batch_that_fails_costs_one_value_and_its_garbage_is_no_sample(board, nvml):
    board.fail_field(0, 83, 999)
    board.fail(0, "nvmlDeviceGetTotalEnergyConsumption", 999)
    collected = await nvml.collect("fast")
    seen = await collect(nvml, "fast")
    assert seen(gpu.GPU_ENERGY_JOULES_TOTAL) is None
    assert seen(WATTS, window="instant", scope="gpu") == 70
    assert "gpu0 field 83" in collected.errors


async def test_a_handle_that_is_no_longer_valid_asks_for_a_new_start(board, nvml):
    await collect(nvml, "fast")
    board.fail(0, "nvmlDeviceGetFieldValues", 2)
    with pytest.raises(LibraryGone, match="no longer valid"):
        await collect(nvml, "fast")
    board.fail(0, "nvmlDeviceGetFieldValues", 0)
    assert len(uuids(await collect(nvml, "fast"))) == 3


async def test_a_gpu_that_cannot_be_identified_does_not_hide_the_others(board, nvml):
    board.columns["lost"][0] = 1
    collected = await nvml.collect("fast")
    assert len({sample.labels[2] for sample in collected.samples if sample.metric is WATTS}) == 2
    assert list(collected.errors) == ["gpu0"]


async def test_a_slow_call_does_not_hold_up_the_fast_cycle(board, nvml):
    await collect(nvml, "fast")
    board.delay("nvmlDeviceGetRemappedRows", 300_000)
    slow = asyncio.ensure_future(nvml.collect("slow"))
    await asyncio.sleep(0)
    begin = time.monotonic()
    assert len(uuids(await collect(nvml, "fast"))) == 3
    assert time.monotonic() - begin < 0.3
    assert not slow.done()
    await slow


async def test_a_driver_call_that_hangs_is_refused_a_second_time_and_not_waited_for():
    worker = Worker("test")
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang():
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result()
        return "late"

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await worker.run(hang)
    with pytest.raises(Unreachable, match="has not returned"):
        await worker.run(lambda: "soon")
    release.set()
    async with asyncio.timeout(5):
        while True:
            try:
                assert await worker.run(lambda: "again") == "again"
                break
            except Unreachable:
                await asyncio.sleep(0)
    worker.stop()
