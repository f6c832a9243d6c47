"""What the agent reads of each board, through the unmodified nvidia-ml-py and the simulated library."""

import pytest

from collectors.nvml.medium import profile
from simulator.nvml import H100_PCIE, H100_SXM, L4, L40, MigInstance, Process
from tests.support.nvml import Clock, collect, node, source
from wattstat.catalogue import gpu

WATTS, LIMIT = gpu.GPU_POWER_WATTS, gpu.GPU_POWER_LIMIT_WATTS


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def nvml(clock):
    made = source(clock)
    yield made
    await made.close()


@pytest.fixture
def board(tmp_path, monkeypatch, request):
    with node(tmp_path / "n.nvml", monkeypatch, request.param) as state:
        yield state


def sxm(function):
    return pytest.mark.parametrize("board", [H100_SXM], indirect=True)(function)


@sxm
async def test_the_two_power_windows_are_two_series_and_never_mixed(board, nvml):
    board.columns["power_average_mw"][:] = 629_450
    board.columns["power_instant_mw"][:] = 588_390
    board.columns["memory_power_average_mw"][:] = 86_000
    seen = await collect(nvml, "fast")
    assert seen(WATTS, window="1s", scope="gpu") == 629.45
    assert seen(WATTS, window="instant", scope="gpu") == 588.39
    assert seen(WATTS, window="1s", scope="memory") == 86
    assert seen(WATTS, scope="module") is None


@sxm
async def test_when_a_window_cannot_be_read_the_other_does_not_stand_in_for_it(board, nvml):
    board.fail_field(0, 185, 3)
    seen = await collect(nvml, "fast")
    assert seen(WATTS, window="1s", scope="gpu") is None
    assert seen(WATTS, window="instant", scope="gpu") == 70


@sxm
async def test_a_driver_without_power_fields_gives_power_by_the_old_call_as_an_average(board, nvml):
    for field in (185, 186):
        board.fail_field(0, field, 3)
    seen = await collect(nvml, "fast")
    assert seen(WATTS, window="1s", scope="gpu") == 70
    assert seen(WATTS, window="instant") is None


@sxm
async def test_an_out_of_band_cap_shows_as_enforced_below_requested(board, nvml):
    board.columns["limit_out_of_band_mw"][0] = 500_000
    seen = await collect(nvml, "fast")
    assert seen.values(LIMIT, "kind") == {"enforced": 500, "requested": 700, "default": 700, "min": 200, "max": 700}


@sxm
async def test_energy_is_in_joules_and_a_counter_that_begins_anew_is_counted(board, nvml):
    board.columns["energy_mj"][:] = 5_000_500
    seen = await collect(nvml, "fast")
    assert (seen(gpu.GPU_ENERGY_JOULES_TOTAL), seen(gpu.GPU_ENERGY_RESETS_TOTAL)) == (5000.5, 0)
    board.columns["energy_mj"][0] = 100
    seen = await collect(nvml, "fast")
    assert (seen(gpu.GPU_ENERGY_JOULES_TOTAL), seen(gpu.GPU_ENERGY_RESETS_TOTAL)) == (0.1, 1)
    assert seen(gpu.GPU_ENERGY_RESETS_TOTAL, 1) == 0


@sxm
async def test_utilization_memory_temperatures_clocks_and_throttling(board, nvml):
    with board.update():
        for column, value in {
            "utilization_gpu": 97,
            "utilization_memory": 40,
            "memory_used": 60 << 30,
            "temperature": 61,
            "temperature_memory": 74,
            "clock_sm": 1755,
            "throttle_reasons": 0x4 | 0x40,
            "throttle_power_ns": 2_500_000_000,
            "performance_state": 0,
            "recovery_action": 1,
        }.items():
            board.columns[column][:] = value
    seen = await collect(nvml, "fast")
    assert seen(gpu.GPU_UTILIZATION_RATIO) == 0.97
    assert seen(gpu.GPU_MEMORY_UTILIZATION_RATIO) == 0.4
    assert seen(gpu.GPU_MEMORY_USED_BYTES) == 60 << 30
    assert seen.values(gpu.GPU_TEMPERATURE_CELSIUS, "sensor") == {"gpu": 61, "memory": 74}
    assert seen(gpu.GPU_TEMPERATURE_MARGIN_CELSIUS) == 89 - 61
    assert seen(gpu.GPU_CLOCK_HERTZ, domain="sm") == 1_755_000_000
    active = {reason for reason, on in seen.values(gpu.GPU_THROTTLE_ACTIVE, "reason").items() if on}
    assert active == {"sw_power_cap", "hw_thermal"}
    assert seen(gpu.GPU_THROTTLE_SECONDS_TOTAL, reason="sw_power_cap") == 2.5
    assert seen(gpu.GPU_RECOVERY_ACTION) == 1


