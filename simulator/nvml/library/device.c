/* Identity, power, utilization, memory, temperatures, clocks, ECC, PCIe: the plain getters. */
#include "library.h"
#include <stdio.h>
#include <unistd.h>

TEXT(nvmlDeviceGetName, name)
TEXT(nvmlDeviceGetSerial, serial)
TEXT(nvmlDeviceGetVbiosVersion, vbios)
TEXT(nvmlDeviceGetInforomImageVersion, inforom)
TEXT(nvmlDeviceGetBoardPartNumber, board_part_number)

EXPORT nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *out, unsigned int length)
{
    ENTER(device, nvmlDeviceGetUUID);
    return put_text(device->mig < 0 ? gpu.uuid : gpu.mig[device->mig].uuid, out, length);
}

NUMBER(nvmlDeviceGetMinorNumber, unsigned int, gpu.minor)
NUMBER(nvmlDeviceGetModuleId, unsigned int, gpu.module_id)
NUMBER(nvmlDeviceGetArchitecture, nvmlDeviceArchitecture_t, gpu.architecture)
NUMBER(nvmlDeviceGetBrand, nvmlBrandType_t, gpu.brand)
NUMBER(nvmlDeviceGetPersistenceMode, nvmlEnableState_t, gpu.persistence_mode)
NUMBER(nvmlDeviceGetComputeMode, nvmlComputeMode_t, 0)
NUMBER(nvmlDeviceGetDisplayMode, nvmlEnableState_t, 0)
NUMBER(nvmlDeviceGetDisplayActive, nvmlEnableState_t, 0)
NUMBER(nvmlDeviceGetPowerUsage, unsigned int, gpu.power_average_mw)
NUMBER(nvmlDeviceGetTotalEnergyConsumption, unsigned long long, gpu.energy_mj)
NUMBER(nvmlDeviceGetPowerManagementLimit, unsigned int, gpu.limit_requested_mw)
NUMBER(nvmlDeviceGetPowerManagementDefaultLimit, unsigned int, gpu.limit_default_mw)
NUMBER(nvmlDeviceGetEnforcedPowerLimit, unsigned int, enforced_limit(&gpu))
NUMBER(nvmlDeviceGetPerformanceState, nvmlPstates_t, gpu.performance_state)
NUMBER(nvmlDeviceGetCurrentClocksEventReasons, unsigned long long, gpu.throttle_reasons)
NUMBER(nvmlDeviceGetCurrPcieLinkGeneration, unsigned int, gpu.pcie_generation)
NUMBER(nvmlDeviceGetMaxPcieLinkGeneration, unsigned int, gpu.pcie_generation_max)
NUMBER(nvmlDeviceGetCurrPcieLinkWidth, unsigned int, gpu.pcie_width)
NUMBER(nvmlDeviceGetMaxPcieLinkWidth, unsigned int, gpu.pcie_width_max)
NUMBER(nvmlDeviceGetPcieReplayCounter, unsigned int, gpu.pcie_replays)
NUMBER(nvmlDeviceGetNumFans, unsigned int, gpu.fan_count)
NUMBER(nvmlDeviceGetFanSpeed, unsigned int, gpu.fan_percent)

EXPORT nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t device, unsigned long long *out)
{
    return nvmlDeviceGetCurrentClocksEventReasons(device, out);
}

EXPORT nvmlReturn_t nvmlDeviceGetFanSpeed_v2(nvmlDevice_t device, unsigned int fan, unsigned int *out)
{
    ENTER(device, nvmlDeviceGetFanSpeed);
    if (fan >= gpu.fan_count) return NVML_ERROR_INVALID_ARGUMENT;
    PUT(out, gpu.fan_percent);
}

