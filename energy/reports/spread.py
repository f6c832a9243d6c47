"""Means over a run's GPUs, of those that tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from wattstat.api.energy import GpuOfJob

COVERED_RATIO = 0.5
"""A mean stands for all only where at least half of the GPU time tells."""

Measure = Literal["idle_ratio", "sm_active_ratio", "busy_ratio", "average_watts", "limit_watts", "capped_ratio"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A mean weighted by time, the GPUs that it comes from and their time together."""

    mean: float
    seconds: float
    gpus: tuple[GpuOfJob, ...]


def known(value: float | None) -> float | None:
    """The value if it is a finite number that is not negative; nothing that is measured here can be negative."""
    return value if value is not None and math.isfinite(value) and value >= 0 else None


def weighted(gpus: Sequence[GpuOfJob], measure: Measure) -> Known | None:
    """The mean over time; None where too few of the GPUs tell."""
    told = [(each, value) for each in gpus if (value := known(getattr(each, measure))) is not None]
    whole, seconds = sum(each.seconds for each in gpus), sum(each.seconds for each, _ in told)
    if seconds <= 0 or seconds < COVERED_RATIO * whole:
        return None
    mean = sum(value * each.seconds for each, value in told) / seconds
    return Known(mean=mean, seconds=seconds, gpus=tuple(each for each, _ in told))
