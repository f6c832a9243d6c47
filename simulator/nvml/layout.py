"""The state file's layout, told once: numpy uses it as `HEADER` and `GPU`, C by what `c_header` writes.

Every number has 8 bytes and stands aligned, so that a reader never sees half of one; values that belong together are kept
together by a sequence counter, odd while somebody writes. A negative number means that the board does not have the thing.
"""

from __future__ import annotations

import numpy as np


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


MAGIC = b"WSNVML03"
MAX_EVENTS = 64
MAX_PROCESSES = 16
MAX_MIG = 8
MAX_FIELDS = 320
GPM_METRICS = 64
MIG_GPM_METRICS = 16
UNKNOWN_ERROR = 255  # stands for NVML_ERROR_UNKNOWN (999) in the one byte that a result has

# Every function of the library whose result can be forced for a GPU.
CALLS = _words("""
    nvmlDeviceGetHandleByIndex nvmlDeviceGetHandleByUUID nvmlDeviceGetHandleByPciBusId nvmlDeviceGetName nvmlDeviceGetUUID
    nvmlDeviceGetSerial nvmlDeviceGetVbiosVersion nvmlDeviceGetInforomImageVersion nvmlDeviceGetBoardPartNumber
    nvmlDeviceGetPciInfo nvmlDeviceGetMinorNumber nvmlDeviceGetIndex nvmlDeviceGetArchitecture nvmlDeviceGetModuleId
    nvmlDeviceGetBrand nvmlDeviceGetCudaComputeCapability nvmlDeviceGetComputeMode nvmlDeviceGetPersistenceMode
    nvmlDeviceGetDisplayMode nvmlDeviceGetDisplayActive nvmlDeviceGetPowerUsage nvmlDeviceGetTotalEnergyConsumption
    nvmlDeviceGetPowerManagementLimit nvmlDeviceGetPowerManagementDefaultLimit nvmlDeviceGetPowerManagementLimitConstraints
    nvmlDeviceGetEnforcedPowerLimit nvmlDeviceSetPowerManagementLimit nvmlDeviceSetGpuLockedClocks
    nvmlDeviceResetGpuLockedClocks nvmlDeviceGetUtilizationRates
    nvmlDeviceGetEncoderUtilization nvmlDeviceGetDecoderUtilization nvmlDeviceGetJpgUtilization nvmlDeviceGetOfaUtilization
    nvmlDeviceGetMemoryInfo nvmlDeviceGetBAR1MemoryInfo nvmlDeviceGetTemperature nvmlDeviceGetMarginTemperature
    nvmlDeviceGetTemperatureThreshold nvmlDeviceGetClockInfo nvmlDeviceGetMaxClockInfo nvmlDeviceGetPerformanceState
    nvmlDeviceGetCurrentClocksEventReasons nvmlDeviceGetFanSpeed nvmlDeviceGetNumFans nvmlDeviceGetEccMode
    nvmlDeviceGetTotalEccErrors nvmlDeviceGetMemoryErrorCounter nvmlDeviceGetRemappedRows nvmlDeviceGetRowRemapperHistogram
    nvmlDeviceGetRetiredPages nvmlDeviceGetCurrPcieLinkGeneration nvmlDeviceGetMaxPcieLinkGeneration
    nvmlDeviceGetCurrPcieLinkWidth nvmlDeviceGetMaxPcieLinkWidth nvmlDeviceGetPcieThroughput nvmlDeviceGetPcieReplayCounter
    nvmlDeviceGetNvLinkState nvmlDeviceGetGpuFabricInfo nvmlDeviceGetFieldValues nvmlDeviceGetComputeRunningProcesses
    nvmlDeviceGetGraphicsRunningProcesses nvmlDeviceGetMPSComputeRunningProcesses nvmlDeviceGetProcessUtilization
    nvmlDeviceGetMigMode nvmlDeviceGetMaxMigDeviceCount nvmlDeviceGetMigDeviceHandleByIndex
    nvmlDeviceGetDeviceHandleFromMigDeviceHandle nvmlDeviceIsMigDeviceHandle nvmlDeviceGetGpuInstanceId
    nvmlDeviceGetComputeInstanceId nvmlDeviceGetAttributes nvmlGpmQueryDeviceSupport nvmlGpmSampleGet nvmlGpmMigSampleGet
    nvmlDeviceRegisterEvents nvmlDeviceGetSupportedEventTypes
""")
MAX_CALLS = 96

HEADER_NUMBERS = _words("""
    sequence gpu_size gpu_count driver_generation library_error cuda_version event_count
""")

GPU_TEXTS = {
    "name": 96,
    "uuid": 96,
    "serial": 32,
    "vbios": 32,
    "inforom": 16,
    "board_part_number": 32,
}