EXPORT nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor)
{
    ENTER(device, nvmlDeviceGetCudaComputeCapability);
    *major = (int)gpu.compute_major;
    *minor = (int)gpu.compute_minor;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    sim_gpu gpu;
    nvmlReturn_t entered = enter(device, CALL_nvmlDeviceGetPciInfo, &gpu);
    if (entered != NVML_SUCCESS) return entered;
    memset(pci, 0, sizeof *pci);
    pci->domain = (unsigned int)gpu.pci_domain;
    pci->bus = (unsigned int)gpu.pci_bus;
    pci->device = (unsigned int)gpu.pci_device;
    pci->pciDeviceId = (unsigned int)gpu.pci_device_id;
    pci->pciSubSystemId = (unsigned int)gpu.pci_subsystem_id;
    snprintf(pci->busId, sizeof pci->busId, "%08X:%02X:%02X.0", pci->domain, pci->bus & 0xFF, pci->device & 0x1F);
    snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "%04X:%02X:%02X.0", pci->domain & 0xFFFF, pci->bus & 0xFF,
             pci->device & 0x1F);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t device, unsigned int *low, unsigned int *high)
{
    ENTER(device, nvmlDeviceGetPowerManagementLimitConstraints);
    if (gpu.limit_min_mw < 0) return NVML_ERROR_NOT_SUPPORTED;
    *low = (unsigned int)gpu.limit_min_mw;
    *high = (unsigned int)gpu.limit_max_mw;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceSetPowerManagementLimit(nvmlDevice_t device, unsigned int limit)
{
    ENTER(device, nvmlDeviceSetPowerManagementLimit);
    if (device->mig >= 0) return NVML_ERROR_NOT_SUPPORTED;
    if (limit < gpu.limit_min_mw || limit > gpu.limit_max_mw) return NVML_ERROR_INVALID_ARGUMENT;
    if (gpu.limit_ignored) return NVML_SUCCESS;
    __atomic_store_n(&shared_gpu(device->gpu)->limit_requested_mw, (int64_t)limit, __ATOMIC_RELEASE);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceSetGpuLockedClocks(nvmlDevice_t device, unsigned int low_mhz, unsigned int high_mhz)
{
    ENTER(device, nvmlDeviceSetGpuLockedClocks);
    if (device->mig >= 0) return NVML_ERROR_NOT_SUPPORTED;
    if (low_mhz > high_mhz || high_mhz == 0) return NVML_ERROR_INVALID_ARGUMENT;
    __atomic_store_n(&shared_gpu(device->gpu)->clock_lock_mhz, (int64_t)high_mhz, __ATOMIC_RELEASE);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceResetGpuLockedClocks(nvmlDevice_t device)
{
    ENTER(device, nvmlDeviceResetGpuLockedClocks);
    if (device->mig >= 0) return NVML_ERROR_NOT_SUPPORTED;
    __atomic_store_n(&shared_gpu(device->gpu)->clock_lock_mhz, 0, __ATOMIC_RELEASE);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceSetPowerManagementLimit_v2(nvmlDevice_t device, nvmlPowerValue_v2_t *value)
{
    if (!value) return NVML_ERROR_INVALID_ARGUMENT;
    if (value->version != nvmlPowerValue_v2) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (value->powerScope != 0) return NVML_ERROR_NOT_SUPPORTED;
    return nvmlDeviceSetPowerManagementLimit(device, value->powerValueMw);
}

EXPORT nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *out)
{
    ENTER(device, nvmlDeviceGetUtilizationRates);
    if (gpu.mig_mode || gpu.utilization_gpu < 0) return NVML_ERROR_NOT_SUPPORTED;
    out->gpu = (unsigned int)gpu.utilization_gpu;
    out->memory = (unsigned int)gpu.utilization_memory;
    return NVML_SUCCESS;
}

#define ENGINE(function, member)                                                                     \
    EXPORT nvmlReturn_t function(nvmlDevice_t device, unsigned int *out, unsigned int *period)       \
    {                                                                                                \
        ENTER(device, function);                                                                     \
        if (gpu.mig_mode) return NVML_ERROR_NOT_SUPPORTED;                                           \
        *period = 167000;                                                                            \
        PUT(out, gpu.member);                                                                        \
    }
ENGINE(nvmlDeviceGetEncoderUtilization, utilization_encoder)
ENGINE(nvmlDeviceGetDecoderUtilization, utilization_decoder)
ENGINE(nvmlDeviceGetJpgUtilization, utilization_jpeg)
ENGINE(nvmlDeviceGetOfaUtilization, utilization_ofa)

struct memory {
    unsigned long long total, reserved, used;
};

static nvmlReturn_t memory_of(nvmlDevice_t device, struct memory *out)
{
    ENTER(device, nvmlDeviceGetMemoryInfo);
    if (device->mig >= 0) {
        const sim_mig *mig = &gpu.mig[device->mig];
        *out = (struct memory){mig->memory_total, mig->memory_reserved, mig->memory_used};
    } else
        *out = (struct memory){gpu.memory_total, gpu.memory_reserved, gpu.memory_used};
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *out)
{
    struct memory memory;
    nvmlReturn_t result = memory_of(device, &memory);
    if (result != NVML_SUCCESS) return result;
    out->total = memory.total;
    out->used = memory.used + memory.reserved; /* the first version counts the reserve as used */
    out->free = out->total - out->used;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *out)
{
    struct memory memory;
    if (out->version != nvmlMemory_v2) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t result = memory_of(device, &memory);
    if (result != NVML_SUCCESS) return result;
    out->total = memory.total;
    out->reserved = memory.reserved;
    out->used = memory.used;
    out->free = memory.total - memory.used - memory.reserved;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t device, nvmlBAR1Memory_t *out)
{
    ENTER(device, nvmlDeviceGetBAR1MemoryInfo);
    out->bar1Total = gpu.bar1_total;
    out->bar1Used = gpu.bar1_used;
    out->bar1Free = out->bar1Total - out->bar1Used;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, nvmlTemperatureSensors_t sensor, unsigned int *out)
{
    ENTER(device, nvmlDeviceGetTemperature);
    if (sensor != NVML_TEMPERATURE_GPU) return NVML_ERROR_INVALID_ARGUMENT;
    PUT(out, gpu.temperature);
}

EXPORT nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_t *out)
{
    unsigned int value = 0;
    if (out->version != nvmlTemperature_v1) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t result = nvmlDeviceGetTemperature(device, out->sensorType, &value);
    if (result == NVML_SUCCESS) out->temperature = (int)value;
    return result;
}

EXPORT nvmlReturn_t nvmlDeviceGetMarginTemperature(nvmlDevice_t device, nvmlMarginTemperature_t *out)
{
    ENTER(device, nvmlDeviceGetMarginTemperature);
    if (out->version != nvmlMarginTemperature_v1) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (gpu.temperature < 0) return NVML_ERROR_NOT_SUPPORTED;
    out->marginTemperature = (int)(gpu.threshold_slowdown - gpu.temperature);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t device, nvmlTemperatureThresholds_t kind, unsigned int *out)
{
    ENTER(device, nvmlDeviceGetTemperatureThreshold);
    switch (kind) {
    case NVML_TEMPERATURE_THRESHOLD_SHUTDOWN: PUT(out, gpu.threshold_shutdown);
    case NVML_TEMPERATURE_THRESHOLD_SLOWDOWN: PUT(out, gpu.threshold_slowdown);
    case NVML_TEMPERATURE_THRESHOLD_MEM_MAX: PUT(out, gpu.temperature_memory < 0 ? -1 : gpu.threshold_memory_max);
    case NVML_TEMPERATURE_THRESHOLD_GPU_MAX: PUT(out, gpu.threshold_gpu_max);
    default: return NVML_ERROR_NOT_SUPPORTED;
    }
}

EXPORT nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, nvmlClockType_t kind, unsigned int *out)
{
    ENTER(device, nvmlDeviceGetClockInfo);
    switch (kind) {
    case NVML_CLOCK_GRAPHICS: PUT(out, gpu.clock_graphics);
    case NVML_CLOCK_SM: PUT(out, gpu.clock_sm);
    case NVML_CLOCK_MEM: PUT(out, gpu.clock_memory);
    case NVML_CLOCK_VIDEO: PUT(out, gpu.clock_video);
    default: return NVML_ERROR_INVALID_ARGUMENT;
    }
}

EXPORT nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, nvmlClockType_t kind, unsigned int *out)
{
    ENTER(device, nvmlDeviceGetMaxClockInfo);
    switch (kind) {
    case NVML_CLOCK_GRAPHICS: PUT(out, gpu.clock_max_graphics);
    case NVML_CLOCK_SM: PUT(out, gpu.clock_max_sm);
    case NVML_CLOCK_MEM: PUT(out, gpu.clock_max_memory);
    case NVML_CLOCK_VIDEO: PUT(out, gpu.clock_max_video);
    default: return NVML_ERROR_INVALID_ARGUMENT;
    }
}

