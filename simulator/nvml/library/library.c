/* The simulated NVML's start, end, and way to the state file. */
#include "library.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_GPUS 64
#define PATIENCE 2000 /* tries for a consistent copy: a writer that died while it wrote must not hang its readers */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int users;
static sim_header *header;            /* of the newest mapping; stays when the library is shut down */
static int ready;                    /* whether the library is initialised */
static sim_gpu *gpus;
static int64_t generation;
static int gpu_count;               /* as enumerated by nvmlInit: a GPU plugged in later needs another nvmlInit */
static int enumerated[MAX_GPUS];
static struct nvmlDevice_st devices[MAX_GPUS];
static struct nvmlDevice_st mig_devices[MAX_GPUS][SIM_MAX_MIG];

static nvmlReturn_t map_state(void)
{
    const char *path = getenv("WATTSTAT_SIM_NVML_STATE");
    struct stat status;
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return NVML_ERROR_DRIVER_NOT_LOADED;
    if (fstat(file, &status) != 0 || (size_t)status.st_size < sizeof(sim_header)) {
        close(file);
        return NVML_ERROR_LIB_RM_VERSION_MISMATCH;
    }
    void *found = mmap(NULL, status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (found == MAP_FAILED) return NVML_ERROR_OPERATING_SYSTEM;
    sim_header *mapped = found;
    int64_t count = mapped->gpu_count;
    if (memcmp(mapped->magic, SIM_MAGIC, sizeof mapped->magic) != 0 || mapped->gpu_size != sizeof(sim_gpu) || count < 0 ||
        count > MAX_GPUS || sizeof(sim_header) + count * sizeof(sim_gpu) > (size_t)status.st_size) {
        munmap(found, status.st_size);
        return NVML_ERROR_LIB_RM_VERSION_MISMATCH;
    }
    header = mapped;
    gpus = (sim_gpu *)(mapped + 1);
    return NVML_SUCCESS;
}

static void enumerate(void)
{
    generation = header->driver_generation;
    gpu_count = 0;
    for (int gpu = 0; gpu < header->gpu_count; gpu++) {
        devices[gpu] = (struct nvmlDevice_st){.gpu = gpu, .mig = -1};
        for (int slot = 0; slot < SIM_MAX_MIG; slot++)
            mig_devices[gpu][slot] = (struct nvmlDevice_st){.gpu = gpu, .mig = slot};
        if (gpus[gpu].present) enumerated[gpu_count++] = gpu;
    }
}

EXPORT nvmlReturn_t nvmlInitWithFlags(unsigned int flags)
{
    nvmlReturn_t result = NVML_SUCCESS;
    (void)flags;
    pthread_mutex_lock(&lock);
    if (users == 0) {
        result = map_state();
        if (result == NVML_SUCCESS) result = (nvmlReturn_t)header->library_error;
        if (result == NVML_SUCCESS) enumerate();
    }
    if (result == NVML_SUCCESS) users++;
    __atomic_store_n(&ready, users > 0, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&lock);
    return result;
}

EXPORT nvmlReturn_t nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

EXPORT nvmlReturn_t nvmlShutdown(void)
{
    nvmlReturn_t result = NVML_ERROR_UNINITIALIZED;
    pthread_mutex_lock(&lock);
    if (users > 0) {
        result = NVML_SUCCESS;
        /* The mapping stays: a thread that waits for events may still look at it. */
        if (--users == 0) __atomic_store_n(&ready, 0, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

nvmlReturn_t enter_library(void)
{
    if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) return NVML_ERROR_UNINITIALIZED;
    if (header->library_error) return (nvmlReturn_t)header->library_error;
    if (header->driver_generation != generation) return NVML_ERROR_UNINITIALIZED;
    return NVML_SUCCESS;
}

const sim_header *shared_header(void) { return header; }
sim_gpu *shared_gpu(int gpu) { return &gpus[gpu]; }
nvmlDevice_t gpu_handle(int gpu) { return &devices[gpu]; }
nvmlDevice_t mig_handle(int gpu, int slot) { return &mig_devices[gpu][slot]; }

long long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

nvmlReturn_t forced(uint8_t result)
{
    return result == SIM_UNKNOWN_ERROR ? NVML_ERROR_UNKNOWN : (nvmlReturn_t)result;
}

static int is_handle(nvmlDevice_t device)
{
    const char *at = (const char *)device;
    return (at >= (const char *)devices && at < (const char *)(devices + MAX_GPUS)) ||
           (at >= (const char *)mig_devices && at < (const char *)(mig_devices + MAX_GPUS));
}

static void copy_gpu(int index, sim_gpu *copy)
{
    for (int attempt = 0; attempt < PATIENCE; attempt++) {
        int64_t before = __atomic_load_n(&header->sequence, __ATOMIC_ACQUIRE);
        if (before % 2 == 0) {
            memcpy(copy, &gpus[index], sizeof *copy);
            __atomic_thread_fence(__ATOMIC_ACQUIRE);
            if (__atomic_load_n(&header->sequence, __ATOMIC_RELAXED) == before) return;
        }
        sched_yield();
    }
    memcpy(copy, &gpus[index], sizeof *copy);
}

nvmlReturn_t enter(nvmlDevice_t device, enum sim_call call, sim_gpu *copy)
{
    nvmlReturn_t result = enter_library();
    if (result != NVML_SUCCESS) return result;
    if (!is_handle(device)) return NVML_ERROR_INVALID_ARGUMENT;
    int64_t delay_us = header->delay_us[call];
    if (delay_us > 0) nanosleep(&(struct timespec){.tv_sec = delay_us / 1000000, .tv_nsec = delay_us % 1000000 * 1000}, NULL);
    copy_gpu(device->gpu, copy);
    if (copy->lost || !copy->present) return NVML_ERROR_GPU_IS_LOST;
    return forced(copy->call_result[call]);
}

nvmlReturn_t put_text(const char *text, char *out, unsigned int length)
{
    if (!out) return NVML_ERROR_INVALID_ARGUMENT;
    if (strlen(text) + 1 > length) return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(out, text);
    return NVML_SUCCESS;
}

EXPORT const char *nvmlErrorString(nvmlReturn_t result)
{
    return result == NVML_SUCCESS ? "Success" : "Error of the simulated library";
}

EXPORT nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
    nvmlReturn_t result = enter_library();
    return result == NVML_SUCCESS ? put_text(header->driver_version, version, length) : result;
}

EXPORT nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length)
{
    nvmlReturn_t result = enter_library();
    return result == NVML_SUCCESS ? put_text(header->nvml_version, version, length) : result;
}

EXPORT nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version)
{
    nvmlReturn_t result = enter_library();
    if (result == NVML_SUCCESS) *version = (int)header->cuda_version;
    return result;
}

