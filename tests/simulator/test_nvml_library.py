"""The simulated NVML as an unmodified client sees it."""

import ctypes
import os
import subprocess
import sys
import threading

import pynvml
import pytest

from simulator.nvml import (
    H100_PCIE,
    H100_SXM,
    L4,
    L40,
    BuildError,
    MigInstance,
    Process,
    StateFile,
    build,
    environment,
    gpus_of,
    preload,
)
from simulator.nvml.build import compiler

ALL_LINKS = 0xFFFFFFFF


@pytest.fixture(scope="module")
def library():
    folder = build()
    preload(folder)
    return folder


@pytest.fixture
def start(library, tmp_path, monkeypatch):
    """Makes a state file with GPUs of a profile and initialises NVML on it."""
    states = []

    def started(profile, count=2):
        path = tmp_path / "node.nvml"
        state = StateFile.create(path, gpus_of(profile, count, "node"))
        states.append(state)
        monkeypatch.setenv("WATTSTAT_SIM_NVML_STATE", str(path))
        pynvml.nvmlInit()
        return state

    yield started
    pynvml.nvmlShutdown()
    for state in states:
        state.close()


def field(handle, *fields):
    return pynvml.nvmlDeviceGetFieldValues(handle, list(fields))


def test_a_client_in_a_process_of_its_own_finds_library_and_state_by_environment(library, tmp_path):
    path = tmp_path / "node.nvml"
    StateFile.create(path, gpus_of(L4, 3, "node")).close()
    code = "import pynvml; pynvml.nvmlInit(); print(pynvml.nvmlDeviceGetCount())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment(library, path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "3"


def test_without_a_state_file_the_driver_is_not_loaded(library, monkeypatch, tmp_path):
    monkeypatch.setenv("WATTSTAT_SIM_NVML_STATE", str(tmp_path / "nothing"))
    with pytest.raises(pynvml.NVMLError_DriverNotLoaded):
        pynvml.nvmlInit()


def test_a_file_of_another_version_is_refused(library, monkeypatch, tmp_path):
    path = tmp_path / "old.nvml"
    path.write_bytes(b"\0" * 100_000)
    monkeypatch.setenv("WATTSTAT_SIM_NVML_STATE", str(path))
    with pytest.raises(pynvml.NVMLError_LibRmVersionMismatch):
        pynvml.nvmlInit()
    with pytest.raises(ValueError, match="no NVML state file"):
        StateFile(path)


@pytest.mark.parametrize("profile", [H100_SXM, H100_PCIE, L40, L4], ids=lambda profile: profile.key)
def test_each_board_says_what_it_is_and_what_it_lacks(start, profile):
    start(profile)
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    assert pynvml.nvmlDeviceGetName(handle) == profile.name
    assert pynvml.nvmlDeviceGetPowerManagementLimitConstraints(handle) == [
        profile.power_min_watts * 1000,
        profile.power_max_watts * 1000,
    ]
    hbm, module, memory_temperature, links = field(handle, (185, 2), (185, 1), 82, (138, ALL_LINKS))
    assert (hbm.nvmlReturn == pynvml.NVML_SUCCESS) == profile.memory_power
    assert module.nvmlReturn == pynvml.NVML_ERROR_NOT_SUPPORTED
    assert (memory_temperature.nvmlReturn == pynvml.NVML_SUCCESS) == profile.memory_temperature
    assert (links.nvmlReturn == pynvml.NVML_SUCCESS) == (profile.nvlinks > 0)
    assert bool(pynvml.nvmlGpmQueryDeviceSupport(handle).isSupportedDevice) == profile.gpm


def test_a_power_limit_set_through_nvml_is_read_back_by_the_simulator(start):
    state = start(H100_SXM)
    handle = pynvml.nvmlDeviceGetHandleByIndex(1)
    pynvml.nvmlDeviceSetPowerManagementLimit(handle, 450_000)
    assert list(state.columns["limit_requested_mw"]) == [700_000, 450_000]
    state.columns["limit_out_of_band_mw"][1] = 400_000
    current, requested = field(handle, 190, 192)
    assert (current.value.uiVal, requested.value.uiVal) == (400_000, 450_000)
    assert list(state.enforced_limits_mw()) == [700_000, 400_000]
    with pytest.raises(pynvml.NVMLError_InvalidArgument):
        pynvml.nvmlDeviceSetPowerManagementLimit(handle, 150_000)


