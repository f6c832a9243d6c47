"""Durations as Prometheus writes them."""

from __future__ import annotations

import re

_UNITS = {"y": 365 * 86400, "w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
_DURATION = re.compile("".join(rf"(?:(?P<{unit}>\d+){unit})?" for unit in _UNITS))


def parse_duration(text: str) -> float:
    """Seconds of a duration such as `1h30m`. Raises `ValueError`."""
    if text == "0":
        return 0.0
    match = _DURATION.fullmatch(text)
    parts = {} if match is None else {unit: int(count) for unit, count in match.groupdict().items() if count}
    if not parts:
        raise ValueError(f"is {text!r}; expected a duration such as 30s, 5m or 1h30m")
    return float(sum(count * _UNITS[unit] for unit, count in parts.items()))
