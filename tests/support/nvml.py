"""The simulated NVML in the tests' own process, and a source on top of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pynvml
import pytest

from collectors.frame.source import Tier
from collectors.nvml.source import NvmlSource
from simulator.nvml import BuildError, Profile, StateFile, build, gpus_of, preload
from wattstat.catalogue.metric import Metric, Sample

TIERS = (Tier("fast", 1, 10), Tier("medium", 5, 10), Tier("slow", 60, 10))


@cache
def library() -> Path:
    """The built library, loaded into this process: nvidia-ml-py finds it by its name."""
    try:
        folder = build()
    except BuildError as error:
        pytest.fail(f"the simulated NVML cannot be built: {error}")
    preload(folder)
    return folder


class Clock:
    """Monotonic seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def node(path: Path, monkeypatch: pytest.MonkeyPatch, profile: Profile, count: int = 2) -> Iterator[StateFile]:
    """A node with GPUs: NVML, when it is initialised next, shows them."""
    library()
    with StateFile.create(path, gpus_of(profile, count, "node")) as state:
        monkeypatch.setenv("WATTSTAT_SIM_NVML_STATE", str(path))
        yield state


def source(clock: Clock | None = None, proc: Path = Path("/nonexistent")) -> NvmlSource:
    return NvmlSource(target="n1", nvml=pynvml, tiers=TIERS, proc=proc, monotonic=clock or Clock())


class Series:
    """Samples to be asked for by metric and labels."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.samples = list(samples)

    def __call__(self, metric: Metric, gpu: int | str | None = 0, **labels: str) -> float | None:
        """The one value that matches, or None."""
        wanted = labels if gpu is None else {"gpu": str(gpu), **labels}
        found = [
            sample.value
            for sample in self.samples
            if sample.metric is metric and wanted.items() <= dict(zip(metric.labels, sample.labels, strict=True)).items()
        ]
        assert len(found) <= 1, f"{metric.name} {wanted} has {len(found)} samples"
        return found[0] if found else None

    def has(self, metric: Metric) -> bool:
        return any(sample.metric is metric for sample in self.samples)

    def values(self, metric: Metric, label: str) -> dict[str, float]:
        """Values of GPU 0 by one label."""
        position = metric.labels.index(label)
        return {s.labels[position]: s.value for s in self.samples if s.metric is metric and s.labels[1] == "0"}


async def collect(of: NvmlSource, tier: str) -> Series:
    return Series((await of.collect(tier)).samples)
