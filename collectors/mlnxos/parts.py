"""Power supplies, fans and temperatures of a switch, out of rows. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from collectors.mlnxos.rows import Quantity, Row, quantity
from wattstat.members import celsius, rpm

_SUPPLY = re.compile(r"(?<![A-Za-z])(?:PSU?|POWER ?SUPPLY)[ _/-]?(\d{1,2})(?!\d)", re.IGNORECASE)
_WHERE = ("module", "psu", "supply", "name", "device", "component")
# What is not drawn now: what a supply could give, and what somebody set as a bound.
_NOT_DRAWN = (
    "capacity", "rated", "rating", "max", "min", "budget", "limit", "available", "total", "threshold", "crit", "status",
    "state", "supply", "factor", "fault", "redundan", "grid", "mode",
)  # fmt: skip
_BOUNDS = ("max", "min", "crit", "threshold", "high", "low", "limit", "alarm", "warn", "status", "state")
_GOOD = frozenset({"ok", "good", "up", "operational", "normal"})
_BAD = frozenset(
    {"fatal", "failed", "fail", "fault", "faulty", "error", "bad", "not ok", "critical", "no power", "down", "warning"}
)
_AWAY = frozenset({"not present", "absent", "missing", "removed", "not installed", "no psu"})
_MOST_SUPPLY_WATTS = 10_000.0


@dataclass(slots=True, kw_only=True)
class Supply:
    """A power supply; watts by side: input, output or unknown."""

    name: str
    present: bool | None = None
    good: bool | None = None
    watts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fan:
    """A fan."""

    name: str
    rpm: float | None
    good: bool | None


def supplies(rows: Iterable[Row]) -> tuple[Supply, ...]:
    """The supplies of `show power` or NVUE's `psu`, each once, in order of first appearance."""
    found: dict[str, Supply] = {}
    for row in rows:
        name = _supply_name(row)
        if name:
            _tell(found.setdefault(name, Supply(name=name)), row)
    for supply in found.values():
        # What an absent supply reads is no reading, and 0 W of one that is not said to be good is not known to be one.
        supply.watts = {
            side: watts for side, watts in supply.watts.items() if supply.present is not False and (watts > 0 or supply.good)
        }
    return tuple(found.values())


def totals(found: Iterable[Supply]) -> dict[str, float]:
    """The switch's power by side, where all supplies read that give any: a supply that failed gives none."""
    giving = [supply for supply in found if supply.present is not False and supply.good is not False]
    sides = {side for supply in giving for side in supply.watts}
    return {
        side: math.fsum(supply.watts[side] for supply in giving)
        for side in sorted(sides)
        if all(side in supply.watts for supply in giving)
    }


def fans(rows: Iterable[Row]) -> tuple[Fan, ...]:
    """The fans of `show fan` or NVUE's `fan`; a fan is named by its module and its own name."""
    found = []
    for row in rows:
        speed = row.first("speed", "rpm", without=("max", "min", "status", "state", "direction", "unit"))
        status = row.text("status", "state")
        read = quantity(speed)
        if speed is None and not status:
            continue
        present, good = _health(status)
        if present is False:
            continue
        name = _named(row, ("fan",))
        found.append(Fan(name=name, rpm=rpm(read.value) if read else None, good=good))
    return tuple(found)


def temperatures(rows: Iterable[Row]) -> dict[str, float]:
    """Degrees by sensor of `show temperature` or NVUE's `temperature`; bounds are no readings."""
    found: dict[str, float] = {}
    for row in rows:
        read = quantity(row.first("curtemp", "temp", "current", without=_BOUNDS))
        degrees = None if read is None or read.unit.startswith("f") else celsius(read.value)
        name = _named(row, ("component", "sensor", "device", "reg"))
        if degrees is not None and name:
            found.setdefault(name, degrees)
    return found


def _supply_name(row: Row) -> str:
    written = [*reversed(row.path), *(row.text(word) for word in _WHERE)]
    match = next((found for each in written if (found := _SUPPLY.search(each))), None)
    return f"PS{int(match[1])}" if match else ""


def _tell(supply: Supply, row: Row) -> None:
    present, good = _health(row.text("status", "state"))
    supply.present = present if supply.present is None else supply.present
    # A supply has several sensors: the worst counts.
    supply.good = good if supply.good is None or good is False else supply.good
    for name, value in row.cells.items():
        lower = name.lower()
        if ("power" in lower or "watt" in lower) and not any(word in lower for word in _NOT_DRAWN):
            watts = _watts(quantity(value), lower)
            if watts is not None:
                supply.watts.setdefault(_side(lower, row), watts)


def _watts(read: Quantity | None, column: str) -> float | None:
    units = {"": 1.0, "w": 1.0, "watt": 1.0, "watts": 1.0, "kw": 1e3, "mw": 1e-3}
    if read is None or read.unit not in units:
        return None
    factor = units[read.unit] * (1e3 if not read.unit and re.search(r"[\[(]\s*kw", column) else 1.0)
    watts = read.value * factor
    return watts if 0 <= watts <= _MOST_SUPPLY_WATTS else None


def _side(column: str, row: Row) -> str:
    """By the column, else by the sensor that the row is about."""
    for said in (column, row.text("sensor").lower(), " ".join(row.path).lower()):
        if re.search(r"\binput|\bin\b|\bpin\b", said):
            return "input"
        if re.search(r"\boutput|\bout\b|\bpout\b", said):
            return "output"
    return "unknown"


def _health(status: str) -> tuple[bool | None, bool | None]:
    """Whether a part is there, and whether it is good."""
    word = status.lower()
    if word in _AWAY:
        return False, None
    if word in _GOOD:
        return True, True
    if word in _BAD:
        return True, False
    return (True, None) if word == "present" else (None, None)


def _named(row: Row, words: tuple[str, ...]) -> str:
    """Module and own name, without what says the same twice: "MGMT/CPU package Sensor"."""
    parts = [*row.path, row.text("module"), *(row.text(word, without=("status", "speed", "temp")) for word in words)]
    kept = dict.fromkeys(part.strip("/ ") for part in parts if part.strip("/ "))
    return "/".join(kept)
