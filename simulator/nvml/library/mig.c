/* MIG devices and processes. */
#include "library.h"

EXPORT nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending)
{
    ENTER(device, nvmlDeviceGetMigMode);
    *current = (unsigned int)gpu.mig_mode;
    *pending = (unsigned int)gpu.mig_pending;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count)
{
    ENTER(device, nvmlDeviceGetMaxMigDeviceCount);
    *count = gpu.mig_mode ? 7 : 0;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int index, nvmlDevice_t *out)
{
    ENTER(device, nvmlDeviceGetMigDeviceHandleByIndex);
    if (!gpu.mig_mode) return NVML_ERROR_NOT_SUPPORTED;
    if (index >= (uint64_t)gpu.mig_count || index >= SIM_MAX_MIG) return NVML_ERROR_NOT_FOUND;
    *out = mig_handle(device->gpu, (int)index);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t device, nvmlDevice_t *out)
{
    ENTER(device, nvmlDeviceGetDeviceHandleFromMigDeviceHandle);
    *out = gpu_handle(device->gpu);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned int *out)
{
    ENTER(device, nvmlDeviceIsMigDeviceHandle);
    *out = device->mig >= 0;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t device, unsigned int *out)
{
    ENTER(device, nvmlDeviceGetGpuInstanceId);
    if (device->mig < 0) return NVML_ERROR_INVALID_ARGUMENT;
    PUT(out, gpu.mig[device->mig].gpu_instance);
}

EXPORT nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t device, unsigned int *out)
{
    ENTER(device, nvmlDeviceGetComputeInstanceId);
    if (device->mig < 0) return NVML_ERROR_INVALID_ARGUMENT;
    PUT(out, gpu.mig[device->mig].compute_instance);
}

EXPORT nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t device, nvmlDeviceAttributes_t *out)
{
    sim_gpu gpu;
    nvmlReturn_t entered = enter(device, CALL_nvmlDeviceGetAttributes, &gpu);
    if (entered != NVML_SUCCESS) return entered;
    if (device->mig < 0) return NVML_ERROR_NOT_SUPPORTED;
    const sim_mig *mig = &gpu.mig[device->mig];
    memset(out, 0, sizeof *out);
    out->multiprocessorCount = (unsigned int)mig->sm_count;
    out->gpuInstanceSliceCount = (unsigned int)mig->gpu_slices;
    out->computeInstanceSliceCount = (unsigned int)mig->compute_slices;
    out->memorySizeMB = mig->memory_total >> 20;
    return NVML_SUCCESS;
}

/* Whether a process belongs to the device asked for: all do to a GPU, to a MIG device those of its compute instance. */
static int belongs(const sim_gpu *gpu, nvmlDevice_t device, const sim_process *process)
{
    if (device->mig < 0) return 1;
    const sim_mig *mig = &gpu->mig[device->mig];
    return process->gpu_instance == mig->gpu_instance && process->compute_instance == mig->compute_instance;
}

static nvmlReturn_t processes(nvmlDevice_t device, enum sim_call call, unsigned int *count, nvmlProcessInfo_t *out)
{
    sim_gpu gpu;
    nvmlReturn_t result = enter(device, call, &gpu);
    if (result != NVML_SUCCESS) return result;
    unsigned int found = 0, room = out ? *count : 0;
    for (int index = 0; call == CALL_nvmlDeviceGetComputeRunningProcesses && index < gpu.process_count; index++) {
        const sim_process *process = &gpu.processes[index];
        if (!belongs(&gpu, device, process)) continue;
        if (found < room)
            out[found] = (nvmlProcessInfo_t){.pid = (unsigned int)process->pid,
                                             .usedGpuMemory = (unsigned long long)process->memory,
                                             .gpuInstanceId = (unsigned int)process->gpu_instance,
                                             .computeInstanceId = (unsigned int)process->compute_instance};
        found++;
    }
    *count = found;
    return found > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

#define PROCESSES(kind)                                                                                                \
    EXPORT nvmlReturn_t nvmlDeviceGet##kind##RunningProcesses_v3(nvmlDevice_t device, unsigned int *count,             \
                                                                 nvmlProcessInfo_t *out)                               \
    {                                                                                                                  \
        return processes(device, CALL_nvmlDeviceGet##kind##RunningProcesses, count, out);                              \
    }                                                                                                                  \
    EXPORT nvmlReturn_t nvmlDeviceGet##kind##RunningProcesses_v2(nvmlDevice_t device, unsigned int *count,             \
                                                                 nvmlProcessInfo_v2_t *out)                            \
    {                                                                                                                  \
        return processes(device, CALL_nvmlDeviceGet##kind##RunningProcesses, count, out);                              \
    }
PROCESSES(Compute)
PROCESSES(Graphics)
PROCESSES(MPSCompute)

EXPORT nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t device, nvmlProcessUtilizationSample_t *out, unsigned int *count,
                                                    unsigned long long last_seen)
{
    ENTER(device, nvmlDeviceGetProcessUtilization);
    if (gpu.mig_mode) return NVML_ERROR_NOT_SUPPORTED;
    unsigned int found = 0, room = out ? *count : 0;
    for (int index = 0; index < gpu.process_count; index++) {
        const sim_process *process = &gpu.processes[index];
        if ((unsigned long long)process->time_us <= last_seen) continue;
        if (found < room)
            out[found] = (nvmlProcessUtilizationSample_t){.pid = (unsigned int)process->pid,
                                                          .timeStamp = (unsigned long long)process->time_us,
                                                          .smUtil = (unsigned int)process->sm,
                                                          .memUtil = (unsigned int)process->mem,
                                                          .encUtil = (unsigned int)process->encoder,
                                                          .decUtil = (unsigned int)process->decoder};
        found++;
    }
    *count = found;
    if (found == 0) return NVML_ERROR_NOT_FOUND;
    return found > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}