EXPORT nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version) { return nvmlSystemGetCudaDriverVersion(version); }

EXPORT nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count)
{
    nvmlReturn_t result = enter_library();
    if (result == NVML_SUCCESS) *count = gpu_count;
    return result;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
    nvmlReturn_t result = enter_library();
    if (result != NVML_SUCCESS) return result;
    if (index >= (unsigned int)gpu_count) return NVML_ERROR_INVALID_ARGUMENT;
    sim_gpu gpu;
    result = enter(gpu_handle(enumerated[index]), CALL_nvmlDeviceGetHandleByIndex, &gpu);
    if (result == NVML_SUCCESS) *device = gpu_handle(enumerated[index]);
    return result;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
    nvmlReturn_t result = enter_library();
    if (result != NVML_SUCCESS) return result;
    for (int index = 0; index < gpu_count; index++) {
        int at = enumerated[index];
        if (strcmp(gpus[at].uuid, uuid) == 0) {
            *device = gpu_handle(at);
            return NVML_SUCCESS;
        }
        for (int slot = 0; slot < gpus[at].mig_count && slot < SIM_MAX_MIG; slot++)
            if (strcmp(gpus[at].mig[slot].uuid, uuid) == 0) {
                *device = mig_handle(at, slot);
                return NVML_SUCCESS;
            }
    }
    return NVML_ERROR_NOT_FOUND;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, nvmlDevice_t *device)
{
    nvmlReturn_t result = enter_library();
    unsigned int domain = 0, bus = 0, slot = 0;
    if (result != NVML_SUCCESS) return result;
    if (sscanf(bus_id, "%x:%x:%x", &domain, &bus, &slot) != 3) return NVML_ERROR_INVALID_ARGUMENT;
    for (int index = 0; index < gpu_count; index++) {
        const sim_gpu *gpu = &gpus[enumerated[index]];
        if (gpu->pci_domain == domain && gpu->pci_bus == bus && gpu->pci_device == slot) {
            *device = gpu_handle(enumerated[index]);
            return NVML_SUCCESS;
        }
    }
    return NVML_ERROR_NOT_FOUND;
}

EXPORT nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *out)
{
    ENTER(device, nvmlDeviceGetIndex);
    for (int index = 0; index < gpu_count; index++)
        if (enumerated[index] == device->gpu) PUT(out, index);
    return NVML_ERROR_NOT_FOUND;
}
