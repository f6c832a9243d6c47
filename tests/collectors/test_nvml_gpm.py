"""GPM windows: none too short, none over a gap, none shared between instances of another life."""

import pynvml
import pytest

from collectors.nvml.device import Device
from collectors.nvml.gpm import LONGEST_WINDOW_SECONDS, Gpm
from simulator.nvml import H100_SXM, L40, MigInstance
from tests.support.nvml import Clock, collect, node, source
from wattstat.catalogue import gpu


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def board(tmp_path, monkeypatch):
    with node(tmp_path / "n.nvml", monkeypatch, H100_SXM) as state:
        pynvml.nvmlInit()
        yield state
        pynvml.nvmlShutdown()


@pytest.fixture
def meter(board, clock):
    device = Device(nvml=pynvml, handle=pynvml.nvmlDeviceGetHandleByIndex(0), index=0, uuid="u")
    made = Gpm(device=device, monotonic=clock)
    yield made
    made.free()


def pass_time(board, clock, seconds, percent):
    board.columns["gpm_percent"][:, 2] = percent
    board.advance_gpm(seconds)
    clock.now += seconds


def test_the_first_sample_has_nothing_to_compare_with(meter):
    assert meter.read() is None


def test_a_window_is_the_average_over_its_time(meter, board, clock):
    meter.read()
    pass_time(board, clock, 1, 80)
    pass_time(board, clock, 3, 20)
    window = meter.read()
    assert (window.seconds, window.values[2]) == (4, pytest.approx(35))


def test_a_window_too_short_keeps_the_values_before_and_loses_no_time(meter, board, clock):
    meter.read()
    pass_time(board, clock, 1, 40)
    before = meter.read()
    pass_time(board, clock, 0.3, 100)
    assert meter.read() is before
    pass_time(board, clock, 0.7, 0)
    assert meter.read().values[2] == pytest.approx(30)


def test_after_a_long_gap_there_are_no_values_until_the_next_window(meter, board, clock):
    meter.read()
    pass_time(board, clock, LONGEST_WINDOW_SECONDS + 1, 90)
    assert meter.read() is None
    pass_time(board, clock, 1, 50)
    assert meter.read().values[2] == pytest.approx(50)


def test_windows_are_numbered_so_that_sums_take_each_once(meter, board, clock):
    numbers = []
    for _ in range(3):
        meter.read()
        pass_time(board, clock, 1, 50)
        numbers.append(meter.read().number)
        pass_time(board, clock, LONGEST_WINDOW_SECONDS + 1, 50)
    assert numbers == sorted(set(numbers))


def test_a_failed_sample_begins_anew(meter, board, clock):
    meter.read()
    pass_time(board, clock, 1, 50)
    board.fail(0, "nvmlGpmSampleGet", 999)
    assert meter.read() is None
    assert "gpu0 GPM" in meter.device.take_errors()
    board.fail(0, "nvmlGpmSampleGet", 0)
    pass_time(board, clock, 1, 50)
    assert meter.read() is None
    pass_time(board, clock, 1, 70)
    assert meter.read().values[2] == pytest.approx(70)


def test_without_permission_it_is_said_and_the_rest_goes_on(meter, board, clock):
    board.fail(0, "nvmlGpmSampleGet", 4)
    assert meter.read() is None
    assert "root" in str(meter.device.take_errors()["gpu0 GPM"])


def test_a_board_without_gpm_is_asked_once(board, clock, tmp_path, monkeypatch):
    pynvml.nvmlShutdown()
    with node(tmp_path / "l40.nvml", monkeypatch, L40):
        pynvml.nvmlInit()
        device = Device(nvml=pynvml, handle=pynvml.nvmlDeviceGetHandleByIndex(0), index=0, uuid="u")
        meter = Gpm(device=device, monotonic=clock)
        assert meter.read() is None
        assert meter.supported is False
        assert device.take_errors() == {}


async def test_an_instance_made_anew_under_the_same_number_starts_anew(board, clock):
    def instance(uuid):
        return MigInstance(
            uuid=uuid,
            gpu_instance=1,
            compute_instance=0,
            memory_bytes=1,
            used_bytes=0,
            sm_count=16,
            gpu_slices=1,
            compute_slices=1,
        )

    nvml = source(clock)
    board.set_mig(0, [instance("MIG-a")])
    await collect(nvml, "fast")
    await collect(nvml, "medium")
    board.gpus[0]["mig"]["gpm_percent"][0, 2] = 50
    board.advance_gpm(5)
    clock.now += 5
    assert (await collect(nvml, "medium"))(gpu.MIG_SM_ACTIVE_RATIO) == 0.5
    board.set_mig(0, [instance("MIG-b")])
    clock.now += 5
    assert (await collect(nvml, "medium"))(gpu.MIG_SM_ACTIVE_RATIO) is None
    await nvml.close()
