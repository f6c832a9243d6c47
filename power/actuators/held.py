"""What is known of one device and its caps, and how answers change that. No I/O and no clock of its own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from power.actuators.findings import BY_OUTCOME, Finding, Why
from power.model import ControlState, Device, DeviceCaps, Outcome, Receipt, Way

TOLERANCE_WATTS = 1.0
"""Devices keep whole watts, some of them rounded."""
AT_ONCE = frozenset({Outcome.LOCKED, Outcome.UNLICENSED, Outcome.PENDING_RESTART, Outcome.REFUSED})
"""Outcomes that a second try does not change."""
NOTHING_WRITTEN = frozenset({Outcome.STALE, Outcome.OUT_OF_RANGE})
"""Outcomes that say something about the order and nothing about the device."""


def same(one: float | None, other: float | None) -> bool:
    """Whether two caps are one; None is no cap."""
    return one is other if one is None or other is None else abs(one - other) < TOLERANCE_WATTS


def shown(caps: DeviceCaps) -> float | None:
    """What the device shows of what was set this way: in band what was requested in band, for others may hold it lower."""
    return caps.own_watts if caps.way is Way.NVML and caps.own_watts is not None else caps.limit_watts


@dataclass(kw_only=True, eq=False)
class Held:
    """A device. `set_watts` is what was last set and seen by each way (None: cleared), absent where nothing was.

    `wanted` is the write that is under way, or whose outcome is not known: way and watts.
    """

    device: Device
    state: ControlState = ControlState.UNKNOWN
    caps: dict[Way, DeviceCaps] = field(default_factory=dict)
    read_at: dict[Way, float] = field(default_factory=dict)
    set_watts: dict[Way, float | None] = field(default_factory=dict)
    wanted: tuple[Way, float | None] | None = None
    writing: bool = False
    wrote_at: float = float("-inf")
    failures: int = 0
    not_before: float = float("-inf")
    """When it may be tried again, by the monotonic clock; urgent orders do not wait."""
    drifts: int = 0
    fights: int = 0
    fought_at: float = float("-inf")
    findings: dict[Why, Finding] = field(default_factory=dict)

    def ways(self, order: tuple[Way, ...]) -> tuple[Way, ...]:
        """The ways that offer this device, the preferred one first."""
        return tuple(way for way in order if way in self.caps)

    def begin(self, way: Way, watts: float | None) -> None:
        """A write begins: until it is read back the higher of old and new counts."""
        self.writing, self.wanted = True, (way, watts)
        if self.state in {ControlState.CONTROLLED, ControlState.UNKNOWN}:
            self.state = ControlState.PENDING

    def counted_watts(self, limit: float | None) -> float | None:
        """What counts of a cap that reads `limit`: while a write is under way the higher of both, and no cap beats any."""
        if self.wanted is None:
            return limit
        wanted = self.wanted[1]
        return None if limit is None or wanted is None else max(limit, wanted)

    def end(self, receipt: Receipt, *, at: float, now: float, retries: int) -> bool:
        """A write's outcome. Returns whether to try again. `at` is Unix time, `now` monotonic."""
        self.writing, self.wrote_at = False, now
        if receipt.outcome is Outcome.STALE:
            self._undone()
            return False
        if receipt.outcome is Outcome.CONFIRMED:
            self._confirmed(receipt.way, receipt.wanted_watts, receipt.read_back_watts, now)
            return False
        self.find(BY_OUTCOME[receipt.outcome], receipt.detail, at)
        if receipt.outcome in NOTHING_WRITTEN:
            self._undone()
            return False
        self.failures += 1
        if receipt.outcome not in AT_ONCE and self.failures <= retries:
            return True
        self.state = ControlState.UNCONTROLLED
        return False

    def take(self, caps: DeviceCaps, *, at: float, now: float) -> float | None:
        """A reading that no write has overtaken. Returns at which value drift was found, if it was: 0 for no cap at all."""
        way = caps.way
        self.caps[way], self.read_at[way] = caps, now
        value = shown(caps)
        if self.wanted is not None and self.wanted[0] is way:
            if same(value, self.wanted[1]):
                self._confirmed(way, self.wanted[1], caps.limit_watts, now)
            return None
        if self.state is ControlState.UNKNOWN:
            self.state = ControlState.CONTROLLED
        if way not in self.set_watts or same(value, self.set_watts[way]):
            return None
        before = self.set_watts[way]
        self.drifts += 1
        self.find(Why.DRIFT, f"set to {_told(before)} by {way}, found at {_told(value)}", at, anew=True)
        return value or 0.0

    def find(self, why: Why, detail: str, at: float, *, anew: bool = False) -> None:
        """Note what is wrong; what lasts keeps the time when it began."""
        before = self.findings.get(why)
        since = at if before is None or anew else before.since
        self.findings[why] = Finding(device=self.device, why=why, since=since, detail=detail)

    def _undone(self) -> None:
        """Nothing was written: what held before holds."""
        self.wanted = None
        if self.state is ControlState.PENDING:
            self.state = ControlState.CONTROLLED if self.caps else ControlState.UNKNOWN

    def _confirmed(self, way: Way, wanted: float | None, limit: float | None, now: float) -> None:
        self.set_watts[way] = wanted
        if way in self.caps:
            own = wanted if way is Way.NVML else limit
            self.caps[way], self.read_at[way] = replace(self.caps[way], limit_watts=limit, own_watts=own), now
        self.wanted, self.failures, self.not_before = None, 0, float("-inf")
        for why in BY_OUTCOME.values():
            self.findings.pop(why, None)
        if self.state is not ControlState.FOREIGN:
            self.state = ControlState.CONTROLLED


def _told(watts: float | None) -> str:
    return "no cap" if watts is None else f"{watts:.0f} W"
