"""Small plants made by hand, for tests of whoever shows or reads storage, switches, PDUs and cables; all numbers are round.

`plant()` has one of each: two PowerScale clusters, an ECS, an OS10, a SONiC and two InfiniBand switches, a PDU of each
vendor, and the adapters of two servers. The builders make single ones; what a test is about it changes afterwards.
"""

from __future__ import annotations

from simulator.plant.model import (
    Cluster,
    Drive,
    Fan,
    Happening,
    Member,
    Outlet,
    PduState,
    Phase,
    Plant,
    Port,
    Supply,
    SwitchState,
)

NOW = 1_760_000_000.0
HOUR = 3600.0


def plant() -> Plant:
    """One of each."""
    return Plant(
        now=NOW,
        clusters=[
            powerscale(),
            powerscale("projects", model="F900", address="127.0.0.1", nodes=4),
            ecs(),
        ],
        switches=[
            os10(),
            sonic(),
            quantum("ib-leaf-1", rails=(1, 2, 3, 4)),
            quantum("ib-leaf-2", rails=(5, 6, 7, 8)),
        ],
        pdus=[pdu("pdu-rack-01-a", "raritan"), pdu("pdu-rack-01-b", "apc"), pdu("pdu-rack-02-a", "servertech")],
        adapters={name: adapters(name) for name in ("xe9680-01", "xe9680-02")},
    )


def powerscale(
    name: str = "scratch", *, model: str = "F600", address: str = "127.0.0.1", nodes: int = 4, events: bool = True
) -> Cluster:
    """A PowerScale cluster of 400 TB that is 60 % full, reads 12 GB/s and writes 2 GB/s; node 2 has a drive that failed."""
    members = [member(name, number, model) for number in range(1, nodes + 1)]
    members[1].drives[3].state = "FAILED"
    return Cluster(
        name=name,
        kind="powerscale",
        model=model,
        version="9.7.1.0",
        serial=f"SN-{name}",
        address=address,
        size_bytes=400e12,
        used_bytes=240e12,
        design_read=40e9,
        design_write=8e9,
        members=members,
        read=12e9,
        write=2e9,
        operations={"nfs3": 60_000.0, "nfs4": 4_000.0, "smb2": 0.0},
        latency={"nfs3": 0.0008, "nfs4": 0.002},
        happenings=[
            Happening(number=101, severity="critical", text="Drive in bay 4 of node 2 failed", since=NOW - 2 * HOUR),
            Happening(
                number=90, severity="warning", text="Node 3 was slow", since=NOW - 48 * HOUR, resolved_at=NOW - 47 * HOUR
            ),
        ]
        if events
        else [],
    )


def ecs(name: str = "objects", *, address: str = "127.0.0.1", nodes: int = 5) -> Cluster:
    """An ECS of 700 TB that is half full, with one alert."""
    return Cluster(
        name=name,
        kind="ecs",
        model="EXF900",
        version="3.8.1.0",
        serial=f"SN-{name}",
        address=address,
        size_bytes=700e12,
        used_bytes=350e12,
        design_read=20e9,
        design_write=12e9,
        members=[member(name, number, "EXF900", disks=24, watts=800.0) for number in range(1, nodes + 1)],
        read=3e9,
        write=1e9,
        operations={"s3": 2_500.0},
        latency={"s3": 0.012},
        happenings=[Happening(number=7, severity="error", text="Replication is behind", since=NOW - HOUR)],
    )


def member(cluster: str, number: int, model: str = "F600", *, disks: int = 8, watts: float = 400.0) -> Member:
    """A good node with a supply on each feed."""
    return Member(
        name=f"{cluster}-{number}",
        number=number,
        rack=f"rack-{(number - 1) % 2 + 1:02d}",
        serial=f"{cluster.upper()[:4]}{number:04d}",
        model=model,
        watts=watts,
        joules=watts * HOUR,
        cpu_ratio=0.25,
        memory_ratio=0.4,
        inlet_celsius=22.0,
        fan_rpm=9000.0,
        receive_bytes_per_second=0.5e9,
        transmit_bytes_per_second=3e9,
        disk_busy_ratio=0.2,
        clients={"nfs3": 4, "nfs4": 2} if model != "EXF900" else {},
        drives=[Drive(bay=bay, serial=f"{cluster}-{number}-{bay}") for bay in range(1, disks + 1)],
        supplies=[Supply(name=f"PS{order}", feed=feed, watts=watts / 2) for order, feed in ((1, "A"), (2, "B"))],
    )


def os10(name: str = "eth-leaf-1", *, address: str = "127.0.0.1", ports: int = 4) -> SwitchState:
    """A Z9432F-ON under OS10: port 1 to a server, port 2 to a storage node, port 3 is wanted and down, others are off."""
    return _ethernet(name, "os10", "10.5.6.0", address, [f"ethernet1/1/{number}" for number in range(1, ports + 1)])


def sonic(name: str = "eth-leaf-2", *, address: str = "127.0.0.1", ports: int = 4) -> SwitchState:
    """The same under SONiC."""
    return _ethernet(name, "sonic", "4.4.1", address, [f"Ethernet{8 * number}" for number in range(ports)])


