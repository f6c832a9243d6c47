"""The plant at rest: which switch, storage node and PDU there is, and what hangs on which port and outlet. Cables never move.

Ports 1.. of an Ethernet leaf go to servers (eth0), ports 16 to 28 of the first two to storage nodes, 29 to 32 of those to each
other. InfiniBand is rail-optimized: rails 1 to 4 of a pod of twelve servers hang on its first leaf, 5 to 8 on its second, ports
57 to 64 join the two. What is not cabled nobody wants to be up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from simulator.plant.equipment import (
    ETHERNET_PORTS,
    FABRIC_TRUNK_PORTS,
    FIRST_LEAF_SERVERS,
    INFINIBAND_PORTS,
    LEAF_SERVERS,
    OUTLETS,
    RAILS_PER_LEAF,
    STORAGE,
    TRUNK_PORTS,
    Device,
    Equipment,
    Storage,
    equipment,
    rails_of,
)
from simulator.plant.model import Cluster, Drive, Fan, Member, Outlet, PduState, Phase, Plant, Port, Supply, SwitchState
from simulator.site import FEEDS, Layout, Server

FABRIC_SPEED, SERVER_SPEED, STORAGE_SPEED, TRUNK_SPEED = 400e9, 200e9, 100e9, 400e9
FIRST_STORAGE_PORT = FIRST_LEAF_SERVERS + 1
FANS = {"ethernet": 7, "infiniband": 6}
VERSIONS = {"os10": "10.5.6.4", "sonic": "4.4.1", "mlnx-os": "3.11.2302"}
PDU_MODELS = {"raritan": "PX3-5902U", "apc": "AP8866", "servertech": "C2WG24TE"}
# They were switched on some weeks before anybody looked.
UPTIME_DAYS = 43


def plant_of(hall: Layout, now: float) -> Plant:
    """Everything good and idle at `now`."""
    described = equipment(hall)
    switches = {device.name: _switch(device, now) for device in described.switches}
    adapters = {server.name: _adapters(server) for server in hall.servers if rails_of(server)}
    for leaf, ports in switches.items():
        for port in ports.ports:
            port.changed_at = now - _spread(f"{leaf}/{port.name}", 1, UPTIME_DAYS) * 86400
    _cable_servers(hall, switches)
    _cable_storage(described, switches)
    _cable_fabric(described, switches, adapters)
    return Plant(
        now=now,
        clusters=[_cluster(storage, described) for storage in STORAGE],
        switches=list(switches.values()),
        pdus=[_pdu(hall, described, rack, feed) for rack in hall.racks for feed in FEEDS],
        adapters=adapters,
    )


def pdu_name(rack: str, feed: str) -> str:
    """The name of a rack's PDU on a feed."""
    return f"pdu-{rack}-{feed.lower()}"


def outlets_of(hall: Layout, described: Equipment, rack: str, feed: str) -> Iterator[tuple[str, int]]:
    """What hangs on the outlets of a rack's PDU, in order: the device, and for a server which of its supplies."""
    side = FEEDS.index(feed)
    for server in hall.servers:
        if server.rack == rack:
            yield from ((server.name, slot) for slot in range(server.model.psus) if slot % len(FEEDS) == side)
    yield from ((device.name, side) for device in described.devices if device.rack == rack)


def _cluster(storage: Storage, described: Equipment) -> Cluster:
    members = [device for device in described.members if device.cluster == storage.name]
    return Cluster(
        name=storage.name,
        kind=storage.kind,
        model=storage.model.name,
        version=storage.version,
        serial=hashlib.sha256(storage.name.encode()).hexdigest()[:32],
        address=storage.address,
        size_bytes=storage.size_bytes,
        used_bytes=storage.size_bytes * storage.used_ratio,
        design_read=storage.design_read,
        design_write=storage.design_write,
        members=[_member(device) for device in members],
    )


def _member(device: Device) -> Member:
    return Member(
        name=device.name,
        number=device.number,
        rack=device.rack,
        serial=device.serial,
        model=device.model.name,
        drives=[Drive(bay=bay, serial=f"{device.serial}{bay:03d}") for bay in range(1, device.model.drives + 1)],
        supplies=_supplies("PS"),
    )


def _switch(device: Device, now: float) -> SwitchState:
    is_fabric = device.fabric == "infiniband"
    names = {
        "os10": lambda number: f"ethernet1/1/{number}",
        "sonic": lambda number: f"Ethernet{8 * (number - 1)}",
        "mlnx-os": lambda number: f"IB1/{(number + 1) // 2}/{(number - 1) % 2 + 1}",
    }
    count = INFINIBAND_PORTS if is_fabric else ETHERNET_PORTS
    order = device.number + (100 if is_fabric else 0)
    return SwitchState(
        name=device.name,
        model=device.model.name,
        system=device.system,
        fabric=device.fabric,
        version=VERSIONS[device.system],
        serial=device.serial,
        guid=device.guid,
        rack=device.rack,
        address=f"127.85.1.{order}",
        started_at=now - UPTIME_DAYS * 86400,
        temperatures={"ASIC": 50.0, "Inlet": 23.0, "CPU": 42.0},
        ports=[Port(name=names[device.system](number), index=number, wanted=False) for number in range(1, count + 1)],
        supplies=_supplies("PSU"),
        fans=[Fan(name=f"FAN{number}") for number in range(1, FANS[device.fabric] + 1)],
    )