def test_power_windows_and_energy_are_what_was_written(start):
    state = start(H100_SXM)
    with state.update():
        state.columns["power_average_mw"][:] = [600_000, 610_000]
        state.columns["power_instant_mw"][:] = [588_390, 629_450]
        state.columns["energy_mj"][:] = [2**40, 7]
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    average, instant, energy = field(handle, 185, 186, 83)
    assert (average.value.uiVal, instant.value.uiVal, energy.value.ullVal) == (600_000, 588_390, 2**40)
    assert pynvml.nvmlDeviceGetPowerUsage(handle) == 600_000


def test_gpm_gives_the_average_between_two_samples(start):
    state = start(H100_SXM)
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    first, second = pynvml.nvmlGpmSampleAlloc(), pynvml.nvmlGpmSampleAlloc()
    pynvml.nvmlGpmSampleGet(handle, first)
    state.columns["gpm_percent"][0, 2] = 80
    state.advance_gpm(1)
    state.columns["gpm_percent"][0, 2] = 20
    state.advance_gpm(3)
    pynvml.nvmlGpmSampleGet(handle, second)
    get = pynvml.c_nvmlGpmMetricsGet_t()
    get.version, get.numMetrics, get.sample1, get.sample2 = pynvml.NVML_GPM_METRICS_GET_VERSION, 2, first, second
    get.metrics[0].metricId, get.metrics[1].metricId = 2, 30
    pynvml.nvmlGpmMetricsGet(get)
    assert get.metrics[0].value == pytest.approx(35)
    assert get.metrics[1].nvmlReturn == pynvml.NVML_ERROR_NOT_SUPPORTED
    pynvml.nvmlGpmSampleFree(first)
    pynvml.nvmlGpmSampleFree(second)


def test_processes_and_their_utilization(start):
    state = start(L40)
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    assert pynvml.nvmlDeviceGetComputeRunningProcesses(handle) == []
    with pytest.raises(pynvml.NVMLError_NotFound):
        pynvml.nvmlDeviceGetProcessUtilization(handle, 0)
    state.set_processes(0, [Process(pid=41, memory_bytes=5, sm=70), Process(pid=42, memory_bytes=6)])
    assert [(p.pid, p.usedGpuMemory) for p in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)] == [(41, 5), (42, 6)]
    assert {p.pid: p.smUtil for p in pynvml.nvmlDeviceGetProcessUtilization(handle, 0)} == {41: 70, 42: 0}


def test_mig_devices_have_memory_and_processes_but_no_utilization(start):
    state = start(H100_SXM)
    instance = MigInstance(
        uuid="MIG-1",
        gpu_instance=3,
        compute_instance=0,
        memory_bytes=20,
        used_bytes=4,
        sm_count=32,
        gpu_slices=2,
        compute_slices=2,
    )
    state.set_mig(0, [instance])
    state.set_processes(
        0, [Process(pid=9, memory_bytes=4, gpu_instance=3, compute_instance=0), Process(pid=10, memory_bytes=1)]
    )
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    mig = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, 0)
    assert pynvml.nvmlDeviceGetUUID(mig) == "MIG-1"
    assert pynvml.nvmlDeviceGetAttributes(mig).multiprocessorCount == 32
    assert [p.pid for p in pynvml.nvmlDeviceGetComputeRunningProcesses(mig)] == [9]
    with pytest.raises(pynvml.NVMLError_NotSupported):
        pynvml.nvmlDeviceGetUtilizationRates(handle)
    with pytest.raises(pynvml.NVMLError_NotFound):
        pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, 1)


def test_events_reach_those_who_registered_before(start):
    state = start(H100_SXM)
    state.push_event(0, 13)
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    events = pynvml.nvmlEventSetCreate()
    pynvml.nvmlDeviceRegisterEvents(handle, pynvml.nvmlEventTypeXidCriticalError, events)
    state.push_event(1, 62)
    state.push_event(0, 79)
    event = pynvml.nvmlEventSetWait(events, 1000)
    assert (event.eventData, pynvml.nvmlDeviceGetIndex(event.device)) == (79, 0)
    with pytest.raises(pynvml.NVMLError_Timeout):
        pynvml.nvmlEventSetWait(events, 1)
    pynvml.nvmlEventSetFree(events)