EXPORT nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t device, nvmlEnableState_t *current, nvmlEnableState_t *pending)
{
    ENTER(device, nvmlDeviceGetEccMode);
    if (gpu.ecc_mode < 0) return NVML_ERROR_NOT_SUPPORTED;
    *current = *pending = (nvmlEnableState_t)gpu.ecc_mode;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t kind, nvmlEccCounterType_t counter,
                                                unsigned long long *out)
{
    ENTER(device, nvmlDeviceGetTotalEccErrors);
    int corrected = kind == NVML_MEMORY_ERROR_TYPE_CORRECTED;
    if (gpu.ecc_mode < 1) return NVML_ERROR_NOT_SUPPORTED;
    if (counter == NVML_AGGREGATE_ECC) PUT(out, corrected ? gpu.ecc_corrected_aggregate : gpu.ecc_uncorrected_aggregate);
    PUT(out, corrected ? gpu.ecc_corrected_dram + gpu.ecc_corrected_sram : gpu.ecc_uncorrected_dram + gpu.ecc_uncorrected_sram);
}

EXPORT nvmlReturn_t nvmlDeviceGetMemoryErrorCounter(nvmlDevice_t device, nvmlMemoryErrorType_t kind, nvmlEccCounterType_t counter,
                                                    nvmlMemoryLocation_t location, unsigned long long *out)
{
    ENTER(device, nvmlDeviceGetMemoryErrorCounter);
    int corrected = kind == NVML_MEMORY_ERROR_TYPE_CORRECTED;
    if (gpu.ecc_mode < 1 || counter != NVML_VOLATILE_ECC) return NVML_ERROR_NOT_SUPPORTED;
    switch (location) {
    case NVML_MEMORY_LOCATION_DRAM: PUT(out, corrected ? gpu.ecc_corrected_dram : gpu.ecc_uncorrected_dram);
    case NVML_MEMORY_LOCATION_SRAM: PUT(out, corrected ? gpu.ecc_corrected_sram : gpu.ecc_uncorrected_sram);
    default: return NVML_ERROR_NOT_SUPPORTED;
    }
}

