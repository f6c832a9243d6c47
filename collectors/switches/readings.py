"""What a switch told, in our units; what it did not tell is None."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Counters of one direction of a port, since whenever the switch counts."""

    bytes: int | None = None
    packets: int | None = None
    errors: int | None = None
    discards: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port that a cable goes into."""

    name: str
    up: bool | None = None
    wanted: bool | None = None
    speed: float | None = None
    receive: Traffic = Traffic()
    transmit: Traffic = Traffic()
    changed_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """All of them, and how long the switch runs."""

    ports: tuple[Port, ...]
    uptime_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """A power supply's slot. `watts` by side: input, output, or unknown where the switch does not say."""

    name: str
    present: bool | None = None
    ok: bool | None = None
    watts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fan:
    """A fan."""

    name: str
    ok: bool | None = None
    rpm: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """What a lane of an optical module sends or receives."""

    port: str
    lane: str
    direction: str
    dbm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Power, cooling and optics. Temperatures by sensor, those of modules by port."""

    supplies: tuple[Supply, ...] = ()
    fans: tuple[Fan, ...] = ()
    temperatures: Mapping[str, float] = field(default_factory=dict)
    lights: tuple[Light, ...] = ()
    modules: Mapping[str, float] = field(default_factory=dict)
    cpu_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Who is at the other end of a port's cable, as it announced itself by LLDP."""

    port: str
    system: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """What the switch is, what is written beside its ports, and who hangs on them."""

    system: str
    model: str = ""
    version: str = ""
    serial: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)
    neighbours: tuple[Neighbour, ...] = ()


Reading = Ports | Environment | Topology