def test_a_lost_gpu_takes_only_itself(start):
    state = start(H100_SXM)
    handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(2)]
    state.columns["lost"][0] = 1
    with pytest.raises(pynvml.NVMLError_GpuIsLost):
        pynvml.nvmlDeviceGetPowerUsage(handles[0])
    assert pynvml.nvmlDeviceGetPowerUsage(handles[1]) == 70_000


def test_a_driver_reload_asks_for_a_new_start(start):
    state = start(H100_SXM)
    state.columns["energy_mj"][:] = 5
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    state.reload_driver()
    with pytest.raises(pynvml.NVMLError_Uninitialized):
        pynvml.nvmlDeviceGetPowerUsage(handle)
    pynvml.nvmlShutdown()
    pynvml.nvmlInit()
    assert pynvml.nvmlDeviceGetTotalEnergyConsumption(pynvml.nvmlDeviceGetHandleByIndex(0)) == 0


def test_single_calls_and_fields_fail_on_demand(start):
    state = start(H100_SXM)
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    state.fail(0, "nvmlDeviceGetPowerUsage", 999)
    state.fail_field(0, 185, 4)
    with pytest.raises(pynvml.NVMLError_Unknown):
        pynvml.nvmlDeviceGetPowerUsage(handle)
    assert field(handle, 185)[0].nvmlReturn == pynvml.NVML_ERROR_NO_PERMISSION
    state.break_library(9)
    with pytest.raises(pynvml.NVMLError_DriverNotLoaded):
        pynvml.nvmlDeviceGetCount()
    state.break_library(0)


def test_the_fabric_of_an_sxm_board_is_complete_and_healthy(start):
    start(H100_SXM)
    info = pynvml.c_nvmlGpuFabricInfo_v3_t()
    pynvml.nvmlDeviceGetGpuFabricInfoV(pynvml.nvmlDeviceGetHandleByIndex(0), ctypes.byref(info))
    assert (info.state, info.healthSummary) == (3, 1)


def test_a_new_gpu_is_seen_after_a_new_start(start):
    state = start(L4)
    state.columns["present"][1] = 0
    pynvml.nvmlShutdown()
    pynvml.nvmlInit()
    assert pynvml.nvmlDeviceGetCount() == 1
    state.columns["present"][1] = 1
    assert pynvml.nvmlDeviceGetCount() == 1
    pynvml.nvmlShutdown()
    pynvml.nvmlInit()
    assert pynvml.nvmlDeviceGetCount() == 2


def test_a_reader_never_sees_half_of_an_update(start):
    state = start(H100_SXM)
    handle = pynvml.nvmlDeviceGetHandleByIndex(1)
    stop = threading.Event()

    def write():
        watts = 0
        while not stop.is_set():
            watts = (watts + 1) % 700
            with state.update():
                state.columns["power_average_mw"][:] = watts
                state.columns["power_instant_mw"][:] = watts

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = [tuple(value.value.uiVal for value in field(handle, 185, 186)) for _ in range(3000)]
    finally:
        stop.set()
        writer.join()
    assert len(set(seen)) > 5
    assert [pair for pair in seen if pair[0] != pair[1]] == []


def test_a_writer_that_died_in_the_middle_does_not_hang_its_readers(start):
    state = start(L4)
    state.header["sequence"][0] += 1
    assert pynvml.nvmlDeviceGetPowerUsage(pynvml.nvmlDeviceGetHandleByIndex(0)) == 13_000


def test_more_processes_or_instances_than_fit_are_refused(start):
    state = start(H100_SXM)
    with pytest.raises(ValueError, match="holds 16"):
        state.set_processes(0, [Process(pid=pid, memory_bytes=1) for pid in range(17)])


def test_without_a_compiler_of_its_own_the_machine_uses_the_one_in_ziglang(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    assert compiler()[1:] == ["-m", "ziglang", "cc"]
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(BuildError, match="install gcc"):
        compiler()


def test_a_missing_header_is_told_with_its_package(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.metadata.distributions", lambda: iter(()))
    with pytest.raises(BuildError, match="pip install nvidia-nvml-dev"):
        build(tmp_path)


def test_sources_that_do_not_compile_say_why(tmp_path):
    (tmp_path / "broken.c").write_text("int broken(")
    with pytest.raises(BuildError, match="error"):
        build(tmp_path / "built", sources=tmp_path)
