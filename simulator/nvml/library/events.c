/* Event sets: what is registered, and how far in the state file's ring each set has read. */
#include "library.h"
#include <stdlib.h>
#include <time.h>

#define SIM_GPUS 64
#define POLL_US 50000

struct nvmlEventSet_st {
    unsigned long long registered[SIM_GPUS];
    int64_t read;
};

static const unsigned long long supported = nvmlEventTypeSingleBitEccError | nvmlEventTypeDoubleBitEccError | nvmlEventTypePState |
                                            nvmlEventTypeXidCriticalError | nvmlEventTypeClock;

EXPORT nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set)
{
    nvmlReturn_t result = enter_library();
    if (result != NVML_SUCCESS) return result;
    *set = calloc(1, sizeof **set);
    if (!*set) return NVML_ERROR_MEMORY;
    (*set)->read = shared_header()->event_count;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set)
{
    free(set);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long *out)
{
    ENTER(device, nvmlDeviceGetSupportedEventTypes);
    *out = supported;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set)
{
    ENTER(device, nvmlDeviceRegisterEvents);
    if (types & ~supported) return NVML_ERROR_NOT_SUPPORTED;
    set->registered[device->gpu] |= types;
    return NVML_SUCCESS;
}

static int next_event(nvmlEventSet_t set, nvmlEventData_t *data)
{
    const sim_header *header = shared_header();
    int64_t written = __atomic_load_n(&header->event_count, __ATOMIC_ACQUIRE);
    if (written - set->read > SIM_MAX_EVENTS) set->read = written - SIM_MAX_EVENTS;
    while (set->read < written) {
        const sim_event *event = &header->events[set->read++ % SIM_MAX_EVENTS];
        if (event->gpu < 0 || event->gpu >= SIM_GPUS || !(set->registered[event->gpu] & (unsigned long long)event->type)) continue;
        data->device = gpu_handle((int)event->gpu);
        data->eventType = (unsigned long long)event->type;
        data->eventData = (unsigned long long)event->data;
        data->gpuInstanceId = (unsigned int)event->gpu_instance;
        data->computeInstanceId = (unsigned int)event->compute_instance;
        return 1;
    }
    return 0;
}

EXPORT nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeout_ms)
{
    long long end = now_us() + timeout_ms * 1000LL;
    for (;;) {
        nvmlReturn_t result = enter_library();
        if (result != NVML_SUCCESS) return result;
        if (next_event(set, data)) return NVML_SUCCESS;
        long long left = end - now_us();
        if (left <= 0) return NVML_ERROR_TIMEOUT;
        nanosleep(&(struct timespec){.tv_nsec = (left < POLL_US ? left : POLL_US) * 1000}, NULL);
    }
}
