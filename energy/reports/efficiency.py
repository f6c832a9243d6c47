"""What somebody should know about a run's efficiency: sentences, each with the numbers that prove it. Pure functions.

A finding needs data: a GPU that was held for a few minutes, or a board that does not tell, gives none. Sentences state what was
measured and what it may mean, never what its owner did wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from energy.plans.boards import of_model
from energy.reports.siblings import stragglers
from energy.reports.spread import Known, known, weighted
from wattstat import units
from wattstat.api.energy import GpuOfJob, JobFinding, JobRow

MIN_SECONDS = 600.0
"""Loading a model and compiling kernels take minutes; a shorter run says nothing about the work."""
IDLE_RATIO = 0.9
"""Idle for nine tenths of the time: a GPU that was held for nothing. A tenth is left to imports and start-up tests."""
PARTLY_IDLE_RATIO = 0.25
"""Checkpoints, data loading and evaluation take up to some 15 % of well-fed training; a quarter is more than that."""
LOW_SM_ACTIVE_RATIO = 0.5
"""NVIDIA's DCGM guide: an SM activity below 0.5 likely means ineffective use of the GPU (0.8 is needed for effective use)."""
LOW_BUSY_RATIO = 0.5
"""NVML's utilization counts any kernel, however small, so it flatters: below a half the GPU certainly waits."""
VERY_LOW_RATIO = 0.25
"""Half of the limits above: then it is worth a warning."""
FAR_UNDER_CAP_RATIO = 0.5
"""Power limits below half of the board's are unwise (work slows faster than power falls), so less cannot be given back."""
NEVER_CAPPED_RATIO = 0.01
"""Below this share of the time the limit did not matter."""
AT_CAP_RATIO = 0.2
"""Held down for a fifth of the time: the limit costs speed that a user can measure."""
HELD_DOWN_RATIO = 0.5
LOWERED_RATIO = 0.95
"""A limit under 95 % of the board's default was set by somebody."""
MEMORY_FAR_RATIO = 0.25
"""The next smaller board, or a MIG slice of 2/7, has about this much."""
MEMORY_FULL_RATIO = 0.97
"""Frameworks that reserve memory take 90 to 95 %; above that an allocation is about to fail."""
NAMED = 4
"""GPUs that a sentence names before it counts the others."""

Severity = Literal["info", "warning"]


def findings(job: JobRow, gpus: Sequence[GpuOfJob]) -> tuple[JobFinding, ...]:
    """All that is worth saying, warnings first."""
    until = job.end if job.end is not None else job.settled_until
    if until is None or until - job.start < MIN_SECONDS:
        return ()
    usable = [each for each in gpus if (known(each.seconds) or 0) >= MIN_SECONDS]
    working = [each for each in usable if not _is_idle(each)]
    found = [
        *_idle(job, usable),
        *_partly_idle(job, working),
        *_low_activity(working),
        *_far_under_cap(working),
        *_at_cap(working),
        *stragglers([each for each in working if each.fraction == 1]),
        *_memory(working),
    ]
    return tuple(sorted(found, key=lambda each: each.severity != "warning"))


def gpu_name(gpu: GpuOfJob) -> str:
    """Node and index, as users know it: gpu01/3."""
    return f"{gpu.node}/{gpu.index}" + (f" ({gpu.instance})" if gpu.instance else "")


def names(gpus: Sequence[GpuOfJob]) -> str:
    """A few names, and how many more there are."""
    shown = ", ".join(gpu_name(each) for each in gpus[:NAMED])
    return shown if len(gpus) <= NAMED else f"{shown} and {len(gpus) - NAMED} more"


def _subject(gpus: Sequence[GpuOfJob], several: str = "The GPUs") -> str:
    return "The GPU" if len(gpus) == 1 else several.format(count=len(gpus))


def _inside(gpus: Sequence[GpuOfJob]) -> str:
    """The subject inside a sentence."""
    return "the" + _subject(gpus).removeprefix("The")


def _is_idle(gpu: GpuOfJob) -> bool:
    ratio = known(gpu.idle_ratio)
    return ratio is not None and ratio >= IDLE_RATIO


