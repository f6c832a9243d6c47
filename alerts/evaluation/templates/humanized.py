"""Numbers for people, digit by digit as Prometheus' template functions write them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from alerts.evaluation.templates.go_text import float_text, plain

LARGE = ("k", "M", "G", "T", "P", "E", "Z", "Y")
BINARY = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
SMALL = ("m", "u", "n", "p", "f", "a", "z", "y")


def short(value: float) -> str:
    """Four significant digits: Go's %.4g."""
    return float_text(value, "g", 4)


def humanize(value: float) -> str:
    """`1.234k`, `12m`."""
    if value == 0 or not math.isfinite(value):
        return short(value)
    if abs(value) >= 1:
        return _scaled(value, LARGE, 1000)
    return _small(value)


def _scaled(value: float, prefixes: tuple[str, ...], step: float) -> str:
    prefix = ""
    for each in prefixes:
        if abs(value) < step:
            break
        prefix = each
        value /= step
    return short(value) + prefix


def _small(value: float) -> str:
    prefix = ""
    for each in SMALL:
        if abs(value) >= 1:
            break
        prefix = each
        value *= 1000
    return short(value) + prefix


def humanize1024(value: float) -> str:
    """`1.5Mi`."""
    if abs(value) <= 1 or not math.isfinite(value):
        return short(value)
    return _scaled(value, BINARY, 1024)


def humanize_percentage(value: float) -> str:
    """A ratio as per cent."""
    return short(value * 100) + "%"


def humanize_duration(value: float) -> str:
    """Seconds as `1h 2m 3s`."""
    if not math.isfinite(value):
        return short(value)
    if value == 0:
        return "0s"
    if abs(value) < 1:
        return _small(value) + "s"
    sign, value = ("-", -value) if value < 0 else ("", value)
    whole = int(value)
    seconds, minutes, hours, days = whole % 60, whole // 60 % 60, whole // 3600 % 24, whole // 86400
    if whole < 60:
        return f"{sign}{short(value)}s"
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    while not parts[0][0]:
        del parts[0]
    return sign + " ".join(f"{count}{unit}" for count, unit in parts)


def humanize_timestamp(value: float) -> str:
    """Unix seconds as Go prints a time in UTC. Raises `ValueError` for what is no time."""
    if not math.isfinite(value):
        return short(value)
    nanoseconds = value * 1e9
    if not -(2**63) <= nanoseconds <= 2**63 - 1:
        raise ValueError(f"{plain(value)} cannot be represented as a nanoseconds timestamp since it overflows int64")
    milliseconds = int(int(nanoseconds) / 1_000_000)  # towards zero, as Prometheus' own times are
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    part = f".{moment.microsecond // 1000:03d}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%d %H:%M:%S}{part} +0000 UTC"
