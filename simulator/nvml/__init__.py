"""NVML without a GPU: a C `libnvidia-ml.so.1` that reads a memory-mapped state file, and the writer of that file.

The unmodified nvidia-ml-py (and any other client of NVML) loads the library by LD_LIBRARY_PATH and cannot tell. The library
finds its state file through the environment variable WATTSTAT_SIM_NVML_STATE when `nvmlInit` is called.
"""

from simulator.nvml.build import BuildError, build, environment, preload
from simulator.nvml.profiles import H100_PCIE, H100_SXM, L4, L40, PROFILES, Profile
from simulator.nvml.state import Gpu, MigInstance, Process, StateFile, gpus_of

__all__ = [
    "H100_PCIE",
    "H100_SXM",
    "L4",
    "L40",
    "PROFILES",
    "BuildError",
    "Gpu",
    "MigInstance",
    "Process",
    "Profile",
    "StateFile",
    "build",
    "environment",
    "gpus_of",
    "preload",
]
