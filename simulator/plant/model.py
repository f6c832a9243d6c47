"""What the simulated storage, switches and PDUs are at this moment. `plant.py` moves it; the servers of `simulator/` show it.

Every number is the truth; what a protocol makes of it (permil, strings, base64, sentinels) is the business of who speaks it.
Servers of protocols only read. Faults change the truth (a failed drive, a lost PSU, a degraded link) here, or how it is told
(a token that expired, a truncated body) in the server that tells it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar


@dataclass(slots=True, kw_only=True)
class Supply:
    """A power supply. `watts` is its input."""

    name: str
    present: bool = True
    ok: bool = True
    feed: str = "A"
    watts: float = 0.0


@dataclass(slots=True, kw_only=True)
class Drive:
    """A drive of a storage node. `state` is HEALTHY, FAILED or SMARTFAIL."""

    bay: int
    serial: str
    state: str = "HEALTHY"


@dataclass(slots=True, kw_only=True)
class Member:
    """A node of a storage cluster."""

    name: str
    number: int
    rack: str
    serial: str
    model: str
    up: bool = True
    watts: float = 0.0
    joules: float = 0.0
    cpu_ratio: float = 0.0
    memory_ratio: float = 0.4
    inlet_celsius: float = 22.0
    fan_rpm: float = 9000.0
    receive_bytes_per_second: float = 0.0
    transmit_bytes_per_second: float = 0.0
    disk_busy_ratio: float = 0.0
    clients: dict[str, int] = field(default_factory=dict)
    drives: list[Drive] = field(default_factory=list)
    supplies: list[Supply] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Happening:
    """An event or alert of a storage cluster. Times are Unix seconds; `severity` is critical, error, warning or information."""

    number: int
    severity: str
    text: str
    since: float
    resolved_at: float | None = None


@dataclass(slots=True, kw_only=True)
class Cluster:
    """A storage cluster. Rates are bytes and operations a second; latencies seconds, by protocol (nfs3, nfs4, smb2, s3)."""

    name: str
    kind: str
    model: str
    version: str
    serial: str
    address: str
    size_bytes: float
    used_bytes: float
    design_read: float
    design_write: float
    members: list[Member] = field(default_factory=list)
    read: float = 0.0
    write: float = 0.0
    operations: dict[str, float] = field(default_factory=dict)
    latency: dict[str, float] = field(default_factory=dict)
    happenings: list[Happening] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Port:
    """A port of a switch or of a server's adapter. Counters count from the start of the simulation, bytes as integers.

    `peer` is the device at the other end and `peer_port` its port: a server's adapter (mlx5_0), a switch's port, or "".
    """

    name: str
    index: int
    speed: float = 0.0
    up: bool = False
    wanted: bool = True
    alias: str = ""
    peer: str = ""
    peer_port: str = ""
    rail: int | None = None
    receive_bytes: float = 0.0
    transmit_bytes: float = 0.0
    receive_packets: float = 0.0
    transmit_packets: float = 0.0
    receive_errors: float = 0.0
    transmit_errors: float = 0.0
    receive_discards: float = 0.0
    transmit_discards: float = 0.0
    symbol_errors: float = 0.0
    link_downs: float = 0.0
    recoveries: float = 0.0
    wait_ticks: float = 0.0
    bit_error_ratio: float = 1e-15
    pfc_receive: list[float] = field(default_factory=lambda: [0.0] * 8)
    pfc_transmit: list[float] = field(default_factory=lambda: [0.0] * 8)
    ecn_packets: float = 0.0
    changed_at: float = 0.0
    optic_celsius: float | None = None
    receive_dbm: float | None = None
    transmit_dbm: float | None = None


@dataclass(slots=True, kw_only=True)
class Fan:
    """A fan of a switch."""

    name: str
    rpm: float = 12000.0
    ok: bool = True


@dataclass(slots=True, kw_only=True)
class SwitchState:
    """A switch. `system` is os10, sonic or mlnx-os; `fabric` ethernet or infiniband."""

    name: str
    model: str
    system: str
    fabric: str
    version: str
    serial: str
    guid: str
    rack: str
    address: str
    up: bool = True
    started_at: float = 0.0
    cpu_ratio: float = 0.1
    watts: float = 0.0
    joules: float = 0.0
    temperatures: dict[str, float] = field(default_factory=dict)
    ports: list[Port] = field(default_factory=list)
    supplies: list[Supply] = field(default_factory=list)
    fans: list[Fan] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Outlet:
    """An outlet of a PDU and the device on it."""

    number: int
    device: str
    on: bool = True
    watts: float = 0.0
    joules: float = 0.0


@dataclass(slots=True, kw_only=True)
class Phase:
    """A phase at a PDU's inlet."""

    name: str
    volts: float = 230.0
    amperes: float = 0.0
    watts: float = 0.0


@dataclass(slots=True, kw_only=True)
class PduState:
    """A metered PDU: three phases at its inlet, outlets behind them. `kind` is raritan, apc or servertech."""

    name: str
    kind: str
    model: str
    serial: str
    rack: str
    feed: str
    address: str
    up: bool = True
    watts: float = 0.0
    joules: float = 0.0
    phases: list[Phase] = field(default_factory=list)
    outlets: list[Outlet] = field(default_factory=list)


Thing = TypeVar("Thing", Cluster, SwitchState, PduState)


@dataclass(slots=True, kw_only=True)
class Plant:
    """All of it. `adapters` are the fabric ports of the servers, by server's name."""

    now: float
    clusters: list[Cluster] = field(default_factory=list)
    switches: list[SwitchState] = field(default_factory=list)
    pdus: list[PduState] = field(default_factory=list)
    adapters: dict[str, list[Port]] = field(default_factory=dict)

    def cluster(self, name: str) -> Cluster:
        """The cluster of that name. Raises `KeyError`."""
        return _named(self.clusters, name)

    def switch(self, name: str) -> SwitchState:
        """The switch of that name. Raises `KeyError`."""
        return _named(self.switches, name)

    def pdu(self, name: str) -> PduState:
        """The PDU of that name. Raises `KeyError`."""
        return _named(self.pdus, name)


def _named(things: list[Thing], name: str) -> Thing:
    for thing in things:
        if thing.name == name:
            return thing
    raise KeyError(name)
