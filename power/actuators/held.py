"""What is known of one device and its caps, and how answers change that. No I/O and no clock of its own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from power.actuators.findings import BROKEN, BY_OUTCOME, Finding, Why
from power.actuators.rules import Rules
from power.model import ControlState, Device, DeviceCaps, Outcome, Receipt, Way

TOLERANCE_WATTS = 1.0
"""Devices keep whole watts, some of them rounded."""
AT_ONCE = frozenset({Outcome.LOCKED, Outcome.UNLICENSED, Outcome.PENDING_RESTART, Outcome.REFUSED})
"""Outcomes that a second try does not change."""
NEVER = float("-inf")


def same(one: float | None, other: float | None) -> bool:
    """Whether two caps are one; None is no cap."""
    return one is other if one is None or other is None else abs(one - other) < TOLERANCE_WATTS


def shown(caps: DeviceCaps) -> float | None:
    """What the device shows of what was set this way: in band what was requested in band, for others may hold it lower."""
    return caps.own_watts if caps.way is Way.NVML and caps.own_watts is not None else caps.limit_watts


@dataclass(kw_only=True, eq=False)
class Held:
    """A device.

    By way: `caps` is the newest answer, `set_watts` what was set and seen (None: no cap), absent where nothing was set,
    `before_watts` what the operator had before. `wanted` is the write that is under way, or whose outcome is not known.
    `recalled`: what is set is known from before a restart, and nothing was read since.
    """

    device: Device
    state: ControlState = ControlState.UNKNOWN
    caps: dict[Way, DeviceCaps] = field(default_factory=dict)
    read_at: dict[Way, float] = field(default_factory=dict)
    set_watts: dict[Way, float | None] = field(default_factory=dict)
    before_watts: dict[Way, float | None] = field(default_factory=dict)
    recalled: dict[Way, tuple[float | None, ...]] = field(default_factory=dict)
    wanted: tuple[Way, float | None] | None = None
    target_watts: float | None = None
    """What was ordered last, whether or not it was done."""
    writing: bool = False
    wrote_at: float = NEVER
    tried_at: float | None = None
    """When the first try of a write began that is not done yet; None when nothing is under way."""
    is_overdue: bool = False
    """That write takes too long to go on counting as one that may still be done."""
    failures: int = 0
    not_before: float = NEVER
    """When it may be written again, by the monotonic clock; urgent orders do not wait."""
    newest: Receipt | None = None
    drifts: int = 0
    fights: int = 0
    fought_at: float = NEVER
    findings: dict[Why, Finding] = field(default_factory=dict)

    def ways(self, order: tuple[Way, ...]) -> tuple[Way, ...]:
        """The ways that offer this device, the preferred one first."""
        return tuple([way for way in order if way in self.caps])

    @property
    def counted_state(self) -> ControlState:
        """The state that counts: a cap that does not hold, or that nobody has read for long, is none."""
        if self.is_overdue or Why.NOT_HOLDING in self.findings:
            return ControlState.UNCONTROLLED
        return ControlState.UNKNOWN if Why.UNREAD in self.findings else self.state

    def counted_watts(self, limit: float | None) -> float | None:
        """What counts of a cap that reads `limit`: while a write is under way the higher of both, and no cap beats any."""
        if self.wanted is None:
            return limit
        wanted = self.wanted[1]
        return None if limit is None or wanted is None else max(limit, wanted)

    def operators(self, way: Way) -> float | None:
        """What the operator had before anything was written from here; None is no cap."""
        if way in self.before_watts:
            return self.before_watts[way]
        return shown(self.caps[way]) if way in self.caps else None

    def begin(self, way: Way, watts: float | None, now: float) -> None:
        """A write begins: until it is read back the higher of old and new counts."""
        self.writing, self.wanted = True, (way, watts)
        self.tried_at = now if self.tried_at is None else self.tried_at
        self.before_watts[way] = self.operators(way)
        if self.state in {ControlState.CONTROLLED, ControlState.UNKNOWN}:
            self.state = ControlState.PENDING

    def overdue(self, seconds: float, at: float) -> None:
        """A write has been under way for so long that the device counts in full until it is done."""
        self.is_overdue = True
        why = f"a write is under way for more than {seconds:.0f} s; charged with all that it can draw until it is read back"
        self.find(Why.UNREACHABLE, why, at)

    def end(self, receipt: Receipt, *, at: float, now: float, rules: Rules) -> bool:
        """A write's outcome. Returns whether to try again. `at` is Unix time, `now` monotonic."""
        before = self.newest
        self.writing, self.wrote_at, self.newest = False, now, receipt
        if receipt.outcome is Outcome.CONFIRMED:
            wanted = self.wanted[1] if self.wanted else receipt.wanted_watts
            self._confirmed(receipt.way, wanted, receipt.read_back_watts, now)
            return False
        if receipt.outcome is not Outcome.STALE:
            self.find(BY_OUTCOME[receipt.outcome], receipt.detail, at)
        if receipt.outcome in {Outcome.STALE, Outcome.OUT_OF_RANGE}:
            # It says something about the order and nothing about the device: what held before holds.
            self.wanted = None
            if self.is_overdue:
                self.findings.pop(Why.UNREACHABLE, None)
            self._in_time()
            self._settle()
            return False
        self.failures += 1
        said_yes_again = before is not None and before.outcome is receipt.outcome is Outcome.NOT_APPLIED
        is_late = self.tried_at is not None and now - self.tried_at >= rules.classify_seconds
        if receipt.outcome not in AT_ONCE and self.failures <= rules.retries and not said_yes_again and not is_late:
            return True
        self.state = ControlState.UNCONTROLLED
        self._in_time()
        return False

    def lacks(self, caps: DeviceCaps) -> bool:
        """Whether a GPU that had a limit does not tell it now: it could not be read, and nobody has taken it away."""
        way = caps.way
        had = way in self.set_watts or way in self.recalled or (way in self.caps and shown(self.caps[way]) is not None)
        return way is Way.NVML and had and shown(caps) is None

    def repeats(self, caps: DeviceCaps) -> bool:
        """Whether this reading says of the caps what the last one of this way said, and nothing was waiting for it."""
        old = self.caps.get(caps.way)
        return (
            old is not None
            and self.wanted is None
            and self.state is not ControlState.PENDING
            and (old.limit_watts, old.own_watts, old.min_watts, old.max_watts, old.index)
            == (caps.limit_watts, caps.own_watts, caps.min_watts, caps.max_watts, caps.index)
        )

    def take(self, caps: DeviceCaps, *, at: float, now: float) -> bool:
        """A reading that no write has overtaken. Returns whether somebody else has changed the cap."""
        way, value = caps.way, shown(caps)
        is_first = way not in self.caps
        self.caps[way], self.read_at[way] = caps, now
        if is_first:
            self._recall(way, value)
        if self.wanted is not None and self.wanted[0] is way:
            if same(value, self.wanted[1]):
                self._confirmed(way, self.wanted[1], caps.limit_watts, now)
            return False
        self._settle()
        if way not in self.set_watts:
            self._adopt(caps, value, at)
            return False
        if same(value, self.set_watts[way]):
            return False
        before, self.set_watts[way] = self.set_watts[way], value
        self.drifts += 1
        self.find(Why.DRIFT, f"set to {told(before)} by {way}, found at {told(value)}", at, anew=True)
        return not is_first

    def forget(self, ways: set[Way]) -> None:
        """These ways do not lead here any more."""
        for way in ways:
            self.caps.pop(way, None)
            self.read_at.pop(way, None)
        if not self.caps and not self.writing:
            self.state = ControlState.UNKNOWN

    def released(self, way: Way) -> None:
        """It has what the operator had: nothing here is ours any more."""
        for kept in (self.set_watts, self.before_watts):
            kept.pop(way, None)
        self.target_watts = None

    def find(self, why: Why, detail: str, at: float, *, anew: bool = False) -> None:
        """Note what is wrong; what lasts keeps the time when it began."""
        before = self.findings.get(why)
        since = at if before is None or anew else before.since
        self.findings[why] = Finding(device=self.device, why=why, since=since, detail=detail)

    @property
    def broken(self) -> tuple[Finding, ...]:
        """What makes its cap one that cannot be counted on."""
        return tuple(finding for why, finding in self.findings.items() if why in BROKEN)

    def _recall(self, way: Way, value: float | None) -> None:
        """After a restart: a write that was cut off may have been done or not, and either is ours."""
        known = self.recalled.pop(way, None)
        if known is None:
            return
        if any(same(value, each) for each in known):
            self.set_watts[way] = value
        elif way not in self.set_watts:
            self.before_watts.pop(way, None)  # nothing of ours is there: what is there is the operator's

    def _in_time(self) -> None:
        """No write is under way any more."""
        self.tried_at, self.is_overdue = None, False

    def _settle(self) -> None:
        if self.wanted is None and self.state in {ControlState.PENDING, ControlState.UNKNOWN} and self.caps:
            self.state = ControlState.CONTROLLED

    def _adopt(self, caps: DeviceCaps, value: float | None, at: float) -> None:
        """A cap that nobody here has set is told, not fought."""
        if value is None or same(value, caps.default_watts):
            self.findings.pop(Why.ADOPTED, None)
        else:
            self.find(Why.ADOPTED, f"{told(value)} by {caps.way}, not set from here; a release goes back to it", at)

    def _confirmed(self, way: Way, wanted: float | None, limit: float | None, now: float) -> None:
        self.set_watts[way] = wanted
        if way in self.caps:
            own = wanted if way is Way.NVML else limit
            self.caps[way], self.read_at[way] = replace(self.caps[way], limit_watts=limit, own_watts=own, power_watts=None), now
        self.wanted, self.failures, self.not_before = None, 0, NEVER
        self._in_time()
        for why in (*BY_OUTCOME.values(), Why.ADOPTED):
            self.findings.pop(why, None)
        if self.state is not ControlState.FOREIGN:
            self.state = ControlState.CONTROLLED


def told(watts: float | None) -> str:
    """Watts as a sentence has them."""
    return "no cap" if watts is None else f"{watts:.0f} W"
