"""What RESTCONF tells of a switch, whatever its operating system calls it. None is: not told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple


class Pause(NamedTuple):
    """Which pause frames: `direction` is receive or transmit, `priority` 0 to 7."""

    direction: str
    priority: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Counters of one direction of a port."""

    bytes: float | None = None
    packets: float | None = None
    errors: float | None = None
    discards: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port. `speed` is in bits a second."""

    name: str
    alias: str = ""
    up: bool | None = None
    wanted: bool | None = None
    speed: float | None = None
    receive: Traffic = Traffic()
    transmit: Traffic = Traffic()
    pauses: Mapping[Pause, float] = field(default_factory=lambda: MappingProxyType({}))
    ecn_packets: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """A power supply."""

    name: str
    present: bool | None = None
    ok: bool | None = None
    input_watts: float | None = None
    output_watts: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fan:
    """A fan."""

    name: str
    ok: bool | None = None
    rpm: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """All ports."""

    ports: tuple[Port, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Supplies, fans, degrees Celsius by sensor, and which way the air of a part flows."""

    supplies: tuple[Supply, ...] = ()
    fans: tuple[Fan, ...] = ()
    temperatures: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    airflows: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the switch is, and how many alarms are active by severity."""

    model: str = ""
    version: str = ""
    serial: str = ""
    alarms: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


Reading = Ports | Environment | Identity
