"""The Python binding of NVML: finding the right one, and what its errors mean. Nothing else maps NVML errors."""

from __future__ import annotations

import importlib
from typing import Any

from collectors.frame.errors import AuthFailed, BadPayload, CollectError, NotSupported, Unreachable

ALL_LINKS = 0xFFFFFFFF  # the scope that makes NVLink counters add up over all links

_HINT = "pip uninstall pynvml; pip install --force-reinstall nvidia-ml-py"


class GpuLost(CollectError):
    """The GPU fell off the bus or waits for a reset. It costs only itself."""

    kind = "gpu_lost"


class LibraryGone(Unreachable):
    """NVML as a whole stopped to answer: the driver was unloaded, reloaded or replaced. A new start is needed."""


class LibraryMissing(LibraryGone):
    """There is no NVML here at all: no NVIDIA driver is installed."""


_MEANINGS: dict[int, type[CollectError]] = {
    1: LibraryGone,  # UNINITIALIZED
    2: BadPayload,  # INVALID_ARGUMENT
    3: NotSupported,  # NOT_SUPPORTED
    4: AuthFailed,  # NO_PERMISSION
    9: LibraryGone,  # DRIVER_NOT_LOADED
    12: LibraryMissing,  # LIBRARY_NOT_FOUND
    13: NotSupported,  # FUNCTION_NOT_FOUND: the driver is older than the call
    15: GpuLost,  # GPU_IS_LOST
    16: GpuLost,  # RESET_REQUIRED
    18: LibraryGone,  # LIB_RM_VERSION_MISMATCH: the driver's files were replaced, the kernel module was not
    25: NotSupported,  # ARGUMENT_VERSION_MISMATCH: the driver does not know this version of the structure
    26: NotSupported,  # DEPRECATED
    28: GpuLost,  # GPU_NOT_FOUND
}
_ADVICE = {
    4: "run the agent as root, or as a user whom the driver permits to see this",
    9: "is the NVIDIA kernel module loaded? See `nvidia-smi`",
    12: "libnvidia-ml.so.1 is not found: install the NVIDIA driver",
    18: "the driver was updated while it was loaded: reboot, or unload and load the module",
}
NOT_FOUND = 6


def mapped(error: Any, what: str) -> CollectError:
    """What an NVMLError means. `what` names the call and the GPU."""
    code = int(error.value)
    advice = f" ({_ADVICE[code]})" if code in _ADVICE else ""
    return _MEANINGS.get(code, Unreachable)(f"{what}: {error}{advice}")


def meaning(code: int, what: str) -> CollectError:
    """What a result code in an entry of a batch means."""
    return _MEANINGS.get(code, Unreachable)(f"{what}: NVML error {code}")


def find() -> Any:
    """The module pynvml, as nvidia-ml-py provides it.

    PyPI's package `pynvml` 12 and newer is a wrapper that installs nvidia-ml-py, and is fine. Older ones put a module of the
    same name in its place that lacks most calls; they are refused. Raises `NotSupported` with what to do.
    """
    try:
        module = importlib.import_module("pynvml")
    except ImportError as error:
        raise NotSupported("the Python binding of NVML is missing: pip install nvidia-ml-py") from error
    return check(module)


def check(module: Any) -> Any:
    """The module itself when it is the official one. Raises `NotSupported` with what to do."""
    # The unofficial package re-exports with `import *`, which leaves names with an underscore behind.
    if not hasattr(module, "_nvmlGetFunctionPointer") or not hasattr(module, "nvmlDeviceGetFieldValues"):
        raise NotSupported(f"the module pynvml comes from the old unofficial package `pynvml`, not from nvidia-ml-py: {_HINT}")
    return module
