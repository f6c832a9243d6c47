"""GPUs, read in band through NVML by the agent."""

from types import MappingProxyType

from wattstat.catalogue.metric import counter, gauge, info

_GPU = "node gpu uuid"

# nvmlClocksEventReason*: which bit is which reason.
THROTTLE_BITS = MappingProxyType(
    {
        0x1: "idle",
        0x2: "application_clocks",
        0x4: "sw_power_cap",
        0x8: "hw_slowdown",
        0x10: "sync_boost",
        0x20: "sw_thermal",
        0x40: "hw_thermal",
        0x80: "hw_power_brake",
        0x100: "display",
    }
)

GPU_INFO = info(
    "gpu_info",
    f"{_GPU} model serial pci_bus_id minor module_id architecture vbios driver",
    "A GPU and what identifies it.",
    source="NVML identity calls",
)
GPU_BMC_INFO = info(
    "gpu_bmc_info",
    f"{_GPU} device",
    "Which GPU of the driver is which device of the BMC: by its serial number, else by its UUID.",
    source="wattstat_gpu_info, wattstat_gpu_lost, wattstat_node_gpu_info",
)
GPU_POWER_WATTS = gauge(
    "gpu_power_watts",
    f"{_GPU} window scope",
    "Power drawn; window is 1s (average) or instant, never mixed; scope is gpu, memory or module.",
    source="NVML field 185 POWER_AVERAGE, 186 POWER_INSTANT",
)
GPU_POWER_LIMIT_WATTS = gauge(
    "gpu_power_limit_watts",
    f"{_GPU} kind",
    "Power limit; kind is enforced (the lowest of all in force, out-of-band included), requested, default, min or max.",
    source="NVML fields 187-192",
)
GPU_ENERGY_JOULES_TOTAL = counter(
    "gpu_energy_joules_total",
    _GPU,
    "Energy drawn since the driver was loaded, by the GPU's own counter.",
    source="NVML field 83 TOTAL_ENERGY_CONSUMPTION",
)
GPU_ENERGY_RESETS_TOTAL = counter(
    "gpu_energy_resets_total",
    _GPU,
    "Times that the hardware's energy counter began anew while the agent watched.",
    source="NVML field 83",
)
GPU_UTILIZATION_RATIO = gauge(
    "gpu_utilization_ratio",
    _GPU,
    "Share of the last sampling period in which a kernel ran.",
    source="nvmlDeviceGetUtilizationRates.gpu",
)
GPU_MEMORY_UTILIZATION_RATIO = gauge(
    "gpu_memory_utilization_ratio",
    _GPU,
    "Share of the last sampling period in which the memory was read or written.",
    source="nvmlDeviceGetUtilizationRates.memory",
)
GPU_ENGINE_UTILIZATION_RATIO = gauge(
    "gpu_engine_utilization_ratio",
    f"{_GPU} engine",
    "Share of the last sampling period in which an engine worked; engine is encoder, decoder, jpeg or ofa.",
    source="nvmlDeviceGetEncoderUtilization, -Decoder-, -Jpg-, -Ofa-",
)
GPU_SM_ACTIVE_RATIO = gauge(
    "gpu_sm_active_ratio",
    _GPU,
    "Share of cycles in which an SM had a warp.",
    source="NVML GPM metric 2 (Hopper and newer)",
)
GPU_SM_OCCUPANCY_RATIO = gauge(
    "gpu_sm_occupancy_ratio",
    _GPU,
    "Resident warps over the maximum.",
    source="NVML GPM metric 3 (Hopper and newer)",
)
GPU_TENSOR_ACTIVE_RATIO = gauge(
    "gpu_tensor_active_ratio",
    _GPU,
    "Share of cycles in which the tensor cores worked.",
    source="NVML GPM metric 5 (Hopper and newer)",
)
GPU_DRAM_ACTIVE_RATIO = gauge(
    "gpu_dram_active_ratio",
    _GPU,
    "Share of the memory's peak bandwidth in use.",
    source="NVML GPM metric 10 (Hopper and newer)",
)
GPU_GRAPHICS_ACTIVE_RATIO = gauge(
    "gpu_graphics_active_ratio",
    _GPU,
    "Share of time in which any engine was busy.",
    source="NVML GPM metric 1 (Hopper and newer)",
)
GPU_PIPE_ACTIVE_RATIO = gauge(
    "gpu_pipe_active_ratio",
    f"{_GPU} pipe",
    "Share of cycles in which a pipe worked; pipe is fp64, fp32, fp16 or int.",
    source="NVML GPM metrics 4, 11-13 (Hopper and newer)",
)
GPU_MEMORY_USED_BYTES = gauge(
    "gpu_memory_used_bytes",
    _GPU,
    "Memory in use, the driver's reserve not counted.",
    source="nvmlDeviceGetMemoryInfo v2",
)
GPU_MEMORY_RESERVED_BYTES = gauge(
    "gpu_memory_reserved_bytes",
    _GPU,
    "Memory that the driver keeps for itself.",
    source="nvmlDeviceGetMemoryInfo v2",
)
GPU_MEMORY_TOTAL_BYTES = gauge("gpu_memory_total_bytes", _GPU, "Memory installed.", source="nvmlDeviceGetMemoryInfo v2")
GPU_TEMPERATURE_CELSIUS = gauge(
    "gpu_temperature_celsius",
    f"{_GPU} sensor",
    "Temperature; sensor is gpu or memory.",
    source="nvmlDeviceGetTemperatureV, NVML field 82 MEMORY_TEMP",
)
GPU_TEMPERATURE_MARGIN_CELSIUS = gauge(
    "gpu_temperature_margin_celsius",
    _GPU,
    "Degrees left until the GPU slows itself down.",
    source="nvmlDeviceGetMarginTemperature, else slowdown threshold less temperature",
)
GPU_TEMPERATURE_LIMIT_CELSIUS = gauge(
    "gpu_temperature_limit_celsius",
    f"{_GPU} kind",
    "The device's own limits; kind is slowdown, shutdown, gpu_max or memory_max.",
    source="nvmlDeviceGetTemperatureThreshold",
)
GPU_CLOCK_HERTZ = gauge(
    "gpu_clock_hertz",
    f"{_GPU} domain",
    "Clock now; domain is graphics, sm, memory or video.",
    source="nvmlDeviceGetClockInfo",
)
GPU_CLOCK_MAX_HERTZ = gauge(
    "gpu_clock_max_hertz",
    f"{_GPU} domain",
    "Highest clock; domain is graphics, sm, memory or video.",
    source="nvmlDeviceGetMaxClockInfo",
)
GPU_PERFORMANCE_STATE = gauge("gpu_performance_state", _GPU, "P-state, 0 (most) to 15.", source="nvmlDeviceGetPerformanceState")
GPU_THROTTLE_ACTIVE = gauge(
    "gpu_throttle_active",
    f"{_GPU} reason",
    "1 while the reason holds the clocks down.",
    source="nvmlDeviceGetCurrentClocksEventReasons",
)
GPU_THROTTLE_SECONDS_TOTAL = counter(
    "gpu_throttle_seconds_total",
    f"{_GPU} reason",
    "Time that the reason held the clocks down.",
    source="NVML fields 74-79, 269-271 (nanoseconds)",
)
GPU_ECC_ERRORS_TOTAL = counter(
    "gpu_ecc_errors_total",
    f"{_GPU} kind location",
    "ECC errors since the driver was loaded; kind is corrected or uncorrected.",
    source="nvmlDeviceGetMemoryErrorCounter, nvmlDeviceGetTotalEccErrors (volatile)",
)
GPU_ECC_AGGREGATE_ERRORS_TOTAL = counter(
    "gpu_ecc_aggregate_errors_total",
    f"{_GPU} kind",
    "ECC errors over the GPU's life; kind is corrected or uncorrected.",
    source="nvmlDeviceGetTotalEccErrors (aggregate)",
)
GPU_REMAPPED_ROWS = gauge(
    "gpu_remapped_rows",
    f"{_GPU} kind",
    "Rows of memory remapped; kind is correctable or uncorrectable.",
    source="nvmlDeviceGetRemappedRows",
)
GPU_ROW_REMAP_PENDING = gauge(
    "gpu_row_remap_pending",
    _GPU,
    "1 when a remapping waits for a reset of the GPU.",
    source="nvmlDeviceGetRemappedRows",
)
GPU_ROW_REMAP_FAILED = gauge(
    "gpu_row_remap_failed",
    _GPU,
    "1 when a row could not be remapped: replace the GPU.",
    source="nvmlDeviceGetRemappedRows",
)
GPU_ROW_REMAP_BANKS = gauge(
    "gpu_row_remap_banks",
    f"{_GPU} availability",
    "Memory banks by remapping rows left: max, high, partial, low or none.",
    source="nvmlDeviceGetRowRemapperHistogram",
)
GPU_RETIRED_PAGES = gauge(
    "gpu_retired_pages", f"{_GPU} cause", "Pages retired (before Ampere).", source="nvmlDeviceGetRetiredPages"
)
GPU_XID_ERRORS_TOTAL = counter(
    "gpu_xid_errors_total",
    f"{_GPU} xid",
    "XID errors since the agent started. Those that matter stand at 0 from the start: increase() sees the first one too.",
    source="NVML event set (nvmlEventTypeXidCriticalError)",
)
GPU_LAST_XID = gauge(
    "gpu_last_xid",
    _GPU,
    "The XID error that came last since the agent started; 0 when none came.",
    source="NVML event set (nvmlEventTypeXidCriticalError)",
)
GPU_RECOVERY_ACTION = gauge(
    "gpu_recovery_action",
    _GPU,
    "The driver asks for: 0 nothing, 1 reset, 2 reboot, 3 drain P2P, 4 drain+reset, 5 IMEX, 6 bus reset, 7 system reboot.",
    source="NVML field 230 GPU_RECOVERY_ACTION",
)
GPU_LOST = gauge(
    "gpu_lost",
    _GPU,
    "1 while a GPU that the agent has seen does not answer or is gone.",
    source="NVML error codes",
)
GPU_PCIE_BYTES_TOTAL = counter(
    "gpu_pcie_bytes_total",
    f"{_GPU} direction",
    "Bytes over PCIe; direction is tx or rx.",
    source="NVML GPM metrics 20, 21 (since the agent started), else fields 197, 198 where they have 64 bits",
)
GPU_PCIE_BYTES_PER_SECOND = gauge(
    "gpu_pcie_bytes_per_second",
    f"{_GPU} direction",
    "PCIe traffic, averaged over the last cycle; direction is tx or rx.",
    source="NVML GPM metrics 20, 21 (Hopper and newer)",
)
GPU_NVLINK_BYTES_PER_SECOND = gauge(
    "gpu_nvlink_bytes_per_second",
    f"{_GPU} direction",
    "Traffic over all NVLinks, averaged over the last cycle; direction is tx or rx.",
    source="NVML GPM metrics 60, 61 (Hopper and newer)",
)
GPU_PCIE_REPLAYS_TOTAL = counter(
    "gpu_pcie_replays_total", _GPU, "PCIe packets sent again.", source="NVML field 94 PCIE_REPLAY_COUNTER"
)
GPU_PCIE_ERRORS_TOTAL = counter("gpu_pcie_errors_total", f"{_GPU} kind", "PCIe errors by kind.", source="NVML fields 173-183")
GPU_PCIE_LINK_GENERATION = gauge(
    "gpu_pcie_link_generation",
    f"{_GPU} kind",
    "PCIe generation; kind is current or max.",
    source="nvmlDeviceGetCurrPcieLinkGeneration",
)
GPU_PCIE_LINK_WIDTH = gauge(
    "gpu_pcie_link_width",
    f"{_GPU} kind",
    "PCIe lanes; kind is current or max.",
    source="nvmlDeviceGetCurrPcieLinkWidth",
)
GPU_NVLINK_BYTES_TOTAL = counter(
    "gpu_nvlink_bytes_total",
    f"{_GPU} direction",
    "Payload over all NVLinks; direction is tx or rx.",
    source="NVML fields 138, 139 (KiB)",
)
GPU_NVLINK_ERRORS_TOTAL = counter(
    "gpu_nvlink_errors_total",
    f"{_GPU} kind",
    "NVLink errors over all links; kind is crc_flit, crc_data, crc, replay or recovery.",
    source="NVML fields 38, 45, 52, 59, else 161-163 of every link",
)
GPU_NVLINKS_ACTIVE = gauge("gpu_nvlinks_active", _GPU, "NVLinks that are up.", source="nvmlDeviceGetNvLinkState")
GPU_FABRIC_STATE = gauge(
    "gpu_fabric_state",
    f"{_GPU} state",
    "1 for the fabric's state: not_supported, not_started, in_progress or completed.",
    source="nvmlDeviceGetGpuFabricInfoV",
)
GPU_FABRIC_HEALTHY = gauge(
    "gpu_fabric_healthy",
    _GPU,
    "1 when the GPU joined its NVLink fabric without error, 0 when it did not.",
    source="nvmlDeviceGetGpuFabricInfoV status and health mask",
)
GPU_PROCESS_MEMORY_BYTES = gauge(
    "gpu_process_memory_bytes",
    f"{_GPU} pid",
    "GPU memory of a process.",
    source="nvmlDeviceGetComputeRunningProcesses_v3",
)
GPU_PROCESS_SM_RATIO = gauge(
    "gpu_process_sm_ratio",
    f"{_GPU} pid",
    "SM utilization of a process.",
    source="nvmlDeviceGetProcessUtilization",
)
GPU_PROCESSES = gauge("gpu_processes", _GPU, "Compute processes on the GPU.", source="nvmlDeviceGetComputeRunningProcesses_v3")
GPU_PERSISTENCE_MODE = gauge(
    "gpu_persistence_mode", _GPU, "1 when persistence mode is on.", source="nvmlDeviceGetPersistenceMode"
)
GPU_MIG_MODE = gauge("gpu_mig_mode", _GPU, "1 when MIG is on.", source="nvmlDeviceGetMigMode")
GPU_FAN_SPEED_RATIO = gauge(
    "gpu_fan_speed_ratio",
    f"{_GPU} fan",
    "Fan speed over its maximum; passive boards have none.",
    source="nvmlDeviceGetFanSpeed_v2",
)