@sxm
async def test_activity_is_the_average_since_the_cycle_before(board, nvml, clock):
    first = await collect(nvml, "fast")
    assert not first.has(gpu.GPU_SM_ACTIVE_RATIO)
    board.columns["gpm_percent"][:, 2] = 75
    board.columns["gpm_percent"][:, 5] = 50
    board.columns["gpm_percent"][:, 11] = 10
    board.columns["gpm_percent"][:, 20] = 100
    board.columns["gpm_percent"][:, 61] = 2048
    board.advance_gpm(2)
    clock.now += 2
    seen = await collect(nvml, "fast")
    assert seen(gpu.GPU_SM_ACTIVE_RATIO) == 0.75
    assert seen(gpu.GPU_TENSOR_ACTIVE_RATIO) == 0.5
    assert seen(gpu.GPU_PIPE_ACTIVE_RATIO, pipe="fp64") == 0.1
    assert seen(gpu.GPU_NVLINK_BYTES_PER_SECOND, direction="tx") == 2048 * 1024**2
    assert seen(gpu.GPU_PCIE_BYTES_TOTAL, direction="tx") == 200 * 1024**2


@sxm
async def test_pcie_bytes_take_each_window_once(board, nvml, clock):
    board.columns["gpm_percent"][:, 20] = 10
    for seconds in (0.0, 1.0, 0.2, 1.0):
        board.advance_gpm(seconds)
        clock.now += seconds
        seen = await collect(nvml, "fast")
    assert seen(gpu.GPU_PCIE_BYTES_TOTAL, direction="tx") == pytest.approx(10 * 2.2 * 1024**2)


@sxm
async def test_the_slow_cycle_brings_identity_health_and_links(board, nvml):
    with board.update():
        for column, value in {
            "ecc_corrected_dram": 3,
            "ecc_uncorrected_sram": 1,
            "ecc_corrected_aggregate": 9,
            "remapped_uncorrectable": 2,
            "remap_pending": 1,
            "pcie_fatal": 4,
            "nvlink_active_mask": (1 << 18) - 1 - 0b110,
            "nvlink_replay_errors": 36,
        }.items():
            board.columns[column][0] = value
    await collect(nvml, "fast")
    seen = await collect(nvml, "slow")
    assert seen(gpu.GPU_INFO, model="NVIDIA H100 80GB HBM3", architecture="hopper", module_id="1", driver="570.133.20") == 1
    assert seen(gpu.GPU_ECC_ERRORS_TOTAL, kind="corrected", location="dram") == 3
    assert seen(gpu.GPU_ECC_ERRORS_TOTAL, kind="uncorrected", location="sram") == 1
    assert seen(gpu.GPU_ECC_AGGREGATE_ERRORS_TOTAL, kind="corrected") == 9
    assert seen.values(gpu.GPU_REMAPPED_ROWS, "kind") == {"correctable": 0, "uncorrectable": 2}
    assert (seen(gpu.GPU_ROW_REMAP_PENDING), seen(gpu.GPU_ROW_REMAP_FAILED)) == (1, 0)
    assert seen(gpu.GPU_PCIE_ERRORS_TOTAL, kind="fatal") == 4
    assert (seen(gpu.GPU_NVLINKS_ACTIVE), seen(gpu.GPU_NVLINKS_ACTIVE, 1)) == (16, 18)
    assert seen(gpu.GPU_NVLINK_ERRORS_TOTAL, kind="replay") == 36
    assert not seen.has(gpu.GPU_RETIRED_PAGES)


@sxm
async def test_nvlink_errors_of_a_driver_without_totals_are_summed_over_links(board, nvml):
    for field in (38, 45, 52, 59):
        board.fail_field(0, field, 3)
    board.columns["nvlink_recovery_errors"][0] = 37
    await collect(nvml, "fast")
    seen = await collect(nvml, "slow")
    assert seen.values(gpu.GPU_NVLINK_ERRORS_TOTAL, "kind") == {"replay": 0, "recovery": 37, "crc": 0}


@sxm
@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ((3, 0, 0x1AA), ("completed", 1)),
        ((3, 0, 0x1A9), ("completed", 0)),
        ((3, 999, 0x1AA), ("completed", 0)),
        ((2, 0, 0), ("in_progress", 0)),
        ((0, 0, 0), ("not_supported", None)),
    ],
)
async def test_the_fabric_is_healthy_only_when_complete_and_without_error(board, nvml, written, expected):
    with board.update():
        for column, value in zip(("fabric_state", "fabric_status", "fabric_health_mask"), written, strict=True):
            board.columns[column][0] = value
    await collect(nvml, "fast")
    seen = await collect(nvml, "slow")
    states = [name for name, on in seen.values(gpu.GPU_FABRIC_STATE, "state").items() if on]
    assert (*states, seen(gpu.GPU_FABRIC_HEALTHY)) == expected


