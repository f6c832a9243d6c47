"""How long operations take beside their usual, and what was slow a while ago, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from dashboard import words
from dashboard.components.storagecards import LEAST_LATENCY, SLOW
from wattstat.store.protocol import Series

_WAS_SECONDS = 900
_DOES = {
    "namespace_read": "looking up and opening files",
    "namespace_write": "creating, renaming and removing files",
    "read": "reading",
    "write": "writing",
    "file_state": "locking and closing files",
    "session_state": "opening and closing sessions",
}
"""What users do, by the classes of OneFS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The latency of a protocol, or of a class of its operations: now, usually, and what was the worst of late."""

    protocol: str
    kind: str
    present: float
    usual: float
    worst: float
    worst_ago: float
    """For how many seconds it has been over."""

    @property
    def factor(self) -> float:
        return self.present / self.usual if self.usual else 0.0

    @property
    def is_slow(self) -> bool:
        return _is_slow(self.present, self.usual)

    @property
    def was_slow(self) -> bool:
        return not self.is_slow and _is_slow(self.worst, self.usual)

    @property
    def name(self) -> str:
        if not self.kind:
            return self.protocol
        does = _DOES.get(self.kind)
        return f"{does} ({self.kind})" if does else self.kind.replace("_", " ")


def _is_slow(value: float, usual: float) -> bool:
    return value >= LEAST_LATENCY and value >= SLOW * usual


def pace(one: Series, present: float | None, end: float) -> Pace | None:
    """None where nothing is known of now."""
    if present is None:
        return None
    usual = median(one.values)
    late = [(at, value) for at, value in zip(one.times, one.values, strict=True) if at > end - _WAS_SECONDS]
    slow = [at for at, value in late if _is_slow(value, usual)]
    return Pace(
        protocol=one.labels.get("protocol", ""), kind=one.labels.get("class", ""), present=present, usual=usual,
        worst=max((value for _, value in late), default=present), worst_ago=end - max(slow, default=end),
    )  # fmt: skip


def of_class(each: Pace) -> str:
    """The class that rose most: what users feel."""
    over = f" over {each.protocol}" if each.protocol else ""
    now, usual = words.latency(each.present), words.latency(each.usual)
    return f"{each.name}{over} takes {times(each.factor)} its usual: {now}, usually {usual}"


def of_protocol(each: Pace) -> str:
    """The mean of everything that the protocol does."""
    return f"latency of {each.name} is {words.latency(each.present)}, usually {words.latency(each.usual)}"


def was(found: Sequence[Pace]) -> str:
    """What is over: the one that had risen most. Empty where nothing was slow."""
    over = [each for each in found if each.was_slow]
    if not over:
        return ""
    worst = max(over, key=lambda each: each.worst / each.usual if each.usual else 0.0)
    ago = "" if worst.worst_ago < 1 else f" until {words.duration(worst.worst_ago)} ago"
    what = worst.name if worst.kind else f"that of {worst.name}"
    return f"{what} was {words.latency(worst.worst)}{ago}, usually {words.latency(worst.usual)}"


def times(factor: float) -> str:
    return f"{factor:,.0f} times" if factor >= 10 else f"{factor:.1f} times"
