"""What the fast readings of a GPU add up to: gauges integrated over the time between readings, for the node's journal.

A reading that failed, or came late, is a gap, and no gap is bridged: `power_seconds` says how much time was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from collectors.cgroups import Holders
from collectors.nvml import gpm
from collectors.nvml.fast import FastReading
from collectors.nvml.identity import Identity
from collectors.nvml.integral import Integral
from collectors.nvml.medium import MediumReading
from collectors.nvml.sharing import Part, Plan, ShareMeter
from wattstat.journal import Entry, Gpu, GpuCounts

# Readings that are further apart than so many beats leave a gap.
LONGEST_GAP = 3.0
# An average over a second, read once a second, is its own integral; the cycle may come a little early or late.
_AVERAGE_SECONDS = 1.5
_CAPPED_TIMES = ("sw_power_cap", "hw_power_brake")
_CAPPED_BITS = 0x4 | 0x80  # nvmlClocksEventReasonSwPowerCap, …HwPowerBrakeSlowdown


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A GPU's energy counter, and how often it had begun anew, at a moment (monotonic seconds)."""

    at: float
    joules: float
    resets: int


@dataclass(kw_only=True)
class Capped:
    """Seconds under the power cap or power brake: by the hardware's counters of them, else by the reasons read."""

    longest_gap_seconds: float
    _counted: float = 0.0
    _newest: dict[str, float] = field(default_factory=dict)
    _flags: Integral = field(init=False)

    def __post_init__(self) -> None:
        self._flags = Integral(longest_gap_seconds=self.longest_gap_seconds)

    def see(self, at: float, reading: FastReading) -> float | None:
        times = {name: reading.throttle_seconds[name] for name in _CAPPED_TIMES if name in reading.throttle_seconds}
        for name, seconds in times.items():
            # A counter that stands lower than before began anew with the driver.
            self._counted += max(seconds - self._newest.get(name, seconds), 0.0)
            self._newest[name] = seconds
        if self._newest:
            return self._counted
        reasons = reading.throttle_reasons
        held_down = None if reasons is None else float(bool(reasons & _CAPPED_BITS))
        self._flags.see(at, held_down, average_seconds=_AVERAGE_SECONDS)
        return self._flags.total


@dataclass(kw_only=True)
class GpuMeter:
    """One GPU since the agent began, over sessions of NVML."""

    longest_gap_seconds: float
    _power: Integral = field(init=False)
    _busy: Integral = field(init=False)
    _capped: Capped = field(init=False)
    _power_window: str = ""
    _sm_active: float | None = None
    _tensor_active: float | None = None
    _gpm_window: gpm.Window | None = None

    def __post_init__(self) -> None:
        self._power = Integral(longest_gap_seconds=self.longest_gap_seconds)
        self._busy = Integral(longest_gap_seconds=self.longest_gap_seconds)
        self._capped = Capped(longest_gap_seconds=self.longest_gap_seconds)

    def see(self, at: float, reading: FastReading, *, resets: int) -> GpuCounts:
        """The GPU's counters with this reading, taken at a monotonic time."""
        self._see_power(at, reading)
        self._busy.see(at, reading.utilization_ratio)
        self._see_activity(reading)
        return GpuCounts(
            joules=reading.energy_joules,
            resets=resets,
            power_joules=self._power.total,
            power_seconds=None if self._power.total is None else self._power.seconds,
            sm_active_seconds=self._sm_active,
            busy_seconds=self._busy.total,
            tensor_active_seconds=self._tensor_active,
            capped_seconds=self._capped.see(at, reading),
            memory_bytes=reading.memory_used_bytes,
        )

    def _see_power(self, at: float, reading: FastReading) -> None:
        window = "1s" if ("1s", "gpu") in reading.power_watts else "instant"
        if window != self._power_window:  # an average and an instant are two different gauges
            self._power.interrupt()
            self._power_window = window
        watts = reading.power_watts.get((window, "gpu"))
        self._power.see(at, watts, average_seconds=_AVERAGE_SECONDS if window == "1s" else 0.0)

    def _see_activity(self, reading: FastReading) -> None:
        """GPM's windows follow one another without a hole; each counts once."""
        window = reading.gpm_window
        if window is None or window is self._gpm_window:
            return
        self._gpm_window = window
        sm, tensor = reading.activity.get(gpm.SM), reading.activity.get(gpm.TENSOR)
        if sm is not None:
            self._sm_active = (self._sm_active or 0.0) + sm * window.seconds
        if tensor is not None:
            self._tensor_active = (self._tensor_active or 0.0) + tensor * window.seconds