def quantum(
    name: str = "ib-leaf-1", *, address: str = "127.0.0.1", rails: tuple[int, ...] = (1, 2, 3, 4), ports: int = 8
) -> SwitchState:
    """A QM9700: one port for each rail of xe9680-01; the last is wanted and down. Port 2 has symbol errors."""
    found = []
    for number in range(1, ports + 1):
        port = Port(name=f"IB1/{(number + 1) // 2}/{(number - 1) % 2 + 1}", index=number)
        if number <= len(rails):
            rail = rails[number - 1]
            _carry(port, 400e9, "xe9680-01", f"mlx5_{rail - 1}")
            port.rail = rail
        found.append(port)
    found[1].symbol_errors, found[1].recoveries, found[1].link_downs, found[1].bit_error_ratio = 1234.0, 3.0, 2.0, 1e-9
    return SwitchState(
        name=name,
        model="QM9700",
        system="mlnx-os",
        fabric="infiniband",
        version="3.11.2016",
        serial=f"MT{name[-1]}",
        guid=f"0xb83fd203001{name[-1]}0000",
        rack="rack-01",
        address=address,
        started_at=NOW - 100 * HOUR,
        cpu_ratio=0.12,
        watts=900.0,
        joules=900.0 * HOUR,
        temperatures={"ASIC": 58.0, "Inlet": 24.0, "CPU": 45.0},
        ports=found,
        supplies=_supplies(450.0),
        fans=[Fan(name=f"FAN{number}") for number in range(1, 7)],
    )


def adapters(server: str, rails: int = 8) -> list[Port]:
    """The InfiniBand adapters of a server, rails 1 to 4 on ib-leaf-1, the others on ib-leaf-2."""
    found = []
    for number in range(rails):
        port = Port(name=f"mlx5_{number}", index=1, rail=number + 1)
        _carry(port, 400e9, "ib-leaf-1" if number < 4 else "ib-leaf-2", f"IB1/{number % 4 // 2 + 1}/{number % 2 + 1}")
        port.alias = server
        found.append(port)
    return found


def pdu(name: str = "pdu-rack-01-a", kind: str = "raritan", *, address: str = "127.0.0.1") -> PduState:
    """A PDU of 3 kW: three phases of 1 kW, two outlets of a server, one of a switch, one with nothing on it."""
    hung = (("xe9680-01", 1300.0), ("xe9680-01", 1300.0), ("eth-leaf-1", 400.0), ("", 0.0))
    models = {"raritan": "PX3-5902U", "apc": "AP8866", "servertech": "C2WG24TE"}
    return PduState(
        name=name,
        kind=kind,
        model=models[kind],
        serial=f"SN-{name}",
        rack=name.removeprefix("pdu-").rpartition("-")[0],
        feed=name[-1].upper(),
        address=address,
        watts=3000.0,
        joules=3000.0 * HOUR,
        phases=[Phase(name=f"L{number}", volts=230.0, amperes=1000.0 / 230.0, watts=1000.0) for number in (1, 2, 3)],
        outlets=[
            Outlet(number=number, device=device, on=bool(device), watts=watts, joules=watts * HOUR)
            for number, (device, watts) in enumerate(hung, start=1)
        ],
    )


def _ethernet(name: str, system: str, version: str, address: str, names: list[str]) -> SwitchState:
    ports = [Port(name=each, index=index, wanted=False) for index, each in enumerate(names, start=1)]
    _carry(ports[0], 400e9, "xe9680-01", "eth0")
    ports[0].alias = "xe9680-01"
    _carry(ports[1], 100e9, "scratch-1", "100gige-1")
    ports[2].wanted = True
    ports[0].receive_errors, ports[0].ecn_packets, ports[0].pfc_receive[3], ports[0].pfc_transmit[3] = 5.0, 70.0, 11.0, 12.0
    return SwitchState(
        name=name,
        model="PowerSwitch Z9432F-ON",
        system=system,
        fabric="ethernet",
        version=version,
        serial=f"TH0{name[-1]}",
        guid="",
        rack="rack-01",
        address=address,
        started_at=NOW - 100 * HOUR,
        cpu_ratio=0.1,
        watts=800.0,
        joules=800.0 * HOUR,
        temperatures={"Inlet": 24.0, "CPU": 44.0, "ASIC": 56.0},
        ports=ports,
        supplies=_supplies(400.0),
        fans=[Fan(name=f"FAN{number}") for number in range(1, 8)],
    )


def _supplies(watts: float) -> list[Supply]:
    return [Supply(name=f"PSU{number}", feed=feed, watts=watts) for number, feed in ((1, "A"), (2, "B"))]


def _carry(port: Port, speed: float, peer: str, peer_port: str) -> None:
    port.speed, port.up, port.wanted, port.peer, port.peer_port = speed, True, True, peer, peer_port
    # Beyond 32 bits, so that a reader of the small counters is found out.
    port.receive_bytes, port.transmit_bytes = 9e12, 7e12
    port.receive_packets, port.transmit_packets = 8e9, 6e9
    port.changed_at = NOW - 10 * HOUR
    port.optic_celsius, port.receive_dbm, port.transmit_dbm = 48.0, -0.6, 1.2
