"""Numbers as NVML gives them: what is one, and what only looks like one."""

from __future__ import annotations

import math
from typing import Any

# NVML_VALUE_NOT_AVAILABLE is -1 in whichever width; DCGM's "blank" values are the largest signed numbers less 0 to 15.
_NOT_AVAILABLE = frozenset((0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF, -1))
_BLANKS = (range(0x7FFFFFF0, 0x80000000), range(0x7FFFFFFFFFFFFFF0, 0x8000000000000000))


def whole(value: Any) -> int | None:
    """A count, or None for anything that is not one: sentinels, negatives, other types."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0 or value in _NOT_AVAILABLE:
        return None
    return None if any(value in blank for blank in _BLANKS) else value


def signed(value: Any) -> int | None:
    """A number that may be below zero, such as a margin."""
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > 1_000_000:
        return None
    return value


def percent(value: Any) -> float | None:
    """A share of 0 to 100 % as a ratio. What lies outside is no share."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    return value / 100 if 0 <= value <= 100 else None


def celsius(value: Any) -> float | None:
    """A temperature. 255 and the like are what a sensor says that has nothing to say."""
    found = signed(value)
    return float(found) if found is not None and -50 <= found <= 200 else None


def scaled(value: Any, factor: float) -> float | None:
    """A count in another unit."""
    found = whole(value)
    return None if found is None else found * factor


def text(value: Any) -> str:
    """Text, whatever the binding made of it."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "" if value is None else str(value)
