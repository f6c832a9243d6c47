"""What the processes on each simulated server see of its InfiniBand adapters: their part of /sys."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from simulator.plant.model import Plant, Port

FIRMWARE = "28.39.1002"
# A ConnectX-7 that loses lanes falls from four to two and one.
WIDTHS = ((400e9, "400 Gb/sec (4X NDR)"), (200e9, "200 Gb/sec (2X NDR)"), (100e9, "100 Gb/sec (1X NDR)"))
# Servers written at a time: of a large hall each comes by turns, and no second is spent on files alone.
SERVERS_AT_A_TIME = 32
LOWEST_RATE = "10 Gb/sec (4X SDR)"
_ENDS_AT = {"symbol_error": 65535, "port_rcv_errors": 65535, "port_xmit_discards": 65535, "port_xmit_wait": 2**32 - 1}
_ENDS_AT |= {"link_downed": 255, "link_error_recovery": 255}
_ZEROS = (
    "port_rcv_remote_physical_errors",
    "port_rcv_switch_relay_errors",
    "port_rcv_constraint_errors",
    "port_xmit_constraint_errors",
    "local_link_integrity_errors",
    "excessive_buffer_overrun_errors",
    "VL15_dropped",
)
_HARDWARE = ("out_of_sequence", "packet_seq_err", "local_ack_timeout_err", "rnr_nak_retry_err", "out_of_buffer")


def adapter_guid(node: str, device: str) -> str:
    """The node GUID of a server's adapter, the same in every run."""
    return "a088c203" + hashlib.sha256(f"{node} {device}".encode()).hexdigest()[:8]


def is_infiniband(port: Port) -> bool:
    """Whether a server's fabric port is one of InfiniBand; its storage network has others."""
    return port.name.startswith("mlx5_")


class AdapterFeed:
    """Files under `<directory>/<server>/class/infiniband`, as the mlx5 driver has them. Only what changed is written."""

    def __init__(self, plant: Plant, directory: Path) -> None:
        """Make the trees of all servers that have adapters."""
        self.plant = plant
        self._directory = directory
        self._written: dict[str, str] = {}
        self._next = 0
        for node, ports in plant.adapters.items():
            for port in filter(is_infiniband, ports):
                self._make(node, port)
        for node, ports in plant.adapters.items():
            self._show(node, ports)

    def write(self) -> None:
        """Show the ports of now, of a large hall those of the servers whose turn it is."""
        servers = list(self.plant.adapters.items())
        turn = [servers[(self._next + place) % len(servers)] for place in range(min(SERVERS_AT_A_TIME, len(servers)))]
        self._next += len(turn)
        for node, ports in turn:
            self._show(node, ports)

    def _show(self, node: str, ports: list[Port]) -> None:
        for port in filter(is_infiniband, ports):
            base = f"{self._directory}/{node}/class/infiniband/{port.name}/ports/1/"
            for name, text in _state(port).items():
                self._put(base + name, text)
            for name, count in _counters(port).items():
                self._put(f"{base}counters/{name}", f"{count}\n")

    def _make(self, node: str, port: Port) -> None:
        device = self._directory / node / "class/infiniband" / port.name
        for folder in ("counters", "hw_counters"):
            (device / "ports/1" / folder).mkdir(parents=True, exist_ok=True)
        digits = adapter_guid(node, port.name)
        self._put(str(device / "node_guid"), ":".join(digits[place : place + 4] for place in range(0, 16, 4)) + "\n")
        self._put(str(device / "fw_ver"), FIRMWARE + "\n")
        self._put(str(device / "ports/1/link_layer"), "InfiniBand\n")
        for name in _ZEROS:
            self._put(str(device / "ports/1/counters" / name), "0\n")
        for name in _HARDWARE:
            self._put(str(device / "ports/1/hw_counters" / name), "0\n")

    def _put(self, path: str, text: str) -> None:
        """Write a file if its text is another than before. One of another length is replaced: nobody reads half of both."""
        before = self._written.get(path)
        if before == text:
            return
        self._written[path] = text
        target = path if before is not None and len(text) == len(before) else path + "~"
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)
        if target != path:
            Path(target).replace(path)


def _state(port: Port) -> dict[str, str]:
    if port.up:
        rate = next((text for speed, text in WIDTHS if port.speed >= speed), LOWEST_RATE)
        return {"state": "4: ACTIVE\n", "phys_state": "5: LinkUp\n", "rate": rate + "\n"}
    physical = "2: Polling\n" if port.wanted else "3: Disabled\n"
    return {"state": "1: DOWN\n", "phys_state": physical, "rate": LOWEST_RATE + "\n"}


def _counters(port: Port) -> dict[str, int]:
    """Counters of data count words of four octets; those of errors are short and stand still at their end."""
    counts = {
        "port_rcv_data": port.receive_bytes // 4,
        "port_xmit_data": port.transmit_bytes // 4,
        "port_rcv_packets": port.receive_packets,
        "port_xmit_packets": port.transmit_packets,
        "port_xmit_wait": port.wait_ticks,
        "symbol_error": port.symbol_errors,
        "link_error_recovery": port.recoveries,
        "link_downed": port.link_downs,
        "port_rcv_errors": port.receive_errors,
        "port_xmit_discards": port.transmit_discards,
    }
    return {name: min(int(count), _ENDS_AT.get(name, 2**64 - 1)) for name, count in counts.items()}
