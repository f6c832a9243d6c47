"""Who was active on a GPU that several share: MIG instances by GPM, processes by the driver's utilization of each.

What costs calls is asked only of GPUs where it tells something: `Plan` says of which, as the slower cycle has found out.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from collectors.nvml.device import Device
from collectors.nvml.gpm import MIG_METRICS, SM, Gpm, Window
from collectors.nvml.integral import Integral
from collectors.nvml.numbers import percent

# A holder whose processes are gone counts on without activity for a while: its job may start the next ones.
LINGER_SECONDS = 600.0
MOST_HOLDERS = 64  # remembered for each GPU
_UTILIZATION = "GetProcessUtilization"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A MIG device; `holder` as the journal calls it."""

    holder: str
    instance: int
    uuid: str
    slices: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to ask a GPU every time: its MIG devices, or its processes (holder by pid) where there is more than one holder."""

    parts: tuple[Part, ...] = ()
    holders: Mapping[int, str] = field(default_factory=dict)

    @property
    def is_shared(self) -> bool:
        """Whether processes of several holders are on the GPU."""
        return not self.parts and len(set(self.holders.values())) > 1


@dataclass(kw_only=True, eq=False)
class SharedReader:
    """Asks one GPU in one session."""

    device: Device
    monotonic: Callable[[], float]
    _seen_us: int = 0
    _meters: dict[tuple[int, str], Gpm] = field(default_factory=dict)

    def fetch(self, plan: Plan) -> dict[str, Any]:
        """Windows by GPU instance, utilization by process. Raises `GpuLost`, `LibraryGone`."""
        if plan.parts:
            return {"parts": self._windows(plan.parts)}
        return {"processes": self._processes()} if plan.is_shared else {}

    def _windows(self, parts: Collection[Part]) -> dict[int, Window | None]:
        # An instance that is made anew under the same number is another, and its counters begin anew.
        wanted = {(part.instance, ",".join(each.uuid for each in parts if each.instance == part.instance)) for part in parts}
        for key in self._meters.keys() - wanted:
            self._meters.pop(key).free()
        for key in wanted - self._meters.keys():
            self._meters[key] = Gpm(device=self.device, monotonic=self.monotonic, instance=key[0], metrics=MIG_METRICS)
        return {key[0]: meter.read() for key, meter in self._meters.items()}

    def _processes(self) -> dict[int, float] | None:
        """SM utilization in percent since the last look; processes without any are not in it. None where it is not told."""
        device = self.device
        samples = device.find(_UTILIZATION, self._seen_us)
        if samples is None:
            return None if _UTILIZATION in device.unsupported or f"{device.name} {_UTILIZATION}" in device.errors else {}
        self._seen_us = max((sample.timeStamp for sample in samples), default=self._seen_us)
        found: defaultdict[int, list[int]] = defaultdict(list)
        for sample in samples:
            found[sample.pid].append(sample.smUtil)
        return {pid: sum(values) / len(values) for pid, values in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedReading:
    """How active the parts or processes of a GPU were; None for what was not told."""

    windows: Mapping[int, Window] = field(default_factory=dict)
    processes: Mapping[int, float] | None = None


_NOTHING = SharedReading()


def parse(document: Any) -> SharedReading:
    """A reading of what `SharedReader` fetched; ratios of 0 to 1."""
    if not document or not isinstance(document, Mapping):
        return _NOTHING
    windows, processes = document.get("parts"), document.get("processes")
    windows = windows if isinstance(windows, Mapping) else {}
    return SharedReading(
        windows={instance: window for instance, window in windows.items() if isinstance(window, Window)},
        processes={pid: ratio for pid, value in processes.items() if (ratio := percent(value)) is not None}
        if isinstance(processes, Mapping)
        else None,
    )


@dataclass(kw_only=True)
class ShareMeter:
    """The holders of one GPU since the agent began: seconds of activity by holder."""

    longest_gap_seconds: float
    plan: Plan = field(default_factory=Plan)
    _integrals: dict[str, Integral] = field(default_factory=dict)
    _parts: dict[str, tuple[Window, float]] = field(default_factory=dict)
    _seen_at: dict[str, float] = field(default_factory=dict)
    _held: set[str] = field(default_factory=set)
    _at: float | None = None
    _followed: set[str] = field(default_factory=set)

    def hold(self, holder: str) -> None:
        """A job starts here: it counts from now on, also while it has no process."""
        self._held.add(holder)

    def release(self, holder: str) -> None:
        """A job ended here."""
        self._held.discard(holder)
        self._seen_at.pop(holder, None)

    def see(self, at: float, reading: SharedReading, utilization: float | None) -> dict[str, float]:
        """Seconds by holder with this reading; `utilization` is the whole GPU's."""
        if self.plan.parts:
            return self._see_parts(reading)
        if not (self.plan.holders or self._held or self._seen_at):
            self._at, self._followed = at, set()
            return {}
        present = set(self.plan.holders.values())
        self._seen_at |= dict.fromkeys(present, at)
        for holder in [holder for holder, seen in self._seen_at.items() if at - seen > LINGER_SECONDS]:
            del self._seen_at[holder]
        active = self._active(present, reading, utilization)
        followed = present | self._held | self._seen_at.keys()
        for holder in followed:
            integral = self._integrals.setdefault(holder, Integral(longest_gap_seconds=self.longest_gap_seconds))
            if holder not in self._followed and self._at is not None and active is not None:
                integral.begin(self._at)
            integral.see(at, active.get(holder, 0.0) if active is not None else None, average_seconds=math.inf)
        for holder in list(self._integrals.keys() - followed)[: max(len(self._integrals) - MOST_HOLDERS, 0)]:
            del self._integrals[holder]
        self._followed = followed
        self._at = at
        return {holder: total for holder in followed if (total := self._integrals[holder].total) is not None}

    def _active(self, present: set[str], reading: SharedReading, utilization: float | None) -> dict[str, float] | None:
        """Ratios by holder; None where nobody can tell whose the GPU's activity was."""
        if len(present) == 1:
            return None if utilization is None else dict.fromkeys(present, utilization)
        if not present:
            return {}
        if reading.processes is None:
            return None
        active: defaultdict[str, float] = defaultdict(float)
        for pid, ratio in reading.processes.items():
            if pid in self.plan.holders:
                active[self.plan.holders[pid]] += ratio
        return active

    def _see_parts(self, reading: SharedReading) -> dict[str, float]:
        """GPM measures GPU instances: compute instances in one of them are taken for as active as it is."""
        for part in self.plan.parts:
            window = reading.windows.get(part.instance)
            before, total = self._parts.get(part.holder, (None, 0.0))
            ratio = percent(window.values.get(SM)) if window is not None else None
            if window is not None and window is not before and ratio is not None:
                self._parts[part.holder] = (window, total + ratio * window.seconds)
        return {part.holder: self._parts[part.holder][1] for part in self.plan.parts if part.holder in self._parts}