GPU_NUMBERS = _words("""
    present lost minor module_id architecture brand compute_major compute_minor
    pci_domain pci_bus pci_device pci_device_id pci_subsystem_id
    persistence_mode mig_mode mig_pending ecc_mode
    power_average_mw power_instant_mw memory_power_average_mw memory_power_instant_mw energy_mj
    limit_requested_mw limit_out_of_band_mw limit_default_mw limit_min_mw limit_max_mw limit_ignored clock_lock_mhz
    utilization_gpu utilization_memory utilization_encoder utilization_decoder utilization_jpeg utilization_ofa
    memory_total memory_used memory_reserved bar1_total bar1_used
    temperature temperature_memory threshold_shutdown threshold_slowdown threshold_memory_max threshold_gpu_max
    clock_graphics clock_sm clock_memory clock_video
    clock_max_graphics clock_max_sm clock_max_memory clock_max_video performance_state
    throttle_reasons throttle_power_ns throttle_thermal_ns throttle_sync_boost_ns throttle_board_limit_ns
    throttle_low_utilization_ns throttle_reliability_ns throttle_sw_thermal_ns throttle_hw_thermal_ns throttle_power_brake_ns
    ecc_corrected_dram ecc_corrected_sram ecc_uncorrected_dram ecc_uncorrected_sram
    ecc_corrected_aggregate ecc_uncorrected_aggregate
    remapped_correctable remapped_uncorrectable remap_pending remap_failure
    remap_banks_max remap_banks_high remap_banks_partial remap_banks_low remap_banks_none
    retired_single_bit retired_double_bit retired_pending
    pcie_generation pcie_generation_max pcie_width pcie_width_max pcie_replays pcie_tx_bytes pcie_rx_bytes
    pcie_correctable pcie_naks_received pcie_receiver_errors pcie_bad_tlp pcie_naks_sent pcie_bad_dllp
    pcie_non_fatal pcie_fatal pcie_unsupported_requests pcie_lcrc pcie_lane_errors
    nvlink_count nvlink_active_mask nvlink_tx_kib nvlink_rx_kib nvlink_raw_tx_kib nvlink_raw_rx_kib
    nvlink_crc_flit_errors nvlink_crc_data_errors nvlink_replay_errors nvlink_recovery_errors nvlink_mbps
    fabric_state fabric_status fabric_clique fabric_health_mask recovery_action fan_count fan_percent
    gpm_supported process_count mig_count
""")

PROCESS_NUMBERS = ("pid", "memory", "gpu_instance", "compute_instance", "sm", "mem", "encoder", "decoder", "time_us")
MIG_NUMBERS = (
    "gpu_instance",
    "compute_instance",
    "memory_total",
    "memory_used",
    "memory_reserved",
    "sm_count",
    "gpu_slices",
    "compute_slices",
)
EVENT_NUMBERS = ("gpu", "type", "data", "gpu_instance", "compute_instance")

EVENT = np.dtype([(name, "<i8") for name in EVENT_NUMBERS], align=True)
PROCESS = np.dtype([(name, "<i8") for name in PROCESS_NUMBERS], align=True)
MIG = np.dtype(
    [
        ("uuid", "S96"),
        *((name, "<i8") for name in MIG_NUMBERS),
        ("gpm_percent", "<f8", (MIG_GPM_METRICS,)),
        ("gpm_percent_seconds", "<f8", (MIG_GPM_METRICS,)),
    ],
    align=True,
)
HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("driver_version", "S80"),
        ("nvml_version", "S80"),
        *((name, "<i8") for name in HEADER_NUMBERS),
        ("delay_us", "<i8", (MAX_CALLS,)),
        ("events", EVENT, (MAX_EVENTS,)),
    ],
    align=True,
)
GPU = np.dtype(
    [
        *((name, f"S{size}") for name, size in GPU_TEXTS.items()),
        *((name, "<i8") for name in GPU_NUMBERS),
        ("gpm_seconds", "<f8"),
        ("gpm_percent", "<f8", (GPM_METRICS,)),
        ("gpm_percent_seconds", "<f8", (GPM_METRICS,)),
        ("processes", PROCESS, (MAX_PROCESSES,)),
        ("mig", MIG, (MAX_MIG,)),
        ("call_result", "u1", (MAX_CALLS,)),
        ("field_result", "u1", (MAX_FIELDS,)),
    ],
    align=True,
)


def _struct(name: str, dtype: np.dtype[np.void]) -> str:
    lines = []
    for member in dtype.names or ():
        kind = dtype[member]
        base, shape = kind.subdtype or (kind, ())
        count = f"[{shape[0]}]" if shape else ""
        if base.names:
            lines.append(f"    {_struct_names[base]} {member}{count};")
        elif base.kind == "S":
            lines.append(f"    char {member}[{base.itemsize}];")
        else:
            lines.append(f"    {_c_types[base.str]} {member}{count};")
    body = "\n".join(lines)
    return f'typedef struct {{\n{body}\n}} {name};\n_Static_assert(sizeof({name}) == {dtype.itemsize}, "{name}");\n'


_struct_names = {EVENT: "sim_event", PROCESS: "sim_process", MIG: "sim_mig", HEADER: "sim_header", GPU: "sim_gpu"}
_c_types = {"<i8": "int64_t", "<f8": "double", "|u1": "uint8_t"}


def c_header() -> str:
    """The layout as C declarations."""
    constants = {
        "SIM_MAX_EVENTS": MAX_EVENTS,
        "SIM_MAX_PROCESSES": MAX_PROCESSES,
        "SIM_MAX_MIG": MAX_MIG,
        "SIM_MAX_FIELDS": MAX_FIELDS,
        "SIM_GPM_METRICS": GPM_METRICS,
        "SIM_MIG_GPM_METRICS": MIG_GPM_METRICS,
        "SIM_UNKNOWN_ERROR": UNKNOWN_ERROR,
    }
    calls = "\n".join(f"    CALL_{name}," for name in CALLS)
    return "\n".join(
        [
            "/* Generated from simulator/nvml/layout.py. */",
            "#pragma once",
            "#include <stdint.h>",
            f'#define SIM_MAGIC "{MAGIC.decode()}"',
            *(f"#define {name} {value}" for name, value in constants.items()),
            f"enum sim_call {{\n{calls}\n}};",
            *(_struct(name, dtype) for dtype, name in _struct_names.items()),
        ]
    )
