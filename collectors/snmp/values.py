"""Readers of SNMP values that never fail: what is absent or of another type is None."""

from __future__ import annotations

from collections.abc import Mapping

Value = int | float | str | bytes
"""Octet strings are bytes; object identifiers and addresses are dotted text."""

_LONGEST_TEXT = 256


def whole(value: Value | None) -> int | None:
    """An integer, counter or gauge; also one that the agent wrote as text, as some do with 64-bit values."""
    if isinstance(value, bytes):
        digits = value.strip(b"\0 ")
        return int(digits) if digits.isdigit() and len(digits) <= 20 else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def scaled(value: Value | None, factor: float) -> float | None:
    """An integer in the agent's unit, times what makes it ours."""
    number = whole(value)
    return None if number is None else number * factor


def text(value: Value | None) -> str:
    """What an octet string says, in one line, without the zeros and blanks that agents pad it with; empty when absent."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if not isinstance(value, str):
        return ""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in value).split())[:_LONGEST_TEXT]


def enumerated(value: Value | None, meanings: Mapping[int, float]) -> float | None:
    """What a state's number stands for; None for one that nobody promised."""
    number = whole(value)
    return None if number is None else meanings.get(number)