EXPORT nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int *correctable, unsigned int *uncorrectable,
                                              unsigned int *pending, unsigned int *failed)
{
    ENTER(device, nvmlDeviceGetRemappedRows);
    if (gpu.remapped_correctable < 0) return NVML_ERROR_NOT_SUPPORTED;
    *correctable = (unsigned int)gpu.remapped_correctable;
    *uncorrectable = (unsigned int)gpu.remapped_uncorrectable;
    *pending = (unsigned int)gpu.remap_pending;
    *failed = (unsigned int)gpu.remap_failure;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetRowRemapperHistogram(nvmlDevice_t device, nvmlRowRemapperHistogramValues_t *out)
{
    ENTER(device, nvmlDeviceGetRowRemapperHistogram);
    out->max = (unsigned int)gpu.remap_banks_max;
    out->high = (unsigned int)gpu.remap_banks_high;
    out->partial = (unsigned int)gpu.remap_banks_partial;
    out->low = (unsigned int)gpu.remap_banks_low;
    out->none = (unsigned int)gpu.remap_banks_none;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetRetiredPages(nvmlDevice_t device, nvmlPageRetirementCause_t cause, unsigned int *count,
                                              unsigned long long *addresses)
{
    ENTER(device, nvmlDeviceGetRetiredPages);
    unsigned int pages =
        (unsigned int)(cause == NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR ? gpu.retired_double_bit : gpu.retired_single_bit);
    unsigned int room = addresses ? *count : 0;
    *count = pages;
    if (room < pages) return NVML_ERROR_INSUFFICIENT_SIZE;
    for (unsigned int page = 0; page < pages; page++) addresses[page] = 0x1000ULL * (page + 1);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetPcieThroughput(nvmlDevice_t device, nvmlPcieUtilCounter_t counter, unsigned int *out)
{
    ENTER(device, nvmlDeviceGetPcieThroughput);
    usleep(20000); /* the real call measures over 20 ms */
    PUT(out, gpu.gpm_percent[counter == NVML_PCIE_UTIL_TX_BYTES ? 20 : 21] * 1024);
}

/* Windows only, yet clients ask. */
EXPORT nvmlReturn_t nvmlDeviceGetDriverModel_v2(nvmlDevice_t device, nvmlDriverModel_t *current, nvmlDriverModel_t *pending)
{
    (void)device, (void)current, (void)pending;
    return NVML_ERROR_NOT_SUPPORTED;
}