@dataclass(kw_only=True)
class NodeMeter:
    """All GPUs of the node: makes a journal's entry of every fast reading. Times are monotonic seconds.

    `write` gets the entry, and the GPUs known by then: one that is lost stays known. `holders` tells whose a process is.
    """

    every_seconds: float
    write: Callable[[Entry, Mapping[str, Gpu]], None]
    holders: Holders
    gpus: dict[str, Gpu] = field(default_factory=dict)
    _meters: dict[str, GpuMeter] = field(default_factory=dict)
    _shares: dict[str, ShareMeter] = field(default_factory=dict)
    _described: dict[str, tuple[Identity, int | None, tuple[Part, ...]]] = field(default_factory=dict)

    def plan(self, uuid: str) -> Plan:
        """What to ask a GPU about those who share it."""
        return self._share(uuid).plan

    def hold(self, uuid: str, holder: str, *, is_start: bool) -> None:
        """A job that holds a GPU starts, or ends."""
        share = self._share(uuid)
        (share.hold if is_start else share.release)(holder)

    def see(self, readings: Iterable[FastReading], resets: Mapping[str, int]) -> None:
        """One fast reading of the GPUs that answered."""
        counts: dict[str, GpuCounts] = {}
        shares: dict[tuple[str, str], float] = {}
        taken: list[float] = []
        for reading in readings:
            if reading.at is None:
                continue
            uuid = reading.identity.uuid
            if uuid not in self._meters:
                self._meters[uuid] = GpuMeter(longest_gap_seconds=LONGEST_GAP * self.every_seconds)
            self._describe(reading)
            counts[uuid] = self._meters[uuid].see(reading.at, reading, resets=resets.get(uuid, 0))
            active = self._share(uuid).see(reading.at, reading.shared, reading.utilization_ratio)
            shares.update({(uuid, holder): seconds for holder, seconds in active.items()})
            taken.append(reading.at)
        if counts:
            self.write(Entry(at=sum(taken) / len(taken), gpus=counts, shares=shares), self.gpus)

    def see_holders(self, readings: Iterable[MediumReading]) -> None:
        """One slower reading, of who is on which GPU."""
        listed = [(reading, reading.processes or ()) for reading in readings]
        self.holders.keep([process.pid for _, processes in listed for process in processes])
        for reading, processes in listed:
            parts = tuple(
                Part(
                    holder=f"mig:{mig.instance}:{mig.compute_instance}", instance=mig.instance, uuid=mig.uuid, slices=mig.slices
                )
                for mig in reading.mig
            )
            owners = {process.pid: self.holders.of(process.pid) for process in processes}
            known = {pid: holder for pid, holder in owners.items() if holder is not None}
            self._share(reading.identity.uuid).plan = Plan(parts=parts, holders=known)

    def _share(self, uuid: str) -> ShareMeter:
        if uuid not in self._shares:
            self._shares[uuid] = ShareMeter(longest_gap_seconds=LONGEST_GAP * self.every_seconds)
        return self._shares[uuid]

    def _describe(self, reading: FastReading) -> None:
        who = reading.identity
        parts = self.plan(who.uuid).parts
        described = (who, reading.memory_total_bytes, parts)
        if self._described.get(who.uuid) == described:
            return
        self._described[who.uuid] = described
        self.gpus[who.uuid] = Gpu(
            uuid=who.uuid,
            index=who.index,
            minor=int(who.minor) if who.minor else None,
            model=who.model,
            memory_bytes=reading.memory_total_bytes,
            slices={part.holder: float(part.slices) for part in parts if part.slices is not None},
            mig_uuids={part.holder: part.uuid for part in parts if part.uuid},
        )
