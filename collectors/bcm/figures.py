"""The manager's figures in our units. Pure.

A measurable of the cluster is known here with its unit, or it is a check with PASS and FAIL; of any other nobody could say what
its number means.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from collectors.bcm.documents import Row
from wattstat.catalogue import manager as catalogue
from wattstat.catalogue.metric import Metric, Samples
from wattstat.members import between, count

BASE = "base"
# What tells a device's state where `/rest/v1/status` cannot be understood: a check of the manager's own.
DEVICE_IS_UP = "DeviceIsUp"
GPUS = "gpu_utilization"
JOBS = {"RunningJobs": "running", "QueuedJobs": "queued"}


def ratio(row: Row) -> float | None:
    """A share from 0 to 1, which is how the manager counts; a number that its own text shows to be percent is taken as that."""
    written = between(0, row.value.rstrip("% "), 100) if row.value.endswith("%") else None
    raw = between(0, row.raw, 100)
    if raw is not None and written is not None and abs(raw - written) < abs(100 * raw - written):
        return raw / 100
    return between(0, raw, 1)


def _gpus(row: Row) -> float | None:
    return between(0, row.raw, 1e6)


def _watts(row: Row) -> float | None:
    """A cluster's GPUs draw more than any one device may."""
    return between(0, row.raw, 1e9)


class Total(NamedTuple):
    """A figure of the whole cluster: how it is read, and what it becomes."""

    read: Callable[[Row], float | None]
    metric: Metric
    labels: tuple[str, ...] = ()


TOTALS: Mapping[str, Total] = {
    "GPUsTotal": Total(_gpus, catalogue.CLUSTER_GPUS, ("total",)),
    "GPUsUp": Total(_gpus, catalogue.CLUSTER_GPUS, ("up",)),
    "TotalGPUPowerUsage": Total(_watts, catalogue.CLUSTER_GPU_POWER_WATTS),
    "TotalGPUUtilization": Total(ratio, catalogue.CLUSTER_GPU_UTILIZATION_RATIO),
    "TotalGPUMemoryUtilization": Total(ratio, catalogue.CLUSTER_GPU_MEMORY_RATIO),
}


def is_known(measurable: str) -> bool:
    """Whether the unit of a measurable is known."""
    return measurable in TOTALS or measurable in JOBS


def samples(manager: str, wanted: Iterable[str], rows: Iterable[Row], names: Callable[[str], str]) -> Samples:
    """What rows tell of the measurables that somebody wants; `names` gives our name of the manager's entity."""
    out, asked = Samples(), set(wanted)
    seen: set[tuple[str, ...]] = set()
    for row in rows:
        key = (row.entity, row.measurable, row.parameter)
        if row.measurable not in asked or key in seen:
            continue
        seen.add(key)
        if row.measurable in TOTALS:
            if row.entity == BASE and not row.parameter:
                total = TOTALS[row.measurable]
                out.add(total.metric, total.read(row), manager, *total.labels)
        elif row.measurable in JOBS:
            where = ":".join(part for part in (row.entity, row.parameter) if part)
            out.add(catalogue.CLUSTER_JOBS, count(row.raw), manager, where, JOBS[row.measurable])
        elif row.passed is not None:
            check = ":".join(part for part in (row.measurable, row.parameter) if part)
            out.add(catalogue.CLUSTER_CHECK_OK, row.passed, manager, names(row.entity), check)
    return out


def gpus(rows: Iterable[Row]) -> dict[str, int]:
    """How many GPUs the manager samples, by entity: those with a number, told apart by their parameter where there is one."""
    told: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.measurable == GPUS and row.entity != BASE and ratio(row) is not None:
            told[row.entity].append(row.parameter)
    return {entity: len(found) if not any(found) else len(set(found) - {""}) for entity, found in told.items()}
