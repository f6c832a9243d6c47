"""What stands in the hall beside the servers, and where: switches and storage above the servers, PDUs at the racks' sides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.site import Layout, Server

RACK_UNITS = 42
# Beside servers a rack takes so much more at most, whatever there is room for.
RACK_WATTS = 4500.0
ETHERNET_PORTS, INFINIBAND_PORTS = 32, 64
# How many servers hang on a pair of InfiniBand leaves: twelve XE9680 fill three quarters of each.
POD_SERVERS = 12
RAILS_PER_LEAF = 4
# Servers on each of the first two Ethernet leaves, which also have the storage, and on each further one.
FIRST_LEAF_SERVERS, LEAF_SERVERS = 15, 28
TRUNK_PORTS, FABRIC_TRUNK_PORTS = 4, 8
OUTLETS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A kind of device, by its data sheet: what it draws with nothing to do and fully loaded, and what its nameplate says."""

    name: str
    height: int
    idle_watts: float
    full_watts: float
    max_watts: float
    drives: int = 0


F600 = Model(name="F600", height=1, idle_watts=290, full_watts=440, max_watts=480, drives=8)
F900 = Model(name="F900", height=2, idle_watts=520, full_watts=790, max_watts=850, drives=24)
EXF900 = Model(name="EXF900", height=2, idle_watts=560, full_watts=840, max_watts=900, drives=24)
Z9432F = Model(name="PowerSwitch Z9432F-ON", height=1, idle_watts=560, full_watts=820, max_watts=1300)
QM9700 = Model(name="QM9700", height=1, idle_watts=620, full_watts=880, max_watts=1600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """A storage cluster as it was bought. Bytes, and bytes a second."""

    name: str
    kind: str
    model: Model
    nodes: int
    version: str
    address: str
    size_bytes: float
    used_ratio: float
    design_read: float
    design_write: float


STORAGE = (
    Storage(
        name="scratch",
        kind="powerscale",
        model=F600,
        nodes=4,
        version="9.7.1.0",
        address="127.85.0.1",
        size_bytes=352e12,
        used_ratio=0.64,
        design_read=40e9,
        design_write=8e9,
    ),
    Storage(
        name="projects",
        kind="powerscale",
        model=F900,
        nodes=4,
        version="9.8.0.1",
        address="127.85.0.2",
        size_bytes=1060e12,
        used_ratio=0.71,
        design_read=56e9,
        design_write=14e9,
    ),
    Storage(
        name="objects",
        kind="ecs",
        model=EXF900,
        nodes=5,
        version="3.8.1.0",
        address="127.85.0.3",
        size_bytes=740e12,
        used_ratio=0.55,
        design_read=20e9,
        design_write=12e9,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A switch or storage node in its place. Without a `rack` it stands in a room of its own, on the mains."""

    name: str
    kind: str
    model: Model
    rack: str = ""
    unit: int | None = None
    cluster: str = ""
    number: int = 0
    system: str = ""
    fabric: str = ""

    @property
    def serial(self) -> str:
        """A serial number."""
        return f"{hashlib.sha256(self.name.encode()).hexdigest()[:7].upper()}"

    @property
    def guid(self) -> str:
        """A GUID, of InfiniBand switches."""
        return f"0xb83fd203{hashlib.sha256(self.name.encode()).hexdigest()[:8]}" if self.fabric == "infiniband" else ""


@dataclass(frozen=True, slots=True)
class Equipment:
    """Everything beside the servers. `pods` are the servers with rails, by pair of leaves."""

    switches: tuple[Device, ...]
    members: tuple[Device, ...]
    pods: tuple[tuple[Server, ...], ...]

    @property
    def devices(self) -> tuple[Device, ...]:
        """Switches and storage nodes, in the order of their rows in every array."""
        return (*self.switches, *self.members)

    @property
    def max_watts(self) -> float:
        """What all could draw together."""
        return sum(device.model.max_watts for device in self.devices)


def equipment(hall: Layout) -> Equipment:
    """What belongs to a hall: storage always, leaves as many as its servers need."""
    railed = [server for server in hall.servers if rails_of(server)]
    pods = tuple(tuple(railed[first : first + POD_SERVERS]) for first in range(0, len(railed), POD_SERVERS))
    placed = tuple(_Room(hall).placed([*_switches(len(hall.servers), len(pods)), *_members()]))
    return Equipment(
        tuple(device for device in placed if device.kind == "switch"),
        tuple(device for device in placed if device.kind == "storage"),
        pods,
    )


def rails_of(server: Server) -> int:
    """How many rails a server has: an adapter for each GPU on a baseboard."""
    return server.model.gpus if server.model.hgx else 0


def _switches(servers: int, pods: int) -> Iterator[Device]:
    further = max(0, servers - 2 * FIRST_LEAF_SERVERS)
    for number in range(1, 3 + -(-further // LEAF_SERVERS)):
        system = "os10" if number % 2 else "sonic"
        yield Device(name=f"eth-leaf-{number}", kind="switch", model=Z9432F, number=number, system=system, fabric="ethernet")
    for number in range(1, 2 * pods + 1):
        name = f"ib-leaf-{number}"
        yield Device(name=name, kind="switch", model=QM9700, number=number, system="mlnx-os", fabric="infiniband")


def _members() -> Iterator[Device]:
    for storage in STORAGE:
        for number in range(1, storage.nodes + 1):
            name = f"{storage.name}-{number}"
            yield Device(name=name, kind="storage", model=storage.model, cluster=storage.name, number=number)


class _Room:
    """What is free above the servers of each rack."""

    def __init__(self, hall: Layout) -> None:
        self._watts = dict.fromkeys(hall.racks, 0.0)
        self._top = dict.fromkeys(hall.racks, RACK_UNITS)
        self._floor = dict.fromkeys(hall.racks, 0)
        for server in hall.servers:
            self._floor[server.rack] = max(self._floor[server.rack], server.unit + server.model.height - 1)

    def placed(self, devices: Sequence[Device]) -> Iterator[Device]:
        """Each in the rack that has the least yet, from the top; what finds no room stands elsewhere."""
        for device in devices:
            fitting = [rack for rack in self._watts if self._fits(rack, device.model)]
            if not fitting:
                yield device
                continue
            rack = min(fitting, key=self._watts.__getitem__)
            self._watts[rack] += device.model.max_watts
            self._top[rack] -= device.model.height
            yield replace(device, rack=rack, unit=self._top[rack] + 1)

    def _fits(self, rack: str, model: Model) -> bool:
        free = self._top[rack] - self._floor[rack]
        return free >= model.height and self._watts[rack] + model.max_watts <= RACK_WATTS
