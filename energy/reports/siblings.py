"""GPUs, or whole nodes, that did clearly less or more than their siblings in the same run."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence

from energy.reports.spread import known
from wattstat import units
from wattstat.api.energy import GpuOfJob, JobFinding

MIN_SIBLINGS = 4
"""Three others at least, so that a median means something."""
DEVIATION_RATIO = 0.2
"""Boards of one model differ by some 5 % in power at equal work (leakage, temperature); a fifth is more than that."""
SPREADS = 5.0
"""And five times the siblings' own usual spread, so that a run whose ranks all differ has no stragglers."""
MINORITY_RATIO = 0.25
"""Where more than a quarter stand apart they are not stragglers: the run has several roles."""


def stragglers(gpus: Sequence[GpuOfJob]) -> Iterator[JobFinding]:
    """By node where all GPUs of a node stand apart together, else by GPU. Compared are whole GPUs of one model."""
    models: dict[str, list[GpuOfJob]] = {}
    for each in gpus:
        models.setdefault(each.model, []).append(each)
    for alike in models.values():
        yield from _among(alike)


def _among(gpus: Sequence[GpuOfJob]) -> Iterator[JobFinding]:
    by_name = {f"{each.node}/{each.index}": each for each in gpus}
    for measure, say in _MEASURES.items():
        told = {name: value for name, each in by_name.items() if (value := known(getattr(each, measure))) is not None}
        by_node: dict[str, list[float]] = {}
        for name, value in told.items():
            by_node.setdefault(by_name[name].node, []).append(value)
        nodes = {node: statistics.fmean(values) for node, values in by_node.items()}
        found = [*_apart("Node", nodes, measure, say)] or [*_apart("GPU", told, measure, say)]
        if found:
            yield from found
            return  # less power and less activity are one matter


def _apart(kind: str, values: Mapping[str, float], measure: str, say: Callable[[float], str]) -> Iterator[JobFinding]:
    if len(values) < MIN_SIBLINGS:
        return
    median = statistics.median(values.values())
    # The median absolute deviation, scaled to a standard deviation of normally distributed values.
    spread = 1.4826 * statistics.median(abs(value - median) for value in values.values())
    margin = max(DEVIATION_RATIO * median, SPREADS * spread)
    apart = {name: value for name, value in values.items() if abs(value - median) > margin}
    if median <= 0 or not apart or len(apart) > MINORITY_RATIO * len(values):
        return
    for name, value in sorted(apart.items()):
        does = "less" if value < median else "more"
        text = (
            f"{kind} {name} did {does} than its siblings: {say(value)}, where the median of all {len(values)} is "
            f"{say(median)}. {_HINTS[does]}"
        )
        evidence: dict[str, float | str] = {"name": name, measure: value, f"median_{measure}": median, "siblings": len(values)}
        yield JobFinding(kind="straggler", severity="warning", text=text, evidence=evidence)


_MEASURES: dict[str, Callable[[float], str]] = {
    "average_watts": lambda watts: f"{watts:.0f} W",
    "sm_active_ratio": lambda ratio: f"{units.ratio(ratio)} active",
}
_HINTS = {
    "less": "A slow or throttled device, uneven shares of work, or a process that hangs?",
    "more": "The others may be waiting for it: a slower device, a larger share of the work, or a second process on it?",
}
