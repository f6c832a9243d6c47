"""Numbers as NVML gives them: what is one, and what only looks like one."""

from __future__ import annotations

from typing import Any

# NVML_VALUE_NOT_AVAILABLE is -1 in whichever width; DCGM's "blank" values are the largest signed numbers less 0 to 15.
_NOT_AVAILABLE = frozenset((0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF, -1))
_BLANK, _LAST_BLANK = 0x7FFFFFF0, 0x7FFFFFFF
_WIDE_BLANK, _LAST_WIDE_BLANK = 0x7FFFFFFFFFFFFFF0, 0x7FFFFFFFFFFFFFFF


def whole(value: Any) -> int | None:
    """A count, or None for anything that is not one: sentinels, negatives, other types."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0 or value in _NOT_AVAILABLE:
        return None
    # Hundreds of values a second come through here: comparisons cost a third of what a loop over ranges does.
    is_blank = _BLANK <= value <= _LAST_BLANK or _WIDE_BLANK <= value <= _LAST_WIDE_BLANK
    return None if is_blank else value


def signed(value: Any) -> int | None:
    """A number that may be below zero, such as a margin."""
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > 1_000_000:
        return None
    return value


def percent(value: Any) -> float | None:
    """A share of 0 to 100 % as a ratio. What lies outside is no share."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return value / 100 if 0 <= value <= 100 else None  # which nothing infinite is, nor a NaN


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
