/* nvmlDeviceGetFieldValues, NVLink and the fabric. */
#include "library.h"

#define UINT(number) (value->valueType = NVML_VALUE_TYPE_UNSIGNED_INT, put_field(value, (number)))
#define ULL(number) (value->valueType = NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, put_field(value, (number)))
#define SIGNED(number) (value->valueType = NVML_VALUE_TYPE_SIGNED_INT, value->value.siVal = (int)(number), NVML_SUCCESS)

static nvmlReturn_t put_field(nvmlFieldValue_t *value, int64_t number)
{
    if (number < 0) return NVML_ERROR_NOT_SUPPORTED;
    value->value.ullVal = 0;
    if (value->valueType == NVML_VALUE_TYPE_UNSIGNED_INT)
        value->value.uiVal = (unsigned int)number;
    else
        value->value.ullVal = (unsigned long long)number;
    return NVML_SUCCESS;
}

static nvmlReturn_t power(const sim_gpu *gpu, nvmlFieldValue_t *value, int64_t board_mw, int64_t memory_mw)
{
    (void)gpu;
    switch (value->scopeId) {
    case 0: return UINT(board_mw);
    case 2: return UINT(memory_mw);
    default: return NVML_ERROR_NOT_SUPPORTED; /* module scope: only boards with a CPU on them */
    }
}

/* A counter over all links, told for one link as its even share. */
static nvmlReturn_t link(const sim_gpu *gpu, nvmlFieldValue_t *value, int64_t total)
{
    if (gpu->mig_mode || gpu->nvlink_count < 1) return NVML_ERROR_NOT_SUPPORTED;
    if (value->scopeId == ALL_LINKS) return ULL(total);
    if (value->scopeId >= (uint64_t)gpu->nvlink_count) return NVML_ERROR_INVALID_ARGUMENT;
    int64_t share = total / gpu->nvlink_count;
    return ULL(value->scopeId == 0 ? total - share * (gpu->nvlink_count - 1) : share);
}

static nvmlReturn_t link_total(const sim_gpu *gpu, nvmlFieldValue_t *value, int64_t total)
{
    if (gpu->mig_mode || gpu->nvlink_count < 1) return NVML_ERROR_NOT_SUPPORTED;
    return ULL(total);
}