_MIG = f"{_GPU} gpu_instance compute_instance"
MIG_INFO = info("mig_info", f"{_MIG} mig_uuid profile", "A MIG instance.", source="NVML MIG device handles")
MIG_MEMORY_USED_BYTES = gauge("mig_memory_used_bytes", _MIG, "Memory in use.", source="nvmlDeviceGetMemoryInfo of the instance")
MIG_MEMORY_TOTAL_BYTES = gauge(
    "mig_memory_total_bytes",
    _MIG,
    "Memory of the instance.",
    source="nvmlDeviceGetMemoryInfo of the instance",
)
MIG_MULTIPROCESSORS = gauge(
    "mig_multiprocessors", _MIG, "Multiprocessors of the instance.", source="nvmlDeviceGetAttributes_v2"
)
MIG_SLICES = gauge("mig_slices", _MIG, "Compute slices of the instance.", source="nvmlDeviceGetAttributes_v2")
MIG_SM_ACTIVE_RATIO = gauge(
    "mig_sm_active_ratio", _MIG, "Share of cycles in which an SM had a warp.", source="nvmlGpmMigSampleGet"
)
MIG_PROCESSES = gauge(
    "mig_processes",
    _MIG,
    "Compute processes in the instance.",
    source="nvmlDeviceGetComputeRunningProcesses_v3",
)
