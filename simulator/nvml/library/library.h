/* What the units of the simulated NVML share. */
#pragma once
#include "layout.h"
#include <nvml.h>
#include <stddef.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define ALL_LINKS 0xFFFFFFFFu
#define NO_INSTANCE 0xFFFFFFFFu

/* A handle: a GPU, or with mig >= 0 one of its MIG devices. */
struct nvmlDevice_st {
    int gpu;
    int mig;
};

/* Looks a handle up, waits as long as the state asks, and copies the GPU's state, consistent in itself. */
nvmlReturn_t enter(nvmlDevice_t device, enum sim_call call, sim_gpu *copy);
nvmlReturn_t enter_library(void);
nvmlReturn_t forced(uint8_t result);
nvmlReturn_t put_text(const char *text, char *out, unsigned int length);
nvmlDevice_t gpu_handle(int gpu);
nvmlDevice_t mig_handle(int gpu, int slot);
const sim_header *shared_header(void);
sim_gpu *shared_gpu(int gpu);
long long now_us(void);

#define ENTER(device, call)                                          \
    sim_gpu gpu;                                                     \
    do {                                                             \
        nvmlReturn_t entered = enter((device), CALL_##call, &gpu);   \
        if (entered != NVML_SUCCESS) return entered;                 \
    } while (0)

/* A negative number means that the board does not have it. */
#define PUT(out, number)                                             \
    do {                                                             \
        int64_t put_number = (int64_t)(number);                      \
        if (!(out)) return NVML_ERROR_INVALID_ARGUMENT;              \
        if (put_number < 0) return NVML_ERROR_NOT_SUPPORTED;         \
        *(out) = put_number;                                         \
        return NVML_SUCCESS;                                         \
    } while (0)

#define NUMBER(function, type, number)                               \
    EXPORT nvmlReturn_t function(nvmlDevice_t device, type *out)     \
    {                                                                \
        ENTER(device, function);                                     \
        PUT(out, number);                                            \
    }

#define TEXT(function, member)                                       \
    EXPORT nvmlReturn_t function(nvmlDevice_t device, char *out, unsigned int length) \
    {                                                                \
        ENTER(device, function);                                     \
        return put_text(gpu.member, out, length);                    \
    }

static inline int64_t enforced_limit(const sim_gpu *gpu)
{
    int64_t requested = gpu->limit_requested_mw, other = gpu->limit_out_of_band_mw;
    return other > 0 && other < requested ? other : requested;
}