static nvmlReturn_t field(const sim_gpu *gpu, nvmlFieldValue_t *value)
{
    switch (value->fieldId) {
    case NVML_FI_DEV_ECC_CURRENT:
    case NVML_FI_DEV_ECC_PENDING: return UINT(gpu->ecc_mode);
    case NVML_FI_DEV_ECC_SBE_VOL_TOTAL: return ULL(gpu->ecc_corrected_dram + gpu->ecc_corrected_sram);
    case NVML_FI_DEV_ECC_DBE_VOL_TOTAL: return ULL(gpu->ecc_uncorrected_dram + gpu->ecc_uncorrected_sram);
    case NVML_FI_DEV_ECC_SBE_AGG_TOTAL: return ULL(gpu->ecc_corrected_aggregate);
    case NVML_FI_DEV_ECC_DBE_AGG_TOTAL: return ULL(gpu->ecc_uncorrected_aggregate);
    case NVML_FI_DEV_RETIRED_SBE: return UINT(gpu->retired_single_bit);
    case NVML_FI_DEV_RETIRED_DBE: return UINT(gpu->retired_double_bit);
    case NVML_FI_DEV_RETIRED_PENDING: return UINT(gpu->retired_pending);
    case NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL: return link_total(gpu, value, gpu->nvlink_crc_flit_errors);
    case NVML_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL: return link_total(gpu, value, gpu->nvlink_crc_data_errors);
    case NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL: return link_total(gpu, value, gpu->nvlink_replay_errors);
    case NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL: return link_total(gpu, value, gpu->nvlink_recovery_errors);
    case NVML_FI_DEV_PERF_POLICY_POWER: return ULL(gpu->throttle_power_ns);
    case NVML_FI_DEV_PERF_POLICY_THERMAL: return ULL(gpu->throttle_thermal_ns);
    case NVML_FI_DEV_PERF_POLICY_SYNC_BOOST: return ULL(gpu->throttle_sync_boost_ns);
    case NVML_FI_DEV_PERF_POLICY_BOARD_LIMIT: return ULL(gpu->throttle_board_limit_ns);
    case NVML_FI_DEV_PERF_POLICY_LOW_UTILIZATION: return ULL(gpu->throttle_low_utilization_ns);
    case NVML_FI_DEV_PERF_POLICY_RELIABILITY: return ULL(gpu->throttle_reliability_ns);
    case NVML_FI_DEV_MEMORY_TEMP: return UINT(gpu->temperature_memory);
    case NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION:
    case NVML_FI_DEV_ENERGY: return ULL(gpu->energy_mj);
    case NVML_FI_DEV_NVLINK_SPEED_MBPS_COMMON: return UINT(gpu->nvlink_mbps);
    case NVML_FI_DEV_NVLINK_LINK_COUNT: return UINT(gpu->nvlink_count);
    case NVML_FI_DEV_PCIE_REPLAY_COUNTER: return UINT(gpu->pcie_replays);
    case NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX: return link(gpu, value, gpu->nvlink_tx_kib);
    case NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX: return link(gpu, value, gpu->nvlink_rx_kib);
    case NVML_FI_DEV_NVLINK_THROUGHPUT_RAW_TX: return link(gpu, value, gpu->nvlink_raw_tx_kib);
    case NVML_FI_DEV_NVLINK_THROUGHPUT_RAW_RX: return link(gpu, value, gpu->nvlink_raw_rx_kib);
    case NVML_FI_DEV_REMAPPED_COR: return UINT(gpu->remapped_correctable);
    case NVML_FI_DEV_REMAPPED_UNC: return UINT(gpu->remapped_uncorrectable);
    case NVML_FI_DEV_REMAPPED_PENDING: return UINT(gpu->remap_pending);
    case NVML_FI_DEV_REMAPPED_FAILURE: return UINT(gpu->remap_failure);
    case NVML_FI_DEV_NVSWITCH_CONNECTED_LINK_COUNT: return UINT(gpu->fabric_state == 3 ? gpu->nvlink_count : 0);
    case NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY: return link(gpu, value, gpu->nvlink_replay_errors);
    case NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY: return link(gpu, value, gpu->nvlink_recovery_errors);
    case NVML_FI_DEV_NVLINK_ERROR_DL_CRC: return link(gpu, value, gpu->nvlink_crc_flit_errors);
    case NVML_FI_DEV_PCIE_COUNT_CORRECTABLE_ERRORS: return UINT(gpu->pcie_correctable);
    case NVML_FI_DEV_PCIE_COUNT_NAKS_RECEIVED: return UINT(gpu->pcie_naks_received);
    case NVML_FI_DEV_PCIE_COUNT_RECEIVER_ERROR: return UINT(gpu->pcie_receiver_errors);
    case NVML_FI_DEV_PCIE_COUNT_BAD_TLP: return UINT(gpu->pcie_bad_tlp);
    case NVML_FI_DEV_PCIE_COUNT_NAKS_SENT: return UINT(gpu->pcie_naks_sent);
    case NVML_FI_DEV_PCIE_COUNT_BAD_DLLP: return UINT(gpu->pcie_bad_dllp);
    case NVML_FI_DEV_PCIE_COUNT_NON_FATAL_ERROR: return UINT(gpu->pcie_non_fatal);
    case NVML_FI_DEV_PCIE_COUNT_FATAL_ERROR: return UINT(gpu->pcie_fatal);
    case NVML_FI_DEV_PCIE_COUNT_UNSUPPORTED_REQ: return UINT(gpu->pcie_unsupported_requests);
    case NVML_FI_DEV_PCIE_COUNT_LCRC_ERROR: return UINT(gpu->pcie_lcrc);
    case NVML_FI_DEV_PCIE_COUNT_LANE_ERROR: return UINT(gpu->pcie_lane_errors);
    case NVML_FI_DEV_POWER_AVERAGE: return power(gpu, value, gpu->power_average_mw, gpu->memory_power_average_mw);
    case NVML_FI_DEV_POWER_INSTANT: return power(gpu, value, gpu->power_instant_mw, gpu->memory_power_instant_mw);
    case NVML_FI_DEV_POWER_MIN_LIMIT: return power(gpu, value, gpu->limit_min_mw, -1);
    case NVML_FI_DEV_POWER_MAX_LIMIT: return power(gpu, value, gpu->limit_max_mw, -1);
    case NVML_FI_DEV_POWER_DEFAULT_LIMIT: return power(gpu, value, gpu->limit_default_mw, -1);
    case NVML_FI_DEV_POWER_CURRENT_LIMIT: return power(gpu, value, enforced_limit(gpu), -1);
    case NVML_FI_DEV_POWER_REQUESTED_LIMIT: return power(gpu, value, gpu->limit_requested_mw, -1);
    case NVML_FI_DEV_TEMPERATURE_SHUTDOWN_TLIMIT: return SIGNED(gpu->threshold_gpu_max - gpu->threshold_shutdown);
    case NVML_FI_DEV_TEMPERATURE_SLOWDOWN_TLIMIT: return SIGNED(gpu->threshold_gpu_max - gpu->threshold_slowdown);
    case NVML_FI_DEV_TEMPERATURE_MEM_MAX_TLIMIT:
    case NVML_FI_DEV_TEMPERATURE_GPU_MAX_TLIMIT: return SIGNED(0);
    /* 32 bits wide, as on real boards: it wraps within seconds of full traffic. */
    case NVML_FI_DEV_PCIE_COUNT_TX_BYTES: return UINT(gpu->pcie_tx_bytes & 0xFFFFFFFF);
    case NVML_FI_DEV_PCIE_COUNT_RX_BYTES: return UINT(gpu->pcie_rx_bytes & 0xFFFFFFFF);
    case NVML_FI_DEV_GET_GPU_RECOVERY_ACTION: return UINT(gpu->recovery_action);
    case NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN: return ULL(gpu->throttle_sw_thermal_ns);
    case NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN: return ULL(gpu->throttle_hw_thermal_ns);
    case NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN: return ULL(gpu->throttle_power_brake_ns);
    default: return NVML_ERROR_NOT_SUPPORTED;
    }
}