def _idle(job: JobRow, gpus: Sequence[GpuOfJob]) -> Iterator[JobFinding]:
    idle = [each for each in gpus if _is_idle(each)]
    if not idle:
        return
    seconds = sum(each.seconds * min(known(each.idle_ratio) or 0.0, 1.0) for each in idle)
    wasted = sum(max(known(each.idle_joules) or 0.0, 0.0) for each in idle)
    who = _subject(gpus, "All {count} GPUs") if len(idle) == len(gpus) else f"{len(idle)} of {len(gpus)} GPUs"
    text = (
        f"{who} did nothing for at least {units.ratio(IDLE_RATIO)} of the time: {names(idle)}; "
        f"idle for {units.duration(seconds / len(idle))} each on average, and {units.energy(wasted)}{_paid(job, wasted)} "
        "went into it. If the job does not need them, ask for fewer."
    )
    evidence: dict[str, float | str] = {
        "idle_gpus": len(idle),
        "gpus": len(gpus),
        "names": names(idle),
        "idle_seconds": seconds,
        "idle_joules": wasted,
    }
    yield JobFinding(kind="idle_gpus", severity="warning", text=text, evidence=evidence, wasted_joules=wasted)


def _paid(job: JobRow, joules: float) -> str:
    """What that cost, at the job's own mean price; nothing is said where none is known."""
    priced = (known(job.energy_joules) or 0.0) * (known(job.priced_ratio) or 0.0)
    cost = known(job.cost)
    return "" if cost is None or priced <= 0 else f" ({units.money(cost * joules / priced, job.currency)})"


def _partly_idle(job: JobRow, gpus: Sequence[GpuOfJob]) -> Iterator[JobFinding]:
    idle = weighted(gpus, "idle_ratio")
    if idle is None or idle.mean < PARTLY_IDLE_RATIO:
        return
    wasted = sum(max(known(each.idle_joules) or 0.0, 0.0) for each in idle.gpus)
    text = (
        f"{_subject(gpus)} stood idle for {units.ratio(idle.mean)} of the time held "
        f"({units.duration(idle.mean * idle.seconds)} of {units.duration(idle.seconds)} of GPU time) and drew "
        f"{units.energy(wasted)}{_paid(job, wasted)} meanwhile. Waiting for data, long checkpoints, or a step that uses no GPU?"
    )
    evidence: dict[str, float | str] = {"idle_ratio": idle.mean, "gpu_seconds": idle.seconds, "idle_joules": wasted}
    severity: Severity = "warning" if idle.mean >= 2 * PARTLY_IDLE_RATIO else "info"
    yield JobFinding(kind="idle_gpus", severity=severity, text=text, evidence=evidence, wasted_joules=wasted)


def _low_activity(gpus: Sequence[GpuOfJob]) -> Iterator[JobFinding]:
    sm_active = weighted(gpus, "sm_active_ratio")
    measure = sm_active or weighted(gpus, "busy_ratio")
    if measure is None:
        return
    idle = weighted(measure.gpus, "idle_ratio")
    at_work = 1.0 if idle is None else 1 - idle.mean
    if at_work <= 0:
        return
    # Idle time has a sentence of its own; this one is about the time at work.
    ratio = min(measure.mean / at_work, 1.0)
    is_sm = sm_active is not None
    if ratio >= (LOW_SM_ACTIVE_RATIO if is_sm else LOW_BUSY_RATIO):
        return
    while_at_work = f"While {_inside(gpus)} worked"
    text = (
        f"{while_at_work}, {units.ratio(ratio)} of the multiprocessors were active on average; "
        f"below {units.ratio(LOW_SM_ACTIVE_RATIO)} a GPU is usually used poorly. Larger batches or a smaller GPU may do."
        if is_sm
        else f"{while_at_work}, a kernel ran in {units.ratio(ratio)} of the time; in the rest they waited. "
        "Is reading or preparing the data the bottleneck?"
    )
    evidence: dict[str, float | str] = {
        "sm_active_ratio" if is_sm else "busy_ratio": measure.mean,
        "at_work_ratio": at_work,
        "active_at_work_ratio": ratio,
        "gpus": len(measure.gpus),
    }
    severity: Severity = "warning" if ratio < VERY_LOW_RATIO else "info"
    yield JobFinding(kind="low_activity", severity=severity, text=text, evidence=evidence)


