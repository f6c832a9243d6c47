/* GPM: two samples of integrated percents; a metric is the average between them. */
#include "library.h"
#include <stdlib.h>

struct nvmlGpmSample_st {
    int gpu;
    int64_t instance; /* of the GPU instance, or -1 */
    double seconds;
    double sums[SIM_GPM_METRICS];
};

EXPORT nvmlReturn_t nvmlGpmSampleAlloc(nvmlGpmSample_t *sample)
{
    *sample = calloc(1, sizeof **sample);
    return *sample ? NVML_SUCCESS : NVML_ERROR_MEMORY;
}

EXPORT nvmlReturn_t nvmlGpmSampleFree(nvmlGpmSample_t sample)
{
    free(sample);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlGpmQueryDeviceSupport(nvmlDevice_t device, nvmlGpmSupport_t *support)
{
    ENTER(device, nvmlGpmQueryDeviceSupport);
    if (support->version != NVML_GPM_SUPPORT_VERSION) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    support->isSupportedDevice = gpu.gpm_supported > 0;
    return NVML_SUCCESS;
}

static nvmlReturn_t take_mig(const sim_gpu *gpu, int gpu_index, int64_t instance, nvmlGpmSample_t sample)
{
    for (int slot = 0; slot < gpu->mig_count && slot < SIM_MAX_MIG; slot++) {
        if (gpu->mig[slot].gpu_instance != instance) continue;
        *sample = (struct nvmlGpmSample_st){.gpu = gpu_index, .instance = instance, .seconds = gpu->gpm_seconds};
        memcpy(sample->sums, gpu->mig[slot].gpm_percent_seconds, sizeof gpu->mig[slot].gpm_percent_seconds);
        return NVML_SUCCESS;
    }
    return NVML_ERROR_NOT_FOUND;
}

EXPORT nvmlReturn_t nvmlGpmSampleGet(nvmlDevice_t device, nvmlGpmSample_t sample)
{
    ENTER(device, nvmlGpmSampleGet);
    if (!gpu.gpm_supported) return NVML_ERROR_NOT_SUPPORTED;
    if (device->mig >= 0) return take_mig(&gpu, device->gpu, gpu.mig[device->mig].gpu_instance, sample);
    sample->gpu = device->gpu;
    sample->instance = -1;
    sample->seconds = gpu.gpm_seconds;
    memcpy(sample->sums, gpu.gpm_percent_seconds, sizeof sample->sums);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlGpmMigSampleGet(nvmlDevice_t device, unsigned int instance, nvmlGpmSample_t sample)
{
    ENTER(device, nvmlGpmMigSampleGet);
    if (!gpu.gpm_supported) return NVML_ERROR_NOT_SUPPORTED;
    return take_mig(&gpu, device->gpu, instance, sample);
}

static int is_known(unsigned int metric, int64_t instance)
{
    int activity = metric >= 1 && metric <= 13;
    return activity || (instance < 0 && (metric == 20 || metric == 21 || metric == 60 || metric == 61));
}

EXPORT nvmlReturn_t nvmlGpmMetricsGet(nvmlGpmMetricsGet_t *get)
{
    nvmlReturn_t result = enter_library();
    if (result != NVML_SUCCESS) return result;
    if (get->version != NVML_GPM_METRICS_GET_VERSION) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (!get->sample1 || !get->sample2) return NVML_ERROR_INVALID_ARGUMENT;
    const struct nvmlGpmSample_st *first = get->sample1, *second = get->sample2;
    if (first->gpu != second->gpu || first->instance != second->instance) return NVML_ERROR_INVALID_ARGUMENT;
    double seconds = second->seconds - first->seconds;
    for (unsigned int index = 0; index < get->numMetrics; index++) {
        nvmlGpmMetric_t *metric = &get->metrics[index];
        memset(&metric->metricInfo, 0, sizeof metric->metricInfo);
        metric->nvmlReturn = !is_known(metric->metricId, first->instance) ? NVML_ERROR_NOT_SUPPORTED
                             : seconds <= 0                               ? NVML_ERROR_NO_DATA
                                                                          : NVML_SUCCESS;
        if (metric->nvmlReturn == NVML_SUCCESS)
            metric->value = (second->sums[metric->metricId] - first->sums[metric->metricId]) / seconds;
    }
    return NVML_SUCCESS;
}