def _supplies(name: str) -> list[Supply]:
    return [Supply(name=f"{name}{number}", feed=feed) for number, feed in enumerate(FEEDS, start=1)]


def _adapters(server: Server) -> list[Port]:
    return [Port(name=f"mlx5_{number}", index=1, rail=number + 1) for number in range(rails_of(server))]


def _cable_servers(hall: Layout, switches: dict[str, SwitchState]) -> None:
    for server in hall.servers:
        leaf, number = _place_on_ethernet(server.index)
        _join(switches[f"eth-leaf-{leaf}"].ports[number - 1], SERVER_SPEED, server.name, "eth0")


def _place_on_ethernet(index: int) -> tuple[int, int]:
    """The leaf and port of a server: the first thirty on two leaves in turn, the others leaf by leaf."""
    if index < 2 * FIRST_LEAF_SERVERS:
        return index % 2 + 1, index // 2 + 1
    leaf, place = divmod(index - 2 * FIRST_LEAF_SERVERS, LEAF_SERVERS)
    return leaf + 3, place + 1


def _cable_storage(described: Equipment, switches: dict[str, SwitchState]) -> None:
    first, second = switches["eth-leaf-1"], switches["eth-leaf-2"]
    for order, device in enumerate(described.members):
        for side, leaf in enumerate((first, second), start=1):
            name = f"100gige-{side}" if device.model.name != "EXF900" else f"ens{side}f0"
            _join(leaf.ports[FIRST_STORAGE_PORT - 1 + order], STORAGE_SPEED, device.name, name)
    _join_trunk(first, second, ETHERNET_PORTS - TRUNK_PORTS, TRUNK_PORTS)


def _cable_fabric(described: Equipment, switches: dict[str, SwitchState], adapters: dict[str, list[Port]]) -> None:
    for pod, servers in enumerate(described.pods):
        leaves = [switches[f"ib-leaf-{2 * pod + side}"] for side in (1, 2)]
        for place, server in enumerate(servers):
            for number, adapter in enumerate(adapters[server.name]):
                side, rail = divmod(number, RAILS_PER_LEAF)
                port = leaves[side].ports[place * RAILS_PER_LEAF + rail]
                _join(port, FABRIC_SPEED, server.name, adapter.name)
                _join(adapter, FABRIC_SPEED, leaves[side].name, port.name)
                port.rail, adapter.changed_at = adapter.rail, port.changed_at
        _join_trunk(leaves[0], leaves[1], INFINIBAND_PORTS - FABRIC_TRUNK_PORTS, FABRIC_TRUNK_PORTS)


def _join_trunk(one: SwitchState, other: SwitchState, first: int, count: int) -> None:
    for mine, theirs in zip(one.ports[first : first + count], other.ports[first : first + count], strict=True):
        _join(mine, TRUNK_SPEED, other.name, theirs.name)
        _join(theirs, TRUNK_SPEED, one.name, mine.name)


def _join(port: Port, speed: float, peer: str, peer_port: str) -> None:
    port.speed, port.up, port.wanted = speed, True, True
    port.peer, port.peer_port, port.alias = peer, peer_port, f"{peer} {peer_port}"
    port.optic_celsius, port.receive_dbm, port.transmit_dbm = 46.0, -0.7, 1.1


def _pdu(hall: Layout, described: Equipment, rack: str, feed: str) -> PduState:
    is_last = len(hall.racks) > 1 and rack == hall.racks[-1]
    kind = "servertech" if is_last else {"A": "raritan", "B": "apc"}[feed]
    number = 2 * hall.racks.index(rack) + FEEDS.index(feed)
    hung = [device for device, _ in outlets_of(hall, described, rack, feed)]
    name = pdu_name(rack, feed)
    return PduState(
        name=name,
        kind=kind,
        model=PDU_MODELS[kind],
        serial=hashlib.sha256(name.encode()).hexdigest()[:10].upper(),
        rack=rack,
        feed=feed,
        address=f"127.85.{10 + number // 250}.{number % 250 + 1}",
        phases=[Phase(name=f"L{each}") for each in (1, 2, 3)],
        outlets=[Outlet(number=each + 1, device=hung[each] if each < len(hung) else "") for each in range(OUTLETS)],
    )


def _spread(name: str, low: float, high: float) -> float:
    """A number between, always the same for a name."""
    return low + (high - low) * int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