EXPORT nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *values)
{
    ENTER(device, nvmlDeviceGetFieldValues);
    if (count < 1 || !values) return NVML_ERROR_INVALID_ARGUMENT;
    long long now = now_us();
    for (int index = 0; index < count; index++) {
        nvmlFieldValue_t *value = &values[index];
        uint8_t result = value->fieldId < SIM_MAX_FIELDS ? gpu.field_result[value->fieldId] : NVML_ERROR_NOT_SUPPORTED;
        value->timestamp = now;
        value->latencyUsec = 1;
        value->nvmlReturn = result ? forced(result) : field(&gpu, value);
        /* What NVML leaves in the union of a failed entry must not be trusted: make it loud. */
        if (value->nvmlReturn != NVML_SUCCESS) value->value.ullVal = 9223372036854775794ULL;
    }
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetNvLinkState(nvmlDevice_t device, unsigned int link_id, nvmlEnableState_t *active)
{
    ENTER(device, nvmlDeviceGetNvLinkState);
    if (gpu.mig_mode) return NVML_ERROR_NOT_SUPPORTED;
    if (link_id >= gpu.nvlink_count) return NVML_ERROR_INVALID_ARGUMENT;
    *active = (nvmlEnableState_t)(gpu.nvlink_active_mask >> link_id & 1);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetGpuFabricInfo(nvmlDevice_t device, nvmlGpuFabricInfo_t *out)
{
    ENTER(device, nvmlDeviceGetGpuFabricInfo);
    memset(out, 0, sizeof *out);
    out->state = (nvmlGpuFabricState_t)gpu.fabric_state;
    out->status = (nvmlReturn_t)gpu.fabric_status;
    out->cliqueId = (unsigned int)gpu.fabric_clique;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetGpuFabricInfoV(nvmlDevice_t device, nvmlGpuFabricInfoV_t *out)
{
    ENTER(device, nvmlDeviceGetGpuFabricInfo);
    /* Versions 2 and 3 share their beginning; the third adds the summary. */
    if (out->version >> 24 != 2 && out->version >> 24 != 3) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlGpuFabricInfo_v2_t *info = (nvmlGpuFabricInfo_v2_t *)out;
    memset(info->clusterUuid, 0, sizeof info->clusterUuid);
    info->state = (nvmlGpuFabricState_t)gpu.fabric_state;
    info->status = (nvmlReturn_t)gpu.fabric_status;
    info->cliqueId = (unsigned int)gpu.fabric_clique;
    info->healthMask = (unsigned int)gpu.fabric_health_mask;
    if (out->version >> 24 == 3) {
        int degraded = (gpu.fabric_health_mask & 0x3) == 1;
        ((unsigned char *)out)[offsetof(nvmlGpuFabricInfo_v2_t, healthMask) + sizeof info->healthMask] = degraded ? 2 : 1;
    }
    return NVML_SUCCESS;
}
