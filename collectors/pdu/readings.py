"""What a PDU tells, whoever made it. None is: not told."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from collectors.snmp import Value, whole

# All bits set, signed or not: what agents write where they have no value, or where a counter ran full.
_NO_VALUES = frozenset({0xFFFFFFFF, 0x7FFFFFFF})

WATT_HOUR = 3600.0
TENTH_KILOWATT_HOUR = 360_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A phase, or a line, at the inlet."""

    watts: float | None = None
    amperes: float | None = None
    volts: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """An outlet. `label` is what is printed beside it; `number` the same as a plain number, where that is unique."""

    label: str
    number: str = ""
    watts: float | None = None
    joules: float | None = None
    on: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """What is measured: the inlet, its phases, the outlets, and degrees Celsius by sensor."""

    watts: float | None = None
    joules: float | None = None
    phases: Mapping[str, Phase] = field(default_factory=lambda: MappingProxyType({}))
    outlets: tuple[Outlet, ...] = ()
    temperatures: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the PDU is."""

    model: str = ""
    serial: str = ""
    version: str = ""


Reading = Power | Identity
Key = TypeVar("Key")


def measured(value: Value | None, factor: float, most: float, *, least: float = 0) -> float | None:
    """A value in our unit; None for a sentinel, and for what lies outside what its quantity can be."""
    number = whole(value)
    if number is None or number in _NO_VALUES:
        return None
    value = round(number * factor, 9)  # 435 hundredths are 4.35, and nothing in the seventeenth digit
    return value if least <= value <= most else None


def watts(value: Value | None, factor: float = 1.0) -> float | None:
    return measured(value, factor, 1e6)


def amperes(value: Value | None, factor: float) -> float | None:
    return measured(value, factor, 1e4)


def volts(value: Value | None, factor: float = 1.0) -> float | None:
    return measured(value, factor, 1e4)


def joules(value: Value | None, factor: float) -> float | None:
    return measured(value, factor, 1e16)


def celsius(value: Value | None, factor: float, *, fahrenheit: bool = False) -> float | None:
    """Degrees from -40 to 150. Server Technology writes -410 tenths for a sensor that is not there."""
    degrees = measured(value, factor, 302, least=-40)
    if degrees is None:
        return None
    degrees = (degrees - 32) / 1.8 if fahrenheit else degrees
    return degrees if -40 <= degrees <= 150 else None


def together(values: Iterable[float | None]) -> float | None:
    """The sum where all were read: an inlet that was not read is a gap, not 0 W."""
    told = tuple(values)
    read = [value for value in told if value is not None]
    return math.fsum(read) if read and len(read) == len(told) else None


def present(values: Mapping[Key, float | None]) -> dict[Key, float]:
    """Those that were read."""
    return {key: value for key, value in values.items() if value is not None}