def _powered(gpus: Sequence[GpuOfJob]) -> tuple[Known, Known, Known] | None:
    """Power, limit and time at the limit, of whole GPUs that tell all three; a board's limit says nothing about a part."""
    whole = [each for each in gpus if each.fraction == 1 and known(each.limit_watts)]
    told = [each for each in whole if known(each.average_watts) is not None and known(each.capped_ratio) is not None]
    figures = [weighted(told, name) for name in ("average_watts", "limit_watts", "capped_ratio")]
    if not told or any(each is None for each in figures):
        return None
    watts, limit, capped = (each for each in figures if each is not None)
    return watts, limit, capped


def _far_under_cap(gpus: Sequence[GpuOfJob]) -> Iterator[JobFinding]:
    figures = _powered(gpus)
    idle = weighted(gpus, "idle_ratio")
    if figures is None or (idle is not None and idle.mean >= PARTLY_IDLE_RATIO):
        return
    watts, limit, capped = figures
    ratio = watts.mean / limit.mean
    if ratio >= FAR_UNDER_CAP_RATIO or capped.mean > NEVER_CAPPED_RATIO:
        return
    text = (
        f"{_subject(gpus)} drew {watts.mean:.0f} W on average, {units.ratio(ratio)} of the power limit of {limit.mean:.0f} W, "
        f"which was reached in {units.ratio(capped.mean)} of the time. A lower limit would set power free for other work "
        "(averages hide peaks: lower it in steps), or a smaller GPU would do."
    )
    yield JobFinding(kind="far_under_cap", severity="info", text=text, evidence=_power_evidence(watts, limit, capped))


def _at_cap(gpus: Sequence[GpuOfJob]) -> Iterator[JobFinding]:
    figures = _powered(gpus)
    if figures is None:
        return
    watts, limit, capped = figures
    if capped.mean < AT_CAP_RATIO:
        return
    boards = {of_model(each.model) for each in capped.gpus}
    board = boards.pop() if len(boards) == 1 else None
    is_lowered = board is not None and limit.mean < LOWERED_RATIO * board.limit_watts
    default = f", where the board's default is {board.limit_watts:.0f} W" if board is not None and is_lowered else ""
    text = (
        f"The power limit held {_inside(gpus)} down for {units.ratio(capped.mean)} of the time: "
        f"{watts.mean:.0f} W on average under a limit of {limit.mean:.0f} W{default}. "
        "With more power the job would have run faster."
    )
    severity: Severity = "warning" if is_lowered and capped.mean >= HELD_DOWN_RATIO else "info"
    yield JobFinding(kind="at_cap", severity=severity, text=text, evidence=_power_evidence(watts, limit, capped))


def _power_evidence(watts: Known, limit: Known, capped: Known) -> dict[str, float | str]:
    return {
        "average_watts": watts.mean,
        "limit_watts": limit.mean,
        "capped_ratio": capped.mean,
        "gpus": len(watts.gpus),
    }


def _memory(gpus: Sequence[GpuOfJob]) -> Iterator[JobFinding]:
    peaks = [
        (each, peak / total)
        for each in gpus
        if (peak := known(each.memory_peak_bytes)) is not None and (total := known(each.memory_total_bytes))
    ]
    if not peaks:
        return
    fullest, ratio = max(peaks, key=lambda each: each[1])
    peak, total = fullest.memory_peak_bytes or 0.0, fullest.memory_total_bytes or 0.0
    evidence: dict[str, float | str] = {"gpu": gpu_name(fullest), "memory_peak_bytes": peak, "memory_total_bytes": total}
    figures = f"{peak / 2**30:.1f} of {total / 2**30:.1f} GiB ({units.ratio(ratio)})"
    if ratio >= MEMORY_FULL_RATIO:
        text = f"GPU memory was nearly full: {figures} on {gpu_name(fullest)}. A slightly larger input may fail for want of it."
        yield JobFinding(kind="memory", severity="info", text=text, evidence=evidence)
    elif ratio < MEMORY_FAR_RATIO and fullest.fraction == 1:
        text = (
            f"At most {figures} of GPU memory were used (on {gpu_name(fullest)}). Larger batches, or a smaller GPU, would fit."
        )
        yield JobFinding(kind="memory", severity="info", text=text, evidence=evidence)
