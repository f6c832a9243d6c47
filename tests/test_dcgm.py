"""DCGM's names: right units, both spellings, labels that existing dashboards and rules use."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from simulator.nvml import H100_SXM, MigInstance
from tests.support.nvml import Clock, node, source
from wattstat import dcgm
from wattstat.hall import Block, BlockKey, Snapshot


@pytest.fixture
async def snapshot(tmp_path, monkeypatch):
    """One cycle of a node with two busy GPUs, the second split by MIG."""
    clock = Clock()
    with node(tmp_path / "n.nvml", monkeypatch, H100_SXM) as board:
        with board.update():
            for column, value in {
                "power_average_mw": 629_450,
                "energy_mj": 12_345_678,
                "temperature": 61,
                "clock_sm": 1755,
                "utilization_gpu": 97,
                "memory_used": 60 << 30,
                "throttle_reasons": 0x44,
                "throttle_power_ns": 2_500_000_000,
                "ecc_corrected_dram": 3,
                "ecc_corrected_sram": 4,
            }.items():
                board.columns[column][:] = value
        instance = MigInstance(
            uuid="MIG-1",
            gpu_instance=3,
            compute_instance=0,
            memory_bytes=20096 << 20,
            used_bytes=1024 << 20,
            sm_count=32,
            gpu_slices=2,
            compute_slices=2,
        )
        board.set_mig(1, [instance])
        made = source(clock)
        await made.collect("fast")
        board.columns["gpm_percent"][:, 5] = 50
        board.advance_gpm(1)
        clock.now += 1
        blocks = []
        for tier in ("fast", "medium", "slow"):
            samples = (await made.collect(tier)).samples
            key = BlockKey("nvml", "n1", tier)
            blocks.append(Block(key=key, samples=tuple(samples), taken_at=0, interval_seconds=1))
        await made.close()
    return Snapshot(taken_at=0, blocks=tuple(blocks))


def read(snapshot, hostname="both"):
    """Samples by name, GPU and MIG instance. The parser would call every counter `_total`, so each stands under both names."""
    families = text_string_to_metric_families(dcgm.render(snapshot, hostname).decode())
    return {
        (name, sample.labels["gpu"], sample.labels.get("GPU_I_ID")): sample
        for family in families
        for sample in family.samples
        for name in (sample.name, sample.name.removesuffix("_total"))
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DCGM_FI_DEV_POWER_USAGE", 629.45),
        ("DCGM_FI_DEV_BOARD_POWER_WATTS", 629.45),
        ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", 12_345_678),
        ("DCGM_FI_DEV_GPU_TEMP", 61),
        ("DCGM_FI_DEV_SM_CLOCK", 1755),
        ("DCGM_FI_DEV_MEM_CLOCK", 2619),
        ("DCGM_FI_DEV_GPU_UTIL", 97),
        ("DCGM_FI_DEV_FB_USED", 61440),
        ("DCGM_FI_DEV_FB_FREE", 81559 - 551 - 61440),
        ("DCGM_FI_DEV_ENFORCED_POWER_LIMIT", 700),
        ("DCGM_FI_DEV_POWER_VIOLATION", 2_500_000_000),
        ("DCGM_FI_DEV_CLOCKS_EVENT_REASONS", 0x44),
        ("DCGM_FI_DEV_CLOCK_THROTTLE_REASONS", 0x44),
        ("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", 7),
        ("DCGM_FI_DEV_XID_ERRORS", 0),
        ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", 0.5),
        ("DCGM_FI_PROF_TENSOR_UTIL_RATIO", 0.5),
    ],
)
async def test_values_have_the_units_of_dcgm(snapshot, name, value):
    assert read(snapshot)[name, "0", None].value == value


async def test_the_six_metrics_of_dashboard_12239_are_there(snapshot):
    names = {name for name, _, _ in read(snapshot)}
    wanted = {"GPU_TEMP", "POWER_USAGE", "SM_CLOCK", "GPU_UTIL", "FB_USED"}
    assert {f"DCGM_FI_DEV_{name}" for name in wanted} | {"DCGM_FI_PROF_PIPE_TENSOR_ACTIVE"} <= names


async def test_labels_are_those_of_dcgm_exporter(snapshot):
    labels = read(snapshot)["DCGM_FI_DEV_GPU_TEMP", "0", None].labels
    assert labels.pop("UUID").startswith("GPU-")
    assert labels == {
        "gpu": "0",
        "pci_bus_id": "00000000:18:00.0",
        "device": "nvidia0",
        "modelName": "NVIDIA H100 80GB HBM3",
        "Hostname": "n1",
        "hostname": "n1",
        "DCGM_FI_DRIVER_VERSION": "570.133.20",
    }


@pytest.mark.parametrize(("setting", "expected"), [("Hostname", {"Hostname"}), ("hostname", {"hostname"})])
async def test_the_host_label_is_spelt_as_configured(snapshot, setting, expected):
    labels = read(snapshot, setting)["DCGM_FI_DEV_GPU_TEMP", "0", None].labels
    assert {"Hostname", "hostname"} & labels.keys() == expected


async def test_mig_instances_have_their_own_memory_and_never_the_power_of_the_whole_gpu(snapshot):
    found = read(snapshot)
    sample = found["DCGM_FI_DEV_FB_USED", "1", "3"]
    assert (sample.value, sample.labels["GPU_I_PROFILE"]) == (1024, "2g.20gb")
    assert ("DCGM_FI_DEV_POWER_USAGE", "1", "3") not in found
    assert ("DCGM_FI_DEV_GPU_UTIL", "1", None) not in found


async def test_a_gpu_that_is_not_identified_yet_is_left_out(snapshot):
    fast_only = Snapshot(taken_at=0, blocks=snapshot.blocks[:1])
    assert dcgm.render(fast_only, "both") == b""


def test_no_name_stands_in_two_rows():
    names = [name for row in dcgm.ROWS for name in row.names]
    assert len(names) == len(set(names))