@pytest.mark.parametrize("board", [H100_PCIE, L40, L4], indirect=True, ids=["h100-pcie", "l40", "l4"])
async def test_what_a_pcie_board_lacks_is_absent_and_silent(board, nvml):
    collected = {tier: await nvml.collect(tier) for tier in ("fast", "medium", "slow")}
    metrics = {sample.metric for each in collected.values() for sample in each.samples}
    assert {gpu.GPU_POWER_WATTS, gpu.GPU_ENERGY_JOULES_TOTAL, gpu.GPU_UTILIZATION_RATIO, gpu.GPU_INFO} <= metrics
    lacking = {
        gpu.GPU_NVLINK_BYTES_TOTAL,
        gpu.GPU_NVLINKS_ACTIVE,
        gpu.GPU_NVLINK_ERRORS_TOTAL,
        gpu.GPU_FABRIC_STATE,
        gpu.GPU_FAN_SPEED_RATIO,
        gpu.GPU_RETIRED_PAGES,
    }
    assert not lacking & metrics
    assert [each.errors for each in collected.values()] == [{}, {}, {}]


@pytest.mark.parametrize("board", [L40, L4], indirect=True, ids=["l40", "l4"])
async def test_ada_has_no_activity_no_memory_power_and_no_memory_temperature(board, nvml, clock):
    for _ in range(2):
        board.advance_gpm(2)
        clock.now += 2
        seen = await collect(nvml, "fast")
    assert not any(seen.has(metric) for metric in (gpu.GPU_SM_ACTIVE_RATIO, gpu.GPU_PCIE_BYTES_TOTAL))
    assert seen.values(WATTS, "scope").keys() == {"gpu"}
    assert seen.values(gpu.GPU_TEMPERATURE_CELSIUS, "sensor").keys() == {"gpu"}


@sxm
async def test_processes_have_memory_and_utilization(board, nvml):
    board.set_processes(0, [Process(pid=41, memory_bytes=5 << 30, sm=70), Process(pid=42, memory_bytes=1 << 30)])
    await collect(nvml, "fast")
    seen = await collect(nvml, "medium")
    assert (seen(gpu.GPU_PROCESSES), seen(gpu.GPU_PROCESSES, 1)) == (2, 0)
    assert seen.values(gpu.GPU_PROCESS_MEMORY_BYTES, "pid") == {"41": 5 << 30, "42": 1 << 30}
    assert seen(gpu.GPU_PROCESS_SM_RATIO, pid="41") == 0.7


@sxm
async def test_mig_instances_have_their_own_series_and_the_gpu_keeps_its_power(board, nvml, clock):
    shapes = ((1, 0, 40448, 60, 3, 3), (5, 0, 20096, 32, 2, 2), (5, 1, 20096, 16, 2, 1))
    instances = [
        MigInstance(
            uuid=f"MIG-{number}",
            gpu_instance=gi,
            compute_instance=ci,
            memory_bytes=mib << 20,
            used_bytes=number << 20,
            sm_count=sms,
            gpu_slices=slices,
            compute_slices=compute,
        )
        for number, (gi, ci, mib, sms, slices, compute) in enumerate(shapes)
    ]
    board.set_mig(0, instances)
    board.set_processes(0, [Process(pid=7, memory_bytes=9, gpu_instance=5, compute_instance=0)])
    board.gpus[0]["mig"]["gpm_percent"][1, 2] = 60
    fast = await collect(nvml, "fast")
    await collect(nvml, "medium")
    board.advance_gpm(5)
    clock.now += 5
    seen = await collect(nvml, "medium")
    assert seen.values(gpu.MIG_INFO, "profile").keys() == {"3g.40gb", "2g.20gb", "1c.2g.20gb"}
    assert seen(gpu.MIG_MULTIPROCESSORS, gpu_instance="1") == 60
    assert seen(gpu.MIG_MEMORY_USED_BYTES, gpu_instance="5", compute_instance="1") == 2 << 20
    assert seen(gpu.MIG_PROCESSES, gpu_instance="5", compute_instance="0") == 1
    assert seen(gpu.MIG_SM_ACTIVE_RATIO, gpu_instance="5", compute_instance="0") == 0.6
    assert fast(WATTS, window="1s", scope="gpu") == 70
    assert fast(gpu.GPU_UTILIZATION_RATIO) is None
    assert fast(gpu.GPU_UTILIZATION_RATIO, 1) == 0
    slow = await collect(nvml, "slow")
    assert (slow(gpu.GPU_MIG_MODE), slow(gpu.GPU_MIG_MODE, 1)) == (1, 0)


def test_a_mig_profile_is_the_name_that_the_driver_gives_where_it_gives_one():
    attributes = {"gpu_slices": 1, "compute_slices": 1, "memory_mib": 9856}
    assert profile("NVIDIA H100 80GB HBM3 MIG 1g.10gb+me", attributes) == "1g.10gb+me"
    assert profile("NVIDIA H100 80GB HBM3", attributes) == "1g.10gb"
    assert profile("", {}) == ""
