"""GPM: what the GPU's units did between two samples (Hopper and newer). No profiling lock is taken.

A window shorter than a second is not trusted: the values of the window before stand. After a gap of ten minutes the old sample
says nothing about now: it is replaced and no values stand until the next window.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from collectors.nvml.binding import GpuLost, LibraryGone, mapped
from collectors.nvml.device import Device

# A cycle of 1 s comes a little early now and then, and must not halve its rate for that.
SHORTEST_WINDOW_SECONDS = 0.9
LONGEST_WINDOW_SECONDS = 600.0

GRAPHICS, SM, OCCUPANCY, INTEGER, TENSOR, DRAM, FP64, FP32, FP16 = 1, 2, 3, 4, 5, 10, 11, 12, 13
# Traffic, in MiB/s, by link and direction.
TRAFFIC = {20: ("pcie", "tx"), 21: ("pcie", "rx"), 60: ("nvlink", "rx"), 61: ("nvlink", "tx")}
METRICS = (GRAPHICS, SM, OCCUPANCY, INTEGER, TENSOR, DRAM, FP64, FP32, FP16, *TRAFFIC)
MIG_METRICS = (SM,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Values by metric id over `seconds`. `number` grows with every new window: sums must not take one twice."""

    number: int
    seconds: float
    values: Mapping[int, float]


def traffic(window: Window | None) -> dict[tuple[str, str], float]:
    """Bytes a second by (link, direction) over a window."""
    rates = {name: window.values.get(metric) for metric, name in TRAFFIC.items()} if window else {}
    return {name: rate * 1024**2 for name, rate in rates.items() if rate is not None and 0 <= rate < math.inf}


@dataclass(kw_only=True, eq=False)
class Gpm:
    """The two samples of one GPU, or of one of its GPU instances."""

    device: Device
    monotonic: Callable[[], float]
    instance: int | None = None
    metrics: tuple[int, ...] = METRICS
    supported: bool | None = None
    _samples: list[Any] = field(default_factory=list)
    _request: Any = None
    _sampled_at: float | None = None
    _window: Window | None = None
    _windows: int = 0

    def read(self) -> Window | None:
        """Take a sample and say what happened since the one before. Raises `GpuLost`, `LibraryGone`."""
        if self.supported is None:
            self.supported = self._ask_support()
        if not self.supported:
            return None
        now = self.monotonic()
        age = None if self._sampled_at is None else now - self._sampled_at
        if age is not None and age < SHORTEST_WINDOW_SECONDS:
            return self._window
        try:
            self._sample()
            is_window = age is not None and age <= LONGEST_WINDOW_SECONDS
            self._window = self._compare(age) if age is not None and is_window else None
        except self.device.nvml.NVMLError as error:
            self._fail(error)
            return None
        self._samples.reverse()  # the newer one is the older of the next window
        self._sampled_at = now
        return self._window

    def free(self) -> None:
        """Give the samples back to NVML."""
        for sample in self._samples:
            self.device.nvml.nvmlGpmSampleFree(sample)
        self._samples = []
        self._sampled_at = None

    def _ask_support(self) -> bool:
        nvml = self.device.nvml
        if not hasattr(nvml, "nvmlGpmQueryDeviceSupport"):
            return False
        try:
            return bool(nvml.nvmlGpmQueryDeviceSupport(self.device.handle).isSupportedDevice)
        except nvml.NVMLError as error:
            self._fail(error)
        return False

    def _sample(self) -> None:
        """Fill the second sample."""
        nvml = self.device.nvml
        if not self._samples:
            self._samples = [nvml.nvmlGpmSampleAlloc(), nvml.nvmlGpmSampleAlloc()]
        if self.instance is None:
            nvml.nvmlGpmSampleGet(self.device.handle, self._samples[1])
        else:
            nvml.nvmlGpmMigSampleGet(self.device.handle, self.instance, self._samples[1])

    def _compare(self, seconds: float) -> Window:
        nvml = self.device.nvml
        request = self._request
        if request is None:
            request = self._request = nvml.c_nvmlGpmMetricsGet_t()
            request.version = nvml.NVML_GPM_METRICS_GET_VERSION
            request.numMetrics = len(self.metrics)
            for entry, metric in zip(request.metrics, self.metrics, strict=False):
                entry.metricId = metric
        request.sample1, request.sample2 = self._samples
        nvml.nvmlGpmMetricsGet(request)
        entries = zip(self.metrics, request.metrics, strict=False)
        values = {metric: float(entry.value) for metric, entry in entries if entry.nvmlReturn == 0}
        self._windows += 1
        return Window(number=self._windows, seconds=seconds, values=values)

    def _fail(self, error: Any) -> None:
        """A failed sample is no sample: the next one begins anew."""
        self._sampled_at = self._window = None
        found = mapped(error, f"GPM of {self.device.name}")
        if isinstance(found, GpuLost | LibraryGone):
            raise found
        self.device.note("GPM", "GPM", found)
        if "GPM" in self.device.unsupported:
            self.supported = False
